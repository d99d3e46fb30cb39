"""Whose output or news is meant: ``TASK``, ``TASK[INDEX]``, ``TASK/STEP`` or ``TASK[INDEX]/STEP``.

Rules: a Task is named by its path (``build``, ``scan/codeql`` inside a Pipeline, ``scan`` for all inside it) and stands
for all its matrix combinations unless it has an index (``build[2]``). A Sidecar is named as a Step is. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import did_you_mean
from monopod.runner.follow import PlannedTask, label
from monopod.schemas.plan import Task

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Source:
    """Whose lines are wanted. ``path`` is that of a Task or of a Pipeline that stands for one."""

    path: str
    index: int | None = None
    step: str | None = None

    def covers(self, task: str, step: str | None) -> bool:
        """Return whether it is meant: a Step (None: anything) of the Task instance of this label."""
        if self.step is not None and step is not None and step != self.step:
            return False
        if self.index is not None:
            return task == label(self.path, self.index)
        return task == self.path or task.startswith((f"{self.path}[", f"{self.path}/"))


def find_source(name: str, tasks: Sequence[PlannedTask]) -> Source | str:
    """Return what `name` means among these Tasks, or what is wrong with it in words."""
    path, slash, step = name.rpartition("/")
    if _named(name, tasks):
        return _indexed(name, None, tasks)
    if slash and _named(path, tasks):
        return _indexed(path, step, tasks)
    wanted = _path_and_index(path if slash and "/" not in path else name)[0]
    paths = list(dict.fromkeys(task.state.path for task in tasks))
    return f"there is no Task '{wanted}'" + _suggested(wanted, paths, "the Tasks are")


def _path_and_index(name: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(.*)\[([0-9]{1,6})\]", name)
    return (match[1], int(match[2])) if match else (name, None)


def _named(name: str, tasks: Sequence[PlannedTask]) -> list[PlannedTask]:
    """Return the Tasks that a name without a Step stands for."""
    path = _path_and_index(name)[0]
    return [task for task in tasks if task.state.path == path or task.state.path.startswith(f"{path}/")]


def _indexed(name: str, step: str | None, tasks: Sequence[PlannedTask]) -> Source | str:
    path, index = _path_and_index(name)
    named = [task.planned for task in _named(name, tasks)]
    if index is not None:
        matrices = [task.planned for task in tasks if task.state.path == path and task.planned.matrix is not None]
        if not matrices:
            return f"Task '{path}' has no matrix, so there is no {name}"
        sizes = [len(task.slots) for task in matrices if task.matrix is not None and task.matrix.pinned]
        if sizes and index >= max(sizes):
            return f"the matrix combinations of Task '{path}' are 0 to {max(sizes) - 1}"
    steps = list(dict.fromkeys(each for task in named for each in step_names(task)))
    if step is not None and step not in steps:
        return f"Task '{path}' has no Step '{step}'" + _suggested(step, steps, "its Steps are")
    return Source(path, index, step)


def step_names(task: Task) -> list[str]:
    """Return how the Steps and Sidecars are called, in the order of a slot's containers."""
    return [step.name for step in task.steps] + [sidecar.step.name for sidecar in task.sidecars]


def _suggested(name: str, known: Sequence[str], these_are: str) -> str:
    """Return what it may have been: the one most like it, or else all, if they are few."""
    suggestion = did_you_mean(name, known)
    if suggestion or not known or len(known) > _MOST_LISTED:
        return suggestion
    return f"; {these_are} {', '.join(known)}"
