"""The LangChain chat models, `ChatPortkey` and `ChatPollinations`.

This module holds the classes - their fields, and how options become a call - and nothing else: what chat models have
in common is in `_chat_model`, what goes over the wire is written in `wire`, how it travels in `gateway`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from langchain_core.messages import BaseMessage
from pydantic import Field, model_validator

from langchain_pollinations_portkey._call import Call
from langchain_pollinations_portkey._chat_model import ChatModel
from langchain_pollinations_portkey._gateway_model import GatewayModel
from langchain_pollinations_portkey._options import split_options
from langchain_pollinations_portkey._pollinations_sending import PollinationsSending
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
from langchain_pollinations_portkey._secrets import comparable_headers, digest
from langchain_pollinations_portkey._sending import GatewaySending
from langchain_pollinations_portkey.catalogue import ResolvedModel
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyConfigurationError
from langchain_pollinations_portkey.gateway import plain_build, pollinations
from langchain_pollinations_portkey.gateway.credentials import (
    Credentials,
    KeySources,
    find_credentials,
    option_text,
    readable_key_notices,
)
from langchain_pollinations_portkey.gateway.headers import Target
from langchain_pollinations_portkey.gateway.routes import Branch
from langchain_pollinations_portkey.gateway.settings import GatewaySettings
from langchain_pollinations_portkey.notices import tell
from langchain_pollinations_portkey.routing import Route
from langchain_pollinations_portkey.routing import Target as RouteTarget
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, loss_notices
from langchain_pollinations_portkey.wire.chat.rescue import Fetching, settle_fetching


class ChatPortkey(GatewayModel, ChatModel):
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

    # ------------------------------------------------------------------ what LangChain asks

    @property
    def _llm_type(self) -> str:
        return "portkey-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model_name": self.model_name,
            "provider": self.provider,
            "base_url": self.portkey_base_url,
            "custom_host": self.custom_host,
            **self._asked_params,
        }

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The key of answers in a cache: it differs with whatever the answer depends on, and holds no secret.

        LangChain's own is made from the serialized model, which leaves out headers and is computed once, so that
        a `model_copy` with other settings would find the answers of the original.
        """
        body, route, _ = split_options(kwargs)
        asked = digest([self._routing_digest(route), body, stop])
        return f"{self._llm_type}:{self.model_name}:{asked}"

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
        body, route, notices = split_options(options)
        gateway = self._gateway()
        body = self._completed(body, stop, notices, stream=stream)
        usage = stream and route.get("stream_usage", self.stream_usage)

        def write(model: ResolvedModel) -> ChatRequest:
            return self._written(messages, body, model, stream=stream, usage=usage)

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
            notices += (*target.credentials.notices, *loss_notices(chat, model.provider))
            fetching = settle_fetching(chat.body, model.provider, stream=stream)
        else:
            plan = plan_route(self._ready(chosen, name, route, gateway, may_wait=may_wait), write)
            path, leaf = next(iter(plan.leaves.items()))
            target, chat = leaf.target, plan.requests[path]
            notices += (notice for one in plan.leaves.values() for notice in one.target.credentials.notices)
            # One form for all targets: the one that was asked for.
            fetching = Fetching(stream=stream, body=plan.body, notices=plan.notices)
        for notice in notices:
            tell(notice)
        primary = self._is_primary(target.model, route, hosted=gateway.hosted)
        asked = [target] if plan is None else [leaf.target for leaf in plan.leaves.values()]
        breaks = fetching.stream and any(plain_build.stream_needs_check(one.model.provider) for one in asked)
        sending = GatewaySending(
            target=target,
            **self._delivery(route),
            body=fetching.body,
            stream=fetching.stream,
            notices=fetching.notices,
            gateway=gateway,
            path="chat/completions",
            settings=self._request_settings(route, primary=primary, run=run),
            plan=plan,
            check=plain_build.STREAM_HEADER if breaks else None,
        )
        return Call(chat, sending, stream)

    def _models(self, options: Mapping[str, Any]) -> list[ResolvedModel]:
        hosted = self._is_hosted()
        name = options.get("model") or self.model_name
        chosen = chosen_route({key: options.get(key, getattr(self, key)) for key in ROUTE_NAMES}, name)
        if chosen is None:
            return [self._resolve(options, hosted=hosted)]
        return [self._resolve(options_of(target), hosted=hosted) for target in targets_of(chosen)]

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


class ChatPollinations(ChatModel):
    """Chat with a model of a text.pollinations.ai server, by the name that the server knows.

    ```python
    from langchain_pollinations_portkey import ChatPollinations

    model = ChatPollinations(model="portkey-gpt4", temperature=0.7)
    model.invoke("Hello, who are you?")
    ```

    Messages and answers are those of `ChatPortkey`. The name goes out as it was typed, and the server decides which
    provider answers, so there is nothing to choose here: no provider, no fallbacks, no headers for a gateway.
    """

    which_model: ClassVar[str] = 'Pass model="portkey-gpt4", or another name that the server\'s /models lists.'

    pollinations_base_url: str = Field(
        alias="base_url", default_factory=lambda: os.environ.get(pollinations.URL_VARIABLE) or pollinations.DEFAULT_URL
    )
    """The server: else `POLLINATIONS_BASE_URL`, or `http://localhost:16385/openai`. The public one is at
    `https://text.pollinations.ai/openai`."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_gateway_settings(cls, values: Any) -> Any:
        """Say so where something is meant for a Portkey gateway, which would have no effect here."""
        if isinstance(values, Mapping):
            headers = values.get("default_headers")
            names = {*values, *(name.lower() for name in (headers if isinstance(headers, Mapping) else ()))}
            ours = {name for field, info in cls.model_fields.items() for name in (field, info.alias)}
            foreign = {name for name in ChatPortkey.model_fields if name not in ours}
            for name in sorted(names):
                if name in foreign or name.startswith("x-portkey-"):
                    raise PortkeyConfigurationError(_FOR_A_GATEWAY.format(name))
        return values

    @model_validator(mode="after")
    def _normalise_url(self) -> Self:
        # Plain assignment would mark it as given by the user.
        self.__dict__["pollinations_base_url"] = pollinations.chat_url(self.pollinations_base_url)
        return self

    @property
    def base_url(self) -> str:
        """The URL of the server's chat."""
        return self.pollinations_base_url

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The field that is secret, and the environment variable by which it is known."""
        return {"api_key": pollinations.POLLINATIONS.key_variables[0]}

    def _resolve_model_profile(self) -> None:
        """Nothing is known: the server decides which model a name means."""

    @property
    def _llm_type(self) -> str:
        return "pollinations-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "base_url": self.pollinations_base_url, **self._asked_params}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The key of answers in a cache, which holds no secret."""
        body, route, _ = split_options(kwargs)
        headers = comparable_headers({**self.default_headers, **(route.get("extra_headers") or {})})
        asked = digest([self._fields_for_answers(), route.get("model"), headers, body, stop])
        return f"{self._llm_type}:{self.model_name}:{asked}"

    def _prepare(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
        run: Any = None,  # noqa: ARG002  # the server knows no trace ids
        may_wait: bool = True,  # noqa: ARG002  # its key is never looked for elsewhere
    ) -> Call:
        body, route, notices = split_options(options)
        unknown = sorted(route.keys() - _POLLINATIONS_OPTIONS)
        if unknown:
            raise PortkeyConfigurationError(_FOR_A_GATEWAY.format(unknown[0]))
        body = self._completed(body, stop, notices, stream=stream)
        usage = stream and route.get("stream_usage", self.stream_usage)
        [model] = self._models(route)
        url = self.pollinations_base_url
        key = option_text(route.get("api_key") or self.api_key)
        credentials = find_credentials(
            model.provider, KeySources(argument=key), os.environ, primary=True, custom_host=url
        )
        chat = self._written(messages, body, model, stream=stream, usage=usage)
        for notice in (*notices, *credentials.notices, *readable_key_notices(url, [credentials.key])):
            tell(notice)
        sending = PollinationsSending(
            target=Target(model, credentials),
            **self._delivery(route),
            body=chat.body,
            stream=stream,
            notices=tuple(loss_notices(chat, model.provider)),
            url=url,
            headers={**self.default_headers, **(route.get("extra_headers") or {})},
        )
        return Call(chat, sending, stream)

    def _models(self, options: Mapping[str, Any]) -> list[ResolvedModel]:
        name = options.get("model") or self.model_name
        return [ResolvedModel(name=name, model=name, provider=pollinations.POLLINATIONS)]


_POLLINATIONS_OPTIONS = frozenset(
    ("model", "api_key", "timeout", "max_retries", "extra_headers", "stream_usage", "download_images")
)
"""Options of a call that mean something to a server that decides by itself who answers."""

_FOR_A_GATEWAY = "{!r} is for a Portkey gateway: use ChatPortkey. A Pollinations server decides by itself who answers."
