"""Token counts on LangChain's terms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_pollinations_portkey.wire.usage import read_usage
from tests.wire.canned import provider


def usage(prompt: Any = None, completion: Any = None, total: Any = None, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more}


CASES: list[tuple[str, str | None, Any, Any]] = [
    ("nothing", "openai", None, None),
    ("an empty object", "openai", {}, None),
    ("no object", "openai", 7, None),
    ("not counted", "google", usage(-1, None, -1), None),
    ("three numbers", "openai", usage(10, 5, 15), (10, 5, 15, {}, {})),
    ("no total", "together-ai", usage(10, 5), (10, 5, 15, {}, {})),
    ("a prompt only", "openai", usage(10), (10, 0, 10, {}, {})),
    ("floats", "openai", usage(10.0, 5.0, 15.0), (10, 5, 15, {}, {})),
    ("details that are null", "openai", usage(10, 5, 15, prompt_tokens_details=None), (10, 5, 15, {}, {})),
    (
        "OpenAI: the prompt includes the cache, the completion the reasoning",
        "openai",
        usage(
            100,
            50,
            150,
            prompt_tokens_details={"cached_tokens": 80, "audio_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 40, "audio_tokens": 3},
        ),
        (100, 50, 150, {"cache_read": 80, "audio": 0}, {"reasoning": 40, "audio": 3}),
    ),
    (
        "OpenRouter: writes to the cache under another name, a cost beside",
        "openrouter",
        usage(100, 5, 105, prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 60}, cost=0.1),
        (100, 5, 105, {"cache_read": 0, "cache_creation": 60}, {}),
    ),
    (
        "Anthropic: the prompt excludes the cache, the total includes it",
        "anthropic",
        usage(
            10,
            5,
            2115,
            prompt_tokens_details={"cached_tokens": 2000},
            cache_read_input_tokens=2000,
            cache_creation_input_tokens=100,
        ),
        (2110, 5, 2115, {"cache_read": 2000, "cache_creation": 100}, {}),
    ),
    (
        "Anthropic, should the gateway begin to include the cache",
        "anthropic",
        usage(2110, 5, 2115, cache_read_input_tokens=2000, cache_creation_input_tokens=100),
        (2110, 5, 2115, {"cache_read": 2000, "cache_creation": 100}, {}),
    ),
    (
        "Bedrock: the prompt includes the cache",
        "bedrock",
        usage(2110, 5, 2115, cache_read_input_tokens=2000, cache_creation_input_tokens=100),
        (2110, 5, 2115, {"cache_read": 2000, "cache_creation": 100}, {}),
    ),
    (
        "an unknown provider: the total tells",
        None,
        usage(10, 5, 2115, cache_read_input_tokens=2000, cache_creation_input_tokens=100),
        (2110, 5, 2115, {"cache_read": 2000, "cache_creation": 100}, {}),
    ),
    (
        "writes to the cache by lifetime are not counted twice",
        "anthropic",
        usage(
            10,
            5,
            315,
            cache_creation_input_tokens=300,
            cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        ),
        (
            310,
            5,
            315,
            {"cache_creation": 0, "ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            {},
        ),
    ),
    (
        "a lifetime that is missing stays under the writes in general",
        "anthropic",
        usage(10, 5, 315, cache_creation_input_tokens=300, cache_creation={"ephemeral_5m_input_tokens": 100}),
        (310, 5, 315, {"cache_creation": 200, "ephemeral_5m_input_tokens": 100}, {}),
    ),
    (
        "Gemini: the completion excludes the reasoning",
        "google",
        usage(
            10,
            5,
            35,
            completion_tokens_details={"reasoning_tokens": 20, "audio_tokens": 0},
            prompt_tokens_details={"cached_tokens": 4, "audio_tokens": 0},
        ),
        (10, 25, 35, {"cache_read": 4, "audio": 0}, {"reasoning": 20, "audio": 0}),
    ),
    (
        "Gemini: the total also has the tokens of its own tools",
        "google",
        usage(10, 5, 1000, completion_tokens_details={"reasoning_tokens": 20}),
        (10, 25, 1000, {}, {"reasoning": 20}),
    ),
    (
        "xAI: the completion excludes the reasoning, and only the total tells",
        "x-ai",
        usage(10, 10, 284, completion_tokens_details={"reasoning_tokens": 264}),
        (10, 274, 284, {}, {"reasoning": 264}),
    ),
    (
        "more cached than the prompt has: the cache is not in it",
        "azure-ai",
        usage(78, 9, 87, prompt_tokens_details={"cached_tokens": 158}),
        (236, 9, 245, {"cache_read": 158}, {}),
    ),
    (
        "audio that is cached counts as cached",
        "openai",
        usage(100, 5, 105, prompt_tokens_details={"cached_tokens": 90, "audio_tokens": 50}),
        (100, 5, 105, {"cache_read": 90, "audio": 10}, {}),
    ),
    (
        "DeepSeek's older name",
        "deepseek",
        usage(10, 5, 15, prompt_cache_hit_tokens=8),
        (10, 5, 15, {"cache_read": 8}, {}),
    ),
    ("beside the details", "huggingface", usage(10, 5, 15, cached_tokens=8), (10, 5, 15, {"cache_read": 8}, {})),
    ("reasoning beside the details", "openai", usage(10, 5, 15, reasoning_tokens=3), (10, 5, 15, {}, {"reasoning": 3})),
]


@pytest.mark.parametrize(("name", "sent", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_usage(name: str | None, sent: Any, expected: Any) -> None:
    read = read_usage(sent, provider(name).quirks if name else None)
    if expected is None:
        assert read is None
        return
    assert read is not None
    counts = (read["input_tokens"], read["output_tokens"], read["total_tokens"])
    assert (*counts, read.get("input_token_details", {}), read.get("output_token_details", {})) == expected
    assert all(type(count) is int for count in counts)


COUNTS = st.none() | st.integers(-1, 5000) | st.floats(0, 5000, allow_nan=False)


@given(
    st.sampled_from(["openai", "anthropic", "bedrock", "google", "x-ai", None]),
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": COUNTS,
            "completion_tokens": COUNTS,
            "total_tokens": COUNTS,
            "cache_read_input_tokens": COUNTS,
            "cache_creation_input_tokens": COUNTS,
            "cache_creation": st.dictionaries(
                st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]), COUNTS
            ),
            "prompt_tokens_details": st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens"]), COUNTS),
            "completion_tokens_details": st.dictionaries(st.sampled_from(["reasoning_tokens", "audio_tokens"]), COUNTS),
        },
    ),
)
def test_details_never_exceed_their_sum(name: str | None, sent: dict[str, Any]) -> None:
    read = read_usage(sent, provider(name).quirks if name else None)
    if read is not None:
        assert read["input_tokens"] >= sum(read.get("input_token_details", {}).values())  # type: ignore[arg-type]
        assert read["output_tokens"] >= sum(read.get("output_token_details", {}).values())  # type: ignore[arg-type]
        assert read["total_tokens"] >= read["input_tokens"] + read["output_tokens"]
