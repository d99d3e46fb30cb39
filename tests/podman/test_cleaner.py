"""The process that removes a Pod when its runner is gone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys

import pytest

from monopod.runner.kubelet import state_directory
from monopod.runner.podman import cleaner


@pytest.fixture
def left(tmp_path):
    """The directories of a Pod: on disk and in memory, with files in both."""
    root, memory = tmp_path / "root", tmp_path / "memory"
    directory = root / "pod-1"
    (directory / "volumes").mkdir(parents=True)
    memory.mkdir()
    (memory / "secret").write_text("x")
    (directory / "volumes/file").write_text("x")
    (directory / "lock").touch()
    (directory / "memory").symlink_to(memory)
    left = cleaner.Left("pod-1", str(directory), str(memory))
    left.write()
    return left


@pytest.fixture
def clean(left):
    """Runs the cleaner; `act` gets the pipe that the cleaner waits for."""

    def clean(act, seconds="0"):
        reader, writer = os.pipe()
        lock = os.open(f"{left.directory}/lock", os.O_RDWR)
        try:
            command = [sys.executable, "-P", "-m", cleaner.__name__, str(reader), str(lock)]
            process = subprocess.Popen(
                [*command, left.name, left.directory, left.memory, seconds],
                pass_fds=(reader, lock),
                stderr=subprocess.PIPE,
                text=True,
            )
            os.close(reader)
            act(writer, process)
        finally:
            os.close(lock)
        with process:
            errors = process.stderr.read()
        assert process.returncode == 0, errors
        return errors

    return clean


def close(writer, _):
    os.close(writer)


def test_everything_is_removed_when_the_pipe_is_closed(clean, left, fake_podman):
    assert clean(close) == ""
    assert fake_podman.asked() == ["pod rm --force --ignore --time 0 pod-1"]
    assert not os.path.exists(left.memory)
    assert not os.path.exists(os.path.dirname(left.directory))


def test_byte_in_the_pipe_keeps_files_and_stops_the_pod(clean, left, fake_podman):
    def keep(writer, _):
        os.write(writer, b"k")
        os.close(writer)

    clean(keep)
    assert fake_podman.asked() == ["pod stop --time 0 pod-1"]
    assert not os.path.exists(left.memory)
    assert sorted(os.listdir(left.directory)) == ["engine", "volumes"]


def test_pod_past_its_deadline_is_stopped(clean, left, fake_podman):
    def wait(writer, process):
        while not fake_podman.asked():
            assert process.poll() is None
        os.close(writer)

    clean(wait, "0.01")
    assert fake_podman.asked() == ["pod stop --time 2 pod-1", "pod rm --force --ignore --time 0 pod-1"]


RM = "pod rm --force --ignore --time 0 pod-1"


@pytest.mark.parametrize(
    ("code", "errors", "message"),
    [(125, "Error: device busy\n", "Error: device busy"), (-9, "", "podman was killed by signal 9")],
)
def test_later_run_removes_a_pod_that_could_not_be_removed(clean, left, fake_podman, code, errors, message):
    fake_podman.answer("pod rm", errors=errors, code=code)
    assert clean(close) == (
        f"monopod: podman cannot remove the pod pod-1: {message}; the next run with podman tries again\n"
    )
    assert fake_podman.asked() == [RM] * cleaner.TRIES
    assert os.path.exists(f"{left.directory}/volumes/file")
    assert os.path.exists(left.memory)
    fake_podman.answer("pod rm")
    cleaner.remove_abandoned(os.path.dirname(left.directory))
    assert not os.path.exists(left.directory)
    assert not os.path.exists(left.memory)


def test_killed_podman_is_retried(clean, left, fake_podman):
    fake_podman.answer("pod rm", code=-9, times=1)
    assert clean(close) == ""
    assert fake_podman.asked() == [RM] * 2
    assert not os.path.exists(left.directory)


def test_removal_is_recorded_if_podman_cannot_run(left, monkeypatch, capsys):
    monkeypatch.setenv("PATH", left.directory)
    left.remove()
    assert "cannot run podman: No such file or directory; the next run" in capsys.readouterr().err
    assert os.path.exists(f"{left.directory}/engine")


@pytest.mark.parametrize("after", range(6))
def test_next_run_finishes_the_work_of_a_killed_cleaner(left, fake_podman, monkeypatch, after):
    """It is killed at each removal in the state directory."""
    calls = [0]

    def until_then(function):
        def call(path, *rest, **options):
            if str(path).startswith(left.directory) and "/volumes/" not in str(path):
                calls[0] += 1
                if calls[0] > after:
                    raise KeyboardInterrupt
            return function(path, *rest, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("unlink", "rmdir"):
            patch.setattr(os, name, until_then(getattr(os, name)))
        with contextlib.suppress(KeyboardInterrupt):
            left.remove()
    root = os.path.dirname(left.directory)
    if os.path.isdir(root):
        cleaner.remove_abandoned(root)
    if os.path.isdir(root):
        state_directory.remove_abandoned(root)  # with the host backend
    assert not os.path.exists(left.directory) or os.listdir(left.directory) == []


def test_cleaner_ignores_signals_of_the_terminal(clean, left, fake_podman):
    def interrupt(writer, process):
        fake_podman.answer("pod stop")
        while not fake_podman.asked():  # by then it has set its handlers
            assert process.poll() is None
        for number in (1, 2, 15):
            process.send_signal(number)
        os.close(writer)

    clean(interrupt, "0.01")
    assert fake_podman.asked()[-1].startswith("pod rm")


def test_abandoned_but_not_locked_directories_are_removed(left, fake_podman):
    root = os.path.dirname(left.directory)
    for name in ("of-the-host", "kept"):
        os.mkdir(f"{root}/{name}")
    with open(f"{root}/kept/engine", "w") as file:
        json.dump({"name": "kept", "memory": "/none"}, file)  # without a lock it was kept on purpose
    with open(f"{left.directory}/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cleaner.remove_abandoned(root)
        assert sorted(os.listdir(root)) == ["kept", "of-the-host", "pod-1"]
    cleaner.remove_abandoned(root)
    assert sorted(os.listdir(root)) == ["kept", "of-the-host"]
    assert not os.path.exists(left.memory)
    assert fake_podman.asked() == ["pod rm --force --ignore --time 0 pod-1"]
