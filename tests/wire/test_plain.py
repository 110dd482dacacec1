"""The short way of plain messages is the long way's twin, whatever the conversation and whoever reads it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_pollinations_portkey._json import CheckedList, dumps_body
from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.wire.chat import messages as module
from langchain_pollinations_portkey.wire.chat import tool_calls
from langchain_pollinations_portkey.wire.chat.request import ChatRequest, build_request

PROVIDERS = ["openai", "anthropic", "google", "bedrock", "mistral-ai", "groq", "cohere", "together-ai", "deepseek"]

TEXTS = st.sampled_from(["", " ", "\n", "text", "Größe \u2028", "null", " space around "]) | st.text(max_size=5)
NAMES = st.sampled_from([None, None, None, "", "a name"])
CONTENTS = TEXTS | st.lists(
    TEXTS.map(lambda text: {"type": "text", "text": text})
    | TEXTS
    | st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}})
    | st.just({"type": "text", "text": "marked", "cache_control": {"type": "ephemeral"}}),
    max_size=2,
)
PLAIN_OR_NOT = TEXTS | TEXTS | TEXTS | CONTENTS
ARGUMENTS = st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers() | st.floats() | TEXTS, max_size=3)
IDS = st.sampled_from(["call_1", "call_2", "an id with spaces", "x" * 70, "", None])
CALLS = st.lists(st.fixed_dictionaries({"name": st.sampled_from(["f", "g"]), "args": ARGUMENTS, "id": IDS}), max_size=2)
KWARGS = st.sampled_from([{}, {}, {}, {"refusal": "no"}, {"function_call": {"name": "f", "arguments": "{}"}}])
MESSAGES = st.one_of(
    st.builds(HumanMessage, PLAIN_OR_NOT, name=NAMES),
    st.builds(SystemMessage, TEXTS, name=NAMES),
    st.builds(AIMessage, PLAIN_OR_NOT, tool_calls=CALLS, name=NAMES, additional_kwargs=KWARGS),
    st.builds(
        ToolMessage,
        PLAIN_OR_NOT,
        tool_call_id=st.sampled_from(["call_1", "call_2", "an id with spaces", "", "x" * 70]),
        status=st.sampled_from(["success", "success", "error"]),
        name=NAMES,
    ),
)


def outcome(conversation: list[Any], provider: str) -> Any:
    """The request as bytes and what it loses, or the error."""
    model = Catalogue.default().resolve("some-model", provider=provider)
    try:
        request = build_request(conversation, model, {"max_tokens": 5}, stream=False)
        return dumps_body(request.body), request.losses
    except (PortkeyConfigurationError, ValueError) as error:
        return type(error), str(error)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversation=st.lists(MESSAGES, min_size=1, max_size=6), provider=st.sampled_from(PROVIDERS))
def test_both_ways_give_the_same_request_and_leave_the_messages_alone(conversation, provider):
    before = copy.deepcopy(conversation)

    short = outcome(conversation, provider)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "plain_writers", lambda _: {})
        long = outcome(conversation, provider)

    assert short == long
    assert conversation == before


def request_of(conversation: list[Any], provider: str = "openai") -> ChatRequest:
    model = Catalogue.default().resolve("some-model", provider=provider)
    return build_request(conversation, model, {"max_tokens": 5}, stream=False)


CALL = {"name": "f", "args": {"a": 1.5}, "id": "call_1"}
PLAIN = [
    SystemMessage("s"),
    HumanMessage("q"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("r", tool_call_id="call_1"),
    AIMessage("a"),
]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_messages_that_are_plain_are_not_looked_through_again(provider):
    if not Catalogue.default().provider(provider).quirks.tool_results:
        pytest.skip("takes no results of tools")
    assert isinstance(request_of(PLAIN, provider).body["messages"], CheckedList)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "message",
    [
        HumanMessage([{"type": "text", "text": "t"}]),
        HumanMessage("q", name="n"),
        AIMessage("a", additional_kwargs={"reasoning_content": "r"}),
        ToolMessage("r", tool_call_id="call_1", status="error"),
    ],
)
def test_one_message_with_more_to_it_has_all_looked_through(provider, message):
    conversation = [*PLAIN[:-1], message] if isinstance(message, ToolMessage) else [*PLAIN, message]
    assert not isinstance(request_of(conversation, provider).body["messages"], CheckedList)


def test_not_a_number_in_a_part_is_still_refused_beside_plain_messages():
    model = Catalogue.default().resolve("some-model", provider="openai")
    odd = HumanMessage([{"type": "odd", "value": float("nan")}])
    request = build_request([*PLAIN, odd], model, {"on_unknown_block": "pass"}, stream=False)

    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps_body(request.body)


@pytest.mark.parametrize(
    "changed",
    [
        {"content": ["text"]},
        {"additional_kwargs": {"refusal": "no"}},
        {"tool_calls": [CALL]},
        {"name": "a name"},
    ],
)
def test_a_message_changed_after_a_call_is_read_anew(changed):
    message = AIMessage("")
    conversation = [HumanMessage("q"), message, HumanMessage("q")]
    before = request_of(conversation, "openai").body["messages"]
    for name, value in changed.items():
        setattr(message, name, value)
    after = request_of(conversation, "openai").body["messages"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "plain_writers", lambda _: {})
        assert after == request_of(conversation, "openai").body["messages"]
    assert after != before


@given(ARGUMENTS)
def test_arguments_are_written_as_by_json(arguments):
    nested = {"a": arguments, "b": [arguments]}
    for given_arguments in (arguments, nested):
        assert tool_calls.dump_arguments(given_arguments) == json.dumps(given_arguments, ensure_ascii=False)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("value", [{1}, b"bytes", object()])
def test_arguments_without_a_form_in_json_are_refused(value, kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(tool_calls, "_encode", None)
    with pytest.raises(TypeError, match="not JSON serializable"):
        tool_calls.dump_arguments({"a": value})


@pytest.mark.parametrize("kept", [True, False])
def test_arguments_that_hold_themselves_are_refused(kept, monkeypatch):
    if not kept:
        monkeypatch.setattr(tool_calls, "_encode", None)
    arguments: dict[str, Any] = {}
    arguments["a"] = arguments
    with pytest.raises((ValueError, RecursionError)):
        tool_calls.dump_arguments(arguments)


def other_signature(one):
    return one


def other_output(markers, *rest, real=json.encoder.c_make_encoder):
    return real(markers, *rest) if markers is not None else lambda *_: ("other",)


@pytest.mark.parametrize("make", [None, other_signature, other_output])
def test_an_encoder_that_is_missing_or_works_otherwise_is_not_kept(make, monkeypatch):
    monkeypatch.setattr(json.encoder, "c_make_encoder", make)
    assert tool_calls._kept_encoder() is None
