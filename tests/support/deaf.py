"""A program that blocks and ignores every signal before `exec`, and the signals that a process blocks and ignores.

``python deaf.py PROGRAM ARGUMENT...`` executes a program that way.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

ASKED_FOR = {
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}


def become_deaf() -> None:
    for number in signal.valid_signals():
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def signals_of(status: str) -> tuple[set[int], set[int]]:
    """Return the signals that a process blocks and ignores, from its /proc/PID/status (man proc_pid_status).

    The two internal signals of the C library (32 and 33) are left out: programs cannot use them (man nptl).
    """
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return _numbers(fields["SigBlk"]), _numbers(fields["SigIgn"])


def signals_of_process(pid: int) -> tuple[set[int], set[int]]:
    return signals_of(Path(f"/proc/{pid}/status").read_text())


def _numbers(mask: str) -> set[int]:
    bits = int(mask, 16)
    return {number for number in signal.valid_signals() if bits >> (number - 1) & 1}


if __name__ == "__main__":
    become_deaf()
    os.execvp(sys.argv[1], sys.argv[1:])
