"""OpenAI chat completions: JSON and server-sent events that end with `data: [DONE]`.

Source: platform.openai.com, API reference, "Chat Completions": "The chat completion object" and "The chat
completion chunk object"; error bodies as recorded from api.openai.com.
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

_DEFAULT_TYPE = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
_DEFAULT_CODE = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_LOGPROB = -0.1


def asked(request: ReceivedRequest) -> Asked:
    """Reads the last text, a forced tool and a JSON response format."""
    body = request.json
    texts = [_text(message.get("content")) for message in body["messages"] if message.get("role") != "assistant"]
    tools = {
        tool["function"]["name"]: tool["function"].get("parameters") or {"type": "object"}
        for tool in body.get("tools") or ()
        if "function" in tool
    }
    choice = body.get("tool_choice")
    name = choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else None
    forced = choice in {"required", "any"} if isinstance(choice, str) else name is not None
    response_format = body.get("response_format") or {}
    schema = None
    if response_format.get("type") == "json_schema":
        schema = response_format["json_schema"].get("schema", {})
    elif response_format.get("type") == "json_object":
        schema = {}
    return Asked(last_text(texts), pick_tool(tools, forced=forced, name=name), schema)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def render(reply: Reply, request: ReceivedRequest) -> Answer:
    """A chat completion, or its chunks."""
    headers = {"x-request-id": f"req_standin{request.serial:06d}", "openai-version": "2020-10-01"}
    if not request.stream:
        return json_answer(_completion(reply, request), headers=headers)
    events = [f"data: {dump(chunk)}\n\n".encode() for chunk in _chunks(reply, request)]
    error = None
    if reply.stream_error is not None:
        error = f"data: {dump(error_body(reply.stream_error))}\n\n".encode()
    events = cut_events(events, reply.stream_error_after, error)
    if error is None:
        events.append(b"data: [DONE]\n\n")
    return Answer(200, {"content-type": "text/event-stream; charset=utf-8", **headers}, events, chunked=True)


def failure(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"error": {"message", "type", "param", "code"}}`."""
    headers = {"x-request-id": f"req_standin{request.serial:06d}"}
    return json_answer(error_body(failed), status=failed.status, headers=headers)


def error_body(failed: Failure) -> dict[str, Any]:
    """OpenAI's error envelope."""
    return {
        "error": {
            "message": failed.message,
            "type": failed.type or _DEFAULT_TYPE.get(failed.status, "invalid_request_error"),
            "param": failed.param,
            "code": failed.code or (None if failed.type else _DEFAULT_CODE.get(failed.status)),
        }
    }


def _completion(reply: Reply, request: ReceivedRequest) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.full_text or None, "refusal": None}
    if reply.thinking is not None:
        message["reasoning_content"] = reply.thinking
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call_id(call, request, index),
                "type": "function",
                "function": {"name": call.name, "arguments": dump(dict(call.arguments))},
            }
            for index, call in enumerate(reply.tool_calls)
        ]
    message["annotations"] = []
    logprobs = _logprobs(words(reply.full_text), request)
    return {
        **_head(reply, request, "chat.completion"),
        "choices": [
            {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reply.finish_reason}
            for index in range(_choices(request))
        ],
        "usage": _usage(usage_of(reply, request)),
        "service_tier": "default",
    }


def _chunks(reply: Reply, request: ReceivedRequest) -> Iterator[dict[str, Any]]:
    head = _head(reply, request, "chat.completion.chunk")
    usage = _usage(usage_of(reply, request))
    include_usage = bool((request.json.get("stream_options") or {}).get("include_usage"))
    if include_usage:
        head["usage"] = None
    for index in range(_choices(request)):
        for delta in _deltas(reply, request):
            logprobs = _logprobs([delta["content"]] if delta.get("content") else [], request)
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
            yield {**head, "choices": [choice]}
        last = {"index": index, "delta": {}, "logprobs": None, "finish_reason": reply.finish_reason}
        chunk = {**head, "choices": [last]}
        if request.lenient and not include_usage:
            # Mistral, Groq, DeepSeek and others count without being asked, in the chunk that finishes.
            chunk["usage"] = usage
        yield chunk
    if include_usage:
        yield {**head, "choices": [], "usage": usage}


def _deltas(reply: Reply, request: ReceivedRequest) -> Iterator[dict[str, Any]]:
    pieces = text_pieces(reply)
    yield {"role": "assistant", "content": "" if pieces or not reply.tool_calls else None, "refusal": None}
    for piece in words(reply.thinking or ""):
        yield {"reasoning_content": piece}
    for piece in pieces:
        yield {"content": piece}
    for index, call in enumerate(reply.tool_calls):
        function = {"name": call.name, "arguments": ""}
        opening = {
            "index": index,
            "id": call_id(call, request, index),
            "type": "function",
            "function": function,
        }
        yield {"tool_calls": [opening]}
        for piece in argument_pieces(call.arguments) or ["{}"]:
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _head(reply: Reply, request: ReceivedRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-standin{request.serial:06d}",
        "object": kind,
        "created": int(request.received_at),
        "model": reply.model or request.model,
        "system_fingerprint": "fp_standin",
    }


def _choices(request: ReceivedRequest) -> int:
    return int(request.json.get("n") or 1)


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _logprobs(tokens: list[str], request: ReceivedRequest) -> dict[str, Any] | None:
    """One entry per token when `logprobs` is asked for, with up to `top_logprobs` alternatives."""
    if request.json.get("logprobs") is not True or not tokens:
        return None
    alternatives = int(request.json.get("top_logprobs") or 0)
    return {
        "content": [
            {
                **_token(token, 0),
                "top_logprobs": [
                    _token(token if rank == 0 else f"{token}~{rank}", rank) for rank in range(alternatives)
                ],
            }
            for token in tokens
        ],
        "refusal": None,
    }


def _token(token: str, rank: int) -> dict[str, Any]:
    return {"token": token, "logprob": _LOGPROB * (rank + 1), "bytes": list(token.encode())}


def call_id(call: ToolCall, request: ReceivedRequest, index: int) -> str:
    """The call's own id or `call_standin<request>_<index>`."""
    return call.id or f"call_standin{request.serial:06d}_{index}"
