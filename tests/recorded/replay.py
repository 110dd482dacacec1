"""Serves recorded provider answers as an upstream: the path `/case/<provider>/<name>/...` says which.

An answer goes out as it was recorded, event by event. Two things are adapted to what the gateway asks for, as the
provider itself would: Google sends the events of a stream as one JSON list unless the request says `alt=sse`,
and a provider of OpenAI's kind sends the same answer as a stream or as JSON.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Case = dict[str, Any]

_PATH = re.compile(r"^/case/([^/]+/[^/?]+)(.*)$")


class ReplayServer:
    """The upstream, as a context manager; `url(case)` is the custom host for one case."""

    def __init__(self, directory: Path) -> None:
        class Handler(_Handler):
            root = directory

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/case/{name}"


class _Handler(BaseHTTPRequestHandler):
    root: Path
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers.get("content-length") or 0))
        found = _PATH.match(self.path)
        assert found is not None
        case: Case = json.loads((self.root / f"{found[1]}.json").read_text())
        response = case["response"]
        headers = {name: value for name, value in response["headers"].items() if name.lower() != "content-length"}
        kind, pieces = _adapted(case, found[2], request)
        headers["content-type"] = kind
        self.send_response(response["status"])
        for name, value in headers.items():
            self.send_header(name, value)
        if len(pieces) == 1:
            self.send_header("content-length", str(len(pieces[0])))
            self.end_headers()
            self.wfile.write(pieces[0])
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")


def body_of(case: Case) -> bytes:
    response = case["response"]
    if "body_base64" in response:
        return base64.b64decode(response["body_base64"])
    return str(response.get("body_text") or "").encode()


def content_type(case: Case) -> str:
    return str(case["response"]["headers"].get("content-type") or "application/json")


def is_stream(case: Case) -> bool:
    """Whether the recorded answer is a stream, whichever way the provider writes one."""
    kind = content_type(case)
    return case["response"]["status"] == 200 and (
        "event-stream" in kind or "eventstream" in kind or ":streamGenerateContent" in case["request"]["path"]
    )


def _adapted(case: Case, path: str, request: bytes) -> tuple[str, list[bytes]]:
    kind, body = content_type(case), body_of(case)
    if ":streamGenerateContent" in path and is_stream(case):
        events = json.loads(body) if body.lstrip().startswith(b"[") else sse_events(body)
        if "alt=sse" in path:
            return "text/event-stream", [b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events]
        texts = [json.dumps(event, indent=2, ensure_ascii=False).encode() for event in events]
        return "application/json", [b"[" + texts[0], *(b"\n,\r\n" + text for text in texts[1:]), b"\n]"]
    if case["response"]["status"] == 200 and path.partition("?")[0].endswith("/chat/completions"):
        wants_stream = bool(json.loads(request).get("stream"))
        if wants_stream and not is_stream(case) and isinstance(json.loads(body).get("choices"), list):
            events = [*as_stream(json.loads(body)), "[DONE]"]
            return "text/event-stream", [_event(event) for event in events]
        if not wants_stream and is_stream(case):
            return "application/json", [json.dumps(as_json(sse_events(body))).encode()]
    if "vnd.amazon.eventstream" in kind:
        return kind, [frame for frame, _, _ in aws_frames(body)]
    if is_stream(case):
        return kind, [piece for piece in re.split(rb"(?<=\r\n\r\n)|(?<=\n\n)", body) if piece]
    return kind, [body]


def _event(value: Any) -> bytes:
    return f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()


def sse_events(body: bytes) -> list[Any]:
    """The JSON values of the events, without `[DONE]`."""
    events = []
    for block in re.split(r"\r\n\r\n|\n\n", body.decode()):
        data = "\n".join(line[5:].lstrip(" ") for line in re.split(r"\r\n|\n", block) if line.startswith("data:"))
        if data and data.strip() != "[DONE]":
            events.append(json.loads(data))
    return events


def aws_frames(body: bytes) -> list[tuple[bytes, dict[str, str], bytes]]:
    """Each frame of an AWS event stream: its bytes, its headers, its payload."""
    frames, start = [], 0
    while start < len(body):
        length, headers_length = struct.unpack(">II", body[start : start + 8])
        headers, at = {}, start + 12
        while at < start + 12 + headers_length:
            name_end = at + 1 + body[at]
            value_length = struct.unpack(">H", body[name_end + 1 : name_end + 3])[0]
            value_end = name_end + 3 + value_length
            headers[body[at + 1 : name_end].decode()] = body[name_end + 3 : value_end].decode()
            at = value_end
        frames.append((body[start : start + length], headers, body[at : start + length - 4]))
        start += length
    return frames


def as_stream(answer: Any) -> list[Any]:
    """An answer of OpenAI's kind as the events of its stream: the message, then the end with the counts."""
    base = {key: value for key, value in answer.items() if key not in ("choices", "usage", "object")}
    base["object"] = "chat.completion.chunk"
    begin, end = [], []
    for choice in answer["choices"]:
        delta = dict(choice.get("message") or {})
        if delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": n, **call} for n, call in enumerate(delta["tool_calls"])]
        rest = {key: value for key, value in choice.items() if key not in ("message", "finish_reason")}
        begin.append({**rest, "delta": delta, "finish_reason": None})
        end.append({"index": choice.get("index", 0), "delta": {}, "finish_reason": choice.get("finish_reason")})
    return [{**base, "choices": begin}, {**base, "choices": end, "usage": answer.get("usage")}]


def as_json(events: list[Any]) -> Any:
    """The events of a stream of OpenAI's kind as the JSON answer: strings are joined, calls put together."""
    answer: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    finish = None
    for event in events:
        answer |= {key: value for key, value in event.items() if key != "choices" and value is not None}
        for choice in event.get("choices") or []:
            if choice.get("index"):
                continue  # a LangChain stream is one message
            finish = choice.get("finish_reason") or finish
            for key, value in (choice.get("delta") or {}).items():
                if key == "tool_calls":
                    join_calls(message.setdefault("tool_calls", []), value or [])
                elif key == "content" and (isinstance(value, list) or isinstance(message.get(key), list)):
                    message[key] = [*_parts(message.get(key)), *_parts(value)]
                elif isinstance(value, str) and key != "role":
                    message[key] = (message.get(key) or "") + value
                elif value:
                    message[key] = value
    for call in message.get("tool_calls", ()):
        call.pop("index", None)
    answer["object"] = "chat.completion"
    return {**answer, "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content or []


def join_calls(calls: list[Any], pieces: list[Any]) -> None:
    """Add the pieces of tool calls in a delta to the calls so far; a new id or name begins a call."""
    for piece in pieces:
        function = piece.get("function") or {}
        known = [call for call in calls if call.get("index") == piece.get("index")] if "index" in piece else calls[-1:]
        begins = not known or (piece.get("id") and piece["id"] != known[-1]["id"])
        if begins:
            call = {"index": piece.get("index"), "id": piece.get("id"), "type": "function"}
            calls.append({**call, "function": {"name": function.get("name"), "arguments": ""}})
        target = calls[-1] if begins else known[-1]
        arguments = function.get("arguments") or ""
        target["function"]["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)
