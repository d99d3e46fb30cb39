"""Reads kubeconfig files: a context, with its cluster and its user.

Rules (Kubernetes docs, "Organizing Cluster Access Using kubeconfig Files"):

- KUBECONFIG may name several files. The first definition of each name and of current-context wins.
- A relative file name is relative to the kubeconfig that has it.

Left to others: what a cluster and a user mean (``access``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from monopod.compiler.diagnostics import did_you_mean
from monopod.runner.backend_errors import BackendUnavailableError

DEFAULT_FILE = "~/.kube/config"
_SEQUENCES = ("contexts", "clusters", "users")


class Section(NamedTuple):
    """What a kubeconfig says of a context, cluster or user, and the directory of its file."""

    name: str
    fields: Mapping[str, Any]
    directory: str

    def file(self, name: str) -> str | None:
        """Return the path of the file that a field names."""
        value = self.fields.get(name)
        return None if not value else os.path.join(self.directory, os.path.expanduser(str(value)))


class Context(NamedTuple):
    """A context. `files` are the kubeconfig files, as KUBECONFIG has them. A user may be missing."""

    name: str
    namespace: str
    files: str
    cluster: Section | None
    user: Section | None


def find_context(files: str, wanted: str | None) -> Context:
    """Return the wanted or the current context. Raises BackendUnavailableError."""
    paths = [os.path.expanduser(path) for path in files.split(os.pathsep) if path]
    if not any(map(os.path.exists, paths)):
        raise BackendUnavailableError(
            f"no kubeconfig found at {' or '.join(paths)}; set KUBECONFIG to yours; for runs on this machine see "
            "`monopod run --backend host` and `monopod runs`"
        )
    sections: dict[str, dict[str, Section]] = {kind: {} for kind in _SEQUENCES}
    current = None
    for path in filter(os.path.exists, paths):
        content = _read(path)
        current = current or content.get("current-context")
        for kind, by_name in sections.items():
            for section in _sections(content, kind, os.path.dirname(os.path.abspath(path))):
                by_name.setdefault(section.name, section)
    name = wanted or current
    if not name:
        raise BackendUnavailableError(f"{files} has no current context; name one with --context")
    contexts = sections["contexts"]
    if name not in contexts:
        known = f"; there are {', '.join(contexts)}" if contexts else ""
        raise BackendUnavailableError(f"there is no context '{name}' in {files}{did_you_mean(name, contexts)}{known}")
    fields = contexts[name].fields
    cluster, user = sections["clusters"].get(fields.get("cluster", "")), sections["users"].get(fields.get("user", ""))
    return Context(name, fields.get("namespace") or "default", files, cluster, user)


def _sections(content: Mapping[str, Any], kind: str, directory: str) -> list[Section]:
    items = content.get(kind)
    return [
        Section(str(item["name"]), item.get(kind.removesuffix("s")) or {}, directory)
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and item.get("name") and isinstance(item.get(kind.removesuffix("s")) or {}, dict)
    ]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.load(file, yaml.CSafeLoader) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error or type(error).__name__).split())
        raise BackendUnavailableError(f"{path} cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise BackendUnavailableError(f"{path} is not a kubeconfig")
    return content
