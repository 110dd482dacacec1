"""How each method asks for an answer of a form, and how answers are read."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.exceptions import ModelRefusalError, OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyError, PortkeyRefusalError
from langchain_pollinations_portkey.wire.chat.structured import (
    JSONAnswerParser,
    ToolAnswerParser,
    plan_structured_output,
)
from tests.wire.rows import ANTHROPIC, COHERE, DEEPSEEK, GOOGLE, MISTRAL, MOONSHOT, OPENAI, row


class Film(BaseModel):
    """A film."""

    title: str


class FilmV1(BaseModelV1):
    """A film."""

    title: str


class FilmDict(TypedDict):
    """A film."""

    title: Annotated[str, ..., "Its title."]


CONTENT = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
SCHEMAS: list[Any] = [
    Film,
    FilmV1,
    FilmDict,
    {"title": "Film", "description": "A film.", **CONTENT},
    {"name": "Film", "description": "A film.", "parameters": CONTENT},
    {"name": "Film", "description": "A film.", "input_schema": CONTENT},
    {"type": "function", "function": {"name": "Film", "description": "A film.", "parameters": CONTENT}},
    {"name": "Film", "schema": CONTENT},
    {"type": "json_schema", "json_schema": {"name": "Film", "schema": CONTENT}},
]


def name_of(schema: Any) -> str:
    return getattr(schema, "__name__", "Film")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_by_a_tool(schema):
    plan = plan_structured_output(schema, OPENAI, method="function_calling")
    [tool] = plan.tools
    assert tool["function"]["name"] == name_of(schema)
    assert tool["function"]["parameters"]["properties"]["title"]["type"] == "string"
    shown = plan.options.pop("ls_structured_output_format")
    assert plan.options == {"tool_choice": name_of(schema), "parallel_tool_calls": False}
    assert shown["kwargs"] == {"method": "function_calling", "strict": None}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("provider", [OPENAI, ANTHROPIC], ids=lambda row: row.id)
def test_by_a_schema(schema, provider):
    plan = plan_structured_output(schema, provider, method="json_schema")
    wanted = plan.options["response_format"]
    assert plan.tools == ()
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["name"] == name_of(schema)
    assert wanted["json_schema"]["schema"]["properties"]["title"]["type"] == "string"
    assert "strict" not in wanted["json_schema"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_by_asking_for_json(schema):
    wanted = plan_structured_output(schema, OPENAI, method="json_mode").options["response_format"]
    assert wanted["type"] == "json_object"
    assert wanted["schema"]["properties"]["title"]["type"] == "string"
    # Where a tool has to stand in for it, the tool needs the schema.
    wanted = plan_structured_output(schema, ANTHROPIC, method="json_mode").options["response_format"]
    assert wanted["type"] == "json_schema"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_traces_can_show_the_schema(schema):
    shown = convert_to_json_schema(
        plan_structured_output(schema, OPENAI).options["ls_structured_output_format"]["schema"]
    )
    assert shown["title"] == name_of(schema)
    assert shown["properties"]["title"]["type"] == "string"


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (OPENAI, "json_schema"),
        (row("openai/gpt-4"), "function_calling"),
        (row("openai/gpt-4.1"), "json_schema"),
        (GOOGLE, "json_schema"),
        (ANTHROPIC, "function_calling"),
        (MISTRAL, "function_calling"),
        (DEEPSEEK, "json_mode"),
        (row("groq/x"), "function_calling"),
    ],
)
def test_the_default_method(provider, expected):
    options = plan_structured_output(Film, provider).options
    assert options["ls_structured_output_format"]["kwargs"]["method"] == expected


def test_strict_is_sent_when_asked_for():
    [tool] = plan_structured_output(Film, OPENAI, method="function_calling", strict=True).tools
    assert tool["function"]["strict"] is True
    assert tool["function"]["parameters"]["additionalProperties"] is False
    wanted = plan_structured_output(Film, OPENAI, method="json_schema", strict=True).options["response_format"]
    assert wanted["json_schema"]["strict"] is True
    assert wanted["json_schema"]["schema"]["additionalProperties"] is False


def test_further_tools_leave_the_choice_among_them():
    other = {"name": "search", "parameters": CONTENT}
    plan = plan_structured_output(Film, OPENAI, method="function_calling", tools=[other])
    assert plan.options["tool_choice"] == "any"
    assert "parallel_tool_calls" not in plan.options
    assert len(plan.tools) == 2
    assert plan_structured_output(Film, OPENAI, method="json_schema", tools=[other]).tools == (other,)


def test_a_name_that_providers_refuse_is_changed():
    schema = {"title": "My film: the best!", **CONTENT}
    plan = plan_structured_output(schema, OPENAI, method="function_calling")
    name = plan.tools[0]["function"]["name"]
    assert name == plan.options["tool_choice"] == "My_film_the_best_"
    message = AIMessage("", tool_calls=[tool_call(id="1", name=name, args={"title": "x"})])
    assert plan.parser.invoke(message) == {"title": "x"}


@pytest.mark.parametrize(
    ("provider", "options", "reason"),
    [
        (OPENAI, {"method": "magic"}, "method='magic' is unknown"),
        (OPENAI, {"method": "json_mode", "strict": True}, "strict goes with a schema"),
        (DEEPSEEK, {"method": "function_calling"}, "does not hand tools on to DeepSeek; use method='json_mode'"),
        (MOONSHOT, {}, "neither tools nor response_format on to Moonshot"),
    ],
)
def test_what_cannot_work_is_refused(provider, options, reason):
    with pytest.raises(PortkeyConfigurationError, match=reason):
        plan_structured_output(Film, provider, **options)


def test_what_is_no_schema_is_refused():
    with pytest.raises(PortkeyConfigurationError, match="describes no form of answer"):
        plan_structured_output({"type": "web_search_20250305", "name": "web_search"}, COHERE)


# --- reading

TOOL, TOOL_DICT = ToolAnswerParser(tool="Film", model=Film), ToolAnswerParser(tool="Film")
JSON, JSON_DICT = JSONAnswerParser(model=Film), JSONAnswerParser()


def called(name: str = "Film", **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[tool_call(id="1", name=name, args=args)])


@pytest.mark.parametrize(
    ("parser", "message", "expected"),
    [
        (TOOL, called(title="x"), Film(title="x")),
        (TOOL_DICT, called(title="x"), {"title": "x"}),
        (ToolAnswerParser(tool="Film", model=FilmV1), called(title="x"), FilmV1(title="x")),
        (TOOL, called("search", query="x"), None),
        (JSON, AIMessage('{"title": "x"}'), Film(title="x")),
        (JSON_DICT, AIMessage('```json\n{"title": "x"}\n```'), {"title": "x"}),
        (JSON_DICT, AIMessage([{"type": "text", "text": '{"title": "x"}'}]), {"title": "x"}),
        (JSON, called("search", query="x"), None),
    ],
)
def test_answers(parser, message, expected):
    assert parser.invoke(message) == expected


@pytest.mark.parametrize(
    ("parser", "message", "reason"),
    [
        (TOOL, AIMessage("Playtime."), "did not call 'Film'; it said: 'Playtime.'"),
        (TOOL, called(name="Film", year=1), "not of the form Film"),
        (
            TOOL,
            AIMessage("", invalid_tool_calls=[invalid_tool_call(id="1", name="Film", args="{oops", error="bad")]),
            "no JSON object: bad",
        ),
        (JSON, AIMessage("Playtime."), "The answer is no JSON: 'Playtime.'"),
        (JSON, AIMessage('{"year": 1}'), "not of the form Film"),
    ],
)
def test_what_is_no_answer_is_an_error(parser, message, reason):
    with pytest.raises(OutputParserException) as caught:
        parser.invoke(message)
    assert reason in str(caught.value)
    assert caught.value.llm_output is not None


@pytest.mark.parametrize("parser", [TOOL, JSON, TOOL_DICT, JSON_DICT])
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (AIMessage("", additional_kwargs={"refusal": "I won't."}), "refused to answer: I won't."),
        (AIMessage("Sorry.", response_metadata={"finish_reason": "content_filter"}), "content filter: Sorry."),
        (AIMessage("", response_metadata={"finish_reason": "content_filter"}), "by a content filter."),
    ],
)
def test_a_refusal_is_an_error_of_its_own(parser, message, reason):
    with pytest.raises(PortkeyRefusalError) as caught:
        parser.invoke(message)
    assert reason in str(caught.value)
    assert isinstance(caught.value, OutputParserException)
    assert isinstance(caught.value, PortkeyError)
    assert isinstance(caught.value, ModelRefusalError)
    assert not caught.value.is_retryable
    assert caught.value.partial is caught.value.raw_message is message


def test_only_answers_of_chat_models_are_read():
    with pytest.raises(OutputParserException, match="chat model"):
        JSON.parse_result([Generation(text="{}")])
    assert JSON_DICT.parse_result([ChatGeneration(message=AIMessage("{}"))]) == {}
    assert JSON_DICT.parse('{"a": 1}') == {"a": 1}


LAST = AIMessageChunk("", chunk_position="last", response_metadata={"finish_reason": "stop"})


def test_a_dict_grows_as_it_is_streamed_and_a_class_comes_whole():
    pieces = [AIMessageChunk('{"title": "Play'), AIMessageChunk('time"}'), LAST]
    assert list(JSON_DICT.transform(iter(pieces))) == [{"title": "Play"}, {"title": "Playtime"}]
    assert list(JSON.transform(iter(pieces))) == [Film(title="Playtime")]


def test_a_stream_that_holds_no_answer_is_an_error_at_its_end():
    with pytest.raises(OutputParserException, match="no JSON"):
        list(JSON_DICT.transform(iter([AIMessageChunk("Play"), AIMessageChunk("time"), LAST])))
    with pytest.raises(OutputParserException, match="did not call"):
        list(TOOL.transform(iter([AIMessageChunk("Playtime"), LAST])))
    refused = AIMessageChunk("", chunk_position="last", response_metadata={"finish_reason": "content_filter"})
    with pytest.raises(PortkeyRefusalError):
        list(JSON_DICT.transform(iter([AIMessageChunk('{"a": 1'), refused])))
