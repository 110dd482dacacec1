"""Features for when something goes wrong: broken streams, errors, retries, a broken gateway, keys."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelError,
    ModelInvalidRequestError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.load import dumps

from benchmarks.features.scene import AWS, KEY, NotThereError, Scene, holds, need, whole
from langchain_pollinations_portkey.testing import Failure, Reply

_STORY = Reply("Once upon a time there was a gateway that lost nothing.", drop="mid_body", drop_after=0.6)
_DENYING = {
    "x-portkey-default-input-guardrails": json.dumps(
        [{"default.contains": {"operator": "none", "words": ["forbidden"]}, "deny": True}]
    )
}


def _has_to_raise(model: Any) -> None:
    got: list[str] = []
    try:
        got.extend(chunk.text for chunk in model.stream("A story, please."))
    except Exception:  # noqa: BLE001 - any error tells the user that the answer is not whole
        need("".join(got), "nothing of the text arrives")
        return
    raise NotThereError("no error")


def truncated_stream(scene: Scene) -> None:
    scene.provider.script(_STORY)
    _has_to_raise(scene.chat("openai", max_retries=0))


def overloaded_in_a_stream(scene: Scene) -> None:
    scene.provider.script(Reply(_STORY.text, stream_error=Failure(529, "Overloaded")))
    _has_to_raise(scene.chat("anthropic", max_retries=0))


def bedrock_exception_in_a_stream(scene: Scene) -> None:
    scene.provider.script(Reply(_STORY.text, stream_error=Failure(500, "The system failed")))
    _has_to_raise(scene.chat("bedrock", max_retries=0))


def typed_errors(scene: Scene) -> str | None:
    """LangChain's own classes, which its retry and fallback middleware understands."""
    cases: dict[int, type[ModelError]] = {
        401: ModelAuthenticationError,
        408: ModelTimeoutError,
        429: ModelRateLimitError,
        446: ModelInvalidRequestError,
        529: ModelAPIError,
    }
    wrong = []
    for status, expected in cases.items():
        headers = _DENYING if status == 446 else {}
        if status != 446:  # this one is the gateway's own
            scene.provider.script(Failure(status, "No."))
        try:
            scene.chat("openai", headers=headers, max_retries=0).invoke("A forbidden question.")
        except expected:
            continue
        except Exception:  # noqa: BLE001 - the wrong class, whatever it is
            wrong.append(str(status))
        else:
            raise NotThereError(f"{status} raises nothing")
        finally:
            scene.provider.clear()
    need(len(wrong) < len(cases), "other classes")
    return f"not {', '.join(wrong)}" if wrong else None


def retry_after(scene: Scene) -> None:
    scene.provider.script(Failure(429, "Slow down.", headers={"retry-after": "1"}), Reply("Blue."))
    need(scene.chat().invoke("Why?").text == "Blue.", "no answer")
    first, second = scene.provider.requests
    need(second.received_at - first.received_at >= 1, "too early")


def plain_gateway(scene: Scene) -> None:
    scene.provider.script(Reply("one two three"))
    chunks = list(scene.chat(gateway=scene.plain, max_retries=0).stream("Count."))
    need("".join(chunk.text for chunk in chunks) == "one two three", "other text")
    need(sum(bool(chunk.text) for chunk in chunks) > 1, "in one piece")


def several_event_loops(scene: Scene) -> None:
    model = scene.chat()
    for _ in range(3):
        need(asyncio.run(model.ainvoke("Why?")).text, "no answer")
    count = len(scene.provider.requests)
    need(count == 3, "calls are sent again" if count > 3 else "calls are lost")


class _Trace(BaseCallbackHandler):
    """What tracing gets of a call."""

    seen = ""

    def on_chat_model_start(self, *given: Any, **more: Any) -> None:
        self.seen += repr((given, more))


def hidden_keys(scene: Scene) -> str | None:
    open_: dict[str, list[str]] = {}
    secrets = {"openai": ("the provider's key", KEY), "bedrock": ("AWS keys", AWS["aws_secret_access_key"])}
    for provider, (name, secret) in secrets.items():
        model, trace = scene.chat(provider), _Trace()
        model.invoke("q", config={"callbacks": [trace]})
        shown = {"`repr`": repr(model), "`dumps`": dumps(model), "traces": trace.seen}
        places = [place for place, text in shown.items() if secret in text]
        if places:
            open_[name] = places
    words = "; ".join(f"{name} in {', '.join(places)}" for name, places in open_.items())
    need(len(open_) < len(secrets), words)
    return words or None


def partial_message(scene: Scene) -> None:
    scene.provider.script(_STORY)
    try:
        whole(scene.chat("openai", max_retries=0).stream("A story, please."))
    except Exception as error:  # noqa: BLE001 - whichever it is, it may hold the text
        need(holds(getattr(error, "partial", None), "Once upon a time"), "not there")
        return
    raise NotThereError("no exception")
