"""Selecting the runs: the PipelineRuns and TaskRuns in the files, or one generated for a bare Pipeline or Task.

Rules:

- All runs in the files are selected, in order, as with `kubectl create`. Without a run, the Pipeline is selected (if
  there are several, the Pipeline that no other uses), and without a Pipeline the Task.
- A run of a template, such as a JobConfig of Furiko, is selected only if there is no other run. Of several, one is
  chosen, except for CronJobs: each template becomes one.
- ``--name`` chooses by name or generateName: the runs, else the Pipeline, else the Task.
- ``-p`` and ``-w`` override the run's own params and Workspaces, and must name declared ones. A param of a
  TriggerTemplate was filled in when its objects were read.
- A Workspace that a bare Pipeline or Task needs and that is not bound becomes an emptyDir, with a warning.

Left to others: checking the values (``params``), and the volumes of Workspaces (``workspaces``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from monopod.compiler.diagnostics import CompilationStoppedError, Problem, Problems, Report, closest, did_you_mean
from monopod.compiler.documents.annotations import Annotations
from monopod.compiler.documents.catalog import Catalog, Definition
from monopod.compiler.documents.documents import Document, Documents
from monopod.compiler.documents.foreign_files import of_another_api
from monopod.compiler.documents.option_values import parse_binding, parse_folder, parse_param
from monopod.compiler.documents.places import DocumentPlace, OptionPlace, Place
from monopod.compiler.options import Folders, Options
from monopod.compiler.scope.params import Argument, OuterScope, value_if_known
from monopod.compiler.scope.references import Names, shape_of
from monopod.compiler.scope.run_names import RunNames
from monopod.compiler.scope.variables_in_scope import RUN_CONTEXT, TASK_RUN_CONTEXT
from monopod.schemas.formats.duration import to_text
from monopod.schemas.plan import Value, ValueType
from monopod.schemas.tekton.params import ParamSpec, type_of
from monopod.schemas.tekton.pipelines import Pipeline, PipelineSpec, PipelineWorkspaceDeclaration
from monopod.schemas.tekton.runs import PipelineRun, PipelineRunSpec, TaskRun, TaskRunSpec
from monopod.schemas.tekton.tasks import Task, TaskSpec, WorkspaceDeclaration
from monopod.schemas.variables import Path, Scope

RunKind = Literal["PipelineRun", "TaskRun"]


@dataclass(frozen=True, slots=True)
class BoundByRun:
    """A volume that the run binds to a Workspace: the fields of a WorkspaceBinding, or of ``-w``.

    ``folder`` is a folder of this machine that is copied to the volume.
    """

    name: str
    fields: dict[str, Any]
    place: Place
    folder: str | None = None


_NO_VALUE: dict[ValueType, Value] = {"string": "", "array": (), "object": {}}
"""The value of a param whose option is wrong. The option is reported."""


@dataclass(frozen=True, slots=True)
class Run:
    """A PipelineRun or TaskRun. Exactly one of `pipeline` and `task` is set; `spec` only if a file has the run.

    `source` is the document of the run or, for a generated run, of its Pipeline or Task.
    `document` is the run as plain data, for the run's status. `timeout` is from the command line, in seconds.
    """

    kind: RunKind
    source: Document
    document: dict[str, Any]
    names: RunNames
    pipeline: Definition[PipelineSpec] | None = None
    task: Definition[TaskSpec] | None = None
    params: tuple[Argument, ...] = ()
    workspaces: tuple[BoundByRun, ...] = ()
    spec: PipelineRunSpec | TaskRunSpec | None = None
    timeout: float | None = None

    @property
    def place(self) -> Place:
        """Where its spec is written."""
        return DocumentPlace(self.source, ("spec",))

    @property
    def metadata_place(self) -> Place:
        """Where its metadata is written."""
        return DocumentPlace(self.source, ("metadata",))

    @property
    def own_annotations(self) -> Annotations:
        """Its own annotations."""
        return Annotations(self.document["metadata"].get("annotations") or {}, self.metadata_place)

    @property
    def annotations(self) -> tuple[Annotations, Annotations]:
        """Its own annotations, then those of its Pipeline or Task, over which its own take precedence."""
        return self.own_annotations, Annotations.of_document(self.definition)

    @property
    def definition(self) -> Definition[PipelineSpec] | Definition[TaskSpec]:
        """The Pipeline or Task that is run."""
        definition = self.pipeline or self.task
        assert definition is not None
        return definition

    @property
    def referenced(self) -> str | None:
        """The name of the Pipeline or Task that is referred to, None for an embedded one."""
        return None if self.definition.embedded else self.definition.name


def select(document: Document, catalog: Catalog, options: Options, report: Report) -> Run:
    """Return the run for a chosen document.

    Raises CompilationStoppedError if its Pipeline or Task is missing, and TooLargeError.
    """
    own = tuple(each for each in options.params if each[0] not in document.filled_params)
    options = replace(options, params=own)
    is_run = isinstance(document.model, PipelineRun | TaskRun)
    run = _written_run(document, catalog, options) if is_run else _generated_run(document, options)
    return _with_options(run, _without_filled_params(run, options, catalog.filled_params), report)


# Choosing the documents


def choose(documents: Documents, name: str | None, *, all_templates: bool = False) -> tuple[Document, ...]:
    """Return one document for each run; with `all_templates`, for each template of runs, if there are no runs.

    Raises Problems if there is none, or if the choice is ambiguous.
    """
    with_templates = [document for document in documents if isinstance(document.model, PipelineRun | TaskRun)]
    runs = [document for document in with_templates if not document.is_template]
    templates = [document for document in with_templates if document.is_template]
    pipelines = [document for document in documents if isinstance(document.model, Pipeline)]
    tasks = [document for document in documents if isinstance(document.model, Task)]
    if name is not None:
        return _by_name((runs, templates, pipelines, tasks), name)
    if runs or (templates and all_templates):
        return tuple(runs or templates)
    for candidates in (templates, _not_used_by_others(pipelines), tasks):
        if len(candidates) == 1:
            return (candidates[0],)
        if candidates:
            several = ", ".join(map(_described, candidates))
            message = f"the files define several runs ({several}); choose one with --name"
            raise Problems([DocumentPlace(candidates[1]).problem("several-runs", message)])
    for document in documents:
        if (answer := of_another_api(document.api_version, document.kind)) is not None:
            raise Problems([DocumentPlace(document).problem("foreign-file", answer)])
    there_is = sorted({f"{document.kind} of {document.api_version}" for document in documents})
    message = "nothing to run: the files have no PipelineRun, TaskRun, Pipeline or Task of tekton.dev"
    message += f", only {', '.join(there_is)}" if there_is else ""
    place = DocumentPlace(documents.items[0]) if documents.items else None
    raise Problems([place.problem("nothing-to-run", message) if place else Problem(None, message, "nothing-to-run")])


def _by_name(kinds: Iterable[Sequence[Document]], name: str) -> tuple[Document, ...]:
    names: list[str] = []
    for candidates in kinds:
        chosen = tuple(document for document in candidates if _name(document) == name)
        if chosen:
            return chosen
        names += map(_name, candidates)
    message = f"no run, Pipeline or Task has the name '{name}'{did_you_mean(name, names)}"
    raise Problems([Problem(None, message, "nothing-to-run")])


def _name(document: Document) -> str:
    model = document.model
    assert isinstance(model, PipelineRun | TaskRun | Pipeline | Task)
    name = document.name or model.metadata.generate_name or ""
    return name.rstrip("-") if document.is_template else name


def _described(document: Document) -> str:
    return f"{document.written_kind or document.kind} '{_name(document)}'"


def _not_used_by_others(pipelines: Sequence[Document]) -> Sequence[Document]:
    if len(pipelines) < 2:
        return pipelines
    used = {
        task.pipeline_ref.name
        for document in pipelines
        if isinstance(document.model, Pipeline)
        for task in (*document.model.spec.tasks, *document.model.spec.finally_)
        if task.pipeline_ref is not None
    }
    return [document for document in pipelines if document.name not in used] or pipelines


def params_without_value(documents: Documents, name: str | None, given: Iterable[str]) -> tuple[ParamSpec, ...]:
    """Return the params of the chosen runs that have neither a default nor a value; `given` have one.

    Those of a Pipeline or Task that the files do not have are not known. Raises Problems as `choose` does.
    """
    specs: dict[str, ParamSpec] = {}
    for document in choose(documents, name):
        declared, set_by_run = _declared_params(document, documents)
        missing = (spec for spec in declared if spec.default is None and spec.name not in {*given, *set_by_run})
        specs.update((spec.name, spec) for spec in missing)
    return tuple(specs.values())


def declared_params(documents: Documents, name: str | None) -> Iterable[Sequence[ParamSpec]]:
    """Yield the params that the Pipeline or Task of each chosen run declares, if the files have it."""
    for document in choose(documents, name):
        yield _declared_params(document, documents)[0]


def _declared_params(document: Document, documents: Documents) -> tuple[Sequence[ParamSpec], Iterable[str]]:
    """Return the params that the Pipeline or Task of a document declares, and those that the document sets."""
    match document.model:
        case Pipeline() | Task():
            return document.model.spec.params, ()
        case PipelineRun(spec=spec):
            found_pipeline = documents.find(Pipeline, spec.pipeline_ref.name or "") if spec.pipeline_ref else None
            pipeline = found_pipeline[1].spec if found_pipeline else spec.pipeline_spec
            return () if pipeline is None else pipeline.params, (param.name for param in spec.params)
        case TaskRun(spec=spec_of_task):
            found_task = documents.find(Task, spec_of_task.task_ref.name or "") if spec_of_task.task_ref else None
            task = found_task[1].spec if found_task else spec_of_task.task_spec
            return () if task is None else task.params, (param.name for param in spec_of_task.params)
    return (), ()


# The run


def _written_run(document: Document, catalog: Catalog, options: Options) -> Run:
    place = DocumentPlace(document, ("spec",))
    model = document.model
    assert isinstance(model, PipelineRun | TaskRun)
    spec = model.spec
    run = _named(model.to_kubernetes(), options)  # with the fields in their proper upper and lower case
    run.pop("status", None)
    names = _names_of(run, options)
    outer = _outer_scope(spec, options, names)
    name = _name(document).rstrip("-")  # of an embedded spec
    pipeline: Definition[PipelineSpec] | None = None
    task: Definition[TaskSpec] | None = None
    kind: RunKind
    if isinstance(spec, PipelineRunSpec):
        kind = "PipelineRun"
        if spec.pipeline_spec is not None:
            pipeline = Definition(
                _name(document).rstrip("-"), spec.pipeline_spec, place.at("pipelineSpec"), embedded=True
            )
        elif spec.pipeline_ref is not None:
            pipeline = catalog.pipeline(spec.pipeline_ref, place.at("pipelineRef"), outer)
    else:
        kind = "TaskRun"
        if spec.task_spec is not None:
            task = Definition(name, spec.task_spec, place.at("taskSpec"), embedded=True)
        elif spec.task_ref is not None:
            task = catalog.task(spec.task_ref, place.at("taskRef"), outer)
    if pipeline is None and task is None:
        raise CompilationStoppedError
    params = tuple(
        Argument(param.name, param.value, place.at("params", index, "value")) for index, param in enumerate(spec.params)
    )
    workspaces = tuple(
        BoundByRun(binding.name, binding.to_kubernetes(), place.at("workspaces", index))
        for index, binding in enumerate(spec.workspaces)
    )
    return Run(kind, document, run, names, pipeline, task, params, workspaces, spec)


def _outer_scope(spec: PipelineRunSpec | TaskRunSpec, options: Options, names: RunNames) -> OuterScope:
    """Return the scope for the params of a run's resolver: the params of the run and of the command line."""
    params: dict[Path, Value] = {("params", param.name): param.value for param in spec.params}
    for name, text in options.params:
        with contextlib.suppress(ValueError):  # reported when the options are taken
            params["params", name] = parse_param(text, type_of(params.get(("params", name), "")))
    context = Names(RUN_CONTEXT if isinstance(spec, PipelineRunSpec) else TASK_RUN_CONTEXT)
    shapes = {path: shape_of(value, context) for path, value in params.items()}
    values = {path: value_if_known(value, Scope(names.of_run())) for path, value in params.items()}
    known = {path: value for path, value in values.items() if value is not None}
    return OuterScope(Names(shapes, context), Scope({**known, **names.of_run()}))


def _generated_run(document: Document, options: Options) -> Run:
    place = DocumentPlace(document, ("spec",))
    model = document.model
    assert isinstance(model, Pipeline | Task)
    is_pipeline = isinstance(model, Pipeline)
    kind: RunKind = "PipelineRun" if is_pipeline else "TaskRun"
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": kind,
        "metadata": {"generateName": f"{document.name}-run-"},
        "spec": {"pipelineRef" if is_pipeline else "taskRef": {"name": document.name}},
    }
    run = _named(run, options)
    names = _names_of(run, options)
    if isinstance(model, Pipeline):
        pipeline = Definition(document.name, model.spec, place, metadata=model.metadata)
        return Run(kind, document, run, names, pipeline=pipeline)
    task = Definition(document.name, model.spec, place, metadata=model.metadata)
    return Run(kind, document, run, names, task=task)


def _named(document: dict[str, Any], options: Options) -> dict[str, Any]:
    """Return a run as plain data, with a name generated from its generateName if that is possible now."""
    metadata = document["metadata"]
    if options.new_name is None or not options.pod_has_name_of_run or metadata.get("name"):
        return document
    rest = {key: value for key, value in metadata.items() if key != "generateName"}
    return {**document, "metadata": {"name": options.new_name(metadata.get("generateName", "")), **rest}}


def _names_of(document: dict[str, Any], options: Options) -> RunNames:
    """Return the name and the namespace of a run."""
    metadata = document["metadata"]
    name = metadata.get("name") if options.pod_has_name_of_run else None
    namespace = options.namespace or metadata.get("namespace") or options.default_namespace
    return RunNames(name, namespace, document["kind"] == "TaskRun")


# The options


def _without_filled_params(run: Run, options: Options, filled: frozenset[str]) -> Options:
    """Return the options without params that only TriggerTemplates in the files have."""
    names = {param.name for param in run.params} | {spec.name for spec in run.definition.spec.params}
    params = tuple(each for each in options.params if each[0] in names or each[0] not in filled)
    return replace(options, params=params)


def _with_options(run: Run, options: Options, report: Report) -> Run:
    params = {param.name: param for param in run.params}
    params.update((param.name, param) for param in _params(run, options, report))
    if options.unknown_params:
        for declared in run.definition.spec.params:
            if declared.default is None and declared.name not in params:
                params[declared.name] = Argument(
                    declared.name, _NO_VALUE[declared.value_type], run.place, unresolved=True
                )
    workspaces = {bound.name: bound for bound in run.workspaces}
    workspaces.update((bound.name, bound) for bound in _workspaces(run, options, report))
    if run.spec is None:
        for name, place in _unbound(run, workspaces):
            fields = {"name": name, "emptyDir": {}}
            workspaces[name] = BoundByRun(name, fields, place)
            message = (
                f"nothing is bound to the Workspace '{name}', so it is an emptyDir; bind something with -w {name}=…"
            )
            report.add(place.problem("unbound-workspace", message, "warning"))
    spec = dict(run.document["spec"])
    if params:
        spec["params"] = [{"name": name, "value": _to_json(param.value)} for name, param in params.items()]
    if workspaces:
        spec["workspaces"] = [bound.fields for bound in workspaces.values()]
    if options.timeout is not None:
        spec |= _timeout_fields(run, to_text(options.timeout))
    return replace(
        run,
        document={**run.document, "spec": spec},
        params=tuple(params.values()),
        workspaces=tuple(workspaces.values()),
        timeout=options.timeout,
    )


def _timeout_fields(run: Run, timeout: str) -> dict[str, Any]:
    if run.kind == "TaskRun":
        return {"timeout": timeout}
    return {"timeouts": {**run.document["spec"].get("timeouts", {}), "pipeline": timeout}}


def _params(run: Run, options: Options, report: Report) -> Iterable[Argument]:
    types = {param.name: type_of(param.value) for param in run.params}
    types.update((spec.name, spec.value_type) for spec in run.definition.spec.params)
    set_already = {param.name for param in run.params} | {name for name, _ in options.params}
    for name, text in options.params:
        in_file = options.param_files.get(name)
        place: Place = OptionPlace(f"-p {name}={text}") if in_file is None else in_file
        if name not in types:
            message = f"there is no param '{name}'{did_you_mean(name, types)}"
            report.add(place.problem("unknown-param", message))
            meant = closest(name, types)
            if meant is not None and meant not in set_already:
                yield Argument(meant, _NO_VALUE[types[meant]], place, unresolved=True)
            continue
        try:
            if in_file is not None and in_file.kind not in ("string", types[name]):
                raise ValueError(f"the param is of type {types[name]}, but this value is of type {in_file.kind}")
            yield Argument(name, parse_param(text, types[name]), place)
        except ValueError as error:
            report.add(place.problem("param-type", str(error)))
            yield Argument(name, _NO_VALUE[types[name]], place, unresolved=True)


def _workspaces(run: Run, options: Options, report: Report) -> Iterable[BoundByRun]:
    bound = {workspace.name for workspace in run.workspaces} | {name for name, _ in options.workspaces}
    known = {declaration.name for declaration in run.definition.spec.workspaces} | {
        workspace.name for workspace in run.workspaces
    }
    for name, text in options.workspaces:
        place = OptionPlace(f"-w {name}={text}")
        if name not in known:
            message = f"there is no Workspace '{name}'{did_you_mean(name, known)}"
            report.add(place.problem("unknown-workspace", message))
            meant = closest(name, known)
            if meant is not None and meant not in bound:
                yield _reported(meant, place)
            continue
        try:
            folder = parse_folder(text)
            if folder is None:
                yield BoundByRun(name, {"name": name, **parse_binding(text)}, place)
            else:
                yield _bound_to_folder(run, name, folder, options.folders, place)
        except ValueError as error:
            report.add(place.problem("workspace-binding", str(error)))
            yield _reported(name, place)


def _bound_to_folder(run: Run, name: str, folder: str, folders: Folders, place: Place) -> BoundByRun:
    """Return the binding of a folder of this machine. Raises ValueError if the Pod cannot have it.

    A folder that is copied needs a new volume: the run's volumeClaimTemplate, if it binds one, or an emptyDir.
    """
    if folders == "refused":
        raise ValueError(
            "a Pod in a cluster cannot mount a folder of this machine; use emptyDir or pvc:CLAIM, or run it here with "
            "monopod run"
        )
    if folders == "mounted":
        return BoundByRun(name, {"name": name, "hostPath": {"path": folder, "type": "Directory"}}, place)
    own = next((bound.fields for bound in run.workspaces if bound.name == name), {})
    template = own.get("volumeClaimTemplate")
    source = {"emptyDir": {}} if template is None else {"volumeClaimTemplate": template}
    return BoundByRun(name, {"name": name, **source}, place, folder)


def _reported(workspace: str, place: Place) -> BoundByRun:
    """Return a binding for a wrong option, which is reported, so that the Workspace is not reported as missing too."""
    return BoundByRun(workspace, {"name": workspace, "emptyDir": {}}, place)


def _unbound(run: Run, bound: Iterable[str]) -> Iterable[tuple[str, Place]]:
    spec, place = run.definition.spec, run.definition.place
    taken = set(bound)
    declarations: Sequence[PipelineWorkspaceDeclaration | WorkspaceDeclaration] = spec.workspaces
    for index, declaration in enumerate(declarations):
        if not declaration.optional and declaration.name not in taken:
            yield declaration.name, place.at("workspaces", index)


def _to_json(value: Value) -> str | list[str] | dict[str, str]:
    return list(value) if isinstance(value, tuple) else value
