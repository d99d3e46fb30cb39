"""The claims of generic ephemeral volumes, which stay as long as their Pod: a rerun uses the files in them.

Source of their names: Kubernetes docs, "Ephemeral Volumes", PersistentVolumeClaim naming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError, collection_path
from monopod.runner.records.repetition import CLAIM


def kept_claims(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the binding to the claim of each ephemeral volume of a Pod, by the name of the volume.

    A volume of which a container has only a part (``subPath``) is left out: a binding means all of it.
    """
    spec = pod["spec"]
    mounts = [mount for each in spec["containers"] for mount in each.get("volumeMounts") or ()]
    in_part = {mount["name"] for mount in mounts if mount.get("subPath")}
    names = [each["name"] for each in spec.get("volumes") or () if "ephemeral" in each]
    return {name: f"{CLAIM}{pod['metadata']['name']}-{name}" for name in names if name not in in_part}


def present(cluster: Cluster, namespace: str, kept: Mapping[str, str]) -> dict[str, str]:
    """Return those of the kept volumes that are there still. Raises BackendUnavailableError."""
    try:
        return {volume: where for volume, where in kept.items() if _is_present(cluster, namespace, where)}
    except (ApiError, UnreachableError) as error:
        raise BackendUnavailableError(f"cannot look for kept claims: {describe(error)}") from error


def _is_present(cluster: Cluster, namespace: str, where: str) -> bool:
    if not where.startswith(CLAIM):
        return True
    try:
        cluster.request("GET", f"{collection_path('persistentvolumeclaims', namespace)}/{where.removeprefix(CLAIM)}")
    except ApiError as error:
        meaning = about(Request.OBJECT, error)
        if meaning is About.GONE:
            return False
        if meaning is not About.FORBIDDEN:  # without the right to look, the scheduler reports a missing claim
            raise
    return True
