"""Whatever the answer, and however it is cut: the stream adds up to what a plain call gives."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations_portkey.wire.sse import SSEDecoder
from tests.wire.canned import answer, assemble, end, event, read, sse, whole

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS | st.lists(TEXTS, max_size=2), max_size=3)
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def cut(data: st.DataObject, text: str) -> list[str]:
    """A text in random pieces."""
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:stop] for start, stop in zip([0, *places], [*places, len(text)], strict=True)]


BLOCKS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}),
    st.fixed_dictionaries(
        {
            "type": st.just("text"),
            "text": TEXTS,
            "citations": st.lists(st.fixed_dictionaries({"cited_text": TEXTS}), min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": TEXTS | st.just(""), "signature": TEXTS}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": TEXTS}),
    st.fixed_dictionaries(
        {"type": st.just("server_tool_use"), "id": TEXTS, "name": st.just("web_search"), "input": ARGUMENTS}
    ),
)
CALLS = st.fixed_dictionaries(
    {"name": st.sampled_from(["f", "g"]), "arguments": ARGUMENTS}, optional={"thought_signature": TEXTS}
)


def block_events(data: st.DataObject, index: int, block: dict[str, Any]) -> list[Any]:
    """A block as the gateway streams it."""

    def said(**delta: Any) -> dict[str, Any]:
        text = {"content": delta["text"]} if delta.get("text") else {}
        return event({**text, "content_blocks": [{"index": index, "delta": delta}]})

    match block["type"]:
        case "text":
            events = [said(text=""), *(said(text=piece) for piece in cut(data, block["text"]))]
            at = data.draw(st.integers(1, len(events)))
            cited = [said(citation=citation) for citation in block.get("citations", ())]
            return [*events[:at], *cited, *events[at:]]
        case "thinking":
            pieces = [said(thinking=piece) for piece in cut(data, block["thinking"])]
            return [
                said(thinking="", signature=""),
                *pieces,
                *(said(signature=s) for s in cut(data, block["signature"])),
            ]
        case "redacted_thinking":
            return [said(data=piece) for piece in cut(data, block["data"]) if piece]
        case _:
            begin = said(id=block["id"], name=block["name"], input={})
            text = json.dumps(block["input"]) if block["input"] else ""
            return [
                begin,
                *(event({"tool_calls": [{"index": -1, "function": {"arguments": p}}]}) for p in cut(data, text)),
            ]


def call_events(data: st.DataObject, number: int, call: dict[str, Any]) -> list[Any]:
    function = {"name": call["name"], "arguments": ""}
    if "thought_signature" in call:
        function["thought_signature"] = call["thought_signature"]
    first = {"index": number, "id": f"call_{number}", "type": "function", "function": function}
    text = json.dumps(call["arguments"]) if call["arguments"] else ""
    rest = [{"index": number, "function": {"arguments": piece}} for piece in cut(data, text)]
    return [event({"tool_calls": [piece]}) for piece in [first, *rest]]


def json_call(number: int, call: dict[str, Any]) -> dict[str, Any]:
    function = {**call, "arguments": json.dumps(call["arguments"])}
    return {"id": f"call_{number}", "type": "function", "function": function}


def without_index(blocks: Any) -> Any:
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks or ()]


@given(st.lists(BLOCKS, max_size=5), st.lists(CALLS, max_size=3), st.data())
def test_an_answer_of_claude(blocks: list[Any], calls: list[Any], data: st.DataObject) -> None:
    # Adjacent blocks of one type are told apart by their index alone.
    events = [event({"role": "assistant", "content": ""})]
    for index, block in enumerate(blocks):
        events += block_events(data, index, block)
    for number, call in enumerate(calls):
        events += call_events(data, number, call)
    streamed = whole(assemble([*events, end("end_turn", usage=USAGE)], "anthropic"))

    message: dict[str, Any] = {"content": "".join(block.get("text", "") for block in blocks)}
    message |= {"content_blocks": blocks, "tool_calls": [json_call(n, call) for n, call in enumerate(calls)]}
    plain = read(answer(message, "end_turn", usage=USAGE), "anthropic")

    assert streamed.content == plain.content
    assert streamed.tool_calls == plain.tool_calls
    assert streamed.usage_metadata == plain.usage_metadata
    assert streamed.response_metadata == plain.response_metadata
    one, other = dict(streamed.additional_kwargs), dict(plain.additional_kwargs)
    assert without_index(one.pop("content_blocks", None)) == without_index(other.pop("content_blocks", None))
    assert one == other
    # LangChain's view gives a text and its citations, reasoning and its signature, in one block each.
    assert [b for b in without_index(streamed.content_blocks) if b["type"] != "text"] == [
        b for b in without_index(plain.content_blocks) if b["type"] != "text"
    ]
    for view in (streamed.content_blocks, plain.content_blocks):
        assert "".join(b["text"] for b in view if b["type"] == "text") == plain.content


@given(TEXTS | st.just(""), TEXTS | st.just(""), st.lists(CALLS, max_size=3), st.data())
def test_an_answer_of_openais_kind(text: str, thought: str, calls: list[Any], data: st.DataObject) -> None:
    events = [event({"role": "assistant", "content": None})]
    events += [event({"reasoning_content": piece}) for piece in cut(data, thought)]
    events += [event({"content": piece}) for piece in cut(data, text)]
    for number, call in enumerate(calls):
        events += call_events(data, number, call)
    events = [*events, end("tool_calls" if calls else "stop"), {"id": "answer-1", "choices": [], "usage": USAGE}]
    streamed = whole(assemble(events))

    message: dict[str, Any] = {"content": text or None, "reasoning_content": thought}
    message["tool_calls"] = [json_call(n, call) for n, call in enumerate(calls)]
    plain = read(answer(message, "tool_calls" if calls else "stop", usage=USAGE))
    assert streamed.content == plain.content
    assert streamed.tool_calls == plain.tool_calls
    assert streamed.usage_metadata == plain.usage_metadata
    assert streamed.response_metadata == plain.response_metadata
    assert streamed.additional_kwargs == plain.additional_kwargs
    assert without_index(streamed.content_blocks) == without_index(plain.content_blocks)


@given(st.lists(BLOCKS, max_size=4), st.data())
def test_every_split_of_the_bytes_gives_the_same_chunks(blocks: list[Any], data: st.DataObject) -> None:
    events = [one for index, block in enumerate(blocks) for one in block_events(data, index, block)]
    body = sse([*events, end("end_turn", usage=USAGE)])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=30)))
    decoder = SSEDecoder()
    pieces = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    decoded = [one for piece in pieces for one in decoder.feed(piece)] + decoder.flush()
    read_events = [json.loads(one) for one in decoded if one != b"[DONE]"]
    assert assemble(read_events, "anthropic") == assemble([*events, end("end_turn", usage=USAGE)], "anthropic")
