"""Signals that a process inherits from its parent as blocked or ignored.

The parent of monopod may have blocked SIGCHLD or ignored SIGTERM: a shell script with ``trap '' TERM``, a CI agent, a
thread of a larger program. ``execve`` keeps both, so a wait would never end, or a container could not be stopped. So
each process of monopod starts with `reset`, and a Step's with `restore`.

The command itself resets all signals but `ASKED_FOR`: ignored signals that ask a program to end or stop stay ignored,
as POSIX requires for programs that a shell starts (``nohup``, ``&``). Programs that the command starts (git, podman,
dot) inherit those and no others.
"""

from __future__ import annotations

import signal
from collections.abc import Collection

ASKED_FOR = frozenset({
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
})  # fmt: skip
"""Signals that a caller may ignore on purpose."""

_OF_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Signals that Python ignores, to raise their errors as exceptions."""


def reset(keep: Collection[int] = ()) -> None:
    """Unblock all signals, and stop ignoring inherited ones, except those in `keep`."""
    _restore_ignored(_OF_PYTHON.union(keep))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def restore() -> None:
    """Restore the default action of every signal, before this process executes another program."""
    _restore_ignored(())
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _restore_ignored(keep: Collection[int]) -> None:
    for number in signal.valid_signals():
        if number not in keep and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
