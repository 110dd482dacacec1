"""What everything that asks a server for a model has in common: the model's name, a key, and the connections.

Which server that is and what it is asked is up to the classes that build on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from langchain_pollinations_portkey import _debug
from langchain_pollinations_portkey._options import BODY_OPTIONS, complete_arguments
from langchain_pollinations_portkey._secrets import is_secret, without_secrets
from langchain_pollinations_portkey.errors import PortkeyConfigurationError

if TYPE_CHECKING:
    from langchain_pollinations_portkey.gateway.http.transport import Transport

_debug.follow_environment()


class ClientModel(BaseModel):
    """The fields and rules of everything that asks a server for a model."""

    # Arguments hold keys, so errors about them do not repeat them.
    model_config = ConfigDict(
        populate_by_name=True, arbitrary_types_allowed=True, hide_input_in_errors=True, defer_build=True
    )

    which_model: ClassVar[str] = 'Pass model="provider/model".'
    """What to tell a user who named no model."""

    body_options: ClassVar[frozenset[str]] = BODY_OPTIONS
    """Parameters that the request body may have."""

    # The default is for type checkers that know fields by one name only; without a model nothing is constructed.
    model_name: str = Field(default="", alias="model")
    """The model: a catalogue name, `provider/model`, or with `provider` a model id."""

    api_key: SecretStr | None = None
    """The key of the model's provider."""

    request_timeout: float | None = Field(default=None, alias="timeout")
    """Seconds until the answer has come, retries included; for a stream until it begins, and for each pause."""

    max_retries: int = Field(default=3, ge=0)
    """How often a failed request may be repeated, by the gateway and this client together; 0 sends it once."""

    default_headers: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Headers for every request; they win over ours. One that says what a field says (`x-portkey-provider`,
    `authorization`) is read as that field."""

    proxy: str | None = Field(default=None, exclude=True, repr=False)
    """URL of a proxy between here and the server."""

    verify: bool | str = True
    """Whether to check the server's TLS certificate, or the path of a file with the authorities to trust."""

    trust_env: bool = True
    """Whether to read `HTTP_PROXY`, `SSL_CERT_FILE` and the like; a server on this machine needs no proxy."""

    max_connections: int | None = Field(default=1000, gt=0)
    """Most connections to the server at once, shared by all models with equal settings; `None` for no limit."""

    http_client: Any = Field(default=None, exclude=True, repr=False)
    """A synchronous httpx client to use as it is; it is never closed here."""

    http_async_client: Any = Field(default=None, exclude=True, repr=False)
    """An asynchronous httpx client to use as it is; it belongs to one event loop."""

    if not TYPE_CHECKING:  # type checkers read the fields instead

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            try:
                super().__init__(*args, **kwargs)
                _load_http()
            except ValidationError as error:
                failure = _configuration_error(error)
            else:
                return
            raise failure

    @model_validator(mode="before")
    @classmethod
    def _check_arguments(cls, values: Any) -> Any:
        """Say what is missing, catch mistyped names, and keep unknown ones for the request body."""
        if not isinstance(values, Mapping):
            return values
        _debug.follow_environment()
        arguments = complete_arguments(
            values, {name: info.alias for name, info in cls.model_fields.items()}, cls.body_options
        )
        if not arguments.get("model_name"):
            raise PortkeyConfigurationError(f"Which model? {cls.which_model}")
        return arguments

    @property
    def model(self) -> str:
        """The model as it was named."""
        return self.model_name

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy that shares the user's HTTP clients, which cannot be copied."""
        memo = {} if memo is None else memo
        memo.update({id(client): client for client in (self.http_client, self.http_async_client)})
        return super().__deepcopy__(memo)

    def _transport(self) -> Transport:
        from langchain_pollinations_portkey.gateway.http.clients import HTTPSettings
        from langchain_pollinations_portkey.gateway.http.transport import Transport

        settings = HTTPSettings(
            proxy=self.proxy, verify=self.verify, trust_env=self.trust_env, max_connections=self.max_connections
        )
        return Transport(settings, client=self.http_client, async_client=self.http_async_client)

    def _delivery(self, route: Mapping[str, Any]) -> dict[str, Any]:
        """How a request is sent: by which connections, for how long and how often; what a call says wins."""
        return {
            "transport": self._transport(),
            "timeout": route.get("timeout", self.request_timeout),
            "max_retries": self.max_retries if route.get("max_retries") is None else route["max_retries"],
        }

    def _fields_for_answers(self) -> dict[str, Any]:
        """The fields that decide what is answered, without secrets, so that caches can tell calls apart."""
        return {
            name: without_secrets(getattr(self, name))
            for name in type(self).model_fields
            if name not in _NOT_FOR_ANSWERS and not is_secret(name)
        }

    def close(self) -> None:
        """Close the connections kept open for this model, which models with equal settings share.

        Not needed: idle ones are given up after seconds, and all are closed when the program ends. The model
        stays usable.
        """
        self._transport().close()

    async def aclose(self) -> None:
        """`close`, with the asynchronous connections of the running event loop."""
        await self._transport().aclose()


_NOT_FOR_ANSWERS = frozenset(
    (
        "name",
        "cache",
        "verbose",
        "callbacks",
        "tags",
        "metadata",
        "custom_get_token_ids",
        "rate_limiter",
        "disable_streaming",
        "profile",
        "api_key",
        "api_keys",
        "portkey_api_key",
        "streaming",
        "request_timeout",
        "max_retries",
        "trace_id",
        "default_headers",
        "proxy",
        "verify",
        "trust_env",
        "max_connections",
        "http_client",
        "http_async_client",
    )
)
"""Fields that do not decide what is answered."""


def _load_http() -> None:
    """Load httpx with the first model: not with the import, and not with a call, which an event loop may wait for."""
    import langchain_pollinations_portkey.gateway.http.transport  # noqa: F401


def _configuration_error(error: ValidationError) -> PortkeyConfigurationError:
    """Our error for pydantic's, in one line and without the values, some of which are secret."""
    told = []
    for detail in error.errors(include_url=False, include_input=False):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, PortkeyConfigurationError):
            return cause
        where = ".".join(str(part) for part in detail["loc"])
        told.append(f"{where}: {detail['msg']}" if where else detail["msg"])
    return PortkeyConfigurationError("; ".join(told))
