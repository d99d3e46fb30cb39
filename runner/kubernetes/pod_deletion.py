"""The name of a Pod that a cluster returned, and its deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, PodName, UnreachableError


def name_of(pod: Mapping[str, Any]) -> PodName:
    """Return the name of a Pod that the cluster returned."""
    return PodName(pod["metadata"]["namespace"], pod["metadata"]["name"])


def delete_pod(cluster: Cluster, pod: Mapping[str, Any], grace: int | None = None) -> None:
    """Delete a Pod, with its own grace period or another. Raises ApiError, UnreachableError."""
    body: dict[str, Any] = {"propagationPolicy": "Background", "preconditions": {"uid": pod["metadata"]["uid"]}}
    if grace is not None:
        body["gracePeriodSeconds"] = grace
    cluster.request("DELETE", name_of(pod).path, body=body)


def is_deleted(error: ApiError | UnreachableError) -> bool:
    """Return whether the answer to a deletion means that the Pod is gone, or replaced by another of its name."""
    return isinstance(error, ApiError) and about(Request.CHANGE, error) in (About.GONE, About.CONFLICT)
