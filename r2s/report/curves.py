"""Charts as inline SVG: no script, no font, no network; colours come from the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 96, 14, 38
MAX_POINTS = 400


@dataclass(frozen=True)
class Series:
    """One line. `style`: index of its colour in the page's palette, or `dashed` for measured apart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: int = 0
    marks: bool = False


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    threshold: tuple[float, str] | None = None,
) -> str:
    """Return an SVG of lines over one axis, each named at its end.

    Args:
        y_range: fixed limits, else from the data.
        threshold: (value, what it is): a dashed level.
    """
    drawn = [_clean(each) for each in series]
    drawn = [each for each in drawn if len(each.x)]
    if not drawn:
        return '<p class="none">nothing was logged</p>'
    x0, x1 = 0.0, max(max(each.x) for each in drawn) or 1.0
    values = [value for each in drawn for value in each.y]
    y0, y1 = y_range or _padded(min(values), max(values))
    across = lambda x: LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)  # noqa: E731
    up = lambda y: HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y_label)} over {escape(x_label)}">'
    ]
    for y in ticks(y0, y1):
        parts.append(_line(LEFT, up(y), WIDTH - RIGHT, up(y), "grid"))
        parts.append(_text(LEFT - 8, up(y) + 4, short(y), "tick", "end"))
    for x in ticks(x0, x1):
        parts.append(_text(across(x), HEIGHT - BOTTOM + 18, short(x), "tick", "middle"))
    parts.append(_line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, x_label, "label", "middle"))
    if threshold and y0 <= threshold[0] <= y1:
        parts.append(_line(LEFT, up(threshold[0]), WIDTH - RIGHT, up(threshold[0]), "threshold"))
        parts.append(_text(LEFT + 6, up(threshold[0]) - 5, threshold[1], "tick", "start"))
    ends = _apart([up(float(each.y[-1])) for each in drawn])
    for each, end in zip(drawn, ends, strict=True):
        points = [
            (across(x), up(float(np.clip(y, y0, y1)))) for x, y in zip(each.x, each.y, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="c{each.color}" points="{path}"/>')
        for x, y in points if each.marks else ():
            parts.append(f'<circle class="c{each.color}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        parts.append(_text(WIDTH - RIGHT + 8, end + 4, each.name, f"name t{each.color}", "start"))
    return "".join([*parts, "</svg>"])


def interval_bar(lower: float, upper: float, rate: float, threshold: float, verdict: str) -> str:
    """Return an SVG of a success rate with its bounds on 0..1 and the threshold it must pass."""
    width, height, middle = 220, 20, 10
    at = lambda value: 4 + value * (width - 8)  # noqa: E731
    return (
        f'<svg class="bar" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{lower:.2f} to {upper:.2f}, threshold {threshold:.2f}">'
        + _line(at(0), middle, at(1), middle, "grid")
        + _line(at(lower), middle, at(upper), middle, f"range {escape(verdict)}")
        + _line(at(threshold), 2, at(threshold), height - 2, "threshold")
        + f'<circle class="dot {escape(verdict)}" cx="{at(rate):.1f}" cy="{middle}" r="4"/></svg>'
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between two limits."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(span / count))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if span / (m * power) <= count), 10 * power)
    first = np.ceil(low / step - 1e-9) * step
    return [round(float(v), 12) + 0.0 for v in np.arange(first, high + step * 1e-6, step)]


def short(value: float) -> str:
    """Return a number as an axis writes it: 1.5M, 20k, 0.25."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _clean(series: Series) -> Series:
    """Return the series without missing values, thinned to what a screen shows."""
    rows = [
        (float(x), float(y))
        for x, y in zip(series.x, series.y, strict=True)
        if y is not None and np.isfinite(y)
    ]
    if len(rows) > MAX_POINTS:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, MAX_POINTS).astype(int)]
    return Series(
        series.name, [x for x, _ in rows], [y for _, y in rows], series.color, series.marks
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - margin, high + margin


def _apart(heights: list[float], gap: float = 14.0) -> list[float]:
    """Return the heights moved so that labels do not overlap, order kept."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    result, last = list(heights), -np.inf
    for index in order:
        result[index] = max(heights[index], last + gap)
        last = result[index]
    over = max(0.0, max(result, default=0.0) - (HEIGHT - BOTTOM))
    return [value - over for value in result]


def _line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, name: str, anchor: str) -> str:
    return (
        f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
