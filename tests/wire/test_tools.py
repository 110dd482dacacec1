"""Tools of every kind, choices among them, and what each provider is told."""

from __future__ import annotations

import copy
import warnings
from enum import StrEnum
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, Tool, tool
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.tools import settle_tools, tool_choice_to_wire, tools_to_wire
from tests.wire.rows import MARK, model

OPENAI = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"
BEDROCK = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
GOOGLE = "google/gemini-2.5-pro"
VERTEX = "vertex-ai/gemini-2.5-pro"

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def plain_function(city: str) -> str:
    """Weather of a city."""
    return city


@tool
def base_tool(city: str) -> str:
    """Weather of a city."""
    return city


class Pydantic(BaseModel):
    """Weather of a city."""

    city: str


class PydanticV1(BaseModelV1):
    """Weather of a city."""

    city: str


class Typed(TypedDict):
    """Weather of a city."""

    city: Annotated[str, ...]


class Args(TypedDict):
    """Arguments."""

    city: str


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # as_tool is in beta
    RUNNABLE = RunnableLambda(lambda given: given["city"]).as_tool(
        name="runnable", description="Weather of a city.", args_schema=Pydantic
    )


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (plain_function, "plain_function"),
        (base_tool, "base_tool"),
        (Pydantic, "Pydantic"),
        (PydanticV1, "PydanticV1"),
        (Typed, "Typed"),
        (RUNNABLE, "runnable"),
        ({"type": "function", "function": {"name": "f", "description": "Weather of a city.", "parameters": CITY}}, "f"),
        ({"name": "f", "description": "Weather of a city.", "parameters": CITY}, "f"),
        ({"name": "f", "description": "Weather of a city.", "input_schema": CITY}, "f"),
        ({"type": "custom", "name": "f", "description": "Weather of a city.", "input_schema": CITY}, "f"),
        ({"title": "f", "description": "Weather of a city.", **CITY}, "f"),
        ({"toolSpec": {"name": "f", "description": "Weather of a city.", "inputSchema": {"json": CITY}}}, "f"),
    ],
)
def test_every_kind_of_tool(given, name):
    before = copy.deepcopy(given) if isinstance(given, dict) else None
    [wire] = tools_to_wire([given])
    assert wire["type"] == "function"
    function = wire["function"]
    assert (function["name"], function["description"]) == (name, "Weather of a city.")
    assert function["parameters"]["required"] == ["city"]
    assert function["parameters"]["properties"]["city"]["type"] == "string"
    assert "strict" not in function
    assert tools_to_wire([wire]) == [wire]
    assert before is None or given == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "cache_control": MARK},
            {"type": "web_search", "web_search": {"name": "web_search_20250305", "max_uses": 2}, "cache_control": MARK},
        ),
        (
            {"type": "web_search", "web_search": {"name": "web_search_20250305"}},
            {"type": "web_search", "web_search": {"name": "web_search_20250305"}},
        ),
        ({"google_search": {}}, {"type": "function", "function": {"name": "google_search", "parameters": {}}}),
        ({"type": "custom", "custom": {"name": "sh"}}, {"type": "custom", "custom": {"name": "sh"}}),
        (
            {"type": "custom", "name": "sh", "description": "Shell."},
            {"type": "custom", "custom": {"name": "sh", "description": "Shell."}},
        ),
    ],
)
def test_tools_that_the_provider_runs_take_the_gateways_form(given, expected):
    assert tools_to_wire([given]) == [expected]


def test_what_stands_in_extras_goes_along():
    searching: BaseTool = StructuredTool.from_function(
        plain_function, extras={"cache_control": MARK, "defer_loading": True}
    )
    [wire] = tools_to_wire([searching])
    assert wire["cache_control"] == MARK
    assert wire["function"]["defer_loading"] is True
    assert settled([wire], CLAUDE)[0]["tools"][0]["function"]["defer_loading"] is True
    assert "defer_loading" not in settled([wire], OPENAI)[0]["tools"][0]["function"]


@pytest.mark.parametrize("given", [3, "search", {"type": "object", "properties": {}}])
def test_what_is_no_tool_is_refused(given):
    with pytest.raises(PortkeyConfigurationError, match="is no tool"):
        tools_to_wire([given])


class Nested(BaseModel):
    """Nested."""

    tag: str = "x"
    inner: list[Pydantic] = Field(default_factory=list)


@pytest.mark.parametrize("given", [Nested, {"name": "Nested", "parameters": Nested.model_json_schema()}])
def test_strict_requires_everything_and_allows_nothing_else(given):
    [wire] = tools_to_wire([given], strict=True)
    parameters = wire["function"]["parameters"]
    assert wire["function"]["strict"] is True
    assert parameters["required"] == ["tag", "inner"]
    assert parameters["additionalProperties"] is False
    assert "default" not in str(parameters)
    assert str(parameters).count("'additionalProperties': False") == 2


def test_strict_false_is_sent_as_such():
    assert tools_to_wire([Pydantic], strict=False)[0]["function"]["strict"] is False


# --- choices


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (False, None),
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        (True, "required"),
        ("f", {"type": "function", "function": {"name": "f"}}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "any"}, "required"),
        ({"type": "auto"}, "auto"),
        ({"type": "none"}, "none"),
    ],
)
def test_choices(choice, expected):
    assert tool_choice_to_wire(choice, tools_to_wire([{"name": "f", "parameters": CITY}])) == expected


@pytest.mark.parametrize(
    ("choice", "reason"), [("g", "names 'g', which is not among the tools: f"), ({"type": "odd"}, "not understood")]
)
def test_choices_that_are_none(choice, reason):
    with pytest.raises(PortkeyConfigurationError, match=reason):
        tool_choice_to_wire(choice, tools_to_wire([{"name": "f", "parameters": CITY}]))


# --- for a provider


def settled(tools: Any, name: str, **body: Any) -> tuple[dict[str, Any], dict[str, str]]:
    request, losses = {"tools": tools, **body}, dict[str, str]()
    given = copy.deepcopy(tools)
    settle_tools(request, model(name), losses)
    assert tools == given
    return request, losses


F, G = {"name": "f", "parameters": CITY}, {"name": "g", "parameters": CITY}
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("name", "choice", "sent", "tools", "warned"),
    [
        (OPENAI, "f", NAMED, ["f", "g"], False),
        (CLAUDE, "any", "required", ["f", "g"], False),
        (CLAUDE, "none", "none", ["f", "g"], False),
        (BEDROCK, "none", None, None, False),  # the gateway would drop it, so there are no tools to call
        ("cohere/command-a", "f", "required", ["f"], False),  # the gateway makes "any" of a name
        ("anthropic/claude-opus-5-5", "f", None, ["f", "g"], True),
        ("bedrock/us.anthropic.claude-opus-5-5-v1:0", "any", None, ["f", "g"], True),
    ],
)
def test_a_choice_arrives_or_is_said_not_to(name, choice, sent, tools, warned):
    body, losses = settled([F, G], name, tool_choice=choice)
    assert body.get("tool_choice") == sent
    assert [one["function"]["name"] for one in body.get("tools", [])] == (tools or [])
    assert ("forced_tool" in losses) is warned


@pytest.mark.parametrize("thinking", [{"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}])
@pytest.mark.parametrize("name", [CLAUDE, BEDROCK, "vertex-ai/anthropic.claude-sonnet-4-5"])
def test_claude_is_not_forced_while_it_thinks(name, thinking):
    for choice in ("any", "f"):
        body, losses = settled([F], name, tool_choice=choice, thinking=thinking)
        assert "tool_choice" not in body
        assert list(losses) == ["forced_tool"]
    body, losses = settled([F], name, tool_choice="auto", thinking=thinking)
    assert body["tool_choice"] == "auto"
    assert not losses


def test_without_tools_there_is_no_choice():
    assert settled([], OPENAI, tool_choice="auto", parallel_tool_calls=False) == ({}, {})


@pytest.mark.parametrize("name", [CLAUDE, BEDROCK, GOOGLE])
def test_a_strict_tool_that_is_not_taken_so_is_said(name):
    body, losses = settled([{**F, "strict": True}], name)
    assert "strict" not in body["tools"][0]["function"]
    assert list(losses) == ["strict"]
    assert settled([{**F, "strict": True}], OPENAI)[0]["tools"][0]["function"]["strict"] is True


def parameters(schema: Any, name: str) -> Any:
    body, _ = settled([{"name": "f", "parameters": schema}], name)
    return body["tools"][0]["function"].get("parameters")


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_a_tool_without_arguments(schema):
    for name in (OPENAI, CLAUDE, BEDROCK):
        assert parameters(schema, name) == {"type": "object", "properties": {}}
    assert parameters(schema, GOOGLE) is None


def test_a_tool_that_is_only_a_name():
    body, _ = settled([{"type": "function", "function": {"name": "f", "description": ""}}], BEDROCK)
    assert body["tools"][0]["function"] == {"name": "f", "parameters": {"type": "object", "properties": {}}}


ALTERNATIVES = {
    "anyOf": [
        {"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
        {"$ref": "#/$defs/B"},
    ],
    "$defs": {"B": {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}},
}


@pytest.mark.parametrize("name", [OPENAI, CLAUDE, BEDROCK])
def test_alternatives_at_the_top_are_laid_together_and_described(name):
    schema = parameters(ALTERNATIVES, name)
    assert schema["type"] == "object"
    assert list(schema["properties"]) == ["kind", "x"]
    assert schema["required"] == ["kind"]
    assert "anyOf" not in schema
    assert '"const": "b"' in schema["description"]


def test_a_reference_at_the_top_is_followed():
    schema = {"$ref": "#/definitions/Node", "definitions": {"Node": {**CITY, "description": "d"}}}
    assert parameters(schema, CLAUDE) == {**CITY, "description": "d", "$defs": {"Node": {**CITY, "description": "d"}}}


def test_all_of_at_the_top_is_one_object():
    schema = {"allOf": [CITY, {"properties": {"days": {"type": "integer"}}, "required": ["days"]}]}
    merged = parameters(schema, CLAUDE)
    assert set(merged["properties"]) == {"city", "days"}
    assert merged["required"] == ["city", "days"]


class Kind(StrEnum):
    """Kinds."""

    A = "a"
    B = "b"


class Tree(BaseModel):
    """Much of what pydantic writes."""

    kind: Kind
    only: Literal["x"] = "x"
    number: Literal[1, 2] = 1
    maybe: str | None = None
    either: int | str = 1
    pair: tuple[int, str] = (1, "")
    table: dict[str, int] = Field(default_factory=dict)
    many: list[Pydantic] = Field(default_factory=list)
    above: int = Field(default=5, gt=3, lt=10)
    mail: str = Field(default="", json_schema_extra={"format": "email"})
    children: list[Tree] = Field(default_factory=list)


@pytest.mark.parametrize("name", [GOOGLE, VERTEX])
def test_geminis_schemas_are_its_own(name):
    body, losses = settled([{"name": "f", "parameters": Tree.model_json_schema()}], name)
    schema = body["tools"][0]["function"]["parameters"]
    assert "$" not in str(schema)
    members = schema["properties"]
    assert members["kind"]["enum"] == ["a", "b"]
    assert (members["only"]["type"], members["only"]["enum"]) == ("string", ["x"])
    assert members["number"]["description"] == "One of: 1, 2."
    assert (members["maybe"]["type"], members["maybe"]["nullable"]) == ("string", True)
    assert [option["type"] for option in members["either"]["anyOf"]] == ["integer", "string"]
    assert [option["type"] for option in members["pair"]["items"]["anyOf"]] == ["integer", "string"]
    assert members["many"]["items"]["properties"]["city"]["type"] == "string"
    assert (members["above"]["minimum"], members["above"]["maximum"]) == (4, 9)
    assert members["mail"]["description"] == "Format: email."
    assert members["children"]["items"]["type"] == "object"
    assert "recursion" in losses["schema_keywords"]


def test_gemini_is_not_told_constraints_it_has_no_words_for():
    schema = {"type": "object", "properties": {"x": {"type": ["integer", "null"], "multipleOf": 3}}}
    body, losses = settled([{"name": "f", "parameters": schema}], GOOGLE)
    assert body["tools"][0]["function"]["parameters"]["properties"]["x"] == {"type": "integer", "nullable": True}
    assert "multipleOf" in losses["schema_keywords"]


def test_a_tool_of_langchains_simple_kind():
    simple = Tool(name="echo", description="Echo.", func=lambda said: said)
    assert tools_to_wire([simple])[0]["function"]["parameters"]["required"] == ["__arg1"]
