"""What an answer leaves on its message, whichever way it was received, goes back to the provider unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolMessage,
    message_chunk_to_message,
    messages_from_dict,
    messages_to_dict,
)

from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from tests.wire.canned import Gateway, answer, end, event, provider, sse

pytestmark = [
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.LossWarning"),
]

CALL = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"ä": 1}'}}


def block_event(index: int, **delta: Any) -> dict[str, Any]:
    text = {"content": delta["text"]} if delta.get("text") else {}
    return event({**text, "content_blocks": [{"index": index, "delta": delta}]})


def streamed(blocks: list[Any], calls: list[Any]) -> list[Any]:
    """Blocks and calls as the gateway streams them."""
    events = [event({"role": "assistant", "content": ""})]
    for index, block in enumerate(blocks):
        match block["type"]:
            case "thinking":
                events.append(block_event(index, thinking="", signature=""))
                events += [block_event(index, thinking=character) for character in block["thinking"]]
                events.append(block_event(index, signature=block["signature"]))
            case "redacted_thinking":
                events.append(block_event(index, data=block["data"]))
            case _:
                events.append(block_event(index, text=""))
                events += [block_event(index, text=character) for character in block["text"]]
    for number, call in enumerate(calls):
        function = call["function"]
        begin = {**call, "index": number, "function": {**function, "arguments": ""}}
        events.append(event({"tool_calls": [begin]}))
        events.append(event({"tool_calls": [{"index": number, "function": {"arguments": function["arguments"]}}]}))
    return [*events, end("tool_use" if calls else "end_turn")]


def received(name: str, blocks: list[Any], calls: list[Any]) -> Iterator[tuple[str, BaseMessage]]:
    """The same answer in every shape a message takes."""
    text = "".join(block.get("text", "") for block in blocks)
    body = answer({"content": text, "content_blocks": blocks, "tool_calls": calls}, "tool_use")
    events = sse(streamed(blocks, calls))

    def summed(**fields: Any) -> Any:
        first, *rest = Gateway(events).model(name, **fields).stream("hi")
        return first + rest if rest else first

    v3 = Gateway(events).model(name).stream_events("hi", version="v3")
    list(v3)
    messages = {
        "v0, invoked": Gateway(body).model(name).invoke("hi"),
        "v0, streamed": summed(),
        "v0, streamed, made a message": message_chunk_to_message(summed()),
        "v0, streamed inside invoke": Gateway(events).model(name, streaming=True).invoke("hi"),
        "v1, invoked": Gateway(body).model(name, output_version="v1").invoke("hi"),
        "v1, streamed": summed(output_version="v1"),
        "v3": v3.output,
    }
    for shape, message in messages.items():
        yield shape, message
        (reloaded,) = messages_from_dict(json.loads(json.dumps(messages_to_dict([message]))))
        yield f"{shape}, reloaded", reloaded


def sent_back(name: str, message: BaseMessage, calls: list[Any]) -> Any:
    results = [ToolMessage("done", tool_call_id=call["id"]) for call in calls]
    wire, _ = messages_to_wire([HumanMessage("hi"), message, *results, HumanMessage("go on")], provider(name))
    return [part for part in wire if part["role"] == "assistant"]


THINKING = {"type": "thinking", "thinking": "Hm, ä\u2028…", "signature": "EqQB+/=="}
REDACTED = {"type": "redacted_thinking", "data": "RED/+=="}
SAID = {"type": "text", "text": "Let me see."}

ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "thinking and text": ([THINKING, SAID], []),
    "thinking, text and a call": ([THINKING, SAID], [CALL]),
    "thinking and a call": ([THINKING], [CALL]),
    "redacted thinking too": ([THINKING, REDACTED, SAID], [CALL]),
    "thinking between texts": ([SAID, THINKING, {"type": "text", "text": " Done."}], []),
    "two thoughts": ([THINKING, {**THINKING, "signature": "second"}, SAID], []),
    "nothing but a signature": ([{"type": "thinking", "thinking": "", "signature": "S"}, SAID], [CALL]),
}


@pytest.mark.parametrize(("blocks", "calls"), ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_thinking_goes_back_byte_for_byte(name: str, blocks: list[Any], calls: list[Any]) -> None:
    kept = [block for block in blocks if name == "anthropic" or block["type"] != "redacted_thinking"]
    name_of_model = {"bedrock": "anthropic.claude-sonnet-4"}.get(name)
    for shape, message in received(name, blocks, calls):
        row = provider(name)
        if name_of_model:
            row = next(variant for glob, variant in row.variants if "claude" in glob)
        results = [ToolMessage("done", tool_call_id=call["id"]) for call in calls]
        wire, _ = messages_to_wire([HumanMessage("hi"), message, *results, HumanMessage("go on")], row)
        (turn,) = [part for part in wire if part["role"] == "assistant"]
        assert turn["content_blocks"] == kept, shape
        assert [json.loads(call["function"]["arguments"]) for call in turn.get("tool_calls", ())] == [
            json.loads(call["function"]["arguments"]) for call in calls
        ], shape
        assert [call["id"] for call in turn.get("tool_calls", ())] == [call["id"] for call in calls], shape


BLOCKS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("thinking"),
                "thinking": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
                "signature": st.text("aZ+/=", min_size=1, max_size=8),
            }
        ),
        st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": st.text("aZ+/=", min_size=1, max_size=8)}),
        st.fixed_dictionaries({"type": st.just("text"), "text": st.text("ab \n.", min_size=1, max_size=5)}),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=30)
@given(BLOCKS.filter(lambda blocks: any(block["type"] != "text" for block in blocks)))
def test_any_thinking_goes_back_the_same_from_every_shape(blocks: list[Any]) -> None:
    expected = [block for block in blocks if block["type"] != "text" or block["text"].strip()]
    for shape, message in received("anthropic", blocks, []):
        (turn,) = sent_back("anthropic", message, [])
        assert turn["content_blocks"] == expected, shape


def test_geminis_signatures_go_back_on_their_calls() -> None:
    calls = [
        {
            "id": "portkey-1",
            "type": "function",
            "function": {"name": "f", "arguments": "{}", "thought_signature": "TS/+="},
        },
        {"id": "portkey-2", "type": "function", "function": {"name": "g", "arguments": '{"a": 1}'}},
    ]
    for shape, message in received("google", [], calls):
        turns = sent_back("google", message, calls)
        functions = [call["function"] for turn in turns for call in turn.get("tool_calls", ())]
        assert [function.get("thought_signature") for function in functions] == ["TS/+=", None], shape


def test_a_plain_answer_goes_back_as_text() -> None:
    for shape, message in received("anthropic", [SAID], []):
        (turn,) = sent_back("anthropic", message, [])
        assert "content_blocks" not in turn, shape
        content = turn["content"]
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        assert text == "Let me see.", shape


def test_the_shapes_are_what_they_are_called() -> None:
    shapes = dict(received("anthropic", [THINKING, SAID], [CALL]))
    assert all(isinstance(message, AIMessage) for message in shapes.values())
    assert {
        shape: isinstance(message.content, str) for shape, message in shapes.items() if "reloaded" not in shape
    } == {
        "v0, invoked": True,
        "v0, streamed": True,
        "v0, streamed, made a message": True,
        "v0, streamed inside invoke": True,
        "v1, invoked": False,
        "v1, streamed": False,
        "v3": False,
    }
