"""A small value that satisfies a JSON Schema, so that structured output works against the stand-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 12
"""Recursive schemas end here: optional members are left out, required ones become None."""


def instance(schema: Any, definitions: Mapping[str, Any] | None = None) -> Any:
    """Builds a minimal instance of a schema.

    Understands type (also a list of types, and Gemini's upper-case names), properties, required, items,
    prefixItems, minItems, enum, const, default, anyOf, oneOf, allOf, `$ref` to `#/$defs/X` or
    `#/definitions/X`, minLength, minimum, maximum, exclusive bounds, multipleOf and the
    common formats. Every declared property is filled, so that the result is useful to look at.

    Args:
        schema: the schema.
        definitions: what `$ref` can name; by default the schema's own `$defs` or `definitions`.

    Returns:
        A JSON value. Deterministic.
    """
    if definitions is None and isinstance(schema, Mapping):
        definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    return _instance(schema, definitions or {}, "value", 0)


def _instance(schema: Any, definitions: Mapping[str, Any], name: str, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    elsewhere = _elsewhere(schema, definitions)
    if elsewhere is not None:
        return _instance(elsewhere, definitions, name, depth + 1)
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, definitions, depth)
    if kind == "array":
        return _array(schema, definitions, name, depth)
    if kind in {"integer", "number"}:
        return _number(schema, whole=kind == "integer")
    if kind == "string":
        return _string(schema, name)
    return True if kind == "boolean" else None


def _elsewhere(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """The schema that this one points to or chooses from, None if it speaks for itself."""
    if "$ref" in schema:
        return definitions.get(schema["$ref"].rpartition("/")[2], {"type": "null"})
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            return _choose(schema[keyword])
    return _merge(schema, definitions) if schema.get("allOf") else None


def _kind(schema: Mapping[str, Any]) -> str:
    """The type in lower case; of several the first that is not null; guessed if absent."""
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((kind for kind in declared if kind != "null"), "null")
    if isinstance(declared, str):
        return declared.lower()
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _choose(options: list[Any]) -> Any:
    """The first alternative that is not null: a value shows more than its absence."""
    return next((option for option in options if option != {"type": "null"}), options[0])


def _merge(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """One object schema out of `allOf` and its siblings."""
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        target = definitions.get(part["$ref"].rpartition("/")[2], {}) if "$ref" in part else part
        for key, value in target.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged.setdefault(key, value)
    return merged


def _object(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    properties = {**{name: {} for name in sorted(required)}, **schema.get("properties", {})}
    deep = depth + 2 > _MAX_DEPTH
    return {
        name: _instance(member, definitions, name, depth + 1)
        for name, member in properties.items()
        if name in required or not deep
    }


def _array(schema: Mapping[str, Any], definitions: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    fixed = [_instance(item, definitions, name, depth + 1) for item in schema.get("prefixItems", ())]
    items = schema.get("items")
    if not isinstance(items, Mapping) or (depth + 2 > _MAX_DEPTH and not schema.get("minItems")):
        return fixed
    wanted = max(int(schema.get("minItems", 1)), len(fixed) or 1)
    wanted = min(wanted, int(schema.get("maxItems", wanted)))
    return fixed + [_instance(items, definitions, name, depth + 1) for _ in range(wanted - len(fixed))]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    value = 1 if low is None else low
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        value = schema["exclusiveMinimum"] + (step if whole else 0.5)
    if high is not None and value > high:
        value = high
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        value = schema["exclusiveMaximum"] - (step if whole else 0.5)
    if "multipleOf" in schema:
        value = -(-value // step) * step
    return int(value) if whole else value


_FORMATS = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "stand-in@example.com",
    "uri": "https://example.com/",
    "duration": "PT1S",
    "ipv4": "127.0.0.1",
}


def _string(schema: Mapping[str, Any], name: str) -> str:
    """The property's own name, stretched or cut to the limits, or a fixed value of the format."""
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = name.ljust(int(schema.get("minLength", 0)), "x")
    return text[: int(schema.get("maxLength", len(text)))]
