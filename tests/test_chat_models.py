"""`ChatPortkey` as LangChain sees it: construction, options, keys, copies, traces, caches, connections.

The stand-in provider speaks OpenAI's wire at any path, so it stands where the gateway would.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import logging
import pickle
import threading
import traceback
import warnings

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.exceptions import ModelConnectionError
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers import BaseTracer
from pydantic import SecretStr

from langchain_pollinations_portkey import Catalogue, ChatPortkey, __version__
from langchain_pollinations_portkey.errors import (
    MissingCredentialsError,
    PortkeyAuthenticationError,
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyError,
    PortkeyStreamError,
    PortkeyTimeoutError,
    UnknownModelError,
)
from langchain_pollinations_portkey.notices import LossWarning, SecurityWarning
from langchain_pollinations_portkey.routing import Fallback, Target
from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply, StandInProvider
from tests.copies import COPIES


@pytest.fixture
def chat(provider: StandInProvider):
    """Makes models that talk to the stand-in."""

    def make(model: str = "openai/gpt-4o", **kwargs) -> ChatPortkey:
        return ChatPortkey(**{"model": model, "base_url": provider.url, "api_key": "sk-sentinel", **kwargs})

    return make


def sent(provider: StandInProvider) -> dict:
    """The last request's body without what every request has."""
    return {name: value for name, value in provider.last.json.items() if name != "messages"}


# ---------------------------------------------------------------------- construction


def test_both_spellings_of_a_field_construct_the_same():
    by_alias = ChatPortkey(model="a/b", base_url="http://g", timeout=3, stop_sequences=["x"])
    by_name = ChatPortkey(model_name="a/b", portkey_base_url="http://g", request_timeout=3, stop=["x"])

    assert by_alias == by_name
    assert (by_alias.model, by_alias.base_url) == ("a/b", "http://g/v1")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Which model?"),
        ({"model": ""}, "Which model?"),
        ({"model": "m", "temprature": 1}, "Did you mean 'temperature'"),
        ({"model": "m", "temperature": 1, "model_kwargs": {"temperature": 2}}, "'temperature' is given both"),
        ({"model": "m", "max_retries": -1}, "max_retries: Input should be greater"),
        ({"model": "m", "timeout": 0}, "above 0"),
        ({"model": "m", "base_url": "localhost"}, "base_url must be"),
        ({"model": "m", "custom_host": "http://x?y=1"}, "custom_host must end"),
        ({"model": "m", "temperature": "hot", "api_key": 3}, "api_key: .*; temperature: "),
    ],
)
def test_wrong_arguments_are_a_configuration_error_in_one_line(arguments, text):
    with pytest.raises(PortkeyConfigurationError, match=text) as raised:
        ChatPortkey(**arguments)

    assert isinstance(raised.value, ValueError)
    assert "\n" not in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "wrong", [{"temprature": 1}, {"max_retries": -1}, {"model": None}, {"base_url": "sk-sentinel"}]
)
def test_errors_of_construction_do_not_repeat_keys(wrong):
    arguments = {"model": "m", "api_key": "sk-sentinel", "default_headers": {"authorization": "sk-sentinel"}, **wrong}
    with pytest.raises(PortkeyConfigurationError) as raised:
        ChatPortkey(**arguments)

    shown = "".join(traceback.format_exception(raised.value)).replace('{"base_url": "sk-sentinel"}', "")
    assert "sk-sentinel" not in shown or wrong == {"base_url": "sk-sentinel"}


def test_an_unknown_argument_goes_into_the_body_with_one_warning(chat, provider):
    with pytest.warns(LossWarning, match="'quality' is no option") as told:
        model = chat(model="mistral/m", custom_host=None, quality="high")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chat(model="mistral/m", quality="low")

    assert len(told) == 1
    assert model.model_kwargs == {"quality": "high"}


def test_a_parameter_of_the_body_that_is_no_field_needs_no_warning(chat, provider):
    chat(parallel_tool_calls=False, user="u").invoke("hi")

    assert sent(provider)["user"] == "u"


def test_the_callers_dicts_are_left_alone(chat):
    arguments = {
        "model_kwargs": {"user": "u"},
        "default_headers": {"X-Portkey-Trace-Id": "t", "x-y": "z"},
        "portkey_metadata": {"a": {"b": 1}},
        "provider_options": {"openai_project": "p"},
        "api_keys": {"anthropic": "k"},
    }
    before = copy.deepcopy(arguments)

    model = chat(**arguments, verbosity="low")
    model.invoke("hi", extra_headers=arguments["default_headers"])

    assert arguments == before


def test_the_environment_is_read_at_construction(monkeypatch):
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", "http://first:1")
    monkeypatch.setenv("PORTKEY_BASE_URL", "http://second:2")
    model = ChatPortkey(model="portkey-gpt4")
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", "http://later:3")

    assert model.base_url == "http://first:1/v1"
    assert ChatPortkey(model="portkey-gpt4", base_url="http://argument:4").base_url == "http://argument:4/v1"
    assert "portkey_base_url" not in model.model_fields_set


@pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.PortkeyWarning")
def test_portkey_provider_names_the_provider_of_bare_ids_and_bends_no_alias(chat, provider, monkeypatch):
    monkeypatch.setenv("PORTKEY_PROVIDER", "groq")

    chat(model="some-model").invoke("hi")
    assert (provider.last.headers["x-portkey-provider"], provider.last.model) == ("groq", "some-model")

    chat(model="portkey-gpt4").invoke("hi")
    assert (provider.last.headers["x-portkey-provider"], provider.last.model) == ("openai", "gpt-4")


@pytest.mark.parametrize(
    ("arguments", "chunks_are_many", "set_by_user"),
    [({}, True, False), ({"streaming": True}, True, True), ({"streaming": False}, False, True)],
)
def test_streaming_is_only_set_by_the_user(chat, arguments, chunks_are_many, set_by_user):
    model = chat(**arguments)

    assert ("streaming" in model.model_fields_set) is set_by_user
    assert (len([chunk for chunk in model.stream("hello there") if chunk.content]) > 1) is chunks_are_many


def test_headers_of_portkeys_sdk_are_understood(chat, provider):
    model = ChatPortkey(
        model="gpt-4o",
        base_url=provider.url,
        default_headers={
            "x-portkey-provider": "openai",
            "Authorization": "Bearer sk-sentinel",
            "x-portkey-trace-id": "t-1",
            "x-portkey-metadata": '{"team":"a"}',
            "x-portkey-config": '{"request_timeout":5000}',
        },
    )
    model.invoke("hi")

    headers = provider.last.headers
    assert headers["authorization"] == "Bearer sk-sentinel"
    assert (headers["x-portkey-provider"], headers["x-portkey-trace-id"]) == ("openai", "t-1")
    config = json.loads(headers["x-portkey-config"])
    assert (config["request_timeout"], config["retry"]["attempts"]) == (5000, 3)
    assert "sk-sentinel" not in repr(model)


# ---------------------------------------------------------------------- options of a call


@pytest.mark.parametrize(
    ("arguments", "bound", "called", "body"),
    [
        ({"temperature": 0.1}, {}, {}, {"temperature": 0.1}),
        ({"temperature": 0.1}, {"temperature": 0.2}, {}, {"temperature": 0.2}),
        ({"temperature": 0.1}, {"temperature": 0.2}, {"temperature": 0.3}, {"temperature": 0.3}),
        ({"temperature": 0.1}, {}, {"temperature": None}, {}),
        ({"model_kwargs": {"user": "a"}}, {}, {"user": "b"}, {"user": "b"}),
        ({"model_kwargs": {"user": "a"}}, {}, {"user": None}, {}),
        ({"stop": ["a"]}, {}, {"stop": ["b"]}, {"stop": ["b"]}),
    ],
)
def test_call_over_bind_over_constructor_and_none_unsets(chat, provider, arguments, bound, called, body):
    chat(**arguments).bind(**bound).invoke("hi", **called)

    assert sent(provider) == {"model": "gpt-4o", **body}


@pytest.mark.parametrize(
    ("arguments", "called", "headers", "absent"),
    [
        ({"trace_id": "c"}, {}, {"x-portkey-trace-id": "c"}, ()),
        ({"trace_id": "c"}, {"trace_id": "d"}, {"x-portkey-trace-id": "d"}, ()),
        ({"trace_id": "c"}, {"trace_id": None}, {}, ("x-portkey-trace-id",)),
        ({"portkey_metadata": {"a": 1}}, {"portkey_metadata": None}, {}, ("x-portkey-metadata",)),
        ({"forward_headers": ["x-a"]}, {"forward_headers": None}, {}, ("x-portkey-forward-headers",)),
        ({"custom_host": "http://127.0.0.1:1/"}, {}, {"x-portkey-custom-host": "http://127.0.0.1:1"}, ()),
        ({"custom_host": "http://127.0.0.1:1"}, {"custom_host": None}, {}, ("x-portkey-custom-host",)),
        ({"timeout": 9}, {"timeout": None}, {}, ("x-portkey-request-timeout",)),
        ({"max_retries": 2}, {"max_retries": 0}, {}, ("x-portkey-config",)),
        ({"default_headers": {"x-a": "1"}}, {"extra_headers": {"x-a": "2", "x-b": "3"}}, {"x-a": "2", "x-b": "3"}, ()),
        ({}, {"api_key": "sk-of-the-call"}, {"authorization": "Bearer sk-of-the-call"}, ()),
        ({"api_keys": {"openai": "k"}}, {"api_key": SecretStr("sk-of-the-call")}, {"authorization": "Bearer sk-of-the-call"}, ()),
        ({}, {"provider_options": {"openai_project": "p"}}, {"x-portkey-openai-project": "p"}, ()),
    ],
)  # fmt: skip
def test_what_goes_into_headers_can_be_said_per_call(chat, provider, arguments, called, headers, absent):
    chat(**arguments).invoke("hi", **called)

    assert {name: provider.last.headers.get(name) for name in headers} == headers
    assert [name for name in absent if name in provider.last.headers] == []


def test_a_misspelt_option_of_a_call_is_an_error(chat, provider):
    with pytest.raises(PortkeyConfigurationError, match="Did you mean 'temperature'"):
        chat().invoke("hi", temprature=1)

    assert provider.requests == []


# ---------------------------------------------------------------------- keys


def test_another_model_in_a_call_brings_its_own_key_and_nothing_of_the_constructors(chat, provider, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "groq-sentinel")
    monkeypatch.setenv("PORTKEY_API_KEY", "portkey-sentinel")
    model = chat(
        provider_options={"openai_organization": "org-sentinel"},
        default_headers={"x-api-key": "header-sentinel", "x-mine": "1"},
    )

    model.invoke("hi", model="groq/llama")

    headers = provider.last.headers
    assert headers["authorization"] == "Bearer groq-sentinel"
    assert headers["x-mine"] == "1"
    everything = str(provider.last.header_items) + provider.last.body.decode()
    assert [s for s in ("sk-", "org-", "header-", "portkey-") if f"{s}sentinel" in everything] == []


@pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.PortkeyWarning")
@pytest.mark.parametrize("name", ["portkey-claude", "portkey-mistral", "portkey-llama", "claude-sonnet-4.5"])
def test_another_model_in_a_call_without_a_key_of_its_own_is_not_sent(chat, provider, monkeypatch, name):
    monkeypatch.setenv("PORTKEY_API_KEY", "portkey-sentinel")

    with pytest.raises(MissingCredentialsError):
        chat().invoke("hi", model=name)

    assert provider.requests == []


@pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.PortkeyWarning")
def test_another_model_of_the_same_provider_keeps_the_key(chat, provider):
    chat(model="portkey-gpt4").invoke("hi", model="openai/gpt-4o")

    assert provider.last.headers["authorization"] == "Bearer sk-sentinel"


def test_a_call_can_name_a_model_where_the_constructors_means_nothing(chat, provider, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "groq-sentinel")

    chat(model="to-be-chosen").invoke("hi", model="groq/llama")

    assert provider.last.headers["authorization"] == "Bearer groq-sentinel"


def test_keys_are_read_when_they_are_needed(chat, provider, monkeypatch):
    model = ChatPortkey(model="openai/gpt-4o", base_url=provider.url)
    with pytest.raises(MissingCredentialsError, match="OPENAI_API_KEY"):
        model.invoke("hi")
    assert provider.requests == []

    monkeypatch.setenv("OPENAI_API_KEY", "sk-later")
    model.invoke("hi")
    assert provider.last.headers["authorization"] == "Bearer sk-later"


def test_portkey_api_key_goes_to_the_primary_provider(provider, monkeypatch):
    monkeypatch.setenv("PORTKEY_API_KEY", "portkey-sentinel")

    ChatPortkey(model="openai/gpt-4o", base_url=provider.url).invoke("hi")

    assert provider.last.headers["authorization"] == "Bearer portkey-sentinel"
    assert "x-portkey-api-key" not in provider.last.headers


@pytest.mark.parametrize("how", [{"hosted": True}, {"portkey_api_key": "portkey-sentinel"}])
def test_hosted_portkeys_key_is_never_a_providers(provider, monkeypatch, how):
    monkeypatch.setenv("PORTKEY_API_KEY", "portkey-sentinel")
    model = ChatPortkey(model="openai/gpt-4o", base_url=provider.url, **how)

    with pytest.raises(MissingCredentialsError, match="@slug"):
        model.invoke("hi")
    assert provider.requests == []

    model.invoke("hi", model="@openai-prod/gpt-4o")
    assert provider.last.headers["x-portkey-api-key"] == "portkey-sentinel"
    assert "authorization" not in provider.last.headers

    monkeypatch.setenv("OPENAI_API_KEY", "sk-own")
    model.invoke("hi")
    assert provider.last.headers["authorization"] == "Bearer sk-own"


def test_hosted_needs_portkeys_key():
    with pytest.raises(PortkeyConfigurationError, match="PORTKEY_API_KEY"):
        ChatPortkey(model="openai/gpt-4o", base_url="https://api.portkey.ai", api_key="sk").invoke("hi")


def answering(_: httpx.Request) -> httpx.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return httpx.Response(200, json={"id": "1", "model": "m", "choices": [choice]})


def test_a_key_over_plain_http_beyond_this_machine_is_told_once():
    client = httpx.Client(transport=httpx.MockTransport(answering))
    model = ChatPortkey(model="openai/m", base_url="http://gateway.example:8787", api_key="k", http_client=client)

    with pytest.warns(SecurityWarning, match="plain http"):
        model.invoke("hi")
    model.invoke("hi")  # every further warning would be an error


# ---------------------------------------------------------------------- copies


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES.keys())
def test_copies_before_and_after_use(chat, provider, monkeypatch, duplicate, used):
    monkeypatch.setenv("PORTKEY_PROVIDER", "openai")
    model = chat(model="gpt-4o", temperature=0.5)
    if used:
        model.invoke("hi")
        asyncio.run(model.ainvoke("hi"))

    twin = duplicate(model)
    monkeypatch.delenv("PORTKEY_PROVIDER")

    assert twin == model
    assert twin.invoke("hi").content
    assert provider.last.headers["authorization"] == "Bearer sk-sentinel"
    assert asyncio.run(twin.ainvoke("hi")).content


def test_a_deepcopy_shares_the_users_clients():
    client = httpx.Client(transport=httpx.MockTransport(answering))
    model = ChatPortkey(model="openai/m", api_key="k", http_client=client)

    twin = copy.deepcopy(model)

    assert twin.http_client is client
    assert twin.invoke("hi").content == "hi"


# ---------------------------------------------------------------------- what LangChain asks


def test_type_versions_and_namespace():
    model = ChatPortkey(model="portkey-gpt4")

    assert model._llm_type == "portkey-chat"
    assert model.metadata["lc_versions"]["langchain-pollinations-portkey"] == __version__
    assert ChatPortkey.get_lc_namespace() == ["langchain_pollinations_portkey", "chat_models"]
    assert ChatPortkey.is_lc_serializable()


@pytest.mark.parametrize("name", ["rate_limiter", "disable_streaming", "cache", "output_version", "custom_get_token_ids",
                                  "metadata", "tags", "callbacks", "verbose", "profile", "name"])  # fmt: skip
def test_langchains_own_fields_are_not_declared_anew(name):
    ours = [cls for cls in ChatPortkey.__mro__ if cls.__module__.startswith("langchain_pollinations_portkey")]

    assert [cls.__name__ for cls in ours if name in inspect.get_annotations(cls)] == []


def test_identifying_params_and_asdict_name_the_model_and_no_secret():
    model = ChatPortkey(model="portkey-claude", temperature=0.5, api_key="sk-sentinel", max_tokens=7)

    expected = {
        "model_name": "portkey-claude",
        "provider": None,
        "base_url": "http://localhost:8787/v1",
        "custom_host": None,
        "temperature": 0.5,
        "max_tokens": 7,
    }
    assert model._identifying_params == expected
    assert model.asdict() == {"_type": "portkey-chat", **expected}


@pytest.mark.parametrize(
    ("called", "params"),
    [
        ({}, {"ls_model_name": "portkey-gpt4", "ls_temperature": 0.1, "ls_max_tokens": 5, "ls_stop": ["a"]}),
        ({"model": "a/b"}, {"ls_model_name": "a/b", "ls_temperature": 0.1, "ls_max_tokens": 5, "ls_stop": ["a"]}),
        ({"temperature": 0.9, "max_completion_tokens": 6, "stop": ["b"]},
         {"ls_model_name": "portkey-gpt4", "ls_temperature": 0.9, "ls_max_tokens": 6, "ls_stop": ["b"]}),
        ({"temperature": None, "max_tokens": 8},
         {"ls_model_name": "portkey-gpt4", "ls_max_tokens": 8, "ls_stop": ["a"]}),
    ],
)  # fmt: skip
def test_langsmith_params_follow_the_call(called, params):
    model = ChatPortkey(model="portkey-gpt4", temperature=0.1, max_tokens=5, stop="a")

    assert model._get_ls_params(**called) == {"ls_provider": "portkey", "ls_model_type": "chat", **params}


def test_langsmiths_provider_is_that_of_the_message(chat):
    model = chat()

    assert model.invoke("hi").response_metadata["model_provider"] == model._get_ls_params()["ls_provider"]


async def test_the_runnable_interface(chat, provider):
    model = chat()
    provider.answer_with(lambda request: Reply(str(request.json["messages"][-1]["content"])))

    assert [m.content for m in model.batch(["a", "b", "c"])] == ["a", "b", "c"]
    assert [m.content for m in await model.abatch(["a", "b", "c"], {"max_concurrency": 2})] == ["a", "b", "c"]
    chain = ChatPromptTemplate.from_messages([("human", "{x}")]) | model | (lambda message: message.content.upper())
    assert chain.invoke({"x": "piped"}) == "PIPED"
    assert model.with_config(tags=["t"], run_name="r").invoke("configured").content == "configured"
    assert "".join([chunk.content async for chunk in model.astream("a b c d")]) == "a b c d"


def test_configurable_fields_stream_too(chat, provider):
    model = chat().configurable_fields(
        temperature=ConfigurableField(id="t"),
        model_name=ConfigurableField(id="m"),
        max_tokens=ConfigurableField(id="k"),
    )

    chunks = list(model.stream("hello there", {"configurable": {"t": 0.7, "m": "openai/gpt-4o-mini"}}))

    assert len([chunk for chunk in chunks if chunk.content]) > 1
    assert (provider.last.json["temperature"], provider.last.model) == (0.7, "gpt-4o-mini")
    assert provider.last.headers["authorization"] == "Bearer sk-sentinel"


def test_langchains_fallbacks_and_retries(chat, provider):
    broken = ChatPortkey(model="openai/gpt-4o", base_url="http://127.0.0.1:1", api_key="k")

    assert broken.with_fallbacks([chat()]).invoke("hi").content
    provider.clear()
    provider.script(Failure(500, "no"), Reply("yes"))
    retried = chat(max_retries=0).with_retry(retry_if_exception_type=(PortkeyError,), wait_exponential_jitter=False)
    assert retried.invoke("hi").content == "yes"
    assert len(provider.requests) == 2


def test_langchains_settings_keep_their_meaning(chat, provider):
    assert len(list(chat(disable_streaming=True).stream("hello there"))) == 1
    tool = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}
    assert len(list(chat(disable_streaming="tool_calling").bind(tools=[tool]).stream("hello there"))) == 1
    assert len(list(chat(disable_streaming="tool_calling").stream("hello there"))) > 1
    assert chat(custom_get_token_ids=lambda text: [len(text)]).get_token_ids("abc") == [3]

    waited = []

    class Limiter(InMemoryRateLimiter):
        def acquire(self, *, blocking: bool = True) -> bool:
            waited.append(blocking)
            return True

    chat(rate_limiter=Limiter(requests_per_second=1)).invoke("hi")
    assert waited == [True]


# ---------------------------------------------------------------------- the cache of answers


def key_of(stop=None, called=None, **arguments) -> str:
    return ChatPortkey(**{"model": "openai/gpt-4o", **arguments})._get_llm_string(stop=stop, **(called or {}))


def deployment(name: str, **options: str) -> Target:
    return Target("azure-openai/gpt-4o", provider_options={"resource_name": "r", "deployment_id": name}, **options)


DIFFERENT = {
    "nothing": {},
    "another model": {"model": "openai/gpt-4"},
    "another provider": {"provider": "azure-openai", "model": "gpt-4o"},
    "another gateway": {"base_url": "http://other"},
    "custom host": {"custom_host": "http://h"},
    "option of the provider": {"provider_options": {"openai_project": "p"}},
    "configuration": {"default_headers": {"x-portkey-config": '{"override_params":{"seed":1}}'}},
    "hosted configuration": {"default_headers": {"x-portkey-config": "pc-1"}},
    "virtual key": {"default_headers": {"x-portkey-virtual-key": "vk-1"}},
    "strict mode": {"default_headers": {"x-portkey-strict-open-ai-compliance": "true"}},
    "a header of the user": {"default_headers": {"x-mine": "1"}},
    "metadata that may route": {"portkey_metadata": {"plan": "free"}},
    "temperature": {"temperature": 0.5},
    "parameter of the body": {"model_kwargs": {"user": "u"}},
    "form of the answer": {"output_version": "v1"},
    "stop of the call": {"stop": ["x"]},
    "model of the call": {"called": {"model": "groq/llama"}},
    "tools of the call": {"called": {"tools": [{"name": "token"}]}},
    "other tools of the call": {"called": {"tools": [{"name": "api_key"}]}},
    "header of the call": {"called": {"extra_headers": {"x-mine": "2"}}},
    "fallback": {"fallbacks": [deployment("a")]},
    "fallback to another deployment": {"fallbacks": [deployment("b")]},
    "fallback of the call": {"called": {"fallbacks": [deployment("a")]}},
    "fallback of the call to another deployment": {"called": {"fallbacks": [deployment("b")]}},
    "route": {"route": Fallback(["openai/gpt-4o", deployment("a")])},
    "route to another deployment": {"route": Fallback(["openai/gpt-4o", deployment("b")])},
}


def test_calls_that_may_be_answered_differently_have_different_cache_keys():
    keys = {name: key_of(**arguments) for name, arguments in DIFFERENT.items()}

    same = {name for name, key in keys.items() if list(keys.values()).count(key) > 1}
    assert same == set()


@pytest.mark.parametrize(
    "arguments",
    [
        {"api_key": "rotated"},
        {"api_keys": {"openai": "rotated"}},
        {"max_retries": 0, "timeout": 5, "trace_id": "t", "tags": ["a"], "metadata": {"b": 1}},
        {"streaming": True},
        {"default_headers": {"authorization": "Bearer rotated", "x-api-key": "rotated"}},
        {"called": {"api_key": "rotated", "trace_id": "t"}},
        {"called": {"extra_headers": {"x-api-key": "rotated"}}},
    ],
)
def test_a_rotated_key_keeps_the_cache(arguments):
    assert key_of(**arguments) == key_of()


def test_keys_inside_a_route_do_not_matter():
    one, other = deployment("a", api_key="one"), deployment("a", api_key="other")

    assert key_of(fallbacks=[one]) == key_of(fallbacks=[other])
    assert key_of(called={"fallbacks": [one]}) == key_of(called={"fallbacks": [other]})


def test_keys_inside_a_configuration_do_not_matter():
    def config(key: str) -> dict:
        return {"x-portkey-config": json.dumps({"targets": [{"provider": "openai", "api_key": key}], "strategy": {}})}

    assert key_of(default_headers=config("one")) == key_of(default_headers=config("two"))


def test_a_copy_with_other_settings_has_its_own_cache_key(chat):
    model = chat(cache=InMemoryCache())
    model.invoke("hi")

    assert model.model_copy(update={"temperature": 0.9})._get_llm_string() != model._get_llm_string()


def test_what_a_name_means_is_part_of_the_key(monkeypatch):
    monkeypatch.setattr(Catalogue, "_default", None)
    Catalogue.register("mine", provider="openai", model="gpt-4o")
    before = key_of(model="mine")
    Catalogue.register("mine", provider="openai", model="gpt-4")

    assert key_of(model="mine") != before


@pytest.mark.parametrize("how", ["invoke", "stream"])
async def test_a_cached_answer_is_equal_and_asks_nobody(chat, provider, how):
    model = chat(cache=InMemoryCache())
    first = model.invoke("hi")
    asked = len(provider.requests)

    again = model.invoke("hi")

    assert again.content == first.content
    assert again.usage_metadata["total_cost"] == 0
    assert (await model.ainvoke("hi")).content == first.content
    assert len(provider.requests) == asked
    model.invoke("hi", temperature=0.3)
    assert len(provider.requests) == asked + 1


# ---------------------------------------------------------------------- secrets


class Recorder(BaseTracer):
    """Keeps every run as it would be uploaded."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = []

    def _persist_run(self, run) -> None:
        self.runs.append(run)


SECRETS = {
    "api_key": "sentinel-key",
    "portkey_api_key": "sentinel-portkey",
    "api_keys": {"anthropic": "sentinel-anthropic"},
    "provider_options": {"openai_project": "shown"},
    "default_headers": {
        "x-api-key": "sentinel-header",
        "x-portkey-virtual-key": "sentinel-virtual",
        "x-portkey-config": '{"targets":[{"provider":"openai","api_key":"sentinel-config"}],"strategy":{"mode":"single"}}',
    },
    "proxy": None,
}
CALLED = {"api_key": "sentinel-call", "extra_headers": {"x-my-token": "sentinel-call-header"}}


@pytest.mark.parametrize("fails", [False, True])
def test_no_key_shows_anywhere(chat, provider, caplog, fails):
    tracer = Recorder()
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        model = chat(**SECRETS)
        if fails:
            provider.script(Failure(401, "Incorrect API key", headers={"x-request-id": "r-1"}))
            with pytest.raises(PortkeyAuthenticationError) as raised:
                model.invoke("hi", {"callbacks": [tracer]}, **CALLED)
            error = raised.value
            shown += [str(error), repr(error), *traceback.format_exception(error), str(error.response.headers)]
            shown += [str(error.response.request.headers), str(error.__dict__), str(pickle.dumps(error))]
        else:
            model.invoke("hi", {"callbacks": [tracer]}, **CALLED)
            list(model.stream("hi", {"callbacks": [tracer]}, **CALLED))
        bound = model.bind(**CALLED)
        shown += [repr(model), str(model), repr(bound), dumps(model), dumps(bound), json.dumps(dumpd(model))]
        shown += [model.model_dump_json(), str(model.model_dump()), str(model.asdict()), str(model._identifying_params)]
        shown += [model._get_llm_string(**CALLED), str(model._get_ls_params(**CALLED)), str(model._serialized)]
    shown += [str(run.model_dump() if hasattr(run, "model_dump") else run.dict()) for run in tracer.runs]
    shown += [str((run.serialized, run.extra, run.error, run.outputs)) for run in tracer.runs]
    shown += [record.getMessage() + str(record.__dict__) for record in caplog.records]

    assert tracer.runs
    assert [text for text in shown if "sentinel" in text.replace("sk-sentinel", "sentinel")] == []
    assert provider.last.headers["authorization"] == "Bearer sentinel-call"


@pytest.mark.parametrize("streamed", [False, True], ids=["status", "event"])
def test_an_error_that_repeats_a_key_is_shown_without_it(chat, provider, streamed):
    said = "Refused: sentinel-portkey sentinel-header sentinel-virtual sentinel-config sentinel-call-header"
    wrong = b'data: {"error": {"message": "%b", "code": "sentinel-call"}}\n\n' % said.encode()
    event = RawAnswer(status=200, headers={"content-type": "text/event-stream"}, body=wrong)
    provider.script(event if streamed else Failure(401, said))

    with pytest.raises(PortkeyError) as raised:
        list(chat(**SECRETS).stream("hi", **CALLED)) if streamed else chat(**SECRETS).invoke("hi", **CALLED)

    error = raised.value
    assert "Refused" in str(error)
    assert "sentinel" not in str(error) + repr(error) + str(error.__dict__) + str(pickle.dumps(error))


@pytest.mark.parametrize("key", ["1", "true", "null", "12345678"])
def test_a_key_that_is_also_a_word_of_json_leaves_an_error_readable(chat, provider, key):
    wrong = b'data: {"error": {"message": "No GPU is left.", "code": 12345678901, "true": true, "null": null}}\n\n'
    provider.script(RawAnswer(status=200, headers={"content-type": "text/event-stream"}, body=wrong))

    with pytest.raises(PortkeyStreamError, match=r"No GPU is left\.") as raised:
        list(chat(api_key=key).stream("hi"))

    assert raised.value.body == {
        "error": {"message": "No GPU is left.", "code": 12345678901, "true": True, "null": None}
    }


def test_secret_options_of_a_provider_do_not_show_either():
    options = {"aws_access_key_id": "sentinel-id", "aws_secret_access_key": "sentinel-secret", "aws_region": "r"}
    model = ChatPortkey(model="claude-sonnet-4.5", provider_options=options)

    everything = repr(model) + dumps(model) + model.model_dump_json() + str(model._serialized)

    assert "sentinel" not in everything
    assert options["aws_secret_access_key"] == "sentinel-secret"


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
@pytest.mark.parametrize(
    "arguments",
    [
        {
            "model": "portkey-gpt4",
            "temperature": 0.5,
            "api_key": "secret-1",
            "stop": ["x"],
            "model_kwargs": {"user": "u"},
        },
        {"model": "@openai-prod/gpt-4o", "base_url": "https://api.portkey.ai/v1", "portkey_api_key": "secret-2"},
        {"model": "portkey-gpt4", "api_key": "secret-1", "portkey_api_key": "secret-2", "max_retries": 0},
    ],
)
def test_a_model_comes_back_from_its_dump_with_the_same_keys_in_the_same_places(arguments):
    model = ChatPortkey(**arguments)
    dumped = dumpd(model)
    assert "secret-" not in json.dumps(dumped)

    again = load(
        dumped,
        allowed_objects=[ChatPortkey],
        valid_namespaces=["langchain_pollinations_portkey"],
        secrets_map={"OPENAI_API_KEY": "secret-1", "PORTKEY_API_KEY": "secret-2"},
    )

    assert again == model


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_secrets_inside_a_dict_are_looked_for_in_the_environment_after_a_dump():
    aws = {"aws_access_key_id": "secret-4", "aws_secret_access_key": "secret-5", "aws_region": "eu-west-1"}
    model = ChatPortkey(model="claude-sonnet-4.5", provider_options=aws, api_keys={"mistral": "secret-6"})
    dumped = dumpd(model)
    assert "secret-" not in json.dumps(dumped)
    assert model.lc_secrets == {
        "api_key": "PORTKEY_PROVIDER_API_KEY",
        "portkey_api_key": "PORTKEY_API_KEY",
        "provider_options.aws_access_key_id": "AWS_ACCESS_KEY_ID",
        "provider_options.aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "api_keys.mistral": "MISTRAL_API_KEY",
    }

    again = load(dumped, allowed_objects=[ChatPortkey], valid_namespaces=["langchain_pollinations_portkey"])

    assert (again.provider_options, again.api_keys) == ({"aws_region": "eu-west-1"}, {})


# ---------------------------------------------------------------------- connections


def test_one_instance_in_three_event_loops_sends_three_requests(chat, provider):
    model = chat()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = [asyncio.run(model.ainvoke("hi")) for _ in range(3)]

    assert all(isinstance(answer, AIMessage) for answer in answers)
    assert len(provider.requests) == 3


def test_one_instance_in_several_threads(chat, provider):
    model = chat()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(model.invoke("hi"))) for _ in range(8)]
    threads += [threading.Thread(target=lambda: answers.append(asyncio.run(model.ainvoke("hi")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == len(provider.requests) == 16


@pytest.mark.parametrize("retries", [0, 3])
def test_the_call_ends_in_time(chat, provider, retries):
    import time

    provider.answer_with(lambda _: Reply("late", delay=5))
    began = time.monotonic()

    with pytest.raises(PortkeyTimeoutError):
        chat(timeout=0.5, max_retries=retries).invoke("hi")

    assert 0.4 < time.monotonic() - began < 4  # busy machines are slow; the answer would take 5 s


def test_no_gateway_is_a_connection_error_langchain_knows():
    model = ChatPortkey(model="openai/gpt-4o", base_url="http://127.0.0.1:1", api_key="k")

    for call in (
        lambda: model.invoke("hi"),
        lambda: list(model.stream("hi")),
        lambda: asyncio.run(model.ainvoke("hi")),
    ):
        with pytest.raises(PortkeyConnectionError, match=r"Nothing answers at http://127.0.0.1:1") as raised:
            call()
        assert isinstance(raised.value, ModelConnectionError)


async def test_leaving_a_stream_early_leaves_no_connection_behind(chat, provider):
    provider.answer_with(lambda _: Reply("a b c d e f g h", pause=0.05))
    model = chat(max_connections=1, timeout=5)

    for _ in range(3):
        for chunk in model.stream("hi"):
            assert chunk is not None
            break
        async for chunk in model.astream("hi"):
            assert chunk is not None
            break

    provider.answer_with(None)
    assert model.invoke("hi").content
    assert (await model.ainvoke("hi")).content


async def test_closing_keeps_the_model_usable(chat, provider):
    model = chat()
    model.invoke("hi")
    await model.ainvoke("hi")
    model.close()
    await model.aclose()

    assert model.invoke("hi").content
    assert (await model.ainvoke("hi")).content


def test_an_unknown_model_is_an_error_before_anything_is_sent(chat, provider):
    with pytest.raises(UnknownModelError, match="portkey-claude"):
        chat(model="portkey-cloude").invoke("hi")

    assert provider.requests == []
