"""The DAG of a run as a tree, in execution order, limited to a number of rows.

Rules:

- The parent of a Task is the last of its dependencies in execution order. The parent of a Task that depends on a
  Pipeline is the last Task of the Pipeline. A finally Task depends on all other Tasks and has no parent.
- If there are more Tasks than rows, running Tasks are chosen first, then failed ones, then the next ones to run. If the
  parent of a Task is not shown, its nearest ancestor that is shown takes its place.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from monopod.schemas.run_progress import TaskState, TaskStatus

_URGENCY: dict[TaskStatus, int] = {"Running": 0, "Failed": 1, "TimedOut": 1, "Cancelled": 1, "Waiting": 2}
_LEAST_URGENT = 3


@dataclass(frozen=True, slots=True)
class Branch:
    """A Task in the tree. ``guides`` has an element for each ancestor except the first, and one for the Task itself.

    An element is True if more Tasks follow on that level, so that a vertical line is drawn.
    """

    task: TaskState
    guides: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The part of the tree that does not change during a run, by Task path.

    ``levels``: the length of the longest chain of Tasks before each Task; finally Tasks come last. ``parents``: the
    parent of each Task that has one.
    """

    levels: dict[str, int]
    parents: dict[str, str]


def layout(tasks: Sequence[TaskState]) -> Layout:
    """Return the layout of a run's Tasks."""
    return _layout(tuple(dict.fromkeys((task.path, task.after, task.is_final) for task in tasks)))


@lru_cache(maxsize=4)
def _layout(tasks: tuple[tuple[str, tuple[str, ...], bool], ...]) -> Layout:
    paths = {path: number for number, (path, _, _) in enumerate(tasks)}
    final = {path for path, _, is_final in tasks if is_final}
    before = {path: _before(after, paths) for path, after, _ in tasks}
    levels = _levels(before)
    last = max((level for path, level in levels.items() if path not in final), default=-1)
    levels = {path: level + (last + 1 if path in final else 0) for path, level in levels.items()}
    parents = {
        path: max(before[path], key=lambda other: (levels[other], paths[other]))
        for path in paths
        if before[path] and (path not in final or final.issuperset(before[path]))
    }
    return Layout(levels, parents)


def _before(after: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Return the paths of the Tasks that a Task waits for. A Pipeline means all Tasks inside it."""
    before = []
    for name in after:
        before += [name] if name in paths else [path for path in paths if path.startswith(f"{name}/")]
    return before


def _levels(before: Mapping[str, Sequence[str]]) -> dict[str, int]:
    levels: dict[str, int] = {}
    for first in before:
        pending = [first]
        while pending:  # not recursive, because chains can be long
            missing = [path for path in before[pending[-1]] if path not in levels]
            if missing:
                pending += missing
            else:
                path = pending.pop()
                levels[path] = 1 + max((levels[other] for other in before[path]), default=-1)
    return levels


def choose(tasks: Sequence[TaskState], rows: int) -> tuple[list[TaskState], list[TaskState]]:
    """Split Tasks into those shown in `rows` rows and all others, both in the order of the Pipeline.

    If there are others, one row is left free for their count.
    """
    if len(tasks) <= rows:
        return list(tasks), []
    levels = layout(tasks).levels
    ranked = sorted(
        range(len(tasks)),
        key=lambda number: (_URGENCY.get(tasks[number].status, _LEAST_URGENT), levels[tasks[number].path]),
    )
    chosen = set(ranked[: max(rows - 1, 0)])
    return (
        [task for number, task in enumerate(tasks) if number in chosen],
        [task for number, task in enumerate(tasks) if number not in chosen],
    )


def tree(chosen: Sequence[TaskState], tasks: Sequence[TaskState]) -> list[Branch]:
    """Return the chosen Tasks as rows of a tree, ancestors first, finally Tasks last."""
    parents = layout(tasks).parents
    last_shown = {task.path: task.label for task in chosen}  # the last combination of a matrix is the parent
    children: dict[str, list[TaskState]] = {}
    for task in sorted(chosen, key=lambda task: task.is_final):
        parent = parents.get(task.path)
        while parent is not None and parent not in last_shown:
            parent = parents.get(parent)
        children.setdefault("" if parent is None else last_shown[parent], []).append(task)
    branches = []
    pending: list[tuple[TaskState, tuple[bool, ...]]] = [(task, ()) for task in reversed(children.get("", ()))]
    while pending:
        task, guides = pending.pop()
        branches.append(Branch(task, guides))
        siblings = children.get(task.label, [])
        pending += [(child, (*guides, child is not siblings[-1])) for child in reversed(siblings)]
    return branches
