"""Reasoning on its way back to the model that thought it.

Claude checks the signature of its thinking and refuses a conversation whose thinking was changed, so blocks go
back byte for byte, in order and together with the text between them: the gateway reads `content_blocks`
*instead of* `content`, and thinking alone would erase the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.parts import TextPart

_SENDABLE_KEYS = {
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "text": ("text", "cache_control"),
}
"""What a provider accepts in each block; anything else (`index`, `annotations`) is refused as extra input."""


def thinking_blocks(message: AIMessage, texts: Sequence[TextPart], provider: Provider) -> list[dict[str, Any]]:
    """The `content_blocks` of an assistant message, empty when there is no thinking to send back.

    Args:
        message: A message in any of the shapes it takes: invoked, streamed, v1, v3, reloaded from JSON.
        texts: Its text as the content has it now; it counts where the kept blocks differ (somebody redacted it).
        provider: Who will read it.
    """
    if not provider.quirks.thinking_replay:
        return []
    blocks = [block for block in _stored_blocks(message) if _is_sendable(block, provider)]
    if not any(block["type"] != "text" for block in blocks):
        return []
    kept_text = "".join(block["text"] for block in blocks if block["type"] == "text")
    current = "".join(part.text for part in texts)
    if kept_text != current:
        blocks = [block for block in blocks if block["type"] != "text"]
        blocks += [{"type": "text", "text": current}] if current.strip() else []
    return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def _stored_blocks(message: AIMessage) -> Iterator[dict[str, Any]]:
    if not isinstance(message.content, str):
        found = [block for part in message.content if (block := _from_content(part))]
        if any(block["type"] != "text" for block in found):
            yield from found
            return
    for block in message.additional_kwargs.get("content_blocks") or ():
        kept = _sendable(block)
        if kept:
            yield kept


def _from_content(part: str | Mapping[str, Any]) -> dict[str, Any] | None:
    """A block from message content: Anthropic's own, or LangChain's v1 reading of it."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type")
    if kind == "reasoning":
        extras = part.get("extras") or {}
        signature = extras.get("signature") or part.get("signature")
        return {"type": "thinking", "thinking": part.get("reasoning") or "", "signature": signature or ""}
    if kind == "non_standard" and isinstance(part.get("value"), Mapping):
        return _sendable(part["value"])
    return _sendable(part)


def _sendable(block: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = block.get("type")
    keys = _SENDABLE_KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None:
        return None
    return {"type": kind, **{key: block[key] for key in keys if key in block}}


def _is_sendable(block: Mapping[str, Any], provider: Provider) -> bool:
    """Thinking without a signature is refused; redacted thinking does not survive the way to every provider."""
    if block["type"] == "thinking":
        return bool(block.get("signature"))
    if block["type"] == "redacted_thinking":
        return provider.quirks.redacted_thinking_replay
    return True
