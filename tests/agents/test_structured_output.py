"""Agents that answer in a form, by each strategy of LangChain; with tools by its own and the provider's is in
`test_middleware`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall
from tests.agents.support import (
    REPORT,
    THINKING,
    Report,
    asked,
    both_ways,
    looking,
    refusals,
    weather,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

BY_NAME = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5", "bedrock": TARGETS["bedrock"].model}
BY_TOOL = {"openai": "our-own-model", "anthropic": "claude-3-haiku-20240307", "bedrock": "us.amazon.nova-pro-v1:0"}
AS_TOOL = Reply(tool_calls=[ToolCall("Report", REPORT, id="toolu_2")])
AS_TEXT = Reply(json.dumps(REPORT))


def model_of(name: str, model: str, gateway: LocalGateway, provider: StandInProvider, **options: Any) -> Any:
    return TARGETS[name].chat(gateway, provider, **options).model_copy(update={"model_name": model})


def forced(provider: StandInProvider) -> Any:
    """How the last request says that a tool must be called."""
    body = provider.last.json
    return body.get("tool_choice") or body.get("toolConfig", {}).get("toolChoice")


@both_ways
@pytest.mark.parametrize("tools", [[], [weather]], ids=["alone", "with tools"])
@pytest.mark.parametrize("name", ["openai", "anthropic", "bedrock"])
class TestStrategies:
    async def run(self, agent: Any, tools: Any, last: Reply, asynchronous: bool, provider: StandInProvider) -> Report:
        provider.script(*([looking()] if tools else []), last)
        state = await asked(agent, asynchronous)
        assert len(provider.requests) == 1 + len(tools)
        assert refusals(provider) == []
        return state["structured_response"]

    async def test_a_tool(
        self, name: str, tools: Any, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = TARGETS[name].chat(pinned_gateway, provider)
        agent = create_agent(model, tools, response_format=ToolStrategy(Report))
        assert await self.run(agent, tools, AS_TOOL, asynchronous, provider) == Report(**REPORT)
        assert forced(provider) in ("required", {"type": "any"}, {"any": {}})

    async def test_the_provider(
        self, name: str, tools: Any, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = TARGETS[name].chat(pinned_gateway, provider)
        agent = create_agent(model, tools, response_format=ProviderStrategy(Report))
        last = AS_TEXT if name == "openai" else AS_TOOL
        assert await self.run(agent, tools, last, asynchronous, provider) == Report(**REPORT)

    async def test_a_plain_schema_where_the_name_is_known_for_it(
        self, name: str, tools: Any, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = model_of(name, BY_NAME[name], pinned_gateway, provider)
        agent = create_agent(model, tools, response_format=Report)
        last = AS_TEXT if name == "openai" else AS_TOOL
        assert await self.run(agent, tools, last, asynchronous, provider) == Report(**REPORT)
        assert ("response_format" in provider.last.json) == (name == "openai")

    async def test_a_plain_schema_where_it_is_not(
        self, name: str, tools: Any, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = model_of(name, BY_TOOL[name], pinned_gateway, provider, profile={"structured_output": False})
        agent = create_agent(model, tools, response_format=AutoStrategy(Report))
        assert await self.run(agent, tools, AS_TOOL, asynchronous, provider) == Report(**REPORT)
        assert forced(provider) in ("required", {"type": "any"}, {"any": {}})

    async def test_a_plain_schema_where_the_profile_says_so(
        self, name: str, tools: Any, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = model_of(name, BY_TOOL[name], pinned_gateway, provider, profile={"structured_output": True})
        agent = create_agent(model, tools, response_format=AutoStrategy(Report))
        last = AS_TEXT if name == "openai" else AS_TOOL
        assert await self.run(agent, tools, last, asynchronous, provider) == Report(**REPORT)
        assert ("response_format" in provider.last.json) == (name == "openai")


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_a_model_that_thinks_is_not_forced(
    name: str, strategy: Any, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(
        looking(thinking="Hm.", signature="U0lH"),
        Reply(thinking="So.", signature="U0lI", tool_calls=[ToolCall("Report", REPORT, id="toolu_2")]),
    )
    model = TARGETS[name].chat(pinned_gateway, provider, **THINKING)
    agent = create_agent(model, [weather], response_format=strategy(Report))
    with pytest.warns(LossWarning, match="think"):
        state = agent.invoke({"messages": [("user", "Weather in Paris?")]})
    assert state["structured_response"] == Report(**REPORT)
    assert refusals(provider) == []
    assert forced(provider) in (None, {"type": "auto"}, {"auto": {}})


@pytest.mark.parametrize("name", ["openai", "anthropic", "bedrock"])
def test_the_model_hears_of_an_answer_of_another_form(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(Reply(tool_calls=[ToolCall("Report", {"city": "Paris"}, id="toolu_1")]), AS_TOOL)
    agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), response_format=ToolStrategy(Report))
    state = agent.invoke({"messages": [("user", "Weather in Paris?")]})
    assert state["structured_response"] == Report(**REPORT)
    assert b"Field required" in provider.last.body
    assert refusals(provider) == []
