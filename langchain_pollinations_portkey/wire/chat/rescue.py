"""How an answer is fetched when the way that was asked for would lose a part of it.

For some providers the gateway keeps more of an answer in one of its two forms. The answer is then fetched in that
form and handed out in the other, with one request either way; which provider needs it when is in its quirks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.notices import LossWarning, Notice


@dataclass(frozen=True, slots=True)
class Fetching:
    """How to ask for an answer.

    Attributes:
        stream: Whether it comes over the wire as events; what the caller asked for may be another thing.
        body: The request body that asks for it so.
        notices: What the user should know about it.
    """

    stream: bool
    body: Mapping[str, Any]
    notices: tuple[Notice, ...] = ()


def settle_fetching(body: Mapping[str, Any], provider: Provider, *, stream: bool) -> Fetching:
    """Choose the form in which more of the answer arrives.

    Args:
        body: The request body for the form that the caller asked for.
        provider: Who will answer.
        stream: Whether the caller asked for a stream.
    """
    if stream and _needs_json(body, provider):
        plain = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
        lost = "tool calls" if provider.quirks.read_streams_as_json == "with_tools" else "reasoning"
        text = (
            f"The gateway drops {lost} from streams of {provider.title}, so the answer is fetched whole: nothing of "
            "it is lost, but it arrives at once."
        )
        return Fetching(stream=False, body=plain, notices=(Notice(LossWarning, ("stream-as-json", provider.id), text),))
    if not stream and provider.quirks.read_through_stream and not _wants_several(body, provider):
        return Fetching(stream=True, body={**body, "stream": True})
    return Fetching(stream=stream, body=body)


def _needs_json(body: Mapping[str, Any], provider: Provider) -> bool:
    match provider.quirks.read_streams_as_json:
        case "with_tools":
            return bool(body.get("tools") or body.get("functions"))
        case "with_reasoning":
            return asks_for_reasoning(body)
        case _:
            return False


def asks_for_reasoning(body: Mapping[str, Any]) -> bool:
    """Whether a request asks the model to think. Some models think unasked; a request does not tell."""
    thinking = body.get("thinking")
    if isinstance(thinking, Mapping):
        return thinking.get("type") != "disabled"
    return bool(thinking or body.get("reasoning")) or body.get("reasoning_effort", "none") != "none"


def _wants_several(body: Mapping[str, Any], provider: Provider) -> bool:
    """Whether several answers will come; a stream is read as one message."""
    return (body.get("n") or 1) > 1 and "n" not in provider.quirks.drops
