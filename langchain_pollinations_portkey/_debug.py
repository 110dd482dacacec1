"""Debug logging switched by the environment: `DEBUG=pollinations:portkey*`.

The form is that of npm's `debug`, which the gateway's users know: patterns separated by commas or spaces, `*` for
anything, a leading `-` to exclude. The package is `pollinations:portkey`, its modules are named below that:
`langchain_pollinations_portkey.gateway.http.transport` is `pollinations:portkey:gateway:http:transport`. Whatever else
`DEBUG` may say (`1`, `true`, patterns of others) changes nothing.

Python's own way works as well: `logging.getLogger("langchain_pollinations_portkey").setLevel("DEBUG")`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase

from langchain_pollinations_portkey._secrets import masked_text

PACKAGE = "langchain_pollinations_portkey"
NAMESPACE = "pollinations:portkey"


class Patterns:
    """What a value of `DEBUG` asks for.

    Args:
        value: Patterns separated by commas or spaces.
    """

    def __init__(self, value: str) -> None:
        patterns = [_only_stars(pattern) for pattern in re.split(r"[\s,]+", value) if pattern]
        self._included = [pattern for pattern in patterns if not pattern.startswith("-")]
        self._excluded = [pattern[1:] for pattern in patterns if pattern.startswith("-")]

    def __contains__(self, namespace: str) -> bool:
        return any(fnmatchcase(namespace, pattern) for pattern in self._included) and not any(
            fnmatchcase(namespace, pattern) for pattern in self._excluded
        )

    @property
    def concern_us(self) -> bool:
        """Whether anything of this package is asked for."""
        below = [pattern for pattern in self._included if pattern.startswith(f"{NAMESPACE}:")]
        return any(namespace in self for namespace in (NAMESPACE, f"{NAMESPACE}:any", *below))


def _only_stars(pattern: str) -> str:
    """A pattern in which nothing but `*` is special, as in npm's debug."""
    return re.sub(r"[?\[]", r"[\g<0>]", pattern)


def namespace_of(logger: str) -> str:
    """The name of a logger of this package, as `DEBUG` knows it."""
    parts = [part.strip("_") for part in logger.removeprefix(PACKAGE).split(".") if part]
    return ":".join((NAMESPACE, *parts))


class _DebugHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever standard error is now, unless logging is set up and shows the record anyway."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.patterns = Patterns("")
        self.setFormatter(_Formatter("%(asctime)s %(namespace)s %(message)s", datefmt="%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        namespace = namespace_of(record.name)
        if namespace not in self.patterns or any(h.level <= record.levelno for h in logging.getLogger().handlers):
            return
        record.namespace = namespace
        self.stream = sys.stderr
        super().emit(record)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked_text(super().format(record))


_handler: _DebugHandler | None = None
_seen: str | None = None


def follow_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Turn debug logging on or off as `DEBUG` says; cheap when it says the same as before."""
    global _handler, _seen  # noqa: PLW0603  # logging is set up once for the process
    value = environment.get("DEBUG", "")
    if value == _seen:
        return
    _seen = value
    patterns = Patterns(value)
    logger = logging.getLogger(PACKAGE)
    if patterns.concern_us:
        if _handler is None:
            _handler = _DebugHandler()
            logger.addHandler(_handler)
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.DEBUG)
        _handler.patterns = patterns
    elif _handler is not None:
        logger.removeHandler(_handler)
        if logger.level == logging.DEBUG:
            logger.setLevel(logging.NOTSET)
        _handler = None
