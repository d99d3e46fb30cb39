"""A slow reader of the output never blocks the run."""

import contextlib
import errno
import io
import os
import subprocess
import sys
import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.display import background_output as module
from monopod.runner.display.background_output import BackgroundStream, SpillBuffer, background_output


@given(steps=st.lists(st.one_of(st.binary(max_size=40), st.just(None))), in_memory=st.integers(0, 30))
def test_output_is_first_in_first_out(steps, in_memory, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "IN_MEMORY", in_memory)
        patch.setattr(module, "SEGMENT_BYTES", 50)
        patch.setattr(module, "_PIECE", 7)
        buffer, expected = SpillBuffer(str(tmp_path_factory.getbasetemp())), deque()
        for step in steps:
            if step is not None:
                buffer.put(step)
                expected.extend(step)
            else:
                taken = buffer.take()
                assert taken == bytes(expected.popleft() for _ in range(len(taken)))
                assert bool(taken) or not expected
            assert bool(buffer) == bool(expected)
            assert len(buffer._memory) <= max(in_memory, 7)
        buffer.clear()
        assert not buffer


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


def test_two_streams_to_one_file_stay_in_order(pipe, opened):
    expected = "".join(f"{number}\n" for number in range(1000))
    with opened():
        for number in range(1000):
            print(number, file=(sys.stdout, sys.stderr)[number % 2])
    assert pipe[0].read(len(expected)) == expected.encode()


def test_writing_waits_for_the_reader_on_a_full_disk(pipe, opened, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    text = "x" * (module.IN_MEMORY * 4)
    thread, found = read_all(pipe[0], len(text))
    with opened():
        print(text, end="")
    thread.join()
    assert found == [text.encode()]


def test_closed_reader_is_reported_immediately(pipe, opened):
    reported = threading.Event()

    def write():
        with opened() as found, found.on_loss(reported.set):
            print("first")
            assert pipe[0].readline() == b"first\n"
            pipe[0].close()
            assert reported.wait(300)
            print("x" * (4 * module.IN_MEMORY))  # is discarded

    with pytest.raises(BrokenPipeError):
        write()


def test_earlier_loss_is_reported(pipe, opened):
    reported = threading.Event()

    def write():
        with opened() as found:
            print("first")
            found.drain(None)
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
