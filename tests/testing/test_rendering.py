"""One neutral reply in the words of every wire, as JSON and as a stream."""

import base64
import json

import pytest

from langchain_pollinations_portkey.testing import Failure, Reply, ToolCall, Usage
from tests.testing.wire_bodies import (
    BEARER,
    JSON_PATHS,
    KEY,
    STREAM_PATHS,
    VERSION,
    anthropic,
    aws_frames,
    gemini,
    openai,
    sse,
)

USAGE = Usage(input_tokens=10, output_tokens=7, cache_read=200, cache_write=30, reasoning=2)
REPLY = Reply(
    "Hello wide world",
    tool_calls=[ToolCall("weather", {"city": "Paris, Texas"}, id="call_1"), ToolCall("now")],
    thinking="let me see",
    signature="U0lH",
    redacted_thinking="UkVE",
    usage=USAGE,
)


@pytest.fixture
def ask(provider, client):
    def post(paths, wire, reply):
        path, body, headers = paths[wire]
        provider.script(reply)
        response = client.post(path, json=body, headers=headers)
        assert provider.last.refused is None
        return response

    return post


def test_openai_json(ask):
    body = ask(JSON_PATHS, "openai", REPLY).json()
    message = body["choices"][0]["message"]
    assert message["content"] == "Hello wide world"
    assert message["reasoning_content"] == "let me see"
    assert message["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris, Texas"}'}},
        {"id": "call_standin000001_1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert body["object"] == "chat.completion"
    assert body["model"] == "gpt-4o"
    assert body["usage"]["prompt_tokens"] == 240
    assert body["usage"]["completion_tokens"] == 7
    assert body["usage"]["total_tokens"] == 247
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 200
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2


def test_openai_json_without_text_has_content_null(ask):
    message = ask(JSON_PATHS, "openai", Reply(tool_calls=[ToolCall("now")])).json()["choices"][0]["message"]
    assert message["content"] is None


def test_openai_stream(ask):
    response = ask(STREAM_PATHS, "openai", REPLY)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *events, (_, done) = sse(response.text)
    assert done == "[DONE]"
    chunks = [chunk for _, chunk in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta["content"] for delta in deltas if "content" in delta] == ["", "Hello", " wide", " world"]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "let me see"
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [(call["index"], call["id"], call["function"]["name"]) for call in calls if "id" in call] == [
        (0, "call_1", "weather"),
        (1, "call_standin000001_1", "now"),
    ]
    arguments = ["".join(call["function"]["arguments"] for call in calls if call["index"] == index) for index in (0, 1)]
    assert arguments == ['{"city":"Paris, Texas"}', "{}"]
    assert len([call for call in calls if call["index"] == 0]) > 2
    finish = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert finish[-1] == "tool_calls"
    assert set(finish[:-1]) == {None}


def test_openai_stream_counts_only_when_asked(provider, client):
    provider.script(Reply("Hi", usage=USAGE))
    body = openai(stream=True, stream_options={"include_usage": True})
    *_, (_, last), (_, done) = sse(client.post("/chat/completions", json=body).text)
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 247


def test_other_providers_count_in_the_last_chunk(provider, client):
    provider.script(Reply("Hi", usage=USAGE))
    *_, (_, last), (_, _) = sse(client.post("/lenient/v1/chat/completions", json=openai(stream=True)).text)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["total_tokens"] == 247


def test_openai_choices_and_logprobs(client):
    body = client.post("/chat/completions", json=openai(n=2, logprobs=True, top_logprobs=2)).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    tokens = body["choices"][1]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == body["choices"][1]["message"]["content"]
    assert {len(token["top_logprobs"]) for token in tokens} == {2}
    streamed = sse(client.post("/chat/completions", json=openai(n=2, stream=True)).text)[:-1]
    assert {chunk["choices"][0]["index"] for _, chunk in streamed} == {0, 1}


def test_anthropic_json(ask):
    response = ask(JSON_PATHS, "anthropic", REPLY)
    body = response.json()
    assert body["content"] == [
        {"type": "thinking", "thinking": "let me see", "signature": "U0lH"},
        {"type": "redacted_thinking", "data": "UkVE"},
        {"type": "text", "text": "Hello wide world"},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris, Texas"}},
        {"type": "tool_use", "id": "toolu_standin000001_1", "name": "now", "input": {}},
    ]
    assert body["stop_reason"] == "tool_use"
    assert body["stop_sequence"] is None
    assert body["usage"]["input_tokens"] == 10
    assert body["usage"]["cache_read_input_tokens"] == 200
    assert body["usage"]["cache_creation_input_tokens"] == 30
    assert body["usage"]["output_tokens"] == 7
    assert response.headers["request-id"] == "req_standin000001"


def test_anthropic_stream(ask):
    events = sse(ask(STREAM_PATHS, "anthropic", REPLY).text)
    assert [name for name, _ in events] == [event["type"] for _, event in events]
    names = [name for name, _ in events if name not in {"ping", "content_block_delta"}]
    blocks = ["content_block_start", "content_block_stop"] * 5
    assert names == ["message_start", *blocks, "message_delta", "message_stop"]
    starts = [event["content_block"] for name, event in events if name == "content_block_start"]
    assert starts == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "redacted_thinking", "data": "UkVE"},
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
        {"type": "tool_use", "id": "toolu_standin000001_1", "name": "now", "input": {}},
    ]
    deltas = [(event["index"], event["delta"]) for name, event in events if name == "content_block_delta"]
    assert "".join(delta["thinking"] for _, delta in deltas if delta["type"] == "thinking_delta") == "let me see"
    assert [delta["signature"] for index, delta in deltas if delta["type"] == "signature_delta"] == ["U0lH"]
    assert [delta["text"] for index, delta in deltas if index == 2] == ["Hello", " wide", " world"]
    inputs = ["".join(delta["partial_json"] for at, delta in deltas if at == index) for index in (3, 4)]
    assert inputs == ['{"city":"Paris, Texas"}', ""]
    start = events[0][1]["message"]
    assert start["usage"]["input_tokens"] == 10
    assert start["content"] == []
    last = next(event for name, event in events if name == "message_delta")
    assert last["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert last["usage"]["output_tokens"] == 7


def test_bedrock_json(ask):
    body = ask(JSON_PATHS, "bedrock", REPLY).json()
    assert body["output"]["message"] == {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "let me see", "signature": "U0lH"}}},
            {"reasoningContent": {"redactedContent": "UkVE"}},
            {"text": "Hello wide world"},
            {"toolUse": {"input": {"city": "Paris, Texas"}, "name": "weather", "toolUseId": "call_1"}},
            {"toolUse": {"input": {}, "name": "now", "toolUseId": "tooluse_standin000001_1"}},
        ],
    }
    assert body["stopReason"] == "tool_use"
    assert body["usage"] == {
        "inputTokens": 10,
        "outputTokens": 7,
        "totalTokens": 247,
        "cacheReadInputTokens": 200,
        "cacheWriteInputTokens": 30,
    }


def test_bedrock_stream(ask):
    response = ask(STREAM_PATHS, "bedrock", REPLY)
    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    frames = aws_frames(response.content)
    assert {headers[":message-type"] for headers, _ in frames} == {"event"}
    assert {headers[":content-type"] for headers, _ in frames} == {"application/json"}
    events = [(headers[":event-type"], payload) for headers, payload in frames]
    names = [name for name, _ in events]
    assert names[0] == "messageStart"
    assert names[-2:] == ["messageStop", "metadata"]
    assert names.count("contentBlockStart") == 2  # only tools have one
    assert names.count("contentBlockStop") == 5
    assert [payload["start"]["toolUse"] for name, payload in events if name == "contentBlockStart"] == [
        {"name": "weather", "toolUseId": "call_1"},
        {"name": "now", "toolUseId": "tooluse_standin000001_1"},
    ]
    deltas = [(payload["contentBlockIndex"], payload["delta"]) for name, payload in events if name.endswith("Delta")]
    thought = [delta["reasoningContent"] for index, delta in deltas if index == 0]
    assert "".join(piece.get("text", "") for piece in thought) == "let me see"
    assert thought[-1] == {"signature": "U0lH"}
    assert [delta for index, delta in deltas if index == 1] == [{"reasoningContent": {"redactedContent": "UkVE"}}]
    assert [delta["text"] for index, delta in deltas if index == 2] == ["Hello", " wide", " world"]
    assert "".join(delta["toolUse"]["input"] for index, delta in deltas if index == 3) == '{"city":"Paris, Texas"}'
    assert events[-2][1]["stopReason"] == "tool_use"
    assert events[-1][1]["usage"]["totalTokens"] == 247


def test_bedrock_encodes_redacted_thinking_that_is_no_base64(ask):
    body = ask(JSON_PATHS, "bedrock", Reply("a", redacted_thinking="?!")).json()
    block = body["output"]["message"]["content"][0]["reasoningContent"]
    assert base64.b64decode(block["redactedContent"]) == b"?!"


def test_gemini_json(ask):
    body = ask(JSON_PATHS, "gemini", REPLY).json()
    candidate = body["candidates"][0]
    assert candidate["content"] == {
        "role": "model",
        "parts": [
            {"text": "let me see", "thought": True},
            {"text": "Hello wide world"},
            {"functionCall": {"name": "weather", "args": {"city": "Paris, Texas"}}, "thoughtSignature": "U0lH"},
            {"functionCall": {"name": "now", "args": {}}},
        ],
    }
    assert candidate["finishReason"] == "STOP"
    assert body["usageMetadata"] == {
        "promptTokenCount": 240,
        "candidatesTokenCount": 5,
        "totalTokenCount": 247,
        "cachedContentTokenCount": 200,
        "thoughtsTokenCount": 2,
    }


def test_gemini_streams_events_with_alt_sse(ask):
    responses = [data for _, data in sse(ask(STREAM_PATHS, "gemini", REPLY).text)]
    parts = [part for response in responses for part in response["candidates"][0]["content"]["parts"]]
    assert [part["text"] for part in parts if "text" in part and "thought" not in part] == ["Hello", " wide", " world"]
    finish = [response["candidates"][0].get("finishReason") for response in responses]
    assert finish[-1] == "STOP"
    assert set(finish[:-1]) == {None}
    assert all("usageMetadata" in response for response in responses)


def test_gemini_streams_one_array_without_alt_sse(provider, client):
    provider.script(Reply("Hello wide world"))
    path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?key=k"
    with client.stream("POST", path, json=gemini()) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["content-type"] == "application/json; charset=UTF-8"
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in json.loads(raw)]
    assert texts == ["Hello", " wide", " world"]
    assert raw.count(b",\r\n{") == 2  # what a reader that splits the array relies on


FINISH = {
    "openai": ("stop", "length", "content_filter"),
    "anthropic": ("end_turn", "max_tokens", "refusal"),
    "bedrock": ("end_turn", "max_tokens", "content_filtered"),
    "gemini": ("STOP", "MAX_TOKENS", "SAFETY"),
}


@pytest.mark.parametrize("wire", FINISH)
def test_finish_reasons(ask, wire):
    for given, native in zip(("stop", "length", "content_filter"), FINISH[wire], strict=True):
        assert f'"{native}"' in ask(JSON_PATHS, wire, Reply("a", finish=given)).text
    assert '"pause_turn"' in ask(JSON_PATHS, wire, Reply("a", finish="pause_turn")).text


ERRORS = {
    "openai": {
        "error": {"message": "Slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    },
    "anthropic": {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "Slow down"},
        "request_id": "req_standin000001",
    },
    "bedrock": {"message": "Slow down"},
    "gemini": {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}},
}


@pytest.mark.parametrize("wire", ERRORS)
def test_errors(ask, wire):
    response = ask(JSON_PATHS, wire, Failure(429, "Slow down", headers={"Retry-After": "7"}))
    assert response.status_code == 429
    assert response.json() == ERRORS[wire]
    assert response.headers["retry-after"] == "7"
    if wire == "bedrock":
        assert response.headers["x-amzn-errortype"] == "ThrottlingException"


@pytest.mark.parametrize("wire", ERRORS)
def test_an_error_of_a_named_type(ask, wire):
    response = ask(JSON_PATHS, wire, Failure(503, "x", type="odd_type"))
    assert "odd_type" in response.text + str(response.headers)


def test_a_stream_request_gets_its_error_as_json(ask):
    response = ask(STREAM_PATHS, "anthropic", Failure(529, "Overloaded"))
    assert response.status_code == 529
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["type"] == "overloaded_error"


def test_google_wraps_the_error_of_an_array_stream(provider, client):
    provider.script(Failure(503, "x"))
    answer = client.post("/v1beta/models/m:streamGenerateContent?key=k", json=gemini()).json()
    assert answer[0]["error"]["status"] == "UNAVAILABLE"


@pytest.mark.parametrize("wire", ["openai", "anthropic", "bedrock", "gemini"])
def test_an_error_in_the_middle_of_a_stream(ask, wire):
    reply = Reply("one two three four", stream_error=Failure(529, "Broke"), stream_error_after=0.5)
    response = ask(STREAM_PATHS, wire, reply)
    if wire == "bedrock":
        frames = aws_frames(response.content)
        headers, payload = frames[-1]
        assert headers[":message-type"] == "exception"
        assert headers[":exception-type"] == "internalServerException"
        assert payload == {"message": "Broke"}
        assert not any(name == "messageStop" for name in (head.get(":event-type") for head, _ in frames))
    else:
        events = sse(response.text)
        assert events[-1][1]["error"]["message"] == "Broke"
        assert (events[-1][0] == "error") == (wire == "anthropic")
        assert "[DONE]" not in response.text
    assert "one" in response.content.decode("utf-8", "replace")
    assert "four" not in response.content.decode("utf-8", "replace")


def test_chunks_cut_the_text(ask):
    response = ask(STREAM_PATHS, "anthropic", Reply(chunks=["Hel", "", "lo"]))
    texts = [event["delta"]["text"] for name, event in sse(response.text) if name == "content_block_delta"]
    assert texts == ["Hel", "lo"]
    whole = ask(JSON_PATHS, "anthropic", Reply(chunks=["Hel", "", "lo"])).json()
    assert whole["content"][0]["text"] == "Hello"


def test_vertex_speaks_both_wires(provider, client):
    place = "/v1/projects/p/locations/us-central1/publishers"
    body = {key: value for key, value in anthropic().items() if key != "model"}
    body["anthropic_version"] = "vertex-2023-10-16"
    claude = client.post(f"{place}/anthropic/models/claude-4@1:rawPredict", json=body, headers=BEARER)
    assert claude.json()["model"] == "claude-4@1"
    streamed = client.post(f"{place}/anthropic/models/claude-4@1:streamRawPredict", json=body, headers=BEARER)
    assert sse(streamed.text)[-1][0] == "message_stop"
    path = f"{place}/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    assert sse(client.post(path, json=gemini(), headers=BEARER).text)[-1][1]["modelVersion"] == "gemini-2.5-pro"
    assert [request.vertex for request in provider.requests] == [True] * 3
    assert [request.wire for request in provider.requests] == ["anthropic", "anthropic", "gemini"]


def test_embeddings(provider, client):
    body = {"model": "text-embedding-3-small", "input": ["one", "two"]}
    data = client.post("/v1/embeddings", json=body).json()["data"]
    assert [item["index"] for item in data] == [0, 1]
    assert [len(item["embedding"]) for item in data] == [8, 8]
    assert data[0]["embedding"] != data[1]["embedding"]
    alone = client.post("/v1/embeddings", json={**body, "input": "one", "dimensions": 20}).json()["data"]
    assert [len(item["embedding"]) for item in alone] == [20]
    again = client.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()["data"]
    assert len(base64.b64decode(again[0]["embedding"])) == 32
    provider.script(Reply(embeddings=[[1.0, 0.0]]))
    assert client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"] == [1.0, 0.0]


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
TOOL = {"name": "weather", "input_schema": SCHEMA}
SPEC = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
DECLARED = [{"functionDeclarations": [{"name": "other"}, {"name": "weather", "parameters": SCHEMA}]}]
NAMED = {"type": "function", "function": {"name": "weather"}}
ANY = {"mode": "ANY", "allowedFunctionNames": ["weather"]}
FORCED = [
    ("openai", {"tools": [FUNCTION], "tool_choice": "required"}),
    ("openai", {"tools": [FUNCTION], "tool_choice": NAMED}),
    ("anthropic", {"tools": [TOOL], "tool_choice": {"type": "any"}}),
    ("anthropic", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "weather"}}),
    ("bedrock", {"toolConfig": {"tools": [SPEC], "toolChoice": {"any": {}}}}),
    ("bedrock", {"toolConfig": {"tools": [SPEC], "toolChoice": {"tool": {"name": "weather"}}}}),
    ("gemini", {"tools": DECLARED, "toolConfig": {"functionCallingConfig": ANY}}),
]


@pytest.mark.parametrize(("wire", "changes"), FORCED)
def test_a_forced_tool_is_called_with_arguments_of_its_schema(client, wire, changes):
    path, body, headers = JSON_PATHS[wire]
    answer = json.dumps(client.post(path, json={**body, **changes}, headers=headers).json())
    assert '"weather"' in answer
    assert '{"city": "city"}' in answer or r"{\"city\":\"city\"}" in answer


def test_a_wanted_json_is_given(client):
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    answer = client.post("/chat/completions", json=openai(response_format=wanted)).json()
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"city": "city"}
    config = {"responseMimeType": "application/json", "responseSchema": SCHEMA}
    path = "/v1beta/models/m:generateContent"
    answer = client.post(path, json=gemini(generationConfig=config), headers=KEY).json()
    assert json.loads(answer["candidates"][0]["content"]["parts"][0]["text"]) == {"city": "city"}
    output = {"format": {"type": "json_schema", "schema": SCHEMA}}
    answer = client.post("/messages", json=anthropic(output_config=output), headers=VERSION).json()
    assert json.loads(answer["content"][0]["text"]) == {"city": "city"}
    body = openai(response_format={"type": "json_object"}, messages=[{"role": "user", "content": "json please"}])
    answer = client.post("/chat/completions", json=body).json()
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)


@pytest.mark.parametrize("wire", JSON_PATHS)
def test_the_default_echoes_model_and_user(client, provider, wire):
    path, body, headers = JSON_PATHS[wire]
    answer = client.post(path, json=body, headers=headers).text
    assert f"stand-in provider. Model: {provider.last.model}. You said: Hi there" in answer
    assert client.post(path, json=body, headers=headers).text.count("stand-in provider") == 1
