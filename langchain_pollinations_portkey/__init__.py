"""LangChain models for the Portkey AI Gateway: any provider by a short name, nothing lost on the way.

Names are imported when they are first used, so that importing the package costs nothing by itself.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from langchain_pollinations_portkey._version import __version__

if TYPE_CHECKING:
    from langchain_pollinations_portkey.catalogue import Catalogue, ModelEntry
    from langchain_pollinations_portkey.chat_models import ChatPollinations, ChatPortkey
    from langchain_pollinations_portkey.embeddings import PortkeyEmbeddings
    from langchain_pollinations_portkey.errors import PortkeyError
    from langchain_pollinations_portkey.gateway.local import LocalGateway
    from langchain_pollinations_portkey.middleware import PortkeyPromptCachingMiddleware
    from langchain_pollinations_portkey.registration import register_with_langchain
    from langchain_pollinations_portkey.wire.chat.cache_control import PromptCachePolicy

_HOMES = {
    "Catalogue": "catalogue",
    "ChatPollinations": "chat_models",
    "ChatPortkey": "chat_models",
    "LocalGateway": "gateway.local",
    "ModelEntry": "catalogue",
    "PortkeyEmbeddings": "embeddings",
    "PortkeyError": "errors",
    "PortkeyPromptCachingMiddleware": "middleware",
    "PromptCachePolicy": "wire.chat.cache_control",
    "register_with_langchain": "registration",
}

__all__ = [
    "Catalogue",
    "ChatPollinations",
    "ChatPortkey",
    "LocalGateway",
    "ModelEntry",
    "PortkeyEmbeddings",
    "PortkeyError",
    "PortkeyPromptCachingMiddleware",
    "PromptCachePolicy",
    "__version__",
    "register_with_langchain",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_imported(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def _imported(module: str) -> ModuleType:
    return import_module(module)


# CPython keeps the frames of nested calls in pieces of 16 KB. Where calls cross from one piece into the next, it gets
# that from the system and gives it back, every time. Building langchain-core's pydantic classes crosses such an edge
# between no and 20,000 times, by how deep the importing line happens to stand: up to a third of the whole import.
# A frame that asks for more than a piece gets a large one for itself and for all calls below it, which no import comes
# to the end of, so that it costs the same wherever it stands. What is asked for is never touched.
_imported.__code__ = _imported.__code__.replace(co_stacksize=1 << 13)


def __dir__() -> list[str]:
    return sorted(__all__)
