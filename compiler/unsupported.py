"""Fields that monopod does not do, or not yet: each is refused by name, so that nothing is ever silently ignored.

Left to others: what a single stage refuses for a reason of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monopod.compiler.diagnostics import Problem
from monopod.compiler.places import Place
from monopod.schemas import tekton

_NOT_YET = "not supported yet"


def in_pipeline_task(task: tekton.PipelineTask, place: Place) -> Iterator[Problem]:
    """Yield the fields of a PipelineTask that are refused."""
    yield from _given({"matrix": task.matrix}, place)


def in_task(spec: tekton.TaskSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a Task that are refused."""
    yield from _given({"sidecars": spec.sidecars}, place)
    for index, step in enumerate(spec.steps):
        at = place.at("steps", index)
        yield from _given({"ref": step.ref, "when": step.when, "results": step.results}, at)


def in_pipeline_run(spec: tekton.PipelineRunSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a PipelineRun that are refused."""
    template = place.at("taskRunTemplate")
    yield from _given({"status": spec.status, "managedBy": spec.managed_by, "taskRunSpecs": spec.task_run_specs}, place)
    yield from _given({"podTemplate": spec.task_run_template.pod_template}, template)


def in_task_run(spec: tekton.TaskRunSpec, place: Place) -> Iterator[Problem]:
    """Yield the fields of a TaskRun that are refused."""
    yield from _given(
        {
            "debug": spec.debug,
            "status": spec.status,
            "managedBy": spec.managed_by,
            "stepSpecs": spec.step_specs,
            "sidecarSpecs": spec.sidecar_specs,
            "computeResources": spec.compute_resources,
            "podTemplate": spec.pod_template,
        },
        place,
    )


def _given(fields: dict[str, Any], place: Place) -> Iterator[Problem]:
    for name, value in fields.items():
        if value:
            yield place.at(name).problem("unsupported", _NOT_YET)
