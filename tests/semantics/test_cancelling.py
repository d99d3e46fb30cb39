"""Cancelling a run, from its terminal and from another process: the same on every backend.

A Step that must be running prints a line and then waits for a line in a FIFO, so nothing depends on time.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from finished_run import FinishedRun

pytestmark = pytest.mark.slow

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: cancelled}
spec:
  pipelineSpec:
    tasks:
    - name: work
      retries: 1
      taskSpec:
        volumes: [{name: shared, hostPath: {path: SHARED}}]
        steps:
        - name: act
          image: localhost/monopod-test/busybox:1
          volumeMounts: [{name: shared, mountPath: /shared}]
          script: |
            trap 'echo stopping; exit 3' TERM
            exec 3<> /shared/go
            echo ready > /shared/ready
            read line <&3
            echo went on
        - {name: last, image: localhost/monopod-test/busybox:1, script: echo last}
    - name: next
      runAfter: [work]
      taskSpec: {steps: [{name: act, image: localhost/monopod-test/busybox:1, script: echo next}]}
    finally:
    - name: report
      taskSpec:
        steps: [{name: act, image: localhost/monopod-test/busybox:1, script: echo work was $(tasks.work.status)}]
"""
EXPECTED = {
    "Ctrl-C": ("Cancelled", {"work": "TaskRunCancelled"}, ["stopping"]),
    "Cancelled": ("Cancelled", {"work": "TaskRunCancelled"}, ["stopping"]),
    "CancelledRunFinally": ("Cancelled", {"work": "TaskRunCancelled", "report": "Succeeded"}, ["stopping"]),
    "StoppedRunFinally": ("Cancelled", {"work": "Succeeded", "report": "Succeeded"}, ["went on"]),
}


def cancelled(backend, way: str, tmp_path: Path) -> FinishedRun:
    shared = tmp_path / f"shared-{backend.name}"
    shared.mkdir()
    for name in ("ready", "go"):
        os.mkfifo(shared / name)
    file = shared / "run.yaml"
    file.write_text(RUN.replace("SHARED", str(shared)))
    with backend.start("-o", "json", "-f", file) as process:
        with open(shared / "ready") as ready:
            assert ready.read() == "ready\n"
        if way == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        else:
            backend.monopod("cancel", "--grace", way)
        if way == "StoppedRunFinally":
            with open(shared / "go", "w") as go:
                go.write("\n")
        output, messages = process.communicate()
    return FinishedRun(process.returncode, output, messages.split("\n"))


@pytest.mark.parametrize("way", EXPECTED)
@pytest.mark.parametrize("backend_name", ["host", "podman"])
def test_cancelled_run_is_the_same_on_every_backend(backend_name, way, make_backend, run_once, tmp_path):
    def run(name: str) -> FinishedRun:
        backend = make_backend(name)
        return run_once(f"{way}-{name}", lambda: cancelled(backend, way, tmp_path))

    ran = run(backend_name)
    reason, tasks, lines = EXPECTED[way]
    assert ran.code == 130, "\n".join(ran.messages)
    assert ran.condition["reason"] == reason
    assert ran.reasons() == tasks
    assert ran.lines("work/act") == lines
    if backend_name != "host":
        on_host = run("host")
        status, status_on_host = (json.dumps(each.comparable()["status"], indent=1) for each in (ran, on_host))
        assert status == status_on_host
        assert ran.all_lines() == on_host.all_lines()
