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


def parent(before: str = "", then: str = SLEEP) -> tuple[subprocess.Popen[str], int, int]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PARENT.format(before=before or "pass", then=then), str(PINNED)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
    process, pid, port = parent()
    assert answers(port)
    process.send_signal(signal_number)
    process.communicate(timeout=10)
    wait_until_gone(pid, port)


@pytest.mark.parametrize("then", ["os._exit(1)", "sys.exit(1)", "raise ValueError"])
def test_it_goes_when_its_parent_exits(then):
    process, pid, port = parent(then=then)
    process.communicate(timeout=10)
    assert process.returncode == 1
    wait_until_gone(pid, port)


def test_it_goes_at_exit_without_a_stop():
    process, pid, port = parent(before="again = LocalGateway(install_dir=sys.argv[1])", then=AGAIN)
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
def test_it_goes_although_another_child_of_the_parent_lives(sibling):
    process, pid, port = parent(before=sibling, then="print(sibling, flush=True); " + SLEEP)
    other = int(process.stdout.readline())
    try:
        process.kill()
        process.wait(timeout=10)
        wait_until_gone(pid, port)
        assert alive(other)
    finally:
        os.kill(other, signal.SIGKILL)
        process.communicate(timeout=10)


def test_a_fork_that_exits_leaves_it_running():
    fork = "child = os.fork()\n    if child == 0: gateway.stop(); sys.exit(0)\n    os.waitpid(child, 0)"
    process, pid, port = parent(before=fork)
    try:
        assert alive(pid)
        assert answers(port)
    finally:
        process.kill()
        _, errors = process.communicate(timeout=10)
    assert errors == ""
    wait_until_gone(pid, port)


def test_an_interrupt_of_the_whole_group_is_left_to_python():
    # Ctrl-C in a terminal signals every process of the foreground group.
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PARENT.format(before="signal.signal(signal.SIGINT, signal.SIG_IGN)", then=SLEEP),
            str(PINNED),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pid, port = map(int, process.stdout.readline().split())
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert answers(port)
    process.kill()
    process.communicate(timeout=10)
    wait_until_gone(pid, port)
