"""Cache breakpoints in a finished request: whence they come, where they may stand, how many, how long."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.tools import BaseTool, tool

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.cache_control import PromptCachePolicy
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, build_request
from langchain_pollinations_portkey.wire.chat.tools import tools_to_wire
from tests.wire.rows import MARK, PDF, PNG, model

HOUR = {"type": "ephemeral", "ttl": "1h"}
CLAUDE = "anthropic/claude-sonnet-4-5"
BEDROCK = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPENROUTER = "openrouter/anthropic/claude-sonnet-4.5"
LINK = {"type": "image", "url": "https://example.com/a.png"}


def text(said: str, marker: Any = None) -> dict[str, Any]:
    return {"type": "text", "text": said, **({"cache_control": marker} if marker else {})}


def marked_tool(name: str, marker: Any = None) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}}
    return {"name": name, "input_schema": schema, **({"cache_control": marker} if marker else {})}


def request(messages: Any, name: str = CLAUDE, **options: Any) -> ChatRequest:
    options.setdefault("max_tokens", 10)
    options["tools"] = [
        tools_to_wire([one])[0] if isinstance(one, BaseTool) else one for one in options.get("tools", [])
    ]
    given = copy.deepcopy((messages, options))
    built = build_request(messages, model(name), options, stream=False)
    assert (messages, options) == given
    return built


def breakpoints(built: ChatRequest) -> list[tuple[str, Any]]:
    """(where, its ttl) of every breakpoint of a request; `where` is a tool's name, a text or a type."""
    places = [(tool["function"]["name"], tool) for tool in built.body.get("tools", [])]
    for message in built.body["messages"]:
        content = message.get("content_blocks") or message["content"]
        parts = [*(content if isinstance(content, list) else []), *(message.get("tool_calls") or [])]
        places += [(part.get("text") or part["type"], part) for part in parts]
    return [(where, place["cache_control"].get("ttl")) for where, place in places if "cache_control" in place]


@tool(extras={"cache_control": MARK})
def search(query: str) -> str:
    """Search."""
    return query


# --- whence


@pytest.mark.parametrize(
    ("messages", "tools", "expected"),
    [
        ([SystemMessage([text("S", MARK)]), HumanMessage("q")], [], ["S"]),
        ([HumanMessage([text("q", MARK)])], [], ["q"]),
        ([HumanMessage([{"type": "image", "base64": PNG, "cache_control": MARK}, text("q")])], [], ["image_url"]),
        ([HumanMessage([{"type": "file", "base64": PDF, "cache_control": MARK}, text("q")])], [], ["image_url"]),
        ([HumanMessage("q"), AIMessage([text("a", MARK)]), HumanMessage("r")], [], ["a"]),
        ([HumanMessage("q"), ToolMessage([text("r", MARK)], tool_call_id="1")], [], ["r"]),
        ([HumanMessage("q")], [search], ["search"]),
        ([HumanMessage("q")], [marked_tool("f", MARK)], ["f"]),
        (
            [HumanMessage("q")],
            [{"type": "function", "function": {"name": "f", "parameters": {}}, "cache_control": MARK}],
            ["f"],
        ),
    ],
)
def test_marks_in_messages_and_on_tools_arrive(messages, tools, expected):
    assert [where for where, _ in breakpoints(request(messages, tools=tools))] == expected
    assert breakpoints(request(messages, "openai/gpt-4o", tools=tools)) == []


CALLING = AIMessage("", tool_calls=[tool_call(id="1", name="f", args={})])


@pytest.mark.parametrize(
    ("messages", "name", "expected"),
    [
        ([SystemMessage("S"), HumanMessage("q")], CLAUDE, "q"),
        ([HumanMessage([text("a"), text("b")])], CLAUDE, "b"),
        ([HumanMessage([text("a"), LINK])], CLAUDE, "a"),  # the gateway loses it on the link
        ([HumanMessage([text("a"), text(" ")])], CLAUDE, "a"),
        ([HumanMessage("q"), CALLING, ToolMessage("r", tool_call_id="1")], CLAUDE, "r"),
        ([HumanMessage("q"), CALLING, ToolMessage("r", tool_call_id="1")], BEDROCK, "q"),
        ([HumanMessage("q"), AIMessage("so")], CLAUDE, "so"),
        ([HumanMessage("q"), CALLING], CLAUDE, "function"),
    ],
)
def test_the_option_of_a_call_marks_the_last_block_that_can_be_marked(messages, name, expected):
    built = request(messages, name, tools=[marked_tool("f")], cache_control=MARK)
    assert breakpoints(built) == [(expected, None)]
    assert "cache_control" not in built.body


def test_a_final_thinking_block_is_not_marked():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
    message = AIMessage("", additional_kwargs={"content_blocks": blocks}, tool_calls=CALLING.tool_calls)
    assert breakpoints(
        request([HumanMessage("q"), message], BEDROCK, tools=[marked_tool("f")], cache_control=MARK)
    ) == [("q", None)]


def test_the_option_for_a_provider_without_breakpoints_is_said_to_have_no_effect():
    built = request([HumanMessage("q")], "openai/gpt-4o", cache_control=MARK)
    assert built.body["messages"] == [{"role": "user", "content": "q"}]
    assert list(built.losses) == ["cache_control"]


@pytest.mark.parametrize("marker", ["ephemeral", {"type": "forever"}, {"type": "ephemeral", "ttl": "2h"}])
def test_a_marker_that_is_none_is_refused(marker):
    with pytest.raises(PortkeyConfigurationError, match="cache_control is"):
        request([HumanMessage("q")], cache_control=marker)


# --- the policy of a model

CONVERSATION = [
    SystemMessage("S"),
    HumanMessage("q1"),
    AIMessage("a1"),
    HumanMessage("q2"),
    AIMessage("", tool_calls=[tool_call(id="1", name="f", args={}), tool_call(id="2", name="f", args={})]),
    ToolMessage("r1", tool_call_id="1"),
    ToolMessage("r2", tool_call_id="2"),
]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("off", []),
        (None, []),
        ("auto", ["f", "S", "q2", "r2"]),
        (PromptCachePolicy(breakpoints=1), ["r2"]),
        (PromptCachePolicy(breakpoints=2), ["f", "r2"]),
        (PromptCachePolicy(breakpoints=3), ["f", "S", "r2"]),
        (PromptCachePolicy(min_messages=7), ["f", "S", "q2", "r2"]),
        (PromptCachePolicy(min_messages=8), []),
        ({"breakpoints": 1}, ["r2"]),
    ],
)
def test_the_policy_marks_what_matters_most(policy, expected):
    built = request(CONVERSATION, tools=[marked_tool("e"), marked_tool("f")], prompt_caching=policy)
    assert [where for where, _ in breakpoints(built)] == expected
    assert "prompt_caching" not in built.body


def test_the_policy_counts_what_was_marked_by_hand():
    messages = [SystemMessage("S"), HumanMessage([text("q1", MARK)]), AIMessage("a"), HumanMessage("q2")]
    built = request(messages, prompt_caching=PromptCachePolicy(breakpoints=2))
    assert [where for where, _ in breakpoints(built)] == ["q1", "q2"]


def test_the_policy_does_nothing_where_there_are_no_breakpoints():
    built = request(CONVERSATION[:4], "openai/gpt-4o", prompt_caching="auto")
    assert breakpoints(built) == []
    assert not built.losses


@pytest.mark.parametrize("policy", ["always", {"ttl": "2h"}, {"breakpoints": 5}, 3])
def test_a_policy_that_is_none_is_refused(policy):
    with pytest.raises(PortkeyConfigurationError, match="prompt_caching"):
        request([HumanMessage("q")], prompt_caching=policy)


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_policy_can_be_saved_with_its_model():
    policy = PromptCachePolicy(ttl="1h", breakpoints=2)
    again = loads(
        dumps(policy), allowed_objects=[PromptCachePolicy], valid_namespaces=["langchain_pollinations_portkey"]
    )
    assert again == policy


# --- where, how many, how long


@pytest.mark.parametrize(
    ("part", "name", "loss"),
    [
        ({**LINK, "cache_control": MARK}, CLAUDE, "cache_control_linked_media"),
        ({"type": "image", "base64": PNG, "cache_control": MARK}, OPENROUTER, "cache_control_media"),
    ],
)
def test_a_mark_that_would_be_lost_is_left_out_and_said_to_be(part, name, loss):
    built = request([HumanMessage([text("q"), part])], name)
    assert breakpoints(built) == []
    assert loss in built.losses


def test_bedrock_has_none_inside_results_of_tools():
    messages = [*CONVERSATION[:6], ToolMessage([text("r2", MARK)], tool_call_id="2")]
    built = request(messages, BEDROCK, tools=[marked_tool("f")])
    assert built.body["messages"][-1]["content"] == [{"type": "text", "text": "r2"}]
    assert "cache_control_tool_result" in built.losses


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (CLAUDE, ["f", "S"]),
        ("bedrock/us.amazon.nova-pro-v1:0", ["S"]),  # the gateway sets none after tools there
        ("bedrock/meta.llama3-1-70b-instruct-v1:0", []),
        ("bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/x", ["f", "S"]),
        ("vertex-ai/anthropic.claude-sonnet-4-5", ["f", "S"]),
        ("google/gemini-2.5-pro", []),
        (OPENROUTER, ["S"]),
    ],
)
def test_providers_differ_in_where_marks_arrive(name, expected):
    built = request([SystemMessage([text("S", MARK)]), HumanMessage("q")], name, tools=[marked_tool("f", MARK)])
    assert [where for where, _ in breakpoints(built)] == expected


def test_blank_text_is_not_marked():
    built = request([SystemMessage([text(" ", MARK), text("S")]), HumanMessage([text("q"), text("\n", MARK)])])
    assert breakpoints(built) == []


def test_there_are_at_most_four_and_the_oldest_of_the_conversation_go():
    tools = [marked_tool("e", MARK), marked_tool("f", MARK)]
    messages = [SystemMessage([text("S", MARK)]), *(HumanMessage([text(f"q{n}", MARK)]) for n in range(4))]
    built = request(messages, tools=tools)
    assert [where for where, _ in breakpoints(built)] == ["f", "S", "q2", "q3"]
    assert "cache_breakpoints" in built.losses


@pytest.mark.parametrize(("count", "left"), [(4, ["q0", "q1", "q2", "q3"]), (5, ["q1", "q2", "q3", "q4"])])
def test_four_are_not_too_many_and_five_are(count, left):
    built = request([HumanMessage([text(f"q{n}", MARK) for n in range(count)])])
    assert [where for where, _ in breakpoints(built)] == left
    assert ("cache_breakpoints" in built.losses) is (count == 5)


@pytest.mark.parametrize(
    ("name", "messages", "expected", "warned"),
    [
        # The gateway takes the hour from the system prompt: five minutes for all.
        (
            CLAUDE,
            [SystemMessage([text("S", HOUR)]), HumanMessage("q"), AIMessage([text("a", HOUR)])],
            [None, None],
            True,
        ),
        (CLAUDE, [HumanMessage("q"), AIMessage([text("a", HOUR)])], ["1h"], False),
        (CLAUDE, [HumanMessage("q"), ToolMessage([text("r", HOUR)], tool_call_id="1")], ["1h"], False),
        (CLAUDE, [HumanMessage([text("q", {**MARK, "ttl": "5m"})])], [None], False),
        (BEDROCK, [HumanMessage("q"), AIMessage([text("a", HOUR)])], [None], True),
        (OPENROUTER, [SystemMessage([text("S", HOUR)]), HumanMessage([text("q", MARK)])], ["1h", None], False),
        (OPENROUTER, [SystemMessage([text("S", MARK)]), HumanMessage([text("q", HOUR)])], [None, None], True),
    ],
)
def test_an_hour_never_comes_after_five_minutes(name, messages, expected, warned):
    built = request(messages, name)
    assert [ttl for _, ttl in breakpoints(built)] == expected
    assert ("cache_ttl" in built.losses) is warned


@pytest.mark.parametrize("name", [CLAUDE, BEDROCK])
def test_a_request_without_breakpoints_passes_as_it_is(name):
    built = request([SystemMessage("s"), HumanMessage([text("a")])], name, tools=[search])
    plain = request([SystemMessage("s"), HumanMessage([text("a")])], name, tools=[marked_tool("f")])

    assert breakpoints(plain) == []
    assert [where for where, _ in breakpoints(built)] == ["search"]
