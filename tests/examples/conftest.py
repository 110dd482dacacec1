"""The modules of `examples/` import each other by their bare names, as they do beside a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.examples.notebooks import EXAMPLES


@pytest.fixture
def examples_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets a test import them, and forgets them after it."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = {path.stem for path in EXAMPLES.iterdir()}
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]
