"""Anthropic's tools: their definitions, the choice among them, and calls with their results.

Sources: docs.anthropic.com, API reference "Messages" (tools, tool_choice), guide "Tool use"; quoted messages are
the API's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from langchain_pollinations_portkey.testing.rules.anthropic_cache import marker_shape
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal, unknown_keys

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_PROPERTY = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")
_SERVER_TOOL = re.compile(r"^[a-z0-9_]+_\d{8}$|^mcp_toolset$")
"""Anthropic's own tools carry a date in their type (`web_search_20250305`); their settings are not checked."""

_TOOL_KEYS = frozenset(
    {
        "allowed_callers",
        "cache_control",
        "defer_loading",
        "description",
        "eager_input_streaming",
        "input_examples",
        "input_schema",
        "name",
        "strict",
        "type",
    }
)
_CHOICE_KEYS = {
    "auto": {"disable_parallel_tool_use"},
    "any": {"disable_parallel_tool_use"},
    "tool": {"disable_parallel_tool_use", "name"},
    "none": set[str](),
}


@dataclass(slots=True)
class Turn:
    """Consecutive messages of one role, which the API treats as one.

    Attributes:
        role: "user" or "assistant".
        first: the index of its first message.
        blocks: (path, block); a text that is no block stands as a text block.
    """

    role: str
    first: int
    blocks: list[tuple[str, Fields]] = field(default_factory=list)


def turns(fields: Fields) -> list[Turn]:
    """The conversation, equal roles in a row merged."""
    merged: list[Turn] = []
    for index, message in enumerate(fields["messages"]):
        if not merged or merged[-1].role != message["role"]:
            merged.append(Turn(message["role"], index))
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}] if content else []
        blocks = ((f"messages.{index}.content.{number}", block) for number, block in enumerate(content))
        merged[-1].blocks.extend(blocks)
    return merged


def tool_definitions(fields: Fields) -> Iterator[Refusal]:
    """A tool has a name, a schema of an object, and no keys that the API does not know. `tools: []` is fine."""
    tools = fields.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list):
        yield Refusal("tools: Input should be a valid list")
        return
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if not isinstance(tool, dict):
            yield Refusal(f"{where}: Input should be an object")
            return
        kind = tool.get("type")
        if isinstance(kind, str) and _SERVER_TOOL.match(kind):
            continue
        if kind not in {None, "custom"}:
            yield Refusal(
                f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'custom', "
                "'bash_20250124', 'text_editor_20250728', 'web_search_20250305'"
            )
            return
        yield from _custom_tool(tool, f"{where}.custom")


def _custom_tool(tool: Fields, where: str) -> Iterator[Refusal]:
    for key in ("name", "input_schema"):
        if key not in tool:
            yield Refusal(f"{where}.{key}: Field required")
    for key in unknown_keys(tool, _TOOL_KEYS):
        yield Refusal(f"{where}.{key}: Extra inputs are not permitted")
    if not isinstance(tool["name"], str) or not _NAME.match(tool["name"]):
        yield Refusal(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not isinstance(tool.get("description", ""), str):
        yield Refusal(f"{where}.description: Input should be a valid string")
    yield from marker_shape(tool, where)
    yield from _input_schema(tool["input_schema"], f"{where}.input_schema")


def _input_schema(schema: Any, where: str) -> Iterator[Refusal]:
    """An object schema, without alternatives at the top, with property names of a pattern."""
    if not isinstance(schema, dict):
        yield Refusal(f"{where}: Input should be an object")
        return
    if "type" not in schema:
        yield Refusal(f"{where}.type: Field required")
    elif schema["type"] != "object":
        yield Refusal(f"{where}.type: Input should be 'object'")
    if any(keyword in schema for keyword in ("oneOf", "allOf", "anyOf")):
        yield Refusal(f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level")
    properties = schema.get("properties")
    if isinstance(properties, dict) and not all(_PROPERTY.match(name) for name in properties):
        yield Refusal(f"{where}.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'")


def tool_names_unique(fields: Fields) -> Iterator[Refusal]:
    """Refused: "tools: Tool names must be unique."."""
    names = [tool["name"] for tool in fields.get("tools") or () if "name" in tool]
    if len(names) != len(set(names)):
        yield Refusal("tools: Tool names must be unique.")


def tool_choice(fields: Fields) -> Iterator[Refusal]:
    """auto, any, none, or a tool that is there; only together with tools."""
    choice = fields.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in _CHOICE_KEYS:
        yield Refusal(
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: 'auto', "
            "'any', 'tool', 'none'"
        )
        return
    for key in unknown_keys(choice, frozenset({"type", *_CHOICE_KEYS[kind]})):
        yield Refusal(f"tool_choice.{kind}.{key}: Extra inputs are not permitted")
    if not fields.get("tools"):
        yield Refusal("tool_choice: tool_choice may only be specified while providing tools.")
    if kind == "tool":
        if "name" not in choice:
            yield Refusal("tool_choice.tool.name: Field required")
        elif choice["name"] not in {tool.get("name") for tool in fields["tools"]}:
            yield Refusal(f"Tool '{choice['name']}' not found in provided tools")


def tool_use_answered(fields: Fields) -> Iterator[Refusal]:
    """Every call has its result at the beginning of the next user turn, every result its call in the turn before.

    "Messages following `tool_use` blocks must begin with a matching number of `tool_result` blocks."
    """
    conversation = turns(fields)
    seen: set[str] = set()
    asked: list[str] = []
    for turn in conversation:
        if turn.role == "user":
            yield from _results(turn, asked)
            asked = []
            continue
        asked = [block["id"] for _, block in turn.blocks if block["type"] == "tool_use"]
        if seen.intersection(asked) or len(asked) != len(set(asked)):
            yield Refusal("messages: `tool_use` ids must be unique")
        seen.update(asked)
    if asked:
        yield _unanswered(conversation[-1].first, asked)


def _results(turn: Turn, asked: list[str]) -> Iterator[Refusal]:
    """Checks a user turn against the calls of the assistant turn before it."""
    for where, block in turn.blocks:
        if block["type"] == "tool_result" and block["tool_use_id"] not in asked:
            yield Refusal(
                f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
    leading: list[str] = []
    for _, block in turn.blocks:
        if block["type"] != "tool_result":
            break
        leading.append(block["tool_use_id"])
    missing = [call_id for call_id in asked if call_id not in leading]
    if missing:
        yield _unanswered(turn.first - 1, missing)
    if len(leading) != len(set(leading)):
        double = next(call_id for call_id in leading if leading.count(call_id) > 1)
        yield Refusal(
            f"messages.{turn.first}.content: each tool_use must have a single result. Found multiple `tool_result` "
            f"blocks with id: {double}"
        )


def _unanswered(message: int, ids: list[str]) -> Refusal:
    return Refusal(
        f"messages.{message}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )
