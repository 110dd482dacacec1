"""Answers that no healthy provider gives: the right answer where there is one, else a typed error, never a crash."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from langchain_pollinations_portkey.errors import (
    PortkeyError,
    PortkeyGatewayError,
    PortkeyInvalidResponseError,
    PortkeyModelNotFoundError,
    PortkeyStatusError,
    PortkeyStreamError,
    PortkeyStreamTruncatedError,
)
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.notices import GatewayBuildWarning, LossWarning
from langchain_pollinations_portkey.testing import Failure, RawAnswer, Reply, StandInProvider
from langchain_pollinations_portkey.testing.replies import Scripted
from tests.faults.calls import KEY, MODELS, WAYS, Outcome, Scenes, ask, chat, in_groups
from tests.faults.ledger import Ledger

pytestmark = [
    pytest.mark.gateway,
    pytest.mark.filterwarnings(f"ignore::{LossWarning.__module__}.LossWarning"),
]

SECTION = "Malformed answers"
TEXT = "This is the whole answer."
PLAIN, STREAMS = ("invoke", "ainvoke"), ("stream", "astream")
BIG = "x" * 5_000_000


@dataclass(frozen=True, eq=False)
class Answer:
    """What a provider sends, and what has to come of it.

    Attributes:
        fault: What is wrong with it.
        sent: The answer.
        text: The right answer, None if there is none.
        ends: What the error has to be.
        ways: How to ask for it.
        wires: In whose shape.
        timeout: Seconds for the call.
    """

    fault: str
    sent: Scripted
    text: str | None = None
    ends: type[PortkeyError] = PortkeyError
    ways: Sequence[str] = WAYS
    wires: Sequence[str] = tuple(MODELS)
    timeout: float = 40


def whole(content: Any = TEXT) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]}


def event(delta: Any, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}


def sse(*events: Any) -> RawAnswer:
    """A stream of these events; bytes and texts go out as they are."""
    texts = [one if isinstance(one, bytes | str) else json.dumps(one) for one in events]
    data = [text if isinstance(text, bytes) else text.encode() for text in texts]
    return RawAnswer(chunks=[b"data: " + one + b"\n\n" for one in data])


def body(text: str | bytes, status: int = 200, **headers: str) -> RawAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RawAnswer(status, body=text if isinstance(text, bytes) else text.encode(), headers=named)


GOOD = json.dumps(whole())
LAST = event({}, "stop")
HTML = "<!doctype html><html><body><h1>Sorry</h1></body></html>"


def answers() -> Iterator[Answer]:
    yield Answer("JSON that breaks off", body('{"choices": [{"mess'))
    yield Answer("no JSON", body("oops"))
    yield Answer("empty body", body(""))
    yield Answer("empty 500", body("", 500))
    yield Answer("HTML, 200", body(HTML, content_type="text/html"))
    yield Answer("HTML, 200, as JSON", body(HTML))
    yield Answer("HTML, 502", body(HTML, 502, content_type="text/html"), ends=PortkeyStatusError)
    yield Answer("error inside, 200", body('{"error": {"message": "boom", "type": "server_error", "code": null}}'))
    for value in ("{}", "[]", "null", "3", '"text"', "true", "[{}]"):
        yield Answer(f"`{value}`", body(value))
    for choices in (None, [], {}, "text", 3, [None], [3]):
        yield Answer(
            f"`choices: {json.dumps(choices)}`", body(json.dumps({**whole(), "choices": choices})), wires=["openai"]
        )
    yield Answer("204", RawAnswer(204))
    yield Answer("302 without a target", body("", 302))
    yield Answer(
        "302 to a web page that is not there", body("", 302, location="/nowhere"), ends=PortkeyModelNotFoundError
    )
    yield Answer("304", RawAnswer(304))
    yield Answer("431", body("", 431), ends=PortkeyStatusError)
    yield Answer("status 299", body(GOOD, 299), TEXT, ways=PLAIN, wires=["openai"])
    yield Answer("status 599", body("?", 599), ends=PortkeyStatusError)
    yield Answer("100,000 brackets", body("[" * 100_000 + "]" * 100_000), wires=["openai"])
    yield Answer(
        "100,000 brackets in a field",
        body(GOOD[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        wires=["openai"],
    )
    yield Answer(
        "error body of 1 MB",
        body(json.dumps({"error": {"message": BIG[:1_000_000]}}), 400),
        ends=PortkeyStatusError,
        wires=["openai"],
    )
    yield Answer("error body of odd values", body('{"error": {"message": {"a": [3]}, "type": 7, "code": {}}}', 400))
    lost = '{"error": {"message": "a\\ud800b", "type": "\\udfff"}}'
    yield Answer("error with half a surrogate pair", body(lost, 400), ends=PortkeyStatusError)
    yield Answer("200 with half a surrogate pair in an error", body(lost), ends=PortkeyStatusError, ways=PLAIN)
    yield Answer("error body that is no UTF-8", body(b'{"error": {"message": "\xff\xfe"}}', 422))
    yield Answer("gzip that is none", body(GOOD, content_encoding="gzip"), timeout=1.5)  # the gateway may never answer
    yield Answer("more promised than sent", body(GOOD, content_length="9999", connection="close"))
    yield from texts()
    yield from streams()
    yield from odd_headers()


def texts() -> Iterator[Answer]:
    """Right answers in which the text, or the JSON around it, is unusual."""
    here = {"wires": ["openai"], "ways": PLAIN}
    for name, text in {
        "U+2028 and U+0085": "a\u2028b\u2029c\u0085d",
        "NUL, escaped": "a\u0000b",
        "control characters, escaped": "\u0001\u001b[31m\u007f",
        "emoji and combining": "👩‍👩‍👧‍👦 e\u0301",
        "1 MB": BIG[:1_000_000],
    }.items():
        yield Answer(f"text with {name}", body(json.dumps(whole(text), ensure_ascii="\0" in text)), text, **here)
    yield Answer(
        "text that is no UTF-8",
        body(json.dumps(whole("a~b")).replace("~", "\xff").encode("latin-1")),
        "a\ufffdb",
        **here,
    )
    yield Answer("NUL, bare", body(json.dumps(whole("a~b")).replace("~", "\0")), **here)
    yield Answer("half a surrogate pair", body(GOOD.replace(TEXT, "a\\ud800b")), "a\ud800b", **here)
    yield Answer("byte order mark", body("\ufeff" + GOOD), TEXT, **here)
    yield Answer("the same key twice", body(GOOD[:-1] + ', "id": "c2"}'), TEXT, **here)


def streams() -> Iterator[Answer]:
    """What may come in the place of events."""
    there = {"wires": ["openai"], "ways": STREAMS}
    for name, text in {
        "U+2028 and U+0085": "a\u2028b\u2029c\u0085d",
        "NUL, escaped": "a\u0000b",
        "5 MB": BIG,
    }.items():
        sent = sse(json.dumps(event({"content": text}), ensure_ascii="\0" in text), LAST, "[DONE]")
        yield Answer(f"event with {name}", sent, text, **there)
    begun = event({"content": TEXT})
    cut = {**there, "ends": PortkeyStreamError}
    truncated = {**there, "ends": PortkeyStreamTruncatedError}
    yield Answer("event that is no JSON", sse(begun, "oops", LAST), **cut)
    yield Answer("event that breaks off", sse(begun, '{"choices": [{"del', LAST), **cut)
    yield Answer("event that is no UTF-8", sse(begun, b'{"x": "\xff"}', LAST), TEXT, **there)
    yield Answer("event with a bare NUL", sse(begun, b'{"x": "\0"}', LAST), **cut)
    yield Answer("event of 100,000 brackets", sse(begun, "[" * 100_000 + "]" * 100_000, LAST), **cut)
    yield Answer("error event", sse(begun, {"error": {"message": "boom"}}), **cut)
    yield Answer("error event, a text", sse(begun, {"error": "boom"}), **cut)
    yield Answer("HTML instead of events", body(HTML, content_type="text/html"), **cut)
    yield Answer("HTML as events", body(HTML, content_type="text/event-stream"), **cut)
    yield Answer("no event", RawAnswer(chunks=[]), **truncated)
    yield Answer("only [DONE]", sse("[DONE]"), **truncated)
    yield Answer("only `choices: []`", sse({**LAST, "choices": []}, "[DONE]"), **truncated)
    yield Answer("events of other kinds", sse("null", "3", '"x"', "[1]", "{}", begun, LAST, "[DONE]"), TEXT, **there)
    yield Answer("comments, names, CRLF", RawAnswer(chunks=[
        b": hi\r\n\r\nevent: x\r\nid: 3\r\nretry: 5\r\ndata:" + json.dumps(begun).encode() + b"\r\n\r\n",
        b"data: " + json.dumps(LAST).encode() + b"\r\n\r\n",
    ]), TEXT, **there)  # fmt: skip
    yield Answer("byte order mark before events", RawAnswer(chunks=[
        b"\xef\xbb\xbfdata: " + json.dumps(begun).encode() + b"\n\n", *sse(LAST).chunks
    ]), TEXT, **there)  # fmt: skip
    yield Answer("no blank line at the end", RawAnswer(chunks=[
        *sse(begun).chunks, b"data: " + json.dumps(LAST).encode()
    ]), TEXT, **there)  # fmt: skip
    yield Answer("more after the end", sse(begun, LAST, "[DONE]", {**LAST, "choices": []}), TEXT, **there)


def odd_headers() -> Iterator[Answer]:
    """Headers of a provider, on an answer and on an error."""
    many = {f"x-{number}": "r" * 1000 for number in range(40)}  # more than the gateway takes
    yield Answer("answer with headers: 40 KB", Reply(TEXT, headers=many), wires=["openai"])
    for name, headers in {
        "`retry-after: nan`": {"retry-after": "nan"},
        "`retry-after: inf`": {"retry-after": "inf"},
        "`retry-after: -5`": {"retry-after": "-5"},
        "`retry-after: 1e999`": {"retry-after": "1e999"},
        "a date without end as `retry-after`": {"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"},
        "8 KB": {"x-request-id": "r" * 8000},
        "the gateway's own names": {
            "x-portkey-provider": "mistral-ai",
            "x-portkey-retry-attempt-count": "77",
            "x-portkey-last-used-option-index": "config.targets[9]",
            "x-portkey-trace-id": "other",
        },
        "an unknown provider's name": {"x-portkey-provider": "evil"},
        "`content-type: ;;;`": {"content-type": ";;;"},
        "`content-type: application/json; charset=utf-16`": {"content-type": "application/json; charset=utf-16"},
        "cookies": {"set-cookie": f"key={'c' * 300}; Domain=.example.com"},
    }.items():
        yield Answer(f"answer with headers: {name}", Reply(TEXT, headers=headers), TEXT, wires=["openai"])
        yield Answer(f"503 with headers: {name}", Failure(503, "no", headers=headers), wires=["openai"])


@pytest.mark.timeout(180)
def test_malformed_answers(
    pinned_gateway: LocalGateway,
    provider: StandInProvider,
    scenes: Scenes,
    ledger: Ledger,
    subtests: pytest.Subtests,
) -> None:
    jobs = {}
    for number, case in enumerate(answers()):
        for wire in case.wires:
            model = chat(pinned_gateway, provider, wire, timeout=case.timeout)
            for way in case.ways:
                tag = f"{number}-{wire}-{way}"
                jobs[case, way, tag] = partial(ask, way, model, scenes.prompt(tag, case.sent))
    for (case, _, tag), outcome in in_groups(jobs).items():
        with subtests.test(case.fault, tag=tag):
            answer = TEXT if case.text is None else case.text
            verdict = ledger.note(SECTION, case.fault, outcome, answer=answer, requests=scenes.requests[tag])
            assert verdict == ("typed error" if case.text is None else "right answer"), str(outcome)[:1000]
            assert outcome.error is None or isinstance(outcome.error, case.ends), outcome.error
            assert len(str(outcome.error)) < 3000


# ---------------------------------------------------------------------- odd values anywhere

ODD: tuple[Any, ...] = (None, 5, -1.5, True, "x", "", [], {}, [3], [None], {"x": 1}, [[]], "\ud83d\ude00", 10**30)

RICH_MESSAGE = {
    "role": "assistant",
    "content": TEXT,
    "refusal": None,
    "reasoning_content": "hm",
    "annotations": [{"type": "url_citation", "url_citation": {"url": "http://x", "start_index": 0}}],
    "content_blocks": [{"type": "text", "text": TEXT}],
    "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}],
}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
}


def rich_answer() -> dict[str, Any]:
    choice = {"index": 0, "message": RICH_MESSAGE, "finish_reason": "stop", "logprobs": {"content": [{"token": "a"}]}}
    return {**whole(), "choices": [choice], "usage": USAGE, "system_fingerprint": "f", "citations": ["http://x"]}


def rich_event() -> dict[str, Any]:
    delta = {
        **RICH_MESSAGE,
        "content_blocks": [{"index": 0, "delta": {"text": TEXT}}],
        "tool_calls": [
            {"index": 0, "id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
        ],
    }
    choice = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": {"content": [{"token": "a"}]}}
    return {**event({}), "choices": [choice], "usage": USAGE, "system_fingerprint": "f", "citations": ["http://x"]}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value within a JSON value."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    value = copy.deepcopy(value)
    inside = value
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = odd
    return value


TENDER = (
    "id",
    "choices",
    "choices.0.message.content_blocks",
    "choices.0.delta.content_blocks",
    "choices.0.message.tool_calls.0.id",
    "choices.0.message.tool_calls.0.function.name",
    "choices.0.delta.tool_calls.0.id",
    "choices.0.delta.tool_calls.0.function.name",
)
"""Places where a loop or pydantic meets the value; the short form tries all odd values there."""


def changes() -> Iterator[tuple[str, str, Any, RawAnswer]]:
    """Every value of an answer replaced by every odd one: where, the way to ask, the odd value, the answer."""
    for base in (rich_answer(), rich_event()):
        streamed = "delta" in base["choices"][0]
        for path in places(base):
            for number, odd in enumerate(ODD):
                one = replaced(base, path, odd)
                way = (STREAMS if streamed else PLAIN)[number % 2]
                yield (
                    ".".join(map(str, path)),
                    way,
                    odd,
                    sse(one, LAST, "[DONE]") if streamed else body(json.dumps(one)),
                )


def _ask_all(
    chosen: list[tuple[str, str, Any, RawAnswer]],
    gateway: LocalGateway,
    provider: StandInProvider,
    scenes: Scenes,
    ledger: Ledger,
    fault: str,
) -> dict[str, Outcome]:
    """Ask for each answer; what came of those that ended neither in an answer nor in an error of ours."""
    model = chat(gateway, provider)
    jobs = {}
    for where, way, odd, sent in chosen:
        tag = f"{way} {where} = {json.dumps(odd)}".replace("[", "(").replace("]", ")")
        jobs[tag] = partial(ask, way, model, scenes.prompt(tag, sent))
    wrong = {}
    for tag, outcome in in_groups(jobs).items():
        text = outcome.text if outcome.text is not None else "".join(outcome.pieces)
        verdict = ledger.note(SECTION, fault, outcome, answer=text, requests=scenes.requests[tag])
        if verdict not in {"right answer", "typed error"}:
            wrong[tag] = outcome
    return wrong


@pytest.mark.parametrize("share", [5, pytest.param(1, marks=pytest.mark.soak)])
def test_odd_values_anywhere_in_an_answer(
    share: int, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Each value of an answer, in turn, is of another kind: what is read then may vary, how it ends may not.

    The gateway passes OpenAI's answers on as they are, so that all of it reaches this package. The short form
    takes every fifth; 5 and the 14 odd values share no factor, so that each place and each value has its turn.
    """
    all_changes = list(changes())
    tender = [change for change in all_changes if share > 1 and change[0] in TENDER]
    chosen = {
        f"{where} {way} {odd}": (where, way, odd, sent) for where, way, odd, sent in all_changes[::share] + tender
    }
    assert not _ask_all(list(chosen.values()), pinned_gateway, provider, scenes, ledger, "odd values anywhere")


@pytest.mark.parametrize("choice", [{}, {"message": None}, {"message": 3}], ids=json.dumps)
def test_a_choice_without_a_message_is_no_answer(
    choice: Any, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    sent = body(json.dumps({**whole(), "choices": [choice]}))
    outcome = ask("invoke", chat(pinned_gateway, provider), scenes.prompt("x", sent))

    fault = f"`choices: [{json.dumps(choice)}]`"
    assert ledger.note(SECTION, fault, outcome, answer=TEXT, requests=scenes.requests["x"]) == "typed error"
    assert type(outcome.error) is PortkeyInvalidResponseError


@pytest.mark.parametrize("way", WAYS)
def test_an_error_with_headers_beyond_ascii(
    way: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    failure = Failure(503, "no", headers={"x-request-id": "é" * 20})
    outcome = ask(way, chat(pinned_gateway, provider), scenes.prompt("x", failure))

    fault = "503 with headers: Latin-1"
    assert ledger.note(SECTION, fault, outcome, answer=TEXT, requests=scenes.requests["x"]) == "typed error"


@pytest.mark.filterwarnings(f"error::{GatewayBuildWarning.__module__}.GatewayBuildWarning")
def test_a_good_gateway_is_not_taken_for_a_broken_one(
    pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """An empty 500 of the provider makes the gateway fail; that says nothing about how it is installed."""
    model = chat(pinned_gateway, provider)
    first = ask("stream", model, scenes.prompt("empty", body("", 500)))
    assert type(first.error) is PortkeyGatewayError
    assert "installed" not in str(first.error)
    after = ask("stream", model, scenes.prompt("after", Reply(TEXT)))

    fault = "stream after the gateway failed on one"
    assert ledger.note(SECTION, fault, after, answer=TEXT, requests=scenes.requests["after"]) == "right answer"


def repeating(status: int) -> RawAnswer:
    """An error that quotes the key it refuses."""
    error = {"message": f"Incorrect API key provided: {KEY}", "type": f"{KEY}", "code": KEY}
    return body(json.dumps({"error": error}), status)


@pytest.mark.parametrize("wire", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_a_provider_that_repeats_the_key_is_not_quoted(
    status: int, wire: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    """Some say "Incorrect API key provided: sk-..."; neither the error nor a log shows it."""
    model = chat(pinned_gateway, provider, wire)
    for way in WAYS:
        outcome = ask(way, model, scenes.prompt(way, repeating(status)))
        requests = scenes.requests[way]
        verdict = ledger.note(SECTION, "error that repeats the key", outcome, answer=TEXT, requests=requests)
        assert verdict == "typed error", outcome


@pytest.mark.parametrize("way", WAYS)
def test_a_successful_answer_that_repeats_the_key_is_not_quoted(
    way: str, pinned_gateway: LocalGateway, provider: StandInProvider, scenes: Scenes, ledger: Ledger
) -> None:
    streamed = sse({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    sent = streamed if way in STREAMS else repeating(200)
    outcome = ask(way, chat(pinned_gateway, provider), scenes.prompt("x", sent))

    fault = "200 with an error that repeats the key"
    assert ledger.note(SECTION, fault, outcome, answer=TEXT, requests=scenes.requests["x"]) == "typed error"
