"""Streams that go wrong, and when their chunks leave."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from langchain_pollinations_portkey.errors import (
    PortkeyConnectionError,
    PortkeyInvalidResponseError,
    PortkeyStatusError,
    PortkeyStreamError,
    PortkeyStreamTruncatedError,
    PortkeyTimeoutError,
)
from tests.wire.canned import Gateway, Tokens, added, answer, end, event, sse, use

pytestmark = [
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.LossWarning"),
]

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def text(said: str) -> dict[str, Any]:
    return event({"content": said})


BROKEN: dict[str, tuple[list[Any], type[Exception], str]] = {
    "no finish reason": ([text("Half of it")], PortkeyStreamTruncatedError, "Half of it"),
    "an error event": (
        [text("Half"), {"error": {"message": "Overloaded", "type": "server_error"}}],
        PortkeyStreamError,
        "Half",
    ),
    "Bedrock's exception": ([text("Half"), event({"finish_reason": "stop"})], PortkeyStreamError, "Half"),
    "Anthropic's overload": ([text("Half"), end("overloaded_error")], PortkeyStreamError, "Half"),
    "no JSON": ([text("Half"), "{broken"], PortkeyStreamError, "Half"),
}


@pytest.mark.parametrize(("events", "error", "partial"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_stream_raises_with_what_had_come(
    events: list[Any], error: type[Exception], partial: str
) -> None:
    several: dict[str, dict[str, Any]] = {"invoke": {"streaming": True}, "v1": {"output_version": "v1"}}
    for way in ("stream", "astream", "invoke", "v1", "v3"):
        tokens = Tokens()
        model = Gateway(sse(events), headers={"x-request-id": "r1"}).model(**several.get(way, {}))
        config: Any = {"callbacks": [tokens]}
        with pytest.raises(error) as raised:
            await use(model, "stream" if way == "v1" else way, config)
        found: Any = raised.value
        assert found.partial.content == partial
        assert isinstance(found.partial.content, str)
        assert (found.provider, found.trace_id, found.request_id, found.status_code) == ("openai", "trace-1", "r1", 200)
        assert found.response.status_code == 200
        assert not found.response.request.headers.get("authorization")
        assert tokens.ends == 0
        assert tokens.errors == [found]


def test_a_cut_last_event_is_a_truncated_stream() -> None:
    body = sse([text("Half"), end()], done=False)[:-20]
    with pytest.raises(PortkeyStreamTruncatedError) as raised:
        list(Gateway(body).model().stream("hi"))
    assert raised.value.partial is not None


def test_an_empty_stream_is_truncated() -> None:
    with pytest.raises(PortkeyStreamTruncatedError) as raised:
        list(Gateway(b"").model().stream("hi"))
    assert raised.value.partial is None


def test_the_error_names_what_is_known_to_break_streams_there() -> None:
    with pytest.raises(PortkeyStreamTruncatedError, match="Groq reports inside a stream"):
        list(Gateway(sse([text("Half")])).model("groq").stream("hi"))


def failing(pieces: list[bytes], error: Exception) -> httpx.Client:
    def answer_with(request: httpx.Request) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200)

        def body() -> Any:
            yield from pieces
            raise error

        return httpx.Response(200, content=body())

    return httpx.Client(transport=httpx.MockTransport(answer_with))


def test_a_connection_that_breaks_after_the_end_is_no_error() -> None:
    client = failing([sse([text("Hi"), end()], done=False)], httpx.ReadError("reset"))
    assert added(list(Gateway(b"").model(http_client=client).stream("hi"))).text == "Hi"


def test_a_connection_that_breaks_before_the_end_is_a_truncated_stream() -> None:
    client = failing([sse([text("Half")], done=False)], httpx.ReadError("reset"))
    with pytest.raises(PortkeyStreamTruncatedError) as raised:
        list(Gateway(b"").model(http_client=client).stream("hi"))
    assert raised.value.partial is not None
    assert not isinstance(raised.value, PortkeyConnectionError)


def test_silence_in_a_stream_is_a_timeout() -> None:
    client = failing([sse([text("Half")], done=False)], httpx.ReadTimeout("silence"))
    with pytest.raises(PortkeyTimeoutError) as raised:
        list(Gateway(b"").model(http_client=client).stream("hi"))
    assert raised.value.partial is not None


def test_a_json_answer_to_a_stream_is_read() -> None:
    body = json.dumps(answer({"content": "Hi"}, usage=USAGE)).encode()
    for pieces in ([body], [b"\n ", body[:1], body[1:50], body[50:]]):
        chunks = list(Gateway(pieces).model().stream("hi"))
        assert added(chunks).text == "Hi"
        assert added(chunks).usage_metadata is not None


async def test_a_json_error_with_status_200_is_an_error() -> None:
    body = {"error": {"message": 'Invalid response received from openrouter: {"error":{"message":"Bad","code":502}}'}}
    for way in ("stream", "invoke"):
        with pytest.raises(PortkeyStatusError, match="Bad") as raised:
            await use(Gateway(body).model("openrouter"), way, {})
        assert raised.value.body == body
        assert raised.value.error_code == 502


async def test_no_answer_at_all_with_status_200_is_an_error() -> None:
    body = {"id": "x", "choices": [], "usage": {}}
    for way in ("stream", "invoke"):
        with pytest.raises(PortkeyInvalidResponseError, match="blocks the prompt") as raised:
            await use(Gateway(body).model("vertex-ai"), way, {})
        assert (raised.value.status_code, raised.value.provider) == (200, "vertex-ai")


# ---------------------------------------------------------------- timeliness


def test_a_chunk_leaves_before_the_next_event_has_come() -> None:
    seen: list[str] = []

    def body() -> Any:
        for word in ("a", "b"):
            yield sse([text(word)], done=False)
            seen.append(f"sent {word}")
        yield sse([end()])

    def answer_with(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200) if request.method == "HEAD" else httpx.Response(200, content=body())

    model = Gateway(b"").model(http_client=httpx.Client(transport=httpx.MockTransport(answer_with)))
    seen.extend(f"got {chunk.text}" for chunk in model.stream("hi"))
    assert seen[:4] == ["got a", "sent a", "got b", "sent b"]


async def test_breaking_out_of_a_stream_closes_it() -> None:
    closed: list[str] = []

    class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Any:
            while True:
                yield sse([text("a")], done=False)

        async def __aiter__(self) -> Any:
            while True:
                yield sse([text("a")], done=False)

        def close(self) -> None:
            closed.append("sync")

        async def aclose(self) -> None:
            closed.append("async")

    def answer_with(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200) if request.method == "HEAD" else httpx.Response(200, stream=Body())

    transport = httpx.MockTransport(answer_with)
    model = Gateway(b"").model(
        http_client=httpx.Client(transport=transport), http_async_client=httpx.AsyncClient(transport=transport)
    )
    for chunk in model.stream("hi"):
        assert chunk.text == "a"
        break
    stream = model.astream("hi")
    async for chunk in stream:
        assert chunk.text == "a"
        break
    await stream.aclose()  # type: ignore[attr-defined]
    del stream
    await asyncio.sleep(0.01)  # LangChain leaves the generator to the event loop
    assert closed == ["sync", "async"]


def test_an_answer_read_through_a_stream_has_to_be_whole_in_time() -> None:
    def body() -> Any:
        for _ in range(100):
            yield sse([text("a")], done=False)
            time.sleep(0.02)

    def answer_with(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200) if request.method == "HEAD" else httpx.Response(200, content=body())

    client = httpx.Client(transport=httpx.MockTransport(answer_with))
    began = time.monotonic()
    with pytest.raises(PortkeyTimeoutError) as raised:
        Gateway(b"").model("deepseek", http_client=client, timeout=0.2).invoke("hi")
    assert time.monotonic() - began < 1
    assert raised.value.partial is not None
