"""A route over several targets, as the gateway wants it in `x-portkey-config`.

With targets in the configuration the gateway reads keys and provider settings there and nowhere else, hands
neither on from one target to another, and names the target that answered by its path (`config.targets[1]`).
Whatever one target needs of the body and the others do not goes into its `override_params`.

Who repeats what follows one rule, so that a failing call makes at most as many requests as there are targets plus
the retries that were asked for: in a fallback only the last target is repeated, 429 included, and the client
repeats nothing; elsewhere each target is, without 429, for which the client waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.headers import RETRIED_BY_GATEWAY, Target
from langchain_pollinations_portkey.gateway.plain_build import CHECK_FAILED

TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Leaf:
    """One target of a route.

    Attributes:
        target: The model and how it is paid.
        settings: Keys of the gateway's target beside provider, credentials and parameters.
        attempts: How often the gateway repeats it and on which statuses, if the user said so.
        override: Parameters of the body for this target only.
    """

    target: Target
    settings: Mapping[str, Any] = field(default_factory=dict)
    attempts: tuple[int, tuple[int, ...]] | None = None
    override: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Branch:
    """A way to choose among several.

    Attributes:
        mode: The gateway's name of it.
        children: What there is to choose from.
        weights: The shares of a load balance.
        on_status_codes: Statuses on which a fallback goes on.
        conditions: Query of each child but the default's.
        default: Position of the child that answers when no condition holds.
    """

    mode: Literal["fallback", "loadbalance", "conditional"]
    children: tuple[Node, ...]
    weights: tuple[float, ...] = ()
    on_status_codes: tuple[int, ...] | None = None
    conditions: tuple[Mapping[str, Any], ...] = ()
    default: int | None = None


Node = Leaf | Branch


def leaves(node: Node, path: str = "config") -> Iterator[tuple[str, Leaf]]:
    """The targets of a route, each with the path by which the gateway names it in its answers."""
    if isinstance(node, Leaf):
        yield path, node
        return
    for position, child in enumerate(node.children):
        yield from leaves(child, f"{path}.targets[{position}]")


def falls_back(node: Node) -> bool:
    """Whether a failure may go on to another target; the client then repeats nothing."""
    return isinstance(node, Branch) and (node.mode == "fallback" or any(map(falls_back, node.children)))


def route_config(
    node: Branch, overrides: Mapping[str, Mapping[str, Any]], *, retries: int, with_check: bool
) -> dict[str, Any]:
    """The configuration for one request.

    Args:
        node: The route.
        overrides: Parameters of the body by the path of their target.
        retries: How often the gateway may repeat a request.
        with_check: Whether our check for plainly installed gateways goes along.

    Raises:
        PortkeyConfigurationError: With the check every answer has the status 246, and the route acts on it.
    """
    if with_check:
        _refuse_check_status(node)
    return _config(node, "config", overrides, retries=retries, last_resort=False)


def _config(
    node: Node, path: str, overrides: Mapping[str, Mapping[str, Any]], *, retries: int, last_resort: bool
) -> dict[str, Any]:
    if isinstance(node, Leaf):
        return _leaf_config(node, overrides.get(path, {}), retries=retries, last_resort=last_resort)
    fallback = node.mode == "fallback"
    targets = []
    for position, child in enumerate(node.children):
        last = position == len(node.children) - 1
        target = _config(
            child,
            f"{path}.targets[{position}]",
            overrides,
            retries=retries if last or not fallback else 0,
            last_resort=(last_resort or fallback) and (last or not fallback),
        )
        if node.mode == "loadbalance":
            target["weight"] = node.weights[position]
        if node.mode == "conditional":
            target["name"] = f"target-{position}"
        targets.append(target)
    return {"strategy": _strategy(node), "targets": targets}


def _strategy(node: Branch) -> dict[str, Any]:
    strategy: dict[str, Any] = {"mode": node.mode}
    if node.on_status_codes is not None:
        strategy["on_status_codes"] = list(node.on_status_codes)
    if node.mode == "conditional":
        strategy["conditions"] = [
            {"query": dict(query), "then": f"target-{position}"} for position, query in enumerate(node.conditions)
        ]
        if node.default is not None:
            strategy["default"] = f"target-{node.default}"
    return strategy


def _leaf_config(leaf: Leaf, override: Mapping[str, Any], *, retries: int, last_resort: bool) -> dict[str, Any]:
    provider, credentials = leaf.target.model.provider, leaf.target.credentials
    integration = leaf.target.model.integration
    config: dict[str, Any] = {"provider": f"@{integration}" if integration else provider.id}
    # A target without a key is refused; an empty one passes, for hosts that need none.
    config["api_key"] = credentials.key or ""
    config |= {key: value for key, value in credentials.options.items() if key in provider.options}
    if leaf.target.custom_host:
        config["custom_host"] = leaf.target.custom_host
    config |= leaf.settings
    parameters = {"model": leaf.target.model.model, **override, **leaf.override}
    config["override_params"] = parameters
    attempts, statuses = leaf.attempts or (retries, _statuses(last_resort=last_resort))
    if attempts:
        config["retry"] = {"attempts": attempts, "on_status_codes": list(statuses)}
    return config


def _statuses(*, last_resort: bool) -> tuple[int, ...]:
    return (TOO_MANY_REQUESTS, *RETRIED_BY_GATEWAY) if last_resort else RETRIED_BY_GATEWAY


def _refuse_check_status(node: Node) -> None:
    codes: tuple[int, ...] = ()
    if isinstance(node, Leaf):
        codes = node.attempts[1] if node.attempts else ()
    else:
        codes = node.on_status_codes or ()
        for child in node.children:
            _refuse_check_status(child)
    if CHECK_FAILED in codes:
        raise PortkeyConfigurationError(
            f"on_status_codes holds {CHECK_FAILED}, which every stream of this gateway has, since it is installed in "
            "a way that breaks streams and is worked around; every target would be called and billed. Use a gateway "
            "that can stream (`pollinations-portkey gateway`), or leave that status out."
        )
