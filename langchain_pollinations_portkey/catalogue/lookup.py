"""Which model a name means: the catalogue and the rules by which a name is understood.

The order, first match wins:

1. an exact catalogue name;
2. with `provider=`, the string is the model id as it stands;
3. `provider/model`, if what stands before the first slash is a provider or an alias of one;
   on the hosted Portkey also `@slug/model`;
4. with a default provider (`PORTKEY_PROVIDER`), the string is a model id there;
5. an error with the nearest names.

A catalogue name fixes its provider. The default provider never changes that; a `provider=` that says
otherwise is an error, because both readings (that provider's model of this name, or the catalogue's model)
are plausible and one of them sends the prompt and the bill elsewhere. On the hosted Portkey,
`provider="@slug"` beside a catalogue name chooses the integration that its model is asked through.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from langchain_pollinations_portkey.catalogue import display, names, reading
from langchain_pollinations_portkey.catalogue.entries import (
    EMBEDDING_OPTIONS,
    ModelEntry,
    Provider,
    Quirks,
    ResolvedModel,
)
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, UnknownModelError
from langchain_pollinations_portkey.notices import PortkeyWarning

SEED_NAMES = frozenset(
    {
        "portkey-gpt4",
        "portkey-claude",
        "portkey-llama",
        "portkey-mistral",
        "claude-large",
        "claude-sonnet-4",
        "claude-sonnet-4.5",
    }
)
"""Names whose targets are fixed: they mean the same in every program, whatever else is registered."""

_CACHE_SIZE = 1024
"""Names remembered; a program uses a handful, but ids made up at run time must not fill the memory."""

_LONGEST_NAME = 512
_NOT_IN_AN_ID = re.compile(r"[\x00-\x1f\x7f\\?#]|(^|/)\.\.?(/|$)")

_Question = tuple[str, str | None, str | None, bool]


class _State:
    """The rows at one moment. Never changed after it is built, so that readers need no lock.

    Attributes:
        models: The rows by name.
        by_target: The rows by provider and model id: what a pass-through id is known by. A row with a host
            or options of its own is not in it: whoever types `openai/gpt-4` means OpenAI's.
        answers: Names already resolved; the only thing that grows, by single dict operations.
    """

    __slots__ = ("answers", "by_target", "models")

    def __init__(self, models: Mapping[str, ModelEntry]) -> None:
        self.models = dict(models)
        self.by_target: dict[tuple[str, str], ModelEntry] = {}
        for entry in self.models.values():
            if entry.custom_host is None and not entry.options:
                self.by_target.setdefault((entry.provider, entry.model), entry)
        self.answers: dict[_Question, ResolvedModel] = {}


class Catalogue:
    """The models that can be called by a short name, and the providers behind the gateway.

    `Catalogue.default()` is the one that chat models use. Add to it with `Catalogue.register(...)`, with a
    TOML file (`Catalogue.default().load("models.toml")`), or with a file named by `PORTKEY_CATALOGUE`.

    Iterating gives names, `models()` gives rows. All methods may be called from several threads.

    Args:
        models: Rows to begin with, beside none of ours. Most programs want `Catalogue.default()`.
        providers: Provider rows; those of the package when not given.
    """

    _default: ClassVar[Catalogue | None] = None
    _default_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, models: Iterable[ModelEntry] = (), *, providers: Iterable[Provider] | None = None) -> None:
        rows = _packaged_providers().values() if providers is None else providers
        self._providers = {row.id: row for row in rows}
        self._provider_ids = {name: row.id for row in self._providers.values() for name in (row.id, *row.aliases)}
        self._lock = threading.Lock()
        self._state = _State({entry.name: entry for entry in models})

    @classmethod
    def default(cls) -> Catalogue:
        """The catalogue of this process: the package's rows and those of the file in `PORTKEY_CATALOGUE`.

        The files are read at the first call, never again.

        Raises:
            PortkeyConfigurationError: The file named by `PORTKEY_CATALOGUE` is missing or invalid.
        """
        if Catalogue._default is None:
            with Catalogue._default_lock:
                if Catalogue._default is None:
                    catalogue = Catalogue(_packaged_models(_packaged_providers()))
                    path = os.environ.get("PORTKEY_CATALOGUE")
                    if path:
                        try:
                            catalogue.load(path)
                        except PortkeyConfigurationError as error:
                            raise PortkeyConfigurationError(f"PORTKEY_CATALOGUE: {error}") from error
                    Catalogue._default = catalogue
        return Catalogue._default

    @classmethod
    def register(cls, name: str, *, provider: str, model: str, **fields: Any) -> ModelEntry:
        """Add a name to the default catalogue, for the whole process.

        Registering a name again replaces it, so that a notebook cell can be run twice. For a catalogue of
        your own use `add`.

        Args:
            name: The short name.
            provider: The provider's id or an alias.
            model: The model id as the provider knows it.
            **fields: Other fields of `ModelEntry`: `max_output_tokens`, `custom_host`, `capabilities`, ...

        Returns:
            The new row.

        Raises:
            PortkeyConfigurationError: The provider is unknown, a field is unknown or invalid, or the name is
                one of those whose targets are fixed.
        """
        catalogue = cls.default()
        table = {**fields, "name": name, "provider": catalogue.provider(provider).id, "model": model}
        where = f"Catalogue.register({name!r}):"
        known = frozenset(row.id for row in catalogue.providers())
        entry = reading.check_entry(table, known, where=where)
        catalogue.add(entry)
        return entry

    def add(self, *entries: ModelEntry) -> None:
        """Add rows to this catalogue; one with a name already taken replaces the old row.

        Raises:
            PortkeyConfigurationError: A provider is unknown, or a name is one of those whose targets are
                fixed. Then none is added.
        """
        with self._lock:
            models = dict(self._state.models)
            for entry in entries:
                if entry.provider not in self._providers:
                    raise self._unknown_provider(entry.provider)
                if entry.name in SEED_NAMES and models.get(entry.name, entry) != entry:
                    fixed = models[entry.name]
                    raise PortkeyConfigurationError(
                        f"The catalogue name {entry.name!r} always means {fixed.provider}/{fixed.model} and "
                        f"cannot be changed. Register {entry.provider}/{entry.model} under another name, "
                        f'such as "my-{entry.name}".'
                    )
                models[entry.name] = entry
            self._state = _State(models)

    def load(self, path: str | Path) -> list[ModelEntry]:
        """Add the rows of a TOML file: one table per name, with the fields of `ModelEntry`.

        Returns:
            The rows, in the order of the file.

        Raises:
            PortkeyConfigurationError: The file cannot be read, or something in it is invalid; the text names
                the file, the table and the field. Then none is added.
        """
        rows = reading.read_models(reading.read_file(path), str(path), self._provider_ids)
        entries = [replace(row, provider=self._provider_ids[row.provider]) for row in rows.values()]
        try:
            self.add(*entries)
        except PortkeyConfigurationError as error:
            raise PortkeyConfigurationError(f"{path}: {error}") from error
        return entries

    def models(self) -> list[ModelEntry]:
        """All rows, in the order in which they came."""
        return list(self._state.models.values())

    def get(self, name: str) -> ModelEntry | None:
        """The row of an exact catalogue name, or `None`."""
        return self._state.models.get(name)

    def search(self, text: str) -> list[ModelEntry]:
        """The rows in which every word of `text` occurs: in name, provider, model id or description."""
        words = text.lower().split()
        return [
            entry
            for entry in self.models()
            if all(word in f"{entry.name} {entry.provider} {entry.model} {entry.description}".lower() for word in words)
        ]

    def providers(self) -> list[Provider]:
        """All providers, in the order of the table."""
        return list(self._providers.values())

    def provider(self, name: str) -> Provider:
        """The row of a provider.

        Args:
            name: Its id or an alias; case and `_` for `-` do not matter.

        Raises:
            PortkeyConfigurationError: There is none of this name.
        """
        row = self._find_provider(name)
        if row is None:
            raise self._unknown_provider(name)
        return row

    def resolve(
        self,
        name: str,
        *,
        provider: str | None = None,
        default_provider: str | None = None,
        hosted: bool = False,
    ) -> ResolvedModel:
        """Understand a model name, by the order at the top of this module.

        Args:
            name: What the user typed.
            provider: The provider the user named beside it, by id or alias (hosted: also `@slug`).
            default_provider: The provider for a bare model id (the value of `PORTKEY_PROVIDER`).
            hosted: Whether the gateway is Portkey's hosted one, where `@slug/model` names an integration.

        Raises:
            UnknownModelError: The name is no catalogue name and nothing says which provider is meant.
            PortkeyConfigurationError: A provider is unknown, or `provider` contradicts a catalogue name.
        """
        state = self._state
        question = (name, provider or None, default_provider or None, hosted)
        if len(name) > _LONGEST_NAME or _NOT_IN_AN_ID.search(name):
            # Some providers have the model in the URL, where these would lead to another path.
            raise UnknownModelError(f"{name[:_LONGEST_NAME]!a} is no name of a model.")
        answer = state.answers.get(question)
        if answer is None:
            answer = self._resolve(state, *question)
            if len(state.answers) >= _CACHE_SIZE:
                state.answers.clear()
            state.answers[question] = answer
        return answer

    def _resolve(
        self, state: _State, name: str, provider: str | None, default_provider: str | None, hosted: bool
    ) -> ResolvedModel:
        entry = state.models.get(name)
        if entry is not None:
            slug = self._agreed(entry, provider, hosted=hosted)
            row = self._providers[entry.provider]
            return self._resolved(state, name, entry.model, row, entry=entry, integration=slug)
        if not name.strip():
            raise UnknownModelError(f"The model name is empty. {self._how_to_name(hosted=hosted)}")
        integration = names.split_integration(name) if hosted else None
        if integration is not None:
            slug, model = integration
            row = self._integration(slug) if provider is None else self._named(provider, hosted=hosted)[0]
            return self._resolved(state, name, model, row, integration=slug)
        if provider is not None:
            return self._at(state, name, provider, hosted=hosted)
        prefixed = names.split_provider(name, self._provider_ids)
        if prefixed is not None:
            head, model = prefixed
            return self._resolved(state, name, model, self._providers[self._provider_ids[head]])
        if default_provider is not None and not name.startswith("@"):
            return self._at(state, name, default_provider, hosted=hosted)
        raise self._unknown_model(state, name, hosted=hosted)

    def _at(self, state: _State, name: str, provider: str, *, hosted: bool) -> ResolvedModel:
        """The name as a model id of this provider or integration."""
        row, slug = self._named(provider, hosted=hosted)
        return self._resolved(state, name, name, row, integration=slug)

    def _resolved(
        self,
        state: _State,
        name: str,
        model: str,
        row: Provider,
        *,
        entry: ModelEntry | None = None,
        integration: str | None = None,
    ) -> ResolvedModel:
        variant = next((other for glob, other in row.variants if fnmatchcase(model, glob)), row)
        entry = entry or state.by_target.get((row.id, model))
        return ResolvedModel(name=name, model=model, provider=variant, entry=entry, integration=integration)

    def _find_provider(self, name: str) -> Provider | None:
        known = self._provider_ids.get(names.normalised(name))
        return None if known is None else self._providers[known]

    def _agreed(self, entry: ModelEntry, provider: str | None, *, hosted: bool) -> str | None:
        """The integration that `provider` adds to a catalogue name, if any; an error if it contradicts it."""
        if provider is None:
            return None
        row, slug = self._named(provider, hosted=hosted)
        if row.id != entry.provider and row.id in self._providers:
            raise self._contradiction(entry, provider)
        return slug

    def _named(self, provider: str, *, hosted: bool) -> tuple[Provider, str | None]:
        """The row for a `provider=`, and the slug if it is an integration of the hosted Portkey."""
        if hosted and provider.startswith("@"):
            slug = provider.removeprefix("@")
            return self._integration(slug), slug
        return self.provider(provider), None

    def _integration(self, slug: str) -> Provider:
        """The row of the provider behind an integration, as far as its slug tells.

        Portkey proposes the provider's name as slug, and people add to it (`openai-prod`). Any other slug is
        spoken to like OpenAI; `provider=` beside `@slug/model` says better.
        """
        parts = names.normalised(slug).split("-")
        for length in range(len(parts), 0, -1):
            row = self._find_provider("-".join(parts[:length]))
            if row is not None:
                return row
        quirks = Quirks(embeddings="list", embedding_options=EMBEDDING_OPTIONS)
        return Provider(id=f"@{slug}", title=f"Portkey integration @{slug}", auth="none", quirks=quirks)

    def _contradiction(self, entry: ModelEntry, provider: str) -> PortkeyConfigurationError:
        there = names.normalised(provider)
        row = self._find_provider(provider)
        others = [] if row is None else [e.name for e in self.models() if e.provider == row.id]
        near = names.nearest(entry.name, others)
        return PortkeyConfigurationError(
            f"{entry.name!r} is a catalogue name for {entry.provider}/{entry.model}, but "
            f"provider={provider!r} was given beside it. Leave provider= out to use the catalogue's "
            f'model, or write model="{there}/{entry.name}" without provider= if {there} has a model with '
            f"the id {entry.name!r}." + (f" At {there} the catalogue has {names.listed(near)}." if near else "")
        )

    def _unknown_provider(self, name: str) -> PortkeyConfigurationError:
        name = name[:_LONGEST_NAME]
        near = names.nearest(names.normalised(name), self._provider_ids)
        near_ids = list(dict.fromkeys(self._provider_ids[other] for other in near))
        if name.startswith("@"):
            hint = '"@slug" names an integration of the hosted Portkey; this gateway is self-hosted.'
        elif near_ids:
            hint = f"Did you mean {names.listed(near_ids)}?"
        else:
            hint = f"Known: {', '.join(sorted(self._providers))}."
        return PortkeyConfigurationError(f"{name!r} is no provider of the gateway. {hint}")

    def _unknown_model(self, state: _State, name: str, *, hosted: bool) -> UnknownModelError:
        alive = [entry for entry in state.models.values() if entry.retired is None]
        targets = [f"{entry.provider}/{entry.model}" for entry in alive]
        head, _, rest = name.partition("/")
        if rest:  # a misspelt provider: its right name with the same model
            heads = names.nearest(head, self._provider_ids, limit=1)
            targets += [f"{self._provider_ids[other]}/{rest}" for other in heads]
        known = self._provider_ids.get(name.partition(":")[0])
        if known is not None and ":" in name:  # LangChain's init_chat_model writes a colon
            return UnknownModelError(f'{name!r}: write "{known}/{name.partition(":")[2]}", with a slash.')
        near = names.nearest(name, [*state.models, *targets])
        hint = f"Did you mean {names.listed(near)}? " if near else ""
        if name.startswith("@"):
            hint = '"@slug/model" is understood by the hosted Portkey only (hosted=True). ' if not hosted else hint
        return UnknownModelError(
            f"No catalogue name is {name!r}, and nothing says which provider has such a model. "
            f"{hint}{self._how_to_name(hosted=hosted)}"
        )

    def _how_to_name(self, *, hosted: bool) -> str:
        slug = ', "@slug/model"' if hosted else ""
        return (
            f'Write "provider/model" (for example "openai/gpt-4o"){slug}, give provider=, set '
            "PORTKEY_PROVIDER, or add the name with Catalogue.register(). "
            "`pollinations-portkey models` lists the catalogue."
        )

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._state.models))

    def __len__(self) -> int:
        return len(self._state.models)

    def __contains__(self, name: object) -> bool:
        return name in self._state.models

    def __repr__(self) -> str:
        return display.as_text(self.models(), len(self._providers))

    def _repr_html_(self) -> str:
        return display.as_html(self.models())


def retirement_notice(entry: ModelEntry | None) -> str | None:
    """What to tell a user whose model the provider has retired; `None` if it has not.

    Args:
        entry: The row of a resolved model, if it has one.
    """
    if entry is None or entry.retired is None:
        return None
    instead = f" Use {entry.successor!r} instead." if entry.successor else ""
    return (
        f"The provider shut down {entry.provider}/{entry.model} (catalogue name {entry.name!r}) on "
        f"{entry.retired}; requests for it fail.{instead}"
    )


class RetiredModelWarning(PortkeyWarning):
    """The provider has retired the model that was asked for."""


def _packaged(file: str) -> str:
    return (resources.files("langchain_pollinations_portkey.catalogue") / file).read_text(encoding="utf-8")


_packaged_rows: dict[str, Provider] = {}
_packaged_lock = threading.Lock()


def _packaged_providers() -> Mapping[str, Provider]:
    with _packaged_lock:
        if not _packaged_rows:
            _packaged_rows.update(reading.read_providers(_packaged("providers.toml"), "providers.toml"))
        return _packaged_rows


def _packaged_models(providers: Mapping[str, Provider]) -> list[ModelEntry]:
    return list(reading.read_models(_packaged("models.toml"), "models.toml", providers).values())
