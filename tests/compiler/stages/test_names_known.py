"""Names that are known when compiling: in the Pod's own fields, and as Tekton's labels (docs/variables.md, labels.md)."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

from monopod.compiler.pod.workload import Workload
from monopod.compiler.scope.run_names import generated_name

STEP = "{name: s, image: %s, command: [c]}"


def pipeline_run(task: str, *, name: str = "name: nightly-7", spec: str = "", kind: str = "taskSpec") -> str:
    """Return a PipelineRun with one embedded Task."""
    return f"""\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{{name}, namespace: builds}}
spec:
{spec}  pipelineSpec:
    tasks:
    - name: show
      {kind}: {task}
"""


FIELDS = {
    "image": ("steps: [{name: s, image: 'i:%s', command: [c]}]", lambda pod: pod["spec"]["containers"][0]["image"][2:]),
    "subPath": (
        "volumes: [{name: v, emptyDir: {}}], steps: [{name: s, image: i, command: [c], volumeMounts: [{name: v, mountPath: /v, subPath: '%s'}]}]",
        lambda pod: pod["spec"]["containers"][0]["volumeMounts"][-1]["subPath"],
    ),
    "ConfigMap": (
        "volumes: [{name: v, configMap: {name: '%s'}}], steps: [{name: s, image: i, command: [c]}]",
        lambda pod: pod["spec"]["volumes"][0]["configMap"]["name"],
    ),
    "Secret": (
        "volumes: [{name: v, secret: {secretName: '%s'}}], steps: [{name: s, image: i, command: [c]}]",
        lambda pod: pod["spec"]["volumes"][0]["secret"]["secretName"],
    ),
    "claim": (
        "volumes: [{name: v, persistentVolumeClaim: {claimName: '%s'}}], steps: [{name: s, image: i, command: [c]}]",
        lambda pod: pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"],
    ),
    "envFrom": (
        "steps: [{name: s, image: i, command: [c], envFrom: [{configMapRef: {name: '%s'}}]}]",
        lambda pod: pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"],
    ),
    "env.valueFrom": (
        "steps: [{name: s, image: i, command: [c], env: [{name: E, valueFrom: {secretKeyRef: {name: '%s', key: k}}}]}]",
        lambda pod: pod["spec"]["containers"][0]["env"][-1]["valueFrom"]["secretKeyRef"]["name"],
    ),
    "param": (
        "params: [{name: p, default: '%s'}], steps: [{name: s, image: 'i:$(params.p)', command: [c]}]",
        lambda pod: pod["spec"]["containers"][0]["image"][2:],
    ),
    "Sidecar": (
        "sidecars: [{name: d, image: 'i:%s', command: [c]}], steps: [{name: s, image: i, command: [c]}]",
        lambda pod: next(each["image"] for each in pod["spec"]["containers"] if "sidecar" in each["name"])[2:],
    ),
}
NAMES = {
    "context.pipelineRun.name": "nightly-7",
    "context.pipelineRun.namespace": "builds",
    "context.pipeline.name": "nightly-7",
    "context.taskRun.name": "nightly-7-show",
    "context.taskRun.namespace": "builds",
    "context.task.name": "nightly-7-show",
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", NAMES)
def test_fields_of_the_pod_may_contain_names(compiled, field, name):
    text, found = FIELDS[field]
    compilation = compiled(pipeline_run("{" + text.replace("%s", f"$({name})") + "}"))
    assert found(compilation.pod) == NAMES[name]


def test_bindings_of_the_run_may_contain_names(compiled):
    spec = """\
  workspaces:
  - {name: data, persistentVolumeClaim: {claimName: "c-$(context.pipelineRun.name)"}, subPath: $(context.pipelineRun.namespace)}
  - {name: settings, configMap: {name: "settings-$(context.pipelineRun.name)"}}
  - {name: keys, secret: {secretName: "keys-$(context.pipelineRun.name)"}}
  taskRunTemplate: {podTemplate: {nodeSelector: {run: $(context.pipelineRun.name)}}}
"""
    use = "$(workspaces.data.path) $(workspaces.settings.path) $(workspaces.keys.path)"
    compilation = compiled(pipeline_run(f"{{steps: [{{name: s, image: i, script: '{use}'}}]}}", spec=spec))
    volumes = {each["name"]: each for each in compilation.pod["spec"]["volumes"]}
    assert volumes["workspace-data"]["persistentVolumeClaim"] == {"claimName": "c-nightly-7"}
    assert volumes["workspace-settings"]["configMap"] == {"name": "settings-nightly-7"}
    assert volumes["workspace-keys"]["secret"] == {"secretName": "keys-nightly-7"}
    assert compilation.pod["spec"]["nodeSelector"] == {"run": "nightly-7"}
    mounts = {each["name"]: each for each in compilation.pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["workspace-data"]["subPath"] == "builds"


TASK_RUN = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: once}
spec:
  workspaces: [{name: data, emptyDir: {}, subPath: $(context.taskRun.name)}]
  %s
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: referenced}
spec: {workspaces: [{name: data}], steps: [{name: s, image: "i:$(context.task.name)-$(context.taskRun.name)", command: [c]}]}
"""


def test_names_of_a_task_run(compiled):
    embedded = 'taskSpec: {steps: [{name: s, image: "i:$(context.task.name)-$(context.taskRun.name)", script: "$(workspaces.data.path)"}]}'
    for spec, image in ((embedded, "i:once-once"), ("taskRef: {name: referenced}", "i:referenced-once")):
        container = compiled(TASK_RUN % spec).pod["spec"]["containers"][0]
        assert container["image"] == image
        assert container["volumeMounts"][-1]["subPath"] == "once"


def test_referenced_task_and_pipeline_have_their_own_names(compiled):
    text = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: nightly-7}
spec: {pipelineRef: {name: outer}}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: outer}
spec:
  tasks:
  - {name: a, taskRef: {name: t}, params: [{name: p, value: $(context.pipeline.name)}]}
  - name: in
    pipelineSpec:
      tasks:
      - name: b
        params: [{name: p, value: "$(context.pipeline.name).$(context.pipelineRun.name)"}]
        taskRef: {name: t}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec:
  params: [{name: p}]
  steps: [{name: s, image: "i:$(params.p).$(context.task.name).$(context.taskRun.name)", command: [c]}]
"""
    images = [each["image"] for each in compiled(text).pod["spec"]["containers"]]
    assert images == ["i:outer.t.nightly-7-a", "i:nightly-7-in.nightly-7-in.t.nightly-7-in-b"]


def test_matrix_combinations_have_their_own_names(compiled):
    task = '{steps: [{name: s, image: "i:$(context.taskRun.name)", command: [c]}]}\n      matrix: {params: [{name: x, value: [a, b]}]}'
    compilation = compiled(pipeline_run(task))
    assert [each["image"] for each in compilation.pod["spec"]["containers"]] == [
        "i:nightly-7-show-0",
        "i:nightly-7-show-1",
    ]
    assert compilation.plan.pipeline.tasks[0].matrix.pinned


IMAGE = '{steps: [{name: s, image: "i:$(%s)", command: [c]}]}'


def test_generated_name_is_reported_with_a_remedy(problems):
    text = pipeline_run(IMAGE % "context.pipelineRun.name", name="generateName: nightly-")
    assert problems(text) == [
        "p.yaml:8:43: spec.pipelineSpec.tasks[0].taskSpec.steps[0].image: $(context.pipelineRun.name) is known only when "
        "the Pod gets its name, but this is part of the Pod; give the run a name instead of a generateName, or start it "
        "with monopod run, which makes the name first; in volumeMounts, subPathExpr: $(RUN) works with an env RUN from "
        "fieldRef metadata.name"
    ]


def test_unknown_namespace_is_reported_with_a_remedy(compiled, problems):
    text = pipeline_run(IMAGE % "context.pipelineRun.namespace").replace(", namespace: builds", "")
    assert problems(text)[0].endswith(
        "$(context.pipelineRun.namespace) is known only when the Pod is created, but this is part of the Pod; give the "
        "namespace with --namespace, or in the metadata of the run"
    )
    for option in ("namespace", "default_namespace"):
        assert compiled(text, **{option: "builds"}).pod["spec"]["containers"][0]["image"] == "i:builds"


def test_name_can_be_generated_when_compiling(compiled):
    text = pipeline_run(IMAGE % "context.pipelineRun.name", name="generateName: nightly-")
    compilation = compiled(text, new_name=lambda prefix: f"{prefix}x7")
    assert compilation.pod["spec"]["containers"][0]["image"] == "i:nightly-x7"
    assert compilation.pod["metadata"]["name"] == "nightly-x7"
    assert "generateName" not in compilation.pod["metadata"]
    assert compilation.pod["metadata"]["labels"]["tekton.dev/pipelineRun"] == "nightly-x7"
    assert compilation.plan.document["metadata"] == {"name": "nightly-x7", "namespace": "builds"}


def test_generated_names_are_valid_and_unique():
    names = {generated_name("nightly-") for _ in range(100)}
    assert len(names) > 90
    assert all(name.startswith("nightly-") and len(name) == 13 for name in names)
    assert len(generated_name("n" * 80)) == 63


def test_pods_of_a_job_are_named_by_the_cluster(problems, compiled):
    workload = Workload("Job")
    assert (
        "is known only when the Pod gets its name"
        in problems(pipeline_run(IMAGE % "context.pipelineRun.name"), workload=workload)[0]
    )
    labels = compiled(pipeline_run(IMAGE % "context.pipelineRun.namespace"), workload=workload).pod["metadata"][
        "labels"
    ]
    assert "tekton.dev/pipelineRun" not in labels


def env(label: str) -> str:
    return f'{{steps: [{{name: s, image: i, command: [c], env: [{{name: E, valueFrom: {{fieldRef: {{fieldPath: "metadata.{label}"}}}}}}]}}]}}'


LABELS = {"tekton.dev/pipelineRun": "nightly-7", "tekton.dev/pipeline": "nightly-7"}


@pytest.mark.parametrize("label", LABELS)
def test_pod_has_the_labels_shared_by_its_tasks(compiled, label):
    pod = compiled(pipeline_run(env(f"labels['{label}']"))).pod
    assert pod["metadata"]["labels"][label] == LABELS[label]
    assert (
        pod["spec"]["containers"][0]["env"][-1]["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{label}']"
    )


def test_labels_of_a_task_run(compiled):
    labels = compiled(TASK_RUN % "taskRef: {name: referenced}").pod["metadata"]["labels"]
    assert {key: value for key, value in labels.items() if key.startswith("tekton.dev/")} == {
        "tekton.dev/taskRun": "once",
        "tekton.dev/task": "referenced",
    }


MISSING = {
    "labels['tekton.dev/pipelineTask']": "one Pod runs all Tasks, so it cannot have the label of one of them; write the name of the Task as value",
    "labels['tekton.dev/memberOf']": "one Pod runs all Tasks, so it cannot have the label of one of them; write tasks or finally as value",
    "labels['tekton.dev/taskRun']": "one Pod runs all Tasks, so it cannot have the label of one of them; use $(context.taskRun.name) as value",
    "labels['tekton.dev/task']": "one Pod runs all Tasks, so it cannot have the label of one of them; use $(context.task.name) as value",
    "labels['tekton.dev/other']": "the Pod has no label tekton.dev/other; remove it",
    "annotations['tekton.dev/other']": "the Pod has no annotation tekton.dev/other; remove it",
}


@pytest.mark.parametrize("field", MISSING)
def test_unavailable_label_is_reported_with_the_reason(problems, field):
    (problem,) = problems(pipeline_run(env(field)))
    assert problem.startswith("p.yaml:8:")
    assert problem.endswith(f".valueFrom.fieldRef.fieldPath: {MISSING[field]}")


def test_label_with_an_unknown_value_is_reported_with_a_remedy(problems):
    (problem,) = problems(pipeline_run(env("labels['tekton.dev/pipelineRun']"), name="generateName: nightly-"))
    assert problem.endswith(
        "the Pod has no label tekton.dev/pipelineRun, since the run gets its name only with the Pod; use fieldPath: "
        "metadata.name, which is that name"
    )
