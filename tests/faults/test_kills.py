"""SIGKILL of processes of a Pod on this machine, and full disks: the run ends with the right outcome.

A Step that must be running signals through a FIFO, so nothing depends on time.
"""

import contextlib
import os
import signal
from pathlib import Path

import psutil
import pytest
from host_run import HostRun, pipeline
from shared_directory import HERE, WAIT, Shared

from monopod.coordinator.shell import RESTARTED

pytestmark = pytest.mark.slow

ENTRYPOINT = "/monopod/bin/entrypoint"
COORDINATOR = "monopod.coordinator"


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


def kill(run, program, count=1):
    found = run.processes(program)
    assert len(found) == count, program
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def executed(run, program):
    """Wait until the shell of a Step that has reported itself has executed a program, and return its process."""
    while not (found := run.processes(program)):
        pass
    (pid,) = found
    return psutil.Process(pid)


def entrypoint_of(run, container):
    """Wait for the entrypoint of a container and return it."""
    while True:
        for pid in run.processes(ENTRYPOINT):
            with contextlib.suppress(FileNotFoundError):
                if container in Path(f"/proc/{pid}/mountinfo").read_text():
                    return pid


def test_killed_steps_and_entrypoints(run, shared):
    """All at once: a Step's process, two entrypoints with a running Step, and a waiting entrypoint."""
    names = ("step", "entrypoint", "another", "second")
    sleep = HERE + "exec sleep 100000.{name}"
    tasks = {name: shared.task(sleep.replace("{name}", str(number)), "exit 0", onError="continue")
             for number, name in enumerate(names)}  # fmt: skip
    tasks["calm"] = shared.task(WAIT)
    run.start(pipeline(tasks, {"report": "echo $(tasks.step.status) $(tasks.calm.status)"}))
    shared.hear(5)
    waiting = entrypoint_of(run, "second-s1")
    executed(run, "sleep 100000.0").kill()
    for name in ("1", "2"):
        executed(run, f"sleep 100000.{name}").parent().kill()
    os.kill(waiting, signal.SIGKILL)
    executed(run, "sleep 100000.3").terminate()
    shared.go()
    ended = run.end()
    assert ended.status["conditions"][0]["status"] == "True"
    assert ended.task("step") == ("FailureIgnored", '"step-s0" exited with code 137: Error')
    for name in ("entrypoint", "another", "second"):
        reason, message = ended.task(name)
        assert reason == "FailureIgnored"
        assert "exited with code 1" in message or "was killed" in message
    assert ended.task("calm")[0] == "Succeeded"
    assert "[report : s0] Failed Succeeded" in ended.shown


def kill_container_of(run, program):
    """Kill the entrypoint of a Step that runs a program, as the kernel does that kills a whole cgroup."""
    executed(run, program).parent().kill()


def test_a_task_with_retries_whose_container_is_killed_is_retried(run, shared):
    """The second Step, after the first; then both run again, in the container that was restarted and in the other."""
    first = "echo first $(context.task.retry-count) >> /shared/ran"
    second = (
        "echo attempt $(context.task.retry-count); echo second $(context.task.retry-count) >> /shared/ran; "
        f"[ $(context.task.retry-count) = 1 ] || {{ {HERE} exec sleep 100000.5; }}"
    )
    run.start(pipeline({"again": shared.task(first, second, retries=1), "once": shared.task(WAIT)}))
    shared.hear(2)
    kill_container_of(run, "sleep 100000.5")
    shared.go()
    ended = run.end()
    assert ended.code == 0
    assert (shared.path / "ran").read_text() == "first 0\nsecond 0\nfirst 1\nsecond 1\n"
    (task,) = [each for each in ended.status["taskRuns"].values() if each["pipelineTaskName"] == "again"]
    (before,) = task["status"]["retriesStatus"]
    assert before["steps"][1]["terminated"]["exitCode"] == 137
    shown = [line for line in ended.shown.splitlines() if "[again : s1]" in line]
    assert shown[0] == "[again : s1] attempt 0"
    assert shown[-1] == "[again : s1] attempt 1"


def test_a_killed_container_is_used_by_the_next_combination(run, shared):
    script = f"echo $(params.k) >> /shared/ran; [ $(params.k) != a ] || {{ {HERE} exec sleep 100000.6; }}"
    task = shared.task(script, onError="continue", matrix={"params": [{"name": "k", "value": ["a", "b", "c"]}]})
    task["taskSpec"] |= {"params": [{"name": "k"}]}
    run.start(pipeline({"fan": task}), "--max-concurrency", "1")
    shared.hear()
    kill_container_of(run, "sleep 100000.6")
    ended = run.end()
    assert (shared.path / "ran").read_text() == "a\nb\nc\n"
    reasons = [each["status"]["conditions"][0]["reason"] for each in ended.status["taskRuns"].values()]
    assert reasons == ["FailureIgnored", "Succeeded", "Succeeded"]


def test_killed_coordinator_is_restarted(run, shared):
    run.start(pipeline({"first": shared.task(WAIT + "echo ran >> /shared/ran", "echo ran >> /shared/ran")}))
    shared.hear()
    kill(run, COORDINATOR)
    shared.go()
    ended = run.end()
    assert ended.code == 0
    assert f"warning: {RESTARTED}" in ended.shown
    assert (shared.path / "ran").read_text() == "ran\nran\n"


def test_cancellation_during_a_restart_is_not_lost(run, shared):
    """The second restart takes ten seconds."""
    process = run.start(pipeline({"first": shared.task(WAIT), "next": {"scripts": "exit 0", "runAfter": ["first"]}}))
    shared.hear()
    kill(run, COORDINATOR)
    shown = ""
    while RESTARTED not in shown:
        shown = process.stderr.readline()
    kill(run, COORDINATOR)
    process.send_signal(signal.SIGTERM)
    ended = run.end()
    assert ended.code == 130
    assert ended.status["conditions"][0]["reason"] == "Cancelled"
    assert "first" in str(ended.status["taskRuns"])


@pytest.mark.parametrize("keep", [True, False])
def test_full_disk_stops_logs_but_not_runs(tmp_path, small_disk, keep):
    run = HostRun(small_disk / "state")
    try:
        ended = run.run(
            pipeline(
                {
                    "chatter": "yes $(head -c 999 /dev/zero | tr '\\0' x) | head -c 10M; echo said all",
                    "writer": {
                        "scripts": "! dd if=/dev/zero of=/workspace/file bs=1M count=10 2>/dev/null",
                        "runAfter": ["chatter"],
                    },
                    "last": {
                        "scripts": "printf text > /tekton/results/out",
                        "runAfter": ["writer"],
                        "onError": "continue",
                        "taskSpec": {"results": [{"name": "out"}]},
                    },
                }
            ),
            *["--keep", "always"] * keep,
        )
        assert ("logs are no longer kept: " in ended.shown) == keep
        assert "said all" in ended.shown
        assert "still running" not in ended.shown
        assert ended.code in (0, 1)
        assert ended.status["conditions"][0]["reason"] in ("Succeeded", "Completed", "Failed")
        assert keep or run.remains() == []
    finally:
        run.close()


def test_memory_emptydir_has_the_size_of_its_limit(run):
    volume = {"name": "files", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}
    mounts = [{"name": "files", "mountPath": "/files"}]
    spec = {"volumes": [volume], "stepTemplate": {"volumeMounts": mounts}}
    write = "dd if=/dev/zero of=/files/x bs=1M count=5"
    ended = run.run(pipeline({"writer": {"scripts": write, "onError": "continue", "taskSpec": spec}, "calm": "exit 0"}))
    assert ended.task("writer")[0] == "FailureIgnored"
    assert ended.task("calm")[0] == "Succeeded"
    assert "No space left on device" in ended.shown


def test_full_workspace_fails_only_its_writers(run, small_disk):
    """Other Tasks continue, including readers of the Workspace, and so does `finally`."""
    small_disk.chmod(0o777)
    workspace = {"workspaces": [{"name": "files"}], "taskSpec": {"workspaces": [{"name": "files"}]}}
    write = "cd $(workspaces.files.path); echo kept > small; dd if=/dev/zero of=large bs=1M count=10"
    read = "test $(cat $(workspaces.files.path)/small) = kept"
    tasks = {
        "writer": {"scripts": write, "onError": "continue", **workspace},
        "reader": {"scripts": read, "runAfter": ["writer"], **workspace},
        "calm": "exit 0",
    }
    document = pipeline(tasks, {"report": "echo $(tasks.writer.status) $(tasks.reader.status)"})
    document["spec"]["workspaces"] = [{"name": "files"}]
    ended = run.run(document, "-w", f"files=hostPath:{small_disk}")
    assert {name: ended.task(name)[0] for name in tasks} == {
        "writer": "FailureIgnored",
        "reader": "Succeeded",
        "calm": "Succeeded",
    }
    assert "No space left on device" in ended.shown
    assert "[report : s0] Failed Succeeded" in ended.shown


def test_killing_the_last_entrypoint_fails_its_task_without_cancelling(run, shared):
    """All containers except the coordinator's have then ended, so the coordinator is asked to end."""
    run.start(pipeline({"one": shared.task(HERE + "exec sleep 100000")}))
    shared.hear()
    kill_container_of(run, "sleep 100000")
    ended = run.end()
    assert ended.code == 1
    assert ended.status["conditions"][0]["reason"] == "Failed"


IMPATIENT = """
import monopod.runner.run, monopod.runner.host.pod
monopod.runner.run.KILL_SECONDS = monopod.runner.host.pod._CLEANUP_SECONDS = 1
"""


def sandbox_of(run):
    (pid,) = [pid for pid in run.processes() if Path(f"/proc/{pid}/comm").read_text() == "monopod-sandbox\n"]
    return pid


def test_run_with_a_hanging_sandbox_ends_when_killed(tmp_path, shared):
    """The sandbox is stopped, as if it were waiting for a file system that hangs."""
    run = HostRun(tmp_path / "state", before=IMPATIENT)
    try:
        process = run.start(pipeline({"stuck": shared.task(HERE + "exec sleep 100000")}))
        shared.hear(1)
        os.kill(sandbox_of(run), signal.SIGSTOP)
        process.send_signal(signal.SIGHUP)
        ended = run.end()
        assert ended.code == 130, ended.shown
        assert run.processes() == []
    finally:
        run.close()


def test_stopped_launcher_does_not_keep_a_run_from_ending(tmp_path, shared):
    run = HostRun(tmp_path / "state", before=IMPATIENT)
    try:
        process = run.start(pipeline({"stuck": shared.task(HERE + "exec sleep 100000")}))
        shared.hear(1)
        launcher = psutil.Process(sandbox_of(run)).parent()
        assert any(argument.endswith("launcher.py") for argument in launcher.cmdline())
        launcher.suspend()
        process.send_signal(signal.SIGHUP)
        ended = run.end()
        assert ended.code == 130, ended.shown
        assert run.processes() == []
    finally:
        run.close()


def test_sandbox_that_is_never_ready_is_not_awaited(tmp_path):
    before = f"{IMPATIENT}\nmonopod.runner.host.pod._READY_SECONDS = 0.001"
    run = HostRun(tmp_path / "state", before=before)
    try:
        ended = run.run(pipeline({"never": "exit 0"}))
        assert ended.code == 2
        assert "monopod run: the sandbox was not ready after 0.001 seconds" in ended.shown
        assert run.processes() == []
    finally:
        run.close()
