"""Which Tasks the live view shows, on how many lines, and in which order.

Rules:

- Tasks held at a breakpoint come first, since they wait for a person. Then come running Tasks, then those that failed
  or were cancelled, then those that wait, the next ones to run first.
- Tasks that succeeded or were skipped are folded into one line. Waiting combinations of one matrix share a line.
- If there are more lines than rows, the last line counts the Tasks that are not shown. In fewer than `_FOLDING_ROWS`
  rows it counts the folded Tasks as well.
- Waiting Tasks form trees. A Task is drawn below the last of its dependencies in execution order, and only if that
  Task is among the lines of waiting Tasks. Otherwise it starts a tree of its own. The parent of a Task that depends on
  a Pipeline is the last Task of the Pipeline. A finally Task depends on all other Tasks and has no parent.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from monopod.schemas.run_progress import StepRun, TaskState

_FOLDED = ("Succeeded", "Skipped")
_FOLDING_ROWS = 4


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A line with one Task, or with several waiting combinations of one matrix.

    ``guides`` has an element for each ancestor except the first, and one for the line itself. An element is True if
    more lines follow on that level, so that a vertical line is drawn.
    """

    tasks: tuple[TaskState, ...]
    guides: tuple[bool, ...] = ()

    @property
    def task(self) -> TaskState:
        """The first Task of the line."""
        return self.tasks[0]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The Tasks of a run on lines. ``folded`` share one line, ``others`` are only counted, on one more line."""

    lines: tuple[TaskLine, ...]
    folded: tuple[TaskState, ...]
    others: tuple[TaskState, ...]

    @property
    def height(self) -> int:
        """How many lines there are."""
        return len(self.lines) + bool(self.folded) + bool(self.others)


def arrange(tasks: Sequence[TaskState], rows: int) -> Arrangement:
    """Arrange the Tasks of a run on at most `rows` lines; with no rows, there are none."""
    if rows <= 0:
        return Arrangement((), (), ())
    folded = tuple(task for task in tasks if task.status in _FOLDED)
    lines = _ranked(tasks)
    if len(lines) + bool(folded) <= rows:
        return Arrangement(_with_guides(lines, tasks), folded, ())
    counted: tuple[TaskState, ...] = ()
    if rows < _FOLDING_ROWS:
        folded, counted = (), folded
    room = rows - 1 - bool(folded)
    others = tuple(task for line in lines[room:] for task in line.tasks)
    return Arrangement(_with_guides(lines[:room], tasks), folded, (*others, *counted))


def _ranked(tasks: Sequence[TaskState]) -> list[TaskLine]:
    """Return the lines of all Tasks that are not folded, the most important ones first."""
    levels = layout(tasks).levels
    running = sorted((task for task in tasks if task.status == "Running"), key=lambda task: not held_steps(task))
    ended = [TaskLine((task,)) for task in tasks if task.is_over and task.status not in _FOLDED]
    waiting: dict[str, list[TaskState]] = {}
    for task in tasks:
        if task.status == "Waiting":
            waiting.setdefault(task.path, []).append(task)
    next_ones = sorted(waiting, key=lambda path: levels[path])
    return [*(TaskLine((task,)) for task in running), *ended, *(TaskLine(tuple(waiting[path])) for path in next_ones)]


def held_steps(task: TaskState) -> list[StepRun]:
    """Return the Steps of a Task that are held at a breakpoint."""
    return [step for step in task.running_steps if step.held is not None]


def _with_guides(lines: Sequence[TaskLine], tasks: Sequence[TaskState]) -> tuple[TaskLine, ...]:
    """Return the lines, with those of waiting Tasks as trees."""
    parents = layout(tasks).parents
    waiting = {line.task.path: line for line in lines if line.task.status == "Waiting"}
    children: dict[str, list[TaskLine]] = {}
    for path, line in waiting.items():
        parent = parents.get(path, "")
        children.setdefault(parent if parent in waiting else "", []).append(line)
    arranged = [line for line in lines if line.task.status != "Waiting"]
    pending: list[tuple[TaskLine, tuple[bool, ...]]] = [(line, ()) for line in reversed(children.get("", ()))]
    while pending:
        line, guides = pending.pop()
        arranged.append(TaskLine(line.tasks, guides))
        below = children.get(line.task.path, [])
        pending += [(child, (*guides, child is not below[-1])) for child in reversed(below)]
    return tuple(arranged)


@dataclass(frozen=True, slots=True)
class Layout:
    """What does not change during a run, by Task path.

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
