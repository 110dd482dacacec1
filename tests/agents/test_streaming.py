"""What an agent streams in each of LangGraph's modes: every token once, one id a turn, thinking in view."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall, Usage
from tests.agents.support import (
    REPORT,
    SIGNATURE,
    THINKING,
    THOUGHT,
    Report,
    both_ways,
    each_target,
    looking,
    refusals,
    streamed,
    texts,
    weather,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TURNS = ["I look for the weather now.", "Sunny in Paris.", "It is sunny in Paris today."]


@pytest.fixture(params=["", "v1"], ids=["v0", "v1"])
def version(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"output_version": request.param} if request.param else {}


def agent_of(name: str, gateway: LocalGateway, provider: StandInProvider, **options: Any) -> Any:
    thought = {} if name == "openai" else {"thinking": THOUGHT, "signature": SIGNATURE}
    settings = {} if name == "openai" else THINKING
    usage = Usage(input_tokens=20, output_tokens=7)
    provider.script(looking(TURNS[0], usage=usage, **thought), Reply(TURNS[2], usage=usage, **thought))
    return create_agent(TARGETS[name].chat(gateway, provider, **settings, **options), [weather], name="helper")


def by_turn(parts: list[tuple[Any, dict[str, Any]]]) -> dict[str, list[AIMessageChunk]]:
    """The model's chunks by the id of their message, in the order of the first of each."""
    turns = defaultdict(list)
    for message, _ in parts:
        if isinstance(message, AIMessage):
            turns[message.id].append(message)
    return turns


def whole(chunks: list[AIMessageChunk]) -> Any:
    result: Any = chunks[0]
    for chunk in chunks[1:]:
        result += chunk
    return result


@both_ways
@each_target
class TestModes:
    async def test_messages(
        self,
        name: str,
        asynchronous: bool,
        version: dict[str, str],
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        agent = agent_of(name, pinned_gateway, provider, temperature=1, **version)
        parts = await streamed(agent, asynchronous, stream_mode="messages")

        turns = by_turn(parts)
        assert None not in turns
        assert [texts([whole(chunks)])[0] for chunks in turns.values()] == [TURNS[0], TURNS[2]]
        assert all(len([chunk for chunk in chunks if chunk.text]) > 2 for chunks in turns.values())
        first, last = (whole(chunks) for chunks in turns.values())
        assert [call["name"] for call in first.tool_calls] == ["weather"]
        assert (first.tool_calls[0]["args"], last.tool_calls) == ({"city": "Paris"}, [])
        counts = {"input_tokens": 20, "output_tokens": 7, "total_tokens": 27}
        assert first.usage_metadata.items() >= counts.items()
        assert last.usage_metadata.items() >= counts.items()
        assert [message.text for message, _ in parts if isinstance(message, ToolMessage)] == [TURNS[1]]
        for message, metadata in parts:
            if isinstance(message, AIMessage):
                shown = {key: value for key, value in metadata.items() if key.startswith("ls_")}
                assert shown["ls_provider"] == "portkey"
                assert shown["ls_model_name"] == TARGETS[name].model
                assert (shown["ls_model_type"], shown["ls_temperature"]) == ("chat", 1)
        assert refusals(provider) == []

    async def test_thinking_is_in_view(
        self,
        name: str,
        asynchronous: bool,
        version: dict[str, str],
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        agent = agent_of(name, pinned_gateway, provider, **version)
        for chunks in by_turn(await streamed(agent, asynchronous, stream_mode="messages")).values():
            blocks = [block for chunk in chunks for block in chunk.content_blocks]
            shown = [block["reasoning"] for block in blocks if block["type"] == "reasoning" and "reasoning" in block]
            if name == "openai":
                assert shown == []
            else:
                assert "".join(shown) == THOUGHT
                assert len(shown) > 1
                kinds = [block["type"] for block in blocks if block["type"] in ("reasoning", "text")]
                assert kinds == sorted(kinds)  # thinking comes before text

    async def test_updates_and_values_hold_the_messages_whole(
        self,
        name: str,
        asynchronous: bool,
        version: dict[str, str],
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        agent = agent_of(name, pinned_gateway, provider, **version)
        parts = await streamed(agent, asynchronous, stream_mode=["messages", "updates", "values"])

        chunks = [part for mode, part in parts if mode == "messages"]
        updates = [update for mode, part in parts if mode == "updates" for update in part.items()]
        [*_, final] = [part for mode, part in parts if mode == "values"]
        assert [node for node, _ in updates] == ["model", "tools", "model"]
        told = [message for _, update in updates for message in update["messages"]]
        assert texts(told) == TURNS
        assert texts(final["messages"]) == ["Weather in Paris?", *TURNS]
        assert final["messages"][1:] == told
        assert [message.id for message in told if isinstance(message, AIMessage)] == list(by_turn(chunks))
        assert [message.name for message in told] == ["helper", "weather", "helper"]

    async def test_updates_alone_ask_for_no_stream(
        self,
        name: str,
        asynchronous: bool,
        version: dict[str, str],
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        agent = agent_of(name, pinned_gateway, provider, **version)
        await streamed(agent, asynchronous, stream_mode="updates")
        assert [request.stream for request in provider.requests] == [False, False]


@each_target
async def test_events_tell_of_every_token_once(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    agent = agent_of(name, pinned_gateway, provider)
    question = {"messages": [("user", "Weather in Paris?")]}
    events = [event async for event in agent.astream_events(question, version="v2")]
    chunks = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(texts(chunks)) == TURNS[0] + TURNS[2]
    ends = [event["data"]["output"] for event in events if event["event"] == "on_chat_model_end"]
    assert texts(ends) == [TURNS[0], TURNS[2]]


@both_ways
@each_target
@pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.GatewayBuildWarning")
async def test_agents_stream_from_a_plain_gateway(
    name: str, asynchronous: bool, plain_gateway: LocalGateway, provider: StandInProvider
) -> None:
    agent = agent_of(name, plain_gateway, provider)
    turns = by_turn(await streamed(agent, asynchronous, stream_mode="messages"))
    assert [whole(chunks).text for chunks in turns.values()] == [TURNS[0], TURNS[2]]
    assert refusals(provider) == []


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
@both_ways
@each_target
async def test_an_answer_of_a_form_is_streamed(
    name: str,
    asynchronous: bool,
    strategy: Any,
    version: dict[str, str],
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
) -> None:
    """As JSON where the provider gives it, or a tool stands in for that unnoticed; else as a call."""
    native = strategy is ProviderStrategy
    as_tool = Reply("" if native else "So.", tool_calls=[ToolCall("Report", REPORT, id="toolu_2")])
    provider.script(looking(), Reply(json.dumps(REPORT)) if native and name == "openai" else as_tool)
    model = TARGETS[name].chat(pinned_gateway, provider, **version)
    agent = create_agent(model, [weather], response_format=strategy(Report))
    parts = await streamed(agent, asynchronous, stream_mode=["messages", "values"])
    assert parts[-1][1]["structured_response"] == Report(**REPORT)
    turns = by_turn([part for mode, part in parts if mode == "messages" and isinstance(part[0], AIMessageChunk)])
    last = whole(list(turns.values())[1])
    assert (json.loads(last.text) if native else last.tool_calls[0]["args"]) == REPORT
    assert bool(last.tool_calls) is not native
    assert refusals(provider) == []


@each_target
async def test_many_agents_at_once_keep_their_answers_apart(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    def answering(request: Any) -> Reply:
        number = re.search(r"question (\d+)", request.body.decode()).group(1)
        if b"Sunny in city" in request.body:
            return Reply(f"answer {number}")
        return Reply(tool_calls=[ToolCall("weather", {"city": f"city {number}"}, id=f"toolu_{number}")])

    provider.answer_with(answering)
    agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), [weather])

    async def run(number: int) -> tuple[str, str]:
        question = {"messages": [("user", f"question {number}")]}
        parts = [part async for part in agent.astream(question, stream_mode=["messages", "values"])]
        last = list(by_turn([part for mode, part in parts if mode == "messages"]).values())[-1]
        return whole(last).text, parts[-1][1]["messages"][2].text

    results = await asyncio.gather(*(run(number) for number in range(40)))
    assert results == [(f"answer {number}", f"Sunny in city {number}.") for number in range(40)]
