"""`deepagents`, LangChain's agent with a plan, files and subagents, on our model. Runs where it is installed."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.chat_models import base

from langchain_pollinations_portkey import register_with_langchain
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall
from tests.agents.support import (
    TARGETS_OF_AGENTS,
    asked,
    both_ways,
    looking,
    refusals,
    streamed,
    texts,
    weather,
)
from tests.live.outgoing import TARGETS

deepagents = pytest.importorskip("deepagents")

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TODOS = {"todos": [{"content": "Look", "status": "pending"}]}
FILE = {"file_path": "/a.txt", "content": "hello"}
TASK = {"description": "look", "subagent_type": "general-purpose"}


@both_ways
@pytest.mark.parametrize("prompt_caching", ["off", "auto"])
@pytest.mark.parametrize("name", [*TARGETS_OF_AGENTS, "google"])
async def test_a_plan_a_file_and_a_subagent(
    name: str, prompt_caching: Any, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(
        Reply("A plan.", tool_calls=[ToolCall("write_todos", TODOS, id="toolu_1")]),
        Reply("A file.", tool_calls=[ToolCall("write_file", FILE, id="toolu_2")]),
        Reply("A subagent.", tool_calls=[ToolCall("task", TASK, id="toolu_3")]),
        looking(call="toolu_4"),
        Reply("Sunny, says the subagent."),
        Reply("Sunny."),
    )
    model = TARGETS[name].chat(pinned_gateway, provider, prompt_caching=prompt_caching)
    agent = deepagents.create_deep_agent(model, tools=[weather], system_prompt="Be brief.")
    state = await asked(agent, asynchronous)
    assert texts(state["messages"])[-1] == "Sunny."
    assert "Sunny, says the subagent." in texts(state["messages"])
    assert len(provider.requests) == 6
    assert refusals(provider) == []
    marks = provider.last.body.count(b'"cache_control"') + provider.last.body.count(b'"cachePoint"')
    assert (marks > 0) == (prompt_caching == "auto" and name in {"anthropic", "bedrock"})


async def test_by_name(provider: StandInProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", provider.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict(base._BUILTIN_PROVIDERS))
    register_with_langchain()
    agent = deepagents.create_deep_agent("portkey:openai/gpt-4o", tools=[weather])
    provider.script(looking(), Reply("Sunny."))
    parts = await streamed(agent, True, stream_mode=["messages", "values"])
    assert texts(parts[-1][1]["messages"])[-1] == "Sunny."
    assert len([request for request in provider.requests if request.method == "POST"]) == 2
