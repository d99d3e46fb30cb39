"""Requests to cancel a run, sent by `monopod cancel` to the process that runs it.

Rules:

- A run listens on a datagram socket in its state directory, which only its user can access.
- A request is one datagram with the mode, and the writing end of a pipe. Once the coordinator has accepted it, the
  answer is the mode in which the run is being cancelled, which may be a harder mode that was requested before. If the
  pipe is closed without an answer, the run has ended.
- A run that has ended refuses the connection, because its socket died with its process.
- Beside the socket is the name of the run's project, so that a run without a record is not taken for one of another
  project.

``coordinator.engine.engine`` defines the modes; ``run`` passes them to the coordinator.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monopod.runner.kubelet.state_directory import pod_name
from monopod.runner.records.projects import project_of
from monopod.system.state_sockets import StateSocket, listens, send

if TYPE_CHECKING:
    from monopod.schemas.run_events import CancelMode

MODES: tuple[CancelMode, ...] = ("StoppedRunFinally", "CancelledRunFinally", "Cancelled")
"""From the mildest to the hardest (Tekton docs/pipelineruns.md, "Cancelling a PipelineRun" and what follows)."""

_SOCKET = "cancel"
_PROJECT = "project"
_LONGEST = 64
_PATIENCE = 2.0
"""Seconds. The answer of a run takes milliseconds."""


def harder(one: CancelMode | None, other: CancelMode) -> CancelMode:
    """Return the mode that applies if both are requested, in any order."""
    return other if one is None else max(one, other, key=MODES.index)


def _mode(data: bytes) -> CancelMode | None:
    return next((mode for mode in MODES if mode.encode() == data), None)


# In the process that runs it


class CancelRequest:
    """A request, which must be answered."""

    def __init__(self, mode: CancelMode, pipe: int) -> None:
        self.mode = mode
        self._pipe = pipe

    def answer(self, mode: CancelMode | None) -> None:
        """Answer with the mode in which the run is being cancelled; None if it has ended."""
        with contextlib.suppress(OSError):  # the requester is gone
            os.write(self._pipe, (mode or "").encode())
        os.close(self._pipe)


class CancelSocket:
    """Receives requests for a run while it is open. It can be used with select."""

    def __init__(self, directory: str) -> None:
        """Listen in the state directory `directory`. Raises OSError."""
        self._project = Path(directory, _PROJECT)
        with contextlib.suppress(OSError):  # on a full disk, the run belongs to an unknown project
            self._project.write_text(str(project_of(Path.cwd())), "utf-8", "surrogateescape")
        self._socket = StateSocket(directory, _SOCKET, _LONGEST, 1)

    def __enter__(self) -> CancelSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._project.unlink(missing_ok=True)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is a request."""
        return self._socket.fileno()

    def requests(self) -> Iterator[CancelRequest]:
        """Yield the requests that have arrived, without waiting."""
        for request in self._socket.requests():
            mode, (pipe,) = _mode(request.data), request.descriptors
            if mode is None:
                os.close(pipe)
            else:
                yield CancelRequest(mode, pipe)


# In the process that requests


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """An active run of this user. ``identity`` is unique among runs with the same name."""

    identity: str
    directory: str

    @property
    def name(self) -> str:
        """The name of the run and of its Pod."""
        return pod_name(self.directory)

    @property
    def project(self) -> str:
        """The project that it was started in; empty if that is unknown."""
        try:
            return Path(self.directory, _PROJECT).read_text("utf-8", "surrogateescape")
        except OSError:
            return ""

    def cancel(self, mode: CancelMode, waits: Callable[[], None] = lambda: None) -> CancelMode | None:
        """Request cancellation and wait for the answer: the mode that applies now, None if the run has ended.

        `waits` is called once if it does not come soon: a process that is suspended answers when it is resumed.
        """
        reader, writer = os.pipe()
        with open(reader, "rb") as answer:
            try:
                send(self.directory, _SOCKET, mode.encode(), [writer])
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            finally:
                os.close(writer)
            if not select.select([answer], [], [], _PATIENCE)[0]:
                waits()
            return _mode(answer.read())


def active_runs(root: str) -> tuple[ActiveRun, ...]:
    """Return the active runs with state directories in `root`, sorted by name. Raises OSError."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return ()
    runs = (ActiveRun(name, os.path.join(root, name)) for name in names)
    return tuple(run for run in runs if listens(run.directory, _SOCKET))


def unique_names(runs: Sequence[ActiveRun]) -> list[str]:
    """Return a unique name of each run: its name, or its identity if another run has the same name."""
    counts = Counter(run.name for run in runs)
    return [run.name if counts[run.name] == 1 else run.identity for run in runs]
