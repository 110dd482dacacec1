"""The tool calls of an assistant's message on their way back to a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage

from langchain_pollinations_portkey.catalogue.entries import Provider

WireCall = dict[str, Any]


def wire_tool_calls(message: AIMessage, provider: Provider) -> list[WireCall]:
    """The calls of an assistant's message, valid and invalid, each once.

    Args:
        message: The message. A block of its content that repeats a call is not sent twice.
        provider: Who will read it.

    Returns:
        `{"id", "type": "function", "function": {"name", "arguments"}}` each, with the thought signature that
        Gemini gave; OpenAI's custom calls in their own form. `arguments` is always a JSON object as text: the
        gateway fails on anything else.
    """
    calls = [_function_call(call["id"], call["name"], dump_arguments(call["args"])) for call in message.tool_calls]
    plain = isinstance(message.content, str) and not message.additional_kwargs and not message.invalid_tool_calls
    if plain and provider.dialect != "google":
        return calls
    # An agent answers invalid calls too, and a result without its call is refused by every provider.
    calls += [
        _function_call(call.get("id"), call.get("name"), _valid_json(call.get("args") or ""))
        for call in message.invalid_tool_calls
    ]
    known = {call["id"] for call in calls}
    calls += [
        _function_call(block.get("id"), block.get("name"), _arguments(block))
        for block in _call_blocks(message)
        if (block.get("id") or "") not in known
    ]
    _sign(calls, _signatures(message), provider)
    custom = message.additional_kwargs.get("tool_call_types") or {}
    if provider.dialect == "openai":
        return [_custom_call(call) if custom.get(call["id"]) == "custom" else call for call in calls]
    return calls


def _call_blocks(message: AIMessage) -> Iterator[Mapping[str, Any]]:
    """Calls in the content, in Anthropic's form or LangChain's."""
    if not isinstance(message.content, str):
        for block in message.content:
            if isinstance(block, Mapping) and block.get("type") in ("tool_use", "tool_call"):
                yield block


def _function_call(call_id: str | None, name: str | None, arguments: str) -> WireCall:
    return {"id": call_id or "", "type": "function", "function": {"name": name or "", "arguments": arguments}}


def _custom_call(call: WireCall) -> WireCall:
    """OpenAI's free-form calls, whose input is text; LangChain holds it as the argument `input`."""
    given = json.loads(call["function"]["arguments"]).get("input")
    text = given if isinstance(given, str) else dump_arguments(given)
    return {"id": call["id"], "type": "custom", "custom": {"name": call["function"]["name"], "input": text}}


def _arguments(block: Mapping[str, Any]) -> str:
    given = block.get("input", block.get("args")) or {}
    return _valid_json(given) if isinstance(given, str) else dump_arguments(given)


_encoder = json.JSONEncoder(ensure_ascii=False)


def _kept_encoder() -> Callable[[Any, int], Iterable[str]] | None:
    """What `json` makes anew for everything it writes, made once; `None` if this Python's `json` does otherwise.

    It does not look for things that hold themselves; those exceed the depth of recursion instead.
    """
    make, text = getattr(json.encoder, "c_make_encoder", None), json.encoder.encode_basestring
    sample = {"a": ["\u00e4\n", 1, 1.5, True, None, {}, []], "b": {"c": "\u2028"}}
    allow_nan, indent, unsorted, strict = True, None, False, False
    try:
        encode: Callable[[Any, int], Iterable[str]] = make(  # type: ignore[misc]
            None, _encoder.default, text, indent, ": ", ", ", unsorted, strict, allow_nan
        )
        return encode if "".join(encode(sample, 0)) == _encoder.encode(sample) else None
    except (TypeError, ValueError):
        return None


_encode = _kept_encoder()


def dump_arguments(arguments: Any) -> str:
    """The arguments of a call as JSON text.

    Raises:
        TypeError: They hold something that JSON has no form for.
        ValueError: They hold themselves.
    """
    if _encode is None or type(arguments) is not dict:
        return _encoder.encode(arguments)
    return "".join(_encode(arguments, 0))


def _valid_json(arguments: str) -> str:
    """`arguments` if it is a JSON object, else an object that holds it."""
    try:
        if isinstance(json.loads(arguments or "{}"), dict):
            return arguments or "{}"
    except ValueError:
        pass
    return dump_arguments({"invalid_arguments": arguments})


def _signatures(message: AIMessage) -> dict[str, str]:
    """Thought signatures by call id, from beside the content or from its blocks (v1)."""
    found = dict(message.additional_kwargs.get("thought_signatures") or {})
    for block in _call_blocks(message):
        extras = block.get("extras")
        if isinstance(extras, Mapping) and extras.get("thought_signature"):
            found.setdefault(str(block.get("id")), extras["thought_signature"])
    return found


def _sign(calls: list[WireCall], signatures: Mapping[str, str], provider: Provider) -> None:
    """Add Gemini's signatures for Gemini. It signs the first call of a turn only, so only that one has to be signed."""
    if provider.dialect != "google":
        return
    for call in calls:
        if call["id"] in signatures:
            call["function"]["thought_signature"] = signatures[call["id"]]
    substitute = provider.quirks.unsigned_call_signature
    if substitute and calls:
        calls[0]["function"].setdefault("thought_signature", substitute)
