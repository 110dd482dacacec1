"""A JSON answer of the gateway as a LangChain `ChatResult`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_pollinations_portkey.catalogue.entries import Quirks
from langchain_pollinations_portkey.errors import PortkeyInvalidResponseError, read_error
from langchain_pollinations_portkey.wire.chat.pieces import Piece, WireToolCall, read_piece
from langchain_pollinations_portkey.wire.finish import normalise_finish_reason
from langchain_pollinations_portkey.wire.usage import read_usage

MODEL_PROVIDER = "portkey"
"""`response_metadata["model_provider"]`: the name under which our content-block translator is registered."""

_READ_ELSEWHERE = frozenset(("object", "choices", "usage", "model", "provider", "obfuscation"))


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
        PortkeyInvalidResponseError: The body holds no choice.
    """
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if not isinstance(choices, list) or not choices:
        raise PortkeyInvalidResponseError(no_answer_message(body))
    usage = read_usage(body.get("usage"), quirks)
    metadata = answer_metadata(body, requested_model=requested_model, facts=facts)
    generations: list[ChatGeneration] = []
    for position, choice in enumerate(choices):
        message = _read_message(choice, metadata, answer_id=str(body.get("id") or "answer"))
        if position == 0 and usage is not None:
            message.usage_metadata = usage
        info = {
            "finish_reason": message.response_metadata["finish_reason"],
            "lc_gateway_metadata": dict(facts),
        }
        generations.append(ChatGeneration(message=message, generation_info=info))
    llm_output: dict[str, Any] = {"model_name": metadata["model_name"], "model_provider": MODEL_PROVIDER}
    if usage is not None:
        llm_output["token_usage"] = usage
    return ChatResult(generations=generations, llm_output=llm_output)


def no_answer_message(body: Any) -> str:
    """Say what a successful answer without a choice holds instead."""
    if isinstance(body, Mapping) and body.get("choices") == []:
        return (
            "The answer has no choices. Gemini on Vertex AI answers like this when it blocks the prompt; the "
            "gateway does not hand on the reason."
        )
    return f"The answer holds no choices: {read_error(body).message}"


def answer_metadata(body: Mapping[str, Any], *, requested_model: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts about an answer as a whole, for `response_metadata`."""
    metadata: dict[str, Any] = {
        "model_provider": MODEL_PROVIDER,
        "model_name": body.get("model") or requested_model,
        **facts,
    }
    if body.get("provider") and "provider" not in metadata:
        metadata["provider"] = body["provider"]
    metadata |= {key: value for key, value in body.items() if key not in _READ_ELSEWHERE and value is not None}
    cost = (body.get("usage") or {}).get("cost") if isinstance(body.get("usage"), Mapping) else None
    if cost is not None:
        metadata["cost"] = cost
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


def _read_message(choice: Mapping[str, Any], metadata: Mapping[str, Any], *, answer_id: str) -> AIMessage:
    message = choice.get("message")
    piece = read_piece(message if isinstance(message, Mapping) else {})
    calls, invalid, signatures = finish_tool_calls(piece.tool_calls, answer_id=answer_id)
    kwargs = additional_kwargs(piece)
    if signatures:
        kwargs["thought_signatures"] = signatures
    return AIMessage(
        content=piece.text,
        additional_kwargs=kwargs,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        id=metadata.get("id"),
        response_metadata={**metadata, **choice_metadata(choice, has_tool_calls=bool(calls or invalid))},
    )


def additional_kwargs(piece: Piece) -> dict[str, Any]:
    """What of a piece has no field of its own in LangChain's messages.

    `reasoning_content` is where LangChain's own fallback looks for reasoning; `content_blocks` is what goes
    back to the provider, signatures and all.
    """
    kwargs = dict(piece.others)
    if piece.reasoning:
        kwargs["reasoning_content"] = piece.reasoning
    if piece.has_more_than_text:
        kwargs["content_blocks"] = piece.blocks
    return kwargs


def finish_tool_calls(
    calls: list[WireToolCall], *, answer_id: str
) -> tuple[list[ToolCall], list[InvalidToolCall], dict[str, str]]:
    """Sort whole tool calls into those whose arguments are a JSON object and those whose are not.

    Args:
        calls: The calls in order, none of them a piece.
        answer_id: Base of the ids of calls that came without one.

    Returns:
        The valid calls, the invalid ones with the reason, and Gemini's thought signatures by call id.
    """
    valid: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    signatures: dict[str, str] = {}
    for position, call in enumerate(calls):
        call_id = call.id or invented_call_id(answer_id, position)
        if call.thought_signature:
            signatures[call_id] = call.thought_signature
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
