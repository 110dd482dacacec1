"""The tables of docs/ that repeat what the code says: written from it, and compared with it by `test_docs.py`.

A table stands in its page between `<!-- table: name -->` and `<!-- /table -->`. After a change of the code:

    .venv/bin/python -m tests.doc_tables
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from langchain_pollinations_portkey import ChatPollinations, ChatPortkey, PortkeyEmbeddings, _options
from langchain_pollinations_portkey import embeddings as embeddings_module
from langchain_pollinations_portkey.catalogue import Catalogue, Provider
from langchain_pollinations_portkey.catalogue.entries import Quirks

DOCS = Path(__file__).parent.parent / "docs"
PLACE = re.compile(r"(<!-- table: ([a-z-]+) -->\n\n)(.*?)(\n\n<!-- /table -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)


def code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)


# ------------------------------------------------------------------ options


def own_fields(kind: Any) -> dict[str, FieldInfo]:
    """The fields of a class that are ours; LangChain's are told about elsewhere."""
    return {name: info for name, info in kind.model_fields.items() if name not in BaseChatModel.model_fields}


def docstrings(kind: type) -> dict[str, str]:
    """What stands below the fields of a class in its source, each on one line."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("langchain_pollinations_portkey"):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for one, other in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(other, ast.Expr):
                assert isinstance(other.value, ast.Constant)
                found[one.target.id] = " ".join(str(other.value.value).split())
    return found


def _default(info: FieldInfo) -> str:
    if info.default_factory in (dict, list):
        return f"`{info.default_factory()}`"  # type: ignore[call-arg,misc]
    if info.default_factory is not None:
        return "environment"
    return "" if info.default in (PydanticUndefined, "") else f"`{info.default!r}`"


def options(kind: Any, *, beside: Any = None) -> str:
    """Every argument of a constructor, its default, whether a call takes it too, and what its docstring says.

    Args:
        kind: The class.
        beside: A class whose arguments are left out.
    """
    said = docstrings(kind)
    of_a_call = kind.body_options | _options.ROUTE_OPTIONS | _options._OTHER_NAMES.keys()
    if kind is PortkeyEmbeddings:
        of_a_call = of_a_call | set(embeddings_module._OWN_OPTIONS)
    rows = []
    for name, info in own_fields(kind).items():
        if beside is None or name not in beside.model_fields:
            names = [info.alias, name] if info.alias else [name]
            in_a_call = "✓" if of_a_call & set(names) else ""
            rows.append((code(*names), _default(info), in_a_call, said[name].replace("|", "\\|")))
    return table(("Argument", "Default", "In a call", "Meaning"), rows)


# ------------------------------------------------------------------ models and providers


def models() -> str:
    """The catalogue."""
    catalogue = Catalogue.default()
    rows = [
        (f"`{row.name}`", catalogue.provider(row.provider).title, f"`{row.model}`", row.retired or "")
        for row in catalogue.models()
    ]
    return table(("Name", "Provider", "Model", "Retired there"), rows)


def providers() -> str:
    """How providers are named and what they want to know."""
    rows = []
    for row in Catalogue.default().providers():
        settings = [option for option in row.options.values() if option.required or option.secret or option.variables]
        rows.append(
            (
                row.title,
                code(row.id, *row.aliases),
                code(*row.key_variables) or "none",
                "; ".join(
                    f"`{option.key}`"
                    + (" (required)" if option.required else "")
                    + (f": {code(*option.variables)}" if option.variables else "")
                    for option in settings
                ),
            )
        )
    return table(("Provider", "Written as", "Key, from", "`provider_options`, from"), rows)


_VARIANTS = {"bedrock": ("*anthropic.claude*", "*amazon.nova*"), "vertex-ai": ("anthropic.*",)}
"""Families of models that a provider is told other things for; the rest differs in small things only."""

_FAMILIES = {"*anthropic.claude*": "Claude", "*amazon.nova*": "Nova", "anthropic.*": "Claude"}


def _rows() -> Iterable[tuple[str, Quirks]]:
    for provider in Catalogue.default().providers():
        if not provider.quirks.chat:
            continue
        families = _VARIANTS.get(provider.id, ())
        variants: dict[str, Provider] = dict(provider.variants)
        for glob in families:
            yield f"{provider.title}: {_FAMILIES[glob]}", variants[glob].quirks
        yield f"{provider.title}: other models" if families else provider.title, provider.quirks


def _tools(quirks: Quirks) -> str:
    if "tools" in quirks.drops:
        return ""
    if not quirks.tool_results:
        return "calls, not results"
    return "✓" if "function" in quirks.tool_choices else "✓, no `tool_choice`"


def arrivals() -> str:
    """What of a request arrives at each provider behind the gateway."""
    rows = []
    for title, quirks in _rows():
        asked = [name for name in ("thinking", "reasoning_effort") if name not in quirks.drops]
        rows.append(
            (
                title,
                _tools(quirks),
                "" if quirks.structured_output == "none" else f"`{quirks.structured_output}`",
                "URL or bytes" if quirks.image_urls else "bytes",
                "" if quirks.pdf == "none" else "✓",
                "✓" if quirks.audio else "",
                "✓" if quirks.video else "",
                code(*asked),
                "✓" if quirks.thinking_replay else "",
                "✓" if quirks.cache_control else "",
            )
        )
    head = (
        "Provider",
        "Tools",
        "Structured output by",
        "Images",
        "PDF",
        "Audio",
        "Video",
        "Thinking asked by",
        "Signed thinking back",
        "Cache breakpoints",
    )
    return table(head, rows)


def _embedding_rows() -> Iterable[tuple[str, Quirks]]:
    """Providers with embeddings, and those of their models that are asked in another way."""
    for provider in Catalogue.default().providers():
        others = [
            (glob, row.quirks) for glob, row in provider.variants if _asked(row.quirks) != _asked(provider.quirks)
        ]
        for glob, quirks in others:
            if quirks.embeddings != "none":
                yield f"{provider.title}: `{glob}`", quirks
        if provider.quirks.embeddings != "none":
            yield f"{provider.title}: other models" if others else provider.title, provider.quirks


def _asked(quirks: Quirks) -> tuple[object, ...]:
    return (quirks.embeddings, quirks.embedding_inputs, quirks.embedding_options, quirks.embedding_query)


def embeddings() -> str:
    """How texts go to each provider that has embeddings, and what of a request arrives there."""
    rows = []
    for title, quirks in _embedding_rows():
        single = quirks.embeddings == "single"
        told = [
            f"`{name}`: `{value}` or `{quirks.embedding_document[name]}`"
            for name, value in quirks.embedding_query.items()
        ]
        rows.append(
            (
                title,
                "1" if single else str(quirks.embedding_inputs),
                "" if single or quirks.embedding_tokens is None else f"{quirks.embedding_tokens:,}",
                ", ".join(told),
                code(*sorted(quirks.embedding_options)),
            )
        )
    head = ("Provider", "Texts in a request", "Tokens in a request", "Query or document told by", "What arrives")
    return table(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "options-chatportkey": lambda: options(ChatPortkey),
    "options-chatpollinations": lambda: options(ChatPollinations, beside=ChatPortkey),
    "models": models,
    "providers": providers,
    "arrivals": arrivals,
    "embeddings": embeddings,
    "options-portkeyembeddings": lambda: options(PortkeyEmbeddings),
}


def written(page: str) -> str:
    """A page with its tables as the code has them."""
    return PLACE.sub(lambda found: found[1] + TABLES[found[2]]() + found[4], page)


if __name__ == "__main__":
    for path in sorted(DOCS.glob("**/*.md")):
        text = path.read_text(encoding="utf-8")
        if written(text) != text:
            path.write_text(written(text), encoding="utf-8")
