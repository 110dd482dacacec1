"""Cache breakpoints behind the real gateway: what the provider receives of them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.tools import tool

from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import StandInProvider
from langchain_pollinations_portkey.wire.chat.cache_control import PromptCachePolicy
from tests.live.outgoing import PDF, PNG, TARGETS

pytestmark = pytest.mark.gateway

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


@tool(extras={"cache_control": MARK})
def marked(query: str) -> str:
    """Search."""
    return query


@tool
def plain(query: str) -> str:
    """Search."""
    return query


def text(said: str, marker: Any = None) -> dict[str, Any]:
    return {"type": "text", "text": said, **({"cache_control": marker} if marker else {})}


def breakpoints(provider: StandInProvider) -> list[Any]:
    """What stands before each breakpoint that the provider received, with its `ttl` if it has one."""
    assert provider.last.refused is None
    body = provider.last.json
    found: list[Any] = []

    def walk(items: Any) -> None:
        before = None
        for item in items or ():
            marker = item.get("cachePoint") or item.get("cache_control")
            if marker:
                what = before if "cachePoint" in item else item
                found.append((_called(what), *([marker["ttl"]] if "ttl" in marker else [])))
            if item.get("type") == "tool_result":
                walk(item["content"] if isinstance(item["content"], list) else [])
            before = item

    walk((body.get("toolConfig") or body).get("tools"))
    walk(body.get("system"))
    for message in body["messages"]:
        walk(message["content"] if isinstance(message["content"], list) else [])
    return found


def _called(what: Any) -> str:
    return (
        what.get("name")
        or what.get("text")
        or (what.get("toolSpec") or {}).get("name")
        or what.get("type")
        or next(iter(what))
    )


CALL = tool_call(id="c1", name="plain", args={"query": "x"})
EVERYWHERE: dict[str, tuple[list[BaseMessage], list[str], list[str]]] = {
    # messages, what Anthropic receives marked, what Bedrock does
    "system": ([SystemMessage([text("S", MARK)]), HumanMessage("q")], ["S"], ["S"]),
    "user": ([HumanMessage([text("a", MARK), text("b")])], ["a"], ["a"]),
    "image": (
        [HumanMessage([{"type": "image", "base64": PNG, "mime_type": "image/png", "cache_control": MARK}, text("q")])],
        ["image"],
        ["image"],
    ),
    "file": (
        [
            HumanMessage(
                [text("q"), {"type": "file", "base64": PDF, "mime_type": "application/pdf", "cache_control": MARK}]
            )
        ],
        ["document"],
        ["document"],
    ),
    "assistant": ([HumanMessage("q"), AIMessage([text("a", MARK)]), HumanMessage("r")], ["a"], ["a"]),
}


@pytest.mark.parametrize("place", EVERYWHERE)
@pytest.mark.parametrize("name", ["anthropic", "vertex-claude", "bedrock", "bedrock-nova"])
def test_marked_parts(name: str, place: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    messages, anthropic, bedrock = EVERYWHERE[place]
    TARGETS[name].chat(pinned_gateway, provider).invoke(messages)
    assert breakpoints(provider) == [(one,) for one in (bedrock if name.startswith("bedrock") else anthropic)]


@pytest.mark.parametrize(("name", "expected"), [("anthropic", ["r"]), ("bedrock", [])])
@pytest.mark.filterwarnings("ignore:.*on a tool result does not reach")
def test_a_marked_result(
    name: str, expected: list[str], pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    messages = [HumanMessage("q"), AIMessage("", tool_calls=[CALL]), ToolMessage([text("r", MARK)], tool_call_id="c1")]
    TARGETS[name].chat(pinned_gateway, provider).bind_tools([plain]).invoke(messages)
    assert breakpoints(provider) == [(one,) for one in expected]


@pytest.mark.parametrize(
    ("name", "expected"), [("anthropic", ["marked"]), ("bedrock", ["marked"]), ("bedrock-nova", [])]
)
@pytest.mark.filterwarnings("ignore:.*on a tool does not reach")
def test_a_marked_tool(name: str, expected: list[str], pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    TARGETS[name].chat(pinned_gateway, provider).bind_tools([plain, marked]).invoke("q")
    assert breakpoints(provider) == [(one,) for one in expected]


@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_the_option_of_a_call(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider)
    for chat in (model.bind(cache_control=MARK), model.bind_tools([plain], cache_control=MARK)):
        chat.invoke([SystemMessage("S"), HumanMessage("q")])
        assert breakpoints(provider) == [("q",)]
    model.invoke("q", cache_control=MARK)
    assert breakpoints(provider) == [("q",)]
    list(model.stream("q", cache_control=MARK))
    assert breakpoints(provider) == [("q",)]


CONVERSATION = [SystemMessage("S"), HumanMessage("q1"), AIMessage("a"), HumanMessage("q2")]


@pytest.mark.parametrize("name", ["anthropic", "vertex-claude", "bedrock"])
def test_the_policy_of_a_model(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider, prompt_caching="auto")
    model.bind_tools([plain]).invoke(CONVERSATION)
    assert breakpoints(provider) == [("plain",), ("S",), ("q1",), ("q2",)]
    model.invoke(CONVERSATION, prompt_caching="off")
    assert breakpoints(provider) == []


def test_a_policy_of_an_hour_is_one_of_five_minutes(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS["anthropic"].chat(pinned_gateway, provider, prompt_caching=PromptCachePolicy(ttl="1h"))
    with pytest.warns(LossWarning, match="all of them last 5 minutes") as told:
        model.batch([CONVERSATION, CONVERSATION])
    assert len(told) == 1
    assert breakpoints(provider) == [("S",), ("q1",), ("q2",)]


def test_an_hour_where_the_gateway_keeps_it(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    messages = [HumanMessage("q"), AIMessage([text("a", HOUR)]), HumanMessage("r")]
    TARGETS["anthropic"].chat(pinned_gateway, provider).invoke(messages)
    assert breakpoints(provider) == [("a", "1h")]


@pytest.mark.parametrize("name", ["openai", "azure-openai", "google", "mistral-ai", "together-ai"])
def test_others_receive_none(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS[name].chat(pinned_gateway, provider, prompt_caching="auto")
    messages = [SystemMessage([text("S", MARK)]), HumanMessage([text("q", MARK)])]
    model.bind_tools([marked]).invoke(messages)
    assert provider.last.refused is None
    assert "cache" not in provider.last.body.decode()
    with pytest.warns(LossWarning, match="knows no cache breakpoints"):
        model.invoke(messages, cache_control=MARK)
    assert "cache" not in provider.last.body.decode()
