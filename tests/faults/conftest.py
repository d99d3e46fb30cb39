"""Runs on this machine, which must leave nothing behind."""

import subprocess

import pytest
from host_run import HostRun


@pytest.fixture
def run(tmp_path):
    run = HostRun(tmp_path / "state")
    try:
        yield run
        assert run.remains() == []
    finally:
        run.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MiB."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "small", path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount")
    yield path
    subprocess.run(["umount", path], check=True)
