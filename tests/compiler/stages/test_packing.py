"""Which Steps share a container, and what its Pod has then."""

from __future__ import annotations

from typing import Any

import pytest

from monopod.compiler.compilation import Compilation

READ_ONLY = "securityContext: {readOnlyRootFilesystem: true}"


def task(steps: str, annotations: str = "") -> str:
    return f"""
apiVersion: tekton.dev/v1
kind: Task
metadata: {{name: t, annotations: {{{annotations}}}}}
spec:
  workspaces: [{{name: w}}, {{name: x}}]
  volumes: [{{name: v, emptyDir: {{}}}}]
  steps: [{steps}]
"""


def pipeline(first: str, second: str, *, run: str = "", of: str = "") -> str:
    return f"""
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: run, annotations: {{{run}}}}}
spec: {{pipelineRef: {{name: p}}}}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: p, annotations: {{{of}}}}}
spec:
  tasks:
  - {{name: a, {first}}}
  - {{name: b, runAfter: [a], {second}}}
"""


def step(name: str, more: str = "") -> str:
    return f"{{name: {name}, image: i, script: x{', ' if more else ''}{more}}}"


def embedded(*steps: str, more: str = "", annotations: str = "") -> str:
    of = f"metadata: {{annotations: {{{annotations}}}}}, " if annotations else ""
    return f"taskSpec: {{{of}steps: [{', '.join(steps)}]{', ' if more else ''}{more}}}"


def names(compilation: Compilation) -> list[str]:
    return [each["name"] for each in compilation.pod["spec"]["containers"]]


def containers(compilation: Compilation) -> dict[str, Any]:
    return {each["name"]: each for each in compilation.pod["spec"]["containers"]}


ONE, TWO = step("one"), step("two")
ALONE, TOGETHER = ["t-one", "t-two"], ["t-one"]


@pytest.mark.parametrize(
    ("first", "second", "pack", "expected"),
    [
        ("", "", None, ALONE),
        ("", "", "true", TOGETHER),
        ("", "", "false", ALONE),
        (READ_ONLY, READ_ONLY, None, TOGETHER),
        (READ_ONLY, READ_ONLY, "false", ALONE),
        (READ_ONLY, "", "true", ALONE),
        ("", "imagePullPolicy: Never", "true", ALONE),
        ("", "securityContext: {runAsUser: 7}", "true", ALONE),
        ("", "env: [{name: A, value: a}]", "true", ALONE),
        ("env: [{name: A, value: a}]", "env: [{name: A, value: a}]", "true", TOGETHER),
        ("", "env: [{name: A, value: $(context.taskRun.uid)}]", "true", TOGETHER),
        ("", "workingDir: /elsewhere", "true", TOGETHER),
        ("", "computeResources: {limits: {cpu: 1}}", "true", ALONE),
        ("", "computeResources: {requests: {cpu: 1}}", "true", TOGETHER),
        ("", "volumeMounts: [{name: v, mountPath: /v}]", "true", ALONE),
        ("workspaces: [{name: w}]", "workspaces: [{name: x}]", "true", ALONE),
        ("workspaces: [{name: w}]", "workspaces: [{name: x}]", "workspaces", TOGETHER),
        ("workspaces: [{name: w}]", "workspaces: [{name: x, mountPath: /workspace/w}]", "workspaces", ALONE),
    ],
)
def test_steps_of_a_task_share_a_container_if_it_would_be_the_same(compiled, first, second, pack, expected):
    assert names(compiled(task(f"{step('one', first)}, {step('two', second)}"), pack=pack)) == expected


def test_the_shared_container_has_what_any_of_its_steps_needs(compiled):
    requests = "computeResources: {requests: {cpu: %s, memory: %s}}, workspaces: [{name: %s}]"
    text = task(f"{step('one', requests % ('2', '1Mi', 'w'))}, {step('two', requests % ('1', '1Gi', 'x'))}")
    container = containers(compiled(text, pack="workspaces"))["t-one"]
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}
    assert {"/workspace/w", "/workspace/x"} < {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize(
    ("run", "of", "annotations", "option", "expected"),
    [
        ("", "", "", None, ["a-one", "b-one"]),
        ("", 'monopod.dev/pack: "true"', "", None, ["a-one"]),
        ('monopod.dev/pack: "false"', 'monopod.dev/pack: "true"', "", None, ["a-one", "b-one"]),
        ('monopod.dev/pack: "false"', "", "", "true", ["a-one"]),
        ("", "", 'monopod.dev/pack: "false"', "true", ["a-one", "b-one"]),
        ("", "", 'monopod.dev/pack: "true"', None, ["a-one", "b-one"]),
    ],
)
def test_the_choice_of_the_task_comes_before_that_of_the_run(compiled, run, of, annotations, option, expected):
    text = pipeline(embedded(ONE), embedded(ONE, annotations=annotations), run=run, of=of)
    assert names(compiled(text, pack=option)) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (embedded(ONE, TWO), embedded(TWO), ["a-one"]),
        (embedded(ONE), "onError: continue, " + embedded(ONE), ["a-one", "b-one"]),
        (embedded(ONE), embedded("{name: one, image: other, script: x}"), ["a-one", "b-one"]),
        (embedded(ONE), embedded(ONE, more="volumes: [{name: v, emptyDir: {}}]"), ["a-one"]),
        (embedded(ONE), embedded(ONE, more="sidecars: [{name: c, image: i, script: x}]"), ["a-one", "b-sidecar-c"]),
        (
            embedded(step("one", "securityContext: {runAsUser: 1}")),
            embedded(step("one", "securityContext: {runAsUser: 2}")),
            ["a-one", "b-one"],
        ),
        (embedded(ONE), "matrix: {params: [{name: k, value: [u, v]}]}, " + embedded(ONE), ["a-one", "b-1-one"]),
    ],
)
def test_ordered_tasks_share_containers_and_volumes(compiled, first, second, expected):
    compilation = compiled(pipeline(first, second), pack="true")
    assert names(compilation) == expected
    volumes = {each["name"] for each in compilation.pod["spec"]["volumes"]}
    assert ("tekton-b" in volumes) == ("b-one" in expected)


def test_parallel_tasks_do_not_share(compiled):
    text = pipeline(embedded(ONE), embedded(ONE)).replace("runAfter: [a], ", "")
    assert names(compiled(text, pack="true")) == ["a-one", "b-one"]


def test_the_pod_requests_its_peak(compiled):
    cpu = step("one", 'computeResources: {requests: {cpu: "1"}}')
    pod = compiled(pipeline(embedded(cpu), embedded(cpu)), pack="true").pod
    assert [each["resources"]["requests"] for each in pod["spec"]["containers"]] == [{"cpu": "1"}]


def test_temporary_directories_are_cleaned_unless_something_is_mounted_there(compiled):
    def cleaned(more: str) -> set[str]:
        (plan_task,) = compiled(task(f"{step('one', more)}, {step('two', more)}"), pack="true").plan.pipeline.tasks
        return {path for paths in plan_task.slots[0].cleaned for path in paths}

    assert cleaned("") == {"/tmp", "/dev/shm"}
    assert cleaned("env: [{name: HOME, value: /root}]") == {"/tmp", "/dev/shm", "/root"}
    assert cleaned("volumeMounts: [{name: v, mountPath: /tmp/cache}]") == {"/dev/shm"}
    assert cleaned("env: [{name: HOME, value: /}], volumeMounts: [{name: v, mountPath: /dev}]") == {"/tmp"}


def test_a_wrong_value_is_an_error_with_its_place(problems):
    assert problems(task(ONE, 'monopod.dev/pack: "yes"')) == [
        "p.yaml:4:53: metadata.annotations.monopod.dev/pack: expected 'true', 'false' or 'workspaces', got 'yes'"
    ]
