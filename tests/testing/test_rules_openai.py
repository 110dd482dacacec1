"""What OpenAI refuses, each beside the closest request that it takes."""

import copy

import pytest

from langchain_pollinations_portkey.testing.rules import check_embeddings, check_openai

BASE = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
STRICT = {**PARAMETERS, "required": ["city"], "additionalProperties": False}
PNG = "data:image/png;base64,iVBORw0KGgo="


def body(**changes):
    return copy.deepcopy({**BASE, **changes})


def without(key):
    return {name: value for name, value in BASE.items() if name != key}


def says(*messages):
    return body(messages=list(messages))


def user(*parts, **keys):
    return says({"role": "user", "content": list(parts), **keys})


def text(value="Hi", **keys):
    return {"type": "text", "text": value, **keys}


def image(url, **keys):
    return {"type": "image_url", "image_url": {"url": url, **keys}}


def function(**changes):
    return {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS, **changes}}


def tools(*definitions, **changes):
    return body(tools=list(definitions), **changes)


def call(call_id="c1", **changes):
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": "{}", **changes}}


def asks(*calls, content=None):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def tells(call_id="c1", **keys):
    return {"role": "tool", "tool_call_id": call_id, "content": "sunny", **keys}


QUESTION = BASE["messages"][0]
ANSWERED = says(QUESTION, asks(call()), tells())


def wants(schema, **changes):
    return body(response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, **changes}})


RULES = [
    # name, refused, part of the message, accepted
    ("model missing", without("model"), "you must provide a model parameter", BASE),
    ("messages missing", without("messages"), "Missing required parameter: 'messages'.", BASE),
    ("messages empty", says(), "Invalid 'messages': empty array", BASE),
    ("messages text", body(messages="Hi"), "expected an array of objects, but got a string", BASE),
    ("unknown parameter", body(top_k=1), "Unrecognized request argument supplied: top_k", body(top_p=1)),
    ("role", says({"role": "bot", "content": "a"}), "Invalid value: 'bot'. Supported values are: 'system'", BASE),
    ("role missing", says({"content": "a"}), "Missing required parameter: 'messages[0].role'", BASE),
    (
        "name",
        says({**QUESTION, "name": "Ann Lee"}),
        r"'^[^\s<|\\/>]+$'",
        says({**QUESTION, "name": "Ann-Lee"}),
    ),
    (
        "content null",
        says({"role": "user", "content": None}),
        "Invalid value for 'content': expected a string, got null.",
        ANSWERED,
    ),
    (
        "assistant without anything",
        says(QUESTION, {"role": "assistant", "content": None}),
        "expected a string, got null",
        says(QUESTION, {"role": "assistant", "content": ""}),
    ),
    ("content empty list", user(), "Invalid 'messages[0].content': empty array", user(text(""))),
    ("content object", says({"role": "user", "content": {}}), "one of a string or array of objects", user(text())),
    ("part type", user({"type": "image", "source": {}}), "Invalid value: 'image'. Supported", user(text())),
    (
        "part without type",
        user({"text": "a"}),
        "Missing required parameter: 'messages[0].content[0].type'",
        user(text()),
    ),
    ("text null", user({"type": "text", "text": None}), "content[0].text': expected a string", user(text())),
    (
        "image_url as text",
        user({"type": "image_url", "image_url": PNG}),
        "content[0].image_url': expected an object, but got a string",
        user(image(PNG)),
    ),
    (
        "image_url without url",
        user({"type": "image_url", "image_url": {}}),
        "'messages[0].content[0].image_url.url'",
        user(image("https://a.b/c.png")),
    ),
    ("image raw base64", user(image("iVBORw0KGgo=")), "without the 'data:' prefix", user(image(PNG))),
    ("image PDF", user(image("data:application/pdf;base64,JVBERi0=")), "'application/pdf'", user(image(PNG))),
    ("image empty", user(image("data:image/png;base64,")), "empty base64-encoded bytes", user(image(PNG))),
    ("image garbage", user(image("data:image/png;base64,a*b")), "invalid base64-encoded", user(image(PNG))),
    ("image detail", user(image(PNG, detail="max")), "Invalid value: 'max'", user(image(PNG, detail="low"))),
    (
        "image by the assistant",
        says(QUESTION, {"role": "assistant", "content": [image(PNG)]}),
        "Image URLs are only allowed for messages with role 'user'",
        says(QUESTION, {"role": "assistant", "content": [text()]}),
    ),
    (
        "marker on a part",
        user(text(cache_control={"type": "ephemeral"})),
        "Unknown parameter: 'messages[0].content[0].cache_control'.",
        user(text()),
    ),
    (
        "key of a message",
        says(QUESTION, {"role": "assistant", "content": "a", "reasoning_content": "b"}),
        "Unknown parameter: 'messages[1].reasoning_content'.",
        says(QUESTION, {"role": "assistant", "content": "a", "refusal": None}),
    ),
    (
        "marker on a tool",
        tools({**function(), "cache_control": {}}),
        "Unknown parameter: 'tools[0].cache_control'.",
        tools(function(description="d", strict=False)),
    ),
    ("no calls", says(QUESTION, {**asks(), "content": "a"}), "[1].tool_calls': empty array", ANSWERED),
    (
        "arguments as object",
        says(QUESTION, asks(call(arguments={})), tells()),
        "function.arguments': expected a string, but got an object",
        ANSWERED,
    ),
    ("call without id", says(QUESTION, asks(call(None)), tells()), "tool_calls[0].id'", ANSWERED),
    (
        "call unanswered",
        says(QUESTION, asks(call()), QUESTION),
        "did not have response messages: c1",
        says(QUESTION, asks(call()), tells(), QUESTION),
    ),
    ("call unanswered at the end", says(QUESTION, asks(call())), "must be followed by tool messages", ANSWERED),
    (
        "one of two calls unanswered",
        says(QUESTION, asks(call("a"), call("b")), tells("b")),
        "did not have response messages: a",
        says(QUESTION, asks(call("a"), call("b")), tells("b"), tells("a")),
    ),
    (
        "result without call",
        says(QUESTION, tells()),
        "must be a response to a preceeding message with 'tool_calls'",
        ANSWERED,
    ),
    (
        "result after an interruption",
        says(QUESTION, asks(call("a"), call("b")), tells("a"), QUESTION, tells("b")),
        "did not have response messages: b",
        says(QUESTION, asks(call("a"), call("b")), tells("a"), tells("b"), QUESTION),
    ),
    (
        "result without id",
        says(QUESTION, asks(call()), {"role": "tool", "content": "a"}),
        "Missing required parameter: 'messages[2].tool_call_id'",
        says(QUESTION, asks(call()), tells(name="weather")),
    ),
    ("model number", body(model=4), "Invalid type for 'model'", BASE),
    ("message text", says("Hi"), "Invalid type for 'messages[0]': expected an object", BASE),
    ("part text", user("Hi"), "content[0]': expected an object, but got a string", user(text())),
    ("content missing", says({"role": "user"}), "Missing required parameter: 'messages[0].content'", BASE),
    ("part without its data", user({"type": "text"}), "'messages[0].content[0].text'", user(text())),
    ("url number", user(image(1)), "image_url.url': expected a string, but got an integer", user(image(PNG))),
    ("key of an image_url", user({**image(PNG), "image_url": {"url": PNG, "a": 1}}), "image_url.a'", user(image(PNG))),
    ("key of a call", says(QUESTION, asks({**call(), "index": 0}), tells()), "tool_calls[0].index'", ANSWERED),
    ("key of a function", tools(function(returns={})), "tools[0].function.returns'", tools(function())),
    ("calls object", says(QUESTION, {**asks(content="a"), "tool_calls": {}}), "expected an array of objects", ANSWERED),
    ("call text", says(QUESTION, asks("weather")), "tool_calls[0]': expected an object", ANSWERED),
    ("call type", says(QUESTION, asks({**call(), "type": "tool"})), "Invalid value: 'tool'", ANSWERED),
    ("call without function", says(QUESTION, asks({"id": "a", "type": "function"})), "[0].function'", ANSWERED),
    ("call name", says(QUESTION, asks(call(name="a b")), tells()), "does not match pattern", ANSWERED),
    (
        "call without arguments",
        says(QUESTION, asks({**call(), "function": {"name": "a"}}), tells()),
        "function.arguments'",
        ANSWERED,
    ),
    ("tools object", body(tools={}), "Invalid type for 'tools'", tools(function())),
    ("tool text", tools("weather"), "Invalid type for 'tools[0]'", tools(function())),
    ("tool without function", tools({"type": "function"}), "'tools[0].function'", tools(function())),
    ("function name number", tools(function(name=1)), "function.name': expected a string", tools(function())),
    ("parameters text", tools(function(parameters="{}")), "parameters': expected an object", tools(function())),
    (
        "in items",
        tools(function(parameters={**PARAMETERS, "properties": {"a": {"type": "array", "items": {"type": "array"}}}})),
        "In context=('properties', 'a', 'items'), array schema missing items.",
        tools(function(parameters={**PARAMETERS, "properties": {"a": {"type": "array", "items": {}}}})),
    ),
    (
        "in anyOf",
        tools(function(parameters={**PARAMETERS, "properties": {"a": {"anyOf": [{"type": "array"}]}}})),
        "In context=('properties', 'a', 'anyOf', '0'), array schema missing items.",
        tools(function(parameters={**PARAMETERS, "properties": {"a": {"anyOf": [{"type": "null"}]}}})),
    ),
    (
        "choice without name",
        tools(function(), tool_choice={"type": "function"}),
        "'tool_choice.function'",
        tools(function()),
    ),
    ("choice type", tools(function(), tool_choice={"type": "tool"}), "Invalid value: 'tool'", tools(function())),
    (
        "format without its schema",
        body(response_format={"type": "json_schema", "json_schema": {"name": "a"}}),
        "json_schema.schema'",
        wants(PARAMETERS),
    ),
    (
        "temperature text",
        body(temperature="hot"),
        "Invalid type for 'temperature': expected a decimal",
        body(temperature=0),
    ),
    ("max_tokens text", body(max_tokens="9"), "expected an integer, but got a string", body(max_tokens=9)),
    ("stop number", body(stop=[1]), "Invalid type for 'stop[0]'", body(stop=["1"])),
    ("no tools", tools(), "Invalid 'tools': empty array", tools(function())),
    ("tool without type", tools({"function": {"name": "a"}}), "'tools[0].type'", tools(function())),
    ("tool type", tools({"type": "web_search"}), "Invalid value: 'web_search'", tools(function())),
    ("function name", tools(function(name="a b")), "'^[a-zA-Z0-9_-]+$'", tools(function(name="a-b_9"))),
    ("function name length", tools(function(name="a" * 65)), "maximum length 64", tools(function(name="a" * 64))),
    ("function name missing", tools({"type": "function", "function": {}}), "function.name'", tools(function())),
    (
        "parameters of no type",
        tools(function(parameters={"properties": {}})),
        "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
        tools({"type": "function", "function": {"name": "a"}}),
    ),
    (
        "parameters with anyOf at the top",
        tools(function(parameters={**PARAMETERS, "anyOf": []})),
        "not have 'oneOf'/'anyOf'",
        tools(function(parameters={"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}]}}})),
    ),
    (
        "array without items",
        tools(function(parameters={"type": "object", "properties": {"a": {"type": "array"}}})),
        "In context=('properties', 'a'), array schema missing items.",
        tools(function(parameters={"type": "object", "properties": {"a": {"type": "array", "items": {}}}})),
    ),
    (
        "strict, additionalProperties",
        tools(function(strict=True, parameters={**PARAMETERS, "required": ["city"]})),
        "In context=(), 'additionalProperties' is required to be supplied and to be false.",
        tools(function(strict=True, parameters=STRICT)),
    ),
    (
        "strict, required",
        tools(function(strict=True, parameters={**PARAMETERS, "additionalProperties": False})),
        "Missing 'city'",
        tools(function(strict=False)),
    ),
    (
        "choice without tools",
        body(tool_choice="auto"),
        "'tool_choice' is only allowed",
        tools(function(), tool_choice="auto"),
    ),
    (
        "parallel without tools",
        body(parallel_tool_calls=True),
        "'parallel_tool_calls' is only allowed when 'tools' are specified",
        tools(function(), parallel_tool_calls=False),
    ),
    (
        "parallel null",
        tools(function(), parallel_tool_calls=None),
        "Invalid type for 'parallel_tool_calls': expected a boolean, but got null instead.",
        tools(function()),
    ),
    (
        "choice word",
        tools(function(), tool_choice="any"),
        "Invalid value: 'any'",
        tools(function(), tool_choice="required"),
    ),
    (
        "choice of an unknown tool",
        tools(function(), tool_choice={"type": "function", "function": {"name": "other"}}),
        "Tool choice 'other' not found",
        tools(function(), tool_choice={"type": "function", "function": {"name": "weather"}}),
    ),
    ("temperature", body(temperature=2.1), "Expected a value <= 2, but got 2.1 instead", body(temperature=2)),
    ("n", body(n=0), "integer below minimum value. Expected a value >= 1", body(n=1)),
    ("max_tokens", body(max_tokens=0), "Expected a value >= 1, but got 0", body(max_tokens=1)),
    (
        "both limits",
        body(max_tokens=1, max_completion_tokens=1),
        "at the same time is not supported",
        body(max_completion_tokens=1),
    ),
    ("stop", body(stop=list("abcde")), "maximum length 4, but got an array with length 5", body(stop=list("abcd"))),
    ("stop type", body(stop=7), "Invalid type for 'stop'", body(stop=[])),
    ("top_logprobs", body(top_logprobs=2), "only allowed when 'logprobs'", body(top_logprobs=2, logprobs=True)),
    (
        "stream_options",
        body(stream_options={"include_usage": True}),
        "only allowed when 'stream' is enabled",
        body(stream=True, stream_options={"include_usage": True}),
    ),
    (
        "json_object without the word",
        body(response_format={"type": "json_object"}),
        "'messages' must contain the word 'json' in some form",
        body(response_format={"type": "json_object"}, messages=[{"role": "user", "content": [text("As JSON!")]}]),
    ),
    (
        "format type",
        body(response_format={"type": "xml"}),
        "Invalid value: 'xml'",
        body(response_format={"type": "text"}),
    ),
    (
        "format without schema",
        body(response_format={"type": "json_schema"}),
        "'response_format.json_schema'",
        wants(PARAMETERS),
    ),
    (
        "format without name",
        body(response_format={"type": "json_schema", "json_schema": {"schema": PARAMETERS}}),
        "Missing required parameter: 'response_format.json_schema.name'",
        wants(PARAMETERS),
    ),
    ("format name", wants(PARAMETERS, name="a b"), "string does not match pattern", wants(PARAMETERS, name="a_b")),
    (
        "format strict",
        wants(PARAMETERS, strict=True),
        "Invalid schema for response_format 'city': In context=(), 'additionalProperties'",
        wants(STRICT, strict=True),
    ),
    (
        "format strict inside",
        wants({**STRICT, "$defs": {"a": {"type": "object"}}}, strict=True),
        "In context=('$defs', 'a'), 'additionalProperties'",
        wants({**STRICT, "$defs": {"a": {"type": "object", "additionalProperties": False}}}, strict=True),
    ),
]


@pytest.mark.parametrize(("refused", "message", "accepted"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_rule(refused, message, accepted):
    refusal = check_openai(refused)
    assert refusal is not None
    assert message in refusal.message
    assert refusal.status == 400
    assert check_openai(accepted) is None


LENIENT = [
    ("a parameter of another provider", body(random_seed=1)),
    ("a key in a part", user(text(cache_control={"type": "ephemeral"}))),
    ("an image_url that is a text", user({"type": "image_url", "image_url": PNG})),
    ("an empty list of parts", says(QUESTION, {**asks(call()), "content": []}, tells())),
    ("another word for required", tools(function(), tool_choice="any")),
]


@pytest.mark.parametrize("request_body", [row[1] for row in LENIENT], ids=[row[0] for row in LENIENT])
def test_other_providers_take(request_body):
    assert check_openai(request_body) is not None
    assert check_openai(request_body, lenient=True) is None


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(says(QUESTION, asks(call())), id="call unanswered"),
        pytest.param(says({"role": "bot", "content": "a"}), id="role"),
        pytest.param(tools(), id="no tools"),
        pytest.param(body(temperature=3), id="temperature"),
        pytest.param(user({"text": "a"}), id="part without type"),
    ],
)
def test_other_providers_refuse_too(request_body):
    assert check_openai(request_body, lenient=True) is not None


@pytest.mark.parametrize(
    ("refused", "accepted"),
    [
        ({"model": "e"}, {"model": "e", "input": "a"}),
        ({"model": "e", "input": ""}, {"model": "e", "input": " "}),
        ({"model": "e", "input": []}, {"model": "e", "input": ["a"]}),
        ({"model": "e", "input": ["a", ""]}, {"model": "e", "input": ["a", "b"]}),
        ({"model": "e", "input": [{}]}, {"model": "e", "input": [[1, 2], [3]]}),
        ({"model": "e", "input": ["a"] * 2049}, {"model": "e", "input": ["a"] * 2048}),
        ({"input": "a"}, {"model": "e", "input": "a"}),
        (
            {"model": "e", "input": "a", "encoding_format": "int8"},
            {"model": "e", "input": "a", "encoding_format": "base64"},
        ),
        ({"model": "e", "input": "a", "dimensions": 0}, {"model": "e", "input": "a", "dimensions": 1}),
        ({"model": "e", "input": "a", "truncate": True}, {"model": "e", "input": "a", "user": "u"}),
    ],
)
def test_embeddings(refused, accepted):
    assert check_embeddings(refused) is not None
    assert check_embeddings(accepted) is None
