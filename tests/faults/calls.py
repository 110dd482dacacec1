"""Calls that cannot hold up a test: each in a thread of its own, with a bound, and with what came of it."""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langchain_core.messages import AIMessage

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyError
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import ReceivedRequest, Reply, StandInProvider
from langchain_pollinations_portkey.testing.replies import Scripted

KEY = "sk-sentinel-4f0c93-never-shown"
"""The key of every call here; it must turn up at the provider and nowhere else."""

LIMIT = 60.0
"""Seconds after which a call counts as hanging; several times what any of them may take on a busy machine."""

SLACK = 8.0
"""Seconds that a call may come back after its `timeout`, for the same reason."""

WAYS = ("invoke", "ainvoke", "stream", "astream")

MODELS = {
    "openai": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "bedrock": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "google": "google/gemini-2.5-pro",
}
"""One model for each shape in which providers answer."""

Answer = Scripted | Callable[[ReceivedRequest], Scripted]
"""What the provider answers, or how to make it once the request is there."""

Job = TypeVar("Job", bound=Hashable)


@dataclass
class Outcome:
    """How a call ended.

    Attributes:
        text: The answer, None without one.
        error: What was raised.
        pieces: The texts that a stream gave, up to its end or the error.
        streamed: Whether a stream was asked for.
        seconds: How long it took.
        hung: Whether it had not ended in time.
        message: The whole message.
    """

    text: str | None = None
    error: Exception | None = None
    pieces: list[str] = field(default_factory=list)
    streamed: bool = False
    seconds: float = 0.0
    hung: bool = False
    message: AIMessage | None = None

    def add(self, chunk: Any) -> None:
        """Take the next chunk of a stream."""
        self.pieces.append(chunk.text)
        self.message = chunk if self.message is None else self.message + chunk


def chat(gateway: LocalGateway, host: StandInProvider | str, wire: str = "openai", **options: Any) -> ChatPortkey:
    """A model behind the gateway, its provider played by the stand-in, with the key that must not be seen."""
    if wire == "bedrock":
        options["provider_options"] = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": KEY}
    else:
        options.setdefault("api_key", KEY)
    return ChatPortkey(
        **{
            "model": MODELS[wire],
            "base_url": gateway.base_url,
            "custom_host": host if isinstance(host, str) else host.url,
            "max_retries": 0,
            "max_tokens": 512,
            **options,
        }
    )


def ask(way: str, model: ChatPortkey, prompt: Any) -> Outcome:
    """Make one call in one of the four ways and take what comes of it."""
    match way:
        case "invoke":
            return caught(lambda _: model.invoke(prompt))
        case "ainvoke":
            return caught(lambda _: asyncio.run(model.ainvoke(prompt)))
        case "stream":
            return caught(lambda outcome: [outcome.add(chunk) for chunk in model.stream(prompt)], streamed=True)
        case _:
            return caught(lambda outcome: asyncio.run(stream_into(outcome, model, prompt)), streamed=True)


def caught(call: Callable[[Outcome], Any], *, streamed: bool = False) -> Outcome:
    """Make a call that returns a message, or adds its chunks to the outcome, and take what comes of it."""
    outcome = Outcome(streamed=streamed)
    started = time.monotonic()
    try:
        message = call(outcome)
        if not streamed:
            outcome.message = message
        outcome.text = outcome.message.text if outcome.message is not None else None
    except Exception as error:  # noqa: BLE001 - that it is one of ours is what is judged
        outcome.error = error
    outcome.seconds = time.monotonic() - started
    return outcome


async def stream_into(outcome: Outcome, model: ChatPortkey, prompt: Any) -> None:
    """Read a stream to its end."""
    async for chunk in model.astream(prompt):
        outcome.add(chunk)


async def acaught(call: Coroutine[Any, Any, Any], outcome: Outcome, seconds: float = LIMIT) -> Outcome:
    """`caught`, in a running loop: await a call that returns a message or adds its chunks to the outcome."""
    try:
        async with asyncio.timeout(seconds):
            message = await call
        outcome.message = outcome.message or message
        outcome.text = outcome.message.text if outcome.message is not None else None
    except TimeoutError as error:
        outcome.hung = not isinstance(error, PortkeyError)
        outcome.error = error
    except Exception as error:  # noqa: BLE001
        outcome.error = error
    return outcome


def at_once(jobs: Mapping[Job, Callable[[], Outcome]], limit: float = LIMIT) -> dict[Job, Outcome]:
    """Do all jobs side by side; what has not ended after `limit` seconds is left behind as hung."""
    outcomes: dict[Job, Outcome] = {}

    def work(name: Job, job: Callable[[], Outcome]) -> None:
        try:
            outcomes[name] = job()
        except BaseException as error:  # noqa: BLE001 - a mistake of the suite's own shows up as a wrong end
            outcomes[name] = Outcome(error=RuntimeError(f"the job failed: {error!r}"))

    threads = [threading.Thread(target=work, args=item, daemon=True) for item in jobs.items()]
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: outcomes.get(name) or Outcome(hung=True) for name in jobs}


def in_groups(jobs: Mapping[Job, Callable[[], Outcome]], size: int = 60) -> dict[Job, Outcome]:
    """`at_once`, some at a time."""
    outcomes: dict[Job, Outcome] = {}
    for names in batched(jobs, size):
        outcomes |= at_once({name: jobs[name] for name in names})
    return outcomes


def batched(items: Iterable[Job], size: int) -> Iterator[list[Job]]:
    """The items in lists of this size."""
    rest = iter(items)
    while group := list(itertools.islice(rest, size)):
        yield group


_TAG = re.compile(r"\[\[(.+?)\]\]")


def tag_of(request: ReceivedRequest) -> str:
    """The tag in the prompt of a request."""
    found = _TAG.search(request.body.decode("utf-8", "replace"))
    assert found is not None, "every prompt here has a tag"
    return found[1]


class Scenes:
    """Tells the stand-in what to answer to whom: each call has a tag in its prompt, and answers of its own.

    Args:
        provider: The stand-in; it is cleared and asks here from now on.
    """

    def __init__(self, provider: StandInProvider) -> None:
        provider.clear()
        provider.answer_with(self._answer)
        self.requests: Counter[str] = Counter()
        self.keys: set[str] = set()
        self._answers: dict[str, Sequence[Answer]] = {}

    def prompt(self, tag: str, *answers: Answer) -> str:
        """A prompt that is answered by these, in turn; the last one answers all further requests."""
        assert tag not in self._answers
        self._answers[tag] = answers or (Reply(echo(tag)),)
        return f"Please answer [[{tag}]]."

    def _answer(self, request: ReceivedRequest) -> Scripted:
        tag = tag_of(request)
        self.requests[tag] += 1
        self.keys.add(_key(request))
        answers = self._answers.get(tag, (Reply(echo(tag)),))
        answer = answers[min(self.requests[tag], len(answers)) - 1]
        return answer(request) if callable(answer) else answer


def _key(request: ReceivedRequest) -> str:
    """The key by which a request came; an Amazon one is signed by it instead."""
    if request.wire == "bedrock":
        return KEY
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("x-api-key") or request.query.get("key") or bearer


def echo(tag: str) -> str:
    """The answer to a call that was given none: nobody else's."""
    return f"You are {tag}, and {tag} is answered."
