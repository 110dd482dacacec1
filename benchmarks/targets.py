"""What we want to reach, and which measures say whether we have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.runner import Results, paired_ratio


@dataclass(frozen=True)
class Target:
    """A limit for one value of ours.

    Attributes:
        measure: The measure.
        value: Which of its values.
        limit: The most it may be.
        to: The contender that it is compared with; `None` if the value itself is limited.
    """

    measure: str
    value: str
    limit: float
    to: str | None = None

    def reached(self, results: Results) -> float | None:
        """The ratio or value measured; `None` if it was not."""
        if self.to is not None:
            return paired_ratio(results, self.measure, self.value, "ours", self.to)
        samples = results.get(self.measure, {}).get("ours")
        return samples.middle(self.value) if samples is not None else None


def _ratios() -> Iterator[Target]:
    rows: tuple[tuple[str, float | None, float | None], ...] = (
        ("stream-500", 0.75, 0.20),
        ("astream-500", 0.70, 0.18),
        ("stream-50", 0.70, 0.20),
        ("tool-200", 0.50, 0.20),
        ("first-chunk", 0.75, 0.35),
        ("invoke", 0.85, 0.40),
        ("ainvoke-50", 0.35, 0.12),
        ("ainvoke-500", 0.45, 0.12),
        ("history-100", 0.80, 0.05),
        ("history-1000", 0.80, 0.02),
        ("tools-50", 0.30, 0.06),
        ("image-5m", 0.45, None),
        ("import", None, 0.55),
        ("at-once-1000", None, 0.15),
    )
    values = {"first-chunk": "wall_us", "import": "ms", "at-once-1000": "wall_s"}
    for measure, floor, openai in rows:
        value = values.get(measure, "us")
        if floor is not None:
            yield Target(measure, value, floor, "floor")
        if openai is not None:
            yield Target(measure, value, openai, "openai")


TARGETS = (
    *_ratios(),
    Target("import", "ms", 1.15, "core"),
    Target("image-peak", "bodies", 3),
    Target("instance", "ms", 2),
    Target("instance", "kb", 30),
    Target("at-once-1000", "lost", 0),
    Target("memory", "kb_per_1000", 15),
)
