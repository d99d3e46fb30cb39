"""What a run in a cluster imports before it asks for its Pod: nothing that it needs only once the Pod was created."""

import subprocess
import sys

from monopod.runtime.carried import installed_runtime

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: greet}
spec:
  tasks:
  - name: hello
    taskSpec: {steps: [{name: say, image: busybox, script: echo hello}]}
"""
PROGRAM = """\
import sys
from monopod.runner.program import main
sys.argv[0] = "monopod"
code = main()
print(code, *sys.modules, file=sys.stderr)
"""
LATER = (
    "follow_pod",
    "kubernetes.detached",
    "kubernetes.following",
    "kubernetes.job",
    "kubernetes.observation",
    "records.recorder",
    "run",
)
"""Modules that follow, show and record a run. With what they import, they take a fifth of the time."""


def test_following_is_imported_after_the_creation(api, kubeconfig, tmp_path):
    installed_runtime()  # packs it again if its sources have changed
    api.refuse("create", "pods")
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    command = [sys.executable, "-c", PROGRAM, "run", "--context", "test", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "2"
    assert "monopod.runner.kubernetes.pod" in modules
    assert [name for name in LATER if f"monopod.runner.{name}" in modules] == []
