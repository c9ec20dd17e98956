"""Charts as numbers to draw: a template makes SVG of them, and a table with the same values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["Bar", "Chart", "Series", "bars", "columns", "line", "spark"]

WIDTH: Final = 600.0
HEIGHT: Final = 120.0
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time.

    Attributes:
        name: Its name, in the legend and in the table.
        kind: Class of its marks, which gives them a colour.
        values: A value for each instant; None where there is none.
    """

    name: str
    kind: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in the units of the drawing."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Attributes:
        title: What it shows.
        summary: The same in a sentence, for those who do not see it.
        unit: Of its values.
        top: Value at the upper edge.
        times: The instants.
        series: The quantities.
        bars: The marks of a chart of bars.
        path: The line of a chart of one, empty without any value.
    """

    title: str
    summary: str
    unit: str
    top: float
    times: Sequence[datetime]
    series: Sequence[Series]
    bars: Sequence[Bar] = ()
    path: str = ""


def bars(
    title: str, summary: str, unit: str, times: Sequence[datetime], series: Sequence[Series]
) -> Chart:
    """Return bars, the series on top of each other."""
    rows = [
        [series[at].values[place] or 0.0 for at in range(len(series))]
        for place in range(len(times))
    ]
    top = _round_up(max((sum(row) for row in rows), default=0.0))
    step = WIDTH / max(1, len(times))
    found: list[Bar] = []
    for place, row in enumerate(rows):
        base = HEIGHT
        for one, value in zip(series, row, strict=True):
            if value:
                # What is there is seen, however little it is.
                height = max(1.5, value / top * HEIGHT)
                base -= height
                x = place * step + step * 0.12
                found.append(
                    Bar(
                        one.kind,
                        round(x, 1),
                        round(base, 1),
                        round(step * 0.76, 1),
                        round(height, 1),
                    )
                )
    return Chart(title, summary, unit, top, times, series, bars=found)


def line(title: str, summary: str, unit: str, times: Sequence[datetime], series: Series) -> Chart:
    """Return one line, broken where there is no value."""
    known = [value for value in series.values if value is not None]
    top = _round_up(max(known, default=0.0))
    path = _path(series.values, top, WIDTH, HEIGHT)
    return Chart(title, summary, unit, top, times, [series], path=path)


def spark(values: Sequence[float], width: float = 100.0, height: float = 24.0) -> str:
    """Return the path of a small line; at the lower edge where all is zero."""
    return _path(values, max(values, default=0.0) or 1.0, width, height - 2)


def columns(values: Sequence[float], width: float = 50.0, height: float = 24.0) -> list[Bar]:
    """Return small bars side by side; a line at the lower edge where there was nothing."""
    top, step = max(values, default=0.0) or 1.0, width / max(1, len(values))
    sizes = [max(1.0, value / top * height) for value in values]
    return [
        Bar("", round(at * step, 1), round(height - size, 1), round(step * 0.8, 1), round(size, 1))
        for at, size in enumerate(sizes)
    ]


def _path(values: Sequence[float | None], top: float, width: float, height: float) -> str:
    step = width / max(1, len(values) - 1)
    parts: list[str] = []
    drawing = False
    for place, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        y = height - value / top * height if top else height
        # A point by itself is drawn by the round end of a line of no length.
        parts.append(f"{'L' if drawing else 'M'}{place * step:.1f} {y + 1:.1f}")
        if not drawing:
            parts.append("h0")
        drawing = True
    return " ".join(parts)


def _round_up(value: float) -> float:
    """Return the next round number, so that an axis does not change all the time."""
    if value <= 0:
        return 1.0
    size = 1.0
    while size * 10 <= value:
        size *= 10
    while size > value:
        size /= 10
    return next((step * size for step in _STEPS if step * size >= value), 10 * size)
