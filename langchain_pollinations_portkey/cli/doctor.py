"""The checks of `pollinations-portkey doctor`: what stands between a user and an answer, and the cure.

`doctor_asking` finds facts out, one after the other. Each check here makes findings of facts, without any I/O,
so that every case can be tested by a table. How a failed call is understood is in `doctor_call`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal
from urllib.parse import urlsplit

from langchain_pollinations_portkey._secrets import masked
from langchain_pollinations_portkey.catalogue import Provider, ResolvedModel, retirement_notice
from langchain_pollinations_portkey.cli import PROGRAM
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyError
from langchain_pollinations_portkey.gateway import plain_build
from langchain_pollinations_portkey.gateway.credentials import PLACEHOLDER_KEY, Credentials, bare_key, is_own_host
from langchain_pollinations_portkey.gateway.plain_build import Build
from langchain_pollinations_portkey.gateway.settings import is_readable_on_the_way


class Mark(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: Its name.
        mark: How it ended.
        text: What was found, without any key.
        cure: What to do: a command to type, a variable to set.
    """

    check: str
    mark: Mark
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The Node.js of this machine.

    Attributes:
        version: Its version, `None` if none is there that could run a gateway.
        problem: Why not, with the cure as its last sentence.
        npm: Whether `npm` is there.
    """

    version: str | None = None
    problem: str = ""
    npm: bool = False


Answering = Literal["portkey", "other", "guarded", "provider", "nothing", "not asked"]
"""Who is at the base URL: a Portkey gateway; something else; something that first asks who comes; a provider's own
interface; nobody. The hosted gateway is `portkey` as soon as anything answers."""


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """What is at the base URL.

    Attributes:
        base_url: The base URL; as it was given if it is none.
        source: Who says that it is there (`--base-url`, a variable, `the default`).
        hosted: Whether it is Portkey's own service.
        portkey_key: The key for that service.
        answering: Who answers.
        status: The status of its answer to a request that names no provider.
        problem: Why nothing could be asked, or nothing answers, with the cure behind the first sentence.
        elsewhere: The base URL at which the same machine has a gateway, if it is not this one.
        root_status: The status of `HEAD /`, which tells whether it can stream.
    """

    base_url: str
    source: str
    hosted: bool = False
    portkey_key: str | None = field(default=None, repr=False)
    answering: Answering = "not asked"
    status: int | None = None
    problem: str = ""
    elsewhere: str | None = None
    root_status: int | None = None

    @property
    def usable(self) -> bool:
        """Whether a model can be asked through it. Keys go to nothing else."""
        return self.answering == "portkey"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model that was named, or that is taken where none was.

    Attributes:
        name: Its name, `None` if there is none.
        source: Who named it.
        resolved: What the name means.
        problem: Why it means nothing.
    """

    name: str | None
    source: str = ""
    resolved: ResolvedModel | None = None
    problem: PortkeyError | None = None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """How the model's provider would be paid.

    Attributes:
        credentials: What would be sent, `None` if something is missing.
        problem: What is missing.
        custom_host: Where it would go instead of to the provider.
        kept_at_portkey: The integration of the hosted gateway that holds the key.
    """

    credentials: Credentials | None = field(default=None, repr=False)
    problem: PortkeyError | None = None
    custom_host: str | None = None
    kept_at_portkey: str | None = None


def not_checked(check: str, reason: str) -> Finding:
    """A check that makes no sense any more, or was not wanted."""
    return Finding(check, Mark.NOT_CHECKED, reason)


def failed(check: str, error: PortkeyError | str) -> Finding:
    """An error as a finding: its first sentence says what is wrong, the others what to do."""
    text, _, cure = " ".join(str(error).split()).partition(". ")
    return Finding(check, Mark.FAILED, text.removesuffix("."), cure)


# ------------------------------------------------------------------ Node.js


def node_findings(node: NodeFacts, gateway: GatewayFacts) -> list[Finding]:
    """Node.js and npm, which are needed only where a gateway is to be started on this machine."""
    needed = not gateway.usable and not gateway.hosted and is_on_this_machine(gateway.base_url)
    mark = Mark.FAILED if needed else Mark.WARNING
    remark = "" if needed else " (a gateway on this machine would need it)"
    if node.version is None:
        problem = failed("Node.js", node.problem)
        first = Finding("Node.js", mark, f"{problem.text}{remark}", problem.cure)
    else:
        first = Finding("Node.js", Mark.OK, node.version)
    if node.npm:
        return [first, Finding("npm", Mark.OK, "there")]
    cure = "Get it with Node.js from https://nodejs.org or your package manager."
    return [first, Finding("npm", mark, f"No `npm` is on PATH{remark}", cure)]


def is_on_this_machine(base_url: str) -> bool:
    """Whether a base URL is one of this machine."""
    return not is_readable_on_the_way(re.sub("^https:", "http:", base_url))


# ------------------------------------------------------------------ the gateway


def who_answers(base_url: str, status: int, body: Any, providers: list[Provider]) -> Answering:
    """Tell who answered a request for a chat completion that names no provider and has no key.

    Args:
        base_url: Where it was sent.
        status: The status of the answer.
        body: Its body, decoded, or its text.
        providers: All providers, some of whom might be there themselves.
    """
    # Gateway 1.15.2, 400: "Either x-portkey-config or x-portkey-provider header is required"
    if isinstance(body, Mapping) and body.get("status") == "failure" and "x-portkey-" in str(body.get("message")):
        return "portkey"
    if not is_on_this_machine(base_url) and any(is_own_host(base_url, provider) for provider in providers):
        return "provider"
    return "guarded" if status in (401, 403, 407) else "other"


def portkey_key_findings(gateway: GatewayFacts) -> list[Finding]:
    """The key of the hosted gateway; nothing for any other."""
    if not gateway.hosted:
        return []
    if gateway.portkey_key:
        text = f"PORTKEY_API_KEY {masked(gateway.portkey_key)} -> {urlsplit(gateway.base_url).hostname}"
        return [Finding("Portkey key", Mark.OK, text)]
    text = "The hosted Portkey gateway needs its own key, and PORTKEY_API_KEY is not set; nothing was sent"
    cure = "Set PORTKEY_API_KEY in the environment or in .env; https://app.portkey.ai shows it under API Keys."
    return [Finding("Portkey key", Mark.FAILED, text, cure)]


def gateway_finding(gateway: GatewayFacts, node: NodeFacts) -> Finding:
    """Whether a gateway is there."""
    place = f"{gateway.base_url} ({gateway.source})"
    match gateway.answering:
        case "portkey":
            kind = "The hosted Portkey gateway" if gateway.hosted else "A Portkey gateway"
            return Finding("gateway", Mark.OK, f"{kind} answers at {place}")
        case "guarded":
            text = f"What is at {place} asks for access (HTTP {gateway.status}) before it says what it is"
            cure = (
                "Set PORTKEY_GATEWAY_URL (or --base-url) to the gateway itself; what a proxy before it asks for is "
                "given in Python, with default_headers=..."
            )
            return Finding("gateway", Mark.FAILED, text, cure)
        case "provider":
            text = f"{place} is a provider's own interface and not a gateway"
            return Finding("gateway", Mark.FAILED, text, _start(node))
        case "other":
            text = f"Something answers at {place}, but not a Portkey gateway (HTTP {gateway.status})"
            if gateway.elsewhere:
                return Finding("gateway", Mark.FAILED, text, f"Set PORTKEY_GATEWAY_URL={gateway.elsewhere}")
            return Finding("gateway", Mark.FAILED, text, _start(node))
        case "nothing":
            problem = failed("gateway", gateway.problem)
            cure = _start(node)
            if gateway.hosted:
                cure = "Check the network, and the proxy if there is one (HTTPS_PROXY)."
            elif not is_on_this_machine(gateway.base_url):
                cure = f"Check the address and the network. {cure}"
            return Finding("gateway", Mark.FAILED, f"{problem.text} ({gateway.source})", cure)
        case _:
            if gateway.problem:  # no URL at all
                text = f"{gateway.problem.removesuffix('.')} ({gateway.source})"
                return Finding("gateway", Mark.FAILED, text, "Set PORTKEY_GATEWAY_URL=http://localhost:8787/v1")
            return not_checked("gateway", f"{place} was not asked")


def _start(node: NodeFacts) -> str:
    elsewhere = "set PORTKEY_GATEWAY_URL (or --base-url) to where one runs"
    if node.version is None:
        return f"Install Node.js and start a gateway with `{PROGRAM} gateway`, or {elsewhere}."
    return f"Start one with `{PROGRAM} gateway` in another terminal, or {elsewhere}."


def build_finding(gateway: GatewayFacts) -> Finding:
    """Whether the gateway's own answer to `HEAD /` shows a fault that breaks streams."""
    if gateway.hosted:
        return not_checked("gateway build", "Portkey's own service")
    if not gateway.usable:
        return not_checked("gateway build", "There is no gateway to ask")
    match plain_build.build_from_probe(gateway.root_status):
        case Build.GOOD:
            return Finding("gateway build", Mark.OK, "It can stream")
        case Build.BROKEN:
            text = (
                "This gateway cannot stream from most providers (@hono/node-server 1.14.2 or later, as a plain npm "
                "install has it); ChatPortkey works around it, other clients get errors"
            )
            return Finding("gateway build", Mark.WARNING, text, plain_build.CURE)
        case _:
            said = f"answers {gateway.root_status}" if gateway.root_status else "does not answer in time"
            return not_checked("gateway build", f"The root of its host {said}, which does not tell whether it streams")


# ------------------------------------------------------------------ the model and its key


def model_finding(model: ModelFacts) -> Finding:
    """Whether the model's name means something, and whether its provider still has it."""
    if model.problem is not None:
        return failed("model", model.problem)
    if model.name is None or model.resolved is None:
        return Finding(
            "model",
            Mark.FAILED,
            "No model was named, and no provider's key is set",
            "Set a key (OPENAI_API_KEY, ANTHROPIC_API_KEY, MISTRAL_API_KEY, ...) in the environment or in .env, or "
            f"name a model with --model; `{PROGRAM} models` lists names and keys.",
        )
    resolved = model.resolved
    retired = retirement_notice(resolved.entry)
    if retired:
        problem = failed("model", retired)
        return Finding("model", Mark.WARNING, problem.text, problem.cure or "Name another one with --model.")
    target = f"{resolved.provider.id}/{resolved.model}"
    text = target if model.name == target else f"{model.name} is {target}"
    return Finding("model", Mark.OK, f"{text} ({model.source})")


def key_sources(provider: Provider, credentials: Credentials, environment: Mapping[str, str]) -> dict[str, str]:
    """Where the secrets came from that would be sent.

    Returns:
        Secrets by the variable that holds each, by the catalogue or AWS's chain where none does. The placeholders for
        hosts that need no key are left out.
    """
    sources: dict[str, str] = {}
    if credentials.key and credentials.key != PLACEHOLDER_KEY:
        variables = ("PORTKEY_API_KEY",) if credentials.forwarded else provider.key_variables
        sources[_holder(variables, credentials.key, environment) or "the catalogue's options"] = credentials.key
    for option in provider.options.values():
        value = credentials.options.get(option.key)
        if not option.secret or not value or value == PLACEHOLDER_KEY:
            continue
        unknown = (
            f"AWS's credential chain ({option.key})" if provider.auth == "aws" else f"the catalogue ({option.key})"
        )
        sources[_holder(option.variables, value, environment) or unknown] = value
    return sources


def _holder(variables: tuple[str, ...], secret: str, environment: Mapping[str, str]) -> str | None:
    """The first of these variables that holds the secret; JSON may have been written on one line meanwhile."""

    def bare(text: str) -> str:
        return re.sub(r"\s", "", bare_key(text))

    return next((name for name in variables if bare(environment.get(name, "")) == bare(secret)), None)


def key_findings(
    model: ResolvedModel, keys: KeyFacts, gateway: GatewayFacts, environment: Mapping[str, str]
) -> list[Finding]:
    """Which keys would go where, and what speaks against it."""
    provider = model.provider
    if keys.problem is not None:
        problem = failed("keys", keys.problem)
        if isinstance(keys.problem, MissingCredentialsError):
            return [Finding("keys", Mark.FAILED, problem.text, f"{problem.cure} This command also reads .env.")]
        return [problem]
    if keys.credentials is None:
        return [not_checked("keys", "There is no model to find keys for")]
    place = _place(provider, keys)
    sources = key_sources(provider, keys.credentials, environment)
    if not sources:
        text = f"{place} needs none"
        if keys.kept_at_portkey:
            text = f"Portkey holds the key (@{keys.kept_at_portkey})"
        elif provider.auth != "none":
            text = f"None is set, so {place} is asked without one"
        return [Finding("keys", Mark.OK, text)]
    shown = " and ".join(f"{name} {masked(value)}" for name, value in sources.items())
    how = ", which the gateway forwards as the provider's key" if keys.credentials.forwarded else ""
    findings = [Finding("keys", Mark.OK, f"{shown} -> {place}{how}")]
    for notice in keys.credentials.notices:
        problem = failed("keys", notice.text)
        findings.append(Finding("keys", Mark.WARNING, problem.text, problem.cure))
    if is_readable_on_the_way(gateway.base_url):
        text = f"Keys travel to {gateway.base_url} over plain http, where others can read them"
        findings.append(Finding("keys", Mark.WARNING, text, "Use https for a gateway on another machine."))
    odd = [name for name, value in sources.items() if _is_odd(value) and not value.startswith("{")]
    if odd:
        text = f"{' and '.join(odd)} holds a blank, a quotation mark or another character that no key has"
        findings.append(Finding("keys", Mark.WARNING, text, f"Set {' and '.join(odd)} anew, the key alone."))
    return findings


def _is_odd(secret: str) -> bool:
    return re.search(r"[^!#-&(-~]", secret) is not None


def _place(provider: Provider, keys: KeyFacts) -> str:
    """Who gets the keys; by host where the provider has just one."""
    if keys.custom_host is not None:
        return urlsplit(keys.custom_host).netloc
    if provider.auth == "aws":
        region = keys.credentials.options.get("aws_region", "") if keys.credentials else ""
        return f"{provider.title}, region {region}" if region else provider.title
    only = provider.hosts[0] if len(provider.hosts) == 1 and provider.auth == "bearer" else None
    return only or provider.title
