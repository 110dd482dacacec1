"""Routes over several targets, through the real gateway."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from pydantic import BaseModel, SecretStr

from langchain_pollinations_portkey import ChatPortkey, _sending
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import (
    MissingCredentialsError,
    PortkeyBadRequestError,
    PortkeyConfigurationError,
    PortkeyRateLimitError,
    PortkeyServerError,
)
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning, PortkeyWarning
from langchain_pollinations_portkey.routing import Conditional, Fallback, LoadBalance, Retry, Target, When
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider, ToolCall

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings(f"ignore::{PortkeyWarning.__module__}.PortkeyWarning"),
]

AWS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "aws-sentinel"}


@pytest.fixture
def claude(provider: StandInProvider) -> Target:
    return Target("claude-sonnet-4.5", custom_host=provider.url, provider_options=AWS)


@pytest.fixture
def gpt(provider: StandInProvider) -> Target:
    return Target("portkey-gpt4", custom_host=provider.url, api_key=SecretStr("openai-sentinel"))


def look(city: str) -> str:
    """Look at the weather of a city."""
    return city


def chat(gateway: LocalGateway, route: Any, **options: Any) -> ChatPortkey:
    return ChatPortkey(route=route, base_url=gateway.base_url, **{"max_retries": 0, **options})


def whole(chunks: Any) -> AIMessageChunk:
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    assert total is not None
    return total


def served(answer: AIMessage) -> tuple[str, str, str]:
    facts = answer.response_metadata
    return facts["provider"], facts["model_name"], facts["last_used_option_index"]


class TestFallback:
    @pytest.mark.parametrize("install", ["pinned_gateway", "plain_gateway"])
    @pytest.mark.parametrize("mode", ["invoke", "stream"])
    def test_with_tools_and_a_cached_system_prompt(
        self,
        mode: str,
        install: str,
        provider: StandInProvider,
        claude: Target,
        gpt: Target,
        request: pytest.FixtureRequest,
    ) -> None:
        _sending.forget_builds()
        provider.script(Failure(503, "Bedrock is down."), Reply(tool_calls=(ToolCall("look", {"city": "Bern"}),)))
        system = SystemMessage([{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}])
        model = chat(request.getfixturevalue(install), Fallback([claude, gpt])).bind_tools([look])
        messages = [system, HumanMessage("Weather in Bern?")]
        answer = model.invoke(messages) if mode == "invoke" else whole(model.stream(messages))

        first, second = provider.requests
        assert [first.refused, second.refused] == [None, None]
        assert {"cachePoint": {"type": "default"}} in first.json["system"]
        assert "cache_control" not in json.dumps(second.json)  # OpenAI refuses what it does not know
        assert first.json["toolConfig"]["tools"]
        assert second.json["tools"]
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("look", {"city": "Bern"})]
        assert served(answer) == ("openai", "gpt-4", "config.targets[1]")

    def test_each_target_gets_its_own_key_and_no_other(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
    ) -> None:
        provider.script(Failure(500, "down"))
        chat(pinned_gateway, Fallback([claude, gpt])).invoke("Hello")
        first, second = (f"{request.header_items} {request.path} {request.body!r}" for request in provider.requests)
        assert "openai-sentinel" not in first
        assert "AKIAEXAMPLE" in first
        assert "openai-sentinel" in second
        assert "AKIAEXAMPLE" not in second

    def test_by_names_with_keys_from_the_environment(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, model in (("route-one", "anthropic/a"), ("route-two", "mistral-ai/b")):
            head, _, tail = model.partition("/")
            Catalogue.register(name, provider=head, model=tail, custom_host=provider.lenient_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "anthropic-sentinel")
        monkeypatch.setenv("MISTRAL_API_KEY", "mistral-sentinel")
        provider.script(Failure(529, "Overloaded"), Reply("Bonjour."))
        model = ChatPortkey(model="route-one", fallbacks=["route-two"], base_url=pinned_gateway.base_url, max_retries=0)
        answer = model.invoke("Hello")
        assert served(answer) == ("mistral-ai", "b", "config.targets[1]")
        assert "max_tokens" in provider.requests[0].json  # Anthropic needs it
        assert "max_tokens" not in provider.requests[1].json
        assert provider.requests[0].headers["x-api-key"] == "anthropic-sentinel"
        assert provider.requests[1].headers["authorization"] == "Bearer mistral-sentinel"

    def test_per_call(self, pinned_gateway: LocalGateway, provider: StandInProvider, gpt: Target) -> None:
        model = ChatPortkey(
            model="openai/first", base_url=pinned_gateway.base_url, custom_host=provider.url, api_key="k", max_retries=0
        )
        provider.script(Failure(500, "down"))
        assert served(model.invoke("Hello", fallbacks=[gpt])) == ("openai", "gpt-4", "config.targets[1]")
        assert served(model.invoke("Hello")) == ("openai", "first", "config")

    def test_only_on_the_statuses_it_names(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
    ) -> None:
        provider.script(Failure(400, "No."))
        with pytest.raises(PortkeyBadRequestError):
            chat(pinned_gateway, Fallback([claude, gpt], on_status_codes=[503])).invoke("Hello")
        assert len(provider.requests) == 1

    @pytest.mark.parametrize(("status", "hits"), [(500, 3), (429, 3), (400, 2)])
    def test_requests_are_at_most_targets_and_retries(
        self,
        status: int,
        hits: int,
        pinned_gateway: LocalGateway,
        provider: StandInProvider,
        claude: Target,
        gpt: Target,
    ) -> None:
        """Two targets and one retry: the last is repeated, 429 included, and the client repeats nothing."""
        provider.answer_with(lambda _: Failure(status, "no"))
        with pytest.raises((PortkeyServerError, PortkeyRateLimitError, PortkeyBadRequestError)):
            chat(pinned_gateway, Fallback([claude, gpt]), max_retries=1).invoke("Hello")
        assert len(provider.requests) == hits
        assert [request.wire for request in provider.requests] == ["bedrock", *["openai"] * (hits - 1)]

    def test_retries_of_a_target_are_its_own(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, gpt: Target
    ) -> None:
        patient = Target("openai/a", custom_host=provider.url, api_key="k", retry=Retry(1, [418]))
        provider.script(Failure(418, "teapot"), Reply("Tea."))
        assert chat(pinned_gateway, Fallback([patient, gpt])).invoke("Hello").content == "Tea."

    def test_structured_output_works_with_whoever_answers(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
    ) -> None:
        class Film(BaseModel):
            """A film."""

            title: str

        provider.script(Failure(500, "down"))
        model = chat(pinned_gateway, Fallback([claude, gpt])).with_structured_output(Film)
        assert isinstance(model.invoke("Name a film."), Film)
        assert isinstance(model.invoke("Name a film."), Film)
        assert [request.wire for request in provider.requests] == ["bedrock", "openai", "bedrock"]

    def test_a_long_cached_prompt_goes_without_the_breakpoint(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
    ) -> None:
        text = "All the rules of the house. " * 1000
        system = SystemMessage([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}])
        provider.script(Failure(500, "down"))
        model = chat(pinned_gateway, Fallback([claude, gpt]))
        with pytest.warns(LossWarning, match="too long to be sent in a form for each target"):
            model.invoke([system, HumanMessage("Hello")])
        assert [request.refused for request in provider.requests] == [None, None]
        assert [text in request.body.decode() for request in provider.requests] == [True, True]

    async def test_async(
        self, pinned_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
    ) -> None:
        provider.script(Failure(500, "down"), Reply("one two"), Failure(500, "down"), Reply("one two"))
        model = chat(pinned_gateway, Fallback([claude, gpt]))
        assert (await model.ainvoke("Hello")).content == "one two"
        assert "".join([str(chunk.content) async for chunk in model.astream("Hello")]) == "one two"


def test_load_balance_by_names(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = ChatPortkey(
        model="openai/a",
        load_balance={"openai/a": 0.5, "openai/b": 0.5},
        base_url=pinned_gateway.base_url,
        custom_host=provider.url,
        api_key="k",
    )
    answers = Counter(model.invoke("Hello").response_metadata["model_name"] for _ in range(40))
    assert set(answers) == {"a", "b"}  # 40 calls all the same way: once in 10**11


def test_conditional_and_nested(
    pinned_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
) -> None:
    route = Conditional(
        [When({"metadata.plan": {"$eq": "paid"}}, Fallback([claude, gpt]))],
        default=LoadBalance([Target("openai/free", api_key="k", custom_host=provider.url)]),
    )
    model = chat(pinned_gateway, route)
    assert served(model.invoke("Hello"))[1] == "free"
    provider.script(Failure(500, "down"))
    answer = model.invoke("Hello", portkey_metadata={"plan": "paid"})
    assert served(answer) == ("openai", "gpt-4", "config.targets[0].targets[1]")


def test_a_raw_configuration_goes_as_it_stands(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    config = {
        "strategy": {"mode": "single"},
        "targets": [{"provider": "openai", "api_key": "raw-sentinel", "custom_host": provider.url}],
    }
    model = ChatPortkey(model="openai/gpt-4o", portkey_config=config, base_url=pinned_gateway.base_url, max_retries=0)
    assert model.invoke("Hello").content
    assert provider.last.headers["authorization"] == "Bearer raw-sentinel"
    assert "raw-sentinel" not in repr(model)


class TestRefusedBeforeAnythingIsSent:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"portkey_config": "pc-123"}, "hosted"),
            ({"portkey_config": {"cache": {"mode": "simple"}}}, "cache"),
            ({"portkey_config": {"targets": []}}, "strategy"),
            ({"portkey_config": {"strategy": {"mode": "single"}, "targets": [{"virtual_key": "v"}]}}, r"\[0\]"),
            ({"fallbacks": ["portkey-gpt4"], "load_balance": {"portkey-gpt4": 1}}, "both say who answers"),
            ({"load_balance": {"portkey-gpt4": 1}}, "does not name 'openai/a'"),
            ({"fallbacks": ["no-such-model"]}, "no-such-model"),
        ],
    )
    def test_what_cannot_work(self, options: dict[str, Any], text: str, provider: StandInProvider) -> None:
        model = ChatPortkey(model="openai/a", api_key="k", custom_host=provider.url, **options)
        with pytest.raises(PortkeyConfigurationError, match=text):
            model.invoke("Hello")
        assert provider.requests == []

    def test_a_target_without_a_key(self, provider: StandInProvider) -> None:
        model = ChatPortkey(model="openai/a", api_key="k", fallbacks=["portkey-mistral"])
        with pytest.raises(MissingCredentialsError, match="MISTRAL_API_KEY"):
            model.invoke("Hello")

    def test_the_status_of_our_check_on_a_gateway_that_needs_it(
        self, plain_gateway: LocalGateway, provider: StandInProvider, claude: Target, gpt: Target
    ) -> None:
        _sending.forget_builds()
        model = chat(plain_gateway, Fallback([claude, gpt], on_status_codes=[246, 500]))
        with pytest.raises(PortkeyConfigurationError, match="246"):
            list(model.stream("Hello"))
        assert provider.requests == []

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Fallback([]),
            lambda: Fallback("portkey-gpt4"),
            lambda: Fallback([3]),
            lambda: Fallback(["a"], on_status_codes=[]),
            lambda: LoadBalance({"a": 0}),
            lambda: LoadBalance({"a": -1, "b": 2}),
            lambda: When({"metadata.plan": {"$is": 1}}, "a"),
            lambda: When({}, "a"),
            lambda: Conditional([]),
            lambda: Retry(-1),
            lambda: Retry(1, [42]),
            lambda: Target(""),
            lambda: Target("a", request_timeout=0),
        ],
    )
    def test_a_route_that_makes_no_sense(self, make: Any) -> None:
        with pytest.raises(PortkeyConfigurationError):
            make()

    def test_keys_of_a_route_are_not_shown(self, claude: Target, gpt: Target) -> None:
        model = ChatPortkey(route=Fallback([claude, gpt]))
        for shown in (repr(model), str(model), model.model_dump_json(), repr(model.route)):
            assert "sentinel" not in shown
