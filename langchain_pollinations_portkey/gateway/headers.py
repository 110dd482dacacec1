"""Everything the gateway is told in request headers, and what it tells in those of its answers.

The names and rules are those of gateway 1.15.2. `x-portkey-retry`, though documented, does nothing there;
retries are asked for in `x-portkey-config`. A configuration with neither `provider` nor `targets` leaves the
key in `Authorization` and the provider's settings in their headers, which is the form used for one target.

Users bring headers of their own, often from `createHeaders` of Portkey's SDK. What in them is an option of this
package is read as that option (`fields_of_headers`), so that the rules about keys hold for it as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_pollinations_portkey._version import __version__
from langchain_pollinations_portkey.catalogue.entries import ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway import plain_build
from langchain_pollinations_portkey.gateway.credentials import Credentials
from langchain_pollinations_portkey.gateway.settings import GatewaySettings

RETRIED_BY_GATEWAY = (500, 502, 503, 504, 529)
"""Statuses that the gateway repeats. 429 is not among them: the gateway does not know `Retry-After`, so the
client waits instead. 408 is not either: the provider may have served the request."""

MAX_HEADER_BYTES = 15_000
"""All headers together; from 16 KiB on the gateway answers 431 and closes the connection."""

_CONFIG = "x-portkey-config"
_RETRY = "x-portkey-retry"
_METADATA = "x-portkey-metadata"
_FORWARD = "x-portkey-forward-headers"

_FIELDS = {
    "authorization": "api_key",
    "x-portkey-provider": "provider",
    "x-portkey-custom-host": "custom_host",
    "x-portkey-trace-id": "trace_id",
    _METADATA: "portkey_metadata",
    _FORWARD: "forward_headers",
    _RETRY: "max_retries",
}
"""Headers that say what an option says."""

_NOT_IN_A_NAME = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")

COMMON_HEADERS = {
    "content-type": "application/json",
    "accept-encoding": "identity",  # the gateway does not compress, and need not ask whether to
    "user-agent": f"langchain-pollinations-portkey/{__version__}",
}
"""What every request says, whoever gets it."""

_STATIC = {
    **COMMON_HEADERS,
    # Exactly this spelling: strict mode, the default, takes thinking, signatures and citations out of answers.
    "x-portkey-strict-open-ai-compliance": "false",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider, ready to be asked.

    Attributes:
        model: Whom to ask and for what.
        credentials: How to pay.
        custom_host: The base URL to call instead of the provider's own.
    """

    model: ResolvedModel
    credentials: Credentials
    custom_host: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated by an error, though the provider may do so."""
        known = self.model.provider.options
        values = (value for name, value in self.credentials.options.items() if name in known and known[name].secret)
        return tuple(value for value in (self.credentials.key, *values) if value)


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """What one request asks of the gateway besides its target.

    Attributes:
        trace_id: An id that the gateway echoes.
        metadata: Facts that conditional routing and hosted logs read.
        forward_headers: Names of headers that the gateway copies to the provider.
        headers: The user's own headers; they win over ours.
    """

    trace_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    forward_headers: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def request_headers(
    target: Target,
    gateway: GatewaySettings,
    request: RequestSettings,
    *,
    retries: int,
    timeout: float | None,
    check: str | None = None,
    route: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The headers of one request.

    Args:
        target: Whom to ask.
        gateway: Which gateway.
        request: What else to tell it.
        retries: How often the gateway may repeat the request.
        timeout: Seconds that an attempt may take until the provider answers; `None` for no limit.
        check: The header for the check that a plainly installed gateway needs, `None` for no check.
        route: The configuration of a route over several targets, which then says whom to ask.

    Raises:
        PortkeyConfigurationError: A value cannot stand in a header, or all are too long together.
    """
    own = {name.lower(): value for name, value in request.headers.items()}
    if route is not None:
        if _CONFIG in own:
            raise PortkeyConfigurationError(
                f"A route and the header {_CONFIG!r} both say whom to ask; give one of them."
            )
        own[_CONFIG] = compact_json(route)
    headers = dict(_STATIC)
    headers |= _portkey_headers(gateway) if route is not None else _target_headers(target, gateway)
    retry = {"attempts": retries, "on_status_codes": list(RETRIED_BY_GATEWAY)} if retries > 0 else None
    config = _config(own.pop(_CONFIG, None), retry, hosted=gateway.hosted)
    if config is not None:
        headers[_CONFIG] = config
    if timeout is not None:
        headers["x-portkey-request-timeout"] = str(max(1, int(timeout * 1000)))
    if request.trace_id:
        headers["x-portkey-trace-id"] = request.trace_id.strip()
    if request.metadata:
        headers[_METADATA] = compact_json(dict(request.metadata))
    if request.forward_headers:
        headers[_FORWARD] = ",".join(request.forward_headers)
    for name, value in own.items():
        headers[name] = value.strip() if isinstance(value, str) else value
    if check is not None:
        headers[check] = plain_build.with_check(check, headers.get(check))
    check_headers(headers)
    return headers


def _config(own: str | None, retry: Mapping[str, Any] | None, *, hosted: bool) -> str | None:
    """The user's configuration with our retries in it, unless it says something about retries itself.

    At the root of a configuration with targets, retries would hold for each of them, so there we add none.

    Raises:
        PortkeyConfigurationError: It is neither a JSON object nor, for the hosted gateway, an id.
    """
    if own is None:
        return None if retry is None else compact_json({"retry": retry})
    try:
        config = json.loads(own)
    except ValueError:
        config = None
    if isinstance(config, dict):
        ours = {"retry": retry} if retry is not None and "targets" not in config else {}
        return compact_json({**ours, **config})
    if hosted and re.fullmatch(r"[\w-]+", own):
        return own
    raise PortkeyConfigurationError(
        f"The header {_CONFIG!r} must hold a JSON object"
        + ("" if hosted else "; ids are known to the hosted gateway only")
        + "."
    )


def fields_of_headers(headers: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what in a user's headers says the same as an option of this package.

    Returns:
        The options, and the headers that are left.

    Raises:
        PortkeyConfigurationError: `x-portkey-metadata` or `x-portkey-retry` cannot be read.
    """
    fields: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in headers.items():
        field_name = _FIELDS.get(name.lower())
        if field_name is None or value is None:
            rest[name] = value
        elif not isinstance(value, str):
            fields[field_name] = value
        elif name.lower() in (_METADATA, _RETRY):
            fields[field_name] = _read_json_header(name, value)
        elif name.lower() == _FORWARD:
            fields[field_name] = [part.strip() for part in value.split(",") if part.strip()]
        else:
            fields[field_name] = value
    if isinstance(fields.get("max_retries"), Mapping):  # x-portkey-retry: {"attempts": 3, ...}
        fields["max_retries"] = fields["max_retries"].get("attempts", 0)
    return fields, rest


def _read_json_header(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise PortkeyConfigurationError(f"The header {name!r} holds no JSON.") from None


def _portkey_headers(gateway: GatewaySettings) -> dict[str, str]:
    hosted = gateway.hosted and gateway.portkey_api_key
    return {"x-portkey-api-key": gateway.portkey_api_key} if hosted and gateway.portkey_api_key else {}


def _target_headers(target: Target, gateway: GatewaySettings) -> dict[str, str]:
    provider = target.model.provider
    headers = _portkey_headers(gateway)
    integration = target.model.integration
    headers["x-portkey-provider"] = f"@{integration}" if integration else provider.id
    if target.credentials.key is not None:
        headers["authorization"] = f"Bearer {target.credentials.key}"
    if target.custom_host:
        headers["x-portkey-custom-host"] = target.custom_host
    for key, value in target.credentials.options.items():
        option = provider.options.get(key)
        if option is not None:
            headers[option.header] = value
    return headers


def compact_json(value: Any) -> str:
    """JSON for a header: ASCII only, since header values are latin-1, and as short as it gets.

    Raises:
        PortkeyConfigurationError: Something in it has no form in JSON.
    """
    try:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PortkeyConfigurationError(f"What goes into a header must be JSON: {error}") from None


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that could not be sent or that the gateway would refuse.

    The text names the header and never its value, which may be a key.

    Raises:
        PortkeyConfigurationError: A name is no header name; a value has line breaks, control characters or
            characters outside latin-1; or all headers together are too long.
    """
    size = 0
    for name, value in headers.items():
        if not name or _NOT_IN_A_NAME.search(name):
            raise PortkeyConfigurationError(f"{name!r} cannot be the name of a header.")
        if not isinstance(value, str):
            raise PortkeyConfigurationError(f"The header {name!r} must be a string, not {type(value).__name__}.")
        bad = _NOT_IN_A_VALUE.search(value)
        if bad is not None:
            what = "characters that HTTP headers cannot carry (only latin-1 goes)"
            what = what if bad[0] > "\xff" else "a line break or control character"
            raise PortkeyConfigurationError(f"The header {name!r} holds {what}.")
        size += len(name) + len(value) + 4  # ": " and the line end
    if size > MAX_HEADER_BYTES:
        longest = max(headers, key=lambda name: len(headers[name]))
        raise PortkeyConfigurationError(
            f"The headers are {size:,} bytes long, and the gateway takes about 16,000. The longest is {longest!r}; "
            "shorten it, or raise the limit with NODE_OPTIONS=--max-http-header-size=65536 where the gateway runs."
        )


def response_facts(headers: Mapping[str, str]) -> dict[str, Any]:
    """What the gateway says about an answer in its headers.

    Returns:
        Those of `provider`, `trace_id`, `last_used_option_index`, `retry_attempt_count` (-1: all used up) and
        `cache_status` that it sent.
    """
    facts: dict[str, Any] = {}
    for name, fact in _FACTS.items():
        value = headers.get(name)
        if value:
            facts[fact] = value
    attempts = headers.get("x-portkey-retry-attempt-count")
    if attempts is not None and attempts.lstrip("-").isdigit():
        facts["retry_attempt_count"] = int(attempts)
    return facts


_FACTS = {
    f"x-portkey-{fact.replace('_', '-')}": fact
    for fact in ("provider", "trace_id", "last_used_option_index", "cache_status")
}
