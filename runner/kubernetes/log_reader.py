"""Reading the log of one container, in a thread of its own, to its end and without losing or repeating a line.

Rules:

- It is followed while the container's Step runs. When that has ended, what the log holds is read once without
  following: then all of the Step's output is here, while a stream that is followed never tells how far it is.
- When the container has ended, the log is read to its end: that of a container which does not run ends by itself.
- A stream that ended is only believed if the container is known to have ended before it began; else it is resumed. An
  API server, a kubelet or a rotation that cuts a stream often ends it as if all was well.
- Kubelet does not answer a request to follow a log before there is a line in it, and nobody can end a request that has
  no answer. If something else is wanted meanwhile, another thread takes over, and the first one ends when it can.
- When kubelet has started the container again, the rest of the former one's log comes first.

What is left to others: which line was there before (``log_lines``), in what order it is shown (``output_order``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, PodName, Query, Stream, UnreachableError
from monopod.runner.kubernetes.log_lines import LONGEST_PIECE, LogLine, LogLines


@dataclass(frozen=True, slots=True)
class LogOutput:
    """A container wrote these lines."""

    container: str
    lines: list[LogLine]


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that the container's log held when this was asked for, as request `number`, has been told."""

    container: str
    number: int


@dataclass(frozen=True, slots=True)
class LogEnded:
    """No more of a container's log will come. ``problem`` tells why it may not be whole; empty: it is."""

    container: str
    problem: str = ""
    error: ApiError | None = None


LogMessage: TypeAlias = LogOutput | CaughtUp | LogEnded

_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_LONGEST_WAIT_FOR_MORE = 1.0
_MOST_FAILURES = 6
"""How often in a row the log of a container that has ended may fail to be read."""
_AT_THE_SAME_TIME = threading.BoundedSemaphore(32)
"""Requests that do not follow, of all containers: a Pod of 200 Steps must not make a crowd at the API server."""


class LogReader:
    """Reads one container's log and hands it over to `tell`, which any thread may call."""

    def __init__(
        self,
        cluster: Cluster,
        pod: PodName,
        container: str,
        tell: Callable[[LogMessage], None],
        *,
        longest: int = LONGEST_PIECE,
        restarts: int = 0,
    ) -> None:
        """Begin. ``restarts``: how often the container was started again before; the log before that comes first."""
        self.container = container
        self.has_ended = False
        """Whether the container was told to have ended."""
        self._cluster = cluster
        self._pod = pod
        self._tell = tell
        self._lines = LogLines(longest)
        self._changed = threading.Condition()
        self._stream: Stream | None = None
        self._is_unanswered = False  # a request to follow
        self._generation = 0  # of the thread that counts
        self._follows = False
        self._asked = 0
        self._answered = 0
        self._restarts = restarts
        self._is_over = False
        self._is_closed = False
        self._wait = _FIRST_WAIT
        self._failures = 0
        self._thread = self._started()

    def _started(self) -> threading.Thread:
        """Start the thread that counts from now on."""
        self._generation += 1
        name = f"log of {self.container}"
        thread = threading.Thread(target=self._run, args=[self._generation], name=name, daemon=True)
        thread.start()
        return thread

    def follow(self) -> None:
        """Read what the container writes as it comes, from now on."""
        with self._changed:
            self._follows = True
            self._changed.notify()

    def catch_up(self) -> int:
        """Read all that is there by now, and no more until `follow`; return the number that `CaughtUp` will have."""
        with self._changed:
            self._follows = False
            self._asked += 1
            self._interrupt()
            return self._asked

    def end(self, *, is_over: bool) -> None:
        """Read to the end of the log: the container has ended (`is_over`: so kubelet says), or is about to."""
        with self._changed:
            self._is_over = self._is_over or is_over
            if not self.has_ended:
                self.has_ended = True
                if is_over or self._asked == self._answered:  # else what is being read comes first
                    self._interrupt()

    def try_now(self) -> None:
        """Wait no longer before the next try: the container runs."""
        with self._changed:
            self._wait = _FIRST_WAIT
            self._changed.notify()

    def end_soon(self) -> None:
        """Read no more than what the stream has that is open now: the Pod is gone."""
        with self._changed:
            self._is_over = self.has_ended = True
            self._changed.notify()

    def restarted(self) -> None:
        """Take note that kubelet has started the container again, which begins a new log."""
        with self._changed:
            self._restarts += 1
            self._interrupt()

    def close(self) -> None:
        """Stop reading, whatever is left. Nothing more is told after the thread has noticed."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            if self._stream is not None:
                self._stream.cut()

    def join(self, seconds: float) -> None:
        """Wait for the thread, once it was closed, but not if it waits for an answer, and no longer than this."""
        if not self._is_unanswered:
            self._thread.join(seconds)

    def _interrupt(self) -> None:
        self._changed.notify_all()
        if self._stream is not None:
            self._stream.cut()
        elif self._is_unanswered:
            self._is_unanswered = False
            self._thread = self._started()

    # In the thread

    def _run(self, generation: int) -> None:
        while (order := self._next_order(generation)) is not None:
            problem = self._carry_out(order)
            if problem is None and order.is_last:
                self._report(self._lines.end())
                self._tell(LogEnded(self.container, "" if self._lines.since() else self._lines.remark))
                return
            if problem is None:
                self._answer(order)
            elif not self._is_superseded(order) and self._gives_up(order, problem):
                error = problem if isinstance(problem, ApiError) else None
                self._tell(LogEnded(self.container, error.in_words() if error else str(problem), error))
                return

    def _next_order(self, generation: int) -> _Order | None:
        """Wait until there is something to read; None: it was closed, or another thread has taken over."""
        with self._changed:
            while generation == self._generation and not self._is_closed:
                if self._follows or self.has_ended or self._asked > self._answered:
                    return self._wanted()
                self._changed.wait()
        return None

    def _gives_up(self, order: _Order, problem: Exception) -> bool:
        """Wait before the next try, or return that there should be none."""
        if isinstance(problem, ApiError):
            if problem.status == 403 or _is_gone(problem):
                return True
            if problem.status == 400 and order.number > self._answered:
                with self._changed:
                    self._follows = True  # it goes on as soon as kubelet knows of the container
                self._answer(order)
        is_counted = order.is_last or (isinstance(problem, ApiError) and problem.status == 401)
        if is_counted and not (_is_not_yet_there(problem) and not self._is_over):
            self._failures += 1
        if self._failures >= _MOST_FAILURES:
            return True
        self._pause(self._wait)
        self._wait = min(self._wait * 2, _LONGEST_WAIT if _is_outage(problem) else _LONGEST_WAIT_FOR_MORE)
        return False

    def _carry_out(self, order: _Order) -> Exception | None:
        """Read as is asked for; return what went wrong."""
        if order.restarts:
            problem = self._read([("previous", "true")], order)
            if isinstance(problem, UnreachableError):
                return problem  # another error: the former container's log is gone
            with self._changed:
                self._restarts -= order.restarts
                order = _Order(order.number, self._restarts, order.generation, is_last=order.is_last)
        follows = order.is_last or order.number == self._answered
        return self._read([("follow", "true")] if follows else [], order)

    def _read(self, query: Query, order: _Order) -> Exception | None:
        """Read one stream to its end; return what went wrong, and be it only that it should not have ended."""
        since = self._lines.since()
        fixed = [("container", self.container), ("timestamps", "true"), *([("sinceTime", since)] if since else [])]
        is_followed = ("follow", "true") in query
        begun = time.monotonic()
        try:
            with nullcontext() if is_followed else _AT_THE_SAME_TIME:
                self._await_answer(order, is_followed=is_followed)
                with self._cluster.stream(f"{self._pod.path}/log", [*fixed, *query]) as stream:
                    self._pump(stream, order)
        except (ApiError, UnreachableError) as error:
            return error
        finally:
            self._answer_came(order)
            if time.monotonic() - begun > _LONGEST_WAIT:
                self._wait = _FIRST_WAIT  # it was only quiet for long
        return StreamEndedError("the stream ended") if is_followed and not order.is_last else None

    def _await_answer(self, order: _Order, *, is_followed: bool) -> None:
        with self._changed:
            if self._is_superseded_now(order):
                raise StreamEndedError("something else was asked for")
            self._is_unanswered = is_followed

    def _answer_came(self, order: _Order) -> None:
        with self._changed:
            if order.generation == self._generation:
                self._is_unanswered = False

    def _pump(self, stream: Stream, order: _Order) -> None:
        self._answer_came(order)
        with self._changed:
            if self._is_superseded_now(order):
                raise StreamEndedError("something else was asked for")
            self._stream = stream
        self._lines.begin()
        try:
            for piece in stream.pieces():
                self._report(self._lines.feed(piece))
        except UnreachableError as error:
            raise StreamEndedError(str(error)) from error
        finally:
            with self._changed:
                self._stream = None

    def _is_superseded(self, order: _Order) -> bool:
        with self._changed:
            return self._is_superseded_now(order)

    def _is_superseded_now(self, order: _Order) -> bool:
        """Whether something else was asked for meanwhile. To be called with the lock."""
        return self._is_closed or self._wanted() != order

    def _wanted(self) -> _Order:
        """Return what is to be read now. To be called with the lock."""
        is_last = self.has_ended and (self._is_over or self._asked == self._answered)
        return _Order(self._asked, self._restarts, self._generation, is_last=is_last)

    def _answer(self, order: _Order) -> None:
        with self._changed:
            self._answered = order.number
        self._tell(CaughtUp(self.container, order.number))

    def _report(self, lines: list[LogLine]) -> None:
        if lines:
            self._wait, self._failures = _FIRST_WAIT, 0
            self._tell(LogOutput(self.container, lines))

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._is_closed:
                self._changed.wait(seconds)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be read: all that is there at request ``number``, after so many restarts, and whether to the end.

    ``generation`` is that of the thread that is to do it.
    """

    number: int
    restarts: int
    generation: int
    is_last: bool


class StreamEndedError(UnreachableError):
    """A stream that is followed ended, though its container has not."""


def _is_outage(problem: Exception) -> bool:
    """Whether it is the server that does not answer, or not well."""
    if isinstance(problem, ApiError):
        return problem.status >= 429
    return not isinstance(problem, StreamEndedError)


def _is_not_yet_there(problem: Exception) -> bool:
    """Whether kubelet does not know of the container yet (``is waiting to start``)."""
    return isinstance(problem, ApiError) and problem.status == 400


def _is_gone(problem: Exception) -> bool:
    """Whether the Pod itself is no longer there."""
    return isinstance(problem, ApiError) and problem.status == 404 and problem.reason == "NotFound"
