"""Counting tokens offline: texts against real tokenizers, requests against documented counts, and what never shrinks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool

from langchain_pollinations_portkey.catalogue import Provider
from langchain_pollinations_portkey.wire.chat.token_families import token_family
from langchain_pollinations_portkey.wire.chat.tokens import count_text, count_tokens
from tests.wire.rows import ANTHROPIC, BEDROCK, GOOGLE, MISTRAL, OPENAI
from tests.wire.token_files import base64_of, pdf, png

ENGLISH = (
    "The harbour was quiet that morning. Two fishermen mended their nets on the quay, and an old dog slept between "
    "the ropes. Nobody had expected the ferry before noon, so when its horn sounded behind the lighthouse, everybody "
    "looked up at once. The captain, a careful woman who had sailed these waters for thirty years, brought the ship "
    "alongside without a sound."
)
PYTHON = '''def moving_average(values: list[float], window: int = 3) -> list[float]:
    """Average each value with its neighbours."""
    if window < 1:
        raise ValueError(f"window must be positive, not {window}")
    result = []
    for index in range(len(values)):
        start = max(0, index - window + 1)
        chunk = values[start : index + 1]
        result.append(sum(chunk) / len(chunk))
    return result
'''
JSON = (
    '{"orders": [{"id": 10482, "customer": {"name": "Lena Fischer", "email": "lena@example.org"}, "items": '
    '[{"sku": "BK-221", "quantity": 2, "price": 18.5}, {"sku": "PN-007", "quantity": 10, "price": 1.2}], "paid": '
    'true, "shipped": null}], "total": 49.0, "currency": "EUR"}'
)
MARKDOWN = """## Release notes

- **Faster start**: the catalogue is read on first use.
- Fixed a crash when `max_tokens` was `None`.
- New option `--verbose` (see [the guide](https://example.org/docs/guide#verbose)).

| Version | Date | Changes |
|---|---|---|
| 1.4.0 | 2026-03-01 | 12 |
| 1.3.2 | 2026-01-17 | 3 |
"""
NUMBERS = (
    "Account 4410 2231 9087, balance 12,457.30, opened 1998-07-23, limit 250000, rate 0.0375, reference 7781-20-4."
)
GERMAN = (
    "Der Bahnhof liegt am Rand der Altstadt, ungefähr zehn Minuten zu Fuß vom Marktplatz entfernt. Wer mit dem Fahrrad "
    "kommt, findet vor dem Haupteingang überdachte Stellplätze und eine kleine Werkstatt, die auch sonntags geöffnet "
    "ist."
)
RUSSIAN = (
    "Утром в деревне было тихо. Старик вышел на крыльцо, посмотрел на небо и решил, что дождя сегодня не будет. "
    "Потом он взял удочку и пошёл к реке, где его уже ждал внук."  # noqa: RUF001
)
CHINESE = "清晨的湖面很安静，只有几只水鸟慢慢地游过。老人坐在岸边的长椅上，一边喝茶，一边看着太阳从山后升起。他说，这样的早晨比什么都珍贵。"  # noqa: RUF001
JAPANESE = "朝の市場はとても賑やかで、新鮮な野菜や魚がずらりと並んでいます。店の人たちは大きな声で客を呼び、子供たちは焼きたてのパンの匂いに誘われて走ってきます。"
KOREAN = "아침 시장은 무척 활기가 넘쳤다. 상인들은 큰 소리로 손님을 불렀고, 아이들은 갓 구운 빵 냄새를 따라 뛰어다녔다."
ARABIC = (
    "كان السوق مزدحما في الصباح، وكان الباعة ينادون على الزبائن بأصوات عالية بينما يركض الأطفال خلف رائحة الخبز الطازج."
)

# Tokens by tiktoken's cl100k_base and o200k_base, the tokenizer that Anthropic published (of Claude 2), DeepSeek's
# of V3 and Mistral's tekken (240911); then how far off an estimate may be.
MODELS = ("gpt-4", "gpt-4o", "claude-sonnet-4-20250514", "deepseek-chat", "mistral-large-latest")
TEXTS: list[tuple[str, str, tuple[int, ...], float]] = [
    ("English", ENGLISH, (74, 72, 75, 73, 73), 0.10),
    ("Python", PYTHON, (100, 103, 108, 105, 106), 0.10),
    ("JSON", JSON, (101, 102, 97, 106, 118), 0.10),
    ("Markdown", MARKDOWN, (107, 108, 108, 103, 114), 0.10),
    ("numbers", NUMBERS, (49, 49, 40, 49, 72), 0.25),
    ("German", GERMAN, (66, 52, 78, 63, 51), 0.30),
    ("Russian", RUSSIAN, (87, 56, 97, 64, 55), 0.20),
    ("Chinese", CHINESE, (92, 57, 78, 41, 59), 0.15),
    ("Japanese", JAPANESE, (85, 67, 88, 56, 66), 0.20),
    ("Korean", KOREAN, (71, 46, 80, 53, 37), 0.20),
    ("Arabic", ARABIC, (80, 38, 98, 45, 35), 0.25),
]


@pytest.mark.parametrize(
    ("model", "text", "known", "tolerance"),
    [
        pytest.param(model, text, count, tolerance, id=f"{language}-{model}")
        for language, text, counts, tolerance in TEXTS
        for model, count in zip(MODELS, counts, strict=True)
    ],
)
def test_a_text_has_about_as_many_tokens_as_the_tokenizer_says(model, text, known, tolerance):
    assert count_text(text, provider=None, model=model) == pytest.approx(known, rel=tolerance)


WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "input_schema": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
        },
        "required": ["location"],
    },
}


@pytest.mark.parametrize(
    ("provider", "model", "messages", "tools", "documented", "tolerance"),
    [
        # The examples of platform.claude.com/docs/en/build-with-claude/token-counting.
        (
            ANTHROPIC,
            "claude-sonnet-4-20250514",
            [SystemMessage("You are a scientist"), HumanMessage("Hello, Claude")],
            [],
            14,
            0.25,
        ),
        (
            ANTHROPIC,
            "claude-sonnet-4-20250514",
            [HumanMessage("What's the weather like in San Francisco?")],
            [WEATHER],
            403,
            0.15,
        ),
        # As OpenAI's cookbook counts them: three for each message, one for the role, three for the start of the answer.
        (OPENAI, "gpt-4o", [HumanMessage("hello")], [], 8, 0),
        (OPENAI, "gpt-3.5-turbo", [HumanMessage("hello")] * 3, [], 18, 0),
    ],
)
def test_a_request_has_about_as_many_tokens_as_documented(provider, model, messages, tools, documented, tolerance):
    counted = count_tokens(messages, tools, provider=provider, model=model)
    assert counted == pytest.approx(documented, rel=tolerance)


# ---------------------------------------------------------------- which family


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5:thinking", "claude-sonnet-4-5"),
        ("claude-3-5-sonnet-20241022", "claude-sonnet-4-20250514"),
        ("claude-opus-4-1-20250805", "claude-sonnet-4-20250514"),
        ("global.anthropic.claude-opus-4-7", "claude-sonnet-5-5"),
        ("gpt-35-turbo", "gpt-4"),
        ("gpt-5.1", "gpt-5"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "meta.llama3-1-70b-instruct-v1:0"),
        ("accounts/fireworks/models/kimi-k2p6", "moonshotai/kimi-k2-instruct-0905"),
        ("gemini-3.5-flash", "gemini-3-pro-preview"),
    ],
)
def test_names_of_the_same_family(model, same_as):
    assert token_family(None, model) is token_family(None, same_as)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4", "gpt-4o"),
        ("gpt-4o", "gpt-4o-mini"),
        ("claude-3-haiku-20240307", "claude-3-opus-20240229"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-5"),
        ("claude-opus-4-6", "claude-opus-4-7"),
        ("gemini-2.5-pro", "gemini-3-pro-preview"),
        ("gpt-oss-120b", "gpt-4o"),
    ],
)
def test_names_of_different_families(one, other):
    assert token_family(None, one) is not token_family(None, other)


def test_an_unknown_model_is_counted_as_its_provider_s_usual_ones():
    assert token_family(ANTHROPIC, "new-name") is token_family(None, "claude-sonnet-4-5")
    assert token_family(MISTRAL, "") is token_family(None, "mistral-large-latest")
    assert token_family(None, "no-such-model") is token_family(OPENAI, "")


# ---------------------------------------------------------------- messages


def one(message: BaseMessage, provider: Provider | None = None, model: str = "gpt-4o") -> int:
    return count_tokens([message], provider=provider, model=model)


def test_nothing_has_no_tokens():
    assert count_tokens([], provider=OPENAI) == 0
    assert count_text("", provider=OPENAI) == 0


def test_each_message_costs_something():
    for message in (HumanMessage(""), AIMessage(""), SystemMessage(""), ToolMessage("", tool_call_id="1")):
        assert one(message) >= 7


PICTURE = base64_of(png(1024, 1024))
DATA_URL = f"data:image/png;base64,{PICTURE}"

SAME: list[tuple[str, list[Any]]] = [
    (
        "text",
        [
            ENGLISH,
            [ENGLISH],
            [{"type": "text", "text": ENGLISH}],
            [{"type": "text", "text": ENGLISH, "cache_control": {"type": "ephemeral"}}],
            [{"type": "text-plain", "text": ENGLISH, "mime_type": "text/plain"}],
        ],
    ),
    (
        "a picture",
        [
            [{"type": "image_url", "image_url": {"url": DATA_URL}}],
            [{"type": "image_url", "image_url": DATA_URL}],
            [{"type": "image", "base64": PICTURE, "mime_type": "image/png"}],
            [{"type": "image", "source_type": "base64", "data": PICTURE, "mime_type": "image/png"}],
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}],
            [{"type": "image", "url": "https://example.org/a.png"}],  # taken to be of this size
            [{"type": "image", "file_id": "file-1"}],
        ],
    ),
    (
        "a PDF of two pages",
        [
            [{"type": "file", "base64": base64_of(pdf(2)), "mime_type": "application/pdf"}],
            [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf",
                                             "data": base64_of(pdf(2))}}],
            [{"type": "file", "file": {"filename": "a.pdf",
                                       "file_data": f"data:application/pdf;base64,{base64_of(pdf(2))}"}}],
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "contents"), SAME, ids=[what for what, _ in SAME])
@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro"])
def test_a_part_counts_the_same_in_every_dialect(what, contents, model):
    assert len({one(HumanMessage(content), model=model) for content in contents}) == 1


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        # platform.openai.com/docs/guides/images-vision
        ("gpt-4o", (1024, 1024), 765),
        ("gpt-4o", (2048, 4096), 1105),
        ("gpt-4o", (512, 512), 255),
        ("gpt-4o-mini", (1024, 1024), 25501),
        ("gpt-4.1-mini", (1024, 1024), 1659),
        ("gpt-4.1-mini", (4000, 4000), 2489),
        ("o3", (1024, 1024), 675),
        # huggingface.co/datasets/JOHNISKING/image-token-cost, less the 65 tokens of its prompt
        ("claude-haiku-4-5", (256, 256), 100),
        ("claude-haiku-4-5", (512, 512), 361),
        ("claude-haiku-4-5", (1024, 1024), 1369),
        ("claude-haiku-4-5", (1280, 720), 1196),
        ("claude-haiku-4-5", (1920, 1080), 1560),
        ("claude-haiku-4-5", (4032, 3024), 1596),
        # the same, less 77
        ("claude-sonnet-5-5", (1920, 1080), 2691),
        ("claude-sonnet-5-5", (2560, 1440), 2992),
        ("claude-sonnet-5-5", (4032, 3024), 3928),
        ("gpt-6-astra", (1280, 720), 1104),
        ("gpt-5.5", (4032, 3024), 11868),
        # ai.google.dev/gemini-api/docs/tokens
        ("gemini-2.5-flash", (384, 384), 258),
        ("gemini-2.5-flash", (600, 400), 258),
        ("gemini-2.5-flash", (1536, 1536), 1032),
        ("gemini-3-pro-preview", (1024, 1024), 1064),
    ],
)
def test_a_picture_costs_what_its_provider_says(model, size, tokens):
    text = [{"type": "text", "text": "What is this?"}]
    picture = {"type": "image", "base64": base64_of(png(*size)), "mime_type": "image/png"}
    alone = count_tokens([HumanMessage(text)], provider=None, model=model)
    both = count_tokens([HumanMessage([*text, picture])], provider=None, model=model)
    assert both - alone == pytest.approx(tokens, rel=0.03)


def test_a_picture_of_low_detail_costs_its_base():
    low = {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}}
    assert one(HumanMessage([low])) == 85 + 3 + 4
    assert one(HumanMessage([low]), model="gpt-5.5") == 308 + 7  # 512 by 512 of it


def test_pages_and_seconds_are_counted_by_the_provider_s_figures():
    def extra(part: dict[str, Any], model: str) -> int:
        return one(HumanMessage([part]), model=model) - one(HumanMessage([]), model=model)

    document = {"type": "file", "base64": base64_of(pdf(10)), "mime_type": "application/pdf"}
    assert extra(document, "gemini-2.5-pro") == 2580
    assert extra(document, "claude-sonnet-4-5") == 23_000
    sound = {"type": "audio", "base64": base64_of(b"\xff\xfb" + bytes(160_000 - 2)), "mime_type": "audio/mpeg"}
    assert extra(sound, "gemini-2.5-pro") == 320  # ten seconds at 128 kbit/s
    assert extra(sound, "gpt-4o-audio-preview") == 100
    film = {"type": "video", "url": "https://example.org/a.mp4"}
    assert extra(film, "gemini-2.5-pro") == 263 * 30


CALL = {"name": "search", "args": {"query": ENGLISH}, "id": "call_1"}


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("", tool_calls=[CALL]),
        AIMessage([{"type": "tool_use", "id": "call_1", "name": "search", "input": CALL["args"]}]),
        AIMessage([{"type": "tool_use", "id": "call_1", "name": "search", "input": CALL["args"]}], tool_calls=[CALL]),
        AIMessage([{"type": "tool_call", **CALL}], tool_calls=[CALL]),
        AIMessage("", additional_kwargs={"function_call": {"name": "search", "arguments": json.dumps(CALL["args"])}}),
    ],
    ids=["beside the content", "Anthropic's", "both", "v1", "of the time before tools"],
)
def test_a_call_is_counted_once_in_every_form(message):
    assert one(message) == one(AIMessage("", tool_calls=[CALL]))
    assert one(message) > count_text(ENGLISH, provider=None, model="gpt-4o")


THOUGHTS = "First I compare the two numbers. " * 20


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([{"type": "thinking", "thinking": THOUGHTS, "signature": "c2ln" * 100},
                   {"type": "text", "text": "9"}]),
        AIMessage([{"type": "reasoning", "reasoning": THOUGHTS}, {"type": "text", "text": "9"}]),
        AIMessage("9", additional_kwargs={"content_blocks": [{"type": "thinking", "thinking": THOUGHTS}]}),
        AIMessage([{"type": "redacted_thinking", "data": "x" * 600}, {"type": "text", "text": "9"}]),
    ],
    ids=["in the content", "v1", "beside the content", "redacted"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("provider", "goes_back"), [(ANTHROPIC, True), (BEDROCK, True), (OPENAI, False), (GOOGLE, False), (None, True)]
)
def test_thinking_counts_where_it_goes_back(message, provider, goes_back):
    extra = one(message, provider) - one(AIMessage([{"type": "text", "text": "9"}]), provider)
    assert (extra > 100) if goes_back else (extra == 0)


def test_a_result_of_a_tool_counts_in_both_forms():
    own = one(ToolMessage(ENGLISH, tool_call_id="1"))
    block = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": ENGLISH}]}
    assert one(HumanMessage([block])) == own


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage([{"type": "no-such-type", "text": "x"}]),
        HumanMessage([{"type": "image"}]),
        HumanMessage([{"type": "image_url", "image_url": {"url": "data:nonsense"}}]),
        HumanMessage([{"type": "image", "base64": "%%%", "mime_type": "image/png"}]),
        HumanMessage([{"type": "file", "base64": "no pdf", "mime_type": "application/pdf"}]),
        HumanMessage([{"type": "document", "source": "odd"}]),
        HumanMessage([{"when": datetime(2026, 1, 1, tzinfo=UTC)}]),
        HumanMessage([{"type": "no-such-type", ("odd",): 1}]),
        HumanMessage([{"type": "tool_result", "content": None}]),
        HumanMessage([{"type": "image", "source": {"type": "base64", "data": 5}}]),
        HumanMessage([{"type": "image", "source": {"type": "base64", "data": b"bytes"}}]),
        AIMessage([{"type": "tool_use"}]),
        AIMessage("", tool_calls=[{"name": "f", "args": {"at": datetime(2026, 1, 1, tzinfo=UTC)}, "id": "1"}]),
        AIMessage("", invalid_tool_calls=[{"name": None, "args": None, "id": None, "error": None}]),
        AIMessage("", additional_kwargs={"content_blocks": ["odd", {"type": "thinking"}], "function_call": "odd"}),
        ChatMessage("hi", role="critic"),
        FunctionMessage("4", name="add"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("provider", [OPENAI, BEDROCK, GOOGLE, None])
def test_nothing_in_a_message_makes_it_fail(message, provider):
    assert one(message, provider) > 0


def within_itself(depth: int, kind: str) -> list[dict[str, Any]]:
    """A content part that holds one that holds one, deeper than Python goes down."""
    content: list[dict[str, Any]] = [{"type": "text", "text": "x"}]
    for _ in range(depth):
        content = [{"type": kind, "content": content}]
    return content


@pytest.mark.parametrize("kind", ["tool_result", "no-such-type"])
def test_nothing_is_so_deep_that_it_fails(kind):
    deep = within_itself(5000, kind)
    wanted = {"name": "f", "args": {"deep": deep}, "id": "1"}
    schema = {"type": "function", "function": {"name": "f", "parameters": {"properties": deep}}}
    itself: dict[str, Any] = {"type": "object"}
    itself["properties"] = itself

    for message in (
        HumanMessage.model_construct(content=deep),
        AIMessage.model_construct(content="", tool_calls=[wanted]),
    ):
        assert one(message, OPENAI) > 0
    for odd in (schema, {"name": "f", "description": "f", "input_schema": itself}):
        assert count_tokens([], [odd], provider=OPENAI) > 0


# ---------------------------------------------------------------- tools


@tool
def look_up(word: str, language: str = "en") -> str:
    """Look a word up in the dictionary."""
    return word + language


def test_tools_count_in_every_form_without_a_warning():
    question = [HumanMessage("hi")]
    alone = count_tokens(question, provider=OPENAI, model="gpt-4o")
    schema = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    described = {"name": "look_up", "description": "Look a word up in the dictionary."}
    openai_form = count_tokens(question, [{"type": "function", "function": {**described, "parameters": schema}}],
                               provider=OPENAI, model="gpt-4o")  # fmt: skip
    anthropic_form = count_tokens(question, [{**described, "input_schema": schema}], provider=OPENAI, model="gpt-4o")
    assert openai_form == anthropic_form > alone + 30
    assert count_tokens(question, [look_up], provider=OPENAI, model="gpt-4o") > openai_form  # has one parameter more


@pytest.mark.parametrize("odd", [{"type": "web_search_20250305", "name": "web_search"}, 7, {}, {"googleSearch": {}}])
def test_a_tool_that_is_not_understood_is_counted_by_its_length(odd):
    assert count_tokens([], [odd], provider=ANTHROPIC) > count_tokens([], [], provider=ANTHROPIC)


def test_the_instructions_for_tools_are_counted_once():
    first = count_tokens([], [WEATHER], provider=ANTHROPIC, model="claude-sonnet-4-20250514")
    second = count_tokens([], [WEATHER] * 2, provider=ANTHROPIC, model="claude-sonnet-4-20250514")
    assert first > 346
    assert second - first < 100


def test_a_tokenizer_of_the_user_counts_all_text_instead():
    def counted(text: str) -> int:
        seen.append(text)
        return 1000

    seen: list[str] = []
    messages = [
        SystemMessage("Be brief."),
        HumanMessage(["hello", {"type": "image_url", "image_url": {"url": DATA_URL}}], name="Ada"),
        AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "1"}]),
        ToolMessage("2", tool_call_id="1"),
    ]
    count = count_tokens(messages, [look_up], provider=OPENAI, model="gpt-4o", tokens_of=counted)
    assert {"Be brief.", "hello", "Ada", 'add {"a": 1}', "2", "look_up"} < set(seen)
    assert count > 1000 * (len(seen) - 1)  # of the schema of a tool a part is counted
    assert count < 1000 * len(seen) + 1000


# ---------------------------------------------------------------- what never shrinks


FAMILIES = st.sampled_from(
    ["gpt-4", "gpt-4o", "claude-sonnet-4-5", "claude-sonnet-5-5", "gemini-2.5-pro", "mistral-large-latest",
     "llama-3.3-70b", "deepseek-chat", "qwen3-32b", "nova-pro", "grok-4", "command-a", "no-such-model"]
)  # fmt: skip
WORDS = st.text(alphabet=st.characters(codec="utf-8"), max_size=40) | st.text(
    alphabet=" \n\tABab19.,{}é字あ가я", max_size=40
)
PARTS = st.one_of(
    WORDS.map(lambda text: {"type": "text", "text": text}),
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)).map(
        lambda size: {"type": "image", "base64": base64_of(png(*size)), "mime_type": "image/png"}
    ),
    WORDS.map(lambda text: {"type": "thinking", "thinking": text}),
    st.sampled_from([{"type": "image", "url": "https://example.org/a.png"}, {"type": "odd"}, {"type": "image"}]),
)
MESSAGES = st.one_of(
    WORDS.map(HumanMessage),
    st.lists(PARTS, max_size=3).map(HumanMessage),
    st.lists(PARTS, max_size=3).map(AIMessage),
    WORDS.map(lambda text: AIMessage("", tool_calls=[{"name": "f", "args": {"x": text}, "id": "1"}])),
    WORDS.map(lambda text: ToolMessage(text, tool_call_id="1")),
)


@given(before=WORDS, text=WORDS, after=WORDS, model=FAMILIES)
def test_a_text_never_counts_less_than_a_part_of_it(before, text, after, model):
    assert count_text(before + text + after, provider=None, model=model) >= count_text(text, provider=None, model=model)


@given(messages=st.lists(MESSAGES, max_size=4), more=MESSAGES, model=FAMILIES)
def test_one_more_message_counts_more(messages, more, model):
    shorter = count_tokens(messages, provider=None, model=model)
    assert count_tokens([*messages, more], provider=None, model=model) >= shorter
    assert count_tokens([more, *messages], provider=None, model=model) >= shorter


@given(parts=st.lists(PARTS, max_size=3), more=PARTS, model=FAMILIES)
def test_one_more_part_never_counts_less(parts, more, model):
    shorter = one(HumanMessage(parts), model=model)
    assert one(HumanMessage([*parts, more]), model=model) >= shorter


@given(count=st.integers(0, 3), text=WORDS, model=FAMILIES)
def test_one_more_tool_counts_more(count, text, model):
    tools = [{"name": f"f{number}", "description": text, "input_schema": {}} for number in range(count + 1)]
    fewer = count_tokens([HumanMessage("hi")], tools[:-1], provider=None, model=model)
    assert count_tokens([HumanMessage("hi")], tools, provider=None, model=model) > fewer


@given(messages=st.lists(MESSAGES, min_size=1, max_size=3), model=FAMILIES)
def test_a_count_is_always_the_same_and_changes_nothing(messages, model):
    before = [message.model_dump() for message in messages]
    counts = {count_tokens(messages, provider=None, model=model) for _ in range(2)}
    assert len(counts) == 1
    assert [message.model_dump() for message in messages] == before
