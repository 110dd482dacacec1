"""The middleware in a real agent, and agents that ask for an answer of a form."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.middleware import PortkeyPromptCachingMiddleware
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider, ToolCall
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@tool
def weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}."


LOOKING = Reply("I look.", tool_calls=[ToolCall("weather", {"city": "Paris"}, id="toolu_1")])
QUESTION = {"messages": [HumanMessage("Weather in Paris?")]}


def marked(provider: StandInProvider) -> list[str]:
    """What of the last request to Anthropic carries a breakpoint."""
    body = provider.last.json
    found = [one["name"] for one in body["tools"] if "cache_control" in one]
    found += [one["text"] for one in body["system"] if "cache_control" in one]
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else []:
            parts = [block, *(block["content"] if isinstance(block.get("content"), list) else [])]
            found += [part.get("text", part["type"]) for part in parts if "cache_control" in part]
    return found


class TestPromptCaching:
    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_an_agent_marks_tools_system_prompt_and_conversation(
        self, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(LOOKING, Reply("Sunny."))
        agent = create_agent(
            TARGETS["anthropic"].chat(pinned_gateway, provider),
            [weather],
            system_prompt="Be brief.",
            middleware=[PortkeyPromptCachingMiddleware()],
        )
        result = await agent.ainvoke(QUESTION) if asynchronous else agent.invoke(QUESTION)
        assert result["messages"][-1].text == "Sunny."
        assert [request.refused for request in provider.requests] == [None, None]
        assert marked(provider) == ["weather", "Be brief.", "Weather in Paris?", "Sunny in Paris."]

    def test_short_conversations_are_left_alone(self, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
        provider.script(LOOKING, Reply("Sunny."))
        agent = create_agent(
            TARGETS["anthropic"].chat(pinned_gateway, provider),
            [weather],
            system_prompt="Be brief.",
            middleware=[PortkeyPromptCachingMiddleware(min_messages_to_cache=3)],
        )
        agent.invoke(QUESTION)
        first, second = provider.requests
        assert b"cache_control" not in first.body
        assert b"cache_control" in second.body

    @pytest.mark.parametrize("behaviour", ["ignore", "warn", "raise"])
    @pytest.mark.parametrize("kind", ["openai", "another class"])
    def test_models_without_breakpoints(
        self, kind: str, behaviour: Any, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = (
            TARGETS["openai"].chat(pinned_gateway, provider) if kind == "openai" else FakeListChatModel(responses=["x"])
        )
        middleware = PortkeyPromptCachingMiddleware(unsupported_model_behavior=behaviour)
        agent = create_agent(model, middleware=[middleware])
        if behaviour == "raise":
            with pytest.raises(PortkeyConfigurationError, match="has no cache breakpoints"):
                agent.invoke(QUESTION)
        elif behaviour == "warn":
            with pytest.warns(UserWarning, match="does nothing for"):
                agent.invoke(QUESTION)
        else:
            agent.invoke(QUESTION)

    def test_the_policy_of_a_model_survives_a_fallback(
        self, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        agent = create_agent(
            TARGETS["openai"].chat(pinned_gateway, provider),
            [weather],
            system_prompt="Be brief.",
            middleware=[
                ModelFallbackMiddleware(TARGETS["anthropic"].chat(pinned_gateway, provider, prompt_caching="auto"))
            ],
        )
        provider.script(Failure(500, "down"), Reply("Sunny."))
        agent.invoke(QUESTION)
        assert [request.wire for request in provider.requests] == ["openai", "anthropic"]
        assert marked(provider) == ["weather", "Be brief.", "Weather in Paris?"]

    def test_anthropics_middleware_does_no_harm(self, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
        theirs = pytest.importorskip("langchain_anthropic.middleware")
        agent = create_agent(
            TARGETS["anthropic"].chat(pinned_gateway, provider),
            middleware=[theirs.AnthropicPromptCachingMiddleware()],
        )
        with pytest.warns(UserWarning, match="only supports Anthropic models"):
            agent.invoke(QUESTION)
        assert provider.last.refused is None

    def test_without_langchain_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "langchain.agents.middleware.types", None)
        monkeypatch.delitem(sys.modules, "langchain_pollinations_portkey.middleware")
        with pytest.raises(ImportError, match="pip install langchain"):
            __import__("langchain_pollinations_portkey.middleware")


class Report(BaseModel):
    """A weather report."""

    city: str
    sunny: bool


REPORT = {"city": "Paris", "sunny": True}


@pytest.mark.parametrize(
    ("name", "asynchronous"),
    [
        ("openai", False),
        ("anthropic", False),
        ("anthropic", True),
        ("bedrock", False),
        ("google", False),
        ("mistral-ai", False),
    ],
)
class TestStructuredAgents:
    async def run(self, agent: Any, asynchronous: bool) -> Any:
        result = await agent.ainvoke(QUESTION) if asynchronous else agent.invoke(QUESTION)
        return result["structured_response"]

    async def test_by_a_tool(
        self, name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(LOOKING, Reply(tool_calls=[ToolCall("Report", REPORT, id="toolu_2")]))
        model = TARGETS[name].chat(pinned_gateway, provider)
        agent = create_agent(model, [weather], response_format=ToolStrategy(Report))
        assert await self.run(agent, asynchronous) == Report(**REPORT)
        assert [request.refused for request in provider.requests] == [None, None]

    async def test_by_the_provider_which_may_have_to_be_stood_in_for(
        self, name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        emulated = name in ("anthropic", "bedrock", "mistral-ai")
        last = Reply("So.", tool_calls=[ToolCall("Report", REPORT)]) if emulated else Reply(json.dumps(REPORT))
        provider.script(LOOKING, last)
        model = TARGETS[name].chat(pinned_gateway, provider)
        agent = create_agent(model, [weather], response_format=ProviderStrategy(Report))
        assert await self.run(agent, asynchronous) == Report(**REPORT)
        assert [request.refused for request in provider.requests] == [None, None]
        assert b'"Report"' in provider.last.body

    async def test_without_tools(
        self, name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        emulated = name in ("anthropic", "bedrock", "mistral-ai")
        provider.script(Reply(tool_calls=[ToolCall("Report", REPORT)]) if emulated else Reply(json.dumps(REPORT)))
        agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), response_format=ProviderStrategy(Report))
        assert await self.run(agent, asynchronous) == Report(**REPORT)
