"""Where the gateway is and whose it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

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
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


def normalise_base_url(url: str) -> str:
    """The base URL with `/v1` at its end, which users leave out as often as not.

    Raises:
        PortkeyConfigurationError: It is no http(s) URL, or holds a user name or password.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PortkeyConfigurationError(
            f"base_url must be an http or https URL such as {DEFAULT_BASE_URL!r}, not {url!r}."
        )
    if parts.username or parts.password:
        raise PortkeyConfigurationError("base_url must not hold a user name or password; use default_headers.")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/v1') else f'{path}/v1'}"


def base_url_from(environment: Mapping[str, str]) -> str:
    """The base URL that the environment names, else the local gateway's."""
    return (
        environment.get("PORTKEY_GATEWAY_URL", "").strip()
        or environment.get("PORTKEY_BASE_URL", "").strip()
        or DEFAULT_BASE_URL
    )


def is_hosted(base_url: str) -> bool:
    """Whether a base URL is Portkey's own service: `portkey.ai` or a host under it."""
    host = urlsplit(base_url).hostname or ""
    return host == "portkey.ai" or host.endswith(".portkey.ai")


def is_readable_on_the_way(base_url: str) -> bool:
    """Whether keys sent to this URL could be read by others: plain http to anywhere but this machine."""
    parts = urlsplit(base_url)
    if parts.scheme == "https":
        return False
    host = parts.hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
