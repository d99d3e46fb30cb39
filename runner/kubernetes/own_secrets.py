"""Gives the Secrets of the command line names of their own in a cluster.

The Secret ``db`` of the run ``build-x7k2p`` is created as ``build-x7k2p-db``, and the Pod refers to that: runs do not
share it, and a Secret ``db`` of the namespace does not matter.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from monopod.compiler.compilation import Compilation


def with_own_secrets(compilation: Compilation, names: Collection[str]) -> Compilation:
    """Return a compiled run whose Secrets of these names have names of their own."""
    given = [secret["metadata"]["name"] for secret in compilation.secrets if secret["metadata"]["name"] in names]
    run = compilation.pod["metadata"].get("name")
    if not given or run is None:
        return compilation
    own = {name: f"{run}-{name}" for name in given}
    return replace(
        compilation,
        pod=_renamed(compilation.pod, own),
        workload=_renamed(compilation.workload, own),
        secrets=tuple(_with_name(secret, own) for secret in compilation.secrets),
    )


def _with_name(secret: dict[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    name = secret["metadata"]["name"]
    return {**secret, "metadata": {**secret["metadata"], "name": own.get(name, name)}}


def _renamed(data: Any, own: Mapping[str, str]) -> Any:
    """Return a Pod, or a part of one, with its references to Secrets renamed."""
    if isinstance(data, list):
        return [_renamed(item, own) for item in data]
    if not isinstance(data, dict):
        return data
    return {key: _with_reference(key, value, own) for key, value in data.items()}


def _with_reference(key: str, value: Any, own: Mapping[str, str]) -> Any:
    if key == "imagePullSecrets" and isinstance(value, list):
        return [{**entry, "name": own.get(entry.get("name", ""), entry.get("name"))} for entry in value]
    if key in ("secretKeyRef", "secretRef", "secret") and isinstance(value, dict):
        fields = [field for field in ("secretName", "name") if value.get(field) in own]
        return {**value, **{field: own[value[field]] for field in fields}}
    return _renamed(value, own)
