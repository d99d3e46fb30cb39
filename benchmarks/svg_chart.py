"""Draws line charts as SVG: a few points, two axes, a legend. Readable on a light page and on a dark one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 420, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 20, 34, 66
_COLORS = ("#2f6fde", "#d9822b", "#3a9d5d")
_COLUMNS = 2


@dataclass(frozen=True)
class Series:
    """A line: its points are (x, y), both greater than 0."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines over one x axis; ``logarithmic`` is for the y axis, which otherwise starts at 0."""

    title: str
    x_label: str
    series: Sequence[Series]
    logarithmic: bool = False


def drawn(charts: Sequence[Chart], caption: str) -> str:
    """Return an SVG document with the charts in rows of two, and a line of text below."""
    rows = math.ceil(len(charts) / _COLUMNS)
    width, height = _WIDTH * _COLUMNS, _HEIGHT * rows + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, chart in enumerate(charts):
        x, y = number % _COLUMNS * _WIDTH, number // _COLUMNS * _HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_chart(chart), "</g>"]
    parts += [_text(width / 2, height - 10, caption, "middle"), "</svg>"]
    return "\n".join(parts) + "\n"


def _chart(chart: Chart) -> Iterator[str]:
    points = [point for series in chart.series for point in series.points]
    right, top = max(x for x, _ in points), max(y for _, y in points)
    bottom = 10 ** math.floor(math.log10(min(y for _, y in points))) if chart.logarithmic else 0.0
    ticks = _powers(bottom, top) if chart.logarithmic else _round_steps(top)
    top = ticks[-1]

    def across(x: float) -> float:
        return _LEFT + x / right * (_WIDTH - _LEFT - _RIGHT)

    def up(y: float) -> float:
        part = math.log(y / bottom) / math.log(top / bottom) if chart.logarithmic else y / top
        return _HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM)

    yield _text(_WIDTH / 2, 20, chart.title, "middle", ' font-weight="bold" font-size="12"')
    for tick in ticks:
        yield f'<path d="M{_LEFT} {up(tick):.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>'
        yield _text(_LEFT - 6, up(tick) + 4, f"{tick:g}", "end")
    for x in sorted({x for x, _ in points}):
        if x >= right / 12:  # the labels of smaller ones would overlap
            yield _text(across(x), _HEIGHT - _BOTTOM + 16, f"{x:g}", "middle")
    yield _text(_WIDTH - _RIGHT, _HEIGHT - _BOTTOM + 32, chart.x_label, "end")
    for number, (series, color) in enumerate(zip(chart.series, _COLORS, strict=False)):
        line = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in series.points)
        yield f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>'
        for x, y in series.points:
            yield f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.5" fill="{color}"/>'
        y = _HEIGHT - _BOTTOM + 32 + 13 * number
        yield f'<rect x="{_LEFT}" y="{y - 8}" width="12" height="8" fill="{color}"/>'
        yield _text(_LEFT + 18, y, series.name, "start")


def _powers(bottom: float, top: float) -> list[float]:
    count = math.ceil(math.log10(top / bottom))
    return [bottom * 10**number for number in range(count + 1)]


def _round_steps(top: float) -> list[float]:
    """Return round numbers from 0 up to at least `top`."""
    power = 10 ** math.floor(math.log10(top / 4))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * 5 >= top)
    return [step * number for number in range(math.ceil(top / step) + 1)]


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333333"{more}>{escape(text)}</text>'
