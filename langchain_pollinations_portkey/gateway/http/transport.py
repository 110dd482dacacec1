"""HTTP to a server. The parts of the transport are the only places that know httpx and httpcore.

`clients` has what is shared, `connections` carries requests where nothing stands between us and the server, and the
user's own client is used as it is. Whichever it was, an answer is an `Answer` (`http`), and what goes wrong is an
error of ours (`failures`).

The gateway closes idle connections after about five seconds. Connections are therefore given up after four,
so that a request never goes out on one that is just being closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from langchain_pollinations_portkey.gateway.http.clients import (
    Address,
    HTTPSettings,
    address_of,
    async_client,
    close_async,
    close_sync,
    sync_client,
)
from langchain_pollinations_portkey.gateway.http.connections import (
    AsyncConnections,
    AsyncExchange,
    Connections,
    Exchange,
)
from langchain_pollinations_portkey.gateway.http.failures import refusal, translated
from langchain_pollinations_portkey.gateway.http.messages import PROBE_SECONDS, Answer, HTTPRequest, TimeLeft


class Transport:
    """Sends requests with the user's clients, or with shared ones.

    Args:
        settings: For the shared clients.
        client: The user's own synchronous client, used as it is and never closed.
        async_client: The user's own asynchronous client.
    """

    def __init__(
        self,
        settings: HTTPSettings | None = None,
        *,
        client: Any = None,
        async_client: Any = None,
    ) -> None:
        self._settings = settings or HTTPSettings()
        self._client = client
        self._async_client = async_client

    def send(self, request: HTTPRequest, *, stream: bool) -> Answer:
        """Send a request.

        Args:
            request: What to send.
            stream: Whether to leave the body of a successful answer unread, for `iterate`. Otherwise, and for
                an error, it is read.

        Raises:
            PortkeyConnectionError: The gateway cannot be reached, or the connection broke.
            PortkeyTimeoutError: No answer in time. A body that comes in drops is given up then, too;
                with a client of the user's only at the first drop after it, or after a silence as long again.
        """
        limits = request.limits()
        try:
            client = self._client or sync_client(self._settings, address_of(request.url))
            if isinstance(client, Connections):
                response = _ask(client, request, limits, stream=stream)
            else:
                response = _ask_httpx(client, request, limits, stream=stream)
        except Exception as error:  # noqa: BLE001  # each becomes one of ours
            failure = translated(error, request, limits)
        else:
            return response
        # Raised out here, so that the exceptions of the HTTP client, which hold headers, are not in its context.
        raise failure

    async def asend(self, request: HTTPRequest, *, stream: bool) -> Answer:
        """`send`, asynchronously; here the time is kept to the letter."""
        limits = request.limits()
        try:
            async with asyncio.timeout(request.timeout):
                client = self._async_client or await async_client(self._settings, address_of(request.url))
                if isinstance(client, AsyncConnections):
                    response = await _aask(client, request, limits, stream=stream)
                else:
                    response = await _aask_httpx(client, request, limits, stream=stream)
        except Exception as error:  # noqa: BLE001
            failure = translated(error, request, limits)
        else:
            return response
        raise failure

    def iterate(self, answer: Answer) -> Iterator[bytes]:
        """The body of a streamed answer as it comes. Close the answer when done with it."""
        body = answer.body
        # What would cost time is left out where there is nothing to decode, as the request asked for.
        encoded = "content-encoding" in answer.headers
        if not isinstance(body, Exchange):  # an answer of httpx's, or of a client that is built like it
            pieces: Iterable[bytes] = body.iter_bytes() if encoded else body.iter_raw()
        else:
            pieces = _decoding(answer).iter_bytes() if encoded else body
        try:
            yield from pieces
            answer.close()
        except Exception as error:  # noqa: BLE001
            failure = translated(error, answer.request, answer.limits)
        else:
            return
        raise failure

    async def aiterate(self, answer: Answer) -> AsyncGenerator[bytes]:
        """`iterate`, asynchronously."""
        body = answer.body
        encoded = "content-encoding" in answer.headers
        if not isinstance(body, AsyncExchange):
            pieces: AsyncIterable[bytes] = body.aiter_bytes() if encoded else body.aiter_raw()
        else:
            pieces = _decoding(answer).aiter_bytes() if encoded else body
        try:
            async for data in pieces:
                yield data
            await answer.aclose()
        except Exception as error:  # noqa: BLE001
            failure = translated(error, answer.request, answer.limits)
        else:
            return
        raise failure

    def probe(self, origin: str, *, seconds: float = PROBE_SECONDS) -> int | None:
        """The status of `HEAD /`, `None` if no answer came within `seconds`.

        Raises:
            PortkeyConnectionError: Nothing listens there.
        """
        try:
            address = address_of(f"{origin}/")
            client = self._client or sync_client(self._settings, address)
            if isinstance(client, Connections):
                exchange = client.open(_probe(address, seconds))
                exchange.close()
                return exchange.answer.status
            return int(client.head(f"{origin}/", **_probe_arguments(seconds)).status_code)
        except Exception as error:  # noqa: BLE001  # a probe that fails says nothing, whatever the reason
            failure = refusal(error, origin)
        if failure is not None:
            raise failure
        return None

    async def aprobe(self, origin: str, *, seconds: float = PROBE_SECONDS) -> int | None:
        """`probe`, asynchronously."""
        try:
            address = address_of(f"{origin}/")
            client = self._async_client or await async_client(self._settings, address)
            if isinstance(client, AsyncConnections):
                exchange = await client.open(_probe(address, seconds))
                await exchange.aclose()
                return exchange.answer.status
            response = await client.head(f"{origin}/", **_probe_arguments(seconds))
            return int(response.status_code)
        except Exception as error:  # noqa: BLE001
            failure = refusal(error, origin)
        if failure is not None:
            raise failure
        return None

    def close(self) -> None:
        """Close the shared synchronous client of these settings; the next request opens another.

        Requests that are on their way through it fail, those of other models with equal settings too.
        """
        close_sync(self._settings)

    async def aclose(self) -> None:
        """Close the shared clients of these settings: this event loop's and the synchronous one."""
        await close_async(self._settings)
        self.close()


def _ask(client: Connections, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> Answer:
    exchange = client.open(_direct(address_of(request.url), request, limits))
    try:
        answer = _answer(exchange, request, limits)
        if stream and answer.is_success:
            _let_stream_begin(limits)
            return answer
        pieces: Iterable[bytes] = _InTime(exchange, limits.ends) if isinstance(limits, TimeLeft) else exchange
        content = b"".join(pieces)
    except BaseException:
        exchange.close()
        raise
    exchange.close()
    return _read(answer, content)


async def _aask(client: AsyncConnections, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> Answer:
    exchange = await client.open(_direct(address_of(request.url), request, limits))
    try:
        answer = _answer(exchange, request, limits)
        if stream and answer.is_success:
            _let_stream_begin(limits)
            return answer
        content = b"".join([piece async for piece in exchange])
    except BaseException:
        await exchange.aclose()
        raise
    await exchange.aclose()
    return _read(answer, content)


def _answer(exchange: Exchange | AsyncExchange, request: HTTPRequest, limits: dict[str, float]) -> Answer:
    came = exchange.answer
    return Answer(came.status, came.headers, request, body=exchange, limits=limits)


def _read(answer: Answer, content: bytes) -> Answer:
    """An answer whose body has been read, decoded if it was sent in a form that we did not ask for."""
    answer.body = None
    encoded = "content-encoding" in answer.headers
    answer.content = _decoding(answer, content=content).content if encoded else content
    return answer


def _decoding(answer: Answer, **body: Any) -> httpx.Response:
    """Httpx's class for an answer, which knows the forms that a body may be sent in."""
    return httpx.Response(answer.status_code, headers=list(answer.raw), stream=answer.body, **body)


def _direct(address: Address, request: HTTPRequest, limits: dict[str, float]) -> httpcore.Request:
    headers = {b"host": address.host, b"accept": b"*/*", b"connection": b"keep-alive"}
    headers[b"content-length"] = b"%d" % len(request.content)
    for name, value in request.headers.items():
        headers[name.lower().encode("ascii")] = value.encode("latin-1")
    return httpcore.Request(
        b"POST", address.url, headers=list(headers.items()), content=request.content, extensions={"timeout": limits}
    )


def _probe(address: Address, seconds: float) -> httpcore.Request:
    headers = [(b"host", address.host), (b"accept", b"*/*"), (b"connection", b"close")]
    limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    return httpcore.Request(b"HEAD", address.url, headers=headers, extensions={"timeout": limits})


def _ask_httpx(client: Any, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> Answer:
    # Redirects are not followed, by the user's client neither: they would carry keys to wherever they point.
    response: httpx.Response = client.send(_built(client, request, limits), stream=True, follow_redirects=False)
    answer = Answer(response.status_code, response.headers.raw, request, body=response, limits=limits)
    try:
        if stream and answer.is_success:
            _let_stream_begin(limits)
        else:
            if isinstance(limits, TimeLeft) and isinstance(response.stream, httpx.SyncByteStream):
                response.stream = _InTime(response.stream, limits.ends)
            answer.content = response.read()
    except BaseException:
        response.close()
        raise
    return answer


async def _aask_httpx(client: Any, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> Answer:
    response: httpx.Response = await client.send(_built(client, request, limits), stream=True, follow_redirects=False)
    answer = Answer(response.status_code, response.headers.raw, request, body=response, limits=limits)
    try:
        if stream and answer.is_success:
            _let_stream_begin(limits)
        else:
            answer.content = await response.aread()
    except BaseException:
        await response.aclose()
        raise
    return answer


class _InTime(httpx.SyncByteStream):
    """A body that has to be whole by a point in time."""

    def __init__(self, stream: httpx.SyncByteStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            if time.monotonic() > self._ends:
                raise TimeoutError
            yield data

    def close(self) -> None:
        self._stream.close()


def _probe_arguments(seconds: float) -> dict[str, Any]:
    # On a connection of its own: what sends a body with its answer to HEAD would spoil it for the next request.
    return {"headers": {"connection": "close"}, "timeout": seconds, "follow_redirects": False}


def _built(client: Any, request: HTTPRequest, limits: dict[str, float]) -> Any:
    # httpx would take a string with characters beyond ASCII for a mistake.
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers.items()]
    return client.build_request(
        "POST", request.url, headers=headers, content=request.content, extensions={"timeout": limits}
    )


def _let_stream_begin(limits: dict[str, float]) -> None:
    if isinstance(limits, TimeLeft):
        limits.begun = True
