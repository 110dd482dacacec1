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

    def finish(self) -> list[ToolCallChunk]:
        """What is still missing of the arguments when the stream has ended."""
        return [tool_call_chunk(name=None, args='"}', id=None, index=number) for number in self.custom]

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
