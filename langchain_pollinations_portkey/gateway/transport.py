"""HTTP to the gateway; with `connections`, the only place that knows httpx and httpcore.

Clients are shared: instances with equal settings use the same connections. A synchronous client serves all
threads. An asynchronous one belongs to the event loop it was made in, because its connections do, so there is
one per loop, closed when the loop ends; that keeps one model usable from several `asyncio.run` calls. A forked
process starts without any: two processes on one connection would read each other's answers.

A client is one of two kinds. Where nothing stands between us and the gateway, `connections` carries requests: it
does not slow down with the number of calls at once, as httpx does. Through a proxy it is one of httpx, and so it
is while somebody has replaced parts of httpx to watch it or to answer in its stead (VCR, OpenTelemetry, respx):
they see our calls as ever. The user's own client is used as it is. Whichever it was, the answer is an
`httpx.Response`.

The gateway closes idle connections after about five seconds. Connections are therefore given up after four,
so that a request never goes out on one that is just being closed.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import http.cookiejar
import os
import ssl
import threading
import time
import urllib.request
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from langchain_pollinations_portkey._secrets import HIDDEN
from langchain_pollinations_portkey.errors import PortkeyConnectionError, PortkeyError, PortkeyTimeoutError
from langchain_pollinations_portkey.gateway.connections import (
    KEEPALIVE_SECONDS,
    AsyncConnections,
    AsyncExchange,
    Connections,
    Exchange,
)

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 2.0
SILENCE_SECONDS = 600.0
"""How long to wait for the next byte when the user set no timeout; twice what the gateway itself waits."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """What decides whether two instances can share connections.

    Attributes:
        proxy: URL of a proxy.
        verify: Whether to check TLS certificates, or the path of a file with the authorities to trust.
        trust_env: Whether to read `HTTP_PROXY`, `SSL_CERT_FILE` and the like.
        max_connections: Most connections at once; `None` for no limit.
    """

    proxy: str | None = None
    verify: bool | str = True
    trust_env: bool = True
    max_connections: int | None = 1000

    def client_arguments(self, *, secure: bool) -> dict[str, Any]:
        """The arguments of a client with these settings.

        Args:
            secure: Whether it is for https. A client for plain http needs no authorities, whose file takes
                20 ms and a megabyte to load; it would refuse any TLS connection.
        """
        limits = httpx.Limits(
            max_connections=self.max_connections,
            max_keepalive_connections=self.max_connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        verify: bool | ssl.SSLContext
        if not secure:
            verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        elif isinstance(self.verify, str):
            verify = ssl.create_default_context(cafile=self.verify)
        else:
            verify = self.verify
        # A gateway on this machine is not reached through the proxy that HTTP_PROXY names, nor is that shown any key.
        direct = self.proxy is None and self.trust_env and bool(urllib.request.getproxies())
        return {
            "proxy": self.proxy,
            "verify": verify,
            "trust_env": self.trust_env,
            "limits": limits,
            "mounts": dict.fromkeys(_loopback_patterns()) if direct else None,
            "cookies": _NoCookies(),
        }


class _NoCookies(http.cookiejar.CookieJar):
    """Keeps nothing: a provider's cookies, which the gateway hands on, would go from one user's call to another's."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        pass

    def add_cookie_header(self, request: Any) -> None:
        pass


def _loopback_patterns() -> list[str]:
    return [f"all://[{host}]" if ":" in host else f"all://{host}" for host in _LOOPBACK]


@dataclass(frozen=True, slots=True)
class _Address:
    """A URL, taken apart once.

    Attributes:
        url: The URL as httpcore takes it.
        host: What to put into the header `Host`.
        asked: A request for it as answers have it, without headers and body, which would hold keys.
        secure: Whether it is https.
        loopback: Whether it is on this machine.
        plain: Whether there is nothing about it that httpx alone knows how to treat.
    """

    url: httpcore.URL
    host: bytes
    asked: httpx.Request
    secure: bool
    loopback: bool
    plain: bool


@functools.lru_cache(maxsize=256)
def _address(url: str, method: str = "POST") -> _Address:
    parsed = httpx.URL(url)
    return _Address(
        url=httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path),
        host=parsed.netloc,
        asked=httpx.Request(method, parsed),
        secure=parsed.scheme == "https",
        loopback=parsed.host in _LOOPBACK,
        plain=parsed.scheme in ("http", "https") and bool(parsed.host) and not parsed.userinfo,
    )


def _parts_of_httpx() -> tuple[Any, ...]:
    return (
        httpx.Client,
        httpx.AsyncClient,
        httpx.Client.send,
        httpx.AsyncClient.send,
        httpx.HTTPTransport,
        httpx.AsyncHTTPTransport,
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        httpcore.ConnectionPool.handle_request,
        httpcore.AsyncConnectionPool.handle_async_request,
    )


def _is_its_own(part: Any) -> bool:
    code = getattr(part, "__code__", None)
    return part.__module__.split(".")[0] in ("httpx", "httpcore") and (
        isinstance(part, type) or (code is not None and not hasattr(part, "__wrapped__"))
    )


_parts = _parts_of_httpx()
_replaced_before = not all(map(_is_its_own, _parts))


def _is_watched() -> bool:
    """Whether parts of httpx have been replaced by somebody who expects to see all requests."""
    return _replaced_before or _parts_of_httpx() != _parts


@functools.lru_cache(maxsize=16)
def _ssl_context(verify: bool | str, trust_env: bool, _: tuple[str | None, ...]) -> ssl.SSLContext:
    """The authorities to trust: loading them takes 20 ms and a megabyte, so all connections share them."""
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    return httpx.create_ssl_context(verify=verify, trust_env=trust_env)


_Key = tuple[HTTPSettings, bool, bool, bool]


def _key(settings: HTTPSettings, address: _Address) -> _Key:
    return (settings, address.secure, address.loopback, address.plain and not _is_watched())


def _direct_arguments(key: _Key) -> tuple[ssl.SSLContext | None, int | None] | None:
    """The arguments of a `Connections`; `None` if that would not do and httpx is needed."""
    settings, secure, loopback, plain = key
    direct = loopback or not settings.trust_env or not urllib.request.getproxies()
    if not plain or settings.proxy is not None or not direct:
        return None
    if not secure:
        return None, settings.max_connections
    named = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")) if settings.trust_env else ()
    return _ssl_context(settings.verify, settings.trust_env, named), settings.max_connections


_AsyncAny = AsyncConnections | httpx.AsyncClient
_LoopClients = dict[_Key, tuple[_AsyncAny, AsyncGenerator[None, None]]]

_lock = threading.Lock()
_sync_clients: dict[_Key, Connections | httpx.Client] = {}
_async_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClients] = weakref.WeakKeyDictionary()
_inherited: list[Any] = []
"""Clients of the parent process: kept, because collecting them would warn about sockets that the parent closes."""


def _sync_client(settings: HTTPSettings, address: _Address) -> Connections | httpx.Client:
    key = _key(settings, address)
    client = _sync_clients.get(key)
    if client is None:
        with _lock:
            client = _sync_clients.get(key)
            if client is None:
                direct = _direct_arguments(key)
                client = (
                    httpx.Client(**settings.client_arguments(secure=key[1]))
                    if direct is None
                    else (Connections(*direct))
                )
                _sync_clients[key] = client
    return client


async def _async_client(settings: HTTPSettings, address: _Address) -> _AsyncAny:
    loop = asyncio.get_running_loop()
    key = _key(settings, address)
    clients = _async_clients.get(loop)
    if clients is not None and key in clients:
        return clients[key][0]
    direct = _direct_arguments(key)
    client: _AsyncAny
    if direct is None:
        client = httpx.AsyncClient(**settings.client_arguments(secure=key[1]))
    else:
        client = AsyncConnections(*direct)
    closer = _close_with_loop(client, weakref.ref(loop), key)
    with _lock:
        for other in [other for other in _async_clients if other.is_closed()]:
            del _async_clients[other]  # closed without ending its generators, so nobody told us
        _async_clients.setdefault(loop, {})[key] = (client, closer)
    await anext(closer)
    return client


async def _close_with_loop(
    client: _AsyncAny, loop: weakref.ref[asyncio.AbstractEventLoop], key: _Key
) -> AsyncGenerator[None, None]:
    """Wait for the end of the loop, and close the client then.

    A loop ends the generators that were begun in it (`shutdown_asyncgens`, called by `asyncio.run` and all that
    is built like it). It is the one place where connections can still be closed: afterwards nothing runs there.
    """
    try:
        yield
    finally:
        running = loop()
        if running is not None:
            _async_clients.get(running, {}).pop(key, None)
        await client.aclose()


def _close_all() -> None:
    while _sync_clients:
        with contextlib.suppress(Exception):
            _sync_clients.popitem()[1].close()


def _leave_to_parent() -> None:
    global _lock, _async_clients  # noqa: PLW0603  # this process begins anew
    _lock = threading.Lock()
    _inherited.append((dict(_sync_clients), dict(_async_clients)))
    _sync_clients.clear()
    _async_clients = weakref.WeakKeyDictionary()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


class _TimeLeft(dict[str, float]):
    """Time limits as httpx asks for them, one by one as each step begins: what is left of the time.

    The steps - a free connection, connecting, writing, reading - share the time; with a number for each, they
    could take it several times. Once a stream has begun, the whole time holds for each pause in it.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(dict.fromkeys(("connect", "read", "write", "pool"), seconds))
        self.seconds = seconds
        self.ends = time.monotonic() + seconds
        self.begun = False

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002
        if self.begun:
            return self.seconds
        left = max(self.ends - time.monotonic(), 0.001)
        return min(left, CONNECT_SECONDS) if name == "connect" else left

    def __getitem__(self, name: str) -> float:
        return float(self.get(name))


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request, ready to be sent.

    Attributes:
        url: The whole URL.
        headers: The headers; keys among them, so they stay out of `repr`.
        content: The body.
        timeout: Seconds until the answer is whole, or a stream has begun; then between any two pieces of it.
            `None` for the default, which is for each piece.
    """

    url: str
    headers: dict[str, str]
    content: bytes
    timeout: float | None = None

    def __repr__(self) -> str:
        return f"HTTPRequest(url={self.url!r}, {len(self.content)} bytes)"

    def limits(self) -> dict[str, float]:
        """The time limits, counted from now, by step as httpx wants them."""
        if self.timeout is None:
            return {**dict.fromkeys(("read", "write", "pool"), SILENCE_SECONDS), "connect": CONNECT_SECONDS}
        return _TimeLeft(self.timeout)


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
        self._own_async_client = async_client

    def send(self, request: HTTPRequest, *, stream: bool) -> httpx.Response:
        """Send a request.

        Args:
            request: What to send.
            stream: Whether to leave the body of a successful answer unread, for `iterate`. Otherwise, and for
                an error, it is read.

        Raises:
            PortkeyConnectionError: The gateway cannot be reached, or the connection broke.
            PortkeyTimeoutError: No answer in time. A body that comes in drops is given up at the first drop
                after the time is up.
        """
        limits = request.limits()
        try:
            client = self._client or _sync_client(self._settings, _address(request.url))
            if isinstance(client, Connections):
                response = _ask(client, request, limits, stream=stream)
            else:
                response = _ask_httpx(client, request, limits, stream=stream)
        except Exception as error:  # noqa: BLE001  # each becomes one of ours
            failure = _translated(error, request.url, limits)
        else:
            return response
        # Raised out here, so that the exceptions of the HTTP client, which hold headers, are not in its context.
        raise failure

    async def asend(self, request: HTTPRequest, *, stream: bool) -> httpx.Response:
        """`send`, asynchronously; here the time is kept to the letter."""
        limits = request.limits()
        try:
            async with asyncio.timeout(request.timeout):
                client = self._own_async_client or await _async_client(self._settings, _address(request.url))
                if isinstance(client, AsyncConnections):
                    response = await _aask(client, request, limits, stream=stream)
                else:
                    response = await _aask_httpx(client, request, limits, stream=stream)
        except Exception as error:  # noqa: BLE001
            failure = _translated(error, request.url, limits)
        else:
            return response
        raise failure

    def iterate(self, response: httpx.Response) -> Iterator[bytes]:
        """The body of a streamed answer as it comes. Close the response when done with it."""
        pieces: Iterable[bytes]
        # What would cost time is left out where there is nothing to decode, as the request asked for.
        if "content-encoding" in response.headers:
            pieces = response.iter_bytes()
        elif isinstance(response.stream, Exchange):
            pieces = response.stream
        else:
            pieces = response.iter_raw()
        try:
            yield from pieces
            response.close()
        except Exception as error:  # noqa: BLE001
            failure = _translated(error, str(response.request.url), _limits_of(response))
        else:
            return
        raise failure

    async def aiterate(self, response: httpx.Response) -> AsyncGenerator[bytes]:
        """`iterate`, asynchronously."""
        pieces: AsyncIterable[bytes]
        if "content-encoding" in response.headers:
            pieces = response.aiter_bytes()
        elif isinstance(response.stream, AsyncExchange):
            pieces = response.stream
        else:
            pieces = response.aiter_raw()
        try:
            async for data in pieces:
                yield data
            await response.aclose()
        except Exception as error:  # noqa: BLE001
            failure = _translated(error, str(response.request.url), _limits_of(response))
        else:
            return
        raise failure

    def probe(self, origin: str, *, seconds: float = PROBE_SECONDS) -> int | None:
        """The status of `HEAD /`, `None` if no answer came within `seconds`.

        Raises:
            PortkeyConnectionError: Nothing listens there.
        """
        try:
            address = _address(f"{origin}/", "HEAD")
            client = self._client or _sync_client(self._settings, address)
            if isinstance(client, Connections):
                exchange = client.open(_probe(address, seconds))
                exchange.close()
                return exchange.answer.status
            return int(client.head(f"{origin}/", **_probe_arguments(seconds)).status_code)
        except Exception as error:  # noqa: BLE001  # a probe that fails says nothing, whatever the reason
            failure = _refusal(error, origin)
        if failure is not None:
            raise failure
        return None

    async def aprobe(self, origin: str, *, seconds: float = PROBE_SECONDS) -> int | None:
        """`probe`, asynchronously."""
        try:
            address = _address(f"{origin}/", "HEAD")
            client = self._own_async_client or await _async_client(self._settings, address)
            if isinstance(client, AsyncConnections):
                exchange = await client.open(_probe(address, seconds))
                await exchange.aclose()
                return exchange.answer.status
            response = await client.head(f"{origin}/", **_probe_arguments(seconds))
            return int(response.status_code)
        except Exception as error:  # noqa: BLE001
            failure = _refusal(error, origin)
        if failure is not None:
            raise failure
        return None

    def close(self) -> None:
        """Close the shared synchronous client of these settings; the next request opens another.

        Requests that are on their way through it fail, those of other models with equal settings too.
        """
        for key in [key for key in list(_sync_clients) if key[0] == self._settings]:
            client = _sync_clients.pop(key, None)
            if client is not None:
                client.close()

    async def aclose(self) -> None:
        """Close the shared clients of these settings: this event loop's and the synchronous one."""
        clients = _async_clients.get(asyncio.get_running_loop(), {})
        for _, closer in [held for key, held in clients.items() if key[0] == self._settings]:
            await closer.aclose()
        self.close()


def _ask(client: Connections, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> httpx.Response:
    address = _address(request.url)
    exchange = client.open(_direct(address, request, limits))
    try:
        if stream and exchange.answer.status in _SUCCESS:
            _let_stream_begin(limits)
            return _response(exchange.answer, address, limits, stream=exchange)
        pieces: Iterable[bytes] = _InTime(exchange, limits.ends) if isinstance(limits, _TimeLeft) else exchange
        content = b"".join(pieces)
    except BaseException:
        exchange.close()
        raise
    exchange.close()
    return _response(exchange.answer, address, limits, content=content)


async def _aask(
    client: AsyncConnections, request: HTTPRequest, limits: dict[str, float], *, stream: bool
) -> httpx.Response:
    address = _address(request.url)
    exchange = await client.open(_direct(address, request, limits))
    try:
        if stream and exchange.answer.status in _SUCCESS:
            _let_stream_begin(limits)
            return _response(exchange.answer, address, limits, stream=exchange)
        content = b"".join([piece async for piece in exchange])
    except BaseException:
        await exchange.aclose()
        raise
    await exchange.aclose()
    return _response(exchange.answer, address, limits, content=content)


_SUCCESS = range(200, 300)


def _direct(address: _Address, request: HTTPRequest, limits: dict[str, float]) -> httpcore.Request:
    headers = {b"host": address.host, b"accept": b"*/*", b"connection": b"keep-alive"}
    headers[b"content-length"] = b"%d" % len(request.content)
    for name, value in request.headers.items():
        headers[name.lower().encode("ascii")] = value.encode("latin-1")
    return httpcore.Request(
        b"POST", address.url, headers=list(headers.items()), content=request.content, extensions={"timeout": limits}
    )


def _probe(address: _Address, seconds: float) -> httpcore.Request:
    headers = [(b"host", address.host), (b"accept", b"*/*"), (b"connection", b"close")]
    limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    return httpcore.Request(b"HEAD", address.url, headers=headers, extensions={"timeout": limits})


def _response(answer: httpcore.Response, address: _Address, limits: dict[str, float], **body: Any) -> httpx.Response:
    extensions = {**answer.extensions, "timeout": limits}
    return httpx.Response(answer.status, headers=answer.headers, request=address.asked, extensions=extensions, **body)


def _ask_httpx(client: Any, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> httpx.Response:
    # Redirects are not followed, by the user's client neither: they would carry keys to wherever they point.
    response: httpx.Response = client.send(_built(client, request, limits), stream=True, follow_redirects=False)
    try:
        if stream and response.is_success:
            _let_stream_begin(limits)
        else:
            if isinstance(limits, _TimeLeft) and isinstance(response.stream, httpx.SyncByteStream):
                response.stream = _InTime(response.stream, limits.ends)
            response.read()
    except BaseException:
        response.close()
        raise
    return response


async def _aask_httpx(client: Any, request: HTTPRequest, limits: dict[str, float], *, stream: bool) -> httpx.Response:
    response: httpx.Response = await client.send(_built(client, request, limits), stream=True, follow_redirects=False)
    try:
        if stream and response.is_success:
            _let_stream_begin(limits)
        else:
            await response.aread()
    except BaseException:
        await response.aclose()
        raise
    return response


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
    if isinstance(limits, _TimeLeft):
        limits.begun = True


_BODY_HEADERS = ("content-length", "transfer-encoding", "content-encoding", "set-cookie")

_SHORTEST_SECRET = 8
"""Shorter texts would be found by chance."""


def detached(response: httpx.Response, content: bytes, secrets: Iterable[str] = ()) -> httpx.Response:
    """A copy of an answer with this body, for an exception to carry: its request has neither headers nor body.

    Both may hold keys, and exceptions are logged, traced and pickled.

    Args:
        response: The answer.
        content: What to give as its body.
        secrets: Texts to hide in body and headers: some providers repeat the key that they refuse.
    """
    # As bytes: httpx writes header texts as ASCII, and providers send others.
    headers = [(k, v) for k, v in response.headers.raw if k.decode("ascii", "replace").lower() not in _BODY_HEADERS]
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            content = content.replace(secret.encode(), HIDDEN.encode())
            headers = [(k, v.replace(secret.encode(), HIDDEN.encode())) for k, v in headers]
    return httpx.Response(
        response.status_code,
        headers=headers,
        content=content,
        request=httpx.Request(response.request.method, response.request.url),
    )


def _limits_of(response: httpx.Response) -> dict[str, float]:
    limits = response.extensions.get("timeout") or response.request.extensions.get("timeout")
    return limits if isinstance(limits, dict) else {}


_BROKEN = {"TransportError", "NetworkError", "ProtocolError"}
"""Exceptions of httpx, and those of httpcore, which have no base in common."""


def _names(error: BaseException) -> set[str]:
    """The names of an exception's classes: httpx's are known by name, so that those of its twin `httpx2` are too."""
    return {cls.__name__ for cls in type(error).__mro__}


def _translated(error: Exception, url: str, limits: dict[str, float]) -> PortkeyError:
    """Our exception for one of the HTTP client's. Its text never quotes theirs, which may quote headers."""
    if isinstance(error, PortkeyError):
        return error
    names = _names(error)
    origin = "/".join(url.split("/", 3)[:3])
    seconds = limits.seconds if isinstance(limits, _TimeLeft) else (limits.get("read") or SILENCE_SECONDS)
    translated: PortkeyError
    if "ConnectTimeout" in names:
        waited = min(CONNECT_SECONDS, seconds)
        translated = PortkeyConnectionError(f"No connection to the gateway at {origin} within {waited:g} s.")
        translated.sent = False
    elif "PoolTimeout" in names:
        translated = PortkeyTimeoutError("All connections to the gateway were busy; raise max_connections.")
        translated.sent = False
    elif "TimeoutException" in names or isinstance(error, TimeoutError):
        begun = isinstance(limits, _TimeLeft) and not limits.begun
        what = "did not answer within" if begun else "was silent for"
        translated = PortkeyTimeoutError(
            f"The gateway at {origin} {what} {seconds:g} s. Raise timeout=..., or stream the answer."
        )
    elif "ConnectError" in names:
        translated = _unreachable(error, origin)
    elif names & _BROKEN and not names & {"LocalProtocolError", "UnsupportedProtocol"}:
        translated = PortkeyConnectionError(
            f"The connection to the gateway at {origin} broke ({type(error).__name__}). The request may have been "
            "served; it is not sent again by itself."
        )
    else:
        translated = PortkeyConnectionError(f"The request to the gateway at {origin} failed: {type(error).__name__}.")
        translated.sent = not names & {"LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "UnicodeEncodeError"}
    return translated


def _refusal(error: Exception, origin: str) -> PortkeyError | None:
    """The error to raise if a probe found nothing at all to talk to."""
    return _unreachable(error, origin) if "ConnectError" in _names(error) else None


def _unreachable(error: Exception, origin: str) -> PortkeyConnectionError:
    """Nothing was sent, so that the text of the cause holds nothing of ours and can be quoted."""
    if "SSL" in str(error):
        text = f"{origin} cannot be trusted: {error}. Pass verify='/path/to/authorities.pem' if it is your own."
    else:
        text = (
            f"Nothing answers at {origin} ({error}). Start the gateway with `pollinations-portkey gateway` or "
            "`npx @portkey-ai/gateway`, or set PORTKEY_GATEWAY_URL (or base_url=...) to where it runs."
        )
    translated = PortkeyConnectionError(text)
    translated.sent = False
    return translated
