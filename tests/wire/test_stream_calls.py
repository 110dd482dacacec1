"""Tool calls of streams in every form that providers give them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations_portkey.wire.chat.answer import read_answer
from langchain_pollinations_portkey.wire.chat.stream import chunks_of_result
from tests.wire.canned import answer, assemble, call, calls, end, event, whole

Called = list[tuple[str, Any, str]]

TOOL_STREAMS: list[tuple[str, str, list[Any], Called]] = [
    (
        "OpenAI: in pieces, two interleaved",
        "openai",
        [
            calls(call(0, "", id="c1", name="f")),
            calls(call(1, "", id="c2", name="g")),
            calls(call(0, '{"a":')),
            calls(call(1, '{"b":2}')),
            calls(call(0, "1}")),
        ],
        [("f", {"a": 1}, "c1"), ("g", {"b": 2}, "c2")],
    ),
    (
        "without arguments, never continued (Anthropic, Bedrock)",
        "anthropic",
        [calls(call(0, "", id="c1", name="f")), calls(call(1, id="c2", name="g"))],
        [("f", {}, "c1"), ("g", {}, "c2")],
    ),
    (
        "arguments null, then pieces",
        "openai",
        [
            event({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": None}}]}),
            calls(call(0, "{}")),
        ],
        [("f", {}, "c1")],
    ),
    (
        "Gemini: whole, the index restarts, the ids differ",
        "google",
        [
            calls(call(0, "{}", id="portkey-1", name="f")),
            calls(call(0, '{"a":1}', id="portkey-2", name="f"), None, call(1, "{}", id="portkey-3", name="g")),
        ],
        [("f", {}, "portkey-1"), ("f", {"a": 1}, "portkey-2"), ("g", {}, "portkey-3")],
    ),
    (
        "Mistral: whole, no index",
        "mistral-ai",
        [event({"tool_calls": [call(None, '{"a":1}', id="c1", name="f"), call(None, "{}", id="c2", name="f")]})],
        [("f", {"a": 1}, "c1"), ("f", {}, "c2")],
    ),
    (
        "Cohere: an object, no index, the number of the call as that of the choice",
        "cohere",
        [
            event({"tool_calls": call(None, "", id="f_1", name="f")}, index=None),
            event({"tool_calls": call(None, '{"a":')}, index=0),
            event({"tool_calls": call(None, "1}")}, index=0),
            event({"tool_calls": call(None, "", id="g_2", name="g")}, index=1),
            event({"tool_calls": call(None, '{"b":2}')}, index=1),
        ],
        [("f", {"a": 1}, "f_1"), ("g", {"b": 2}, "g_2")],
    ),
    (
        "DashScope: the id becomes empty",
        "dashscope",
        [calls(call(0, "", id="c1", name="f")), calls(call(0, '{"a":', id="")), calls(call(0, "1}", id="", name=""))],
        [("f", {"a": 1}, "c1")],
    ),
    (
        "the id and the name in every piece",
        "openrouter",
        [calls(call(0, '{"a":', id="c1", name="f")), calls(call(0, "1}", id="c1", name="f"))],
        [("f", {"a": 1}, "c1")],
    ),
    (
        "the name in every piece, never an id",
        "openai",
        [calls(call(0, '{"a":', name="f")), calls(call(0, "1}", name="f"))],
        [("f", {"a": 1}, "call_answer_1_0")],
    ),
    (
        "whole calls without an id under one index",
        "ollama",
        [calls(call(0, '{"a":1}', name="f")), calls(call(0, '{"a":2}', name="f"))],
        [("f", {"a": 1}, "call_answer_1_0"), ("f", {"a": 2}, "call_answer_1_1")],
    ),
    (
        "whole calls without an id or an index",
        "openai",
        [event({"tool_calls": [call(None, "{}", name="f"), call(None, "{}", name="f")]})],
        [("f", {}, "call_answer_1_0"), ("f", {}, "call_answer_1_1")],
    ),
    (
        "pieces without any mark",
        "openai",
        [calls(call(None, "", id="c1", name="f")), calls(call(None, '{"a":')), calls(call(None, "1}"))],
        [("f", {"a": 1}, "c1")],
    ),
    ("an empty list beside text (Groq)", "groq", [event({"content": "a", "tool_calls": []})], []),
    ("null beside text (Together)", "together-ai", [event({"content": "a", "tool_calls": None})], []),
    (
        "a legacy function call",
        "openai",
        [event({"function_call": {"name": "f", "arguments": ""}}), event({"function_call": {"arguments": '{"a":1}'}})],
        [("f", {"a": 1}, "call_answer_1_0")],
    ),
    (
        "a free-form tool",
        "openai",
        [
            event({"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": ""}}]}),
            event({"tool_calls": [{"index": 0, "custom": {"input": 'SELECT "a"'}}]}),
            event({"tool_calls": [{"index": 0, "custom": {"input": "\nFROM b"}}]}),
        ],
        [("sql", {"input": 'SELECT "a"\nFROM b'}, "c1")],
    ),
]


@pytest.mark.parametrize(
    ("name", "events", "expected"), [case[1:] for case in TOOL_STREAMS], ids=[case[0] for case in TOOL_STREAMS]
)
def test_tool_calls(name: str, events: list[Any], expected: Called) -> None:
    message = whole(assemble([*events, end("stop")], name))
    assert [(one["name"], one["args"], one["id"]) for one in message.tool_calls] == expected
    assert message.invalid_tool_calls == []
    assert message.response_metadata["finish_reason"] == ("tool_calls" if expected else "stop")


def test_a_legacy_function_call_stays_where_old_parsers_look() -> None:
    events = [event({"function_call": {"name": "f", "arguments": ""}}), event({"function_call": {"arguments": "{}"}})]
    message = whole(assemble([*events, end("function_call")]))
    assert message.additional_kwargs["function_call"] == {"name": "f", "arguments": "{}"}


def test_geminis_signatures_stand_under_the_ids_of_their_calls() -> None:
    events = [
        calls(call(0, "{}", id="portkey-1", name="f", thought_signature="TS1")),
        calls(call(0, "{}", id="portkey-2", name="g")),
        calls(call(0, "{}", id="portkey-3", name="h", thought_signature="TS3")),
        end("STOP"),
    ]
    kwargs = whole(assemble(events, "google")).additional_kwargs
    assert kwargs == {"thought_signatures": {"portkey-1": "TS1", "portkey-3": "TS3"}}


CUT_OFF = [
    '{"path": "/home/us',
    '{"path": "/home\\',
    '{"path": "/home\\\\',
    '{"path": "a \\"b\\"',
    '{"path": "/home"',
    '{"path"',
    '{"paths": ["a", "b"',
    '{"paths": [{"a": [1, 2',
    '{"paths": ["[", "{',
    "{",
    '{"a": 1, "b": -',
    '{"a": 1} or {"a": 2}',
]


@pytest.mark.parametrize("arguments", CUT_OFF)
def test_arguments_that_were_cut_off_make_no_call(arguments: str) -> None:
    """As in an answer that comes in one piece: LangChain would complete them and an agent act on them."""
    begun = calls(call(0, "", id="c1", name="f"), call(1, '{"b":1}', id="c2", name="g"))
    pieces = [calls(call(0, piece)) for piece in (arguments[:3], arguments[3:])]
    message = whole(assemble([begun, *pieces, end("length")]))
    [invalid] = message.invalid_tool_calls
    assert (invalid["name"], invalid["id"]) == ("f", "c1")
    assert invalid["args"].startswith(arguments)
    assert [(one["name"], one["args"]) for one in message.tool_calls] == [("g", {"b": 1})]

    body = {"tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": arguments}}]}
    result = read_answer(answer(body, "length"), requested_model="m", quirks=None, facts={})
    assert whole(chunks_of_result(result)).tool_calls == result.generations[0].message.tool_calls == []


@given(st.dictionaries(st.text(), st.recursive(st.text() | st.integers() | st.none(), st.lists), min_size=1), st.data())
def test_no_part_of_arguments_makes_a_call_but_the_whole(arguments: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(arguments, ensure_ascii=data.draw(st.booleans()))
    kept = text[: data.draw(st.integers(1, len(text)))]
    message = whole(assemble([calls(call(0, kept, id="c1", name="f")), end("length")]))
    assert [one["args"] for one in message.tool_calls] == ([arguments] if kept == text else [])


def test_a_line_end_within_a_string_is_no_reason_to_refuse_a_call() -> None:
    message = whole(assemble([calls(call(0, '{"a": "one\ntwo"}', id="c1", name="f")), end("tool_calls")]))
    assert message.tool_calls[0]["args"] == {"a": "one\ntwo"}
