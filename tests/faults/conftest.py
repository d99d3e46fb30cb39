"""Runs on this machine; afterwards nothing of them may be left."""

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
