"""Whether a Pod is still there: the one that is meant, and not another of its name.

Logs and commands are asked for by the name of a Pod. A Pod is the one that was created only if its uid is the same.

Rules: only an answer to the question for the Pod itself counts. One that says nothing about it leaves it open.
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
    """Looks whether a Pod of this name and uid is there. Any thread may ask; those who wait share the next answer."""

    def __init__(self, cluster: Cluster, name: PodName, uid: str) -> None:
        self._cluster = cluster
        self.name = name
        self._uid = uid
        self._lock = threading.Lock()
        self._asked_at = 0.0
        self._answer: Presence = "unknown"
        self._is_only_listed = False  # a Pod by itself may not be asked for

    def look(self) -> Presence:
        """Return what the API server says about the Pod now."""
        called_at = time.monotonic()
        with self._lock:
            if self._asked_at <= called_at:
                self._asked_at = time.monotonic()
                self._answer = self._ask()
            return self._answer

    def is_gone(self) -> bool:
        """Whether it is known that the Pod is not there any more."""
        return self.look() in ("absent", "replaced")

    def _ask(self) -> Presence:
        try:
            found = self._listed() if self._is_only_listed else self._cluster.request("GET", self.name.path)
        except ApiError as error:
            meaning = about(Request.OBJECT, error)
            if meaning is About.FORBIDDEN and not self._is_only_listed:
                self._is_only_listed = True
                return self._ask()
            return "absent" if meaning is About.GONE else "unknown"
        except UnreachableError:
            return "unknown"
        if found is None:
            return "absent"
        return "there" if (found.get("metadata") or {}).get("uid") == self._uid else "replaced"

    def _listed(self) -> dict[str, Any] | None:
        """Return the Pod of this name as a list has it, which is what the Role of `monopod run` allows."""
        selector = [("fieldSelector", f"metadata.name={self.name.name}")]
        items = self._cluster.request("GET", self.name.collection, selector).get("items") or [None]
        return dict(items[0]) if items[0] is not None else None
