"""The Pod as it grows while Tasks are compiled: its slots, containers and volumes, each under a name of its own.

Rules:

- Its size is limited far above any real Pod. Compilation stops as soon as a limit is exceeded (`TooLargeError`).
- A volume that is the same wherever it is mounted (a ConfigMap, a Secret, a claim) is added once. A volume that would
  belong to a single Pod in Tekton (an emptyDir of a Task) is added once per slot.

Left to others: the contents of the fields (``steps``, ``workspaces``), assembling the Pod (``pod.assembly``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monopod.compiler.documents.places import Place
from monopod.compiler.packing.choice import PackChoice
from monopod.compiler.pod.generated_names import container_name, slot_name, volume_name
from monopod.compiler.pod.metadata import ForOneTask
from monopod.compiler.pod.parts import ContainerPart, PlaceOf, PodPlaces
from monopod.compiler.pod.volume_sources import is_shared
from monopod.schemas.variables import TooLargeError

MOST_CONTAINERS = 5_000
"""The maximum number of containers. A cluster can store a Pod of fewer than a thousand."""
_canonical = json.JSONEncoder(sort_keys=True).encode
MOST_CHARACTERS = 64 * 1024 * 1024
"""The maximum size of the fields of all containers together: forty times what a cluster can store."""


@dataclass(frozen=True, slots=True)
class PodContents:
    """The containers and volumes of a Pod, where they were written, and the metadata that single Tasks add.

    ``workspaces`` are the volumes of Workspaces by name, each with the name of the first Workspace that is bound to it.
    """

    containers: tuple[ContainerPart, ...]
    volumes: tuple[dict[str, Any], ...]
    places: PodPlaces
    of_tasks: tuple[ForOneTask, ...]
    workspaces: dict[str, str]


class PodDraft:
    """Collects the containers and volumes of a Pod."""

    def __init__(self) -> None:
        self.containers: list[ContainerPart] = []
        self.volumes: list[dict[str, Any]] = []
        self.of_tasks: list[ForOneTask] = []
        self.workspaces: dict[str, str] = {}
        self.cache_directory = ""
        self.places = PodPlaces()
        self._slots: set[str] = set()
        self._container_names: set[str] = set()
        self._volume_names: set[str] = set()
        self.kept_volumes: frozenset[str] = frozenset()
        self._volumes_by_key: dict[str, str] = {}
        self._characters = 0

    def contents(self) -> PodContents:
        """Return what was collected."""
        return PodContents(
            tuple(self.containers), tuple(self.volumes), self.places, tuple(self.of_tasks), dict(self.workspaces)
        )

    def make_room(self, fields: dict[str, Any]) -> None:
        """Count the fields of a container before it is added. Raises TooLargeError if there is no room."""
        self._characters += characters_in(fields)
        check_size(self._characters)

    def slot(self, task_path: Sequence[str], index: int | None) -> str:
        """Return the name of a new slot."""
        return slot_name(task_path, index, self._slots)

    def container(
        self,
        slot: str,
        step: str,
        fields: dict[str, Any],
        place_of: PlaceOf,
        *,
        is_sidecar: bool = False,
        has_script: bool = False,
        has_runtime: bool = False,
        workspaces: frozenset[str] = frozenset(),
        pack: PackChoice | None = None,
    ) -> str:
        """Add a container and return its name. Raises TooLargeError."""
        if len(self.containers) >= MOST_CONTAINERS:
            raise TooLargeError(f"the Pod has more than {MOST_CONTAINERS} containers")
        name = container_name(slot, step, self._container_names)
        self.places.containers[name] = place_of
        self.containers.append(ContainerPart(name, slot, is_sidecar, fields, has_script, has_runtime, workspaces, pack))
        return name

    def volume(self, words: Sequence[str], source: dict[str, Any], place: Place) -> str:
        """Return the name of the volume with this source, adding it if it is new; `place` is where it is written.

        `words` name it, and distinguish it from other volumes with the same source.
        """
        content = _canonical(source)
        key = content if is_shared(source) else _canonical([list(words), content])
        name = self._volumes_by_key.get(key)
        if name is None:
            name = self._volumes_by_key[key] = volume_name(words, self._volume_names)
            self.volumes.append({"name": name, **source})
            self.places.volumes[name] = place
        return name

    def workspace(self, workspace: str, source: dict[str, Any], place: Place) -> str:
        """Return the name of the volume that is bound to a Workspace, adding it if it is new."""
        name = self.volume(("workspace", workspace), source, place)
        self.workspaces.setdefault(name, workspace)
        return name

    def keep_volume(self, volume: dict[str, Any], place: Place) -> None:
        """Add a volume of the podTemplate, under the name that it has."""
        self.places.volumes[volume["name"]] = place
        self._volume_names.add(volume["name"])
        self.kept_volumes |= {volume["name"]}
        self.volumes.append(volume)


def check_size(characters: int) -> None:
    """Raise TooLargeError if the fields of a Pod's containers are longer than the limit."""
    if characters > MOST_CHARACTERS:
        raise TooLargeError(f"the containers of the Pod hold more than {MOST_CHARACTERS >> 20} Mi characters")


def characters_in(field: object) -> int:
    """Return about how long a field is, written as JSON."""
    if isinstance(field, str):
        return len(field)
    if isinstance(field, dict):
        return sum(map(len, field)) + 4 * len(field) + sum(map(characters_in, field.values()))
    if isinstance(field, list):
        return 2 * len(field) + sum(map(characters_in, field))
    return 1
