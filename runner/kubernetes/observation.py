"""Keeps what is known about a followed Pod in a cluster, and decides what to do next.

Theory of operation: a `PodObservation` is a state machine, beside `Follower` (what a run means) and
``host.lifecycle`` (what kubelet decides). It takes messages (``messages``: what a watch saw, a piece of a log, the
answer to a request) and requests (cancel, kill), each with the time, and returns commands (``commands``). It has no
clock and no threads, and does no I/O; ``following`` does. Its state is `Phase` (how much of the run is known),
`Presence` (whether the Pod exists), `Deletion` (what this process did about that), and the states of the containers.
`_handle` is the table of what each message does, `_timer_due` the table of what each timer does.

Rules:

- The log of a Step is read from its start (`StepStarted`), the log of a Sidecar from its start (`SidecarStarted`), as
  soon as the Pod's status reports that the container runs: before that, kubelet refuses. A container in which nothing
  has run has no log that could be waited for.
- Following ends when the coordinator has reported the outcome and all logs are read, or when the Pod is over, or gone.
  The phase of the Pod follows a second or two later; nobody waits for it.
- A log is complete when it holds what is known to be its end: for a Step the mark of its latest request, for the
  coordinator the outcome that its Pod's status also reports. Otherwise it is read again (``log_set``).
- What keeps a container from starting is reported at once. If it lasts too long, or never passes, the container is
  given up (``starting``): the coordinator gets the reason, and its log is not waited for. A run without a coordinator
  has failed.
- The coordinator gets requests by a command in its container. A user who may not do that has the Pod deleted instead.
- An answer that only means "not yet" or "not reachable" decides nothing. If the API server, or the coordinator's log,
  cannot be reached for `UNREACHABLE_SECONDS`, or the user may not follow the Pod, the outcome is unknown: the phase is
  Unknown, the message says how to look again, and the Pod is kept (`is_unknown`).

``pod_shrinking`` decides when the requests of the Pod are lowered.
``pod_states`` and ``container_states`` interpret what the cluster reports, ``log_set`` decides which logs are read,
``pod_ending`` derives the status with which it ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

from monopod.compiler.pod.assembly import COORDINATOR, INSTALL
from monopod.compiler.pod.files_container import FILES, first_user
from monopod.runner.backend import NOT_STARTED
from monopod.runner.follow.evidence import evident_outcome
from monopod.runner.follow.output_marks import mark
from monopod.runner.follow.pod_events import (
    BOTH,
    ContainerNotStarted,
    ContainerOutput,
    ContainerStarted,
    Event,
    PodActivity,
    PodFinished,
    PodNotice,
    PodWarning,
)
from monopod.runner.kubernetes import pod_states
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.commands import Command, CopyFolders, Delete, Execute, Report
from monopod.runner.kubernetes.container_states import seconds, state_of, termination
from monopod.runner.kubernetes.log_lines import LogLine, without_inner_stamps
from monopod.runner.kubernetes.log_set import LogSet
from monopod.runner.kubernetes.messages import (
    Answer,
    CaughtUp,
    Deleted,
    Disturbance,
    EventSeen,
    Executed,
    FilesCopied,
    FilesProgress,
    FolderCopied,
    LogDisturbed,
    LogEnded,
    LogMessage,
    LogOutput,
    Message,
    PodGone,
    PodSeen,
    ResizeAnswered,
    WatchRefused,
)
from monopod.runner.kubernetes.pod_ending import Deletion, Evidence, Presence, final_status
from monopod.runner.kubernetes.pod_shrinking import TIMER as SHRINK_TIMER
from monopod.runner.kubernetes.pod_shrinking import PodShrinking
from monopod.runner.kubernetes.starting import StartTroubles
from monopod.runner.kubernetes.timers import Timers
from monopod.schemas import plan as planned
from monopod.schemas.capacity.shares import Requests
from monopod.schemas.formats.words import format_duration
from monopod.schemas.run_events import (
    ContainerRestarted,
    OutputEnded,
    RunEvent,
    RunFinished,
    RunStarted,
    SidecarStarted,
    StepFinished,
    StepHeld,
    StepStarted,
    TaskStarted,
    from_line,
)
from monopod.system.never_started import LONGEST_MESSAGE

COLLECTING_SECONDS = 60.0
"""How long logs that bring nothing more are awaited after the outcome was reported, unless they end by themselves."""
GONE_SECONDS = 5.0
"""How long open logs that bring nothing more are read after their Pod is gone."""
LOST_SECONDS = 60.0
"""How long after the time at which a Pod should have been gone its node counts as lost."""
READING_SECONDS = 60.0
"""How long the logs of a Pod that is not followed, only read, may bring nothing."""
UNREACHABLE_SECONDS = 600.0
"""How long the API server, or the coordinator's log, may be out of reach before the outcome counts as unknown."""

NOT_FOLLOWED = "NotFollowed"
"""The reason in the status of a Pod that the user may not follow."""
_NOT_ALLOWED = (About.FORBIDDEN, About.UNAUTHORIZED)
_ANSWERS_AGAIN = "the API server answers again"

# The names of timers; some appear in a message when something is out of reach.
_COLLECTING = "the rest of the logs"
_GONE = "open logs of a Pod that is gone"
_DELETION = "the end of a Pod that is being deleted"
_READING = "reading"
_WAITS_FOR_LOGS = ((_COLLECTING, COLLECTING_SECONDS), (_GONE, GONE_SECONDS), (_READING, READING_SECONDS))
_API_SERVER = "the API server"
_COORDINATOR_LOG = "the log of the coordinator"


class Now(NamedTuple):
    """The time of a message, in seconds: ``monotonic`` for how long something lasts, ``epoch`` for timestamps."""

    monotonic: float
    epoch: float


class Phase(Enum):
    """How much of the run is known."""

    UNHEARD = "nothing of the coordinator's log has been read"
    HEARD = "the coordinator reports events"
    COLLECTING = "the coordinator has reported the outcome; the rest of the Steps' output is read"
    FINISHED = "PodFinished was reported: nothing more is done"


class Folders(Enum):
    """The folders of this machine that are copied to Workspaces."""

    NONE = "there are none, or they are copied"
    WAITING = "the container that receives them does not run yet"
    COPYING = "they are being copied"


class PodObservation:
    """The state of one Pod, which is known as the cluster returned it.

    `start_timeout` is how long something may keep a container from starting; None: until kubelet has tried once while
    its Task runs, otherwise `START_TIMEOUT`. `reads` decides whose output is wanted besides the coordinator's. Without
    `is_live` only existing output is read. `attach_command` follows the run again. `deletes_unheard`: the Pod will be
    deleted if the user may not read its coordinator's log. `has_folders`: folders are copied before the run starts.
    `shrinkable` are requests that are lowered while the run continues.
    """

    def __init__(
        self,
        plan: planned.Plan,
        pod: dict[str, Any],
        *,
        attach_command: str,
        start_timeout: float | None = None,
        reads: Callable[[str], bool] = lambda _: True,
        is_live: bool = True,
        deletes_unheard: bool = False,
        has_folders: bool = False,
        shrinkable: Sequence[Requests] = (),
    ) -> None:
        self.pod = pod
        """The Pod as it was seen last."""
        self.is_unknown = False
        """Whether it is unknown how the run ended, or whether it has."""
        self.must_be_deleted = False
        """Whether it has to be deleted although it is there: nobody can read how it runs, or it waits for files."""
        self._attach_command = attach_command
        self._reads = reads
        self._is_live = is_live
        self._deletes_unheard = deletes_unheard
        self._container_start_timeout = plan.container_start_timeout
        self._names = dict(_container_names(plan))
        self._slots = {slot.name: slot for each in planned.walk(plan.pipeline) for slot in each.task.slots}
        self._phase = Phase.UNHEARD
        self._presence = Presence.THERE
        self._deletion = Deletion.NONE
        self._folders = Folders.WAITING if has_folders else Folders.NONE
        self._states: dict[str, tuple[int, str]] = {}  # restarts and Kubernetes' state of each container
        self._timers = Timers()
        self._logs = LogSet(self._named, is_live=is_live)
        self._starts = StartTroubles(plan, start_timeout, self._timers, is_live=is_live)
        self._shrinking = PodShrinking(plan, shrinkable, self._timers)
        self._held: set[str] = set()
        """Containers in which a Step has failed and is held: the end of its output is known already."""
        self._warned: dict[object, str] = {}
        self._unreachable: dict[str, str] = {}  # what is out of reach, and why
        self._taken_away: tuple[str, str] | None = None  # why, before the run had an outcome
        self._is_log_warning_open = False  # that the coordinator's log cannot be read
        self._commands: list[Command] = []
        self._now = Now(0, 0)
        self._has_events = True

    # Questions

    @property
    def is_finished(self) -> bool:
        """Whether `PodFinished` was reported."""
        return self._phase is Phase.FINISHED

    @property
    def is_deleted(self) -> bool:
        """Whether the Pod is gone, or was deleted by this process."""
        return self._presence.is_gone or self._deletion is not Deletion.NONE

    @property
    def waits_for_folders(self) -> bool:
        """Whether the run has not started because folders are copied first."""
        return self._folders is not Folders.NONE

    def next_timer(self) -> float | None:
        """Return the monotonic time at which `tick` is to be called; None: only when something happens."""
        return None if self.is_finished else self._timers.next_at()

    def is_complete(self, container: str, life: int | None = None) -> bool:
        """Return whether all output of a container, or of one of its lives, was reported, and no more will come."""
        return self._logs.is_complete(container, life)

    # What happens

    def begin(self, now: Now, *, has_events: bool = True) -> list[Command]:
        """Begin. If the coordinator writes no events (`has_events`), all logs that are wanted are read from now on."""
        self._now = now
        self._has_events = has_events
        if not self._is_live:
            self._timers.set(_READING, now.monotonic + READING_SECONDS)
        statuses = pod_states.statuses(self.pod)
        restarts = next((each["restartCount"] for each in statuses if each["name"] == COORDINATOR), 0)
        if restarts > 1:
            self.warn(f"the coordinator was restarted {restarts} times; its first log is lost")
        self._states[COORDINATOR] = (restarts, "waiting")
        self._read(COORDINATOR, restarts)
        for container in () if has_events else filter(self._reads, self._names):
            self._read(container)
        return self._take_commands()

    def handle(self, message: Message, now: Now) -> list[Command]:
        """Take a message."""
        self._now = now
        if not self.is_finished:
            self._handle(message)
        return self._take_commands()

    def tick(self, now: Now) -> list[Command]:
        """Take that time has passed."""
        self._now = now
        while not self.is_finished and (name := self._timers.pop_due(now.monotonic)) is not None:
            self._timer_due(name)
        return self._take_commands()

    def signal(self, number: int) -> list[Command]:
        """Send a signal to the coordinator."""
        return [Execute(("signal", str(number)))]

    def declare_dead(self, container: str, reason: str, message: str) -> list[Command]:
        """Report to the coordinator that a container cannot start."""
        return [Execute(("dead", container, reason, message[:LONGEST_MESSAGE]))]

    def end_unstarted(self) -> list[Command]:
        """Delete the Pod if its coordinator has not started, or waits for files: nothing runs in it.

        Nobody knows when that begins.
        """
        is_unheard = self._phase is Phase.UNHEARD and self._state(COORDINATOR) == "waiting"
        if (is_unheard or self._folders is not Folders.NONE) and self._deletion is Deletion.NONE:
            self._delete(Deletion.CANCEL)
        return self._take_commands()

    def kill(self) -> list[Command]:
        """Delete the Pod without any grace period, which kills all containers at once."""
        self._delete(Deletion.KILL)
        return self._take_commands()

    def warn(self, text: str) -> None:
        """Report a warning with the next commands."""
        self._report(PodWarning(text))

    def _handle(self, message: Message) -> None:
        match message:
            case LogOutput() | CaughtUp() | LogEnded() | LogDisturbed():
                self._handle_log(message)
            case PodSeen(pod):
                self._pod_seen(pod)
            case PodGone(pod):
                self._pod_gone(pod)
            case WatchRefused(error):
                self._finish_not_allowed(error)
            case Disturbance(text):
                self.warn(f"the API server does not answer: {text}; retrying" if text else _ANSWERS_AGAIN)
                self._reachable(_API_SERVER, text)
                if text:
                    self._add(self._logs.read_awaited())
            case EventSeen(event):
                self._event_seen(event)
            case Executed() | Deleted() | ResizeAnswered() | FilesProgress() | FolderCopied() | FilesCopied():
                self._handle_answer(message)

    def _handle_answer(self, message: Answer) -> None:
        match message:
            case ResizeAnswered():
                self._add(self._shrinking.answered(message))
            case Executed(arguments, problem):
                self._executed(arguments, problem)
            case Deleted(problem):
                self._deleted(problem)
            case FilesProgress(text):
                self._report(PodActivity(text))
            case FolderCopied(text):
                self._report(PodNotice(text))
            case FilesCopied(problem):
                self._files_copied(problem)

    def _handle_log(self, message: LogMessage) -> None:
        match message:
            case LogOutput(container, lines):
                self._log_output(container, lines)
            case CaughtUp(container, number):
                self._logs.caught_up(container, number)
                self._finish_if_over()
            case LogEnded():
                self._log_ended(message)
            case LogDisturbed(container, text):
                self._log_disturbed(container, text)

    def _timer_due(self, name: str) -> None:
        if name == _COLLECTING:
            containers = ", ".join(self._named(each) for each in self._logs.incomplete() if each != COORDINATOR)
            self.warn(f"the output of {containers} may be incomplete")
            self._finish()
        elif name == _GONE:
            self._finish()
        elif name == _DELETION:
            self._finish_unknown("the Pod is being deleted, but its node does not answer", "NodeLost")
        elif name == SHRINK_TIMER:
            self._add(self._shrinking.due())
        elif name == _READING:
            why = next(iter(self._unreachable.values()), "")
            self._finish_unknown(f"the logs cannot be read{f': {why}' * bool(why)}", NOT_FOLLOWED)
        elif name in self._unreachable:
            lasted = format_duration(UNREACHABLE_SECONDS)
            self._finish_unknown(f"{name} could not be reached for {lasted}: {self._unreachable[name]}")
        else:
            waits = self._state(COORDINATOR) == "waiting"
            trouble = self._starts.lasting(name, waits_for_coordinator=waits)
            if trouble is not None:
                self._give_up(trouble)

    # Logs

    def _log_output(self, container: str, lines: list[LogLine]) -> None:
        data = b"".join(line.data for line in lines)
        self._add(self._logs.output(container, data))
        self._extend_waits(container)
        if container != COORDINATOR:
            self._report(ContainerOutput(container, BOTH, data, tuple(line.at for line in lines)))
            if self._has_outcome:
                self._finish_if_over()
            return
        if self._phase is Phase.UNHEARD:
            self._phase = Phase.HEARD
        for line in lines:
            self._coordinator_line(line)

    def _extend_waits(self, container: str) -> None:
        """Wait longer for logs that still bring something. A Step must not keep the run from ending by writing on."""
        for name, wait in _WAITS_FOR_LOGS:
            if name in self._timers and (name != _COLLECTING or self._logs.is_finite(container)):
                self._timers.set(name, self._now.monotonic + wait)

    def _coordinator_line(self, line: LogLine) -> None:
        data = without_inner_stamps(line.data)
        self._report(ContainerOutput(COORDINATOR, "stdout", data))
        event = _event_of_interest(data, whatever=self._shrinking.is_active)
        if event is not None:
            self._shrinking.take(event, self._now.monotonic)
        match event:
            case RunStarted():
                self._folders = Folders.NONE
            case StepStarted(container=container) | SidecarStarted(container=container) if self._reads(container):
                self._read(container, self._states.get(container, (0, ""))[0])
            case TaskStarted(slot=slot) if slot in self._slots:
                self._starts.task_started(self._slots[slot], self._now.monotonic)
            case StepFinished(container=container) if container in self._held:
                self._held.remove(container)
            case (
                StepFinished(container=container, mark=token)
                | OutputEnded(container=container, mark=token)
                | StepHeld(container=container, has_failed=True, mark=token)
            ) as event:
                self._held |= {container} if isinstance(event, StepHeld) else set()
                self._add(self._logs.request_ended(container, mark(token) if token else b""))
            case ContainerRestarted(container=container, life=life):
                self._logs.restarted(container, life)
            case RunFinished() if self._phase in (Phase.UNHEARD, Phase.HEARD):  # it may be reported more than once
                self._phase = Phase.COLLECTING
                self._end_logs()
                self._timers.set(_COLLECTING, self._now.monotonic + COLLECTING_SECONDS)
                self._finish_if_over()

    def _read(self, container: str, restarts: int = 0) -> None:
        if container not in self._starts.given_up:
            has_terminated = self._is_over or self._state(container) == "terminated"
            has_started = has_terminated or self._state(container) == "running" or _API_SERVER in self._timers
            self._add(self._logs.read(container, restarts, has_started=has_started, has_terminated=has_terminated))

    def _end_logs(self) -> None:
        for container in self._starts.containers:
            if self._state(container) == "waiting":  # the container will not start any more
                self._add(self._logs.give_up(container))
        self._add(self._logs.end(is_pod_over=self._is_over, has_outcome=self._has_outcome))

    def _log_ended(self, message: LogEnded) -> None:
        container = message.container
        is_final = bool(message.problem) or self._presence.is_gone or not self._has_events
        if message.problem:
            self._logs.unreadable(container)
        self._add(self._logs.ended(container, message.last_line, is_final=is_final))
        if container == COORDINATOR and self._lacks_known_outcome():
            self._add(self._logs.read_again(COORDINATOR))
        if message.error is not None and about(Request.LOG, message.error) in _NOT_ALLOWED and not self._has_outcome:
            self._finish_not_allowed(message.error)
            return
        is_missed = not self._has_outcome and self._state(COORDINATOR) != "waiting"
        if message.problem and not self._presence.is_gone and (container != COORDINATOR or is_missed):
            self.warn(f"the output of {self._named(container)} cannot be read: {message.problem}")
        self._finish_if_over()

    def _lacks_known_outcome(self) -> bool:
        """Whether the coordinator's log lacks the outcome that the status of its Pod reports."""
        is_known = evident_outcome(self.pod.get("status") or {}) is not None
        return is_known and self._has_events and not self._has_outcome

    def _log_disturbed(self, container: str, text: str) -> None:
        if container != COORDINATOR or self._has_outcome or self._is_over:
            return
        if text and _API_SERVER not in self._timers:  # otherwise a warning has said why
            self.warn(f"the log of the coordinator cannot be read: {text}; retrying")
            self._is_log_warning_open = True
        elif not text and self._is_log_warning_open:
            self.warn("the log of the coordinator can be read again")
            self._is_log_warning_open = False
        self._reachable(_COORDINATOR_LOG, text)

    def _reachable(self, what: str, problem: str) -> None:
        """Take that something is out of reach, or (no `problem`) not any more."""
        self._timers.cancel(what)
        if problem:
            self._unreachable[what] = problem
            self._timers.set(what, self._now.monotonic + UNREACHABLE_SECONDS)

    # The Pod

    def _pod_seen(self, pod: dict[str, Any]) -> None:
        self.pod = pod
        for status in pod_states.statuses(pod):
            self._container_seen(status)
        if not self._presence.is_gone:
            is_deleting = "deletionTimestamp" in pod["metadata"]
            self._presence = Presence.DELETING if is_deleting else Presence.THERE
        if self._deletion is Deletion.NONE:
            for key, text in pod_states.notes(pod, self._named):
                self._warn_once(text, key)
            self._expect_deletion(pod["metadata"])
            if not self._has_outcome:
                self._taken_away = pod_states.taken_away(pod) or self._taken_away
        self._look_at_troubles()
        self._add(self._shrinking.seen(pod))
        if pod_states.is_over(pod):
            self._end_logs()
            self._finish_if_over()

    def _container_seen(self, status: dict[str, Any]) -> None:
        name, restarts = status["name"], status.get("restartCount") or 0
        kind, state = state_of(status, between_lives=name in self._names)
        before = self._states.get(name, (0, "waiting"))
        if before == (restarts, kind):
            return
        self._states[name] = (restarts, kind)
        if kind == "waiting":
            return
        has_terminated = kind == "terminated"
        was_restarted = restarts > before[0]
        last = (status.get("lastState") or {}).get("terminated")
        if was_restarted and name in self._names and before[1] == "running" and last:
            self._report(termination(name, restarts - 1, last))
        changed = self._logs.container_changed(
            name, restarts, was_restarted=was_restarted, has_terminated=has_terminated
        )
        self._add(changed)
        if kind == "running":
            self._report(ContainerStarted(name, restarts, seconds(state.get("startedAt"))))
            if name == FILES and self._folders is Folders.WAITING:
                self._copy_folders()
        elif has_terminated:
            self._report(termination(name, restarts, state))

    def _copy_folders(self) -> None:
        self._folders = Folders.COPYING
        self._commands.append(CopyFolders())
        if (user := first_user(self.pod)) is not None:
            self._starts.copy_started(user, self._now.monotonic)

    def _expect_deletion(self, metadata: dict[str, Any]) -> None:
        deleted_at = metadata.get("deletionTimestamp")
        if deleted_at is not None and _DELETION not in self._timers:
            self._warn_once(
                "the Pod is being deleted, not by this command; what runs in it is asked to stop", _DELETION
            )
            left = max(0.0, seconds(deleted_at) - self._now.epoch)
            self._timers.set(_DELETION, self._now.monotonic + left + LOST_SECONDS)

    def _look_at_troubles(self) -> None:
        troubles = pod_states.troubles(self.pod, self._named)
        for trouble in troubles:
            if not trouble.passes_soon:
                self._warn_once(trouble.text, trouble.subject)
        self._starts.update(troubles, self._now.monotonic)

    def _event_seen(self, event: dict[str, Any]) -> None:
        self._warn_once(pod_states.describe_event(event))
        trouble = pod_states.pod_trouble(event)
        if trouble is not None and self._state(COORDINATOR) == "waiting":
            self._starts.pod_trouble(trouble, self._now.monotonic)

    def _give_up(self, trouble: pod_states.Trouble) -> None:
        """Wait no longer for a container, or the Pod, to start."""
        container = trouble.container
        if container is None or container in (COORDINATOR, INSTALL) or self._is_needed_for_files(container):
            # the first reason for a container that kubelet tries again has the cause, the later ones may not
            text = trouble.text if container is None else self._warned.get(trouble.subject, trouble.text)
            is_unstarted = self._state(COORDINATOR) == "waiting" or container == FILES
            self._finish(NOT_STARTED if is_unstarted else "", text)
            return
        self._starts.given_up.add(container)
        self._add(self._logs.give_up(container))
        self._report(ContainerNotStarted(container, trouble.reason, trouble.message, is_known=True))

    def _pod_gone(self, pod: dict[str, Any] | None) -> None:
        was_seen = pod is not None or self._presence in (Presence.DELETING, Presence.DELETED)
        self._presence = Presence.DELETED if was_seen else Presence.MISSING
        self._shrinking.stop()
        self.pod = pod or self.pod
        if self._deletion is Deletion.KILL:
            self._finish()
        else:
            self._add(self._logs.end_soon())
            self._timers.set(_GONE, self._now.monotonic + GONE_SECONDS)
            self._finish_if_over()

    # Answers to requests

    def _executed(self, arguments: tuple[str, ...], problem: str) -> None:
        if not problem or self._presence.is_gone:
            return
        if arguments[0] == "signal":
            self.warn(f"cannot reach the coordinator to cancel the run ({problem}); the Pod is deleted instead")
            self._delete(Deletion.CANCEL)
        else:
            timeout = format_duration(self._container_start_timeout)
            self.warn(
                f"cannot report this to the coordinator ({problem}); it waits for the container for {timeout} in all"
            )

    def _files_copied(self, problem: str) -> None:
        is_needed, self._folders = self._folders is not Folders.NONE, Folders.NONE
        self._report(PodActivity(""))
        if problem and is_needed and self._deletion is Deletion.NONE and not self._is_over:
            self.must_be_deleted = True
            self._finish(NOT_STARTED, problem)

    def _is_needed_for_files(self, container: str) -> bool:
        return container == FILES and self._folders is not Folders.NONE

    def _deleted(self, problem: str) -> None:
        if not problem:
            return
        self.warn(f"the Pod cannot be deleted: {problem}")
        if self._deletion is Deletion.KILL:
            self._finish()

    def _delete(self, how: Deletion) -> None:
        self._shrinking.stop()
        if self._deletion is not Deletion.KILL:
            self._deletion = how
        self._commands.append(Delete(0 if how is Deletion.KILL else None))

    # The end

    @property
    def _is_over(self) -> bool:
        return self._presence.is_gone or pod_states.is_over(self.pod)

    def _finish_if_over(self) -> None:
        if self._is_live and not (self._has_outcome or self._is_over):
            return
        if all(container == COORDINATOR and self._has_outcome for container in self._logs.incomplete()):
            self._finish()

    def _finish_not_allowed(self, error: ApiError) -> None:
        """Stop following a Pod that the user may not follow."""
        why = f"the Pod cannot be followed: {error.describe()}"
        is_unheard = self._phase is Phase.UNHEARD
        if self._deletes_unheard and is_unheard and about(Request.LOG, error) is About.FORBIDDEN:
            self.must_be_deleted = True
            self._finish(NOT_FOLLOWED, f"{why}; the Pod is deleted")
        else:
            self._finish_unknown(why, NOT_FOLLOWED)

    def _finish_unknown(self, why: str, reason: str = "") -> None:
        """Stop following a Pod whose outcome is unknown."""
        self.is_unknown = not self._has_outcome and self._deletion is Deletion.NONE
        self._finish(reason, f"{why}; look again with: {self._attach_command}" if self.is_unknown else why)

    def _finish(self, reason: str = "", message: str = "") -> None:
        if self.is_finished:
            return
        self._add(self._logs.last_lines())
        evidence = Evidence(self._presence, self._deletion, self._taken_away, self._has_outcome, self.is_unknown)
        self._phase = Phase.FINISHED
        self._report(PodFinished(final_status(self.pod, evidence, reason, message)))

    # Commands

    @property
    def _has_outcome(self) -> bool:
        return self._phase is Phase.COLLECTING

    def _state(self, container: str) -> str:
        return self._states.get(container, (0, "waiting"))[1]

    def _named(self, container: str) -> str:
        if container == COORDINATOR:
            return "the coordinator"
        return self._names.get(container, f"container '{container}'")

    def _warn_once(self, text: str | None, key: object = None) -> None:
        key = text if key is None else key
        if text is not None and key not in self._warned:
            self._warned[key] = text
            self.warn(text)

    def _report(self, event: Event) -> None:
        self._commands.append(Report(event))

    def _add(self, commands: Iterable[Command]) -> None:
        self._commands += commands

    def _take_commands(self) -> list[Command]:
        commands, self._commands = self._commands, []
        return commands


_INTERESTING = (
    *(b"StepStarted", b"SidecarStarted", b"TaskStarted", b"StepFinished", b"StepHeld", b"OutputEnded"),
    *(b"ContainerRestarted", b"RunStarted", b"RunFinished"),
)
_BEGINNING = b'{"event":"'


def _event_of_interest(line: bytes, *, whatever: bool) -> RunEvent | None:
    """Return the event in a line of the coordinator's log, if it decides what is done next; or `whatever` event."""
    if not line.startswith(_BEGINNING) or not (whatever or line.startswith(_INTERESTING, len(_BEGINNING))):
        return None
    try:
        return from_line(line.decode(errors="replace"))
    except ValueError:
        return None


def _container_names(plan: planned.Plan) -> Iterator[tuple[str, str]]:
    """Yield each container and its name in messages. One that several Steps share has only its own name."""
    tasks = list(planned.walk(plan.pipeline))
    users = Counter(name for each in tasks for slot in each.task.slots for name in slot.containers)
    for each in tasks:
        for slot in each.task.slots:
            for container, step in zip(slot.containers, each.task.steps, strict=False):
                alone = f"Step '{step.name}' of Task '{each.path}'"
                yield container, alone if users[container] == 1 else f"container '{container}'"
            for container, sidecar in zip(slot.sidecars, each.task.sidecars, strict=False):
                yield container, f"Sidecar '{sidecar.step.name}' of Task '{each.path}'"
