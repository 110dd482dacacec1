"""What the tests of agents share: two tools, a form of answer, and an agent asked either way."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall

TARGETS_OF_AGENTS = ("openai", "anthropic", "bedrock")
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
THREAD: Any = {"configurable": {"thread_id": "1"}}
THOUGHT, SIGNATURE = "let me\n think … ", "U0lHTkFUVVJFLysvPQ=="

both_ways = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
both_versions = pytest.mark.parametrize("version", [{}, {"output_version": "v1"}], ids=["v0", "v1"])
each_target = pytest.mark.parametrize("name", TARGETS_OF_AGENTS)


@tool
def weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}."


@tool
def population(city: str) -> str:
    """People in a city."""
    return f"Many in {city}."


class Report(BaseModel):
    """A weather report."""

    city: str
    sunny: bool


REPORT = {"city": "Paris", "sunny": True}
QUESTION = {"messages": [HumanMessage("Weather in Paris?")]}


def looking(text: str = "I look.", *, call: str = "toolu_1", **options: Any) -> Reply:
    """A turn in which the model calls `weather`."""
    return Reply(text, tool_calls=[ToolCall("weather", {"city": "Paris"}, id=call)], **options)


async def asked(agent: Any, asynchronous: bool, question: Any = QUESTION, **options: Any) -> dict[str, Any]:
    """The state of an agent after a question."""
    if asynchronous:
        return await agent.ainvoke(question, **options)
    return agent.invoke(question, **options)


async def streamed(agent: Any, asynchronous: bool, question: Any = QUESTION, **options: Any) -> list[Any]:
    """Everything an agent streams."""
    if asynchronous:
        return [part async for part in agent.astream(question, **options)]
    return list(agent.stream(question, **options))


def texts(messages: list[AnyMessage]) -> list[str]:
    """What each message says."""
    return [str(message.text) for message in messages]


def refusals(provider: StandInProvider) -> list[str]:
    """Why the provider refused requests."""
    return [request.refused for request in provider.requests if request.refused]
