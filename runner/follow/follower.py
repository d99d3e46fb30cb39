"""A run as somebody who follows it sees it: which Tasks there are, how each one stands, and whose line is whose.

Rules:

- No I/O and no clock. `Follower` is fed with the coordinator's events and the containers' output, in the order in which
  they were read, and gives back what is to be shown, in the order in which it should be.
- What a container writes is that of the Step in it that started last, unless it is fed as the late output of another.
  Late output counts among the last lines of its Step, if that failed.
- A Task that is a whole Pipeline is shown as the Tasks of that Pipeline, unless something happens to it as a whole.

What is left to others: reading the streams (``run``), showing what comes out (``display``),
what is said once the run is over (``summary``).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from monopod.runner.follow.lines import LineSplitter
from monopod.runner.follow.ordered import Ordered, Output, Start
from monopod.schemas import plan as planned
from monopod.schemas.formats.words import missing_program_in_words, out_of_memory_in_words
from monopod.schemas.matrix_names import InstanceNames, label
from monopod.schemas.run_events import (
    FinalStatus,
    MatrixExpanded,
    OutputEnded,
    RunEvent,
    RunFinished,
    RunStarted,
    SidecarFinished,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
    sidecar_end_in_words,
)

TaskStatus: TypeAlias = Literal["Waiting", "Running", "Skipped"] | FinalStatus

LAST_LINES = 20
"""How many lines of a failed Step are told again at the end."""
LONGEST_LAST_LINE = 2000
"""How much of each, in characters."""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line that a Step or Sidecar wrote. ``task`` is the label of the Task instance."""

    task: str
    step: str
    text: str


Shown: TypeAlias = OutputLine | RunEvent
"""What is to be shown to somebody who follows the run."""


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A Step that failed its Task: how it ended, and the last lines it wrote."""

    task: str
    step: str
    exit_code: int
    reason: str
    message: str
    last_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndedSidecar:
    """A Sidecar that ended before the Steps of its Task did, and the last lines it wrote. ``ending`` is in words."""

    name: str
    exit_code: int
    ending: str
    last_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskState:
    """How one Task instance stands. Times are seconds since the epoch; ``started`` is that of the first attempt.

    ``name`` is that of its matrix combination.
    """

    path: str
    index: int | None = None
    name: str | None = None
    after: tuple[str, ...] = ()
    is_final: bool = False
    status: TaskStatus = "Waiting"
    reason: str = ""
    message: str = ""
    attempt: int = 0
    slot: str = ""
    started: float | None = None
    ended: float | None = None
    steps: tuple[str, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    failed_steps: tuple[FailedStep, ...] = ()
    ended_sidecars: tuple[EndedSidecar, ...] = ()

    @property
    def label(self) -> str:
        """What a person calls it: the path, and the values (or the number) of the matrix combination."""
        return label(self.path, self.index if self.name is None else self.name)

    @property
    def why(self) -> str:
        """Why it was skipped, or how it ended."""
        if self.status == "Skipped" and self.message:
            return f"{self.reason}: {self.message}"
        return self.message or self.reason

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status not in ("Waiting", "Running")


_Ended = TypeVar("_Ended", StepFinished, SidecarFinished)


@dataclass(slots=True)
class _Source:
    """A Step or Sidecar in its container, and what of its output is not yet a line."""

    task: str
    step: str
    splitters: defaultdict[str, LineSplitter] = dataclasses.field(default_factory=lambda: defaultdict(LineSplitter))
    last_lines: deque[str] = dataclasses.field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def lines(self, data: bytes, stream: str) -> list[OutputLine]:
        return self._attributed(self.splitters[stream].feed(data))

    def rest(self) -> list[OutputLine]:
        """Return the last line of each stream, which has no newline."""
        return self._attributed([line for splitter in self.splitters.values() for line in splitter.finish()])

    def _attributed(self, texts: list[str]) -> list[OutputLine]:
        self.last_lines.extend(text[:LONGEST_LAST_LINE] for text in texts[-LAST_LINES:])
        return [OutputLine(self.task, self.step, text) for text in texts]


class Follower:
    """Follows one run of a Plan.

    ``memory_limits`` are those of its containers that are enforced, ``unused_images`` those that its backend ignores.
    """

    def __init__(
        self,
        plan: planned.Plan,
        memory_limits: Mapping[str, str] | None = None,
        unused_images: Mapping[str, str] | None = None,
    ) -> None:
        self.plan = plan
        self._memory_limits = memory_limits or {}
        self._unused_images = unused_images or {}
        self.name = ""
        self.started: float | None = None
        self.finished: RunFinished | None = None
        self.names = InstanceNames()
        """What the combinations of matrices are called."""
        self._tasks: dict[str, dict[int | None, TaskState]] = {}
        self._containers: dict[str, _Source] = {}
        self._slots: dict[str, tuple[str, ...]] = {}  # the Sidecars' containers of each slot
        self._container_of: dict[tuple[str, str], str] = {}  # by slot and Step
        self._numbers: dict[str, dict[str, int | None]] = {}  # by path and container: its only combination
        self._late: dict[tuple[str, str, int | None, int], tuple[Start, _Source]] = {}
        for each in planned.runnable_tasks(plan.pipeline):
            self._tasks[each.path] = {None: TaskState(each.path, after=each.after, is_final=each.is_final)}
            self._add_containers(each.path, each.task)

    def _add_containers(self, path: str, task: planned.Task) -> None:
        for number, slot in enumerate(task.slots):
            pinned = number if task.matrix is not None and task.matrix.pinned else None
            for container, step in zip(slot.containers, task.steps, strict=False):
                self._containers[container] = _Source(self.label(path, pinned), step.name)
                self._container_of[slot.name, step.name] = container
            for container, sidecar in zip(slot.sidecars, task.sidecars, strict=False):
                self._containers[container] = _Source(self.label(path, pinned), sidecar.step.name)
            self._slots[slot.name] = slot.sidecars
            containers = dict.fromkeys((*slot.containers, *slot.sidecars), pinned)
            self._numbers.setdefault(path, {}).update(containers)

    def label(self, path: str, index: int | None) -> str:
        """Return what a person calls a Task instance: ``build``, or ``build[go=1.22]`` for one of a matrix."""
        return self.names.label(path, index)

    @property
    def longest_source(self) -> int:
        """How long the longest pair of a Task's label and a Step's name is, with a blank between them."""
        return max((len(f"{each.task} {each.step}") for each in self._containers.values()), default=0)

    @property
    def tasks(self) -> tuple[TaskState, ...]:
        """Every Task instance, in the order of the Pipeline, finally Tasks last."""
        return tuple(task for instances in self._tasks.values() for task in instances.values())

    def started_at(self, path: str, index: int | None) -> float | None:
        """Return when a Task instance was started, if it was."""
        task = self._tasks.get(path, {}).get(index)
        return task.started if task is not None else None

    @property
    def failed_steps(self) -> tuple[FailedStep, ...]:
        """The Steps that failed a Task for good, in the order of the Pipeline."""
        return tuple(step for task in self.tasks if task.is_over for step in task.failed_steps)

    def is_over(self, path: str) -> bool:
        """Whether all instances of the Task at `path`, or of all Tasks of the Pipeline there, are over."""
        instances = self._tasks.get(path)
        if instances is not None:
            return all(task.is_over for task in instances.values())
        inside = path + "/"
        return all(task.is_over for task in self.tasks if task.path.startswith(inside))

    def waits_for(self, task: TaskState) -> tuple[str, ...]:
        """Return the paths of the Tasks that `task` still waits for."""
        return tuple(path for path in task.after if not self.is_over(path))

    def container_of(self, task: TaskState, step: str) -> str:
        """Return the container in which a Step of `task` runs; empty if it has none yet."""
        return self._container_of.get((task.slot, step), "")

    def running_containers(self, task: TaskState) -> tuple[str, ...]:
        """Return the containers in which something of `task` runs now: its Step's, its Sidecars'."""
        if task.status != "Running":
            return ()
        return (*(self.container_of(task, step) for step in task.steps), *self._slots.get(task.slot, ()))

    def take(self, ordered: Ordered) -> list[Shown]:
        """Take what comes next of the run; return what is to be shown."""
        if not isinstance(ordered, Output):
            return self.event(ordered)
        if ordered.late is None:
            return list(self.output(ordered.container, ordered.data, ordered.stream))
        return list(self._late_output(ordered, ordered.late))

    def output(self, container: str, data: bytes, stream: str = "stdout") -> list[OutputLine]:
        """Take what a container wrote; return the lines that are to be shown now."""
        source = self._containers.get(container)
        if source is None:
            source = self._containers[container] = _Source(container, "")
        return source.lines(data, stream)

    def _late_output(self, output: Output, start: Start) -> list[OutputLine]:
        """Take output of a Step or Sidecar that came after its end, or after the start of the next in its container."""
        key = (output.container, start.task, start.index, start.attempt)
        if key not in self._late:
            step = start.step if isinstance(start, StepStarted) else self._containers[output.container].step
            self._late[key] = start, _Source(self.label(start.task, start.index), step)
            failed = self._failed_step(start)
            self._late[key][1].last_lines.extend(failed.last_lines if failed is not None else ())
        source = self._late[key][1]
        return self._amended(start, source, source.lines(output.data, output.stream))

    def event(self, event: RunEvent) -> list[Shown]:
        """Take an event of the run; return it, after the lines that come before it."""
        before: list[OutputLine] = []
        self.names.note(event)
        match event:
            case RunStarted():
                self.name, self.started = event.name, event.at
            case StepFinished():
                event = self._explained(event)
                before = self._finish_step(event)
            case OutputEnded():
                return list(self._containers[event.container].rest())
            case SidecarFinished():
                event = self._explained(event)
                before = self._end_sidecar(event)
            case RunFinished():
                before = self.end()
                self.finished = event
            case _:
                self._change_task(event)
        return [*before, event]

    def _change_task(self, event: RunEvent) -> None:
        match event:
            case MatrixExpanded():
                self._expand(event)
            case TaskStarted():
                self._start_task(event)
            case StepStarted():
                self._start_step(event)
            case TaskFinished():
                self._finish_task(event)
            case TaskSkipped():
                self._skip_task(event)
            case _:
                pass  # a warning changes nothing here

    def end(self) -> list[OutputLine]:
        """Return the last lines that have no newline: no more will come."""
        lines = [line for each in self._containers.values() for line in each.rest()]
        for start, source in self._late.values():
            lines += self._amended(start, source, source.rest())
        return lines

    def _task(self, path: str, index: int | None) -> TaskState:
        """Return the state of an instance; the first one of a matrix takes the place of the Task itself."""
        if path not in self._tasks:
            self._replace_pipeline(path)
        instances = self._tasks.setdefault(path, {None: TaskState(path)})
        if index not in instances:
            first = next(iter(instances.values()))
            name = self.names.of(path, index)
            instances[index] = dataclasses.replace(first, index=index, name=name, status="Waiting")
            if index is not None:
                instances.pop(None, None)
            self._tasks[path] = dict(sorted(instances.items(), key=lambda item: item[0] or 0))
        return self._tasks[path][index]

    def _update(self, path: str, index: int | None, **changes: object) -> None:
        task = self._task(path, index)
        self._tasks[path][index] = dataclasses.replace(task, **changes)  # type: ignore[arg-type]

    def _expand(self, event: MatrixExpanded) -> None:
        """Let each combination be an instance, and what its containers write its own."""
        labels = [self._task(event.task, index).label for index in range(len(event.names))]
        longest = max(labels, key=len, default=event.task)
        for container, number in self._numbers.get(event.task, {}).items():
            is_pinned = number is not None and number < len(labels)
            self._containers[container].task = labels[number or 0] if is_pinned else longest

    def _start_task(self, event: TaskStarted) -> None:
        task = self._task(event.task, event.index)
        for container in self._slots.get(event.slot, ()):
            self._containers[container].task = task.label
            self._containers[container].last_lines.clear()
        self._update(
            event.task,
            event.index,
            status="Running",
            attempt=event.attempt,
            slot=event.slot,
            started=task.started if event.attempt else event.at,
            ended=None,
            steps=(),
            failed_steps=(),
            ended_sidecars=(),
            params=tuple(event.params.items()),
        )

    def _start_step(self, event: StepStarted) -> None:
        task = self._task(event.task, event.index)
        self._update(event.task, event.index, steps=(*task.steps, event.step))
        source = self._containers.setdefault(event.container, _Source("", ""))
        source.task, source.step = task.label, event.step
        source.last_lines.clear()

    def _explained(self, event: _Ended) -> _Ended:
        """Return the end of a Step or Sidecar with what the coordinator cannot know: its limit of memory, its image."""
        if event.reason == "OOMKilled":
            return event._replace(message=out_of_memory_in_words(self._memory_limits.get(event.container, "")))
        if event.exit_code == 127 and event.reason in ("Error", "Continued") and event.container in self._unused_images:
            words = missing_program_in_words(event.message, self._unused_images[event.container])
            return event._replace(message=words)
        return event

    def _finish_step(self, event: StepFinished) -> list[OutputLine]:
        task = self._task(event.task, event.index)
        source = self._containers.setdefault(event.container, _Source(task.label, event.step))
        lines = source.rest()
        failed = task.failed_steps
        if event.reason not in ("Completed", "Continued", "Skipped", "Cancelled"):
            last_lines = tuple(source.last_lines)
            failed += (FailedStep(task.label, event.step, event.exit_code, event.reason, event.message, last_lines),)
        running = tuple(step for step in task.steps if step != event.step)
        self._update(event.task, event.index, steps=running, failed_steps=failed)
        return lines

    def _end_sidecar(self, event: SidecarFinished) -> list[OutputLine]:
        """Keep how a Sidecar ended; return what it wrote last."""
        task = self._task(event.task, event.index)
        source = self._containers.setdefault(event.container, _Source(task.label, event.sidecar))
        lines = source.rest()
        ending = sidecar_end_in_words(event)
        ended = EndedSidecar(event.sidecar, event.exit_code, ending, tuple(source.last_lines))
        self._update(event.task, event.index, ended_sidecars=(*task.ended_sidecars, ended))
        return lines

    def _failed_step(self, start: Start) -> FailedStep | None:
        """Return how the Step that started so failed its Task, if it did and no other attempt followed."""
        task = self._task(start.task, start.index)
        if not isinstance(start, StepStarted) or task.attempt != start.attempt:
            return None
        return next((each for each in task.failed_steps if each.step == start.step), None)

    def _amended(self, start: Start, source: _Source, lines: list[OutputLine]) -> list[OutputLine]:
        """Return late lines, which also count among the last ones of the Step that wrote them."""
        failed = self._failed_step(start)
        if lines and failed is not None:
            amended = dataclasses.replace(failed, last_lines=tuple(source.last_lines))
            steps = self._task(start.task, start.index).failed_steps
            self._update(
                start.task, start.index, failed_steps=tuple(amended if each is failed else each for each in steps)
            )
        return lines

    def _finish_task(self, event: TaskFinished) -> None:
        task = self._task(event.task, event.index)
        self._update(
            event.task,
            event.index,
            status="Running" if event.will_retry else event.status,
            reason=event.reason,
            message=event.message,
            attempt=event.attempt,
            ended=None if event.will_retry else event.at,
            steps=(),
            failed_steps=() if event.status == "Succeeded" else task.failed_steps,
        )

    def _skip_task(self, event: TaskSkipped) -> None:
        self._update(event.task, None, status="Skipped", reason=event.reason, message=event.message, ended=event.at)

    def _replace_pipeline(self, path: str) -> None:
        """Put one Task in the place of those of the Pipeline at `path`, if it is one: it ended without starting any."""
        inside = [task for task in self.tasks if task.path.startswith(path + "/")]
        if not inside:
            return
        tasks: dict[str, dict[int | None, TaskState]] = {}
        for each, instances in self._tasks.items():
            if each.startswith(path + "/"):
                tasks[path] = {None: dataclasses.replace(inside[0], path=path)}
            else:
                tasks[each] = instances
        self._tasks = tasks
