"""Tools and tool choices in the form that the gateway understands for every provider.

`tools_to_wire` is for the time of `bind_tools`, when it is not certain yet who will be asked; `settle_tools` is
for the request. The first gives dicts that the second, or another provider's turn of it, takes again.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self

from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_pollinations_portkey._json import CheckedList, dumps_body
from langchain_pollinations_portkey.catalogue.entries import Provider, ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.schemas import object_schema, schema_for, strict_schema

if TYPE_CHECKING:  # LangChain loads its tools when somebody asks for them
    from langchain_core.tools import BaseTool

    ToolLike = Mapping[str, Any] | type | Callable[..., Any] | BaseTool

WireTool = dict[str, Any]

_SERVER_TOOL = re.compile(r"[a-z_]+_\d{8}")
"""Anthropic's own tools carry a date in their type (`web_search_20250305`)."""

_GEMINI_TOOLS = frozenset(
    (
        "googleSearch",
        "google_search",
        "googleSearchRetrieval",
        "google_search_retrieval",
        "computerUse",
        "computer_use",
        "googleMaps",
        "google_maps",
    )
)
"""Gemini's own tools, which the gateway knows by the name of a function."""

_ANTHROPIC_KEYS = ("defer_loading", "allowed_callers", "input_examples")
"""What the gateway hands on to Anthropic from inside `function`; others refuse it."""


class WireTools(list[WireTool]):
    """Tools in the chat-completions format, and what was made of them for the providers that were asked so far.

    The same tools go out with every turn of a conversation, and mostly they are most of the request. What was made of
    them is used again as long as they equal, to the last value, a copy of what it was made of: comparing takes a tenth
    of the time of making.
    """

    __slots__ = ("_known",)

    def __init__(self, tools: Iterable[WireTool]) -> None:
        super().__init__(tools)
        self._known: dict[str, tuple[Provider, list[WireTool], _Settled]] = {}

    def __reduce__(self) -> tuple[type[Self], tuple[list[WireTool]]]:
        return type(self), (list(self),)  # a copy begins anew

    def settled(self, provider: Provider) -> _Settled:
        """What `_settled` gives for these tools."""
        known = self._known.get(provider.id)
        if known is not None and known[0] is provider and self == known[1]:
            return known[2]
        tools, written, losses = _settled(self, provider)
        try:
            dumps_body({"tools": list(self)})
        except (TypeError, ValueError, RecursionError):
            return tools, written, losses  # to be refused when the request is written
        settled = tools, CheckedList(written), losses
        self._known[provider.id] = provider, copy.deepcopy(list(self)), settled
        return settled


_Settled = tuple[Sequence[WireTool], Sequence[WireTool], Mapping[str, str]]
"""Tools in the chat-completions format, the same as a provider takes them, and what of them does not arrive."""


def _settled(given: Sequence[ToolLike], provider: Provider) -> _Settled:
    tools = [_tool(tool, strict=None) for tool in given]
    losses: dict[str, str] = {}
    return tools, [_for_provider(tool, provider, losses) for tool in tools], losses


def tools_to_wire(tools: Sequence[ToolLike], *, strict: bool | None = None) -> WireTools:
    """Describe tools in the chat-completions format.

    Args:
        tools: Functions, `BaseTool`s, pydantic classes, typed dicts, or dicts in OpenAI's, Anthropic's, Bedrock's
            or JSON Schema's form. A dict with another `type` than these is a tool that the provider runs;
            Anthropic's and Gemini's own forms of those are brought into the gateway's.
        strict: Ask the provider to follow the schema to the letter; `None` leaves the choice to it.

    Returns:
        `{"type": "function", "function": {...}}` each, with the tool's cache breakpoint, if any, beside `function`.

    Raises:
        PortkeyConfigurationError: Something in the list is no tool.
    """
    return WireTools(_tool(tool, strict=strict) for tool in tools)


def _tool(tool: ToolLike, *, strict: bool | None) -> WireTool:
    if isinstance(tool, Mapping):
        special = _server_tool(tool) or _custom_tool(tool)
        if special is not None:
            return special
        extras, bare = tool, _function(tool)
    else:
        given = getattr(tool, "extras", None)
        extras = given if isinstance(given, Mapping) else {}
        bare = _converted(tool)
        if bare.get("type") == "custom":
            return _custom_tool(bare) or bare
    function = dict(bare["function"])
    for key in _ANTHROPIC_KEYS:
        if key in extras:
            function.setdefault(key, extras[key])
    if strict is not None:
        function["strict"] = strict
    if function.get("strict"):
        function["parameters"] = strict_schema(object_schema(function.get("parameters") or {}))
    wire: WireTool = {"type": "function", "function": function}
    marker = extras.get("cache_control")
    return {**wire, "cache_control": dict(marker)} if marker else wire


def _function(tool: Mapping[str, Any]) -> WireTool:
    """The function that a dict describes, in whichever of five forms."""
    if isinstance(tool.get("function"), Mapping):
        return {"type": "function", "function": tool["function"]}
    if "input_schema" in tool:
        function = {key: tool[key] for key in ("name", "description", "strict") if key in tool}
        return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}}
    if "title" in tool and "name" not in tool and "toolSpec" not in tool:
        function = {"name": tool["title"]}
        if "description" in tool:
            function["description"] = tool["description"]
        parameters = {key: value for key, value in tool.items() if key not in ("title", "description", "cache_control")}
        return {"type": "function", "function": {**function, "parameters": parameters}}
    return _converted({key: value for key, value in tool.items() if key not in ("cache_control", "type")})


def _converted(tool: Any) -> WireTool:
    try:
        return dict(convert_to_openai_tool(tool))
    except (ValueError, TypeError) as error:
        raise PortkeyConfigurationError(f"{tool!r} is no tool: {error}") from error


def _server_tool(tool: Mapping[str, Any]) -> WireTool | None:
    """A tool that the provider runs: as the gateway wants it, `None` if this is none."""
    kind = tool.get("type")
    if kind is None:
        own = _GEMINI_TOOLS & tool.keys()
        if len(tool) != 1 or not own:
            return None
        name = next(iter(own))
        return {"type": "function", "function": {"name": name, "parameters": dict(tool[name] or {})}}
    if not isinstance(kind, str) or kind in ("function", "custom", "object") or "input_schema" in tool:
        return None
    if _SERVER_TOOL.fullmatch(kind) and isinstance(tool.get("name"), str):
        # As it stands the gateway would send nothing of it but its type, as its name.
        settings = {key: value for key, value in tool.items() if key not in ("type", "name", "cache_control")}
        wire: WireTool = {"type": tool["name"], tool["name"]: {"name": kind, **settings}}
        return {**wire, "cache_control": dict(tool["cache_control"])} if tool.get("cache_control") else wire
    return dict(tool)


def _custom_tool(tool: Mapping[str, Any]) -> WireTool | None:
    """OpenAI's free-form tools, which LangChain writes as another of OpenAI's interfaces has them."""
    if tool.get("type") != "custom" or "input_schema" in tool:
        return None
    if isinstance(tool.get("custom"), Mapping):
        return dict(tool)
    return {"type": "custom", "custom": {key: tool[key] for key in ("name", "description", "format") if tool.get(key)}}


def tool_choice_to_wire(choice: Any, tools: Sequence[Mapping[str, Any]]) -> str | dict[str, Any] | None:
    """Bring any of the forms of `tool_choice` into those that do not crash the gateway.

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
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return _named(name, tools)
        case {"type": "tool", "name": str(name)}:
            return _named(name, tools)
        case {"type": "any"}:
            return "required"
        case {"type": "auto" | "none" | "required" as kind}:
            return str(kind)
        case _:
            raise PortkeyConfigurationError(
                f"tool_choice={choice!r} is not understood; use 'auto', 'none', 'any' or the name of a tool."
            )


def _named(name: str, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = tool_names(tools)
    if name not in names:
        raise PortkeyConfigurationError(
            f"tool_choice names {name!r}, which is not among the tools: {', '.join(names) or 'there are none'}."
        )
    return {"type": "function", "function": {"name": name}}


def tool_names(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the functions among tools in the chat-completions format."""
    return [str(tool["function"]["name"]) for tool in tools if "function" in tool]


def settle_tools(body: dict[str, Any], model: ResolvedModel, losses: dict[str, str]) -> None:
    """Write `tools` and `tool_choice` of a request as its provider takes them.

    Args:
        body: The request; changed in place. `tools` may be of any kind that `tools_to_wire` takes.
        model: Who is asked.
        losses: Takes a sentence about what does not arrive.

    Raises:
        PortkeyConfigurationError: `tool_choice` names no tool, or something is no tool.
    """
    provider = model.provider
    choice = body.pop("tool_choice", None)
    given = body.pop("tools", None) or []
    tools, written, lost = given.settled(provider) if isinstance(given, WireTools) else _settled(given, provider)
    if choice == "none" and "none" not in provider.quirks.tool_choices and provider.quirks.needs_tools_for_history:
        tools = ()  # dropped on the way, "none" would mean auto; a model without tools calls none
    if not tools:
        # OpenAI and others refuse a choice, or a wish for parallel calls, without tools.
        body.pop("parallel_tool_calls", None)
        return
    chosen = _possible_choice(tool_choice_to_wire(choice, tools), body, model, losses)
    if isinstance(chosen, dict) and "function" not in provider.quirks.tool_choices:
        # No other may be called, so none other has to be told of; the gateway says "any" for a name.
        name = chosen["function"]["name"]
        tools = [tool for tool in tools if "function" in tool and tool["function"]["name"] == name]
        _, written, lost = _settled(tools, provider)
        chosen = "required" if "required" in provider.quirks.tool_choices else chosen
    body["tools"] = written
    losses |= lost
    if provider.dialect == "bedrock" and any("function" not in tool for tool in tools):
        # The gateway puts tools that Claude runs itself there, if it is there.
        body.setdefault("additional_model_request_fields", {})
    if chosen is not None:
        body["tool_choice"] = chosen


def _possible_choice(
    choice: str | dict[str, Any] | None, body: Mapping[str, Any], model: ResolvedModel, losses: dict[str, str]
) -> str | dict[str, Any] | None:
    """The choice, or none where the provider refuses to have a tool forced: by this model, or while it thinks."""
    quirks = model.provider.quirks
    if not isinstance(choice, dict) and choice != "required":
        return choice
    thinking = body.get("thinking")
    thinks = isinstance(thinking, Mapping) and thinking.get("type") in ("enabled", "adaptive")
    if any(fnmatchcase(model.model, glob) for glob in quirks.never_forced):
        losses["forced_tool"] = (
            f"{model.model} cannot be forced to call a tool; tool_choice is left out, and the model decides by itself."
        )
        return None
    if thinks and not quirks.forced_with_thinking:
        losses["forced_tool"] = (
            f"{model.provider.title} does not let a tool be forced while the model thinks; tool_choice is left out, "
            "and the model decides by itself."
        )
        return None
    return choice


def _for_provider(tool: WireTool, provider: Provider, losses: dict[str, str]) -> WireTool:
    """One tool with a schema that arrives, and without keys that are refused."""
    if "function" not in tool:
        return tool
    function = dict(tool["function"])
    name = function.get("name")
    if provider.dialect == "google" and name in _GEMINI_TOOLS:
        return tool
    if not function.get("description"):
        function.pop("description", None)  # Bedrock refuses an empty one
    schema = schema_for(function.get("parameters"), provider, losses)
    function["parameters"] = schema
    if provider.dialect == "google" and not schema.get("properties"):
        del function["parameters"]  # Gemini refuses an object without properties
    if provider.dialect != "anthropic":
        function = {key: value for key, value in function.items() if key not in _ANTHROPIC_KEYS}
    if function.get("strict") is not None and not provider.quirks.tool_strict:
        if function["strict"]:
            losses["strict"] = f"the gateway does not hand a tool's `strict` on to {provider.title}."
        del function["strict"]
    return {**tool, "function": function}
