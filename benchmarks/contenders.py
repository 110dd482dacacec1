"""Who is measured: small adapters, each of which makes a model for a base URL. Imports happen when they are used."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benchmarks.answers import Answer, answer

_PORTKEY_HEADERS = {"x-portkey-provider": "openai", "x-portkey-strict-open-ai-compliance": "false"}


@dataclass(frozen=True)
class Contender:
    """One that is measured.

    Attributes:
        name: How the command line calls it.
        title: How the tables call it.
        imports: The statement that a user writes first.
        make: A model for a base URL.
        quick: Whether `make bench` measures it.
        distribution: The package whose version is reported.
    """

    name: str
    title: str
    imports: str
    make: Callable[[str], Any]
    quick: bool = True
    distribution: str | None = None


def _ours(url: str) -> Any:
    from langchain_pollinations_portkey import ChatPortkey

    return ChatPortkey(model="openai/gpt-4o", base_url=url, api_key="k", max_retries=0)


def _floor(url: str) -> Any:
    from benchmarks.floor import FloorChat

    return FloorChat(url=url)


def _openai(url: str) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model="gpt-4o", base_url=url, api_key="k", max_retries=0, stream_usage=True, default_headers=_PORTKEY_HEADERS
    )


def _mistral(url: str) -> Any:
    from langchain_mistralai import ChatMistralAI

    return ChatMistralAI(model_name="mistral-large-latest", endpoint=url, api_key="k", max_retries=1)


def _openrouter(url: str) -> Any:
    from langchain_openrouter import ChatOpenRouter

    return ChatOpenRouter(model="openai/gpt-4o", base_url=url, api_key="k", max_retries=0)


def _litellm(url: str) -> Any:
    from langchain_litellm import ChatLiteLLM

    return ChatLiteLLM(model="openai/gpt-4o", api_base=url, api_key="k", max_retries=0)


def _core(url: str) -> Any:
    """LangChain's own cost: a model that answers without asking anybody."""
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    class CoreChat(BaseChatModel):
        answer: Any

        @property
        def _llm_type(self) -> str:
            return "core"

        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage(content=self.answer.text))])

        async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
            return self._generate()

        def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
            for delta in self.answer.deltas():
                calls = [
                    {"index": 0, "id": None, "name": None, "args": call["function"]["arguments"]}
                    for call in delta.get("tool_calls", ())
                ]
                message = AIMessageChunk(content=delta.get("content", ""), tool_call_chunks=calls)
                yield ChatGenerationChunk(message=message)

        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            for chunk in self._stream():
                yield chunk

        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self.bind(tools=tools)

    return CoreChat(answer=_answer_of(url))


def _answer_of(url: str) -> Answer:
    return next(answer(part) for part in url.split("/") if part.split("-")[0] in ("json", "text", "tool", "thinking"))


class RawHTTPX:
    """No LangChain: httpx as its documentation shows it, JSON in and out."""

    def __init__(self, url: str, tools: list[Any] | None = None) -> None:
        import httpx

        self._url = url
        self._tools = tools
        self._client = httpx.Client()
        self._async_client = httpx.AsyncClient()

    def bind_tools(self, tools: list[Any]) -> RawHTTPX:
        return RawHTTPX(self._url, tools)

    def _request(self, question: Any, *, stream: bool = False) -> dict[str, Any]:
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        body = {"model": "gpt-4o", "messages": messages, "stream": stream}
        if self._tools:
            body["tools"] = self._tools
        headers = {"authorization": "Bearer k", **_PORTKEY_HEADERS}
        return {"method": "POST", "url": f"{self._url}/chat/completions", "json": body, "headers": headers}

    def invoke(self, question: Any) -> Any:
        return self._client.request(**self._request(question)).json()["choices"][0]["message"]["content"]

    async def ainvoke(self, question: Any) -> Any:
        response = await self._async_client.request(**self._request(question))
        return response.json()["choices"][0]["message"]["content"]

    def batch(self, questions: list[Any], config: dict[str, Any]) -> list[Any]:
        with ThreadPoolExecutor(config["max_concurrency"]) as pool:
            return list(pool.map(self.invoke, questions))

    def stream(self, question: Any) -> Iterator[Any]:
        with self._client.stream(**self._request(question, stream=True)) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])

    async def astream(self, question: Any) -> AsyncIterator[Any]:
        async with self._async_client.stream(**self._request(question, stream=True)) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("core", "core", "from langchain_core.language_models.chat_models import BaseChatModel", _core),
        Contender("httpx", "httpx alone", "import httpx", RawHTTPX, quick=False),
        Contender("floor", "floor", "from benchmarks.floor import FloorChat", _floor),
        Contender("ours", "ChatPortkey", "from langchain_pollinations_portkey import ChatPortkey", _ours),
        Contender(
            "openai", "ChatOpenAI", "from langchain_openai import ChatOpenAI", _openai, distribution="langchain-openai"
        ),
        Contender(
            "mistral",
            "ChatMistralAI",
            "from langchain_mistralai import ChatMistralAI",
            _mistral,
            quick=False,
            distribution="langchain-mistralai",
        ),
        Contender(
            "openrouter",
            "ChatOpenRouter",
            "from langchain_openrouter import ChatOpenRouter",
            _openrouter,
            quick=False,
            distribution="langchain-openrouter",
        ),
        Contender(
            "litellm",
            "ChatLiteLLM",
            "from langchain_litellm import ChatLiteLLM",
            _litellm,
            quick=False,
            distribution="langchain-litellm",
        ),
    )
}
