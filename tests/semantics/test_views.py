"""Private views on each backend: conflicts, and what follows them."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.slow

CONFLICT = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: conflict}
spec:
  workspaces: [{name: files}]
  tasks:
  - name: write
    matrix: {params: [{name: arch, value: [amd64, arm64]}]}
    workspaces: [{name: source, workspace: files}]
    taskSpec:
      params: [{name: arch}]
      workspaces: [{name: source}]
      steps:
      - name: write
        image: localhost/monopod-test/busybox:1
        script: |
          cd $(workspaces.source.path)
          echo $(params.arch) > version
          echo $(params.arch) > $(params.arch)
  finally:
  - name: look
    workspaces: [{name: source, workspace: files}]
    taskSpec:
      workspaces: [{name: source}]
      steps: [{name: list, image: localhost/monopod-test/busybox:1, script: ls -A $(workspaces.source.path)}]
"""


def test_conflict_fails_the_task_that_merges_last_and_changes_nothing(backend, tmp_path):
    path = tmp_path / "pipeline.yaml"
    path.write_text(CONFLICT)
    ran = backend.run("-f", path, "-w", "files=emptyDir", "--view", "write/source")
    assert ran.code == 1
    reasons = ran.reasons()
    assert sorted(reasons[f"write[{index}]"] for index in (0, 1)) == ["StepFailed", "Succeeded"]
    said = "\n".join(ran.messages)
    assert "conflict: version: made by 'write[arch=amd64]' and made by 'write[arch=arm64]'" in said
    merged = "amd64" if reasons["write[0]"] == "Succeeded" else "arm64"
    assert sorted(re.findall(r"^\[look : list\] (.*)$", said, re.MULTILINE)) == [merged, "version"]


def test_task_with_retries_runs_again_on_the_merged_workspace(make_backend, tmp_path):
    backend = make_backend("host")
    path = tmp_path / "pipeline.yaml"
    path.write_text(CONFLICT.replace("    matrix:", "    retries: 1\n    matrix:"))
    ran = backend.run("-f", path, "-w", "files=emptyDir", "--view", "write/source")
    said = "\n".join(ran.messages)
    assert ran.code == 0, said
    assert "conflict: version: made by 'write[arch=amd64]' and made by 'write[arch=arm64]'" in said
    assert sorted(re.findall(r"^\[look : list\] (.*)$", said, re.MULTILINE)) == ["amd64", "arm64", "version"]
