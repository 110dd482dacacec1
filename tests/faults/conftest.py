"""The option that adds the long tests, the ledger, and a watch over the logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_pollinations_portkey import _sending
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider
from tests.faults.calls import KEY, Scenes
from tests.faults.ledger import Ledger

_LEDGER = pytest.StashKey[Ledger]()
_LOGGER = logging.getLogger("langchain_pollinations_portkey")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--soak", action="store_true", help="run the long forms of the fault suite too (tests/faults)")
    group.addoption("--fault-counts", type=Path, metavar="FILE", help="write how the calls ended into this page")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: takes minutes; runs with --soak, as `make soak` does")
    config.addinivalue_line("markers", "quiet: without debug logging, which takes time and memory of its own")
    config.stash[_LEDGER] = Ledger()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak", default=False):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_sessionfinish(session: pytest.Session) -> None:
    page: Path | None = session.config.getoption("--fault-counts", default=None)
    if page is not None:
        short = 'make test TEST=tests/faults ARGS="--fault-counts docs/faults.md"'
        command = "make soak" if session.config.getoption("--soak") else short
        page.write_text(session.config.stash[_LEDGER].page(command), encoding="utf-8")


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """Where every call of this suite is judged and counted."""
    return pytestconfig.stash[_LEDGER]


@pytest.fixture
def scenes(provider: StandInProvider) -> Iterator[Scenes]:
    """Answers by tag; at the end, every request had the right key and none was refused by the provider."""
    scenes = Scenes(provider)
    yield scenes
    assert scenes.keys <= {KEY}
    refused = {request.refused for request in provider.requests if request.path != "/nowhere"}
    assert refused <= {None}


@pytest.fixture
def own_gateway() -> Iterator[LocalGateway]:
    """A gateway for tests that kill it: it comes back on the same port."""
    with LocalGateway(install_dir=Path(__file__).parents[2] / ".gateways" / "pinned") as first:
        port = first.port
    with LocalGateway(install_dir=first.install_dir, port=port) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _ask_about_the_build_anew() -> Iterator[None]:
    """What one test made of the gateway says nothing to the next."""
    _sending.forget_builds()
    yield
    _sending.forget_builds()


class _Watch(logging.Handler):
    """Looks for the key in whatever is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter().format(record)
        if KEY in text:
            self.found.append(text)


@pytest.fixture(autouse=True)
def _no_key_in_the_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """With debug logging on, as a user would have it to find a fault, no line shows the key."""
    watch = _Watch()
    logging.getLogger().addHandler(watch)
    level = _LOGGER.level
    _LOGGER.setLevel(logging.WARNING if request.node.get_closest_marker("quiet") else logging.DEBUG)
    yield
    _LOGGER.setLevel(level)
    logging.getLogger().removeHandler(watch)
    assert watch.found == []
