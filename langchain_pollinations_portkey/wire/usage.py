"""Token counts on LangChain's terms: input includes cached tokens, output includes reasoning.

Providers differ in what `prompt_tokens` and `completion_tokens` leave out, and the gateway hands that on;
which provider does what is a row of the catalogue. A count that was not sent is absent, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from langchain_pollinations_portkey.catalogue.entries import Quirks


def read_usage(usage: Any, quirks: Quirks | None) -> UsageMetadata | None:
    """Turn the `usage` object of an answer into LangChain's.

    Args:
        usage: The object as the gateway sent it: `{"prompt_tokens", "completion_tokens", "total_tokens",
            "prompt_tokens_details", "completion_tokens_details", "cache_read_input_tokens",
            "cache_creation_input_tokens", ...}`, any of them missing, null or a float.
        quirks: The answering provider's; `None` if unknown, then the arithmetic of the total decides.

    Returns:
        The counts, or `None` if the object holds none.
    """
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if prompt is None and completion is None:
        return None
    total = _count(usage, "total_tokens")
    inputs, outputs = _input_details(usage), _output_details(usage)

    input_tokens = prompt or 0
    cached = sum(count for key, count in inputs.items() if key in _CACHE_KEYS and isinstance(count, int))
    if cached and _excludes_cache(input_tokens, completion or 0, cached, total, quirks):
        input_tokens += cached
    output_tokens = completion or 0
    if quirks is not None and quirks.output_tokens_exclude_reasoning:
        output_tokens += outputs.get("reasoning", 0)

    result = UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=total if total is not None else input_tokens + output_tokens,
    )
    if inputs:
        result["input_token_details"] = inputs
    if outputs:
        result["output_token_details"] = outputs
    return result


_CACHE_KEYS = ("cache_read", "cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def _excludes_cache(prompt: int, completion: int, cached: int, total: int | None, quirks: Quirks | None) -> bool:
    if quirks is not None and quirks.input_tokens_exclude_cache:
        return True
    # Without a row, or behind a gateway that changed its mind, the numbers themselves tell: tokens that the
    # total counts and the prompt does not, or a prompt smaller than what was read from cache.
    return prompt < cached or prompt + completion + cached == total


def _input_details(usage: Mapping[str, Any]) -> InputTokenDetails:
    sent = usage.get("prompt_tokens_details")
    sent = sent if isinstance(sent, Mapping) else {}
    details: dict[str, int] = {}
    read = _first(_count(usage, "cache_read_input_tokens"), _count(sent, "cached_tokens"))
    if read is not None:
        details["cache_read"] = read
    written = _first(_count(usage, "cache_creation_input_tokens"), _count(sent, "cache_write_tokens"))
    split = usage.get("cache_creation")
    if isinstance(split, Mapping):
        # With the split by lifetime, the sum would count the same tokens twice.
        for key in ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"):
            tokens = _count(split, key)
            if tokens is not None:
                details[key] = tokens
                written = 0
    if written is not None:
        details["cache_creation"] = written
    audio = _count(sent, "audio_tokens")
    if audio is not None:
        details["audio"] = audio
    return cast("InputTokenDetails", details)  # the lifetimes are keys that LangChain's type lets providers add


def _output_details(usage: Mapping[str, Any]) -> OutputTokenDetails:
    sent = usage.get("completion_tokens_details")
    sent = sent if isinstance(sent, Mapping) else {}
    details = OutputTokenDetails()
    reasoning = _first(_count(sent, "reasoning_tokens"), _count(usage, "reasoning_tokens"))
    if reasoning is not None:
        details["reasoning"] = reasoning
    audio = _count(sent, "audio_tokens")
    if audio is not None:
        details["audio"] = audio
    return details


def _first(*counts: int | None) -> int | None:
    """The first count that is more than nothing, else the first that was sent."""
    return next((count for count in counts if count), next((c for c in counts if c is not None), None))


def _count(source: Mapping[str, Any], key: str) -> int | None:
    """A token count; `None` if missing or negative (-1 is how some providers say that they do not count)."""
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return int(value)
