"""Which Steps of a run are meant by ``TASK``, ``TASK[INDEX]``, ``TASK/STEP`` or ``TASK[INDEX]/STEP``.

A Task inside a Pipeline that stands for a Task is named by its path: ``scan/codeql``. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from monopod.compiler.diagnostics import did_you_mean
from monopod.runner.follow import OutputLine, label
from monopod.schemas import plan as planned

_INSTANCE = re.compile(r"(?P<path>.+?)(?:\[(?P<index>\d{1,6})\])?", re.ASCII)


class NoSuchTaskError(Exception):
    """No Task or Step is called so. The text is for a person."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Steps of a Task, and of one instance of it if ``index`` is a number. ``containers``: where they may run."""

    path: str
    index: int | None
    steps: tuple[str, ...]
    containers: tuple[str, ...]

    @property
    def is_single(self) -> bool:
        """Whether all lines come from one Step of one Task instance."""
        return len(self.steps) == 1 and (self.index is not None or len(self.containers) == 1)

    def wants(self, line: OutputLine) -> bool:
        """Whether a line comes from one of these Steps."""
        if line.step not in self.steps:
            return False
        if self.index is not None:
            return line.task == label(self.path, self.index)
        return line.task == self.path or line.task.startswith(f"{self.path}[")


def choose(plan: planned.Plan, text: str) -> Selection:
    """Return what `text` means in a Plan. Raises NoSuchTaskError."""
    tasks = dict(_tasks(plan.pipeline))
    found = _instance(tasks, text)
    if found is not None:
        return _selection(*found, None)
    task, slash, step = text.rpartition("/")
    found = _instance(tasks, task) if slash else None
    if found is None:
        raise NoSuchTaskError(f"there is no Task '{text}'{did_you_mean(text, tasks)}; there are {', '.join(tasks)}")
    return _selection(*found, step)


def _instance(tasks: dict[str, planned.Task], text: str) -> tuple[planned.Task, str, int | None] | None:
    match = _INSTANCE.fullmatch(text)
    if match is None or match["path"] not in tasks:
        return None
    return tasks[match["path"]], match["path"], None if match["index"] is None else int(match["index"])


def _selection(task: planned.Task, path: str, index: int | None, step: str | None) -> Selection:
    if index is not None and task.matrix is None:
        raise NoSuchTaskError(f"Task '{path}' has no matrix, so there is no '{label(path, index)}'")
    names = [each.name for each in task.steps] + [each.step.name for each in task.sidecars]
    wanted = [number for number, name in enumerate(names) if step in (None, name)]
    if not wanted:
        assert step is not None
        raise NoSuchTaskError(
            f"Task '{path}' has no Step '{step}'{did_you_mean(step, names)}; it has {', '.join(names)}"
        )
    is_pinned = index is not None and task.matrix is not None and task.matrix.pinned
    slots = task.slots[index : index + 1] if is_pinned and index is not None else task.slots
    if not slots:
        raise NoSuchTaskError(f"the matrix of Task '{path}' has {len(task.slots)} combinations, from [0] on")
    containers = [(*slot.containers, *slot.sidecars)[number] for slot in slots for number in wanted]
    return Selection(path, index, tuple(names[number] for number in wanted), tuple(containers))


def _tasks(pipeline: planned.Pipeline, prefix: str = "") -> Iterator[tuple[str, planned.Task]]:
    for task in (*pipeline.tasks, *pipeline.final_tasks):
        if task.pipeline is None:
            yield prefix + task.name, task
        else:
            yield from _tasks(task.pipeline, f"{prefix}{task.name}/")
