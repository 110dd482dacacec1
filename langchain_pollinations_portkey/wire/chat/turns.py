"""What concerns several messages of a request: ids, order, alternation.

Passes over messages in the chat-completions format. Each takes a list and gives one; the list that was given is
this package's own, fresh from `messages`, and may be changed on the way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from langchain_pollinations_portkey._json import CheckedList
from langchain_pollinations_portkey.catalogue.entries import Provider

WireMessage = dict[str, Any]

_SYSTEM_ROLES = ("system", "developer")

_BRIDGE = "OK."
"""What an assistant says between the result of a tool and the user, where the two may not meet."""

TOOL_TURNS_LOSS = "tool_turns"
"""Key of the loss of the form of tool calls."""


def settle_turns(
    wire: list[WireMessage], provider: Provider, losses: dict[str, str], *, has_tools: bool
) -> list[WireMessage]:
    """Bring a conversation into the order and shape that its provider takes.

    Args:
        wire: The messages.
        provider: Who will read them.
        losses: Takes a sentence about what is changed.
        has_tools: Whether the request defines tools.
    """
    quirks = provider.quirks
    plain = isinstance(wire, CheckedList)
    _settle_tool_calls(wire, provider)
    if quirks.needs_tools_for_history and not has_tools and any(map(_has_tools, wire)):
        wire = _tool_turns_as_text(wire)
        losses[TOOL_TURNS_LOSS] = (
            f"{provider.title} takes tool calls and their results only together with tools, and this request has "
            "none; they are written out as text."
        )
    if quirks.single_system_message:
        wire = _one_system_message(wire)
    if provider.dialect in ("anthropic", "bedrock", "google"):
        wire = _without_blank_turns(wire)
    if provider.dialect in ("anthropic", "bedrock"):
        _strip_final_space(wire)
    if provider.dialect == "bedrock":
        wire = _joined_assistant_turns(wire)
    if not quirks.user_after_tool:
        wire = _bridged(wire)
    return CheckedList(wire) if plain else wire  # texts stay texts


def _settle_tool_calls(wire: list[WireMessage], provider: Provider) -> None:
    """Make ids fit the provider, the same in call and result, and put names on results where they are needed.

    A conversation may have begun at another provider, whose ids look different.
    """
    pattern = re.compile(provider.quirks.tool_call_ids)
    named = provider.dialect == "google"
    names: dict[str, str] = {}
    fitting: dict[str, str] = {}
    for message in wire:
        role = message["role"]
        if role == "assistant":
            for call in message.get("tool_calls") or ():
                call_id = call["id"]
                call["id"] = fitting[call_id] = fitting_id(call_id, pattern)
                if named:
                    names[call["id"]] = call[call["type"]]["name"]
        elif role == "tool":
            call_id = message["tool_call_id"]
            message["tool_call_id"] = fitting.get(call_id) or fitting_id(call_id, pattern)
            if named and "name" not in message:
                message["name"] = names.get(message["tool_call_id"], "tool")


def fitting_id(call_id: str, pattern: re.Pattern[str]) -> str:
    """`call_id` if the whole of it matches `pattern`, else another that does, always the same for the same id."""
    if pattern.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode()).hexdigest()
    candidate = f"call_{digest[:24]}"
    return candidate if pattern.fullmatch(candidate) else digest[:9]


def _has_tools(message: WireMessage) -> bool:
    return bool(message.get("tool_calls")) or message["role"] == "tool"


def _tool_turns_as_text(wire: list[WireMessage]) -> list[WireMessage]:
    """Calls and results as the text of their turns."""
    names = {call["id"]: call[call["type"]]["name"] for message in wire for call in message.get("tool_calls") or ()}
    written: list[WireMessage] = []
    for message in wire:
        if message["role"] == "tool":
            name = names.get(message["tool_call_id"], "a tool")
            text = "\n".join(_texts(message["content"] or ""))
            written.append({"role": "user", "content": f"[Result of {name}: {text}]"})
        elif message.get("tool_calls"):
            calls = [call["function"] for call in message["tool_calls"]]
            text = "\n".join(f"[Called {call['name']} with {call['arguments']}]" for call in calls)
            rest = {key: value for key, value in message.items() if key != "tool_calls"}
            said = {**rest, "content": _joined_content(message["content"], text)}
            if "content_blocks" in message:
                said["content_blocks"] = [*message["content_blocks"], {"type": "text", "text": text}]
            written.append(said)
        else:
            written.append(message)
    return written


def _one_system_message(wire: list[WireMessage]) -> list[WireMessage]:
    """All system prompts as one string in front: for Gemini the gateway keeps the first text of the first message."""
    prompts = [message["content"] for message in wire if message["role"] in _SYSTEM_ROLES]
    texts = [text for prompt in prompts for text in _texts(prompt) if text.strip()]
    rest = [message for message in wire if message["role"] not in _SYSTEM_ROLES]
    return [{"role": "system", "content": "\n\n".join(texts)}, *rest] if texts else rest


def _texts(content: str | list[dict[str, Any]]) -> Iterable[str]:
    return [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]


def _without_blank_turns(wire: list[WireMessage]) -> list[WireMessage]:
    """Without blank text and turns that hold nothing else, which Claude and Gemini refuse."""
    kept: list[WireMessage] = []
    for message in wire:
        given = message.get("content")
        if isinstance(given, str) and given and not given.isspace():
            kept.append(message)
            continue
        if message["role"] == "assistant" and message.get("content_blocks"):
            kept.append(message)  # they are read instead of the content
            continue
        content = _without_blank_text(given)
        if message["role"] == "assistant" and message.get("tool_calls"):
            kept.append({**message, "content": content or None})
        elif content or message["role"] == "tool":
            kept.append({**message, "content": content})
    return kept


def _without_blank_text(content: Any) -> Any:
    if isinstance(content, str):
        return content if content.strip() else ""
    if isinstance(content, list):
        return [part for part in content if part.get("type") != "text" or (part.get("text") or "").strip()]
    return content


def _strip_final_space(wire: list[WireMessage]) -> None:
    """Take the space off the end of a final assistant turn: Claude refuses to go on after it."""
    last = wire[-1] if wire else None
    if last is None or last["role"] != "assistant" or last.get("tool_calls"):
        return
    if isinstance(last["content"], str) and last["content"].strip():
        last["content"] = last["content"].rstrip()
    for key in ("content", "content_blocks"):
        parts = last.get(key)
        if isinstance(parts, list) and parts and parts[-1].get("type") == "text":
            last[key] = [*parts[:-1], {**parts[-1], "text": parts[-1]["text"].rstrip()}]


def _joined_assistant_turns(wire: list[WireMessage]) -> list[WireMessage]:
    """Join assistant turns in a row: Bedrock wants turns to alternate, and the gateway joins only user turns."""
    joined: list[WireMessage] = []
    for message in wire:
        previous = joined[-1] if joined else None
        follows_assistant = previous is not None and previous["role"] == message["role"] == "assistant"
        if previous is None or not follows_assistant or previous.get("tool_calls"):
            joined.append(message)
            continue
        merged = {**previous, **message, "content": _joined_content(previous.get("content"), message.get("content"))}
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


def _bridged(wire: list[WireMessage]) -> list[WireMessage]:
    """With a word of the assistant between each result of a tool and a user who speaks right after it."""
    bridged: list[WireMessage] = []
    for message in wire:
        if message["role"] == "user" and bridged and bridged[-1]["role"] == "tool":
            bridged.append({"role": "assistant", "content": _BRIDGE})
        bridged.append(message)
    return bridged
