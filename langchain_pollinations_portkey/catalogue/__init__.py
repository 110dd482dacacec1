"""Which models there are: names, providers and what is particular about them, as data.

Nothing is read when this package is imported; `Catalogue.default()` reads its two files once.
"""

from langchain_pollinations_portkey.catalogue.entries import (
    ModelEntry,
    Provider,
    ProviderOption,
    Quirks,
    ResolvedModel,
)
from langchain_pollinations_portkey.catalogue.lookup import (
    SEED_NAMES,
    Catalogue,
    RetiredModelWarning,
    retirement_notice,
)

__all__ = [
    "SEED_NAMES",
    "Catalogue",
    "ModelEntry",
    "Provider",
    "ProviderOption",
    "Quirks",
    "ResolvedModel",
    "RetiredModelWarning",
    "retirement_notice",
]
