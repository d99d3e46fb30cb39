"""The signals that a process inherits from its starter: which are blocked, and which are ignored.

Whoever starts monopod may have blocked SIGCHLD, or ignore SIGTERM: a shell script with ``trap '' TERM``, a CI agent, a
thread of a larger program. Both are inherited through ``execve``, so a wait would never end, or a container could not
be stopped. Each process that monopod starts therefore begins with `reset`, and a Step's with `restore`.

The command itself resets all but `ASKED_FOR`: what asks a program to end or to stop, and is ignored, stays ignored, as
POSIX has it for programs that a shell starts (``nohup``, ``&``). Programs that the command starts (git, podman, dot)
inherit that, and nothing else.
"""

from __future__ import annotations

import signal
from collections.abc import Collection

ASKED_FOR = frozenset({
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
})  # fmt: skip
"""Signals that a caller may have ignored on purpose."""

_OF_PYTHON = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Python ignores these in each of its own processes, and has their errors raised instead."""


def reset(keep: Collection[int] = ()) -> None:
    """Block no signal, and ignore none that this process inherited as ignored, except those to `keep`."""
    _restore_ignored(_OF_PYTHON.union(keep))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def restore() -> None:
    """Give every signal back to the kernel's default, before another program is executed in this process."""
    _restore_ignored(())
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _restore_ignored(keep: Collection[int]) -> None:
    for number in signal.valid_signals():
        if number not in keep and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
