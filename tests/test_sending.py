"""The loop that sends a request, driven by hand: which operations it yields, and what it makes of their results."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage

from langchain_pollinations_portkey import ChatPortkey, _sending
from langchain_pollinations_portkey._operations import Probe, Send
from langchain_pollinations_portkey.gateway.plain_build import Build

ORIGIN = "http://localhost:8787"


@pytest.fixture(autouse=True)
def _ask_anew() -> None:
    _sending.forget_builds()


def operations(**options):
    """The operations of a streamed call."""
    model = ChatPortkey(model="openai/gpt-4o", api_key="k", **options)
    return model._prepare([HumanMessage("Hello")], None, {}, stream=True).sending.open()


@pytest.mark.parametrize(("timeout", "waits"), [(None, 2.0), (30, 2.0), (0.5, 0.5)])
def test_the_question_about_the_build_waits_no_longer_than_the_call_may(timeout, waits):
    probe = next(operations(timeout=timeout))

    assert isinstance(probe, Probe)
    assert 0 < probe.seconds <= waits
    assert waits - probe.seconds < 0.4


@pytest.mark.parametrize(
    ("timeout", "status", "known"),
    [(None, None, Build.UNKNOWN), (None, 200, Build.GOOD), (0.5, 500, Build.BROKEN), (0.5, None, None)],
)
@pytest.mark.filterwarnings("ignore:The gateway at")
def test_no_answer_within_a_short_wait_is_not_remembered(timeout, status, known):
    flow = operations(timeout=timeout)
    next(flow)

    assert isinstance(flow.send(status), Send)
    assert _sending._builds.get(ORIGIN) is known


def test_who_is_known_is_not_asked_again():
    _sending._builds[ORIGIN] = Build.GOOD

    assert isinstance(next(operations()), Send)
