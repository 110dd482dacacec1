"""What one message of an answer, or one delta of a stream, says."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_pollinations_portkey.wire.chat.pieces import WireToolCall, read_piece

CONTENT: list[tuple[str, dict[str, Any], str]] = [
    ("a string", {"content": "Hi"}, "Hi"),
    ("null", {"content": None}, ""),
    ("missing", {}, ""),
    ("empty", {"content": ""}, ""),
    ("a list of parts", {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
    ("a list with strings", {"content": ["a", {"type": "text", "text": "b"}, None, 7]}, "ab"),
    ("an empty list", {"content": []}, ""),
    (
        "reasoning before text in one list (Mistral)",
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        },
        "a",
    ),
    ("a number", {"content": 7}, ""),
    (
        "blocks that repeat the text",
        {"content": "ab", "content_blocks": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        "ab",
    ),
    (
        "blocks that the gateway joined with line breaks (Bedrock)",
        {"content": "a\nb", "content_blocks": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        "ab",
    ),
    (
        "line breaks that are the model's own",
        {"content": "a\nb", "content_blocks": [{"type": "text", "text": "a\nb"}]},
        "a\nb",
    ),
]


@pytest.mark.parametrize(("message", "text"), [case[1:] for case in CONTENT], ids=[case[0] for case in CONTENT])
def test_text(message: dict[str, Any], text: str) -> None:
    assert read_piece(message).text == text


REASONING: list[tuple[str, dict[str, Any], str]] = [
    ("DeepSeek, xAI", {"reasoning_content": "hm"}, "hm"),
    ("Groq, Ollama", {"reasoning": "hm"}, "hm"),
    ("null", {"reasoning": None, "reasoning_content": None}, ""),
    ("blocks", {"content_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}, "hm"),
    ("OpenRouter says it twice", {"reasoning": "hm", "content_blocks": [{"delta": {"thinking": "hm"}}]}, "hm"),
    (
        "OpenRouter says it in its details only",
        {"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"type": "reasoning.summary", "summary": "m"}]},
        "hm",
    ),
    ("encrypted details", {"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz"}]}, ""),
    ("Mistral", {"content": [{"type": "thinking", "thinking": [{"text": "h"}, {"text": "m"}]}]}, "hm"),
]


@pytest.mark.parametrize(
    ("message", "reasoning"), [case[1:] for case in REASONING], ids=[case[0] for case in REASONING]
)
def test_reasoning(message: dict[str, Any], reasoning: str) -> None:
    assert read_piece(message).reasoning == reasoning


DELTAS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"thinking": "", "signature": ""}, {"type": "thinking", "thinking": "", "signature": ""}),
    ({"thinking": "hm"}, {"type": "thinking", "thinking": "hm"}),
    ({"thinking": "hm", "estimated_tokens": 3}, {"type": "thinking", "thinking": "hm", "estimated_tokens": 3}),
    ({"signature": "S"}, {"type": "thinking", "signature": "S"}),
    ({"data": "R"}, {"type": "redacted_thinking", "data": "R"}),
    ({"text": "a"}, {"type": "text", "text": "a"}),
    ({"text": "", "citations": []}, {"type": "text", "text": ""}),
    ({"text": "", "citations": None}, {"type": "text", "text": ""}),
    ({"citation": {"cited_text": "c"}}, {"type": "text", "citations": [{"cited_text": "c"}]}),
    ({"citations": [1], "text": "a"}, {"type": "text", "citations": [1], "text": "a"}),
    (
        {"id": "s1", "name": "web_search", "input": {}},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
    ),
    (
        {"id": "m1", "name": "ask", "server_name": "wiki", "input": {}},
        {"type": "mcp_tool_use", "id": "m1", "name": "ask", "server_name": "wiki", "input": {}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ),
    ({"content": "Summary"}, {"type": "compaction", "content": "Summary"}),
    ({"strange": 1}, {"type": "unknown", "strange": 1}),
    ({}, None),
]


@pytest.mark.parametrize(("delta", "block"), DELTAS)
def test_the_keys_of_a_streamed_block_tell_its_type(delta: dict[str, Any], block: dict[str, Any] | None) -> None:
    read = read_piece({"content_blocks": [{"index": 4, "delta": delta}]}).blocks
    assert read == ([] if block is None else [{**block, "index": 4}])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("web_search", "web_search_tool_result"),
        ("code_execution", "code_execution_tool_result"),
        ("tool_search_tool_regex", "tool_search_tool_result"),
        ("tool_search_tool_bm25", "tool_search_tool_result"),
    ],
)
def test_a_streamed_result_is_named_after_the_call_it_answers(name: str, kind: str) -> None:
    names: dict[str, str] = {}
    read_piece({"content_blocks": [{"index": 0, "delta": {"id": "s1", "name": name, "input": {}}}]}, names)
    piece = read_piece({"content_blocks": [{"index": 1, "delta": {"tool_use_id": "s1", "content": []}}]}, names)
    assert piece.blocks == [{"type": kind, "index": 1, "tool_use_id": "s1", "content": []}]


def test_a_result_without_its_call_is_still_a_result() -> None:
    piece = read_piece({"content_blocks": [{"index": 1, "delta": {"tool_use_id": "s9", "content": []}}]})
    assert piece.blocks[0]["type"] == "server_tool_result"


TOOL_CALLS: list[tuple[str, Any, list[WireToolCall]]] = [
    (
        "as documented",
        [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        [WireToolCall(0, "c1", "f", "{}")],
    ),
    ("null", None, []),
    ("an empty list", [], []),
    ("null entries (Gemini)", [{"id": "c1", "function": {"name": "f"}}, None], [WireToolCall(None, "c1", "f")]),
    (
        "an object (Cohere)",
        {"id": "c1", "function": {"name": "f", "arguments": ""}},
        [WireToolCall(None, "c1", "f", "")],
    ),
    (
        "arguments null",
        [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": None}}],
        [WireToolCall(0, "c1", "f")],
    ),
    ("no arguments", [{"index": 0, "id": "c1", "function": {"name": "f"}}], [WireToolCall(0, "c1", "f")]),
    (
        "arguments as an object",
        [{"function": {"name": "f", "arguments": {"a": "ä"}}}],
        [WireToolCall(None, None, "f", '{"a": "ä"}')],
    ),
    (
        "an empty id (DashScope)",
        [{"index": 0, "id": "", "function": {"arguments": "x"}}],
        [WireToolCall(0, None, None, "x")],
    ),
    ("no function", [{"index": 0, "id": "c1"}], [WireToolCall(0, "c1")]),
    ("function null", [{"index": 0, "id": "c1", "function": None}], [WireToolCall(0, "c1")]),
    (
        "a thought signature (Gemini)",
        [{"id": "c1", "function": {"name": "f", "arguments": "{}", "thought_signature": "TS"}}],
        [WireToolCall(None, "c1", "f", "{}", "TS")],
    ),
    (
        "a free-form tool",
        [{"id": "c1", "type": "custom", "custom": {"name": "sql", "input": 'SELECT "a"'}}],
        [WireToolCall(None, "c1", "sql", 'SELECT "a"', custom=True)],
    ),
    (
        "the index -1 (Anthropic's own tools)",
        [{"index": -1, "function": {"arguments": "{"}}],
        [WireToolCall(-1, None, None, "{")],
    ),
]


@pytest.mark.parametrize(("sent", "calls"), [case[1:] for case in TOOL_CALLS], ids=[case[0] for case in TOOL_CALLS])
def test_tool_calls(sent: Any, calls: list[WireToolCall]) -> None:
    assert read_piece({"tool_calls": sent}).tool_calls == calls


def test_a_legacy_function_call_is_a_tool_call_and_stays() -> None:
    piece = read_piece({"content": None, "function_call": {"name": "f", "arguments": "{}"}})
    assert piece.tool_calls == [WireToolCall(None, None, "f", "{}")]
    assert piece.others == {"function_call": {"name": "f", "arguments": "{}"}}


def test_what_has_no_place_of_its_own_is_kept() -> None:
    piece = read_piece({"role": "assistant", "refusal": "No.", "annotations": [], "audio": None, "new": {"a": 1}})
    assert piece.others == {"refusal": "No.", "new": {"a": 1}}


def test_what_is_read_is_not_changed() -> None:
    message = {"content": "a", "content_blocks": [{"index": 0, "delta": {"citation": {"cited_text": "c"}}}]}
    read_piece(message)
    assert message == {"content": "a", "content_blocks": [{"index": 0, "delta": {"citation": {"cited_text": "c"}}}]}
