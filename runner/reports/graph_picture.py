"""The graph of a Plan as a picture: the layout of a run's page, before the run.

Rules:

- Each node is a Task, with its remarks below its name. A Task of a Pipeline that runs as a Task has the names of both.
- Finally Tasks come last, after dashed edges. A Task with when-expressions has a dashed border.
- Several Pipelines are drawn below each other.
- Colours and fonts are part of the picture, so that it looks the same in any page.

Pure: Plans in, shapes and SVG out. ``graph_png`` draws the same shapes as PNG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monopod.compiler.graph import remarks, title_of
from monopod.runner.reports.dag_layout import NODE_HEIGHT, DagLayout, Point, curve_path, reduced, short, width_of
from monopod.runner.reports.html import Html, joined, tag
from monopod.schemas.capacity.task_levels import task_levels
from monopod.schemas.plan import Pipeline, Plan, Task

BACK, TEXT, MUTED, LINE, RAISED = "#ffffff", "#1f2328", "#59636e", "#8c959f", "#f6f8fa"
TITLE_SIZE, NAME_SIZE, DETAIL_SIZE = 16, 13, 12
"""Font sizes in pixels."""
TEXT_LEFT, NAME_LINE, ONLY_LINE, DETAIL_LINE = 14.0, 18.0, 26.0, 35.0
"""Where the text of a node begins, and its baselines, from the left and the top of the node."""
DASHES = (5.0, 4.0)
RADIUS = 6.0
_TITLE_HEIGHT, _BORDER = 36.0, 10.0
_LONGEST_DETAIL = 44
_FONTS = 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace'


@dataclass(frozen=True, slots=True)
class Box:
    """A Task. ``remarks`` are all of its remarks, ``detail`` is the line of them that is drawn."""

    left: float
    top: float
    width: float
    name: str
    detail: str
    remarks: tuple[str, ...]
    is_dashed: bool

    @property
    def shown_name(self) -> str:
        """The name, shortened if it is long."""
        return short(self.name)

    @property
    def name_line(self) -> float:
        """The baseline of the name: in the middle if there are no remarks."""
        return self.top + (NAME_LINE if self.detail else ONLY_LINE)


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between two Tasks: its start, and for each piece two control points and an end."""

    points: tuple[Point, ...]
    is_dashed: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes and the titles of the Pipelines, each with its position."""

    width: float
    height: float
    titles: tuple[tuple[float, float, str], ...]
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def graph_picture(plans: Sequence[Plan]) -> Picture:
    """Return the picture of the graphs of Plans, below each other."""
    width, top = 0.0, 0.0
    titles: list[tuple[float, float, str]] = []
    boxes: list[Box] = []
    edges: list[Edge] = []
    for plan in plans:
        titles.append((_BORDER + 8, top + 26, title_of(plan.pipeline)))
        own_width, height, own_boxes, own_edges = _graph(plan, top + _TITLE_HEIGHT)
        boxes += own_boxes
        edges += own_edges
        width = max(width, own_width, width_of(titles[-1][2]) * TITLE_SIZE / NAME_SIZE)
        top += _TITLE_HEIGHT + height
    return Picture(width + 2 * _BORDER, top + _BORDER, tuple(titles), tuple(boxes), tuple(edges))


def _graph(plan: Plan, top: float) -> tuple[float, float, list[Box], list[Edge]]:
    """Return the width, the height and the shapes of one Plan, drawn from `top` on."""
    nodes = {node.path: node for node in _nodes(plan.pipeline, "", _Around())}
    graph = reduced(nodes, ((before, path) for path, node in nodes.items() for before in node.before))
    details = {path: short(" · ".join(node.remarks), _LONGEST_DETAIL) for path, node in nodes.items()}
    layout = DagLayout({path: width_of(short(path), details[path]) for path in nodes}, graph)
    boxes = []
    for path, node in nodes.items():
        left, node_top, width = layout.box(path)
        boxes.append(Box(left + _BORDER, node_top + top, width, path, details[path], node.remarks, node.is_guarded))
    edges = [
        Edge(
            tuple((x + _BORDER, y + top) for x, y in layout.curve(*edge)),
            nodes[edge[1]].is_final and not nodes[edge[0]].is_final,
        )
        for edge in graph.edges
    ]
    return layout.width, layout.height, boxes, edges


@dataclass(frozen=True, slots=True)
class _Around:
    """What a Task inherits from the Pipelines around it: what they wait for, and their remarks."""

    before: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    is_final: bool = False
    is_guarded: bool = False


@dataclass(frozen=True, slots=True)
class _Node:
    """A Task, and the paths of all Tasks that it waits for."""

    path: str
    before: tuple[str, ...]
    remarks: tuple[str, ...]
    is_final: bool
    is_guarded: bool


def _nodes(pipeline: Pipeline, prefix: str, around: _Around) -> list[_Node]:
    """Return the Tasks of a Pipeline and of the Pipelines in it, in running order."""
    inside: dict[str, list[_Node]] = {}
    by_name = {task.name: task for task in pipeline.tasks}
    for name in task_levels(pipeline.tasks):
        before = [node.path for other in by_name[name].after for node in inside[other]]
        inside[name] = _nodes_of(by_name[name], prefix, replace(around, before=(*around.before, *before)))
    nodes = [node for group in inside.values() for node in group]
    before_finally = (*around.before, *(node.path for node in nodes))
    for task in pipeline.final_tasks:
        nodes += _nodes_of(task, prefix, replace(around, before=before_finally, is_final=True))
    return nodes


def _nodes_of(task: Task, prefix: str, around: _Around) -> list[_Node]:
    """Return a Task, or the Tasks of the Pipeline that it runs."""
    path = prefix + task.name
    is_guarded = around.is_guarded or bool(task.when)
    if task.pipeline is not None:
        own = tuple(f"{task.name}: {remark}" for remark in remarks(task)[1:])  # the first one names the Pipeline
        inner = replace(around, remarks=(*own, *around.remarks), is_guarded=is_guarded)
        return _nodes(task.pipeline, f"{path}/", inner)
    own = (*(["finally"] if around.is_final else []), *remarks(task))
    return [_Node(path, around.before, (*own, *around.remarks), around.is_final, is_guarded)]


def svg(picture: Picture) -> str:
    """Return the picture as an SVG document."""
    titles = (
        tag("text", text, x=f"{x:.0f}", y=f"{y:.0f}", font_size=TITLE_SIZE, font_weight="bold", fill=TEXT)
        for x, y, text in picture.titles
    )
    content = joined(
        tag("title", ", ".join(text for _, _, text in picture.titles)),
        tag("rect", width="100%", height="100%", fill=BACK),
        titles,
        map(_edge_element, picture.edges),
        map(_box_element, picture.boxes),
    )
    size = f'width="{picture.width:.0f}" height="{picture.height:.0f}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {picture.width:.0f} {picture.height:.0f}" {size}'
    return f"{start} font-family='{_FONTS}'>{content}</svg>\n"


def _edge_element(edge: Edge) -> Html:
    dashes = f"{DASHES[0]:.0f} {DASHES[1]:.0f}" if edge.is_dashed else None
    return tag("path", d=curve_path(edge.points), fill="none", stroke=LINE, stroke_width="1.3", stroke_dasharray=dashes)


def _box_element(box: Box) -> Html:
    dashes = f"{DASHES[0]:.0f} {DASHES[1]:.0f}" if box.is_dashed else None
    frame = tag(
        "rect",
        x=f"{box.left:.0f}",
        y=f"{box.top:.0f}",
        width=f"{box.width:.0f}",
        height=f"{NODE_HEIGHT:.0f}",
        rx=f"{RADIUS:.0f}",
        fill=RAISED,
        stroke=LINE,
        stroke_dasharray=dashes,
    )
    x = f"{box.left + TEXT_LEFT:.0f}"
    name = tag("text", box.shown_name, x=x, y=f"{box.name_line:.0f}", font_size=NAME_SIZE, fill=TEXT)
    detail = tag("text", box.detail, x=x, y=f"{box.top + DETAIL_LINE:.0f}", font_size=DETAIL_SIZE, fill=MUTED)
    return tag("g", tag("title", " · ".join((box.name, *box.remarks))), frame, name, detail if box.detail else None)
