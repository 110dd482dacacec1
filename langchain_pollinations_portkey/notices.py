"""Things the user should hear of without the call failing: told as warnings, each once per process."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from dataclasses import dataclass


class PortkeyWarning(UserWarning):
    """Base of the warnings of this package; filter it to silence them all."""


class LossWarning(PortkeyWarning):
    """Something of a request or an answer is lost or changed between here and the model."""


class SecurityWarning(PortkeyWarning):
    """A key travels in a way that others could read or receive it."""


class GatewayBuildWarning(PortkeyWarning):
    """The gateway is installed in a way that breaks it, and this package works around that."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell.

    Attributes:
        category: The class of the warning.
        key: What makes it the same as another; it is told once per category and key.
        text: The sentence.
    """

    category: type[PortkeyWarning]
    key: tuple[str, ...]
    text: str


_told: set[tuple[type[PortkeyWarning], tuple[str, ...]]] = set()
_lock = threading.Lock()


def tell(notice: Notice) -> None:
    """Warn, unless this was told before in this process. The warning points at the caller outside of LangChain."""
    mark = (notice.category, notice.key)
    with _lock:
        if mark in _told:
            return
        _told.add(mark)
    warnings.warn(notice.text, notice.category, stacklevel=_frames_to_the_user())


_NOT_THE_USER = tuple(
    f"{os.sep}{package}{os.sep}" for package in ("langchain_pollinations_portkey", "langchain_core", "pydantic")
)


def _frames_to_the_user() -> int:
    """How many frames up, counted from `tell`, the code begins that is neither ours nor LangChain's."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001  # what `warnings` itself uses
    while frame.f_back is not None and any(part in frame.f_code.co_filename for part in _NOT_THE_USER):
        level, frame = level + 1, frame.f_back
    return level


def forget_all() -> None:
    """Tell everything again; for tests."""
    with _lock:
        _told.clear()
