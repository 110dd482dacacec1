"""The body of a chat-completions request, shaped so that it arrives whole at its provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_pollinations_portkey.catalogue.entries import Provider, ResolvedModel
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyError
from langchain_pollinations_portkey.notices import LossWarning, Notice
from langchain_pollinations_portkey.wire.chat.cache_control import settle_cache_control
from langchain_pollinations_portkey.wire.chat.emulation import emulate_response_format
from langchain_pollinations_portkey.wire.chat.json_mode import with_json_instruction
from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from langchain_pollinations_portkey.wire.chat.schemas import schema_for
from langchain_pollinations_portkey.wire.chat.tools import settle_tools
from langchain_pollinations_portkey.wire.chat.turns import settle_turns


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request body, and what of the user's wishes is known not to arrive.

    Attributes:
        body: The JSON object to send.
        losses: One sentence each, keyed by what is lost, for a warning.
        emulated_tool: The name of a tool whose arguments are the answer's text, `None` if there is none. Answers
            then go through `emulation.unwrap_answer` or `emulation.StreamUnwrapper` before anything reads them.
    """

    body: dict[str, Any]
    losses: Mapping[str, str] = field(default_factory=dict)
    emulated_tool: str | None = None


def build_request(
    messages: Sequence[BaseMessage], model: ResolvedModel, options: Mapping[str, Any], *, stream: bool
) -> ChatRequest:
    """Write the request.

    Args:
        messages: The conversation.
        model: Whom to ask and for what.
        options: Parameters of the chat-completions format by their own names; `tools` and `response_format` may
            be of any kind that `bind_tools` and `with_structured_output` take. `None` and empty lists mean "not
            given": providers refuse them. Beside them `cache_control` (a breakpoint for the end of the
            conversation), `prompt_caching` (the model's policy) and `on_unknown_block` (`"raise"` or `"pass"`).
        stream: Whether the answer shall come as events.

    Raises:
        PortkeyConfigurationError: The request cannot be sent to this provider as it is.
    """
    provider = model.provider
    if not provider.quirks.chat:
        raise PortkeyConfigurationError(f"{provider.title} has embeddings and no chat models; use PortkeyEmbeddings.")
    if not messages:
        raise PortkeyConfigurationError("The list of messages is empty; there is nothing to answer.")
    body: dict[str, Any] = {key: value for key, value in options.items() if value is not None and value != []}
    requested, policy = body.pop("cache_control", None), body.pop("prompt_caching", "off")
    wire, losses = messages_to_wire(messages, provider, on_unknown_block=body.pop("on_unknown_block", "raise"))
    emulated = emulate_response_format(body, provider)
    settle_tools(body, model, losses)
    _settle_response_format(body, provider, losses)
    wire = with_json_instruction(wire, body)
    wire = settle_turns(wire, provider, losses, has_tools="tools" in body)
    if not any(message["role"] not in ("system", "developer") for message in wire):
        raise PortkeyConfigurationError(
            f"Every message is a system prompt or blank; {provider.title} needs at least one human message."
        )
    body = {"model": model.model, "messages": wire, **body}
    _settle_stop(body)
    _settle_max_tokens(body, model)
    body = settle_cache_control(body, provider, losses, requested=requested, policy=policy)
    if stream:
        body["stream"] = True
    else:
        body.pop("stream_options", None)
    return ChatRequest(body, losses | _lost_parameters(body, provider), emulated)


def written(
    messages: Sequence[BaseMessage], model: ResolvedModel, options: Mapping[str, Any], *, stream: bool
) -> ChatRequest:
    """`build_request`, where things of the user's that have no form in JSON (bytes, cycles) are errors of ours.

    Raises:
        PortkeyConfigurationError: The request cannot be sent to this provider as it is, or not be written at all.
    """
    try:
        return build_request(messages, model, options, stream=stream)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, PortkeyError):
            raise
        raise PortkeyConfigurationError(f"The request cannot be written: {type(error).__name__}: {error}") from None


def loss_notices(request: ChatRequest, provider: Provider) -> Iterator[Notice]:
    """What to tell the user about the losses of a request, once per provider and loss."""
    for name, sentence in request.losses.items():
        yield Notice(LossWarning, (name, provider.id), sentence[:1].upper() + sentence[1:])


def _settle_response_format(body: dict[str, Any], provider: Provider, losses: dict[str, str]) -> None:
    """The schema of an answer in the language of its provider."""
    wanted = body.get("response_format")
    described = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    if isinstance(wanted, Mapping) and isinstance(described, Mapping) and isinstance(described.get("schema"), Mapping):
        schema = schema_for(described["schema"], provider, losses)
        body["response_format"] = {**wanted, "json_schema": {**described, "schema": schema}}


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
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    # Thinking counts as output, and Anthropic refuses a limit that leaves nothing for the answer.
    body["max_tokens"] = limit if known or not isinstance(budget, int) else budget + limit


def _lost_parameters(body: Mapping[str, Any], provider: Provider) -> dict[str, str]:
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
