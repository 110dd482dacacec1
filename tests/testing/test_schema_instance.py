"""Instances of JSON Schemas."""

import pytest

from langchain_pollinations_portkey.testing.schema_instance import instance

TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["name"],
        }
    },
    "$ref": "#/$defs/Node",
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "value"),
        ({"type": "STRING"}, "value"),
        ({"type": "string", "minLength": 8}, "valuexxx"),
        ({"type": "string", "maxLength": 2}, "va"),
        ({"type": "string", "format": "date"}, "2025-01-31"),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"type": "integer", "default": 4}, 4),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 18}, 18),
        ({"type": "integer", "maximum": 0}, 0),
        ({"type": "integer", "exclusiveMinimum": 1}, 2),
        ({"type": "integer", "minimum": 4, "multipleOf": 5}, 5),
        ({"type": "number", "exclusiveMaximum": 1}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "boolean"}]}, True),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}, [1, "value"]),
        ({"properties": {"a": {"type": "string"}}}, {"a": "a"}),
        ({"type": "object", "required": ["a"]}, {"a": "a"}),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"enum": [2]}}}, {"a": 2}),
        (
            {
                "allOf": [{"$ref": "#/definitions/A"}, {"properties": {"b": {"const": 1}}}],
                "definitions": {"A": {"type": "object", "properties": {"a": {"const": 2}}}},
            },
            {"a": 2, "b": 1},
        ),
        (True, None),
    ],
)
def test_instance(schema, expected):
    assert instance(schema) == expected


def test_a_recursive_schema_ends():
    node = instance(TREE)
    depth = 0
    while node.get("children"):
        assert node["name"] == "name"
        node = node["children"][0]
        depth += 1
    assert 1 <= depth < 12
