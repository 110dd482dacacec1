"""HTTP to the gateway; the only place that knows httpx.

Clients are shared: instances with equal settings use the same connections. A synchronous client serves all
threads. An asynchronous one belongs to the event loop it was made in, because its connections do, so there is
one per loop, dropped with the loop; that keeps one model usable from several `asyncio.run` calls.

The gateway closes idle connections after about five seconds. Connections are therefore given up after four,
so that a request never goes out on one that is just being closed.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from langchain_pollinations_portkey.errors import PortkeyConnectionError, PortkeyError, PortkeyTimeoutError

KEEPALIVE_SECONDS = 4.0
CONNECT_SECONDS = 10.0
PROBE_SECONDS = 2.0
SILENCE_SECONDS = 600.0
"""How long to wait for the next byte when the user set no timeout; twice what the gateway itself waits."""


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """What decides whether two instances can share connections.

    Attributes:
        proxy: URL of a proxy.
        verify: Whether to check TLS certificates.
        trust_env: Whether to read `HTTP_PROXY`, `SSL_CERT_FILE` and the like.
        max_connections: Most connections at once; `None` for no limit.
    """

    proxy: str | None = None
    verify: bool = True
    trust_env: bool = True
    max_connections: int | None = 1000

    def client_arguments(self) -> dict[str, Any]:
        """The arguments of a client with these settings."""
        limits = httpx.Limits(
            max_connections=self.max_connections,
            max_keepalive_connections=self.max_connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        return {
            "proxy": self.proxy,
            "verify": self.verify,
            "trust_env": self.trust_env,
            "limits": limits,
        }


_sync_clients: dict[HTTPSettings, httpx.Client] = {}
_async_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[HTTPSettings, httpx.AsyncClient]] = (
    weakref.WeakKeyDictionary()
)
_lock = threading.Lock()


def _sync_client(settings: HTTPSettings) -> httpx.Client:
    with _lock:
        client = _sync_clients.get(settings)
        if client is None:
            client = _sync_clients[settings] = httpx.Client(**settings.client_arguments())
        return client


def _async_client(settings: HTTPSettings) -> httpx.AsyncClient:
    loop = asyncio.get_running_loop()
    with _lock:
        clients = _async_clients.setdefault(loop, {})
        client = clients.get(settings)
        if client is None:
            client = clients[settings] = httpx.AsyncClient(**settings.client_arguments())
        return client


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A request, ready to be sent.

    Attributes:
        url: The whole URL.
        headers: The headers; keys among them, so they stay out of `repr`.
        content: The body.
        timeout: Seconds until the answer has begun and between any two pieces of it; `None` for the default.
    """

    url: str
    headers: dict[str, str]
    content: bytes
    timeout: float | None = None

    def __repr__(self) -> str:
        return f"HTTPRequest(url={self.url!r}, {len(self.content)} bytes)"

    @property
    def seconds(self) -> float:
        """The time limit that holds."""
        return SILENCE_SECONDS if self.timeout is None else self.timeout

    def limits(self) -> httpx.Timeout:
        """The time limits as httpx wants them."""
        return httpx.Timeout(self.seconds, connect=min(CONNECT_SECONDS, self.seconds))


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
            PortkeyTimeoutError: No answer in time.
        """
        client = self._client or _sync_client(self._settings)
        try:
            # Redirects are not followed, by the user's client neither: they would carry keys to wherever they point.
            response: httpx.Response = client.send(self._build(client, request), stream=True, follow_redirects=False)
            try:
                if not (stream and response.is_success):
                    response.read()
            except BaseException:
                response.close()
                raise
        except Exception as error:  # noqa: BLE001  # each becomes one of ours
            # `from None`: frames of the HTTP client hold headers, and some tracebacks print local variables.
            raise _translated(error, request.url, request.seconds) from None
        return response

    async def asend(self, request: HTTPRequest, *, stream: bool) -> httpx.Response:
        """`send`, asynchronously."""
        client = self._own_async_client or _async_client(self._settings)
        try:
            response: httpx.Response = await client.send(
                self._build(client, request), stream=True, follow_redirects=False
            )
            try:
                if not (stream and response.is_success):
                    await response.aread()
            except BaseException:
                await response.aclose()
                raise
        except Exception as error:  # noqa: BLE001
            raise _translated(error, request.url, request.seconds) from None
        return response

    def iterate(self, response: httpx.Response) -> Iterator[bytes]:
        """The body of a streamed answer as it comes. Close the response when done with it."""
        try:
            yield from response.iter_raw()
        except Exception as error:  # noqa: BLE001
            raise _translated(error, str(response.request.url), _read_limit(response)) from None

    async def aiterate(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """`iterate`, asynchronously."""
        try:
            async for data in response.aiter_raw():
                yield data
        except Exception as error:  # noqa: BLE001
            raise _translated(error, str(response.request.url), _read_limit(response)) from None

    def probe(self, origin: str) -> int | None:
        """The status of `HEAD /`, `None` if no answer came in time.

        Raises:
            PortkeyConnectionError: Nothing listens there.
        """
        client = self._client or _sync_client(self._settings)
        try:
            return int(client.head(f"{origin}/", timeout=PROBE_SECONDS).status_code)
        except httpx.ConnectError:
            raise _unreachable(origin) from None
        except Exception:  # noqa: BLE001  # a probe that fails says nothing, whatever the reason
            return None

    async def aprobe(self, origin: str) -> int | None:
        """`probe`, asynchronously."""
        client = self._own_async_client or _async_client(self._settings)
        try:
            response = await client.head(f"{origin}/", timeout=PROBE_SECONDS)
        except httpx.ConnectError:
            raise _unreachable(origin) from None
        except Exception:  # noqa: BLE001
            return None
        return int(response.status_code)

    @staticmethod
    def _build(client: Any, request: HTTPRequest) -> Any:
        return client.build_request(
            "POST", request.url, headers=request.headers, content=request.content, timeout=request.limits()
        )


_BODY_HEADERS = ("content-length", "transfer-encoding", "content-encoding", "set-cookie")


def detached(response: httpx.Response, content: bytes) -> httpx.Response:
    """A copy of an answer with this body, for an exception to carry: its request has neither headers nor body.

    Both may hold keys, and exceptions are logged, traced and pickled.
    """
    headers = [(k, v) for k, v in response.headers.multi_items() if k.lower() not in _BODY_HEADERS]
    return httpx.Response(
        response.status_code,
        headers=headers,
        content=content,
        request=httpx.Request(response.request.method, response.request.url),
    )


def _read_limit(response: httpx.Response) -> float:
    limits = response.request.extensions.get("timeout") or {}
    return float(limits.get("read") or SILENCE_SECONDS)


def _translated(error: Exception, url: str, seconds: float) -> PortkeyError:
    """Our exception for one of httpx's, recognised by name so that its twin `httpx2` is understood as well."""
    if isinstance(error, PortkeyError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    origin = str(httpx.URL(url).copy_with(raw_path=b"/")).rstrip("/")
    if "ConnectTimeout" in names:
        return PortkeyConnectionError(f"No connection to the gateway at {origin} within {CONNECT_SECONDS:g} s.")
    if "PoolTimeout" in names:
        return PortkeyTimeoutError("All connections to the gateway were busy; raise max_connections.")
    if "TimeoutException" in names:
        return PortkeyTimeoutError(
            f"The gateway at {origin} was silent for {seconds:g} s. Raise timeout=..., or stream the answer."
        )
    if "ConnectError" in names:
        return _unreachable(origin)
    if "TransportError" in names:
        return PortkeyConnectionError(
            f"The connection to the gateway at {origin} broke ({type(error).__name__}). The request may have been "
            "served; it is not sent again by itself."
        )
    return PortkeyConnectionError(f"The request to the gateway at {origin} failed: {type(error).__name__}: {error}")


def _unreachable(origin: str) -> PortkeyConnectionError:
    return PortkeyConnectionError(
        f"Nothing answers at {origin}. Start the gateway with `pollinations-portkey gateway` or "
        "`npx @portkey-ai/gateway`, or set PORTKEY_GATEWAY_URL (or base_url=...) to where it runs."
    )
