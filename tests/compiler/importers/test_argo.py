"""Argo's Workflows: what each field becomes, what is refused, and where problems are reported."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from importing import assert_untranslated, converted, found_in, problems_of, untranslated

from monopod.schemas.foreign import argo
from monopod.schemas.foreign.containers import Container

CONTAINER = {"name": "main", "image": "busybox", "command": ["true"]}
BASE: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "w-"},
    "spec": {
        "entrypoint": "m",
        "arguments": {"parameters": [{"name": "a", "value": "1"}]},
        "templates": [
            {
                "name": "m",
                "inputs": {"parameters": [{"name": "b", "value": "2"}]},
                "outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/v/o"}}]},
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containerSet": {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "containers": [CONTAINER]},
            }
        ],
    },
}
TEMPLATE = ("spec", "templates", 0)
PLACES = {
    argo.WorkflowSpec: ("spec",),
    argo.ArgoArguments: ("spec", "arguments"),
    argo.ArgoParameter: ("spec", "arguments", "parameters", 0),
    argo.ArgoTemplate: TEMPLATE,
    argo.ArgoOutputs: (*TEMPLATE, "outputs"),
    argo.ArgoOutput: (*TEMPLATE, "outputs", "parameters", 0),
    argo.ArgoValueSource: (*TEMPLATE, "outputs", "parameters", 0, "valueFrom"),
    argo.ContainerNode: (*TEMPLATE, "containerSet", "containers", 0),
}


def workflow(**spec: Any) -> str:
    """Return a Workflow with these fields in its spec."""
    return yaml.safe_dump({**BASE, "spec": {**BASE["spec"], **spec}}, sort_keys=False)


def template(**fields: Any) -> str:
    """Return a Workflow with these fields in its template, without its outputs."""
    own = {name: value for name, value in BASE["spec"]["templates"][0].items() if name != "outputs"}
    return workflow(templates=[{**own, **fields}])


def run_of(text: str) -> Any:
    (run,) = converted(text)
    return run


def tasks_of(text: str) -> dict[str, Any]:
    return {task["name"]: task for task in run_of(text)["spec"]["pipelineSpec"]["tasks"]}


class TestFields:
    def test_a_workflow_is_a_run_with_a_task_for_each_container(self):
        assert run_of(yaml.safe_dump(BASE)) == {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {"generateName": "w-"},
            "spec": {
                "pipelineSpec": {
                    "params": [
                        {"name": "b", "type": "string", "default": "2"},
                        {"name": "a", "type": "string", "default": "1"},
                    ],
                    "workspaces": [{"name": "v"}],
                    "tasks": [
                        {
                            "name": "main",
                            "workspaces": [{"name": "v", "workspace": "v"}],
                            "taskSpec": {
                                "workspaces": [{"name": "v", "mountPath": "/v"}],
                                "results": [{"name": "o", "type": "string"}],
                                "steps": [
                                    {"name": "run", "image": "busybox", "command": ["true"]},
                                    {
                                        "name": "outputs",
                                        "image": "busybox",
                                        "script": '#!/bin/sh\nset -e\nprintf %s "$(cat /v/o)" > "$(results.o.path)"\n',
                                    },
                                ],
                            },
                        }
                    ],
                    "results": [{"name": "o", "value": "$(tasks.main.results.o)"}],
                },
                "timeouts": {"pipeline": "0s"},
                "workspaces": [{"name": "v", "emptyDir": {}}],
            },
        }
        assert found_in(yaml.safe_dump(BASE)) == []

    @pytest.mark.parametrize("kind", ["WorkflowTemplate", "ClusterWorkflowTemplate"])
    def test_a_template_is_a_run_named_after_it(self, kind):
        run = run_of(yaml.safe_dump({**BASE, "kind": kind, "metadata": {"name": "t", "namespace": "team"}}))
        assert run["metadata"] == {"generateName": "t-", "namespace": "team"}

    def test_dependencies_and_retries(self):
        containers = [{**CONTAINER, "name": "a"}, {**CONTAINER, "dependencies": ["a"]}]
        tasks = tasks_of(template(containerSet={"containers": containers, "retryStrategy": {"retries": "3"}}))
        assert "runAfter" not in tasks["a"]
        assert tasks["main"]["runAfter"] == ["a"]
        assert {task["retries"] for task in tasks.values()} == {3}

    def test_a_delay_between_retries(self):
        strategy = {"retries": 3, "duration": "1m30s"}
        tasks = tasks_of(template(containerSet={"containers": [CONTAINER], "retryStrategy": strategy}))
        assert tasks["main"]["taskSpec"]["metadata"] == {"annotations": {"monopod.dev/retry-delay": "1m30s"}}

    def test_a_single_container_is_a_task(self):
        own = {name: value for name, value in CONTAINER.items() if name != "name"}
        text = template(container=own, containerSet=None, retryStrategy={"limit": 2}, outputs=None)
        assert tasks_of(text)["main"] == {
            "name": "main",
            "retries": 2,
            "taskSpec": {"steps": [{"name": "run", "image": "busybox", "command": ["true"]}]},
        }

    def test_fields_of_a_container(self):
        fields = {
            "args": ["{{inputs.parameters.b}}"],
            "workingDir": "/v",
            "env": [{"name": "E", "value": "{{ workflow.parameters.a }} of {{workflow.name}}"}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "resources": {"requests": {"cpu": "1"}},
            "imagePullPolicy": "Always",
            "securityContext": {"runAsUser": 1},
        }
        (step,) = tasks_of(template(containerSet={"containers": [{**CONTAINER, **fields}]}))["main"]["taskSpec"][
            "steps"
        ]
        assert step == {
            "name": "run",
            "image": "busybox",
            "command": ["true"],
            "args": ["$(params.b)"],
            "workingDir": "/v",
            "env": [{"name": "E", "value": "$(params.a) of $(context.pipelineRun.name)"}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "imagePullPolicy": "Always",
            "securityContext": {"runAsUser": 1},
            "computeResources": {"requests": {"cpu": "1"}},
        }

    def test_volumes(self):
        text = template(
            volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "c", "configMap": {"name": "x"}}],
            containerSet={
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "containers": [
                    {
                        **CONTAINER,
                        "volumeMounts": [
                            {"name": "v", "mountPath": "/w", "subPath": "part", "readOnly": True},
                            {"name": "c", "mountPath": "/c"},
                        ],
                    },
                    {**CONTAINER, "name": "other"},
                ],
            },
        )
        run = run_of(text)["spec"]
        assert run["workspaces"] == [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]
        task = tasks_of(text)["main"]
        assert task["workspaces"] == [
            {"name": "v", "workspace": "v"},
            {"name": "v-2", "workspace": "v", "subPath": "part"},
        ]
        assert task["taskSpec"]["workspaces"] == [
            {"name": "v", "mountPath": "/v"},
            {"name": "v-2", "mountPath": "/w", "readOnly": True},
        ]
        assert task["taskSpec"]["volumes"] == [{"name": "c", "configMap": {"name": "x"}}]
        assert task["taskSpec"]["steps"][0]["volumeMounts"] == [{"name": "c", "mountPath": "/c"}]
        assert "volumes" not in tasks_of(text)["other"]["taskSpec"]

    def test_parameters_in_mounts_and_outputs(self):
        text = workflow(
            arguments={"parameters": [{"name": "d", "value": "/d"}, {"name": "s", "value": "part"}]},
            volumes=[{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "x"}}],
            templates=[
                {
                    "name": "m",
                    "container": {
                        **CONTAINER,
                        "volumeMounts": [
                            {
                                "name": "v",
                                "mountPath": "{{workflow.parameters.d}}",
                                "subPath": "{{workflow.parameters.s}}",
                            },
                            {"name": "c", "mountPath": "/c{{workflow.parameters.d}}"},
                        ],
                    },
                    "outputs": {
                        "parameters": [
                            {
                                "name": "o",
                                "valueFrom": {
                                    "path": "{{workflow.parameters.d}}/o",
                                    "default": "{{workflow.parameters.d}}",
                                },
                            }
                        ]
                    },
                }
            ],
        )
        assert found_in(text) == []
        task = tasks_of(text)["main"]
        assert task["workspaces"] == [
            {"name": "v", "workspace": "v", "subPath": "$(params.s)"},
        ]
        assert task["taskSpec"]["workspaces"] == [{"name": "v", "mountPath": "$(params.d)"}]
        step, outputs = task["taskSpec"]["steps"]
        assert step["volumeMounts"] == outputs["volumeMounts"] == [{"name": "c", "mountPath": "/c$(params.d)"}]
        assert "cat '$(params.d)/o'" in outputs["script"]
        assert "printf %s '$(params.d)'" in outputs["script"]

    def test_a_claim_template_is_a_workspace(self):
        claim = {"metadata": {"name": "v"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
        run = run_of(
            workflow(volumeClaimTemplates=[claim], templates=[{**BASE["spec"]["templates"][0], "volumes": []}])
        )
        assert run["spec"]["workspaces"] == [{"name": "v", "volumeClaimTemplate": claim}]

    def test_settings_of_the_pod(self):
        text = workflow(
            serviceAccountName="robot",
            nodeSelector={"disk": "ssd"},
            podPriorityClassName="high",
            podMetadata={"labels": {"a": "b"}},
            activeDeadlineSeconds=60,
            templates=[
                {**BASE["spec"]["templates"][0], "nodeSelector": {"disk": "hdd"}, "activeDeadlineSeconds": "30"}
            ],
        )
        run = run_of(text)
        assert run["metadata"]["labels"] == {"a": "b"}
        assert run["spec"]["timeouts"] == {"pipeline": "30s"}
        assert run["spec"]["taskRunTemplate"] == {
            "serviceAccountName": "robot",
            "podTemplate": {"nodeSelector": {"disk": "hdd"}, "priorityClassName": "high"},
        }

    def test_params(self):
        text = workflow(
            arguments={"parameters": [{"name": "num", "value": 1}, {"name": "b"}, {"name": "e", "enum": ["p", "q"]}]}
        )
        assert run_of(text)["spec"]["pipelineSpec"]["params"] == [
            {"name": "b", "type": "string", "default": "2"},
            {"name": "num", "type": "string", "default": "1"},
            {"name": "e", "type": "string", "enum": ["p", "q"]},
        ]

    def test_the_default_of_an_output(self):
        outputs = {"parameters": [{"name": "o", "valueFrom": {"path": "/v/o", "default": "it's"}}]}
        step = tasks_of(template(outputs=outputs))["main"]["taskSpec"]["steps"][1]
        assert "else printf %s 'it'\"'\"'s'" in step["script"]


@pytest.mark.parametrize(
    ("model", "path", "field", "support"),
    list(untranslated(PLACES)),
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_an_untranslated_field_is_reported(model, path, field, support):
    assert_untranslated(BASE, path, field, support)


def test_every_model_is_tried():
    fields = {(model, field) for model, _, field, _ in untranslated(PLACES)}
    assert {field for model, field in fields if model is argo.ContainerNode} >= {"livenessProbe", "ports", "stdin"}
    assert issubclass(argo.ContainerNode, Container)


TEXT = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: w-}
spec:
  entrypoint: main
  arguments:
    parameters: [{name: text, value: hello}]
  templates:
    - name: main
      volumes: [{name: work, emptyDir: {}}]
      containerSet:
        volumeMounts: [{name: work, mountPath: /work}]
        containers:
          - name: a
            image: busybox
            command: [echo, "{{workflow.parameters.text}}"]
          - name: main
            image: busybox
            command: ["true"]
            dependencies: [a]
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "dependencies: [a]",
            "dependencies: [b]",
            "20:28: spec.templates[0].containerSet.containers[1].dependencies[0]: there is no container 'b'",
        ),
        ("dependencies: [a]", "dependencys: [a]", "20:13: spec.templates[0].containerSet.containers[1].dependencys: "
         "unknown field (did you mean 'dependencies'?)"),
        ("parameters.text", "parameters.txt", "16:29: spec.templates[0].containerSet.containers[0].command[1]: there "
         "is no variable 'workflow.parameters.txt' (did you mean 'workflow.parameters.text'?); monopod has "
         "workflow.parameters.text, workflow.name, workflow.namespace, workflow.uid"),
        ("{{workflow.parameters.text}}", "{{=1 + 1}}", "16:29: spec.templates[0].containerSet.containers[0]."
         "command[1]: monopod does not evaluate expressions of Argo: '{{=1 + 1}}'; use a parameter"),
        ("{{workflow.parameters.text}}", "$(params.text)", "16:29: spec.templates[0].containerSet.containers[0]."
         "command[1]: Tekton would replace a variable at '$(params.'; write a space after '$('"),
        ("[{name: work, m", "[{name: wrk, m", "12:31: spec.templates[0].containerSet.volumeMounts[0].name: there is no "
         "volume 'wrk' (did you mean 'work'?)"),
        ("entrypoint: main", "entrypoint: man", "5:15: spec.entrypoint: there is no template 'man' "
         "(did you mean 'main'?)"),
        ("  entrypoint: main\n", "", "5:3: spec: an entrypoint is required: the name of the template to run"),
        ("v1alpha1", "v1beta1", "1:13: apiVersion: 'argoproj.io/v1beta1' is not supported for the kind Workflow; "
         "supported: argoproj.io/v1alpha1"),
        ("kind: Workflow", "kind: Workflw", "2:7: kind: unknown kind 'Workflw' in argoproj.io/v1alpha1 "
         "(did you mean 'Workflow'?)"),
        ("          - name: main", "          - name: A_B", "17:19: spec.templates[0].containerSet.containers[1].name: "
         "'A_B' is not a valid name: use at most 63 lower-case letters, digits and '-', with a letter or digit at both "
         "ends"),
        ("mountPath: /work}", "mountPath: /work, subPathExpr: x}", "12:55: spec.templates[0].containerSet."
         "volumeMounts[0].subPathExpr: monopod does not support subPathExpr of a volume that the containers share; "
         "leave it out"),
        ("image: busybox\n            command: [\"true\"]", "command: [\"true\"]", "17:13: spec.templates[0]."
         "containerSet.containers[1]: a Step needs an image (its own or the stepTemplate's) or a ref"),
        ("containers:\n", "retryStrategy: {retries: many}\n        containers:\n", "13:34: spec.templates[0]."
         "containerSet.retryStrategy.retries: expected a whole number that is not negative"),
        ("  templates:", "  templateses:", "8:3: spec.templateses: unknown field (did you mean 'templates'?)"),
    ],
)  # fmt: skip
def test_problem_is_reported_at_its_position(old, new, line):
    assert TEXT.count(old) == 1
    assert line in problems_of(TEXT.replace(old, new))


def test_file_is_valid():
    assert problems_of(TEXT) == []


def test_workflow_of_a_template_is_reported_with_a_remedy():
    text = TEXT.replace("  entrypoint: main\n", "  workflowTemplateRef: {name: t}\n")
    assert problems_of(text) == [
        "5:3: spec.workflowTemplateRef: workflowTemplateRef of an Argo Workflow is not supported; give the "
        "WorkflowTemplate with -f, and its parameters with -p"
    ]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"outputs": {"parameters": [{"name": "o", "valueFrom": {"path": "/tmp/o"}}]}}, "'/tmp/o' is not on a volume"),
        ({"outputs": {"parameters": [{"name": "o"}]}}, "an output needs valueFrom.path"),
        ({"retryStrategy": {}}, "Argo retries without end; write a limit"),
        ({"retryStrategy": {"retryPolicy": "Always"}}, "Argo retries without end; write a limit"),
        ({"containerSet": {"containers": []}}, "a containerSet needs containers, a list that is not empty"),
        ({"containerSet": None}, "the template 'm' has no containerSet; monopod runs a containerSet or a container"),
    ],
)
def test_problems_of_a_template(fields, problem):
    assert any(problem in line for line in problems_of(template(**fields)))


def test_unused_template_may_be_of_any_kind():
    text = workflow(templates=[*BASE["spec"]["templates"], {"name": "later", "dag": {"tasks": []}}])
    assert found_in(text) == []


def test_containers_that_wait_for_each_other_are_reported_there():
    text = TEXT.replace("command: [echo", "dependencies: [main]\n            command: [echo")
    (line,) = problems_of(text)
    assert line.startswith(("14:13: spec.templates[0].containerSet.containers[0]", "16:"))


def test_an_unset_parameter_is_asked_for():
    text = TEXT.replace("{name: text, value: hello}", "{name: text}")
    (line,) = problems_of(text)
    assert line == "5:3: spec: the Pipeline 'w' needs the param 'text'; give it with -p text=…"
    assert problems_of(text, params=(("text", "hi"),)) == []
