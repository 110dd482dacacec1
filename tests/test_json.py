"""Our JSON is Python's."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations_portkey._json import CheckedList, dumps_body, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def outcome(function, *arguments, **options):
    try:
        return repr(function(*arguments, **options))
    except Exception as error:  # noqa: BLE001
        return type(error)


@given(VALUES)
def test_what_is_written_is_read_the_same(value):
    text = json.dumps(value)

    assert repr(loads(text.encode())) == repr(json.loads(text))
    assert loads(text) == json.loads(text)


@given(st.binary(max_size=20) | st.text(st.sampled_from('{}[]":,\\ \n1eE+-.ud80NaInfity'), max_size=12).map(str.encode))
def test_whatever_comes_is_read_or_refused_as_by_json(data):
    assert outcome(loads, data) == outcome(json.loads, data)


@pytest.mark.parametrize(
    "data",
    [
        b"[18446744073709551616, -9223372036854775809, 1e999, -0, -0.0, 1E5, 0.1]",
        b'{"a": NaN, "b": [Infinity, -Infinity]}',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a": "\u2028"}'.encode("utf-16"),
        b'{"a": 1, "a": 2}',
        b"[" * 500 + b"]" * 500,
        b"[" * 100_000,
        b"",
    ],
)
def test_what_is_rare_is_read_or_refused_as_by_json(data):
    assert outcome(loads, data) == outcome(json.loads, data)


def plain(body):
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@given(st.dictionaries(st.text(), VALUES))
def test_a_body_says_what_json_would_have_said(body):
    assert json.loads(dumps_body(body)) == json.loads(plain(body))


@dataclass
class Thing:
    a: int = 1


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [{"deep": float("-inf")}],
        "half a pair \ud800",
        {"\udfff": 1},
        1 << 70,
        {1: 2, None: 3, False: 4},
        datetime.now(tz=UTC),
        Thing(),
        {1, 2},
        b"bytes",
        object(),
    ],
)
def test_a_body_is_refused_as_by_json_or_written_as_by_json(value):
    body = {"messages": [{"role": "assistant", "content": None}], "value": value}
    assert outcome(dumps_body, body) == outcome(plain, body)
    body = {"messages": [{"role": "user", "content": "null"}, {"content": value}, {"content": None}, {"other": 1}]}
    assert outcome(dumps_body, body) == outcome(plain, body)


class Size(float):
    pass


class Texts(dict):
    def __init__(self):
        super().__init__(a="b")


class Numbers(list):
    def __init__(self):
        super().__init__([1, float("nan")])


def test_not_a_number_cannot_hide_behind_the_empty_content_of_a_message():
    body = {"messages": [{"role": "assistant", "content": None}], "temperature": float("nan")}
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps_body(body)
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps_body({"messages": [{"content": float("nan")}]})


@pytest.mark.parametrize("filler", ["", "x" * (1 << 20)])
@pytest.mark.parametrize(
    "value", [None, float("nan"), 1.5, ("a", None), Size(1.5), Size(math.inf), Texts(), [Numbers()]]
)
def test_long_bodies_and_those_with_other_nulls_are_the_same(filler, value):
    body = {"messages": [{"content": "null"}, {"content": filler}], "value": [{"deep": [value]}], "none": None}
    assert outcome(dumps_body, body) == outcome(plain, body)


def test_a_body_that_holds_itself_is_refused():
    body: dict = {}
    body["body"] = body
    with pytest.raises(ValueError, match="Circular"):
        dumps_body(body)


class Colour(Enum):
    RED = "red"
    NONE = float("nan")


@pytest.mark.parametrize("rest", [{}, {"none": None, "messages": [{"content": "null"}]}])
def test_ids_and_enumerations_are_written_although_the_module_would_not(rest):
    written = dumps_body({"id": uuid.UUID(int=0), "colours": [Colour.RED], **rest})

    assert json.loads(written) == {"id": "00000000-0000-0000-0000-000000000000", "colours": ["red"], **rest}
    with pytest.raises(TypeError):
        dumps_body({"colour": Colour.NONE, **rest})


@given(st.lists(VALUES))
def test_a_checked_list_is_written_as_any_other(values):
    assert dumps_body({"a": CheckedList(values)}) == dumps_body({"a": values})


def test_a_checked_list_is_not_looked_through_and_its_copies_are():
    """Whoever makes one answers for what is in it."""
    checked = CheckedList([float("nan")])

    assert dumps_body({"a": checked}) == b'{"a":[null]}'
    for copied in (list(checked), checked[:], [*checked]):
        with pytest.raises(ValueError, match="not JSON compliant"):
            dumps_body({"a": copied})
