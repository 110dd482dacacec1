"""An HTTP answer ready to be written, and the order of writes, waits and breaks that delivers it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from langchain_pollinations_portkey.testing.replies import Delivery, RawAnswer

_DEFAULT_DROP = 0.5
_Event = TypeVar("_Event")


@dataclass(frozen=True, slots=True)
class Answer:
    """A rendered answer.

    Attributes:
        status: HTTP status.
        headers: by lower-case name, without those that frame the body.
        pieces: the body; each `bytes` is written on its own, each float is a wait in seconds.
        chunked: chunked transfer encoding if True, else `content-length`.
    """

    status: int
    headers: Mapping[str, str]
    pieces: Sequence[bytes | float]
    chunked: bool = False


class Reset:
    """The step "break the connection with a TCP reset"."""


RESET: Final = Reset()
Step = bytes | float | Reset


def dump(value: Any) -> str:
    """JSON without spaces, non-ASCII kept, as the providers send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_answer(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, {"content-type": "application/json", **(headers or {})}, [dump(body).encode()])


def raw_answer(raw: RawAnswer) -> Answer:
    """A `RawAnswer` as it stands; its headers are added by `with_headers`, like everybody's."""
    if raw.chunks is not None:
        return Answer(raw.status, {"content-type": "text/event-stream"}, raw.chunks, chunked=True)
    return Answer(raw.status, {"content-type": "application/json"}, [raw.body])


def with_headers(answer: Answer, extra: Mapping[str, str]) -> Answer:
    """The answer with more headers; they win over the answer's own."""
    lowered = {name.lower(): value for name, value in extra.items()}
    return Answer(answer.status, {**answer.headers, **lowered}, answer.pieces, answer.chunked)


def words(text: str) -> list[str]:
    """Cuts a text word by word, white space in front of its word; joined, the pieces are the text."""
    return re.findall(r"\s*\S+|\s+", text)


def argument_pieces(arguments: Mapping[str, Any], size: int = 12) -> list[str]:
    """Cuts the JSON text of a tool's arguments into pieces of `size` characters; no arguments, no pieces."""
    text = dump(arguments) if arguments else ""
    return [text[start : start + size] for start in range(0, len(text), size)]


def cut_events(events: Sequence[_Event], fraction: float, error: _Event | None) -> list[_Event]:
    """The events of a stream up to a fraction of them and then an error; all of them without an error."""
    if error is None:
        return list(events)
    return [*events[: math.ceil(fraction * len(events))], error]


def body_steps(answer: Answer, delivery: Delivery) -> Iterator[Step]:
    """Yields the writes, waits and the break that deliver a body; positions are bytes of the whole body."""
    total = sum(len(piece) for piece in answer.pieces if isinstance(piece, bytes))
    marks = sorted(_marks(delivery, total), key=lambda mark: mark[0])
    sent = 0
    for number, piece in enumerate(answer.pieces):
        if not isinstance(piece, bytes):
            yield float(piece)
            continue
        if number and delivery.pause:
            yield float(delivery.pause)
        rest = piece
        while marks and marks[0][0] <= sent + len(rest):
            position, step = marks.pop(0)
            before, rest = rest[: position - sent], rest[position - sent :]
            sent = position
            if before:
                yield before
            yield step
            if isinstance(step, Reset):
                return
        if rest:
            yield rest
            sent += len(rest)


def _marks(delivery: Delivery, total: int) -> Iterator[tuple[int, Step]]:
    """The byte positions at which something happens."""
    if delivery.stall_after is not None and delivery.stall:
        yield round(delivery.stall_after * total), float(delivery.stall)
    if delivery.drop == "mid_body" or (delivery.drop is None and delivery.drop_after is not None):
        after = _DEFAULT_DROP if delivery.drop_after is None else delivery.drop_after
        yield min(total, after if isinstance(after, int) else round(after * total)), RESET
