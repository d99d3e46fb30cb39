"""`-w NAME=FOLDER`: the Steps work on a folder of this machine."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = "import sys; from monopod.runner.program import main; sys.exit(main())"
TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  workspaces: [{name: source}]
  steps:
  - name: act
    image: busybox
    workingDir: $(workspaces.source.path)
    script: |
      cat input
      mkdir -p dist && echo built > dist/output
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "here").mkdir()

    def run(*options, cwd="here"):
        command = [sys.executable, "-c", PROGRAM, "run", "-f", str(tmp_path / "task.yaml"), *options]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path / cwd, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(("binding", "cwd"), [(".", "here"), ("./here", "."), ("../here", "here")])
def test_steps_read_and_write_the_folder(run, tmp_path, binding, cwd):
    (tmp_path / "here" / "input").write_text("uncommitted\n")
    ran = run("-w", f"source={binding}", cwd=cwd)
    assert ran.returncode == 0, ran
    assert "[build : act] uncommitted" in ran.stdout
    assert (tmp_path / "here" / "dist" / "output").read_text() == "built\n"


def test_missing_folder_prevents_the_run(run, tmp_path):
    ran = run("-w", "source=./nowhere")
    assert ran.returncode == 2
    assert f"there is no directory {tmp_path}/here/nowhere; make it, or name another" in ran.stderr
    assert not (tmp_path / "here" / "nowhere").exists()
