"""Fetching files that a provider needs as bytes, when the user asked for it with `download_images=True`.

A URL in a conversation may come from anywhere, so whoever writes it must not reach what only this machine can reach:
every address that the host has must be a public one, redirects are followed by hand so that each is checked, and the
size is limited. Nothing of ours goes along: no key, no cookie, no proxy password from a header.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from langchain_pollinations_portkey.errors import PortkeyConfigurationError

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 20 * 1024 * 1024
"""The largest file; providers take less."""

MAX_REDIRECTS = 5
SECONDS = 30.0


def download(urls: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Fetch files.

    Args:
        urls: Where they lie, http or https.

    Returns:
        Media type and bytes in base64, by URL.

    Raises:
        PortkeyConfigurationError: One cannot be fetched, is too large, or lies at a private address.
    """
    import httpx

    with httpx.Client(timeout=SECONDS, follow_redirects=False) as client:
        return {url: _fetch(client, url) for url in urls}


async def adownload(urls: Iterable[str]) -> dict[str, tuple[str, str]]:
    """`download`, in a thread: looking up hosts would hold up the event loop."""
    return await asyncio.to_thread(download, list(urls))


def _fetch(client: httpx.Client, url: str) -> tuple[str, str]:
    import httpx

    place = url
    try:
        for _ in range(MAX_REDIRECTS + 1):
            _refuse_private(place)
            with client.stream("GET", place, headers={"accept": "*/*"}) as response:
                if response.is_redirect:
                    place = urljoin(place, response.headers["location"])
                    continue
                response.raise_for_status()
                mime_type = response.headers.get("content-type", "").partition(";")[0].strip()
                return mime_type, base64.b64encode(_body(response, url)).decode()
    except httpx.HTTPError as error:
        raise PortkeyConfigurationError(f"{_short(url)} cannot be fetched: {type(error).__name__}: {error}") from None
    raise PortkeyConfigurationError(f"{_short(url)} cannot be fetched: more than {MAX_REDIRECTS} redirects.")


def _body(response: httpx.Response, url: str) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > MAX_BYTES:
            raise PortkeyConfigurationError(f"{_short(url)} is larger than {MAX_BYTES // 2**20} MB.")
        pieces.append(piece)
    return b"".join(pieces)


def _refuse_private(url: str) -> None:
    """Refuse a URL whose host has an address that is not a public one.

    Raises:
        PortkeyConfigurationError: It has, or has none at all.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PortkeyConfigurationError(f"{_short(url)} is no http or https URL.")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise PortkeyConfigurationError(f"The host of {_short(url)} is not known: {error}") from None
    if not all(ipaddress.ip_address(address[4][0]).is_global for address in found):
        raise PortkeyConfigurationError(
            f"{_short(url)} lies at a private address and is not fetched; give the bytes as base64."
        )


def _short(url: str, limit: int = 80) -> str:
    return url if len(url) <= limit else url[: limit - 1] + "…"
