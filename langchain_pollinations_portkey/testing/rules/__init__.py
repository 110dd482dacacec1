"""What each provider refuses: one table of rules per wire."""

from __future__ import annotations

from collections.abc import Callable

from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.rules.anthropic import check_anthropic
from langchain_pollinations_portkey.testing.rules.bedrock import check_bedrock
from langchain_pollinations_portkey.testing.rules.embeddings import (
    check_bedrock_embeddings,
    check_cohere_embeddings,
    check_gemini_embeddings,
    check_nomic_embeddings,
    check_ollama_embeddings,
    check_vertex_embeddings,
)
from langchain_pollinations_portkey.testing.rules.gemini import check_gemini
from langchain_pollinations_portkey.testing.rules.openai import check_embeddings, check_openai
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal

__all__ = [
    "Refusal",
    "check",
    "check_anthropic",
    "check_bedrock",
    "check_embeddings",
    "check_gemini",
    "check_openai",
]


def check(request: ReceivedRequest) -> Refusal | None:
    """Returns why the provider would refuse the request, None if it would take it."""
    fields = request.json
    if not isinstance(fields, dict):
        return Refusal(_NO_OBJECT[request.wire.removesuffix("-embeddings")])
    try:
        return _check(request, fields)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        # A rule stumbles over a value of another JSON type than the field has, which every provider refuses.
        return Refusal(f"The request is malformed: {error!r}")


def _check(request: ReceivedRequest, fields: Fields) -> Refusal | None:
    if request.wire == "anthropic":
        interleaved = "interleaved-thinking" in request.headers.get("anthropic-beta", "")
        return check_anthropic(fields, vertex=request.vertex, interleaved=interleaved)
    if request.wire == "bedrock":
        return check_bedrock(fields, request.model or "")
    if request.wire == "gemini":
        return check_gemini(fields, vertex=request.vertex)
    if request.wire == "embeddings":
        return check_embeddings({"model": request.model, **fields}, lenient=request.lenient)
    if request.wire in _EMBEDDINGS:
        return _EMBEDDINGS[request.wire](fields)
    if request.wire == "bedrock-embeddings":
        return check_bedrock_embeddings(fields, request.model or "")
    if request.wire == "vertex-embeddings":
        return check_vertex_embeddings(fields, request.model or "")
    return check_openai({"model": request.model, **fields}, lenient=request.lenient)


_EMBEDDINGS: dict[str, Callable[[Fields], Refusal | None]] = {
    "cohere-embeddings": check_cohere_embeddings,
    "gemini-embeddings": check_gemini_embeddings,
    "nomic-embeddings": check_nomic_embeddings,
    "ollama-embeddings": check_ollama_embeddings,
}

_NO_OBJECT = {
    "openai": (
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
        "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
    ),
    "anthropic": "The request body is not valid JSON",
    "bedrock": "The request body is not a JSON object",
    "gemini": "Invalid JSON payload received. Unexpected end of string.",
}
_NO_OBJECT["embeddings"] = _NO_OBJECT["openai"]
_NO_OBJECT["vertex"] = _NO_OBJECT["gemini"]
_NO_OBJECT |= dict.fromkeys(("cohere", "nomic", "ollama"), "invalid JSON syntax")
"""Answers to a body that is no JSON object."""
