"""Objects that a Pod needs from outside: ConfigMaps, Secrets, their keys, and paths of the machine.

Rules:

- An object in the files must have each key that is referred to. An object that is not in the files may be in the
  cluster. This is a note, or a warning if the files have a similar name. It is an error for a Pod that runs on this
  machine (`local`).
- An ``optional`` object or key may be missing.
- A hostPath must exist on this machine, unless its type creates it (``DirectoryOrCreate``, ``FileOrCreate``).

Left to others: the contents of the objects while running (the backends).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from monopod.compiler.diagnostics import Problem, Severity, closest, did_you_mean
from monopod.compiler.documents.documents import Documents
from monopod.compiler.documents.places import Place
from monopod.compiler.pod.draft import PodContents
from monopod.compiler.pod.volume_sources import OBJECTS, sources_of
from monopod.schemas.kubernetes.objects import ConfigMap, Secret
from monopod.schemas.plan import Pipeline, walk

_IN_EVERY_NAMESPACE = "kube-root-ca.crt"
"""The ConfigMap that a cluster creates in each namespace."""

Kind: TypeAlias = Literal["ConfigMap", "Secret"]
_KEYS: dict[Kind, tuple[str, str]] = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}
_IN_ENV: tuple[tuple[str, Kind], ...] = (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret"))
_IN_ENV_FROM: tuple[tuple[str, Kind], ...] = (("configMapRef", "ConfigMap"), ("secretRef", "Secret"))
_OF_VOLUMES: dict[str, Kind] = {"configMap": "ConfigMap", "secret": "Secret"}


@dataclass(frozen=True, slots=True)
class _Reference:
    kind: Kind
    name: str
    keys: tuple[str, ...]
    task: str
    place: Place


def missing(contents: PodContents, pipeline: Pipeline, documents: Documents, *, local: bool) -> Iterator[Problem]:
    """Yield a problem for each object missing from the files and, if `local`, each path missing from this machine."""
    yield from missing_objects(contents, pipeline, documents, local=local)
    if local:
        yield from missing_host_paths(contents)


def is_advice(problem: Problem) -> bool:
    """Return whether a problem is only for `monopod check`: an object that the cluster probably has."""
    return problem.rule == "missing-object" and problem.severity == "note"


def missing_objects(
    contents: PodContents, pipeline: Pipeline, documents: Documents, *, local: bool
) -> Iterator[Problem]:
    """Yield a problem for each ConfigMap, Secret or key that is referred to and not in the files."""
    known: dict[Kind, dict[str, frozenset[str]]] = {
        "ConfigMap": {document.name: _keys(document.data, "ConfigMap") for document, _ in documents.of(ConfigMap)},
        "Secret": {document.name: _keys(document.data, "Secret") for document, _ in documents.of(Secret)},
    }
    tasks = {slot.name: task.path for task in walk(pipeline) for slot in task.task.slots}
    reported: set[tuple[Any, ...]] = set()
    for reference in (*_of_containers(contents, tasks), *_of_volumes(contents, tasks)):
        problem = _problem(reference, known[reference.kind], local=local)
        if problem is not None and (problem.position, reference.kind, reference.name) not in reported:
            reported.add((problem.position, reference.kind, reference.name))
            yield problem


def missing_host_paths(contents: PodContents, exists: Callable[[str], bool] = os.path.lexists) -> Iterator[Problem]:
    """Yield a problem for each hostPath that does not exist on this machine and is not created."""
    for volume in contents.volumes:
        source = volume.get("hostPath")
        if source and not str(source.get("type") or "").endswith("OrCreate") and not exists(source["path"]):
            message = f"there is no {source['path']} on this machine; make it, or set type: DirectoryOrCreate"
            yield contents.places.volumes[volume["name"]].problem("missing-object", message)


def _keys(data: Mapping[str, Any], kind: Kind) -> frozenset[str]:
    return frozenset(key for field in _KEYS[kind] for key in data.get(field) or ())


def _of_containers(contents: PodContents, tasks: Mapping[str, str]) -> Iterator[_Reference]:
    for part in contents.containers:
        place_of, task = contents.places.containers[part.name], tasks.get(part.slot, part.slot)
        for index, entry in enumerate(part.fields.get("env", ())):
            origin = entry.get("valueFrom") or {}
            for field, kind in _IN_ENV:
                reference = _needed(origin.get(field))
                if (
                    reference and reference.get("name") and reference.get("key")
                ):  # whether they must be, Kubernetes says
                    place = place_of("env").at(index, "valueFrom", field)
                    yield _Reference(kind, reference["name"], (reference["key"],), task, place)
        for index, entry in enumerate(part.fields.get("envFrom", ())):
            for field, kind in _IN_ENV_FROM:
                if (reference := _needed(entry.get(field))) and reference.get("name"):
                    yield _Reference(kind, reference["name"], (), task, place_of("envFrom").at(index, field))


def _of_volumes(contents: PodContents, tasks: Mapping[str, str]) -> Iterator[_Reference]:
    users = {
        mount["name"]: tasks.get(part.slot, part.slot)
        for part in reversed(contents.containers)
        for mount in part.fields.get("volumeMounts", ())
    }
    for volume in contents.volumes:
        task, place = users.get(volume["name"], ""), contents.places.volumes[volume["name"]]
        for path, source in sources_of(volume):
            source_kind = str(path[-1])
            kind = _OF_VOLUMES.get(source_kind)
            if kind is None or _needed(source) is None:
                continue
            name = next(filter(None, map(source.get, OBJECTS[source_kind])), None)
            if name:
                keys = tuple(item["key"] for item in source.get("items", ()))
                yield _Reference(kind, name, keys, task, place.at(*path))


def _needed(reference: Any) -> dict[str, Any] | None:
    return reference if isinstance(reference, dict) and not reference.get("optional") else None


def _problem(reference: _Reference, known: Mapping[str, frozenset[str]], *, local: bool) -> Problem | None:
    kind, name = reference.kind, reference.name
    user = f", which the Task '{reference.task}' needs" if reference.task else ""
    if "$(" in name:
        return None
    if name in known:
        missing: Sequence[str] = [key for key in reference.keys if key not in known[name] and "$(" not in key]
        if not missing:
            return None
        message = f"the {kind} '{name}' has no key '{missing[0]}'{user}{did_you_mean(missing[0], known[name])}"
        return reference.place.problem("missing-object", message)
    if name == _IN_EVERY_NAMESPACE and not local:
        return None
    severity: Severity = "error" if local else "warning" if closest(name, known) is not None else "note"
    options = f"--secret {_secret_option(reference)}, or with -f" if kind == "Secret" else "-f"
    way_out = f"; give it with {options}" if local else f"; a cluster may have it, else give it with {options}"
    message = f"there is no {kind} '{name}' in the files{user}{did_you_mean(name, known) or way_out}"
    return reference.place.problem("missing-object", message, severity)


def _secret_option(reference: _Reference) -> str:
    """Return an argument of ``--secret`` that gives a Secret, or its key if only one is needed."""
    (key,) = reference.keys if len(reference.keys) == 1 else ("",)
    return f"{reference.name}/{key}=env:VARIABLE" if key and "$(" not in key else f"{reference.name}=@FILE"
