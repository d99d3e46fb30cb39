"""The DAG of a run as a tree, in running order, on as many rows as there are.

Rules:

- A Task stands below one of those that it waits for: the one that comes last in running order. A finally Task waits
  for all others and stands below none. A Task that waits for a Pipeline stands below the last Task of it.
- With more Tasks than rows, those that run come first, then those that failed, then those that come next. A Task whose
  place in the tree is not shown stands below its nearest ancestor that is.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from monopod.runner.follow.follower import TaskState, TaskStatus

_URGENCY: dict[TaskStatus, int] = {"Running": 0, "Failed": 1, "TimedOut": 1, "Cancelled": 1, "Waiting": 2}
_LEAST_URGENT = 3


@dataclass(frozen=True, slots=True)
class Branch:
    """A Task in the tree. ``guides`` has an element for each ancestor but the first, and one for the Task itself.

    True in it: more Tasks follow on that level, so a line goes down there.
    """

    task: TaskState
    guides: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """What does not change while a run goes on, by Task path.

    ``levels``: how many Tasks come one after another before each; finally Tasks come after all others. ``parents``:
    the Task that each stands below; none for those that stand at the left.
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
        path: max(before[path], key=lambda each: (levels[each], paths[each]))
        for path in paths
        if before[path] and (path not in final or final.issuperset(before[path]))
    }
    return Layout(levels, parents)


def _before(after: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Return the paths of the Tasks that a Task waits for; of a Pipeline, those of all Tasks inside it."""
    found = []
    for each in after:
        found += [each] if each in paths else [path for path in paths if path.startswith(f"{each}/")]
    return found


def _levels(before: Mapping[str, Sequence[str]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for first in before:
        waiting = [first]
        while waiting:  # long chains are no reason to recurse
            missing = [each for each in before[waiting[-1]] if each not in found]
            if missing:
                waiting += missing
            else:
                path = waiting.pop()
                found[path] = 1 + max((found[each] for each in before[path]), default=-1)
    return found


def choose(tasks: Sequence[TaskState], rows: int) -> tuple[list[TaskState], list[TaskState]]:
    """Return the Tasks that are worth one of so many rows, in the order of the Pipeline, and all others.

    With others, one row less is used: they are counted there.
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
    """Return the chosen ones of all `tasks` as rows of a tree, ancestors first, finally Tasks last."""
    parents = layout(tasks).parents
    last_shown = {task.path: task.label for task in chosen}  # of a matrix, what follows stands below the last one
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
        below = children.get(task.label, [])
        pending += [(child, (*guides, child is not below[-1])) for child in reversed(below)]
    return branches
