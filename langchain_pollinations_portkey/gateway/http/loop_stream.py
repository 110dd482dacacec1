"""A TCP or TLS connection in an event loop, as httpcore wants it. A part of the transport.

Strategy: httpcore's own has anyio between itself and the loop, which for every read arms a timer, opens a scope to be
cancelled, and turns reading on and off again, each a call of the system. A stream of events is read once per event, and
there that was most of what the event cost. Here the loop hands over what has come, and a reader that waits is woken.

What has come and was not asked for stops the reading until somebody asks: no more than two reads of the loop are held
for a slow reader. One timer serves all reads of a connection: when it fires it looks whether the time of the present
one is up, and is set anew if not.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import select
import ssl
import sys
from collections.abc import Iterable
from typing import Any, cast

import httpcore

_NEXT_ADDRESS_SECONDS = 0.25
"""When to try the next address of a host beside the one that has not answered yet (RFC 8305)."""


class _Protocol(asyncio.Protocol):
    """What the loop tells about one connection, for who reads and writes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._came: list[bytes] = []
        self._paused = False
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = False
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until there is a connection
        self.closed = False

    @property
    def readable(self) -> bool:
        """Whether a read would not wait."""
        return bool(self._came) or self._ended or self.closed

    # ------------------------------------------------------------------ what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # not all loops derive theirs from it

    def data_received(self, data: bytes) -> None:
        self._came.append(data)
        if self._reader is not None:
            _wake(self._reader)
        elif not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def eof_received(self) -> None:
        self._ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error = True, exc
        _wake(self._reader)
        _wake(self._writer)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        _wake(self._writer)

    # ------------------------------------------------------------------ what the stream calls

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:  # noqa: ASYNC109
        while not self._came:
            if self.closed or self._error is not None:
                raise httpcore.ReadError(str(self._error or "closed"))
            if self._ended:
                return b""
            await self._wait(timeout)
        data = self._came[0]
        if len(data) > max_bytes:
            self._came[0] = data[max_bytes:]
            return data[:max_bytes]
        del self._came[0]
        return data

    async def _wait(self, timeout: float | None) -> None:  # noqa: ASYNC109
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        self._reader = self._loop.create_future()
        if timeout is not None:
            self._deadline = self._loop.time() + timeout
            if self._timer is not None and self._timer.when() > self._deadline:
                self._timer.cancel()
                self._timer = None
            if self._timer is None:
                self._timer = self._loop.call_at(self._deadline, self._time_is_up)
        else:
            self._deadline = float("inf")
        try:
            await self._reader
        finally:
            self._reader = None

    def _time_is_up(self) -> None:
        self._timer = None
        if self._reader is None or self._reader.done() or self._deadline == float("inf"):
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._time_is_up)
        else:
            self._reader.set_exception(httpcore.ReadTimeout())

    async def write(self, data: bytes, timeout: float | None) -> None:  # noqa: ASYNC109
        if self._ended or self.closed:
            raise httpcore.WriteError(str(self._error or "closed"))
        self.transport.write(data)
        if not self._full:
            return
        try:
            async with asyncio.timeout(timeout):
                while self._full and not (self._ended or self.closed):
                    self._writer = self._loop.create_future()
                    await self._writer
        except TimeoutError:
            raise httpcore.WriteTimeout from None
        finally:
            self._writer = None
        if self._full:
            raise httpcore.WriteError(str(self._error or "closed"))


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


class LoopStream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Bytes as they come; none at the end."""
        return await self._protocol.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send bytes."""
        if buffer:
            await self._protocol.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection; who reads it gets an error."""
        self._protocol.closed = True
        self._protocol.transport.abort()
        await asyncio.sleep(0)  # the loop closes it in its next round, and this may be its last

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Go on with TLS."""
        protocol = self._protocol
        try:
            async with asyncio.timeout(timeout):
                transport = await asyncio.get_running_loop().start_tls(
                    protocol.transport, protocol, ssl_context, server_hostname=server_hostname
                )
        except BaseException as error:
            protocol.transport.abort()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout from None
            if isinstance(error, OSError):  # an SSLError is one
                raise httpcore.ConnectError(str(error)) from error
            raise
        assert transport is not None  # noqa: S101  # for mypy: it is none only if the connection was closed
        protocol.connection_made(transport)
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about the connection."""
        protocol = self._protocol
        if info == "is_readable":
            return protocol.readable or _is_readable(protocol.transport.get_extra_info("socket"))
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return protocol.transport.get_extra_info(names.get(info, info))


class LoopBackend(httpcore.AsyncNetworkBackend):
    """Opens `LoopStream`s."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect.

        Raises:
            httpcore.ConnectTimeout: Nobody answered in time.
            httpcore.ConnectError: Nobody is there.
        """
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"local_addr": (local_address, 0)} if local_address else {}
        if isinstance(loop, asyncio.BaseEventLoop) and not _answers_at_once(host):
            options["happy_eyeballs_delay"] = _NEXT_ADDRESS_SECONDS  # uvloop's tries one address after the other
        try:
            async with asyncio.timeout(timeout):
                _, protocol = await loop.create_connection(lambda: _Protocol(loop), host, port, **options)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        connected = protocol.transport.get_extra_info("socket")
        for option in socket_options or ():
            connected.setsockopt(*option)
        return LoopStream(protocol)


def _answers_at_once(host: str) -> bool:
    """Whether one address after the other will do, as it is one only or on this machine.

    The race between addresses is not only dearer: cancelled in the moment in which one has won, it leaves a socket to
    the garbage collector.
    """
    if host == "localhost":
        return sys.platform != "win32"  # which takes two seconds to refuse a connection
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_readable(connected: Any) -> bool:
    """Whether something has come that the loop has not seen yet, the end of the connection above all."""
    number = connected.fileno() if connected is not None else -1
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        with contextlib.suppress(OSError, ValueError):
            return bool(select.select([number], [], [], 0)[0])
        return False
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
