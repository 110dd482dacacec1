"""What is measured: a table of small functions.

Each function takes the client it runs in and how many times to repeat, and returns values by name, in the units
that the table of measures gives. Costs are CPU time of the client process, all its threads included, unless the
unit says "wall". What a measure needs is made before the clock starts, and `Client.check` looks at the outcome
once, before anything is timed.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from benchmarks.subjects import QUESTION, conversation, image

if TYPE_CHECKING:
    from benchmarks.client import Client

Values = dict[str, float]
Run = Callable[["Client", int], Values]


class Clock:
    """Times a block: `cpu` and `wall`, in microseconds."""

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu = (time.process_time() - self._cpu) * 1e6
        self.wall = (time.perf_counter() - self._wall) * 1e6


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        title: How the tables call it.
        run: Does it.
        units: The units of the values that it returns.
        answer: The answer whose correctness is checked first, by `invoke` or by adding up a stream.
        quick: Who is measured by `make bench`: all of the quick contenders, or those named.
        fresh: Whether it needs client processes that did nothing before.
        once: Whether repeating it inside a sample says nothing more.
        skipped: Contenders for which it makes no sense.
    """

    title: str
    run: Run
    units: dict[str, str]
    answer: str | None = None
    quick: tuple[str, ...] | None = None
    fresh: bool = False
    once: bool = False
    skipped: tuple[str, ...] = ()


# ---------------------------------------------------------------------- calls


def drain(items: Iterable[Any]) -> None:
    deque(items, maxlen=0)


async def adrain(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


def invoke(answer: str, make_question: Callable[[], Any] = lambda: QUESTION) -> Run:
    def run(client: Client, n: int) -> Values:
        model, question = client.model(answer), client.question(make_question())
        with Clock() as clock:
            for _ in range(n):
                model.invoke(question)
        return {"us": clock.cpu / n}

    return run


def batch(answer: str, threads: int, calls: int = 64) -> Run:
    def run(client: Client, n: int) -> Values:
        model, config = client.model(answer), {"max_concurrency": threads}
        model.batch([QUESTION] * threads, config=config)  # connections that lay idle are opened again
        with Clock() as clock:
            for _ in range(n):
                model.batch([QUESTION] * calls, config=config)
        return {"us": clock.cpu / (n * calls), "wall_us": clock.wall / (n * calls)}

    return run


def ainvoke(answer: str, concurrent: int, wait_ms: int = 0) -> Run:
    """So many calls at once; without latency most would be over before the last has begun."""

    def run(client: Client, n: int) -> Values:
        model = client.model(answer, prefix=f"wait-{wait_ms}" if wait_ms else "")

        async def calls(times: int) -> None:
            for _ in range(times):
                await asyncio.gather(*(model.ainvoke(QUESTION) for _ in range(concurrent)))

        client.run(calls(1))  # connections that lay idle are opened again
        with Clock() as clock:
            client.run(calls(n))
        return {"us": clock.cpu / (n * concurrent)}

    return run


def burst(answer: str, concurrent: int) -> Run:
    """So many calls at once when the gateway has closed the idle connections, as it does after five seconds."""

    def run(client: Client, n: int) -> Values:
        model = client.model(answer)

        async def calls() -> None:
            await asyncio.gather(*(model.ainvoke(QUESTION) for _ in range(concurrent)))

        cpu = 0.0
        for _ in range(n):
            client.close_connections()
            with Clock() as clock:
                client.run(calls())
            cpu += clock.cpu
        return {"us": cpu / (n * concurrent)}

    return run


def stream(kind: str, chunks: int) -> Run:
    def run(client: Client, n: int) -> Values:
        model = client.model(f"{kind}-{chunks}")
        with Clock() as clock:
            for _ in range(n):
                drain(model.stream(QUESTION))
        return {"us": clock.cpu / (n * chunks)}

    return run


def astream(kind: str, chunks: int) -> Run:
    def run(client: Client, n: int) -> Values:
        model = client.model(f"{kind}-{chunks}")

        async def calls() -> None:
            for _ in range(n):
                await adrain(model.astream(QUESTION))

        with Clock() as clock:
            client.run(calls())
        return {"us": clock.cpu / (n * chunks)}

    return run


def first_chunk(chunks: int) -> Run:
    """The wall time from the call to the first chunk; the rest of the stream is read off the clock."""

    def run(client: Client, n: int) -> Values:
        model = client.model(f"text-{chunks}")
        wall = 0.0
        for _ in range(n):
            begun = time.perf_counter()
            items = iter(model.stream(QUESTION))
            next(items)
            wall += time.perf_counter() - begun
            drain(items)
        return {"wall_us": wall * 1e6 / n}

    return run


def summing(kind: str, chunks: int) -> Run:
    """Adding up the chunks of a stream, which LangChain itself does; chunks made lean are added faster."""

    def run(client: Client, n: int) -> Values:
        received = list(client.model(f"{kind}-{chunks}").stream(QUESTION))
        with Clock() as clock:
            for _ in range(n):
                total = received[0]
                for chunk in received[1:]:
                    total += chunk
        return {"us": clock.cpu / (n * chunks)}

    return run


def bound_tools(count: int) -> Run:
    """What so many bound tools add to a call: calls with them less calls without, taken in turns."""

    def run(client: Client, n: int) -> Values:
        plain, bound = client.model("json-20"), client.model("json-20", tools_bound=count)
        calls = max(n, 10)
        added = 0.0
        for model, sign in ((plain, -1), (bound, 1), (bound, 1), (plain, -1)):
            with Clock() as clock:
                for _ in range(calls):
                    model.invoke(QUESTION)
            added += sign * clock.cpu / (2 * calls)
        return {"us": added}

    return run


def many_at_once(calls: int, wait_ms: int) -> Run:
    def run(client: Client, n: int) -> Values:
        del n
        model = client.model("json-20", prefix=f"wait-{wait_ms}")

        async def gather() -> list[Any]:
            return await asyncio.gather(*(model.ainvoke(QUESTION) for _ in range(calls)), return_exceptions=True)

        with Clock() as clock:
            results = client.run(gather())
        return {"wall_s": clock.wall / 1e6, "lost": sum(isinstance(result, BaseException) for result in results)}

    return run


# ---------------------------------------------------------------------- processes and instances

_IMPORT = """
import sys, time
modules = len(sys.modules)
begun = time.process_time()
{statement}
milliseconds, modules = (time.process_time() - begun) * 1e3, len(sys.modules) - modules
import json, os
pages = int(open("/proc/self/statm").read().split()[1])
megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
print(json.dumps([milliseconds, modules, megabytes]))
"""
_CORE = "import langchain_core.language_models.chat_models"


def importing(client: Client, n: int) -> Values:
    """The first import in a process of its own, and the part of it that langchain-core has not loaded already.

    The first figure has a share that nobody chose: CPython 3.11 gets and gives back a page of its stack of frames
    again and again when the import happens to stand at the wrong depth, 20,000 times or 100 ms for pydantic's
    classes. The second has none of that.
    """
    del n
    milliseconds, modules, megabytes = _imported("", client.contender.imports)
    added, _, _ = _imported(_CORE, client.contender.imports)
    return {"ms": milliseconds, "added_ms": added, "modules": modules, "mb": megabytes}


def _imported(before: str, statement: str) -> list[float]:
    code = f"{before}\n{_IMPORT.format(statement=statement)}"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def constructing(client: Client, n: int) -> Values:
    url = client.url("json-20")
    with Clock() as clock:
        for _ in range(n):
            client.contender.make(url)
    return {"us": clock.cpu / n}


def further_instance(client: Client, n: int) -> Values:
    """An instance beside another one, and its first call; all are kept, so that memory can be told."""
    del n
    count = 50
    url = client.url("json-20")
    client.model("json-20").invoke(QUESTION)
    kept = []
    gc.collect()
    memory = resident_kb()
    with Clock() as clock:
        for _ in range(count):
            model = client.contender.make(url)
            model.invoke(QUESTION)
            kept.append(model)
    gc.collect()
    return {"ms": clock.cpu / 1e3 / count, "kb": (resident_kb() - memory) / count}


def peak_memory(megabytes: int) -> Run:
    """Most resident memory that a call takes at once, in multiples of the image's size in the body."""

    def run(client: Client, n: int) -> Values:
        del n
        model, question = client.model("json-20"), client.question(image(megabytes))
        model.invoke(QUESTION)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # memory that lies free would hide what the call takes
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
        before = resident_kb()
        model.invoke(question)
        return {"bodies": (peak_kb() - before) * 1024 / (megabytes * 1_000_000 * 4 / 3)}

    return run


def memory_over_calls(calls: int) -> Run:
    """The slope of resident memory over the second half of so many calls, each with a text of its own."""

    def run(client: Client, n: int) -> Values:
        del n
        model, streaming = client.model("json-20"), client.model("text-20")
        steps, points = 20, []
        for step in range(steps):
            for number in range(calls // steps):
                question = f"{step}.{number} {QUESTION}"
                if number % 4:
                    model.invoke(question)
                else:
                    drain(streaming.stream(question))
            gc.collect()
            points.append(((step + 1) * calls / steps / 1000, resident_kb()))
        half = points[len(points) // 2 :]
        return {"kb_per_1000": slope(half), "kb_grown": half[-1][1] - half[0][1]}

    return run


def connections(client: Client, n: int) -> Values:
    """Connections opened for 20 calls and 5 streams one after the other, then 5 times 20 calls at once."""
    del n
    before = client.connections_opened()
    model, streaming = client.model("json-20"), client.model("text-50")
    for _ in range(20):
        model.invoke(QUESTION)
    for _ in range(5):
        drain(streaming.stream(QUESTION))
    one_after_the_other = client.connections_opened()

    async def calls() -> None:
        for _ in range(5):
            await asyncio.gather(*(model.ainvoke(QUESTION) for _ in range(20)))

    client.run(calls())
    return {"sync": one_after_the_other - before, "async": client.connections_opened() - one_after_the_other}


def resident_kb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def peak_kb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def slope(points: list[tuple[float, float]]) -> float:
    """Of the straight line through the points (least squares)."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


# ---------------------------------------------------------------------- the table

_US = {"us": "us"}
_PER_CHUNK = {"us": "us per chunk"}
_OURS = ("ours",)


def _calls() -> Iterator[tuple[str, Measure]]:
    yield "invoke", Measure("invoke, short", invoke("json-20"), _US, answer="json-20")
    yield "invoke-32k", Measure("invoke, 32 KB answer", invoke("json-32768"), _US, answer="json-32768", quick=_OURS)
    yield "invoke-1m", Measure("invoke, 1 MB answer", invoke("json-1048576"), _US, quick=_OURS)
    units = {"us": "us", "wall_us": "us wall"}
    yield "batch-16", Measure("batch, 16 threads", batch("json-20", 16), units)
    yield "ainvoke-1", Measure("ainvoke", ainvoke("json-20", 1), _US, quick=_OURS)
    for number in (50, 500):
        title, run = f"ainvoke, {number} at once, 20 ms of latency", ainvoke("json-20", number, wait_ms=20)
        quick = None if number == 50 else ("ours", "floor", "core")  # others take seconds for it
        yield f"ainvoke-{number}", Measure(title, run, {"us": "us per call"}, quick=quick)
    for number in (50, 500):
        title, run = f"ainvoke, {number} at once, new connections", burst("json-20", number)
        yield f"burst-{number}", Measure(title, run, {"us": "us per call"}, quick=_OURS)


def _streams() -> Iterator[tuple[str, Measure]]:
    for number in (50, 500, 5000):
        quick, name = _OURS if number == 5000 else None, f"text-{number}"
        title, run = f"stream, {number} chunks", stream("text", number)
        yield f"stream-{number}", Measure(title, run, _PER_CHUNK, answer=name, quick=quick)
    for number in (50, 500, 5000):
        quick = None if number == 500 else _OURS
        yield (
            f"astream-{number}",
            Measure(f"astream, {number} chunks", astream("text", number), _PER_CHUNK, quick=quick),
        )
    yield "first-chunk", Measure("time to first chunk", first_chunk(50), {"wall_us": "us wall"})
    for number in (200, 2000):
        quick, name = None if number == 200 else _OURS, f"tool-{number}"
        title, run = f"tool call in {number} pieces", stream("tool", number)
        yield name, Measure(title, run, _PER_CHUNK, answer=name, quick=quick)
    title, run = "thinking stream, 500 chunks", stream("thinking", 500)
    yield "thinking-500", Measure(title, run, _PER_CHUNK, answer="thinking-500", quick=("ours", "floor"))
    for kind, number, what in (
        ("text", 500, "text"),
        ("text", 5000, "text"),
        ("tool", 200, "a tool call"),
        ("tool", 2000, "a tool call"),
    ):
        title, run = f"adding up {number} chunks of {what}", summing(kind, number)
        yield f"sum-{kind}-{number}", Measure(title, run, _PER_CHUNK, skipped=("httpx",), quick=_OURS)


def _requests() -> Iterator[tuple[str, Measure]]:
    for number in (10, 100, 1000, 5000):
        quick = None if number in (100, 1000) else _OURS
        run = invoke("json-20", partial(conversation, number))
        yield f"history-{number}", Measure(f"history of {number} messages", run, _US, quick=quick)
    yield "image-1m", Measure("1 MB image", invoke("json-20", partial(image, 1)), _US, quick=_OURS)
    yield "image-5m", Measure("5 MB image", invoke("json-20", partial(image, 5)), _US)
    units = {"bodies": "times the body"}
    yield "image-peak", Measure("5 MB image, peak memory", peak_memory(5), units, fresh=True, once=True, quick=_OURS)
    yield "tools-50", Measure("50 bound tools, added", bound_tools(50), _US)
    yield "tools-500", Measure("500 bound tools, added", bound_tools(500), _US, quick=_OURS)


def _processes() -> Iterator[tuple[str, Measure]]:
    units = {"ms": "ms", "added_ms": "ms beside langchain-core", "modules": "modules", "mb": "MB in all"}
    yield "import", Measure("import", importing, units, once=True)
    yield "construct", Measure("construction", constructing, _US, quick=_OURS)
    units = {"ms": "ms", "kb": "KB"}
    title = "a further instance and its first call"
    yield "instance", Measure(title, further_instance, units, once=True, quick=_OURS, skipped=("core",))
    units = {"wall_s": "s wall", "lost": "calls lost"}
    title, run = "1,000 calls at once, 200 ms of latency", many_at_once(1000, 200)
    yield "at-once-1000", Measure(title, run, units, once=True, quick=_OURS, skipped=("core",))
    units = {"sync": "one at a time", "async": "20 at once"}
    yield (
        "connections",
        Measure("connections opened", connections, units, fresh=True, once=True, quick=_OURS, skipped=("core",)),
    )
    units = {"kb_per_1000": "KB per 1,000 calls", "kb_grown": "KB over the last 10,000"}
    skipped = ("core", "openrouter", "litellm")  # the last two would take half an hour
    title, run = "memory over 20,000 calls", memory_over_calls(20_000)
    yield "memory", Measure(title, run, units, fresh=True, once=True, quick=(), skipped=skipped)


MEASURES: dict[str, Measure] = dict(chain(_calls(), _streams(), _requests(), _processes()))


@dataclass(frozen=True)
class Growth:
    """Two measures of one thing at two sizes: cost grows with size to the power of the exponent.

    Attributes:
        title: What grows.
        small: The measure at the smaller size.
        large: The one at the larger.
        sizes: The sizes.
        per_item: Whether the measures are per item instead of per call.
    """

    title: str
    small: str
    large: str
    sizes: tuple[int, int] = field(default=(1, 10))
    per_item: bool = False


GROWTH = (
    Growth("chunks of a stream", "stream-500", "stream-5000", per_item=True),
    Growth("chunks of an asynchronous stream", "astream-500", "astream-5000", per_item=True),
    Growth("pieces of a tool call", "tool-200", "tool-2000", per_item=True),
    Growth("adding up chunks of text", "sum-text-500", "sum-text-5000", per_item=True),
    Growth("adding up a tool call (LangChain's own)", "sum-tool-200", "sum-tool-2000", per_item=True),
    Growth("history", "history-1000", "history-5000", (1, 5)),
    Growth("tools", "tools-50", "tools-500"),
    Growth("size of the request", "image-1m", "image-5m", (1, 5)),
    Growth("size of the answer", "invoke-32k", "invoke-1m", (1, 32)),
)
