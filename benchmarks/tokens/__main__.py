"""`python -m benchmarks.tokens`: how far the offline token counter is from what providers reported.

Recorded answers of providers say how many tokens their requests had. Recordings are other people's data, so none
are kept here: `--cases DIR`, or `PORTKEY_RECORDED_CASES`, names a directory of them (`tests/recorded` says in which
form).
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from langchain_core.messages.utils import count_tokens_approximately

from benchmarks.tokens.cases import Question, Recorded, recorded
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.tokens import count_text, count_tokens

KINDS = ("text", "tools", "pictures")
_LONG_ENOUGH = 40
"""Tokens of an answer from which its text is compared; below, one token is too much of the whole."""


class Error(NamedTuple):
    """One comparison."""

    name: str
    provider: str
    model: str
    kind: str
    counted: int
    reported: int
    usual: int
    """What LangChain's own `count_tokens_approximately` says."""

    @property
    def relative(self) -> float:
        return (self.counted - self.reported) / self.reported


def kind_of(question: Question) -> str:
    """`text`, `tools`, `pictures`, or why the request cannot be compared."""
    if question.hidden:
        return f"not compared: {question.hidden[0]}"
    if question.media:
        return "pictures"
    used = any(message.type == "tool" or _has_tool_part(message.content) for message in question.messages)
    return "tools" if question.tools or used else "text"


def _has_tool_part(content: object) -> bool:
    parts = content if isinstance(content, list) else ()
    return any(isinstance(part, dict) and part.get("type") in ("tool_use", "tool_result") for part in parts)


def errors(cases: Iterable[Recorded]) -> list[Error]:
    """Each request, counted and as reported; and the text of each answer that is text alone."""
    catalogue = Catalogue()
    found = []
    for case in cases:
        try:
            provider = catalogue.provider(case.provider)
        except PortkeyConfigurationError:
            provider = None
        question, facts = case.question, case.facts
        counted = count_tokens(question.messages, question.tools, provider=provider, model=case.model)
        where = (case.name, case.provider, case.model)
        usual = count_tokens_approximately(question.messages, tools=question.tools)
        found.append(Error(*where, kind_of(question), counted, facts.usage["input"], usual))
        others = (facts.reasoning, facts.usage.get("reasoning"), facts.calls, facts.server_calls, facts.media)
        plain = facts.complete and facts.several == 1 and not any(others) and not facts.signatures
        if plain and not facts.citations and facts.usage.get("output", 0) >= _LONG_ENOUGH:
            spoken = count_text(facts.text, provider=provider, model=case.model)
            usual = count_tokens_approximately([facts.text], extra_tokens_per_message=0)
            found.append(Error(*where, "answers", spoken, facts.usage["output"], usual))
    return found


def table(found: Sequence[Error]) -> str:
    """Median of the absolute error and the mean error, in percent, with the number of cases."""
    columns = (*KINDS, "answers")
    lines = [f"| Provider | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for provider in sorted({error.provider for error in found}):
        own = [error for error in found if error.provider == provider]
        if any(error.kind in columns for error in own):
            lines.append(f"| {provider} | {' | '.join(cell(own, kind) for kind in columns)} |")
    usual = [error._replace(counted=error.usual) for error in found]
    for name, errors_of in (("all", found), ("all, by `count_tokens_approximately`", usual)):
        lines.append(f"| {name} | {' | '.join(cell(errors_of, kind) for kind in columns)} |")
    return "\n".join(lines)


def cell(found: Iterable[Error], kind: str) -> str:
    relative = [error.relative for error in found if error.kind == kind]
    if not relative:
        return ""
    off = median(map(abs, relative))
    return f"{off:.0%} ({sum(relative) / len(relative):+.0%}, {len(relative)})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens", description=__doc__)
    parser.add_argument("--cases", default=os.environ.get("PORTKEY_RECORDED_CASES"), help="directory of recordings")
    parser.add_argument("--each", action="store_true", help="print every case as well")
    options = parser.parse_args(arguments)
    if not options.cases:
        parser.error("name a directory of recorded answers with --cases or PORTKEY_RECORDED_CASES.")
    found = errors(recorded(Path(options.cases)))
    if options.each:
        for error in sorted(found, key=lambda error: (error.kind, error.provider, error.name)):
            counts = f"{error.counted:6} for {error.reported:6} {error.relative:+6.0%}"
            print(f"{error.kind[:32]:32} {counts}  {error.name} {error.model}")
        print()
    print("Input tokens counted offline against those reported: median absolute error (mean error, cases).\n")
    print(table(found))
    left = Counter(error.kind.removeprefix("not compared: ") for error in found if error.kind.startswith("not"))
    print(f"\nNot compared, because the request does not show all that was read: {sum(left.values())} requests with")
    print(", ".join(f"{what} ({count})" for what, count in sorted(left.items())))


if __name__ == "__main__":
    main()
