"""A Pipeline: its params and Workspaces, its Tasks in their order, and its Results.

Rules (Tekton docs/pipelines-in-pipelines.md):

- A Pipeline may stand in the place of a Task: it has a scope of its own, and other Tasks may use its Results. An
  embedded one sees the params and Workspaces around it.
- It has the timeout of its PipelineTask, no retries and no matrix.
- The name of a Task may be a variable (docs/variables.md) whose value is known when compiling.
- It never stands within itself, and remote ones within each other only so deep.

Left to others: each of its Tasks (``pipeline_tasks``), their order (``ordering``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents.catalog import Found, custom_task_problem
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.params import NO_NAMES, Around, Bound, Declaration, bind, undeclared, whole
from monopod.compiler.scope.references import STRING, Names, Shape, check, check_value, is_reported
from monopod.compiler.scope.run_names import NOT_NAMED, RunNames
from monopod.compiler.scope.settling import settle, without_value
from monopod.compiler.scope.texts import paths_in
from monopod.compiler.scope.variables_in_scope import (
    Outputs,
    declared_results,
    listed,
    pipeline_names,
    resolver_names,
    result_names,
)
from monopod.compiler.tasks.ordering import Order, order_tasks, sources
from monopod.compiler.tasks.pipeline_tasks import (
    PipelineScope,
    PipelineTask,
    compile_task,
    given_params,
)
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.when_expressions import when_expressions
from monopod.compiler.tasks.workspaces import Bindings, Texts, bind_for_pipeline, bind_pipeline
from monopod.schemas import plan
from monopod.schemas.plan import Value
from monopod.schemas.tekton import pipelines
from monopod.schemas.tekton.pipelines import PipelineSpec
from monopod.schemas.tekton.tasks import TaskSpec
from monopod.schemas.variables import Path, TooLargeError

MAX_DEPTH = 100
"""How deep Pipelines may stand in one another, as deep as the values of YAML."""
MAX_REMOTE_DEPTH = 20
"""How deep remote Pipelines may stand in one another: each could name a next one for ever."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The PipelineTasks that a Pipeline stands for, outermost first, and the Pipelines that it is referred to from.

    ``run`` is how its PipelineRun is called.
    """

    path: tuple[str, ...] = ()
    referred_from: tuple[str, ...] = ()
    run: RunNames = NOT_NAMED


@dataclass(frozen=True, slots=True)
class _Nested:
    """A PipelineTask with a Pipeline in the place of its Task."""

    task: pipelines.PipelineTask
    place: Place
    found: Found[PipelineSpec]


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """A PipelineTask whose Task or Pipeline is not there, which was reported: nothing that refers to it is wrong."""

    task: pipelines.PipelineTask
    place: Place


_Resolved: TypeAlias = PipelineTask | _Nested | _Unresolved


def compile_pipeline(
    found: Found[PipelineSpec], params: Bound, workspaces: Bindings, ancestry: Ancestry, state: CompilerState
) -> plan.Pipeline:
    """Return the Pipeline of the Plan."""
    spec, place = found.spec, found.place
    if not found.embedded:
        ancestry = replace(ancestry, referred_from=(*ancestry.referred_from, found.identity))
    fixed: dict[Path, Value] = {} if found.embedded else {("context", "pipeline", "name"): found.name}
    context = {**fixed, **ancestry.run.of_pipeline(embedded=found.embedded)}
    around = Around(resolver_names(Names(params.shapes)), params.values(context))
    tasks = _resolved(spec.tasks, place.at("tasks"), ancestry, around, state)
    final_tasks = _resolved(spec.finally_, place.at("finally"), ancestry, around, state)
    outputs = {each.task.name: _outputs(each) for each in (*tasks, *final_tasks)}
    names, final_names = pipeline_names(spec, outputs, workspaces, Names(params.shapes))
    for name, volume in workspaces.items():
        fixed["workspaces", name, "bound"] = "false" if volume is None else "true"
    values = params.values({**context, **fixed})
    orders = order_tasks(
        [(task, place.at("tasks", index)) for index, task in enumerate(spec.tasks)],
        state.problems,
        final={task.name for task in spec.finally_},
    )
    final_orders = {task.name: Order((), _among(sources(task), orders)) for task in spec.finally_}
    enums = {each.name: each.enum for each in spec.params if each.value_type == "string"}
    scope = PipelineScope(ancestry.path, names, values, workspaces, ancestry.run, enums)
    final_scope = replace(scope, names=final_names)
    return plan.Pipeline(
        name=found.name,
        params=params.params,
        tasks=_all_compiled(tasks, orders, scope, ancestry, state),
        final_tasks=_all_compiled(final_tasks, final_orders, final_scope, ancestry, state),
        results=_results(spec, place, result_names(spec, outputs, Names(params.shapes)), state.problems),
        variables=listed(fixed, fixed),
        source=state.source(found),
    )


# What PipelineTasks stand for


def _resolved(
    tasks: Sequence[pipelines.PipelineTask], place: Place, ancestry: Ancestry, around: Around, state: CompilerState
) -> list[_Resolved]:
    """Return the PipelineTasks with what they run; `around` is what a resolver's params may refer to."""
    result: list[_Resolved] = []
    for index, task in enumerate(tasks):
        where = place.at(index)
        if task.task_ref is not None or task.task_spec is not None:
            found = _task(task, where, around, state)
            result.append(_Unresolved(task, where) if found is None else PipelineTask.of(task, where, found))
        else:
            pipeline = _pipeline(task, where, ancestry, around, state)
            result.append(_Unresolved(task, where) if pipeline is None else _Nested(task, where, pipeline))
    return result


def _task(task: pipelines.PipelineTask, place: Place, around: Around, state: CompilerState) -> Found[TaskSpec] | None:
    if task.task_ref is not None:
        where, name = place.at("taskRef"), task.task_ref.name
        state.problems.extend(check(name, "text", around.names, where.at("name")))
        name = settle(name, around.values, around.names, where.at("name"), state.problems)
        if is_reported(name, around.names):
            state.problems.extend(without_value(name, where.at("name"), state.problems))
            return None
        reference = task.task_ref.model_copy(update={"name": name})
        return state.catalog.task(reference, where, around, state.problems)
    assert task.task_spec is not None
    if task.task_spec.is_custom:
        state.problems.append(custom_task_problem(place.at("taskSpec")))
        return None
    return Found(task.name, task.task_spec, place.at("taskSpec"), embedded=True)


def _pipeline(
    task: pipelines.PipelineTask, place: Place, ancestry: Ancestry, around: Around, state: CompilerState
) -> Found[PipelineSpec] | None:
    if task.pipeline_spec is not None:
        return Found(task.name, task.pipeline_spec, place.at("pipelineSpec"), embedded=True)
    assert task.pipeline_ref is not None
    where = place.at("pipelineRef")
    found = state.catalog.pipeline(task.pipeline_ref, where, around, state.problems)
    if found is None:
        return None
    at = where.at("resolver" if found.origin else "name")
    if found.identity in ancestry.referred_from:
        circle = " → ".join((*ancestry.referred_from, found.identity))
        state.problems.append(at.problem("cycle", f"the Pipeline would stand within itself: {circle}"))
        return None
    if len(ancestry.path) >= MAX_DEPTH:
        message = f"this is too deep: more than {MAX_DEPTH} Pipelines would stand in one another"
        state.problems.append(at.problem("too-deep", message))
        return None
    if found.origin and len(ancestry.referred_from) >= MAX_REMOTE_DEPTH:
        message = f"{found.origin} is too deep: more than {MAX_REMOTE_DEPTH} Pipelines would stand in one another"
        state.problems.append(at.problem("too-deep", message))
        return None
    return found


def _outputs(task: _Resolved) -> Outputs:
    if isinstance(task, _Unresolved):
        return Outputs(None)
    if isinstance(task, PipelineTask):
        return Outputs(declared_results(task.found.spec.results), task.task.matrix is not None)
    return Outputs({result.name: Shape(result.type or "string") for result in task.found.spec.results})


def _among(names: Iterable[str], known: Mapping[str, Order]) -> tuple[str, ...]:
    return tuple(name for name in names if name in known)


# Compiling them


def _all_compiled(
    sources: Iterable[_Resolved],
    orders: Mapping[str, Order],
    scope: PipelineScope,
    ancestry: Ancestry,
    state: CompilerState,
) -> tuple[plan.Task, ...]:
    compiled = []
    for source in sources:
        if isinstance(source, _Unresolved):
            _check_unresolved(source, scope, state.problems)
        else:
            compiled.append(_compiled(source, orders, scope, ancestry, state))
    return tuple(compiled)


def _check_unresolved(source: _Unresolved, scope: PipelineScope, problems: list[Problem]) -> None:
    """Add what is wrong with a PipelineTask whatever it runs."""
    matrix = source.task.matrix
    of_matrix = Names(
        dict.fromkeys((("params", name) for name in matrix.names()), STRING) if matrix else {}, scope.names
    )
    problems.extend(check(source.task.display_name, "text", of_matrix, source.place.at("displayName")))
    of_task = [("context",), ("workspaces",), ("results",), ("steps",), ("artifacts",), ("credentials",)]
    names = Names({}, scope.names, reported=of_task)
    for given in given_params(source.task, source.place):
        problems.extend(check_value(given.value, names, given.place))
    when_expressions(source.task.when, scope.names, source.place.at("when"), problems)
    bindings = [(each, source.place.at("workspaces", index)) for index, each in enumerate(source.task.workspaces)]
    texts = Texts(scope.names, scope.values)
    bind_for_pipeline(bindings, scope.workspaces, "what it runs", texts, problems)


def _compiled(
    source: PipelineTask | _Nested,
    orders: Mapping[str, Order],
    scope: PipelineScope,
    ancestry: Ancestry,
    state: CompilerState,
) -> plan.Task:
    """Raises Problems if it is too large to go on."""
    order = orders[source.task.name]
    try:
        if isinstance(source, PipelineTask):
            return compile_task(source, order, scope, state)
        return _compile_nested(source, order, scope, ancestry, state)
    except TooLargeError as error:
        raise Problems([*state.problems, source.place.problem("too-large", str(error))]) from error


def _compile_nested(
    source: _Nested, order: Order, scope: PipelineScope, ancestry: Ancestry, state: CompilerState
) -> plan.Task:
    task, place, problems = source.task, source.place, state.problems
    for field, value in (("matrix", task.matrix), ("retries", task.retries)):
        if value:
            message = f"a Pipeline in the place of a Task has no {field}, in Tekton neither"
            problems.append(place.at(field).problem("unsupported", message))
    problems.extend(check(task.display_name, "text", scope.names, place.at("displayName")))
    params = _bind_params(source, scope, problems)
    workspaces = _bind_workspaces(source, scope, problems)
    inner = Ancestry((*ancestry.path, task.name), ancestry.referred_from, ancestry.run.inner(task.name))
    pipeline = compile_pipeline(source.found, params, workspaces, inner, state)
    return plan.Task(
        name=task.name,
        task_name=source.found.name,
        display_name=task.display_name,
        after=order.after,
        result_sources=order.sources,
        when=when_expressions(task.when, scope.names, place.at("when"), problems),
        params=params.params,
        on_error=task.on_error or "stopAndFail",
        pipeline=plan.Pipeline(
            pipeline.name,
            (),
            pipeline.tasks,
            pipeline.final_tasks,
            pipeline.results,
            pipeline.variables,
            timeout=task.timeout or None,
            source=pipeline.source,
        ),
    )


def _bind_params(source: _Nested, scope: PipelineScope, problems: list[Problem]) -> Bound:
    """Return the params of a Pipeline in a Pipeline; an embedded one gets those around it that it uses."""
    found = source.found
    receiver = f"the Pipeline '{found.name}'"
    declared = [(spec, found.place.at("params", index)) for index, spec in enumerate(found.spec.params)]
    given = given_params(source.task, source.place)
    for each in given:
        problems.extend(check_value(each.value, scope.names, each.place))
    if not found.embedded:
        for each, hint in undeclared(given, (spec.name for spec, _ in declared)):
            message = f"{receiver} declares no param '{each.name}', so it has no effect{hint}"
            problems.append(each.place.problem("unknown-param", message, "warning"))
    around = Around(scope.names, scope.values, found.embedded)
    declaration = Declaration(receiver, declared, scope.names if found.embedded else NO_NAMES)
    bound = bind(declaration, given, around, source.place, problems)
    return _with_inherited(bound, found.spec, scope) if found.embedded else bound


def _with_inherited(bound: Bound, spec: PipelineSpec, scope: PipelineScope) -> Bound:
    used = {path[:2] for path in paths_in(spec)}
    params, shapes, known = list(bound.params), dict(bound.shapes), dict(bound.known)
    for path in sorted(path for path in used if path[0] == "params" and path not in shapes):
        shape = scope.names.shape(path)
        if shape is not None:
            params.append(plan.Param(path[1], whole(path[1], shape)))
            shapes[path] = shape
            value = scope.values.get(path)
            if value is not None:
                known[path] = value
    return Bound(tuple(params), shapes, known, bound.budget)


def _bind_workspaces(source: _Nested, scope: PipelineScope, problems: list[Problem]) -> Bindings:
    task, place, found = source.task, source.place, source.found
    receiver = f"the Pipeline '{found.name}'"
    given = bind_for_pipeline(
        [(each, place.at("workspaces", index)) for index, each in enumerate(task.workspaces)],
        scope.workspaces,
        receiver,
        Texts(scope.names, scope.values),
        problems,
    )
    if found.embedded:
        given = {**scope.workspaces, **given}
    declared = [(each, found.place.at("workspaces", index)) for index, each in enumerate(found.spec.workspaces)]
    return bind_pipeline(declared, given, inherited=found.embedded, receiver=receiver, place=place, problems=problems)


def _results(
    spec: PipelineSpec, place: Place, names: Names, problems: list[Problem]
) -> tuple[plan.ResultDeclaration, ...]:
    for index, result in enumerate(spec.results):
        problems.extend(check_value(result.value, names, place.at("results", index, "value")))
    return tuple(
        plan.ResultDeclaration(result.name, result.type or "string", value=result.value) for result in spec.results
    )
