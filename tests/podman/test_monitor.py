"""Whether a container's monitor has ended and has therefore written the whole log."""

import os
import subprocess
import sys

import pytest

from monopod.runner.podman.monitor import NAME, Monitor

MONITOR = """\
import os, sys
with open("/proc/self/comm", "w") as file:
    file.write(sys.argv[1])
os.write(1, b"ready")
os.read(0, 1)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a process with a name; returns its Monitor, and a function that ends it."""
    processes = []

    def start(name):
        command = [sys.executable, "-c", MONITOR, name]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert os.read(process.stdout.fileno(), 5) == b"ready"
        (tmp_path / "pid").write_text(f"{process.pid}\n")

        def end():
            process.stdin.close()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        return Monitor(str(tmp_path / "pid")), end, process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_monitor_that_runs_and_ends(start):
    monitor, end, process = start(NAME)
    assert not monitor.has_ended()
    end()
    assert monitor.has_ended()  # although nothing has waited for it
    process.wait()
    assert monitor.has_ended()


def test_another_process_has_its_number(start):
    assert start("something")[0].has_ended()


@pytest.mark.parametrize("content", [None, "", "x\n"])
def test_monitor_that_has_not_started(tmp_path, content):
    if content is not None:
        (tmp_path / "pid").write_text(content)
    assert not Monitor(str(tmp_path / "pid")).has_ended()
