from __future__ import annotations

import copy
import io

import pytest

from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.schemas.tekton.runs import PipelineRun
from monopod.schemas.tekton.tasks import Task
from monopod.schemas.tekton.v1beta1 import origin, to_v1

CPU = {"limits": {"cpu": "1"}}
OLD_STEP = {"image": "i", "script": "s", "resources": CPU}
NEW_STEP = {"image": "i", "script": "s", "computeResources": CPU}
OLD_TASK = {"stepTemplate": {"resources": CPU}, "steps": [OLD_STEP], "sidecars": [OLD_STEP]}
NEW_TASK = {"stepTemplate": {"computeResources": CPU}, "steps": [NEW_STEP], "sidecars": [NEW_STEP]}
OVERRIDE = [{"name": "a", "resources": CPU}]
SPEC = [{"name": "a", "computeResources": CPU}]


def document(kind: str, spec: dict, version: str) -> dict:
    return {"apiVersion": f"tekton.dev/{version}", "kind": kind, "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("Task", OLD_TASK, NEW_TASK),
        (
            "Pipeline",
            {
                "tasks": [
                    {"name": "a", "taskSpec": OLD_TASK, "when": [{"input": "a", "operator": "in", "values": ["a"]}]}
                ],
                "finally": [{"name": "b", "pipelineSpec": {"tasks": [{"name": "c", "taskSpec": OLD_TASK}]}}],
            },
            {
                "tasks": [
                    {"name": "a", "taskSpec": NEW_TASK, "when": [{"input": "a", "operator": "in", "values": ["a"]}]}
                ],
                "finally": [{"name": "b", "pipelineSpec": {"tasks": [{"name": "c", "taskSpec": NEW_TASK}]}}],
            },
        ),
        (
            "PipelineRun",
            {
                "pipelineRef": {"name": "p"},
                "serviceAccountName": "s",
                "podTemplate": {"nodeSelector": {"a": "b"}},
                "timeout": "2h",
                "taskRunSpecs": [
                    {
                        "pipelineTaskName": "a",
                        "taskServiceAccountName": "t",
                        "taskPodTemplate": {},
                        "stepOverrides": OVERRIDE,
                        "sidecarOverrides": OVERRIDE,
                    }
                ],
            },
            {
                "pipelineRef": {"name": "p"},
                "taskRunTemplate": {"serviceAccountName": "s", "podTemplate": {"nodeSelector": {"a": "b"}}},
                "timeouts": {"pipeline": "2h"},
                "taskRunSpecs": [
                    {
                        "pipelineTaskName": "a",
                        "serviceAccountName": "t",
                        "podTemplate": {},
                        "stepSpecs": SPEC,
                        "sidecarSpecs": SPEC,
                    }
                ],
            },
        ),
        ("PipelineRun", {"pipelineSpec": {"tasks": []}}, {"pipelineSpec": {"tasks": []}}),
        (
            "TaskRun",
            {"taskSpec": OLD_TASK, "serviceAccountName": "s", "stepOverrides": OVERRIDE, "sidecarOverrides": OVERRIDE},
            {"taskSpec": NEW_TASK, "serviceAccountName": "s", "stepSpecs": SPEC, "sidecarSpecs": SPEC},
        ),
        (
            "TaskRun",
            {"taskRef": {"name": "t", "bundle": "host/image:1"}},
            {
                "taskRef": {
                    "resolver": "bundles",
                    "params": [
                        {"name": "bundle", "value": "host/image:1"},
                        {"name": "name", "value": "t"},
                        {"name": "kind", "value": "Task"},
                    ],
                }
            },
        ),
    ],
)
def test_renamed_and_moved_fields_are_converted(kind, old, new):
    before = document(kind, old, "v1beta1")
    untouched = copy.deepcopy(before)
    rewritten = to_v1(before)
    assert rewritten.data == document(kind, new, "v1")
    assert rewritten.problems == ()
    assert before == untouched


def test_v1beta1_documents_are_validated_as_v1():
    text = """\
apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata: {name: x}
spec:
  timeout: 5m
  serviceAccountName: robot
  pipelineSpec:
    tasks:
      - name: a
        taskSpec:
          steps:
            - image: i
              resources: {limits: {cpu: 1}}
"""
    ((found, run),) = load(["-"], io.BytesIO(text.encode())).of(PipelineRun)
    assert found.api_version == "tekton.dev/v1"
    assert run.spec.timeouts is not None
    assert run.spec.timeouts.pipeline == 300
    assert str(found.position(("spec", "timeouts", "pipeline"))) == "<stdin>:5:12"
    assert str(found.position(("spec", "taskRunTemplate", "serviceAccountName"), key=True)) == "<stdin>:6:3"
    path = ("spec", "pipelineSpec", "tasks", 0, "taskSpec", "steps", 0, "computeResources", "limits", "cpu")
    assert str(found.position(path)) == "<stdin>:13:41"


def lines(text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        load(["-"], io.BytesIO(text.encode()))
    return [str(problem) for problem in caught.value.problems]


def test_wrong_value_is_reported_with_its_name_in_the_file():
    assert lines("""\
apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata: {name: x}
spec:
  timeout: 5
  pipelineRef: {name: p}
  taskRunSpecs:
    - pipelineTaskName: a
      stepOverrides:
        - name: s
          resources: {limits: {cpu: x}}
""") == [
        '<stdin>:5:12: spec.timeout: expected a duration in quotes; write it like "1h30m", "90s" or "0"',
        "<stdin>:11:37: spec.taskRunSpecs[0].stepOverrides[0].resources.limits.cpu: 'x' is not a quantity; "
        "write a number with an optional unit, such as 500m, 2 or 1.5Gi",
    ]


def test_removed_fields_are_reported():
    assert lines("""\
apiVersion: tekton.dev/v1beta1
kind: PipelineRun
metadata: {name: x}
spec:
  timeout: 5m
  timeouts: {pipeline: 5m}
  pipelineSpec:
    resources: [{name: r, type: git}]
    tasks:
      - name: a
        taskRef: {name: t, kind: ClusterTask}
      - name: b
        resources: {inputs: []}
        taskSpec:
          resources: {inputs: []}
          steps: [{image: i, script: s}]
""") == [
        "<stdin>:6:13: spec.timeouts: only one of timeouts, timeout may be given",
        "<stdin>:8:16: spec.pipelineSpec.resources: Tekton no longer has PipelineResources; "
        "use params, Workspaces and Results",
        "<stdin>:13:20: spec.pipelineSpec.tasks[1].resources: Tekton no longer has PipelineResources; "
        "use params, Workspaces and Results",
        "<stdin>:15:22: spec.pipelineSpec.tasks[1].taskSpec.resources: Tekton no longer has PipelineResources; "
        "use params, Workspaces and Results",
    ]


DROPPED = {
    "ports": "[{containerPort: 80}]",
    "livenessProbe": "{exec: {command: [true]}}",
    "readinessProbe": "{exec: {command: [true]}}",
    "startupProbe": "{exec: {command: [true]}}",
    "lifecycle": "{preStop: {exec: {command: [true]}}}",
    "terminationMessagePath": "/tekton/x",
    "terminationMessagePolicy": "File",
    "stdin": "true",
    "stdinOnce": "true",
    "tty": "true",
}
OLDER = """\
apiVersion: tekton.dev/v1beta1
kind: Task
metadata: {{name: x}}
spec:
  stepTemplate: {{{0}}}
  steps: [{{image: i, script: s{1}}}]
"""


@pytest.mark.parametrize("field", DROPPED)
def test_step_fields_dropped_by_tekton_cause_a_warning(field):
    text = f"{field}: {DROPPED[field]}"
    documents = load(["-"], io.BytesIO(OLDER.format(text, f", {text}").encode()))
    assert [str(warning) for warning in documents.warnings] == [
        f"<stdin>:6:{35 + len(field)}: warning: spec.steps[0].{field}: a Step has no {field} since v1, and Tekton "
        "drops it: it has no effect; remove it",
        f"<stdin>:5:{20 + len(field)}: warning: spec.stepTemplate.{field}: a stepTemplate has no {field} since v1, and "
        "Tekton drops it: it has no effect; remove it",
    ]
    ((_, task),) = documents.of(Task)
    assert field not in task.spec.to_kubernetes()["steps"][0]


def test_name_of_a_step_template_is_dropped():
    (warning,) = load(["-"], io.BytesIO(OLDER.format("name: old", "").encode())).warnings
    assert str(warning).startswith("<stdin>:5:24: warning: spec.stepTemplate.name: a stepTemplate has no name since v1")


def test_removed_fields_without_effect_are_dropped_silently():
    empty = "name: '', resources: {}, ports: [], tty: false, livenessProbe: null"
    text = OLDER.format(empty, ", resources: {}, stdin: false") + "  resources: {}\n"
    assert load(["-"], io.BytesIO(text.encode())).warnings == ()


def test_cluster_task_beside_a_task_of_the_same_name():
    text = OLDER.format("", "").replace("kind: Task", "kind: ClusterTask") + "---\n" + OLDER.format("", "")
    documents = load(["-"], io.BytesIO(text.encode()))
    assert [(each.kind, each.is_cluster_task) for each in documents] == [("Task", True), ("Task", False)]
    assert documents.named(Task)["x"][0] is documents.items[1]
    assert documents.cluster_tasks["x"][0] is documents.items[0]
    assert [str(each) for each in documents.warnings] == [
        "<stdin>:2:7: note: kind: the ClusterTask 'x' is read as the Task of that name"
    ]
    assert lines(text + "---\n" + text)[0].endswith("there is already a Task 'x' at <stdin>:1:1")


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("PipelineResource", "use params, Workspaces and Results"),
        ("Condition", "use `when` of the Task that it guards"),
        ("Run", "it is now CustomRun"),
    ],
)
def test_removed_kind_is_reported_with_its_replacement(kind, instead):
    text = f"apiVersion: tekton.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\n"
    assert lines(text) == [f"<stdin>:2:7: kind: Tekton has no {kind} any more; {instead}"]


@pytest.mark.parametrize("spec", [None, [], "x", {"tasks": 5}, {"tasks": [5]}, {"taskRunSpecs": {}}, {"steps": [None]}])
@pytest.mark.parametrize("kind", ["Pipeline", "PipelineRun", "Task", "TaskRun"])
def test_malformed_documents_are_left_to_validation(kind, spec):
    given = {"apiVersion": "tekton.dev/v1beta1", "kind": kind, "spec": spec}
    assert to_v1(given).data == {**given, "apiVersion": "tekton.dev/v1"}


def test_origin_of_a_moved_path():
    origins = {("a", "b"): ("x",), ("a", "b", 0, "c"): ("x", 0, "y")}
    assert origin(("a", "b", 0, "c", "d"), origins) == ("x", 0, "y", "d")
    assert origin(("a", "b", 1), origins) == ("x", 1)
    assert origin(("a",), origins) == ("a",)
