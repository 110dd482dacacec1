"""What Bedrock's Converse refuses, each beside the closest request that it takes."""

import copy

import pytest

from langchain_pollinations_portkey.testing.rules import check_bedrock

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BASE = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
SPEC = {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}
PNG = "iVBORw0KGgo="
POINT = {"cachePoint": {"type": "default"}}


def body(**changes):
    return copy.deepcopy({**BASE, **changes})


def user(*blocks):
    return body(messages=[{"role": "user", "content": list(blocks)}])


def talk(*turns, **changes):
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": list(content)} for index, content in enumerate(turns)]
    return body(**{"messages": messages, "toolConfig": {"tools": [{"toolSpec": SPEC}]}, **changes})


def inference(**config):
    return body(inferenceConfig=config)


def spec(**changes):
    return body(toolConfig={"tools": [{"toolSpec": {**SPEC, **changes}}]})


def use(call_id="t1", **changes):
    return {"toolUse": {"toolUseId": call_id, "name": "weather", "input": {}, **changes}}


def result(call_id="t1", *parts, **changes):
    return {"toolResult": {"toolUseId": call_id, "content": list(parts) or [{"text": "sunny"}], **changes}}


def image(fmt="png", **source):
    return {"image": {"format": fmt, "source": source or {"bytes": PNG}}}


def document(**changes):
    return {"document": {"format": "pdf", "name": "Report (1)", "source": {"bytes": PNG}, **changes}}


HI = [{"text": "Hi"}]
ANSWERED = talk(HI, [use()], [result()])

RULES = [
    # name, refused, part of the message, accepted
    ("no messages", body(messages=[]), "must start with a user message", BASE),
    (
        "first role",
        body(messages=[{"role": "assistant", "content": HI}]),
        "must start with a user message",
        BASE,
    ),
    (
        "two of a role",
        body(messages=BASE["messages"] * 2),
        "must alternate between user and assistant roles",
        talk(HI, HI, HI),
    ),
    ("role", body(messages=[{"role": "system", "content": HI}]), "enum value set: [user, assistant]", BASE),
    ("content text", body(messages=[{"role": "user", "content": "Hi"}]), "wrong type", BASE),
    ("content empty", user(), "The content field in the Message object at messages.0 is empty", BASE),
    ("text blank", talk(HI, [{"text": ""}]), "at messages.1.content.0 is blank", talk(HI, [{"text": "."}])),
    ("unknown block", user({"type": "text", "value": "a"}), "exactly one member", user({"text": "a"})),
    ("two members", user({"text": "a", **POINT}), "exactly one member", user({"text": "a"}, POINT)),
    ("image format", user(image("bmp")), "enum value set: [png, jpeg, gif, webp]", user(image("webp"))),
    ("image data URL", user(image(bytes=f"data:image/png;base64,{PNG}")), "wrong type", user(image(bytes=PNG))),
    ("image empty", user(image(bytes="")), "length greater than or equal to 1", user(image(bytes=PNG))),
    ("image source", user(image(url="u")), "exactly one member", user(image(s3Location={"uri": "s3://a/b"}))),
    (
        "document name",
        user({"text": "a"}, document(name="report.pdf")),
        "The file name can only contain alphanumeric characters",
        user({"text": "a"}, document(name="report-[1] pdf")),
    ),
    (
        "document name spaces",
        user({"text": "a"}, document(name="a  b")),
        "consecutive",
        user({"text": "a"}, document(name="a b")),
    ),
    (
        "document format",
        user({"text": "a"}, document(format="plain")),
        "txt",
        user({"text": "a"}, document(format="txt")),
    ),
    ("document alone", user(document()), "must also include a text block", user(document(), {"text": "Read"})),
    (
        "image by the assistant",
        talk(HI, [image()]),
        "only allowed if the role is user",
        user(image()),
    ),
    (
        "call unanswered",
        talk(HI, [use()], HI),
        "Expected toolResult blocks at messages.2.content for the following Ids: t1",
        ANSWERED,
    ),
    (
        "result without call",
        talk([result()]),
        "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks",
        ANSWERED,
    ),
    (
        "result of another call",
        talk(HI, [use("a")], [result("b")]),
        "for the following Ids: a",
        talk(HI, [use("a")], [result("a")]),
    ),
    (
        "one of two calls unanswered",
        talk(HI, [use("a"), use("b")], [result("a")]),
        "for the following Ids: b",
        talk(HI, [use("a"), use("b")], [result("b"), result("a")]),
    ),
    (
        "result twice",
        talk(HI, [use("a"), use("b")], [result("a"), result("a")]),
        "The toolResult blocks at messages.2.content contain duplicate Ids: a",
        talk(HI, [use("a"), use("b")], [result("a"), result("b")]),
    ),
    ("call twice", talk(HI, [use(), use()], [result()]), "toolUse blocks at messages.1.content contain", ANSWERED),
    (
        "call id",
        talk(HI, [use("a b")], [result("a b")]),
        "[a-zA-Z0-9_.:-]+",
        talk(HI, [use("a.b:c")], [result("a.b:c")]),
    ),
    (
        "call id length",
        talk(HI, [use("a" * 65)], [result("a" * 65)]),
        "length less than or equal to 64",
        talk(HI, [use("a" * 64)], [result("a" * 64)]),
    ),
    ("call name", talk(HI, [use(name="a.b")], [result()]), "[a-zA-Z0-9_-]+", ANSWERED),
    ("call input", talk(HI, [use(input="{}")], [result()]), "Provide a json object", ANSWERED),
    (
        "cache point in a result",
        talk(HI, [use()], [result("t1", {"text": "a"}, POINT)]),
        "exactly one member out of json, text",
        talk(HI, [use()], [result("t1", {"text": "a"}), POINT]),
    ),
    (
        "empty error",
        talk(HI, [use()], [{"toolResult": {"toolUseId": "t1", "content": [], "status": "error"}}]),
        "messages.2.content.0.toolResult cannot be empty when status value is error",
        talk(HI, [use()], [{"toolResult": {"toolUseId": "t1", "content": []}}]),
    ),
    (
        "result status",
        talk(HI, [use()], [result(status="bad")]),
        "[success, error]",
        talk(HI, [use()], [result(status="error")]),
    ),
    (
        "no toolConfig",
        body(messages=ANSWERED["messages"]),
        "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        ANSWERED,
    ),
    ("no tools", body(toolConfig={"tools": []}), "toolConfig.tools", body(toolConfig={"tools": [{"toolSpec": SPEC}]})),
    ("tool name", spec(name="a.b"), "[a-zA-Z0-9_-]+", spec(name="a-b_9")),
    ("tool name length", spec(name="a" * 65), "length less than or equal to 64", spec(name="a" * 64)),
    ("tool description", spec(description=""), "toolSpec.description", spec(description="d")),
    (
        "tool without schema",
        spec(inputSchema={}),
        "toolSpec.inputSchema.json.type must be one of the following: object.",
        spec(),
    ),
    (
        "tool schema type",
        spec(inputSchema={"json": {"properties": {}}}),
        "must be one of the following: object",
        spec(inputSchema={"json": {"type": "object"}}),
    ),
    (
        "choice",
        body(toolConfig={"tools": [{"toolSpec": SPEC}], "toolChoice": {"none": {}}}),
        "exactly one member out of auto, any, tool",
        body(toolConfig={"tools": [{"toolSpec": SPEC}], "toolChoice": {"any": {}}}),
    ),
    ("tools missing", body(toolConfig={}), "toolConfig.tools", body(toolConfig={"tools": [{"toolSpec": SPEC}]})),
    (
        "tool kind",
        body(toolConfig={"tools": [SPEC]}),
        "exactly one member",
        body(toolConfig={"tools": [{"toolSpec": SPEC}]}),
    ),
    (
        "tool cache point",
        body(toolConfig={"tools": [{"toolSpec": SPEC}, {"cachePoint": {}}]}),
        "enum value set: [default]",
        body(toolConfig={"tools": [{"toolSpec": SPEC}, POINT]}),
    ),
    ("system cache point", body(system=[{"cachePoint": {}}]), "enum value set: [default]", body(system=[POINT])),
    ("schema missing", spec(inputSchema=None), "toolSpec.inputSchema", spec()),
    ("system object", body(system={"text": "S"}), "wrong type", body(system=[{"text": "S"}])),
    ("config list", body(inferenceConfig=[]), "wrong type", inference()),
    ("maxTokens text", inference(maxTokens="9"), "wrong type", inference(maxTokens=9)),
    ("temperature text", inference(temperature="hot"), "wrong type", inference(temperature=0.5)),
    ("text number", user({"text": 1}), "wrong type", user({"text": "1"})),
    ("call without input", talk(HI, [use(input=None)], [result()]), "toolUse.input", ANSWERED),
    ("call without name", talk(HI, [use(name=None)], [result()]), "toolUse.name", ANSWERED),
    ("result without id", talk(HI, [use()], [result(None)]), "toolResult.toolUseId", ANSWERED),
    ("result text", talk(HI, [use()], [result(content="a")]), "wrong type", ANSWERED),
    (
        "image in a result",
        talk(HI, [use()], [result("t1", image("tiff"))]),
        "toolResult.content.1.member.image.format",
        talk(HI, [use()], [result("t1", image("gif"))]),
    ),
    ("document without name", user({"text": "a"}, document(name="")), "document.name", user({"text": "a"}, document())),
    ("document source", user({"text": "a"}, document(source={})), "exactly one", user({"text": "a"}, document())),
    (
        "reasoning without text",
        talk(HI, [{"reasoningContent": {"reasoningText": {}}}, {"text": "a"}]),
        "reasoningText.text",
        talk(HI, [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "a"}]),
    ),
    ("maxTokens", inference(maxTokens=0), "inferenceConfig.maxTokens", inference(maxTokens=1)),
    ("temperature", inference(temperature=1.5), "less than or equal to 1", inference(temperature=1)),
    ("topP", inference(topP=-1), "greater than or equal to 0", inference(topP=0)),
    ("stopSequences text", inference(stopSequences="END"), "wrong type", inference(stopSequences=["END"])),
    ("stopSequences empty text", inference(stopSequences=[""]), "stopSequences", inference(stopSequences=[])),
    ("system text", body(system=[{"text": ""}]), "system.1.member.text", body(system=[{"text": "S"}, POINT])),
    ("system block", body(system=[image()]), "exactly one member", body(system=[])),
    (
        "cache point type",
        user({"text": "a"}, {"cachePoint": {"type": "ephemeral"}}),
        "enum value set: [default]",
        user({"text": "a"}, POINT),
    ),
    (
        "cache point ttl",
        user({"text": "a"}, {"cachePoint": {"type": "default", "ttl": "2h"}}),
        "[5m, 1h]",
        user({"text": "a"}, {"cachePoint": {"type": "default", "ttl": "1h"}}),
    ),
    (
        "five cache points",
        {
            **user({"text": "a"}, POINT, {"text": "b"}, POINT),
            "system": [{"text": "S"}, POINT, {"text": "T"}, POINT],
            "toolConfig": {"tools": [{"toolSpec": SPEC}, POINT]},
        },
        "Found 5",
        {
            **user({"text": "a"}, POINT, {"text": "b"}, POINT),
            "system": [{"text": "S"}, POINT],
            "toolConfig": {"tools": [{"toolSpec": SPEC}, POINT]},
        },
    ),
    (
        "reasoning",
        talk(HI, [{"reasoningContent": {"text": "hm"}}, {"text": "a"}]),
        "exactly one member out of reasoningText, redactedContent",
        talk(HI, [{"reasoningContent": {"redactedContent": "UkVE"}}, {"text": "a"}]),
    ),
]


@pytest.mark.parametrize(("refused", "message", "accepted"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_rule(refused, message, accepted):
    refusal = check_bedrock(refused)
    assert refusal is not None
    assert message in refusal.message
    assert refusal.status == 400
    assert check_bedrock(accepted) is None


def reasoning(**reasoning_text):
    return talk(HI, [{"reasoningContent": {"reasoningText": reasoning_text}}, {"text": "a"}])


def thinking(budget=1024, **changes):
    fields = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return body(additionalModelRequestFields=fields, **{"inferenceConfig": {"maxTokens": 2048}, **changes})


CLAUDE_RULES = [
    ("blank text", user({"text": " \n"}), "non-whitespace text", user({"text": " a"})),
    ("no signature", reasoning(text="hm"), "thinking.signature", reasoning(text="hm", signature="c2ln")),
    ("budget too small", thinking(1000), "greater than or equal to 1024", thinking(1024)),
    ("budget too big", thinking(2048), "`max_tokens` must be greater", thinking(2047)),
    (
        "thinking and temperature",
        thinking(inferenceConfig={"maxTokens": 2048, "temperature": 0}),
        "may only be set to 1",
        thinking(inferenceConfig={"maxTokens": 2048, "temperature": 1}),
    ),
    (
        "thinking and forced tool",
        thinking(toolConfig={"tools": [{"toolSpec": SPEC}], "toolChoice": {"tool": {"name": "weather"}}}),
        "Thinking may not be enabled",
        thinking(toolConfig={"tools": [{"toolSpec": SPEC}], "toolChoice": {"auto": {}}}),
    ),
]


@pytest.mark.parametrize(
    ("refused", "message", "accepted"), [row[1:] for row in CLAUDE_RULES], ids=[row[0] for row in CLAUDE_RULES]
)
def test_rule_of_claude(refused, message, accepted):
    refusal = check_bedrock(refused, CLAUDE)
    assert refusal is not None
    assert refusal.message.startswith("The model returned the following errors: ")
    assert message in refusal.message
    assert check_bedrock(accepted, CLAUDE) is None
    assert check_bedrock(refused, "us.amazon.nova-lite-v1:0") is None


def test_aws_own_tools_are_answered_at_once():
    """A toolUse with a type is AWS's own; its result stands beside it in the assistant's message."""
    blocks = [use(type="server_tool_use"), result(type="nova_grounding_result"), {"text": "a"}]
    assert check_bedrock(talk(HI, blocks, HI)) is None
