"""The podTemplate of a run. Most files have none."""

from pydantic import Field

from monopod.schemas.kubernetes.containers import EnvVar
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
from monopod.schemas.model import ListOf, Model


class PodTemplate(Model):
    """Settings for the Pods of a run (Tekton docs/podtemplates.md)."""

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
