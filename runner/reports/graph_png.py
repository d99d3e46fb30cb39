"""The picture of a graph as PNG, drawn by Pillow with the font that Pillow carries.

No program and no font of the machine is used, so that a plain installation draws everywhere, and the same picture.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from monopod.runner.reports.dag_layout import NODE_HEIGHT, Point
from monopod.runner.reports.graph_picture import (
    BACK,
    DASHES,
    DETAIL_LINE,
    DETAIL_SIZE,
    LINE,
    MUTED,
    NAME_SIZE,
    RADIUS,
    RAISED,
    TEXT,
    TEXT_LEFT,
    TITLE_SIZE,
    Box,
    Picture,
)

_SCALE = 2.0
"""Pixels per pixel of the SVG: screens with a high resolution show it sharply."""
_MOST_PIXELS = 12_000_000
_SMOOTHING = 2
"""Shapes are drawn larger by this factor and then reduced, which smooths their edges."""
_PIECES = 24
"""Straight pieces of a curve."""


def png(picture: Picture) -> bytes:
    """Return the picture as a PNG file, smaller if it would have more than 12 million pixels."""
    scale = min(_SCALE, math.sqrt(_MOST_PIXELS / (picture.width * picture.height)))
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    canvas = _Canvas(size, scale * _SMOOTHING)
    for edge in picture.edges:
        canvas.line(_flat(edge.points), is_dashed=edge.is_dashed)
    for box in picture.boxes:
        _draw_box(canvas, box)
    for x, y, text in picture.titles:
        canvas.text(x, y, text, TITLE_SIZE, TEXT)
    file = io.BytesIO()
    canvas.image.resize(size, Image.Resampling.BOX).save(file, "PNG", optimize=True)
    return file.getvalue()


class _Canvas:
    """Draws on an image with the coordinates of a picture."""

    def __init__(self, size: tuple[int, int], scale: float) -> None:
        self.image = Image.new("RGB", (size[0] * _SMOOTHING, size[1] * _SMOOTHING), BACK)
        self._draw = ImageDraw.Draw(self.image)
        self._scale = scale
        self._fonts = {size: ImageFont.load_default(size * scale) for size in (TITLE_SIZE, NAME_SIZE, DETAIL_SIZE)}

    def line(self, points: Sequence[Point], *, is_dashed: bool) -> None:
        """Draw a line along points."""
        width = max(round(1.3 * self._scale), 1)
        for piece in _dashed(points) if is_dashed else [points]:
            self._draw.line([(x * self._scale, y * self._scale) for x, y in piece], LINE, width, "curve")

    def area(self, left: float, top: float, width: float, height: float) -> None:
        """Fill a rectangle with round corners."""
        corners = tuple(each * self._scale for each in (left, top, left + width, top + height))
        self._draw.rounded_rectangle(corners, RADIUS * self._scale, RAISED)

    def text(self, x: float, y: float, text: str, size: int, colour: str) -> None:
        """Write a text; `y` is its baseline."""
        self._draw.text((x * self._scale, y * self._scale), text, colour, self._fonts[size], "ls")


def _draw_box(canvas: _Canvas, box: Box) -> None:
    canvas.area(box.left, box.top, box.width, NODE_HEIGHT)
    canvas.line(_outline(box), is_dashed=box.is_dashed)
    canvas.text(box.left + TEXT_LEFT, box.name_line, box.shown_name, NAME_SIZE, TEXT)
    canvas.text(box.left + TEXT_LEFT, box.top + DETAIL_LINE, box.detail, DETAIL_SIZE, MUTED)


def _outline(box: Box) -> list[Point]:
    """Return the points around a box with round corners."""
    right, bottom = box.left + box.width, box.top + NODE_HEIGHT
    centres = (
        (right - RADIUS, box.top + RADIUS, -90),
        (right - RADIUS, bottom - RADIUS, 0),
        (box.left + RADIUS, bottom - RADIUS, 90),
        (box.left + RADIUS, box.top + RADIUS, 180),
    )
    points = [
        (x + RADIUS * math.cos(math.radians(start + turn)), y + RADIUS * math.sin(math.radians(start + turn)))
        for x, y, start in centres
        for turn in range(0, 91, 15)
    ]
    return [*points, points[0]]


def _flat(points: Sequence[Point]) -> list[Point]:
    """Return points along cubic Bézier curves: a start, and for each curve two control points and an end."""
    flat = [points[0]]
    for number in range(1, len(points), 3):
        corners = (points[number - 1], *points[number : number + 3])
        for piece in range(1, _PIECES + 1):
            t = piece / _PIECES
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = (
                sum(weight * corner[axis] for weight, corner in zip(weights, corners, strict=True)) for axis in (0, 1)
            )
            flat.append((x, y))
    return flat


def _dashed(points: Sequence[Point]) -> list[list[Point]]:
    """Return the dashes along a line."""
    dashes: list[list[Point]] = [[points[0]]]
    is_gap, left = False, DASHES[0]
    for start, end in pairwise(points):
        length = math.dist(start, end)
        done = 0.0
        while length - done > left:
            done += left
            at = (start[0] + (end[0] - start[0]) * done / length, start[1] + (end[1] - start[1]) * done / length)
            if is_gap:
                dashes.append([at])
            else:
                dashes[-1].append(at)
            is_gap = not is_gap
            left = DASHES[is_gap]
        left -= length - done
        if not is_gap:
            dashes[-1].append(end)
    return [dash for dash in dashes if len(dash) > 1]
