"""Our models by LangChain's names: `init_chat_model("portkey:...")` and what builds on it.

The stand-in provider speaks OpenAI's wire at any path, so it stands where the gateway would.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import langchain.chat_models.base
import langchain.embeddings.base
import pytest
from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain.embeddings import init_embeddings
from langchain_core.messages import HumanMessage

import langchain_pollinations_portkey as package
from langchain_pollinations_portkey import ChatPortkey, register_with_langchain
from langchain_pollinations_portkey.notices import PortkeyWarning
from langchain_pollinations_portkey.testing import Reply, StandInProvider

CHAT = langchain.chat_models.base
EMBEDDINGS = langchain.embeddings.base


@pytest.fixture(autouse=True)
def _unregistered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """LangChain's providers as they were, before and after each test."""
    for module, lookup in ((CHAT, "_get_chat_model_creator"), (EMBEDDINGS, "_get_embeddings_class_creator")):
        theirs = {name: entry for name, entry in module._BUILTIN_PROVIDERS.items() if entry[0] != package.__name__}
        monkeypatch.setattr(module, "_BUILTIN_PROVIDERS", theirs)
        getattr(module, lookup).cache_clear()
    yield
    CHAT._get_chat_model_creator.cache_clear()
    EMBEDDINGS._get_embeddings_class_creator.cache_clear()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, provider: StandInProvider) -> StandInProvider:
    """The stand-in as the gateway of models that are made without arguments."""
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", provider.url)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    return provider


class TestCanary:
    """What we use of LangChain and what it does not promise; a failure here means: look at `registration`."""

    @pytest.mark.parametrize("module", [CHAT, EMBEDDINGS], ids=["chat models", "embeddings"])
    def test_the_dict_of_providers_has_the_known_form(self, module: Any) -> None:
        package_name, class_name, make = module._BUILTIN_PROVIDERS["openai"]
        assert package_name == "langchain_openai"
        assert class_name.endswith("OpenAI" if module is CHAT else "OpenAIEmbeddings")
        assert make(dict, a=1) == {"a": 1}

    def test_look_ups_are_cached_under_the_known_names(self) -> None:
        assert callable(CHAT._get_chat_model_creator.cache_clear)
        assert callable(EMBEDDINGS._get_embeddings_class_creator.cache_clear)


class TestChatModels:
    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ({"model": "portkey:claude-sonnet-4.5"}, "claude-sonnet-4.5"),
            ({"model": "claude-sonnet-4.5", "model_provider": "portkey"}, "claude-sonnet-4.5"),
            ({"model": "portkey:openai/gpt-4o"}, "openai/gpt-4o"),
            ({"model": "gpt-4o", "model_provider": "portkey", "provider": "openai"}, "gpt-4o"),
            ({"model": "portkey:bedrock/us.amazon.nova-pro-v1:0"}, "bedrock/us.amazon.nova-pro-v1:0"),
            ({"model": "portkey:@team/gpt-4o", "portkey_api_key": "k"}, "@team/gpt-4o"),
        ],
    )
    def test_a_name_makes_our_model(self, arguments: dict[str, Any], name: str) -> None:
        register_with_langchain()
        model = init_chat_model(**arguments, temperature=0.5, max_retries=1)
        assert type(model) is ChatPortkey
        assert (model.model_name, model.temperature, model.max_retries) == (name, 0.5, 1)

    def test_it_answers(self, here: StandInProvider) -> None:
        register_with_langchain()
        here.script(Reply("Hello."))
        assert init_chat_model("portkey:openai/gpt-4o").invoke("Hi.").content == "Hello."
        assert here.last.headers["x-portkey-provider"] == "openai"

    def test_the_model_is_chosen_at_run_time(self, here: StandInProvider) -> None:
        register_with_langchain()
        model = init_chat_model(configurable_fields=("model", "model_provider", "temperature"), temperature=0.1)
        model = model.bind_tools([{"name": "f", "description": "d", "parameters": {"type": "object"}}])
        chosen = {"model": "openai/gpt-4o-mini", "model_provider": "portkey", "temperature": 0.7}
        model.invoke("Hi.", {"configurable": chosen})
        assert (here.last.model, here.last.json["temperature"]) == ("gpt-4o-mini", 0.7)
        assert here.last.json["tools"][0]["function"]["name"] == "f"

    def test_a_default_model_is_exchanged_for_another_under_a_prefix(self, here: StandInProvider) -> None:
        register_with_langchain()
        model = init_chat_model("portkey:openai/gpt-4o", configurable_fields="any", config_prefix="chat")
        model.invoke("Hi.")
        assert here.last.model == "gpt-4o"
        model.invoke("Hi.", {"configurable": {"chat_model": "portkey:openai/gpt-4o-mini", "chat_max_tokens": 9}})
        assert (here.last.model, here.last.json["max_tokens"]) == ("gpt-4o-mini", 9)

    async def test_an_agent_by_name(self, here: StandInProvider) -> None:
        register_with_langchain()
        agent = create_agent("portkey:openai/gpt-4o", system_prompt="Be brief.")
        here.script(Reply("One."), Reply("Two."))
        assert agent.invoke({"messages": [HumanMessage("Hi.")]})["messages"][-1].content == "One."
        assert (await agent.ainvoke({"messages": [HumanMessage("Hi.")]}))["messages"][-1].content == "Two."

    def test_pollinations_by_name(self, provider: StandInProvider) -> None:
        register_with_langchain()
        model = init_chat_model("pollinations:portkey-gpt4")
        assert type(model) is package.ChatPollinations
        assert model.model_name == "portkey-gpt4"


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "portkey:openai/text-embedding-3-small"},
        {"model": "openai/text-embedding-3-small", "provider": "portkey"},
    ],
)
def test_embeddings_by_name(arguments: dict[str, str], here: StandInProvider) -> None:
    register_with_langchain()
    embeddings = init_embeddings(**arguments)
    assert type(embeddings) is package.PortkeyEmbeddings
    assert embeddings.embed_query("Hi.")
    assert (here.last.wire, here.last.model) == ("embeddings", "text-embedding-3-small")


class TestRegistering:
    def test_an_import_registers_nothing_and_does_not_import_langchain(self) -> None:
        program = (
            "import sys, langchain_pollinations_portkey as p; p.ChatPortkey; p.register_with_langchain\n"
            "assert 'langchain' not in sys.modules\n"
            "import langchain.chat_models.base as b; print('portkey' in b._BUILTIN_PROVIDERS)"
        )
        command = [sys.executable, "-c", program]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        assert result.stdout.strip() == "False"

    def test_twice_is_as_good_as_once(self) -> None:
        others = dict(CHAT._BUILTIN_PROVIDERS)
        register_with_langchain()
        once = dict(CHAT._BUILTIN_PROVIDERS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            register_with_langchain()
        assert once == CHAT._BUILTIN_PROVIDERS
        assert once.keys() - others.keys() == {"portkey", "pollinations"}
        assert {name: once[name] for name in others} == others
        assert EMBEDDINGS._BUILTIN_PROVIDERS["portkey"][:2] == ("langchain_pollinations_portkey", "PortkeyEmbeddings")

    def test_without_langchain_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "langchain", None)
        with pytest.raises(ImportError, match="pip install langchain"):
            register_with_langchain()

    @pytest.mark.parametrize(
        "providers",
        [
            {"openai", "anthropic"},
            {},
            {"openai": ("langchain_openai", "ChatOpenAI")},
            {"openai": ("langchain_openai", "ChatOpenAI", "no function")},
            {"anthropic": ("langchain_anthropic", "ChatAnthropic", dict)},
            None,
        ],
        ids=["a set, as before 1.2.3", "empty", "pairs", "another third", "without openai", "none"],
    )
    def test_another_form_of_the_dict_is_left_alone_with_a_warning(
        self, providers: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = None if providers is None else type(providers)(providers)
        monkeypatch.setattr(CHAT, "_BUILTIN_PROVIDERS", providers)
        with pytest.warns(PortkeyWarning, match=r"init_chat_model of langchain 1\..*ChatPortkey\(model=\.\.\.\)"):
            register_with_langchain()
        assert providers == before
        assert "portkey" in EMBEDDINGS._BUILTIN_PROVIDERS

    def test_a_dict_that_is_gone_is_a_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(EMBEDDINGS, "_BUILTIN_PROVIDERS")
        with pytest.warns(PortkeyWarning, match=r"init_embeddings of langchain .*PortkeyEmbeddings"):
            register_with_langchain()
        assert "portkey" in CHAT._BUILTIN_PROVIDERS

    def test_a_module_that_is_gone_is_a_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "langchain.chat_models.base", None)
        with pytest.warns(PortkeyWarning, match="init_chat_model of langchain"):
            register_with_langchain()

    def test_the_dict_under_its_former_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        former = dict(CHAT._BUILTIN_PROVIDERS)
        monkeypatch.delattr(CHAT, "_BUILTIN_PROVIDERS")
        monkeypatch.setattr(CHAT, "_SUPPORTED_PROVIDERS", former, raising=False)
        register_with_langchain()
        assert former["portkey"][1] == "ChatPortkey"

    def test_a_name_that_someone_else_has_becomes_ours_with_a_warning(self) -> None:
        CHAT._BUILTIN_PROVIDERS["portkey"] = ("builtins", "dict", lambda cls, **kwargs: cls(kwargs))
        assert init_chat_model("portkey:openai/gpt-4o") == {"model": "openai/gpt-4o"}
        with pytest.warns(PortkeyWarning, match=r"'portkey' as builtins\.dict"):
            register_with_langchain()
        assert type(init_chat_model("portkey:openai/gpt-4o")) is ChatPortkey
