"""A gateway installed with plain `npm`, which fails on most streams after calling the provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage

from langchain_pollinations_portkey import ChatPortkey, _sending
from langchain_pollinations_portkey.errors import (
    PortkeyConnectionError,
    PortkeyGatewayError,
    PortkeyGuardrailError,
    PortkeyRateLimitError,
)
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.gateway.plain_build import STREAM_HEADER, Build
from langchain_pollinations_portkey.notices import GatewayBuildWarning
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings(f"ignore::{GatewayBuildWarning.__module__}.GatewayBuildWarning"),
]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CALL = {"name": "look", "args": {}, "id": "call_1"}

LAST_MESSAGES: dict[str, list[BaseMessage]] = {
    "text": [HumanMessage("Hello")],
    "image only": [HumanMessage([{"type": "image", "base64": PIXEL, "mime_type": "image/png"}])],
    "empty tool result": [
        HumanMessage("Look"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage("", tool_call_id="call_1"),
    ],
    "assistant without content": [
        HumanMessage("Look"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage("seen", tool_call_id="call_1"),
        HumanMessage("And again"),
        AIMessage("", tool_calls=[{**CALL, "id": "call_2"}]),
        ToolMessage("seen", tool_call_id="call_2"),
    ],
}

MODELS = ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"]
AWS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret"}


@pytest.fixture(autouse=True)
def _ask_anew() -> None:
    _sending.forget_builds()


def chat(gateway: LocalGateway, provider: StandInProvider, model: str = "openai/gpt-4o", **options: Any) -> ChatPortkey:
    if model.startswith("bedrock/"):
        options["provider_options"] = AWS
    return ChatPortkey(
        model=model, base_url=gateway.base_url, custom_host=provider.url, max_retries=0, max_tokens=100, **options
    )


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


@pytest.mark.parametrize("install", ["pinned_gateway", "plain_gateway"])
@pytest.mark.parametrize("model", MODELS)
async def test_both_installs_stream(
    install: str, model: str, provider: StandInProvider, request: pytest.FixtureRequest
) -> None:
    gateway = request.getfixturevalue(install)
    provider.script(Reply("one two three"), Reply("one two three"))
    streams = [
        list(chat(gateway, provider, model).stream("Count.")),
        [chunk async for chunk in chat(gateway, provider, model).astream("Count.")],
    ]
    for chunks in streams:
        assert sum(bool(chunk.content) for chunk in chunks) > 1
        assert joined(chunks).content == "one two three"
        assert "hook_results" not in joined(chunks).response_metadata
    assert len(provider.requests) == 2


@pytest.mark.parametrize("last", LAST_MESSAGES)
@pytest.mark.parametrize("model", MODELS)
def test_the_provider_is_called_once_whatever_comes_last(
    last: str, model: str, plain_gateway: LocalGateway, provider: StandInProvider
) -> None:
    def look() -> str:
        """Look."""
        return "seen"

    provider.script(Reply("fine"))
    chunks = list(chat(plain_gateway, provider, model).bind_tools([look]).stream(LAST_MESSAGES[last]))
    assert len(provider.requests) == 1
    assert provider.last.refused is None
    assert joined(chunks).content


def test_it_also_streams_when_an_assistant_turn_without_content_is_the_last(
    plain_gateway: LocalGateway, provider: StandInProvider
) -> None:
    """Providers refuse such a history; the gateway has to get as far as handing on their error."""
    provider.answer_with(lambda _: Reply("fine"))
    messages = [HumanMessage("Look"), AIMessage("", tool_calls=[CALL])]
    with pytest.raises(Exception, match="tool") as raised:
        list(chat(plain_gateway, provider).stream(messages))
    assert not isinstance(raised.value, PortkeyGatewayError)
    assert len(provider.requests) == 1


def test_only_requests_that_need_it_carry_the_check(
    plain_gateway: LocalGateway,
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[bool] = []
    send = _sending.Send.run

    def recording(self: _sending.Send, transport: Any) -> Any:
        sent.append(STREAM_HEADER in self.request.headers)
        return send(self, transport)

    monkeypatch.setattr(_sending.Send, "run", recording)
    chat(plain_gateway, provider).invoke("Hello")
    list(chat(plain_gateway, provider, MODELS[2]).stream("Hello"))
    list(chat(pinned_gateway, provider).stream("Hello"))
    list(chat(plain_gateway, provider).stream("Hello"))
    assert sent == [False, False, False, True]


def test_one_warning_names_the_cure(plain_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = chat(plain_gateway, provider)
    with pytest.warns(GatewayBuildWarning) as told:
        model.batch(["Hello", "Hello"], stream=True)
    assert len(told) == 1
    assert "pollinations-portkey gateway" in str(told[0].message)
    assert "1.13.5" in str(told[0].message)


def test_a_gateway_that_could_not_be_asked_fails_once_and_then_streams(
    plain_gateway: LocalGateway, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in between may answer the question; the failure of the first stream then tells."""
    monkeypatch.setitem(_sending._builds, plain_gateway.base_url.removesuffix("/v1"), Build.UNKNOWN)
    with pytest.raises(PortkeyGatewayError, match="pollinations-portkey gateway"):
        list(chat(plain_gateway, provider).stream("Hello"))
    assert len(provider.requests) == 1  # it is not sent again: the provider was called
    assert joined(list(chat(plain_gateway, provider).stream("Hello"))).content
    assert len(provider.requests) == 2


CONTAINS_HELLO = {"default.contains": {"operator": "none", "words": ["Hello"]}}


def test_the_users_own_guardrails_still_hold(plain_gateway: LocalGateway, provider: StandInProvider) -> None:
    denying = {STREAM_HEADER: json.dumps([{**CONTAINS_HELLO, "deny": True}])}
    with pytest.raises(PortkeyGuardrailError) as raised:
        list(chat(plain_gateway, provider, default_headers=denying).stream("Hello"))
    assert provider.requests == []
    assert "langchain-pollinations-portkey" not in json.dumps(raised.value.hook_results)
    assert "default.contains" in json.dumps(raised.value.hook_results)


def test_the_verdict_of_the_users_own_guardrail_arrives(plain_gateway: LocalGateway, provider: StandInProvider) -> None:
    noting = {STREAM_HEADER: json.dumps([{**CONTAINS_HELLO, "deny": False}])}
    whole = joined(list(chat(plain_gateway, provider, default_headers=noting).stream("Hello")))
    hooks = json.dumps(whole.response_metadata["hook_results"])
    assert "default.contains" in hooks
    assert "langchain-pollinations-portkey" not in hooks
    assert len(provider.requests) == 1


def test_errors_of_the_provider_arrive_without_our_verdict(
    plain_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(Failure(429, "Slow down.", type="rate_limit_error", headers={"retry-after": "7"}))
    with pytest.raises(PortkeyRateLimitError, match="Slow down") as raised:
        list(chat(plain_gateway, provider).stream("Hello"))
    assert raised.value.retry_after == 7
    assert "hook_results" not in raised.value.body
    assert raised.value.response is not None
    assert "langchain-pollinations-portkey" not in raised.value.response.text


def test_a_gateway_that_is_not_there_is_said_at_once(provider: StandInProvider) -> None:
    absent = ChatPortkey(model="openai/gpt-4o", base_url="http://127.0.0.1:9", custom_host=provider.url)
    with pytest.raises(PortkeyConnectionError, match="Start the gateway"):
        list(absent.stream("Hello"))


def test_what_is_known_of_a_gateway_is_forgotten_when_it_goes(provider: StandInProvider) -> None:
    """Whoever cures a gateway restarts it, on the same port."""
    from tests.conftest import GATEWAYS

    with LocalGateway(install_dir=GATEWAYS / "plain") as gateway:
        port = gateway.port
        list(chat(gateway, provider).stream("Hello"))
        origin = gateway.base_url.removesuffix("/v1")
        assert _sending._builds[origin] is Build.BROKEN
    with pytest.raises(PortkeyConnectionError):
        list(chat(gateway, provider).stream("Hello"))
    assert origin not in _sending._builds
    with LocalGateway(install_dir=GATEWAYS / "pinned", port=port) as gateway:
        list(chat(gateway, provider).stream("Hello"))
        assert _sending._builds[origin] is Build.GOOD
