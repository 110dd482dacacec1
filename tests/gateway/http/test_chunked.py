"""Chunked bodies read without h11 are what h11 makes of them, whatever is in them and however they are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_pollinations_portkey.gateway.http import connections as module
from langchain_pollinations_portkey.gateway.http.chunked import ChunkedDecoder
from langchain_pollinations_portkey.gateway.http.connections import AsyncConnections, Connections
from langchain_pollinations_portkey.gateway.http.messages import TimeLeft
from langchain_pollinations_portkey.gateway.http.network import AsyncStream, Stream

LIMITS = dict.fromkeys(("connect", "read", "write", "pool"), 5.0)
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n"
Outcome = tuple[bytes, str | None, bool]
"""The body as far as it came, the error that ended it, and whether the connection can serve another request."""


class Canned(httpcore.NetworkStream):
    """Gives these pieces one by one, then the end of the connection or an error."""

    def __init__(self, pieces: list[bytes], end: Exception | None = None) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._pieces and self._end is not None:
            raise self._end
        if not self._pieces:
            return b""
        data = self._pieces[0]
        self._pieces[:1] = [data[max_bytes:]] if data[max_bytes:] else []
        return data[:max_bytes]

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    def get_extra_info(self, info: str) -> object:
        return bool(self._pieces) if info == "is_readable" else None


class AsyncCanned(httpcore.AsyncNetworkStream):
    def __init__(self, *arguments) -> None:
        self._canned = Canned(*arguments)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return self._canned.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        pass

    async def aclose(self) -> None:
        pass

    def get_extra_info(self, info: str) -> object:
        return self._canned.get_extra_info(info)


class Backend(httpcore.NetworkBackend):
    def __init__(self, open_stream: Callable[[], httpcore.NetworkStream]) -> None:
        self._open = open_stream

    def connect_tcp(self, *_, **__) -> httpcore.NetworkStream:
        return self._open()


class AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, open_stream: Callable[[], httpcore.AsyncNetworkStream]) -> None:
        self._open = open_stream

    async def connect_tcp(self, *_, **__) -> httpcore.AsyncNetworkStream:
        return self._open()


def request() -> httpcore.Request:
    return httpcore.Request("POST", "http://x/", headers=[("host", "x")], content=b"", extensions={"timeout": LIMITS})


def by_httpcore(pieces: list[bytes], end: Exception | None = None) -> Outcome:
    body: list[bytes] = []
    problem = None
    connection = httpcore.HTTPConnection(
        httpcore.Origin(b"http", b"x", 80), network_backend=Backend(lambda: Canned(pieces, end))
    )
    try:
        answer = connection.handle_request(request())
        body.extend(answer.stream)
        answer.close()
    except Exception as error:  # noqa: BLE001
        problem = type(error).__name__
    return b"".join(body), problem, connection.is_available() and not connection.has_expired()


def by_us(pieces: list[bytes], end: Exception | None = None) -> Outcome:
    body: list[bytes] = []
    problem = None
    connections = Connections(None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_backend", Backend(lambda: Stream(Canned(pieces, end))))
        try:
            exchange = connections.open(request())
            try:
                body.extend(exchange)
            finally:
                exchange.close()
        except Exception as error:  # noqa: BLE001
            problem = type(error).__name__
    kept = list(connections._shelf._open)
    return b"".join(body), problem, bool(kept) and not kept[0].has_expired()


async def by_us_in_a_loop(pieces: list[bytes], end: Exception | None = None) -> Outcome:
    body: list[bytes] = []
    problem = None
    connections = AsyncConnections(None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_async_backend", AsyncBackend(lambda: AsyncStream(AsyncCanned(pieces, end))))
        try:
            exchange = await connections.open(request())
            try:
                async for data in exchange:
                    body.append(data)  # noqa: PERF401  # what came before an error counts
            finally:
                await exchange.aclose()
        except Exception as error:  # noqa: BLE001
            problem = type(error).__name__
    kept = list(connections._shelf._open)
    return b"".join(body), problem, bool(kept) and not kept[0].has_expired()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    places = sorted(place % (len(data) + 1) for place in places)
    return [data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


WORDS = [chunk(b"data: one\n\n"), chunk(b"data: two\n\n")]
END = b"0\r\n\r\n"
BODIES = {
    "ordinary": b"".join(WORDS) + END,
    "nothing": END,
    "upper case": b"B\r\ndata: one\n\n\r\n" + END,
    "leading zeros": b"000b\r\ndata: one\n\n\r\n0000\r\n\r\n",
    "trailers": b"".join(WORDS) + b"0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n",
    "extension": WORDS[0] + b"3;name=value\r\nabc\r\n" + WORDS[1] + END,
    "extension that is quoted": b'3;name="a"\r\nabc\r\n' + END,
    "blank behind a size": WORDS[0] + b"3 \r\nabc\r\n" + END,
    "blank before a size": WORDS[0] + b" 3\r\nabc\r\n" + END,
    "sign before a size": WORDS[0] + b"+3\r\nabc\r\n" + END,
    "underscore in a size": WORDS[0] + b"1_0\r\n0123456789abcdef\r\n" + END,
    "prefix of a size": b"0x3\r\nabc\r\n" + END,
    "size of a size": b"0" * 20 + b"3\r\nabc\r\n" + END,
    "longest size": b"0" * 19 + b"3\r\nabc\r\n" + END,
    "no size": WORDS[0] + b"\r\nabc\r\n" + END,
    "no size at all": WORDS[0] + b"data: one\n\n" * 30,
    "size beyond all": b"f" * 20 + b"\r\nabc",
    "footer missing": WORDS[0] + b"3\r\nabc" + WORDS[1] + END,
    "footer half": WORDS[0] + b"3\r\nabc\rX" + END,
    "footer bare": b"3\r\nabc\n" + END,
    "line ends bare": b"3\nabc\n0\n\n",
    "broken off in a size": WORDS[0] + b"1",
    "broken off behind a size": WORDS[0] + b"b\r\n",
    "broken off in a chunk": WORDS[0] + b"b\r\ndata: t",
    "broken off before a footer": WORDS[0] + b"3\r\nabc",
    "broken off in a footer": WORDS[0] + b"3\r\nabc\r",
    "broken off between chunks": b"".join(WORDS),
    "broken off in the end": WORDS[0] + b"0\r\n",
    "more behind the end": WORDS[0] + END + b"HTTP/1.1 200 OK\r\n\r\n",
    "body that looks like an end": chunk(b"0\r\n\r\n") + chunk(b"\r\n\r\n") + END,
    "long": chunk(b"x" * 200_000) + END,
}
HEADS = {
    "ordinary": HEAD,
    "bare line ends": b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n",
    "upper case": b"HTTP/1.1 246 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n",
    "length beside it": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
    "old version": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "length only": b"HTTP/1.1 200 OK\r\nx-said: chunked\r\ncontent-length: 12\r\n\r\n",
    "neither": b"HTTP/1.1 200 OK\r\nx-said: chunked\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Hints\r\nx: chunked\r\n\r\n" + HEAD,
    "plain hints": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD,
    "unknown coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "to be closed": b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n",
    "blank lines first": b"\r\n\r\n" + HEAD,
    "none": b"",
}


def check(pieces: list[bytes], end: Exception | None = None) -> None:
    expected = by_httpcore(pieces, end)
    assert by_us(pieces, end) == expected
    assert asyncio.run(by_us_in_a_loop(pieces, end)) == expected


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_every_framing_is_read_as_httpcore_reads_it(head, body):
    data = head + body
    size = len(data)
    middle = len(head)
    for pieces in ([data], [head, body], cut(data, [middle - 1]), cut(data, [middle + 1, size // 2, size - 3])):
        check(pieces)


@pytest.mark.parametrize("body", [body for name, body in BODIES.items() if name != "long"])
def test_single_bytes_are_read_as_httpcore_reads_them(body):
    check([HEAD, *(bytes([byte]) for byte in body)])
    check([bytes([byte]) for byte in HEAD + body])


@pytest.mark.parametrize("error", [httpcore.ReadTimeout(), httpcore.ReadError()])
@pytest.mark.parametrize("body", [b"", WORDS[0], WORDS[0] + b"b\r\ndata", END])
def test_an_error_of_the_connection_is_that_of_httpcore(body, error):
    check([HEAD + body], error)
    check([HEAD, body], error)


PARTS = st.sampled_from(
    [*WORDS, END, b"0", b"3", b"\r\n", b"\r", b"\n", b"abc", b";x", b" ", b"f" * 9, b"\x00", b"HTTP/"]
)
BYTES = st.lists(PARTS | st.binary(max_size=40).map(chunk) | st.binary(max_size=3), max_size=12).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(HEADS.values())) | st.just(HEAD), BYTES, st.lists(st.integers(0, 400), max_size=12))
def test_whatever_comes_however_it_is_cut_is_read_as_httpcore_reads_it(head, body, places):
    pieces = cut(head + body, places)
    expected = by_httpcore(pieces)

    assert by_us(pieces) == expected
    assert asyncio.run(by_us_in_a_loop(pieces)) == expected


@pytest.mark.parametrize("head", [HEAD, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"], ids=["chunked", "plain"])
def test_each_read_of_a_body_has_the_time_that_is_left(monkeypatch, head):
    waits: list[float] = []

    class Slow(Canned):
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            waits.append(timeout or 0)
            limits.ends -= 100  # what a read takes
            return super().read(max_bytes, timeout)

    pieces = [head, *([b"1\r\nx\r\n"] * 2 if head is HEAD else [b"x"] * 2)]
    connections = Connections(None, None)
    monkeypatch.setattr(module, "_backend", Backend(lambda: Stream(Slow(pieces))))
    limits = TimeLeft(1000.0)
    asked = httpcore.Request("POST", "http://x/", headers=[("host", "x")], content=b"", extensions={"timeout": limits})
    exchange = connections.open(asked)

    with pytest.raises(httpcore.RemoteProtocolError):
        list(exchange)
    exchange.close()

    assert all(later <= earlier - 100 for earlier, later in pairwise(waits))


def test_a_connection_with_more_than_an_answer_without_a_body_is_not_used_again():
    """httpcore would take what is left for the answer to the next request."""
    head = b"HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n"

    assert by_us([head]) == by_httpcore([head]) == (b"", None, True)
    assert by_us([head + WORDS[0] + END]) == (b"", None, False)
    assert asyncio.run(by_us_in_a_loop([head + WORDS[0] + END])) == (b"", None, False)


def test_plain_chunks_are_given_as_they_are_read():
    connections = Connections(None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_backend", Backend(lambda: Stream(Canned([HEAD, *WORDS, *WORDS, END]))))
        exchange = connections.open(request())
    together = [HEAD + WORDS[0] + WORDS[1], WORDS[0][:5], WORDS[0][5:] + END]

    assert list(exchange) == [b"data: one\n\n", b"data: two\n\n"] * 2
    exchange.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_backend", Backend(lambda: Stream(Canned(together))))
        exchange = Connections(None, None).open(request())
    assert list(exchange) == [b"data: one\n\ndata: two\n\n", b"da", b"ta: one\n\n"]


# ---------------------------------------------------------------------- the decoder by itself


def test_chunks_that_come_together_leave_together_and_parts_at_once():
    decoder = ChunkedDecoder()

    assert decoder.feed(b"3\r\nabc\r\n2\r\nde\r\n4\r\nf") == b"abcdef"
    assert decoder.feed(b"g") == b"g"
    assert decoder.feed(b"hi\r") == b"hi"
    assert decoder.feed(b"\n1") == b""
    assert decoder.feed(b"\r\nj\r\n0\r\n") == b"j"
    assert decoder.left == b"0\r\n"


def test_what_came_before_a_broken_chunk_is_given_first():
    decoder = ChunkedDecoder()

    assert decoder.feed(b"3\r\nabc\r\n2\r\nde!!") == b"abcde"
    assert decoder.problem == "a chunk of the body does not end where it should"
    assert not decoder.goes_on


def test_a_body_in_single_bytes_takes_linear_time():
    decoder = ChunkedDecoder()
    size = 200_000

    decoder.feed(b"%x\r\n" % size)
    assert b"".join(decoder.feed(b"x") for _ in range(size)) == b"x" * size
    assert decoder.feed(b"\r\n") == b""
    assert decoder.left is None
