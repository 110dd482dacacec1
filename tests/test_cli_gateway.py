"""`pollinations-portkey gateway`: a gateway in the foreground, and nothing left of it afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.testing import StandInProvider
from tests import cli_support

pytestmark = pytest.mark.gateway


@pytest.fixture
def port() -> int:
    return cli_support.free_port()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return cli_support.cache_with_pinned_gateway(tmp_path / "cache")


@pytest.fixture
def running(port: int, cache: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*cli_support.COMMAND, "gateway", "--port", str(port), "--trust-host", "gpu-box.lan"],
        cwd=tmp_path,
        env=cli_support.environment(PORTKEY_GATEWAY_CACHE=cache, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_says_where_it_is_and_stops_on_ctrl_c(
    running: subprocess.Popen[str], port: int, provider: StandInProvider
) -> None:
    url = f"http://127.0.0.1:{port}/v1"
    assert url in running.stdout.readline()
    assert running.stdout.readline() == f"export PORTKEY_GATEWAY_URL={url}\n"
    node = cli_support.wait_for_node(running.pid)
    chat = ChatPortkey(model="openai/gpt-4o", base_url=url, custom_host=provider.url)
    assert len(list(chat.stream("Hello"))) > 2

    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=cli_support.PATIENCE)
    assert (running.returncode, output, errors) == (0, "", "Stopped.\n")
    cli_support.wait_until_gone(node)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_it(number: signal.Signals, running: subprocess.Popen[str]) -> None:
    running.stdout.readline()
    node = cli_support.wait_for_node(running.pid)
    running.send_signal(number)
    _, errors = running.communicate(timeout=cli_support.PATIENCE)
    assert (running.returncode, errors) == (128 + number, "")
    cli_support.wait_until_gone(node)


def test_a_gateway_that_ends_by_itself_is_an_error(running: subprocess.Popen[str]) -> None:
    running.stdout.readline()
    os.kill(cli_support.wait_for_node(running.pid), signal.SIGKILL)
    _, errors = running.communicate(timeout=cli_support.PATIENCE)
    assert running.returncode == 1
    assert errors.startswith("Error: The gateway ended by itself.")


def test_a_taken_port_is_told(cache: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answer = cli_support.run("gateway", "--port", str(port), cwd=tmp_path, PORTKEY_GATEWAY_CACHE=cache)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"Error: Port {port} is taken")
    assert len(answer.stderr.splitlines()) == 1


def test_no_node_is_told(cache: Path, tmp_path: Path) -> None:
    answer = cli_support.run("gateway", cwd=tmp_path, PORTKEY_GATEWAY_CACHE=cache, PATH=tmp_path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "Node.js" in answer.stderr


def test_a_host_that_is_none_is_told(tmp_path: Path) -> None:
    answer = cli_support.run("gateway", "--trust-host", "http://gpu-box.lan", cwd=tmp_path)
    assert answer.returncode == 1
    assert "is no host name" in answer.stderr
