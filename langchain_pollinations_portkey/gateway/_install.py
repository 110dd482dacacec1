"""Puts the pinned Portkey gateway, an npm package, into a folder of this user.

A plain `npm install @portkey-ai/gateway` takes a version of `@hono/node-server` with which the gateway
answers 500 to most streams; only an npm `overrides` entry prevents it, so the manifest and the lock in `npm/`
are part of this package. An install is made beside its place and then renamed into it, under a lock between
processes: a folder that has the right name is always whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from langchain_pollinations_portkey.errors import PortkeyError

logger = logging.getLogger("langchain_pollinations_portkey.gateway.local")

PINNED = Path(__file__).parent / "npm"
"""Folder of the manifest (`package.json`, `package-lock.json`) of the gateway that is known to stream."""

_START_SCRIPT = Path("node_modules", "@portkey-ai", "gateway", "build", "start-server.js")
_MANIFEST_FILES = ("package.json", "package-lock.json")
_MARKER = ".installed-from"
"""A file in each install made here, with the digest of its manifest; a folder without it is not replaced."""

_OLDEST_NODE = 18
_NODE_CURE = "Get it from https://nodejs.org or your package manager."

_PLACE_CURE = "Name a folder that can be written to, with `install_dir` or PORTKEY_GATEWAY_CACHE."

_PLATFORM_VARIABLES = frozenset(
    (  # noqa: SIM905 - thirty names read better without quotes
        "PATH HOME USER LANG TZ TMPDIR TEMP TMP "
        "SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE APPDATA LOCALAPPDATA PROGRAMFILES "
        "HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY SSL_CERT_FILE SSL_CERT_DIR "
        "NODE_OPTIONS NODE_EXTRA_CA_CERTS NODE_USE_ENV_PROXY NODE_USE_SYSTEM_CA NODE_TLS_REJECT_UNAUTHORIZED"
    ).split()
)
_NPM_PREFIXES = ("NPM_", "NODE_", "XDG_", "NVM_", "FNM_", "VOLTA_", "ASDF_", "MISE_", "NODENV_", "COREPACK_")
"""npm's settings and registry tokens, and those of version managers whose shims stand for node and npm."""


class LocalGatewayError(PortkeyError, RuntimeError):
    """The local gateway could not be installed, or did not start."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js that can run the gateway."""

    executable: str
    version: str


def platform_environment(*, for_npm: bool = False) -> dict[str, str]:
    """The variables of this process that node needs: no provider's keys are among them.

    The gateway would use `AWS_*` and `AZURE_*` of its environment for targets that bring no credentials, and
    a key in a process's environment can be read by whoever can read the process.

    Args:
        for_npm: Add npm's own settings, registry tokens included.
    """
    prefixes = ("LC_", *_NPM_PREFIXES) if for_npm else ("LC_",)
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PLATFORM_VARIABLES or name.upper().startswith(prefixes)
    }


def find_node() -> Node:
    """The Node.js on `PATH`.

    Returns:
        The real executable, not a version manager's shim: a shim may leave node running when it is ended.

    Raises:
        LocalGatewayError: There is none, it does not run, or it is older than 18.
    """
    found = shutil.which("node")
    if found is None:
        raise LocalGatewayError(
            f"The local gateway needs Node.js {_OLDEST_NODE} or newer, and no `node` is on PATH. {_NODE_CURE}"
        )
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own node, a constant script
            [found, "-p", "process.versions.node + '\\n' + process.execPath"],
            env=platform_environment(for_npm=True),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalGatewayError(f"`{found}` does not run: {error}. {_NODE_CURE}") from error
    match = re.search(r"^((\d+)\.\S+)\n(.+)$", answer.stdout.strip(), re.MULTILINE)
    if match is None:
        said = (answer.stderr or answer.stdout).strip()[-300:]
        raise LocalGatewayError(
            f"`{found}` does not run as Node.js (exit {answer.returncode}). {_NODE_CURE}\n{said}".rstrip()
        )
    version, major, executable = match[1], int(match[2]), match[3]
    if major < _OLDEST_NODE:
        raise LocalGatewayError(
            f"The local gateway needs Node.js {_OLDEST_NODE} or newer; `{found}` is {version}. {_NODE_CURE}"
        )
    return Node(executable, version)


def start_script(folder: Path) -> Path | None:
    """The script that starts the gateway installed in `folder`, `None` if none is installed there."""
    script = folder / _START_SCRIPT
    return script if script.is_file() else None


def default_folder() -> Path:
    """Where the pinned gateway lives: a folder of its own for each version and lock.

    `PORTKEY_GATEWAY_CACHE` names the parent; else it is under the user's cache folder.
    """
    root = os.environ.get("PORTKEY_GATEWAY_CACHE")
    parent = Path(root).expanduser().absolute() if root else _user_cache() / "langchain-pollinations-portkey"
    manifest = json.loads((PINNED / "package.json").read_text(encoding="utf-8"))
    version = manifest["dependencies"]["@portkey-ai/gateway"]
    return parent / f"gateway-{version}-{_digest(PINNED)[:12]}"


def _user_cache() -> Path:
    variable, below_home = {
        "win32": ("LOCALAPPDATA", "AppData/Local"),
        "darwin": ("", "Library/Caches"),
    }.get(sys.platform, ("XDG_CACHE_HOME", ".cache"))
    given = Path(os.environ.get(variable, ""))
    if given.is_absolute():  # a relative one is invalid (XDG base directory specification)
        return given
    try:
        return Path.home() / below_home
    except RuntimeError as error:
        raise LocalGatewayError(f"{error} {_PLACE_CURE}") from error


def _digest(manifest: Path) -> str:
    digest = hashlib.sha256()
    for name in _MANIFEST_FILES:
        try:
            # Line ends may have been rewritten by git; the meaning is the same.
            digest.update((manifest / name).read_bytes().replace(b"\r\n", b"\n"))
        except OSError as error:
            raise LocalGatewayError(f"{manifest} is no manifest to install from: {error}.") from error
    return digest.hexdigest()


def install(into: Path | None = None, *, manifest: Path | None = None, timeout: float = 300.0) -> Path:
    """Install a gateway with npm, once.

    Safe to call from many processes at once: one installs, the others wait for it. What is there already is
    kept if it came from the same manifest, and else replaced.

    Args:
        into: The folder that is to hold `node_modules`; default: one in the user's cache, see
            `PORTKEY_GATEWAY_CACHE`.
        manifest: Folder with a `package.json` and `package-lock.json`; default: the pinned gateway's.
        timeout: Seconds for the waiting and for npm, together.

    Returns:
        The folder.

    Raises:
        LocalGatewayError: npm is missing or failed, it took too long, or `into` holds something else.
    """
    manifest = manifest or PINNED
    digest = _digest(manifest)
    folder = Path(into).absolute() if into is not None else default_folder()
    if _installed(folder, digest):
        return folder
    deadline = time.monotonic() + timeout
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock"), deadline):
            if not _installed(folder, digest):  # another process may have done it meanwhile
                _refuse_foreign(folder)
                _install_anew(folder, manifest, digest, deadline)
    except OSError as error:
        raise LocalGatewayError(f"Cannot install into {folder}: {error}. {_PLACE_CURE}") from error
    return folder


def _installed(folder: Path, digest: str) -> bool:
    try:
        marker = (folder / _MARKER).read_text(encoding="ascii")
    except (OSError, ValueError):
        return False
    return marker == digest and start_script(folder) is not None


def _refuse_foreign(folder: Path) -> None:
    """Never replace a folder that was not made here."""
    if folder.exists() and not (folder / _MARKER).is_file() and any(folder.iterdir()):
        raise LocalGatewayError(
            f"{folder} holds something else than a gateway installed by this package. Choose an empty or new folder."
        )


def _install_anew(folder: Path, manifest: Path, digest: str, deadline: float) -> None:
    for leftover in folder.parent.glob(f"{folder.name}.partial-*"):  # of an install that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial = folder.with_name(f"{folder.name}.partial-{secrets.token_hex(4)}")
    old = partial.with_name(f"{partial.name}.old")
    try:
        partial.mkdir()
        for name in _MANIFEST_FILES:
            shutil.copyfile(manifest / name, partial / name)
        logger.info("Installing the gateway into %s (once, about 25 MB)", folder)
        _npm_ci(partial, deadline)
        if start_script(partial) is None:
            raise LocalGatewayError(f"npm installed no gateway: {partial / _START_SCRIPT} is missing.")
        (partial / _MARKER).write_text(digest, encoding="ascii")
        if folder.exists():
            # Out of the way first: a folder cannot be renamed onto one that is not empty.
            folder.rename(old)
        partial.rename(folder)
        logger.info("Installed the gateway into %s", folder)
    finally:
        for rest in (partial, old):
            shutil.rmtree(rest, ignore_errors=True)


def _npm_ci(folder: Path, deadline: float) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise LocalGatewayError(
            f"The gateway is installed with npm, and no `npm` is on PATH. It comes with Node.js. {_NODE_CURE}"
        )
    # No script of any package is run: none is needed, and it is what malware in npm packages lives on.
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--no-bin-links"]
    command += ["--prefer-offline", "--no-update-notifier", "--loglevel=error"]
    with subprocess.Popen(  # noqa: S603 - the user's own npm, constant arguments
        command,
        cwd=folder,
        env=platform_environment(for_npm=True),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            _kill_group(process)
            raise LocalGatewayError(
                "npm did not install the gateway in time. Is its registry reachable (`npm ping`)? "
                "Allow it more time with `install_timeout`."
            ) from None
        except BaseException:
            _kill_group(process)
            raise
    if process.returncode != 0:
        raise LocalGatewayError(_npm_failure(process.returncode, output))


def _npm_failure(code: int, output: str) -> str:
    last_lines = "\n".join(output.strip().splitlines()[-12:])
    if any(word in output for word in ("ENOTFOUND", "EAI_AGAIN", "ECONN", "ETIMEDOUT", "ERR_SOCKET")):
        return (
            "npm cannot reach its registry to install the gateway. Check the network and npm's settings "
            f"`proxy` and `registry`.\n{last_lines}"
        )
    return f"npm failed to install the gateway (exit {code}):\n{last_lines}"


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End npm and what it started, and wait for it."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _locked(path: Path, deadline: float) -> Iterator[None]:
    """Hold a lock between processes; the operating system gives it up when its holder dies."""
    with path.open("a+b") as file:
        while not _try_lock(file):
            if time.monotonic() > deadline:
                raise LocalGatewayError(f"Another process is still installing the gateway (it holds {path}).")
            time.sleep(0.1)
        # Closing the file releases the lock. The file stays: who waits for it must find the same one.
        yield


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
