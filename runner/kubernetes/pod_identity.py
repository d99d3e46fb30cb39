"""Checks whether a Pod still exists, and was not replaced by another of the same name.

Requests for logs and commands name the Pod, but only its uid identifies it.

Rules: only the answer to a request for the Pod itself counts. If the answer is not about the Pod, its existence remains
unknown.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Literal, TypeAlias

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, PodName, UnreachableError

Presence: TypeAlias = Literal["there", "absent", "replaced", "unknown"]


class PodIdentity:
    """Checks whether the Pod of a name and uid exists. Thread-safe: waiting threads share the next answer."""

    def __init__(self, cluster: Cluster, name: PodName, uid: str) -> None:
        self._cluster = cluster
        self.name = name
        self.uid = uid
        self._lock = threading.Lock()
        self._asked_at = 0.0
        self._answer: Presence = "unknown"
        self._is_only_listed = False  # the user may list Pods, but not get one

    def look(self) -> Presence:
        """Ask the API server whether the Pod exists now."""
        called_at = time.monotonic()
        with self._lock:
            if self._asked_at <= called_at:
                self._asked_at = time.monotonic()
                self._answer = self._ask()
            return self._answer

    def is_gone(self) -> bool:
        """Whether the Pod is known not to exist any more."""
        return self.look() in ("absent", "replaced")

    def _ask(self) -> Presence:
        try:
            pod = self._listed() if self._is_only_listed else self._cluster.request("GET", self.name.path)
        except ApiError as error:
            meaning = about(Request.OBJECT, error)
            if meaning is About.FORBIDDEN and not self._is_only_listed:
                self._is_only_listed = True
                return self._ask()
            return "absent" if meaning is About.GONE else "unknown"
        except UnreachableError:
            return "unknown"
        if pod is None:
            return "absent"
        return "there" if (pod.get("metadata") or {}).get("uid") == self.uid else "replaced"

    def _listed(self) -> dict[str, Any] | None:
        """Return the Pod of this name from a list, which the Role of `monopod run` allows."""
        selector = [("fieldSelector", f"metadata.name={self.name.name}")]
        items = self._cluster.request("GET", self.name.collection, selector).get("items") or [None]
        return dict(items[0]) if items[0] is not None else None
