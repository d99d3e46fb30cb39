"""Which logs of a Pod are read, and which of them have been read to the end. Pure.

Rules:

- A followed run reads logs as they are written. Otherwise each log is read once, up to where it is now.
- The log of a followed run is requested once its container is known to run: before that, kubelet refuses.
- A log with its end mark is complete, once nothing more can run in its container. It is not requested again. So most
  containers need one request, and the others two.
- The log of another container that has terminated is read to its end.
- A restarted container has a new log. The log before it is read to its end first; if it was, another reader begins. The
  coordinator reports a restart about a second before kubelet does. Until then kubelet returns the log of the former
  life.
- The coordinator's log ends with the Pod, since the coordinator may be restarted; or with the outcome.
- A log can be cut in a way that looks like its end. A log without its end mark (docs/control-directory.md, "Marks") is
  not complete: the rest is read again, until `_MOST_READS` in a row bring nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.follow.marks_seen import MarksSeen
from monopod.runner.follow.pod_events import BOTH, ContainerOutput, PodWarning
from monopod.runner.kubernetes.commands import (
    CatchUp,
    CloseLog,
    Command,
    ContinueLog,
    EndLog,
    EndLogSoon,
    FollowLog,
    OpenLog,
    ReadLogAgain,
    Report,
    RetryLog,
)

_MOST_READS = 5
"""How often in a row a log without its end mark is read again."""


class LogSet:
    """The logs of one Pod. `is_live`: they are read as they are written. `named` names a container in a message."""

    def __init__(self, named: Callable[[str], str], *, is_live: bool) -> None:
        self._named = named
        self._is_live = is_live
        self._opened: dict[str, None] = {}  # in this order
        self._awaited: dict[str, int] = {}  # containers that do not run yet, and how often they were restarted
        self._terminated: set[str] = set()  # containers, except the coordinator: nothing more runs in them
        self._is_over = False  # nothing more will run in any of them
        self._ended: set[str] = set()
        self._final: set[str] = set()  # of these, logs that cannot be read any further
        self._lives: dict[str, int] = {}  # whose log is read
        self._read_lives: dict[str, int] = {}  # that were read to their end before the container was restarted
        self._reported_lives: dict[str, int] = {}  # by the coordinator
        self._catch_ups: dict[str, int] = {}  # requested
        self._caught_up: dict[str, int] = {}  # done
        self._marks: dict[str, MarksSeen] = {}
        self._ends: dict[str, bytes] = {}  # the mark of the latest request, once it has ended
        self._reported: set[str] = set()  # to be incomplete
        self._last_lines: dict[str, bytes] = {}  # without a newline, of logs that have ended
        self._reads_again: dict[str, int] = {}  # without anything new

    def read(self, container: str, restarts: int, *, has_started: bool, has_terminated: bool) -> Iterator[Command]:
        """Begin to read a log, or read on; if it is followed and its container has not started, once that has."""
        self._ends.pop(container, None)
        if container not in self._opened and self._is_live and not has_started:
            self._awaited[container] = restarts
            return
        yield from self._read(container, restarts, has_terminated=has_terminated)

    def read_awaited(self) -> Iterator[Command]:
        """Read the logs of all containers that are not known to run: nobody reports any more whether they do."""
        for container in list(self._awaited):
            yield from self._read(container, self._awaited.pop(container), has_terminated=False)

    def _read(self, container: str, restarts: int, *, has_terminated: bool) -> Iterator[Command]:
        if container not in self._opened:
            self._opened[container] = None
            self._lives[container] = restarts + 1
            yield OpenLog(container, restarts)
            if has_terminated and container != COORDINATOR:
                yield EndLog(container, is_over=True)
        if self._is_live:
            yield FollowLog(container)
        else:
            self._catch_ups[container] = self._catch_ups.get(container, 0) + 1
            yield CatchUp(container)

    def container_changed(
        self, container: str, restarts: int, *, was_restarted: bool, has_terminated: bool
    ) -> Iterator[Command]:
        """Take that kubelet has started or restarted the container, or that it has terminated."""
        self._terminated.discard(container)
        if has_terminated and container != COORDINATOR:
            self._terminated.add(container)
        is_unused = self._is_over and restarts >= self._reported_lives.get(container, 1)
        if was_restarted and is_unused and container != COORDINATOR:
            return  # nothing has run in this life, which only ends
        if container in self._awaited:
            del self._awaited[container]
            yield from self._read(container, restarts, has_terminated=has_terminated)
        elif container in self._opened:
            if was_restarted:
                yield from self._restart(container, restarts + 1)
            else:
                yield RetryLog(container)
            if has_terminated and container != COORDINATOR:
                yield from self._end(container, is_over=True)

    def _restart(self, container: str, life: int) -> Iterator[Command]:
        """Read the log of a further life, after the rest of the log before it."""
        if container in self._ended:
            self._read_lives[container] = self._lives[container]
            self._ended.remove(container)
            self._final.discard(container)
            self._reads_again.pop(container, None)
            yield from self._last_line(container)
            yield OpenLog(container, 0)
            yield FollowLog(container)
        else:
            yield ContinueLog(container)
        self._lives[container] = life
        if self._is_over and container != COORDINATOR:
            yield from self._end(container, is_over=False)

    def restarted(self, container: str, life: int) -> None:
        """Take that the coordinator has reported a further life of a container."""
        self._reported_lives[container] = life

    def end(self, *, is_pod_over: bool, has_outcome: bool) -> Iterator[Command]:
        """Read all logs to their end: the outcome is known, or the Pod is over."""
        self._is_over = True
        for container in self._opened:
            if container != COORDINATOR or is_pod_over:
                yield from self._end(container, is_over=is_pod_over or container in self._terminated)
            elif has_outcome:
                yield CloseLog(container)
        if is_pod_over:
            yield from self.read_awaited()

    def _end(self, container: str, *, is_over: bool) -> Iterator[Command]:
        """Read the log of a container in which nothing more runs to its end, which may be there or on its way."""
        if self._has_mark(container):
            yield from self._close_marked(container)
        elif is_over or not self._ends.get(container):
            yield EndLog(container, is_over=is_over)

    def _close_marked(self, container: str) -> Iterator[Command]:
        if container not in self._ended:
            self._ended.add(container)
            yield CloseLog(container)

    def end_soon(self) -> Iterator[Command]:
        """Read what is open: the Pod is gone."""
        self._ended.update(self._awaited)
        self._awaited.clear()
        return (EndLogSoon(container) for container in self._opened)

    def give_up(self, container: str) -> Iterator[Command]:
        """Stop waiting for the log of a container that has not started."""
        self._awaited.pop(container, None)
        if container in self._opened and container != COORDINATOR and container not in self._ended:
            self._ended.add(container)
            self._final.add(container)
            yield CloseLog(container)

    def output(self, container: str, data: bytes) -> Iterator[Command]:
        """Take output of a container."""
        self._marks.setdefault(container, MarksSeen()).feed(data)
        self._reads_again.pop(container, None)
        if (self._is_over or container in self._terminated) and self._has_mark(container):
            yield from self._close_marked(container)

    def request_ended(self, container: str, mark: bytes) -> Iterator[Command]:
        """Take that the latest request in a container has ended, and its output with this mark (empty: without one)."""
        self._ends[container] = mark
        yield from self._complete(container)

    def unreadable(self, container: str) -> None:
        """Take that a log cannot be read any more, which was reported."""
        self._reported.add(container)

    def ended(self, container: str, last_line: bytes = b"", *, is_final: bool) -> Iterator[Command]:
        """Take that a log was read to what looks like its end, where it has a `last_line` without a newline.

        `is_final`: no more of it can be read.
        """
        self._ended.add(container)
        self._last_lines[container] = last_line
        if is_final:
            self._final.add(container)
        yield from self._complete(container)

    def read_again(self, container: str) -> Iterator[Command]:
        """Read the rest of a log that has ended too early, if that may bring more."""
        reads = self._reads_again.get(container, 0)
        if container not in self._final and reads < _MOST_READS:
            self._reads_again[container] = reads + 1
            self._ended.discard(container)
            self._last_lines.pop(container, None)  # it may be the beginning of a line
            yield ReadLogAgain(container)

    def last_lines(self) -> Iterator[Command]:
        """Report what is left: no log is read any more."""
        for container in list(self._last_lines):
            yield from self._last_line(container)

    def _complete(self, container: str) -> Iterator[Command]:
        """Read a log again that has ended before its known end. Warn if that has not helped."""
        if container not in self._ended:
            return
        if self._lacks_mark(container):
            yield from self.read_again(container)
            if container not in self._ended:
                return
            if container not in self._reported:
                self._reported.add(container)
                text = f"the output of {self._named(container)} is incomplete: its log ends too early"
                yield Report(PodWarning(text))
        if container in self._ends or container in self._final:
            yield from self._last_line(container)

    def _lacks_mark(self, container: str) -> bool:
        if self._lives.get(container, 1) < self._reported_lives.get(container, 1):
            return False  # kubelet has not reported the life in which it is
        is_known = self._ends.get(container, b"") != b""
        return is_known and container in self._opened and not self._has_mark(container)

    def _has_mark(self, container: str) -> bool:
        """Whether the log up to the end of the latest request of a container was read."""
        mark = self._ends.get(container, b"")
        return mark != b"" and container in self._marks and mark in self._marks[container]

    def _last_line(self, container: str) -> Iterator[Command]:
        if line := self._last_lines.pop(container, b""):
            yield Report(ContainerOutput(container, "stdout" if container == COORDINATOR else BOTH, line))

    def caught_up(self, container: str, number: int) -> None:
        """Take that a catch-up is done."""
        self._caught_up[container] = number

    def is_complete(self, container: str, life: int | None = None) -> bool:
        """Return whether all wanted output of a container has been read, or that of one of its lives."""
        if container in self._awaited:
            return False
        current = self._lives.get(container, 1)
        if life is not None and life < current:
            return self._read_lives.get(container, 0) >= life
        if container not in self._opened:
            return True
        if container in self._ended:
            wanted = self._reported_lives.get(container, 1) if life is None else life
            return current >= wanted or container in self._final
        return not self._is_live and self._caught_up.get(container, 0) >= self._catch_ups[container]

    def incomplete(self) -> list[str]:
        """Return the containers that may have more output."""
        return sorted(each for each in (*self._opened, *self._awaited) if not self.is_complete(each))
