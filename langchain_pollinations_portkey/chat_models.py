"""`ChatPortkey`: the LangChain chat model for every model behind a Portkey AI Gateway.

This module holds the class - fields and LangChain's hooks - and nothing else: what goes over the wire is
written in `wire`, how it travels in `gateway`, and `_call` brings the two together.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from langchain_pollinations_portkey._call import Call
from langchain_pollinations_portkey._options import split_options, unknown_option
from langchain_pollinations_portkey._version import __version__
from langchain_pollinations_portkey.catalogue import Catalogue, ResolvedModel, retirement_notice
from langchain_pollinations_portkey.catalogue.lookup import RetiredModelWarning
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.credentials import (
    KeySources,
    check_option_names,
    find_credentials,
)
from langchain_pollinations_portkey.gateway.headers import RequestSettings, Target
from langchain_pollinations_portkey.gateway.settings import (
    GatewaySettings,
    base_url_from,
    is_hosted,
    is_readable_on_the_way,
    normalise_base_url,
)
from langchain_pollinations_portkey.gateway.transport import HTTPSettings, Transport
from langchain_pollinations_portkey.notices import LossWarning, Notice, SecurityWarning, tell
from langchain_pollinations_portkey.wire import blocks
from langchain_pollinations_portkey.wire.chat.request import build_request
from langchain_pollinations_portkey.wire.chat.tools import ToolLike, tools_to_wire

blocks.register()


class ChatPortkey(BaseChatModel):
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

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    model_name: str = Field(alias="model")
    """The model: a catalogue name, `provider/model`, or with `provider` a model id."""

    provider: str | None = None
    """The provider of the model; with it, `model` is the provider's own model id."""

    api_key: SecretStr | None = None
    """The key of the model's provider."""

    api_keys: dict[str, SecretStr] = Field(default_factory=dict, exclude=True, repr=False)
    """Keys by provider, for models of several providers."""

    portkey_api_key: SecretStr | None = None
    """The key of Portkey's hosted service; never sent to a provider. Giving it means that the gateway is hosted."""

    portkey_base_url: str = Field(alias="base_url", default_factory=lambda: base_url_from(os.environ))
    """The gateway: else `PORTKEY_GATEWAY_URL`, `PORTKEY_BASE_URL` or `http://localhost:8787/v1`. `/v1` is added."""

    hosted: bool | None = None
    """Whether the gateway is Portkey's hosted service; told from `base_url` and `portkey_api_key` if not given."""

    custom_host: str | None = None
    """A base URL that the gateway calls instead of the provider's own. It needs no key."""

    provider_options: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    """The provider's settings besides its key: `{"resource_name": ..., "api_version": ...}` for Azure OpenAI,
    `{"aws_region": ...}` for Bedrock. Kept out of dumps, since some of them are secret."""

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

    request_timeout: float | None = Field(default=None, alias="timeout")
    """Seconds until the answer has come, retries included; for a stream until it begins, and for each pause."""

    max_retries: int = Field(default=3, ge=0)
    """How often a failed request may be repeated, by the gateway and this client together; 0 sends it once."""

    trace_id: str | None = None
    """An id that the gateway hands back."""

    portkey_metadata: dict[str, Any] | None = None
    """Facts for the gateway's conditional routing and the hosted service's logs; not LangChain's `metadata`."""

    forward_headers: list[str] = Field(default_factory=list)
    """Names of headers that the gateway copies to the provider."""

    default_headers: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Headers for every request; they win over ours."""

    proxy: str | None = Field(default=None, exclude=True, repr=False)
    """URL of a proxy between here and the gateway."""

    verify: bool = True
    """Whether to check the gateway's TLS certificate."""

    max_connections: int | None = 1000
    """Most connections to the gateway at once, shared by all models with equal settings; `None` for no limit."""

    http_client: Any = Field(default=None, exclude=True, repr=False)
    """A synchronous httpx client to use as it is; it is never closed here."""

    http_async_client: Any = Field(default=None, exclude=True, repr=False)
    """An asynchronous httpx client to use as it is; it belongs to one event loop."""

    _default_provider: str | None = PrivateAttr(default=None)
    _environment_key: SecretStr | None = PrivateAttr(default=None)

    # ------------------------------------------------------------------ construction

    @model_validator(mode="before")
    @classmethod
    def _check_arguments(cls, values: Any) -> Any:
        """Say what is missing, catch mistyped names, and keep unknown ones for the request body."""
        if not isinstance(values, Mapping):
            return values
        values = dict(values)
        if not values.get("model") and not values.get("model_name"):
            raise PortkeyConfigurationError(
                'Which model? Pass model="portkey-gpt4", model="claude-sonnet-4.5", model="provider/model", ... '
                "Catalogue.default() lists the short names."
            )
        known = {name for field, info in cls.model_fields.items() for name in (field, info.alias) if name}
        unknown = [name for name in values if name not in known]
        extra = {}
        for name in unknown:
            tell(unknown_option(name, known))
            extra[name] = values.pop(name)
        kwargs = {**(values.get("model_kwargs") or {}), **extra}
        doubled = sorted(name for name in kwargs if name in known and values.get(name) is not None)
        if doubled:
            raise PortkeyConfigurationError(f"{doubled[0]!r} is given both by itself and in model_kwargs.")
        if kwargs:
            values["model_kwargs"] = kwargs
        return values

    @model_validator(mode="after")
    def _read_environment(self) -> Self:
        """Take what `PORTKEY_*` variables say at the time of construction."""
        self._default_provider = os.environ.get("PORTKEY_PROVIDER", "").strip() or None
        key = os.environ.get("PORTKEY_API_KEY", "").strip()
        self._environment_key = SecretStr(key) if key else None
        return self

    @model_validator(mode="after")
    def _normalise_portkey_base_url(self) -> Self:
        url = normalise_base_url(self.portkey_base_url)
        if url != self.portkey_base_url:
            self.__dict__["portkey_base_url"] = url  # plain assignment would mark it as given by the user
        return self

    @model_validator(mode="after")
    def _add_portkey_version(self) -> Self:
        self._add_version("langchain-pollinations-portkey", __version__)
        return self

    @property
    def model(self) -> str:
        """The model as it was named."""
        return self.model_name

    @property
    def base_url(self) -> str:
        """The base URL of the gateway."""
        return self.portkey_base_url

    # ------------------------------------------------------------------ what LangChain asks

    @property
    def _llm_type(self) -> str:
        return "portkey-chat"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` writes it; secrets are left out."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The secret fields and the variables they stand for."""
        return {"api_key": "PORTKEY_API_KEY", "portkey_api_key": "PORTKEY_API_KEY"}

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
            ls_model_name=kwargs.get("model") or self.model_name,
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

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """Add up the token counts of several answers."""
        combined: dict[str, Any] = {}
        for output in llm_outputs:
            for key, value in (output or {}).items():
                if key == "token_usage":
                    combined[key] = _added_counts(combined.get(key), value)
                else:
                    combined[key] = value
        return combined

    # ------------------------------------------------------------------ calls

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return self._prepare(messages, stop, kwargs, stream=False).invoke()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return await self._prepare(messages, stop, kwargs, stream=False).ainvoke()

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._prepare(messages, stop, kwargs, stream=True).events():
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
        async for chunk in self._prepare(messages, stop, kwargs, stream=True).aevents():
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
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(tools=tools_to_wire(tools, strict=strict), **kwargs)

    # ------------------------------------------------------------------ from options to a call

    def _prepare(
        self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any], *, stream: bool
    ) -> Call:
        """Understand the model's name, find its key, write the request; nothing is sent."""
        body, route, notices = split_options(options)
        gateway = self._gateway()
        model = self._resolve(route, hosted=gateway.hosted)
        target = self._target(model, route, gateway)
        notices += target.credentials.notices
        body = {**self._body_defaults(), **body}
        if stop is not None:
            body["stop"] = stop
        if stream:
            notices += self._settle_stream(body, model, wants_usage=route.get("stream_usage", self.stream_usage))
        chat = build_request(messages, model, body, stream=stream)
        for name, sentence in chat.losses.items():
            text = sentence[:1].upper() + sentence[1:]
            notices.append(Notice(LossWarning, (name, model.provider.id), text))
        for notice in notices:
            tell(notice)
        return Call(
            chat=chat,
            target=target,
            gateway=gateway,
            settings=self._request_settings(route),
            transport=self._transport(),
            stream=stream,
            timeout=route.get("timeout", self.request_timeout),
            max_retries=self.max_retries if route.get("max_retries") is None else route["max_retries"],
        )

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

    def _gateway(self) -> GatewaySettings:
        hosted = self.hosted
        if hosted is None:
            hosted = self.portkey_api_key is not None or is_hosted(self.portkey_base_url)
        key = self.portkey_api_key or (self._environment_key if hosted else None)
        if hosted and key is None:
            raise PortkeyConfigurationError(
                "The hosted Portkey gateway needs its own key: set PORTKEY_API_KEY or pass portkey_api_key=..."
            )
        return GatewaySettings(
            self.portkey_base_url, hosted=hosted, portkey_api_key=key.get_secret_value() if key else None
        )

    def _resolve(self, route: Mapping[str, Any], *, hosted: bool) -> ResolvedModel:
        catalogue = Catalogue.default()
        name = route.get("model") or self.model_name
        provider = route.get("provider") or self.provider
        if route.get("model") and not route.get("provider") and catalogue.get(name) is not None:
            provider = None  # the constructor's provider is for the constructor's model
        model = catalogue.resolve(name, provider=provider, default_provider=self._default_provider, hosted=hosted)
        notice = retirement_notice(model.entry) if model.entry is not None else None
        if notice:
            tell(Notice(RetiredModelWarning, (model.name,), notice))
        return model

    def _target(self, model: ResolvedModel, route: Mapping[str, Any], gateway: GatewaySettings) -> Target:
        """The model with the credentials of its provider, and of no other."""
        provider = model.provider
        primary = (
            not (route.get("model") or route.get("provider"))
            or provider.id == self._resolve({}, hosted=gateway.hosted).provider.id
        )
        host, options, key = None, {}, None
        if primary:
            host, options, key = self.custom_host, self.provider_options, self.api_key
        entry = model.entry
        if entry is not None:
            host = host or entry.custom_host
            options = {**entry.options, **options}
        host = route.get("custom_host") or host
        options = {**options, **(route.get("provider_options") or {})}
        check_option_names(provider, options)
        given = route.get("api_key") or key
        catalogue = Catalogue.default()
        environment_key = None if gateway.hosted else self._environment_key
        sources = KeySources(
            argument=_plain(given),
            by_provider={catalogue.provider(name).id: _plain(key) or "" for name, key in self.api_keys.items()},
            portkey=_plain(environment_key),
            options={name: _plain(value) or "" for name, value in options.items()},
        )
        credentials = find_credentials(
            provider,
            sources,
            os.environ,
            primary=primary or bool(route.get("api_key")),
            custom_host=host,
            keys_at_portkey=gateway.hosted,
        )
        if is_readable_on_the_way(gateway.base_url) and (credentials.key or credentials.options):
            text = f"Keys travel to {gateway.base_url} over plain http, where others can read them; use https."
            tell(Notice(SecurityWarning, ("plain-http", gateway.base_url), text))
        return Target(model, credentials, host)

    def _request_settings(self, route: Mapping[str, Any]) -> RequestSettings:
        return RequestSettings(
            trace_id=route.get("trace_id") or self.trace_id,
            metadata=route.get("portkey_metadata") or self.portkey_metadata or {},
            forward_headers=tuple(route.get("forward_headers") or self.forward_headers),
            headers={**self.default_headers, **(route.get("extra_headers") or {})},
        )

    def _transport(self) -> Transport:
        settings = HTTPSettings(proxy=self.proxy, verify=self.verify, max_connections=self.max_connections)
        return Transport(settings, client=self.http_client, async_client=self.http_async_client)

    @staticmethod
    def _settle_stream(body: dict[str, Any], model: ResolvedModel, *, wants_usage: bool) -> list[Notice]:
        """Ask for token counts where the provider takes the question, and for one answer."""
        if wants_usage and "stream_options" not in body and "stream_options" not in model.provider.quirks.drops:
            body["stream_options"] = {"include_usage": True}
        if (body.get("n") or 1) > 1:
            body["n"] = None
            text = "A stream is one message, so n is not sent; use invoke or generate for several answers."
            return [Notice(LossWarning, ("n", "stream"), text)]
        return []


def _plain(value: Any) -> str | None:
    """The text of a secret or a string."""
    if value is None:
        return None
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _added_counts(one: Any, other: Any) -> Any:
    """Add two nested dicts of numbers."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: _added_counts(one.get(key), other.get(key)) for key in {**one, **other}}
    if one is None or other is None:
        return other if one is None else one
    return one + other
