"""What a request asks for, read alike from every wire, and the counts that the default usage needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_pollinations_portkey.testing.answer import words
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Reply, Usage

_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """The neutral core of a request.

    Attributes:
        last_user_text: the text of the last turn that has some: what the user said, or a tool's result.
        forced_tool: (name, JSON Schema of the arguments) if a tool must be called.
        json_schema: the schema that the answer must satisfy; `{}` if it only has to be a JSON object.
    """

    last_user_text: str = ""
    forced_tool: tuple[str, Any] | None = None
    json_schema: Any = None


def pick_tool(schemas: Mapping[str, Any], *, forced: bool, name: str | None) -> tuple[str, Any] | None:
    """The tool to call: the named one, or the first if any must be called; None if nothing forces a call."""
    if not forced or not schemas:
        return None
    chosen = name if name is not None and name in schemas else next(iter(schemas))
    return chosen, schemas[chosen]


def last_text(texts: Iterable[str]) -> str:
    """The last text that is not blank, "" if there is none."""
    return next((text for text in reversed(list(texts)) if text.strip()), "")


def usage_of(reply: Reply, request: ReceivedRequest) -> Usage:
    """The reply's usage, or a deterministic estimate."""
    if reply.usage is not None:
        return reply.usage
    thinking = len(words(reply.thinking or ""))
    arguments = sum(len(call.arguments) + 1 for call in reply.tool_calls)
    return Usage(
        input_tokens=max(1, len(request.body) // _BYTES_PER_TOKEN),
        output_tokens=max(1, len(words(reply.full_text)) + thinking + arguments),
        reasoning=thinking,
    )


def text_pieces(reply: Reply) -> list[str]:
    """The pieces in which the text is streamed."""
    return [piece for piece in reply.chunks if piece] if reply.chunks is not None else words(reply.text)
