"""`monopod logs`, `status` and `cancel` on Pods whose state and logs are set by the test."""

import json
import sys

import pytest
import yaml

from monopod.runner.kubernetes.cluster import PodName
from monopod.schemas.run_events import StepStarted, TaskStarted

RUNNING = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}


@pytest.fixture
def put(api, compiled, make):
    """Puts the running Pod of a run into the cluster."""

    def put(*tasks, final=(), **options):
        api.put("pods", "ci", {**compiled(make.run(*tasks, final=final), **options).pod, "kind": "Pod"})
        with api.changed:
            api.objects["pods", "ci", "build"]["metadata"].update(uid="uid-1", namespace="ci")
        api.set_status("build", phase="Running", initContainerStatuses=[RUNNING])

    return put


@pytest.fixture
def half_done(put, make, coordinator):
    """A run whose first Task has ended and whose second Task is running."""
    put(
        make.task("first", "true"),
        make.task("second", "true", after=["first"]),
        make.task("third", "x", after=["second"]),
    )
    it = coordinator()
    it.started()
    it.task_started("first")
    it.prints("first", "one")
    it.prints("first", "two")
    it.task_finished("first")
    it.task_started("second")
    it.prints("second", "three")
    return it


def test_logs_prints_the_existing_output(monopod, half_done):
    assert monopod("logs", "build", "first").out == "one\ntwo\n"
    assert monopod("logs", "pod/build", "second/act").out == "three\n"
    assert monopod("logs", "build").out.splitlines() == [
        "Run build started in namespace ci",
        "[first] started",
        "[first : act] one",
        "[first : act] two",
        "[first] Succeeded in 0.0s",
        "[second] started",
        "[second : act] three",
    ]
    assert monopod("logs", "build", "first", "--tail", "1").out == "two\n"
    assert monopod("logs", "build", "first", "--attempt", "2").err == (
        "monopod logs: there is no attempt 2: the latest attempt is 1\n"
    )


def test_logs_of_an_unknown_task(monopod, half_done):
    assert monopod("logs", "build", "frist").err == ("monopod logs: there is no Task 'frist' (did you mean 'first'?)\n")
    assert monopod("logs", "build", "first/atc").err == (
        "monopod logs: Task 'first' has no Step 'atc' (did you mean 'act'?)\n"
    )
    assert "has no matrix" in monopod("logs", "build", "first[0]").err


def test_logs_of_the_tasks_of_a_nested_pipeline(monopod, put, make, coordinator):
    put({"name": "scan", "pipelineSpec": {"tasks": [make.task("code", "true"), make.task("keys", "true")]}})
    it = coordinator()
    it.started()
    for name in ("code", "keys"):
        it.report(TaskStarted(it.clock, f"scan/{name}", None, 0, f"scan-{name}", {}))
        it.report(StepStarted(it.clock, f"scan/{name}", None, 0, "act", f"scan-{name}-act"))
        it.write("build", f"scan-{name}-act", f"{name} is clean\n".encode())
    assert monopod("logs", "build", "scan/code").out == "code is clean\n"
    for name in ("scan", "scan/act"):
        lines = ["[scan/code : act] code is clean", "[scan/keys : act] keys is clean"]
        assert sorted(monopod("logs", "build", name).out.splitlines()) == lines
    assert "Task 'scan' has no Step 'x'" in monopod("logs", "build", "scan/x").err


def test_logs_of_a_matrix_combination(monopod, put, make, api, coordinator):
    task = make.task("test", "true", matrix={"params": [{"name": "os", "value": ["a", "b"]}]})
    task["taskSpec"]["params"] = [{"name": "os"}]
    put(task)
    containers = [each["name"] for each in api.pod()["spec"]["containers"]]
    it = coordinator()
    it.started()
    for index, name in enumerate(containers):
        it.report(TaskStarted(it.clock, "test", index, 0, name.removesuffix("-act"), {"os": "ab"[index]}))
        it.report(StepStarted(it.clock, "test", index, 0, "act", name))
        it.write("build", name, f"combination {index}".encode())
    assert monopod("logs", "build", "test[1]").out == "combination 1\n"
    assert sorted(monopod("logs", "build", "test").out.splitlines()) == [
        "[test[0] : act] combination 0",
        "[test[1] : act] combination 1",
    ]
    ran = monopod("logs", "build", "test[7]")
    assert (ran.code, ran.err) == (
        2,
        "monopod logs: no combination 'test[7]' has started; those that have: test[0], test[1]\n",
    )


def test_status_of_an_active_run(monopod, half_done):
    lines = monopod("status", "build").out.splitlines()
    assert [line.split()[:2] for line in lines[:6]] == [
        ["TASK", "STATUS"],
        ["first", "Succeeded"],
        ["act", "Succeeded"],
        ["second", "Running"],
        ["act", "Running"],
        ["third", "Waiting"],
    ]
    assert lines[3].endswith("act")
    assert lines[5].endswith("waits for second")
    assert lines[-1].startswith("build Running for ")


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_document_of_an_active_run(monopod, half_done, output, read):
    document = read(monopod("status", "build", "-o", output).out)
    assert (document["kind"], document["metadata"]["name"], document["metadata"]["namespace"]) == (
        "PipelineRun",
        "build",
        "ci",
    )
    (condition,) = document["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("Unknown", "Running")
    assert condition["message"] == "Tasks Completed: 1 (Failed: 0, Cancelled 0), Incomplete: 2, Skipped: 0"
    assert "completionTime" not in document["status"]
    assert [each["pipelineTaskName"] for each in document["status"]["childReferences"]] == ["first", "second"]
    runs = document["status"]["taskRuns"]
    assert runs["build-first"]["status"]["steps"][0]["terminated"]["exitCode"] == 0
    assert list(runs["build-second"]["status"]["steps"][0]) == ["name", "container", "running"]


def test_status_of_a_pod_that_does_not_start(monopod, put, make, api, waiting):
    put(make.task("first", "true"))
    api.set_status("build", phase="Pending", initContainerStatuses=[waiting("coordinator", "ErrImagePull", "gone")])
    out = monopod("status", "build").out
    assert "build has not started" in out
    assert "cannot be pulled (ErrImagePull): gone" in out
    document = json.loads(monopod("status", "build", "-o", "json").out)
    assert document["status"]["conditions"][0]["reason"] == "Pending"


def test_status_of_a_pod_that_was_evicted(monopod, half_done, api):
    api.set_status("build", phase="Failed", reason="Evicted", message="too much")
    half_done.ends("coordinator", "second-act")
    last = monopod("status", "build").out.splitlines()[-1]
    assert "the coordinator did not report how the run ended: the Pod was evicted: too much" in last


def test_logs_of_combinations_and_attempts_in_a_compiled_pod(monopod, put, make, api):
    """Titles in the logs of the containers name them; the names of the combinations are not known."""
    task = make.task("test", "true", matrix={"params": [{"name": "os", "value": ["a", "b"]}]}, retries=1)
    task["taskSpec"]["params"] = [{"name": "os"}]
    put(task, log_format="human")
    api.write_log("build", "test-0-act", b"==> test[1]/act <==")
    api.write_log("build", "test-0-act", b"b fails")
    for line in (b"", b"==> test[1]/act (attempt 2) <==", b"b"):
        api.write_log("build", "test-0-act", line)
    api.write_log("build", "test-1-act", b"==> test[0]/act <==")
    api.write_log("build", "test-1-act", b"a")
    assert sorted(monopod("logs", "build", "test").out.splitlines()) == ["[act] a", "[act] b", "[act] b fails"]
    assert monopod("logs", "build", "test[0]").out == "a\n"
    assert monopod("logs", "build", "test[1]").out == "b fails\nb\n"
    assert monopod("logs", "build", "test[os=a]").err == (
        "monopod logs: only runs started by `monopod run` report the names of combinations; "
        "use an index, as in test[0]\n"
    )


def test_logs_of_a_compiled_pod_of_an_older_monopod(monopod, put, make, api):
    """It has titles only in containers that several Steps share."""
    put(make.task("first", "true", retries=1), log_format="human")
    api.write_log("build", "first-act", b"one")
    assert monopod("logs", "build", "first").out == "one\n"


def test_pod_whose_coordinator_logs_text(monopod, put, make, api, terminated):
    put(make.task("first", "true"), log_format="human")
    api.write_log("build", "coordinator", b"12:00:00   +0.0s  run build started")
    api.write_log("build", "first-act", b"one")
    assert monopod("logs", "build").out == "12:00:00   +0.0s  run build started\n"
    assert monopod("logs", "build", "first").out == "one\n"
    attached, status = monopod("attach", "build", "--context", "test").err, monopod("status", "build").out
    assert attached.endswith(
        "its coordinator logs text only, because `monopod compile` made it, not `monopod run`; read its log with: "
        "monopod logs build -f -n ci --context test\n"
    )
    assert status.endswith("its coordinator logs text only: monopod logs build -n ci\n")
    assert monopod("status", "build", "-o", "json").code == 2
    ended = terminated("coordinator", 0, "Completed", "Succeeded (Succeeded): all well")
    api.set_status("build", phase="Succeeded", initContainerStatuses=[ended])
    assert monopod("status", "build").out == "Succeeded (Succeeded): all well\n"


def test_ended_run_cannot_be_cancelled(monopod, half_done, api):
    assert monopod("cancel", "-n", "ci").err == (
        "monopod cancel: no active run in this cluster is recorded here; name its Pod\n"
    )
    half_done.finished()
    ran = monopod("cancel", "build", "-n", "ci")
    assert (ran.code, ran.err) == (2, "monopod cancel: the run of Pod 'build' in namespace 'ci' has ended\n")
    api.set_status("build", phase="Succeeded")
    assert monopod("cancel", "build", "-n", "ci").code == 2


@pytest.mark.parametrize("selects", [["build"], []])
def test_a_run_that_has_not_started_is_listed_and_cancelled(api, kubelet, start_monopod, monopod, make, write, selects):
    task = make.task("build", "true")
    task["workspaces"] = task["taskSpec"]["workspaces"] = [{"name": "source"}]
    run = make.run(task, workspaces=[{"name": "source", "persistentVolumeClaim": {"claimName": "missing"}}])
    run["spec"]["pipelineSpec"]["workspaces"] = [{"name": "source"}]
    process = start_monopod("run", "-f", write(run), "--context", "test")
    while "no node takes the Pod" not in process.stdout.readline():
        pass
    name = api.pod()["metadata"]["name"]
    assert monopod("runs").out.splitlines()[1].split()[:2] == [name, "Running"]
    assert monopod("status").out.endswith(f"{name} has not started\n")
    ran = monopod("cancel", "--grace", "StoppedRunFinally", *[name for _ in selects])
    assert (ran.code, ran.err) == (
        2,
        f"monopod cancel: Pod '{name}' in namespace 'ci' has not started, so no finally Task can run;"
        " cancel it without --grace\n",
    )
    ran = monopod("cancel", *[name for _ in selects])
    assert (ran.code, ran.out) == (0, f"Cancelling run '{name}': Cancelled\n")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "its Pod was deleted before the run started" in out
    assert api.pod() is None
    assert monopod("runs").out.splitlines()[1].split()[:2] == [name, "Cancelled"]


def test_cancel_without_permission(monopod, half_done, api):
    api.refuse("create", "pods/exec")
    said = monopod("cancel", "build", "--context", "test").err
    assert said.startswith("monopod cancel: jane may not create pods/exec in namespace ci")
    assert "kubectl delete pod build ends the run without it" in said


@pytest.mark.parametrize(("resource", "verb"), [("pods", "get"), ("pods/log", "get")])
@pytest.mark.parametrize("command", ["attach", "logs", "status"])
def test_reading_without_permission(monopod, half_done, api, command, resource, verb):
    api.refuse(verb, resource)
    ran = monopod(command, "build")
    assert ran.code == (1 if (command, resource) == ("attach", "pods/log") else 2)
    assert f"jane may not {verb} {resource} in namespace ci" in ran.err + ran.out


def test_suggested_commands_use_the_plugin_if_it_was_called(cluster, monkeypatch):
    assert cluster.command("logs", PodName("ci", "build"), "a/b") == "monopod logs build a/b -n ci --context test"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-monopod", "run"])
    assert cluster.command("attach", PodName("ci", "build")) == "kubectl monopod attach build -n ci --context test"
