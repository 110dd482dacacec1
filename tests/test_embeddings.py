"""`PortkeyEmbeddings` as LangChain sees it: construction, options, keys, copies, progress.

The stand-in provider speaks OpenAI's wire at any path, so it stands where the gateway would.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import subprocess
import sys
import threading
import traceback
import types
import warnings
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.load import dumpd, dumps, load
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import BaseModel, SecretStr

from langchain_pollinations_portkey import Catalogue, ChatPortkey, PortkeyEmbeddings
from langchain_pollinations_portkey.errors import (
    MissingCredentialsError,
    PortkeyAuthenticationError,
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyInvalidResponseError,
    UnknownModelError,
)
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import Failure, RawAnswer, StandInProvider
from langchain_pollinations_portkey.testing.wires.embeddings import vector
from tests.copies import COPIES


@pytest.fixture
def make(provider: StandInProvider):
    """Makes embeddings that talk to the stand-in."""

    def make(model: str = "openai/text-embedding-3-small", **kwargs) -> PortkeyEmbeddings:
        # With a custom host vectors come as floats; other tests ask for base64.
        arguments = {"model": model, "base_url": provider.url, "api_key": "sk-sentinel", "encoding_format": "float"}
        return PortkeyEmbeddings(**{**arguments, **kwargs})

    return make


def sent(provider: StandInProvider) -> dict[str, Any]:
    """The last request's body without what every request has."""
    return {name: value for name, value in provider.last.json.items() if name not in ("model", "input")}


# ---------------------------------------------------------------------- construction


def test_it_is_what_langchain_and_pydantic_take_for_embeddings():
    model = PortkeyEmbeddings(model="openai/e")
    assert isinstance(model, Embeddings)
    assert isinstance(model, BaseModel)
    assert PortkeyEmbeddings.get_lc_namespace() == ["langchain_pollinations_portkey", "embeddings"]
    assert PortkeyEmbeddings.is_lc_serializable()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, r"Which model\? .*text-embedding-3-small"),
        ({"model": "m", "dimension": 3}, "Did you mean 'dimensions'"),
        ({"model": "m", "chunksize": 3}, "Did you mean 'chunk_size'"),
        ({"model": "m", "dimensions": 0}, "dimensions: Input should be greater"),
        ({"model": "m", "chunk_size": 0}, "chunk_size: Input should be greater"),
        ({"model": "m", "max_concurrency": 0}, "max_concurrency: Input should be greater"),
        ({"model": "m", "encoding_format": "int8"}, "encoding_format: Input should be 'float' or 'base64'"),
        ({"model": "m", "dimensions": 3, "model_kwargs": {"dimensions": 3}}, "'dimensions' is given both"),
        ({"model": "m", "fallbacks": ["openai/e"]}, "no fallbacks for embeddings: another model's vectors"),
        ({"model": "m", "load_balance": {"m": 1.0}}, "no load_balance for embeddings"),
        ({"model": "m", "route": "openai/e"}, "no route for embeddings"),
        ({"model": "m", "portkey_config": {"strategy": {}, "targets": [{}]}}, "no portkey_config with targets"),
        ({"model": "m", "portkey_config": '{"targets": []}'}, "no portkey_config with targets"),
        ({"model": "m", "default_headers": {"X-Portkey-Config": '{"targets": []}'}}, "no portkey_config with targets"),
        ({"model": "m", "default_headers": {"x-portkey-config": SecretStr('{"targets": []}')}}, "with targets"),
    ],
)
def test_wrong_arguments_are_a_configuration_error_in_one_line(arguments, text):
    with pytest.raises(PortkeyConfigurationError, match=text) as raised:
        PortkeyEmbeddings(**arguments)
    assert "\n" not in str(raised.value)
    assert raised.value.__context__ is None


def test_parameters_that_are_no_fields_go_into_the_body(make, provider):
    model = make("cohere/embed-v4.0", base_url=provider.lenient_url, input_type="clustering", truncate="END")
    assert model.model_kwargs == {"input_type": "clustering", "truncate": "END"}
    model.embed_query("one")
    assert sent(provider) == {"input_type": "clustering", "truncate": "END"}


def test_an_unknown_argument_goes_into_the_body_with_a_warning(make):
    with pytest.warns(LossWarning, match="'quality' is no option"):
        assert make(quality="high").model_kwargs == {"quality": "high"}
    with pytest.warns(LossWarning, match="'temperature' is no option"):  # it is one of chat models only
        make(temperature=0)


def test_repr_shows_no_key():
    model = PortkeyEmbeddings(model="openai/e", api_key="sentinel", api_keys={"cohere": "sentinel"}, default_headers={"x": "sentinel"})  # fmt: skip
    assert "sentinel" not in repr(model) + str(model)
    assert "openai/e" in repr(model)


# ---------------------------------------------------------------------- calls


async def test_the_four_methods(make, provider):
    model = make()
    assert model.embed_query("one") == vector("one")
    assert await model.aembed_query("one") == vector("one")
    assert model.embed_documents(["one", "two"]) == [vector("one"), vector("two")]
    assert await model.aembed_documents(["one", "two"]) == [vector("one"), vector("two")]
    asked = [request for request in provider.requests if request.method == "POST"]  # the build is asked for by HEAD
    assert [request.json["input"] for request in asked] == [["one"], ["one"], ["one", "two"], ["one", "two"]]
    assert {request.path for request in asked} == {"/v1/embeddings"}


async def test_no_texts_are_no_request(make, provider, monkeypatch):
    model = make()
    assert model.embed_documents([]) == []
    assert await model.aembed_documents([]) == []
    assert provider.requests == []


@pytest.mark.parametrize("wrong", ["one text", [""], ["a", ""], ["a", None], [1]])
async def test_what_cannot_be_embedded_is_refused_before_anything_is_sent(wrong, make, provider):
    with pytest.raises(PortkeyConfigurationError):
        make().embed_documents(wrong)
    with pytest.raises(PortkeyConfigurationError):
        await make().aembed_documents(wrong)
    with pytest.raises(PortkeyConfigurationError):
        make().embed_query("" if isinstance(wrong, list) else None)
    assert provider.requests == []


@pytest.mark.parametrize(
    ("constructor", "call", "body"),
    [
        ({"dimensions": 4}, {}, {"dimensions": 4}),
        ({"dimensions": 4}, {"dimensions": 6}, {"dimensions": 6}),
        ({"dimensions": 4}, {"dimensions": None}, {}),
        ({}, {"encoding_format": "base64"}, {"encoding_format": "base64"}),
        ({"encoding_format": None}, {}, {"encoding_format": "base64"}),
        ({"encoding_format": None, "custom_host": "http://127.0.0.1:9"}, {}, {}),
        ({"user": "u"}, {"user": "v"}, {"user": "v"}),
    ],
)
def test_a_call_wins_over_the_constructor(constructor, call, body, make, provider):
    make(**constructor).embed_query("one", **call)
    assert sent(provider) == body


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fallbacks": ["openai/e"]}, "no fallbacks for embeddings"),
        ({"extra_headers": {"x-portkey-config": '{"targets": []}'}}, "no portkey_config with targets"),
        ({"dimension": 3}, "Did you mean 'dimensions'"),
        ({"chunk_size": 0}, "chunk_size must be a whole number above 0, not 0"),
        ({"max_concurrency": None}, "max_concurrency must be a whole number above 0, not None"),
        ({"max_retries": -1}, "max_retries must be 0 or more"),
        ({"timeout": 0}, "above 0"),
        ({"model": "groq/e"}, "no embeddings for 'e' of Groq.*openai, azure-openai"),
        ({"model": "claude-sonnet-4.5"}, "no embeddings for .* of Amazon Bedrock"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(options, text, make, provider):
    with pytest.raises(PortkeyConfigurationError, match=text):
        make().embed_query("one", **options)
    assert provider.requests == []


def test_texts_that_json_cannot_hold_are_refused(make, provider):
    with pytest.raises(PortkeyConfigurationError, match="cannot be written as JSON"):
        make().embed_query("\ud800")
    with pytest.raises(PortkeyConfigurationError, match="cannot be written as JSON"):
        make(chunk_size=1).embed_documents(["a", "\ud800"])


@pytest.mark.parametrize("name", ["voyage/voyage-3.5", "jina/jina-embeddings-v3", "nomic/nomic-embed-text-v1.5"])
def test_providers_of_embeddings_have_no_chat(name):
    with pytest.raises(PortkeyConfigurationError, match="has embeddings and no chat models; use PortkeyEmbeddings"):
        ChatPortkey(model=name, api_key="k").invoke("hi")


def test_a_catalogue_name_stands_for_its_model(make, provider):
    Catalogue.default().register("our-embedder", provider="openai", model="text-embedding-3-large")
    make("our-embedder").embed_query("one")
    assert provider.last.model == "text-embedding-3-large"


def test_a_configuration_without_targets_goes_along(make, provider):
    make(portkey_config={"retry": {"attempts": 2}}, max_retries=0).embed_query("one")
    assert json.loads(provider.last.headers["x-portkey-config"]) == {"retry": {"attempts": 2}}


def test_a_vector_store_takes_it(make):
    store = InMemoryVectorStore(make())
    store.add_texts(["one", "two", "three"])
    assert store.similarity_search("two", k=1)[0].page_content == "two"


def test_worker_threads_see_the_callers_context(make, monkeypatch):
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen = set()
    client = httpx.Client(
        transport=httpx.MockTransport(
            lambda request: (
                seen.add((who.get(), threading.current_thread().name.partition("_")[0]))
                or httpx.Response(200, json={"data": [{"index": 0, "embedding": [1.0]}]})
            )
        )
    )
    who.set("the caller")
    make("cohere/e", http_client=client, chunk_size=1).embed_documents(["a", "b", "c"])
    assert seen == {("the caller", "embeddings")}


def test_an_answer_that_is_no_object_is_an_error_without_the_key(make, provider):
    for body in (
        b"[]",
        b'{"data": ["x"]}',
        b'{"data": [{"index": [], "embedding": [1.0]}]}',
        b'{"data": "sk-sentinel"}',
    ):
        provider.script(RawAnswer(body=body))
        with pytest.raises(PortkeyInvalidResponseError) as raised:
            make().embed_query("one")
        assert "sk-sentinel" not in "".join(traceback.format_exception(raised.value))


def test_a_gateway_that_is_not_there_is_said(make):
    with pytest.raises(PortkeyConnectionError, match="Start the gateway"):
        make(base_url="http://127.0.0.1:9").embed_query("one")


# ---------------------------------------------------------------------- keys


def test_no_key_is_an_error_that_names_the_variable():
    with pytest.raises(MissingCredentialsError, match="OPENAI_API_KEY"):
        PortkeyEmbeddings(model="openai/e").embed_query("one")
    with pytest.raises(UnknownModelError):
        PortkeyEmbeddings(model="text-embedding-3-small").embed_query("one")


def test_a_key_is_read_from_the_environment_at_the_time_of_the_call(make, provider, monkeypatch):
    model = make("voyage/voyage-3.5", api_key=None)
    monkeypatch.setenv("VOYAGE_API_KEY", "pa-environment")
    monkeypatch.setenv("PORTKEY_API_KEY", "another")
    provider.script(RawAnswer(body=b'{"data": [{"index": 0, "embedding": [1.0]}]}'))
    with pytest.raises(Exception, match="Unrecognized"):  # the stand-in is OpenAI here, which has no input_type
        model.embed_query("one")
    assert provider.last.headers["authorization"] == "Bearer pa-environment"


def test_the_constructors_key_stays_with_its_provider(make, provider, monkeypatch):
    monkeypatch.setenv("MISTRAL_API_KEY", "mistral-key")
    make().embed_query("one", model="mistral-ai/mistral-embed")
    assert provider.last.headers["authorization"] == "Bearer mistral-key"


CALLED = {"api_key": "sentinel-call", "extra_headers": {"x-my-token": "sentinel-call-header"}}


@pytest.mark.parametrize("fails", [False, True])
def test_no_key_shows_anywhere(fails, make, provider, caplog):
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        model = make(
            api_keys={"cohere": "sentinel-cohere"},
            portkey_api_key="sentinel-portkey",
            default_headers={"x-api-key": "sentinel-header"},
            hosted=False,
        )
        if fails:
            provider.script(Failure(401, "Incorrect API key"))
            with pytest.raises(PortkeyAuthenticationError) as raised:
                model.embed_query("one", **CALLED)
            shown += [*traceback.format_exception(raised.value), str(raised.value.__dict__)]
            shown += [str(pickle.dumps(raised.value))]
        else:
            model.embed_query("one", **CALLED)
        shown += [repr(model), str(model), dumps(model), json.dumps(dumpd(model)), model.model_dump_json()]
    shown += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert any("1 inputs" in text for text in shown)
    assert [text for text in shown if "sentinel" in text] == []
    assert provider.last.headers["authorization"] == "Bearer sentinel-call"


def test_tokens_are_in_the_debug_log(make, provider, caplog):
    with caplog.at_level(logging.DEBUG):
        make().embed_documents(["one", "two"])
    assert any("2 embeddings, " in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({"model": "@our-embeddings/e"}, {"x-portkey-provider": "@our-embeddings"}),
        ({"model": "openai/e", "api_key": "sk-1"}, {"x-portkey-provider": "openai", "authorization": "Bearer sk-1"}),
        ({"model": "openai/e", "portkey_config": "pc-1"}, {"x-portkey-config": "pc-1"}),
        ({"model": "openai/e", "default_headers": {"x-portkey-config": "pc-1"}}, {"x-portkey-config": "pc-1"}),
    ],
)
def test_the_hosted_portkey(arguments, headers):
    asked: list[httpx.Request] = []
    answer = {"data": [{"index": 0, "embedding": [1.0]}]}
    client = httpx.Client(
        transport=httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200, json=answer))
    )
    model = PortkeyEmbeddings(
        base_url="https://api.portkey.ai/v1", portkey_api_key="pk-1", http_client=client, max_retries=0, **arguments
    )
    assert model.embed_query("one") == [1.0]
    assert [str(request.url) for request in asked] == ["https://api.portkey.ai/v1/embeddings"]
    expected = {"x-portkey-api-key": "pk-1", **headers}
    assert {name: asked[0].headers.get(name) for name in expected} == expected


# ---------------------------------------------------------------------- copies


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES.keys())
def test_copies_before_and_after_use(duplicate, used, make, provider):
    model = make(dimensions=4)
    if used:
        model.embed_query("one")
        asyncio.run(model.aembed_query("one"))
    twin = duplicate(model)
    assert twin == model
    assert twin.embed_query("one") == vector("one", 4)
    assert asyncio.run(twin.aembed_query("one")) == vector("one", 4)
    assert provider.last.headers["authorization"] == "Bearer sk-sentinel"


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_it_comes_back_from_its_dump_with_the_same_key():
    model = PortkeyEmbeddings(model="openai/e", dimensions=4, chunk_size=7, user="u", api_key="secret-1")
    dumped = dumpd(model)
    assert "secret-" not in json.dumps(dumped)
    again = load(
        dumped,
        allowed_objects=[PortkeyEmbeddings],
        valid_namespaces=["langchain_pollinations_portkey"],
        secrets_map={"OPENAI_API_KEY": "secret-1"},
    )
    assert again == model


# ---------------------------------------------------------------------- progress


class Bar:
    """What of tqdm's is used."""

    bars: list[Bar]

    def __init__(self, *, total: int, **_: Any) -> None:
        self.total, self.done, self.closed = total, 0, False
        type(self).bars.append(self)

    def update(self, count: int) -> None:
        self.done += count

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch) -> list[Bar]:
    Bar.bars = []
    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return Bar.bars


@pytest.mark.parametrize("chunk_size", [1, 2, 10])
async def test_progress_counts_texts(chunk_size, make, bars):
    model = make(show_progress=True, chunk_size=chunk_size)
    model.embed_documents(["a", "b", "c"])
    await model.aembed_documents(["a", "b", "c"])
    make().embed_documents(["a"], show_progress=True)
    make().embed_documents(["a"])
    assert [(bar.total, bar.done, bar.closed) for bar in bars] == [(3, 3, True), (3, 3, True), (1, 1, True)]


async def test_a_failure_closes_the_bar(make, provider, bars):
    for call in (
        make(show_progress=True).embed_documents,
        lambda t: asyncio.run(make(show_progress=True).aembed_documents(t)),
    ):
        provider.script(Failure(401, "No."))
        with pytest.raises(PortkeyAuthenticationError):
            await asyncio.to_thread(call, ["a"])
    assert [(bar.done, bar.closed) for bar in bars] == [(0, True), (0, True)]


def test_without_tqdm_progress_says_what_to_install(make, provider, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(PortkeyConfigurationError, match="pip install tqdm"):
        make(show_progress=True).embed_documents(["a"])
    assert provider.requests == []


# ---------------------------------------------------------------------- the module


def test_importing_it_brings_no_sdk_and_no_chat_model():
    program = (
        "import sys; from langchain_pollinations_portkey import PortkeyEmbeddings as P; P(model='openai/e');"
        "print([m for m in ('openai','numpy','tqdm','langchain_pollinations_portkey.chat_models') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, capture_output=True, text=True)
    assert shown.stdout == "[]\n"


def test_every_warning_of_a_loss_points_at_the_caller(make, provider):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        make("mistral-ai/mistral-embed", dimensions=3).embed_query("one")
    assert [(str(one.message)[:40], one.filename) for one in told] == [
        ("The gateway does not hand 'dimensions' o", __file__)
    ]
