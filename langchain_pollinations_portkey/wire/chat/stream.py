"""A streamed answer, assembled from parsed events: feed it each event, get LangChain chunks, finish it once.

Strategy: text leaves in the chunk of its own event, at once. Facts about the whole answer (model, usage,
finish reason, ids, logprobs, citations) are collected and leave once, on the last chunk, because LangChain
adds chunks up: a model name sent twice would come out doubled, cumulative usage (Gemini) summed.
Tool calls and content blocks have rules of their own, in `stream_calls` and `stream_blocks`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_ai_message_chunks
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_pollinations_portkey.catalogue.entries import Quirks
from langchain_pollinations_portkey.errors import PortkeyStreamError, PortkeyStreamTruncatedError, read_error
from langchain_pollinations_portkey.wire.chat.answer import (
    answer_metadata,
    choice_metadata,
    finish_tool_calls,
    invented_call_id,
    llm_output,
)
from langchain_pollinations_portkey.wire.chat.pieces import Piece, WireToolCall, read_piece
from langchain_pollinations_portkey.wire.chat.repeats import Repeat, repeat_of
from langchain_pollinations_portkey.wire.chat.stream_blocks import StreamedBlocks
from langchain_pollinations_portkey.wire.chat.stream_calls import StreamedCalls, unfinished
from langchain_pollinations_portkey.wire.chunks import make_chunk
from langchain_pollinations_portkey.wire.finish import is_error_finish_reason
from langchain_pollinations_portkey.wire.usage import read_usage


class StreamAssembler:
    """Turn the events of one stream into chunks.

    Args:
        requested_model: The model that was asked for, used where the stream does not name one.
        quirks: Those of the provider that answers, `None` if unknown.
        facts: What the gateway's response headers said.
    """

    def __init__(self, *, requested_model: str, quirks: Quirks | None, facts: Mapping[str, Any]) -> None:
        self._requested_model = requested_model
        self._quirks = quirks
        self._facts = facts
        self._body: dict[str, Any] = {}  # facts of the answer, as the events bring them
        self._choice: dict[str, Any] = {}  # facts of the choice
        self._others: dict[str, Any] = {}  # keys of deltas without a place of their own
        self._audio: list[str] = []
        self._usage: UsageMetadata | None = None
        self._calls = StreamedCalls()
        self._blocks = StreamedBlocks()
        self._server_tools: dict[str, str] = {}  # names by call id
        self._provider_tools = quirks.server_tools if quirks is not None else frozenset()
        self._id: str | None = None
        self._seen: set[int] = set()
        self._finished: set[int] = set()

    @property
    def complete(self) -> bool:
        """Whether every choice that was seen has its finish reason."""
        return bool(self._seen) and self._seen <= self._finished

    def feed(self, event: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        """Take one parsed event and return the chunks it gives, usually one.

        Raises:
            PortkeyStreamError: The event is an error, or a finish reason that stands for one.
        """
        if event.get("error"):
            raise self._event_error(event)
        self._note_answer(event)
        choices = event.get("choices")
        if not choices:
            return []
        if type(choices) is list and len(choices) == 1 and isinstance(choices[0], dict):
            return self._feed_choice(choices[0])
        return [chunk for choice in choices if isinstance(choice, Mapping) for chunk in self._feed_choice(choice)]

    def repeat_of(self, event: Mapping[str, Any]) -> Repeat | None:
        """How to take events like this one, which was the last to be fed, without feeding them."""
        choices = event.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
            return None
        return repeat_of(choices[0], self._blocks, self._calls) if self._number_of(choices[0]) == 0 else None

    def finish(self) -> list[ChatGenerationChunk]:
        """End the stream and return its last chunks; the very last has usage and all facts about the answer.

        Raises:
            PortkeyStreamTruncatedError: A choice has no finish reason, or there was no choice at all.
        """
        if not self.complete:
            raise PortkeyStreamTruncatedError(
                "The stream ended before the provider said that the answer is complete: the connection between "
                "the gateway and the provider broke, or the gateway failed on it. `.partial` holds what had "
                "arrived. Asking again may succeed."
            )
        body = {key: value for key, value in self._body.items() if key != "id"}
        metadata = answer_metadata(body, requested_model=self._requested_model, facts=self._facts)
        if self._id is not None:
            metadata["id"] = self._id
        metadata |= choice_metadata(self._choice, has_tool_calls=bool(self._calls.ids))
        kwargs: dict[str, Any] = dict(self._others)
        blocks = self._blocks.end()
        if blocks:
            kwargs["content_blocks"] = blocks
        if self._audio:
            kwargs["audio"] = {**self._others.get("audio", {}), "data": _joined_base64(self._audio)}
        if self._calls.custom:
            kwargs["tool_call_types"] = {self._calls.ids[number]: "custom" for number in self._calls.custom}
        message = AIMessageChunk(
            content="",
            additional_kwargs=kwargs,
            usage_metadata=self._usage,
            response_metadata=metadata,
            chunk_position="last",
        )
        info = {"finish_reason": metadata["finish_reason"], "lc_gateway_metadata": dict(self._facts)}
        last = ChatGenerationChunk(message=message, generation_info=info)
        missing = self._calls.finish()
        return [make_chunk("", tool_call_chunks=missing), last] if missing else [last]

    def _note_answer(self, event: Mapping[str, Any]) -> None:
        body = self._body
        for key, value in event.items():
            if value is None or key == "choices" or (key in body and body[key] == value and key != "usage"):
                continue  # most events repeat what the first one said
            if key == "usage":
                # The last one counts: Gemini's is cumulative, Groq sends it twice.
                usage = read_usage(value, self._quirks)
                if usage is not None:
                    self._usage = usage
                    body[key] = value
            elif key == "id":
                self._id = self._id or (str(value) if value else None)
            elif value or key not in body:
                body[key] = value

    def _feed_choice(self, choice: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        index = self._number_of(choice)
        delta = choice.get("delta")
        if type(delta) is not dict and not isinstance(delta, Mapping):
            delta = {}
        self._note_finish(index, choice, delta)
        if index:
            return []  # a LangChain stream is one message; the request never asks for more
        self._note_choice(choice)
        return self._feed_delta(delta)

    def _number_of(self, choice: Mapping[str, Any]) -> int:
        index = choice.get("index")
        if not isinstance(index, int) or (self._quirks is not None and self._quirks.choice_index_counts_blocks):
            return 0
        return index

    def _note_finish(self, index: int, choice: Mapping[str, Any], delta: Mapping[str, Any]) -> None:
        native = choice.get("finish_reason")
        if isinstance(delta.get("finish_reason"), str):
            # The gateway's rendering of an exception frame in a Bedrock stream (throttling and the like).
            raise self._error("The provider broke the stream off with an exception.")
        if isinstance(native, str) and is_error_finish_reason(native):
            raise self._error(f"The provider broke the stream off: {native}.", error_type=native)
        self._seen.add(index)
        if native is None:
            return
        if native or (native == "" and self._quirks is not None and self._quirks.empty_finish_reason):
            self._finished.add(index)

    def _note_choice(self, choice: Mapping[str, Any]) -> None:
        for key, value in choice.items():
            if value is None or key == "delta" or key == "index":  # noqa: PLR1714  # in the innermost of loops
                continue
            if key == "logprobs":
                _extend_logprobs(self._choice, value)
            elif value or key not in self._choice:
                self._choice[key] = value

    def _feed_delta(self, delta: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        content = delta.get("content")
        if isinstance(content, str) and len(delta) == 1 and not self._blocks.keeping:
            if not content:
                return []
            self._blocks.plain.append(content)
            return [make_chunk(content)]
        if not delta:
            return []
        piece = read_piece(delta, self._server_tools)
        chunks: list[ChatGenerationChunk] = []
        if piece.others:
            self._keep_others(piece)
        kwargs: dict[str, Any] = {}
        if piece.reasoning:
            kwargs["reasoning_content"] = piece.reasoning
        caught_up, blocks = self._blocks.take(piece)
        if caught_up:
            chunks.append(make_chunk("", additional_kwargs={"content_blocks": caught_up}))
        call_chunks: list[ToolCallChunk] = []
        for call in piece.tool_calls:
            blocks += self._take_call(call, call_chunks, kwargs)
        if blocks:
            kwargs["content_blocks"] = blocks
        if piece.text or kwargs or call_chunks:
            chunks.append(make_chunk(piece.text, additional_kwargs=kwargs, tool_call_chunks=call_chunks))
        return chunks

    def _take_call(
        self, call: WireToolCall, chunks: list[ToolCallChunk], kwargs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Take a tool call or a piece of one: add to `chunks` and `kwargs`, return the content blocks it gives."""
        bare = call.id is None and call.name is None
        if bare and self._blocks.in_server_tool:
            # The input of a tool that the provider runs itself. The gateway gives it the index -1, or after a
            # call of the client's that call's index.
            self._blocks.add_input(call.arguments or "")
            return []
        if bare and call.index is not None and call.index < 0:
            return []  # input of a server tool that was never announced
        if not self._calls.begins(call):
            more = self._calls.go_on(call)
            if more is not None:
                chunks.append(more)
            return []
        call_id = call.id or invented_call_id(self._id or "answer", len(self._calls.ids))
        if call.name in self._provider_tools:
            blocks = self._blocks.begin_server_tool(call_id, call.name or "")
            self._blocks.add_input(call.arguments or "")
            return blocks
        if call.thought_signature:
            kwargs.setdefault("thought_signatures", {})[call_id] = call.thought_signature
        chunks.append(self._calls.begin(call, call_id))
        return self._blocks.end()

    def _keep_others(self, piece: Piece) -> None:
        for key, value in piece.others.items():
            held = self._others.get(key)
            if key == "audio" and isinstance(value, Mapping) and isinstance(value.get("data"), str):
                self._audio.append(value["data"])
                rest = {name: item for name, item in value.items() if name != "data"}
                self._others[key] = _merge_object(held or {}, rest)
            elif isinstance(held, str) and isinstance(value, str):
                self._others[key] = held + value
            elif isinstance(held, list) and isinstance(value, list):
                self._others[key] = _merge_indexed(held, value)
            elif isinstance(held, dict) and isinstance(value, Mapping):
                self._others[key] = _merge_object(held, value)
            else:
                self._others[key] = value

    def _event_error(self, event: Mapping[str, Any]) -> PortkeyStreamError:
        detail = read_error(event)
        error = self._error(detail.message, error_type=detail.type)
        error.error_code = detail.code
        error.provider = error.provider or detail.provider
        error.body = event
        return error

    def _error(self, message: str, *, error_type: str | None = None) -> PortkeyStreamError:
        error = PortkeyStreamError(message)
        error.error_type = error_type
        error.provider = self._facts.get("provider")
        error.trace_id = self._facts.get("trace_id")
        return error


def chunks_of_result(result: ChatResult) -> list[ChatGenerationChunk]:
    """A JSON answer as the chunks of a stream, for a caller who asked for one."""
    message = result.generations[0].message
    if not isinstance(message, AIMessage):  # pragma: no cover - read_answer makes nothing else
        raise TypeError(type(message).__name__)
    calls = [
        tool_call_chunk(
            name=call["name"], args=json.dumps(call["args"], ensure_ascii=False), id=call["id"], index=number
        )
        for number, call in enumerate(message.tool_calls)
    ]
    calls += [
        tool_call_chunk(name=call["name"], args=args + unfinished(args), id=call["id"], index=number)
        for number, call in enumerate(message.invalid_tool_calls, len(message.tool_calls))
        for args in [call["args"] or ""]
    ]
    kwargs = dict(message.additional_kwargs)
    if "content_blocks" in kwargs:
        kwargs["content_blocks"] = [{**block, "index": n} for n, block in enumerate(kwargs["content_blocks"])]
    last = AIMessageChunk(
        content="",
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    return [
        make_chunk(str(message.content), additional_kwargs=kwargs, tool_call_chunks=calls),
        ChatGenerationChunk(message=last, generation_info=result.generations[0].generation_info),
    ]


def result_of_chunks(chunks: Sequence[ChatGenerationChunk]) -> ChatResult:
    """The chunks of a whole stream as the result of a plain call, for a caller who did not ask for a stream."""
    first, *rest = [chunk.message for chunk in chunks if isinstance(chunk.message, AIMessageChunk)]
    whole = add_ai_message_chunks(first, *rest) if rest else first
    pieces = [WireToolCall(id=call["id"], name=call["name"], arguments=call["args"]) for call in whole.tool_call_chunks]
    metadata = whole.response_metadata
    calls, invalid, _ = finish_tool_calls(pieces, answer_id=str(metadata.get("id") or "answer"))
    message = AIMessage(
        content=whole.content,
        additional_kwargs=whole.additional_kwargs,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        id=metadata.get("id"),
        response_metadata=metadata,
        usage_metadata=whole.usage_metadata,
    )
    generation = ChatGeneration(message=message, generation_info=chunks[-1].generation_info)
    return ChatResult(generations=[generation], llm_output=llm_output(metadata, whole.usage_metadata))


def _extend_logprobs(choice: dict[str, Any], logprobs: Any) -> None:
    if not isinstance(logprobs, Mapping):
        return
    held = choice.setdefault("logprobs", {})
    for key, value in logprobs.items():
        if isinstance(value, list):
            held.setdefault(key, []).extend(value)
        elif value is not None:
            held[key] = value


def _joined_base64(pieces: Sequence[str]) -> str:
    """Join pieces of data; each may be padded, so that their texts cannot simply be joined."""
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode()
    except binascii.Error:
        return "".join(pieces)


def _merge_indexed(held: list[Any], more: list[Any]) -> list[Any]:
    """Add list items to a list; one with the `index` and `type` of an item there goes on with that item."""
    merged = list(held)
    for item in more:
        position = next((i for i, other in enumerate(merged) if _same_item(other, item)), None)
        if position is None:
            merged.append(item)
        else:
            merged[position] = _merge_object(merged[position], item)
    return merged


def _same_item(one: Any, other: Any) -> bool:
    return (
        isinstance(one, Mapping)
        and isinstance(other, Mapping)
        and "index" in one
        and (one.get("index"), one.get("type")) == (other.get("index"), other.get("type"))
    )


def _merge_object(held: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Join the strings of a streamed object; whatever else it holds, the last value counts."""
    merged = dict(held)
    for key, value in more.items():
        before = merged.get(key)
        if isinstance(before, str) and isinstance(value, str) and key not in ("type", "format", "id"):
            merged[key] = before + value
        elif value is not None:
            merged[key] = value
    return merged
