"""What one `message` of an answer, or one `delta` of a stream, says - whichever provider's shape it has.

Both carry the same fields, so one reader serves both. It takes what the gateway sends with strict mode off:
content as a string, null, missing or a list; reasoning under four names; content blocks whole (JSON) or as
deltas whose `type` was removed (streams); tool calls as a list, an object or null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_KNOWN_KEYS = frozenset(("role", "content", "content_blocks", "tool_calls", "reasoning", "reasoning_content"))
"""What has a field of its own. The legacy `function_call` is read as a tool call and also kept as it is, for
parsers of that time."""

_RESULT_TYPES = {
    "tool_search_tool_regex": "tool_search_tool_result",
    "tool_search_tool_bm25": "tool_search_tool_result",
}
"""Server tools of Anthropic whose result block is not called `<name>_tool_result`."""


@dataclass(slots=True)
class WireToolCall:
    """One tool call, or a piece of one; every field may be missing in a piece.

    Attributes:
        index: The provider's number of the call within the answer.
        id: Its id.
        name: The tool's name.
        arguments: JSON text, or a part of it; for a custom tool its input, which is any text.
        thought_signature: Gemini's signature over the reasoning behind the call.
        custom: Whether it is one of OpenAI's free-form tools, whose input is text instead of a JSON object.
    """

    index: int | None = None
    id: str | None = None
    name: str | None = None
    arguments: str | None = None
    thought_signature: str | None = None
    custom: bool = False


@dataclass(slots=True)
class Piece:
    """What a message or a delta says.

    Attributes:
        text: The text for the user.
        reasoning: The text of the model's reasoning.
        blocks: Anthropic-style content blocks, each with its `type`; in a stream also with the provider's
            `index`, which counts differently from provider to provider.
        tool_calls: Calls, or pieces of calls.
        others: Everything else the message held, by key (`refusal`, `annotations`, `audio`, ...).
    """

    text: str = ""
    reasoning: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[WireToolCall] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)


def read_piece(message: Mapping[str, Any], server_tools: dict[str, str] | None = None) -> Piece:
    """Read a `message` or a `delta`.

    Args:
        message: The object as the gateway sent it.
        server_tools: Names of server tools by call id, for one answer. Result blocks in a stream say only
            which call they answer, so the reader notes the calls here and looks the names up.
    """
    piece = Piece()
    content = message.get("content")
    if isinstance(content, str):
        piece.text = content
    elif isinstance(content, list):  # Mistral's reasoning models; Claude on Vertex AI
        _read_content_list(content, piece)
    blocks = message.get("content_blocks")
    if blocks:
        piece.blocks = [
            block for raw in blocks if (block := _read_block(raw, server_tools if server_tools is not None else {}))
        ]
        _unjoin_text(piece)
    piece.reasoning = _reasoning(message, piece)
    calls = message.get("tool_calls")
    if calls:
        piece.tool_calls = [read_tool_call(call) for call in _as_list(calls) if isinstance(call, Mapping)]
    legacy = message.get("function_call")
    if isinstance(legacy, Mapping):
        piece.tool_calls.append(read_tool_call({"function": legacy}))
    for key, value in message.items():
        if key not in _KNOWN_KEYS and value is not None and value != []:
            piece.others[key] = value
    return piece


def _read_content_list(content: list[Any], piece: Piece) -> None:
    texts: list[str] = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            kind = part.get("type")
            if kind == "text":
                texts.append(str(part.get("text") or ""))
                piece.blocks.append(dict(part))
            elif kind == "thinking":
                piece.blocks.append({**part, "thinking": _joined_text(part.get("thinking"))})
            elif isinstance(kind, str):
                piece.blocks.append(dict(part))
    piece.text = "".join(texts)


def _unjoin_text(piece: Piece) -> None:
    """Undo the line breaks with which the gateway joins the text blocks of Bedrock: they are none of the model's."""
    texts = [block.get("text") or "" for block in piece.blocks if block["type"] == "text"]
    if len(texts) > 1 and piece.text == "\n".join(texts):
        piece.text = "".join(texts)


def _joined_text(value: Any) -> str:
    """Mistral's `thinking` is a list of text parts; everyone else's is a string."""
    if isinstance(value, list):
        return "".join(str(part.get("text") or "") for part in value if isinstance(part, Mapping))
    return value if isinstance(value, str) else ""


def _reasoning(message: Mapping[str, Any], piece: Piece) -> str:
    """The reasoning, taken once: OpenRouter's answers carry it in up to three places."""
    thought = "".join(block.get("thinking") or "" for block in piece.blocks if block["type"] == "thinking")
    if thought:
        return thought
    for key in ("reasoning_content", "reasoning"):
        value = message.get(key)
        if isinstance(value, str) and value:
            return value
    details = message.get("reasoning_details")
    if isinstance(details, list):
        parts = [part.get("text") or part.get("summary") for part in details if isinstance(part, Mapping)]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _read_block(raw: Any, server_tools: dict[str, str]) -> dict[str, Any] | None:
    """A content block with its type; `None` for one that says nothing.

    In JSON a block comes whole. In a stream it comes as `{"index", "delta"}` with the type removed, so the
    keys tell what it is.
    """
    if not isinstance(raw, Mapping):
        return None
    delta = raw.get("delta")
    if not isinstance(delta, Mapping):
        return dict(raw) if isinstance(raw.get("type"), str) else None
    kind = _kind_of_delta(delta, server_tools)
    if kind is None:
        return None
    block = {**delta, "type": kind, "index": raw.get("index", 0)}
    if "citation" in block:
        block["citations"] = [block.pop("citation")]
    elif not block.get("citations", True):  # Anthropic begins a text that may cite with null or an empty list
        del block["citations"]
    return block


def _kind_of_delta(delta: Mapping[str, Any], server_tools: dict[str, str]) -> str | None:
    if isinstance(delta.get("type"), str):
        return str(delta["type"])
    if "thinking" in delta or "signature" in delta:
        return "thinking"
    if "data" in delta:
        return "redacted_thinking"
    if "tool_use_id" in delta:
        name = server_tools.get(delta["tool_use_id"], "")
        return _RESULT_TYPES.get(name) or f"{name or 'server'}_tool_result"
    if "id" in delta and "name" in delta:
        server_tools[delta["id"]] = "mcp" if "server_name" in delta else delta["name"]
        return "mcp_tool_use" if "server_name" in delta else "server_tool_use"
    if "text" in delta or "citation" in delta or "citations" in delta:
        return "text"
    if "image_url" in delta:
        return "image_url"
    if "content" in delta:
        return "compaction"
    # A block of a kind that is not known here is handed on under a name that says so; an empty one says nothing.
    return "unknown" if delta else None


def read_tool_call(call: Mapping[str, Any]) -> WireToolCall:
    """Read a tool call of a message, or a piece of one of a delta."""
    index = call.get("index")
    read = WireToolCall(index=index if isinstance(index, int) else None, id=call.get("id") or None)
    function = call.get("function")
    custom = call.get("custom")
    if isinstance(custom, Mapping):
        read.custom = True
        function = {"name": custom.get("name"), "arguments": custom.get("input")}
    if isinstance(function, Mapping):
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        read.name = function.get("name") or None
        read.arguments = arguments
        read.thought_signature = function.get("thought_signature")
    return read


def _as_list(value: Any) -> Iterable[Any]:
    """Cohere's streams have one call as an object where everyone else has a list."""
    return value if isinstance(value, list) else [value]
