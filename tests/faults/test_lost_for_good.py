"""A coordinator that never returns, and a container that never starts. Timeouts are shorter than in a real Pod."""

from __future__ import annotations

import os
import subprocess

import pytest
from processes import Pod, of, task

from monopod.schemas.run_events import CANNOT_CONTINUE, TaskFinished

pytestmark = pytest.mark.slow


@pytest.fixture
def make_pod(tmp_path):
    made = []

    def make(*tasks, **options):
        made.append(Pod(tmp_path / "pod", *tasks, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "pod"


def test_containers_end_without_their_coordinator(make_pod, root, tmp_path):
    """A container with a running Step, a container whose Step has ended, and a waiting container."""
    held = tmp_path / "held"
    os.mkfifo(held)
    running = task(root, "running", f"exec 3> {held}; echo there >&3; exec sleep 100000", after=("done",))
    pod = make_pod(task(root, "done", ["exit 0", "exit 0"]), running, task(root, "waits", "exit 0", after=("running",)))
    pod.orphan_seconds = 1
    pod.start()
    step = held.open()
    assert step.readline() == "there\n"
    pod.coordinator.kill()
    pod.coordinator.wait()
    codes = pod.exit_codes()
    assert (codes["running"], codes["waits"]) == (75, 75)
    assert {codes["done"], codes["done-1"]} <= {0, 75}  # they may have been released before
    with step:
        assert step.read() == ""  # no process has it locked


def test_coordinator_that_cannot_write_its_journal_counts_as_lost(make_pod, root, small_disk):
    """Its disk is full when it is restarted: it reports that, and no container waits for it."""
    root.mkdir()
    (root / "state").symlink_to(small_disk)
    held = root / "held"
    os.mkfifo(held)
    pod = make_pod(task(root, "running", f"echo there > {held}; exec sleep 100000"), task(root, "waits", "exit 0"))
    pod.orphan_seconds = 1
    pod.start()
    assert held.read_text() == "there\n"
    pod.coordinator.kill()
    pod.coordinator.wait()
    subprocess.run(["dd", "if=/dev/zero", f"of={small_disk}/large", "bs=4k"], capture_output=True, check=False)
    second = subprocess.run(pod.command, capture_output=True, text=True, check=False)
    assert second.returncode == CANNOT_CONTINUE
    assert second.stderr == f"coordinator: [Errno 28] No space left on device: '{root}/state/journal'\n"
    codes = pod.exit_codes()
    assert codes["running"] == 75
    assert codes["waits"] in (0, 75)  # it may have been released before


def test_container_that_never_starts_fails_its_task_by_name(make_pod, root):
    lost = task(root, "lost", ["exit 0", "exit 0"])
    final = (task(root, "report", "test '$(tasks.lost.status) $(tasks.calm.status)' = 'Failed Succeeded'"),)
    pod = make_pod(lost, task(root, "calm", "exit 0"), final=final, container_start_timeout=20.0)
    pod.containers.remove("lost-1")
    pod.start()
    events = list(pod.events())
    ended = {event.task: event for event in of(events, TaskFinished)}
    assert {name: event.status for name, event in ended.items()} == {
        "lost": "Failed",
        "calm": "Succeeded",
        "report": "Succeeded",
    }
    assert "lost-1" in ended["lost"].message
    assert events[-1].status == "Failed"
    pod.end()
