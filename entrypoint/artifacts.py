"""Artifacts: where the inputs and outputs of a Step came from, as it says in a file (Tekton docs/artifacts.md).

Rules: the file is JSON with the lists ``inputs`` and ``outputs``; an entry has a ``name`` and ``values`` (each with a
``uri`` and a ``digest``), an output perhaps ``buildOutput``. A reference (``$(steps.build.outputs.image)``) stands for
the JSON of the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Direction: TypeAlias = Literal["inputs", "outputs"]
DIRECTIONS: tuple[Direction, ...] = ("inputs", "outputs")


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The entries that a Step or Task wrote, by direction and in their order, as in Tekton's status."""

    inputs: tuple[dict[str, Any], ...] = ()
    outputs: tuple[dict[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs)

    def values(self) -> Iterator[tuple[Direction, str, str]]:
        """Yield direction, name and JSON text of each entry's values: what references to it stand for."""
        for direction in DIRECTIONS:
            for entry in getattr(self, direction):
                yield direction, entry["name"], json.dumps(entry["values"], separators=(",", ":"))

    def status(self) -> dict[str, Any]:
        """Return the entries as they stand in a status."""
        return {direction: list(entries) for direction in DIRECTIONS if (entries := getattr(self, direction))}


def parse_artifacts(text: str, path: str) -> Artifacts:
    """Return the Artifacts that a file holds. Raises ValueError, in words, if it holds anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a JSON object with inputs and outputs")
    return Artifacts(**{direction: _entries(content.get(direction), direction, path) for direction in DIRECTIONS})


def _entries(entries: Any, direction: str, path: str) -> tuple[dict[str, Any], ...]:
    entries = [] if entries is None else entries
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise ValueError(f"{path}: {direction} is not a list of entries with a name and a list of values")
    return tuple(entries)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("values"), list)


def merged(all_artifacts: Iterable[Artifacts]) -> Artifacts:
    """Return what a Task's Steps wrote together; of entries with one name the values are joined."""
    together: dict[Direction, dict[str, dict[str, Any]]] = {"inputs": {}, "outputs": {}}
    for artifacts in all_artifacts:
        for direction in DIRECTIONS:
            for entry in getattr(artifacts, direction):
                known = together[direction].setdefault(entry["name"], {**entry, "values": []})
                known["values"] += [value for value in entry["values"] if value not in known["values"]]
    return Artifacts(**{direction: tuple(entries.values()) for direction, entries in together.items()})
