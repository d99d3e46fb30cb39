"""The volumes that a run binds to its Workspaces. Most files are Pipelines without a run, which need none of this."""

from collections.abc import Iterator

from monopod.schemas.kubernetes.claims import PersistentVolumeClaim
from monopod.schemas.kubernetes.volumes import (
    ConfigMapVolumeSource,
    CSIVolumeSource,
    EmptyDirVolumeSource,
    PersistentVolumeClaimVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
)
from monopod.schemas.model import Model, Path, exactly_one
from monopod.schemas.tekton.fields import NonEmpty


class WorkspaceBinding(Model):
    """The volume that a run binds to a Workspace."""

    name: NonEmpty
    sub_path: str = ""
    volume_claim_template: PersistentVolumeClaim | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    csi: CSIVolumeSource | None = None

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Exactly one source (Tekton's WorkspaceBinding.Validate)."""
        yield from exactly_one(self, *(name for name in type(self).model_fields if name not in {"name", "sub_path"}))
        if self.config_map is not None and not self.config_map.name:
            yield ("configMap",), "the name of the ConfigMap is required"
        if self.secret is not None and not self.secret.secret_name:
            yield ("secret",), "secretName is required"
        if self.projected is not None and not self.projected.sources:
            yield ("projected",), "sources is required"
