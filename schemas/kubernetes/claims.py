"""PersistentVolumeClaims, and their templates in volumes."""

from typing import Literal

from pydantic import Field

from monopod.schemas.formats.quantity import Quantity
from monopod.schemas.kubernetes.metadata import LabelSelector, ObjectMeta
from monopod.schemas.model import Anything, ListOf, Model


class VolumeResourceRequirements(Model):
    """The storage that a claim requests."""

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
    """The spec of a PersistentVolumeClaim."""

    access_modes: ListOf[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]] = ()
    resources: VolumeResourceRequirements = Field(default_factory=VolumeResourceRequirements.model_construct)
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
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
    spec: PersistentVolumeClaimSpec = Field(default_factory=PersistentVolumeClaimSpec.model_construct)
    status: Anything | None = None


class PersistentVolumeClaimTemplate(Model):
    """A claim that is created with its Pod."""

    spec: PersistentVolumeClaimSpec
    metadata: ObjectMeta = Field(default_factory=ObjectMeta.model_construct)
