"""A process that ends a Pod and removes its files, even if the runner is killed.

Run as ``python3 -m monopod.runner.podman.cleaner PIPE LOCK NAME DIRECTORY MEMORY SECONDS``. It waits until the write
end of the pipe is closed; the kernel closes it if the runner is killed. The podman process that makes the containers
holds the write end as well. After SECONDS (0: no limit) the cleaner stops the Pod. A byte in the pipe means that the
Pod is kept.

LOCK is the open lock of the state directory DIRECTORY; MEMORY is the Pod's directory in memory.
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
"""How often `podman pod rm` is tried."""
NOTE = (ENGINE_FILE, LOCK_FILE)
"""The files that name the pod of a state directory, and lock the directory while the pod is in use."""


@dataclass(frozen=True, slots=True)
class Left:
    """The remains of a Pod: podman's pod `name`, its state directory, and its directory in memory."""

    name: str
    directory: str
    memory: str

    def write(self) -> None:
        """Record in the state directory which pod and which directory in memory belong to it."""
        with open(os.path.join(self.directory, ENGINE_FILE), "w", encoding="utf-8") as file:
            json.dump({"name": self.name, "memory": self.memory}, file)

    def remove(self) -> None:
        """Remove the pod and its files. If podman fails, keep the record of the pod for the next run."""
        problem = self._remove_pod()
        if problem:
            text = f"podman cannot remove the pod {self.name}: {problem}; the next run with podman tries again"
            print(f"monopod: {text}", file=sys.stderr)
            return
        _remove(self.memory)
        with contextlib.suppress(FileNotFoundError):
            _remove_all_but(self.directory, NOTE)
            for name in NOTE:  # the lock last: if only the lock is left, the next run removes it
                os.unlink(os.path.join(self.directory, name))
            os.rmdir(self.directory)
        with contextlib.suppress(OSError):  # other runs have theirs there
            os.rmdir(os.path.dirname(self.directory))

    def _remove_pod(self) -> str:
        """Remove the pod, retrying if podman fails or is killed. Return the error, "" on success."""
        problem = ""
        for _ in range(TRIES):
            removed = _podman("pod", "rm", "--force", "--ignore", "--time", "0", self.name)
            if removed.returncode == 0:
                return ""
            problem = removed.stderr.strip() or f"podman {describe_exit(removed.returncode)}"
        return problem

    def keep(self) -> None:
        """Stop the containers. Keep the pod and its files, but remove the directory in memory and the lock."""
        _podman("pod", "stop", "--time", "0", self.name)
        _remove(self.memory)
        os.unlink(os.path.join(self.directory, "memory"))
        os.unlink(os.path.join(self.directory, LOCK_FILE))


def remove_abandoned(root: str) -> None:
    """Remove the remains of Pods whose runner and cleaner were killed; `root` holds the state directories."""
    for name in os.listdir(root):
        directory = os.path.join(root, name)
        try:
            with open(os.path.join(directory, ENGINE_FILE), encoding="utf-8") as file:
                fields = json.load(file)
            lock = os.open(os.path.join(directory, LOCK_FILE), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (OSError, ValueError):
            continue  # it belongs to the host backend, was kept, or is just being created
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
    """Remove a directory. Unless the caller is root, files that containers made may belong to other users."""
    try:
        state_directory.remove(directory)
    except FileNotFoundError:
        pass
    except OSError:
        _podman("unshare", "rm", "-rf", "--", directory)


if __name__ == "__main__":
    sys.exit(main())
