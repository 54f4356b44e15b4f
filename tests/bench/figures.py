"""What a topic measured: every sample, what it is held against, and how a person reads it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured several times.

    Others share this machine and only ever make things slower, so a duration or a rate is its
    best sample. A ratio of two things measured side by side is the median.
    """

    work: str
    unit: str
    samples: Sequence[float]
    target: float | None = None
    more_is_better: bool = False
    is_ratio: bool = False

    @property
    def value(self) -> float:
        if self.is_ratio:
            return statistics.median(self.samples)
        return max(self.samples) if self.more_is_better else min(self.samples)

    @property
    def against_target(self) -> float | None:
        """How many times as good as the target; 1 and more has met it."""
        if self.target is None:
            return None
        return self.value / self.target if self.more_is_better else self.target / self.value

    def document(self) -> dict[str, Any]:
        return {
            "work": self.work,
            "unit": self.unit,
            "value": self.value,
            "median": statistics.median(self.samples),
            "target": self.target,
            "target_is_a": "minimum" if self.more_is_better else "maximum",
            "against_target": self.against_target,
            "samples": list(self.samples),
        }


@dataclass(slots=True)
class Topic:
    """What one module of this package found out."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        work: str,
        unit: str,
        samples: Sequence[float],
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        more_is_better: bool = False,
    ) -> Figure:
        """Add a duration or a size, or a rate if more is better."""
        figure = Figure(
            work=work,
            unit=unit,
            samples=samples,
            target=at_most if at_least is None else at_least,
            more_is_better=more_is_better or at_least is not None,
        )
        self.figures.append(figure)
        return figure

    def compare(
        self,
        work: str,
        ours: Sequence[float],
        others: Sequence[float],
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> Figure:
        """Add the ratio of two things that were measured in turn, pair by pair."""
        figure = Figure(
            work=work,
            unit="x",
            samples=[a / b for a, b in zip(ours, others, strict=True)],
            target=at_most if at_least is None else at_least,
            more_is_better=at_least is not None,
            is_ratio=True,
        )
        self.figures.append(figure)
        return figure

    def table(self) -> Table:
        table = Table(title=self.title, title_justify="left", caption_justify="left")
        table.caption = "\n".join(self.notes) or None
        table.add_column("work", no_wrap=True)
        for heading in ("measured", "median", "", "target", "of target"):
            table.add_column(heading, justify="left" if not heading else "right")
        for figure in self.figures:
            table.add_row(*_cells(figure))
        return table

    def document(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "notes": self.notes,
            "figures": [figure.document() for figure in self.figures],
        }


def _cells(figure: Figure) -> tuple[str | Text, ...]:
    ratio, target = figure.against_target, ""
    if figure.target is not None:
        target = f"{'>=' if figure.more_is_better else '<='} {_number(figure.target)}"
    verdict = Text("")
    if ratio is not None:
        verdict = Text(f"{ratio:.2f}x", style="green" if ratio >= 1 else "red")
    median = _number(statistics.median(figure.samples))
    return (figure.work, _number(figure.value), median, figure.unit, target, verdict)


def _number(value: float) -> str:
    """Write three significant digits, or all digits of a larger number."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
