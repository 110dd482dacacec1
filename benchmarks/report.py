"""The tables, the plot, and what they were measured on."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.contenders import CONTENDERS
from benchmarks.measures import GROWTH, MEASURES, Growth
from benchmarks.runner import Results, paired_ratio
from benchmarks.targets import TARGETS


def machine() -> str:
    """The machine and the versions, in a sentence or two."""
    packages = ["langchain-core", "httpx", "pydantic"]
    packages += [one.distribution for one in CONTENDERS.values() if one.distribution]
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    load = os.getloadavg()[0]
    busy = "; the machine was busy with other things, so walls say little" if load > (os.cpu_count() or 1) * 1.5 else ""
    return (
        f"{_processor()}, {os.cpu_count()} cores (load {load:.1f} at the end{busy}), {platform.system()}, "
        f"Python {platform.python_version()}; {versions}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def markdown(results: Results, contenders: Sequence[str], where: str, how: str) -> str:
    """The whole report."""
    parts = [
        "# Benchmark",
        f"{where} {how}",
        _EXPLANATION,
        *_section("Targets", _target_table(results)),
        *_section("Measures", _measure_table(results, contenders)),
        *_section("Growth", _growth_table(results)),
        *_section("Problems", _problems(results)),
    ]
    return "\n\n".join(parts) + "\n"


_SUMMARY = {
    "stream-500": "us",
    "astream-500": "us",
    "tool-200": "us",
    "first-chunk": "wall_us",
    "invoke": "us",
    "ainvoke-50": "us",
    "at-once-1000": "wall_s",
    "history-100": "us",
    "tools-50": "us",
    "image-5m": "us",
    "import": "ms",
}
"""What the README shows: measures and their values."""


def summary(results: Results, contenders: Sequence[str]) -> str:
    """The table of the README: what others cost, as multiples of ours."""
    others = [name for name in contenders if name not in ("ours", "core", "httpx")]
    lines = [
        "| | `ChatPortkey` | " + " | ".join(_LINKS.get(name, f"`{CONTENDERS[name].title}`") for name in others) + " |",
        "|---|" + "--:|" * (len(others) + 1),
    ]
    for name, value in _SUMMARY.items():
        ours = results.get(name, {}).get("ours")
        middle = ours.middle(value) if ours else None
        if middle is None:
            continue
        ratios = [paired_ratio(results, name, value, other, "ours") for other in others]
        cells = ["-" if ratio is None else f"{ratio:.2g} x" if ratio < 10 else f"{ratio:.0f} x" for ratio in ratios]
        unit = MEASURES[name].units[value]
        lines.append(f"| {MEASURES[name].title} | {_number(middle)} {unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_LINKS = {"floor": "[a plain adapter](benchmarks/floor.py)"}

_EXPLANATION = (
    "A local server in its own process, far faster than any client, gives answers in OpenAI's shape. Numbers are "
    "CPU time of the client process unless they say wall; each is the median of the rounds. *core* is a LangChain "
    "model that asks nobody: LangChain's own cost. *floor* is a plain adapter over httpx of 70 lines "
    "(`benchmarks/floor.py`)."
)


def _section(title: str, lines: Iterator[str]) -> list[str]:
    text = "\n".join(lines)
    return [f"## {title}", text] if text else []


def _target_table(results: Results) -> Iterator[str]:
    yield "| Measure | compared with | target | ChatPortkey | met |"
    yield "|---|---|--:|--:|:-:|"
    for target in TARGETS:
        reached = target.reached(results)
        if reached is None:
            continue
        measure = MEASURES[target.measure]
        to = CONTENDERS[target.to].title if target.to else measure.units[target.value]
        met = "yes" if reached <= target.limit else "**no**"
        yield f"| {measure.title} | {to} | <= {target.limit:g} | {reached:.3g} | {met} |"


def _measure_table(results: Results, contenders: Sequence[str]) -> Iterator[str]:
    yield "| Measure | " + " | ".join(CONTENDERS[name].title for name in contenders) + " | to floor | to ChatOpenAI |"
    yield "|---|" + "--:|" * (len(contenders) + 2)
    for name, samples in results.items():
        measure = MEASURES[name]
        for value, unit in measure.units.items():
            cells = []
            for contender in contenders:
                one = samples.get(contender)
                middle = one.middle(value) if one else None
                cells.append(_cell(middle, one.problem if one else None))
            cells += [_ratio(paired_ratio(results, name, value, "ours", other)) for other in ("floor", "openai")]
            yield f"| {measure.title}, {unit} | " + " | ".join(cells) + " |"


def _cell(middle: float | None, problem: str | None) -> str:
    if middle is None:
        return "fails" if problem else "-"
    return _number(middle) + (" (!)" if problem else "")


def _number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _growth_table(results: Results) -> Iterator[str]:
    rows = []
    for growth in GROWTH:
        exponents = [_exponent(results, growth, contender) for contender in ("ours", "floor", "openai")]
        if exponents[0] is None:
            continue
        cells = " | ".join("-" if exponent is None else f"{exponent:.2f}" for exponent in exponents)
        rows.append(f"| {growth.title} | x {growth.sizes[1] // growth.sizes[0]} | {cells} |")
    if rows:
        yield "Cost grows with size to the power of (1 is linear, less where a fixed part weighs):\n"
        yield "| Size of | step | ChatPortkey | floor | ChatOpenAI |"
        yield "|---|--:|--:|--:|--:|"
        yield from rows


def _exponent(results: Results, growth: Growth, contender: str) -> float | None:
    ends = []
    for measure in (growth.small, growth.large):
        samples = results.get(measure, {}).get(contender)
        ends.append(samples.middle("us") if samples else None)
    small, large = ends
    if not small or not large or small < 0 or large < 0:
        return None
    step = growth.sizes[1] / growth.sizes[0]
    return math.log(large / small) / math.log(step) + (1 if growth.per_item else 0)


def _problems(results: Results) -> Iterator[str]:
    for name, samples in results.items():
        for contender, one in samples.items():
            if one.problem:
                yield f"- {CONTENDERS[contender].title}, {MEASURES[name].title}: {one.problem}"


# ---------------------------------------------------------------------- the plot

_PLOTTED = (
    ("stream-500", "us"),
    ("astream-500", "us"),
    ("tool-200", "us"),
    ("first-chunk", "wall_us"),
    ("invoke", "us"),
    ("ainvoke-50", "us"),
    ("history-100", "us"),
    ("tools-50", "us"),
    ("import", "ms"),
)
_PLOT_TITLE = "Cost in multiples of a plain httpx adapter (logarithmic; shorter is better)"
_COLOURS = {
    "ours": "#2563eb",
    "floor": "#94a3b8",
    "openai": "#f59e0b",
    "mistral": "#10b981",
    "litellm": "#a855f7",
    "openrouter": "#ef4444",
}


def svg(results: Results) -> str:
    """Bars on a logarithmic scale, in multiples of the floor; shorter is better."""
    shown = [(name, value) for name, value in _PLOTTED if results.get(name, {}).get("floor")]
    drawn = [name for name in _COLOURS if any(results[measure].get(name) for measure, _ in shown)]
    bar, gap, left, right, top = 9, 14, 240, 650, 54
    group = len(drawn) * bar + gap
    height = top + group * len(shown) + 28

    def x(ratio: float) -> float:
        low, high = math.log10(0.1), math.log10(100)
        share = (math.log10(min(max(ratio, 0.1), 100)) - low) / (high - low)
        return left + share * (right - left)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="720" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="20" font-size="14" fill="#0f172a">{_PLOT_TITLE}</text>',
    ]
    for position, name in enumerate(drawn):
        at = 12 + position * 112
        lines.append(f'<rect x="{at}" y="30" width="10" height="10" fill="{_COLOURS[name]}"/>')
        lines.append(f'<text x="{at + 14}" y="39" fill="#334155">{escape(CONTENDERS[name].title)}</text>')
    for tick in (0.1, 1, 10, 100):
        colour = "#64748b" if tick == 1 else "#e2e8f0"
        lines.append(
            f'<line x1="{x(tick):.1f}" y1="{top - 6}" x2="{x(tick):.1f}" y2="{height - 22}" stroke="{colour}"/>'
        )
        lines.append(f'<text x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle" fill="#64748b">{tick:g}</text>')
    for row, (name, value) in enumerate(shown):
        begin = top + row * group
        middle = begin + len(drawn) * bar / 2 + 4
        lines.append(
            f'<text x="{left - 8}" y="{middle:.1f}" text-anchor="end" fill="#0f172a">'
            f"{escape(MEASURES[name].title)}</text>"
        )
        for position, contender in enumerate(drawn):
            ratio = paired_ratio(results, name, value, contender, "floor")
            if ratio is None:
                continue
            y = begin + position * bar
            begin_x, end_x = x(0.1), x(ratio)
            lines.append(
                f'<rect x="{begin_x:.1f}" y="{y}" width="{max(end_x - begin_x, 1):.1f}" height="{bar - 1}" '
                f'fill="{_COLOURS[contender]}"/>'
            )
            lines.append(
                f'<text x="{end_x + 4:.1f}" y="{y + bar - 2}" font-size="8" fill="#475569">{_number(ratio)}</text>'
            )
    return "\n".join([*lines, "</svg>"]) + "\n"
