"""A JSON answer of the gateway as a LangChain `ChatResult`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_pollinations_portkey.catalogue.entries import Quirks
from langchain_pollinations_portkey.errors import PortkeyInvalidResponseError, read_error
from langchain_pollinations_portkey.wire.chat.pieces import Piece, WireToolCall, read_piece
from langchain_pollinations_portkey.wire.chunks import MODEL_PROVIDER
from langchain_pollinations_portkey.wire.finish import is_error_finish_reason, normalise_finish_reason
from langchain_pollinations_portkey.wire.usage import read_usage

_READ_ELSEWHERE = frozenset(("object", "choices", "usage", "model", "provider", "obfuscation"))
"""Keys of an answer that do not go into `response_metadata` as they are; `obfuscation` is padding."""


def read_answer(body: Any, *, requested_model: str, quirks: Quirks | None, facts: Mapping[str, Any]) -> ChatResult:
    """Read a chat completion.

    Args:
        body: The decoded JSON body.
        requested_model: The model that was asked for, used where the answer does not name one.
        quirks: Those of the provider that answered, `None` if unknown.
        facts: What the gateway's response headers said (`provider`, `trace_id`, ...).

    Returns:
        One generation per choice. Usage stands on the first only, since LangSmith and others add it up.

    Raises:
        PortkeyInvalidResponseError: The body holds no choice, or one that ended in an error; `.partial` is then
            its message.
    """
    choices = body.get("choices") if isinstance(body, Mapping) else None
    choices = [choice for choice in choices if isinstance(choice, Mapping)] if isinstance(choices, list) else []
    if not choices:
        raise PortkeyInvalidResponseError(no_answer_message(body))
    usage = read_usage(body.get("usage"), quirks)
    metadata = answer_metadata(body, requested_model=requested_model, facts=facts)
    provider_tools = quirks.server_tools if quirks is not None else frozenset()
    generations: list[ChatGeneration] = []
    for position, choice in enumerate(choices):
        message = _read_message(choice, metadata, str(body.get("id") or "answer"), provider_tools)
        if position == 0:
            message.usage_metadata = usage
        else:
            message.response_metadata.pop("token_usage", None)
        _refuse_error(choice, message)
        info = {
            "finish_reason": message.response_metadata["finish_reason"],
            "lc_gateway_metadata": dict(facts),
        }
        generations.append(ChatGeneration(message=message, generation_info=info))
    return ChatResult(generations=generations, llm_output=llm_output(metadata, usage))


def llm_output(metadata: Mapping[str, Any], usage: UsageMetadata | None) -> dict[str, Any]:
    """What LangChain adds up over several answers."""
    output: dict[str, Any] = {"model_name": metadata["model_name"], "model_provider": MODEL_PROVIDER}
    return output if usage is None else {**output, "token_usage": usage}


def no_answer_message(body: Any) -> str:
    """Say what a successful answer without a choice holds instead."""
    if isinstance(body, Mapping) and body.get("choices") == []:
        return (
            "The answer has no choices. Gemini on Vertex AI answers like this when it blocks the prompt; the "
            "gateway does not hand on the reason."
        )
    return f"The answer holds no choices: {read_error(body).message}"


def answer_metadata(body: Mapping[str, Any], *, requested_model: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts about an answer as a whole, for `response_metadata`.

    `token_usage` is the provider's own count as it was sent, with what `usage_metadata` has no place for.
    """
    metadata: dict[str, Any] = {
        "model_provider": MODEL_PROVIDER,
        "model_name": body.get("model") or requested_model,
        **facts,
    }
    named = body.get("provider")
    if named and metadata.setdefault("provider", named) != named:
        metadata["upstream_provider"] = named  # a provider that is itself a gateway says whom it asked
    metadata |= {key: value for key, value in body.items() if key not in _READ_ELSEWHERE and value is not None}
    usage = body.get("usage")
    if isinstance(usage, Mapping) and usage:
        metadata["token_usage"] = dict(usage)
        if usage.get("cost") is not None:
            metadata["cost"] = usage["cost"]
    return metadata


def choice_metadata(choice: Mapping[str, Any], *, has_tool_calls: bool) -> dict[str, Any]:
    """The facts about one choice, its finish reason normalised and the provider's own kept if it differs."""
    native = choice.get("finish_reason")
    metadata: dict[str, Any] = {}
    if isinstance(native, str):
        metadata["finish_reason"] = normalise_finish_reason(native, has_tool_calls=has_tool_calls)
        if metadata["finish_reason"] != native:
            metadata["native_finish_reason"] = native
    else:
        metadata["finish_reason"] = None
    for key, value in choice.items():
        if key not in ("message", "delta", "index", "finish_reason") and value is not None:
            metadata.setdefault(key, value)
    return metadata


def _refuse_error(choice: Mapping[str, Any], message: AIMessage) -> None:
    native = choice.get("finish_reason")
    if not isinstance(native, str) or not is_error_finish_reason(native):
        return
    said = f": {read_error(choice).message}" if choice.get("error") else ""
    error = PortkeyInvalidResponseError(f"The provider broke the answer off ({native}){said}.")
    error.error_type = native
    error.partial = message
    raise error


def _read_message(
    choice: Mapping[str, Any], metadata: Mapping[str, Any], answer_id: str, provider_tools: AbstractSet[str]
) -> AIMessage:
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise PortkeyInvalidResponseError("The answer has a choice without a message.")
    piece = read_piece(message)
    own = [call for call in piece.tool_calls if call.name not in provider_tools]
    calls, invalid, signatures = finish_tool_calls(own, answer_id=answer_id)
    # Tools that the provider has run itself: no agent shall run them again.
    piece.blocks = [_server_tool_block(call) for call in piece.tool_calls if call not in own] + piece.blocks
    kwargs = additional_kwargs(piece)
    if signatures:
        kwargs["thought_signatures"] = signatures
    custom = {call.id: "custom" for call in own if call.custom}
    if custom:
        kwargs["tool_call_types"] = custom
    return AIMessage(
        content=piece.text,
        additional_kwargs=kwargs,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        id=metadata.get("id"),
        response_metadata={**metadata, **choice_metadata(choice, has_tool_calls=bool(calls or invalid))},
    )


def _server_tool_block(call: WireToolCall) -> dict[str, Any]:
    try:
        tool_input = json.loads(call.arguments or "{}")
    except ValueError:
        tool_input = {"__raw": call.arguments}
    return {"type": "server_tool_use", "id": call.id or "", "name": call.name, "input": tool_input}


def additional_kwargs(piece: Piece) -> dict[str, Any]:
    """What of a whole message has no field of its own in LangChain's messages.

    `reasoning_content` is where LangChain's own fallback looks for reasoning; `content_blocks` is what goes
    back to the provider, signatures and all. A single text is not kept twice.
    """
    kwargs = dict(piece.others)
    if piece.reasoning:
        kwargs["reasoning_content"] = piece.reasoning
    if len(piece.blocks) > 1 or any(not _is_plain_text(block) for block in piece.blocks):
        kwargs["content_blocks"] = piece.blocks
    return kwargs


def _is_plain_text(block: Mapping[str, Any]) -> bool:
    return all(key in ("type", "text") or not value for key, value in block.items()) and block["type"] == "text"


def finish_tool_calls(
    calls: list[WireToolCall], *, answer_id: str
) -> tuple[list[ToolCall], list[InvalidToolCall], dict[str, str]]:
    """Sort whole tool calls into those whose arguments are a JSON object and those whose are not.

    Args:
        calls: The calls in order, none of them a piece; those without an id are given one.
        answer_id: Base of the ids of calls that came without one.

    Returns:
        The valid calls, the invalid ones with the reason, and Gemini's thought signatures by call id.
    """
    valid: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    signatures: dict[str, str] = {}
    for position, call in enumerate(calls):
        call_id = call.id = call.id or invented_call_id(answer_id, position)
        if call.thought_signature:
            signatures[call_id] = call.thought_signature
        if call.custom:
            valid.append(tool_call(name=call.name or "", args={"input": call.arguments or ""}, id=call_id))
            continue
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError as error:
            problem = f"The arguments are not valid JSON: {error}"
        else:
            if isinstance(arguments, dict):
                valid.append(tool_call(name=call.name or "", args=arguments, id=call_id))
                continue
            problem = f"The arguments are a JSON {type(arguments).__name__}, not an object."
        invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call_id, error=problem))
    return valid, invalid, signatures


def invented_call_id(answer_id: str, position: int) -> str:
    """An id for a call that came without one: the same for the same answer, and fit for every provider."""
    safe = "".join(char if char.isalnum() and char.isascii() else "_" for char in answer_id)
    return f"call_{safe[-40:]}_{position}"
