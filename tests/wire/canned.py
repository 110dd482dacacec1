"""A model whose gateway answers what the test says, without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import httpx
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGenerationChunk

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.catalogue import Catalogue, Provider
from langchain_pollinations_portkey.wire.chat.answer import read_answer
from langchain_pollinations_portkey.wire.chat.stream import StreamAssembler

_OPTIONS = {
    "bedrock": {"aws_access_key_id": "id", "aws_secret_access_key": "secret"},
    "vertex-ai": {"vertex_project_id": "project", "vertex_region": "region"},
}


def provider(name: str) -> Provider:
    return Catalogue.default().provider(name)


def event(delta: Mapping[str, Any] | None = None, /, *, index: int | None = 0, **more: Any) -> dict[str, Any]:
    """One event: `delta` in a choice; keys known to stand on the answer go there, others on the choice."""
    top = {key: more.pop(key) for key in ("id", "model", "usage", "provider", "citations", "created") if key in more}
    choice = {"delta": delta, "finish_reason": None, **more}
    if index is not None:
        choice["index"] = index
    if delta is None:
        del choice["delta"]
    return {"id": "answer-1", "object": "chat.completion.chunk", "model": "served", **top, "choices": [choice]}


def end(reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return event({}, finish_reason=reason, **more)


def call(index: int | None = None, arguments: Any = None, /, **fields: Any) -> dict[str, Any]:
    """A piece of a tool call."""
    function = {key: fields.pop(key) for key in ("name", "thought_signature") if key in fields}
    if arguments is not None:
        function["arguments"] = arguments
    piece = {**fields, "function": function}
    return piece if index is None else {"index": index, **piece}


def calls(*pieces: Any) -> dict[str, Any]:
    return event({"tool_calls": list(pieces)})


def answer(message: Mapping[str, Any], reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    choice |= {key: more.pop(key) for key in ("logprobs", "groundingMetadata") if key in more}
    return {"id": "answer-1", "object": "chat.completion", "model": "served", "choices": [choice], **more}


def sse(events: Sequence[Any], *, done: bool = True) -> bytes:
    lines = [event if isinstance(event, str) else json.dumps(event, ensure_ascii=False) for event in events]
    return "".join(f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if done else [])]).encode()


def assemble(events: Sequence[Any], name: str | None = "openai", **facts: Any) -> list[ChatGenerationChunk]:
    """The chunks of a whole stream of a provider."""
    quirks = provider(name).quirks if name else None
    assembler = StreamAssembler(requested_model="asked", quirks=quirks, facts=facts)
    chunks = [chunk for event in events for chunk in assembler.feed(event)]
    return [*chunks, *assembler.finish()]


def whole(chunks: Sequence[ChatGenerationChunk]) -> AIMessageChunk:
    messages = [chunk.message for chunk in chunks]
    assert all(isinstance(message, AIMessageChunk) for message in messages)
    return add_ai_message_chunks(*messages)  # type: ignore[arg-type]


def read(body: Any, name: str | None = "openai", **facts: Any) -> Any:
    """The first message of a JSON answer of a provider."""
    quirks = provider(name).quirks if name else None
    return read_answer(body, requested_model="asked", quirks=quirks, facts=facts).generations[0].message


class Gateway:
    """Answers every request with one body: bytes, pieces of bytes, or a value for JSON."""

    def __init__(self, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        pieces = body if isinstance(body, list) and body and isinstance(body[0], bytes) else None
        self.pieces: list[bytes] = pieces or [body if isinstance(body, bytes) else json.dumps(body).encode()]
        self.status = status
        self.headers = {"x-portkey-trace-id": "trace-1", **(headers or {})}
        self.requests: list[dict[str, Any]] = []

    def model(self, name: str = "openai", **fields: Any) -> ChatPortkey:
        """A model of a provider behind this gateway."""
        self.headers.setdefault("x-portkey-provider", name)
        settings: dict[str, Any] = {
            "model": "asked",
            "provider": name,
            "api_key": None if name == "bedrock" else "key",
            "provider_options": _OPTIONS.get(name, {}),
            "max_tokens": 500,
            "max_retries": 0,
            "http_client": httpx.Client(transport=httpx.MockTransport(self._answer)),
            "http_async_client": httpx.AsyncClient(transport=httpx.MockTransport(self._answer_async)),
        }
        return ChatPortkey(**settings | fields)

    def _note(self, request: httpx.Request) -> bool:
        if request.method == "HEAD":
            return False
        self.requests.append(json.loads(request.content))
        return True

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not self._note(request):
            return httpx.Response(200)

        def pieces() -> Iterator[bytes]:
            yield from self.pieces

        return httpx.Response(self.status, headers=self.headers, content=pieces())

    async def _answer_async(self, request: httpx.Request) -> httpx.Response:
        if not self._note(request):
            return httpx.Response(200)

        async def pieces() -> AsyncIterator[bytes]:
            for piece in self.pieces:
                yield piece

        return httpx.Response(self.status, headers=self.headers, content=pieces())


def added(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


class Tokens(BaseCallbackHandler):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.ends = 0
        self.errors: list[BaseException] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.ends += 1

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(error)


async def use(model: Any, way: str, config: Any) -> None:
    """Receive a whole answer in one of the ways there are."""
    match way:
        case "stream":
            list(model.stream("hi", config))
        case "astream":
            assert [chunk async for chunk in model.astream("hi", config)]
        case "invoke":
            model.invoke("hi", config)
        case "ainvoke":
            await model.ainvoke("hi", config)
        case "v2":
            seen = [e async for e in model.astream_events("hi", config, version="v2")]
            assert sum(e["event"] == "on_chat_model_stream" for e in seen) == 3
        case "v3":
            list(model.stream_events("hi", config, version="v3"))
        case _:
            stream = await model.astream_events("hi", config, version="v3")
            assert [event async for event in stream]
            await stream.output
            await asyncio.sleep(0.01)  # its task tells the end after it gives the output
