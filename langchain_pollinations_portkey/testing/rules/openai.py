"""What OpenAI's chat completions and embeddings refuse: parameters.

Sources: platform.openai.com, API reference "Create chat completion" and "Create embeddings" (names, ranges), guides
"Function calling" and "Structured outputs"; quoted messages are the API's own, as users report them in public
issue threads or as recorded in public test cassettes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules import openai_messages, openai_schema, openai_tools
from langchain_pollinations_portkey.testing.rules.refusal import (
    Fields,
    Refusal,
    Rule,
    first_refusal,
    is_number,
    is_whole,
    unknown_keys,
)

_PARAMETERS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""API reference "Create chat completion"."""

_RANGES = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "n": (1, 128),
    "top_logprobs": (0, 20),
}
_WHOLE = frozenset({"n", "top_logprobs", "max_tokens", "max_completion_tokens"})
_MAX_STOP = 4
_MAX_INPUTS = 2048


def check_openai(fields: Fields, *, lenient: bool = False) -> Refusal | None:
    """Returns OpenAI's refusal of a chat completions body, None if it is fine.

    Args:
        fields: the body.
        lenient: only the rules that other providers with OpenAI's wire have as well.
    """
    return first_refusal(LENIENT_RULES if lenient else RULES, fields)


def check_embeddings(fields: Fields, *, lenient: bool = False) -> Refusal | None:
    """Returns OpenAI's refusal of an embeddings body, None if it is fine; `lenient` allows other parameters."""
    rules: list[Rule] = [_model, _inputs, _embedding_options]
    return first_refusal(rules if lenient else [*rules, _embedding_unknown], fields)


def _model(fields: Fields) -> Iterator[Refusal]:
    """Refused: "you must provide a model parameter"."""
    if not fields.get("model"):
        yield Refusal("you must provide a model parameter")
    elif not isinstance(fields["model"], str):
        yield openai_messages.wrong_type("model", "a string", fields["model"])


def _unknown(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Unrecognized request argument supplied: x"."""
    unknown = unknown_keys(fields, _PARAMETERS)
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        yield Refusal(f"Unrecognized request argument{plural} supplied: {', '.join(unknown)}")


def _ranges(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."."""
    for name, (low, high) in _RANGES.items():
        value = fields.get(name)
        if value is None:
            continue
        kind = "integer" if name in _WHOLE else "decimal"
        if not (is_whole(value) if name in _WHOLE else is_number(value)):
            yield openai_messages.wrong_type(name, f"{'an' if name in _WHOLE else 'a'} {kind}", value)
        elif value < low:
            yield _out_of_range(name, kind, "below minimum", f">= {low}", value)
        elif value > high:
            yield _out_of_range(name, kind, "above maximum", f"<= {high}", value)


def _out_of_range(name: str, kind: str, how: str, bound: str, value: Any) -> Refusal:
    side = how.replace(" ", "_").replace("minimum", "min").replace("maximum", "max")
    return Refusal(
        f"Invalid '{name}': {kind} {how} value. Expected a value {bound}, but got {value} instead.",
        code=f"{kind}_{side}_value",
        param=name,
    )


def _token_limits(fields: Fields) -> Iterator[Refusal]:
    """At least one token."""
    for name in ("max_tokens", "max_completion_tokens"):
        value = fields.get(name)
        if value is None:
            continue
        if not is_whole(value):
            yield openai_messages.wrong_type(name, "an integer", value)
        elif value < 1:
            yield _out_of_range(name, "integer", "below minimum", ">= 1", value)


def _both_limits(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."."""
    if fields.get("max_tokens") is not None and fields.get("max_completion_tokens") is not None:
        yield Refusal(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            code="invalid_parameter_combination",
            param="max_tokens",
        )


def _stop(fields: Fields) -> Iterator[Refusal]:
    """A text or up to four ("Invalid 'stop': array too long. Expected an array with maximum length 4 ...")."""
    stop = fields.get("stop")
    if isinstance(stop, list):
        if len(stop) > _MAX_STOP:
            yield Refusal(
                f"Invalid 'stop': array too long. Expected an array with maximum length {_MAX_STOP}, but got an array "
                f"with length {len(stop)} instead.",
                code="array_above_max_length",
                param="stop",
            )
        for index, sequence in enumerate(stop):
            if not isinstance(sequence, str):
                yield openai_messages.wrong_type(f"stop[{index}]", "a string", sequence)
    elif stop is not None and not isinstance(stop, str):
        yield openai_messages.wrong_type("stop", "one of a string or array of strings", stop)


def _depends(fields: Fields) -> Iterator[Refusal]:
    """Parameters that need another one: top_logprobs needs logprobs, stream_options needs stream."""
    if fields.get("top_logprobs") is not None and fields.get("logprobs") is not True:
        yield Refusal("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs")
    if fields.get("stream_options") is not None and fields.get("stream") is not True:
        yield Refusal(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )


def _response_format(fields: Fields) -> Iterator[Refusal]:
    """text, json_object (the messages must say "json"), or json_schema with a name and a schema."""
    wanted = fields.get("response_format")
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in {"text", "json_object", "json_schema"}:
        yield openai_messages.wrong_value("response_format.type", kind, ("json_object", "json_schema", "text"))
        return
    if kind == "json_object" and "json" not in openai_messages.all_text(fields).lower():
        yield Refusal(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    if kind == "json_schema":
        yield from openai_schema.json_schema_format(wanted.get("json_schema"))


def _inputs(fields: Fields) -> Iterator[Refusal]:
    """A text, texts, token numbers or lists of them; none empty, at most 2048."""
    value = fields.get("input")
    if value is None:
        yield Refusal("Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    elif not isinstance(value, (str, list)):
        yield openai_messages.wrong_type("input", "a string or an array", value)
    elif value in ("", []):
        yield Refusal("Invalid 'input': input cannot be an empty string.", param="input")
    elif isinstance(value, list):
        yield from _input_list(value)


def _input_list(values: list[Any]) -> Iterator[Refusal]:
    if len(values) > _MAX_INPUTS and not all(is_whole(item) for item in values):
        yield Refusal(f"Invalid 'input': array too long. Expected at most {_MAX_INPUTS} inputs.", param="input")
    for index, item in enumerate(values):
        tokens = isinstance(item, list) and item and all(is_whole(token) for token in item)
        if item == "":
            yield Refusal(f"Invalid 'input[{index}]': input cannot be an empty string.", param="input")
        elif not (isinstance(item, str) or is_whole(item) or tokens):
            yield openai_messages.wrong_type(f"input[{index}]", "a string", item)


def _embedding_options(fields: Fields) -> Iterator[Refusal]:
    """encoding_format is float or base64, dimensions is positive."""
    encoding = fields.get("encoding_format")
    if encoding not in {None, "float", "base64"}:
        yield openai_messages.wrong_value("encoding_format", encoding, ("float", "base64"))
    dimensions = fields.get("dimensions")
    if dimensions is not None and not (is_whole(dimensions) and dimensions >= 1):
        yield _out_of_range("dimensions", "integer", "below minimum", ">= 1", dimensions)


def _embedding_unknown(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Unrecognized request argument supplied: x"."""
    for key in unknown_keys(fields, frozenset({"model", "input", "encoding_format", "dimensions", "user"})):
        yield Refusal(f"Unrecognized request argument supplied: {key}")


def _nulls(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Invalid type for 'parallel_tool_calls': expected a boolean, but got null instead."."""
    if "parallel_tool_calls" in fields and not isinstance(fields["parallel_tool_calls"], bool):
        yield openai_messages.wrong_type("parallel_tool_calls", "a boolean", fields["parallel_tool_calls"])


LENIENT_RULES: tuple[Rule, ...] = (
    _model,
    openai_messages.messages_present,
    openai_messages.shapes,
    openai_messages.content_types,
    openai_tools.call_shapes,
    openai_tools.calls_answered,
    openai_tools.definitions,
    openai_tools.choice,
    _ranges,
    _token_limits,
    _stop,
)
"""Left out is what Mistral, xAI or Perplexity are recorded to take: other parameters and words, `content: []`, an
`image_url` that is a text, `response_format` without a name, a strict schema with optional members.
"""

RULES: tuple[Rule, ...] = (
    _unknown,
    *LENIENT_RULES,
    openai_messages.contents,
    openai_tools.choice_word,
    openai_tools.schemas,
    _nulls,
    _both_limits,
    _depends,
    _response_format,
    openai_messages.unknown_keys_inside,
)
