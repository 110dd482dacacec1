"""Conversations of every kind behind the real gateway: each provider takes what arrives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    messages_to_dict,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.tools import tool

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import StandInProvider
from langchain_pollinations_portkey.wire.chat.parts import UnsupportedContentError
from tests.live.outgoing import PDF, PNG, TARGETS

pytestmark = pytest.mark.gateway

MARK = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image", "base64": PNG, "mime_type": "image/png"}
GEMINIS_ID = "portkey-123e4567-e89b-12d3-a456-426614174000"


@tool
def weather(city: str, days: int = 1) -> str:
    """Weather of a city."""
    return f"{city} {days}"


@tool
def clock() -> str:
    """The time."""
    return ""


def calling(*ids: str, text: Any = "", **more: Any) -> AIMessage:
    calls = [
        tool_call(id=one, name="weather" if n == 0 else "clock", args={"city": "Paris"} if n == 0 else {})
        for n, one in enumerate(ids)
    ]
    return AIMessage(text, tool_calls=calls, **more)


CONVERSATIONS: dict[str, list[BaseMessage]] = {
    "plain": [SystemMessage("S"), HumanMessage("q"), AIMessage("a"), HumanMessage("r")],
    "several system prompts": [SystemMessage("A"), HumanMessage("q"), SystemMessage("B"), HumanMessage("r")],
    "equal roles in a row": [
        SystemMessage("a"),
        SystemMessage("b"),
        HumanMessage("c"),
        HumanMessage("d"),
        AIMessage("e"),
        AIMessage("f"),
        HumanMessage("g"),
    ],
    "blank text": [
        SystemMessage(""),
        HumanMessage([{"type": "text", "text": " "}, {"type": "text", "text": "q"}]),
        AIMessage(""),
        HumanMessage("r"),
    ],
    "an answer begun for the assistant": [HumanMessage("q"), AIMessage("Well:  ")],
    "chat messages": [
        ChatMessage(role="system", content="S"),
        ChatMessage(role="user", content="q"),
        ChatMessage(role="assistant", content="a"),
        ChatMessage(role="user", content="r"),
    ],
    "names": [HumanMessage("q", name="Ann Lee"), AIMessage("a", name="agent <1>"), HumanMessage("r")],
    "parallel calls with another provider's ids, one failed": [
        HumanMessage("q"),
        calling(GEMINIS_ID, "functions.f:0", text="I look. "),
        ToolMessage("sunny", tool_call_id=GEMINIS_ID, name="weather"),
        ToolMessage("broken", tool_call_id="functions.f:0", status="error"),
        AIMessage("Sunny."),
        HumanMessage("Thanks."),
    ],
    "calls as blocks and as calls": [
        HumanMessage("q"),
        calling(
            "c1",
            text=[
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}},
            ],
        ),
        ToolMessage([{"type": "text", "text": "sunny"}], tool_call_id="c1"),
    ],
    "Anthropic's dialect": [
        HumanMessage("q"),
        AIMessage([{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}}]),
        HumanMessage(
            [{"type": "text", "text": "And?"}, {"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}]
        ),
    ],
    "images in results": [
        HumanMessage("q"),
        calling("c1", "c2"),
        ToolMessage([{"type": "text", "text": "see"}, IMAGE], tool_call_id="c1"),
        ToolMessage([IMAGE], tool_call_id="c2"),
    ],
    "an invalid call": [
        HumanMessage("q"),
        AIMessage("", invalid_tool_calls=[invalid_tool_call(id="c1", name="weather", args="{oops", error="x")]),
        ToolMessage("not JSON", tool_call_id="c1", status="error"),
    ],
    "function messages": [
        HumanMessage("q"),
        AIMessage("", additional_kwargs={"function_call": {"name": "weather", "arguments": '{"city": "P"}'}}),
        FunctionMessage(name="weather", content="sunny"),
    ],
    "a user right after a tool": [
        HumanMessage("q"),
        calling("c1"),
        ToolMessage("", tool_call_id="c1"),
        HumanMessage("Stop."),
    ],
    "images": [
        HumanMessage(
            [
                "What is this?",
                IMAGE,
                {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;charset=utf-8;base64,{PNG}"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ]
        )
    ],
    "PDFs": [
        HumanMessage(
            [
                "What is this?",
                {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "my report.v1.pdf"},
                {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
            ]
        )
    ],
    "text files": [
        HumanMessage(
            [
                {"type": "text-plain", "text": "abc", "mime_type": "text/plain", "title": "notes"},
                {"type": "file", "base64": "YWJj", "mime_type": "text/csv"},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            ]
        )
    ],
    "Claude's thinking": [
        HumanMessage("q"),
        AIMessage([{"type": "thinking", "thinking": "hm", "signature": "U0lH"}, {"type": "text", "text": "a", **MARK}]),
        HumanMessage("r"),
    ],
    "breakpoints everywhere": [
        SystemMessage([{"type": "text", "text": "S", **MARK}]),
        HumanMessage([{**IMAGE, **MARK}, {"type": "text", "text": "q"}]),
        calling("c1", text=[{"type": "text", "text": "a", **MARK}]),
        ToolMessage([{"type": "text", "text": "r"}], tool_call_id="c1"),
        HumanMessage([{"type": "text", "text": "s", **MARK}]),
    ],
}


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("name", TARGETS)
def test_every_conversation_is_taken_everywhere(
    name: str, conversation: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    messages = copy.deepcopy(CONVERSATIONS[conversation])
    TARGETS[name].chat(pinned_gateway, provider).bind_tools([weather, clock]).invoke(messages)
    assert provider.last.refused is None
    assert messages_to_dict(messages) == messages_to_dict(CONVERSATIONS[conversation])


@pytest.mark.filterwarnings("ignore:.*written out as text")
@pytest.mark.parametrize("conversation", [name for name in CONVERSATIONS if "call" in name or "tool" in name])
@pytest.mark.parametrize("name", TARGETS)
def test_a_conversation_with_tools_goes_on_without_them(
    name: str, conversation: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    TARGETS[name].chat(pinned_gateway, provider).invoke(CONVERSATIONS[conversation])
    assert provider.last.refused is None


@pytest.mark.filterwarnings("ignore:.*written out as text")
@pytest.mark.parametrize("name", TARGETS)
def test_no_tool_can_be_chosen_in_the_middle_of_a_conversation_with_tools(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    messages = [HumanMessage("q"), calling("c1"), ToolMessage("sunny", tool_call_id="c1")]
    model = TARGETS[name].chat(pinned_gateway, provider).bind_tools([weather], tool_choice="none")
    assert model.invoke(messages).tool_calls == []
    assert provider.last.refused is None
    if provider.last.wire == "bedrock":
        assert "toolConfig" not in provider.last.json


def received(provider: StandInProvider) -> list[Any]:
    """What the provider received as the conversation."""
    assert provider.last.refused is None
    return provider.last.json.get("messages") or provider.last.json["contents"]


def test_what_a_claude_receives(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    messages = [
        HumanMessage([IMAGE, {"type": "file", "base64": PDF, "mime_type": "application/pdf", **MARK}, "q"]),
        calling("c1", text="I look."),
        ToolMessage([{"type": "text", "text": "see"}, IMAGE], tool_call_id="c1", status="error"),
    ]
    TARGETS["anthropic"].chat(pinned_gateway, provider).bind_tools([weather]).invoke(messages)
    png = {"type": "base64", "media_type": "image/png", "data": PNG}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    assert received(provider) == [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": png},
                {"type": "document", "source": pdf, **MARK},
                {"type": "text", "text": "q"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "name": "weather", "id": "c1", "input": {"city": "Paris"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": "Error: see"}, {"type": "image", "source": png}],
                }
            ],
        },
    ]


def test_what_bedrock_receives(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    messages = [
        HumanMessage(
            [IMAGE, {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "a.pdf"}, "q"]
        ),
        calling("c1", text="I look."),
        ToolMessage([IMAGE], tool_call_id="c1"),
    ]
    TARGETS["bedrock"].chat(pinned_gateway, provider).bind_tools([weather]).invoke(messages)
    png = {"image": {"format": "png", "source": {"bytes": PNG}}}
    assert received(provider) == [
        {
            "role": "user",
            "content": [
                png,
                {"document": {"format": "pdf", "name": "a pdf", "source": {"bytes": PDF}}},
                {"text": "q"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"text": "I look."},
                {"toolUse": {"name": "weather", "input": {"city": "Paris"}, "toolUseId": "c1"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "Attached below."}]}},
                {"text": "Returned by weather:"},
                png,
            ],
        },
    ]


@pytest.mark.parametrize("name", ["google", "vertex-ai"])
def test_what_gemini_receives(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    messages = [
        SystemMessage("A"),
        HumanMessage(
            [
                IMAGE,
                {"type": "audio", "base64": "UklG", "mime_type": "audio/wav"},
                {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"},
                {"type": "image", "url": "https://example.com/a"},
            ]
        ),
        SystemMessage("B"),
        calling("c1", text="I look.", additional_kwargs={"thought_signatures": {"c1": "U0lH"}}),
        ToolMessage("sunny", tool_call_id="c1"),
    ]
    TARGETS[name].chat(pinned_gateway, provider).bind_tools([weather]).invoke(messages)
    assert received(provider) == [
        {
            "role": "user",
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": PNG}},
                {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
                {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "U0lH"},
            ],
        },
        {
            "role": "function",
            "parts": [{"functionResponse": {"name": "weather", "response": {"output": "sunny"}}}],
        },
    ]
    assert provider.last.json["systemInstruction"]["parts"] == [{"text": "A\n\nB"}]


def test_what_is_refused_here_is_not_sent(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    link = HumanMessage([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])
    with pytest.raises(UnsupportedContentError, match=r"messages\[0\] \(human\): Amazon Bedrock takes no image by URL"):
        TARGETS["bedrock"].chat(pinned_gateway, provider).invoke([link])
    assert provider.requests == []


def test_an_unknown_part_can_be_let_through(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    odd = HumanMessage([{"type": "input_video", "input_video": {"url": "https://example.com/a.mp4"}}])
    model = TARGETS["together-ai"].chat(pinned_gateway, provider)
    with pytest.raises(UnsupportedContentError, match="'input_video' is not understood"):
        model.invoke([odd])
    model.invoke([odd], on_unknown_block="pass")
    assert provider.last.json["messages"][0]["content"] == odd.content


def test_a_loss_is_said_once(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    messages = [HumanMessage("q"), AIMessage([{"type": "text", "text": "Here."}, IMAGE]), HumanMessage("r")]
    model = TARGETS["google"].chat(pinned_gateway, provider)
    with pytest.warns(LossWarning, match="cannot be sent back") as told:
        model.batch([messages, messages])
    assert len(told) == 1
