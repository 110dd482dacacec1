"""Amazon Bedrock Converse: JSON and binary event streams.

Source: Amazon Bedrock API Reference, "Converse", "ConverseStream" and their data types. Text and reasoning
have no `contentBlockStart` in a stream, tool calls have one; `p` is the padding that AWS adds.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.answer import (
    Answer,
    argument_pieces,
    cut_events,
    json_answer,
    words,
)
from langchain_pollinations_portkey.testing.aws_frames import event_frame, exception_frame
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Failure, Reply, ToolCall, Usage
from langchain_pollinations_portkey.testing.wires.anthropic import SIGNATURE
from langchain_pollinations_portkey.testing.wires.asked import (
    Asked,
    last_text,
    pick_tool,
    text_pieces,
    usage_of,
)

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}
_DEFAULT_TYPE = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_PADDING = "abcdefghijklmnop"
_LATENCY_MS = 12


def asked(request: ReceivedRequest) -> Asked:
    """Reads the last text and a forced tool."""
    body = request.json
    texts = [_text(message["content"]) for message in body["messages"] if message["role"] == "user"]
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    tools = {spec["name"]: spec["inputSchema"]["json"] for spec in specs}
    choice = config.get("toolChoice") or {}
    forced = "any" in choice or "tool" in choice
    return Asked(last_text(texts), pick_tool(tools, forced=forced, name=choice.get("tool", {}).get("name")))


def _text(content: Any) -> str:
    pieces = []
    for block in content:
        if "text" in block:
            pieces.append(block["text"])
        elif "toolResult" in block:
            pieces.append(_text(block["toolResult"]["content"]))
    return " ".join(pieces)


def render(reply: Reply, request: ReceivedRequest) -> Answer:
    """A Converse output, or its frames."""
    headers = {"x-amzn-requestid": _request_id(request)}
    usage = _usage(usage_of(reply, request))
    blocks = list(_blocks(reply, request))
    stop_reason = _STOP_REASONS.get(reply.finish_reason, reply.finish_reason)
    if not request.stream:
        body = {
            "metrics": {"latencyMs": _LATENCY_MS},
            "output": {"message": {"content": blocks, "role": "assistant"}},
            "stopReason": stop_reason,
            "usage": usage,
        }
        return json_answer(body, headers=headers)
    frames = [event_frame("messageStart", {"p": _PADDING, "role": "assistant"})]
    for index, block in enumerate(blocks):
        frames += _block_frames(index, block, reply)
    frames.append(event_frame("messageStop", {"p": _PADDING, "stopReason": stop_reason}))
    metadata = {"metrics": {"latencyMs": _LATENCY_MS}, "p": _PADDING, "usage": usage}
    frames.append(event_frame("metadata", metadata))
    error = None
    if reply.stream_error is not None:
        kind = _type(reply.stream_error)
        error = exception_frame(kind[0].lower() + kind[1:], reply.stream_error.message)
    frames = cut_events(frames, reply.stream_error_after, error)
    return Answer(200, {"content-type": "application/vnd.amazon.eventstream", **headers}, frames, chunked=True)


def failure(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"message"}`, with the exception's name in `x-amzn-errortype`."""
    headers = {"x-amzn-requestid": _request_id(request), "x-amzn-errortype": _type(failed)}
    return json_answer({"message": failed.message}, status=failed.status, headers=headers)


def _type(failed: Failure) -> str:
    return failed.type or _DEFAULT_TYPE.get(failed.status, "InternalServerException")


def _request_id(request: ReceivedRequest) -> str:
    return f"00000000-0000-4000-8000-{request.serial:012d}"


def _blocks(reply: Reply, request: ReceivedRequest) -> Iterator[dict[str, Any]]:
    if reply.thinking is not None:
        signature = SIGNATURE if reply.signature is None else reply.signature
        yield {"reasoningContent": {"reasoningText": {"text": reply.thinking, "signature": signature}}}
    if reply.redacted_thinking is not None:
        yield {"reasoningContent": {"redactedContent": _base64(reply.redacted_thinking)}}
    if reply.full_text:
        yield {"text": reply.full_text}
    for index, call in enumerate(reply.tool_calls):
        call_id = _call_id(call, request, index)
        yield {"toolUse": {"input": dict(call.arguments), "name": call.name, "toolUseId": call_id}}


def _call_id(call: ToolCall, request: ReceivedRequest, index: int) -> str:
    return call.id or f"tooluse_standin{request.serial:06d}_{index}"


def _base64(text: str) -> str:
    """Blobs are base64 in JSON; a text that already is base64 goes out unchanged."""
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return base64.b64encode(text.encode()).decode()
    return text


def _block_frames(index: int, block: dict[str, Any], reply: Reply) -> Iterator[bytes]:
    position = {"contentBlockIndex": index}
    deltas: list[dict[str, Any]]
    if "toolUse" in block:
        use = block["toolUse"]
        start = {"toolUse": {"name": use["name"], "toolUseId": use["toolUseId"]}}
        yield event_frame("contentBlockStart", {**position, "p": _PADDING, "start": start})
        deltas = [{"toolUse": {"input": piece}} for piece in argument_pieces(use["input"]) or [""]]
    elif "text" in block:
        deltas = [{"text": piece} for piece in text_pieces(reply)]
    elif "reasoningText" in block["reasoningContent"]:
        reasoning = block["reasoningContent"]["reasoningText"]
        deltas = [{"reasoningContent": {"text": piece}} for piece in words(reasoning["text"])]
        deltas.append({"reasoningContent": {"signature": reasoning["signature"]}})
    else:
        deltas = [{"reasoningContent": {"redactedContent": block["reasoningContent"]["redactedContent"]}}]
    for delta in deltas:
        yield event_frame("contentBlockDelta", {**position, "delta": delta, "p": _PADDING})
    yield event_frame("contentBlockStop", {**position, "p": _PADDING})


def _usage(usage: Usage) -> dict[str, Any]:
    counts = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.prompt + usage.output_tokens,
    }
    if usage.cache_read or usage.cache_write:
        counts["cacheReadInputTokens"] = usage.cache_read
        counts["cacheWriteInputTokens"] = usage.cache_write
    return counts
