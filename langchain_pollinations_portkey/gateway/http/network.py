"""The byte streams under httpcore's connections. A part of the transport.

Strategy: two things are done to what passes. The head of a request and its body are written in one go where the body
is short: writing is a call of the system and a packet on the network, the dearest of what we do for a short request.
And the head of a chunked answer is handed to httpcore by itself, so that whoever wants to read the body without
httpcore finds it here whole (`body_begins`), and can put back what httpcore is to go on with.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import httpcore

from langchain_pollinations_portkey.gateway.http.loop_stream import LoopBackend

S = TypeVar("S", httpcore.NetworkStream, httpcore.AsyncNetworkStream)

_JOINED = 1 << 16
"""Up to this size a body is copied behind the head; a longer one is written by itself."""

_END_OF_HEAD = re.compile(rb"\n\r?\n")
"""As h11 looks for it."""


class _Held:
    """What has been written of a request and not been sent: its head, until the next step."""

    def __init__(self) -> None:
        self._head = b""

    def before(self, data: bytes) -> tuple[bytes, ...]:
        """What to send now that `data` is to be written; nothing yet if it is the head."""
        if self._head:
            head, self._head = self._head, b""
            return (head + data,) if len(data) <= _JOINED else (head, data)
        if data.endswith(b"\r\n\r\n"):
            self._head = data
            return ()
        return (data,)

    def rest(self) -> bytes:
        """What has to be sent before anything can be read."""
        head, self._head = self._head, b""
        return head


class _Received:
    """What has been read of an answer and not been handed on: what follows its head, until it is asked for."""

    def __init__(self) -> None:
        self.kept = b""
        self.body_begins = False
        self._head: bytes | None = b""  # as far as it has come; `None` behind it

    def expect_head(self) -> None:
        """A request goes out."""
        self._head = b""
        self.body_begins = False

    def take(self, max_bytes: int) -> bytes:
        """What was kept, or nothing."""
        kept, self.kept = self.kept[:max_bytes], self.kept[max_bytes:]
        self.body_begins = False
        return kept

    def before(self, data: bytes) -> bytes:
        """What to hand on now that `data` has been read."""
        if self._head is None:
            return data
        seen = len(self._head)
        self._head += data
        end = _END_OF_HEAD.search(self._head, max(seen - 2, 0))
        if end is None:
            return data
        head, self._head = self._head[: end.end()], None
        if b"chunked" not in head.lower():
            return data
        self.kept = data[end.end() - seen :]
        self.body_begins = True
        return data[: end.end() - seen]


class _Passing(Generic[S]):
    """What passes one connection, both ways."""

    def __init__(self, inner: S) -> None:
        self._inner: S = inner
        self._held = _Held()
        self._received = _Received()

    @property
    def body_begins(self) -> bool:
        """Whether the head of a chunked answer, and nothing else of it, has been handed on."""
        return self._received.body_begins

    def put_back(self, data: bytes) -> None:
        """Have this read next."""
        self._received.kept = data + self._received.kept

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about the connection."""
        # What is left of an answer makes a connection that waits for the next request as useless as more of it would.
        return bool(info == "is_readable" and self._received.kept) or self._inner.get_extra_info(info)


class Stream(_Passing[httpcore.NetworkStream], httpcore.NetworkStream):
    """A byte stream that joins the head of a request to its body and parts that of an answer from its own."""

    limits: Mapping[str, Any] | None = None
    """The time limits for reading a body. httpcore asks once how long a read may take, so that a body in drops could
    take that long again and again."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes as they come; none at the end."""
        if kept := self._received.take(max_bytes):
            return kept
        if rest := self._held.rest():
            self._inner.write(rest, timeout)
        if self.limits is not None:
            timeout = self.limits.get("read")
        return self._received.before(self._inner.read(max_bytes, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes, a head with what comes next."""
        self.limits = None
        self._received.expect_head()
        for data in self._held.before(buffer):
            self._inner.write(data, timeout)

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on with TLS."""
        return Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))


class Backend(httpcore.SyncBackend):
    """Opens `Stream`s."""

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        """Connect; the arguments are httpcore's."""
        return Stream(super().connect_tcp(*args, **kwargs))


class AsyncStream(_Passing[httpcore.AsyncNetworkStream], httpcore.AsyncNetworkStream):
    """A `Stream` in an event loop."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Bytes as they come; none at the end."""
        if kept := self._received.take(max_bytes):
            return kept
        if rest := self._held.rest():
            await self._inner.write(rest, timeout)
        return self._received.before(await self._inner.read(max_bytes, timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send bytes, a head with what comes next."""
        self._received.expect_head()
        for data in self._held.before(buffer):
            await self._inner.write(data, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Go on with TLS."""
        return AsyncStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))


class AsyncBackend(LoopBackend):
    """Opens `AsyncStream`s."""

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Connect; the arguments are httpcore's."""
        return AsyncStream(await super().connect_tcp(*args, **kwargs))
