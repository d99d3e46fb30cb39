"""v1beta1 as found in repositories, from the file to the Plan (Tekton docs/migrating-v1beta1-to-v1.md)."""

from __future__ import annotations

import pytest

RUN = """\
apiVersion: tekton.dev/v1beta1
kind: TaskRun
metadata: {{generateName: older-}}
spec: {{taskRef: {{name: older, {0}}}, params: [{{name: image, value: busybox}}]}}
---
"""
TASK = """\
apiVersion: tekton.dev/v1beta1
kind: {0}
metadata: {{name: older}}
spec:
  params:
  - {{name: image, default: "$(params.IMAGE)"}}
  stepTemplate: {{name: "", env: [{{name: GREETING, value: {1}}}], resources: {{}}}}
  steps: [{{name: s, image: $(params.image), resources: {{}}, script: "echo $GREETING"}}]
"""


def greeting(compilation) -> str:
    (container,) = compilation.pod["spec"]["containers"]
    assert container["image"] == "busybox"
    return str(container["env"][-1]["value"])


def test_older_spellings_work(compiled):
    compilation = compiled(RUN.format("") + TASK.format("Task", "hello"))
    assert greeting(compilation) == "hello"
    assert compilation.warnings == ()


@pytest.mark.parametrize(
    ("reference", "given", "expected", "note"),
    [
        (
            "kind: ClusterTask",
            ["Task"],
            "of-the-Task",
            "p.yaml:4:37: note: spec.taskRef.kind: Tekton has no ClusterTasks any more; the Task 'older' is used",
        ),
        (
            "kind: ClusterTask",
            ["ClusterTask"],
            "of-the-ClusterTask",
            "p.yaml:7:7: note: kind: the ClusterTask 'older' is read as the Task of that name",
        ),
        (
            "",
            ["ClusterTask"],
            "of-the-ClusterTask",
            "p.yaml:7:7: note: kind: the ClusterTask 'older' is read as the Task of that name",
        ),
        (
            "kind: Task",
            ["ClusterTask", "Task"],
            "of-the-Task",
            "p.yaml:7:7: note: kind: the ClusterTask 'older' is read as the Task of that name",
        ),
        (
            "kind: ClusterTask",
            ["ClusterTask", "Task"],
            "of-the-ClusterTask",
            "p.yaml:7:7: note: kind: the ClusterTask 'older' is read as the Task of that name",
        ),
    ],
)
def test_cluster_task_is_the_task_of_that_name(compiled, reference, given, expected, note):
    compilation = compiled(RUN.format(reference) + "---\n".join(TASK.format(kind, f"of-the-{kind}") for kind in given))
    assert greeting(compilation) == expected
    assert [str(each) for each in compilation.warnings] == [note]


def test_v1_reference_may_mean_a_cluster_task(compiled):
    text = RUN.format("kind: ClusterTask").replace("v1beta1", "v1") + TASK.format("Task", "hello")
    assert greeting(compiled(text)) == "hello"


def test_cluster_task_can_be_run_directly(compiled):
    assert greeting(compiled(TASK.format("ClusterTask", "hello"), params=(("image", "busybox"),))) == "hello"
