"""The parts of Kubernetes' core/v1 API that may stand in a Tekton document or beside it.

Fields are those of Kubernetes 1.37. Sources of volumes that are hardly ever met are kept as they are. What is checked
is what lets an author find a slip early; the API server has the last word on the Pod that is made. Annotations are no
texts here, as in ``tekton.v1``.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from monopod.schemas.formats import quantity
from monopod.schemas.formats.object_names import key_problem
from monopod.schemas.formats.quantity import Quantity
from monopod.schemas.model import ListOf, Model, Path

Anything: TypeAlias = dict[str, Any]
"""A mapping that is passed on as it is."""


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a number or a name")
    return value


def _pull_policy(value: str) -> str:
    if value not in {"Always", "IfNotPresent", "Never"} and "$(" not in value:
        raise ValueError(f"expected Always, IfNotPresent or Never, got '{value}'")
    return value


IntOrString: TypeAlias = Annotated[
    int | str, PlainValidator(_int_or_string), WithJsonSchema({"type": ["integer", "string"]})
]
"""A port: its number or its name."""

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
FileMode: TypeAlias = Annotated[int, Field(ge=0, le=0o777)]
PullPolicy: TypeAlias = Annotated[
    str,
    AfterValidator(_pull_policy),
    WithJsonSchema({"anyOf": [{"enum": ["Always", "IfNotPresent", "Never"]}, {"type": "string", "pattern": r"\$\("}]}),
]


def several(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of these fields were given, in the YAML's names."""
    fields = type(model).model_fields
    return tuple(fields[name].alias or name for name in names if getattr(model, name) is not None)


def at_most_one(model: Model, *names: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem at the second of these fields if more than one was given."""
    given = several(model, names)
    if len(given) > 1:
        yield (given[1],), f"only one of {', '.join(given)} may be given"


def exactly_one(model: Model, *names: str) -> Iterator[tuple[Path, str]]:
    """Yield a problem if none or more than one of these fields was given."""
    if not several(model, names):
        fields = type(model).model_fields
        yield (), f"one of {', '.join(fields[name].alias or name for name in names)} is required"
    yield from at_most_one(model, *names)


class OwnerReference(Model):
    """The object that another one goes with."""

    api_version: str
    kind: str
    name: str
    uid: str
    block_owner_deletion: bool = False
    controller: bool = False


class ManagedFieldsEntry(Model):
    """Who has set which fields, as a server notes it."""

    api_version: str | None = None
    fields_type: str | None = None
    fields_v1: Anything | None = Field(None, alias="fieldsV1")
    manager: str | None = None
    operation: str | None = None
    subresource: str | None = None
    time: Any = None


class ObjectMeta(Model):
    """What identifies an object; the fields that a server sets are accepted and kept."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: Any = None
    deletion_grace_period_seconds: int | None = None
    deletion_timestamp: Any = None
    finalizers: ListOf[str] = ()
    generation: int | None = None
    managed_fields: ListOf[ManagedFieldsEntry] = ()
    owner_references: ListOf[OwnerReference] = ()
    resource_version: str | None = None
    self_link: str | None = None
    uid: str | None = None


class LocalObjectReference(Model):
    """The name of an object in the same namespace."""

    name: str = ""


class LabelSelectorRequirement(Model):
    """A condition on one label."""

    key: str
    operator: str
    values: ListOf[str] = ()


class LabelSelector(Model):
    """Selects objects by their labels."""

    match_expressions: ListOf[LabelSelectorRequirement] = ()
    match_labels: dict[str, str] = Field(default_factory=dict)


# Environment variables


class ConfigMapKeySelector(Model):
    """One key of a ConfigMap."""

    key: str
    name: str = ""
    optional: bool = False


class SecretKeySelector(Model):
    """One key of a Secret."""

    key: str
    name: str = ""
    optional: bool = False


class FileKeySelector(Model):
    """One key of a file in a volume."""

    key: str
    path: str
    volume_name: str
    optional: bool = False


class ObjectFieldSelector(Model):
    """A field of the Pod."""

    field_path: str
    api_version: str | None = None


class ResourceFieldSelector(Model):
    """A resource that a container asks for."""

    resource: str
    container_name: str | None = None
    divisor: Quantity | None = None


class EnvVarSource(Model):
    """Where the value of an environment variable comes from."""

    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Kubernetes API, EnvVarSource)."""
        yield from exactly_one(self, *type(self).model_fields)


class EnvVar(Model):
    """An environment variable."""

    name: Annotated[str, Field(min_length=1)]
    value: str = ""
    value_from: EnvVarSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A value or a source of one (Kubernetes API, EnvVar)."""
        if self.value and self.value_from is not None:
            yield ("valueFrom",), "only one of value, valueFrom may be given"


class ConfigMapEnvSource(Model):
    """A ConfigMap whose keys become environment variables."""

    name: str = ""
    optional: bool = False


class SecretEnvSource(Model):
    """A Secret whose keys become environment variables."""

    name: str = ""
    optional: bool = False


class EnvFromSource(Model):
    """A source of a whole set of environment variables."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Kubernetes API, EnvFromSource)."""
        yield from exactly_one(self, "config_map_ref", "secret_ref")


# Volumes


class VolumeMount(Model):
    """Where a volume is mounted in a container."""

    name: str
    mount_path: str
    read_only: bool = False
    recursive_read_only: Literal["Disabled", "IfPossible", "Enabled"] | None = None
    mount_propagation: Literal["None", "HostToContainer", "Bidirectional"] | None = None
    bind_mount_options: ListOf[str] = ()
    sub_path: str = ""
    sub_path_expr: str = ""

    def problems(self) -> Iterator[tuple[Path, str]]:
        """A sub-path or an expression for one (Kubernetes API, VolumeMount)."""
        if self.sub_path and self.sub_path_expr:
            yield ("subPathExpr",), "only one of subPath, subPathExpr may be given"


class VolumeDevice(Model):
    """Where a raw block volume appears in a container."""

    name: str
    device_path: str


class KeyToPath(Model):
    """The file that a key becomes."""

    key: str
    path: str
    mode: FileMode | None = None
    user: int | None = None


class EmptyDirVolumeSource(Model):
    """An empty directory that lives as long as the Pod."""

    medium: str = ""
    mode: FileMode | None = None
    size_limit: Quantity | None = None


class HostPathVolumeSource(Model):
    """A file or directory of the node."""

    path: str
    type: (
        Literal["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"]
        | None
    ) = None


class ConfigMapVolumeSource(Model):
    """A ConfigMap whose keys become files."""

    name: str = ""
    default_mode: FileMode | None = None
    default_user: int | None = None
    items: ListOf[KeyToPath] = ()
    optional: bool = False


class SecretVolumeSource(Model):
    """A Secret whose keys become files."""

    secret_name: str = ""
    default_mode: FileMode | None = None
    default_user: int | None = None
    items: ListOf[KeyToPath] = ()
    optional: bool = False


class DownwardAPIVolumeFile(Model):
    """A file that holds a field of the Pod."""

    path: str
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: FileMode | None = None
    user: int | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Kubernetes API, DownwardAPIVolumeFile)."""
        yield from exactly_one(self, "field_ref", "resource_field_ref")


class DownwardAPIVolumeSource(Model):
    """Fields of the Pod as files."""

    default_mode: FileMode | None = None
    default_user: int | None = None
    items: ListOf[DownwardAPIVolumeFile] = ()


class ConfigMapProjection(Model):
    """A ConfigMap in a projected volume."""

    name: str = ""
    items: ListOf[KeyToPath] = ()
    optional: bool = False


class SecretProjection(Model):
    """A Secret in a projected volume."""

    name: str = ""
    items: ListOf[KeyToPath] = ()
    optional: bool = False


class DownwardAPIProjection(Model):
    """Fields of the Pod in a projected volume."""

    items: ListOf[DownwardAPIVolumeFile] = ()


class ServiceAccountTokenProjection(Model):
    """A token of the Pod's ServiceAccount in a projected volume."""

    path: str
    audience: str | None = None
    expiration_seconds: int | None = None
    user: int | None = None


class ClusterTrustBundleProjection(Model):
    """Trust anchors in a projected volume."""

    path: str
    name: str | None = None
    signer_name: str | None = None
    label_selector: LabelSelector | None = None
    optional: bool = False
    user: int | None = None


class PodCertificateProjection(Model):
    """A certificate for the Pod in a projected volume."""

    key_type: str
    signer_name: str
    certificate_chain_path: str | None = None
    credential_bundle_path: str | None = None
    key_path: str | None = None
    max_expiration_seconds: int | None = None
    user: int | None = None
    user_annotations: dict[str, str] = Field(default_factory=dict)


class VolumeProjection(Model):
    """One source of a projected volume."""

    config_map: ConfigMapProjection | None = None
    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = Field(None, alias="downwardAPI")
    service_account_token: ServiceAccountTokenProjection | None = None
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    pod_certificate: PodCertificateProjection | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Kubernetes API, VolumeProjection)."""
        yield from exactly_one(self, *type(self).model_fields)


class ProjectedVolumeSource(Model):
    """Several sources in one directory."""

    sources: ListOf[VolumeProjection] = ()
    default_mode: FileMode | None = None
    default_user: int | None = None


class PersistentVolumeClaimVolumeSource(Model):
    """A PersistentVolumeClaim of the same namespace."""

    claim_name: str
    read_only: bool = False


class CSIVolumeSource(Model):
    """A volume of a CSI driver."""

    driver: str
    fs_type: str | None = None
    node_publish_secret_ref: LocalObjectReference | None = None
    read_only: bool = False
    volume_attributes: dict[str, str] = Field(default_factory=dict)


class NFSVolumeSource(Model):
    """A directory of an NFS server."""

    server: str
    path: str
    read_only: bool = False


class ImageVolumeSource(Model):
    """An OCI image or artifact."""

    reference: str = ""
    pull_policy: PullPolicy | None = None


class VolumeResourceRequirements(Model):
    """The storage that a claim asks for."""

    limits: dict[str, Quantity] = Field(default_factory=dict)
    requests: dict[str, Quantity] = Field(default_factory=dict)


class TypedLocalObjectReference(Model):
    """An object of some kind in the same namespace."""

    kind: str
    name: str
    api_group: str | None = None


class TypedObjectReference(Model):
    """An object of some kind."""

    kind: str
    name: str
    api_group: str | None = None
    namespace: str | None = None


class PersistentVolumeClaimSpec(Model):
    """What a claim asks for."""

    access_modes: ListOf[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]] = ()
    resources: VolumeResourceRequirements = Field(default_factory=VolumeResourceRequirements)
    storage_class_name: str | None = None
    volume_mode: Literal["Filesystem", "Block"] | None = None
    volume_name: str | None = None
    selector: LabelSelector | None = None
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    volume_attributes_class_name: str | None = None


class PersistentVolumeClaim(Model):
    """A PersistentVolumeClaim: a document of its own, or a template in a workspace binding."""

    api_version: Literal["v1"] | None = None
    kind: Literal["PersistentVolumeClaim"] | None = None
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: PersistentVolumeClaimSpec = Field(default_factory=PersistentVolumeClaimSpec)
    status: Anything | None = None


class PersistentVolumeClaimTemplate(Model):
    """A claim that is made together with its Pod."""

    spec: PersistentVolumeClaimSpec
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)


class EphemeralVolumeSource(Model):
    """A volume that is claimed for the Pod and goes with it."""

    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class AWSElasticBlockStoreVolumeSource(Model):
    """A disk of Amazon's Elastic Block Store."""

    volume_id: str = Field(alias="volumeID")
    fs_type: str | None = None
    partition: int | None = None
    read_only: bool = False


class AzureDiskVolumeSource(Model):
    """A disk of Azure."""

    disk_name: str
    disk_uri: str = Field(alias="diskURI")
    caching_mode: str | None = None
    fs_type: str | None = None
    kind: str | None = None
    read_only: bool = False


class AzureFileVolumeSource(Model):
    """A share of Azure Files."""

    secret_name: str
    share_name: str
    read_only: bool = False


class CephFSVolumeSource(Model):
    """A directory of CephFS."""

    monitors: ListOf[str]
    path: str | None = None
    read_only: bool = False
    secret_file: str | None = None
    secret_ref: LocalObjectReference | None = None
    user: str | None = None


class CinderVolumeSource(Model):
    """A volume of OpenStack."""

    volume_id: str = Field(alias="volumeID")
    fs_type: str | None = None
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class FCVolumeSource(Model):
    """A disk behind Fibre Channel."""

    fs_type: str | None = None
    lun: int | None = None
    read_only: bool = False
    target_wwns: ListOf[str] = Field((), alias="targetWWNs")
    wwids: ListOf[str] = ()


class FlexVolumeSource(Model):
    """A volume of a FlexVolume driver."""

    driver: str
    fs_type: str | None = None
    options: dict[str, str] = Field(default_factory=dict)
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class FlockerVolumeSource(Model):
    """A dataset of Flocker."""

    dataset_name: str | None = None
    dataset_uuid: str | None = Field(None, alias="datasetUUID")


class GCEPersistentDiskVolumeSource(Model):
    """A disk of Google's Compute Engine."""

    pd_name: str
    fs_type: str | None = None
    partition: int | None = None
    read_only: bool = False


class GitRepoVolumeSource(Model):
    """A revision of a git repository."""

    repository: str
    directory: str | None = None
    revision: str | None = None


class GlusterfsVolumeSource(Model):
    """A volume of GlusterFS."""

    endpoints: str
    path: str
    read_only: bool = False


class ISCSIVolumeSource(Model):
    """A disk behind iSCSI."""

    iqn: str
    lun: int
    target_portal: str
    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str | None = None
    initiator_name: str | None = None
    iscsi_interface: str | None = None
    portals: ListOf[str] = ()
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class PhotonPersistentDiskVolumeSource(Model):
    """A disk of Photon Controller."""

    pd_id: str = Field(alias="pdID")
    fs_type: str | None = None


class PortworxVolumeSource(Model):
    """A volume of Portworx."""

    volume_id: str = Field(alias="volumeID")
    fs_type: str | None = None
    read_only: bool = False


class QuobyteVolumeSource(Model):
    """A volume of Quobyte."""

    registry: str
    volume: str
    group: str | None = None
    read_only: bool = False
    tenant: str | None = None
    user: str | None = None


class RBDVolumeSource(Model):
    """A block device of Ceph."""

    image: str
    monitors: ListOf[str]
    fs_type: str | None = None
    keyring: str | None = None
    pool: str | None = None
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    user: str | None = None


class ScaleIOVolumeSource(Model):
    """A volume of ScaleIO."""

    gateway: str
    secret_ref: LocalObjectReference
    system: str
    fs_type: str | None = None
    protection_domain: str | None = None
    read_only: bool = False
    ssl_enabled: bool = False
    storage_mode: str | None = None
    storage_pool: str | None = None
    volume_name: str | None = None


class StorageOSVolumeSource(Model):
    """A volume of StorageOS."""

    fs_type: str | None = None
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    volume_name: str | None = None
    volume_namespace: str | None = None


class VsphereVirtualDiskVolumeSource(Model):
    """A disk of vSphere."""

    volume_path: str
    fs_type: str | None = None
    storage_policy_id: str | None = Field(None, alias="storagePolicyID")
    storage_policy_name: str | None = None


class Volume(Model):
    """A named volume. Without a source it is an empty directory (Kubernetes API, Volume)."""

    name: str
    empty_dir: EmptyDirVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = Field(None, alias="downwardAPI")
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    image: ImageVolumeSource | None = None
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    git_repo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scale_io: ScaleIOVolumeSource | None = Field(None, alias="scaleIO")
    storageos: StorageOSVolumeSource | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """At most one source."""
        yield from at_most_one(self, *(name for name in type(self).model_fields if name != "name"))


# Security


class AppArmorProfile(Model):
    """An AppArmor profile."""

    type: str
    localhost_profile: str | None = None


class SeccompProfile(Model):
    """A seccomp profile."""

    type: str
    localhost_profile: str | None = None


class Capabilities(Model):
    """Linux capabilities to add and to drop."""

    add: ListOf[str] = ()
    drop: ListOf[str] = ()


class SELinuxOptions(Model):
    """An SELinux label."""

    user: str | None = None
    role: str | None = None
    type: str | None = None
    level: str | None = None


class WindowsSecurityContextOptions(Model):
    """Security options of a Windows container."""

    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class Sysctl(Model):
    """A kernel parameter."""

    name: str
    value: str


class SecurityContext(Model):
    """The security options of a container."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsSecurityContextOptions | None = None


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


# Probes and lifecycle


class ExecAction(Model):
    """A command that is run in the container."""

    command: ListOf[str] = ()


class GRPCAction(Model):
    """A gRPC health check."""

    port: Port
    service: str | None = None
    mode: str | None = None


class HTTPHeader(Model):
    """A header of a request."""

    name: str
    value: str


class HTTPGetAction(Model):
    """An HTTP request."""

    port: IntOrString
    path: str | None = None
    host: str | None = None
    scheme: Literal["HTTP", "HTTPS"] | None = None
    http_headers: ListOf[HTTPHeader] = ()
    protocol: str | None = None


class TCPSocketAction(Model):
    """A TCP connection."""

    port: IntOrString
    host: str | None = None


class SleepAction(Model):
    """A pause."""

    seconds: int


Seconds: TypeAlias = Annotated[int, Field(ge=0)]


class Probe(Model):
    """A check on a container."""

    exec: ExecAction | None = None
    grpc: GRPCAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    initial_delay_seconds: Seconds | None = None
    period_seconds: Seconds | None = None
    timeout_seconds: Seconds | None = None
    success_threshold: Seconds | None = None
    failure_threshold: Seconds | None = None
    termination_grace_period_seconds: Seconds | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one action (Kubernetes API, Probe)."""
        yield from exactly_one(self, "exec", "http_get", "tcp_socket", "grpc")


class LifecycleHandler(Model):
    """What is done when a container has started or is about to stop."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcp_socket: TCPSocketAction | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one action (Kubernetes API, LifecycleHandler)."""
        yield from exactly_one(self, "exec", "http_get", "tcp_socket", "sleep")


class Lifecycle(Model):
    """The handlers of a container."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class ContainerPort(Model):
    """A port of a container."""

    container_port: Port
    name: str | None = None
    host_ip: str | None = Field(None, alias="hostIP")
    host_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None


class ResourceClaim(Model):
    """A claim of the Pod that a container uses."""

    name: str
    request: str | None = None


class ResourceRequirements(Model):
    """What a container asks for and what it may use at most."""

    limits: dict[str, Quantity] = Field(default_factory=dict)
    requests: dict[str, Quantity] = Field(default_factory=dict)
    claims: ListOf[ResourceClaim] = ()


# Scheduling


class NodeSelectorRequirement(Model):
    """A condition on a node."""

    key: str
    operator: str
    values: ListOf[str] = ()


class NodeSelectorTerm(Model):
    """Conditions on a node, all of which must hold."""

    match_expressions: ListOf[NodeSelectorRequirement] = ()
    match_fields: ListOf[NodeSelectorRequirement] = ()


class NodeSelector(Model):
    """Terms of which one must hold."""

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
    """Pods to be near to, or not."""

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
    """The Pods to be near to (or, as an anti-affinity, not)."""

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


# Objects


def _key_problems(*fields: tuple[str, dict[str, str]]) -> Iterator[tuple[Path, str]]:
    for field, data in fields:
        for key in data:
            if (message := key_problem(key)) is not None:
                yield (field, key), message


class ConfigMap(Model):
    """A ConfigMap."""

    api_version: Literal["v1"]
    kind: Literal["ConfigMap"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    data: dict[str, str] = Field(default_factory=dict)
    binary_data: dict[str, str] = Field(default_factory=dict)
    immutable: bool | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Keys that can be names of files."""
        yield from _key_problems(("data", self.data), ("binaryData", self.binary_data))


class Secret(Model):
    """A Secret."""

    api_version: Literal["v1"]
    kind: Literal["Secret"]
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    type: str | None = None
    data: dict[str, str] = Field(default_factory=dict)
    string_data: dict[str, str] = Field(default_factory=dict)
    immutable: bool | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Keys that can be names of files."""
        yield from _key_problems(("data", self.data), ("stringData", self.string_data))


class LimitRangeItem(Model):
    """The limits for one type of things: for each ``Container``, for each ``Pod``, and others."""

    type: Annotated[str, Field(min_length=1)]
    default: dict[str, Quantity] = Field(default_factory=dict)
    default_request: dict[str, Quantity] = Field(default_factory=dict)
    max: dict[str, Quantity] = Field(default_factory=dict)
    max_limit_request_ratio: dict[str, Quantity] = Field(default_factory=dict)
    min: dict[str, Quantity] = Field(default_factory=dict)

    def problems(self) -> Iterator[tuple[Path, str]]:
        """What the API refuses (Kubernetes API, LimitRangeItem)."""
        if self.type == "Pod":
            for name, given in (("default", self.default), ("defaultRequest", self.default_request)):
                if given:
                    yield (name,), "a Pod has no defaults; those of its containers are given with the type Container"
        for low, high in (("min", "max"), ("min", "default"), ("defaultRequest", "default"), ("default", "max")):
            yield from self._not_below(low, high)

    def _not_below(self, low: str, high: str) -> Iterator[tuple[Path, str]]:
        amounts = {"min": self.min, "max": self.max, "default": self.default, "defaultRequest": self.default_request}
        for name, amount in amounts[low].items():
            other = amounts[high].get(name)
            if other is not None and quantity.parse(amount) > quantity.parse(other):
                yield (low, name), f"{amount} is more than {high}.{name}, {other}"


class LimitRangeSpec(Model):
    """What a LimitRange limits."""

    limits: ListOf[LimitRangeItem]

    def problems(self) -> Iterator[tuple[Path, str]]:
        """One item of a type (Kubernetes' validation of LimitRanges)."""
        seen = set()
        for index, item in enumerate(self.limits):
            if item.type in seen:
                yield ("limits", index, "type"), f"there is another item of the type {item.type} before it; join them"
            seen.add(item.type)


class LimitRange(Model):
    """What containers and Pods of a namespace may ask for, and what they get if they ask for nothing."""

    api_version: Literal["v1"] | None = None
    kind: Literal["LimitRange"] | None = None
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: LimitRangeSpec | None = None
