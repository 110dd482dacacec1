"""What most tests need: the real gateway in both installs, a strict provider behind it, a clean environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_pollinations_portkey import _sending, notices
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider

ROOT = Path(__file__).parent.parent
GATEWAYS = ROOT / ".gateways"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or setting of the developer's reaches a test, and every warning is told anew."""
    variables = {name for row in Catalogue.default().providers() for name in row.key_variables}
    variables |= {
        name for row in Catalogue.default().providers() for option in row.options.values() for name in option.variables
    }
    for name in os.environ:
        if name in variables or name.startswith(("PORTKEY_", "LANGSMITH_", "LANGCHAIN_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("DEBUG", raising=False)
    # botocore, where it is installed, would look for files and for the metadata service of an EC2 machine.
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    # What a test registers is gone with it.
    monkeypatch.setattr(Catalogue.default(), "_state", Catalogue.default()._state)
    notices.forget_all()


def _gateway(name: str) -> Iterator[LocalGateway]:
    with LocalGateway(install_dir=GATEWAYS / name) as gateway:
        yield gateway
    _sending.forget_builds()


@pytest.fixture(scope="session")
def pinned_gateway() -> Iterator[LocalGateway]:
    """The real gateway with the dependencies that this package pins."""
    yield from _gateway("pinned")


@pytest.fixture(scope="session")
def plain_gateway() -> Iterator[LocalGateway]:
    """The real gateway as a plain `npm install` has it, which cannot stream."""
    yield from _gateway("plain")


@pytest.fixture(scope="session")
def _provider() -> Iterator[StandInProvider]:
    with StandInProvider() as provider:
        yield provider


@pytest.fixture
def provider(_provider: StandInProvider) -> StandInProvider:
    """A strict stand-in for every provider, its log empty."""
    _provider.clear()
    return _provider
