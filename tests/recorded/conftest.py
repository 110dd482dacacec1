"""Says at the end how much was compared."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.replay import ReplayServer

counted: Counter[str] = Counter()
"""What the tests of this directory have compared, by kind."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if counted:
        parts = (f"{count} {what}" for what, count in sorted(counted.items()))
        terminalreporter.write_line(f"recorded answers: {', '.join(parts)}")


@pytest.fixture(scope="module")
def replay() -> Iterator[ReplayServer]:
    with ReplayServer(Path(os.environ["PORTKEY_RECORDED_CASES"]).absolute()) as server:
        yield server
