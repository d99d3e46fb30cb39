"""Which PersistentVolumeClaims of a namespace Pods use, to choose one of a pool.

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
    try:
        listed = cluster.request("GET", collection_path("pods", namespace or cluster.namespace))
    except ApiError as error:
        raise BackendUnavailableError(f"cannot list Pods to choose a claim: {error.describe()}") from error
    except UnreachableError as error:
        raise BackendUnavailableError(f"{cluster.name} cannot be reached: {error}") from error
    used = {
        (volume.get("persistentVolumeClaim") or {}).get("claimName")
        for pod in listed.get("items") or ()
        if (pod.get("status") or {}).get("phase") not in _ENDED
        for volume in (pod.get("spec") or {}).get("volumes") or ()
    }
    return next((claim for claim in claims if claim not in used), None)
