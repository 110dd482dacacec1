"""What the gateway is told: every header of a request, and what is refused before anything is sent."""

from __future__ import annotations

import json

import pytest

from langchain_pollinations_portkey import __version__
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.credentials import Credentials
from langchain_pollinations_portkey.gateway.headers import (
    RequestSettings,
    Target,
    check_headers,
    compact_json,
    fields_of_headers,
    request_headers,
    response_facts,
)
from langchain_pollinations_portkey.gateway.plain_build import STREAM_HEADER
from langchain_pollinations_portkey.gateway.settings import GatewaySettings

LOCAL = GatewaySettings("http://localhost:8787/v1")
HOSTED = GatewaySettings("https://api.portkey.ai/v1", hosted=True, portkey_api_key="pk")
ALWAYS = {
    "content-type": "application/json",
    "accept-encoding": "identity",
    "user-agent": f"langchain-pollinations-portkey/{__version__}",
    "x-portkey-strict-open-ai-compliance": "false",
}
RETRY = {"attempts": 2, "on_status_codes": [500, 502, 503, 504, 529]}


def headers(
    name="openai/gpt-4", *, key="sk", options=None, host=None, gateway=LOCAL, retries=0, timeout=None, check=False, **settings
):  # fmt: skip
    model = Catalogue.default().resolve(name, hosted=gateway.hosted)
    target = Target(model, Credentials(key, options or {}), host)
    request = RequestSettings(**settings)
    return request_headers(
        target, gateway, request, retries=retries, timeout=timeout, check=STREAM_HEADER if check else None
    )


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param({}, {"x-portkey-provider": "openai", "authorization": "Bearer sk"}, id="one target"),
        pytest.param({"key": None, "name": "ollama/llama3"}, {"x-portkey-provider": "ollama"}, id="no key"),
        pytest.param({"name": "mistral/m"}, {"x-portkey-provider": "mistral-ai", "authorization": "Bearer sk"},
                     id="the gateway's name of the provider"),
        pytest.param({"host": "http://127.0.0.1:9/v1"},
                     {"x-portkey-provider": "openai", "authorization": "Bearer sk",
                      "x-portkey-custom-host": "http://127.0.0.1:9/v1"}, id="custom host"),
        pytest.param(
            {"name": "claude-sonnet-4.5", "key": None,
             "options": {"aws_access_key_id": "i", "aws_secret_access_key": "s", "aws_session_token": "t",
                         "aws_region": "r"}},
            {"x-portkey-provider": "bedrock", "x-portkey-aws-access-key-id": "i",
             "x-portkey-aws-secret-access-key": "s", "x-portkey-aws-session-token": "t", "x-portkey-aws-region": "r"},
            id="aws"),
        pytest.param(
            {"name": "azure/gpt-4", "options": {"resource_name": "r", "deployment_id": "d", "api_version": "v"}},
            {"x-portkey-provider": "azure-openai", "authorization": "Bearer sk", "x-portkey-azure-resource-name": "r",
             "x-portkey-azure-deployment-id": "d", "x-portkey-azure-api-version": "v"}, id="azure"),
        pytest.param({"gateway": HOSTED}, {"x-portkey-api-key": "pk", "x-portkey-provider": "openai",
                                           "authorization": "Bearer sk"}, id="hosted"),
        pytest.param({"gateway": HOSTED, "name": "@openai-prod/gpt-4", "key": None},
                     {"x-portkey-api-key": "pk", "x-portkey-provider": "@openai-prod"}, id="hosted integration"),
        pytest.param({"trace_id": " t-1 ", "metadata": {"user": "J\u00fcrgen \u2713"}, "forward_headers": ("x-a", "x-b"), "timeout": 2.5},
                     {"x-portkey-provider": "openai", "authorization": "Bearer sk", "x-portkey-trace-id": "t-1",
                      "x-portkey-metadata": r'{"user":"J\u00fcrgen \u2713"}', "x-portkey-forward-headers": "x-a,x-b",
                      "x-portkey-request-timeout": "2500"}, id="settings of the request"),
        pytest.param({"timeout": 0.0001}, {"x-portkey-provider": "openai", "authorization": "Bearer sk",
                                           "x-portkey-request-timeout": "1"}, id="at least a millisecond"),
        pytest.param({"headers": {"X-Mine": " caf\u00e9 ", "User-Agent": "me"}},
                     {"x-portkey-provider": "openai", "authorization": "Bearer sk", "x-mine": "caf\u00e9",
                      "user-agent": "me"}, id="the user's own win"),
    ],
)  # fmt: skip
def test_headers_of_a_request(arguments, sent):
    assert headers(**arguments) == {**ALWAYS, **sent}


@pytest.mark.parametrize(
    ("own", "retries", "gateway", "config"),
    [
        (None, 0, LOCAL, None),
        (None, 2, LOCAL, {"retry": RETRY}),
        ('{"request_timeout": 5}', 2, LOCAL, {"retry": RETRY, "request_timeout": 5}),
        ('{"retry": {"attempts": 0}}', 2, LOCAL, {"retry": {"attempts": 0}}),
        ('{"targets": [{}], "strategy": {}}', 2, LOCAL, {"targets": [{}], "strategy": {}}),
        ("pc-my-config-1", 2, HOSTED, "pc-my-config-1"),
    ],
)
def test_retries_stand_in_the_configuration_beside_the_users(own, retries, gateway, config):
    sent = headers(retries=retries, gateway=gateway, headers={} if own is None else {"X-Portkey-Config": own})

    got = sent.get("x-portkey-config")
    assert (json.loads(got) if got and got.startswith("{") else got) == config
    assert "x-portkey-retry" not in sent


@pytest.mark.parametrize(("own", "gateway"), [("pc-my-config-1", LOCAL), ("{", LOCAL), ("[]", HOSTED), ("a b", HOSTED)])
def test_a_configuration_that_is_none_is_refused(own, gateway):
    with pytest.raises(PortkeyConfigurationError, match="x-portkey-config"):
        headers(gateway=gateway, headers={"x-portkey-config": own})


def test_the_check_for_plain_gateways_adds_to_the_users_guardrails():
    name = "x-portkey-default-input-guardrails"

    assert json.loads(headers(check=True)[name]) == [
        {"default.modelWhitelist": {"models": ["langchain-pollinations-portkey"]}}
    ]
    assert len(json.loads(headers(check=True, headers={name: '[{"default.contains":{}}]'})[name])) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "line\r\nX-Evil: 1"),
        ("x-a", "line\nbreak"),
        ("x-a", "nul\x00"),
        ("x-a", "del\x7f"),
        ("x-a", "snow \u2603"),
        ("x-a", 3),
        ("x-a", None),
        ("bad name", "v"),
        ("bad\r\nname", "v"),
        ("caf\u00e9", "v"),
        ("", "v"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(name, value):
    with pytest.raises(PortkeyConfigurationError) as raised:
        check_headers({name: value})

    assert str(value) not in str(raised.value) or value in (3, None, "v")


@pytest.mark.parametrize(
    "arguments",
    [{"key": "sk\nX-Evil: 1"}, {"trace_id": "a\r\nb"}, {"forward_headers": ("x\r\n",)}, {"key": "sk\u2603"}],
)
def test_hostile_values_never_become_headers(arguments):
    with pytest.raises(PortkeyConfigurationError):
        headers(**arguments)


def test_too_long_headers_are_refused_with_the_longest_named():
    with pytest.raises(PortkeyConfigurationError, match=r"longest is 'x-portkey-metadata'"):
        headers(metadata={"text": "x" * 16_000})

    assert headers(metadata={"text": "x" * 14_000})


@pytest.mark.parametrize("value", [{"a": object()}, {"a": float("nan")}, {"a": {1, 2}}])
def test_what_has_no_form_in_json_is_refused(value):
    with pytest.raises(PortkeyConfigurationError, match="must be JSON"):
        compact_json(value)


def test_a_target_knows_its_secrets():
    model = Catalogue.default().resolve("claude-sonnet-4.5")
    options = {"aws_access_key_id": "i", "aws_secret_access_key": "s", "aws_region": "r"}

    assert Target(model, Credentials(None, options)).secrets == ("i", "s")
    assert Target(model, Credentials("k")).secrets == ("k",)


@pytest.mark.parametrize(
    ("given", "fields", "rest"),
    [
        ({"x-mine": "1"}, {}, {"x-mine": "1"}),
        (
            {"X-Portkey-Provider": "openai", "Authorization": "Bearer k", "x-portkey-custom-host": "http://h"},
            {"provider": "openai", "api_key": "Bearer k", "custom_host": "http://h"},
            {},
        ),
        (
            {"x-portkey-trace-id": "t", "x-portkey-metadata": '{"a": 1}', "x-portkey-forward-headers": "a, b,"},
            {"trace_id": "t", "portkey_metadata": {"a": 1}, "forward_headers": ["a", "b"]},
            {},
        ),
        ({"x-portkey-retry": "2"}, {"max_retries": 2}, {}),
        ({"x-portkey-retry": '{"attempts": 4}'}, {"max_retries": 4}, {}),
        ({"x-portkey-config": "{}", "x-portkey-virtual-key": "v"}, {}, {"x-portkey-config": "{}", "x-portkey-virtual-key": "v"}),
    ],
)  # fmt: skip
def test_headers_that_say_what_an_option_says(given, fields, rest):
    assert fields_of_headers(given) == (fields, rest)


@pytest.mark.parametrize(
    ("sent", "facts"),
    [
        ({}, {}),
        (
            {
                "x-portkey-provider": "anthropic",
                "x-portkey-trace-id": "",
                "x-portkey-last-used-option-index": "config.targets[1]",
                "x-portkey-retry-attempt-count": "-1",
                "x-portkey-cache-status": "DISABLED",
            },
            {
                "provider": "anthropic",
                "last_used_option_index": "config.targets[1]",
                "retry_attempt_count": -1,
                "cache_status": "DISABLED",
            },
        ),
        ({"x-portkey-retry-attempt-count": "many"}, {}),
    ],
)
def test_response_facts(sent, facts):
    assert response_facts(sent) == facts
