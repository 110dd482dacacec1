"""What an agent streams in each of LangGraph's modes: every token once, one id a turn, thinking in view."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Reply, StandInProvider, Usage
from tests.agents.support import (
    SIGNATURE,
    TARGETS_OF_AGENTS,
    THINKING,
    THOUGHT,
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


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", TARGETS_OF_AGENTS)
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


@pytest.mark.parametrize("name", TARGETS_OF_AGENTS)
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
