"""LangChain's standard content blocks, read from our messages."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, messages_from_dict, messages_to_dict

from tests.wire.canned import answer, assemble, end, event, read, whole

KEPT: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "thinking",
        {"type": "thinking", "thinking": "hm", "signature": "S"},
        [{"type": "reasoning", "reasoning": "hm", "extras": {"signature": "S"}}],
    ),
    ("unsigned thinking", {"type": "thinking", "thinking": "hm"}, [{"type": "reasoning", "reasoning": "hm"}]),
    (
        "redacted thinking",
        {"type": "redacted_thinking", "data": "R"},
        [{"type": "non_standard", "value": {"type": "redacted_thinking", "data": "R"}}],
    ),
    (
        "a server tool's call",
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}, "caller": {"type": "direct"}},
        [
            {
                "type": "server_tool_call",
                "id": "s",
                "name": "web_search",
                "args": {"q": 1},
                "extras": {"caller": {"type": "direct"}},
            }
        ],
    ),
    (
        "an MCP call",
        {"type": "mcp_tool_use", "id": "m", "name": "ask", "server_name": "wiki", "input": {}},
        [
            {
                "type": "server_tool_call",
                "id": "m",
                "name": "ask",
                "args": {},
                "extras": {"type": "mcp_tool_use", "server_name": "wiki"},
            }
        ],
    ),
    (
        "a result",
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "https://a"}]},
        [
            {
                "type": "server_tool_result",
                "tool_call_id": "s",
                "status": "success",
                "output": [{"url": "https://a"}],
                "extras": {"type": "web_search_tool_result"},
            }
        ],
    ),
    (
        "a result that is an error",
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": {"type": "x", "error_code": "y"}},
        [
            {
                "type": "server_tool_result",
                "tool_call_id": "s",
                "status": "error",
                "output": {"type": "x", "error_code": "y"},
                "extras": {"type": "web_search_tool_result"},
            }
        ],
    ),
    (
        "an image",
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        [{"type": "image", "base64": "AA==", "mime_type": "image/png"}],
    ),
    ("an image by address", {"type": "image_url", "image_url": "https://a"}, [{"type": "image", "url": "https://a"}]),
    (
        "something new",
        {"type": "compaction", "content": "x"},
        [{"type": "non_standard", "value": {"type": "compaction", "content": "x"}}],
    ),
    (
        "a citation",
        {
            "type": "text",
            "text": "Hi",
            "citations": [{"type": "page_location", "cited_text": "c", "document_title": "D", "start_page_number": 1}],
        },
        [
            {
                "type": "text",
                "text": "Hi",
                "annotations": [
                    {
                        "type": "citation",
                        "cited_text": "c",
                        "title": "D",
                        "extras": {"type": "page_location", "document_title": "D", "start_page_number": 1},
                    }
                ],
            }
        ],
    ),
]


@pytest.mark.parametrize(("block", "expected"), [case[1:] for case in KEPT], ids=[case[0] for case in KEPT])
def test_provider_blocks(block: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    text = str(block.get("text") or "")
    message = read(answer({"content": text, "content_blocks": [block]}), "anthropic")
    assert message.content_blocks == expected


OTHERS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("text", {"content": "Hi"}, [{"type": "text", "text": "Hi"}]),
    ("nothing", {"content": None}, []),
    (
        "reasoning",
        {"content": "Hi", "reasoning": "hm"},
        [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Hi"}],
    ),
    (
        "reasoning beside blocks without any",
        {
            "content": "a",
            "reasoning": "hm",
            "content_blocks": [{"type": "text", "text": "a", "citations": [{"url": "u"}]}],
        },
        [
            {"type": "reasoning", "reasoning": "hm"},
            {"type": "text", "text": "a", "annotations": [{"type": "citation", "url": "u"}]},
        ],
    ),
    (
        "audio",
        {"content": None, "audio": {"id": "a", "data": "AA==", "transcript": "Hi"}},
        [{"type": "audio", "base64": "AA==", "extras": {"id": "a", "transcript": "Hi"}}],
    ),
    (
        "images",
        {"content": "", "images": [{"type": "image_url", "image_url": {"url": "https://a"}}]},
        [{"type": "image", "url": "https://a"}],
    ),
    (
        "a refusal",
        {"content": None, "refusal": "No."},
        [{"type": "refusal", "refusal": "No."}],
    ),
    (
        "annotations",
        {
            "content": "Hi",
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": "u", "title": "T", "start_index": 0, "end_index": 2}}
            ],
        },
        [
            {
                "type": "text",
                "text": "Hi",
                "annotations": [
                    {
                        "type": "citation",
                        "title": "T",
                        "url": "u",
                        "start_index": 0,
                        "end_index": 2,
                        "extras": {"type": "url_citation"},
                    }
                ],
            }
        ],
    ),
    (
        "calls",
        {
            "content": None,
            "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": '{"a": 1}', "thought_signature": "TS"}},
                {"id": "2", "function": {"name": "g", "arguments": "{"}},
            ],
        },
        [
            {"type": "tool_call", "name": "f", "args": {"a": 1}, "id": "1", "extras": {"thought_signature": "TS"}},
            {"type": "invalid_tool_call", "name": "g", "args": "{", "id": "2"},
        ],
    ),
]


@pytest.mark.parametrize(("message", "expected"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_everything_else(message: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    blocks: Any = read(answer(message)).content_blocks
    assert [{key: value for key, value in block.items() if key != "error"} for block in blocks] == expected


def test_text_that_somebody_changed_is_right() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "text", "text": "secret"}]
    message = read(answer({"content": "secret", "content_blocks": blocks}), "anthropic")
    message.content = "[redacted]"
    assert message.content_blocks[-1] == {"type": "text", "text": "[redacted]"}
    assert sum(block["type"] == "text" for block in message.content_blocks) == 1


def test_chunks_keep_text_calls_and_thinking_apart() -> None:
    events = [
        event({"content_blocks": [{"index": 0, "delta": {"thinking": "hm"}}]}),
        event({"content": "Hi", "content_blocks": [{"index": 1, "delta": {"text": "Hi"}}]}),
        event(
            {
                "content": "!",
                "content_blocks": [{"index": 1, "delta": {"text": "!"}}],
                "tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}}],
            }
        ),
        event({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
        end("tool_use"),
    ]
    seen = [
        (b["type"], b.get("index")) for chunk in assemble(events, "anthropic") for b in chunk.message.content_blocks
    ]
    assert seen == [
        ("reasoning", "lc_rs"),
        ("text", "lc_txt_1"),
        ("text", "lc_txt_1"),
        ("tool_call_chunk", "lc_tc_0"),
        ("tool_call_chunk", "lc_tc_0"),
    ]


def test_a_plain_stream_and_its_sum_have_one_text_block() -> None:
    chunks = assemble([event({"content": "a"}), event({"content": "b"}), end()])
    assert [chunk.message.content_blocks for chunk in chunks] == [
        [{"type": "text", "text": "a", "index": "lc_txt"}],
        [{"type": "text", "text": "b", "index": "lc_txt"}],
        [],
    ]
    assert whole(chunks).content_blocks == [{"type": "text", "text": "ab", "index": "lc_txt"}]


def test_content_that_is_a_list_is_left_to_langchain() -> None:
    message = AIMessage([{"type": "text", "text": "a"}], response_metadata={"model_provider": "portkey"})
    assert message.content_blocks == [{"type": "text", "text": "a"}]
    chunk = AIMessageChunk([{"type": "text", "text": "a"}], response_metadata={"model_provider": "portkey"})
    assert chunk.content_blocks == [{"type": "text", "text": "a"}]


def test_a_reloaded_message_reads_the_same() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "text", "text": "Hi"}]
    message = read(answer({"content": "Hi", "content_blocks": blocks}), "anthropic")
    (reloaded,) = messages_from_dict(messages_to_dict([message]))
    assert reloaded.content_blocks == message.content_blocks
    assert pickle.loads(pickle.dumps(message)).content_blocks == message.content_blocks


def test_a_message_can_be_read_where_this_package_is_not_imported() -> None:
    calls = [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]
    message = read(answer({"content": "Hi", "reasoning": "hm", "tool_calls": calls}))
    code = (
        "import json, sys\n"
        "from langchain_core.messages import messages_from_dict\n"
        "message, = messages_from_dict([json.loads(sys.argv[1])])\n"
        "print(message.text, [block['type'] for block in message.content_blocks])"
    )
    (saved,) = messages_to_dict([message])
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(saved)], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == "Hi ['reasoning', 'text', 'tool_call']"


@pytest.mark.parametrize(
    ("name", "native", "expected"),
    [
        ("anthropic", "refusal", True),
        ("google", "SAFETY", True),
        ("google", "PROHIBITED_CONTENT", True),
        ("google", "BLOCKLIST", True),
        ("google", "RECITATION", False),
        ("openai", "content_filter", False),
        ("anthropic", "end_turn", False),
    ],
)
@pytest.mark.parametrize("text", ["I was about to", ""])
def test_a_refusal_by_the_finish_reason(name: str, native: str, expected: bool, text: str) -> None:
    refusal = {"type": "refusal", "refusal": "", "extras": {"finish_reason": native}}
    said = [{"type": "text", "text": text}] if text else []
    assert read(answer({"content": text}, native), name).content_blocks == [*said, *([refusal] if expected else [])]
