"""The tool calls of a streamed answer, in numbers of our own.

Providers restart their index in every chunk (Gemini), leave it out (Mistral, Cohere), repeat it for another call
(compatible servers) or use -1 for their own tools (Anthropic, by way of the gateway). A new id always begins a
new call.
"""

from __future__ import annotations

import json

from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from langchain_pollinations_portkey.wire.chat.pieces import WireToolCall


class StreamedCalls:
    """Turns the pieces of one stream's tool calls into LangChain's, call by call."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        """The id of each call, in the order in which the calls began."""
        self.custom: list[int] = []
        """The numbers of the calls of free-form tools."""
        self._by_index: dict[int | None, int] = {}
        self._arguments: list[list[str]] = []

    def begins(self, call: WireToolCall) -> bool:
        """Whether a piece begins a call; otherwise it goes on with one."""
        current = self._current(call)
        if current is None:
            return True
        if call.id is not None:
            return call.id != self.ids[current]
        if call.name is None:
            return False
        # A name without an id: some servers repeat the name in every piece, others send whole calls that way.
        return call.index is None or self._is_complete(current)

    def begin(self, call: WireToolCall, call_id: str) -> ToolCallChunk:
        """Begin a call."""
        number = len(self.ids)
        self._by_index[call.index] = number
        self.ids.append(call_id)
        self._arguments.append([])
        if call.custom:
            self.custom.append(number)
        return tool_call_chunk(name=call.name, args=self._more(number, call, opening=True), id=call_id, index=number)

    def go_on(self, call: WireToolCall) -> ToolCallChunk | None:
        """Go on with the call that a piece belongs to; `None` if the piece says nothing."""
        number = self._current(call)
        if number is None or not call.arguments:
            return None
        return tool_call_chunk(name=None, args=self._more(number, call), id=None, index=number)

    def goes_on(self, call: WireToolCall) -> bool:
        """Whether a piece without any id or name goes on with a call of a tool with a schema."""
        number = self._current(call)
        return number is not None and number not in self.custom

    def finish(self) -> list[ToolCallChunk]:
        """What is still missing of the arguments when the stream has ended."""
        missing = {number: unfinished("".join(pieces)) for number, pieces in enumerate(self._arguments)}
        missing |= dict.fromkeys(self.custom, '"}')
        return [
            tool_call_chunk(name=None, args=args, id=None, index=number) for number, args in missing.items() if args
        ]

    def _current(self, call: WireToolCall) -> int | None:
        """The call that a piece belongs to unless it begins one."""
        current = self._by_index.get(call.index)
        if current is None and call.id is None and call.name is None and self.ids:
            return len(self.ids) - 1  # a piece without any mark belongs to the call that is open
        return current

    def _more(self, number: int, call: WireToolCall, *, opening: bool = False) -> str:
        arguments = call.arguments or ""
        if number in self.custom:
            # LangChain's arguments are JSON; the free text becomes the value of "input", a string that stays
            # open until the stream ends.
            arguments = json.dumps(arguments, ensure_ascii=False)[1:-1]
            return '{"input": "' + arguments if opening else arguments
        if arguments:
            self._arguments[number].append(arguments)
        return arguments

    def _is_complete(self, number: int) -> bool:
        try:
            json.loads("".join(self._arguments[number]))
        except ValueError:
            return False
        return True


def unfinished(arguments: str) -> str:
    """What has to follow a call's arguments for LangChain not to complete them by itself.

    It reads the arguments of a streamed call as they come, closing what is open. Of arguments that were cut off for
    good (`max_tokens`) it would make a call as well, and an agent would delete half a path. A bracket that closes
    nothing makes it an invalid call, which is what it is where it does not come in a stream.

    Args:
        arguments: The text of all arguments; empty for none.

    Returns:
        The rest, `""` for arguments that are whole.
    """
    if not arguments:
        return ""
    try:
        json.loads(arguments, strict=False)  # as LangChain does
    except ValueError:
        # Quotes and brackets within strings count too many brackets, which does no harm.
        return _end_of_string(arguments) + "]" * (arguments.count("[") + 1)
    return ""


def _end_of_string(text: str) -> str:
    """What ends the string that a piece of JSON breaks off in; `""` outside of strings."""
    inside = escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = inside
        elif char == '"':
            inside = not inside
    return '\\"' if escaped else '"' if inside else ""
