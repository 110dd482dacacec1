"""The surroundings of our own run of the suite, without the gateway: it hands OpenAI's answers on unchanged."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from langchain_pollinations_portkey.testing import StandInProvider
from tests.standard.conftest import _file
from tests.standard.player import play

ROUTE: dict[str, str] = {}


@pytest.fixture(scope="session")
def _provider() -> Iterator[StandInProvider]:
    with StandInProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def played(_provider: StandInProvider, monkeypatch: pytest.MonkeyPatch) -> StandInProvider:
    _provider.clear()
    _provider.answer_with(play)
    ROUTE["url"] = f"{_provider.lenient_url}/v1"
    monkeypatch.setattr(httpx, "get", _file)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")
    return _provider
