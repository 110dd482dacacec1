"""What the stand-in received, and which provider's interface the path belongs to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

Wire = Literal[
    "openai",
    "anthropic",
    "bedrock",
    "gemini",
    "embeddings",
    "bedrock-embeddings",
    "cohere-embeddings",
    "gemini-embeddings",
    "nomic-embeddings",
    "ollama-embeddings",
    "vertex-embeddings",
    "unknown",
]
"""Whose interface it is: for chat, and for embeddings; `embeddings` alone is OpenAI's."""

_SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token", "cookie"}
)
_KEY_IN_QUERY = re.compile(r"([?&]key=)[^&]*")

# The end of a path decides the wire, so anything may stand before it. Azure has the model in the path.
# `/openai` at the end is the chat endpoint of text.pollinations.ai, an OpenAI-compatible one.
_ROUTES: tuple[tuple[re.Pattern[str], Wire], ...] = (
    (re.compile(r"/deployments/(?P<model>[^/]+)/chat/completions$"), "openai"),
    (re.compile(r"/deployments/(?P<model>[^/]+)/embeddings$"), "embeddings"),
    (re.compile(r"/chat/completions$"), "openai"),
    (re.compile(r"/openai$"), "openai"),
    (re.compile(r"/api/embeddings$"), "ollama-embeddings"),
    (re.compile(r"/embeddings$"), "embeddings"),
    (re.compile(r"/embedding/text$"), "nomic-embeddings"),
    (re.compile(r"/v2/embed$"), "cohere-embeddings"),
    (re.compile(r"/publishers/google/models/(?P<model>[^/]+):predict$"), "vertex-embeddings"),
    (re.compile(r"/models/(?P<model>[^/]+):embedContent$"), "gemini-embeddings"),
    (re.compile(r"/model/(?P<model>[^/]+)/invoke$"), "bedrock-embeddings"),
    (re.compile(r"/messages$"), "anthropic"),
    (
        re.compile(r"/publishers/anthropic/models/(?P<model>[^/]+):(?P<verb>rawPredict|streamRawPredict)$"),
        "anthropic",
    ),
    (re.compile(r"/model/(?P<model>[^/]+)/(?P<verb>converse|converse-stream)$"), "bedrock"),
    (re.compile(r"/models/(?P<model>[^/]+):(?P<verb>generateContent|streamGenerateContent)$"), "gemini"),
)
_STREAM_VERBS = frozenset({"streamRawPredict", "converse-stream", "streamGenerateContent"})


@dataclass(slots=True, repr=False)
class ReceivedRequest:
    """One request, as it arrived.

    Attributes:
        wire: which provider's interface was addressed; "unknown" if the path is none of them.
        method: the HTTP method.
        path: the raw request target, query included.
        headers: by lower-case name; of a repeated header the last value.
        header_items: (name, value) as sent, in order and case.
        body: the raw body.
        json: the parsed body, None if it is not JSON.
        model: the model asked for, from the path or the body.
        stream: whether a stream was asked for.
        vertex: whether the path is one of Vertex AI's.
        lenient: whether the rules that only OpenAI itself has are off: path prefix `/lenient`, or `/openai`
            at the end.
        received_at: seconds since the epoch.
        serial: 1 for the provider's first request, and so on.
        refused: None, or the reason why the stand-in refused the request.
        client_gone: True once the other side had closed before the whole answer was written.
    """

    wire: Wire
    method: str
    path: str
    headers: dict[str, str]
    header_items: list[tuple[str, str]]
    body: bytes
    json: Any
    model: str | None
    stream: bool
    vertex: bool = False
    lenient: bool = False
    received_at: float = 0.0
    serial: int = 0
    refused: str | None = None
    client_gone: bool = field(default=False)

    def __repr__(self) -> str:
        """Everything but the credentials: header values and `key=` in the path are masked."""
        shown = {name: "***" if name in _SECRET_HEADERS else value for name, value in self.headers.items()}
        path = _KEY_IN_QUERY.sub(r"\1***", self.path)
        return (
            f"ReceivedRequest(wire={self.wire!r}, method={self.method!r}, "
            f"path={path!r}, model={self.model!r}, stream={self.stream}, "
            f"refused={self.refused!r}, headers={shown!r}, body={len(self.body)} bytes)"
        )

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last value."""
        return {name: values[-1] for name, values in parse_qs(self.path.partition("?")[2]).items()}


def receive(
    method: str,
    target: str,
    header_items: Sequence[tuple[str, str]],
    body: bytes,
    *,
    received_at: float = 0.0,
    serial: int = 0,
) -> ReceivedRequest:
    """Classifies a request by its path and parses its body."""
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        parsed = None
    fields = parsed if isinstance(parsed, dict) else {}
    path = target.partition("?")[0]
    wire: Wire = "unknown"
    model = fields.get("model") if isinstance(fields.get("model"), str) else None
    stream = fields.get("stream") is True
    for pattern, candidate in _ROUTES:
        found = pattern.search(path)
        if found is None:
            continue
        wire = candidate
        groups = found.groupdict()
        if "model" in groups:
            model = unquote(groups["model"])
        if "verb" in groups:
            stream = groups["verb"] in _STREAM_VERBS
        break
    return ReceivedRequest(
        wire=wire,
        method=method,
        path=target,
        headers={name.lower(): value for name, value in header_items},
        header_items=list(header_items),
        body=body,
        json=parsed,
        model=model,
        stream=stream,
        vertex="/publishers/" in path,
        lenient=path.startswith("/lenient/") or path.endswith("/openai"),
        received_at=received_at,
        serial=serial,
    )
