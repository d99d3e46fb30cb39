"""Connects to a process that sends the files of a volume on this machine.

It is a process of its own, since files of containers may belong to users that only exist in their user namespace.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

from monopod.runner.files.attempts import CopyError
from monopod.system.files import send_files
from monopod.system.files.descriptor_channel import DescriptorChannel
from monopod.system.files.file_transfer import Channel


@contextlib.contextmanager
def volume_files(root: str, path: str, within: Sequence[str] = ()) -> Iterator[Channel]:
    """Connect to a sender of the files at a path below a directory. `within` is a command that runs it elsewhere."""
    command = [*within, sys.executable, "-P", "-m", send_files.__name__, root, path]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the runner's to handle
        )
    except OSError as error:
        raise CopyError(f"cannot run {command[0]}: {error.strerror}") from error
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield DescriptorChannel(process.stdout.fileno(), process.stdin.fileno())
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()
