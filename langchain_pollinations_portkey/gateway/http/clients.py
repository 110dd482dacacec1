"""The clients that all models share, by what decides whether they can. A part of the transport.

Instances with equal settings use the same connections. A synchronous client serves all threads. An asynchronous one
belongs to the event loop it was made in, because its connections do, so there is one per loop, closed when the loop
ends; that keeps one model usable from several `asyncio.run` calls. A forked process starts without any: two processes
on one connection would read each other's answers.

A client is one of two kinds. Where nothing stands between us and the server, `connections` carries requests: it does
not slow down with the number of calls at once, as httpx does. Through a proxy it is one of httpx, and so it is while
somebody has replaced parts of httpx to watch it or to answer in its stead (VCR, OpenTelemetry, respx): they see our
calls as ever.
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
import urllib.request
import weakref
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from langchain_pollinations_portkey.gateway.http.connections import KEEPALIVE_SECONDS, AsyncConnections, Connections

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
class Address:
    """A URL, taken apart once.

    Attributes:
        url: The URL as httpcore takes it.
        host: What to put into the header `Host`.
        secure: Whether it is https.
        loopback: Whether it is on this machine.
        plain: Whether there is nothing about it that httpx alone knows how to treat.
    """

    url: httpcore.URL
    host: bytes
    secure: bool
    loopback: bool
    plain: bool


@functools.lru_cache(maxsize=256)
def address_of(url: str) -> Address:
    """A URL, taken apart."""
    parsed = httpx.URL(url)
    return Address(
        url=httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path),
        host=parsed.netloc,
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


def _key(settings: HTTPSettings, address: Address) -> _Key:
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


def sync_client(settings: HTTPSettings, address: Address) -> Connections | httpx.Client:
    """The client of all threads for these settings and this address."""
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


async def async_client(settings: HTTPSettings, address: Address) -> _AsyncAny:
    """The client of this event loop for these settings and this address."""
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


def close_sync(settings: HTTPSettings) -> None:
    """Close the clients of all threads with these settings; the next request opens another."""
    for key in [key for key in list(_sync_clients) if key[0] == settings]:
        client = _sync_clients.pop(key, None)
        if client is not None:
            client.close()


async def close_async(settings: HTTPSettings) -> None:
    """Close the clients of this event loop with these settings."""
    clients = _async_clients.get(asyncio.get_running_loop(), {})
    for _, closer in [held for key, held in clients.items() if key[0] == settings]:
        await closer.aclose()


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
