"""LangChain's standard tests of embeddings, whole: alone, and through the real gateway."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_pollinations_portkey import PortkeyEmbeddings
from tests.standard.conftest import ROUTE


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[PortkeyEmbeddings]:
        return PortkeyEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "openai/text-embedding-3-small", "api_key": "test-key"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"PORTKEY_GATEWAY_URL": "http://gateway.example:8080"}
        return environment, {"model": "openai/e"}, {"portkey_base_url": "http://gateway.example:8080/v1"}


@pytest.mark.gateway
class Suite(EmbeddingsIntegrationTests):
    """What all targets have in common."""

    target: ClassVar[str]

    @property
    def embeddings_class(self) -> type[PortkeyEmbeddings]:
        return PortkeyEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": self.target, "api_key": "test-key", **ROUTE}


class TestOpenAI(Suite):
    """A list of texts in a request, in OpenAI's form."""

    target = "openai/text-embedding-3-small"


class TestCohere(Suite):
    """A list of texts in a request, in another form."""

    target = "cohere/embed-v4.0"


class TestGoogle(Suite):
    """One text in a request."""

    target = "google/gemini-embedding-001"
