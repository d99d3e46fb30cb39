"""Requests of the runner to copy files, by a command in the container ``files`` (``kubectl exec``).

``python3 -P -S -m monopod.coordinator.workspace_files …``

- ``receive COPY DIRECTORY`` receives files into a directory of a Workspace (``file_transfer``). COPY names the copy: a
  request with the same name continues it, another name begins again. With MONOPOD_SHARED_FILES in the environment every
  user may do with the files what their owner may do.
- ``complete DIRECTORY...`` lets the Steps start: everything was received. The files get the owner that the first Step
  has that uses them, if this process may give files away.
- ``send DIRECTORY PATH`` sends the files at a path in a directory.
- ``fetched`` lets the Pod end: everything was sent.

Rules: one request at a time. A new one ends the former, whose connection may be dead without its knowledge.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not yet: the Step has not started. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterable, Sequence

from monopod.coordinator.files_container import COMPLETE, FETCHED, LOCK
from monopod.system.files.descriptor_channel import DescriptorChannel
from monopod.system.files.file_transfer import BrokenError, FailedError, receive, refuse
from monopod.system.files.send_files import send_files
from monopod.system.files.tar_entries import MalformedError
from monopod.system.files.tree_reading import ChangedError
from monopod.system.files.tree_writing import Modes, TreeWriter

NOT_YET = 3
OWNER_DIRECTORY = "/monopod/owner"
"""The control directory of the first Step that uses the files."""
_CONTROL_DIRECTORY = "/monopod/step"
_DIGEST_BYTES = 32
_OWNER_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_OF_FILE_SYSTEM = "lost+found"


class CopyInWorkspace:
    """A copy of files that is received into a directory. It is a `file_transfer.Receiver`.

    The digests of its segments are in a file, so that another process can continue it.
    """

    def __init__(self, name: str, directory: str, control_directory: str, modes: Modes) -> None:
        """Raises FailedError if the copy cannot begin again, OSError."""
        os.makedirs(directory, exist_ok=True)
        self._state = os.path.join(control_directory, f"received.{name}")
        self._forget_others(name.rpartition(".")[0], directory, control_directory)
        with open(self._state, "ab"):
            pass
        with open(self._state, "rb") as file:
            content = file.read()
        self.digests = [content[at : at + _DIGEST_BYTES] for at in range(0, len(content), _DIGEST_BYTES)]
        if self.digests and len(self.digests[-1]) < _DIGEST_BYTES:
            self.digests.pop()
            os.truncate(self._state, len(self.digests) * _DIGEST_BYTES)
        self._writer = TreeWriter(os.fsencode(directory), modes)

    def _forget_others(self, workspace: str, directory: str, control_directory: str) -> None:
        """Remove what an earlier copy for the same Workspace has left."""
        files = [name for name in os.listdir(control_directory) if name.rpartition(".")[0] == f"received.{workspace}"]
        others = [name for name in files if name != os.path.basename(self._state)]
        marker = os.path.join(control_directory, f"not-empty.{workspace}")
        if not files and set(os.listdir(directory)) - {_OF_FILE_SYSTEM}:
            with open(marker, "wb"):
                pass
        if others and os.path.lexists(marker):
            raise FailedError("the files changed while they were copied; run again")
        if others:
            _empty(directory)
        for name in others:
            os.unlink(os.path.join(control_directory, name))

    def take(self, digest: bytes, segment: bytes) -> None:
        """Write a segment."""
        self._writer.write(segment)
        self._writer.settle()
        with open(self._state, "ab") as file:
            file.write(digest)
        self.digests.append(digest)

    def finish(self) -> str:
        """Do nothing more: ``complete`` follows when all Workspaces have their files."""
        return ""


def give_away(directories: Iterable[str], user: int, group: int) -> None:
    """Change the owner of directories and what is in them; what an fsGroup owns keeps its group. Raises OSError."""
    for directory in directories:
        is_group_kept = bool(os.stat(directory).st_mode & stat.S_ISGID)
        os.chown(directory, user, -1)  # git wants it to belong to its user
        for _, folders, files, folder in os.fwalk(directory):
            for name in (*folders, *files):
                os.chown(name, user, -1 if is_group_kept else group, dir_fd=folder, follow_symlinks=False)


def main(arguments: Sequence[str]) -> int:
    """Execute the request in the arguments and return the exit code."""
    control, owner = _CONTROL_DIRECTORY, OWNER_DIRECTORY
    if len(arguments) > 2 and arguments[0] == "--root":  # in tests
        control, owner = f"{arguments[1]}/step", f"{arguments[1]}/owner"
        arguments = arguments[2:]
    try:
        _take_lock(control)
        match arguments:
            case ["receive", name, directory]:
                return _receive(name, directory, control, Modes(shared="MONOPOD_SHARED_FILES" in os.environ))
            case ["complete", *directories]:
                return _complete(directories, control, owner)
            case ["send", directory, path]:
                return send_files(DescriptorChannel(0, 1), os.fsencode(directory), os.fsencode(path))
            case ["fetched"]:
                _create(control, FETCHED)
                return 0
    except OSError as error:
        print(f"{error.filename or arguments[0]}: {error.strerror}", file=sys.stderr)
        return 1
    print("usage: workspace_files receive|complete|send|fetched ARGUMENT...", file=sys.stderr)
    return 2


def _take_lock(control_directory: str) -> None:
    """Hold the lock until this process has ended. One that holds it is killed: its client has given it up."""
    descriptor = os.open(f"{control_directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    while not _has_lock(descriptor):
        text = os.pread(descriptor, 20, 0)
        if text.isdigit():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d" % os.getpid(), 0)


def _has_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # the coordinator may be looking, too
        return False
    return True


def _receive(name: str, directory: str, control_directory: str, modes: Modes) -> int:
    channel = DescriptorChannel(0, 1)
    try:
        receive(channel, CopyInWorkspace(name, directory, control_directory, modes))
    except (BrokenError, ChangedError) as error:
        print(str(error), file=sys.stderr)
        return 1
    except (FailedError, MalformedError, OSError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        with contextlib.suppress(BrokenError):
            refuse(channel, why)
        return 1
    return 0


def _complete(directories: Sequence[str], control_directory: str, owner_directory: str) -> int:
    if os.geteuid() == 0 and os.path.isdir(owner_directory):
        owner = _owner(owner_directory)
        if owner is None:
            print("the first Step that uses the files has not started", file=sys.stderr)
            return NOT_YET
        if owner != (0, 0):
            give_away(directories, *owner)
    _create(control_directory, COMPLETE)
    return 0


def _owner(directory: str) -> tuple[int, int] | None:
    """Wait a while for an entrypoint, and return its user and group; None if it has not started."""
    patience = time.monotonic() + _OWNER_SECONDS
    while time.monotonic() < patience:
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(f"{directory}/alive")
            if status.st_size:  # it will never start: this is the reason
                return 0, 0
            return status.st_uid, status.st_gid
        time.sleep(_LOOK_SECONDS)
    return None


def _create(directory: str, name: str) -> None:
    """Create an empty file, and wake the coordinator."""
    os.close(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    with contextlib.suppress(OSError):  # it looks by itself, too
        ring = os.open(f"{directory}/ring", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(ring, b"\n")
        finally:
            os.close(ring)


def _empty(directory: str) -> None:
    """Remove what is in a directory, except what belongs to its file system."""
    for folder, names, _ in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and name != _OF_FILE_SYSTEM:
                os.chmod(path, 0o700)  # it may forbid to remove what is in it
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name == _OF_FILE_SYSTEM:
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


if __name__ == "__main__":
    os.umask(0)
    sys.exit(main(sys.argv[1:]))
