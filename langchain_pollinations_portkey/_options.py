"""The options of one call: what the constructor, `bind` and the call itself say, brought together and checked.

The later wins: call over `bind` (LangChain merges those two) over constructor. `None` given to a call unsets an
option of the constructor. A name that is nearly that of an option is an error and not a silent no-op; one that
is unlike all of them goes into the request body, with a warning, since the gateway drops what it does not know.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.notices import LossWarning, Notice

BODY_OPTIONS = frozenset(
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
    )
)
"""Options of a call that say whom to ask and how."""

_NOT_FOR_US = frozenset(("stream", "ls_structured_output_format", "structured_output_format", "strict"))
"""What LangChain puts among the options of a call for its own ends."""

_OTHER_NAMES = {"model_name": "model", "request_timeout": "timeout", "stop_sequences": "stop"}


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[Notice]]:
    """Sort the options of a call.

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
        if name in BODY_OPTIONS:
            body[name] = value
        elif name in ROUTE_OPTIONS:
            route[name] = value
        else:
            notices.append(unknown_option(name, BODY_OPTIONS | ROUTE_OPTIONS))
            body[name] = value
    return body, route, notices


def unknown_option(name: str, known: Iterable[str]) -> Notice:
    """What to say about an option that is not known.

    Raises:
        PortkeyConfigurationError: The name looks like a mistyped known one.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
    if near:
        raise PortkeyConfigurationError(f"There is no option {name!r}. Did you mean {near[0]!r}?")
    text = (
        f"{name!r} is no option known to this package. It is put into the request body, and the gateway drops "
        "parameters that it does not know."
    )
    return Notice(LossWarning, ("unknown-option", name), text)
