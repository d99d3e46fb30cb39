"""The DAG as a tree, and the selection of Tasks if there are more Tasks than rows."""

import networkx
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display.task_tree import choose, layout, tree
from monopod.schemas.run_progress import TaskState


def shape(tasks, chosen=None):
    """The tree as text: an indent for each level."""
    return [f"{'.' * len(branch.guides)}{branch.task.label}" for branch in tree(chosen or tasks, tasks)]


def test_task_is_below_its_last_dependency():
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
        ".test[0]",
        ".test[1]",
        "..integration",
        "...publish",
        "..scan/a",
        "...scan/b",
        "....deploy",
        "report",
    ]
    chosen = [task for task in tasks if task.path in ("clone", "publish", "deploy", "report")]
    assert shape(tasks, chosen) == ["clone", ".publish", ".deploy", "report"]
    assert [branch.guides for branch in tree(chosen, tasks)] == [(), (True,), (False,), ()]


def test_selection_of_tasks():
    states = {"Succeeded": 50, "Waiting": 50, "Failed": 1, "Running": 2}
    tasks = [TaskState(f"{status}{n}", status=status) for status, count in states.items() for n in range(count)]
    chosen, others = choose(tasks, 6)
    assert [task.path for task in chosen] == ["Waiting0", "Waiting1", "Failed0", "Running0", "Running1"]
    assert len(others) == len(tasks) - 5
    assert choose(tasks[:6], 6) == (tasks[:6], [])
    assert choose(tasks, 0)[0] == []
    assert choose(tasks, -1)[0] == []


def test_next_tasks_are_selected_first():
    tasks = [
        TaskState("c", after=("b",)),
        TaskState("b", after=("a",)),
        TaskState("last", is_final=True),
        TaskState("a"),
    ]
    assert [task.path for task in choose(tasks, 3)[0]] == ["b", "a"]
    assert choose(tasks, 2)[0] == [tasks[3]]


@given(st.data())
def test_every_task_appears_once_below_a_dependency(data):
    count = data.draw(st.integers(1, 12))
    order = data.draw(st.permutations(range(count)))
    after = {
        f"t{n}": tuple(f"t{each}" for each in data.draw(st.sets(st.integers(0, n - 1)))) if n else ()
        for n in range(count)
    }
    tasks = [TaskState(f"t{n}", after=after[f"t{n}"]) for n in order]
    chosen = [task for task in tasks if data.draw(st.booleans())]
    graph = networkx.DiGraph((before, task.path) for task in tasks for before in task.after)
    graph.add_nodes_from(after)
    generations = {task: level for level, found in enumerate(networkx.topological_generations(graph)) for task in found}
    assert layout(tasks).levels == generations
    branches = tree(chosen, tasks)
    assert sorted(branch.task.path for branch in branches) == sorted(task.path for task in chosen)
    above = []
    for branch in branches:
        depth = len(branch.guides)
        assert depth <= len(above)
        above[depth:] = [branch.task.path]
        if depth:
            assert networkx.has_path(graph, above[depth - 1], branch.task.path)
