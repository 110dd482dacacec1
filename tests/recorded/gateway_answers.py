"""What the gateway is known to have answered to a recorded case, and what of it must be found in a message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.recorded.replay import sse_events

_OWN = frozenset(("object", "role", "type", "index", "obfuscation", "created", "provider"))
"""Keys that belong to the envelope."""

_RESHAPED = frozenset(
    ("content", "content_blocks", "reasoning", "reasoning_content", "arguments", "tool_calls", "finish_reason")
)
"""Keys whose values the package puts together or translates; the provider's own answer is compared for them."""


def gateway_answer(root: Path, name: str) -> dict[str, Any] | None:
    """The recorded answer of the gateway in non-strict mode: `status`, `headers`, `body_text`."""
    file = root / f"{name}.gateway.json"
    if not file.exists():
        return None
    answer: dict[str, Any] | None = json.loads(file.read_text())["answers"].get("strict_false")
    return answer


def asked_model(root: Path, name: str) -> str | None:
    """The model that the gateway was asked for when its answer was recorded; some of its answers echo it."""
    file = root / f"{name}.gateway.json"
    return json.loads(file.read_text())["gateway_request"]["body"].get("model") if file.exists() else None


def breaks_off(answer: Mapping[str, Any] | None) -> bool:
    """Whether the gateway is known to answer with an error, or with a stream that never says that it ends."""
    if answer is None:
        return False
    body = answer["body_text"]
    if answer["status"] != 200:
        return True
    if body.lstrip().startswith("{"):
        return not json.loads(body).get("choices")
    choices = [choice for event in sse_events(body.encode()) for choice in event.get("choices") or ()]
    return not any(choice.get("finish_reason") for choice in choices)


def pieces_to_find(answer: Mapping[str, Any]) -> list[str]:
    """Texts in an answer that have to be somewhere in the message, whatever they mean."""
    if answer["body_text"].lstrip().startswith("{"):
        body = json.loads(answer["body_text"])
        messages = [choice.get("message") or {} for choice in body["choices"]]
    else:
        body, messages = _merged(sse_events(answer["body_text"].encode()))
    found = list(_leaves({key: value for key, value in body.items() if key != "id"}))
    for message in messages:
        for blocks in (message.get("content_blocks"), message.get("content")):
            found += _leaves(blocks) if isinstance(blocks, list) else ()
    return [text for text in found if text and not text.startswith("portkey-")]


def _merged(events: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """The facts of a stream, the last of each, and its deltas as messages with whole content blocks."""
    body: dict[str, Any] = {}
    choices: dict[str, Any] = {}
    messages: list[Any] = []
    for event in events:
        body |= {key: value for key, value in event.items() if value is not None and key != "choices"}
        for choice in event.get("choices") or ():
            if choice.get("index") and event.get("provider", "cohere") != "cohere":
                continue
            choices |= {key: value for key, value in choice.items() if value and key != "delta"}
            for block in (choice.get("delta") or {}).get("content_blocks") or ():
                pieces = ("text", "thinking", "data", "estimated_tokens")
                whole = {key: value for key, value in block["delta"].items() if key not in pieces}
                messages.append({"content_blocks": [whole]})
    return {**body, "choices": choices}, messages


def _leaves(value: Any, key: str = "") -> Iterator[str]:
    if key in _OWN or key in _RESHAPED:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, "")
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(value)
