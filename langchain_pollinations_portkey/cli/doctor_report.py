"""What `pollinations-portkey doctor` shows: a line per check, or JSON for a bug report."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from langchain_pollinations_portkey import __version__
from langchain_pollinations_portkey.cli.doctor import Finding, Mark
from langchain_pollinations_portkey.cli.terminal import printable, write_line

_STYLES = {Mark.OK: "green", Mark.WARNING: "yellow", Mark.FAILED: "red", Mark.NOT_CHECKED: "dim"}
_MARK_WIDTH = max(len(mark.value) for mark in Mark) + 2
_CHECK_WIDTH = len("gateway build") + 2


def write(findings: Iterable[Finding], out: Console) -> list[Finding]:
    """Write findings as they come, and a last line.

    Args:
        findings: What is found.
        out: Where to write.

    Returns:
        The findings.
    """
    write_line(out, _versions(), "dim")
    written = []
    for finding in findings:
        _write_one(finding, out)
        written.append(finding)
    bad = [finding.check for finding in written if finding.mark is Mark.FAILED]
    if bad:
        write_line(out, f"Failed: {', '.join(bad)}. Begin with the first.", "red")
    else:
        write_line(out, "Nothing failed.", "green")
    return written


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings as an object of JSON; keys are masked, as they are in findings."""
    return {
        "versions": _versions(),
        "ok": not has_failed(findings),
        "checks": [
            {"check": one.check, "mark": one.mark.value, "text": one.text, "cure": one.cure or None} for one in findings
        ],
    }


def has_failed(findings: Iterable[Finding]) -> bool:
    """Whether something stands in the way."""
    return any(finding.mark is Mark.FAILED for finding in findings)


def _versions() -> str:
    system = f"{platform.system()} {platform.machine()}".strip()
    return f"langchain-pollinations-portkey {__version__}, Python {platform.python_version()}, {system}"


def _write_one(finding: Finding, out: Console) -> None:
    style = _STYLES[finding.mark]
    cells = [
        (finding.mark.value, finding.check, _on_one_line(finding.text)),
        *([("", "", _on_one_line(finding.cure))] if finding.cure else []),
    ]
    if not out.is_terminal:  # whole lines, so that a program finds them
        for mark, check, text in cells:
            line = f"{mark.ljust(_MARK_WIDTH)}{check.ljust(_CHECK_WIDTH)}{text}"
            out.print(Text(line), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_MARK_WIDTH - 2, style=style)
    grid.add_column(width=_CHECK_WIDTH - 2)
    grid.add_column(overflow="fold")
    for (mark, check, text), look in zip(
        cells, ("dim" if finding.mark is Mark.NOT_CHECKED else "", style), strict=False
    ):
        grid.add_row(mark, check, Text(text, look))
    out.print(grid)


def _on_one_line(text: str) -> str:
    return printable(" ".join(text.split()))
