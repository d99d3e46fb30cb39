"""Groups of Tasks in Pods of their own: each Pod really runs, in the order and with the values of its engine."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest
import yaml

from monopod.compiler.pod.assembly import COORDINATOR, INSTALL

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]


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


PIPELINE = pipeline_run(
    task(
        "build",
        "first",
        """printf '%s' '{{x}} "$(context.pipelineRun.name)"' > $(results.version.path)
        printf '["a","b"]' > $(results.files.path)""",
        results=[("version", "string"), ("files", "array")],
    ),
    task("never", "first", "exit 1", when=[{"input": "a", "operator": "in", "values": ["b"]}]),
    task("flaky", "first", "[ $(context.task.retry-count) = 1 ]", retries=1),
    task(
        "test",
        "second",
        "echo $(params.file)",
        matrix={"params": [{"name": "file", "value": "$(tasks.build.results.files[*])"}]},
        when=[{"input": "$(tasks.build.results.files[0])", "operator": "in", "values": ["a"]}],
    ),
    task("with-guarded", "second", "echo after", runAfter=["never", "flaky"]),
    task("deploy", "third", "echo '$(tasks.build.results.version)'", runAfter=["test", "with-guarded"]),
)
PIPELINE["spec"]["pipelineSpec"]["tasks"][3]["taskSpec"]["params"] = [{"name": "file"}]


@pytest.fixture
def compiled(monopod, write, tmp_path):
    def compiled(document, kind, *options):
        path = tmp_path / "groups.yaml"
        ran = monopod("compile", "-f", write(document), "--kind", kind, "-o", path, *options)
        assert ran.code == 0, ran.err
        return yaml.safe_load(path.read_text())

    return compiled


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
            pod = yaml.safe_load(replaced(template["resource"]["manifest"], {**values, **inputs}))
            assert pod["metadata"]["generateName"] == f"big-{node['name']}-"
            phase, message = self.run_pod(f"big-{node['name']}", pod)
            self.phases[node["name"]] = phase
            for output in template.get("outputs", {}).get("parameters", ()):
                assert '@.name=="coordinator"' in output["valueFrom"]["jsonPath"]
                self.outputs[f"tasks.{node['name']}.outputs.parameters.{output['name']}"] = message


def replaced(text, values):
    """Replace the variables of Argo. A variable that it does not know is an error."""
    return re.sub(r"\{\{(.*?)\}\}", lambda match: values[match[1]], text)


def test_argo_hands_results_from_pod_to_pod(compiled, run_pod, monopod):
    argo = Argo(run_pod)
    argo.run(compiled(PIPELINE, "Workflow"))
    assert argo.phases == {"first": "Succeeded", "second": "Succeeded", "third": "Succeeded"}
    ran = monopod("logs", "pod/big-third", "deploy", "--context", "test")
    assert ran.out == '{{x}} "big"\n', ran.err
    ran = monopod("status", "pod/big-first", "--context", "test")
    assert ran.out.startswith("Pod 'big-first' in namespace 'ci' is Succeeded; its coordinator logs text only"), ran.err
    ran = monopod("status", "pod/big-third", "--context", "test")
    assert ran.out.startswith("Succeeded (Completed): "), ran.err
    ran = monopod("logs", "pod/big-second", "test", "--context", "test")
    assert sorted(line.split()[-1] for line in ran.out.splitlines()) == ["a", "b"], ran.err
    ran = monopod("logs", "pod/big-second", "with-guarded", "--context", "test")
    assert ran.out == "after\n", ran.err


def test_a_failed_group_stops_those_after_it(compiled, run_pod):
    failing = pipeline_run(task("a", "one", "exit 3"), task("b", "two", "true", runAfter=["a"]))
    argo = Argo(run_pod)
    argo.run(compiled(failing, "Workflow"))
    assert argo.phases == {"one": "Failed"}
    assert not argo.outputs or "Failed" in next(iter(argo.outputs.values()))


def test_a_group_of_many_containers_hands_over_less(compiled, run_pod):
    digests = "".join(sha256(bytes([number])).hexdigest() for number in range(38))  # 1.6 KB, compressed and in base64
    writer = task("a", "one", f"printf {digests} > $(results.r.path)", results=[("r", "string")])
    others = [task(f"other-{number}", "one", "true") for number in range(8)]
    many = pipeline_run(writer, *others, task("b", "two", "echo $(tasks.a.results.r)"))
    messages = []

    def run_and_note(name, pod):
        phase, message = run_pod(name, pod)
        messages.append(message)
        return phase, message

    argo = Argo(run_and_note)
    argo.run(compiled(many, "Workflow"))
    assert argo.phases == {"one": "Succeeded", "two": "Failed"}
    assert re.search(r"Results of 1\d{3} bytes for this one, and its Pod can hand over 1228;", messages[1])


def pod_of_tekton(task, params, results):
    """Return the Pod that Tekton makes of a Task, as far as it matters: the Sidecars are there before the Step runs."""
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


def test_tekton_hands_results_from_pod_to_pod(compiled, run_pod, monopod, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    handed = {}
    run = compiled(PIPELINE, "PipelineRun")
    for each in run["spec"]["pipelineSpec"]["tasks"]:
        params = {}
        for param in each["params"]:
            value = (
                param["value"].replace("$(context.pipelineRun.name)", "big").replace("$(context.pipelineRun.uid)", "u")
            )
            match = re.fullmatch(r"\$\(tasks\.(.*)\.results\.handed-over\)", value)
            params[param["name"]] = handed[match[1]] if match else value
        pod = pod_of_tekton(each, params, "/results/word")
        pod["spec"]["volumes"] = [*pod["spec"]["volumes"], {"name": "results", "hostPath": {"path": str(shared)}}]
        pod["spec"]["containers"][-1]["volumeMounts"].append({"name": "results", "mountPath": "/results"})
        phase, message = run_pod(f"big-{each['name']}", pod)
        assert phase == "Succeeded", message
        assert message.startswith(("Succeeded", "Completed"))
        word = shared / "word"
        if each["taskSpec"].get("results"):
            handed[each["name"]] = word.read_text()
            word.unlink()
        assert not word.exists()
    assert sorted(handed) == ["first", "second"]
    ran = monopod("logs", "pod/big-third", "deploy", "--context", "test")
    assert ran.out == '{{x}} "big"\n', ran.err


def test_the_jobs_of_a_job_set_run_in_order(compiled, run_pod, monopod):
    ordered = pipeline_run(
        task("a", "one", "echo first"), task("b", "two", "echo '$(context.pipelineRun.name)'", runAfter=["a"])
    )
    jobs = compiled(ordered, "JobSet", "--queue", "team")["spec"]["replicatedJobs"]
    assert [(each["name"], each.get("dependsOn")) for each in jobs] == [
        ("one", None),
        ("two", [{"name": "one", "status": "Complete"}]),
    ]
    for each in jobs:
        template = each["template"]["spec"]["template"]
        labels = {"jobset.sigs.k8s.io/jobset-name": "big", "jobset.sigs.k8s.io/jobset-uid": "u"}
        metadata = {**template["metadata"], "labels": {**template["metadata"]["labels"], **labels}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        assert run_pod(f"big-{each['name']}-0-0", pod)[0] == "Succeeded"
    ran = monopod("logs", "pod/big-two-0-0", "b", "--context", "test")
    assert ran.out == "big\n", ran.err
