"""Talking to a model on the command line: one question, or a conversation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.utils import message_chunk_to_message
from rich.console import Console

from langchain_pollinations_portkey.chat_models import ChatPortkey
from langchain_pollinations_portkey.cli.attachments import Attachment, content_of, read_attachment
from langchain_pollinations_portkey.cli.terminal import printable, write_line
from langchain_pollinations_portkey.errors import PortkeyError

HELP = """\
/model NAME   go on with another model; without NAME, say which one it is
/file PATH    attach a file or an address to the next question; without PATH, say which ones are
/clear        forget the conversation and the files attached
/exit         leave (so does Ctrl-D)
Ctrl-C ends an answer. What it had said until then stays in the conversation."""

_PROMPT = "> "


class ChatSession:
    """A conversation with one model after the other.

    Args:
        make: Makes the model of a name; raises a `PortkeyError` if there is no such model.
        model: The name to begin with.
        system: The system prompt, kept when the conversation is forgotten.
        attachments: What goes with the first question.
        out: Where answers go.
        notes: Where everything else goes.
        explain: What to tell the user about an error; its text if not given.
        show_usage: Whether to report the token counts of each answer.
    """

    def __init__(
        self,
        make: Callable[[str], ChatPortkey],
        model: str,
        *,
        out: Console,
        notes: Console,
        system: str | None = None,
        attachments: Sequence[Attachment] = (),
        explain: Callable[[PortkeyError], str] = str,
        show_usage: bool = False,
    ) -> None:
        self._make = make
        self._chat = make(model)
        self._out = out
        self._notes = notes
        self._explain = explain
        self._show_usage = show_usage
        self._system = [SystemMessage(system)] if system else []
        self._history: list[BaseMessage] = []
        self._attachments = list(attachments)

    def ask(self, question: str) -> None:
        """Ask, with the files attached, write the answer as it comes, and remember both.

        Raises:
            PortkeyError: The call failed; the question is not remembered, and the files wait for the next one.
            KeyboardInterrupt: The user ended the answer; what had come of it is remembered.
        """
        asked = HumanMessage(content_of(question, self._attachments))
        writer = _AnswerWriter(self._out)
        try:
            for chunk in self._chat.stream([*self._system, *self._history, asked]):
                writer.write(chunk)
        except KeyboardInterrupt:
            self._remember(asked, writer.whole)
            raise
        finally:
            writer.end()
        self._remember(asked, writer.whole)
        if writer.whole is not None:
            self._report(writer.whole)

    def run(self) -> None:
        """Take questions from the terminal until the user leaves."""
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives input() its line editing and history
        write_line(self._notes, f"{self._chat.model_name} (/help lists what else you can type)", "dim")
        if self._attachments:
            self._list_attachments()
        while True:
            try:
                text = input(_PROMPT).strip()
            except EOFError:
                self._out.file.write("\n")
                return
            except KeyboardInterrupt:
                self._out.file.write("\n")
                continue
            if text in ("/exit", "/quit"):
                return
            if text:
                self._answer(text)

    def _answer(self, text: str) -> None:
        try:
            if text.startswith("/"):
                self._command(*text[1:].split(maxsplit=1))
            else:
                self.ask(text)
        except KeyboardInterrupt:
            write_line(self._notes, "(ended)", "dim")
        except PortkeyError as error:
            write_line(self._notes, f"Error: {self._explain(error)}", "red")
        if self._attachments and not text.startswith("/"):  # a question without an answer is not remembered
            self._list_attachments()

    def _command(self, name: str = "", argument: str = "") -> None:
        if name == "clear":
            self._history.clear()
            self._attachments.clear()
            write_line(self._notes, "The conversation is forgotten.", "dim")
        elif name == "model":
            if argument:
                self._chat = self._make(argument.strip())
            write_line(self._notes, self._chat.model_name, "dim")
        elif name == "file":
            if argument:
                self._attachments.append(read_attachment(_unquoted(argument)))
            self._list_attachments()
        elif name == "help":
            write_line(self._notes, HELP, "dim")
        else:
            write_line(self._notes, f"There is no /{name}. /help lists what there is.", "yellow")

    def _list_attachments(self) -> None:
        names = ", ".join(map(str, self._attachments))
        text = f"With the next question: {names} (/clear takes them back)" if names else "No file is attached."
        write_line(self._notes, text, "dim")

    def _remember(self, question: HumanMessage, answer: AIMessageChunk | None) -> None:
        """Keep a turn. A question without an answer is left out, so that turns keep alternating."""
        if answer is not None and answer.text:
            self._history += [question, message_chunk_to_message(answer)]
            self._attachments.clear()

    def _report(self, answer: AIMessageChunk) -> None:
        if answer.response_metadata.get("finish_reason") == "length":
            write_line(self._notes, "(cut off: the answer reached its largest allowed length)", "yellow")
        if self._show_usage:
            write_line(self._notes, _usage(answer), "dim")


class _AnswerWriter:
    """Writes the chunks of one answer as they come.

    Text goes out as it is when it is piped. On a terminal, thinking is shown before it, dimmed.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._at_line_start = True
        self._thinking = False
        self.whole: AIMessageChunk | None = None

    def write(self, chunk: AIMessageChunk) -> None:
        """Write what is new in a chunk."""
        self.whole = chunk if self.whole is None else self.whole + chunk
        if self._out.is_terminal:
            for block in chunk.content_blocks:
                if block["type"] == "reasoning" and block.get("reasoning"):
                    self._write_thinking(block["reasoning"])
        if chunk.text:
            self._write_text(chunk.text)

    def end(self) -> None:
        """End the last line, if something was written."""
        if not self._at_line_start:
            self._put("\n")

    def _write_thinking(self, text: str) -> None:
        self._thinking = True
        self._out.print(printable(text), style="dim italic", end="", markup=False, soft_wrap=True)
        self._at_line_start = text.endswith("\n")

    def _write_text(self, text: str) -> None:
        if self._thinking:
            self._put("\n" if self._at_line_start else "\n\n")
            self._thinking = False
        self._put(printable(text) if self._out.is_terminal else text)

    def _put(self, text: str) -> None:
        # Not by rich, which would replace tabs.
        self._out.file.write(text)
        self._out.file.flush()
        self._at_line_start = text.endswith("\n")


def _unquoted(path: str) -> str:
    """A path as it was meant: terminals put quotes around those that are dropped on them."""
    path = path.strip()
    quoted = len(path) > 1 and path[0] == path[-1] and path[0] in "'\""
    return path[1:-1] if quoted else path


def _usage(answer: AIMessageChunk) -> str:
    usage = answer.usage_metadata
    if usage is None:
        return "The provider told no token counts."
    details = usage.get("input_token_details", {})
    text = f"{usage['input_tokens']:,} input tokens"
    counts = ((details.get("cache_read"), "from the cache"), (details.get("cache_creation"), "written to it"))
    parts = [f"{count:,} {words}" for count, words in counts if count]
    text += f" ({', '.join(parts)})" if parts else ""
    text += f", {usage['output_tokens']:,} output tokens"
    reasoning = usage.get("output_token_details", {}).get("reasoning")
    return text + (f" ({reasoning:,} of them thinking)" if reasoning else "")
