"""Evaluates CEL expressions in child processes: an expression is as hostile as the Results that were put into it.

A Result can close the quotes around it and continue in CEL: nested macros that run for years, strings that double until
the memory is exhausted, a sum so long that the stack overflows (SIGSEGV). In the coordinator's process that would end
all Tasks, or block them.

Why a process: the library has no limits, and a thread cannot be stopped or limited in memory. Checking the text would
require another CEL parser, reject harmless expressions, and still accept a regular expression that takes minutes. The
kernel's limits hold for every expression.

Rules:

- The time limit is CPU time: a busy machine accepts what an idle one accepts. A process that gets no CPU at all is
  given up after a while.
- All expressions of a run share a budget of CPU time, so that many slow ones do not delay the run much longer than a
  few. The least that each may use is fifty times what an ordinary one needs.
- The memory limit is on top of the coordinator's own memory. Both fit in the coordinator's smallest limit
  (``compiler.pod.resources``).
- The child closes all files first: a ``flock`` is held as long as any process has the file open, and the coordinator's
  locks must end with the coordinator. The child's limits end it without anyone's help.
- All signals except the signal of its limit are blocked in the child, since they are for the coordinator.
- The child imports nothing: another thread (``network_probe``) may have held a lock of the import system.
- The answer may depend on the machine and, with maps (whose order is random), on chance. It goes to the journal, so
  that a replay has the same answer.
"""

from __future__ import annotations

import os
import resource
import select
import signal
from collections.abc import Callable
from functools import cache

from monopod.schemas import cel
from monopod.schemas.variables import EvaluationError

LONGEST, SHARED, LEAST = 1.0, 5.0, 0.1
"""CPU seconds of one expression, of all expressions in a run, and of one expression once the run's are used up."""
WAIT_SECONDS = 10.0
MEMORY = 64 * 1024 * 1024
"""An expression of 1 MiB takes 20 ms and 6 MiB, an ordinary one 1 ms and 1 MiB."""

_TRUTHS = {b"true": True, b"false": False}
_BLOCKED = signal.valid_signals() - {signal.SIGPROF}
_ROOM = 64 * 1024
"""The capacity of a pipe, more than any answer needs."""


class CelProcesses:
    """Evaluates the expressions of a run, each in its own process."""

    def __init__(self) -> None:
        self._shared = SHARED

    def start(self, expression: str) -> Evaluation:
        """Start the evaluation of a CEL expression. Raises EvaluationError if there is no CEL, or no process."""
        _warm_up()
        seconds = max(LEAST, min(LONGEST, self._shared))
        try:
            return Evaluation(expression, seconds, self._spend)
        except OSError as error:
            raise EvaluationError(f"{cel.named(expression)} cannot be evaluated: {error.strerror}") from error

    def _spend(self, seconds: float) -> None:
        self._shared -= seconds


class Evaluation:
    """An expression that is being evaluated.

    ``descriptor`` becomes readable when there is an answer. Call ``finish`` then, or after ``patience`` seconds.
    """

    def __init__(self, expression: str, seconds: float, spend: Callable[[float], None]) -> None:
        """Start the process, which may use `seconds` of the CPU and reports to `spend` what it used. Raises OSError."""
        self.patience = WAIT_SECONDS
        self._expression = expression
        self._seconds = seconds
        self._spend = spend
        self.descriptor, child_end = os.pipe()
        try:
            self._child = _start_child(expression, child_end, seconds)
        except OSError:
            os.close(self.descriptor)
            raise

    def finish(self) -> bool:
        """End the process, and return the truth of the expression, as `cel.evaluate` does.

        Raises EvaluationError if it has none, if it takes too much to find it, or if there is no answer yet.
        """
        answer, status = self._end_child()
        if answer is None:
            raise _too_slow(self._expression, self.patience)
        if os.WIFSIGNALED(status):
            raise _killed(self._expression, os.WTERMSIG(status), self._seconds)
        if answer in _TRUTHS:
            return _TRUTHS[answer]
        raise EvaluationError(answer.decode() or f"{cel.named(self._expression)} cannot be evaluated")

    def _end_child(self) -> tuple[bytes | None, int]:
        """Return the child's answer (None: none yet) and its wait status."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        in_time = bool(poll.poll(0))
        if not in_time:
            os.kill(self._child, signal.SIGKILL)
        try:
            _, status, used = os.wait4(self._child, 0)
            self._spend(used.ru_utime + used.ru_stime)
            return os.read(self.descriptor, _ROOM) if in_time else None, status
        finally:
            os.close(self.descriptor)


@cache
def _warm_up() -> None:
    """Load the library and build its tables once, not in each child. Raises EvaluationError."""
    cel.evaluate("true")


def _start_child(expression: str, answer_end: int, seconds: float) -> int:
    """Start the process that evaluates, with `answer_end`, which is closed here. Raises OSError."""
    blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        highest = max(map(int, os.listdir("/proc/self/fd")))
        child = os.fork()
        if child == 0:
            _be_child(expression, answer_end, highest, seconds)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
        os.close(answer_end)


def _be_child(expression: str, answer_end: int, highest: int, seconds: float) -> None:
    """Evaluate, answer and exit. Never returns."""
    try:
        _limit_itself(seconds)
        os.dup2(answer_end, 0)
        os.closerange(1, highest + 1)
        try:
            answer = b"true" if cel.evaluate(expression) else b"false"
        except EvaluationError as error:
            answer = str(error).encode()
        os.write(0, answer)
    finally:
        os._exit(0)


def _limit_itself(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    pages = int(os.read(statm, 100).split()[0])
    os.close(statm)
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _too_slow(expression: str, seconds: float) -> EvaluationError:
    return EvaluationError(f"{cel.named(expression)} takes too long to evaluate: more than {seconds:.1f} s")


def _killed(expression: str, number: int, seconds: float) -> EvaluationError:
    if number == signal.SIGPROF:
        return _too_slow(expression, seconds)
    if number == signal.SIGABRT:  # how Rust ends without memory
        return cel.too_large(expression)
    why = f"the evaluation was ended by signal {number} ({signal.strsignal(number)})"
    return EvaluationError(f"{cel.named(expression)} cannot be evaluated: {why}")
