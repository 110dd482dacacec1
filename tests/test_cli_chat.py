"""`pollinations-portkey chat`, through the real gateway: one question, pipes, a conversation on a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.cli.app import app
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider, Usage
from tests import cli_support

pytestmark = pytest.mark.gateway

Chat = Callable[..., Result]


@pytest.fixture
def catalogue(tmp_path: Path, provider: StandInProvider) -> Path:
    return cli_support.catalogue_file(tmp_path / "models.toml", provider)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, catalogue: Path, pinned_gateway: LocalGateway) -> Chat:
    """The command in this process, with the models that the stand-in answers."""
    monkeypatch.setattr(Catalogue, "_default", None)
    monkeypatch.setenv("PORTKEY_CATALOGUE", str(catalogue))
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", pinned_gateway.base_url)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str | None = None, **variables: str) -> Result:
        variables = {"PORTKEY_MODEL": "played", **variables}
        return CliRunner().invoke(app, ["chat", *arguments], input=stdin, env=variables)

    return run


class TestOneQuestion:
    def test_the_answer_alone_goes_to_stdout(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Reply("Rayleigh\tscattering,\n  mostly."))
        result = chat("Why is the sky blue?")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "Rayleigh\tscattering,\n  mostly.\n", "")
        assert provider.last.json["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
        assert provider.last.stream

    @pytest.mark.parametrize(
        ("arguments", "stdin", "asked"),
        [
            pytest.param([], "What is this?\n", "What is this?", id="piped"),
            pytest.param(["Translate:"], "Guten Tag\n", "Translate:\n\nGuten Tag", id="both"),
            pytest.param(["Hello"], "", "Hello", id="nothing piped"),
        ],
    )
    def test_where_the_question_comes_from(
        self, arguments: list[str], stdin: str, asked: str, chat: Chat, provider: StandInProvider
    ) -> None:
        assert chat(*arguments, stdin=stdin).exit_code == 0
        assert provider.last.json["messages"][-1]["content"] == asked

    def test_system_prompt_and_model(self, chat: Chat, provider: StandInProvider) -> None:
        assert chat("Hi", "--system", "Be brief.", "-m", "other").exit_code == 0
        assert provider.last.model == "claude-played"
        assert "Be brief." in str(provider.last.json["system"])

    def test_base_url_beats_the_environment(
        self, chat: Chat, provider: StandInProvider, pinned_gateway: LocalGateway
    ) -> None:
        result = chat("Hi", "--base-url", pinned_gateway.base_url, PORTKEY_GATEWAY_URL="http://127.0.0.1:9")
        assert result.exit_code == 0
        assert len(provider.requests) == 1

    def test_a_newline_is_added_only_where_there_is_none(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Reply("Done.\n"))
        assert chat("Hi").stdout == "Done.\n"

    def test_usage_goes_to_stderr(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Reply("Hi.", usage=Usage(input_tokens=10, output_tokens=7, cache_read=2000, cache_write=300)))
        result = chat("Hi", "-m", "other", "--usage")
        assert result.stdout == "Hi.\n"
        usage = "2,310 input tokens (2,000 from the cache, 300 written to it), 7 output tokens"
        assert result.stderr.splitlines()[-1] == usage

    def test_a_cut_answer_is_told(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Reply("And then", finish="length"))
        result = chat("Hi")
        assert result.stdout == "And then\n"
        assert "cut off" in result.stderr

    def test_thinking_stays_out_of_a_pipe(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Reply("42.", thinking="Six times seven."))
        result = chat("Hi", "-m", "other")
        assert (result.stdout, result.stderr) == ("42.\n", "")

    def test_an_error_is_one_line(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Failure(401, "Incorrect API key provided"))
        result = chat("Hi")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: openai answered 401: Incorrect API key provided.")
        assert len(result.stderr.splitlines()) == 1

    def test_a_stream_that_breaks_shows_what_had_come(self, chat: Chat, provider: StandInProvider) -> None:
        provider.script(Reply("one two three four five six", drop_after=0.7))
        result = chat("Hi")
        assert result.exit_code == 1
        assert result.stdout.startswith("one two")
        assert result.stdout.endswith("\n")
        assert result.stderr.startswith("Error: ")

    def test_a_warning_is_one_line(self, chat: Chat, provider: StandInProvider) -> None:
        result = chat("Hi", OPENAI_API_KEY="sk-sentinel")
        assert result.exit_code == 0
        assert result.stderr.startswith("Warning: OPENAI_API_KEY from the environment is sent to 127.0.0.1:")
        assert len(result.stderr.splitlines()) == 1
        assert "sk-sentinel" not in result.output

    def test_a_gateway_of_its_own(self, chat: Chat, provider: StandInProvider, tmp_path: Path) -> None:
        cache = cli_support.cache_with_pinned_gateway(tmp_path / "cache")
        variables = {"PORTKEY_GATEWAY_CACHE": str(cache), "PORTKEY_GATEWAY_URL": "http://127.0.0.1:9"}
        result = chat("Hi", "--start-gateway", **variables)
        assert (result.exit_code, result.stderr) == (0, "")
        assert len(provider.requests) == 1


class TestConversation:
    @pytest.fixture
    def terminal(self, tmp_path: Path, catalogue: Path, pinned_gateway: LocalGateway):
        variables = cli_support.environment(
            PORTKEY_CATALOGUE=catalogue, PORTKEY_GATEWAY_URL=pinned_gateway.base_url, PORTKEY_MODEL="played"
        )
        with cli_support.Terminal("chat", "--system", "Be brief.", cwd=tmp_path, environment=variables) as terminal:
            terminal.wait_for("played (/help")
            terminal.wait_for("> ")
            yield terminal

    def test_from_the_first_question_to_the_end(
        self, terminal: cli_support.Terminal, provider: StandInProvider
    ) -> None:
        provider.script(Reply("Paris."), Reply("Two million."), Failure(400, "No."), Reply("Again."), Reply("New."))

        terminal.type("The capital of France?\n")
        terminal.wait_for("Paris.")
        terminal.wait_for("> ")
        terminal.type("How many live there?\n")
        terminal.wait_for("Two million.")
        terminal.wait_for("> ")
        roles = [(m["role"], m["content"]) for m in provider.last.json["messages"]]
        assert roles == [
            ("system", "Be brief."),
            ("user", "The capital of France?"),
            ("assistant", "Paris."),
            ("user", "How many live there?"),
        ]

        terminal.type("This fails\n")
        terminal.wait_for("Error: openai answered 400: No.")
        terminal.wait_for("> ")
        terminal.type("/model no-such-model\n")
        terminal.wait_for("Error: No catalogue name is 'no-such-model'")
        terminal.wait_for("> ")
        terminal.type("/model other\n")
        terminal.wait_for("other")
        terminal.wait_for("> ")
        terminal.type("And now?\n")
        terminal.wait_for("Again.")
        terminal.wait_for("> ")
        assert provider.last.model == "claude-played"
        texts = str(provider.last.json["messages"])
        assert "Two million." in texts
        assert "This fails" not in texts

        terminal.type("/clear\n")
        terminal.wait_for("forgotten")
        terminal.wait_for("> ")
        terminal.type("/help\n")
        terminal.wait_for("/model NAME")
        terminal.wait_for("> ")
        terminal.type("/nonsense\n")
        terminal.wait_for("There is no /nonsense")
        terminal.wait_for("> ")
        terminal.type("Hello\n")
        terminal.wait_for("New.")
        terminal.wait_for("> ")
        assert len(provider.last.json["messages"]) == 1
        terminal.type("/exit\n")
        assert terminal.end() == 0

    def test_ctrl_c_ends_the_answer_and_not_the_conversation(
        self, terminal: cli_support.Terminal, provider: StandInProvider
    ) -> None:
        provider.script(Reply("One " + "and more " * 200, pause=0.05), Reply("Still here."))
        terminal.type("Go on and on\n")
        terminal.wait_for("One and more")
        terminal.type("\x03")
        terminal.wait_for("(ended)")
        terminal.wait_for("> ")
        terminal.type("Are you there?\n")
        terminal.wait_for("Still here.")
        terminal.wait_for("> ")
        asked = provider.last.json["messages"]
        assert [message["role"] for message in asked] == ["system", "user", "assistant", "user"]
        assert asked[2]["content"].startswith("One and more")
        time.sleep(0.3)  # Python overlooks a signal between writing the prompt and waiting for input
        terminal.type("\x03")
        terminal.wait_for("> ")
        terminal.type("\x04")
        assert terminal.end() == 0

    def test_thinking_is_shown_and_steers_no_terminal(
        self, terminal: cli_support.Terminal, provider: StandInProvider
    ) -> None:
        provider.script(Reply("It is \x1b[31m42.", thinking="Six times \x1b]0;owned\x07seven."))
        terminal.type("/model other\n")
        terminal.wait_for("> ")
        terminal.type("Six times seven?\n")
        shown = terminal.wait_for("42.")
        assert "\x1b[31m" not in shown
        assert "\x1b]0;" not in shown
        assert "\x1b[2;3mSix" in shown  # dim, italic
        assert re.sub(r"\x1b\[[\d;]*m", "", shown).endswith("Six times ]0;ownedseven.\r\n\r\nIt is [31m42.")


def test_ctrl_c_ends_a_single_question(
    tmp_path: Path, catalogue: Path, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    provider.script(Reply("One " + "and more " * 200, pause=0.05))
    variables = cli_support.environment(PORTKEY_CATALOGUE=catalogue, PORTKEY_GATEWAY_URL=pinned_gateway.base_url)
    with cli_support.Terminal("chat", "-m", "played", "Go on", cwd=tmp_path, environment=variables) as terminal:
        terminal.wait_for("One and more")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.text
