"""Streams that break off, stall or come late: the whole answer, or an error that keeps what had arrived."""

from __future__ import annotations

import contextlib
import json
from functools import partial
from itertools import pairwise

import pytest
from langchain_core.messages import AIMessageChunk

from langchain_pollinations_portkey._sending import _builds
from langchain_pollinations_portkey.errors import (
    PortkeyConnectionError,
    PortkeyError,
    PortkeyStreamError,
    PortkeyStreamTruncatedError,
    PortkeyTimeoutError,
    PortkeyUpstreamConnectionError,
)
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.gateway.plain_build import Build
from langchain_pollinations_portkey.testing import Failure, RawAnswer, ReceivedRequest, Reply, StandInProvider, ToolCall
from langchain_pollinations_portkey.testing.wires import RENDERERS
from tests.faults.calls import MODELS, SLACK, WAYS, Scenes, ask, at_once, chat
from tests.faults.ledger import Ledger
from tests.faults.relay import Cut, End, Relay

pytestmark = pytest.mark.gateway

SECTION = "Breaking off"
ANSWER = " ".join(f"word-{number}" for number in range(40))
STREAMS = ("stream", "astream")
TENTHS = [number / 10 for number in range(11)]


@pytest.mark.parametrize("wire", MODELS)
def test_the_provider_dies_at_every_tenth(
    wire: str,
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    scenes: Scenes,
    ledger: Ledger,
    subtests: pytest.Subtests,
) -> None:
    model = chat(pinned_gateway, provider, wire)
    jobs = {
        (tenth, way): partial(ask, way, model, scenes.prompt(f"{tenth}-{way}", Reply(ANSWER, drop_after=tenth)))
        for tenth in TENTHS
        for way in WAYS
    }

    outcomes = at_once(jobs)

    for (tenth, way), outcome in outcomes.items():
        with subtests.test(tenth=tenth, way=way):
            received = scenes.requests[f"{tenth}-{way}"]
            how = "stream" if outcome.streamed else "answer"
            verdict = ledger.note(
                SECTION, f"provider dies within the {how} ({wire})", outcome, answer=ANSWER, requests=received
            )
            assert verdict in {"typed error", "right answer"}, outcome
            # A call may be given the connection on which another one's answer has just been cut.
            assert received == 1 or type(outcome.error) is PortkeyUpstreamConnectionError
            if way in STREAMS and 0 < tenth < 1:
                assert verdict == "typed error"
    assert any(0 < len("".join(outcome.pieces)) < len(ANSWER) for outcome in outcomes.values())


@pytest.mark.parametrize("wire", MODELS)
def test_a_tool_call_that_breaks_off_is_never_whole(
    wire: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Its arguments, as far as they came, are a beginning of the right ones; nobody gets half a call as a message."""
    arguments = {"path": "/tmp/" + "x" * 60, "lines": list(range(20))}
    whole = json.dumps(arguments, separators=(",", ":"))

    def write(path: str, lines: list[int]) -> None:
        """Write."""

    model = chat(pinned_gateway, provider, wire)
    prompts = {
        tenth: scenes.prompt(str(tenth), Reply(tool_calls=[ToolCall("write", arguments)], drop_after=tenth))
        for tenth in TENTHS
    }
    outcomes = at_once(
        {tenth: partial(ask, "stream", model.bind_tools([write]), prompt) for tenth, prompt in prompts.items()}
    )

    for tenth, outcome in outcomes.items():
        requests = scenes.requests[str(tenth)]
        verdict = ledger.note(
            SECTION, f"provider dies within a tool call ({wire})", outcome, answer="", requests=requests
        )
        assert requests == 1
        if verdict == "right answer":
            assert outcome.message.tool_calls[0]["args"] == arguments
            continue
        assert verdict == "typed error", outcome
        partial_message = outcome.error.partial
        if partial_message is not None and partial_message.tool_call_chunks:
            arrived = "".join(chunk["args"] or "" for chunk in partial_message.tool_call_chunks)
            assert whole.startswith("".join(arrived.split()))


@pytest.mark.parametrize("end", ["close", "reset", "half-close"])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_the_connection_to_the_gateway_breaks_at_every_tenth(
    wire: str, end: End, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """However it ends, in good order or not, the request is not sent again."""
    with contextlib.ExitStack() as relays:
        jobs = {}
        for way in WAYS:
            with Relay(pinned_gateway.port) as relay:
                model = chat(pinned_gateway, provider, wire, base_url=relay.base_url)
                assert ask(way, model, scenes.prompt(f"whole {way}", Reply(ANSWER))).text == ANSWER
                whole = relay.answered
            for tenth in TENTHS:
                cut = relays.enter_context(Relay(pinned_gateway.port, Cut(max(1, round(whole * tenth)), end)))
                _builds[cut.base_url.removesuffix("/v1")] = Build.GOOD
                model = chat(pinned_gateway, provider, wire, base_url=cut.base_url, timeout=20, max_retries=1)
                jobs[tenth, way] = partial(ask, way, model, scenes.prompt(f"{tenth} {way}", Reply(ANSWER)))
        outcomes = at_once(jobs)

    for (tenth, way), outcome in outcomes.items():
        requests = scenes.requests[f"{tenth} {way}"]
        verdict = ledger.note(
            SECTION, f"connection to the gateway: {end} ({wire})", outcome, answer=ANSWER, requests=requests
        )
        assert verdict in {"typed error", "right answer"}, outcome
        assert verdict == "right answer" or isinstance(outcome.error, PortkeyConnectionError | PortkeyStreamError)
        assert verdict == "typed error" or tenth > 0.8
        assert requests == 1


@pytest.mark.parametrize("wire", MODELS)
def test_a_provider_that_closes_its_side_early(
    wire: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """It promised more and closes in good order within the answer (FIN, not RST); the gateway says nothing of it."""

    def half(request: ReceivedRequest) -> RawAnswer:
        answer = RENDERERS[request.wire].render(Reply(ANSWER), request)
        body = b"".join(piece for piece in answer.pieces if isinstance(piece, bytes))
        headers = {**answer.headers, "content-length": str(len(body)), "connection": "close"}
        return RawAnswer(answer.status, body=body[: len(body) // 2], headers=headers)

    model = chat(pinned_gateway, provider, wire)
    outcomes = at_once({way: partial(ask, way, model, scenes.prompt(way, half)) for way in WAYS})

    for way, outcome in outcomes.items():
        received = scenes.requests[way]
        verdict = ledger.note(SECTION, f"provider closes early ({wire})", outcome, answer=ANSWER, requests=received)
        assert verdict == "typed error", outcome
        assert way not in STREAMS or outcome.error.partial is not None
        assert received == 1


def test_events_that_stop_without_a_finish_reason(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """A stream whose last event is missing is cut off, even if it ends with [DONE] and in good order."""
    events = [f'data: {{"choices":[{{"index":0,"delta":{{"content":"{word} "}}}}]}}\n\n' for word in ("one", "two")]
    for ending in ("", "data: [DONE]\n\n"):
        for way in STREAMS:
            tag = f"{ending[:6]}{way}"
            body = RawAnswer(chunks=[event.encode() for event in [*events, ending] if event])
            outcome = ask(way, chat(pinned_gateway, provider), scenes.prompt(tag, body))
            verdict = ledger.note(
                SECTION, "no finish reason", outcome, answer="one two three", requests=scenes.requests[tag]
            )
            assert verdict == "typed error", outcome
            assert type(outcome.error) is PortkeyStreamTruncatedError
            assert outcome.error.partial.text == "one two "


@pytest.mark.parametrize("wire", MODELS)
def test_the_provider_says_within_the_stream_that_it_failed(
    wire: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    for number, share in enumerate((0.0, 0.3, 0.9)):
        failure = Failure(529 if wire == "anthropic" else 503, "overloaded")
        reply = Reply(ANSWER, stream_error=failure, stream_error_after=share)
        way = STREAMS[number % 2]
        outcome = ask(way, chat(pinned_gateway, provider, wire), scenes.prompt(str(share), reply))
        verdict = ledger.note(
            SECTION, f"error event ({wire})", outcome, answer=ANSWER, requests=scenes.requests[str(share)]
        )
        assert verdict == "typed error", outcome
        assert isinstance(outcome.error, PortkeyStreamError), outcome


def test_a_stalled_answer_is_given_up_in_time(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    stalled = Reply(ANSWER, stall_after=0.5, stall=6.0)
    jobs = {}
    for wire in MODELS:
        model = chat(pinned_gateway, provider, wire, timeout=1, max_retries=1)
        for way in WAYS:
            jobs[wire, way] = partial(ask, way, model, scenes.prompt(f"{wire} {way}", stalled))

    for (wire, way), outcome in at_once(jobs).items():
        requests = scenes.requests[f"{wire} {way}"]
        fault = "provider stalls longer than the timeout"
        assert ledger.note(SECTION, fault, outcome, answer=ANSWER, requests=requests) == "typed error", outcome
        assert type(outcome.error) is PortkeyTimeoutError
        assert outcome.seconds < 1 + SLACK
        assert requests == 1
        assert way not in STREAMS or outcome.error.partial is not None


def test_a_stall_of_whole_seconds(pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes) -> None:
    assert ask(
        "invoke", chat(pinned_gateway, provider), scenes.prompt("x", Reply(ANSWER, stall_after=0.5, stall=1))
    ).text


def test_a_stream_may_pause_for_less_than_the_timeout_as_often_as_it_likes(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """`timeout` bounds each silence of a stream; the stream as a whole may take longer."""
    model = chat(pinned_gateway, provider, timeout=2.5)
    slow = Reply(chunks=["one ", "two ", "three ", "four"], pause=0.4)
    outcomes = at_once({way: partial(ask, way, model, scenes.prompt(way, slow)) for way in STREAMS})

    for way, outcome in outcomes.items():
        verdict = ledger.note(
            SECTION, "pauses within the timeout", outcome, answer=slow.full_text, requests=scenes.requests[way]
        )
        assert verdict == "right answer", outcome


def test_a_slow_first_byte(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    patient = chat(pinned_gateway, provider, timeout=20)
    hurried = chat(pinned_gateway, provider, timeout=0.5)
    jobs = {}
    for way in WAYS:
        reply = Reply(ANSWER, delay=1.5)
        jobs["patient", way] = partial(ask, way, patient, scenes.prompt(f"patient {way}", reply))
        jobs["hurried", way] = partial(ask, way, hurried, scenes.prompt(f"hurried {way}", reply))

    for (who, way), outcome in at_once(jobs).items():
        requests = scenes.requests[f"{who} {way}"]
        fault = "first byte after the timeout" if who == "hurried" else "first byte late, within the timeout"
        verdict = ledger.note(SECTION, fault, outcome, answer=ANSWER, requests=requests)
        assert verdict == ("typed error" if who == "hurried" else "right answer"), outcome
        assert requests == 1
        if who == "hurried":
            assert type(outcome.error) is PortkeyTimeoutError
            assert outcome.seconds < 0.5 + SLACK


def test_headers_of_a_gateway_that_never_come(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Something between here and the gateway swallows the answer: given up in time, sent once."""
    with Relay(pinned_gateway.port, Cut(1, "silence")) as relay:
        model = chat(pinned_gateway, provider, base_url=relay.base_url, timeout=1)
        outcomes = at_once({way: partial(ask, way, model, scenes.prompt(way, Reply(ANSWER))) for way in WAYS})

    for way, outcome in outcomes.items():
        # Whether the gateway can stream is asked before the first stream; that question finds silence too.
        verdict = ledger.note(SECTION, "gateway goes silent", outcome, answer=ANSWER, requests=scenes.requests[way])
        assert verdict == "typed error", outcome
        assert type(outcome.error) is PortkeyTimeoutError
        assert outcome.seconds < 1 + 2 + SLACK
        assert scenes.requests[way] <= 1


def test_pieces_arrive_as_they_are_sent(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Nothing is lost or doubled however the bytes are cut: an event in single bytes, many events in one piece."""
    event = 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"é\u2028\u0085"}}]}\n\n'.encode()
    last = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    cuts = {
        "single bytes": [bytes([byte]) for byte in event * 3 + last],
        "one piece": [event * 3 + last],
        "odd pieces": [(event * 3 + last)[start:end] for start, end in pairwise(range(0, 600, 7))],
    }
    for name, chunks in cuts.items():
        for way in STREAMS:
            tag = f"{name} {way}"
            outcome = ask(
                way, chat(pinned_gateway, provider), scenes.prompt(tag, RawAnswer(chunks=[*filter(None, chunks)]))
            )
            verdict = ledger.note(
                SECTION, "events cut anywhere", outcome, answer="é\u2028\u0085" * 3, requests=scenes.requests[tag]
            )
            assert verdict == "right answer", outcome


def test_a_partial_message_can_go_on(pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes) -> None:
    """What a broken stream left can be used: it is a message with the text so far, and the error names the provider."""
    outcome = ask("stream", chat(pinned_gateway, provider), scenes.prompt("half", Reply(ANSWER, drop_after=0.5)))

    assert isinstance(outcome.error, PortkeyError)
    assert isinstance(outcome.error.partial, AIMessageChunk)
    assert outcome.error.partial.text == "".join(outcome.pieces)
    assert outcome.error.provider == "openai"
    assert outcome.error.request_id
