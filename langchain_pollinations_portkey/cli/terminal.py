"""What all commands share: where they write, how they report, and how signals end them."""

from __future__ import annotations

import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import typer
from rich.console import Console

from langchain_pollinations_portkey.notices import PortkeyWarning

if TYPE_CHECKING:
    from langchain_pollinations_portkey.gateway.local import LocalGateway

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but tab and newline: what a model writes must not steer the user's terminal."""

_PIPE_WIDTH = 160
"""Columns of a table that is read by a program: no row of ours is broken at it."""


def stdout() -> Console:
    """Where answers go: plain text when it is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def stderr() -> Console:
    """Where everything else goes, so that an answer can be piped."""
    return Console(stderr=True, highlight=False)


def write_line(console: Console, text: str, style: str) -> None:
    """Write one message; a line of it is not broken, so that it can be found and copied."""
    console.print(printable(text), style=style, markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """The text without control characters, for a terminal."""
    return _CONTROL.sub("", text)


def fail(message: str) -> typer.Exit:
    """Say what went wrong, in red on stderr; raise what is returned to end with status 1."""
    write_line(stderr(), f"Error: {message}", "red")
    return typer.Exit(1)


@contextmanager
def reporting() -> Iterator[None]:
    """Show errors and warnings of this package, and errors of LangChain, as lines: no traceback, no source.

    Raises:
        typer.Exit: Status 1, after an error.
    """
    from langchain_core.exceptions import LangChainException
    from pydantic import ValidationError

    from langchain_pollinations_portkey.errors import PortkeyError

    with warnings.catch_warnings():
        warnings.simplefilter("always", PortkeyWarning)
        _show_as_lines()
        try:
            yield
        except (PortkeyError, LangChainException) as error:
            raise fail(str(error)) from None
        except ValidationError as error:  # of a model's fields; pydantic wraps what a validator raises
            problems = "; ".join(_problem(dict(detail)) for detail in error.errors(include_url=False))
            raise fail(problems) from None


def _problem(detail: dict[str, object]) -> str:
    context = detail.get("ctx")
    cause = context.get("error") if isinstance(context, dict) else None
    return str(cause or detail["msg"])


def _show_as_lines() -> None:
    others = warnings.showwarning

    def show(  # noqa: PLR0917 - the signature of warnings.showwarning
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, PortkeyWarning):
            write_line(stderr(), f"Warning: {message}", "yellow")
        else:
            others(message, category, filename, lineno, file, line)

    warnings.showwarning = show


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program through its `with` blocks, as Ctrl-C does.

    By default they end Python on the spot, and an npm that is just installing the gateway would go on.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # Python takes handlers in the main thread only
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]  # nohup stays nohup
    for number in numbers:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


@contextmanager
def running(gateway: LocalGateway, console: Console) -> Iterator[LocalGateway]:
    """Run a gateway, and show that something happens while it is installed and started.

    Args:
        gateway: The gateway, not started.
        console: Where to show it.

    Raises:
        LocalGatewayError: It could not be installed or started.
    """
    doing = installation_notice() or "Starting the gateway ..."
    if not console.is_terminal and installation_notice():
        write_line(console, doing, "")
    with gateway_stopped(gateway):
        with console.status(doing):
            gateway.start()
        yield gateway


@contextmanager
def gateway_stopped(gateway: LocalGateway) -> Iterator[None]:
    """Stop the gateway at the end, whether it was started or not."""
    try:
        yield
    finally:
        gateway.stop()


def installation_notice() -> str | None:
    """What to say before the gateway is started for the first time, `None` if it is installed."""
    from langchain_pollinations_portkey.gateway._install import default_folder, start_script

    if start_script(default_folder()) is not None:
        return None
    return "Installing the Portkey gateway with npm (once, about 25 MB) ..."
