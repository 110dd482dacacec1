"""The checks of `pollinations-portkey doctor`: facts in, findings out."""

from __future__ import annotations

import re

import httpx
import pytest

from langchain_pollinations_portkey.catalogue import Catalogue, ModelEntry
from langchain_pollinations_portkey.cli import doctor
from langchain_pollinations_portkey.cli.doctor import Finding, GatewayFacts, KeyFacts, Mark, ModelFacts, NodeFacts
from langchain_pollinations_portkey.cli.doctor_call import Asked, CallFacts, call_failure, call_findings
from langchain_pollinations_portkey.errors import (
    MissingCredentialsError,
    PortkeyConnectionError,
    PortkeyError,
    PortkeyStreamTruncatedError,
    PortkeyTimeoutError,
    UnknownModelError,
    status_error,
)
from langchain_pollinations_portkey.gateway.credentials import KeySources, find_credentials

LOCAL = "http://localhost:8787/v1"
REMOTE = "https://gateway.example.com/v1"
NODE = NodeFacts("22.1.0", npm=True)
NO_NODE = NodeFacts(problem="No `node` is on PATH. Get it from https://nodejs.org or your package manager.")
SECRET = "sk-sentinel-0123456789abcdef"


def at(answering: doctor.Answering, base_url: str = LOCAL, **facts) -> GatewayFacts:
    return GatewayFacts(base_url, "the default", answering=answering, **facts)


class TestNode:
    @pytest.mark.parametrize(
        ("gateway", "expected"),
        [
            pytest.param(at("nothing"), Mark.FAILED, id="a gateway has to be started here"),
            pytest.param(at("portkey"), Mark.WARNING, id="a gateway is there"),
            pytest.param(at("nothing", REMOTE), Mark.WARNING, id="the gateway is on another machine"),
            pytest.param(at("not asked", "https://api.portkey.ai/v1", hosted=True), Mark.WARNING, id="hosted"),
        ],
    )
    def test_is_needed_only_to_start_a_gateway_here(self, gateway: GatewayFacts, expected: Mark) -> None:
        node, npm = doctor.node_findings(NO_NODE, gateway)
        assert (node.mark, npm.mark) == (expected, expected)
        assert "https://nodejs.org" in node.cure
        assert "https://nodejs.org" in npm.cure

    def test_that_is_there_is_told_with_its_version(self) -> None:
        node, npm = doctor.node_findings(NODE, at("nothing"))
        assert (node.mark, node.text, npm.mark) == (Mark.OK, "22.1.0", Mark.OK)

    def test_without_npm_no_gateway_can_be_installed(self) -> None:
        _, npm = doctor.node_findings(NodeFacts("22.1.0"), at("nothing"))
        assert npm.mark is Mark.FAILED


REFUSAL = {"status": "failure", "message": "Either x-portkey-config or x-portkey-provider header is required"}


class TestGateway:
    @pytest.mark.parametrize(
        ("base_url", "status", "body", "expected"),
        [
            pytest.param(LOCAL, 400, REFUSAL, "portkey", id="the gateway's refusal"),
            pytest.param(LOCAL, 404, {"message": "Not Found", "ok": False}, "other", id="another path"),
            pytest.param(LOCAL, 200, "<html>Welcome</html>", "other", id="a web server"),
            pytest.param(LOCAL, 400, {"error": {"message": "model is required"}}, "other", id="an OpenAI server"),
            pytest.param(LOCAL, 400, {"status": "failure", "message": "No."}, "other", id="a failure of others"),
            pytest.param(LOCAL, 400, [REFUSAL], "other", id="a list"),
            pytest.param(REMOTE, 401, {"error": "unauthorized"}, "guarded", id="a proxy"),
            pytest.param(REMOTE, 407, "", "guarded", id="a proxy with an empty answer"),
            pytest.param("https://api.openai.com/v1", 401, {"error": {}}, "provider", id="a provider"),
        ],
    )
    def test_who_answers(self, base_url: str, status: int, body: object, expected: str) -> None:
        assert doctor.who_answers(base_url, status, body, Catalogue().providers()) == expected

    @pytest.mark.parametrize(
        ("gateway", "node", "mark", "text", "cure"),
        [
            pytest.param(at("portkey"), NODE, Mark.OK, f"A Portkey gateway answers at {LOCAL}", "", id="there"),
            pytest.param(
                at("nothing", problem="Nothing answers at http://localhost:8787 (refused). Start it."),
                NODE,
                Mark.FAILED,
                "Nothing answers at http://localhost:8787 (refused) (the default)",
                "`pollinations-portkey gateway`",
                id="nobody there",
            ),
            pytest.param(
                at("nothing", problem="Nothing answers."),
                NO_NODE,
                Mark.FAILED,
                "Nothing answers",
                "Install Node.js and start",
                id="nobody, and no Node",
            ),
            pytest.param(
                at("nothing", REMOTE, problem="Nothing answers."),
                NODE,
                Mark.FAILED,
                "Nothing answers",
                "the network",
                id="nobody on another machine",
            ),
            pytest.param(
                at("other", "http://localhost:8787/api/v1", status=404, elsewhere=LOCAL),
                NODE,
                Mark.FAILED,
                "not a Portkey gateway (HTTP 404)",
                f"PORTKEY_GATEWAY_URL={LOCAL}",
                id="at another path",
            ),
            pytest.param(at("other", status=200), NODE, Mark.FAILED, "not a Portkey gateway", "Start one", id="other"),
            pytest.param(
                at("guarded", REMOTE, status=401), NODE, Mark.FAILED, "HTTP 401", "PORTKEY_GATEWAY_URL", id="guarded"
            ),
            pytest.param(at("provider"), NODE, Mark.FAILED, "a provider's own", "Start one", id="a provider"),
            pytest.param(
                GatewayFacts("foo", "PORTKEY_BASE_URL", problem="base_url must be an URL."),
                NODE,
                Mark.FAILED,
                "base_url must be an URL (PORTKEY_BASE_URL)",
                f"PORTKEY_GATEWAY_URL={LOCAL}",
                id="no URL",
            ),
            pytest.param(
                at("nothing", "https://api.portkey.ai/v1", hosted=True, problem="No answer."),
                NODE,
                Mark.FAILED,
                "No answer",
                "HTTPS_PROXY",
                id="the hosted one is not reached",
            ),
            pytest.param(at("not asked"), NODE, Mark.NOT_CHECKED, "was not asked", "", id="not asked"),
        ],
    )
    def test_each_case_has_its_cure(
        self, gateway: GatewayFacts, node: NodeFacts, mark: Mark, text: str, cure: str
    ) -> None:
        finding = doctor.gateway_finding(gateway, node)
        assert finding.mark is mark
        assert text in finding.text
        assert cure in finding.cure
        assert bool(finding.cure) is (mark is Mark.FAILED)

    @pytest.mark.parametrize(
        ("gateway", "mark"),
        [
            (at("portkey", root_status=200), Mark.OK),
            (at("portkey", root_status=500), Mark.WARNING),
            (at("portkey", root_status=404), Mark.NOT_CHECKED),
            (at("portkey", root_status=None), Mark.NOT_CHECKED),
            (at("nothing"), Mark.NOT_CHECKED),
            (at("portkey", hosted=True, root_status=500), Mark.NOT_CHECKED),
        ],
    )
    def test_the_build_is_told_by_the_status_of_the_root(self, gateway: GatewayFacts, mark: Mark) -> None:
        finding = doctor.build_finding(gateway)
        assert finding.mark is mark
        assert ("@hono/node-server" in finding.cure) is (mark is Mark.WARNING)

    def test_the_hosted_one_needs_its_key(self) -> None:
        (missing,) = doctor.portkey_key_findings(at("not asked", hosted=True))
        assert (missing.mark, "PORTKEY_API_KEY" in missing.cure) == (Mark.FAILED, True)
        (there,) = doctor.portkey_key_findings(
            at("portkey", "https://api.portkey.ai/v1", hosted=True, portkey_key=SECRET)
        )
        assert (there.mark, there.text) == (Mark.OK, "PORTKEY_API_KEY ...cdef -> api.portkey.ai")
        assert doctor.portkey_key_findings(at("portkey")) == []


class TestModel:
    def test_says_what_the_name_means_and_who_gave_it(self) -> None:
        for name, text in (
            ("portkey-mistral", "portkey-mistral is mistral-ai/mistral-large-latest (--model)"),
            ("openai/gpt-4o", "openai/gpt-4o (--model)"),
        ):
            finding = doctor.model_finding(ModelFacts(name, "--model", Catalogue.default().resolve(name)))
            assert finding == Finding("model", Mark.OK, text)

    def test_an_unknown_name_brings_near_ones(self) -> None:
        with pytest.raises(UnknownModelError) as caught:
            Catalogue.default().resolve("claude-sonet-4.5")
        finding = doctor.model_finding(ModelFacts("claude-sonet-4.5", "--model", problem=caught.value))
        assert finding.mark is Mark.FAILED
        assert finding.text.startswith("No catalogue name is 'claude-sonet-4.5'")
        assert finding.cure.startswith('Did you mean "claude-sonnet-4.5"')

    def test_a_retired_one_brings_its_successor(self) -> None:
        resolved = Catalogue.default().resolve("portkey-claude")
        finding = doctor.model_finding(ModelFacts("portkey-claude", "--model", resolved))
        assert (finding.mark, finding.cure) == (Mark.WARNING, "Use 'anthropic/claude-opus-4-8' instead.")

    def test_none_says_what_to_set(self) -> None:
        finding = doctor.model_finding(ModelFacts(None))
        assert finding.mark is Mark.FAILED
        for hint in ("OPENAI_API_KEY", ".env", "--model", "pollinations-portkey models"):
            assert hint in finding.cure


def keys(name: str, environment: dict[str, str], *, base_url: str = LOCAL, host: str | None = None) -> list[Finding]:
    """The findings about the keys for a model that is asked with these variables."""
    resolved = Catalogue.default().resolve(name)
    sources = KeySources(portkey=environment.get("PORTKEY_API_KEY"))
    try:
        credentials = find_credentials(resolved.provider, sources, environment, primary=True, custom_host=host)
        facts = KeyFacts(credentials, custom_host=host)
    except MissingCredentialsError as error:
        facts = KeyFacts(problem=error)
    return doctor.key_findings(resolved, facts, at("portkey", base_url), environment)


AWS = {"AWS_ACCESS_KEY_ID": "AKIASENTINEL12345678", "AWS_SECRET_ACCESS_KEY": "sentinel/0123456789+abcdefghij"}


class TestKeys:
    @pytest.mark.parametrize(
        ("name", "environment", "expected"),
        [
            pytest.param(
                "anthropic/x", {"ANTHROPIC_API_KEY": SECRET}, "ANTHROPIC_API_KEY ...cdef -> api.anthropic.com", id="key"
            ),
            pytest.param(
                "anthropic/x",
                {"ANTHROPIC_API_KEY": f"Bearer {SECRET}"},
                "ANTHROPIC_API_KEY ...cdef -> api.anthropic.com",
                id="with a word before it",
            ),
            pytest.param(
                "google/x",
                {"GEMINI_API_KEY": SECRET},
                "GEMINI_API_KEY ...cdef -> generativelanguage.googleapis.com",
                id="second variable",
            ),
            pytest.param(
                "openai/x", {"OPENAI_API_KEY": "short"}, "OPENAI_API_KEY ********** -> api.openai.com", id="short"
            ),
            pytest.param(
                "google/x",
                {"GOOGLE_API_KEY": "Bearer ", "GEMINI_API_KEY": SECRET},
                "GEMINI_API_KEY ...cdef -> generativelanguage.googleapis.com",
                id="the first holds none",
            ),
            pytest.param(
                "claude-sonnet-4.5",
                {**AWS, "AWS_SESSION_TOKEN": SECRET},
                "AWS_ACCESS_KEY_ID ...5678 and AWS_SECRET_ACCESS_KEY ...ghij and AWS_SESSION_TOKEN ...cdef -> Amazon "
                "Bedrock, region us-east-1",
                id="temporary ones",
            ),
            pytest.param(
                "mistral/x",
                {"PORTKEY_API_KEY": SECRET},
                "PORTKEY_API_KEY ...cdef -> Mistral AI, which the gateway forwards as the provider's key",
                id="forwarded",
            ),
            pytest.param(
                "claude-sonnet-4.5",
                {**AWS, "AWS_REGION": "eu-west-1"},
                "AWS_ACCESS_KEY_ID ...5678 and AWS_SECRET_ACCESS_KEY ...ghij -> Amazon Bedrock, region eu-west-1",
                id="AWS's pair",
            ),
            pytest.param(
                "claude-sonnet-4.5",
                {"AWS_BEARER_TOKEN_BEDROCK": SECRET},
                "AWS_BEARER_TOKEN_BEDROCK ...cdef -> Amazon Bedrock, region us-east-1",
                id="Bedrock's key",
            ),
        ],
    )
    def test_which_goes_where_and_never_whole(self, name: str, environment: dict[str, str], expected: str) -> None:
        (finding,) = keys(name, environment)
        assert (finding.mark, finding.text) == (Mark.OK, expected)

    @pytest.mark.parametrize(
        ("name", "variables"),
        [
            ("openai/x", ["OPENAI_API_KEY"]),
            ("claude-sonnet-4.5", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"]),
        ],
    )
    def test_missing_ones_are_named(self, name: str, variables: list[str]) -> None:
        (finding,) = keys(name, {})
        assert finding.mark is Mark.FAILED
        for variable in (*variables, ".env"):
            assert variable in finding.cure

    def test_a_host_of_ones_own_needs_none(self) -> None:
        (finding,) = keys("openai/x", {}, host="http://127.0.0.1:9000/v1")
        assert (finding.mark, finding.text) == (Mark.OK, "None is set, so 127.0.0.1:9000 is asked without one")

    @pytest.mark.parametrize(
        ("settings", "value", "text", "cure"),
        [
            pytest.param({"host": "https://other.example.com"}, SECRET, "not a host of OpenAI", "api_key=", id="host"),
            pytest.param({"base_url": "http://gateway.lan:8787/v1"}, SECRET, "over plain http", "https", id="http"),
            pytest.param({}, f'"{SECRET}"', "a quotation mark", "OPENAI_API_KEY anew", id="quoted"),
            pytest.param({}, f"{SECRET} # mine", "holds a blank", "OPENAI_API_KEY anew", id="with a comment"),
        ],
    )
    def test_what_speaks_against_it_is_a_warning(
        self, settings: dict[str, str], value: str, text: str, cure: str
    ) -> None:
        first, warning = keys("openai/x", {"OPENAI_API_KEY": value}, **settings)
        assert (first.mark, warning.mark) == (Mark.OK, Mark.WARNING)
        assert text in warning.text
        assert cure in warning.cure
        assert SECRET not in f"{first}{warning}"

    def test_facts_show_no_key(self) -> None:
        resolved = Catalogue.default().resolve("openai/x")
        environment = {"OPENAI_API_KEY": SECRET}
        credentials = find_credentials(resolved.provider, KeySources(), environment, primary=True, custom_host=None)
        assert SECRET not in repr(KeyFacts(credentials))
        assert SECRET not in repr(at("portkey", hosted=True, portkey_key=SECRET))


def refused(status: int, message: str, headers: dict[str, str] | None = None, **error: object) -> PortkeyError:
    """The error of a call that the provider answered so."""
    body = {"error": {"message": message, **error}, "provider": "openai"}
    return status_error(
        httpx.Response(status, json=body, headers=headers, request=httpx.Request("POST", "http://localhost"))
    )


def asked(name: str = "openai/gpt-4o", sources: tuple[str, ...] = ("OPENAI_API_KEY",), **facts) -> Asked:
    return Asked(Catalogue.default().resolve(name), sources, known=Catalogue.default().models(), **facts)


class TestCall:
    @pytest.mark.parametrize(
        ("error", "facts", "text", "cure"),
        [
            pytest.param(
                refused(401, "Incorrect key."),
                asked(),
                "openai answered 401: Incorrect key",
                "Set OPENAI_API_KEY to a valid key of OpenAI.",
                id="wrong key",
            ),
            pytest.param(
                refused(401, "No."),
                asked(sources=("PORTKEY_API_KEY",), forwarded=True),
                "401",
                "PORTKEY_API_KEY was forwarded as the key of OpenAI, which refuses it: set OPENAI_API_KEY.",
                id="wrong forwarded key",
            ),
            pytest.param(
                refused(401, "No."),
                asked(sources=(), custom_host="http://gpu:1"),
                "401",
                "http://gpu:1 wants a key: set OPENAI_API_KEY.",
                id="a host that wants a key",
            ),
            pytest.param(
                refused(403, "The security token included in the request is invalid."),
                asked("claude-sonnet-4.5", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
                "403",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to valid credentials",
                id="wrong AWS pair",
            ),
            pytest.param(refused(403, "Not yours."), asked(), "403", "ask for access", id="no permission"),
            pytest.param(
                refused(404, "No such model."),
                asked("mistral/mistral-large-lates"),
                "404",
                'Did you mean --model "portkey-mistral"?',
                id="unknown model, with a near one",
            ),
            pytest.param(
                refused(404, "No such model."),
                asked(),
                "404",
                "`pollinations-portkey models --provider openai`",
                id="unknown model",
            ),
            pytest.param(
                refused(404, "No such model."),
                asked("portkey-claude"),
                "404",
                "Use 'anthropic/claude-opus-4-8' instead.",
                id="retired model",
            ),
            pytest.param(
                refused(429, "You exceeded your quota.", code="insufficient_quota"),
                asked(),
                "429",
                "add credit",
                id="no quota",
            ),
            pytest.param(refused(402, "Insufficient Balance"), asked(), "402", "add credit", id="no money"),
            pytest.param(
                refused(429, "Slow down.", {"retry-after": "7"}),
                asked(),
                "429",
                "Wait 7 s and ask again",
                id="too fast",
            ),
            pytest.param(refused(503, "Overloaded."), asked(), "503", "Ask again later", id="provider down"),
            pytest.param(
                refused(500, "fetch failed"), asked(), "500", "cannot reach OpenAI", id="provider out of reach"
            ),
            pytest.param(
                refused(500, "fetch failed"),
                asked(custom_host="http://gpu:1"),
                "500",
                "Start what should answer at http://gpu:1",
                id="host down",
            ),
            pytest.param(PortkeyTimeoutError("Silent for 60 s."), asked(), "Silent", "Ask again later", id="silence"),
            pytest.param(
                PortkeyConnectionError("The connection broke. The request may have been served."),
                asked(),
                "The connection broke",
                "may have been served",
                id="connection lost",
            ),
            pytest.param(PortkeyError("Odd."), asked(), "Odd", "DEBUG=pollinations:portkey*", id="anything else"),
        ],
    )
    def test_each_failure_has_its_cure(self, error: PortkeyError, facts: Asked, text: str, cure: str) -> None:
        finding = call_failure("answer", error, facts)
        assert finding.mark is Mark.FAILED
        assert text in finding.text
        assert cure in finding.cure

    def test_keys_that_an_answer_repeats_are_hidden(self) -> None:
        finding = call_failure("answer", refused(400, f"Bad header: Bearer {SECRET}"), asked())
        assert "Bad header" in finding.text
        assert SECRET not in str(finding)

    @pytest.mark.parametrize(
        ("call", "answer", "streaming"),
        [
            pytest.param(CallFacts(seconds=1.2, first_seconds=0.4, pieces=3), Mark.OK, Mark.OK, id="all well"),
            pytest.param(CallFacts(finish_reason="length"), Mark.OK, Mark.NOT_CHECKED, id="thought to the end"),
            pytest.param(CallFacts(finish_reason="stop"), Mark.WARNING, Mark.NOT_CHECKED, id="no word"),
            pytest.param(
                CallFacts(stream_error=PortkeyStreamTruncatedError("Cut.")), Mark.OK, Mark.FAILED, id="only the stream"
            ),
            pytest.param(
                CallFacts(stream_error=refused(503, "a"), answer_error=refused(503, "b")),
                Mark.FAILED,
                Mark.NOT_CHECKED,
                id="both",
            ),
            pytest.param(
                CallFacts(stream_error=refused(401, "a")), Mark.FAILED, Mark.NOT_CHECKED, id="not the stream's fault"
            ),
        ],
    )
    def test_answer_and_stream_are_told_apart(self, call: CallFacts, answer: Mark, streaming: Mark) -> None:
        findings = call_findings(call, asked())
        assert [(one.check, one.mark) for one in findings] == [("answer", answer), ("streaming", streaming)]

    def test_near_names_are_those_of_the_same_provider_and_alive(self) -> None:
        rows = [
            ModelEntry("mine", "openai", "gpt-4o-mini"),
            ModelEntry("gone", "openai", "gpt-4o-min", retired="2026-01-01"),
            ModelEntry("theirs", "groq", "gpt-4o-mini"),
        ]
        facts = Asked(Catalogue.default().resolve("openai/gpt-4o-minni"), known=rows)
        cure = call_failure("answer", refused(404, "No."), facts).cure
        assert re.findall('"(.*?)"', cure) == ["mine"]
