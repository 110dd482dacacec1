"""Anthropic's cache breakpoints.

Source: docs.anthropic.com, "Prompt caching": at most four breakpoints, `ttl` 5m or 1h, longer ones first in the
order tools, system, messages; quoted messages are the API's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal, objects, unknown_keys

MAX_BREAKPOINTS = 4


def marker_shape(block: Fields, where: str) -> Iterator[Refusal]:
    """A marker is `{"type": "ephemeral"}`, perhaps with a `ttl` of 5m or 1h."""
    marker = block.get("cache_control")
    if marker is None:
        return
    if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
        kind = marker.get("type") if isinstance(marker, dict) else marker
        yield Refusal(
            f"{where}.cache_control: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
            "'ephemeral'"
        )
        return
    if marker.get("ttl") not in {None, "5m", "1h"}:
        yield Refusal(f"{where}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    for key in unknown_keys(marker, frozenset({"type", "ttl"})):
        yield Refusal(f"{where}.cache_control.ephemeral.{key}: Extra inputs are not permitted")


def breakpoints(fields: Fields) -> Iterator[tuple[str, Fields]]:
    """Yields (path, marker) of every breakpoint in the order in which the API processes them."""
    for index, tool in enumerate(objects(fields.get("tools"))):
        yield from _marked(tool, f"tools.{index}")
    for index, block in enumerate(objects(fields.get("system"))):
        yield from _marked(block, f"system.{index}")
    for index, message in enumerate(objects(fields.get("messages"))):
        for number, block in enumerate(objects(message.get("content"))):
            where = f"messages.{index}.content.{number}"
            for inner, part in enumerate(objects(block.get("content"))):
                yield from _marked(part, f"{where}.content.{inner}")
            yield from _marked(block, where)


def _marked(block: Fields, where: str) -> Iterator[tuple[str, Fields]]:
    marker: Any = block.get("cache_control")
    if isinstance(marker, dict):
        yield where, marker


def at_most_four(fields: Fields) -> Iterator[Refusal]:
    """Refused: "A maximum of 4 blocks with cache_control may be provided. Found 5."; the automatic one counts too."""
    found = len(list(breakpoints(fields))) + (fields.get("cache_control") is not None)
    if found > MAX_BREAKPOINTS:
        yield Refusal(f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}.")


def long_before_short(fields: Fields) -> Iterator[Refusal]:
    """Refused: "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"."""
    short_seen = False
    for where, marker in breakpoints(fields):
        if marker.get("ttl") == "1h" and short_seen:
            yield Refusal(
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            )
        short_seen = short_seen or marker.get("ttl") != "1h"
