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
  not complete: the rest is read again, until `MOST_READS` in a row bring nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

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

MOST_READS = 20
"""How often in a row a log without its end mark is read again, for about 17 s: a busy node writes logs late."""


@dataclass(slots=True)
class _Log:
    """What is known of the log of one container. Its lives are counted from 1.

    ``awaited``: it is to be read once its container runs, which was restarted this often before.
    ``life``: the one whose log is read. ``life_read``: the last one that was read to its end before a restart.
    ``life_reported``: by the coordinator. ``has_terminated``: nothing more runs in it (never the coordinator).
    ``has_ended``: it was read to what looks like its end. ``is_final``: it cannot be read any further.
    ``end``: the mark of the latest request, once that has ended. ``last_line``: without a newline, after its end.
    ``reads_again``: how often in a row the rest was read again without anything new.
    """

    container: str
    awaited: int | None = None
    is_open: bool = False
    life: int = 1
    life_read: int = 0
    life_reported: int = 1
    has_terminated: bool = False
    has_ended: bool = False
    is_final: bool = False
    catch_ups: int = 0
    caught_up: int = 0
    marks: MarksSeen = field(default_factory=MarksSeen)
    end: bytes | None = None
    is_reported_incomplete: bool = False
    last_line: bytes = b""
    reads_again: int = 0

    @property
    def is_coordinators(self) -> bool:
        return self.container == COORDINATOR

    @property
    def has_mark(self) -> bool:
        """Whether the log up to the end of the latest request was read."""
        return bool(self.end and self.end in self.marks)

    @property
    def lacks_mark(self) -> bool:
        """Whether the log must hold more than was read."""
        if self.life < self.life_reported:
            return False  # kubelet has not reported the life in which it is
        return bool(self.end) and self.is_open and not self.has_mark

    def close(self) -> Iterator[Command]:
        if not self.has_ended:
            self.has_ended = True
            yield CloseLog(self.container)

    def report_last_line(self) -> Iterator[Command]:
        line, self.last_line = self.last_line, b""
        if line:
            yield Report(ContainerOutput(self.container, "stdout" if self.is_coordinators else BOTH, line))

    def is_complete(self, life: int | None, *, is_live: bool) -> bool:
        """Whether all wanted output has been read, or that of one life."""
        if self.awaited is not None:
            return False
        if life is not None and life < self.life:
            return self.life_read >= life
        if not self.is_open:
            return True
        if self.has_ended:
            return self.is_final or self.life >= (self.life_reported if life is None else life)
        return not is_live and self.caught_up >= self.catch_ups


class LogSet:
    """The logs of one Pod. `is_live`: they are read as they are written. `named` names a container in a message."""

    def __init__(self, named: Callable[[str], str], *, is_live: bool) -> None:
        self._named = named
        self._is_live = is_live
        self._is_over = False  # nothing more will run in any container
        self._logs: dict[str, _Log] = {}

    def _log(self, container: str) -> _Log:
        return self._logs.setdefault(container, _Log(container))

    def read(self, container: str, restarts: int, *, has_started: bool, has_terminated: bool) -> Iterator[Command]:
        """Begin to read a log, or read on; if it is followed and its container has not started, once that has."""
        log = self._log(container)
        log.end = None
        if not log.is_open and self._is_live and not has_started:
            log.awaited = restarts
            return
        yield from self._read(log, restarts, has_terminated=has_terminated)

    def read_awaited(self) -> Iterator[Command]:
        """Read the logs of all containers that are not known to run: nobody reports any more whether they do."""
        for log in tuple(self._logs.values()):
            if log.awaited is not None:
                yield from self._read(log, log.awaited, has_terminated=False)

    def _read(self, log: _Log, restarts: int, *, has_terminated: bool) -> Iterator[Command]:
        log.awaited = None
        if not log.is_open:
            log.is_open = True
            log.life = restarts + 1
            yield OpenLog(log.container, restarts)
            if has_terminated and not log.is_coordinators:
                yield EndLog(log.container, is_over=True)
        if self._is_live:
            yield FollowLog(log.container)
        else:
            log.catch_ups += 1
            yield CatchUp(log.container)

    def container_changed(
        self, container: str, restarts: int, *, was_restarted: bool, has_terminated: bool
    ) -> Iterator[Command]:
        """Take that kubelet has started or restarted the container, or that it has terminated."""
        log = self._log(container)
        log.has_terminated = has_terminated and not log.is_coordinators
        is_unused = self._is_over and restarts >= log.life_reported
        if was_restarted and is_unused and not log.is_coordinators:
            return  # nothing has run in this life, which only ends
        if log.awaited is not None:
            yield from self._read(log, restarts, has_terminated=has_terminated)
        elif log.is_open:
            if was_restarted:
                yield from self._restart(log, restarts + 1)
            else:
                yield RetryLog(container)
            if log.has_terminated:
                yield from self._end(log, is_over=True)

    def _restart(self, log: _Log, life: int) -> Iterator[Command]:
        """Read the log of a further life, after the rest of the log before it."""
        if log.has_ended:
            log.life_read = log.life
            log.has_ended = log.is_final = False
            log.reads_again = 0
            yield from log.report_last_line()
            yield OpenLog(log.container, 0)
            yield FollowLog(log.container)
        else:
            yield ContinueLog(log.container)
        log.life = life
        if self._is_over and not log.is_coordinators:
            yield from self._end(log, is_over=False)

    def restarted(self, container: str, life: int) -> None:
        """Take that the coordinator has reported a further life of a container."""
        self._log(container).life_reported = life

    def end(self, *, is_pod_over: bool, has_outcome: bool) -> Iterator[Command]:
        """Read all logs to their end: the outcome is known, or the Pod is over."""
        self._is_over = True
        for log in tuple(self._logs.values()):
            if not log.is_open:
                continue
            if is_pod_over or not log.is_coordinators:
                yield from self._end(log, is_over=is_pod_over or log.has_terminated)
            elif has_outcome:
                yield CloseLog(log.container)
        if is_pod_over:
            yield from self.read_awaited()

    def _end(self, log: _Log, *, is_over: bool) -> Iterator[Command]:
        """Read the log of a container in which nothing more runs to its end, which may be there or on its way."""
        if log.has_mark:
            yield from log.close()
        elif is_over or not log.end:
            yield EndLog(log.container, is_over=is_over)

    def end_soon(self) -> Iterator[Command]:
        """Read what is open: the Pod is gone."""
        for log in self._logs.values():
            if log.awaited is not None:
                log.awaited = None
                log.has_ended = True
        return (EndLogSoon(log.container) for log in self._logs.values() if log.is_open)

    def give_up(self, container: str) -> Iterator[Command]:
        """Stop waiting for the log of a container that has not started."""
        log = self._log(container)
        log.awaited = None
        if log.is_open and not log.is_coordinators and not log.has_ended:
            log.is_final = True
            yield from log.close()

    def output(self, container: str, data: bytes) -> Iterator[Command]:
        """Take output of a container."""
        log = self._log(container)
        log.marks.feed(data)
        log.reads_again = 0
        if (self._is_over or log.has_terminated) and log.has_mark:
            yield from log.close()

    def request_ended(self, container: str, mark: bytes) -> Iterator[Command]:
        """Take that the latest request in a container has ended, and its output with this mark (empty: without one)."""
        log = self._log(container)
        log.end = mark
        yield from self._complete(log)

    def unreadable(self, container: str) -> None:
        """Take that a log cannot be read any more, which was reported."""
        self._log(container).is_reported_incomplete = True

    def ended(self, container: str, last_line: bytes = b"", *, is_final: bool) -> Iterator[Command]:
        """Take that a log was read to what looks like its end, where it has a `last_line` without a newline.

        `is_final`: no more of it can be read.
        """
        log = self._log(container)
        log.has_ended = True
        log.last_line = last_line
        log.is_final = log.is_final or is_final
        yield from self._complete(log)

    def read_again(self, container: str) -> Iterator[Command]:
        """Read the rest of a log that has ended too early, if that may bring more."""
        return self._read_again(self._log(container))

    def _read_again(self, log: _Log) -> Iterator[Command]:
        if not log.is_final and log.reads_again < MOST_READS:
            log.reads_again += 1
            log.has_ended = False
            log.last_line = b""  # it may be the beginning of a line
            yield ReadLogAgain(log.container)

    def last_lines(self) -> Iterator[Command]:
        """Report what is left: no log is read any more."""
        for log in tuple(self._logs.values()):
            yield from log.report_last_line()

    def _complete(self, log: _Log) -> Iterator[Command]:
        """Read a log again that has ended before its known end. Warn if that has not helped."""
        if not log.has_ended:
            return
        if log.lacks_mark:
            if further := list(self._read_again(log)):
                yield from further
                return
            if not log.is_reported_incomplete:
                log.is_reported_incomplete = True
                text = f"the output of {self._named(log.container)} is incomplete: its log ends too early"
                yield Report(PodWarning(text))
        if log.end is not None or log.is_final:
            yield from log.report_last_line()

    def caught_up(self, container: str, number: int) -> None:
        """Take that a catch-up is done."""
        self._log(container).caught_up = number

    def is_complete(self, container: str, life: int | None = None) -> bool:
        """Return whether all wanted output of a container has been read, or that of one of its lives."""
        return self._log(container).is_complete(life, is_live=self._is_live)

    def is_finite(self, container: str) -> bool:
        """Return whether the wanted rest of a log has a known end, however much else is written to it."""
        log = self._log(container)
        return log.has_terminated or log.lacks_mark

    def incomplete(self) -> list[str]:
        """Return the containers that may have more output."""
        return sorted(each for each in self._logs if not self.is_complete(each))
