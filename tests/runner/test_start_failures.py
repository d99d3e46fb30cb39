"""A container that cannot be started: its Task fails for the reason."""

import os
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
def test_a_container_that_cannot_be_started_fails_its_task_at_once(pipeline, tmp_path):
    program = "import sys; from monopod.runner.command_line import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "run", "-f", str(pipeline)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (warning,) = [line for line in lines if line.startswith("warning: container mount-second could not be started: ")]
    reason = warning.partition("could not be started: ")[2]
    assert "/no/such/directory" in reason or "link" in reason
    (row,) = [line for line in lines if line.startswith("mount ")]
    assert 'the step "second" in TaskRun "' in row
    assert row.endswith(f" failed to start: StartError: {reason}")
    assert "[report : act] mount was Failed" in lines
