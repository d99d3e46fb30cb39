"""Runs a Plan on the engine in simulated time, with behaviours of Steps set by a test.

Rules: nothing here makes decisions about a run. Events at the same moment happen in the order in which they were
caused. A stopped Step ends by SIGTERM after its `stop_delay`; a Step whose container dies reports nothing more. A
container of a slot that restarts is back some time after its death. No life of it runs a request of another life.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from monopod.coordinator.engine.engine import Engine
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
    Verdict,
    event_from_line,
    event_to_line,
)
from monopod.schemas import cel
from monopod.schemas.plan import Pipeline, Plan, Slot, Step, Task, decode, encode
from monopod.schemas.run_events import RunEvent, RunFinished
from monopod.schemas.variables import EvaluationError

LIFE = 10**6
"""How many requests a container may be given before it is restarted (docs/control-directory.md)."""


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of one run of a Step: its duration, its end, and its files (path -> content).

    ``stop_delay`` is how long it takes to end when it is stopped. ``out_of_memory``: the kernel killed a process in it.
    ``end_is_lost``: its container dies when it ends, before that was reported; it leaves no files. ``retires``: it
    leaves an unkillable process behind, so its container cannot be used again.
    """

    duration: float = 1.0
    code: int = 0
    files: dict[str, str] = field(default_factory=dict)
    stop_delay: float = 0.25
    out_of_memory: bool = False
    end_is_lost: bool = False
    retires: bool = False

    @property
    def left(self) -> str:
        return "postgres (process 7)" if self.retires else ""


@dataclass
class Simulation:
    """The result of a run: all commands in order with their time, the events, the finished document."""

    commands: list[tuple[float, Command]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reported: list[RunEvent] = field(default_factory=list)
    released: dict[str, int] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    finished_at: float = 0

    @property
    def status(self) -> dict[str, Any]:
        return self.document["status"]

    @property
    def condition(self) -> dict[str, str]:
        return self.status["conditions"][0]

    def requests(self) -> list[tuple[float, RunStep]]:
        return [(at, command) for at, command in self.commands if isinstance(command, RunStep)]

    def started(self) -> dict[str, list[float]]:
        """Start times of the requests of each container."""
        times: dict[str, list[float]] = {}
        for at, command in self.requests():
            times.setdefault(command.container, []).append(at)
        return times

    def task_reasons(self) -> dict[str, str]:
        """Reason of each TaskRun, by its name."""
        runs = self.status["taskRuns"].items()
        return {name: run["status"]["conditions"][0]["reason"] for name, run in runs}

    def skipped(self) -> dict[str, str]:
        return {each["name"]: each["reason"] for each in self.status.get("skippedTasks", [])}


def tasks_of(pipeline: Pipeline) -> Iterator[Task]:
    """Yield all Tasks, with the Tasks of a nested Pipeline after it."""
    for each in (*pipeline.tasks, *pipeline.final_tasks):
        yield each
        if each.pipeline is not None:
            yield from tasks_of(each.pipeline)


def containers_of(pipeline: Pipeline) -> Iterator[str]:
    """Yield each container once."""
    slots = _slots_of(pipeline)
    yield from dict.fromkeys(name for slot in slots for name in (*slot.containers, *slot.sidecars))


def restarting_containers_of(pipeline: Pipeline) -> Iterator[str]:
    for slot in _slots_of(pipeline):
        yield from (*slot.containers, *slot.sidecars) if slot.restarts else ()


def reused_containers_of(pipeline: Pipeline) -> Iterator[str]:
    """Yield the containers that may run several requests: of Steps, attempts or combinations. Some come twice."""
    users = Counter(name for slot in _slots_of(pipeline) for name in slot.containers)
    yield from (name for name, count in users.items() if count > 1)
    for task in tasks_of(pipeline):
        if task.retries or (task.matrix is not None and not task.matrix.pinned):
            yield from (name for slot in task.slots for name in (*slot.containers, *slot.sidecars))


def _slots_of(pipeline: Pipeline) -> Iterator[Slot]:
    return (slot for task in tasks_of(pipeline) for slot in task.slots)


class _World:
    def __init__(
        self,
        plan: Plan,
        behave: Callable[[RunStep], Behaviour],
        ready: Callable[[str], float | None],
        extra: Iterable[tuple[float, Event]],
        probe_delay: float,
        is_killed: Callable[[], bool],
        read: Callable[[ReadResults], ResultsRead] | None,
        cel_delay: float,
        failing_probes: int,
        restart_delay: float | None,
        release: Callable[[str, int], tuple[float, Verdict]],
    ) -> None:
        self.engine = Engine(plan)
        self._plan = plan
        self._is_killed = is_killed
        self._read = read
        self._cel_delay = cel_delay
        self._failing_probes = failing_probes
        self._restart_delay = restart_delay
        self._release = release
        self._holds: Counter[str] = Counter()  # of a container
        self._held: dict[str, int] = {}  # container -> the number of its hold
        self._restarting = set(restarting_containers_of(plan.pipeline))
        self._lives: Counter[str] = Counter()  # that are over
        self._ran: set[tuple[str, int]] = set()
        self.result = Simulation()
        self._queue: list[tuple[float, int, Callable[[float], Event | None]]] = []
        self._order = itertools.count()
        self._behave = behave
        self._probe_delay = probe_delay
        self._timers: dict[str, float] = {}
        self._probes: dict[tuple[str, int], bool] = {}  # the tries that are being made -> whether they will succeed
        self._tries: Counter[str] = Counter()  # since the latest Sidecar of a container was started
        self._files: dict[str, dict[str, str]] = {}
        self._running: dict[tuple[str, int], Behaviour] = {}
        self._there: set[str] = set()
        self.at(0.0, lambda at: Begun(at, "run", "default", "uid-0"))
        for container in containers_of(plan.pipeline):
            moment = ready(container)
            if moment is not None:
                self.at(moment, lambda at, container=container: ContainerReady(at, container))
        for moment, event in extra:
            if isinstance(event, ContainerDied) and not event.reason and event.container in self._restarting:
                self.at(moment, lambda at, name=event.container: self._die(at, name))
            else:
                self.at(moment, lambda _, event=event: event)

    def at(self, moment: float, make: Callable[[float], Event | None]) -> None:
        heapq.heappush(self._queue, (moment, next(self._order), make))

    def run(self) -> Simulation:
        while not self.engine.finished:
            assert self._queue, "the engine waits for something that never comes"
            moment, _, make = heapq.heappop(self._queue)
            event = make(moment)
            if event is None:
                continue
            if isinstance(event, ContainerReady | ContainerRestarted):
                self._there.add(event.container)
            if isinstance(event, ContainerDied):
                self._there.discard(event.container)
                self._running = {key: how for key, how in self._running.items() if key[0] != event.container}
            if self._is_killed():
                self._start_again()
            self.result.events.append(event)
            for command in self.engine.handle(event):
                self.result.commands.append((moment, command))
                self._carry_out(moment, command)
            self.result.finished_at = moment
        return self.result

    def _start_again(self) -> None:
        """Continue with another engine, which gets the Plan and the recorded events, like a restarted coordinator."""
        self.engine = Engine(decode(encode(self._plan)))
        events = [event_from_line(event_to_line(event)) for event in self.result.events]
        again = [(event.at, command) for event in events for command in self.engine.handle(event)]
        assert again == self.result.commands, "a replay gives other commands"

    def _carry_out(self, now: float, command: Command) -> None:  # noqa: C901  # a flat list of cases
        match command:
            case RunStep():
                self._start(now, command)
            case StopStep(container, request, _) if (container, request) not in self._running:  # a command that probes
                assert (container, request) in self._probes, "only what runs is stopped"
                self._probes[container, request] = False
                self.at(now, self._end_of_probe(container, request))
            case StopStep(container, request, _):
                stopped = self._running[container, request]
                how = Exit(signal=15, start=now, end=now, left=stopped.left)
                how = how._replace(restart=bool(stopped.left) and container in self._restarting)
                self._end(now + stopped.stop_delay, container, request, how, {}, "")
            case HoldStep():
                self._hold(now, command)
            case EndHold(container):
                del self._held[container]
            case ReadResults() if self._read is not None:
                answer = self._read(command)
                self.at(now, lambda _: answer)
            case ReadResults(slot, paths):
                files = {path: text for path, text in self._files.get(slot, {}).items() if path in paths}
                self.at(now, lambda at: ResultsRead(at, slot, files, {}))
            case EvaluateCel(number, expression):
                self.at(now + self._cel_delay, lambda at: CelEvaluated(at, number, *truth_of(expression)))
            case SetTimer(name, moment):
                self._timers[name] = moment
                self.at(moment, lambda at: TimerFired(at, name) if self._timers.get(name) == moment else None)
            case ClearTimer(name):
                self._timers.pop(name, None)
            case RunProbe(container=container, request=request) | TryConnection(container, request):
                assert all(name != container for name, _ in self._probes), "one try at a time"
                self._tries[container] += 1
                self._probes[container, request] = self._tries[container] > self._failing_probes
                self.at(now + self._probe_delay, self._end_of_probe(container, request))
            case ReleaseContainer(container, code):
                assert container not in self.result.released, "a container is released once"
                self.result.released[container] = code
            case Report(event):
                self.result.reported.append(event)
                if isinstance(event, RunFinished):
                    self.result.document = event.document
            case Finish(code):
                self.result.exit_code = code

    def _hold(self, now: float, command: HoldStep) -> None:
        container = command.container
        assert container not in self._held, "a container is held once at a time"
        assert all(each != container for each, _ in self._running), "what is held does not run"
        assert container in self._there, "nothing is held in a container that is not there"
        if command.before is not None and command.before.fresh:
            self._files[command.slot] = {}
        self._holds[container] += 1
        number = self._held[container] = self._holds[container]
        delay, verdict = self._release(container, number)

        def make(at: float) -> Event | None:
            return HoldReleased(at, container, verdict) if self._held.get(container) == number else None

        self.at(now + delay, make)

    def _end_of_probe(self, container: str, request: int) -> Callable[[float], Event | None]:
        def make(at: float) -> Event | None:
            succeeded = self._probes.pop((container, request), None)
            return (
                None if succeeded is None else ProbeEnded(at, container, request, succeeded, "" if succeeded else "no")
            )

        return make

    def _start(self, now: float, command: RunStep) -> None:
        assert command.container not in self.result.released, "nothing runs in a container that was released"
        assert command.container in self._there, "nothing runs in a container that is not there"
        assert all(container != command.container for container, _ in self._running), "one request at a time"
        assert command.request > LIFE * self._lives[command.container], "no life runs a request of an earlier one"
        assert (command.container, command.request) not in self._ran, "no request is made twice"
        self._ran.add((command.container, command.request))
        if command.fresh:
            self._files[command.slot] = {}
        self._tries[command.container] = 0
        self._probes = {key: succeeds for key, succeeds in self._probes.items() if key[0] != command.container}
        behaviour = self._behave(command)
        key = (command.container, command.request)
        self._running[key] = behaviour
        end = now + behaviour.duration
        short_of_memory, left = behaviour.out_of_memory, behaviour.left
        how = Exit(code=behaviour.code, start=now, end=end, out_of_memory=short_of_memory, left=left)
        how = how._replace(restart=bool(left) and command.container in self._restarting)
        self._end(now + behaviour.duration, *key, how, behaviour.files, command.slot)

    def _end(self, moment: float, container: str, request: int, how: Exit, files: dict[str, str], slot: str) -> None:
        def make(at: float) -> Event | None:
            if (container, request) not in self._running:
                return None
            if self._running[container, request].end_is_lost:
                return self._die(at, container) if container in self._restarting else ContainerDied(at, container)
            del self._running[container, request]
            if how.restart:  # its entrypoint ends after the report, and the container with it
                self._there.discard(container)
                self._come_again(at, container)
                self.at(at, lambda at: ContainerDied(at, container, will_restart=True))
            self._files.setdefault(slot, {}).update(files)
            return StepExited(at, container, request, how)

        self.at(moment, make)

    def _die(self, at: float, container: str) -> Event | None:
        """Let a container of a slot that restarts die, unless it is not there."""
        if container not in self._there:
            return None
        self._come_again(at, container)
        return ContainerDied(at, container, will_restart=True)

    def _come_again(self, at: float, container: str) -> None:
        self._lives[container] += 1
        life = self._lives[container] + 1
        if self._restart_delay is not None:
            self.at(at + self._restart_delay, lambda at: ContainerRestarted(at, container, life))


def truth_of(expression: str) -> tuple[bool, str]:
    """Return the truth of a CEL expression, or why it has none."""
    try:
        return cel.evaluate(expression), ""
    except EvaluationError as error:
        return False, str(error)


def simulate(
    plan: Plan,
    behave: Callable[[RunStep], Behaviour] = lambda _: Behaviour(),
    *,
    ready: Callable[[str], float | None] = lambda _: 0.0,
    extra: Iterable[tuple[float, Event]] = (),
    probe_delay: float = 0.5,
    is_killed: Callable[[], bool] = lambda: False,
    read: Callable[[ReadResults], ResultsRead] | None = None,
    cel_delay: float = 0.0,
    failing_probes: int = 0,
    restart_delay: float | None = 0.7,
    release: Callable[[str, int], tuple[float, Verdict]] = lambda *_: (1.0, "continue"),
) -> Simulation:
    """Run `plan` to its end. `ready` gives the time a container starts (None: never); `extra` are further events.

    ``is_killed`` decides before each event whether the coordinator is killed and restarted. ``read``
    answers reads instead of the files of Steps. ``cel_delay`` is how long an expression takes,
    ``probe_delay`` how long a readinessProbe takes; the first ``failing_probes`` of each Sidecar fail.
    ``restart_delay`` is how long a restart takes (None: the container never comes back). ``release`` gives how long the
    n-th hold of a container lasts, and how it is released.
    """
    return _World(
        plan, behave, ready, extra, probe_delay, is_killed, read, cel_delay, failing_probes, restart_delay, release
    ).run()


def task(name: str, *, steps: tuple[Step, ...] | None = None, slot_count: int = 1, **fields: Any) -> Task:
    """Return a Task with one Step `run` (or `steps`) and slots named after it."""
    steps = steps if steps is not None else (Step("run", script="true"),)
    names = [name] if slot_count == 1 else [f"{name}-{number}" for number in range(slot_count)]
    sidecars = fields.get("sidecars", ())
    slots = tuple(
        Slot(
            slot,
            tuple(f"{slot}-{step.name}" for step in steps),
            tuple(f"{slot}-{sidecar.step.name}" for sidecar in sidecars),
        )
        for slot in names
    )
    return Task(name, steps=steps, slots=slots, **fields)


def plan_of(*tasks: Task, kind: str = "PipelineRun", **fields: Any) -> Plan:
    """Return a Plan of a Pipeline of these Tasks; `fields` are the Pipeline's."""
    return Plan(
        Pipeline("pipeline", tasks=tasks, **fields), {"apiVersion": "tekton.dev/v1", "kind": kind, "metadata": {}}
    )


def cancel(at: float, mode: Any = "Cancelled") -> tuple[float, Event]:
    return at, CancelRequested(at, mode)


def death(at: float, container: str) -> tuple[float, Event]:
    return at, ContainerDied(at, container)


def start_failure(at: float, container: str, reason: str = "ImagePullBackOff") -> tuple[float, Event]:
    return at, ContainerDied(at, container, reason, "it is not in the registry")
