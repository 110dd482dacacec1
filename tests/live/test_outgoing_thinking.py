"""Thinking and its signatures come back to their provider byte for byte, whatever became of the message between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    ToolMessage,
    messages_from_dict,
    messages_to_dict,
)
from langchain_core.tools import tool

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall
from tests.live.outgoing import TARGETS

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings("ignore:.*stream_events.*beta"),
    pytest.mark.filterwarnings("ignore:The method `BaseChatModel.stream_events"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
]

THOUGHT, SIGNATURE, REDACTED = "let me\n think … ", "U0lHTkFUVVJFLysvPQ==", "UkVEQUNURUQ="
SHAPES = ("v0", "v0 streamed", "v1", "v1 streamed", "v3", "v0 from JSON", "v1 from JSON")
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}


@tool
def weather(city: str) -> str:
    """Weather of a city."""
    return city


def answered(model: ChatPortkey, shape: str) -> AIMessage:
    """An answer of the model in one of the shapes in which applications keep it."""
    version = {"output_version": "v1"} if shape.startswith("v1") else {}
    chat = model.model_copy(update=version).bind_tools([weather])
    if shape == "v3":
        return chat.stream_events("q", version="v3").output
    if shape.endswith("streamed"):
        chunks = list(chat.stream("q"))
        whole: Any = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return whole
    message = chat.invoke("q")
    if shape.endswith("JSON"):
        [message] = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
    return message


def returned(model: ChatPortkey, message: AIMessage, provider: StandInProvider) -> list[Any]:
    """What the provider receives of the message in the next turn."""
    results = [ToolMessage("sunny", tool_call_id=call["id"]) for call in message.tool_calls]
    model.bind_tools([weather]).invoke([HumanMessage("q"), message, *(results or [HumanMessage("r")])])
    assert provider.last.refused is None
    turn = (provider.last.json.get("messages") or provider.last.json["contents"])[1]
    return turn.get("content") or turn["parts"]


@pytest.mark.parametrize("text", ["It is a good question.", ""])
@pytest.mark.parametrize("shape", SHAPES)
class TestThinking:
    def test_anthropic(self, shape: str, text: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
        model = TARGETS["anthropic"].chat(pinned_gateway, provider, **THINKING)
        call = ToolCall("weather", {"city": "Paris"}, id="toolu_1")
        provider.script(
            Reply(text, thinking=THOUGHT, signature=SIGNATURE, redacted_thinking=REDACTED, tool_calls=[call])
        )
        assert returned(model, answered(model, shape), provider) == [
            {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE},
            {"type": "redacted_thinking", "data": REDACTED},
            *([{"type": "text", "text": text}] if text else []),
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        ]

    def test_bedrock(self, shape: str, text: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
        model = TARGETS["bedrock"].chat(pinned_gateway, provider, **THINKING)
        call = ToolCall("weather", {"city": "Paris"}, id="tooluse_1")
        provider.script(
            Reply(text, thinking=THOUGHT, signature=SIGNATURE, redacted_thinking=REDACTED, tool_calls=[call])
        )
        message = answered(model, shape)
        with pytest.warns(LossWarning, match="redacted thinking on the way back to Amazon Bedrock"):
            blocks = returned(model, message, provider)
        assert blocks == [
            {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SIGNATURE}}},
            *([{"text": text}] if text else []),
            {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Paris"}}},
        ]

    @pytest.mark.parametrize("name", ["google", "vertex-ai"])
    def test_gemini(
        self, name: str, shape: str, text: str, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = TARGETS[name].chat(pinned_gateway, provider)
        provider.script(
            Reply(text, thinking=THOUGHT, signature=SIGNATURE, tool_calls=[ToolCall("weather", {"city": "Paris"})])
        )
        assert returned(model, answered(model, shape), provider) == [
            *([{"text": text}] if text else []),
            {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": SIGNATURE},
        ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_thinking_without_anything_said(
    name: str, shape: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider, **THINKING)
    provider.script(Reply("", thinking=THOUGHT, signature=SIGNATURE))
    [block] = returned(model, answered(model, shape), provider)
    kept = block.get("reasoningContent", {}).get("reasoningText") or {"text": block.get("thinking"), **block}
    assert (kept["text"], kept["signature"]) == (THOUGHT, SIGNATURE)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cached_text_beside_thinking(shape: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    provider.script(Reply("Hello.", thinking=THOUGHT, signature=SIGNATURE))
    model = TARGETS["anthropic"].chat(pinned_gateway, provider, **THINKING)
    message = answered(model, shape)
    conversation = [HumanMessage("q"), message]
    model.invoke([*conversation, HumanMessage(" ")], cache_control={"type": "ephemeral"})
    assert provider.last.refused is None
    assert provider.last.json["messages"][1]["content"] == [
        {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE},
        {"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral"}},
    ]


def test_gemini_3_goes_on_where_another_model_called(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    provider.script(Reply(tool_calls=[ToolCall("weather", {"city": "Paris"})]))
    message = answered(TARGETS["openai"].chat(pinned_gateway, provider), "v0")
    gemini = TARGETS["google"].chat(pinned_gateway, provider).model_copy(update={"model_name": "gemini-3-pro"})
    [part] = returned(gemini, message, provider)
    assert part["thoughtSignature"] == "skip_thought_signature_validator"


@pytest.mark.parametrize("name", ["openai", "azure-openai", "google", "mistral-ai", "together-ai", "bedrock-nova"])
def test_another_provider_goes_on_without_the_thinking(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    call = ToolCall("weather", {"city": "Paris"})
    provider.script(Reply("So.", thinking=THOUGHT, redacted_thinking=REDACTED, tool_calls=[call]))
    message = answered(TARGETS["anthropic"].chat(pinned_gateway, provider, **THINKING), "v0 streamed")
    returned(TARGETS[name].chat(pinned_gateway, provider), message, provider)
    sent = provider.last.body.decode()
    assert "So." in sent
    assert REDACTED not in sent
    assert "think" not in sent
