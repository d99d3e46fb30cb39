"""Runs and Tasks that nothing stops, or only the default: a Step that hangs is noticed late, or never.

Rules (Tekton docs/pipelineruns.md, "Configuring a failure timeout"): a run may take an hour if it does not say; 0 is
without a limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from monopod.compiler.advice.specs import Specs, WrittenPipeline
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import DocumentPlace
from monopod.schemas.tekton.pipelines import PipelineTask
from monopod.schemas.tekton.runs import PipelineRun, TaskRun

_NEVER = "0 is no limit: what hangs here hangs for ever; give a time that is long enough"


def missing_timeouts(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each limit that is given up, and a note for each Pipeline in which there is none."""
    for document, run in specs.documents.of(PipelineRun):
        if run.spec.timeouts is not None and run.spec.timeouts.pipeline == 0:
            yield DocumentPlace(document, ("spec", "timeouts", "pipeline")).problem("no-timeout", _NEVER, "warning")
    for document, task_run in specs.documents.of(TaskRun):
        if task_run.spec.timeout == 0:
            yield DocumentPlace(document, ("spec", "timeout")).problem("no-timeout", _NEVER, "warning")
    for pipeline in specs.pipelines:
        if _is_without(pipeline, specs):
            message = (
                "nothing here has a timeout, so that what hangs is stopped only after the default hour; "
                "give the Tasks a timeout, or the run timeouts.pipeline"
            )
            yield pipeline.place.at("tasks").problem("no-timeout", message, "note")


def _is_without(pipeline: WrittenPipeline, specs: Specs) -> bool:
    """Whether a Pipeline that is no part of another has no timeout of its own and gets none from a run."""
    if pipeline.embedded is not None and pipeline.embedded.task is not None:
        return False
    if any(run.timeouts is not None or any(each.timeout for each in run.task_run_specs) for run in pipeline.runs):
        return False
    return not any(_has_timeout(task, specs) for task, _ in pipeline.tasks())


def _has_timeout(task: PipelineTask, specs: Specs) -> bool:
    spec = specs.task_of(task)
    return task.timeout is not None or (spec is not None and any(step.timeout for step in spec.steps))
