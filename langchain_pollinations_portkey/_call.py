"""One call for a chat answer: the one body behind `invoke`, `ainvoke`, `stream` and `astream`.

How the request gets there is the business of its `Sending`; reading answers is pure.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_pollinations_portkey._operations import arun, run
from langchain_pollinations_portkey._sending import GatewaySending, Sending
from langchain_pollinations_portkey._stream_reader import StreamReader
from langchain_pollinations_portkey.errors import (
    PortkeyError,
    PortkeyInvalidResponseError,
    PortkeyTimeoutError,
    readable,
)
from langchain_pollinations_portkey.gateway.http.messages import Answer
from langchain_pollinations_portkey.notices import tell
from langchain_pollinations_portkey.wire.chat.answer import read_answer
from langchain_pollinations_portkey.wire.chat.emulation import unwrap_answer
from langchain_pollinations_portkey.wire.chat.request import ChatRequest
from langchain_pollinations_portkey.wire.chat.stream import chunks_of_result, result_of_chunks
from langchain_pollinations_portkey.wire.losses import answer_losses, describe


@dataclass(slots=True)
class Call:
    """One call, prepared.

    Attributes:
        chat: The request as the caller means it.
        sending: The request on its way; whether its answer comes as events is settled by `settle_fetching`.
        stream: Whether the caller wants the answer as events.
    """

    chat: ChatRequest
    sending: Sending
    stream: bool

    def invoke(self) -> ChatResult:
        """Send the request and read its answer."""
        if self.sending.stream:
            return result_of_chunks(list(self._chunks()))
        return self._read(run(self.sending.open(), self.sending.transport))

    async def ainvoke(self) -> ChatResult:
        """`invoke`, asynchronously."""
        if self.sending.stream:
            return result_of_chunks([chunk async for chunk in self._achunks()])
        return self._read(await arun(self.sending.open(), self.sending.transport))

    def events(self) -> Iterator[ChatGenerationChunk]:
        """Send the request and hand out the chunks of its answer as they come."""
        if self.sending.stream:
            return self._chunks()
        return self._whole()

    def aevents(self) -> AsyncGenerator[ChatGenerationChunk]:
        """`events`, asynchronously."""
        if self.sending.stream:
            return self._achunks()
        return self._awhole()

    def _whole(self) -> Iterator[ChatGenerationChunk]:
        """The chunks of an answer that comes in one piece."""
        yield from chunks_of_result(self._read(run(self.sending.open(), self.sending.transport)))

    async def _awhole(self) -> AsyncGenerator[ChatGenerationChunk]:
        """`_whole`, asynchronously."""
        for chunk in chunks_of_result(self._read(await arun(self.sending.open(), self.sending.transport))):
            yield chunk

    def _chunks(self) -> Iterator[ChatGenerationChunk]:
        """The chunks of an answer that comes as a stream."""
        transport = self.sending.transport
        response = run(self.sending.open(), transport)
        reader = StreamReader(self, response)
        try:
            for data in transport.iterate(response):
                yield from reader.feed(data)
            yield from reader.finish()
        except PortkeyError as error:
            yield from reader.settle(error)
        finally:
            response.close()

    async def _achunks(self) -> AsyncGenerator[ChatGenerationChunk]:
        """`_chunks`, asynchronously."""
        transport = self.sending.transport
        response = await arun(self.sending.open(), transport)
        reader = StreamReader(self, response)
        try:
            async with contextlib.aclosing(transport.aiterate(response)) as pieces:
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
        deadline = self.sending.deadline
        if not self.stream and deadline is not None and time.monotonic() > deadline:
            raise PortkeyTimeoutError(f"The answer was not whole after {self.sending.timeout:g} s. Raise timeout=...")

    def _read(self, response: Answer) -> ChatResult:
        result = self.read_body(response, response.content)
        self.tell_losses([generation.message for generation in result.generations])
        return result

    def read_body(self, response: Answer, content: bytes) -> ChatResult:
        """Read a JSON answer.

        Args:
            response: Where it comes from.
            content: Its body.

        Raises:
            PortkeyInvalidResponseError: It holds no answer.
        """
        sending = self.sending
        body = sending.decode(content)
        provider = sending.answering()
        quirks = provider.quirks if provider is not None else None
        try:
            body = unwrap_answer(body, self.answered_chat().emulated_tool)
            model = sending.answering_target().model.model
            with readable(PortkeyInvalidResponseError):
                return read_answer(body, requested_model=model, quirks=quirks, facts=sending.facts)
        except PortkeyInvalidResponseError as error:
            failure = sending.without_answer(response, body if isinstance(body, dict) else content, error)
        # Not within the clause: the error would keep the first one, which may repeat a key, as its context.
        raise failure

    def answered_chat(self) -> ChatRequest:
        """What was sent to the target that answered."""
        sending = self.sending
        if not isinstance(sending, GatewaySending) or sending.plan is None:
            return self.chat
        path = sending.answering_path()
        return self.chat if path is None else sending.plan.requests[path]

    def tell_losses(self, messages: Sequence[BaseMessage]) -> None:
        """Warn of what the gateway lost of an answer, once per provider and loss.

        Args:
            messages: The answer, or the chunks that make it up.
        """
        provider = self.sending.answering()
        if provider is None or not provider.quirks.losses:
            return
        answer = describe(message for message in messages if isinstance(message, AIMessage))
        for notice in answer_losses(self.sending.body, answer, provider, streamed=self.sending.stream):
            tell(notice)
