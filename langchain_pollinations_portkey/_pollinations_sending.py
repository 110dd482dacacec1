"""A request to a text.pollinations.ai server, which repeats nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from langchain_pollinations_portkey._secrets import secrets_in_headers
from langchain_pollinations_portkey._sending import Sending, encode_body
from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyBadRequestError,
    PortkeyError,
    PortkeyModelNotFoundError,
    PortkeyRateLimitError,
    PortkeyServerError,
)
from langchain_pollinations_portkey.gateway.http.messages import Answer, HTTPRequest
from langchain_pollinations_portkey.gateway.pollinations import POLLINATIONS, SERVER, pollinations_headers

PAYMENT_REQUIRED = 402


@dataclass(slots=True, kw_only=True)
class PollinationsSending(Sending):
    """A request to a Pollinations server.

    Attributes:
        url: The URL of its chat.
        headers: The user's own headers.
    """

    repeated = (PortkeyRateLimitError, PortkeyServerError)
    server = POLLINATIONS.title

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def _request(self, retries: int, remaining: float | None) -> HTTPRequest:
        del retries
        headers = pollinations_headers(self.target.credentials.key, self.headers)
        return HTTPRequest(self.url, headers, encode_body(self.body), remaining, SERVER)

    @property
    def secrets(self) -> list[str]:
        """What must not be seen in an error: the key, and what secret headers hold."""
        return [*self.target.secrets, *secrets_in_headers(self.headers)]

    def _hints(self, response: Answer) -> Mapping[type[PortkeyError], str]:
        key = "Check POLLINATIONS_API_KEY (or api_key=...)."
        models = f"The model asked for was {self.target.model.model!r}; GET {self._origin}/models lists them."
        hints: dict[type[PortkeyError], str] = {PortkeyAuthenticationError: key, PortkeyModelNotFoundError: models}
        if response.status_code == PAYMENT_REQUIRED:
            hints[PortkeyBadRequestError] = (
                "This model is for accounts of a higher tier: set POLLINATIONS_API_KEY (or api_key=...), or choose "
                f"another; GET {self._origin}/models lists them."
            )
        return hints

    @property
    def _origin(self) -> str:
        return "/".join(self.url.split("/", 3)[:3])
