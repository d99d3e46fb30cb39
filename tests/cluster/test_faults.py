"""Faults that a cluster can be given while a run is followed: none may lose output, or let the outcome be guessed."""

from __future__ import annotations

import copy
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from cluster_runs import WAIT_FOR_GO
from host_run import pipeline
from severed_connection import SeveredConnection
from shared_directory import WAIT, Shared

LINES = [str(number) for number in range(1, 5001)]

DIE = """
import glob, os, resource
resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))
rings = [os.open(path, os.O_WRONLY | os.O_NONBLOCK) for path in glob.glob("/monopod/steps/*/ring")]
while True:
    for ring in rings:
        try:
            os.write(ring, b"x")
        except BlockingIOError:
            pass
"""
"""Makes the kernel send SIGKILL to the coordinator, which nobody else in its container can: it wakes it until its
processor time is used up."""


def waiting(script: str = "seq 5000", **fields):
    return pipeline({"work": {"scripts": WAIT_FOR_GO + script, **fields}}, {"report": "echo $(tasks.work.status)"})


def started(runs, *arguments, script: str = "seq 5000", environment=None):
    """Start a run whose Step waits; return it once the Step says so."""
    run = runs.start("-f", runs.write(waiting(script)), *arguments, environment=environment)
    run.wait_for("[work : s0] ready")
    return run


def test_the_pod_is_deleted(runs):
    run = started(runs)
    runs.delete("pods", runs.pod()["metadata"]["name"])
    ran = run.end()
    said = "\n".join(ran.messages)
    assert ran.code == 1, said
    assert ran.condition["reason"] == "PodDeleted"
    assert "the Pod is being deleted, not by this command" in said


def test_the_pod_is_killed(runs):
    run = started(runs)
    runs.delete("pods", runs.pod()["metadata"]["name"], gracePeriodSeconds=0)
    ran = run.end()
    assert ran.code == 1, "\n".join(ran.messages)
    assert ran.condition["status"] == "False"
    assert "the Pod was deleted by somebody while it ran" in ran.condition["message"]


@contextmanager
def cordoned(runs, node: str):
    path = f"/api/v1/nodes/{node}"

    def mark(unschedulable: bool) -> None:
        body = {"spec": {"unschedulable": unschedulable or None}}
        runs.cluster.request("PATCH", path, body=body, content_type="application/merge-patch+json")

    mark(True)
    try:
        yield
    finally:
        mark(False)


def test_the_node_is_drained(runs, need):
    """Like `kubectl drain`: the node takes no more Pods, and its Pods are evicted."""
    need("node drained", ("patch", "nodes"), ("create", "pods", "eviction"))
    run = started(runs)
    pod = runs.pod()
    name = pod["metadata"]["name"]
    with cordoned(runs, pod["spec"]["nodeName"]):
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        runs.create(f"pods/{name}/eviction", body)
        ran = run.end()
    said = "\n".join(ran.messages)
    assert ran.code == 1, said
    assert ran.condition["reason"] == "Evicted"
    assert "evicted through the API" in ran.condition["message"]


def test_the_coordinator_is_killed(runs):
    run = started(runs)
    runs.execute_to_the_death("coordinator", "python3", "-c", DIE)
    run.wait_for("the coordinator ended: exit code 137")
    runs.go("work-s0")
    ran = run.end()
    said = "\n".join(ran.messages)
    assert ran.code == 0, said
    assert ran.lines("work/s0") == ["ready", *LINES]
    assert ran.lines("report/s0") == ["Succeeded"]


@pytest.fixture
def connection(runs, tmp_path):
    """The API server behind a connection that can be cut; and a kubeconfig for it."""
    kubeconfig, server = through_proxy(runs.target.context)
    connection = SeveredConnection(server.hostname, server.port or 443)
    kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{connection.port}{server.path}"
    connection.kubeconfig = tmp_path / "kubeconfig"
    connection.kubeconfig.write_text(yaml.safe_dump(kubeconfig))
    yield connection
    connection.close()


def through_proxy(context):
    """Return a kubeconfig that has only the context, and the address of its server."""
    paths = os.environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)
    files = [path for path in map(Path, map(os.path.expanduser, paths)) if path.is_file()]
    loaded = [(path, yaml.safe_load(path.read_text())) for path in files]
    name = context or next(each["current-context"] for _, each in loaded if each.get("current-context"))
    _, chosen = find(loaded, "contexts", name)
    path, cluster = find(loaded, "clusters", chosen["context"]["cluster"])
    user_path, user = find(loaded, "users", chosen["context"]["user"])
    server = urlsplit(cluster["cluster"]["server"])
    if server.scheme != "https" or "proxy-url" in cluster["cluster"]:
        pytest.skip("API server away (the kubeconfig reaches it by a proxy, or without TLS)")
    cluster, user = copy.deepcopy((cluster, user))
    cluster["cluster"].setdefault("tls-server-name", server.hostname)
    for fields, source in ((cluster["cluster"], path), (user["user"], user_path)):
        for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
            if key in fields:
                fields[key] = str(source.parent.absolute() / fields[key])
    content = {"apiVersion": "v1", "kind": "Config", "current-context": name, "clusters": [cluster], "users": [user]}
    return {**content, "contexts": [chosen]}, server


def find(loaded, kind, name):
    return next((path, each) for path, content in loaded for each in content.get(kind) or () if each["name"] == name)


def test_the_api_server_is_away_while_the_run_ends(runs, connection):
    """The Step writes and ends, and so does the run, while the runner sees nothing of it."""
    run = started(runs, environment={"KUBECONFIG": str(connection.kubeconfig)})
    connection.cut()
    run.wait_for("the API server does not answer")
    runs.go("work-s0")
    runs.wait_for("pods", lambda pods: pods[0]["status"]["phase"] == "Succeeded")
    connection.restore()
    ran = run.end()
    said = "\n".join(ran.messages)
    assert ran.code == 0, said
    assert ran.lines("work/s0") == ["ready", *LINES]
    assert ran.lines("report/s0") == ["Succeeded"]
    assert "the API server answers again" in said


def test_connection_breaks_repeatedly(runs, connection):
    script = "for n in 1 2 3 4 5; do seq 1000; echo end of $n; read line <&3; done"
    run = started(runs, script=script, environment={"KUBECONFIG": str(connection.kubeconfig)})
    runs.go("work-s0")
    for number in range(1, 6):
        run.wait_for(f"[work : s0] end of {number}")
        connection.cut()
        connection.restore()
        runs.go("work-s0")
    ran = run.end()
    assert ran.code == 0, "\n".join(ran.messages)
    assert ran.lines("work/s0") == ["ready", *(line for n in range(1, 6) for line in (*LINES[:1000], f"end of {n}"))]


def test_kubelet_is_paused(runs, tmp_path):
    """Neither logs nor the state of containers are available, and the Pod continues."""
    kubelet = runs.target.kubelet
    if kubelet is None:
        pytest.skip("kubelet paused (the node is not this machine; name its process with KUBELET_PID)")
    shared = Shared(tmp_path / "shared")
    for path in (tmp_path, *tmp_path.parents[:-1]):
        path.chmod(path.stat().st_mode | 0o011)
    task = shared.task(WAIT + "seq 5000; printf x > /shared/there")
    run = runs.start("-f", runs.write(pipeline({"work": task}, {"report": "echo $(tasks.work.status)"})))
    try:
        shared.hear()
        os.kill(kubelet, signal.SIGSTOP)
        try:
            shared.go()
            shared.hear()
        finally:
            os.kill(kubelet, signal.SIGCONT)
        ran = run.end()
    finally:
        shared.close()
    assert ran.code == 0, "\n".join(ran.messages)
    assert ran.lines("work/s0") == LINES
    assert ran.lines("report/s0") == ["Succeeded"]


def test_a_step_runs_out_of_memory(runs):
    limited = {"stepTemplate": {"computeResources": {"limits": {"memory": "48Mi"}}}}
    tasks = {
        "itself": {"scripts": "exec tail /dev/zero", "taskSpec": limited, "onError": "continue"},
        "calm": {"scripts": "echo calm", "taskSpec": limited},
    }
    ran = runs.run("-f", runs.write(pipeline(tasks, {"report": "echo $(tasks.itself.status) $(tasks.calm.status)"})))
    said = "\n".join(ran.messages)
    assert ran.code == 0, said
    assert ran.reasons() == {"itself": "FailureIgnored", "calm": "Succeeded", "report": "Succeeded"}
    assert ran.lines("report/s0") == ["Failed Succeeded"]
    assert any("out of memory, limit 48Mi" in line for line in ran.messages), said
    assert ran.steps("itself")["s0"]["reason"] == "OOMKilled"


def test_an_image_that_cannot_be_pulled_fails_its_task(runs):
    document = pipeline({"never": "true", "calm": "echo calm"}, {"report": "echo $(tasks.never.reason)"})
    file = runs.write(document)
    text = file.read_text().replace(f'"{runs.target.image}"', '"localhost/monopod-test/none:1"', 1)
    file.write_text(text.replace(f'"{runs.target.pull_policy}"', '"Never"', 1))
    ran = runs.run("-f", file)
    assert ran.code == 1, "\n".join(ran.messages)
    assert ran.reasons()["never"] == "TaskRunImagePullFailed"
    assert ran.lines("report/s0") == ["TaskRunImagePullFailed"]
