"""What a chat model says of itself: its profile, and how many tokens something is."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import HumanMessage, trim_messages
from langchain_core.tools import tool

from langchain_pollinations_portkey import Catalogue, ChatPollinations, ChatPortkey
from langchain_pollinations_portkey.routing import Fallback


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return city


@pytest.mark.parametrize(
    ("arguments", "window", "structured"),
    [
        ({"model": "claude-sonnet-4.5"}, 200_000, False),  # the gateway drops response_format for Bedrock
        ({"model": "openai/gpt-4o"}, 128_000, True),
        ({"model": "gpt-4o", "provider": "openai"}, 128_000, True),
        ({"model": "anthropic/claude-sonnet-4-5"}, 200_000, False),
        ({"model": "@openai-prod/gpt-4o", "hosted": True, "portkey_api_key": "k"}, 128_000, True),
        ({"model": "openai/gpt-4o", "fallbacks": ["portkey-gpt4"]}, 8_192, False),
        ({"route": Fallback(["openai/gpt-4o", "claude-sonnet-4.5"])}, 128_000, False),
    ],
)
def test_the_profile_is_that_of_the_route(arguments, window, structured):
    profile = ChatPortkey(**arguments).profile

    assert profile is not None
    assert profile["max_input_tokens"] == window
    assert profile["structured_output"] is structured


def test_every_name_of_the_catalogue_has_a_profile():
    without = [
        name for name in Catalogue.default() if not (ChatPortkey(model=name).profile or {}).get("max_input_tokens")
    ]

    assert without == []


@pytest.mark.parametrize("model", ["openai/no-such-model", "no-such-model", "nobody/model"])
def test_what_is_not_known_has_none_and_is_constructed_all_the_same(model):
    assert ChatPortkey(model=model).profile is None


def test_a_bare_id_is_that_of_the_provider_in_the_environment(monkeypatch):
    monkeypatch.setenv("PORTKEY_PROVIDER", "openai")

    assert (ChatPortkey(model="gpt-4o").profile or {})["max_input_tokens"] == 128_000


def test_the_users_own_profile_wins():
    assert ChatPortkey(model="claude-sonnet-4.5", profile={"max_input_tokens": 7}).profile == {"max_input_tokens": 7}


def test_a_profile_is_no_part_of_a_dump():
    from langchain_core.load import dumpd

    assert "profile" not in json.dumps(dumpd(ChatPortkey(model="claude-sonnet-4.5"))["kwargs"])


@pytest.mark.parametrize("model", [ChatPortkey(model="claude-sonnet-4.5"), ChatPollinations(model="openai")])
def test_tokens_are_counted_without_asking_anybody(model):
    few, more = [HumanMessage("Hello")], [HumanMessage("Hello, how are you today, and what is the weather like?")]
    image = {"type": "image", "url": "https://example.com/cat.png"}

    assert 0 < model.get_num_tokens("Hello") < model.get_num_tokens("Hello, how are you today?")
    assert 0 < model.get_num_tokens_from_messages(few) < model.get_num_tokens_from_messages(more)
    assert model.get_num_tokens_from_messages(few, [weather]) > model.get_num_tokens_from_messages(few)
    assert model.get_num_tokens_from_messages([HumanMessage(["Hello", image])]) > 50


def test_the_users_own_tokenizer_wins():
    model = ChatPortkey(model="openai/gpt-4o", custom_get_token_ids=lambda text: [ord(letter) for letter in text])

    assert model.get_token_ids("abc") == [97, 98, 99]
    assert model.get_num_tokens("abc") == 3
    assert model.get_num_tokens_from_messages([HumanMessage("a" * 500)]) >= 500


def test_without_one_there_are_no_ids():
    with pytest.raises(NotImplementedError, match="custom_get_token_ids"):
        ChatPortkey(model="openai/gpt-4o").get_token_ids("abc")


def test_messages_are_trimmed_by_it():
    model = ChatPortkey(model="openai/gpt-4o")
    messages = [HumanMessage(f"Message {number}. " + "word " * 50) for number in range(20)]

    kept = trim_messages(messages, max_tokens=200, token_counter=model, strategy="last")

    assert 0 < len(kept) < 20
    assert kept[-1] == messages[-1]
    assert model.get_num_tokens_from_messages(kept) <= 200


def test_a_name_that_means_nothing_is_counted_too():
    assert ChatPortkey(model="no-such-model").get_num_tokens("Hello there") > 0
