"""What breaks on a gateway installed with plain `npm`, and the way around it.

With `@hono/node-server` 1.14.2 or later, which npm takes today, the gateway appends headers to a response that
it may not change, and answers 500 *after* it has called the provider. It happens to every answer that it hands
on without rebuilding it: most streams, and OpenAI's embeddings (Portkey-AI/gateway issues 1389 and 1550).

A guardrail that fails without denying makes the gateway rebuild the answer. The check used here,
`default.modelWhitelist` with a name that is no model, fails whatever the messages hold, needs no other
configuration, and shows nothing of the prompt. Its verdict is taken out of what the user gets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from langchain_pollinations_portkey.catalogue.entries import Provider
from langchain_pollinations_portkey.errors import PortkeyConfigurationError

_MARK = "langchain-pollinations-portkey"
_CHECK = {"default.modelWhitelist": {"models": [_MARK]}}

STREAM_HEADER = "x-portkey-default-input-guardrails"
EMBEDDINGS_HEADER = "x-portkey-default-output-guardrails"

BROKEN_BY = {STREAM_HEADER: "streams", EMBEDDINGS_HEADER: "OpenAI's embeddings"}
"""What a broken build breaks, by the header of the check that works around it."""

CHECK_FAILED = 246
"""The status of an answer whose guardrails failed without denying it."""

CURE = (
    "Start one that can stream with `pollinations-portkey gateway` (or LocalGateway), or pin "
    '"overrides": {"@hono/node-server": "1.13.5"} in the package.json it is installed from.'
)


class Build(Enum):
    """What is known of the gateway at a base URL."""

    UNKNOWN = "unknown"
    GOOD = "good"
    BROKEN = "broken"


def build_from_probe(status: int | None) -> Build:
    """Tell the build from the status of `HEAD /`, `None` if there was no answer in time.

    The root is answered by the gateway itself; a broken one fails on it with 500. Any other status may come
    from something in between, which says nothing.
    """
    if status == 500:  # noqa: PLR2004
        return Build.BROKEN
    return Build.GOOD if status is not None and 200 <= status < 300 else Build.UNKNOWN  # noqa: PLR2004


def stream_needs_check(provider: Provider) -> bool:
    """Whether a stream of this provider breaks on a broken build."""
    return provider.quirks.streams_break_on_plain_build


def with_check(header: str, existing: str | None) -> str:
    """The value of a guardrails header with our check added to the user's own.

    Args:
        header: Its name.
        existing: The value that the user gave it, if any.

    Raises:
        PortkeyConfigurationError: The user's value is no JSON list.
    """
    guardrails: Any = []
    if existing:
        try:
            guardrails = json.loads(existing)
        except ValueError:
            guardrails = None
        if not isinstance(guardrails, list):
            raise PortkeyConfigurationError(f"The header {header} must be a JSON list of guardrails.")
    return json.dumps([*guardrails, _CHECK], ensure_ascii=True, separators=(",", ":"))


def without_check(value: Mapping[str, Any]) -> dict[str, Any]:
    """A body or event without the verdict of our check; `hook_results` goes when nothing else is in it."""
    hooks = value.get("hook_results")
    if not isinstance(hooks, Mapping):
        return dict(value)
    kept = {
        stage: [result for result in results if not _is_ours(result)] if isinstance(results, list) else results
        for stage, results in hooks.items()
    }
    rest = {key: item for key, item in value.items() if key != "hook_results"}
    return {**rest, "hook_results": kept} if any(kept.values()) else rest


def _is_ours(result: Any) -> bool:
    checks = result.get("checks") if isinstance(result, Mapping) else None
    return isinstance(checks, list) and any(
        isinstance(check, Mapping)
        and isinstance(check.get("data"), Mapping)
        and check["data"].get("allowedModels") == [_MARK]
        for check in checks
    )
