"""Caches in a cluster: in a claim, or in one of a pool of claims that no other Pod uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]

CACHE = "key: x\npaths: [~/cache]\n"
SCRIPT = "cat ~/cache/file || true; mkdir -p ~/cache; echo cached > ~/cache/file"


@pytest.fixture
def file(make, write, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    task = make.task("build", SCRIPT)
    task["taskSpec"]["metadata"] = {"annotations": {"monopod.dev/cache": CACHE}}
    run = make.run(task)
    run["metadata"] = {"generateName": "build-"}
    return write(run)


def pod_with_claim(name, claim, phase):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ci", "uid": name},
        "spec": {"containers": [], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]},
        "status": {"phase": phase},
    }


@pytest.fixture
def run(monopod, api, file):
    def run(store):
        for claim in store.removeprefix("pvc:").split(","):
            api.put("persistentvolumeclaims", "ci", {"metadata": {"name": claim, "uid": claim}})
        before = len(api.history)
        ran = monopod("run", "-f", file, "--context", "test", "--cache-store", store, "--keep", "never")
        assert ran.code == 0, ran.err
        items = [item for _, resource, kind, item in api.history[before:] if (resource, kind) == ("pods", "ADDED")]
        volumes = [volume for item in items for volume in item["spec"]["volumes"]]
        claims = {
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume
        }
        return ran, claims

    return run


def test_a_claim_keeps_caches_between_runs(run):
    ran, claims = run("pvc:cache")
    assert claims == {"cache"}
    assert "[build : cache-save] cache saved: x" in ran.out
    ran, _ = run("pvc:cache")
    assert "[build : cache-restore] cache hit: x" in ran.out
    assert "[build : act] cached" in ran.out


def test_a_run_uses_the_first_claim_of_a_pool_that_no_pod_uses(run, api):
    api.put("pods", "ci", pod_with_claim("busy", "a", "Running"))
    api.put("pods", "ci", pod_with_claim("over", "b", "Succeeded"))
    assert run("pvc:a,b")[1] == {"b"}
    api.put("pods", "ci", pod_with_claim("waiting", "b", "Pending"))
    ran, claims = run("pvc:a,b")
    assert claims == set()
    assert "pvc:a,b: Pods use all of these claims, so this run has no cache" in ran.err
    assert "cache-restore" not in ran.out


def test_without_a_store_the_run_warns(monopod, file):
    ran = monopod("run", "-f", file, "--context", "test")
    assert ran.code == 0
    assert "nothing is cached, since there is no store; name one with --cache-store" in ran.err
    assert "nothing is cached" not in monopod("run", "-f", file, "--context", "test", "--cache-store", "-").err


def test_a_user_who_may_not_list_pods_cannot_use_a_pool(monopod, api, file):
    api.refuse("list", "pods")
    ran = monopod("run", "-f", file, "--context", "test", "--cache-store", "pvc:a,b")
    assert ran.code == 2
    assert "cannot list Pods to choose a claim" in ran.err


def test_a_compiled_pod_uses_the_first_claim_with_a_warning(monopod, file, tmp_path):
    pod = tmp_path / "pod.yaml"
    ran = monopod("compile", "-f", file, "--cache-store", "pvc:a,b", "-o", pod)
    assert ran.code == 0
    assert "pvc:a,b: only `monopod run` sees which claims are in use; this Pod uses 'a'" in ran.err
    assert "claimName: a" in Path(pod).read_text()


def test_checking_needs_no_store(monopod, file):
    assert "nothing is cached" not in monopod("check", "-f", file).out
    assert "cache" not in json.dumps(monopod("graph", "-f", file).out)
