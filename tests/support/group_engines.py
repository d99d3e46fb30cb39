"""Pipelines that are cut into groups, and engines that start their Pods: Argo Workflows, Tekton and JobSet.

Each Pod really runs. The fixtures are for the conftest of ``tests/kubernetes`` to import.
"""

from __future__ import annotations

import json
import re

import pytest
import yaml

from monopod.compiler.pod.assembly import COORDINATOR, INSTALL


def task(name, group, script, **fields):
    spec = {"metadata": {"annotations": {"monopod.dev/group": group}}, "steps": [{"name": "act", "image": "busybox"}]}
    spec["steps"][0]["script"] = script
    results = fields.pop("results", ())
    return {
        "name": name,
        "taskSpec": {**spec, "results": [{"name": each, "type": kind} for each, kind in results]},
        **fields,
    }


def pipeline_run(*tasks):
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "big"},
        "spec": {"pipelineSpec": {"tasks": list(tasks)}},
    }


@pytest.fixture
def compiled_groups(monopod, write, tmp_path):
    def compiled_groups(document, kind, *options):
        path = tmp_path / "groups.yaml"
        ran = monopod("compile", "-f", write(document), "--kind", kind, "-o", path, *options)
        assert ran.code == 0, ran.err
        return yaml.safe_load(path.read_text())

    return compiled_groups


@pytest.fixture
def run_pod(api, cluster):
    """Runs a Pod to its end; returns its phase, and the termination message of its coordinator."""

    def run_pod(name, pod):
        pod = {**pod, "metadata": {"labels": {}, "annotations": {}, **pod["metadata"], "name": name}}
        cluster.request("POST", "/api/v1/namespaces/ci/pods", body=pod)
        with api.changed:
            ended = ("Succeeded", "Failed")
            assert api.changed.wait_for(lambda: api.pod(name).get("status", {}).get("phase") in ended, 120)
            status = api.pod(name)["status"]
        statuses = (*status.get("initContainerStatuses", ()), *status["containerStatuses"])
        (coordinator,) = [each for each in statuses if each["name"] == COORDINATOR]
        return status["phase"], coordinator["state"]["terminated"]["message"]

    return run_pod


class Argo:
    """Runs a Workflow as Argo does: a template once what it depends on has succeeded, with its variables replaced."""

    def __init__(self, run_pod):
        self.run_pod = run_pod
        self.phases = {}
        self.outputs = {}

    def run(self, workflow):
        templates = {each["name"]: each for each in workflow["spec"]["templates"]}
        values = {"workflow.name": workflow["metadata"]["name"], "workflow.uid": "uid-of-workflow"}
        for node in templates[workflow["spec"]["entrypoint"]]["dag"]["tasks"]:
            if any(self.phases.get(name) != "Succeeded" for name in node.get("dependencies", ())):
                continue
            inputs = {
                f"inputs.parameters.{each['name']}": replaced(each["value"], {**values, **self.outputs})
                for each in node.get("arguments", {}).get("parameters", ())
            }
            template = templates[node["template"]]
            assert set(inputs) == {
                f"inputs.parameters.{each['name']}" for each in template.get("inputs", {}).get("parameters", ())
            }
            pod = manifest_of_argo(template, {**values, **inputs})
            name = f"{values['workflow.name']}-{node['name']}"
            assert pod["metadata"]["generateName"] == f"{name}-"
            phase, message = self.run_pod(name, pod)
            self.phases[node["name"]] = phase
            for output in template.get("outputs", {}).get("parameters", ()):
                assert '@.name=="coordinator"' in output["valueFrom"]["jsonPath"]
                self.outputs[f"tasks.{node['name']}.outputs.parameters.{output['name']}"] = message


def manifest_of_argo(template, values):
    """Return what Argo's executor creates. Argo replaces variables in the template, and again in the executor's Pod."""
    template = replaced(template, values)
    manifest = template["resource"]["manifest"]
    if template["resource"].get("setOwnerReference"):  # Argo writes the manifest again, with an owner
        manifest = yaml.safe_dump(yaml.safe_load(manifest))
    return yaml.safe_load(replaced(manifest, values))


def replaced(value, values):
    """Replace the variables of Argo in JSON. A variable that it does not know is an error."""
    return json.loads(re.sub(r"\{\{(.*?)\}\}", lambda match: values[match[1]], json.dumps(value)))


def pod_of_tekton(task, params, results):
    """Return the parts that matter of the Pod that Tekton makes of a Task: Sidecars are there before the Step runs."""
    spec = task["taskSpec"]
    values = {f"$(params.{name})": value for name, value in params.items()}
    values |= {f"$(results.{each['name']}.path)": results for each in spec.get("results", ())}
    text = json.dumps({"steps": spec["steps"], "sidecars": spec["sidecars"]})
    for name, value in values.items():
        text = text.replace(name, value)
    containers = json.loads(text)
    for each in (*containers["steps"], *containers["sidecars"]):
        each["resources"] = each.pop("computeResources", {})
    installer, *sidecars = containers["sidecars"]
    assert installer["name"] == INSTALL
    assert installer["command"][-1] == "hold"
    installer["command"][-1] = "install"  # this kubelet does not wait for postStart hooks of ordinary containers
    del installer["lifecycle"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": dict(spec["metadata"]),
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [installer],
            "containers": [*sidecars, *containers["steps"]],
            "volumes": spec["volumes"],
        },
    }


class Tekton:
    """Runs the Tasks of a PipelineRun as Tekton does, one after another: with its variables replaced.

    `shared` is a directory for the Results of a Task.
    """

    def __init__(self, run_pod, shared):
        self.run_pod = run_pod
        self.shared = shared
        self.phases = {}
        self.results = {}

    def run(self, pipeline_run):
        name = pipeline_run["metadata"]["name"]
        values = {"$(context.pipelineRun.name)": name, "$(context.pipelineRun.uid)": "uid-of-pipeline-run"}
        for each in pipeline_run["spec"]["pipelineSpec"]["tasks"]:
            if any(self.phases.get(earlier) != "Succeeded" for earlier in each.get("runAfter", ())):
                continue
            params = {param["name"]: self._value(param["value"], values) for param in each["params"]}
            self.phases[each["name"]] = self._run_task(f"{name}-{each['name']}", each, params)

    def _value(self, text, values):
        match = re.fullmatch(r"\$\(tasks\.(.*)\.results\.handed-over\)", text)
        return self.results[match[1]] if match else values[text]

    def _run_task(self, name, task, params):
        pod = pod_of_tekton(task, params, "/results/word")
        pod["spec"]["volumes"] = [*pod["spec"]["volumes"], {"name": "results", "hostPath": {"path": str(self.shared)}}]
        pod["spec"]["containers"][-1]["volumeMounts"].append({"name": "results", "mountPath": "/results"})
        phase, message = self.run_pod(name, pod)
        assert message.startswith(("Succeeded", "Completed") if phase == "Succeeded" else "Failed")
        word = self.shared / "word"
        assert word.exists() <= bool(task["taskSpec"].get("results"))
        if word.exists():
            self.results[task["name"]] = word.read_text()
            word.unlink()
        return phase


class JobSetController:
    """Runs the Jobs of a JobSet as its controller does: each once those that it depends on are complete."""

    def __init__(self, run_pod):
        self.run_pod = run_pod
        self.messages = {}
        self.phases = {}

    def run(self, job_set):
        name = job_set["metadata"]["name"]
        for each in job_set["spec"]["replicatedJobs"]:
            depends = [(needed["name"], needed["status"]) for needed in each.get("dependsOn", ())]
            if all((self.phases.get(needed), status) == ("Succeeded", "Complete") for needed, status in depends):
                self.phases[each["name"]] = self.run_job(name, each)

    def run_job(self, name, job, attempt=0):
        template = job["template"]["spec"]["template"]
        labels = {"jobset.sigs.k8s.io/jobset-name": name, "jobset.sigs.k8s.io/jobset-uid": "uid-of-job-set"}
        metadata = {**template["metadata"], "labels": {**template["metadata"]["labels"], **labels}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        phase, self.messages[job["name"]] = self.run_pod(f"{name}-{job['name']}-0-{attempt}", pod)
        return phase
