"""LangChain messages as the `messages` of a chat-completions request.

Each message is translated on its own; what concerns several (ids of tool calls, names on their results,
system prompts that have to be one, turns that have to alternate) is settled in passes over the result.
Everything here is pure: what was given is never changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.parts import (
    MediaPart,
    OtherPart,
    Part,
    TextPart,
    UnsupportedContentError,
    read_part,
    render_part,
)
from langchain_pollinations_portkey.wire.chat.thinking import thinking_blocks

WireMessage = dict[str, Any]


def messages_to_wire(messages: Sequence[BaseMessage], provider: Provider) -> list[WireMessage]:
    """Translate a conversation for a provider behind the gateway.

    Args:
        messages: The conversation.
        provider: Who will read it.

    Returns:
        Messages of the chat-completions format, in the shape that arrives whole at the provider.

    Raises:
        UnsupportedContentError: A part cannot be sent; the error names the message by its position.
    """
    wire: list[WireMessage] = []
    for position, message in enumerate(messages):
        try:
            wire += _message_to_wire(message, provider)
        except UnsupportedContentError as error:
            raise UnsupportedContentError(f"messages[{position}] ({message.type}): {error}") from None
    _settle_tool_calls(wire, provider)
    if provider.quirks.single_system_message:
        wire = _one_system_message(wire)
    if provider.dialect in ("anthropic", "bedrock"):
        wire = _for_claude(wire, alternate=provider.dialect == "bedrock")
    return wire


def _message_to_wire(message: BaseMessage, provider: Provider) -> list[WireMessage]:
    match message:
        case AIMessage():
            return _assistant(message, provider)
        case ToolMessage():
            return [_tool(message, provider)]
        case HumanMessage():
            return _user(message, provider)
        case SystemMessage():
            role = "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
            return [{"role": role, "content": _system_content(message.content, provider)}]
        case FunctionMessage():
            return [{"role": "function", "name": message.name, "content": _text_of(message.content)}]
        case ChatMessage():
            return [{"role": message.role, "content": _content(message.content, provider)}]
        case _:
            raise UnsupportedContentError(f"a {type(message).__name__} cannot be sent to a model.")


def _parts(content: str | list[str | dict[str, Any]]) -> list[Part]:
    return [TextPart(content)] if isinstance(content, str) else [read_part(part) for part in content]


def _text_of(content: str | list[str | dict[str, Any]]) -> str:
    return "".join(part.text for part in _parts(content) if isinstance(part, TextPart))


def _content(content: str | list[str | dict[str, Any]], provider: Provider) -> str | list[dict[str, Any]]:
    """Content for the reader: a string stays one, a list becomes parts in the provider's form."""
    if isinstance(content, str):
        return content
    return [_render(part, provider) for part in _parts(content)]


def _render(part: Part, provider: Provider) -> dict[str, Any]:
    if isinstance(part, OtherPart):
        raise UnsupportedContentError(f"a part of type {part.type!r} has no place in this message.")
    return render_part(part, provider)


def _system_content(content: str | list[str | dict[str, Any]], provider: Provider) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    parts = _parts(content)
    for part in parts:
        if not isinstance(part, TextPart):
            kind = part.kind if isinstance(part, MediaPart) else part.type
            raise UnsupportedContentError(f"a system prompt is text; a part of type {kind!r} would be lost.")
    # The gateway drops a whole system message whose first part is empty.
    return [_render(part, provider) for part in parts if isinstance(part, TextPart) and part.text]


def _user(message: HumanMessage, provider: Provider) -> list[WireMessage]:
    """A user turn. Anthropic's dialect puts tool results into it; here they are messages of their own."""
    content = message.content
    results: list[WireMessage] = []
    if not isinstance(content, str):
        parts = _parts(content)
        results = [
            _tool_result(part.raw, provider) for part in parts if isinstance(part, OtherPart) and _is_result(part)
        ]
        if results:
            kept = [part for part in parts if not (isinstance(part, OtherPart) and _is_result(part))]
            if not kept:
                return results
            return [*results, {"role": "user", "content": [_render(part, provider) for part in kept]}]
    wire: WireMessage = {"role": "user", "content": _content(content, provider)}
    name = _name(message, provider)
    if name:
        wire["name"] = name
    return [wire]


def _is_result(part: OtherPart) -> bool:
    return part.type == "tool_result"


def _tool_result(block: Mapping[str, Any], provider: Provider) -> WireMessage:
    content = block.get("content")
    return _tool(
        ToolMessage(
            content=content if isinstance(content, str | list) else "",
            tool_call_id=str(block.get("tool_use_id") or ""),
            status="error" if block.get("is_error") else "success",
        ),
        provider,
    )


def _name(message: BaseMessage, provider: Provider) -> str | None:
    """The speaker's name where the provider knows names, without what OpenAI's pattern for it excludes."""
    if not message.name or not provider.quirks.message_names:
        return None
    return re.sub(r"[\s<|\\/>]+", "_", message.name)[:64] or None


def _assistant(message: AIMessage, provider: Provider) -> list[WireMessage]:
    calls = _tool_calls(message)
    text_parts, media = _assistant_parts(message)
    wire: WireMessage = {"role": "assistant"}
    name = _name(message, provider)
    if name:
        wire["name"] = name
    text: str | list[dict[str, Any]]
    if any(part.cache_control for part in text_parts) and provider.quirks.cache_control:
        text = [render_part(part, provider) for part in text_parts if part.text]
    else:
        text = "".join(part.text for part in text_parts)
    if media:
        raise UnsupportedContentError(
            f"an assistant message with an {media[0].kind} cannot be sent back on chat completions; "
            "show it to the model in a human message instead."
        )
    blocks = thinking_blocks(message, text_parts, provider)
    if blocks:
        wire["content_blocks"] = blocks
    refusal = message.additional_kwargs.get("refusal")
    if not text and isinstance(refusal, str):
        text = refusal
    if not calls:
        return [{**wire, "content": text}]
    if not text:
        # `content_blocks` without content loses everything at Bedrock, and null is what OpenAI itself sends.
        return [{**wire, "content": None, "tool_calls": calls}]
    if provider.quirks.keeps_text_beside_tool_calls:
        return [{**wire, "content": text, "tool_calls": calls}]
    return [{**wire, "content": text}, {"role": "assistant", "content": None, "tool_calls": calls}]


def _assistant_parts(message: AIMessage) -> tuple[list[TextPart], list[MediaPart]]:
    """The text and the media of an assistant turn; calls and reasoning are read where they belong."""
    texts: list[TextPart] = []
    media: list[MediaPart] = []
    for part in _parts(message.content):
        if isinstance(part, TextPart):
            texts.append(part)
        elif isinstance(part, MediaPart):
            media.append(part)
    return texts, media


def _tool_calls(message: AIMessage) -> list[dict[str, Any]]:
    """The calls of an assistant turn, valid and invalid; a block of the content that repeats one is not sent twice."""
    signatures = message.additional_kwargs.get("thought_signatures") or {}
    calls: list[dict[str, Any]] = []
    for call in message.tool_calls:
        arguments = json.dumps(call["args"], ensure_ascii=False)
        calls.append(_wire_call(call["id"], call["name"], arguments, signatures))
    for broken in message.invalid_tool_calls:
        # An agent answers invalid calls too, and a result without its call is refused by every provider.
        arguments = broken.get("args") or ""
        calls.append(_wire_call(broken.get("id"), broken.get("name"), _valid_json(arguments), signatures))
    known = {call["id"] for call in calls}
    if not isinstance(message.content, str):
        for block in message.content:
            if (
                isinstance(block, dict)
                and block.get("type") in ("tool_use", "tool_call")
                and block.get("id") not in known
            ):
                given = block.get("input", block.get("args")) or {}
                arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
                calls.append(_wire_call(block.get("id"), block.get("name"), _valid_json(arguments), signatures))
    return calls


def _wire_call(call_id: str | None, name: str | None, arguments: str, signatures: Mapping[str, str]) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name or "", "arguments": arguments}
    if call_id is not None and call_id in signatures:
        function["thought_signature"] = signatures[call_id]
    return {"id": call_id or "", "type": "function", "function": function}


def _valid_json(arguments: str) -> str:
    """`arguments` if it is a JSON object, else an object that holds it: the gateway fails on anything else."""
    try:
        if isinstance(json.loads(arguments or "{}"), dict):
            return arguments or "{}"
    except ValueError:
        pass
    return json.dumps({"invalid_arguments": arguments}, ensure_ascii=False)


ERROR_PREFIX = "Error: "
"""Chat completions has no field for a failed tool; the text has to say it."""


def _tool(message: ToolMessage, provider: Provider) -> WireMessage:
    if not provider.quirks.tool_results:
        raise UnsupportedContentError(
            f"the gateway drops tool calls and their results on the way to {provider.title}; a conversation "
            "with tools cannot go on there."
        )
    wire: WireMessage = {"role": "tool", "tool_call_id": message.tool_call_id}
    if message.name and provider.dialect != "openai":
        wire["name"] = message.name
    content = message.content
    failed = message.status == "error"
    if isinstance(content, str):
        wire["content"] = _marked_failed(content) if failed else content
        return wire
    parts = _parts(content)
    if failed:
        parts = _first_text_marked_failed(parts)
    if all(isinstance(part, TextPart) and not part.cache_control for part in parts):
        wire["content"] = "\n".join(part.text for part in parts if isinstance(part, TextPart))
        return wire
    wire["content"] = [_render_tool_part(part, provider) for part in parts]
    return wire


def _marked_failed(text: str) -> str:
    return text if text.lower().startswith("error") else ERROR_PREFIX + text


def _first_text_marked_failed(parts: list[Part]) -> list[Part]:
    for position, part in enumerate(parts):
        if isinstance(part, TextPart):
            marked = TextPart(_marked_failed(part.text), part.cache_control)
            return [*parts[:position], marked, *parts[position + 1 :]]
    return [TextPart(ERROR_PREFIX.rstrip()), *parts]


def _render_tool_part(part: Part, provider: Provider) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return render_part(part, provider)
    if not provider.quirks.tool_result_images or not isinstance(part, MediaPart):
        kind = part.kind if isinstance(part, MediaPart) else part.type
        raise UnsupportedContentError(
            f"{provider.title} takes only text as the result of a tool through this gateway, no {kind}; "
            "put it into a human message after the result."
        )
    # The gateway hands the content of a tool result on as it is, so it has to be in Anthropic's own form.
    if part.kind not in ("image", "file") or part.file_id:
        raise UnsupportedContentError(
            f"a tool result for {provider.title} holds text, images and PDFs, no {part.kind}."
        )
    default = "image/png" if part.kind == "image" else "application/pdf"
    source = (
        {"type": "url", "url": part.url}
        if part.url
        else {"type": "base64", "media_type": part.mime_type or default, "data": part.data}
    )
    rendered: dict[str, Any] = {"type": "image" if part.kind == "image" else "document", "source": source}
    if part.cache_control:
        rendered["cache_control"] = dict(part.cache_control)
    return rendered


def _settle_tool_calls(wire: list[WireMessage], provider: Provider) -> None:
    """Make ids fit the provider, the same in call and result, and put names on results where they are needed.

    A conversation may have begun at another provider, whose ids look different.
    """
    pattern = re.compile(provider.quirks.tool_call_ids)
    names: dict[str, str] = {}
    for message in wire:
        for call in message.get("tool_calls") or ():
            call["id"] = fitting_id(call["id"], pattern)
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool":
            message["tool_call_id"] = fitting_id(message["tool_call_id"], pattern)
            if provider.dialect == "google" and "name" not in message:
                message["name"] = names.get(message["tool_call_id"], "tool")


def fitting_id(call_id: str, pattern: re.Pattern[str]) -> str:
    """`call_id` if the whole of it matches `pattern`, else another that does, always the same for the same id."""
    if pattern.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode()).hexdigest()
    candidate = f"call_{digest[:24]}"
    return candidate if pattern.fullmatch(candidate) else digest[:9]


def _one_system_message(wire: list[WireMessage]) -> list[WireMessage]:
    """All system prompts as one string in front: for Gemini the gateway keeps the first text of the first message."""
    prompts = [message["content"] for message in wire if message["role"] in ("system", "developer")]
    if not prompts:
        return wire
    texts = [text for prompt in prompts for text in _texts(prompt)]
    rest = [message for message in wire if message["role"] not in ("system", "developer")]
    return [{"role": "system", "content": "\n\n".join(texts)}, *rest]


def _texts(content: str | list[dict[str, Any]]) -> Iterable[str]:
    return [content] if isinstance(content, str) else [part["text"] for part in content]


def _for_claude(wire: list[WireMessage], *, alternate: bool) -> list[WireMessage]:
    """What Anthropic and Bedrock refuse: blank text, turns without content, space at the very end."""
    kept: list[WireMessage] = []
    for message in wire:
        content = _without_blank_text(message.get("content"))
        if content or message.get("tool_calls") or message.get("content_blocks") or message["role"] == "tool":
            kept.append({**message, "content": content})
    if kept and kept[-1]["role"] == "assistant" and isinstance(kept[-1]["content"], str):
        kept[-1]["content"] = kept[-1]["content"].rstrip()
    return _joined_assistant_turns(kept) if alternate else kept


def _without_blank_text(content: Any) -> Any:
    if isinstance(content, str):
        return content if content.strip() else ""
    if isinstance(content, list):
        return [part for part in content if part.get("type") != "text" or (part.get("text") or "").strip()]
    return content


def _joined_assistant_turns(wire: list[WireMessage]) -> list[WireMessage]:
    """Join assistant turns in a row: Bedrock wants turns to alternate, and the gateway joins only user turns."""
    joined: list[WireMessage] = []
    for message in wire:
        previous = joined[-1] if joined else None
        if previous is None or not (previous["role"] == message["role"] == "assistant"):
            joined.append(message)
            continue
        if previous.get("tool_calls"):
            joined.append(message)
            continue
        merged = {**previous, **message}
        merged["content"] = _joined_content(previous.get("content"), message.get("content"))
        if "content_blocks" in previous or "content_blocks" in message:
            merged["content_blocks"] = [*_as_blocks(previous), *_as_blocks(message)]
        joined[-1] = merged
    return joined


def _joined_content(first: Any, second: Any) -> Any:
    if not first or not second:
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n{second}"
    return [*_as_parts(first), *_as_parts(second)]


def _as_parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _as_blocks(message: WireMessage) -> list[dict[str, Any]]:
    blocks = message.get("content_blocks")
    return list(blocks) if blocks else _as_parts(message.get("content") or [])
