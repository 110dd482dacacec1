"""Where the gateway is and whose it is."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from langchain_pollinations_portkey.errors import PortkeyConfigurationError

DEFAULT_BASE_URL = "http://localhost:8787/v1"
"""Where `npx @portkey-ai/gateway` and `pollinations-portkey gateway` listen."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One gateway, as every request to it needs it.

    Attributes:
        base_url: Its base URL, ending in `/v1`.
        hosted: Whether it is Portkey's own service, which holds keys and configurations.
        portkey_api_key: The key for that service.
    """

    base_url: str
    hosted: bool = False
    portkey_api_key: str | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return _origin(self.base_url)


# Programs have one or two gateways and ask each call anew what their URLs mean.
_remembered = functools.lru_cache(maxsize=64)


@_remembered
def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@_remembered
def normalise_base_url(url: str) -> str:
    """The base URL with `/v1` at its end, which users leave out as often as not.

    Raises:
        PortkeyConfigurationError: It is no http(s) URL, or holds a user name, a password or a query.
    """
    parts = split_url(url, "base_url", DEFAULT_BASE_URL)
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/v1') else f'{path}/v1'}"


@_remembered
def normalise_custom_host(url: str) -> str:
    """A custom host as the gateway wants it: it puts the provider's path right behind it.

    Raises:
        PortkeyConfigurationError: It is no http(s) URL, or holds a user name, a password or a query.
    """
    parts = split_url(url, "custom_host", "https://models.example.com/v1")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def split_url(url: str, name: str, example: str) -> SplitResult:
    """A URL that the user gave, in its parts.

    Args:
        url: What was given.
        name: The name of the argument, for errors.
        example: A good value, for errors.

    Raises:
        PortkeyConfigurationError: It is no http(s) URL, or holds a user name, a password or a query.
    """
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, half an IPv6 address
        valid = False
    if not valid or re.search(r"[\s\x00-\x1f\x7f]", url.strip()):
        shown = f", not {url!r}" if "@" not in url else ""  # what stands before an @ may be a password
        raise PortkeyConfigurationError(f"{name} must be an http or https URL such as {example!r}{shown}.")
    if "@" in parts.netloc:
        raise PortkeyConfigurationError(f"{name} must not hold a user name or password; use default_headers.")
    if parts.query or parts.fragment:
        raise PortkeyConfigurationError(
            f"{name} must end with its path: what follows '?' or '#' would end up inside the URL that is called."
        )
    return parts


def base_url_from(environment: Mapping[str, str]) -> str:
    """The base URL that the environment names, else the local gateway's."""
    return (
        environment.get("PORTKEY_GATEWAY_URL", "").strip()
        or environment.get("PORTKEY_BASE_URL", "").strip()
        or DEFAULT_BASE_URL
    )


@_remembered
def is_hosted(base_url: str) -> bool:
    """Whether a base URL is Portkey's own service: `portkey.ai` or a host under it."""
    host = _host(base_url)
    return host == "portkey.ai" or host.endswith(".portkey.ai")


@_remembered
def is_readable_on_the_way(base_url: str) -> bool:
    """Whether keys sent to this URL could be read by others: plain http to anywhere but this machine."""
    if base_url.startswith("https:"):
        return False
    host = _host(base_url)
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return not (address.is_loopback or address.is_unspecified)


def _host(url: str) -> str:
    """The host of a URL in lower case, `""` for none; a dot at the end, which names the same host, is left out."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # half an IPv6 address
        return ""
