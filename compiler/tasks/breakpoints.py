"""Breakpoints: before which Steps an attempt is held, and whether after a failure (Tekton docs/debug.md).

Rules:

- A TaskRun has ``debug.breakpoints``. ``--debug`` and ``--pause-on-failure`` are for every run.
- ``--debug=TASK/STEP`` holds before this Step, ``--debug=TASK`` before each Step of the Task or of the Pipeline that it
  runs, and ``--debug`` before each Step of the run.
- Steps that monopod adds are not held.

Left to others: what happens at a breakpoint (``coordinator.engine.holds``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monopod.compiler.diagnostics import Report, did_you_mean
from monopod.compiler.documents.places import OptionPlace, Place
from monopod.compiler.tasks.injected_steps import is_injected
from monopod.schemas.plan import Pipeline, Step, Task, runnable_tasks
from monopod.schemas.tekton.runs import PipelineRunSpec, TaskRunSpec


@dataclass(frozen=True, slots=True)
class Breakpoints:
    """The breakpoints of the command line. ``before`` are TASK or TASK/STEP; an empty text means every Step."""

    before: tuple[str, ...] = ()
    on_failure: bool = False


NO_BREAKPOINTS = Breakpoints()


def with_breakpoints(
    pipeline: Pipeline,
    options: Breakpoints,
    spec: PipelineRunSpec | TaskRunSpec | None,
    place: Place,
    report: Report,
) -> Pipeline:
    """Return the Pipeline of the Plan with all breakpoints of its run, whose spec is at `place`, if it has one."""
    steps = list(_steps(pipeline))
    before = set(_named_by_options(steps, options, report))
    on_failure = options.on_failure
    debug = spec.debug if isinstance(spec, TaskRunSpec) else None
    if debug is not None and debug.breakpoints is not None:
        on_failure = on_failure or debug.breakpoints.on_failure is not None
        names = {name: (path, name) for path, name in steps}
        for index, name in enumerate(debug.breakpoints.before_steps):
            if name in names:
                before.add(names[name])
            else:
                where = place.at("debug", "breakpoints", "beforeSteps", index)
                message = f"the Task has no Step '{name}'{did_you_mean(name, names)}"
                report.add(where.problem("unknown-reference", message))
    if not (before or on_failure):
        return pipeline

    def change(path: str, step: Step) -> Step:
        if is_injected(step):
            return step
        return step._replace(hold_before=(path, step.name) in before, hold_on_failure=on_failure)

    return _with_steps(pipeline, "", change)


def _steps(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield the path of the Task and the name of each Step that an author wrote."""
    for planned in runnable_tasks(pipeline):
        yield from ((planned.path, step.name) for step in planned.task.steps if not is_injected(step))


def _named_by_options(steps: list[tuple[str, str]], options: Breakpoints, report: Report) -> Iterator[tuple[str, str]]:
    for target in options.before:
        named = [
            (path, step)
            for path, step in steps
            if target in ("", path, f"{path}/{step}") or path.startswith(f"{target}/")
        ]
        if not named:
            known = [name for path, step in steps for name in (path, f"{path}/{step}")]
            message = f"no Task or Step '{target}'{did_you_mean(target, known)}; write TASK or TASK/STEP"
            report.add(OptionPlace(f"--debug={target}").problem("unknown-task", message))
        yield from named


def _with_steps(pipeline: Pipeline, prefix: str, change: Callable[[str, Step], Step]) -> Pipeline:
    """Return the Pipeline with each Step replaced by what `change` makes of it and the path of its Task."""

    def changed(task: Task) -> Task:
        path = prefix + task.name
        inner = None if task.pipeline is None else _with_steps(task.pipeline, f"{path}/", change)
        return task._replace(steps=tuple(change(path, step) for step in task.steps), pipeline=inner)

    tasks, final_tasks = (tuple(map(changed, each)) for each in (pipeline.tasks, pipeline.final_tasks))
    return pipeline._replace(tasks=tasks, final_tasks=final_tasks)
