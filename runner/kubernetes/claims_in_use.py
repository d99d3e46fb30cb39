"""Which PersistentVolumeClaims of a namespace Pods use, to choose one of a pool, or to read one.

Rules: a Pod uses its claims until it has ended. Somebody else may start a Pod with the same claim at the same moment;
nothing prevents that.
"""

from __future__ import annotations

from collections.abc import Sequence

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError, collection_path

_ENDED = {"Succeeded", "Failed"}


def free_claim(cluster: Cluster, namespace: str | None, claims: Sequence[str]) -> str | None:
    """Return the first of the claims that no Pod uses, None if there is none. Raises BackendUnavailableError.

    `namespace` is None for the default namespace.
    """
    used = pods_with_claims(cluster, namespace, "to choose a claim")
    return next((claim for claim in claims if claim not in used), None)


def pods_with_claims(cluster: Cluster, namespace: str | None, purpose: str) -> dict[str, str]:
    """Return the claims that Pods use, each with the name of one of its Pods. Raises BackendUnavailableError."""
    try:
        listed = cluster.request("GET", collection_path("pods", namespace or cluster.namespace))
    except ApiError as error:
        raise BackendUnavailableError(f"cannot list Pods {purpose}: {error.describe()}") from error
    except UnreachableError as error:
        raise BackendUnavailableError(f"{cluster.name} cannot be reached: {error}") from error
    return {
        volume["persistentVolumeClaim"]["claimName"]: pod["metadata"]["name"]
        for pod in listed.get("items") or ()
        if (pod.get("status") or {}).get("phase") not in _ENDED
        for volume in (pod.get("spec") or {}).get("volumes") or ()
        if volume.get("persistentVolumeClaim")
    }
