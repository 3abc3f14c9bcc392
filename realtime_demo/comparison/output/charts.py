"""Charts as inline SVG: drawn by hand, themed by the page's CSS, readable on paper.

A line bears its name beside it, and measured and predicted differ in dash and marker, so that
no chart depends on colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 26, 42
NAMES = 118  # to the right of the last points, for the names of lines
LINE = 13  # from one name to the next

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One axis: its range in data and on the paper, linear or logarithmic."""

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
        """Round values: powers of ten, or a step of 1, 2 or 5 of them."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            found = [10.0**power for power in range(first, last + 1)]
            found = [tick for tick in found if self.low * 0.999 <= tick <= self.high * 1.001]
            if len(found) > 7:
                found = found[::2]
            return found
        rough = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first_step = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first_step, int(self.high / step + 1e-9) + 1)]


def axis(values: Sequence[float], start: float, end: float, *, log: bool = False) -> Axis:
    """An axis that holds all of `values`: from 0, or from the smallest above 0."""
    if log:
        usable = [value for value in values if value > 0] or [1.0]
        low, high = min(usable) / 1.3, max(usable) * 1.3
        return Axis(low, max(high, low * 10), start, end, log=True)
    high = max([value for value in values if math.isfinite(value)] or [1.0])
    return Axis(0.0, high * 1.04 if high > 0 else 1.0, start, end)


def amount(value: float) -> str:
    """A tick's label: 0.01, 20, 5k, 2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


@dataclass(frozen=True)
class Line:
    """A series. `css` is a class with the technique's colour; `marks` draws points alone."""

    name: str
    css: str
    points: Sequence[Point]
    predicted: bool = False
    marks: bool = False
    named: bool = True


def chart(
    title: str,
    horizontal: str,
    vertical: str,
    lines: Sequence[Line],
    *,
    log_x: bool = False,
    log_y: bool = False,
    most: float | None = None,
) -> str:
    """One chart. `most` bounds the vertical axis."""
    points = [point for line in lines for point in line.points]
    named = any(line.named for line in lines)
    x = axis([point[0] for point in points], LEFT, WIDTH - (NAMES if named else RIGHT), log=log_x)
    if most is not None:
        y = Axis(0.0, most, HEIGHT - BOTTOM, TOP)
    else:
        y = axis([point[1] for point in points], HEIGHT - BOTTOM, TOP, log=log_y)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<text class="title" x="{LEFT}" y="14">{escape(title)}</text>',
        *_grid(x, y, horizontal, vertical),
        *[_draw(line, x, y) for line in lines if line.points],
        *_names(lines, x, y),
        "</svg>",
    ]
    return "".join(parts)


def _grid(x: Axis, y: Axis, horizontal: str, vertical: str) -> list[str]:
    parts: list[str] = []
    for tick in x.ticks():
        at = x.place(tick)
        parts.append(_rule(at, at, y.end, y.start))
        parts.append(_text("tick", at, y.start + 14, amount(tick), "middle"))
    for tick in y.ticks():
        at = y.place(tick)
        parts.append(_rule(x.start, x.end, at, at))
        parts.append(_text("tick", x.start - 5, at + 4, amount(tick), "end"))
    parts.append(_text("axis", (x.start + x.end) / 2, HEIGHT - 8, horizontal, "middle"))
    sideways = _text("axis", -(y.start + y.end) / 2, 13, vertical, "middle")
    return [*parts, f'<g transform="rotate(-90)">{sideways}</g>']


def _rule(x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _text(css: str, x: float, y: float, text: str, anchor: str) -> str:
    place = f'text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{css}" {place}>{escape(text)}</text>'


def _draw(line: Line, x: Axis, y: Axis) -> str:
    places = [(x.place(a), y.place(b)) for a, b in line.points]
    if line.marks:
        return "".join(
            f'<circle class="mark {line.css}" cx="{a:.1f}" cy="{b:.1f}" r="4.5"/>'
            for a, b in places
        )
    path = "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in places)
    kind = "predicted" if line.predicted else "measured"
    return f'<path class="line {kind} {line.css}" d="{path}"/>'


def _names(lines: Sequence[Line], x: Axis, y: Axis) -> list[str]:
    """Each line's name beside its last point; names that would touch make room, in the order of
    their points."""
    columns: list[list[tuple[float, float, Line]]] = []
    wanted = [
        (y.place(line.points[-1][1]), x.place(line.points[-1][0]), line)
        for line in lines
        if line.named and line.points
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
            apart([height + 4 for height, _, _ in column], TOP + 8, HEIGHT - BOTTOM),
            column,
            strict=True,
        )
    ]


def apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Heights near the `wanted` ones, which are in order and stay so: none nearer to another than
    a line, and within `low` and `high` as far as there is room."""
    found: list[float] = []
    for height in wanted:
        found.append(max(height, found[-1] + LINE if found else low))
    for place in reversed(range(len(found))):
        found[place] = min(found[place], high)
        high = found[place] - LINE
    return found


def distribution(ordered: Sequence[float], *, most: int = 240) -> list[Point]:
    """The empirical distribution of sorted samples as steps, thinned to about `most`."""
    total = len(ordered)
    stride = max(1, total // most)
    points: list[Point] = [(ordered[0], 0.0)]
    for index in [*range(0, total, stride), total - 1]:
        points.append((ordered[index], points[-1][1]))
        points.append((ordered[index], (index + 1) / total))
    return points


def curve(function: Callable[[float], float], high: float, *, steps: int = 160) -> list[Point]:
    """`function` over [0, `high`]."""
    return [(high * k / steps, function(high * k / steps)) for k in range(steps + 1)]


def spaced(low: float, high: float, *, steps: int = 60) -> list[float]:
    """Values from `low` to `high`, each a fixed factor above the last."""
    return [low * (high / low) ** (k / steps) for k in range(steps + 1)]
