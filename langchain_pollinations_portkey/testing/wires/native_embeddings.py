"""Embeddings at providers with an interface of their own: Gemini, Vertex AI, Bedrock, Cohere, Nomic, Ollama.

Sources: those of `rules.embeddings`. The vector of a text is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_pollinations_portkey.testing.answer import Answer, json_answer
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Failure, Reply
from langchain_pollinations_portkey.testing.wires.embeddings import DIMENSIONS, vector

_Vectors = list[list[float]]


def render_gemini(reply: Reply, request: ReceivedRequest) -> Answer:
    """One vector, for all parts of the content together."""
    body = request.json
    text = "".join(part["text"] for part in body["content"]["parts"])
    size = body.get("outputDimensionality") or body.get("output_dimensionality")
    return json_answer({"embedding": {"values": _vectors(reply, [text], size)[0]}})


def render_vertex(reply: Reply, request: ReceivedRequest) -> Answer:
    """One prediction per instance."""
    texts = [instance["content"] for instance in request.json["instances"]]
    vectors = _vectors(reply, texts, (request.json.get("parameters") or {}).get("outputDimensionality"))
    counts = [max(1, len(text) // 4) for text in texts]
    predictions = [
        {"embeddings": {"values": numbers, "statistics": {"truncated": False, "token_count": tokens}}}
        for numbers, tokens in zip(vectors, counts, strict=False)
    ]
    return json_answer({"predictions": predictions, "metadata": {"billableCharacterCount": sum(map(len, texts))}})


def render_bedrock(reply: Reply, request: ReceivedRequest) -> Answer:
    """Cohere's form for Cohere's models, Titan's for the rest."""
    body = request.json
    headers = {"x-amzn-bedrock-input-token-count": str(_tokens(reply, request))}
    if "texts" in body:
        vectors = _vectors(reply, body["texts"], body.get("output_dimension"))
        form = "embeddings_by_type" if body.get("embedding_types") else "embeddings_floats"
        values: Any = {"float": vectors} if body.get("embedding_types") else vectors
        answer = {"id": _id(request), "response_type": form, "embeddings": values, "texts": body["texts"]}
        return json_answer(answer, headers=headers)
    size = body.get("dimensions") or (body.get("embeddingConfig") or {}).get("outputEmbeddingLength")
    numbers = _vectors(reply, [body["inputText"]], size)[0]
    return json_answer({"embedding": numbers, "inputTextTokenCount": _tokens(reply, request)}, headers=headers)


def render_cohere(reply: Reply, request: ReceivedRequest) -> Answer:
    """Vectors by their form; only `float` is played."""
    vectors = _vectors(reply, request.json["texts"], request.json.get("output_dimension"))
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": _tokens(reply, request)}}
    return json_answer(
        {"id": _id(request), "embeddings": {"float": vectors}, "texts": request.json["texts"], "meta": meta}
    )


def render_nomic(reply: Reply, request: ReceivedRequest) -> Answer:
    """A list of vectors."""
    tokens = _tokens(reply, request)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    vectors = _vectors(reply, request.json["texts"], request.json.get("dimensionality"))
    return json_answer({"embeddings": vectors, "model": request.model, "usage": usage})


def render_ollama(reply: Reply, request: ReceivedRequest) -> Answer:
    """One vector; an empty one for an empty prompt."""
    text = request.json.get("prompt", "")
    return json_answer({"embedding": _vectors(reply, [text], None)[0] if text else []})


def fail_cohere(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"id", "message"}`."""
    return json_answer({"id": _id(request), "message": failed.message}, status=failed.status)


def fail_nomic(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"detail"}`, as FastAPI has it."""
    del request
    return json_answer({"detail": failed.message}, status=failed.status)


def fail_ollama(failed: Failure, request: ReceivedRequest) -> Answer:
    """`{"error"}`."""
    del request
    return json_answer({"error": failed.message}, status=failed.status)


def _vectors(reply: Reply, texts: Sequence[str], size: int | None) -> _Vectors:
    if reply.embeddings is not None:
        return [list(numbers) for numbers in reply.embeddings]
    return [vector(text, size or DIMENSIONS) for text in texts]


def _tokens(reply: Reply, request: ReceivedRequest) -> int:
    return reply.usage.prompt if reply.usage else max(1, len(request.body) // 4)


def _id(request: ReceivedRequest) -> str:
    return f"00000000-0000-4000-8000-{request.serial:012d}"
