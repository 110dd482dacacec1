"""Connections in an event loop: what comes, what does not come in time, what ends them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpcore
import pytest

from langchain_pollinations_portkey.errors import PortkeyConnectionError
from langchain_pollinations_portkey.gateway.http.clients import HTTPSettings
from langchain_pollinations_portkey.gateway.http.loop_stream import LoopBackend, LoopStream
from langchain_pollinations_portkey.gateway.http.messages import HTTPRequest
from langchain_pollinations_portkey.gateway.http.transport import Transport
from tests.gateway.http.test_transport import OK, nothing_listens


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[httpcore.AsyncNetworkStream, socket.socket]]:
    """A stream of ours and the socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await LoopBackend().connect_tcp("127.0.0.1", listener.getsockname()[1], timeout=5)
        other, _ = listener.accept()
        with other:
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield stream, other
            await stream.aclose()


async def until_readable(stream: httpcore.AsyncNetworkStream) -> None:
    async with asyncio.timeout(5):
        while not stream.get_extra_info("is_readable"):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.001)


async def test_bytes_come_as_they_were_sent_and_none_at_the_end():
    async with connected() as (stream, other):
        reading = asyncio.create_task(stream.read(100, 5))
        await asyncio.sleep(0)
        other.sendall(b"one")
        assert await reading == b"one"
        other.sendall(b"two")
        other.shutdown(socket.SHUT_WR)
        await until_readable(stream)
        assert await stream.read(100, 5) == b"two"
        assert await stream.read(100, 5) == b""
        assert await stream.read(100, None) == b""


async def test_no_more_than_asked_for_is_given_and_nothing_is_lost():
    data = bytes(range(256)) * 4000
    async with connected() as (stream, other):
        sending = asyncio.create_task(asyncio.to_thread(other.sendall, data))
        came = b""
        while len(came) < len(data):
            piece = await stream.read(1000, 5)
            assert len(piece) <= 1000
            came += piece
        await sending

    assert came == data


async def test_who_does_not_read_stops_the_sender():
    """Nothing is read ahead but what two reads of the loop bring."""
    async with connected() as (stream, other):
        other.setblocking(False)
        sent = 0
        for _ in range(200):
            with contextlib.suppress(BlockingIOError):
                sent += other.send(b"x" * (1 << 18))
            await asyncio.sleep(0.001)
        with pytest.raises(BlockingIOError):
            other.send(b"x")
        held = sum(map(len, stream._protocol._came))
        assert held <= 2 * (1 << 18)

        came = 0
        while came < sent:
            came += len(await stream.read(1 << 16, 5))
        assert came == sent


async def test_silence_ends_in_time_and_can_be_followed_by_more():
    async with connected() as (stream, other):
        for _ in range(2):
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(100, 0.02)
        other.sendall(b"late")
        assert await stream.read(100, 5) == b"late"


async def test_a_shorter_limit_counts_after_a_longer_one():
    async with connected() as (stream, other):
        for limit in (60, 50, None):
            asyncio.get_running_loop().call_later(0.01, other.sendall, b"a")
            assert await stream.read(100, limit) == b"a"
        async with asyncio.timeout(20):
            with pytest.raises(httpcore.ReadTimeout):
                await stream.read(100, 0.02)


async def test_a_timer_set_for_an_earlier_read_does_not_end_a_later_one():
    async with connected() as (stream, other):
        for limit in (60, None):
            reading = asyncio.create_task(stream.read(100, limit))
            await asyncio.sleep(0)
            if stream._protocol._timer is not None:
                stream._protocol._timer.cancel()
            stream._protocol._time_is_up()
            assert (stream._protocol._timer is None) == (limit is None)
            other.sendall(b"x")
            assert await reading == b"x"


async def test_one_timer_serves_all_reads():
    async with connected() as (stream, other):
        timers = set()
        for _ in range(5):
            reading = asyncio.create_task(stream.read(100, 60))
            await asyncio.sleep(0)
            timers.add(id(stream._protocol._timer))
            other.sendall(b"x")
            await reading
        assert len(timers) == 1
        timer = stream._protocol._timer
    assert timer.cancelled()


@pytest.mark.parametrize("ending", ["closed", "reset"])
async def test_what_waits_when_the_connection_ends_is_an_error_or_the_end(ending):
    async with connected() as (stream, other):
        other.sendall(b"x")
        assert await stream.read(1, 5) == b"x"
        reading = asyncio.create_task(stream.read(100, 5))
        await asyncio.sleep(0)
        if ending == "closed":
            await stream.aclose()
        else:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()
        with pytest.raises(httpcore.ReadError):
            await reading
        with pytest.raises(httpcore.ReadError):
            await stream.read(100, 5)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x", 5)


async def test_a_cancelled_read_leaves_the_connection_readable():
    async with connected() as (stream, other):
        reading = asyncio.create_task(stream.read(100, 5))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        other.sendall(b"x")
        assert await stream.read(100, 5) == b"x"


async def test_much_is_written_as_the_other_end_reads():
    async with connected() as (stream, other):

        def receive() -> int:
            came = 0
            while came < 5_000_000:
                came += len(other.recv(1 << 16))
            return came

        other.setblocking(True)
        receiving = asyncio.create_task(asyncio.to_thread(receive))
        await stream.write(b"", 5)
        await stream.write(b"x" * 5_000_000, 5)
        assert await receiving == 5_000_000


async def test_who_does_not_take_what_is_written_ends_it():
    async with connected() as (stream, _):
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"x" * 50_000_000, 0.05)
    async with connected() as (stream, other):
        writing = asyncio.create_task(stream.write(b"x" * 50_000_000, 5))
        await asyncio.sleep(0.01)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(httpcore.WriteError):
            await writing


async def test_an_end_that_the_loop_has_not_seen_makes_it_readable():
    async with connected() as (stream, other):
        assert not stream.get_extra_info("is_readable")
        other.close()
        assert stream.get_extra_info("is_readable")
        await stream.aclose()
        assert stream.get_extra_info("is_readable")


async def test_what_httpcore_asks_is_answered():
    async with connected() as (stream, other):
        assert stream.get_extra_info("server_addr") == other.getsockname()
        assert stream.get_extra_info("client_addr") == other.getpeername()
        assert stream.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream.get_extra_info("ssl_object") is None
        assert stream.get_extra_info("unknown") is None


async def test_options_and_addresses_are_taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        stream = await LoopBackend().connect_tcp(
            "localhost", listener.getsockname()[1], local_address="127.0.0.1", socket_options=options
        )
        assert stream.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        await stream.aclose()


@pytest.mark.parametrize(
    ("host", "raced"), [("127.0.0.1", False), ("::1", False), ("localhost", False), ("gateway.example", True)]
)
async def test_addresses_of_other_machines_are_tried_side_by_side(monkeypatch, host, raced):
    asked = []

    async def refuse(*_, **options) -> None:
        asked.append(options)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refuse, raising=False)
    with pytest.raises(httpcore.ConnectError):
        await LoopBackend().connect_tcp(host, 80, timeout=5)
    assert ("happy_eyeballs_delay" in asked[0]) == raced


async def test_nobody_there_is_an_error_of_connecting(monkeypatch):
    port = int(nothing_listens().rpartition(":")[2])
    with pytest.raises(httpcore.ConnectError):
        await LoopBackend().connect_tcp("127.0.0.1", port, timeout=5)
    with pytest.raises(httpcore.ConnectError):
        await LoopBackend().connect_tcp("name.invalid", port, timeout=5)

    async def never(*_, **__) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never, raising=False)
    with pytest.raises(httpcore.ConnectTimeout):
        await LoopBackend().connect_tcp("127.0.0.1", port, timeout=0.01)


# ---------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A file with a key and a certificate for `localhost`, signed by itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    made = (openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names)
    subprocess.run([*made, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    whole = folder / "both.pem"
    whole.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return whole


@contextlib.asynccontextmanager
async def https(certificate: Path, answer: list[bytes]) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                for piece in answer:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.002)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def test_answers_come_through_tls(certificate):
    used = Transport(HTTPSettings(verify=str(certificate)))
    long = b"x" * 300_000
    plain = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(long) + long
    async with https(certificate, [plain]) as url:
        for _ in range(2):
            assert (await used.asend(HTTPRequest(url, {}, long), stream=False)).content == long
    chunks = [b"b\r\ndata: one\n\n\r\n", b"b\r\ndata: two\n\n\r\n", b"0\r\n\r\n"]
    async with https(certificate, [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *chunks]) as url:
        response = await used.asend(HTTPRequest(url, {}, b"{}"), stream=True)
        assert b"".join([data async for data in used.aiterate(response)]) == b"data: one\n\ndata: two\n\n"
    await used.aclose()


async def test_a_certificate_nobody_vouches_for_is_refused(certificate):
    used = Transport(HTTPSettings(trust_env=False))
    async with https(certificate, [OK]) as url:
        with pytest.raises(PortkeyConnectionError, match="cannot be trusted") as raised:
            await used.asend(HTTPRequest(url, {}, b"{}"), stream=False)
    assert raised.value.sent is False
    await used.aclose()


async def test_tls_with_who_does_not_speak_it_is_an_error_of_connecting():
    async with connected() as (stream, other):
        assert isinstance(stream, LoopStream)
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(ssl.create_default_context(), "localhost", 0.05)
    async with connected() as (stream, other):
        other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(ssl.create_default_context(), "localhost", 5)
    async with connected() as (stream, other):
        asyncio.get_running_loop().call_later(0.01, other.close)
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(ssl.create_default_context(), "localhost", 5)
