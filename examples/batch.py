"""Asks a model thousands of prompts: so many at once, so many a second, into a file that a later run goes on with.

`run` does it in one process, which is enough for most: the waiting is for the provider. `run_on_dask` spreads the
same work over the processes of a Dask cluster, on one machine or many. Both write one line of JSON per prompt as
its answer comes, and skip what the file has already, so that after an interruption the same call goes on.

    prompts = {"1": "Why is the sky blue?", "2": "And the sea?"}
    counts = await run(ChatPortkey(model="openai/gpt-4o-mini"), prompts, Path("answers.jsonl"))

Or as a program, with lines of `{"id": ..., "prompt": ...}` in the first file:

    python batch.py prompts.jsonl answers.jsonl --model openai/gpt-4o-mini --concurrency 32

It needs `tqdm`, and `run_on_dask` needs `dask[distributed]`: `pip install tqdm "dask[distributed]"`.

A line of the results has the prompt's `id`, the time `at` which it was done (seconds since 1970), how many `seconds`
it took, and either `answer` or `error` with its `type` and `message`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import (
    MissingCredentialsError,
    PortkeyAuthenticationError,
    PortkeyConnectionError,
    PortkeyModelNotFoundError,
    UnknownModelError,
)

if TYPE_CHECKING:
    from distributed import Client

Row = dict[str, Any]
"""One line of the results."""

STOPPING = (
    MissingCredentialsError,
    PortkeyAuthenticationError,
    PortkeyConnectionError,
    PortkeyModelNotFoundError,
    UnknownModelError,
)
"""Errors that every other prompt would meet as well: they end the run, and are not written down as an answer."""


@dataclass(frozen=True)
class Counts:
    """What a run did.

    Attributes:
        answered: Prompts with an answer.
        failed: Prompts with an error.
        skipped: Prompts that the file had already.
    """

    answered: int
    failed: int
    skipped: int


async def run(
    chain: Runnable[Any, Any],
    prompts: Mapping[str, Any],
    results: Path,
    *,
    concurrency: int = 16,
    requests_per_second: float | None = None,
    retry_errors: bool = False,
    progress: bool = True,
) -> Counts:
    """Ask all prompts that the file has no answer to, in this process.

    Args:
        chain: A model, or a chain with one in it.
        prompts: What the chain is given, by an id that stays the same from run to run.
        results: The file to which the answers are appended.
        concurrency: How many calls are open at once.
        requests_per_second: How many calls may begin in a second; `None` for no limit.
        retry_errors: Whether to ask again what ended in an error before.
        progress: Whether to show a bar.

    Raises:
        PortkeyError: One of `STOPPING`; what was answered until then is in the file.
    """
    left = left_to_do(prompts, results, retry_errors=retry_errors)
    with _written(results, len(left), len(prompts) - len(left), progress=progress) as (write, tally):
        rows = answers(chain, left.items(), concurrency=concurrency, requests_per_second=requests_per_second)
        async with aclosing(rows):
            async for row in rows:
                write(row)
    return tally()


async def answers(
    chain: Runnable[Any, Any],
    prompts: Iterable[tuple[str, Any]],
    *,
    concurrency: int = 16,
    requests_per_second: float | None = None,
) -> AsyncIterator[Row]:
    """The rows of the prompts, each when it is ready; no more than `concurrency` prompts are taken ahead."""
    limiter = None
    if requests_per_second is not None:
        pause = min(0.1, 1 / requests_per_second)
        limiter = InMemoryRateLimiter(requests_per_second=requests_per_second, check_every_n_seconds=pause)
    waiting = iter(prompts)
    running: set[asyncio.Task[Row]] = set()
    try:
        while True:
            running |= {
                asyncio.create_task(_ask(chain, name, prompt, limiter))
                for name, prompt in islice(waiting, concurrency - len(running))
            }
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            stopped = [error for task in done if (error := task.exception()) is not None]
            for task in done:
                if task.exception() is None:
                    yield task.result()
            if stopped:
                raise stopped[0]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _ask(chain: Runnable[Any, Any], name: str, prompt: Any, limiter: InMemoryRateLimiter | None) -> Row:
    if limiter is not None:
        await limiter.aacquire()
    begin = time.monotonic()
    try:
        outcome = {"answer": as_json(await chain.ainvoke(prompt))}
        json.dumps(outcome)
    except STOPPING:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to this row
        outcome = {"error": {"type": type(error).__name__, "message": str(error)}}
    return {"id": name, "at": time.time(), "seconds": round(time.monotonic() - begin, 3), **outcome}


def as_json(output: Any) -> Any:
    """What a chain gave, as JSON: the text and token counts of a message, the fields of a pydantic object."""
    if isinstance(output, BaseMessage):
        return {"text": output.text, "usage": getattr(output, "usage_metadata", None)}
    if isinstance(output, BaseModel):
        return output.model_dump(mode="json")
    return output


# ---------------------------------------------------------------------- the file


def read_results(results: Path) -> dict[str, Row]:
    """The rows of a file by id, the last one of each; a line that was cut off when a program died is left out."""
    rows: dict[str, Row] = {}
    if results.exists():
        for line in results.read_bytes().splitlines():  # of bytes, since text is also split within an answer
            try:
                row = json.loads(line)
            except ValueError:
                continue
            rows[row["id"]] = row
    return rows


def left_to_do(prompts: Mapping[str, Any], results: Path, *, retry_errors: bool = False) -> dict[str, Any]:
    """The prompts that are still to be asked."""
    rows = read_results(results)
    done = {name for name, row in rows.items() if not (retry_errors and "error" in row)}
    return {name: prompt for name, prompt in prompts.items() if name not in done}


@contextmanager
def _written(
    results: Path, expected: int, skipped: int, *, progress: bool
) -> Iterator[tuple[Callable[[Row], None], Callable[[], Counts]]]:
    """Two functions: one that appends a row to the file, one that counts what was appended."""
    answered = failed = 0
    from tqdm import tqdm  # so that --help works without it

    with results.open("a+b") as file, tqdm(total=expected, disable=not progress, unit="prompt") as bar:
        if file.tell() and not _ends_a_line(file):
            file.write(b"\n")

        def write(row: Row) -> None:
            nonlocal answered, failed
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            failed += "error" in row
            answered += "error" not in row
            bar.update()

        yield write, lambda: Counts(answered, failed, skipped)


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, 2)
    return bool(file.read(1) == b"\n")


# ---------------------------------------------------------------------- many processes


def run_on_dask(
    client: Client,
    chain: Runnable[Any, Any],
    prompts: Mapping[str, Any],
    results: Path,
    *,
    chunk: int = 100,
    concurrency: int = 16,
    requests_per_second: float | None = None,
    retry_errors: bool = False,
    progress: bool = True,
) -> Counts:
    """`run`, in the processes of a Dask cluster; the file is written here, as chunks come back.

    Where the workers do not see this module, give it to them with `client.upload_file("batch.py")`. Keys travel to
    the workers inside the model if they were given as arguments; variables have to be set there.

    Args:
        client: The cluster.
        chain: A model, or a chain with one in it; it travels to the workers, so it must pickle.
        prompts: What the chain is given, by id.
        results: The file to which the answers are appended.
        chunk: How many prompts make one task of a worker. What a worker that dies had not handed back is asked again.
        concurrency: How many calls each worker has open at once.
        requests_per_second: How many calls may begin in a second, of all workers together.
        retry_errors: Whether to ask again what ended in an error before.
        progress: Whether to show a bar.

    Raises:
        PortkeyError: One of `STOPPING`; what was answered until then is in the file.
    """
    from distributed import as_completed

    left = left_to_do(prompts, results, retry_errors=retry_errors)
    items = list(left.items())
    chunks = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    share = requests_per_second and requests_per_second / max(1, len(client.nthreads()))
    tasks = client.map(ask_many, chunks, chain=chain, concurrency=concurrency, requests_per_second=share, pure=False)
    stopped = None
    with _written(results, len(left), len(prompts) - len(left), progress=progress) as (write, tally):
        for _, (rows, error) in as_completed(tasks, with_results=True):
            for row in rows:
                write(row)
            stopped = stopped or error  # the other chunks meet it too, and hand back what they have
    if stopped is not None:
        raise stopped
    return tally()


def ask_many(
    prompts: Iterable[tuple[str, Any]],
    chain: Runnable[Any, Any],
    *,
    concurrency: int = 16,
    requests_per_second: float | None = None,
) -> tuple[list[Row], Exception | None]:
    """What a worker of an engine does with its share of the prompts: ask them, and wait for all.

    Returns:
        The rows, and the error that ended the work early, if one did.
    """
    rows: list[Row] = []

    async def collect() -> None:
        async for row in answers(chain, prompts, concurrency=concurrency, requests_per_second=requests_per_second):
            rows.append(row)  # noqa: PERF401 - what has come before an error is kept

    try:
        asyncio.run(collect())
    except STOPPING as error:
        return rows, error
    return rows, None


# ---------------------------------------------------------------------- the program


def main() -> None:
    """Read the prompts of a file and write their answers into another."""
    parser = argparse.ArgumentParser(description="Ask a model thousands of prompts; run it again to go on.")
    parser.add_argument("prompts", type=Path, help='lines of {"id": ..., "prompt": ...}')
    parser.add_argument("results", type=Path, help="where the answers are appended")
    parser.add_argument("--model", required=True, help="a catalogue name or provider/model")
    parser.add_argument("--concurrency", type=int, default=16, help="calls open at once (default: 16)")
    parser.add_argument("--requests-per-second", type=float, help="calls that may begin in a second")
    parser.add_argument("--retry-errors", action="store_true", help="ask again what ended in an error")
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.prompts.read_bytes().splitlines() if line.strip()]
    counts = asyncio.run(
        run(
            ChatPortkey(model=options.model),
            {str(line["id"]): line["prompt"] for line in lines},
            options.results,
            concurrency=options.concurrency,
            requests_per_second=options.requests_per_second,
            retry_errors=options.retry_errors,
        )
    )
    print(f"{counts.answered} answered, {counts.failed} failed, {counts.skipped} were there")


if __name__ == "__main__":
    main()
