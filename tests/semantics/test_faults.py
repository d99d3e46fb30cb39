"""Faults in real containers: kills, containers that cannot start, hostile Steps.

A few Pods have many faults each, since starting containers is slow.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import hostile_steps
import psutil
import pytest
import system_calls
from finished_run import FinishedRun
from host_run import pipeline
from podman_store import BUSYBOX
from shared_directory import HERE, WAIT, Shared

pytestmark = pytest.mark.slow

SLEEP = HERE + "exec sleep 100000"
INOTIFY = "anon_inode:inotify"


@pytest.fixture
def podman_backend(make_backend):
    return make_backend("podman")


@pytest.fixture
def shared(tmp_path):
    shared = Shared(tmp_path / "shared")
    yield shared
    shared.close()


def entrypoint_of(backend, container: str) -> psutil.Process:
    """Wait for the first process of a container and return it."""
    (name,) = backend.podman("ps", "--all", "--filter", f"name=-{container}$", "--format", "{{.Names}}").split()
    backend.podman("wait", "--condition", "running", name)
    (pid,) = backend.podman("ps", "--filter", f"name=-{container}$", "--format", "{{.Pid}}").split()
    return psutil.Process(int(pid))


def open_on(pid: int) -> list[str]:
    """Return the targets of a process's descriptors."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(descriptor))
    return found


def test_steps_and_entrypoints_killed_all_at_once(podman_backend, shared, tmp_path):
    """A Step's process, two entrypoints with a running Step, a waiting entrypoint, and the coordinator."""
    names = ("step", "entrypoint", "another", "waiting")
    tasks = {name: shared.task(SLEEP, "exit 0", onError="continue") for name in names}
    tasks["calm"] = shared.task(WAIT + "echo once >> /shared/ran")
    file = tmp_path / "pipeline.yaml"
    report = "echo $(tasks.step.status) $(tasks.calm.status)"
    file.write_text(json.dumps(pipeline(tasks, {"report": report}, image=BUSYBOX)))
    process = podman_backend.start("-f", file, "-o", "json")
    try:
        shared.hear(5)
        assert INOTIFY in open_on(process.pid)
        (step,) = entrypoint_of(podman_backend, "step-s0").children()
        victims = [entrypoint_of(podman_backend, name) for name in ("entrypoint-s0", "another-s0", "waiting-s1")]
        for each in (step, *victims, entrypoint_of(podman_backend, "coordinator")):
            each.kill()
        (sleeper,) = entrypoint_of(podman_backend, "waiting-s0").children()
        sleeper.terminate()
        shared.go()
        output, messages = process.communicate()
    finally:
        process.kill()
    ran = FinishedRun(process.returncode, output, messages.split("\n"))
    conditions = {name: status["conditions"][0] for name, status in ran.tasks().items()}
    assert {name: each["reason"] for name, each in conditions.items()} == {
        **dict.fromkeys(names, "FailureIgnored"),
        **dict.fromkeys(("calm", "report"), "Succeeded"),
    }
    assert conditions["step"]["message"] == '"step-s0" exited with code 137: Error'
    assert all(
        "exited with code 1" in conditions[name]["message"] or "killed" in conditions[name]["message"] for name in names
    )
    assert any("the coordinator was killed (SIGKILL)" in line for line in ran.messages)
    assert ran.lines("report/s0") == ["Failed Succeeded"]
    assert (shared.path / "ran").read_text() == "once\n"


def test_container_that_cannot_be_started_fails_its_task(podman_backend, tmp_path):
    """A volume is mounted below a file of the image."""
    tasks = {
        "never": {
            "scripts": ["echo first", "echo never"],
            "taskSpec": {
                "volumes": [{"name": "files", "emptyDir": {}}],
                "stepTemplate": {"volumeMounts": [{"name": "files", "mountPath": "/bin/busybox/files"}]},
            },
        },
        "calm": {"scripts": "exit 0"},
    }
    file = tmp_path / "pipeline.yaml"
    report = "echo never was $(tasks.never.status), calm was $(tasks.calm.status)"
    file.write_text(json.dumps(pipeline(tasks, {"report": report}, image=BUSYBOX)))
    ran = podman_backend.run("-f", file)
    assert ran.code == 1
    assert ran.reasons() == {"never": "StepFailed", "calm": "Succeeded", "report": "Succeeded"}
    words = "warning: container never-s0 could not be started: "
    assert any(line.startswith(words) for line in ran.messages)
    assert ran.lines("report/s0") == ["never was Failed, calm was Succeeded"]


def test_steps_that_run_out_of_memory(podman_backend, tmp_path):
    """Two at once: the process of a Step, and a child of a Step's process."""
    limited = {"stepTemplate": {"computeResources": {"limits": {"memory": "32Mi"}}}}
    tasks = {
        "itself": {"scripts": "exec tail /dev/zero", "taskSpec": limited, "onError": "continue"},
        "child": {"scripts": "tail /dev/zero || exit 3", "taskSpec": limited, "onError": "continue"},
        "calm": {"scripts": "exit 0", "taskSpec": limited},
    }
    file = tmp_path / "pipeline.yaml"
    report = "echo $(tasks.itself.status) $(tasks.child.status) $(tasks.calm.status)"
    file.write_text(json.dumps(pipeline(tasks, {"report": report}, image=BUSYBOX)))
    ran = podman_backend.run("-f", file)
    ended = dict.fromkeys(("itself", "child"), "FailureIgnored") | dict.fromkeys(("calm", "report"), "Succeeded")
    assert ran.reasons() == ended
    assert ran.lines("report/s0") == ["Failed Failed Succeeded"]
    for name in ("itself", "child"):
        assert f"[{name} : s0] killed: out of memory, limit 32Mi" in ran.messages
    assert ran.code == 0


def test_hostile_steps_harm_only_themselves(podman_backend, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(json.dumps(hostile_steps.attacks(BUSYBOX)))
    ran = podman_backend.run("-f", file)
    messages = {name: status["conditions"][0]["message"] for name, status in ran.tasks().items()}
    # only the host backend limits control directories: the Step that fills its own reports that it cannot
    assert ran.reasons() == {**hostile_steps.wanted(), "full": "FailureIgnored"}
    assert hostile_steps.wrong_messages(messages) == {}
    assert ran.lines("report/s0") == ["victim was Succeeded"]
    assert "daemon:x:" not in ran.output + "\n".join(ran.messages)  # no link target was read
    assert ran.code == 0, "\n".join(ran.messages)


def test_emptydir_over_its_limit_evicts_the_pod(backend, tmp_path):
    """The Pod is evicted, as by kubelet. Files up to the limit and sparse files are harmless."""

    def task(script, limit):
        spec = {
            "volumes": [{"name": "files", "emptyDir": {"sizeLimit": limit}}],
            "stepTemplate": {"volumeMounts": [{"name": "files", "mountPath": "/files"}]},
        }
        return {"scripts": script, "taskSpec": spec}

    write = "dd if=/dev/zero of=/files/x bs=1M count={} 2> /dev/null; "
    tasks = {
        "fits": task(write.format(3) + "ln /files/x /files/y; truncate -s 1000000000 /files/z; echo fits", "4Mi"),
        "large": {**task(write.format(9) + "exec sleep 100000", "8Mi"), "runAfter": ["fits"]},
        "calm": {"scripts": "exec sleep 100000"},
    }
    file = tmp_path / "pipeline.yaml"
    file.write_text(json.dumps(pipeline(tasks, {"never": "echo never"}, image=BUSYBOX)))
    ran = backend.run("-f", file)
    assert ran.code == 1
    assert ran.lines("fits/s0") == ["fits"]
    assert ran.lines("never/s0") == []
    message = 'the Pod was evicted: Usage of EmptyDir volume "large-files" exceeds the limit "8Mi".'
    assert any(line.endswith(message) for line in ran.messages), "\n".join(ran.messages)
    assert ran.condition["reason"] == "Evicted"
    assert ran.condition["message"] in message
    assert ran.reasons()["fits"] == "Succeeded"
    assert {each["conditions"][0]["status"] for each in ran.tasks().values()} == {"True", "False"}


@pytest.mark.skipif(not system_calls.IS_SUPPORTED, reason="the numbers of system calls are not known here")
@pytest.mark.parametrize("fault", ["inotify_init1=EMFILE", "inotify_add_watch=ENOSPC"])
def test_no_output_is_lost_without_inotify(podman_backend, shared, tmp_path, fault):
    """Neither the runner nor podman gets an inotify instance."""
    script = WAIT + "seq 50000; printf none"
    task = shared.task(script, "echo next >&2; exit 3", onError="continue")
    file = tmp_path / "pipeline.yaml"
    file.write_text(json.dumps(pipeline({"only": task}, image=BUSYBOX)))
    before = [sys.executable, system_calls.__file__, fault, "--"]
    process = podman_backend.start("-f", file, "-o", "json", before=before)
    try:
        shared.hear()
        assert INOTIFY not in open_on(process.pid)
        shared.go()
        output, messages = process.communicate()
    finally:
        process.kill()
    ran = FinishedRun(process.returncode, output, messages.split("\n"))
    assert ran.code == 0, messages
    assert ran.reasons() == {"only": "FailureIgnored"}
    assert ran.lines("only/s0") == [*map(str, range(1, 50001)), "none"]
    assert ran.lines("only/s1") == ["next"]
