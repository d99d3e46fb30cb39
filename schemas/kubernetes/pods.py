"""Fields of the whole Pod: security, scheduling, hosts and DNS."""

from monopod.schemas.kubernetes.containers import (
    AppArmorProfile,
    SeccompProfile,
    SELinuxOptions,
    WindowsSecurityContextOptions,
)
from monopod.schemas.kubernetes.metadata import LabelSelector
from monopod.schemas.model import ListOf, Model

# Security


class Sysctl(Model):
    """A kernel parameter."""

    name: str
    value: str


class PodSecurityContext(Model):
    """The security options of a Pod."""

    app_armor_profile: AppArmorProfile | None = None
    fs_group: int | None = None
    fs_group_change_policy: str | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_change_policy: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: ListOf[int] = ()
    supplemental_groups_policy: str | None = None
    sysctls: ListOf[Sysctl] = ()
    windows_options: WindowsSecurityContextOptions | None = None


# Scheduling


class NodeSelectorRequirement(Model):
    """A condition on a node."""

    key: str
    operator: str
    values: ListOf[str] = ()


class NodeSelectorTerm(Model):
    """Conditions on a node, which must all hold."""

    match_expressions: ListOf[NodeSelectorRequirement] = ()
    match_fields: ListOf[NodeSelectorRequirement] = ()


class NodeSelector(Model):
    """Terms; at least one must hold."""

    node_selector_terms: ListOf[NodeSelectorTerm]


class PreferredSchedulingTerm(Model):
    """A term that is preferred."""

    preference: NodeSelectorTerm
    weight: int


class NodeAffinity(Model):
    """The nodes a Pod may or should run on."""

    preferred_during_scheduling_ignored_during_execution: ListOf[PreferredSchedulingTerm] = ()
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class PodAffinityTerm(Model):
    """Pods to be near, or away from."""

    topology_key: str
    label_selector: LabelSelector | None = None
    match_label_keys: ListOf[str] = ()
    mismatch_label_keys: ListOf[str] = ()
    namespace_selector: LabelSelector | None = None
    namespaces: ListOf[str] = ()


class WeightedPodAffinityTerm(Model):
    """A term that is preferred."""

    pod_affinity_term: PodAffinityTerm
    weight: int


class PodAffinity(Model):
    """The Pods to be near (or, in an anti-affinity, away from)."""

    preferred_during_scheduling_ignored_during_execution: ListOf[WeightedPodAffinityTerm] = ()
    required_during_scheduling_ignored_during_execution: ListOf[PodAffinityTerm] = ()


class Affinity(Model):
    """Where a Pod may or should run."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class Toleration(Model):
    """A taint that a Pod tolerates."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class TopologySpreadConstraint(Model):
    """How Pods spread over a topology."""

    max_skew: int
    topology_key: str
    when_unsatisfiable: str
    label_selector: LabelSelector | None = None
    match_label_keys: ListOf[str] = ()
    min_domains: int | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None


# Names of hosts


class HostAlias(Model):
    """A line of ``/etc/hosts``."""

    ip: str
    hostnames: ListOf[str] = ()


class PodDNSConfigOption(Model):
    """An option of the resolver."""

    name: str | None = None
    value: str | None = None


class PodDNSConfig(Model):
    """The resolver of a Pod."""

    nameservers: ListOf[str] = ()
    options: ListOf[PodDNSConfigOption] = ()
    searches: ListOf[str] = ()
