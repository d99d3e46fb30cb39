"""The rules of enums: Tekton docs/pipelines.md, "Param enum", and its validation."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

TEXT = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: p}}
spec:
  params: [{{name: m, {0}}}, {{name: o, default: v1}}]
  tasks:
  - name: a
    {1}
    {2}: {{{3}params: [{{name: message, {4}}}], steps: [{{image: i, command: [$(params.message)]}}]}}
"""


def text(pipeline: str, given: str, declared: str = 'enum: ["v1", "v2"]', *, kind: str = "taskSpec") -> str:
    return TEXT.format(pipeline, given, kind, "", declared)


GIVEN = "params: [{name: message, value: $(params.m)}]"
FINE = {
    "the same enum": text('enum: ["v1", "v2"], default: v1', GIVEN),
    "fewer values": text('enum: ["v1"], default: v1', GIVEN),
    "no enum in the Task": text("default: any", GIVEN, "default: x"),
    "an enum only of the Pipeline": text('enum: ["v1"], default: v1', GIVEN, "default: x"),
    "a value that is composed": text("default: v", "params: [{name: message, value: $(params.m)1}]"),
    "of several params": text(
        "default: v", "params: [{name: message, value: $(params.m)$(params.o)}]", 'enum: ["vv1"]'
    ),
    "an element of an array": text("type: array, default: [v1]", "params: [{name: message, value: '$(params.m[0])'}]"),
    "a fixed value": text("default: any", "params: [{name: message, value: v2}]"),
    "an empty value": text("default: any", "params: [{name: message, value: ''}]"),
    "an empty default": text("default: any", "", "enum: [v1], default: ''"),
    "a matrix": text("default: any", "matrix: {params: [{name: message, value: [v1, v2]}]}"),
    "a matrix with an empty value": text("default: any", "matrix: {params: [{name: message, value: [v1, '']}]}"),
}
WHERE = "p.yaml:8:37: spec.tasks[0].params[0].value: "
WRONG = {
    "no enum in the Pipeline": (
        text("default: v1", GIVEN),
        f"{WHERE}the Pipeline's param 'm' has no enum, but 'message' of the Task 'a' has one; give it an enum of some of: v1, v2",
    ),
    "no enum, and a value that is none": (
        text("default: other", GIVEN),
        f"{WHERE}the Pipeline's param 'm' has no enum, but 'message' of the Task 'a' has one; give it an enum of some of: v1, v2",
    ),
    "more values": (
        text('enum: ["v1", "v3"], default: v1', GIVEN),
        f"{WHERE}the Pipeline's param 'm' may be 'v3', but the enum of 'message' of the Task 'a' has not; give it an enum of some of: v1, v2",
    ),
    "a fixed value that is none": (
        text("default: any", "params: [{name: message, value: v3}]"),
        f"{WHERE}the Task 'a' does not allow 'v3' for 'message'; allowed: v1, v2",
    ),
    "a composed value that is none": (
        text("default: v", "params: [{name: message, value: $(params.m)3}]"),
        f"{WHERE}the Task 'a' does not allow 'v3' for 'message'; allowed: v1, v2",
    ),
    "a combination of a matrix": (
        text("default: any", "matrix: {params: [{name: message, value: [v1, v3]}]}"),
        "p.yaml:8:13: spec.tasks[0].matrix: the Task 'a' does not allow 'v3' for 'message'; allowed: v1, v2",
    ),
    "a default that is none": (
        text("default: any", "", "enum: [v1], default: v2"),
        "p.yaml:9:62: spec.tasks[0].taskSpec.params[0].default: the default 'v2' is not among the values of enum",
    ),
    "a value twice": (
        text("default: any", "", "enum: [v1, v1], default: v1"),
        "p.yaml:9:52: spec.tasks[0].taskSpec.params[0].enum[1]: 'v1' is already there at enum[0]",
    ),
    "an array": (
        text("default: any", "", "enum: [v1], type: array, default: [v1]"),
        "p.yaml:9:47: spec.tasks[0].taskSpec.params[0].enum: only a param of type string may have an enum, this one is of type array",
    ),
}


@pytest.mark.parametrize("way", FINE)
def test_values_that_an_enum_allows(problems, way):
    assert problems(FINE[way]) == []


@pytest.mark.parametrize("way", WRONG)
def test_values_that_an_enum_does_not_allow(problems, way):
    source, expected = WRONG[way]
    assert problems(source) == [expected]


@pytest.mark.parametrize("kind", ["taskRef", "finally"])
def test_enum_of_referenced_and_finally_tasks(problems, kind):
    source = text("default: v1", GIVEN)
    if kind == "taskRef":
        head, _, spec = source.partition("    taskSpec: ")
        source = f"{head}    taskRef: {{name: t}}\n---\napiVersion: tekton.dev/v1\nkind: Task\nmetadata: {{name: t}}\nspec: {spec}"
    else:
        source = source.replace(
            "  tasks:", "  tasks: [{name: b, taskSpec: {steps: [{image: i, command: [c]}]}}]\n  finally:"
        )
    (problem,) = problems(source)
    assert "the Pipeline's param 'm' has no enum, but 'message' of the Task" in problem


@pytest.mark.parametrize("value", ["v1", "v3", ""])
def test_value_of_the_run_is_checked_by_the_enum_of_the_pipeline(problems, value):
    source = text('enum: ["v1", "v2"], default: v1', GIVEN)
    found = problems(source, params=(("m", value),))
    expected = [f"-p m={value}: the Pipeline 'p' does not allow '{value}' for 'm'; allowed: v1, v2"]
    assert found[: len(expected)] == (expected if value == "v3" else [])
