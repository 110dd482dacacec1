"""Embeddings through the real gateway: what each provider receives, and the vectors that come back."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from langchain_pollinations_portkey import PortkeyEmbeddings, _sending
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyBadRequestError,
    PortkeyContextOverflowError,
    PortkeyError,
    PortkeyGatewayError,
    PortkeyGuardrailError,
    PortkeyInvalidResponseError,
    PortkeyModelNotFoundError,
    PortkeyRateLimitError,
    PortkeyServerError,
    PortkeyTimeoutError,
)
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.gateway.plain_build import EMBEDDINGS_HEADER, STREAM_HEADER, Build
from langchain_pollinations_portkey.notices import GatewayBuildWarning, LossWarning
from langchain_pollinations_portkey.testing import Failure, RawAnswer, ReceivedRequest, Reply, StandInProvider
from langchain_pollinations_portkey.testing.wires.embeddings import vector

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings(f"ignore::{GatewayBuildWarning.__module__}.GatewayBuildWarning"),
]

OPTIONS = {
    "bedrock": {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "secret", "aws_region": "us-east-1"},
    "vertex-ai": {"vertex_project_id": "project", "vertex_region": "us-central1"},
    "azure-openai": {"resource_name": "resource", "deployment_id": "deployment", "api_version": "2024-10-21"},
    "azure-ai": {"azure_foundry_url": "https://example.com"},
}
LENIENT = {"voyage"}
"""They speak OpenAI's interface with parameters of their own."""

TEXTS = ["one", "two"]
BATCH = {"input": TEXTS}
GOOGLE = {"model": "gemini-embedding-001"}
VERTEX = "RETRIEVAL_DOCUMENT"


def parts(text: str) -> dict[str, Any]:
    return {**GOOGLE, "content": {"parts": [{"text": text}]}}


def instance(text: str, task: str = VERTEX) -> dict[str, Any]:
    return {"content": text, "task_type": task}


MODELS: dict[str, list[Any]] = {
    "openai/text-embedding-3-small": [{"model": "text-embedding-3-small", **BATCH}],
    "azure-openai/text-embedding-3-small": [{"model": "text-embedding-3-small", **BATCH}],
    "azure-ai/text-embedding-3-small": [{"model": "text-embedding-3-small", **BATCH}],
    "mistral-ai/mistral-embed": [{"model": "mistral-embed", **BATCH}],
    "together-ai/e5": [{"model": "e5", **BATCH}],
    "fireworks-ai/nomic": [{"model": "nomic", **BATCH}],
    "x-ai/e": [{"model": "e", **BATCH}],
    "nebius/e": [{"model": "e", **BATCH}],
    "dashscope/text-embedding-v4": [{"model": "text-embedding-v4", **BATCH}],
    "github/e": [{"model": "e", **BATCH}],
    "jina/jina-embeddings-v3": [{"model": "jina-embeddings-v3", **BATCH}],
    "voyage/voyage-3.5": [{"model": "voyage-3.5", **BATCH, "input_type": "document"}],
    "cohere/embed-v4.0": [{"model": "embed-v4.0", "texts": TEXTS, "input_type": "search_document"}],
    "nomic/nomic-embed-text-v1.5": [
        {"model": "nomic-embed-text-v1.5", "texts": TEXTS, "task_type": "search_document"}
    ],
    "bedrock/cohere.embed-english-v3": [{"texts": TEXTS, "input_type": "search_document"}],
    "bedrock/us.cohere.embed-v4:0": [{"texts": TEXTS, "input_type": "search_document"}],
    "bedrock/amazon.titan-embed-text-v2:0": [{"inputText": "one"}, {"inputText": "two"}],
    "google/gemini-embedding-001": [parts("one"), parts("two")],
    "vertex-ai/text-embedding-005": [{"instances": [instance("one"), instance("two")]}],
    "vertex-ai/gemini-embedding-001": [{"instances": [instance("one")]}, {"instances": [instance("two")]}],
    "ollama/nomic-embed-text": [{"model": "nomic-embed-text", "prompt": "one"}, {"model": "nomic-embed-text", "prompt": "two"}],
}  # fmt: skip
"""What a provider is sent for two documents, one body per request."""

QUERIES: dict[str, dict[str, Any]] = {
    "openai/text-embedding-3-small": {"model": "text-embedding-3-small", "input": ["one"]},
    "voyage/voyage-3.5": {"model": "voyage-3.5", "input": ["one"], "input_type": "query"},
    "cohere/embed-v4.0": {"model": "embed-v4.0", "texts": ["one"], "input_type": "search_query"},
    "nomic/nomic-embed-text-v1.5": {"model": "nomic-embed-text-v1.5", "texts": ["one"], "task_type": "search_query"},
    "bedrock/cohere.embed-english-v3": {"texts": ["one"], "input_type": "search_query"},
    "bedrock/amazon.titan-embed-text-v2:0": {"inputText": "one"},
    "google/gemini-embedding-001": parts("one"),
    "vertex-ai/text-embedding-005": {"instances": [instance("one", "RETRIEVAL_QUERY")]},
    "vertex-ai/gemini-embedding-001": {"instances": [instance("one", "RETRIEVAL_QUERY")]},
    "ollama/nomic-embed-text": {"model": "nomic-embed-text", "prompt": "one"},
}

Make = Callable[..., PortkeyEmbeddings]


def maker(gateway: LocalGateway, provider: StandInProvider) -> Make:
    def make(model: str = "openai/text-embedding-3-small", **options: Any) -> PortkeyEmbeddings:
        name = model.partition("/")[0]
        host = provider.lenient_url if name in LENIENT else provider.url
        key = {} if name in ("bedrock", "ollama") else {"api_key": "sk-sentinel"}
        arguments = {"custom_host": host, "provider_options": OPTIONS.get(name, {}), "max_retries": 0, **key}
        return PortkeyEmbeddings(model=model, base_url=gateway.base_url, **{**arguments, **options})

    return make


@pytest.fixture
def make(pinned_gateway: LocalGateway, provider: StandInProvider) -> Make:
    return maker(pinned_gateway, provider)


def bodies(provider: StandInProvider) -> list[Any]:
    """What arrived, in an order that does not depend on which request was faster."""
    return sorted((request.json for request in provider.requests), key=json.dumps)


# ---------------------------------------------------------------------- each provider


def test_every_provider_with_embeddings_is_in_the_table():
    named = {name.partition("/")[0] for name in MODELS}
    assert named == {row.id for row in Catalogue.default().providers() if row.quirks.embeddings != "none"}


@pytest.mark.parametrize("install", ["pinned_gateway", "plain_gateway"])
@pytest.mark.parametrize("name", MODELS)
async def test_documents(name: str, install: str, provider: StandInProvider, request: pytest.FixtureRequest) -> None:
    model = maker(request.getfixturevalue(install), provider)(name)
    assert model.embed_documents(TEXTS) == [vector("one"), vector("two")]
    assert bodies(provider) == MODELS[name]
    assert [one.refused for one in provider.requests] == [None] * len(MODELS[name])
    provider.clear()
    assert await model.aembed_documents(TEXTS) == [vector("one"), vector("two")]
    assert bodies(provider) == MODELS[name]


@pytest.mark.parametrize("name", QUERIES)
async def test_queries(name: str, make: Make, provider: StandInProvider) -> None:
    assert make(name).embed_query("one") == vector("one")
    assert provider.last.json == QUERIES[name]
    assert await make(name).aembed_query("one") == vector("one")
    assert provider.last.json == QUERIES[name]


@pytest.mark.parametrize(
    ("name", "options", "sent"),
    [
        ("openai/e", {"dimensions": 4}, {"dimensions": 4}),
        ("openai/e", {"user": "u"}, {"user": "u"}),
        ("openai/e", {"encoding_format": "base64"}, {"encoding_format": "base64"}),
        ("azure-openai/e", {"dimensions": 4, "encoding_format": "base64"}, {"dimensions": 4, "encoding_format": "base64"}),
        ("fireworks-ai/e", {"dimensions": 4, "encoding_format": "base64"}, {"dimensions": 4}),
        ("x-ai/e", {"dimensions": 4, "encoding_format": "base64"}, {"dimensions": 4, "encoding_format": "base64"}),
        ("dashscope/e", {"dimensions": 4, "encoding_format": "base64"}, {"dimensions": 4}),
        ("jina/e", {"dimensions": 4}, {"dimensions": 4}),
        ("voyage/e", {"input_type": "query", "truncation": False, "encoding_format": "base64"}, {"input_type": "query", "truncation": False, "encoding_format": "base64"}),
        ("cohere/e", {"input_type": "clustering", "truncate": "END", "encoding_format": "base64"}, {"input_type": "clustering", "truncate": "END"}),
        ("bedrock/cohere.embed-english-v3", {"input_type": "clustering", "truncate": "END"}, {"input_type": "clustering", "truncate": "END"}),
        ("bedrock/amazon.titan-embed-text-v2:0", {"dimensions": 256, "normalize": False}, {"dimensions": 256, "normalize": False}),
        ("vertex-ai/e", {"dimensions": 4, "parameters": {"autoTruncate": False}}, {"parameters": {"autoTruncate": False, "outputDimensionality": 4}}),
        ("vertex-ai/gemini-embedding-001", {"dimensions": 4}, {"parameters": {"outputDimensionality": 4}}),
        ("nomic/e", {"task_type": "clustering"}, {"task_type": "clustering"}),
    ],
)  # fmt: skip
def test_parameters_arrive(name: str, options: Any, sent: Any, make: Make, provider: StandInProvider) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LossWarning)
        vectors = make(name, **options).embed_documents(["one"])
    usual = {"model", "input", "inputText", "texts", "instances"} | ({"input_type", "task_type"} - sent.keys())
    assert {key: value for key, value in provider.last.json.items() if key not in usual} == sent
    assert provider.last.refused is None
    expected = vector("one", options.get("dimensions", 8))
    assert vectors[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("openai/")])
def test_what_a_row_says_of_dimensions_is_so(name: str, make: Make, provider: StandInProvider) -> None:
    size = 256 if "titan" in name else 4
    model = make(name, dimensions=size)
    row = Catalogue.default().resolve(name).provider
    if "dimensions" in row.quirks.embedding_options:
        assert len(model.embed_query("one")) == size
        return
    with pytest.warns(LossWarning, match=f"'dimensions' on to {row.title}"):
        assert len(model.embed_query("one")) == 8


def test_a_provider_that_ignores_dimensions_is_told_of(make: Make, provider: StandInProvider) -> None:
    provider.script(Reply(embeddings=[[0.5, 0.5, 0.5]]))
    with pytest.warns(LossWarning, match="dimensions=2 was asked of OpenAI, but .* have 3"):
        make(dimensions=2).embed_query("one")


# ---------------------------------------------------------------------- many texts


@pytest.mark.parametrize(
    ("name", "options", "sizes"),
    [
        ("openai/e", {"chunk_size": 3}, [1, 3, 3]),
        ("cohere/e", {}, [7]),
        ("google/gemini-embedding-001", {"chunk_size": 3}, [1] * 7),
    ],
)
async def test_vectors_keep_the_order_of_the_texts(
    name: str, options: Any, sizes: list[int], make: Make, provider: StandInProvider
) -> None:
    texts = [f"text {number}" for number in range(7)]

    def slow_first(request: ReceivedRequest) -> Reply:
        return Reply(delay=0.2 if "text 0" in request.body.decode() else 0.0)

    provider.answer_with(slow_first)
    expected = [vector(text) for text in texts]
    assert make(name, **options).embed_documents(texts) == expected
    assert await make(name, **options).aembed_documents(texts) == expected
    counts = sorted(len(r.json.get("input") or r.json.get("texts") or [1]) for r in provider.requests)
    assert counts == sorted(sizes * 2)


class Counting(BaseHTTPRequestHandler):
    """A provider that answers when three requests are there, and counts how many are."""

    protocol_version = "HTTP/1.1"
    gate: threading.Barrier
    lock = threading.Lock()
    here = 0
    most = 0

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = type(self)
        with self.lock:
            kind.here += 1
            kind.most = max(kind.most, kind.here)
        self.gate.wait(20)
        with self.lock:
            kind.here -= 1
        data = [{"object": "embedding", "index": 0, "embedding": [float(body["input"][0])]}]
        answer = json.dumps({"object": "list", "data": data, "model": body["model"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.mark.parametrize("asynchronously", [False, True])
def test_so_many_requests_at_a_time_and_no_more(asynchronously: bool, pinned_gateway: LocalGateway) -> None:
    class Handler(Counting):
        gate = threading.Barrier(3)

    texts = [str(number) for number in range(9)]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        model = PortkeyEmbeddings(
            model="openai/e", base_url=pinned_gateway.base_url, custom_host=host, chunk_size=1, max_concurrency=3
        )
        embed = (lambda: asyncio.run(model.aembed_documents(texts))) if asynchronously else None
        vectors = embed() if embed else model.embed_documents(texts)
        server.shutdown()
    assert vectors == [[float(text)] for text in texts]
    assert Handler.most == 3


async def test_async_needs_no_thread(make: Make, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(chunk_size=1)
    await model.aembed_query("one")  # looks for the addresses of hosts, once
    before = threading.active_count()

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert await model.aembed_documents(["a", "b", "c"]) == [vector("a"), vector("b"), vector("c")]
    assert threading.active_count() <= before


def test_three_event_loops_in_a_row(make: Make) -> None:
    model = make(chunk_size=1)
    for _ in range(3):
        assert asyncio.run(model.aembed_documents(["a", "b"])) == [vector("a"), vector("b")]


# ---------------------------------------------------------------------- failures

HTML = RawAnswer(headers={"content-type": "text/html"}, body=b"<html>sorry</html>")


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (Failure(401, "Incorrect API key provided.", code="invalid_api_key"), PortkeyAuthenticationError, "OPENAI_API_KEY"),
        (Failure(404, "The model does not exist."), PortkeyModelNotFoundError, "text-embedding-3-small"),
        (Failure(429, "Slow down.", headers={"retry-after": "7"}), PortkeyRateLimitError, "Slow down"),
        (Failure(500, "Broken."), PortkeyServerError, "Broken"),
        (Failure(400, "This model's maximum context length is 8192 tokens, however you requested 9001 tokens."), PortkeyContextOverflowError, "8192"),
        (Failure(400, "Invalid 'input'."), PortkeyBadRequestError, "Invalid 'input'"),
        (Reply(embeddings=[[1.0]] * 3), PortkeyInvalidResponseError, "3 embeddings for 1 texts"),
        (Reply(embeddings=[]), PortkeyInvalidResponseError, "0 embeddings for 1 texts"),
        (Reply(embeddings=[[]]), PortkeyInvalidResponseError, "index 0 is empty"),
        (RawAnswer(body=b"{}"), PortkeyInvalidResponseError, "no embeddings"),
        (HTML, PortkeyInvalidResponseError, "sorry"),
    ],
)  # fmt: skip
async def test_failures(
    answer: Any, kind: type[PortkeyError], text: str, make: Make, provider: StandInProvider
) -> None:
    for call in (make().embed_query, lambda one: asyncio.run(make().aembed_query(one))):
        provider.script(answer)
        with pytest.raises(kind, match=text) as raised:
            await asyncio.to_thread(call, "one")
        assert "sk-sentinel" not in str(raised.value) + repr(raised.value.__dict__)


async def test_an_error_ends_the_rest_and_comes_as_it_is(make: Make, provider: StandInProvider) -> None:
    model = make(chunk_size=1, max_concurrency=2)
    texts = [f"text {number}" for number in range(30)]

    def third_fails(request: ReceivedRequest) -> Any:
        return Failure(400, "Not this one.") if "text 2" in request.json["input"] else None

    for embed in (model.embed_documents, lambda all_: asyncio.run(model.aembed_documents(all_))):
        provider.clear()
        provider.answer_with(third_fails)
        with pytest.raises(PortkeyBadRequestError, match="Not this one") as raised:
            await asyncio.to_thread(embed, texts)
        assert raised.value.__context__ is None
        assert len(provider.requests) < len(texts)


@pytest.mark.parametrize(
    "name", ["openai/e", "cohere/e", "google/e", "bedrock/amazon.titan-embed-text-v2:0", "ollama/e", "nomic/e"]
)
def test_rate_limits_are_waited_for(name: str, make: Make, provider: StandInProvider) -> None:
    provider.script(Failure(429, "Slow down.", headers={"retry-after": "0"}))
    assert make(name, max_retries=1).embed_query("one") == vector("one")
    assert len(provider.requests) == 2
    provider.script(Failure(429, "Slow down.", headers={"retry-after": "0"}))
    with pytest.raises(PortkeyRateLimitError, match="Slow down"):
        make(name).embed_query("one")


def test_the_gateway_repeats_what_failed_at_the_provider(make: Make, provider: StandInProvider) -> None:
    provider.script(Failure(503, "Overloaded."))
    assert make(max_retries=1).embed_query("one") == vector("one")
    assert len(provider.requests) == 2


async def test_a_time_limit_holds_for_each_request(make: Make, provider: StandInProvider) -> None:
    provider.answer_with(lambda _: Reply(delay=20))
    with pytest.raises(PortkeyTimeoutError):
        make(timeout=0.3).embed_query("one")
    with pytest.raises(PortkeyTimeoutError):
        await make(chunk_size=1).aembed_documents(["a", "b"], timeout=0.3)


async def test_cancelling_breaks_off_what_is_under_way(make: Make, provider: StandInProvider) -> None:
    provider.answer_with(lambda _: Reply(delay=20))
    task = asyncio.ensure_future(make(chunk_size=1).aembed_documents(["a", "b"]))
    while len(provider.requests) < 2:  # noqa: ASYNC110  # they come in on another thread
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# ---------------------------------------------------------------------- the plainly installed gateway

FAILING = {"default.modelWhitelist": {"models": ["another"]}}


@pytest.fixture
def plain(plain_gateway: LocalGateway, provider: StandInProvider) -> Make:
    _sending.forget_builds()
    return maker(plain_gateway, provider)


@pytest.mark.filterwarnings("error")
def test_one_warning_names_the_cure(plain: Make) -> None:
    model = plain(chunk_size=1)
    with pytest.warns(GatewayBuildWarning, match=r"OpenAI's embeddings.*pollinations-portkey gateway") as told:
        model.embed_documents(["a", "b", "c", "d"])
    model.embed_documents(["a", "b", "c", "d"])  # every further warning would be an error
    assert len(told) == 1
    assert told[0].filename == __file__


def test_the_provider_is_asked_once_per_request(plain: Make, provider: StandInProvider) -> None:
    plain(chunk_size=1).embed_documents(["a", "b", "c"])
    assert len(provider.requests) == 3


def test_a_gateway_that_could_not_be_asked_fails_once_and_then_works(
    plain: Make, provider: StandInProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = plain(max_retries=3)
    monkeypatch.setitem(_sending._builds, model.base_url.removesuffix("/v1"), Build.UNKNOWN)
    with pytest.raises(PortkeyGatewayError, match="pollinations-portkey gateway"):
        model.embed_query("one")
    assert len(provider.requests) == 1  # it is not sent again: the provider was called
    assert model.embed_query("one") == vector("one")
    assert len(provider.requests) == 2


@pytest.mark.parametrize("answer", [Failure(400, "Invalid 'input'."), RawAnswer(body=b"{}")])
def test_our_verdict_is_in_no_error(answer: Any, plain: Make, provider: StandInProvider) -> None:
    provider.script(answer)
    with pytest.raises(PortkeyError) as raised:
        plain().embed_query("one")
    assert raised.value.response is not None
    assert "langchain-pollinations-portkey" not in f"{raised.value} {raised.value.body} {raised.value.response.text}"


def test_the_users_own_guardrails_still_hold(plain: Make, provider: StandInProvider) -> None:
    """The gateway runs those for inputs on embeddings; those for outputs it takes and does not run."""
    denying = {STREAM_HEADER: json.dumps([{**FAILING, "deny": True}])}
    with pytest.raises(PortkeyGuardrailError) as raised:
        plain(default_headers=denying).embed_query("one")
    assert "another" in json.dumps(raised.value.hook_results)
    assert "langchain-pollinations-portkey" not in json.dumps(raised.value.hook_results)
    assert provider.requests == []


@pytest.mark.parametrize("install", ["pinned_gateway", "plain_gateway"])
def test_a_passed_guardrail_leaves_no_trace(
    install: str, provider: StandInProvider, request: pytest.FixtureRequest
) -> None:
    passing = {STREAM_HEADER: json.dumps([{"default.contains": {"operator": "none", "words": ["two"]}}])}
    make = maker(request.getfixturevalue(install), provider)
    assert make(default_headers=passing).embed_query("one") == vector("one")


def test_a_guardrail_that_fails_without_denying_is_no_failure(make: Make, plain: Make) -> None:
    """But a plainly installed gateway breaks on it, with our check or without."""
    noting = {STREAM_HEADER: json.dumps([{**FAILING, "deny": False}])}
    assert make(default_headers=noting).embed_query("one") == vector("one")
    with pytest.raises(PortkeyGatewayError):
        plain(default_headers=noting).embed_query("one")


def test_our_check_joins_the_users_own(plain: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    send = _sending.Send.run

    def recording(self: _sending.Send, transport: Any) -> Any:
        sent.append(self.request.headers[EMBEDDINGS_HEADER])
        return send(self, transport)

    monkeypatch.setattr(_sending.Send, "run", recording)
    plain(default_headers={EMBEDDINGS_HEADER: json.dumps([FAILING])}).embed_query("one")
    ours = {"default.modelWhitelist": {"models": ["langchain-pollinations-portkey"]}}
    assert json.loads(sent[0]) == [FAILING, ours]
