"""A Pod in a cluster as whoever follows it sees it: what happens in it, and how to have it cancelled.

Rules:

- Threads read (``pod_watch``, ``log_reader``) and leave what they find in an inbox; all that is decided is decided
  here, in the thread that follows.
- The log of a Step is read from its start (`StepStarted`) on, that of a Sidecar from the start of its Task on.
- For who follows it, it is over when the coordinator has told the outcome and all logs are read, or when the Pod is
  over, or gone. Kubelet takes a second or two longer to tell the phase, which nobody waits for.
- What keeps a container from starting is reported at once. If it lasts too long, or cannot pass, the container is
  given up: the coordinator gets the reason, and its log is not waited for. Without a coordinator the run has failed.
- What is asked of the coordinator is a command in its container. Who may not do that has the Pod deleted instead.
- Nothing is concluded from an answer that only means "not yet" or "not reachable". If the API server, or the log of the
  coordinator, is out of reach for `UNREACHABLE_SECONDS`, or the Pod may not be followed, the outcome is unknown: the
  phase is Unknown, the message says how to look again, and the Pod is to be kept (`is_unknown`).

What is left to others: making and removing the Pod (``pod``), what the states mean (``pod_states``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from monopod.compiler.pod.assembly import COORDINATOR, INSTALL, coordinator_of
from monopod.runner.backend import DELETED, NOT_STARTED
from monopod.runner.follow.pod_events import (
    BOTH,
    ContainerNotStarted,
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    Event,
    PodFinished,
    PodWarning,
)
from monopod.runner.kubernetes import pod_states
from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, CommandFailedError, PodName, UnreachableError
from monopod.runner.kubernetes.inbox import Inbox
from monopod.runner.kubernetes.log_lines import LONGEST_PIECE, LogLine, without_inner_stamps
from monopod.runner.kubernetes.log_reader import (
    CaughtUp,
    LogDisturbed,
    LogEnded,
    LogMessage,
    LogOutput,
    LogReader,
)
from monopod.runner.kubernetes.pod_identity import PodIdentity
from monopod.runner.kubernetes.pod_watch import (
    Disturbance,
    EventSeen,
    EventWatch,
    PodGone,
    PodSeen,
    PodWatch,
    WatchMessage,
    WatchRefused,
)
from monopod.runner.kubernetes.retrying import patiently
from monopod.runner.run import LONGEST_EVENT
from monopod.schemas import plan as planned
from monopod.schemas.formats.timestamps import from_rfc3339
from monopod.schemas.formats.words import duration_in_words
from monopod.schemas.run_events import RunEvent, RunFinished, StepStarted, TaskStarted, from_line
from monopod.system.never_started import LONGEST_MESSAGE

START_TIMEOUT = 300.0
"""Seconds that something may keep a container from starting that is not needed yet, or the whole Pod."""
COLLECTING_SECONDS = 60.0
"""How long the logs are read after the coordinator has told the outcome, if they do not end by themselves."""
UNSTARTED_SECONDS = 10.0
"""How long after that to wait for the log of a Sidecar that is not known to have started."""
GONE_SECONDS = 5.0
"""How long logs that are being read may go on after their Pod is gone."""
LOST_SECONDS = 60.0
"""How long after the time at which a Pod should have been gone its node counts as lost."""

READING_SECONDS = 60.0
"""How long what is there is waited for, if nothing else is wanted."""
UNREACHABLE_SECONDS = 600.0
"""How long the API server, or the coordinator's log, may be out of reach before the outcome counts as unknown."""

REQUEST = ("python3", "-P", "-S", "-m", "monopod.coordinator.outside_request")
_ANSWERS_AGAIN = "the API server answers again"
_ASKING_SECONDS = 30.0
"""How long it is tried to reach the coordinator with a request."""
NOT_FOLLOWED = "NotFollowed"
"""The reason in the status of a Pod that nobody may follow."""
_NOT_ALLOWED = (About.FORBIDDEN, About.UNAUTHORIZED)
_API_SERVER = "the API server"
_COORDINATOR_LOG = "the log of the coordinator"
_READING = "reading"
_NOTHING_STARTS = "nothing starts"


@dataclass(frozen=True, slots=True)
class _Due:
    """A time has come."""

    what: str


@dataclass(frozen=True, slots=True)
class _Executed:
    """What the coordinator was asked for is done, or (``error``) cannot be."""

    arguments: tuple[str, ...]
    error: Exception | None


@dataclass(frozen=True, slots=True)
class _Deleted:
    """The Pod is being deleted, or (``error``) cannot be."""

    error: ApiError | UnreachableError | None


_Message: TypeAlias = LogMessage | WatchMessage | _Due | _Executed | _Deleted


class FollowedPod:
    """Follows a Pod of a Plan from `follow` to `close`. It is a `RunningPod`.

    `start_timeout` is how long something may keep a container from starting; None: until kubelet has tried once while
    its Task runs, otherwise `START_TIMEOUT`. `reads` says of which containers, beside the coordinator, the output is
    wanted. Without `is_live` only what is there is read.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: planned.Plan,
        start_timeout: float | None = None,
        *,
        reads: Callable[[str], bool] = lambda _: True,
        is_live: bool = True,
    ) -> None:
        self._cluster = cluster
        self._reads = reads
        self._is_live = is_live
        self._start_timeout = start_timeout
        self._steps = dict(_steps_of(plan))
        self._slots = {slot.name: slot for each in planned.walk(plan.pipeline) for slot in each.task.slots}
        first = {slot.name for task in plan.pipeline.tasks if not task.after for slot in task.slots}
        self._later_slots = self._slots.keys() - first
        """Those of Tasks that start when others have ended."""
        self._unheard_sidecars = {each for slot in self._slots.values() for each in slot.sidecars}
        self._needed: set[str] = set()  # containers of Tasks that have started
        self._container_start_timeout = plan.container_start_timeout
        self._inbox: Inbox[_Message] = Inbox()
        self._pending: deque[Event] = deque()
        self._readers: dict[str, LogReader] = {}
        self._ended: set[str] = set()  # whose logs are read to the end
        self._owed: dict[str, int] = {}  # which catching-up is the last one, if it is not live
        self._caught_up: dict[str, int] = {}
        self._watches: list[PodWatch | EventWatch] = []
        self._timers: dict[str, threading.Timer] = {}
        self._told: set[object] = set()
        self._states: dict[str, tuple[int, str]] = {}
        self._troubles: dict[str, pod_states.Trouble] = {}
        self._pod_trouble: pod_states.Trouble | None = None  # of which only an Event tells
        self._unreachable: dict[str, str] = {}  # what is out of reach, and why
        self._is_log_warned_of = False  # that of the coordinator, which cannot be read
        self._pod: dict[str, Any] | None = None  # as it was seen last
        self._has_outcome = False
        self._is_gone = False
        self._is_deletion_seen = False
        self._is_heard = False  # the coordinator
        self._deletes_unheard = False
        """Whether the Pod is deleted if nothing of it was ever to be heard, since that is forbidden."""
        self.is_unknown = False
        """Whether it is unknown how the run ended, or whether it has."""
        self._not_started: set[str] = set()  # containers that were given up
        self._is_killed = False
        self._is_deleted_here = False
        self._finished = False

    @property
    def name(self) -> PodName:
        """Which Pod it is, once it is there."""
        assert self._pod is not None
        metadata = self._pod["metadata"]
        return PodName(metadata["namespace"], metadata["name"])

    def command(self, name: str, *words: str) -> str:
        """Return one of monopod's commands for this Pod, as it can be typed."""
        return self._cluster.command(name, self.name, *words)

    def follow(self, pod: dict[str, Any], *, tells_events: bool = True) -> None:
        """Begin to follow a Pod, which is known as the cluster gave it.

        If its coordinator does not tell events, the logs of all containers that are wanted are read from now on.
        """
        self._pod = pod
        self._identity = PodIdentity(self._cluster, self.name, self._uid)
        if self._is_live:
            told = self._inbox.put
            self._watches = [PodWatch(self._cluster, pod, told), EventWatch(self._cluster, pod, told)]
        else:
            self._after(_READING, READING_SECONDS)
        for watch in self._watches:
            watch.start()
        restarts = next((each["restartCount"] for each in pod_states.statuses(pod) if each["name"] == COORDINATOR), 0)
        if restarts > 1:
            self._warn(f"the coordinator was started again {restarts} times; what it told first is lost")
        self._states[COORDINATOR] = (restarts, "waiting")
        self._read(COORDINATOR, restarts)
        for container in () if tells_events else filter(self._reads, self._steps):
            self._read(container)
        self._inbox.put(PodSeen(pod))

    def close(self) -> None:
        """Stop following. The Pod goes on."""
        for timer in self._timers.values():
            timer.cancel()
        threads = [*self._watches, *self._readers.values()]
        for each in threads:
            each.close()
        self._inbox.close()
        for each in threads:
            each.join(2)

    # RunningPod

    def fileno(self) -> int:
        """Return a descriptor that is readable when `events` has something to tell."""
        return self._inbox.fileno()

    def events(self, timeout: float | None) -> Iterator[Event]:
        """Tell what has happened, waiting `timeout` seconds at most (None: for ever)."""
        messages = [] if self._finished else self._inbox.take(timeout)
        for message in messages:
            self._take(message)
            while self._pending:
                yield self._pending.popleft()
            if self._finished:
                return

    def drain(self, container: str) -> bool:
        """Return whether a container has ended and `events` has yielded all of its output."""
        if container not in self._readers or container in self._ended:
            return True
        return not self._is_live and self._caught_up.get(container, 0) >= self._owed[container]

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the coordinator. Other containers are not asked for."""
        assert container == COORDINATOR
        self._ask("signal", str(number))

    def end_unstarted(self) -> None:
        """Delete the Pod if its coordinator has not started: nothing runs in it, and nobody knows when that begins."""
        if self._state(COORDINATOR) == "waiting" and not (self._is_heard or self._is_deleted_here):
            self._delete(grace=None)

    def kill(self) -> None:
        """Delete the Pod without any grace, which kills all containers at once."""
        self._is_killed = True
        self._delete(grace=0)

    def usage(self, containers: Iterable[str]) -> None:
        """Measure nothing: a cluster may have no metrics, and they are a minute old."""

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Tell the coordinator that a container cannot start, and why."""
        self._ask("dead", container, reason, message[:LONGEST_MESSAGE])

    # Asking

    def _ask(self, *arguments: str) -> None:
        self._in_thread(lambda: _Executed(arguments, self._execute(arguments)))

    def _execute(self, arguments: tuple[str, ...]) -> Exception | None:
        """Run a request in the coordinator's container; return why that is not possible."""
        try:
            patiently(Request.EXEC, lambda: self._execute_once(arguments), _ASKING_SECONDS)
        except (ApiError, UnreachableError, CommandFailedError) as error:
            return error
        return None

    def _execute_once(self, arguments: tuple[str, ...]) -> None:
        if self._identity.is_gone():  # else, it might be done to another Pod of this name
            raise ApiError(404, "NotFound", "the Pod is gone", kind="pods")
        self._cluster.execute(self.name, COORDINATOR, (*REQUEST, *arguments))

    def _delete(self, grace: int | None) -> None:
        self._is_deleted_here = True
        self._in_thread(lambda: _Deleted(self._request_deletion(grace)))

    def _request_deletion(self, grace: int | None) -> ApiError | UnreachableError | None:
        try:
            patiently(Request.CHANGE, lambda: self._delete_in_cluster(grace))
        except (ApiError, UnreachableError) as error:
            return error
        return None

    def _delete_in_cluster(self, grace: int | None) -> None:
        delete_pod(self._cluster, self.name, self._uid, grace)

    def _in_thread(self, work: Callable[[], _Message]) -> None:
        threading.Thread(target=lambda: self._inbox.put(work()), daemon=True).start()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the Pod."""
        assert self._pod is not None
        metadata: Mapping[str, Any] = self._pod["metadata"]
        return metadata

    @property
    def _uid(self) -> str:
        assert self._pod is not None
        return str(self._pod["metadata"]["uid"])

    # What comes in

    def _take(self, message: _Message) -> None:
        match message:
            case LogOutput() | CaughtUp() | LogEnded() | LogDisturbed():
                self._take_log(message)
            case PodSeen(pod):
                self._pod_seen(pod)
            case PodGone(pod):
                self._pod_gone(pod)
            case WatchRefused(error):
                self._finish_not_allowed(error)
            case Disturbance(text):
                self._warn(f"the API server does not answer: {text}; trying again" if text else _ANSWERS_AGAIN)
                self._reachable(_API_SERVER, text)
            case EventSeen(event):
                self._event_seen(event)
            case _Due(what):
                self._due(what)
            case _Executed(arguments, error):
                self._executed(arguments, error)
            case _Deleted(error):
                self._deleted(error)

    def _take_log(self, message: LogMessage) -> None:
        match message:
            case LogOutput(container, lines) if container == COORDINATOR:
                self._is_heard = True
                for line in lines:
                    self._take_coordinator_line(line)
            case LogOutput(container, lines):
                self._unheard_sidecars.discard(container)
                self._pending.append(ContainerOutput(container, BOTH, b"".join(line.data for line in lines)))
            case CaughtUp(container, number):
                self._caught_up[container] = number
                self._check_whether_over()
            case LogEnded():
                self._log_ended(message)
            case LogDisturbed(container, text):
                self._log_disturbed(container, text)

    def _take_coordinator_line(self, line: LogLine) -> None:
        data = without_inner_stamps(line.data)
        event = _event_of_interest(data)
        self._pending.append(ContainerOutput(COORDINATOR, "stdout", data))
        is_end = isinstance(event, RunFinished) and not self._has_outcome  # which may be reported more than once
        match event:
            case StepStarted(container=container) if self._reads(container):
                self._read(container)
            case TaskStarted(slot=slot) if slot in self._slots:
                self._take_task_started(self._slots[slot])
            case RunFinished():
                self._has_outcome = True
        if is_end:
            self._end_logs(is_over=False)
            self._after("collecting", COLLECTING_SECONDS)
            self._after("unstarted", UNSTARTED_SECONDS)
            self._check_whether_over()

    def _log_disturbed(self, container: str, text: str) -> None:
        if container != COORDINATOR or self._has_outcome or self._is_over:
            return
        if text and _API_SERVER not in self._timers:  # else a warning has said why
            self._warn(f"the log of the coordinator cannot be read: {text}; trying again")
            self._is_log_warned_of = True
        elif not text and self._is_log_warned_of:
            self._warn("the log of the coordinator can be read again")
            self._is_log_warned_of = False
        self._reachable(_COORDINATOR_LOG, text)

    def _reachable(self, what: str, problem: str) -> None:
        """Take that something is out of reach, or (no `problem`) not any more."""
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()
        if problem:
            self._unreachable[what] = problem
            self._after(what, UNREACHABLE_SECONDS)

    def _read(self, container: str, restarts: int = 0) -> None:
        """Read a container's log: as it comes, or what is there."""
        if container in self._not_started:
            return
        reader = self._reader(container, restarts)
        if self._is_live:
            reader.follow()
        else:
            self._owed[container] = reader.catch_up()

    def _reader(self, container: str, restarts: int) -> LogReader:
        reader = self._readers.get(container)
        if reader is None:
            longest = LONGEST_EVENT if container == COORDINATOR else LONGEST_PIECE
            tell = self._inbox.put_patiently
            reader = LogReader(self._cluster, self._identity, container, tell, longest=longest, restarts=restarts)
            self._readers[container] = reader
            if container != COORDINATOR and (self._is_over or self._state(container) == "terminated"):
                reader.end(is_over=True)
        return reader

    def _state(self, container: str) -> str:
        return self._states.get(container, (0, "waiting"))[1]

    @property
    def _is_over(self) -> bool:
        return self._is_gone or (self._pod is not None and pod_states.is_over(self._pod))

    def _log_ended(self, message: LogEnded) -> None:
        self._ended.add(message.container)
        if message.error is not None and about(Request.LOG, message.error) in _NOT_ALLOWED and not self._has_outcome:
            self._finish_not_allowed(message.error)
            return
        is_of_interest = not self._has_outcome and self._state(COORDINATOR) != "waiting"
        if message.problem and not self._is_gone and (message.container != COORDINATOR or is_of_interest):
            self._warn(f"the output of {self._named(message.container)} cannot be read: {message.problem}")
        self._check_whether_over()

    def _end_logs(self, *, is_over: bool) -> None:
        for container in [each for each in self._troubles if self._state(each) == "waiting"]:
            self._end_log_unread(container)  # a log that has not begun does not begin any more
        for container, reader in self._readers.items():
            if container != COORDINATOR or is_over:
                reader.end(is_over=is_over or self._state(container) == "terminated")
            elif self._has_outcome:
                reader.close()

    def _end_log_unread(self, container: str) -> None:
        """Wait no longer for the log of a container that has not started."""
        if container in self._readers and container != COORDINATOR and container not in self._ended:
            self._readers[container].close()
            self._ended.add(container)

    def _check_whether_over(self) -> None:
        if self._is_live and not (self._has_outcome or self._is_over):
            return
        left = set(self._readers) - self._ended
        if not self._is_live:
            left -= {container for container in left if self._caught_up.get(container, 0) >= self._owed[container]}
        if self._has_outcome:
            left.discard(COORDINATOR)
        if not left:
            self._finish()

    def _finish_not_allowed(self, error: ApiError) -> None:
        """Stop following a Pod that may not be followed."""
        why = f"the Pod cannot be followed: {error.in_words()}"
        if self._deletes_unheard and not self._is_heard and about(Request.LOG, error) is About.FORBIDDEN:
            self._finish(NOT_FOLLOWED, why)
        else:
            self._finish_unknown(why, NOT_FOLLOWED)

    def _finish_unknown(self, why: str, reason: str = "") -> None:
        """Stop following a Pod whose outcome is unknown."""
        self.is_unknown = not (self._has_outcome or self._is_deleted_here)
        self._finish(reason, f"{why}; look again with: {self.command('attach')}" if self.is_unknown else why)

    def _finish(self, reason: str = "", message: str = "") -> None:
        if self._finished:
            return
        self._finished = True
        status = dict((self._pod or {}).get("status") or {})
        if self._is_deleted_here:
            reason = DELETED
        if self._is_gone and not message:
            reason = reason or "Deleted"
            message = pod_states.describe_failed_step(self._pod or {}) or _gone_in_words(is_seen=self._is_deletion_seen)
        status.setdefault("phase", "Pending")
        status["message"] = message or pod_states.describe_failed_step(self._pod or {})
        status["reason"] = reason or status.get("reason") or ""
        if status["phase"] not in ("Succeeded", "Failed"):
            if self._is_gone:
                is_known = self._is_deletion_seen or self._is_deleted_here
                status["phase"] = "Running" if self._has_outcome else "Failed" if is_known else "Unknown"
            elif self.is_unknown:
                status["phase"] = "Unknown"
        self._pending.append(PodFinished(status))

    # The Pod

    def _event_seen(self, event: dict[str, Any]) -> None:
        self._warn_once(pod_states.event_in_words(event))
        trouble = pod_states.pod_trouble(event)
        if trouble is None or self._state(COORDINATOR) != "waiting":
            return
        if self._pod_trouble is None:
            self._after(_NOTHING_STARTS, START_TIMEOUT if self._start_timeout is None else self._start_timeout)
        self._pod_trouble = trouble

    def _pod_seen(self, pod: dict[str, Any]) -> None:
        self._pod = pod
        for status in pod_states.statuses(pod):
            self._container_seen(status)
        self._is_deletion_seen = "deletionTimestamp" in pod["metadata"]
        if not self._is_deleted_here:
            for key, text in pod_states.notes(pod, self._named):
                self._warn_once(text, key)
            self._look_at_deletion(pod)
        self._look_at_troubles(pod)
        if pod_states.is_over(pod):
            self._end_logs(is_over=True)
            self._check_whether_over()

    def _container_seen(self, status: dict[str, Any]) -> None:
        name, restarts = status["name"], status.get("restartCount") or 0
        kind = next(iter(status.get("state") or {}), "waiting")
        before = self._states.get(name, (0, "waiting"))
        if before == (restarts, kind):
            return
        self._states[name] = (restarts, kind)
        if name in self._readers and kind != "waiting":
            if restarts > before[0]:
                self._readers[name].restarted()
            else:
                self._readers[name].try_now()
        state = status["state"][kind] if status.get("state") else {}
        if kind == "running":
            self._pending.append(ContainerStarted(name, restarts, _seconds(state.get("startedAt"))))
        elif kind == "terminated":
            self._container_terminated(name, restarts, state)

    def _container_terminated(self, name: str, restarts: int, state: dict[str, Any]) -> None:
        code = int(state.get("exitCode") or 0)
        if name in self._readers and name != COORDINATOR:
            self._readers[name].end(is_over=True)
        self._pending.append(
            ContainerTerminated(
                name,
                restarts,
                code,
                state.get("signal"),
                "StartError"
                if state.get("reason") in ("StartError", "ContainerCannotRun")
                else state.get("reason") or "",
                (state.get("message") or "").strip(),
                _seconds(state.get("startedAt")),
                _seconds(state.get("finishedAt")),
            )
        )

    def _look_at_deletion(self, pod: dict[str, Any]) -> None:
        at = pod["metadata"].get("deletionTimestamp")
        if at is not None and "deletion" not in self._timers:
            self._warn_once("somebody deletes the Pod; what runs in it is asked to stop", "deletion")
            self._after("deletion", max(0.0, _seconds(at) - time.time()) + LOST_SECONDS)

    def _look_at_troubles(self, pod: dict[str, Any]) -> None:
        before = self._troubles
        self._troubles = {each.container or "": each for each in pod_states.troubles(pod, self._named)}
        for container in before.keys() - self._troubles.keys():
            if f"start {container}" in self._timers:
                self._timers.pop(f"start {container}").cancel()
        for container, trouble in self._troubles.items():
            self._warn_once(trouble.text, trouble.subject)
            is_new = container not in before or before[container].reason != trouble.reason
            if is_new and self._is_given_up_at_once(trouble):
                self._give_up(container, 0)
            elif container not in before:
                self._give_up(container, START_TIMEOUT if self._start_timeout is None else self._start_timeout)

    def _is_given_up_at_once(self, trouble: pod_states.Trouble) -> bool:
        """Whether nobody waits for a container: it never starts, or it was tried while its Task needs it."""
        if trouble.hopeless:
            return True
        return self._start_timeout is None and trouble.container in self._needed and trouble.was_tried

    def _give_up(self, container: str, seconds: float) -> None:
        """Give a container up that has not started, unless it starts in time."""
        if not self._is_live or container in self._not_started:
            return
        if f"start {container}" in self._timers:
            self._timers[f"start {container}"].cancel()
        self._after(f"start {container}", seconds)

    def _take_task_started(self, slot: planned.Slot) -> None:
        """Take that a Task needs its containers now.

        What follows other Tasks may need what these made, such as an image or a Secret: kubelet is to try once more.
        """
        containers = (*slot.containers, *slot.sidecars)
        self._needed.update(containers)
        for container in containers:
            trouble = self._troubles.get(container)
            if trouble is not None and slot.name not in self._later_slots and self._is_given_up_at_once(trouble):
                self._give_up(container, 0)
        for sidecar in filter(self._reads, slot.sidecars):
            self._read(sidecar)

    def _pod_gone(self, pod: dict[str, Any] | None) -> None:
        self._is_gone = True
        self._is_deletion_seen = self._is_deletion_seen or pod is not None
        self._pod = pod or self._pod
        if self._is_killed:
            self._finish()
        else:
            for reader in self._readers.values():
                reader.end_soon()
            self._after("gone", GONE_SECONDS)
            self._check_whether_over()

    def _due(self, what: str) -> None:
        if what == "collecting":
            left = sorted(set(self._readers) - self._ended - {COORDINATOR})
            self._warn(f"the output of {', '.join(map(self._named, left))} may not be complete")
            self._finish()
        elif what == "unstarted":
            for sidecar in [each for each in self._unheard_sidecars if self._state(each) == "waiting"]:
                self._end_log_unread(sidecar)
            self._check_whether_over()
        elif what == "gone":
            self._finish()
        elif what == "deletion":
            self._finish_unknown("the Pod is being deleted, but its node does not answer", "NodeLost")
        elif what == _READING:
            why = next(iter(self._unreachable.values()), "")
            self._finish_unknown(f"the logs cannot be read{f': {why}' * bool(why)}", NOT_FOLLOWED)
        elif what in self._unreachable:
            lasted = duration_in_words(UNREACHABLE_SECONDS)
            self._finish_unknown(f"{what} could not be reached for {lasted}: {self._unreachable[what]}")
        elif (trouble := self._lasting_trouble(what)) is not None:
            self._did_not_start(trouble)

    def _lasting_trouble(self, what: str) -> pod_states.Trouble | None:
        """Return the trouble whose time is over, if it has not passed."""
        if what == _NOTHING_STARTS:
            return self._pod_trouble if self._state(COORDINATOR) == "waiting" else None
        return self._troubles.get(what.removeprefix("start "))

    def _did_not_start(self, trouble: pod_states.Trouble) -> None:
        if trouble.container in (None, COORDINATOR, INSTALL):
            self._finish(NOT_STARTED if self._state(COORDINATOR) == "waiting" else "", trouble.text)
            return
        assert trouble.container is not None
        self._not_started.add(trouble.container)
        self._end_log_unread(trouble.container)
        self._pending.append(ContainerNotStarted(trouble.container, trouble.reason, trouble.message, is_known=True))

    def _executed(self, arguments: tuple[str, ...], error: Exception | None) -> None:
        if error is None or self._is_gone:
            return
        why = error.in_words() if isinstance(error, ApiError) else str(error)
        if arguments[0] == "signal":
            self._warn(f"the coordinator cannot be told to cancel ({why}); the Pod is deleted instead")
            self._delete(grace=None)
        else:
            after = duration_in_words(self._container_start_timeout)
            self._warn(f"the coordinator cannot be told of it ({why}); it waits for the container for {after} in all")

    def _deleted(self, error: ApiError | UnreachableError | None) -> None:
        if error is None or is_deleted(error):
            return
        self._warn(f"the Pod cannot be deleted: {error.in_words() if isinstance(error, ApiError) else error}")
        if self._is_killed:
            self._finish()

    # Telling

    def _named(self, container: str) -> str:
        if container == COORDINATOR:
            return "the coordinator"
        return self._steps.get(container, f"container '{container}'")

    def _warn(self, text: str) -> None:
        self._pending.append(PodWarning(text))

    def _warn_once(self, text: str | None, key: object = None) -> None:
        key = text if key is None else key
        if text is not None and key not in self._told:
            self._told.add(key)
            self._warn(text)

    def _after(self, what: str, seconds: float) -> None:
        timer = self._timers[what] = threading.Timer(seconds, self._inbox.put, [_Due(what)])
        timer.daemon = True
        timer.start()


def delete_pod(cluster: Cluster, name: PodName, uid: str, grace: int | None = None) -> None:
    """Delete a Pod, with its own grace period or another. Raises ApiError, UnreachableError."""
    body: dict[str, Any] = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
    if grace is not None:
        body["gracePeriodSeconds"] = grace
    cluster.request("DELETE", name.path, body=body)


def is_deleted(error: ApiError | UnreachableError) -> bool:
    """Whether an answer to deleting a Pod says that it is gone: there is none, or another of its name."""
    return isinstance(error, ApiError) and about(Request.CHANGE, error) in (About.GONE, About.CONFLICT)


def _gone_in_words(*, is_seen: bool) -> str:
    if is_seen:
        return "the Pod was deleted by somebody while it ran"
    return "the Pod is gone, and how it ended was not seen"


def is_native_sidecar(pod: dict[str, Any]) -> bool:
    """Whether the coordinator of a Pod is started again when it ends."""
    return coordinator_of(pod).get("restartPolicy") == "Always"


_INTERESTING = (b"StepStarted", b"TaskStarted", b"RunFinished")
_BEGINNING = b'{"event":"'


def _event_of_interest(line: bytes) -> RunEvent | None:
    """Return the event of a line of the coordinator's, if it is one that says which logs are to be read."""
    if not line.startswith(_BEGINNING) or not line.startswith(_INTERESTING, len(_BEGINNING)):
        return None
    try:
        return from_line(line.decode(errors="replace"))
    except ValueError:
        return None


def _steps_of(plan: planned.Plan) -> Iterator[tuple[str, str]]:
    """Yield what each container is called."""
    for each in planned.walk(plan.pipeline):
        for slot in each.task.slots:
            for container, step in zip(slot.containers, each.task.steps, strict=False):
                yield container, f"Step '{step.name}' of Task '{each.path}'"
            for container, sidecar in zip(slot.sidecars, each.task.sidecars, strict=False):
                yield container, f"Sidecar '{sidecar.step.name}' of Task '{each.path}'"


def _seconds(timestamp: str | None) -> float:
    return 0.0 if timestamp is None else from_rfc3339(timestamp)
