"""A Portkey gateway of one's own, as a child of this process.

    with LocalGateway() as gateway:
        ChatPortkey(model="portkey-gpt4", base_url=gateway.base_url).invoke("Hello")

Strategy: node runs the gateway's script directly, since what `npx` starts outlives it. Its stdin is a pipe
that this process holds and never writes to; `npm/preload.cjs` in the gateway's process exits when it closes,
which happens however this process ends. The same file binds the gateway to loopback and prints the port that
the operating system chose, so no port has to be guessed. A thread reads the output and keeps its last lines.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway._install import (
    PINNED,
    LocalGatewayError,
    Node,
    find_node,
    install,
    platform_environment,
    start_script,
)

__all__ = ["LocalGateway", "LocalGatewayError", "install"]

logger = logging.getLogger("langchain_pollinations_portkey.gateway.local")

_LOOPBACK = "127.0.0.1"
_DEFAULT_TRUSTED = ("localhost", "127.0.0.1", "::1", "host.docker.internal")
"""What the gateway (1.15.2) trusts without `TRUSTED_CUSTOM_HOSTS`; the variable replaces this list."""

_HOST_NAME = re.compile(r"[A-Za-z0-9._:-]+")
_LISTENING = re.compile(r"\[preload\] listening on port (\d+)")
_TERMINAL_CODES = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z]|c)")

_MAX_PORT = 65535
_KEPT_LINES = 200
_LONGEST_LINE = 4096


class _Child:
    """The gateway's process and what it wrote."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        # A session of its own: Ctrl-C in a terminal or an interrupted notebook cell is meant for Python, and
        # would cut the gateway's open streams.
        self.process = subprocess.Popen(  # noqa: S603 - the user's own node, arguments built here
            command,
            bufsize=0,  # the reading thread would hold a buffer's lock, on which a fork hangs at its exit
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.port: int | None = None
        self._reader = threading.Thread(target=self._read, name="portkey-gateway-output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        output = self.process.stdout
        assert output is not None  # noqa: S101 - it is a pipe
        pending = b""
        while data := output.read(65536):
            *lines, pending = (pending + data).split(b"\n")
            if len(pending) > _LONGEST_LINE:
                lines.append(pending)
                pending = b""
            for line in lines:
                self._take(line)
        self._take(pending)

    def _take(self, raw: bytes) -> None:
        text = _TERMINAL_CODES.sub("", raw[:_LONGEST_LINE].decode("utf-8", "replace"))
        line = text.rstrip().rpartition("\r")[2].strip()  # its start is an animation on one line
        listening = _LISTENING.search(line)
        if listening:
            self.port = int(listening[1])
        elif line:
            self.lines.append(line)
            logger.debug("%d: %s", self.process.pid, line)

    def drained(self) -> None:
        """Wait until the output of a process that has ended is read."""
        self._reader.join(timeout=2)

    def end(self) -> None:
        """End the process, cutting open streams, and free its pipes. Takes milliseconds; fine to call again."""
        process = self.process
        _close(process.stdin)
        if process.poll() is None:  # in a fork of this process it never is: the gateway is no child of it
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.drained()
        if not self._reader.is_alive():
            _close(process.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        try:
            pipe.close()
        except OSError:
            logger.debug("closing a pipe of the gateway failed", exc_info=True)


_children: weakref.WeakSet[_Child] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """In a fork, let go of the pipes: held here, they keep the gateway alive when the parent has died."""
    for child in list(_children):
        _close(child.process.stdin)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


class LocalGateway:
    """The open-source Portkey gateway on this machine, installed when first needed.

    A context manager, sync and async. Needs Node.js 18 or newer with npm. What is installed can stream,
    unlike what `npx @portkey-ai/gateway` gives today.

    The gateway asks for no credentials, and by itself it listens on all interfaces. Here it listens on
    loopback only, unless `all_interfaces` is set. Its web page is off: it shows everybody the requests' keys.

    The gateway's process ends with this one, however this one ends. It gets few environment variables: those
    of the platform, of proxies and certificates, and `NODE_OPTIONS`. Keys travel with each request; none of
    this process's variables that may hold one is passed on. What the gateway shall read from its
    environment (`AWS_ENDPOINT_DOMAIN`, roles to assume), give as `env`.

    Attributes:
        install_dir: The folder that holds the gateway's `node_modules`, `None` until it is known.

    Example:
        >>> with LocalGateway() as gateway:
        ...     gateway.base_url
        'http://127.0.0.1:41873/v1'
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        install_dir: str | os.PathLike[str] | None = None,
        trusted_custom_hosts: Sequence[str] = (),
        start_timeout: float = 30.0,
        install_timeout: float = 300.0,
        all_interfaces: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is installed or started yet.

        Args:
            port: The TCP port; default: a free one, chosen at each start.
            install_dir: A folder with an installed gateway, which is started as it is; if it is empty or
                missing, the pinned gateway is installed there. Default: a folder in the user's cache
                (`PORTKEY_GATEWAY_CACHE` names another parent for it).
            trusted_custom_hosts: Names of hosts in private networks that may be used as `custom_host`
                (`"gpu-box.lan"`, `"192.168.1.5"`), beside loopback and those in `TRUSTED_CUSTOM_HOSTS`.
            start_timeout: Seconds until the gateway must answer.
            install_timeout: Seconds for the installation, once.
            all_interfaces: Listen on all interfaces, so that other machines and containers reach the gateway.
            env: More environment variables for the gateway. They win over the others.

        Raises:
            PortkeyConfigurationError: `port` is no port, or a trusted host is no host name.
        """
        if port is not None and not 0 < port <= _MAX_PORT:
            raise PortkeyConfigurationError(f"port={port!r} is no TCP port. Leave it out for a free one.")
        self.install_dir = Path(install_dir).expanduser().absolute() if install_dir is not None else None
        self._asked_port = port
        self._trusted = _host_names(trusted_custom_hosts)
        self._start_timeout = start_timeout
        self._install_timeout = install_timeout
        self._all_interfaces = all_interfaces
        self._env = dict(env or {})
        self._child: _Child | None = None
        self._finalizer: weakref.finalize[[], LocalGateway] | None = None
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"LocalGateway({self.base_url!r}, pid={self.pid})" if self.pid else "LocalGateway(stopped)"

    @property
    def pid(self) -> int | None:
        """The id of the gateway's process, `None` while it is not running."""
        child = self._child
        return child.process.pid if child is not None and child.process.poll() is None else None

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            LocalGatewayError: It was not started, and its port is to be a free one.
        """
        port = (self._child.port if self._child is not None else None) or self._asked_port
        if port is None:
            raise LocalGatewayError("The local gateway has no port yet: start it, or give it one.")
        return port

    @property
    def base_url(self) -> str:
        """What to give to `ChatPortkey(base_url=...)`: `"http://127.0.0.1:PORT/v1"`."""
        return f"http://{_LOOPBACK}:{self.port}/v1"

    @property
    def output(self) -> str:
        """The last lines that the gateway wrote, stdout and stderr together, without colours."""
        return "\n".join(self._child.lines.copy()) if self._child is not None else ""

    def start(self) -> Self:
        """Install the gateway if need be, start it and wait until it answers; nothing if it is running.

        Raises:
            LocalGatewayError: No Node.js, the installation failed, the port is taken, or the gateway ended or
                did not answer in time. The message says what to do.
        """
        with self._lock:
            if self.pid is not None:
                return self
            self.stop()
            node = find_node()
            script = self._script()
            if self._asked_port is not None:
                _refuse_taken(self._asked_port)
            child = _Child(self._command(node, script), self._environment())
            _children.add(child)
            self._child = child
            self._finalizer = weakref.finalize(self, child.end)
            try:
                self._wait_until_ready(child)
            except BaseException:
                child.end()
                raise
            logger.info("Gateway at %s (pid %d, Node %s)", self.base_url, child.process.pid, node.version)
        return self

    def stop(self) -> None:
        """End the gateway at once; open streams are cut. Nothing if it is not running."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
                self._finalizer = None

    async def astart(self) -> Self:
        """`start` in a thread. A cancellation waits for the thread, and leaves nothing running."""
        starting = asyncio.get_running_loop().run_in_executor(None, self.start)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A thread cannot be cancelled: let it end, then take back what it started.
            await asyncio.wait([starting])
            starting.exception()
            self.stop()
            raise

    async def astop(self) -> None:
        """`stop` in a thread."""
        await asyncio.to_thread(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await self.astart()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.astop()

    def _script(self) -> Path:
        if self.install_dir is not None:
            script = start_script(self.install_dir)
            if script is not None:
                return script
        self.install_dir = install(self.install_dir, timeout=self._install_timeout)
        script = start_script(self.install_dir)
        assert script is not None  # noqa: S101 - install() promises it
        return script

    def _command(self, node: Node, script: Path) -> list[str]:
        command = [node.executable, "--require", str(PINNED / "preload.cjs"), str(script)]
        command += ["--headless", f"--port={self._asked_port or 0}"]
        return command if self._all_interfaces else [*command, f"--host={_LOOPBACK}"]

    def _environment(self) -> dict[str, str]:
        environment = platform_environment()
        inherited = [name.strip() for name in os.environ.get("TRUSTED_CUSTOM_HOSTS", "").split(",")]
        if self._trusted or any(inherited):
            hosts = dict.fromkeys((*_DEFAULT_TRUSTED, *filter(None, inherited), *self._trusted))
            environment["TRUSTED_CUSTOM_HOSTS"] = ",".join(hosts)
        return environment | self._env

    def _wait_until_ready(self, child: _Child) -> None:
        deadline = time.monotonic() + self._start_timeout
        while True:
            code = child.process.poll()
            if code is not None:
                child.drained()
                raise self._ended(code)
            if child.port is not None and _answers(child.port):
                return
            if time.monotonic() > deadline:
                raise LocalGatewayError(
                    f"The gateway did not answer within {self._start_timeout:g} s; "
                    f"`start_timeout` allows it more. {_last_words(self.output)}"
                )
            time.sleep(0.01)

    def _ended(self, code: int) -> LocalGatewayError:
        if "EADDRINUSE" in self.output and self._asked_port is not None:
            return _taken(self._asked_port)
        return LocalGatewayError(f"The gateway ended at its start (exit {code}). {_last_words(self.output)}")


def _host_names(given: Sequence[str]) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given
    hosts = tuple(name.strip().lower() for name in names if name.strip())
    for host in hosts:
        if not _HOST_NAME.fullmatch(host) or host.count(":") == 1:
            raise PortkeyConfigurationError(
                f'Trusted custom host {host!r} is no host name: leave out scheme, port and path ("gpu-box.lan").'
            )
    return hosts


def _taken(port: int) -> LocalGatewayError:
    return LocalGatewayError(
        f"Port {port} is taken by another process. Choose another one, if it is not a gateway that runs already."
    )


def _refuse_taken(port: int) -> None:
    """Ask before: on some systems a gateway on loopback may share the port of a server on all interfaces."""
    try:
        with socket.create_connection((_LOOPBACK, port), timeout=1):
            pass
    except OSError:
        return
    raise _taken(port)


def _answers(port: int) -> bool:
    """Whether `GET /` gives 200. Not `HEAD`, which is 500 with a broken build."""
    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_words(output: str) -> str:
    lines = output.splitlines()[-12:]
    return "\n".join(["It wrote:", *lines]) if lines else "It wrote nothing."


def _main(arguments: Sequence[str] | None = None) -> int:
    """`python -m langchain_pollinations_portkey.gateway.local [--into DIR] [--manifest DIR]`: install."""
    parser = argparse.ArgumentParser(
        prog="python -m langchain_pollinations_portkey.gateway.local",
        description="Install a gateway with npm; nothing happens if it is there. Prints its folder.",
    )
    parser.add_argument("--into", type=Path, help="folder for node_modules; default: in the user's cache")
    parser.add_argument("--manifest", type=Path, help="folder with package.json and lock; default: the pinned")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds (default: %(default)g)")
    options = parser.parse_args(arguments)
    try:
        folder = install(options.into, manifest=options.manifest, timeout=options.timeout)
    except LocalGatewayError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    print(folder)  # noqa: T201 - a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(_main())
