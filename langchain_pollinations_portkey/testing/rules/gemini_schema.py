"""Google's `Schema`, which looks like JSON Schema and is another thing.

Sources: ai.google.dev, API reference "Caching" (Schema) and cloud.google.com, Vertex AI reference (Schema); quoted
messages are Google's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules.gemini_tools import either, unknown_fields
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal

_SCHEMA = (
    "type format title description nullable enum maxItems minItems properties required minProperties maxProperties "
    "minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum"
)
_VERTEX_SCHEMA = f"{_SCHEMA} additionalProperties ref defs"
_TYPES = frozenset({"TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})


def schema_problems(schema: Any, where: str, *, vertex: bool) -> Iterator[Refusal]:
    """Yields what Google refuses in a schema: unknown keywords (`$ref`, `additionalProperties`, ...), lists of types.

    Args:
        schema: the schema; None has no problems.
        where: its path, as Google writes it (`tools[0].function_declarations[0].parameters`).
        vertex: Vertex AI knows a few keywords more.
    """
    if schema is None:
        return
    yield from unknown_fields(schema, _VERTEX_SCHEMA if vertex else _SCHEMA, where)
    kind = schema.get("type")
    if isinstance(kind, list):
        yield Refusal(
            f"Invalid JSON payload received. Unknown name \"type\" at '{where}': Proto field is not repeating, cannot "
            "start list."
        )
    elif kind is not None and str(kind).upper() not in _TYPES:
        yield Refusal(f"Invalid value at '{where}.type' (type.googleapis.com/Type), \"{kind}\"")
    yield from _own_rules(schema, where)
    for path, member in _members(schema):
        yield from schema_problems(member, f"{where}.{path}", vertex=vertex)


def _own_rules(schema: Fields, where: str) -> Iterator[Refusal]:
    """Arrays need items ("items: missing field."), required properties must exist ("property is not defined")."""
    if str(schema.get("type", "")).upper() == "ARRAY" and schema.get("items") is None:
        yield Refusal(f"* GenerateContentRequest.{where}.items: missing field.\n")
    properties = schema.get("properties") or {}
    for index, name in enumerate(schema.get("required") or ()):
        if name not in properties and either(schema, "anyOf") is None:
            yield Refusal(f"* GenerateContentRequest.{where}.required[{index}]: property is not defined\n")


def _members(schema: Fields) -> Iterator[tuple[str, Any]]:
    """(path, schema) of the schemas inside; properties are numbered, since they are a map."""
    for index, member in enumerate((schema.get("properties") or {}).values()):
        yield f"properties[{index}].value", member
    if schema.get("items") is not None:
        yield "items", schema["items"]
    for index, member in enumerate(either(schema, "anyOf") or ()):
        yield f"any_of[{index}]", member
