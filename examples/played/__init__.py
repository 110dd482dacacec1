"""What the stand-in answers in the notebooks when no key is set: one module per notebook, one `play` in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply


def texts(value: Any) -> Iterator[str]:
    """Every text in a message, whichever provider's form it has."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for name in ("text", "content", "toolResult", "json", "parts", "functionResponse", "response", "output"):
            yield from texts(value.get(name))


def last_text(request: ReceivedRequest) -> str:
    """What the last message of the conversation says."""
    messages = request.json.get("messages") or request.json.get("contents") or [""]
    return " ".join(texts(messages[-1]))


def chosen(answers: Mapping[str, Reply | Failure], request: ReceivedRequest) -> Reply | Failure | None:
    """The answer whose key occurs in the last message; `None` if none does."""
    said = last_text(request)
    return next((answer for key, answer in answers.items() if key in said), None)
