"""Every snippet of the README and of docs/ holds: Python runs, through the real gateway to the stand-in provider; what
console lines name is there; TOML and JSON are what they say."""

from __future__ import annotations

import importlib.util
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import typer

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.cli.app import app
from langchain_pollinations_portkey.gateway import _install, headers, pollinations, routes
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider
from tests.conftest import GATEWAYS, ROOT
from tests.snippets import PAGES, PYPROJECT, blocks, commands, page_id

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings("ignore:The method `BaseChatModel.stream_events"),
]

KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "TOGETHER_API_KEY",
    "GROQ_API_KEY",
    "GOOGLE_API_KEY",
    "MISTRAL_API_KEY",
    "AWS_ACCESS_KEY_ID",
)
WARNS = {"docs/how-to/migrating-from-chatopenai": "The gateway ignores the header x-portkey-retry"}
"""Pages that show something to be warned of; no other teaches what loses something, or a model that is retired."""

EXAMPLES = [ROOT / "examples" / "first_chat.py"]  # the other files there are modules; tests/examples runs them


@pytest.fixture
def played(
    pinned_gateway: LocalGateway, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> StandInProvider:
    """The reader's machine: a gateway on it, keys set, and the stand-in in place of every provider."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", pinned_gateway.base_url)
    monkeypatch.setenv(pollinations.URL_VARIABLE, f"{provider.url}/openai")
    for name in (*KEYS, "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"key-of-{name}")
    original = headers._target_headers

    def at_the_stand_in(target: headers.Target, gateway: Any) -> dict[str, str]:
        return {"x-portkey-custom-host": provider.url, **original(target, gateway)}

    monkeypatch.setattr(headers, "_target_headers", at_the_stand_in)
    of_a_route = routes._leaf_config

    def target_at_the_stand_in(*arguments: Any, **options: Any) -> dict[str, Any]:
        return {"custom_host": provider.url, **of_a_route(*arguments, **options)}

    monkeypatch.setattr(routes, "_leaf_config", target_at_the_stand_in)
    # The gateway of this checkout, instead of one in the cache of whoever runs the tests.
    monkeypatch.setattr(_install, "default_folder", lambda: GATEWAYS / "pinned")
    return provider


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=page_id)
def test_snippets_of_a_page_run_in_order(page: Path, played: StandInProvider) -> None:
    snippets = blocks(page, "python")
    namespace: dict[str, Any] = {"__name__": page.stem}
    with warnings.catch_warnings():
        if page_id(page) in WARNS:
            warnings.filterwarnings("ignore", WARNS[page_id(page)])
        for snippet in snippets:
            exec(compile(snippet, page.name, "exec"), namespace)
    # A page that brings its own stand-in says by itself what has to arrive there.
    says_so = any(re.search(r"^assert ", snippet, flags=re.MULTILINE) for snippet in snippets)
    assert played.requests or says_so or "Not verified here" in page.read_text(encoding="utf-8")
    assert [request.refused for request in played.requests if request.refused] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example: Path, played: StandInProvider) -> None:
    exec(compile(example.read_text(encoding="utf-8"), example.name, "exec"), {"__name__": "__main__"})
    assert played.requests
    assert [request.refused for request in played.requests if request.refused] == []


# ------------------------------------------------------------------ files that pages show


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=page_id)
def test_the_catalogue_files_of_a_page_load(page: Path, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    for toml in blocks(page, "toml"):
        path.write_text(toml, encoding="utf-8")
        assert Catalogue().load(path)


def test_the_catalogue_file_of_the_readme_says_what_its_python_says(tmp_path: Path) -> None:
    (toml,) = blocks(ROOT / "README.md", "toml")
    path = tmp_path / "models.toml"
    path.write_text(toml, encoding="utf-8")
    (entry,) = Catalogue().load(path)
    assert (entry.name, entry.provider, entry.max_output_tokens) == ("house-model", "openai", 16384)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "json")], ids=page_id)
def test_the_json_of_a_page_is_json(page: Path) -> None:
    for block in blocks(page, "json"):
        assert isinstance(json.loads(block), dict)


def test_the_manifest_that_pages_show_is_the_pinned_one() -> None:
    pinned = json.loads((ROOT / "langchain_pollinations_portkey/gateway/npm/package.json").read_text(encoding="utf-8"))
    shown = [json.loads(block) for page in PAGES for block in blocks(page, "json") if "dependencies" in block]
    assert shown
    for manifest in shown:
        assert (manifest["dependencies"], manifest["overrides"]) == (pinned["dependencies"], pinned["overrides"])


def test_the_table_of_the_readme_is_the_catalogue() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \|$", text, flags=re.MULTILINE)
    catalogue = Catalogue.default()
    assert len(rows) == 7
    for name, title, model in rows:
        resolved = catalogue.resolve(name)
        assert (resolved.provider.title, resolved.model) == (title, model)


# ------------------------------------------------------------------ what console lines name

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (ROOT / "langchain_pollinations_portkey").rglob("*")
    if path.suffix in (".py", ".toml")
)
OTHERS_VARIABLES = {"AWS_PROFILE", "LANGSMITH_API_KEY", "LANGSMITH_TRACING"}
OTHERS_PROGRAMS = {"aws", "curl", "docker", "git", "npm", "python"}


def check_ours(words: list[str]) -> None:
    """A command of ours, with options that it has."""
    command: Any = typer.main.get_command(app)
    if words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"There is no command {words[0]!r}."
        command, words = command.commands[words[0]], words[1:]
    known = {"-h", "--help", *(name for option in command.params for name in (*option.opts, *option.secondary_opts))}
    for word in words:
        assert not word.startswith("-") or word.partition("=")[0] in known, f"There is no option {word!r}."


def check_pip(words: list[str]) -> None:
    """An extra that the package has."""
    for word in words:
        found = re.fullmatch(r"langchain-pollinations-portkey\[([a-z,]+)\]", word)
        if found:
            assert set(found[1].split(",")) <= set(PYPROJECT["project"]["optional-dependencies"]), word
        elif word.startswith("langchain-pollinations"):
            assert word == PYPROJECT["project"]["name"]


def check_make(words: list[str]) -> None:
    """Targets that the Makefile has, and variables that it reads."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        name, is_variable, _ = word.partition("=")
        assert f"$({name})" in makefile if is_variable else name in TARGETS, word


def check_python(words: list[str]) -> None:
    """A module that is there."""
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]) is not None, words[1]


def check(words: list[str]) -> None:
    """A line of a console block: nothing in it that is ours to name and is not there."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        check_variable(words.pop(0))
    program, *rest = words
    match program:
        case "export":
            for word in rest:
                check_variable(word)
        case "pollinations-portkey":
            check_ours(rest)
        case "pip":
            check_pip(rest)
        case "make":
            check_make(rest)
        case "python":
            check_python(rest)
        case "npx":
            assert rest[0] == "@portkey-ai/gateway"
        case _:
            assert program in OTHERS_PROGRAMS, f"Nobody checks lines that begin with {program!r}."


def check_variable(assignment: str) -> None:
    name = assignment.partition("=")[0]
    assert name in OTHERS_VARIABLES or re.search(rf"\b{name}\b", SOURCES), f"Nothing reads {name}."


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=page_id)
def test_what_the_console_lines_of_a_page_name_is_there(page: Path) -> None:
    found = list(commands(page))
    assert found
    for words in found:
        check(words)


@pytest.mark.parametrize(
    "line",
    [
        ["pollinations-portkey", "modelz"],
        ["pollinations-portkey", "gateway", "--prot", "1"],
        ["make", "tests"],
        ["make", "test", "TSET=tests"],
        ["pip", "install", "langchain-pollinations-portkey[awz]"],
        ["export", "PORTKEY_GATWAY_URL=x"],
        ["python", "-m", "langchain_pollinations_portkey.gateways"],
        ["brew", "install", "node"],
    ],
)
def test_a_line_that_names_what_is_not_there_is_found(line: list[str]) -> None:
    with pytest.raises(AssertionError):
        check(line)
