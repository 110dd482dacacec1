"""OpenAI's tools: definitions, choice, calls and their results.

Sources: platform.openai.com, API reference "Create chat completion" (tools, tool_choice), guide "Function calling";
quoted messages are the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules import openai_schema
from langchain_pollinations_portkey.testing.rules.openai_messages import (
    empty_array,
    missing,
    wrong_type,
    wrong_value,
)
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal

_NAME = re.compile(r"^[a-zA-Z0-9_-]+$")
_MAX_NAME = 64
_CHOICES = ("none", "auto", "required")


def call_shapes(fields: Fields) -> Iterator[Refusal]:
    """An assistant's tool_calls are a filled list of calls, each with an id and its arguments as text."""
    for index, message in enumerate(fields["messages"]):
        if "tool_calls" not in message or message["tool_calls"] is None:
            continue
        where = f"messages[{index}].tool_calls"
        calls = message["tool_calls"]
        if not isinstance(calls, list):
            yield wrong_type(where, "an array of objects", calls)
            return
        if not calls:
            yield empty_array(where)
        for number, call in enumerate(calls):
            yield from _call(call, f"{where}[{number}]")


def _call(call: Any, where: str) -> Iterator[Refusal]:
    if not isinstance(call, dict):
        yield wrong_type(where, "an object", call)
        return
    for key in ("id", "type"):
        if not isinstance(call.get(key), str):
            yield missing(f"{where}.{key}")
    if call["type"] not in {"function", "custom"}:
        yield wrong_value(f"{where}.type", call["type"], ("function", "custom"))
    if call["type"] != "function":
        return
    function = call.get("function")
    if not isinstance(function, dict):
        yield missing(f"{where}.function")
        return
    yield from _name(function.get("name"), f"{where}.function.name")
    if "arguments" not in function:
        yield missing(f"{where}.function.arguments")
    if not isinstance(function["arguments"], str):
        yield wrong_type(f"{where}.function.arguments", "a string", function["arguments"])


def _name(name: Any, where: str) -> Iterator[Refusal]:
    """Says "string does not match pattern ... '^[a-zA-Z0-9_-]+$'", "string too long ... maximum length 64"."""
    if name is None:
        yield missing(where)
    elif not isinstance(name, str):
        yield wrong_type(where, "a string", name)
    elif not _NAME.match(name):
        yield Refusal(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            code="invalid_value",
            param=where,
        )
    elif len(name) > _MAX_NAME:
        yield Refusal(
            f"Invalid '{where}': string too long. Expected a string with maximum length {_MAX_NAME}, but got a "
            f"string with length {len(name)} instead.",
            code="string_above_max_length",
            param=where,
        )


def calls_answered(fields: Fields) -> Iterator[Refusal]:
    """Each tool call is answered by a tool message right after it, each tool message answers a call."""
    open_ids: list[str] = []
    known_ids: set[str] = set()
    for index, message in enumerate(fields["messages"]):
        if message["role"] == "tool":
            call_id = message["tool_call_id"]
            if call_id not in known_ids:
                yield Refusal(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            if call_id in open_ids:
                open_ids.remove(call_id)
            continue
        if open_ids:
            yield _unanswered(open_ids, index)
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
        known_ids = set(open_ids)
    if open_ids:
        yield _unanswered(open_ids, len(fields["messages"]))


def _unanswered(ids: list[str], index: int) -> Refusal:
    return Refusal(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(ids)}",
        param=f"messages.[{index}].role",
    )


def definitions(fields: Fields) -> Iterator[Refusal]:
    """Tools are a filled list; a function has a name."""
    tools = fields.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list):
        yield wrong_type("tools", "an array of objects", tools)
        return
    if not tools:
        yield empty_array("tools")
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if not isinstance(tool, dict):
            yield wrong_type(where, "an object", tool)
            return
        kind = tool.get("type", "function")
        if kind not in {"function", "custom"}:
            yield wrong_value(f"{where}.type", kind, ("function", "custom"))
            return
        if not isinstance(tool.get(kind), dict):
            yield missing(f"{where}.{kind}")
            return
        yield from _name(tool[kind].get("name"), f"{where}.{kind}.name")


def choice(fields: Fields) -> Iterator[Refusal]:
    """tool_choice and parallel_tool_calls only make sense with tools."""
    for param in ("tool_choice", "parallel_tool_calls"):
        if fields.get(param) is not None and not fields.get("tools"):
            yield Refusal(
                f"Invalid value for '{param}': '{param}' is only allowed when 'tools' are specified.", param=param
            )
    chosen = fields.get("tool_choice")
    if not isinstance(chosen, dict):
        return
    if chosen.get("type") == "function":
        name = (chosen.get("function") or {}).get("name")
        if name is None:
            yield missing("tool_choice.function")
        elif name not in {(tool.get("function") or {}).get("name") for tool in fields["tools"]}:
            yield Refusal(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
    elif chosen.get("type") not in {"allowed_tools", "custom"}:
        yield wrong_value("tool_choice.type", chosen.get("type"), ("function", "allowed_tools", "custom"))


def choice_word(fields: Fields) -> Iterator[Refusal]:
    """OpenAI's words for tool_choice. Mistral also has "any"."""
    chosen = fields.get("tool_choice")
    if isinstance(chosen, str) and chosen not in _CHOICES:
        yield wrong_value("tool_choice", chosen, _CHOICES)


def schemas(fields: Fields) -> Iterator[Refusal]:
    """A tool says its type; a function's parameters are an object schema; strict ones keep strict's rules."""
    for index, tool in enumerate(fields.get("tools") or ()):
        if "type" not in tool:
            yield missing(f"tools[{index}].type")
        if tool["type"] == "function":
            yield from openai_schema.function_parameters(tool["function"], f"tools[{index}].function")
