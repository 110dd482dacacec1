"""Why an answer ended, in the five words of the OpenAI API.

With strict mode off the gateway hands on each provider's own word (which is what lets thinking arrive), so
they are brought together here; the original stays in `response_metadata["native_finish_reason"]`.
"""

from __future__ import annotations

_NORMALISED: dict[str, str] = {
    # Anthropic and Claude elsewhere
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "compaction": "stop",
    # Bedrock
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "stop",
    "malformed_tool_use": "stop",
    # Gemini
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "OTHER": "stop",
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "stop",
    "NO_IMAGE": "stop",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_RESPONSE": "stop",
    "MISSING_THOUGHT_SIGNATURE": "stop",
    # Cohere
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR_LIMIT": "length",
    # OpenAI, before it had tools
    "function_call": "tool_calls",
    # Hugging Face, Together
    "eos": "stop",
    "eos_token": "stop",
    # Mistral
    "model_length": "length",
    # Z.ai
    "sensitive": "content_filter",
    # Perplexity, whose JSON answers say nothing
    "": "stop",
}


def normalise_finish_reason(native: str, *, has_tool_calls: bool) -> str:
    """The OpenAI word for a provider's finish reason; an unknown one is returned as it is.

    Args:
        native: The provider's word.
        has_tool_calls: Whether the answer calls tools. Gemini then says `STOP` as well, and an agent that
            trusts the finish reason would end its loop.
    """
    reason = _NORMALISED.get(native, native)
    return "tool_calls" if has_tool_calls and reason == "stop" else reason


_ERRORS = frozenset(("error", "ERROR", "TIMEOUT", "insufficient_system_resource"))
"""OpenRouter, Mistral; Cohere; DeepSeek, whose servers ran out of capacity in the middle of the answer."""


def is_error_finish_reason(native: str) -> bool:
    """Whether a finish reason is an error in disguise (`"overloaded_error"`, which Anthropic streams give)."""
    return native.endswith("_error") or native in _ERRORS
