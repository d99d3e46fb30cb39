"""`monopod rerun --failed` is the same on every backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: flow}
spec:
  params: [{name: verdict, default: bad}]
  workspaces: [{name: source}]
  tasks:
  - name: build
    workspaces: [{name: source}]
    taskSpec:
      workspaces: [{name: source}]
      results: [{name: image}]
      steps:
      - name: make
        image: localhost/monopod-test/busybox:1
        script: |
          echo made > $(workspaces.source.path)/made
          printf app:1 > $(results.image.path)
  - name: test
    workspaces: [{name: source}]
    params: [{name: image, value: $(tasks.build.results.image)}, {name: verdict, value: $(params.verdict)}]
    taskSpec:
      params: [{name: image}, {name: verdict}]
      workspaces: [{name: source}]
      steps:
      - name: judge
        image: localhost/monopod-test/busybox:1
        script: |
          cat $(workspaces.source.path)/made
          test $(params.image)$(params.verdict) = app:1good
"""


def test_failed_tasks_run_again_with_results_and_files_of_the_others(backend: Any, tmp_path: Path):
    file, folder = tmp_path / "flow.yaml", tmp_path / "files"
    file.write_text(PIPELINE)
    folder.mkdir()
    folder.chmod(0o777)
    ran = backend.run("-f", file, "-w", f"source={folder}")
    assert ran.code == 1
    name = ran.document["metadata"]["name"]
    document = json.loads(backend.monopod("rerun", name, "--failed", "-p", "verdict=good", "-o", "json"))
    assert document["status"]["skippedTasks"] == [{"name": "build", "reason": "Task was reused"}]
    assert document["status"]["conditions"][0]["reason"] == "Completed"
