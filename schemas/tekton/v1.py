"""Tekton's API: ``tekton.dev/v1`` Pipeline, PipelineRun, Task and TaskRun, and StepAction.

Every field of the v1 API is here, alpha and beta ones too, whether monopod can do what it asks or not: saying no to a
field, with the reason, is the compiler's part. Checked here is what one object tells by itself (Tekton's own
validation, pkg/apis/pipeline/v1/*_validation.go). Left to the compiler is whatever needs more than one object, a graph,
or the ``$(...)`` references in a text. Annotations are no texts here (as ``from __future__`` would make them): pydantic
would take 30 ms to evaluate them.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from monopod.schemas.formats.duration import Duration
from monopod.schemas.formats.object_names import LABEL, LONGEST_LABEL, SUBDOMAIN, invalid, label_problem
from monopod.schemas.kubernetes.core_v1 import (
    Affinity,
    Anything,
    ConfigMapVolumeSource,
    ContainerPort,
    CSIVolumeSource,
    EmptyDirVolumeSource,
    EnvFromSource,
    EnvVar,
    HostAlias,
    Lifecycle,
    LocalObjectReference,
    ObjectMeta,
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    PodDNSConfig,
    PodSecurityContext,
    Probe,
    ProjectedVolumeSource,
    PullPolicy,
    ResourceRequirements,
    SecretVolumeSource,
    SecurityContext,
    Toleration,
    TopologySpreadConstraint,
    Volume,
    VolumeDevice,
    VolumeMount,
    exactly_one,
)
from monopod.schemas.model import ListOf, Model, Path, repeated

Value: TypeAlias = str | tuple[str, ...] | dict[str, str]
"""The value of a param or Result: string, array or object."""

ValueType: TypeAlias = Literal["string", "array", "object"]

DEFAULT_TIMEOUT = 3600.0
"""Seconds that a PipelineRun may take if it does not say (Tekton docs/pipelineruns.md, default-timeout-minutes)."""

_QUALIFIED = re.compile(r"([^/]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_PARAM = re.compile(r"[_a-zA-Z][_a-zA-Z0-9.-]*", re.ASCII)
_OBJECT_PARAM = re.compile(r"[_a-zA-Z][_a-zA-Z0-9-]*", re.ASCII)
_RESULT = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_STEP_RESULT = re.compile(r"\$\(steps\.(.*?)\.results\.(.*?)\)")


# Texts of a certain form


def _label(value: str) -> str:
    if problem := label_problem(value):
        raise ValueError(problem)
    return value


def _label_or_nothing(value: str) -> str:
    return _label(value) if value else value


def _result_name(value: str) -> str:
    if not _RESULT.fullmatch(value):
        rule = "letters, digits, '-', '_' and '.', with a letter or digit at both ends"
        raise ValueError(invalid(value, "a valid name of a Result", rule))
    return value


def _on_error(value: str) -> str:
    if value not in {"continue", "stopAndFail"} and not value.startswith("$(params"):
        raise ValueError(f"expected continue or stopAndFail, got '{value}'")
    return value


class JsonText(str):
    """The text that Tekton makes of a list or mapping whose elements are not all strings; `written` is that."""

    written: Any

    def __new__(cls, text: str, written: Any) -> "JsonText":
        """Return a text that remembers what was written."""
        made = super().__new__(cls, text)
        made.written = written
        return made


def not_strings(value: Value) -> str:
    """Return a remark on the elements of a list or mapping that keep it from being one of strings; or nothing."""
    written = value.written if isinstance(value, JsonText) else ()
    elements = written.values() if isinstance(written, dict) else written
    wrong = [each for each in elements if not isinstance(each, str | None)]
    if not wrong or any(isinstance(each, dict | list) for each in wrong):
        return ""
    names = [json.dumps(each, ensure_ascii=False) for each in wrong]
    kinds = [" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))), "is" if len(wrong) == 1 else "are"]
    what = f"{kinds[0]} {kinds[1]} not {'a string' if len(wrong) == 1 else 'strings'}"
    bare = " (YAML reads a bare y, yes or on as true, and n, no or off as false)" if bool in map(type, wrong) else ""
    return f"{what}{bare}; write {'it' if len(wrong) == 1 else 'them'} in quotes"


def to_value(value: Any) -> Value:
    """Return a param's value as Tekton reads it: what is no string, list of strings or mapping of strings is its JSON.

    So ``5`` is ``"5"``, ``true`` is ``"true"``, ``null`` is ``""`` and ``[1, 2]`` is ``"[1,2]"`` (ParamValue in
    Tekton's param_types.go).
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | tuple) and all(isinstance(item, str | None) for item in value):
        return tuple(item or "" for item in value)
    if isinstance(value, dict) and all(isinstance(item, str | None) for item in value.values()):
        return {key: item or "" for key, item in value.items()}
    text = _to_json(value)
    return JsonText(text, value) if isinstance(value, list | tuple | dict) else text


def _plain_value(value: Value) -> str | list[str] | dict[str, str]:
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, str) else value


def _to_json(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_to_json, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_to_json(key)}:{_to_json(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value, ensure_ascii=False)


def type_of(value: Value) -> ValueType:
    """Return the type of a param's value."""
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, tuple) else "object"


Label: TypeAlias = Annotated[
    str,
    AfterValidator(_label),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_LABEL, "pattern": f"^{LABEL.pattern}$"}),
]
"""A DNS-1123 label."""

ResultName: TypeAlias = Annotated[str, AfterValidator(_result_name)]
NonEmpty: TypeAlias = Annotated[str, Field(min_length=1)]
OnError: TypeAlias = Annotated[
    str,
    AfterValidator(_on_error),
    WithJsonSchema({"anyOf": [{"enum": ["stopAndFail", "continue"]}, {"type": "string", "pattern": r"^\$\(params"}]}),
]
ParamValue: TypeAlias = Annotated[
    Value,
    PlainValidator(to_value),
    PlainSerializer(_plain_value),
    WithJsonSchema({"type": ["string", "array", "object", "number", "boolean", "null"]}),
]
Command: TypeAlias = ListOf[str]


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _duplicates(name: str, items: Sequence[Any], what: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem at the name of each element of the list `name` whose name was there before."""
    names = [item.name for item in items]
    for index, first in repeated(names):
        if names[index]:
            yield (name, index, "name"), f"there is already a {what} '{names[index]}' at {name}[{first}]"


# Params, Results, when-expressions


class Param(Model):
    """A param that is handed to something."""

    null_means_empty: ClassVar[frozenset[str]] = frozenset({"value"})

    name: NonEmpty
    value: ParamValue


class PropertySpec(Model):
    """A key of an object param or Result."""

    type: Literal["string"] | None = None


class ParamSpec(Model):
    """A param that something declares."""

    name: NonEmpty
    type: ValueType | None = None
    description: str = ""
    properties: dict[str, PropertySpec] | None = None
    default: ParamValue | None = None
    enum: ListOf[str] = ()

    @property
    def value_type(self) -> ValueType:
        """The type that was given or, failing that, is inferred (Tekton's ParamSpec.SetDefaults)."""
        if self.type is not None:
            return self.type
        if self.properties is not None:
            return "object"
        return "string" if self.default is None else type_of(self.default)

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Names, defaults and enums that fit the type (Tekton docs/tasks.md#specifying-parameters)."""
        kind = self.value_type
        form, dots = (_OBJECT_PARAM, "") if kind == "object" else (_PARAM, ", '.'")
        names: list[tuple[Path, str, str]] = [(("name",), self.name, f"{kind} param")]
        names += [(("properties", key), key, "key of an object param") for key in self.properties or ()]
        for path, name, what in names:
            if not form.fullmatch(name):
                rule = f"letters, digits, '-', '_'{dots}, with a letter or '_' first"
                yield path, invalid(name, f"a valid name of {_article(what)} {what}", rule)
        if self.default is not None and type_of(self.default) != kind:
            message = f"the param is of type {kind}, but its default is of type {type_of(self.default)}"
            remark = not_strings(self.default)
            yield ("default",), f"in the default, {remark}" if remark and kind != "string" else message
        if kind == "object" and self.properties is None:
            yield (), f"the object param '{self.name}' needs properties"
        yield from self._enum_problems(kind)

    def _enum_problems(self, kind: ValueType) -> Iterator[tuple[Path, str]]:
        if not self.enum:
            return
        if kind != "string":
            yield ("enum",), f"only a param of type string may have an enum, this one is of type {kind}"
        for index, first in repeated(self.enum):
            yield ("enum", index), f"'{self.enum[index]}' is already there at enum[{first}]"
        if isinstance(self.default, str) and self.default and self.default not in self.enum:
            yield ("default",), f"the default '{self.default}' is not among the values of enum"


class StepResult(Model):
    """A Result that a Step declares."""

    name: ResultName
    type: ValueType | None = None
    properties: dict[str, PropertySpec] | None = None
    description: str = ""

    @property
    def value_type(self) -> ValueType:
        """The type that was given or, failing that, is inferred (Tekton's SetDefaults)."""
        return self.type or ("string" if self.properties is None else "object")

    def problems(self) -> Iterator[tuple[Path, str]]:
        """An object names its keys."""
        if self.value_type == "object" and self.properties is None:
            yield (), f"the object Result '{self.name}' needs properties"


class TaskResult(StepResult):
    """A Result that a Task declares; with a `value`, it is taken from a Step's Result."""

    value: ParamValue | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The value is a reference to a Step's Result (Tekton docs/stepactions.md#emitting-results)."""
        yield from super().problems()
        if self.value is None or self.value == "":
            return
        if not isinstance(self.value, str) or _STEP_RESULT.search(self.value) is None:
            yield ("value",), "expected a reference to a Step's Result, such as $(steps.build.results.digest)"


class PipelineResult(Model):
    """A Result that a Pipeline declares."""

    null_means_empty: ClassVar[frozenset[str]] = frozenset({"value"})

    name: NonEmpty
    type: ValueType | None = None
    description: str = ""
    value: ParamValue


class WhenExpression(Model):
    """A guard: `input` is (not) among `values`, or the CEL expression `cel` is true."""

    input: str = ""
    operator: Literal["in", "notin"] | None = None
    values: ListOf[str] = ()
    cel: str = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Either cel, or operator and values (Tekton docs/pipelines.md#guard-task-execution-using-when-expressions)."""
        if self.cel:
            if self.input or self.operator or self.values:
                yield ("cel",), "cel may not be given together with input, operator and values"
            return
        if self.operator is None:
            yield (), "a when-expression needs an operator: in or notin"
        if not self.values:
            yield ("values",), "a when-expression needs values, a list that is not empty"


# References


class Reference(Model):
    """A name, or a resolver with its params (Tekton docs/resolution-getting-started.md)."""

    name: str = ""
    resolver: str = ""
    params: ListOf[Param] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A name or a resolver; what name a resolver may have (Tekton's validateRef)."""
        looks_like_url = re.search(r"[\w-]+:/", self.name) is not None
        if self.params and not self.resolver:
            yield ("params",), "params need a resolver"
        if self.params and self.name:
            yield ("name",), "only one of name, params may be given"
        elif self.resolver and self.name and not looks_like_url:
            yield ("name",), "with a resolver, the name must be a URL"
        elif not self.resolver and looks_like_url:
            yield (), "a name that is a URL needs a resolver"
        elif not (self.resolver or self.name or self.params):
            yield (), "a name or a resolver is required"
        elif self.name and not (looks_like_url or "$(" in self.name or _QUALIFIED.fullmatch(self.name)):
            rule = "letters, digits, '-', '_' and '.', with a letter or digit at both ends"
            yield ("name",), invalid(self.name, "a valid name", rule)
        yield from _duplicates("params", self.params, "param")


class TaskRef(Reference):
    """A Task, or with another kind and apiVersion, a custom task."""

    kind: str = ""
    api_version: str = ""

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom task, which only a controller in a cluster could run."""
        return self.kind not in {"", "Task", "ClusterTask"} or self.api_version != ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A reference to a custom task, which needs no name, is refused as such."""
        if self.resolver or not self.is_custom:
            yield from super().problems()


class PipelineRef(Reference):
    """A Pipeline."""

    api_version: str = ""


class StepActionRef(Reference):
    """A StepAction."""


# Workspaces


class WorkspaceDeclaration(Model):
    """A Workspace that a Task declares."""

    name: NonEmpty
    description: str = ""
    mount_path: str = ""
    read_only: bool = False
    optional: bool = False

    @property
    def path(self) -> str:
        """Where it is mounted (Tekton docs/workspaces.md)."""
        return self.mount_path or f"/workspace/{self.name}"


class PipelineWorkspaceDeclaration(Model):
    """A Workspace that a Pipeline declares."""

    name: NonEmpty
    description: str = ""
    optional: bool = False


class WorkspacePipelineTaskBinding(Model):
    """Which Workspace of the Pipeline is a Task's Workspace; by default the one of the same name."""

    name: NonEmpty
    workspace: str = ""
    sub_path: str = ""


class WorkspaceUsage(Model):
    """A Workspace that only the Steps and Sidecars that list it can see."""

    name: NonEmpty
    mount_path: str = ""


class WorkspaceBinding(Model):
    """The volume that a run binds to a Workspace."""

    name: NonEmpty
    sub_path: str = ""
    volume_claim_template: PersistentVolumeClaim | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    csi: CSIVolumeSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Tekton's WorkspaceBinding.Validate)."""
        yield from exactly_one(self, *(name for name in type(self).model_fields if name not in {"name", "sub_path"}))
        if self.config_map is not None and not self.config_map.name:
            yield ("configMap",), "the name of the ConfigMap is required"
        if self.secret is not None and not self.secret.secret_name:
            yield ("secret",), "secretName is required"
        if self.projected is not None and not self.projected.sources:
            yield ("projected",), "sources is required"


# Task


class StepOutputConfig(Model):
    """A file that gets a copy of a Step's output."""

    path: str = ""


class StepTemplate(Model):
    """Defaults for all Steps of a Task."""

    image: str = ""
    command: Command = ()
    args: Command = ()
    working_dir: str = ""
    env_from: ListOf[EnvFromSource] = ()
    env: ListOf[EnvVar] = ()
    compute_resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    volume_mounts: ListOf[VolumeMount] = ()
    volume_devices: ListOf[VolumeDevice] = ()
    image_pull_policy: PullPolicy | None = None
    security_context: SecurityContext | None = None


class Step(StepTemplate):
    """A Step of a Task. Without a name it is called after its place."""

    name: Annotated[str, AfterValidator(_label_or_nothing)] = ""
    display_name: str = ""
    script: str = ""
    timeout: Duration | None = None
    workspaces: ListOf[WorkspaceUsage] = ()
    on_error: OnError | None = None
    stdout_config: StepOutputConfig | None = None
    stderr_config: StepOutputConfig | None = None
    ref: StepActionRef | None = None
    params: ListOf[Param] = ()
    results: ListOf[StepResult] = ()
    when: ListOf[WhenExpression] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """What may stand beside what (Tekton's Step.Validate)."""
        if self.ref is not None:
            for name in ("image", "command", "args", "script", "working_dir", "env", "volume_mounts", "results"):
                if getattr(self, name):
                    field = type(self).model_fields[name].alias or name
                    yield (field,), f"{field} cannot be given together with ref: it is the StepAction's"
        elif self.params:
            yield ("params",), "a Step has params only together with ref"
        if self.script and self.command:
            yield ("script",), "only one of script, command may be given"
        yield from _duplicates("params", self.params, "param")
        yield from _mount_problems(self.volume_mounts)


def _mount_problems(mounts: Sequence[VolumeMount]) -> Iterator[tuple[Path, str]]:
    for index, mount in enumerate(mounts):
        path = posixpath.normpath(mount.mount_path)
        if path.startswith("/tekton/") and not path.startswith("/tekton/home"):
            yield ("volumeMounts", index, "mountPath"), "nothing may be mounted under /tekton/ except /tekton/home"
        if mount.name.startswith("tekton-internal-"):
            yield ("volumeMounts", index, "name"), "a name must not start with 'tekton-internal-'"


class Sidecar(Model):
    """A container that runs beside a Task's Steps. Without a name it is called ``sidecar``."""

    name: str = ""
    image: NonEmpty
    command: Command = ()
    args: Command = ()
    working_dir: str = ""
    ports: ListOf[ContainerPort] = ()
    env_from: ListOf[EnvFromSource] = ()
    env: ListOf[EnvVar] = ()
    compute_resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    volume_mounts: ListOf[VolumeMount] = ()
    volume_devices: ListOf[VolumeDevice] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: PullPolicy | None = None
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    script: str = ""
    workspaces: ListOf[WorkspaceUsage] = ()
    restart_policy: str | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """What may stand beside what (Tekton's Sidecar.Validate)."""
        if self.script and self.command:
            yield ("script",), "only one of script, command may be given"
        if self.name == "tekton-log-results":
            yield ("name",), f"the name '{self.name}' is reserved"


class TaskSpec(Model):
    """What a Task is."""

    params: ListOf[ParamSpec] = ()
    display_name: str = ""
    description: str = ""
    steps: ListOf[Step] = ()
    volumes: ListOf[Volume] = ()
    step_template: StepTemplate | None = None
    sidecars: ListOf[Sidecar] = ()
    workspaces: ListOf[WorkspaceDeclaration] = ()
    results: ListOf[TaskResult] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Steps, names that differ, workspaces that are declared (Tekton's TaskSpec.Validate)."""
        if not self.steps:
            yield (), "a Task needs steps, a list that is not empty"
        yield from _duplicates("params", self.params, "param")
        yield from _duplicates("steps", self.steps, "Step")
        yield from _duplicates("sidecars", self.sidecars, "Sidecar")
        yield from _duplicates("volumes", self.volumes, "volume")
        yield from _duplicates("workspaces", self.workspaces, "Workspace")
        image = self.step_template is not None and self.step_template.image
        for index, step in enumerate(self.steps):
            if not (step.image or step.ref or image):
                yield ("steps", index), "a Step needs an image (its own or the stepTemplate's) or a ref"
        yield from self._workspace_problems()

    def _workspace_problems(self) -> Iterator[tuple[Path, str]]:
        template_mounts = self.step_template.volume_mounts if self.step_template is not None else ()
        mounts = chain(template_mounts, *(step.volume_mounts for step in self.steps))
        taken = {posixpath.normpath(mount.mount_path) for mount in mounts}
        for index, workspace in enumerate(self.workspaces):
            path = posixpath.normpath(workspace.path)
            if path in taken:
                culprit = ("workspaces", index, "mountPath" if workspace.mount_path else "name")
                yield culprit, f"something else is already mounted at {path}"
            taken.add(path)
        names = {workspace.name for workspace in self.workspaces}
        users: list[tuple[Path, Sequence[WorkspaceUsage]]] = [
            *((("steps", index), step.workspaces) for index, step in enumerate(self.steps)),
            *((("sidecars", index), sidecar.workspaces) for index, sidecar in enumerate(self.sidecars)),
        ]
        for user, usages in users:
            for index, usage in enumerate(usages):
                if usage.name not in names:
                    yield (*user, "workspaces", index, "name"), f"the Task declares no Workspace '{usage.name}'"


class Task(Model):
    """A Task."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["Task"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: TaskSpec

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from _name_problems(self.metadata)


class StepActionSpec(Model):
    """What a StepAction is."""

    description: str = ""
    image: str = ""
    command: Command = ()
    args: Command = ()
    env: ListOf[EnvVar] = ()
    script: str = ""
    working_dir: str = ""
    params: ListOf[ParamSpec] = ()
    results: ListOf[StepResult] = ()
    security_context: SecurityContext | None = None
    volume_mounts: ListOf[VolumeMount] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """An image, and a script or a command (Tekton's StepActionSpec.Validate)."""
        if not self.image:
            yield (), "a StepAction needs an image"
        if self.script and self.command:
            yield ("script",), "only one of script, command may be given"
        yield from _duplicates("params", self.params, "param")
        yield from _mount_problems(self.volume_mounts)


class StepAction(Model):
    """A Step that several Tasks share."""

    api_version: Literal["tekton.dev/v1", "tekton.dev/v1beta1", "tekton.dev/v1alpha1"]
    kind: Literal["StepAction"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: StepActionSpec

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from _name_problems(self.metadata)


def _name_problems(metadata: ObjectMeta) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with the name of an object (Tekton's validate.ObjectMetadata)."""
    if metadata.name is None:
        if metadata.generate_name is None:
            yield ("metadata",), "a name is required"
    elif not SUBDOMAIN.fullmatch(metadata.name) or len(metadata.name) > LONGEST_LABEL:
        rule = "at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
        yield ("metadata", "name"), invalid(metadata.name, "a valid name", rule)


# Pipeline


class PipelineTaskMetadata(Model):
    """Labels and annotations of a Task in a Pipeline."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class EmbeddedTask(TaskSpec):
    """A Task written where it is used. With `apiVersion`, `kind` and `spec` it is a custom task."""

    api_version: str = ""
    kind: str = ""
    spec: Anything | None = None
    metadata: PipelineTaskMetadata = Field(default_factory=PipelineTaskMetadata)

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom task, which only a controller in a cluster could run."""
        return self.api_version != "" or self.kind not in {"", "Task"}

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A Task has steps, a custom task has a kind and a spec."""
        if not self.is_custom:
            if self.spec is not None:
                yield ("spec",), "only a custom task, with apiVersion and kind, has a spec; write its fields here"
            yield from super().problems()
        elif self.steps:
            yield ("apiVersion" if self.api_version else "kind",), "a taskSpec with steps has no apiVersion and kind"


class IncludeParams(Model):
    """Params for the combinations of a matrix that they match, or a combination of their own."""

    name: str = ""
    params: ListOf[Param] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Strings, each once (Tekton docs/matrix.md)."""
        yield from _duplicates("params", self.params, "param")
        for index, param in enumerate(self.params):
            if not isinstance(param.value, str):
                yield ("params", index, "value"), f"expected a string, got an {type_of(param.value)}"


class Matrix(Model):
    """A fan-out over combinations of params (Tekton docs/matrix.md)."""

    params: ListOf[Param] = ()
    include: ListOf[IncludeParams] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Arrays, or references to whole arrays, each once."""
        yield from _duplicates("params", self.params, "param")
        for index, param in enumerate(self.params):
            if isinstance(param.value, dict) or (isinstance(param.value, str) and not _is_array(param.value)):
                remark = not_strings(param.value)
                way_out = f"a list of strings, or a reference such as $(params.{param.name}[*])"
                wanted = "a matrix needs an array"
                message = f"{wanted} of strings, but {remark}" if remark else f"{wanted}: {way_out}"
                yield ("params", index, "value"), message

    def names(self) -> frozenset[str]:
        """Return the names of all params that the matrix gives."""
        return frozenset(param.name for param in chain(self.params, *(entry.params for entry in self.include)))


def _is_array(text: str) -> bool:
    return text.startswith("$(") and text.endswith("[*])")


class _Nested:
    """Validates a PipelineSpec within a PipelineTask by itself: pydantic runs a recursive model's validators twice."""

    @staticmethod
    def __get_pydantic_core_schema__(_source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(data: Any, info: ValidationInfo) -> "PipelineSpec":
            return PipelineSpec.model_validate(data, context=info.context)

        return core_schema.with_info_plain_validator_function(
            validate, serialization=core_schema.plain_serializer_function_ser_schema(Model.to_kubernetes)
        )


class PipelineTask(Model):
    """A Task in a Pipeline, or a whole Pipeline in its place."""

    name: Label
    display_name: str = ""
    description: str = ""
    task_ref: TaskRef | None = None
    task_spec: EmbeddedTask | None = None
    pipeline_ref: PipelineRef | None = None
    pipeline_spec: "Annotated[PipelineSpec, _Nested] | None" = Field(None, alias="pipelineSpec")
    when: ListOf[WhenExpression] = ()
    retries: Annotated[int, Field(ge=0)] = 0
    run_after: ListOf[str] = ()
    params: ListOf[Param] = ()
    matrix: Matrix | None = None
    workspaces: ListOf[WorkspacePipelineTaskBinding] = ()
    timeout: Duration | None = None
    on_error: OnError | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """One Task, each param and Workspace once (Tekton's PipelineTask.Validate)."""
        yield from exactly_one(self, "task_ref", "task_spec", "pipeline_ref", "pipeline_spec")
        if self.on_error == "continue" and self.retries:
            yield ("onError",), "onError cannot be continue when there are retries"
        yield from _duplicates("params", self.params, "param")
        yield from _duplicates("workspaces", self.workspaces, "Workspace")
        matrix_names = self.matrix.names() if self.matrix is not None else frozenset()
        for index, param in enumerate(self.params):
            if param.name in matrix_names:
                yield ("params", index, "name"), f"the param '{param.name}' is in the matrix too"


class PipelineSpec(Model):
    """What a Pipeline is."""

    display_name: str = ""
    description: str = ""
    tasks: ListOf[PipelineTask] = ()
    params: ListOf[ParamSpec] = ()
    workspaces: ListOf[PipelineWorkspaceDeclaration] = ()
    results: ListOf[PipelineResult] = ()
    finally_: ListOf[PipelineTask] = Field((), alias="finally")

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Tasks, and names that differ (Tekton's PipelineSpec.Validate)."""
        if not self.tasks:
            yield ("finally",) if self.finally_ else (), "a Pipeline needs tasks, a list that is not empty"
        yield from _duplicates("params", self.params, "param")
        yield from _duplicates("workspaces", self.workspaces, "Workspace")
        places: list[Path] = [("tasks", index) for index in range(len(self.tasks))]
        places += [("finally", index) for index in range(len(self.finally_))]
        names = [task.name for task in (*self.tasks, *self.finally_)]
        for index, first in repeated(names):
            field, place = places[first]
            yield (*places[index], "name"), f"there is already a Task '{names[index]}' at {field}[{place}]"
        for index, task in enumerate(self.finally_):
            if task.run_after:
                yield ("finally", index, "runAfter"), "a finally Task has no runAfter: all of them start together"


class Pipeline(Model):
    """A Pipeline."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["Pipeline"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PipelineSpec

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from _name_problems(self.metadata)


# Runs


class PodTemplate(Model):
    """What a run asks of its Pods (Tekton docs/podtemplates.md)."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    env: ListOf[EnvVar] = ()
    tolerations: ListOf[Toleration] = ()
    affinity: Affinity | None = None
    security_context: PodSecurityContext | None = None
    volumes: ListOf[Volume] = ()
    runtime_class_name: str | None = None
    automount_service_account_token: bool | None = None
    dns_policy: str | None = None
    dns_config: PodDNSConfig | None = None
    enable_service_links: bool | None = None
    priority_class_name: str | None = None
    scheduler_name: str = ""
    image_pull_secrets: ListOf[LocalObjectReference] = ()
    host_aliases: ListOf[HostAlias] = ()
    host_network: bool = False
    host_users: bool | None = None
    topology_spread_constraints: ListOf[TopologySpreadConstraint] = ()


class TaskRunStepSpec(Model):
    """Resources for one Step."""

    name: NonEmpty
    compute_resources: ResourceRequirements


class TaskRunSidecarSpec(Model):
    """Resources for one Sidecar."""

    name: NonEmpty
    compute_resources: ResourceRequirements


class TaskBreakpoints(Model):
    """Where a run stops for debugging."""

    on_failure: Literal["enabled"] | None = None
    before_steps: ListOf[str] = ()


class TaskRunDebug(Model):
    """How a run is debugged."""

    breakpoints: TaskBreakpoints | None = None


def _resource_problems(
    whole: ResourceRequirements | None, steps: Sequence[TaskRunStepSpec], sidecars: Sequence[TaskRunSidecarSpec]
) -> Iterator[tuple[Path, str]]:
    yield from _duplicates("stepSpecs", steps, "stepSpec")
    yield from _duplicates("sidecarSpecs", sidecars, "sidecarSpec")
    if whole is not None and steps:
        yield ("computeResources",), "only one of computeResources, stepSpecs may be given"


class TaskRunSpec(Model):
    """What a TaskRun runs, and how."""

    debug: TaskRunDebug | None = None
    params: ListOf[Param] = ()
    service_account_name: str = ""
    task_ref: TaskRef | None = None
    task_spec: TaskSpec | None = None
    status: Literal["", "TaskRunCancelled", "TaskRunPending"] = ""
    status_message: str = ""
    retries: Annotated[int, Field(ge=0)] = 0
    timeout: Duration | None = None
    pod_template: PodTemplate | None = None
    workspaces: ListOf[WorkspaceBinding] = ()
    step_specs: ListOf[TaskRunStepSpec] = ()
    sidecar_specs: ListOf[TaskRunSidecarSpec] = ()
    compute_resources: ResourceRequirements | None = None
    managed_by: str | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """One Task, each param and Workspace once (Tekton's TaskRunSpec.Validate)."""
        yield from exactly_one(self, "task_ref", "task_spec")
        yield from _duplicates("params", self.params, "param")
        yield from _duplicates("workspaces", self.workspaces, "Workspace")
        yield from _resource_problems(self.compute_resources, self.step_specs, self.sidecar_specs)
        if self.status_message and not self.status:
            yield ("statusMessage",), "statusMessage needs a status"


class TaskRun(Model):
    """A TaskRun. Its `status` is accepted, and of no consequence."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["TaskRun"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: TaskRunSpec
    status: Anything | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from _name_problems(self.metadata)


class TimeoutFields(Model):
    """How long a run and its parts may take; 0 is without a limit (Tekton docs/pipelineruns.md)."""

    pipeline: Duration | None = None
    tasks: Duration | None = None
    finally_: Duration | None = Field(None, alias="finally")

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The parts are not longer than the whole (Tekton's validatePipelineTimeout)."""
        whole = DEFAULT_TIMEOUT if self.pipeline is None else self.pipeline
        if whole == 0:
            return
        of_what = "timeouts.pipeline" if self.pipeline is not None else "timeouts.pipeline, which is 1h by default"
        parts = {"tasks": self.tasks, "finally": self.finally_}
        for name, part in parts.items():
            if part is not None and (part == 0 or part > whole):
                yield (name,), f"must not be longer than {of_what}"
        if self.tasks and self.finally_ and max(self.tasks, self.finally_) <= whole < self.tasks + self.finally_:
            yield ("finally",), f"tasks and finally together must not be longer than {of_what}"


class PipelineTaskRunTemplate(Model):
    """What all Tasks of a run have in common."""

    pod_template: PodTemplate | None = None
    service_account_name: str = ""


class PipelineTaskRunSpec(Model):
    """What one Task of a run has for itself."""

    pipeline_task_name: str = ""
    service_account_name: str = ""
    pod_template: PodTemplate | None = None
    step_specs: ListOf[TaskRunStepSpec] = ()
    sidecar_specs: ListOf[TaskRunSidecarSpec] = ()
    metadata: PipelineTaskMetadata | None = None
    compute_resources: ResourceRequirements | None = None
    timeout: Duration | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Each Step once, resources for the Steps or for the whole."""
        yield from _resource_problems(self.compute_resources, self.step_specs, self.sidecar_specs)


class PipelineRunSpec(Model):
    """What a PipelineRun runs, and how."""

    pipeline_ref: PipelineRef | None = None
    pipeline_spec: PipelineSpec | None = None
    params: ListOf[Param] = ()
    status: Literal["", "Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunPending"] = ""
    timeouts: TimeoutFields | None = None
    task_run_template: PipelineTaskRunTemplate = Field(default_factory=PipelineTaskRunTemplate)
    workspaces: ListOf[WorkspaceBinding] = ()
    task_run_specs: ListOf[PipelineTaskRunSpec] = ()
    managed_by: str | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """One Pipeline, each param and Workspace once (Tekton's PipelineRunSpec.Validate)."""
        yield from exactly_one(self, "pipeline_ref", "pipeline_spec")
        yield from _duplicates("params", self.params, "param")
        yield from _duplicates("workspaces", self.workspaces, "Workspace")


class PipelineRun(Model):
    """A PipelineRun. Its `status` is accepted, and of no consequence."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["PipelineRun"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PipelineRunSpec
    status: Anything | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from _name_problems(self.metadata)
