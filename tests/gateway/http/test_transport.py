"""HTTP to the gateway: shared connections, several loops and threads, time limits, broken connections.

The server is made of plain sockets, so that it can count connections and misbehave on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator

import httpx
import pytest

from langchain_pollinations_portkey.errors import PortkeyConnectionError, PortkeyTimeoutError
from langchain_pollinations_portkey.gateway.http import clients as module
from langchain_pollinations_portkey.gateway.http.clients import HTTPSettings
from langchain_pollinations_portkey.gateway.http.messages import Answer, HTTPRequest, detached
from langchain_pollinations_portkey.gateway.http.transport import Transport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: session=1\r\n\r\n{}"
IN_TIME = 5.0
"""Seconds: far above the limits set below, for busy machines, and far below what the server would take."""
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Server:
    """Answers each path in its own way and keeps what it received."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.received = threading.Event()
        self.closed_by_client = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as incoming:
            while True:
                lines = itertools.takewhile(lambda line: line not in (b"\r\n", b""), iter(incoming.readline, None))
                head = b"".join(lines)
                if not head:
                    self.closed_by_client.set()
                    return
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                incoming.read(int(length[1]) if length else 0)
                self.requests.append(head)
                self.received.set()
                path = head.split(b" ")[1].decode().removeprefix("/").replace("-", "_")
                answer = getattr(self, f"_{path}", None)
                if answer is None:
                    connection.sendall(OK)
                elif not answer(connection):
                    return

    def _drop(self, connection: socket.socket) -> bool:
        return False

    def _silent(self, connection: socket.socket) -> bool:
        with contextlib.suppress(ConnectionError):
            connection.recv(1)
        self.closed_by_client.set()
        return False

    async def wait_for_a_request(self) -> None:
        assert await asyncio.to_thread(self.received.wait, 10)
        await asyncio.sleep(0.05)  # and for the beginning of its answer

    def _headers_then_silence(self, connection: socket.socket) -> bool:
        connection.sendall(CHUNKED)
        return self._silent(connection)

    def _dribble(self, connection: socket.socket) -> bool:
        connection.sendall(CHUNKED)
        for _ in range(200):
            connection.sendall(b"1\r\n \r\n")
            time.sleep(0.05)
        return False

    def _redirect(self, connection: socket.socket) -> bool:
        location = f"{self.url}/elsewhere"
        connection.sendall(f"HTTP/1.1 307 T\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode())
        return True

    def _pieces(self, connection: socket.socket) -> bool:
        connection.sendall(CHUNKED)
        for piece in (b"one", b"two", b"three"):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            time.sleep(0.02)
        connection.sendall(b"0\r\n\r\n")
        return True

    def _half(self, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        return False

    def _slow(self, connection: socket.socket) -> bool:
        time.sleep(0.2)
        connection.sendall(OK)
        return True

    def _error(self, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 400 No\r\ncontent-length: 3\r\n\r\nwhy")
        return True


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def fresh_clients() -> Iterator[None]:
    module._close_all()
    yield
    module._close_all()


def request(server: Server, path: str = "/", timeout: float | None = None) -> HTTPRequest:
    return HTTPRequest(f"{server.url}{path}", {"authorization": "Bearer hush"}, b"{}", timeout)


def run(program: str) -> tuple[int, str]:
    """A program in a process of its own, with every warning an error: its end and what it complained about."""
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return result.returncode, result.stderr


# ---------------------------------------------------------------------- connections


def test_equal_settings_share_connections(server):
    for _ in range(5):
        transport = Transport(HTTPSettings())
        for _ in range(3):
            assert transport.send(request(server), stream=False).content == b"{}"
    assert server.connections == 1

    Transport(HTTPSettings(max_connections=7)).send(request(server), stream=False)
    assert server.connections == 2


async def test_equal_settings_share_connections_in_a_loop(server):
    for _ in range(5):
        assert (await Transport().asend(request(server), stream=False)).content == b"{}"

    assert server.connections == 1


def test_several_event_loops_one_after_the_other(server):
    transport = Transport()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            asyncio.run(transport.asend(request(server), stream=False))
            gc.collect()

    assert len(server.requests) == 3
    assert len(module._async_clients) == 0


def test_several_threads_each_with_a_loop(server):
    transport = Transport()
    answers: list[int] = []

    async def three_at_once() -> None:
        got = await asyncio.gather(*(transport.asend(request(server), stream=False) for _ in range(3)))
        answers.extend(response.status_code for response in got)

    threads = [threading.Thread(target=lambda: asyncio.run(three_at_once())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 12


def test_many_threads_share_one_client(server):
    transport = Transport()
    answers: list[int] = []

    threads = [
        threading.Thread(
            target=lambda: answers.append(transport.send(request(server, "/slow"), stream=False).status_code)
        )
        for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [200] * 30
    assert len(module._sync_clients) == 1


async def test_more_calls_than_connections_wait_their_turn(server):
    transport = Transport(HTTPSettings(max_connections=2))

    got = await asyncio.gather(*(transport.asend(request(server, "/slow"), stream=False) for _ in range(6)))

    assert [response.status_code for response in got] == [200] * 6
    assert server.connections == 2


async def test_a_call_that_finds_no_connection_in_time_says_so(server):
    transport = Transport(HTTPSettings(max_connections=1))
    held = await transport.asend(request(server, "/dribble"), stream=True)

    with pytest.raises(PortkeyTimeoutError):
        await transport.asend(request(server, timeout=0.2), stream=False)

    await held.aclose()
    assert (await transport.asend(request(server, timeout=5), stream=False)).status_code == 200


def test_a_call_in_a_thread_that_finds_no_connection_says_what_to_raise(server):
    transport = Transport(HTTPSettings(max_connections=1))
    held = transport.send(request(server, "/dribble"), stream=True)

    with pytest.raises(PortkeyTimeoutError, match="max_connections") as raised:
        transport.send(request(server, timeout=0.2), stream=False)

    assert raised.value.sent is False
    held.close()


def test_cookies_are_not_carried_from_one_call_to_the_next(server):
    for _ in range(2):
        Transport().send(request(server), stream=False)

    assert all(b"cookie" not in received.lower() for received in server.requests)


def test_connections_are_given_up_before_the_gateway_closes_them():
    arguments = HTTPSettings(max_connections=None).client_arguments(secure=True)

    assert arguments["limits"].keepalive_expiry == 4.0
    assert arguments["limits"].max_connections is None


def test_closing_leaves_the_transport_usable(server):
    transport = Transport()
    transport.send(request(server), stream=False)
    transport.close()
    transport.close()
    transport.send(request(server), stream=False)

    assert server.connections == 2


async def test_closing_in_a_loop_leaves_the_transport_usable(server):
    transport = Transport()
    await transport.asend(request(server), stream=False)
    await transport.aclose()
    await transport.aclose()
    await transport.asend(request(server), stream=False)

    assert server.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_does_not_use_the_connections_of_its_parent(server):
    program = f"""
import os, sys
from langchain_pollinations_portkey.gateway.http.messages import HTTPRequest
from langchain_pollinations_portkey.gateway.http.transport import Transport
def ask():
    request = HTTPRequest({server.url!r} + "/", {{}}, b"")
    return Transport().send(request, stream=False).status_code
assert ask() == 200
child = os.fork()
assert ask() == 200
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    assert run(program) == (0, "")
    assert len(server.requests) == 3
    assert server.connections == 2


def test_a_program_ends_without_a_warning_about_open_connections(server):
    program = f"""
import asyncio
from langchain_pollinations_portkey.gateway.http.messages import HTTPRequest
from langchain_pollinations_portkey.gateway.http.transport import Transport
request = HTTPRequest({server.url!r} + "/", {{}}, b"")
transport = Transport()
transport.send(request, stream=False)
asyncio.run(transport.asend(request, stream=False))
"""
    assert run(program) == (0, "")


def test_a_loop_closed_without_farewell_leaves_nothing_behind(server):
    transport = Transport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # that of whoever closed the loop so
        for _ in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(transport.asend(request(server), stream=False))
            loop.close()
        assert len(module._async_clients) == 1
        asyncio.run(transport.asend(request(server), stream=False))
        gc.collect()

    assert len(module._async_clients) == 0


# ---------------------------------------------------------------------- streams


def test_a_stream_comes_in_pieces_and_its_connection_is_used_again(server):
    transport = Transport()
    for _ in range(2):
        response = transport.send(request(server, "/pieces"), stream=True)
        assert b"".join(transport.iterate(response)) == b"onetwothree"
        response.close()

    assert server.connections == 1


async def test_a_stream_comes_in_pieces_in_a_loop(server):
    transport = Transport()
    response = await transport.asend(request(server, "/pieces"), stream=True)

    assert [piece async for piece in transport.aiterate(response)] == [b"one", b"two", b"three"]
    await response.aclose()


def test_leaving_a_stream_early_closes_its_connection(server):
    transport = Transport()
    response = transport.send(request(server, "/headers-then-silence"), stream=True)
    response.close()

    assert server.closed_by_client.wait(10)
    assert transport.send(request(server), stream=False).status_code == 200


async def test_a_cancelled_call_closes_its_connection(server):
    transport = Transport()
    call = asyncio.create_task(transport.asend(request(server, "/silent"), stream=False))
    await server.wait_for_a_request()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await asyncio.to_thread(server.closed_by_client.wait, 10)


async def test_a_cancelled_stream_closes_its_connection(server):
    transport = Transport()

    async def read() -> None:
        response = await transport.asend(request(server, "/headers-then-silence"), stream=True)
        try:
            async for _ in transport.aiterate(response):
                pass
        finally:
            await response.aclose()

    task = asyncio.create_task(read())
    await server.wait_for_a_request()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(server.closed_by_client.wait, 10)


def test_the_body_of_an_error_is_read_even_if_a_stream_was_asked_for(server):
    response = Transport().send(request(server, "/error"), stream=True)

    assert (response.status_code, response.content) == (400, b"why")


async def test_the_body_of_an_error_is_read_in_a_loop_too(server):
    response = await Transport().asend(request(server, "/error"), stream=True)

    assert (response.status_code, response.content) == (400, b"why")


def test_a_compressed_stream_is_unpacked():
    import gzip

    packed = gzip.compress(b"data: 1\n\n")
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(packed))
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    transport = Transport(client=client)

    response = transport.send(HTTPRequest("http://gateway/", {}, b""), stream=True)

    assert b"".join(transport.iterate(response)) == b"data: 1\n\n"


# ---------------------------------------------------------------------- time


@pytest.mark.parametrize("path", ["/silent", "/headers-then-silence", "/dribble"])
def test_an_answer_is_whole_in_time_or_given_up(server, path):
    began = time.monotonic()

    with pytest.raises(PortkeyTimeoutError, match=r"within 0.5 s") as raised:
        Transport().send(request(server, path, timeout=0.5), stream=False)

    assert 0.4 < time.monotonic() - began < IN_TIME
    assert raised.value.sent is True


@pytest.mark.parametrize("path", ["/silent", "/headers-then-silence", "/dribble"])
async def test_an_answer_is_whole_in_time_or_given_up_in_a_loop(server, path):
    began = time.monotonic()

    with pytest.raises(PortkeyTimeoutError, match=r"within 0.5 s"):
        await Transport().asend(request(server, path, timeout=0.5), stream=False)

    assert 0.4 < time.monotonic() - began < IN_TIME


def test_a_stream_may_last_longer_than_the_time_limit_but_not_pause_so_long(server):
    transport = Transport()
    response = transport.send(request(server, "/dribble", timeout=1), stream=True)
    pieces = transport.iterate(response)
    began = time.monotonic()
    while time.monotonic() - began < 1.2:
        assert next(pieces).strip() == b""
    response.close()

    response = transport.send(request(server, "/headers-then-silence", timeout=1), stream=True)
    with pytest.raises(PortkeyTimeoutError, match=r"silent for 1 s"):
        list(transport.iterate(response))


async def test_a_stream_that_pauses_too_long_ends_in_a_loop_too(server):
    transport = Transport()
    response = await transport.asend(request(server, "/headers-then-silence", timeout=1), stream=True)

    with pytest.raises(PortkeyTimeoutError, match=r"silent for 1 s"):
        _ = [piece async for piece in transport.aiterate(response)]


# ---------------------------------------------------------------------- what goes wrong


def nothing_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_nothing_there(server):
    url = nothing_listens()

    with pytest.raises(PortkeyConnectionError, match=r"Nothing answers at .*pollinations-portkey gateway") as raised:
        Transport().send(HTTPRequest(f"{url}/v1/chat", {}, b""), stream=False)

    assert url in str(raised.value)
    assert raised.value.sent is False


async def test_nothing_there_in_a_loop():
    with pytest.raises(PortkeyConnectionError, match=r"Nothing answers at"):
        await Transport().asend(HTTPRequest(nothing_listens(), {}, b""), stream=False)


@pytest.mark.parametrize("path", ["/drop", "/half"])
def test_a_broken_connection_is_not_tried_again(server, path):
    with pytest.raises(PortkeyConnectionError, match="may have been served") as raised:
        Transport().send(request(server, path), stream=False)

    assert raised.value.sent is True
    assert len(server.requests) == 1


@pytest.mark.parametrize("path", ["/drop", "/half"])
async def test_a_broken_connection_is_not_tried_again_in_a_loop(server, path):
    with pytest.raises(PortkeyConnectionError, match="may have been served"):
        await Transport().asend(request(server, path), stream=False)

    assert len(server.requests) == 1


@pytest.mark.parametrize("own", [False, True])
def test_redirects_are_not_followed(server, own):
    client = httpx.Client(follow_redirects=True) if own else None

    response = Transport(client=client).send(request(server, "/redirect"), stream=False)

    assert response.status_code == 307
    assert len(server.requests) == 1
    if client:
        client.close()


@pytest.mark.parametrize(
    ("error", "kind", "sent"),
    [
        (httpx.ConnectTimeout("x"), PortkeyConnectionError, False),
        (httpx.PoolTimeout("x"), PortkeyTimeoutError, False),
        (httpx.ReadTimeout("x"), PortkeyTimeoutError, True),
        (httpx.WriteTimeout("x"), PortkeyTimeoutError, True),
        (httpx.ConnectError("x"), PortkeyConnectionError, False),
        (httpx.RemoteProtocolError("x"), PortkeyConnectionError, True),
        (httpx.LocalProtocolError("Illegal header value b'Bearer hush'"), PortkeyConnectionError, False),
        (httpx.ProxyError("x"), PortkeyConnectionError, True),
        (RuntimeError("Bearer hush"), PortkeyConnectionError, True),
        (type("ReadTimeout", (type("TimeoutException", (Exception,), {}),), {})("httpx2's"), PortkeyTimeoutError, True),
    ],
)  # fmt: skip
def test_each_exception_becomes_one_of_ours_that_hides_its_cause(error, kind, sent):
    def fail(_):
        raise error

    client = httpx.Client(transport=httpx.MockTransport(fail))
    asked = HTTPRequest("http://gateway/v1", {"authorization": "Bearer hush"}, b"")

    with pytest.raises(kind) as raised:
        Transport(client=client).send(asked, stream=False)

    caught = raised.value
    assert caught.sent is sent
    assert "hush" not in "".join(traceback.format_exception(caught)) + repr(caught.args)
    assert (caught.__cause__, caught.__context__) == (None, None)


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", r"cannot be trusted.*verify="),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", r"does not speak TLS.*begins with http://"),
    ],
)
def test_a_failure_of_tls_is_not_called_an_absent_gateway(said, cure):
    def fail(_):
        raise httpx.ConnectError(said)

    client = httpx.Client(transport=httpx.MockTransport(fail))

    with pytest.raises(PortkeyConnectionError, match=cure):
        Transport(client=client).send(HTTPRequest("https://gateway/v1", {}, b""), stream=False)


# ---------------------------------------------------------------------- probe


@pytest.mark.parametrize(("path", "status"), [(500, 500), (200, 200)])
def test_probe_gives_the_status(path, status):
    asked = []

    def answer(got: httpx.Request) -> httpx.Response:
        asked.append((got.method, str(got.url), "authorization" in got.headers))
        return httpx.Response(status)

    assert Transport(client=httpx.Client(transport=httpx.MockTransport(answer))).probe("http://gateway") == status
    assert asked == [("HEAD", "http://gateway/", False)]


def test_probe_without_an_answer_says_nothing(monkeypatch):
    def silent(_):
        raise httpx.ReadTimeout("x")

    assert Transport(client=httpx.Client(transport=httpx.MockTransport(silent))).probe("http://gateway") is None


async def test_probe_in_a_loop(server):
    assert await Transport().aprobe(server.url) == 200
    with pytest.raises(PortkeyConnectionError, match="Nothing answers"):
        await Transport().aprobe(nothing_listens())


def test_probe_of_nothing_is_the_connection_error():
    with pytest.raises(PortkeyConnectionError, match="Nothing answers"):
        Transport().probe(nothing_listens())


# ---------------------------------------------------------------------- the user's clients, proxies, TLS


def test_the_users_client_is_used_as_it_is_and_never_closed(server):
    with httpx.Client(headers={"x-mine": "1"}) as client:
        transport = Transport(client=client)
        transport.send(request(server), stream=False)
        transport.close()
        assert not client.is_closed

    assert b"x-mine: 1" in server.requests[0]
    assert module._sync_clients == {}


async def test_the_users_async_client_is_used_as_it_is_and_never_closed(server):
    async with httpx.AsyncClient(headers={"x-mine": "1"}) as client:
        transport = Transport(async_client=client)
        await transport.asend(request(server), stream=False)
        await transport.aclose()
        assert not client.is_closed

    assert b"x-mine: 1" in server.requests[0]


async def test_the_users_clients_may_be_of_httpx2(server):
    httpx2 = pytest.importorskip("httpx2")
    with httpx2.Client() as client:
        assert Transport(client=client).send(request(server), stream=False).content == b"{}"
    async with httpx2.AsyncClient() as client:
        transport = Transport(async_client=client)
        assert (await transport.asend(request(server, timeout=3), stream=False)).content == b"{}"
        response = await transport.asend(request(server, "/pieces", timeout=3), stream=True)
        assert b"".join([piece async for piece in transport.aiterate(response)]) == b"onetwothree"


def test_a_proxy_is_used_when_given(server):
    Transport(HTTPSettings(proxy=server.url)).send(HTTPRequest("http://gateway.invalid/v1", {}, b""), stream=False)

    assert server.requests[0].startswith(b"POST http://gateway.invalid/v1 ")


def test_the_proxy_of_the_environment_is_not_for_this_machine(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", nothing_listens())
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert Transport().send(request(server), stream=False).status_code == 200
    with pytest.raises(PortkeyConnectionError):
        Transport().send(HTTPRequest("http://gateway.invalid/v1", {}, b""), stream=False)


def test_certificates_are_checked_unless_the_user_says_otherwise(tmp_path):
    import ssl

    assert HTTPSettings().client_arguments(secure=True)["verify"] is True
    assert HTTPSettings(verify=False).client_arguments(secure=True)["verify"] is False
    plain = HTTPSettings(verify=False).client_arguments(secure=False)["verify"]
    assert (plain.verify_mode, plain.get_ca_certs()) == (ssl.CERT_REQUIRED, [])
    with pytest.raises(FileNotFoundError):
        HTTPSettings(verify=str(tmp_path / "none.pem")).client_arguments(secure=True)


# ---------------------------------------------------------------------- what exceptions carry


def test_a_detached_answer_has_no_request_of_ours_and_can_be_pickled():
    sent = HTTPRequest("http://gateway/v1/chat", {"authorization": "Bearer hush-hush"}, b"prompt")
    headers = {"x-request-id": "1", "set-cookie": "a=b", "content-encoding": "gzip", "x-echo": "key hush-hush"}
    received = Answer(401, [(name.encode(), value.encode()) for name, value in headers.items()], sent)

    copy = pickle.loads(
        pickle.dumps(detached(received, b"Incorrect API key provided: hush-hush", ["hush-hush", "key"]))
    )

    assert (copy.status_code, copy.headers["x-request-id"]) == (401, "1")
    assert copy.text == "Incorrect API key provided: **********"
    assert "set-cookie" not in copy.headers
    assert "hush" not in repr(copy.headers) + repr(copy.request.headers) + copy.text
    assert str(copy.request.url) == "http://gateway/v1/chat"


def test_headers_of_one_name_are_joined_and_names_are_in_lower_case():
    answer = Answer(
        200, [(b"X-Portkey-Provider", b"evil"), (b"x-portkey-provider", b"anthropic")], HTTPRequest("u", {}, b"")
    )

    assert answer.headers == {"x-portkey-provider": "evil, anthropic"}


def test_repr_of_a_request_shows_neither_headers_nor_body(server):
    assert "hush" not in repr(request(server))
