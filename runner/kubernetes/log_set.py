"""Which logs of a Pod are read, and which of them have been read to the end. Pure.

Rules:

- A followed run reads logs as they are written. Otherwise each log is read once, up to where it is now.
- The log of a container that has terminated is read to its end.
- The coordinator's log ends with the Pod, since the coordinator may be restarted; or with the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monopod.compiler.pod.assembly import COORDINATOR
from monopod.runner.kubernetes.commands import (
    CatchUp,
    CloseLog,
    Command,
    ContinueLog,
    EndLog,
    EndLogSoon,
    FollowLog,
    OpenLog,
    RetryLog,
)


class LogSet:
    """The logs of one Pod. `is_live`: they are read as they are written."""

    def __init__(self, *, is_live: bool) -> None:
        self._is_live = is_live
        self._opened: dict[str, None] = {}  # in this order
        self._ended: set[str] = set()
        self._catch_ups: dict[str, int] = {}  # requested
        self._caught_up: dict[str, int] = {}  # done

    def read(self, container: str, restarts: int, *, has_terminated: bool) -> Iterator[Command]:
        """Begin to read a log, or read on."""
        if container not in self._opened:
            self._opened[container] = None
            yield OpenLog(container, restarts)
            if has_terminated and container != COORDINATOR:
                yield EndLog(container, is_over=True)
        if self._is_live:
            yield FollowLog(container)
        else:
            self._catch_ups[container] = self._catch_ups.get(container, 0) + 1
            yield CatchUp(container)

    def container_changed(self, container: str, *, was_restarted: bool, has_terminated: bool) -> Iterator[Command]:
        """Take that kubelet has started or restarted the container, or that it has terminated."""
        if container not in self._opened:
            return
        yield ContinueLog(container) if was_restarted else RetryLog(container)
        if has_terminated and container != COORDINATOR:
            yield EndLog(container, is_over=True)

    def end(self, terminated: Iterable[str], *, is_pod_over: bool, has_outcome: bool) -> Iterator[Command]:
        """Read all logs to their end: the outcome is known, or the Pod is over."""
        for container in self._opened:
            if container != COORDINATOR or is_pod_over:
                yield EndLog(container, is_over=is_pod_over or container in terminated)
            elif has_outcome:
                yield CloseLog(container)

    def end_soon(self) -> Iterator[Command]:
        """Read what is open: the Pod is gone."""
        return (EndLogSoon(container) for container in self._opened)

    def give_up(self, container: str) -> Iterator[Command]:
        """Stop waiting for the log of a container that has not started."""
        if container in self._opened and container != COORDINATOR and container not in self._ended:
            self._ended.add(container)
            yield CloseLog(container)

    def ended(self, container: str) -> None:
        """Take that a log has been read to its end."""
        self._ended.add(container)

    def caught_up(self, container: str, number: int) -> None:
        """Take that a catch-up is done."""
        self._caught_up[container] = number

    def is_complete(self, container: str) -> bool:
        """Return whether all wanted output of a container has been read."""
        if container not in self._opened or container in self._ended:
            return True
        return not self._is_live and self._caught_up.get(container, 0) >= self._catch_ups[container]

    def incomplete(self) -> list[str]:
        """Return the containers that may have more output."""
        return sorted(container for container in self._opened if not self.is_complete(container))
