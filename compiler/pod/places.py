"""Where what is in the Pod was written, so that what is wrong with the whole Pod can be told there.

Left to others: the parts themselves (``pod.draft``), and what is wrong with them (``pod.security``, ``limit_ranges``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monopod.compiler.documents.places import Place
from monopod.schemas.model import Path

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
