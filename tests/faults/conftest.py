"""Runs on this machine; afterwards nothing of them may be left."""

from pathlib import Path

import pytest
from host_run import HostRun


@pytest.fixture(scope="module")
def module_run(tmp_path_factory):
    """A run that the tests of a module share."""
    yield from _run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(tmp_path):
    yield from _run(tmp_path)


def _run(directory: Path):
    run = HostRun(directory / "state")
    try:
        yield run
        assert run.remains() == []
    finally:
        run.close()
