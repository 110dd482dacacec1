"""The suite with the flags that our model has switched on for an OpenAI-shaped target, on the peers."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests

from benchmarks.standard.conftest import ROUTE


class Peer(ChatModelIntegrationTests):
    """What the peers have in common."""

    method: ClassVar[str] = "json_schema"

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method}

    @property
    def model_override_value(self) -> str:
        return "gpt-4o-mini"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        raise NotImplementedError


class TestChatOpenAI(Peer):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return pytest.importorskip("langchain_openai").ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o", "base_url": ROUTE["url"], "api_key": "k"}


class TestChatOpenRouter(Peer):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return pytest.importorskip("langchain_openrouter").ChatOpenRouter

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o", "base_url": ROUTE["url"], "api_key": "k"}


class TestChatLiteLLM(Peer):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return pytest.importorskip("langchain_litellm").ChatLiteLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai/gpt-4o", "api_base": ROUTE["url"], "api_key": "k"}

    @property
    def model_override_value(self) -> str:
        return "openai/gpt-4o-mini"


class TestChatMistralAI(Peer):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return pytest.importorskip("langchain_mistralai").ChatMistralAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o", "endpoint": ROUTE["url"], "api_key": "k"}
