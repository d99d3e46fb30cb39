"""In what order the lines of the coordinator and of the Steps are told, which come on streams of their own.

Rules:

- What the coordinator tells comes in its order. The end of a Step waits until what the Step wrote before is here
  (`caught_up`), so that its output comes before its end, as on this machine.
- A container may run several attempts, or combinations of a matrix, one after another. What it wrote since the next one
  started belongs to that one, by the times of the node.
- What comes late (the container runtime may be slower than the coordinator) is told when it comes, as the last Step's.
- With `end` everything is told that is still here.

Pure. What is left to others: reading the streams (``log_reader``), whose line is whose (``follow``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from monopod.compiler.pod import COORDINATOR
from monopod.runner.kubernetes.log_lines import LogLine
from monopod.runner.pod_events import ContainerOutput
from monopod.schemas.run_events import RunEvent, StepFinished, StepStarted


@dataclass(slots=True)
class _Waiting:
    """What the coordinator told. ``number`` is that of the catching-up that it waits for, if it waits."""

    data: bytes
    event: RunEvent | None
    number: int = 0


@dataclass(slots=True)
class _Source:
    """A container. ``boundaries`` says how many starts and ends of its Steps are waiting."""

    boundaries: int = 0
    is_live: bool = True
    caught_up: int = 0
    lines: deque[LogLine] = field(default_factory=deque)


class OutputOrder:
    """Puts lines in order. What is to be told comes out of `take`."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._sources: dict[str, _Source] = {}
        self._told: list[ContainerOutput] = []

    def coordinator(self, data: bytes, event: RunEvent | None, number: int = 0) -> None:
        """Take a line of the coordinator's, and the event in it if it is the start or end of a Step.

        The end of a Step waits for catching-up `number` of its container; 0: it does not.
        """
        if isinstance(event, StepStarted | StepFinished):
            self._source(event.container).boundaries += 1
        self._waiting.append(_Waiting(data, event, number))
        self._advance()

    def output(self, container: str, lines: Iterable[LogLine]) -> None:
        """Take what a container wrote."""
        source = self._source(container)
        source.lines.extend(lines)
        if source.is_live and not source.boundaries:
            self._tell(container, source)

    def caught_up(self, container: str, number: int) -> None:
        """Take that all is here that the container had written when that was asked for."""
        source = self._source(container)
        source.caught_up = max(source.caught_up, number)
        self._advance()

    def end(self) -> None:
        """Tell all that is here: nothing more will come."""
        for waiting in self._waiting:
            waiting.number = 0
        self._advance()
        for container, source in self._sources.items():
            self._tell(container, source)

    def take(self) -> list[ContainerOutput]:
        """Return what is to be told now."""
        told, self._told = self._told, []
        return told

    def _source(self, container: str) -> _Source:
        return self._sources.setdefault(container, _Source())

    def _advance(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first.event, StepFinished):
                if self._source(first.event.container).caught_up < first.number:
                    return
                self._finish(first.event.container)
            self._waiting.popleft()
            self._told.append(ContainerOutput(COORDINATOR, "stdout", first.data))
            if isinstance(first.event, StepStarted):
                self._start(first.event.container)

    def _start(self, container: str) -> None:
        source = self._source(container)
        source.boundaries -= 1
        source.is_live = True
        if not source.boundaries:
            self._tell(container, source)

    def _finish(self, container: str) -> None:
        source = self._source(container)
        source.boundaries -= 1
        next_start = self._next_start(container)
        self._tell(container, source, next_start)
        source.is_live = next_start is None  # what comes late is told when it comes

    def _next_start(self, container: str) -> float | None:
        for waiting in self._waiting:
            if isinstance(waiting.event, StepStarted) and waiting.event.container == container:
                return waiting.event.at
        return None

    def _tell(self, container: str, source: _Source, before: float | None = None) -> None:
        while source.lines and (before is None or source.lines[0].at < before):
            self._told.append(ContainerOutput(container, "stdout", source.lines.popleft().data))
