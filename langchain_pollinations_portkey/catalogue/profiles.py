"""What a model can do, as LangChain's `ModelProfile`: a fact about the route and not only about the model.

Facts about the model come from its catalogue row, else from the family that its id belongs to
(`capabilities.toml`). Then comes what the gateway takes away on the way to that provider and back, which the
quirks of the provider say: a model that reads PDFs does not read them where the gateway drops them.

`structured_output` is what an agent's automatic strategy needs to know: true only where `response_format` with a
schema reaches the provider. Where it is dropped this package has the model call a tool instead, which works too,
but then the schema is not enforced by the provider, a tool has to be forced (which Claude refuses while it
thinks), and an agent that does the same on its own has its own error handling for it. So there it is false.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from langchain_pollinations_portkey.catalogue.entries import ModelEntry, Quirks, ResolvedModel
from langchain_pollinations_portkey.catalogue.names import family_name

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile

Facts = dict[str, Any]
"""Part of a `ModelProfile`; a key that is missing is not known."""


def profile_of(model: ResolvedModel) -> ModelProfile | None:
    """What a model can do behind this gateway.

    Args:
        model: The resolved model: a catalogue name or a pass-through id in any of the providers' forms.

    Returns:
        The profile, with those keys only that the installed langchain-core knows and that a source gives;
        `None` when nothing is known about the model.
    """
    remembered = _remembered.get(id(model))
    if remembered is None or remembered[0] is not model:
        if len(_remembered) >= _CACHE_SIZE:
            _remembered.clear()
        remembered = _remembered[id(model)] = (model, _profile(model))
    return cast("ModelProfile", dict(remembered[1])) if remembered[1] else None


_CACHE_SIZE = 1024

_remembered: dict[int, tuple[ResolvedModel, Facts]] = {}
"""Profiles by the identity of their models, which the catalogue remembers too: every model that is constructed asks
for its own. The model is kept beside its profile, so that no other can come to have its identity."""


def _profile(model: ResolvedModel) -> Facts:
    facts = _facts(model)
    if not facts:
        return {}
    known = _known_keys()
    return {key: value for key, value in _behind_gateway(facts, model).items() if key in known}


def profile_of_route(models: Sequence[ResolvedModel]) -> ModelProfile | None:
    """What holds whichever of several targets answers (fallbacks, load balance, conditions).

    Args:
        models: The targets.

    Returns:
        The smallest of each limit, the efforts that all know, and true only for what all can do. A key about
        which nothing is known for some target is left out, unless another target's "no" settles it. `None` when
        nothing is left.
    """
    if len(models) == 1:
        return profile_of(models[0])
    profiles = [profile_of(model) or {} for model in models]
    merged: Facts = {}
    for key in dict.fromkeys(key for profile in profiles for key in profile):
        values = [profile.get(key) for profile in profiles]
        value = _for_all(values)
        if value is not None:
            merged[key] = value
    return cast("ModelProfile", merged) if merged else None


def _for_all(values: Sequence[Any]) -> Any:
    """One value for all, `None` if none can be given."""
    if any(value is False for value in values):
        return False
    first = values[0]
    if any(value is None for value in values):
        return None
    if isinstance(first, bool):
        return True
    if isinstance(first, int):
        return min(values)
    if isinstance(first, list):
        return [item for item in first if all(item in value for value in values)] or None
    return first if all(value == first for value in values) else None


# ---------------------------------------------------------------- facts about the model


def _facts(model: ResolvedModel) -> Facts:
    """What sources say about the model at this provider; the catalogue row says better than the family."""
    facts = _family_facts(model.provider.id, family_name(model.model))
    row = {} if model.entry is None else _entry_facts(model.entry)
    if facts or row:
        return {"text_inputs": True, "text_outputs": True, **facts, **row}
    return {}


def _entry_facts(entry: ModelEntry) -> Facts:
    facts = {key: value for key, value in entry.capabilities.items() if isinstance(value, bool | int | str | list)}
    for key in ("max_input_tokens", "max_output_tokens"):
        limit = getattr(entry, key)
        if limit is not None:
            facts[key] = limit
    if entry.retired is not None:
        facts["status"] = "deprecated"  # the strongest word that models.dev has
    return facts


@lru_cache(maxsize=1024)
def _family_facts(provider: str, name: str) -> Mapping[str, Any]:
    """The facts of the first family whose globs match; programs ask for the same few models again and again."""
    for globs, facts, places in _families():
        if any(fnmatchcase(name, glob) for glob in globs):
            return {**facts, **places.get(provider, {})} if facts else {}
    return {}


@cache
def _families() -> tuple[tuple[tuple[str, ...], Mapping[str, Any], Mapping[str, Mapping[str, Any]]], ...]:
    """The rows of `capabilities.toml`, read once: globs, facts, facts by provider."""
    file = resources.files("langchain_pollinations_portkey.catalogue") / "capabilities.toml"
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["family"]
    return tuple((tuple(row["models"]), row.get("facts", {}), row.get("at", {})) for row in rows)


@cache
def _known_keys() -> frozenset[str]:
    """The keys that the installed langchain-core knows; it warns about any other."""
    from langchain_core.language_models import ModelProfile

    return frozenset(ModelProfile.__annotations__)


# ---------------------------------------------------------------- what the gateway leaves of them


def _behind_gateway(facts: Facts, model: ResolvedModel) -> Facts:
    """The facts, with everything that does not get through taken back, and what follows from both added.

    What the gateway does not carry is certain even where no source says whether the model could do it.
    """
    if model.provider.id.startswith("@"):  # a hosted integration whose provider is not known
        return {key: value for key, value in facts.items() if value is False or not _depends_on_route(key)}
    profile = dict(facts)
    for key, arrives in _ARRIVES.items():
        if not arrives(model):
            profile[key] = False
    if profile.get("tool_calling") is False:
        profile |= dict.fromkeys(("tool_choice", "tool_call_streaming"), False)
    if profile.get("image_inputs") is False:
        profile["image_url_inputs"] = False
    _add_tool_facts(profile, model.provider.quirks)
    if not profile.get("reasoning_output") or "reasoning_effort" in model.provider.quirks.drops:
        for key in ("reasoning_effort_levels", "reasoning_effort_default"):
            profile.pop(key, None)
    return profile


def _depends_on_route(key: str) -> bool:
    return key in _ARRIVES or key.startswith("reasoning_effort")


def _add_tool_facts(profile: Facts, quirks: Quirks) -> None:
    """What can be said about tools without a source of its own.

    Pictures and PDFs in the result of a tool reach every model that reads them: where the provider does not take
    them there, they follow in a message of the user.
    """
    calls = profile.get("tool_calling")
    if calls is None:
        return
    if calls and "tool_call_streaming" not in profile:
        profile["tool_call_streaming"] = _streams_tool_calls(quirks)
    for key, needed in (("image_tool_message", "image_inputs"), ("pdf_tool_message", "pdf_inputs")):
        if needed in profile:
            profile[key] = bool(calls and profile[needed])


def _takes_tools(quirks: Quirks) -> bool:
    """Whether tools arrive and their results can go back; an agent needs both."""
    return "tools" not in quirks.drops and quirks.tool_results


def _takes_forced_tools(model: ResolvedModel) -> bool:
    quirks = model.provider.quirks
    forced = quirks.tool_choices & {"required", "function"}
    refuses = any(fnmatchcase(model.model, glob) for glob in quirks.never_forced)
    return bool(forced) and "tool_choice" not in quirks.drops and not refuses


def _streams_tool_calls(quirks: Quirks) -> bool:
    """Whether no call is lost in a stream; a stream that is fetched as JSON loses none."""
    lost = any(kind.startswith(("stream_tool_calls", "stream_calls_")) for kind in quirks.losses)
    return not lost or quirks.read_streams_as_json == "with_tools"


def _brings_reasoning(quirks: Quirks) -> bool:
    """Whether the reasoning that the provider sends arrives, of plain answers and of streams."""
    rescued = {"both": False, "json": quirks.read_through_stream, "stream": quirks.read_streams_as_json != "never"}
    for kind in quirks.losses:
        where, _, what = kind.partition("_")
        if what in ("reasoning", "thinking") and not rescued[where]:
            return False
    return True


_ARRIVES: Mapping[str, Callable[[ResolvedModel], bool]] = {
    "image_url_inputs": lambda model: model.provider.quirks.image_urls,
    "pdf_inputs": lambda model: model.provider.quirks.pdf != "none",
    "audio_inputs": lambda model: model.provider.quirks.audio,
    "video_inputs": lambda model: model.provider.quirks.video,
    "tool_calling": lambda model: _takes_tools(model.provider.quirks),
    "tool_choice": _takes_forced_tools,
    "tool_call_streaming": lambda model: _streams_tool_calls(model.provider.quirks),
    "structured_output": lambda model: (
        model.provider.quirks.structured_output == "json_schema"
        and "response_format" not in model.provider.quirks.drops
    ),
    "reasoning_output": lambda model: _brings_reasoning(model.provider.quirks),
    "temperature": lambda model: "temperature" not in model.provider.quirks.drops,
}
"""Which abilities the gateway leaves to a model, by the provider's quirks."""
