"""Files that are fetched from a Workspace after the run: ``--fetch WORKSPACE[/PATH]:DIRECTORY``.

Rules:

- What comes from a Pod is hostile. Nothing is written outside DIRECTORY: names with ``..`` are errors, symbolic links
  that could lead out are left out, and existing links in DIRECTORY are replaced, never followed (``tree_writing``).
- Files are received into a new directory in DIRECTORY, and moved to their places once all of them are there.
- Directories are merged, and files of the same name replaced. Nobody but their owner may write to fetched files.
- A broken connection continues where it broke. Files that change meanwhile are fetched again from the beginning.

Left to others: the connection to the Workspace (the backends).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

from monopod.runner.files.attempts import Attempts, CopyError
from monopod.runner.files.fetch import Fetch
from monopod.schemas.formats.sizes import format_files
from monopod.system.files.file_transfer import BrokenError, Channel, FailedError, receive, refuse
from monopod.system.files.tar_entries import MalformedError
from monopod.system.files.tree_reading import ChangedError
from monopod.system.files.tree_writing import Modes, TreeWriter, move_into

Connect: TypeAlias = Callable[[], AbstractContextManager[Channel]]
"""Opens a connection to a sender of the files. Raises CopyError, BrokenError."""
Report: TypeAlias = Callable[[int], None]
"""Takes how many bytes were received so far."""

_NOT_OTHERS = Modes(forbidden=0o022)
_MOST_LEFT_OUT = 5


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched: how many files and bytes, and the links that were left out."""

    files: int
    length: int
    left_out: tuple[bytes, ...]

    def summary(self, fetch: Fetch) -> str:
        """Return what was fetched, in one line."""
        return f"Fetched {format_files(self.files, self.length)} from {fetch} to {fetch.directory}"

    def warning(self, fetch: Fetch) -> str | None:
        """Return a warning about what was left out."""
        if not self.left_out:
            return None
        names = ", ".join(os.fsdecode(path) for path in self.left_out[:_MOST_LEFT_OUT])
        more = f" and {len(self.left_out) - _MOST_LEFT_OUT} more" if len(self.left_out) > _MOST_LEFT_OUT else ""
        return f"symbolic links that lead out of {fetch.directory} were not fetched: {names}{more}"


def fetch_files(connect: Connect, fetch: Fetch, report: Report, attempts: Attempts) -> Fetched:
    """Fetch files. Raises CopyError."""
    receiving = _Receiving(fetch.directory, report)
    try:
        receiving.begin()
        while True:
            try:
                with connect() as channel:
                    receiving.receive(channel)
                return receiving.fetched()
            except BrokenError as error:
                attempts.broken(error, len(receiving.digests))
            except ChangedError as error:
                attempts.changed(error)
                receiving.begin()
    except FailedError as error:
        raise CopyError(str(error)) from error
    except MalformedError as error:
        raise CopyError(f"the Pod sent something that is not a copy of its files: {error}") from error
    except OSError as error:
        raise CopyError(f"cannot write {error.filename or fetch.directory}: {error.strerror}") from error
    finally:
        receiving.close()


class _Receiving:
    """Receives files for a directory. It is a `file_transfer.Receiver`."""

    def __init__(self, directory: str, report: Report) -> None:
        self._directory = os.fsencode(directory)
        self._report = report
        self._staging = b""
        self._writer: TreeWriter | None = None
        self.digests: list[bytes] = []
        self._length = 0

    def begin(self) -> None:
        """Begin again with no files. Raises OSError."""
        self.close()
        os.makedirs(self._directory, exist_ok=True)
        self._staging = os.path.join(self._directory, b".monopod-" + os.urandom(4).hex().encode())
        os.mkdir(self._staging, 0o700)
        self._writer = TreeWriter(self._staging, _NOT_OTHERS, only_inside=True)
        self.digests = []
        self._length = 0

    def receive(self, channel: Channel) -> None:
        """Receive over a connection to the end."""
        try:
            receive(channel, self)
        except (OSError, MalformedError):
            with contextlib.suppress(BrokenError):
                refuse(channel, "the receiver cannot write the files")
            raise

    def take(self, digest: bytes, segment: bytes) -> None:
        """Write a segment to the new directory."""
        assert self._writer is not None
        self._writer.write(segment)
        self.digests.append(digest)
        self._length += len(segment)
        self._report(self._length)

    def finish(self) -> str:
        """Move the files to their places."""
        assert self._writer is not None
        move_into(self._staging, self._directory)
        root = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._writer.settle(root)
        finally:
            os.close(root)
        return ""

    def fetched(self) -> Fetched:
        """Return what was fetched."""
        assert self._writer is not None
        return Fetched(self._writer.files, self._writer.length, tuple(self._writer.left_out))

    def close(self) -> None:
        """Remove the new directory."""
        if self._writer is not None:
            self._writer.close()
            shutil.rmtree(self._staging, ignore_errors=True)
            self._writer = None
