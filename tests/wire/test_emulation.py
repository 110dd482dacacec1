"""A wished form of answer for providers that are not told of it: request, JSON answer, stream."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.emulation import (
    StreamUnwrapper,
    emulate_response_format,
    unwrap_answer,
)
from tests.wire.rows import ANTHROPIC, MISTRAL, MOONSHOT, OPENAI

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "film", "description": "A film.", "schema": SCHEMA}}
SEARCH = {"type": "function", "function": {"name": "search", "parameters": SCHEMA}}


def emulated(body: dict[str, Any], provider: Any = ANTHROPIC) -> tuple[str | None, dict[str, Any]]:
    before = copy.deepcopy(body)
    changed = dict(body)
    name = emulate_response_format(changed, provider)
    assert body == before
    return name, changed


@pytest.mark.parametrize("provider", [ANTHROPIC, MISTRAL], ids=lambda row: row.id)
def test_a_schema_becomes_a_tool_that_has_to_be_called(provider):
    name, body = emulated({"response_format": FORM}, provider)
    assert name == "film"
    function = {"name": "film", "description": "A film.", "parameters": SCHEMA}
    assert body == {"tools": [{"type": "function", "function": function}], "tool_choice": "film"}


def test_any_json_becomes_a_tool_that_takes_anything():
    name, body = emulated({"response_format": {"type": "json_object"}})
    assert name == "answer"
    assert body["tools"][0]["function"]["parameters"]["additionalProperties"] is True


@pytest.mark.parametrize(
    ("given", "expected"), [(None, "any"), ("auto", "any"), ("search", "search"), ("none", "none"), ("any", "any")]
)
def test_beside_other_tools_one_of_them_has_to_be_called(given, expected):
    name, body = emulated({"response_format": FORM, "tools": [SEARCH], "tool_choice": given})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["search", name]
    assert body["tool_choice"] == expected


def test_its_name_is_nobody_elses():
    taken = {"type": "function", "function": {"name": "film", "parameters": {}}}
    assert emulated({"response_format": FORM, "tools": [taken]})[0] == "film_"


@pytest.mark.parametrize("body", [{}, {"response_format": FORM, "tools": [SEARCH]}])
def test_where_it_arrives_nothing_changes(body):
    assert emulated(body, OPENAI) == (None, body)


def test_plain_text_needs_no_tool():
    assert emulated({"response_format": {"type": "text"}}) == (None, {})


def test_where_no_tool_arrives_either_it_is_refused():
    with pytest.raises(PortkeyConfigurationError, match="neither response_format nor tools on to Moonshot"):
        emulated({"response_format": FORM}, MOONSHOT)


# --- answers in JSON


def call(name: str, arguments: str | None) -> dict[str, Any]:
    function = {"name": name} if arguments is None else {"name": name, "arguments": arguments}
    return {"id": name, "type": "function", "function": function}


def answer(message: dict[str, Any], finish: str = "tool_calls") -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": {}}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
SAID = {"type": "text", "text": "Here."}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"role": "assistant", "content": None, "tool_calls": [call("film", '{"x": 1}')]},
            {"role": "assistant", "content": '{"x": 1}'},
        ),
        (
            {"content": "Here.", "content_blocks": [THOUGHT, SAID], "tool_calls": [call("film", '{"x": 1}')]},
            {"content_blocks": [THOUGHT], "content": '{"x": 1}'},
        ),
        ({"tool_calls": [call("film", None)]}, {"content": "{}"}),
        (
            {"content": "I look.", "tool_calls": [call("search", "{}"), call("film", "{}")]},
            {"content": "I look.", "tool_calls": [call("search", "{}")]},
        ),
    ],
)
def test_the_call_becomes_the_text(message, expected):
    body = answer(message)
    before = copy.deepcopy(body)
    unwrapped = unwrap_answer(body, "film")
    assert body == before
    assert unwrapped["choices"][0]["message"] == expected
    assert unwrapped["choices"][0]["finish_reason"] == ("tool_calls" if "tool_calls" in expected else "stop")
    assert unwrap_answer(body, None) == before


@pytest.mark.parametrize(
    "body",
    [
        answer({"content": "No."}, "stop"),
        answer({"content": None, "tool_calls": [call("search", "{}")]}),
        {"error": {"message": "boom"}},
        {"choices": []},
        {"choices": [None]},
        "<html>",
        None,
    ],
)
def test_other_answers_stay_as_they_are(body):
    assert unwrap_answer(body, "film") == body


@pytest.mark.parametrize("finish", ["length", "max_tokens", "content_filter", None])
def test_a_reason_that_is_the_models_own_stays(finish):
    body = answer({"tool_calls": [call("film", '{"x"')]}, finish)
    assert unwrap_answer(body, "film")["choices"][0]["finish_reason"] == finish


# --- streams


def event(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def begins(name: str, index: int | None, arguments: str | None = "") -> dict[str, Any]:
    function = {"name": name} if arguments is None else {"name": name, "arguments": arguments}
    numbered = {} if index is None else {"index": index}
    return event({"tool_calls": [{**numbered, "id": name, "type": "function", "function": function}]})


def goes_on(arguments: str, index: int) -> dict[str, Any]:
    return event({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})


def says(text: str) -> dict[str, Any]:
    return event({"content": text, "content_blocks": [{"index": 0, "delta": {"text": text}}]})


THINKS = event({"content_blocks": [{"index": 0, "delta": {"thinking": "hm"}}]})
USAGE = {"id": "1", "choices": [], "usage": {"total_tokens": 3}}


def read(events: list[dict[str, Any]]) -> tuple[str, str, list[str], str | None, int]:
    """Text of the deltas, text of the blocks, pieces of tool calls, the finish reason, how many events."""
    unwrapper = StreamUnwrapper("film")
    out = [got for one in events for got in unwrapper.feed(copy.deepcopy(one))]
    out += list(unwrapper.flush())
    choices = [choice for got in out for choice in got["choices"]]
    deltas = [choice["delta"] for choice in choices]
    blocks = [block["delta"].get("text", "") for delta in deltas for block in delta.get("content_blocks", [])]
    calls = [str(call["function"]) for delta in deltas for call in delta.get("tool_calls", [])]
    finish = next((choice["finish_reason"] for choice in choices if choice["finish_reason"]), None)
    return "".join(delta.get("content") or "" for delta in deltas), "".join(blocks), calls, finish, len(out)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        # the arguments come in pieces, or whole and without an index, or not at all
        (
            [begins("film", 0), goes_on('{"x"', 0), goes_on(": 1}", 0), event({}, "tool_use"), USAGE],
            ('{"x": 1}', "", [], "stop", 5),
        ),
        ([begins("film", None, '{"x": 1}'), event({}, "tool_calls")], ('{"x": 1}', "", [], "stop", 2)),
        ([begins("film", 0, None), event({}, "tool_use")], ("{}", "", [], "stop", 2)),
        # a preface to the call is no part of the answer
        ([says("Here."), begins("film", 1), goes_on("{}", 1), event({}, "tool_use")], ("{}", "", [], "stop", 3)),
        ([THINKS, begins("film", 1), goes_on("{}", 1), event({}, "tool_use")], ("{}", "", [], "stop", 4)),
        # no call: the text is the answer
        ([says("No"), says("."), event({}, "end_turn")], ("No.", "No.", [], "end_turn", 3)),
        ([says("No"), says(".")], ("No.", "No.", [], None, 2)),
        # another tool is called
        (
            [says("I look."), begins("search", 1), goes_on("{}", 1), event({}, "tool_use")],
            ("I look.", "I look.", ["{'name': 'search', 'arguments': ''}", "{'arguments': '{}'}"], "tool_use", 4),
        ),
        # both: the conversation goes on with the other
        (
            [says("I look."), begins("search", 1), begins("film", 2), goes_on("{}", 2), event({}, "tool_use")],
            ("I look.", "I look.", ["{'name': 'search', 'arguments': ''}"], "tool_use", 5),
        ),
        # cut off
        ([begins("film", 0), goes_on('{"x"', 0), event({}, "max_tokens")], ('{"x"', "", [], "max_tokens", 3)),
        ([USAGE, {"error": {"message": "boom"}, "choices": []}], ("", "", [], None, 2)),
    ],
)
def test_streams(events, expected):
    assert read(events) == expected


def test_what_comes_in_leaves_at_once():
    unwrapper = StreamUnwrapper("film")
    assert list(unwrapper.feed(begins("film", 0)))
    [first] = unwrapper.feed(goes_on('{"x"', 0))
    assert first["choices"][0]["delta"] == {"content": '{"x"'}


def test_without_a_tool_every_event_passes():
    unwrapper = StreamUnwrapper(None)
    for one in (says("a"), begins("film", 0), USAGE):
        assert list(unwrapper.feed(one)) == [one]
