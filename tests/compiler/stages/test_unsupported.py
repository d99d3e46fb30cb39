"""Unsupported fields are refused, or reported, at their position. (All fields: test_docs_tekton.py.)"""
# ruff: noqa: E501  # the lines are complete, as users read them

from __future__ import annotations

import textwrap

import pytest
import yaml

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r}
spec:
  pipelineSpec:
    workspaces: [{name: w, optional: true}]
    tasks:
    - name: t
      taskSpec:
        steps: [{name: s, image: alpine, script: x}]
    - name: p
      pipelineSpec:
        tasks: [{name: t, taskSpec: {steps: [{image: alpine, script: x}]}}]
"""


def run(fields: str) -> str:
    """Return a PipelineRun whose spec has these fields too, from line 14 on."""
    return RUN + textwrap.indent(fields, "  ")


def task(fields: str) -> str:
    """Return a Task with these fields, from line 5 on."""
    return "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\nspec:\n" + textwrap.indent(fields, "  ")


_LINUX = "the Pod runs on Linux, whose containers cannot run what is for Windows"
_EMPTY = (
    "the Workspace is an emptyDir of the Pod, empty and with a file system; "
    "bind the claim itself, with persistentVolumeClaim"
)
_NAMES = "the containers of the one Pod are called after their Task and Step"
_LABELS = "the Pod has no label tekton.dev/pipelineTask; remove it"
CASES = {
    task("steps: [{image: i, script: '#!win pwsh'}]"): (
        f"5:30: spec.steps[0].script: {_LINUX}; write the script for Linux"
    ),
    task("steps: [{image: i, script: x, securityContext: {windowsOptions: {hostProcess: true}}}]"): (
        f"5:67: spec.steps[0].securityContext.windowsOptions: {_LINUX}; leave windowsOptions out"
    ),
    run("taskRunTemplate: {podTemplate: {nodeSelector: {kubernetes.io/os: windows}}}"): (
        f"14:68: spec.taskRunTemplate.podTemplate.nodeSelector.kubernetes.io/os: {_LINUX}; choose nodes with kubernetes.io/os: linux"
    ),
    run("workspaces: [{name: w, volumeClaimTemplate: {spec: {dataSource: {kind: VolumeSnapshot, name: s}}}}]"): (
        f"14:67: spec.workspaces[0].volumeClaimTemplate.spec.dataSource: {_EMPTY}"
    ),
    run("workspaces: [{name: w, volumeClaimTemplate: {spec: {volumeMode: Block}}}]"): (
        f"14:67: spec.workspaces[0].volumeClaimTemplate.spec.volumeMode: {_EMPTY}"
    ),
    task(
        "steps: [{image: i, script: x, env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['tekton.dev/pipelineTask']\"}}}]}]"
    ): f"5:83: spec.steps[0].env[0].valueFrom.fieldRef.fieldPath: {_LABELS}",
    task(
        "steps: [{image: i, script: x, env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, containerName: step-x}}}]}]"
    ): (
        f"5:117: spec.steps[0].env[0].valueFrom.resourceFieldRef.containerName: {_NAMES}; leave containerName out, for the Step's own container"
    ),
    run("taskRunSpecs: [{pipelineTaskName: t, stepSpecs: [{name: S, computeResources: {}}]}]"): (
        "14:59: warning: spec.taskRunSpecs[0].stepSpecs[0].name: the Task has no Step 'S', so this has no effect (did you mean 's'?)"
    ),
    run("taskRunSpecs: [{pipelineTaskName: p, timeout: 1m}]"): (
        "14:18: warning: spec.taskRunSpecs[0]: this does not apply to the Tasks of the Pipeline 'p', as in Tekton"
    ),
    task(
        "steps: [{image: i, script: x}]\n"
        "sidecars: [{image: i, script: x, readinessProbe: {tcpSocket: {port: 1}}, startupProbe: {tcpSocket: {port: 1}}}]"
    ): (
        "6:90: warning: spec.sidecars[0].startupProbe: the Sidecar is ready when its readinessProbe says so; the startupProbe has no effect beside it"
    ),
}


@pytest.mark.parametrize("text", CASES)
def test_fields_without_effect_are_reported(problems, text):
    assert problems(text) == [f"p.yaml:{CASES[text]}"]


_TERMS = "taskRunTemplate: {podTemplate: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [%s]}}}}}"
_ON_WINDOWS = (
    "{matchExpressions: [{key: zone, operator: Exists}, {key: kubernetes.io/os, operator: In, values: [windows]}]}"
)


@pytest.mark.parametrize(
    ("terms", "refused"),
    [
        (_ON_WINDOWS, True),
        (f"{_ON_WINDOWS}, {_ON_WINDOWS}", True),
        (f"{_ON_WINDOWS}, {{matchExpressions: [{{key: zone, operator: Exists}}]}}", False),
        (_ON_WINDOWS.replace("[windows]", "[windows, linux]"), False),
        (_ON_WINDOWS.replace("In,", "NotIn,"), False),
        (_ON_WINDOWS.replace("kubernetes.io/os", "os"), False),
    ],
)
def test_affinity_to_nodes_with_windows_only_is_refused(problems, terms, refused):
    path = (
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1]"
    )
    found = [each.partition(": ")[2] for each in problems(run(_TERMS % terms))]
    message = f"spec.taskRunTemplate.podTemplate.{path}: {_LINUX}; choose nodes with kubernetes.io/os: linux"
    assert found == ([message] if refused else [])


def test_pod_template_of_a_matrix_says_how_to_do_without(problems):
    (line,) = problems("""\
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {name: r}
        spec:
          taskRunSpecs: [{pipelineTaskName: t, podTemplate: {nodeSelector: {pool: $(params.pool)}}}]
          pipelineSpec:
            tasks:
            - name: t
              matrix: {params: [{name: pool, value: [a, b]}]}
              taskSpec: {params: [{name: pool}], steps: [{image: i, script: echo $(params.pool)}]}
        """)
    assert (
        "spec.taskRunSpecs[0].podTemplate: $(params.pool): the run is one Pod, so all combinations of a matrix" in line
    )
    assert line.endswith("; write a value that fits all, or start a run for each combination")


def test_windows_script_in_a_step_action_is_reported_at_its_position(problems):
    action = "---\napiVersion: tekton.dev/v1\nkind: StepAction\nmetadata: {name: a}\nspec: {image: i, script: '#!win pwsh'}\n"
    assert problems(task("steps: [{ref: {name: a}}]\n") + action) == [
        f"p.yaml:10:26: spec.script: {_LINUX}; write the script for Linux"
    ]


def test_pod_template_environment_overrides_steps_but_not_sidecars(compiled, container_of):
    compilation = compiled("""\
        apiVersion: tekton.dev/v1
        kind: TaskRun
        metadata: {name: r}
        spec:
          podTemplate: {env: [{name: A, value: template}]}
          taskSpec:
            stepTemplate: {env: [{name: A, value: all}]}
            steps: [{name: s, image: i, script: x, env: [{name: A, value: step}, {name: B, value: step}]}]
            sidecars: [{name: c, image: i, script: x, env: [{name: A, value: sidecar}]}]
        """)
    step, sidecar = (container_of(compilation, name)["env"] for name in ("r-s", "r-sidecar-c"))
    assert [entry for entry in step if entry["name"] != "HOME"] == [
        {"name": "B", "value": "step"},
        {"name": "A", "value": "template"},
    ]
    assert sidecar == [{"name": "A", "value": "sidecar"}]


KEPT = "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}%s}"
SNAPSHOT = ", storageClassName: fast, dataSource: {kind: VolumeSnapshot, name: s}, selector: {matchLabels: {a: b}}"
TASK_RUN = "apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: r}\nspec:\n  taskSpec:\n"
TASK_RUN += "    workspaces: [{name: w}]\n    steps: [{name: s, image: alpine, script: x}]\n  "


@pytest.mark.parametrize("kind", ["PipelineRun", "TaskRun"])
def test_kept_volume_claim_becomes_an_ephemeral_volume(compiled, kind):
    metadata = "{name: none, labels: {a: b}, annotations: {c: d}}"
    spec = KEPT % SNAPSHOT
    given = f"workspaces: [{{name: w, volumeClaimTemplate: {{metadata: {metadata}, spec: {spec}}}}}]"
    text = run(given) if kind == "PipelineRun" else TASK_RUN + given
    text = text.replace("image: alpine, script: x", "image: alpine, script: ls $(workspaces.w.path)")
    volumes = compiled(text, keep_volume_claims=True).pod["spec"]["volumes"]
    (volume,) = (each for each in volumes if each["name"] == "workspace-w")
    template = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": yaml.safe_load(spec)}
    assert volume == {"name": "workspace-w", "ephemeral": {"volumeClaimTemplate": template}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "{resources: {requests: {storage: 1Gi}}}",
            "14:54: {where}: a claim needs accessModes, such as [ReadWriteOnce]",
        ),
        ("{accessModes: [ReadWriteOnce]}", "14:54: {where}: a claim needs resources.requests.storage, such as 1Gi"),
        (
            KEPT % ", volumeMode: Block",
            "14:136: {where}.volumeMode: a Workspace is a file system, which a volume of this mode has not; "
            "leave volumeMode out",
        ),
    ],
)
def test_invalid_volume_claims_are_refused(problems, spec, message):
    text = run(f"workspaces: [{{name: w, volumeClaimTemplate: {{spec: {spec}}}}}]")
    where = "spec.workspaces[0].volumeClaimTemplate.spec"
    assert problems(text, keep_volume_claims=True) == [f"p.yaml:{message.format(where=where)}"]
