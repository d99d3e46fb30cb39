"""PipelineRuns and TaskRuns."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from monopod.schemas.formats.duration import Duration
from monopod.schemas.kubernetes.containers import ResourceRequirements
from monopod.schemas.kubernetes.metadata import ObjectMeta
from monopod.schemas.model import Anything, ListOf, Model, Path, duplicates, exactly_one, lazy_model, repeated
from monopod.schemas.tekton.fields import NonEmpty, name_problems
from monopod.schemas.tekton.params import Param
from monopod.schemas.tekton.pipelines import PipelineRef, PipelineSpec, PipelineTaskMetadata
from monopod.schemas.tekton.tasks import TaskRef, TaskSpec

if TYPE_CHECKING:
    from monopod.schemas.tekton.pod_templates import PodTemplate
    from monopod.schemas.tekton.workspace_bindings import WorkspaceBinding
else:
    PodTemplate = lazy_model("monopod.schemas.tekton.pod_templates", "PodTemplate")
    WorkspaceBinding = lazy_model("monopod.schemas.tekton.workspace_bindings", "WorkspaceBinding")

DEFAULT_TIMEOUT = 3600.0
"""The default timeout of a PipelineRun in seconds (Tekton docs/pipelineruns.md, default-timeout-minutes)."""


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

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Each Step once (Tekton's validateDebug)."""
        for index, first in repeated(self.before_steps):
            yield ("beforeSteps", index), f"this Step is already at beforeSteps[{first}]"


class TaskRunDebug(Model):
    """How a run is debugged."""

    breakpoints: TaskBreakpoints | None = None


def _resource_problems(
    whole: ResourceRequirements | None, steps: Sequence[TaskRunStepSpec], sidecars: Sequence[TaskRunSidecarSpec]
) -> Iterator[tuple[Path, str]]:
    yield from duplicates("stepSpecs", steps, "stepSpec")
    yield from duplicates("sidecarSpecs", sidecars, "sidecarSpec")
    if whole is not None and steps:
        yield ("computeResources",), "only one of computeResources, stepSpecs may be given"


class TaskRunSpec(Model):
    """The spec of a TaskRun."""

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
        """Exactly one Task; params and Workspaces must be unique (Tekton's TaskRunSpec.Validate)."""
        yield from exactly_one(self, "task_ref", "task_spec")
        yield from duplicates("params", self.params, "param")
        yield from duplicates("workspaces", self.workspaces, "Workspace")
        yield from _resource_problems(self.compute_resources, self.step_specs, self.sidecar_specs)
        if self.status_message and not self.status:
            yield ("statusMessage",), "statusMessage needs a status"


class TaskRun(Model):
    """A TaskRun. Its `status` is accepted and ignored."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["TaskRun"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: TaskRunSpec
    status: Anything | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from name_problems(self.metadata)


class TimeoutFields(Model):
    """The timeouts of a run and its parts; 0 means no limit (Tekton docs/pipelineruns.md)."""

    pipeline: Duration | None = None
    tasks: Duration | None = None
    finally_: Duration | None = Field(None, alias="finally")

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The parts must not be longer than the whole (Tekton's validatePipelineTimeout)."""
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
    """Settings for all Tasks of a run."""

    pod_template: PodTemplate | None = None
    service_account_name: str = ""


class PipelineTaskRunSpec(Model):
    """Settings for one Task of a run."""

    pipeline_task_name: str = ""
    service_account_name: str = ""
    pod_template: PodTemplate | None = None
    step_specs: ListOf[TaskRunStepSpec] = ()
    sidecar_specs: ListOf[TaskRunSidecarSpec] = ()
    metadata: PipelineTaskMetadata | None = None
    compute_resources: ResourceRequirements | None = None
    timeout: Duration | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Steps must be unique; resources are set for the Steps or for the Task."""
        yield from _resource_problems(self.compute_resources, self.step_specs, self.sidecar_specs)


class PipelineRunSpec(Model):
    """The spec of a PipelineRun."""

    pipeline_ref: PipelineRef | None = None
    pipeline_spec: PipelineSpec | None = None
    params: ListOf[Param] = ()
    status: Literal["", "Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunPending"] = ""
    timeouts: TimeoutFields | None = None
    task_run_template: PipelineTaskRunTemplate = Field(default_factory=PipelineTaskRunTemplate.model_construct)
    workspaces: ListOf[WorkspaceBinding] = ()
    task_run_specs: ListOf[PipelineTaskRunSpec] = ()
    managed_by: str | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one Pipeline; params and Workspaces must be unique (Tekton's PipelineRunSpec.Validate)."""
        yield from exactly_one(self, "pipeline_ref", "pipeline_spec")
        yield from duplicates("params", self.params, "param")
        yield from duplicates("workspaces", self.workspaces, "Workspace")


class PipelineRun(Model):
    """A PipelineRun. Its `status` is accepted and ignored."""

    api_version: Literal["tekton.dev/v1"]
    kind: Literal["PipelineRun"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: PipelineRunSpec
    status: Anything | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A valid name."""
        yield from name_problems(self.metadata)
