"""Tools that were bound once go out with every call; what was made of them is used again only while it holds."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey._json import CheckedList, dumps_body
from langchain_pollinations_portkey.wire.chat import tools as module
from langchain_pollinations_portkey.wire.chat.request import build_request
from langchain_pollinations_portkey.wire.chat.tools import WireTools, tools_to_wire
from tests.wire.rows import MARK, model

OPENAI, CLAUDE, GOOGLE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5", "google/gemini-2.5-pro"
BEDROCK = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"anyOf": [{"type": "integer"}, {"const": 2}]}},
    "required": ["city"],
}
GIVEN = [
    {"name": "f", "description": "F.", "parameters": SCHEMA},
    {"name": "g", "description": "", "input_schema": SCHEMA, "cache_control": MARK, "strict": True},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
]


def request(tools: Any, name: str, **options: Any) -> tuple[dict[str, Any], Any]:
    given = {"max_tokens": 5, "tools": tools, **options}
    built = build_request([HumanMessage("q")], model(name), given, stream=False)
    return built.body, dict(built.losses)


@pytest.mark.parametrize("options", [{}, {"tool_choice": "f"}, {"prompt_caching": "auto"}, {"cache_control": MARK}])
def test_every_call_is_as_if_the_tools_were_given_to_it_alone(options):
    bound = tools_to_wire(copy.deepcopy(GIVEN))
    names = [OPENAI, CLAUDE, GOOGLE, BEDROCK]
    for name in [*names, *reversed(names), *names]:
        assert request(bound, name, **options) == request(list(bound), name, **options)
        assert bound == tools_to_wire(GIVEN)


def test_tools_are_made_ready_once_for_each_provider(monkeypatch):
    made: list[str] = []
    plain = module._for_provider

    def counted(tool: Any, provider: Any, losses: Any) -> Any:
        made.append(provider.id)
        return plain(tool, provider, losses)

    monkeypatch.setattr(module, "_for_provider", counted)
    bound = tools_to_wire(GIVEN)
    for name in (OPENAI, CLAUDE, OPENAI, CLAUDE, OPENAI):
        body, _ = request(bound, name)
        assert len(body["tools"]) == len(GIVEN)

    assert made == ["openai"] * 3 + ["anthropic"] * 3


def function(tools: Any) -> Any:
    return tools[0]["function"]


CHANGES: list[Callable[[Any], Any]] = [
    lambda tools: tools.append({"name": "h", "parameters": SCHEMA}),
    lambda tools: tools.pop(),
    lambda tools: tools.reverse(),
    lambda tools: function(tools).update(name="other"),
    lambda tools: function(tools)["parameters"]["properties"].update(more={"type": "string"}),
    lambda tools: function(tools)["parameters"]["properties"]["city"].update(minLength=2),
    lambda tools: function(tools)["parameters"]["required"].append("days"),
    lambda tools: function(tools)["parameters"]["properties"]["days"]["anyOf"][0].clear(),
    lambda tools: tools[1]["function"].update(description="G."),
    lambda tools: tools.__setitem__(0, lambda city: city),
]


@pytest.mark.parametrize("name", [OPENAI, CLAUDE, GOOGLE])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_by_the_next_call(change, name):
    bound = tools_to_wire(copy.deepcopy(GIVEN))
    before = copy.deepcopy(request(bound, name))
    change(bound)
    if callable(bound[0]):
        bound[0].__name__, bound[0].__doc__ = "f", "F."

    assert request(bound, name) == request(list(bound), name) != before


def test_a_provider_that_was_registered_anew_is_asked_in_its_own_way(monkeypatch):
    bound = tools_to_wire(GIVEN)
    old = model(OPENAI).provider
    monkeypatch.setattr(module, "schema_for", lambda *_: {"type": "object", "properties": {}})
    first = bound.settled(old)

    assert bound.settled(old) is first
    assert bound.settled(copy.copy(old)) is not first


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_not_a_number_in_a_schema_is_refused_before_and_after(odd):
    bound = tools_to_wire(copy.deepcopy(GIVEN))
    function(bound)["parameters"]["properties"]["city"]["default"] = odd
    for _ in range(2):
        body, _ = request(bound, OPENAI)
        assert not isinstance(body["tools"], CheckedList)
        with pytest.raises(ValueError, match="not JSON compliant"):
            dumps_body(body)

    bound = tools_to_wire(copy.deepcopy(GIVEN))
    dumps_body(request(bound, OPENAI)[0])
    function(bound)["parameters"]["properties"]["city"]["default"] = odd
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps_body(request(bound, OPENAI)[0])


def test_things_without_a_form_in_json_and_schemas_that_hold_themselves_end():
    circle: dict[str, Any] = {"type": "object", "properties": {}}
    circle["properties"]["self"] = circle
    for parameters in ({**SCHEMA, "default": object()}, circle):
        bound = tools_to_wire([{"type": "function", "function": {"name": "f", "parameters": parameters}}])
        for _ in range(2):
            body, _ = request(bound, OPENAI)
            with pytest.raises((TypeError, ValueError)):
                dumps_body(body)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda tools: pickle.loads(pickle.dumps(tools))])
def test_copies_are_equal_and_have_a_memory_of_their_own(copied):
    bound = tools_to_wire(copy.deepcopy(GIVEN))
    request(bound, OPENAI)
    other = copied(bound)
    assert isinstance(other, WireTools)
    assert other == bound
    other.append({"name": "h", "parameters": SCHEMA})

    assert len(request(other, OPENAI)[0]["tools"]) == len(GIVEN) + 1
    assert len(request(bound, OPENAI)[0]["tools"]) == len(GIVEN)


def test_a_model_keeps_what_it_has_bound():
    bound = ChatPortkey(model=OPENAI, api_key="k").bind_tools(GIVEN)
    tools = bound.kwargs["tools"]

    assert isinstance(tools, WireTools)
    assert bound.bind(temperature=0).kwargs["tools"] is tools
    assert json.loads(json.dumps(tools)) == tools
