"""A slow reader never blocks a Step and loses no line."""

from __future__ import annotations

import shlex
import signal
import subprocess
from pathlib import Path

import pytest
import slow_reader

pytestmark = pytest.mark.slow


def test_reader_that_reads_only_after_the_steps_have_ended(backend, tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir()
    with backend.start("-f", slow_reader.written(shared)) as process:
        slow_reader.wait_until_steps_are_done(shared, process)
        numbers, others = slow_reader.read_numbers(process)
        assert process.wait() == 0, process.stderr.read()
    assert numbers == list(range(1, slow_reader.LINES + 1))
    assert others[-1].startswith("noisy Succeeded in ")


def test_second_interrupt_does_not_wait_for_the_reader(backend, tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir()
    with backend.start("-f", slow_reader.written(shared, is_stubborn=True)) as process:
        for fifo in ("done", "stopping"):
            slow_reader.wait_until_steps_are_done(shared, process, fifo)
            process.send_signal(signal.SIGINT)
        assert process.wait(slow_reader.PATIENCE) == 130  # nothing was read
        assert "Traceback" not in process.stderr.read()


def test_closed_stdout_cancels_the_run(backend, tmp_path: Path):
    backend.environment["XDG_STATE_HOME"] = str(tmp_path / "records")
    text = slow_reader.RUN.replace("script: seq 1 300000", "script: echo ready; sleep 1000000")
    file = tmp_path / "run.yaml"
    file.write_text(text.replace("SHARED", str(tmp_path)))
    with backend.start("-f", file) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "[many : write] ready\n":
                break
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    (run,) = backend.monopod("runs").splitlines()[1:]
    assert " Cancelled " in run


def test_closed_stderr_cancels_the_run(backend, tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir()
    command = backend.command("-o", "json", "-f", slow_reader.written(shared))
    # the lines go to a pipe whose reader leaves, the document to a file
    shell = f"{shlex.join(command)} 2>&1 >{shared}/document | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{shell}; exit ${{PIPESTATUS[0]}}"], env=backend.environment, check=False, capture_output=True
    )
    assert done.returncode == 141
