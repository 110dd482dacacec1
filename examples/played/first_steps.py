"""What the stand-in answers in `01_first_steps.ipynb`."""

from __future__ import annotations

from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, ToolCall, Usage
from played import chosen

_ANSWERS = {
    "Why is the sky blue": Reply(
        "Air scatters the short waves of sunlight, the blue ones, far more than the long red ones.",
        usage=Usage(input_tokens=17, output_tokens=22),
    ),
    "Count to ten": Reply("One, two, three, four, five, six, seven, eight, nine, ten.", pause=0.02),
    "How are you": Reply("Très bien, merci. Et vous ?", usage=Usage(input_tokens=21, output_tokens=11)),
    "order 4711": Reply("I'll look that up.", tool_calls=[ToolCall("order_status", {"number": 4711})]),
    "left our warehouse": Reply("Order 4711 left the warehouse on Monday and should reach you on Thursday."),
    "film by Jacques Tati": Reply(tool_calls=[ToolCall("Film", {"title": "Playtime", "year": 1967})]),
}


def play(request: ReceivedRequest) -> Reply | Failure | None:
    """Refuses the model that does not exist, else answers by what was asked."""
    if "sonnet-99" in str(request.model):
        return Failure(400, "The provided model identifier is invalid.")
    return chosen(_ANSWERS, request)
