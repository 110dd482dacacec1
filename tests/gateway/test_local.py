"""`LocalGateway`: it starts, answers, says what is wrong when it does not, and never outlives its parent."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from langchain_pollinations_portkey.errors import PortkeyConfigurationError, PortkeyError
from langchain_pollinations_portkey.gateway.local import LocalGateway, LocalGatewayError

ROOT = Path(__file__).parents[2]
PINNED = ROOT / ".gateways" / "pinned"
PLAIN = ROOT / ".gateways" / "plain"
PS = shutil.which("ps")
SCRIPT = Path("node_modules/@portkey-ai/gateway/build/start-server.js")

pytestmark = pytest.mark.gateway

SERVER = "require('http').createServer((q, a) => a.end()).listen(+process.argv.find((a) => a.startsWith('--port=')).slice(7));"
"""What the gateway does as far as its start is concerned."""


@pytest.fixture
def fake(tmp_path):
    """Makes an install whose gateway is the given JavaScript."""

    def make(script: str) -> Path:
        path = tmp_path / "install" / SCRIPT
        path.parent.mkdir(parents=True)
        path.write_text(script)
        return tmp_path / "install"

    return make


@pytest.fixture(scope="module")
def gateway():
    with LocalGateway(install_dir=PINNED) as running:
        yield running


def call(port: int, method: str = "GET", path: str = "/", body: object = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def chat(port: int, custom_host: str) -> tuple[int, str]:
    return call(
        port,
        "POST",
        "/v1/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        x_portkey_provider="openai",
        authorization="Bearer k",
        x_portkey_custom_host=custom_host,
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    answer = subprocess.run([PS, "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1] not in ("", "Z")


def is_open(port: int, address: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Start and stop


def test_it_answers_at_its_base_url(gateway):
    assert gateway.base_url == f"http://127.0.0.1:{gateway.port}/v1"
    assert call(gateway.port) == (200, "AI Gateway says hey!")
    assert repr(gateway) == f"LocalGateway('{gateway.base_url}', pid={gateway.pid})"
    assert gateway.install_dir == PINNED


def test_the_pinned_gateway_is_good_and_the_plain_one_is_not(gateway):
    with LocalGateway(install_dir=PLAIN) as plain:
        assert call(plain.port)[0] == 200
        assert call(plain.port, "HEAD")[0] == 500
    assert call(gateway.port, "HEAD")[0] == 200


def test_the_page_that_shows_keys_is_off(gateway):
    assert call(gateway.port, path="/public/")[0] == 404
    assert call(gateway.port, path="/log/stream")[0] == 404


def test_only_loopback_reaches_it_unless_asked_for(gateway):
    own = own_address()
    assert not is_open(gateway.port, own)
    with LocalGateway(install_dir=PINNED, all_interfaces=True) as wide:
        assert is_open(wide.port, own)


def own_address() -> str:
    """An address of this machine that is not 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return probe.getsockname()[0]
        except OSError:
            return "::1"


def test_stop_ends_it_and_it_starts_again():
    gateway = LocalGateway(install_dir=PINNED, port=free_port())
    for _ in range(2):
        gateway.start()
        pid = gateway.pid
        gateway.start()  # running: nothing
        assert gateway.pid == pid is not None
        gateway.stop()
        gateway.stop()
        assert gateway.pid is None
        assert not alive(pid)
        assert not is_open(gateway.port)
        assert repr(gateway) == "LocalGateway(stopped)"


async def test_async_too():
    async with LocalGateway(install_dir=PINNED) as gateway:
        assert (await asyncio.to_thread(call, gateway.port))[0] == 200
        pid, port = gateway.pid, gateway.port
    assert not alive(pid)
    assert not is_open(port)


async def test_a_cancelled_start_leaves_nothing_running(fake):
    gateway = LocalGateway(install_dir=fake("setInterval(() => {}, 1000)"), start_timeout=1)
    starting = asyncio.create_task(gateway.astart())
    await asyncio.to_thread(wait_for, lambda: gateway.pid is not None)
    pid = gateway.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(pid)


def test_an_unreferenced_gateway_ends():
    gateway = LocalGateway(install_dir=PINNED)
    gateway.start()
    pid, port = gateway.pid, gateway.port
    del gateway
    gc.collect()
    wait_for(lambda: not alive(pid) and not is_open(port))


def test_the_output_is_kept_without_colours_and_bounded(fake):
    script = SERVER + (
        "process.stdout.write('\\u001b[32m\\r- Starting\\r/ Starting\\r'); console.log('\\u001b[1mready\\u001b[0m');"
        "console.log('a'.repeat(1e6)); for (let i = 0; i < 1000; i++) console.log('line ' + i);"
    )
    with LocalGateway(install_dir=fake(script)) as gateway:
        wait_for(lambda: gateway.output.endswith("line 999"))
        assert gateway.output.splitlines() == [f"line {number}" for number in range(800, 1000)]
    assert gateway.output.endswith("line 999")


def test_the_start_animation_is_not_in_the_output(gateway):
    wait_for(lambda: "Ready for connections!" in gateway.output)
    assert "Starting" not in gateway.output
    assert "\x1b" not in gateway.output


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# What it is told


class Upstream(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = json.dumps({"id": "1", "object": "chat.completion", "choices": []}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def upstream():
    server = HTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_private_host_is_refused_unless_trusted(gateway, upstream):
    assert chat(gateway.port, f"http://127.0.0.1:{upstream}")[0] == 200
    assert "Invalid custom host" in chat(gateway.port, "http://127.0.0.2:9")[1]
    with LocalGateway(install_dir=PINNED, trusted_custom_hosts=["127.0.0.2"]) as trusting:
        assert "Invalid custom host" not in chat(trusting.port, "http://127.0.0.2:9")[1]
        assert chat(trusting.port, f"http://127.0.0.1:{upstream}")[0] == 200
        assert "Invalid custom host" in chat(trusting.port, "http://gpu-box.lan:9")[1]


def environment_of(install: Path, **arguments) -> dict[str, str]:
    with LocalGateway(install_dir=install, **arguments) as gateway:
        wait_for(lambda: gateway.output)
        return json.loads(gateway.output)


ECHO = SERVER + "console.log(JSON.stringify(process.env))"
DEFAULTS = "localhost,127.0.0.1,::1,host.docker.internal"


@pytest.mark.parametrize(
    ("inherited", "given", "expected"),
    [
        (None, [], None),
        ("", [], None),
        (None, ["GPU-box.lan", "192.168.1.5"], f"{DEFAULTS},gpu-box.lan,192.168.1.5"),
        (None, ["localhost"], DEFAULTS),
        ("old.lan, other.lan", [], f"{DEFAULTS},old.lan,other.lan"),
        ("old.lan", ["gpu-box.lan"], f"{DEFAULTS},old.lan,gpu-box.lan"),
        (None, "gpu-box.lan", f"{DEFAULTS},gpu-box.lan"),
    ],
)
def test_trusted_hosts_add_to_the_gateways_own(inherited, given, expected, fake, monkeypatch):
    monkeypatch.delenv("TRUSTED_CUSTOM_HOSTS", raising=False)
    if inherited is not None:
        monkeypatch.setenv("TRUSTED_CUSTOM_HOSTS", inherited)
    environment = environment_of(fake(ECHO), trusted_custom_hosts=given)
    assert environment.get("TRUSTED_CUSTOM_HOSTS") == expected


@pytest.mark.parametrize("host", ["http://gpu-box.lan", "gpu-box.lan:8000", "a.lan,b.lan", "gpu-box.lan/v1"])
def test_a_trusted_host_is_a_name_alone(host):
    with pytest.raises(PortkeyConfigurationError, match="leave out scheme, port and path"):
        LocalGateway(trusted_custom_hosts=[host])


def test_no_key_of_the_environment_reaches_it(fake, monkeypatch):
    secret = (
        "OPENAI_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AZURE_CLIENT_SECRET",
        "PORTKEY_API_KEY",
        "NPM_TOKEN",
        "NODE_AUTH_TOKEN",
    )
    for name in secret:
        monkeypatch.setenv(name, "sk-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NODE_OPTIONS", "--max-http-header-size=32768")
    environment = environment_of(fake(ECHO), env={"AWS_ENDPOINT_DOMAIN": "amazonaws.com.cn"})
    assert "sk-secret" not in environment.values()
    assert environment["AWS_ENDPOINT_DOMAIN"] == "amazonaws.com.cn"
    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert environment["NODE_OPTIONS"] == "--max-http-header-size=32768"


# What can go wrong


def test_a_port_that_is_taken_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalGatewayError, match=f"Port {port} is taken by another process. Choose another"):
            LocalGateway(install_dir=PINNED, port=port).start()


def test_a_port_that_is_taken_meanwhile_is_named(fake):
    # Bound without listening, it looks free until node binds it.
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(LocalGatewayError, match=f"Port {port} is taken"):
            LocalGateway(install_dir=PINNED, port=port).start()


def test_a_gateway_that_dies_at_its_start(fake):
    gateway = LocalGateway(install_dir=fake("console.error('no such thing'); process.exit(3)"))
    with pytest.raises(LocalGatewayError) as caught:
        gateway.start()
    assert str(caught.value) == "The gateway ended at its start (exit 3). It wrote:\nno such thing"
    assert isinstance(caught.value, PortkeyError)
    assert gateway.pid is None


def test_a_gateway_that_is_not_ready_in_time_is_ended(fake):
    gateway = LocalGateway(install_dir=fake("console.log(process.pid); setInterval(() => {}, 1e3)"), start_timeout=0.5)
    with pytest.raises(LocalGatewayError, match=r"did not answer within 0\.5 s; `start_timeout`.*It wrote:\n\d+"):
        gateway.start()
    assert not alive(int(gateway.output))


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none(port):
    with pytest.raises(PortkeyConfigurationError, match="is no TCP port"):
        LocalGateway(port=port)


def test_a_port_before_the_start():
    assert LocalGateway(port=8787).base_url == "http://127.0.0.1:8787/v1"
    with pytest.raises(LocalGatewayError, match="start it"):
        _ = LocalGateway().base_url


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (None, r"needs Node\.js 18 or newer, and no `node` is on PATH\. Get it from https://nodejs\.org"),
        ("echo 16.20.2; echo /bin/node", r"needs Node\.js 18 or newer; `.*/node` is 16\.20\.2\. Get it"),
        (
            "echo no version is set >&2; exit 126",
            r"does not run as Node\.js \(exit 126\).*\nno version is set$",
        ),
        ("echo hello", r"does not run as Node\.js \(exit 0\)"),
    ],
    ids=["none", "too old", "fails", "something else"],
)
def test_no_usable_node(node, message, tmp_path, monkeypatch):
    if node is not None:
        (tmp_path / "node").write_text(f"#!/bin/sh\n{node}\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalGatewayError, match=message):
        LocalGateway(install_dir=PINNED).start()


def test_a_shim_of_a_version_manager_is_looked_through(tmp_path, monkeypatch):
    real = shutil.which("node")
    (tmp_path / "node").write_text(f'#!/bin/sh\n{real} "$@"\n')  # without exec: a process between us and node
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with LocalGateway(install_dir=PINNED) as gateway:
        pid, port = gateway.pid, gateway.port
        command = subprocess.run([PS, "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
        assert "node --require" in command.stdout
        assert not command.stdout.startswith("/bin/sh")
    assert not is_open(port)


def test_a_missing_install_is_made(tmp_path, monkeypatch):
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\nmkdir -p {SCRIPT.parent}\ncat > {SCRIPT} <<'END'\n{SERVER}\nEND\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent), prepend=os.pathsep)
    monkeypatch.setenv("PORTKEY_GATEWAY_CACHE", str(tmp_path / "cache"))
    with LocalGateway() as gateway:
        assert gateway.install_dir.parent == tmp_path / "cache"
        assert call(gateway.port)[0] == 200
