"""Caches in a claim of a real cluster: saved by a run, then listed and pruned by Pods of their own."""

from __future__ import annotations

import json

import pytest

TASK = {
    "apiVersion": "tekton.dev/v1",
    "kind": "TaskRun",
    "metadata": {"name": "build", "annotations": {"monopod.dev/cache": "{key: tools-1, paths: [~/tools]}"}},
    "spec": {
        "taskSpec": {"steps": [{"name": "act", "image": "any", "script": "mkdir -p ~/tools; echo tool > ~/tools/tool"}]}
    },
}


@pytest.fixture
def claim(runs):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "caches"}, "spec": spec}
    runs.create("persistentvolumeclaims", body)
    yield "caches"
    runs.delete("persistentvolumeclaims", "caches")


def test_entries_of_a_claim_are_listed_and_pruned(runs, need, claim):
    need("caches", ("create", "pods"), ("get", "pods", "log"), ("get", "persistentvolumeclaims"))
    if not runs.cluster.request("GET", "/apis/storage.k8s.io/v1/storageclasses").get("items"):
        pytest.skip("caches in a claim (the cluster has no StorageClass)")
    if runs.target.context is None:
        pytest.skip("caches in a claim (name the context)")
    store = ("--cache-store", f"pvc:{claim}")
    ran = runs.run("-f", runs.write(TASK), *store)
    assert ran.code == 0, "\n".join(ran.messages)

    def cache(*words):
        done = runs.monopod("cache", *words, *store, "--runtime-image", runs.target.image)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (entry,) = json.loads(cache("list", "-o", "json"))
    assert (entry["key"], entry["claim"]) == ("tools-1", claim)
    assert cache("prune", "--all").startswith("removed tools-1 (")
    assert json.loads(cache("list", "-o", "json")) == []
