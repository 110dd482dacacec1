"""`PortkeyEmbeddings`: LangChain embeddings of every provider behind a Portkey AI Gateway.

This module holds the class - its fields, and how options become a call - and nothing else: what it shares with
chat models is in `_gateway_model`, what goes over the wire is written in `wire.embeddings`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from langchain_core.embeddings import Embeddings
from langchain_core.load.serializable import Serializable
from pydantic import Field, SecretStr, model_validator

from langchain_pollinations_portkey._embedding_call import EmbeddingCall
from langchain_pollinations_portkey._gateway_model import GatewayModel
from langchain_pollinations_portkey._options import split_options
from langchain_pollinations_portkey._routes import ROUTE_NAMES, config_header
from langchain_pollinations_portkey._sending import GatewaySending
from langchain_pollinations_portkey.catalogue import Catalogue, ResolvedModel
from langchain_pollinations_portkey.catalogue.entries import EMBEDDING_OPTIONS
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.credentials import Credentials, CredentialsNeedIO
from langchain_pollinations_portkey.gateway.headers import Target
from langchain_pollinations_portkey.gateway.plain_build import EMBEDDINGS_HEADER
from langchain_pollinations_portkey.notices import tell
from langchain_pollinations_portkey.wire.embeddings import Purpose, build_requests, checked_texts

_CONFIG = "x-portkey-config"

_OWN_OPTIONS = ("chunk_size", "max_concurrency", "show_progress")
"""Fields that a call may set for itself and that are not for the request."""


class PortkeyEmbeddings(GatewayModel, Serializable, Embeddings):
    """Embed texts with any provider behind a Portkey AI Gateway.

    ```python
    from langchain_pollinations_portkey import PortkeyEmbeddings

    embeddings = PortkeyEmbeddings(model="openai/text-embedding-3-small")
    embeddings.embed_query("Why is the sky blue?")
    ```

    The model, its key and the gateway are named as for `ChatPortkey`. Texts go out in requests as large as the
    provider takes, or one by one where the gateway hands on one text only (Google, Amazon Titan, Ollama), several
    requests at a time. `timeout` and `max_retries` are for each of them.

    Queries and documents are told apart where a provider does so and it arrives: Cohere (there and on Bedrock),
    Vertex AI, Voyage, Nomic. `input_type=` or `task_type=` say it yourself.
    """

    which_model: ClassVar[str] = (
        'Pass model="openai/text-embedding-3-small", model="cohere/embed-v4.0", or another "provider/model".'
    )

    body_options: ClassVar[frozenset[str]] = EMBEDDING_OPTIONS

    dimensions: int | None = Field(default=None, gt=0)
    """The length of the vectors, for models that can shorten them."""

    encoding_format: Literal["float", "base64"] | None = None
    """How vectors travel: `"base64"` is a quarter of the size, and the default where it is known to arrive. They are
    lists of floats here in either case."""

    chunk_size: int | None = Field(default=None, gt=0)
    """Texts in a request; by default as many as the provider takes."""

    max_concurrency: int = Field(default=8, gt=0)
    """Most requests at a time, of one call."""

    show_progress: bool = False
    """Whether to show a progress bar, with tqdm."""

    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further parameters of the request body."""

    portkey_config: dict[str, Any] | str | None = Field(default=None, exclude=True, repr=False)
    """A configuration of the gateway without targets, or the id of one at the hosted service."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_routes(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            _refuse_other_models(values)
        return values

    # ------------------------------------------------------------------ what LangChain asks

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` writes it; secrets are left out."""
        return True

    def embed_documents(self, texts: list[str], **options: Any) -> list[list[float]]:
        """Embed texts that are to be found.

        Args:
            texts: The texts; none of them empty.
            **options: For this call: a parameter of the request, `chunk_size`, `max_concurrency`, `show_progress`, or
                what says whom to ask and how (`model`, `api_key`, `timeout`, ...).

        Returns:
            One vector per text, in their order.

        Raises:
            PortkeyError: The call cannot be made, or a request failed.
        """
        checked = checked_texts(texts)
        return self._prepare(checked, "document", options).embed() if checked else []

    async def aembed_documents(self, texts: list[str], **options: Any) -> list[list[float]]:
        """`embed_documents`, asynchronously."""
        checked = checked_texts(texts)
        return await (await self._aprepare(checked, "document", options)).aembed() if checked else []

    def embed_query(self, text: str, **options: Any) -> list[float]:
        """Embed a text to search with.

        Args:
            text: The text; not empty.
            **options: For this call: a parameter of the request, `chunk_size`, `max_concurrency`, `show_progress`, or
                what says whom to ask and how (`model`, `api_key`, `timeout`, ...).

        Raises:
            PortkeyError: The call cannot be made, or the request failed.
        """
        return self._prepare(checked_texts([text]), "query", options).embed()[0]

    async def aembed_query(self, text: str, **options: Any) -> list[float]:
        """`embed_query`, asynchronously."""
        return (await (await self._aprepare(checked_texts([text]), "query", options)).aembed())[0]

    # ------------------------------------------------------------------ from options to a call

    async def _aprepare(self, texts: list[str], purpose: Purpose, options: Mapping[str, Any]) -> EmbeddingCall:
        """`_prepare`, in a thread where AWS's credentials have to be looked for."""
        try:
            return self._prepare(texts, purpose, options, may_wait=False)
        except CredentialsNeedIO:
            return await asyncio.to_thread(self._prepare, texts, purpose, options)

    def _prepare(
        self, texts: list[str], purpose: Purpose, options: Mapping[str, Any], *, may_wait: bool = True
    ) -> EmbeddingCall:
        """Understand the model's name, find its key, write the requests; nothing is sent.

        Raises:
            PortkeyConfigurationError: The call cannot be made.
            CredentialsNeedIO: It takes waiting to find credentials, and `may_wait` is False.
        """
        _refuse_other_models(options)
        own = self._own_options(options)
        body, route, notices = split_options(
            {name: value for name, value in options.items() if name not in _OWN_OPTIONS}, self.body_options
        )
        gateway = self._gateway()
        model = self._resolve(route, hosted=gateway.hosted)
        if model.provider.quirks.embeddings == "none":
            raise PortkeyConfigurationError(_no_embeddings(model))
        config = route.get("portkey_config", self.portkey_config)
        header, brings_keys = (None, False) if config is None else config_header(config, hosted=gateway.hosted)
        if header is not None:
            route = {**route, "extra_headers": {**(route.get("extra_headers") or {}), _CONFIG: header}}
        target = Target(model, Credentials()) if brings_keys else self._target(model, route, gateway, may_wait=may_wait)
        requests = build_requests(
            texts,
            model,
            {
                "dimensions": self.dimensions,
                "encoding_format": self.encoding_format,
                **self.model_kwargs,
                **body,
            },
            purpose=purpose,
            chunk_size=own["chunk_size"],
            own_host=target.custom_host is not None,
        )
        for notice in (*notices, *target.credentials.notices, *requests.notices(model.provider)):
            tell(notice)
        sending = GatewaySending(
            target=target,
            **self._delivery(route),
            body=requests.bodies[0],
            gateway=gateway,
            path="embeddings",
            settings=self._request_settings(route, primary=self._is_primary(model, route, hosted=gateway.hosted)),
            check=EMBEDDINGS_HEADER if model.provider.quirks.embeddings_break_on_plain_build else None,
        )
        return EmbeddingCall(requests, sending, own["max_concurrency"], show_progress=own["show_progress"])

    def _own_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: options.get(name, getattr(self, name)) for name in _OWN_OPTIONS}
        for name in ("chunk_size", "max_concurrency"):
            value = own[name]
            if value is None and name == "chunk_size":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise PortkeyConfigurationError(f"{name} must be a whole number above 0, not {value!r}.")
        return own


def _refuse_other_models(options: Mapping[str, Any]) -> None:
    """Refuse what would let another model answer.

    Raises:
        PortkeyConfigurationError: An option is one of a route.
    """
    name = next((name for name in ROUTE_NAMES if options.get(name)), None)
    configs = [options.get("portkey_config")]
    for headers in (options.get("default_headers"), options.get("extra_headers")):
        if isinstance(headers, Mapping):
            configs += [value for key, value in headers.items() if str(key).lower() == _CONFIG]
    if name is None and any(map(_has_targets, configs)):
        name = "portkey_config with targets"
    if name is not None:
        raise PortkeyConfigurationError(
            f"There is no {name} for embeddings: another model's vectors cannot be compared with those of this one. "
            "Catch the error, or raise max_retries."
        )


def _has_targets(config: Any) -> bool:
    config = config.get_secret_value() if isinstance(config, SecretStr) else config
    if isinstance(config, str):
        try:
            config = json.loads(config)
        except ValueError:
            return False  # an id, or nothing that the gateway takes
    return isinstance(config, Mapping) and bool(config.keys() & {"targets", "strategy"})


def _no_embeddings(model: ResolvedModel) -> str:
    catalogue = Catalogue.default()
    names = ", ".join(row.id for row in catalogue.providers() if row.quirks.embeddings != "none")
    return f"The gateway has no embeddings for {model.model!r} of {model.provider.title}. Providers that have: {names}."
