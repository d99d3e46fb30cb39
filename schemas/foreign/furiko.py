"""Furiko's Job and JobConfig (``execution.furiko.io/v1alpha1``).

Source: furiko-io/furiko apis/execution/v1alpha1, and what pkg/execution/validation and pkg/core/options check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from monopod.schemas.foreign.containers import Container
from monopod.schemas.foreign.objects import ForeignObject
from monopod.schemas.foreign.support import NoEffect, Refused
from monopod.schemas.kubernetes.metadata import LocalObjectReference
from monopod.schemas.kubernetes.pods import (
    Affinity,
    HostAlias,
    PodDNSConfig,
    PodSecurityContext,
    Toleration,
    TopologySpreadConstraint,
)
from monopod.schemas.kubernetes.volumes import Volume
from monopod.schemas.model import ListOf, Model, Path, duplicates, exactly_one, repeated, several
from monopod.schemas.tekton.fields import NonEmpty

_MOST_ATTEMPTS = 50
_OPTION_NAME = re.compile(r"[a-zA-Z_0-9.-]+", re.ASCII)
_MATRIX_KEY = re.compile(r"[a-z0-9_-]+", re.ASCII)
_MISPLACED = Refused("write it in template")
_NAMESPACES = Refused("the containers of one Pod have their own process trees; leave it out")
_DEVICES = Refused("a Step cannot use a claim for devices; leave it out")
_ONE_POD = Refused("the whole run is one Pod, and its scheduling is not gated; leave it out")
_HOSTNAME = NoEffect("all Tasks of the run share the name of its Pod")
_ADMISSION = NoEffect("the cluster sets it when it admits the Pod")


class FurikoPodSpec(Model):
    """A task's Pod: its containers, and the fields of the run's Pod."""

    containers: ListOf[Container]
    init_containers: ListOf[Container] = ()
    volumes: ListOf[Volume] = ()
    restart_policy: Literal["", "Never", "OnFailure"] = ""
    active_deadline_seconds: Annotated[int, Field(gt=0)] | None = None
    node_selector: dict[str, str] = Field(default_factory=dict)
    affinity: Affinity | None = None
    tolerations: ListOf[Toleration] = ()
    topology_spread_constraints: ListOf[TopologySpreadConstraint] = ()
    host_aliases: ListOf[HostAlias] = ()
    scheduler_name: str = ""
    security_context: PodSecurityContext | None = None
    automount_service_account_token: bool | None = None
    image_pull_secrets: ListOf[LocalObjectReference] = ()
    host_network: bool | None = None
    host_users: bool | None = None
    dns_policy: str | None = None
    dns_config: PodDNSConfig | None = None
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    enable_service_links: bool | None = None
    service_account_name: str = ""
    service_account: str = ""
    ephemeral_containers: Annotated[Any, Refused("only a running Pod can get them; leave them out")] = None
    termination_grace_period_seconds: Annotated[Any, NoEffect("a Step that is stopped has 10 s to end")] = None
    node_name: Annotated[Any, Refused("use nodeSelector with kubernetes.io/hostname")] = None
    host_pid: Annotated[Any, _NAMESPACES] = Field(None, alias="hostPID")
    host_ipc: Annotated[Any, _NAMESPACES] = Field(None, alias="hostIPC")
    share_process_namespace: Annotated[Any, _NAMESPACES] = None
    hostname: Annotated[Any, _HOSTNAME] = None
    subdomain: Annotated[Any, _HOSTNAME] = None
    set_hostname_as_fqdn: Annotated[Any, _HOSTNAME] = Field(None, alias="setHostnameAsFQDN")
    hostname_override: Annotated[Any, _HOSTNAME] = None
    priority: Annotated[Any, _ADMISSION] = None
    preemption_policy: Annotated[Any, _ADMISSION] = None
    overhead: Annotated[Any, _ADMISSION] = None
    os: Annotated[Any, NoEffect("the Pod runs on Linux")] = None
    readiness_gates: Annotated[Any, _ONE_POD] = None
    scheduling_gates: Annotated[Any, _ONE_POD] = None
    resource_claims: Annotated[Any, _DEVICES] = None
    resources: Annotated[Any, Refused("set resources on each container")] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There are containers, names are unique, and no container is restarted in its Pod."""
        yield from duplicates("containers", self.containers, "container")
        yield from duplicates("initContainers", self.init_containers, "container")
        yield from duplicates("volumes", self.volumes, "volume")
        if not self.containers:
            yield ("containers",), "a Pod needs containers, a list that is not empty"
        if self.restart_policy == "OnFailure":
            yield (
                ("restartPolicy",),
                "monopod does not restart a container in its Pod; write Never, and use maxAttempts",
            )


class FurikoMetadata(Model):
    """Labels and annotations for Jobs or Pods; the rest of their metadata is accepted and ignored."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    name: Annotated[Any, NoEffect("Furiko names what it creates")] = None
    generate_name: Annotated[Any, NoEffect("Furiko names what it creates")] = None
    namespace: Annotated[Any, NoEffect("Furiko creates it in the namespace of the Job")] = None
    creation_timestamp: Annotated[Any, NoEffect("the server sets it")] = None
    finalizers: Annotated[Any, NoEffect("the Pod of a run has none")] = None


class FurikoPod(Model):
    """The template of a task's Pod."""

    metadata: FurikoMetadata = Field(default_factory=FurikoMetadata)
    spec: FurikoPodSpec


class FurikoTaskTemplate(Model):
    """What a task is: a Pod."""

    pod: FurikoPod


class FurikoParallelism(Model):
    """Several tasks at the same time, each with its index."""

    with_count: Annotated[int, Field(gt=0)] | None = None
    with_keys: ListOf[NonEmpty] | None = None
    with_matrix: dict[str, ListOf[NonEmpty]] | None = None
    completion_strategy: Literal["", "AllSuccessful", "AnySuccessful"] = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one kind of parallelism, with unique keys (Furiko's ValidateParallelismSpec)."""
        yield from exactly_one(self, "with_count", "with_keys", "with_matrix")
        keys = self.with_keys or ()
        for index, first in repeated(keys):
            yield ("withKeys", index), f"there is already a key '{keys[first]}' at withKeys[{first}]"
        for key in self.with_matrix or {}:
            if not _MATRIX_KEY.fullmatch(key):
                yield ("withMatrix", key), f"'{key}' is not a valid key; use a-z, 0-9, '_' and '-'"


class FurikoJobTemplate(Model):
    """How a Job runs its tasks."""

    task_template: FurikoTaskTemplate
    parallelism: FurikoParallelism | None = None
    max_attempts: Annotated[int, Field(gt=0, le=_MOST_ATTEMPTS)] | None = None
    retry_delay_seconds: Annotated[int, Field(ge=0)] | None = None
    task_pending_timeout_seconds: Annotated[int, Field(ge=0)] | None = None
    forbid_task_force_deletion: Annotated[Any, NoEffect("monopod deletes no Pod by force")] = None


class FurikoStartPolicy(Model):
    """When a Job starts."""

    concurrency_policy: Literal["", "Allow", "Forbid", "Enqueue"] = ""
    start_after: Annotated[Any, Refused("a run starts at once; leave it out, or compile a CronJob")] = None


class FurikoJobSpec(Model):
    """The spec of a Job: a template, or the name of the JobConfig that has it."""

    config_name: str = ""
    type: Literal["", "Adhoc", "Scheduled"] = ""
    start_policy: FurikoStartPolicy | None = None
    template: FurikoJobTemplate | None = None
    option_values: str = ""
    substitutions: dict[str, str] = Field(default_factory=dict)
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] | None = None
    kill_timestamp: Annotated[Any, Refused("use --timeout, or cancel the run with monopod cancel")] = None
    parallelism: Annotated[Any, _MISPLACED] = None
    max_attempts: Annotated[Any, _MISPLACED] = None
    retry_delay_seconds: Annotated[Any, _MISPLACED] = None
    task_template: Annotated[Any, _MISPLACED] = None
    task_pending_timeout_seconds: Annotated[Any, _MISPLACED] = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There is a template (Furiko's ValidateJobSpec)."""
        if not self.config_name and self.template is None:
            yield (), "a Job needs a configName or a template"


class FurikoJob(ForeignObject):
    """A Job."""

    api_version: Literal["execution.furiko.io/v1alpha1"]
    kind: Literal["Job"]
    spec: FurikoJobSpec


class FurikoBool(Model):
    """How the text of a boolean option is written."""

    default: bool = False
    format: Literal["", "TrueFalse", "OneZero", "YesNo", "Custom"] = ""
    true_val: str = ""
    false_val: str = ""


class FurikoString(Model):
    """An option with any text."""

    default: str = ""
    trim_spaces: bool = False


class FurikoSelect(Model):
    """An option with one of some values."""

    default: str = ""
    values: ListOf[NonEmpty]
    allow_custom: bool = False

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There are values, and the default is one (Furiko's ValidateSelectOptionConfig)."""
        if not self.values:
            yield ("values",), "at least one value is required"
        elif self.default and self.default not in self.values:
            yield ("default",), f"the default '{self.default}' is not among the values"


class FurikoMulti(Model):
    """An option with several of some values."""

    default: ListOf[NonEmpty] = ()
    delimiter: str = ""
    values: ListOf[NonEmpty]
    allow_custom: bool = False

    def problems(self) -> Iterator[tuple[Path, str]]:
        """There are values, and the defaults are among them (Furiko's ValidateMultiOptionConfig)."""
        if not self.values:
            yield ("values",), "at least one value is required"
            return
        for index, value in enumerate(self.default):
            if value not in self.values:
                yield ("default", index), f"the default '{value}' is not among the values"


class FurikoDate(Model):
    """How the text of a date is written: a format of Moment.js."""

    format: str = ""


class FurikoOption(Model):
    """A value that a JobConfig takes."""

    type: Literal["Bool", "String", "Select", "Multi", "Date"]
    name: NonEmpty
    label: str = ""
    required: bool = False
    bool_: FurikoBool | None = Field(None, alias="bool")
    string: FurikoString | None = None
    select: FurikoSelect | None = None
    multi: FurikoMulti | None = None
    date: FurikoDate | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """The name is valid, and the settings are of its type (Furiko's ValidateOption)."""
        if not _OPTION_NAME.fullmatch(self.name):
            yield ("name",), f"'{self.name}' is not a valid option name; use letters, digits, '_', '.' and '-'"
        of_type = self.type.lower()
        settings = several(self, ("bool_", "string", "select", "multi", "date"))
        for name in settings:
            if name != of_type:
                yield (name,), f"an option of type {self.type} has no settings of another type; leave it out"
        if self.type in ("Select", "Multi") and of_type not in settings:
            yield (), f"an option of type {self.type} needs {of_type}.values"
        if self.type == "Bool" and self.required:
            yield ("required",), "an option of type Bool always has a value; leave required out"


class FurikoOptionSpec(Model):
    """The options of a JobConfig."""

    options: ListOf[FurikoOption] = ()

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Names are unique."""
        yield from duplicates("options", self.options, "option")


class FurikoConcurrency(Model):
    """What happens when a Job is due while another one runs."""

    policy: Literal["Allow", "Forbid", "Enqueue"]
    max_concurrency: Annotated[int, Field(gt=0)] | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A maximum only with a limit (Furiko's ValidateConcurrencySpec)."""
        if self.policy == "Allow" and self.max_concurrency is not None:
            yield ("maxConcurrency",), "the policy Allow has no maximum; leave it out"


class FurikoCron(Model):
    """Cron expressions, and their time zone."""

    expression: str = ""
    expressions: ListOf[str] = ()
    timezone: str = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """One of expression and expressions (Furiko's ValidateCronSchedule)."""
        if not self.expression and not self.expressions:
            yield (), "one of expression, expressions is required"
        elif self.expression and self.expressions:
            yield ("expressions",), "only one of expression, expressions may be given"


class FurikoSchedule(Model):
    """When a JobConfig creates Jobs."""

    cron: FurikoCron
    disabled: bool = False
    constraints: Annotated[
        Any, NoEffect("a CronJob has no first and no last time; suspend or delete it when its time is over")
    ] = None
    last_updated: Annotated[Any, NoEffect("Furiko sets it")] = None


class FurikoJobTemplateSpec(Model):
    """The template of a JobConfig's Jobs."""

    metadata: FurikoMetadata = Field(default_factory=FurikoMetadata)
    spec: FurikoJobTemplate


class FurikoJobConfigSpec(Model):
    """The spec of a JobConfig."""

    template: FurikoJobTemplateSpec
    concurrency: FurikoConcurrency
    schedule: FurikoSchedule | None = None
    option: FurikoOptionSpec = Field(default_factory=FurikoOptionSpec)


class FurikoJobConfig(ForeignObject):
    """A JobConfig."""

    api_version: Literal["execution.furiko.io/v1alpha1"]
    kind: Literal["JobConfig"]
    spec: FurikoJobConfigSpec
