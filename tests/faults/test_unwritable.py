"""monopod's own directories become unwritable during a run: the run ends and reports why."""

import resource
import subprocess

import pytest
from host_run import HostRun, pipeline
from shared_directory import WAIT, Shared

from monopod.coordinator.shell import RESTARTED

pytestmark = pytest.mark.slow

COORDINATOR = "monopod.coordinator"
SHORT = "import monopod.runner.run; monopod.runner.run.MOST_END_SECONDS = 1"
KILLED = "warning: the run is over, but some of its containers are still running; killing them"


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


def make_read_only(run, *paths):
    """Make directories read-only to the coordinator."""
    (pid,) = run.processes(COORDINATOR)
    for path in paths:
        command = ["nsenter", f"--target={pid}", "--mount", "mount", "-o", "remount,bind,ro", f"/monopod/{path}"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount")


@pytest.mark.parametrize(
    ("paths", "words", "is_killed"),
    [
        (["steps/victim-s1"], "run.1: Read-only file system", True),
        (
            ["slots/victim/tekton", "slots/victim/scripts"],
            "victim-s1-1: Read-only file system",
            False,
        ),
    ],
)
def test_directories_become_read_only_during_a_run(tmp_path, shared, paths, words, is_killed):
    run = HostRun(tmp_path / "state", before=SHORT)
    try:
        tasks = {
            "victim": shared.task(WAIT + "echo went on", "echo never", onError="continue"),
            "next": {"scripts": "exit 0", "runAfter": ["victim"]},
            "calm": shared.task(WAIT, "echo calm"),
        }
        run.start(pipeline(tasks, {"report": "echo $(tasks.victim.status) $(tasks.next.status) $(tasks.calm.status)"}))
        shared.hear(2)
        make_read_only(run, *paths)
        shared.go(2)
        ended = run.end()
        assert ended.code == 0, ended.shown
        reason, message = ended.task("victim")
        assert reason == "FailureIgnored"
        assert message.startswith('"step-s1" exited with code ')
        assert words in ended.shown
        assert ended.lines("victim") == ["went on"]
        assert "[calm : s1] calm" in ended.shown
        assert ended.lines("report") == ["Failed Succeeded Succeeded"]
        assert (KILLED in ended.shown) is is_killed
        assert run.remains() == []
    finally:
        run.close()


def test_coordinator_that_cannot_write_its_journal_is_restarted(run, shared):
    """Its files may not grow any more; the files of the next coordinator may."""
    run.start(pipeline({"first": shared.task(WAIT + "echo once >> /shared/ran", "echo once >> /shared/ran")}))
    shared.hear()
    (pid,) = run.processes(COORDINATOR)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, 1))
    shared.go()
    ended = run.end()
    assert ended.code == 0, ended.shown
    assert "coordinator: [Errno 27] File too large: '/monopod/state/journal'" in ended.shown
    assert f"warning: {RESTARTED}" in ended.shown
    assert (shared.path / "ran").read_text() == "once\nonce\n"


def test_run_on_a_full_disk_did_not_start(small_disk):
    (small_disk / "fill").write_bytes(bytes((6 << 20) - (16 << 10)))
    run = HostRun(small_disk)
    try:
        ended = run.run(pipeline({"first": "exit 0"}))
        assert ended.code == 1
        condition = ended.status["conditions"][0]
        assert (condition["status"], condition["reason"]) == ("False", "NotStarted")
        assert condition["message"].startswith("the run did not start: sidecar coordinator could not be started: ")
        assert condition["message"].endswith("No space left on device")
    finally:
        run.close()
