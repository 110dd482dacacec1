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

    input_tokens, output_tokens = prompt or 0, completion or 0
    cached = sum(inputs.get(key, 0) for key in _CACHE_KEYS)
    reasoning = outputs.get("reasoning", 0)
    if cached and _excludes_cache(input_tokens, output_tokens, cached, total, quirks):
        input_tokens += cached
    if reasoning and _excludes_reasoning(input_tokens, output_tokens, reasoning, total, quirks):
        output_tokens += reasoning
    _settle_audio(inputs, input_tokens, cached)
    _settle_audio(outputs, output_tokens, reasoning)

    result = UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=max(total or 0, input_tokens + output_tokens),  # Gemini's also counts the tools it ran itself
    )
    # The lifetimes of the cache are keys that LangChain's type lets providers add.
    if inputs:
        result["input_token_details"] = cast("InputTokenDetails", inputs)
    if outputs:
        result["output_token_details"] = cast("OutputTokenDetails", outputs)
    return result


_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_CACHE_KEYS = ("cache_read", "cache_creation", *_LIFETIMES)


def _excludes_cache(prompt: int, completion: int, cached: int, total: int | None, quirks: Quirks | None) -> bool:
    """Whether cached tokens have to be added to the prompt's.

    The catalogue says so, unless the numbers contradict it; without a row, or with cached tokens that would not
    fit into the prompt, the numbers decide.
    """
    if prompt < cached:
        return True
    if quirks is None:
        return prompt + completion + cached == total
    return quirks.input_tokens_exclude_cache and prompt + completion != total


def _excludes_reasoning(prompt: int, completion: int, reasoning: int, total: int | None, quirks: Quirks | None) -> bool:
    """Whether reasoning has to be added to the completion's tokens.

    The total tells wherever it was sent, since some providers do it for some of their models only (xAI).
    """
    if completion < reasoning or prompt + completion + reasoning == total:
        return True
    if prompt + completion == total:
        return False
    return quirks is not None and quirks.output_tokens_exclude_reasoning


def _settle_audio(details: dict[str, int], tokens: int, others: int) -> None:
    """Keep the details within the count: audio that is cached too is counted as cached."""
    if details.get("audio", 0) > tokens - others:
        details["audio"] = max(tokens - others, 0)


def _input_details(usage: Mapping[str, Any]) -> dict[str, int]:
    sent = usage.get("prompt_tokens_details")
    sent = sent if isinstance(sent, Mapping) else {}
    details: dict[str, int] = {}
    read = _first(
        _count(usage, "cache_read_input_tokens"),  # Anthropic and Bedrock
        _count(sent, "cached_tokens"),
        _count(usage, "prompt_cache_hit_tokens"),  # DeepSeek
        _count(usage, "cached_tokens"),  # Together and others, for models of Hugging Face
    )
    if read is not None:
        details["cache_read"] = read
    written = _first(_count(usage, "cache_creation_input_tokens"), _count(sent, "cache_write_tokens"))
    split = _lifetimes(usage)
    if split:
        # The details are added up, so what stands under a lifetime does not count a second time.
        details |= split
        written = max((written or 0) - sum(split.values()), 0)
    if written is not None:
        details["cache_creation"] = written
    audio = _count(sent, "audio_tokens")
    if audio is not None:
        details["audio"] = audio
    return details


def _lifetimes(usage: Mapping[str, Any]) -> dict[str, int]:
    """How much was written to the cache for how long."""
    split = usage.get("cache_creation")
    if not isinstance(split, Mapping):
        return {}
    return {key: count for key in _LIFETIMES if (count := _count(split, key)) is not None}


def _output_details(usage: Mapping[str, Any]) -> dict[str, int]:
    sent = usage.get("completion_tokens_details")
    sent = sent if isinstance(sent, Mapping) else {}
    details: dict[str, int] = {}
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


def added_counts(one: Any, other: Any) -> Any:
    """Add token counts up: numbers, or dicts of them, either of which may be missing."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: added_counts(one.get(key), other.get(key)) for key in {**one, **other}}
    if one is None or other is None:
        return other if one is None else one
    return one + other
