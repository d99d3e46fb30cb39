"""The params that the fields of a Step with a ``ref`` see: the Task's or its StepAction's (docs/stepactions.md)."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

from monopod.schemas.variables import Scope, substitute

ACTION = """\
apiVersion: tekton.dev/v1beta1
kind: StepAction
metadata: {name: act}
spec:
  params:
  - {name: x, default: of-the-action}
  - {name: only, type: array, default: [of-the-action]}
"""
RUN = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: run}
spec:
  taskSpec:
    params: [{name: x, default: of-the-task}]
    volumes: [{name: of-the-task, emptyDir: {}}, {name: of-the-action, emptyDir: {}}]
"""


def step_of(compilation):
    """Return the only Step of the Plan, its container, and the values of both scopes as in the engine."""
    (task,) = compilation.plan.pipeline.tasks
    (container,) = compilation.pod["spec"]["containers"]
    (step,) = task.steps
    values = Scope({("params", each.name): each.value for each in task.params})
    return step, container, Scope({("step", "params", each.name): each.value for each in step.params}, values)


def text(step: str, action: str = "  image: i\n  command: [c]\n", template: str = "") -> str:
    """Return a run of a Step that refers to a StepAction."""
    return f"{RUN}{template}    steps:\n    - name: s\n      ref: {{name: act}}\n{step}---\n{ACTION}{action}"


OF_THE_STEP = {
    "when": ("when: [{input: $(params.x), operator: in, values: [$(params.x)]}]", lambda step, pod: step.when[0].input),
    "when.values": (
        "when: [{input: a, operator: in, values: [$(params.x)]}]",
        lambda step, pod: step.when[0].values[0],
    ),
    "when.cel": ("when: [{cel: \"'$(params.x)' == 'a'\"}]", lambda step, pod: step.when[0].cel.split("'")[1]),
    "onError": ("onError: $(params.x)", lambda step, pod: step.on_error),
    "stdoutConfig": ("stdoutConfig: {path: $(params.x)}", lambda step, pod: step.stdout_path),
    "stderrConfig": ("stderrConfig: {path: $(params.x)}", lambda step, pod: step.stderr_path),
    "params": ("params: [{name: x, value: $(params.x)}]", lambda step, pod: step.params[0].value),
    "envFrom": (
        "envFrom: [{prefix: $(params.x), secretRef: {name: s}}]",
        lambda step, pod: pod["envFrom"][0]["prefix"],
    ),
    "volumeDevices": (
        "volumeDevices: [{name: of-the-task, devicePath: /dev/$(params.x)}]",
        lambda step, pod: pod["volumeDevices"][0]["devicePath"].removeprefix("/dev/"),
    ),
}
OF_THE_ACTION = {
    "image": ("image: $(params.x)\n  command: [c]", lambda step, pod: pod["image"]),
    "command": ("image: i\n  command: [$(params.x)]", lambda step, pod: step.command[0]),
    "args": ("image: i\n  command: [c]\n  args: [\"$(params['x'])\"]", lambda step, pod: step.args[0]),
    "an old spelling": ("image: i\n  command: [c]\n  args: [$(inputs.params.x)]", lambda step, pod: step.args[0]),
    "an element": ('image: i\n  command: [c]\n  args: ["$(params.only[0])"]', lambda step, pod: step.args[0]),
    "env": (
        "image: i\n  command: [c]\n  env: [{name: E, value: $(params.x)}]",
        lambda step, pod: pod["env"][1]["value"],
    ),
    "workingDir": (
        "image: i\n  command: [c]\n  workingDir: /$(params.x)",
        lambda step, pod: step.working_directory.removeprefix("/"),
    ),
    "volumeMounts": (
        "image: i\n  command: [c]\n  volumeMounts: [{name: $(params.x), mountPath: /m}]",
        lambda step, pod: pod["volumeMounts"][-1]["name"].removeprefix("run-"),
    ),
}


@pytest.mark.parametrize("field", OF_THE_STEP)
def test_fields_beside_the_ref_see_the_params_of_the_task(compiled, field):
    fields, found = OF_THE_STEP[field]
    step, container, values = step_of(compiled(text(f"      {fields}\n"), runtime_image="with-cel:1"))
    assert substitute(found(step, container), values) == "of-the-task"


@pytest.mark.parametrize("field", OF_THE_ACTION)
def test_fields_of_a_step_action_see_its_own_params(compiled, field):
    fields, found = OF_THE_ACTION[field]
    step, container, values = step_of(compiled(text("", f"  {fields}\n")))
    assert substitute(found(step, container), values) == "of-the-action"


def test_step_template_sees_the_params_of_the_task_in_a_step_action(compiled):
    template = "    stepTemplate: {env: [{name: T, value: $(params.x)}, {name: E, value: lost}]}\n"
    action = "  image: i\n  command: [c]\n  env: [{name: E, value: $(params.x)}]\n"
    _, container, _ = step_of(compiled(text("", action, template)))
    assert [(each["name"], each["value"]) for each in container["env"][1:]] == [
        ("T", "of-the-task"),
        ("E", "of-the-action"),
    ]


def test_step_without_a_ref_has_no_step_params(problems):
    step = "      when: [{input: $(step.params.x), operator: in, values: [a]}]\n"
    assert problems(text(step)) == [
        "p.yaml:11:22: spec.taskSpec.steps[0].when[0].input: $(step.params.x): there is no variable 'step.params.x' here"
    ]


def test_late_value_in_a_step_action_is_quoted_as_written(problems):
    step = "      params: [{name: x, value: $(context.task.retry-count)}]\n"
    assert problems(text(step, "  image: $(params.x)\n  command: [c]\n"))[0].startswith(
        "p.yaml:20:10: spec.image: $(params.x) is known only while running"
    )


def test_step_keeps_its_own_fields_beside_a_ref(compiled):
    own = "computeResources: {limits: {cpu: 1}}\n      imagePullPolicy: Always\n      securityContext: {runAsUser: 7}\n"
    _, container, _ = step_of(compiled(text(f"      {own}")))
    assert container["resources"]["limits"] == {"cpu": "1"}
    assert (container["imagePullPolicy"], container["securityContext"]) == ("Always", {"runAsUser": 7})
    action = "  image: i\n  command: [c]\n  securityContext: {runAsGroup: 8}\n"
    _, container, _ = step_of(compiled(text(f"      {own}", action)))
    assert container["securityContext"] == {"runAsGroup": 8}


STRING_FOR_OBJECT = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {{name: run}}
spec:
  taskSpec:
    params: [{{name: text, default: t}}]
    steps: [{{name: s, ref: {{name: act}}, params: [{{name: o, value: '{0}'}}]}}]
---
apiVersion: tekton.dev/v1
kind: StepAction
metadata: {{name: act}}
spec:
  params: [{{name: o, type: object, properties: {{k: {{}}, l: {{}}}}, default: {1}}}]
  image: i
  command: ["$(params.o.k)"]
"""


@pytest.mark.parametrize("value", ["$(params.text[*])", "$(params.text)", "plain"])
def test_string_for_an_object_of_a_step_action_keeps_its_default(compiled, problems, value):
    source = STRING_FOR_OBJECT.format(value, "{k: a, l: b}")
    step, _, values = step_of(compiled(source))
    assert substitute(step.command[0], values) == "a"
    assert problems(source) == [
        "p.yaml:7:67: warning: spec.taskSpec.steps[0].params[0].value: the param 'o' of the StepAction 'act' is of type "
        "object and this value is of type string, so it has no effect, as in Tekton: the default is used"
    ]


def test_string_for_an_object_without_a_complete_default_is_an_error(problems):
    assert (
        "is of type object, but this value is of type string"
        in problems(STRING_FOR_OBJECT.format("plain", "{k: a}"))[0]
    )
