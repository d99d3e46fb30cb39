"""Volumes and their sources. Most files have none, so the documents that hold them import this when it is needed."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from monopod.schemas.formats.quantity import Quantity
from monopod.schemas.kubernetes.claims import PersistentVolumeClaimTemplate
from monopod.schemas.kubernetes.containers import ObjectFieldSelector, PullPolicy, ResourceFieldSelector
from monopod.schemas.kubernetes.metadata import LabelSelector, LocalObjectReference
from monopod.schemas.model import ListOf, Model, Path, at_most_one, exactly_one

FileMode: TypeAlias = Annotated[int, Field(ge=0, le=0o777)]


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


class EphemeralVolumeSource(Model):
    """A volume whose claim is created and deleted with the Pod."""

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
