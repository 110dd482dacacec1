"""The pages of docs/ say what the code says: their tables, their links, their index."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import langchain_core.exceptions
import pytest

import langchain_pollinations_portkey as package
from langchain_pollinations_portkey import ChatPortkey, ModelEntry, errors
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.routing import OPERATORS, Target
from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply, StandInProvider
from tests.conftest import ROOT
from tests.doc_tables import PLACE, TABLES, written
from tests.snippets import PAGES, PYPROJECT, blocks, page_id

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """What stands below a heading of a page, up to the next of its level."""
    level = heading.partition(" ")[0]
    text = page(name).partition(f"\n{heading}\n")[2]
    assert text, f"{name} has no {heading!r}."
    return text.partition(f"\n{level} ")[0]


# ------------------------------------------------------------------ tables that are written from the code

WITH_TABLES = [path for path in PAGES if PLACE.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", WITH_TABLES, ids=page_id)
def test_the_tables_of_a_page_are_what_the_code_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert written(text) == text, "Write them anew: .venv/bin/python -m tests.doc_tables"


def test_every_table_stands_in_a_page() -> None:
    placed = [name for path in WITH_TABLES for _, name, _, _ in PLACE.findall(path.read_text(encoding="utf-8"))]
    assert sorted(placed) == sorted(TABLES)


# ------------------------------------------------------------------ tables with words of their own


def first_column(text: str) -> set[str]:
    """The names in code in the first cells of the tables of a text, without arguments and values."""
    cells = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {found for cell in cells for found in re.findall(r"`\[?([\w.$-]+)", cell)}


def fields(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


NAMES = {
    "the package": (
        section("provider.md", "## What the package has"),
        set(package.__all__) - {"__version__", "PortkeyError", "PromptCachePolicy"}
        | {"routing", "errors", "notices", "testing", *PYPROJECT["project"]["scripts"]},
    ),
    "extras": (section("provider.md", "## Installation"), set(PYPROJECT["project"]["optional-dependencies"])),
    "fields of the catalogue": (
        section("how-to/extending-the-catalogue.md", "## The fields"),
        fields(ModelEntry) - {"name", "wire"},
    ),
    "arguments of LocalGateway": (
        section("how-to/self-hosted-gateway.md", "## From Python"),
        set(inspect.signature(LocalGateway).parameters) - {"env"},
    ),
    "attributes of errors": (
        section("how-to/debugging.md", "## The error"),
        set(errors.PortkeyError.__annotations__),
    ),
    "operators": (section("how-to/fallbacks.md", "## Conditions"), set(OPERATORS)),
}


@pytest.mark.parametrize(("text", "names"), NAMES.values(), ids=list(NAMES))
def test_a_table_has_every_name_and_no_other(text: str, names: set[str]) -> None:
    assert first_column(text) == names


def test_what_a_target_of_a_route_says_is_named() -> None:
    said = section("how-to/fallbacks.md", "## Conditions").partition("`Target` says")[2]
    assert fields(Target) - {"model"} <= set(re.findall(r"`(\w+)`", said))


def test_what_the_stand_in_can_be_told_is_there() -> None:
    named = set(re.findall(r"\b(\w+)=", section("how-to/testing-offline.md", "## What to answer")))
    assert {"tool_calls", "thinking", "usage", "drop", "stall"} <= named
    assert named <= fields(Reply) | fields(Failure) | fields(RawAnswer)


def test_the_policy_for_bedrock_is_the_same_wherever_it_stands() -> None:
    policies = [json.loads(block) for path in PAGES for block in blocks(path, "json") if "Statement" in block]
    assert len(policies) == 2
    assert policies[0] == policies[1]


def error_rows() -> dict[str, str]:
    """LangChain's class by ours, as the page has them."""
    rows = re.findall(r"^\| `(\w+Error)` \| (?:`(\w+)`)? ?\| [^|]+ \|[^|\n]+\|$", page("chat.md"), flags=re.MULTILINE)
    return dict(rows)


def langchain_class(kind: type) -> str:
    """LangChain's class for a condition: the one among the bases of the nearest class that has one."""
    for ours in kind.__mro__:
        for base in ours.__bases__:
            if ours.__module__ == errors.__name__ and base.__module__ == langchain_core.exceptions.__name__:
                return base.__name__
    return ""


def test_the_errors_are_those_that_there_are() -> None:
    ours = {
        name: langchain_class(kind)
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.PortkeyError) and kind is not errors.PortkeyError
    }
    assert error_rows() == ours


@pytest.mark.gateway
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("openai/gpt-4o", {}),
        ("anthropic/claude-sonnet-4-5", {"trace_id": "a-run"}),
        ("google/gemini-2.5-flash", {}),
        ("mistral-ai/mistral-large-latest", {}),
    ],
)
def test_every_key_of_an_answer_is_in_the_table(
    model: str, options: dict[str, Any], pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    chat = ChatPortkey(
        model=model, base_url=pinned_gateway.base_url, custom_host=provider.url, api_key="key", **options
    )
    streamed = [chunk.response_metadata for chunk in chat.stream("Hi")]
    keys = set(chat.invoke("Hi").response_metadata).union(*streamed)
    assert {"model_name", "provider", "finish_reason"} <= keys
    assert keys <= first_column(section("chat.md", "## Response metadata"))


# ------------------------------------------------------------------ links


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_the_links_of_a_page_lead_somewhere(path: Path) -> None:
    for link in links(path):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.is_relative_to(ROOT), link
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), link


def test_the_index_names_every_page() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "README.md")}
    assert set(DOCS.glob("**/*.md")) - {DOCS / "README.md"} <= linked
