"""What the stand-in of the notebooks counts as read from and written to a prompt cache."""

from __future__ import annotations

import json
from typing import Any

import pytest

from langchain_pollinations_portkey.testing import ReceivedRequest
from langchain_pollinations_portkey.testing.received import receive

LONG = "word " * 1000
MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.fixture
def cache(examples_importable: None) -> Any:
    from played.prompt_cache import PromptCache

    return PromptCache()


def request(*said: str, system_marked: bool = True, end_marked: bool = True, system: str = LONG) -> ReceivedRequest:
    """A conversation of one block per message, its system prompt and its end marked."""
    messages = [
        {"role": ("user", "assistant")[place % 2], "content": [{"type": "text", "text": text}]}
        for place, text in enumerate(said)
    ]
    if end_marked:
        messages[-1]["content"][0].update(MARK)
    block = {"type": "text", "text": system, **(MARK if system_marked else {})}
    body = json.dumps({"model": "claude-sonnet-4-5", "system": [block], "messages": messages})
    return receive("POST", "/v1/messages", [], body.encode())


def test_the_first_call_writes_and_the_next_reads_it_and_writes_what_was_added(cache: Any) -> None:
    first = cache.count(request("a"), 5)
    second = cache.count(request("a", "b", "c"), 5)
    assert (first.cache_read, first.input_tokens) == (0, 0)
    assert second.cache_read == first.cache_write > 1024
    assert 0 < second.cache_write < 50


def test_a_conversation_that_began_otherwise_reads_the_system_prompt_only(cache: Any) -> None:
    first = cache.count(request("a"), 5)
    other = cache.count(request("x"), 5)
    assert 1024 < other.cache_read < first.cache_write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(request("a", end_marked=False, system_marked=False), request("a"), id="nothing was marked"),
        pytest.param(request("a", system="short"), request("a", system="short"), id="too short to be kept"),
        pytest.param(request("a"), request("a", system="!" + LONG), id="the beginning has changed"),
        pytest.param(request("a"), request("a", end_marked=False, system_marked=False), id="nothing is marked now"),
    ],
)
def test_nothing_is_read_where(before: ReceivedRequest, after: ReceivedRequest, cache: Any) -> None:
    cache.count(before, 5)
    counts = cache.count(after, 5)
    assert counts.cache_read == 0
    assert counts.prompt > 0


def test_a_breakpoint_finds_nothing_more_than_twenty_blocks_before_it(cache: Any) -> None:
    cache.count(request("a", system_marked=False), 5)
    near = request("a", *map(str, range(19)), system_marked=False)
    far = request("a", *map(str, range(20)), system_marked=False)
    assert cache.count(far, 5).cache_read == 0
    assert cache.count(near, 5).cache_read > 0
