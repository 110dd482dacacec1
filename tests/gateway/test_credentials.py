"""Whose key goes where. Every key is a sentinel of its own, so that a wrong one is seen by its name."""

from __future__ import annotations

import asyncio
import logging
import sys
import types

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyConfigurationError
from langchain_pollinations_portkey.gateway import credentials
from langchain_pollinations_portkey.gateway.credentials import (
    PLACEHOLDER_KEY,
    Credentials,
    CredentialsNeedIO,
    KeySources,
    bare_key,
    check_option_names,
    find_credentials,
    is_own_host,
    log_forwarding,
    option_text,
)

FOREIGN = "https://models.example.com/v1"
PAIR = {"AWS_ACCESS_KEY_ID": "env-id", "AWS_SECRET_ACCESS_KEY": "env-secret"}
AZURE = {"AZURE_RESOURCE_NAME": "res", "AZURE_OPENAI_DEPLOYMENT_NAME": "dep", "OPENAI_API_VERSION": "2024-10-21"}
AZURE_OPTIONS = {"resource_name": "res", "deployment_id": "dep", "api_version": "2024-10-21"}
VERTEX = {"GOOGLE_CLOUD_PROJECT": "proj", "GOOGLE_CLOUD_LOCATION": "us-central1"}
VERTEX_OPTIONS = {"vertex_project_id": "proj", "vertex_region": "us-central1"}


def find(
    provider: str, environment: dict[str, str] | None = None, *, primary=True, host=None, at_portkey=False, **sources
):
    return find_credentials(
        Catalogue.default().provider(provider),
        KeySources(**sources),
        environment or {},
        primary=primary,
        custom_host=host,
        keys_at_portkey=at_portkey,
    )


@pytest.fixture(autouse=True)
def no_botocore(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.setattr(credentials, "_chain", [])


@pytest.mark.parametrize(
    ("provider", "environment", "sources", "primary", "key"),
    [
        pytest.param("openai", {"OPENAI_API_KEY": "env"}, {"argument": "arg", "portkey": "pk"}, True, "arg", id="argument"),
        pytest.param("openai", {"OPENAI_API_KEY": "env"}, {"by_provider": {"openai": "mine"}}, True, "mine", id="api_keys"),
        pytest.param("openai", {}, {"argument": "arg", "by_provider": {"openai": "mine"}}, True, "arg",
                     id="api_key is the nearer of two arguments"),
        pytest.param("openai", {"OPENAI_API_KEY": "env"}, {"portkey": "pk"}, True, "env", id="own variable"),
        pytest.param("openai", {}, {"portkey": "pk"}, True, "pk", id="PORTKEY_API_KEY for the primary"),
        pytest.param("openai", {"OPENAI_API_KEY": " \t"}, {"argument": " ", "portkey": "pk"}, True, "pk",
                     id="blank is missing"),
        pytest.param("openai", {}, {"argument": "bearer  sk-1"}, True, "sk-1", id="the word Bearer is taken off"),
        pytest.param("google", {"GEMINI_API_KEY": "second"}, {}, True, "second", id="second variable"),
        pytest.param("google", {"GEMINI_API_KEY": "second", "GOOGLE_API_KEY": "first"}, {}, True, "first",
                     id="first variable wins"),
        pytest.param("anthropic", {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o"},
                     {"argument": "arg", "portkey": "pk"}, False, "a", id="other targets use their own variable"),
        pytest.param("anthropic", {}, {"argument": "arg", "by_provider": {"anthropic": "mine", "openai": "o"}}, False,
                     "mine", id="other targets use api_keys"),
        pytest.param("ollama", {}, {"portkey": "pk"}, True, None, id="a provider that takes no key gets none"),
        pytest.param("ollama", {}, {"argument": "arg"}, True, "arg", id="unless it is given one"),
    ],
)  # fmt: skip
def test_the_order_in_which_a_key_is_looked_for(provider, environment, sources, primary, key):
    found = find(provider, environment, primary=primary, **sources)

    assert found.key == key
    assert found.forwarded is (key == "pk")


@pytest.mark.parametrize("sources", [{"argument": "arg"}, {"portkey": "pk"}, {"by_provider": {"openai": "o"}}])
@pytest.mark.parametrize("provider", ["anthropic", "bedrock", "mistral-ai", "together-ai"])
def test_a_key_for_one_provider_never_goes_to_another(provider, sources):
    with pytest.raises(MissingCredentialsError):
        find(provider, {"OPENAI_API_KEY": "env"}, primary=False, **sources)


def test_portkey_api_key_is_no_way_to_pay_amazon():
    with pytest.raises(MissingCredentialsError):
        find("bedrock", portkey="pk")


@pytest.mark.parametrize(
    ("provider", "environment", "primary", "texts"),
    [
        ("openai", {}, True, ["OPENAI_API_KEY", "api_key=", "api_keys={'openai': ...}"]),
        ("anthropic", {}, False, ["ANTHROPIC_API_KEY", "pass api_keys={'anthropic': ...}."]),
        ("google", {}, True, ["GOOGLE_API_KEY or GEMINI_API_KEY"]),
        ("bedrock", {}, True, ["AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK", "[aws]"]),
        ("bedrock", {"AWS_ACCESS_KEY_ID": "id"}, True, ["'aws_secret_access_key' (or the variable AWS_SECRET_ACCESS_KEY)"]),
        ("azure-openai", {**AZURE}, True, ["AZURE_OPENAI_API_KEY"]),
        ("azure-openai", {"AZURE_OPENAI_API_KEY": "k"}, True, ["'resource_name'", "AZURE_RESOURCE_NAME", "'deployment_id'"]),
        ("vertex-ai", {**VERTEX}, True, ["VERTEX_ACCESS_TOKEN"]),
        ("vertex-ai", {"VERTEX_ACCESS_TOKEN": "k"}, True, ["'vertex_project_id'", "GOOGLE_CLOUD_PROJECT", "'vertex_region'"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_its_variable(provider, environment, primary, texts):
    with pytest.raises(MissingCredentialsError) as raised:
        find(provider, environment, primary=primary)

    assert [text for text in texts if text not in str(raised.value)] == []


@pytest.mark.parametrize(
    ("environment", "sources", "key", "options"),
    [
        pytest.param(PAIR, {}, None,
                     {"aws_access_key_id": "env-id", "aws_secret_access_key": "env-secret", "aws_region": "us-east-1"},
                     id="pair, default region"),
        pytest.param({**PAIR, "AWS_SESSION_TOKEN": "env-token", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "x"}, {},
                     None, {"aws_access_key_id": "env-id", "aws_secret_access_key": "env-secret",
                            "aws_session_token": "env-token", "aws_region": "eu-west-1"}, id="session token and region"),
        pytest.param({**PAIR, "AWS_DEFAULT_REGION": "eu-north-1"}, {}, None,
                     {"aws_access_key_id": "env-id", "aws_secret_access_key": "env-secret", "aws_region": "eu-north-1"},
                     id="AWS_DEFAULT_REGION"),
        pytest.param({**PAIR, "AWS_SESSION_TOKEN": "env-token"},
                     {"options": {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "aws_region": "r"}}, None,
                     {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "aws_region": "r"},
                     id="the session token of the environment belongs to another identity"),
        pytest.param({**PAIR, "AWS_SESSION_TOKEN": "t", "AWS_BEARER_TOKEN_BEDROCK": "bedrock-key"}, {}, "bedrock-key",
                     {"aws_region": "us-east-1", "aws_auth_type": "apiKey"}, id="a Bedrock key goes before the pair"),
        pytest.param(PAIR, {"argument": "arg"}, "arg", {"aws_region": "us-east-1", "aws_auth_type": "apiKey"},
                     id="api_key is a Bedrock key"),
        pytest.param({"AWS_BEARER_TOKEN_BEDROCK": "bedrock-key"},
                     {"options": {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}}, None,
                     {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "aws_region": "us-east-1"},
                     id="a given pair goes before the key of the environment"),
        pytest.param(PAIR, {"options": {"aws_auth_type": "assumedRole", "aws_role_arn": "arn:x"}}, None,
                     {"aws_auth_type": "assumedRole", "aws_role_arn": "arn:x", "aws_region": "us-east-1"},
                     id="the gateway takes on a role by itself"),
    ],
)  # fmt: skip
def test_amazon(environment, sources, key, options):
    found = find("bedrock", environment, **sources)

    assert (found.key, found.options) == (key, options)


@pytest.mark.parametrize(
    "options",
    [
        {"aws_access_key_id": "id"},
        {"aws_session_token": "token"},
        {"aws_secret_access_key": "secret", "aws_session_token": "token"},
    ],
)
@pytest.mark.parametrize("host", [None, FOREIGN])
def test_half_an_identity_is_not_completed_from_another(options, host):
    with pytest.raises(MissingCredentialsError, match="aws_"):
        find("bedrock", PAIR, options=options, host=host)


def test_two_ways_to_pay_amazon_are_one_too_many():
    with pytest.raises(PortkeyConfigurationError, match="not both"):
        find("bedrock", argument="k", options={"aws_access_key_id": "id", "aws_secret_access_key": "secret"})


@pytest.mark.parametrize(
    ("provider", "environment", "sources", "key", "options"),
    [
        ("azure-openai", {**AZURE, "AZURE_OPENAI_API_KEY": "env"}, {}, "env", AZURE_OPTIONS),
        ("azure-openai", AZURE, {"portkey": "pk"}, "pk", AZURE_OPTIONS),
        ("azure-openai", {**AZURE, "AZURE_OPENAI_AD_TOKEN": "ad"}, {"portkey": "pk"}, None,
         {**AZURE_OPTIONS, "azure_ad_token": "ad"}),
        ("azure-openai", {**AZURE, "AZURE_OPENAI_API_KEY": "env", "AZURE_OPENAI_AD_TOKEN": "ad"}, {}, "env", AZURE_OPTIONS),
        ("azure-openai", {**AZURE, "AZURE_OPENAI_API_KEY": "env"}, {"options": {"azure_ad_token": "mine"}}, None,
         {**AZURE_OPTIONS, "azure_ad_token": "mine"}),
        ("azure-openai", {**AZURE, "AZURE_OPENAI_API_KEY": "env"}, {"options": {"azure_auth_mode": "managed"}}, None,
         {**AZURE_OPTIONS, "azure_auth_mode": "managed"}),
        ("vertex-ai", {**VERTEX, "VERTEX_ACCESS_TOKEN": "env"}, {}, "env", VERTEX_OPTIONS),
        ("vertex-ai", {**VERTEX, "GOOGLE_APPLICATION_CREDENTIALS_JSON": '{"project_id": "p"}'}, {"portkey": "pk"}, None,
         {**VERTEX_OPTIONS, "vertex_service_account_json": '{"project_id":"p"}'}),
        ("vertex-ai", {}, {"options": {"vertex_region": "r", "vertex_service_account_json": '{\n "project_id": "p"\n}'}},
         None, {"vertex_region": "r", "vertex_service_account_json": '{"project_id":"p"}'}),
    ],
)  # fmt: skip
def test_azure_and_vertex(provider, environment, sources, key, options):
    found = find(provider, environment, **sources)

    assert (found.key, found.options) == (key, options)


def test_a_service_account_is_its_content_and_not_its_path():
    with pytest.raises(PortkeyConfigurationError, match="content of the file"):
        find("vertex-ai", options={"vertex_region": "r", "vertex_service_account_json": "/etc/sa.json"})


@pytest.mark.parametrize(
    ("provider", "environment", "key", "options"),
    [
        ("openai", {}, PLACEHOLDER_KEY, {}),
        ("bedrock", {}, None, {"aws_access_key_id": PLACEHOLDER_KEY, "aws_secret_access_key": PLACEHOLDER_KEY}),
        ("bedrock", {"AWS_ACCESS_KEY_ID": "half", "AWS_SESSION_TOKEN": "t"}, None,
         {"aws_access_key_id": PLACEHOLDER_KEY, "aws_secret_access_key": PLACEHOLDER_KEY}),
        ("azure-openai", {"AZURE_OPENAI_DEPLOYMENT_NAME": "dep", "OPENAI_API_VERSION": "v"}, PLACEHOLDER_KEY,
         {"deployment_id": "dep", "api_version": "v"}),
        ("ollama", {}, None, {}),
    ],
)  # fmt: skip
def test_a_custom_host_needs_no_key_and_no_address(provider, environment, key, options):
    found = find(provider, environment, host=FOREIGN)

    assert found.key == key
    assert {name: value for name, value in found.options.items() if name != "aws_region"} == options


def test_a_custom_host_does_not_make_a_deployment_up():
    with pytest.raises(MissingCredentialsError, match="'deployment_id'"):
        find("azure-openai", {"AZURE_OPENAI_API_KEY": "k", "OPENAI_API_VERSION": "v"}, host=FOREIGN)


@pytest.mark.parametrize(
    ("provider", "environment", "sources", "host", "told"),
    [
        ("openai", {"OPENAI_API_KEY": "k"}, {}, FOREIGN, "OPENAI_API_KEY from the environment is sent to models.example.com"),
        ("openai", {}, {"portkey": "pk"}, FOREIGN, "PORTKEY_API_KEY from the environment is sent to models.example.com"),
        ("bedrock", PAIR, {}, FOREIGN, "AWS_ACCESS_KEY_ID from the environment is sent to models.example.com"),
        ("openai", {"OPENAI_API_KEY": "k"}, {}, "https://api.openai.com.example.com", "example.com"),
        ("openai", {"OPENAI_API_KEY": "k"}, {}, "https://api.openai.com/v1", None),
        ("bedrock", PAIR, {}, "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", None),
        ("openai", {"OPENAI_API_KEY": "k"}, {"argument": "arg"}, FOREIGN, None),
        ("openai", {}, {}, FOREIGN, None),
    ],
)  # fmt: skip
def test_a_key_of_the_environment_that_goes_to_a_strange_host_is_told(provider, environment, sources, host, told):
    texts = [notice.text for notice in find(provider, environment, host=host, **sources).notices]

    assert (not texts) if told is None else (len(texts) == 1 and told in texts[0])


@pytest.mark.parametrize(
    ("environment", "sources", "key", "options"),
    [
        ({"OPENAI_API_KEY": "env"}, {}, None, {}),
        ({"OPENAI_API_KEY": "env"}, {"argument": "arg"}, "arg", {}),
        ({}, {"options": {"openai_project": "p"}}, None, {"openai_project": "p"}),
    ],
)
def test_where_portkey_keeps_the_keys_only_given_ones_are_sent(environment, sources, key, options):
    found = find("openai", environment, at_portkey=True, **sources)

    assert (found.key, found.options) == (key, options)


def test_repr_shows_no_secret():
    found = find("bedrock", PAIR)
    sources = KeySources(
        argument="arg-secret", by_provider={"a": "b-secret"}, options={"o": "o-secret"}, portkey="p-secret"
    )

    assert "secret" not in repr(found) + repr(sources)


@pytest.mark.parametrize(
    ("key", "bare"),
    [("sk-1", "sk-1"), ("Bearer sk-1", "sk-1"), ("bearer\tsk-1", "sk-1"), (" BEARER  sk-1 ", "sk-1"),
     ("Bearer", ""), ("Bearer ", ""), ("bearer-like", "bearer-like")],
)  # fmt: skip
def test_bare_key(key, bare):
    assert bare_key(key) == bare


@pytest.mark.parametrize(
    ("url", "own"),
    [("https://api.openai.com", True), ("https://API.OPENAI.COM./v1", True), ("https://eu.api.openai.com/v1", True),
     ("https://evilapi.openai.com.evil.example", False), ("https://notapi.openai.com.evil", False), ("not a url", False)],
)  # fmt: skip
def test_is_own_host(url, own):
    assert is_own_host(url, Catalogue.default().provider("openai")) is own


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (" a ", "a"), (None, ""), (True, "true"), (3, "3"), ({"a": [1]}, '{"a": [1]}')]
)
def test_option_text(value, text):
    assert option_text(value) == text


def test_unknown_options_are_refused_by_name_and_not_by_value():
    with pytest.raises(PortkeyConfigurationError, match="'aws_secret'") as raised:
        check_option_names(Catalogue.default().provider("bedrock"), {"aws_secret": "hush"})

    assert "aws_region" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_forwarding_is_logged_once_and_masked(caplog, monkeypatch):
    monkeypatch.setattr(credentials, "_logged", set())
    openai = Catalogue.default().provider("openai")
    forwarded = Credentials("pk-a-very-long-key-1234", forwarded=True)

    with caplog.at_level(logging.INFO, logger="langchain_pollinations_portkey"):
        log_forwarding(openai, forwarded)
        log_forwarding(openai, forwarded)
        log_forwarding(openai, Credentials("sk-own"))

    assert caplog.messages == ["PORTKEY_API_KEY (...1234) is forwarded to OpenAI as its key"]


# ---------------------------------------------------------------------- botocore's chain


class _FakeChain:
    """Stands for botocore: counts the sessions, and renews its credentials on demand."""

    def __init__(self, monkeypatch, *, keys=("chain-id", "chain-secret", "chain-token"), region="eu-central-1") -> None:
        self.sessions = 0
        self.stale = False
        self.keys, self.region = keys, region
        self.error = type("BotoCoreError", (Exception,), {})
        self.fails: Exception | None = None
        for name, content in {
            "botocore": {},
            "botocore.session": {"get_session": self.get_session},
            "botocore.exceptions": {"BotoCoreError": self.error},
        }.items():
            module = types.ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)

    def get_session(self):
        self.sessions += 1
        return self

    def get_credentials(self):
        if self.fails:
            raise self.fails
        return self if self.keys else None

    def refresh_needed(self):
        return self.stale

    def get_frozen_credentials(self):
        return types.SimpleNamespace(**dict(zip(("access_key", "secret_key", "token"), self.keys, strict=True)))

    def get_config_variable(self, name):
        return self.region


@pytest.fixture
def chain(monkeypatch):
    return _FakeChain(monkeypatch)


FROM_CHAIN = {
    "aws_access_key_id": "chain-id",
    "aws_secret_access_key": "chain-secret",
    "aws_session_token": "chain-token",
}


@pytest.mark.parametrize(
    ("environment", "options", "region"),
    [
        ({}, {}, "eu-central-1"),
        ({"AWS_REGION": "ap-south-1"}, {}, "ap-south-1"),
        ({}, {"aws_region": "us-east-1"}, "us-east-1"),
        ({"AWS_SESSION_TOKEN": "left over"}, {}, "eu-central-1"),
    ],
)
def test_the_chain_gives_credentials_of_one_identity_and_its_region(chain, environment, options, region):
    assert find("bedrock", environment, options=options).options == {**FROM_CHAIN, "aws_region": region}


def test_the_chain_is_asked_last(chain):
    assert find("bedrock", PAIR).options["aws_access_key_id"] == "env-id"
    assert find("bedrock", {"AWS_BEARER_TOKEN_BEDROCK": "b"}).key == "b"
    assert chain.sessions == 0


def test_the_chain_is_set_up_once_and_again_for_another_profile(chain, monkeypatch):
    for _ in range(3):
        find("bedrock")
    assert chain.sessions == 1

    monkeypatch.setenv("AWS_PROFILE", "other")
    find("bedrock")
    assert chain.sessions == 2


def test_a_strange_host_gets_nothing_of_the_chain(chain):
    assert find("bedrock", host=FOREIGN).options["aws_access_key_id"] == PLACEHOLDER_KEY
    assert find("bedrock", host="https://x.amazonaws.com").options["aws_access_key_id"] == "chain-id"


def test_the_chain_is_not_asked_where_nobody_may_wait(chain):
    with pytest.raises(CredentialsNeedIO):
        find("bedrock", may_wait=False)
    assert chain.sessions == 0

    find("bedrock")
    assert find("bedrock", may_wait=False).options["aws_access_key_id"] == "chain-id"

    chain.stale = True
    with pytest.raises(CredentialsNeedIO):
        find("bedrock", may_wait=False)


def test_without_anything_in_the_chain_the_variables_are_named(chain):
    chain.keys = ()

    with pytest.raises(MissingCredentialsError, match="AWS_ACCESS_KEY_ID"):
        find("bedrock")


def test_a_chain_that_fails_says_why(chain):
    chain.fails = chain.error("The SSO session has expired")

    with pytest.raises(MissingCredentialsError, match="SSO session has expired"):
        find("bedrock")


async def test_asking_for_the_chain_does_not_hold_up_the_event_loop(chain):
    from langchain_pollinations_portkey import ChatPortkey

    threads = []
    chain.get_credentials = lambda: threads.append(asyncio._get_running_loop()) or chain
    model = ChatPortkey(model="bedrock/us.amazon.nova-lite-v1:0", base_url="http://127.0.0.1:1")

    with pytest.raises(Exception, match="Nothing answers"):
        await model.ainvoke("hi")

    assert threads == [None]  # a thread without a running loop
