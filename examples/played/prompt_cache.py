"""Counts what Anthropic's prompt cache would read and write, from the breakpoints of the requests that arrive.

The rules, from docs.anthropic.com, "Prompt caching": a prompt is read in the order tools, system, messages; at each
breakpoint the prompt up to there is remembered, if it has at least so many tokens (1,024 for Claude Sonnet 4.5); a
later request reads the longest remembered prefix that ends at one of its breakpoints or up to twenty blocks before.
Not played: that the provider forgets after five minutes, and its tokenizer; four characters count as a token here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing import ReceivedRequest, Usage

FEWEST_TOKENS = 1024
BLOCKS_LOOKED_BACK = 20
_CHARACTERS_PER_TOKEN = 4


class PromptCache:
    """What the provider remembers between requests."""

    def __init__(self) -> None:
        self._remembered: set[str] = set()

    def count(self, request: ReceivedRequest, output_tokens: int) -> Usage:
        """The token counts of a request to Anthropic, and remembering what it marks.

        Args:
            request: The request; its prefixes are remembered up to each breakpoint.
            output_tokens: Tokens of the answer.
        """
        prefixes: list[tuple[str, int]] = []
        marked: list[int] = []
        key, tokens = "", 0
        for position, (text, is_marked) in enumerate(_blocks(request.json)):
            key = hashlib.sha256((key + text).encode()).hexdigest()
            tokens += max(1, len(text) // _CHARACTERS_PER_TOKEN)
            prefixes.append((key, tokens))
            if is_marked and tokens >= FEWEST_TOKENS:
                marked.append(position)
        read = max((self._read(prefixes[: position + 1]) for position in marked), default=0)
        end = prefixes[marked[-1]][1] if marked else 0
        self._remembered.update(prefixes[position][0] for position in marked)
        return Usage(
            input_tokens=tokens - max(read, end),
            cache_read=read,
            cache_write=max(0, end - read),
            output_tokens=output_tokens,
        )

    def _read(self, prefixes: list[tuple[str, int]]) -> int:
        """Tokens of the longest remembered prefix that a breakpoint at the end of these finds."""
        found = (tokens for key, tokens in prefixes[: -BLOCKS_LOOKED_BACK - 1 : -1] if key in self._remembered)
        return next(found, 0)


def _blocks(body: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Every block of a prompt in the order in which it is read, as text without marks, and whether it is marked."""
    for tool in body.get("tools") or ():
        yield _text(tool), _is_marked(tool)
    for block in _as_list(body.get("system")):
        yield _text(block), _is_marked(block)
    for message in body["messages"]:
        for block in _as_list(message["content"]):
            yield message["role"] + _text(block), _is_marked(block)


def _as_list(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def _text(block: dict[str, Any]) -> str:
    """A block as text. The content of a tool result may be a string, which means the same as one block of text."""
    whole = {**block, "content": _as_list(block["content"])} if "content" in block else block
    return json.dumps(_without_marks(whole), sort_keys=True, ensure_ascii=False)


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_marks(item) for name, item in value.items() if name != "cache_control"}
    if isinstance(value, list):
        return [_without_marks(item) for item in value]
    return value


def _is_marked(block: dict[str, Any]) -> bool:
    inner = block.get("content")
    parts = [part for part in inner if isinstance(part, dict)] if isinstance(inner, list) else []
    return any("cache_control" in one for one in (block, *parts))
