"""What of a run is shown: ``--logs TASK[/STEP]`` and ``--quiet``.

Rules:

- What failed is always shown, and so are warnings and what comes from no Step (the coordinator's own troubles).
- With ``--logs``, of everything else only what the Tasks and Steps named do and write; with ``--quiet``, nothing.

Left to others: how Tasks and Steps are named (``source``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monopod.compiler.diagnostics import Problem, Problems
from monopod.runner.follow import OutputLine, Shown, label, planned_tasks
from monopod.runner.source import Source, find_source
from monopod.schemas.plan import Plan
from monopod.schemas.run_events import RunStarted, StepFinished, TaskFinished, TaskSkipped, TaskStarted

FAILING_REASONS = ("Error", "OOMKilled", "TimedOut")
"""Of a StepFinished."""


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
        found = find_source(name, tasks)
        if isinstance(found, Source):
            sources.append(found)
        else:
            problems.append(Problem(None, f"--logs {name}: {found}", "unknown-reference"))
    if problems:
        raise Problems(problems)
    return tuple(sources)
