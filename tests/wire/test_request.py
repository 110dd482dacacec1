"""The body of a request as a whole."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, build_request
from langchain_pollinations_portkey.wire.chat.structured import plan_structured_output
from tests.wire.rows import model, row

OPENAI = "openai/gpt-4o"
CLAUDE = "anthropic/claude-of-tomorrow"


def request(name: str, messages: Any = None, *, stream: bool = False, **options: Any) -> ChatRequest:
    given = copy.deepcopy(options)
    built = build_request(messages or [HumanMessage("q")], model(name), options, stream=stream)
    assert options == given
    return built


def test_what_is_not_given_is_not_sent():
    built = request(OPENAI, temperature=None, stop=[], tools=[], tool_choice="auto", parallel_tool_calls=True, seed=0)
    assert built.body == {"model": "gpt-4o", "messages": [{"role": "user", "content": "q"}], "seed": 0}
    assert built.losses == {}
    assert built.emulated_tool is None


def test_a_stream_says_so_and_a_plain_request_has_no_stream_options():
    options = {"stream_options": {"include_usage": True}}
    assert request(OPENAI, stream=True, **options).body["stream_options"] == options["stream_options"]
    assert request(OPENAI, stream=True, **options).body["stream"] is True
    assert "stream_options" not in request(OPENAI, **options).body


@pytest.mark.parametrize(
    ("name", "messages"),
    [(OPENAI, [SystemMessage("S")]), (CLAUDE, [SystemMessage("S"), HumanMessage(" ")])],
)
def test_somebody_has_to_say_something(name, messages):
    with pytest.raises(PortkeyConfigurationError, match="at least one human message"):
        request(name, messages)
    with pytest.raises(PortkeyConfigurationError, match="list of messages is empty"):
        build_request([], model(name), {}, stream=False)


def test_stop_is_a_list():
    assert request(OPENAI, stop="END").body["stop"] == ["END"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (OPENAI, {}, {}),
        (OPENAI, {"max_tokens": 5}, {"max_tokens": 5}),
        ("openai/o3", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        (CLAUDE, {}, {"max_tokens": 4096}),
        (CLAUDE, {"max_completion_tokens": 5}, {"max_completion_tokens": 5}),
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 9000}}, {"max_tokens": 13096}),
        (CLAUDE, {"thinking": {"type": "adaptive"}}, {"max_tokens": 4096}),
        ("together-ai/x", {}, {"max_tokens": 4096}),
    ],
)
def test_the_limit_of_tokens(name, options, expected):
    body = request(name, **options).body
    assert {key: body[key] for key in ("max_tokens", "max_completion_tokens") if key in body} == expected


@pytest.mark.parametrize(
    ("name", "options", "lost"),
    [
        (OPENAI, {"top_k": 5}, ["top_k"]),
        (CLAUDE, {"seed": 1, "temperature": 1.5}, ["seed", "temperature"]),
        (CLAUDE, {"temperature": 1.0}, []),
        ("mistral-ai/x", {"stop": ["END"]}, ["stop"]),
        ("fireworks-ai/x", {"tools": [{"name": "f", "parameters": {}}], "tool_choice": "any"}, ["tool_choice"]),
    ],
)
def test_what_the_gateway_drops_is_said(name, options, lost):
    assert sorted(request(name, **options).losses) == lost


class Answer(BaseModel):
    """An answer."""

    value: int | None = None


def test_the_schema_of_an_answer_is_in_geminis_language():
    described = {"name": "Answer", "schema": Answer.model_json_schema()}
    wanted = {"type": "json_schema", "json_schema": described}
    sent = request("google/gemini-2.5-pro", response_format=wanted).body["response_format"]["json_schema"]["schema"]
    assert sent["properties"]["value"]["nullable"] is True
    assert request(OPENAI, response_format=wanted).body["response_format"] == wanted


def asks_for_json(said: str, name: str = OPENAI, **form: Any) -> list[Any]:
    messages = [SystemMessage("S"), HumanMessage(said)]
    built = request(name, messages, response_format={"type": "json_object", **form})
    assert built.body["response_format"] == {"type": "json_object"}
    return [message["content"] for message in built.body["messages"]]


def test_json_without_a_word_about_it_is_asked_for_in_words():
    assert asks_for_json("q") == ["S", "Answer with a JSON object.", "q"]
    assert asks_for_json("Json!") == ["S", "Json!"]
    schema = {"type": "object", "properties": {"ö": {}}}
    described = (
        f"Answer with a JSON object. It has to follow this JSON Schema: {json.dumps(schema, ensure_ascii=False)}"
    )
    assert asks_for_json("q", schema=schema) == ["S", described, "q"]
    assert asks_for_json("Json!", schema=schema) == ["S", "Json!"]
    assert asks_for_json("Json!", schema=schema, describe=True) == ["S", described, "Json!"]
    assert asks_for_json("q", "google/gemini-2.5-pro") == ["S\n\nAnswer with a JSON object.", "q"]


def test_a_method_that_nobody_chose_describes_the_form():
    chosen = plan_structured_output(Answer, row("deepseek/x"), method="json_mode").options
    default = plan_structured_output(Answer, row("deepseek/x")).options
    messages = [HumanMessage("As JSON.")]
    assert len(request("deepseek/x", messages, **chosen).body["messages"]) == 1
    assert "JSON Schema" in request("deepseek/x", messages, **default).body["messages"][0]["content"]
