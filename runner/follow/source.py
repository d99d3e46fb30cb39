"""What the user selects with ``TASK``, ``TASK[COMBINATION]``, and either with ``/STEP``.

A Task is named by its path: ``build``, or ``scan/codeql`` inside a Pipeline; ``scan`` selects all of that Pipeline. It
selects all matrix combinations unless it names one, by its values (``build[go=1.22]``) or its index (``build[2]``). A
Sidecar is named like a Step. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import did_you_mean
from monopod.schemas.matrix_names import InstanceNames, label
from monopod.schemas.plan import PlannedTask, Task

_MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Source:
    """Selected output. ``path`` is the path of a PipelineTask, which may run a Pipeline.

    ``combination`` is what is between the brackets: the index or the name of a matrix combination.
    """

    path: str
    combination: str | None = None
    step: str | None = None

    @property
    def index(self) -> int | None:
        """The index of the combination, if it was named by its index."""
        is_index = self.combination is not None and re.fullmatch("[0-9]{1,6}", self.combination)
        return int(self.combination) if is_index and self.combination is not None else None

    def covers(self, task: str, step: str | None, names: InstanceNames) -> bool:
        """Return whether this selects a Step (None: anything) of the Task instance with the label `task`."""
        if self.step is not None and step is not None and step != self.step:
            return False
        if self.combination is not None:
            return task in (label(self.path, self.combination), names.label(self.path, self.index))
        return task == self.path or task.startswith((f"{self.path}[", f"{self.path}/"))


def find_source(name: str, tasks: Sequence[PlannedTask], combinations: Mapping[str, Sequence[str]]) -> Source | str:
    """Return what `name` selects among these Tasks, or a message if it selects nothing.

    `combinations` are the names of the matrix combinations that are known, by the path of their Task.
    """
    bracketed = re.fullmatch(r"([^\[]*)\[(.*)\](?:/([^/\]]*))?", name, re.DOTALL)
    if bracketed is not None:
        path, combination, step = bracketed.groups()
        wrong = _wrong_combination(path, combination, tasks, combinations)
        return wrong or _with_step(Source(path, combination, step), tasks)
    path, slash, step = name.rpartition("/")
    if _named(name, tasks):
        return Source(name)
    if slash and _named(path, tasks):
        return _with_step(Source(path, None, step), tasks)
    return _no_task(path if slash and "/" not in path else name, tasks)


def _no_task(wanted: str, tasks: Sequence[PlannedTask]) -> str:
    paths = list(dict.fromkeys(task.path for task in tasks))
    return f"there is no Task '{wanted}'" + _suggested(wanted, paths, "the Tasks are")


def _named(path: str, tasks: Sequence[PlannedTask]) -> list[PlannedTask]:
    """Return the Tasks at a path, or inside the Pipeline at that path."""
    return [task for task in tasks if task.path == path or task.path.startswith(f"{path}/")]


def _wrong_combination(
    path: str, combination: str, tasks: Sequence[PlannedTask], combinations: Mapping[str, Sequence[str]]
) -> str:
    """Return a message if there is no ``path[combination]``, else an empty text."""
    if not _named(path, tasks):
        return _no_task(path, tasks)
    matrices = [task.task for task in tasks if task.path == path and task.task.matrix is not None]
    if not matrices:
        return f"Task '{path}' has no matrix, so there is no {path}[{combination}]"
    index = Source(path, combination).index
    sizes = [len(task.slots) for task in matrices if task.matrix is not None and task.matrix.pinned]
    if index is not None and sizes and index >= max(sizes):
        return f"the matrix combinations of Task '{path}' are 0 to {max(sizes) - 1}"
    known = combinations.get(path)
    if index is None and known is not None and combination not in known:
        suggestion = _suggested(combination, known, "they are")
        return f"no matrix combination of Task '{path}' is called '{combination}'" + suggestion
    return ""


def _with_step(source: Source, tasks: Sequence[PlannedTask]) -> Source | str:
    named = _named(source.path, tasks)
    if any(task.task.left_out is not None for task in named):
        return source  # its Steps are unknown
    steps = list(dict.fromkeys(step for task in named for step in step_names(task.task)))
    if source.step is not None and source.step not in steps:
        return f"Task '{source.path}' has no Step '{source.step}'" + _suggested(source.step, steps, "its Steps are")
    return source


def step_names(task: Task) -> list[str]:
    """Return the names of the Steps and Sidecars, in the order of a slot's containers."""
    return [step.name for step in task.steps] + [sidecar.step.name for sidecar in task.sidecars]


def _suggested(name: str, known: Sequence[str], these_are: str) -> str:
    """Return a hint: the most similar known name, or else all of them, if they are few."""
    suggestion = did_you_mean(name, known)
    if suggestion or not known or len(known) > _MOST_LISTED:
        return suggestion
    return f"; {these_are} {', '.join(known)}"
