"""The boundary of a backend: it runs compiled Pods. Each backend has a package of its own (``host``, ``podman`` …).

Rules:

- A Pod is a context manager. Leaving it ends what is still running and removes what it left, unless that is kept.
- A Pod never blocks, except in `start`, in `RunningPod.events` and when it is left.
- A Pod that cannot be started says so before anything has run, by an error of ``backend_errors``.
- Every Pod has every method. Where a backend has nothing to return, it returns None or an empty string.

What is left to others: choosing a backend (``commands.run``), starting Pods (``run_pods``), following them (``run``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing import Self

    from monopod.compiler.compilation import Compilation
    from monopod.compiler.pod.files_container import ExchangedWorkspace
    from monopod.runner.cancellation import CancelRequest
    from monopod.runner.display.summary import Outcome
    from monopod.runner.follow.pod_events import Event
    from monopod.runner.follow.usage import ContainerUsage
    from monopod.system.files.file_transfer import Channel


DELETED = "DeletedToCancel"
"""The reason in the status of a Pod that was deleted because there was no milder way to cancel its run."""

NOT_STARTED = "NotStarted"
"""The reason in the status of a Pod whose coordinator has never run."""

EVICTED = "Evicted"
"""The reason in the status of a Pod that exceeded a limit (kubelet's), or had to leave its node."""

DELETED_BY_OTHERS = "PodDeleted"
"""The reason in the status of a Pod that others deleted while its run was not over."""

DELETED_UNSTARTED = "PodDeletedUnstarted"
"""The reason in the status of a Pod that others deleted before its coordinator started: so `monopod cancel` ends it."""


class CancelRequests(Protocol):
    """Receives requests to cancel (`CancelSocket`)."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""

    def requests(self) -> Iterable[CancelRequest]:
        """Return the requests that have arrived."""


class RunningPod(Protocol):
    """A Pod as it is followed. It can be selected on like a file."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to yield."""

    def events(self, timeout: float | None) -> Iterable[Event]:
        """Yield what has happened. Wait up to `timeout` seconds for it (None: without limit)."""

    def drain(self, container: str, life: int) -> bool:
        """Return whether a life of a container (counted from 1) has ended and `events` has yielded all of its output.

        If it has ended, what is left of its output is read now, and `events` yields it.
        """

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process of a container, if it is running."""

    def end_unstarted(self) -> None:
        """End the Pod if its coordinator has not started and may not start for long."""

    def kill(self) -> None:
        """Kill all containers at once."""

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Report to the coordinator that a container cannot start: Kubernetes' reason for it, and a message."""

    def usage(self, containers: Iterable[str]) -> Mapping[str, ContainerUsage] | None:
        """Return the CPU and memory of the running containers; None if this Pod is not measured."""


class Pod(Protocol):
    """A Pod from its start to its removal."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def start(self) -> RunningPod:
        """Start the Pod. Raises PodRefusedError, BackendUnavailableError."""

    def cancel_requests(self) -> AbstractContextManager[CancelRequests]:
        """Receive the requests of `monopod cancel` until the context is left."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod: its name, namespace and uid, once it was started."""

    def take_outcome(self, outcome: Outcome, *, is_reported: bool) -> None:
        """Take how the run ended, and whether its coordinator reported it, before the Pod is left."""

    @property
    def kept(self) -> str:
        """Where the kept files or objects are, for a person; empty if nothing is kept."""

    def cluster_secrets(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the Secrets of the cluster that the Pod refers to, and why others cannot be read, for people."""

    def logs_command(self, task: str, step: str, container: str) -> str | None:
        """Return a command that shows what a Step of a Task (its label) wrote, after the run; None: nothing is kept."""


class FilesPod(Pod, Protocol):
    """A Pod of a run that this process started: its files can be fetched, until it is left."""

    def files(self, workspace: ExchangedWorkspace, path: str) -> AbstractContextManager[Channel]:
        """Connect to a sender of the files at a path in a Workspace (``file_transfer``), after the run.

        Raises CopyError, BrokenError.
        """

    @property
    def state_directory(self) -> str:
        """The state directory, once the Pod was started, where the run takes requests; empty in a cluster."""

    @property
    def kept_volumes(self) -> Mapping[str, str]:
        """Where volumes of the Pod stay: directories of this machine, or ``pvc:CLAIM``, by the names of the volumes.

        Before `take_outcome` it has the volumes that stay if this process is killed.
        """

    def release_files(self) -> None:
        """Let the Pod end: no further files are fetched."""


class Backend(Protocol):
    """Runs Pods. ``name`` is its value of ``--backend``; ``notice`` is shown once before the first Pod is followed.

    ``context`` is the kubectl context of its cluster, empty on this machine.
    """

    name: str
    notice: str
    context: str

    def pod(self, compilation: Compilation, *, keep: bool) -> FilesPod:
        """Return the Pod of a compiled run, not yet started."""
