"""Tools behind the real gateway: each provider takes the definitions, and receives the choice."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import StandInProvider
from tests.live.outgoing import TARGETS

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings("ignore:.*the model does not know of it"),
    pytest.mark.filterwarnings("ignore:.*does not hand 'parallel_tool_calls' on"),
]


class Kind(StrEnum):
    """Kinds."""

    A = "a"
    B = "b"


class Leaf(BaseModel):
    """A leaf."""

    colour: Literal["green", "red"] = "green"


class Tree(BaseModel):
    """Much of what pydantic writes."""

    kind: Kind
    only: Literal["x"] = "x"
    number: Literal[1, 2] = 1
    maybe: str | None = None
    either: int | str = 1
    pair: tuple[int, str] = (1, "")
    table: dict[str, int] = Field(default_factory=dict)
    leaves: list[Leaf] = Field(default_factory=list)
    first: Leaf | None = None
    above: int = Field(default=5, gt=3, lt=10)
    children: list[Tree] = Field(default_factory=list)


@tool
def nothing() -> str:
    """Takes no arguments."""
    return ""


@tool
def plant(tree: Tree) -> str:
    """Plant a tree."""
    return str(tree)


SCHEMAS: dict[str, Any] = {
    "pydantic": Tree,
    "a tool with a pydantic argument": plant,
    "a tool without arguments": nothing,
    "a name only": {"type": "function", "function": {"name": "f"}},
    "an empty description": {"type": "function", "function": {"name": "f", "description": "", "parameters": {}}},
    "JSON Schema with references": {"name": "f", "parameters": Tree.model_json_schema()},
    "definitions of old": {
        "name": "f",
        "parameters": {
            "type": "object",
            "properties": {"leaf": {"$ref": "#/definitions/Leaf"}},
            "definitions": {"Leaf": Leaf.model_json_schema()},
        },
    },
    "alternatives at the top": {
        "name": "f",
        "parameters": {
            "anyOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ]
        },
    },
    "a reference at the top": {
        "name": "f",
        "parameters": {"$ref": "#/$defs/Leaf", "$defs": {"Leaf": Leaf.model_json_schema()}},
    },
    "Anthropic's": {"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}},
}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("name", TARGETS)
def test_every_kind_of_tool_is_taken_everywhere(
    name: str, schema: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    message = TARGETS[name].chat(pinned_gateway, provider).bind_tools([SCHEMAS[schema]], tool_choice="any").invoke("q")
    assert provider.last.refused is None
    assert len(message.tool_calls) == 1


@pytest.mark.filterwarnings("ignore:The gateway does not hand a tool's `strict` on")
@pytest.mark.parametrize("name", TARGETS)
def test_strict_is_taken_everywhere(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    tools = [plant, {"type": "function", "function": {"name": "f", "parameters": {}}}]
    TARGETS[name].chat(pinned_gateway, provider).bind_tools(tools, strict=True).invoke("q")
    assert provider.last.refused is None


CHOICES = [None, "auto", "any", "required", True, "nothing", {"type": "tool", "name": "nothing"}, {"type": "any"}]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("name", TARGETS)
def test_every_choice_is_taken_everywhere(
    name: str, choice: Any, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    message = model.bind_tools([plant, nothing], tool_choice=choice).invoke("q")
    assert provider.last.refused is None
    called = [call["name"] for call in message.tool_calls]
    assert called == ([] if choice in (None, "auto") else ["nothing"] if "nothing" in str(choice) else ["plant"])


@pytest.mark.parametrize("name", TARGETS)
def test_parallel_tool_calls_are_taken_everywhere(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    model.bind_tools([nothing], parallel_tool_calls=False).invoke("q")
    assert provider.last.refused is None


@pytest.mark.parametrize("name", TARGETS)
def test_no_tools_are_no_tools(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    model.bind_tools([], tool_choice="auto", parallel_tool_calls=True).invoke("q")
    assert provider.last.refused is None
    assert "tools" not in provider.last.json


@pytest.mark.parametrize("name", ["anthropic", "vertex-claude", "bedrock"])
@pytest.mark.parametrize(
    "search",
    [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        {"type": "web_search", "web_search": {"name": "web_search_20250305", "max_uses": 2}},
    ],
)
def test_claudes_own_tools(
    name: str, search: dict[str, Any], pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    TARGETS[name].chat(pinned_gateway, provider).bind_tools([nothing, search]).invoke("q")
    assert provider.last.refused is None
    body = provider.last.json
    tools = (body.get("additionalModelRequestFields") or body)["tools"]
    assert {"type": "web_search_20250305", "name": "web_search", "max_uses": 2} in tools


def test_geminis_own_search(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    TARGETS["google"].chat(pinned_gateway, provider).bind_tools([{"google_search": {}}]).invoke("q")
    assert provider.last.refused is None
    assert provider.last.json["tools"] == [{"googleSearch": {}}]


def test_tools_that_were_bound_unconverted(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    TARGETS["openai"].chat(pinned_gateway, provider).bind(tools=[nothing, Leaf]).invoke("q")
    assert [one["function"]["name"] for one in provider.last.json["tools"]] == ["nothing", "Leaf"]


def test_a_choice_that_names_no_tool_is_refused_when_it_is_bound(
    pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    with pytest.raises(PortkeyConfigurationError, match="'other', which is not among the tools: nothing"):
        TARGETS["openai"].chat(pinned_gateway, provider).bind_tools([nothing], tool_choice="other")


@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_a_thinking_claude_is_not_forced(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    model = TARGETS[name].chat(pinned_gateway, provider, thinking=thinking, max_tokens=2048)
    with pytest.warns(LossWarning, match="while the model thinks"):
        model.bind_tools([nothing], tool_choice="any").invoke("q")
    assert provider.last.refused is None


def test_a_thinking_budget_leaves_room_for_the_answer(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000}
    model = TARGETS["anthropic"].chat(pinned_gateway, provider, thinking=thinking, max_tokens=None)
    model.model_copy(update={"model_name": "claude-of-tomorrow"}).invoke("q")
    assert provider.last.refused is None
    assert provider.last.json["max_tokens"] > 10_000
