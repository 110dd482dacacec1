"""Connections without a pool: kept, given up, counted, closed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time

import httpcore
import httpx
import pytest

from langchain_pollinations_portkey.errors import PortkeyConnectionError, PortkeyTimeoutError
from langchain_pollinations_portkey.gateway.http import clients
from langchain_pollinations_portkey.gateway.http import connections as module
from langchain_pollinations_portkey.gateway.http.clients import HTTPSettings
from langchain_pollinations_portkey.gateway.http.connections import AsyncConnections, Connections
from langchain_pollinations_portkey.gateway.http.messages import HTTPRequest
from langchain_pollinations_portkey.gateway.http.transport import Transport
from tests.gateway.http.test_transport import Server, fresh_clients, nothing_listens, request, server

__all__ = ["fresh_clients", "server"]


def asked(server: Server, path: str = "/") -> httpcore.Request:
    limits = dict.fromkeys(("connect", "read", "write", "pool"), 5.0)
    return httpcore.Request(
        "POST",
        server.url + path,
        headers=[("host", "x"), ("content-length", "2")],
        content=b"{}",
        extensions={"timeout": limits},
    )


def ask(connections: Connections, server: Server, path: str = "/") -> bytes:
    exchange = connections.open(asked(server, path))
    try:
        return b"".join(exchange)
    finally:
        exchange.close()


async def aask(connections: AsyncConnections, server: Server, path: str = "/") -> bytes:
    exchange = await connections.open(asked(server, path))
    try:
        return b"".join([piece async for piece in exchange])
    finally:
        await exchange.aclose()


# ---------------------------------------------------------------------- kept and given up


def test_the_connection_used_last_is_used_first(server):
    connections = Connections(None, None)
    first, second = connections.open(asked(server)), connections.open(asked(server))
    used = second._connection
    for exchange in (first, second):
        assert b"".join(exchange) == b"{}"
        exchange.close()

    again = connections.open(asked(server))

    assert again._connection is used
    assert server.connections == 2
    connections.close()


def test_connections_that_lie_too_long_are_closed_as_others_come_back(server, monkeypatch):
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.2)
    connections = Connections(None, None)
    exchanges = [connections.open(asked(server)) for _ in range(5)]
    held = [exchange._connection for exchange in exchanges]
    for exchange in exchanges:
        list(exchange)
        exchange.close()
    time.sleep(0.3)

    assert ask(connections, server) == b"{}"

    assert all(connection.is_closed() for connection in held)
    assert server.connections == 6
    assert len(connections._shelf._open) == 1
    connections.close()


async def test_connections_that_lie_too_long_are_closed_in_a_loop_too(server, monkeypatch):
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.2)
    connections = AsyncConnections(None, None)
    await asyncio.gather(*(aask(connections, server, "/slow") for _ in range(5)))
    await asyncio.sleep(0.3)

    assert await aask(connections, server) == b"{}"

    assert server.connections == 6
    assert len(connections._shelf._open) == 1
    await connections.aclose()


def test_a_connection_that_the_gateway_closed_meanwhile_is_not_used(server):
    class Closing(Server):
        def _last(self, connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            return False

    closing = Closing()
    connections = Connections(None, None)
    assert ask(connections, closing, "/last") == b"{}"
    time.sleep(0.1)
    assert ask(connections, closing) == b"{}"

    assert closing.connections == 2
    connections.close()
    closing.close()


def test_an_answer_left_unread_does_not_spoil_the_next(server):
    connections = Connections(None, 1)
    for _ in range(3):
        connections.open(asked(server, "/pieces")).close()
    assert ask(connections, server) == b"{}"

    assert server.connections == 4
    connections.close()


def test_an_exchange_can_be_closed_twice(server):
    connections = Connections(None, 1)
    exchange = connections.open(asked(server))
    list(exchange)
    exchange.close()
    exchange.close()

    assert connections._places._value == 1
    connections.close()


def test_connections_to_two_gateways_are_not_confused_and_share_the_limit(server):
    other = Server()
    connections = Connections(None, 2)
    for _ in range(3):
        assert ask(connections, server) == ask(connections, other) == b"{}"
    assert (server.connections, other.connections) == (1, 1)

    third = Server()
    assert ask(connections, third) == b"{}"

    assert len(connections._shelf._open) == 2
    assert server.closed_by_client.wait(5)
    connections.close()
    other.close()
    third.close()


# ---------------------------------------------------------------------- places


@pytest.mark.parametrize("path", ["/drop", "/silent"])
async def test_a_place_is_given_back_whatever_happens(server, path):
    connections = AsyncConnections(None, 2)
    for _ in range(5):
        with pytest.raises((httpcore.RemoteProtocolError, TimeoutError)):
            async with asyncio.timeout(0.1):
                await aask(connections, server, path)

    assert await aask(connections, server) == b"{}"
    assert connections._places._value == 2
    assert len(connections._shelf._open) == 1
    await connections.aclose()


async def test_a_call_cancelled_while_it_waits_for_a_place_takes_none(server):
    connections = AsyncConnections(None, 1)
    held = await connections.open(asked(server, "/dribble"))
    waiting = [asyncio.create_task(aask(connections, server)) for _ in range(3)]
    await asyncio.sleep(0.05)
    for task in waiting[:2]:
        task.cancel()
    await asyncio.gather(*waiting[:2], return_exceptions=True)
    await held.aclose()

    assert await waiting[2] == b"{}"
    assert connections._places._value == 1
    await connections.aclose()


async def test_a_storm_of_cancellations_leaves_everything_usable(server):
    connections = AsyncConnections(None, 5)

    async def call(number: int) -> bytes:
        async with asyncio.timeout(0.002 * (number % 40)):
            return await aask(connections, server, "/slow" if number % 3 else "/")

    await asyncio.gather(*(call(number) for number in range(200)), return_exceptions=True)

    assert connections._places._value == 5
    assert len(connections._shelf._open) <= 5
    assert await asyncio.gather(*(aask(connections, server) for _ in range(10))) == [b"{}"] * 10
    await connections.aclose()
    assert connections._shelf._open == {}


def test_threads_share_few_connections(server):
    connections = Connections(None, 4)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.extend(ask(connections, server) for _ in range(20))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [b"{}"] * 320
    assert server.connections <= 4
    assert connections._places._value == 4
    connections.close()


def test_the_limit_is_told_apart_from_silence(server):
    connection = Transport(HTTPSettings(max_connections=1))
    held = connection.send(request(server, "/dribble"), stream=True)
    with pytest.raises(PortkeyTimeoutError, match="max_connections"):
        connection.send(request(server, timeout=0.1), stream=False)
    held.close()


# ---------------------------------------------------------------------- the end


def test_closing_breaks_off_what_is_on_its_way(server):
    used = Transport()
    response = used.send(request(server, "/dribble"), stream=True)
    pieces = used.iterate(response)
    next(pieces)
    used.close()

    with pytest.raises(PortkeyConnectionError):
        list(pieces)
    response.close()
    assert used.send(request(server), stream=False).status_code == 200


async def test_closing_in_a_loop_breaks_off_what_is_on_its_way(server):
    used = Transport()
    response = await used.asend(request(server, "/dribble"), stream=True)
    pieces = used.aiterate(response)
    await anext(pieces)
    await used.aclose()

    with pytest.raises(PortkeyConnectionError):
        _ = [piece async for piece in pieces]
    await response.aclose()
    assert (await used.asend(request(server), stream=False)).status_code == 200


def test_a_stream_left_open_at_the_end_of_a_loop_is_closed(server, recwarn):
    async def leave() -> None:
        await Transport().asend(request(server, "/headers-then-silence"), stream=True)

    asyncio.run(leave())
    gc.collect()

    assert server.closed_by_client.wait(5)
    assert [str(warning.message) for warning in recwarn] == []


# ---------------------------------------------------------------------- on the wire


@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_head_and_body_arrive_whatever_their_size(size):
    """The body looks like the end of a head."""
    received = []

    class Counting(Server):
        def _serve(self, connection):
            with connection:
                data = b""
                while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < size:
                    data += connection.recv(1 << 20)
                received.append(data.partition(b"\r\n\r\n"))
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    server, body = Counting(), (b"x" * size + b"\r\n\r\n")[-size:] if size else b""
    for _ in range(2):
        assert Transport().send(HTTPRequest(server.url, {}, body), stream=False).content == b"{}"
        assert asyncio.run(Transport().asend(HTTPRequest(server.url, {}, body), stream=False)).content == b"{}"

    assert [part[2] for part in received] == [body] * 4
    server.close()


def test_a_short_request_is_one_packet(server, monkeypatch):
    written = []
    write = httpcore._backends.sync.SyncStream.write
    monkeypatch.setattr(
        "httpcore._backends.sync.SyncStream.write",
        lambda self, data, timeout=None: (written.append(data), write(self, data, timeout))[1],
    )
    Transport().send(request(server), stream=False)

    assert [data for data in written if data] == [written[0]]
    assert written[0].endswith(b"\r\n\r\n{}")


def test_the_request_is_what_httpx_would_have_sent(server):
    asking = HTTPRequest(
        f"{server.url}/v1/x?a=b", {"accept-encoding": "identity", "user-agent": "u", "x-own": "ä"}, b"{}"
    )
    Transport().send(asking, stream=False)
    with httpx.Client() as client:
        Transport(client=client).send(asking, stream=False)

    ours, theirs = (sorted(head.lower().split(b"\r\n")) for head in server.requests)
    assert ours == theirs


def test_a_header_of_the_users_wins(server):
    Transport().send(HTTPRequest(server.url, {"Host": "mine", "Accept": "text/plain"}, b"{}"), stream=False)

    assert server.requests[0].lower().count(b"host:") == 1
    assert b"host: mine" in server.requests[0].lower()


@pytest.mark.parametrize("value", ["a\nb", "€"])
def test_a_header_that_cannot_be_sent_is_refused_without_showing_it(server, value):
    with pytest.raises(PortkeyConnectionError) as raised:
        Transport().send(HTTPRequest(server.url, {"authorization": f"hush{value}"}, b"{}"), stream=False)

    assert raised.value.sent is False
    assert "hush" not in str(raised.value)
    assert Transport().send(request(server), stream=False).status_code == 200


def test_certificates_are_checked(tmp_path):
    """A server that speaks TLS with a certificate nobody signed."""
    with pytest.raises(PortkeyConnectionError):
        Transport().send(HTTPRequest(nothing_listens().replace("http", "https"), {}, b""), stream=False)
    direct = clients._direct_arguments((HTTPSettings(trust_env=False), True, False, True))
    assert direct is not None
    assert direct[0].verify_mode == 2
    assert direct[0].get_ca_certs()
    unchecked = clients._direct_arguments((HTTPSettings(verify=False, trust_env=False), True, False, True))
    assert unchecked[0].verify_mode == 0
    with pytest.raises(FileNotFoundError):
        clients._direct_arguments((HTTPSettings(verify=str(tmp_path / "none")), True, True, True))
    assert clients._direct_arguments((HTTPSettings(), False, True, True)) == (None, 1000)


# ---------------------------------------------------------------------- who else looks on


@pytest.mark.parametrize("name", ["Client.send", "HTTPTransport.handle_request"])
def test_whoever_replaces_a_part_of_httpx_sees_our_calls(server, monkeypatch, name):
    owner, method = name.split(".")
    original = getattr(getattr(httpx, owner), method)
    seen = []

    def watching(self, request, **options):
        seen.append(request)
        return original(self, request, **options)

    Transport().send(request(server), stream=False)
    with monkeypatch.context() as patch:
        patch.setattr(getattr(httpx, owner), method, watching)
        Transport().send(request(server), stream=False)
    Transport().send(request(server), stream=False)

    assert len(seen) == 1
    assert len(server.requests) == 3


def test_whoever_replaced_it_before_us_sees_our_calls(server):
    program = f"""
import httpx, functools
original, seen = httpx.HTTPTransport.handle_request, []
@functools.wraps(original)
def watching(self, request):
    seen.append(request)
    return original(self, request)
httpx.HTTPTransport.handle_request = watching
from langchain_pollinations_portkey.gateway.http.messages import HTTPRequest
from langchain_pollinations_portkey.gateway.http.transport import Transport
Transport().send(HTTPRequest({server.url!r}, {{}}, b""), stream=False)
assert len(seen) == 1
"""
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_nothing_of_httpx_is_replaced_here():
    assert not clients._replaced_before
    assert not clients._is_watched()


def test_a_proxy_of_the_environment_is_used_for_other_machines_only(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    Transport().send(HTTPRequest("http://gateway.invalid/v1", {}, b"{}"), stream=False)
    Transport().send(HTTPRequest(f"{server.url}/v1", {}, b"{}"), stream=False)

    assert server.requests[0].startswith(b"POST http://gateway.invalid/v1 ")
    assert server.requests[1].startswith(b"POST /v1 ")
