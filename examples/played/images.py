"""What the stand-in answers in `05_images_and_pdfs.ipynb`."""

from __future__ import annotations

from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply, ToolCall
from played import chosen

_FREE = Reply("Yes: of the four places, the second from the left is free.")
_ANSWERS = {
    "Which month": Reply("May: its bar is the tallest, at 31 loans."),
    "Which animal": Reply("An ant, seen close up from the side: a carpenter ant, by its shape."),
    "How much do we owe": Reply("54.60, for two packs of saw blades and a set of drill bits, by 15 June."),
    "parking": Reply("I have a look.", tool_calls=[ToolCall("camera", {"place": "yard"})]),
    "yard, now": _FREE,
    "Returned by camera": _FREE,  # where the picture follows in a message of the user
}


def play(request: ReceivedRequest) -> Reply | Failure | None:
    """Answers by what was asked; the pictures are not looked at."""
    return chosen(_ANSWERS, request)
