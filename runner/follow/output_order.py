"""Whose output is whose, and in which order output and events are shown: the same for all backends.

A run is read from several streams: the coordinator's events, and the output of each container. Nothing is known of how
fast each one is. The rules:

- What a container writes is cut at the marks of its requests (``output_marks``): everything between two true marks
  belongs to one request. The token of a true mark comes with the event of the end. What looks like a mark before that
  is held, with all that follows it in its stream, until the end is known (``held_output``).
- Output can be shown a little at a time, so that reading does not wait for it. What is left is held, too.
- Events come in the order of their reports. The start of a request comes before its output. Its end waits until
  its output is complete, up to the mark, and all events behind that wait too; the output of other requests does not.
- The entrypoint writes the title of a request, which its start reports, before the program can write anything. So the
  first title in the output of a request is removed. What looks like it after that was written by the Step.
- After `PATIENCE`, a warning says so, and what waited is shown. Output that comes later is still shown as that
  of the request that wrote it.
- Marks are in standard output: a container with marks has joined its streams (docs/control-directory.md, "Marks").
- A request without a mark ends with the output of its container, since nothing runs in it any more.
- A container that is restarted continues in a further life, whose output begins with a mark. What comes before that
  mark was written by the request that was killed in the life before.
- A coordinator that is older than marks asks for none. What has come by a reported end then counts as that request's,
  and nobody waits for long.

Pure, except for output that is held on disk. What is left to others: reading the streams (the backends), what lines and
events mean (``follower``).
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from monopod.runner.follow.held_output import HeldOutput
from monopod.runner.follow.ordered import Ordered, Output, Start
from monopod.runner.follow.output_marks import LENGTH, find, find_true, mark, without_last_mark
from monopod.runner.follow.pod_events import BOTH, ContainerOutput
from monopod.schemas import plan as planned
from monopod.schemas.matrix_names import InstanceNames
from monopod.schemas.run_events import (
    ContainerRestarted,
    OutputEnded,
    RunEvent,
    RunWarning,
    SidecarStarted,
    StepFinished,
    StepHeld,
    StepStarted,
)

PATIENCE = 10.0
"""Seconds without any output of a request for which its end waits for the rest."""
_PATIENCE_WITHOUT_MARKS = 2.0
_SECONDS_BETWEEN_LOOKS = 0.05
"""Not all backends report the end of a container."""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a request's output: the mark, empty if it wrote nothing, None if its container ends with it.

    ``life`` is the life of the container in which it ran.
    """

    mark: bytes | None
    life: int = 1


@dataclass(slots=True)
class _Stream:
    """One stream of a container. ``waiting`` begins with output of request number ``request``.

    ``untitled``: the first request whose title was not removed.
    """

    name: str
    waiting: HeldOutput = field(default_factory=HeldOutput)
    request: int = 0
    untitled: int = 0
    holds: bool = False  # it begins with what may be a mark


@dataclass(slots=True)
class _Container:
    """A container. Its requests are numbered from 0. ``restarts``: it is restarted if it is killed."""

    name: str
    restarts: bool = False
    life: int = 1
    streams: dict[str, _Stream] = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)  # reported so far
    begun: int = 0  # how many starts were shown
    ended: int = 0  # how many ends were shown
    ends: dict[int, _End] = field(default_factory=dict)
    last_output: float = 0

    def is_open(self, end: _End | None) -> bool:
        """Return whether the mark at which a request ends is not known, though there may be one."""
        return end is None or (end.mark is None and self.restarts)


@dataclass(slots=True)
class _Waiting:
    """An event in the queue, with the start and the end that it is."""

    event: RunEvent
    starts: _Container | None = None
    ends: tuple[_Container, int] | None = None
    since: float | None = None  # it is the first of the queue


class OutputOrder:
    """Puts the output and the events of one run of a Plan in order.

    ``drain`` returns whether a life of a container has ended and all of its output was given to `output`
    (`RunningPod.drain`).
    """

    def __init__(self, plan: planned.Plan, drain: Callable[[str, int], bool]) -> None:
        self._drain = drain
        slots = [slot for planned_task in planned.walk(plan.pipeline) for slot in planned_task.task.slots]
        restarting = {name for slot in slots if slot.restarts for name in slot.all_containers}
        self._containers = {
            name: _Container(name, name in restarting) for slot in slots for name in slot.all_containers
        }
        self._queue: deque[_Waiting] = deque()
        self._touched: dict[str, _Container] = {}  # whose output may be shown
        self._at_once: deque[Ordered] = deque()  # nothing is before it
        self._room = math.inf  # bytes of output that `take` may still yield
        self._is_over = False
        self._names = InstanceNames()

    # What comes in

    def event(self, event: RunEvent) -> None:
        """Take an event that the coordinator reported."""
        self._names.note(event)
        match event:
            case StepStarted(container=name) | SidecarStarted(container=name):
                waiting = _Waiting(event, self._started(event, self._container(name)))
            case (
                StepFinished(container=name, mark=token)
                | OutputEnded(container=name, mark=token)
                | StepHeld(container=name, has_failed=True, mark=token)
            ):
                waiting = _Waiting(event, ends=self._ended(event, self._container(name), token))
            case ContainerRestarted(container=name):
                waiting = _Waiting(event, self._restarted(event, self._container(name)))
            case _:
                waiting = _Waiting(event)
        self._queue.append(waiting)

    def output(self, output: ContainerOutput, now: float) -> None:
        """Take what a container wrote. Raises OSError if the disk is full: call `take`, then try again."""
        container = self._containers.get(output.container)
        if container is None:  # the coordinator's own, or an unknown container
            self._at_once.append(Output(output.container, output.data, stream=output.stream))
            return
        stream = container.streams.get(output.stream)
        if stream is None:
            stream = container.streams[output.stream] = _Stream(output.stream)
        container.last_output = now
        self._touched[container.name] = container
        try:
            stream.waiting.append(output.data)
        except OSError as error:
            if _can_be_shown(container, stream):
                raise
            text = f"output of container '{container.name}' is lost: it cannot be kept on the disk: {error.strerror}"
            self._at_once.append(RunWarning(now, text))

    def _container(self, name: str) -> _Container:
        return self._containers.setdefault(name, _Container(name))

    def _started(self, event: Start, container: _Container) -> _Container | None:
        """Note the start of a request in a container, unless a new coordinator only repeats it."""
        if container.starts and _is_same(container.starts[-1], event):
            return None
        if container.starts:  # without a report of its end no output is known
            container.ends.setdefault(len(container.starts) - 1, _End(b""))
        container.starts.append(event)
        return container

    def _ended(
        self, event: StepFinished | StepHeld | OutputEnded, container: _Container, token: str | None
    ) -> tuple[_Container, int] | None:
        """Note the end of the latest request of a container; return which one it is, if it had begun."""
        number = len(container.starts) - 1
        if number < 0 or number in container.ends:
            return None
        if isinstance(event, StepFinished | StepHeld) and not _is_same(container.starts[-1], event):
            return None  # of a Step that never began
        container.ends[number] = _End(None if token is None else mark(token) if token else b"", container.life)
        self._touched[container.name] = container
        return container, number

    def _restarted(self, event: ContainerRestarted, container: _Container) -> _Container | None:
        """Note where the output of a further life begins: the request that was killed before ends there.

        If none was, the mark is taken for the end of a request that has written nothing.
        """
        if event.life <= container.life:  # a new coordinator repeats it
            return None
        end, container.life = _End(mark(event.mark) if event.mark else b"", container.life), event.life
        self._touched[container.name] = container
        number = next(number for number in itertools.count() if number not in container.ends)
        if number and container.ends[number - 1].mark is None:
            container.ends[number - 1] = end
            return None
        before = container.starts[number - 1] if number else SidecarStarted(event.at, "", None, 0, "", container.name)
        container.starts.insert(number, before._replace(title=""))
        container.ends[number] = end
        return container

    # What comes out

    def take(self, now: float, most: float = math.inf) -> Iterator[Ordered]:
        """Yield what is to be shown now: of output about `most` bytes; the rest of it is the `backlog`."""
        self._room = most
        while True:
            while self._at_once:
                yield self._at_once.popleft()
            yield from self._current_output()
            if not self._queue:
                return
            first = self._queue[0]
            if first.ends is not None and first.ends[0].name in self._touched:
                first.since = None
                return  # its output comes first
            if first.since is None:
                first.since = now
            if first.ends is not None and not self._is_complete(*first.ends):
                if not self._is_over and now < self._deadline(first):
                    return
                if not self._is_over and _is_marked(*first.ends):
                    what = self._named(first.event)
                    yield RunWarning(now, f"the output of {what} is not complete yet; what is missing may come later")
            self._queue.popleft()
            yield from self._shown(first)

    @property
    def backlog(self) -> int:
        """How many bytes of output could be shown and were not."""
        return sum(
            len(stream.waiting)
            for container in self._touched.values()
            for stream in container.streams.values()
            if _can_be_shown(container, stream)
        )

    def seconds_to_wait(self, now: float) -> float | None:
        """Return after how many seconds `take` may have more, though nothing has come; None: never."""
        if self._touched:
            return 0
        if not self._queue or (first := self._queue[0]).ends is None:
            return None
        container, number = first.ends
        left = max(0.0, self._deadline(first) - now)
        is_at_mark = container.ends[number].mark is not None and not container.restarts
        return left if is_at_mark else min(left, _SECONDS_BETWEEN_LOOKS)

    def end(self, now: float) -> Iterator[Ordered]:
        """Yield all that is left, since nothing more will come."""
        self._is_over = True
        yield from self.take(now)
        for container in self._containers.values():
            for stream in container.streams.values():
                stream.holds = False
                for data in filter(None, _left(stream, is_reported=stream.request in container.ends)):
                    yield self._of(container, stream, data)

    def close(self) -> None:
        """Forget what is held."""
        for container in self._containers.values():
            for stream in container.streams.values():
                stream.waiting.close()

    def _shown(self, waiting: _Waiting) -> Iterator[Ordered]:
        """Show an event of the queue, and take note that it was."""
        if waiting.ends is not None:
            container, number = waiting.ends
            container.ended = number + 1
            if container.ends[number].mark is None and not container.restarts:
                _go_past(container, number)
            self._touched[container.name] = container
        yield waiting.event
        if waiting.starts is not None:
            waiting.starts.begun += 1
            self._touched[waiting.starts.name] = waiting.starts

    def _named(self, event: RunEvent) -> str:
        if isinstance(event, StepFinished):
            return f"Step '{event.step}' of Task '{self._names.label(event.task, event.index)}'"
        return f"container '{event.container}'" if isinstance(event, OutputEnded) else "a Step"

    def _deadline(self, waiting: _Waiting) -> float:
        assert waiting.ends is not None
        patience = PATIENCE if _is_marked(*waiting.ends) else _PATIENCE_WITHOUT_MARKS
        return max(waiting.since or 0.0, waiting.ends[0].last_output) + patience

    def _is_complete(self, container: _Container, number: int) -> bool:
        end = container.ends[number]
        stream = container.streams.get(BOTH) or container.streams.get("stdout")
        is_past = stream is not None and stream.request > number
        return end.mark == b"" or is_past or self._drain(container.name, end.life)

    # Cutting

    def _current_output(self) -> Iterator[Output]:
        while self._touched and self._room > 0:
            name, container = next(iter(self._touched.items()))
            del self._touched[name]
            for stream in container.streams.values():
                yield from self._pumped(container, stream)
            if self._room <= 0:
                self._touched[name] = container  # after the others

    def _pumped(self, container: _Container, stream: _Stream) -> Iterator[Output]:
        """Yield what a stream has of requests that have begun, up to what may be a mark, without their titles.

        It stops after as many bytes as `take` may yield.
        """
        while stream.request < container.begun and self._room > 0:
            end = container.ends.get(stream.request)
            if end is not None and end.mark == b"":
                stream.request += 1
                continue
            is_open = container.is_open(end)
            if stream.holds and is_open:
                return
            stream.holds = False
            title = _awaited_title(container, stream)
            data = stream.waiting.take(max(LENGTH, len(title)))
            if not data:
                return
            start, what = _next_cut(data, title, None if is_open else end)
            if start:
                self._room -= start
                yield self._of(container, stream, data[:start])
            removed, is_incomplete = 0, False
            if what == "title":
                removed, stream.untitled = len(title), stream.request + 1
            elif what == "mark" and is_open:
                stream.holds = True
            elif what == "mark":
                removed, stream.request = LENGTH, stream.request + 1
            else:
                is_incomplete = start < len(data) and not len(stream.waiting)
            stream.waiting.push_back(data[start + removed :])
            if is_incomplete:
                return

    @staticmethod
    def _of(container: _Container, stream: _Stream, data: bytes) -> Output:
        number, late = stream.request, None
        if container.starts and not container.ended <= number < container.begun == number + 1:
            late = container.starts[min(number, len(container.starts) - 1)]
        return Output(container.name, data, late, stream.name)


def _can_be_shown(container: _Container, stream: _Stream) -> bool:
    """Return whether a stream waits only to be taken: it is known whose output it is."""
    return stream.request < container.begun and not stream.holds


def _left(stream: _Stream, *, is_reported: bool) -> Iterator[bytes]:
    """Yield the rest of a stream that has ended.

    A coordinator whose run has ended reports no further ends, such as the end of a Sidecar that is stopped with the
    last Task. A mark at the end of the stream then belongs to that request.
    """
    held = 0 if is_reported else LENGTH
    data = b""
    while piece := stream.waiting.take(1):
        data += piece
        yield data[: max(0, len(data) - held)]
        data = data[max(0, len(data) - held) :]
    yield data if is_reported else without_last_mark(data)


def _next_cut(data: bytes, title: bytes, end: _End | None) -> tuple[int, Literal["title", "mark", ""]]:
    """Return where the first title (unless empty) or mark begins, and which it is.

    Without an `end`, which is known, any mark may end the request. If what begins is not complete, or there is nothing
    (at the end of `data`), it is "".
    """
    if end is None:
        start, is_mark = find(data)
    else:
        start, is_mark = (len(data), False) if end.mark is None else find_true(data, end.mark)
    if title:
        title_start, is_title = find_true(data, title)
        if is_title and title_start < start:
            return title_start, "title"
        start = min(start, title_start)
    return start, "mark" if is_mark else ""


def _awaited_title(container: _Container, stream: _Stream) -> bytes:
    """Return the title that the current request of a stream begins with, unless it was removed."""
    if stream.untitled > stream.request or stream.name == "stderr":
        return b""
    return container.starts[stream.request].title.encode()


def _is_same(start: Start, event: Start | StepFinished | StepHeld) -> bool:
    """Whether an event is of the request that began so."""
    if (start.task, start.index, start.attempt) != (event.task, event.index, event.attempt):
        return False
    if isinstance(start, StepStarted):
        return not isinstance(event, SidecarStarted) and start.step == event.step
    return isinstance(event, SidecarStarted)


def _go_past(container: _Container, number: int) -> None:
    """Take that a request without a mark has written all that it will."""
    for stream in container.streams.values():
        if stream.request == number:
            stream.request += 1


def _is_marked(container: _Container, number: int) -> bool:
    start = container.starts[number]
    return isinstance(start, SidecarStarted) or start.is_marked
