"""A run: binds its params, Workspaces and settings, then lowers it to the Pipeline of the Plan.

Rules:

- The params of a run, and the defaults of a Pipeline, may name the run and its Pipeline; neither sees Tasks.
- A run may set params and Workspaces that its Pipeline does not declare (Tekton docs/pipelineruns.md, "Extra
  Parameters").
- A TaskRun becomes a Pipeline of one Task.
- A run without a timeout may take one hour (Tekton's default-timeout-minutes).

Left to others: choosing the run (``run_selection``), lowering Pipelines (``pipelines``) and Tasks (``pipeline_tasks``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monopod.compiler.diagnostics import Report
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.places import OptionPlace
from monopod.compiler.documents.run_selection import Run
from monopod.compiler.documents.unsupported import in_run
from monopod.compiler.pod.draft import PodDraft
from monopod.compiler.pod.pod_template import NO_SETTINGS, PodSettings, of_pipeline_run, of_task_run
from monopod.compiler.scope.params import BoundParams, Declaration, OuterScope, bind
from monopod.compiler.scope.references import STRING, Names
from monopod.compiler.scope.texts import paths_in
from monopod.compiler.scope.variables import Variables
from monopod.compiler.scope.variables_in_scope import PIPELINE_NAME, RUN_CONTEXT, TASK_RUN_CONTEXT
from monopod.compiler.tasks.fan_out import max_concurrency
from monopod.compiler.tasks.grouped_tasks import grouped_task
from monopod.compiler.tasks.left_out import without_pipeline
from monopod.compiler.tasks.ordering import Order
from monopod.compiler.tasks.pipeline_tasks import PipelineScope, PipelineTask, compile_task
from monopod.compiler.tasks.pipelines import Ancestry, compile_pipeline, context_of, pipeline_receiver
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.workspaces import (
    Bindings,
    bind_pipeline,
    bind_workspaces,
    bound_in_vain,
    missing_workspaces,
)
from monopod.schemas import plan
from monopod.schemas.tekton import pipelines
from monopod.schemas.tekton.pipelines import PipelineSpec, WorkspacePipelineTaskBinding
from monopod.schemas.tekton.runs import DEFAULT_TIMEOUT, PipelineRunSpec, TaskRunSpec, TimeoutFields
from monopod.schemas.tekton.tasks import Sidecar, Step, TaskSpec
from monopod.schemas.variables import Scope


@dataclass(frozen=True, slots=True)
class BoundRun:
    """A run with the params, Workspaces and settings for its Pipeline or Task.

    ``settings`` are for the Pod, ``timeouts`` for a Pipeline. ``max_concurrency`` limits the combinations of a matrix.
    """

    run: Run
    params: BoundParams
    workspaces: Bindings
    settings: PodSettings
    timeouts: TimeoutFields
    max_concurrency: int | None


def bind_run(run: Run, state: CompilerState) -> BoundRun:
    """Return the run with its params, Workspaces and settings. Raises TooLargeError."""
    report = state.report
    context = Names(TASK_RUN_CONTEXT if run.pipeline is None else RUN_CONTEXT)
    outer = _outer_scope(run, state)
    declaration = _declaration(run, outer.names)
    params = bind(declaration, run.params, outer, run.place)
    variables = Variables(Names(params.shapes, context), params.values(run.names.of_run()), report)
    if run.pipeline is not None:
        report.extend(params.problems)  # problems with a Task's params are reported when it is lowered
    if run.spec is not None:
        report.extend(in_run(run.spec, run.place, state.labels, keep_claims=state.keep_volume_claims))
    settings = _settings(run, variables, state.draft)
    workspaces: Bindings = bind_workspaces(run.workspaces, variables, keep_claims=state.keep_volume_claims)
    report.extend(bound_in_vain(run.workspaces, _known_workspaces(run), declaration.receiver))
    if run.pipeline is not None:
        receiver = pipeline_receiver(run.pipeline, run.place)
        report.extend(missing_workspaces(receiver, workspaces))
        workspaces = bind_pipeline(receiver, workspaces)
    limit = state.max_concurrency if state.max_concurrency is not None else _max_concurrency(run, report)
    return BoundRun(run, params, workspaces, settings, _timeouts(run, report), limit)


def lower_run(bound: BoundRun, state: CompilerState) -> plan.Pipeline:
    """Return the Pipeline of the Plan; its containers and volumes are added to the draft of the Pod.

    Raises TooLargeError, and CompilationStoppedError for a Task that is too large.
    """
    state = replace(state, settings=bound.settings, max_concurrency=bound.max_concurrency)
    run = bound.run
    if run.pipeline is None:
        state.report.extend(without_pipeline(state.selection))
        return _lower_task_run(bound, state)
    pipeline = compile_pipeline(run.pipeline, bound.params, bound.workspaces, Ancestry(run=run.names), state)
    return _with_timeouts(pipeline, bound.timeouts)


def _outer_scope(run: Run, state: CompilerState) -> OuterScope:
    """Return the scope of the params of a run, and of the defaults of its Pipeline or Task."""
    if run.pipeline is None:
        shapes, values = TASK_RUN_CONTEXT, run.names.of_run()
    else:
        shapes, values = {**RUN_CONTEXT, PIPELINE_NAME: STRING}, context_of(run.pipeline, run.names)
    return OuterScope(Names(shapes), Scope(values, budget=state.budget), inherited=True)


def _declaration(run: Run, context: Names) -> Declaration:
    definition = run.definition
    declared = [(spec, definition.place.at("params", index)) for index, spec in enumerate(definition.spec.params)]
    is_pipeline = run.pipeline is not None
    receiver = f"the {'Pipeline' if is_pipeline else 'Task'} '{definition.name}'"
    return Declaration(receiver, declared, context, of_run=is_pipeline)


def _settings(run: Run, variables: Variables, draft: PodDraft) -> PodSettings:
    if isinstance(run.spec, TaskRunSpec):
        settings = of_task_run(run.spec, run.place, variables, draft)
        return replace(settings, base=replace(settings.base, annotations=run.own_annotations))
    if run.spec is None or run.pipeline is None:
        return NO_SETTINGS
    spec = run.pipeline.spec
    tasks = {task.name: task for task in (*spec.tasks, *spec.finally_)}
    return of_pipeline_run(run.spec, run.place, tasks, variables, draft)


def _max_concurrency(run: Run, report: Report) -> int | None:
    """Return how many combinations of a matrix may run at the same time, as the run or its Pipeline sets it."""
    return max_concurrency(run.annotations[: 1 if run.pipeline is None else None], report)


def _known_workspaces(run: Run) -> set[str]:
    """Return the Workspaces that a Pipeline or Task declares or, if it is embedded, uses at any depth."""
    definition = run.definition
    return (
        _declared_or_used(definition.spec)
        if definition.embedded
        else {workspace.name for workspace in definition.spec.workspaces}
    )


def _declared_or_used(spec: PipelineSpec | TaskSpec) -> set[str]:
    names = {workspace.name for workspace in spec.workspaces}
    names |= {path[1] for path in paths_in(spec) if path[0] == "workspaces"}
    if isinstance(spec, TaskSpec):
        users: list[Step | Sidecar] = [*spec.steps, *spec.sidecars]
        return names | {workspace.name for user in users for workspace in user.workspaces}
    for task in (*spec.tasks, *spec.finally_):
        names |= {workspace.workspace or workspace.name for workspace in task.workspaces}
        if task.task_spec is not None:
            names |= _declared_or_used(task.task_spec)
        elif task.pipeline_spec is not None:
            names |= _declared_or_used(task.pipeline_spec)
    return names


def _timeouts(run: Run, report: Report) -> TimeoutFields:
    """Return the limits of a PipelineRun; ``--timeout`` replaces ``timeouts.pipeline``."""
    own = run.spec.timeouts if isinstance(run.spec, PipelineRunSpec) else None
    timeouts = own or TimeoutFields()
    if run.timeout is not None and run.pipeline is not None:
        timeouts = timeouts.model_copy(update={"pipeline": run.timeout})
        for path, message in timeouts.problems():
            part = ".".join(map(str, path))
            report.add(OptionPlace("--timeout").problem("timeouts", f"timeouts.{part} {message}"))
    return timeouts


def _with_timeouts(pipeline: plan.Pipeline, timeouts: TimeoutFields) -> plan.Pipeline:
    """Return the Pipeline with its limits; 0 means that there is none.

    See Tekton docs/pipelineruns.md, "Configuring a failure timeout".
    """
    whole = DEFAULT_TIMEOUT if timeouts.pipeline is None else timeouts.pipeline
    tasks, final = timeouts.tasks, timeouts.finally_
    if whole and tasks is None and final:
        tasks = whole - final
    elif whole and final is None and tasks:
        final = whole - tasks
    return pipeline._replace(timeout=whole or None, tasks_timeout=tasks or None, finally_timeout=final or None)


def _lower_task_run(bound: BoundRun, state: CompilerState) -> plan.Pipeline:
    run, definition = bound.run, bound.run.task
    assert definition is not None
    spec = run.spec if isinstance(run.spec, TaskRunSpec) else TaskRunSpec.model_construct()
    timeout = DEFAULT_TIMEOUT if spec.timeout is None else spec.timeout
    task = pipelines.PipelineTask.model_construct(
        name=definition.name,
        retries=spec.retries,
        timeout=timeout if run.timeout is None else run.timeout,
        workspaces=tuple(WorkspacePipelineTaskBinding(name=name) for name in bound.workspaces),
    )
    state.grouped.append(grouped_task(task, run.place, Annotations.of_task(definition), state.report))
    scope = PipelineScope((), Names({}), Scope({}, budget=state.budget), bound.workspaces, run.names)
    compiled = compile_task(PipelineTask(task, run.place, definition, run.params, of_run=True), Order(), scope, state)
    return plan.Pipeline(definition.name, tasks=(compiled,))
