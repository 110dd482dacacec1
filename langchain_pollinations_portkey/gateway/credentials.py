"""Whose key goes where: each provider's credentials, found by one order and sent to that provider only.

Per provider: the argument, then the provider's own environment variables, then - for the primary provider
alone, and only where the gateway is not the hosted one - `PORTKEY_API_KEY`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import MissingCredentialsError, PortkeyConfigurationError
from langchain_pollinations_portkey.notices import Notice, SecurityWarning

PLACEHOLDER_KEY = "no-key-needed"
"""Sent to a custom host that was given no key; without any, the gateway would send `Bearer undefined`."""


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
        options: `provider_options`.
    """

    argument: str | None = field(default=None, repr=False)
    by_provider: Mapping[str, str] = field(default_factory=dict, repr=False)
    portkey: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


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
    """
    key, variable = _key(provider, sources, environment, primary=primary)
    options, from_environment = _options(provider, sources, environment, key_given=key if variable is None else None)
    if keys_at_portkey:
        return Credentials(key if variable is None else None, {})
    notices = []
    foreign = custom_host is not None and not is_own_host(custom_host, provider)
    if foreign and (variable or from_environment) and (key or _has_secret(options, provider)):
        notices.append(_foreign_host(provider, variable or from_environment[0], custom_host or ""))
    if provider.auth == "aws":
        key, options = _aws(provider, key, options, needed=custom_host is None)
    missing = [
        option
        for option in provider.options.values()
        if option.required and option.key not in options and not (option.names_host and custom_host)
    ]
    if missing:
        raise MissingCredentialsError(_missing_options(provider, [option.key for option in missing]))
    if key is None and _needs_key(provider, options):
        if custom_host is None:
            raise MissingCredentialsError(_missing_key(provider))
        key = PLACEHOLDER_KEY
    return Credentials(
        key, options, forwarded=variable == "PORTKEY_API_KEY" and key is not None, notices=tuple(notices)
    )


def bare_key(key: str) -> str:
    """A key without the word `Bearer`, which the gateway strips only when it is spelled exactly so."""
    return re.sub(r"^\s*bearer\s+", "", key, flags=re.IGNORECASE).strip()


def is_own_host(url: str, provider: Provider) -> bool:
    """Whether a URL is at one of the provider's own hosts, or a host under one of them."""
    host = urlsplit(url).hostname or ""
    return any(host == own or host.endswith(f".{own}") for own in provider.hosts)


def _key(
    provider: Provider, sources: KeySources, environment: Mapping[str, str], *, primary: bool
) -> tuple[str | None, str | None]:
    """The key and the variable it came from, which is `None` for an argument."""
    given = sources.by_provider.get(provider.id)
    if given is None and primary:
        given = sources.argument
    if given:
        return bare_key(given), None
    for variable in provider.key_variables:
        value = environment.get(variable, "").strip()
        if value:
            return bare_key(value), variable
    if primary and sources.portkey and provider.auth in ("bearer", "azure", "vertex"):
        return bare_key(sources.portkey), "PORTKEY_API_KEY"
    return None, None


def _options(
    provider: Provider, sources: KeySources, environment: Mapping[str, str], *, key_given: str | None
) -> tuple[dict[str, str], list[str]]:
    """The provider's settings, and the variables that secret ones came from.

    Secrets are of one identity: once an argument gives a key or one of them, none is taken from the
    environment (a session token of another account beside an access key pair is refused by AWS).
    """
    options: dict[str, str] = {}
    secret_variables: list[str] = []
    secrets_given = key_given is not None or any(
        option.secret and option.key in sources.options for option in provider.options.values()
    )
    for option in provider.options.values():
        if option.key in sources.options:
            options[option.key] = sources.options[option.key]
            continue
        if option.secret and secrets_given:
            continue
        variable = next((name for name in option.variables if environment.get(name, "").strip()), None)
        if variable is not None:
            options[option.key] = environment[variable].strip()
            if option.secret:
                secret_variables.append(variable)
        elif option.default is not None:
            options[option.key] = option.default
    return options, secret_variables


def _has_secret(options: Mapping[str, str], provider: Provider) -> bool:
    return any(provider.options[key].secret for key in options if key in provider.options)


def _aws(
    provider: Provider, key: str | None, options: dict[str, str], *, needed: bool
) -> tuple[str | None, dict[str, str]]:
    """AWS credentials: a Bedrock API key, an access key pair, or what botocore's chain finds."""
    pair = ("aws_access_key_id", "aws_secret_access_key")
    if all(name in options for name in pair):
        return None, options
    if key is not None:
        return key, {**options, "aws_auth_type": "apiKey"}
    if any(name in options for name in pair):
        absent = next(name for name in pair if name not in options)
        raise MissingCredentialsError(_missing_options(provider, [absent]))
    found = _from_botocore(options.get("aws_region"))
    if found:
        return None, {**options, **found}
    if not needed:
        return None, {**options, pair[0]: PLACEHOLDER_KEY, pair[1]: PLACEHOLDER_KEY}
    raise MissingCredentialsError(
        f"No credentials for {provider.title}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with "
        "AWS_SESSION_TOKEN for temporary ones), or pass them in provider_options=..., or install "
        "langchain-pollinations-portkey[aws] to use profiles, SSO and instance roles."
    )


def _from_botocore(region: str | None) -> dict[str, str]:
    """Credentials of botocore's chain (profile, SSO, instance role); empty without botocore or without any."""
    try:
        from botocore.session import get_session  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        return {}
    session = get_session()
    credentials = session.get_credentials()
    if credentials is None:
        return {}
    frozen = credentials.get_frozen_credentials()
    found = {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
    if frozen.token:
        found["aws_session_token"] = frozen.token
    if region is None and session.get_config_variable("region"):
        found["aws_region"] = session.get_config_variable("region")
    return found


def _needs_key(provider: Provider, options: Mapping[str, str]) -> bool:
    """Whether a key has to be there: not where nothing is paid, and not where a setting stands in for it."""
    if provider.auth in ("none", "aws"):
        return False
    stand_ins = {
        "azure": ("azure_ad_token", "azure_auth_mode", "azure_entra_client_secret"),
        "vertex": ("vertex_service_account_json",),
    }
    return not any(name in options for name in stand_ins.get(provider.auth, ()))


def _missing_key(provider: Provider) -> str:
    variables = " or ".join(provider.key_variables)
    return (
        f"No API key for {provider.title}. Set {variables or 'api_key'} in the environment, or pass "
        f"api_key=... (or api_keys={{{provider.id!r}: ...}})."
    )


def _missing_options(provider: Provider, keys: list[str]) -> str:
    told = []
    for key in keys:
        variables = provider.options[key].variables
        told.append(f"{key!r}" + (f" (or the variable {' / '.join(variables)})" if variables else ""))
    return f"{provider.title} also needs {', '.join(told)}: pass provider_options={{{keys[0]!r}: ...}}."


def _foreign_host(provider: Provider, variable: str, custom_host: str) -> Notice:
    host = urlsplit(custom_host).netloc
    return Notice(
        SecurityWarning,
        ("foreign-host", provider.id, host),
        f"{variable} from the environment is sent to {host}, which is not a host of {provider.title}. "
        "Pass api_key=... to say that this is meant.",
    )


def check_option_names(provider: Provider, options: Mapping[str, str]) -> None:
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
