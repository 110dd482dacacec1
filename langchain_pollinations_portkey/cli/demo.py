"""`pollinations-portkey demo`: what this package does, shown step by step through a real gateway.

The steps' code stands in `demo_steps`; this module runs it, shows its source and what came of it, and says
what the stand-in provider answers.
"""

from __future__ import annotations

import ast
import html
import inspect
import io
import os
import re
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from langchain_pollinations_portkey.catalogue import Catalogue, ResolvedModel, retirement_notice
from langchain_pollinations_portkey.cli import demo_steps as steps
from langchain_pollinations_portkey.cli.model_table import as_table
from langchain_pollinations_portkey.cli.terminal import installation_notice, printable, stderr, write_line
from langchain_pollinations_portkey.gateway.credentials import KeySources, find_credentials
from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, StandInProvider, ToolCall, Usage

_WIDTH = 100
_INDENT = 3
_TOKEN_PAUSE = 0.07

HANDBOOK = "\n".join(
    f"Section {number}. Whoever wants a day off writes it into the calendar {number} days before, says so to the "
    "team, and finds somebody who answers the phone meanwhile."
    for number in range(1, 161)
)
"""A system prompt of about 5,000 tokens: Claude caches none below 1,024 to 4,096, depending on the model."""

_CITY = {
    "name": "Kyōto",
    "country": "Japan",
    "sights": ["Fushimi Inari Taisha", "Nijō Castle"],
}

# ---------------------------------------------------------------------- the steps


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to show.

    Attributes:
        run: The code. It gets the values its parameters name.
        title: What it is.
        text: One or two sentences about it.
        played: What the stand-in answers, in order.
        show: How to show what `run` returned.
        unfit: Why a model at its provider cannot do this, `None` if it can.
    """

    run: Callable[..., Any]
    title: str
    text: str
    played: tuple[Reply | Failure, ...] = ()
    show: Callable[[Any], RenderableType] | None = None
    unfit: Callable[[ResolvedModel], str | None] = lambda _: None


def _calls_no_tools(model: ResolvedModel) -> str | None:
    if model.entry is not None and model.entry.capabilities.get("tool_calling") is False:
        return f"{model.model} calls no tools."
    return None


def _caches_nothing(model: ResolvedModel) -> str | None:
    return None if model.provider.quirks.cache_control else f"{model.provider.title} has no cache_control."


def _never_fails_on_demand(_: ResolvedModel) -> str | None:
    return "only the stand-in fails when it is told to."


def _about(answer: AIMessage) -> Text:
    facts, usage = answer.response_metadata, answer.usage_metadata
    parts = [str(facts.get("provider")), str(facts.get("model_name"))]
    if usage is not None:
        parts.append(f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out")
    return Text(", ".join(parts), style="dim")


def _usage_table(answers: Sequence[AIMessage]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("usage_metadata")
    for name in ("input_tokens", "written to the cache", "read from the cache"):
        table.add_column(name, justify="right")
    for name, answer in zip(("first call", "second call"), answers, strict=True):
        usage = answer.usage_metadata
        if usage is None:
            table.add_row(name, "", "", "")
            continue
        details = usage.get("input_token_details", {})
        counts = (usage["input_tokens"], details.get("cache_creation", 0), details.get("cache_read", 0))
        cells = [Text(f"{count:,}", style="green" if count and place else "") for place, count in enumerate(counts)]
        table.add_row(name, *cells)
    return table


CATALOGUE = Step(
    steps.catalogue,
    "The catalogue",
    "Short names for models. These seven always mean the same; you can add your own.",
    show=as_table,
)

STEPS = (
    Step(
        steps.answer,
        "An answer",
        "A LangChain chat model like any other.",
        (
            Reply(
                "Air scatters the blue of sunlight more than its red.", usage=Usage(input_tokens=19, output_tokens=12)
            ),
        ),
        show=_about,
    ),
    Step(
        steps.stream,
        "Tokens as they arrive",
        "Also through a gateway started with npx, which by itself breaks most streams.",
        (Reply("One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve."),),
    ),
    Step(
        steps.call_tool,
        "A tool call and its result",
        "The model asks for a function, gets its result, and answers with it.",
        (
            Reply(tool_calls=[ToolCall("weather", {"city": "Kyōto"})]),
            Reply("No: it is 21 °C and sunny in Kyōto."),
        ),
        unfit=_calls_no_tools,
    ),
    Step(
        steps.structure,
        "Structured output",
        "An answer as a checked Python object.",
        unfit=_calls_no_tools,
    ),
    Step(
        steps.fall_back,
        "A fallback, and who served",
        "Mistral is made to answer 503 here; Claude steps in, and the answer says so.",
        (Failure(503, "Service unavailable"), Reply("Yes, I am: Claude.")),
        unfit=_never_fails_on_demand,
    ),
    Step(
        steps.cache_prompt,
        "A cached prompt",
        "A long system prompt marked with cache_control; the second call reads it from the cache.",
        (
            Reply("Thirty.", usage=Usage(input_tokens=15, output_tokens=4, cache_write=5210)),
            Reply("Your team.", usage=Usage(input_tokens=13, output_tokens=4, cache_read=5210)),
        ),
        show=_usage_table,
        unfit=_caches_nothing,
    ),
)

NEXT = (
    ("pollinations-portkey models", "every name, and which keys are set"),
    ("pollinations-portkey gateway", "a gateway of your own on port 8787"),
    ('pollinations-portkey chat "Hello"', "talk to a model; its key is read from .env"),
    ("pollinations-portkey demo -m portkey-claude", "this demo with a real model"),
)


def _play(request: ReceivedRequest) -> Reply | None:
    """What the stand-in answers when no step has said: structured output, by whichever method it is asked for."""
    fields = request.json if isinstance(request.json, dict) else {}
    if "toolConfig" in fields or "tools" in fields:
        return Reply(tool_calls=[ToolCall("City", _CITY)])
    return None


# ---------------------------------------------------------------------- the code on the screen


def shown_source(function: Callable[..., Any]) -> str:
    """The body of a function as a newcomer should see it: without docstring and last `return` or `yield`."""
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef)  # noqa: S101 - steps are functions
    first, last = definition.body[1], definition.body[-1]
    while isinstance(last, ast.With):
        last = last.body[-1]
    handed_over = isinstance(last, ast.Return) or (isinstance(last, ast.Expr) and isinstance(last.value, ast.Yield))
    end = last.lineno - 1 if handed_over else definition.end_lineno
    decorators = getattr(first, "decorator_list", [])
    start = min([first.lineno, *(decorator.lineno for decorator in decorators)])
    return textwrap.dedent("\n".join(source.splitlines()[start - 1 : end])).strip("\n")


class _Screen:
    """Writes the demo on a console, with pauses for reading if it is paced."""

    def __init__(self, console: Console, *, paced: bool) -> None:
        self.console = console
        self.is_paced = paced
        self._column = 0

    def pause(self, seconds: float) -> None:
        if self.is_paced:
            time.sleep(seconds)

    def say(self, text: str, style: str = "") -> None:
        self.result(Text(text, style=style))

    def heading(self, number: int, title: str, text: str) -> None:
        self.console.print(Rule(Text(f"{number}  {title}", style="bold cyan"), align="left", style="bright_black"))
        self.say(text)
        self.pause(0.8)

    def code(self, source: str) -> None:
        width = max(len(line) for line in source.splitlines())
        syntax = Syntax(source, "python", theme="ansi_dark", background_color="default", code_width=width)
        self.console.print()
        self.result(syntax)
        self.pause(1.2)

    def print(self, *values: object, end: str = "\n", flush: bool = False) -> None:  # noqa: ARG002
        """What the steps know as `print`: beside a bar, broken at words."""
        text = printable(" ".join(str(value) for value in values) + end)
        for piece in re.findall(r"\n|[^\s]+|[^\S\n]+", text):
            self._put(piece)

    def _put(self, piece: str) -> None:
        if piece == "\n":
            self.end_line()
            return
        if self._column and self._column + len(piece) > self.console.width:
            self.end_line()
            piece = piece.lstrip()
        if not self._column:
            self.console.print(Text(" " * _INDENT + "│ ", style="green"), end="")
            self._column = _INDENT + 2
        self.console.print(Text(piece), end="", soft_wrap=True)
        self._column += len(piece)

    def end_line(self) -> None:
        if self._column:
            self.console.print()
        self._column = 0

    def result(self, renderable: RenderableType) -> None:
        self.console.print(Padding(renderable, (0, 0, 0, _INDENT), expand=False))

    def gap(self) -> None:
        self.console.print()
        self.pause(1.2)


# ---------------------------------------------------------------------- the whole


def show(console: Console, *, model: str | None = None, paced: bool = False) -> None:
    """Show everything.

    Args:
        console: Where.
        model: A model to talk to at its provider; without it the stand-in plays the answers.
        paced: Whether to pause for reading, and to let tokens drip.

    Raises:
        PortkeyError: The model or its key is missing, the gateway cannot be started, or a call failed.
    """
    console.width = min(console.width, _WIDTH)
    screen = _Screen(console, paced=paced)
    resolved = None if model is None else _real_model(screen, model)
    screen.console.print(_welcome(resolved))
    screen.gap()
    numbers = iter(range(1, 100))
    _run(screen, CATALOGUE, next(numbers), {})
    with ExitStack() as stack:
        values = _connect(screen, stack, next(numbers), resolved)
        for step in STEPS:
            reason = None if resolved is None else step.unfit(resolved)
            if reason is None:
                _run(screen, step, next(numbers), values)
            else:
                write_line(console, f"Skipped: {step.title}; {reason}", "yellow")
                console.print()
    console.print(_farewell(resolved))


def _real_model(screen: _Screen, name: str) -> ResolvedModel:
    """The model to talk to: what the name means, or its successor; and its key is there."""
    catalogue = Catalogue.default()
    provider = os.environ.get("PORTKEY_PROVIDER", "").strip() or None
    model = catalogue.resolve(name, default_provider=provider)
    notice = retirement_notice(model.entry)
    if notice and model.entry is not None and model.entry.successor:
        write_line(screen.console, notice, "yellow")
        write_line(screen.console, f"So this demo talks to {model.entry.successor}.", "yellow")
        model = catalogue.resolve(model.entry.successor, default_provider=provider)
    entry = model.entry
    find_credentials(
        model.provider,
        KeySources(portkey=os.environ.get("PORTKEY_API_KEY"), options=entry.options if entry else {}),
        os.environ,
        primary=True,
        custom_host=entry.custom_host if entry else None,
    )
    return model


def _welcome(model: ResolvedModel | None) -> Panel:
    if model is None:
        text = Text.from_markup(
            "The gateway is real, and so is everything between it and your code. The answers are [bold]played[/bold] "
            "by this package's stand-in provider, so no key is needed and nothing is billed."
        )
    else:
        text = Text.assemble(
            "Gateway and answers are real: ",
            (f"{model.model} at {model.provider.title}", "bold"),
            ". The calls go to your account there.",
        )
    title = Text("langchain-pollinations-portkey", style="bold")
    return Panel(text, title=title, title_align="left", border_style="cyan", padding=(0, 2))


def _farewell(model: ResolvedModel | None) -> Panel:
    table = Table.grid(padding=(0, 3))
    for command, purpose in NEXT[:3] if model else NEXT:
        table.add_row(Text(command, style="cyan"), purpose)
    return Panel(table, title=Text("Go on with", style="bold"), title_align="left", border_style="cyan", padding=(0, 2))


def _connect(screen: _Screen, stack: ExitStack, number: int, model: ResolvedModel | None) -> dict[str, Any]:
    """Start the gateway, and make the model that the steps talk to."""
    title = "A gateway, and a model behind it"
    if model is None:
        screen.heading(
            number, title, "LocalGateway runs the open-source Portkey gateway on this machine, with Node.js."
        )
        screen.code(shown_source(steps.connect_to_stand_in))
        connection: Any = steps.connect_to_stand_in()
    else:
        screen.heading(number, title, f'model is "{model.name}".')
        screen.code(shown_source(steps.connect_to_provider))
        connection = steps.connect_to_provider(model.name)
    gateway, chat, provider = _entered(screen, stack, connection)
    if provider is not None:
        provider.answer_with(_play)
    screen.print("The gateway is running.")
    screen.gap()
    return {"gateway": gateway, "chat": chat, "provider": provider, "handbook": HANDBOOK}


def _entered(screen: _Screen, stack: ExitStack, connection: Any) -> Any:
    notice = installation_notice()
    if screen.console.record or not screen.console.is_terminal:
        if notice:
            write_line(stderr(), notice, "dim")
        return stack.enter_context(connection)
    with screen.console.status(notice or "Starting the gateway ..."):
        return stack.enter_context(connection)


def _run(screen: _Screen, step: Step, number: int, values: Mapping[str, Any]) -> None:
    """Show one step: its code, what it prints and what it returns."""
    screen.heading(number, step.title, step.text)
    screen.code(shown_source(step.run))
    provider = values.get("provider")
    if isinstance(provider, StandInProvider):
        pause = _TOKEN_PAUSE if screen.is_paced else 0.0
        provider.script(*(replace(answer, pause=pause) for answer in step.played))
    available = {**values, "print": screen.print}
    returned = step.run(**{name: available[name] for name in inspect.signature(step.run).parameters})
    screen.end_line()
    if step.show is not None:
        shown = step.show(returned)
        if isinstance(shown, Table):
            screen.console.print()
        screen.result(shown)
    screen.gap()


# ---------------------------------------------------------------------- the picture for the README

_THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (126, 231, 135),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (118, 227, 234),
        (201, 209, 217),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (126, 231, 135),
        (227, 179, 65),
        (165, 214, 255),
        (226, 197, 255),
        (179, 240, 255),
        (240, 246, 252),
    ],
)


_TEXT = re.compile(
    r'(?P<head><text class="demo-r\d+" x=")(?P<x>[\d.]+)(?P<middle>" y="[\d.]+" textLength=")(?P<length>[\d.]+)'
    r'(?P<tail>"[^>]*>)(?P<text>[^<]*)</text>'
)
_OUTER_BLANKS = re.compile(r"(?P<before>(?:&#160;)*)(?P<inner>.*?)(?:&#160;)*")


def _without_outer_blanks(text: re.Match[str]) -> str:
    """A text of the picture that begins and ends with a letter: some programs drop blanks there."""
    parts = _OUTER_BLANKS.fullmatch(text["text"])
    columns = len(html.unescape(text["text"]))
    if parts is None or not parts["inner"]:
        return ""
    width = float(text["length"]) / columns
    x = float(text["x"]) + len(html.unescape(parts["before"])) * width
    length = len(html.unescape(parts["inner"])) * width
    return f"{text['head']}{x:.6g}{text['middle']}{length:.6g}{text['tail']}{parts['inner']}</text>"


def picture() -> str:
    """The demo as an SVG image. Nothing in it changes from run to run but what the package itself changes."""
    console = Console(
        record=True,
        width=_WIDTH,
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        legacy_windows=False,
        highlight=False,
        file=io.StringIO(),
    )
    show(console)
    svg = console.export_svg(title="make demo", theme=_THEME, unique_id="demo")
    svg = _TEXT.sub(_without_outer_blanks, svg)
    # Pages that show images of others' load no fonts for them, so none is asked for.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono")


def record(path: Path) -> None:
    """Run the demo and write its picture."""
    svg = picture()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg, encoding="utf-8")
