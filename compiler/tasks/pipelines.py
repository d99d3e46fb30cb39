"""A Pipeline: its params and Workspaces, its Tasks in their order, and its Results.

Rules (Tekton docs/pipelines-in-pipelines.md):

- A PipelineTask may run a Pipeline, which has a scope of its own, and other Tasks may use its Results. An embedded
  Pipeline sees the params and Workspaces of the outer Pipeline.
- It has the timeout of its PipelineTask, no retries and no matrix.
- The name of a Task may be a variable (docs/variables.md) whose value is known when compiling.
- A Pipeline never contains itself, and the nesting of remote Pipelines is limited.

Left to others: its Tasks (``pipeline_tasks``), their order (``ordering``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from monopod.compiler.diagnostics import CompilationStoppedError, Problem, Report
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.catalog import Definition, custom_task_problem
from monopod.compiler.documents.own_annotations import CACHE
from monopod.compiler.documents.places import Place
from monopod.compiler.scope.params import NO_NAMES, BoundParams, Declaration, OuterScope, bind, undeclared_params, whole
from monopod.compiler.scope.references import STRING, Names, Shape, check, check_value, is_unresolved
from monopod.compiler.scope.run_names import NOT_NAMED, RunNames
from monopod.compiler.scope.texts import paths_in
from monopod.compiler.scope.variables import Variables, without_value
from monopod.compiler.scope.variables_in_scope import (
    PIPELINE_NAME,
    Outputs,
    declared_results,
    listed,
    pipeline_names,
    resolver_names,
    result_names,
)
from monopod.compiler.tasks.grouped_tasks import GroupedTask, grouped_task
from monopod.compiler.tasks.left_out import Candidates, left_out_tasks, task_in_plan
from monopod.compiler.tasks.ordering import Order, order_problems, order_tasks, references_of_task, sources
from monopod.compiler.tasks.pipeline_tasks import (
    PipelineScope,
    PipelineTask,
    bindings_of,
    compile_task,
    passed_params,
)
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.when_expressions import check_guards, plan_guards
from monopod.compiler.tasks.workspaces import Bindings, Receiver, bind_for_pipeline, bind_pipeline, missing_workspaces
from monopod.schemas import plan
from monopod.schemas.plan import Value
from monopod.schemas.tekton import pipelines
from monopod.schemas.tekton.params import ParamSpec
from monopod.schemas.tekton.pipelines import PipelineSpec
from monopod.schemas.tekton.tasks import TaskSpec
from monopod.schemas.variables import Path, Scope, TooLargeError, evaluate, references_in

if TYPE_CHECKING:
    from monopod.compiler.caches.annotation import CacheSpec
    from monopod.compiler.documents.text_in_document import TextPlace

MAX_DEPTH = 100
"""How deep Pipelines may be nested; YAML values have the same limit."""
MAX_REMOTE_DEPTH = 20
"""How deep remote Pipelines may be nested: each can refer to another one, without end."""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The PipelineTasks that a nested Pipeline runs in, outermost first, and the Pipelines that refer to it.

    ``run`` has the names of its PipelineRun.
    """

    path: tuple[str, ...] = ()
    referred_from: tuple[str, ...] = ()
    run: RunNames = NOT_NAMED


@dataclass(frozen=True, slots=True)
class _Nested:
    """A PipelineTask that runs a Pipeline."""

    task: pipelines.PipelineTask
    place: Place
    definition: Definition[PipelineSpec]


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """A PipelineTask whose Task or Pipeline is missing. This is reported; references to it are not reported again."""

    task: pipelines.PipelineTask
    place: Place


_Resolved: TypeAlias = PipelineTask | _Nested | _Unresolved


def context_of(definition: Definition[PipelineSpec], run: RunNames) -> dict[Path, Value]:
    """Return the values of ``$(context.…)`` in a Pipeline that are known when compiling."""
    return {**_own_name(definition), **run.of_pipeline(embedded=definition.embedded)}


def _own_name(definition: Definition[PipelineSpec]) -> dict[Path, Value]:
    return {} if definition.embedded else {PIPELINE_NAME: definition.name}


def compile_pipeline(
    definition: Definition[PipelineSpec],
    params: BoundParams,
    workspaces: Bindings,
    ancestry: Ancestry,
    state: CompilerState,
) -> plan.Pipeline:
    """Return the Pipeline of the Plan."""
    spec, place = definition.spec, definition.place
    if not definition.embedded:
        ancestry = replace(ancestry, referred_from=(*ancestry.referred_from, definition.identity))
    fixed = _own_name(definition)
    context = context_of(definition, ancestry.run)
    outer = OuterScope(resolver_names(Names(params.shapes)), params.values(context))
    tasks = _resolved(spec.tasks, place.at("tasks"), ancestry, outer, state)
    final_tasks = _resolved(spec.finally_, place.at("finally"), ancestry, outer, state)
    outputs = {resolved.task.name: _outputs(resolved) for resolved in (*tasks, *final_tasks)}
    names, final_names = pipeline_names(spec, outputs, workspaces, Names(params.shapes))
    for name, volume in workspaces.items():
        fixed["workspaces", name, "bound"] = "false" if volume is None else "true"
    values = params.values({**context, **fixed})
    references = {task.name: references_of_task(task) for task in (*spec.tasks, *spec.finally_)}
    orders = order_tasks(spec.tasks, references)
    placed = [(task, place.at("tasks", index)) for index, task in enumerate(spec.tasks)]
    state.report.extend(order_problems(placed, orders, {task.name for task in spec.finally_}))
    final_orders = {task.name: Order((), _among(sources(references[task.name]), orders)) for task in spec.finally_}
    left_out = {}
    if not ancestry.path:
        left_out = left_out_tasks(state.selection, Candidates(spec, place, orders, outputs), state.report)
    state.report.extend(_result_problems(spec, place, result_names(spec, outputs, Names(params.shapes))))
    enums = {param.name: param.enum for param in spec.params if param.value_type == "string"}
    if not ancestry.path:
        state.grouped.extend(_grouped(each, state.report) for each in (*tasks, *final_tasks))
    caches = _caches(definition, Variables(names, values, state.report), workspaces, ancestry, state)
    scope = PipelineScope(ancestry.path, names, values, workspaces, ancestry.run, enums, caches, left_out, references)
    final_scope = replace(scope, names=final_names)
    return plan.Pipeline(
        name=definition.name,
        params=params.params,
        tasks=_all_compiled(tasks, orders, scope, ancestry, state),
        final_tasks=_all_compiled(final_tasks, final_orders, final_scope, ancestry, state),
        results=tuple(
            plan.ResultDeclaration(result.name, result.type or "string", value=result.value) for result in spec.results
        ),
        variables=listed(fixed, fixed),
        source=state.source(definition),
    )


def _caches(
    definition: Definition[PipelineSpec],
    variables: Variables,
    workspaces: Bindings,
    ancestry: Ancestry,
    state: CompilerState,
) -> tuple[tuple[CacheSpec, TextPlace], ...]:
    """Return the caches of the Pipeline: of its PipelineRun, if that has some, or its own."""
    annotations = Annotations.of_document(definition)
    if not ancestry.path and state.annotations_of_run is not None and CACHE in state.annotations_of_run.values:
        annotations = state.annotations_of_run
    if CACHE not in annotations.values:
        return ()
    from monopod.compiler.caches.annotation import caches_of  # noqa: PLC0415  # most Pipelines have none
    from monopod.compiler.caches.pipeline_caches import in_terms_of_tasks  # noqa: PLC0415

    caches = caches_of(annotations, state.catalog, state.report)
    return tuple(in_terms_of_tasks(caches, variables, workspaces))


# What PipelineTasks run


def _resolved(
    tasks: Sequence[pipelines.PipelineTask], place: Place, ancestry: Ancestry, outer: OuterScope, state: CompilerState
) -> list[_Resolved]:
    """Return the PipelineTasks with their Tasks and Pipelines; a resolver's params may refer to `outer`."""
    result: list[_Resolved] = []
    for index, task in enumerate(tasks):
        where = place.at(index)
        if task.task_ref is not None or task.task_spec is not None:
            definition = _task(task, where, outer, state)
            result.append(_Unresolved(task, where) if definition is None else PipelineTask.of(task, where, definition))
        else:
            pipeline = _pipeline(task, where, ancestry, outer, state)
            result.append(_Unresolved(task, where) if pipeline is None else _Nested(task, where, pipeline))
    return result


def _task(
    task: pipelines.PipelineTask, place: Place, outer: OuterScope, state: CompilerState
) -> Definition[TaskSpec] | None:
    if task.task_ref is not None:
        where, name = place.at("taskRef"), task.task_ref.name
        variables = Variables(outer.names, outer.values, state.report)
        variables.check(name, where.at("name"))
        name = variables.resolve(name, where.at("name"))
        if is_unresolved(name, outer.names):
            state.report.extend(without_value(name, where.at("name"), state.report))
            return None
        reference = task.task_ref.model_copy(update={"name": name})
        return state.catalog.task(reference, where, outer)
    assert task.task_spec is not None
    if task.task_spec.is_custom:
        state.report.add(custom_task_problem(place.at("taskSpec")))
        return None
    return Definition(task.name, task.task_spec, place.at("taskSpec"), embedded=True)


def _pipeline(
    task: pipelines.PipelineTask, place: Place, ancestry: Ancestry, outer: OuterScope, state: CompilerState
) -> Definition[PipelineSpec] | None:
    if task.pipeline_spec is not None:
        return Definition(task.name, task.pipeline_spec, place.at("pipelineSpec"), embedded=True)
    assert task.pipeline_ref is not None
    where = place.at("pipelineRef")
    definition = state.catalog.pipeline(task.pipeline_ref, where, outer)
    if definition is None:
        return None
    at = where.at("resolver" if definition.origin else "name")
    if definition.identity in ancestry.referred_from:
        circle = " → ".join((*ancestry.referred_from, definition.identity))
        state.report.add(at.problem("cycle", f"the Pipeline contains itself: {circle}"))
        return None
    if len(ancestry.path) >= MAX_DEPTH:
        message = f"Pipelines are nested deeper than {MAX_DEPTH} levels"
        state.report.add(at.problem("too-deep", message))
        return None
    if definition.origin and len(ancestry.referred_from) >= MAX_REMOTE_DEPTH:
        message = f"remote Pipelines are nested deeper than {MAX_REMOTE_DEPTH} levels, at {definition.origin}"
        state.report.add(at.problem("too-deep", message))
        return None
    return definition


def _outputs(task: _Resolved) -> Outputs:
    if isinstance(task, _Unresolved):
        return Outputs(None)
    if isinstance(task, PipelineTask):
        return Outputs(declared_results(task.definition.spec.results), task.task.matrix is not None)
    return Outputs({result.name: Shape(result.type or "string") for result in task.definition.spec.results})


def _grouped(task: _Resolved, report: Report) -> GroupedTask:
    annotations = Annotations.of_task(task.definition) if isinstance(task, PipelineTask) else None
    return grouped_task(task.task, task.place, annotations, report)


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
            _check_unresolved(source, scope, state)
        else:
            compiled.append(_compiled(source, orders, scope, ancestry, state))
    return tuple(compiled)


def _check_unresolved(source: _Unresolved, scope: PipelineScope, state: CompilerState) -> None:
    """Report the problems of a PipelineTask that do not depend on its Task or Pipeline."""
    matrix, report = source.task.matrix, state.report
    of_matrix = Names(
        dict.fromkeys((("params", name) for name in matrix.names()), STRING) if matrix else {}, scope.names
    )
    report.extend(check(source.task.display_name, "text", of_matrix, source.place.at("displayName")))
    of_task = [("context",), ("workspaces",), ("results",), ("steps",), ("artifacts",), ("credentials",)]
    names = Names({}, scope.names, unresolved=of_task)
    for argument in passed_params(source.task, source.place):
        report.extend(check_value(argument.value, names, argument.place))
    report.extend(check_guards(source.task.when, scope.names, source.place.at("when"), has_cel=state.has_cel))
    variables = Variables(scope.names, scope.values, report)
    bind_for_pipeline(bindings_of(source.task, source.place), scope.workspaces, "what it runs", variables)


def _compiled(
    source: PipelineTask | _Nested,
    orders: Mapping[str, Order],
    scope: PipelineScope,
    ancestry: Ancestry,
    state: CompilerState,
) -> plan.Task:
    """Return a Task of the Plan. Raises CompilationStoppedError if it is too large."""
    order = orders[source.task.name]
    left_out = scope.left_out.get(source.task.name)
    if left_out is not None:
        return task_in_plan(source.task, source.definition.name, order, left_out)
    try:
        if isinstance(source, PipelineTask):
            return compile_task(source, order, scope, state)
        return _compile_nested(source, order, scope, ancestry, state)
    except TooLargeError as error:
        state.report.add(source.place.problem("too-large", str(error)))
        raise CompilationStoppedError from error


def _compile_nested(
    source: _Nested, order: Order, scope: PipelineScope, ancestry: Ancestry, state: CompilerState
) -> plan.Task:
    task, place, report = source.task, source.place, state.report
    for field, value in (("matrix", task.matrix), ("retries", task.retries)):
        if value:
            message = f"a Pipeline that runs as a Task cannot have {field}, as in Tekton"
            report.add(place.at(field).problem("unsupported", message))
    report.extend(check(task.display_name, "text", scope.names, place.at("displayName")))
    report.extend(check_guards(task.when, scope.names, place.at("when"), has_cel=state.has_cel))
    params = _bind_params(source, scope, report)
    workspaces = _bind_workspaces(source, scope, report)
    inner = Ancestry((*ancestry.path, task.name), ancestry.referred_from, ancestry.run.inner(task.name))
    pipeline = compile_pipeline(source.definition, params, workspaces, inner, state)
    return plan.Task(
        name=task.name,
        task_name=source.definition.name,
        display_name=task.display_name,
        after=order.after,
        result_sources=order.sources,
        when=plan_guards(task.when),
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


def _bind_params(source: _Nested, scope: PipelineScope, report: Report) -> BoundParams:
    """Return the params of a Pipeline in a Pipeline; an embedded Pipeline also gets the outer params that it uses."""
    definition = source.definition
    receiver = f"the Pipeline '{definition.name}'"
    inner = Scope(context_of(definition, scope.run.inner(source.task.name)))
    declared = [
        (_with_names(spec, inner), definition.place.at("params", index))
        for index, spec in enumerate(definition.spec.params)
    ]
    arguments = passed_params(source.task, source.place)
    for argument in arguments:
        report.extend(check_value(argument.value, scope.names, argument.place))
    outer = scope.names if definition.embedded else NO_NAMES
    default_names = Names({}, outer, hidden=("context",), refused=_why_not_in_a_default)
    declaration = Declaration(receiver, declared, default_names)
    if not definition.embedded:
        report.extend(undeclared_params(arguments, declaration))
    bound = bind(declaration, arguments, OuterScope(scope.names, scope.values, definition.embedded), source.place)
    report.extend(bound.problems)
    return _with_inherited(bound, definition.spec, scope) if definition.embedded else bound


def _with_names(spec: ParamSpec, context: Scope) -> ParamSpec:
    """Return a param whose default has the names of its own run, not those of the outer one."""
    if not any(reference.path[0] == "context" for reference in references_in(spec.default or "")):
        return spec
    return spec.model_copy(update={"default": evaluate(spec.default or "", context)})


_KNOWN_BY = {"name": "compile a run with a name as a Pod", "namespace": "choose it with --namespace"}


def _why_not_in_a_default(path: Path) -> str | None:
    if path[:2] != ("context", "pipelineRun") and path != PIPELINE_NAME:
        return None
    way_out = "set the param in the PipelineTask"
    if path[-1] in _KNOWN_BY:
        way_out += f", or {_KNOWN_BY[path[-1]]}"
    return f"the default of a Pipeline that runs as a Task needs a value that is known when compiling; {way_out}"


def _with_inherited(bound: BoundParams, spec: PipelineSpec, scope: PipelineScope) -> BoundParams:
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
    return replace(bound, params=tuple(params), shapes=shapes, known=known)


def _bind_workspaces(source: _Nested, scope: PipelineScope, report: Report) -> Bindings:
    definition = source.definition
    receiver = pipeline_receiver(definition, source.place)
    variables = Variables(scope.names, scope.values, report)
    bound: Bindings = bind_for_pipeline(
        bindings_of(source.task, source.place), scope.workspaces, receiver.name, variables
    )
    if definition.embedded:
        bound = {**scope.workspaces, **bound}
    report.extend(missing_workspaces(receiver, bound))
    return bind_pipeline(receiver, bound)


def pipeline_receiver(definition: Definition[PipelineSpec], place: Place) -> Receiver:
    """Return a Pipeline as the receiver of Workspaces; `place` is where the run or PipelineTask uses it."""
    declared = [
        (workspace, definition.place.at("workspaces", index))
        for index, workspace in enumerate(definition.spec.workspaces)
    ]
    return Receiver(f"the Pipeline '{definition.name}'", declared, place, definition.embedded)


def _result_problems(spec: PipelineSpec, place: Place, names: Names) -> Iterator[Problem]:
    for index, result in enumerate(spec.results):
        yield from check_value(result.value, names, place.at("results", index, "value"))
