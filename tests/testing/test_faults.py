"""Answers that come late, in pieces, or not whole."""

import json
import socket
import time
from itertools import pairwise

import httpx
import pytest

from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply
from tests.testing.wire_bodies import JSON_PATHS, STREAM_PATHS, openai, sse

PATH = "/v1/chat/completions"
TEXT = "one two three four five six seven eight"


def received(client, path, body, headers=None):
    """(bytes that arrived, whether the connection broke)."""
    arrived = b""
    try:
        with client.stream("POST", path, json=body, headers=headers) as response:
            for piece in response.iter_raw():
                arrived += piece
    except (httpx.ReadError, httpx.RemoteProtocolError):
        return arrived, True
    return arrived, False


@pytest.mark.parametrize("wire", JSON_PATHS)
def test_drop_before_headers(provider, client, wire):
    path, body, headers = JSON_PATHS[wire]
    provider.script(Reply(TEXT, drop="before_headers"))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.post(path, json=body, headers=headers)
    assert client.post(path, json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("answer", [Reply(TEXT, drop="after_headers"), Failure(500, "x", drop="after_headers")])
def test_drop_after_headers(provider, client, answer):
    provider.script(answer)
    with client.stream("POST", PATH, json=openai()) as response:
        assert response.status_code in {200, 500}
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            response.read()


@pytest.mark.parametrize("wire", STREAM_PATHS)
def test_drop_in_the_middle_of_a_stream(provider, client, wire):
    path, body, headers = STREAM_PATHS[wire]
    provider.script(Reply(TEXT), Reply(TEXT, drop="mid_body"))
    whole, broken = received(client, path, body, headers)
    assert not broken
    part, broken = received(client, path, body, headers)
    assert broken
    assert len(part) == pytest.approx(len(whole) / 2, abs=1)


def test_drop_after_a_number_of_bytes(provider, client):
    provider.script(Reply(TEXT, drop_after=40), Reply(TEXT, drop_after=0.9))
    part, broken = received(client, PATH, openai())
    assert (len(part), broken) == (40, True)
    part, broken = received(client, PATH, openai())
    assert broken
    assert len(part) > 400


def test_the_connection_is_reset_not_closed(provider):
    """A plain close would look like the end of a body without a length."""
    provider.script(RawAnswer(body=b"abc", drop_after=2))
    body = json.dumps(openai())
    with socket.create_connection(("127.0.0.1", provider.port), timeout=5) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        file = connection.makefile("rb")
        while file.readline() != b"\r\n":
            pass
        assert file.read(2) == b"ab"
        with pytest.raises(ConnectionResetError):
            file.read(1)


def test_stall(provider, client):
    provider.script(Reply(TEXT, stall_after=0.5, stall=0.3))
    body = openai(stream=True)
    with client.stream("POST", PATH, json=body) as response:
        stamps = [time.monotonic() for _ in response.iter_raw()]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    assert max(gaps) >= 0.25
    assert sorted(gaps)[-2] < 0.2


def test_delay_and_pause(provider, client):
    provider.script(Reply("a", delay=0.2), Reply("a b c d", pause=0.05))
    started = time.monotonic()
    client.post(PATH, json=openai())
    assert time.monotonic() - started >= 0.2
    started = time.monotonic()
    response = client.post(PATH, json=openai(stream=True))
    assert time.monotonic() - started >= 0.05 * (len(sse(response.text)) - 1)


def test_raw_answers_go_out_as_they_are(provider, client):
    provider.script(
        RawAnswer(502, headers={"Content-Type": "text/html", "X-A": "b"}, body=b"<html>"),
        RawAnswer(chunks=[b"data: a\n\n", 0.05, b"data: b\n\n"]),
        RawAnswer(204),
    )
    first = client.post(PATH, json=openai())
    assert (first.status_code, first.headers["content-type"], first.headers["x-a"]) == (502, "text/html", "b")
    assert first.content == b"<html>"
    with client.stream("POST", PATH, json=openai(stream=True)) as second:
        assert list(second.iter_raw()) == [b"data: a\n\n", b"data: b\n\n"]
    assert client.post(PATH, json=openai()).status_code == 204
    assert client.post(PATH, json=openai()).status_code == 200  # the connection is still in step


def test_a_lie_about_the_length_is_told(provider, client):
    provider.script(RawAnswer(headers={"content-length": "99", "connection": "close"}, body=b"{}"))
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(PATH, json=openai())


def test_headers_of_a_reply_win(provider, client):
    provider.script(Reply("a", headers={"X-Request-Id": "mine"}))
    response = client.post(PATH, json=openai())
    assert response.headers.get_list("x-request-id") == ["mine"]


def test_faults_leave_refusals_alone(provider, client):
    """A refused request uses up nothing of the script."""
    provider.script(Reply("scripted", drop="before_headers"))
    assert client.post(PATH, json=openai(n=0)).status_code == 400
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.post(PATH, json=openai())
    assert json.loads(client.post(PATH, json=openai()).content)["object"] == "chat.completion"
