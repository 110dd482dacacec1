"""The options of one call: what the constructor, `bind` and the call itself say, brought together and checked.

The later wins: call over `bind` (LangChain merges those two) over constructor. `None` given to a call unsets an
option of the constructor. A name that is nearly that of an option is an error and not a silent no-op; one that
is unlike all of them goes into the request body, with a warning, since the gateway drops what it does not know.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from langchain_pollinations_portkey._secrets import is_secret, with_secrets_hidden, with_texts_hidden
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.headers import fields_of_headers
from langchain_pollinations_portkey.notices import LossWarning, Notice, tell

WRITING_OPTIONS = frozenset(("cache_control", "prompt_caching", "on_unknown_block"))
"""Options that say how the request body is written; `build_request` takes them out of it."""

BODY_OPTIONS = WRITING_OPTIONS | frozenset(
    (
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "top_p",
        "top_k",
        "n",
        "seed",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "reasoning_effort",
        "thinking",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "stream_options",
        "service_tier",
        "user",
        "metadata",
        "store",
        "modalities",
        "audio",
        "prediction",
        "verbosity",
        "web_search_options",
        "prompt_cache_key",
        "safety_identifier",
        "anthropic_beta",
        "anthropic_version",
        "guardrail_config",
        "performance_config",
        "additional_model_request_fields",
        "additional_model_response_field_paths",
        "safety_settings",
    )
)
"""Parameters of the request body that the gateway hands on to at least one provider."""

ROUTE_OPTIONS = frozenset(
    (
        "model",
        "provider",
        "api_key",
        "custom_host",
        "provider_options",
        "timeout",
        "max_retries",
        "trace_id",
        "portkey_metadata",
        "forward_headers",
        "extra_headers",
        "stream_usage",
        "route",
        "fallbacks",
        "load_balance",
        "portkey_config",
        "download_images",
    )
)
"""Options of a call that say whom to ask and how."""

_NOT_FOR_US = frozenset(("stream", "ls_structured_output_format", "structured_output_format", "strict"))
"""What LangChain puts among the options of a call for its own ends."""

_OTHER_NAMES = {
    "model_name": "model",
    "request_timeout": "timeout",
    "stop_sequences": "stop",
    "default_headers": "extra_headers",
}

_SECRET_OPTIONS = ("api_key", "extra_headers", "default_headers", "provider_options")


def split_options(
    options: Mapping[str, Any], body_options: frozenset[str] = BODY_OPTIONS
) -> tuple[dict[str, Any], dict[str, Any], list[Notice]]:
    """Sort the options of a call.

    Args:
        options: What the call was given.
        body_options: Parameters that the request body may have.

    Returns:
        Those of the body, those of the route, and what the user should know about the rest.

    Raises:
        PortkeyConfigurationError: A name looks like a mistyped option.
    """
    body: dict[str, Any] = {}
    route: dict[str, Any] = {}
    notices: list[Notice] = []
    for given, value in options.items():
        name = _OTHER_NAMES.get(given, given)
        if name in _NOT_FOR_US:
            continue
        if name in body_options:
            body[name] = value
        elif name in ROUTE_OPTIONS:
            route[name] = value
        else:
            notices.append(unknown_option(name, body_options | ROUTE_OPTIONS))
            body[name] = value
    if "timeout" in route:
        route["timeout"] = seconds(route["timeout"])
    if route.get("max_retries") is not None and not _is_count(route["max_retries"]):
        raise PortkeyConfigurationError(f"max_retries must be 0 or more, not {route['max_retries']!r}.")
    if route.get("extra_headers"):
        fields, route["extra_headers"] = fields_of_headers(_open_headers(route["extra_headers"]))
        route = {**fields, **route}
    return body, route, notices


def complete_arguments(
    values: Mapping[str, Any], aliases: Mapping[str, str | None], body_options: frozenset[str] = BODY_OPTIONS
) -> dict[str, Any]:
    """Bring the arguments of a constructor into order.

    Args:
        values: What was passed; it is left as it is.
        aliases: The fields of the class, and the other name of those that have one.
        body_options: Parameters that the request body may have.

    Returns:
        Values by field name. Parameters of the request body that are no fields are in `model_kwargs`, and headers
        that say what a field says have become that field.

    Raises:
        PortkeyConfigurationError: Something is missing, misspelt, given twice, or in the wrong place.
    """
    names = {**{alias: field for field, alias in aliases.items() if alias}, **{field: field for field in aliases}}
    kwargs = _checked_kwargs(values.get("model_kwargs") or {}, names, body_options)
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        field = names.get(name)
        if field is None:
            if name in kwargs:
                raise PortkeyConfigurationError(f"{name!r} is given both by itself and in model_kwargs.")
            kwargs[name] = _unknown_argument(name, value, names, body_options)
        elif field in arguments and arguments[field] != value:
            raise PortkeyConfigurationError(f"{field!r} and {aliases[field]!r} are the same; give one of them.")
        else:
            arguments[field] = value
    doubled = sorted(name for name in kwargs if arguments.get(name) is not None)
    if doubled:
        raise PortkeyConfigurationError(f"{doubled[0]!r} is given both by itself and in model_kwargs.")
    if kwargs:
        arguments["model_kwargs"] = kwargs
    if arguments.get("default_headers"):
        _take_headers(arguments)
    if "request_timeout" in arguments:
        arguments["request_timeout"] = seconds(arguments["request_timeout"])
    if arguments.get("streaming") is False and arguments.keys() >= aliases.keys():
        # `configurable_fields` makes a copy by passing every field; taken for the user's wish, it would turn
        # streams off.
        del arguments["streaming"]
    return arguments


def _checked_kwargs(given: Mapping[str, Any], names: Mapping[str, str], body_options: frozenset[str]) -> dict[str, Any]:
    """A copy of `model_kwargs`, by field name where there is a field."""
    kwargs = {names.get(name, name): value for name, value in given.items()}
    misplaced = sorted(name for name in kwargs if name in {*names.values(), *ROUTE_OPTIONS} - body_options)
    if misplaced:
        raise PortkeyConfigurationError(
            f"{misplaced[0]!r} in model_kwargs would become a part of the request body; pass it as an argument."
        )
    for name in kwargs:
        _refuse_misplaced(name)
    return kwargs


def _unknown_argument(name: str, value: Any, names: Mapping[str, str], body_options: frozenset[str]) -> Any:
    """The value of an argument that is no field, and so one for the request body."""
    if name in ("extra_headers", "headers"):
        raise PortkeyConfigurationError(f"Pass {name} as default_headers=..., or as extra_headers=... of a call.")
    if name not in body_options:
        tell(unknown_option(name, names.keys() | body_options))
    return value


def _take_headers(arguments: dict[str, Any]) -> None:
    """Read what `default_headers` say about a field as that field; an argument of its own wins."""
    fields, arguments["default_headers"] = fields_of_headers(_open_headers(arguments["default_headers"]))
    if "max_retries" in fields and arguments.get("max_retries") is None:
        text = (
            "The gateway ignores the header x-portkey-retry. It is read as max_retries="
            f"{fields['max_retries']!r}, which works."
        )
        tell(Notice(LossWarning, ("x-portkey-retry",), text))
    for name, value in fields.items():
        if arguments.get(name) is None:
            arguments[name] = value


def _open_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(headers, Mapping):
        raise PortkeyConfigurationError(f"Headers are a dict of names and values, not {type(headers).__name__}.")
    return {name: _opened(value) for name, value in headers.items()}


def _opened(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def seconds(timeout: Any) -> float | None:
    """A time limit in seconds; of one in httpx's form (`httpx.Timeout`), the limit for reading.

    Raises:
        PortkeyConfigurationError: It is neither, or not more than 0.
    """
    value = getattr(timeout, "read", timeout)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise PortkeyConfigurationError(f"timeout is a number of seconds above 0, or None; not {timeout!r}.")
    return float(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def hidden_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a call with its keys as `SecretStr`, so that no trace, dump or `repr` shows them."""
    hidden = dict(options)
    for name in _SECRET_OPTIONS:
        if name in hidden:
            hidden[name] = with_texts_hidden(hidden[name])
    if "portkey_config" in hidden:
        hidden["portkey_config"] = with_secrets_hidden(read_config(hidden["portkey_config"]))
    return hidden


def read_config(config: Any) -> Any:
    """A raw configuration, which may be given as JSON, as an object; the id of one as it is."""
    if isinstance(config, str):
        with contextlib.suppress(ValueError):
            read = json.loads(config)
            return read if isinstance(read, Mapping) else config
    return config


def _refuse_misplaced(name: str) -> None:
    """Refuse what must not end in a request body: it would be seen in dumps and traces, and go to the gateway.

    Raises:
        PortkeyConfigurationError: The name is that of a key, or of an address.
    """
    if is_secret(name) or name in ("key", "token"):
        raise PortkeyConfigurationError(
            f"There is no option {name!r}. Keys are given as api_key=... (of the model's provider), "
            "api_keys={'provider': ...} or provider_options={...}, where they are kept out of dumps and traces."
        )
    if name in ("api_base", "endpoint") or name.endswith("_api_base"):
        raise PortkeyConfigurationError(f"There is no option {name!r}. The gateway's address is base_url=...")


def unknown_option(name: str, known: Iterable[str]) -> Notice:
    """What to say about an option that is not known.

    Raises:
        PortkeyConfigurationError: The name looks like a mistyped known one.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
    if near:
        raise PortkeyConfigurationError(f"There is no option {name!r}. Did you mean {near[0]!r}?")
    _refuse_misplaced(name)
    text = (
        f"{name!r} is no option known to this package. It is put into the request body, and the gateway drops "
        "parameters that it does not know."
    )
    return Notice(LossWarning, ("unknown-option", name), text)
