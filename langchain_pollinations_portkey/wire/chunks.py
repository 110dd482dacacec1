"""The chunks of a stream as LangChain has them, made without pydantic where that is known to be the same.

Strategy: nearly all chunks of a stream are of two kinds, a piece of text and a piece of a tool call's arguments.
Validating them costs more than all else that happens to a chunk, and says nothing: we made the values ourselves.
So these two are put together by hand (`_by_hand`) - but only if the installed langchain-core gave the very same for
samples when this module was imported (`_agrees`). A release that adds a field or sets one differently only makes
chunks slower; a test compares both ways for many values.

What LangChain makes of a piece of arguments follows from its first character: only text that begins with `{` can be
a JSON object, whatever is completed or cut off at its end, and everything else is an invalid call. Pieces that do
begin so are left to LangChain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import BaseModel

MODEL_PROVIDER = "portkey"
"""`response_metadata["model_provider"]`: the name under which our content-block translator is registered."""

_BLANKS = " \t\n\r"
_new = object.__new__


def _setter(slot: str) -> Callable[[Any, Any], None]:
    """What sets a slot of a pydantic model."""
    descriptor = BaseModel.__dict__.get(slot)
    set_it: Callable[[Any, Any], None] = getattr(descriptor, "__set__", partial(_set_by_name, slot))
    return set_it


def _set_by_name(slot: str, model: Any, value: Any) -> None:
    object.__setattr__(model, slot, value)


_set_fields = _setter("__dict__")
_set_names = _setter("__pydantic_fields_set__")
_set_extra = _setter("__pydantic_extra__")
_set_private = _setter("__pydantic_private__")


def make_chunk(
    text: str,
    *,
    additional_kwargs: dict[str, Any] | None = None,
    tool_call_chunks: Sequence[ToolCallChunk] = (),
) -> ChatGenerationChunk:
    """A chunk in the midst of a stream.

    Args:
        text: A piece of the text.
        additional_kwargs: What LangChain has no field for.
        tool_call_chunks: Pieces of tool calls.
    """
    if _fast and type(text) is str and (not tool_call_chunks or _are_pieces(tool_call_chunks)):
        return _by_hand(text, additional_kwargs, tool_call_chunks)
    return _by_langchain(text, additional_kwargs, tool_call_chunks)


def _are_pieces(calls: Sequence[ToolCallChunk]) -> bool:
    """Whether all of these go on with a call, and none can be read as one of its own."""
    for call in calls:
        args = call["args"]
        if type(args) is not str or not args or call["name"] is not None or call["id"] is not None:
            return False
        if args.lstrip(_BLANKS)[:1] == "{" or type(call["index"]) is not int:
            return False
    return True


def _by_langchain(
    text: str, additional_kwargs: dict[str, Any] | None, tool_call_chunks: Sequence[ToolCallChunk]
) -> ChatGenerationChunk:
    message = AIMessageChunk(
        content=text,
        additional_kwargs=additional_kwargs or {},
        tool_call_chunks=list(tool_call_chunks),
        response_metadata={"model_provider": MODEL_PROVIDER},
    )
    return ChatGenerationChunk(message=message)


def text_chunk(text: str) -> ChatGenerationChunk:
    """`make_chunk` for a piece of text and nothing else, which most chunks are."""
    return _with_text(text) if _fast else _by_langchain(text, None, ())


def _by_hand(
    text: str, additional_kwargs: dict[str, Any] | None, tool_call_chunks: Sequence[ToolCallChunk]
) -> ChatGenerationChunk:
    if not (additional_kwargs or tool_call_chunks):
        return _with_text(text)
    chunk = _with_text(text)
    message = chunk.message
    if additional_kwargs:
        message.__dict__["additional_kwargs"] = additional_kwargs.copy()
    if tool_call_chunks:
        fields = message.__dict__
        message.__pydantic_fields_set__.update(("tool_calls", "invalid_tool_calls"))
        fields["tool_call_chunks"] = [call.copy() for call in tool_call_chunks]
        fields["invalid_tool_calls"] = [
            {"name": None, "args": call["args"], "id": None, "error": None, "type": "invalid_tool_call"}
            for call in tool_call_chunks
        ]
    return chunk


def _with_text(text: str) -> ChatGenerationChunk:
    message = _new(AIMessageChunk)
    _set_fields(
        message,
        {
            "content": text,
            "additional_kwargs": {},
            "response_metadata": {"model_provider": MODEL_PROVIDER},
            "type": "AIMessageChunk",
            "name": None,
            "id": None,
            "tool_calls": [],
            "invalid_tool_calls": [],
            "usage_metadata": None,
            "tool_call_chunks": [],
            "chunk_position": None,
        },
    )
    _set_names(message, {"content", "additional_kwargs", "response_metadata", "tool_call_chunks"})
    _set_extra(message, {})
    _set_private(message, None)
    chunk = _new(ChatGenerationChunk)
    _set_fields(chunk, {"text": text, "generation_info": None, "type": "ChatGenerationChunk", "message": message})
    _set_names(chunk, {"text", "message"})
    _set_extra(chunk, None)
    _set_private(chunk, None)
    return chunk


def state(model: Any) -> list[Any]:
    """All that a pydantic model holds, in its order, so that two can be compared."""
    fields = [
        (name, state(value) if hasattr(value, "__pydantic_fields_set__") else value)
        for name, value in model.__dict__.items()
    ]
    return [
        type(model),
        fields,
        sorted(model.__pydantic_fields_set__),
        model.__pydantic_extra__,
        model.__pydantic_private__,
    ]


def _agrees() -> bool:
    """Whether the installed langchain-core makes the same of some samples."""
    samples: list[tuple[str, dict[str, Any] | None, list[ToolCallChunk]]] = [
        ("", None, []),
        ("word", None, []),
        ("", {"reasoning_content": "so", "content_blocks": [{"index": 0}]}, []),
    ]
    pieces = ("ab", '"}', ' : [1, {"a": 2}]', "[{}]", "}", "1", "null", '"{}"', " ")
    samples += [("", None, [tool_call_chunk(name=None, args=piece, id=None, index=3)]) for piece in pieces]
    try:
        return all(state(_by_hand(*sample)) == state(_by_langchain(*sample)) for sample in samples)
    except Exception:  # noqa: BLE001  # a langchain-core that we do not know
        return False


_fast = _agrees()
