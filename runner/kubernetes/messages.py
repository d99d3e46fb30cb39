"""What the threads that read a Pod of a cluster report to the thread that follows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.log_lines import LogLine
from monopod.schemas.capacity.shrinking import Resize

# From the watches (``pod_watch``)


@dataclass(frozen=True, slots=True)
class PodSeen:
    """The Pod as it is now."""

    pod: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PodGone:
    """The Pod does not exist any more. ``pod``: as it was when its deletion was seen; None: that was missed."""

    pod: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Disturbance:
    """The API server does not answer, for the reason `text`. Empty: it answers again."""

    text: str


@dataclass(frozen=True, slots=True)
class WatchRefused:
    """The user may not watch the Pod."""

    error: ApiError


@dataclass(frozen=True, slots=True)
class EventSeen:
    """A core/v1 Event about the Pod."""

    event: dict[str, Any]


WatchMessage: TypeAlias = PodSeen | PodGone | Disturbance | WatchRefused | EventSeen

# From the readers of logs (``log_reader``)


@dataclass(frozen=True, slots=True)
class LogOutput:
    """Lines that a container wrote."""

    container: str
    lines: list[LogLine]


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that the log held when catch-up `number` of the container was requested has been reported."""

    container: str
    number: int


@dataclass(frozen=True, slots=True)
class LogEnded:
    """The log of a container that has ended was read to its end.

    ``problem`` says why it may be incomplete, empty: nothing is known to be missing. ``last_line`` is the line
    at its end that has no newline.
    """

    container: str
    problem: str = ""
    error: ApiError | None = None
    last_line: bytes = b""


@dataclass(frozen=True, slots=True)
class LogDisturbed:
    """A container's log cannot be read now, for the reason `text`; the request is repeated. Empty: it can be read."""

    container: str
    text: str


LogMessage: TypeAlias = LogOutput | CaughtUp | LogEnded | LogDisturbed

# Answers to requests


@dataclass(frozen=True, slots=True)
class Executed:
    """A command was run in the coordinator's container, or (``problem``) could not be."""

    arguments: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The Pod is being deleted, or (``problem``) cannot be."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class ResizeAnswered:
    """The requests of the Pod are changed, or (``problem``) cannot be."""

    resize: Resize
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FilesProgress:
    """How far the folders are copied to the Workspaces, in one line."""

    text: str


@dataclass(frozen=True, slots=True)
class FolderCopied:
    """A folder is copied; what that means, in one line."""

    text: str


@dataclass(frozen=True, slots=True)
class FilesCopied:
    """All folders are copied, and the Steps may start; or (``problem``) they cannot be."""

    problem: str = ""


Answer: TypeAlias = Executed | Deleted | ResizeAnswered | FilesProgress | FolderCopied | FilesCopied
Message: TypeAlias = LogMessage | WatchMessage | Answer
