"""The DAG of a run as an SVG picture: Tasks from left to right in execution order, with the critical path marked.

Rules:

- Each node is a Task, with all combinations of its matrix. Edges implied by other edges are not drawn, unless they are
  part of the critical path.
- A node's column follows the last column of its predecessors. Within a column, nodes are ordered and then moved towards
  the average position of their neighbours (Sugiyama's method), so that few edges cross.
- An edge that spans several columns reserves a position in each of them.

Pure: nodes in, markup out. ``page`` decides what the nodes are.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from monopod.runner.reports.html import Html, joined, tag

MOST_NODES = 250
"""A larger picture is not readable."""

_NODE_HEIGHT, _ROW, _GAP, _PASSING = 44.0, 60.0, 56.0, 14.0
_CHARACTER, _LONGEST = 7.6, 30
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Node:
    """A Task in the picture. ``status`` is a CSS class, ``detail`` a line below the name, ``text`` describes it."""

    name: str
    status: str
    symbol: str
    detail: str
    text: str
    link: str
    is_critical: bool


def dag_picture(nodes: Sequence[Node], edges: Iterable[tuple[str, str]], critical: set[tuple[str, str]]) -> Html:
    """Return the picture of a DAG. Its edges are pairs of names."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(node.name for node in nodes)
    graph.add_edges_from(edges)
    reduced: nx.DiGraph[str] = nx.transitive_reduction(graph)
    reduced.add_edges_from(critical)
    by_name = {node.name: node for node in nodes}
    layout = _Layout(by_name, reduced)
    drawn = sorted(reduced.edges, key=lambda edge: edge in critical)  # critical edges are drawn on top
    return tag(
        "svg",
        tag("g", (layout.edge(*edge, is_critical=edge in critical) for edge in drawn), aria_hidden="true"),
        (layout.node(node) for node in nodes),
        viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=f"{layout.width:.0f}",
        height=f"{layout.height:.0f}",
        role="group",
        aria_label="The Tasks of the run in execution order",
        class_="dag",
    )


class _Layout:
    """The position of each node. A position that an edge passes through is a node of its own, a tuple."""

    def __init__(self, nodes: Mapping[str, Node], graph: nx.DiGraph[str]) -> None:
        columns = {name: number for number, names in enumerate(nx.topological_generations(graph)) for name in names}
        self._nodes = nodes
        self._paths: dict[tuple[str, str], list[object]] = {}
        joints: nx.Graph[object] = nx.Graph()
        joints.add_nodes_from(nodes)
        order: list[list[object]] = [[] for _ in range(max(columns.values(), default=0) + 1)]
        for name in nodes:
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
        left = 8.0
        for column in self._columns:
            width = max((self._width(place) for place in column if isinstance(place, str)), default=0.0)
            for place in column:
                self._x[place] = (left, left + width)
            left += width + _GAP
        self.width = left - _GAP + 8.0
        self.height = max((self._y[place] for column in self._columns for place in column), default=0.0) + _ROW / 2

    def _width(self, name: str) -> float:
        node = self._nodes[name]
        return max(len(_short(node.name)) + 3, len(node.detail) + 3) * _CHARACTER + 18

    def edge(self, before: str, after: str, *, is_critical: bool) -> Html:
        """Return the line of an edge."""
        places = self._paths[before, after]
        x, y = self._x[before][1], self._y[before]
        path = [f"M{x:.0f} {y:.0f}"]
        for place in places[1:]:
            left, right = self._x[place]
            target = self._y[place]
            middle = (x + left) / 2
            path.append(f"C{middle:.0f} {y:.0f} {middle:.0f} {target:.0f} {left:.0f} {target:.0f}")
            if place != after:
                path.append(f"H{right:.0f}")
            x, y = right, target
        return tag("path", d="".join(path), class_="edge critical" if is_critical else "edge")

    def node(self, node: Node) -> Html:
        """Return the box of a Task, a link to its details."""
        left, right = self._x[node.name]
        top = self._y[node.name] - _NODE_HEIGHT / 2
        box = tag("rect", x=f"{left:.0f}", y=f"{top:.0f}", width=f"{right - left:.0f}", height="44", rx="6")
        symbol = tag("text", node.symbol, x=f"{left + 11:.0f}", y=f"{top + 18:.0f}", class_="symbol")
        name = tag("text", _short(node.name), x=f"{left + 28:.0f}", y=f"{top + 18:.0f}", class_="name")
        detail = tag("text", node.detail, x=f"{left + 28:.0f}", y=f"{top + 35:.0f}", class_="detail")
        content = joined(tag("title", node.text), box, symbol, name, detail)
        classes = f"node {node.status}" + (" critical" if node.is_critical else "")
        return tag("a", content, href=f"#{node.link}", class_=classes, aria_label=node.text)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


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
