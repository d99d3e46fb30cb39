"""`monopod run --backend podman`, where it differs from the host: errors, kept files, networks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE

pytestmark = pytest.mark.slow

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: small}
spec:
  workspaces: [{name: files}]
  tasks:
  - name: say
    workspaces: [{name: files}]
    taskSpec:
      workspaces: [{name: files}]
      volumes: [{name: memory, emptyDir: {medium: Memory}}]
      steps:
      - name: hello
        image: IMAGE
        imagePullPolicy: POLICY
        volumeMounts: [{name: memory, mountPath: /memory}]
        script: |
          echo hello | tee /memory/file > $(workspaces.files.path)/file
          readlink /proc/self/ns/net
"""
BUSYBOX = "localhost/monopod-test/busybox:1"
OTHER_ARCHITECTURE = "arm64" if os.uname().machine != "aarch64" else "amd64"


@pytest.fixture
def pipeline(tmp_path):
    def pipeline(image: str = BUSYBOX, policy: str = "IfNotPresent") -> Path:
        path = tmp_path / "pipeline.yaml"
        path.write_text(PIPELINE.replace("IMAGE", image).replace("POLICY", policy))
        return path

    return pipeline


@pytest.fixture
def podman_backend(make_backend):
    return make_backend("podman")


WITHOUT_IMAGE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: images}
spec:
  tasks:
  - name: unneeded
    when: [{input: a, operator: in, values: [b]}]
    taskSpec: {steps: [{name: s, image: "localhost/none:2", imagePullPolicy: IfNotPresent, script: "true"}]}
  - name: wanted
    retries: 2
    taskSpec: {STEPS}
  finally:
  - name: report
    taskSpec:
      steps: [{name: s, image: BUSYBOX, imagePullPolicy: Never, script: "echo wanted was $(tasks.wanted.reason)"}]
"""
MISSING = "{name: missing, image: IMAGE, imagePullPolicy: POLICY, script: sleep 1000}"
GOOD = "{name: good, image: BUSYBOX, imagePullPolicy: Never, script: sleep 1000}"


@pytest.mark.parametrize("kind", ["step", "sidecar"])
@pytest.mark.parametrize(
    ("image", "policy", "message"),
    [
        ("localhost/none:1", "IfNotPresent", "ErrImageNeverPull: image localhost/none:1 is not here"),
        (
            "docker.io/library/none:1",
            "IfNotPresent",
            "ErrImagePull: cannot pull image docker.io/library/none:1: ",
        ),
        ("docker.io/library/none:1", "Never", "ErrImageNeverPull: image docker.io/library/none:1 is not here"),
    ],
)
def test_missing_image_fails_its_task(podman_backend, tmp_path, image, policy, message, kind):
    steps = f"steps: [{GOOD}, {MISSING}]" if kind == "step" else f"steps: [{GOOD}], sidecars: [{MISSING}]"
    text = WITHOUT_IMAGE.replace("STEPS", steps).replace("BUSYBOX", BUSYBOX)
    path = tmp_path / "pipeline.yaml"
    path.write_text(text.replace("IMAGE", image).replace("POLICY", policy))
    ran = podman_backend.run("-f", path)
    assert ran.code == 1
    (condition,) = ran.tasks()["wanted"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "TaskRunImagePullFailed")
    assert f'the {kind} "missing" in TaskRun "' in condition["message"]
    assert f" failed to pull its image: {message}" in condition["message"]
    assert any("wanted was TaskRunImagePullFailed" in line for line in ran.messages)


def test_missing_coordinator_image_is_reported_with_the_option_for_another(podman_backend, pipeline):
    ran = podman_backend.run("-f", pipeline(), "--runtime-image", "localhost/none:1")
    assert (ran.code, ran.output) == (2, "")
    (message,) = [line for line in ran.messages if "localhost/none:1" in line]
    assert "any image with Python 3.11 or later" in message


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--arch", OTHER_ARCHITECTURE], f"the Pod was compiled for {OTHER_ARCHITECTURE}; compile it with --arch "),
        (["--runtime-image", BUSYBOX], 'exec: "python3": executable file not found'),
    ],
)
def test_reason_why_the_coordinator_cannot_run_is_reported(podman_backend, pipeline, options, reason):
    ran = podman_backend.run("-f", pipeline(), *options)
    assert (ran.code, ran.output) == (2, "")
    (message,) = [line for line in ran.messages if "podman cannot start containers" in line]
    assert reason in message


def test_prebuilt_image_unpacks_nothing(podman_backend, pipeline):
    command = podman_backend.command("-f", pipeline(), "--runtime-image", RUNTIME_IMAGE, "--keep", "always")
    done = subprocess.run(command, env=podman_backend.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept, name = done.stdout.splitlines()[-1].removeprefix("Kept in ").split(", and in podman as the pod ")
    assert list(Path(kept).rglob("journal*"))
    assert not list(Path(kept).rglob("runtime.zip"))
    podman_backend.podman("pod", "rm", "--force", name)
    subprocess.run(["rm", "-r", Path(kept).parent], check=True)


def test_missing_network_is_reported(podman_backend, pipeline):
    ran = podman_backend.run("-f", pipeline(), network="no-such-network")
    assert (ran.code, ran.output) == (2, "")
    assert any("no-such-network" in line for line in ran.messages)
    assert not any("Traceback" in line for line in ran.messages)


def test_kept_pod_is_named_and_has_the_files_and_logs(podman_backend, pipeline):
    file = pipeline()
    file.write_text(file.read_text().replace("- name: say\n", "- name: say\n    retries: 1\n"))
    done = subprocess.run(
        podman_backend.command("-f", file, "-w", "files=emptyDir", "--keep", "always"),
        env=podman_backend.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept, name = done.stdout.splitlines()[-1].removeprefix("Kept in ").split(", and in podman as the pod ")
    files = sorted(path.read_text() for path in Path(kept).rglob("file"))
    assert files == ["hello\n", "hello\n"]
    podman = podman_backend.podman
    assert f"pod {name}" in podman.left()
    assert re.fullmatch(r"==> say/hello <==\nnet:\[\d+\]\n", podman("logs", f"{name}-say-hello"))
    assert "Exited" in podman("ps", "--all", "--filter", f"name={name}-say-hello", "--format", "{{.Status}}")
    podman("pod", "rm", "--force", name)
    subprocess.run(["rm", "-r", Path(kept).parent], check=True)


def test_two_runs_at_once_do_not_interfere(podman_backend, pipeline):
    path = pipeline()
    processes = [podman_backend.start("-f", path, "-o", "name") for _ in range(2)]
    ended = [(process.communicate(), process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0], ended
    names = {output for (output, _), _ in ended}
    assert len(names) == 2


@pytest.mark.parametrize("network", ["none", "host"])
def test_network_option_is_used(podman_backend, pipeline, network):
    ran = podman_backend.run("-f", pipeline(), network=network)
    assert ran.code == 0, ran.messages
    (namespace,) = ran.lines("say/hello")
    assert (namespace == os.readlink("/proc/self/ns/net")) == (network == "host")


WAITING = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: waiting}
spec:
  pipelineSpec:
    tasks:
    - name: work
      taskSpec:
        volumes: [{name: shared, hostPath: {path: SHARED}}]
        steps:
        - name: act
          image: localhost/monopod-test/busybox:1
          volumeMounts: [{name: shared, mountPath: /shared}]
          script: |
            exec 3<> /shared/go
            echo ready > /shared/ready
            read line <&3
            echo last words
"""


def test_late_podman_logs_precede_the_end_of_their_task(podman_backend, tmp_path):
    for name in ("ready", "go"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "run.yaml").write_text(WAITING.replace("SHARED", str(tmp_path)))
    podman = podman_backend.podman
    with podman_backend.start("-f", tmp_path / "run.yaml") as process:
        assert (tmp_path / "ready").read_text() == "ready\n"
        names = podman("ps", "--format", "{{.Names}}").split()
        step, coordinator = (
            next(name for name in names if name.endswith(end)) for end in ("-work-act", "-coordinator")
        )
        monitor = int(Path(podman("inspect", step, "--format", "{{.ConmonPidFile}}").strip()).read_text())
        os.kill(monitor, signal.SIGSTOP)
        (tmp_path / "go").write_text("\n")
        log = Path(podman("inspect", coordinator, "--format", "{{.HostConfig.LogConfig.Path}}").strip())
        while '"StepFinished"' not in log.read_text():
            assert process.poll() is None
        os.kill(monitor, signal.SIGCONT)
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = output.splitlines()
    assert lines[1:3] == ["[work] started", "[work : act] last words"]
    assert lines[3].startswith("[work] Succeeded in ")


FILES = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: files}
spec:
  workspaces: [{name: mounted}, {name: made}]
  steps:
  - name: write
    image: localhost/monopod-test/busybox:1
    securityContext: {runAsUser: 1234}
    script: |
      cat $(workspaces.mounted.path)/input > $(workspaces.made.path)/secret
      chmod 600 $(workspaces.made.path)/secret
      ln -s / $(workspaces.made.path)/root
"""


def test_a_folder_is_mounted_and_files_of_another_user_are_fetched(podman_backend, tmp_path):
    folder, got = tmp_path / "folder", tmp_path / "got"
    folder.mkdir()
    (folder / "input").write_text("uncommitted")
    (tmp_path / "task.yaml").write_text(FILES)
    bindings = ("-w", f"mounted={folder}", "-w", "made=emptyDir")
    ran = podman_backend.run("-f", tmp_path / "task.yaml", *bindings, "--fetch", f"made:{got}")
    assert ran.code == 0, ran.messages
    assert (got / "secret").read_text() == "uncommitted"
    assert (got / "secret").stat().st_uid == os.geteuid()
    assert not (got / "root").is_symlink()
