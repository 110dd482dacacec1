"""What Gemini's generateContent refuses: the request, its configuration and its contents.

Sources: ai.google.dev, API reference "Generating content" (GenerateContentRequest, Content, Part,
GenerationConfig), "Function calling"; quoted messages are Google's own, as users report them in public issue
threads. JSON for protocol buffers: both camelCase and snake_case names are known, null means "not set", a repeated
field may be given as a single value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules import gemini_tools
from langchain_pollinations_portkey.testing.rules.anthropic_content import is_base64
from langchain_pollinations_portkey.testing.rules.gemini_schema import schema_problems
from langchain_pollinations_portkey.testing.rules.gemini_tools import either, unknown_fields
from langchain_pollinations_portkey.testing.rules.refusal import (
    Fields,
    Refusal,
    Rule,
    first_refusal,
    is_number,
    is_whole,
)

_REQUEST = (
    "model contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent serviceTier store"
)
_VERTEX_REQUEST = f"{_REQUEST} labels modelArmorConfig"
_GENERATION = (
    "audioTimestamp candidateCount enableAffectiveDialog enableEnhancedCivicAnswers frequencyPenalty imageConfig "
    "logprobs maxOutputTokens mediaResolution modelConfig presencePenalty responseJsonSchema responseLogprobs "
    "responseMimeType responseModalities responseSchema routingConfig seed speechConfig stopSequences temperature "
    "thinkingConfig topK topP _responseJsonSchema"
)
_PART = (
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult thought "
    "thoughtSignature videoMetadata mediaResolution partMetadata toolCall toolResponse"
)
_DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)
_ROLES = frozenset({None, "", "user", "model", "function"})
_RANGES = {"temperature": (0.0, 2.0), "topP": (0.0, 1.0)}
_MAX_STOP = 5


def check_gemini(fields: Fields, *, vertex: bool = False) -> Refusal | None:
    """Returns Google's refusal of a generateContent body, None if it is fine.

    Args:
        fields: the body.
        vertex: the body goes to Vertex AI, which has a few fields more and does not take empty texts.
    """
    rules = (_vertex_fields, *RULES, _vertex_texts, _vertex_schemas) if vertex else (_fields, *RULES, _schemas)
    return first_refusal(rules, fields)


def _fields(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Invalid JSON payload received. Unknown name "x": Cannot find field."."""
    yield from unknown_fields(fields, _REQUEST, "")


def _vertex_fields(fields: Fields) -> Iterator[Refusal]:
    """The same with Vertex AI's fields."""
    yield from unknown_fields(fields, _VERTEX_REQUEST, "")


def contents(fields: Fields) -> Iterator[Refusal]:
    """Refused: "...contents: contents is not specified", "...parts: contents.parts must not be empty."."""
    turns = fields.get("contents")
    if not turns:
        yield Refusal("* GenerateContentRequest.contents: contents is not specified\n")
    if not isinstance(turns, list):
        yield Refusal("Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content)")
        return
    for index, turn in enumerate(turns):
        where = f"contents[{index}]"
        yield from unknown_fields(turn, "role parts", where)
        role = turn.get("role")
        if role == "system":
            yield Refusal("Content with system role is not supported.")
        if role not in _ROLES:
            yield Refusal("Please use a valid role: user, model.")
        yield from _parts(turn, where)


def system(fields: Fields) -> Iterator[Refusal]:
    """The system instruction is a content like the others, whatever its role."""
    instruction = either(fields, "systemInstruction")
    if instruction is not None:
        yield from unknown_fields(instruction, "role parts", "system_instruction")
        yield from _parts(instruction, "system_instruction")


def _parts(turn: Fields, where: str) -> Iterator[Refusal]:
    parts = turn.get("parts")
    if not parts:
        yield Refusal(f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n")
    for number, part in enumerate(parts if isinstance(parts, list) else [parts]):
        yield from _part(part, f"{where}.parts[{number}]")


def _part(part: Any, where: str) -> Iterator[Refusal]:
    """A part has exactly one kind of data ("required oneof field 'data' must have one initialized field")."""
    yield from unknown_fields(part, _PART, where)
    data = [name for name in _DATA if either(part, name) is not None]
    if not data:
        yield Refusal(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n"
        )
    if len(data) > 1:
        yield Refusal(
            f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{_snake(data[1])}'"
        )
    value = either(part, data[0])
    if data[0] == "text":
        if not isinstance(value, str):
            yield Refusal(f"Invalid value at '{where}' (text), Starting an object on a scalar field")
        return
    if data[0] == "inlineData":
        yield from _inline_data(value, f"{where}.inline_data")
    elif data[0] == "functionCall":
        yield from _function_call(value, f"{where}.function_call")
    elif data[0] == "functionResponse":
        yield from _function_response(value, f"{where}.function_response")


def _inline_data(value: Fields, where: str) -> Iterator[Refusal]:
    """A MIME type and base64 ("Base64 decoding failed")."""
    yield from unknown_fields(value, "mimeType data displayName", where)
    # Google also takes the URL-safe alphabet and leaves padding to the client.
    data = re.sub(r"\s", "", str(value.get("data", ""))).replace("-", "+").replace("_", "/").rstrip("=")
    if data and not is_base64(data + "=" * (-len(data) % 4)):
        yield Refusal(f"Invalid value at '{where}.data' (TYPE_BYTES), Base64 decoding failed for \"{data[:20]}...\"")
    if not either(value, "mimeType"):
        yield Refusal(f"* GenerateContentRequest.{where}.mime_type: mime_type must not be empty.\n")


def _function_call(value: Fields, where: str) -> Iterator[Refusal]:
    """A name, and arguments that are an object."""
    yield from unknown_fields(value, "id name args partialArgs willContinue", where)
    if not value.get("name"):
        yield Refusal(f"* GenerateContentRequest.{where}.name: Name cannot be empty.\n")
    if not isinstance(value.get("args", {}), (dict, type(None))):
        yield _no_struct(f"{where}.args", value["args"])


def _function_response(value: Fields, where: str) -> Iterator[Refusal]:
    """A name, and a response that is an object ("function_response.name: Name cannot be empty.")."""
    yield from unknown_fields(value, "id name response parts scheduling willContinue", where)
    if not value.get("name"):
        yield Refusal(f"* GenerateContentRequest.{where}.name: Name cannot be empty.\n")
    if not isinstance(value.get("response", {}), (dict, type(None))):
        yield _no_struct(f"{where}.response", value["response"])


def _no_struct(where: str, value: Any) -> Refusal:
    return Refusal(f"Invalid value at '{where}' (type.googleapis.com/google.protobuf.Struct), \"{value}\"")


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def generation_config(fields: Fields) -> Iterator[Refusal]:
    """Known fields; ranges ("temperature must be in the range [0.0, 2.0]."); up to five stop sequences."""
    config = either(fields, "generationConfig")
    if config is None:
        return
    yield from unknown_fields(config, _GENERATION, "generation_config")
    for name, (low, high) in _RANGES.items():
        value = either(config, name)
        if value is None:
            continue
        snake = _snake(name)
        if not is_number(value):
            yield Refusal(f"Invalid value at 'generation_config.{snake}' (TYPE_FLOAT), \"{value}\"")
        if not low <= value <= high:
            yield Refusal(
                f"* GenerateContentRequest.generation_config.{snake}: {snake} must be in the range [{low}, {high}].\n"
            )
    limit = either(config, "maxOutputTokens")
    if limit is not None and not is_whole(limit):
        yield Refusal(f"Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), \"{limit}\"")
    if limit is not None and limit < 1:
        yield Refusal(
            "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive.\n"
        )
    stop = either(config, "stopSequences")
    if isinstance(stop, list) and len(stop) > _MAX_STOP:
        yield Refusal(
            "* GenerateContentRequest.generation_config.stop_sequences: the number of stop sequences must not exceed "
            f"{_MAX_STOP}.\n"
        )


def _schemas(fields: Fields) -> Iterator[Refusal]:
    yield from _all_schemas(fields, vertex=False)


def _vertex_schemas(fields: Fields) -> Iterator[Refusal]:
    yield from _all_schemas(fields, vertex=True)


def _all_schemas(fields: Fields, *, vertex: bool) -> Iterator[Refusal]:
    """The schemas of functions and of the response have Google's own form (see `gemini_schema`)."""
    response = either(either(fields, "generationConfig") or {}, "responseSchema")
    yield from schema_problems(response, "generation_config.response_schema", vertex=vertex)
    for where, function in gemini_tools.functions(fields):
        for name in ("parameters", "response"):
            yield from schema_problems(function.get(name), f"{where}.{name}", vertex=vertex)


def _vertex_texts(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Unable to submit request because it has an empty text parameter." (Vertex AI)."""
    for turn in fields["contents"]:
        for part in turn["parts"] if isinstance(turn["parts"], list) else [turn["parts"]]:
            if part.get("text") == "":
                yield Refusal(
                    "Unable to submit request because it has an empty text parameter. Add a value to the parameter "
                    "and try again. Learn more: "
                    "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"
                )


RULES: tuple[Rule, ...] = (
    contents,
    system,
    generation_config,
    gemini_tools.declarations,
    gemini_tools.tool_config,
    gemini_tools.function_turns,
)
