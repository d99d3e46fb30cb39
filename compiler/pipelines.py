"""A Pipeline: its params and Workspaces, its Tasks in their order, and its Results.

Left to others: each of its Tasks (``tasks``), their order (``ordering``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from monopod.compiler.catalog import Found, custom_task_problem
from monopod.compiler.diagnostics import Problem
from monopod.compiler.ordering import Order, order_tasks, sources
from monopod.compiler.params import Bound
from monopod.compiler.places import Place
from monopod.compiler.references import Names, check_value
from monopod.compiler.tasks import CompilerState, PipelineScope, PipelineTask, compile_task
from monopod.compiler.unsupported import in_pipeline_task
from monopod.compiler.variables_in_scope import (
    Outputs,
    declared_results,
    listed,
    pipeline_names,
    result_names,
)
from monopod.compiler.workspaces import Bindings
from monopod.schemas import plan, tekton
from monopod.schemas.plan import Value
from monopod.schemas.variables import Path, Scope


def compile_pipeline(
    found: Found[tekton.PipelineSpec],
    params: Bound,
    workspaces: Bindings,
    path: tuple[str, ...],
    state: CompilerState,
) -> plan.Pipeline:
    """Return the Pipeline of the Plan; `path` are the PipelineTasks that it stands for, outermost first."""
    spec, place = found.spec, found.place
    tasks = _resolved(spec.tasks, place.at("tasks"), state)
    final_tasks = _resolved(spec.finally_, place.at("finally"), state)
    outputs = {task.name: Outputs({}) for task in (*spec.tasks, *spec.finally_)}
    outputs.update((each.task.name, _outputs(each)) for each in (*tasks, *final_tasks))
    param_names = Names(params.shapes)
    names, final_names = pipeline_names(spec, outputs, workspaces, param_names)
    fixed: dict[Path, Value] = {("context", "pipeline", "name"): found.name}
    for name, volume in workspaces.items():
        fixed["workspaces", name, "bound"] = "false" if volume is None else "true"
    values = Scope({**params.known, **fixed})
    located = [(task, place.at("tasks", index)) for index, task in enumerate(spec.tasks)]
    orders = order_tasks(located, state.problems)
    final_orders = {task.name: Order((), _among(sources(task), orders)) for task in spec.finally_}
    scope = PipelineScope(path, names, values, workspaces)
    final_scope = PipelineScope(path, final_names, values, workspaces)
    return plan.Pipeline(
        name=found.name,
        params=params.params,
        tasks=tuple(compile_task(each, orders[each.task.name], scope, state) for each in tasks),
        final_tasks=tuple(compile_task(each, final_orders[each.task.name], final_scope, state) for each in final_tasks),
        results=_results(spec, place, result_names(spec, outputs, param_names), state.problems),
        variables=listed(fixed, fixed),
    )


def _resolved(tasks: Sequence[tekton.PipelineTask], place: Place, state: CompilerState) -> list[PipelineTask]:
    """Return the PipelineTasks whose Task is there."""
    result = []
    for index, task in enumerate(tasks):
        where = place.at(index)
        state.problems.extend(in_pipeline_task(task, where))
        found = _task(task, where, state)
        if found is not None:
            result.append(PipelineTask.of(task, where, found))
    return result


def _task(task: tekton.PipelineTask, place: Place, state: CompilerState) -> Found[tekton.TaskSpec] | None:
    if task.task_ref is not None:
        return state.catalog.task(task.task_ref, place.at("taskRef"), state.problems)
    if task.task_spec is not None:
        if task.task_spec.is_custom:
            state.problems.append(custom_task_problem(place.at("taskSpec")))
            return None
        return Found(task.name, task.task_spec, place.at("taskSpec"), embedded=True)
    field = "pipelineRef" if task.pipeline_ref is not None else "pipelineSpec"
    state.problems.append(place.at(field).problem("unsupported", "not supported yet"))
    return None


def _outputs(task: PipelineTask) -> Outputs:
    return Outputs(declared_results(task.found.spec.results), task.task.matrix is not None)


def _among(names: Iterable[str], known: Mapping[str, Order]) -> tuple[str, ...]:
    return tuple(name for name in names if name in known)


def _results(
    spec: tekton.PipelineSpec, place: Place, names: Names, problems: list[Problem]
) -> tuple[plan.ResultDeclaration, ...]:
    for index, result in enumerate(spec.results):
        problems.extend(check_value(result.value, names, place.at("results", index, "value")))
    return tuple(
        plan.ResultDeclaration(result.name, result.type or "string", value=result.value) for result in spec.results
    )
