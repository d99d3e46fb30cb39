"""A Step that constantly replaces a file while the coordinator reads and writes it.

A process renames in a loop. A read returns one of its files or a reason, and never the target of a link.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import PATIENCE

from monopod.coordinator.control_directory import ControlDirectory
from monopod.coordinator.slot_directory import SlotDirectory

pytestmark = pytest.mark.slow

READS = 3000
SECRET = "code=99\n"  # the target of links
RACER = """
import contextlib, os, sys
directory, secret, *names = sys.argv[1:]
os.chdir(directory)
def make(kind, path):
    if kind == "file":
        with open(path, "w") as file:
            file.write("code=0\\n")
    elif kind == "link":
        os.symlink(secret, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "hole":
        with open(path, "w") as file:
            file.truncate(1 << 40)
    else:
        os.mkdir(path)
print("there", flush=True)
while True:
    for kind in ("file", "link", "fifo", "hole", "directory"):
        for name in names:
            with contextlib.suppress(OSError):
                make(kind, ".racer")
                with contextlib.suppress(NotADirectoryError, IsADirectoryError):
                    os.rename(".racer", name)
                    continue
                os.rename(name, ".away")
                os.rename(".racer", name)
            for path in (".racer", ".away"):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                with contextlib.suppress(OSError):
                    os.rmdir(path)
"""


def reads(seen: Callable[[], bool]) -> Iterator[int]:
    """Count reads up to the wanted number, and then until `seen` is true."""
    deadline = time.monotonic() + PATIENCE
    for number in itertools.count():
        if number >= READS and seen():
            return
        assert time.monotonic() < deadline
        yield number


@pytest.fixture
def race(tmp_path):
    """Starts the race for names in a directory."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    racers = []

    def race(directory: Path, *names: str) -> None:
        command = [sys.executable, "-I", "-c", RACER, str(directory), str(secret), *names]
        racers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert racers[-1].stdout.readline() == b"there\n"

    yield race
    for each in racers:
        each.kill()
        with each:
            pass
    assert secret.read_text() == SECRET


def test_exits_are_read_while_they_change(tmp_path, race):
    (tmp_path / "step").mkdir()
    directory = ControlDirectory(str(tmp_path / "step"))
    before = len(os.listdir("/proc/self/fd"))
    race(tmp_path / "step", "exited.1")
    kinds = set()
    for _ in reads(lambda: kinds >= {0, "exited.1 cannot be read: Too many levels of symbolic links"}):
        how = directory.read_exit(1)
        if how is not None:
            kinds.add(how.error or how.code)
    assert 99 not in kinds
    for _ in range(READS // 10):
        directory.liveness()
        directory.hold_lock()
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # the race's pipe and the lock
    directory.close()


def test_requests_are_written_while_they_are_replaced(tmp_path, race):
    (tmp_path / "step").mkdir()
    directory = ControlDirectory(str(tmp_path / "step"))
    before = len(os.listdir("/proc/self/fd"))
    race(tmp_path / "step", "run.1", "kill.1", "exit")
    for _ in range(READS // 10):
        for write in (
            lambda: directory.write_request(1, b"atrue\0.\0"),
            lambda: directory.write_kill(1, 15, 1.0),
            lambda: directory.write_exit(0, 1.0),
        ):
            with contextlib.suppress(OSError):  # which is retried, or fails the Step
                write()
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # the bell, and the request whose exit was not read
    directory.close()


def test_results_are_read_while_they_change(tmp_path, race):
    results = tmp_path / "slot/tekton/results"
    results.mkdir(parents=True)
    slot = SlotDirectory(str(tmp_path / "slot"))
    race(results, "out")
    before = len(os.listdir("/proc/self/fd"))
    path = "/tekton/results/out"
    texts, reasons = set(), set()
    for _ in reads(lambda: "code=0\n" in texts and f"{path} is a symbolic link" in reasons):
        files, problems, *_ = slot.read_files([path])
        texts.update(files.values())
        reasons.update(problems.values())
    assert texts <= {"code=0\n", ""}  # "": it was being written
    assert len(os.listdir("/proc/self/fd")) == before
