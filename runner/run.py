"""Following a Pod that runs to its end, and cancelling it.

Rules:

- The outcome is what the coordinator reports. If its log was not read to the end, the Pod's status is the evidence
  (``evidence``); a Pod whose end is unknown (phase Unknown) leaves the outcome unknown, and any other is a
  failure. The Pod's own phase is compared with a reported outcome: a container that was killed from outside, such
  as a Sidecar for its use of memory, makes a Pod Failed whose run succeeded. That is a warning, and decides nothing.
  Only a Pod that was evicted or deleted says more than its coordinator, which sees containers being killed.
- The first Ctrl-C (or SIGTERM) asks the coordinator to cancel: Steps get their grace period. The second Ctrl-C, or a
  terminal that closes, kills the Pod immediately. A reader of the output that exits counts as Ctrl-C.
- When the Pod has ended, the rest of its output is shown. After a second Ctrl-C that takes at most a second; one more
  ends it at once. What is left out is not recorded either, and a warning says how much it is. Events are always shown,
  unless their reader is slow: then the command waits for a second at most, and only the record has the rest.
- Ctrl-Z suspends this process. The live view is removed before and drawn again afterwards. The Steps continue.
- A request to cancel before the coordinator reports the start of the run is sent when it does: earlier, it would not
  handle the signal. A Pod that still waits for a node, an image or a volume is ended instead. A request that arrives
  while the coordinator restarts is sent again as soon as the new coordinator reports anything. A request from another
  process is answered when the coordinator reports that the run is being cancelled.
- A container that could not be started is reported to the coordinator with the reason, so that its Task fails with it.
- A coordinator that is started again reports what followed from the last entry of its journal once more, with the same
  words and times. Such an event is taken once.
- A Pod whose containers do not end although the run is over is killed.
- A coordinator that refuses to start (a Plan of another version) ends the run at once: the next one would refuse too.

``backend`` is the Pod itself, ``output_order`` attributes and orders output, and ``follower`` keeps the state of a run.
The displays render it, ``cancellation`` carries requests of `monopod cancel`, and ``run_pods`` starts everything.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from monopod.runner.backend import (
    DELETED,
    DELETED_BY_OTHERS,
    DELETED_UNSTARTED,
    EVICTED,
    NOT_STARTED,
    CancelRequests,
    RunningPod,
)
from monopod.runner.cancellation import CancelRequest, harder
from monopod.runner.display.background_output import Unread
from monopod.runner.display.display import Display
from monopod.runner.display.summary import Outcome
from monopod.runner.follow.evidence import evident_outcome
from monopod.runner.follow.follower import Follower, OutputLines
from monopod.runner.follow.lines import LineSplitter
from monopod.runner.follow.ordered import Ordered, Output
from monopod.runner.follow.output_order import OutputOrder
from monopod.runner.follow.pod_events import (
    ContainerNotStarted,
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    Event,
    PodActivity,
    PodFinished,
    PodNotice,
    PodResized,
    PodWarning,
)
from monopod.runner.signals import READER_GONE, received, suspend
from monopod.schemas.formats.sizes import format_size
from monopod.schemas.formats.words import describe_exit_code
from monopod.schemas.plan import runnable_tasks
from monopod.schemas.run_events import (
    CANNOT_START,
    CapacityGivenBack,
    RunCancelling,
    RunEvent,
    RunFinished,
    RunStarted,
    RunWarning,
    from_line,
)

if TYPE_CHECKING:
    from monopod.schemas.run_events import CancelMode

COORDINATOR = "coordinator"
LONGEST_EVENT = 256 * 1024 * 1024
"""Bytes of one event of the coordinator at most: the last one holds all Results of the run."""

MOST_END_SECONDS = 90.0
"""How long a Pod may take to end after its run is over, and after the last output of its Steps. Every backend needs
less."""
KILL_SECONDS = 30.0
"""Seconds after which a killed Pod that has not ended is killed again."""
MOST_AT_ONCE = 128 * 1024
"""Bytes of output that are shown before more is read: while a Step writes fast, reading comes first."""
MOST_BEHIND = 256 * 1024 * 1024
"""Bytes of output that are read and not shown. If there are more, the Steps wait."""
FULL_SECONDS = 0.1
"""How often to look whether the reader of the output has read more, when it is far behind."""
REST_SECONDS = 1.0
"""How long a run that was killed with Ctrl-C still shows output after the end of its Pod."""
LONG_SECONDS = 1.0
"""A display update that takes longer was blocked from outside, by a full disk or Ctrl-Z."""

NOTICES: dict[CancelMode, str] = {
    "Cancelled": "Cancelling: stopping running Steps. Press Ctrl-C again to kill them.",
    "CancelledRunFinally": "Cancelling gracefully: stopping running Steps, then running the finally Tasks.",
    "StoppedRunFinally": "Stopping gracefully: finishing running Tasks, then running the finally Tasks.",
}
OTHERS_NOTICES: dict[CancelMode, str] = {
    "Cancelled": "The run is being cancelled: running Steps are stopped.",
    "CancelledRunFinally": "The run is being cancelled gracefully: running Steps are stopped, then finally Tasks run.",
    "StoppedRunFinally": "The run is being stopped gracefully: running Tasks finish, then finally Tasks run.",
}
"""Shown if not this process requested it."""
KILLING = "Killing all running Steps."
SHOWING_REST = "The run is over. Showing the rest of its output; press Ctrl-C again to leave it out."

SIGNALS: dict[CancelMode, signal.Signals] = {
    "Cancelled": signal.SIGINT,
    "CancelledRunFinally": signal.SIGUSR1,
    "StoppedRunFinally": signal.SIGUSR2,
}
"""The signals that request each mode from the coordinator (``coordinator.shell``)."""


class Run:
    """One run of a Pod: reads its events and output, and shows them."""

    def __init__(
        self,
        pod: RunningPod,
        follower: Follower,
        display: Display,
        wake_up: int,
        unread: Callable[[], Unread] = lambda: Unread.LITTLE,
    ) -> None:
        """`wake_up` is a descriptor from which the numbers of received signals are read.

        `unread` returns how much is unread of what was shown before.
        """
        self._pod = pod
        self._follower = follower
        self._masks = follower.masks
        self._display = display
        self._wake_up = wake_up
        self._unread = unread
        self.events: list[RunEvent] = []
        """The events that the coordinator has reported so far."""
        self.was_hurried = False
        """Whether a signal to end came after the Pod had ended, which does not change the outcome."""
        self._lines: set[str] = set()  # of these events
        self._order = OutputOrder(follower.plan, pod.drain)
        slots = (slot for each in runnable_tasks(follower.plan.pipeline) for slot in each.task.slots)
        self._step_containers = {container for slot in slots for container in slot.containers}
        self._has_started = self._has_finished = False  # as the coordinator reports
        self._events = LineSplitter(LONGEST_EVENT)
        self._coordinator_end = ""
        self._status: dict[str, Any] | None = None
        self._asked_for: CancelMode | None = None
        self._cancelled: CancelMode | None = None
        self._unanswered: list[CancelRequest] = []
        self._killed = False
        self._is_pressed = False  # Ctrl-C was pressed twice
        self._skip_at: float | None = None  # monotonic time from which output is left out
        self._skipped = 0
        self._why_not_started: set[tuple[str, str]] = set()  # reasons and messages of containers
        self._ended_badly: dict[str, str] = {}  # how containers ended that have not ended well since
        self._is_resumed = False  # resumed after Ctrl-Z; the SIGCONT that follows is not another stop
        self._kill_at: float | None = None  # monotonic time, once the run is over or was killed
        self._kill_was_sent = False
        self._warned: set[str] = set()
        self._is_silent_again = False  # the coordinator was started again, and has not reported anything since
        self._refusal: str | None = None  # why no coordinator will ever start this run

    @property
    def is_interrupted(self) -> bool:
        """Whether its end was requested in any way."""
        return self._killed or self._asked_for is not None

    @property
    def leaves_out_rest(self) -> bool:
        """Whether Ctrl-C asked to leave out the output that takes long to show."""
        return self._skip_at is not None

    @property
    def leaves_out_output(self) -> bool:
        """Whether output was left out because of Ctrl-C."""
        return self._skipped > 0

    def follow(self, cancel_requests: CancelRequests) -> Iterator[str]:
        """Follow the run until its Pod has ended; yield its name as soon as it is known."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pod, selectors.EVENT_READ)
            selector.register(self._wake_up, selectors.EVENT_READ, self._read_signals)
            selector.register(cancel_requests, selectors.EVENT_READ, lambda: self._take_requests(cancel_requests))
            name = ""
            while self._status is None:
                self._read_and_show()
                if self._follower.name != name:
                    name = self._follower.name
                    yield name
                refresh = self._display.refresh(time.time())
                if self._status is None:
                    self._wait(selector, refresh)
        for request in (*self._unanswered, *cancel_requests.requests()):
            request.answer(None)
        self._show_rest()
        for line in self._follower.end():
            self._display.show(line)
        self._compare_phase_with_outcome()
        self._display.refresh(time.time())

    def _show_rest(self) -> None:
        """Show what is left when the Pod has ended."""
        if self._is_pressed:
            self._skip_at = time.monotonic() + REST_SECONDS
        self._show(self._order.end(time.monotonic()), waits=True)
        self._order.close()
        if self._skipped:
            self._warn(f"{format_size(self._skipped)} of output are neither shown nor recorded, because of Ctrl-C")

    def _read_and_show(self) -> None:
        """Read what has happened, then show some of what was read. Reading comes first, so that no Step waits."""
        with self._unobserved():
            if not self._is_behind():
                for event in self._pod.events(0):
                    self._take(event)
            self._show(self._order.take(time.monotonic(), 0 if self._is_full() else MOST_AT_ONCE))

    def _wait(self, selector: selectors.BaseSelector, refresh: float | None) -> None:
        """Wait until there is something to do, at most `refresh` seconds, and react to signals and requests."""
        shows = FULL_SECONDS if self._is_full() else self._order.seconds_to_wait(time.monotonic())
        times = (refresh, self._seconds_to_end(), shows)
        if is_behind := self._is_behind():
            selector.unregister(self._pod)
        ready = selector.select(min((delay for delay in times if delay is not None), default=None))
        if is_behind:
            selector.register(self._pod, selectors.EVENT_READ)
        with self._unobserved():
            for react in [key.data for key, _ in ready if key.data is not None]:
                react()

    def _is_full(self) -> bool:
        """Return whether the reader of the output should take some before more is shown."""
        return self._unread() is not Unread.LITTLE

    def _is_behind(self) -> bool:
        """Return whether the Steps have to wait until more of their output was shown."""
        is_ending = self._kill_at is not None or self.is_interrupted
        return not is_ending and self._order.backlog >= MOST_BEHIND

    @contextlib.contextmanager
    def _unobserved(self) -> Iterator[None]:
        """Extend the Pod's deadline by the time this takes, if it is long, because nobody checks the Pod meanwhile."""
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        if self._kill_at is not None and seconds > LONG_SECONDS:
            self._kill_at += seconds

    def _seconds_to_end(self) -> float | None:
        """Return how long the Pod may still take to end; None if there is no limit. Kills it when the time is up."""
        if self._kill_at is None:
            return None
        left = self._kill_at - time.monotonic()
        if left > 0:
            return left
        if not self._kill_was_sent:
            self._warn("the run is over, but some of its containers are still running; killing them")
        self._kill()
        return KILL_SECONDS

    def _kill(self) -> None:
        """Kill everything, and again if it does not end."""
        self._kill_was_sent = True
        self._pod.kill()
        self._kill_at = time.monotonic() + KILL_SECONDS

    def _compare_phase_with_outcome(self) -> None:
        phase = (self._status or {}).get("phase")
        finished = self._follower.finished
        if self.is_interrupted or finished is None or finished.status != "Succeeded" or phase != "Failed":
            return
        ended = [f"{container}: {words}" for container, words in self._ended_badly.items()]
        which = f" ({', '.join(ended)})" if ended else ""
        self._warn(f"the run succeeded, but its Pod counts as Failed: not all of its containers ended well{which}")

    @property
    def status(self) -> Mapping[str, Any]:
        """The status of the Pod, once it has ended; else empty."""
        return self._status or {}

    def outcome(self) -> Outcome:
        """Return how the run ended, according to the coordinator and the Pod, without secrets."""
        outcome = self._unmasked_outcome()
        return replace(outcome, message=self._masks.mask_message(outcome.message))

    def _unmasked_outcome(self) -> Outcome:
        status = self._status or {}
        finished = self._follower.finished
        evident = evident_outcome(status) if finished is None else None
        if evident is not None:
            return evident
        if (
            self.is_interrupted
            and status.get("reason") == DELETED
            and (finished is None or finished.status == "Failed")
        ):
            return Outcome("Cancelled", "Cancelled", "its Pod was deleted")
        if _is_taken_away(status, finished):
            return Outcome("Failed", status["reason"], status.get("message", ""))
        if finished is None:
            if status.get("phase") != "Unknown" and self.is_interrupted:
                return Outcome("Cancelled", "Cancelled", "killed before it ended by itself")
            return self._without_outcome(status)
        return Outcome(finished.status, finished.reason, finished.message)

    def outcome_shown(self, outcome: Outcome) -> Outcome:
        """Return an outcome as it is shown: a reason that a warning has given is not repeated."""
        if outcome.reason == NOT_STARTED and self.status.get("message") in self._warned:
            return replace(outcome, message="the run did not start, for the reason in the warning above")
        return outcome

    def _without_outcome(self, status: Mapping[str, Any]) -> Outcome:
        if status.get("reason") == DELETED_UNSTARTED and self._refusal is None:
            return Outcome("Cancelled", "Cancelled", "its Pod was deleted before the run started")
        why = self._refusal or status.get("message") or self._coordinator_end
        if self._refusal is not None or (status.get("reason") == NOT_STARTED and not self._has_started):
            return Outcome("Failed", NOT_STARTED, f"the run did not start: {why}")
        message = "the coordinator did not report how the run ended" + (f": {why}" if why else "")
        return Outcome("Unknown" if status.get("phase") == "Unknown" else "Failed", "OutcomeUnknown", message)

    def _take(self, event: Event) -> None:
        match event:
            case ContainerOutput(container, stream, data) if (container, stream) == (COORDINATOR, "stdout"):
                for line in self._events.feed(data):
                    self._take_line(line)
            case ContainerOutput(container=container) if container == COORDINATOR:
                self._show(iter([Output(container, event.data, stream=event.stream)]))
            case ContainerOutput():
                self._take_output(event)
                self._extend_end(event.container)
            case ContainerStarted(container, restart_count) if container == COORDINATOR and restart_count:
                self._is_silent_again = True
            case ContainerTerminated():
                self._container_ended(event)
            case ContainerNotStarted():
                self._container_not_started(event)
            case PodWarning() | PodNotice() | PodResized() | PodActivity():
                self._inform(event)
            case PodFinished(status):
                self._status = status
            case _:
                pass  # the start of a Step's container means nothing yet

    def _take_output(self, output: ContainerOutput) -> None:
        try:
            self._order.output(output, time.monotonic())
        except OSError:  # a full disk
            self._show(self._order.take(time.monotonic()), waits=True)
            self._order.output(output, time.monotonic())

    def _extend_end(self, container: str) -> None:
        """Wait longer for the rest of what the Steps of a run have written before it was over."""
        is_waiting = self._has_finished and self._kill_at is not None and not self._kill_was_sent
        if is_waiting and container in self._step_containers:  # a Sidecar may write for ever
            self._kill_at = time.monotonic() + MOST_END_SECONDS

    def _inform(self, event: PodWarning | PodNotice | PodResized | PodActivity) -> None:
        match event:
            case PodWarning(message):
                self._warned.add(message)
                self._warn(message)
            case PodNotice(message):
                self._display.notice(self._masks.mask_message(message))
            case PodResized(cpu, memory):
                self._take_event(CapacityGivenBack(time.time(), cpu, memory))
            case PodActivity(text):
                self._follower.activity = self._masks.mask_message(text)

    def _warn(self, message: str) -> None:
        self._display.show(RunWarning(time.time(), self._masks.mask_message(message)))

    def _take_line(self, line: str) -> None:
        try:
            event = from_line(line)
        except ValueError:
            self._display.show(OutputLines(COORDINATOR, "", self._masks.mask(line)))
            return
        if line not in self._lines:
            self._lines.add(line)
            self._take_event(event)

    def _take_event(self, event: RunEvent) -> None:
        self.events.append(event)
        self._order.event(event)
        if isinstance(event, RunStarted):
            self._has_started = True
        if isinstance(event, RunFinished):
            self._has_finished = True
            if self._kill_at is None:
                self._kill_at = time.monotonic() + MOST_END_SECONDS
        if isinstance(event, RunCancelling):
            self._cancelled = event.mode
            self._answer()
        if isinstance(event, RunStarted) or self._is_silent_again:
            self._is_silent_again = False
            self._pass_on_request()

    def _pass_on_request(self) -> None:
        """Send the signal that no coordinator could handle yet, or that a former one may not have handled."""
        if self._has_finished or self._asked_for is None:
            return
        if harder(self._cancelled, self._asked_for) != self._cancelled:
            self._pod.signal(COORDINATOR, SIGNALS[self._asked_for])

    def _show(self, ordered: Iterator[Ordered], *, waits: bool = False) -> None:
        """Show events and output. `waits`: as fast as they can be read, if there is no room for what is unread."""
        for event in ordered:
            if waits and isinstance(event, Output):
                self._wait_for_reader()
            if isinstance(event, Output) and self._is_left_out():
                self._skipped += len(event.data)
                continue
            if isinstance(event, RunCancelling) and harder(self._asked_for, event.mode) != self._asked_for:
                self._display.notice(OTHERS_NOTICES[event.mode])  # before the Tasks that it skips
            for shown in self._follower.take(event):
                self._display.show(shown)
            if isinstance(event, Output):  # there may be a lot of output
                self._read_signals()
        while self._masks.warnings:
            self._warn(self._masks.warnings.pop(0))

    def _wait_for_reader(self) -> None:
        """Wait until there is room for what is shown, or the user asks to leave it out."""
        while self._unread() is Unread.ALL_THERE_IS_ROOM_FOR and not self._is_left_out():
            select.select([self._wake_up], [], [], FULL_SECONDS)
            self._read_signals()
            if self._is_pressed and self._skip_at is None:
                self._skip_at = time.monotonic()

    def _is_left_out(self) -> bool:
        """Return whether output is not shown any more."""
        return self._skip_at is not None and time.monotonic() >= self._skip_at

    def _container_ended(self, event: ContainerTerminated) -> None:
        if event.container == COORDINATOR:
            self._coordinator_end = f"it ended with {describe_exit_code(event.exit_code)}"
            self._events = LineSplitter(LONGEST_EVENT)  # the next coordinator reports an unfinished event again
            self._end_refused(event)
        elif event.exit_code:
            self._ended_badly[event.container] = describe_exit_code(event.exit_code)
        else:
            self._ended_badly.pop(event.container, None)  # it was restarted
        if event.reason == "StartError":
            self._container_not_started(ContainerNotStarted(event.container, event.reason, event.message))

    def _end_refused(self, event: ContainerTerminated) -> None:
        """End the Pod if its coordinator refused to start: the next one would refuse as well."""
        if event.exit_code != CANNOT_START or self._has_started or self._refusal is not None:
            return
        self._refusal = event.message.strip() or self._coordinator_end
        self._pod.kill()

    def _container_not_started(self, event: ContainerNotStarted) -> None:
        reason = "" if event.reason == "StartError" else event.reason  # which says nothing more
        text = f"container {event.container} could not be started: {': '.join(filter(None, (reason, event.message)))}"
        why = event.reason, event.message
        if not event.is_known and why not in self._why_not_started:  # one cause is told once
            self._warn(text)
        self._why_not_started.add(why)
        self._pod.declare_dead(event.container, event.reason, event.message)

    def _read_signals(self) -> None:
        for number in received(self._wake_up):
            if number == signal.SIGWINCH:
                continue  # the display reads the size of the terminal itself
            if number == signal.SIGTSTP:
                self._stop()
            elif number == signal.SIGCONT:
                self._resume()
            elif self._status is not None:
                self._hurry(number)
            elif number == READER_GONE:
                self._cancel("Cancelled")
            elif self._asked_for == "Cancelled" or number == signal.SIGHUP:
                self._killed = True
                self._is_pressed |= number != signal.SIGHUP
                self._display.notice(KILLING)
                self._kill()
            else:
                self._cancel("Cancelled")

    def _hurry(self, number: int) -> None:
        """React to a signal to end after the Pod has ended: leave the rest of the output out if it is not the first."""
        if number in (READER_GONE, signal.SIGHUP):
            return  # nobody waits, and the rest is still recorded
        if self._killed or self._asked_for == "Cancelled" or self.was_hurried:
            self._skip_at = time.monotonic()
        else:
            self._display.notice(SHOWING_REST)
        self.was_hurried = True

    def _stop(self) -> None:
        """Suspend this process until it is resumed."""
        self._display.pause()
        suspend()
        self._display.resume()
        self._is_resumed = True

    def _resume(self) -> None:
        """Redraw after SIGCONT, unless `_stop` has already done so: the process was stopped by SIGSTOP."""
        if not self._is_resumed:
            self._display.resume()
        self._is_resumed = False

    def _take_requests(self, cancel_requests: CancelRequests) -> None:
        for request in cancel_requests.requests():
            self._unanswered.append(request)
            if not self._has_finished:
                self._cancel(request.mode)
        self._answer()

    def _answer(self) -> None:
        """Answer the requests that the current mode covers."""
        waiting, self._unanswered = self._unanswered, []
        for request in waiting:
            if harder(self._cancelled, request.mode) == self._cancelled:
                request.answer(self._cancelled)
            else:
                self._unanswered.append(request)

    def _cancel(self, mode: CancelMode) -> None:
        """Send a request to the coordinator, unless the same or a harder mode was requested before."""
        if harder(self._asked_for, mode) == self._asked_for:
            return
        self._asked_for = mode
        self._display.notice(NOTICES[mode])
        if self._has_started:
            self._pod.signal(COORDINATOR, SIGNALS[mode])
        elif mode == "Cancelled":
            self._pod.end_unstarted()


def _is_taken_away(status: Mapping[str, Any], finished: RunFinished | None) -> bool:
    """Return whether a run failed because its Pod, with this status, was evicted or deleted."""
    if status.get("reason") == EVICTED:
        return finished is None or finished.status != "Succeeded"
    return status.get("reason") == DELETED_BY_OTHERS and finished is not None and finished.status == "Failed"
