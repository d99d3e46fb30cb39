"""A container that cannot be started fails its Task with the reason."""

import json
import os
import shutil
import subprocess
import sys

import pytest

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: test}
spec:
  tasks:
  - name: mount
    retries: 2
    taskSpec:
      volumes: [{name: files, hostPath: {path: DIRECTORY}}]
      sidecars: [{name: side, image: busybox, script: sleep 1000}]
      steps:
      - {name: first, image: busybox, script: echo first}
      - {name: second, image: busybox, script: echo never, volumeMounts: [{name: files, mountPath: /f, subPath: link}]}
  finally:
  - name: report
    taskSpec: {steps: [{name: act, image: busybox, script: "echo mount was $(tasks.mount.status)"}]}
"""


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "link").symlink_to("/no/such/directory")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("DIRECTORY", str(tmp_path)))
    return tmp_path / "pipeline.yaml"


@pytest.mark.slow
def test_container_that_cannot_be_started_fails_its_task_at_once(pipeline, tmp_path):
    program = "import sys; from monopod.runner.program import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "run", "-f", str(pipeline)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (warning,) = [line for line in lines if line.startswith("warning: container mount-second could not be started: ")]
    reason = warning.partition("could not be started: ")[2]
    assert "/no/such/directory" in reason or "link" in reason
    (failure,) = [line for line in lines if line.startswith("=== mount failed: ")]
    assert 'the step "second" in TaskRun "' in failure
    assert f" failed to start: StartError: {reason}; not retried: " in failure
    assert "[report : act] mount was Failed" in lines


BELOW_A_FILE = "/etc/hostname/below-a-file"
NEVER = {"name": "s", "image": "busybox", "script": "echo here",
         "volumeMounts": [{"name": "data", "mountPath": BELOW_A_FILE}]}  # fmt: skip
WELL = {"name": "s", "image": "busybox", "script": "#!/bin/sh\ntrue"}
LATE = {"name": "late", "runAfter": ["early"], "taskSpec": {"volumes": [{"name": "data", "emptyDir": {}}]}}
FINALLY = [{"name": "last", "taskSpec": {"steps": [WELL]}}]
MATRIX = {"params": [{"name": "number", "value": ["1", "2", "3"]}]}


def late(steps=(NEVER,), sidecars=(), **fields):
    spec = {**LATE["taskSpec"], "steps": list(steps), "sidecars": list(sidecars)}
    return {**LATE, "taskSpec": spec, **fields}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "final"),
    [
        pytest.param(late(), [], id="the last Task"),
        pytest.param(late(), FINALLY, id="with finally"),
        pytest.param(late(retries=2), [], id="with retries"),
        pytest.param(late(matrix=MATRIX), [], id="with a matrix"),
        pytest.param(late([WELL, {**NEVER, "name": "t"}]), [], id="the second Step"),
        pytest.param(late([WELL], [{**NEVER, "name": "side"}]), [], id="a Sidecar"),
        pytest.param(late(sidecars=[{**WELL, "name": "side"}]), [], id="beside a Sidecar"),
    ],
)
def test_run_whose_last_container_cannot_start_failed(task, final, tmp_path):
    code, document = finished([{"name": "early", "taskSpec": {"steps": [WELL]}}, task], final, tmp_path)
    assert code == 1
    assert document["status"]["conditions"][0]["reason"] == "Failed"
    runs = [each for each in document["status"]["taskRuns"].values() if each["pipelineTaskName"] == "late"]
    for each in runs:
        condition = each["status"]["conditions"][0]
        assert condition["reason"] in ("StepFailed", "SidecarFailed")
        why = f" failed to start: StartError: cannot mount a volume at {BELOW_A_FILE}: Not a directory"
        not_retried = '; not retried: container "late-s" did not start' if "retries" in task else ""
        assert condition["message"].endswith(why + not_retried)
    assert runs


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_container_killed_before_exec_was_never_started(tmp_path):
    """It is killed while it makes its mounts, so it has written nothing."""
    place = tmp_path / "its-volume"
    place.mkdir()
    injection = ["strace", "-f", "-q", "-o", os.devnull, "-P", str(place), "-e", "inject=open_tree:signal=KILL"]
    task = late([{**WELL, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}])
    task["taskSpec"]["volumes"] = [{"name": "data", "hostPath": {"path": str(place)}}]
    code, document = finished([{"name": "early", "taskSpec": {"steps": [WELL]}}, task], [], tmp_path, before=injection)
    assert code == 1
    (run,) = [each for each in document["status"]["taskRuns"].values() if each["pipelineTaskName"] == "late"]
    message = run["status"]["conditions"][0]["message"]
    assert message.endswith("StartError: it was killed by signal 9 before its program was executed")


def finished(tasks, final, directory, before=()):
    """Return the exit code and the document of a run on this machine."""
    pipeline = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": {"name": "test"},
                "spec": {"tasks": tasks, "finally": final}}  # fmt: skip
    (directory / "pipeline.yaml").write_text(json.dumps(pipeline))
    program = "import sys; from monopod.runner.program import main; sys.exit(main())"
    command = [*before, sys.executable, "-c", program, "run", "-o", "json", "-f", str(directory / "pipeline.yaml")]
    environment = {**os.environ, "TMPDIR": str(directory)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
