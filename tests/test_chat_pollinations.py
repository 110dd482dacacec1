"""`ChatPollinations`: the messages of `ChatPortkey` to a text.pollinations.ai server, which the stand-in plays."""

from __future__ import annotations

import asyncio
import json
import pickle
import time

import pytest
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_pollinations_portkey import ChatPollinations
from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyBadRequestError,
    PortkeyConfigurationError,
    PortkeyConnectionError,
    PortkeyModelNotFoundError,
    PortkeyRateLimitError,
    PortkeyStreamTruncatedError,
)
from langchain_pollinations_portkey.gateway.pollinations import chat_url
from langchain_pollinations_portkey.notices import SecurityWarning
from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply, StandInProvider, ToolCall, Usage


@pytest.fixture
def chat(provider: StandInProvider):
    """Makes models of a server that the stand-in plays, by default at the URL of the user's example."""

    def make(model: str = "portkey-gpt4", path: str = "/openai", **kwargs) -> ChatPollinations:
        return ChatPollinations(**{"model": model, "base_url": f"{provider.url}{path}", **kwargs})

    return make


def refusal(status: int, text: str, **headers: str) -> RawAnswer:
    """An error as such a server writes it."""
    body = json.dumps({"error": text, "status": status}).encode()
    return RawAnswer(status=status, headers={"content-type": "application/json", **headers}, body=body)


def test_the_example_of_the_pollinations_documentation(provider):
    # fetch('http://localhost:16385/openai', {
    model = ChatPollinations(
        base_url=f"{provider.url}/openai",
        # body: JSON.stringify({ model: 'portkey-gpt4',
        model="portkey-gpt4",
        # temperature: 0.7 })
        temperature=0.7,
    )
    provider.script(Reply("I am GPT-4.", usage=Usage(input_tokens=12, output_tokens=5)))

    # messages: [ { role: 'user', content: 'Hello, who are you?' } ],
    data = model.invoke([{"role": "user", "content": "Hello, who are you?"}])

    # method: 'POST',
    request = provider.last
    assert (request.method, request.path) == ("POST", "/openai")
    # headers: { 'Content-Type': 'application/json', },
    assert request.headers["content-type"] == "application/json"
    assert not [name for name in request.headers if name.startswith("x-portkey-")]
    assert "authorization" not in request.headers
    assert request.json == {
        "model": "portkey-gpt4",
        "messages": [{"role": "user", "content": "Hello, who are you?"}],
        "temperature": 0.7,
    }
    # .then(response => response.json()).then(data => console.log(data));
    assert data.content == "I am GPT-4."
    assert data.usage_metadata is not None
    assert (data.usage_metadata["input_tokens"], data.usage_metadata["output_tokens"]) == (12, 5)
    assert data.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://localhost:16385", "http://localhost:16385/openai"),
        ("http://localhost:16385/", "http://localhost:16385/openai"),
        ("http://localhost:16385/openai", "http://localhost:16385/openai"),
        ("http://localhost:16385/openai/", "http://localhost:16385/openai"),
        ("https://text.pollinations.ai/openai", "https://text.pollinations.ai/openai"),
        ("https://text.pollinations.ai/v1", "https://text.pollinations.ai/v1/chat/completions"),
        ("https://text.pollinations.ai/v1/chat/completions", "https://text.pollinations.ai/v1/chat/completions"),
        (
            "https://text.pollinations.ai/openai/chat/completions",
            "https://text.pollinations.ai/openai/chat/completions",
        ),
    ],
)
def test_urls(given, asked):
    assert chat_url(given) == asked
    assert ChatPollinations(model="openai", base_url=given).base_url == asked


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("localhost:16385", "must be an http"),
        ("https://text.pollinations.ai/models", "'.../v1/chat/completions'"),
        ("https://user:secret@text.pollinations.ai/openai", "user name or password"),
        ("https://text.pollinations.ai/openai?token=secret", "must end with its path"),
    ],
)
def test_urls_that_lead_elsewhere_are_refused(url, text):
    with pytest.raises(PortkeyConfigurationError, match=text) as caught:
        ChatPollinations(model="openai", base_url=url)
    assert "secret" not in str(caught.value)


def test_the_server_is_the_one_on_this_machine_unless_the_environment_names_another(monkeypatch):
    assert ChatPollinations(model="openai").base_url == "http://localhost:16385/openai"

    monkeypatch.setenv("POLLINATIONS_BASE_URL", "https://text.pollinations.ai/v1")
    assert ChatPollinations(model="openai").base_url == "https://text.pollinations.ai/v1/chat/completions"


@pytest.mark.parametrize("path", ["/openai", "/v1/chat/completions", "/openai/chat/completions"])
async def test_all_four_ways_at_each_url(chat, provider, path):
    model = chat(path=path)
    provider.answer_with(lambda _: Reply("one two three", usage=Usage(input_tokens=3, output_tokens=4)))

    whole = add_ai_message_chunks(*model.stream("Count."))
    awhole = add_ai_message_chunks(*[chunk async for chunk in model.astream("Count.")])

    for message in (model.invoke("Count."), await model.ainvoke("Count."), whole, awhole):
        assert message.content == "one two three"
        assert message.usage_metadata["total_tokens"] == 7
        assert message.response_metadata["model_provider"] == "portkey"
    assert {request.path for request in provider.requests} == {path}
    assert {request.refused for request in provider.requests} == {None}


def test_array_content_goes_out_with_its_cache_breakpoints(chat, provider):
    marked = {"type": "text", "text": "All about our house ...", "cache_control": {"type": "ephemeral"}}
    image = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}

    chat("claude-large").invoke([SystemMessage([marked]), HumanMessage(["What is this?", image])])

    system, user = provider.last.json["messages"]
    assert system["content"] == [marked]
    assert user["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]


def test_tools_and_structured_output(chat, provider):
    @tool
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"Sunny in {city}."

    class Film(BaseModel):
        """A film."""

        title: str

    question = HumanMessage("What is the weather in Paris?")
    provider.script(
        Reply(tool_calls=[ToolCall("weather", {"city": "Paris"})]), Reply("Sunny."), Reply('{"title": "Playtime"}')
    )
    with_tools = chat().bind_tools([weather])
    call = with_tools.invoke([question])
    answer = with_tools.invoke([question, call, weather.invoke(call.tool_calls[0])])

    assert answer.content == "Sunny."
    assert provider.last.json["messages"][-1]["content"] == "Sunny in Paris."
    assert chat().with_structured_output(Film).invoke("A film by Tati?") == Film(title="Playtime")
    assert provider.last.json["response_format"]["json_schema"]["name"] == "Film"


# ---------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("variable", "argument", "sent"),
    [
        (None, None, None),
        ("sk-environment", None, "Bearer sk-environment"),
        ("sk-environment", "sk-argument", "Bearer sk-argument"),
        ("Bearer sk-environment", None, "Bearer sk-environment"),
    ],
)
def test_the_key_is_optional(chat, provider, monkeypatch, variable, argument, sent):
    if variable is not None:
        monkeypatch.setenv("POLLINATIONS_API_KEY", variable)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")
    monkeypatch.setenv("PORTKEY_API_KEY", "pk-of-another")

    chat(**({"api_key": argument} if argument else {})).invoke("Hello")

    assert provider.last.headers.get("authorization") == sent
    assert "of-another" not in str(provider.last.headers)


@pytest.mark.filterwarnings("ignore:The function `load` is in beta")
def test_the_key_is_never_seen(chat, provider, monkeypatch):
    model = chat(api_key="sk-sentinel-1234567890", default_headers={"x-access-token": "sk-sentinel-0987654321"})
    provider.script(refusal(401, "Invalid token sk-sentinel-1234567890 or sk-sentinel-0987654321"))

    with pytest.raises(PortkeyAuthenticationError, match="POLLINATIONS_API_KEY") as caught:
        model.invoke("Hello")

    shown = [repr(model), dumps(model), str(caught.value), repr(caught.value.body), str(caught.value.response.headers)]
    assert not [text for text in shown if "sentinel" in text]

    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk-from-environment")
    loaded = load(dumpd(model), allowed_objects=[ChatPollinations], valid_namespaces=["langchain_pollinations_portkey"])
    assert loaded.api_key is None or loaded.api_key.get_secret_value() == "sk-from-environment"
    assert loaded.base_url == model.base_url


def test_a_key_of_the_environment_that_goes_to_another_host_warns(monkeypatch):
    monkeypatch.setenv("POLLINATIONS_API_KEY", "sk-sentinel")
    model = ChatPollinations(model="openai", base_url="https://pollinations.invalid/openai", max_retries=0, timeout=1)

    with pytest.warns(SecurityWarning, match=r"POLLINATIONS_API_KEY .* is sent to pollinations\.invalid"):
        model._prepare([HumanMessage("Hello")], None, {}, stream=False)


def test_it_pickles(chat, provider):
    again = pickle.loads(pickle.dumps(chat(api_key="sk-1")))

    assert again.invoke("Hello").content
    assert provider.last.headers["authorization"] == "Bearer sk-1"


# ---------------------------------------------------------------------- what is for a gateway


@pytest.mark.parametrize(
    "arguments",
    [
        {"provider": "openai"},
        {"fallbacks": ["openai"]},
        {"portkey_metadata": {"a": 1}},
        {"custom_host": "http://localhost:1"},
        {"default_headers": {"x-portkey-provider": "openai"}},
        {"default_headers": {"X-Portkey-Trace-Id": "t"}},
    ],
)
def test_what_is_for_a_gateway_is_refused(arguments):
    with pytest.raises(PortkeyConfigurationError, match="use ChatPortkey"):
        ChatPollinations(model="openai", **arguments)


@pytest.mark.parametrize(
    "options",
    [
        {"provider": "openai"},
        {"fallbacks": ["openai"]},
        {"trace_id": "t"},
        {"extra_headers": {"x-portkey-provider": "openai"}},
        {"extra_headers": {"x-portkey-cache-force-refresh": "true"}},
    ],
)
def test_so_it_is_in_a_call(chat, provider, options):
    with pytest.raises(PortkeyConfigurationError, match="ChatPortkey"):
        chat().invoke("Hello", **options)
    assert provider.requests == []


def test_a_call_may_name_another_model_and_headers(chat, provider):
    chat().invoke("Hello", model="mistral", extra_headers={"referer": "https://app.example"}, seed=3)

    assert provider.last.json["model"] == "mistral"
    assert provider.last.json["seed"] == 3
    assert provider.last.headers["referer"] == "https://app.example"


# ---------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("status", "text", "error", "advice"),
    [
        (402, "Model not found or tier not high enough.", PortkeyBadRequestError, "POLLINATIONS_API_KEY"),
        (404, "Model not found: portkey-gpt4.", PortkeyModelNotFoundError, "/models lists them"),
        (401, "Unauthorized", PortkeyAuthenticationError, "POLLINATIONS_API_KEY"),
        (400, "Invalid messages array", PortkeyBadRequestError, "Invalid messages array"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_say_what_to_do(chat, provider, status, text, error, advice, streamed):
    provider.script(refusal(status, text))

    with pytest.raises(error, match=advice) as caught:
        list(chat().stream("Hello")) if streamed else chat().invoke("Hello")

    assert caught.value.status_code == status
    assert str(caught.value).startswith(f"Pollinations answered {status}: {text.rstrip('.')}")
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "failure", [refusal(429, "Queue full", **{"retry-after": "0"}), Failure(503, "busy", headers={"retry-after": "0"})]
)
def test_nobody_but_this_client_repeats(chat, provider, failure):
    provider.script(failure, failure, Reply("At last."))

    assert chat(max_retries=2).invoke("Hello").content == "At last."
    assert len(provider.requests) == 3


def test_what_a_gateway_behind_the_server_repeated_does_not_count(chat, provider):
    behind = {"retry-after": "0", "x-portkey-retry-attempt-count": "-1"}
    provider.script(refusal(503, "busy", **behind), refusal(503, "busy", **behind), Reply("At last."))

    assert chat(max_retries=2).invoke("Hello").content == "At last."


def test_a_name_tells_nothing_about_the_model_behind_it(chat):
    assert chat("gpt-4o").profile is None


def test_no_more_often_than_asked(chat, provider):
    provider.answer_with(lambda _: refusal(429, "Queue full", **{"retry-after": "0"}))

    with pytest.raises(PortkeyRateLimitError):
        chat(max_retries=1).invoke("Hello")
    assert len(provider.requests) == 2

    begun = time.monotonic()
    provider.answer_with(lambda _: refusal(429, "Queue full", **{"retry-after": "30"}))
    with pytest.raises(PortkeyRateLimitError):
        asyncio.run(chat(max_retries=5, timeout=5).ainvoke("Hello"))
    assert time.monotonic() - begun < 5
    assert len(provider.requests) == 3


def test_a_stream_that_breaks_off_is_an_error(chat, provider):
    event = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "so far"}, "finish_reason": None}]}
    provider.script(
        RawAnswer(headers={"content-type": "text/event-stream"}, chunks=[f"data: {json.dumps(event)}\n\n".encode()])
    )

    with pytest.raises(PortkeyStreamTruncatedError) as caught:
        list(chat().stream("Hello"))
    assert isinstance(caught.value.partial, AIMessage)
    assert caught.value.partial.content == "so far"


def test_a_server_that_is_not_there_is_said(chat):
    model = ChatPollinations(model="openai", base_url="http://127.0.0.1:9", max_retries=0)

    with pytest.raises(
        PortkeyConnectionError, match=r"Nothing answers at http://127\.0\.0\.1:9 .*POLLINATIONS_BASE_URL"
    ):
        model.invoke("Hello")


def test_traces_and_caches_tell_calls_apart(chat):
    params = chat(temperature=0.5)._get_ls_params()
    assert (params["ls_provider"], params["ls_model_name"], params["ls_temperature"]) == (
        "portkey",
        "portkey-gpt4",
        0.5,
    )

    keys = {
        chat()._get_llm_string(),
        chat(temperature=1)._get_llm_string(),
        chat("openai")._get_llm_string(),
        chat(path="/v1")._get_llm_string(),
        chat()._get_llm_string(seed=1),
        chat()._get_llm_string(stop=["x"]),
        chat()._get_llm_string(model="openai"),
    }
    assert len(keys) == 7
    assert chat(api_key="sk-1")._get_llm_string() == chat(api_key="sk-2")._get_llm_string()
