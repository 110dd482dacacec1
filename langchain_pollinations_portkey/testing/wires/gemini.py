"""Gemini `generateContent`, at Google AI Studio and on Vertex AI: JSON, JSON array, server-sent events.

Source: ai.google.dev, "Gemini API reference: Generating content" (GenerateContentResponse) and
cloud.google.com, "Vertex AI: streamGenerateContent". A stream without `alt=sse` is one JSON array, written
element by element.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.answer import Answer, cut_events, dump, json_answer, words
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Failure, Reply, Usage
from langchain_pollinations_portkey.testing.wires.asked import (
    Asked,
    last_text,
    pick_tool,
    text_pieces,
    usage_of,
)

_FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_JSON = "application/json; charset=UTF-8"


def either(fields: dict[str, Any], name: str) -> Any:
    """A field by its camelCase or snake_case name: JSON for protocol buffers accepts both."""
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
    return fields.get(name, fields.get(snake))


def asked(request: ReceivedRequest) -> Asked:
    """Reads the last text, a forced function and a response schema."""
    body = request.json
    contents = body["contents"]
    texts = [_text(turn) for turn in contents if turn.get("role") != "model"]
    functions: dict[str, Any] = {}
    for tool in body.get("tools") or ():
        for function in either(tool, "functionDeclarations") or ():
            schema = function.get("parameters") or either(function, "parametersJsonSchema")
            functions[function["name"]] = schema or {"type": "object"}
    calling = either(either(body, "toolConfig") or {}, "functionCallingConfig") or {}
    allowed = either(calling, "allowedFunctionNames") or [None]
    forced = str(calling.get("mode", "")).upper() == "ANY"
    config = either(body, "generationConfig") or {}
    schema = None
    if either(config, "responseMimeType") == "application/json":
        schema = either(config, "responseSchema") or either(config, "responseJsonSchema") or {}
    return Asked(last_text(texts), pick_tool(functions, forced=forced, name=allowed[0]), schema)


def _text(turn: dict[str, Any]) -> str:
    pieces = []
    for part in turn["parts"]:
        if "text" in part:
            pieces.append(part["text"])
        elif either(part, "functionResponse"):
            pieces.append(dump(either(part, "functionResponse").get("response")))
    return " ".join(pieces)


def render(reply: Reply, request: ReceivedRequest) -> Answer:
    """A response, or its stream."""
    if not request.stream:
        parts = [part for group in _groups(reply, [reply.full_text], [reply.thinking or ""]) for part in group]
        return json_answer(_response(reply, request, parts, last=True), headers={"content-type": _JSON})
    groups = list(_groups(reply, text_pieces(reply), words(reply.thinking or ""))) or [[{"text": ""}]]
    responses = [_response(reply, request, parts, last=index == len(groups) - 1) for index, parts in enumerate(groups)]
    error = None if reply.stream_error is None else _error(reply.stream_error)
    responses = cut_events(responses, reply.stream_error_after, error)
    if request.query.get("alt") == "sse":
        events = [f"data: {dump(response)}\r\n\r\n".encode() for response in responses]
        return Answer(200, {"content-type": "text/event-stream"}, events, chunked=True)
    # Google ends an element with a line feed and starts the next one with ",\r\n"; clients split there.
    pieces = [
        b"%b%b\n" % (b",\r\n" if index else b"[", dump(response).encode()) for index, response in enumerate(responses)
    ]
    return Answer(200, {"content-type": _JSON}, [*pieces, b"]\n"], chunked=True)


def failure(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"error": {"code", "message", "status"}}`; within an array where the answer would have been one."""
    body: Any = _error(failed)
    if request.stream and request.query.get("alt") != "sse":
        body = [body]
    return json_answer(body, status=failed.status, headers={"content-type": _JSON})


def _error(failed: Failure) -> dict[str, Any]:
    status = failed.type or _STATUS.get(failed.status, "UNKNOWN")
    return {"error": {"code": failed.status, "message": failed.message, "status": status}}


def _groups(reply: Reply, texts: list[str], thoughts: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The parts, grouped as a stream sends them: a chunk for each piece of text, one for the calls."""
    for thought in thoughts:
        if thought:
            yield [{"text": thought, "thought": True}]
    signature = {"thoughtSignature": reply.signature} if reply.signature else {}
    filled = [text for text in texts if text]
    for number, text in enumerate(filled, start=1):
        signed = number == len(filled) and not reply.tool_calls
        yield [{"text": text, **(signature if signed else {})}]
    if reply.tool_calls:
        yield [
            {
                "functionCall": {"name": call.name, "args": dict(call.arguments)},
                **(signature if index == 0 else {}),
            }
            for index, call in enumerate(reply.tool_calls)
        ]


def _response(reply: Reply, request: ReceivedRequest, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if last:
        candidate["finishReason"] = _FINISH_REASONS.get(reply.finish_reason, reply.finish_reason)
    candidate["index"] = 0
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(usage_of(reply, request)),
        "modelVersion": reply.model or request.model,
        "responseId": f"standin{request.serial:06d}",
    }


def _usage(usage: Usage) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning,
        "totalTokenCount": usage.prompt + usage.output_tokens,
    }
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts
