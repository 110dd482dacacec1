"""A wished form of answer (`response_format`) for providers to which the gateway does not hand it on.

The model is made to call a tool whose arguments are the answer; on the way back the arguments become the text of
the message, as if `response_format` had been there. `emulate_response_format` changes the request,
`unwrap_answer` an answer in JSON, and `StreamUnwrapper` the events of a stream - each before anything else reads
them, so that nobody further on knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.tools import tool_names, tools_to_wire

_ANY_OBJECT = {"type": "object", "properties": {}, "additionalProperties": True}


def emulate_response_format(body: dict[str, Any], provider: Provider) -> str | None:
    """Turn a `response_format` that would be dropped into a tool that has to be called.

    Args:
        body: The request; changed in place.
        provider: Who will read it.

    Returns:
        The name of the tool, `None` if there is nothing to emulate.

    Raises:
        PortkeyConfigurationError: The provider gets neither `response_format` nor tools.
    """
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if "response_format" not in provider.quirks.drops or not isinstance(wanted, Mapping):
        return None
    if kind not in ("json_object", "json_schema"):
        del body["response_format"]  # "text" is what it does anyway
        return None
    if "tools" in provider.quirks.drops:
        raise PortkeyConfigurationError(
            f"The gateway hands neither response_format nor tools on to {provider.title}, so no form of answer can be "
            "asked for there. Ask for JSON in the prompt and read it with langchain_core's JsonOutputParser."
        )
    del body["response_format"]
    others = tools_to_wire(body.get("tools") or [])
    described = wanted.get("json_schema") or {}
    name = _free_name(str(described.get("name") or "answer"), tool_names(others))
    function = {
        "name": name,
        "description": described.get("description") or "Give the answer by calling this tool.",
        "parameters": described.get("schema") or wanted.get("schema") or _ANY_OBJECT,
    }
    body["tools"] = [*others, {"type": "function", "function": function}]
    if body.get("tool_choice") in (None, False, "auto"):
        body["tool_choice"] = "any" if others else name
    return name


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def unwrap_answer(body: Any, tool: str | None) -> Any:
    """An answer whose call of `tool`, if any, became its text; another one stays as it is.

    Args:
        body: The decoded JSON answer; it is not changed.
        tool: The name that `emulate_response_format` gave; with `None` every answer stays as it is.
    """
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if tool is None or not isinstance(choices, list):
        return body
    return {**body, "choices": [_unwrap_choice(choice, tool) for choice in choices]}


def _unwrap_choice(choice: Any, tool: str) -> Any:
    message = choice.get("message") if isinstance(choice, Mapping) else None
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or not isinstance(calls, list):
        return choice
    answers = [call for call in calls if _name(call) == tool]
    if not answers:
        return choice
    # Beside calls of other tools the answer came too early: the conversation goes on with those.
    others = [call for call in calls if _name(call) != tool]
    unwrapped = {key: value for key, value in message.items() if key not in ("tool_calls", "content")}
    if others:
        return {**choice, "message": {**unwrapped, "content": message.get("content"), "tool_calls": others}}
    if unwrapped.get("content_blocks"):
        unwrapped["content_blocks"] = [block for block in unwrapped["content_blocks"] if not _is_text(block)]
    unwrapped["content"] = answers[0]["function"].get("arguments") or "{}"
    return {**choice, "message": unwrapped, "finish_reason": _finish(choice.get("finish_reason"))}


def _name(call: Any) -> str | None:
    function = call.get("function") if isinstance(call, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None


def _is_text(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "text"


def _finish(reason: Any) -> Any:
    """A call was asked for only by us, so the answer did not stop for one. Any other reason is the model's."""
    return "stop" if reason in ("tool_calls", "tool_use", "function_call") else reason


class StreamUnwrapper:
    """The events of a stream, in which a call of one tool becomes text.

    Strategy: the arguments of that tool go on as `content` the moment they come. Text that comes before is a
    preface to the call, which has no place in the answer, or, if no call follows, the answer itself; so it is kept
    until one of the two is certain. Calls of other tools pass.

    Args:
        tool: The name that `emulate_response_format` gave; with `None` every event passes as it is.
    """

    def __init__(self, tool: str | None) -> None:
        self._tool = tool
        self._index: Any = _NO_CALL  # the number of our call in the answer
        self._ours = False  # the call that was named last is ours
        self._answering = False  # our call came, and none of another tool before it
        self._others = False
        self._said_any = False
        self._kept: list[Mapping[str, Any]] = []

    def feed(self, event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Take an event, give those that are certain now."""
        choices = event.get("choices")
        if self._tool is None or not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
            yield event
            return
        choice = choices[0]
        delta = choice.get("delta")
        delta = delta if isinstance(delta, Mapping) else {}
        ended = choice.get("finish_reason") is not None
        arguments, others = self._calls(delta)
        rest = {key: value for key, value in delta.items() if key != "tool_calls"}
        if others:
            rest["tool_calls"] = others
        changed = {**choice, "delta": rest}
        if self._answering:
            self._kept = []
            if ended and not self._said_any and not arguments:
                arguments = "{}"  # a call without arguments has none in a stream
            changed["delta"] = _with_content(rest, arguments)
            self._said_any = self._said_any or bool(arguments)
            if ended and not self._others:
                changed["finish_reason"] = _finish(choice["finish_reason"])
        elif self._others or ended:
            yield from self.flush()
        elif _says_text(delta):
            self._kept.append(event)
            return
        yield {**event, "choices": [changed, *choices[1:]]}

    def flush(self) -> Iterator[Mapping[str, Any]]:
        """Take the end of the stream."""
        kept, self._kept = self._kept, []
        yield from kept

    def _calls(self, delta: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """What this delta adds to the arguments of our tool, and the pieces of other calls."""
        arguments, others = "", []
        calls = delta.get("tool_calls") or []
        for call in calls if isinstance(calls, list) else [calls]:
            if not isinstance(call, Mapping):
                continue
            self._tell(call)
            if not self._ours:
                others.append(call)
            elif self._answering and isinstance(call.get("function"), Mapping):
                arguments += call["function"].get("arguments") or ""
        return arguments, others

    def _tell(self, call: Mapping[str, Any]) -> None:
        """Tell whose piece of a call this is. Only the first piece has a name."""
        name = _name(call)
        if name == self._tool:
            self._ours, self._index = True, call.get("index")
            self._answering = self._answering or not self._others
        elif name:
            self._ours, self._others = False, True
        elif call.get("index") is not None:
            self._ours = call["index"] == self._index


_NO_CALL = object()


def _says_text(delta: Mapping[str, Any]) -> bool:
    blocks = delta.get("content_blocks")
    return bool(delta.get("content")) or any(map(_is_text_delta, blocks if isinstance(blocks, list) else ()))


def _is_text_delta(block: Any) -> bool:
    inner = block.get("delta") if isinstance(block, Mapping) else None
    return isinstance(inner, Mapping) and "text" in inner


def _with_content(delta: Mapping[str, Any], content: str) -> dict[str, Any]:
    """A delta whose only text is `content`."""
    changed = {key: value for key, value in delta.items() if key != "content"}
    if isinstance(changed.get("content_blocks"), list):
        changed["content_blocks"] = [block for block in changed["content_blocks"] if not _is_text_delta(block)]
    if content:
        changed["content"] = content
    return changed
