"""Whose key goes where: each provider's credentials, found by one order and sent to that provider only.

Per provider: the argument, then the provider's own environment variables, then - for the primary provider
alone, and only where the gateway is not the hosted one - `PORTKEY_API_KEY`.

Credentials are of one identity. As soon as an argument gives a key or one secret of several, none is taken from
the environment: the session token of one AWS account beside the access key of another is refused, and a key
that is not needed is a key that leaks. For the same reason a host that is not the provider's own gets no
credentials of AWS's chain (profiles, instance roles), which nobody meant for it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from langchain_pollinations_portkey._secrets import masked, with_secrets_opened
from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.settings import is_readable_on_the_way
from langchain_pollinations_portkey.notices import Notice, SecurityWarning

logger = logging.getLogger(__name__)

PLACEHOLDER_KEY = "no-key-needed"
"""Sent to a custom host that was given no key; without any, the gateway would send `Bearer undefined`."""

_AWS_PAIR = ("aws_access_key_id", "aws_secret_access_key")
_AWS_SECRETS = (*_AWS_PAIR, "aws_session_token")

_STAND_INS = {
    "azure": ("azure_ad_token", "azure_auth_mode", "azure_entra_client_secret"),
    "vertex": ("vertex_service_account_json",),
    "aws": ("aws_auth_type",),
}
"""Options by which a provider is paid instead of a key. (`aws_auth_type`: a role that the gateway takes on.)"""


class CredentialsNeedIO(Exception):  # noqa: N818  # no error: a reason to ask again from a thread
    """AWS's chain has to be asked, which may read files and call services, and the caller must not wait."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one provider gets to know who asks.

    Attributes:
        key: Its key or token; `None` where there is none to send.
        options: Its settings by target key (`aws_access_key_id`, `resource_name`), secret ones among them.
        forwarded: Whether the key is `PORTKEY_API_KEY`, which the gateway forwards to the provider.
        notices: What the user should know about it.
    """

    key: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    forwarded: bool = False
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class KeySources:
    """Where credentials may come from, the environment apart.

    Attributes:
        argument: `api_key`, for the primary provider.
        by_provider: `api_keys`, by provider id.
        portkey: `PORTKEY_API_KEY`, where it is a provider's key.
        options: `provider_options`, by target key.
        may_wait: Whether AWS's chain may be asked, which can take seconds.
    """

    argument: str | None = field(default=None, repr=False)
    by_provider: Mapping[str, str] = field(default_factory=dict, repr=False)
    portkey: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    may_wait: bool = True


@dataclass(slots=True)
class _Found:
    """What has been found so far: a key, or secret options, and the variable they came from."""

    key: str | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    variable: str | None = None

    def __bool__(self) -> bool:
        return self.key is not None or bool(self.secrets)


def find_credentials(
    provider: Provider,
    sources: KeySources,
    environment: Mapping[str, str],
    *,
    primary: bool,
    custom_host: str | None,
    keys_at_portkey: bool = False,
) -> Credentials:
    """Find what `provider` needs.

    Args:
        provider: Whom it is for.
        sources: What the user gave.
        environment: The environment variables.
        primary: Whether this is the provider of the model that was asked for, whose key `api_key` is.
        custom_host: The base URL that will be called instead of the provider's own.
        keys_at_portkey: Whether Portkey itself holds the provider's keys (a hosted integration).

    Raises:
        MissingCredentialsError: Something is missing; the text names the variable that would hold it.
        PortkeyConfigurationError: Two ways of paying were given, or an option is not what it should be.
        CredentialsNeedIO: AWS's chain would have to be asked, and `sources.may_wait` is False.
    """
    given = {
        option.key: _option_value(option.key, sources.options[option.key])
        for option in provider.options.values()
        if sources.options.get(option.key)
    }
    found = _from_arguments(provider, sources, given, primary=primary)
    if keys_at_portkey:
        return Credentials(found.key, given)
    foreign = custom_host is not None and not is_own_host(custom_host, provider)
    paid_otherwise = any(name in given for name in _STAND_INS.get(provider.auth, ()))
    if not found and not paid_otherwise:
        found = _from_environment(provider, environment)
    if not found and not paid_otherwise and primary and sources.portkey and provider.auth not in ("aws", "none"):
        found = _Found(bare_key(sources.portkey) or None, variable="PORTKEY_API_KEY")
    options = {**_settings(provider, environment), **given, **found.secrets}
    notices = []
    if found.variable is not None and custom_host is not None and foreign:
        notices.append(_foreign_host(provider, found.variable, custom_host))
    key = found.key
    if provider.auth == "aws":
        options = _aws(provider, key, options, sources, given, custom_host=custom_host, foreign=foreign)
    elif key is None and provider.auth != "none" and not any(n in options for n in _STAND_INS.get(provider.auth, ())):
        if custom_host is None:
            raise MissingCredentialsError(_missing_key(provider, primary=primary))
        key = PLACEHOLDER_KEY
    _require_options(provider, options, custom_host)
    return Credentials(key, options, forwarded=found.variable == "PORTKEY_API_KEY", notices=tuple(notices))


def bare_key(key: str) -> str:
    """A key without the word `Bearer`, which the gateway strips only when it is spelled exactly so."""
    key = key.strip()
    if key[:6].lower() != "bearer":
        return key
    return re.sub(r"^bearer(\s+|$)", "", key, flags=re.IGNORECASE).strip()


def is_own_host(url: str, provider: Provider) -> bool:
    """Whether a URL is at one of the provider's own hosts, or a host under one of them."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return any(host == own or host.endswith(f".{own}") for own in provider.hosts)


def _from_arguments(provider: Provider, sources: KeySources, given: Mapping[str, str], *, primary: bool) -> _Found:
    key = bare_key((sources.argument if primary else None) or "") or bare_key(sources.by_provider.get(provider.id, ""))
    secrets = {name: value for name, value in given.items() if provider.options[name].secret}
    return _Found(key or None, secrets)


def _from_environment(provider: Provider, environment: Mapping[str, str]) -> _Found:
    """The key in the provider's variables, else its secret options there; never both."""
    for variable in provider.key_variables:
        value = bare_key(environment.get(variable, ""))
        if value:
            return _Found(value, variable=variable)
    found = _Found()
    for option in provider.options.values():
        value, source = _variable(option.variables, environment) if option.secret else ("", None)
        if value:
            found.secrets[option.key] = _option_value(option.key, value)
            found.variable = found.variable or source
    return found


def _settings(provider: Provider, environment: Mapping[str, str]) -> dict[str, str]:
    """Options that are no secrets, from the environment or by default."""
    settings: dict[str, str] = {}
    for option in provider.options.values():
        if option.secret:
            continue
        value, _ = _variable(option.variables, environment)
        if value or option.default is not None:
            settings[option.key] = value or option.default or ""
    return settings


def _variable(names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str | None]:
    """The first of these variables that is not empty: its value and name."""
    for name in names:
        value = environment.get(name, "").strip()
        if value:
            return value, name
    return "", None


def _option_value(name: str, value: str) -> str:
    """The value of an option as it goes into a header; JSON on one line, without which the gateway ignores it.

    Raises:
        PortkeyConfigurationError: It should be JSON and is not.
    """
    if not name.endswith("_json"):
        return value
    try:
        return json.dumps(json.loads(value), separators=(",", ":"))
    except ValueError:
        raise PortkeyConfigurationError(f"{name} must be JSON: the content of the file and not its path.") from None


def option_text(value: Any) -> str:
    """What a user gave as an option, as text: secrets opened, objects as JSON, `None` as nothing."""
    value = with_secrets_opened(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value).strip()


def _aws(
    provider: Provider,
    key: str | None,
    options: dict[str, str],
    sources: KeySources,
    given: Mapping[str, str],
    *,
    custom_host: str | None,
    foreign: bool,
) -> dict[str, str]:
    """The options for AWS: with a Bedrock API key, an access key pair, a role, or what botocore's chain finds."""
    secrets = [name for name in _AWS_SECRETS if name in options]
    if secrets == ["aws_session_token"] and not given.keys() & set(secrets):
        # A token left over in the environment, without a pair that it could be of; Amazon's tools ignore it too.
        options = {name: value for name, value in options.items() if name not in secrets}
        secrets = []
    if key is not None:
        if secrets:
            raise PortkeyConfigurationError(
                f"{provider.title} takes an API key or an access key pair, not both: leave out api_key=... or "
                f"{secrets[0]!r}."
            )
        return {**options, "aws_auth_type": "apiKey"}
    absent = [name for name in _AWS_PAIR if name not in options]
    if not absent or options.get("aws_auth_type") == "assumedRole":
        return options
    if secrets and (custom_host is None or any(name in given for name in secrets)):
        raise MissingCredentialsError(_missing_options(provider, absent))
    if not foreign and not secrets:
        found = _from_botocore(may_wait=sources.may_wait)
        if found:
            region = found.pop("aws_region", None)
            chosen = "aws_region" in given or options.get("aws_region") != provider.options["aws_region"].default
            return {**options, **found, **({"aws_region": region} if region and not chosen else {})}
    if custom_host is not None:
        settings = {name: value for name, value in options.items() if name not in _AWS_SECRETS}
        return {**settings, **dict.fromkeys(_AWS_PAIR, PLACEHOLDER_KEY)}
    raise MissingCredentialsError(
        f"No credentials for {provider.title}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with "
        f"AWS_SESSION_TOKEN for temporary ones) or {' / '.join(provider.key_variables)}, or pass them in "
        "provider_options=..., or install langchain-pollinations-portkey[aws] to use profiles, SSO and instance roles."
    )


_chain_lock = threading.Lock()
_chain: list[tuple[frozenset[tuple[str, str]], Any, Any]] = []
"""What botocore found, with the environment it was found in: a session takes 50 ms to make, and the credentials
in it renew themselves."""


def _from_botocore(*, may_wait: bool) -> dict[str, str]:
    """Credentials of botocore's chain (profile, SSO, instance role); empty without botocore or without any.

    Raises:
        MissingCredentialsError: There are some, and they cannot be used.
        CredentialsNeedIO: It would take I/O to say, and `may_wait` is False.
    """
    try:
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped,import-not-found,unused-ignore]
        from botocore.session import get_session  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return {}
    environment = frozenset((k, v) for k, v in os.environ.items() if k.startswith("AWS_") or k == "HOME")
    known = next(((session, found) for seen, session, found in _chain if seen == environment), None)
    if not may_wait and (known is None or getattr(known[1], "refresh_needed", bool)()):
        raise CredentialsNeedIO
    try:
        with _chain_lock:
            session, credentials = known or (get_session(), None)
            credentials = credentials or session.get_credentials()
            if credentials is None:
                return {}
            frozen = credentials.get_frozen_credentials()
            region = session.get_config_variable("region")
            _chain[:] = [(environment, session, credentials)]
    except BotoCoreError as error:
        raise MissingCredentialsError(f"AWS's credentials cannot be used: {error}") from None
    found = {
        "aws_access_key_id": frozen.access_key,
        "aws_secret_access_key": frozen.secret_key,
        "aws_session_token": frozen.token,
        "aws_region": region,
    }
    return {name: value for name, value in found.items() if value}


def _require_options(provider: Provider, options: Mapping[str, str], custom_host: str | None) -> None:
    missing = [
        option.key
        for option in provider.options.values()
        if option.required and option.key not in options and not (option.names_host and custom_host)
    ]
    if "vertex_service_account_json" in options and "vertex_project_id" in missing:
        missing.remove("vertex_project_id")  # a service account names its project
    if missing:
        raise MissingCredentialsError(_missing_options(provider, missing))


def _missing_key(provider: Provider, *, primary: bool) -> str:
    variables = " or ".join(provider.key_variables)
    one = f"api_keys={{{provider.id!r}: ...}}"
    argument = f"api_key=... (or {one})" if primary else one
    place = f"Set {variables} in the environment, or pass" if variables else "Pass"
    return f"No API key for {provider.title}. {place} {argument}."


def _missing_options(provider: Provider, keys: list[str]) -> str:
    told = []
    for key in keys:
        variables = provider.options[key].variables
        told.append(f"{key!r}" + (f" (or the variable {' / '.join(variables)})" if variables else ""))
    return f"{provider.title} also needs {', '.join(told)}: pass provider_options={{{keys[0]!r}: ...}}."


def _foreign_host(provider: Provider, variable: str, custom_host: str) -> Notice:
    host = urlsplit(custom_host).netloc.rpartition("@")[2]
    return Notice(
        SecurityWarning,
        ("foreign-host", provider.id, host),
        f"{variable} from the environment is sent to {host}, which is not a host of {provider.title}. "
        "Pass api_key=... to say that this is meant.",
    )


def readable_key_notices(url: str, keys: Iterable[str | None]) -> tuple[Notice, ...]:
    """What to say about keys that go to a URL where others can read them: nothing, or one thing.

    Args:
        url: Where they go.
        keys: The keys; `None` is no key.
    """
    if not is_readable_on_the_way(url) or not any(keys):
        return ()
    text = f"Keys travel to {url} over plain http, where others can read them; use https."
    return (Notice(SecurityWarning, ("plain-http", url), text),)


_logged: set[tuple[str, str]] = set()


def log_forwarding(provider: Provider, credentials: Credentials) -> None:
    """Note in the log, once per key and provider, that `PORTKEY_API_KEY` is forwarded to a provider."""
    if credentials.forwarded and credentials.key is not None:
        shown = masked(credentials.key)
        if (provider.id, shown) not in _logged:
            _logged.add((provider.id, shown))
            logger.info("PORTKEY_API_KEY (%s) is forwarded to %s as its key", shown, provider.title)


def check_option_names(provider: Provider, options: Mapping[str, Any]) -> None:
    """Refuse settings that the provider does not have.

    Raises:
        PortkeyConfigurationError: A name is unknown; the text lists the known ones.
    """
    unknown = sorted(set(options) - set(provider.options))
    if unknown:
        known = ", ".join(sorted(provider.options)) or "none"
        raise PortkeyConfigurationError(
            f"provider_options has {', '.join(map(repr, unknown))}, which {provider.title} does not know. "
            f"Known: {known}."
        )
