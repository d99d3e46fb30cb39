"""The Pod of a run in a cluster, from its creation to its removal.

Rules:

- The objects in the run's files are created first, then the Pod, which becomes their owner.
- When the context is left, the Pod and these objects are deleted, unless they are kept or it is unknown how the run
  ended. monopod does not wait for the deletion to finish.
- A Pod that is kept although its run never started, or lost its coordinator, is retired first: it must not run later,
  when a node has room or an image can be pulled. If that fails, it is not kept.

``following`` follows the Pod in between.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from monopod.runner.backend import CancelRequests
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.exit_codes import FAILED
from monopod.runner.kubernetes.answers import Request
from monopod.runner.kubernetes.api_errors import ApiError, describe, describe_creation
from monopod.runner.kubernetes.cluster import STRATEGIC_MERGE, Cluster, PodName, UnreachableError, collection_path
from monopod.runner.kubernetes.kept_claims import kept_claims
from monopod.runner.kubernetes.objects import ObjectsBeside
from monopod.runner.kubernetes.pod_deletion import delete_pod, is_deleted, name_of
from monopod.runner.kubernetes.pod_files import Exchange, PodFiles
from monopod.runner.kubernetes.pod_secrets import read_secrets
from monopod.runner.kubernetes.retrying import patiently
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation
    from monopod.compiler.pod.files_container import ExchangedWorkspace
    from monopod.runner.cancellation import CancelRequest
    from monopod.runner.display.summary import Outcome
    from monopod.runner.kubernetes.following import FollowedPod
    from monopod.system.files.file_transfer import Channel


_RETIRED = "monopod.invalid/this-run-is-over"
"""The image of a container that must not start any more. No registry can have it (RFC 2606)."""


class KubernetesPod:
    """Creates, follows and deletes one Pod in a cluster. It is a `Pod`.

    With `keeps_failed` the Pod is kept if its run has failed.
    """

    def __init__(
        self,
        cluster: Cluster,
        compilation: Compilation,
        start_timeout: float | None = None,
        *,
        keep: bool,
        keeps_failed: bool = False,
        include_ignored: bool = False,
    ) -> None:
        self._cluster = cluster
        self._exchange = Exchange(compilation.exchanged, include_ignored)
        self._compilation = compilation
        self._start_timeout = start_timeout
        self._keep = keep
        self._keeps_failed = keeps_failed
        self._is_over = False
        self._namespace = compilation.pod["metadata"].get("namespace") or cluster.namespace
        self._objects = ObjectsBeside(cluster, self._namespace)
        self._pod: dict[str, Any] | None = None
        self._followed: FollowedPod | None = None
        self.problems: list[str] = []
        """Problems during the creation that do not keep the Pod from running."""

    def __enter__(self) -> KubernetesPod:
        return self

    def __exit__(self, *_: object) -> None:
        is_unknown = False
        if self._followed is not None:
            self._followed.close()
            is_unknown = self._followed.is_unknown
        if self._pod is not None and not (self._keep or is_unknown):
            self._clean_up()

    def take_outcome(self, outcome: Outcome, *, is_reported: bool) -> None:
        """Decide whether the Pod is kept."""
        assert self._followed is not None
        if outcome.status == "Unknown":
            return
        self._is_over = True
        is_wanted = self._keep or (self._keeps_failed and outcome.exit_code == FAILED)
        self._keep = is_wanted and self._followed.can_be_kept
        if self._keep and not (is_reported or self._followed.is_over):
            self._retire()

    def _retire(self) -> None:
        """Keep the Pod from starting later, or give up keeping it."""
        metadata, spec = self._created["metadata"], self._created["spec"]
        first = {"name": spec["initContainers"][0]["name"], "image": _RETIRED}
        body = {"metadata": {"uid": metadata["uid"]}, "spec": {"activeDeadlineSeconds": 1, "initContainers": [first]}}
        path = self.name.path
        try:
            patiently(Request.CHANGE, lambda: self._cluster.request("PATCH", path, (), body, STRATEGIC_MERGE))
        except (ApiError, UnreachableError) as error:
            self._keep = False
            if not is_deleted(error):
                text = f"{self.name} is not kept, because it might still start: {describe(error)}"
                print(visible_lines(f"monopod run: {text}"), file=sys.stderr)

    def _clean_up(self) -> None:
        """Delete the Pod and the objects beside it; report what could not be deleted."""
        problems = []
        try:
            patiently(Request.CHANGE, lambda: delete_pod(self._cluster, self._created))
        except (ApiError, UnreachableError) as error:
            if not is_deleted(error):
                problems.append(f"{self.name} could not be deleted: {describe(error)}")
        for problem in (*problems, *self._objects.delete()):
            print(visible_lines(f"monopod run: {problem}"), file=sys.stderr)

    def start(self) -> FollowedPod:
        """Create the Pod and follow it. Raises PodRefusedError, BackendUnavailableError."""
        return self.follow(self.create())

    def follow(self, pod: dict[str, Any], reads: Callable[[str], bool] = lambda _: True) -> FollowedPod:
        """Follow the Pod that was created, and copy folders to it. `reads` decides whose output is wanted."""
        from monopod.runner.kubernetes.following import FollowedPod  # noqa: PLC0415  # while the Pod is started

        self._followed = FollowedPod(
            self._cluster,
            self._compilation.plan,
            pod,
            delete=self._delete,
            start_timeout=self._start_timeout,
            reads=reads,
            deletes_unheard=not self._keep,
            files=self._pod_files() if self._exchange.has_folders else None,
            shrinkable=self._compilation.shrinkable,
        )
        for problem in self.problems:
            self._followed.warn(problem)
        return self._followed

    def create(self) -> dict[str, Any]:
        """Create the Pod and the objects beside it; return it. Raises PodRefusedError, BackendUnavailableError."""
        try:
            self._objects.make(self._compilation)
            self._pod = self._create()
            self.problems += self._objects.belong_to(self._owner())
        except (PodRefusedError, BackendUnavailableError):
            self._objects.delete()
            raise
        except UnreachableError as error:
            self._objects.delete()
            raise BackendUnavailableError(f"{self._cluster.name} cannot be reached: {error}") from error
        return self._pod

    def _create(self) -> dict[str, Any]:
        pod, workload = self._compilation.pod, self._compilation.workload
        labels = {**pod["metadata"].get("labels", {}), **workload["metadata"].get("labels", {})}  # also those of Kueue
        metadata = {**pod["metadata"], "namespace": self._namespace, "labels": labels}
        collection = collection_path("pods", self._namespace)
        try:
            body = {**pod, "metadata": metadata}
            return patiently(Request.CREATE, lambda: self._cluster.request("POST", collection, body=body))
        except ApiError as error:
            what = f"Pod '{metadata.get('name') or metadata.get('generateName', '')}'"
            raise PodRefusedError([describe_creation(error, what, self._namespace)]) from error

    def _owner(self) -> dict[str, Any]:
        """Return the object that owns the other objects of the run."""
        return {"apiVersion": "v1", "kind": "Pod", **self._created}

    def _delete(self, grace: int | None) -> None:
        """Delete the Pod to end its run. Raises ApiError, UnreachableError."""
        delete_pod(self._cluster, self._created, grace)

    @property
    def _created(self) -> dict[str, Any]:
        assert self._pod is not None
        return self._pod

    @property
    def name(self) -> PodName:
        """The name of the Pod, once it was created."""
        return name_of(self._created)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod, once it was created."""
        metadata: Mapping[str, Any] = self._created["metadata"]
        return metadata

    @property
    def kept(self) -> str:
        """The Pod, if it stays, and how to delete it."""
        if not self._keep:
            return ""
        delete = self._cluster.kubectl("delete", "pod", self.name.name, namespace=self.name.namespace)
        return f"{self.name}; delete it with: {delete}"

    def cluster_secrets(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the Secrets that the Pod refers to, except for those of the run, and why others cannot be read."""
        own = {secret["metadata"]["name"] for secret in self._compilation.secrets}
        return read_secrets(self._cluster, self._created, own)

    def logs_command(self, task: str, step: str, container: str) -> str | None:  # noqa: ARG002
        """Return the command that prints the log of a Step, if the Pod is kept."""
        return self._cluster.command("logs", self.name, f"{task}/{step}") if self._keep else None

    def files(self, workspace: ExchangedWorkspace, path: str) -> contextlib.AbstractContextManager[Channel]:
        """Connect to a sender of the files at a path in a Workspace, after the run."""
        return self._pod_files().sender(workspace, path)

    @property
    def kept_volumes(self) -> Mapping[str, str]:
        """The bindings to the claims that stay with the Pod, which only this process deletes, after its outcome."""
        return kept_claims(self._created) if self._keep or not self._is_over else {}

    def release_files(self) -> None:
        """Let the Pod end, if it is not deleted."""
        if self._stays:
            self._pod_files().release()

    @property
    def has_folders(self) -> bool:
        """Whether folders are copied to its Workspaces."""
        return self._exchange.has_folders

    def discard(self) -> None:
        """Delete the Pod and the objects beside it, though they would be kept: the run has not started."""
        self._clean_up()

    @property
    def _stays(self) -> bool:
        """Whether the Pod is not deleted when the context is left."""
        return self._keep

    def _pod_files(self) -> PodFiles:
        return PodFiles(self._cluster, self.name, self._created["metadata"]["uid"], self._exchange)

    @property
    def state_directory(self) -> str:
        """No directory: the Pod is in a cluster."""
        return ""

    def cancel_requests(self) -> contextlib.AbstractContextManager[CancelRequests]:
        """Receive none: `monopod cancel POD` sends its request to the coordinator."""
        return no_cancel_requests()


class _NoCancelRequests:
    """A descriptor that is never readable."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def requests(self) -> Iterable[CancelRequest]:
        return ()


@contextlib.contextmanager
def no_cancel_requests() -> Iterator[CancelRequests]:
    """Receive no requests until the context is left."""
    descriptor = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        yield _NoCancelRequests(descriptor)
    finally:
        os.close(descriptor)
