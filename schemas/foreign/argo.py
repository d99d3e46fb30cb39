"""Argo's Workflow and WorkflowTemplate (``argoproj.io/v1alpha1``) whose entrypoint is a container or a containerSet.

Source: argo-workflows docs/container-set-template.md, docs/fields.md and pkg/apis/workflow/v1alpha1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from monopod.schemas.foreign.containers import Container
from monopod.schemas.foreign.objects import ForeignObject
from monopod.schemas.foreign.support import AnyText, NoEffect, Refused, WholeNumber
from monopod.schemas.formats.duration import Duration
from monopod.schemas.kubernetes.claims import PersistentVolumeClaim
from monopod.schemas.kubernetes.containers import VolumeMount
from monopod.schemas.kubernetes.metadata import LocalObjectReference
from monopod.schemas.kubernetes.pods import Affinity, HostAlias, PodDNSConfig, PodSecurityContext, Toleration
from monopod.schemas.kubernetes.volumes import Volume
from monopod.schemas.model import ListOf, Model, Path, duplicates
from monopod.schemas.tekton.fields import NonEmpty

_VALUE_FROM = Refused("a param has its value in the file or from -p NAME=VALUE")
_NOT_FROM_FILE = Refused("an output of a containerSet comes from a file; use path")
_ARTIFACT_IN = Refused("fetch the files in a container, onto a volume")
_ARTIFACT_OUT = Refused(
    "write the files to a volume, and copy them with --fetch VOLUME/PATH:DIR or upload them in a container"
)
_TEMPLATE = Refused("write each template as a container of one containerSet, ordered by dependencies")
_BACKOFF = Refused("use containerSet.retryStrategy with a duration, which stays the same; or leave it out")
_EXIT = Refused("write what it does as a finally Task of a Tekton Pipeline; monopod convert writes the Pipeline")
_LOCK = Refused("one Pod has no locks; use concurrencyPolicy of a CronJob, or a Lease")
_PATCH = Refused("write the fields in the template instead")
_CONTROLLER = NoEffect("it is about Argo's controller and server")
_ONE_POD = NoEffect("a containerSet is one Pod")


class ArgoValueSource(Model):
    """Where the value of an output comes from."""

    path: str = ""
    default: AnyText | None = None
    json_path: Annotated[Any, _NOT_FROM_FILE] = Field(None, alias="jsonPath")
    jq_filter: Annotated[Any, _NOT_FROM_FILE] = Field(None, alias="jqFilter")
    event: Annotated[Any, _NOT_FROM_FILE] = None
    parameter: Annotated[Any, _NOT_FROM_FILE] = None
    supplied: Annotated[Any, _NOT_FROM_FILE] = None
    config_map_key_ref: Annotated[Any, _NOT_FROM_FILE] = None
    expression: Annotated[Any, _NOT_FROM_FILE] = None


class ArgoParameter(Model):
    """A parameter that a Workflow or a template takes."""

    name: NonEmpty
    value: AnyText | None = None
    default: AnyText | None = None
    description: AnyText | None = None
    enum: ListOf[AnyText] = ()
    value_from: Annotated[Any, _VALUE_FROM] = None
    global_name: Annotated[Any, NoEffect("every param of the run has one scope")] = None


class ArgoOutput(Model):
    """A parameter that a template returns."""

    name: NonEmpty
    value_from: ArgoValueSource | None = None
    description: AnyText | None = None
    value: Annotated[Any, _NOT_FROM_FILE] = None
    default: Annotated[Any, Refused("write it in valueFrom, beside path")] = None
    enum: Annotated[Any, NoEffect("an output has no choices")] = None
    global_name: Annotated[Any, NoEffect("the output is a Result of the run under its own name")] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """An output needs a path."""
        if self.value_from is None or not self.value_from.path:
            yield (), "an output needs valueFrom.path"


class ArgoArguments(Model):
    """The values of a Workflow's parameters."""

    parameters: ListOf[ArgoParameter] = ()
    artifacts: Annotated[Any, _ARTIFACT_IN] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Names are unique."""
        yield from duplicates("parameters", self.parameters, "parameter")


class ArgoOutputs(Model):
    """What a template returns."""

    parameters: ListOf[ArgoOutput] = ()
    artifacts: Annotated[Any, _ARTIFACT_OUT] = None
    result: Annotated[Any, NoEffect("Argo sets it")] = None
    exit_code: Annotated[Any, NoEffect("Argo sets it")] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Names are unique."""
        yield from duplicates("parameters", self.parameters, "parameter")


class ContainerNode(Container):
    """A container of a containerSet; it starts once the containers in `dependencies` have succeeded."""

    name: NonEmpty
    dependencies: ListOf[str] = ()


class ContainerSetRetryStrategy(Model):
    """How often each container is retried."""

    retries: WholeNumber
    duration: Duration | None = None


class ContainerSet(Model):
    """Containers of one Pod, in the order of their dependencies."""

    containers: ListOf[ContainerNode]
    volume_mounts: ListOf[VolumeMount] = ()
    retry_strategy: ContainerSetRetryStrategy | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There are containers, with unique names."""
        if not self.containers:
            yield ("containers",), "a containerSet needs containers, a list that is not empty"
        yield from duplicates("containers", self.containers, "container")


class ArgoRetryStrategy(Model):
    """How often a whole template is retried."""

    limit: WholeNumber | None = None
    retry_policy: Literal["", "OnFailure", "Always"] = ""
    backoff: Annotated[Any, _BACKOFF] = None
    affinity: Annotated[Any, Refused("all attempts run in the one Pod; leave affinity out")] = None
    expression: Annotated[Any, Refused("every failure is retried; leave expression out")] = None


class ArgoMetadata(Model):
    """Labels and annotations of the Pod."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ArgoPodFields(Model):
    """What a Workflow and a template both say about their Pod; the template's fields take precedence."""

    service_account_name: str = ""
    automount_service_account_token: bool | None = None
    node_selector: dict[str, str] = Field(default_factory=dict)
    affinity: Affinity | None = None
    tolerations: ListOf[Toleration] = ()
    host_aliases: ListOf[HostAlias] = ()
    scheduler_name: str = ""
    security_context: PodSecurityContext | None = None
    volumes: ListOf[Volume] = ()
    executor: Annotated[Any, _CONTROLLER] = None
    pod_spec_patch: Annotated[Any, _PATCH] = None
    metrics: Annotated[Any, _CONTROLLER] = None
    synchronization: Annotated[Any, _LOCK] = None
    pod_resources: Annotated[Any, Refused("set resources on each container")] = None
    resource_claims: Annotated[Any, Refused("a Step cannot use a claim for devices; leave it out")] = None
    parallelism: Annotated[Any, _ONE_POD] = None


class ArgoTemplate(ArgoPodFields):
    """A template. Only a container and a containerSet run here."""

    name: str = ""
    inputs: ArgoArguments = Field(default_factory=ArgoArguments)
    outputs: ArgoOutputs = Field(default_factory=ArgoOutputs)
    container_set: ContainerSet | None = None
    container: Container | None = None
    metadata: ArgoMetadata = Field(default_factory=ArgoMetadata)
    annotations: dict[str, str] = Field(default_factory=dict)
    active_deadline_seconds: WholeNumber | None = None
    retry_strategy: ArgoRetryStrategy | None = None
    priority_class_name: str = ""
    dag: Annotated[Any, _TEMPLATE] = None
    steps: Annotated[Any, _TEMPLATE] = None
    script: Annotated[Any, Refused("write it as a container whose args hold the script")] = None
    resource: Annotated[Any, Refused("run kubectl in a container")] = None
    suspend: Annotated[Any, Refused("a run cannot wait for a person; split the Workflow in two")] = None
    data: Annotated[Any, _TEMPLATE] = None
    http: Annotated[Any, Refused("run curl in a container")] = None
    plugin: Annotated[Any, _TEMPLATE] = None
    daemon: Annotated[Any, Refused("write it as a Sidecar of a Tekton Task")] = None
    init_containers: Annotated[Any, Refused("write them as containers that the others have as dependencies")] = None
    sidecars: Annotated[Any, Refused("write them as Sidecars of a Tekton Task")] = None
    archive_location: Annotated[Any, _ARTIFACT_OUT] = None
    fail_fast: Annotated[Any, _ONE_POD] = None
    memoize: Annotated[Any, Refused("a run has no cache of results; leave it out")] = None
    timeout: Annotated[Any, Refused("use activeDeadlineSeconds")] = None
    pending_timeout: Annotated[Any, Refused("use --start-timeout of monopod run")] = None


class WorkflowSpec(ArgoPodFields):
    """The spec of a Workflow or a WorkflowTemplate. Templates that the entrypoint does not name are not run."""

    entrypoint: str = ""
    templates: ListOf[ArgoTemplate] = ()
    arguments: ArgoArguments = Field(default_factory=ArgoArguments)
    volume_claim_templates: ListOf[PersistentVolumeClaim] = ()
    image_pull_secrets: ListOf[LocalObjectReference] = ()
    host_network: bool | None = None
    dns_policy: str | None = None
    dns_config: PodDNSConfig | None = None
    active_deadline_seconds: WholeNumber | None = None
    pod_priority_class_name: str = ""
    pod_metadata: ArgoMetadata = Field(default_factory=ArgoMetadata)
    workflow_template_ref: Annotated[Any, Refused("give the WorkflowTemplate with -f, and its parameters with -p")] = (
        None
    )
    retry_strategy: Annotated[Any, Refused("write it in the template")] = None
    template_defaults: Annotated[Any, Refused("write the fields in the template")] = None
    artifact_repository_ref: Annotated[Any, _CONTROLLER] = None
    artifact_gc: Annotated[Any, _CONTROLLER] = Field(None, alias="artifactGC")
    archive_logs: Annotated[Any, _CONTROLLER] = None
    suspend: Annotated[Any, Refused("a run starts at once; leave it out")] = None
    shutdown: Annotated[Any, Refused("cancel a run with monopod cancel")] = None
    on_exit: Annotated[Any, _EXIT] = None
    hooks: Annotated[Any, _EXIT] = None
    ttl_strategy: Annotated[Any, NoEffect("use --ttl, which makes a Job")] = None
    pod_gc: Annotated[Any, NoEffect("monopod run deletes the Pod")] = Field(None, alias="podGC")
    priority: Annotated[Any, _CONTROLLER] = None
    pod_disruption_budget: Annotated[Any, Refused("create the PodDisruptionBudget beside the Pod")] = None
    volume_claim_gc: Annotated[Any, NoEffect("the Pod's volumes end with it")] = Field(None, alias="volumeClaimGC")
    workflow_metadata: Annotated[Any, NoEffect("it is about the Workflow object, and there is none")] = None
    executor_plugins: Annotated[Any, _CONTROLLER] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The names of templates are unique."""
        yield from duplicates("templates", self.templates, "template")


class Workflow(ForeignObject):
    """A Workflow, WorkflowTemplate or ClusterWorkflowTemplate."""

    api_version: Literal["argoproj.io/v1alpha1"]
    kind: Literal["Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"]
    spec: WorkflowSpec
