"""The pages of docs/ say what the code says: their tables, their links, their index."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import langchain_core.exceptions
import pytest

from langchain_pollinations_portkey import ChatPortkey, errors
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Reply, StandInProvider
from tests.conftest import ROOT
from tests.doc_tables import PLACE, TABLES, written
from tests.snippets import PAGES, page_id

DOCS = ROOT / "docs"
CHAT = (DOCS / "chat.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if PLACE.search(page.read_text(encoding="utf-8"))], ids=page_id
)
def test_the_tables_of_a_page_are_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert written(text) == text, "Write them anew: .venv/bin/python -m tests.doc_tables"


def test_every_table_stands_in_a_page() -> None:
    placed = [name for page in PAGES for _, name, _, _ in PLACE.findall(page.read_text(encoding="utf-8"))]
    assert sorted(placed) == sorted(TABLES)


# ------------------------------------------------------------------ links


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_relative_to(ROOT), link
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), link


def test_the_index_names_every_page() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "README.md")}
    assert set(DOCS.glob("**/*.md")) - {DOCS / "README.md"} <= linked


# ------------------------------------------------------------------ what chat.md says of errors and answers


def error_rows() -> dict[str, str]:
    """LangChain's class by ours, as the page has them."""
    rows = re.findall(r"^\| `(\w+Error)` \| (?:`(\w+)`)? ?\| [^|]+ \|[^|\n]+\|$", CHAT, flags=re.MULTILINE)
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


def metadata_keys() -> set[str]:
    section = CHAT.partition("## Response metadata")[2].partition("\n## ")[0]
    return {
        key
        for cell in re.findall(r"^\| (`.+?`) \|", section, flags=re.MULTILINE)
        for key in re.findall(r"`(\w+)`", cell)
    }


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
    provider.script(Reply("Hello!"), Reply("Hello!"))
    streamed = [chunk.response_metadata for chunk in chat.stream("Hi")]
    keys = set(chat.invoke("Hi").response_metadata).union(*streamed)
    assert {"model_name", "provider", "finish_reason"} <= keys
    assert keys <= metadata_keys()
