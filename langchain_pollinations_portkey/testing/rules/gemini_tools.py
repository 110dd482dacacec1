"""Gemini's functions: declarations, how they may be called, calls with their responses.

Sources: ai.google.dev, API reference "Caching" (Tool, FunctionDeclaration, ToolConfig), guide "Function calling";
quoted messages are Google's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal, objects

_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$")
_TOOL = (
    "functionDeclarations googleSearch googleSearchRetrieval codeExecution urlContext fileSearch computerUse "
    "googleMaps mcpServers enterpriseWebSearch retrieval"
)
_FUNCTION = "name description behavior parameters parametersJsonSchema response responseJsonSchema"
_MODES = frozenset({None, "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"})


def either(fields: Fields, name: str) -> Any:
    """A field by its camelCase or its snake_case name; None if it is not set."""
    value = fields.get(name)
    return fields.get(_snake(name)) if value is None else value


def unknown_fields(value: Any, known: str, where: str) -> Iterator[Refusal]:
    """Says "Invalid JSON payload received. Unknown name "x" at 'y': Cannot find field.".

    Args:
        value: what should be an object.
        known: the known fields in camelCase, separated by spaces.
        where: the path of the object; "" for the request itself.
    """
    if not isinstance(value, dict):
        yield Refusal(f"Invalid value at '{where}', \"{value}\"")
        return
    names = set(known.split())
    names |= {_snake(name) for name in names}
    at = f" at '{where}'" if where else ""
    unknown = [key for key in value if key not in names]
    if unknown:
        lines = (f'Invalid JSON payload received. Unknown name "{key}"{at}: Cannot find field.' for key in unknown)
        yield Refusal("\n".join(lines))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", name)


def functions(fields: Fields) -> Iterator[tuple[str, Fields]]:
    """(path, declaration) of every function."""
    for index, tool in enumerate(objects(fields.get("tools"))):
        for number, function in enumerate(objects(either(tool, "functionDeclarations"))):
            yield f"tools[{index}].function_declarations[{number}]", function


def declarations(fields: Fields) -> Iterator[Refusal]:
    """A tool is one of the known kinds, a function has a valid name that no other has."""
    for index, tool in enumerate(fields.get("tools") or ()):
        yield from unknown_fields(tool, _TOOL, f"tools[{index}]")
        if all(value in (None, []) for value in tool.values()):
            yield Refusal(
                f"* GenerateContentRequest.tools[{index}].tool_type: required one_of 'tool_type' must have one "
                "initialized field\n"
            )
        declared = either(tool, "functionDeclarations") or []
        if not isinstance(declared, list) or not all(isinstance(function, dict) for function in declared):
            yield Refusal(f"Invalid value at 'tools[{index}].function_declarations', \"{declared}\"")
    seen: set[str] = set()
    for where, function in functions(fields):
        yield from unknown_fields(function, _FUNCTION, where)
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            yield Refusal(
                f"* GenerateContentRequest.{where}.name: [FIELD_INVALID] Invalid function name. Must start with a "
                "letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), "
                "or dashes (-), with a maximum length of 64.\n"
            )
        if name in seen:
            yield Refusal(f"Duplicate function declaration found: {name}")
        seen.add(str(name))


def tool_config(fields: Fields) -> Iterator[Refusal]:
    """Refused: "Function calling config is set without function_declarations."; allowed names only with mode ANY."""
    config = either(fields, "toolConfig")
    if config is None:
        return
    yield from unknown_fields(
        config, "functionCallingConfig retrievalConfig includeServerSideToolInvocations", "tool_config"
    )
    calling = either(config, "functionCallingConfig")
    if calling is None:
        return
    where = "tool_config.function_calling_config"
    yield from unknown_fields(calling, "mode allowedFunctionNames streamFunctionCallArguments", where)
    mode = calling.get("mode")
    if mode not in _MODES:
        yield Refusal(f"Invalid value at '{where}.mode' (type.googleapis.com/Mode), \"{mode}\"")
    if not list(functions(fields)):
        yield Refusal("Function calling config is set without function_declarations.")
    allowed = either(calling, "allowedFunctionNames") or []
    if not isinstance(allowed, list) or not all(isinstance(name, str) for name in allowed):
        yield Refusal(f"Invalid value at '{where}.allowed_function_names' (TYPE_STRING), \"{allowed}\"")
    if allowed and mode not in {"ANY", "VALIDATED"}:
        yield Refusal(f"* GenerateContentRequest.{where}.allowed_function_names: only allowed when mode is ANY.\n")


def function_turns(fields: Fields) -> Iterator[Refusal]:
    """A turn with calls is followed by one with as many responses, a turn with responses follows one with calls.

    "Please ensure that the number of function response parts is equal to the number of function call parts of the
    function call turn.", "Please ensure that function response turn comes immediately after a function call turn."
    """
    calls = 0
    turns = _turns(fields)
    for index, (speaker, called, answered) in enumerate(turns):
        if speaker == "model":
            if called and index == 0:
                yield Refusal(
                    "Please ensure that function call turn comes immediately after a user turn or after a function "
                    "response turn."
                )
            calls = called
            continue
        if answered and not calls:
            yield Refusal("Please ensure that function response turn comes immediately after a function call turn.")
        if answered != calls:
            yield Refusal(_UNEQUAL)
        calls = 0
    if calls:
        yield Refusal(_UNEQUAL)


_UNEQUAL = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)


def _turns(fields: Fields) -> list[tuple[str, int, int]]:
    """(speaker, calls, responses), consecutive contents of the same side merged."""
    merged: list[tuple[str, int, int]] = []
    for content in fields["contents"]:
        speaker = "model" if content.get("role") == "model" else "user"
        parts = content["parts"] if isinstance(content["parts"], list) else [content["parts"]]
        called = sum(either(part, "functionCall") is not None for part in parts)
        answered = sum(either(part, "functionResponse") is not None for part in parts)
        if merged and merged[-1][0] == speaker:
            called, answered = called + merged[-1][1], answered + merged[-1][2]
            merged.pop()
        merged.append((speaker, called, answered))
    return merged
