"""The catalogue on the command line: which names there are, and for which of them a key is at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from langchain_pollinations_portkey.catalogue import Catalogue, ModelEntry, Provider
from langchain_pollinations_portkey.errors import MissingCredentialsError
from langchain_pollinations_portkey.gateway.credentials import KeySources, find_credentials


def key_is_set(entry: ModelEntry, environment: Mapping[str, str]) -> bool:
    """Whether a model can be called with what the environment holds for its provider.

    `PORTKEY_API_KEY` is left out: it may be the key of any provider. Nothing is read but the environment.
    """
    provider = Catalogue.default().provider(entry.provider)
    if provider.auth == "aws" and entry.custom_host is None:
        return _aws_is_set(provider, environment)
    sources = KeySources(options=entry.options)
    if provider.auth == "aws":
        return True
    try:
        find_credentials(provider, sources, environment, primary=False, custom_host=entry.custom_host)
    except MissingCredentialsError:
        return False
    return True


def _aws_is_set(provider: Provider, environment: Mapping[str, str]) -> bool:
    def given(names: Iterable[str]) -> bool:
        return any(environment.get(name, "").strip() for name in names)

    pair = ("aws_access_key_id", "aws_secret_access_key")
    if given(provider.key_variables) or all(given(provider.options[name].variables) for name in pair):
        return True
    return given(["AWS_PROFILE"]) and find_spec("botocore") is not None


def variables_of(entry: ModelEntry) -> tuple[str, ...]:
    """The environment variables that a user sets for a model: the key's name, or the pair of AWS."""
    provider = Catalogue.default().provider(entry.provider)
    if provider.auth == "aws":
        names = ("aws_access_key_id", "aws_secret_access_key")
        return tuple(provider.options[name].variables[0] for name in names)
    return provider.key_variables[:1]


def as_json(entries: Iterable[ModelEntry], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows as objects of JSON; no key is in them."""
    return [
        {
            "name": entry.name,
            "provider": entry.provider,
            "model": entry.model,
            "description": entry.description,
            "max_input_tokens": entry.max_input_tokens,
            "max_output_tokens": entry.max_output_tokens,
            "key_set": key_is_set(entry, environment),
            "key_variables": list(variables_of(entry)),
            "retired": entry.retired,
            "successor": entry.successor,
        }
        for entry in entries
    ]


def as_table(entries: Sequence[ModelEntry], environment: Mapping[str, str] | None = None) -> Table:
    """The rows as a table.

    Args:
        entries: The rows.
        environment: Where keys are looked for; without it the table has no column for them.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("Name", no_wrap=True)
    table.add_column("Model", overflow="fold")
    table.add_column("Context", justify="right", no_wrap=True)
    if environment is not None:
        table.add_column("Key", no_wrap=True)
    for entry in entries:
        cells = [
            Text(entry.name, style="dim" if entry.retired else "cyan"),
            _model(entry),
            Text(tokens(entry.max_input_tokens)),
        ]
        if environment is not None:
            cells.append(Text("yes", style="green") if key_is_set(entry, environment) else Text("no", style="dim"))
        table.add_row(*cells)
    return table


def _model(entry: ModelEntry) -> Text:
    text = Text.assemble((f"{entry.provider}/", "dim"), (entry.model, "dim" if entry.retired else ""))
    if entry.retired:
        text.append(f"\nretired {entry.retired}", style="yellow")
        if entry.successor:
            text.append(f", now {entry.successor}", style="yellow")
    return text


def missing_keys(entries: Iterable[ModelEntry], environment: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Providers of these rows without a key, and the variables that would hold it."""
    return {entry.provider: variables_of(entry) for entry in entries if not key_is_set(entry, environment)}


def tokens(count: int | None) -> str:
    """A size of a context window: `200k`, `1M`."""
    if count is None:
        return ""
    if count >= 1_000_000:  # noqa: PLR2004
        return f"{count / 1_000_000:.3g}M"
    return f"{count / 1000:.0f}k" if count >= 1000 else str(count)  # noqa: PLR2004


def default_model(environment: Mapping[str, str]) -> str | None:
    """The first name of the catalogue that can be called with a key in the environment.

    A retired model stands behind the others, and for it its successor. With `PORTKEY_PROVIDER`, only that
    provider's; its key may then be `PORTKEY_API_KEY`.
    """
    catalogue = Catalogue.default()
    entries = [entry for entry in catalogue.models() if variables_of(entry)]
    wanted = environment.get("PORTKEY_PROVIDER", "").strip()
    if wanted:
        provider = catalogue.provider(wanted)
        entries = [entry for entry in entries if entry.provider == provider.id]
    if not (wanted and environment.get("PORTKEY_API_KEY", "").strip()):
        entries = [entry for entry in entries if key_is_set(entry, environment)]
    names = [entry.name for entry in entries if not entry.retired]
    names += [entry.successor for entry in entries if entry.retired and entry.successor]
    return names[0] if names else None
