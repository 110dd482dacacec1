"""The seven names of the catalogue, each through the real gateway to a strict provider, and whose key goes where."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.catalogue.lookup import RetiredModelWarning
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning, SecurityWarning
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall, Usage

pytestmark = pytest.mark.gateway

SENTINELS = {
    "OPENAI_API_KEY": "sentinel-openai",
    "ANTHROPIC_API_KEY": "sentinel-anthropic",
    "TOGETHER_API_KEY": "sentinel-together",
    "MISTRAL_API_KEY": "sentinel-mistral",
    "GROQ_API_KEY": "sentinel-groq",
    "AWS_ACCESS_KEY_ID": "SENTINELAWSKEYID",
    "AWS_SECRET_ACCESS_KEY": "sentinel-aws-secret",
    "AWS_SESSION_TOKEN": "sentinel-aws-session",
    "PORTKEY_API_KEY": "sentinel-portkey",
}


@dataclass(frozen=True)
class Seed:
    """What has to reach the provider for a catalogue name."""

    name: str
    wire: str
    path: str
    streamed_path: str
    model: str
    keys: frozenset[str]


def bedrock(name: str, model: str) -> Seed:
    path = f"/model/{model.replace(':', '%3A')}"
    # The secret signs the request and does not travel.
    keys = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"})
    return Seed(name, "bedrock", f"{path}/converse", f"{path}/converse-stream", model, keys)


def compatible(name: str, path: str, model: str, key: str) -> Seed:
    return Seed(name, "openai", path, path, model, frozenset({key}))


SEEDS = [
    compatible("portkey-gpt4", "/chat/completions", "gpt-4", "OPENAI_API_KEY"),
    Seed(
        "portkey-claude",
        "anthropic",
        "/messages",
        "/messages",
        "claude-3-opus-20240229",
        frozenset({"ANTHROPIC_API_KEY"}),
    ),
    compatible("portkey-llama", "/v1/chat/completions", "meta-llama/Llama-3-70b-chat-hf", "TOGETHER_API_KEY"),
    compatible("portkey-mistral", "/chat/completions", "mistral-large-latest", "MISTRAL_API_KEY"),
    bedrock("claude-large", "global.anthropic.claude-opus-4-5-20251101-v1:0"),
    bedrock("claude-sonnet-4", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
    bedrock("claude-sonnet-4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
]
every_seed = pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)


@pytest.fixture
def sentinels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key per provider, each recognisable, all in the environment at once."""
    for name, value in SENTINELS.items():
        monkeypatch.setenv(name, value)


def model_for(seed: Seed, gateway: LocalGateway, provider: StandInProvider, **options: object) -> ChatPortkey:
    return ChatPortkey(model=seed.name, base_url=gateway.base_url, custom_host=provider.url, **options)


def keys_in(provider: StandInProvider) -> set[str]:
    """Which sentinels stand anywhere in the last request."""
    request = provider.last
    everything = " ".join([request.path, *(f"{k}: {v}" for k, v in request.header_items), request.body.decode()])
    return {name for name, value in SENTINELS.items() if value in everything}


@pytest.mark.usefixtures("sentinels")
@pytest.mark.filterwarnings(f"ignore::{RetiredModelWarning.__module__}.RetiredModelWarning")
@pytest.mark.filterwarnings(f"ignore::{SecurityWarning.__module__}.SecurityWarning")
@pytest.mark.filterwarnings(f"ignore::{LossWarning.__module__}.LossWarning")  # Together's streams lose their counts
class TestSeedModels:
    @every_seed
    def test_invoke_reaches_the_provider_with_its_key_and_no_other(
        self, seed: Seed, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(Reply("Rayleigh scattering.", usage=Usage(input_tokens=12, output_tokens=4)))
        messages = [SystemMessage("Be brief."), HumanMessage("Why is the sky blue?")]
        answer = model_for(seed, pinned_gateway, provider).invoke(messages)

        request = provider.last
        assert request.refused is None
        assert (request.wire, request.path, request.model) == (seed.wire, seed.path, seed.model)
        assert keys_in(provider) == seed.keys
        assert len(provider.requests) == 1
        assert answer.content == "Rayleigh scattering."
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_tokens"] == 12
        assert answer.usage_metadata["output_tokens"] == 4
        assert answer.response_metadata["finish_reason"] == "stop"
        assert answer.response_metadata["model_provider"] == "portkey"
        assert answer.response_metadata["model_name"] == seed.model
        assert answer.response_metadata["last_used_option_index"] == "config"
        assert answer.response_metadata["retry_attempt_count"] == 0

    @every_seed
    def test_stream_gives_the_same_answer_in_pieces(
        self, seed: Seed, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(Reply("one two three four"))
        chunks = list(model_for(seed, pinned_gateway, provider).stream("Count."))

        assert provider.last.refused is None
        assert provider.last.stream
        assert provider.last.path == seed.streamed_path
        assert keys_in(provider) == seed.keys
        assert sum(bool(chunk.content) for chunk in chunks) > 1
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.content == "one two three four"
        assert whole.response_metadata["finish_reason"] == "stop"
        assert whole.response_metadata["model_name"] == seed.model

    @every_seed
    async def test_async_does_the_same(
        self, seed: Seed, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(Reply("one two three"), Reply("one two three"))
        model = model_for(seed, pinned_gateway, provider)
        answer = await model.ainvoke("Count.")
        chunks = [chunk async for chunk in model.astream("Count.")]

        assert [request.refused for request in provider.requests] == [None, None]
        assert answer.content == "one two three"
        assert "".join(str(chunk.content) for chunk in chunks) == "one two three"
        assert sum(bool(chunk.content) for chunk in chunks) > 1

    @every_seed
    def test_a_tool_is_called_and_its_result_goes_back(
        self, seed: Seed, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        def weather(city: str) -> str:
            """The weather in a city."""
            return f"sunny in {city}"

        provider.script(Reply(tool_calls=(ToolCall("weather", {"city": "Kyōto"}),)), Reply("It is sunny."))
        model = model_for(seed, pinned_gateway, provider).bind_tools([weather])
        question = HumanMessage("What is the weather in Kyōto?")
        call = model.invoke([question])
        assert isinstance(call, AIMessage)
        assert [(c["name"], c["args"]) for c in call.tool_calls] == [("weather", {"city": "Kyōto"})]
        assert call.response_metadata["finish_reason"] == "tool_calls"

        result = {"role": "tool", "content": "sunny in Kyōto", "tool_call_id": call.tool_calls[0]["id"]}
        answer = model.invoke([question, call, result])
        assert provider.last.refused is None
        assert "sunny in Kyōto" in json.dumps(provider.last.json, ensure_ascii=False)
        assert answer.content == "It is sunny."


@pytest.mark.filterwarnings(f"ignore::{RetiredModelWarning.__module__}.RetiredModelWarning")
def test_claude_gets_max_tokens_although_the_user_gave_none(
    pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    ChatPortkey(model="portkey-claude", base_url=pinned_gateway.base_url, custom_host=provider.url, api_key="k").invoke(
        "Hello"
    )
    assert provider.last.json["max_tokens"] == 4096


def test_bedrock_requests_are_signed_for_the_default_region(
    pinned_gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    credentials = {"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
    with StandInProvider(aws_credentials=credentials) as strict:
        model = ChatPortkey(model="claude-sonnet-4.5", base_url=pinned_gateway.base_url, custom_host=strict.url)
        with pytest.warns(SecurityWarning, match="AWS_ACCESS_KEY_ID"):
            model.invoke("Hello")
        assert strict.last.refused is None
        scope = re.search(r"Credential=AKIAIOSFODNN7EXAMPLE/\d+/([^/]+)/bedrock", strict.last.headers["authorization"])
        assert scope is not None
        assert scope[1] == "us-east-1"


@pytest.mark.parametrize(
    ("model", "options", "path", "header"),
    [
        pytest.param(
            "azure-openai/my-gpt",
            {
                "api_key": "sentinel",
                "provider_options": {
                    "resource_name": "acme",
                    "deployment_id": "my-gpt",
                    "api_version": "2024-10-21",
                },
            },
            r"/deployments/my-gpt/chat/completions\?api-version=2024-10-21",
            ("api-key", "sentinel"),
            id="azure-openai",
        ),
        pytest.param(
            "vertex-ai/gemini-2.5-flash",
            {
                "api_key": "sentinel",
                "provider_options": {"vertex_project_id": "acme", "vertex_region": "europe-west4"},
            },
            r"/v1/projects/acme/locations/europe-west4/publishers/google/models/gemini-2\.5-flash:generateContent",
            ("authorization", "Bearer sentinel"),
            id="vertex-ai",
        ),
        pytest.param(
            "vertex-ai/anthropic.claude-sonnet-4-5",
            {
                "api_key": "sentinel",
                "provider_options": {"vertex_project_id": "acme", "vertex_region": "europe-west4"},
            },
            r"/v1/projects/acme/locations/europe-west4/publishers/anthropic/models/claude-sonnet-4-5:rawPredict",
            ("authorization", "Bearer sentinel"),
            id="claude on vertex-ai",
        ),
        pytest.param(
            "google/gemini-2.5-flash",
            {"api_key": "sentinel"},
            r"/v1beta/models/gemini-2\.5-flash:generateContent\?key=sentinel",
            None,
            id="google",
        ),
        pytest.param("ollama/llama3", {}, r"/v1/chat/completions", None, id="ollama, keyless"),
        pytest.param("openai/gpt-4o", {}, r"/chat/completions", None, id="keyless custom host"),
    ],
)
def test_other_providers_get_their_settings(
    model: str,
    options: dict[str, object],
    path: str,
    header: tuple[str, str] | None,
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
) -> None:
    chat = ChatPortkey(model=model, base_url=pinned_gateway.base_url, custom_host=provider.url, **options)
    assert chat.invoke("Hello").content
    assert provider.last.refused is None
    assert re.fullmatch(path, provider.last.path)
    if header is not None:
        assert provider.last.headers[header[0]] == header[1]
    assert "undefined" not in str(provider.last.header_items)
