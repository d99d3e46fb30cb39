"""Which Tasks the live view shows, on how many lines, and in which order."""

import re

import networkx
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display.live_view import View
from monopod.runner.display.task_lines import arrange, layout
from monopod.runner.follow.follower import Follower
from monopod.runner.follow.usage import LoadMeter
from monopod.schemas.plan import Pipeline, Plan
from monopod.schemas.run_progress import TaskState

STATUSES = ("Waiting", "Running", "Succeeded", "Skipped", "Failed", "TimedOut", "Cancelled")


def shape(tasks, rows=100):
    """The lines as text: an indent for each level, and the number of combinations."""
    return [
        f"{'.' * len(line.guides)}{line.task.path}{f'*{len(line.tasks)}' if len(line.tasks) > 1 else ''}"
        for line in arrange(tasks, rows).lines
    ]


def test_waiting_task_is_below_its_last_dependency():
    tasks = [
        TaskState("report", is_final=True),
        TaskState("publish", after=("docs", "integration")),
        TaskState("clone"),
        TaskState("docs", after=("clone",)),
        TaskState("test", index=0, after=("clone",)),
        TaskState("test", index=1, after=("clone",)),
        TaskState("integration", after=("test",)),
        TaskState("scan/a", after=("test",)),
        TaskState("scan/b", after=("test", "scan/a")),
        TaskState("deploy", after=("scan", "docs")),
    ]
    assert shape(tasks) == [
        "clone",
        ".docs",
        ".test*2",
        "..integration",
        "...publish",
        "..scan/a",
        "...scan/b",
        "....deploy",
        "report",
    ]
    assert [line.guides for line in arrange(tasks, 4).lines] == [(), (True,), (False,)]


def test_task_is_never_below_a_task_that_it_does_not_wait_for_itself():
    """`publish` waits for `test`, which runs; `clone`, before it, is folded."""
    tasks = [
        TaskState("clone", status="Succeeded"),
        TaskState("test", after=("clone",), status="Running"),
        TaskState("lint", after=("clone",)),
        TaskState("publish", after=("test",)),
        TaskState("announce", after=("publish",)),
    ]
    assert shape(tasks) == ["test", "lint", "publish", ".announce"]


def test_running_tasks_come_first_and_failed_ones_stay():
    states = {"Succeeded": 50, "Waiting": 50, "Cancelled": 1, "Failed": 1, "Running": 2}
    tasks = [TaskState(f"{status}{n}", status=status) for status, count in states.items() for n in range(count)]
    arranged = arrange(tasks, 7)
    assert [line.task.path for line in arranged.lines] == ["Running0", "Running1", "Cancelled0", "Failed0", "Waiting0"]
    assert (len(arranged.folded), len(arranged.others), arranged.height) == (50, 49, 7)
    assert shape(tasks, 2) == ["Running0"]
    assert len(arrange(tasks, 2).others) == len(tasks) - 1
    assert arrange(tasks, 0).height == arrange(tasks, -1).height == 0


def test_next_tasks_are_shown_first():
    tasks = [
        TaskState("c", after=("b",)),
        TaskState("b", after=("a",)),
        TaskState("last", is_final=True),
        TaskState("a"),
    ]
    assert shape(tasks, 3) == ["a", ".b"]
    assert shape(tasks, 2) == ["a"]


@st.composite
def runs(draw):
    """The Tasks of a run in any order and with any statuses, some of them combinations of a matrix."""
    count = draw(st.integers(1, 12))
    after = {
        f"t{n}": tuple(f"t{each}" for each in draw(st.sets(st.integers(0, n - 1)))) if n else () for n in range(count)
    }
    tasks = []
    for n in draw(st.permutations(range(count))):
        indexes = draw(st.sampled_from([(None,), (None,), (0, 1), (0, 1, 2)]))
        tasks += [
            TaskState(f"t{n}", index, after=after[f"t{n}"], status=draw(st.sampled_from(STATUSES))) for index in indexes
        ]
    return tasks


@given(runs(), st.integers(-1, 20))
def test_lines_fit_and_every_task_is_in_one_place(tasks, rows):
    arranged = arrange(tasks, rows)
    assert arranged.height <= max(rows, 0)
    shown = [task for line in arranged.lines for task in line.tasks]
    if rows > 0:
        assert sorted(map(id, (*shown, *arranged.folded, *arranged.others))) == sorted(map(id, tasks))
    assert all(task.status in ("Succeeded", "Skipped") for task in arranged.folded)
    if any(task.status == "Running" for task in arranged.others):
        assert all(line.task.status == "Running" for line in arranged.lines)
    if any(task.status == "Failed" for task in arranged.others):
        assert not any(line.task.status == "Waiting" for line in arranged.lines)


@given(runs(), st.integers(0, 20))
def test_line_is_below_a_dependency(tasks, rows):
    graph = networkx.DiGraph((before, task.path) for task in tasks for before in task.after)
    graph.add_nodes_from(task.path for task in tasks)
    generations = {task: level for level, found in enumerate(networkx.topological_generations(graph)) for task in found}
    assert layout(tasks).levels == generations
    above = []
    for line in arrange(tasks, rows).lines:
        depth = len(line.guides)
        assert depth <= len(above)
        above[depth:] = [line.task.path]
        if depth:
            assert above[depth - 1] in line.task.after


@given(runs(), st.integers(1, 100), st.integers(1, 60), st.integers(0, 30))
def test_log_keeps_most_of_the_screen(tasks, width, height, steps):
    follower = Follower(Plan(Pipeline("p"), {}))
    for task in tasks:
        follower.progress.add(task)
    tails = {(f"t{n}", "run"): [[(f"output {n}", "tail")]] for n in range(steps)}
    rows = View(follower, LoadMeter(), tails).rows(9, width, height)
    assert len(rows) <= height
    lines = [row for row in rows if row[0][1] != "tail"]
    assert len(lines) <= max((height + 1) * 2 // 5, min(3, height))
    assert len(rows) - len(lines) <= (height + 1) // 4
    if width >= 80 and height >= 2:
        named = sum(row[0][0] == "● " for row in lines)
        counted = re.search(r"more:.* (\d+) running", "".join(text for text, _ in lines[-1]))
        assert named + int(counted[1] if counted else 0) == sum(task.status == "Running" for task in tasks)
