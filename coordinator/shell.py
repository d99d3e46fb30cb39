"""The coordinator: turns files into events for the engine, and its commands into files.

Rules:

- State is in files; a ring is only a wake-up. A sweep four times a second checks every container, so everything still
  works, only slower, if every ring is lost. The cost of a ring does not depend on the number of containers.
- One event at a time: it goes to the journal, then to the engine; then its commands are executed, then reported.
- The state in memory (running requests, timers, unanswered questions) follows from the journal only: `_note_event` and
  `_note_command` maintain it, live and in a replay. Executing a command is separate. After a restart, at most the
  commands of the last event are executed again, and a request only if its `run.N` is missing. Every released container
  that is left gets its `exit` again.
- CEL expressions are evaluated one after another, in child processes (``cel_queue``); everything else continues.
- Steps come first: events are reported after requests are written, sweeps release containers, and the directories of a
  first attempt are prepared while the coordinator is idle.
- A request that cannot be written ends at once, with the reason. An empty `run.N` uses up its number, since an
  entrypoint takes the numbers in order.
- An entrypoint is gone when its lock is released. How its requests ended is read after that, when it can no longer
  write. If its container restarts, the lock of its next life is awaited. No life gets a request of an earlier one.
- Where files are copied to the Workspaces (``files_container``), the run begins when they are complete.
- Time is the machine's time at the start of the run plus the time since then: setting the clock does not affect timers.
- A Step that does not end after it was stopped is given up: it may block its entrypoint's control directory. Whatever
  runs in a released container is killed.

Left to others: all decisions (``engine``), the files (``control_directory``, ``slot_directory``, ``journal``), and the
run's log (``schemas.run_log``).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Any, Protocol

from monopod.coordinator.cel_queue import CelQueue
from monopod.coordinator.control_directory import (
    IN_CONTAINER,
    ROOT,
    ControlDirectory,
    encode_request,
    failed_exit,
    never_begun,
)
from monopod.coordinator.engine.events import (
    Begun,
    CancelRequested,
    CelEvaluated,
    ClearTimer,
    Command,
    ContainerDied,
    ContainerReady,
    ContainerRestarted,
    EndHold,
    EvaluateCel,
    Event,
    Exit,
    Finish,
    HoldReleased,
    HoldStep,
    ProbeEnded,
    ReadResults,
    ReleaseContainer,
    Report,
    ResultsRead,
    RunProbe,
    RunStep,
    SetTimer,
    StepExited,
    StopStep,
    TimerFired,
    TryConnection,
    WriteExitCode,
)
from monopod.coordinator.engine.failure_reasons import describe_probe_failure
from monopod.coordinator.journal import Journal
from monopod.coordinator.slot_directory import FilesRead, SlotDirectory
from monopod.coordinator.timers import Timers
from monopod.schemas.plan import Slot
from monopod.schemas.run_events import CancelMode, RunEvent, RunWarning
from monopod.system import inherited_signals

if TYPE_CHECKING:
    from monopod.coordinator.files_container import FilesContainer

SWEEP_SECONDS = 0.25
LAST_SWEEP_SECONDS = 0.02
"""The time between sweeps right after the run, when all that is left is that the last containers end."""
LAST_SWEEPS_SECONDS = 2.0
SETTLE_SECONDS = 0.05
"""How long the container runtime may take to notice the end of the last container before the coordinator ends."""
RINGS_PER_SWEEP = 1000
"""A ring that wakes the coordinator more often than this is ignored until the next sweep: a Step may ring forever."""
_CONTAINERS_PER_TURN = 32
RELEASE_SECONDS = 2.0
"""How long a container may run after its release and the grace period before it is killed."""
STOP_SECONDS = 30.0
"""How long a stopped Step may take to end after its grace period; an entrypoint cleans up within 10 s."""

RESTARTED = "the coordinator was restarted and continues where it left off"
NO_FILES = "the files of the Workspaces did not arrive, and nobody copies them; cancelling the run"

_TRY_DONE = 0  # a byte in the wake-up pipe that is not a signal number
_CANCEL_MODES: dict[int, CancelMode] = {
    signal.SIGTERM: "Cancelled",
    signal.SIGINT: "Cancelled",
    signal.SIGUSR1: "CancelledRunFinally",
    signal.SIGUSR2: "StoppedRunFinally",
}


class Decider(Protocol):
    """Decides what to do: `coordinator.engine.engine.Engine`."""

    def handle(self, event: Event) -> list[Command]:
        """Return the commands that follow from `event`."""


class Listener(Protocol):
    """Follows the run."""

    def report(self, events: Sequence[RunEvent], *, replayed: bool) -> None:
        """Take further events. With `replayed`, an earlier coordinator has reported them already."""


class _Stop:
    """A stopped request: SIGKILL comes at ``kill_at``. ``failed``: `kill.N` could not be written yet."""

    def __init__(self, kill_at: float) -> None:
        self.kill_at = kill_at
        self.failed = False


class _Container:
    """The state of a container. ``running`` and ``stops`` are keyed by the number of the request.

    ``restarts``: kubelet restarts it when it is killed. It is ``awaited`` from then until it is ready again.
    ``own_path`` is where it has its control directory itself; below another root than a Pod's it is not in a container.
    ``cannot_start``: kubelet could not start it, and may try forever.
    Once it is ``released``, `exit` is written with ``exit_code``.
    """

    def __init__(self, name: str, root: str, *, restarts: bool) -> None:
        path = f"{root}/steps/{name}"
        self.name = name
        self.own_path = IN_CONTAINER if root == ROOT else path
        self.restarts = restarts
        self.awaited = self.cannot_start = False
        self.directory = ControlDirectory(path)
        self.ready = False
        self.suspect = False
        self.gone = False
        self.released = False
        self.exit_code = 0
        self.exit_written_at: float | None = None
        self.rings = 0
        self.running: dict[int, RunStep | RunProbe] = {}
        self.stops: dict[int, _Stop] = {}

    @property
    def is_release_due(self) -> bool:
        """Whether it was released, but `exit` is not written yet."""
        return self.released and self.exit_written_at is None


class Coordinator:
    """Executes what the engine decides, below the directory `root` (docs/control-directory.md)."""

    def __init__(
        self,
        engine: Decider,
        slots: Sequence[Slot],
        root: str,
        listener: Listener,
        stop_grace: float,
        *,
        ends_with_run: bool = False,
        files: FilesContainer | None = None,
    ) -> None:
        """Open the control directories and the journal. Raises OSError, JournalError.

        It exits on its own once the run is over and all containers are gone. With `ends_with_run` it does not wait for
        containers that have not started. `files` is the container through which files are copied, if there is one.
        """
        self._engine = engine
        self._listener = listener
        self._stop_grace = stop_grace
        self._ends_with_run = ends_with_run
        self._files = files
        os.makedirs(f"{root}/state", exist_ok=True)
        self._journal = Journal(f"{root}/state/journal")
        directories = {slot.volumes: SlotDirectory(f"{root}/slots/{slot.volumes}") for slot in slots}
        self._slots = {slot.name: directories[slot.volumes] for slot in slots}
        restarting = {name for slot in slots if slot.restarts for name in slot.all_containers}
        self._containers = {
            name: _Container(name, root, restarts=name in restarting) for slot in slots for name in slot.all_containers
        }
        self._watched = dict(self._containers)
        self._unused_directories = dict.fromkeys(directories.values())
        """Those of slots in which no Step has run yet and that are not prepared."""
        self._rings = {
            each.directory.ring: each for each in self._containers.values() if each.directory.ring is not None
        }
        self._muted: list[int] = []
        self._epoll = select.epoll()
        self._events: deque[Event] = deque()
        self._timers = Timers()
        self._tries: dict[tuple[str, int], TryConnection] = {}
        self._outcomes: deque[tuple[TryConnection, str | None]] = deque()
        self._reads: dict[str, ReadResults] = {}
        self._holds: dict[str, HoldStep] = {}
        self._cel = CelQueue(self._epoll)
        self._exit_code: int | None = None
        self._exit_at: float | None = None
        self._quick_sweeps_until = 0.0
        self._terminated = False
        self._next_sweep = 0.0
        self._unswept: list[_Container] = []
        self._started = time.time() - time.monotonic()
        self._wake_up, self._wake_up_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._executors: dict[type[Any], Callable[[Any], None]] = {
            StopStep: self._stop_step,
            HoldStep: self._hold,
            EndHold: lambda command: self._containers[command.container].directory.end_hold(),
            ReadResults: self._read_results,
            TryConnection: self._try_connection,
            WriteExitCode: self._write_exit_code,
        }

    def run(self, begun: Begun) -> int:
        """Run to the end, or continue where an earlier coordinator left off; return the exit code.

        Raises OSError if the journal cannot be written, JournalError if it cannot be read.
        """
        self._listen()
        entries = self._journal.replay()
        if entries:
            self._resume(entries)
        else:
            cancelled = self._await_files()
            self._started = begun.at - begun.monotonic
            if self._files is not None:
                begun = begun._replace(at=self._now(), monotonic=time.monotonic())
            self._events.append(begun)
            self._events += (CancelRequested(self._now(), mode) for mode in cancelled)
        self._process_events()
        while self._exit_code is None or not (self._terminated or self._may_exit()):
            self._wait()
        for container in self._watched.values():
            self._release(container)
        for number in _CANCEL_MODES:
            signal.signal(number, signal.SIG_IGN)  # one that arrives now must not change the exit code
        return self._exit_code

    def _may_exit(self) -> bool:
        """Whether it may exit after the run without SIGTERM, because no container is left.

        An ordinary container that starts later finds its `exit`. A native sidecar would be restarted then, so it waits
        for all containers; for one that cannot start, until kubelet ends the Pod.
        """
        if self._files is not None and not self._files.is_done(may_be_absent=self._ends_with_run):
            return False
        if self._ends_with_run:
            return not any(container.ready or container.is_release_due for container in self._watched.values())
        if self._watched or any(container.cannot_start for container in self._containers.values()):
            return False
        self._exit_at = self._now() + SETTLE_SECONDS if self._exit_at is None else self._exit_at
        return self._now() >= self._exit_at

    def _now(self) -> float:
        """Return the seconds since the epoch, regardless of changes to the machine's clock since the start."""
        return self._started + time.monotonic()

    # Waiting

    def _listen(self) -> None:
        inherited_signals.reset()
        for number in _CANCEL_MODES:
            signal.signal(number, lambda _number, _frame: None)  # the wake-up pipe carries the number
        signal.set_wakeup_fd(self._wake_up_end, warn_on_full_buffer=False)
        self._epoll.register(self._wake_up, select.EPOLLIN)
        for ring in self._rings:
            self._epoll.register(ring, select.EPOLLIN)
        if self._files is not None and self._files.directory.ring is not None:
            self._epoll.register(self._files.directory.ring, select.EPOLLIN)

    def _await_files(self) -> list[CancelMode]:
        """Wait until the files of the Workspaces are there. Return how the run is cancelled, if it is."""
        modes: list[CancelMode] = []
        while self._files is not None and not self._files.is_complete and not modes:
            for descriptor, _ in self._epoll.poll(SWEEP_SECONDS, 64):
                if descriptor == self._wake_up:
                    numbers = os.read(self._wake_up, 4096)
                    self._terminated = self._terminated or signal.SIGTERM in numbers
                    modes += [_CANCEL_MODES[number] for number in numbers if number in _CANCEL_MODES]
                elif descriptor in self._rings:
                    self._rings[descriptor].directory.drain_ring()  # the first sweep looks at all containers
                else:
                    self._files.directory.drain_ring()
            for container in self._containers.values():
                container.directory.hold_lock()
            self._files.directory.hold_lock()
            if self._files.is_given_up(time.monotonic()):
                self._listener.report([RunWarning(self._now(), NO_FILES)], replayed=False)
                modes.append("Cancelled")
        return modes

    def _look_after_files(self, files: FilesContainer) -> None:
        """Release the container ``files`` once nobody needs it."""
        files.directory.hold_lock()
        with self._warn_on_error("cannot release the container of the files"):
            files.release_if_unused(time.monotonic(), is_over=self._exit_code is not None)

    def _wait(self) -> None:
        """Wait for the next event, and process it."""
        ready = self._epoll.poll(self._seconds_to_wait(), 64)
        if not ready and self._unused_directories:
            directory = next(iter(self._unused_directories))
            del self._unused_directories[directory]
            directory.prepare()
        for descriptor, _ in ready:
            if descriptor == self._wake_up:
                self._handle_wake_ups()
            elif descriptor == self._cel.descriptor:
                self._end_evaluation()
            elif descriptor in self._rings:
                self._answer_ring(self._rings[descriptor])
            elif self._files is not None and descriptor == self._files.directory.ring:
                self._files.directory.drain_ring()
            # else its container was forgotten since the poll
        now = self._now()
        if self._cel.is_late(now):
            self._end_evaluation()
        self._fire_timers(now)
        if now >= self._next_sweep and not self._unswept:
            self._next_sweep = now + (LAST_SWEEP_SECONDS if now < self._quick_sweeps_until else SWEEP_SECONDS)
            self._begin_sweep()
        self._sweep(now)
        if self._files is not None and not self._files.is_released:
            self._look_after_files(self._files)

    def _seconds_to_wait(self) -> float | None:
        is_swept = self._watched or (self._files is not None and not self._files.is_done(may_be_absent=False))
        sweep = self._next_sweep if is_swept else None
        times = (self._timers.next_at(), self._cel.give_up_at, sweep, self._exit_at)
        if self._unused_directories or self._unswept:
            return 0
        given = [at for at in times if at is not None]
        return max(0.0, min(given) - self._now()) if given else None

    def _handle_wake_ups(self) -> None:
        numbers = os.read(self._wake_up, 4096)
        if signal.SIGTERM in numbers:
            self._sweep_all()
        for number in numbers:
            # SIGINT does not terminate before the end of the run: a native sidecar that exits early is restarted
            if number == signal.SIGTERM or (number == signal.SIGINT and self._exit_code is not None):
                self._terminated = True
            if number in _CANCEL_MODES and self._exit_code is None:
                self._events.append(CancelRequested(self._now(), _CANCEL_MODES[number]))
        while self._outcomes:
            command, problem = self._outcomes.popleft()
            self._events.append(
                ProbeEnded(self._now(), command.container, command.request, problem is None, problem or "")
            )
        self._process_events()

    def _answer_ring(self, container: _Container) -> None:
        container.directory.drain_ring()
        container.rings += 1
        if container.rings > RINGS_PER_SWEEP and container.directory.ring is not None:
            self._epoll.unregister(container.directory.ring)
            self._muted.append(container.directory.ring)
        if not container.ready and container.directory.liveness() == "alive":
            self._note_alive(container)
        self._read_exits(container)

    def _fire_timers(self, now: float) -> None:
        while (name := self._timers.pop_due(now)) is not None:
            self._events.append(TimerFired(now, name))
            self._process_events()

    # Sweeps

    def _begin_sweep(self) -> None:
        """Start a sweep over all watched containers."""
        for ring in self._muted:
            if ring in self._rings:
                self._epoll.register(ring, select.EPOLLIN)
        self._muted.clear()
        self._unswept = list(self._watched.values())

    def _sweep(self, now: float) -> None:
        """Check the next few containers, so that a ring does not wait for a sweep over hundreds."""
        these, self._unswept = self._unswept[:_CONTAINERS_PER_TURN], self._unswept[_CONTAINERS_PER_TURN:]
        for container in these:
            container.rings = 0
            container.directory.hold_lock()
            self._read_exits(container)
            self._release(container)
            liveness = container.directory.liveness()
            if liveness == "alive":
                self._note_alive(container)
                self._check_stops(container, now)
                self._kill_leftover(container, now)
            elif liveness == "dead" or container.ready:
                self._note_dead(container)
            self._process_events()

    def _sweep_all(self) -> None:
        """Read all exits: kubelet also sends SIGTERM once all the other containers have ended.

        Then their exits decide how the Tasks end, not a cancellation. It restarts no container any more.
        """
        for container in self._containers.values():
            container.restarts = False
        self._begin_sweep()
        while self._unswept:
            self._sweep(self._now())
        for container in list(self._watched.values()):
            if container.awaited and not container.released:
                self._events.append(ContainerDied(self._now(), container.name))
                self._forget(container)
        self._process_events()

    def _read_exits(self, container: _Container) -> None:
        for command in container.running.values():
            how = container.directory.read_exit(command.request)
            if how is not None:
                output = container.directory.read_probe_output() if isinstance(command, RunProbe) else ""
                self._events.append(_exit_event(command, how, self._now(), output))
        if container.name in self._holds and (verdict := container.directory.read_release()) is not None:
            self._events.append(HoldReleased(self._now(), container.name, verdict))
        self._process_events()

    def _note_alive(self, container: _Container) -> None:
        if container.ready or container.gone:
            return
        if container.directory.life == 1:
            self._events.append(ContainerReady(self._now(), container.name))
        elif (mark := container.directory.mark_of_life()) is not None:
            self._events.append(ContainerRestarted(self._now(), container.name, container.directory.life, mark))

    def _note_dead(self, container: _Container) -> None:
        why = ("", "") if container.ready else container.directory.start_failure()
        if not (container.ready or container.suspect or any(why)):
            container.suspect = True  # it may be about to take the lock; the next sweep decides
            return
        self._read_exits(container)
        if container.released or container.gone:
            self._forget(container)
            return
        restarts = container.restarts and not any(why) and self._exit_code is None
        self._events.append(ContainerDied(self._now(), container.name, *why, will_restart=restarts))
        if not restarts:
            self._forget(container)
            return
        self._process_events()
        if container.directory.liveness() == "alive":
            self._note_alive(container)

    def _forget(self, container: _Container) -> None:
        """Stop watching a container whose entrypoint is gone."""
        del self._watched[container.name]
        ring = container.directory.ring
        if ring is not None:
            del self._rings[ring]
            with contextlib.suppress(FileNotFoundError):  # it is muted
                self._epoll.unregister(ring)  # closing it is not enough while a child that evaluates CEL has it open
        container.directory.close()

    def _check_stops(self, container: _Container, now: float) -> None:
        """Retry `kill.N` that could not be written, and give up requests that do not end."""
        for number, stop in list(container.stops.items()):
            command = container.running.get(number)
            if command is not None and now >= stop.kill_at + STOP_SECONDS:
                how = failed_exit("it did not end after it was stopped")._replace(left="the Step itself")
                self._events.append(_exit_event(command, how, now))
            elif command is not None and stop.failed:
                self._write_kill_again(container, number, stop)

    def _release(self, container: _Container) -> None:
        """Write `exit` if the container was released since the last sweep.

        It takes time to end, on processors that the next Step may need: a sweep comes after the start of that Step.
        """
        if container.is_release_due:
            container.exit_written_at = self._now()
            with self._warn_on_error(f"cannot release container {container.name}"):
                container.directory.write_exit(container.exit_code, self._stop_grace + RELEASE_SECONDS)

    def _kill_leftover(self, container: _Container, now: float) -> None:
        """Write `exit` again if it was written long ago: a Step may have removed it."""
        written_at = container.exit_written_at
        if written_at is not None and now > written_at + self._stop_grace + 2 * RELEASE_SECONDS:
            container.exit_written_at = now
            try:
                container.directory.write_exit(container.exit_code, 0)
            except OSError:  # reported when the container was released
                container.directory.abandon()

    # Events and commands

    def _process_events(self) -> None:
        """Process all queued events, and the events that follow from them."""
        while self._events:
            event = self._events.popleft()
            if self._exit_code is not None:
                continue  # the run is over; its end stays the last entry of the journal
            self._journal.append(event)
            self._note_event(event)
            commands = self._engine.handle(event)
            self._execute(commands)
            self._report(commands, replayed=False)

    def _execute(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self._note_command(command)
            if isinstance(command, RunStep | RunProbe):
                self._run(command)
            elif (carry_out := self._executors.get(type(command))) is not None:
                carry_out(command)
        self._evaluate_next()

    def _report(self, commands: Iterable[Command], *, replayed: bool) -> None:
        events = [command.event for command in commands if isinstance(command, Report)]
        if events:
            self._listener.report(events, replayed=replayed)

    def _note_event(self, event: Event) -> None:
        """Update the state in memory by an event."""
        match event:
            case StepExited(container=name, request=request):
                self._containers[name].running.pop(request, None)
                self._containers[name].stops.pop(request, None)
            case ProbeEnded(container=name, request=request):
                if self._tries.pop((name, request), None) is None:
                    self._containers[name].running.pop(request, None)
                    self._containers[name].stops.pop(request, None)
            case ContainerReady(container=name) | ContainerRestarted(container=name):
                self._containers[name].ready = True
                self._containers[name].awaited = False
            case ContainerDied(container=name, reason=reason, will_restart=will_restart):
                self._containers[name].cannot_start = bool(reason)
                self._note_death(self._containers[name], will_restart=will_restart)
            case TimerFired(timer=timer):
                self._timers.clear(timer)
            case ResultsRead(slot=slot):
                self._reads.pop(slot, None)
            case CelEvaluated(number=number):
                self._cel.remove(number)

    @staticmethod
    def _note_death(container: _Container, *, will_restart: bool) -> None:
        container.running.clear()
        container.stops.clear()
        container.ready = container.ready and not will_restart
        container.awaited, container.gone = will_restart, not will_restart
        if will_restart:
            container.suspect = False
            container.directory.await_restart()

    def _note_command(self, command: Command) -> None:
        """Update the state in memory by a command."""
        match command:
            case RunStep(slot=slot, container=name, request=request) | RunProbe(slot, name, request):
                self._containers[name].running[request] = command
                self._unused_directories.pop(self._slots[slot], None)
            case SetTimer(timer=timer, at=at):
                self._timers.set(timer, at)
            case ClearTimer(timer=timer):
                self._timers.clear(timer)
            case StopStep(container=name, request=request, grace=grace):
                if request in self._containers[name].running:
                    self._containers[name].stops[request] = _Stop(self._now() + grace)
            case ReleaseContainer(container=name, code=code):
                self._containers[name].released = True
                self._containers[name].exit_code = code
            case Finish(code=code):
                self._exit_code = code
                self._next_sweep, self._quick_sweeps_until = 0, self._now() + LAST_SWEEPS_SECONDS
                if self._files is not None:
                    self._files.restart_clock()
            case _:
                self._note_question(command)

    def _note_question(self, command: Command) -> None:
        """Remember that a command waits for its answer, or that it does not any more."""
        match command:
            case ReadResults(slot=slot):
                self._reads[slot] = command
            case HoldStep(slot=slot, container=name):
                self._holds[name] = command
                self._unused_directories.pop(self._slots[slot], None)
            case EndHold(container=name):
                self._holds.pop(name, None)
            case EvaluateCel():
                self._cel.add(command)
            case TryConnection(container=name, request=request):
                self._tries[name, request] = command

    def _resume(self, entries: Sequence[Event]) -> None:
        """Replay the journal, and execute what the earlier coordinator may not have executed."""
        commands: list[Command] = []
        for entry in entries:
            if isinstance(entry, Begun):
                self._started = entry.at - entry.monotonic
            self._report(commands, replayed=True)
            self._note_event(entry)
            commands = self._engine.handle(entry)
            for command in commands:
                self._note_command(command)
        if self._exit_code is None:
            self._listener.report([RunWarning(self._now(), RESTARTED)], replayed=False)
        self._execute_again(commands)
        self._report(commands, replayed=False)

    def _execute_again(self, last: Iterable[Command]) -> None:
        if not any(isinstance(command, RunStep) and self._has_request(command) for command in last):
            self._execute_those(last, WriteExitCode)  # before the Step that may read it, or whose attempt removes it
        for container in self._containers.values():
            for command in list(container.running.values()):
                if not self._has_request(command):
                    self._run(command)
        self._execute_those(last, StopStep | EndHold)
        for hold in self._holds.values():
            self._hold(hold)
        for read in list(self._reads.values()):
            self._read_results(read)
        for attempted in list(self._tries.values()):
            self._try_connection(attempted)
        self._evaluate_next()

    def _has_request(self, command: RunStep | RunProbe) -> bool:
        return self._containers[command.container].directory.has_request(command.request)

    def _execute_those(self, commands: Iterable[Command], kinds: UnionType | type[Any]) -> None:
        for command in commands:
            if isinstance(command, kinds):
                self._executors[type(command)](command)

    # Execution

    def _run(self, command: RunStep | RunProbe) -> None:
        container = self._containers[command.container]
        try:
            content = encode_request(command, container.own_path)
            if isinstance(command, RunStep):
                self._prepare_files(command)
                container.directory.write_label(command.label)
            container.directory.write_request(command.request, content)
        except (OSError, ValueError) as error:
            self._events.append(_exit_event(command, never_begun(_describe(error)), self._now()))
            self._use_up(container, command.request)

    def _prepare_files(self, step: RunStep) -> None:
        """Prepare the directories and the script of a Step. Raises OSError."""
        slot = self._slots[step.slot]
        if step.fresh:
            slot.begin_attempt()
        if step.directories:
            slot.make_directories(step.directories)
        if step.script_name is not None and step.script is not None:
            slot.write_script(step.script_name, step.script)

    def _use_up(self, container: _Container, number: int) -> None:
        """Make the entrypoint skip a request that could not be written. If that fails too, the container is lost."""
        try:
            container.directory.write_request(number, b"")
        except OSError:
            self._events.append(ContainerDied(self._now(), container.name))

    def _stop_step(self, command: StopStep) -> None:
        container = self._containers[command.container]
        stop = container.stops.get(command.request)
        if stop is not None:
            stop.failed = True
            with self._warn_on_error(f"cannot stop the Step in container {container.name}, retrying"):
                container.directory.write_kill(command.request, signal.SIGTERM, command.grace)
                stop.failed = False

    def _hold(self, command: HoldStep) -> None:
        """Hold a Step, unless an earlier coordinator has."""
        container, content = self._containers[command.container], b""
        if container.directory.is_held:
            return
        with self._warn_on_error(f"cannot prepare the Step that is held in container {container.name}"):
            self._slots[command.slot].write_debug_scripts()
            if command.before is not None:
                self._prepare_files(command.before)
                with contextlib.suppress(ValueError):  # reported when it runs
                    content = encode_request(command.before, container.own_path)
        with self._warn_on_error(f"cannot write held in container {container.name}: nothing can release its Step"):
            if command.before is not None:
                container.directory.write_label(command.before.label)
            container.directory.write_hold(content)

    def _write_kill_again(self, container: _Container, number: int, stop: _Stop) -> None:
        with contextlib.suppress(OSError):  # reported the first time
            container.directory.write_kill(number, signal.SIGTERM, max(0.0, stop.kill_at - self._now()))
            stop.failed = False

    def _read_results(self, command: ReadResults) -> None:
        try:
            read = self._slots[command.slot].read_files(command.paths)
        except OSError as error:
            problems = {path: f"{path} cannot be read: {_describe(error)}" for path in command.paths}
            read = FilesRead({}, problems, too_large=False, replaced=())
        for path in read.replaced:
            text = f"{command.slot}: {path} is not valid UTF-8; invalid bytes become U+FFFD"
            self._listener.report([RunWarning(self._now(), text)], replayed=False)
        self._events.append(ResultsRead(self._now(), command.slot, read.texts, read.problems, read.too_large))

    def _write_exit_code(self, command: WriteExitCode) -> None:
        with self._warn_on_error(f"cannot write the exit code of {command.directory} for the Steps of {command.slot}"):
            self._slots[command.slot].write_exit_code(command.directory, command.position, command.code)

    @contextlib.contextmanager
    def _warn_on_error(self, what: str) -> Any:
        """Turn an OSError into a warning."""
        try:
            yield
        except OSError as error:
            self._listener.report([RunWarning(self._now(), f"{what}: {_describe(error)}")], replayed=False)

    # CEL

    def _evaluate_next(self) -> None:
        if self._exit_code is None and (answer := self._cel.start_next(self._now())) is not None:
            self._events.append(answer)

    def _end_evaluation(self) -> None:
        """Take the answer, or stop an evaluation that takes too long."""
        self._events.append(self._cel.finish(self._now()))
        self._process_events()

    # Probes

    def _try_connection(self, command: TryConnection) -> None:
        from monopod.coordinator.network_probe import start_network_try  # noqa: PLC0415  # few Pods need it

        start_network_try(command.probe, lambda problem: self._network_try_done(command, problem))

    def _network_try_done(self, command: TryConnection, problem: str | None) -> None:
        """Pass the outcome of a try to the loop. Called by another thread."""
        self._outcomes.append((command, problem))
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes the loop anyway
            os.write(self._wake_up_end, bytes([_TRY_DONE]))


def _exit_event(command: RunStep | RunProbe, how: Exit, now: float, output: str = "") -> Event:
    """Return the event for a request that has ended. `output` is what a probe wrote."""
    if isinstance(command, RunProbe):
        why = describe_probe_failure(how, output)
        return ProbeEnded(now, command.container, command.request, not why, why)
    return StepExited(now, command.container, command.request, how)


def _describe(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
