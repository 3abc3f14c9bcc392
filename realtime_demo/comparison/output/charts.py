"""Charts, laid out for the template `chart.svg`: themed by the page's CSS, readable on paper.

Each line has its name beside it, and measured and predicted lines differ in dash and marker, so
that no chart depends on colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .tables import amount

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 26, 42
NAMES = 118  # space right of the last points for the lines' names
LINE = 13  # from one name to the next

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """An axis: its range in data and on the drawing, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.02, max(-0.02, share)) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values: powers of ten, or multiples of 1, 2 or 5 times a power of ten."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            powers = [10.0**power for power in range(first, last + 1)]
            ticks = [tick for tick in powers if self.low * 0.999 <= tick <= self.high * 1.001]
            if len(ticks) > 7:
                ticks = ticks[::2]
            return ticks
        rough = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first_step = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first_step, int(self.high / step + 1e-9) + 1)]


def axis(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Axis:
    """Return an axis for all of `values`: from 0, or (`log`) from the smallest above 0."""
    if log:
        usable = [value for value in values if value > 0] or [1.0]
        low, high = min(usable) / 1.3, max(usable) * 1.3
        return Axis(low, max(high, low * 10), start, end, log=True)
    high = max([value for value in values if math.isfinite(value)] or [1.0])
    return Axis(0.0, high * 1.04 if high > 0 else 1.0, start, end)


@dataclass(frozen=True)
class Line:
    """A series. `css` is a class with the technique's colour; `marks` draws points alone.

    `name` is written beside the last point.
    """

    name: str
    css: str
    points: Sequence[Point]
    predicted: bool = False
    marks: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart with its layout, for the template `chart.svg`."""

    title: str
    caption: str
    vertical: dict[str, str]
    rules: list[dict[str, str]]
    texts: list[dict[str, str]]
    lines: list[dict[str, object]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def chart(
    title: str,
    horizontal: str,
    vertical: str,
    lines: Sequence[Line],
    *,
    caption: str = "",
    log_x: bool = False,
    log_y: bool = False,
    most: float | None = None,
) -> Chart:
    """Lay out a chart. `most` is the maximum of the vertical axis."""
    points = [point for line in lines for point in line.points]
    margin = NAMES if any(line.name for line in lines) else RIGHT
    x = axis([point[0] for point in points], LEFT, WIDTH - margin, log=log_x)
    if most is not None:
        y = Axis(0.0, most, HEIGHT - BOTTOM, TOP)
    else:
        y = axis([point[1] for point in points], HEIGHT - BOTTOM, TOP, log=log_y)
    rules, texts = list[dict[str, str]](), list[dict[str, str]]()
    for tick in x.ticks():
        at = x.place(tick)
        rules.append(_placed(x1=at, x2=at, y1=y.end, y2=y.start))
        texts.append(_text("tick", at, y.start + 14, amount(tick), "middle"))
    for tick in y.ticks():
        at = y.place(tick)
        rules.append(_placed(x1=x.start, x2=x.end, y1=at, y2=at))
        texts.append(_text("tick", x.start - 5, at + 4, amount(tick), "end"))
    texts.append(_text("axis", (x.start + x.end) / 2, HEIGHT - 8, horizontal, "middle"))
    drawn: list[dict[str, object]] = [
        {
            "css": line.css,
            "marks": line.marks,
            "kind": "predicted" if line.predicted else "measured",
            "points": [(f"{x.place(a):.1f}", f"{y.place(b):.1f}") for a, b in line.points],
        }
        for line in lines
        if line.points
    ]
    sideways = {"text": vertical, "x": f"{-(y.start + y.end) / 2:.1f}"}
    return Chart(title, caption, sideways, rules, [*texts, *_names(lines, x, y)], drawn)


def _placed(**places: float) -> dict[str, str]:
    return {name: f"{place:.1f}" for name, place in places.items()}


def _text(css: str, x: float, y: float, text: str, anchor: str) -> dict[str, str]:
    return {"css": css, "anchor": anchor, "text": text, **_placed(x=x, y=y)}


def _names(lines: Sequence[Line], x: Axis, y: Axis) -> list[dict[str, str]]:
    """Place each line's name beside its last point, in the points' order, without overlaps."""
    columns: list[list[tuple[float, float, Line]]] = []
    wanted = [
        (y.place(line.points[-1][1]), x.place(line.points[-1][0]), line)
        for line in lines
        if line.name and line.points
    ]
    for name in sorted(wanted, key=lambda name: name[0]):
        near = (column for column in columns if abs(column[0][1] - name[1]) < NAMES)
        if (column := next(near, None)) is None:
            columns.append(column := [])
        column.append(name)
    return [
        _text(f"name {line.css}", at + 8, place, line.name, "start")
        for column in columns
        for place, (_, at, line) in zip(
            separate([height + 4 for height, _, _ in column], TOP + 8, HEIGHT - BOTTOM),
            column,
            strict=True,
        )
    ]


def separate(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Return heights near the `wanted` ones, in the same order and at least a line apart.

    They lie within `low` and `high` as far as there is room. `wanted` is sorted.
    """
    heights: list[float] = []
    for height in wanted:
        heights.append(max(height, heights[-1] + LINE if heights else low))
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], high)
        high = heights[place] - LINE
    return heights


def distribution(ordered: Sequence[float], *, most: int = 240) -> list[Point]:
    """Return the empirical distribution of sorted samples as steps, thinned to about `most`."""
    total = len(ordered)
    stride = max(1, total // most)
    points: list[Point] = [(ordered[0], 0.0)]
    for index in [*range(0, total, stride), total - 1]:
        points.append((ordered[index], points[-1][1]))
        points.append((ordered[index], (index + 1) / total))
    return points


def curve(function: Callable[[float], float], high: float, *, steps: int = 160) -> list[Point]:
    """Return points of `function` over [0, `high`]."""
    return [(high * k / steps, function(high * k / steps)) for k in range(steps + 1)]


def geometric_steps(low: float, high: float, *, steps: int = 60) -> list[float]:
    """Return values from `low` to `high`, each a fixed factor above the previous one."""
    return [low * (high / low) ** (k / steps) for k in range(steps + 1)]
