"""Messages of older forms in today's: function calls as tool calls, chat messages by their role."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call


def modern_message(message: BaseMessage, position: int, open_calls: dict[str, str]) -> BaseMessage:
    """A message in a form that every provider can be told.

    A function call has no id; the call and its result get one made of their position. A `FunctionMessage` that
    answers no call stays as it is.

    Args:
        message: The message.
        position: Where it stands in its conversation.
        open_calls: Ids of the functions called so far and not answered, by the name of the function; changed in place.
    """
    match message:
        case ChatMessage():
            return _by_role(message)
        case AIMessage() if call := _function_call(message):
            name, arguments = call
            open_calls[name] = f"call_{position}_function"
            return _with_call(message, name, arguments, open_calls[name])
        case FunctionMessage() if message.name in open_calls:
            return ToolMessage(content=message.content, name=message.name, tool_call_id=open_calls.pop(message.name))
        case _:
            return message


def _by_role(message: ChatMessage) -> BaseMessage:
    """The message class of a role; a role without one stays, for providers with roles of their own."""
    given: dict[str, Any] = {"content": message.content, "additional_kwargs": message.additional_kwargs}
    if message.name:
        given["name"] = message.name
    match message.role.lower():
        case "user" | "human":
            return HumanMessage(**given)
        case "assistant" | "ai" | "model":
            return AIMessage(**given)
        case "system":
            return SystemMessage(**given)
        case "developer":
            return SystemMessage(**{**given, "additional_kwargs": {"__openai_role__": "developer"}})
        case _:
            return message


def _function_call(message: AIMessage) -> tuple[str, str] | None:
    """Name and arguments of a call in the form before tools, unless it is a tool call too."""
    call = message.additional_kwargs.get("function_call")
    if not isinstance(call, Mapping) or not call.get("name") or message.tool_calls or message.invalid_tool_calls:
        return None
    return str(call["name"]), str(call.get("arguments") or "{}")


def _with_call(message: AIMessage, name: str, arguments: str, call_id: str) -> AIMessage:
    try:
        parsed = json.loads(arguments)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        return message.model_copy(update={"tool_calls": [tool_call(name=name, args=parsed, id=call_id)]})
    broken = invalid_tool_call(name=name, args=arguments, id=call_id, error=None)
    return message.model_copy(update={"invalid_tool_calls": [broken]})
