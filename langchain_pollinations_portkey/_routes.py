"""A route as the user wrote it, made ready for one call: who may answer, and what each of them is sent.

Every target gets a request in its own form. What the forms have in common is the body; the rest of each goes along
as parameters of its target, in a header, which holds about 16 KB. Where a conversation is too long for that, what
only some of the targets understand (cache breakpoints, thinking) is left out for all of them, with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_pollinations_portkey._options import read_config, seconds
from langchain_pollinations_portkey._secrets import with_secrets_opened
from langchain_pollinations_portkey.catalogue import ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.headers import MAX_HEADER_BYTES, Target, compact_json
from langchain_pollinations_portkey.gateway.routes import Branch, Leaf, Node, leaves
from langchain_pollinations_portkey.notices import LossWarning, Notice
from langchain_pollinations_portkey.routing import Conditional, Fallback, LoadBalance, Route
from langchain_pollinations_portkey.routing import Target as RouteTarget
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, loss_notices

ROUTE_NAMES = ("route", "fallbacks", "load_balance")
"""The options by which a route is given; one at a time."""

_ROOM = MAX_HEADER_BYTES - 2_500
"""Bytes for the configuration; the rest is for the other headers."""

Write = Callable[[ResolvedModel], ChatRequest]


def chosen_route(options: Mapping[str, Any], model: str) -> Route | None:
    """The route that the options name, `None` for a single model.

    Args:
        options: `route`, `fallbacks` and `load_balance`.
        model: The name of the model they stand beside.

    Raises:
        PortkeyConfigurationError: More than one is given, or one is not what it should be.
    """
    given = [name for name in ROUTE_NAMES if options.get(name)]
    if len(given) > 1:
        raise PortkeyConfigurationError(f"{given[0]} and {given[1]} both say who answers; write one route=... instead.")
    if options.get("fallbacks"):
        return Fallback((model, *options["fallbacks"]))
    if options.get("load_balance"):
        balance = LoadBalance(options["load_balance"])
        names = [target.model if isinstance(target, RouteTarget) else target for target, _ in balance.weighted()]
        if model not in names:
            raise PortkeyConfigurationError(
                f"load_balance does not name {model!r}, the model itself, which would never answer. "
                "Give it a share, or make one of the others the model."
            )
        return balance
    route: Route | None = options.get("route")
    return route


def config_header(config: Mapping[str, Any] | str, *, hosted: bool) -> tuple[str, bool]:
    """A raw configuration as the header's value, and whether it says whom to ask and brings the keys.

    Args:
        config: The configuration, also as JSON, or the id of one.
        hosted: Whether the gateway is Portkey's hosted one, which knows ids and virtual keys and has a cache.

    Raises:
        PortkeyConfigurationError: This gateway would refuse it, or do nothing about a part of it.
    """
    config = read_config(config)
    if isinstance(config, str):
        if not hosted:
            # Not shown: it may be a configuration after all, with its keys.
            raise PortkeyConfigurationError(
                "portkey_config is no JSON, so it is the id of a configuration, which only the hosted Portkey knows. "
                "Write the configuration out, or use fallbacks=, load_balance= or route=."
            )
        return config, True
    if not hosted:
        _check_raw(config, "portkey_config")
    return compact_json(with_secrets_opened(config)), hosted or "provider" in config or "targets" in config


def _check_raw(config: Mapping[str, Any], where: str) -> None:
    for key, reason in _HOSTED_ONLY.items():
        if key in config:
            raise PortkeyConfigurationError(f"{where} has {key!r}: {reason}")
    targets = config.get("targets")
    if targets is None:
        return
    if not isinstance(targets, list) or not targets or "strategy" not in config:
        raise PortkeyConfigurationError(f"{where} needs both 'strategy' and a list of 'targets', at least one.")
    for position, target in enumerate(targets):
        if not isinstance(target, Mapping):
            raise PortkeyConfigurationError(f"{where}['targets'][{position}] must be a dict.")
        _check_raw(target, f"{where}['targets'][{position}]")


_HOSTED_ONLY = {
    "cache": "the gateway as it is published has none; it would be accepted and do nothing.",
    "virtual_key": "virtual keys are kept by the hosted Portkey only; give 'provider' and 'api_key'.",
}


def targets_of(route: Route) -> list[RouteTarget]:
    """The targets of a route, in the order in which they were written."""
    match route:
        case str():
            return [RouteTarget(route)]
        case RouteTarget():
            return [route]
        case Fallback():
            inner = list(route.targets)
        case LoadBalance():
            inner = [target for target, _ in route.weighted()]
        case Conditional():
            inner = [condition.then for condition in route.conditions]
            inner += [] if route.default is None else [route.default]
    return [target for one in inner for target in targets_of(one)]


def options_of(target: RouteTarget | str) -> dict[str, Any]:
    """What a target of a route says, as the options of a call."""
    if isinstance(target, str):
        return {"model": target}
    names = ("model", "provider", "api_key", "custom_host", "provider_options")
    return {name: value for name in names if (value := getattr(target, name))}


def ready_route(route: Route, ready: Callable[[RouteTarget], Target]) -> Node:
    """Find model and credentials of every target of a route.

    Args:
        route: What the user wrote.
        ready: Finds those of one target.
    """
    match route:
        case str():
            return Leaf(ready(RouteTarget(route)))
        case RouteTarget():
            attempts = None
            if route.retry is not None:
                attempts = (route.retry.attempts, tuple(route.retry.on_status_codes))
            return Leaf(ready(route), _settings(route), attempts, dict(route.override_params))
        case Fallback():
            codes = None if route.on_status_codes is None else tuple(route.on_status_codes)
            children = tuple(ready_route(target, ready) for target in route.targets)
            return Branch("fallback", children, on_status_codes=codes)
        case LoadBalance():
            pairs = route.weighted()
            children = tuple(ready_route(target, ready) for target, _ in pairs)
            return Branch("loadbalance", children, weights=tuple(weight for _, weight in pairs))
        case Conditional():
            targets = [condition.then for condition in route.conditions]
            targets += [] if route.default is None else [route.default]
            return Branch(
                "conditional",
                tuple(ready_route(target, ready) for target in targets),
                conditions=tuple(condition.query for condition in route.conditions),
                default=None if route.default is None else len(targets) - 1,
            )


def _settings(target: RouteTarget) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if target.request_timeout is not None:
        settings["request_timeout"] = max(1, int((seconds(target.request_timeout) or 0) * 1000))
    for name in ("forward_headers", "input_guardrails", "output_guardrails"):
        if getattr(target, name):
            settings[name] = list(getattr(target, name))
    return settings


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A route, ready to be sent.

    Attributes:
        node: The route.
        leaves: Its targets by the paths by which the gateway names them.
        requests: What each of them is sent, by path.
        body: The part of it that goes into the body.
        overrides: The rest, by path.
        notices: What the user should know.
    """

    node: Branch
    leaves: Mapping[str, Leaf]
    requests: Mapping[str, ChatRequest]
    body: Mapping[str, Any]
    overrides: Mapping[str, Mapping[str, Any]]
    notices: tuple[Notice, ...] = ()


def plan_route(node: Branch, write: Write) -> RoutePlan:
    """Write the request for every target of a route and see what they have in common.

    Args:
        node: The route.
        write: Writes the request for one model.

    Raises:
        PortkeyConfigurationError: The targets need forms of the conversation that differ by too much.
    """
    found = dict(leaves(node))
    plan = _plan(node, found, write)
    if _size(plan) <= _ROOM:
        return plan
    plain = _plan(node, found, lambda model: write(_without_extras(model)))
    if _size(plain) > _ROOM:
        raise PortkeyConfigurationError(
            "The targets of the route need this conversation in different forms, which are too long to be sent "
            "together. Use .with_fallbacks([...]) of LangChain, which sends one after the other, or choose targets of "
            "one kind."
        )
    titles = sorted({leaf.target.model.provider.title for leaf in found.values() if _has_extras(leaf.target.model)})
    text = (
        f"The conversation is too long to be sent in a form for each target of the route, so cache breakpoints and "
        f"thinking, which not all of them know, are left out for {', '.join(titles)} as well."
    )
    return replace(plain, notices=(*plain.notices, Notice(LossWarning, ("route-extras", *titles), text)))


def _plan(node: Branch, found: Mapping[str, Leaf], write: Write) -> RoutePlan:
    requests = {path: write(leaf.target.model) for path, leaf in found.items()}
    bodies = [request.body for request in requests.values()]
    first = bodies[0]
    # The gateway needs a model and messages in the body, whatever the targets override.
    body = {
        key: value
        for key, value in first.items()
        if key in ("model", "messages") or all(key in other and other[key] == value for other in bodies)
    }
    overrides = {
        path: {key: value for key, value in request.body.items() if key not in body or body[key] != value}
        for path, request in requests.items()
    }
    notices = tuple(
        notice
        for path, request in requests.items()
        for notice in loss_notices(request, found[path].target.model.provider)
    )
    return RoutePlan(node, found, requests, body, overrides, notices)


def _size(plan: RoutePlan) -> int:
    """Bytes of the configuration, about."""
    fixed = 700 * len(plan.leaves)  # credentials, hosts, retries
    return fixed + sum(len(compact_json(override)) for override in plan.overrides.values())


def _has_extras(model: ResolvedModel) -> bool:
    quirks = model.provider.quirks
    return quirks.cache_control or quirks.thinking_replay


def _without_extras(model: ResolvedModel) -> ResolvedModel:
    quirks = replace(
        model.provider.quirks,
        cache_control=False,
        thinking_replay=False,
        redacted_thinking_replay=False,
        replayed_keys=frozenset(),
    )
    return replace(model, provider=replace(model.provider, quirks=quirks))
