"""Capacity that a run gives back: a Pod that waits for it is scheduled while the run continues."""

from __future__ import annotations

import pytest
from cluster_runs import WAIT_FOR_GO

from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.cluster import PodName
from monopod.schemas.formats import quantity

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"
SHARE = 0.6
"""The part of what is free on the node that both Pods request: it does not have room for two."""


@pytest.fixture
def free(runs):
    """What the cluster's only node has left, by resource."""
    try:
        nodes = runs.cluster.request("GET", "/api/v1/nodes")["items"]
        pods = runs.cluster.request("GET", "/api/v1/pods")["items"]
    except ApiError:
        pytest.skip("the user may not list nodes and Pods")
    if len(nodes) != 1 or not any(each["name"] == "pods/resize" for each in resources_of(runs)):
        pytest.skip("the cluster has several nodes, or cannot resize Pods")
    running = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]
    return {
        name: quantity.parse(nodes[0]["status"]["allocatable"][name]) - sum(requested(pod, name) for pod in running)
        for name in ("cpu", "memory")
    }


def resources_of(runs):
    return runs.cluster.request("GET", "/api/v1")["resources"]


def requested(pod, resource):
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    return sum(quantity.parse(each.get("resources", {}).get("requests", {}).get(resource, "0")) for each in containers)


@pytest.fixture
def may_resize(runs):
    """Lets the Pods of the namespace lower their requests."""
    name = {"name": "monopod-shrink"}
    rules = [{"apiGroups": [""], "resources": ["pods/resize"], "verbs": ["patch"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "monopod-shrink"}
    subjects = [{"kind": "ServiceAccount", "name": "default", "namespace": runs.namespace}]
    bodies = {"roles": {"rules": rules}, "rolebindings": {"roleRef": role, "subjects": subjects}}
    try:
        for resource, body in bodies.items():
            runs.cluster.request("POST", RBAC.format(runs.namespace, resource), body={"metadata": name, **body})
    except ApiError:
        pytest.skip("the user may not make Roles")
    yield
    for resource in bodies:
        runs.cluster.request("DELETE", f"{RBAC.format(runs.namespace, resource)}/monopod-shrink", body={})


def amounts(free):
    """Return requests of the share of what is free."""
    return {"cpu": f"{int(free['cpu'] * 1000 * SHARE)}m", "memory": str(int(free["memory"] * SHARE))}


def heavy_and_light(free):
    """Return a run whose first Task requests much, and its second little. Each waits for the test."""

    def task(name, requests, after=()):
        step = {"name": "act", "image": "any", "script": WAIT_FOR_GO, "computeResources": {"requests": requests}}
        return {"name": name, "runAfter": list(after), "taskSpec": {"steps": [step]}}

    tasks = [task("heavy", amounts(free)), task("light", {"cpu": "10m", "memory": "16Mi"}, ["heavy"])]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "shrunk"},
        "spec": {"pipelineSpec": {"tasks": tasks}},
    }


def condition_of(pods, name, kind):
    """Return whether a condition of a Pod is true; None: it has none."""
    pod = next(each for each in pods if each["metadata"]["name"] == name)
    found = [each["status"] == "True" for each in pod["status"].get("conditions", ()) if each["type"] == kind]
    return found[0] if found else None


@pytest.mark.usefixtures("may_resize")
@pytest.mark.parametrize("option", ["--shrink", "--self-shrink"])
def test_pod_that_waits_for_room_is_scheduled_while_the_run_continues(runs, free, option):
    run = runs.start("-f", runs.write(heavy_and_light(free)), option)
    run.wait_for("[heavy : act] ready")
    (own,) = [each["metadata"]["name"] for each in runs.pods()]
    container = {
        "name": "wait",
        "image": runs.target.image,
        "imagePullPolicy": runs.target.pull_policy,
        "command": ["sleep", "600"],
        "resources": {"requests": amounts(free)},
    }
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    runs.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "second"}, "spec": spec})
    try:
        runs.wait_for("pods", lambda pods: condition_of(pods, "second", "PodScheduled") is False)
        execute(runs, own, "heavy-act")
        run.wait_for("[light : act] ready")
        pods = runs.wait_for("pods", lambda pods: condition_of(pods, "second", "Ready"))
        (shrunk,) = [each for each in pods if each["metadata"]["name"] == own]
        states = {each["name"]: each for each in shrunk["status"]["containerStatuses"]}
        assert "running" in states["light-act"]["state"], "the run has ended"
        assert not any(each["restartCount"] for each in states.values())
        execute(runs, own, "light-act")
        ran = run.end()
    finally:
        runs.delete("pods", "second", gracePeriodSeconds=0)
    said = "\n".join(ran.messages)
    assert ran.code == 0, said
    assert "Gave back " in said
    assert "not lowered any further" not in said


def execute(runs, pod, container):
    """Let the script in a container continue."""
    runs.cluster.execute(PodName(runs.namespace, pod), container, ("/bin/sh", "-c", "echo > /tekton/home/go"))
