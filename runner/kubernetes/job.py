"""Runs the Pod of a Job, which the cluster removes some time after the end of the run (``--ttl``).

Rules: monopod creates and deletes the Job instead of the Pod, and the Job owns the objects of the run. It is never
deleted because the run has ended: the TTL does that.

``compiler.pod.workload`` builds the Job, ``following`` follows its Pod.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any
from urllib.parse import quote

from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.kubernetes.answers import Request
from monopod.runner.kubernetes.api_errors import ApiError, describe, describe_creation
from monopod.runner.kubernetes.cluster import UnreachableError, collection_path
from monopod.runner.kubernetes.pod import KubernetesPod
from monopod.runner.kubernetes.pod_deletion import delete_pod
from monopod.runner.kubernetes.retrying import patiently

_LOOKS = 150
_SECONDS_BETWEEN_LOOKS = 0.2


class JobPod(KubernetesPod):
    """Runs the Pod of a Job in a cluster. It is a `Pod`."""

    _job: dict[str, Any] | None = None

    @property
    def kept(self) -> str:
        """The Job, which stays until its TTL is over; empty without `keep`."""
        if not self._keep:
            return ""
        assert self._job is not None
        return f"Job '{self._job['metadata']['name']}' in namespace '{self._namespace}' until its TTL is over"

    def _create(self) -> dict[str, Any]:
        workload = self._compilation.workload
        metadata = {**workload["metadata"], "namespace": self._namespace}
        try:
            body = {**workload, "metadata": metadata}
            path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
            self._job = patiently(Request.CREATE, lambda: self._cluster.request("POST", path, body=body))
        except ApiError as error:
            what = f"Job '{metadata.get('name') or metadata.get('generateName', '')}'"
            raise PodRefusedError([describe_creation(error, what, self._namespace)]) from error
        return self._pod_of_job()

    def _pod_of_job(self) -> dict[str, Any]:
        """Wait for the Job to create its Pod, and return the Pod. Raises PodRefusedError, BackendUnavailableError."""
        assert self._job is not None
        pause = threading.Event()
        name = self._job["metadata"]["name"]
        query = [("labelSelector", f"job-name={name}")]
        path = collection_path("pods", self._namespace)
        for _ in range(_LOOKS):
            try:
                listed = patiently(Request.OBJECT, lambda: self._cluster.request("GET", path, query))
            except (ApiError, UnreachableError) as error:
                why = describe(error)
                raise BackendUnavailableError(f"cannot find the Pod of Job '{name}': {why}{self._undone()}") from error
            if found := listed.get("items"):
                return {"apiVersion": "v1", "kind": "Pod", **found[0]}
            pause.wait(_SECONDS_BETWEEN_LOOKS)
        why_not = self._said_of_job()
        raise PodRefusedError([f"Job '{name}' makes no Pod: {why_not}{self._undone()}"])

    def _undone(self) -> str:
        """Delete the Job, since its Pod cannot be followed; return what to do if that fails."""
        assert self._job is not None
        try:
            self._delete_job()
        except (ApiError, UnreachableError):
            name = self._job["metadata"]["name"]
            return f"; the Job is still there: kubectl delete job {name} -n {self._namespace} removes it"
        return ""

    def _said_of_job(self) -> str:
        assert self._job is not None
        with contextlib.suppress(ApiError, UnreachableError):
            query = [("fieldSelector", f"involvedObject.uid={self._job['metadata']['uid']}")]
            events = self._cluster.request("GET", collection_path("events", self._namespace), query).get("items") or []
            messages = [event.get("message") or "" for event in events if event.get("type") == "Warning"]
            if messages:
                return " ".join(messages[-1].split())
        return "the cluster does not say why"

    @property
    def _stays(self) -> bool:
        """Whether the Pod is not deleted when the context is left: the cluster deletes it when the TTL is over."""
        return True

    def _owner(self) -> dict[str, Any]:
        assert self._job is not None
        return {"apiVersion": "batch/v1", "kind": "Job", **self._job}

    def _delete(self, grace: int | None) -> None:
        self._delete_job()
        if grace is not None:
            delete_pod(self._cluster, self._created, grace)

    def _delete_job(self) -> None:
        assert self._job is not None
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs/{quote(self._job['metadata']['name'], safe='')}"
        self._cluster.request("DELETE", path, body={"propagationPolicy": "Background"})

    def _clean_up(self) -> None:
        """Do nothing: the cluster removes the Job."""
