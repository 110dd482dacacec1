"""How many requests a call makes, counted at the provider: `max_retries=N` is at most N more than one, and 0 is one.

The gateway repeats 500, 502, 503, 504, 529 and connections that broke before an answer, after pauses of 1, 2, 4 s;
this client repeats 429, when the provider says so; nobody repeats anything else.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyBadRequestError,
    PortkeyError,
    PortkeyGatewayError,
    PortkeyModelNotFoundError,
    PortkeyPermissionDeniedError,
    PortkeyRateLimitError,
    PortkeyServerError,
    PortkeyStreamTruncatedError,
    PortkeyTimeoutError,
    PortkeyUpstreamConnectionError,
)
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import Failure, Reply, StandInProvider
from langchain_pollinations_portkey.testing.replies import Scripted
from tests.faults.calls import SLACK, WAYS, Outcome, Scenes, acaught, ask, at_once, chat
from tests.faults.ledger import Ledger

pytestmark = pytest.mark.gateway

ANSWER = "This is the whole answer."
SECTION = "Failing and retrying"


@dataclass(frozen=True, eq=False)
class Case:
    """A provider that fails, and what has to come of it.

    Attributes:
        fault: What goes wrong.
        answers: What the provider answers, in turn; the last one to all further requests.
        retries: `max_retries`.
        requests: How many requests the provider receives.
        ends: The error, None for the answer.
        ends_stream: The error of a stream, where it is another.
        timeout: Seconds for the whole call.
    """

    fault: str
    answers: tuple[Scripted, ...]
    retries: int
    requests: int
    ends: type[PortkeyError] | tuple[type[PortkeyError], ...] | None = None
    ends_stream: type[PortkeyError] | None = None
    timeout: float | None = None

    def expected(self, way: str) -> Any:
        return self.ends_stream if way.endswith("stream") and self.ends_stream else self.ends


GOOD = Reply(ANSWER)

REFUSALS: dict[int, type[PortkeyError]] = {
    400: PortkeyBadRequestError,
    401: PortkeyAuthenticationError,
    403: PortkeyPermissionDeniedError,
    404: PortkeyModelNotFoundError,
    408: PortkeyTimeoutError,
    409: PortkeyBadRequestError,
    422: PortkeyBadRequestError,
}
OVERLOADS = (500, 502, 503, 504, 529)


def fail(status: int, **headers: str) -> Failure:
    return Failure(status, "no", headers={name.replace("_", "-"): value for name, value in headers.items()})


def cases() -> Iterator[Case]:
    for status, error in REFUSALS.items():
        for retries in (0, 1, 3):
            yield Case(f"{status}", (fail(status), GOOD), retries, 1, error)

    for status in OVERLOADS:
        yield Case(f"{status}", (fail(status), GOOD), 0, 1, PortkeyServerError)
        yield Case(f"{status}, once", (fail(status), GOOD), 1, 2)
        yield Case(f"{status}, always", (fail(status),), 1, 2, PortkeyServerError)
    yield Case("500, twice", (fail(500), fail(500), GOOD), 3, 3)
    yield Case("503, always", (fail(503),), 3, 4, PortkeyServerError)

    limited = PortkeyRateLimitError
    yield Case("429", (fail(429), GOOD), 0, 1, limited)
    yield Case("429", (fail(429, retry_after="0"), GOOD), 0, 1, limited)
    yield Case("429 without `Retry-After`, once", (fail(429), GOOD), 1, 2)
    for name, headers in {
        "`Retry-After: 0`": {"retry_after": "0"},
        "`Retry-After: 1`": {"retry_after": "1"},
        "`retry-after-ms: 40`": {"retry_after_ms": "40", "retry_after": "3000"},
        "a date as `Retry-After`": {"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"},
        "`Retry-After: soon`": {"retry_after": "soon"},
    }.items():
        yield Case(f"429 with {name}, once", (fail(429, **headers), GOOD), 1, 2)
    yield Case("429 with `Retry-After: 0`, always", (fail(429, retry_after="0"),), 3, 4, limited)
    yield Case("429 with more than the timeout", (fail(429, retry_after="30"), GOOD), 3, 1, limited, timeout=20)
    yield Case("500, then 429", (fail(500), fail(429, retry_after="0"), GOOD), 3, 3)
    yield Case("500, then 429", (fail(500), fail(429, retry_after="0"), GOOD), 1, 2, limited)
    yield Case("429 and 500 in turn", (fail(429, retry_after="0"), fail(500)) * 2, 2, 3, limited)

    lost = PortkeyUpstreamConnectionError
    yield Case("dropped before the headers", (Reply(ANSWER, drop="before_headers"), GOOD), 0, 1, lost)
    yield Case("dropped before the headers, once", (Reply(ANSWER, drop="before_headers"), GOOD), 1, 2)
    yield Case("dropped before the headers, always", (Reply(ANSWER, drop="before_headers"),), 1, 2, lost)
    for retries in (0, 1, 3):
        for where, drop in {"after the headers": "after_headers", "within the body": "mid_body"}.items():
            answers = (Reply(ANSWER, drop=drop), GOOD)
            yield Case(f"dropped {where}", answers, retries, 1, PortkeyGatewayError, PortkeyStreamTruncatedError)


def timed_cases() -> Iterator[Case]:
    """Calls that run out of time; on a busy machine one request more or less may fit, never one too many."""
    out_of_time = PortkeyServerError, PortkeyTimeoutError
    yield Case("500, back-off longer than the timeout", (fail(500),), 3, 1, out_of_time, timeout=0.9)
    yield Case("500, one back-off within the timeout", (fail(500),), 3, 2, out_of_time, timeout=2.9)
    yield Case("503 after 0.7 s, 2 s in all", (Failure(503, "busy", delay=0.7),), 3, 2, out_of_time, timeout=2)
    yield Case("slower than the timeout", (Reply(ANSWER, delay=3), GOOD), 3, 1, PortkeyTimeoutError, timeout=1)


@pytest.mark.timeout(120)
def test_requests_are_counted(
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    scenes: Scenes,
    ledger: Ledger,
    subtests: pytest.Subtests,
) -> None:
    """All cases side by side, since most of their time is the gateway's pauses."""
    jobs = {}
    for number, case in enumerate(cases()):
        model = chat(pinned_gateway, provider, max_retries=case.retries, timeout=case.timeout)
        for way in WAYS:
            tag = f"{number}-{way}"
            jobs[case, way, tag] = partial(ask, way, model, scenes.prompt(tag, *case.answers))

    outcomes = at_once(jobs)

    for (case, way, tag), outcome in outcomes.items():
        with subtests.test(case.fault, retries=case.retries, way=way):
            received = scenes.requests[tag]
            verdict = ledger.note(SECTION, case.fault, outcome, answer=ANSWER, requests=received, most=1 + case.retries)
            expected = case.expected(way)
            assert verdict == ("typed error" if expected else "right answer"), outcome
            assert type(outcome.error) is (expected or type(None))
            assert received == case.requests


def test_a_refused_connection_is_no_request(
    pinned_gateway: LocalGateway, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    """Nothing listens where the provider should be; with retries the gateway tries again, and says it has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
    jobs = {
        (retries, way): partial(ask, way, chat(pinned_gateway, nowhere, max_retries=retries), "Hello?")
        for retries in (0, 1)
        for way in WAYS
    }

    for (retries, way), outcome in at_once(jobs).items():
        with subtests.test(retries=retries, way=way):
            verdict = ledger.note(SECTION, "connection refused", outcome, answer=ANSWER)
            assert verdict == "typed error", outcome
            assert type(outcome.error) is PortkeyUpstreamConnectionError
            tried = outcome.error.response.headers["x-portkey-retry-attempt-count"]
            assert tried == ("-1" if retries else "0")


def test_a_provider_that_comes_up_late_is_reached_by_a_retry(pinned_gateway: LocalGateway, ledger: Ledger) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    model = chat(pinned_gateway, f"http://127.0.0.1:{port}", max_retries=2)  # tries after 0, 1 and 3 s
    late = StandInProvider(port=port)
    starting = threading.Timer(0.5, late.start)
    starting.start()
    try:
        outcome = at_once({"late": partial(ask, "invoke", model, "Hello?")})["late"]
    finally:
        starting.join()
        late.stop()

    answer = "This is the stand-in provider. Model: gpt-4o. You said: Hello?"
    verdict = ledger.note(
        SECTION, "connection refused, until a retry", outcome, answer=answer, requests=len(late.requests)
    )
    assert verdict == "right answer", outcome
    assert len(late.requests) == 1


def test_no_retries_send_exactly_one_request_on_connections_that_are_used_again(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """A connection kept alive between gateway and provider breaks: neither of them takes it as leave to repeat."""
    model = chat(pinned_gateway, provider)
    for number in range(10):
        assert ask("invoke", model, scenes.prompt(f"good {number}", GOOD)).text == ANSWER
        prompt = scenes.prompt(f"bad {number}", Reply(ANSWER, drop="before_headers"), GOOD)
        outcome = ask(WAYS[number % 4], model, prompt)
        received = scenes.requests[f"bad {number}"]
        verdict = ledger.note(
            SECTION, "dropped before the headers, connection in use before", outcome, answer=ANSWER, requests=received
        )
        assert (verdict, received) == ("typed error", 1), outcome


def test_a_call_comes_back_in_time(
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    scenes: Scenes,
    ledger: Ledger,
    subtests: pytest.Subtests,
) -> None:
    """Pauses and slow answers have to fit into `timeout`: no request goes out whose answer could not be awaited."""
    jobs = {}
    for number, case in enumerate(timed_cases()):
        model = chat(pinned_gateway, provider, max_retries=case.retries, timeout=case.timeout)
        for way in WAYS:
            tag = f"{number}-{way}"
            jobs[case, way, tag] = partial(ask, way, model, scenes.prompt(tag, *case.answers))

    for (case, way, tag), outcome in at_once(jobs).items():
        with subtests.test(case.fault, way=way):
            received = scenes.requests[tag]
            verdict = ledger.note(SECTION, case.fault, outcome, answer=ANSWER, requests=received, most=case.requests)
            assert verdict == "typed error", outcome
            assert isinstance(outcome.error, case.ends)
            assert outcome.seconds < case.timeout + SLACK


async def test_a_wait_without_end_is_not_taken(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Without a timeout, nothing but the caller's patience would bound what `Retry-After: 86400` asks for."""
    model = chat(pinned_gateway, provider, max_retries=3)
    prompt = scenes.prompt("day", fail(429, retry_after="86400"), GOOD)
    outcome = await acaught(model.ainvoke(prompt), Outcome(), 20)

    verdict = ledger.note(
        SECTION, "429 with `Retry-After: 86400`", outcome, answer=ANSWER, requests=scenes.requests["day"]
    )
    assert verdict == "typed error", outcome
    assert outcome.error.retry_after == 86400
