"""Model names as users type them: taken apart, and the nearest ones when nothing matches."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable


def split_provider(name: str, providers: Container[str]) -> tuple[str, str] | None:
    """Split `provider/model` at the first slash, if what stands before it is a provider.

    The head must be spelled exactly: `mistral/...` is a provider, `mistralai/...` and `Google/...` are
    organisations whose models others host.

    Args:
        name: What the user typed.
        providers: The ids and aliases of all providers.

    Returns:
        The head and the rest (which may hold more slashes), `None` if the name is not of this form.
    """
    head, slash, model = name.partition("/")
    return (head, model) if slash and model and head in providers else None


def split_integration(name: str) -> tuple[str, str] | None:
    """Split `@slug/model`, the hosted Portkey's way of naming an integration.

    Returns:
        The slug without the `@` and the rest, `None` if the name is not of this form.
    """
    head, slash, model = name.partition("/")
    slug = head.removeprefix("@")
    return (slug, model) if slash and model and slug and head != slug else None


def normalised(provider: str) -> str:
    """A provider's name as rows spell it: `"Azure_OpenAI "` is `"azure-openai"`."""
    return provider.strip().lower().replace("_", "-")


def nearest(name: str, candidates: Iterable[str], *, limit: int = 3) -> list[str]:
    """The candidates that look most like `name`, best first.

    Case does not count, and neither does what stands before the last slash of a candidate, so that
    `gtp-4` finds `openai/gpt-4`.

    Args:
        name: What the user typed.
        candidates: Names to compare with.
        limit: The most names to return.
    """
    wanted = name.lower()
    scored = []
    for candidate in dict.fromkeys(candidates):
        text = candidate.lower()
        forms = {text, text.rpartition("/")[2]}
        score = max(difflib.SequenceMatcher(None, wanted, form).ratio() for form in forms)
        if score >= 0.6:  # noqa: PLR2004 - the cutoff that difflib itself proposes
            scored.append((-score, candidate))
    return [candidate for _, candidate in sorted(scored, key=lambda pair: pair[0])[:limit]]


def listed(names: Iterable[str]) -> str:
    """Names for a sentence: `"a", "b" or "c"`."""
    quoted = [f'"{name}"' for name in names]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]])) if quoted else ""
