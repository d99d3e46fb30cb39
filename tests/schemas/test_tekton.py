"""Problems of single Tekton objects."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from monopod.schemas.model import Findings, Model, format_path
from monopod.schemas.tekton.params import Param, ParamSpec, TaskResult, WhenExpression
from monopod.schemas.tekton.pipelines import PipelineSpec, PipelineTask
from monopod.schemas.tekton.runs import PipelineRun, PipelineRunSpec, TaskRunSpec, TimeoutFields
from monopod.schemas.tekton.tasks import Step, Task, TaskRef, TaskSpec, WorkspaceUsage
from monopod.schemas.tekton.workspace_bindings import WorkspaceBinding

STEP = {"image": "alpine", "script": "true"}
TASK = {"name": "a", "taskSpec": {"steps": [STEP]}}


def problems(model: type[Model], document: dict[str, Any]) -> list[str]:
    findings = Findings()
    model.model_validate(document, context=findings)
    return [f"{format_path(finding.path)}: {finding.message}" for finding in findings.items]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "x"),
        (5, "5"),
        (1.5, "1.5"),
        (1e20, "100000000000000000000"),
        (True, "true"),
        (None, ""),
        (["a", "b"], ("a", "b")),
        (["a", None], ("a", "")),
        ([], ()),
        ([1, 2], "[1,2]"),
        (["a", 1], '["a",1]'),
        ([["a"]], '[["a"]]'),
        ({"k": "v"}, {"k": "v"}),
        ({"k": None}, {"k": ""}),
        ({}, {}),
        ({"b": 1, "a": ["ü", None, False]}, '{"a":["ü",null,false],"b":1}'),
    ],
)
def test_param_values_are_converted_as_by_tekton(value, expected):
    assert Param.model_validate({"name": "x", "value": value}).value == expected


def test_param_without_a_value_is_refused():
    with pytest.raises(ValidationError):
        Param.model_validate({"name": "x"})


@pytest.mark.parametrize(
    ("declaration", "value_type"),
    [
        ({}, "string"),
        ({"default": "x"}, "string"),
        ({"default": ["x"]}, "array"),
        ({"type": "array"}, "array"),
        ({"properties": {"k": {}}}, "object"),
        ({"type": "object", "properties": {}}, "object"),
        ({"default": 5}, "string"),
    ],
)
def test_type_of_a_param_is_inferred(declaration, value_type):
    assert ParamSpec.model_validate({"name": "x", **declaration}).value_type == value_type


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ({"type": "array", "default": "x"}, ["default: the param is of type array, but its default is of type string"]),
        ({"default": {"k": "v"}}, [": the object param 'x' needs properties"]),
        (
            {"type": "array", "enum": ["a"]},
            ["enum: only a param of type string may have an enum, this one is of type array"],
        ),
        ({"enum": ["a", "b", "a"]}, ["enum[2]: 'a' is already there at enum[0]"]),
        ({"enum": ["a"], "default": "b"}, ["default: the default 'b' is not among the values of enum"]),
        (
            {"name": "5x"},
            [
                "name: '5x' is not a valid name of a string param: use letters, digits, '-', '_', '.', "
                "with a letter or '_' first"
            ],
        ),
        (
            {"properties": {"a.b": {"type": "string"}}},
            [
                "properties.a.b: 'a.b' is not a valid name of a key of an object param: use letters, digits, '-', '_', "
                "with a letter or '_' first"
            ],
        ),
    ],
)
def test_problems_of_a_declared_param(declaration, expected):
    assert problems(ParamSpec, {"name": "x", **declaration}) == expected


@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        ({"input": "a", "operator": "in", "values": ["a"]}, []),
        ({"cel": "'a' == 'a'"}, []),
        (
            {"cel": "true", "operator": "in", "values": ["a"]},
            ["cel: cel may not be given together with input, operator and values"],
        ),
        ({"input": "a", "values": ["a"]}, [": a when-expression needs an operator: in or notin"]),
        ({"operator": "in"}, ["values: a when-expression needs values, a list that is not empty"]),
    ],
)
def test_problems_of_a_when_expression(guard, expected):
    assert problems(WhenExpression, guard) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"name": "x"}, []),
        ({"name": "$(params.task)"}, []),
        ({"resolver": "git"}, []),
        ({"resolver": "git", "params": [{"name": "url", "value": "x"}]}, []),
        ({"name": "https://host/x", "resolver": "http"}, []),
        ({}, [": a name or a resolver is required"]),
        (
            {"name": "a b"},
            [
                "name: 'a b' is not a valid name: use letters, digits, '-', '_' and '.', "
                "with a letter or digit at both ends"
            ],
        ),
        ({"name": "x", "resolver": "git"}, ["name: with a resolver, the name must be a URL"]),
        ({"name": "https://host/x"}, [": a name that is a URL needs a resolver"]),
        ({"params": [{"name": "a", "value": "x"}]}, ["params: params need a resolver"]),
        (
            {"name": "x", "resolver": "git", "params": [{"name": "a", "value": "x"}]},
            ["name: only one of name, params may be given"],
        ),
    ],
)
def test_problems_of_a_reference(reference, expected):
    assert problems(TaskRef, reference) == expected


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (STEP, []),
        ({"ref": {"name": "x"}, "params": [{"name": "a", "value": "b"}]}, []),
        ({**STEP, "command": ["sh"]}, ["script: only one of script, command may be given"]),
        (
            {"ref": {"name": "x"}, "image": "y", "workingDir": "/"},
            [
                "image: image cannot be given together with ref: it is the StepAction's",
                "workingDir: workingDir cannot be given together with ref: it is the StepAction's",
            ],
        ),
        ({**STEP, "params": [{"name": "a", "value": "b"}]}, ["params: a Step has params only together with ref"]),
        (
            {**STEP, "volumeMounts": [{"name": "x", "mountPath": "/tekton//bin"}]},
            ["volumeMounts[0].mountPath: nothing may be mounted under /tekton/ except /tekton/home"],
        ),
        ({**STEP, "volumeMounts": [{"name": "x", "mountPath": "/tekton/home/a"}]}, []),
        (
            {**STEP, "volumeMounts": [{"name": "tekton-internal-x", "mountPath": "/x"}]},
            ["volumeMounts[0].name: a name must not start with 'tekton-internal-'"],
        ),
    ],
)
def test_problems_of_a_step(step, expected):
    assert problems(Step, step) == expected


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({}, [": a Task needs steps, a list that is not empty"]),
        ({"steps": [{"script": "x"}], "stepTemplate": {"image": "x"}}, []),
        ({"steps": [{"script": "x"}]}, ["steps[0]: a Step needs an image (its own or the stepTemplate's) or a ref"]),
        (
            {"steps": [{**STEP, "name": "a"}, STEP, STEP, {**STEP, "name": "a"}]},
            ["steps[3].name: there is already a Step 'a' at steps[0]"],
        ),
        (
            {"steps": [STEP], "workspaces": [{"name": "a"}, {"name": "b", "mountPath": "/workspace/a/"}]},
            ["workspaces[1].mountPath: something else is already mounted at /workspace/a"],
        ),
        (
            {
                "steps": [{**STEP, "workspaces": [{"name": "x"}]}],
                "sidecars": [{"image": "a", "workspaces": [{"name": "y", "mountPath": "/y"}]}],
                "workspaces": [{"name": "y"}],
            },
            ["steps[0].workspaces[0].name: the Task declares no Workspace 'x'"],
        ),
    ],
)
def test_problems_of_a_task(task, expected):
    assert problems(TaskSpec, task) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"value": "x"}, ["value: expected a reference to a Step's Result, such as $(steps.build.results.digest)"]),
        ({"value": "$(steps.a.results.b)"}, []),
        ({"type": "object"}, [": the object Result 'r' needs properties"]),
        ({"properties": {"k": {}}}, []),
    ],
)
def test_problems_of_a_result(result, expected):
    assert problems(TaskResult, {"name": "r", **result}) == expected


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ({"tasks": [TASK]}, []),
        ({}, [": a Pipeline needs tasks, a list that is not empty"]),
        ({"finally": [TASK]}, ["finally: a Pipeline needs tasks, a list that is not empty"]),
        (
            {"tasks": [TASK, {**TASK, "name": "b"}], "finally": [{**TASK, "name": "b"}]},
            ["finally[0].name: there is already a Task 'b' at tasks[1]"],
        ),
        (
            {"tasks": [TASK], "finally": [{**TASK, "name": "b", "runAfter": ["a"]}]},
            ["finally[0].runAfter: a finally Task has no runAfter: all of them start together"],
        ),
    ],
)
def test_problems_of_a_pipeline(pipeline, expected):
    assert problems(PipelineSpec, pipeline) == expected


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"name": "a"}, [": one of taskRef, taskSpec, pipelineRef, pipelineSpec is required"]),
        (
            {**TASK, "pipelineSpec": {"tasks": [TASK]}},
            ["pipelineSpec: only one of taskSpec, pipelineSpec may be given"],
        ),
        ({**TASK, "onError": "continue", "retries": 1}, ["onError: onError cannot be continue when there are retries"]),
        (
            {**TASK, "params": [{"name": "p", "value": ""}], "matrix": {"params": [{"name": "p", "value": ["x"]}]}},
            ["params[0].name: the param 'p' is in the matrix too"],
        ),
        ({**TASK, "matrix": {"params": [{"name": "p", "value": "$(tasks.x.results.y[*])"}]}}, []),
        (
            {**TASK, "matrix": {"params": [{"name": "p", "value": "x"}]}},
            ["params[0].value: a matrix needs an array: a list of strings, or a reference such as $(params.p[*])"],
        ),
        (
            {**TASK, "matrix": {"include": [{"params": [{"name": "p", "value": ["x"]}]}]}},
            ["params[0].value: expected a string, got an array"],
        ),
        ({"name": "a", "taskSpec": {"apiVersion": "x/v1", "kind": "Y", "spec": {"z": 1}}}, []),
        (
            {"name": "a", "taskSpec": {"apiVersion": "x/v1", "kind": "Y", "steps": [STEP]}},
            ["apiVersion: a taskSpec with steps has no apiVersion and kind"],
        ),
    ],
)
def test_problems_of_a_pipeline_task(task, expected):
    assert problems(PipelineTask, task) == expected


@pytest.mark.parametrize("field", ["taskRef", "taskSpec"])
def test_custom_task_is_recognised_by_its_api_version_or_kind(field):
    attribute = {"taskRef": "task_ref", "taskSpec": "task_spec"}[field]
    for given, custom in [({"apiVersion": "x/v1", "kind": "Y"}, True), ({"kind": "Task"}, False)]:
        rest = {"name": "x"} if field == "taskRef" else ({} if custom else {"steps": [STEP]})
        task = PipelineTask.model_validate({"name": "a", field: {**rest, **given}})
        assert getattr(task, attribute).is_custom is custom


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        ({"pipeline": "1h", "tasks": "30m", "finally": "30m"}, []),
        ({"pipeline": "0", "tasks": "100h"}, []),
        ({"tasks": "0", "pipeline": "0"}, []),
        ({"tasks": "2h"}, ["tasks: must not be longer than timeouts.pipeline, which is 1h by default"]),
        ({"pipeline": "1h", "finally": "0"}, ["finally: must not be longer than timeouts.pipeline"]),
        (
            {"pipeline": "1h", "tasks": "40m", "finally": "21m"},
            ["finally: tasks and finally together must not be longer than timeouts.pipeline"],
        ),
    ],
)
def test_problems_of_timeouts(timeouts, expected):
    assert problems(TimeoutFields, timeouts) == expected


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ({"emptyDir": {}}, []),
        (
            {"emptyDir": {}, "configMap": {"name": "x"}},
            ["configMap: only one of emptyDir, configMap may be given"],
        ),
        ({"configMap": {}}, ["configMap: the name of the ConfigMap is required"]),
        ({"secret": {}}, ["secret: secretName is required"]),
        ({"projected": {}}, ["projected: sources is required"]),
    ],
)
def test_problems_of_a_workspace_binding(binding, expected):
    assert problems(WorkspaceBinding, {"name": "x", **binding}) == expected


def test_run_needs_one_pipeline_and_unique_names():
    document = {
        "params": [{"name": "a", "value": "x"}, {"name": "a", "value": "y"}],
        "workspaces": [{"name": "w", "emptyDir": {}}, {"name": "w", "emptyDir": {}}],
    }
    assert problems(PipelineRunSpec, document) == [
        ": one of pipelineRef, pipelineSpec is required",
        "params[1].name: there is already a param 'a' at params[0]",
        "workspaces[1].name: there is already a Workspace 'w' at workspaces[0]",
    ]


def test_task_run_with_resources_at_both_levels_is_refused():
    document = {
        "taskRef": {"name": "x"},
        "computeResources": {"limits": {"cpu": "1"}},
        "stepSpecs": [{"name": "a", "computeResources": {"limits": {"cpu": "1"}}}],
    }
    assert problems(TaskRunSpec, document) == ["computeResources: only one of computeResources, stepSpecs may be given"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"name": "a.b-c"}, []),
        ({"generateName": "a-"}, []),
        ({}, ["metadata: a name is required"]),
        (
            {"name": "A"},
            [
                "metadata.name: 'A' is not a valid name: use at most 63 lower-case letters, digits, '-' and '.', "
                "with a letter or digit at both ends"
            ],
        ),
    ],
)
def test_problems_of_a_name(metadata, expected):
    document = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": metadata, "spec": {"steps": [STEP]}}
    assert problems(Task, document) == expected


def test_field_names_are_case_insensitive():
    assert WorkspaceUsage.model_validate({"name": "x", "mountpath": "/y"}).mount_path == "/y"


def test_complete_run_round_trips():
    document = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"generateName": "x-", "labels": {"a": "b"}, "managedFields": [{"manager": "kubectl"}]},
        "spec": {
            "params": [{"name": "p", "value": ["a", "b"]}],
            "timeouts": {"pipeline": "1h0m0s"},
            "taskRunTemplate": {"serviceAccountName": "x", "podTemplate": {"nodeSelector": {"a": "b"}}},
            "taskRunSpecs": [{"pipelineTaskName": "a", "timeout": "1m0s"}],
            "workspaces": [{"name": "w", "volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}],
            "pipelineSpec": {"tasks": [TASK], "finally": [{**TASK, "name": "b"}]},
        },
        "status": {"conditions": [{"anything": ["goes", 1, None]}]},
    }
    findings = Findings()
    assert PipelineRun.model_validate(document, context=findings).to_kubernetes() == document
    assert findings.items == []
