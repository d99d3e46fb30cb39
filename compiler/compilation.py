"""Compiling: documents in, the Plan and the Pod of a run out.

Left to others: every stage of it. This module says in which order they come, and raises what they found wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from monopod.compiler.catalog import Catalog, Found
from monopod.compiler.diagnostics import Problem, Problems
from monopod.compiler.documents import Documents
from monopod.compiler.ordering import Order
from monopod.compiler.params import Around, Bound, Declaration, bind
from monopod.compiler.pipelines import Ancestry, compile_pipeline
from monopod.compiler.pod import make_pod
from monopod.compiler.pod_draft import PodDraft
from monopod.compiler.pod_parts import PodParts
from monopod.compiler.references import Names, Shape
from monopod.compiler.run_selection import Asked, Run, select
from monopod.compiler.tasks import CompilerState, PipelineScope, PipelineTask, compile_task
from monopod.compiler.unsupported import in_pipeline_run, in_task_run
from monopod.compiler.variables_in_scope import RUN_CONTEXT
from monopod.compiler.workspaces import Texts, bind_pipeline, bind_run
from monopod.schemas import plan, tekton
from monopod.schemas.kubernetes import ConfigMap, PersistentVolumeClaim, Secret
from monopod.schemas.plan import Value
from monopod.schemas.tekton import DEFAULT_TIMEOUT
from monopod.schemas.variables import Path, Scope


@dataclass(frozen=True, slots=True)
class Options:
    """How to compile: params and Workspaces as on the command line; ``name`` chooses among several things to run."""

    params: tuple[tuple[str, str], ...] = ()
    workspaces: tuple[tuple[str, str], ...] = ()
    name: str | None = None
    namespace: str | None = None
    runtime_image: str = "monopod"
    log_format: Literal["human", "json"] = "human"


@dataclass(frozen=True, slots=True)
class Compilation:
    """What came of compiling. The objects given beside the run, and those of kinds unknown, are as they were given."""

    plan: plan.Plan
    pod: dict[str, Any]
    config_maps: tuple[dict[str, Any], ...]
    secrets: tuple[dict[str, Any], ...]
    claims: tuple[dict[str, Any], ...]
    passed_through: tuple[dict[str, Any], ...]
    warnings: tuple[Problem, ...]


def compile_run(documents: Documents, options: Options) -> Compilation:
    """Return the Plan and the Pod of what the documents and options say. Raises Problems."""
    state = CompilerState(Catalog(documents), PodDraft())
    asked = Asked(options.name, options.params, options.workspaces)
    run = select(documents, state.catalog, asked, state.problems)
    if run is None:
        raise Problems(state.problems)
    pipeline = _compile_pipeline_run(run, state) if run.pipeline is not None else _compile_task_run(run, state)
    errors = [problem for problem in state.problems if problem.severity == "error"]
    if errors:
        raise Problems(errors)
    whole = plan.Plan(pipeline, run.document)
    pod = make_pod(
        whole, _parts(run, options, state), runtime_image=options.runtime_image, log_format=options.log_format
    )
    warnings = (*run.warnings, *(problem for problem in state.problems if problem.severity == "warning"))
    return Compilation(
        whole,
        pod,
        tuple(document.data for document, _ in documents.of(ConfigMap)),
        tuple(document.data for document, _ in documents.of(Secret)),
        tuple(document.data for document, _ in documents.of(PersistentVolumeClaim)),
        tuple(document.data for document in documents.others()),
        tuple(sorted(set(warnings))),
    )


def _compile_pipeline_run(run: Run, state: CompilerState) -> plan.Pipeline:
    found = run.pipeline
    assert found is not None
    receiver = f"the Pipeline '{found.name}'"
    spec = run.spec
    if isinstance(spec, tekton.PipelineRunSpec):
        state.problems.extend(in_pipeline_run(spec, run.place))
    params = _bind_params(run, found, receiver, state)
    volumes = bind_run(
        run.workspaces, Texts(Names(params.shapes, Names(RUN_CONTEXT)), Scope(params.known)), state.problems
    )
    declared = [(each, found.place.at("workspaces", index)) for index, each in enumerate(found.spec.workspaces)]
    workspaces = bind_pipeline(
        declared, volumes, inherited=found.embedded, receiver=receiver, place=run.place, problems=state.problems
    )
    pipeline = compile_pipeline(found, params, workspaces, Ancestry(), state)
    return _with_timeouts(pipeline, spec.timeouts if isinstance(spec, tekton.PipelineRunSpec) else None)


def _compile_task_run(run: Run, state: CompilerState) -> plan.Pipeline:
    """Return a Pipeline of the one Task."""
    found = run.task
    assert found is not None
    spec = run.spec if isinstance(run.spec, tekton.TaskRunSpec) else tekton.TaskRunSpec.model_construct()
    state.problems.extend(in_task_run(spec, run.place))
    values: dict[Path, Value] = {("params", each.name): each.value for each in run.params}
    declared = Names({("params", each.name): Shape(each.value_type) for each in found.spec.params})
    volumes = bind_run(run.workspaces, Texts(declared, Scope(values)), state.problems)
    task = tekton.PipelineTask.model_construct(
        name=found.name,
        retries=spec.retries,
        timeout=DEFAULT_TIMEOUT if spec.timeout is None else spec.timeout,
        workspaces=tuple(tekton.WorkspacePipelineTaskBinding(name=name) for name in volumes),
    )
    scope = PipelineScope((), Names({}), Scope({}), volumes)
    compiled = compile_task(PipelineTask(task, run.place, found, run.params), Order(), scope, state)
    return plan.Pipeline(found.name, tasks=(compiled,))


def _bind_params(run: Run, found: Found[tekton.PipelineSpec], receiver: str, state: CompilerState) -> Bound:
    """Return the params of a run. What is given and not declared can be used all the same (Tekton: extra params)."""
    names = Names(RUN_CONTEXT)
    declared = [(spec, found.place.at("params", index)) for index, spec in enumerate(found.spec.params)]
    declaration = Declaration(receiver, declared, names)
    return bind(declaration, run.params, Around(names, inherited=True), run.place, state.problems)


def _with_timeouts(pipeline: plan.Pipeline, timeouts: tekton.TimeoutFields | None) -> plan.Pipeline:
    """Return the Pipeline with its limits; 0 is none (Tekton docs/pipelineruns.md, "Configuring a failure timeout")."""
    whole = timeouts.pipeline if timeouts is not None and timeouts.pipeline is not None else DEFAULT_TIMEOUT
    tasks = timeouts.tasks if timeouts is not None else None
    final = timeouts.finally_ if timeouts is not None else None
    if whole and tasks is None and final:
        tasks = whole - final
    elif whole and final is None and tasks:
        final = whole - tasks
    return plan.Pipeline(
        pipeline.name,
        pipeline.params,
        pipeline.tasks,
        pipeline.final_tasks,
        pipeline.results,
        pipeline.variables,
        whole or None,
        tasks or None,
        final or None,
    )


def _parts(run: Run, options: Options, state: CompilerState) -> PodParts:
    metadata = run.document["metadata"]
    pod_fields: dict[str, Any] = {}
    account = _service_account(run)
    if account:
        pod_fields["serviceAccountName"] = account
    return PodParts(
        name=metadata.get("name"),
        generate_name=metadata.get("generateName"),
        namespace=options.namespace or metadata.get("namespace"),
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        containers=tuple(state.draft.containers),
        volumes=tuple(state.draft.volumes),
        pod_fields=pod_fields,
    )


def _service_account(run: Run) -> str:
    if isinstance(run.spec, tekton.PipelineRunSpec):
        return run.spec.task_run_template.service_account_name
    return run.spec.service_account_name if run.spec is not None else ""
