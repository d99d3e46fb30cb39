"""What identifies, selects or refers to an object."""

from typing import Any

from pydantic import Field

from monopod.schemas.model import Anything, ListOf, Model


class OwnerReference(Model):
    """The owner of an object, with which the object is deleted."""

    api_version: str
    kind: str
    name: str
    uid: str
    block_owner_deletion: bool = False
    controller: bool = False


class ManagedFieldsEntry(Model):
    """Which fields a manager has set, as the server records it."""

    api_version: str | None = None
    fields_type: str | None = None
    fields_v1: Anything | None = Field(None, alias="fieldsV1")
    manager: str | None = None
    operation: str | None = None
    subresource: str | None = None
    time: Any = None


class ObjectMeta(Model):
    """The metadata of an object. Fields that a server sets are accepted and kept."""

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
