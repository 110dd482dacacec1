"""The standard tests' surroundings: the gateway, the player behind it, and no way to the internet."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import PortkeyWarning
from langchain_pollinations_portkey.testing import StandInProvider
from tests.conftest import ROOT
from tests.scrubbing import VCR_CONFIG
from tests.standard.player import play

ROUTE: dict[str, str] = {}
"""Where the models of these tests are; the classes of the suite read it in properties, where no fixture reaches."""

FILES = {
    "image": bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0"
        "000003010100c9fe92ef0000000049454e44ae426082"
    ),
    "pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00",
}


@pytest.fixture(autouse=True)
def _played(
    pinned_gateway: LocalGateway, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandInProvider]:
    provider.answer_with(play)
    ROUTE.update(base_url=pinned_gateway.base_url, custom_host=provider.url)
    monkeypatch.setattr(httpx, "get", _file)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tests")  # it warns without one, though nothing is downloaded
    yield provider
    provider.answer_with(None)


def _file(url: str, **_: Any) -> httpx.Response:
    """The files that the suite would download."""
    kind = next((kind for kind in ("pdf", "wav") if url.endswith(kind)), "image")
    return httpx.Response(200, content=FILES[kind], request=httpx.Request("GET", url))


@pytest.fixture(autouse=True)
def _loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `load(..., allowed_objects="all")` find our class, as it finds LangChain's own.

    It knows classes by a table in which third parties have no place; users name theirs in `allowed_objects`.
    """
    module = importlib.import_module("langchain_core.load.load")
    path = ("langchain_pollinations_portkey", "chat_models", "ChatPortkey")
    monkeypatch.setitem(module.ALL_SERIALIZABLE_MAPPINGS, path, path)
    module._default_class_paths_cache.clear()


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    return {**VCR_CONFIG, "allow_playback_repeats": True}


@pytest.fixture
def vcr_cassette_dir() -> str:
    return str(ROOT / "cassettes" / "standard")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The suite sends odd things on purpose; what our warnings say of them is tested elsewhere."""
    ignore = pytest.mark.filterwarnings(f"ignore::{PortkeyWarning.__module__}.PortkeyWarning")
    for item in items:
        if "tests/standard" in item.nodeid:
            item.add_marker(ignore)
