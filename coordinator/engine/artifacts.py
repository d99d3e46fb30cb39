"""Artifacts: the provenance of a Step's inputs and outputs, which it writes to a file (Tekton docs/artifacts.md).

Rules: the file is JSON with the lists ``inputs`` and ``outputs``. An entry has a ``name`` and ``values`` (each with a
``uri`` and a ``digest``); an output may have ``buildOutput``. Other fields are dropped, however deeply nested. A
reference (``$(steps.build.outputs.image)``) is replaced by the JSON of the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

from monopod.system import foreign_json

Direction: TypeAlias = Literal["inputs", "outputs"]
DIRECTIONS: tuple[Direction, ...] = ("inputs", "outputs")


class Artifacts(NamedTuple):
    """The entries that a Step or Task wrote, in their order, as in Tekton's status."""

    inputs: tuple[dict[str, Any], ...] = ()
    outputs: tuple[dict[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.inputs or self.outputs)

    def values(self) -> Iterator[tuple[Direction, str, str]]:
        """Yield direction, name and JSON text of each entry's values, which replaces references to it."""
        for direction in DIRECTIONS:
            for entry in getattr(self, direction):
                yield direction, entry["name"], json.dumps(entry["values"], separators=(",", ":"))

    def status(self) -> dict[str, Any]:
        """Return the entries as a status has them."""
        return {direction: list(entries) for direction in DIRECTIONS if (entries := getattr(self, direction))}


def parse_artifacts(text: str, path: str) -> Artifacts:
    """Return the Artifacts in the text of a file. Raises ValueError with a message if it is malformed."""
    try:
        content = foreign_json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a JSON object with inputs and outputs")
    return Artifacts(**{direction: _entries(content.get(direction), direction, path) for direction in DIRECTIONS})


def _entries(entries: Any, direction: str, path: str) -> tuple[dict[str, Any], ...]:
    entries = [] if entries is None else entries
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise ValueError(
            f"{path}: {direction} is not a list of entries with a name, and values with a uri and a digest"
        )
    return tuple(
        {**_only(entry, "name", "buildOutput"), "values": [_only(value, "uri", "digest") for value in entry["values"]]}
        for entry in entries
    )


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("buildOutput", False), bool)
        and isinstance(entry.get("values"), list)
        and all(map(_is_value, entry["values"]))
    )


def _is_value(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("uri", ""), str):
        return False
    digest = value.get("digest", {})
    return isinstance(digest, dict) and all(isinstance(text, str) for text in digest.values())


def _only(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return these fields, in their order; others are dropped, as Tekton does."""
    return {name: value for name, value in fields.items() if name in names}


def merged(all_artifacts: Iterable[Artifacts]) -> Artifacts:
    """Return what a Task's Steps wrote together; of entries with one name the values are joined."""
    together: dict[Direction, dict[str, dict[str, Any]]] = {"inputs": {}, "outputs": {}}
    values: dict[tuple[Direction, str], dict[str, Any]] = {}
    for artifacts in all_artifacts:
        for direction in DIRECTIONS:
            for entry in getattr(artifacts, direction):
                together[direction].setdefault(entry["name"], entry)
                known = values.setdefault((direction, entry["name"]), {})
                for value in entry["values"]:
                    known.setdefault(json.dumps(value, sort_keys=True), value)
    return Artifacts(
        **{
            direction: tuple(
                {**entry, "values": list(values[direction, name].values())} for name, entry in entries.items()
            )
            for direction, entries in together.items()
        }
    )
