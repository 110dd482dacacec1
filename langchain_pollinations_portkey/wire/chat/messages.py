"""LangChain messages as the `messages` of a chat-completions request.

Each message is translated on its own here; what concerns several of them (ids of tool calls, system prompts that
have to be one, turns that have to alternate) is settled in `turns`. Everything is pure: what was given is never
changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_pollinations_portkey._json import CheckedList
from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.legacy import modern_message
from langchain_pollinations_portkey.wire.chat.parts import (
    MediaPart,
    OtherPart,
    Part,
    TextPart,
    UnknownContentError,
    UnsupportedContentError,
    read_part,
)
from langchain_pollinations_portkey.wire.chat.plain import WireMessage, plain_writers
from langchain_pollinations_portkey.wire.chat.rendering import render_part, render_tool_result_part
from langchain_pollinations_portkey.wire.chat.thinking import replayed_blocks
from langchain_pollinations_portkey.wire.chat.tool_calls import wire_tool_calls

Content = str | list[str | dict[str, Any]]
OnUnknownBlock = Literal["raise", "pass"]

ERROR_PREFIX = "Error: "
"""Chat completions has no field for a failed tool; the text has to say it."""

_ATTACHED = "Attached below."
"""The text of a tool's result that is nothing but files, where those have to follow in another message."""


@dataclass(slots=True)
class Sending:
    """What the translation of one conversation needs and collects.

    Attributes:
        provider: Who will read it.
        pass_unknown: Send parts of an unknown type as they are instead of refusing them.
        losses: One sentence per thing that cannot be sent, by its name.
        attachments: Files out of tools' results that wait for a message of the user.
        earlier: What has been written so far.
    """

    provider: Provider
    pass_unknown: bool = False
    losses: dict[str, str] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    earlier: Sequence[WireMessage] = ()


def messages_to_wire(
    messages: Sequence[BaseMessage], provider: Provider, *, on_unknown_block: OnUnknownBlock = "raise"
) -> tuple[list[WireMessage], dict[str, str]]:
    """Translate the messages of a conversation, one by one.

    Args:
        messages: The conversation.
        provider: Who will read it.
        on_unknown_block: Whether a content part of an unknown type is refused, or sent as it is.

    Returns:
        Messages of the chat-completions format, and a sentence about each thing that is lost, by its name.

    Raises:
        UnsupportedContentError: A part cannot be sent; the error names the message by its position.
    """
    sending = Sending(provider, pass_unknown=on_unknown_block == "pass")
    writers = plain_writers(provider)
    wire: list[WireMessage] = []
    others = False
    open_calls: dict[str, str] = {}
    for position, message in enumerate(messages):
        write = writers.get(type(message))
        plain = None if write is None else write(message)
        if plain is not None:
            if sending.attachments and plain["role"] != "tool":
                wire.append(_attachments_message(sending))
            wire.append(plain)
            continue
        others = True
        modern = modern_message(message, position, open_calls)
        sending.earlier = wire
        try:
            translated = _message_to_wire(modern, sending)
        except UnsupportedContentError as error:
            error.args = (f"messages[{position}] ({modern.type}): {error}",)
            raise
        if sending.attachments and not isinstance(modern, ToolMessage):
            wire.append(_attachments_message(sending))
        wire += translated
    if sending.attachments:
        wire.append(_attachments_message(sending))
    return wire if others else CheckedList(wire), sending.losses


def _message_to_wire(message: BaseMessage, sending: Sending) -> list[WireMessage]:
    match message:
        case AIMessage():
            return _assistant(message, sending)
        case ToolMessage():
            return [_tool(message, sending)]
        case HumanMessage():
            return _user(message, sending)
        case SystemMessage():
            role = "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
            return _system(message, role, sending)
        case FunctionMessage():
            raise UnsupportedContentError(f"no earlier message calls the function {message.name!r}.")
        case ChatMessage():
            return [{"role": message.role, "content": _content(message.content, sending)}]
        case _:
            raise UnsupportedContentError(f"a {type(message).__name__} cannot be sent to a model.")


def _parts(content: Content, sending: Sending) -> list[Part]:
    """The parts of a content; one of an unknown type is an `OtherPart` where such are sent as they are."""
    if isinstance(content, str):
        return [TextPart(content)]
    parts: list[Part] = []
    for raw in content:
        try:
            parts.append(read_part(raw))
        except UnknownContentError:
            if not sending.pass_unknown or not isinstance(raw, Mapping):
                raise
            parts.append(OtherPart("unknown", raw))
    return parts


def _content(content: Content, sending: Sending) -> str | list[dict[str, Any]]:
    """Content for the reader: a string stays one, a list becomes parts in the provider's form."""
    if isinstance(content, str):
        return content
    return [_render(part, sending) for part in _parts(content, sending)] or ""


def _render(part: Part, sending: Sending) -> dict[str, Any]:
    if not isinstance(part, OtherPart):
        if isinstance(part, MediaPart):
            _note_lost_settings(part, sending)
        return render_part(part, sending.provider)
    if part.type == "unknown":
        return dict(part.raw)
    if part.type == "search_result":
        return render_part(_search_result_text(part.raw), sending.provider)
    raise UnsupportedContentError(f"a part of type {part.type!r} has no place in this message.")


def _note_lost_settings(part: MediaPart, sending: Sending) -> None:
    for name in ("citations", "context"):
        if name in part.settings:
            sending.losses[f"document_{name}"] = (
                f"the gateway does not hand the {name!r} of a document on to {sending.provider.title}."
            )


def _search_result_text(block: Mapping[str, Any]) -> TextPart:
    """Anthropic's search results as text: outside of tool results the gateway drops the block."""
    texts = [str(part.get("text") or "") for part in block.get("content") or () if isinstance(part, Mapping)]
    heading = " - ".join(str(block[key]) for key in ("title", "source") if block.get(key))
    marker = block.get("cache_control")
    return TextPart("\n".join([heading, *texts] if heading else texts), marker if isinstance(marker, Mapping) else None)


def _system(message: SystemMessage, role: str, sending: Sending) -> list[WireMessage]:
    content = message.content
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    parts = _parts(content, sending)
    for part in parts:
        if not isinstance(part, TextPart):
            kind = part.kind if isinstance(part, MediaPart) else part.type
            raise UnsupportedContentError(f"a system prompt is text; a part of type {kind!r} would be lost.")
    # The gateway drops a whole system message whose first part is empty.
    kept = [_render(part, sending) for part in parts if isinstance(part, TextPart) and part.text]
    return [{"role": role, "content": kept}] if kept else []


def _user(message: HumanMessage, sending: Sending) -> list[WireMessage]:
    """A user turn. Anthropic's dialect puts tool results into it; here they are messages of their own, before it."""
    content = message.content
    wire: WireMessage = {"role": "user"}
    results: list[WireMessage] = []
    if isinstance(content, str):
        wire["content"] = content
    else:
        parts = _parts(content, sending)
        answers = [part for part in parts if isinstance(part, OtherPart) and part.type == "tool_result"]
        rest = [part for part in parts if part not in answers]
        results = [_tool(_tool_message(part.raw), sending) for part in answers]
        if sending.attachments:
            results.append(_attachments_message(sending))
        if results and not rest:
            return results
        wire["content"] = [_render(part, sending) for part in rest] or ""
    name = _name(message, sending.provider)
    if name:
        wire["name"] = name
    return [*results, wire]


def _tool_message(block: Mapping[str, Any]) -> ToolMessage:
    """Anthropic's `tool_result` block as LangChain's message."""
    content, marker = block.get("content"), block.get("cache_control")
    if marker and isinstance(content, str):
        content = [{"type": "text", "text": content, "cache_control": marker}]
    elif marker and isinstance(content, list) and content:
        last = content[-1] if isinstance(content[-1], Mapping) else {"type": "text", "text": str(content[-1])}
        content = [*content[:-1], {**last, "cache_control": marker}]
    return ToolMessage(
        content=content if isinstance(content, str | list) else "",
        tool_call_id=str(block.get("tool_use_id") or ""),
        status="error" if block.get("is_error") else "success",
    )


def _name(message: BaseMessage, provider: Provider) -> str | None:
    """The speaker's name where the provider knows names, without what OpenAI's pattern for it excludes."""
    if not message.name or not provider.quirks.message_names:
        return None
    return re.sub(r"[\s<|\\/>]+", "_", message.name)[:64] or None


def _assistant(message: AIMessage, sending: Sending) -> list[WireMessage]:
    provider = sending.provider
    texts = _spoken(message, sending)
    calls = wire_tool_calls(message, provider)
    wire: WireMessage = {"role": "assistant"}
    name = _name(message, provider)
    if name:
        wire["name"] = name
    for key in sorted(provider.quirks.replayed_keys & message.additional_kwargs.keys()):
        wire[key] = message.additional_kwargs[key]
    text: str | list[dict[str, Any]]
    if provider.quirks.cache_control and any(part.cache_control for part in texts):
        text = [render_part(part, provider) for part in texts if part.text]
    else:
        text = "".join(part.text for part in texts)
    blocks = replayed_blocks(message, texts, provider, sending.losses)
    if blocks:
        wire["content_blocks"] = blocks
        # The gateway reads `content_blocks` instead, but for Bedrock only beside a content.
        text = text or ("" if calls else " ")
    if not calls:
        return [{**wire, "content": text}]
    if not text:
        return [{**wire, "content": None, "tool_calls": calls}]
    if provider.quirks.keeps_text_beside_tool_calls:
        return [{**wire, "content": text, "tool_calls": calls}]
    return [{**wire, "content": text}, {"role": "assistant", "content": None, "tool_calls": calls}]


def _spoken(message: AIMessage, sending: Sending) -> list[TextPart]:
    """What an assistant said, as text; calls and reasoning are read where they belong."""
    kwargs = message.additional_kwargs
    parts = _parts(message.content, sending)
    texts = [part for part in parts if isinstance(part, TextPart)]
    if not any(part.text for part in texts):
        refusal, audio = kwargs.get("refusal"), kwargs.get("audio")
        said = refusal if isinstance(refusal, str) else audio.get("transcript") if isinstance(audio, Mapping) else None
        texts = [TextPart(said)] if isinstance(said, str) else texts
    shown = {part.kind for part in parts if isinstance(part, MediaPart)}
    shown |= {"image" for block in kwargs.get("content_blocks") or () if block.get("type") == "image_url"}
    for kind in sorted(shown):
        sending.losses[f"assistant_{kind}"] = (
            f"an {kind} in an assistant's message cannot be sent back on chat completions; the model does not see it. "
            "Show it in a human message instead."
        )
    return texts


def _tool(message: ToolMessage, sending: Sending) -> WireMessage:
    provider = sending.provider
    if not provider.quirks.tool_results:
        raise UnsupportedContentError(
            f"the gateway drops tool calls and their results on the way to {provider.title}; a conversation "
            "with tools cannot go on there."
        )
    wire: WireMessage = {"role": "tool", "tool_call_id": message.tool_call_id}
    if message.name and provider.dialect != "openai":
        wire["name"] = message.name
    parts = _parts(message.content, sending)
    if message.status == "error":
        parts = _marked_failed(parts)
    wire["content"] = _result_content(parts, message, sending)
    return wire


def _marked_failed(parts: list[Part]) -> list[Part]:
    """The parts of a failed tool's result, the first text of them saying so."""
    for position, part in enumerate(parts):
        if isinstance(part, TextPart):
            text = part.text if part.text.lower().startswith("error") else ERROR_PREFIX + part.text
            return [*parts[:position], TextPart(text, part.cache_control), *parts[position + 1 :]]
    return [TextPart(ERROR_PREFIX.rstrip()), *parts]


def _result_content(parts: list[Part], message: ToolMessage, sending: Sending) -> str | list[dict[str, Any]]:
    """The content of a tool's result: a string unless there is more than text that its provider takes there."""
    provider = sending.provider
    inside = provider.quirks.tool_result_images
    if not inside:
        _attach([part for part in parts if isinstance(part, MediaPart)], message, sending)
        rest: list[Part] = [part for part in parts if not isinstance(part, MediaPart)]
        parts = rest or [TextPart(_ATTACHED)]
    if not inside or all(isinstance(part, TextPart) and not part.cache_control for part in parts):
        texts = [_as_text(part) for part in parts]
        marker = next((part.cache_control for part in reversed(texts) if part.cache_control), None)
        if marker is None or not provider.quirks.cache_control:
            return "\n".join(part.text for part in texts)
        return [render_tool_result_part(part, provider) for part in texts]
    return [
        dict(part.raw) if isinstance(part, OtherPart) else render_tool_result_part(part, provider) for part in parts
    ]


def _as_text(part: Part) -> TextPart:
    if isinstance(part, TextPart):
        return part
    if isinstance(part, OtherPart) and part.type == "search_result":
        return _search_result_text(part.raw)
    kind = part.kind if isinstance(part, MediaPart) else part.type
    raise UnsupportedContentError(f"a part of type {kind!r} has no place in the result of a tool.")


def _attach(media: list[MediaPart], message: ToolMessage, sending: Sending) -> None:
    """Keep files out of a tool's result for the message of the user that follows the results."""
    if not media:
        return
    name = message.name or _called(message.tool_call_id, sending.earlier)
    sending.attachments.append({"type": "text", "text": f"Returned by {name or 'a tool'}:"})
    sending.attachments += [_render(part, sending) for part in media]


def _called(call_id: str, earlier: Sequence[WireMessage]) -> str | None:
    """The name of the tool that was called last by this id."""
    calls = (call for message in reversed(earlier) for call in reversed(message.get("tool_calls") or ()))
    return next((str(call[call["type"]]["name"]) for call in calls if call["id"] == call_id), None)


def _attachments_message(sending: Sending) -> WireMessage:
    content, sending.attachments = sending.attachments, []
    return {"role": "user", "content": content}
