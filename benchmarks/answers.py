"""The answers that the local server gives, by name, and what a correct client makes of them.

A name says the kind and the size: `json-32768` is a JSON answer with so many characters of text, `text-500` a
stream in so many chunks, `tool-200` one tool call whose arguments come in so many pieces, `thinking-500` a
stream in the shape that the gateway gives Claude's thinking with strict mode off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

_WORDS = ("The ", "sky ", "is ", "blue ", "since ", "air ", "scatters ", "short ", "waves ", "more. ")


@dataclass(frozen=True)
class Answer:
    """One answer, named by kind and size."""

    kind: str
    size: int

    @classmethod
    def named(cls, name: str) -> Answer:
        kind, _, size = name.partition("-")
        return cls(kind, int(size))

    @property
    def is_stream(self) -> bool:
        return self.kind != "json"

    def deltas(self) -> Iterator[dict[str, Any]]:
        """The deltas of a stream, the first and the last apart."""
        for number in range(self.size):
            word = _WORDS[number % len(_WORDS)]
            match self.kind:
                case "text":
                    yield {"content": word}
                case "thinking" if number < self.size // 2:
                    yield {"content_blocks": [{"index": 0, "delta": {"thinking": word}}]}
                case "thinking":
                    yield {"content": word, "content_blocks": [{"index": 1, "delta": {"text": word}}]}
                case "tool":
                    yield {"tool_calls": [{"index": 0, "function": {"arguments": self.arguments_piece(number)}}]}

    def arguments_piece(self, number: int) -> str:
        """One piece of a tool call's arguments; together they are `{"text": "..."}`."""
        if number == 0:
            return '{"text": "'
        return '"}' if number == self.size - 1 else _WORDS[number % len(_WORDS)]

    @cached_property
    def text(self) -> str:
        """The text that a client has to end up with."""
        if self.kind == "json":
            return (_WORDS[0] * (self.size // len(_WORDS[0]) + 1))[: self.size]
        return "".join(delta.get("content", "") for delta in self.deltas())

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments of the tool call that a client has to end up with."""
        if self.kind != "tool":
            return None
        parsed: dict[str, Any] = json.loads("".join(self.arguments_piece(number) for number in range(self.size)))
        return parsed

    def json_body(self) -> bytes:
        return _json(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1795426356,
                "model": "gpt-4o-2024-08-06",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": self.text, "refusal": None},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": _USAGE,
                "system_fingerprint": "fp_1",
            }
        )

    def events(self) -> Iterator[bytes]:
        """The events of a stream, whole."""
        first: dict[str, Any] = {"role": "assistant", "content": ""}
        if self.kind == "tool":
            first["tool_calls"] = [
                {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": ""}}
            ]
        yield _event(first)
        if self.kind == "thinking":
            yield _event({"content_blocks": [{"index": 0, "delta": {"thinking": "", "signature": ""}}]})
        for delta in self.deltas():
            yield _event(delta)
        if self.kind == "thinking":
            yield _event({"content_blocks": [{"index": 0, "delta": {"signature": "c2lnbmF0dXJl" * 20}}]})
        yield _event({}, finish_reason="tool_calls" if self.kind == "tool" else "stop")
        yield _event(None, usage=_USAGE)
        yield b"data: [DONE]\n\n"


_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 20,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def _event(delta: dict[str, Any] | None, *, finish_reason: str | None = None, usage: Any = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1795426356,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_1",
        "choices": choices,
        "usage": usage,
    }
    return b"data: %s\n\n" % _json(chunk)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@cache
def answer(name: str) -> Answer:
    return Answer.named(name)
