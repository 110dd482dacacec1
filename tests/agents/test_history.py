"""What an agent remembers reaches the provider again as it was: from a checkpoint, from JSON, with names, with many
calls at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage, messages_from_dict, messages_to_dict
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import RawAnswer, Reply, StandInProvider, ToolCall
from tests.agents.support import (
    QUESTION,
    SIGNATURE,
    TARGETS_OF_AGENTS,
    THINKING,
    THOUGHT,
    THREAD,
    asked,
    both_versions,
    both_ways,
    each_target,
    looking,
    population,
    refusals,
    streamed,
    texts,
    weather,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

AGAIN = {"messages": [HumanMessage("And tomorrow?")]}
ANSWERS = {
    "anthropic": [
        [
            {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        ],
        [
            {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE},
            {"type": "text", "text": "Sunny."},
        ],
    ],
    "bedrock": [
        [
            {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SIGNATURE}}},
            {"text": "I look."},
            {"toolUse": {"toolUseId": "toolu_1", "name": "weather", "input": {"city": "Paris"}}},
        ],
        [
            {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SIGNATURE}}},
            {"text": "Sunny."},
        ],
    ],
}


def thinking_turns() -> tuple[Reply, Reply]:
    return (
        looking(thinking=THOUGHT, signature=SIGNATURE),
        Reply("Sunny.", thinking=THOUGHT, signature=SIGNATURE),
    )


def assistant_turns(provider: StandInProvider) -> list[Any]:
    """What the last request says that the model said."""
    return [message["content"] for message in provider.last.json["messages"] if message["role"] == "assistant"]


@both_ways
@both_versions
@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
class TestThinking:
    """Signed thinking comes back byte for byte in the next question."""

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
    async def test_from_a_checkpoint(
        self,
        name: str,
        version: dict[str, str],
        asynchronous: bool,
        stream: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        memory = InMemorySaver()
        model = TARGETS[name].chat(pinned_gateway, provider, **THINKING, **version)
        provider.script(*thinking_turns(), Reply("Rain."))
        first = create_agent(model, [weather], checkpointer=memory)
        if stream:
            await streamed(first, asynchronous, config=THREAD, stream_mode="messages")
        else:
            await asked(first, asynchronous, config=THREAD)

        later = create_agent(TARGETS[name].chat(pinned_gateway, provider, **THINKING), [weather], checkpointer=memory)
        state = await asked(later, asynchronous, AGAIN, config=THREAD)

        assert texts(state["messages"])[-1] == "Rain."
        assert assistant_turns(provider) == ANSWERS[name]
        assert refusals(provider) == []

    @pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
    async def test_from_a_checkpoint_of_events(
        self,
        name: str,
        version: dict[str, str],
        asynchronous: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        """The answers were taken as events, which LangChain puts together in its own way."""
        model = TARGETS[name].chat(pinned_gateway, provider, **THINKING, **version)
        provider.script(*thinking_turns(), Reply("Rain."))
        agent = create_agent(model, [weather], checkpointer=InMemorySaver())
        if asynchronous:
            stream = await agent.astream_events(QUESTION, THREAD, version="v3")
            events = [event async for event in stream]
        else:
            events = list(agent.stream_events(QUESTION, THREAD, version="v3"))
        assert len([event for event in events if event["method"] == "messages"]) > 10

        await asked(agent, asynchronous, AGAIN, config=THREAD)

        assert assistant_turns(provider) == ANSWERS[name]
        assert refusals(provider) == []

    async def test_from_json(
        self,
        name: str,
        version: dict[str, str],
        asynchronous: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        agent = create_agent(TARGETS[name].chat(pinned_gateway, provider, **THINKING, **version), [weather])
        provider.script(*thinking_turns(), Reply("Rain."))
        state = await asked(agent, asynchronous)
        kept = json.dumps(messages_to_dict(state["messages"]))

        question = {"messages": [*messages_from_dict(json.loads(kept)), *AGAIN["messages"]]}
        await asked(agent, asynchronous, question)

        assert assistant_turns(provider) == ANSWERS[name]
        assert refusals(provider) == []


@pytest.mark.parametrize("agents_name", ["helper", "Weather helper (Paris)", "Météo", "a" * 80])
@pytest.mark.parametrize("name", [*TARGETS_OF_AGENTS, "google"])
def test_the_name_of_an_agent_is_no_reason_to_refuse(
    name: str, agents_name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    agent = create_agent(model, [weather], name=agents_name, checkpointer=InMemorySaver())
    provider.script(looking(), Reply("Sunny."), Reply("Rain."))
    agent.invoke(QUESTION, THREAD)
    state = agent.invoke(AGAIN, THREAD)
    assert {message.name for message in state["messages"] if message.type == "ai"} == {agents_name}
    assert refusals(provider) == []


@tool
def broken(city: str) -> str:
    """Fail for a city."""
    raise ToolException(f"No data for {city}.")


broken.handle_tool_error = True


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@both_ways
@each_target
async def test_several_tools_at_once(
    name: str, asynchronous: bool, stream: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    cities = ("Paris", "Rome", "Oslo")
    calls = [ToolCall("weather", {"city": city}, id=f"call_{city}") for city in cities]
    calls += [ToolCall("population", {"city": "Rome"}, id="call_p"), ToolCall("broken", {"city": "Rome"}, id="call_b")]
    provider.script(Reply("I look.", tool_calls=calls), Reply("Done."))
    agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), [weather, population, broken])
    if stream:
        [*_, state] = await streamed(agent, asynchronous, stream_mode="values")
    else:
        state = await asked(agent, asynchronous)
    results = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert texts(results) == [*(f"Sunny in {city}." for city in cities), "Many in Rome.", "No data for Rome."]
    assert [message.tool_call_id for message in results] == [call.id for call in calls]
    assert len(provider.requests) == 2
    assert refusals(provider) == []


def cut_off(*, stream: bool) -> RawAnswer:
    """OpenAI's answer with two calls when `max_tokens` ends it in the midst of the second."""
    calls = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
        for n, arguments in enumerate(['{"city": "Rome"}', '{"city": "Paris, Tex'])
    ]
    said = {"role": "assistant", "content": None, "tool_calls": calls}
    answer: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    if not stream:
        answer["choices"] = [{"index": 0, "message": said, "finish_reason": "length"}]
        return RawAnswer(body=json.dumps(answer).encode(), headers={"content-type": "application/json"})
    answer["object"] = "chat.completion.chunk"
    deltas = [(said, None), ({}, "length")]
    events = [{**answer, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas]
    body = "".join([*(f"data: {json.dumps(event)}\n\n" for event in events), "data: [DONE]\n\n"])
    return RawAnswer(body=body.encode(), headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@both_versions
@both_ways
async def test_a_call_that_was_cut_off_is_not_carried_out(
    asynchronous: bool,
    version: dict[str, str],
    stream: bool,
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
) -> None:
    """LangChain completes half arguments of a stream by itself; the agent would look at another city."""
    provider.script(cut_off(stream=stream), Reply("So."))
    agent = create_agent(TARGETS["openai"].chat(pinned_gateway, provider, **version), [weather])
    if stream:
        parts = await streamed(agent, asynchronous, stream_mode=["messages", "values"])
        state = parts[-1][1]
    else:
        state = await asked(agent, asynchronous)
    results = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert "Sunny in Rome." in texts(results)
    assert "Sunny in Paris, Tex." not in texts(results)
    told = {one["tool_call_id"]: one["content"] for one in provider.last.json["messages"] if one["role"] == "tool"}
    assert told["call_0"] == "Sunny in Rome."
    assert "malformed or truncated" in told["call_1"]
    assert refusals(provider) == []


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_a_conversation_goes_on_with_another_provider(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    """The same checkpoint, begun on Bedrock with thinking."""
    memory = InMemorySaver()
    provider.script(*thinking_turns(), Reply("Rain."))
    begun = TARGETS["bedrock"].chat(pinned_gateway, provider, **THINKING)
    create_agent(begun, [weather], checkpointer=memory).invoke(QUESTION, THREAD)
    going_on = create_agent(TARGETS[name].chat(pinned_gateway, provider), [weather], checkpointer=memory)
    assert going_on.invoke(AGAIN, THREAD)["messages"][-1].text == "Rain."
    assert refusals(provider) == []
