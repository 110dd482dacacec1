"""`pollinations-portkey doctor` as a user runs it: on the real gateway, with the stand-in as provider."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.cli import doctor_report
from langchain_pollinations_portkey.cli.app import app
from langchain_pollinations_portkey.cli.doctor import Finding, Mark
from langchain_pollinations_portkey.cli.doctor_asking import Order, _base_url
from langchain_pollinations_portkey.gateway.http.transport import Transport
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.gateway.settings import DEFAULT_BASE_URL, base_url_from
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider
from tests import cli_support

pytestmark = pytest.mark.gateway

KEY = "sk-sentinel-0123456789abcdef"
WRONG = "sk-another-9876543210fedcba"

Doctor = Callable[..., "Report"]


class Report:
    """What the command found, as its JSON says it."""

    def __init__(self, answer: Result) -> None:
        self.exit = answer.exit_code
        self.output = answer.output
        self.errors = answer.stderr
        self.found = json.loads(answer.stdout)
        self.checks = {one["check"]: one for one in self.found["checks"]}

    @property
    def marks(self) -> dict[str, str]:
        return {name: one["mark"] for name, one in self.checks.items()}

    @property
    def failed(self) -> list[str]:
        return [name for name, mark in self.marks.items() if mark == "failed"]


@pytest.fixture(params=["pinned", "plain"])
def gateway(request: pytest.FixtureRequest) -> LocalGateway:
    return request.getfixturevalue(f"{request.param}_gateway")


@pytest.fixture
def provider() -> Iterator[StandInProvider]:
    """One that takes a single key."""
    accepted = {"openai": {KEY}, "anthropic": {KEY}}
    with StandInProvider(keys=accepted, aws_credentials={"AKIASENTINEL12345678": KEY}) as provider:
        yield provider


@pytest.fixture
def catalogue(tmp_path: Path, provider: StandInProvider) -> Path:
    more = f'[played-bedrock]\nprovider = "bedrock"\nmodel = "amazon.played"\ncustom_host = "{provider.url}"\n'
    return cli_support.catalogue_file(tmp_path / "models.toml", provider, more)


@pytest.fixture
def free_port() -> int:
    return cli_support.free_port()


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, catalogue: Path) -> Doctor:
    """The command in this process, with the models that the stand-in answers."""
    monkeypatch.setattr(Catalogue, "_default", None)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str | Path) -> Report:
        settings = {"PORTKEY_CATALOGUE": catalogue, **variables}
        environment = {name: str(value) for name, value in settings.items()}
        return Report(CliRunner().invoke(app, ["doctor", "--json", *arguments], env=environment))

    return run


@pytest.fixture
def doctor(examine: Doctor, gateway: LocalGateway) -> Doctor:
    return partial(examine, PORTKEY_GATEWAY_URL=gateway.base_url)


@pytest.fixture
def doctor_without_gateway(examine: Doctor, free_port: int) -> Doctor:
    return partial(examine, PORTKEY_GATEWAY_URL=f"http://127.0.0.1:{free_port}")


class TestWithAGateway:
    def test_all_is_well(self, doctor: Doctor, gateway: LocalGateway, provider: StandInProvider) -> None:
        report = doctor("-m", "played", OPENAI_API_KEY=KEY)
        assert (report.exit, report.failed, report.found["ok"], report.errors) == (0, [], True, "")
        assert [one["check"] for one in report.found["checks"] if one["mark"] == "ok"][-2:] == ["answer", "streaming"]
        assert f"{gateway.base_url} (PORTKEY_GATEWAY_URL)" in report.checks["gateway"]["text"]
        assert len(provider.requests) == 1
        assert provider.last.stream
        assert provider.last.json["max_tokens"] <= 256

    def test_a_plain_install_is_a_warning_with_its_cure(
        self, doctor: Doctor, gateway: LocalGateway, plain_gateway: LocalGateway
    ) -> None:
        report = doctor("-m", "played", "--no-call", OPENAI_API_KEY=KEY)
        build = report.checks["gateway build"]
        plain = gateway is plain_gateway
        assert (report.exit, build["mark"]) == (0, "warning" if plain else "ok")
        assert ("`pollinations-portkey gateway`" in str(build["cure"])) is plain

    @pytest.mark.parametrize(
        ("model", "variables", "named"),
        [
            ("played", {"OPENAI_API_KEY": WRONG}, ["OPENAI_API_KEY"]),
            ("other", {"ANTHROPIC_API_KEY": WRONG}, ["ANTHROPIC_API_KEY"]),
            (
                "played-bedrock",
                {"AWS_ACCESS_KEY_ID": "AKIASENTINEL12345678", "AWS_SECRET_ACCESS_KEY": WRONG},
                ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            ),
        ],
    )
    def test_a_wrong_key_names_its_variable(
        self, model: str, variables: dict[str, str], named: list[str], doctor: Doctor, provider: StandInProvider
    ) -> None:
        report = doctor("-m", model, **variables)
        assert (report.exit, report.failed) == (1, ["answer"])
        for variable in named:
            assert variable in report.checks["answer"]["cure"]
        assert report.marks["streaming"] == "not checked"
        assert len(provider.requests) == 1
        assert WRONG not in report.output

    def test_a_key_that_the_provider_repeats_is_hidden(self, doctor: Doctor, provider: StandInProvider) -> None:
        provider.script(Failure(401, f"Incorrect API key provided: {KEY}"))
        report = doctor("-m", "played", OPENAI_API_KEY=KEY)
        assert report.checks["answer"]["text"].startswith("openai answered 401: Incorrect API key provided: ")
        assert KEY not in report.output

    @pytest.mark.parametrize("url", ["http://[", "http://[::1:8787/v1", "localhost:8787", "http://u:p@localhost"])
    def test_what_is_no_address_is_a_finding(self, doctor: Doctor, provider: StandInProvider, url: str) -> None:
        report = doctor("-m", "played", "--base-url", url, OPENAI_API_KEY=KEY)
        assert "gateway" in report.failed
        assert report.marks["answer"] == "not checked"
        assert provider.requests == []

    def test_no_key_names_its_variable(self, doctor: Doctor, provider: StandInProvider) -> None:
        report = doctor("-m", "portkey-mistral")
        assert (report.exit, report.failed) == (1, ["keys"])
        assert "MISTRAL_API_KEY" in report.checks["keys"]["cure"]
        assert report.marks["answer"] == "not checked"
        assert provider.requests == []

    def test_no_key_at_all_says_what_to_set(self, doctor: Doctor) -> None:
        report = doctor(PORTKEY_CATALOGUE="")
        assert (report.exit, report.failed) == (1, ["model"])
        assert "OPENAI_API_KEY" in report.checks["model"]["cure"]
        assert report.marks["gateway"] == "ok"

    def test_without_a_name_the_first_whose_key_is_set(self, doctor: Doctor) -> None:
        report = doctor("--no-call", PORTKEY_CATALOGUE="", MISTRAL_API_KEY=KEY)
        assert report.checks["model"]["text"].startswith("portkey-mistral is ")
        assert report.checks["model"]["text"].endswith("(the first that can be asked)")

    def test_the_variable_that_names_the_model_is_told(self, doctor: Doctor) -> None:
        report = doctor("--no-call", PORTKEY_MODEL="played")
        assert report.checks["model"]["text"] == "played is openai/gpt-played (PORTKEY_MODEL)"

    def test_an_unknown_name_brings_near_ones(self, doctor: Doctor, provider: StandInProvider) -> None:
        report = doctor("-m", "portkey-mistrall", MISTRAL_API_KEY=KEY)
        assert (report.exit, report.failed) == (1, ["model"])
        assert 'Did you mean "portkey-mistral"' in report.checks["model"]["cure"]
        assert provider.requests == []

    def test_a_model_that_the_provider_does_not_have(self, doctor: Doctor, provider: StandInProvider) -> None:
        provider.script(Failure(404, "The model `gpt-played` does not exist", code="model_not_found"))
        report = doctor("-m", "played", OPENAI_API_KEY=KEY)
        assert (report.exit, report.failed) == (1, ["answer"])
        assert "404: The model `gpt-played` does not exist" in report.checks["answer"]["text"]
        assert "`pollinations-portkey models --provider openai`" in report.checks["answer"]["cure"]

    def test_no_quota(self, doctor: Doctor, provider: StandInProvider) -> None:
        provider.script(Failure(429, "You exceeded your current quota", code="insufficient_quota"))
        report = doctor("-m", "played", OPENAI_API_KEY=KEY)
        assert report.failed == ["answer"]
        assert "add credit" in report.checks["answer"]["cure"]
        assert len(provider.requests) == 1

    def test_a_host_that_is_down(self, doctor: Doctor, tmp_path: Path, free_port: int) -> None:
        rows = tmp_path / "down.toml"
        host = f"http://127.0.0.1:{free_port}"
        rows.write_text(f'[down]\nprovider = "openai"\nmodel = "x"\ncustom_host = "{host}"\n', encoding="utf-8")
        report = doctor("-m", "down", PORTKEY_CATALOGUE=rows)
        assert report.failed == ["answer"]
        assert f"Start what should answer at {host}" in report.checks["answer"]["cure"]

    def test_only_streaming_fails(self, doctor: Doctor, provider: StandInProvider) -> None:
        provider.script(Reply("one two three four five six", drop_after=0.7))
        report = doctor("-m", "played", OPENAI_API_KEY=KEY)
        assert (report.exit, report.failed, report.marks["answer"]) == (1, ["streaming"], "ok")
        assert [request.stream for request in provider.requests] == [True, False]

    def test_portkeys_variable_forwarded_as_the_key_is_told(self, doctor: Doctor, provider: StandInProvider) -> None:
        report = doctor("-m", "played", PORTKEY_API_KEY=KEY)
        assert (report.exit, report.marks["answer"]) == (0, "ok")
        keys = next(one for one in report.found["checks"] if one["check"] == "keys")
        assert keys["text"].startswith("PORTKEY_API_KEY ...cdef -> 127.0.0.1:")
        assert "forwards" in keys["text"]
        assert provider.last.headers["authorization"] == f"Bearer {KEY}"
        assert KEY not in report.output

    def test_another_path_of_the_gateway(self, doctor: Doctor, gateway: LocalGateway) -> None:
        report = doctor("-m", "played", "--base-url", gateway.base_url.replace("/v1", "/api"), OPENAI_API_KEY=KEY)
        assert report.failed == ["gateway"]
        assert report.checks["gateway"]["cure"] == f"Set PORTKEY_GATEWAY_URL={gateway.base_url}"

    def test_no_node_is_only_a_warning(self, doctor: Doctor, tmp_path: Path) -> None:
        report = doctor("-m", "played", PATH=tmp_path, OPENAI_API_KEY=KEY)
        assert (report.exit, report.marks["Node.js"], report.marks["npm"]) == (0, "warning", "warning")

    def test_no_call_asks_nobody(self, doctor: Doctor, provider: StandInProvider) -> None:
        report = doctor("-m", "played", "--no-call", OPENAI_API_KEY=KEY)
        assert (report.exit, report.marks["answer"], report.marks["streaming"]) == (0, "not checked", "not checked")
        assert provider.requests == []


class TestWithoutAGateway:
    def test_says_how_to_start_one(self, doctor_without_gateway: Doctor) -> None:
        report = doctor_without_gateway("-m", "played", OPENAI_API_KEY=KEY)
        assert (report.exit, report.failed) == (1, ["gateway"])
        assert "(PORTKEY_GATEWAY_URL)" in report.checks["gateway"]["text"]
        assert "`pollinations-portkey gateway`" in report.checks["gateway"]["cure"]
        later = {name: report.marks[name] for name in ("gateway build", "answer", "streaming")}
        assert set(later.values()) == {"not checked"}

    def test_no_node_is_to_be_installed_first(self, doctor_without_gateway: Doctor, tmp_path: Path) -> None:
        report = doctor_without_gateway("-m", "played", PATH=tmp_path)
        assert report.failed == ["Node.js", "npm", "gateway"]
        assert "https://nodejs.org" in report.checks["Node.js"]["cure"]
        assert report.checks["gateway"]["cure"].startswith("Install Node.js")

    @pytest.mark.skipif(os.name == "nt", reason="the stand-in for Node is a shell script")
    def test_a_node_that_is_too_old(self, doctor_without_gateway: Doctor, tmp_path: Path) -> None:
        node = tmp_path / "node"
        node.write_text("#!/bin/sh\necho 16.20.0\necho /usr/bin/node\n", encoding="utf-8")
        node.chmod(0o755)
        report = doctor_without_gateway("-m", "played", PATH=f"{tmp_path}:/bin:/usr/bin")
        assert report.marks["Node.js"] == "failed"
        assert "18 or newer" in report.checks["Node.js"]["text"]
        assert "16.20.0" in report.checks["Node.js"]["text"]

    @pytest.mark.parametrize(
        ("accepted", "words"),
        [
            pytest.param({}, "not a Portkey gateway (HTTP 400)", id="an OpenAI server"),
            pytest.param({"openai": {KEY}}, "asks for access (HTTP 401)", id="one that wants a key"),
        ],
    )
    def test_something_else_than_a_gateway_gets_no_key(
        self, accepted: dict[str, set[str]], words: str, doctor_without_gateway: Doctor
    ) -> None:
        with StandInProvider(keys=accepted) as other:
            report = doctor_without_gateway("-m", "played", "--base-url", other.url, OPENAI_API_KEY=KEY)
        assert (report.exit, report.failed) == (1, ["gateway"])
        assert words in report.checks["gateway"]["text"]
        assert "PORTKEY_GATEWAY_URL" in report.checks["gateway"]["cure"]
        assert len(other.requests) == 1
        assert KEY not in str(other.last.header_items)

    def test_a_url_that_is_none_shows_no_password(self, doctor_without_gateway: Doctor) -> None:
        report = doctor_without_gateway("--base-url", "http://me:hunter22@host/v1")
        assert "gateway" in report.failed
        assert "hunter22" not in report.output

    def test_a_broken_catalogue_file(self, doctor_without_gateway: Doctor, tmp_path: Path) -> None:
        report = doctor_without_gateway("-m", "played", PORTKEY_CATALOGUE=tmp_path / "missing.toml")
        assert report.failed == ["gateway", "model"]
        assert "PORTKEY_CATALOGUE" in report.checks["model"]["text"]


class TestHosted:
    """Portkey's own service is out of reach here: what would be sent to it, and what not."""

    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        sent: list[str] = []
        monkeypatch.setattr(Transport, "send", lambda _, request, **__: sent.append(f"POST {request.url}"))
        monkeypatch.setattr(Transport, "probe", lambda _, origin, **__: sent.append(f"HEAD {origin}") or 404)
        return sent

    @pytest.fixture
    def hosted(self, examine: Doctor, sent: list[str]) -> Doctor:
        return partial(examine, "--no-call", "--base-url", "https://api.portkey.ai/v1", PORTKEY_CATALOGUE="")

    def test_is_not_asked_without_its_key(self, hosted: Doctor, sent: list[str]) -> None:
        report = hosted("-m", "openai/gpt-4o", OPENAI_API_KEY=KEY)
        assert (report.exit, report.failed, sent) == (1, ["Portkey key"], [])
        assert "Set PORTKEY_API_KEY" in report.checks["Portkey key"]["cure"]
        assert report.marks["gateway"] == "not checked"

    def test_keeps_the_keys_of_an_integration(self, hosted: Doctor, sent: list[str]) -> None:
        report = hosted("-m", "@openai-prod/gpt-4o", PORTKEY_API_KEY=KEY)
        assert (report.exit, report.failed, sent) == (0, [], ["HEAD https://api.portkey.ai"])
        assert report.checks["Portkey key"]["text"] == "PORTKEY_API_KEY ...cdef -> api.portkey.ai"
        assert report.checks["keys"]["text"] == "Portkey holds the key (@openai-prod)"

    def test_never_forwards_its_key(self, hosted: Doctor) -> None:
        report = hosted("-m", "openai/gpt-4o", PORTKEY_API_KEY=KEY)
        assert (report.exit, report.failed) == (1, ["keys"])
        assert "OPENAI_API_KEY" in report.checks["keys"]["cure"]
        assert "--model @slug/gpt-4o" in report.checks["keys"]["cure"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PORTKEY_BASE_URL": "http://b"},
        {"PORTKEY_GATEWAY_URL": "http://a", "PORTKEY_BASE_URL": "http://b"},
        {"PORTKEY_GATEWAY_URL": " ", "PORTKEY_BASE_URL": "http://b"},
    ],
)
def test_the_gateway_is_the_one_that_models_take(variables: dict[str, str]) -> None:
    url, source = _base_url(Order(), variables)
    assert url == base_url_from(variables)
    assert variables.get(source, DEFAULT_BASE_URL) == url


def test_on_a_terminal_lines_are_broken_under_their_column() -> None:
    out = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    doctor_report.write([Finding("gateway build", Mark.WARNING, "It cannot " * 6, "Start " * 10)], out)
    lines = [line.rstrip() for line in out.file.getvalue().splitlines()[1:-1]]
    assert lines[0].startswith("warning      gateway build  It cannot")
    assert len(lines) > 3
    assert all(line.startswith(" " * 28) for line in lines[1:])


def test_a_line_for_each_check_and_the_cure_under_it(
    tmp_path: Path, catalogue: Path, plain_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(Failure(401, "Incorrect \x1b[31mkey"))
    answer = cli_support.run(
        "doctor",
        "-m",
        "other",
        cwd=tmp_path,
        PORTKEY_CATALOGUE=catalogue,
        PORTKEY_GATEWAY_URL=plain_gateway.base_url,
        ANTHROPIC_API_KEY=KEY,
    )
    assert (answer.returncode, answer.stderr) == (1, "")
    lines = answer.stdout.splitlines()
    starts = [line[:28].strip().split("  ")[0] for line in lines[1:-1] if line[0] != " "]
    assert starts == ["ok", "ok", "ok", "warning", "ok", "ok", "warning", "failed", "not checked"]
    at = next(number for number, line in enumerate(lines) if line.startswith("failed"))
    assert lines[at].endswith("anthropic answered 401: Incorrect [31mkey")
    assert lines[at + 1].strip() == f"Set ANTHROPIC_API_KEY to a valid key that {provider.url} takes."
    assert lines[-1] == "Failed: answer. Begin with the first."
