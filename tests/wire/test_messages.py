"""Whole messages on their way out: roles, tool calls and results, names, and what several messages settle."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    messages_to_dict,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.wire.chat.messages import messages_to_wire
from langchain_pollinations_portkey.wire.chat.parts import UnsupportedContentError
from langchain_pollinations_portkey.wire.chat.turns import settle_turns
from tests.wire.rows import (
    ANTHROPIC,
    BEDROCK,
    COHERE,
    GEMINI_3,
    GOOGLE,
    MARK,
    MISTRAL,
    OPENAI,
    OPENROUTER,
    PDF,
    PNG,
    VERTEX,
)

IMAGE_BLOCK = {"type": "image", "base64": PNG, "mime_type": "image/png"}
AS_IMAGE_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def outgoing(messages: list[BaseMessage], provider: Provider, *, has_tools: bool = True) -> tuple[list[Any], Any]:
    """The messages as they go out and what is said about losses; the ones given have to stay as they are."""
    before = copy.deepcopy(messages_to_dict(messages))
    wire, losses = messages_to_wire(messages, provider)
    wire = settle_turns(wire, provider, losses, has_tools=has_tools)
    assert messages_to_dict(messages) == before
    return wire, losses


def wired(messages: list[BaseMessage], provider: Provider, *, has_tools: bool = True) -> list[Any]:
    return outgoing(messages, provider, has_tools=has_tools)[0]


def calling(*calls: tuple[str, str, dict[str, Any]], text: Any = "", **more: Any) -> AIMessage:
    return AIMessage(text, tool_calls=[tool_call(id=i, name=name, args=args) for i, name, args in calls], **more)


def function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


# --- roles


@pytest.mark.parametrize("provider", [OPENAI, ANTHROPIC, BEDROCK, MISTRAL], ids=lambda row: row.id)
def test_plain_text_stays_a_string(provider):
    messages = [SystemMessage("S"), HumanMessage("q"), AIMessage("a"), HumanMessage("r")]
    assert wired(messages, provider) == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "r"},
    ]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (ChatMessage(role="user", content="x"), {"role": "user", "content": "x"}),
        (ChatMessage(role="Human", content="x"), {"role": "user", "content": "x"}),
        (ChatMessage(role="assistant", content="x"), {"role": "assistant", "content": "x"}),
        (ChatMessage(role="system", content="x"), {"role": "system", "content": "x"}),
        (ChatMessage(role="developer", content="x"), {"role": "developer", "content": "x"}),
        (ChatMessage(role="critic", content="x"), {"role": "critic", "content": "x"}),
        (
            SystemMessage("x", additional_kwargs={"__openai_role__": "developer"}),
            {"role": "developer", "content": "x"},
        ),
        (AIMessageChunk("x"), {"role": "assistant", "content": "x"}),
        (HumanMessage([]), {"role": "user", "content": ""}),
        (
            SystemMessage(["a", {"type": "text", "text": ""}]),
            {"role": "system", "content": [{"type": "text", "text": "a"}]},
        ),
    ],
)
def test_roles(message, expected):
    assert wired([message], OPENAI) == [expected]


def test_a_system_prompt_of_nothing_is_none():
    assert wired([SystemMessage([{"type": "text", "text": ""}]), HumanMessage("q")], OPENAI) == [
        {"role": "user", "content": "q"}
    ]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (SystemMessage([IMAGE_BLOCK]), "a system prompt is text; a part of type 'image'"),
        (FunctionMessage(name="f", content="x"), "no earlier message calls the function 'f'"),
        (RemoveMessage(id="1"), "a RemoveMessage cannot be sent"),
        (ToolMessage([{"type": "thinking", "thinking": ""}], tool_call_id="1"), "no place in the result"),
    ],
)
def test_messages_that_cannot_be_sent(message, reason):
    with pytest.raises(UnsupportedContentError, match=rf"messages\[1\] \({message.type}\)") as caught:
        wired([HumanMessage("x"), message], OPENAI)
    assert reason in str(caught.value)


# --- names


@pytest.mark.parametrize(
    ("provider", "expected"),
    [(OPENAI, ["Ann_Lee", "agent_1_"]), (ANTHROPIC, [None, None]), (MISTRAL, [None, None])],
)
def test_names_go_where_they_are_known_and_fit_there(provider, expected):
    messages = [HumanMessage("q", name="Ann Lee"), AIMessage("a", name="agent <1>")]
    assert [message.get("name") for message in wired(messages, provider)] == expected


# --- tool calls


def test_calls_and_results():
    messages = [
        HumanMessage("q"),
        calling(("c1", "f", {"x": "日本"}), ("c2", "g", {}), text="I look."),
        ToolMessage("r1", tool_call_id="c1", name="f", artifact={"secret": 1}),
        ToolMessage([{"type": "text", "text": "r2"}, "more"], tool_call_id="c2"),
    ]
    assert wired(messages, OPENAI)[1:] == [
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [function_call("c1", "f", '{"x": "日本"}'), function_call("c2", "g", "{}")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "r1"},
        {"role": "tool", "tool_call_id": "c2", "content": "r2\nmore"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        calling(("c1", "f", {"x": 1}), text=[{"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}}]),
        calling(("c1", "f", {"x": 1}), text=[{"type": "tool_call", "id": "c1", "name": "f", "args": {"x": 1}}]),
        AIMessage([{"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}}]),
        AIMessage([{"type": "tool_use", "id": "c1", "name": "f", "input": '{"x": 1}'}]),
        AIMessage("", additional_kwargs={"tool_calls": [function_call("c1", "f", '{"x": 1}')]}),
        calling(("c1", "f", {"x": 1}), additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}),
    ],
)
def test_a_call_is_sent_once_in_whichever_forms_it_stands(message):
    [assistant] = wired([message], OPENAI)
    assert assistant == {"role": "assistant", "content": None, "tool_calls": [function_call("c1", "f", '{"x": 1}')]}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("{oops", '{"invalid_arguments": "{oops"}'),
        ("[1]", '{"invalid_arguments": "[1]"}'),
        ("", "{}"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_invalid_calls_go_back_as_valid_json(given, sent):
    message = AIMessage("", invalid_tool_calls=[invalid_tool_call(id="c1", name="f", args=given, error="broken")])
    [assistant] = wired([message], OPENAI)
    assert assistant["tool_calls"] == [function_call("c1", "f", sent)]
    assert isinstance(json.loads(sent), dict)


def test_custom_calls_of_openai_keep_their_form_there_only():
    message = calling(("c1", "shell", {"input": "ls"}), additional_kwargs={"tool_call_types": {"c1": "custom"}})
    assert wired([message], OPENAI)[0]["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    ]
    assert wired([message], ANTHROPIC)[0]["tool_calls"] == [function_call("c1", "shell", '{"input": "ls"}')]


@pytest.mark.parametrize("provider", [OPENAI, ANTHROPIC, BEDROCK, GOOGLE, MISTRAL], ids=lambda row: row.id)
def test_function_calls_of_old_become_tool_calls(provider):
    call = {"function_call": {"name": "f", "arguments": '{"x": 1}'}}
    messages = [HumanMessage("q"), AIMessage("", additional_kwargs=call), FunctionMessage(name="f", content="r")]
    _, assistant, result = wired(messages, provider)
    assert assistant["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x": 1}'}
    assert result["role"] == "tool"
    assert result["tool_call_id"] == assistant["tool_calls"][0]["id"]


GATEWAYS_GEMINI_ID = "portkey-123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("provider", "given", "kept"),
    [
        (OPENAI, "call_abc", True),
        (OPENAI, "functions.f:0", True),
        (OPENAI, GATEWAYS_GEMINI_ID, False),  # 44 characters
        (ANTHROPIC, GATEWAYS_GEMINI_ID, True),
        (ANTHROPIC, "functions.f:0", False),
        (BEDROCK, "functions.f:0", False),
        (MISTRAL, "D681PevKs", True),
        (MISTRAL, "call_abc", False),
        (OPENROUTER, "functions.f:0", True),
    ],
)
def test_ids_change_only_where_the_provider_refuses_them(provider, given, kept):
    messages = [calling((given, "f", {}), ("other", "g", {})), ToolMessage("r", tool_call_id=given)]
    assistant, result = wired(messages, provider)
    first, second = (call["id"] for call in assistant["tool_calls"])
    assert first == result["tool_call_id"]
    assert first != second
    assert (first == given) is kept
    assert wired(messages, provider)[0]["tool_calls"][0]["id"] == first


# --- results of tools


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("boom", "Error: boom"),
        ("Error: boom", "Error: boom"),
        ([{"type": "text", "text": "boom"}], "Error: boom"),
        ([], "Error:"),
    ],
)
def test_a_failed_tool_says_so(content, expected):
    [result] = wired([ToolMessage(content, tool_call_id="c", status="error")], OPENAI)
    assert result["content"] == expected


def test_results_of_anthropics_dialect_are_messages_before_the_rest_of_the_turn():
    turn = HumanMessage(
        [
            {"type": "text", "text": "And?"},
            {"type": "tool_result", "tool_use_id": "c1", "content": "r1"},
            {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "r2"}], "is_error": True},
        ]
    )
    messages = [calling(("c1", "f", {}), ("c2", "f", {})), turn]
    assert wired(messages, OPENAI)[1:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "r1"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: r2"},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ]


def test_a_marked_result_of_anthropics_dialect_keeps_its_breakpoint():
    block = {"type": "tool_result", "tool_use_id": "c1", "content": "r", "cache_control": MARK}
    [result] = wired([HumanMessage([block])], ANTHROPIC)
    assert result["content"] == [{"type": "text", "text": "r", "cache_control": MARK}]


@pytest.mark.parametrize(
    "image",
    [
        IMAGE_BLOCK,
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ],
)
def test_images_in_results_stay_there_for_claude(image):
    message = ToolMessage([{"type": "text", "text": "see"}, image], tool_call_id="c")
    [result] = wired([message], ANTHROPIC)
    assert result["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ]


def test_pdfs_and_links_in_results_for_claude():
    message = ToolMessage(
        [
            {"type": "file", "base64": PDF, "mime_type": "application/pdf"},
            {"type": "image", "url": "https://example.com/a.png"},
            {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "x"}]},
        ],
        tool_call_id="c",
    )
    [result] = wired([message], ANTHROPIC)
    assert result["content"] == [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "x"}]},
    ]


@pytest.mark.parametrize("provider", [OPENAI, BEDROCK, GOOGLE], ids=lambda row: row.id)
def test_images_in_results_follow_all_results_where_they_cannot_stand_in_them(provider):
    messages = [
        HumanMessage("q"),
        calling(("c1", "draw", {}), ("c2", "f", {})),
        ToolMessage([IMAGE_BLOCK], tool_call_id="c1"),
        ToolMessage("r2", tool_call_id="c2"),
        AIMessage("Nice."),
    ]
    roles = [message["role"] for message in wired(messages, provider)]
    assert roles == ["user", "assistant", "tool", "tool", "user", "assistant"]
    _, _, drawn, _, attached, _ = wired(messages, provider)
    assert drawn["content"] == "Attached below."
    assert attached["content"] == [{"type": "text", "text": "Returned by draw:"}, AS_IMAGE_URL]


def test_a_result_that_nobody_can_be_told_of_is_refused():
    with pytest.raises(UnsupportedContentError, match="drops tool calls and their results on the way to Cohere"):
        wired([ToolMessage("r", tool_call_id="c")], COHERE)


# --- what an assistant said


def test_a_refusal_and_a_spoken_answer_go_back_as_text():
    assert wired([AIMessage("", additional_kwargs={"refusal": "No."})], OPENAI)[0]["content"] == "No."
    spoken = {"audio": {"id": "a", "data": "UklG", "transcript": "Hello."}}
    assert wired([AIMessage("", additional_kwargs=spoken)], OPENAI)[0]["content"] == "Hello."


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([{"type": "text", "text": "Here."}, IMAGE_BLOCK]),
        AIMessage("Here.", additional_kwargs={"content_blocks": [AS_IMAGE_URL]}),
    ],
)
def test_an_image_that_an_assistant_made_is_left_out_and_said_to_be(message):
    [wire], losses = outgoing([message], GOOGLE)
    assert wire == {"role": "assistant", "content": "Here."}
    assert list(losses) == ["assistant_image"]


def test_openrouters_reasoning_goes_back_to_it_and_to_nobody_else():
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    message = AIMessage("a", additional_kwargs={"reasoning_details": details})
    assert wired([message], OPENROUTER)[0]["reasoning_details"] == details
    assert "reasoning_details" not in wired([message], OPENAI)[0]


@pytest.mark.parametrize("provider", [OPENAI, MISTRAL, OPENROUTER], ids=lambda row: row.id)
def test_claudes_own_blocks_stay_behind_when_another_goes_on(provider):
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}]
    kept_beside = AIMessage("a", additional_kwargs={"content_blocks": blocks, "reasoning_content": "hm"})
    kept_inside = AIMessage([*blocks, {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}}])
    for message in (kept_beside, kept_inside):
        assert wired([message], provider) == [{"role": "assistant", "content": "a"}]


# --- what Gemini needs


def test_gemini_has_one_system_prompt_in_front():
    messages = [
        HumanMessage("q"),
        SystemMessage("A"),
        SystemMessage([{"type": "text", "text": "B"}, {"type": "text", "text": "C"}]),
    ]
    assert wired(messages, GOOGLE) == [
        {"role": "system", "content": "A\n\nB\n\nC"},
        {"role": "user", "content": "q"},
    ]


def test_gemini_gets_text_beside_calls_in_a_message_of_its_own_and_names_on_results():
    messages = [calling(("c1", "f", {}), text="I look."), ToolMessage("r", tool_call_id="c1")]
    assert wired(messages, GOOGLE) == [
        {"role": "assistant", "content": "I look."},
        {"role": "assistant", "content": None, "tool_calls": [function_call("c1", "f", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "r"},
    ]


SIGNED_BESIDE = calling(("c1", "f", {}), additional_kwargs={"thought_signatures": {"c1": "S"}})
SIGNED_INSIDE = calling(
    ("c1", "f", {}),
    text=[{"type": "tool_call", "id": "c1", "name": "f", "args": {}, "extras": {"thought_signature": "S"}}],
)


@pytest.mark.parametrize("message", [SIGNED_BESIDE, SIGNED_INSIDE])
def test_geminis_signatures_go_back_on_their_calls_and_to_gemini_only(message):
    assert wired([message], VERTEX)[0]["tool_calls"][0]["function"]["thought_signature"] == "S"
    assert "thought_signature" not in wired([message], OPENAI)[0]["tool_calls"][0]["function"]


def test_gemini_3_gets_a_substitute_on_the_first_call_that_another_model_made():
    calls = wired([calling(("c1", "f", {}), ("c2", "g", {}))], GEMINI_3)[0]["tool_calls"]
    assert calls[0]["function"]["thought_signature"] == "skip_thought_signature_validator"
    assert "thought_signature" not in calls[1]["function"]
    assert wired([SIGNED_BESIDE], GEMINI_3)[0]["tool_calls"][0]["function"]["thought_signature"] == "S"
    assert "thought_signature" not in wired([calling(("c1", "f", {}))], GOOGLE)[0]["tool_calls"][0]["function"]


# --- what Claude, Bedrock and Mistral need


@pytest.mark.parametrize("provider", [ANTHROPIC, BEDROCK, GOOGLE], ids=lambda row: row.id)
def test_blank_text_and_empty_turns_are_left_out(provider):
    messages = [
        SystemMessage(" "),
        HumanMessage([{"type": "text", "text": " "}, {"type": "text", "text": "q"}]),
        AIMessage(""),
        HumanMessage("\n"),
        calling(("c1", "f", {}), text="  "),
        ToolMessage("", tool_call_id="c1", name="f"),
    ]
    user, assistant, result = wired(messages, provider)
    assert user == {"role": "user", "content": [{"type": "text", "text": "q"}]}
    assert assistant["content"] is None
    assert result["content"] == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("So: \n", "So:"),
        (
            [{"type": "text", "text": "So: ", "cache_control": MARK}],
            [{"type": "text", "text": "So:", "cache_control": MARK}],
        ),
    ],
)
def test_a_final_assistant_turn_ends_without_space(content, expected):
    assert wired([HumanMessage("q"), AIMessage(content)], ANTHROPIC)[1]["content"] == expected
    assert wired([HumanMessage("q"), AIMessage("So: ")], OPENAI)[1]["content"] == "So: "


def test_bedrocks_turns_alternate():
    messages = [HumanMessage("q"), AIMessage("a"), AIMessage("b"), calling(("c1", "f", {}), text="c")]
    assert wired(messages, BEDROCK)[1:] == [
        {"role": "assistant", "content": "a\nb\nc", "tool_calls": [function_call("c1", "f", "{}")]}
    ]


def test_bedrock_gets_tool_calls_as_text_when_the_request_has_no_tools():
    messages = [
        HumanMessage("q"),
        calling(("c1", "f", {"x": 1}), text="I look."),
        ToolMessage("r", tool_call_id="c1"),
    ]
    wire, losses = outgoing(messages, BEDROCK, has_tools=False)
    assert wire == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": 'I look.\n[Called f with {"x": 1}]'},
        {"role": "user", "content": "[Result of f: r]"},
    ]
    assert list(losses) == ["tool_turns"]
    assert wired(messages, BEDROCK)[1]["tool_calls"]
    assert wired(messages, ANTHROPIC, has_tools=False)[1]["tool_calls"]


def test_mistral_hears_the_assistant_between_a_tool_and_the_user():
    messages = [calling(("D681PevKs", "f", {})), ToolMessage("r", tool_call_id="D681PevKs"), HumanMessage("Go on.")]
    assert [message["role"] for message in wired(messages, MISTRAL)] == ["assistant", "tool", "assistant", "user"]
    assert [message["role"] for message in wired(messages, OPENAI)] == ["assistant", "tool", "user"]


# ---------------------------------------------------------------------- the short way for plain messages


CALL = {"name": "f", "args": {"a": "ä", "b": [1.5, None]}, "id": "call_1"}


@pytest.mark.parametrize("row", ["openai", "anthropic", "google", "bedrock", "mistral-ai", "groq", "cohere"])
@pytest.mark.parametrize(
    "conversation",
    [
        [SystemMessage("s"), HumanMessage("q"), AIMessage("a"), HumanMessage("")],
        [HumanMessage(""), AIMessage(""), SystemMessage("")],
        [HumanMessage("q"), AIMessage("", tool_calls=[CALL]), ToolMessage("r", tool_call_id="call_1")],
        [HumanMessage("q"), AIMessage("text", tool_calls=[CALL]), ToolMessage("", tool_call_id="call_1")],
        [
            HumanMessage("q"),
            AIMessage("", tool_calls=[{**CALL, "id": None}, CALL]),
            ToolMessage("broke", tool_call_id="call_1", status="error"),
            ToolMessage([{"type": "text", "text": "t"}], tool_call_id="call_1"),
        ],
        [HumanMessage("q", name="n"), AIMessage("a", name="n")],
        [AIMessage("", invalid_tool_calls=[{"name": "f", "args": "{", "id": "1", "error": None}])],
        [AIMessage("", additional_kwargs={"refusal": "no"})],
    ],
)
def test_the_short_way_gives_what_the_long_one_gives(conversation, row, monkeypatch):
    from langchain_pollinations_portkey.catalogue import Catalogue
    from langchain_pollinations_portkey.wire.chat import messages as module

    provider = Catalogue.default().provider(row)

    def outcome():
        try:
            return module.messages_to_wire(conversation, provider)
        except module.UnsupportedContentError as error:
            return str(error)

    short = outcome()
    monkeypatch.setattr(module, "plain_writers", lambda _: {})

    assert short == outcome()
    assert json.dumps(short) == json.dumps(outcome())
