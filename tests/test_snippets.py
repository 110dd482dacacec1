"""Every Python snippet of the README and every example runs, through the real gateway to the stand-in provider."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.gateway import _install, headers, routes
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import PortkeyWarning
from langchain_pollinations_portkey.testing import StandInProvider
from tests.conftest import GATEWAYS, ROOT

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings(f"ignore::{PortkeyWarning.__module__}.PortkeyWarning"),
]

KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "TOGETHER_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "AWS_ACCESS_KEY_ID",
)
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
    if "```python" in page.read_text(encoding="utf-8")
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language, each at the lines where it stands."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return ["\n" * text[: match.start(1)].count("\n") + match[1] for match in found]


@pytest.fixture
def played(
    pinned_gateway: LocalGateway, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> StandInProvider:
    """The reader's machine: a gateway on it, keys set, and the stand-in in place of every provider."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORTKEY_GATEWAY_URL", pinned_gateway.base_url)
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


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_snippets_of_a_page_run_in_order(page: Path, played: StandInProvider) -> None:
    snippets = blocks(page, "python")
    assert snippets
    namespace: dict[str, Any] = {"__name__": page.stem}
    for snippet in snippets:
        exec(compile(snippet, page.name, "exec"), namespace)
    assert played.requests
    assert [request.refused for request in played.requests if request.refused] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example: Path, played: StandInProvider) -> None:
    exec(compile(example.read_text(encoding="utf-8"), example.name, "exec"), {"__name__": "__main__"})
    assert played.requests
    assert [request.refused for request in played.requests if request.refused] == []


def test_the_catalogue_file_of_the_readme_loads(tmp_path: Path) -> None:
    (toml,) = blocks(ROOT / "README.md", "toml")
    path = tmp_path / "models.toml"
    path.write_text(toml, encoding="utf-8")
    (entry,) = Catalogue().load(path)
    assert (entry.name, entry.provider, entry.max_output_tokens) == ("house-model", "openai", 16384)


def test_the_table_of_the_readme_is_the_catalogue() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \|$", text, flags=re.MULTILINE)
    catalogue = Catalogue.default()
    assert len(rows) == 7
    for name, title, model in rows:
        resolved = catalogue.resolve(name)
        assert (resolved.provider.title, resolved.model) == (title, model)


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = {
        word
        for block in blocks(ROOT / "README.md", "console")
        for word in re.findall(r"^make ([a-z-]+)", block, flags=re.MULTILINE)
    }
    assert {"test", "lint"} <= named <= targets
