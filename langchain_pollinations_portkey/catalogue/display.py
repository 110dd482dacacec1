"""The catalogue for people: one line or a list in a terminal, a table in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from langchain_pollinations_portkey.catalogue.entries import ModelEntry

_COLUMNS = ("Name", "Provider", "Model", "Context", "Output", "")


def as_text(entries: Sequence[ModelEntry], providers: int) -> str:
    """`repr` of a catalogue: a heading and a line per name."""
    heading = f"<Catalogue: {len(entries)} models, {providers} providers>"
    width = max((len(entry.name) for entry in entries), default=0)
    lines = [
        f"  {entry.name:<{width}}  {entry.provider}/{entry.model}"
        + (f"  (retired {entry.retired})" if entry.retired else "")
        for entry in entries
    ]
    return "\n".join([heading, *lines])


def as_html(entries: Sequence[ModelEntry]) -> str:
    """A table with a row per name; everything in it is escaped."""
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in _cells(entry))}</tr>" for entry in entries)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(entry: ModelEntry) -> tuple[str, ...]:
    remark = entry.description
    if entry.retired:
        remark = f"retired {entry.retired}" + (f", use {entry.successor}" if entry.successor else "")
    return (
        f"<code>{escape(entry.name)}</code>",
        escape(entry.provider),
        f"<code>{escape(entry.model)}</code>",
        _tokens(entry.max_input_tokens),
        _tokens(entry.max_output_tokens),
        escape(remark),
    )


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
