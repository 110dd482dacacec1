"""Events that differ from the one before them in nothing but a piece of text, taken without reading them again.

Strategy: nearly all events of a stream repeat their predecessor byte for byte, but for one string: the text, the
thought or the arguments that are streamed. What such an event adds is known from the last one, which was read and
assembled in the ordinary way. So the bytes of an event that was read in the ordinary way are made a frame around that
string, and of the next event, if it fits the frame, only the string is decoded, by the same JSON reader.

A frame is kept only if it is proved: the frame around another string has to read as the same event with that string
in the same place. Then it does so for every string, since a JSON reader that has come to the string's first quote
is in the same state whatever the string is, and behind its last quote again. What the event says beside the text
was noted when its predecessor was assembled, and noting it twice changes nothing; events for which that is not so
(log probabilities, deltas with more than text) give no frame. Any event that does not fit ends it.

A stream whose events never repeat - some providers pad each with random text - is not tried again and again: each
attempt that fails doubles the number of events until the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from langchain_core.outputs import ChatGenerationChunk
from pydantic_core import from_json

from langchain_pollinations_portkey.wire.chat.pieces import read_tool_call
from langchain_pollinations_portkey.wire.chat.stream_blocks import StreamedBlocks
from langchain_pollinations_portkey.wire.chat.stream_calls import StreamedCalls
from langchain_pollinations_portkey.wire.chunks import make_chunk, text_chunk

Path = tuple[str | int, ...]
"""Keys and numbers that lead into an event."""

Take = Callable[[str], ChatGenerationChunk]
"""Gives the chunk for a string, which is not empty."""

_PROBE = "another text"
"""What is put into a frame to prove it."""

_EMPTY_IS_NOTHING = frozenset(("content", "content_blocks", "tool_calls", "reasoning", "reasoning_content"))
"""Keys of a delta whose empty string says as little as null."""


class Repeat(NamedTuple):
    """How to take an event that differs from the last one in a string only.

    Attributes:
        text: The string of the last one.
        paths: Where in the event it stands; more than once where a provider says it twice.
        take: Gives the chunk for another string.
    """

    text: str
    paths: tuple[Path, ...]
    take: Take


_LONGEST_PAUSE = 64
"""Events between two attempts at most."""


class Frame:
    """The bytes of an event around its text, if those that follow it fit."""

    __slots__ = ("_between", "_pause", "_prefix", "_suffix", "_take", "_wait")

    def __init__(self) -> None:
        self._take: Take | None = None
        self._prefix = b""
        self._between: bytes | None = None  # what stands between the two places of a text that is said twice
        self._suffix = b""
        self._wait = 0  # events until the next attempt
        self._pause = 1

    def fit(self, data: bytes) -> ChatGenerationChunk | None:
        """The chunk of an event that fits the frame; `None` for one to be read in the ordinary way."""
        take = self._take
        if take is None or not (data.startswith(self._prefix) and data.endswith(self._suffix)):
            return None
        string = data[len(self._prefix) : len(data) - len(self._suffix)]
        if self._between is not None:
            size = (len(string) - len(self._between)) // 2
            if size <= 0 or string != string[:size] + self._between + string[:size]:
                return None
            string = string[:size]
        try:
            text = from_json(b'"%b"' % string)
        except ValueError:
            return None
        if not text:
            return None
        return take(text)

    def forget(self) -> bool:
        """End the frame, for an event that does not fit. Returns whether to try to make one of that event."""
        self._take = None
        self._wait -= 1
        return self._wait < 0

    def make(self, data: bytes, event: Mapping[str, Any], repeat: Repeat, following: bytes) -> bool:
        """Make a frame of an event for the one that follows it, if that may fit.

        Args:
            data: The bytes of the event.
            event: What they say.
            repeat: How to take another like it.
            following: The bytes of the one that follows.
        """
        parts = data.split(b'"%b"' % repeat.text.encode("utf-8", "replace"))
        # It is different where the text stands elsewhere too, or is written with escapes.
        if len(parts) == len(repeat.paths) + 1 and repeat.text != _PROBE:
            prefix, *between, suffix = parts
            self._prefix, self._suffix = prefix + b'"', b'"' + suffix
            self._between = b'"%b"' % between[0] if between else None
            if following.startswith(self._prefix) and following.endswith(self._suffix):
                probe = (b'"%b"' % _PROBE.encode()).join(parts)
                if _reads_as(probe, event, repeat):
                    self._take = repeat.take
                    self._wait, self._pause = 0, 1
                    return True
        self._wait, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return False


def _reads_as(data: bytes, event: Mapping[str, Any], repeat: Repeat) -> bool:
    """Whether these bytes are the event with the probe in the place of its text."""
    try:
        read = from_json(data)
        for path in repeat.paths:
            *parents, key = path
            place = read
            for step in parents:
                place = place[step]
            if place[key] != _PROBE:
                return False
            place[key] = repeat.text
    except (ValueError, LookupError, TypeError):
        return False
    return bool(read == event)


def repeat_of(choice: Mapping[str, Any], blocks: StreamedBlocks, calls: StreamedCalls) -> Repeat | None:
    """How to take events like the one that has just been assembled; `None` if it is not of a kind for that.

    Args:
        choice: The only choice of the event, which is the first of the answer.
        blocks: The content blocks as they are behind it.
        calls: The tool calls as they are behind it.
    """
    delta = choice.get("delta")
    if type(delta) is not dict or choice.get("logprobs") is not None or choice.get("finish_reason") is not None:
        return None
    said = {
        key: value
        for key, value in delta.items()
        if key != "role" and value is not None and value != [] and not (value == "" and key in _EMPTY_IS_NOTHING)
    }
    match sorted(said.items()):
        case [("content", str(text))]:
            take = _take_text(blocks)
            paths = [_TEXT]
        case [("content", str(text)), ("content_blocks", [{"delta": {"text": str(same), **rest}}])]:
            take = _take_text(blocks) if text == same and not rest else None
            paths = [_TEXT, (*_BLOCK, "text")]
        case [("content_blocks", [{"delta": {"thinking": str(text), **rest}}])]:
            take = _take_thinking(blocks) if not rest else None
            paths = [(*_BLOCK, "thinking")]
        case [("reasoning" | "reasoning_content" as key, str(text))]:
            take = _take_reasoning
            paths = [(*_DELTA, key)]
        case [("tool_calls", [{"function": {"arguments": str(text)}} as call])]:
            take = _take_arguments(call, blocks, calls)
            paths = [(*_DELTA, "tool_calls", 0, "function", "arguments")]
        case _:
            return None
    return Repeat(text, tuple(paths), take) if take is not None else None


_DELTA: Path = ("choices", 0, "delta")
_TEXT: Path = (*_DELTA, "content")
_BLOCK: Path = (*_DELTA, "content_blocks", 0, "delta")


def _take_text(blocks: StreamedBlocks) -> Take | None:
    if not blocks.keeping:
        note = blocks.plain.append

        def take_plain(text: str) -> ChatGenerationChunk:
            note(text)
            return text_chunk(text)

        return take_plain
    number = blocks.open_number("text")

    def take(text: str) -> ChatGenerationChunk:
        return make_chunk(text, additional_kwargs={"content_blocks": [{"type": "text", "index": number, "text": text}]})

    return take if number is not None else None


def _take_thinking(blocks: StreamedBlocks) -> Take | None:
    number = blocks.open_number("thinking")

    def take(text: str) -> ChatGenerationChunk:
        block = {"type": "thinking", "index": number, "thinking": text}
        return make_chunk("", additional_kwargs={"reasoning_content": text, "content_blocks": [block]})

    return take if number is not None else None


def _take_reasoning(text: str) -> ChatGenerationChunk:
    return make_chunk("", additional_kwargs={"reasoning_content": text})


def _take_arguments(call: Mapping[str, Any], blocks: StreamedBlocks, calls: StreamedCalls) -> Take | None:
    piece = read_tool_call(call)
    if piece.id is not None or piece.name is not None or piece.custom or piece.thought_signature is not None:
        return None
    if blocks.in_server_tool or (piece.index is not None and piece.index < 0) or not calls.goes_on(piece):
        return None

    def take(text: str) -> ChatGenerationChunk:
        piece.arguments = text
        more = calls.go_on(piece)
        return make_chunk("", tool_call_chunks=[more] if more is not None else [])

    return take
