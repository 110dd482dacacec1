"""Our models by name in LangChain: `init_chat_model("portkey:claude-sonnet-4.5")`.

LangChain knows the providers of `init_chat_model` and `init_embeddings` by two private dicts, and has no public way
to add to them. Every private name of LangChain that this needs stands in this module; a test notices when one of
them is gone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from langchain_pollinations_portkey.notices import Notice, PortkeyWarning, tell

_PACKAGE = "langchain_pollinations_portkey"

_PROVIDERS = ("_BUILTIN_PROVIDERS", "_SUPPORTED_PROVIDERS")
"""LangChain's dict from a provider to the module, the class and a function that makes it, by its name now and its name
before langchain 1.2.10. In 1.2.0 and earlier there was a set of names, and the rest was written into the code."""

_REGISTRIES = (
    (
        "langchain.chat_models.base",
        "_get_chat_model_creator",
        "init_chat_model",
        {"portkey": "ChatPortkey", "pollinations": "ChatPollinations"},
    ),
    (
        "langchain.embeddings.base",
        "_get_embeddings_class_creator",
        "init_embeddings",
        {"portkey": "PortkeyEmbeddings"},
    ),
)
"""The module with the dict, its cached look-up, the public function for both, and our classes by provider."""


def register_with_langchain() -> None:
    """Have LangChain know our models by the providers `portkey` and `pollinations`.

    ```python
    from langchain.agents import create_agent
    from langchain.chat_models import init_chat_model
    from langchain_pollinations_portkey import register_with_langchain

    register_with_langchain()
    model = init_chat_model("portkey:claude-sonnet-4.5")
    agent = create_agent("portkey:openai/gpt-4o", tools)
    ```

    The name after the colon is what `model` is in `ChatPortkey(model=...)`. Models that are chosen at run time
    (`configurable_fields`), LangChain's middleware that takes a model's name, and `init_embeddings("portkey:...")`
    work as well. It holds for this process, and may be called again.

    ???+ info "Warns"
        `PortkeyWarning`, and changes nothing, where the installed `langchain` does not have its providers in the way
        this relies on; `ChatPortkey(model=...)` works all the same. Also where someone else has registered one of the
        names, which is then ours.

    Raises:
        ImportError: The package `langchain` is not installed.
    """
    try:
        import_module("langchain")
    except ImportError as error:
        raise ImportError(
            "register_with_langchain is for init_chat_model, create_agent and init_embeddings, which are in the "
            "package langchain: pip install langchain"
        ) from error
    for module_name, lookup, function, classes in _REGISTRIES:
        providers, module = _providers_of(module_name)
        if providers is None:
            _tell_that_it_is_gone(function, classes)
            continue
        for provider, class_name in classes.items():
            entry = (_PACKAGE, class_name, _make)
            before = providers.get(provider, entry)
            providers[provider] = entry
            if before != entry:
                _forget_looked_up(module, lookup)
                text = f"{function} knew {provider!r} as {before[0]}.{before[1]}; now it is {_PACKAGE}.{class_name}."
                tell(Notice(PortkeyWarning, ("register", function, provider), text))


def _make(cls: type[Any], **kwargs: Any) -> Any:
    """The model; LangChain passes the name as `model` and what the user gave besides."""
    return cls(**kwargs)


def _providers_of(module_name: str) -> tuple[dict[str, tuple[str, str, Any]] | None, Any]:
    """LangChain's dict of providers and its module; no dict if it is not the one we know."""
    try:
        module = import_module(module_name)
    except ImportError:
        return None, None
    providers = next((getattr(module, name) for name in _PROVIDERS if hasattr(module, name)), None)
    known = isinstance(providers, dict) and _is_entry(providers.get("openai"))
    return (providers if known else None), module


def _is_entry(entry: Any) -> bool:
    """Whether something describes a provider in the form that `init_chat_model` and `init_embeddings` understand."""
    match entry:
        case (str(), str(), make):
            return callable(make)
    return False


def _forget_looked_up(module: Any, lookup: str) -> None:
    """Drop what LangChain remembers of a provider that now is another."""
    clear = getattr(getattr(module, lookup, None), "cache_clear", None)
    if clear is not None:
        clear()


def _tell_that_it_is_gone(function: str, classes: dict[str, str]) -> None:
    version = getattr(import_module("langchain"), "__version__", "that is installed")
    instead = " or ".join(f"{class_name}(model=...)" for class_name in classes.values())
    text = (
        f"{function} of langchain {version} takes no further providers, or not in the way known here (that of "
        f"langchain 1.2.3 to 1.5), so nothing was registered with it; {instead} works all the same."
    )
    tell(Notice(PortkeyWarning, ("register", function), text))
