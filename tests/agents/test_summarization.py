"""`SummarizationMiddleware` with our model: when it summarises, and what when the summary is too long itself."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyContextOverflowError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider, Usage
from tests.agents.support import (
    asked,
    both_ways,
    each_target,
    refusals,
    texts,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

LONG = {"messages": [HumanMessage("word " * 400), AIMessage("I see."), HumanMessage("And so?")]}
SHORT = {"messages": [HumanMessage("Hi."), AIMessage("Hello."), HumanMessage("And so?")]}
SUMMARY, ANSWER = Reply("They said many words."), Reply("So.")
OVERFLOWS = {
    "openai": Failure(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
    "anthropic": Failure(400, "prompt is too long: 205429 tokens > 200000 maximum"),
    "bedrock": Failure(400, "Input is too long for requested model."),
}


def summarised(state: dict[str, Any], provider: StandInProvider) -> bool:
    """Whether the first message of the conversation is a summary; then the provider was asked for it."""
    is_so = "They said many words." in texts(state["messages"])[0]
    assert is_so == (len(provider.requests) == 2)
    assert refusals(provider) == []
    return is_so


@both_ways
@each_target
class TestTriggers:
    @pytest.mark.parametrize(("conversation", "expected"), [(LONG, True), (SHORT, False)], ids=["long", "short"])
    @pytest.mark.parametrize("trigger", [("tokens", 200), ("fraction", 0.5)], ids=["tokens", "fraction"])
    async def test_by_length(
        self,
        name: str,
        asynchronous: bool,
        trigger: Any,
        conversation: Any,
        expected: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        provider.script(*([SUMMARY] if expected else []), ANSWER)
        model = TARGETS[name].chat(pinned_gateway, provider, profile={"max_input_tokens": 400})
        agent = create_agent(model, middleware=[SummarizationMiddleware(model, trigger=trigger, keep=("messages", 1))])
        state = await asked(agent, asynchronous, conversation)
        assert summarised(state, provider) is expected
        assert texts(state["messages"])[-2:] == ["And so?", "So."]

    @pytest.mark.parametrize(("reported", "expected"), [(5000, True), (10, False)])
    @pytest.mark.parametrize("trigger", [("tokens", 4000), ("fraction", 0.5)], ids=["tokens", "fraction"])
    async def test_by_what_the_provider_reported(
        self,
        name: str,
        asynchronous: bool,
        trigger: Any,
        reported: int,
        expected: bool,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        """A short conversation that was long for the provider, as one with images is."""
        model = TARGETS[name].chat(pinned_gateway, provider, profile={"max_input_tokens": 8000})
        provider.script(Reply("Hello.", usage=Usage(input_tokens=reported)))
        said = model.invoke("Hi.")
        provider.clear()

        provider.script(*([SUMMARY] if expected else []), ANSWER)
        agent = create_agent(model, middleware=[SummarizationMiddleware(model, trigger=trigger, keep=("messages", 1))])
        conversation = {"messages": [HumanMessage("Hi."), said, HumanMessage("And so?")]}
        assert summarised(await asked(agent, asynchronous, conversation), provider) is expected

    async def test_a_summary_that_is_too_long_is_asked_for_again_and_shorter(
        self, name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(OVERFLOWS[name], SUMMARY, ANSWER)
        model = TARGETS[name].chat(pinned_gateway, provider)
        agent = create_agent(
            model, middleware=[SummarizationMiddleware(model, trigger=("tokens", 200), keep=("messages", 1))]
        )
        state = await asked(agent, asynchronous, LONG)
        assert "They said many words." in texts(state["messages"])[0]
        first, second, _ = provider.requests
        assert len(second.body) < len(first.body)

    async def test_a_summary_that_stays_too_long_is_an_error(
        self, name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(OVERFLOWS[name], OVERFLOWS[name])
        model = TARGETS[name].chat(pinned_gateway, provider)
        agent = create_agent(
            model, middleware=[SummarizationMiddleware(model, trigger=("tokens", 200), keep=("messages", 1))]
        )
        with pytest.raises(PortkeyContextOverflowError):
            await asked(agent, asynchronous, LONG)
        assert len(provider.requests) == 2


def test_a_fraction_needs_a_profile() -> None:
    model = ChatPortkey(model="openai/nobody-knows-it", api_key="k")
    with pytest.raises(ValueError, match="Model profile information is required"):
        SummarizationMiddleware(model, trigger=("fraction", 0.5))


@pytest.mark.parametrize("name", ["claude-sonnet-4.5", "claude-sonnet-4", "claude-large", "openai/gpt-4o"])
def test_a_fraction_of_a_model_of_the_catalogue(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    keys = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
    bedrock = not name.startswith("openai")
    model = ChatPortkey(
        model=name,
        base_url=pinned_gateway.base_url,
        custom_host=provider.url,
        api_key=None if bedrock else "key",
        provider_options=keys if bedrock else {},
    )
    limit = model.profile["max_input_tokens"]
    assert limit >= 100_000
    provider.script(SUMMARY, ANSWER)
    middleware = SummarizationMiddleware(model, trigger=("fraction", 0.5), keep=("messages", 1))
    said = [message for _ in range(limit // 1000) for message in (HumanMessage("word " * 1000), AIMessage("Go on."))]
    conversation = {"messages": [*said, *LONG["messages"][1:]]}
    assert summarised(create_agent(model, middleware=[middleware]).invoke(conversation), provider)
