"""Steps: from the author's YAML to the Step of the Plan and its container in the Pod.

Rules (Tekton docs/tasks.md, "Defining Steps" and "Specifying a Step template"; pkg/pod/script.go):

- The stepTemplate has the defaults of a Step. Mappings are merged, as are env by name, volumeMounts by mountPath and
  volumeDevices by devicePath; any other list of the Step replaces the list of the template.
- Fields of the Pod (image, mounts …) may refer only to values known when compiling. An environment variable may refer
  to any value: if necessary it moves to the Plan, with the later variables that expand it.

Left to others: Workspaces (``workspaces``), StepActions (``step_actions``), names in the Pod (``pod.draft``).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.compiler.diagnostics import Problem, did_you_mean
from monopod.compiler.documents.places import Place
from monopod.compiler.pod import invalid_names
from monopod.compiler.pod.assembly import mount_conflict
from monopod.compiler.scope.references import Names, Use, check
from monopod.compiler.scope.variables import Variables, is_resolved
from monopod.schemas.model import Path
from monopod.schemas.variables import Scope, substitute

_MERGE_KEYS = {"env": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}
_LISTS_OF_TEXTS = frozenset({"command", "args"})
_WITH_REFERENCES = (
    "image",
    "imagePullPolicy",
    "command",
    "args",
    "script",
    "workingDir",
    "env",
    "envFrom",
    "volumeMounts",
    "onError",
    "stdoutConfig",
    "stderrConfig",
)
_IN_POD = (
    "image",
    "imagePullPolicy",
    "envFrom",
    "securityContext",
    "ports",
    "terminationMessagePath",
    "terminationMessagePolicy",
)
_EXPANSION = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the fields of a Step were written: in a StepAction, in the Step, in the stepTemplate.

    ``sources`` has the existing places in order of precedence, each with its fields (`written`). Fields that a run sets
    for the Step (``of_run``) take precedence over all of them.
    """

    sources: tuple[tuple[Place, frozenset[Path]], ...]
    of_run: tuple[tuple[Place, frozenset[Path]], ...] = ()

    def place(self, *path: str | int) -> Place:
        """Return where the field at `path`, or the closest one around it, was written."""
        for length in range(len(path), 0, -1):
            for place, fields in (*self.of_run, *self.sources):
                if path[:length] in fields:
                    return place.at(*path)
        return self.sources[0][0].at(*path)


def written(fields: Mapping[str, Any]) -> frozenset[Path]:
    """Return the paths of these fields, and of the fields nested in them."""
    paths: set[Path] = set()
    _add_paths(fields, (), paths)
    return frozenset(paths)


def _add_paths(fields: Mapping[str, Any], parent: Path, paths: set[Path]) -> None:
    for name, value in fields.items():
        path = (*parent, name)
        paths.add(path)
        if isinstance(value, dict):
            _add_paths(value, path, paths)


@dataclass(frozen=True, slots=True)
class Container:
    """A container's fields in the Pod, and the part of its environment that is set while running.

    Mounts and devices still use the volumes' names in the Task. ``workspaces`` are the paths of Workspaces.
    """

    fields: dict[str, Any]
    environment: tuple[tuple[str, str], ...]
    workspaces: frozenset[str] = frozenset()

    def with_volumes(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields with the volumes' names in the Pod."""
        renamed: dict[str, Any] = {
            field: [{**mount, "name": names.get(mount["name"], mount["name"])} for mount in self.fields[field]]
            for field in ("volumeMounts", "volumeDevices")
            if field in self.fields
        }
        return {**self.fields, **renamed}


@dataclass(frozen=True, slots=True)
class ContainerScope:
    """The names that the texts of a container may refer to, and the volumes that it may mount.

    ``variables`` has the values known for this container, ``shared_values`` the values known for all containers of its
    Step, without the values of a matrix.
    """

    variables: Variables
    shared_values: Scope
    volumes: frozenset[str]


def merge_template(template: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Step's fields, completed by the stepTemplate's. Empty fields count as missing."""
    result = {key: value for key, value in template.items() if value not in ("", [], {}, None)}
    for key, value in step.items():
        if value in ("", [], {}, None):
            continue
        base = result.get(key)
        if key in _MERGE_KEYS and base is not None:
            result[key] = _merge_lists(base, value, _MERGE_KEYS[key])
        elif isinstance(base, dict) and isinstance(value, dict):
            result[key] = merge_template(base, value)
        else:
            result[key] = value
    return result


def _merge_lists(base: list[dict[str, Any]], over: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    by_key = {entry[key]: entry for entry in base}
    by_key.update((entry[key], entry) for entry in over)
    return list(by_key.values())


def check_references(fields: Mapping[str, Any], names: Names, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with the references of a Step, Sidecar or stepTemplate."""
    for field in _WITH_REFERENCES:
        if field in fields:
            yield from _check_texts(
                fields[field], "element" if field in _LISTS_OF_TEXTS else "text", names, place, field
            )


def _check_texts(value: Any, use: Use, names: Names, place: Place, *parts: str | int) -> Iterator[Problem]:
    if isinstance(value, str):
        if "$(" in value:
            yield from check(value, use, names, place.at(*parts))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _check_texts(item, use, names, place, *parts, key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check_texts(item, use, names, place, *parts, index)


def working_directory(fields: Mapping[str, Any]) -> str | None:
    """Return the working directory of a Step; a relative one is below /workspace."""
    path: str | None = fields.get("workingDir") or None
    if path is None or path.startswith(("/", "$(")):
        return path
    return posixpath.join("/workspace", path)


def container(
    fields: Mapping[str, Any],
    sources: Sources,
    workspace_mounts: Iterable[dict[str, Any]],
    scope: ContainerScope,
) -> Container:
    """Return the container of a Step or Sidecar with these fields."""
    variables, report = scope.variables, scope.variables.report
    result: dict[str, Any] = {}
    of_workspaces: list[dict[str, Any]] = []
    for field in _IN_POD:
        if fields.get(field):
            result[field] = variables.resolve(fields[field], sources.place(field))
    report.extend(invalid_names.in_image(result, sources.place("image")))
    in_pod, environment = _environment(fields.get("env", ()), sources.place("env"), scope)
    report.extend(invalid_names.in_environment(result.get("envFrom", ()), sources.place("envFrom")))
    if in_pod:
        result["env"] = in_pod
    if fields.get("computeResources"):
        result["resources"] = fields["computeResources"]
    workspace_mounts = list(workspace_mounts)
    for field in ("volumeMounts", "volumeDevices"):
        used = fields.get(field, [])
        if not used and not (workspace_mounts and field == "volumeMounts"):
            continue
        place = sources.place(field)
        used = variables.resolve(used, place)
        report.extend(_unknown_volumes(used, scope.volumes, place))
        report.extend(invalid_names.in_mounts(used, place))
        if field == "volumeMounts":
            own_paths = {mount["mountPath"] for mount in used}
            of_workspaces = [mount for mount in workspace_mounts if mount["mountPath"] not in own_paths]
            used = [*of_workspaces, *used]
        if used:
            result[field] = used
        report.extend(_mount_problems(used, place))
    return Container(result, environment, frozenset(mount["mountPath"] for mount in of_workspaces))


def _mount_problems(mounts: Iterable[dict[str, Any]], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with mount paths; devices have none."""
    taken: set[str] = set()
    for mount in mounts:
        path = mount.get("mountPath")
        if path is None:
            continue
        if conflict := mount_conflict(path):
            yield place.problem("mount-path", f"'{path}': {conflict}")
        if posixpath.normpath(path) in taken:
            yield place.problem("mount-path", f"two things are mounted at {path}")
        taken.add(posixpath.normpath(path))


def _environment(
    entries: Iterable[dict[str, Any]], place: Place, scope: ContainerScope
) -> tuple[list[dict[str, Any]], tuple[tuple[str, str], ...]]:
    """Return the part of the environment that the Pod can hold, and the part that must be set while running."""
    in_pod: list[dict[str, Any]] = []
    moved: dict[str, str] = {}
    for index, entry in enumerate(entries):
        text = entry.get("value", "")
        if "valueFrom" in entry or "$(" not in text:
            resolved = scope.variables.resolve(entry, place.at(index))
            scope.variables.report.extend(invalid_names.in_variable(resolved, place.at(index)))
            in_pod.append(resolved)
        elif is_resolved(text, scope.shared_values) and not moved.keys() & set(_EXPANSION.findall(text)):
            in_pod.append({**entry, "value": substitute(text, scope.shared_values, _unexpanded)})
        else:
            moved[entry["name"]] = text
    return in_pod, tuple(moved.items())


def _unexpanded(value: str) -> str:
    """Return a value escaped so that kubelet does not expand anything in it."""
    return value.replace("$", "$$")


def _unknown_volumes(users: Iterable[dict[str, Any]], volumes: frozenset[str], place: Place) -> Iterator[Problem]:
    for index, user in enumerate(users):
        name = user["name"]
        if name not in volumes and "$(" not in name:
            hint = did_you_mean(name, volumes)
            yield place.at(index, "name").problem("unknown-volume", f"there is no volume '{name}' in the Task{hint}")
