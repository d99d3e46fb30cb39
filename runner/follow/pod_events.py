"""The events of a Pod, as its follower reads them.

Rules: of one container, `ContainerStarted` comes first and `ContainerTerminated` after the last of its output; a
container that is restarted goes through both again. `PodFinished` is the last event of all. Times are seconds since the
epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

BOTH: Final = "both"
"""The stream of a container whose standard output and standard error come as one."""


@dataclass(frozen=True, slots=True)
class ContainerOutput:
    """A container wrote this to standard output or standard error (or `BOTH`, if it is not known which).

    ``times`` are when its lines were written, if that is known.
    """

    container: str
    stream: Literal["stdout", "stderr", "both"]
    data: bytes
    times: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """The container's program was executed; its postStart hook, if any, runs now."""

    container: str
    restart_count: int
    at: float


@dataclass(frozen=True, slots=True)
class ContainerTerminated:
    """The container's program ended, or could not be executed (``reason`` StartError, ``exit_code`` 128).

    ``signal`` is the number of the signal that killed it, or None; ``exit_code`` is then 128 + ``signal``.
    """

    container: str
    restart_count: int
    exit_code: int
    signal: int | None
    reason: str
    message: str
    started_at: float | None
    finished_at: float


@dataclass(frozen=True, slots=True)
class ContainerNotStarted:
    """The container was never started, and is not waited for any more.

    ``reason`` is Kubernetes' (of a ContainerStateWaiting, or ``StartError``). ``is_known``: a warning has
    said why.
    """

    container: str
    reason: str
    message: str
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class PodWarning:
    """Something that the Pod asks for is not done here, or did not go well; kubelet would make it an Event."""

    message: str


@dataclass(frozen=True, slots=True)
class PodNotice:
    """Something that the user should know, and that is not a problem."""

    message: str


@dataclass(frozen=True, slots=True)
class PodResized:
    """The requests of the Pod were lowered: by ``cpu`` cores and ``memory`` bytes.

    Negative amounts: its node has refused that later.
    """

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class PodActivity:
    """What is done before the run starts, and how far it is, in one line; empty: nothing any more."""

    text: str


@dataclass(frozen=True, slots=True)
class PodFinished:
    """Every container has ended for good. ``status`` is a core/v1 PodStatus."""

    status: dict[str, Any]


Event: TypeAlias = (
    ContainerOutput
    | ContainerStarted
    | ContainerTerminated
    | ContainerNotStarted
    | PodWarning
    | PodNotice
    | PodResized
    | PodActivity
    | PodFinished
)
