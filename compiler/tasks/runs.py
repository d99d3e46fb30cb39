"""A run: from the PipelineRun or TaskRun that was chosen to the Pipeline of the Plan.

Rules:

- What a run gives and its Pipeline does not declare can be used all the same (Tekton docs/pipelineruns.md, "Extra
  Parameters").
- A TaskRun is a Pipeline of one Task.
- Without a limit of its own a run may take an hour (Tekton's default-timeout-minutes).

Left to others: choosing the run (``run_selection``), the Pipeline (``pipelines``), the Task (``pipeline_tasks``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from monopod.compiler.documents.places import OptionPlace
from monopod.compiler.documents.run_selection import Run
from monopod.compiler.documents.unsupported import in_run
from monopod.compiler.pod.pod_template import of_pipeline_run, of_task_run
from monopod.compiler.scope.params import Around, Bound, Declaration, bind
from monopod.compiler.scope.references import Names
from monopod.compiler.scope.texts import paths_in
from monopod.compiler.scope.variables_in_scope import RUN_CONTEXT, TASK_RUN_CONTEXT
from monopod.compiler.tasks.fan_out import limit_of
from monopod.compiler.tasks.ordering import Order
from monopod.compiler.tasks.pipeline_tasks import PipelineScope, PipelineTask, compile_task
from monopod.compiler.tasks.pipelines import Ancestry, compile_pipeline
from monopod.compiler.tasks.state import CompilerState
from monopod.compiler.tasks.workspaces import Texts, bind_pipeline, bind_run, bound_in_vain
from monopod.schemas import plan
from monopod.schemas.tekton import pipelines
from monopod.schemas.tekton.pipelines import PipelineSpec, WorkspacePipelineTaskBinding
from monopod.schemas.tekton.runs import DEFAULT_TIMEOUT, PipelineRunSpec, TaskRunSpec, TimeoutFields
from monopod.schemas.tekton.tasks import Sidecar, Step, TaskSpec
from monopod.schemas.variables import Scope


@dataclass(frozen=True, slots=True)
class CompiledRun:
    """The Pipeline of the Plan, and the fields that the run asks of its Pod."""

    pipeline: plan.Pipeline
    pod_fields: dict[str, Any]


def compile_selected(run: Run, state: CompilerState) -> CompiledRun:
    """Return what is run; its containers and volumes are added to the draft of the Pod."""
    if state.max_concurrency is None:
        state = replace(state, max_concurrency=_limit(run, state))
    return _compile_pipeline_run(run, state) if run.pipeline is not None else _compile_task_run(run, state)


def _limit(run: Run, state: CompilerState) -> int | None:
    """Return how many combinations of a matrix may run at the same time: what the run says, or its Pipeline."""
    own = limit_of(run.document["metadata"].get("annotations") or {}, run.metadata_place, state.problems)
    found = run.pipeline
    if own is not None or found is None or found.metadata is None:
        return own
    return limit_of(found.metadata.annotations, found.metadata_place, state.problems)


def _compile_pipeline_run(run: Run, state: CompilerState) -> CompiledRun:
    found, spec = run.pipeline, run.spec
    assert found is not None
    receiver = f"the Pipeline '{found.name}'"
    declared = [(each, found.place.at("params", index)) for index, each in enumerate(found.spec.params)]
    params, texts = _bind_params(run, Declaration(receiver, declared, Names(RUN_CONTEXT), of_run=True), state)
    if isinstance(spec, PipelineRunSpec):
        state.problems.extend(in_run(spec, run.place, state.labels, keep_claims=state.keep_volume_claims))
        tasks = {task.name: task for task in (*found.spec.tasks, *found.spec.finally_)}
        settings = of_pipeline_run(spec, run.place, tasks, texts, (state.draft, state.problems))
        state = replace(state, settings=settings)
    volumes = bind_run(run.workspaces, texts, state.problems, keep_claims=state.keep_volume_claims)
    state.problems.extend(
        bound_in_vain(run.workspaces, _workspaces_known(found.spec, embedded=found.embedded), receiver)
    )
    workspaces = bind_pipeline(
        [(each, found.place.at("workspaces", index)) for index, each in enumerate(found.spec.workspaces)],
        volumes,
        inherited=found.embedded,
        receiver=receiver,
        place=run.place,
        problems=state.problems,
    )
    pipeline = compile_pipeline(found, params, workspaces, Ancestry(run=run.names), state)
    return CompiledRun(_with_timeouts(pipeline, _timeouts(run, state)), state.settings.fields)


def _bind_params(run: Run, declaration: Declaration, state: CompilerState) -> tuple[Bound, Texts]:
    """Return the params of a run, and what the run's own texts may refer to."""
    context = declaration.default_names
    around = Around(context, Scope(run.names.of_run(), budget=state.budget), inherited=True)
    bound = bind(declaration, run.params, around, run.place, state.problems)
    return bound, Texts(Names(bound.shapes, context), bound.values(run.names.of_run()))


def _workspaces_known(spec: PipelineSpec | TaskSpec, *, embedded: bool) -> set[str]:
    """Return the Workspaces that a Pipeline or Task declares or, embedded in the run, uses at any depth."""
    return _declared_or_used(spec) if embedded else {each.name for each in spec.workspaces}


def _declared_or_used(spec: PipelineSpec | TaskSpec) -> set[str]:
    names = {each.name for each in spec.workspaces}
    names |= {path[1] for path in paths_in(spec) if path[0] == "workspaces"}
    if isinstance(spec, TaskSpec):
        users: list[Step | Sidecar] = [*spec.steps, *spec.sidecars]
        return names | {each.name for user in users for each in user.workspaces}
    for task in (*spec.tasks, *spec.finally_):
        names |= {each.workspace or each.name for each in task.workspaces}
        if task.task_spec is not None:
            names |= _declared_or_used(task.task_spec)
        elif task.pipeline_spec is not None:
            names |= _declared_or_used(task.pipeline_spec)
    return names


def _timeouts(run: Run, state: CompilerState) -> TimeoutFields:
    """Return the limits of the run; ``--timeout`` takes the place of `timeouts.pipeline`."""
    given = run.spec.timeouts if isinstance(run.spec, PipelineRunSpec) else None
    timeouts = given or TimeoutFields()
    if run.timeout is not None:
        timeouts = timeouts.model_copy(update={"pipeline": run.timeout})
        for path, message in timeouts.problems():
            part = ".".join(map(str, path))
            state.problems.append(OptionPlace("--timeout").problem("timeouts", f"timeouts.{part} {message}"))
    return timeouts


def _with_timeouts(pipeline: plan.Pipeline, timeouts: TimeoutFields) -> plan.Pipeline:
    """Return the Pipeline with its limits; 0 is none (Tekton docs/pipelineruns.md, "Configuring a failure timeout")."""
    whole = DEFAULT_TIMEOUT if timeouts.pipeline is None else timeouts.pipeline
    tasks, final = timeouts.tasks, timeouts.finally_
    if whole and tasks is None and final:
        tasks = whole - final
    elif whole and final is None and tasks:
        final = whole - tasks
    return pipeline._replace(timeout=whole or None, tasks_timeout=tasks or None, finally_timeout=final or None)


def _compile_task_run(run: Run, state: CompilerState) -> CompiledRun:
    found = run.task
    assert found is not None
    spec = run.spec if isinstance(run.spec, TaskRunSpec) else TaskRunSpec.model_construct()
    state.problems.extend(in_run(spec, run.place, state.labels, keep_claims=state.keep_volume_claims))
    declared = [(each, found.place.at("params", index)) for index, each in enumerate(found.spec.params)]
    # Problems with the params are told when the Task is compiled: this is for what the run itself refers to.
    declaration = Declaration(f"the Task '{found.name}'", declared, Names(TASK_RUN_CONTEXT))
    _, texts = _bind_params(run, declaration, replace(state, problems=[]))
    state = replace(state, settings=of_task_run(spec, run.place, texts, (state.draft, state.problems)))
    volumes = bind_run(run.workspaces, texts, state.problems, keep_claims=state.keep_volume_claims)
    state.problems.extend(
        bound_in_vain(run.workspaces, _workspaces_known(found.spec, embedded=found.embedded), declaration.receiver)
    )
    timeout = DEFAULT_TIMEOUT if spec.timeout is None else spec.timeout
    task = pipelines.PipelineTask.model_construct(
        name=found.name,
        retries=spec.retries,
        timeout=timeout if run.timeout is None else run.timeout,
        workspaces=tuple(WorkspacePipelineTaskBinding(name=name) for name in volumes),
    )
    scope = PipelineScope((), Names({}), Scope({}, budget=state.budget), volumes, run.names)
    compiled = compile_task(PipelineTask(task, run.place, found, run.params, of_run=True), Order(), scope, state)
    return CompiledRun(plan.Pipeline(found.name, tasks=(compiled,)), state.settings.fields)
