"""PodParts: what the Pod of a run is made of beside its Plan, and where each part was written.

Rules:

- All references are replaced: the Pod has these fields as they are.
- Field values are plain JSON-like Python values in the spelling of the Kubernetes API (core/v1).
- Container names are those of the Plan's slots; volume names are unique in the Pod.

What is left to others: putting it together, with the volumes of monopod's own (``monopod.compiler.pod.assembly``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monopod.compiler.documents.places import Place
from monopod.schemas.model import Path


@dataclass(frozen=True, slots=True)
class ContainerPart:
    """The container of one Step or Sidecar, as its author wants it.

    ``fields`` are those of a core/v1 Container (``image``, ``env``, ``volumeMounts``, ``resources``,
    ``securityContext`` …) without ``name``, and without ``command``, ``args`` and ``workingDir``, which the Plan has.
    ``has_script``: it is a script that runs in this container.
    """

    name: str
    slot: str
    is_sidecar: bool
    fields: dict[str, Any]
    has_script: bool


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
        """Return where the field at `path` of the Pod was written, or what is around it. Raises KeyError."""
        length = next(length for length in range(len(path), -1, -1) if path[:length] in self.fields)
        return self.fields[path[:length]].at(*path[length:])
