"""Rows of the catalogue that the tables of this directory speak about."""

from __future__ import annotations

from langchain_pollinations_portkey.catalogue import Catalogue, ResolvedModel
from langchain_pollinations_portkey.catalogue.entries import Provider

PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
MARK = {"type": "ephemeral"}


def model(name: str) -> ResolvedModel:
    """A model by `provider/model`."""
    return Catalogue().resolve(name)


def row(name: str) -> Provider:
    """The row of `provider/model`."""
    return model(name).provider


OPENAI = row("openai/gpt-4o")
ANTHROPIC = row("anthropic/claude-sonnet-4-5")
BEDROCK = row("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0")
NOVA = row("bedrock/us.amazon.nova-pro-v1:0")
LLAMA = row("bedrock/meta.llama3-1-70b-instruct-v1:0")
GOOGLE = row("google/gemini-2.5-pro")
GEMINI_3 = row("google/gemini-3-pro-preview")
VERTEX = row("vertex-ai/gemini-2.5-pro")
MISTRAL = row("mistral-ai/mistral-large-latest")
OPENROUTER = row("openrouter/anthropic/claude-sonnet-4.5")
COHERE = row("cohere/command-a")
DEEPSEEK = row("deepseek/deepseek-chat")
MOONSHOT = row("moonshot/kimi-k2")
