"""How each provider says things: one module per wire, each with the same three functions.

`asked(request)` reads what the default reply needs, `render(reply, request)` gives the answer in the
mode that was asked for, `failure(failure, request)` gives the provider's error body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langchain_pollinations_portkey.testing.answer import Answer
from langchain_pollinations_portkey.testing.received import ReceivedRequest, Wire
from langchain_pollinations_portkey.testing.replies import Failure, Reply
from langchain_pollinations_portkey.testing.wires import (
    anthropic,
    bedrock,
    embeddings,
    gemini,
    native_embeddings,
    openai,
)
from langchain_pollinations_portkey.testing.wires.asked import Asked


@dataclass(frozen=True, slots=True)
class Renderer:
    """The three functions of a wire."""

    asked: Callable[[ReceivedRequest], Asked]
    render: Callable[[Reply, ReceivedRequest], Answer]
    failure: Callable[[Failure, ReceivedRequest], Answer]


RENDERERS: dict[Wire, Renderer] = {
    "openai": Renderer(openai.asked, openai.render, openai.failure),
    "embeddings": Renderer(embeddings.asked, embeddings.render, openai.failure),
    "bedrock-embeddings": Renderer(embeddings.asked, native_embeddings.render_bedrock, bedrock.failure),
    "cohere-embeddings": Renderer(embeddings.asked, native_embeddings.render_cohere, native_embeddings.fail_cohere),
    "gemini-embeddings": Renderer(embeddings.asked, native_embeddings.render_gemini, gemini.failure),
    "nomic-embeddings": Renderer(embeddings.asked, native_embeddings.render_nomic, native_embeddings.fail_nomic),
    "ollama-embeddings": Renderer(embeddings.asked, native_embeddings.render_ollama, native_embeddings.fail_ollama),
    "vertex-embeddings": Renderer(embeddings.asked, native_embeddings.render_vertex, gemini.failure),
    "anthropic": Renderer(anthropic.asked, anthropic.render, anthropic.failure),
    "bedrock": Renderer(bedrock.asked, bedrock.render, bedrock.failure),
    "gemini": Renderer(gemini.asked, gemini.render, gemini.failure),
    "unknown": Renderer(embeddings.asked, openai.render, openai.failure),
}
"""A path that is nobody's is answered in OpenAI's envelope, the most common one."""

__all__ = ["RENDERERS", "Asked", "Renderer"]
