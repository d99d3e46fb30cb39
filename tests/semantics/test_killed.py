"""Runs whose processes are killed: nothing is left of a run, and nothing runs twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from finished_run import FinishedRun

pytestmark = pytest.mark.slow

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: killed}
spec:
  pipelineSpec:
    tasks:
    - name: work
      taskSpec:
        volumes: [{name: shared, hostPath: {path: SHARED}}, {name: memory, emptyDir: {medium: Memory}}]
        sidecars: [{name: beside, image: localhost/monopod-test/busybox:1, script: sleep 100000}]
        steps:
        - {name: first, image: localhost/monopod-test/busybox:1, script: echo first}
        - name: act
          image: localhost/monopod-test/busybox:1
          volumeMounts: [{name: shared, mountPath: /shared}, {name: memory, mountPath: /memory}]
          script: |
            echo in memory > /memory/file
            exec 3<> /shared/go
            echo ready > /shared/ready
            read line <&3
            echo went on
    - name: next
      runAfter: [work]
      taskSpec: {steps: [{name: act, image: localhost/monopod-test/busybox:1, script: echo next}]}
"""


class Waiting:
    """A run that waits in a Step until it is let go."""

    def __init__(self, backend, tmp_path: Path, *options: str) -> None:
        self.shared = tmp_path / "shared"
        self.shared.mkdir()
        for name in ("ready", "go"):
            os.mkfifo(self.shared / name)
        file = self.shared / "run.yaml"
        file.write_text(RUN.replace("SHARED", str(self.shared)))
        self.process = backend.start("-f", file, *options)
        with open(self.shared / "ready") as ready:
            assert ready.read() == "ready\n"

    def let_go(self) -> None:
        with open(self.shared / "go", "w") as go:
            go.write("\n")


def test_nothing_is_left_of_a_run_whose_runner_is_killed(backend, tmp_path):
    waiting = Waiting(backend, tmp_path)
    beside = [psutil.Process(pid) for pid in backend.processes() if pid != waiting.process.pid]
    with waiting.process as process:
        process.kill()
        process.stderr.read()  # until nobody holds it any more
    psutil.wait_procs(beside)
    if backend.podman is None:
        backend.run("-f", waiting.shared / "none")  # its files are removed by the next run
    # what is left is looked for when the test ends


def test_a_coordinator_that_is_killed_goes_on(make_backend, tmp_path):
    backend = make_backend("podman")
    waiting = Waiting(backend, tmp_path, "-o", "json")
    (name,) = backend.podman("ps", "--filter", "name=-coordinator$", "--format", "{{.Names}}").split()
    backend.podman("kill", "--signal", "KILL", name)
    backend.podman("wait", "--condition", "running", name)
    waiting.let_go()
    output, messages = waiting.process.communicate()
    ran = FinishedRun(waiting.process.returncode, output, messages.split("\n"))
    assert ran.code == 0, messages
    assert ran.all_lines() == {"next/act": ["next"], "work/act": ["went on"], "work/first": ["first"]}
    assert any("the coordinator was killed (SIGKILL)" in line for line in ran.messages)
    assert ran.reasons() == {"work": "Succeeded", "next": "Succeeded"}


def test_a_container_that_is_killed_fails_its_task(make_backend, tmp_path):
    backend = make_backend("podman")
    waiting = Waiting(backend, tmp_path, "-o", "json")
    (name,) = backend.podman("ps", "--filter", "name=-work-act$", "--format", "{{.Names}}").split()
    backend.podman("kill", "--signal", "KILL", name)
    output, messages = waiting.process.communicate()
    ran = FinishedRun(waiting.process.returncode, output, messages.split("\n"))
    assert ran.code == 1
    assert ran.reasons() == {"work": "Failed"}
    assert ran.steps("work")["act"]["exitCode"] == 137


def test_a_second_interrupt_kills(backend, tmp_path):
    waiting = Waiting(backend, tmp_path)
    with waiting.process as process:
        os.killpg(process.pid, signal.SIGINT)
        for line in process.stdout:
            if line.startswith("Cancelling: "):
                os.killpg(process.pid, signal.SIGHUP)
    assert process.returncode == 130
