"""Streams of every provider's shape, event by event, as the message they add up to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_pollinations_portkey.errors import PortkeyStreamError, PortkeyStreamTruncatedError
from langchain_pollinations_portkey.wire.chat.stream import StreamAssembler, chunks_of_result, result_of_chunks
from tests.wire.canned import answer, assemble, call, calls, end, event, provider, read_answer, whole

# ---------------------------------------------------------------- text


def test_text_leaves_chunk_by_chunk() -> None:
    chunks = assemble(
        [event({"role": "assistant", "content": ""}), event({"content": "a"}), event({"content": "b"}), end()]
    )
    assert [chunk.text for chunk in chunks] == ["a", "b", ""]
    assert whole(chunks).additional_kwargs == {}


def test_strange_characters_survive() -> None:
    text = '\u2028\u2029\u0085\x0b\x1c\ufeff\U0001f600 "\\\n\r\t'
    assert whole(assemble([event({"content": text}), end()])).content == text


def test_facts_leave_once_on_the_last_chunk() -> None:
    events = [
        event({"content": "a"}, id="x1", created=1, model="", usage=None),
        event({"content": "b"}, id="x2", created=2, citations=["https://1"]),
        event(
            {},
            finish_reason="STOP",
            id="x3",
            citations=["https://1", "https://2"],
            groundingMetadata={"chunks": [1, 2]},
        ),
    ]
    chunks = assemble(events, "google", provider="google", trace_id="t")
    assert [chunk.message.response_metadata for chunk in chunks[:-1]] == [{"model_provider": "portkey"}] * 2
    assert [chunk.generation_info for chunk in chunks[:-1]] == [None] * 2
    assert whole(chunks).response_metadata == {
        "model_provider": "portkey",
        "model_name": "served",
        "provider": "google",
        "trace_id": "t",
        "id": "x1",
        "created": 2,
        "citations": ["https://1", "https://2"],
        "finish_reason": "stop",
        "native_finish_reason": "STOP",
        "groundingMetadata": {"chunks": [1, 2]},
    }
    assert chunks[-1].generation_info == {
        "finish_reason": "stop",
        "lc_gateway_metadata": {"provider": "google", "trace_id": "t"},
    }
    assert chunks[-1].message.chunk_position == "last"  # type: ignore[attr-defined]


USAGES: list[tuple[str, list[Any], tuple[int, int] | None]] = [
    ("none", [None, None], None),
    ("on the last event", [None, (10, 5)], (10, 5)),
    ("cumulative on every event (Gemini)", [(10, 1), (10, 3), (10, 5)], (10, 5)),
    ("twice (Groq)", [None, (10, 5), (10, 5)], (10, 5)),
    ("the prompt alone at first (Claude on Vertex AI)", [(10, None), (10, 5)], (10, 5)),
    ("an empty object at last", [(10, 5), {}], (10, 5)),
]


@pytest.mark.parametrize(("sent", "expected"), [case[1:] for case in USAGES], ids=[case[0] for case in USAGES])
def test_usage_is_the_last_one_and_leaves_once(sent: list[Any], expected: tuple[int, int] | None) -> None:
    counts = [
        {"prompt_tokens": pair[0], "completion_tokens": pair[1]} if isinstance(pair, tuple) else pair for pair in sent
    ]
    events = [event({"content": "a"}, usage=count) for count in counts]
    chunks = assemble([*events, end()])
    with_usage = [chunk.message.usage_metadata for chunk in chunks if chunk.message.usage_metadata]  # type: ignore[attr-defined]
    assert [(usage["input_tokens"], usage["output_tokens"]) for usage in with_usage] == ([expected] if expected else [])


def test_a_usage_event_without_choices() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunks = assemble([event({"content": "a"}), end(), {"id": "x", "choices": [], "usage": usage}])
    assert whole(chunks).usage_metadata == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


MISSING: list[tuple[str, list[Any]]] = [
    ("no delta (Azure's content filter)", [event(None, content_filter_results={"hate": {}})]),
    ("delta null", [{"choices": [{"index": 0, "delta": None}]}]),
    ("no index (Cohere, OpenRouter)", [event({"content": ""}, index=None)]),
    ("no choices", [{"id": "x"}]),
    ("choices null", [{"id": "x", "choices": None}]),
    ("choices empty (Azure's prompt filter)", [{"id": "", "model": "", "choices": [], "prompt_filter_results": []}]),
    ("choices of nothing", [{"choices": [None]}]),
    ("the verdicts of guardrails", [{"hook_results": {"before_request_hooks": []}}]),
    ("error null", [{**event({"content": ""}), "error": None}]),
]


@pytest.mark.parametrize("extra", [case[1] for case in MISSING], ids=[case[0] for case in MISSING])
def test_events_with_missing_parts_are_no_trouble(extra: list[Any]) -> None:
    chunks = assemble([*extra, event({"content": "a"}), *extra, end(), *extra])
    assert (whole(chunks).content, len(chunks)) == ("a", 2)


def test_log_probabilities_add_up() -> None:
    events = [
        event({"content": token}, logprobs={"content": [{"token": token}], "refusal": None}) for token in ("a", "b")
    ]
    metadata = whole(assemble([*events, end(logprobs=None)])).response_metadata
    assert metadata["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


def test_other_keys_of_deltas_are_joined() -> None:
    events = [
        event({"refusal": "I can"}),
        event({"refusal": "not."}),
        event({"audio": {"id": "au1", "data": "YWI="}}),
        event({"audio": {"id": "au1", "data": "Y2Q=", "transcript": "He"}}),
        event({"audio": {"transcript": "llo", "expires_at": 7}}),
        event({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a"}}]}),
        event({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "h"}]}),
        event({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "m", "signature": "S"}]}),
        event({"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "data": "E"}]}),
    ]
    chunks = assemble([*events, end()])
    assert whole(chunks).additional_kwargs == {
        "refusal": "I cannot.",
        "audio": {"id": "au1", "data": "YWJjZA==", "transcript": "Hello", "expires_at": 7},
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a"}}],
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "hm", "signature": "S"},
            {"type": "reasoning.encrypted", "index": 1, "data": "E"},
        ],
        "reasoning_content": "hm",
    }


def test_only_the_first_of_several_answers_is_streamed() -> None:
    events = [event({"content": "a"}), event({"content": "b"}, index=1), end(), end(index=1)]
    assert whole(assemble(events)).content == "a"


# ---------------------------------------------------------------- the end


def feed_all(events: list[Any], name: str | None = "openai") -> StreamAssembler:
    assembler = StreamAssembler(requested_model="m", quirks=provider(name).quirks if name else None, facts={})
    for one in events:
        assembler.feed(one)
    return assembler


TRUNCATED: list[tuple[str, str, list[Any]]] = [
    ("nothing", "openai", []),
    ("only facts", "openai", [{"id": "x", "choices": []}]),
    ("no finish reason", "openai", [event({"content": "a"})]),
    ("an empty finish reason", "openai", [event({"content": "a"}), end("")]),
    ("one of two choices", "openai", [event({"content": "a"}), event({"content": "b"}, index=1), end()]),
    ("a finish reason that is no text", "openai", [event({"content": "a"}), event({}, finish_reason=0)]),
]


@pytest.mark.parametrize(("name", "events"), [case[1:] for case in TRUNCATED], ids=[case[0] for case in TRUNCATED])
def test_a_stream_without_its_end_is_an_error(name: str, events: list[Any]) -> None:
    assembler = feed_all(events, name)
    assert not assembler.complete
    with pytest.raises(PortkeyStreamTruncatedError):
        assembler.finish()


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("perplexity-ai", [event({"content": "a"}), end("")]),
        ("cohere", [event({"content": "a"}, index=1), end("COMPLETE", index=1), event({}, index=2)]),
        ("google", [event({"content": "a"}, finish_reason="MAX_TOKENS")]),
        ("openai", [event({"content": "a"}), event({}, index=1), end(), end("length", index=1)]),
    ],
)
def test_a_complete_stream(name: str, events: list[Any]) -> None:
    assembler = feed_all(events, name)
    assert assembler.complete
    assert assembler.finish()


ERRORS: list[tuple[str, Any, str, str | None]] = [
    (
        "an error event",
        {"error": {"message": "Overloaded", "type": "server_error", "code": 503}},
        "Overloaded",
        "server_error",
    ),
    ("an error that is text", {"error": "Overloaded"}, "Overloaded", None),
    (
        "the gateway's envelope",
        {"error": {"message": "groq error: Too big", "type": "t"}, "provider": "groq"},
        "^Too big",
        "t",
    ),
    (
        "Anthropic's error",
        {"choices": [{"finish_reason": "overloaded_error", "delta": {"content": ""}}]},
        "overloaded_error",
        "overloaded_error",
    ),
    ("OpenRouter's error", end("error"), "error", "error"),
    ("Bedrock's exception", event({"role": "assistant", "finish_reason": "stop"}), "exception", None),
]


@pytest.mark.parametrize(("bad", "words", "kind"), [case[1:] for case in ERRORS], ids=[case[0] for case in ERRORS])
def test_an_error_in_the_stream_is_an_error(bad: Any, words: str, kind: str | None) -> None:
    assembler = feed_all([event({"content": "a"})])
    with pytest.raises(PortkeyStreamError, match=words) as raised:
        assembler.feed(bad)
    assert raised.value.error_type == kind
    assert not isinstance(raised.value, PortkeyStreamTruncatedError)


# ---------------------------------------------------------------- the other form


def test_a_json_answer_as_chunks_adds_up_to_itself() -> None:
    body = answer(
        {
            "content": "Hi you",
            "content_blocks": [
                {"type": "thinking", "thinking": "hm", "signature": "S"},
                {"type": "text", "text": "Hi "},
                {"type": "text", "text": "you"},
            ],
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": '{"ä": [1]}'}},
                {"id": "c2", "function": {"name": "g", "arguments": '{"a": '}},
            ],
        },
        "tool_use",
        usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    )
    result = read_answer(
        body, requested_model="m", quirks=provider("anthropic").quirks, facts={"provider": "anthropic"}
    )
    message: Any = result.generations[0].message
    chunks = chunks_of_result(result)
    added = whole(chunks)
    assert (added.content, added.usage_metadata) == (message.content, message.usage_metadata)
    assert added.response_metadata == message.response_metadata
    assert added.tool_calls[0] == message.tool_calls[0]
    assert added.additional_kwargs["reasoning_content"] == "hm"
    kept = [{k: v for k, v in block.items() if k != "index"} for block in added.additional_kwargs["content_blocks"]]
    assert kept == message.additional_kwargs["content_blocks"]
    assert len({block["index"] for block in added.content_blocks if "index" in block}) == 3
    assert chunks[-1].generation_info == result.generations[0].generation_info


def test_chunks_as_a_result() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    events = [
        event({"reasoning_content": "hm"}),
        event({"content": "Hi"}),
        calls(call(0, '{"a": 1}', id="c1", name="f")),
        calls(call(1, '{"a": ', id="c2", name="g")),
        end("tool_calls", usage=usage),
    ]
    result = result_of_chunks(assemble(events, "deepseek", provider="deepseek"))
    (generation,) = result.generations
    message: Any = generation.message
    assert type(message).__name__ == "AIMessage"
    assert (message.content, message.id) == ("Hi", "answer-1")
    assert message.additional_kwargs == {"reasoning_content": "hm"}
    assert [(one["name"], one["args"]) for one in message.tool_calls] == [("f", {"a": 1})]
    assert [one["args"] for one in message.invalid_tool_calls] == ['{"a": ]']
    assert result.llm_output == {
        "model_name": "served",
        "model_provider": "portkey",
        "token_usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }
    assert generation.generation_info == {
        "finish_reason": "tool_calls",
        "lc_gateway_metadata": {"provider": "deepseek"},
    }


def test_events_are_not_changed() -> None:
    events = [
        event({"content_blocks": [{"index": 0, "delta": {"thinking": "h", "signature": "S"}}]}),
        calls(call(0, "{}", id="c1", name="f")),
        event({"content": "a"}, logprobs={"content": [1]}),
        event({"content": "b"}, logprobs={"content": [2]}),
        end(),
    ]
    before = json.dumps(events)
    assemble(events)
    assert json.dumps(events) == before
