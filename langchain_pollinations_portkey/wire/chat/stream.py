"""A streamed answer, assembled from parsed events: feed it each event, get LangChain chunks, finish it once.

Strategy: text leaves in the chunk of its own event, at once. Facts about the whole answer (model, usage,
finish reason, ids, logprobs, citations) are collected and leave once, on the last chunk, because LangChain
adds chunks up: a model name sent twice would come out doubled, cumulative usage (Gemini) summed.

Tool calls get numbers of our own. Providers restart their index in every chunk (Gemini), leave it out
(Mistral, Cohere) or use -1 for server tools (Anthropic); a new id always begins a new call.

Content blocks (thinking, citations, server tools) are kept only once the answer turns out to be more than
text, so that a plain answer carries nothing twice; the text seen until then is caught up with in one chunk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from langchain_pollinations_portkey.catalogue.entries import Quirks
from langchain_pollinations_portkey.errors import PortkeyStreamError, PortkeyStreamTruncatedError, read_error
from langchain_pollinations_portkey.wire.chat.answer import (
    MODEL_PROVIDER,
    answer_metadata,
    choice_metadata,
    invented_call_id,
)
from langchain_pollinations_portkey.wire.chat.pieces import Piece, WireToolCall, read_piece
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
        self._usage: UsageMetadata | None = None
        self._calls = _ToolCallNumbers()
        self._blocks = _BlockKeeper()
        self._server_tools: dict[str, str] = {}
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
        choices = event.get("choices")
        if event.get("error"):
            raise self._error(read_error(event).message)
        self._note_answer(event)
        if not choices:
            return []
        chunks: list[ChatGenerationChunk] = []
        for choice in choices:
            if isinstance(choice, Mapping):
                chunks += self._feed_choice(choice)
        return chunks

    def finish(self) -> ChatGenerationChunk:
        """End the stream and return its last chunk, with usage and all facts about the answer.

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
        metadata |= choice_metadata(self._choice, has_tool_calls=self._calls.count > 0)
        kwargs: dict[str, Any] = dict(self._others)
        blocks = self._blocks.close()
        if blocks:
            kwargs["content_blocks"] = blocks
        message = AIMessageChunk(
            content="",
            additional_kwargs=kwargs,
            usage_metadata=self._usage,
            response_metadata=metadata,
            chunk_position="last",
        )
        info = {"finish_reason": metadata["finish_reason"], "lc_gateway_metadata": dict(self._facts)}
        return ChatGenerationChunk(message=message, generation_info=info)

    def _note_answer(self, event: Mapping[str, Any]) -> None:
        if self._id is None and event.get("id"):
            self._id = event["id"]
        usage = event.get("usage")
        if usage:
            # The last one counts: Gemini's is cumulative, Groq sends it twice.
            self._usage = read_usage(usage, self._quirks) or self._usage
            self._body["usage"] = usage
        for key, value in event.items():
            if value is not None and key not in ("choices", "usage", "id") and (value or key not in self._body):
                self._body[key] = value

    def _feed_choice(self, choice: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        index = choice.get("index") if isinstance(choice.get("index"), int) else 0
        if self._quirks is not None and self._quirks.choice_index_counts_blocks:
            index = 0
        delta = choice.get("delta")
        delta = delta if isinstance(delta, Mapping) else {}
        self._note_finish(index or 0, choice, delta)
        if index:
            return []  # a LangChain stream is one message; the request never asks for more
        self._note_choice(choice)
        return self._feed_delta(delta)

    def _note_finish(self, index: int, choice: Mapping[str, Any], delta: Mapping[str, Any]) -> None:
        native = choice.get("finish_reason")
        if isinstance(delta.get("finish_reason"), str):
            # The gateway's rendering of an exception frame in a Bedrock stream (throttling and the like).
            raise self._error("The provider broke the stream off with an exception.")
        if isinstance(native, str) and is_error_finish_reason(native):
            raise self._error(f"The provider broke the stream off: {native}.", error_type=native)
        self._seen.add(index)
        if native or (native == "" and self._quirks is not None and self._quirks.empty_finish_reason):
            self._finished.add(index)

    def _note_choice(self, choice: Mapping[str, Any]) -> None:
        for key, value in choice.items():
            if value is None or key in ("delta", "index"):
                continue
            if key == "logprobs":
                _extend_logprobs(self._choice, value)
            elif value or key not in self._choice:
                self._choice[key] = value

    def _feed_delta(self, delta: Mapping[str, Any]) -> list[ChatGenerationChunk]:
        content = delta.get("content")
        if (isinstance(content, str) and len(delta) == 1) or not delta:
            return [_chunk(content)] if content else []
        piece = read_piece(delta, self._server_tools)
        chunks: list[ChatGenerationChunk] = []
        self._keep_others(piece)
        kwargs: dict[str, Any] = {}
        if piece.reasoning:
            kwargs["reasoning_content"] = piece.reasoning
        call_chunks = self._read_calls(piece, kwargs)
        catch_up = self._blocks.catch_up(piece)
        if catch_up:
            chunks.append(_chunk("", additional_kwargs={"content_blocks": catch_up}))
        blocks = self._blocks.take(piece)
        if blocks:
            kwargs["content_blocks"] = blocks
        if piece.text or kwargs or call_chunks:
            chunks.append(_chunk(piece.text, additional_kwargs=kwargs, tool_call_chunks=call_chunks))
        return chunks

    def _read_calls(self, piece: Piece, kwargs: dict[str, Any]) -> list[ToolCallChunk]:
        chunks: list[ToolCallChunk] = []
        for call in piece.tool_calls:
            if call.index is not None and call.index < 0:
                self._blocks.add_server_tool_input(call.arguments or "")
                continue
            number, begins = self._calls.number(call)
            call_id = call.id if begins else None
            if begins and call_id is None:
                call_id = invented_call_id(self._id or "answer", number)
            if call.thought_signature:
                signed = call_id or self._calls.ids[number]
                kwargs.setdefault("thought_signatures", {})[signed] = call.thought_signature
            if begins:
                self._calls.ids[number] = call_id or ""
            chunks.append(
                tool_call_chunk(name=call.name if begins else None, args=call.arguments or "", id=call_id, index=number)
            )
        return chunks

    def _keep_others(self, piece: Piece) -> None:
        for key, value in piece.others.items():
            held = self._others.get(key)
            if isinstance(held, str) and isinstance(value, str):
                self._others[key] = held + value
            elif isinstance(held, list) and isinstance(value, list):
                self._others[key] = _merge_indexed(held, value)
            elif isinstance(held, dict) and isinstance(value, Mapping):
                self._others[key] = _merge_object(held, value)
            else:
                self._others[key] = value

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
        tool_call_chunk(name=call["name"], args=call["args"], id=call["id"], index=len(message.tool_calls) + number)
        for number, call in enumerate(message.invalid_tool_calls)
    ]
    last = AIMessageChunk(
        content="",
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    return [
        _chunk(str(message.content), additional_kwargs=message.additional_kwargs, tool_call_chunks=calls),
        ChatGenerationChunk(message=last, generation_info=result.generations[0].generation_info),
    ]


class _ToolCallNumbers:
    """Which call a piece belongs to, counted from 0 in the order the calls begin."""

    def __init__(self) -> None:
        self.count = 0
        self.ids: dict[int, str] = {}
        self._by_index: dict[int | None, int] = {}

    def number(self, call: WireToolCall) -> tuple[int, bool]:
        """The number of the piece's call, and whether the piece begins it."""
        current = self._by_index.get(call.index)
        # A piece without an id goes on with the call of its index - unless it names a tool while having no index
        # to go by: then it is a whole call of its own.
        whole = call.index is None and call.id is None and call.name is not None
        if current is not None and not whole and (call.id is None or call.id == self.ids[current]):
            return current, False
        if current is None and call.id is None and call.name is None and self.count:
            return self.count - 1, False  # pieces without any mark belong to the call that is open
        number = self.count
        self.count += 1
        self._by_index[call.index] = number
        return number, True


class _BlockKeeper:
    """The content blocks worth keeping: none while the answer is only text, all of them from then on."""

    def __init__(self) -> None:
        self._keeping = False
        self._text: dict[int, list[str]] = {}
        self._last: tuple[int, str] = (-1, "")  # index and type of the last block
        self._server_tool: dict[str, Any] | None = None
        self._server_tool_input: list[str] = []

    def catch_up(self, piece: Piece) -> list[dict[str, Any]]:
        """The text blocks seen before the first block that is more than text; empty at all other times."""
        if self._keeping or not piece.has_more_than_text:
            return []
        self._keeping = True
        return [
            {"type": "text", "index": index, "text": "".join(parts)} for index, parts in self._text.items() if parts
        ]

    def take(self, piece: Piece) -> list[dict[str, Any]]:
        """The blocks of a piece to put on its chunk."""
        blocks: list[dict[str, Any]] = []
        for block in piece.blocks:
            index, kind = self._last
            if "index" not in block:  # Mistral's content list: a block ends where another type begins
                block["index"] = index if kind == block["type"] else index + 1
            self._last = (block["index"], block["type"])
            if not self._keeping:
                self._text.setdefault(block["index"], []).append(block.get("text") or "")
                continue
            blocks += self._begin(block)
            blocks.append(block)
        return blocks

    def add_server_tool_input(self, arguments: str) -> None:
        """The input of a server tool comes as pieces of a tool call with the index -1."""
        self._server_tool_input.append(arguments)

    def close(self) -> list[dict[str, Any]]:
        """The input of the server tool whose block stands open, as a delta of that block."""
        block, pieces = self._server_tool, self._server_tool_input
        self._server_tool, self._server_tool_input = None, []
        text = "".join(pieces)
        if block is None or not text:
            return []
        try:
            tool_input = json.loads(text)
        except ValueError:
            tool_input = {"__raw": text}
        return [{"type": block["type"], "index": block["index"], "input": tool_input}]

    def _begin(self, block: dict[str, Any]) -> list[dict[str, Any]]:
        if self._server_tool is not None and block["index"] == self._server_tool["index"]:
            return []
        closed = self.close()
        if block["type"] in ("server_tool_use", "mcp_tool_use"):
            self._server_tool = block
        return closed


def _chunk(
    text: str,
    *,
    additional_kwargs: dict[str, Any] | None = None,
    tool_call_chunks: list[ToolCallChunk] | None = None,
) -> ChatGenerationChunk:
    message = AIMessageChunk(
        content=text,
        additional_kwargs=additional_kwargs or {},
        tool_call_chunks=tool_call_chunks or [],
        response_metadata={"model_provider": MODEL_PROVIDER},
    )
    return ChatGenerationChunk(message=message)


def _extend_logprobs(choice: dict[str, Any], logprobs: Any) -> None:
    if not isinstance(logprobs, Mapping):
        return
    held = choice.setdefault("logprobs", {})
    for key, value in logprobs.items():
        if isinstance(value, list) and isinstance(held.get(key), list):
            held[key] = held[key] + value
        elif value is not None:
            held[key] = value


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
