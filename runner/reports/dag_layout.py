"""Where the Tasks of a DAG are in a picture: from left to right in execution order.

Rules:

- A node's column follows the last column of its predecessors. Within a column, nodes are ordered and then moved towards
  the average position of their neighbours (Sugiyama's method), so that few edges cross.
- An edge that spans several columns reserves a position in each of them.

Pure: names, widths and edges in, positions out. ``dag_picture`` and ``graph_picture`` draw.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import networkx as nx

NODE_HEIGHT = 44.0
"""Room for a name, and for one line below it."""
_ROW, _GAP, _PASSING, _BORDER = 60.0, 56.0, 14.0, 8.0
_SWEEPS = 8
_CHARACTER, _PADDING = 7.6, 18.0
LONGEST_NAME = 30
"""Characters of a Task's name that are drawn."""

Point: TypeAlias = tuple[float, float]


def width_of(*lines: str) -> float:
    """Return the width of a node with these lines, which begin after a symbol."""
    return max(len(line) + 3 for line in lines) * _CHARACTER + _PADDING


def short(text: str, most: int = LONGEST_NAME) -> str:
    """Return a text of at most `most` characters, with an ellipsis if it was longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def reduced(names: Iterable[str], edges: Iterable[tuple[str, str]]) -> nx.DiGraph[str]:
    """Return the graph without edges that other edges imply."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(names)
    graph.add_edges_from(edges)
    return nx.transitive_reduction(graph)


class DagLayout:
    """The position of each node. A position that an edge passes through is a node of its own, a tuple."""

    def __init__(self, widths: Mapping[str, float], graph: nx.DiGraph[str]) -> None:
        """``widths``: the width of each node of ``graph``."""
        columns = {name: number for number, names in enumerate(nx.topological_generations(graph)) for name in names}
        self._widths = widths
        self._paths: dict[tuple[str, str], list[object]] = {}
        joints: nx.Graph[object] = nx.Graph()
        joints.add_nodes_from(widths)
        order: list[list[object]] = [[] for _ in range(max(columns.values(), default=0) + 1)]
        for name in widths:
            order[columns[name]].append(name)
        for edge in graph.edges:
            before, after = edge
            passed: list[object] = [(*edge, column) for column in range(columns[before] + 1, columns[after])]
            for place, column in zip(passed, range(columns[before] + 1, columns[after]), strict=True):
                order[column].append(place)
            self._paths[edge] = [before, *passed, after]
            nx.add_path(joints, self._paths[edge])
        self._columns = _ordered(order, joints)
        self._y = _heights(self._columns, joints)
        self._place_columns()

    def _place_columns(self) -> None:
        self._x: dict[object, tuple[float, float]] = {}
        left = _BORDER
        for column in self._columns:
            width = max((self._widths[place] for place in column if isinstance(place, str)), default=0.0)
            for place in column:
                self._x[place] = (left, left + width)
            left += width + _GAP
        self.width = left - _GAP + _BORDER
        self.height = max((self._y[place] for column in self._columns for place in column), default=0.0) + _ROW / 2

    def box(self, name: str) -> tuple[float, float, float]:
        """Return the left, the top and the width of a node."""
        left, right = self._x[name]
        return left, self._y[name] - NODE_HEIGHT / 2, right - left

    def curve(self, before: str, after: str) -> list[Point]:
        """Return the line of an edge: its start, and for each piece two control points and an end (cubic Béziers)."""
        x, y = self._x[before][1], self._y[before]
        points = [(x, y)]
        for place in self._paths[before, after][1:]:
            left, right = self._x[place]
            target = self._y[place]
            middle = (x + left) / 2
            points += [(middle, y), (middle, target), (left, target)]
            if place != after:
                points += [(left, target), (right, target), (right, target)]
            x, y = right, target
        return points


def curve_path(points: Sequence[Point]) -> str:
    """Return the line of an edge as the path of an SVG."""
    start, *others = (f"{x:.0f} {y:.0f}" for x, y in points)
    return f"M{start}C{' '.join(others)}"


def _ordered(order: list[list[object]], joints: nx.Graph[object]) -> list[list[object]]:
    """Return the columns, each ordered by the average position of its neighbours in the adjacent columns."""
    columns = [list(column) for column in order]
    for sweep in range(_SWEEPS):
        pairs = list(itertools.pairwise(columns))
        for beside, column in pairs if sweep % 2 == 0 else ((after, before) for before, after in reversed(pairs)):
            numbers = {place: number for number, place in enumerate(beside)}
            own = {place: number for number, place in enumerate(column)}
            column.sort(
                key=lambda place, numbers=numbers, own=own: statistics.fmean(  # type: ignore[misc]
                    [numbers[neighbour] for neighbour in joints[place] if neighbour in numbers] or [own[place]]
                )
            )
    return columns


def _heights(columns: list[list[object]], joints: nx.Graph[object]) -> dict[object, float]:
    """Return the vertical centre of each place. Places in a column keep their order and their distance."""
    y: dict[object, float] = {}
    for column in columns:
        _spread(column, {place: _ROW * number for number, place in enumerate(column)}, y)
    for sweep in range(2 * _SWEEPS + 1):  # the last sweep goes from left to right
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = {place: statistics.fmean([y[other] for other in joints[place]] or [y[place]]) for place in column}
            _spread(column, wanted, y)
    top = min(y.values(), default=0.0) - _ROW / 2
    return {place: height - top for place, height in y.items()}


def _room(place: object) -> float:
    return _ROW if isinstance(place, str) else _PASSING


def _spread(column: Sequence[object], wanted: Mapping[object, float], y: dict[object, float]) -> None:
    """Place the elements of a column as near as possible to their wanted positions, without changing their order.

    Elements that would overlap form a block, centred on the average of their wanted positions.
    """
    blocks: list[tuple[list[object], list[float]]] = []  # places, and the position of the first that each one wants
    for place in column:
        block = ([place], [wanted[place]])
        while blocks and _bottom(blocks[-1]) > statistics.fmean(block[1]) - _room(block[0][0]) / 2:
            above = blocks.pop()
            offset = _extent(above[0]) - _room(above[0][0]) / 2 + _room(block[0][0]) / 2
            block = (above[0] + block[0], above[1] + [first - offset for first in block[1]])
        blocks.append(block)
    for places, firsts in blocks:
        at = statistics.fmean(firsts) - _room(places[0]) / 2
        for place in places:
            y[place] = at + _room(place) / 2
            at += _room(place)


def _extent(places: Sequence[object]) -> float:
    return sum(map(_room, places))


def _bottom(block: tuple[list[object], list[float]]) -> float:
    places, firsts = block
    return statistics.fmean(firsts) - _room(places[0]) / 2 + _extent(places)
