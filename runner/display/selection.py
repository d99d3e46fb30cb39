"""Which events and lines of a run are shown: ``--logs TASK[/STEP]`` and ``--quiet``.

Rules:

- Failures, warnings and output that belongs to no Step (problems of the coordinator) are always shown.
- ``--logs`` limits everything else to the named Tasks and Steps. ``--quiet`` hides it.

``source`` resolves the names of Tasks and Steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.scope.known_combinations import known_combinations
from monopod.runner.follow.follower import OutputLines, Shown
from monopod.runner.follow.source import Source, find_source
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.plan import Plan, runnable_tasks
from monopod.schemas.run_events import RunStarted, SidecarFinished, StepFinished, TaskFinished, TaskSkipped, TaskStarted
from monopod.schemas.run_progress import NOT_FAILURES


class Selection:
    """Decides what is shown: everything, unless limited by `sources` or `quiet`."""

    def __init__(self, sources: Sequence[Source] = (), *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._sources = tuple(sources)
        self._known: dict[tuple[str, str | None], bool] = {}
        self._names = InstanceNames()

    def shows(self, shown: Shown) -> bool:
        """Return whether to show a line or an event."""
        if not isinstance(shown, OutputLines):
            self._names.note(shown)
        return not (self.quiet or self._sources) or self._includes(shown)

    def _includes(self, shown: Shown) -> bool:
        match shown:
            case OutputLines(task, step):
                return not step or self._selects(task, step)
            case TaskSkipped():
                return self._selects(shown.task, None)
            case TaskStarted() | TaskFinished() | StepFinished() | SidecarFinished() if not _is_failure(shown):
                part = getattr(shown, "step", None) or getattr(shown, "sidecar", None)
                return self._selects(self._names.label(shown.task, shown.index), part)
        return not (self.quiet and isinstance(shown, RunStarted))

    def _selects(self, task: str, step: str | None) -> bool:
        if not self._sources:
            return not self.quiet
        selected = self._known.get((task, step))
        if selected is None:
            selected = any(source.covers(task, step, self._names) for source in self._sources)
            self._known[task, step] = selected
        return selected


def _is_failure(event: TaskStarted | TaskFinished | StepFinished | SidecarFinished) -> bool:
    """Return whether an event reports a failure, which is always shown."""
    match event:
        case StepFinished():
            return event.reason not in NOT_FAILURES
        case SidecarFinished():
            return event.exit_code != 0
        case TaskFinished():
            return not event.will_retry and event.status in ("Failed", "TimedOut")
    return False


def find_sources(names: Iterable[str], plans: Sequence[Plan]) -> tuple[Source, ...]:
    """Resolve the values of ``--logs``. Each must exist in at least one of the runs. Raises Problems."""
    tasks = [task for plan in plans for task in runnable_tasks(plan.pipeline)]
    combinations = known_combinations(plans)
    sources, problems = [], []
    for name in names:
        source = find_source(name, tasks, combinations)
        if isinstance(source, Source):
            sources.append(source)
        else:
            problems.append(Problem(None, f"--logs {name}: {source}", "unknown-reference"))
    if problems:
        raise Problems(problems)
    return tuple(sources)
