"""What of a run is shown: ``--logs TASK[/STEP]`` and ``--quiet``.

Rules:

- What failed is always shown, and so are warnings and what comes from no Step (the coordinator's own troubles).
- With ``--logs``, of everything else only what the Tasks and Steps named do and write; with ``--quiet``, nothing.
- A Task is named by its path (``build``, ``scan/codeql`` inside a Pipeline, ``scan`` for all inside it) and stands for
  all its matrix combinations unless it has an index (``build[2]``). A Sidecar is named as a Step is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monopod.compiler.diagnostics import Problem, Problems, did_you_mean
from monopod.runner.follow import OutputLine, PlannedTask, Shown, label, planned_tasks
from monopod.schemas.plan import Plan, Task
from monopod.schemas.run_events import RunStarted, StepFinished, TaskFinished, TaskSkipped, TaskStarted

FAILING_REASONS = ("Error", "OOMKilled", "TimedOut")
"""Of a StepFinished."""

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


class Selection:
    """Decides what is shown. Without `sources` and `quiet`, that is everything."""

    def __init__(self, sources: Sequence[Source] = (), *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._sources = tuple(sources)
        self._known: dict[tuple[str, str | None], bool] = {}

    def shows(self, shown: Shown) -> bool:
        """Return whether a line or an event is to be shown."""
        return not (self.quiet or self._sources) or self._chooses(shown)

    def _chooses(self, shown: Shown) -> bool:
        match shown:
            case OutputLine(task, step):
                return not step or self._wants(task, step)
            case StepFinished() if shown.reason not in FAILING_REASONS:
                return self._wants(label(shown.task, shown.index), shown.step)
            case TaskFinished() if shown.will_retry or shown.status not in ("Failed", "TimedOut"):
                return self._wants(label(shown.task, shown.index), None)
            case TaskStarted():
                return self._wants(label(shown.task, shown.index), None)
            case TaskSkipped():
                return self._wants(shown.task, None)
        return not (self.quiet and isinstance(shown, RunStarted))

    def _wants(self, task: str, step: str | None) -> bool:
        if not self._sources:
            return not self.quiet
        wanted = self._known.get((task, step))
        if wanted is None:
            wanted = self._known[task, step] = any(source.covers(task, step) for source in self._sources)
        return wanted


def find_sources(names: Iterable[str], plans: Sequence[Plan]) -> tuple[Source, ...]:
    """Return what the values of ``--logs`` mean in these runs: each must be there in one at least. Raises Problems."""
    tasks = [task for plan in plans for task in planned_tasks(plan.pipeline)]
    sources, problems = [], []
    for name in names:
        found = _find(name, tasks)
        if isinstance(found, Source):
            sources.append(found)
        else:
            problems.append(Problem(None, f"--logs {name}: {found}", "unknown-reference"))
    if problems:
        raise Problems(problems)
    return tuple(sources)


def _find(name: str, tasks: Sequence[PlannedTask]) -> Source | str:
    """Return what is meant, or what is wrong with it in words."""
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
        matrices = [task for task in named if task.matrix is not None]
        if not matrices:
            return f"Task '{path}' has no matrix, so there is no {name}"
        sizes = [len(task.slots) for task in matrices if task.matrix is not None and task.matrix.pinned]
        if sizes and index >= max(sizes):
            return f"the matrix combinations of Task '{path}' are 0 to {max(sizes) - 1}"
    steps = list(dict.fromkeys(each for task in named for each in _step_names(task)))
    if step is not None and step not in steps:
        return f"Task '{path}' has no Step '{step}'" + _suggested(step, steps, "its Steps are")
    return Source(path, index, step)


def _step_names(task: Task) -> list[str]:
    return [step.name for step in task.steps] + [sidecar.step.name for sidecar in task.sidecars]


def _suggested(name: str, known: Sequence[str], these_are: str) -> str:
    """Return what it may have been: the one most like it, or else all, if they are few."""
    suggestion = did_you_mean(name, known)
    if suggestion or not known or len(known) > _MOST_LISTED:
        return suggestion
    return f"; {these_are} {', '.join(known)}"
