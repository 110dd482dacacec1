"""One request on its way: sent, waited for and sent again until there is an answer.

What has to happen on the wire is a generator that yields operations and takes their results (`open`); `run` and
`arun` carry them out. `Sending` knows neither what is asked nor of whom. `GatewaySending` asks a Portkey gateway, for
chat and embeddings alike.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_pollinations_portkey._json import dumps_body
from langchain_pollinations_portkey._operations import Operation, Probe, Send, Sleep
from langchain_pollinations_portkey._routes import RoutePlan
from langchain_pollinations_portkey._secrets import HIDDEN, masked_headers, secrets_in_headers
from langchain_pollinations_portkey.catalogue import Catalogue, Provider, retirement_notice
from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyError,
    PortkeyGatewayError,
    PortkeyInvalidResponseError,
    PortkeyModelNotFoundError,
    PortkeyRateLimitError,
    PortkeyUpstreamConnectionError,
    decode_body,
    status_error,
)
from langchain_pollinations_portkey.gateway import plain_build
from langchain_pollinations_portkey.gateway.headers import (
    RequestSettings,
    Target,
    request_headers,
    response_facts,
)
from langchain_pollinations_portkey.gateway.http.messages import (
    PROBE_SECONDS,
    SHORTEST_SECRET,
    Answer,
    HTTPRequest,
    detached,
)
from langchain_pollinations_portkey.gateway.plain_build import Build
from langchain_pollinations_portkey.gateway.routes import falls_back, route_config
from langchain_pollinations_portkey.gateway.settings import GatewaySettings
from langchain_pollinations_portkey.notices import GatewayBuildWarning, Notice, tell

if TYPE_CHECKING:
    import httpx

    from langchain_pollinations_portkey.gateway.http.transport import Transport

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds a call without a time limit waits at most for a provider that asks to; for longer, the user decides."""

_builds: dict[str, Build] = {}
"""What is known of the gateway at each origin; forgotten when its connection is lost, for it may be replaced."""


@dataclass(slots=True, kw_only=True)
class Sending(ABC):
    """One request and what is known about sending it.

    Attributes:
        target: Whom it is for.
        transport: How to reach the server.
        body: The JSON object to send.
        stream: Whether the answer comes over the wire as events.
        timeout: Seconds for all of it until the answer has come, or a stream has begun.
        max_retries: How often the request may be repeated, by a gateway and this client together.
        notices: What the user should know before it is sent.
        facts: What the headers of the answer said about it, once there is one.
        deadline: When the time is up, on the clock of `time.monotonic`.
    """

    repeated: ClassVar[tuple[type[PortkeyError], ...]]
    """Failures after which this client sends the request again."""

    server: ClassVar[str]
    """Who answers, for errors that name no provider."""

    target: Target
    transport: Transport
    body: Mapping[str, Any]
    stream: bool = False
    timeout: float | None = None
    max_retries: int = 3
    notices: tuple[Notice, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict, init=False)
    deadline: float | None = field(default=None, init=False)

    def open(self) -> Generator[Operation, Any, Answer]:
        """Send until there is a successful answer, its body unread if it is a stream.

        Raises:
            PortkeyError: There is none.
        """
        for notice in self.notices:
            tell(notice)
        begun = time.monotonic()
        deadline = self.deadline = None if self.timeout is None else begun + self.timeout
        yield from self.get_ready()
        retries = self.max_retries
        for attempt in itertools.count():
            remaining = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            request = self._request(retries, remaining)
            _log_request(request, self.body, retries)
            try:
                response: Answer = yield Send(request, self.stream)
            except PortkeyError as failure:
                if isinstance(failure, PortkeyConnectionError):
                    self._note_loss()
                logger.debug("%s after %.0f ms", type(failure).__name__, (time.monotonic() - begun) * 1000)
                raise
            facts = self.facts = response_facts(response.headers)
            _log_answer(response, facts, time.monotonic() - begun)
            if response.is_success:
                return response
            retries -= self._used(retries)
            error = self._error(response)
            wait = error.retry_after if error.retry_after is not None else float(2**attempt)
            if retries <= 0 or not self._repeats(error):
                raise error
            if wait > LONGEST_PAUSE or (deadline is not None and time.monotonic() + wait >= deadline):
                raise error
            retries -= 1
            logger.debug("%s asks to wait; the request goes out again in %.1f s", self.target.model.provider.id, wait)
            yield Sleep(wait)
        raise AssertionError  # pragma: no cover - the loop ends by return or raise

    def get_ready(self) -> Generator[Operation, Any, None]:
        """Find out what has to be known before a request goes out; `open` does so first."""
        yield from ()

    def _note_loss(self) -> None:  # noqa: B027  # most servers are not remembered
        """The connection was lost."""

    @abstractmethod
    def _request(self, retries: int, remaining: float | None) -> HTTPRequest:
        """The request, for this many retries and seconds that are left."""

    @abstractmethod
    def _hints(self, response: Answer) -> Mapping[type[PortkeyError], str]:
        """What to tell the user to do next, by the error that an answer is."""

    def _used(self, retries: int) -> int:  # noqa: ARG002  # most servers repeat nothing
        """How many of these retries the server has used up by itself."""
        return 0

    def _repeats(self, error: PortkeyError) -> bool:
        return isinstance(error, self.repeated) and bool(getattr(error, "is_retryable", True))

    def _error(self, response: Answer) -> PortkeyError:
        return status_error(self._clean(response), hints=self._hints(response), server=self.server)

    def _clean(self, response: Answer) -> httpx.Response:
        """The answer without keys in its request, body and headers."""
        return detached(response, response.content, self.secrets)

    @property
    def secrets(self) -> list[str]:
        """What must not be seen in an error, for some providers repeat the key that they refuse."""
        return list(self.target.secrets)

    def hide(self, text: str) -> str:
        """A text without the keys that the request carried."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN) if len(secret) >= SHORTEST_SECRET else text
        return text

    def hide_within(self, value: Any) -> Any:
        """A copy of nested dicts and lists whose texts are without these keys."""
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hide_within(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hide_within(item) for item in value]
        return self.hide(value) if isinstance(value, str) else value

    def without_check(self, value: dict[str, Any]) -> dict[str, Any]:
        """A body or an event without the verdict of a check that we sent along."""
        return value

    def decode(self, content: bytes) -> Any:
        """The JSON value of an answer's body, or its text if it is no JSON."""
        body = decode_body(content)
        return self.without_check(body) if isinstance(body, dict) and "hook_results" in body else body

    def without_answer(
        self, response: Answer, body: Mapping[str, Any] | bytes, error: PortkeyInvalidResponseError
    ) -> PortkeyError:
        """The error for a successful status without an answer.

        Args:
            response: What came.
            body: Its body, decoded if it is a JSON object.
            error: What was found missing in it.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        described = status_error(detached(response, content, self.secrets), server=self.server)
        if isinstance(described, PortkeyInvalidResponseError):
            described.args = (self.hide(str(error)),)
        described.partial = error.partial
        described.error_type = described.error_type or (error.error_type and self.hide(error.error_type))
        return described

    def answering_target(self) -> Target:
        """Which target answered, by what the headers of the answer said."""
        return self.target

    def answering(self) -> Provider | None:
        """The provider that answered, `None` if the catalogue does not know it."""
        return self.target.model.provider


@dataclass(slots=True, kw_only=True)
class GatewaySending(Sending):
    """A request to a Portkey gateway.

    Attributes:
        gateway: Which gateway.
        path: Where on it, behind its base URL: `"chat/completions"`.
        settings: What else to tell it.
        plan: Who else may answer and what each is sent; `None` for `target` alone.
        check: The header of the check without which a plainly installed gateway could not answer this request; `None`
            if it needs none.
        check_sent: Whether the request carried it.
    """

    repeated = (PortkeyRateLimitError,)  # the gateway repeats what else is worth it
    server = "The gateway"

    gateway: GatewaySettings
    path: str
    settings: RequestSettings
    plan: RoutePlan | None = None
    check: str | None = None
    check_sent: bool = field(default=False, init=False)

    def get_ready(self) -> Generator[Operation, Any, None]:
        """Find out whether the gateway is a plainly installed one that could not answer this without our check."""
        if self.check is None or self.gateway.hosted:
            return
        origin = self.gateway.origin
        build = _builds.get(origin)
        if build is None:
            seconds = PROBE_SECONDS
            if self.deadline is not None:
                seconds = min(seconds, max(self.deadline - time.monotonic(), 0.001))
            status = yield Probe(origin, seconds)
            build = plain_build.build_from_probe(status)
            if status is not None or seconds == PROBE_SECONDS:  # a short wait says nothing about the next call
                _builds[origin] = build
        if build is Build.BROKEN:
            text = (
                f"The gateway at {origin} is installed in a way that breaks {plain_build.BROKEN_BY[self.check]} "
                "(@hono/node-server 1.14.2 or later); each is sent with a check that works around it. "
                f"{plain_build.CURE}"
            )
            tell(Notice(GatewayBuildWarning, (origin,), text))
            self.check_sent = True

    def _used(self, retries: int) -> int:
        used: int = self.facts.get("retry_attempt_count", 0)
        return retries if used < 0 else used

    def _note_loss(self) -> None:
        _builds.pop(self.gateway.origin, None)

    def _request(self, retries: int, remaining: float | None) -> HTTPRequest:
        fitting = _retries_that_fit(retries, remaining)
        route = None
        if self.plan is not None:
            route = route_config(self.plan.node, self.plan.overrides, retries=fitting, with_check=self.check_sent)
        headers = request_headers(
            self.target,
            self.gateway,
            self.settings,
            retries=fitting,
            timeout=remaining,
            check=self.check if self.check_sent else None,
            route=route,
        )
        return HTTPRequest(f"{self.gateway.base_url}/{self.path}", headers, encode_body(self.body), remaining)

    def _repeats(self, error: PortkeyError) -> bool:
        falling_back = self.plan is not None and falls_back(self.plan.node)
        # Named: the class that `super()` would mean is not the one that has slots.
        return not falling_back and super(GatewaySending, self)._repeats(error)

    def _error(self, response: Answer) -> PortkeyError:
        if self._fails_for_build(response):
            # The provider has been called and paid, so the request is not sent again; the next one will work.
            _builds[self.gateway.origin] = Build.BROKEN
        return super(GatewaySending, self)._error(response)

    def _fails_for_build(self, response: Answer) -> bool:
        return (
            self.check is not None
            and not self.gateway.hosted
            and not self.check_sent
            and _builds.get(self.gateway.origin) is not Build.GOOD
            and "x-portkey-gateway-exception" in response.headers
        )

    def _clean(self, response: Answer) -> httpx.Response:
        """The answer without keys and without the verdict of our check."""
        content = response.content
        if self.check_sent and b"hook_results" in content:
            body = self.decode(content)
            content = json.dumps(body).encode() if isinstance(body, dict) else content
        return detached(response, content, self.secrets)

    @property
    def secrets(self) -> list[str]:
        """What must not be seen in an error: the keys of all targets and of the gateway, and those in headers."""
        targets = [self.target] if self.plan is None else [leaf.target for leaf in self.plan.leaves.values()]
        keys = [secret for target in targets for secret in target.secrets]
        return [*keys, self.gateway.portkey_api_key or "", *secrets_in_headers(self.settings.headers)]

    def _hints(self, response: Answer) -> Mapping[type[PortkeyError], str]:
        asked = self.answering_target()
        model, credentials = asked.model, asked.credentials
        pair = model.provider.auth == "aws" and credentials.key is None
        names = ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",) if pair else model.provider.key_variables
        variables = " or ".join(names) or "the provider's key"
        where = "PORTKEY_API_KEY, which was forwarded as its key" if credentials.forwarded else variables
        missing = "`Catalogue.default()` lists the names that are known."
        if model.entry is not None:
            missing = retirement_notice(model.entry) or missing
        host = asked.custom_host
        hints: dict[type[PortkeyError], str] = {
            PortkeyAuthenticationError: f"Check {where} (or api_key=...).",
            PortkeyModelNotFoundError: f"The model asked for was {model.model!r}. {missing}",
            PortkeyUpstreamConnectionError: f"The gateway runs but could not reach {host or model.provider.title}.",
        }
        if self.check is not None and self._fails_for_build(response):
            what = plain_build.BROKEN_BY[self.check]
            hints[PortkeyGatewayError] = (
                f"This gateway is installed in a way that breaks {what}, after the provider was called. "
                f"{plain_build.CURE} Until then {what} are sent with a check that works around it."
            )
        return hints

    def without_check(self, value: dict[str, Any]) -> dict[str, Any]:
        """A body or an event without the verdict of our check, if it was sent."""
        return plain_build.without_check(value) if self.check_sent else value

    def answering_path(self) -> str | None:
        """The path of the target of the route that answered, `None` without a route."""
        path = str(self.facts.get("last_used_option_index"))
        return path if self.plan is not None and path in self.plan.leaves else None

    def answering_target(self) -> Target:
        """Which target answered, by what the headers of the answer said."""
        path = self.answering_path()
        return self.target if path is None or self.plan is None else self.plan.leaves[path].target

    def answering(self) -> Provider | None:
        """The provider that answered, `None` if the catalogue does not know it."""
        answered, asked = self.facts.get("provider"), self.answering_target().model.provider
        if answered is None or answered == asked.id:
            return asked
        try:
            return Catalogue.default().provider(answered)
        except PortkeyConfigurationError:
            return None


def _log_request(request: HTTPRequest, body: Mapping[str, Any], retries: int) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        shown = masked_headers(request.headers)
        model, asked = body.get("model"), body.get("messages") or body.get("input") or ()
        what = "messages" if "messages" in body else "inputs"
        count = 1 if isinstance(asked, str) else len(asked)
        logger.debug("POST %s: %s, %d %s, %d retries, headers %s", request.url, model, count, what, retries, shown)


def _log_answer(response: Answer, facts: Mapping[str, Any], seconds: float) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        request_id = response.headers.get("x-request-id") or response.headers.get("request-id") or "-"
        logger.debug(
            "%d after %.0f ms, request id %s, %s", response.status_code, seconds * 1000, request_id, dict(facts)
        )


def _retries_that_fit(retries: int, seconds: float | None) -> int:
    """How many retries fit: the gateway pauses 1, 2, 4, ... seconds before them, which no setting changes."""
    if seconds is None:
        return retries
    while retries > 0 and 2**retries - 1 >= seconds:
        retries -= 1
    return retries


def encode_body(body: Mapping[str, Any]) -> bytes:
    """The body of a request as bytes.

    Raises:
        PortkeyConfigurationError: Something in it has no form in JSON.
    """
    try:
        return dumps_body(body)
    except (TypeError, ValueError, RecursionError) as error:  # half a surrogate pair is a ValueError too
        raise PortkeyConfigurationError(f"The request cannot be written as JSON: {error}") from None


def forget_builds() -> None:
    """Ask each gateway again whether it can stream; for tests."""
    _builds.clear()
