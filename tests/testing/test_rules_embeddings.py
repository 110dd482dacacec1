"""Embeddings at providers with an interface of their own: what is refused, and what an answer looks like."""

from __future__ import annotations

import json

import pytest

from langchain_pollinations_portkey.testing import Failure, Reply
from langchain_pollinations_portkey.testing.received import receive
from langchain_pollinations_portkey.testing.rules import check
from langchain_pollinations_portkey.testing.wires.embeddings import vector

GEMINI = "/v1beta/models/gemini-embedding-001:embedContent?key=k"
VERTEX = "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict"
VERTEX_GEMINI = "/v1/projects/p/locations/l/publishers/google/models/gemini-embedding-001:predict"
TITAN = "/model/amazon.titan-embed-text-v2%3A0/invoke"
TITAN_1 = "/model/amazon.titan-embed-text-v1/invoke"
BEDROCK_COHERE = "/model/cohere.embed-english-v3/invoke"
COHERE = "/v2/embed"
NOMIC = "/v1/embedding/text"
OLLAMA = "/api/embeddings"

PART = {"content": {"parts": [{"text": "a"}]}}
DOCUMENT = {"input_type": "search_document"}
ONE = {"model": "e", "texts": ["a"], **DOCUMENT}

RULES = [
    (GEMINI, {"content": {"parts": []}}, PART),
    (GEMINI, {"content": {"parts": [{"text": ""}]}}, PART),
    (GEMINI, {**PART, "input": "a"}, {**PART, "outputDimensionality": 4}),
    (GEMINI, {**PART, "taskType": "QUERY"}, {**PART, "taskType": "RETRIEVAL_QUERY"}),
    (VERTEX, {"instances": []}, {"instances": [{"content": "a"}]}),
    (VERTEX, {"instances": [{"content": ""}]}, {"instances": [{"content": "a", "task_type": "CLUSTERING"}]}),
    (VERTEX, {"instances": [{"content": "a", "task_type": "x"}]}, {"instances": [{"content": "a"}]}),
    (VERTEX, {"instances": [{"content": "a"}] * 251}, {"instances": [{"content": "a"}] * 250}),
    (VERTEX, {"instances": [{"content": "a"}], "parameters": {"dimensions": 4}}, {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 4}}),
    (VERTEX, {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 0}}, {"instances": [{"content": "a"}], "parameters": {"autoTruncate": False}}),
    (VERTEX_GEMINI, {"instances": [{"content": "a"}] * 2}, {"instances": [{"content": "a"}]}),
    (TITAN, {}, {"inputText": "a"}),
    (TITAN, {"inputText": ""}, {"inputText": "a", "normalize": True}),
    (TITAN, {"inputText": ["a"]}, {"inputText": "a", "embeddingTypes": ["float"]}),
    (TITAN, {"inputText": "a", "embeddingConfig": {}}, {"inputText": "a", "dimensions": 256}),
    (TITAN, {"inputText": "a", "dimensions": 300}, {"inputText": "a", "dimensions": 512}),
    (TITAN, {"inputText": "a", "embeddingTypes": ["base64"]}, {"inputText": "a"}),
    (TITAN_1, {"inputText": "a", "dimensions": 256}, {"inputText": "a"}),
    ("/model/amazon.nova-2-multimodal-embeddings-v1%3A0/invoke", {"inputText": "a"}, None),
    (BEDROCK_COHERE, {"texts": ["a"]}, {"texts": ["a"], **DOCUMENT}),
    (BEDROCK_COHERE, {"texts": [], **DOCUMENT}, {"texts": ["a"], **DOCUMENT}),
    (BEDROCK_COHERE, {"texts": ["a"] * 97, **DOCUMENT}, {"texts": ["a"] * 96, **DOCUMENT}),
    (COHERE, {**ONE, "texts": ["a"] * 97}, {**ONE, "texts": ["a"] * 96}),
    (COHERE, {**ONE, "texts": []}, ONE),
    (COHERE, {**ONE, "texts": [""]}, ONE),
    (COHERE, {**ONE, "model": None}, ONE),
    (COHERE, {"model": "e", "texts": ["a"]}, {**ONE, "input_type": "clustering"}),
    (COHERE, {**ONE, "input_type": "document"}, {**ONE, "input_type": "search_query"}),
    (COHERE, {**ONE, "truncate": "yes"}, {**ONE, "truncate": "END"}),
    (COHERE, {**ONE, "embedding_types": ["double"]}, {**ONE, "embedding_types": ["float"]}),
    (NOMIC, {"model": "e", "texts": []}, {"model": "e", "texts": ["a"]}),
    (NOMIC, {"model": "e", "texts": [""]}, {"model": "e", "texts": ["a"]}),
    (NOMIC, {"model": "e", "texts": ["a"], "task_type": "x"}, {"model": "e", "texts": ["a"], "task_type": "clustering"}),
    (OLLAMA, {"prompt": "a"}, {"model": "e", "prompt": "a"}),
    (OLLAMA, {"model": "e", "prompt": ["a"]}, {"model": "e", "prompt": ""}),
]  # fmt: skip


def refusal(path, body):
    return check(receive("POST", path, [], json.dumps(body).encode()))


@pytest.mark.parametrize(("path", "refused", "accepted"), RULES)
def test_each_rule(path, refused, accepted):
    assert refusal(path, refused) is not None
    assert accepted is None or refusal(path, accepted) is None


@pytest.mark.parametrize("path", [GEMINI, VERTEX, TITAN, BEDROCK_COHERE, COHERE, NOMIC, OLLAMA])
def test_values_of_the_wrong_type_are_refused_and_never_a_crash(path):
    for odd in (None, 0, True, [], {}, [{}], [[]]):
        for name in ("content", "instances", "inputText", "texts", "prompt", "model"):
            answered = refusal(path, {name: odd})
            assert path == OLLAMA or answered is not None
    assert check(receive("POST", path, [], b"no json")) is not None


SIGNED = {"authorization": "Bearer key"}


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        (GEMINI, PART, lambda answer: [answer["embedding"]["values"]]),
        (VERTEX, {"instances": [{"content": "a"}]}, lambda answer: [answer["predictions"][0]["embeddings"]["values"]]),
        (TITAN, {"inputText": "a"}, lambda answer: [answer["embedding"]]),
        (BEDROCK_COHERE, {"texts": ["a"], **DOCUMENT}, lambda answer: answer["embeddings"]),
        (BEDROCK_COHERE, {"texts": ["a"], **DOCUMENT, "embedding_types": ["float"]}, lambda answer: answer["embeddings"]["float"]),
        (COHERE, ONE, lambda answer: answer["embeddings"]["float"]),
        (NOMIC, {"model": "e", "texts": ["a"]}, lambda answer: answer["embeddings"]),
        (OLLAMA, {"model": "e", "prompt": "a"}, lambda answer: [answer["embedding"]]),
    ],
)  # fmt: skip
def test_answers(path, body, found, provider, client):
    assert found(client.post(path, json=body, headers=SIGNED).json()) == [vector("a")]
    provider.script(Reply(embeddings=[[1.0, 0.0]]))
    assert found(client.post(path, json=body, headers=SIGNED).json()) == [[1.0, 0.0]]


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        (GEMINI, PART, lambda answer: answer["error"]["message"]),
        (VERTEX, {"instances": [{"content": "a"}]}, lambda answer: answer["error"]["message"]),
        (TITAN, {"inputText": "a"}, lambda answer: answer["message"]),
        (COHERE, ONE, lambda answer: answer["message"]),
        (NOMIC, {"model": "e", "texts": ["a"]}, lambda answer: answer["detail"]),
        (OLLAMA, {"model": "e", "prompt": "a"}, lambda answer: answer["error"]),
    ],
)
def test_errors_are_in_the_providers_form(path, body, found, provider, client):
    provider.script(Failure(503, "Overloaded."))
    answer = client.post(path, json=body, headers=SIGNED)
    assert (answer.status_code, found(answer.json())) == (503, "Overloaded.")


@pytest.mark.parametrize("path", [TITAN, VERTEX])
def test_access_is_asked_for(path, provider, client):
    assert client.post(path, json={"inputText": "a", "instances": [{"content": "a"}]}).status_code in (401, 403)


def test_ollama_has_an_empty_vector_for_an_empty_prompt(client):
    assert client.post(OLLAMA, json={"model": "e", "prompt": ""}).json() == {"embedding": []}
