"""The content blocks of a streamed answer: thinking, citations, server tools, and text among them.

Strategy: an answer that is one text keeps no blocks, so that it carries nothing twice. As soon as it turns out to
be more, all its blocks are kept, and the text seen until then is caught up with.

Blocks get numbers of our own in the order in which they begin, because providers number them by block
(Anthropic), by choice (OpenRouter, so that thinking and text are both 0) or not at all (Mistral).

Text and thinking leave at once. Everything else of a block leaves once, when the block has ended: LangChain has
two ways of adding deltas up, one joins strings and lists where the other takes the last value, and only what
comes in one piece survives both. So a signature, a list of citations and a server tool's input stay whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from langchain_pollinations_portkey.wire.chat.pieces import Piece

_LIVE = {"text": "text", "thinking": "thinking"}
"""What of a block leaves at once, by the block's type."""

_IN_PIECES = frozenset(("text", "thinking", "redacted_thinking", "compaction"))
"""Types whose blocks come in several deltas; a delta of any other type is a block."""

_JOINED = frozenset(("signature", "data", "content"))
"""Strings that may come in pieces. Of others the last value counts."""

_SERVER_TOOLS = frozenset(("server_tool_use", "mcp_tool_use"))


@dataclass(slots=True)
class _Block:
    kind: str
    number: int
    index: int | None  # the provider's own number
    held: dict[str, Any] = field(default_factory=dict)
    input: list[str] = field(default_factory=list)  # JSON text of a server tool's input


class StreamedBlocks:
    """Turns the blocks of one stream's deltas into the blocks of its chunks."""

    def __init__(self) -> None:
        self.keeping = False
        self.plain: list[str] = []
        """The text while it is all there is; whoever sees a delta that is plain text may append to it."""
        self._plain_index: int | None = None
        self._open: _Block | None = None
        self._count = 0

    @property
    def in_server_tool(self) -> bool:
        """Whether the block that stands open is a call of a tool that the provider runs itself."""
        return self._open is not None and self._open.kind in _SERVER_TOOLS

    def open_number(self, kind: str) -> int | None:
        """The number of the block that stands open, if it is of this type."""
        return self._open.number if self._open is not None and self._open.kind == kind else None

    def take(self, piece: Piece) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Take the blocks of a delta.

        Returns:
            Text blocks that were shown before and are kept from now on, and the blocks of this delta.
        """
        deltas = piece.blocks
        if piece.text and not any(block["type"] == "text" for block in deltas):
            deltas = [*deltas, {"type": "text", "text": piece.text}]
        caught_up: list[dict[str, Any]] = []
        blocks: list[dict[str, Any]] = []
        for delta in deltas:
            if not self.keeping:
                if self._is_plain(delta):
                    continue
                caught_up = self._start_keeping()
            blocks += self._take(delta)
        return caught_up, blocks

    def begin_server_tool(self, call_id: str, name: str) -> list[dict[str, Any]]:
        """Take the beginning of a tool call that the provider carries out itself.

        Returns:
            What is left of the block that it ends.
        """
        caught_up = [] if self.keeping else self._start_keeping()
        return caught_up + self._take({"type": "server_tool_use", "id": call_id, "name": name, "input": {}})

    def add_input(self, arguments: str) -> None:
        """Take a piece of the open server tool's input."""
        if self._open is not None:
            self._open.input.append(arguments)

    def end(self) -> list[dict[str, Any]]:
        """End the open block and return what was held back of it: no block or one."""
        block, self._open = self._open, None
        if block is None:
            return []
        tool_input = "".join(block.input)
        if tool_input:
            block.held["input"] = _parsed(tool_input)
        return [{"type": block.kind, "index": block.number, **block.held}] if block.held else []

    def _is_plain(self, delta: dict[str, Any]) -> bool:
        """Note a delta that goes on with the one text, or that says nothing."""
        if delta["type"] != "text" or delta.keys() - {"type", "index", "text"}:
            return False
        text, index = delta.get("text"), delta.get("index")
        if not text:
            return True
        if self.plain and index is not None and self._plain_index is not None and index != self._plain_index:
            return False
        self._plain_index = index if index is not None else self._plain_index
        self.plain.append(text)
        return True

    def _start_keeping(self) -> list[dict[str, Any]]:
        self.keeping = True
        if not self.plain:
            return []
        self._open = _Block("text", 0, self._plain_index)
        self._count = 1
        return [{"type": "text", "index": 0, "text": "".join(self.plain)}]

    def _take(self, delta: dict[str, Any]) -> list[dict[str, Any]]:
        kind, index = delta["type"], delta.get("index")
        live = _LIVE.get(kind)
        rest = {key: value for key, value in delta.items() if key not in ("type", "index", live)}
        said = delta.get(live) if live is not None else None
        if kind == "text" and not said and not rest:
            return []
        blocks: list[dict[str, Any]] = []
        block = self._open
        begins = block is None or not _goes_on(block, kind, index)
        if block is None or begins:
            blocks = self.end()
            block = self._open = _Block(kind, self._count, index)
            self._count += 1
        _hold(block.held, rest)
        if live is not None and (said or begins):
            blocks.append({"type": kind, "index": block.number, live: said or ""})
        return blocks


def _goes_on(block: _Block, kind: str, index: int | None) -> bool:
    if kind != block.kind or kind not in _IN_PIECES:
        return False
    return index is None or block.index is None or index == block.index


def _hold(held: dict[str, Any], rest: dict[str, Any]) -> None:
    for key, value in rest.items():
        before = held.get(key)
        if isinstance(before, list) and isinstance(value, list):
            held[key] = [*before, *value]
        elif key in _JOINED and isinstance(before, str) and isinstance(value, str):
            held[key] = before + value
        elif value not in (None, ""):
            held[key] = value


def _parsed(text: str) -> Any:
    """The input of a server tool; text that is no JSON is kept as it is rather than lost."""
    try:
        return json.loads(text)
    except ValueError:
        return {"__raw": text}
