"""Runs whose processes are killed leave nothing behind, and nothing runs twice."""

from __future__ import annotations

import os
import shutil
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
    """A run that waits in a Step until it is released."""

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


def test_killed_runner_leaves_nothing_behind(backend, tmp_path):
    waiting = Waiting(backend, tmp_path)
    beside = [psutil.Process(pid) for pid in backend.processes() if pid != waiting.process.pid]
    with waiting.process as process:
        process.kill()
        process.stderr.read()  # until no process has it open
    psutil.wait_procs(beside)
    if backend.podman is None:
        backend.run("-f", waiting.shared / "none")  # its files are removed by the next run
    # leftovers are checked when the test ends


def test_killed_coordinator_continues(make_backend, tmp_path):
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


def test_killed_container_fails_its_task(make_backend, tmp_path):
    backend = make_backend("podman")
    waiting = Waiting(backend, tmp_path, "-o", "json")
    (name,) = backend.podman("ps", "--filter", "name=-work-act$", "--format", "{{.Names}}").split()
    backend.podman("kill", "--signal", "KILL", name)
    output, messages = waiting.process.communicate()
    ran = FinishedRun(waiting.process.returncode, output, messages.split("\n"))
    assert ran.code == 1
    assert ran.reasons() == {"work": "StepFailed"}
    assert ran.steps("work")["act"]["exitCode"] == 137


def test_second_interrupt_kills_the_pod(backend, tmp_path):
    waiting = Waiting(backend, tmp_path)
    with waiting.process as process:
        os.killpg(process.pid, signal.SIGINT)
        for line in process.stdout:
            if line.startswith("Cancelling: "):
                os.killpg(process.pid, signal.SIGHUP)
    assert process.returncode == 130


PODMAN = """\
#!/bin/sh
if [ "$1" = WORD ]; then
    echo > DIRECTORY/asked
    read line < DIRECTORY/go
fi
echo "$1 $2" >> DIRECTORY/commands
if [ "$1" = kube ]; then
    PROGRAM "$@"
    code=$?
    echo "kube ended" >> DIRECTORY/commands
    exit $code
fi
exec PROGRAM "$@"
"""


@pytest.fixture
def start_slowly(make_backend, tmp_path, monkeypatch):
    """Starts a run whose podman blocks at a subcommand; returns the run, and a function that continues it."""

    def start_slowly(word: str, image: str = "localhost/monopod-test/busybox:1"):
        backend = make_backend("podman")
        for name in ("asked", "go"):
            os.mkfifo(tmp_path / name)
        program = tmp_path / "programs/podman"
        program.parent.mkdir()
        fields = {"WORD": word, "DIRECTORY": str(tmp_path), "PROGRAM": str(shutil.which("podman"))}
        text = PODMAN
        for name, value in fields.items():
            text = text.replace(name, value)
        program.write_text(text)
        program.chmod(0o755)
        backend.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
        file = tmp_path / "run.yaml"
        file.write_text(SMALL.replace("IMAGE", image))
        process = backend.start("-f", file)
        (tmp_path / "asked").read_text()
        return backend, process, lambda: (tmp_path / "go").write_text("\n")

    return start_slowly


SMALL = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: small}
spec:
  tasks: [{name: say, taskSpec: {steps: [{name: hello, image: IMAGE, script: sleep 100000}]}}]
"""


def test_runner_killed_while_podman_creates_containers_leaves_nothing(start_slowly, tmp_path):
    """The cleaner waits until the containers are created."""
    backend, process, let_go = start_slowly("kube")
    beside = [psutil.Process(pid) for pid in backend.processes() if pid != process.pid]
    with process:
        process.kill()
    let_go()
    psutil.wait_procs(beside)
    commands = (tmp_path / "commands").read_text().splitlines()
    assert commands.index("kube ended") < commands.index("pod rm")


def test_interrupt_while_podman_creates_containers_cancels_the_run(start_slowly):
    _, process, let_go = start_slowly("kube")
    os.killpg(process.pid, signal.SIGINT)
    let_go()
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors == ""


def test_interrupt_while_an_image_is_pulled_ends_the_pull(start_slowly):
    _, process, _ = start_slowly("pull", "docker.io/library/none:1")
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert output == ""
    assert errors == "Pulling docker.io/library/none:1\nmonopod run: cancelled before it was started\n"


MANY = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: many}
spec:
  tasks:
  - name: first
    taskSpec:
      volumes: [{name: shared, hostPath: {path: SHARED}}]
      steps:
      - name: act
        image: localhost/monopod-test/busybox:1
        volumeMounts: [{name: shared, mountPath: /shared}]
        script: echo ready > /shared/ready; sleep 100000
  - name: others
    matrix: {params: [{name: number, value: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]}]}
    taskSpec:
      params: [{name: number}]
      steps: [{name: act, image: localhost/monopod-test/busybox:1, script: sleep 100000}]
"""
BOUND = 200
"""Seconds in which a run has to end. A container whose coordinator is gone ends after 300."""


@pytest.mark.parametrize("numbers", [(signal.SIGHUP,), (signal.SIGINT, signal.SIGINT)], ids=["hang-up", "Ctrl-C twice"])
def test_run_killed_while_podman_starts_containers_ends(make_backend, tmp_path, numbers):
    backend = make_backend("podman")
    os.mkfifo(tmp_path / "ready")
    (tmp_path / "run.yaml").write_text(MANY.replace("SHARED", str(tmp_path)))
    process = backend.start("-f", tmp_path / "run.yaml")
    assert (tmp_path / "ready").read_text() == "ready\n"
    for number in numbers:
        os.killpg(process.pid, number)
        if number != numbers[-1]:
            for line in process.stdout:
                if line.startswith("Cancelling: "):
                    break
    _, errors = process.communicate(timeout=BOUND)
    assert process.returncode == 130, errors


KILLED = """\
#!/bin/sh
case "$*" in
    "WORDS"*) if [ "$(ls DIRECTORY/killed | wc -l)" -lt TIMES ]; then touch DIRECTORY/killed/$$; kill -9 $$; fi;;
esac
exec PROGRAM "$@"
"""


def with_killed(backend, tmp_path, words, times):
    """Let the first podman processes with these arguments be killed in later runs."""
    for name in ("killed", "programs"):
        (tmp_path / name).mkdir()
    text = KILLED.replace("WORDS", words).replace("TIMES", str(times)).replace("DIRECTORY", str(tmp_path))
    (tmp_path / "programs/podman").write_text(text.replace("PROGRAM", str(shutil.which("podman"))))
    (tmp_path / "programs/podman").chmod(0o755)
    backend.environment["PATH"] = f"{tmp_path}/programs:{os.environ['PATH']}"


def test_killed_podman_wait_does_not_end_the_run(make_backend, tmp_path):
    backend = make_backend("podman")
    with_killed(backend, tmp_path, "wait", 2)
    (tmp_path / "run.yaml").write_text(
        SMALL.replace("IMAGE", "localhost/monopod-test/busybox:1").replace("100000", "2")
    )
    ran = backend.run("-f", tmp_path / "run.yaml")
    assert ran.code == 0, ran.messages
    assert len(list((tmp_path / "killed").iterdir())) == 2


def test_pod_whose_removal_was_killed_is_removed_by_the_next_run(make_backend, tmp_path):
    backend = make_backend("podman")
    path = backend.environment["PATH"]
    with_killed(backend, tmp_path, "pod rm", 3)
    (tmp_path / "run.yaml").write_text(
        SMALL.replace("IMAGE", "localhost/monopod-test/busybox:1").replace("100000", "0")
    )
    ran = backend.run("-f", tmp_path / "run.yaml")
    assert ran.code == 0
    assert any("podman was killed by signal 9; the next run with podman tries again" in each for each in ran.messages)
    assert backend.podman("pod", "ls", "--format", "{{.Name}}").split()
    backend.environment["PATH"] = path
    assert backend.run("-f", tmp_path / "run.yaml").code == 0
    # leftovers are checked when the test ends
