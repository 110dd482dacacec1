"""Options of a call and arguments of the constructor: sorted, checked, and never changed in the caller's hands."""

from __future__ import annotations

import copy
from dataclasses import asdict

import httpx
import pytest
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey._options import (
    BODY_OPTIONS,
    ROUTE_OPTIONS,
    complete_arguments,
    hidden_options,
    seconds,
    split_options,
)
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.routing import Target

ALIASES = {"model_name": "model", "stop": "stop_sequences", "request_timeout": "timeout"} | dict.fromkeys(
    ("temperature", "max_tokens", "max_retries", "provider", "api_key", "trace_id", "portkey_metadata",
     "custom_host", "forward_headers", "default_headers", "model_kwargs", "streaming"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "body", "route"),
    [
        ({"temperature": 0.5, "model": "a/b"}, {"temperature": 0.5}, {"model": "a/b"}),
        ({"model_name": "a/b", "stop_sequences": ["x"]}, {"stop": ["x"]}, {"model": "a/b"}),
        ({"timeout": 3}, {}, {"timeout": 3.0}),
        ({"request_timeout": httpx.Timeout(5)}, {}, {"timeout": 5.0}),
        ({"timeout": None}, {}, {"timeout": None}),
        ({"temperature": None}, {"temperature": None}, {}),
        ({"stream": True, "ls_structured_output_format": {}}, {}, {}),
        ({"extra_headers": {"x-mine": "1"}}, {}, {"extra_headers": {"x-mine": "1"}}),
        (
            {"extra_headers": {"x-portkey-provider": "groq", "Authorization": SecretStr("k"), "x-mine": "1"}},
            {},
            {"provider": "groq", "api_key": "k", "extra_headers": {"x-mine": "1"}},
        ),
        (
            {"extra_headers": {"x-portkey-trace-id": "header"}, "trace_id": "option"},
            {},
            {"trace_id": "option", "extra_headers": {}},
        ),
    ],
)
def test_options_of_a_call_are_sorted(options, body, route):
    before = copy.deepcopy(options)

    got_body, got_route, notices = split_options(options)

    assert (got_body, got_route, notices) == (body, route, [])
    assert str(options) == str(before)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("temprature", "temperature"), ("max_token", "max_tokens"), ("top-p", "top_p"), ("api_keyy", "api_key"),
     ("tool_choise", "tool_choice"), ("timeouts", "timeout")],
)  # fmt: skip
def test_a_misspelt_option_is_an_error_that_names_the_right_one(name, meant):
    with pytest.raises(PortkeyConfigurationError, match=f"Did you mean '{meant}'"):
        split_options({name: 1})


def test_an_unknown_option_goes_into_the_body_with_a_notice():
    body, route, notices = split_options({"quality": "high"})

    assert (body, route) == ({"quality": "high"}, {})
    assert [(notice.category, notice.key) for notice in notices] == [(LossWarning, ("unknown-option", "quality"))]


@pytest.mark.parametrize(
    "options",
    [{"max_retries": -1}, {"max_retries": 1.5}, {"max_retries": True}, {"timeout": 0}, {"timeout": "5"},
     {"timeout": float("nan")}, {"timeout": float("inf")}, {"extra_headers": "x"}],
)  # fmt: skip
def test_senseless_options_are_refused(options):
    with pytest.raises(PortkeyConfigurationError):
        split_options(options)


def test_no_name_is_an_option_of_body_and_route():
    assert not BODY_OPTIONS & ROUTE_OPTIONS


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({"model": "m", "timeout": 3}, {"model_name": "m", "request_timeout": 3.0}),
        ({"model_name": "m", "request_timeout": 3}, {"model_name": "m", "request_timeout": 3.0}),
        ({"model": "m", "model_name": "m"}, {"model_name": "m"}),
        ({"model": "m", "parallel_tool_calls": False}, {"model_name": "m", "model_kwargs": {"parallel_tool_calls": False}}),
        (
            {"model": "m", "verbosity": "low", "model_kwargs": {"user": "u"}},
            {"model_name": "m", "model_kwargs": {"verbosity": "low", "user": "u"}},
        ),
        ({"model": "m", "model_kwargs": {"stop_sequences": ["x"]}}, {"model_name": "m", "model_kwargs": {"stop": ["x"]}}),
        ({"model": "m", "streaming": False}, {"model_name": "m", "streaming": False}),
        (
            {"model": "m", "default_headers": {"Authorization": "Bearer k", "x-portkey-metadata": '{"a":1}', "x-y": "z"}},
            {
                "model_name": "m",
                "api_key": "Bearer k",
                "portkey_metadata": {"a": 1},
                "default_headers": {"x-y": "z"},
            },
        ),
        (
            {"model": "m", "provider": "groq", "default_headers": {"x-portkey-provider": "openai"}},
            {"model_name": "m", "provider": "groq", "default_headers": {}},
        ),
    ],
)  # fmt: skip
def test_arguments_are_brought_into_order(values, arguments):
    before = copy.deepcopy(values)

    assert complete_arguments(values, ALIASES) == arguments
    assert values == before


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"temprature": 1}, "Did you mean 'temperature'"),
        ({"temperature": 1, "model_kwargs": {"temperature": 0}}, "'temperature' is given both"),
        ({"stop": ["a"], "model_kwargs": {"stop_sequences": ["b"]}}, "'stop' is given both"),
        ({"stop_sequences": ["a"], "model_kwargs": {"stop": ["b"]}}, "'stop' is given both"),
        ({"user": "a", "model_kwargs": {"user": "b"}}, "'user' is given both"),
        ({"model": "a", "model_name": "b"}, "are the same"),
        ({"model_kwargs": {"api_key": "k"}}, "'api_key' in model_kwargs"),
        ({"model_kwargs": {"extra_headers": {}}}, "'extra_headers' in model_kwargs"),
        ({"model_kwargs": {"model": "m"}}, "'model_name' in model_kwargs"),
        ({"extra_headers": {"a": "b"}}, "default_headers="),
        ({"default_headers": {"x-portkey-metadata": "{"}}, "holds no JSON"),
        ({"timeout": -1}, "above 0"),
    ],
)
def test_arguments_that_contradict_themselves_are_refused(values, text):
    with pytest.raises(PortkeyConfigurationError, match=text):
        complete_arguments(values, ALIASES)


@pytest.mark.parametrize("value", ["5", '{"attempts": 5, "on_status_codes": [429]}'])
def test_the_header_for_retries_becomes_the_option_that_works(value):
    with pytest.warns(LossWarning, match="ignores the header x-portkey-retry"):
        arguments = complete_arguments({"model": "m", "default_headers": {"x-portkey-retry": value}}, ALIASES)

    assert arguments == {"model_name": "m", "max_retries": 5, "default_headers": {}}


def test_a_copy_by_all_fields_does_not_turn_streams_off():
    everything = {**dict.fromkeys(ALIASES), "model_name": "m", "streaming": False, "model_kwargs": {}}

    assert "streaming" not in complete_arguments(everything, ALIASES)
    assert complete_arguments({**everything, "streaming": True}, ALIASES)["streaming"] is True


@pytest.mark.parametrize(
    ("timeout", "expected"), [(None, None), (2, 2.0), (0.5, 0.5), (httpx.Timeout(7, connect=1), 7.0), (httpx.Timeout(None), None)]
)  # fmt: skip
def test_seconds(timeout, expected):
    assert seconds(timeout) == expected


def test_keys_among_options_become_secrets():
    options = {"api_key": "k", "extra_headers": {"authorization": "k"}, "provider_options": {"a": "k", "b": 1}, "n": 2}

    hidden = hidden_options(options)

    assert "'k'" not in repr(hidden)
    assert hidden["extra_headers"]["authorization"].get_secret_value() == "k"
    assert hidden["n"] == 2
    assert options["api_key"] == "k"


@pytest.mark.parametrize(
    "options",
    [
        {"default_headers": {"authorization": "sk-sentinel"}},
        {"portkey_config": {"provider": "openai", "api_key": "sk-sentinel"}},
        {"portkey_config": {"strategy": {"mode": "single"}, "targets": [{"provider": "openai", "api_key": "sk-sentinel"}]}},
        {"portkey_config": '{"provider": "openai", "api_key": "sk-sentinel"}'},
        {"fallbacks": [Target("openai/b", api_key="sk-sentinel")]},
        {"fallbacks": [Target("bedrock/b", provider_options={
            "aws_access_key_id": "id-sentinel", "aws_secret_access_key": "sk-sentinel"})]},
        {"model": "vertex-ai/gemini-2.5-flash", "provider_options": {
            "vertex_region": "us-east1", "vertex_service_account_json": {"private_key": "sk-sentinel"}}},
    ],
    ids=["headers", "configuration", "targets", "json", "fallback", "fallback's options", "nested"],
)  # fmt: skip
def test_keys_in_whatever_form_are_sent_and_not_traced(options):
    model = ChatPortkey(model="openai/a", api_key="k")
    bound = model.bind(**options)

    traced = model._get_invocation_params(**options)
    traced["fallbacks"] = [asdict(target) for target in traced.get("fallbacks", ())]  # as tracers do
    sent = model._prepare([HumanMessage("Hello")], None, bound.kwargs, stream=False).sending._request(0, None)

    assert "sentinel" not in repr(traced)
    assert "sentinel" not in repr(bound)
    assert "sentinel" not in dumps(bound)
    assert "sk-sentinel" in str(sent.headers)


def test_a_configuration_that_cannot_be_read_is_not_repeated():
    broken = '{"provider": "openai", "api_key": "sk-sentinel",}'
    for options in ({"portkey_config": broken}, {}):
        model = ChatPortkey(model="openai/a", api_key="k", **({} if options else {"portkey_config": broken}))
        with pytest.raises(PortkeyConfigurationError, match="Write the configuration out") as raised:
            model.invoke("Hello", **options)
        assert "sentinel" not in str(raised.value)


@pytest.mark.parametrize("name", ["openai_api_key", "aws_secret_access_key", "token", "virtual_key", "openai_api_base"])
def test_keys_and_addresses_never_become_a_part_of_the_body(name):
    for give in (
        lambda: ChatPortkey(model="openai/a", **{name: "sentinel"}),
        lambda: ChatPortkey(model="openai/a", model_kwargs={name: "sentinel"}),
        lambda: split_options({name: "sentinel"}),
    ):
        with pytest.raises(PortkeyConfigurationError, match=name) as raised:
            give()
        assert "sentinel" not in str(raised.value)
