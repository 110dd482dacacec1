"""Events taken by what their predecessor was are what they would be if each were read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from langchain_pollinations_portkey import _stream_reader, notices
from langchain_pollinations_portkey.errors import PortkeyStreamError
from langchain_pollinations_portkey.wire.chat import repeats
from langchain_pollinations_portkey.wire.chat.repeats import Frame
from langchain_pollinations_portkey.wire.chunks import state
from tests.wire.canned import Gateway, call, calls, end, event, sse

Outcome = tuple[list[Any], str, Any, list[str]]
"""The chunks as they were, what went wrong, the partial message, and the warnings."""


def text(said: str) -> dict[str, Any]:
    return event({"content": said})


def claude_text(said: str) -> dict[str, Any]:
    return event({"content": said, "content_blocks": [{"index": 1, "delta": {"text": said}}]})


def thought(said: str) -> dict[str, Any]:
    return event({"content_blocks": [{"index": 0, "delta": {"thinking": said}}]})


def arguments(said: str) -> dict[str, Any]:
    return calls(call(0, said))


KINDS = {
    "text": text,
    "text of Claude": claude_text,
    "text of Claude after its thoughts": claude_text,
    "text with nothing else": lambda said: event(
        {"role": "assistant", "content": said, "tool_calls": [], "refusal": None, "reasoning_content": ""},
        logprobs=None,
        usage=None,
    ),
    "text with usage": lambda said: event({"content": said}, usage={"prompt_tokens": 1, "completion_tokens": 2}),
    "text without index": lambda said: event({"content": said}, index=None),
    "thoughts": thought,
    "reasoning_content": lambda said: event({"reasoning_content": said, "content": None}),
    "reasoning": lambda said: event({"reasoning": said, "content": ""}),
    "arguments": arguments,
    "arguments with everything": lambda said: calls(call(0, said, id=None, type="function", name=None)),
    "arguments without index": lambda said: calls(call(None, said)),
    "text after a call": text,
}
BEGINNINGS = {
    "text of Claude after its thoughts": [thought("hm")],
    "text after a call": [calls(call(0, "{}", id="c1", name="f"))],
    **{kind: [calls(call(0, "", id="c1", name="f"))] for kind in KINDS if kind.startswith("arguments")},
}


@contextmanager
def read_one_by_one() -> Iterator[None]:
    """Without any frame."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Frame, "fit", lambda self, data: None)
        yield


@contextmanager
def counted(owner: Any, name: str) -> Iterator[list[None]]:
    """How often a function is called."""
    done: list[None] = []
    original = getattr(owner, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, lambda *args: (done.append(None), original(*args))[1])
        yield done


def outcome(body: bytes | list[bytes], name: str = "openai") -> Outcome:
    given_out: list[Any] = []
    problem, partial = "", None
    notices.forget_all()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            for chunk in Gateway(body).model(name)._stream([HumanMessage("hi")]):
                given_out.append(state(chunk))
                chunk.message.response_metadata = {}  # LangChain changes it too
        except PortkeyStreamError as error:
            problem = f"{type(error).__name__}: {error}"
            partial = state(error.partial) if error.partial is not None else None
    return given_out, problem, partial, [str(warning.message) for warning in told]


def check(body: bytes | list[bytes], name: str = "openai") -> Outcome:
    found = outcome(body, name)
    with read_one_by_one():
        assert outcome(body, name) == found
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_nearly_no_event_of_a_long_stream_is_read(kind):
    words = [f"{word}{number} " for number in range(20) for word in ("a", "ü", '"', "\\", "\n", "{")]
    events = [*BEGINNINGS.get(kind, ()), *map(KINDS[kind], words), end("stop")]

    with counted(_stream_reader, "loads") as reads:
        given_out, problem, *_ = outcome(sse(events))

    assert not problem
    assert len(given_out) >= len(words)
    assert len(reads) <= len(BEGINNINGS.get(kind, ())) + 4
    check(sse(events))


def test_each_event_gives_its_own_chunk_at_once():
    pieces = [sse([text(word)], done=False) for word in ("one ", "two ", "three ", "four ")]
    gateway = Gateway([*pieces, sse([end()])])
    seen: list[int] = []
    gateway.pieces = _Counted(gateway.pieces, seen)  # type: ignore[assignment]

    chunks = gateway.model()._stream([HumanMessage("hi")])

    assert [(next(chunks).text, len(seen)) for _ in pieces] == [("one ", 1), ("two ", 2), ("three ", 3), ("four ", 4)]


class _Counted(list[bytes]):
    def __init__(self, pieces: list[bytes], seen: list[int]) -> None:
        super().__init__(pieces)
        self._seen = seen

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(super().__iter__()):
            self._seen.append(number)
            yield piece


ODD = {
    "log probabilities": lambda said: event({"content": said}, logprobs={"content": [{"token": said}]}),
    "two texts": lambda said: event({"content": said, "content_blocks": [{"index": 1, "delta": {"text": "x"}}]}),
    "signed": lambda said: event({"content_blocks": [{"index": 0, "delta": {"thinking": said, "signature": "s"}}]}),
    "citation": lambda said: event({"content_blocks": [{"index": 1, "delta": {"citation": {"cited_text": said}}}]}),
    "refusal": lambda said: event({"refusal": said}),
    "text and refusal": lambda said: event({"content": said, "refusal": said}),
    "empty refusal": lambda said: event({"content": said, "refusal": ""}),
    "audio": lambda said: event({"content": said, "audio": {"transcript": said}}),
    "ends": lambda said: event({"content": said}, finish_reason="stop"),
    "new call": lambda said: calls(call(0, said, id=f"c{said}", name="f")),
    "other call": lambda said: calls(call(1, said, id="c-other", name="g")),
    "server's tool": lambda said: calls(call(-1, said)),
    "two pieces": lambda said: calls(call(0, said), call(0, said)),
    "free-form tool": lambda said: calls({"index": 0, "id": "c1", "custom": {"name": "f", "input": said}}),
    "signed call": lambda said: calls(call(0, said, thought_signature="s")),
    "second choice": lambda said: event({"content": said}, index=1),
    "two choices": lambda said: {"choices": [{"index": 0, "delta": {"content": said}}, {"index": 1, "delta": {}}]},
    "later": lambda said: event({"content": said}, created=len(said)),
    "padded": lambda said: {**event({"content": said}), "obfuscation": said},
    "no choice": lambda _: {"id": "answer-1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    "verdict": lambda said: {**event({"content": said}), "hook_results": {"before_request_hooks": []}},
    "error": lambda said: {"error": {"message": said, "type": "x"}},
    "nothing": lambda _: event({}),
    "list": lambda _: [1],
    "list in a choice": lambda _: {"choices": [[1]]},
    "delta of text": lambda said: {"choices": [{"index": 0, "delta": said}]},
}
TEXTS = (
    st.sampled_from(["stop", "another text", "content", "answer-1", "served", "{", '{"a"', "0", "x" * 300])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.text(st.sampled_from('"\\{}[]:, \n\u2028\x7fab'), max_size=4)
)
RUNS = st.tuples(st.sampled_from([*KINDS.values(), *ODD.values()]), st.lists(TEXTS, min_size=1, max_size=6))
WRITTEN = st.sampled_from([(",", ":"), (", ", ": ")])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(RUNS, max_size=6),
    WRITTEN,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["openai", "anthropic", "google"]),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_whatever_the_stream_it_gives_the_same_as_read_one_by_one(runs, separators, ascii_only, ends, name, places):
    events: list[Any] = [kind(said) for kind, texts in runs for said in texts]
    events += [end("stop")] * ends
    written = [json.dumps(one, ensure_ascii=ascii_only, separators=separators) for one in events]
    body = "".join(f"data: {one}\n\n" for one in [*written, "[DONE]"]).encode("utf-8", "surrogatepass")
    cuts = sorted(place % (len(body) + 1) for place in places)
    pieces = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    check([piece for piece in pieces if piece] or [b"\n"], name)


@pytest.mark.parametrize(
    "string",
    [
        '"',
        'a","b":"c',
        "\\",
        "\\u12",
        "\\ud800",
        "\x01",
        '\\"',
        'a"}}]}',
        "",
        " ",
        'x"  ',
    ],
)
def test_a_string_that_is_none_is_left_to_the_reader_of_events(string):
    one = json.dumps(text("WORD"), separators=(",", ":"))
    events = [one.replace("WORD", word) for word in ("a", "b", string, "c", "d")]

    check(sse([*events, end()]))


def test_bytes_that_are_no_text_are_an_error_as_ever():
    one = sse([text("a")], done=False)

    _, problem, partial, _ = check(one * 3 + one.replace(b'"a"', b'"\xff"') + sse([end()]))

    assert "no JSON" in problem
    assert partial is not None


def test_the_text_that_stands_elsewhere_too_is_not_mistaken():
    events = [text("served"), text("answer-1"), text("content"), text("choices"), text("delta")] * 3

    given_out, *_ = check(sse([*events, end()]))

    assert len(given_out) == len(events) + 1


def test_a_stream_that_never_repeats_is_not_tried_again_and_again():
    events = [{**text(f"{number} "), "obfuscation": "x" * (number % 7)} for number in range(500)]

    with counted(repeats.Frame, "make") as tries:
        outcome(sse([*events, end()]))

    assert len(tries) < 20
    check(sse([*events, end()]))


def test_the_partial_message_of_a_broken_stream_has_all_of_it():
    _, problem, partial, _ = check(sse([text(f"{number} ") for number in range(50)], done=False))

    assert "Truncated" in problem
    assert partial[1][0] == ("content", "".join(f"{number} " for number in range(50)))
