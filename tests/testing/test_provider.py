"""The server: what it records, whom it lets in, how it is scripted, what it can carry."""

import asyncio
import contextlib
import errno
import socket
import threading
import time

import httpx
import pytest

from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply, StandInProvider
from tests.testing.wire_bodies import BEARER, JSON_PATHS, KEY, VERSION, anthropic, bedrock, gemini, openai

PATH = "/v1/chat/completions"


def test_records_what_arrived(provider, client):
    client.post(PATH + "?a=b", json=openai(stream=True), headers={"Authorization": "Bearer k", "X-Two": "2"})
    request = provider.last
    assert (request.wire, request.method, request.path) == ("openai", "POST", PATH + "?a=b")
    assert (request.model, request.stream, request.refused) == ("gpt-4o", True, None)
    assert request.headers["authorization"] == "Bearer k"
    assert ("X-Two", "2") in request.header_items
    assert request.json == openai(stream=True)
    assert request.body.startswith(b"{")
    assert request.query == {"a": "b"}
    assert abs(request.received_at - time.time()) < 5
    assert provider.requests == [request]


@pytest.mark.parametrize(
    ("path", "wire", "model", "stream"),
    [
        ("/chat/completions", "openai", "gpt-4o", False),
        ("/openai", "openai", "gpt-4o", False),
        ("/v1//chat/completions", "openai", "gpt-4o", False),
        ("/openai/deployments/gpt-4.1/chat/completions?api-version=1", "openai", "gpt-4.1", False),
        ("/any/messages", "anthropic", "gpt-4o", False),
        ("/x/model/a.b%3A0/converse", "bedrock", "a.b:0", False),
        (
            "/model/arn%3Aaws%3Abedrock%3Ainference-profile%2Fx/converse-stream",
            "bedrock",
            "arn:aws:bedrock:inference-profile/x",
            True,
        ),
        ("/v1beta/models/m:generateContent?key=k", "gemini", "m", False),
        ("/v1beta/models/m:streamGenerateContent", "gemini", "m", True),
        ("/embeddings", "embeddings", "gpt-4o", False),
        ("/v1/models", "unknown", "gpt-4o", False),
    ],
)
def test_the_end_of_the_path_decides(provider, client, path, wire, model, stream):
    client.post(path, json=openai())
    assert (provider.last.wire, provider.last.model, provider.last.stream) == (wire, model, stream)


def test_refuses_like_the_provider(provider, client):
    response = client.post(PATH, json=openai(temperature=3))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "decimal_above_max_value"
    assert provider.last.refused == response.json()["error"]["message"]
    response = client.post("/v1/messages", json=anthropic(stop="x"), headers=VERSION)
    assert response.json()["error"] == {
        "type": "invalid_request_error",
        "message": "stop: Extra inputs are not permitted",
    }
    response = client.post("/model/m/converse", json=bedrock(messages=[]), headers=BEARER)
    assert response.headers["x-amzn-errortype"] == "ValidationException"
    response = client.post("/v1beta/models/m:generateContent", json=gemini(contents=[]), headers=KEY)
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("wire", JSON_PATHS)
@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_refuses_a_body_that_is_no_object(client, wire, content):
    path, _, headers = JSON_PATHS[wire]
    assert client.post(path, content=content, headers=headers).status_code == 400


def test_an_unknown_path_is_404_and_another_method_405(provider, client):
    assert client.post("/nowhere", json={}).status_code == 404
    assert client.get(PATH).status_code == 405
    assert [request.refused is not None for request in provider.requests] == [True, True]


def test_script_then_handler_then_default(provider, client):
    provider.answer_with(lambda request: Reply(f"handled {request.model}") if request.stream else None)
    provider.script(Reply("first"), Failure(500, "second"), RawAnswer(body=b'"third"'))
    answers = [client.post(PATH, json=openai(stream=True)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 500, 200, 200]
    assert '"first"' in answers[0].text
    assert answers[2].json() == "third"
    assert " gpt-4o" in answers[3].text
    assert "stand-in" in client.post(PATH, json=openai()).text
    provider.clear()
    assert provider.requests == []
    assert "stand-in" in client.post(PATH, json=openai()).text


def test_a_broken_handler_is_told(provider, client):
    provider.answer_with(lambda _: 1 / 0)
    response = client.post(PATH, json=openai())
    assert response.status_code == 500
    assert "ZeroDivisionError" in response.text


def test_repr_hides_credentials(provider, client):
    secret = "s3cr3t"
    names = ("Authorization", "X-Api-Key", "api-key", "x-goog-api-key", "X-Amz-Security-Token", "cookie")
    headers = dict.fromkeys(names, f"Bearer {secret}")
    client.post(f"/v1beta/models/m:generateContent?key={secret}&alt=sse", json=gemini(), headers=headers)
    assert secret not in repr(provider.last)
    assert secret not in repr(provider.requests)
    assert "generateContent?key=***&alt=sse" in repr(provider.last)
    assert provider.last.headers["x-api-key"] == f"Bearer {secret}"
    assert f"key={secret}" in provider.last.path


KEYS = {"openai": {"sk-1"}, "anthropic": {"sk-1"}, "gemini": {"sk-1"}, "vertex": {"sk-1"}, "bedrock": {"sk-1"}}
VERTEX = "/v1/projects/p/locations/l/publishers/google/models/m:generateContent"
ACCESS = [
    # path, body, good headers, bad headers, status, part of the message
    (PATH, openai(), {"authorization": "Bearer sk-1"}, {"authorization": "Bearer no"}, 401, "Incorrect API key"),
    (PATH, openai(), {"api-key": "sk-1"}, {}, 401, "You didn't provide an API key"),
    ("/messages", anthropic(), {"x-api-key": "sk-1"}, {"x-api-key": "no"}, 401, "invalid x-api-key"),
    ("/messages", anthropic(), {"x-api-key": "sk-1"}, {}, 401, "x-api-key header is required"),
    ("/v1beta/models/m:generateContent", gemini(), {"x-goog-api-key": "sk-1"}, {}, 403, "unregistered callers"),
    (
        "/v1beta/models/m:generateContent",
        gemini(),
        {"x-goog-api-key": "sk-1"},
        {"x-goog-api-key": "no"},
        400,
        "not valid",
    ),
    (VERTEX, gemini(), {"authorization": "Bearer sk-1"}, {"authorization": "Bearer no"}, 401, "OAuth 2"),
    ("/model/m/converse", bedrock(), {"authorization": "Bearer sk-1"}, {"authorization": "Bearer no"}, 403, "token"),
    ("/model/m/converse", bedrock(), {"authorization": "Bearer sk-1"}, {}, 403, "Missing Authentication Token"),
]


@pytest.mark.parametrize(("path", "body", "good", "bad", "status", "message"), ACCESS)
def test_keys(path, body, good, bad, status, message):
    with StandInProvider(keys=KEYS) as provider, httpx.Client(base_url=provider.url, trust_env=False) as client:
        refused = client.post(path, json=body, headers={**VERSION, **bad})
        assert refused.status_code == status
        assert message in refused.text
        assert provider.last.refused is not None
        assert client.post(path, json=body, headers={**VERSION, **good}).status_code == 200


def test_without_keys_anything_goes_where_providers_need_no_more(client):
    assert client.post(PATH, json=openai()).status_code == 200
    assert client.post("/messages", json=anthropic(), headers=VERSION).status_code == 200
    assert (
        client.post("/messages", json=anthropic()).json()["error"]["message"] == "anthropic-version: header is required"
    )
    assert client.post("/v1beta/models/m:generateContent", json=gemini()).status_code == 403
    assert client.post(VERTEX, json=gemini()).status_code == 401
    assert client.post("/model/m/converse", json=bedrock()).status_code == 403
    assert client.post("/model/m/converse", json=bedrock(), headers={"authorization": "AWS4 x"}).status_code == 403


def test_connections_are_kept(provider):
    """Both sides reuse a connection, for bodies with a length and for chunked ones, in both directions."""

    def pieces():
        yield b'{"model": "gpt-4o", "messages": '
        yield b'[{"role": "user", "content": "Hi"}]}'

    peers = set()
    with httpx.Client(base_url=provider.url, trust_env=False) as client:
        for content in (pieces(), b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'):
            with client.stream("POST", PATH, content=content) as response:
                response.read()
                assert response.status_code == 200
                peers.add(response.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(peers) == 1


def test_small_answers_come_at_once(client):
    """Without TCP_NODELAY each takes 40 ms."""
    client.post(PATH, json=openai())
    started = time.monotonic()
    for _ in range(10):
        client.post(PATH, json=openai(stream=True))
    assert time.monotonic() - started < 0.2


def test_connection_close_is_honoured(provider):
    with socket.create_connection(("127.0.0.1", provider.port)) as connection:
        body = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.settimeout(5)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer


def test_garbage_does_not_stop_the_server(provider, client):
    for garbage in (b"\x16\x03\x01 tls?\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"POST"):
        with socket.create_connection(("127.0.0.1", provider.port)) as connection:
            connection.sendall(garbage)
    assert client.post(PATH, json=openai()).status_code == 200


def test_tells_when_the_client_has_gone(provider):
    provider.script(Reply("a b c d e f", pause=0.2), Reply("a", delay=5))
    with httpx.Client(trust_env=False) as client:
        with client.stream("POST", provider.url + PATH, json=openai(stream=True)) as response:
            next(response.iter_raw())
        with pytest.raises(httpx.ReadTimeout):
            client.post(provider.url + PATH, json=openai(), timeout=0.1)
    until = time.monotonic() + 5
    while not all(request.client_gone for request in provider.requests) and time.monotonic() < until:
        time.sleep(0.02)
    assert [request.client_gone for request in provider.requests] == [True, True]


def test_a_complete_answer_leaves_nobody_gone(provider, client):
    client.post(PATH, json=openai(stream=True))
    assert not provider.last.client_gone


async def test_a_thousand_connections_at_once(provider):
    """All of them are open before the first is answered."""
    count = 1000
    body = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    provider.answer_with(lambda _: Reply("ok", delay=0.5))

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer

    answers = await asyncio.wait_for(asyncio.gather(*(one() for _ in range(count))), 20)
    assert sum(answer.startswith(b"HTTP/1.1 200") for answer in answers) == count
    arrivals = [request.received_at for request in provider.requests]
    assert len(arrivals) == count
    assert max(arrivals) - min(arrivals) < 0.5, "some were answered before others came"


def test_start_and_stop(provider):
    before = threading.active_count()
    stand_in = StandInProvider().start()
    url = stand_in.url
    assert httpx.post(url + PATH, json=openai(), trust_env=False).status_code == 200
    with socket.create_connection(("127.0.0.1", stand_in.port)) as idle:
        stand_in.stop()
        stand_in.stop()
        idle.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(1) == b""
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.post(url + PATH, json=openai(), trust_env=False)


def test_a_taken_port_is_an_error(provider):
    with pytest.raises(OSError) as caught:
        StandInProvider(port=provider.port).start()
    assert caught.value.errno == errno.EADDRINUSE
