"""The fenced blocks of the pages for readers, and what the console lines among them name."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language, each at the lines where it stands."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(
        rf"^(?P<indent> *)```{language}\n(?P<body>.*?)^(?P=indent)```", text, flags=re.MULTILINE | re.DOTALL
    )
    return [
        "\n" * text[: match.start("body")].count("\n")
        + re.sub(rf"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        for match in found
    ]


def commands(path: Path) -> Iterator[list[str]]:
    """The commands of a page's console blocks, each as its words; a pipe has several."""
    for block in blocks(path, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while "|" in words:
                end = words.index("|")
                yield words[:end]
                words = words[end + 1 :]
            if words:
                yield words
