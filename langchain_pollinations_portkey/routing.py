"""Which of several models answers a call: the gateway's routing, by catalogue name.

```python
ChatPortkey(model="claude-sonnet-4.5", fallbacks=["portkey-gpt4"])
ChatPortkey(model="claude-sonnet-4.5", load_balance={"claude-sonnet-4.5": 0.7, "portkey-mistral": 0.3})
```

are short for routes that can be written out, nested, and given as `route=` to the constructor or to a call:

```python
from langchain_pollinations_portkey.routing import Conditional, Fallback, LoadBalance, Target, When

Fallback(["claude-sonnet-4.5", LoadBalance({"portkey-gpt4": 1, "portkey-mistral": 1})])
Conditional([When({"metadata.plan": {"$eq": "paid"}}, "claude-sonnet-4.5")], default="portkey-llama")
```

The gateway carries these out, with the same conversation for every model. LangChain's `.with_fallbacks()` does it
from here, one whole call after the other; it also falls back when the gateway itself is away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from langchain_pollinations_portkey._secrets import with_secrets_hidden
from langchain_pollinations_portkey.errors import PortkeyConfigurationError

OPERATORS = frozenset(("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$regex", "$and", "$or"))
"""What a condition may compare with; the gateway ignores any other, and the condition then never holds."""


@dataclass(frozen=True)
class Retry:
    """How often the gateway repeats a request to one target.

    Attributes:
        attempts: Requests after the first; the gateway pauses 1, 2, 4, ... seconds before them.
        on_status_codes: Statuses that are repeated.
    """

    attempts: int
    on_status_codes: Sequence[int] = (429, 500, 502, 503, 504, 529)

    def __post_init__(self) -> None:
        if self.attempts < 0:
            raise PortkeyConfigurationError(f"Retry.attempts must not be negative; it is {self.attempts}.")
        check_status_codes("Retry", self.on_status_codes)


@dataclass(frozen=True)
class Target:
    """One model of a route, where its name alone does not say enough.

    Attributes:
        model: A catalogue name, `provider/model`, or with `provider` a model id.
        provider: The provider of a model id.
        api_key: Its key; else `api_keys` and the provider's variables count.
        custom_host: A base URL to call instead of the provider's own.
        provider_options: The provider's settings besides its key.
        override_params: Parameters of the request body that hold for this target only.
        retry: Instead of what `max_retries` gives it.
        request_timeout: Seconds until the provider has to answer.
        forward_headers: Names of headers that the gateway copies to the provider.
        input_guardrails: Guardrails on the request, as the gateway has them.
        output_guardrails: Guardrails on the answer.
        weight: Its share in a load balance.
    """

    model: str
    provider: str | None = None
    api_key: SecretStr | str | None = field(default=None, repr=False)
    custom_host: str | None = None
    provider_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    override_params: Mapping[str, Any] = field(default_factory=dict)
    retry: Retry | None = None
    request_timeout: float | None = None
    forward_headers: Sequence[str] = ()
    input_guardrails: Sequence[Mapping[str, Any]] = ()
    output_guardrails: Sequence[Mapping[str, Any]] = ()
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.model, str) or not self.model:
            raise PortkeyConfigurationError("Target.model must name a model.")
        if self.request_timeout is not None and self.request_timeout <= 0:
            raise PortkeyConfigurationError("Target.request_timeout is in seconds and must be more than 0.")
        # Tracers write dataclasses out by their fields, whatever `repr` leaves out.
        if isinstance(self.api_key, str):
            object.__setattr__(self, "api_key", SecretStr(self.api_key))
        object.__setattr__(self, "provider_options", with_secrets_hidden(self.provider_options))


@dataclass(frozen=True)
class Fallback:
    """The first target that does not fail.

    Attributes:
        targets: In this order. A stream falls back until its first byte.
        on_status_codes: Statuses on which to go on to the next; if not given, all that are no success, which
            includes 400 and 401.
    """

    targets: Sequence[Route]
    on_status_codes: Sequence[int] | None = None

    def __post_init__(self) -> None:
        _check_targets("Fallback", self.targets)
        if self.on_status_codes is not None:
            check_status_codes("Fallback", self.on_status_codes)


@dataclass(frozen=True)
class LoadBalance:
    """One of the targets, by chance; a failure is not passed on to another.

    Attributes:
        targets: Names with their weights, or targets that have theirs.
    """

    targets: Mapping[str, float] | Sequence[Route]

    def __post_init__(self) -> None:
        _check_targets("LoadBalance", list(self.targets))
        weights = [weight for _, weight in self.weighted()]
        if any(weight < 0 for weight in weights) or not sum(weights):
            raise PortkeyConfigurationError("The weights of a LoadBalance must not be negative, nor all of them 0.")

    def weighted(self) -> list[tuple[Route, float]]:
        """Each target with its weight; 1 if it has none."""
        if isinstance(self.targets, Mapping):
            return list(self.targets.items())
        return [(target, target.weight if isinstance(target, Target) else 1.0) for target in self.targets]


@dataclass(frozen=True)
class When:
    """A condition of a `Conditional`, and what answers when it holds.

    Attributes:
        query: Operators by `metadata.<key>` (of `portkey_metadata`) or `params.<key>` (of the request body):
            `{"metadata.plan": {"$eq": "paid"}}`.
        then: What answers.
    """

    query: Mapping[str, Any]
    then: Route

    def __post_init__(self) -> None:
        if not self.query:
            raise PortkeyConfigurationError("When: an empty query always holds; make its target the default instead.")
        unknown = sorted(set(_operators(self.query)) - OPERATORS)
        if unknown:
            known = ", ".join(sorted(OPERATORS))
            raise PortkeyConfigurationError(f"When: {unknown[0]!r} is no operator. Known: {known}.")
        _check_targets("When", [self.then])


@dataclass(frozen=True)
class Conditional:
    """The target of the first condition that holds.

    Attributes:
        conditions: In this order.
        default: What answers when none holds; without one the gateway then refuses the request.
    """

    conditions: Sequence[When]
    default: Route | None = None

    def __post_init__(self) -> None:
        if not self.conditions or not all(isinstance(condition, When) for condition in self.conditions):
            raise PortkeyConfigurationError("Conditional needs a list of When(query, then).")
        if self.default is not None:
            _check_targets("Conditional", [self.default])


Route = str | Target | Fallback | LoadBalance | Conditional
"""A model by name, or a way to choose among several."""


def check_status_codes(where: str, codes: Sequence[int]) -> None:
    """Refuse what is no list of HTTP statuses.

    Raises:
        PortkeyConfigurationError: The list is empty, or holds something else.
    """
    if isinstance(codes, str) or not codes or not all(isinstance(code, int) and 100 <= code <= 599 for code in codes):  # noqa: PLR2004
        raise PortkeyConfigurationError(f"{where}.on_status_codes must be a list of HTTP statuses, not {codes!r}.")


def _check_targets(where: str, targets: Sequence[Any]) -> None:
    if isinstance(targets, str) or not targets:
        raise PortkeyConfigurationError(f"{where} needs a list of models, at least one.")
    for target in targets:
        if not isinstance(target, Route) or target == "":
            raise PortkeyConfigurationError(
                f"{where} takes names of models, Target, Fallback, LoadBalance and Conditional, not {target!r}."
            )


def _operators(query: Any) -> Iterator[str]:
    if isinstance(query, Mapping):
        for key, value in query.items():
            if str(key).startswith("$"):
                yield str(key)
            yield from _operators(value)
    elif isinstance(query, list | tuple):
        for item in query:
            yield from _operators(item)
