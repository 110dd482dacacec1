"""Messages that are nothing but text, or nothing but tool calls: a short way to what `messages` gives for them.

Long conversations consist of them, and are sent whole with every turn. A message with anything else about it is
left to `messages`. A test compares the two ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.tool_calls import dump_arguments

WireMessage = dict[str, Any]

PlainWriter = Callable[[BaseMessage], WireMessage | None]
"""Writes a message of one class, or gives `None` if there is more to it. All that it writes are texts."""


def plain_writers(provider: Provider) -> dict[type[BaseMessage], PlainWriter]:
    """Who writes the plain messages of each class, exactly that class, for a provider."""
    quirks = provider.quirks
    writers: dict[type[BaseMessage], PlainWriter] = {HumanMessage: _user, SystemMessage: _system}
    assistant = _speech_and_calls if quirks.keeps_text_beside_tool_calls else _speech_or_calls
    substitute = quirks.unsigned_call_signature if provider.dialect == "google" else None
    writers[AIMessage] = _signing(assistant, substitute) if substitute else assistant
    if quirks.tool_results:
        writers[ToolMessage] = _result if provider.dialect == "openai" else _named_result
    return writers


# Below, fields are read from `__dict__`: an attribute of a pydantic model costs several times as much.


def _text_of(role: str) -> PlainWriter:
    def write(message: BaseMessage) -> WireMessage | None:
        fields = message.__dict__
        content = fields["content"]
        if type(content) is not str or fields["additional_kwargs"] or fields["name"]:
            return None
        return {"role": role, "content": content}

    return write


_user, _system = _text_of("user"), _text_of("system")


def _signing(write: PlainWriter, signature: str) -> PlainWriter:
    """With a signature on the first call, for plain messages bring none."""

    def signed(message: BaseMessage) -> WireMessage | None:
        wire = write(message)
        if wire is not None and "tool_calls" in wire:
            wire["tool_calls"][0]["function"]["thought_signature"] = signature
        return wire

    return signed


def _speech_or_calls(message: BaseMessage) -> WireMessage | None:
    fields = message.__dict__
    return None if fields["tool_calls"] and fields["content"] else _speech_and_calls(message)


def _speech_and_calls(message: BaseMessage) -> WireMessage | None:
    fields = message.__dict__
    content = fields["content"]
    if type(content) is not str or fields["additional_kwargs"] or fields["name"] or fields["invalid_tool_calls"]:
        return None
    given = fields["tool_calls"]
    if not given:
        return {"role": "assistant", "content": content}
    calls = []
    for call in given:
        call_id, name = call["id"], call["name"]
        if type(call_id) is not str or type(name) is not str:
            return None
        function = {"name": name, "arguments": dump_arguments(call["args"])}
        calls.append({"id": call_id, "type": "function", "function": function})
    return {"role": "assistant", "content": content or None, "tool_calls": calls}


def _result(message: BaseMessage) -> WireMessage | None:
    """The result of a tool for those who are not told its name again."""
    fields = message.__dict__
    content, call_id = fields["content"], fields["tool_call_id"]
    if type(content) is not str or type(call_id) is not str or fields["status"] != "success":
        return None
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _named_result(message: BaseMessage) -> WireMessage | None:
    wire, name = _result(message), message.__dict__["name"]
    if wire is None or not name:
        return wire
    return {"role": "tool", "tool_call_id": wire["tool_call_id"], "name": name, "content": wire["content"]}
