"""Connections to gateways, kept for the next request. A part of the transport.

Strategy: the pool of httpcore, which httpx uses, looks at every connection and every waiting request whenever one
of them begins or ends, so that a call among 500 costs ten times what a single one does. Here each request has one
connection (httpcore's, without a pool) to itself, and a `_Shelf` keeps those at rest, the last used on top:
taking one and putting it back costs the same however many there are. A semaphore counts the places.

Whoever opens an exchange holds a place until the exchange is closed, whatever happens: an error and a cancellation
close the connection and give the place back. A connection whose answer was not read to its end is never kept.
What is done to the bytes on their way is in `network`, and chunked bodies, those of streams, are read by `chunked` as
far as they are plain; the rest of HTTP is httpcore's and h11's.

Connections may wait for `KEEPALIVE_SECONDS`. The longest idle ones lie at the bottom and are closed as others come
back; one that the gateway has closed meanwhile is found out before a request is sent on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Generic, TypeVar

import httpcore
import httpx

from langchain_pollinations_portkey.gateway.http.chunked import ChunkedDecoder
from langchain_pollinations_portkey.gateway.http.network import AsyncBackend, AsyncStream, Backend, Stream

KEEPALIVE_SECONDS = 4.0
"""The gateway closes idle connections after five."""

_backend = Backend()
_async_backend = AsyncBackend()

C = TypeVar("C", httpcore.HTTPConnection, httpcore.AsyncHTTPConnection)

_Key = tuple[bytes, bytes, int]
"""An origin: scheme, host and port."""


class _Shelf(Generic[C]):
    """Which connections there are, and which of them rest; without I/O of its own.

    Args:
        limit: How many there may be, if that is limited.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open: dict[C, _Key] = {}
        self._resting: dict[_Key, deque[tuple[float, C]]] = {}

    def take(self, origin: httpcore.Origin) -> C | None:
        """The connection that was put back last; it may have been closed by the other side meanwhile."""
        with self._lock:
            resting = self._resting.get(_key(origin))
            return resting.pop()[1] if resting else None

    def add(self, origin: httpcore.Origin, connection: C) -> list[C]:
        """Note a new connection, and return those to close because there are too many now."""
        with self._lock:
            self._open[connection] = _key(origin)
            surplus: list[C] = []
            if self._limit is not None:
                while len(self._open) > self._limit and (oldest := self._pop_oldest()) is not None:
                    surplus.append(oldest)
            return surplus

    def put(self, connection: C) -> list[C]:
        """Take a connection back, and return those to close: this one, if it cannot be used again, and old ones."""
        now = time.monotonic()
        with self._lock:
            unwanted: list[C] = []
            if connection in self._open and connection.is_available():
                self._resting.setdefault(self._open[connection], deque()).append((now, connection))
            else:
                self._open.pop(connection, None)
                unwanted.append(connection)
            for resting in self._resting.values():
                while resting and resting[0][0] + KEEPALIVE_SECONDS < now:
                    old = resting.popleft()[1]
                    self._open.pop(old, None)
                    unwanted.append(old)
            return unwanted

    def forget(self, connection: C) -> None:
        """A connection is of no use any more."""
        with self._lock:
            self._open.pop(connection, None)

    def clear(self) -> list[C]:
        """All connections, to be closed; those in use are not kept when they come back."""
        with self._lock:
            every = list(self._open)
            self._open.clear()
            self._resting.clear()
            return every

    def _pop_oldest(self) -> C | None:
        stacks = [stack for stack in self._resting.values() if stack]
        if not stacks:
            return None
        connection = min(stacks, key=lambda stack: stack[0][0]).popleft()[1]
        self._open.pop(connection, None)
        return connection


def _key(origin: httpcore.Origin) -> _Key:
    return (origin.scheme, origin.host, origin.port)  # httpcore's own class cannot be hashed


_READ_FIRST, _READ = 1 << 10, 1 << 16
"""Bytes to read at once: few at first, so that the first event does not wait for those behind it to be taken apart."""


_CHUNKED_HEADER = b"transfer-encoding"


def _is_chunked(answer: httpcore.Response) -> bool:
    """Whether h11 would take the body for chunked."""
    if answer.status in (204, 304) or answer.extensions["http_version"] != b"HTTP/1.1":
        return False
    return any(len(name) == len(_CHUNKED_HEADER) and name.lower() == _CHUNKED_HEADER for name, _ in answer.headers)


def _end(decoder: ChunkedDecoder, stream: Stream | AsyncStream) -> None:
    """Leave the rest of a body to httpcore.

    Raises:
        httpcore.RemoteProtocolError: It is broken.
    """
    if decoder.left is None:
        raise httpcore.RemoteProtocolError(decoder.problem)
    stream.put_back(decoder.left)


class Exchange(httpx.SyncByteStream):
    """A request that was sent and its answer, whose body it gives. To be closed, which gives the connection back."""

    def __init__(
        self, owner: Connections, connection: httpcore.HTTPConnection, answer: httpcore.Response, limits: Any
    ) -> None:
        self._owner = owner
        self._connection: httpcore.HTTPConnection | None = connection
        self._limits = limits
        self.answer = answer
        if isinstance(stream := answer.extensions["network_stream"], Stream):
            stream.limits = limits

    def __iter__(self) -> Iterator[bytes]:
        stream = self.answer.extensions["network_stream"]
        if isinstance(stream, Stream) and stream.body_begins and _is_chunked(self.answer):
            timeout, decoder, size = self._limits.get("read"), ChunkedDecoder(), _READ_FIRST
            while decoder.goes_on:
                if data := decoder.feed(stream.read(size, timeout)):
                    yield data
                size = _READ
            _end(decoder, stream)
        body = self.answer.stream
        assert isinstance(body, Iterable)  # noqa: S101  # for mypy: the other kind is that of asynchronous connections
        yield from body

    def close(self) -> None:
        """Give the connection back, or close it if there is more of the answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                self.answer.close()
            finally:
                self._owner.give_back(connection)


class Connections:
    """Connections for all threads.

    Args:
        ssl_context: For https; plain http needs none.
        limit: How many there may be at once; `None` for no limit.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None, limit: int | None) -> None:
        self._ssl_context = ssl_context
        self._shelf: _Shelf[httpcore.HTTPConnection] = _Shelf(limit)
        self._places = None if limit is None else threading.Semaphore(limit)

    def open(self, request: httpcore.Request) -> Exchange:
        """Send a request and wait for the head of its answer.

        Raises:
            httpcore.PoolTimeout: All connections were in use.
        """
        limits = request.extensions["timeout"]
        if self._places is not None and not self._places.acquire(timeout=limits.get("pool")):
            raise httpcore.PoolTimeout
        connection = None
        try:
            connection = self._connection(request.url.origin)
            return Exchange(self, connection, connection.handle_request(request), limits)
        except BaseException:
            self.give_back(connection)
            raise

    def _connection(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        while (resting := self._shelf.take(origin)) is not None:
            if resting.is_available() and not resting.has_expired():
                return resting
            self._shelf.forget(resting)
            _close([resting])
        connection = httpcore.HTTPConnection(
            origin, ssl_context=self._ssl_context, keepalive_expiry=KEEPALIVE_SECONDS, network_backend=_backend
        )
        _close(self._shelf.add(origin, connection))
        return connection

    def give_back(self, connection: httpcore.HTTPConnection | None) -> None:
        """Keep a connection for the next request if it can serve one, and let the next one have its place."""
        try:
            if connection is not None:
                _close(self._shelf.put(connection))
        finally:
            if self._places is not None:
                self._places.release()

    def close(self) -> None:
        """Close all connections, those in use too."""
        _close(self._shelf.clear())


class AsyncExchange(httpx.AsyncByteStream):
    """An `Exchange` in an event loop."""

    def __init__(
        self, owner: AsyncConnections, connection: httpcore.AsyncHTTPConnection, answer: httpcore.Response, limits: Any
    ) -> None:
        self._owner = owner
        self._connection: httpcore.AsyncHTTPConnection | None = connection
        self._limits = limits
        self.answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self.answer.extensions["network_stream"]
        if isinstance(stream, AsyncStream) and stream.body_begins and _is_chunked(self.answer):
            timeout, decoder, size = self._limits.get("read"), ChunkedDecoder(), _READ_FIRST
            while decoder.goes_on:
                if data := decoder.feed(await stream.read(size, timeout)):
                    yield data
                size = _READ
            _end(decoder, stream)
        body: Any = self.answer.stream
        async for data in body:
            yield data

    async def aclose(self) -> None:
        """Give the connection back, or close it if there is more of the answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await self.answer.aclose()
            finally:
                await self._owner.give_back(connection)


class AsyncConnections:
    """Connections for one event loop.

    Args:
        ssl_context: For https; plain http needs none.
        limit: How many there may be at once; `None` for no limit.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None, limit: int | None) -> None:
        self._ssl_context = ssl_context
        self._shelf: _Shelf[httpcore.AsyncHTTPConnection] = _Shelf(limit)
        self._places = None if limit is None else asyncio.Semaphore(limit)

    async def open(self, request: httpcore.Request) -> AsyncExchange:
        """Send a request and wait for the head of its answer.

        Raises:
            httpcore.PoolTimeout: All connections were in use.
        """
        limits = request.extensions["timeout"]
        await self._take_place(limits)
        connection = None
        try:
            connection = await self._connection(request.url.origin)
            return AsyncExchange(self, connection, await connection.handle_async_request(request), limits)
        except BaseException:
            await self.give_back(connection)
            raise

    async def _take_place(self, limits: Any) -> None:
        if self._places is None:
            return
        if not self._places.locked():
            await self._places.acquire()  # at once
            return
        try:
            async with asyncio.timeout(limits.get("pool")):
                await self._places.acquire()
        except TimeoutError:
            raise httpcore.PoolTimeout from None

    async def _connection(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        while (resting := self._shelf.take(origin)) is not None:
            if resting.is_available() and not resting.has_expired():
                return resting
            self._shelf.forget(resting)
            await _aclose([resting])
        connection = httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._ssl_context, keepalive_expiry=KEEPALIVE_SECONDS, network_backend=_async_backend
        )
        surplus = self._shelf.add(origin, connection)
        try:
            await _aclose(surplus)
        except BaseException:
            self._shelf.forget(connection)
            raise
        return connection

    async def give_back(self, connection: httpcore.AsyncHTTPConnection | None) -> None:
        """Keep a connection for the next request if it can serve one, and let the next one have its place."""
        try:
            if connection is not None:
                await _aclose(self._shelf.put(connection))
        finally:
            if self._places is not None:
                self._places.release()

    async def aclose(self) -> None:
        """Close all connections, those in use too."""
        await _aclose(self._shelf.clear())


def _close(connections: Iterable[httpcore.HTTPConnection]) -> None:
    for connection in connections:
        with contextlib.suppress(Exception):
            connection.close()


async def _aclose(connections: Iterable[httpcore.AsyncHTTPConnection]) -> None:
    """Close all of them, even if cancelled meanwhile."""
    cancelled: BaseException | None = None
    for connection in connections:
        try:
            await connection.aclose()
        except Exception:  # noqa: BLE001, S110  # it is closed; how well does not matter any more
            pass
        except BaseException as error:  # noqa: BLE001
            cancelled = error
    if cancelled is not None:
        raise cancelled
