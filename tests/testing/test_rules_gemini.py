"""What Gemini refuses, each beside the closest request that it takes."""

import copy

import pytest

from langchain_pollinations_portkey.testing.rules import check_gemini

BASE = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = "iVBORw0KGgo="


def body(**changes):
    return copy.deepcopy({**BASE, **changes})


def user(*parts):
    return body(contents=[{"role": "user", "parts": list(parts)}])


def role(name):
    return body(contents=[{"role": name, "parts": [{"text": "Hi"}]}])


def talk(*turns):
    roles = ("user", "model")
    return body(contents=[{"role": roles[index % 2], "parts": list(parts)} for index, parts in enumerate(turns)])


def config(**values):
    return body(generationConfig=values)


def declares(*functions, **changes):
    return body(tools=[{"functionDeclarations": list(functions)}], **changes)


def function(**changes):
    return {"name": "weather", "description": "d", "parameters": SCHEMA, **changes}


def takes(schema):
    return declares(function(parameters={"type": "object", "properties": {"a": schema}}))


CALL = {"functionCall": {"name": "weather", "args": {"city": "Paris"}}}
TELL = {"functionResponse": {"name": "weather", "response": {"output": "sunny"}}}
HI = [{"text": "Hi"}]

RULES = [
    # name, refused, part of the message, accepted
    ("no contents", body(contents=[]), "contents is not specified", BASE),
    ("role", role("assistant"), "Please use a valid role: user, model.", role("model")),
    ("role system", role("system"), "Content with system role is not supported", role("function")),
    ("parts empty", user(), "contents[0].parts: contents.parts must not be empty", user({"text": ""})),
    (
        "part without data",
        user({"thought": True}),
        "contents[0].parts[0].data: required oneof field 'data' must have one initialized field",
        user({"text": "a", "thought": True}),
    ),
    ("two kinds of data", user({"text": "a", **CALL}), "'data' is already set", user({"text": "a"}, {"text": "b"})),
    (
        "unknown key of a part",
        user({"type": "text", "text": "a"}),
        "Unknown name \"type\" at 'contents[0].parts[0]': Cannot find field.",
        user({"text": "a"}),
    ),
    ("unknown parameter", body(messages=[]), 'Unknown name "messages": Cannot find field.', body(model="m")),
    (
        "unknown key of a turn",
        body(contents=[{"role": "user", "content": "Hi", "parts": HI}]),
        "Unknown name \"content\" at 'contents[0]'",
        BASE,
    ),
    (
        "unknown option",
        config(max_tokens=5),
        "Unknown name \"max_tokens\" at 'generation_config'",
        config(maxOutputTokens=5),
    ),
    ("contents object", body(contents={"parts": HI}), "Invalid value at 'contents'", BASE),
    ("turn text", body(contents=["Hi"]), "Invalid value at 'contents[0]'", BASE),
    ("text number", user({"text": 1}), "contents[0].parts[0]' (text)", user({"text": "1"})),
    (
        "system key",
        body(systemInstruction={"text": "S", "parts": HI}),
        "'system_instruction'",
        body(systemInstruction={"parts": HI}),
    ),
    (
        "inline data key",
        user({"inlineData": {"mediaType": "image/png", "data": PNG}}),
        "Unknown name \"mediaType\" at 'contents[0].parts[0].inline_data'",
        user({"inlineData": {"mimeType": "image/png", "data": PNG, "displayName": "a"}}),
    ),
    (
        "call key",
        talk(HI, [{"functionCall": {"name": "weather", "arguments": {}}}], [TELL]),
        'Unknown name "arguments"',
        talk(HI, [CALL], [TELL]),
    ),
    (
        "call without name",
        talk(HI, [{"functionCall": {"args": {}}}], [TELL]),
        "function_call.name",
        talk(HI, [CALL], [TELL]),
    ),
    (
        "response key",
        talk(HI, [CALL], [{"functionResponse": {"name": "weather", "content": "a"}}]),
        'Unknown name "content"',
        talk(HI, [CALL], [TELL]),
    ),
    ("temperature text", config(temperature="hot"), "(TYPE_FLOAT)", config(temperature=0)),
    ("maxOutputTokens text", config(maxOutputTokens="9"), "(TYPE_INT32)", config(maxOutputTokens=9)),
    ("schema type", takes({"type": "date"}), "(type.googleapis.com/Type)", takes({"type": "string", "format": "date"})),
    ("in anyOf", takes({"anyOf": [{"const": 1}]}), "value.any_of[0]'", takes({"anyOf": [{"type": "null"}]})),
    (
        "tool config key",
        declares(function(), toolConfig={"mode": "ANY"}),
        "Unknown name \"mode\" at 'tool_config'",
        declares(function(), toolConfig={}),
    ),
    (
        "calling config key",
        declares(function(), toolConfig={"functionCallingConfig": {"mode": "ANY", "name": "a"}}),
        "Unknown name \"name\" at 'tool_config.function_calling_config'",
        declares(function(), toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
    ),
    ("temperature", config(temperature=2.5), "temperature must be in the range [0.0, 2.0]", config(temperature=2)),
    ("topP", config(topP=1.5), "top_p must be in the range", config(top_p=1)),
    ("topP, snake case", config(top_p=1.5), "top_p must be in the range", config(top_p=1)),
    ("maxOutputTokens", config(maxOutputTokens=0), "max_output_tokens must be positive", config(maxOutputTokens=1)),
    (
        "six stop sequences",
        config(stopSequences=list("abcdef")),
        "must not exceed 5",
        config(stopSequences=list("abcde")),
    ),
    (
        "base64",
        user({"inlineData": {"mimeType": "image/png", "data": f"data:image/png;base64,{PNG}"}}),
        "Base64 decoding failed",
        user({"inline_data": {"mime_type": "image/png", "data": PNG}}),
    ),
    (
        "inline data without type",
        user({"inlineData": {"data": PNG}}),
        "mime_type",
        user({"inlineData": {"mimeType": "image/png", "data": PNG}}),
    ),
    (
        "system instruction",
        body(systemInstruction={"parts": []}),
        "system_instruction.parts",
        body(systemInstruction={"role": "system", "parts": HI}),
    ),
    ("empty tool", body(tools=[{}]), "tools[0].tool_type", body(tools=[{"googleSearch": {}}])),
    ("no functions", declares(), "tools[0].tool_type", declares(function())),
    ("unknown tool", body(tools=[{"type": "function"}]), "Unknown name \"type\" at 'tools[0]'", declares(function())),
    ("function name", declares(function(name="9 lives")), "Invalid function name", declares(function(name="lives.9"))),
    (
        "function name length",
        declares(function(name="a" * 65)),
        "Invalid function name",
        declares(function(name="a" * 64)),
    ),
    (
        "function twice",
        declares(function(), function()),
        "Duplicate function declaration found: weather",
        declares(function()),
    ),
    (
        "strict",
        declares(function(strict=True)),
        "Unknown name \"strict\" at 'tools[0].function_declarations[0]'",
        declares(function()),
    ),
    (
        "additionalProperties",
        declares(function(parameters={**SCHEMA, "additionalProperties": False})),
        "Unknown name \"additionalProperties\" at 'tools[0].function_declarations[0].parameters': Cannot find field.",
        declares(function()),
    ),
    (
        "$schema inside",
        takes({"type": "object", "$schema": "x"}),
        "'tools[0].function_declarations[0].parameters.properties[0].value'",
        takes({"type": "object", "title": "x"}),
    ),
    ("$ref", takes({"$ref": "#/$defs/A"}), 'Unknown name "$ref"', takes({"type": "STRING"})),
    ("$defs", declares(function(parameters={**SCHEMA, "$defs": {}})), 'Unknown name "$defs"', declares(function())),
    ("const", takes({"const": "a"}), 'Unknown name "const"', takes({"type": "string", "enum": ["a"]})),
    (
        "list of types",
        takes({"type": ["string", "null"]}),
        "Proto field is not repeating, cannot start list",
        takes({"type": "string", "nullable": True}),
    ),
    (
        "array without items",
        takes({"type": "array"}),
        "items: missing field",
        takes({"type": "array", "items": {"type": "string"}}),
    ),
    (
        "in items",
        takes({"type": "array", "items": {"oneOf": []}}),
        "parameters.properties[0].value.items'",
        takes({"type": "array", "items": {"anyOf": [{"type": "string"}]}}),
    ),
    (
        "required unknown",
        declares(function(parameters={**SCHEMA, "required": ["town"]})),
        "parameters.required[0]: property is not defined",
        declares(function()),
    ),
    (
        "response schema",
        config(responseMimeType="application/json", responseSchema={**SCHEMA, "$schema": "x"}),
        "Unknown name \"$schema\" at 'generation_config.response_schema'",
        config(responseMimeType="application/json", responseJsonSchema={**SCHEMA, "$schema": "x"}),
    ),
    (
        "calling config without functions",
        body(toolConfig={"functionCallingConfig": {"mode": "AUTO"}}),
        "Function calling config is set without function_declarations",
        declares(function(), tool_config={"function_calling_config": {"mode": "AUTO"}}),
    ),
    (
        "mode",
        declares(function(), toolConfig={"functionCallingConfig": {"mode": "REQUIRED"}}),
        "mode",
        declares(function(), toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
    ),
    (
        "allowed names",
        declares(
            function(), toolConfig={"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["weather"]}}
        ),
        "only allowed when mode is ANY",
        declares(
            function(), toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
        ),
    ),
    ("call unanswered", talk(HI, [CALL], HI), "number of function response parts is equal", talk(HI, [CALL], [TELL])),
    ("call unanswered at the end", talk(HI, [CALL]), "number of function response parts is equal", talk(HI, HI)),
    (
        "one of two calls unanswered",
        talk(HI, [CALL, CALL], [TELL]),
        "number of function response parts is equal",
        talk(HI, [CALL, CALL], [TELL, TELL]),
    ),
    (
        "response without call",
        talk([TELL]),
        "function response turn comes immediately after a function call turn",
        talk(HI, [CALL], [TELL]),
    ),
    (
        "call first",
        body(contents=[{"role": "model", "parts": [CALL]}, {"role": "user", "parts": [TELL]}]),
        "function call turn comes immediately after a user turn",
        talk(HI, [CALL], [TELL]),
    ),
    (
        "response without name",
        talk(HI, [CALL], [{"functionResponse": {"response": {}}}]),
        "function_response.name: Name cannot be empty",
        talk(HI, [CALL], [TELL]),
    ),
    (
        "response as text",
        talk(HI, [CALL], [{"functionResponse": {"name": "weather", "response": "sunny"}}]),
        "google.protobuf.Struct",
        talk(HI, [CALL], [TELL]),
    ),
    (
        "arguments as text",
        talk(HI, [{"functionCall": {"name": "weather", "args": "{}"}}], [TELL]),
        "function_call.args' (type.googleapis.com/google.protobuf.Struct)",
        talk(HI, [{"functionCall": {"name": "weather"}}], [TELL]),
    ),
]


@pytest.mark.parametrize(("refused", "message", "accepted"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_rule(refused, message, accepted):
    refusal = check_gemini(refused)
    assert refusal is not None
    assert message in refusal.message
    assert refusal.status == 400
    assert check_gemini(accepted) is None


def test_responses_in_contents_of_their_own_are_one_turn():
    turns = [
        {"role": "user", "parts": HI},
        {"role": "model", "parts": [{"text": "let me see"}, CALL]},
        {"role": "model", "parts": [CALL]},
        {"role": "function", "parts": [TELL]},
        {"role": "user", "parts": [TELL, {"text": "and?"}]},
    ]
    assert check_gemini(body(contents=turns)) is None


@pytest.mark.parametrize(
    ("refused", "accepted"),
    [
        (user({"text": ""}), user({"text": "a"})),
        (takes({"$ref": "#/$defs/A"}), takes({"type": "object", "additionalProperties": False})),
    ],
)
def test_vertex(refused, accepted):
    assert check_gemini(refused, vertex=True) is not None
    assert check_gemini(accepted, vertex=True) is None


def test_vertex_refuses_unknown_fields_too():
    assert "Unknown name" in check_gemini(body(messages=[]), vertex=True).message


def test_only_vertex_has_labels():
    assert check_gemini(body(labels={"a": "b"})) is not None
    assert check_gemini(body(labels={"a": "b"}), vertex=True) is None
