"""The floor: what a plain LangChain model over httpx costs when nobody thought about speed or odd providers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def to_wire(message: BaseMessage) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": ROLES[message.type], "content": message.content}
    if isinstance(message, AIMessage) and message.tool_calls:
        wire["tool_calls"] = [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": json.dumps(c["args"])}}
            for c in message.tool_calls
        ]
    if message.type == "tool":
        wire["tool_call_id"] = message.tool_call_id
    return wire


class FloorChat(BaseChatModel):
    url: str
    _client: httpx.Client = PrivateAttr(default_factory=httpx.Client)
    _async_client: httpx.AsyncClient = PrivateAttr(default_factory=httpx.AsyncClient)

    @property
    def _llm_type(self) -> str:
        return "floor"

    def _request(self, messages: list[BaseMessage], *, stream: bool, **kwargs: Any) -> dict[str, Any]:
        body = {"model": "gpt-4o", "messages": [to_wire(m) for m in messages], "stream": stream, **kwargs}
        headers = {"authorization": "Bearer k", "x-portkey-provider": "openai"}
        return {"method": "POST", "url": f"{self.url}/chat/completions", "json": body, "headers": headers}

    def _result(self, body: dict[str, Any]) -> ChatResult:
        usage = {f"{new}_tokens": body["usage"][f"{old}_tokens"] for new, old in USAGE.items()}
        message = AIMessage(content=body["choices"][0]["message"]["content"], usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunk(self, line: str) -> ChatGenerationChunk | None:
        if not line.startswith("data: ") or line == "data: [DONE]":
            return None
        choices = json.loads(line[6:])["choices"]
        delta = choices[0]["delta"] if choices else {}
        calls = [{"index": c["index"], "id": c.get("id"), "name": c["function"].get("name"),
                  "args": c["function"]["arguments"]} for c in delta.get("tool_calls", ())]  # fmt: skip
        thinking = {"content_blocks": delta["content_blocks"]} if "content_blocks" in delta else {}
        message = AIMessageChunk(content=delta.get("content", ""), tool_call_chunks=calls, additional_kwargs=thinking)
        return ChatGenerationChunk(message=message)

    def _generate(self, messages: Any, *_: Any, **kwargs: Any) -> ChatResult:
        return self._result(self._client.request(**self._request(messages, stream=False, **own(kwargs))).json())

    async def _agenerate(self, messages: Any, *_: Any, **kwargs: Any) -> ChatResult:
        request = self._request(messages, stream=False, **own(kwargs))
        return self._result((await self._async_client.request(**request)).json())

    def _stream(self, messages: Any, *_: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        with self._client.stream(**self._request(messages, stream=True, **own(kwargs))) as response:
            for line in response.iter_lines():
                if chunk := self._chunk(line):
                    yield chunk

    async def _astream(self, messages: Any, *_: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async with self._async_client.stream(**self._request(messages, stream=True, **own(kwargs))) as response:
            async for line in response.aiter_lines():
                if chunk := self._chunk(line):
                    yield chunk

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)


def own(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name not in ("stop", "run_manager")}


USAGE = {"input": "prompt", "output": "completion", "total": "total"}
