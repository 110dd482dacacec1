"""The body of a chat-completions request, shaped so that it arrives whole at its provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_pollinations_portkey.catalogue.entries import Provider, ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from langchain_pollinations_portkey.wire.chat.tools import tool_choice_to_wire


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request body, and what of the user's wishes is known not to arrive.

    Attributes:
        body: The JSON object to send.
        losses: One sentence each, keyed by what is lost, for a warning.
    """

    body: dict[str, Any]
    losses: Mapping[str, str] = field(default_factory=dict)


def build_request(
    messages: Sequence[BaseMessage], model: ResolvedModel, options: Mapping[str, Any], *, stream: bool
) -> ChatRequest:
    """Write the request.

    Args:
        messages: The conversation.
        model: Whom to ask and for what.
        options: Parameters of the chat-completions format by their own names, `tools` already in its format.
            `None` and empty lists mean "not given": providers refuse them.
        stream: Whether the answer shall come as events.

    Raises:
        PortkeyConfigurationError: The request cannot be sent to this provider as it is.
    """
    provider = model.provider
    if not messages:
        raise PortkeyConfigurationError("The list of messages is empty; there is nothing to answer.")
    wire_messages = messages_to_wire(messages, provider)
    if not any(message["role"] not in ("system", "developer") for message in wire_messages):
        raise PortkeyConfigurationError(
            f"Every message is a system prompt or blank; {provider.title} needs at least one human message."
        )
    body: dict[str, Any] = {"model": model.model, "messages": wire_messages}
    body |= {key: value for key, value in options.items() if value is not None and value != []}
    _settle_tools(body, provider)
    _settle_stop(body)
    _settle_max_tokens(body, model)
    if stream:
        body["stream"] = True
    else:
        body.pop("stream_options", None)
    return ChatRequest(body, _losses(body, provider))


def _settle_tools(body: dict[str, Any], provider: Provider) -> None:
    tools = body.get("tools")
    if not tools:
        # OpenAI and others refuse a choice, or a wish for parallel calls, without tools.
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
        return
    if not provider.quirks.cache_control:
        body["tools"] = [{key: value for key, value in tool.items() if key != "cache_control"} for tool in tools]
    choice = tool_choice_to_wire(body.pop("tool_choice", None), tools)
    if choice is not None:
        body["tool_choice"] = choice


def _settle_stop(body: dict[str, Any]) -> None:
    """Always a list: the gateway hands a string on as it is to providers that take only a list."""
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]


def _settle_max_tokens(body: dict[str, Any], model: ResolvedModel) -> None:
    quirks = model.provider.quirks
    if quirks.max_tokens_name != "max_tokens" and "max_tokens" in body:
        body.setdefault(quirks.max_tokens_name, body.pop("max_tokens"))
    if not quirks.requires_max_tokens or "max_tokens" in body or "max_completion_tokens" in body:
        return
    known = model.entry.max_output_tokens if model.entry is not None else None
    limit = known or quirks.default_max_tokens
    if limit is None:
        raise PortkeyConfigurationError(
            f"{model.provider.title} needs max_tokens and the catalogue does not know the limit of {model.model!r}; "
            "pass max_tokens=..., or register the model with max_output_tokens=..."
        )
    body["max_tokens"] = limit


def _losses(body: Mapping[str, Any], provider: Provider) -> dict[str, str]:
    """What the gateway will drop on the way to the provider, or change."""
    quirks = provider.quirks
    losses = {
        name: f"the gateway does not hand {name!r} on to {provider.title}; it has no effect there."
        for name in body
        if name in quirks.drops and name != "stream_options"
    }
    choice = body.get("tool_choice")
    form = "function" if isinstance(choice, dict) else choice
    if form is not None and form not in quirks.tool_choices and "tool_choice" not in losses:
        losses["tool_choice"] = (
            f"the gateway does not hand tool_choice={form!r} on to {provider.title}; the model decides by itself."
        )
    temperature = body.get("temperature")
    limit = quirks.temperature_max
    if isinstance(temperature, int | float) and limit is not None and temperature > limit:
        losses["temperature"] = f"the gateway lowers temperature={temperature} to {limit} for {provider.title}."
    return losses
