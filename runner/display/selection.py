"""What of a run is shown: ``--logs TASK[/STEP]`` and ``--quiet``.

Rules:

- What failed is always shown, and so are warnings and what comes from no Step (the coordinator's own troubles).
- With ``--logs``, of everything else only what the Tasks and Steps named do and write; with ``--quiet``, nothing.

Left to others: how Tasks and Steps are named (``source``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.scope.known_combinations import known_combinations
from monopod.runner.follow.follower import OutputLine, Shown, planned_tasks
from monopod.runner.follow.source import Source, find_source
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.plan import Plan
from monopod.schemas.run_events import RunStarted, SidecarFinished, StepFinished, TaskFinished, TaskSkipped, TaskStarted

FAILING_REASONS = ("Error", "OOMKilled", "TimedOut")
"""Of a StepFinished."""


class Selection:
    """Decides what is shown. Without `sources` and `quiet`, that is everything."""

    def __init__(self, sources: Sequence[Source] = (), *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._sources = tuple(sources)
        self._known: dict[tuple[str, str | None], bool] = {}
        self._names = InstanceNames()

    def shows(self, shown: Shown) -> bool:
        """Return whether a line or an event is to be shown."""
        if not isinstance(shown, OutputLine):
            self._names.note(shown)
        return not (self.quiet or self._sources) or self._chooses(shown)

    def _chooses(self, shown: Shown) -> bool:
        match shown:
            case OutputLine(task, step):
                return not step or self._wants(task, step)
            case TaskSkipped():
                return self._wants(shown.task, None)
            case TaskStarted() | TaskFinished() | StepFinished() | SidecarFinished() if not _is_failure(shown):
                part = getattr(shown, "step", None) or getattr(shown, "sidecar", None)
                return self._wants(self._names.label(shown.task, shown.index), part)
        return not (self.quiet and isinstance(shown, RunStarted))

    def _wants(self, task: str, step: str | None) -> bool:
        if not self._sources:
            return not self.quiet
        wanted = self._known.get((task, step))
        if wanted is None:
            wanted = self._known[task, step] = any(source.covers(task, step, self._names) for source in self._sources)
        return wanted


def _is_failure(event: TaskStarted | TaskFinished | StepFinished | SidecarFinished) -> bool:
    """Return whether an event reports something that failed: that is always shown."""
    match event:
        case StepFinished():
            return event.reason in FAILING_REASONS
        case SidecarFinished():
            return event.exit_code != 0
        case TaskFinished():
            return not event.will_retry and event.status in ("Failed", "TimedOut")
    return False


def find_sources(names: Iterable[str], plans: Sequence[Plan]) -> tuple[Source, ...]:
    """Return what the values of ``--logs`` mean in these runs: each must be there in one at least. Raises Problems."""
    tasks = [task for plan in plans for task in planned_tasks(plan.pipeline)]
    combinations = known_combinations(plans)
    sources, problems = [], []
    for name in names:
        found = find_source(name, tasks, combinations)
        if isinstance(found, Source):
            sources.append(found)
        else:
            problems.append(Problem(None, f"--logs {name}: {found}", "unknown-reference"))
    if problems:
        raise Problems(problems)
    return tuple(sources)
