"""JSON Schemas of tools and answers, in the form that arrives at a provider and is understood there.

What every model takes is a plain object at the top. Anthropic's the gateway rebuilds of four keys, so a `$ref` or
`anyOf` at the top would leave an empty schema; Gemini has a schema language of its own that only looks like JSON
Schema. Schemas are never changed; each function gives a new one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from langchain_pollinations_portkey.catalogue.entries import Provider

Schema = dict[str, Any]

_COMBINATIONS = ("allOf", "anyOf", "oneOf")
_UNSETTLED = {"$ref", "definitions", *_COMBINATIONS}


def schema_for(schema: Mapping[str, Any] | None, provider: Provider, losses: dict[str, str]) -> Schema:
    """The schema of a tool's arguments, or of an answer, for a provider.

    Args:
        schema: JSON Schema, or `None` for a tool without arguments.
        provider: Who will read it.
        losses: Takes a sentence about constraints that its schema language does not have.
    """
    plain = object_schema(schema or {})
    if provider.dialect != "google":
        return plain
    left_out: set[str] = set()
    translated = _gemini(plain, plain.get("$defs") or {}, (), left_out)
    if left_out:
        losses["schema_keywords"] = (
            f"schemas for {provider.title} cannot say {', '.join(sorted(left_out))}; the model does not know of it."
        )
    return translated


def object_schema(schema: Mapping[str, Any]) -> Schema:
    """A schema whose top is an object with `properties`: references resolved, alternatives laid together there.

    The alternatives as they were go into the description, since one object cannot say which go together.
    """
    if schema.get("type") == "object" and "properties" in schema and not _UNSETTLED & schema.keys():
        return dict(schema)
    whole = _with_defs(copy.deepcopy(dict(schema)))
    defs = whole.get("$defs") or {}
    top = _resolved(whole, defs)
    described: list[str] = []
    for keyword in _COMBINATIONS:
        options = [_resolved(option, defs) for option in top.pop(keyword, None) or () if isinstance(option, dict)]
        if not options:
            continue
        _lay_together(top, options, every=keyword == "allOf")
        if keyword != "allOf":
            described.append(f"One of these forms: {json.dumps(options, ensure_ascii=False)}")
    if described:
        top["description"] = "\n".join([*filter(None, [top.get("description")]), *described])
    top["type"] = "object"
    top.setdefault("properties", {})
    if defs:
        top["$defs"] = defs
    return top


def strict_schema(schema: Mapping[str, Any]) -> Schema:
    """A schema that OpenAI takes with `strict`: every property required, no others allowed, no defaults."""
    return _strict(copy.deepcopy(dict(schema)))  # type: ignore[no-any-return]


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    result: Schema = {}
    for key, value in node.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            result[key] = {name: _strict(member) for name, member in value.items()}
        elif key != "default":
            result[key] = _strict(value) if key not in ("enum", "const", "required", "examples") else value
    if node.get("type") == "object" or "properties" in node:
        result["required"] = list(node.get("properties") or {})
        result["additionalProperties"] = False
    return result


def _with_defs(schema: Schema) -> Schema:
    """The name of today for definitions: the gateway knows `$defs` only."""
    if "definitions" not in schema:
        return schema
    text = json.dumps(schema).replace('"#/definitions/', '"#/$defs/')
    renamed: Schema = json.loads(text)
    renamed["$defs"] = {**renamed.pop("definitions"), **renamed.get("$defs", {})}
    return renamed


def _resolved(node: Schema, defs: Mapping[str, Any]) -> Schema:
    """A schema with the reference that it begins with, if any, replaced by what it names; what it adds wins."""
    seen: set[str] = set()
    result = dict(node)
    while isinstance(result.get("$ref"), str) and result["$ref"] not in seen:
        seen.add(result["$ref"])
        named = defs.get(result["$ref"].removeprefix("#/$defs/"))
        if not isinstance(named, Mapping):
            break
        result = {**copy.deepcopy(dict(named)), **{key: value for key, value in result.items() if key != "$ref"}}
    return result


def _lay_together(top: Schema, options: list[Schema], *, every: bool) -> None:
    """Add the properties of `options` to `top`; required is what all of them require, or with `every` any."""
    properties = dict(top.get("properties") or {})
    for option in options:
        for name, member in (option.get("properties") or {}).items():
            properties.setdefault(name, member)
    sets = [set(option.get("required") or ()) for option in options]
    both = set.union(*sets) if every else set.intersection(*sets)
    required = set(top.get("required") or ()) | both
    top["properties"] = properties
    if required:
        top["required"] = [name for name in properties if name in required]
    if every:
        for option in options:
            for key, value in option.items():
                top.setdefault(key, value)


# Gemini's schemas: ai.google.dev, API reference "Caching" (Schema), and cloud.google.com, Vertex AI reference.

_GEMINI_KEYS = frozenset(
    (
        "type",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "default",
        "items",
        "minimum",
        "maximum",
    )
)

_GEMINI_FORMATS = frozenset(("date-time", "enum", "int32", "int64", "float", "double"))

_SAYS_NOTHING = frozenset(
    (
        "$schema",
        "$id",
        "$defs",
        "$comment",
        "$anchor",
        "examples",
        "discriminator",
        "deprecated",
        "readOnly",
        "writeOnly",
        "additionalProperties",
        "unevaluatedProperties",
        "strict",
    )
)
"""Keywords whose absence a model does not notice, or which the gateway removes for Gemini anyway."""


def _gemini(node: Any, defs: Mapping[str, Any], path: tuple[str, ...], left_out: set[str]) -> Schema:
    """A schema in Gemini's language; references are written out, and a recursive one ends as any object."""
    if not isinstance(node, dict):
        return {}
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in path:
            left_out.add("recursion")
            return {"type": "object", **{key: node[key] for key in ("description",) if key in node}}
        path = (*path, reference)
    schema = _resolved(node, defs)
    notes: list[str] = []
    result: Schema = {key: value for key, value in schema.items() if key in _GEMINI_KEYS - _NESTED}
    _gemini_type(schema, result)
    _gemini_values(schema, result, notes)
    _gemini_alternatives(schema, result, defs, path, left_out)
    _gemini_members(schema, result, defs, path, left_out)
    left_out |= schema.keys() - _GEMINI_KEYS - _SAYS_NOTHING - _TRANSLATED
    if notes:
        result["description"] = " ".join([*filter(None, [result.get("description")]), *notes])
    return result


_NESTED = frozenset(("type", "enum", "anyOf", "properties", "items", "required"))
_TRANSLATED = frozenset(
    ("$ref", "const", "oneOf", "allOf", "format", "exclusiveMinimum", "exclusiveMaximum", "prefixItems")
)


def _gemini_type(schema: Schema, result: Schema) -> None:
    """One type; `null` among several is a flag of its own."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        result["type"] = kinds
    elif isinstance(kinds, list):
        real = [kind for kind in kinds if kind != "null"]
        if len(real) < len(kinds):
            result["nullable"] = True
        if len(real) == 1:
            result["type"] = real[0]
        elif real:
            result["anyOf"] = [{"type": kind} for kind in real]
    elif isinstance(schema.get("const"), str):
        result["type"] = "string"


def _gemini_values(schema: Schema, result: Schema, notes: list[str]) -> None:
    """Allowed values and ranges. Texts can be enumerated, some formats are known; the rest is said in words."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        if any(value is None for value in values):
            result["nullable"] = True
        values = [value for value in values if value is not None]
        if all(isinstance(value, str) for value in values):
            result["enum"] = values
            result.setdefault("type", "string")
        else:
            notes.append(f"One of: {', '.join(json.dumps(value) for value in values)}.")
    if schema.get("format") in _GEMINI_FORMATS:
        result["format"] = schema["format"]
    elif schema.get("format"):
        notes.append(f"Format: {schema['format']}.")
    for name, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        limit = schema.get(name)
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            if schema.get("type") == "integer":
                result[bound] = limit + step
            else:
                notes.append(f"{'More' if step > 0 else 'Less'} than {limit}.")


def _gemini_alternatives(
    schema: Schema, result: Schema, defs: Mapping[str, Any], path: tuple[str, ...], left_out: set[str]
) -> None:
    """`anyOf` and `oneOf` as `anyOf`, without null, which is a flag; a single alternative is no alternative."""
    for keyword in ("anyOf", "oneOf"):
        options = [option for option in schema.get(keyword) or () if isinstance(option, dict)]
        real = [option for option in options if option.get("type") != "null"]
        if len(real) < len(options):
            result["nullable"] = True
        translated = [_gemini(option, defs, path, left_out) for option in real]
        if len(translated) == 1:
            for key, value in translated[0].items():
                result.setdefault(key, value)
        elif translated:
            result["anyOf"] = [*result.get("anyOf", []), *translated]
    for option in schema.get("allOf") or ():
        for key, value in _gemini(option, defs, path, left_out).items():
            if key == "properties":
                result[key] = {**value, **result.get(key, {})}
            elif key == "required":
                result[key] = list(dict.fromkeys([*result.get(key, []), *value]))
            else:
                result.setdefault(key, value)


def _gemini_members(
    schema: Schema, result: Schema, defs: Mapping[str, Any], path: tuple[str, ...], left_out: set[str]
) -> None:
    """Properties and items. An array says what is in it; a required property has to be one."""
    own = schema.get("properties")
    if isinstance(own, dict):
        members = {name: _gemini(member, defs, path, left_out) for name, member in own.items()}
        result["properties"] = {**result.get("properties", {}), **members}
    known = result.get("properties") or {}
    required = [*(schema.get("required") or ()), *result.get("required", [])]
    result.pop("required", None)
    kept = [name for name in dict.fromkeys(required) if name in known]
    if kept:
        result["required"] = kept
    fixed = [_gemini(item, defs, path, left_out) for item in schema.get("prefixItems") or ()]
    if isinstance(schema.get("items"), dict):
        result["items"] = _gemini(schema["items"], defs, path, left_out)
    elif fixed:
        different = [item for position, item in enumerate(fixed) if item not in fixed[:position]]
        result["items"] = different[0] if len(different) == 1 else {"anyOf": different}
    elif result.get("type") == "array" and "items" not in result:
        result["items"] = {}
