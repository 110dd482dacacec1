"""Counting tokens without a tokenizer and without asking anybody: an estimate that is always the same.

LangChain counts before a call: to trim a history, to summarise it, to clear old results of tools. The numbers have
to come quickly, offline, and to be of the right size for the model that is asked; the provider's own count comes
with the answer. A real tokenizer is not used even where one is installed: its count would depend on what else is
in the environment, tiktoken goes to the network for a vocabulary that it has not stored, and no published one is
that of Claude, Gemini, Nova or Grok.

What is counted is what is sent: text, calls of tools and their results, tools, pictures, PDFs, recordings; and
thinking only where it goes back to the model that thought it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.parts import MediaPart, OtherPart, TextPart, read_part
from langchain_pollinations_portkey.wire.chat.token_families import TokenFamily, token_family
from langchain_pollinations_portkey.wire.chat.token_media import (
    Size,
    audio_seconds,
    image_size,
    pdf_pages,
    video_seconds,
)
from langchain_pollinations_portkey.wire.chat.token_text import text_tokens
from langchain_pollinations_portkey.wire.chat.tool_calls import wire_tool_calls
from langchain_pollinations_portkey.wire.chat.tools import ToolLike, tools_to_wire

_UNSEEN_IMAGE: Size = (1024, 1024)
"""What a picture that is not at hand (a URL, a stored file) is taken to be."""

_UNSEEN_PAGES = 3
_UNSEEN_SECONDS = 30.0

_THINKING = ("thinking", "reasoning", "redacted_thinking")

_CHARACTERS_PER_TOKEN_OF_DATA = 3
"""Of what has no text in it that could be read: signatures, encrypted thinking, blocks of unknown types."""


def count_tokens(
    messages: Sequence[BaseMessage],
    tools: Sequence[ToolLike] | None = None,
    *,
    provider: Provider | None,
    model: str = "",
) -> int:
    """Estimate the input tokens of a request.

    It never fails on content: what cannot be understood is counted by its length. More messages, longer text and
    more tools never count less.

    Args:
        messages: The conversation.
        tools: Tools, in any form that `bind_tools` takes.
        provider: Who will read it, `None` if that is not known.
        model: The model's id at the provider.

    Returns:
        Tokens, rounded up; 0 for no messages and no tools.
    """
    family = token_family(provider, model)
    if not messages and not tools:
        return 0
    count = family.request
    replayed = provider is None or provider.quirks.thinking_replay
    for message in messages:
        count += _message_tokens(message, family, replayed=replayed)
    if tools:
        count += family.tools + sum(_tool_tokens(tool, family) for tool in tools)
    return ceil(count)


def count_text(text: str, *, provider: Provider | None, model: str = "") -> int:
    """Estimate the tokens of a text alone.

    Args:
        text: The text.
        provider: Who will read it, `None` if that is not known.
        model: The model's id at the provider.

    Returns:
        Tokens, rounded up.
    """
    return ceil(text_tokens(text, token_family(provider, model).text))


# ---------------------------------------------------------------- messages


def _message_tokens(message: BaseMessage, family: TokenFamily, *, replayed: bool) -> float:
    content = message.content
    apart = isinstance(message, SystemMessage) and family.system is not None
    count = (family.system if apart else family.message) or 0.0
    if isinstance(content, str):
        count += text_tokens(content, family.text)
    else:
        count += sum(_part_tokens(part, family, replayed=replayed) for part in content)
    if message.name and not isinstance(message, ToolMessage):
        count += 1 + text_tokens(message.name, family.text)
    if isinstance(message, AIMessage):
        count += _assistant_tokens(message, family, replayed=replayed)
    elif isinstance(message, ToolMessage):
        count += family.result
    return count


def _assistant_tokens(message: AIMessage, family: TokenFamily, *, replayed: bool) -> float:
    """What an assistant's message has beside its content: calls, and thinking that is kept beside it."""
    count = sum(family.call + text_tokens(call, family.text) for call in _calls(message))
    stored = message.additional_kwargs.get("content_blocks")
    if replayed and isinstance(stored, list) and isinstance(message.content, str):
        count += sum(_part_tokens(part, family, replayed=True) for part in stored if _type(part) in _THINKING)
    return count


def _calls(message: AIMessage) -> list[str]:
    """Name and arguments of each call, those of the time before tools too."""
    try:
        calls = [call["function"] for call in wire_tool_calls(message, _ANY_PROVIDER)]
    except (TypeError, ValueError):  # arguments that are no JSON
        calls = [{"name": call["name"], "arguments": str(call["args"])} for call in message.tool_calls]
    legacy = message.additional_kwargs.get("function_call")
    if isinstance(legacy, Mapping):
        calls.append(dict(legacy))
    return [f"{call.get('name')} {call.get('arguments')}" for call in calls]


_ANY_PROVIDER = Provider(id="", title="", dialect="anthropic")
"""A row under which calls are counted as they are, those of OpenAI's free-form tools as well."""


def _type(part: object) -> Any:
    return part.get("type") if isinstance(part, Mapping) else None


def _part_tokens(raw: Any, family: TokenFamily, *, replayed: bool) -> float:
    try:
        part = read_part(raw)
    except (PortkeyConfigurationError, TypeError, ValueError, AttributeError):
        return _unread_tokens(raw)
    match part:
        case TextPart():
            return text_tokens(part.text, family.text)
        case MediaPart():
            return _media_tokens(part, family)
        case OtherPart(type="tool_use" | "tool_call" | "tool_call_chunk" | "invalid_tool_call"):
            return 0.0  # counted with the message's calls
        case OtherPart(type="tool_result"):
            return family.result + _content_tokens(part.raw.get("content"), family, replayed=replayed)
        case OtherPart(type=kind) if kind in _THINKING:
            return _thinking_tokens(part.raw, family) if replayed else 0.0
        case OtherPart():
            return _unread_tokens(part.raw)


def _content_tokens(content: Any, family: TokenFamily, *, replayed: bool) -> float:
    if isinstance(content, str):
        return text_tokens(content, family.text)
    if isinstance(content, list):
        return sum(_part_tokens(part, family, replayed=replayed) for part in content)
    return 0.0


def _thinking_tokens(block: Mapping[str, Any], family: TokenFamily) -> float:
    """The text of thinking; its signature is a seal and costs nothing, encrypted thinking is thinking."""
    text = block.get("thinking") or block.get("reasoning")
    if isinstance(text, str):
        return text_tokens(text, family.text)
    data = block.get("data")
    return len(data) / _CHARACTERS_PER_TOKEN_OF_DATA if isinstance(data, str) else 0.0


def _unread_tokens(value: Any) -> float:
    return len(json.dumps(value, ensure_ascii=False, default=str)) / _CHARACTERS_PER_TOKEN_OF_DATA


# ---------------------------------------------------------------- pictures, files, recordings


def _media_tokens(part: MediaPart, family: TokenFamily) -> float:
    data = part.base64
    match part.kind:
        case "image":
            width, height = (image_size(data) if data else None) or _UNSEEN_IMAGE
            return family.image(width, height, part.settings.get("detail") == "low")
        case "audio":
            return family.audio_second * (audio_seconds(data) if data else _UNSEEN_SECONDS)
        case "video":
            return family.video_second * (video_seconds(data) if data else _UNSEEN_SECONDS)
        case _:
            return family.page * (pdf_pages(data) if data else _UNSEEN_PAGES)


# ---------------------------------------------------------------- tools


def _tool_tokens(tool: ToolLike, family: TokenFamily) -> float:
    try:
        wire = tools_to_wire([tool])[0]
    except PortkeyConfigurationError:
        return family.tool + _unread_tokens(tool)
    function = wire.get("function")
    if not isinstance(function, Mapping):
        return family.tool + _unread_tokens(wire)
    schema = json.dumps(function.get("parameters") or {}, ensure_ascii=False, default=str)
    count = family.tool + family.schema * text_tokens(schema, family.text)
    return count + sum(text_tokens(str(function.get(key) or ""), family.text) for key in ("name", "description"))
