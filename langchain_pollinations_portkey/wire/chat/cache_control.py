"""Cache breakpoints: `{"type": "ephemeral", "ttl": "5m" | "1h"}` after what the provider shall remember.

Breakpoints come from three sides: marked parts and tools, `cache_control=` of a call, and the policy of a model.
`settle_cache_control` is the last pass over a finished request. It knows every place where a breakpoint may stand,
in the order in which Anthropic reads them - tools, system prompts, messages - and makes of the wishes what the
provider gets through this gateway:

- none for providers without breakpoints, and none where the gateway or the provider would lose or refuse it
  (blank text, thinking; `Quirks.cache_lost_on`),
- at most four, the oldest of the conversation going first,
- if the gateway would take the `ttl` from any of them, five minutes for all: an hour after five minutes is refused.

The places are named `tool`, `system`, `text` (of the user), `media` (of the user, as bytes), `linked_media` (by
URL), `assistant`, `tool_call` and `tool_result`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.load.serializable import Serializable
from pydantic import ConfigDict, Field, ValidationError

from langchain_pollinations_portkey._json import CheckedList
from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import PortkeyConfigurationError

MAX_BREAKPOINTS = 4
"""Anthropic, "Prompt caching": a request has at most four."""

_SHORT = "5m"
_TTLS = (None, "5m", "1h")


class PromptCachePolicy(Serializable):
    """Where a model sets cache breakpoints by itself.

    With all four, they stand after the last message, the tools, the system prompt and the user's turn before the
    last, in this order of importance: Anthropic looks for what it remembers at the breakpoints of a request and
    some twenty blocks before each, so the one in the turn before the last finds what the last call stored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ttl: Literal["5m", "1h"] = "5m"
    """How long the provider remembers after the last use."""

    min_messages: int = Field(default=0, ge=0)
    """Set none in a conversation with fewer messages, system prompts counted."""

    breakpoints: int = Field(default=MAX_BREAKPOINTS, ge=1, le=MAX_BREAKPOINTS)
    """How many to set, those set by hand counted."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `langchain_core.load.dumps` writes it."""
        return True


PromptCaching = Literal["auto", "off"] | PromptCachePolicy


@dataclass(slots=True, eq=False)
class _Slot:
    """One place of a request where a breakpoint may stand.

    Attributes:
        place: Its kind.
        holder: The object that has or gets the key `cache_control`: a tool, a part, a call; for content that is a
            string, the message.
        turn: Number of the message, -1 for tools.
        eligible: Whether a breakpoint there means something.
    """

    place: str
    holder: dict[str, Any]
    turn: int
    eligible: bool

    @property
    def marker(self) -> Mapping[str, Any] | None:
        if isinstance(self.holder.get("content"), str):
            return None
        found = self.holder.get("cache_control")
        return found if isinstance(found, Mapping) else None

    def mark(self, marker: Mapping[str, Any] | None) -> None:
        if marker is None:
            self.holder.pop("cache_control", None)
        elif isinstance(self.holder.get("content"), str):
            self.holder["content"] = [{"type": "text", "text": self.holder["content"], "cache_control": dict(marker)}]
            self.holder = self.holder["content"][0]
        else:
            self.holder["cache_control"] = dict(marker)


def settle_cache_control(
    body: dict[str, Any],
    provider: Provider,
    losses: dict[str, str],
    *,
    requested: Mapping[str, Any] | None = None,
    policy: PromptCaching | Mapping[str, Any] = "off",
) -> dict[str, Any]:
    """The request with the breakpoints that its provider gets.

    Args:
        body: The finished request; it is not changed.
        provider: Who will read it.
        losses: Takes a sentence about what does not arrive.
        requested: `cache_control` of the call, for the last block of the conversation.
        policy: What the model sets by itself where the provider knows breakpoints.

    Raises:
        PortkeyConfigurationError: The marker or the policy is none.
    """
    quirks = provider.quirks
    _check_marker(requested)
    chosen = _read_policy(policy)
    if not quirks.cache_control:
        if requested:
            losses["cache_control"] = f"{provider.title} knows no cache breakpoints; cache_control has no effect."
        return _without_markers(body)
    if not requested and chosen is None and not _has_markers(body):
        return body
    settled = {**body, "messages": [_copied(message) for message in body["messages"]]}
    if "tools" in body:
        settled["tools"] = [dict(tool) for tool in body["tools"]]
    slots = list(_slots(settled))
    for slot in slots:
        _drop_misplaced(slot, provider, losses)
    usable = [slot for slot in slots if slot.eligible and slot.place not in quirks.cache_lost_on]
    if requested:
        _mark_last(usable, requested)
    if chosen is not None:
        _apply_policy(usable, chosen, len(settled["messages"]))
    marked = _at_most_four([slot for slot in usable if slot.marker], losses)
    _settle_ttl(marked, provider, losses)
    return settled


def _has_markers(body: Mapping[str, Any]) -> bool:
    """Whether there is a breakpoint in any place where one may stand."""
    messages = body["messages"]
    for message in () if type(messages) is CheckedList else messages:  # in plain ones there is none
        for key in _HOLDERS:
            holders = message.get(key)
            if type(holders) is list and any("cache_control" in holder for holder in holders):
                return True
    return any("cache_control" in tool for tool in body.get("tools") or ())


_HOLDERS = ("content", "content_blocks", "tool_calls")
"""Where in a message things are that may have breakpoints."""


def _copied(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose breakpoints, and those of what it consists of, can be set without changing another."""
    copied = dict(message)
    for key in _HOLDERS:
        if isinstance(copied.get(key), list):
            copied[key] = [dict(holder) for holder in copied[key]]
    return copied


def _check_marker(marker: Any) -> None:
    known = isinstance(marker, Mapping) and marker.get("type") == "ephemeral" and marker.get("ttl") in _TTLS
    if marker is not None and not known:
        raise PortkeyConfigurationError(
            f'cache_control is {{"type": "ephemeral"}}, with a "ttl" of "5m" or "1h" if you like; not {marker!r}.'
        )


def _read_policy(policy: Any) -> PromptCachePolicy | None:
    match policy:
        case None | "off":
            return None
        case "auto":
            return PromptCachePolicy()
        case PromptCachePolicy():
            return policy
        case Mapping():
            try:
                return PromptCachePolicy(**policy)
            except ValidationError as error:
                raise PortkeyConfigurationError(f"prompt_caching={policy!r} is no policy: {error}") from None
        case _:
            raise PortkeyConfigurationError(f'prompt_caching is "auto", "off" or a PromptCachePolicy; not {policy!r}.')


def _slots(body: Mapping[str, Any]) -> Iterator[_Slot]:
    """Every place of a request, in the order in which breakpoints are read."""
    for tool in body.get("tools") or ():
        yield _Slot("tool", tool, -1, eligible=True)
    numbered = list(enumerate(body["messages"]))
    ordered = [pair for pair in numbered if _is_system(pair[1])] + [
        pair for pair in numbered if not _is_system(pair[1])
    ]
    for turn, message in ordered:
        place = _PLACES.get(message["role"], "text")
        key = "content_blocks" if "content_blocks" in message else "content"
        content = message.get(key)
        if isinstance(content, str):
            yield _Slot(place, message, turn, eligible=bool(content.strip()))
        for part in content if isinstance(content, list) else ():
            yield _Slot(_place_of(part, place), part, turn, eligible=_can_be_marked(part))
        for call in message.get("tool_calls") or ():
            yield _Slot("tool_call", call, turn, eligible=True)


_PLACES = {"system": "system", "developer": "system", "assistant": "assistant", "tool": "tool_result"}


def _is_system(message: Mapping[str, Any]) -> bool:
    return message["role"] in ("system", "developer")


def _place_of(part: Mapping[str, Any], place: str) -> str:
    if place != "text" or part.get("type") == "text":
        return place
    image, file = part.get("image_url"), part.get("file")
    linked = isinstance(image, Mapping) and not str(image.get("url")).startswith("data:")
    return "linked_media" if linked or (isinstance(file, Mapping) and "file_url" in file) else "media"


def _can_be_marked(part: Mapping[str, Any]) -> bool:
    """Thinking has no breakpoints, and one on blank text is refused."""
    if part.get("type") == "text":
        return bool(str(part.get("text") or "").strip())
    return part.get("type") not in ("thinking", "redacted_thinking")


def _drop_misplaced(slot: _Slot, provider: Provider, losses: dict[str, str]) -> None:
    if not slot.marker:
        return
    if not slot.eligible:
        slot.mark(None)
    elif slot.place in provider.quirks.cache_lost_on:
        slot.mark(None)
        losses[f"cache_control_{slot.place}"] = (
            f"a cache breakpoint on a {slot.place.replace('_', ' ')} does not reach {provider.title} through this "
            "gateway; set it on another part."
        )


def _mark_last(usable: list[_Slot], marker: Mapping[str, Any]) -> None:
    """Mark the end of the conversation, or of what stands before it if nothing in it can be marked."""
    talk = [slot for slot in usable if slot.place not in ("tool", "system")]
    for slot in (talk or usable)[-1:]:
        slot.mark(marker)


def _apply_policy(usable: list[_Slot], policy: PromptCachePolicy, messages: int) -> None:
    if messages < policy.min_messages:
        return
    left = policy.breakpoints - sum(slot.marker is not None for slot in usable)
    talk = [slot for slot in usable if slot.place not in ("tool", "system")]
    users = [slot for slot in talk if slot.place in ("text", "media", "linked_media", "tool_result")]
    last_turn = _turn_begins(users, users[-1].turn) if users else 0
    wanted = [
        talk[-1:],
        [slot for slot in usable if slot.place == "tool"][-1:],
        [slot for slot in usable if slot.place == "system"][-1:],
        [slot for slot in users if slot.turn < last_turn][-1:],
    ]
    for candidates in wanted:
        for slot in candidates:
            if left > 0 and slot.marker is None:
                slot.mark({"type": "ephemeral", "ttl": policy.ttl})
                left -= 1


def _turn_begins(users: list[_Slot], last: int) -> int:
    """The first of the messages in a row of the user's side that ends with message `last`."""
    first = last
    for slot in reversed(users):
        if slot.turn in (first, first - 1):
            first = slot.turn
    return first


def _at_most_four(marked: list[_Slot], losses: dict[str, str]) -> list[_Slot]:
    """Keep the last breakpoint of the tools and of the system prompts, and the latest of the conversation."""
    surplus = len(marked) - MAX_BREAKPOINTS
    if surplus <= 0:
        return marked
    kept_anyway = {
        id(slot) for place in ("tool", "system") for slot in [slot for slot in marked if slot.place == place][-1:]
    }
    dropped = [slot for slot in marked if id(slot) not in kept_anyway][:surplus]
    for slot in dropped:
        slot.mark(None)
    losses["cache_breakpoints"] = (
        f"a request has at most {MAX_BREAKPOINTS} cache breakpoints; the oldest of this one's "
        f"{len(marked)} are left out."
    )
    return [slot for slot in marked if slot not in dropped]


def _settle_ttl(marked: list[_Slot], provider: Provider, losses: dict[str, str]) -> None:
    """Five minutes for all where the gateway takes the time from any; else never a longer one after a shorter."""
    long = [slot for slot in marked if _ttl(slot) != _SHORT]
    if not long:
        for slot in marked:
            _set_ttl(slot, None)
        return
    stripped = [slot for slot in marked if slot.place in provider.quirks.cache_ttl_lost_on]
    if stripped:
        losses["cache_ttl"] = (
            f"the gateway takes the ttl from cache breakpoints on the way to {provider.title}, and providers refuse a "
            "longer one after a shorter; all of them last 5 minutes."
        )
        for slot in marked:
            _set_ttl(slot, None)
        return
    short_seen = False
    for slot in marked:
        short_seen = short_seen or _ttl(slot) == _SHORT
        if short_seen and _ttl(slot) != _SHORT:
            _set_ttl(slot, None)
            losses["cache_ttl"] = (
                "a cache breakpoint of an hour may not come after one of five minutes; it lasts 5 minutes."
            )


def _ttl(slot: _Slot) -> str:
    return str((slot.marker or {}).get("ttl") or _SHORT)


def _set_ttl(slot: _Slot, ttl: str | None) -> None:
    marker = {key: value for key, value in (slot.marker or {}).items() if key != "ttl"}
    slot.mark({**marker, "ttl": ttl} if ttl else marker)


def _without_markers(body: dict[str, Any]) -> dict[str, Any]:
    """The request without any breakpoint; what has none stays the same object."""
    cleaned = dict(body)
    if type(body["messages"]) is not CheckedList:  # in plain ones there is none
        cleaned["messages"] = [_unmarked_message(message) for message in body["messages"]]
    if any("cache_control" in tool for tool in body.get("tools") or ()):
        cleaned["tools"] = [_unmarked(tool) for tool in body["tools"]]
    return cleaned


def _unmarked_message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list) or not any(isinstance(part, dict) and "cache_control" in part for part in content):
        return message
    return {**message, "content": [_unmarked(part) for part in content]}


def _unmarked(holder: dict[str, Any]) -> dict[str, Any]:
    if "cache_control" not in holder:
        return holder
    return {key: value for key, value in holder.items() if key != "cache_control"}
