"""Reasoning on its way back to the model that thought it.

Claude checks the signature of its thinking and refuses a conversation whose thinking was changed, so blocks go
back byte for byte, in order and together with the text between them: the gateway reads `content_blocks`
*instead of* `content`, and thinking alone would erase the text. What the provider's own tools did stands between
the text as well, and goes back in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from langchain_pollinations_portkey.catalogue.entries import Provider, Quirks
from langchain_pollinations_portkey.wire.chat.parts import TextPart, UnsupportedContentError, read_part

Block = dict[str, Any]

_SENDABLE_KEYS = {
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "text": ("text",),
    "server_tool_use": ("id", "name", "input"),
    "mcp_tool_use": ("id", "name", "server_name", "input"),
}
"""What a provider accepts in each block; anything else (`index`, `annotations`) is refused as extra input."""

REDACTED_LOSS = "redacted_thinking"
"""Key of the loss of redacted thinking."""


def replayed_blocks(
    message: AIMessage, texts: Sequence[TextPart], provider: Provider, losses: dict[str, str]
) -> list[Block]:
    """The `content_blocks` of an assistant message, empty when its text says all.

    Args:
        message: A message in any of the shapes it takes: invoked, streamed, v1, v3, reloaded from JSON.
        texts: Its text as the content has it now, with cache breakpoints; it counts where the kept blocks differ
            (somebody redacted it).
        provider: Who will read it.
        losses: Takes a sentence about what cannot go back.
    """
    quirks = provider.quirks
    if not quirks.thinking_replay:
        return []
    stored = list(_stored_blocks(message))
    if not quirks.redacted_thinking_replay and any(block["type"] == "redacted_thinking" for block in stored):
        losses[REDACTED_LOSS] = (
            f"the gateway drops redacted thinking on the way back to {provider.title}; the model goes on without "
            "that part of its reasoning."
        )
    blocks = [block for block in stored if _is_sendable(block, quirks)]
    if all(block["type"] == "text" for block in blocks):
        return []
    return _with_current_text(blocks, texts, quirks)


def _with_current_text(blocks: list[Block], texts: Sequence[TextPart], quirks: Quirks) -> list[Block]:
    """The blocks with the text of the content, and its cache breakpoints, in them."""
    kept = [block["text"] for block in blocks if block["type"] == "text"]
    current = "".join(part.text for part in texts)
    if current not in ("".join(kept), "\n".join(kept)):  # the gateway joins Bedrock's with line breaks
        blocks = [block for block in blocks if block["type"] != "text"]
        blocks += [{"type": "text", "text": part.text} for part in texts]
        kept = [part.text for part in texts]
    blocks = [block for block in blocks if block["type"] != "text" or block["text"].strip()]
    if quirks.cache_control:
        _mark(blocks, texts, one_to_one=len(kept) == len(texts))
    return blocks


def _mark(blocks: list[Block], texts: Sequence[TextPart], *, one_to_one: bool) -> None:
    """Put the breakpoints of the content where its text is: part by part if they match, else after all of it."""
    spoken = [block for block in blocks if block["type"] == "text"]
    if one_to_one:
        pairs = list(zip(spoken, (part.cache_control for part in texts if part.text.strip()), strict=False))
    else:
        pairs = [(block, part.cache_control) for block in spoken[-1:] for part in texts if part.cache_control]
    for block, marker in pairs:
        if marker:
            block["cache_control"] = dict(marker)


def _stored_blocks(message: AIMessage) -> Iterator[Block]:
    """The blocks of the content where it is a list with more than text, else those kept beside it."""
    if not isinstance(message.content, str):
        found = [block for part in message.content if (block := _from_content(part))]
        if any(block["type"] != "text" for block in found):
            yield from found
            return
    for block in message.additional_kwargs.get("content_blocks") or ():
        kept = _bare(block)
        if kept:
            yield kept


def _from_content(part: str | Mapping[str, Any]) -> Block | None:
    """A block from message content: Anthropic's own, or LangChain's v1 reading of it."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    given = part.get("extras")
    extras: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    match part.get("type"):
        case "reasoning":
            signature = extras.get("signature") or part.get("signature")
            return {"type": "thinking", "thinking": part.get("reasoning") or "", "signature": signature or ""}
        case "non_standard" if isinstance(part.get("value"), Mapping):
            return _bare(part["value"])
        case "server_tool_call":
            return _bare({"type": "server_tool_use", "input": part.get("args") or {}, **part, **extras} | _kind(extras))
        case "server_tool_result":
            kind = extras.get("type")
            if not isinstance(kind, str):
                return None
            return {**extras, "tool_use_id": part.get("tool_call_id"), "content": part.get("output")}
        case "text":
            return _spoken(part)
        case _:
            return _bare(part)


def _kind(extras: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": extras.get("type") or "server_tool_use"}


def _spoken(part: Mapping[str, Any]) -> Block | None:
    try:
        read = read_part(part)
    except UnsupportedContentError:
        return None
    return {"type": "text", "text": read.text} if isinstance(read, TextPart) else None


def _bare(block: Mapping[str, Any]) -> Block | None:
    """A block with the keys that its provider takes back, `None` for one that has no business there."""
    kind = block.get("type")
    if not isinstance(kind, str):
        return None
    if _is_result(kind):
        return {key: value for key, value in block.items() if key != "index"}
    keys = _SENDABLE_KEYS.get(kind)
    return None if keys is None else {"type": kind, **{key: block[key] for key in keys if key in block}}


def _is_result(kind: str) -> bool:
    """Anthropic has one result type per tool of its own, and adds new ones."""
    return kind.endswith("_tool_result")


def _is_sendable(block: Block, quirks: Quirks) -> bool:
    """Thinking without a signature is refused; not every provider gets all kinds of blocks."""
    kind = block["type"]
    if kind == "thinking":
        return bool(block.get("signature"))
    if kind == "redacted_thinking":
        return quirks.redacted_thinking_replay
    if kind == "text":
        return True
    return quirks.server_tool_replay
