"""A run of this machine whose containers somebody enters: with the host backend, or with podman.

Rules: the state directory says what runs (``running_pod``), the control directories what each container does. On the
host the run's own process starts the command (``host.visits``); podman starts it itself.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence

from monopod.compiler.pod.assembly import plan_of
from monopod.runner.cancellation import ActiveRun
from monopod.runner.host import visits
from monopod.runner.kubelet import running_pod
from monopod.runner.kubelet.running_pod import RunningPod
from monopod.runner.signals import received, signal_pipe
from monopod.runner.visiting.places import Activity, CutOffError, NoSuchPlaceError, State, VisitError
from monopod.runner.visiting.terminal import TERMINAL, raw_terminal, set_window_size, window_size
from monopod.schemas.plan import Plan
from monopod.system.locks import is_locked

_PIECE = 65536
_MOST_LABEL_BYTES = 4096


class LocalRun:
    """An active run of this machine."""

    def __init__(self, run: ActiveRun) -> None:
        """Raises NoSuchPlaceError if the run has not started yet, or has ended."""
        pod = running_pod.read(run.directory)
        if pod is None:
            raise NoSuchPlaceError(f"run '{run.name}' has not started yet, or has ended")
        self._pod: RunningPod = pod
        self._directory = run.directory
        self.name = run.name
        self.plan: Plan = plan_of(pod.manifest)

    def __enter__(self) -> LocalRun:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def states(self) -> Mapping[str, Activity]:
        """Return the containers in which a Step is held or something is running."""
        root = "" if self._pod.engine_pod else _root_of_sandbox(self._pod.launcher)
        states: dict[str, Activity] = {}
        for name, directory in self._pod.control_directories.items():
            state = _state(root + directory)
            if state is not None:
                states[name] = Activity(state, _label(root + directory))
        return states

    def execute(self, container: str, command: Sequence[str], *, on_terminal: bool) -> int:
        """Run a command in a container and return its exit code. Raises VisitError."""
        if self._pod.engine_pod:
            streams = ["-i", "-t"] if on_terminal else ["-i"]
            name = f"{self._pod.engine_pod}-{container}"
            return subprocess.run(["podman", "exec", *streams, name, *command], check=False).returncode
        try:
            if on_terminal:
                return self._execute_on_terminal(container, command)
            return visits.read_answer(visits.start_visit(self._directory, container, command, (0, 1, 2)))
        except visits.CutOffError as error:
            raise CutOffError(str(error)) from error
        except visits.VisitError as error:
            raise VisitError(str(error)) from error

    def _execute_on_terminal(self, container: str, command: Sequence[str]) -> int:
        ours, its = pty.openpty()
        try:
            set_window_size(its, window_size())
            answer = visits.start_visit(self._directory, container, command, (its, its, its))
        finally:
            os.close(its)
        with signal_pipe(signal.SIGWINCH) as signals, raw_terminal():
            _pass_on(ours, answer, signals.reader)
        os.close(ours)
        return visits.read_answer(answer)


def _pass_on(ours: int, answer: int, signals: int) -> None:
    """Pass on keys and output between this terminal and the command's, until there is an answer."""
    poll = select.poll()
    for descriptor in (TERMINAL, ours, answer, signals):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if ours in ready and not _copy(ours, 1):
            poll.unregister(ours)
            continue
        if TERMINAL in ready and not _copy(TERMINAL, ours):
            poll.unregister(TERMINAL)
        if signals in ready:
            received(signals)
            set_window_size(ours, window_size())
        if answer in ready and ours not in ready:  # all of its output was passed on
            return


def _copy(source: int, target: int) -> bool:
    """Copy what can be read; return whether there may be more."""
    try:
        data = os.read(source, _PIECE)
    except OSError:  # the other side of a terminal is gone
        return False
    with contextlib.suppress(OSError):
        os.write(target, data)
    return bool(data)


def _root_of_sandbox(launcher: int) -> str:
    """Return where the files are that only the sandbox of a Pod of the host backend sees."""
    from monopod.runner.host.usage import sandbox_of  # noqa: PLC0415  # psutil, where somebody needs it

    return f"/proc/{sandbox_of(launcher)}/root"


def _state(directory: str) -> State | None:
    """Return what a container with this control directory does."""
    try:
        names = os.listdir(directory)
    except OSError:
        return None
    if "held" in names:
        return "held"
    numbers = [int(name[4:]) for name in names if name.startswith("run.") and name[4:].isdecimal()]
    if not numbers:
        return None
    try:
        descriptor = os.open(f"{directory}/run.{max(numbers)}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return "running" if is_locked(descriptor) else None
    finally:
        os.close(descriptor)


def _label(directory: str) -> str:
    """Return which of its Steps a container with this control directory runs or holds, if it has several."""
    try:
        descriptor = os.open(f"{directory}/step", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _MOST_LABEL_BYTES).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
