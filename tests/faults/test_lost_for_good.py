"""What never comes, or never comes back: a coordinator, a container. With shorter times than those of a real Pod."""

from __future__ import annotations

import os
import subprocess

import pytest
from processes import Pod, of, task

from monopod.schemas.run_events import CANNOT_GO_ON, TaskFinished

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


def test_all_containers_of_a_pod_end_without_their_coordinator(make_pod, root, tmp_path):
    """One in which a Step runs, one whose Step has ended, and one that waits for its turn."""
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
    assert {codes["done"], codes["done-1"]} <= {0, 75}  # they may have been let go before
    with step:
        assert step.read() == ""  # nobody holds it any more


def test_a_coordinator_that_can_keep_no_journal_any_more_is_as_good_as_none(make_pod, root, small_disk):
    """Its disk is full when it is started again: it says why, and keeps no container waiting."""
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
    assert second.returncode == CANNOT_GO_ON
    assert second.stderr == f"coordinator: [Errno 28] No space left on device: '{root}/state/journal'\n"
    codes = pod.exit_codes()
    assert codes["running"] == 75
    assert codes["waits"] in (0, 75)  # it may have been let go before


def test_a_container_that_never_comes_fails_its_task_by_name(make_pod, root):
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
