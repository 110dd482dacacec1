"""What LangChain's run has to do with the gateway's trace id and metadata, and what LangSmith gets to see."""

from __future__ import annotations

import gzip
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import BaseTracer
from langsmith import Client

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyAuthenticationError
from langchain_pollinations_portkey.testing import Failure, StandInProvider


class Tracer(BaseTracer):
    """Keeps the outermost runs."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.runs.append(run)


@pytest.fixture
def model(provider: StandInProvider) -> ChatPortkey:
    """A model that takes the stand-in for the gateway, so that its headers can be seen."""
    return ChatPortkey(model="openai/gpt-4o", api_key="sentinel-key", base_url=provider.url, max_retries=0)


def trace_ids(provider: StandInProvider) -> list[str | None]:
    return [request.headers.get("x-portkey-trace-id") for request in provider.requests if request.method == "POST"]


class TestTraceId:
    def test_of_a_call_alone_is_its_run(self, model: ChatPortkey, provider: StandInProvider) -> None:
        run_id = uuid.uuid4()
        model.invoke("Hello", config={"run_id": run_id})
        assert trace_ids(provider) == [str(run_id)]

    @pytest.mark.parametrize("traced", [True, False])
    def test_groups_the_calls_of_a_chain(self, traced: bool, model: ChatPortkey, provider: StandInProvider) -> None:
        def twice(_: Any) -> str:
            list(model.stream("Hello"))
            return str(model.invoke("Hello").content)

        tracer = Tracer()
        RunnableLambda(twice).invoke("x", config={"callbacks": [tracer] if traced else []})
        first, second = trace_ids(provider)
        assert first is not None
        assert first == second
        if traced:
            assert first == str(tracer.runs[0].trace_id)

    async def test_async_and_streamed(self, model: ChatPortkey, provider: StandInProvider) -> None:
        tracer = Tracer()
        chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model
        await chain.ainvoke({"question": "Hello"}, config={"callbacks": [tracer]})
        _ = [chunk async for chunk in chain.astream({"question": "Hello"}, config={"callbacks": [tracer]})]
        assert trace_ids(provider) == [str(run.trace_id) for run in tracer.runs]

    def test_given_one_wins(self, model: ChatPortkey, provider: StandInProvider) -> None:
        model.invoke("Hello", trace_id="mine")
        model.model_copy(update={"trace_id": "ours"}).invoke("Hello")
        model.invoke("Hello", trace_id=None)
        assert trace_ids(provider) == ["mine", "ours", None]


class TestMetadata:
    def test_of_the_run_goes_only_when_asked_for(self, model: ChatPortkey, provider: StandInProvider) -> None:
        config: Any = {"metadata": {"plan": "paid", "deep": {"a": 1}}, "tags": ["web", "eu"]}
        model.invoke("Hello", config=config)
        assert "x-portkey-metadata" not in provider.last.headers
        wanting = model.model_copy(update={"metadata_from_run": True, "portkey_metadata": {"team": "a"}})
        wanting.invoke("Hello", config=config)
        assert json.loads(provider.last.headers["x-portkey-metadata"]) == {
            "plan": "paid",
            "tags": "web,eu",
            "team": "a",
        }

    def test_facts_of_the_gateway_are_in_the_run(self, model: ChatPortkey, provider: StandInProvider) -> None:
        tracer = Tracer()
        model.invoke("Hello", config={"callbacks": [tracer]})
        list(model.stream("Hello", config={"callbacks": [tracer]}))
        assert ["ls_gateway_info" in run.extra["metadata"] for run in tracer.runs] == [True, True]


class LangSmith(BaseHTTPRequestHandler):
    """Takes whatever a LangSmith client sends."""

    received: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.append(body)
        self.send_response(202)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PATCH = do_POST  # noqa: N815 - the standard library's name

    def do_GET(self) -> None:
        body = b'{"version": "0.13.0", "batch_ingest_config": {"use_multipart_endpoint": false}}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def langsmith() -> Iterator[tuple[str, list[bytes]]]:
    LangSmith.received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), LangSmith) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", LangSmith.received
        server.shutdown()


def test_langsmith_sees_no_key(langsmith: tuple[str, list[bytes]], provider: StandInProvider) -> None:
    from langchain_core.tracers.langchain import LangChainTracer

    url, received = langsmith
    client = Client(api_url=url, api_key="not-ours", auto_batch_tracing=False)
    tracer = LangChainTracer(client=client, project_name="test")
    provider.script(Failure(401, "Incorrect API key provided: sentinel-key-of-openai"))
    model = ChatPortkey(
        model="openai/gpt-4o",
        api_key="sentinel-key-of-openai",
        api_keys={"anthropic": "sentinel-key-of-anthropic"},
        default_headers={"x-custom-token": "sentinel-header"},
        provider_options={"openai_project": "visible"},
        base_url=provider.url,
        max_retries=0,
    )
    config: Any = {"callbacks": [tracer]}
    with pytest.raises(PortkeyAuthenticationError):
        model.invoke("Hello", config=config)
    model.bind(api_key="sentinel-bound").invoke("Hello", config=config)
    list(model.stream("Hello", config=config, extra_headers={"authorization": "sentinel-call"}))
    tracer.wait_for_futures()
    uploaded = b"".join(received)
    assert b"gpt-4o" in uploaded
    assert b"sentinel" not in uploaded
