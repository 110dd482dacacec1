"""Where a feature is tried: the real gateway, a stand-in for the provider behind it, and one of two chat models.

The recipe is the one that Portkey and LangChain document: `ChatOpenAI` with the gateway's URL and the headers that
Portkey's `createHeaders` makes. It is tried as documented and with strict mode off (the header
`x-portkey-strict-open-ai-compliance: false`), in which the gateway hands on more than OpenAI's interface knows; the
better of the two counts. Parameters that OpenAI does not have go through its `extra_body`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider

MODELS = {
    "openai": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "deepseek": "deepseek-reasoner",
}
"""The model that is asked, by provider."""

KEY = "sk-a-providers-key"
AWS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
THINKING = {"type": "enabled", "budget_tokens": 1024}

REFUSED = "the provider refuses the request"

_NOT_OPENAIS = ("thinking",)


class Chat(Protocol):
    """Makes a chat model."""

    def __call__(self, gateway: str, provider: str, host: str, *, headers: Mapping[str, str], **options: Any) -> Any:
        """A model behind the gateway, its provider played by `host`."""


def chat_portkey(gateway: str, provider: str, host: str, *, headers: Mapping[str, str], **options: Any) -> Any:
    from langchain_pollinations_portkey import ChatPortkey

    secrets: dict[str, Any] = {"provider_options": AWS} if provider == "bedrock" else {"api_key": KEY}
    return ChatPortkey(
        model=f"{provider}/{MODELS[provider]}",
        base_url=gateway,
        custom_host=host,
        default_headers=dict(headers),
        **secrets,
        **options,
    )


def recipe(more: Mapping[str, str]) -> Chat:
    """`ChatOpenAI` with headers, and `more` of them."""

    def chat_openai(gateway: str, provider: str, host: str, *, headers: Mapping[str, str], **options: Any) -> Any:
        from langchain_openai import ChatOpenAI

        secrets = {f"x-portkey-{name.replace('_', '-')}": key for name, key in AWS.items()}
        extra = {name: options.pop(name) for name in _NOT_OPENAIS if name in options}
        return ChatOpenAI(
            model=MODELS[provider],
            base_url=gateway,
            api_key="unused" if provider == "bedrock" else KEY,
            default_headers={
                "x-portkey-provider": provider,
                "x-portkey-custom-host": host,
                **({**secrets, "x-portkey-aws-region": "us-east-1"} if provider == "bedrock" else {}),
                **headers,
                **more,
            },
            **({"extra_body": extra} if extra else {}),
            **options,
        )

    return chat_openai


STRICT_OFF = {"x-portkey-strict-open-ai-compliance": "false"}


@dataclass(frozen=True)
class Scene:
    """One try of one feature.

    Attributes:
        make: Makes the chat model that is tried.
        provider: The stand-in, its log and script empty.
        gateway: The gateway as this package installs it.
        plain: The gateway as `npm` installs it.
        told: The warnings so far, growing.
    """

    make: Chat
    provider: StandInProvider
    gateway: LocalGateway
    plain: LocalGateway
    told: list[Any] = field(default_factory=list)

    def chat(
        self,
        provider: str = "openai",
        *,
        gateway: LocalGateway | None = None,
        host: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """The model of a provider; `max_tokens` is given unless an option says otherwise, as Claude needs it."""
        options = {"max_tokens": 4096, **options}
        options = {name: value for name, value in options.items() if value is not None}
        where = (gateway or self.gateway).base_url
        return self.make(where, provider, host or self.provider.url, headers=headers or {}, **options)

    def accepted(self) -> Any:
        """The body of the last request as the provider received it, unless the provider refuses such a request."""
        need(self.provider.last.refused is None, REFUSED)
        return self.provider.last.json


class NotThereError(Exception):
    """The feature does not arrive; the text says in a few words what happens instead."""


def need(condition: object, words: str) -> None:
    if not condition:
        raise NotThereError(words)


def whole(chunks: Iterator[Any]) -> Any:
    """The message that a stream adds up to."""
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    return total


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from objects(one)


def holds(message: Any, text: str) -> bool:
    """Whether a text stands anywhere in a message, whichever field it was put into."""
    if isinstance(message, str):
        return text in message
    dumped = message.model_dump() if hasattr(message, "model_dump") else message
    children = dumped.values() if isinstance(dumped, dict) else dumped if isinstance(dumped, list | tuple) else ()
    return any(holds(child, text) for child in children)


def first_that_works(*ways: tuple[str | None, Callable[[], None]]) -> str | None:
    """Try ways to the same thing: `None` if the first works, else what the reader has to know of the one that does.

    Raises:
        Exception: None works; it is what the first raised.
    """
    failed: Exception | None = None
    for words, way in ways:
        try:
            way()
        except Exception as error:  # noqa: BLE001 - whatever it is, the feature did not arrive this way
            failed = failed or error
        else:
            return words
    assert failed is not None
    raise failed
