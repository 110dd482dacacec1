"""A provider's no, and the few helpers that all tables of rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused; rendered like a `Failure`.

    Attributes:
        message: the provider's words.
        status: HTTP status.
        type: the provider's error type; None for the usual one of the status.
        code: OpenAI's `error.code`.
        param: OpenAI's `error.param`.
    """

    message: str
    status: int = 400
    type: str | None = None
    code: str | None = None
    param: str | None = None


Fields = dict[str, Any]
Rule = Callable[[Fields], Iterable[Refusal]]
"""A rule yields a refusal where it finds something wrong. Only the first one is taken, as the provider's answer.

So the code after a `yield` may rely on what was checked before it, and a rule on the rules before it in the table.
"""


def first_refusal(rules: Sequence[Rule], request: Fields) -> Refusal | None:
    """The first refusal of a table, None if every rule is content."""
    return next((refusal for rule in rules for refusal in rule(request)), None)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; `true` is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number; `true` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def objects(value: Any) -> Iterator[Fields]:
    """The objects of a list; nothing if it is no list."""
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def unknown_keys(fields: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    """The keys that are not known, in the order in which they came."""
    return [key for key in fields if key not in known]


def json_type(value: Any) -> str:
    """What a JSON value is, in OpenAI's words: "an object", "null", ..."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "an integer", float: "a decimal", list: "an array", dict: "an object"}
    return names[type(value)]
