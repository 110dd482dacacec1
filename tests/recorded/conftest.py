"""Says at the end how much was compared."""

from __future__ import annotations

from collections import Counter
from typing import Any

counted: Counter[str] = Counter()
"""What the tests of this directory have compared, by kind."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if counted:
        parts = (f"{count} {what}" for what, count in sorted(counted.items()))
        terminalreporter.write_line(f"recorded answers: {', '.join(parts)}")
