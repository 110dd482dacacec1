"""What the stand-in answers in `03_agent_with_caching.ipynb`: an agent at the counter of a tool library."""

from __future__ import annotations

from dataclasses import replace

from langchain_pollinations_portkey.testing import ReceivedRequest, Reply, ToolCall
from played import chosen
from played.prompt_cache import PromptCache

_ANSWERS = {
    "rotary hammer free": Reply(
        "Let me look.",
        tool_calls=[
            ToolCall("member", {"name": "Ines Duarte"}),
            ToolCall("availability", {"item": "rotary hammer", "day": "Saturday"}),
        ],
    ),
    "is free on": Reply(
        "Yes, on Saturday one is free. It has a yellow ring: three days, no extension, and a deposit of 50. You still "
        "need the introduction, which is given on Saturday at 11 o'clock; after it you can take the hammer with you."
    ),
    "two days late": Reply(
        "I work that out.", tool_calls=[ToolCall("late_fee", {"category": "yellow ring", "days": 2})]
    ),
    "fee is": Reply("12 for the two days, or 6 if you tell us before it is due. Days on which we are closed are free."),
    "on Sunday": Reply("Yes, between 10 and 13 o'clock; on Sundays we take tools back."),
}
_cache = PromptCache()


def play(request: ReceivedRequest) -> Reply | None:
    """The next step of the conversation, its tokens counted as a prompt cache would."""
    answer = chosen(_ANSWERS, request)
    if not isinstance(answer, Reply):
        return None
    length = len(answer.text.split()) + 20 * len(answer.tool_calls)
    return replace(answer, usage=_cache.count(request, length))
