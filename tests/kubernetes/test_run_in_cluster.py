"""The real commands against an API server whose Pods run for real, with the coordinator and the entrypoints."""

import contextlib
import json
import os
import re
import shlex
import signal

import kubernetes_validate
import psutil
import pytest
import slow_reader
import tekton_documents

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]


@pytest.fixture
def file(make, write):
    return write(
        make.run(
            make.task("first", "echo one; echo two >&2; printf 'no newline'"),
            make.task("second", "echo last words; exit 3", after=["first"]),
            final=[make.task("report", 'echo "second was $(tasks.second.status)"')],
        )
    )


def test_run_is_followed_and_its_objects_are_deleted(monopod, api, file):
    ran = monopod("run", "-f", file, "--context", "test", "--keep", "never")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[:4] == [
        "Run build started in namespace ci",
        "[first] started",
        "[first : act] one",
        "[first : act] two",
    ]
    assert "[first : act] no newline" in lines  # kubelet writes it to the log only when the container has ended
    assert "[report : act] second was Failed" in lines
    assert "    last words" in lines[lines.index("=== second : act failed: exit code 3") :]
    assert lines[-1].startswith("build Failed in ")
    api.wait_for(lambda: api.objects == {})
    created = next(item for _, resource, kind, item in api.history if (resource, kind) == ("pods", "ADDED"))
    assert created["spec"]["initContainers"][0]["restartPolicy"] == "Always"


def test_generated_name_is_known_before_the_pod_is_created(monopod, api, make, write):
    run = make.run(make.task("only", "echo $(context.pipelineRun.name) in $(context.pipelineRun.namespace)"))
    run["metadata"] = {"generateName": "nightly-"}
    (step,) = run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"]
    step["image"] = "busybox:$(context.taskRun.name).$(context.taskRun.namespace)"
    ran = monopod("run", "-f", write(run), "--context", "test")
    assert ran.code == 0
    created = next(item for _, resource, kind, item in api.history if (resource, kind) == ("pods", "ADDED"))
    name = created["metadata"]["name"]
    assert name.startswith("nightly-")
    assert "generateName" not in created["metadata"]
    assert created["metadata"]["labels"]["tekton.dev/pipelineRun"] == name
    assert created["spec"]["containers"][0]["image"] == f"busybox:{name}-only.ci"
    assert f"[only : act] {name} in ci" in ran.out.splitlines()


@pytest.mark.parametrize(("version", "is_native"), [("v1.28.9", False), ("v1.29.0-eks-1", True)])
def test_pod_suits_the_version_of_the_cluster(monopod, api, make, write, version, is_native):
    api.version = version
    assert monopod("run", "-f", write(make.run(make.task("only", "true"))), "--context", "test").code == 0
    created = next(item for _, resource, kind, item in api.history if (resource, kind) == ("pods", "ADDED"))
    assert ("restartPolicy" in created["spec"]["initContainers"][0]) == is_native


@pytest.mark.parametrize(("version", "is_retried"), [("v1.34.2", False), ("v1.36.2", True)])
def test_a_task_whose_container_is_killed_is_retried_where_kubelet_restarts_it(
    start_monopod, api, make, write, version, is_retried
):
    """Nothing of either attempt's output is lost or shown under the other."""
    api.version = version
    is_first = "[ $(context.task.retry-count) = 0 ]"
    script = f"echo attempt $(context.task.retry-count); {is_first} && exec sleep 100000.{os.getpid()}; echo done"
    process = start_monopod("run", "-f", write(make.run(make.task("work", script, retries=1))), "--context", "test")
    api.wait_for(
        lambda: any(entry[1] == b"attempt 0" for log in api.logs["build", "work-act"] for entry in log.entries)
    )
    kill_entrypoint_of(f"100000.{os.getpid()}")
    output, errors = process.communicate()
    assert process.returncode == (0 if is_retried else 1), errors
    shown = [line for line in output.splitlines() if line.startswith("[work : act]")]
    killed = "[work : act] its container was killed, from outside or for its use of memory"
    assert shown[0] == "[work : act] attempt 0"
    assert shown[1].startswith(killed)
    assert shown[2:] == (["[work : act] attempt 1", "[work : act] done"] if is_retried else [])
    assert ('not retried: container "work-act" was killed and has no restart rules' in output) != is_retried


def kill_entrypoint_of(argument):
    """Kill the first process of the container in which `sleep` runs with an argument, once it does."""
    while True:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.cmdline() == ["sleep", argument]:
                    process.parent().kill()
                    return


SMALL = {
    "metadata": {"name": "small", "namespace": "ci"},
    "spec": {"limits": [{"type": "Container", "defaultRequest": {"memory": "64Mi"}, "max": {"memory": "1Gi"}}]},
}


def test_pod_fits_the_limit_ranges_of_its_namespace(monopod, api, make, write):
    api.put("limitranges", "ci", SMALL)
    api.put(
        "limitranges", "other", {**SMALL, "metadata": {"name": "tiny", "namespace": "other"}, "spec": {"limits": 1}}
    )
    assert monopod("run", "-f", write(make.run(make.task("only", "true"))), "--context", "test").code == 0
    created = next(item for _, resource, kind, item in api.history if (resource, kind) == ("pods", "ADDED"))
    assert created["spec"]["containers"][0]["resources"]["requests"]["memory"] == "64Mi"


def test_limit_range_violation_is_reported_before_anything_is_created(monopod, api, make, write):
    api.put("limitranges", "ci", SMALL)
    run = make.run(make.task("only", "true"))
    (step,) = run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"]
    step["computeResources"] = {"limits": {"memory": "2Gi"}}
    ran = monopod("run", "-f", write(run), "--context", "test")
    assert ran.code == 2
    assert "2Gi is more than the LimitRange 'small' allows a container: 1Gi" in ran.err
    assert not [item for _, resource, _, item in api.history if resource == "pods"]


def test_run_without_permission_to_read_limit_ranges(monopod, api, make, write):
    api.refuse("list", "limitranges")
    assert monopod("run", "-f", write(make.run(make.task("only", "true"))), "--context", "test").code == 0


def test_stdout_has_only_the_finished_run(monopod, file):
    ran = monopod("run", "-f", file, "--context", "test", "-o", "json")
    document = json.loads(ran.out)
    assert (ran.code, document["metadata"]["namespace"]) == (1, "ci")
    assert tekton_documents.problems(document) == []
    assert document["status"]["conditions"][0]["reason"] == "Failed"
    assert "[first : act] one" in ran.err


def test_objects_in_the_files_are_created_and_deleted_with_the_run(monopod, api, make, write):
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast"}}
    key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"token": "s3cret"}}
    run = make.run(make.task("show", "cat /workspace/settings/mode /workspace/key/token | wc -c"))
    spec = run["spec"]["pipelineSpec"]
    spec["workspaces"] = [{"name": "settings"}, {"name": "key"}]
    spec["tasks"][0]["workspaces"] = [{"name": "settings"}, {"name": "key"}]
    spec["tasks"][0]["taskSpec"]["workspaces"] = [{"name": "settings"}, {"name": "key"}]
    run["spec"]["workspaces"] = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "key", "secret": {"secretName": "key"}},
    ]
    ran = monopod("run", "-f", write(run, settings, key), "--context", "test")
    assert ran.code == 0, ran
    assert "[show : act] 10" in ran.out
    owners = [item["metadata"].get("ownerReferences") for _, of, kind, item in api.history if of == "secrets"]
    assert owners[1][0]["kind"] == "Pod"
    api.wait_for(lambda: api.objects == {})


def test_kept_volume_claim_is_created_with_the_pod(monopod, api, make, write):
    tasks = make.task("one", "echo kept > /workspace/w/file"), make.task("two", "cat /workspace/w/file", ["one"])
    run = make.run(*tasks)
    run["spec"]["pipelineSpec"]["workspaces"] = [{"name": "w"}]
    for task in run["spec"]["pipelineSpec"]["tasks"]:
        task["workspaces"] = task["taskSpec"]["workspaces"] = [{"name": "w"}]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    run["spec"]["workspaces"] = [{"name": "w", "volumeClaimTemplate": {"spec": claim}}]
    ran = monopod("run", "-f", write(run), "--context", "test", "--keep-volume-claims")
    assert ran.code == 0, ran
    assert "[two : act] kept" in ran.out
    pod = next(item for _, of, _, item in api.history if of == "pods")
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", "spec": pod["spec"]}, "1.36", strict=True)
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert volumes["workspace-w"]["ephemeral"] == {"volumeClaimTemplate": {"spec": claim}}


def test_kept_pod_is_named_and_can_be_attached_to(monopod, api, file):
    ran = monopod("run", "-f", file, "--context", "test", "--keep", "always")
    kept = "Kept in Pod 'build' in namespace 'ci'; delete it with: kubectl delete pod build -n ci --context test"
    assert ran.out.endswith(f"{kept}\n")
    api.wait_for(lambda: api.pod()["status"]["phase"] == "Failed")
    attached = monopod("attach", "build", "--context", "test")
    assert attached.code == 1
    again = next(line for line in ran.out.splitlines() if line.startswith("  run it again: "))
    assert re.fullmatch("  run it again: monopod rerun build[^ ]* --failed", again)
    assert sorted([*attached.out.splitlines(), again, kept]) == sorted(ran.out.splitlines())
    status = monopod("status", "pod/build", "--context", "test")
    assert status.code == 0
    steps = {*status.out.splitlines()} - {*ran.out.splitlines()}
    assert {tuple(line.split()[:2]) for line in steps} == {("act", "Succeeded"), ("act", "Failed")}
    more = next(line for line in ran.out.splitlines() if line.startswith("  full output: "))
    assert more == "  full output: monopod logs build second/act -n ci --context test"
    assert monopod(*shlex.split(more.partition(": ")[2])[1:]).out == "last words\n"
    for where in ((), ("--context", "test")):  # from the record, and from the Pod
        document = json.loads(monopod("status", "build", "-o", "json", *where).out)
        assert document["status"]["conditions"][0]["reason"] == "Failed"
        log = monopod("logs", "build", *where).out.splitlines()
        assert set(log) <= set(ran.out.splitlines())
        words = [line for line in log if line.startswith("[second : act] ")]
        assert words == ["[second : act] last words", "[second : act] exit code 3"]
        assert "[report : act] second was Failed" in log
        assert monopod("logs", "build", "first", *where).out == "one\ntwo\nno newline\n"
        assert monopod("logs", "build", "report/act", "-f", *where).out == "second was Failed\n"


@pytest.mark.parametrize("script", ["true", "exit 3"])
def test_only_the_pod_of_a_failed_run_is_kept(monopod, api, make, write, script):
    ran = monopod("run", "-f", write(make.run(make.task("only", script))), "--context", "test")
    if script == "true":
        assert "Kept in" not in ran.out
        api.wait_for(lambda: api.objects == {})
    else:
        assert "Kept in Pod 'build' in namespace 'ci'; " in ran.out.splitlines()[-1]
        assert api.pod()["spec"]["activeDeadlineSeconds"] > 1


def test_detached_run_continues_and_can_be_attached_to(monopod, api, file):
    started = monopod("run", "-f", file, "--context", "test", "--detach")
    assert (started.code, started.err) == (0, "")
    assert started.out == "Pod build runs in namespace ci; follow it with: monopod attach build -n ci --context test\n"
    assert monopod(*shlex.split(started.out.partition(": ")[2])[1:]).code == 1
    assert api.pod("build") is not None
    assert monopod("run", "-f", file, "--context", "test", "--detach").code == 2


def test_detached_run_prints_the_name_of_its_pod(monopod, api, file):
    name = monopod("run", "-f", file, "--context", "test", "--detach", "-o", "name").out.strip()
    assert name == "pipelinerun.tekton.dev/build"
    assert monopod("attach", name).code == 1
    ran = monopod("logs", name, "first")
    assert (ran.out, ran.err) == ("one\ntwo\nno newline\n", "")


def test_attached_run_is_recorded_once(monopod, api, file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert monopod("run", "-f", file, "--context", "test", "--detach").code == 0
    assert monopod("attach", "build", "--no-record").code == 1
    (detached,) = json.loads(monopod("runs", "-o", "json").out)
    assert (detached["name"], detached["status"]) == ("build", "Detached")
    for _ in range(2):
        assert monopod("attach", "build", "--quiet").code == 1
    (run,) = json.loads(monopod("runs", "-o", "json").out)
    assert (run["name"], run["status"], run["backend"]) == ("build", "Failed", "kubernetes")
    report = monopod("report", "build").out
    assert "last words" in report
    assert "second was Failed" in report
    assert monopod("explain").out.startswith("build Failed in ")
    assert monopod("attach", "build", "--logs", "nothing").code == 2


def test_detached_run_is_found_without_options(start_monopod, monopod, waiting_file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert monopod("run", "-f", waiting_file, "--context", "test", "--detach").code == 0
    following = start_monopod("logs", "-f")
    wait_for_line(following, "ready")
    assert "Running" in monopod("status").out
    assert monopod("cancel").out == "Cancelling run 'build': Cancelled\n"
    rest(following)
    assert monopod("attach").code == 130
    (run,) = json.loads(monopod("runs", "-o", "json").out)
    assert (run["name"], run["status"]) == ("build", "Cancelled")
    assert monopod("cancel").err.startswith("monopod cancel: you have no active run")


def test_detached_run_can_be_repeated_once_attached_to(monopod, api, file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert monopod("run", "-f", file, "--context", "test", "--detach").code == 0
    assert monopod("logs", "-f", "first").out == "one\ntwo\nno newline\n"
    assert monopod("attach").code == 1
    (run,) = json.loads(monopod("runs", "-o", "json").out)
    assert (run["name"], run["status"], run["files"]) == ("build", "Failed", [str(file)])
    api.remove("build")
    assert "no newline" in monopod("logs").out, "the record is complete"
    again = monopod("rerun")
    assert (again.code, again.out.partition(";")[0]) == (0, "Pod build runs in namespace ci")


def test_detached_run_is_not_recorded_on_request(monopod, api, file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert monopod("run", "-f", file, "--context", "test", "--detach", "--no-record").code == 0
    assert json.loads(monopod("runs", "-o", "json").out) == []


def test_run_attached_to_without_its_end_is_not_recorded(start_monopod, monopod, waiting_file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert monopod("run", "-f", waiting_file, "--context", "test", "--detach").code == 0
    process = start_monopod("attach", "build")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGINT)
    _, err = rest(process)
    hint = "monopod cancel build -n ci --context test"
    assert (process.returncode, err) == (130, f"Detached; the run continues. To cancel it: {hint}\n")
    (run,) = json.loads(monopod("runs", "-o", "json").out)
    assert run["status"] == "Detached"
    assert monopod("cancel", "build", "--context", "test").code == 0


def wait_for_line(process, text):
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} did not come: {process.stderr.read()}")


def rest(process):
    """Return the rest of stdout, and stderr; `communicate` would drop buffered output."""
    out, err = process.stdout.read(), process.stderr.read()
    process.wait()
    return out, err


@pytest.fixture
def waiting_file(make, write, tmp_path):
    """A run whose Task prints that it is ready and then waits forever."""
    fifo = tmp_path / "never"
    run = make.run(
        make.task("work", "echo ready; sleep 1000"),
        make.task("next", "echo next", after=["work"]),
        final=[make.task("report", "echo reported")],
    )
    assert not fifo.exists()
    return write(run)


def test_ctrl_c_cancels_through_the_coordinator(start_monopod, api, waiting_file):
    process = start_monopod("run", "-f", waiting_file, "--context", "test")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGINT)
    out, err = rest(process)
    assert process.returncode == 130, err
    assert "build Cancelled" in out
    assert "reported" not in out
    commands = [command[-2:] for _, _, command in api.executed]  # a request whose answer is lost is sent again
    assert commands == [["signal", "2"]] * len(commands) != []
    api.wait_for(lambda: api.objects == {})


def test_second_ctrl_c_deletes_the_pod_at_once(start_monopod, api, make, write):
    run = make.run(make.task("work", "trap '' TERM; echo ready; while :; do sleep 1000; done"))
    process = start_monopod("run", "-f", write(run), "--context", "test")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "Cancelling")
    process.send_signal(signal.SIGINT)
    out, err = rest(process)
    assert process.returncode == 130, err
    assert "build Cancelled" in out
    api.wait_for(lambda: api.objects == {})


def test_ctrl_c_without_permission_to_exec_deletes_the_pod(start_monopod, api, waiting_file):
    api.refuse("create", "pods/exec")
    process = start_monopod("run", "-f", waiting_file, "--context", "test")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGINT)
    out, err = rest(process)
    assert process.returncode == 130, err
    assert "jane may not create pods/exec" in out
    assert "the Pod is deleted instead" in out
    assert "build Cancelled in" in out
    api.wait_for(lambda: api.objects == {})


@pytest.mark.parametrize("way", ["CancelledRunFinally", "StoppedRunFinally"])
def test_cancel_by_another_command(start_monopod, monopod, make, write, tmp_path, way):
    work = make.task("work", "echo ready; until [ -e /shared/go ]; do sleep 0.05; done")
    work["taskSpec"]["volumes"] = [{"name": "shared", "hostPath": {"path": str(tmp_path)}}]
    work["taskSpec"]["steps"][0]["volumeMounts"] = [{"name": "shared", "mountPath": "/shared"}]
    run = make.run(work, final=[make.task("report", "echo reported")])
    process = start_monopod("run", "-f", write(run), "--context", "test")
    wait_for_line(process, "ready")
    ran = monopod("cancel", "build", "--context", "test", "--grace", way)
    assert (ran.code, ran.out) == (0, f"Cancelling run 'build': {way}\n")
    (tmp_path / "go").touch()
    out, err = rest(process)
    assert process.returncode == 130, (out, err)
    assert "[report : act] reported" in out


def test_pod_being_deleted_by_another_user(start_monopod, api, waiting_file):
    process = start_monopod("run", "-f", waiting_file, "--context", "test")
    wait_for_line(process, "ready")
    with api.changed:
        api.delete(("pods", "ci", "build"), {"gracePeriodSeconds": 1})
    out, _ = rest(process)
    assert process.returncode in (1, 130)
    assert "the Pod is being deleted, not by this command" in out


@pytest.mark.parametrize("ends_meanwhile", [False, True])
def test_no_output_is_lost_while_everything_breaks(start_monopod, api, make, write, tmp_path, ends_meanwhile):
    script = "for n in 0 1 2 3 4 5 6 7 8 9; do seq -f 'line %g' 100; sleep 0.05; done; "
    count = make.task("count", script + "while ! test -e /shared/go; do sleep 0.05; done")
    count["taskSpec"]["volumes"] = [{"name": "shared", "hostPath": {"path": str(tmp_path)}}]
    count["taskSpec"]["steps"][0]["volumeMounts"] = [{"name": "shared", "mountPath": "/shared"}]
    process = start_monopod("run", "-f", write(make.run(count)), "--context", "test")
    wait_for_line(process, "line 1\n")
    api.cut_logs((1000, True), (333, False), (5, False), *[(4000, True)] * (1 + ends_meanwhile))
    api.drop_streams()
    api.stop()
    api.forget_versions()
    if ends_meanwhile:
        (tmp_path / "go").touch()
        api.wait_for(lambda: api.logs["build", "count-act"][-1].is_closed)
    api.start()
    lines, others = ["[count : act] line 1\n"], []
    for line in process.stdout:
        (lines if "] line" in line else others).append(line)
        if len(lines) == 1000:
            (tmp_path / "go").touch()
    _, err = rest(process)
    assert process.returncode == 0, (others, err)
    assert lines == [f"[count : act] line {number}\n" for number in range(1, 101)] * 10, others


def test_reader_that_reads_only_after_the_steps_have_ended(start_monopod, tmp_path):
    process = start_monopod("run", "-f", slow_reader.written(tmp_path), "--context", "test")
    slow_reader.wait_until_steps_are_done(tmp_path, process)
    numbers, others = slow_reader.read_numbers(process)
    assert process.wait() == 0, process.stderr.read()
    assert len(numbers) == slow_reader.LINES, others
    assert numbers == list(range(1, slow_reader.LINES + 1))
    assert others[-1].startswith("noisy Succeeded in ")


@pytest.mark.parametrize("command", [["attach", "build"], ["logs", "-f", "build", "work"]])
def test_run_continues_without_its_reader(start_monopod, monopod, api, waiting_file, command):
    assert monopod("run", "-f", waiting_file, "--context", "test", "--detach").code == 0
    process = start_monopod(*command, "--context", "test")
    wait_for_line(process, "ready")
    process.stdout.close()
    assert process.wait() == 141
    assert "Traceback" not in process.stderr.read()
    assert api.executed == []
    assert monopod("cancel", "build", "--context", "test").code == 0


def test_job_creates_the_pod_and_is_left_to_the_cluster(monopod, api, file):
    ran = monopod("run", "-f", file, "--context", "test", "--ttl", "1h")
    assert ran.code == 1
    assert "[report : act] second was Failed" in ran.out
    (job,) = [each for key, each in api.objects.items() if key[0] == "jobs"]
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert api.request_count("DELETE", "/jobs/build") == 0
    started = monopod("run", "-f", file, "--context", "test", "--ttl", "1h", "--detach")
    assert started.err.startswith("monopod run: Job 'build' is refused")


def test_second_ctrl_c_deletes_the_job_too(start_monopod, api, waiting_file):
    process = start_monopod("run", "-f", waiting_file, "--context", "test", "--ttl", "0s")
    wait_for_line(process, "ready")
    process.send_signal(signal.SIGHUP)
    _, err = rest(process)
    assert process.returncode == 130, err
    api.wait_for(lambda: api.objects == {})


@pytest.mark.parametrize("ttl", [(), ("--ttl", "1h")])
def test_kueue_admits_the_object_that_run_creates(monopod, api, file, ttl):
    options = ("--queue", "team", "--priority-class", "urgent", *ttl)
    ran = monopod("run", "-f", file, "--context", "test", "--detach", *options)
    assert ran.code == 0, ran.err
    kind = "jobs" if ttl else "pods"
    created = next(item for _, resource, change, item in api.history if (resource, change) == (kind, "ADDED"))
    labels = created["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "team"
    assert labels["kueue.x-k8s.io/priority-class"] == "urgent"


def test_a_queue_is_of_a_cluster(monopod, file):
    ran = monopod("run", "-f", file, "--backend", "host", "--queue", "team")
    assert (ran.code, "--queue applies only to --backend kubernetes, not to host" in ran.err) == (2, True)
    ran = monopod("run", "-f", file, "--context", "test", "--priority-class", "urgent")
    assert (ran.code, "--priority-class is a WorkloadPriorityClass of Kueue; add --queue" in ran.err) == (2, True)


@pytest.mark.parametrize("is_secret", [True, False])
def test_a_step_that_cannot_start_has_failed_in_the_status(
    monopod, make, write, kubelet, tmp_path, monkeypatch, is_secret
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    kubelet.absent_images = frozenset({"none:1"})
    task = make.task("build", "true")
    (step,) = task["taskSpec"]["steps"]
    if is_secret:
        step["env"] = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "none", "key": "token"}}}]
        why = 'CreateContainerConfigError: secret "none" not found'
    else:
        step["image"], why = "none:1", 'ImagePullBackOff: Back-off pulling image "none:1"'
    ran = monopod("run", "-f", write(make.run(task)), "--context", "test", "--keep", "never")
    assert ran.code == 1
    took = re.search(r"^build Failed in ([^:\s]+)", ran.out, re.MULTILINE)[1]
    status = monopod("status").out.splitlines()
    (row,) = [line for line in status if line.startswith("  act ")]
    assert re.match(rf"  act +Failed +- +- +could not start: {re.escape(why)}", row)
    assert f" {took}: " in status[-1]
    assert took in monopod("runs").out.splitlines()[1].split()
    report = monopod("report", "--format", "junit").out
    assert f'<error message="could not start: {why.partition(":")[0]}' in report
    assert "(the Task itself)" not in report
