"""One call to the gateway: the one body behind `invoke`, `ainvoke`, `stream` and `astream`.

What has to happen on the wire - ask whether the gateway can stream, send, wait, send again - is a generator
that yields operations and takes their results (`_open`); `run` and `arun` carry them out. Reading answers is pure.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_pollinations_portkey._json import dumps_body
from langchain_pollinations_portkey._operations import Operation, Probe, Send, Sleep, arun, run
from langchain_pollinations_portkey._routes import RoutePlan
from langchain_pollinations_portkey._secrets import HIDDEN, masked_headers
from langchain_pollinations_portkey._stream_reader import StreamReader
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
    PortkeyTimeoutError,
    PortkeyUpstreamConnectionError,
    decode_body,
    readable,
    status_error,
)
from langchain_pollinations_portkey.gateway import plain_build
from langchain_pollinations_portkey.gateway.headers import (
    RequestSettings,
    Target,
    request_headers,
    response_facts,
)
from langchain_pollinations_portkey.gateway.plain_build import Build
from langchain_pollinations_portkey.gateway.routes import falls_back, route_config
from langchain_pollinations_portkey.gateway.settings import GatewaySettings
from langchain_pollinations_portkey.gateway.transport import HTTPRequest, Transport, detached
from langchain_pollinations_portkey.notices import GatewayBuildWarning, Notice, tell
from langchain_pollinations_portkey.wire.chat.answer import read_answer
from langchain_pollinations_portkey.wire.chat.emulation import unwrap_answer
from langchain_pollinations_portkey.wire.chat.request import ChatRequest
from langchain_pollinations_portkey.wire.chat.rescue import Fetching, settle_fetching
from langchain_pollinations_portkey.wire.chat.stream import chunks_of_result, result_of_chunks
from langchain_pollinations_portkey.wire.losses import answer_losses, describe

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_builds: dict[str, Build] = {}
"""What is known of the gateway at each origin; forgotten when its connection is lost, for it may be replaced."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A target and what it was sent."""

    target: Target
    chat: ChatRequest


@dataclass(slots=True)
class Call:
    """One call, prepared.

    Attributes:
        chat: The body to send, as it asks for what the caller wants.
        target: Whom to ask.
        gateway: Through which gateway.
        settings: What else to tell it.
        transport: How to reach it.
        stream: Whether the caller wants the answer as events. How it comes over the wire is settled by
            `settle_fetching`.
        timeout: Seconds for the whole call until the answer has come, or a stream has begun.
        max_retries: How often the request may be repeated, by gateway and client together.
        plan: Who else may answer and what each is sent; `None` for `target` alone.
    """

    chat: ChatRequest
    target: Target
    gateway: GatewaySettings
    settings: RequestSettings
    transport: Transport
    stream: bool
    timeout: float | None = None
    max_retries: int = 3
    plan: RoutePlan | None = None
    _fetching: Fetching = field(init=False)
    _check_sent: bool = field(default=False, init=False)
    _deadline: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.plan is None:
            self._fetching = settle_fetching(self.chat.body, self.provider, stream=self.stream)
        else:  # one form for all targets: the one that was asked for
            self._fetching = Fetching(stream=self.stream, body=self.plan.body, notices=self.plan.notices)

    @property
    def sent_check(self) -> bool:
        """Whether the request carried the check for plainly installed gateways."""
        return self._check_sent

    @property
    def provider(self) -> Provider:
        """Whom the request is for."""
        return self.target.model.provider

    def invoke(self) -> ChatResult:
        """Send the request and read its answer."""
        if self._fetching.stream:
            return result_of_chunks(list(self._chunks()))
        return self._read(run(self._open(), self.transport))

    async def ainvoke(self) -> ChatResult:
        """`invoke`, asynchronously."""
        if self._fetching.stream:
            return result_of_chunks([chunk async for chunk in self._achunks()])
        return self._read(await arun(self._open(), self.transport))

    def events(self) -> Iterator[ChatGenerationChunk]:
        """Send the request and hand out the chunks of its answer as they come."""
        if self._fetching.stream:
            yield from self._chunks()
        else:
            yield from chunks_of_result(self._read(run(self._open(), self.transport)))

    async def aevents(self) -> AsyncGenerator[ChatGenerationChunk]:
        """`events`, asynchronously."""
        if self._fetching.stream:
            async with contextlib.aclosing(self._achunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            for chunk in chunks_of_result(self._read(await arun(self._open(), self.transport))):
                yield chunk

    def _chunks(self) -> Iterator[ChatGenerationChunk]:
        """The chunks of an answer that comes as a stream."""
        response = run(self._open(), self.transport)
        reader = StreamReader(self, response)
        try:
            for data in self.transport.iterate(response):
                yield from reader.feed(data)
            yield from reader.finish()
        except PortkeyError as error:
            yield from reader.settle(error)
        finally:
            response.close()

    async def _achunks(self) -> AsyncGenerator[ChatGenerationChunk]:
        """`_chunks`, asynchronously."""
        response = await arun(self._open(), self.transport)
        reader = StreamReader(self, response)
        try:
            async with contextlib.aclosing(self.transport.aiterate(response)) as pieces:
                async for data in pieces:
                    for chunk in reader.feed(data):
                        yield chunk
            for chunk in reader.finish():
                yield chunk
        except PortkeyError as error:
            for chunk in reader.settle(error):
                yield chunk
        finally:
            await response.aclose()

    def check_time(self) -> None:
        """Give up on an answer that has to be whole in time but comes piece by piece.

        Raises:
            PortkeyTimeoutError: The time is up, and the caller did not ask for a stream.
        """
        if not self.stream and self._deadline is not None and time.monotonic() > self._deadline:
            raise PortkeyTimeoutError(f"The answer was not whole after {self.timeout:g} s. Raise timeout=...")

    def _open(self) -> Generator[Operation, Any, httpx.Response]:
        """Send until there is a successful answer, its body unread if it is a stream.

        Raises:
            PortkeyError: There is none.
        """
        for notice in self._fetching.notices:
            tell(notice)
        begun = time.monotonic()
        deadline = self._deadline = None if self.timeout is None else begun + self.timeout
        self._check_sent = yield from self._needs_check()
        retries = self.max_retries
        for attempt in itertools.count():
            remaining = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            request = self._request(retries, remaining)
            _log_request(request, self.chat.body, retries)
            try:
                response: httpx.Response = yield Send(request, self._fetching.stream)
            except PortkeyError as failure:
                if isinstance(failure, PortkeyConnectionError):
                    _builds.pop(self.gateway.origin, None)
                logger.debug("%s after %.0f ms", type(failure).__name__, (time.monotonic() - begun) * 1000)
                raise
            facts = response_facts(response.headers)
            _log_answer(response, facts, time.monotonic() - begun)
            if response.is_success:
                return response
            used = facts.get("retry_attempt_count", 0)
            retries -= retries if used < 0 else used
            error = self._error(response)
            wait = error.retry_after if error.retry_after is not None else float(2**attempt)
            if (
                not (isinstance(error, PortkeyRateLimitError) and error.is_retryable)
                or self._falls_back
                or retries <= 0
            ):
                raise error
            if wait > LONGEST_PAUSE or (deadline is not None and time.monotonic() + wait >= deadline):
                raise error
            retries -= 1
            logger.debug("%s asks to wait; the request goes out again in %.1f s", self.provider.id, wait)
            yield Sleep(wait)
        raise AssertionError  # pragma: no cover - the loop ends by return or raise

    def _needs_check(self) -> Generator[Operation, Any, bool]:
        """Whether the gateway is a plainly installed one that could not stream this without our check."""
        if not self._fetching.stream or self.gateway.hosted or not self._stream_may_need_check:
            return False
        origin = self.gateway.origin
        build = _builds.get(origin)
        if build is None:
            build = plain_build.build_from_probe((yield Probe(origin)))
            _builds[origin] = build
        if build is Build.BROKEN:
            text = (
                f"The gateway at {origin} is installed in a way that breaks streams (@hono/node-server 1.14.2 or "
                f"later); each stream is sent with a check that works around it. {plain_build.CURE}"
            )
            tell(Notice(GatewayBuildWarning, (origin,), text))
        return build is Build.BROKEN

    def _request(self, retries: int, remaining: float | None) -> HTTPRequest:
        headers = request_headers(
            self.target,
            self.gateway,
            self.settings,
            retries=_retries_that_fit(retries, remaining),
            timeout=remaining,
            with_check=self._check_sent,
            route=self._route(retries, remaining),
        )
        url = f"{self.gateway.base_url}/chat/completions"
        return HTTPRequest(url, headers, _encode(self._fetching.body), remaining)

    def _route(self, retries: int, remaining: float | None) -> dict[str, Any] | None:
        if self.plan is None:
            return None
        fitting = _retries_that_fit(retries, remaining)
        return route_config(self.plan.node, self.plan.overrides, retries=fitting, with_check=self._check_sent)

    @property
    def _falls_back(self) -> bool:
        return self.plan is not None and falls_back(self.plan.node)

    @property
    def _stream_may_need_check(self) -> bool:
        if self.plan is None:
            return plain_build.stream_needs_check(self.provider)
        return any(plain_build.stream_needs_check(leaf.target.model.provider) for leaf in self.plan.leaves.values())

    def _error(self, response: httpx.Response) -> PortkeyError:
        broken_stream = (
            self._fetching.stream
            and not self.gateway.hosted
            and not self._check_sent
            and _builds.get(self.gateway.origin) is not Build.GOOD
            and self._stream_may_need_check
            and "x-portkey-gateway-exception" in response.headers
        )
        if broken_stream:
            # The provider has been called and paid, so the stream is not sent again; the next one will work.
            _builds[self.gateway.origin] = Build.BROKEN
        asked = self.asked(response_facts(response.headers)).target
        return status_error(self._clean(response), hints=self._hints(asked, broken_stream=broken_stream))

    def _clean(self, response: httpx.Response) -> httpx.Response:
        """The answer without keys in its request and without the verdict of our check."""
        content = response.content
        if self._check_sent:
            body = decode_body(content)
            if isinstance(body, Mapping) and "hook_results" in body:
                content = json.dumps(plain_build.without_check(body)).encode()
        return detached(response, content, self._secrets)

    @property
    def _secrets(self) -> list[str]:
        """What must not be seen in an error, for some providers repeat the key that they refuse."""
        targets = [self.target] if self.plan is None else [leaf.target for leaf in self.plan.leaves.values()]
        return [secret for target in targets for secret in target.secrets]

    def _hints(self, asked: Target, *, broken_stream: bool) -> dict[type[PortkeyError], str]:
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
        if broken_stream:
            hints[PortkeyGatewayError] = (
                "This gateway is installed in a way that breaks streams, after the provider was called. "
                f"{plain_build.CURE} Until then streams are sent with a check that works around it."
            )
        return hints

    def _read(self, response: httpx.Response) -> ChatResult:
        result = self.read_body(response, response.content)
        self.tell_losses([generation.message for generation in result.generations], response_facts(response.headers))
        return result

    def hide(self, text: str) -> str:
        """A text without the keys that the request carried, for some providers repeat them."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN) if secret else text
        return text

    def read_body(self, response: httpx.Response, content: bytes) -> ChatResult:
        """Read a JSON answer.

        Args:
            response: Where it comes from.
            content: Its body.

        Raises:
            PortkeyInvalidResponseError: It holds no answer.
        """
        body = decode_body(content)
        if self._check_sent and isinstance(body, Mapping) and "hook_results" in body:
            body = plain_build.without_check(body)
        facts = response_facts(response.headers)
        provider = self.answering(facts)
        quirks = provider.quirks if provider is not None else None
        try:
            asked = self.asked(facts)
            body = unwrap_answer(body, asked.chat.emulated_tool)
            with readable(PortkeyInvalidResponseError):
                return read_answer(body, requested_model=asked.target.model.model, quirks=quirks, facts=facts)
        except PortkeyInvalidResponseError as error:
            failure = self._without_answer(response, body if isinstance(body, Mapping) else content, error)
        # Not within the clause: the error would keep the first one, which may repeat a key, as its context.
        raise failure

    def _without_answer(
        self, response: httpx.Response, body: Mapping[str, Any] | bytes, error: PortkeyInvalidResponseError
    ) -> PortkeyError:
        """The error for a successful status without an answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        described = status_error(detached(response, content, self._secrets))
        if isinstance(described, PortkeyInvalidResponseError):
            described.args = (self.hide(str(error)),)
        described.partial = error.partial
        described.error_type = described.error_type or (error.error_type and self.hide(error.error_type))
        return described

    def tell_losses(self, messages: Sequence[BaseMessage], facts: Mapping[str, Any]) -> None:
        """Warn of what the gateway lost of an answer, once per provider and loss.

        Args:
            messages: The answer, or the chunks that make it up.
            facts: What the response headers said about it.
        """
        provider = self.answering(facts)
        if provider is None or not provider.quirks.losses:
            return
        answer = describe(message for message in messages if isinstance(message, AIMessage))
        for notice in answer_losses(self._fetching.body, answer, provider, streamed=self._fetching.stream):
            tell(notice)

    def asked(self, facts: Mapping[str, Any]) -> Asked:
        """Which target answered and what it was sent, by what the response headers said."""
        path = str(facts.get("last_used_option_index"))
        if self.plan is None or path not in self.plan.leaves:
            return Asked(self.target, self.chat)
        return Asked(self.plan.leaves[path].target, self.plan.requests[path])

    def answering(self, facts: Mapping[str, Any]) -> Provider | None:
        """The provider that answered, `None` if the catalogue does not know it."""
        answered, asked = facts.get("provider"), self.asked(facts).target.model.provider
        if answered is None or answered == asked.id:
            return asked
        try:
            return Catalogue.default().provider(answered)
        except PortkeyConfigurationError:
            return None


LONGEST_PAUSE = 60.0
"""Seconds a call without a time limit waits at most for a provider that asks to; for longer, the user decides."""


def _log_request(request: HTTPRequest, body: Mapping[str, Any], retries: int) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        shown = masked_headers(request.headers)
        model, messages = body.get("model"), len(body.get("messages") or ())
        logger.debug("POST %s: %s, %d messages, %d retries, headers %s", request.url, model, messages, retries, shown)


def _log_answer(response: httpx.Response, facts: Mapping[str, Any], seconds: float) -> None:
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


def _encode(body: Mapping[str, Any]) -> bytes:
    try:
        return dumps_body(body)
    except (TypeError, ValueError, RecursionError) as error:  # half a surrogate pair is a ValueError too
        raise PortkeyConfigurationError(f"The request cannot be written as JSON: {error}") from None


def forget_builds() -> None:
    """Ask each gateway again whether it can stream; for tests."""
    _builds.clear()
