"""Installing the gateway: once, whole or not at all, and with an error that names the cure. npm is a script here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from langchain_pollinations_portkey.gateway import _install
from langchain_pollinations_portkey.gateway.local import LocalGatewayError, install

COMMAND = [sys.executable, "-W", "error", "-m", "langchain_pollinations_portkey.gateway.local"]
ROOT = Path(__file__).parents[2]
PS = shutil.which("ps")
SCRIPT = Path("node_modules/@portkey-ai/gateway/build/start-server.js")

INSTALLS = f"mkdir -p {SCRIPT.parent} && echo // > {SCRIPT}"


class FakeNpm:
    """A folder to be the whole `PATH`, with an `npm` that notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        folder.mkdir()
        for tool in ("mkdir", "sleep", "env"):
            (folder / tool).symlink_to(shutil.which(tool) or tool)

    def does(self, script: str) -> None:
        npm = self.folder / "npm"
        npm.write_text(f'#!/bin/sh\necho "$$ $*" >> {self.calls}\n{script}\n')
        npm.chmod(0o755)

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def wait_for_pid(self) -> int:
        deadline = time.monotonic() + 10
        while not self.called():
            assert time.monotonic() < deadline, "npm was not called"
            time.sleep(0.02)
        return int(self.called()[0].split()[0])


@pytest.fixture
def npm(tmp_path, monkeypatch):
    fake = FakeNpm(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(fake.folder))
    return fake


@pytest.fixture
def into(tmp_path):
    return tmp_path / "cache" / "gateway"


def manifest_in(folder: Path, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"dependencies": {"@portkey-ai/gateway": version}}))
    (folder / "package-lock.json").write_text("{}")
    return folder


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    answer = subprocess.run([PS, "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()[:1] not in ("", "Z")


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_pinned_manifest_has_the_override_and_names_no_registry():
    manifest = json.loads((_install.PINNED / "package.json").read_text())
    lock = json.loads((_install.PINNED / "package-lock.json").read_text())["packages"]
    assert manifest["private"] is True
    assert manifest["dependencies"] == {"@portkey-ai/gateway": "1.15.2"}
    assert manifest["overrides"] == {"@hono/node-server": "1.13.5"}
    servers = {path: entry["version"] for path, entry in lock.items() if path.endswith("@hono/node-server")}
    assert servers == {"node_modules/@hono/node-server": "1.13.5"}
    assert not any("resolved" in entry for entry in lock.values())
    assert all("integrity" in entry for path, entry in lock.items() if path)


def test_installs_with_the_lock_and_runs_no_script_of_any_package(npm, into):
    npm.does(INSTALLS)
    assert install(into) == into
    assert (into / SCRIPT).is_file()
    assert (into / "package-lock.json").read_bytes() == (_install.PINNED / "package-lock.json").read_bytes()
    (call,) = npm.called()
    assert call.split()[1:5] == ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    assert names(into.parent) == {"gateway", "gateway.lock"}


def test_installs_once(npm, into):
    npm.does(INSTALLS)
    install(into)
    install(into)
    assert len(npm.called()) == 1


def test_many_processes_at_once_install_once(npm, into):
    npm.does(f"sleep 0.5; {INSTALLS}")
    started = [
        subprocess.Popen([*COMMAND, "--into", str(into)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in started:
        output, _ = process.communicate(timeout=30)
        assert (process.returncode, output) == (0, f"{into}\n")
    assert len(npm.called()) == 1


def test_another_lock_installs_anew(npm, into, tmp_path):
    npm.does(INSTALLS)
    manifest = manifest_in(tmp_path / "manifest", "1")
    install(into, manifest=manifest)
    (into / "left-over").touch()
    manifest_in(manifest, "2")
    install(into, manifest=manifest)
    assert len(npm.called()) == 2
    assert '"2"' in (into / "package.json").read_text()
    assert not (into / "left-over").exists()
    assert names(into.parent) == {"gateway", "gateway.lock"}


@pytest.mark.parametrize("content", ["package.json", "notes.txt"])
def test_a_folder_of_somebody_else_is_not_replaced(npm, into, content):
    npm.does(INSTALLS)
    into.mkdir(parents=True)
    (into / content).touch()
    with pytest.raises(LocalGatewayError, match=r"holds something else.* Choose an empty or new folder"):
        install(into)
    assert names(into) == {content}
    assert npm.called() == []


def test_an_install_killed_by_sigkill_is_never_taken_for_a_good_one(npm, into):
    npm.does(f"mkdir -p {SCRIPT.parent}; sleep 60")
    process = subprocess.Popen([*COMMAND, "--into", str(into)], cwd=ROOT)
    pid = npm.wait_for_pid()
    process.kill()
    process.wait()
    try:
        assert not into.exists()
        npm.does(INSTALLS)
        install(into, timeout=10)  # the dead process holds no lock
        assert (into / SCRIPT).is_file()
        assert names(into.parent) == {"gateway", "gateway.lock"}
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_an_interrupted_install_ends_npm_and_leaves_nothing(npm, into):
    npm.does("sleep 60")
    process = subprocess.Popen([*COMMAND, "--into", str(into)], cwd=ROOT, stderr=subprocess.DEVNULL)
    pid = npm.wait_for_pid()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    wait_until_gone(pid)
    assert names(into.parent) == {"gateway.lock"}


def test_npm_that_takes_too_long(npm, into):
    npm.does("sleep 60")
    with pytest.raises(LocalGatewayError, match=r"not install the gateway in time.*`npm ping`.*install_timeout"):
        install(into, timeout=0.3)
    wait_until_gone(npm.wait_for_pid())
    assert names(into.parent) == {"gateway.lock"}


def test_waiting_for_another_process_ends_in_time(npm, into):
    npm.does("sleep 60")
    process = subprocess.Popen([*COMMAND, "--into", str(into)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        npm.wait_for_pid()
        with pytest.raises(LocalGatewayError, match="Another process is still installing"):
            install(into, timeout=0.3)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=10)


def test_no_npm(npm, into):
    with pytest.raises(LocalGatewayError, match=r"no `npm` is on PATH.*https://nodejs.org"):
        install(into)


def test_npm_without_network(npm, into):
    npm.does("echo npm error code ENOTFOUND; echo npm error network request failed >&2; exit 1")
    with pytest.raises(LocalGatewayError) as caught:
        install(into)
    assert "cannot reach its registry" in str(caught.value)
    assert str(caught.value).endswith("npm error code ENOTFOUND\nnpm error network request failed")


def test_npm_that_fails_shows_its_last_lines(npm, into):
    npm.does("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do echo line $i; done; exit 7")
    with pytest.raises(LocalGatewayError, match=r"npm failed to install the gateway \(exit 7\)") as caught:
        install(into)
    assert str(caught.value).splitlines()[1:] == [f"line {number}" for number in range(3, 15)]
    assert names(into.parent) == {"gateway.lock"}


def test_npm_that_installs_nothing(npm, into):
    npm.does("exit 0")
    with pytest.raises(LocalGatewayError, match=r"npm installed no gateway: .*start-server.js is missing"):
        install(into)
    assert not into.exists()


def test_a_place_that_cannot_be_written_to(npm, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LocalGatewayError, match=r"Cannot install into .* `install_dir` or PORTKEY_GATEWAY_CACHE"):
        install(tmp_path / "file" / "gateway")


def test_a_manifest_that_is_none(npm, into, tmp_path):
    with pytest.raises(LocalGatewayError, match="is no manifest to install from"):
        install(into, manifest=tmp_path)


def test_npm_gets_its_settings_and_no_providers_key(npm, into, tmp_path, monkeypatch):
    npm.does(f"env > {tmp_path}/environment; {INSTALLS}")
    for name in ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PORTKEY_API_KEY"):
        monkeypatch.setenv(name, "sk-secret")
    monkeypatch.setenv("npm_config_registry", "https://registry.example")
    monkeypatch.setenv("NPM_TOKEN", "for-the-registry")
    install(into)
    environment = (tmp_path / "environment").read_text()
    assert "sk-secret" not in environment
    assert "npm_config_registry=https://registry.example" in environment
    assert "NPM_TOKEN=for-the-registry" in environment


def test_the_command_reports_an_error_without_a_traceback(npm, into, tmp_path):
    process = subprocess.run(
        [*COMMAND, "--into", str(into), "--manifest", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr.startswith(f"{tmp_path} is no manifest to install from")


def test_the_default_place_is_the_users_cache(npm, tmp_path, monkeypatch):
    npm.does(INSTALLS)
    monkeypatch.delenv("PORTKEY_GATEWAY_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = install()
    assert folder.parent == tmp_path / "xdg" / "langchain-pollinations-portkey"
    assert folder.name.startswith("gateway-1.15.2-")
    monkeypatch.setenv("PORTKEY_GATEWAY_CACHE", str(tmp_path / "mine"))
    assert install() == tmp_path / "mine" / folder.name


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.cache"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache"),
        ("darwin", {"XDG_CACHE_HOME": "/ignored"}, "home/Library/Caches"),
        ("win32", {}, "home/AppData/Local"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local"),
    ],
)
def test_the_cache_folder_of_each_platform(platform, variables, expected, tmp_path, monkeypatch):
    for name in ("PORTKEY_GATEWAY_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "platform", platform)
    assert _install.default_folder().parents[1] == tmp_path / expected


def test_a_user_without_a_home(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PORTKEY_GATEWAY_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(LocalGatewayError, match="PORTKEY_GATEWAY_CACHE"):
        _install.default_folder()
