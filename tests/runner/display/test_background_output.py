"""A slow reader of the output never blocks the run."""

import contextlib
import errno
import io
import os
import subprocess
import sys
import threading

import pytest

from monopod.runner.display import background_output as module
from monopod.runner.display.background_output import (
    MOST_OVERFLOW,
    BackgroundStream,
    Unread,
    background_output,
    unread,
)
from monopod.runner.follow.held_output import MOST_IN_MEMORY


@pytest.fixture
def pipe():
    """A pipe: its reading end, and its writing end as standard output."""
    reader, writer = os.pipe()
    with open(reader, "rb") as read, open(writer, "w", encoding="utf-8") as written:
        yield read, written


@pytest.fixture
def opened(pipe):
    """Opens background streams for the standard streams, which both go to the pipe."""

    @contextlib.contextmanager
    def opened():
        with contextlib.redirect_stdout(pipe[1]), contextlib.redirect_stderr(pipe[1]), background_output() as found:
            yield found

    return opened


def read_all(reader, count):
    found = []
    thread = threading.Thread(target=lambda: found.append(reader.read(count)))
    thread.start()
    return thread, found


def test_writing_does_not_wait_for_the_reader(pipe, opened):
    text = "".join(f"line {number} … 日本語\n" for number in range(200_000))
    with opened():
        print(text, end="")
        thread, found = read_all(pipe[0], len(text.encode()))  # only now
    thread.join()
    assert found == [text.encode()]


def test_steps_are_scheduled_before_the_writing(opened):
    with opened():
        print("line", flush=True)
        (writer,) = (thread for thread in threading.enumerate() if thread.name == "standard output")
        own = os.getpriority(os.PRIO_PROCESS, 0)
        while (of_writer := os.getpriority(os.PRIO_PROCESS, writer.native_id)) == own:  # until it has begun
            pass
        assert of_writer == min(own + 10, 19)
        assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_two_streams_to_one_file_stay_in_order(pipe, opened):
    expected = "".join(f"{number}\n" for number in range(1000))
    with opened():
        for number in range(1000):
            print(number, file=(sys.stdout, sys.stderr)[number % 2])
    assert pipe[0].read(len(expected)) == expected.encode()


def test_writing_waits_for_the_reader_on_a_full_disk(pipe, opened, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("monopod.runner.follow.held_output.os.pwrite", full)
    text = "".join(f"{number:07}\n" for number in range(2 * MOST_OVERFLOW // 8))
    thread, found = read_all(pipe[0], len(text))
    with opened():
        print(text, end="")
    thread.join()
    assert found == [text.encode()]


def test_full_disk_is_reported_before_writing_waits(pipe, opened, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    text = "".join(f"{number:07}\n" for number in range(MOST_OVERFLOW // 8))
    with opened() as found:
        print("x" * 4 * MOST_IN_MEMORY)
        assert unread(sys.stdout) is Unread.LITTLE
        monkeypatch.setattr("monopod.runner.follow.held_output.os.pwrite", full)
        print(text, end="")
        assert unread(sys.stdout) is Unread.ALL_THERE_IS_ROOM_FOR
        thread, read = read_all(pipe[0], 4 * MOST_IN_MEMORY + 1 + len(text))
        found.drain()
        assert unread(sys.stdout) is Unread.LITTLE
    thread.join()
    assert read[0].endswith(b"x\n" + text.encode())


def test_much_unread_output_is_reported_until_it_is_read(pipe, opened, monkeypatch):
    monkeypatch.setattr(module, "MOST_UNREAD", 2 * MOST_IN_MEMORY)
    text = "x" * 4 * MOST_IN_MEMORY
    with opened() as found:
        assert unread(sys.stdout) is Unread.LITTLE
        print(text, end="")
        assert unread(sys.stdout) is Unread.MUCH
        thread, _ = read_all(pipe[0], len(text))
        found.drain()
        assert unread(sys.stdout) is Unread.LITTLE
    thread.join()


def test_end_in_a_hurry_does_not_wait_for_the_reader(pipe, opened, monkeypatch):
    monkeypatch.setattr(module, "_DRAIN_SECONDS", 0)
    with opened() as found:
        print("x" * MOST_IN_MEMORY)
        (writer,) = (thread for thread in threading.enumerate() if thread.name == "standard output")
        found.hurry()
    assert found.leaves_out_rest
    pipe[0].close()
    writer.join()


def test_end_in_a_hurry_leaves_out_nothing_that_is_read(pipe, opened):
    with opened() as found:
        print("text")
        found.hurry()
    assert not found.leaves_out_rest
    assert pipe[0].readline() == b"text\n"


def test_closed_reader_is_reported_immediately(pipe, opened):
    reported = threading.Event()

    def write():
        with opened() as found, found.on_loss(reported.set):
            print("first")
            assert pipe[0].readline() == b"first\n"
            pipe[0].close()
            assert reported.wait(300)
            print("x" * (4 * MOST_IN_MEMORY))  # is discarded

    with pytest.raises(BrokenPipeError):
        write()


def test_earlier_loss_is_reported(pipe, opened):
    reported = threading.Event()

    def write():
        with opened() as found:
            print("first")
            found.drain()
            with found.on_loss(reported.set):
                assert reported.is_set()

    pipe[0].close()
    with pytest.raises(BrokenPipeError):
        write()


def test_device_that_accepts_nothing():
    with open("/dev/full", "w") as full:
        reported = []
        written = BackgroundStream(full.fileno(), lambda: reported.append(True))
        assert written.write(b"text") == 4
        assert reported == [True]
        assert written.problem.errno == errno.ENOSPC
        written.end()


def test_stream_without_a_descriptor_is_not_replaced(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with background_output():
        print("text")
    assert stream.getvalue() == "text\n"


PROGRAM = """\
import os, sys
from monopod.runner.display.background_output import background_output

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

with background_output():
    before = peak()
    for _ in range(1024):
        print("x" * 65535)
    os.write(3, b"%d" % (peak() - before))
"""


def test_memory_stays_bounded():
    reader, writer = os.pipe()
    program = PROGRAM.replace("os.write(3", f"os.write({writer}")
    with (
        open(reader) as reported,
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, pass_fds=[writer]) as process,
    ):
        os.close(writer)
        assert int(os.read(reported.fileno(), 20)) < 16 * 1024  # KiB, of 64 MiB
        assert process.stdout.read() == (b"x" * 65535 + b"\n") * 1024
    assert process.returncode == 0
