"""Connections that die, go stale or are left in the middle, and a gateway that is killed and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyConnectionError, PortkeyStreamTruncatedError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply, StandInProvider
from tests.faults.calls import SLACK, WAYS, Outcome, Scenes, ask, at_once, caught, chat
from tests.faults.ledger import Ledger
from tests.faults.relay import Relay

pytestmark = pytest.mark.gateway

SECTION = "Connections and the gateway's process"
ANSWER = "Here it is, whole."
LONG = Reply(chunks=[f"{number} " for number in range(100)], pause=0.1)
TIMES = 3


def until(reached: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait for something that comes soon."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def kill(gateway: LocalGateway) -> None:
    """End the gateway's process without a farewell."""
    assert gateway.pid is not None
    os.kill(gateway.pid, signal.SIGKILL)
    assert until(lambda: gateway.pid is None)


def test_the_gateway_is_killed_and_comes_back(
    own_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Calls on their way end in an error and are not sent again; later ones work, on the same instances."""
    models = {way: chat(own_gateway, provider, max_retries=3, timeout=30) for way in WAYS}
    for way, model in models.items():
        assert ask(way, model, scenes.prompt(f"before {way}", Reply(ANSWER))).text == ANSWER
    killer = threading.Thread(
        target=lambda: until(lambda: all(scenes.requests[way] for way in WAYS)) and (time.sleep(1), kill(own_gateway))
    )
    killer.start()
    slow = {"invoke": Reply(ANSWER, delay=10.0), "ainvoke": Reply(ANSWER, delay=10.0)}
    outcomes = at_once({way: partial(ask, way, models[way], scenes.prompt(way, slow.get(way, LONG))) for way in WAYS})
    killer.join()

    for way, outcome in outcomes.items():
        answer = LONG.full_text if way.endswith("stream") else ANSWER
        verdict = ledger.note(
            SECTION, "gateway killed in the middle of a call", outcome, answer=answer, requests=scenes.requests[way]
        )
        assert verdict == "typed error", outcome
        if way.endswith("stream"):
            assert type(outcome.error) is PortkeyStreamTruncatedError
            assert outcome.error.partial is not None
        else:
            assert type(outcome.error) is PortkeyConnectionError
        assert outcome.error.sent
        assert scenes.requests[way] == 1

    for way, model in models.items():
        outcome = ask(way, model, scenes.prompt(f"while down {way}", Reply(ANSWER)))
        verdict = ledger.note(SECTION, "gateway down", outcome, answer=ANSWER)
        assert verdict == "typed error", outcome
        assert type(outcome.error) is PortkeyConnectionError
        assert not outcome.error.sent

    own_gateway.start()
    for way, model in models.items():
        outcome = ask(way, model, scenes.prompt(f"after {way}", Reply(ANSWER)))
        requests = scenes.requests[f"after {way}"]
        verdict = ledger.note(SECTION, "gateway back on its port", outcome, answer=ANSWER, requests=requests)
        assert (verdict, requests) == ("right answer", 1), outcome


@pytest.fixture(scope="module", autouse=True)
def idle(pinned_gateway: LocalGateway) -> Iterator[Callable[[], tuple[dict[tuple[float, str], Outcome], Scenes]]]:
    """Calls on connections that were idle for seconds; they are begun here and wait while the other tests run."""
    with StandInProvider() as provider:
        scenes = Scenes(provider)
        jobs = {}
        for number, wait in enumerate((3.0, 3.9, 4.0, 4.1, 5.0, 5.1, 5.9, 5.98, 6.0, 6.02, 6.1)):
            for way, twice in {"invoke": _twice, "ainvoke": _atwice}.items():
                # Each with connections of its own: settings that differ are not shared.
                model = chat(pinned_gateway, provider, max_connections=100 + number)
                prompts = scenes.prompt(f"first {way} {wait}"), scenes.prompt(f"{way} {wait}", Reply(ANSWER))
                jobs[wait, way] = partial(twice, model, *prompts, wait)
        with ThreadPoolExecutor(1) as begun:
            outcomes = begun.submit(at_once, jobs)
            yield lambda: (outcomes.result(), scenes)


def _twice(model: ChatPortkey, first: str, then: str, wait: float) -> Outcome:
    model.invoke(first)
    time.sleep(wait)
    return ask("invoke", model, then)


def _atwice(model: ChatPortkey, first: str, then: str, wait: float) -> Outcome:
    async def both() -> AIMessage:
        await model.ainvoke(first)
        await asyncio.sleep(wait)
        return await model.ainvoke(then)

    return caught(lambda _: asyncio.run(both()))


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_breaks_just_as_it_is_used_again(
    way: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """The request may have arrived, as far as the client can tell: an error, no second request, and the next works."""
    with Relay(pinned_gateway.port) as relay:
        model = chat(pinned_gateway, provider, base_url=relay.base_url, max_retries=3, timeout=20)
        assert ask(way, model, scenes.prompt("first", Reply(ANSWER))).text == ANSWER
        relay.break_next_request = True
        outcome = ask(way, model, scenes.prompt("broken", Reply(ANSWER)))
        after = ask(way, model, scenes.prompt("after", Reply(ANSWER)))

    verdict = ledger.note(
        SECTION, "connection resets under a request", outcome, answer=ANSWER, requests=scenes.requests["broken"]
    )
    assert verdict == "typed error", outcome
    assert type(outcome.error) is PortkeyConnectionError
    assert scenes.requests["broken"] == 0
    assert ledger.note(SECTION, "the call after that", after, answer=ANSWER, requests=1) == "right answer"


# ---------------------------------------------------------------------- left in the middle


async def _first(stream: AsyncIterator[object]) -> None:
    async for chunk in stream:
        if chunk.text:
            return


async def _break(model: ChatPortkey, prompt: str) -> None:
    async for chunk in model.astream(prompt):
        if chunk.text:
            break


async def _aclosing(model: ChatPortkey, prompt: str) -> None:
    async with contextlib.aclosing(model.astream(prompt)) as stream:
        await _first(stream)


async def _cancel_stream(model: ChatPortkey, prompt: str) -> None:
    task = asyncio.ensure_future(_read_all(model, prompt))
    await asyncio.sleep(0.15)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _read_all(model: ChatPortkey, prompt: str) -> None:
    async for _ in model.astream(prompt):
        pass


async def _cancel_invoke(model: ChatPortkey, prompt: str) -> None:
    task = asyncio.ensure_future(model.ainvoke(prompt))
    await asyncio.sleep(0.1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _time_out(model: ChatPortkey, prompt: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.15):
            await _read_all(model, prompt)


async def _throw(model: ChatPortkey, prompt: str) -> None:
    with contextlib.suppress(KeyError):
        async for chunk in model.astream(prompt):
            if chunk.text:
                raise KeyError


LEAVE: dict[str, Callable[[ChatPortkey, str], Coroutine[None, None, None]]] = {
    "break": _break,
    "aclosing": _aclosing,
    "cancelled stream": _cancel_stream,
    "cancelled invoke": _cancel_invoke,
    "asyncio.timeout": _time_out,
    "an exception of the reader's": _throw,
}


@pytest.mark.parametrize("how", LEAVE)
async def test_leaving_a_call_frees_its_connection(
    how: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """With one connection in all, each call that is left behind would block the next; none stays open."""
    with Relay(pinned_gateway.port) as relay:
        model = chat(pinned_gateway, provider, base_url=relay.base_url, max_connections=1, timeout=20)
        async with asyncio.timeout(60):
            for number in range(TIMES):
                reply = Reply(ANSWER, delay=3.0) if "invoke" in how else LONG
                await LEAVE[how](model, scenes.prompt(f"left {number}", reply))
                await asyncio.sleep(0.01)  # a generator that is left without a word is closed in the loop's next turn
                assert await asyncio.to_thread(until, lambda: relay.open == 0)
            answer = await model.ainvoke(scenes.prompt("then", Reply(ANSWER)))

    _note_the_call_after(ledger, f"{TIMES} calls left before ({how})", answer.text, scenes.requests["then"])


def _left_by_break(stream: Iterator[object]) -> None:
    for chunk in stream:
        if chunk.text:
            break


def _left_by_close(stream: Iterator[object]) -> None:
    next(stream)
    stream.close()


def _left_by_throw(stream: Iterator[object]) -> None:
    next(stream)
    with contextlib.suppress(KeyError):
        stream.throw(KeyError)


@pytest.mark.parametrize("leave", [_left_by_break, _left_by_close, _left_by_throw])
def test_leaving_a_stream_frees_its_connection(
    leave: Callable[[Iterator[object]], None],
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    scenes: Scenes,
    ledger: Ledger,
) -> None:
    with Relay(pinned_gateway.port) as relay:
        model = chat(pinned_gateway, provider, base_url=relay.base_url, max_connections=1, timeout=20)
        for number in range(TIMES):
            leave(model.stream(scenes.prompt(f"left {number}", LONG)))
            assert until(lambda: relay.open == 0)
        answer = model.invoke(scenes.prompt("then", Reply(ANSWER)))

    how = leave.__name__.removeprefix("_left_by_")
    _note_the_call_after(ledger, f"{TIMES} calls left before (sync {how})", answer.text, scenes.requests["then"])


def _note_the_call_after(ledger: Ledger, fault: str, text: str, requests: int) -> None:
    assert ledger.note(SECTION, fault, Outcome(text=text), answer=ANSWER, requests=requests) == "right answer"
    assert requests == 1


def test_errors_free_their_connections_too(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Whatever an answer ends in, its connection is closed or used again: one is enough for all of them."""
    faults = {
        "400": Failure(400, "no"),
        "html": RawAnswer(502, body=b"<html>", headers={"content-type": "text/html"}),
        "dies": Reply(ANSWER, drop_after=0.5),
        "stalls": Reply(ANSWER, stall_after=0.5, stall=3.0),
        "no answer": RawAnswer(body=b"{}"),
    }
    with Relay(pinned_gateway.port) as relay:
        hurried = chat(pinned_gateway, provider, base_url=relay.base_url, max_connections=1, timeout=1)
        model = hurried.model_copy(update={"request_timeout": 30})
        for name, fault in faults.items():
            for way in ("invoke", "stream"):
                outcome = ask(way, hurried, scenes.prompt(f"{name} {way}", fault))
                assert outcome.error is not None
                assert outcome.seconds < 1 + SLACK
                after = ask(way, model, scenes.prompt(f"after {name} {way}", Reply(ANSWER)))
                requests = scenes.requests[f"after {name} {way}"]
                verdict = ledger.note(
                    SECTION, "after an error, one connection", after, answer=ANSWER, requests=requests
                )
                assert (verdict, requests) == ("right answer", 1), after
        assert relay.open <= 1


def test_a_connection_that_was_idle_for_any_time(idle: Any, ledger: Ledger) -> None:
    """The gateway closes idle connections after five to six seconds; no request goes out on one that it closes."""
    outcomes, scenes = idle()
    for (wait, way), outcome in outcomes.items():
        requests = scenes.requests[f"{way} {wait}"]
        verdict = ledger.note(SECTION, "connection idle for 3 to 6.1 s", outcome, answer=ANSWER, requests=requests)
        assert (verdict, requests) == ("right answer", 1), (wait, way, outcome)
