"""`ChatPortkey`: the LangChain chat model for every model behind a Portkey AI Gateway.

This module holds the class - fields and LangChain's hooks - and nothing else: what goes over the wire is
written in `wire`, how it travels in `gateway`, and `_call` brings the two together.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from langchain_pollinations_portkey._gateway_model import GatewayModel
from langchain_pollinations_portkey._options import hidden_options, split_options
from langchain_pollinations_portkey._routes import (
    ROUTE_NAMES,
    RoutePlan,
    chosen_route,
    config_header,
    options_of,
    plan_route,
    ready_route,
    targets_of,
)
from langchain_pollinations_portkey._secrets import digest
from langchain_pollinations_portkey._version import __version__
from langchain_pollinations_portkey.catalogue import Provider, ResolvedModel
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.credentials import Credentials, CredentialsNeedIO
from langchain_pollinations_portkey.gateway.downloads import adownload, download
from langchain_pollinations_portkey.gateway.headers import Target
from langchain_pollinations_portkey.gateway.routes import Branch
from langchain_pollinations_portkey.gateway.settings import GatewaySettings
from langchain_pollinations_portkey.notices import LossWarning, Notice, tell
from langchain_pollinations_portkey.routing import Route
from langchain_pollinations_portkey.routing import Target as RouteTarget
from langchain_pollinations_portkey.wire import blocks
from langchain_pollinations_portkey.wire.chat.cache_control import PromptCachePolicy
from langchain_pollinations_portkey.wire.chat.downloads import images_needed, with_downloaded
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, written
from langchain_pollinations_portkey.wire.chat.structured import Method, Schema, plan_structured_output, with_raw
from langchain_pollinations_portkey.wire.chat.tools import ToolLike, tool_choice_to_wire, tools_to_wire
from langchain_pollinations_portkey.wire.usage import added_counts

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import _ChatModelBinding

blocks.register()


class ChatPortkey(GatewayModel, BaseChatModel):
    """Chat with any model behind a Portkey AI Gateway, by a short name.

    ```python
    from langchain_pollinations_portkey import ChatPortkey

    model = ChatPortkey(model="claude-sonnet-4.5")
    model.invoke("Why is the sky blue?")
    ```

    `model` is a name of the catalogue (`"portkey-gpt4"`, `"claude-sonnet-4.5"`; `Catalogue.default()` lists
    them), `"provider/model"`, or with `provider=` the model id as it stands.

    Keys stay with their provider. `api_key` is for the provider of `model`; without it the provider's own
    environment variable is read at the time of the call, then `PORTKEY_API_KEY`.

    ???+ info "Errors"
        Everything raised is a `PortkeyError` and, where LangChain has a name for the condition, also a
        `langchain_core.exceptions.ModelError`. What cannot work is refused before anything is sent
        (`PortkeyConfigurationError`).
    """

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

    fallbacks: list[Any] = Field(default_factory=list)
    """Models that answer, in this order, when this one fails: names, or what `routing` has. The gateway carries it
    out, with the same conversation; `.with_fallbacks()` is LangChain's, from here."""

    load_balance: dict[str, float] | None = None
    """Models by name and their shares of the calls; this model has to be among them."""

    route: Any = Field(default=None, exclude=True)
    """A route of `routing`, where `fallbacks` and `load_balance` do not say enough. It decides who answers; `model`
    may then be left out."""

    portkey_config: dict[str, Any] | str | None = Field(default=None, exclude=True, repr=False)
    """A configuration of the gateway as it stands, keys included, or the id of one at the hosted service."""

    @model_validator(mode="before")
    @classmethod
    def _name_after_route(cls, values: Any) -> Any:
        if (
            isinstance(values, Mapping)
            and values.get("route")
            and not (values.get("model") or values.get("model_name"))
        ):
            return {**values, "model": targets_of(values["route"])[0].model}
        return values

    @model_validator(mode="after")
    def _add_portkey_version(self) -> Self:
        self._add_version("langchain-pollinations-portkey", __version__)
        return self

    # ------------------------------------------------------------------ what LangChain asks

    @property
    def _llm_type(self) -> str:
        return "portkey-chat"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` writes it; secrets are left out."""
        return True

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "provider": self.provider,
            "base_url": self.portkey_base_url,
            "custom_host": self.custom_host,
            **{name: value for name, value in self._body_defaults().items() if value is not None},
        }

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

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The key of answers in a cache: it differs with whatever the answer depends on, and holds no secret.

        LangChain's own is made from the serialized model, which leaves out headers and is computed once, so that
        a `model_copy` with other settings would find the answers of the original.
        """
        body, route, _ = split_options(kwargs)
        asked = digest([self._routing_digest(route), body, stop])
        return f"{self._llm_type}:{self.model_name}:{asked}"

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

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await (await self._aprepare(messages, stop, kwargs, stream=False, run=run_manager)).ainvoke()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        messages = self._downloaded(messages, kwargs)
        for chunk in self._prepare(messages, stop, kwargs, stream=True, run=run_manager).events():
            if run_manager is not None:
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
        providers = self._providers(kwargs)
        if method is None and len({row.quirks.structured_output for row in providers}) > 1:
            method = "function_calling"  # every provider that can do one of them can do this
        plan = plan_structured_output(schema, providers[0], method=method, strict=strict, tools=tools or ())
        options = {**plan.options, **kwargs}
        model = self.bind_tools(plan.tools, **options) if plan.tools else self.bind(**options)
        return with_raw(model, plan.parser) if include_raw else model | plan.parser

    # ------------------------------------------------------------------ from options to a call

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
        """Understand the model's name, find its key, write the request; nothing is sent."""
        body, route, notices = split_options(options)
        gateway = self._gateway()
        body = {"prompt_caching": self.prompt_caching, **self._body_defaults(), **body}
        if stop is not None:
            body["stop"] = stop
        if stream and (body.get("n") or 1) > 1:
            body["n"] = None
            text = "A stream is one message, so n is not sent; use invoke or generate for several answers."
            notices.append(Notice(LossWarning, ("n", "stream"), text))
        wants_usage = stream and route.get("stream_usage", self.stream_usage)

        def write(model: ResolvedModel) -> ChatRequest:
            return written(messages, model, _with_usage(body, model) if wants_usage else body, stream=stream)

        name = route.get("model") or self.model_name
        given = {key: route.get(key, getattr(self, key)) for key in ROUTE_NAMES}
        config = route.get("portkey_config", self.portkey_config)
        header, brings_keys = (None, False) if config is None else config_header(config, hosted=gateway.hosted)
        chosen = chosen_route(given, name)
        if header is not None:
            if chosen is not None:
                raise PortkeyConfigurationError("portkey_config and a route both say whom to ask; give one of them.")
            route = {**route, "extra_headers": {**(route.get("extra_headers") or {}), "x-portkey-config": header}}
        plan: RoutePlan | None = None
        if chosen is None or isinstance(chosen, str | RouteTarget):
            own = route if chosen is None else {**route, **options_of(chosen)}
            model = self._resolve(own, hosted=gateway.hosted)
            if brings_keys:
                target = Target(model, Credentials())
            else:
                target = self._target(model, own, gateway, may_wait=may_wait)
            chat = write(model)
            notices += target.credentials.notices
            notices += (
                Notice(LossWarning, (key, model.provider.id), sentence[:1].upper() + sentence[1:])
                for key, sentence in chat.losses.items()
            )
        else:
            plan = plan_route(self._ready(chosen, name, route, gateway, may_wait=may_wait), write)
            path, leaf = next(iter(plan.leaves.items()))
            target, chat = leaf.target, plan.requests[path]
            notices += (notice for one in plan.leaves.values() for notice in one.target.credentials.notices)
        for notice in notices:
            tell(notice)
        primary = self._is_primary(target.model, route, hosted=gateway.hosted)
        return Call(
            chat=chat,
            target=target,
            plan=plan,
            gateway=gateway,
            settings=self._request_settings(route, primary=primary, run=run),
            transport=self._transport(),
            stream=stream,
            timeout=route.get("timeout", self.request_timeout),
            max_retries=self.max_retries if route.get("max_retries") is None else route["max_retries"],
        )

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

    def _providers(self, options: Mapping[str, Any]) -> list[Provider]:
        """Who may answer a call with these options, the first choice first."""
        hosted = self._is_hosted()
        name = options.get("model") or self.model_name
        chosen = chosen_route({key: options.get(key, getattr(self, key)) for key in ROUTE_NAMES}, name)
        if chosen is None:
            return [self._resolve(options, hosted=hosted).provider]
        return [self._resolve(options_of(target), hosted=hosted).provider for target in targets_of(chosen)]

    def _ready(
        self, chosen: Route, name: str, route: Mapping[str, Any], gateway: GatewaySettings, *, may_wait: bool
    ) -> Branch:
        """A route with the model and the credentials of every target."""

        def ready(one: RouteTarget) -> Target:
            # What a call says about its model holds for the target of that name; others have what is theirs.
            own = {**(route if one.model == name else {}), **options_of(one)}
            model = self._resolve(own, hosted=gateway.hosted)
            try:
                return self._target(model, own, gateway, may_wait=may_wait)
            except MissingCredentialsError as error:
                raise MissingCredentialsError(f"For {one.model!r} of the route: {error}") from None

        node = ready_route(chosen, ready)
        if not isinstance(node, Branch):  # a single target is no route
            raise TypeError(type(node).__name__)
        return node


def _with_usage(body: dict[str, Any], model: ResolvedModel) -> dict[str, Any]:
    """The options of a stream that brings token counts, where the provider takes the wish."""
    if "stream_options" in body or "stream_options" in model.provider.quirks.drops:
        return body
    return {**body, "stream_options": {"include_usage": True}}
