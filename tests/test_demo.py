"""`pollinations-portkey demo`: it shows what it says, through the real gateway, and leaves nothing behind."""

from __future__ import annotations

import ast
import dataclasses
import html
import inspect
import io
import os
import re
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.cli import demo as demonstration
from langchain_pollinations_portkey.cli import demo_steps
from langchain_pollinations_portkey.cli.app import app
from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, StandInProvider, ToolCall, Usage
from tests import cli_support

STEPS = (demonstration.CATALOGUE, *demonstration.STEPS)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The pinned gateway of the checkout, and no `.env`."""
    folder = cli_support.cache_with_pinned_gateway(tmp_path / "cache")
    monkeypatch.setenv("PORTKEY_GATEWAY_CACHE", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def demo(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["demo", *arguments])


@pytest.mark.gateway
class TestPlayed:
    def test_shows_everything_without_a_key(self) -> None:
        result = demo()
        assert (result.exit_code, result.stderr) == (0, "")
        text = result.stdout
        assert "The gateway is real" in text
        assert "played" in text
        for step in STEPS:
            assert step.title in text
            for line in demonstration.shown_source(step.run).splitlines():
                assert line in text
        for shown in (
            "claude-sonnet-4.5",
            "│ Air scatters the blue",
            "bedrock, us.anthropic.claude-sonnet-4-5-20250929-v1:0, 19 tokens in, 12 out",
            "│ One, two, three,",
            "│ weather({'city': 'Kyōto'}) -> 21 °C and sunny in Kyōto",
            "│ No: it is 21 °C",
            "│ City(name='Kyōto', country='Japan'",
            "│ Served by config.targets[1] bedrock us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ):
            assert shown in text
        assert re.search(r"first call +5,225 +5,210 +0\s", text)
        assert re.search(r"second call +5,223 +0 +5,210\s", text)
        assert "Skipped" not in text

    def test_uses_no_key_of_the_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        received: list[ReceivedRequest] = []
        monkeypatch.setattr(demonstration, "_play", lambda request: (received.append(request), play(request))[1])
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MISTRAL_API_KEY", "PORTKEY_API_KEY"):
            monkeypatch.setenv(name, f"sentinel-{name}")
        monkeypatch.setattr(demonstration, "STEPS", tuple(replaced(step) for step in demonstration.STEPS))
        result = demo()
        assert (result.exit_code, result.stderr) == (0, "")
        assert len(received) > len(demonstration.STEPS)
        assert "sentinel" not in "".join(f"{request.header_items}{request.body!r}" for request in received)

    def test_the_picture_in_the_readme_is_what_the_demo_prints(self) -> None:
        committed = (cli_support.ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
        assert lines_of(committed) == lines_of(demonstration.picture()), "run `make demo-recording`"

    def test_it_leaves_no_process_at_its_end(self, tmp_path: Path) -> None:
        with cli_support.Terminal("demo", "--fast", cwd=tmp_path, environment=cli_support.environment()) as terminal:
            terminal.wait_for("The gateway is running.")
            node = cli_support.wait_for_node(terminal.process.pid)
            assert terminal.end() == 0
            cli_support.wait_until_gone(node)


def replaced(step: demonstration.Step) -> demonstration.Step:
    """The step without a script, so that every request is seen."""
    return dataclasses.replace(step, played=())


def play(request: ReceivedRequest) -> Reply | None:
    """A model that calls the tool it is given, once, and has a cache."""
    text = request.body.decode()
    if "toolResult" in text or "tool_result" in text:
        return Reply("No umbrella.")
    if '"weather"' in text:
        return Reply(tool_calls=[ToolCall("weather", {"city": "Kyōto"})])
    if '"City"' in text:
        return Reply(tool_calls=[ToolCall("City", {"name": "Kyōto", "country": "Japan", "sights": ["Nijō"]})])
    if "Section 160" in text:
        return Reply("Thirty.", usage=Usage(input_tokens=9, cache_read=7001))
    return Reply("A real answer.")


@pytest.mark.gateway
class TestWithARealModel:
    """The provider's own host is replaced by a row of the catalogue; nothing else differs."""

    @pytest.fixture
    def rows(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider: StandInProvider) -> StandInProvider:
        more = f"""
[old]
provider = "anthropic"
model = "claude-old"
retired = 2026-01-05
successor = "new"
source = "test"
[new]
provider = "anthropic"
model = "claude-new"
custom_host = "{provider.url}"
[talker]
provider = "openai"
model = "gpt-talker"
custom_host = "{provider.lenient_url}"
capabilities = {{ tool_calling = false }}
"""
        file = cli_support.catalogue_file(tmp_path / "models.toml", provider, more)
        monkeypatch.setattr(Catalogue, "_default", None)
        monkeypatch.setenv("PORTKEY_CATALOGUE", str(file))
        provider.answer_with(play)
        return provider

    def test_a_retired_model_visibly_through_its_successor(self, rows: StandInProvider) -> None:
        result = demo("--model", "old")
        assert result.exit_code == 0, result.output
        text = " ".join(result.stdout.split())
        assert "shut down anthropic/claude-old" in text
        assert "So this demo talks to new." in text
        assert "Gateway and answers are real: claude-new at Anthropic" in text
        assert "played" not in text
        assert "Skipped: A fallback, and who served; only the stand-in fails" in text
        assert text.count("Skipped") == 1
        assert "│ A real answer." in text
        assert "7,001" in text
        assert {request.model for request in rows.requests} == {"claude-new"}
        assert [request.refused for request in rows.requests] == [None] * 7
        cached = [request for request in rows.requests if "Section 160" in request.body.decode()]
        assert len(cached) == 2
        assert all("ephemeral" in str(request.json["system"]) for request in cached)

    def test_what_the_model_cannot_do_is_skipped_and_said(self, rows: StandInProvider) -> None:
        result = demo("--model", "talker")
        assert result.exit_code == 0, result.output
        skipped = re.findall(r"Skipped: ([^;]+);", result.stdout)
        assert skipped == [
            "A tool call and its result",
            "Structured output",
            "A fallback, and who served",
            "A cached prompt",
        ]
        assert len(rows.requests) == 2

    def test_an_error_of_the_provider_ends_it(self, rows: StandInProvider) -> None:
        rows.script(Failure(401, "invalid x-api-key"))
        result = demo("--model", "new")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: anthropic answered 401: invalid x-api-key.")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
    def test_killed_in_the_middle_it_leaves_no_process(
        self, number: signal.Signals, rows: StandInProvider, tmp_path: Path
    ) -> None:
        rows.script(Reply("Too late.", delay=60))
        with cli_support.Terminal(
            "demo", "--fast", "-m", "new", cwd=tmp_path, environment=cli_support.environment()
        ) as terminal:
            terminal.wait_for("(answer.text)")
            deadline = time.monotonic() + cli_support.PATIENCE
            while not rows.requests:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            node = cli_support.wait_for_node(terminal.process.pid)
            terminal.process.send_signal(number)
            assert terminal.end() == (-number if number == signal.SIGKILL else 128 + number)
            assert "Traceback" not in terminal.text
            cli_support.wait_until_gone(node)

    def test_a_missing_key_is_told_before_anything_is_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        result = demo("--model", "portkey-claude")
        assert result.exit_code == 1
        assert "ANTHROPIC_API_KEY" in result.stderr
        assert "So this demo talks to anthropic/claude-opus-4-8." in result.stdout


class TestShownCode:
    @pytest.mark.parametrize("step", STEPS, ids=lambda step: step.run.__name__)
    def test_is_the_code_that_runs(self, step: demonstration.Step) -> None:
        shown = demonstration.shown_source(step.run)
        ast.parse(shown)
        assert '"""' not in shown.splitlines()[0]
        source = {line.strip() for line in inspect.getsource(demo_steps).splitlines()}
        assert all(line.strip() in source for line in shown.splitlines())
        assert max(map(len, shown.splitlines())) <= 97

    def test_ends_before_the_return(self) -> None:
        assert demonstration.shown_source(demo_steps.catalogue) == "rows = Catalogue.default().models()[:7]"

    def test_ends_before_the_yield_in_a_with(self) -> None:
        shown = demonstration.shown_source(demo_steps.connect_to_provider)
        assert shown.splitlines()[0] == "with LocalGateway() as gateway:"
        assert shown.splitlines()[-1] == "    chat = ChatPortkey(model=model, base_url=gateway.base_url)"


def test_long_answers_are_broken_at_words() -> None:
    file = io.StringIO()
    screen = demonstration._Screen(Console(file=file, width=30), paced=False)
    for token in ("The quick ", "brown fox", " jumps over\nthe lazy", " dog", "."):
        screen.print(token, end="", flush=True)
    screen.end_line()
    assert file.getvalue().splitlines() == [
        "   │ The quick brown fox jumps",
        "   │ over",
        "   │ the lazy dog.",
    ]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([], "pollinations-portkey demo"),
        (["MODEL=portkey-claude"], 'pollinations-portkey demo --model "portkey-claude"'),
    ],
)
def test_make_demo(variables: list[str], expected: str) -> None:
    # Tests are run by make themselves, which would hand its own settings on.
    # Nothing of the make that may have started these tests: it hands its variables on in the environment.
    ours = ("MAKE", "MFLAGS", "ARGS", "MODEL", "TEST", "CASES")
    alone = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    answer = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo", *variables],
        cwd=cli_support.ROOT,
        env=alone,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines()[-1].split("/")[-1].strip() == expected


def lines_of(svg: str) -> list[str]:
    """The lines of text in a picture, from its text elements."""
    lines: dict[float, list[tuple[float, str]]] = defaultdict(list)
    for x, y, text in re.findall(r'<text class="demo-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg):
        lines[float(y)].append((float(x), html.unescape(text).replace("\xa0", " ").strip()))
    return [" ".join(text for _, text in sorted(lines[y])) for y in sorted(lines)]
