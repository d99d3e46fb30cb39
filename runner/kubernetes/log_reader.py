"""Reads the log of one container to its end, in its own thread, without losing or repeating a line.

Rules:

- The log is followed while the container's Step runs. After the Step, the log is read once without following: such a
  request ends after the Step's last line, while a followed stream never shows whether it has caught up.
- When the container has ended, the log is read to its end: the stream of a container that does not run ends by itself.
- The end of a stream counts only if the container is known to have ended before the request; otherwise the stream is
  resumed. If an API server, kubelet or log rotation cuts a stream, it often looks like a normal end. The reader first
  waits a moment for the report that the container has terminated.
- Kubelet does not answer a request to follow a log until the log has a line, and an unanswered request cannot be
  interrupted. If something else is requested meanwhile, a new thread takes over, and the old one exits when it can.
- When kubelet has restarted the container, the rest of the previous log comes first.
- The request names the Pod. A stream is only read after checking that the Pod of that name is still the same Pod. That
  the Pod is gone is only believed after a request for the Pod itself (``pod_identity``).
- A temporary error (``answers``) is not an end: the log is requested again, from where it was read to.
- The log of an ended container may also be cut in a way that looks like its end. A reader cannot know that. `log_set`
  does, by the marks in the log, and has the rest read again.

``log_lines`` recognizes repeated lines, ``output_order`` orders the output, and ``observation`` limits how long the
coordinator's log may be out of reach.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError, describe
from monopod.runner.kubernetes.cluster import Cluster, Query, Stream, UnreachableError
from monopod.runner.kubernetes.log_lines import LONGEST_PIECE, LogLine, LogLines
from monopod.runner.kubernetes.messages import CaughtUp, LogDisturbed, LogEnded, LogMessage, LogOutput
from monopod.runner.kubernetes.pod_identity import PodIdentity

_NO_CONTENT = 204
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_LONGEST_WAIT_FOR_MORE = 1.0
_SECONDS_TO_TERMINATE = 2.0
"""How long after the end of a stream kubelet may take to report that its container has terminated."""
_MOST_FAILURES = 6
"""How often in a row reading the log of an ended container, or authentication, may fail."""
_MOST_OUTAGE_SECONDS = 60.0
"""How long the log of a container that has ended may be out of reach."""
_REPORTED_FAILURES = 2
"""How often in a row a log must be out of reach before `LogDisturbed` is reported."""
_AT_THE_SAME_TIME = threading.BoundedSemaphore(32)
"""Limits concurrent requests without `follow`, of all containers: a Pod of 200 Steps must not flood the API server."""


class LogReader:
    """Reads one container's log and passes it to `report`, which must be thread-safe."""

    def __init__(
        self,
        cluster: Cluster,
        identity: PodIdentity,
        container: str,
        report: Callable[[LogMessage], None],
        *,
        longest: int = LONGEST_PIECE,
        restarts: int = 0,
    ) -> None:
        """Start. ``restarts``: how often the container was restarted before; the log before that comes first."""
        self.container = container
        self.has_ended = False
        """Whether `end` was called: the container has ended."""
        self._cluster = cluster
        self._identity = identity
        self._report = report
        self._lines = LogLines(longest)
        self._changed = threading.Condition()
        self._stream: Stream | None = None
        self._is_unanswered = False  # a request to follow has no answer yet
        self._generation = 0  # of the current thread
        self._follows = False
        self._requested = 0
        self._caught_up = 0
        self._restarts = restarts
        self._is_over = False
        self._is_closed = False
        self._wait = _FIRST_WAIT
        self._failures = 0
        self._outages = 0
        self._out_of_reach_since: float | None = None
        self._is_disturbed = False
        self._thread = self._started()

    def _started(self, delay: float = 0) -> threading.Thread:
        """Start a thread that replaces the current one, and begins after `delay` seconds."""
        self._generation += 1
        name = f"log of {self.container}"
        thread = threading.Thread(target=self._run, args=[self._generation, delay], name=name, daemon=True)
        thread.start()
        return thread

    def follow(self) -> None:
        """Follow the log from now on."""
        with self._changed:
            self._follows = True
            self._changed.notify()

    def catch_up(self) -> None:
        """Read what the log holds now, and no more until `follow`. `CaughtUp` has its number, counted from 1."""
        with self._changed:
            self._follows = False
            self._requested += 1
            self._interrupt()

    def end(self, *, is_over: bool) -> None:
        """Read to the end of the log: the container has ended (`is_over`: kubelet reports that), or is about to."""
        with self._changed:
            self._is_over = self._is_over or is_over
            if not self.has_ended:
                self.has_ended = True
                if is_over or self._requested == self._caught_up:  # otherwise the current catch-up comes first
                    self._interrupt()

    def try_now(self) -> None:
        """Retry now instead of waiting: the container runs."""
        with self._changed:
            self._wait = _FIRST_WAIT
            self._changed.notify()

    def read_again(self) -> None:
        """Request the rest of the log again after `LogEnded`: it ended too early."""
        with self._changed:
            self._thread = self._started(self._wait)
            self._wait = min(self._wait * 2, _LONGEST_WAIT_FOR_MORE)

    def end_soon(self) -> None:
        """Read no more than the rest of the open stream: the Pod is gone."""
        with self._changed:
            self._is_over = self.has_ended = True
            self._changed.notify()

    def restarted(self) -> None:
        """Take that kubelet has restarted the container, which begins a new log."""
        with self._changed:
            self._restarts += 1
            self.has_ended = self._is_over = False
            self._interrupt()

    def close(self) -> None:
        """Stop reading, even if output is left. Nothing more is reported once the thread has noticed."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            if self._stream is not None:
                self._stream.cut()

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the thread after `close`; do not wait if its request has no answer yet."""
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

    def _run(self, generation: int, delay: float) -> None:
        if delay:
            self._pause(delay)
        while (order := self._next_order(generation)) is not None:
            problem = self._carry_out(order)
            if problem is None and order.is_last:
                last_line = b"".join(line.data for line in self._lines.end())
                remark = "" if self._lines.since() else self._lines.remark
                self._report(LogEnded(self.container, remark, last_line=last_line))
                return
            if problem is None:
                self._answer(order)
            elif not self._is_superseded(order) and self._gives_up(order, problem):
                error = problem if isinstance(problem, ApiError) else None
                self._report(LogEnded(self.container, describe(problem), error))
                return

    def _next_order(self, generation: int) -> _Order | None:
        """Wait until there is something to read; None: the reader was closed, or another thread has taken over."""
        with self._changed:
            while generation == self._generation and not self._is_closed:
                if self._follows or self.has_ended or self._requested > self._caught_up:
                    return self._wanted()
                self._changed.wait()
        return None

    def _gives_up(self, order: _Order, problem: Exception) -> bool:
        """Return whether to give up after a problem; if not, wait before the next try."""
        meaning = about(Request.LOG, problem) if isinstance(problem, ApiError) else None
        if meaning in (About.FORBIDDEN, About.NO_LOG) or isinstance(problem, PodReplacedError):
            return True
        if meaning is About.GONE and self._identity.is_gone():
            return True
        if meaning is About.NOT_YET and order.number > self._caught_up:
            with self._changed:
                self._follows = True  # it continues as soon as kubelet knows the container
            self._answer(order)
        is_outage = _is_outage(problem, meaning)
        self._note_outage(problem, is_outage=is_outage)
        if not is_outage and self._is_counted(order, meaning):
            self._failures += 1
        if self._failures >= _MOST_FAILURES or (order.is_last and self._is_out_of_reach_for_long()):
            return True
        self._pause(max(self._wait, getattr(problem, "retry_after", None) or 0.0))
        self._wait = min(self._wait * 2, _LONGEST_WAIT if is_outage else _LONGEST_WAIT_FOR_MORE)
        return False

    def _is_counted(self, order: _Order, meaning: About | None) -> bool:
        """Whether a failure counts against `_MOST_FAILURES`: the container has ended, or authentication failed."""
        if meaning is About.NOT_YET and not self._is_over:
            return False
        return order.is_last or meaning is About.UNAUTHORIZED

    def _note_outage(self, problem: Exception, *, is_outage: bool) -> None:
        """Report once that the log is out of reach, after several failures in a row."""
        if not is_outage:
            return
        self._outages += 1
        if self._out_of_reach_since is None:
            self._out_of_reach_since = time.monotonic()
        if self._outages >= _REPORTED_FAILURES and not self._is_disturbed:
            self._is_disturbed = True
            self._report(LogDisturbed(self.container, describe(problem)))

    def _is_out_of_reach_for_long(self) -> bool:
        since = self._out_of_reach_since
        return since is not None and time.monotonic() - since > _MOST_OUTAGE_SECONDS

    def _is_reached(self) -> None:
        self._outages, self._out_of_reach_since = 0, None
        if self._is_disturbed:
            self._is_disturbed = False
            self._report(LogDisturbed(self.container, ""))

    def _carry_out(self, order: _Order) -> Exception | None:
        """Read what the order requests; return the error, None on success."""
        if order.restarts:
            problem = self._read([("previous", "true")], order)
            if not (problem is None or _is_former_log_gone(problem)):
                return problem
            with self._changed:
                self._restarts -= order.restarts
                order = _Order(order.number, self._restarts, order.generation, is_last=order.is_last)
        follows = order.is_last or order.number == self._caught_up
        return self._read([("follow", "true")] if follows else [], order)

    def _read(self, query: Query, order: _Order) -> Exception | None:
        """Read one stream to its end; return the error, which may be that it ended too early, None on success."""
        since = self._lines.since()
        fixed = [("container", self.container), ("timestamps", "true"), *([("sinceTime", since)] if since else [])]
        is_followed = ("follow", "true") in query
        begun = time.monotonic()
        try:
            with nullcontext() if is_followed else _AT_THE_SAME_TIME:
                self._await_answer(order, is_followed=is_followed)
                with self._cluster.stream(f"{self._identity.name.path}/log", [*fixed, *query]) as stream:
                    self._check(stream)
                    self._pump(stream, order)
        except (ApiError, UnreachableError, PodReplacedError) as error:
            return error
        finally:
            self._answer_came(order)
            if time.monotonic() - begun > _LONGEST_WAIT:
                self._wait = _FIRST_WAIT  # the stream was only idle
        if is_followed and not order.is_last:
            return StreamEndedError("the stream ended", retry_after=_SECONDS_TO_TERMINATE)
        return None

    def _check(self, stream: Stream) -> None:
        """Check that a stream is the log of our Pod. Raises ApiError, PodReplacedError."""
        if stream.status == _NO_CONTENT:
            raise ApiError(_NO_CONTENT, "", "no node has the Pod yet")
        self._is_reached()
        if self._identity.look() == "replaced":
            raise PodReplacedError(f"another {self._identity.name} is there")

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
                self._report_lines(self._lines.feed(piece))
        except UnreachableError as error:
            raise StreamEndedError(str(error)) from error
        finally:
            with self._changed:
                self._stream = None

    def _is_superseded(self, order: _Order) -> bool:
        with self._changed:
            return self._is_superseded_now(order)

    def _is_superseded_now(self, order: _Order) -> bool:
        """Whether something else was requested meanwhile. Call it with the lock held."""
        return self._is_closed or self._wanted() != order

    def _wanted(self) -> _Order:
        """Return what to read now. Call it with the lock held."""
        is_last = self.has_ended and (self._is_over or self._requested == self._caught_up)
        return _Order(self._requested, self._restarts, self._generation, is_last=is_last)

    def _answer(self, order: _Order) -> None:
        with self._changed:
            self._caught_up = order.number
        self._report(CaughtUp(self.container, order.number))

    def _report_lines(self, lines: list[LogLine]) -> None:
        if lines:
            self._wait, self._failures = _FIRST_WAIT, 0
            self._report(LogOutput(self.container, lines))

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._is_closed:
                self._changed.wait(seconds)


@dataclass(frozen=True, slots=True)
class _Order:
    """What to read: everything up to request ``number``, after so many restarts, and whether to read to the end.

    ``generation`` is the generation of the thread that reads it.
    """

    number: int
    restarts: int
    generation: int
    is_last: bool


class StreamEndedError(UnreachableError):
    """A followed stream ended, but its container has not, as far as is known."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class PodReplacedError(Exception):
    """The Pod was replaced by another of the same name."""


def _is_outage(problem: Exception, meaning: About | None) -> bool:
    """Whether the API server or kubelet does not answer, or answers with an error of its own."""
    if meaning is None:
        return not isinstance(problem, StreamEndedError)
    return meaning in (About.UNREACHABLE, About.UNWELL, About.THROTTLED)


def _is_former_log_gone(problem: Exception) -> bool:
    """Whether the log from before the container's restart no longer exists."""
    return isinstance(problem, ApiError) and about(Request.LOG, problem) in (About.NO_LOG, About.NOT_YET)
