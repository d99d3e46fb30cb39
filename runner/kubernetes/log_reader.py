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
- A log is asked for by the Pod's name. Each stream is only read once it is known that the Pod of that name is not
  another; and that the Pod is gone is only believed if the Pod itself was looked at (``pod_identity``).
- An answer that passes (``answers``) is not an end: the log is asked for again, from where it was read to.

What is left to others: which line was there before (``log_lines``), in what order it is shown (``output_order``), how
long a log may be out of reach (``following``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from monopod.runner.kubernetes.answers import About, Request, about
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import Cluster, Query, Stream, UnreachableError
from monopod.runner.kubernetes.log_lines import LONGEST_PIECE, LogLine, LogLines
from monopod.runner.kubernetes.messages import CaughtUp, LogDisturbed, LogEnded, LogMessage, LogOutput
from monopod.runner.kubernetes.pod_identity import PodIdentity

_NO_CONTENT = 204
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_LONGEST_WAIT_FOR_MORE = 1.0
_MOST_FAILURES = 6
"""How often in a row the log of a container that has ended may fail to be read, or the reader not be known."""
_MOST_OUTAGE_SECONDS = 60.0
"""How long the log of a container that has ended may be out of reach."""
_TOLD_FAILURES = 2
"""How often in a row a log must be out of reach before a warning."""
_AT_THE_SAME_TIME = threading.BoundedSemaphore(32)
"""Requests that do not follow, of all containers: a Pod of 200 Steps must not make a crowd at the API server."""


class LogReader:
    """Reads one container's log and hands it over to `tell`, which any thread may call."""

    def __init__(
        self,
        cluster: Cluster,
        identity: PodIdentity,
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
        self._identity = identity
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
        self._outages = 0
        self._out_of_reach_since: float | None = None
        self._is_disturbed = False
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
        meaning = about(Request.LOG, problem) if isinstance(problem, ApiError) else None
        if meaning in (About.FORBIDDEN, About.NO_LOG) or isinstance(problem, PodReplacedError):
            return True
        if meaning is About.GONE and self._identity.is_gone():
            return True
        if meaning is About.NOT_YET and order.number > self._answered:
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
        """Whether a failure is one of a few that may be: of a log that has ended, or for want of a login."""
        if meaning is About.NOT_YET and not self._is_over:
            return False
        return order.is_last or meaning is About.UNAUTHORIZED

    def _note_outage(self, problem: Exception, *, is_outage: bool) -> None:
        """Tell once that the log is out of reach, when that was so several times in a row."""
        if not is_outage:
            return
        self._outages += 1
        if self._out_of_reach_since is None:
            self._out_of_reach_since = time.monotonic()
        if self._outages >= _TOLD_FAILURES and not self._is_disturbed:
            self._is_disturbed = True
            text = problem.in_words() if isinstance(problem, ApiError) else str(problem)
            self._tell(LogDisturbed(self.container, text))

    def _is_out_of_reach_for_long(self) -> bool:
        since = self._out_of_reach_since
        return since is not None and time.monotonic() - since > _MOST_OUTAGE_SECONDS

    def _is_reached(self) -> None:
        self._outages, self._out_of_reach_since = 0, None
        if self._is_disturbed:
            self._is_disturbed = False
            self._tell(LogDisturbed(self.container, ""))

    def _carry_out(self, order: _Order) -> Exception | None:
        """Read as is asked for; return what went wrong."""
        if order.restarts:
            problem = self._read([("previous", "true")], order)
            if not (problem is None or _is_former_log_gone(problem)):
                return problem
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
                with self._cluster.stream(f"{self._identity.name.path}/log", [*fixed, *query]) as stream:
                    self._check(stream)
                    self._pump(stream, order)
        except (ApiError, UnreachableError, PodReplacedError) as error:
            return error
        finally:
            self._answer_came(order)
            if time.monotonic() - begun > _LONGEST_WAIT:
                self._wait = _FIRST_WAIT  # it was only quiet for long
        return StreamEndedError("the stream ended") if is_followed and not order.is_last else None

    def _check(self, stream: Stream) -> None:
        """See that a stream is that of our Pod. Raises ApiError, PodReplacedError."""
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


class PodReplacedError(Exception):
    """The Pod of this name is another one."""


def _is_outage(problem: Exception, meaning: About | None) -> bool:
    """Whether it is the server, or that of the node, that does not answer, or not well."""
    if meaning is None:
        return not isinstance(problem, StreamEndedError)
    return meaning in (About.UNREACHABLE, About.UNWELL, About.THROTTLED)


def _is_former_log_gone(problem: Exception) -> bool:
    """Whether there is no log of the container before it was started again."""
    return isinstance(problem, ApiError) and about(Request.LOG, problem) in (About.NO_LOG, About.NOT_YET)
