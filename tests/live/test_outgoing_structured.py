"""Answers of a form, each method at each target, behind the real gateway."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_pollinations_portkey.errors import PortkeyRefusalError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import LossWarning
from langchain_pollinations_portkey.testing import RawAnswer, Reply, StandInProvider, ToolCall
from tests.live.outgoing import TARGETS

pytestmark = pytest.mark.gateway

METHODS = ("function_calling", "json_schema", "json_mode")
EMULATED = ("anthropic", "bedrock", "vertex-claude", "mistral-ai")
VALUE = {"title": "Playtime", "year": 1967}


class Film(BaseModel):
    """A film."""

    title: str
    year: int


class FilmV1(BaseModelV1):
    """A film."""

    title: str
    year: int


class FilmDict(TypedDict):
    """A film."""

    title: Annotated[str, ..., "Its title."]
    year: int


FILM_SCHEMA = {
    "title": "A film!",
    "type": "object",
    "properties": {"title": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["title", "year"],
}
FILM_TOOL = {"name": "film", "description": "A film.", "input_schema": {**FILM_SCHEMA, "title": "ignored"}}


@tool
def search(query: str) -> str:
    """Search for films."""
    return query


def asked_for(provider: StandInProvider) -> str:
    """What the last request made sure of: a `schema`, any `json`, a forced `tool`, or nothing."""
    request = provider.last
    assert request.refused is None
    body = request.json
    generation = body.get("generationConfig") or {}
    if "responseSchema" in generation or (body.get("response_format") or {}).get("type") == "json_schema":
        return "schema"
    if "responseMimeType" in generation or "response_format" in body:
        return "json"
    choice = body.get("tool_choice") or (body.get("toolConfig") or {}).get("toolChoice") or body.get("tool_config")
    return "tool" if choice and choice not in ("auto", {"type": "auto"}) else "nothing"


def says(provider: StandInProvider, value: dict[str, Any] = VALUE) -> None:
    """Have the model answer as it is asked to: by the tool if there are tools, else in text."""

    def reply(request: Any) -> Reply:
        body = request.json
        tools = body.get("tools") or (body.get("toolConfig") or {}).get("tools")
        if not tools:
            return Reply(json.dumps(value))
        last = tools[-1]
        declared = last.get("function") or last.get("toolSpec") or (last.get("functionDeclarations") or [last])[-1]
        return Reply(tool_calls=[ToolCall(declared["name"], value)])

    provider.answer_with(reply)


@pytest.mark.filterwarnings("ignore:.*Together AI")  # what its streams lose is said
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", TARGETS)
class TestEveryMethodAtEveryTarget:
    def test_invoke_and_stream(
        self, name: str, method: str, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        says(provider)
        model = TARGETS[name].chat(pinned_gateway, provider)
        structured = model.with_structured_output(Film, method=method)
        assert structured.invoke("A film as JSON, please.") == Film(**VALUE)
        expected = {"function_calling": "tool", "json_schema": "schema", "json_mode": "json"}[method]
        assert asked_for(provider) == ("tool" if name.startswith(EMULATED) or name == "bedrock-nova" else expected)
        assert list(structured.stream("A film as JSON, please."))[-1] == Film(**VALUE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("schema", [FilmV1, FilmDict, FILM_SCHEMA, FILM_TOOL])
@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_every_kind_of_schema_asynchronously(
    name: str, schema: Any, method: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    says(provider)
    structured = TARGETS[name].chat(pinned_gateway, provider).with_structured_output(schema, method=method)
    expected = FilmV1(**VALUE) if schema is FilmV1 else VALUE
    assert await structured.ainvoke("JSON!") == expected
    assert [chunk async for chunk in structured.astream("JSON!")][-1] == expected
    assert provider.last.refused is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("openai", "schema"), ("google", "schema"), ("anthropic", "tool"), ("bedrock", "tool"), ("mistral-ai", "tool")],
)
def test_the_default_method_arrives(
    name: str, expected: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    says(provider)
    model = TARGETS[name].chat(pinned_gateway, provider)
    assert model.with_structured_output(Film).invoke("x") == Film(**VALUE)
    assert asked_for(provider) == expected


def test_gpt_4_is_asked_by_a_tool(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    says(provider)
    model = TARGETS["openai"].chat(pinned_gateway, provider).model_copy(update={"model_name": "gpt-4-turbo"})
    assert model.with_structured_output(Film).invoke("x") == Film(**VALUE)
    assert asked_for(provider) == "tool"


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("name", ["openai", "anthropic", "google"])
@pytest.mark.filterwarnings("ignore:The gateway does not hand a tool's `strict` on")
def test_strict(name: str, method: Any, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    says(provider)
    model = TARGETS[name].chat(pinned_gateway, provider)
    assert model.with_structured_output(Film, method=method, strict=True).invoke("x") == Film(**VALUE)
    assert provider.last.refused is None
    body = provider.last.json
    if name == "openai":
        asked = body["tools"][0]["function"] if method == "function_calling" else body["response_format"]["json_schema"]
        assert asked["strict"] is True


def test_raw_parsed_and_error(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    says(provider)
    structured = TARGETS["openai"].chat(pinned_gateway, provider).with_structured_output(Film, include_raw=True)
    result = structured.invoke("x")
    assert (result["parsed"], result["parsing_error"]) == (Film(**VALUE), None)
    assert json.loads(result["raw"].content) == VALUE
    provider.script(Reply("no JSON"))
    result = structured.invoke("x")
    assert result["parsed"] is None
    assert isinstance(result["parsing_error"], OutputParserException)
    assert result["raw"].content == "no JSON"


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_further_tools_may_be_called_first(name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    for method in ("function_calling", "json_schema"):
        model = TARGETS[name].chat(pinned_gateway, provider)
        structured = model.with_structured_output(Film, method=method, tools=[search], include_raw=True)
        provider.script(Reply(tool_calls=[ToolCall("search", {"query": "Tati"})]))
        result = structured.invoke("x")
        assert provider.last.refused is None
        assert (result["parsed"], result["parsing_error"]) == (None, None)
        assert [call["name"] for call in result["raw"].tool_calls] == ["search"]


REFUSED = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "refusal": "I won't."},
            "finish_reason": "stop",
        }
    ],
}


def test_a_refusal_is_an_error_of_its_own(pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
    model = TARGETS["openai"].chat(pinned_gateway, provider)
    for method in ("json_schema", "function_calling"):
        provider.script(RawAnswer(body=json.dumps(REFUSED).encode()))
        with pytest.raises(PortkeyRefusalError, match="refused to answer: I won't") as caught:
            model.with_structured_output(Film, method=method).invoke("x")
        assert isinstance(caught.value.partial, AIMessage)
    provider.script(Reply("", finish="content_filter"))
    with pytest.raises(PortkeyRefusalError, match="content filter"):
        list(model.with_structured_output(Film).stream("x"))


@pytest.mark.parametrize("name", ["anthropic", "bedrock"])
def test_claude_that_thinks_is_not_forced_and_no_call_is_an_error(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    model = TARGETS[name].chat(pinned_gateway, provider, thinking=thinking, max_tokens=4096)
    structured = model.with_structured_output(Film)
    provider.script(Reply(thinking="hm", tool_calls=[ToolCall("Film", VALUE)]), Reply("Playtime, of 1967."))
    with pytest.warns(LossWarning, match="while the model thinks"):
        assert structured.invoke("x") == Film(**VALUE)
    with pytest.raises(OutputParserException, match="did not call 'Film'"):
        structured.invoke("x")


FORMAT = {"type": "json_schema", "json_schema": {"name": "film", "schema": FILM_SCHEMA}}


class TestEmulation:
    """`response_format` where the gateway drops it, however it came."""

    @pytest.mark.parametrize("name", EMULATED)
    def test_bound_by_hand_the_answer_is_the_text(
        self, name: str, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        says(provider)
        model = TARGETS[name].chat(pinned_gateway, provider).bind(response_format=FORMAT)
        message = model.invoke("x")
        assert json.loads(message.text) == VALUE
        assert message.tool_calls == []
        assert message.response_metadata["finish_reason"] == "stop"
        chunks = list(model.stream("x"))
        assert json.loads("".join(chunk.text for chunk in chunks)) == VALUE
        assert not any(chunk.tool_call_chunks for chunk in chunks)

    @pytest.mark.parametrize("name", ["anthropic", "bedrock"])
    def test_it_streams_as_it_comes(self, name: str, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
        says(provider, {"title": "a long title " * 20, "year": 1})
        model = TARGETS[name].chat(pinned_gateway, provider).bind(response_format=FORMAT)
        assert sum(bool(chunk.text) for chunk in model.stream("x")) > 3

    @pytest.mark.parametrize("name", ["anthropic", "bedrock"])
    def test_beside_tools_the_model_may_call_them_or_answer(
        self, name: str, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = TARGETS[name].chat(pinned_gateway, provider).bind_tools([search], response_format=FORMAT)
        for call in (model.invoke, lambda said: _whole(model.stream(said))):
            provider.script(
                Reply("I look.", tool_calls=[ToolCall("search", {"query": "Tati"})]),
                Reply("Here it is.", tool_calls=[ToolCall("film", VALUE)]),
                Reply("I look.", tool_calls=[ToolCall("search", {"query": "Tati"}), ToolCall("film", VALUE)]),
            )
            searching = call("x")
            assert (searching.text, [one["name"] for one in searching.tool_calls]) == ("I look.", ["search"])
            answering = call("x")
            assert (json.loads(answering.text), answering.tool_calls) == (VALUE, [])
            both = call("x")
            assert (both.text, [one["name"] for one in both.tool_calls]) == ("I look.", ["search"])

    @pytest.mark.filterwarnings("ignore:.*while the model thinks")
    def test_thinking_stays_beside_the_answer(self, pinned_gateway: LocalGateway, provider: StandInProvider) -> None:
        thinking = {"type": "enabled", "budget_tokens": 1024}
        model = TARGETS["anthropic"].chat(pinned_gateway, provider, thinking=thinking, max_tokens=4096)
        bound = model.bind(response_format=FORMAT)
        for call in (bound.invoke, lambda said: _whole(bound.stream(said))):
            provider.script(Reply("So.", thinking="hm", tool_calls=[ToolCall("film", VALUE)]), Reply("No film."))
            message = call("x")
            assert json.loads(message.text) == VALUE
            assert [block["type"] for block in message.content_blocks] == ["reasoning", "text"]
            assert call("x").text == "No film."


def _whole(chunks: Any) -> Any:
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole
