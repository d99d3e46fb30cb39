"""What the namespace allows: a quota, a LimitRange, and the Pod Security level restricted."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from host_run import pipeline

MERGE = "application/merge-patch+json"


def two_at_once(requests=None):
    spec = {"stepTemplate": {"computeResources": {"requests": requests}}} if requests else {}
    return pipeline({name: {"scripts": f"echo {name}", "taskSpec": spec} for name in ("one", "two")})


@contextmanager
def present(runs, resource, kind, spec):
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "monopod-test"}, "spec": spec}
    runs.create(resource, body)
    try:
        yield
    finally:
        runs.delete(resource, "monopod-test")


def test_quota_violation_is_reported(runs, need):
    need("quota", ("create", "resourcequotas"))
    spec = {"hard": {"requests.cpu": "100m", "requests.memory": "1Gi"}}
    with present(runs, "resourcequotas", "ResourceQuota", spec):
        runs.wait_for("resourcequotas", lambda quotas: bool(quotas[0].get("status", {}).get("hard")))
        large = runs.run("-f", runs.write(two_at_once({"cpu": "100m", "memory": "16Mi"})))
        without = runs.run("-f", runs.write(two_at_once()))
        small = runs.run("-f", runs.write(two_at_once({"cpu": "20m", "memory": "16Mi"})))
    for refused in (large, without):
        said = "\n".join(refused.messages)
        assert (refused.code, refused.output) == (2, ""), said
        assert "quota" in said
        assert "Traceback" not in said
    assert small.code == 0, "\n".join(small.messages)


def test_limit_range_is_respected(runs, need):
    need("LimitRange", ("create", "limitranges"))
    limits = {
        "type": "Container",
        "default": {"memory": "256Mi"},
        "defaultRequest": {"cpu": "20m", "memory": "16Mi"},
        "min": {"memory": "8Mi"},
        "max": {"memory": "512Mi"},
    }
    with present(runs, "limitranges", "LimitRange", {"limits": [limits]}):
        fits = runs.run("-f", runs.write(two_at_once()))
        document = two_at_once()
        document["spec"]["tasks"][0]["taskSpec"]["steps"][0]["computeResources"] = {"limits": {"memory": "1Gi"}}
        too_much = runs.run("-f", runs.write(document))
    assert fits.code == 0, "\n".join(fits.messages)
    assert (too_much.code, too_much.output) == (2, "")
    assert any("1Gi is more than the LimitRange 'monopod-test' allows" in line for line in too_much.messages)


@pytest.fixture
def restricted(runs, need):
    """Lets the namespace enforce the level restricted."""
    need("Pod Security", ("patch", "namespaces"))
    label = "pod-security.kubernetes.io/enforce"
    path = f"/api/v1/namespaces/{runs.namespace}"
    runs.cluster.request("PATCH", path, body={"metadata": {"labels": {label: "restricted"}}}, content_type=MERGE)
    yield
    runs.cluster.request("PATCH", path, body={"metadata": {"labels": {label: None}}}, content_type=MERGE)


def test_pod_security_restricted(runs, restricted):
    document = two_at_once()
    refused = runs.run("-f", runs.write(document))
    said = "\n".join(refused.messages)
    assert (refused.code, refused.output) == (2, ""), said
    assert "the namespace enforces the Pod Security level restricted" in said
    for task in document["spec"]["tasks"]:
        task["taskSpec"]["stepTemplate"] = {"securityContext": {"runAsUser": 1000}}
    ran = runs.run("-f", runs.write(document), "--pod-security", "restricted")
    assert ran.code == 0, "\n".join(ran.messages)
    assert (ran.lines("one/s0"), ran.lines("two/s0")) == (["one"], ["two"])
