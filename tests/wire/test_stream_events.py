"""Streams through the model: LangChain's three protocols, callbacks, tracers, errors; sync and async."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.schemas import Run
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from tests.wire.canned import Gateway, Tokens, added, answer, end, event, sse, use

pytestmark = [
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore::langchain_pollinations_portkey.notices.LossWarning"),
]

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def text(said: str, index: int | None = None) -> dict[str, Any]:
    delta: dict[str, Any] = {"content": said}
    if index is not None:
        delta["content_blocks"] = [{"index": index, "delta": {"text": said}}]
    return event(delta)


def block(index: int, **delta: Any) -> dict[str, Any]:
    return event({"content_blocks": [{"index": index, "delta": delta}]})


def call(index: int, name: str, *arguments: str) -> list[dict[str, Any]]:
    first = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    return [
        event({"tool_calls": [piece]})
        for piece in (first, *({"index": index, "function": {"arguments": a}} for a in arguments))
    ]


STREAMS: dict[str, tuple[str, list[Any]]] = {
    "text": ("openai", [event({"role": "assistant", "content": ""}), text("Hello"), text(" you"), end(usage=USAGE)]),
    "a tool": ("openai", [*call(0, "f", '{"a":', "1}"), end("tool_calls", usage=USAGE)]),
    "text and a tool": ("openai", [text("I call. "), *call(0, "f", '{"a":', "1}"), end("tool_calls", usage=USAGE)]),
    "text and a tool in one event": (
        "openai",
        [
            event(
                {
                    "content": "I call.",
                    "tool_calls": [{"index": 0, "id": "call_0", "function": {"name": "f", "arguments": "{}"}}],
                }
            ),
            end("tool_calls", usage=USAGE),
        ],
    ),
    "a tool without arguments": ("anthropic", [*call(0, "f"), end("tool_use", usage=USAGE)]),
    "two tools at once": (
        "openai",
        [*call(0, "f", '{"a":'), *call(1, "g", "{}"), call(0, "f", "1}")[1], end("tool_calls", usage=USAGE)],
    ),
    "thinking, text and a tool": (
        "anthropic",
        [
            block(0, thinking="", signature=""),
            block(0, thinking="h"),
            block(0, thinking="m"),
            block(0, signature="SIG=="),
            block(1, data="RED=="),
            text("Hi", 2),
            text(" you", 2),
            *call(0, "f", '{"a":', "1}"),
            end("tool_use", usage=USAGE),
        ],
    ),
    "citations and server tools": (
        "anthropic",
        [
            block(0, id="srv_1", name="web_search", input={}),
            event({"tool_calls": [{"index": -1, "function": {"arguments": '{"q":'}}]}),
            event({"tool_calls": [{"index": -1, "function": {"arguments": "1}"}}]}),
            block(1, tool_use_id="srv_1", content=[{"url": "https://a"}]),
            text("One", 2),
            block(2, citation={"cited_text": "1"}),
            block(2, citation={"cited_text": "one"}),
            text("!", 2),
            text(" Two", 3),
            end("end_turn", usage=USAGE),
        ],
    ),
    "reasoning": (
        "deepseek",
        [event({"reasoning_content": "h"}), event({"reasoning_content": "m"}), text("Hi"), end(usage=USAGE)],
    ),
    "Gemini's calls": (
        "google",
        [
            event(
                {
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "p1",
                            "function": {"name": "f", "arguments": "{}", "thought_signature": "TS"},
                        }
                    ]
                },
                usage=USAGE,
            ),
            event(
                {"tool_calls": [{"index": 0, "id": "p2", "function": {"name": "g", "arguments": "{}"}}]}, usage=USAGE
            ),
            end("STOP", usage=USAGE),
        ],
    ),
    "a free-form tool": (
        "openai",
        [
            event(
                {"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SEL"}}]}
            ),
            event({"tool_calls": [{"index": 0, "custom": {"input": 'ECT "1"'}}]}),
            end("tool_calls", usage=USAGE),
        ],
    ),
    "a refusal": ("openai", [event({"refusal": "No"}), event({"refusal": "."}), end(usage=USAGE)]),
    "a refusal by the finish reason": ("anthropic", [text("I was"), end("refusal", usage=USAGE)]),
    "an image": (
        "google",
        [
            text("Look", 0),
            block(0, type="image_url", image_url={"url": "data:image/png;base64,AA=="}),
            end("STOP", usage=USAGE),
        ],
    ),
    "no usage": ("openai", [text("Hi"), end()]),
}
EVERY = pytest.mark.parametrize(("name", "events"), STREAMS.values(), ids=STREAMS.keys())


def view(blocks: Any) -> list[dict[str, Any]]:
    """Blocks without what tells them apart while they stream."""
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


def sorted_view(blocks: Any) -> list[str]:
    return sorted(json.dumps(block, sort_keys=True) for block in view(blocks))


@EVERY
def test_a_stream_as_v0(name: str, events: list[Any]) -> None:
    chunks = list(Gateway(sse(events)).model(name).stream("hi"))
    whole = added(chunks)
    assert isinstance(whole.content, str)
    assert len({chunk.id for chunk in chunks}) == 1
    assert sum(chunk.usage_metadata is not None for chunk in chunks) == ("usage" in events[-1])
    assert [chunk.chunk_position for chunk in chunks] == [None] * (len(chunks) - 1) + ["last"]
    assert whole.response_metadata["model_name"] == "served"


@EVERY
def test_v1_says_what_v0_says_block_by_block(name: str, events: list[Any]) -> None:
    v0 = added(list(Gateway(sse(events)).model(name).stream("hi")))
    v1 = added(list(Gateway(sse(events)).model(name, output_version="v1").stream("hi")))
    assert v1.text == v0.text
    assert v1.tool_calls == v0.tool_calls
    assert v1.usage_metadata == v0.usage_metadata
    assert v1.additional_kwargs == v0.additional_kwargs
    assert sorted_view(v1.content) == sorted_view(v0.content_blocks)


@EVERY
def test_v3_is_a_valid_stream_of_events(name: str, events: list[Any]) -> None:
    v0 = added(list(Gateway(sse(events)).model(name).stream("hi")))
    stream = Gateway(sse(events)).model(name).stream_events("hi", version="v3")
    assert_valid_event_stream(list(stream))
    check_output(stream.output, v0)


@EVERY
async def test_v3_is_a_valid_stream_of_events_async(name: str, events: list[Any]) -> None:
    v0 = added([chunk async for chunk in Gateway(sse(events)).model(name).astream("hi")])
    stream = await Gateway(sse(events)).model(name).astream_events("hi", version="v3")
    assert_valid_event_stream([event async for event in stream])
    check_output(await stream.output, v0)


def check_output(output: AIMessage, v0: Any) -> None:
    assert output.text == v0.text
    assert output.tool_calls == v0.tool_calls
    assert output.usage_metadata == v0.usage_metadata
    assert output.additional_kwargs == v0.additional_kwargs
    assert output.response_metadata["finish_reason"] == v0.response_metadata["finish_reason"]
    assert output.response_metadata["model_name"] == "served"
    # What LangChain puts together from the events of v3 leaves refusals out of the content.
    kept = [block for block in v0.content_blocks if block["type"] != "refusal"]
    assert sorted_view(output.content) == sorted_view(kept)


@EVERY
def test_invoke_with_a_streaming_handler_gives_the_sum(name: str, events: list[Any]) -> None:
    v0 = added(list(Gateway(sse(events)).model(name).stream("hi")))
    message = Gateway(sse(events)).model(name, streaming=True).invoke("hi")
    assert type(message) is AIMessage
    assert (message.content, message.tool_calls) == (v0.content, v0.tool_calls)
    assert (message.usage_metadata, message.additional_kwargs) == (v0.usage_metadata, v0.additional_kwargs)
    assert message.response_metadata == v0.response_metadata


# ---------------------------------------------------------------- callbacks and tracers


HELLO = STREAMS["text"][1]


async def test_the_token_callback_is_called_once_for_each_chunk() -> None:
    expected = ["Hello", " you", ""]
    for way in ("stream", "astream", "invoke", "ainvoke", "v2", "v3", "av3"):
        tokens = Tokens()
        model = Gateway(sse(HELLO)).model(**{"streaming": True} if way in ("invoke", "ainvoke") else {})
        config: Any = {"callbacks": [tokens]}
        await use(model, way, config)
        assert tokens.tokens == expected, way
        assert (tokens.ends, tokens.errors) == (1, []), way


def test_a_tool_call_is_told_to_callbacks_in_v1_too() -> None:
    tokens = Tokens()
    _, events = STREAMS["text and a tool"]
    chunks = list(Gateway(sse(events)).model(output_version="v1").stream("hi", {"callbacks": [tokens]}))
    assert len(tokens.tokens) == len(chunks)


class Runs(BaseTracer):
    """Keeps the runs as a tracing service would."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.ended.append(run)


@pytest.mark.parametrize("way", ["invoke", "stream", "v1", "v3", "streaming"])
def test_the_gateways_facts_are_metadata_of_the_run(way: str) -> None:
    runs = Runs()
    body = answer({"content": "Hi"}) if way == "invoke" else sse(HELLO)
    fields: dict[str, dict[str, Any]] = {"streaming": {"streaming": True}, "v1": {"output_version": "v1"}}
    model = Gateway(body).model(**fields.get(way, {}))
    config: Any = {"callbacks": [runs]}
    if way in ("stream", "v1"):
        message = added(list(model.stream("hi", config)))
    elif way == "v3":
        stream = model.stream_events("hi", config, version="v3")
        list(stream)
        message = stream.output
    else:
        message = model.invoke("hi", config)
    (run,) = runs.ended
    assert run.metadata["ls_gateway_info"] == {"provider": "openai", "trace_id": "trace-1"}
    assert "lc_gateway_metadata" not in json.dumps(message.model_dump())
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["trace_id"] == "trace-1"
    if way != "v3":
        (generation,) = run.outputs["generations"][0]  # type: ignore[index]
        assert generation["generation_info"]["finish_reason"] == "stop"
    assert isinstance(run.id, UUID)
