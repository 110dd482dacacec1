"""The decoder of server-sent events."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations_portkey.wire.sse import SSEDecoder


def decode(*chunks: bytes) -> list[bytes]:
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.flush()


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", []),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"a", b"b"]),
        (b": comment\n\ndata: a\n\n", [b"a"]),
        (b": OPENROUTER PROCESSING\n\n: again\n\ndata: a\n\n", [b"a"]),
        (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"data: a\nevent: late\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: [DONE]\n\n", [b"[DONE]"]),
        (b"database: a\n\n", []),
    ],
)
def test_an_event_is_the_data_between_blank_lines(body: bytes, events: list[bytes]) -> None:
    assert decode(body) == events


def test_only_line_feeds_and_carriage_returns_end_a_line() -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\u000bh"
    data = json.dumps(text, ensure_ascii=False).replace("\\u000b", "\x0b").replace("\\f", "\x0c")
    assert decode(f"data: {data}\n\n".encode()) == [data.encode()]


def test_an_event_leaves_with_the_byte_that_completes_it() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [b"a"]
    assert decoder.feed(b"data: b\r\n\r") == [b"b"]
    assert decoder.feed(b"\ndata: c") == []
    assert decoder.flush() == [b"c"]


LINE_ENDS = ["\n", "\r\n", "\r"]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1), max_size=8),
    st.sampled_from(LINE_ENDS),
    st.data(),
)
def test_every_split_gives_the_same_events(texts: list[str], line_end: str, data: st.DataObject) -> None:
    body = "".join(f": ping{line_end}data: {text}{line_end}{line_end}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    chunks = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert decode(*chunks) == decode(body) == [text.encode() for text in texts]


@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_single_bytes_give_the_same_events(line_end: str) -> None:
    body = f"data: ä€😀{line_end}{line_end}data: b{line_end}data: c{line_end}{line_end}".encode()
    assert decode(*(bytes([byte]) for byte in body)) == ["ä€😀".encode(), b"b\nc"]


def test_a_long_line_in_many_pieces_takes_linear_time() -> None:
    decoder = SSEDecoder()
    decoder.feed(b"data: ")
    for _ in range(200_000):
        decoder.feed(b"x" * 50)
    (event,) = decoder.feed(b"\n\n")
    assert len(event) == 10_000_000


class _LineByLine(SSEDecoder):
    """Cuts at every line, without looking for whole events first."""

    def feed(self, chunk: bytes) -> list[bytes]:
        return self._lines(self._unify_line_ends(chunk))


PARTS = st.sampled_from(
    [b"data: ", b"data:", b"\n\n", b"\n", b"\r\n", b"\r", b"x", b"data: a\n\n", b": c\n\n", b"\xef\xbb\xbf", b"id: e\n"]
)


@given(st.lists(st.lists(PARTS, max_size=8).map(b"".join), max_size=6))
def test_whole_events_are_what_their_lines_say(chunks: list[bytes]) -> None:
    decoder, plain = SSEDecoder(), _LineByLine()
    for chunk in chunks:
        assert decoder.feed(chunk) == plain.feed(chunk)
    assert decoder.flush() == plain.flush()
