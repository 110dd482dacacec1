"""Tools and tool choices in the form that the gateway understands for every provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_pollinations_portkey.errors import PortkeyConfigurationError

ToolLike = Mapping[str, Any] | type | Callable[..., Any] | BaseTool


def tools_to_wire(tools: Sequence[ToolLike], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Describe tools in the chat-completions format.

    Args:
        tools: Functions, `BaseTool`s, pydantic classes, typed dicts, or dicts in OpenAI's, Anthropic's or JSON
            Schema's form. A dict with another `type` than `"function"` is a server tool and goes as it is.
        strict: Ask the provider to follow the schema to the letter; `None` leaves the choice to it.

    Returns:
        `{"type": "function", "function": {...}}` each, with the tool's cache breakpoint, if any, beside `function`.
    """
    return [_tool(tool, strict=strict) for tool in tools]


def _tool(tool: ToolLike, *, strict: bool | None) -> dict[str, Any]:
    if isinstance(tool, Mapping):
        kind = tool.get("type")
        if isinstance(kind, str) and kind not in ("function", "custom", "object") and "input_schema" not in tool:
            return dict(tool)
        marker = tool.get("cache_control")
        bare: Any = {key: value for key, value in tool.items() if key != "cache_control"}
        if "input_schema" in bare:  # Anthropic's form may say `type: custom`, which means another thing to OpenAI
            bare.pop("type", None)
    else:
        extras = getattr(tool, "extras", None)
        marker = extras.get("cache_control") if isinstance(extras, Mapping) else None
        bare = tool
    wire: dict[str, Any] = convert_to_openai_tool(bare, strict=strict)
    return {**wire, "cache_control": marker} if marker else wire


def tool_choice_to_wire(choice: Any, tools: Sequence[Mapping[str, Any]]) -> str | dict[str, Any] | None:
    """Bring any of the forms of `tool_choice` into the two that do not crash the gateway.

    Args:
        choice: `None` and `False` leave it out; `"auto"`, `"none"`, `"required"`; `"any"` and `True` mean
            required; the name of a tool, or a dict in OpenAI's or Anthropic's form.
        tools: The tools of the request, in the chat-completions format.

    Raises:
        PortkeyConfigurationError: The choice names no tool of the request, or is of no known form.
    """
    match choice:
        case None | False:
            return None
        case "auto" | "none" | "required":
            return str(choice)
        case "any" | True:
            return "required"
        case str():
            return _named(choice, tools)
        case {"type": "function", "function": {"name": str(name)}}:
            return _named(name, tools)
        case {"type": "tool", "name": str(name)}:
            return _named(name, tools)
        case {"type": "any"}:
            return "required"
        case {"type": "auto" | "none" as kind}:
            return str(kind)
        case _:
            raise PortkeyConfigurationError(
                f"tool_choice={choice!r} is not understood; use 'auto', 'none', 'any' or the name of a tool."
            )


def _named(name: str, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = [str(tool["function"]["name"]) for tool in tools if "function" in tool]
    if name not in names:
        raise PortkeyConfigurationError(
            f"tool_choice names {name!r}, which is not among the tools: {', '.join(names) or 'there are none'}."
        )
    return {"type": "function", "function": {"name": name}}
