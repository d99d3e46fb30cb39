"""Steps of monopod's own in a Task, such as the digest of a Workspace: where they run, and in which containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from monopod.compiler.compilation import Compilation
from monopod.compiler.pod.runtime_command import PYTHON_IMAGE, USUAL_ARCHITECTURES, module_path, run_command

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r}
spec:
  workspaces: [{name: files, emptyDir: {}, subPath: below}, {name: more, emptyDir: {}}]
  FIELDS
  pipelineSpec:
    workspaces: [{name: files}, {name: more}, {name: none, optional: true}]
    tasks:
    - name: build
      retries: 2
      TASK
      workspaces: [{name: source, workspace: files}, {name: other, workspace: more}, {name: none}]
      taskSpec:
        metadata: {annotations: {monopod.dev/digest: "ANNOTATION"}}
        workspaces: [{name: source}, {name: other, readOnly: true}, {name: none, optional: true}]
        steps:
        - name: one
          image: alpine
          computeResources: {requests: {cpu: "2"}}
          securityContext: CONTEXT
          script: "true"
        - {name: STEP, image: alpine, script: "true"}
"""


@pytest.fixture
def run(compiled: Callable[..., Compilation]) -> Callable[..., Compilation]:
    def run(options: dict[str, Any] | None = None, **words: str) -> Compilation:
        return compiled(filled(**words), **(options or {}))

    return run


def filled(**words: str) -> str:
    text = RUN
    for name in ("FIELDS", "TASK", "ANNOTATION", "CONTEXT", "STEP"):
        default = {"ANNOTATION": "source", "CONTEXT": "{}", "STEP": "two"}.get(name, "")
        text = text.replace(name, words.get(name.lower(), default))
    return text


def containers(compilation: Compilation) -> dict[str, dict[str, Any]]:
    return {container["name"]: container for container in compilation.pod["spec"]["containers"]}


def test_step_follows_the_authors_steps_and_its_container_is_in_each_slot(run, task_of):
    compilation = run(task="matrix: {params: [{name: go, value: ['1', '2']}]}")
    task = task_of(compilation, "build")
    assert [step.name for step in task.steps] == ["one", "two", "digest-source"]
    assert [slot.containers for slot in task.slots] == [
        ("build-0-one", "build-0-two", "build-0-digest-source"),
        ("build-1-one", "build-1-two", "build-1-digest-source"),
    ]
    assert list(containers(compilation))[-1] == "build-1-digest-source"


def test_name_of_an_authors_step_is_left_to_it(run, task_of):
    assert [step.name for step in task_of(run(step="digest-source"), "build").steps][1:] == [
        "digest-source",
        "digest-source-2",
    ]


def test_container_has_the_image_and_modules_of_the_coordinator_and_the_user_of_the_steps(run):
    context = "{runAsUser: 7, runAsGroup: 8, privileged: true, capabilities: {add: [NET_ADMIN], drop: [ALL]}}"
    container = containers(run(context=context))["build-digest-source"]
    assert container["image"] == PYTHON_IMAGE
    assert module_path() in container["env"]
    assert container["securityContext"] == {
        "runAsUser": 7,
        "runAsGroup": 8,
        "capabilities": {"drop": ["ALL"]},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
    }
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/monopod/state"]["readOnly"]
    assert mounts["/monopod/workspace"] == {
        "name": "workspace-files",
        "mountPath": "/monopod/workspace",
        "subPath": "below",
        "readOnly": True,
    }
    assert "/workspace" not in mounts


def test_runtime_image_is_used_for_it_too(run):
    assert containers(run({"runtime_image": "python:4"}))["build-digest-source"]["image"] == "python:4"


def test_peak_is_that_of_the_authors_steps(run):
    def cpu(compilation: Compilation) -> float:
        resources = [each.get("resources", {}).get("requests", {}) for each in containers(compilation).values()]
        requests = [each.get("cpu", "0") for each in resources]
        return sum(float(text[:-1]) / 1000 if text.endswith("m") else float(text) for text in requests)

    assert cpu(run()) == pytest.approx(2)


def test_workspaces_that_are_not_bound_have_no_digest(run, task_of):
    steps = [step.name for step in task_of(run(annotation="other, none,source,source"), "build").steps]
    assert steps == ["one", "two", "digest-other", "digest-source"]


def test_unknown_workspace_is_an_error_at_the_annotation(problems):
    (line,) = problems(filled(annotation="sorce"))
    assert line == (
        "p.yaml:15:54: spec.pipelineSpec.tasks[0].taskSpec.metadata.annotations.monopod.dev/digest: "
        "the Task 'build' has no Workspace 'sorce' to compute a digest of (did you mean 'source'?)"
    )


def test_annotation_is_not_the_pods(run):
    assert "monopod.dev/digest" not in run().pod["metadata"]["annotations"]


def test_it_passes_the_profile_restricted(run):
    compilation = run({"pod_security": "restricted"}, context="{runAsUser: 1000}")
    context = containers(compilation)["build-digest-source"]["securityContext"]
    assert (context["runAsUser"], context["capabilities"]) == (1000, {"drop": ["ALL"]})


def test_step_whose_user_only_its_image_knows_gets_a_user_of_its_own(run):
    text = "taskRunTemplate: {podTemplate: {securityContext: {runAsNonRoot: true}}}"
    container = containers(run(fields=text))["build-digest-source"]
    assert container["securityContext"]["runAsUser"] == 65532
    assert {"name": "MONOPOD_SHARED_FILES", "value": "true"} in container["env"]


def test_under_the_profile_restricted_it_gets_one_too(run):
    """The Pod must not run as root there, and the image of monopod's own containers would."""
    container = containers(run({"pod_security": "restricted"}))["build-digest-source"]
    assert container["securityContext"]["runAsUser"] == 65532
    assert {"name": "MONOPOD_SHARED_FILES", "value": "true"} in container["env"]


def test_programs_of_images_keep_their_containers(run, compiled, task_of, tmp_path):
    configs = tmp_path / "images.json"
    configs.write_text(json.dumps({"tool": {"config": {"Entrypoint": ["/tool"]}}}))
    text = filled().replace('{name: two, image: alpine, script: "true"}', "{name: two, image: tool}")
    (slot,) = task_of(compiled(text, image_configs=(str(configs),)), "build").slots
    assert [slot.program_of_step(number) is not None for number in range(3)] == [False, True, False]


def test_only_a_pod_with_such_steps_carries_their_modules(compiled):
    without = filled().replace('metadata: {annotations: {monopod.dev/digest: "source"}}', "")
    for text, has_steps in ((filled(), True), (without, False)):
        (coordinator,) = compiled(text).pod["spec"]["initContainers"]
        assert coordinator["command"] == run_command(USUAL_ARCHITECTURES, has_all=has_steps)
