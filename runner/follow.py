"""A run as somebody who follows it sees it: which Tasks there are, how each one stands, and whose line is whose.

Rules:

- No I/O and no clock. `Follower` is fed with the coordinator's events and the containers' output, in the order in which
  they were read, and gives back what is to be shown, in the order in which it should be.
- What a container writes before its Step is known to have started is held back until then (the two come on different
  streams); what it wrote before its Step ended comes before that end, as long as the caller feeds all of it first. What
  is fed later is still that Step's, and counts among its last lines, unless another Step is run in that container.
- A Task that is a whole Pipeline is shown as the Tasks of that Pipeline, unless something happens to it as a whole.

What is left to others: reading the streams (``run``), showing what comes out (``display_plain``, ``display_live``),
what is said once the run is over (``summary``).
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from monopod.runner.lines import LineSplitter
from monopod.schemas import plan as planned
from monopod.schemas.run_events import (
    FinalStatus,
    RunEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)
from monopod.schemas.words import out_of_memory_in_words

TaskStatus: TypeAlias = Literal["Waiting", "Running", "Skipped"] | FinalStatus

LAST_LINES = 20
"""How many lines of a failed Step are told again at the end."""
LONGEST_LAST_LINE = 2000
"""How much of each, in characters."""
MOST_HELD_BYTES = 256 * 1024
"""How much output is held back for a Step that is not known to have started."""


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
class TaskState:
    """How one Task instance stands. Times are seconds since the epoch; ``started`` is that of the first attempt."""

    path: str
    index: int | None = None
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

    @property
    def label(self) -> str:
        """The name that a person sees: the path, and the number of the matrix combination."""
        return label(self.path, self.index)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status not in ("Waiting", "Running")


def label(path: str, index: int | None) -> str:
    """Return the name of a Task instance: ``build``, or ``build[2]`` for a combination of a matrix."""
    return path if index is None else f"{path}[{index}]"


@dataclass(slots=True)
class _Container:
    """A Step's or Sidecar's container: whose it is, and what of its output is not yet shown."""

    task: str
    step: str
    splitter: LineSplitter = dataclasses.field(default_factory=LineSplitter)
    held: bytearray | None = None  # None: output is shown as it comes
    last_lines: deque[str] = dataclasses.field(default_factory=lambda: deque(maxlen=LAST_LINES))
    failed_in: tuple[str, int | None] | None = None  # the Task instance that its Step, which has ended, failed

    def lines(self, data: bytes) -> list[OutputLine]:
        return self._attributed(self.splitter.feed(data))

    def rest(self) -> list[OutputLine]:
        """Return the last line, which has no newline."""
        return self._attributed(self.splitter.finish())

    def release(self) -> list[OutputLine]:
        """Return what was held back; from now on output is shown as it comes."""
        held, self.held = self.held, None
        return self.lines(bytes(held)) if held else []

    def _attributed(self, texts: list[str]) -> list[OutputLine]:
        self.last_lines.extend(text[:LONGEST_LAST_LINE] for text in texts[-LAST_LINES:])
        return [OutputLine(self.task, self.step, text) for text in texts]


class Follower:
    """Follows one run of a Plan. ``memory_limits`` are those of its containers that are enforced."""

    def __init__(self, plan: planned.Plan, memory_limits: Mapping[str, str] | None = None) -> None:
        self._memory_limits = memory_limits or {}
        self.name = ""
        self.started: float | None = None
        self.finished: RunFinished | None = None
        self._tasks: dict[str, dict[int | None, TaskState]] = {}
        self._containers: dict[str, _Container] = {}
        self._slots: dict[str, tuple[str, ...]] = {}  # the Sidecars' containers of each slot
        self._container_of: dict[tuple[str, str], str] = {}  # by slot and Step
        self._used_again: set[str] = set()  # containers in which more than one Step may run
        for task in planned_tasks(plan.pipeline):
            self._tasks[task.state.path] = {None: task.state}
            self._add_containers(task.state.path, task.planned)

    def _add_containers(self, path: str, task: planned.Task) -> None:
        is_shared = task.retries > 0 or (task.matrix is not None and not task.matrix.pinned)
        for number, slot in enumerate(task.slots):
            self._used_again.update(slot.containers if is_shared else ())
            pinned = number if task.matrix is not None and task.matrix.pinned else None
            for container, step in zip(slot.containers, task.steps, strict=False):
                self._containers[container] = _Container(label(path, pinned), step.name, held=bytearray())
                self._container_of[slot.name, step.name] = container
            for container, sidecar in zip(slot.sidecars, task.sidecars, strict=False):
                self._containers[container] = _Container(label(path, pinned), sidecar.step.name)
            self._slots[slot.name] = slot.sidecars

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

    def output(self, container: str, data: bytes) -> list[OutputLine]:
        """Take what a container wrote; return the lines that are to be shown now."""
        source = self._containers.get(container)
        if source is None:
            source = self._containers[container] = _Container(container, "")
        if source.held is None:
            return self._of_ended(source, source.lines(data))
        source.held += data
        return source.release() if len(source.held) > MOST_HELD_BYTES else []

    def event(self, event: RunEvent) -> list[Shown]:
        """Take an event of the run; return it, with the lines that come before or after it."""
        before: list[OutputLine] = []
        after: list[OutputLine] = []
        match event:
            case RunStarted():
                self.name, self.started = event.name, event.at
            case TaskStarted():
                self._start_task(event)
            case StepStarted():
                after = self._start_step(event)
            case StepFinished():
                event = self._with_limit(event)
                before = self._finish_step(event)
            case TaskFinished():
                self._finish_task(event)
            case TaskSkipped():
                self._skip_task(event)
            case RunFinished():
                before = self.end()
                self.finished = event
            case _:
                pass  # a warning changes nothing here
        return [*before, event, *after]

    def end(self) -> list[OutputLine]:
        """Return all that was held back: no more will come."""
        sources = self._containers.values()
        return [line for each in sources for line in self._of_ended(each, [*each.release(), *each.rest()])]

    def _task(self, path: str, index: int | None) -> TaskState:
        """Return the state of an instance; the first one of a matrix takes the place of the Task itself."""
        if path not in self._tasks:
            self._replace_pipeline(path)
        instances = self._tasks.setdefault(path, {None: TaskState(path)})
        if index not in instances:
            instances[index] = dataclasses.replace(next(iter(instances.values())), index=index, status="Waiting")
            if index is not None:
                instances.pop(None, None)
            self._tasks[path] = dict(sorted(instances.items(), key=lambda item: item[0] or 0))
        return self._tasks[path][index]

    def _update(self, path: str, index: int | None, **changes: object) -> None:
        task = self._task(path, index)
        self._tasks[path][index] = dataclasses.replace(task, **changes)  # type: ignore[arg-type]

    def _start_task(self, event: TaskStarted) -> None:
        task = self._task(event.task, event.index)
        for container in self._slots.get(event.slot, ()):
            self._containers[container].task = task.label
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
            params=tuple(event.params.items()),
        )

    def _start_step(self, event: StepStarted) -> list[OutputLine]:
        task = self._task(event.task, event.index)
        self._update(event.task, event.index, steps=(*task.steps, event.step))
        source = self._containers.setdefault(event.container, _Container("", ""))
        source.task, source.step = task.label, event.step
        source.last_lines.clear()
        source.failed_in = None
        return source.release()

    def _with_limit(self, event: StepFinished) -> StepFinished:
        """Return the end of a Step with what the coordinator cannot know: of how much memory it ran out."""
        if event.reason != "OOMKilled":
            return event
        return event._replace(message=out_of_memory_in_words(self._memory_limits.get(event.container, "")))

    def _finish_step(self, event: StepFinished) -> list[OutputLine]:
        task = self._task(event.task, event.index)
        source = self._containers.setdefault(event.container, _Container(task.label, event.step))
        lines = [*source.release(), *source.rest()]
        failed = task.failed_steps
        if event.reason not in ("Completed", "Continued", "Skipped", "Cancelled"):
            source.failed_in = (event.task, event.index)
            last_lines = tuple(source.last_lines)
            failed += (FailedStep(task.label, event.step, event.exit_code, event.reason, event.message, last_lines),)
        if event.container in self._used_again:
            source.held = bytearray()  # what comes now may be the next one's
        running = tuple(step for step in task.steps if step != event.step)
        self._update(event.task, event.index, steps=running, failed_steps=failed)
        return lines

    def _of_ended(self, source: _Container, lines: list[OutputLine]) -> list[OutputLine]:
        """Take lines that came only after the end of a Step that failed among its last lines, and return them."""
        if lines and source.failed_in is not None:
            self._amend_failure(source, *source.failed_in)
        return lines

    def _amend_failure(self, source: _Container, path: str, index: int | None) -> None:
        steps = self._task(path, index).failed_steps
        last_lines = tuple(source.last_lines)
        amended = (
            dataclasses.replace(each, last_lines=last_lines) if each.step == source.step else each for each in steps
        )
        self._update(path, index, failed_steps=tuple(amended))

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
        self._update(event.task, None, status="Skipped", reason=event.reason, ended=event.at)

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


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A Task of a Plan, and how it stands before anything has run."""

    state: TaskState
    planned: planned.Task


def planned_tasks(
    pipeline: planned.Pipeline, prefix: str = "", after: tuple[str, ...] = (), *, is_final: bool = False
) -> Iterator[PlannedTask]:
    """Yield the Tasks of a Pipeline and of the Pipelines inside it, each with its path, finally Tasks last."""
    for tasks, final in ((pipeline.tasks, is_final), (pipeline.final_tasks, True)):
        for task in tasks:
            path = prefix + task.name
            all_after = (*after, *(prefix + name for name in task.after))
            if task.pipeline is not None:
                yield from planned_tasks(task.pipeline, path + "/", all_after, is_final=final)
            else:
                yield PlannedTask(TaskState(path, after=all_after, is_final=final), task)
