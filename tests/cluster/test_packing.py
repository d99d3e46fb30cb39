"""Steps that share a container (`--pack`): everything names the Step, and a fault belongs to the Step that ran."""

from __future__ import annotations

import itertools
import subprocess

import psutil
import pytest
import yaml
from cluster_runs import MONOPOD, WAIT_FOR_GO
from host_run import pipeline

from monopod.runner.kubelet.runtime_image import ENTRYPOINT
from monopod.runner.kubernetes.cluster import collection_path

RETRY = "echo attempt $(context.task.retry-count); if [ $(context.task.retry-count) = 0 ]; then\n"
LIMITED = {"stepTemplate": {"computeResources": {"limits": {"memory": "48Mi"}}}}


def chain(**tasks):
    """Return a Pipeline of Tasks, each after the one before."""
    names = list(tasks)
    fields = {name: each if isinstance(each, dict) else {"scripts": each} for name, each in tasks.items()}
    after = {name: {"runAfter": [before]} for before, name in itertools.pairwise(names)}
    return pipeline({name: {**each, **after.get(name, {})} for name, each in fields.items()})


CHAIN = chain(build=["echo compiled", "echo linked; echo a warning >&2"], test=["seq 3000", "echo tested"])
OUTPUT = {
    "build/s0": ["compiled"],
    "build/s1": ["linked", "a warning"],
    "test/s0": [str(number) for number in range(1, 3001)],
    "test/s1": ["tested"],
}


def containers(pod):
    return [each["name"] for each in pod["spec"]["containers"]]


def log(runs, container):
    """Return the log of a container of the only Pod, as `kubectl logs` prints it."""
    path = f"{collection_path('pods', runs.namespace)}/{runs.pod()['metadata']['name']}/log"
    with runs.cluster.stream(path, [("container", container)]) as stream:
        return b"".join(stream.pieces()).decode()


def titles(text):
    return [line for line in text.splitlines() if line.startswith("==>")]


def test_each_line_is_shown_under_the_step_that_wrote_it(runs):
    ran = runs.run("-f", runs.write(CHAIN), "--pack", "--keep", "always", "--no-record")
    assert ran.code == 0, "\n".join(ran.messages)
    assert containers(runs.pod()) == ["build-s0"]
    assert {step: sorted(lines) for step, lines in ran.all_lines().items()} == {
        step: sorted(lines) for step, lines in OUTPUT.items()
    }
    assert titles(log(runs, "build-s0")) == [f"==> {step} <==" for step in OUTPUT]
    for step, lines in OUTPUT.items():
        logs = runs.monopod("logs", runs.pod()["metadata"]["name"], step)
        assert (logs.returncode, sorted(logs.stdout.splitlines())) == (0, sorted(lines)), logs.stderr


def test_the_log_is_narrowed_to_a_step(runs):
    ran = runs.run("-f", runs.write(CHAIN), "--pack", "--logs", "test/s1")
    assert ran.code == 0, "\n".join(ran.messages)
    assert ran.all_lines() == {"test/s1": ["tested"]}
    logs = runs.monopod("logs", "test", "build/s1")  # of the record
    assert sorted(logs.stdout.splitlines()) == sorted(OUTPUT["build/s1"])


def test_the_log_of_the_container_of_a_compiled_pod_has_the_names_of_its_steps(runs):
    image = ["--runtime-image", runs.target.image, "-n", runs.namespace]
    command = [MONOPOD, "compile", "-f", runs.write(CHAIN), "--pack", *image]
    compiled = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    runs.create("pods", yaml.safe_load(compiled))
    runs.wait_for("pods", lambda pods: pods[0]["status"].get("phase") == "Succeeded")
    assert containers(runs.pod()) == ["build-s0"]
    assert titles(log(runs, "build-s0")) == [f"==> {step} <==" for step in OUTPUT]
    logs = runs.monopod("logs", runs.pod()["metadata"]["name"], "test/s0")
    assert logs.stdout.splitlines() == OUTPUT["test/s0"], logs.stderr


def test_a_task_is_retried_in_a_container_that_it_shares(runs):
    script = RETRY + "exit 3; fi"
    tasks = chain(build="echo built", test={"scripts": ["echo prepared", script], "retries": 1}, last="echo last")
    ran = runs.run("-f", runs.write(tasks), "--pack", "--keep", "always", "--no-record")
    assert ran.code == 0, "\n".join(ran.messages)
    assert containers(runs.pod()) == ["build-s0"]
    assert ran.lines("test/s0") == ["prepared", "prepared"]
    assert ran.lines("test/s1") == ["attempt 0", "attempt 1"]
    name = runs.pod()["metadata"]["name"]
    first = runs.monopod("logs", name, "test/s1", "--attempt", "1")
    assert first.stdout == "attempt 0\n", first.stderr


def test_a_step_that_runs_out_of_memory_is_named(runs):
    work = ["echo first", "exec tail /dev/zero", "echo never"]
    tasks = chain(calm={"scripts": "echo calm", "taskSpec": LIMITED}, work={"scripts": work, "taskSpec": LIMITED})
    ran = runs.run("-f", runs.write(tasks), "--pack")
    said = "\n".join(ran.messages)
    assert ran.code == 1, said
    assert ran.reasons() == {"calm": "Succeeded", "work": "StepOOM"}
    assert [ran.steps("work")[step]["reason"] for step in ("s0", "s1")] == ["Completed", "OOMKilled"]
    assert any(line.startswith("[work : s1]") and "out of memory, limit 48Mi" in line for line in ran.messages), said


def test_a_task_that_runs_out_of_memory_is_retried(runs):
    task = {"scripts": ["echo first", RETRY + "exec tail /dev/zero; fi"], "taskSpec": LIMITED, "retries": 1}
    tasks = chain(calm={"scripts": "echo calm", "taskSpec": LIMITED}, work=task)
    ran = runs.run("-f", runs.write(tasks), "--pack")
    assert ran.code == 0, "\n".join(ran.messages)
    assert ran.lines("work/s0") == ["first", "first"]
    assert ran.lines("work/s1") == ["attempt 0", "attempt 1"]


def test_a_killed_container_is_restarted_for_the_next_attempt(runs):
    """Kubernetes 1.35 and later: the restarted container runs the Task again, and the Tasks after it."""
    if runs.target.kubelet is None:
        pytest.skip("container killed (the node is not this machine; name its kubelet with KUBELET_PID)")
    task = {"scripts": ["echo first", f"{RETRY}{WAIT_FOR_GO}fi"], "retries": 1}
    tasks = chain(build="echo built", work=task, last="echo last")
    run = runs.start("-f", runs.write(tasks), "--pack")
    run.wait_for("[work : s1] ready")
    kill_entrypoint(runs.pod()["metadata"]["name"])
    ran = run.end()
    said = "\n".join(ran.messages)
    if "Kubernetes 1.35" in said:
        pytest.skip("container restarted (the server has no restart rules)")
    assert ran.code == 0, said
    assert ran.all_lines() == {
        "build/s0": ["built"],
        "work/s0": ["first", "first"],
        "work/s1": ["attempt 0", "ready", "attempt 1"],
        "last/s0": ["last"],
    }


def kill_entrypoint(pod):
    """Send SIGKILL to the entrypoint of the Pod's only container of Steps."""
    (process,) = (
        each for each in psutil.process_iter(["cmdline", "environ"])
        if (each.info["cmdline"] or [""])[0] == ENTRYPOINT and (each.info["environ"] or {}).get("HOSTNAME") == pod
    )  # fmt: skip
    process.kill()
