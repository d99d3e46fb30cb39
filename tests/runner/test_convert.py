"""`monopod convert`: documents of other systems and versions as Tekton v1."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
OLD = """\
apiVersion: tekton.dev/v1beta1
kind: Task
metadata: {name: t}
spec:
  steps: [{name: a, image: i, resources: {requests: {cpu: "1"}}, tty: true}]
---
apiVersion: v1
kind: Service
metadata: {name: s}
"""


def monopod(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("monopod")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, cwd=ROOT
    )


def test_the_output_is_tekton_v1_that_needs_no_conversion(tmp_path):
    written = tmp_path / "tekton.yaml"
    first = monopod("convert", "-f", "examples/argo/workflow.yaml")
    assert (first.returncode, first.stderr) == (0, "")
    written.write_text(first.stdout)
    assert monopod("convert", "-f", written).stdout == first.stdout
    compiled = [monopod("compile", "-f", each).stdout for each in ("examples/argo/workflow.yaml", written)]
    assert compiled[0] == compiled[1] != ""


def test_older_versions_are_converted_and_other_objects_kept(tmp_path):
    file, output = tmp_path / "old.yaml", tmp_path / "new.yaml"
    file.write_text(OLD)
    done = monopod("convert", "-f", file, "-o", output)
    assert (done.returncode, done.stdout) == (0, "")
    assert "warning: spec.steps[0].tty: a Step has no tty since v1" in done.stderr
    task, service = yaml.safe_load_all(output.read_text())
    assert task["apiVersion"] == "tekton.dev/v1"
    assert task["spec"]["steps"][0] == {"name": "a", "image": "i", "computeResources": {"requests": {"cpu": "1"}}}
    assert service == {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}


def test_wrong_input_is_not_written(tmp_path):
    output = tmp_path / "new.yaml"
    file = tmp_path / "w.yaml"
    file.write_text("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec: {entry: x}\n")
    done = monopod("convert", "-f", file, "-o", output)
    assert done.returncode == 2
    assert f"{file}:4:8: spec.entry: unknown field (did you mean 'entrypoint'?)" in done.stderr
    assert not output.exists()
