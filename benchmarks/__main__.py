"""`python -m benchmarks`: measure, print the tables, write them to `benchmarks/results/`."""

from __future__ import annotations

import argparse
import json
import textwrap
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.contenders import CONTENDERS
from benchmarks.measures import MEASURES
from benchmarks.readme import write
from benchmarks.runner import FULL, QUICK, Samples, Server, profile, run

RESULTS = Path(__file__).parent / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all contenders and measures, more rounds")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, metavar="NAME", help=", ".join(CONTENDERS))
    parser.add_argument("--measures", nargs="+", choices=MEASURES, metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, help="samples of each contender and measure")
    parser.add_argument("--profile", choices=MEASURES, metavar="MEASURE", help="write a profile of ours instead")
    parser.add_argument("--of", default="ours", choices=CONTENDERS, help="whose profile")
    parser.add_argument("--publish", action="store_true", help="write what is committed: latest.md, latest.svg, README")
    parser.add_argument("--publish-file", type=Path, metavar="JSON", help="publish an earlier run from results/")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    RESULTS.mkdir(exist_ok=True)
    if asked.publish_file:
        publish(json.loads(asked.publish_file.read_text()))
        return
    with Server() as origin:
        if asked.profile:
            path = RESULTS / f"profile-{asked.of}-{asked.profile}.txt"
            print(profile(origin, asked.of, asked.profile, path))
            print(f"The profile is in {path}.")
            return
        plan = FULL if asked.full else QUICK
        if asked.rounds:
            plan = plan.__class__(**{**asdict(plan), "rounds": asked.rounds})
        contenders = asked.contenders or [one.name for one in CONTENDERS.values() if asked.full or one.quick]
        begun = time.perf_counter()
        results = run(origin, contenders, asked.measures or MEASURES, plan, quick=not asked.full)
        seconds = time.perf_counter() - begun
    how = f"{plan.rounds} rounds at most, {seconds:.0f} s, {time.strftime('%Y-%m-%d')}."
    text = report.markdown(results, contenders, report.machine(), how)
    print(text)
    stem = "full" if asked.full else "quick"
    samples = {
        measure: {contender: asdict(one) for contender, one in by_contender.items()}
        for measure, by_contender in results.items()
    }
    measured = {"machine": report.machine(), "how": how, "samples": samples}
    (RESULTS / f"{stem}-{time.strftime('%Y%m%dT%H%M%S')}.json").write_text(json.dumps(measured, indent=1))
    (RESULTS / f"{stem}.md").write_text(text)
    if asked.publish:
        publish(measured)


def publish(measured: Mapping[str, Any]) -> None:
    """Write what was measured to where it is committed: `latest.md`, `latest.svg` and the table of the README."""
    results = {
        measure: {contender: Samples(**one) for contender, one in by_contender.items()}
        for measure, by_contender in measured["samples"].items()
    }
    present = {contender for by_contender in results.values() for contender in by_contender}
    contenders = [name for name in CONTENDERS if name in present]
    text = report.markdown(results, contenders, measured["machine"], measured["how"])
    (RESULTS / "latest.md").write_text(text)
    (RESULTS / "latest.svg").write_text(report.svg(results))
    write("costs", f"{report.summary(results, contenders)}\n\n{textwrap.fill(measured['machine'], 115)}")


if __name__ == "__main__":
    main()
