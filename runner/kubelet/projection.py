"""The files of configMap, secret, downwardAPI and projected volumes.

Rules (Kubernetes API, *VolumeSource): without ``items`` each key is a file of that name; with ``items`` only the
listed keys are files, each at its ``path`` inside the volume. A file's own mode wins over the volume's ``defaultMode``
(0644 by default). A later source of a projected volume wins over an earlier one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monopod.runner.kubelet.environment import (
    Manifest,
    Sources,
    UnresolvedError,
    field_value,
    find_config_map,
    find_secret,
    resource_value,
)
from monopod.runner.kubelet.specification import ProjectedFile
from monopod.schemas.formats.object_names import path_problem

_DEFAULT_MODE = 0o644


def config_map_files(source: Manifest, sources: Sources) -> tuple[ProjectedFile, ...]:
    """Return the files of a configMap volume. Raises UnresolvedError."""
    return _keys(source, find_config_map(source, sources), "ConfigMap", _mode(source))


def secret_files(source: Manifest, sources: Sources) -> tuple[ProjectedFile, ...]:
    """Return the files of a secret volume. Raises UnresolvedError."""
    return _keys(source, find_secret(source, sources), "Secret", _mode(source))


def downward_files(source: Manifest, sources: Sources) -> tuple[ProjectedFile, ...]:
    """Return the files of a downwardAPI volume. Raises UnresolvedError."""
    return tuple(_downward(source, sources, _mode(source)))


def projected_files(source: Manifest, sources: Sources) -> tuple[ProjectedFile, ...]:
    """Return the files of a projected volume. Raises UnresolvedError."""
    mode = _mode(source)
    files: dict[str, ProjectedFile] = {}
    for part in source.get("sources") or ():
        files |= {file.path: file for file in _part(part, sources, mode)}
    return tuple(files.values())


def _part(part: Manifest, sources: Sources, mode: int) -> Iterable[ProjectedFile]:
    if inner := part.get("configMap"):
        return _keys(inner, find_config_map(inner, sources), "ConfigMap", mode)
    if inner := part.get("secret"):
        return _keys(inner, find_secret(inner, sources), "Secret", mode)
    if inner := part.get("downwardAPI"):
        return _downward(inner, sources, mode)
    kind = next(iter(part), "nothing")
    raise UnresolvedError(f"a projected volume with {kind} needs a cluster; run it with --backend kubernetes")


def _mode(source: Manifest) -> int:
    mode = source.get("defaultMode")
    return _DEFAULT_MODE if mode is None else int(mode)


def _keys(source: Manifest, data: Mapping[str, bytes] | None, kind: str, mode: int) -> tuple[ProjectedFile, ...]:
    if data is None:
        return ()
    items = source.get("items")
    if not items:
        return tuple(ProjectedFile(_safe(key), data[key], mode) for key in sorted(data))
    name = source.get("name") or source.get("secretName")
    files = []
    for item in items:
        if item["key"] in data:
            files.append(ProjectedFile(_safe(item["path"]), data[item["key"]], _item_mode(item, mode)))
        elif not source.get("optional"):
            raise UnresolvedError(f"{kind} {name!r} has no key {item['key']!r}")
    return tuple(files)


def _downward(source: Manifest, sources: Sources, mode: int) -> Iterable[ProjectedFile]:
    for item in source.get("items") or ():
        if reference := item.get("fieldRef"):
            text = field_value(reference["fieldPath"], sources)
        else:
            text = resource_value(item.get("resourceFieldRef") or {"resource": ""}, None, sources)
        yield ProjectedFile(_safe(item["path"]), text.encode(), _item_mode(item, mode))


def _item_mode(item: Mapping[str, Any], mode: int) -> int:
    own = item.get("mode")
    return mode if own is None else int(own)


def _safe(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or path_problem(path) is not None:
        raise UnresolvedError(f"{path!r} is not a path inside the volume")
    return "/".join(parts)
