"""A Pod in a cluster as whoever follows it sees it: what happens in it, and how to have it cancelled.

Rules:

- Threads read (``pod_watch``, ``log_reader``) and leave what they find in an inbox; all that is decided is decided
  here, in the thread that follows.
- The log of a Step is read from its start (`StepStarted`) on, that of a Sidecar from the start of its Task on.
- For who follows it, it is over when the coordinator has told the outcome and all logs are read, or when the Pod is
  over, or gone. Kubelet takes a second or two longer to tell the phase, which nobody waits for.
- What keeps a container from starting is told at once. If it lasts longer than may be, the container counts as dead,
  and without a coordinator the run has failed.
- What is asked of the coordinator is a command in its container. Who may not do that has the Pod deleted instead.

What is left to others: making and removing the Pod (``pod``), what the states mean (``pod_states``).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from monopod.compiler.pod import COORDINATOR, INSTALL, coordinator_of
from monopod.entrypoint.never_started import LONGEST_MESSAGE
from monopod.runner.backend import DELETED, NOT_STARTED
from monopod.runner.kubernetes import pod_states
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, CommandFailedError, PodName, UnreachableError
from monopod.runner.kubernetes.inbox import Inbox
from monopod.runner.kubernetes.log_lines import LONGEST_PIECE, LogLine, without_inner_stamps
from monopod.runner.kubernetes.log_reader import CaughtUp, LogEnded, LogMessage, LogOutput, LogReader
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
from monopod.runner.pod_events import (
    BOTH,
    ContainerNotStarted,
    ContainerOutput,
    ContainerStarted,
    ContainerTerminated,
    Event,
    PodFinished,
    PodWarning,
)
from monopod.runner.run import LONGEST_EVENT
from monopod.schemas import plan as planned
from monopod.schemas.run_events import RunEvent, RunFinished, StepStarted, TaskStarted, from_line
from monopod.schemas.words import duration_in_words

START_TIMEOUT = 300.0
"""Seconds that something may keep a container from starting, unless the command line says otherwise."""
COLLECTING_SECONDS = 60.0
"""How long the logs are read after the coordinator has told the outcome, if they do not end by themselves."""
GONE_SECONDS = 5.0
"""How long logs that are being read may go on after their Pod is gone."""
LOST_SECONDS = 60.0
"""How long after the time at which a Pod should have been gone its node counts as lost."""

REQUEST = ("python3", "-P", "-S", "-m", "monopod.entrypoint.outside_request")
_ANSWERS_AGAIN = "the API server answers again"
_TRIES = 5
NOT_FOLLOWED = "NotFollowed"
"""The reason in the status of a Pod that nobody may follow."""
_SECONDS_BETWEEN_TRIES = 0.5


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

    error: Exception | None


_Message: TypeAlias = LogMessage | WatchMessage | _Due | _Executed | _Deleted


class FollowedPod:
    """Follows a Pod of a Plan from `follow` to `close`. It is a ``backend.Pod``.

    `reads` says of which containers, beside the coordinator, the output is wanted. Without `is_live` only what is there
    is read.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: planned.Plan,
        start_timeout: float = START_TIMEOUT,
        *,
        reads: Callable[[str], bool] = lambda _: True,
        is_live: bool = True,
    ) -> None:
        self._cluster = cluster
        self._reads = reads
        self._is_live = is_live
        self._start_timeout = start_timeout
        self._steps = dict(_steps_of(plan.pipeline))
        self._sidecars = {slot.name: slot.sidecars for slot in _slots_of(plan.pipeline)}
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
        self._pod: dict[str, Any] | None = None  # as it was seen last
        self._has_outcome = False
        self._is_gone = False
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
        if self._is_live:
            told = self._inbox.put
            self._watches = [PodWatch(self._cluster, pod, told), EventWatch(self._cluster, pod, told)]
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

    # backend.Pod

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

    def has_ended(self, container: str) -> bool:
        """Return whether `events` has told all that a container has written, and no more will come."""
        if container not in self._readers or container in self._ended:
            return True
        return not self._is_live and self._caught_up.get(container, 0) >= self._owed[container]

    def signal(self, container: str, number: int) -> None:
        """Send a signal to the coordinator. Other containers are not asked for."""
        assert container == COORDINATOR
        self._ask("signal", str(number))

    def kill(self) -> None:
        """Delete the Pod without any grace, which kills all containers at once."""
        self._is_killed = True
        self._delete(grace=0)

    def declare_dead(self, container: str, reason: str, message: str) -> None:
        """Tell the coordinator that a container cannot start, and why."""
        self._ask("dead", container, reason, message[:LONGEST_MESSAGE])

    # Asking

    def _ask(self, *arguments: str) -> None:
        self._in_thread(lambda: _Executed(arguments, self._execute(arguments)))

    def _execute(self, arguments: tuple[str, ...]) -> Exception | None:
        """Run a request in the coordinator's container; return why that is not possible."""
        pause = threading.Event()
        error: Exception | None = None
        for _ in range(_TRIES):
            try:
                self._cluster.execute(self.name, COORDINATOR, (*REQUEST, *arguments))
            except (ApiError, UnreachableError, CommandFailedError) as failure:
                error = failure
                if isinstance(failure, ApiError) and failure.status in (401, 403, 404):
                    break
            else:
                return None
            pause.wait(_SECONDS_BETWEEN_TRIES)  # kubelet may be starting the coordinator again
        return error

    def _delete(self, grace: int | None) -> None:
        self._is_deleted_here = True
        self._in_thread(lambda: _Deleted(self._request_deletion(grace)))

    def _request_deletion(self, grace: int | None) -> Exception | None:
        try:
            self._delete_in_cluster(grace)
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
            case LogOutput() | CaughtUp() | LogEnded():
                self._take_log(message)
            case PodSeen(pod):
                self._pod_seen(pod)
            case PodGone(pod):
                self._pod_gone(pod)
            case WatchRefused(error):
                self._finish(NOT_FOLLOWED, f"the Pod cannot be followed: {error.in_words()}")
            case Disturbance(text):
                self._warn(f"the API server does not answer: {text}; trying again" if text else _ANSWERS_AGAIN)
            case EventSeen(event):
                self._warn_once(pod_states.event_in_words(event))
            case _Due(what):
                self._due(what)
            case _Executed(arguments, error):
                self._executed(arguments, error)
            case _Deleted(error):
                self._deleted(error)

    def _take_log(self, message: LogMessage) -> None:
        match message:
            case LogOutput(container, lines) if container == COORDINATOR:
                for line in lines:
                    self._take_coordinator_line(line)
            case LogOutput(container, lines):
                self._pending.append(ContainerOutput(container, BOTH, b"".join(line.data for line in lines)))
            case CaughtUp(container, number):
                self._caught_up[container] = number
                self._check_whether_over()
            case LogEnded():
                self._log_ended(message)

    def _take_coordinator_line(self, line: LogLine) -> None:
        data = without_inner_stamps(line.data)
        event = _event_of_interest(data)
        self._pending.append(ContainerOutput(COORDINATOR, "stdout", data))
        is_end = isinstance(event, RunFinished) and not self._has_outcome  # which may be reported more than once
        match event:
            case StepStarted(container=container) if self._reads(container):
                self._read(container)
            case TaskStarted(slot=slot):
                for sidecar in filter(self._reads, self._sidecars.get(slot, ())):
                    self._read(sidecar)
            case RunFinished():
                self._has_outcome = True
        if is_end:
            self._end_logs(is_over=False)
            self._after("collecting", COLLECTING_SECONDS)
            self._check_whether_over()

    def _read(self, container: str, restarts: int = 0) -> None:
        """Read a container's log: as it comes, or what is there."""
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
            reader = LogReader(self._cluster, self.name, container, tell, longest=longest, restarts=restarts)
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
        if message.error is not None and message.error.status in (401, 403):
            self._finish(NOT_FOLLOWED, f"the Pod cannot be followed: {message.problem}")
            return
        is_of_interest = not self._has_outcome and self._state(COORDINATOR) != "waiting"
        if message.problem and not self._is_gone and (message.container != COORDINATOR or is_of_interest):
            self._warn(f"the output of {self._named(message.container)} cannot be read: {message.problem}")
        self._check_whether_over()

    def _end_logs(self, *, is_over: bool) -> None:
        for container, reader in self._readers.items():
            if container != COORDINATOR or is_over:
                reader.end(is_over=is_over or self._state(container) == "terminated")
            elif self._has_outcome:
                reader.close()

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

    def _finish(self, reason: str = "", message: str = "") -> None:
        if self._finished:
            return
        self._finished = True
        status = dict((self._pod or {}).get("status") or {})
        if self._is_deleted_here:
            reason = DELETED
        if self._is_gone and not message:
            reason = reason or "Deleted"
            message = pod_states.ending_in_words(self._pod or {}) or "the Pod was deleted by somebody while it ran"
        status.setdefault("phase", "Pending")
        status["message"] = message or pod_states.ending_in_words(self._pod or {})
        status["reason"] = reason or status.get("reason") or ""
        if self._is_gone and status["phase"] not in ("Succeeded", "Failed"):
            status["phase"] = "Running" if self._has_outcome else "Failed"
        self._pending.append(PodFinished(status))

    # The Pod

    def _pod_seen(self, pod: dict[str, Any]) -> None:
        self._pod = pod
        for status in pod_states.statuses(pod):
            self._container_seen(status)
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
        now = {each.container or "": each for each in pod_states.troubles(pod, self._named)}
        for container in self._troubles.keys() - now.keys():
            if f"start {container}" in self._timers:
                self._timers.pop(f"start {container}").cancel()
        for container, trouble in now.items():
            if self._is_live and container not in self._troubles:
                self._after(f"start {container}", 0 if trouble.hopeless else self._start_timeout)
            self._warn_once(trouble.text, trouble.subject)
        self._troubles = now

    def _pod_gone(self, pod: dict[str, Any] | None) -> None:
        self._is_gone = True
        self._pod = pod or self._pod
        if self._is_killed:
            self._finish()
        else:
            for reader in self._readers.values():
                reader.end_soon()
            self._after("gone", GONE_SECONDS)
            self._check_whether_over()

    def _due(self, what: str) -> None:
        container = what.removeprefix("start ")
        if what == "collecting":
            left = sorted(set(self._readers) - self._ended - {COORDINATOR})
            self._warn(f"the output of {', '.join(map(self._named, left))} may not be complete")
            self._finish()
        elif what == "gone":
            self._finish()
        elif what == "deletion":
            self._finish("NodeLost", "the Pod is deleted, but its node does not answer")
        elif container in self._troubles:
            self._did_not_start(self._troubles[container])

    def _did_not_start(self, trouble: pod_states.Trouble) -> None:
        if trouble.container in (None, COORDINATOR, INSTALL):
            self._finish(NOT_STARTED if self._state(COORDINATOR) == "waiting" else "", trouble.text)
            return
        assert trouble.container is not None
        self._pending.append(ContainerNotStarted(trouble.container, trouble.reason, trouble.message))

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

    def _deleted(self, error: Exception | None) -> None:
        if error is None or (isinstance(error, ApiError) and error.status in (404, 409)):
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


def _slots_of(pipeline: planned.Pipeline) -> Iterator[planned.Slot]:
    for task in (*pipeline.tasks, *pipeline.final_tasks):
        yield from task.slots
        if task.pipeline is not None:
            yield from _slots_of(task.pipeline)


def _steps_of(pipeline: planned.Pipeline, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield what each container is called."""
    for task in (*pipeline.tasks, *pipeline.final_tasks):
        path = prefix + task.name
        for slot in task.slots:
            for container, step in zip(slot.containers, task.steps, strict=False):
                yield container, f"Step '{step.name}' of Task '{path}'"
            for container, sidecar in zip(slot.sidecars, task.sidecars, strict=False):
                yield container, f"Sidecar '{sidecar.step.name}' of Task '{path}'"
        if task.pipeline is not None:
            yield from _steps_of(task.pipeline, f"{path}/")


def _seconds(timestamp: str | None) -> float:
    return 0.0 if timestamp is None else datetime.fromisoformat(timestamp).timestamp()
