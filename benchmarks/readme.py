"""What the benchmarks write into the README: text between two marks, which name the command that made it."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def marks(name: str) -> tuple[str, str]:
    """The lines before and after what is written under this name."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def written(page: str, name: str, text: str) -> str:
    """The page with the text between its marks."""
    begin, end = marks(name)
    pattern = re.compile(rf"{re.escape(begin)}\n.*?{re.escape(end)}", flags=re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{README} has no {begin} ... {end}.")
    return pattern.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def write(name: str, text: str) -> None:
    """Write the text into the README."""
    README.write_text(written(README.read_text(encoding="utf-8"), name, text), encoding="utf-8")
