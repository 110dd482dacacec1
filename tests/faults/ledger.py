"""How each call ended, counted by fault, and the page that says so."""

from __future__ import annotations

import os
import pickle
import platform
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from langchain_pollinations_portkey._version import __version__
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyError
from tests.faults.calls import KEY, Outcome

Verdict = Literal["right answer", "typed error", "hang", "wrong"]


@dataclass
class Row:
    """The calls under one fault.

    Attributes:
        calls: How many there were.
        requests: How many requests of theirs the provider received; None where nothing could count them.
        verdicts: How they ended.
        errors: The classes of the typed errors.
    """

    calls: int = 0
    requests: int | None = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Judges calls and counts them."""

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, Row]] = {}
        self._lock = threading.Lock()

    def note(
        self, section: str, fault: str, outcome: Outcome, *, answer: str, requests: int | None = 0, most: int = 1
    ) -> Verdict:
        """Judge one call and count it.

        Args:
            section: The heading it is counted under.
            fault: The row.
            outcome: How it ended.
            answer: What a right answer is, to the letter; what arrived before an error is a beginning of it.
            requests: How many requests of this call the provider received, None where nothing could count them.
            most: How many it may have received.
        """
        verdict = judge(outcome, answer)
        if verdict != "hang" and requests is not None and requests > most:
            verdict = "wrong"
        with self._lock:
            row = self.sections.setdefault(section, {}).setdefault(fault, Row())
            row.calls += 1
            row.requests = None if requests is None or row.requests is None else row.requests + requests
            row.verdicts[verdict] += 1
            if verdict == "typed error":
                row.errors[type(outcome.error).__name__] += 1
        return verdict

    def page(self, command: str) -> str:
        """All rows as Markdown."""
        return "\n".join([*_introduction(command, self.sections), *_tables(self.sections), ""])


def judge(outcome: Outcome, answer: str) -> Verdict:
    """Whether a call ended as it may: rightly, or with an error of ours that keeps what had arrived and no key."""
    if outcome.hung:
        return "hang"
    if outcome.error is None:
        return "right answer" if outcome.text == answer else "wrong"
    if not isinstance(outcome.error, PortkeyError) or shown(outcome.error):
        return "wrong"
    arrived = "".join(outcome.pieces)
    kept = "" if outcome.error.partial is None else outcome.error.partial.text
    # A call that streams hands out what arrives; one that does not has it on the error only.
    agree = kept == arrived if outcome.streamed else not arrived
    return "typed error" if agree and answer.startswith(kept) else "wrong"


def shown(error: BaseException) -> bool:
    """Whether the key is anywhere in an exception: its text, causes, attributes, the requests they hold."""
    seen: list[str] = ["".join(traceback.format_exception(error))]
    link: BaseException | None = error
    while link is not None:
        seen += [repr(link), repr(link.args), repr(vars(link))]
        response = getattr(link, "response", None)
        for message in (response, getattr(response, "request", None)):
            if message is not None:
                seen += [repr(message.headers.raw), repr(message.content)]
        link = link.__cause__ or link.__context__
    if isinstance(error, PortkeyError):
        seen.append(pickle.dumps(error).decode("latin-1"))
    return KEY in "\n".join(seen)


def _introduction(command: str, sections: dict[str, dict[str, Row]]) -> Iterator[str]:
    rows = [row for section in sections.values() for row in section.values()]
    total: Counter[Verdict] = sum((row.verdicts for row in rows), Counter())
    yield "# What happens when something breaks"
    yield ""
    yield (
        "Calls through the real gateway to a provider that misbehaves, each with an answer of its own. A call has to "
        "end in exactly that answer or in an error of this package, in time, with no request more than "
        "`max_retries` allows and with its key nowhere in the error; anything else is *wrong*. Text that arrived "
        "before an error has to be on it, and to be the beginning of the answer."
    )
    yield ""
    yield f"Written by `{command}` (tests/faults), version {__version__}, Python {platform.python_version()}, "
    yield f"{platform.system()}, {os.cpu_count()} cores. Do not edit."
    yield ""
    yield (
        f"**{sum(row.calls for row in rows):,} calls: {total['right answer']:,} right answers, "
        f"{total['typed error']:,} typed errors, {total['hang']:,} hangs, {total['wrong']:,} wrong.**"
    )


def _tables(sections: dict[str, dict[str, Row]]) -> Iterator[str]:
    for section, rows in sections.items():
        yield from ("", f"## {section}", "")
        yield "| fault | calls | requests at the provider | right answers | typed errors | hangs | wrong | errors |"
        yield "|---|--:|--:|--:|--:|--:|--:|---|"
        for fault, row in rows.items():
            counts = [row.verdicts[verdict] for verdict in ("right answer", "typed error", "hang", "wrong")]
            cells = [row.calls, "-" if row.requests is None else row.requests, *counts]
            names = ", ".join(f"{name.removeprefix('Portkey')}" for name in sorted(row.errors))
            yield f"| {fault} | {' | '.join(f'{c:,}' if isinstance(c, int) else c for c in cells)} | {names} |"


def nothing_was_sent(outcome: Outcome) -> bool:
    """Whether a call was refused before anything went out, and says so."""
    return isinstance(outcome.error, PortkeyConfigurationError) and not outcome.error.sent
