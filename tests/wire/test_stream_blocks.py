"""Reasoning, content blocks and server tools of streams, event by event, as the message they add up to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.canned import assemble, call, calls, end, event, whole


def blocks(*deltas: tuple[int | None, dict[str, Any]], **delta: Any) -> dict[str, Any]:
    """An event whose delta has content blocks."""
    listed = [{"delta": block} if index is None else {"index": index, "delta": block} for index, block in deltas]
    return event({**delta, "content_blocks": listed})


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_beside_the_text(key: str) -> None:
    events = [event({key: "h", "content": None}), event({key: "m"}), event({key: None, "content": "a"}), end()]
    message = whole(assemble(events))
    assert (message.content, message.additional_kwargs) == ("a", {"reasoning_content": "hm"})


def claude(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [event({"content": "", "role": "assistant"}), *events]


def text(index: int, said: str) -> dict[str, Any]:
    """Text as Anthropic's streams have it behind the gateway: twice."""
    return blocks((index, {"text": said}), content=said)


def test_a_plain_answer_of_claude_keeps_no_blocks() -> None:
    message = whole(
        assemble(claude(blocks((0, {"text": ""})), text(0, "Hi "), text(0, "you"), end("end_turn")), "anthropic")
    )
    assert (message.content, message.additional_kwargs) == ("Hi you", {})


def test_thinking_signature_and_redacted_thinking() -> None:
    events = claude(
        blocks((0, {"thinking": "", "signature": ""})),
        blocks((0, {"thinking": "h", "estimated_tokens": 2})),
        blocks((0, {"thinking": "m", "estimated_tokens": 5})),
        blocks((0, {"signature": "SIG"})),
        blocks((0, {"signature": "=="})),
        blocks((1, {"data": "RE"})),
        blocks((1, {"data": "D=="})),
        blocks((2, {"text": ""})),
        text(2, "Hi"),
        end("end_turn"),
    )
    message = whole(assemble(events, "anthropic"))
    assert message.content == "Hi"
    assert message.additional_kwargs == {
        "reasoning_content": "hm",
        "content_blocks": [
            {"type": "thinking", "index": 0, "thinking": "hm", "signature": "SIG==", "estimated_tokens": 5},
            {"type": "redacted_thinking", "index": 1, "data": "RED=="},
            {"type": "text", "index": 2, "text": "Hi"},
        ],
    }


def test_a_signature_alone_still_makes_a_block() -> None:
    events = claude(blocks((0, {"thinking": "", "signature": "S"})), text(1, "Hi"), end("end_turn"))
    kept = whole(assemble(events, "anthropic")).additional_kwargs["content_blocks"]
    assert kept[0] == {"type": "thinking", "index": 0, "thinking": "", "signature": "S"}


def test_thinking_and_text_that_share_an_index_stay_apart() -> None:
    events = [
        event({"reasoning": "hm", "content": "", "content_blocks": [{"delta": {"thinking": "hm"}}]}, index=None),
        event({"content": "Hi", "content_blocks": [{"index": 0, "delta": {"text": "Hi"}}]}),
        end(),
    ]
    message = whole(assemble(events, "openrouter"))
    assert message.additional_kwargs == {
        "reasoning_content": "hm",
        "content_blocks": [
            {"type": "thinking", "index": 0, "thinking": "hm"},
            {"type": "text", "index": 1, "text": "Hi"},
        ],
    }


def test_text_before_a_citation_is_caught_up_with_and_not_shown_again() -> None:
    events = claude(
        text(0, "One. "),
        text(1, "Two"),
        blocks((1, {"citation": {"cited_text": "2"}})),
        blocks((1, {"citation": {"cited_text": "two"}})),
        text(1, "!"),
        text(2, " Three."),
        end("end_turn"),
    )
    chunks = assemble(events, "anthropic")
    assert "".join(str(chunk.message.content) for chunk in chunks) == "One. Two! Three."
    assert whole(chunks).additional_kwargs["content_blocks"] == [
        {"type": "text", "index": 0, "text": "One. "},
        {"type": "text", "index": 1, "text": "Two!", "citations": [{"cited_text": "2"}, {"cited_text": "two"}]},
        {"type": "text", "index": 2, "text": " Three."},
    ]


def test_the_input_of_anthropics_own_tools_comes_back_to_them() -> None:
    events = claude(
        calls(call(0, "", id="toolu_1", type="function", name="mine")),
        calls(call(0, '{"a":')),
        calls(call(0, "1}")),
        blocks((1, {"id": "srv_1", "name": "web_search", "input": {}})),
        calls(call(0, '{"query": ')),  # after a call of the client's the gateway gives that call's index
        calls(call(0, '"x"}')),
        blocks((2, {"tool_use_id": "srv_1", "content": [{"url": "https://a"}]})),
        blocks((3, {"id": "mcp_1", "name": "ask", "server_name": "wiki", "input": {}})),
        calls(call(-1, '{"q": 1}')),
        text(4, "Hi"),
        end("end_turn"),
    )
    message = whole(assemble(events, "anthropic"))
    assert [(one["id"], one["args"]) for one in message.tool_calls] == [("toolu_1", {"a": 1})]
    assert message.additional_kwargs["content_blocks"] == [
        {"type": "server_tool_use", "index": 0, "id": "srv_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "index": 1, "tool_use_id": "srv_1", "content": [{"url": "https://a"}]},
        {"type": "mcp_tool_use", "index": 2, "id": "mcp_1", "name": "ask", "server_name": "wiki", "input": {"q": 1}},
        {"type": "text", "index": 3, "text": "Hi"},
    ]


def test_the_clients_calls_after_a_server_tool_are_the_clients() -> None:
    events = claude(
        blocks((0, {"id": "srv_1", "name": "tool_search_tool_regex", "input": {}})),
        calls(call(-1, '{"p": 1}')),
        calls(call(0, "", id="toolu_1", name="mine")),
        calls(call(0, '{"a": 1}')),
        end("tool_use"),
    )
    message = whole(assemble(events, "anthropic"))
    assert [(one["name"], one["args"]) for one in message.tool_calls] == [("mine", {"a": 1})]
    assert message.additional_kwargs["content_blocks"][0]["input"] == {"p": 1}
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_input_of_a_server_tool_that_is_no_json_is_not_lost() -> None:
    events = claude(
        blocks((0, {"id": "s", "name": "web_search", "input": {}})), calls(call(-1, '{"q": ')), end("end_turn")
    )
    kept = whole(assemble(events, "anthropic")).additional_kwargs["content_blocks"]
    assert kept[0]["input"] == {"__raw": '{"q": '}


def test_novas_own_tools_are_no_calls_for_an_agent() -> None:
    events = [
        event({"role": "assistant", "tool_calls": [call(0, name="nova_code_interpreter", id="n1", type="function")]}),
        event({"role": "assistant", "tool_calls": [call(0, '{"snippet": "1+1"}', type="function")]}),
        event({"role": "assistant", "tool_calls": [call(1, name="mine", id="c1", type="function")]}),
        event({"role": "assistant", "tool_calls": [call(1, '{"a": 1}', type="function")]}),
        end("tool_use"),
    ]
    message = whole(assemble(events, "bedrock"))
    assert [(one["name"], one["args"]) for one in message.tool_calls] == [("mine", {"a": 1})]
    assert message.additional_kwargs["content_blocks"] == [
        {
            "type": "server_tool_use",
            "index": 0,
            "id": "n1",
            "name": "nova_code_interpreter",
            "input": {"snippet": "1+1"},
        }
    ]
    only = whole(assemble([*events[:2], text(1, "2"), end("end_turn")], "bedrock"))
    assert (only.tool_calls, only.response_metadata["finish_reason"], only.content) == ([], "stop", "2")


def test_mistrals_reasoning_in_a_content_list() -> None:
    def thought(words: str, **more: Any) -> dict[str, Any]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": words}], **more}

    events = [
        event({"role": "assistant", "content": ""}),
        event({"content": [thought("h", closed=False)]}),
        event({"content": [thought("m", closed=True)]}),
        event({"content": [{"type": "text", "text": "H"}]}),
        event({"content": "i"}),
        end(),
    ]
    message = whole(assemble(events, "mistral-ai"))
    assert message.content == "Hi"
    assert message.additional_kwargs == {
        "reasoning_content": "hm",
        "content_blocks": [
            {"type": "thinking", "index": 0, "thinking": "hm", "closed": True},
            {"type": "text", "index": 1, "text": "Hi"},
        ],
    }


def test_a_compaction_comes_in_pieces() -> None:
    events = [
        blocks((0, {"content": None})),
        blocks((0, {"content": "So "})),
        blocks((0, {"content": "far"})),
        text(1, "Hi"),
    ]
    message = whole(assemble([*events, end("end_turn")], "anthropic"))
    assert message.additional_kwargs["content_blocks"][0] == {"type": "compaction", "index": 0, "content": "So far"}


def test_images_from_gemini() -> None:
    images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}} for data in ("AA==", "BB==")]
    events = [text(0, "Look"), blocks((0, images[0])), blocks((0, images[1])), end("STOP")]
    message = whole(assemble(events, "google"))
    assert message.additional_kwargs["content_blocks"] == [
        {"type": "text", "index": 0, "text": "Look"},
        {**images[0], "index": 1},
        {**images[1], "index": 2},
    ]
