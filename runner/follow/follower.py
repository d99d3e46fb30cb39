"""Following a run: its progress, and which Step or Sidecar wrote each line of output.

- No I/O and no clock. `Follower` takes the coordinator's events and the containers' output in the order in which they
  were read, and returns what is to be shown, in the order in which it should be.
- Secrets are masked here, where output and events enter the runner: nothing behind it has them (``masking``).
- What a container writes belongs to the Step in it that started last, unless it is fed as the late output of another.
  Late output counts among the last lines of its Step, if that failed.

What is left to others: what the events say of the Tasks (``schemas.run_progress``), reading the streams (``run``),
showing what comes out (``display``), what is said once the run is over (``summary``).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from monopod.runner.follow.lines import LineSplitter
from monopod.runner.follow.ordered import Ordered, Output, Start
from monopod.runner.masking.masked import masked_event
from monopod.runner.masking.masks import Masks
from monopod.schemas import plan as planned
from monopod.schemas.formats.words import describe_missing_program, describe_out_of_memory
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.run_events import (
    MatrixExpanded,
    OutputEnded,
    RunEvent,
    RunFinished,
    SidecarFinished,
    StepFinished,
    StepHeld,
    StepStarted,
    TaskStarted,
)
from monopod.schemas.run_progress import NOT_FAILURES, RunProgress, SidecarRun, StepRun, TaskState

LAST_LINES = 20
"""How many lines of a failed Step are repeated at the end."""
LONGEST_LAST_LINE = 2000
"""How many characters of each of them."""


@dataclass(frozen=True, slots=True)
class OutputLines:
    """Lines that a Step or Sidecar wrote. ``task`` is the label of the Task instance.

    ``text`` has one line or several, joined by newlines: what is done once per text, not per line, keeps up with a Step
    that writes a million lines.
    """

    task: str
    step: str
    text: str


Shown: TypeAlias = OutputLines | RunEvent
"""What displays show."""


@dataclass(slots=True)
class _Source:
    """A Step or Sidecar in its container, with the end of its output that is not a whole line yet."""

    task: str
    step: str
    masks: Masks
    splitters: dict[str, LineSplitter] = dataclasses.field(default_factory=dict)
    last_lines: deque[str] = dataclasses.field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def lines(self, data: bytes, stream: str) -> list[OutputLines]:
        splitter = self.splitters.get(stream)
        if splitter is None:
            splitter = self.splitters[stream] = LineSplitter(masks=self.masks)
        return self._attribute(splitter.feed_text(data))

    def rest(self) -> list[OutputLines]:
        """Return the last line of each stream, which has no newline."""
        lines = [line for splitter in self.splitters.values() for line in splitter.finish()]
        return self._attribute("\n".join(lines) if lines else None)

    def _attribute(self, text: str | None) -> list[OutputLines]:
        if text is None:
            return []
        text = self.masks.mask_output(text)
        self.last_lines.extend(line[:LONGEST_LAST_LINE] for line in text.rsplit("\n", LAST_LINES)[-LAST_LINES:])
        return [OutputLines(self.task, self.step, text)]


class Follower:
    """Follows one run of a Plan.

    ``memory_limits`` are the enforced memory limits of its containers, ``unused_images`` the images that its backend
    ignores. Both are known to the runner only, and complete the messages of Steps. ``masks`` are its secrets.
    """

    def __init__(
        self,
        plan: planned.Plan,
        memory_limits: Mapping[str, str] | None = None,
        unused_images: Mapping[str, str] | None = None,
        masks: Masks | None = None,
    ) -> None:
        self.plan = plan
        self.masks = Masks() if masks is None else masks
        """The secrets of the run: what `take` returns is without them."""
        self.activity = ""
        """What is done before the run starts, for people."""
        self.progress = RunProgress(plan)
        self._memory_limits = memory_limits or {}
        self._unused_images = unused_images or {}
        self._containers: dict[str, _Source] = {}
        self._slots: dict[str, tuple[str, ...]] = {}  # the Sidecars' containers of each slot
        self._numbers: dict[str, dict[str, int | None]] = {}  # by path and container: its only combination
        self._late: dict[tuple[str, str, int | None, int], tuple[Start, _Source]] = {}
        self._last_lines: dict[_Key, tuple[str, ...]] = {}
        self._longest_planned = 0
        for planned_task in planned.runnable_tasks(plan.pipeline):
            self._add_containers(planned_task.path, planned_task.task)

    def _add_containers(self, path: str, task: planned.Task) -> None:
        for number, slot in enumerate(task.slots):
            pinned = number if task.matrix is not None and task.matrix.pinned else None
            for container, step in zip(slot.containers, task.steps, strict=False):  # a shared container has several
                self._containers[container] = _Source(self.label(path, pinned), step.name, self.masks)
                self._longest_planned = max(self._longest_planned, len(f"{self.label(path, pinned)} {step.name}"))
            for container, sidecar in zip(slot.sidecars, task.sidecars, strict=False):
                self._containers[container] = _Source(self.label(path, pinned), sidecar.step.name, self.masks)
            self._slots[slot.name] = slot.sidecars
            containers = dict.fromkeys((*slot.containers, *slot.sidecars), pinned)
            self._numbers.setdefault(path, {}).update(containers)

    @property
    def name(self) -> str:
        """The name of the run; empty until it has started."""
        return self.progress.name

    @property
    def started(self) -> float | None:
        """When the run started."""
        return self.progress.started

    @property
    def finished(self) -> RunFinished | None:
        """How the run ended, as the coordinator reported it."""
        return self.progress.finished

    @property
    def names(self) -> InstanceNames:
        """The names of the matrix combinations."""
        return self.progress.names

    @property
    def tasks(self) -> tuple[TaskState, ...]:
        """Every Task instance, in the order of the Pipeline, finally Tasks last."""
        return self.progress.tasks

    def label(self, path: str, index: int | None) -> str:
        """Return what a person calls a Task instance: ``build``, or ``build[go=1.22]`` for one of a matrix."""
        return self.progress.label(path, index)

    @property
    def longest_source(self) -> int:
        """How long the longest pair of a Task's label and a Step's name is, with a blank between them."""
        now = (len(f"{source.task} {source.step}") for source in self._containers.values())
        return max(self._longest_planned, *now, 0)

    def last_lines(self, task: TaskState, ran: StepRun | SidecarRun) -> tuple[str, ...]:
        """Return the last lines of a Step that failed in the latest attempt of `task`, or of a Sidecar that ended."""
        return self._last_lines.get((task.path, task.index, task.attempt, ran.container, ran.name), ())

    def running_containers(self, task: TaskState) -> tuple[str, ...]:
        """Return the containers of the running Steps of `task`, and of its Sidecars while it runs."""
        if task.status != "Running":
            return ()
        return (*(step.container for step in task.running_steps), *self._slots.get(task.slot, ()))

    def take(self, ordered: Ordered) -> list[Shown]:
        """Take the next event or output of the run; return what to show."""
        if not isinstance(ordered, Output):
            return self.event(ordered)
        if ordered.late is None:
            return list(self.output(ordered.container, ordered.data, ordered.stream))
        return list(self._late_output(ordered, ordered.late))

    def output(self, container: str, data: bytes, stream: str = "stdout") -> list[OutputLines]:
        """Take output of a container; return the lines to show now."""
        source = self._containers.get(container)
        if source is None:
            source = self._containers[container] = _Source(container, "", self.masks)
        return source.lines(data, stream)

    def _late_output(self, output: Output, start: Start) -> list[OutputLines]:
        """Take output of a Step or Sidecar that comes after its end or after the start of the next one."""
        key = (output.container, start.task, start.index, start.attempt)
        if key not in self._late:
            step = start.step if isinstance(start, StepStarted) else self._containers[output.container].step
            self._late[key] = start, _Source(self.label(start.task, start.index), step, self.masks)
            self._late[key][1].last_lines.extend(self._last_lines.get(_key(start, output.container, step), ()))
        source = self._late[key][1]
        return self._keep_late(start, source, source.lines(output.data, output.stream))

    def event(self, event: RunEvent) -> list[Shown]:
        """Take an event of the run; return the lines that precede it, and the event."""
        event = masked_event(event, self.masks)
        if isinstance(event, OutputEnded):
            return list(self._containers[event.container].rest())
        if isinstance(event, StepFinished | SidecarFinished):
            event = self._explain(event)
        before = self._end_source(event)
        self.progress.apply(event)
        match event:
            case MatrixExpanded():
                self._expand(event)
            case TaskStarted():
                self._attribute_sidecars(event)
            case StepStarted():
                self._attribute_step(event)
            case _:
                pass
        return [*before, event]

    def _end_source(self, event: RunEvent) -> list[OutputLines]:
        """Return the unfinished lines of what has ended, and keep the last lines of a Sidecar or a failed Step."""
        match event:
            case StepFinished():
                source = self._source(event, event.step)
                lines = source.rest()
                has_run = (source.task, source.step) == (self.label(event.task, event.index), event.step)
                if has_run and event.reason not in NOT_FAILURES:
                    self._last_lines[_key(event, event.container, event.step)] = tuple(source.last_lines)
            case StepHeld(has_failed=True):
                lines = self._source(event, event.step).rest()
            case SidecarFinished():
                source = self._source(event, event.sidecar)
                lines = source.rest()
                self._last_lines[_key(event, event.container, event.sidecar)] = tuple(source.last_lines)
            case RunFinished():
                lines = self.end()
            case _:
                lines = []
        return lines

    def _source(self, event: StepFinished | StepHeld | SidecarFinished, name: str) -> _Source:
        source = _Source(self.label(event.task, event.index), name, self.masks)
        return self._containers.setdefault(event.container, source)

    def end(self) -> list[OutputLines]:
        """Return the last lines, which have no newline, since no more output will come."""
        lines = [line for source in self._containers.values() for line in source.rest()]
        for start, source in self._late.values():
            lines += self._keep_late(start, source, source.rest())
        return lines

    def _expand(self, event: MatrixExpanded) -> None:
        """Attribute the output of a matrix's containers to its combinations."""
        labels = [self.label(event.task, index) for index in range(len(event.names))]
        longest = max(labels, key=len, default=event.task)
        for container, number in self._numbers.get(event.task, {}).items():
            is_pinned = number is not None and number < len(labels)
            self._containers[container].task = labels[number or 0] if is_pinned else longest

    def _attribute_sidecars(self, event: TaskStarted) -> None:
        for container in self._slots.get(event.slot, ()):
            self._containers[container].task = self.label(event.task, event.index)
            self._containers[container].last_lines.clear()

    def _attribute_step(self, event: StepStarted) -> None:
        source = self._containers.setdefault(event.container, _Source("", "", self.masks))
        source.task, source.step = self.label(event.task, event.index), event.step
        source.last_lines.clear()

    def _explain(self, event: StepFinished | SidecarFinished) -> StepFinished | SidecarFinished:
        """Return the end of a Step or Sidecar with what the coordinator does not know: its memory limit, its image."""
        if event.reason == "OOMKilled":
            return event._replace(message=describe_out_of_memory(self._memory_limits.get(event.container, "")))
        if event.exit_code == 127 and event.reason in ("Error", "Continued") and event.container in self._unused_images:
            words = describe_missing_program(event.message, self._unused_images[event.container])
            return event._replace(message=words)
        return event

    def _keep_late(self, start: Start, source: _Source, lines: list[OutputLines]) -> list[OutputLines]:
        """Return late `lines`; if the Step that wrote them failed, keep them among its last lines."""
        if lines and isinstance(start, StepStarted):
            key = _key(start, start.container, start.step)
            if key in self._last_lines:
                self._last_lines[key] = tuple(source.last_lines)
        return lines


_Key: TypeAlias = tuple[str, int | None, int, str, str]


def _key(event: Start | StepFinished | SidecarFinished, container: str, name: str) -> _Key:
    """Return the key of a Step or Sidecar in its attempt."""
    return event.task, event.index, event.attempt, container, name


class ReplayingFollower(Follower):
    """Follows a run through what the Follower of another process has returned: lines with their source, and events."""

    def __init__(self, plan: planned.Plan) -> None:
        super().__init__(plan)
        self._written: defaultdict[tuple[str, str], deque[str]] = defaultdict(lambda: deque(maxlen=LAST_LINES))
        self._failed: dict[tuple[str, str], _Key] = {}

    def take_shown(self, shown: Shown) -> None:
        """Take what was shown next."""
        if isinstance(shown, OutputLines):
            source = shown.task, shown.step
            lines = shown.text.rsplit("\n", LAST_LINES)[-LAST_LINES:]
            self._written[source].extend(line[:LONGEST_LAST_LINE] for line in lines)
            if source in self._failed:
                self._last_lines[self._failed[source]] = tuple(self._written[source])
            return
        self.progress.apply(shown)
        match shown:
            case MatrixExpanded():
                self._expand(shown)
            case StepStarted():
                source = self.label(shown.task, shown.index), shown.step
                self._written.pop(source, None)
                self._failed.pop(source, None)
            case StepFinished() if shown.reason not in NOT_FAILURES:
                self._keep_last_lines(_key(shown, shown.container, shown.step))
            case SidecarFinished():
                self._keep_last_lines(_key(shown, shown.container, shown.sidecar))
            case _:
                pass

    def _keep_last_lines(self, key: _Key) -> None:
        path, index, _, _, name = key
        source = self.label(path, index), name
        self._failed[source] = key
        self._last_lines[key] = tuple(self._written[source])
