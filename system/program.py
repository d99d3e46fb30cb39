"""Running a program to get its output: it runs in its own session, so that none of its processes are left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence


@contextlib.contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], directory: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose standard streams are pipes, and wait for it at the end.

    If the block raises (an interrupt, for example), all processes of the program are killed first.
    Raises OSError if it cannot be started.
    """
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
