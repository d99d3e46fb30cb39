"""A `file_transfer.Channel` over two descriptors, such as the pipes of a child or of a command in a container."""

from __future__ import annotations

import os
import select

from monopod.system.files.file_transfer import QUIET_SECONDS, BrokenError

_PIECE = 1 << 18


class DescriptorChannel:
    """Reads from one descriptor and writes to another. They are not closed."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        for descriptor in (reader, writer):
            os.set_blocking(descriptor, False)

    def write(self, data: bytes) -> None:
        """Send data. Raises BrokenError, also if nobody reads for `QUIET_SECONDS`."""
        rest = memoryview(data)
        while rest:
            if not _await(self._writer, select.POLLOUT, QUIET_SECONDS):
                raise BrokenError(f"nothing was read for {QUIET_SECONDS:.0f} seconds")
            try:
                rest = rest[os.write(self._writer, rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise BrokenError("the connection broke") from error

    def read(self, seconds: float) -> bytes | None:
        """Return what has come; None if nothing has come for so long, empty at the end."""
        if not _await(self._reader, select.POLLIN, seconds):
            return None
        try:
            return os.read(self._reader, _PIECE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise BrokenError("the connection broke") from error


def _await(descriptor: int, event: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))
