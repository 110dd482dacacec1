"""The command `pollinations-portkey`: the catalogue, a gateway, a chat, a doctor and a demonstration.

Answers go to stdout and everything else to stderr, so that all of it can be piped. What costs time to import
is imported in the commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dotenv import load_dotenv
from typer.core import TyperGroup

from langchain_pollinations_portkey import __version__
from langchain_pollinations_portkey.cli import PROGRAM, terminal

if TYPE_CHECKING:
    from langchain_pollinations_portkey.chat_models import ChatPortkey
    from langchain_pollinations_portkey.errors import PortkeyError

_Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        envvar="PORTKEY_MODEL",
        help="A name of the catalogue, or provider/model. Default: the first whose key is set.",
        show_default=False,
    ),
]
_BaseURL = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="The gateway. Default: PORTKEY_GATEWAY_URL, PORTKEY_BASE_URL or http://localhost:8787/v1.",
        show_default=False,
    ),
]


class _Commands(TyperGroup):
    """All commands: each with the settings of `.env`, its errors as lines, its end by signals an orderly one."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            load_dotenv(Path.cwd() / ".env", override=False)
        except (OSError, UnicodeDecodeError) as error:
            raise terminal.fail(f".env in the working directory cannot be read: {error}") from None
        with terminal.ending_on_signals(), terminal.reporting():
            return super().invoke(ctx)


app = typer.Typer(
    name=PROGRAM,
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Run the command with the arguments of this process, and exit."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # An odd character in a pipe or a terminal of another encoding must not end the command.
        with contextlib.suppress(AttributeError):  # there may be no such stream at all
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name=PROGRAM)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """LangChain models behind a Portkey AI Gateway, by short names.

    Keys and settings are read from the environment and from [bold].env[/bold] in the working directory.
    """


@app.command()
def models(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Only rows that have all these words in them.", show_default=False),
    ] = None,
    provider: Annotated[
        str | None, typer.Option("--provider", "-p", metavar="NAME", help="Only this provider's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """List the short names, their models, and whether a key is set.

    Ends with status 1 if no row fits.
    """
    from langchain_pollinations_portkey.catalogue import Catalogue
    from langchain_pollinations_portkey.cli import model_table

    catalogue = Catalogue.default()
    rows = catalogue.search(" ".join(words or []))
    if provider is not None:
        wanted = catalogue.provider(provider).id
        rows = [row for row in rows if row.provider == wanted]
    if as_json:
        typer.echo(json.dumps(model_table.as_json(rows, os.environ), indent=2, ensure_ascii=False))
    elif rows:
        out = terminal.stdout()
        out.print(model_table.as_table(rows, os.environ))
        missing = model_table.missing_keys(rows, os.environ)
        if missing:
            names = ", ".join(f"{' and '.join(variables)} ({name})" for name, variables in missing.items())
            terminal.write_line(terminal.stderr(), f"Keys that are not set: {names}", "dim")
    if not rows:
        if not as_json:
            terminal.write_line(terminal.stderr(), "No row of the catalogue fits.", "yellow")
        raise typer.Exit(1)


@app.command()
def gateway(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 8787,
    trust_host: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-host",
            metavar="NAME",
            help="A host in a private network that may be used as custom_host. Repeatable.",
            show_default=False,
        ),
    ] = None,
    all_interfaces: Annotated[
        bool, typer.Option("--all-interfaces", help="Let other machines and containers use it. It asks for no key.")
    ] = False,
) -> None:
    """Run a Portkey gateway on this machine until Ctrl-C.

    The first time, it is installed with npm into your cache folder. Unlike one started with npx, it can stream.
    """
    from langchain_pollinations_portkey.gateway.local import LocalGateway, LocalGatewayError

    local = LocalGateway(port=port, trusted_custom_hosts=trust_host or (), all_interfaces=all_interfaces)
    out, notes = terminal.stdout(), terminal.stderr()
    with terminal.running(local, notes):
        terminal.write_line(out, f"Portkey gateway at {local.base_url} (Ctrl-C stops it)", "green")
        terminal.write_line(out, f"export PORTKEY_GATEWAY_URL={local.base_url}", "")
        try:
            while local.pid is not None:
                time.sleep(0.1)
        except KeyboardInterrupt:
            terminal.write_line(notes, "Stopped.", "dim")
            return
        raise LocalGatewayError(f"The gateway ended by itself. It wrote:\n{local.output}")


@app.command()
def chat(  # noqa: PLR0917 - its options
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask. Text piped in is added to it; without either, a conversation begins.",
            show_default=False,
        ),
    ] = None,
    model: _Model = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="PATH|URL",
            help="An image, PDF, audio, video or text file that goes with the question. Repeatable.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", "-s", metavar="TEXT", help="The system prompt.", show_default=False),
    ] = None,
    base_url: _BaseURL = None,
    start_gateway: Annotated[
        bool, typer.Option("--start-gateway", help="Run a gateway of one's own until the end of the chat.")
    ] = False,
    usage: Annotated[bool, typer.Option("--usage", help="Report the token counts on stderr.")] = False,
) -> None:
    """Ask a model; the answer is written as it comes.

    In a conversation, /file attaches a file to the next question, and /help lists what else can be typed.
    """
    from langchain_pollinations_portkey.cli.attachments import read_attachment
    from langchain_pollinations_portkey.cli.chat_session import ChatSession
    from langchain_pollinations_portkey.errors import PortkeyError
    from langchain_pollinations_portkey.gateway.local import LocalGateway

    if base_url and start_gateway:
        raise typer.BadParameter("--start-gateway starts a gateway of its own; leave --base-url out.")
    question = _question(prompt)
    if question is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        about = " about the file" if file else ""
        raise typer.BadParameter(f"There is nothing to ask{about}: give a prompt, or pipe one in.")
    attachments = [read_attachment(one) for one in file or ()]
    name = model or _default_model()
    out, notes = terminal.stdout(), terminal.stderr()
    with contextlib.ExitStack() as stack:
        url = base_url
        if start_gateway:
            url = stack.enter_context(terminal.running(LocalGateway(), notes)).base_url
        session = ChatSession(
            lambda name: _chat_model(name, url),
            name,
            out=out,
            notes=notes,
            system=system,
            attachments=attachments,
            explain=_explained,
            show_usage=usage,
        )
        if question is None:
            session.run()
            return
        try:
            session.ask(question)
        except PortkeyError as error:
            raise terminal.fail(_explained(error)) from None


def _question(prompt: str | None) -> str | None:
    """The prompt and what is piped in, one after the other; `None` if there is neither."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    parts = [part for part in (prompt or "", piped.rstrip()) if part.strip()]
    return "\n\n".join(parts) or None


def _default_model() -> str:
    from langchain_pollinations_portkey.cli.model_table import default_model

    name = default_model(os.environ)
    if name is None:
        raise terminal.fail(
            "No model was named, and no provider's key is set. Set one (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...) in the "
            f"environment or in .env, or name a model with --model or PORTKEY_MODEL. `{PROGRAM} models` lists names "
            f"and keys; `{PROGRAM} demo` needs no key."
        )
    return name


def _chat_model(name: str, base_url: str | None) -> ChatPortkey:
    """The model of a name.

    Raises:
        PortkeyError: There is none of this name.
    """
    from langchain_pollinations_portkey.catalogue import Catalogue
    from langchain_pollinations_portkey.chat_models import ChatPortkey
    from langchain_pollinations_portkey.gateway.settings import is_hosted

    # Whoever names an address wants what is there to be seen, also by a model whose provider does not fetch it.
    arguments = {"model": name, "download_images": True, **({"base_url": base_url} if base_url else {})}
    chat = ChatPortkey(**arguments)
    provider = os.environ.get("PORTKEY_PROVIDER", "").strip() or None
    Catalogue.default().resolve(name, default_provider=provider, hosted=is_hosted(chat.base_url))
    return chat


def _explained(error: PortkeyError) -> str:
    """The text of an error, and how to get a gateway where the default one is not running."""
    from langchain_pollinations_portkey.errors import PortkeyConnectionError
    from langchain_pollinations_portkey.gateway.settings import DEFAULT_BASE_URL

    unreachable = isinstance(error, PortkeyConnectionError) and DEFAULT_BASE_URL.removesuffix("/v1") in str(error)
    if unreachable and shutil.which("node"):
        return f"{error} With --start-gateway, this command runs one by itself."
    return str(error)


@app.command()
def doctor(
    context: typer.Context,
    model: _Model = None,
    base_url: _BaseURL = None,
    no_call: Annotated[bool, typer.Option("--no-call", help="Do not ask the model, which costs a few tokens.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, for a bug report. Keys are masked.")] = False,
) -> None:
    """Find out what is in the way of an answer, and what to do about it.

    Looks at Node.js, the gateway, the model's name and its keys; then asks the model something short.

    Ends with status 1 if something failed.
    """
    from langchain_pollinations_portkey.cli import doctor_report
    from langchain_pollinations_portkey.cli.doctor_asking import Order, examine

    named = context.get_parameter_source("model")
    source = "PORTKEY_MODEL" if named is not None and named.name == "ENVIRONMENT" else "--model"
    findings = examine(Order(model, source, base_url, call=not no_call), os.environ)
    if as_json:
        found = list(findings)
        typer.echo(json.dumps(doctor_report.as_json(found), indent=2, ensure_ascii=False))
    else:
        found = doctor_report.write(findings, terminal.stdout())
    if doctor_report.has_failed(found):
        raise typer.Exit(1)


@app.command()
def demo(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="Talk to this model at its provider, with your key and at your cost.",
            show_default=False,
        ),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not pause for reading.")] = False,
    record: Annotated[Path | None, typer.Option("--record", hidden=True, metavar="FILE.svg")] = None,
) -> None:
    """Show what this package does, through a real gateway. Needs no key.

    Without --model, the answers are played by a stand-in for the providers on this machine.
    """
    from langchain_pollinations_portkey.cli import demo as demonstration

    if record is not None:
        demonstration.record(record)
        typer.echo(f"Wrote {record}")
        return
    out = terminal.stdout()
    demonstration.show(out, model=model, paced=out.is_terminal and not fast)
