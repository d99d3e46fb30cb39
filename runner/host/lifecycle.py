"""What kubelet decides about the containers of one Pod: which to start next, when to restart, how to stop.

Theory of operation: a `Lifecycle` is a state machine that takes events and returns commands. It has no clock and does
no I/O; ``now`` is any monotonic time in seconds, ``at`` the time of day. Each method first records the event and then
calls `_next`, the only place that starts or stops anything.

Rules (Kubernetes docs, "Pod Lifecycle", "Init Containers", "Sidecar Containers"), for a Pod with restartPolicy Never:

- initContainers start one after the other: an init container must succeed, a sidecar must have started (including its
  postStart hook), before the next one starts. The ordinary containers follow in order, without waiting for each other
  to end; a few are started at a time.
- A sidecar that ends is restarted, and an ordinary container to whose exit code one of its restart rules applies: at
  once, then after 10, 20, 40 … 300 s. The delay is reset once it has run for 10 minutes.
- Once all ordinary containers have ended, sidecars are stopped in reverse order: SIGTERM, and SIGKILL when the grace
  period of the whole Pod is over. Deleting the Pod does the same, ordinary containers first.
- A sidecar whose first start fails fails the Pod. kubelet would retry indefinitely, and keep the user waiting.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from monopod.runner.backend import EVICTED, NOT_STARTED
from monopod.runner.kubelet.specification import ContainerKind, RestartRule

FIRST_BACKOFF = 10.0
LONGEST_BACKOFF = 300.0
STABLE_AFTER = 600.0


class Start(NamedTuple):
    """Start the container's program."""

    container: str


class RunHook(NamedTuple):
    """Run the container's postStart hook inside it."""

    container: str


class Signal(NamedTuple):
    """Send a signal to the container's first process."""

    container: str
    number: int


class Warn(NamedTuple):
    """Report a warning."""

    message: str


class Finish(NamedTuple):
    """The Pod has finished."""


Command: TypeAlias = Start | RunHook | Signal | Warn | Finish


class Termination(NamedTuple):
    """How a container's program ended. ``exit_code`` is 128 + ``signal`` if a signal killed it."""

    exit_code: int
    signal: int | None
    reason: str
    message: str
    started_at: float | None
    finished_at: float


class ContainerRecord:
    """The state of one container.

    The phase is ``waiting`` (not started, or to be restarted at ``restart_at``), ``starting`` (being created), ``hook``
    (its program and its postStart hook run), ``running``, or ``ended`` (and will not be restarted).
    """

    def __init__(self, name: str, kind: ContainerKind, rules: Collection[RestartRule] = (), *, has_hook: bool) -> None:
        self.name = name
        self.kind = kind
        self.rules = rules
        self.has_hook = has_hook
        self.phase: Literal["waiting", "starting", "hook", "running", "ended"] = "waiting"
        self.restart_count = 0
        self.was_started = False
        self.started_at: float | None = None
        self.running_since = 0.0
        self.last: Termination | None = None
        self.restart_at: float | None = None
        self.backoff = 0.0
        self.asked_to_stop = False
        self.hook_failure: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it has a process."""
        return self.phase in ("starting", "hook", "running")


class Lifecycle:
    """The lifecycle of one Pod. Its containers are in the order of the manifest, initContainers first."""

    def __init__(
        self,
        containers: Iterable[tuple[str, ContainerKind, bool]],
        *,
        grace: float,
        active_deadline: float | None = None,
        starts_at_a_time: int = 1,
        restart_rules: Mapping[str, Collection[RestartRule]] | None = None,
    ) -> None:
        rules = restart_rules or {}
        self.records = {
            name: ContainerRecord(name, kind, rules.get(name, ()), has_hook=has_hook)
            for name, kind, has_hook in containers
        }
        self.reason = ""
        self.message = ""
        self.failed = False
        self.finished = False
        self._grace = grace
        self._active_deadline = active_deadline
        self._starts_at_a_time = starts_at_a_time
        self._deadline_at: float | None = None
        self._kill_at: float | None = None
        self._killed = False

    @property
    def is_stopping(self) -> bool:
        """Whether the Pod is stopping and starts nothing more."""
        return self._kill_at is not None

    def begin(self, now: float) -> list[Command]:
        """Start the Pod."""
        if self._active_deadline is not None:
            self._deadline_at = now + self._active_deadline
        return self._next(now)

    def started(self, name: str, now: float, at: float) -> list[Command]:
        """Take the execution of the container's program."""
        record = self.records[name]
        record.started_at, record.running_since = at, now
        if record.has_hook and not self.is_stopping:
            record.phase = "hook"
            return [RunHook(name)]
        record.phase, record.was_started = "running", True
        return self._next(now)

    def hook_ended(self, name: str, failure: str | None, now: float) -> list[Command]:
        """Take the end of the postStart hook; `failure` says why it failed, None if it succeeded."""
        record = self.records[name]
        if record.phase != "hook":  # the container is gone, and the hook went with it
            return []
        record.phase = "running"
        if failure is None or self.is_stopping:
            record.was_started = True
            return self._next(now)
        record.hook_failure = failure
        return [Warn(f"container {name}: its postStart hook failed: {failure}"), Signal(name, signal.SIGKILL)]

    def exited(self, name: str, termination: Termination, now: float) -> list[Command]:
        """Take the end of the container's program, or that it could not be executed."""
        return self._ended(self.records[name], termination, now)

    def terminate(self, grace: float | None, now: float) -> list[Command]:
        """Stop the Pod; `grace` in seconds, None for the Pod's own. A second call can only shorten the period."""
        self._stop(now, self._grace if grace is None else grace)
        return self._next(now)

    def evict(self, why: str, now: float) -> list[Command]:
        """Evict the Pod, which exceeds a limit: kill all containers, unless the Pod is stopping already."""
        if not self.is_stopping:
            self.failed, self.reason, self.message = True, EVICTED, why
            self._stop(now, 0)
        return self._next(now)

    def tick(self, now: float) -> list[Command]:
        """Take that time has passed."""
        if self._deadline_at is not None and now >= self._deadline_at and not self.is_stopping:
            self.failed, self.reason = True, "DeadlineExceeded"
            self.message = "Pod was active on the node longer than the specified deadline"
            self._stop(now, self._grace)
        return self._next(now)

    def next_timer(self) -> float | None:
        """Return the latest time at which to call `tick`."""
        if self.finished:
            return None
        if self.is_stopping:
            return None if self._killed else self._kill_at
        timers = [record.restart_at for record in self.records.values() if record.restart_at is not None]
        if self._deadline_at is not None:
            timers.append(self._deadline_at)
        return min(timers, default=None)

    def phase(self) -> Literal["Pending", "Running", "Succeeded", "Failed"]:
        """Return the Pod's phase (Kubernetes docs, "Pod phase")."""
        ordinary = [record for record in self.records.values() if record.kind == "ordinary"]
        if not self.finished:
            return "Running" if any(record.was_started for record in ordinary) else "Pending"
        if self.failed or any(record.last is None or record.last.exit_code for record in ordinary):
            return "Failed"
        return "Succeeded"

    def _stop(self, now: float, grace: float) -> None:
        kill_at = now + grace
        self._kill_at = kill_at if self._kill_at is None else min(kill_at, self._kill_at)
        for record in self.records.values():
            if record.restart_at is not None:
                record.restart_at, record.phase = None, "ended"

    def _ended(self, record: ContainerRecord, termination: Termination, now: float) -> list[Command]:
        first_time = not record.was_started
        record.last, record.started_at = termination, None
        record.phase = "ended"
        if self.is_stopping:
            return self._next(now)
        if record.kind == "init" and termination.exit_code:
            self.failed = True
            self._stop(now, self._grace)
        elif record.kind == "sidecar" and first_time and (record.hook_failure or termination.reason == "StartError"):
            self.failed, self.reason = True, NOT_STARTED
            self.message = f"sidecar {record.name} could not be started: {record.hook_failure or termination.message}"
            self._stop(now, self._grace)
        elif record.kind == "sidecar" or any(rule.applies(termination.exit_code) for rule in record.rules):
            self._restart_later(record, now)
        return self._next(now)

    def _restart_later(self, record: ContainerRecord, now: float) -> None:
        if now - record.running_since >= STABLE_AFTER:
            record.backoff = 0.0
        record.restart_at = now + record.backoff
        record.backoff = min(record.backoff * 2, LONGEST_BACKOFF) or FIRST_BACKOFF
        record.phase = "waiting"

    def _next(self, now: float) -> list[Command]:
        """Decide what to start or stop now."""
        if self.finished:
            return []
        ordinary = [record for record in self.records.values() if record.kind == "ordinary"]
        if not self.is_stopping and all(record.phase == "ended" for record in ordinary):
            self._stop(now, self._grace)
        return self._next_stop(now) if self.is_stopping else self._next_start(now)

    def _next_start(self, now: float) -> list[Command]:
        commands: list[Command] = []
        for record in self.records.values():
            if record.restart_at is not None:
                if record.restart_at <= now:
                    record.restart_at = None
                    record.restart_count += 1
                    record.phase, record.hook_failure = "starting", None
                    commands.append(Start(record.name))
            elif record.phase == "waiting":
                record.phase = "starting"
                commands.append(Start(record.name))
            if self._is_waited_for(record):
                break
        return commands

    def _is_waited_for(self, record: ContainerRecord) -> bool:
        """Whether the containers after it in the manifest must wait for it."""
        if record.kind == "init":
            return record.phase != "ended"
        if record.kind == "sidecar":
            return not record.was_started
        if record.has_hook:
            return record.phase in ("starting", "hook")
        if record.phase != "starting":
            return False
        return sum(record.phase == "starting" for record in self.records.values()) >= self._starts_at_a_time

    def _next_stop(self, now: float) -> list[Command]:
        alive = [record for record in self.records.values() if record.is_alive]
        if not alive:
            self.finished = True
            return [Finish()]
        assert self._kill_at is not None
        if now >= self._kill_at:
            if self._killed:
                return []
            self._killed = True
            return [Signal(record.name, signal.SIGKILL) for record in alive]
        targets = [record for record in alive if record.kind != "sidecar"] or alive[-1:]
        fresh = [record for record in targets if not record.asked_to_stop and record.phase != "starting"]
        for record in fresh:
            record.asked_to_stop = True
        return [Signal(record.name, signal.SIGTERM) for record in fresh]
