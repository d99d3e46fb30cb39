"""Marking a container that cannot start, in its control directory (docs/control-directory.md): an unlocked `alive`.

The runner, which sees that a container cannot start, writes the mark from outside. It contains Kubernetes' reason in
the first line and a message in the second. It is created atomically, and never replaces the `alive` of an entrypoint
that has started after all.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os

from monopod.system.write_all import write_all

LONGEST_MESSAGE = 2000
"""The most characters of a message: it may be an argument of a command, in the URL of a request."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def mark_never_started(directory: str, reason: str, message: str) -> None:
    """Mark the control directory of a container. Raises OSError."""
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
