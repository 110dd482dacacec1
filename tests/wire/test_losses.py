"""What the gateway loses of an answer is said once, when the user would miss it."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue, Provider
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.wire import losses
from langchain_pollinations_portkey.wire.losses import answer_losses, describe, reasons_for_break
from tests.wire.canned import Gateway, answer, assemble, end, event, provider, read, sse

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
SPENT = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}
FEW = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
CITED = [{"role": "user", "content": [{"type": "document", "citations": {"enabled": True}}]}]

UNSEEN = frozenset(
    (
        "block_reason",  # the answer is an error, whose text says it
        "cached_tokens",
        "choices",  # a stream never asks for several
        "error",  # these three end a stream, which is an error of its own
        "exception",
        "finish_without_parts",
        "executed_tools",
        "native_finish_reason",
        "redacted_thinking",
        "text_after_calls",
        "text_signatures",
    )
)
"""Losses that cannot be told from an answer that never had the thing."""


def told(request: dict[str, Any], message: Any, row: Provider, *, streamed: bool) -> list[str]:
    body = {"messages": [{"role": "user", "content": "hi"}], **request}
    return [notice.key[1] for notice in answer_losses(body, describe([message]), row, streamed=streamed)]


CASES: list[tuple[str, dict[str, Any], Any, bool, list[str]]] = [
    ("openai", {"tools": [TOOL]}, answer({"content": "Hi"}, "tool_calls"), False, []),
    ("deepseek", {"tools": [TOOL]}, answer({"content": None}, "tool_calls"), False, ["json_tool_calls"]),
    ("deepseek", {"tools": [TOOL]}, answer({"content": "Hi"}, "stop"), False, []),
    ("deepseek", {"tools": [TOOL], "tool_choice": "required"}, answer({"content": "Hi"}), False, ["json_tool_calls"]),
    ("deepseek", {}, answer({"content": "Hi"}, "tool_calls"), False, []),
    ("deepseek", {"tools": [TOOL]}, answer({"content": None}, "tool_calls"), True, []),
    ("deepseek", {}, answer({"content": "Hi"}, usage=SPENT), False, ["json_reasoning"]),
    ("deepseek", {}, answer({"content": "Hi " * 40}, usage=SPENT), False, []),
    ("together-ai", {"reasoning_effort": "low"}, answer({"content": "Hi"}, usage=FEW), False, ["both_reasoning"]),
    ("together-ai", {}, answer({"content": "Hi"}, usage=FEW), False, []),
    ("together-ai", {}, answer({"content": "Hi"}), True, ["stream_usage"]),
    ("ollama", {}, answer({"content": "Hi"}), True, ["stream_usage"]),
    ("ollama", {}, answer({"content": "Hi"}, usage=FEW), False, []),
    ("groq", {"reasoning_effort": "low"}, answer({"content": "Hi", "reasoning": "hm"}, usage=FEW), True, []),
    ("groq", {"reasoning_effort": "low"}, answer({"content": "Hi"}, usage=FEW), True, ["stream_reasoning"]),
    (
        "cohere",
        {"tools": [TOOL]},
        answer({"tool_calls": [{"id": "1", "function": {"name": "f"}}]}),
        False,
        ["both_tool_plan"],
    ),
    ("bedrock", {}, answer({"content": ""}, "end_turn", usage=SPENT), False, ["json_cited_text"]),
    (
        "bedrock",
        {"messages": CITED},
        answer({"content": "The title is ."}, "end_turn", usage=FEW),
        False,
        ["json_cited_text"],
    ),
    (
        "bedrock",
        {"messages": CITED},
        answer({"content": "The title is Dummy."}, "end_turn", usage=FEW),
        True,
        ["stream_citations"],
    ),
    ("bedrock", {}, answer({"content": "Hi"}, "end_turn", usage=FEW), False, []),
    (
        "perplexity-ai",
        {},
        {**answer({"content": "Hi"}, "", usage=FEW), "citations": ["https://a"]},
        False,
        ["json_search_results"],
    ),
    ("perplexity-ai", {"max_tokens": 2}, answer({"content": "Hi"}, "", usage=FEW), False, ["json_finish_reason"]),
    ("openrouter", {"logprobs": True}, answer({"content": "Hi"}), False, ["both_logprobs"]),
    ("openrouter", {}, answer({"content": "Hi"}), False, []),
    ("google", {}, answer({"content": ""}, "MAX_TOKENS"), True, ["stream_thinking_only_usage"]),
    (
        "google",
        {"tools": [{"type": "function", "function": {"name": "code_execution"}}]},
        answer({"content": "Hi"}, "STOP", usage=FEW),
        False,
        ["both_server_tools"],
    ),
    (
        "anthropic",
        {},
        answer(
            {
                "content": "Hi",
                "content_blocks": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}],
            },
            usage=FEW,
        ),
        True,
        ["stream_final_usage"],
    ),
    (
        "anthropic",
        {},
        answer({"content": "Hi"}, usage={**FEW, "cache_creation_input_tokens": 9}),
        False,
        ["both_usage_details"],
    ),
    ("anthropic", {}, answer({"content": "Hi"}, usage=FEW), True, []),
]


@pytest.mark.parametrize(("name", "request_", "body", "streamed", "expected"), CASES)
def test_losses(name: str, request_: dict[str, Any], body: Any, expected: list[str], *, streamed: bool) -> None:
    assert told(request_, read(body, name), provider(name), streamed=streamed) == expected


def test_novas_own_tools_lose_their_results() -> None:
    row = next(variant for glob, variant in provider("bedrock").variants if "nova" in glob)
    call = {"id": "n", "function": {"name": "nova_grounding", "arguments": "{}"}}
    message = read(answer({"content": "Hi", "tool_calls": [call]}, "end_turn", usage=FEW), "bedrock")
    assert told({}, message, row, streamed=False) == ["both_server_tool_results"]


def test_the_chunks_of_a_stream_are_described_like_the_message() -> None:
    events = [
        event({"reasoning_content": "hm"}),
        event({"content": "Hi"}),
        event({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}),
        end("tool_calls", usage=FEW),
    ]
    of_chunks: Any = describe(chunk.message for chunk in assemble(events))  # type: ignore[misc]
    body = answer(
        {
            "content": "Hi",
            "reasoning_content": "hm",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
        "tool_calls",
        usage=FEW,
    )
    assert of_chunks == describe([read(body)])


def rows() -> list[Provider]:
    known = list(Catalogue.default().providers())
    return known + [variant for row in known for _, variant in row.variants]


def test_every_loss_can_be_noticed_or_is_known_not_to_be() -> None:
    kinds = {kind.partition("_") for row in rows() for kind in row.quirks.losses}
    assert {where for where, _, _ in kinds} <= {"json", "stream", "both"}
    assert {what for _, _, what in kinds} - set(losses._TESTS) == UNSEEN


def test_no_test_is_left_over() -> None:
    kinds = {kind.partition("_")[2] for row in rows() for kind in row.quirks.losses}
    assert set(losses._TESTS) <= kinds


def test_a_broken_stream_names_what_may_be_behind_it() -> None:
    assert "Groq" in reasons_for_break(provider("groq"), empty=False)
    assert "exception" in reasons_for_break(provider("bedrock"), empty=False)
    assert "blocks a prompt" in reasons_for_break(provider("google"), empty=True)
    assert "blocks a prompt" not in reasons_for_break(provider("google"), empty=False)
    assert reasons_for_break(provider("openai"), empty=True) == ""


def test_the_model_tells_once() -> None:
    gateway = Gateway(sse([event({"content": "Hi"}), end()]))
    model = gateway.model("ollama", api_key=None, custom_host="http://127.0.0.1:11434")
    with pytest.warns(LossWarning, match="Ollama: In a stream the gateway drops the token counts"):
        list(model.stream("hi"))
    list(model.stream("hi"))
