"""What goes over HTTP: a request ready to be sent, and an answer as it came. A part of the transport.

An answer is of a class of ours: one of httpx costs more to make than all that is ever read of it. Whoever is to keep
one, in an exception, gets one of httpx without anything secret in it (`detached`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_pollinations_portkey._secrets import HIDDEN

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 10.0
PROBE_SECONDS = 2.0
SILENCE_SECONDS = 600.0
"""How long to wait for the next byte when the user set no timeout; twice what the gateway itself waits."""


@dataclass(frozen=True, slots=True)
class Server:
    """How errors speak of who was asked.

    Attributes:
        name: What it is.
        cure: What to do when nothing answers.
    """

    name: str
    cure: str


GATEWAY = Server(
    "gateway",
    "Start the gateway with `pollinations-portkey gateway` or `npx @portkey-ai/gateway --headless`, or set "
    "PORTKEY_GATEWAY_URL (or base_url=...) to where it runs.",
)


class TimeLeft(dict[str, float]):
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
        """Seconds that a step may take."""
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
        server: Who is asked.
    """

    url: str
    headers: dict[str, str]
    content: bytes
    timeout: float | None = None
    server: Server = GATEWAY

    def __repr__(self) -> str:
        return f"HTTPRequest(url={self.url!r}, {len(self.content)} bytes)"

    def limits(self) -> dict[str, float]:
        """The time limits, counted from now, by step as httpx wants them."""
        if self.timeout is None:
            return {**dict.fromkeys(("read", "write", "pool"), SILENCE_SECONDS), "connect": CONNECT_SECONDS}
        return TimeLeft(self.timeout)


class Answer:
    """An answer.

    Attributes:
        status_code: The HTTP status.
        raw: The headers as they came.
        content: The body, empty for a stream.
        request: What was asked.
        limits: The time limits that hold for what is still to be read.
        body: What is still to be read, if anything.
    """

    __slots__ = ("_headers", "body", "content", "limits", "raw", "request", "status_code")

    def __init__(
        self,
        status_code: int,
        raw: Iterable[tuple[bytes, bytes]],
        request: HTTPRequest,
        *,
        content: bytes = b"",
        body: Any = None,
        limits: dict[str, float] | None = None,
    ) -> None:
        self.status_code = status_code
        self.raw = raw
        self.request = request
        self.content = content
        self.body = body
        self.limits = limits or {}
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers by their names in lower case; of several with a name, the values with commas between them."""
        if self._headers is None:
            headers: dict[str, str] = {}
            for raw_name, raw_value in self.raw:
                name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
            self._headers = headers
        return self._headers

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status_code < 300  # noqa: PLR2004

    def close(self) -> None:
        """Let go of what has not been read."""
        if self.body is not None:
            self.body.close()

    async def aclose(self) -> None:
        """`close`, asynchronously."""
        if self.body is not None:
            await self.body.aclose()


_BODY_HEADERS = ("content-length", "transfer-encoding", "content-encoding", "set-cookie")

SHORTEST_SECRET = 8
"""Shorter texts would be found by chance."""


def detached(answer: Answer, content: bytes, secrets: Iterable[str] = ()) -> httpx.Response:
    """An answer with this body, for an exception to carry: its request has neither headers nor body.

    Both may hold keys, and exceptions are logged, traced and pickled.

    Args:
        answer: The answer.
        content: What to give as its body.
        secrets: Texts to hide in body and headers: some providers repeat the key that they refuse.
    """
    import httpx  # not with the module: whoever only imports a model does not wait for it

    # As bytes: httpx writes header texts as ASCII, and providers send others.
    headers = [(k, v) for k, v in answer.raw if k.decode("ascii", "replace").lower() not in _BODY_HEADERS]
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            content = content.replace(secret.encode(), HIDDEN.encode())
            headers = [(k, v.replace(secret.encode(), HIDDEN.encode())) for k, v in headers]
    return httpx.Response(
        answer.status_code,
        headers=headers,
        content=content,
        request=httpx.Request("POST", answer.request.url),
    )
