"""Computes the shapes of a chart: bars and lines in a box with a scale. Pure; templates only draw them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.status.charts import Activity, Span

WIDTH, HEIGHT = 640, 150
LEFT, BOTTOM, TOP = 56, 22, 10
"""Room for the scale, for the times below, and above the highest value."""
_PARTS = ("succeeded", "partial", "cancelled", "failed")
_TIME = {Span.HOUR: "%H:%M", Span.DAY: "%H:%M", Span.MONTH: "%d %b"}
_LABELS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartBar:
    """One rectangle. kind: its class in the stylesheet."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One line through the steps that have a value. points: as SVG writes them, one text per unbroken part."""

    kind: str
    points: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a template draws.

    Attributes:
        title: What is shown and in which unit.
        scale: Position and label of the horizontal lines.
        times: Position and label below the steps.
        rows: The same as a table: time, then a value per column.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    scale: Sequence[tuple[float, str]]
    times: Sequence[tuple[float, str]]
    bars: Sequence[ChartBar] = ()
    lines: Sequence[ChartLine] = field(default=())


def outcomes(steps: Sequence[Activity], span: Span) -> Chart:
    """Return the runs that ended in each step, by how they ended."""
    top = nice_top(max(step.runs for step in steps))
    width = (WIDTH - LEFT) / len(steps)
    bars = []
    for index, step in enumerate(steps):
        below = 0
        for part in _PARTS:
            value = getattr(step, part)
            if value:
                y = _y(below + value, top)
                height = _y(below, top) - y
                bars.append(ChartBar(x=_x(index, width) + 1, y=y, width=width - 2, height=height, kind=part))
            below += value
    rows = [(_time(step, span), *(str(getattr(step, part)) for part in _PARTS)) for step in steps]
    return Chart(
        title="Runs that ended",
        columns=_PARTS,
        rows=rows,
        scale=_scale(top),
        times=_times(steps, span, width),
        bars=bars,
    )


def seconds(steps: Sequence[Activity], span: Span) -> Chart:
    """Return how long runs took, and how long people waited for a start."""
    names = ("run_p50_s", "run_p95_s", "wait_p95_s")
    columns = ("run, median", "run, 95 %", "wait of a person, 95 %")
    return _lines("Seconds", steps, span, names, columns, least=1.0)


def freshness(steps: Sequence[Activity], span: Span) -> Chart:
    """Return the share of active connections that had data of the last day."""
    return _lines("Connections with data of the last day, share", steps, span, ("fresh_ratio",), ("share",), least=1.0)


def bar_paths(values: Sequence[float], failed: Sequence[bool] = ()) -> list[tuple[str, str]]:
    """Return a row of small bars as two SVG paths with their classes: usual ones, and those of days with a failure.

    A table of fifty rows has some thousand bars; an element for each would take most of the time of the page.
    """
    top = max(values, default=0)
    paths = {"bar": "", "failed": ""}
    for index, value in enumerate(values):
        is_failed = bool(failed) and failed[index]
        height = max(24 * value / top if top else 0, 6 if is_failed else 1)
        paths["failed" if is_failed else "bar"] += f"M{8 * index} 26v{-height:.1f}h6V26z"
    return [(kind, path) for kind, path in paths.items() if path]


def nice_top(value: float) -> float:
    """Return the end of a scale: 1, 2 or 5 times a power of ten, at least `value` and at least 1."""
    if value <= 1:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)


def _lines(
    title: str, steps: Sequence[Activity], span: Span, names: Sequence[str], columns: Sequence[str], *, least: float
) -> Chart:
    values = [[getattr(step, name) for step in steps] for name in names]
    top = nice_top(max([least, *(value for line in values for value in line if value is not None)]))
    width = (WIDTH - LEFT) / len(steps)
    lines = [
        ChartLine(kind=f"line{index}", points=_points(line, top, width)) for index, line in enumerate(values, start=1)
    ]
    rows = [
        (_time(step, span), *("-" if line[index] is None else f"{line[index]:.2f}" for line in values))
        for index, step in enumerate(steps)
    ]
    return Chart(
        title=title, columns=columns, rows=rows, scale=_scale(top), times=_times(steps, span, width), lines=lines
    )


def _points(line: Sequence[float | None], top: float, width: float) -> list[str]:
    parts: list[list[str]] = [[]]
    for index, value in enumerate(line):
        if value is None:
            parts.append([])
        else:
            x, y = _x(index, width) + width / 2, _y(value, top)
            # A step whose neighbours have no value would be a line without length.
            parts[-1] += [f"{x:.1f},{y:.1f}", f"{x + 1:.1f},{y:.1f}"]
    return [" ".join(part) for part in parts if part]


def _scale(top: float) -> list[tuple[float, str]]:
    return [(_y(value, top), f"{value:g}") for value in (0.0, top / 2, top)]


def _times(steps: Sequence[Activity], span: Span, width: float) -> list[tuple[float, str]]:
    every = math.ceil(len(steps) / _LABELS)
    return [(_x(index, width) + width / 2, _time(steps[index], span)) for index in range(0, len(steps), every)]


def _time(step: Activity, span: Span) -> str:
    return step.from_at.strftime(_TIME[span])


def _x(index: int, width: float) -> float:
    return round(LEFT + index * width, 1)


def _y(value: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)
