"""LangChain's other middleware with our model, each once, and many of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
)
from langchain.agents.middleware.context_editing import ClearToolUsesEdit
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langchain_pollinations_portkey import PortkeyPromptCachingMiddleware
from langchain_pollinations_portkey.errors import PortkeyAuthenticationError, PortkeyBadRequestError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider, ToolCall
from tests.agents.support import (
    QUESTION,
    SIGNATURE,
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
    texts,
    weather,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@both_ways
@each_target
class TestContextEditing:
    @pytest.mark.parametrize(
        "method",
        [
            "approximate",
            "model",
        ],
    )
    @both_versions
    async def test_old_results_and_arguments_are_cleared(
        self,
        name: str,
        asynchronous: bool,
        version: dict[str, str],
        method: Any,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        provider.script(looking(call="toolu_1"), looking(call="toolu_2"), Reply("Sunny."))
        edit = ClearToolUsesEdit(trigger=10, keep=1, clear_tool_inputs=True, placeholder="[gone]")
        model = TARGETS[name].chat(pinned_gateway, provider, **version)
        agent = create_agent(
            model, [weather], middleware=[ContextEditingMiddleware(edits=[edit], token_count_method=method)]
        )
        state = await asked(agent, asynchronous)
        assert texts(state["messages"])[-1] == "Sunny."
        assert refusals(provider) == []
        sent = provider.last.body
        assert (sent.count(b"[gone]"), sent.count(b"Sunny in Paris.")) == (1, 1)
        assert len(re.findall(rb"city\W+Paris", sent)) == 1, "the arguments of the first call are cleared too"


@both_ways
@each_target
class TestModelRetry:
    @pytest.mark.parametrize("status", [429, 500, 503])
    async def test_what_may_pass_is_tried_again(
        self,
        name: str,
        asynchronous: bool,
        status: int,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        provider.script(Failure(status, "busy"), Failure(status, "busy"), Reply("Sunny."))
        middleware = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
        agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), middleware=[middleware])
        assert texts((await asked(agent, asynchronous))["messages"])[-1] == "Sunny."
        assert len(provider.requests) == 3

    @pytest.mark.parametrize(("status", "error"), [(400, PortkeyBadRequestError), (401, PortkeyAuthenticationError)])
    async def test_what_will_not_pass_is_not(
        self,
        name: str,
        asynchronous: bool,
        status: int,
        error: type[Exception],
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
    ) -> None:
        provider.script(Failure(status, "no"))
        middleware = ModelRetryMiddleware(max_retries=2, initial_delay=0, on_failure="error")
        agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), middleware=[middleware])
        with pytest.raises(error):
            await asked(agent, asynchronous)
        assert len(provider.requests) == 1


@both_ways
@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_another_model_takes_over(
    status: int, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(looking(), Failure(status, "no"), Reply("Sunny."))
    model, other = (TARGETS[name].chat(pinned_gateway, provider) for name in ("openai", "bedrock"))
    agent = create_agent(model, [weather], middleware=[ModelFallbackMiddleware(other)])
    assert texts((await asked(agent, asynchronous))["messages"])[-1] == "Sunny."
    assert [request.wire for request in provider.requests] == ["openai", "openai", "bedrock"]
    assert refusals(provider) == []


@both_ways
@each_target
async def test_a_model_selects_the_tools(
    name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    agent = create_agent(
        TARGETS[name].chat(pinned_gateway, provider),
        [weather, population],
        middleware=[LLMToolSelectorMiddleware(max_tools=1)],
    )

    def select(request: Any) -> Reply:
        if b"ToolSelectionResponse" not in request.body:
            return Reply("Many.")
        if name == "openai":
            return Reply('{"tools": ["population"]}')
        return Reply(tool_calls=[ToolCall("ToolSelectionResponse", {"tools": ["population"]}, id="toolu_1")])

    provider.answer_with(select)
    state = await asked(agent, asynchronous, {"messages": [HumanMessage("People in Paris?")]})
    assert texts(state["messages"])[-1] == "Many."
    assert refusals(provider) == []
    selection, answer = provider.requests
    assert b"Weather of a city" in selection.body
    assert b"Weather of a city" not in answer.body
    assert b"People in a city" in answer.body


class TestPII:
    @both_ways
    @each_target
    async def test_addresses_do_not_reach_the_provider(
        self, name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(looking("I ask ann@example.com."), Reply("Write to bob@example.com."))
        middleware = PIIMiddleware("email", apply_to_output=True, apply_to_tool_results=True)
        agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), [weather], middleware=[middleware])
        state = await asked(agent, asynchronous, {"messages": [HumanMessage("I am eve@example.com.")]})
        assert [request for request in provider.requests if b"@example" in request.body] == []
        assert texts(state["messages"])[-1] == "Write to [REDACTED_EMAIL]."
        assert refusals(provider) == []

    @both_versions
    @pytest.mark.parametrize("name", ["anthropic", "bedrock"])
    def test_thinking_of_a_changed_message_is_kept(
        self, name: str, version: dict[str, str], pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        provider.script(looking("I ask ann@example.com.", thinking=THOUGHT, signature=SIGNATURE), Reply("Sunny."))
        agent = create_agent(
            TARGETS[name].chat(pinned_gateway, provider, **THINKING, **version),
            [weather],
            middleware=[PIIMiddleware("email", apply_to_output=True)],
        )
        agent.invoke(QUESTION)
        assert SIGNATURE.encode() in provider.last.body
        assert b"[REDACTED_EMAIL]" in provider.last.body
        assert b"@example" not in provider.last.body
        assert refusals(provider) == []


@both_ways
@each_target
async def test_a_list_of_things_to_do(
    name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    todos = [{"content": "Look at the weather", "status": "in_progress"}]
    provider.script(
        Reply("First a plan.", tool_calls=[ToolCall("write_todos", {"todos": todos}, id="toolu_1")]), Reply("Done.")
    )
    agent = create_agent(
        TARGETS[name].chat(pinned_gateway, provider),
        [weather],
        system_prompt="Be brief.",
        middleware=[TodoListMiddleware()],
    )
    state = await asked(agent, asynchronous)
    assert state["todos"] == todos
    assert b"Be brief." in provider.last.body
    assert refusals(provider) == []


DECISIONS: dict[str, tuple[dict[str, Any], str]] = {
    "approve": ({"type": "approve"}, "Sunny in Paris."),
    "edit": (
        {"type": "edit", "edited_action": {"name": "weather", "args": {"city": "Rome"}}},
        "Sunny in Rome.",
    ),
    "reject": ({"type": "reject", "message": "Not now."}, "Not now."),
}


@both_ways
@pytest.mark.parametrize("decision", DECISIONS)
@both_versions
@each_target
async def test_a_human_decides_on_a_call(
    name: str,
    version: dict[str, str],
    decision: str,
    asynchronous: bool,
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
) -> None:
    given, result = DECISIONS[decision]
    thinks = name != "openai"
    thought = {"thinking": THOUGHT, "signature": SIGNATURE} if thinks else {}
    provider.script(looking(**thought), Reply("So it is."))
    agent = create_agent(
        TARGETS[name].chat(pinned_gateway, provider, **(THINKING if thinks else {}), **version),
        [weather],
        middleware=[HumanInTheLoopMiddleware({"weather": True})],
        checkpointer=InMemorySaver(),
    )
    waiting = await asked(agent, asynchronous, config=THREAD)
    assert waiting["__interrupt__"][0].value["action_requests"][0]["args"] == {"city": "Paris"}
    assert len(provider.requests) == 1

    state = await asked(agent, asynchronous, Command(resume={"decisions": [given]}), config=THREAD)

    assert texts(state["messages"])[-1] == "So it is."
    [told] = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert result in told.text
    assert result.encode() in provider.last.body
    assert (SIGNATURE.encode() in provider.last.body) == thinks
    assert refusals(provider) == []


FAILING: dict[str, Callable[[], list[Any]]] = {
    "nothing fails": lambda: [looking(), Reply("Sunny.")],
    "the model fails for a moment": lambda: [Failure(503, "busy"), looking(), Failure(429, "busy"), Reply("Sunny.")],
    "the model fails for good": lambda: [looking(), *[Failure(503, "down")] * 3, Reply("Sunny.")],
}


@both_ways
@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
async def test_all_at_once(
    name: str, case: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(*FAILING[case]())
    model = TARGETS[name].chat(pinned_gateway, provider)
    other = TARGETS["anthropic"].chat(pinned_gateway, provider)
    agent = create_agent(
        model,
        [weather],
        system_prompt="Be brief.",
        middleware=[
            TodoListMiddleware(),
            PIIMiddleware("email"),
            SummarizationMiddleware(model, trigger=("tokens", 100_000)),
            ContextEditingMiddleware(),
            ModelFallbackMiddleware(other),
            ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error"),
            PortkeyPromptCachingMiddleware(),
        ],
    )
    state = await asked(agent, asynchronous)
    assert texts(state["messages"])[-1] == "Sunny."
    assert refusals(provider) == []
    for request in provider.requests:
        marks = request.body.count(b'"cache_control"') + request.body.count(b'"cachePoint"')
        assert marks in {3, 4}, "tools, system prompt, and one or two places in the conversation"
