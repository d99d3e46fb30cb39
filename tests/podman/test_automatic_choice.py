"""`--backend auto`: podman if it works here and has all images or can pull them, else the host, with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from monopod.runner.backend_errors import BackendUnavailableError
from monopod.runner.podman.availability import missing_images, pull

INFO = {"version": {"Version": "4.3.1"}, "host": {"serviceIsRemote": False}}
MISSING = {"errors": "Error: no such image\n", "code": 125}
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: hello}
spec:
  workspaces: [{name: source}]
  tasks:
  - name: hello
    taskSpec: {steps: [{name: say, image: "localhost:1/busybox:1", script: echo hello}]}
"""
HOST = "Steps run with this machine's programs, not in their images. Choose with --backend."


@pytest.fixture
def run(tmp_path):
    """Returns the output of `monopod run --backend auto`, of a Pipeline on its standard input."""

    def run(*options):
        command = [sys.executable, "-m", "monopod", "run", "--backend", "auto", "-f", "-", *options]
        environment = {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}
        done = subprocess.run(
            command, input=PIPELINE, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[hello : say] hello" in done.stdout
        return done.stderr

    return run


def test_host_is_chosen_on_a_fresh_machine(run, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(programs))
    shown = run()
    assert shown.count(f"Backend host (podman is not installed): {HOST}\n") == 1
    assert "The host backend does not use images" not in shown
    assert "Backend" not in run("--quiet", "--logs", "hello")


def test_host_is_chosen_with_the_reason_if_podman_does_not_work(run, fake_podman):
    fake_podman.answer("info", errors="Error: no storage\n", code=125)
    assert f"Backend host (podman does not work here: no storage): {HOST}" in run()
    assert fake_podman.asked() == ["info --format json"]


def test_host_is_chosen_if_an_image_cannot_be_pulled(run, fake_podman):
    fake_podman.answer("info", INFO)
    fake_podman.answer("image inspect docker.io/library/python:3.13-alpine", [{"Config": {}}])
    fake_podman.answer("image inspect", errors="Error: no such image\n", code=125)
    shown = run()
    assert (
        "Backend host (image localhost:1/busybox:1 is not on this machine and cannot be pulled: localhost:1: " in shown
    )
    assert not any(line.startswith(("pull", "kube")) for line in fake_podman.asked())


def test_host_is_chosen_if_podman_cannot_make_the_pod(run, fake_podman):
    fake_podman.answer("info", INFO)
    fake_podman.answer("image inspect docker.io", [{"Config": {}}, {"Config": {}}])
    fake_podman.answer("kube play", errors="Error: no cgroups\n", code=125)
    shown = run()
    assert "Backend podman (all images are here): Steps run in containers. Choose with --backend." in shown
    assert f"Backend host (podman kube play: no cgroups): {HOST}" in shown
    assert shown.count("nothing is bound to the Workspace 'source'") == 1


def pod(*images, **fields):
    return {
        "spec": {
            "containers": [{"name": f"c{number}", "image": image, **fields} for number, image in enumerate(images)]
        }
    }


def test_one_command_finds_out_that_all_images_are_here(fake_podman):
    fake_podman.answer("image inspect a:1 b:1", [{"Config": {}}, {"Config": {}}])
    assert missing_images([pod("a:1"), pod("b:1", "a:1")]) == ()
    assert fake_podman.asked() == ["image inspect a:1 b:1"]


def test_image_that_is_never_pulled_is_a_reason(fake_podman):
    fake_podman.answer("image inspect", **MISSING)
    with pytest.raises(BackendUnavailableError, match="image a:1 is not on this machine, and is never pulled"):
        missing_images([pod("a:1", imagePullPolicy="Never")])


def test_pulls_are_announced_and_end_at_the_first_failure(fake_podman):
    fake_podman.answer("pull --quiet a:1", "sha256:1\n")
    fake_podman.answer("pull", errors="Error: disk full\n", code=125)
    shown = []
    with pytest.raises(BackendUnavailableError, match="cannot pull image b:1: disk full"):
        pull(["a:1", "b:1", "c:1"], shown.append)
    assert shown == ["Pulling a:1 (1 of 3)", "Pulling b:1 (2 of 3)"]
