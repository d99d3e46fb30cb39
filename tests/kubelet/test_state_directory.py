"""The state directories of Pods: their owner, their removal, and their contents."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.kubelet import state_directory


@pytest.fixture(autouse=True)
def temporary_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_only_unlocked_directories_are_removed():
    held = state_directory.create("held")
    left = state_directory.create("left")
    kept = state_directory.create("kept")
    state_directory.release(kept.path)
    os.close(left.lock)
    os.close(kept.lock)
    state_directory.remove_abandoned(os.path.dirname(held.path))
    assert os.path.isdir(held.path)
    assert not os.path.exists(left.path)
    assert os.path.isdir(kept.path)
    os.close(held.lock)


def test_root_is_removed_with_the_last_directory():
    first, last = state_directory.create("a"), state_directory.create("b")
    state_directory.discard(first.path)
    assert os.path.isdir(last.path)
    state_directory.discard(last.path)
    assert not os.path.exists(os.path.dirname(last.path))
    os.close(first.lock)
    os.close(last.lock)


def test_root_is_private_to_the_caller(tmp_path):
    root = state_directory.state_root()
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o700
    os.chmod(root, 0o755)
    with pytest.raises(BackendUnavailableError, match="mode 0700"):
        state_directory.state_root()
    os.rmdir(root)
    os.symlink(tmp_path, root)
    with pytest.raises(BackendUnavailableError, match="not a directory of yours"):
        state_directory.state_root()


def test_failure_to_create_a_directory_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "no"))
    with pytest.raises(BackendUnavailableError, match="set TMPDIR"):
        state_directory.state_root()


@pytest.fixture
def deep_directory():
    """A separate directory, since pytest cannot remove these contents if the test fails."""
    path = Path(tempfile.mkdtemp())
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


def test_any_contents_are_removed(tmp_path, deep_directory):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    directory = deep_directory / "state"
    directory.mkdir()
    (directory / "link").symlink_to(outside)
    (directory / ".removed-1").mkdir()
    (directory / ".removed-1" / "file").write_text("x")
    os.mkfifo(directory / "fifo")
    here = os.open(directory, os.O_RDONLY)
    for _ in range(3000):  # deeper than Python recurses, and longer than the limit of a path
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT, dir_fd=below))
        os.symlink("/", "link", dir_fd=below)
        os.close(here)
        here = below
    os.close(here)
    state_directory.remove(str(directory))
    assert not directory.exists()
    assert (outside / "file").exists()
