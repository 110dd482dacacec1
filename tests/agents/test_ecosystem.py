"""What else LangChain offers around a model, with ours: callbacks, caches, prompts, memory, retrieval, pickles."""

from __future__ import annotations

import base64
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Reply, StandInProvider, ToolCall, Usage
from tests.agents.support import (
    QUESTION,
    REPORT,
    Report,
    asked,
    both_ways,
    each_target,
    looking,
    refusals,
    weather,
)
from tests.live.outgoing import TARGETS

pytestmark = [pytest.mark.gateway, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

MARK = {"cache_control": {"type": "ephemeral"}}


# ---------------------------------------------------------------------- callbacks, limits, caches


@both_ways
@each_target
async def test_the_callback_for_usage_adds_up_by_model(
    name: str, asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    usage = Usage(input_tokens=20, output_tokens=7)
    provider.script(looking(usage=usage), Reply("Sunny.", usage=usage))
    agent = create_agent(TARGETS[name].chat(pinned_gateway, provider), [weather])
    with get_usage_metadata_callback() as callback:
        await asked(agent, asynchronous)
    [(model, counts)] = callback.usage_metadata.items()
    assert model == TARGETS[name].model
    assert counts.items() >= {"input_tokens": 40, "output_tokens": 14, "total_tokens": 54}.items()


@both_ways
async def test_a_limiter_is_asked_once_a_turn(
    asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    asked_for = []

    class Limiter(InMemoryRateLimiter):
        def acquire(self, *, blocking: bool = True) -> bool:
            asked_for.append(blocking)
            return super().acquire(blocking=blocking)

        async def aacquire(self, *, blocking: bool = True) -> bool:
            asked_for.append(blocking)
            return await super().aacquire(blocking=blocking)

    provider.script(looking(), Reply("Sunny."))
    limiter = Limiter(requests_per_second=1000, check_every_n_seconds=0.001, max_bucket_size=10)
    agent = create_agent(TARGETS["anthropic"].chat(pinned_gateway, provider, rate_limiter=limiter), [weather])
    await asked(agent, asynchronous)
    assert asked_for == [True, True]


@pytest.fixture
def cache() -> Iterator[InMemoryCache]:
    """LangChain's cache for all models."""
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


@each_target
async def test_an_agent_finds_its_answers_in_the_cache_of_all_models(
    name: str, cache: InMemoryCache, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    provider.script(looking(), Reply("Sunny."), Reply("Sunny."))
    asked_by_run = []
    for asynchronous in (False, True, False, True):
        state = await asked(create_agent(model, [weather]), asynchronous)
        assert [message.text for message in state["messages"]][-1] == "Sunny."
        asked_by_run.append(len(provider.requests))
    # The second run finds the first answer, which LangChain then marks as free of cost (`total_cost`), and with this
    # mark in the history it does not know the second question. From then on it does.
    assert asked_by_run == [2, 3, 3, 3]
    create_agent(model, [weather], system_prompt="Be brief.").invoke(QUESTION)
    assert len(provider.requests) > 3


# ---------------------------------------------------------------------- prompts, memory, retrieval


def test_a_prompt_with_breakpoints_and_a_place_for_the_history(
    pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", [{"type": "text", "text": "You know {subject}.", **MARK}]),
            MessagesPlaceholder("history"),
            ("human", [{"type": "text", "text": "{document}", **MARK}, {"type": "text", "text": "{question}"}]),
        ]
    )
    chain = prompt | TARGETS["anthropic"].chat(pinned_gateway, provider) | StrOutputParser()
    provider.script(Reply("It is long."))
    history = [HumanMessage([{"type": "text", "text": "Hi.", **MARK}]), AIMessage("Hello.")]
    values = {"subject": "books", "history": history, "document": "A long text", "question": "How long?"}
    assert chain.invoke(values) == "It is long."
    body = provider.last.json
    assert body["system"] == [{"type": "text", "text": "You know books.", **MARK}]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "Hi.", **MARK}]
    assert body["messages"][2]["content"] == [
        {"type": "text", "text": "A long text", **MARK},
        {"type": "text", "text": "How long?"},
    ]


@each_target
async def test_a_chain_with_a_memory(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    memory: dict[str, InMemoryChatMessageHistory] = {}
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chain = RunnableWithMessageHistory(
        prompt | TARGETS[name].chat(pinned_gateway, provider),
        lambda session_id: memory.setdefault(session_id, InMemoryChatMessageHistory()),
        input_messages_key="question",
        history_messages_key="history",
    )
    session = {"configurable": {"session_id": "1"}}
    provider.script(Reply("Hello."), Reply("You said hi."), Reply("Bye."))
    chain.invoke({"question": "Hi."}, session)
    chunks = [chunk async for chunk in chain.astream({"question": "What did I say?"}, session)]
    assert "".join(chunk.text for chunk in chunks) == "You said hi."
    await chain.ainvoke({"question": "Good bye."}, session)
    assert [message.text for message in memory["1"].messages] == [
        *("Hi.", "Hello.", "What did I say?", "You said hi.", "Good bye.", "Bye.")
    ]
    assert [message["role"] for message in provider.last.json["messages"]] == ["user", "assistant"] * 2 + ["user"]
    assert refusals(provider) == []


@each_target
async def test_a_chain_that_retrieves(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=16))
    store.add_documents([Document("Paris is in France."), Document("Rome is in Italy.")])
    prompt = ChatPromptTemplate.from_template("Answer from this:\n{context}\n\n{question}")
    together = RunnableLambda(lambda documents: "\n".join(document.page_content for document in documents))
    chain = (
        {"context": store.as_retriever(search_kwargs={"k": 2}) | together, "question": RunnablePassthrough()}
        | prompt
        | TARGETS[name].chat(pinned_gateway, provider)
        | StrOutputParser()
    )
    provider.script(Reply("In France."), Reply("In France, I think."))
    assert chain.invoke("Where is Paris?") == "In France."
    assert b"Rome is in Italy." in provider.last.body
    assert "".join([piece async for piece in chain.astream("Where is Paris?")]) == "In France, I think."


LONG_CONVERSATION = [
    SystemMessage("Be brief."),
    *(message for n in range(20) for message in (HumanMessage(f"Question {n} " * 20), AIMessage(f"Answer {n} " * 20))),
    HumanMessage("Weather in Paris?"),
    AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Paris"}, "id": "toolu_1"}]),
    ToolMessage("Sunny.", tool_call_id="toolu_1"),
]


@pytest.mark.parametrize(
    "counter",
    [
        "approximate",
        "the model's",
    ],
)
@each_target
def test_a_trimmed_conversation_is_taken(
    name: str, counter: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    trimmer = trim_messages(
        max_tokens=300,
        strategy="last",
        token_counter="approximate" if counter == "approximate" else model,
        include_system=True,
        start_on="human",
        end_on=("human", "tool"),
    )
    provider.script(Reply("Sunny."))
    assert (trimmer | model.bind_tools([weather])).invoke(LONG_CONVERSATION).text == "Sunny."
    assert refusals(provider) == []
    assert b"Question 0 " not in provider.last.body
    assert b"Weather in Paris?" in provider.last.body


# ---------------------------------------------------------------------- chosen at run time


@both_ways
async def test_alternatives_are_chosen_at_run_time(
    asynchronous: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    openai, anthropic = (TARGETS[name].chat(pinned_gateway, provider) for name in ("openai", "anthropic"))
    model = openai.configurable_alternatives(ConfigurableField(id="who"), default_key="openai", anthropic=anthropic)
    for chosen, wire in (("openai", "openai"), ("anthropic", "anthropic")):
        config: Any = {"configurable": {"who": chosen}}
        if asynchronous:
            await model.ainvoke("Hi.", config)
        else:
            model.invoke("Hi.", config)
        assert provider.last.wire == wire
        assert provider.last.refused is None


# ---------------------------------------------------------------------- pickles, as Dask, Ray and Spark make them

ELSEWHERE = """
import base64, sys
from langchain_pollinations_portkey import ChatPortkey
{loads}
model = loads(base64.b64decode(sys.stdin.buffer.read()))
print(model.invoke("Hi."))
"""


def elsewhere(pickled: bytes, loads: str) -> str:
    """What a pickled model answers in another process, which knows no keys."""
    command = [sys.executable, "-W", "error", "-c", ELSEWHERE.format(loads=loads)]
    done = subprocess.run(
        command,
        check=False,
        input=base64.b64encode(pickled),
        capture_output=True,
        env={"PATH": "/usr/bin"},
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("kind", "used"), [("pickle", False), ("pickle", True), ("cloudpickle", True)], ids=["new", "used", "cloudpickle"]
)
@pytest.mark.parametrize("name", ["openai", "bedrock"])
async def test_a_model_works_in_another_process(
    name: str, kind: str, used: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(
        pinned_gateway, provider, default_headers={"x-mine": "1"}, forward_headers=["x-mine"], temperature=0.5
    )
    if used:
        model.invoke("Hi.")
        await model.ainvoke("Hi.")
    answer = elsewhere(pytest.importorskip(kind).dumps(model), f"from {kind} import loads")
    assert "stand-in provider" in answer
    there = provider.last
    model.invoke("Hi.")
    here = provider.last
    assert there.json == here.json
    assert there.headers["x-mine"] == "1"
    key = {"openai": "Bearer key", "bedrock": "Credential=AKIDEXAMPLE"}[name]
    assert key in there.headers["authorization"]
    assert refusals(provider) == []


def test_portkeys_key_of_the_environment_goes_along(
    pinned_gateway: LocalGateway, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read at construction, so the copy has it although the other process does not."""
    monkeypatch.setenv("PORTKEY_API_KEY", "sk-of-here")
    model = ChatPortkey(model="openai/gpt-4o", base_url=provider.url, max_retries=0)
    elsewhere(pickle.dumps(model), "from pickle import loads")
    assert provider.last.headers["authorization"] == "Bearer sk-of-here"


@each_target
def test_chains_are_pickled_too(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    provider.script(looking(), Reply("Hello."))
    bound = pickle.loads(pickle.dumps(prompt | model.bind_tools([weather])))
    assert bound.invoke({"question": "Hi."}).tool_calls[0]["name"] == "weather"
    assert pickle.loads(pickle.dumps(prompt | model | StrOutputParser())).invoke({"question": "Hi."}) == "Hello."


@pytest.mark.parametrize("include_raw", [False, True])
@each_target
def test_a_structured_model_is_pickled_by_cloudpickle(
    name: str, include_raw: bool, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    structured = model.with_structured_output(Report, method="function_calling", include_raw=include_raw)
    provider.script(Reply(tool_calls=[ToolCall("Report", REPORT, id="toolu_1")]))
    cloudpickle = pytest.importorskip("cloudpickle")
    answer = cloudpickle.loads(cloudpickle.dumps(structured)).invoke("Hi.")
    assert (answer["parsed"] if include_raw else answer) == Report(**REPORT)
