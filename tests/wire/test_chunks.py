"""Chunks made by hand are what LangChain would have made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_pollinations_portkey.wire import chunks
from langchain_pollinations_portkey.wire.chunks import make_chunk, state, text_chunk

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
JSON_LIKE = st.text(st.sampled_from('{}[]":,\\ \n\t\r1ae\ufeff\u00a0tru'), min_size=1)
PIECES = st.builds(
    lambda args, index: tool_call_chunk(name=None, args=args, id=None, index=index),
    JSON_LIKE | st.text(min_size=1),
    st.integers(0, 5),
)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(chunks, "_fast", False)


def test_the_installed_langchain_core_agrees():
    assert chunks._fast


@given(st.text(), st.none() | st.dictionaries(st.text(), VALUES, max_size=3), st.lists(PIECES, max_size=3))
def test_both_ways_give_the_same(text, kwargs, pieces):
    assert state(make_chunk(text, additional_kwargs=kwargs, tool_call_chunks=pieces)) == state(
        chunks._by_langchain(text, kwargs, pieces)
    )


@given(st.text())
def test_a_chunk_of_text_is_the_same(text):
    assert state(text_chunk(text)) == state(make_chunk(text)) == state(chunks._by_langchain(text, None, ()))


def test_slots_without_a_descriptor_are_set_by_name():
    message = make_chunk("a").message
    chunks._setter("id")(message, "1")
    chunks._setter("__pydantic_fields_set__")(message, {"type"})

    assert (message.id, message.__pydantic_fields_set__) == ("1", {"type"})


@given(JSON_LIKE)
def test_what_is_put_together_by_hand_is_never_a_call(args):
    piece = tool_call_chunk(name=None, args=args, id=None, index=0)

    if chunks._are_pieces([piece]):
        assert AIMessageChunk(content="", tool_call_chunks=[piece]).tool_calls == []
    else:
        assert args.lstrip(" \t\n\r").startswith("{")


@pytest.mark.parametrize(
    "call",
    [
        {"name": "f", "args": "x", "id": None, "index": 0},
        {"name": None, "args": "x", "id": "1", "index": 0},
        {"name": None, "args": "", "id": None, "index": 0},
        {"name": None, "args": None, "id": None, "index": 0},
        {"name": None, "args": "x", "id": None, "index": None},
        {"name": None, "args": ' {"a"', "id": None, "index": 0},
    ],
)
def test_whatever_else_a_call_holds_is_left_to_langchain(call):
    assert not chunks._are_pieces([tool_call_chunk(**call)])


def test_chunks_share_nothing():
    one, other = make_chunk("a"), make_chunk("b")
    kwargs = {"k": 1}
    third = make_chunk("", additional_kwargs=kwargs)
    for name, value in one.message.__dict__.items():
        if isinstance(value, list | dict | set):
            assert value is not other.message.__dict__[name], name
    one.message.response_metadata["x"] = 1
    one.message.id = "1"
    third.message.additional_kwargs["more"] = 1

    assert state(other) == state(chunks._by_langchain("b", None, []))
    assert kwargs == {"k": 1}


def test_chunks_behave_as_langchains_own():
    whole = make_chunk("Hel") + make_chunk("lo")

    assert whole.text == whole.message.text == "Hello"
    assert make_chunk("a") == ChatGenerationChunk(message=chunks._by_langchain("a", None, []).message)
    assert make_chunk("a").model_dump() == chunks._by_langchain("a", None, []).model_dump()
    assert make_chunk("a").message.model_copy(update={"content": "b"}).content == "b"


def test_the_plain_way_is_taken_where_langchain_differs(slow, monkeypatch):
    monkeypatch.setattr(chunks, "_by_hand", None)  # would fail
    monkeypatch.setattr(chunks, "_with_text", None)

    assert make_chunk("a").text == "a"
    assert text_chunk("a").text == "a"


@pytest.mark.parametrize("change", ["field", "order", "set", "error"])
def test_a_langchain_core_that_differs_is_noticed(monkeypatch, change):
    ordinary = chunks._by_langchain

    def changed(text, kwargs, calls):
        chunk = ordinary(text, kwargs, calls)
        if change == "error":
            raise TypeError
        if change == "field":
            chunk.message.__dict__["new"] = None
        elif change == "order":
            chunk.message.__dict__["content"] = chunk.message.__dict__.pop("content")
        else:
            chunk.message.__pydantic_fields_set__.add("type")
        return chunk

    monkeypatch.setattr(chunks, "_by_langchain", changed)

    assert not chunks._agrees()
