"""What a test tells the stand-in to answer, in words that belong to no provider.

A `Reply` is rendered in whichever wire (OpenAI, Anthropic, Bedrock, Gemini) and mode (JSON, stream) the
request asked for; a `Failure` becomes that provider's own error body; a `RawAnswer` goes out byte for byte.
All three can be slowed down or broken on the way: see `Delivery`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Drop = Literal["before_headers", "after_headers", "mid_body"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How an answer travels: headers beside the wire's own, waits, and faults.

    Attributes:
        headers: sent in addition; a name that the wire also sets (any case) replaces the wire's value.
        delay: seconds before the status line.
        pause: seconds between two events of a stream. No effect on a JSON body, which is one piece.
        drop: cuts the connection with a TCP reset: before the status line, between headers and body, or
            within the body.
        drop_after: where `drop="mid_body"` cuts: a float is a fraction of the body (0.0 to 1.0), an int a
            number of bytes. Given without `drop`, it means "mid_body".
        stall_after: fraction of the body (0.0 to 1.0) after which nothing is sent for `stall` seconds.
        stall: seconds of silence at `stall_after`.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pause: float = 0.0
    drop: Drop | None = None
    drop_after: float | None = None
    stall_after: float | None = None
    stall: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool by the model.

    Attributes:
        name: the tool's name.
        arguments: the arguments as an object, not as text.
        id: the call's id; None gives a deterministic one in the provider's style. Gemini's wire has no ids.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts.

    The three parts of the prompt are disjoint, as Anthropic counts them: the whole prompt is
    `input_tokens + cache_read + cache_write`. OpenAI and Gemini report that sum as prompt tokens.

    Attributes:
        input_tokens: prompt tokens that neither came from a cache nor were written to one.
        output_tokens: everything the model produced, reasoning included.
        cache_read: prompt tokens read from a cache.
        cache_write: prompt tokens written to a cache. OpenAI and Gemini do not report them apart.
        reasoning: the part of `output_tokens` spent on thinking.
    """

    input_tokens: int = 10
    output_tokens: int = 5
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """The whole prompt, cached parts included."""
        return self.input_tokens + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Failure(Delivery):
    """An error, rendered in the envelope of the provider that was asked.

    Attributes:
        status: HTTP status.
        message: the text of the error.
        type: the provider's error type. None takes the one that the provider uses for the status: OpenAI's
            `error.type`, Anthropic's `error.type`, the exception name in Bedrock's `x-amzn-errortype`,
            Google's `error.status`.
        code: OpenAI's `error.code`; the other wires have none.
        param: OpenAI's `error.param`; the other wires have none.
    """

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Reply(Delivery):
    """A successful answer.

    Attributes:
        text: the text of the answer; "" gives none.
        tool_calls: calls of tools, after the text.
        thinking: the model's reasoning. A thinking block on Anthropic, `reasoningContent` on Bedrock, a part
            with `thought: true` on Gemini, `reasoning_content` on OpenAI's wire (where OpenAI itself sends
            none, but DeepSeek, xAI and others do).
        signature: signs the thinking. None gives a fixed one on Anthropic and Bedrock when there is thinking.
            On Gemini it is sent only when given, as `thoughtSignature`.
        redacted_thinking: encrypted reasoning (Anthropic, Bedrock).
        usage: token counts; None counts one token for four bytes of the request and one for each word of
            the answer.
        finish: "stop", "length", "tool_calls" or "content_filter", mapped to the provider's word; any
            other text is sent as it is. None: "tool_calls" if there are any, else "stop".
        model: the model that says it answered; None repeats the one asked for.
        chunks: how the text is cut when it is streamed; None cuts it word by word. It replaces `text`.
        embeddings: vectors, one per input; None derives them from the inputs. Only used on embeddings.
        stream_error: the provider's error in the middle of a stream. No effect on a JSON answer.
        stream_error_after: fraction of the stream's events (0.0 to 1.0) sent before `stream_error`.
    """

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    thinking: str | None = None
    signature: str | None = None
    redacted_thinking: str | None = None
    usage: Usage | None = None
    finish: str | None = None
    model: str | None = None
    chunks: Sequence[str] | None = None
    embeddings: Sequence[Sequence[float]] | None = None
    stream_error: Failure | None = None
    stream_error_after: float = 0.5

    @property
    def full_text(self) -> str:
        """The text, whether it was given whole or in pieces."""
        return self.text if self.chunks is None else "".join(self.chunks)

    @property
    def finish_reason(self) -> str:
        """`finish`, or what follows from the content."""
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


@dataclass(frozen=True, slots=True)
class RawAnswer(Delivery):
    """Bytes that are sent as they are, for answers that no healthy provider gives.

    Attributes:
        status: HTTP status.
        body: the body, with its `content-length`.
        chunks: instead of `body`, pieces sent with chunked transfer encoding, each in its own write; a
            float among them is a wait in seconds.
    """

    status: int = 200
    body: bytes = b""
    chunks: Sequence[bytes | float] | None = None


Scripted = Reply | Failure | RawAnswer
"""Anything that can be scripted."""
