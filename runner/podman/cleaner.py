"""Ends a Pod and removes what it left, whatever becomes of the runner: a process that outlives it for a moment.

Run as ``python3 -m monopod.runner.podman.cleaner PIPE LOCK NAME DIRECTORY MEMORY SECONDS``. It waits until the writing
end of the pipe is closed, which the kernel does if the runner is killed; the podman that makes the containers has that
end too. When the Pod has lasted SECONDS (0: without a limit), it stops the Pod. A byte in the pipe says that what is
left is to stay.

LOCK is the open lock of the state directory DIRECTORY, MEMORY the directory of the Pod in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass

from monopod.runner.kubelet import state_directory
from monopod.runner.kubelet.state_directory import ENGINE_FILE, LOCK_FILE
from monopod.schemas.formats.words import describe_exit
from monopod.system import inherited_signals

STOP_SECONDS = "2"
TRIES = 3
"""How often podman is asked to remove a pod."""
NOTE = (ENGINE_FILE, LOCK_FILE)
"""What says in a state directory that a pod belongs to it, and whether that is in use."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a Pod leaves: podman's pod `name`, its state directory, and its directory in memory."""

    name: str
    directory: str
    memory: str

    def write(self) -> None:
        """Write into the state directory who has to remove it."""
        with open(os.path.join(self.directory, ENGINE_FILE), "w", encoding="utf-8") as file:
            json.dump({"name": self.name, "memory": self.memory}, file)

    def remove(self) -> None:
        """Remove the pod and its files. If podman cannot do that, the note of the pod stays for the next run."""
        problem = self._remove_pod()
        if problem:
            text = f"podman cannot remove the pod {self.name}: {problem}; the next run with podman tries again"
            print(f"monopod: {text}", file=sys.stderr)
            return
        _remove(self.memory)
        with contextlib.suppress(FileNotFoundError):
            _remove_all_but(self.directory, NOTE)
            for name in NOTE:  # the lock last: with it alone, the next run removes the rest
                os.unlink(os.path.join(self.directory, name))
            os.rmdir(self.directory)
        with contextlib.suppress(OSError):  # other runs have theirs there
            os.rmdir(os.path.dirname(self.directory))

    def _remove_pod(self) -> str:
        """Return why podman has not removed the pod; an empty text if it has. A podman that was killed is run again."""
        problem = ""
        for _ in range(TRIES):
            removed = _podman("pod", "rm", "--force", "--ignore", "--time", "0", self.name)
            if removed.returncode == 0:
                return ""
            problem = removed.stderr.strip() or f"podman {describe_exit(removed.returncode)}"
        return problem

    def keep(self) -> None:
        """Stop what still runs, and keep all but what is of no use any more."""
        _podman("pod", "stop", "--time", "0", self.name)
        _remove(self.memory)
        os.unlink(os.path.join(self.directory, "memory"))
        os.unlink(os.path.join(self.directory, LOCK_FILE))


def remove_abandoned(root: str) -> None:
    """Remove what Pods left whose runner and cleaner were killed; `root` holds the state directories."""
    for name in os.listdir(root):
        directory = os.path.join(root, name)
        try:
            with open(os.path.join(directory, ENGINE_FILE), encoding="utf-8") as file:
                fields = json.load(file)
            lock = os.open(os.path.join(directory, LOCK_FILE), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (OSError, ValueError):
            continue  # the host backend's, one that was kept, or one that is just being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Left(fields["name"], directory, fields["memory"]).remove()
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def main() -> int:
    """Wait, then clean up; return the exit code."""
    pipe, lock, name, directory, memory, seconds = sys.argv[1:]
    inherited_signals.reset()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # they are the runner's to handle; podman must not inherit SIG_IGN
    for descriptor in (pipe, lock):
        os.set_inheritable(int(descriptor), False)
    left = Left(name, directory, memory)
    if float(seconds) and not select.select([int(pipe)], [], [], float(seconds))[0]:
        _podman("pod", "stop", "--time", STOP_SECONDS, name)
    if os.read(int(pipe), 1):
        left.keep()
    else:
        left.remove()
    return 0


def _podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["podman", *arguments]
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"cannot run podman: {error.strerror}")


def _remove_all_but(directory: str, kept: Collection[str]) -> None:
    for entry in list(os.scandir(directory)):
        if entry.is_dir(follow_symlinks=False):
            _remove(entry.path)
        elif entry.name not in kept:
            os.unlink(entry.path)


def _remove(directory: str) -> None:
    """Remove a directory. To an ordinary user, what containers made belongs to others."""
    try:
        state_directory.remove(directory)
    except FileNotFoundError:
        pass
    except OSError:
        _podman("unshare", "rm", "-rf", "--", directory)


if __name__ == "__main__":
    sys.exit(main())
