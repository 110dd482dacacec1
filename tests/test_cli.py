"""The command line: the catalogue, errors, settings, what goes to stdout and what does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from langchain_pollinations_portkey import __version__
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.cli.app import app
from tests import cli_support

SEEDS = (
    "portkey-gpt4",
    "portkey-claude",
    "portkey-llama",
    "portkey-mistral",
    "claude-large",
    "claude-sonnet-4",
    "claude-sonnet-4.5",
)


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` is read."""
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=variables)


class TestModels:
    def test_lists_every_name_with_what_it_stands_for(self) -> None:
        result = invoke("models")
        assert result.exit_code == 0
        for name in SEEDS:
            entry = Catalogue.default().get(name)
            assert f"{entry.provider}/{entry.model}" in result.stdout
            assert name in result.stdout

    def test_words_filter(self) -> None:
        names = [row["name"] for row in json.loads(invoke("models", "bedrock", "SONNET", "--json").stdout)]
        assert names[:2] == ["claude-sonnet-4", "claude-sonnet-4.5"]
        assert "claude-large" not in names

    def test_provider_by_its_alias(self) -> None:
        rows = json.loads(invoke("models", "--provider", "mistral", "--json").stdout)
        assert {row["provider"] for row in rows} == {"mistral-ai"}

    def test_whether_the_key_is_set_and_never_the_key(self) -> None:
        secret = "sk-sentinel-0123456789"
        for arguments in (["models"], ["models", "--json"]):
            result = invoke(*arguments, OPENAI_API_KEY=secret)
            assert secret not in result.output
            assert secret[:6] not in result.output
        rows = {row["name"]: row for row in json.loads(invoke("models", "--json", OPENAI_API_KEY=secret).stdout)}
        assert rows["portkey-gpt4"]["key_set"] is True
        assert rows["portkey-mistral"]["key_set"] is False
        assert rows["portkey-mistral"]["key_variables"] == ["MISTRAL_API_KEY"]

    @pytest.mark.parametrize(
        ("variables", "expected"),
        [
            ({}, False),
            ({"AWS_ACCESS_KEY_ID": "A"}, False),
            ({"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b"}, True),
            ({"AWS_BEARER_TOKEN_BEDROCK": "c"}, True),
        ],
    )
    def test_aws_needs_the_pair_or_a_token(self, variables: dict[str, str], expected: bool) -> None:
        rows = json.loads(invoke("models", "claude-sonnet-4.5", "--json", **variables).stdout)
        assert rows[0]["key_set"] is expected

    def test_a_retired_model_names_its_successor(self) -> None:
        result = invoke("models", "portkey-claude")
        assert "retired 2026-01-05, now anthropic/claude-opus-4-8" in result.stdout

    def test_keys_to_set_are_named_beside_the_table(self) -> None:
        result = invoke("models", "portkey-claude")
        assert "ANTHROPIC_API_KEY" in result.stderr
        assert "ANTHROPIC_API_KEY" not in result.stdout

    def test_nothing_fits(self) -> None:
        result = invoke("models", "no-such-model")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "No row" in result.stderr
        result = invoke("models", "no-such-model", "--json")
        assert (result.exit_code, json.loads(result.stdout)) == (1, [])

    def test_unknown_provider(self) -> None:
        result = invoke("models", "--provider", "opnai")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: 'opnai' is no provider")
        assert len(result.stderr.splitlines()) == 1

    def test_a_reader_that_leaves_early_is_no_error(self, tmp_path: Path) -> None:
        answer = subprocess.run(
            f"{' '.join(cli_support.COMMAND)} models | head -1",
            shell=True,
            cwd=tmp_path,
            env=cli_support.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.stdout.split()[:2] == ["Name", "Model"]
        assert "Traceback" not in answer.stderr


class TestErrors:
    def test_no_model_and_no_key_says_what_to_do(self) -> None:
        result = invoke("chat", "Hello")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        for hint in ("OPENAI_API_KEY", ".env", "--model", "PORTKEY_MODEL", "pollinations-portkey models", "demo"):
            assert hint in result.stderr

    def test_unknown_model(self) -> None:
        result = invoke("chat", "Hello", "--model", "portkey-gpt5")
        assert result.exit_code == 1
        assert "portkey-gpt4" in result.stderr

    def test_missing_key(self) -> None:
        result = invoke("chat", "Hello", "--model", "portkey-mistral")
        assert result.exit_code == 1
        assert "MISTRAL_API_KEY" in result.stderr

    def test_invalid_base_url_is_told_without_pydantics_words(self) -> None:
        result = invoke("chat", "Hello", "-m", "openai/gpt-4o", "--base-url", "localhost:8787", OPENAI_API_KEY="sk-1")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: base_url must be")
        assert "validation error" not in result.stderr
        assert "sk-1" not in result.stderr

    def test_nothing_to_ask(self) -> None:
        result = invoke("chat", "--model", "portkey-gpt4")
        assert result.exit_code == 2
        assert "nothing to ask" in result.stderr

    def test_a_gateway_is_started_or_named_not_both(self) -> None:
        assert invoke("chat", "Hello", "--start-gateway", "--base-url", "http://localhost:1/v1").exit_code == 2

    def test_no_gateway_there(self) -> None:
        result = invoke("chat", "Hello", "-m", "openai/gpt-4o", "--base-url", "http://127.0.0.1:9", OPENAI_API_KEY="k")
        assert result.exit_code == 1
        assert "Nothing answers at http://127.0.0.1:9" in result.stderr
        assert "--start-gateway" not in result.stderr

    def test_no_gateway_at_the_default_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("langchain_pollinations_portkey.gateway.settings.DEFAULT_BASE_URL", "http://127.0.0.1:9/v1")
        result = invoke("chat", "Hello", "-m", "openai/gpt-4o", OPENAI_API_KEY="k")
        assert result.exit_code == 1
        assert "--start-gateway" in result.stderr

    def test_a_broken_catalogue_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(Catalogue, "_default", None)
        result = invoke("models", PORTKEY_CATALOGUE=str(tmp_path / "missing.toml"))
        assert result.exit_code == 1
        assert "PORTKEY_CATALOGUE" in result.stderr


class TestDefaultModel:
    @pytest.mark.parametrize(
        ("variables", "expected"),
        [
            pytest.param({"MISTRAL_API_KEY": "k"}, "portkey-mistral", id="its key is set"),
            pytest.param({"OPENAI_API_KEY": "k"}, "openai/gpt-5.6-sol", id="the successor of a retired one"),
            pytest.param(
                {"OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k"}, "portkey-mistral", id="retired ones come last"
            ),
            pytest.param(
                {"OPENAI_API_KEY": "k", "MISTRAL_API_KEY": "k", "PORTKEY_PROVIDER": "openai"},
                "openai/gpt-5.6-sol",
                id="of the provider that is named",
            ),
            pytest.param(
                {"PORTKEY_API_KEY": "k", "PORTKEY_PROVIDER": "mistral"}, "portkey-mistral", id="key of that provider"
            ),
            pytest.param({"PORTKEY_API_KEY": "k"}, None, id="whose key this is, nobody knows"),
            pytest.param({}, None, id="no key"),
        ],
    )
    def test_is_the_first_that_can_be_called(self, variables: dict[str, str], expected: str | None) -> None:
        from langchain_pollinations_portkey.cli.model_table import default_model

        assert default_model(variables) == expected


class TestSettings:
    def test_env_file_is_read_and_gives_way_to_the_environment(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("OPENAI_API_KEY=from-file\nPORTKEY_PROVIDER=openai\n", encoding="utf-8")
        script = (
            "import os, sys; sys.argv = ['x', 'models']\n"
            "from langchain_pollinations_portkey.__main__ import main\n"
            "try: main()\n"
            "finally: print(os.environ['OPENAI_API_KEY'], os.environ['PORTKEY_PROVIDER'])"
        )
        answer = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=cli_support.environment(PORTKEY_PROVIDER="mistral-ai"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.splitlines()[-1] == "from-file mistral-ai"

    def test_env_file_names_the_model(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("PORTKEY_MODEL=portkey-mistral\n", encoding="utf-8")
        answer = cli_support.run("chat", "Hello", cwd=tmp_path)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert "MISTRAL_API_KEY" in answer.stderr

    def test_env_file_that_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"\xff\xfe\x00K=1")
        result = invoke("models")
        assert result.exit_code == 1
        assert ".env" in result.stderr


@pytest.mark.parametrize("hidden", ["typer", "rich", "dotenv"])
def test_without_the_extra_it_says_how_to_get_it(hidden: str, tmp_path: Path) -> None:
    script = (
        f"import sys; sys.modules[{hidden!r}] = None\nfrom langchain_pollinations_portkey.__main__ import main\nmain()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=cli_support.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert len(answer.stderr.splitlines()) == 1
    assert 'pip install "langchain-pollinations-portkey[cli]"' in answer.stderr


def test_help_names_every_command() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for command in ("models", "gateway", "chat", "doctor", "demo"):
        assert command in result.stdout
        assert invoke(command, "--help").exit_code == 0


def test_version() -> None:
    assert invoke("--version").stdout == f"pollinations-portkey {__version__}\n"


def test_help_imports_no_langchain(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['x', '--help']\nfrom langchain_pollinations_portkey.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\nassert 'langchain_core' not in sys.modules and 'httpx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=cli_support.environment(), check=True)
