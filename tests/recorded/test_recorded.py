"""Recorded answers of real providers, served to the real gateway: what the user gets is what the provider said.

`PORTKEY_RECORDED_CASES` names a directory of cases, `<provider>/<name>.json`: the provider's own answer with the
request that led to it, and beside it perhaps `<name>.gateway.json`, what the gateway is known to make of it.
Recordings are other people's data, so none are kept here; without the variable there is nothing to test.

What a provider said and the user does not get must be a loss of the gateway that the provider's row lists.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_pollinations_portkey import ChatPortkey, errors
from langchain_pollinations_portkey.catalogue import Catalogue, Provider
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import PortkeyWarning
from tests.recorded.cases import OPTIONS, ROOT, check_error, names, needs_cases, provider_id
from tests.recorded.conftest import counted
from tests.recorded.facts import Facts, facts_of
from tests.recorded.gateway_answers import asked_model, breaks_off, gateway_answer, pieces_to_find
from tests.recorded.replay import Case, ReplayServer, is_stream

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
]

_EXCUSES = {
    "tool_calls": {"calls", "signatures"},
    "calls_after_text": {"calls", "signatures"},
    "text_after_calls": {"text"},
    "reasoning": {"reasoning"},
    "thinking": {"reasoning"},
    "text_signatures": {"signatures"},
    "redacted_thinking": {"signatures"},
    "cited_text": {"text", "citations"},
    "citations": {"citations"},
    "annotations": {"citations"},
    "server_tools": {"server_calls"},
    "usage": {"usage"},
    "thinking_only_usage": {"usage"},
    "final_usage": {"usage"},
    "usage_details": {"usage.read", "usage.written", "usage.reasoning"},
    "cached_tokens": {"usage.read"},
    "finish_reason": {"finish"},
    "block_reason": {"message"},
}
"""Which facts a loss in a provider's row excuses, by what it says after `json_`, `stream_` or `both_`."""


@needs_cases
@pytest.mark.parametrize("name", names("chat"))
def test_what_the_provider_said_reaches_the_user(name: str, replay: ReplayServer, pinned_gateway: LocalGateway) -> None:
    case: Case = json.loads((ROOT / f"{name}.json").read_text())
    if provider_id(case) not in {row.id for row in Catalogue.default().providers()}:
        pytest.skip(f"the catalogue has no provider {case['provider']}")
    model = _model(case, name, replay, pinned_gateway)
    counted["cases"] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PortkeyWarning)
        if case["response"]["status"] != 200:
            stream = case["request"]["body"].get("stream")
            check_error(case, name, (lambda: list(model.stream("hi"))) if stream else (lambda: model.invoke("hi")))
            return
        facts = facts_of(case)
        known = gateway_answer(ROOT, name)
        if not facts.complete or breaks_off(known) or (known is None and _loses_the_end(model, case, facts)):
            _check_broken(case, name, model, facts)
        elif is_stream(case):
            _check_stream(case, name, model, facts)
        else:
            _check_plain(case, name, model, facts)


def _model(case: Case, name: str, replay: ReplayServer, gateway: LocalGateway) -> Any:
    provider = provider_id(case)
    model_id = asked_model(ROOT, name) or case["model"] or "a-model"
    if "/publishers/anthropic/" in case["request"]["path"]:
        model_id = f"anthropic.{model_id.removeprefix('anthropic.')}"
    model: Any = ChatPortkey(
        model=model_id,
        provider=provider,
        api_key=None if provider == "bedrock" else "key",
        base_url=gateway.base_url,
        custom_host=replay.url(name),
        provider_options=OPTIONS.get(provider, {}),
        max_tokens=4000,
        max_retries=0,
        timeout=30,
    )
    if case["response"]["status"] != 200:
        return model
    facts = facts_of(case)
    row = _row(model)
    options: dict[str, Any] = {}
    if facts.calls and "tools" not in row.quirks.drops:
        parameters = {"type": "object", "properties": {}}
        names = {call.name or "tool" for call in facts.calls}
        options["tools"] = [
            {"type": "function", "function": {"name": tool, "parameters": parameters}} for tool in sorted(names)
        ]
    if facts.reasoning and facts.complete and row.quirks.read_streams_as_json == "with_reasoning":
        options["reasoning_effort"] = "low"
    return model.bind(**options)


def _chat(model: Any) -> Any:
    return getattr(model, "bound", model)


def _row(model: Any) -> Provider:
    chat = _chat(model)
    return Catalogue.default().resolve(chat.model_name, provider=chat.provider).provider


def _loses_the_end(model: Any, case: Case, facts: Facts) -> bool:
    """Whether the stream is one whose end the gateway is listed to lose."""
    lost = "stream_finish_without_parts" in _row(model).quirks.losses
    return lost and is_stream(case) and not (facts.text or facts.calls or facts.media)


# ---------------------------------------------------------------- the three kinds of answers


def _check_plain(case: Case, name: str, model: Any, facts: Facts) -> None:
    message = model.invoke("hi")
    _compare(case, model, facts, message)
    _compare_blocks(message)
    first = _v1(model).invoke("hi")
    assert _text_of_blocks(first.content) == message.text
    _compare_with_gateway(name, message)


def _check_stream(case: Case, name: str, model: Any, facts: Facts) -> None:
    chunks = list(model.stream("hi"))
    whole = _sum(chunks)
    _compare(case, model, facts, whole)
    _compare_blocks(whole)
    assert sum(chunk.usage_metadata is not None for chunk in chunks) <= 1
    assert [chunk.chunk_position for chunk in chunks].index("last") == len(chunks) - 1

    _compare_with_gateway(name, whole)

    first = _sum(list(_v1(model).stream("hi")))
    assert _text_of_blocks(first.content) == whole.text
    assert [_shape(call) for call in first.tool_calls] == [_shape(call) for call in whole.tool_calls]

    stream = model.stream_events("hi", version="v3")
    events = list(stream)
    assert_valid_event_stream(events)
    assert stream.output.text == whole.text
    assert [_shape(call) for call in stream.output.tool_calls] == [_shape(call) for call in whole.tool_calls]
    assert stream.output.usage_metadata == whole.usage_metadata
    assert stream.output.additional_kwargs.keys() == whole.additional_kwargs.keys()
    counted["event streams"] += 1


def _check_broken(case: Case, name: str, model: Any, facts: Facts) -> None:
    """An answer that the provider did not bring to its end, or that the gateway cannot hand on, is an error."""
    with pytest.raises(errors.PortkeyError) as raised:
        list(model.stream("hi")) if is_stream(case) else model.invoke("hi")
    if is_stream(case):
        assert isinstance(raised.value, errors.PortkeyStreamError)
        if facts.text and raised.value.partial is not None:
            assert facts.text.startswith(raised.value.partial.text)
    counted["broken answers refused"] += 1


# ---------------------------------------------------------------- comparing


def _compare(case: Case, model: Any, facts: Facts, message: AIMessage) -> None:
    excused = _excused(model, streamed=_streamed_over_the_wire(case, model))

    def same(fact: str, got: Any, said: Any) -> None:
        counted["facts"] += 1
        if got != said and fact in excused:
            counted["facts lost by the gateway, as listed"] += 1
            return
        assert got == said, fact

    same("text", message.text, facts.text)
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    calls += [(call["name"], call["args"]) for call in message.invalid_tool_calls]
    same("calls", calls, [(call.name, call.arguments) for call in facts.calls])
    for call, said in zip(message.tool_calls, facts.calls, strict=False):
        assert call["id"]
        if said.id and _row(model).dialect != "google":
            same("calls", call["id"], said.id)
    same("server_calls", _server_calls(message), [(call.name, call.arguments) for call in facts.server_calls])
    same("reasoning", message.additional_kwargs.get("reasoning_content", ""), facts.reasoning)
    everything = json.dumps(message.model_dump(), ensure_ascii=False, default=str)
    for fact, texts in (("signatures", facts.signatures), ("citations", facts.citations), ("media", facts.media)):
        for text in texts:
            same(fact, json.dumps(text, ensure_ascii=False)[1:-1] in everything, True)
    _compare_end(model, facts, message, same)
    _compare_usage(facts, message, same, excused)


def _compare_with_gateway(name: str, message: AIMessage) -> None:
    """Everything that the gateway is known to have sent is somewhere in the message."""
    known = gateway_answer(ROOT, name)
    if known is None:
        return
    everything = json.dumps(message.model_dump(), ensure_ascii=False, default=str)
    for piece in pieces_to_find(known):
        assert json.dumps(piece, ensure_ascii=False)[1:-1] in everything, f"the gateway sent {piece[:200]!r}"
        counted["facts of the gateway"] += 1


def _compare_end(model: Any, facts: Facts, message: AIMessage, same: Any) -> None:
    metadata = message.response_metadata
    assert metadata["model_provider"] == "portkey"
    assert metadata["model_name"]
    if facts.finish is None:
        return
    same("finish", metadata.get("native_finish_reason", metadata["finish_reason"]), facts.finish)
    assert metadata["finish_reason"] in ("stop", "length", "tool_calls", "content_filter", facts.finish)
    if facts.calls and message.tool_calls and metadata["finish_reason"] != "length":
        assert metadata["finish_reason"] == "tool_calls"


def _compare_usage(facts: Facts, message: AIMessage, same: Any, excused: set[str]) -> None:
    usage = message.usage_metadata
    if not facts.usage:
        assert usage is None
        return
    if usage is None:
        same("usage", None, facts.usage)
        return
    inputs, outputs = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
    assert usage["input_tokens"] >= sum(inputs.values())
    assert usage["output_tokens"] >= sum(outputs.values())
    if "usage" in excused and (usage["input_tokens"], usage["output_tokens"]) != (
        facts.usage["input"],
        facts.usage["output"],
    ):
        counted["facts lost by the gateway, as listed"] += 1
        return
    same("usage.input", usage["input_tokens"], facts.usage["input"])
    same("usage.output", usage["output_tokens"], facts.usage["output"])
    same("usage.read", inputs.get("cache_read", 0), facts.usage.get("read", 0))
    same("usage.written", inputs.get("cache_creation", 0), facts.usage.get("written", inputs.get("cache_creation", 0)))
    same("usage.reasoning", outputs.get("reasoning", 0), facts.usage.get("reasoning", outputs.get("reasoning", 0)))


def _compare_blocks(message: AIMessage) -> None:
    """The standard blocks say what the message says."""
    blocks = message.content_blocks
    assert _text_of_blocks(blocks) == message.text
    reasoning = "".join(block["reasoning"] for block in blocks if block["type"] == "reasoning")
    assert reasoning == message.additional_kwargs.get("reasoning_content", "")
    assert [block["id"] for block in blocks if block["type"] == "tool_call"] == [
        call["id"] for call in message.tool_calls
    ]


def _text_of_blocks(blocks: Any) -> str:
    return "".join(block["text"] for block in blocks if block["type"] == "text")


def _server_calls(message: AIMessage) -> list[tuple[Any, Any]]:
    return [(block["name"], block["args"]) for block in message.content_blocks if block["type"] == "server_tool_call"]


def _excused(model: Any, *, streamed: bool) -> set[str]:
    excused: set[str] = set()
    for kind in _row(model).quirks.losses:
        where, _, what = kind.partition("_")
        if where in ("both", "stream" if streamed else "json"):
            excused |= _EXCUSES.get(what, set())
    return excused


def _streamed_over_the_wire(case: Case, model: Any) -> bool:
    quirks = _row(model).quirks
    if not is_stream(case):
        return quirks.read_through_stream
    options = getattr(model, "kwargs", {})
    match quirks.read_streams_as_json:
        case "with_tools":
            return "tools" not in options
        case "with_reasoning":
            return "reasoning_effort" not in options
        case _:
            return True


def _v1(model: Any) -> Any:
    chat = _chat(model).model_copy(update={"output_version": "v1"})
    return chat.bind(**getattr(model, "kwargs", {}))


def _sum(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def _shape(call: Any) -> tuple[str, Any]:
    return call["name"], call["args"]
