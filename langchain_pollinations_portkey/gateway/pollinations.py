"""A text.pollinations.ai server: where its chat is, and what it is told in headers.

It speaks OpenAI's chat format, knows models by the same short names, and needs no key for some of them. It routes to
the models' providers by itself, often through a Portkey gateway of its own; nothing of that is visible from outside.

Source: github.com/pollinations/pollinations, text.pollinations.ai/server.js @ 00c3e51e (`/openai*`,
`/v1/chat/completions`, errors as `{"error": text, "status": number}`, 402 for models above one's tier).
"""

from __future__ import annotations

from collections.abc import Mapping

from langchain_pollinations_portkey.catalogue.entries import Provider, Quirks
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.headers import COMMON_HEADERS, check_headers
from langchain_pollinations_portkey.gateway.http.messages import Server
from langchain_pollinations_portkey.gateway.settings import split_url

DEFAULT_URL = "http://localhost:16385/openai"
"""Where a server of one's own listens."""

PUBLIC_URL = "https://text.pollinations.ai/openai"

URL_VARIABLE = "POLLINATIONS_BASE_URL"

POLLINATIONS = Provider(
    id="pollinations",
    title="Pollinations",
    auth="none",  # a key is sent where there is one, and not missed where there is none
    hosts=("pollinations.ai", "localhost", "127.0.0.1", "::1"),
    key_variables=("POLLINATIONS_API_KEY",),
    # Messages go on as they are; what becomes of them is up to the model that the server chooses.
    quirks=Quirks(message_names=True, audio=True, cache_control=True),
)
"""The server as a provider: whoever answers behind it is known to the server alone."""


SERVER = Server(
    "Pollinations server",
    f"Start it, or set {URL_VARIABLE} (or base_url=...) to where one runs; the public one is at {PUBLIC_URL}.",
)


def chat_url(url: str) -> str:
    """The URL of a server's chat.

    Args:
        url: The server (`"http://localhost:16385"`), one of its chat URLs, or their common beginning (`.../v1`).

    Raises:
        PortkeyConfigurationError: It is no http(s) URL, or leads to something else than chat.
    """
    parts = split_url(url, "base_url", DEFAULT_URL)
    path = parts.path.rstrip("/")
    if not path:
        path = "/openai"
    elif path.endswith("/v1"):
        path += "/chat/completions"
    elif not path.endswith(("/openai", "/chat/completions")):
        raise PortkeyConfigurationError(
            f"base_url ends in {path!r}. The chat of a Pollinations server is at {DEFAULT_URL!r}, {PUBLIC_URL!r} or "
            "'.../v1/chat/completions'."
        )
    return f"{parts.scheme}://{parts.netloc}{path}"


def pollinations_headers(key: str | None, own: Mapping[str, str]) -> dict[str, str]:
    """The headers of one request.

    Args:
        key: The server's key, if there is one.
        own: The user's own headers; they win over ours.

    Raises:
        PortkeyConfigurationError: A value cannot stand in a header, or one is for a Portkey gateway.
    """
    headers = dict(COMMON_HEADERS)
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    for name, value in own.items():
        if name.lower().startswith("x-portkey-"):
            raise PortkeyConfigurationError(
                f"A Pollinations server does not know the header {name!r}; ChatPortkey talks to a Portkey gateway."
            )
        headers[name.lower()] = value
    check_headers(headers)
    return headers
