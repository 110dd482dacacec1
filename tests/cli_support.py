"""Running the command as a user does: in a process, on a terminal, with a model that the stand-in answers."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from langchain_pollinations_portkey.gateway._install import default_folder
from langchain_pollinations_portkey.testing import StandInProvider

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "langchain_pollinations_portkey"]
PATIENCE = 30.0
PS = shutil.which("ps")


def cache_with_pinned_gateway(folder: Path) -> Path:
    """A value for `PORTKEY_GATEWAY_CACHE` under which the pinned gateway of the checkout is found."""
    folder.mkdir(exist_ok=True)
    (folder / default_folder().name).symlink_to(ROOT / ".gateways" / "pinned", target_is_directory=True)
    return folder


def catalogue_file(path: Path, provider: StandInProvider, more: str = "") -> Path:
    """A value for `PORTKEY_CATALOGUE` with models that the stand-in answers."""
    path.write_text(
        f"""
[played]
provider = "openai"
model = "gpt-played"
custom_host = "{provider.lenient_url}"

[other]
provider = "anthropic"
model = "claude-played"
custom_host = "{provider.url}"
{more}
""",
        encoding="utf-8",
    )
    return path


def environment(**variables: str | Path) -> dict[str, str]:
    """This process's variables (without keys, by the fixture for all tests) and these."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
        "COLUMNS": "100",
        **{name: str(value) for name, value in variables.items()},
    }


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run(*arguments: str, cwd: Path, stdin: str | None = None, **variables: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(**variables),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE * 2,
        check=False,
    )


class Terminal:
    """The command on a terminal of its own, to type at and to read from."""

    def __init__(self, *arguments: str, cwd: Path, environment: Mapping[str, str]) -> None:
        import pty
        import termios

        self._master, slave = pty.openpty()
        try:
            # What is typed is not shown: the test waits for what the command writes.
            settings = termios.tcgetattr(slave)
            settings[3] &= ~termios.ECHO
            termios.tcsetattr(slave, termios.TCSANOW, settings)
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=cwd,
                env=dict(environment),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                preexec_fn=_make_terminal_ours,  # noqa: PLW1509 - an ioctl and nothing else
            )
        finally:
            os.close(slave)
        self.text = ""
        self._read_up_to = 0

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, expected: str) -> str:
        """What was written since the last call, up to `expected`."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.text.find(expected, self._read_up_to)) < 0:
            assert time.monotonic() < deadline, f"no {expected!r} in {self.text[self._read_up_to :]!r}"
            assert self._take(), f"ended without {expected!r}: {self.text[self._read_up_to :]!r}"
        start, self._read_up_to = self._read_up_to, found + len(expected)
        return self.text[start : self._read_up_to]

    def end(self) -> int:
        """The exit status, once the command has ended by itself."""
        deadline = time.monotonic() + PATIENCE
        while self._take():
            assert time.monotonic() < deadline, self.text
        return self.process.wait(timeout=PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 0.2)
        if not ready:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux's way of saying that the other side is closed
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)


def _make_terminal_ours() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C, typed, is a signal


def nodes_of(pid: int) -> list[int]:
    """The ids of the node processes that a process has started."""
    listing = subprocess.run(
        [PS, "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split(maxsplit=2) for line in listing.splitlines())
    return [int(row[0]) for row in rows if len(row) == 3 and int(row[1]) == pid and "start-server.js" in row[2]]


def wait_for_node(pid: int) -> int:
    deadline = time.monotonic() + PATIENCE
    while not (found := nodes_of(pid)):
        assert time.monotonic() < deadline, "no gateway was started"
        time.sleep(0.05)
    return found[0]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = subprocess.run([PS, "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        if answer.stdout.strip()[:1] in ("", "Z"):
            return
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)
