"""What chat models have in common, whichever server they ask: the parameters of an answer, and LangChain's hooks.

A class that builds on `ChatModel` says whom to ask (`_prepare`, `_providers`); all else is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field, model_validator

from langchain_pollinations_portkey._call import Call
from langchain_pollinations_portkey._client_model import ClientModel
from langchain_pollinations_portkey._options import hidden_options
from langchain_pollinations_portkey._version import __version__
from langchain_pollinations_portkey.catalogue import Provider, ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.credentials import CredentialsNeedIO
from langchain_pollinations_portkey.gateway.downloads import adownload, download
from langchain_pollinations_portkey.notices import LossWarning, Notice
from langchain_pollinations_portkey.wire import blocks
from langchain_pollinations_portkey.wire.chat.cache_control import PromptCachePolicy
from langchain_pollinations_portkey.wire.chat.downloads import images_needed, with_downloaded
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, written
from langchain_pollinations_portkey.wire.chat.tools import tool_choice_to_wire, tools_to_wire
from langchain_pollinations_portkey.wire.usage import added_counts

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile
    from langchain_core.language_models.chat_models import _ChatModelBinding

    from langchain_pollinations_portkey.wire.chat.structured import Method, Schema
    from langchain_pollinations_portkey.wire.chat.tools import ToolLike

blocks.register()


class ChatModel(ClientModel, BaseChatModel):
    """The parameters of an answer, and what LangChain asks of a chat model."""

    temperature: float | None = None
    """How freely to choose words; the providers' ranges differ."""

    max_tokens: int | None = None
    """Most tokens of the answer. Where a provider insists on it, the catalogue's limit of the model is sent."""

    top_p: float | None = None
    """Choose among the words that make up this share of the probability."""

    top_k: int | None = None
    """Choose among this many words."""

    n: int | None = None
    """How many answers to give; streams give one."""

    seed: int | None = None
    """Choose the same words again, as far as the provider can."""

    stop: list[str] | str | None = Field(default=None, alias="stop_sequences")
    """Texts at which the answer ends."""

    presence_penalty: float | None = None
    """Avoid words that were used at all."""

    frequency_penalty: float | None = None
    """Avoid words the more often they were used."""

    logprobs: bool | None = None
    """Return the log probabilities of the words, in `response_metadata["logprobs"]`."""

    top_logprobs: int | None = None
    """Return those of this many alternatives as well."""

    reasoning_effort: str | None = None
    """How much to think: `"low"`, `"medium"`, `"high"`, for models of OpenAI's kind and Gemini."""

    thinking: dict[str, Any] | None = None
    """How to think: `{"type": "enabled", "budget_tokens": 2048}`, for Claude and Gemini."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further parameters of the request body."""

    stream_usage: bool = True
    """Whether to ask for token counts in streams."""

    streaming: bool = False
    """Whether `invoke` streams inside."""

    prompt_caching: Literal["auto", "off"] | PromptCachePolicy = "off"
    """Whether to set cache breakpoints by itself, for providers that have them (Claude, Amazon Nova): `"auto"`, or
    a `PromptCachePolicy` that says how long and how many."""

    download_images: bool = False
    """Whether to fetch images and files given by URL for providers that need their bytes (Bedrock): public addresses
    only, 20 MB at most. Without it such a message is refused."""

    @model_validator(mode="after")
    def _add_portkey_version(self) -> Self:
        self._add_version("langchain-pollinations-portkey", __version__)
        return self

    # ------------------------------------------------------------------ what the classes differ in

    @abstractmethod
    def _prepare(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
        run: Any = None,
        may_wait: bool = True,
    ) -> Call:
        """Understand the model's name, find its key, write the request; nothing is sent.

        Args:
            messages: The conversation.
            stop: Texts at which the answer ends, from LangChain's own argument.
            options: Those of the call, `bind`'s among them.
            stream: Whether the caller wants the answer as events.
            run: LangChain's manager of the run.
            may_wait: Whether looking for credentials may take a while.

        Raises:
            PortkeyConfigurationError: The call cannot be made.
            CredentialsNeedIO: It takes waiting to find credentials, and `may_wait` is False.
        """

    @abstractmethod
    def _models(self, options: Mapping[str, Any]) -> list[ResolvedModel]:
        """The models that may answer a call with these options, the first choice first.

        Raises:
            PortkeyConfigurationError: A name means nothing.
        """

    def _providers(self, options: Mapping[str, Any]) -> list[Provider]:
        return [model.provider for model in self._models(options)]

    # ------------------------------------------------------------------ what LangChain asks

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` writes it; secrets are left out."""
        return True

    @property
    def _asked_params(self) -> dict[str, Any]:
        """The parameters of an answer that are set."""
        return {name: value for name, value in self._body_defaults().items() if value is not None}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider="portkey",
            ls_model_type="chat",
            ls_model_name=kwargs.get("model") or kwargs.get("model_name") or self.model_name,
        )
        temperature = kwargs.get("temperature", self.temperature)
        if temperature is not None:
            params["ls_temperature"] = temperature
        max_tokens = kwargs.get("max_tokens") or kwargs.get("max_completion_tokens") or self.max_tokens
        if max_tokens is not None:
            params["ls_max_tokens"] = max_tokens
        stops = stop or self.stop
        if stops:
            params["ls_stop"] = [stops] if isinstance(stops, str) else list(stops)
        return params

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """What traces show of a call: LangChain's, with keys hidden."""
        return super()._get_invocation_params(stop=stop, **hidden_options(kwargs))

    def _resolve_model_profile(self) -> ModelProfile | None:
        from langchain_pollinations_portkey.catalogue.profiles import profile_of_route

        try:
            return profile_of_route(self._models({}))
        except PortkeyConfigurationError:
            return None  # the first call will say what is wrong

    def get_num_tokens(self, text: str) -> int:
        """About how many tokens a text is, by the vocabulary of the model's family; nobody is asked."""
        from langchain_pollinations_portkey.wire.chat.tokens import count_text

        if self.custom_get_token_ids is not None:
            return len(self.custom_get_token_ids(text))
        provider, model = self._counted_as()
        return count_text(text, provider=provider, model=model)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[ToolLike] | None = None) -> int:
        """About how many tokens a request is: messages with their images and files, and tools; nobody is asked."""
        from langchain_pollinations_portkey.wire.chat.tokens import count_tokens

        ids = self.custom_get_token_ids
        own = None if ids is None else lambda text: len(ids(text))
        provider, model = self._counted_as()
        return count_tokens(messages, tools, provider=provider, model=model, tokens_of=own)

    def get_token_ids(self, text: str) -> list[int]:
        """The ids of a text's tokens, by `custom_get_token_ids`.

        Raises:
            NotImplementedError: There is no such function, and so no vocabulary.
        """
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        raise NotImplementedError(
            "Token ids need the model's own tokenizer: pass custom_get_token_ids=... To count, use get_num_tokens()."
        )

    def _counted_as(self) -> tuple[Provider | None, str]:
        try:
            model = self._models({})[0]
        except PortkeyConfigurationError:
            return None, ""
        return model.provider, model.model

    def bind(self, **kwargs: Any) -> _ChatModelBinding:
        """Give options for all later calls; keys among them are kept as secrets."""
        return super().bind(**hidden_options(kwargs))

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """Add up the token counts of several answers."""
        combined: dict[str, Any] = {}
        for output in llm_outputs:
            for key, value in (output or {}).items():
                if key == "token_usage":
                    combined[key] = added_counts(combined.get(key), value)
                else:
                    combined[key] = value
        return combined

    # ------------------------------------------------------------------ calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        messages = self._downloaded(messages, kwargs)
        return self._prepare(messages, stop, kwargs, stream=False, run=run_manager).invoke()

    _generate.__signature__ = inspect.signature(_generate)  # type: ignore[attr-defined]  # see `_agenerate`

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await (await self._aprepare(messages, stop, kwargs, stream=False, run=run_manager)).ainvoke()

    # LangChain looks at the signatures at every call; kept here, they are not worked out anew.
    _agenerate.__signature__ = inspect.signature(_agenerate)  # type: ignore[attr-defined]

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        messages = self._downloaded(messages, kwargs)
        chunks = self._prepare(messages, stop, kwargs, stream=True, run=run_manager).events()
        if run_manager is None:  # LangChain tells the callbacks itself, and this costs less for each chunk
            yield from chunks
            return
        for chunk in chunks:
            run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = await self._aprepare(messages, stop, kwargs, stream=True, run=run_manager)
        async with contextlib.aclosing(call.aevents()) as chunks:
            async for chunk in chunks:
                if run_manager is not None:
                    await run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
                yield chunk

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: Any = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give the model tools to call.

        Args:
            tools: Functions, `BaseTool`s, pydantic classes, typed dicts, or dicts in OpenAI's, Anthropic's or
                JSON Schema's form.
            tool_choice: `None` or `"auto"`: the model decides; `"any"`, `"required"` or `True`: it must call one;
                `"none"`: none; a tool's name: that one.
            strict: Ask the provider to follow the tools' schemas to the letter.
            parallel_tool_calls: Whether the model may call several tools at once.
            **kwargs: Other options of the call.

        Raises:
            PortkeyConfigurationError: Something is no tool, or `tool_choice` names none of them.
        """
        bound = tools_to_wire(tools, strict=strict)
        if tool_choice is not None:
            tool_choice_to_wire(tool_choice, bound)
            kwargs["tool_choice"] = tool_choice
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(tools=bound, **kwargs)

    @property
    def takes_cache_breakpoints(self) -> bool:
        """Whether the model's provider has cache breakpoints, as those of Claude and Amazon Nova do."""
        return any(row.quirks.cache_control for row in self._providers({}))

    def with_structured_output(
        self,
        schema: Schema,
        *,
        method: Method | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        tools: Sequence[ToolLike] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Have the model answer in a form, and read the answer.

        ```python
        class Movie(BaseModel):
            title: str
            year: int

        ChatPortkey(model="claude-sonnet-4.5").with_structured_output(Movie).invoke("Name a film by Tati.")
        ```

        Args:
            schema: A pydantic class; a `TypedDict`, JSON Schema with a title, or a tool as a dict give a dict.
            method: `"function_calling"` (a tool whose arguments are the answer), `"json_schema"` or `"json_mode"`.
                By default the one that arrives at the model's provider. Where the gateway drops `response_format`
                (Claude, Mistral), the latter two are carried out by a tool, unnoticeably.
            include_raw: Give `{"raw": message, "parsed": value, "parsing_error": error}` and raise nothing.
            strict: Ask the provider to follow the schema to the letter; not with `"json_mode"`.
            tools: Further tools that the model may call first; the value is then `None`.
            **kwargs: Other options of the call.

        Raises:
            PortkeyConfigurationError: The method cannot work with the model's provider.
        """
        from langchain_pollinations_portkey.wire.chat.structured import plan_structured_output, with_raw

        providers = self._providers(kwargs)
        if method is None and len({row.quirks.structured_output for row in providers}) > 1:
            method = "function_calling"  # every provider that can do one of them can do this
        plan = plan_structured_output(schema, providers[0], method=method, strict=strict, tools=tools or ())
        options = {**plan.options, **kwargs}
        model = self.bind_tools(plan.tools, **options) if plan.tools else self.bind(**options)
        return with_raw(model, plan.parser) if include_raw else model | plan.parser

    # ------------------------------------------------------------------ from options to a call

    async def _aprepare(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
        run: Any = None,
    ) -> Call:
        """`_prepare`, in a thread where AWS's credentials have to be looked for."""
        urls = self._files_needed(messages, options)
        if urls:
            messages = with_downloaded(messages, await adownload(urls))
        try:
            return self._prepare(messages, stop, options, stream=stream, run=run, may_wait=False)
        except CredentialsNeedIO:
            return await asyncio.to_thread(self._prepare, messages, stop, options, stream=stream, run=run)

    def _completed(
        self, body: Mapping[str, Any], stop: list[str] | None, notices: list[Notice], *, stream: bool
    ) -> dict[str, Any]:
        """The options of the request body, those of the constructor among them.

        Args:
            body: Those of the call.
            stop: LangChain's own argument.
            notices: What the user should know is added here.
            stream: Whether the caller wants the answer as events.
        """
        completed = {"prompt_caching": self.prompt_caching, **self._body_defaults(), **body}
        if stop is not None:
            completed["stop"] = stop
        if stream and (completed.get("n") or 1) > 1:
            completed["n"] = None
            text = "A stream is one message, so n is not sent; use invoke or generate for several answers."
            notices.append(Notice(LossWarning, ("n", "stream"), text))
        return completed

    @staticmethod
    def _written(
        messages: list[BaseMessage], body: dict[str, Any], model: ResolvedModel, *, stream: bool, usage: bool
    ) -> ChatRequest:
        """The request for one model; with `usage`, a stream that brings token counts where the provider can."""
        if usage and "stream_options" not in body and "stream_options" not in model.provider.quirks.drops:
            body = {**body, "stream_options": {"include_usage": True}}
        return written(messages, model, body, stream=stream)

    def _body_defaults(self) -> dict[str, Any]:
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "n": self.n,
            "seed": self.seed,
            "stop": self.stop,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "logprobs": self.logprobs,
            "top_logprobs": self.top_logprobs,
            "reasoning_effort": self.reasoning_effort,
            "thinking": self.thinking,
            **self.model_kwargs,
        }

    def _files_needed(self, messages: list[BaseMessage], options: Mapping[str, Any]) -> list[str]:
        """URLs of what some provider that may answer needs as bytes, if the user wants it fetched."""
        if not options.get("download_images", self.download_images):
            return []
        needed = (url for provider in self._providers(options) for url in images_needed(messages, provider))
        return list(dict.fromkeys(needed))

    def _downloaded(self, messages: list[BaseMessage], options: Mapping[str, Any]) -> list[BaseMessage]:
        urls = self._files_needed(messages, options)
        return with_downloaded(messages, download(urls)) if urls else messages
