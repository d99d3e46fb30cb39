"""What a backend is: something that runs compiled Pods. Each has a package of its own (``host``, ``podman`` …).

Rules:

- A Pod is a context manager. Leaving it ends what still runs and removes what it left, unless that is to be kept.
- A Pod never blocks but in `start`, `events` and when it is left.
- What cannot be started says so before anything has, by one of the errors of ``backend_errors``.

What is left to others: choosing a backend (``commands.run``), starting Pods (``run_pods``), following them (``run``),
and what a Pod that can be measured tells of CPU and memory (``usage``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from typing import Self

    from monopod.compiler.compilation import Compilation
    from monopod.runner.cancellation import CancelRequest
    from monopod.runner.follow.pod_events import Event


DELETED = "DeletedToCancel"
"""The reason in the status of a Pod that was deleted because there was no milder way to cancel its run."""

NOT_STARTED = "NotStarted"
"""The reason in the status of a Pod whose coordinator has never run."""


EVICTED = "Evicted"
"""The reason in the status of a Pod that was killed because it took more than it may (kubelet's)."""


class CancelRequests(Protocol):
    """Where requests to cancel come in; `CancelSocket` says more."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""

    def requests(self) -> Iterable[CancelRequest]:
        """Return the requests that have come."""


class Pod(Protocol):
    """A Pod that runs, as whoever follows it needs it. It can be selected on like a file."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to tell."""

    def events(self, timeout: float | None) -> Iterable[Event]:
        """Tell what has happened, waiting `timeout` seconds at most (None: for ever)."""

    def has_ended(self, container: str) -> bool:
        """Return whether `events` has told all that a container has written, and no more will come."""

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the first process of a container, if it runs."""

    def end_unstarted(self) -> None:
        """End the Pod if it may wait for long before its coordinator starts, and that has not started."""

    def kill(self) -> None:
        """Kill all containers at once."""

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Tell the coordinator that a container cannot start, and why: Kubernetes' reason for it, and a message."""


class StartablePod(Pod, Protocol):
    """A Pod from its start to its end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def start(self) -> None:
        """Start the Pod. Raises PodRefusedError, BackendUnavailableError."""

    def cancel_requests(self) -> AbstractContextManager[CancelRequests]:
        """Listen to requests of `monopod cancel` as long as the context lasts."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod: its name, namespace and uid, once it was started."""

    @property
    def kept(self) -> str:
        """Where what was to be kept is, in words for a person."""


@runtime_checkable
class PodWithLogs(Protocol):
    """A Pod of which something may stay that `monopod` can show when the run is over."""

    def logs_command(self, task: str, step: str) -> str | None:
        """Return the command that shows what a Step of a Task (its label) wrote; None if nothing stays."""


class Backend(Protocol):
    """Runs Pods. ``name`` is that of ``--backend``; ``notice`` is said once before the first Pod is followed."""

    name: str
    notice: str

    def pod(self, compilation: Compilation, *, keep: bool) -> StartablePod:
        """Return the Pod of a compiled run, not yet started."""
