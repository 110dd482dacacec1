"""What is secret among headers and options, and how to show or compare things without it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import SecretStr

HIDDEN = "**********"
"""What stands for a secret; pydantic shows a `SecretStr` so."""

_SECRET_NAME = re.compile(
    r"(^|[-_])(authorization|cookie|password|credentials?|secret)($|[-_])"
    r"|(api|subscription|functions|virtual|access)[-_]?keys?$|access[-_]key[-_]id$"
    r"|(^|[-_])token$|service[-_]account[-_]json$|^proxy$",
    re.IGNORECASE,
)
"""Not every `key` and `tokens`: `prompt_cache_key` and `max_tokens` are no secrets."""

_JSON_HEADERS = ("x-portkey-config",)

_KEY_IN_TEXT = re.compile(
    r"\b(Bearer\s+)[^\s\"',]+|\b((?:sk|pk|gsk|xai|AIza|AKIA|ASIA)[-_A-Za-z0-9]{3})[-_A-Za-z0-9]{9,}"
)


def is_secret(name: str) -> bool:
    """Whether a header, an option or a key of a configuration holds a secret, judged by its name."""
    return bool(_SECRET_NAME.search(name))


def without_secrets(value: Any, replacement: str | None = None) -> Any:
    """A copy of nested dicts and lists in which no secret is left.

    Args:
        value: Anything; a dataclass is given by its fields, and what is none, neither a dict, a list, a `SecretStr`
            nor a plain value by its `repr`.
        replacement: What to put in the place of a secret; with `None` it is left out.
    """
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for key, item in value.items():
            if not is_secret(str(key)):
                kept[str(key)] = without_secrets(item, replacement)
            elif replacement is not None and item is not None:
                kept[str(key)] = replacement
        return kept
    if isinstance(value, list | tuple | set | frozenset):
        return [without_secrets(item, replacement) for item in value]
    if isinstance(value, SecretStr):
        return replacement
    if is_dataclass(value) and not isinstance(value, type):  # `repr` leaves out more than secrets
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        return {type(value).__name__: without_secrets(held, replacement)}
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def with_secrets_hidden(value: Any) -> Any:
    """A copy of nested dicts and lists in which each secret text is a `SecretStr`."""
    if isinstance(value, Mapping):
        return {
            key: (with_texts_hidden if is_secret(str(key)) else with_secrets_hidden)(item)
            for key, item in value.items()
        }
    return [with_secrets_hidden(item) for item in value] if isinstance(value, list) else value


def with_texts_hidden(value: Any) -> Any:
    """A text as a `SecretStr`, or a copy of nested dicts and lists in which each text is one."""
    if isinstance(value, Mapping):
        return {key: with_texts_hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_texts_hidden(item) for item in value]
    return SecretStr(value) if isinstance(value, str) else value


def with_secrets_opened(value: Any) -> Any:
    """A copy of nested dicts and lists in which each `SecretStr` is its text."""
    if isinstance(value, Mapping):
        return {key: with_secrets_opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_secrets_opened(item) for item in value]
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers to be logged: values of secret ones hidden, the keys inside a configuration too."""
    shown = {}
    for name, value in headers.items():
        if name.lower() in _JSON_HEADERS:
            shown[name] = _masked_json(value)
        else:
            shown[name] = HIDDEN if is_secret(name) else value
    return shown


def secrets_in_headers(headers: Mapping[str, Any]) -> list[str]:
    """The secrets that headers hold, those inside a configuration too."""
    found: list[str] = []
    for name, value in headers.items():
        if name.lower() in _JSON_HEADERS:
            with contextlib.suppress(ValueError):
                _collect_secrets(json.loads(value), found)
        elif is_secret(name):
            found.append(str(value).removeprefix("Bearer "))
    return found


def _collect_secrets(value: Any, found: list[str], *, named: bool = False) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _collect_secrets(item, found, named=named or is_secret(str(key)))
    elif isinstance(value, list):
        for item in value:
            _collect_secrets(item, found, named=named)
    elif named and isinstance(value, str):
        found.append(value)


def masked(secret: str) -> str:
    """Enough of a key to tell it from the user's others: its last four characters, if it is long."""
    return f"...{secret[-4:]}" if len(secret) >= 20 else HIDDEN  # noqa: PLR2004


def masked_text(text: str) -> str:
    """A text without anything that looks like a key; a second net, for what others wrote."""
    return _KEY_IN_TEXT.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}", text)


def comparable_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """What of headers decides about the answer: all but the keys. A virtual key names a provider, so it stays."""
    kept: dict[str, Any] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in _JSON_HEADERS:
            try:
                kept[lower] = without_secrets(json.loads(value))
            except ValueError:
                kept[lower] = value
        elif lower.endswith("virtual-key") or not is_secret(lower):
            kept[lower] = value
    return kept


def digest(value: Any) -> str:
    """A short text that is equal for equal values and from which they cannot be read back.

    The key separates it from other people's hashes of the same values; it is no secret, so that caches can be
    shared by processes.
    """
    text = json.dumps(value, sort_keys=True, default=repr, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), key=b"langchain-pollinations-portkey", digest_size=16).hexdigest()


def _masked_json(value: str) -> str:
    try:
        parsed = json.loads(value)
    except ValueError:
        return value if re.fullmatch(r"[\w-]{1,64}", value) else HIDDEN  # the id of a hosted configuration
    return json.dumps(without_secrets(parsed, HIDDEN), separators=(",", ":"))
