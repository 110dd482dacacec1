"""Many calls at once: each gets its own answer, none is lost, doubled or mixed up, also when the gateway dies."""

from __future__ import annotations

import asyncio
import itertools
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import ReceivedRequest, Reply, StandInProvider
from tests.faults.calls import LIMIT, Outcome, Scenes, acaught, ask, at_once, chat, echo, stream_into, tag_of
from tests.faults.ledger import Ledger
from tests.faults.test_connections import kill, until

pytestmark = [pytest.mark.gateway, pytest.mark.quiet]

SECTION = "Load"


@pytest.fixture
def _many_files() -> Iterator[None]:
    """A stream takes two sockets of this process, one as client and one as provider: 1,000 are more than some allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000 if hard == resource.RLIM_INFINITY else min(10_000, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _stream(model: ChatPortkey, prompt: str, outcome: Outcome, begun: asyncio.Barrier) -> None:
    """Read a stream, but do not go on after its first piece until all the others have begun too."""
    waits = True
    async for chunk in model.astream(prompt):
        outcome.add(chunk)
        if waits and chunk.text:
            waits = False
            await begun.wait()


@pytest.mark.usefixtures("_many_files")
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
async def test_a_thousand_streams_at_once(
    rounds: int, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """All are open at the same time, which the barrier proves, and each reads its own answer to the end."""
    count = 1000
    model = chat(pinned_gateway, provider, max_connections=None)
    for number in range(rounds):
        begun = asyncio.Barrier(count)
        outcomes = {f"stream {number}-{each}": Outcome(streamed=True) for each in range(count)}
        await asyncio.gather(
            *(
                acaught(_stream(model, scenes.prompt(tag), outcome, begun), outcome, 2 * LIMIT)
                for tag, outcome in outcomes.items()
            )
        )
        for tag, outcome in outcomes.items():
            verdict = ledger.note(
                SECTION, "1,000 streams at once", outcome, answer=echo(tag), requests=scenes.requests[tag]
            )
            assert (verdict, scenes.requests[tag]) == ("right answer", 1), (tag, outcome)


@pytest.mark.usefixtures("_many_files")
def test_two_hundred_threads(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Each thread gets its own answer through the one client that they share."""
    count = 200
    model = chat(pinned_gateway, provider)
    tags = [f"thread {number}" for number in range(count)]
    outcomes = at_once(
        {tag: partial(ask, "invoke", model, scenes.prompt(tag, Reply(echo(tag), delay=0.5))) for tag in tags}
    )

    for tag, outcome in outcomes.items():
        verdict = ledger.note(SECTION, "200 threads at once", outcome, answer=echo(tag), requests=scenes.requests[tag])
        assert (verdict, scenes.requests[tag]) == ("right answer", 1), (tag, outcome)


class Callers:
    """Asks without end from 40 tasks in a loop and from 10 threads; once told so, each asks one last time.

    Attributes:
        outcomes: How the calls ended, by tag.
        last: The last ones, begun after `finish`.
    """

    def __init__(self, model: ChatPortkey) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.last: dict[str, Outcome] = {}
        self._model = model
        self._numbers = itertools.count()
        self._finishing = threading.Event()
        self._threads = [threading.Thread(target=lambda: asyncio.run(self._tasks()), daemon=True)]
        self._threads += [
            threading.Thread(target=self._work, args=(("invoke", "stream")[number % 2],), daemon=True)
            for number in range(10)
        ]
        for thread in self._threads:
            thread.start()

    def answered(self) -> int:
        """How many have got their answer."""
        return sum(outcome.text is not None for outcome in list(self.outcomes.values()))

    def finish(self) -> bool:
        """Have each ask one last time; whether all came to an end."""
        self._finishing.set()
        for thread in self._threads:
            thread.join(LIMIT)
        return not any(thread.is_alive() for thread in self._threads)

    def _next(self) -> tuple[dict[str, Outcome], str, str]:
        tag = f"call {next(self._numbers)}"
        return (self.last if self._finishing.is_set() else self.outcomes), tag, f"Please answer [[{tag}]]."

    def _work(self, way: str) -> None:
        group = self.outcomes
        while group is not self.last:
            group, tag, prompt = self._next()
            outcome = group[tag] = ask(way, self._model, prompt)
            time.sleep(0.05 if outcome.error else 0)

    async def _tasks(self) -> None:
        await asyncio.gather(*(self._awork(("ainvoke", "astream")[number % 2]) for number in range(40)))

    async def _awork(self, way: str) -> None:
        group = self.outcomes
        while group is not self.last:
            group, tag, prompt = self._next()
            outcome = Outcome(streamed=way == "astream")
            call = stream_into(outcome, self._model, prompt) if outcome.streamed else self._model.ainvoke(prompt)
            group[tag] = await acaught(call, outcome)
            await asyncio.sleep(0.05 if outcome.error else 0)


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_the_gateway_is_killed_and_restarted_under_load(
    times: int, own_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger
) -> None:
    """Each call ends rightly or in an error, none is sent twice, and once the gateway is back all are answered."""
    received: Counter[str] = Counter()

    def answer(request: ReceivedRequest) -> Reply:
        tag = tag_of(request)
        received[tag] += 1
        return Reply(echo(tag), delay=0.03, pause=0.005)

    provider.answer_with(answer)
    callers = Callers(chat(own_gateway, provider, timeout=20))
    try:
        for _ in range(times):
            enough = callers.answered() + 100
            assert until(lambda enough=enough: callers.answered() > enough)
            kill(own_gateway)
            own_gateway.start()
    finally:
        ended = callers.finish()

    assert ended, "a call hangs"
    for fault, group in {"gateway killed under load": callers.outcomes, "the calls after that": callers.last}.items():
        for tag, outcome in group.items():
            verdict = ledger.note(SECTION, fault, outcome, answer=echo(tag), requests=received[tag])
            assert verdict in {"right answer", "typed error"}, (tag, outcome)
            assert verdict == "typed error" or received[tag] == 1
            assert group is callers.outcomes or verdict == "right answer", (tag, outcome)
    assert any(outcome.error is not None for outcome in callers.outcomes.values()), "calls were open when it died"
