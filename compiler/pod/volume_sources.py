"""The sources of volumes (Kubernetes API, Volume): the compiler's knowledge of each kind.

A new kind of source needs its model in ``schemas.kubernetes.volumes``, and here:

- `is_shared`, if a volume of this kind is the same wherever it is mounted,
- `OBJECTS`, if it refers to an object by name, `WITH_ITEMS`, if it lists keys of an object,
- `RESTRICTED`, if the Pod Security profile "restricted" allows it.

Left to others: names that a cluster refuses (``invalid_names``), objects that do not exist (``missing_objects``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monopod.schemas.model import Path

_SHARED = frozenset(
    {"configMap", "secret", "projected", "downwardAPI", "persistentVolumeClaim", "hostPath", "nfs", "image"}
)
OBJECTS = {"persistentVolumeClaim": ("claimName",), "secret": ("secretName", "name"), "configMap": ("name",)}
"""The fields that name an object, by kind of source; a projected secret has another field than a secret volume."""
WITH_ITEMS = frozenset({"secret", "configMap", "downwardAPI"})
"""The kinds of sources whose ``items`` are keys and paths of files."""
RESTRICTED = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
"""The kinds of sources that the Pod Security profile "restricted" allows."""


def is_shared(volume: Mapping[str, Any]) -> bool:
    """Return whether a volume with this source is the same wherever it is mounted."""
    return not _SHARED.isdisjoint(volume) or bool(volume.get("csi", {}).get("readOnly"))


def sources_of(volume: Mapping[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the source of a volume, and each source in a projected volume, with its path, which ends in its kind."""
    for kind, source in volume.items():
        if isinstance(source, dict):
            yield (kind,), source
    for index, projection in enumerate((volume.get("projected") or {}).get("sources") or ()):
        for kind, source in projection.items():
            if isinstance(source, dict):
                yield ("projected", "sources", index, kind), source
