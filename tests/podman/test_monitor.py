"""Whether a container's monitor has written all that it has to, by what can be seen of its process."""

import os
import signal
import subprocess
import sys

import pytest

from monopod.runner.podman import monitor
from monopod.runner.podman.monitor import Monitor

MONITOR = """\
import os, sys
with open("/proc/self/comm", "w") as file:
    file.write(sys.argv[1])
reader, told, log = map(int, sys.argv[2:])
os.write(told, b"ready")
while data := os.read(reader, 10):
    os.write(log, data)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a monitor, which copies from a pipe into the file ``log``; returns it, its process and the pipe."""
    started = []

    def start(name=monitor.NAME):
        reader, writer = os.pipe()
        told, tell = os.pipe()
        log = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
        words = [name, *map(str, (reader, tell, log))]
        process = subprocess.Popen([sys.executable, "-c", MONITOR, *words], pass_fds=(reader, tell, log))
        assert os.read(told, 5) == b"ready"
        for descriptor in (reader, told, tell, log):
            os.close(descriptor)
        started.append((process, writer))
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        return Monitor(str(tmp_path / "pid")), process, writer

    yield start
    for process, writer in started:
        process.kill()
        process.wait()
        os.close(writer)


def stopped(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def test_all_is_in_the_log_when_it_has_settled(start, tmp_path):
    watched, process, writer = start()
    for number in range(200):
        stopped(process)
        os.write(writer, b"%9d\n" % number * 3)
        assert not watched.is_idle()
        process.send_signal(signal.SIGCONT)
        assert watched.settle()
        assert len((tmp_path / "log").read_bytes()) == 30 * (number + 1)


def test_one_that_is_in_the_midst_of_something_is_not_idle(start):
    watched, process, _ = start()
    stopped(process)  # nothing is in its pipe
    assert not watched.is_idle()


def test_one_that_does_not_get_on_is_not_waited_for_without_end(start, monkeypatch):
    monkeypatch.setattr(monitor, "PATIENCE", 0.0)
    watched, process, writer = start()
    stopped(process)
    os.write(writer, b"text")
    assert not watched.settle()


def test_one_that_has_ended_is_not_waited_for(start):
    watched, process, _ = start()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie
    assert watched.settle()
    process.wait()
    assert watched.settle()


@pytest.mark.parametrize("text", [None, "", "no number"])
def test_one_that_nobody_knows_is_not_waited_for(tmp_path, text):
    path = tmp_path / "pid"
    if text is not None:
        path.write_text(text)
    assert Monitor(str(path)).settle()


def test_another_process_that_got_its_number_is_not_waited_for(start):
    watched, process, _ = start("other")
    stopped(process)
    assert watched.is_idle()
