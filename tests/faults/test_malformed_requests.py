"""Requests with hostile or broken parts: refused before anything is sent, or sent as they are, to whom they are for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import ReceivedRequest, StandInProvider
from tests.faults.calls import KEY, WAYS, Outcome, Scenes, ask, at_once, chat, echo
from tests.faults.ledger import Ledger, nothing_was_sent

pytestmark = pytest.mark.gateway

SECTION = "Malformed requests"
PROMPT = "Please answer [[x]]."

LINES = {
    "CR LF": "a\r\nx-evil: 1",
    "LF": "a\nx-evil: 1",
    "CR": "a\rx-evil: 1",
    "NUL": "a\0b",
    "DEL": "a\x7fb",
    "U+2028": "a\u2028b",
    "emoji": "a🙂b",
    "Latin-1": "aé\xff",
    "half a surrogate pair": "a\ud800b",
    "20,000 characters": "a" * 20_000,
    "a blank at the end": "a ",
    "nothing": "",
}
"""Texts that cannot all be header values."""


def as_header(name: str, value: Any) -> dict[str, Any]:
    return {"default_headers": {name: value}}


HEADERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "api_key": lambda text: {"api_key": text},
    "trace_id": lambda text: {"trace_id": text},
    "portkey_metadata": lambda text: {"portkey_metadata": {"user": text, text: "user"}},
    "forward_headers": lambda text: {"forward_headers": [text]},
    "value of a header": lambda text: as_header("x-own", text),
    "name of a header": lambda text: as_header(f"x-{text}", "own"),
    "x-portkey-config": lambda text: as_header("x-portkey-config", json.dumps({"override_params": {"user": text}})),
    "custom_host, path": lambda text: {"custom_host": f"{{host}}/{text}"},
    "custom_host, host": lambda text: {"custom_host": f"http://{text}/"},
    "provider": lambda text: {"model": "gpt-4o", "provider": text},
    "option of a provider": lambda text: {"provider_options": {"openai_organization": text}},
}


def never_evil(request: ReceivedRequest) -> bool:
    """Whether a request has no header that was smuggled in, and only the keys that were given."""
    return "x-evil" not in request.headers and "\n" not in str(request.header_items)


def make_and_ask(way: str, gateway: LocalGateway, provider: StandInProvider, options: dict[str, Any]) -> Outcome:
    """Make a model and call it; both may refuse."""
    if "{host}" in str(options.get("custom_host")):
        options = {**options, "custom_host": options["custom_host"].replace("{host}", provider.url)}
    try:
        model = chat(gateway, provider, **options)
    except Exception as error:  # noqa: BLE001 - judged below
        return Outcome(error=error, streamed=way.endswith("stream"))
    return ask(way, model, PROMPT)


@pytest.mark.parametrize("where", HEADERS)
def test_hostile_header_values(
    where: str, pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    """What cannot be a header is refused by name and never quoted; what can arrives; nothing is smuggled in."""
    Scenes(provider)
    for number, (what, text) in enumerate(LINES.items()):
        provider.requests.clear()
        outcome = make_and_ask(WAYS[number % 4], pinned_gateway, provider, HEADERS[where](text))
        with subtests.test(what=what):
            verdict = ledger.note(
                SECTION, f"hostile {where}", outcome, answer=echo("x"), requests=len(provider.requests)
            )
            assert verdict in {"right answer", "typed error"}, repr(outcome.error)
            assert all(map(never_evil, provider.requests))
            if isinstance(outcome.error, PortkeyConfigurationError):
                assert not provider.requests
                assert not outcome.error.sent
            assert where == "provider" or len(str(outcome.error)) < 2000
            if where == "api_key" and len(text) > 5:
                assert text not in str(outcome.error)


MODELS = {
    **LINES,
    "a path upwards": "../../v1/evil",
    "a path": "a/b/c",
    "a query": "a?alt=evil&key=x#y",
    "escapes": "%2e%2e%2fevil%00",
    "quotes": '"}],"model":"evil',
    "a verb": "a:evil",
    "a path backwards": "a\\..\\b",
}


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_hostile_model_names_in_a_body(
    wire: str, pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    """The provider receives the very name, or nothing."""
    Scenes(provider)
    for number, (what, name) in enumerate(MODELS.items()):
        provider.requests.clear()
        options = {"model": name, "provider": wire}
        outcome = make_and_ask(WAYS[number % 4], pinned_gateway, provider, options)
        with subtests.test(what=what):
            _note_model(ledger, wire, outcome, provider)
            assert [request.json["model"] for request in provider.requests] in ([name], [])
            assert outcome.error is None or not provider.requests or provider.last.refused


OTHER_PATHS = ("../../v1/evil", "a?alt=evil&key=x#y", "a\\..\\b", LINES["CR LF"], LINES["LF"], LINES["CR"])
"""Names that the gateway writes into a URL as they are; then they mean another path or another model."""


@pytest.mark.parametrize("wire", ["google", "bedrock"])
def test_hostile_model_names_in_a_path(
    wire: str, pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger, subtests: pytest.Subtests
) -> None:
    """Where the gateway makes the name a part of the URL, the provider is asked for that very model, or nothing."""
    Scenes(provider)
    names = {what: name for what, name in MODELS.items() if wire == "bedrock" or name not in OTHER_PATHS}
    for number, (what, name) in enumerate(names.items()):
        with subtests.test(what=what):
            _ask_by_path(WAYS[number % 4], wire, name, pinned_gateway, provider, ledger)


@pytest.mark.parametrize("name", OTHER_PATHS, ids=ascii)
def test_a_model_name_does_not_lead_to_another_path(
    name: str, pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger
) -> None:
    Scenes(provider)
    _ask_by_path("invoke", "google", name, pinned_gateway, provider, ledger)


def _ask_by_path(
    way: str, wire: str, name: str, gateway: LocalGateway, provider: StandInProvider, ledger: Ledger
) -> None:
    provider.requests.clear()
    aws = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": KEY}
    options = {"api_key": None, "provider_options": aws} if wire == "bedrock" else {}
    outcome = make_and_ask(way, gateway, provider, {"model": name, "provider": wire, **options})
    _note_model(ledger, wire, outcome, provider)
    for request in provider.requests:
        if wire == "google":
            assert re.fullmatch(r"/v1beta/models/[^?]*:\w+\?(alt=sse&)?key=[^&]+", request.path), request.path
        # The gateway opens escapes for Bedrock and writes them anew.
        assert unquote(request.path.split("/model/")[-1].split("/models/")[-1]).startswith(unquote(name))


def _note_model(ledger: Ledger, wire: str, outcome: Outcome, provider: StandInProvider) -> None:
    verdict = ledger.note(
        SECTION, f"hostile model names ({wire})", outcome, answer=echo("x"), requests=len(provider.requests)
    )
    assert verdict in {"right answer", "typed error"}, repr(outcome.error)
    assert all(map(never_evil, provider.requests))


# ---------------------------------------------------------------------- what has no form in JSON

NAN, ENDLESS = float("nan"), float("inf")


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


def calling(arguments: Any) -> list[Any]:
    """A history in which the model called a tool with these arguments."""
    message = AIMessage("")
    message.tool_calls = [{"name": "look", "args": arguments, "id": "t1", "type": "tool_call"}]
    return [HumanMessage("Look."), message, ToolMessage("seen", tool_call_id="t1"), HumanMessage(PROMPT)]


HALF = "half \ud800 a pair"

BODIES: dict[str, Callable[[], tuple[dict[str, Any], Any]]] = {
    "temperature: NaN": lambda: ({"temperature": NAN}, PROMPT),
    "top_p: Infinity": lambda: ({"top_p": ENDLESS}, PROMPT),
    "logit_bias: -Infinity": lambda: ({"logit_bias": {"5": -ENDLESS}}, PROMPT),
    "parameter: bytes": lambda: ({"user": b"x"}, PROMPT),
    "parameter: a set": lambda: ({"user": {"x"}}, PROMPT),
    "parameter: itself": lambda: ({"user": circle()}, PROMPT),
    "parameter: 100,000 lists": lambda: ({"user": deep()}, PROMPT),
    "stop: half a surrogate pair": lambda: ({"stop": [HALF]}, PROMPT),
    "metadata: NaN": lambda: ({"portkey_metadata": {"a": NAN}}, PROMPT),
    "metadata: itself": lambda: ({"portkey_metadata": circle()}, PROMPT),
    "metadata: 100,000 lists": lambda: ({"portkey_metadata": {"a": deep()}}, PROMPT),
    "text: half a surrogate pair": lambda: ({}, f"{HALF} {PROMPT}"),
    "system: half a surrogate pair": lambda: ({}, [SystemMessage(HALF), HumanMessage(PROMPT)]),
    "part: half a surrogate pair": lambda: ({}, [HumanMessage([{"type": "text", "text": f"{HALF} {PROMPT}"}])]),
    "tool arguments: themselves": lambda: ({}, calling(circle())),
    "tool arguments: NaN": lambda: ({}, calling({"a": NAN})),
    "tool arguments: half a surrogate pair": lambda: ({}, calling({"a": HALF})),
    "tool arguments: 100,000 lists": lambda: ({}, calling({"a": deep()})),
    "tool arguments: bytes": lambda: ({}, calling({"a": b"x"})),
    "tool arguments: keys that are no texts": lambda: ({}, calling({1: 2, None: 3})),
    "image: bytes": lambda: (
        {},
        [HumanMessage([{"type": "text", "text": PROMPT}, {"type": "image", "base64": b"x", "mime_type": "image/png"}])],
    ),
    "part: no object": lambda: ({}, [HumanMessage([{"type": 3}])]),
    "part: itself": lambda: ({}, [HumanMessage([{"type": "text", "text": PROMPT, "extras": circle()}])]),
    "NUL in the text": lambda: ({}, f"a\0b {PROMPT}"),
    "U+2028 and U+0085 in the text": lambda: ({}, f"a\u2028\u0085b {PROMPT}"),
    "an integer of 400 digits": lambda: ({"seed": 10**400}, PROMPT),
}


@pytest.mark.parametrize("what", list(BODIES))
def test_bodies_that_cannot_be_written(
    what: str, pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger
) -> None:
    """Refused before anything is sent, or sent as it is: never half, never as something else."""
    Scenes(provider)
    options, prompt = BODIES[what]()
    model = chat(pinned_gateway, provider).bind(**options)
    outcomes = at_once({way: partial(ask, way, model, prompt) for way in WAYS})
    for outcome in outcomes.values():
        verdict = ledger.note(SECTION, what, outcome, answer=echo("x"), requests=len(provider.requests) // len(WAYS))
        assert verdict in {"right answer", "typed error"}, repr(outcome.error)
        assert verdict == "right answer" or nothing_was_sent(outcome), outcome
    refused = [outcome for outcome in outcomes.values() if outcome.error is not None]
    assert len(provider.requests) + len(refused) == len(WAYS)
    for request in provider.requests:
        said = json.dumps(request.json["messages"])
        for text in ("\0", "\u2028", "\u0085"):
            assert (text in str(prompt)) == (json.dumps(text)[1:-1] in said)


def test_headers_up_to_the_limit_arrive_and_beyond_it_are_refused(
    pinned_gateway: LocalGateway, provider: StandInProvider, ledger: Ledger
) -> None:
    """The gateway takes 16 KB; what this package lets through never meets its 431."""
    Scenes(provider)
    arrived = 0
    for number, size in enumerate((8_000, 13_000, 14_000, 14_300, 14_600, 15_000, 16_000, 100_000)):
        provider.requests.clear()
        outcome = make_and_ask(WAYS[number % 4], pinned_gateway, provider, as_header("x-own", "v" * size))
        verdict = ledger.note(SECTION, "long headers", outcome, answer=echo("x"), requests=len(provider.requests))
        assert verdict in {"right answer", "typed error"}, outcome
        assert verdict == "right answer" or isinstance(outcome.error, PortkeyConfigurationError)
        arrived += len(provider.requests)
    assert arrived >= 3


@pytest.mark.parametrize("options", [{"model": "gpt-4o", "provider": "a" * 5_000}, {"model": "a" * 5_000}])
def test_an_error_does_not_quote_a_name_without_end(
    options: dict[str, str], pinned_gateway: LocalGateway, provider: StandInProvider
) -> None:
    outcome = make_and_ask("invoke", pinned_gateway, provider, options)
    assert isinstance(outcome.error, PortkeyConfigurationError)
    assert len(str(outcome.error)) < 2000
