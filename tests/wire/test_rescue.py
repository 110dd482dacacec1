"""Answers fetched in the form that keeps more of them, with one request, whichever form was asked for."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from langchain_pollinations_portkey import notices
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.wire.chat.rescue import asks_for_reasoning, settle_fetching
from tests.wire.canned import Gateway, answer, end, event, provider, sse

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}

FETCHED: list[tuple[str, bool, dict[str, Any], bool]] = [
    # provider, a stream was asked for, body -> a stream is fetched
    ("openai", False, {}, False),
    ("openai", True, {"tools": [TOOL], "reasoning_effort": "low"}, True),
    ("deepseek", False, {}, True),
    ("deepseek", False, {"n": 3}, True),  # n does not arrive there
    ("deepseek", True, {}, True),
    ("together-ai", True, {}, True),
    ("together-ai", True, {"tools": [TOOL]}, False),
    ("together-ai", True, {"functions": [{"name": "f"}]}, False),
    ("together-ai", True, {"tools": []}, True),
    ("together-ai", False, {"tools": [TOOL]}, False),
    ("groq", True, {}, True),
    ("groq", True, {"tools": [TOOL]}, True),
    ("groq", True, {"reasoning_effort": "low"}, False),
    ("groq", True, {"reasoning_effort": "none"}, True),
    ("groq", False, {"reasoning_effort": "low"}, False),
]


@pytest.mark.parametrize(("name", "asked", "more", "fetched"), FETCHED)
def test_the_form_that_is_fetched(name: str, more: dict[str, Any], *, asked: bool, fetched: bool) -> None:
    body = {"model": "m", "messages": [], **more}
    if asked:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    before = dict(body)
    fetching = settle_fetching(body, provider(name), stream=asked)
    assert fetching.stream is fetched
    assert fetching.body.get("stream", False) is fetched
    assert ("stream_options" in fetching.body) is (asked and fetched)
    assert [notice.key for notice in fetching.notices] == ([("stream-as-json", name)] if asked and not fetched else [])
    assert body == before


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ({}, False),
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"reasoning": {"effort": "low"}}, True),
    ],
)
def test_asking_for_reasoning(body: dict[str, Any], *, asks: bool) -> None:
    assert asks_for_reasoning(body) is asks


DEEPSEEK = [
    event({"role": "assistant", "content": None, "reasoning_content": ""}),
    event({"reasoning_content": "hm"}),
    event({"content": "Hi"}),
    event({"tool_calls": [{"index": 0, **CALL}]}),
    end("tool_calls", usage=USAGE),
]


async def test_invoke_reads_a_stream_where_the_plain_answer_loses_parts() -> None:
    for way in ("invoke", "ainvoke"):
        gateway = Gateway(sse(DEEPSEEK))
        model = gateway.model("deepseek")
        message: Any = model.invoke("hi") if way == "invoke" else await model.ainvoke("hi")
        assert type(message) is AIMessage
        assert (message.content, message.id) == ("Hi", "answer-1")
        assert message.additional_kwargs == {"reasoning_content": "hm"}
        assert [call["args"] for call in message.tool_calls] == [{"a": 1}]
        assert message.usage_metadata == {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        assert message.response_metadata["finish_reason"] == "tool_calls"
        assert "index" not in str(message.content_blocks)
        (request,) = gateway.requests
        assert request["stream"] is True
        assert "stream_options" not in request


def test_generate_reads_a_stream_and_gives_what_is_added_up() -> None:
    result = Gateway(sse(DEEPSEEK)).model("deepseek").generate([[HumanMessage("hi")]])
    assert result.llm_output == {
        "model_name": "served",
        "model_provider": "portkey",
        "token_usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    }


TOGETHER = answer({"content": "I call.", "tool_calls": [CALL]}, "tool_calls", usage=USAGE)


async def received(model: Any, way: str) -> list[Any]:
    match way:
        case "stream":
            return list(model.stream("hi"))
        case "astream":
            return [chunk async for chunk in model.astream("hi")]
        case _:
            return [model.invoke("hi")]


async def test_a_stream_is_fetched_whole_where_it_loses_tool_calls() -> None:
    for way in ("stream", "astream", "invoke"):
        gateway = Gateway(TOGETHER)
        streaming = {"streaming": True} if way == "invoke" else {}
        model = gateway.model("together-ai", **streaming).bind_tools([TOOL])
        with pytest.warns(LossWarning) as told:
            chunks = await received(model, way)
        whole: Any = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert isinstance(whole, AIMessageChunk) is (way != "invoke")
        assert whole.content == "I call."
        assert [call["args"] for call in whole.tool_calls] == [{"a": 1}]
        assert whole.usage_metadata["total_tokens"] == 15
        assert "arrives at once" in str(told[0].message)
        (request,) = gateway.requests
        assert "stream" not in request
        assert "stream_options" not in request
        notices.forget_all()


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning", "ignore::UserWarning")
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_an_answer_fetched_whole_is_a_valid_stream(version: str) -> None:
    thought = [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "text", "text": "I call."}]
    body = answer(
        {"content": "I call.", "content_blocks": thought, "tool_calls": [CALL, {**CALL, "id": "c2"}]}, usage=USAGE
    )
    model = Gateway(body).model("together-ai", output_version=version).bind_tools([TOOL])
    first, *rest = model.stream("hi")
    whole: Any = first + rest  # type: ignore[operator]
    assert [block["type"] for block in whole.content_blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    stream = Gateway(body).model("together-ai").bind_tools([TOOL]).stream_events("hi", version="v3")  # type: ignore[attr-defined]
    assert_valid_event_stream(list(stream))
    assert stream.output.tool_calls == whole.tool_calls
    assert stream.output.text == "I call."


def test_what_is_given_up_is_told_once() -> None:
    model = Gateway(TOGETHER).model("together-ai").bind_tools([TOOL])
    with pytest.warns(LossWarning):
        list(model.stream("hi"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(model.stream("hi"))


def test_a_stream_is_fetched_whole_where_it_loses_reasoning() -> None:
    gateway = Gateway(answer({"content": "Hi", "reasoning": "hm"}, usage=USAGE))
    with pytest.warns(LossWarning, match="reasoning"):
        first, *rest = gateway.model("groq").stream("hi", reasoning_effort="low")
    assert (first + rest).additional_kwargs == {"reasoning_content": "hm"}  # type: ignore[operator]
    assert "stream" not in gateway.requests[0]
