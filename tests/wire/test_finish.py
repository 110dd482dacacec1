"""Why an answer ended."""

from __future__ import annotations

import pytest

from langchain_pollinations_portkey.wire.finish import is_error_finish_reason, normalise_finish_reason

NORMALISED = {
    "stop": [
        "stop",
        "end_turn",
        "stop_sequence",
        "pause_turn",
        "STOP",
        "COMPLETE",
        "STOP_SEQUENCE",
        "eos",
        "",
        "OTHER",
    ],
    "length": ["length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded", "model_length"],
    "tool_calls": ["tool_calls", "tool_use", "TOOL_CALL", "function_call"],
    "content_filter": ["content_filter", "refusal", "guardrail_intervened", "SAFETY", "MODEL_ARMOR", "RECITATION"],
}


@pytest.mark.parametrize(
    ("native", "expected"), [(native, reason) for reason, natives in NORMALISED.items() for native in natives]
)
def test_words_of_providers(native: str, expected: str) -> None:
    assert normalise_finish_reason(native, has_tool_calls=False) == expected


def test_an_unknown_word_stays() -> None:
    assert normalise_finish_reason("brand_new", has_tool_calls=False) == "brand_new"


@pytest.mark.parametrize("native", ["STOP", "stop", "UNEXPECTED_TOOL_CALL", "end_turn", ""])
def test_a_stop_with_tool_calls_is_tool_calls(native: str) -> None:
    assert normalise_finish_reason(native, has_tool_calls=True) == "tool_calls"


@pytest.mark.parametrize("native", ["length", "MAX_TOKENS", "content_filter", "refusal"])
def test_an_answer_cut_off_in_a_tool_call_is_cut_off(native: str) -> None:
    assert normalise_finish_reason(native, has_tool_calls=True) in ("length", "content_filter")


@pytest.mark.parametrize(
    ("native", "is_error"),
    [
        ("overloaded_error", True),
        ("api_error", True),
        ("network_error", True),
        ("error", True),
        ("ERROR", True),
        ("insufficient_system_resource", True),
        ("stop", False),
        ("end_turn", False),
        ("", False),
    ],
)
def test_errors_in_disguise(native: str, *, is_error: bool) -> None:
    assert is_error_finish_reason(native) is is_error
