"""A local server in OpenAI's shape, far faster than any client: it only looks at the request line and lengths.

The path names the answer: `/json-20/v1/chat/completions`, `/text-500/v1/...`, and with a delay in milliseconds
`/wait-200/json-20/v1/...`. Answers are serialised once. The events of a stream are HTTP chunks of their own, as
Node writes them, handed to the socket together, so that the client and not the server sets the pace. `HEAD /` is
answered 200, which is how a client recognises a good gateway; `GET /-/connections` tells how many connections
were opened so far, and `GET /-/close` closes all others, as a gateway does with those that lie idle.

Run as a program it prints the port that it listens on and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import cache
from typing import ClassVar

from benchmarks.answers import answer

_HEADERS = (
    b"HTTP/1.1 200 OK\r\n"
    b"x-portkey-last-used-option-index: config\r\n"
    b"x-portkey-trace-id: 0e6e1a3c-9d7a-4a5b-8f65-25a0c9a5a6f1\r\n"
    b"x-portkey-retry-attempt-count: 0\r\n"
    b"x-portkey-provider: openai\r\n"
    b"vary: accept-encoding\r\n"
    b"connection: keep-alive\r\n"
)


@cache
def rendered(path: bytes) -> tuple[float, bytes]:
    """Seconds to wait and the bytes of the answer that a path names."""
    first, _, rest = path.decode().lstrip("/").partition("/")
    seconds = 0.0
    if first.startswith("wait-"):
        seconds = int(first.removeprefix("wait-")) / 1000
        first = rest.partition("/")[0]
    named = answer(first)
    if not named.is_stream:
        body = named.json_body()
        return seconds, b"%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
            _HEADERS,
            len(body),
            body,
        )
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in named.events())
    head = b"%scontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" % _HEADERS
    return seconds, head + chunks + b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection; requests on it are answered one after the other."""

    opened = 0
    open_now: ClassVar[set[Connection]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Connection.opened += 1
        Connection.open_now.add(self)
        self.transport = transport
        self._head = b""
        self._path = b""
        self._body_left = -1  # bytes of the body to come; -1 while the head is

    def connection_lost(self, error: Exception | None) -> None:
        del error
        Connection.open_now.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._body_left < 0:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._head = b""
            self._read_head(head)
            data = body
        self._body_left -= len(data)
        if self._body_left <= 0:
            self._body_left = -1
            self._answer()

    def _read_head(self, head: bytes) -> None:
        self._method, self._path, _ = head.split(b" ", 2)
        _, found, length = head.lower().partition(b"\r\ncontent-length:")
        self._body_left = int(length.partition(b"\r\n")[0]) if found else 0

    def _answer(self) -> None:
        if self._method == b"HEAD":
            self._write(_HEADERS + b"content-length: 0\r\n\r\n")
        elif self._path in (b"/-/connections", b"/-/close"):
            if self._path == b"/-/close":
                for other in Connection.open_now - {self}:
                    other.transport.close()
            count = b"%d" % Connection.opened
            self._write(_HEADERS + b"content-length: %d\r\n\r\n%s" % (len(count), count))
        else:
            seconds, data = rendered(self._path)
            if seconds:
                asyncio.get_running_loop().call_later(seconds, self._write, data)
            else:
                self._write(data)

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve())
