"""PodParts: the contents of a run's Pod besides its Plan, and where each part was written.

Rules:

- All references are replaced: the Pod gets these fields unchanged.
- Field values are plain JSON-like Python values in the spelling of the Kubernetes API (core/v1).
- Containers have the names that the Plan's slots list; volume names are unique in the Pod.

Left to others: assembling the Pod, with monopod's own volumes (``monopod.compiler.pod.assembly``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monopod.compiler.documents.places import Place
from monopod.compiler.packing.choice import PackChoice
from monopod.schemas.model import Path


@dataclass(frozen=True, slots=True)
class ContainerPart:
    """The container of one Step or Sidecar, as its author wrote it.

    ``fields`` are fields of a core/v1 Container (``image``, ``env``, ``volumeMounts``, ``resources``,
    ``securityContext`` …) without ``name``, and without ``command``, ``args`` and ``workingDir``, which the Plan has.
    ``workspaces`` are the paths at which Workspaces are mounted, ``pack`` is its Task's own choice of packing.
    ``has_script``: the container runs a script. ``has_runtime``: it is one of monopod's own, in the coordinator's image
    and with the coordinator's modules.
    """

    name: str
    slot: str
    is_sidecar: bool
    fields: dict[str, Any]
    has_script: bool
    has_runtime: bool = False
    workspaces: frozenset[str] = frozenset()
    pack: PackChoice | None = None


@dataclass(frozen=True, slots=True)
class PodParts:
    """All parts of one Pod.

    ``volumes`` are core/v1 Volumes: of workspaces, of Tasks and of the podTemplate.
    ``pod_fields`` are PodSpec fields from the podTemplate, without ``volumes``, and ``serviceAccountName``.
    """

    name: str | None
    generate_name: str | None
    namespace: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    containers: tuple[ContainerPart, ...]
    volumes: tuple[dict[str, Any], ...]
    pod_fields: dict[str, Any]


PlaceOf = Callable[..., Place]
"""Returns where the field at a path of a container, as its Step or Sidecar has it, was written."""


@dataclass(frozen=True, slots=True)
class PodPlaces:
    """The places of containers and volumes by their names in the Pod, and of fields of the podTemplate by path."""

    containers: dict[str, PlaceOf] = field(default_factory=dict)
    volumes: dict[str, Place] = field(default_factory=dict)
    fields: dict[Path, Place] = field(default_factory=dict)

    def field_of_pod(self, *path: str | int) -> Place:
        """Return where the field at `path` of the Pod, or the closest one around it, was written. Raises KeyError."""
        length = next(length for length in range(len(path), -1, -1) if path[:length] in self.fields)
        return self.fields[path[:length]].at(*path[length:])
