"""Runs the measures: interleaved, each contender in a process of its own that stays alive between the rounds.

One round of a measure asks each contender for one sample, in an order that turns from round to round. What is
compared are the two samples of one round, which met the same weather; what is reported is the median of those
ratios. A contender that is slow gets fewer rounds, and one that fails or exceeds its time is reported as such.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders import CONTENDERS
from benchmarks.measures import MEASURES, Measure

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure.

    Attributes:
        rounds: Samples of each contender and measure.
        sample: Seconds that a sample should take.
        budget: Seconds that one contender may take for one measure, its last sample apart.
        limit: Seconds after which a contender is given up.
    """

    rounds: int
    sample: float
    budget: float
    limit: float


QUICK = Plan(rounds=3, sample=0.03, budget=0.6, limit=30)
FULL = Plan(rounds=9, sample=0.15, budget=12, limit=400)


@dataclass
class Samples:
    """What was measured of one contender and measure: a list per value, one item per round (`None`: left out)."""

    values: dict[str, list[float | None]] = field(default_factory=dict)
    problem: str | None = None

    def middle(self, value: str) -> float | None:
        numbers = [number for number in self.values.get(value, ()) if number is not None]
        return median(numbers) if numbers else None


Results = dict[str, dict[str, Samples]]
"""By measure and contender."""


def paired_ratio(results: Results, measure: str, value: str, one: str, other: str) -> float | None:
    """The median over the rounds of one contender's value to another's."""
    samples = results.get(measure, {})
    if one not in samples or other not in samples:
        return None
    pairs = zip(samples[one].values.get(value, ()), samples[other].values.get(value, ()), strict=False)
    ratios = [first / second for first, second in pairs if first is not None and second]
    return median(ratios) if ratios else None


def environment() -> dict[str, str]:
    """The environment of the processes: without settings that hold keys or change what is measured."""
    unwanted = (
        "PYTHONDONTWRITE",
        "OPENAI_",
        "MISTRAL_",
        "OPENROUTER_",
        "LANGCHAIN_",
        "LANGSMITH_",
        "PORTKEY_",
        "LITELLM_",
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


class Server:
    """The local server, running while the block does."""

    def __enter__(self) -> str:
        command = [sys.executable, "-m", "benchmarks.server"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return f"http://127.0.0.1:{self._process.stdout.readline().strip()}"

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(10)


class ClientProcess:
    """The process in which a contender is measured; begun anew after it exceeded its time."""

    def __init__(self, name: str, origin: str) -> None:
        self.name = name
        self.warm = False
        self._origin = origin
        self._process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def ask(self, seconds: float, **question: Any) -> dict[str, Any]:
        """Ask the process; an answer with `error` if there is none in time."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.client", self.name, self._origin],
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        begun = time.perf_counter()
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], seconds)
            if not ready:
                self.end()
                return {"error": f"no result in {seconds:.0f} s", "seconds": seconds}
            answered: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (BrokenPipeError, ValueError):
            self.end()
            return {"error": "the process ended", "seconds": time.perf_counter() - begun}
        return answered

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None
            self.warm = False


def run(
    origin: str, contenders: Sequence[str], measures: Iterable[str], plan: Plan, *, quick: bool, verbose: bool = True
) -> Results:
    """Run the measures, in their order."""
    processes = {name: ClientProcess(name, origin) for name in contenders}
    results: Results = {}
    try:
        for name in measures:
            measure = MEASURES[name]
            chosen = [
                contender
                for contender in contenders
                if contender not in measure.skipped
                and not (quick and measure.quick is not None and contender not in measure.quick)
            ]
            if not chosen:
                continue
            begun = time.perf_counter()
            if measure.fresh:
                for process in processes.values():
                    process.end()
            results[name] = _measured(name, measure, {one: processes[one] for one in chosen}, plan)
            if verbose:
                print(f"  {measure.title}: {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
    finally:
        for process in processes.values():
            process.end()
    return results


def _measured(name: str, measure: Measure, processes: Mapping[str, ClientProcess], plan: Plan) -> dict[str, Samples]:
    samples = {contender: Samples() for contender in processes}
    repeats: dict[str, int] = {}
    spent = dict.fromkeys(processes, 0.0)
    limit = plan.limit
    for contender, process in processes.items():
        if measure.answer is not None:
            samples[contender].problem = _problem(process.ask(limit, measure=name, check=True, trial=True))
        if measure.once:
            repeats[contender] = 1
            continue
        tried = _tried(name, process, plan)
        if "error" in tried:
            samples[contender].problem = tried["error"]
            continue
        spent[contender] = tried["seconds"]
        repeats[contender] = max(1, round(plan.sample / max(tried["seconds"], 1e-5)))
        if spent[contender] > plan.budget:
            _note(samples[contender], tried["values"], 0)
    rounds = 1 if measure.fresh else plan.rounds
    for number in range(rounds):
        order = [contender for contender in processes if contender in repeats]
        turn = number % len(order) if order else 0
        for contender in order[turn:] + order[:turn]:
            if spent[contender] > plan.budget:
                continue
            asked = processes[contender].ask(limit, measure=name, n=repeats[contender])
            spent[contender] += asked["seconds"]
            if "error" in asked:
                samples[contender].problem = asked["error"]
                del repeats[contender]
                continue
            _note(samples[contender], asked["values"], number)
    return samples


def _tried(name: str, process: ClientProcess, plan: Plan) -> dict[str, Any]:
    """How long a measure takes, asked twice: once to warm up, unless that alone says it.

    The first measure of a process imports the contender, which says nothing about the measure.
    """
    warm, process.warm = process.warm, True
    first = process.ask(plan.limit, measure=name, n=1, trial=True)
    if warm and "error" not in first and first["seconds"] > plan.budget:
        return first
    return process.ask(plan.limit, measure=name, n=1, trial=True)


def _problem(checked: Mapping[str, Any]) -> str | None:
    problem: str | None = checked.get("error") or checked.get("problem")
    return problem


def _note(samples: Samples, values: Mapping[str, float], number: int) -> None:
    for value, measured in values.items():
        column = samples.values.setdefault(value, [])
        column += [None] * (number - len(column))
        if len(column) == number:
            column.append(measured)


def profile(origin: str, contender: str, measure: str, path: Path, *, seconds: float = 1.5) -> dict[str, Any]:
    """Write a profile of one measure."""
    process = ClientProcess(contender, origin)
    try:
        process.ask(600, measure=measure, n=1)
        tried = process.ask(600, measure=measure, n=1)
        n = 1 if MEASURES[measure].once else max(1, round(seconds / max(tried["seconds"], 1e-5)))
        return process.ask(600, measure=measure, n=n, profile=str(path))
    finally:
        process.end()


def titles(contenders: Iterable[str]) -> list[str]:
    return [CONTENDERS[name].title for name in contenders]
