"""A `LocalGateway` never outlives its parent, and does not end before it."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = ROOT / ".gateways" / "pinned"
PS = shutil.which("ps")

pytestmark = pytest.mark.gateway

SERVER = """
const port = process.argv.find((argument) => argument.startsWith("--port=")).slice("--port=".length);
require("http").createServer((request, response) => response.end()).listen(+port);
"""
"""A gateway that writes nothing: one that writes dies of its broken output, whatever else holds."""

PARENT = """
import os, signal, subprocess, sys, time
from langchain_pollinations_portkey.gateway.local import LocalGateway
with LocalGateway(install_dir=sys.argv[1]) as gateway:
    {before}
    print(gateway.pid, gateway.port, flush=True)
    {then}
"""
SLEEP = "time.sleep(60)"
AGAIN = "again.start(); print(again.pid, again.port, flush=True)"
READY = "while 'Ready' not in gateway.output: time.sleep(0.02)"


@pytest.fixture
def quiet(tmp_path):
    script = tmp_path / "node_modules/@portkey-ai/gateway/build/start-server.js"
    script.parent.mkdir(parents=True)
    script.write_text(SERVER)
    return tmp_path


def parent(install: Path, before: str = "pass", then: str = SLEEP) -> tuple[subprocess.Popen[str], int, int]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PARENT.format(before=before, then=then), str(install)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pid, port = process.stdout.readline().split()
    return process, int(pid), int(port)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    answer = subprocess.run([PS, "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1] not in ("", "Z")


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def wait_until_gone(pid: int, port: int) -> None:
    deadline = time.monotonic() + 5
    while alive(pid) or is_open(port):
        assert time.monotonic() < deadline, f"the gateway {pid} outlived its parent"
        time.sleep(0.02)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_it_goes_when_its_parent_is_killed(signal_number):
    process, pid, port = parent(PINNED, before=READY)
    assert answers(port)
    process.send_signal(signal_number)
    process.communicate(timeout=10)
    wait_until_gone(pid, port)


@pytest.mark.parametrize("then", ["os._exit(1)", "sys.exit(1)", "raise ValueError"])
def test_it_goes_when_its_parent_exits(then, quiet):
    process, pid, port = parent(quiet, then=then)
    process.communicate(timeout=10)
    assert process.returncode == 1
    wait_until_gone(pid, port)


def test_it_goes_at_exit_without_a_stop(quiet):
    process, pid, port = parent(quiet, before="again = LocalGateway(install_dir=sys.argv[1])", then=AGAIN)
    again_pid, again_port = map(int, process.stdout.readline().split())
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    wait_until_gone(pid, port)
    wait_until_gone(again_pid, again_port)


@pytest.mark.parametrize(
    "sibling",
    [
        "sibling = subprocess.Popen(['sleep', '60']).pid",
        "sibling = os.fork()\n    if sibling == 0: time.sleep(60); os._exit(0)",
    ],
    ids=["subprocess", "fork"],
)
def test_it_goes_although_another_child_of_the_parent_lives(sibling, quiet):
    process, pid, port = parent(quiet, before=sibling, then="print(sibling, flush=True); " + SLEEP)
    other = int(process.stdout.readline())
    try:
        process.kill()
        process.wait(timeout=10)
        wait_until_gone(pid, port)
        assert alive(other)
    finally:
        os.kill(other, signal.SIGKILL)
        process.communicate(timeout=10)


def test_a_fork_that_exits_leaves_it_running(quiet):
    fork = "child = os.fork()\n    if child == 0: gateway.stop(); sys.exit(0)\n    os.waitpid(child, 0)"
    process, pid, port = parent(quiet, before=fork)
    try:
        assert alive(pid)
        assert answers(port)
    finally:
        process.kill()
        _, errors = process.communicate(timeout=10)
    assert errors == ""
    wait_until_gone(pid, port)


def test_an_interrupt_of_the_whole_group_is_left_to_python(quiet):
    # Ctrl-C in a terminal signals every process of the foreground group.
    process, pid, port = parent(quiet, before="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert answers(port)
    process.kill()
    process.communicate(timeout=10)
    wait_until_gone(pid, port)
