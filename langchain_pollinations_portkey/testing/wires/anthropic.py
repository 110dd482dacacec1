"""Anthropic Messages: JSON and server-sent events with `event:` lines; also Claude on Vertex AI.

Source: docs.anthropic.com, API reference "Messages", "Streaming Messages" and "Errors".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.answer import (
    Answer,
    argument_pieces,
    cut_events,
    dump,
    json_answer,
    words,
)
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Failure, Reply, ToolCall, Usage
from langchain_pollinations_portkey.testing.wires.asked import (
    Asked,
    last_text,
    pick_tool,
    text_pieces,
    usage_of,
)

SIGNATURE = "c3RhbmQtaW4gc2lnbmF0dXJl"
"""Signs thinking that a test gave no signature for."""

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_DEFAULT_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def asked(request: ReceivedRequest) -> Asked:
    """Reads the last text, a forced tool and an output format."""
    body = request.json
    texts = [_text(message["content"]) for message in body["messages"] if message["role"] == "user"]
    tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools") or () if "input_schema" in tool}
    choice = body.get("tool_choice") or {}
    forced = choice.get("type") in {"any", "tool"}
    output = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return Asked(last_text(texts), pick_tool(tools, forced=forced, name=choice.get("name")), output.get("schema"))


def _text(content: Any) -> str:
    """Texts and tool results of a user turn, in order."""
    if isinstance(content, str):
        return content
    pieces = []
    for block in content or ():
        if block.get("type") == "text":
            pieces.append(block["text"])
        elif block.get("type") == "tool_result":
            pieces.append(_text(block.get("content")))
    return " ".join(pieces)


def render(reply: Reply, request: ReceivedRequest) -> Answer:
    """A message, or its events."""
    headers = {"request-id": _request_id(request), "anthropic-organization-id": "standin"}
    blocks = list(_blocks(reply, request))
    if not request.stream:
        message = {
            **_message(reply, request),
            "content": blocks,
            "stop_reason": _STOP_REASONS.get(reply.finish_reason, reply.finish_reason),
            "usage": {**_prompt_usage(usage_of(reply, request)), **_output_usage(usage_of(reply, request))},
        }
        return json_answer(message, headers=headers)
    events = list(_events(reply, request, blocks))
    error = None
    if reply.stream_error is not None:
        error = {key: value for key, value in _error(reply.stream_error, request).items() if key != "request_id"}
    events = cut_events(events, reply.stream_error_after, error)
    pieces = [f"event: {event['type']}\ndata: {dump(event)}\n\n".encode() for event in events]
    return Answer(200, {"content-type": "text/event-stream; charset=utf-8", **headers}, pieces, chunked=True)


def failure(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`."""
    headers = {"request-id": _request_id(request)}
    return json_answer(_error(failed, request), status=failed.status, headers=headers)


def _error(failed: Failure, request: ReceivedRequest) -> dict[str, Any]:
    fallback = "api_error" if failed.status >= 500 else "invalid_request_error"  # noqa: PLR2004 - HTTP
    kind = failed.type or _DEFAULT_TYPE.get(failed.status, fallback)
    return {
        "type": "error",
        "error": {"type": kind, "message": failed.message},
        "request_id": _request_id(request),
    }


def _request_id(request: ReceivedRequest) -> str:
    return f"req_standin{request.serial:06d}"


def _message(reply: Reply, request: ReceivedRequest) -> dict[str, Any]:
    return {
        "id": f"msg_standin{request.serial:06d}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(reply: Reply, request: ReceivedRequest) -> Iterator[dict[str, Any]]:
    if reply.thinking is not None:
        signature = SIGNATURE if reply.signature is None else reply.signature
        yield {"type": "thinking", "thinking": reply.thinking, "signature": signature}
    if reply.redacted_thinking is not None:
        yield {"type": "redacted_thinking", "data": reply.redacted_thinking}
    if reply.full_text:
        yield {"type": "text", "text": reply.full_text}
    for index, call in enumerate(reply.tool_calls):
        call_id = _call_id(call, request, index)
        yield {"type": "tool_use", "id": call_id, "name": call.name, "input": dict(call.arguments)}


def _call_id(call: ToolCall, request: ReceivedRequest, index: int) -> str:
    return call.id or f"toolu_standin{request.serial:06d}_{index}"


def _events(reply: Reply, request: ReceivedRequest, blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    usage = usage_of(reply, request)
    start = {**_message(reply, request), "usage": {**_prompt_usage(usage), "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(blocks):
        opening, deltas = _opening_and_deltas(block, reply)
        yield {"type": "content_block_start", "index": index, "content_block": opening}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop_reason = _STOP_REASONS.get(reply.finish_reason, reply.finish_reason)
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": None},
        "usage": {**_prompt_usage(usage, split=False), **_output_usage(usage)},
    }
    yield {"type": "message_stop"}


def _opening_and_deltas(block: dict[str, Any], reply: Reply) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block is streamed: empty at first, then filled by deltas. Redacted thinking comes whole."""
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in words(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in text_pieces(reply)]
    if block["type"] == "tool_use":
        pieces = ["", *argument_pieces(block["input"])]
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return {**block, "input": {}}, deltas
    return block, []


def _prompt_usage(usage: Usage, *, split: bool = True) -> dict[str, Any]:
    """The prompt's counts; `split` adds the caches by lifetime, as messages (not deltas) have it."""
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
    }
    if split:
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        }
        counts["service_tier"] = "standard"
    return counts


def _output_usage(usage: Usage) -> dict[str, Any]:
    return {
        "output_tokens": usage.output_tokens,
        **({"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}),
    }
