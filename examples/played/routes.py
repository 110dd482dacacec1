"""What the stand-in answers in `06_fallbacks_and_load_balancing.ipynb`: three providers, one with a bad hour."""

from __future__ import annotations

import re

from langchain_pollinations_portkey.testing import Failure, ReceivedRequest, Reply
from played import last_text

BAD_HOUR = range(20, 40)
"""The tickets during which Amazon Bedrock is overloaded."""


def play(request: ReceivedRequest) -> Reply | Failure | None:
    """Sorts tickets; Bedrock fails for those of its bad hour."""
    ticket = re.search(r"Ticket (\d+)", last_text(request))
    if ticket is None:
        return None
    if request.wire == "bedrock" and int(ticket[1]) in BAD_HOUR:
        return Failure(503, "Service is temporarily unavailable. Please try again later.")
    return Reply(("billing", "delivery", "repair")[int(ticket[1]) % 3])
