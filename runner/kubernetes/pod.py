"""The Pod of a run in a cluster, from its creation to its removal.

Rules:

- What is given beside the run is made first, then the Pod, and then the former belongs to the latter.
- When it is left, the Pod is deleted, and so is what was made beside it, unless all is to be kept or nobody knows how
  the run ended. Nobody waits until the cluster has done that.

What is left to others: what happens in between (``following``).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from monopod.runner.backend import CancelRequests
from monopod.runner.backend_errors import BackendUnavailableError, PodRefusedError
from monopod.runner.kubernetes.answers import Request
from monopod.runner.kubernetes.api_errors import ApiError, creation_in_words
from monopod.runner.kubernetes.cluster import Cluster, UnreachableError, collection_path
from monopod.runner.kubernetes.following import FollowedPod, delete_pod, is_deleted
from monopod.runner.kubernetes.objects import ObjectsBeside
from monopod.runner.kubernetes.retrying import patiently
from monopod.schemas.formats.visible_text import visible_lines

if TYPE_CHECKING:
    from monopod.compiler.compilation import Compilation
    from monopod.runner.cancellation import CancelRequest


class KubernetesPod(FollowedPod):
    """Runs one Pod in a cluster. It is a `StartablePod`."""

    def __init__(
        self, cluster: Cluster, compilation: Compilation, start_timeout: float | None = None, *, keep: bool
    ) -> None:
        super().__init__(cluster, compilation.plan, start_timeout)
        self._compilation = compilation
        self._keep = keep
        self._deletes_unheard = not keep
        self._namespace = compilation.pod["metadata"].get("namespace") or cluster.namespace
        self._objects = ObjectsBeside(cluster, self._namespace)
        self.problems: list[str] = []
        """What did not go well when it was created."""

    def __enter__(self) -> KubernetesPod:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._pod is not None and not (self._keep or self.is_unknown):
            self._clean_up()

    def _clean_up(self) -> None:
        """Delete the Pod and what was made beside it; tell what could not be deleted."""
        problems = []
        try:
            patiently(Request.CHANGE, lambda: delete_pod(self._cluster, self.name, self._uid))
        except (ApiError, UnreachableError) as error:
            if not is_deleted(error):
                why = error.in_words() if isinstance(error, ApiError) else str(error)
                problems.append(f"{self.name} could not be deleted: {why}")
        for problem in (*problems, *self._objects.delete()):
            print(visible_lines(f"monopod run: {problem}"), file=sys.stderr)

    def start(self) -> None:
        """Create the Pod and follow it. Raises PodRefusedError, BackendUnavailableError."""
        self.follow(self.create())
        for problem in self.problems:
            self._warn(problem)

    def create(self) -> dict[str, Any]:
        """Create the Pod, and what is given beside it; return it. Raises PodRefusedError, BackendUnavailableError."""
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
        pod = self._compilation.pod
        metadata = {**pod["metadata"], "namespace": self._namespace}
        collection = collection_path("pods", self._namespace)
        try:
            body = {**pod, "metadata": metadata}
            return patiently(Request.CREATE, lambda: self._cluster.request("POST", collection, body=body))
        except ApiError as error:
            what = f"Pod '{metadata.get('name') or metadata.get('generateName', '')}'"
            raise PodRefusedError([creation_in_words(error, what, self._namespace)]) from error

    def _owner(self) -> dict[str, Any]:
        assert self._pod is not None
        return {"apiVersion": "v1", "kind": "Pod", **self._pod}

    @property
    def kept(self) -> str:
        """Which Pod stays with ``keep``."""
        return f"Pod '{self.name.name}' in namespace '{self.name.namespace}'"

    def logs_command(self, task: str, step: str, container: str) -> str | None:  # noqa: ARG002
        """Return the command that shows what a Step wrote, if the Pod stays."""
        return self.command("logs", f"{task}/{step}") if self._keep else None

    def cancel_requests(self) -> contextlib.AbstractContextManager[CancelRequests]:
        """Listen to nobody: `monopod cancel POD` asks the coordinator itself."""
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
    """Give what no request ever comes from."""
    descriptor = os.eventfd(0, os.EFD_CLOEXEC)
    try:
        yield _NoCancelRequests(descriptor)
    finally:
        os.close(descriptor)
