"""What the stand-in answers in `07_thousands_of_prompts.ipynb`: the mood of reviews, with a failure now and then."""

from __future__ import annotations

import re

from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, Usage
from played import last_text

SECONDS = 0.1
"""What an answer takes; a real one takes some ten times as long."""

_MOODS = {"broke": "negative", "never": "negative", "love": "positive", "perfect": "positive"}
_failed_once: set[str] = set()


def play(request: ReceivedRequest) -> Reply | Failure | None:
    """Every 100th review fails at first, every 300th is refused for good."""
    said = last_text(request)
    number = re.search(r"#(\d+)", said)
    if number is None:
        return None
    if int(number[1]) % 300 == 0:
        return Failure(400, "The prompt was rejected by the content filter.", code="content_filter")
    if int(number[1]) % 100 == 0 and number[1] not in _failed_once:
        _failed_once.add(number[1])
        return Failure(503, "The server is overloaded.")
    mood = next((mood for word, mood in _MOODS.items() if word in said), "neutral")
    return Reply(mood, delay=SECONDS, usage=Usage(input_tokens=40, output_tokens=1))
