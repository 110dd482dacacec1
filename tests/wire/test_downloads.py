"""Which files a provider needs as bytes, and the conversation with their bytes in it."""

from __future__ import annotations

import copy

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_pollinations_portkey.wire.chat.downloads import images_needed, with_downloaded
from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from tests.wire.rows import ANTHROPIC, BEDROCK, GOOGLE, MARK, OPENAI, PDF, PNG

CONVERSATION = [
    HumanMessage("q"),
    HumanMessage(
        [
            {"type": "text", "text": "q"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}, "cache_control": MARK},
            {"type": "image", "url": "https://example.com/a.png"},
            {"type": "file", "url": "https://example.com/b.pdf", "mime_type": "application/pdf", "filename": "b.pdf"},
            {"type": "image", "base64": PNG, "mime_type": "image/png"},
            {"type": "hologram"},
        ]
    ),
    AIMessage("a"),
    ToolMessage([{"type": "image", "url": "http://example.com/c"}], tool_call_id="1"),
    HumanMessage(
        [{"type": "tool_result", "tool_use_id": "2", "content": [{"type": "image", "url": "https://example.com/d"}]}]
    ),
]
FILES = {
    "https://example.com/a.png": ("image/png", PNG),
    "https://example.com/b.pdf": ("application/pdf", PDF),
    "http://example.com/c": ("", PNG),
    "https://example.com/d": ("image/png", PNG),
}


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (BEDROCK, list(FILES)),
        (OPENAI, ["https://example.com/b.pdf"]),
        (ANTHROPIC, []),
        (GOOGLE, []),
    ],
)
def test_only_what_is_needed_is_asked_for(provider, expected):
    assert images_needed(CONVERSATION, provider) == expected


def test_bytes_take_the_place_of_links():
    before = copy.deepcopy(CONVERSATION)
    messages = with_downloaded(CONVERSATION, FILES)
    assert before == CONVERSATION
    assert messages[0] is CONVERSATION[0]
    assert messages[1].content == [
        {"type": "text", "text": "q"},
        {"type": "image", "base64": PNG, "mime_type": "image/png", "cache_control": MARK},
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        {"type": "file", "base64": PDF, "mime_type": "application/pdf", "filename": "b.pdf"},
        {"type": "image", "base64": PNG, "mime_type": "image/png"},
        {"type": "hologram"},
    ]
    assert images_needed(messages, BEDROCK) == []


def test_then_bedrock_can_be_told():
    conversation = [message for message in CONVERSATION if "hologram" not in str(message.content)]
    wire, _ = messages_to_wire(with_downloaded(conversation, FILES), BEDROCK)
    assert f"data:image/png;base64,{PNG}" in str(wire)
    assert "example.com" not in str(wire)
