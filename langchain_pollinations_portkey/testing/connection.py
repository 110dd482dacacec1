"""HTTP/1.1 over asyncio streams: reads requests, writes answers and breaks them where asked."""

from __future__ import annotations

import asyncio
import http
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from langchain_pollinations_portkey.testing.answer import Answer, Reset, body_steps
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Delivery

_SLICE = 0.25
"""Seconds between two looks at whether the other side has gone, during a wait."""

_GRACE = 0.05
"""Seconds before a reset, so that the other side has read what was sent: a reset may overtake it."""

_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request before anybody has looked at its meaning."""

    method: str
    target: str
    header_items: list[tuple[str, str]]
    body: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets the connection be used again."""
        values = [value.lower() for name, value in self.header_items if name.lower() == "connection"]
        return "close" not in values


Respond = Callable[[RawRequest], Awaitable[tuple[ReceivedRequest, Answer, Delivery]]]


class ClientGoneError(ConnectionError):
    """The other side closed before it had the whole answer."""


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond) -> None:
    """Answers the requests of one connection until it ends.

    Args:
        reader: the connection's incoming side.
        writer: its outgoing side; closed at the end.
        respond: gives the answer and how to deliver it; the received request is told if its client has gone.
    """
    try:
        while (raw := await _read_request(reader)) is not None:
            received, answer, delivery = await respond(raw)
            try:
                keep = await _Response(reader, writer, answer, delivery).write(keep_alive=raw.keep_alive)
            except ConnectionError:
                received.client_gone = True
                break
            if not keep:
                break
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass  # half a request: nobody is left to be told
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> RawRequest | None:
    """Reads one request; None when the connection ends before one starts."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    items = []
    for line in lines:
        name, _, value = line.partition(":")
        items.append((name, value.strip()))
    headers = {name.lower(): value for name, value in items}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return RawRequest(method, target, items, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readline()).partition(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():  # trailers
        pass
    return b"".join(chunks)


class _Response:
    """The writing of one answer."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, delivery: Delivery
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._delivery = delivery

    async def write(self, *, keep_alive: bool) -> bool:
        """Writes the answer with its waits and faults.

        Returns:
            Whether the connection can be used again.

        Raises:
            ConnectionError: the other side has gone.
        """
        await self._wait(self._delivery.delay)
        if self._delivery.drop == "before_headers":
            return await self._reset()
        self._writer.write(self._head(keep_alive=keep_alive))
        if self._delivery.drop == "after_headers":
            return await self._reset()
        chunked = self._answer.chunked
        for step in body_steps(self._answer, self._delivery):
            if isinstance(step, Reset):
                return await self._reset()
            if isinstance(step, float):
                await self._wait(step)
                continue
            self._writer.write(b"%x\r\n%b\r\n" % (len(step), step) if chunked else step)
            await self._writer.drain()
        if chunked:
            self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return keep_alive and self._in_step()

    def _in_step(self) -> bool:
        """Whether both sides agree on where the answer ended; a test may have set headers that say otherwise."""
        headers = self._answer.headers
        length = str(sum(len(piece) for piece in self._answer.pieces if isinstance(piece, bytes)))
        return headers.get("connection") != "close" and headers.get("content-length", length) == length

    def _head(self, *, keep_alive: bool) -> bytes:
        status = self._answer.status
        try:
            reason = http.HTTPStatus(status).phrase
        except ValueError:
            reason = "Unknown"
        headers = dict(self._answer.headers)
        framed = "content-length" in headers or "transfer-encoding" in headers
        if self._answer.chunked:
            headers.setdefault("transfer-encoding", "chunked")
        elif not framed and status not in _BODILESS:
            headers["content-length"] = str(sum(len(p) for p in self._answer.pieces if isinstance(p, bytes)))
        headers.setdefault("connection", "keep-alive" if keep_alive else "close")
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _wait(self, seconds: float) -> None:
        """Sleeps in slices, so that a client that gives up is noticed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, _SLICE))
            if self._reader.at_eof() or self._writer.is_closing():
                raise ClientGoneError

    async def _reset(self) -> bool:
        """Breaks the connection: with a linger time of zero, closing the socket sends RST instead of FIN."""
        await self._writer.drain()
        await asyncio.sleep(_GRACE)
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        return False
