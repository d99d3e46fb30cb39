"""A document for each field of each model that can appear in a Tekton document, to test the compiler.

Rules:

- A *site* is a field at one path: ``PipelineRun.spec.pipelineSpec.tasks[0].timeout``. Each field of a model has a site
  for each field of another model that holds that model, at the shortest way there.
- `Site.documents` returns documents that set the field, and the same documents without it or, if it
  is required, with another value.
- Values come from the field's type, or from `VALUES`; other fields that a field requires are in `WITH`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from monopod.schemas.kubernetes.claims import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    VolumeResourceRequirements,
)
from monopod.schemas.kubernetes.containers import (
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    LifecycleHandler,
    ObjectFieldSelector,
    Probe,
    ResourceRequirements,
    SecurityContext,
    VolumeDevice,
    VolumeMount,
)
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.kubernetes.pods import (
    NodeSelector,
    PodSecurityContext,
    PreferredSchedulingTerm,
    WeightedPodAffinityTerm,
)
from monopod.schemas.kubernetes.volumes import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    ImageVolumeSource,
    ProjectedVolumeSource,
    ScaleIOVolumeSource,
    SecretVolumeSource,
    Volume,
    VolumeProjection,
)
from monopod.schemas.model import LazyModel, Model
from monopod.schemas.tekton.params import Param, ParamSpec, PipelineResult, StepResult, TaskResult, WhenExpression
from monopod.schemas.tekton.pipelines import (
    EmbeddedTask,
    Matrix,
    Pipeline,
    PipelineRef,
    PipelineSpec,
    PipelineTask,
    PipelineTaskMetadata,
    PipelineWorkspaceDeclaration,
    WorkspacePipelineTaskBinding,
)
from monopod.schemas.tekton.pod_templates import PodTemplate
from monopod.schemas.tekton.runs import (
    PipelineRun,
    PipelineRunSpec,
    PipelineTaskRunSpec,
    PipelineTaskRunTemplate,
    TaskBreakpoints,
    TaskRun,
    TaskRunDebug,
    TaskRunSidecarSpec,
    TaskRunSpec,
    TaskRunStepSpec,
    TimeoutFields,
)
from monopod.schemas.tekton.tasks import (
    Reference,
    Sidecar,
    Step,
    StepAction,
    StepActionRef,
    StepActionSpec,
    StepOutputConfig,
    StepTemplate,
    Task,
    TaskRef,
    TaskSpec,
    WorkspaceDeclaration,
    WorkspaceUsage,
)
from monopod.schemas.tekton.workspace_bindings import WorkspaceBinding

T = TypeVar("T")

Way = tuple[tuple[type[Model], str], ...]
"""From the model of a document down: a model, and the field of it that holds the next one."""

REMOTE = "http://127.0.0.1:1"
"""A placeholder for the address of a server that has the other documents, each under its kind."""

_STEPS = [{"name": "compile", "image": "alpine", "script": "true", "results": [{"name": "digest"}]}]
_PARAM = {"name": "text", "default": "a"}
_TASK: dict[str, Any] = {
    "params": [_PARAM],
    "workspaces": [{"name": "source", "optional": True}],
    "results": [{"name": "digest"}],
    "volumes": [{"name": "data", "emptyDir": {}}],
    "steps": _STEPS,
    "sidecars": [{"name": "server", "image": "alpine", "command": ["true"]}],
}
_WORKSPACE = {"name": "source", "emptyDir": {}}
_PIPELINE: dict[str, Any] = {
    "params": [_PARAM],
    "workspaces": [{"name": "source", "optional": True}],
    "tasks": [
        {
            "name": "build",
            "params": [{"name": "text", "value": "b"}],
            "taskSpec": _TASK,
        },
        {"name": "second", "taskSpec": {"steps": _STEPS}},
    ],
}


def _document(kind: str, spec: dict[str, Any], name: str = "sample") -> dict[str, Any]:
    return {"apiVersion": "tekton.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


_RUN = {"params": [{"name": "text", "value": "c"}], "workspaces": [_WORKSPACE]}
_ROOTS: dict[type[Model], list[dict[str, Any]]] = {
    PipelineRun: [_document("PipelineRun", {**_RUN, "pipelineSpec": _PIPELINE})],
    TaskRun: [_document("TaskRun", {**_RUN, "taskSpec": _TASK})],
    Pipeline: [_document("Pipeline", _PIPELINE)],
    Task: [_document("Task", _TASK)],
    StepAction: [
        _document("StepAction", {"image": "alpine", "command": ["true"]}),
        _document(
            "TaskRun",
            {"taskSpec": {"volumes": _TASK["volumes"], "steps": [{"name": "compile", "ref": {"name": "sample"}}]}},
        ),
    ],
}

_OTHER_TASK = _document("Task", _TASK, "other")
_OTHER_ACTION = _document("StepAction", {"image": "alpine", "command": ["true"], "params": [_PARAM]}, "other")
OTHERS: dict[type[Model], list[dict[str, Any]]] = {
    PipelineRun: [_document("Pipeline", _PIPELINE, "other"), _OTHER_TASK, _OTHER_ACTION],
    TaskRun: [_OTHER_TASK, _OTHER_ACTION],
    Pipeline: [],
    Task: [],
    StepAction: [],
}
"""Documents that others refer to."""

MINIMAL: dict[type[Model], dict[str, Any]] = {
    EnvVarSource: {"configMapKeyRef": {"name": "sample", "key": "sample"}},
    EnvFromSource: {"configMapRef": {"name": "sample"}},
    Probe: {"tcpSocket": {"port": 80}},
    LifecycleHandler: {"sleep": {"seconds": 1}},
    VolumeProjection: {"secret": {"name": "sample"}},
    DownwardAPIVolumeFile: {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
    ObjectFieldSelector: {"fieldPath": "metadata.name"},
    PersistentVolumeClaimSpec: {"resources": {"requests": {"storage": "2Gi"}}},
    VolumeMount: {"name": "data", "mountPath": "/sample"},
    VolumeDevice: {"name": "data", "devicePath": "/dev/sample"},
    EmbeddedTask: _TASK,
    Matrix: {"params": [{"name": "text", "value": ["e", "f"]}]},
    Param: {"name": "text", "value": "d"},
    PipelineTask: {"name": "sample", "taskSpec": _TASK},
    PipelineTaskRunSpec: {"pipelineTaskName": "build", "serviceAccountName": "sample"},
    PipelineSpec: _PIPELINE,
    StepActionSpec: {"image": "alpine", "command": ["true"]},
    TaskRunStepSpec: {"name": "compile", "computeResources": {"limits": {"cpu": "2"}}},
    PersistentVolumeClaim: {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
    Sidecar: {"name": "server", "command": ["true"]},
    TaskRunSidecarSpec: {"name": "server", "computeResources": {"limits": {"cpu": "2"}}},
    PipelineRef: {"name": "other"},
    TaskRef: {"name": "other"},
    StepActionRef: {"name": "other"},
    ConfigMapVolumeSource: {"name": "sample"},
    SecretVolumeSource: {"secretName": "sample"},
    ProjectedVolumeSource: {"sources": [{"secret": {"name": "sample"}}]},
    ObjectMeta: {"name": "sample"},
    ResourceRequirements: {"limits": {"cpu": "4"}},
    SecurityContext: {"runAsUser": 7},
    PodSecurityContext: {"runAsUser": 7},
    EmptyDirVolumeSource: {"medium": "Memory"},
    StepTemplate: {"env": [{"name": "SAMPLE"}]},
    StepOutputConfig: {"path": "sample"},
    PodTemplate: {"hostNetwork": True},
    TimeoutFields: {"pipeline": "2m0s"},
    PipelineTaskRunTemplate: {"serviceAccountName": "sample"},
    PipelineTaskMetadata: {"labels": {"sample": "text"}},
    TaskRunSpec: {**_RUN, "taskSpec": _TASK},
    TaskSpec: _TASK,
    WhenExpression: {"input": "a", "operator": "in", "values": ["a"]},
    WorkspaceBinding: _WORKSPACE,
    WorkspaceDeclaration: {"name": "source"},
    WorkspaceUsage: {"name": "source"},
    WorkspacePipelineTaskBinding: {"name": "source"},
    PipelineWorkspaceDeclaration: {"name": "source"},
}
"""What an instance of a model needs, beside its required fields with values from their types."""

_SOURCES = ("emptyDir", "secret", "configMap", "projected", "csi", "persistentVolumeClaim", "volumeClaimTemplate")

_KINDS = {PipelineRef: "Pipeline", TaskRef: "Task", StepActionRef: "StepAction"}

AVOIDED = frozenset({
    (Sidecar, "liveness_probe"),
    (Sidecar, "lifecycle"),
    (WorkspaceBinding, "volume_claim_template"),
})  # fmt: skip
"""Fields that leave little in the Pod, so they are the last field of a path."""

INSTEAD: dict[tuple[type[Model], str], tuple[str, ...]] = {
    (PipelineRunSpec, "pipeline_ref"): ("pipelineSpec",),
    (TaskRunSpec, "task_ref"): ("taskSpec",),
    **{(PipelineTask, field): ("taskSpec",) for field in ("task_ref", "pipeline_ref", "pipeline_spec")},
    **{
        (WorkspaceBinding, field): ("emptyDir",)
        for field in WorkspaceBinding.model_fields
        if field not in {"name", "sub_path", "empty_dir"}
    },
    **{(Volume, field): ("emptyDir",) for field in Volume.model_fields if field not in {"name", "empty_dir"}},
    (Step, "ref"): ("image", "script", "results"),
    (Step, "params"): ("image", "script", "results"),
    (Reference, "resolver"): ("name",),
    (Reference, "params"): ("name",),
    **{
        (EnvVarSource, field): ("configMapKeyRef",)
        for field in EnvVarSource.model_fields
        if field != "config_map_key_ref"
    },
    (EnvFromSource, "secret_ref"): ("configMapRef",),
    **{(Probe, field): ("tcpSocket",) for field in ("exec", "http_get", "grpc")},
    **{(LifecycleHandler, field): ("sleep",) for field in ("exec", "http_get", "tcp_socket")},
    **{(VolumeProjection, field): ("secret",) for field in VolumeProjection.model_fields if field != "secret"},
    (DownwardAPIVolumeFile, "resource_field_ref"): ("fieldRef",),
    (EnvVar, "value_from"): ("value",),
    (Step, "script"): ("command",),
    (StepTemplate, "command"): ("script",),
    (StepActionSpec, "script"): ("command",),
    (WhenExpression, "cel"): ("input", "operator", "values"),
    (PipelineTask, "matrix"): ("params",),
    (Sidecar, "script"): ("command",),
}
"""Fields that exclude a field."""

WITH: dict[tuple[type[Model], str], dict[str, Any]] = {
    (Step, "params"): {"ref": {"name": "other"}},
    (ParamSpec, "default"): {"name": "unset"},
    (ParamSpec, "enum"): {"name": "unset", "default": "a"},
    (WorkspaceDeclaration, "name"): {"mountPath": "/sample"},
    (WorkspaceDeclaration, "optional"): {"name": "unbound"},
    (PipelineWorkspaceDeclaration, "optional"): {"name": "unbound"},
    **{
        (model, "resolver"): {"params": [{"name": "url", "value": f"{REMOTE}/{kind}"}]}
        for model, kind in _KINDS.items()
    },
    (Reference, "params"): {"resolver": "http"},
    (ParamSpec, "properties"): {"name": "object", "type": "object", "default": {"sample": "a"}},
    (StepResult, "properties"): {"type": "object"},
    (PipelineResult, "value"): {"name": "digest"},
}
"""Fields that a field needs beside it."""

_RENAMED = {**_PIPELINE, "tasks": [{**_PIPELINE["tasks"][0], "name": "renamed"}]}
_IMAGE = {"image": "alpine", "command": ["true"]}
_OTHER_IMAGE = {"image": "debian", "command": ["true"]}
_CHANGED = {**_TASK, "steps": [{**_STEPS[0], "script": "false"}]}

_TERM = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["sample"]}]}

VALUES: dict[tuple[type[Model] | str, ...], tuple[Any, Any]] = {
    (TaskSpec, "workspaces"): ([{"name": "source", "readOnly": True}], []),
    (PreferredSchedulingTerm, "preference"): (_TERM, {}),
    (NodeSelector, "node_selector_terms"): ([_TERM], []),
    (SecurityContext, "windows_options"): ({"hostProcess": True}, {}),
    (PodSecurityContext, "windows_options"): ({"hostProcess": True}, {}),
    (PersistentVolumeClaimSpec, "resources"): (
        {"requests": {"storage": "2Gi"}},
        {"requests": {"storage": "3Gi"}},
    ),
    (ScaleIOVolumeSource, "secret_ref"): ({"name": "sample"}, {"name": "other"}),
    (VolumeResourceRequirements, "requests"): ({"storage": "2Gi"}, {"storage": "3Gi"}),
    (ResourceRequirements, "requests"): ({"cpu": "500m"}, {"cpu": "1"}),
    **{(model, "image_pull_policy"): ("Always", "Never") for model in (StepTemplate, Sidecar)},
    (ImageVolumeSource, "pull_policy"): ("Always", "Never"),
    (Step, "on_error"): ("continue", "stopAndFail"),
    (PipelineTask, "on_error"): ("continue", "stopAndFail"),
    **{
        (model, "name"): ("source", "missing")
        for model in (
            WorkspaceUsage,
            WorkspacePipelineTaskBinding,
            WorkspaceDeclaration,
            PipelineWorkspaceDeclaration,
        )
    },
    (WorkspacePipelineTaskBinding, "workspace"): ("source", "missing"),
    **{(model, "name"): ("data", "missing") for model in (VolumeMount, VolumeDevice)},
    (TaskRunStepSpec, "name"): ("compile", "missing"),
    (TaskRunSidecarSpec, "name"): ("server", "missing"),
    (PipelineTaskRunSpec, "pipeline_task_name"): ("build", "missing"),
    (Reference, "name"): ("other", "missing"),
    (Param, "name"): ("text", "missing"),
    (ParamSpec, "type"): ("string", "array"),
    (ParamSpec, "enum"): (["a", "b"], ["b"]),
    (TaskResult, "value"): ("$(steps.compile.results.digest)", ""),
    (TaskRef, "kind"): ("Task", "Other"),
    (TaskRef, "api_version"): ("tekton.dev/v1", "example.com/v1"),
    (WhenExpression, "cel"): ("'a' == 'a'", "'a' == 'b'"),
    (PersistentVolumeClaimSpec, "volume_mode"): ("Filesystem", "Block"),
    (TaskSpec, "params"): ([_PARAM, {"name": "unset", "default": "a"}], [_PARAM]),
    (PipelineSpec, "params"): ([_PARAM], []),
    (StepActionSpec, "params"): ([_PARAM], []),
    (Pipeline, "spec"): (_PIPELINE, _RENAMED),
    (PipelineRunSpec, "pipeline_spec"): (_PIPELINE, _RENAMED),
    (PipelineTask, "pipeline_spec"): (_PIPELINE, _RENAMED),
    (PipelineSpec, "tasks"): (_PIPELINE["tasks"], _RENAMED["tasks"]),
    (Task, "spec"): (_TASK, _CHANGED),
    (TaskRunSpec, "task_spec"): (_TASK, _CHANGED),
    (PipelineTask, "task_spec"): (_TASK, _CHANGED),
    (TaskSpec, "steps"): (_TASK["steps"], _CHANGED["steps"]),
    (StepAction, "spec"): (_IMAGE, _OTHER_IMAGE),
    (PipelineRun, "spec"): ({**_RUN, "pipelineSpec": _PIPELINE}, {**_RUN, "pipelineSpec": _RENAMED}),
    (TaskRun, "spec"): ({**_RUN, "taskSpec": _TASK}, {**_RUN, "taskSpec": _CHANGED}),
    (TaskRunSpec, "debug"): ({"breakpoints": {"onFailure": "enabled"}}, {}),
    (TaskRunDebug, "breakpoints"): ({"onFailure": "enabled"}, {}),
    (TaskBreakpoints, "on_failure"): ("enabled", None),
    (TaskBreakpoints, "before_steps"): (["compile"], []),
    (Sidecar, "lifecycle"): ({"preStop": {"sleep": {"seconds": 1}}}, {}),
    (PipelineTask, "run_after"): (["second"], []),
    (PipelineTask, "workspaces"): ([{"name": "source", "subPath": "sample"}], []),
    (Volume, "empty_dir"): ({"medium": "Memory"}, {}),
    (PersistentVolumeClaimSpec, "selector"): ({"matchLabels": {"a": "b"}}, {}),
    (StepResult, "type"): ("array", "string"),
    (Matrix, "params", "value"): (["a", "b"], ["a", "c"]),
    (Matrix, "include"): ([{"name": "sample", "params": [{"name": "text", "value": "c"}]}], []),
    (Matrix, "params"): ([{"name": "text", "value": ["a", "b"]}], [{"name": "text", "value": ["a", "c"]}]),
    (StepAction, "metadata", "name"): ("sample", "missing"),
    **{
        (model, "params", field): ((name, "missing") if field == "name" else (f"{REMOTE}/{kind}", f"{REMOTE}/missing"))
        for model, kind in _KINDS.items()
        for field, name in (("name", "url"), ("value", ""))
    },
    **{
        (model, "params"): (
            [{"name": "url", "value": f"{REMOTE}/{kind}"}],
            [{"name": "url", "value": f"{REMOTE}/missing"}],
        )
        for model, kind in _KINDS.items()
    },
    (Reference, "resolver"): ("http", "missing"),
    (StepActionSpec, "image"): ("alpine", "debian"),
    (StepActionSpec, "command"): (["true"], ["false"]),
    (WorkspaceBinding, "empty_dir"): ({}, {"medium": "Memory"}),
    (ParamSpec, "default"): ("sample", "other"),
    (StepTemplate, "image"): ("alpine", "debian"),
    (Sidecar, "command"): (["true"], ["false"]),
    (Sidecar, "script"): ("true", "false"),
    (WorkspaceDeclaration, "optional"): (True, False),
    (ConfigMapVolumeSource, "name"): ("sample", "other"),
    (SecretVolumeSource, "secret_name"): ("sample", "other"),
    (ProjectedVolumeSource, "sources"): ([{"secret": {"name": "a"}}], [{"secret": {"name": "b"}}]),
    (WhenExpression, "operator"): ("notin", "in"),
    (WhenExpression, "values"): (["a"], ["b"]),
    (WhenExpression, "input"): ("a", "b"),
    (EnvFromSource, "config_map_ref"): ({"name": "sample"}, {"name": "other"}),
    (EnvVarSource, "config_map_key_ref"): ({"name": "a", "key": "k"}, {"name": "b", "key": "k"}),
    (VolumeProjection, "secret"): ({"name": "sample"}, {"name": "other"}),
    (DownwardAPIVolumeFile, "field_ref"): (
        {"fieldPath": "metadata.name"},
        {"fieldPath": "metadata.namespace"},
    ),
    (WeightedPodAffinityTerm, "pod_affinity_term"): ({"topologyKey": "a"}, {"topologyKey": "b"}),
    (ObjectMeta, "name"): ("first", "second"),
    (ObjectMeta, "generate_name"): ("first-", "second-"),
    (ObjectMeta, "owner_references"): (
        [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}],
        [],
    ),
}
"""Two values of a field whose type allows too much."""


@dataclass(frozen=True, slots=True)
class Site:
    """A field at one path."""

    way: Way
    model: type[Model]
    field: str

    @property
    def owner(self) -> type[Model]:
        """The model that declares the field: `model` itself, or one of its bases."""
        return next(base for base in reversed(self.model.__mro__) if self.field in _declared(base))

    @property
    def name(self) -> str:
        """The name of the field in YAML."""
        return _name(self.model, self.field)

    @property
    def path(self) -> str:
        """The path of the field, without the kind: ``spec.tasks[0].name``."""
        return ".".join([*(_name(model, field) + _inside(model, field) for model, field in self.way), self.name])

    def __str__(self) -> str:
        root = self.way[0][0] if self.way else self.model
        return f"{root.__name__}.{self.path}"


def _declared(model: type) -> frozenset[str]:
    return frozenset(model.__annotations__) if issubclass(model, Model) and model is not Model else frozenset()


def _name(model: type[Model], field: str) -> str:
    if not model.__pydantic_fields_complete__:  # it refers to a later model, and nothing has used it yet
        model.model_rebuild()
    return model.model_fields[field].alias or field


def _inside(model: type[Model], field: str) -> str:
    return {tuple: "[0]", dict: ".sample"}.get(get_origin(_type(model.model_fields[field])), "")


def _type(field: FieldInfo) -> Any:
    return _without_none(field.annotation)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {Union, types.UnionType}:
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    lazy = next((each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, LazyModel)), None)
    return annotation if lazy is None else lazy.model


def models_in(annotation: Any) -> Iterator[type[Model]]:
    """Yield the models in a type."""
    if isinstance(annotation, ForwardRef):  # the Pipeline in a PipelineTask
        yield PipelineSpec
    elif isinstance(annotation, LazyModel):
        yield annotation.model
    elif isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for each in get_args(annotation):
        yield from models_in(each)


def ways() -> dict[type[Model], list[Way]]:
    """Return each model that can appear in a Tekton document, with one path to it for each field that holds it."""
    shortest = _shortest_ways()
    result: dict[type[Model], list[Way]] = {model: [()] if model in _ROOTS else [] for model in shortest}
    for model, way in shortest.items():
        for field, held in _held_by(model):
            result[held].append((*way, (model, field)))
    return result


def _shortest_ways() -> dict[type[Model], Way]:
    result: dict[type[Model], Way] = {}
    for avoided in (AVOIDED, frozenset()):
        for root in _ROOTS:
            result.setdefault(root, ())
            pending = list(result)
            while pending:
                model = pending.pop(0)
                for field, held in _held_by(model):
                    if held not in result and (model, field) not in avoided:
                        result[held] = (*result[model], (model, field))
                        pending.append(held)
    return result


def _held_by(model: type[Model]) -> Iterator[tuple[str, type[Model]]]:
    for field, info in model.model_fields.items():
        for held in models_in(info.annotation):
            yield field, held


def sites() -> list[Site]:
    """Return every field of every model, at each of its paths."""
    return [
        Site(way, model, field) for model, several in ways().items() for way in several for field in model.model_fields
    ]


Documents = list[dict[str, Any]]


def documents(site: Site) -> tuple[Documents, Documents]:
    """Return documents that set a field, and the same without it or with another value."""
    return _with_others(site, 0), _with_others(site, 1)


def _with_others(site: Site, which: int) -> Documents:
    root = site.way[0][0] if site.way else site.model
    result = _documents(site, which)
    return [*result, *OTHERS[root]] if '"other"' in json.dumps(result) else result


def _documents(site: Site, which: int) -> Documents:
    root = site.way[0][0] if site.way else site.model
    result: Documents = json.loads(json.dumps(_ROOTS[root]))  # no part occurs twice
    instance = result[0]
    for model, field in site.way:
        instance = _held(instance, model, field)
    beside, instead = _found(WITH, site), _found(INSTEAD, site) or ()
    if which == 1 and beside is None and instead:
        return result
    instance.update(_copy(beside or {}))
    for name in instead:
        instance.pop(name, None)
    first, second = _values(site)
    if which == 0 or _found(VALUES, site) or site.model.model_fields[site.field].is_required():
        instance[site.name] = _copy(second if which else first)
    else:
        instance.pop(site.name, None)
    return result


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _found(table: Mapping[Any, T], site: Site) -> T | None:
    """Return the entry of a table for a site: by the field that holds the model, the model, or its base."""
    keys: list[tuple[type[Model] | str, ...]] = [(site.model, site.field), (site.owner, site.field)]
    if site.way:
        keys.insert(0, (*site.way[-1], site.field))
    return next((table[key] for key in keys if key in table), None)


def _held(instance: dict[str, Any], model: type[Model], field: str) -> dict[str, Any]:
    """Return the value of a field, which is added if it is missing."""
    info, name = model.model_fields[field], _name(model, field)
    here = Site((), model, field)
    instance.update(_copy(_found(WITH, here) or {}))
    for sibling in _found(INSTEAD, here) or ():
        instance.pop(sibling, None)
    if not instance.get(name):
        instance[name] = _copy(_values(here)[0])
    value = instance[name]
    while not isinstance(value, dict):
        value = value[0]
    if get_origin(_type(info)) is dict:
        value = next(iter(value.values()))
    return value


def _minimal(model: type[Model]) -> dict[str, Any]:
    result = {}
    for field, info in model.model_fields.items():
        if info.is_required():
            result[_name(model, field)] = _values(Site((), model, field))[0]
    return {**result, **MINIMAL.get(model, {})}


def _values(site: Site) -> tuple[Any, Any]:
    """Return two values of a field."""
    if (found := _found(VALUES, site)) is not None:
        return found
    info = site.model.model_fields[site.field]
    if (site.field in {"timeout", "pipeline", "tasks", "finally_"}) and "float" in str(info.annotation):
        return "1m30s", "2m0s"
    return _of_type(info.annotation)


def _of_type(annotation: Any) -> tuple[Any, Any]:
    kind = _without_none(annotation)
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        choices = [each for each in arguments if each]
        return choices[-1], choices[0]
    if get_origin(kind) is tuple:
        return tuple([each] for each in _of_type(arguments[0]))
    if get_origin(kind) is dict:
        return tuple({"cpu" if "_to_text" in str(arguments[1]) else "sample": each} for each in _of_type(arguments[1]))
    if hasattr(kind, "__metadata__"):  # Annotated
        return ("2Gi", "3Gi") if "_to_text" in str(kind) else _of_type(arguments[0])
    if isinstance(kind, ForwardRef):
        return _PIPELINE, _PIPELINE
    if isinstance(kind, type) and issubclass(kind, Model):
        return _minimal(kind), {}
    simple: dict[Any, tuple[Any, Any]] = {str: ("sample", "other"), int: (7, 8), bool: (True, False), Any: ("x", "y")}
    return simple[kind]
