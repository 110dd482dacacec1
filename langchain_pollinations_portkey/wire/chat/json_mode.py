"""Answers in JSON without a schema on the wire: somebody has to tell the model what to write.

OpenAI and others refuse `{"type": "json_object"}` unless a message says "JSON", and no provider is told the form.
Users of `json_mode` describe it in their prompt. Where they do not - no message says "JSON", or the method was
not their choice but the only one that arrives - a system prompt does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

WireMessage = dict[str, Any]


def json_format(schema: Mapping[str, Any], *, chosen: bool) -> dict[str, Any]:
    """The `response_format` of `json_mode`; all but its `type` is for `with_json_instruction` and is not sent.

    Args:
        schema: The form of the answer.
        chosen: Whether the user asked for this method, and so describes the form.
    """
    return {"type": "json_object", "schema": dict(schema), "describe": not chosen}


def with_json_instruction(wire: list[WireMessage], body: dict[str, Any]) -> list[WireMessage]:
    """The messages, with a system prompt that asks for JSON where the request does and they do not.

    Args:
        wire: The messages; they are not changed.
        body: The rest of the request, whose `response_format` is brought into the form to send.
    """
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_object":
        return wire
    body["response_format"] = {"type": "json_object"}
    if not wanted.get("describe") and any("json" in text.lower() for text in _texts(wire)):
        return wire
    said = "Answer with a JSON object."
    if wanted.get("schema"):
        said += f" It has to follow this JSON Schema: {json.dumps(wanted['schema'], ensure_ascii=False)}"
    first = next((n for n, message in enumerate(wire) if message["role"] not in ("system", "developer")), len(wire))
    return [*wire[:first], {"role": "system", "content": said}, *wire[first:]]


def _texts(wire: list[WireMessage]) -> Iterator[str]:
    for message in wire:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        else:
            yield from (str(part.get("text") or "") for part in content or ())
