"""Sends the files at a path of a volume: ``python3 -m monopod.system.files.send_files ROOT PATH``.

Rules: the path stays in the volume, regardless of symbolic links in it. Standard input and output are the connection
(``file_transfer``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from monopod.system.files.descriptor_channel import DescriptorChannel
from monopod.system.files.file_transfer import BrokenError, Channel, FailedError, refuse, send
from monopod.system.files.tree_reading import ChangedError, UnreadableError, read_segments


def send_files(channel: Channel, root: bytes, path: bytes) -> int:
    """Send what is at a path below a directory; an empty path means the whole directory. Return the exit code."""
    source = os.path.realpath(os.path.join(root, path))
    top = os.path.realpath(root)
    try:
        if source != top and not source.startswith(os.path.join(top, b"")):
            refuse(channel, f"{os.fsdecode(path)!r} leads out of the Workspace")
        elif not os.path.lexists(source):
            refuse(channel, f"there is no {os.fsdecode(path)!r} in the Workspace")
        else:
            send(channel, read_segments(source), [])
            return 0
    except (BrokenError, FailedError, ChangedError, UnreadableError):
        pass  # the other side knows
    return 1


def main(arguments: Sequence[str]) -> int:
    """Send the files that the arguments name; return the exit code."""
    root, path = map(os.fsencode, arguments)
    return send_files(DescriptorChannel(0, 1), root, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
