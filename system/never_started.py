"""Marking the control directory of a container that cannot start (docs/control-directory.md): `alive`, held by nobody.

Whoever finds out that a container cannot start does so from outside of it: the runner, or kubelet's part of it. The
mark says why: Kubernetes' reason for it in the first line, a message in the second. It appears whole, and never takes
the place of the `alive` of an entrypoint that has started after all.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os

from monopod.system.write_all import write_all

LONGEST_MESSAGE = 2000
"""Characters of a message that are kept: it may travel as an argument of a command, in the address of a request."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def mark_never_started(directory: str, reason: str, message: str) -> None:
    """Mark the control directory of a container. Raises OSError if that is not possible."""
    text = f"{reason}\n{' '.join(message.split())[:LONGEST_MESSAGE]}\n"
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        temporary = f".alive.{os.urandom(8).hex()}"
        descriptor = os.open(temporary, _FLAGS, 0o644, dir_fd=parent)
        try:
            os.fchmod(descriptor, 0o644)
            write_all(descriptor, text.encode(errors="replace"))
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, "alive", src_dir_fd=parent, dst_dir_fd=parent)
        os.unlink(temporary, dir_fd=parent)
    finally:
        os.close(parent)
