"""The graph of a Plan in its three formats, read back independently of the code that wrote it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.compiler.graph import render
from monopod.schemas.plan import Matrix, MatrixInclude, Param, Pipeline, Plan, Slot, Step, Task, WhenExpression


def task(name: str, *after: str, slots: int = 1, **fields: Any) -> Task:
    return Task(name, after=after, steps=(Step("s"),), slots=(Slot(name, (f"{name}-s",)),) * slots, **fields)


def guard(value: str) -> tuple[WhenExpression, ...]:
    return (WhenExpression("$(params.env)", "in", (value,)),)


NESTED = Pipeline(
    "deploy-pipeline",
    tasks=(task("upload"), task("smoke", "upload"), task("load", "upload")),
    final_tasks=(task("cleanup"),),
)
EXAMPLE = Plan(
    Pipeline(
        "ci",
        tasks=(
            task("clone"),
            task("test", "clone", matrix=Matrix((Param("python", ("3.11", "3.12")),), pinned=True), slots=2, retries=2),
            task("build", "clone"),
            task("scan", "build", matrix=Matrix(include=(MatrixInclude("a", (Param("x", "1"),)),)), slots=4),
            Task("deploy", after=("build",), pipeline=NESTED, when=guard("prod")),
            task("e2e", "test", "deploy", when=(WhenExpression(cel="1 == 1"),), on_error="continue"),
        ),
        final_tasks=(task("report"), task("notify", when=(WhenExpression("$(tasks.status)", "notin", ("Failed",)),))),
    ),
    {},
)


def test_text_shows_dependencies_in_order() -> None:
    assert render(EXAMPLE, "text").splitlines() == [
        "ci",
        "  1 ── clone",
        "  2 ┬─ test    after clone · matrix of 2 (python=3.11, python=3.12) · retries 2",
        "    └─ build   after clone",
        "  3 ┬─ scan    after build · matrix, at most 4 at a time (x=1)",
        "    └─ deploy  after build · Pipeline deploy-pipeline · when $(params.env) in [prod]",
        "          1 ── upload",
        "          2 ┬─ smoke    after upload",
        "            └─ load     after upload",
        "        finally",
        "            ── cleanup",
        "  4 ── e2e     after test, deploy · when 1 == 1 · on error continue",
        "finally",
        "    ┬─ report",
        "    └─ notify  when $(tasks.status) notin [Failed]",
    ]


def test_text_wraps_remarks_and_numbers_brackets() -> None:
    builds = tuple(task(f"build-{each}", "clone", retries=2) for each in ("one", "two", "three"))
    pipeline = Pipeline(
        "ci",
        tasks=(
            task("clone"),
            *builds,
            Task("check", after=("build-two", "build-one"), pipeline=NESTED, when=guard("staging")),
            task("a-name-that-takes-more-than-its-share", "clone", *(each.name for each in builds), when=guard("prod")),
        ),
    )
    assert render(Plan(pipeline, {}), "text", 61).splitlines() == [
        "ci",
        "  1 ── clone",
        "  2 ┬─ build-one                 after clone · retries 2",
        "    ├─ build-two                 after clone · retries 2",
        "    └─ build-three               after clone · retries 2",
        "  3 ┬─ check                     after build-two, build-one",
        "    │                            Pipeline deploy-pipeline",
        "    │                            when $(params.env) in",
        "    │                            [staging]",
        "    │     1 ── upload",
        "    │     2 ┬─ smoke    after upload",
        "    │       └─ load     after upload",
        "    │   finally",
        "    │       ── cleanup",
        "    └─ a-name-that-takes-more-than-its-share",
        "                                 after all of 2, clone",
        "                                 when $(params.env) in [prod]",
    ]


@settings(max_examples=40)
@given(st.data(), st.integers(60, 200))
def test_text_fits_its_width_and_keeps_all_words(plans: Any, data: st.DataObject, width: int) -> None:
    plan, _ = data.draw(plans)
    wide, wrapped = render(plan, "text"), render(plan, "text", width)
    assert all(len(line) <= width for line in wrapped.splitlines())
    words = [re.sub(r"[│─┬├└·\s]+", " ", text).split() for text in (wide, wrapped)]
    assert words[0] == words[1]


def all_tasks(pipeline: Pipeline) -> list[Task]:
    own = [*pipeline.tasks, *pipeline.final_tasks]
    return [*own, *(each for task in own if task.pipeline is not None for each in all_tasks(task.pipeline))]


def pipelines(pipeline: Pipeline) -> list[Pipeline]:
    inner = [task.pipeline for task in (*pipeline.tasks, *pipeline.final_tasks) if task.pipeline is not None]
    return [pipeline, *(each for one in inner for each in pipelines(one))]


def waits(pipeline: Pipeline) -> Counter[tuple[str, str]]:
    """Count the dependencies between Tasks, and between the groups of finally Tasks, which wait too."""
    found = Counter((before, task.name) for task in all_tasks(pipeline) for before in task.after)
    found["tasks", "finally"] = sum(bool(each.final_tasks) for each in pipelines(pipeline))
    return +found


@settings(max_examples=40)
@given(st.data())
def test_text_names_every_task_once_after_its_dependencies(plans: Any, data: st.DataObject) -> None:
    plan, _ = data.draw(plans)
    lines = render(plan, "text").splitlines()
    named = [match for line in lines if (match := re.fullmatch(r"([ │\d]*)[─┬├└]─ (\w+)( .*)?", line))]
    assert Counter(match[2] for match in named) == Counter(each.name for each in all_tasks(plan.pipeline))
    outermost = [match[2] for match in named if len(match[1]) == 4]
    assert set(outermost) == {each.name for each in (*plan.pipeline.tasks, *plan.pipeline.final_tasks)}
    for each in plan.pipeline.tasks:
        assert all(outermost.index(before) < outermost.index(each.name) for before in each.after)


@given(st.data(), st.lists(st.integers(1, 12), min_size=1, max_size=3))
def test_text_shows_exactly_the_dependencies_of_a_task(data: st.DataObject, sizes: list[int]) -> None:
    """A bracket after another, then a Task that waits for some of them, and for one of the last at least."""
    brackets = [[f"t{number}-{each}" for each in range(size)] for number, size in enumerate(sizes)]
    tasks = [
        task(name, *(brackets[number - 1] if number else ())) for number, names in enumerate(brackets) for name in names
    ]
    every = [name for names in brackets for name in names]
    after = {*data.draw(st.sets(st.sampled_from(every))), data.draw(st.sampled_from(brackets[-1]))}
    *_, last = render(Plan(Pipeline("p", tasks=(*tasks, task("join", *after))), {}), "text").splitlines()
    found: set[str] = set()
    for part in last.partition(" after ")[2].split(", "):
        whole, _, missing = part.partition(" but ")
        if whole.startswith("all of "):
            found |= set(brackets[int(whole.removeprefix("all of ")) - 1]) - set(missing.split(" and "))
        else:
            found.add(part)
    assert found == after


MERMAID_LABEL = r'"((?:[^"#<>]|#\d+;|<br/>)*)"'
MERMAID_LINES = {
    "open": re.compile(rf"subgraph (\w+)\[{MERMAID_LABEL}\]"),
    "close": re.compile("end"),
    "node": re.compile(rf"(\w+)(?:\[{MERMAID_LABEL}\]|\{{\{{{MERMAID_LABEL}\}}\}})"),
    "edge": re.compile(r"(\w+) (?:-->|-\.->) (\w+)"),
}


def read_mermaid(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the labels by id, and the edges between ids."""
    first, *lines = text.splitlines()
    assert first == "flowchart LR"
    labels: dict[str, str] = {}
    edges = []
    depth = 0
    for line in lines:
        kind, match = next(
            (kind, match) for kind, form in MERMAID_LINES.items() if (match := form.fullmatch(line.strip()))
        )
        depth += {"open": 1, "close": -1}.get(kind, 0)
        assert len(line) - len(line.lstrip()) == 2 * (depth + (kind != "open"))
        if kind == "edge":
            edges.append((match[1], match[2]))
        elif kind != "close":
            assert match[1] not in labels
            label = next(group for group in match.groups()[1:] if group is not None)
            labels[match[1]] = re.sub(r"#(\d+);", lambda each: chr(int(each[1])), label.replace("<br/>", "\n"))
    assert depth == 0
    return labels, edges


@settings(max_examples=40)
@given(st.data())
def test_mermaid_has_every_task_and_every_edge(plans: Any, data: st.DataObject) -> None:
    plan, _ = data.draw(plans)
    labels, edges = read_mermaid(render(plan, "mermaid"))
    names = {identity: label.split("\n")[0] for identity, label in labels.items()}
    groups = {"tasks": 0, "finally": 0, plan.pipeline.name: 0}
    assert Counter(name for name in names.values() if name not in groups) == Counter(
        each.name for each in all_tasks(plan.pipeline)
    )
    assert Counter((names[before], names[after]) for before, after in edges) == waits(plan.pipeline)


DOT_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[{}\[\]=,]|\w+)', re.DOTALL)


def dot_labels(text: str) -> list[str]:
    """Return the labels that Graphviz would show for a dot text, and check that all its tokens are known."""
    tokens = []
    position = 0
    while position < len(text.rstrip()):
        match = DOT_TOKEN.match(text, position)
        assert match, text[position : position + 40]
        tokens.append(match[1])
        position = match.end()
    values = [tokens[place + 2] for place, token in enumerate(tokens) if token == "label"]
    return [re.sub(r"\\(.)", lambda each: {"n": "\n"}.get(each[1], each[1]), value[1:-1]) for value in values]


@given(st.text(), st.text(alphabet='"\\`#;|{}[]<>&%\n\r\x1b\u202eaend '))
def test_texts_of_the_author_are_escaped(value: str, other: str) -> None:
    tasks = (task("a", when=guard(value)), task("b", "a", when=guard(other)))
    plan = Plan(Pipeline(other, tasks=tasks), {})
    labels, edges = read_mermaid(render(plan, "mermaid"))
    assert edges == [("pt0", "pt1")]
    assert list(labels.values()) == dot_labels(render(plan, "dot"))
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in other)
    assert labels == {"p": shown or "Pipeline", "pt0": labels["pt0"], "pt1": f"b\nwhen $(params.env) in [{shown}]"}
    assert len(render(plan, "text").splitlines()) == 3
    assert all(line.isprintable() for line in render(plan, "text").splitlines())


def test_dot_shows_groups_and_edges_between_them() -> None:
    lines = [line.strip() for line in render(EXAMPLE, "dot").splitlines()]
    assert 'subgraph cluster_pt4 { label="deploy\\nPipeline deploy-pipeline\\nwhen $(params.env) in [prod]"' in lines
    assert "pt2 -> pt4t0 [lhead=cluster_pt4]" in lines
    assert "pt4f0 -> pt5 [ltail=cluster_pt4]" in lines
    assert "pt5 -> pf0 [ltail=cluster_pt, lhead=cluster_pf, style=dashed]" in lines
    assert 'pt0 [label="clone"]' in lines


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
@settings(max_examples=10)
@given(st.data())
def test_graphviz_draws_every_node(plans: Any, data: st.DataObject) -> None:
    plan, _ = data.draw(plans)
    drawn = subprocess.run(
        ["dot", "-Tplain"],
        input=render(plan, "dot").encode(),
        capture_output=True,
        check=True,
    )
    assert drawn.stderr == b""
    nodes = sum(line.startswith("node ") for line in drawn.stdout.decode().splitlines())
    assert nodes == sum(each.pipeline is None for each in all_tasks(plan.pipeline))
