"""What the stand-in answers in `02_streaming_and_async.ipynb`."""

from __future__ import annotations

from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, ToolCall, Usage
from played import chosen, last_text

_CAPITALS = {
    "Japan": "Tokyo",
    "Kenya": "Nairobi",
    "Peru": "Lima",
    "Norway": "Oslo",
    "Egypt": "Cairo",
    "Canada": "Ottawa",
    "Portugal": "Lisbon",
    "Vietnam": "Hanoi",
}
_TOWER = (
    "Long ago a keeper lived in a lighthouse at the edge of the sea. Every evening he climbed its hundred steps and "
    "lit the lamp. One night in November no oil was left, and a ship was coming. So the keeper took his accordion, "
    "opened the window and played as loudly as he could, until the captain heard him and turned away from the rocks."
)
_ANSWERS = {
    "lighthouse": Reply(_TOWER, pause=0.01),
    "all night": Reply(_TOWER, pause=0.05),
    "breaks off": Reply(_TOWER, drop_after=0.6),
    "strawberry": Reply(
        "Three: one after the t, two before the y.",
        thinking="Letter by letter: s, t, r, a, w, b, e, r, r, y. An r at the third, the eighth and the ninth place.",
        pause=0.01,
        usage=Usage(input_tokens=44, output_tokens=53, reasoning=33),
    ),
    "Book a table": Reply(
        "I book it.",
        tool_calls=[ToolCall("book", {"restaurant": "Chez Marie", "people": 4, "time": "19:30"})],
        pause=0.01,
    ),
}


def play(request: ReceivedRequest) -> Reply | Failure | None:
    """Capitals of a few countries, and a few answers worth streaming."""
    said = last_text(request)
    for country, capital in _CAPITALS.items():
        if f"capital of {country}" in said:
            return Reply(capital, delay=0.1)
    return chosen(_ANSWERS, request)
