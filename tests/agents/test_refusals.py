"""A model that refuses, as agents see it: LangChain's middleware for refusals finds it and another model answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain.agents.middleware.model_refusal import ModelRefusalMiddleware
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.exceptions import ModelRefusalError
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import RawAnswer, Reply, StandInProvider
from tests.agents.support import (
    THREAD,
    Report,
    asked,
    both_versions,
    both_ways,
    refusals,
    streamed,
    texts,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SAID = "I can't help with that."
IN_WORDS: dict[str, Any] = {"role": "assistant", "content": None, "refusal": SAID}


def openai_refuses(*, stream: bool) -> RawAnswer:
    """OpenAI says so in words, in a field of its own."""
    answer: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    if not stream:
        answer["choices"] = [{"index": 0, "message": IN_WORDS, "finish_reason": "stop"}]
        return RawAnswer(body=json.dumps(answer).encode(), headers={"content-type": "application/json"})
    answer["object"] = "chat.completion.chunk"
    deltas = [{"role": "assistant", "refusal": SAID[:7]}, {"refusal": SAID[7:]}]
    events = [{**answer, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**answer, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    body = "".join([*lines, "data: [DONE]\n\n"]).encode()
    return RawAnswer(body=body, headers={"content-type": "text/event-stream"})


def refusing(name: str, *, stream: bool, text: str = "I was about to") -> Any:
    if name == "openai":
        return openai_refuses(stream=stream)
    return Reply(text, finish={"anthropic": "refusal", "google": "SAFETY"}[name])


@both_ways
@both_versions
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ["openai", "anthropic", "google"])
class TestRefusals:
    async def test_another_model_answers(
        self,
        name: str,
        stream: bool,
        version: dict[str, str],
        asynchronous: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        provider.script(refusing(name, stream=stream), Reply("Sunny."))
        agent = create_agent(
            TARGETS[name].chat(pinned_gateway, provider, **version),
            middleware=[
                ModelFallbackMiddleware(TARGETS["bedrock"].chat(pinned_gateway, provider)),
                ModelRefusalMiddleware(),
            ],
        )
        if stream:
            parts = await streamed(agent, asynchronous, stream_mode=["messages", "values"])
            state = parts[-1][1]
        else:
            state = await asked(agent, asynchronous)
        assert texts(state["messages"]) == ["Weather in Paris?", "Sunny."]
        assert [request.wire for request in provider.requests][1] == "bedrock"
        assert refusals(provider) == []

    async def test_without_another_model_it_is_an_error(
        self,
        name: str,
        stream: bool,
        version: dict[str, str],
        asynchronous: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        provider.script(refusing(name, stream=stream))
        agent = create_agent(
            TARGETS[name].chat(pinned_gateway, provider, **version), middleware=[ModelRefusalMiddleware()]
        )
        run = streamed(agent, asynchronous, stream_mode="messages") if stream else asked(agent, asynchronous)
        with pytest.raises(ModelRefusalError) as caught:
            await run
        assert (SAID in str(caught.value)) == (name == "openai")

    @pytest.mark.parametrize("next_name", ["openai", "anthropic", "bedrock", "google"])
    async def test_the_conversation_goes_on(
        self,
        name: str,
        stream: bool,
        version: dict[str, str],
        asynchronous: bool,
        next_name: str,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        memory = InMemorySaver()
        provider.script(refusing(name, stream=stream, text=""), Reply("Sunny."))
        agent = create_agent(TARGETS[name].chat(pinned_gateway, provider, **version), checkpointer=memory)
        run = streamed if stream else asked
        options = {"stream_mode": "messages"} if stream else {}
        await run(agent, asynchronous, config=THREAD, **options)
        going_on = create_agent(TARGETS[next_name].chat(pinned_gateway, provider), checkpointer=memory)
        state = await asked(going_on, asynchronous, {"messages": [HumanMessage("And now?")]}, config=THREAD)
        assert texts(state["messages"])[-1] == "Sunny."
        assert refusals(provider) == []
        assert (SAID.encode() in provider.last.body) == (name == "openai")


@both_ways
@pytest.mark.parametrize("name", ["openai", "anthropic", "google"])
async def test_instead_of_an_answer_of_a_form(
    name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(refusing(name, stream=False))
    agent = create_agent(
        TARGETS[name].chat(pinned_gateway, provider),
        response_format=ProviderStrategy(Report),
        middleware=[ModelRefusalMiddleware()],
    )
    with pytest.raises(ModelRefusalError):
        await asked(agent, asynchronous)
