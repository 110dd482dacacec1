"""One call to the gateway: the one body behind `invoke`, `ainvoke`, `stream` and `astream`.

What has to happen on the wire - ask whether the gateway can stream, send, wait, send again - is a generator
that yields operations and takes their results (`_open`). It does no I/O, so it serves both worlds; `_run` and
`_arun` carry the operations out, one without and one with `await`. Reading answers is pure.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_pollinations_portkey.catalogue import Catalogue, Provider, Quirks, retirement_notice
from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyError,
    PortkeyGatewayError,
    PortkeyInvalidResponseError,
    PortkeyModelNotFoundError,
    PortkeyStreamError,
    PortkeyStreamTruncatedError,
    PortkeyUpstreamConnectionError,
    decode_body,
    retry_after,
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
from langchain_pollinations_portkey.gateway.settings import GatewaySettings
from langchain_pollinations_portkey.gateway.transport import HTTPRequest, Transport, detached
from langchain_pollinations_portkey.notices import GatewayBuildWarning, Notice, tell
from langchain_pollinations_portkey.wire.chat.answer import read_answer
from langchain_pollinations_portkey.wire.chat.request import ChatRequest
from langchain_pollinations_portkey.wire.chat.stream import StreamAssembler, chunks_of_result
from langchain_pollinations_portkey.wire.sse import SSEDecoder

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

logger = logging.getLogger(__name__)

_builds: dict[str, Build] = {}
"""What is known of the gateway at each origin; forgotten when its connection is lost, for it may be replaced."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; the result is the answer."""

    request: HTTPRequest
    stream: bool

    def run(self, transport: Transport) -> httpx.Response:
        """Carry it out."""
        return transport.send(self.request, stream=self.stream)

    async def arun(self, transport: Transport) -> httpx.Response:
        """Carry it out asynchronously."""
        return await transport.asend(self.request, stream=self.stream)


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for the root of the gateway; the result is the status, or `None`."""

    origin: str

    def run(self, transport: Transport) -> int | None:
        """Carry it out."""
        return transport.probe(self.origin)

    async def arun(self, transport: Transport) -> int | None:
        """Carry it out asynchronously."""
        return await transport.aprobe(self.origin)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float

    def run(self, _: Transport) -> None:
        """Carry it out."""
        time.sleep(self.seconds)

    async def arun(self, _: Transport) -> None:
        """Carry it out asynchronously."""
        await asyncio.sleep(self.seconds)


Operation = Send | Probe | Sleep


def _run(flow: Generator[Operation, Any, T], transport: Transport) -> T:
    try:
        operation = next(flow)
        while True:
            try:
                result = operation.run(transport)
            except PortkeyError as error:
                operation = flow.throw(error)
            else:
                operation = flow.send(result)
    except StopIteration as stop:
        returned: T = stop.value
        return returned


async def _arun(flow: Generator[Operation, Any, T], transport: Transport) -> T:
    try:
        operation = next(flow)
        while True:
            try:
                result = await operation.arun(transport)
            except PortkeyError as error:
                operation = flow.throw(error)
            else:
                operation = flow.send(result)
    except StopIteration as stop:
        returned: T = stop.value
        return returned


@dataclass(slots=True)
class Call:
    """One call, prepared.

    Attributes:
        chat: The body to send.
        target: Whom to ask.
        gateway: Through which gateway.
        settings: What else to tell it.
        transport: How to reach it.
        stream: Whether the answer comes as events.
        timeout: Seconds for the whole call until the answer has come, or a stream has begun.
        max_retries: How often the request may be repeated, by gateway and client together.
    """

    chat: ChatRequest
    target: Target
    gateway: GatewaySettings
    settings: RequestSettings
    transport: Transport
    stream: bool
    timeout: float | None = None
    max_retries: int = 3
    _check_sent: bool = field(default=False, init=False)

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
        return self._read(_run(self._open(), self.transport))

    async def ainvoke(self) -> ChatResult:
        """`invoke`, asynchronously."""
        return self._read(await _arun(self._open(), self.transport))

    def events(self) -> Iterator[ChatGenerationChunk]:
        """Send the request and hand out the chunks of its answer as they come."""
        response = _run(self._open(), self.transport)
        reader = _StreamReader(self, response)
        try:
            for data in self.transport.iterate(response):
                yield from reader.feed(data)
            yield from reader.finish()
        except PortkeyError as error:
            yield from reader.settle(error)
        finally:
            response.close()

    async def aevents(self) -> AsyncIterator[ChatGenerationChunk]:
        """`events`, asynchronously."""
        response = await _arun(self._open(), self.transport)
        reader = _StreamReader(self, response)
        try:
            async for data in self.transport.aiterate(response):
                for chunk in reader.feed(data):
                    yield chunk
            for chunk in reader.finish():
                yield chunk
        except PortkeyError as error:
            for chunk in reader.settle(error):
                yield chunk
        finally:
            await response.aclose()

    def _open(self) -> Generator[Operation, Any, httpx.Response]:
        """Send until there is a successful answer, its body unread if it is a stream.

        Raises:
            PortkeyError: There is none.
        """
        self._check_sent = yield from self._needs_check()
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        retries = self.max_retries
        for attempt in itertools.count():
            remaining = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            try:
                response: httpx.Response = yield Send(self._request(retries, remaining), self.stream)
            except PortkeyConnectionError:
                _builds.pop(self.gateway.origin, None)
                raise
            if response.is_success:
                return response
            used = response_facts(response.headers).get("retry_attempt_count", 0)
            retries -= retries if used < 0 else used
            wait = self._pause(response, attempt)
            if response.status_code != TOO_MANY_REQUESTS or retries <= 0:
                raise self._error(response)
            if deadline is not None and time.monotonic() + wait >= deadline:
                raise self._error(response)
            retries -= 1
            logger.debug("429 from %s; asking again in %.1f s", self.provider.id, wait)
            yield Sleep(wait)
        raise AssertionError  # pragma: no cover - the loop ends by return or raise

    def _needs_check(self) -> Generator[Operation, Any, bool]:
        """Whether the gateway is a plainly installed one that could not stream this without our check."""
        if not self.stream or self.gateway.hosted or not plain_build.stream_needs_check(self.provider):
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
        )
        url = f"{self.gateway.base_url}/chat/completions"
        return HTTPRequest(url, headers, _encode(self.chat.body), remaining)

    @staticmethod
    def _pause(response: httpx.Response, attempt: int) -> float:
        """Seconds to wait after a 429: what the provider asks for, else 1, 2, 4, ..."""
        asked = retry_after(response.headers)
        return asked if asked is not None else float(2**attempt)

    def _error(self, response: httpx.Response) -> PortkeyError:
        broken_stream = (
            self.stream
            and not self.gateway.hosted
            and not self._check_sent
            and plain_build.stream_needs_check(self.provider)
            and "x-portkey-gateway-exception" in response.headers
        )
        if broken_stream:
            # The provider has been called and paid, so the stream is not sent again; the next one will work.
            _builds[self.gateway.origin] = Build.BROKEN
        return status_error(self._clean(response), hints=self._hints(broken_stream=broken_stream))

    def _clean(self, response: httpx.Response) -> httpx.Response:
        """The answer without keys in its request and without the verdict of our check."""
        content = response.content
        if self._check_sent:
            body = decode_body(content)
            if isinstance(body, Mapping) and "hook_results" in body:
                content = _encode(plain_build.without_check(body))
        return detached(response, content)

    def _hints(self, *, broken_stream: bool) -> dict[type[PortkeyError], str]:
        model, credentials = self.target.model, self.target.credentials
        variables = " or ".join(self.provider.key_variables) or "the provider's key"
        where = "PORTKEY_API_KEY, which was forwarded as its key" if credentials.forwarded else variables
        missing = "`Catalogue.default()` lists the names that are known."
        if model.entry is not None:
            missing = retirement_notice(model.entry) or missing
        host = self.target.custom_host
        hints: dict[type[PortkeyError], str] = {
            PortkeyAuthenticationError: f"Check {where} (or api_key=...).",
            PortkeyModelNotFoundError: f"The model asked for was {model.model!r}. {missing}",
            PortkeyUpstreamConnectionError: f"The gateway runs but could not reach {host or self.provider.title}.",
        }
        if broken_stream:
            hints[PortkeyGatewayError] = (
                "This gateway is installed in a way that breaks streams, after the provider was called. "
                f"{plain_build.CURE} Until then streams are sent with a check that works around it."
            )
        return hints

    def _read(self, response: httpx.Response) -> ChatResult:
        body = decode_body(response.content)
        facts = response_facts(response.headers)
        try:
            return read_answer(
                body,
                requested_model=self.target.model.model,
                quirks=self.answering_quirks(facts),
                facts=facts,
            )
        except PortkeyInvalidResponseError as error:
            raise self._invalid(response, error) from None

    def _invalid(self, response: httpx.Response, error: PortkeyInvalidResponseError) -> PortkeyError:
        described = status_error(self._clean(response))
        described.args = (str(error),)
        return described

    def answering_quirks(self, facts: Mapping[str, Any]) -> Quirks | None:
        """The quirks of the provider that answered, `None` if the catalogue does not know it."""
        answered = facts.get("provider")
        if answered is None or answered == self.provider.id:
            return self.provider.quirks
        try:
            return Catalogue.default().provider(answered).quirks
        except PortkeyConfigurationError:
            return None


class _StreamReader:
    """The body of a stream, piece by piece, as chunks."""

    def __init__(self, call: Call, response: httpx.Response) -> None:
        self._call = call
        self._response = response
        self._facts = response_facts(response.headers)
        self._assembler = StreamAssembler(
            requested_model=call.target.model.model,
            quirks=call.answering_quirks(self._facts),
            facts=self._facts,
        )
        self._decoder = SSEDecoder()
        self._begun = False
        self._whole: list[bytes] | None = None  # the pieces of a body that is one JSON document
        self._given: list[ChatGenerationChunk] = []

    def feed(self, data: bytes) -> Iterator[ChatGenerationChunk]:
        """Take the next bytes of the body."""
        if not self._begun:
            self._begun = bool(data.strip())
            if data.lstrip().startswith(b"{"):
                self._whole = []  # one JSON document, although a stream was asked for
        if self._whole is not None:
            self._whole.append(data)
            return
        for event in self._decoder.feed(data):
            yield from self._event(event)

    def finish(self) -> Iterator[ChatGenerationChunk]:
        """Take the end of the body."""
        if self._whole is not None:
            body = decode_body(b"".join(self._whole))
            model, quirks = self._call.target.model.model, self._call.answering_quirks(self._facts)
            yield from chunks_of_result(read_answer(body, requested_model=model, quirks=quirks, facts=self._facts))
            return
        for event in self._decoder.flush():
            # An event that does not parse here was cut off; the assembler then finds the answer incomplete.
            with contextlib.suppress(PortkeyStreamError):
                yield from self._event(event)
        yield self._assembler.finish()

    def settle(self, error: PortkeyError) -> Iterator[ChatGenerationChunk]:
        """End the stream after an error: with its last chunk if the answer was complete, else with an exception.

        Raises:
            PortkeyError: The error, with what is known about it and the message as far as it had come.
        """
        if isinstance(error, PortkeyConnectionError):
            if self._assembler.complete:
                yield self._assembler.finish()
                return
            error = PortkeyStreamTruncatedError(f"The stream broke off. {error}")
        error.provider = error.provider or self._facts.get("provider")
        error.trace_id = error.trace_id or self._facts.get("trace_id")
        error.status_code = error.status_code or self._response.status_code
        error.request_id = error.request_id or self._response.headers.get("x-request-id")
        if self._given:
            partial: Any = self._given[0].message
            for chunk in self._given[1:]:
                partial += chunk.message
            error.partial = partial
        raise error

    def _event(self, data: bytes) -> Iterator[ChatGenerationChunk]:
        if data == b"[DONE]":
            return  # not the end for sure: some send more, and some never send it
        try:
            event = json.loads(data)
        except ValueError:
            raise PortkeyStreamError(f"The stream holds an event that is no JSON: {data[:200]!r}") from None
        if not isinstance(event, dict):
            return
        if "hook_results" in event:
            event = plain_build.without_check(event) if self._call.sent_check else event
        for chunk in self._assembler.feed(event):
            self._given.append(chunk)
            yield chunk


TOO_MANY_REQUESTS = 429


def _retries_that_fit(retries: int, seconds: float | None) -> int:
    """How many retries fit: the gateway pauses 1, 2, 4, ... seconds before them, which no setting changes."""
    if seconds is None:
        return retries
    while retries > 0 and 2**retries - 1 >= seconds:
        retries -= 1
    return retries


def _encode(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:  # UnicodeEncodeError (half a surrogate pair) is a ValueError
        raise PortkeyConfigurationError(f"The request cannot be written as JSON: {error}") from None


def forget_builds() -> None:
    """Ask each gateway again whether it can stream; for tests."""
    _builds.clear()
