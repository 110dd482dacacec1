"""What chat models and embeddings have in common: which gateway, which model, whose keys.

`GatewayModel` holds the fields by which a user says so, and settles for a call whom to ask and with which
credentials. What is asked is up to the classes that build on it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr, SecretStr, model_validator

from langchain_pollinations_portkey._client_model import ClientModel
from langchain_pollinations_portkey._secrets import comparable_headers, digest, is_secret, without_secrets
from langchain_pollinations_portkey._tracing import metadata_of, trace_id_of
from langchain_pollinations_portkey.catalogue import Catalogue, ResolvedModel, retirement_notice
from langchain_pollinations_portkey.catalogue.lookup import RetiredModelWarning
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.credentials import (
    KeySources,
    check_option_names,
    find_credentials,
    log_forwarding,
    option_text,
    readable_key_notices,
)
from langchain_pollinations_portkey.gateway.headers import RequestSettings, Target
from langchain_pollinations_portkey.gateway.settings import (
    GatewaySettings,
    base_url_from,
    is_hosted,
    normalise_base_url,
    normalise_custom_host,
)
from langchain_pollinations_portkey.notices import Notice, tell


class GatewayModel(ClientModel):
    """The fields and rules of everything that asks a gateway for a model."""

    which_model: ClassVar[str] = (
        'Pass model="portkey-gpt4", model="claude-sonnet-4.5", model="provider/model", ... '
        "Catalogue.default() lists the short names."
    )

    provider: str | None = None
    """The provider of the model; with it, `model` is the provider's own model id."""

    api_keys: dict[str, SecretStr] = Field(default_factory=dict, repr=False)
    """Keys by provider, for models of several providers."""

    portkey_api_key: SecretStr | None = None
    """The key of Portkey's hosted service; never sent to a provider. Giving it means that the gateway is hosted."""

    portkey_base_url: str = Field(alias="base_url", default_factory=lambda: base_url_from(os.environ))
    """The gateway: else `PORTKEY_GATEWAY_URL`, `PORTKEY_BASE_URL` or `http://localhost:8787/v1`. `/v1` is added."""

    hosted: bool | None = None
    """Whether the gateway is Portkey's hosted service; told from `base_url` and `portkey_api_key` if not given."""

    custom_host: str | None = None
    """A base URL that the gateway calls instead of the provider's own. It needs no key."""

    provider_options: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The provider's settings besides its key: `{"resource_name": ..., "api_version": ...}` for Azure OpenAI,
    `{"aws_region": ...}` for Bedrock. Secret ones are kept as `SecretStr`."""

    trace_id: str | None = None
    """An id that the gateway hands back; LangChain's id of the whole run if not given, so that the calls of one agent
    run belong together."""

    metadata_from_run: bool = False
    """Whether to send the plain values of the run's metadata and its tags along as `portkey_metadata`."""

    portkey_metadata: dict[str, Any] | None = None
    """Facts for the gateway's conditional routing and the hosted service's logs; not LangChain's `metadata`."""

    forward_headers: list[str] = Field(default_factory=list)
    """Names of headers that the gateway copies to the provider."""

    # By its factory: LangChain's own validators, which run before ours, already ask what a bare id means.
    _default_provider: str | None = PrivateAttr(
        default_factory=lambda: os.environ.get("PORTKEY_PROVIDER", "").strip() or None
    )
    _environment_key: SecretStr | None = PrivateAttr(default=None)

    # ------------------------------------------------------------------ construction

    @model_validator(mode="before")
    @classmethod
    def _drop_missing_secrets(cls, values: Any) -> Any:
        """LangChain's `load` does not fill in secrets inside a dict; they are looked for in the environment."""
        if not isinstance(values, Mapping):
            return values
        arguments = dict(values)
        for name in ("api_keys", "provider_options"):
            if isinstance(arguments.get(name), Mapping):
                arguments[name] = {key: item for key, item in arguments[name].items() if not _is_missing_secret(item)}
        return arguments

    @model_validator(mode="after")
    def _read_environment(self) -> Self:
        """Take what `PORTKEY_*` variables say at the time of construction."""
        key = os.environ.get("PORTKEY_API_KEY", "").strip()
        self._environment_key = SecretStr(key) if key else None
        return self

    @model_validator(mode="after")
    def _normalise_urls(self) -> Self:
        # Plain assignment would mark them as given by the user.
        self.__dict__["portkey_base_url"] = normalise_base_url(self.portkey_base_url)
        if self.custom_host is not None:
            self.__dict__["custom_host"] = normalise_custom_host(self.custom_host)
        return self

    @model_validator(mode="after")
    def _hide_secret_options(self) -> Self:
        if self.provider_options:
            self.__dict__["provider_options"] = {
                name: SecretStr(option_text(value)) if is_secret(name) and value is not None else value
                for name, value in self.provider_options.items()
            }
        return self

    @property
    def base_url(self) -> str:
        """The base URL of the gateway."""
        return self.portkey_base_url

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where secrets are among the fields, and the environment variables by which they are known."""
        catalogue = Catalogue.default()
        secrets = {"api_key": self._key_variable(), "portkey_api_key": "PORTKEY_API_KEY"}
        for name in self.api_keys:
            secrets[f"api_keys.{name}"] = _first(catalogue.provider(name).key_variables, name)
        named = {option.key: option.variables for row in catalogue.providers() for option in row.options.values()}
        for name, value in self.provider_options.items():
            if isinstance(value, SecretStr):
                secrets[f"provider_options.{name}"] = _first(named.get(name, ()), name)
        return secrets

    def _key_variable(self) -> str:
        """The variable of the model's provider; never Portkey's, whose key must not become the provider's."""
        if self.api_key is None:
            return "PORTKEY_PROVIDER_API_KEY"
        try:
            provider = self._resolve({}, hosted=self._is_hosted()).provider
        except PortkeyConfigurationError:
            return "PORTKEY_PROVIDER_API_KEY"
        return _first(provider.key_variables, f"{provider.id}_api_key")

    # ------------------------------------------------------------------ whom to ask, and how

    def _is_hosted(self) -> bool:
        if self.hosted is not None:
            return self.hosted
        return self.portkey_api_key is not None or is_hosted(self.portkey_base_url)

    def _gateway(self) -> GatewaySettings:
        hosted = self._is_hosted()
        key = self.portkey_api_key or (self._environment_key if hosted else None)
        if hosted and key is None and "x-portkey-api-key" not in map(str.lower, self.default_headers):
            raise PortkeyConfigurationError(
                "The hosted Portkey gateway needs its own key: set PORTKEY_API_KEY or pass portkey_api_key=..."
            )
        return GatewaySettings(
            normalise_base_url(self.portkey_base_url),
            hosted=hosted,
            portkey_api_key=key.get_secret_value() if key else None,
        )

    def _resolve(self, route: Mapping[str, Any], *, hosted: bool) -> ResolvedModel:
        catalogue = Catalogue.default()
        name = route.get("model") or self.model_name
        provider = route.get("provider", self.provider)
        if route.get("model") and not route.get("provider") and catalogue.get(name) is not None:
            provider = None  # the constructor's provider is for the constructor's model
        return catalogue.resolve(name, provider=provider, default_provider=self._default_provider, hosted=hosted)

    def _is_primary(self, model: ResolvedModel, route: Mapping[str, Any], *, hosted: bool) -> bool:
        """Whether a call asks the provider that the constructor's key, host and options are for."""
        if not (route.get("model") or route.get("provider")):
            return True
        try:
            own = self._resolve({}, hosted=hosted)
        except PortkeyConfigurationError:
            return False
        return (own.provider.id, own.integration) == (model.provider.id, model.integration)

    def _target(
        self, model: ResolvedModel, route: Mapping[str, Any], gateway: GatewaySettings, *, may_wait: bool = True
    ) -> Target:
        """The model with the credentials of its provider, and of no other.

        Raises:
            PortkeyConfigurationError: Something is missing or wrong.
            CredentialsNeedIO: It takes waiting to find them, and `may_wait` is False.
        """
        provider = model.provider
        retired = retirement_notice(model.entry)
        if retired:
            tell(Notice(RetiredModelWarning, (model.name,), retired))
        primary = self._is_primary(model, route, hosted=gateway.hosted)
        host, options, key = (self.custom_host, self.provider_options, self.api_key) if primary else (None, {}, None)
        if model.entry is not None:
            host = host or model.entry.custom_host
            options = {**model.entry.options, **options}
        host = route.get("custom_host", host)
        host = normalise_custom_host(host) if host else None
        if host is None and provider.own_host is not None and not gateway.hosted:
            raise PortkeyConfigurationError(
                f"{provider.title} runs where you say: pass custom_host={provider.own_host!r}, or where it is."
            )
        options = {**options, **(route.get("provider_options") or {})}
        if options:
            check_option_names(provider, options)
        catalogue = Catalogue.default()
        sources = KeySources(
            argument=option_text(route.get("api_key") or key),
            by_provider={catalogue.provider(name).id: option_text(one) for name, one in self.api_keys.items()},
            portkey=None if gateway.hosted else option_text(self._environment_key),
            options={name: option_text(value) for name, value in options.items()},
            may_wait=may_wait,
        )
        at_portkey = gateway.hosted and (model.integration is not None or self._names_keys_at_portkey(route))
        try:
            credentials = find_credentials(
                provider,
                sources,
                os.environ,
                primary=primary or bool(route.get("api_key")),
                custom_host=host,
                keys_at_portkey=at_portkey,
            )
        except MissingCredentialsError as error:
            if not gateway.hosted:
                raise
            text = f'{error} If Portkey keeps the key, name its integration: provider="@slug", model="@slug/model".'
            raise MissingCredentialsError(text) from None
        log_forwarding(provider, credentials)
        secret_options = [value for name, value in credentials.options.items() if is_secret(name)]
        for notice in readable_key_notices(
            gateway.base_url, [gateway.portkey_api_key, credentials.key, *secret_options]
        ):
            tell(notice)
        return Target(model, credentials, host)

    def _names_keys_at_portkey(self, route: Mapping[str, Any]) -> bool:
        """Whether a header says which of the keys that the hosted Portkey holds is to be used."""
        headers = {name.lower() for name in (*self.default_headers, *(route.get("extra_headers") or {}))}
        return bool(headers & {"x-portkey-config", "x-portkey-virtual-key"})

    def _request_settings(self, route: Mapping[str, Any], *, primary: bool = True, run: Any = None) -> RequestSettings:
        """What to tell the gateway besides the target. The constructor's secret headers are for its own provider."""
        own = {name: value for name, value in self.default_headers.items() if primary or not is_secret(name)}

        def chosen(name: str) -> Any:
            return route[name] if name in route else getattr(self, name)  # `None` in a call means: not at all

        return RequestSettings(
            trace_id=chosen("trace_id") or ("trace_id" not in route and trace_id_of(run)) or None,
            metadata={**(metadata_of(run) if self.metadata_from_run else {}), **(chosen("portkey_metadata") or {})},
            forward_headers=tuple(chosen("forward_headers") or ()),
            headers={**own, **(route.get("extra_headers") or {})},
        )

    # ------------------------------------------------------------------ telling calls apart

    def _routing_digest(self, route: Mapping[str, Any]) -> str:
        """A text that differs when calls may be answered by different models, and holds no secret.

        It is equal when only keys differ, so that a cache outlives their rotation.
        """
        try:
            model = self._resolve(route, hosted=self._is_hosted())
            means: Any = [model.provider.id, model.integration, model.model]
            if model.entry is not None:
                means += [model.entry.custom_host, without_secrets(model.entry.options)]
        except PortkeyConfigurationError:
            means = None  # the call will say what is wrong
        settings = self._request_settings(route)
        asked = {name: without_secrets(route[name]) for name in sorted(route.keys() & _FOR_ANSWERS)}
        headers = comparable_headers(settings.headers)
        return digest([means, self._fields_for_answers(), asked, headers, settings.metadata, settings.forward_headers])


_FOR_ANSWERS = {
    "model",
    "provider",
    "custom_host",
    "provider_options",
    "fallbacks",
    "load_balance",
    "portkey_config",
    "route",
}
"""Options of a call that decide who answers."""


def _is_missing_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("lc") == 1 and value.get("type") == "secret"


def _first(variables: tuple[str, ...], name: str) -> str:
    return variables[0] if variables else name.upper().replace("-", "_")
