"""Tasks, their Steps and Sidecars, and StepActions."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from monopod.schemas.formats.duration import Duration
from monopod.schemas.formats.object_names import invalid, label_problem
from monopod.schemas.kubernetes.containers import (
    ContainerPort,
    EnvFromSource,
    EnvVar,
    Lifecycle,
    Probe,
    PullPolicy,
    ResourceRequirements,
    SecurityContext,
    VolumeDevice,
    VolumeMount,
)
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import ListOf, Model, Path, duplicates, lazy_model
from monopod.schemas.tekton.fields import NonEmpty, OnError, name_problems
from monopod.schemas.tekton.params import Param, ParamSpec, StepResult, TaskResult, WhenExpression

if TYPE_CHECKING:
    from monopod.schemas.kubernetes.volumes import Volume
else:
    Volume = lazy_model("monopod.schemas.kubernetes.volumes", "Volume")

_QUALIFIED = re.compile(r"([^/]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)

Command: TypeAlias = ListOf[str]


# References


class Reference(Model):
    """A name, or a resolver with its params (Tekton docs/resolution-getting-started.md)."""

    name: str = ""
    resolver: str = ""
    params: ListOf[Param] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Needs a name or a resolver (Tekton's validateRef)."""
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
        yield from duplicates("params", self.params, "param")


class TaskRef(Reference):
    """A reference to a Task or, with another kind and apiVersion, to a custom task."""

    kind: str = ""
    api_version: str = ""
    version: str = ""
    """Konflux's, in its sources: Tekton does not have it."""

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom task, which only a controller in a cluster could run."""
        return self.kind not in {"", "Task", "ClusterTask"} or self.api_version != ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A reference to a custom task needs no name. The compiler refuses it."""
        if self.resolver or not self.is_custom:
            yield from super().problems()


class StepActionRef(Reference):
    """A reference to a StepAction."""


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
        """The mount path (Tekton docs/workspaces.md)."""
        return self.mount_path or f"/workspace/{self.name}"


class WorkspaceUsage(Model):
    """A Workspace that only the Steps and Sidecars that list it can see."""

    name: NonEmpty
    mount_path: str = ""


# Steps


def _label_or_nothing(value: str) -> str:
    if value and (problem := label_problem(value)):
        raise ValueError(problem)
    return value


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
    compute_resources: ResourceRequirements = Field(default_factory=ResourceRequirements.model_construct)
    volume_mounts: ListOf[VolumeMount] = ()
    volume_devices: ListOf[VolumeDevice] = ()
    image_pull_policy: PullPolicy | None = None
    security_context: SecurityContext | None = None


class Step(StepTemplate):
    """A Step of a Task. Without a name it is called after its position."""

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
        """Fields that exclude each other (Tekton's Step.Validate)."""
        if self.ref is not None:
            for name in ("image", "command", "args", "script", "working_dir", "env", "volume_mounts", "results"):
                if getattr(self, name):
                    field = type(self).model_fields[name].alias or name
                    yield (field,), f"{field} cannot be given together with ref: it is the StepAction's"
        elif self.params:
            yield ("params",), "a Step has params only together with ref"
        if self.script and self.command:
            yield ("script",), "only one of script, command may be given"
        yield from duplicates("params", self.params, "param")
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
    compute_resources: ResourceRequirements = Field(default_factory=ResourceRequirements.model_construct)
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
        """Fields that exclude each other (Tekton's Sidecar.Validate)."""
        if self.script and self.command:
            yield ("script",), "only one of script, command may be given"
        if self.name == "tekton-log-results":
            yield ("name",), f"the name '{self.name}' is reserved"


# Tasks


class TaskSpec(Model):
    """The spec of a Task."""

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
        """There must be Steps, unique names, and declared Workspaces (Tekton's TaskSpec.Validate)."""
        if not self.steps:
            yield (), "a Task needs steps, a list that is not empty"
        yield from duplicates("params", self.params, "param")
        yield from duplicates("steps", self.steps, "Step")
        yield from duplicates("sidecars", self.sidecars, "Sidecar")
        yield from duplicates("volumes", self.volumes, "volume")
        yield from duplicates("workspaces", self.workspaces, "Workspace")
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
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: TaskSpec

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from name_problems(self.metadata)


class StepActionSpec(Model):
    """The spec of a StepAction."""

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
        """Needs an image, and at most one of script and command (Tekton's StepActionSpec.Validate)."""
        if not self.image:
            yield (), "a StepAction needs an image"
        if self.script and self.command:
            yield ("script",), "only one of script, command may be given"
        yield from duplicates("params", self.params, "param")
        yield from _mount_problems(self.volume_mounts)


class StepAction(Model):
    """A Step that several Tasks share."""

    api_version: Literal["tekton.dev/v1", "tekton.dev/v1beta1", "tekton.dev/v1alpha1"]
    kind: Literal["StepAction"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: StepActionSpec

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from name_problems(self.metadata)
