"""The body of a streamed answer, as bytes come in, as LangChain chunks; without I/O of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGenerationChunk

from langchain_pollinations_portkey._json import loads
from langchain_pollinations_portkey.errors import (
    PortkeyConnectionError,
    PortkeyError,
    PortkeyStreamError,
    PortkeyStreamTruncatedError,
    readable,
)
from langchain_pollinations_portkey.gateway.http.messages import Answer, detached
from langchain_pollinations_portkey.wire.chat.emulation import StreamUnwrapper
from langchain_pollinations_portkey.wire.chat.repeats import Frame
from langchain_pollinations_portkey.wire.chat.stream import StreamAssembler, chunks_of_result
from langchain_pollinations_portkey.wire.losses import reasons_for_break
from langchain_pollinations_portkey.wire.sse import SSEDecoder

if TYPE_CHECKING:
    from langchain_pollinations_portkey._call import Call


class _UnreadableEventError(PortkeyStreamError):
    """An event of a stream is no JSON."""


class StreamReader:
    """Reads one stream: feed it the body piece by piece, then finish it, or settle it after an error.

    Args:
        call: The call whose answer it is.
        response: The answer, of which only the headers are read.
    """

    def __init__(self, call: Call, response: Answer) -> None:
        sending = call.sending
        self._call = call
        self._sending = sending
        self._response = response
        self._facts = sending.facts
        self._provider = sending.answering()
        self._assembler = StreamAssembler(
            requested_model=sending.answering_target().model.model,
            quirks=self._provider.quirks if self._provider is not None else None,
            facts=self._facts,
        )
        tool = call.answered_chat().emulated_tool
        self._unwrapper = None if tool is None else StreamUnwrapper(tool)
        self._decoder = SSEDecoder()
        self._frame = Frame()
        self._last: tuple[bytes, dict[str, Any]] | None = None  # an event that the next one may repeat
        self._begun = False
        self._whole: list[bytes] | None = None  # the pieces of a body that is one JSON document
        self._given: list[AIMessageChunk] = []  # as they were given; LangChain changes what its chunks hold

    def feed(self, data: bytes) -> Iterable[ChatGenerationChunk]:
        """Take the next bytes of the body.

        Nearly always they are one whole event, whose chunks come back as a list. What comes in several events is
        given out event by event, so that an error in one does not take the chunks of those before it along.
        """
        self._call.check_time()
        if not self._begun:
            self._begun = bool(data.strip())
            if data.lstrip().startswith(b"{"):
                self._whole = []  # one JSON document, although a stream was asked for
        if self._whole is not None:
            self._whole.append(data)
            return ()
        events = self._decoder.feed(data)
        if len(events) == 1:
            return self._event(events[0])
        return self._events(events)

    def _events(self, events: Iterable[bytes]) -> Iterator[ChatGenerationChunk]:
        fit, note = self._frame.fit, self._given.append
        for data in events:
            chunk = fit(data)
            if chunk is None:
                yield from self._read_event(data)
            else:
                note(chunk.message)  # type: ignore[arg-type]
                yield chunk

    def finish(self) -> Iterator[ChatGenerationChunk]:
        """Take the end of the body."""
        if self._whole is not None:
            yield from chunks_of_result(self._call.read_body(self._response, b"".join(self._whole)))
            return
        for event in self._decoder.flush():
            # An event that does not parse here was cut off; the assembler then finds the answer incomplete.
            with contextlib.suppress(_UnreadableEventError):
                yield from self._event(event)
        if self._unwrapper is not None:
            for kept in self._unwrapper.flush():
                yield from self._assemble(kept)
        yield from self._end()

    def settle(self, error: PortkeyError) -> Iterator[ChatGenerationChunk]:
        """End the stream after an error: with its last chunk if the answer was complete, else with an exception.

        Raises:
            PortkeyError: The error, with what is known about it and the message as far as it had come.
        """
        if isinstance(error, PortkeyConnectionError):
            if self._assembler.complete:
                yield from self._end()
                return
            error = PortkeyStreamTruncatedError(f"The stream broke off. {error}")
        if isinstance(error, PortkeyStreamTruncatedError) and self._provider is not None:
            reasons = reasons_for_break(self._provider, empty=not self._given)
            error.args = (f"{error} {reasons}",) if reasons else error.args
        headers = self._response.headers
        error.response = error.response or detached(self._response, b"")
        error.provider = error.provider or self._facts.get("provider")
        error.trace_id = error.trace_id or self._facts.get("trace_id")
        error.status_code = error.status_code or self._response.status_code
        error.request_id = error.request_id or headers.get("x-request-id") or headers.get("request-id")
        if self._given:
            error.partial = add_ai_message_chunks(*self._given)
        error.args = tuple(self._sending.hide(str(argument)) for argument in error.args)
        for name in ("error_type", "error_code"):
            if isinstance(getattr(error, name), str):
                setattr(error, name, self._sending.hide(getattr(error, name)))
        error.body = self._sending.hide_within(error.body)
        raise error

    def _end(self) -> list[ChatGenerationChunk]:
        last = self._noted(self._assembler.finish())
        self._call.tell_losses(self._given)
        return last

    def _event(self, data: bytes) -> Iterable[ChatGenerationChunk]:
        chunk = self._frame.fit(data)
        return self._read_event(data) if chunk is None else self._noted([chunk])

    def _read_event(self, data: bytes) -> Iterable[ChatGenerationChunk]:
        """Take an event that is not like the last one."""
        last, self._last = self._last, None
        if last is not None and (repeat := self._assembler.repeat_of(last[1])) is not None:
            chunk = self._frame.fit(data) if self._frame.make(*last, repeat, data) else None
            if chunk is not None:
                return self._noted([chunk])
        to_be_framed = self._frame.forget()
        if data == b"[DONE]":
            return []  # not the end for sure: some send more, and some never send it
        try:
            event = loads(data)
        except (ValueError, RecursionError):
            raise _UnreadableEventError(f"The stream holds an event that is no JSON: {data[:200]!r}") from None
        if not isinstance(event, dict):
            return []
        if "hook_results" in event:
            event = self._sending.without_check(event)
            to_be_framed = False
        if self._unwrapper is not None:
            return self._unwrap(self._unwrapper, event)
        chunks = self._assemble(event)
        if to_be_framed and chunks:
            self._last = data, event
        return chunks

    def _unwrap(self, unwrapper: StreamUnwrapper, event: Mapping[str, Any]) -> Iterator[ChatGenerationChunk]:
        for changed in unwrapper.feed(event):
            yield from self._assemble(changed)

    def _assemble(self, event: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        try:
            return self._noted(self._assembler.feed(event))
        except (AttributeError, KeyError, TypeError, ValueError):
            with readable(PortkeyStreamError):  # entered for an error only: there are many events
                raise

    def _noted(self, chunks: list[ChatGenerationChunk]) -> list[ChatGenerationChunk]:
        for chunk in chunks:
            self._given.append(chunk.message)  # type: ignore[arg-type]  # the assembler makes no other
        return chunks
