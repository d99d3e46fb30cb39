"""Params that are declared, or given by a run, but never used.

Rules:

- A param whose name appears in any text counts as used, and so does a param that an embedded spec inherits: missing an
  unused param is better than reporting a used one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monopod.compiler.advice.specs import Specs
from monopod.compiler.diagnostics import Problem
from monopod.compiler.documents.documents import Document
from monopod.compiler.documents.places import DocumentPlace
from monopod.compiler.scope.texts import paths_in
from monopod.schemas.tekton.params import Param, ParamSpec
from monopod.schemas.tekton.pipelines import PipelineSpec, PipelineTask
from monopod.schemas.tekton.runs import PipelineRun, PipelineRunSpec, TaskRun, TaskRunSpec
from monopod.schemas.tekton.tasks import TaskSpec


def unused_params(specs: Specs) -> Iterator[Problem]:
    """Yield a warning for each param that is declared, or given by a run, but never used."""
    for task in specs.tasks:
        if not task.is_custom:
            used = _params_in((task.spec, tuple(task.annotations.values())))
            yield from _declared(task.spec.params, used, "Task", task.place)
    for pipeline in specs.pipelines:
        yield from _declared(pipeline.spec.params, _params_of_pipeline(pipeline.spec), "Pipeline", pipeline.place)
    for action in specs.step_actions.values():
        yield from _declared(action.spec.params, _params_in(action.spec), "StepAction", action.place)
    yield from _of_runs(specs)


def _of_runs(specs: Specs) -> Iterator[Problem]:
    for document, run in specs.documents.of(PipelineRun):
        spec = run.spec.pipeline_spec or specs.pipeline_named(run.spec.pipeline_ref)
        if spec is not None:
            known = {param.name for param in spec.params} | _params_of_pipeline(spec)
            yield from _passed(run.spec.params, known | _own_params(run.spec), "Pipeline", document)
    for document, task_run in specs.documents.of(TaskRun):
        task_spec = task_run.spec.task_spec or specs.task_named(task_run.spec.task_ref)
        if task_spec is not None:
            known = {param.name for param in task_spec.params} | _params_in(task_spec)
            yield from _passed(task_run.spec.params, known | _own_params(task_run.spec), "Task", document)


def _declared(params: Iterable[ParamSpec], used: set[str], what: str, place: DocumentPlace) -> Iterator[Problem]:
    for index, param in enumerate(params):
        if param.name not in used:
            message = f"the {what} never uses its param '{param.name}'; remove it, or use it"
            yield place.at("params", index).problem("unused-param", message, "warning")


def _passed(params: Iterable[Param], known: set[str], what: str, document: Document) -> Iterator[Problem]:
    for index, param in enumerate(params):
        if param.name not in known:
            message = f"the {what} neither declares nor uses the param '{param.name}', so it has no effect; remove it"
            yield DocumentPlace(document, ("spec", "params", index)).problem("unused-param", message, "warning")


def _params_in(value: object) -> set[str]:
    return {path[1] for path in paths_in(value) if path[0] == "params"}


def _own_params(spec: PipelineRunSpec | TaskRunSpec) -> set[str]:
    """Return the params that a run uses in its own fields, such as the subPath of a Workspace."""
    names = {"params", "pipeline_spec", "task_spec"}
    fields = [value for name, value in spec.__dict__.items() if name not in names]
    return _params_in(fields)


def _params_of_pipeline(spec: PipelineSpec) -> set[str]:
    """Return the Pipeline's own params that it uses, including in embedded specs that do not redeclare them."""
    own = [value for name, value in spec.__dict__.items() if name not in {"tasks", "finally_"}]
    used = _params_in(own)
    for task in (*spec.tasks, *spec.finally_):
        used |= _params_in(
            [value for name, value in task.__dict__.items() if name not in {"task_spec", "pipeline_spec"}]
        )
        used |= _inherited_params(task)
    return used


def _inherited_params(task: PipelineTask) -> set[str]:
    """Return the params that an embedded spec inherits from its Pipeline."""
    inner: TaskSpec | PipelineSpec
    if task.task_spec is not None:
        inner, used = task.task_spec, _params_in(task.task_spec)
    elif task.pipeline_spec is not None:
        inner, used = task.pipeline_spec, _params_of_pipeline(task.pipeline_spec)
    else:
        return set()
    passed = {param.name for param in task.params} | (task.matrix.names() if task.matrix is not None else frozenset())
    return (used | {param.name for param in inner.params}) - passed
