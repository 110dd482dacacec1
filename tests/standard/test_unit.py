"""LangChain's standard unit tests, whole."""

from __future__ import annotations

from typing import Any

from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_pollinations_portkey import ChatPortkey


class TestChatPortkey(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatPortkey]:
        return ChatPortkey

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "portkey-gpt4", "api_key": "test-key"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"PORTKEY_GATEWAY_URL": "http://gateway.example:8080"}
        return environment, {"model": "portkey-gpt4"}, {"portkey_base_url": "http://gateway.example:8080/v1"}

    @property
    def model_override_value(self) -> str:
        return "portkey-claude"


class TestChatPortkeyAtAnthropic(TestChatPortkey):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "anthropic/claude-sonnet-4-5", "api_key": "test-key"}
