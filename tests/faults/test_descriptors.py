"""The number of open descriptors of a run's processes does not grow with attempts or restarts of the coordinator."""

import os
import signal
from pathlib import Path

import pytest
from host_run import pipeline
from shared_directory import WAIT, Shared

from monopod.coordinator.shell import RESTARTED

pytestmark = pytest.mark.slow

COORDINATOR, ENTRYPOINT = "monopod.coordinator", "/monopod/bin/entrypoint"
ATTEMPTS = 200


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


def held(run):
    """Return the number of descriptors of the runner, launcher and sandbox, the coordinator, and the entrypoint."""
    programs = {name: run.processes(name) for name in ("launcher.py", COORDINATOR, ENTRYPOINT)}
    assert [len(pids) for pids in programs.values()] == [2, 1, 1]
    programs["runner"] = [run.process.pid]
    return {name: sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids) for name, pids in programs.items()}


def test_descriptors_do_not_grow(run, shared):
    """The coordinator is also killed between an early attempt and the last attempt."""
    wait = f"case $(context.task.retry-count) in 3|{ATTEMPTS}) {WAIT};; esac; "
    end = f"test $(context.task.retry-count) = {ATTEMPTS}"
    process = run.start(pipeline({"only": shared.task(wait + end, retries=ATTEMPTS)}))
    shared.hear()
    before = held(run)
    (coordinator,) = run.processes(COORDINATOR)
    os.kill(coordinator, signal.SIGKILL)
    shown = ""
    while RESTARTED not in shown:
        shown = process.stderr.readline()
    shared.go()
    shared.hear()
    after = held(run)
    shared.go()
    ended = run.end()
    assert ended.code == 0, ended.shown
    (status,) = (each["status"] for each in ended.status["taskRuns"].values())
    assert len(status["retriesStatus"]) == ATTEMPTS
    assert all(after[name] <= count for name, count in before.items()), (before, after)
