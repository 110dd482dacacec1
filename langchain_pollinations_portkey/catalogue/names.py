"""Model names as users type them: taken apart, and the nearest ones when nothing matches."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable

_BEDROCK = re.compile(
    r"(?:[a-z]{2}(?:-gov)?\.|apac\.|global\.)?"
    r"(?:ai21|amazon|anthropic|cohere|google|meta|minimax|mistral|moonshotai|moonshot|nvidia|openai|qwen|writer|zai)"
    r"\.(?=[a-z])"
)
"""What Amazon Bedrock puts before a model: the region of an inference profile and the vendor."""

_BEDROCK_VERSION = re.compile(r"(?:-v\d+)?(?::\d+)+$|(?<=-\d)-v\d+$")
_VARIANT = re.compile(r":[a-z][a-z0-9.-]*$|:\d+(?:\.\d+)?[bm]\S*$")
_DIGIT_P = re.compile(r"(?<=\d)p(?=\d)")


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


def family_name(model: str) -> str:
    """A model's id without what its host puts around it, to be compared with the globs of model families.

    The same model is `claude-sonnet-4-5@20250929`, `us.anthropic.claude-sonnet-4-5-20250929-v1:0` and
    `anthropic/claude-sonnet-4.5:thinking`; all of them begin with `claude-sonnet-4` here. Dates stay, since globs
    end in `*`.

    Args:
        model: The id as the provider knows it.

    Returns:
        The id in lower case without paths, regions, vendors, Bedrock's version and the variants that OpenRouter,
        Hugging Face and Ollama put after a colon.
    """
    name = model.lower().rpartition("/")[2]
    if name.startswith(("deepseek.", "us.deepseek.")):  # the vendor is the only name that Bedrock gives these
        name = name.removeprefix("us.").replace(".", "-", 1)
    name = _BEDROCK.sub("", name, count=1) if _BEDROCK.match(name) else name
    name = _VARIANT.sub("", _BEDROCK_VERSION.sub("", name))
    return _DIGIT_P.sub(".", name.replace("@", "-")).replace("llama-v3", "llama-3")
