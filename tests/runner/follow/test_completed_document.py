"""The parts of a run's status that the coordinator leaves out: the specs, and the images of the containers."""

from __future__ import annotations

import textwrap

import pytest
import tekton_documents
import yaml
from simulation import Behaviour, death, simulate

from monopod.compiler.compilation import compile_runs
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.runner.follow.completed_document import completed

FILE = """
    apiVersion: tekton.dev/v1
    kind: Task
    metadata: {name: builder}
    spec:
      params: [{name: what, default: all}]
      steps: [{name: make, image: busybox, script: "echo $(params.what)"}]
    ---
    apiVersion: tekton.dev/v1
    kind: Pipeline
    metadata: {name: inner}
    spec:
      tasks:
      - {name: deep, taskRef: {name: builder}}
    ---
    apiVersion: tekton.dev/v1
    kind: PipelineRun
    metadata: {name: run}
    spec:
      pipelineSpec:
        tasks:
        - {name: named, taskRef: {name: builder}, retries: 1}
        - name: embedded
          taskSpec:
            metadata: {labels: {a: b}}
            sidecars: [{name: db, image: postgres}]
            steps: [{name: s, image: busybox, script: "true"}]
        - {name: nested, pipelineRef: {name: inner}}
        - name: own
          pipelineSpec: {tasks: [{name: x, taskSpec: {steps: [{name: s, image: busybox, script: "true"}]}}]}
"""
TASK_RUN = """
    apiVersion: tekton.dev/v1
    kind: TaskRun
    metadata: {name: only}
    spec:
      taskSpec: {steps: [{name: s, image: busybox, script: "true"}]}
"""


@pytest.fixture
def compiled(tmp_path):
    def make(text):
        file = tmp_path / "p.yaml"
        file.write_text(textwrap.dedent(text).replace("image: postgres", "image: postgres, command: [x]"))
        (compilation,) = compile_runs(load([str(file)]), Options())
        return compilation.plan, list(yaml.safe_load_all(file.read_text()))

    return make


def document_of(plan, behave=lambda _: Behaviour()):
    run = simulate(plan, behave)
    return run.document


def statuses(container, **fields):
    return {"containerStatuses": [{"name": container, **fields}]}


def test_specs_come_from_the_files(compiled):
    plan, (builder, inner, run) = compiled(FILE)
    document = completed(document_of(plan), plan, {})
    assert tekton_documents.problems(document) == []
    status = document["status"]
    assert status["pipelineSpec"] == run["spec"]["pipelineSpec"]
    assert status["taskRuns"]["run-named"]["status"]["taskSpec"] == builder["spec"]
    embedded = status["taskRuns"]["run-embedded"]["status"]["taskSpec"]
    assert embedded["steps"] == [{"name": "s", "image": "busybox", "script": "true"}]
    assert embedded.keys() == {"sidecars", "steps"}
    nested = status["pipelineRuns"]["run-nested"]["status"]
    assert nested["pipelineSpec"] == inner["spec"]
    assert nested["taskRuns"]["run-nested-deep"]["status"]["taskSpec"] == builder["spec"]
    own = status["pipelineRuns"]["run-own"]["status"]
    assert own["taskRuns"]["run-own-x"]["status"]["taskSpec"]["steps"][0]["name"] == "s"


def test_retried_attempts_have_a_spec(compiled):
    plan, (builder, *_) = compiled(FILE)
    document = completed(document_of(plan, lambda r: Behaviour(code="named" in r.container)), plan, {})
    (earlier,) = document["status"]["taskRuns"]["run-named"]["status"]["retriesStatus"]
    assert earlier["taskSpec"] == builder["spec"]


def test_shared_spec_is_kept_once(compiled):
    plan, _ = compiled(FILE)
    assert sorted(plan.sources) == ["Pipeline/inner", "Task/builder"]


def test_task_run_has_its_own_spec(compiled):
    plan, (run,) = compiled(TASK_RUN)
    document = completed(
        document_of(plan), plan, statuses("only-s", imageID="busybox@sha256:1", containerID="cri-o://1")
    )
    assert tekton_documents.problems(document) == []
    assert document["status"]["taskSpec"] == run["spec"]["taskSpec"]
    (step,) = document["status"]["steps"]
    assert (step["imageID"], step["terminated"]["containerID"]) == ("busybox@sha256:1", "cri-o://1")


def test_fetched_tasks_have_their_source(compiled):
    plan, _ = compiled(FILE)
    origin = {"uri": "git+https://example.com/tasks", "digest": {"sha1": "0" * 40}, "entryPoint": "builder.yaml"}
    sources = {**plan.sources, "Task/builder": {**plan.sources["Task/builder"], "refSource": origin}}
    document = completed(document_of(plan), plan._replace(sources=sources), {})
    assert document["status"]["taskRuns"]["run-named"]["status"]["provenance"] == {"refSource": origin}
    assert "provenance" not in document["status"]
    assert tekton_documents.problems(document) == []


def test_images_of_sidecars_and_unknown_images(compiled):
    plan, _ = compiled(FILE)
    document = completed(document_of(plan), plan, statuses("embedded-sidecar-db", imageID="postgres@sha256:2"))
    status = document["status"]["taskRuns"]["run-embedded"]["status"]
    assert status["sidecars"][0]["imageID"] == "postgres@sha256:2"
    assert "imageID" not in status["steps"][0]


@pytest.mark.parametrize(
    ("container", "killed_by", "reason", "end"),
    [
        ("only-s", "OOMKilled", "StepOOM", "OOMKilled"),
        ("only-s", "Error", "StepFailed", "Error"),
        ("another", "OOMKilled", "StepFailed", "Error"),
    ],
)
def test_container_killed_for_memory(compiled, container, killed_by, reason, end):
    plan, _ = compiled(TASK_RUN)
    run = simulate(plan, lambda _: Behaviour(9), extra=[death(1, "only-s")])
    pod = statuses(container, state={"terminated": {"exitCode": 137, "reason": killed_by}})
    status = completed(run.document, plan, pod)["status"]
    (condition,), (step,) = status["conditions"], status["steps"]
    assert (condition["reason"], condition["message"]) == (reason, f'"step-s" exited with code 137: {end}')
    assert (step["terminated"]["reason"], step["terminationReason"]) == (end, end)


KILLED = {"exitCode": 137, "reason": "OOMKilled"}


@pytest.mark.parametrize(
    ("last", "reason"),
    [(KILLED, "StepOOM"), ({**KILLED, "reason": "Error"}, "StepFailed")],
    ids=["out of memory", "killed by somebody"],
)
def test_attempts_in_a_container_that_was_restarted(compiled, last, reason):
    plan, _ = compiled(TASK_RUN)
    (task,) = plan.pipeline.tasks
    task = task._replace(retries=1, slots=tuple(slot._replace(restarts=True) for slot in task.slots))
    plan = plan._replace(pipeline=plan.pipeline._replace(tasks=(task,)))
    run = simulate(plan, lambda _: Behaviour(3), extra=[death(1, "only-s")])
    ended = {"exitCode": 0, "reason": "Completed"}
    pod = statuses(
        "only-s",
        restartCount=1,
        containerID="containerd://2",
        state={"terminated": ended},
        lastState={"terminated": last},
    )
    status = completed(run.document, plan, pod)["status"]
    (before,) = status["retriesStatus"]
    assert before["conditions"][0]["reason"] == reason
    assert "containerID" not in before["steps"][0]["terminated"]
    assert status["conditions"][0]["reason"] == "Succeeded"
    assert status["steps"][0]["terminated"]["containerID"] == "containerd://2"
