"""Exchanges of the seven seed models, and embeddings of five providers, recorded through the real gateway and replayed without it.

`make cassettes` records them anew: the gateway then runs, and the strict stand-in answers for the providers.
Replaying needs neither Node nor a port. What is recorded holds no key (`TestCassettes` greps for them).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from langchain_pollinations_portkey import ChatPortkey, PortkeyEmbeddings, _sending
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.catalogue.lookup import SEED_NAMES
from langchain_pollinations_portkey.gateway.settings import DEFAULT_BASE_URL
from langchain_pollinations_portkey.notices import PortkeyWarning
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall, Usage
from langchain_pollinations_portkey.testing.wires.embeddings import vector
from tests.conftest import ROOT
from tests.scrubbing import SAFE_HEADERS, SCRUBBED, VCR_CONFIG

CASSETTES = ROOT / "cassettes"
SECRET = "cassette-sentinel"
every_seed = pytest.mark.parametrize("name", sorted(SEED_NAMES))
EMBEDDINGS = {
    "openai": "text-embedding-3-small",
    "bedrock": "amazon.titan-embed-text-v2:0",
    "cohere": "embed-v4.0",
    "google": "gemini-embedding-001",
    "mistral-ai": "mistral-embed",
}
"""One model per form of a request: OpenAI's, one text at a time in two ways, Cohere's, and a list without options."""

pytestmark = pytest.mark.filterwarnings(f"ignore::{PortkeyWarning.__module__}.PortkeyWarning")


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return VCR_CONFIG


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    return str(CASSETTES)


@pytest.fixture
def route(record_mode: str, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Where requests go: to the gateway and the stand-in while recording, nowhere while replaying."""
    _sending.forget_builds()
    options: dict[str, Any] = {"max_retries": 2}
    if record_mode == "none":
        yield {**options, "base_url": DEFAULT_BASE_URL, "custom_host": "http://127.0.0.1:9"}
        return
    gateway = request.getfixturevalue("pinned_gateway")
    provider: StandInProvider = request.getfixturevalue("provider")
    usage = Usage(input_tokens=11, output_tokens=5)
    if "embed" in request.node.name:
        yield {**options, "base_url": gateway.base_url, "custom_host": provider.url}
        return
    provider.script(
        Reply(tool_calls=(ToolCall("weather", {"city": "Zürich"}),), usage=usage)
        if "tool" in request.node.name
        else Reply("The sky scatters blue light.", usage=usage)
    )
    # Mistral's `tool_choice` knows a word that OpenAI refuses.
    lenient = "mistral" in request.node.name
    yield {**options, "base_url": gateway.base_url, "custom_host": provider.lenient_url if lenient else provider.url}


def chat(name: str, route: dict[str, Any]) -> ChatPortkey:
    row = Catalogue.default().resolve(name).provider
    secrets = {key: SECRET for key, option in row.options.items() if option.secret and "role" not in key}
    if row.auth == "aws":
        return ChatPortkey(model=name, provider_options=secrets, **route)
    return ChatPortkey(model=name, api_key=SECRET, **route)


@pytest.mark.vcr
@every_seed
def test_invoke(name: str, route: dict[str, Any]) -> None:
    answer = chat(name, route).invoke("Why is the sky blue?")
    assert answer.content == "The sky scatters blue light."
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (11, 5)
    assert answer.response_metadata["provider"] == Catalogue.default().resolve(name).provider.id


@pytest.mark.vcr
@every_seed
def test_stream(name: str, route: dict[str, Any]) -> None:
    texts = [str(chunk.content) for chunk in chat(name, route).stream("Why is the sky blue?") if chunk.content]
    assert "".join(texts) == "The sky scatters blue light."
    assert len(texts) > 1


@pytest.mark.vcr
@every_seed
def test_tool_call(name: str, route: dict[str, Any]) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return city

    answer = chat(name, route).bind_tools([weather], tool_choice="any").invoke("Weather in Zürich?")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "Zürich"})]


@pytest.mark.vcr
@pytest.mark.parametrize("provider_id", EMBEDDINGS)
def test_embed(provider_id: str, route: dict[str, Any]) -> None:
    row = Catalogue.default().provider(provider_id)
    secrets = {key: SECRET for key, option in row.options.items() if option.secret and "role" not in key}
    key = {"provider_options": secrets} if row.auth == "aws" else {"api_key": SECRET}
    embeddings = PortkeyEmbeddings(
        model=EMBEDDINGS[provider_id], provider=provider_id, max_concurrency=1, **key, **route
    )
    assert embeddings.embed_documents(["Blue sky.", "Red earth."]) == [vector("Blue sky."), vector("Red earth.")]
    assert embeddings.embed_query("Why is the sky blue?") == vector("Why is the sky blue?")


class TestCassettes:
    @pytest.mark.parametrize("path", sorted(CASSETTES.glob("**/*.yaml")), ids=lambda path: path.stem)
    def test_hold_no_secret(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        assert SECRET not in text
        for exchange in yaml.safe_load(text)["interactions"]:
            for header, values in exchange["request"]["headers"].items():
                if header.lower() not in SAFE_HEADERS:
                    assert values == [SCRUBBED], header

    def test_are_there_for_every_model(self) -> None:
        names = {path.stem for path in CASSETTES.glob("*.yaml")}
        expected = {
            f"{test}[{name}]" for test in ("test_invoke", "test_stream", "test_tool_call") for name in SEED_NAMES
        }
        expected |= {f"test_embed[{name}]" for name in EMBEDDINGS}
        assert names == expected
