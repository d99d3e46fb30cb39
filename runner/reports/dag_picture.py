"""The DAG of a run as an SVG picture: Tasks from left to right in execution order, with the critical path marked.

Rules:

- Each node is a Task, with all combinations of its matrix. Edges implied by other edges are not drawn, unless they are
  part of the critical path.
- ``dag_layout`` has the positions.

Pure: nodes in, markup out. ``page`` decides what the nodes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monopod.runner.reports.dag_layout import NODE_HEIGHT, DagLayout, curve_path, reduced, short, width_of
from monopod.runner.reports.html import Html, joined, tag

MOST_NODES = 250
"""A larger picture is not readable."""


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
    graph = reduced((node.name for node in nodes), edges)
    graph.add_edges_from(critical)
    layout = DagLayout({node.name: width_of(short(node.name), node.detail) for node in nodes}, graph)
    drawn = sorted(graph.edges, key=lambda edge: edge in critical)  # critical edges are drawn on top
    return tag(
        "svg",
        tag("g", (_edge(layout, edge, is_critical=edge in critical) for edge in drawn), aria_hidden="true"),
        (_node(layout, node) for node in nodes),
        viewBox=f"0 0 {layout.width:.0f} {layout.height:.0f}",
        width=f"{layout.width:.0f}",
        height=f"{layout.height:.0f}",
        role="group",
        aria_label="The Tasks of the run in execution order",
        class_="dag",
    )


def _edge(layout: DagLayout, edge: tuple[str, str], *, is_critical: bool) -> Html:
    """Return the line of an edge."""
    return tag("path", d=curve_path(layout.curve(*edge)), class_="edge critical" if is_critical else "edge")


def _node(layout: DagLayout, node: Node) -> Html:
    """Return the box of a Task, a link to its details."""
    left, top, width = layout.box(node.name)
    box = tag("rect", x=f"{left:.0f}", y=f"{top:.0f}", width=f"{width:.0f}", height=f"{NODE_HEIGHT:.0f}", rx="6")
    symbol = tag("text", node.symbol, x=f"{left + 11:.0f}", y=f"{top + 18:.0f}", class_="symbol")
    name = tag("text", short(node.name), x=f"{left + 28:.0f}", y=f"{top + 18:.0f}", class_="name")
    detail = tag("text", node.detail, x=f"{left + 28:.0f}", y=f"{top + 35:.0f}", class_="detail")
    content = joined(tag("title", node.text), box, symbol, name, detail)
    classes = f"node {node.status}" + (" critical" if node.is_critical else "")
    return tag("a", content, href=f"#{node.link}", class_=classes, aria_label=node.text)
