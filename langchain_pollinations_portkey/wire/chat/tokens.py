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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

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
from langchain_pollinations_portkey.wire.chat.tools import tools_to_wire

if TYPE_CHECKING:
    from langchain_pollinations_portkey.wire.chat.tools import ToolLike

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
    tokens_of: Callable[[str], float] | None = None,
) -> int:
    """Estimate the input tokens of a request.

    It never fails on content: what cannot be understood is counted by its length. More messages, longer text and
    more tools never count less.

    Args:
        messages: The conversation.
        tools: Tools, in any form that `bind_tools` takes.
        provider: Who will read it, `None` if that is not known.
        model: The model's id at the provider.
        tokens_of: Counts a text, for users who have the model's tokenizer; instead of the estimate.

    Returns:
        Tokens, rounded up; 0 for no messages and no tools.
    """
    family = token_family(provider, model)
    if not messages and not tools:
        return 0
    counter = _Counter(
        family,
        thinking=provider is None or provider.quirks.thinking_replay,
        text=tokens_of or partial(text_tokens, rates=family.text),
    )
    count = family.request + sum(map(counter.message, messages))
    if tools:
        count += family.tools + sum(map(counter.tool, tools))
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


@dataclass(frozen=True, slots=True)
class _Counter:
    """Counts the things that a request is made of.

    Attributes:
        family: What the models concerned make of them.
        thinking: Whether earlier thinking goes back to the model.
        text: Counts a text.
    """

    family: TokenFamily
    thinking: bool
    text: Callable[[str], float]

    # ------------------------------------------------------------ messages

    def message(self, message: BaseMessage) -> float:
        try:
            return self.parts_of(message)
        except RecursionError:  # it cannot be sent either, which is not for a count to say
            return self.family.message

    def parts_of(self, message: BaseMessage) -> float:
        """Everything in a message."""
        family = self.family
        apart = isinstance(message, SystemMessage) and family.system is not None
        count = (family.system if apart else family.message) or 0.0
        count += self.content(message.content)
        if message.name and not isinstance(message, ToolMessage):
            count += 1 + self.text(message.name)
        if isinstance(message, AIMessage):
            count += sum(family.call + self.text(call) for call in _calls(message))
            count += self.stored_thinking(message)
        elif isinstance(message, ToolMessage):
            count += family.result
        return count

    def content(self, content: Any) -> float:
        if isinstance(content, str):
            return self.text(content)
        return sum(map(self.part, content)) if isinstance(content, list) else 0.0

    def stored_thinking(self, message: AIMessage) -> float:
        """Thinking that is kept beside the content."""
        stored = message.additional_kwargs.get("content_blocks")
        if not self.thinking or not isinstance(stored, list) or not isinstance(message.content, str):
            return 0.0
        return sum(self.part(part) for part in stored if isinstance(part, Mapping) and part.get("type") in _THINKING)

    def part(self, raw: Any) -> float:
        try:
            part = read_part(raw)
        except (PortkeyConfigurationError, TypeError, ValueError, AttributeError):
            return _unread_tokens(raw)
        match part:
            case TextPart():
                return self.text(part.text)
            case MediaPart():
                return self.media(part)
            case OtherPart(type="tool_use" | "tool_call" | "tool_call_chunk" | "invalid_tool_call"):
                return 0.0  # counted with the message's calls
            case OtherPart(type="tool_result"):
                return self.family.result + self.content(part.raw.get("content"))
            case OtherPart(type=kind) if kind in _THINKING:
                return self.thought(part.raw) if self.thinking else 0.0
            case OtherPart():
                return _unread_tokens(part.raw)

    def thought(self, block: Mapping[str, Any]) -> float:
        """The text of thinking; its signature is a seal and costs nothing, encrypted thinking is thinking."""
        text = block.get("thinking") or block.get("reasoning")
        if isinstance(text, str):
            return self.text(text)
        data = block.get("data")
        return len(data) / _CHARACTERS_PER_TOKEN_OF_DATA if isinstance(data, str) else 0.0

    # ------------------------------------------------------------ pictures, files, recordings

    def media(self, part: MediaPart) -> float:
        family = self.family
        data = part.base64 if isinstance(part.base64, str) else None  # what users write is not always base64
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

    # ------------------------------------------------------------ tools

    def tool(self, tool: ToolLike) -> float:
        family = self.family
        try:
            wire = tools_to_wire([tool])[0]
            function = wire.get("function")
            if not isinstance(function, Mapping):
                return family.tool + _unread_tokens(wire)
            schema = json.dumps(function.get("parameters") or {}, ensure_ascii=False, default=str)
        except (PortkeyConfigurationError, TypeError, ValueError, RecursionError):  # no tool, or one that holds itself
            return family.tool + _unread_tokens(tool)
        count = family.tool + family.schema * self.text(schema)
        return count + sum(self.text(str(function.get(key) or "")) for key in ("name", "description"))


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


def _unread_tokens(value: Any) -> float:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, a value that holds itself
        try:
            text = str(value)
        except RecursionError:
            return 0.0  # it cannot be sent either
    return len(text) / _CHARACTERS_PER_TOKEN_OF_DATA
