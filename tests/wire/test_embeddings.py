"""Texts to requests for embeddings, answers to vectors: the tables."""

from __future__ import annotations

import base64
import copy
import math
import struct
from typing import Any

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyInvalidResponseError
from langchain_pollinations_portkey.wire.embeddings import (
    EmbeddingRequests,
    build_requests,
    checked_texts,
    dimensions_notice,
    read_vectors,
    tokens_of,
)
from tests.wire.rows import model


def build(texts: list[str], name: str, options: dict[str, Any] | None = None, **more: Any) -> EmbeddingRequests:
    return build_requests(texts, model(name), options or {}, **{"purpose": "document", **more})


def inputs(requests: EmbeddingRequests) -> list[Any]:
    return [body["input"] for body in requests.bodies]


def parameters(requests: EmbeddingRequests) -> dict[str, Any]:
    return {name: value for name, value in requests.bodies[0].items() if name not in ("model", "input")}


# ---------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ((text for text in "ab"), ["a", "b"]),
        ([" ", "\n"], [" ", "\n"]),
        ([], []),
    ],
)
def test_texts(given, checked):
    assert checked_texts(given) == checked


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("one text", "list of texts, not str; for one text there is embed_query"),
        (b"bytes", "list of texts, not bytes"),
        (None, "list of texts, not NoneType"),
        (3, "list of texts, not int"),
        (["a", 3], "position 1 is of type int"),
        (["a", None], "position 1 is of type NoneType"),
        ([["a"]], "position 0 is of type list"),
        (["a", "", "b"], "at position 1"),
        (["", "a", ""], "at positions 0, 2"),
        ([""] * 9, r"at positions 0, 1, 2, 3, 4, \.\.\."),
        ([""], "the only position"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_position(given, said):
    with pytest.raises(PortkeyConfigurationError, match=said):
        checked_texts(given)


# ---------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("openai/e", [["a", "b"]]),
        ("cohere/e", [["a", "b"]]),
        ("bedrock/cohere.embed-english-v3", [["a", "b"]]),
        ("bedrock/eu.cohere.embed-v4:0", [["a", "b"]]),
        ("vertex-ai/text-embedding-005", [["a", "b"]]),
        ("bedrock/amazon.titan-embed-text-v2:0", ["a", "b"]),
        ("google/gemini-embedding-001", ["a", "b"]),
        ("vertex-ai/gemini-embedding-001", ["a", "b"]),
        ("ollama/e", ["a", "b"]),
    ],
)
def test_a_list_or_one_by_one(name, sent):
    requests = build(["a", "b"], name)
    assert inputs(requests) == sent
    assert list(requests.counts) == [len(one) for one in sent]
    assert {body["model"] for body in requests.bodies} == {model(name).model}


@pytest.mark.parametrize(
    ("name", "purpose", "options", "sent"),
    [
        ("openai/e", "query", {}, {}),
        ("mistral/e", "query", {}, {}),
        ("google/e", "query", {}, {}),
        ("jina/e", "query", {}, {}),
        ("cohere/e", "query", {}, {"input_type": "search_query"}),
        ("cohere/e", "document", {}, {"input_type": "search_document"}),
        ("cohere/e", "query", {"input_type": "clustering"}, {"input_type": "clustering"}),
        ("cohere/e", "document", {"input_type": None}, {"input_type": "search_document"}),
        ("bedrock/cohere.embed-english-v3", "query", {}, {"input_type": "search_query"}),
        ("bedrock/cohere.embed-english-v3", "document", {}, {"input_type": "search_document"}),
        ("bedrock/amazon.titan-embed-text-v2:0", "query", {}, {}),
        ("voyage/e", "query", {}, {"input_type": "query"}),
        ("voyage/e", "document", {}, {"input_type": "document"}),
        ("vertex/e", "query", {}, {"task_type": "RETRIEVAL_QUERY"}),
        ("vertex/e", "document", {"task_type": "CLUSTERING"}, {"task_type": "CLUSTERING"}),
        ("vertex/gemini-embedding-001", "query", {}, {"task_type": "RETRIEVAL_QUERY"}),
        ("nomic/e", "query", {}, {"task_type": "search_query"}),
    ],
)
def test_queries_and_documents_are_told_apart(name, purpose, options, sent):
    assert parameters(build(["a"], name, options, purpose=purpose, own_host=True)) == sent


@pytest.mark.parametrize(
    ("name", "asked", "own_host", "sent"),
    [
        ("openai/e", None, False, {"encoding_format": "base64"}),
        ("openai/e", None, True, {}),
        ("openai/e", "base64", True, {"encoding_format": "base64"}),
        ("openai/e", "float", False, {}),
        ("azure/e", None, False, {"encoding_format": "base64"}),
        ("voyage/e", "float", False, {"input_type": "document"}),
        ("x-ai/e", None, False, {}),
        ("x-ai/e", "base64", False, {"encoding_format": "base64"}),
        ("mistral/e", "base64", False, {}),
        ("google/e", "base64", False, {}),
        ("cohere/e", "base64", False, {"input_type": "search_document"}),
    ],
)
def test_base64_is_asked_for_only_where_it_comes_back(name, asked, own_host, sent):
    requests = build(["a"], name, {"encoding_format": asked} if asked else {}, own_host=own_host)
    assert parameters(requests) == sent
    assert requests.losses == {}  # the vectors are the same


@pytest.mark.parametrize(
    ("name", "options", "lost"),
    [
        ("openai/e", {"dimensions": 3, "user": "u"}, set()),
        ("openai/e", {"dimensions": None, "task_type": None}, set()),
        ("openai/e", {"input_type": "query", "task_type": "x"}, {"input_type", "task_type"}),
        ("google/e", {"dimensions": 3, "task_type": "RETRIEVAL_QUERY"}, {"dimensions", "task_type"}),
        ("mistral/e", {"dimensions": 3}, {"dimensions"}),
        ("cohere/e", {"dimensions": 3, "truncate": "END"}, {"dimensions"}),
        ("bedrock/cohere.embed-v4:0", {"dimensions": 3}, {"dimensions"}),
        ("bedrock/amazon.titan-embed-text-v2:0", {"dimensions": 256, "normalize": True}, set()),
        ("fireworks/e", {"dimensions": 3, "user": "u"}, {"user"}),
        ("vertex/e", {"dimensions": 3, "parameters": {}}, set()),
        ("openai/e", {"unknown": 1}, {"unknown"}),
    ],
)
def test_what_the_gateway_drops_is_told_once(name, options, lost):
    requests = build(["a"], name, options)
    assert set(requests.losses) == lost
    row = model(name).provider
    told = list(requests.notices(row))
    assert [notice.key for notice in told] == [("embeddings", loss, row.id) for loss in requests.losses]
    assert all(row.title in notice.text for notice in told)


def test_an_integration_of_an_unknown_name_gets_everything():
    there = Catalogue().resolve("@our-own/embedder", hosted=True)
    options = {"dimensions": 3, "input_type": "query", "task_type": "x", "user": "u"}
    requests = build_requests(["a", "b"], there, options, purpose="query")
    assert parameters(requests) == options
    assert (inputs(requests), requests.losses) == ([["a", "b"]], {})


@pytest.mark.parametrize(
    "name", ["anthropic/e", "groq/e", "deepseek/e", "bedrock/amazon.nova-2-multimodal-embeddings-v1:0"]
)
def test_a_provider_without_embeddings_is_refused(name):
    with pytest.raises(PortkeyConfigurationError, match="no embeddings for"):
        build(["a"], name)


def test_arguments_are_left_alone():
    options = {"parameters": {"autoTruncate": True}, "dimensions": 3, "encoding_format": "base64"}
    texts = ["a", "b"]
    before = copy.deepcopy((options, texts))
    build(texts, "vertex/e", options)
    assert (options, texts) == before


# ---------------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("name", "texts", "chunk_size", "sizes"),
    [
        ("openai/e", ["a"] * 2048, None, [2048]),
        ("openai/e", ["a"] * 2049, None, [2048, 1]),
        ("openai/e", ["a" * 100_000] * 7, None, [3, 3, 1]),
        ("openai/e", ["ä" * 100_000] * 3, None, [1, 1, 1]),
        ("openai/e", ["a" * 400_000, "b", "c" * 300_000, "d"], None, [1, 1, 1, 1]),
        ("openai/e", ["a" * 100_000] * 7, 4, [4, 3]),
        ("openai/e", ["a"] * 5000, 5000, [5000]),
        ("cohere/e", ["a"] * 97, None, [96, 1]),
        ("cohere/e", ["a" * 10**6] * 3, None, [3]),
        ("bedrock/cohere.embed-english-v3", ["a"] * 200, None, [96, 96, 8]),
        ("mistral/e", ["a" * 1000] * 20, None, [16, 4]),
        ("vertex/text-embedding-005", ["a"] * 251, None, [250, 1]),
        ("vertex/text-embedding-005", ["a" * 9000] * 5, None, [2, 2, 1]),
        ("voyage/e", ["a"] * 130, None, [128, 2]),
        ("dashscope/e", ["a"] * 11, None, [10, 1]),
        ("together/e", ["a"] * 97, None, [96, 1]),
        ("openai/e", ["\ud800"], None, [1]),
    ],
)  # fmt: skip
def test_requests_are_as_large_as_the_provider_takes(name, texts, chunk_size, sizes):
    requests = build(texts, name, chunk_size=chunk_size)
    assert list(requests.counts) == sizes
    assert [text for batch in inputs(requests) for text in batch] == texts


def test_one_by_one_knows_no_chunks():
    assert inputs(build(["a", "b", "c"], "google/e", chunk_size=2)) == ["a", "b", "c"]


# ---------------------------------------------------------------------- answers


def answer(*vectors: Any, indices: Any = None) -> dict[str, Any]:
    numbers = range(len(vectors)) if indices is None else indices
    data = [{"object": "embedding", "index": index, "embedding": v} for index, v in zip(numbers, vectors, strict=True)]
    return {"object": "list", "data": data, "model": "e"}


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@pytest.mark.parametrize(
    ("body", "vectors"),
    [
        (answer([0.5, -0.25]), [[0.5, -0.25]]),
        (answer([1.0], [2.0], [3.0], indices=[2, 0, 1]), [[2.0], [3.0], [1.0]]),
        (answer([1.0], [2.0], indices=[None, None]), [[1.0], [2.0]]),
        (answer([1, 0, 0.5]), [[1.0, 0.0, 0.5]]),
        (answer(packed(0.5, -0.25, 1e-3)), [[0.5, -0.25, 0.0010000000474974513]]),
        (answer(packed(1.0), [2.0], indices=[1, 0]), [[2.0], [1.0]]),
    ],
)
def test_vectors(body, vectors):
    read = read_vectors(body, len(vectors))
    assert read == vectors
    assert {type(number) for one in read for number in one} == {float}


@pytest.mark.parametrize(
    ("body", "count", "said"),
    [
        (None, 1, "no embeddings"),
        ([], 1, "no embeddings"),
        ({}, 1, "no embeddings"),
        ({"data": None}, 1, "no embeddings"),
        ({"error": {"message": "overloaded"}}, 1, "no embeddings: overloaded"),
        (answer(), 1, "0 embeddings for 1 texts"),
        (answer([1.0]), 2, "1 embeddings for 2 texts"),
        (answer([1.0], [2.0]), 1, "2 embeddings for 1 texts"),
        (answer([1.0], [2.0], indices=[0, 0]), 2, "numbers its embeddings wrongly: 0 of 2"),
        (answer([1.0], [2.0], indices=[1, 2]), 2, "numbers its embeddings wrongly: 2 of 2"),
        (answer([1.0], [2.0], indices=[1, None]), 2, "numbers its embeddings wrongly: 1 of 2"),
        (answer([1.0], [2.0, 3.0]), 2, "differ in their number of dimensions"),
        (answer([]), 1, "index 0 is empty"),
        (answer(None), 1, "index 0 is empty or no list"),
        (answer({"float": [1.0]}), 1, "index 0 is empty or no list"),
        (answer(""), 1, "index 0 is empty"),
        (answer("no base64!"), 1, "index 0 is empty or no list"),
        (answer(base64.b64encode(b"12345").decode()), 1, "index 0 is empty or no list"),
        (answer([1.0, None]), 1, "index 0 holds something that is no number"),
        (answer([1.0, True]), 1, "index 0 holds something that is no number"),
        (answer([1.0, "2"]), 1, "index 0 holds something that is no number"),
        (answer(packed(1.0, math.nan)), 1, "no finite number"),
        (answer(packed(1.0, math.inf)), 1, "no finite number"),
        (answer([1, 10**400]), 1, "no finite number"),
    ],
)
def test_what_is_no_answer_is_an_error(body, count, said):
    with pytest.raises(PortkeyInvalidResponseError, match=said):
        read_vectors(body, count)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"total_tokens": 5}, 5), ({"total_tokens": -1}, None), ({"total_tokens": 0}, None), ({}, None), (None, None)],
)
def test_tokens(usage, tokens):
    assert tokens_of({"usage": usage}) == tokens


@pytest.mark.parametrize(("asked", "told"), [(None, False), (2, False), (3, True), ("2", False)])
def test_dimensions_that_were_not_heeded_are_told(asked, told):
    notice = dimensions_notice(asked, [[1.0, 2.0]], model("openai/e"))
    assert (notice is not None) is told
