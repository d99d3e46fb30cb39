"""What a `PodObservation` wants done: reading logs, requests to the API server, events to report. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from monopod.runner.follow.pod_events import Event
from monopod.schemas.capacity.shrinking import Resize


@dataclass(frozen=True, slots=True)
class OpenLog:
    """Prepare to read a container's log. ``restarts``: how often the container was restarted so far."""

    container: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class FollowLog:
    """Read the log as it is written."""

    container: str


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Read what the log holds now. `CaughtUp` reports when that is done; catch-ups of a container count from 1."""

    container: str


@dataclass(frozen=True, slots=True)
class EndLog:
    """Read the log to its end: the container has terminated (``is_over``: kubelet reports that) or is about to."""

    container: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class ReadLogAgain:
    """Request the rest of a log again that has ended before its end mark."""

    container: str


@dataclass(frozen=True, slots=True)
class EndLogSoon:
    """Read no more than what the open stream holds: the Pod is gone."""

    container: str


@dataclass(frozen=True, slots=True)
class ContinueLog:
    """Kubelet has restarted the container: read the rest of the previous log, then the new one."""

    container: str


@dataclass(frozen=True, slots=True)
class RetryLog:
    """Request the log now if a retry is being delayed: the container runs."""

    container: str


@dataclass(frozen=True, slots=True)
class CloseLog:
    """Stop reading the log."""

    container: str


@dataclass(frozen=True, slots=True)
class Execute:
    """Run a request (``coordinator.outside_request``) in the coordinator's container. `Executed` is the answer."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CopyFolders:
    """Copy the folders of this machine to the Workspaces.

    `FilesProgress`, `FolderCopied` and `FilesCopied` are the answers.
    """


@dataclass(frozen=True, slots=True)
class ResizePod:
    """Change the requests of the Pod. `ResizeAnswered` is the answer."""

    resize: Resize


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the Pod, with another grace period than its own if ``grace`` is a number. `Deleted` is the answer."""

    grace: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """Yield an event to the run."""

    event: Event


Command: TypeAlias = (
    OpenLog
    | FollowLog
    | CatchUp
    | EndLog
    | EndLogSoon
    | ContinueLog
    | RetryLog
    | ReadLogAgain
    | CloseLog
    | Execute
    | CopyFolders
    | ResizePod
    | Delete
    | Report
)
