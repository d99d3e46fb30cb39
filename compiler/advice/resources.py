"""Missing resource requests, without which the scheduler cannot place the Pod well, and requests above their limits.

Rules (Kubernetes, "Resource Management for Pods and Containers"): a limit without a request is also the request; a
request must not exceed its limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monopod.compiler.advice.specs import Specs, WrittenTask
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.pod.resources import over_limits
from monopod.compiler.tasks.steps import merge_template
from monopod.schemas.tekton.runs import (
    PipelineRun,
    PipelineTaskRunSpec,
    TaskRun,
    TaskRunSidecarSpec,
    TaskRunSpec,
    TaskRunStepSpec,
)
from monopod.schemas.tekton.tasks import Step

_NEEDED = ("cpu", "memory")


def missing_requests(specs: Specs) -> Iterator[Problem]:
    """Yield a note for each file with Steps or Sidecars that request no cpu or memory."""
    by_file: dict[str, list[tuple[DocumentPlace, bool]]] = {}
    set_by_runs = _tasks_with_resources_of_runs(specs)
    for task in specs.tasks:
        if _identity(task) not in set_by_runs:
            in_file = by_file.setdefault(task.place.document.position(()).file, [])
            in_file += [(place, _asks(resources)) for resources, place in _resources(task)]
    for containers in by_file.values():
        silent = [place for place, asks in containers if not asks]
        if silent:
            some = f"{len(silent)} of the {len(containers)} Steps and Sidecars in this file do not request"
            who = some if len(silent) < len(containers) else "no Step or Sidecar in this file requests"
            message = (
                f"{who} cpu and memory (this is the first), so the Pod may land on a node with too little; add "
                "computeResources.requests"
            )
            yield silent[0].problem("no-requests", message, "note")


def requests_over_limits(specs: Specs) -> Iterator[Problem]:
    """Yield an error for each request above its limit, also in what no run uses."""
    for task in specs.tasks:
        for resources, place in _resources(task):
            yield from _over_limits(resources, place.at("computeResources"))
    for document, run in specs.documents.of(PipelineRun):
        for index, task_run_spec in enumerate(run.spec.task_run_specs):
            yield from _of_run(task_run_spec, DocumentPlace(document, ("spec", "taskRunSpecs", index)))
    for document, task_run in specs.documents.of(TaskRun):
        yield from _of_run(task_run.spec, DocumentPlace(document, ("spec",)))


def _of_run(spec: PipelineTaskRunSpec | TaskRunSpec, place: DocumentPlace) -> Iterator[Problem]:
    if spec.compute_resources is not None:
        yield from _over_limits(spec.compute_resources.to_kubernetes(), place.at("computeResources"))
    container: TaskRunStepSpec | TaskRunSidecarSpec
    for index, container in enumerate(spec.step_specs):
        where = place.at("stepSpecs", index, "computeResources")
        yield from _over_limits(container.compute_resources.to_kubernetes(), where)
    for index, container in enumerate(spec.sidecar_specs):
        where = place.at("sidecarSpecs", index, "computeResources")
        yield from _over_limits(container.compute_resources.to_kubernetes(), where)


def _over_limits(resources: Mapping[str, Any], place: DocumentPlace) -> Iterator[Problem]:
    for name, message in over_limits(resources):
        yield place.at("requests", name).problem("request-over-limit", message)


def _resources(task: WrittenTask) -> Iterator[tuple[dict[str, Any], DocumentPlace]]:
    """Yield the resources of each Step and Sidecar of a Task, with the stepTemplate merged in, and the place."""
    template = task.spec.step_template
    common = template.compute_resources.to_kubernetes() if template is not None else {}
    for container, place in task.containers():
        own = container.compute_resources.to_kubernetes()
        yield merge_template(common, own) if isinstance(container, Step) else own, place


def _asks(resources: Mapping[str, Any]) -> bool:
    amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return all(name in amounts for name in _NEEDED)


def _identity(task: WrittenTask) -> tuple[str, bool]:
    """Return the name of the PipelineTask or run that embeds the Task, otherwise the name of the Task."""
    return task.name, task.embedded is not None


def _tasks_with_resources_of_runs(specs: Specs) -> set[tuple[str, bool]]:
    """Return the Tasks (see `_identity`) for which a run sets the resources of the Steps."""
    tasks: set[tuple[str, bool]] = set()
    names = {
        task_run_spec.pipeline_task_name
        for _, run in specs.documents.of(PipelineRun)
        for task_run_spec in run.spec.task_run_specs
        if task_run_spec.compute_resources is not None or task_run_spec.step_specs
    }
    for pipeline in specs.pipelines:
        for task, _ in pipeline.tasks():
            if task.name in names:
                tasks.add((task.task_ref.name, False) if task.task_ref is not None else (task.name, True))
    for document, run in specs.documents.of(TaskRun):
        if run.spec.compute_resources is not None or run.spec.step_specs:
            ref = run.spec.task_ref
            tasks.add((ref.name, False) if ref is not None else (document.name, True))
    return tasks
