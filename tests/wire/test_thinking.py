"""Signed thinking on its way back, out of every shape a message takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict
from langchain_core.messages.tool import tool_call

from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from tests.wire.rows import ANTHROPIC, BEDROCK, GOOGLE, LLAMA, MARK, OPENAI

THINKING = {"type": "thinking", "thinking": "let me\n think ", "signature": "U0lH+/=="}
REDACTED = {"type": "redacted_thinking", "data": "UkVE"}
TEXT = {"type": "text", "text": "Hi."}
BLOCKS = [THINKING, REDACTED, TEXT]

REASONING = {"type": "reasoning", "reasoning": THINKING["thinking"], "extras": {"signature": THINKING["signature"]}}

SHAPES = {
    "beside a string, as invoked": AIMessage("Hi.", additional_kwargs={"content_blocks": BLOCKS}),
    "beside a string, as streamed": AIMessage(
        "Hi.",
        additional_kwargs={"content_blocks": [{**block, "index": number} for number, block in enumerate(BLOCKS)]},
    ),
    "v1": AIMessage([REASONING, {"type": "non_standard", "value": REDACTED}, TEXT]),
    "v1, streamed": AIMessage(
        [
            {**REASONING, "index": "lc_rs"},
            {"type": "non_standard", "value": {**REDACTED, "index": 1}, "index": "lc_pk_1"},
            {**TEXT, "index": "lc_txt_2", "annotations": []},
        ]
    ),
    "Anthropic's own": AIMessage([{**THINKING, "index": 0}, REDACTED, {**TEXT, "citations": None}]),
}
SHAPES["reloaded from JSON"] = messages_from_dict(json.loads(json.dumps(messages_to_dict([SHAPES["v1"]]))))[0]


def replayed(message: AIMessage, provider: Any) -> tuple[dict[str, Any], dict[str, str]]:
    [wire], losses = messages_to_wire([message], provider)
    return wire, losses


@pytest.mark.parametrize("message", SHAPES.values(), ids=SHAPES)
def test_every_shape_gives_the_same_blocks(message):
    wire, losses = replayed(message, ANTHROPIC)
    assert wire == {"role": "assistant", "content": "Hi.", "content_blocks": BLOCKS}
    assert not losses


@pytest.mark.parametrize("message", SHAPES.values(), ids=SHAPES)
def test_bedrock_gets_no_redacted_thinking_and_that_is_said(message):
    wire, losses = replayed(message, BEDROCK)
    assert wire["content_blocks"] == [THINKING, TEXT]
    assert list(losses) == ["redacted_thinking"]


@pytest.mark.parametrize("provider", [OPENAI, GOOGLE, LLAMA], ids=["openai", "google", "llama"])
@pytest.mark.parametrize("message", SHAPES.values(), ids=SHAPES)
def test_others_get_the_text(message, provider):
    wire, _ = replayed(message, provider)
    assert wire == {"role": "assistant", "content": "Hi."}


def test_thinking_without_a_signature_stays_behind():
    unsigned = {"type": "thinking", "thinking": "hm"}
    message = AIMessage("Hi.", additional_kwargs={"content_blocks": [unsigned, TEXT]})
    assert replayed(message, ANTHROPIC)[0] == {"role": "assistant", "content": "Hi."}


def test_text_that_was_changed_since_wins_over_the_kept_one():
    message = AIMessage("[removed]", additional_kwargs={"content_blocks": BLOCKS})
    wire, _ = replayed(message, ANTHROPIC)
    assert wire["content_blocks"] == [THINKING, REDACTED, {"type": "text", "text": "[removed]"}]


def test_text_blocks_that_the_gateway_joined_with_line_breaks_are_kept_apart():
    blocks = [THINKING, {"type": "text", "text": "a"}, {**THINKING, "signature": "2"}, {"type": "text", "text": "b"}]
    wire, _ = replayed(AIMessage("a\nb", additional_kwargs={"content_blocks": blocks}), BEDROCK)
    assert wire["content_blocks"] == blocks


def test_thinking_alone_has_a_content_beside_it_for_bedrock():
    message = AIMessage("", additional_kwargs={"content_blocks": [THINKING]})
    wire, _ = replayed(message, BEDROCK)
    assert wire == {"role": "assistant", "content": " ", "content_blocks": [THINKING]}
    message = AIMessage(
        "", additional_kwargs={"content_blocks": [THINKING]}, tool_calls=[tool_call(id="1", name="f", args={})]
    )
    assert replayed(message, BEDROCK)[0]["content"] is None


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([THINKING, {**TEXT, "cache_control": MARK}]),
        AIMessage([THINKING, {**TEXT, "extras": {"cache_control": MARK}}]),
        AIMessage([{**TEXT, "cache_control": MARK}], additional_kwargs={"content_blocks": [THINKING, TEXT]}),
        AIMessage(
            [{**TEXT, "cache_control": MARK}],
            additional_kwargs={"content_blocks": [THINKING, {"type": "text", "text": "other"}]},
        ),
    ],
)
def test_a_breakpoint_on_the_text_stands_in_the_blocks(message):
    wire, _ = replayed(message, ANTHROPIC)
    assert wire["content_blocks"] == [THINKING, {**TEXT, "cache_control": MARK}]


def test_breakpoints_stay_with_the_parts_of_a_changed_text():
    content = [{**TEXT, "cache_control": MARK}, {"type": "text", "text": "More."}]
    message = AIMessage(content, additional_kwargs={"content_blocks": [THINKING, {"type": "text", "text": "other"}]})
    wire, _ = replayed(message, ANTHROPIC)
    assert wire["content_blocks"] == [THINKING, *content]


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("Hi.", additional_kwargs={"content_blocks": [SEARCH, FOUND, {**TEXT, "citations": [{"url": "u"}]}]}),
        AIMessage(
            [
                {"type": "server_tool_call", "id": "srvtoolu_1", "name": "web_search", "args": {"query": "x"}},
                {
                    "type": "server_tool_result",
                    "tool_call_id": "srvtoolu_1",
                    "status": "success",
                    "output": FOUND["content"],
                    "extras": {"type": "web_search_tool_result"},
                },
                {**TEXT, "annotations": [{"type": "citation", "url": "u"}]},
            ]
        ),
    ],
)
def test_what_claudes_own_tools_did_goes_back_to_claude(message):
    wire, _ = replayed(message, ANTHROPIC)
    assert wire["content_blocks"] == [SEARCH, FOUND, TEXT]
    assert "content_blocks" not in replayed(message, BEDROCK)[0]
