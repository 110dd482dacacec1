"""A strict stand-in for model providers, to test an application behind a real gateway without keys or costs.

It speaks the interfaces of OpenAI (chat completions, embeddings), Anthropic (messages), Amazon Bedrock
(Converse) and Google (Gemini, also on Vertex AI) on one port, for embeddings also those of Titan, Cohere, Nomic and
Ollama, and refuses what they refuse. It needs the standard library only.
"""

from __future__ import annotations

from langchain_pollinations_portkey.testing.provider import StandInProvider
from langchain_pollinations_portkey.testing.received import ReceivedRequest
from langchain_pollinations_portkey.testing.replies import Failure, RawAnswer, Reply, ToolCall, Usage

__all__ = ["Failure", "RawAnswer", "ReceivedRequest", "Reply", "StandInProvider", "ToolCall", "Usage"]
