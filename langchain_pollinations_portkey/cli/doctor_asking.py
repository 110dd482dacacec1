"""Finds out for `pollinations-portkey doctor` what its checks need to know, and asks no more than makes sense.

A key is sent only with the one call to the model, and only after all that comes before it was in order. Whether a
gateway is there is asked with a request that names no provider: a Portkey gateway refuses it in words of its own, and
nothing goes further.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from langchain_pollinations_portkey.catalogue import Catalogue, ResolvedModel
from langchain_pollinations_portkey.catalogue.lookup import RetiredModelWarning
from langchain_pollinations_portkey.chat_models import ChatPortkey
from langchain_pollinations_portkey.cli import doctor
from langchain_pollinations_portkey.cli.doctor import Finding, GatewayFacts, KeyFacts, Mark, ModelFacts, NodeFacts
from langchain_pollinations_portkey.cli.doctor_call import Asked, CallFacts, call_findings, is_about_the_stream
from langchain_pollinations_portkey.cli.model_table import default_model
from langchain_pollinations_portkey.errors import (
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyError,
    decode_body,
)
from langchain_pollinations_portkey.gateway._install import LocalGatewayError, find_node
from langchain_pollinations_portkey.gateway.credentials import KeySources, find_credentials
from langchain_pollinations_portkey.gateway.http.messages import HTTPRequest
from langchain_pollinations_portkey.gateway.http.transport import Transport
from langchain_pollinations_portkey.gateway.settings import (
    DEFAULT_BASE_URL,
    GatewaySettings,
    is_hosted,
    normalise_base_url,
)
from langchain_pollinations_portkey.notices import GatewayBuildWarning, SecurityWarning

_GATEWAY_SECONDS = 5.0
_MODEL_SECONDS = 60.0

_MAX_TOKENS = 256
"""Few, but so many that a model that thinks first comes to its answer; OpenAI's refuse the request otherwise."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants looked at.

    Attributes:
        model: The model, `None` for the first that can be asked.
        model_source: Who named it.
        base_url: The gateway, `None` for the one that the environment names.
        call: Whether the model may be asked.
    """

    model: str | None = None
    model_source: str = ""
    base_url: str | None = None
    call: bool = True


def examine(order: Order, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Look at everything that a call needs, in its order, and hand out what is found as it is found.

    Args:
        order: What to look at.
        environment: The environment variables.
    """
    node = _node()
    gateway = _gateway(order, environment)
    yield from doctor.node_findings(node, gateway)
    yield from doctor.portkey_key_findings(gateway)
    yield doctor.gateway_finding(gateway, node)
    yield doctor.build_finding(gateway)
    model = _model(order, environment, hosted=gateway.hosted)
    yield doctor.model_finding(model)
    if model.resolved is None:
        yield from _rest_not_checked("There is no model to look at", "keys", "answer", "streaming")
        return
    keys = _keys(model.resolved, environment, hosted=gateway.hosted)
    found = doctor.key_findings(model.resolved, keys, gateway, environment)
    yield from found
    if any(finding.mark is Mark.FAILED for finding in found):
        yield from _rest_not_checked("There is no key to ask with", "answer", "streaming")
    elif not gateway.usable:
        yield from _rest_not_checked("There is no gateway to ask through", "answer", "streaming")
    elif not order.call:
        yield from _rest_not_checked("Left out (--no-call)", "answer", "streaming")
    else:
        yield from call_findings(_call(model.resolved.name, gateway), _asked(model.resolved, keys, environment))


def _rest_not_checked(reason: str, *checks: str) -> Iterator[Finding]:
    for check in checks:
        yield doctor.not_checked(check, reason)


def _node() -> NodeFacts:
    npm = shutil.which("npm") is not None
    try:
        return NodeFacts(find_node().version, npm=npm)
    except LocalGatewayError as error:
        return NodeFacts(problem=str(error), npm=npm)


# ------------------------------------------------------------------ the gateway


def _gateway(order: Order, environment: Mapping[str, str]) -> GatewayFacts:
    given, source = _base_url(order, environment)
    try:
        base_url = normalise_base_url(given)
    except PortkeyConfigurationError as error:
        return GatewayFacts(given if "@" not in given else "", source, problem=str(error))
    hosted = is_hosted(base_url)
    key = environment.get("PORTKEY_API_KEY", "").strip() or None
    facts = GatewayFacts(base_url, source, hosted=hosted, portkey_key=key if hosted else None)
    if hosted and key is None:
        return facts
    transport = Transport()
    try:
        if hosted:
            origin = GatewaySettings(base_url).origin
            if transport.probe(origin, seconds=_GATEWAY_SECONDS) is not None:
                return replace(facts, answering="portkey")
            text = f"{origin} did not answer within {_GATEWAY_SECONDS:g} s."
            return replace(facts, answering="nothing", problem=text)
        status, answering = _who_answers(transport, base_url)
    except PortkeyError as error:
        return replace(facts, answering="nothing", problem=str(error))
    facts = replace(facts, answering=answering, status=status)
    origin = GatewaySettings(base_url).origin
    if answering == "other" and base_url != f"{origin}/v1":
        return replace(facts, elsewhere=_gateway_at(transport, f"{origin}/v1"))
    return replace(facts, root_status=_root_status(transport, origin)) if facts.usable else facts


def _base_url(order: Order, environment: Mapping[str, str]) -> tuple[str, str]:
    """The base URL, and who says so; the order is `base_url_from`'s."""
    if order.base_url:
        return order.base_url, "--base-url"
    for variable in ("PORTKEY_GATEWAY_URL", "PORTKEY_BASE_URL"):
        value = environment.get(variable, "").strip()
        if value:
            return value, variable
    return DEFAULT_BASE_URL, "the default"


def _who_answers(transport: Transport, base_url: str) -> tuple[int, doctor.Answering]:
    """Send a request that names no provider and holds no key.

    Raises:
        PortkeyError: There is no answer.
    """
    headers = {"content-type": "application/json"}
    request = HTTPRequest(f"{base_url}/chat/completions", headers, b"{}", _GATEWAY_SECONDS)
    response = transport.send(request, stream=False)
    status, body = response.status_code, decode_body(response.content)
    return status, doctor.who_answers(base_url, status, body, Catalogue().providers())


def _gateway_at(transport: Transport, base_url: str) -> str | None:
    try:
        _, answering = _who_answers(transport, base_url)
    except PortkeyError:
        return None
    return base_url if answering == "portkey" else None


def _root_status(transport: Transport, origin: str) -> int | None:
    try:
        return transport.probe(origin)
    except PortkeyConnectionError:  # gone since it answered
        return None


# ------------------------------------------------------------------ the model and its key


def _model(order: Order, environment: Mapping[str, str], *, hosted: bool) -> ModelFacts:
    name, source = order.model, order.model_source
    default_provider = environment.get("PORTKEY_PROVIDER", "").strip() or None
    try:
        if not name:
            name, source = default_model(environment), "the first that can be asked"
        if name is None:
            return ModelFacts(None)
        resolved = Catalogue.default().resolve(name, default_provider=default_provider, hosted=hosted)
    except PortkeyConfigurationError as error:
        return ModelFacts(name, source, problem=error)
    return ModelFacts(name, source, resolved)


def _keys(model: ResolvedModel, environment: Mapping[str, str], *, hosted: bool) -> KeyFacts:
    """How `ChatPortkey` would pay for this model, without arguments of its own."""
    host = model.entry.custom_host if model.entry is not None else None
    if host is None and model.provider.own_host is not None and not hosted:
        text = (
            f"{model.provider.title} runs where you say, and no row of the catalogue says where {model.name} does. "
            f"Add one with custom_host = {model.provider.own_host!r} to the file that PORTKEY_CATALOGUE names."
        )
        return KeyFacts(problem=PortkeyConfigurationError(text))
    portkey = None if hosted else environment.get("PORTKEY_API_KEY", "").strip()
    sources = KeySources(portkey=portkey or None, options=model.entry.options if model.entry is not None else {})
    at_portkey = hosted and model.integration is not None
    try:
        credentials = find_credentials(
            model.provider, sources, environment, primary=True, custom_host=host, keys_at_portkey=at_portkey
        )
    except PortkeyConfigurationError as error:
        if not hosted:
            return KeyFacts(problem=error, custom_host=host)
        text = f"{error} If Portkey keeps the key, name its integration: --model @slug/{model.model}."
        return KeyFacts(problem=PortkeyConfigurationError(text), custom_host=host)
    return KeyFacts(credentials, custom_host=host, kept_at_portkey=model.integration if at_portkey else None)


# ------------------------------------------------------------------ the call


def _asked(model: ResolvedModel, keys: KeyFacts, environment: Mapping[str, str]) -> Asked:
    credentials = keys.credentials
    sources = doctor.key_sources(model.provider, credentials, environment) if credentials else {}
    forwarded = credentials is not None and credentials.forwarded
    return Asked(model, tuple(sources), forwarded, keys.custom_host, Catalogue.default().models())


def _call(name: str, gateway: GatewayFacts) -> CallFacts:
    """Ask the model something short, as a stream; for the whole at once only where the stream's failure may be its own.

    Nothing is repeated, so that a provider's first word is what is reported.
    """
    with warnings.catch_warnings():
        for told_by_a_check in (GatewayBuildWarning, RetiredModelWarning, SecurityWarning):
            warnings.simplefilter("ignore", told_by_a_check)
        begun = time.monotonic()
        try:
            chat = ChatPortkey(
                model=name,
                base_url=gateway.base_url,
                max_tokens=_MAX_TOKENS,
                max_retries=0,
                timeout=_MODEL_SECONDS,
            )
            return _streamed(chat, begun)
        except PortkeyError as error:
            failure = error
            if not is_about_the_stream(failure):
                return CallFacts(failure, failure)
        begun = time.monotonic()
        try:
            chat.invoke(_PROMPT)
        except PortkeyError as error:
            return CallFacts(failure, error)
        return CallFacts(failure, seconds=time.monotonic() - begun)


_PROMPT = "Say hello in one word."


def _streamed(chat: ChatPortkey, begun: float) -> CallFacts:
    pieces, first, finish = 0, 0.0, None
    for chunk in chat.stream(_PROMPT):
        if chunk.text:
            first = first or time.monotonic() - begun
            pieces += 1
        finish = chunk.response_metadata.get("finish_reason") or finish
    return CallFacts(seconds=time.monotonic() - begun, first_seconds=first, pieces=pieces, finish_reason=finish)
