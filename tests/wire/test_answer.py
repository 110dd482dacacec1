"""JSON answers as LangChain results."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_pollinations_portkey.errors import PortkeyInvalidResponseError
from langchain_pollinations_portkey.wire.chat.answer import finish_tool_calls, invented_call_id, read_answer
from langchain_pollinations_portkey.wire.chat.pieces import WireToolCall
from tests.wire.canned import answer, provider, read


def test_a_plain_answer_carries_nothing_twice() -> None:
    message = read(answer({"content": "Hi", "content_blocks": [{"type": "text", "text": "Hi"}]}, "end_turn"))
    assert message.content == "Hi"
    assert message.additional_kwargs == {}
    assert message.id == "answer-1"


def test_facts_about_the_answer() -> None:
    body = answer(
        {"content": "Hi"},
        "end_turn",
        created=7,
        service_tier="default",
        system_fingerprint="fp",
        citations=["https://a"],
        logprobs={"content": [{"token": "Hi"}]},
        groundingMetadata={"a": 1},
        usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.5, "server_tool_use": {"n": 1}},
        obfuscation="xxxx",
        nothing=None,
    )
    metadata = read(body, "anthropic", provider="anthropic", trace_id="t").response_metadata
    assert metadata == {
        "model_provider": "portkey",
        "model_name": "served",
        "provider": "anthropic",
        "trace_id": "t",
        "id": "answer-1",
        "created": 7,
        "service_tier": "default",
        "system_fingerprint": "fp",
        "citations": ["https://a"],
        "token_usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "cost": 0.5,
            "server_tool_use": {"n": 1},
        },
        "cost": 0.5,
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
        "logprobs": {"content": [{"token": "Hi"}]},
        "groundingMetadata": {"a": 1},
    }


def test_a_provider_that_names_another_keeps_both() -> None:
    metadata = read(answer({"content": "Hi"}, provider="Novita"), provider="openai").response_metadata
    assert (metadata["provider"], metadata["upstream_provider"]) == ("openai", "Novita")
    metadata = read(answer({"content": "Hi"}, provider="openai"), provider="openai").response_metadata
    assert "upstream_provider" not in metadata


def test_the_requested_model_stands_in_for_a_missing_one() -> None:
    body = {**answer({"content": "Hi"}), "model": ""}
    assert read(body).response_metadata["model_name"] == "asked"


def test_the_gateways_facts_go_to_the_run_and_not_to_the_message() -> None:
    result = read_answer(answer({"content": "Hi"}), requested_model="m", quirks=None, facts={"trace_id": "t"})
    assert result.generations[0].generation_info == {"finish_reason": "stop", "lc_gateway_metadata": {"trace_id": "t"}}
    assert "lc_gateway_metadata" not in str(result.generations[0].message)


def test_several_choices_have_the_counts_once() -> None:
    choices = [
        {"index": n, "message": {"content": text}, "finish_reason": "stop"} for n, text in enumerate(["a", "b", "c"])
    ]
    body = {"id": "1", "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}}
    result = read_answer(body, requested_model="m", quirks=None, facts={})
    assert [generation.text for generation in result.generations] == ["a", "b", "c"]
    messages = [generation.message for generation in result.generations]
    assert [message.usage_metadata is not None for message in messages] == [True, False, False]  # type: ignore[attr-defined]
    assert ["token_usage" in message.response_metadata for message in messages] == [True, False, False]
    assert result.llm_output is not None
    assert result.llm_output["token_usage"]["total_tokens"] == 10


NO_ANSWERS: list[tuple[str, Any, str]] = [
    ("blocked by Vertex AI", {"choices": [], "usage": {}}, "Gemini"),
    ("no choices", {"id": "x"}, "no choices"),
    (
        "an error",
        {"error": {"message": 'Invalid response received from openrouter: {"error":{"message":"bad"}}'}},
        "bad",
    ),
    ("HTML", "<html><body>Oops</body></html>", "Oops"),
    ("html-message", {"html-message": "<p>Down</p>"}, "Down"),
    ("a list", [1], "list"),
    ("null", None, "NoneType"),
    ("choices null", {"choices": None}, "no choices"),
    ("choices of nothing", {"choices": [None]}, "no choices"),
]


@pytest.mark.parametrize(("body", "words"), [case[1:] for case in NO_ANSWERS], ids=[case[0] for case in NO_ANSWERS])
def test_an_answer_without_a_choice_is_an_error(body: Any, words: str) -> None:
    with pytest.raises(PortkeyInvalidResponseError, match=words):
        read_answer(body, requested_model="m", quirks=None, facts={})


@pytest.mark.parametrize("reason", ["error", "overloaded_error"])
def test_an_answer_that_ended_in_an_error_is_one(reason: str) -> None:
    body = answer({"content": "Half of"}, reason)
    body["choices"][0]["error"] = {"message": "Out of luck", "code": 502}
    with pytest.raises(PortkeyInvalidResponseError, match="Out of luck") as raised:
        read(body)
    assert raised.value.partial is not None
    assert raised.value.partial.content == "Half of"
    assert raised.value.error_type == reason


def test_a_missing_finish_reason_is_no_error() -> None:
    message = read({"choices": [{"index": 0, "message": {}}]})
    assert (message.content, message.response_metadata["finish_reason"]) == ("", None)


def test_a_choice_without_a_message_is_no_answer() -> None:
    with pytest.raises(PortkeyInvalidResponseError, match="without a message"):
        read({"choices": [{"index": 0}]})


def test_thinking_with_its_signature_is_kept_whole() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "S=="},
        {"type": "redacted_thinking", "data": "R=="},
        {"type": "text", "text": "Hello "},
        {"type": "text", "text": "World", "citations": [{"cited_text": "w"}]},
    ]
    message = read(answer({"content": "Hello World", "content_blocks": blocks}, "end_turn"), "anthropic")
    assert message.content == "Hello World"
    assert message.additional_kwargs == {"reasoning_content": "hm", "content_blocks": blocks}


def test_content_as_a_list_of_claude_on_vertex() -> None:
    parts = [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "text", "text": "Hi"}]
    message = read(answer({"content": parts}, "end_turn"))
    assert message.content == "Hi"
    assert message.additional_kwargs == {"reasoning_content": "hm", "content_blocks": parts}


def test_tool_calls_valid_and_not() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "c2", "type": "function", "function": {"name": "g"}},
        {"id": "c3", "type": "function", "function": {"name": "h", "arguments": '{"a": '}},
        {"id": "c4", "type": "function", "function": {"name": "i", "arguments": "[1]"}},
        {"type": "function", "function": {"name": "j", "arguments": ""}},
    ]
    message = read(answer({"content": None, "tool_calls": calls}, "tool_calls"))
    assert [(call["name"], call["args"], call["id"]) for call in message.tool_calls] == [
        ("f", {"a": 1}, "c1"),
        ("g", {}, "c2"),
        ("j", {}, "call_answer_1_4"),
    ]
    broken = [(call["name"], call["args"], call["id"]) for call in message.invalid_tool_calls]
    assert broken == [("h", '{"a": ', "c3"), ("i", "[1]", "c4")]
    assert all(call["error"] for call in message.invalid_tool_calls)


def test_geminis_tool_calls_end_in_stop_and_have_signatures() -> None:
    call = {"id": "portkey-1", "function": {"name": "f", "arguments": "{}", "thought_signature": "TS"}}
    message = read(answer({"tool_calls": [call]}, "STOP"), "google")
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.response_metadata["native_finish_reason"] == "STOP"
    assert message.additional_kwargs == {"thought_signatures": {"portkey-1": "TS"}}


def test_a_free_form_tool_says_what_it_is() -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": 'SELECT "a"'}}
    message = read(answer({"content": None, "tool_calls": [call]}, "tool_calls"))
    assert message.tool_calls[0]["args"] == {"input": 'SELECT "a"'}
    assert message.additional_kwargs == {"tool_call_types": {"c1": "custom"}}


def test_tools_that_the_provider_ran_are_no_calls_for_an_agent() -> None:
    calls = [
        {"id": "n1", "function": {"name": "nova_grounding", "arguments": '{"query":"q"}'}},
        {"id": "c1", "function": {"name": "f", "arguments": "{}"}},
    ]
    message = read(answer({"content": "Hi", "tool_calls": calls}, "end_turn"), "bedrock")
    assert [call["id"] for call in message.tool_calls] == ["c1"]
    assert message.additional_kwargs["content_blocks"] == [
        {"type": "server_tool_use", "id": "n1", "name": "nova_grounding", "input": {"query": "q"}}
    ]
    only = read(answer({"content": "Hi", "tool_calls": calls[:1]}, "end_turn"), "bedrock")
    assert (only.tool_calls, only.response_metadata["finish_reason"]) == ([], "stop")
    assert [call["name"] for call in read(answer({"content": "Hi", "tool_calls": calls}), "openai").tool_calls] == [
        "nova_grounding",
        "f",
    ]


def test_refusal_audio_and_annotations_are_kept() -> None:
    extra = {"refusal": "No.", "audio": {"id": "a", "data": "AA==", "transcript": "Hi"}, "annotations": [{"x": 1}]}
    message = read(answer({"content": None, **extra}, "stop"))
    assert message.additional_kwargs == extra


def test_every_provider_reads_an_answer() -> None:
    for name in ("openai", "anthropic", "bedrock", "google", "vertex-ai", "cohere", "mistral-ai", "deepseek"):
        assert read(answer({"content": "Hi"}), name).content == "Hi", name
        assert provider(name).quirks.server_tools == (
            {"nova_grounding", "nova_code_interpreter"} if name == "bedrock" else frozenset()
        )


def test_invented_ids_are_stable_and_fit_every_provider() -> None:
    assert invented_call_id("msg:1/ä" * 20, 3) == invented_call_id("msg:1/ä" * 20, 3)
    assert invented_call_id("msg:1/ä", 3).replace("_", "").isalnum()
    assert len(invented_call_id("x" * 500, 12)) <= 64
    assert len({call["id"] for call in finish_tool_calls([WireToolCall(name="f")] * 1, answer_id="a")[0]}) == 1
