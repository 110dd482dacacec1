"""TOML to rows, strictly: an unknown key, a wrong type or a missing field is an error that names its place.

The strategy: a table is first completed (ids from table names, a variant from the row it differs from) as
plain data, then pydantic checks it against the row types of `entries`. The data passes through JSON on the
way, because in its strict mode pydantic takes a list for a tuple or a set only from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from langchain_pollinations_portkey.catalogue.entries import ModelEntry, Provider
from langchain_pollinations_portkey.errors import PortkeyConfigurationError

_Table = dict[str, Any]


def read_providers(text: str, file: str) -> dict[str, Provider]:
    """Read `providers.toml`.

    Args:
        text: The document: one table per provider, named by the gateway's id of it.
        file: Its name, for errors.

    Returns:
        The rows by id, in the order of the file.

    Raises:
        PortkeyConfigurationError: The document is no TOML or a row is invalid.
    """
    tables = _tables(text, file)
    return {name: _provider(name, tables, file) for name in tables}


def read_models(text: str, file: str, providers: Iterable[str]) -> dict[str, ModelEntry]:
    """Read `models.toml` or a user's file of the same form.

    Args:
        text: The document: one table per model, named by its catalogue name.
        file: Its name, for errors.
        providers: The provider ids that a row may name.

    Returns:
        The rows by name, in the order of the file.

    Raises:
        PortkeyConfigurationError: The document is no TOML or a row is invalid.
    """
    known = frozenset(providers)
    return {
        name: check_entry({**table, "name": name}, known, where=f"{file}: [{_key(name)}]")
        for name, table in _tables(text, file).items()
    }


def read_file(path: str | Path) -> str:
    """The text of a catalogue file.

    Raises:
        PortkeyConfigurationError: It cannot be read.
    """
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PortkeyConfigurationError(f"Cannot read the catalogue {str(path)!r}: {error}.") from error


def check_entry(table: Mapping[str, Any], providers: frozenset[str], *, where: str) -> ModelEntry:
    """A model row from plain data.

    Args:
        table: The fields of `ModelEntry`.
        providers: The provider ids that the row may name.
        where: Where the data stands, for errors (`"models.toml: [portkey-gpt4]"`).

    Raises:
        PortkeyConfigurationError: A field is unknown, missing or invalid.
    """
    entry: ModelEntry = _validate(_models(), table, where)
    for name in ("name", "model"):
        if not getattr(entry, name).strip():
            raise PortkeyConfigurationError(f"{where} {name}: must not be empty.")
    if entry.provider not in providers:
        raise PortkeyConfigurationError(
            f"{where} provider: {entry.provider!r} is no provider of the gateway. "
            f"Known: {', '.join(sorted(providers))}."
        )
    if entry.retired is not None:
        try:
            date.fromisoformat(entry.retired)
        except ValueError as error:
            raise PortkeyConfigurationError(f"{where} retired: {entry.retired!r} is no date (YYYY-MM-DD).") from error
    for name in ("max_output_tokens", "max_input_tokens"):
        value = getattr(entry, name)
        if value is not None and value < 1:
            raise PortkeyConfigurationError(f"{where} {name}: must be 1 or more.")
    return entry


def _tables(text: str, file: str) -> dict[str, _Table]:
    import tomllib  # its patterns take a while; whoever only imports a model does not wait for them

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PortkeyConfigurationError(f"{file}: not valid TOML: {error}.") from error
    for name, table in document.items():
        if not isinstance(table, dict):
            raise PortkeyConfigurationError(
                f"{file}: {name}: expected a table such as [{_key(name)}]; "
                'a name with a dot must be quoted: ["claude-sonnet-4.5"].'
            )
    return document


def _provider(name: str, tables: Mapping[str, _Table], file: str) -> Provider:
    """The row of one provider with its variants.

    A variant lists what differs from its row, or with `like = "anthropic"` from the dialect and the quirks
    of another row; `models` is the glob of the model ids it is for. Tables are merged, other values replaced.
    """
    where = f"{file}: [{_key(name)}]"
    table = {"id": name, **tables[name]}
    variants = table.pop("variants", [])
    table["options"] = {
        key: {"key": key, **option} if isinstance(option, dict) else option
        for key, option in dict(table.get("options", {})).items()
    }
    rows = []
    for number, variant in enumerate(variants):
        place = f"{where} variants.{number}"
        differs = dict(variant)
        glob, like = differs.pop("models", None), differs.pop("like", None)
        if not isinstance(glob, str) or not glob:
            raise PortkeyConfigurationError(f"{place} models: a glob of model ids is needed.")
        base = dict(table)
        if like is not None:
            if like not in tables:
                raise PortkeyConfigurationError(f"{place} like: there is no row {like!r}.")
            base |= {
                "dialect": tables[like].get("dialect", "openai"),
                "quirks": tables[like].get("quirks", {}),
            }
        rows.append((glob, _validate(_providers(), _merged(base, differs), place)))
    row: Provider = _validate(_providers(), table, where)
    return replace(row, variants=tuple(rows))


def _merged(base: Mapping[str, Any], differs: Mapping[str, Any]) -> _Table:
    both = dict(base)
    for key, value in differs.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


@cache
def _providers() -> TypeAdapter[Provider]:
    return TypeAdapter(Provider)


@cache
def _models() -> TypeAdapter[ModelEntry]:
    return TypeAdapter(ModelEntry)


def _validate(adapter: TypeAdapter[Any], table: Mapping[str, Any], where: str) -> Any:
    try:
        text = json.dumps(table, default=_json_value)
        return adapter.validate_json(text)
    except TypeError as error:
        raise PortkeyConfigurationError(f"{where}: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors())
        raise PortkeyConfigurationError(f"{where} {problems}.") from error


def _json_value(value: object) -> object:
    """TOML's dates as text, and the mappings and sets that Python callers may give."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no value for a catalogue row")


def _problem(detail: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "unexpected_keyword_argument":
            return f"{field}: unknown field"
        case "missing" | "missing_argument":
            return f"{field}: missing"
        case _:
            message = str(detail["msg"])
            return f"{field}: {message[:1].lower()}{message[1:]}, not {detail['input']!r}"


def _key(name: str) -> str:
    """A table name as TOML writes it."""
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isalnum() and bare.isascii() else json.dumps(name)
