"""What Anthropic refuses, each beside the closest request that it takes."""

import copy

import pytest

from langchain_pollinations_portkey.testing.rules import check_anthropic

BASE = {"model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
PNG = "iVBORw0KGgo="
MARK = {"type": "ephemeral"}


def body(**changes):
    return copy.deepcopy({**BASE, **changes})


def without(key):
    return {name: value for name, value in BASE.items() if name != key}


def user(*blocks):
    return body(messages=[{"role": "user", "content": list(blocks)}])


def talk(*turns, **changes):
    """Turns alternate, the user first; a text or a list of blocks each."""
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": content} for index, content in enumerate(turns)]
    return body(messages=messages, tools=[TOOL], **changes)


def text(value="Hi", **keys):
    return {"type": "text", "text": value, **keys}


def use(call_id="t1"):
    return {"type": "tool_use", "id": call_id, "name": "weather", "input": {}}


def result(call_id="t1", **keys):
    return {"type": "tool_result", "tool_use_id": call_id, "content": "sunny", **keys}


def image(**source):
    return {"type": "image", "source": source}


def tool(**changes):
    return body(tools=[{**TOOL, **changes}])


def schema(value):
    return tool(input_schema=value)


def thinking(budget=1024, **changes):
    return body(thinking={"type": "enabled", "budget_tokens": budget}, **changes)


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
ENABLED = {"thinking": {"type": "enabled", "budget_tokens": 1024}}

RULES = [
    # name, refused, part of the message, accepted
    ("max_tokens missing", without("max_tokens"), "max_tokens: Field required", BASE),
    ("max_tokens zero", body(max_tokens=0), "greater than or equal to 1", body(max_tokens=1)),
    ("max_tokens text", body(max_tokens="9"), "valid integer", body(max_tokens=9)),
    ("model missing", without("model"), "model: Field required", BASE),
    ("messages missing", without("messages"), "messages: Field required", BASE),
    ("messages empty", body(messages=[]), "at least one message is required", BASE),
    (
        "first role",
        body(messages=[{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]),
        'first message must use the "user" role',
        body(messages=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]),
    ),
    (
        "system role",
        body(messages=[{"role": "system", "content": "S"}, BASE["messages"][0]]),
        'Unexpected role "system"',
        body(system="S"),
    ),
    (
        "other role",
        body(messages=[{"role": "tool", "content": "S"}]),
        "Input should be 'user' or 'assistant'",
        BASE,
    ),
    (
        "key of a message",
        body(messages=[{"role": "user", "content": "Hi", "name": "Ann"}]),
        "messages.0.name: Extra inputs are not permitted",
        BASE,
    ),
    ("unknown parameter", body(stop=["x"]), "stop: Extra inputs are not permitted", body(stop_sequences=["x"])),
    ("metadata", body(metadata={"a": 1}), "metadata.a: Extra inputs", body(metadata={"user_id": "u"})),
    ("temperature", body(temperature=1.1), "temperature: range: 0..1", body(temperature=1)),
    ("top_p", body(top_p=-0.1), "top_p: range: 0..1", body(top_p=0.0)),
    ("top_k", body(top_k=-1), "top_k", body(top_k=0)),
    ("metadata text", body(metadata="u"), "metadata: Input should be an object", body(metadata={})),
    (
        "stop number",
        body(stop_sequences=[1]),
        "stop_sequences.0: Input should be a valid string",
        body(stop_sequences=["1"]),
    ),
    ("system object", body(system={}), "system: Input should be a valid list", body(system="S")),
    ("system block key", body(system=[text(id="a")]), "system.0.text.id: Extra inputs", body(system=[text()])),
    ("content number", body(messages=[{"role": "user", "content": 1}]), "content: Input should be a valid list", BASE),
    ("content missing", body(messages=[{"role": "user"}]), "messages.0.content: Field required", BASE),
    ("text number", user(text(1)), "text: Input should be a valid string", user(text("1"))),
    ("result content", talk("Hi", [use()], [result(content={"a": 1})]), "valid list", talk("Hi", [use()], [result()])),
    (
        "result blank text",
        talk("Hi", [use()], [result(content=[text("")])]),
        "must be non-empty",
        talk("Hi", [use()], [result(content=[])]),
    ),
    ("result id pattern", talk([result("a b")]), "tool_use_id: String should match", talk("Hi", [use()], [result()])),
    (
        "call without name",
        talk("Hi", [{**use(), "name": ""}], [result()]),
        "tool_use.name",
        talk("Hi", [use()], [result()]),
    ),
    ("image without data", user(image(type="base64", media_type="image/png")), "base64.data: Field required", BASE),
    (
        "image extra",
        user(image(type="url", url="u", a=1)),
        "source.url.a: Extra inputs",
        user(image(type="url", url="u")),
    ),
    ("tools object", body(tools={}), "tools: Input should be a valid list", body(tools=[])),
    ("tool text", body(tools=["weather"]), "tools.0: Input should be an object", body(tools=[TOOL])),
    ("tool description", tool(description=1), "description: Input should be a valid string", tool(description="")),
    ("tool marker", tool(cache_control={"type": "x"}), "tools.0.custom.cache_control", tool(cache_control=MARK)),
    ("schema text", schema("object"), "input_schema: Input should be an object", schema({"type": "object"})),
    (
        "choice key",
        body(tools=[TOOL], tool_choice={"type": "none", "name": "weather"}),
        "tool_choice.none.name: Extra inputs",
        body(tools=[TOOL], tool_choice={"type": "none"}),
    ),
    (
        "choice without name",
        body(tools=[TOOL], tool_choice={"type": "tool"}),
        "tool_choice.tool.name: Field required",
        body(tools=[TOOL], tool_choice={"type": "any"}),
    ),
    ("budget missing", body(thinking={"type": "enabled"}), "budget_tokens: Field required", thinking()),
    ("budget text", thinking("1024"), "budget_tokens: Input should be a valid integer", thinking(1024)),
    ("stop text", body(stop_sequences="END"), "stop_sequences: Input should be a valid list", body(stop_sequences=[])),
    ("stop blank", body(stop_sequences=["\n"]), "must contain non-whitespace", body(stop_sequences=["\nA"])),
    ("empty content", user(), "all messages must have non-empty content", user(text())),
    (
        "empty content in the middle",
        talk("Hi", [], "Still there?"),
        "messages.1: all messages must have non-empty content",
        talk("Hi", []),
    ),
    ("empty text", user(text("")), "text content blocks must be non-empty", user(text("."))),
    ("blank text", user(text(" \n")), "must contain non-whitespace text", user(text(" a\n"))),
    ("blank string", body(messages=[{"role": "user", "content": "  "}]), "non-whitespace text", BASE),
    ("prefill", talk("Hi", "Well, "), "cannot end with trailing whitespace", talk("Hi", "Well,")),
    ("prefill block", talk("Hi", [text("Well, ")]), "trailing whitespace", talk("Hi", [text("Well,")])),
    ("system block type", body(system=[image(type="url", url="u")]), "system.0.type", body(system=[text()])),
    ("system block empty", body(system=[text("")]), "system: text content blocks must be non-empty", body(system=[])),
    ("unknown block", user({"type": "image_url", "image_url": {}}), "Input tag 'image_url'", user(text())),
    ("extra key", user(text(index=0)), "messages.0.content.0.text.index: Extra inputs", user(text(citations=None))),
    (
        "image without source",
        user({"type": "image"}),
        "image.source: Field required",
        user(image(type="url", url="https://a.b/c.png")),
    ),
    (
        "image type",
        user(image(type="base64", media_type="image/bmp", data=PNG)),
        "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
        user(image(type="base64", media_type="image/png", data=PNG)),
    ),
    (
        "image data URL",
        user(image(type="base64", media_type="image/png", data=f"data:image/png;base64,{PNG}")),
        "invalid base64 data",
        user(image(type="base64", media_type="image/png", data=PNG)),
    ),
    (
        "document type",
        user({"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": PNG}}),
        "Input should be 'application/pdf'",
        user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a b"}}),
    ),
    ("image source", user(image(type="s3", url="u")), "Input tag 's3'", user(image(type="file", file_id="f"))),
    (
        "marker on thinking",
        talk("Hi", [{**THOUGHT, "cache_control": MARK}, text("a")]),
        "thinking.cache_control: Extra inputs are not permitted",
        talk("Hi", [THOUGHT, text("a", cache_control=MARK)]),
    ),
    (
        "marker on empty text",
        user(text("", cache_control=MARK)),
        "cache_control cannot be set for empty text blocks",
        user(text("a", cache_control=MARK)),
    ),
    ("marker type", user(text(cache_control={"type": "forever"})), "'ephemeral'", user(text(cache_control=MARK))),
    (
        "marker ttl",
        user(text(cache_control={**MARK, "ttl": "2h"})),
        "Input should be '5m' or '1h'",
        user(text(cache_control={**MARK, "ttl": "1h"})),
    ),
    (
        "marker key",
        user(text(cache_control={**MARK, "scope": "global"})),
        "cache_control.ephemeral.scope: Extra inputs",
        user(text(cache_control=MARK)),
    ),
    (
        "five markers",
        body(
            system=[text(cache_control=MARK)] * 2,
            messages=[{"role": "user", "content": [text(cache_control=MARK)] * 2}],
            tools=[{**TOOL, "cache_control": MARK}],
        ),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        body(
            system=[text(cache_control=MARK)],
            messages=[{"role": "user", "content": [text(cache_control=MARK)] * 2}],
            tools=[{**TOOL, "cache_control": MARK}],
        ),
    ),
    (
        "a marker in a tool result counts",
        talk("Hi", [use()], [result(content=[text(cache_control=MARK)] * 5)]),
        "Found 5",
        talk("Hi", [use()], [result(content=[text(cache_control=MARK)] * 4)]),
    ),
    (
        "1h after 5m",
        body(
            tools=[{**TOOL, "cache_control": MARK}],
            system=[text(cache_control={**MARK, "ttl": "1h"})],
        ),
        "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m'",
        body(
            tools=[{**TOOL, "cache_control": {**MARK, "ttl": "1h"}}],
            system=[text(cache_control={**MARK, "ttl": "1h"})],
            messages=[{"role": "user", "content": [text(cache_control=MARK)]}],
        ),
    ),
    (
        "call unanswered",
        talk("Hi", [use()], "And?"),
        "`tool_use` ids were found without",
        talk("Hi", [use()], [result()]),
    ),
    ("call unanswered at the end", talk("Hi", [use()]), "immediately after: t1", talk("Hi", [text("a")])),
    (
        "one of two calls unanswered",
        talk("Hi", [use("a"), use("b")], [result("a")]),
        "immediately after: b",
        talk("Hi", [use("a"), use("b")], [result("a"), result("b")]),
    ),
    (
        "text before the result",
        talk("Hi", [use()], [text("here:"), result()]),
        "immediately after: t1",
        talk("Hi", [use()], [result(), text("there")]),
    ),
    ("result without call", talk([result()]), "unexpected `tool_use_id`", talk("Hi", [use()], [result()])),
    (
        "result of another call",
        talk("Hi", [use("a")], [result("b")]),
        "blocks: b",
        talk("Hi", [use("a")], [result("a")]),
    ),
    ("result twice", talk("Hi", [use()], [result(), result()]), "single result", talk("Hi", [use()], [result()])),
    (
        "id used twice",
        talk("Hi", [use()], [result()], [use()], [result()]),
        "`tool_use` ids must be unique",
        talk("Hi", [use()], [result()], [use("t2")], [result("t2")]),
    ),
    (
        "id pattern",
        talk("Hi", [use("a:1")], [result("a:1")]),
        "String should match pattern '^[a-zA-Z0-9_-]+$'",
        talk("Hi", [use("a_1")], [result("a_1")]),
    ),
    (
        "input as text",
        talk("Hi", [{**use(), "input": "{}"}], [result()]),
        "tool_use.input: Input should be a valid dictionary",
        talk("Hi", [use()], [result()]),
    ),
    ("call by the user", talk([use()]), "`tool_use` blocks can only be in `assistant` messages", BASE),
    (
        "empty error",
        talk("Hi", [use()], [result(content="", is_error=True)]),
        "content cannot be empty if `is_error` is true",
        talk("Hi", [use()], [result(content="")]),
    ),
    (
        "image_url in a result",
        talk("Hi", [use()], [result(content=[{"type": "image_url", "image_url": {"url": "u"}}])]),
        "Input tag 'image_url'",
        talk("Hi", [use()], [result(content=[image(type="base64", media_type="image/png", data=PNG)])]),
    ),
    ("tool name", tool(name="a b"), "'^[a-zA-Z0-9_-]{1,128}$'", tool(name="a-b_C9")),
    ("tool name length", tool(name="a" * 129), "{1,128}", tool(name="a" * 128)),
    ("tool key", tool(parameters={}), "tools.0.custom.parameters: Extra inputs", tool(description="d")),
    ("tool without schema", body(tools=[{"name": "a"}]), "input_schema: Field required", body(tools=[TOOL])),
    (
        "schema type missing",
        schema({"properties": {}}),
        "input_schema.type: Field required",
        schema({"type": "object"}),
    ),
    ("schema type", schema({"type": "array"}), "Input should be 'object'", schema({"type": "object"})),
    (
        "schema with anyOf at the top",
        schema({"type": "object", "anyOf": [{}]}),
        "does not support oneOf, allOf, or anyOf at the top level",
        schema({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}}),
    ),
    (
        "property name",
        schema({"type": "object", "properties": {"a b": {}}}),
        "Property keys should match pattern",
        schema({"type": "object", "properties": {"a.b": {}}}),
    ),
    (
        "unknown tool type",
        body(tools=[{"type": "function", "function": {}}]),
        "Input tag 'function'",
        body(tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]),
    ),
    ("two tools of a name", body(tools=[TOOL, TOOL]), "Tool names must be unique", body(tools=[TOOL])),
    (
        "choice without tools",
        body(tools=[], tool_choice={"type": "auto"}),
        "only be specified while providing tools",
        body(tools=[TOOL], tool_choice={"type": "auto"}),
    ),
    (
        "choice of an unknown tool",
        body(tools=[TOOL], tool_choice={"type": "tool", "name": "other"}),
        "Tool 'other' not found in provided tools",
        body(tools=[TOOL], tool_choice={"type": "tool", "name": "weather"}),
    ),
    (
        "choice as text",
        body(tools=[TOOL], tool_choice="auto"),
        "tool_choice: Input tag",
        body(tools=[TOOL], tool_choice={"type": "any", "disable_parallel_tool_use": True}),
    ),
    ("budget too small", thinking(1023), "greater than or equal to 1024", thinking(1024)),
    ("budget too big", thinking(2048), "`max_tokens` must be greater", thinking(2047)),
    ("thinking type", body(thinking={"type": "on"}), "Input tag 'on'", body(thinking={"type": "adaptive"})),
    ("thinking and temperature", thinking(temperature=0.5), "may only be set to 1", thinking(temperature=1)),
    ("thinking and top_k", thinking(top_k=5), "`top_k` must be unset", thinking(top_p=0.95)),
    ("thinking and top_p", thinking(top_p=0.9), "`top_p` must be", thinking(top_p=0.95)),
    (
        "thinking and forced tool",
        thinking(tools=[TOOL], tool_choice={"type": "any"}),
        "Thinking may not be enabled when tool_choice forces tool use.",
        thinking(tools=[TOOL], tool_choice={"type": "auto"}),
    ),
    (
        "call without its thinking",
        talk("Hi", [use()], [result()], **ENABLED),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        talk("Hi", [THOUGHT, use()], [result()], **ENABLED),
    ),
    (
        "call without its thinking, adaptive",
        talk("Hi", [use()], [result()], **ENABLED),
        "Expected `thinking`",
        talk("Hi", [use()], [result()], thinking={"type": "adaptive"}),
    ),
    (
        "thinking without signature",
        talk("Hi", [{"type": "thinking", "thinking": "hm"}, text()]),
        "thinking.signature: Field required",
        talk("Hi", [THOUGHT, text()]),
    ),
    (
        "thinking with an empty signature",
        talk("Hi", [{**THOUGHT, "signature": ""}, text()]),
        "Invalid `signature` in `thinking` block",
        talk("Hi", [{"type": "redacted_thinking", "data": "UkVE"}, text()]),
    ),
]


@pytest.mark.parametrize(("refused", "message", "accepted"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_rule(refused, message, accepted):
    refusal = check_anthropic(refused)
    assert refusal is not None
    assert message in refusal.message
    assert refusal.status == 400
    assert check_anthropic(accepted) is None


def test_results_of_parallel_calls_may_come_in_separate_user_messages():
    """The API merges consecutive messages of a role, and the gateway sends one per result."""
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [use("a"), use("b")]},
        {"role": "user", "content": [result("a")]},
        {"role": "user", "content": [result("b")]},
        {"role": "user", "content": "Go on"},
    ]
    assert check_anthropic(body(messages=messages, tools=[TOOL])) is None


def test_takes_what_the_gateway_always_sends():
    """`system: []`, `tools: []`, `$defs: {}`, an empty description."""
    assert check_anthropic(body(system=[], tools=[])) is None
    filled = {**TOOL, "description": "", "input_schema": {**TOOL["input_schema"], "$defs": {}}}
    assert check_anthropic(body(system=[], tools=[filled])) is None


def test_vertex_wants_its_version_and_no_model():
    on_vertex = {**without("model"), "anthropic_version": "vertex-2023-10-16"}
    assert check_anthropic(on_vertex, vertex=True) is None
    assert check_anthropic({**on_vertex, "model": "claude"}, vertex=True).message.startswith("model: Extra inputs")
    assert check_anthropic(without("model"), vertex=True).message == "anthropic_version: Field required"


def test_interleaved_thinking_may_exceed_max_tokens():
    assert check_anthropic(thinking(4096)) is not None
    assert check_anthropic(thinking(4096), interleaved=True) is None
