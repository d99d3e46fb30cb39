"""Runs and Tasks without a timeout, or with only the default: a Step that hangs is stopped late or never.

Rules (Tekton docs/pipelineruns.md, "Configuring a failure timeout"): the default timeout of a run is one hour; 0 means
no limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from monopod.compiler.advice.specs import Specs, WrittenPipeline
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import DocumentPlace
from monopod.schemas.tekton.pipelines import PipelineTask
from monopod.schemas.tekton.runs import PipelineRun, TaskRun

_NEVER = "0 means no limit, so a Step that hangs here is never stopped; set a long timeout"


def missing_timeouts(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each timeout of 0, and a note for each Pipeline without any timeout.

    A run without a limit is fine if each of its Tasks has one.
    """
    limited = [run for pipeline in specs.pipelines if _all_have_timeouts(pipeline, specs) for run in pipeline.runs]
    for document, run in specs.documents.of(PipelineRun):
        if any(run.spec is each for each in limited):
            continue
        if run.spec.timeouts is not None and run.spec.timeouts.pipeline == 0:
            yield DocumentPlace(document, ("spec", "timeouts", "pipeline")).problem("no-timeout", _NEVER, "warning")
    for document, task_run in specs.documents.of(TaskRun):
        if task_run.spec.timeout == 0:
            yield DocumentPlace(document, ("spec", "timeout")).problem("no-timeout", _NEVER, "warning")
    for pipeline in specs.pipelines:
        if _is_without(pipeline, specs):
            message = (
                "nothing here has a timeout, so a Step that hangs is only stopped after the default hour; "
                "set timeout on the Tasks, or timeouts.pipeline on the run"
            )
            yield pipeline.place.at("tasks").problem("no-timeout", message, "note")


def _is_without(pipeline: WrittenPipeline, specs: Specs) -> bool:
    """Whether a top-level Pipeline has no timeout, neither its own nor from a run."""
    if pipeline.embedded is not None and pipeline.embedded.task is not None:
        return False
    if any(run.timeouts is not None or any(task.timeout for task in run.task_run_specs) for run in pipeline.runs):
        return False
    return not any(_has_timeout(task, specs) for task, _ in pipeline.tasks())


def _all_have_timeouts(pipeline: WrittenPipeline, specs: Specs) -> bool:
    return all(task.timeout or (task.timeout is None and _has_timeout(task, specs)) for task, _ in pipeline.tasks())


def _has_timeout(task: PipelineTask, specs: Specs) -> bool:
    spec = specs.task_of(task)
    return task.timeout is not None or (spec is not None and any(step.timeout for step in spec.steps))
