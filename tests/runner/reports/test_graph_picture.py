"""The picture of a Plan's graph: every Task once, from left to right, and the same shapes as SVG and PNG."""

import io
import itertools
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from monopod.runner.reports.dag_layout import NODE_HEIGHT
from monopod.runner.reports.graph_picture import Picture, graph_picture, svg
from monopod.runner.reports.graph_png import png
from monopod.schemas.plan import Matrix, Param, Pipeline, Plan, Slot, Step, Task, WhenExpression

SVG = "{http://www.w3.org/2000/svg}"


def task(name, *after, **fields):
    return Task(name, after=after, steps=(Step("s"),), slots=(Slot(name, (f"{name}-s",)),), **fields)


PROD = (WhenExpression("$(params.<env>)", "in", ("prod",)),)
DEPLOY = Pipeline("deploy", tasks=(task("upload"), task("smoke", "upload")), final_tasks=(task("cleanup"),))
EXAMPLE = Plan(
    Pipeline(
        "ci & more",
        tasks=(
            task("e2e", "test", "deploy"),
            task("clone"),
            task("test", "clone", matrix=Matrix((Param("python", ("3.11", "3.12")),), pinned=True), retries=2),
            Task("deploy", after=("clone",), pipeline=DEPLOY, when=PROD),
        ),
        final_tasks=(task("report"),),
    ),
    {},
)


def test_tasks_of_nested_pipelines_and_finally_tasks():
    picture = graph_picture([EXAMPLE])
    boxes = {box.name: box for box in picture.boxes}
    order = ["clone", "deploy/upload", "deploy/smoke", "deploy/cleanup", "e2e", "report"]
    assert sorted(boxes) == sorted([*order, "test"])
    assert all(boxes[one].left < boxes[next_one].left for one, next_one in itertools.pairwise(order))
    assert boxes["test"].remarks == ("matrix of 1 (python=3.11, python=3.12)", "retries 2")
    assert boxes["deploy/upload"].remarks == ("deploy: when $(params.<env>) in [prod]",)
    assert boxes["deploy/cleanup"].detail.startswith("finally · deploy: when ")
    assert {name for name, box in boxes.items() if box.is_dashed} == {name for name in boxes if "/" in name}
    assert sum(edge.is_dashed for edge in picture.edges) == 2  # to cleanup and to report


def test_svg_has_every_text_escaped():
    root = ElementTree.fromstring(svg(graph_picture([EXAMPLE, EXAMPLE])))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts.count("ci & more") == texts.count("deploy/smoke") == 2
    assert "deploy/upload · deploy: when $(params.<env>) in [prod]" in [each.text for each in root.iter(f"{SVG}title")]


@st.composite
def plans(draw):
    count = draw(st.integers(1, 12))
    tasks = [
        task(f"t{n}", *(f"t{each}" for each in sorted(draw(st.sets(st.integers(0, n - 1))))) if n else ())
        for n in range(count)
    ]
    return Plan(
        Pipeline("p", tasks=tuple(tasks), final_tasks=tuple(task(f"f{n}") for n in range(draw(st.integers(0, 2))))), {}
    )


@settings(max_examples=30)
@given(st.lists(plans(), min_size=1, max_size=2))
def test_boxes_do_not_overlap_and_lines_go_right(some):
    picture = graph_picture(some)
    assert len(picture.boxes) == sum(len(plan.pipeline.all_tasks) for plan in some)
    for one, other in itertools.combinations(picture.boxes, 2):
        apart = one.left + one.width < other.left or other.left + other.width < one.left
        assert apart or abs(one.top - other.top) >= NODE_HEIGHT
    for box in picture.boxes:
        assert box.left > 0
        assert box.left + box.width < picture.width
        assert box.top > 0
        assert box.top + NODE_HEIGHT < picture.height
    for edge in picture.edges:
        assert all(before[0] <= after[0] for before, after in itertools.pairwise(edge.points))


@settings(max_examples=5)
@given(plans())
def test_png_shows_the_boxes(plan):
    picture = graph_picture([plan])
    image = Image.open(io.BytesIO(png(picture)))
    assert image.size == (round(picture.width * 2), round(picture.height * 2))
    for box in picture.boxes:
        middle = round((box.left + box.width / 2) * 2)
        assert image.getpixel((middle, round(box.top * 2))) != (255, 255, 255)
        name = image.crop((round(box.left + 14) * 2, round(box.top + 6) * 2, middle, round(box.top + 28) * 2))
        assert min(low for low, _ in name.getextrema()) < 100


def test_huge_png_is_reduced():
    image = Image.open(io.BytesIO(png(Picture(20_000, 10_000, (), (), ()))))
    assert image.size == (4899, 2449)
