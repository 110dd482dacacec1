"""OpenAI's rules for JSON Schemas in function tools and in `response_format`.

Sources: platform.openai.com, guides "Structured outputs" (supported schemas) and "Function calling"; quoted
messages are the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules.openai_messages import missing, wrong_type
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal

_FORMAT_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_NOT_AT_TOP = ("oneOf", "anyOf", "allOf", "enum", "not")


def function_parameters(function: Fields, where: str) -> Iterator[Refusal]:
    """A function's parameters, if there are any, are an object schema; a strict one keeps strict's rules."""
    schema = function.get("parameters")
    if schema is None:
        return
    param = f"{where}.parameters"
    if not isinstance(schema, dict):
        yield wrong_type(param, "an object", schema)
        return
    invalid = f"Invalid schema for function '{function['name']}': "
    for problem in _problems(schema, strict=function.get("strict") is True):
        yield Refusal(invalid + problem, code="invalid_function_parameters", param=param)


def json_schema_format(wanted: Any) -> Iterator[Refusal]:
    """`response_format.json_schema` has a name and a schema; a strict one keeps strict's rules."""
    where = "response_format.json_schema"
    if not isinstance(wanted, dict):
        yield missing(where)
        return
    name = wanted.get("name")
    if name is None:
        yield missing(f"{where}.name")
    if not isinstance(name, str) or not _FORMAT_NAME.match(name):
        yield Refusal(
            f"Invalid '{where}.name': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            code="invalid_value",
            param=f"{where}.name",
        )
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        yield missing(f"{where}.schema")
        return
    invalid = f"Invalid schema for response_format '{name}': "
    for problem in _problems(schema, strict=wanted.get("strict") is True):
        yield Refusal(invalid + problem, code="invalid_json_schema", param="response_format")


def _problems(schema: Fields, *, strict: bool) -> Iterator[str]:
    """Why a schema is not taken: it is no object, an array has no items, or strict's rules are broken."""
    if schema.get("type") != "object":
        kind = schema.get("type", "None")
        yield f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        return
    if any(keyword in schema for keyword in _NOT_AT_TOP):
        yield "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."
    yield from _inside(schema, (), strict=strict)


def _inside(schema: Any, path: tuple[str, ...], *, strict: bool) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    context = f"In context=({', '.join(map(repr, path))}{',' if len(path) == 1 else ''}), "
    if schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema:
        yield f"{context}array schema missing items."
    if strict and schema.get("type") == "object":
        yield from (context + problem for problem in _strict_object(schema))
    for name, member in _members(schema):
        yield from _inside(member, (*path, *name), strict=strict)


def _strict_object(schema: Fields) -> Iterator[str]:
    """Says "Structured outputs": all fields must be required, additionalProperties must be false."""
    if schema.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    absent = [name for name in schema.get("properties") or {} if name not in (schema.get("required") or ())]
    if absent:
        yield (
            "'required' is required to be supplied and to be an array including every key in properties. Missing "
            f"'{absent[0]}'."
        )


def _members(schema: Fields) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, schema) of the schemas inside a schema."""
    for keyword in ("properties", "$defs", "definitions"):
        inner = schema.get(keyword)
        if isinstance(inner, dict):
            for name, member in inner.items():
                yield (keyword, name), member
    if isinstance(schema.get("items"), dict):
        yield ("items",), schema["items"]
    for keyword in ("anyOf", "oneOf", "allOf"):
        for index, member in enumerate(schema.get(keyword) or ()):
            yield (keyword, str(index)), member
