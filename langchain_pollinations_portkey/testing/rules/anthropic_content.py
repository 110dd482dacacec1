"""Anthropic's content blocks: which there are, which keys they have, what may be in them.

Sources: docs.anthropic.com, API reference "Messages" (input content blocks), guides "Vision", "PDF support" and
"Prompt caching"; quoted messages are the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_pollinations_portkey.testing.rules.anthropic_cache import marker_shape
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal, unknown_keys

TOOL_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
BASE64 = re.compile(r"^[A-Za-z0-9+/]+={0,2}$")


@dataclass(frozen=True, slots=True)
class _Shape:
    """The keys of a block beside `type`."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    roles: tuple[str, ...] = ("user", "assistant")


_SHAPES: dict[str, _Shape] = {
    "text": _Shape(("text",), ("cache_control", "citations")),
    "image": _Shape(("source",), ("cache_control",)),
    "document": _Shape(("source",), ("cache_control", "citations", "context", "title")),
    "search_result": _Shape(("content", "source", "title"), ("cache_control", "citations")),
    "thinking": _Shape(("thinking", "signature")),
    "redacted_thinking": _Shape(("data",)),
    "tool_use": _Shape(("id", "name", "input"), ("cache_control", "caller"), ("assistant",)),
    "tool_result": _Shape(("tool_use_id",), ("cache_control", "content", "is_error"), ("user",)),
}
"""Thinking has no `cache_control` ("Prompt caching": thinking blocks cannot be cached explicitly)."""

_SERVER_BLOCKS = frozenset(
    {
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "compaction",
        "container_upload",
        "mcp_tool_result",
        "mcp_tool_use",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "tool_addition",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
)
"""What Anthropic's own tools leave in a conversation; passed without a closer look."""

_IN_TOOL_RESULT = frozenset({"text", "image", "document", "search_result", "tool_reference"})

_SOURCES: dict[str, dict[str, tuple[str, ...]]] = {
    "image": {"base64": ("data", "media_type"), "url": ("url",), "file": ("file_id",)},
    "document": {
        "base64": ("data", "media_type"),
        "text": ("data", "media_type"),
        "url": ("url",),
        "file": ("file_id",),
        "content": ("content",),
    },
}
_MEDIA_TYPES = {
    ("image", "base64"): ("image/jpeg", "image/png", "image/gif", "image/webp"),
    ("document", "base64"): ("application/pdf",),
    ("document", "text"): ("text/plain",),
}
_BLANK = "messages: text content blocks must contain non-whitespace text"
_EMPTY = "messages: text content blocks must be non-empty"


def contents(fields: Fields) -> Iterator[Refusal]:
    """Every message has content; every block in it is one the API knows, in its shape, with text that says something.

    Only the final assistant message may be empty ("all messages must have non-empty content except for the
    optional final assistant message").
    """
    messages = fields["messages"]
    for index, message in enumerate(messages):
        where = f"messages.{index}"
        content = message.get("content")
        if not isinstance(content, (str, list)):
            yield Refusal(f"{where}.content: {'Field required' if content is None else 'Input should be a valid list'}")
            return
        final_assistant_message = index == len(messages) - 1 and message["role"] == "assistant"
        if not content and not final_assistant_message:
            yield Refusal(
                f"{where}: all messages must have non-empty content except for the optional final assistant message"
            )
        if isinstance(content, str):
            if content and not content.strip():
                yield Refusal(_BLANK)
            continue
        for number, block in enumerate(content):
            yield from _block(block, f"{where}.content.{number}", message["role"])


def final_assistant(fields: Fields) -> Iterator[Refusal]:
    """Refused: "messages: final assistant content cannot end with trailing whitespace"."""
    last = fields["messages"][-1]
    if last["role"] != "assistant" or not last["content"]:
        return
    content = last["content"]
    if isinstance(content, list):
        content = content[-1].get("text", "")
    if content != content.rstrip():
        yield Refusal("messages: final assistant content cannot end with trailing whitespace")


def block_shape(block: Fields, where: str) -> Iterator[Refusal]:
    """Checks the keys of a known block: the required ones, no others, and its cache marker."""
    kind = block["type"]
    shape = _SHAPES[kind]
    for key in shape.required:
        if key not in block:
            yield Refusal(f"{where}.{kind}.{key}: Field required")
    for key in unknown_keys(block, frozenset({"type", *shape.required, *shape.optional})):
        yield Refusal(f"{where}.{kind}.{key}: Extra inputs are not permitted")
    yield from marker_shape(block, f"{where}.{kind}")
    if kind == "text" and not isinstance(block.get("text"), str):
        yield Refusal(f"{where}.text.text: Input should be a valid string")
    if kind == "text" and not block["text"] and block.get("cache_control") is not None:
        yield Refusal(f"{where}.text.text: cache_control cannot be set for empty text blocks")


def _block(block: Any, where: str, role: str) -> Iterator[Refusal]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind in _SERVER_BLOCKS:
        return
    if not isinstance(block, dict) or kind not in _SHAPES:
        yield _unknown_type(where, kind, sorted({*_SHAPES, *_SERVER_BLOCKS}))
        return
    yield from block_shape(block, where)
    shape = _SHAPES[kind]
    if role not in shape.roles:
        message = where.rpartition(".content")[0]
        yield Refusal(f"{message}: `{kind}` blocks can only be in `{shape.roles[0]}` messages")
    yield from _INSIDE.get(kind, _nothing)(block, where)


def _unknown_type(where: str, kind: Any, expected: list[str]) -> Refusal:
    tags = ", ".join(f"'{tag}'" for tag in expected)
    return Refusal(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}")


def _nothing(block: Fields, where: str) -> Iterator[Refusal]:
    del block, where
    yield from ()


def _text(block: Fields, where: str) -> Iterator[Refusal]:
    """Says "text content blocks must be non-empty", "... must contain non-whitespace text"."""
    del where
    if not block["text"]:
        yield Refusal(_EMPTY)
    elif not block["text"].strip():
        yield Refusal(_BLANK)


def _thinking(block: Fields, where: str) -> Iterator[Refusal]:
    """Says "Invalid `signature` in `thinking` block": an empty signature signs nothing."""
    if not block["signature"]:
        yield Refusal(f"{where}: Invalid `signature` in `thinking` block")


def _tool_use(block: Fields, where: str) -> Iterator[Refusal]:
    """The id has a pattern, the name is a text, the input is an object."""
    yield from _tool_id(block["id"], f"{where}.tool_use.id")
    if not isinstance(block["name"], str) or not block["name"]:
        yield Refusal(f"{where}.tool_use.name: String should have at least 1 character")
    if not isinstance(block["input"], dict):
        yield Refusal(f"{where}.tool_use.input: Input should be a valid dictionary")


def _tool_id(value: Any, where: str) -> Iterator[Refusal]:
    """Says "String should match pattern '^[a-zA-Z0-9_-]+$'"."""
    if not isinstance(value, str) or not TOOL_ID.match(value):
        yield Refusal(f"{where}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _tool_result(block: Fields, where: str) -> Iterator[Refusal]:
    """Text, images, documents and search results; not empty when it is an error."""
    yield from _tool_id(block["tool_use_id"], f"{where}.tool_result.tool_use_id")
    content = block.get("content")
    if not content:
        if block.get("is_error") is True:
            yield Refusal(f"{where}.tool_result: content cannot be empty if `is_error` is true")
        return
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        yield Refusal(f"{where}.tool_result.content: Input should be a valid list")
        return
    for index, part in enumerate(content):
        inner = f"{where}.tool_result.content.{index}"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _IN_TOOL_RESULT:
            yield _unknown_type(inner, kind, sorted(_IN_TOOL_RESULT))
        elif kind in _SHAPES:
            yield from _block(part, inner, "user")


def _source(block: Fields, where: str) -> Iterator[Refusal]:
    """Where an image or a document comes from: base64 (no data URL), URL, file, text, content."""
    kind, source = block["type"], block["source"]
    tag = source.get("type") if isinstance(source, dict) else None
    if not isinstance(source, dict) or tag not in _SOURCES[kind]:
        yield _unknown_type(f"{where}.{kind}.source", tag, sorted(_SOURCES[kind]))
        return
    inside = f"{where}.{kind}.source.{tag}"
    for key in _SOURCES[kind][tag]:
        if key not in source:
            yield Refusal(f"{inside}.{key}: Field required")
    for key in unknown_keys(source, frozenset({"type", *_SOURCES[kind][tag]})):
        yield Refusal(f"{inside}.{key}: Extra inputs are not permitted")
    media_types = _MEDIA_TYPES.get((kind, tag))
    if media_types and source["media_type"] not in media_types:
        *most, last = (f"'{media_type}'" for media_type in media_types)
        expected = f"{', '.join(most)} or {last}" if most else last
        yield Refusal(f"{inside}.media_type: Input should be {expected}")
    if tag == "base64" and not is_base64(source["data"]):
        yield Refusal(f"{inside}: invalid base64 data")


def is_base64(value: Any) -> bool:
    """Whether a value is a text in standard base64; a data URL is none."""
    return isinstance(value, str) and len(value) % 4 == 0 and BASE64.match(value) is not None


_INSIDE = {
    "text": _text,
    "image": _source,
    "document": _source,
    "thinking": _thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
"""What is checked inside a block once its keys are right."""
