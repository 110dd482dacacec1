"""Thousands of calls in a row: memory and open files stay as they are."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, StandInProvider
from tests.faults.calls import Outcome, acaught, ask, chat, echo, stream_into, tag_of
from tests.faults.ledger import Ledger

pytestmark = [pytest.mark.gateway, pytest.mark.quiet]

SECTION = "Endurance"
TURNS = ("invoke", "ainvoke", "invoke", "stream", "ainvoke", "astream")
"""Fewer streams than plain calls, since the gateway holds each up for 25 ms."""

LEFT = 9
"""Of 24 calls, the stream that is left after its first piece."""

BYTES_PER_CALL = 1000
"""More than that, on average, is a leak: the smallest message takes some 3,000."""


@pytest.fixture
def _traced() -> Iterator[None]:
    yield
    tracemalloc.stop()


def _open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.usefixtures("_traced")
@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system does not show open files")
@pytest.mark.parametrize("calls", [300, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_memory_and_open_files_stay_flat(
    calls: int, pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger
) -> None:
    """All four ways in turn, every tenth call an error, one stream in eight left in the middle."""
    provider.answer_with(_answer)
    model = chat(pinned_gateway, provider)
    warm_up = max(60, calls // 10)
    sizes, files = [], []
    with asyncio.Runner() as runner:
        for number in range(calls + warm_up):
            if number == warm_up:
                tracemalloc.start()
            if number >= warm_up and (number - warm_up) % (calls // 10) == 0:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
                files.append(_open_files())
            _call(number, model, provider, runner, ledger)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
        files.append(_open_files())

    # What is kept once and for all, such as caches, comes within the first fifth.
    grown, within = sizes[-1] - sizes[2], calls * 4 // 5
    assert grown < BYTES_PER_CALL * within, f"{grown:,} bytes more after {within:,} calls: {sizes}"
    assert max(files) - files[0] <= 8, f"open files: {files}"


def _answer(request: ReceivedRequest) -> Reply | Failure:
    tag = tag_of(request)
    return Failure(400, "no") if _is_refused(int(tag)) else Reply(echo(tag))


def _is_refused(number: int) -> bool:
    return number % 10 == 7 and number % 24 != LEFT


def _call(number: int, model: ChatPortkey, provider: StandInProvider, runner: asyncio.Runner, ledger: Ledger) -> None:
    provider.requests.clear()
    way, tag = TURNS[number % 6], str(number)
    prompt = f"Please answer [[{tag}]]."
    if number % 24 == LEFT:
        next(model.stream(prompt))
        return
    outcome = Outcome(streamed=way == "astream")
    if way == "ainvoke":
        runner.run(acaught(model.ainvoke(prompt), outcome))
    elif way == "astream":
        runner.run(acaught(stream_into(outcome, model, prompt), outcome))
    else:
        outcome = ask(way, model, prompt)
    requests = len(provider.requests)
    verdict = ledger.note(SECTION, "calls in a row, every tenth refused", outcome, answer=echo(tag), requests=requests)
    assert requests == 1
    assert verdict == ("typed error" if _is_refused(number) else "right answer"), outcome
