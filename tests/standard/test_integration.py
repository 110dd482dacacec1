"""LangChain's standard integration tests, whole, through the real gateway.

Once per method of structured output, for a target that speaks like OpenAI and for one that speaks like Anthropic,
with string content and with standard content blocks (`output_version="v1"`).
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

import pytest
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.testing import RawAnswer, Reply, StandInProvider, Usage
from tests.standard.conftest import ROUTE

Detail = Literal["audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"]

pytestmark = pytest.mark.gateway


class Suite(ChatModelIntegrationTests):
    """What both targets have in common."""

    provider: ClassVar[str]
    target: ClassVar[str]
    other_model: ClassVar[str]
    method: ClassVar[str | None] = None
    output_version: ClassVar[str | None] = None
    details: ClassVar[list[Detail]]

    stand_in: StandInProvider

    @pytest.fixture(autouse=True)
    def _remember(self, _played: StandInProvider) -> None:
        self.stand_in = _played

    @property
    def chat_model_class(self) -> type[ChatPortkey]:
        return ChatPortkey

    @property
    def chat_model_params(self) -> dict[str, Any]:
        version = {"output_version": self.output_version} if self.output_version else {}
        return {"model": self.target, "provider": self.provider, "api_key": "test-key", **ROUTE, **version}

    @property
    def model_override_value(self) -> str:
        return self.other_model

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method} if self.method else {}

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    enable_vcr_tests = True

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Detail]]:
        return {"invoke": self.details, "stream": self.details}

    def _ask(self, *, stream: bool) -> AIMessage:
        model = ChatPortkey(**self.chat_model_params)
        if not stream:
            return model.invoke("Count my tokens.")
        whole = None
        for chunk in model.stream("Count my tokens."):
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        return whole

    def _counted(self, usage: Usage, *, stream: bool) -> AIMessage:
        self.stand_in.script(Reply("Counted.", usage=usage))
        return self._ask(stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._counted(Usage(input_tokens=10, output_tokens=5, cache_read=1000), stream=stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._counted(Usage(input_tokens=10, output_tokens=5, cache_write=200), stream=stream)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._counted(Usage(input_tokens=10, output_tokens=25, reasoning=20), stream=stream)


class OpenAISuite(Suite):
    provider = "openai"
    target = "gpt-4o"
    other_model = "gpt-4o-mini"
    details: ClassVar[list[Detail]] = ["audio_input", "audio_output", "reasoning_output", "cache_read_input"]
    supports_audio_inputs = True

    def _with_audio(self, *, stream: bool) -> AIMessage:
        """The stand-in plays no audio model; the counts of one are sent as they are."""
        usage = {
            "prompt_tokens": 40,
            "completion_tokens": 30,
            "total_tokens": 70,
            "prompt_tokens_details": {"audio_tokens": 32},
            "completion_tokens_details": {"audio_tokens": 24},
        }
        head = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-audio-preview"}
        said = {"role": "assistant", "content": "Heard."}
        if not stream:
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            body = json.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            self.stand_in.script(RawAnswer(headers={"content-type": "application/json"}, body=body.encode()))
            return self._ask(stream=False)
        events = [
            {**head, "choices": [{"index": 0, "delta": said, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**head, "choices": [], "usage": usage},
        ]
        lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
        self.stand_in.script(
            RawAnswer(headers={"content-type": "text/event-stream"}, chunks=[*lines, b"data: [DONE]\n\n"])
        )
        return self._ask(stream=True)

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        return self._with_audio(stream=stream)

    def invoke_with_audio_output(self, *, stream: bool = False) -> AIMessage:
        return self._with_audio(stream=stream)


class AnthropicSuite(Suite):
    provider = "anthropic"
    target = "claude-sonnet-4-5"
    other_model = "claude-haiku-4-5"
    details: ClassVar[list[Detail]] = ["cache_read_input", "cache_creation_input"]


class TestOpenAI(OpenAISuite):
    """The default method, which is json_schema here."""


class TestOpenAIFunctionCalling(OpenAISuite):
    method = "function_calling"


class TestOpenAIJsonMode(OpenAISuite):
    method = "json_mode"


class TestOpenAIBlocks(OpenAISuite):
    output_version = "v1"


class TestAnthropic(AnthropicSuite):
    """The default method, which is function_calling here."""


class TestAnthropicJsonSchema(AnthropicSuite):
    method = "json_schema"


class TestAnthropicJsonMode(AnthropicSuite):
    method = "json_mode"


class TestAnthropicBlocks(AnthropicSuite):
    output_version = "v1"
