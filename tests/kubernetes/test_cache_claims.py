"""`monopod cache` and the claims of a cluster: a Pod reads each, and is deleted whatever happens."""

from __future__ import annotations

import json
import signal
import time

import pytest

from monopod.compiler.caches.reader_pod import LABELS
from monopod.system.caches.directory_store import DirectoryStore
from monopod.system.caches.keys import Part
from monopod.system.caches.store import Draft


def claim(api, name, *modes, phase="Bound"):
    spec = {"accessModes": list(modes or ("ReadWriteMany",))}
    metadata = {"name": name, "namespace": "ci", "uid": name}
    api.put("persistentvolumeclaims", "ci", {"metadata": metadata, "spec": spec, "status": {"phase": phase}})


def pod(api, name, claim="", phase="Running", **fields):
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    metadata = {"name": name, "namespace": "ci", "uid": name}
    api.put(
        "pods",
        "ci",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata | fields.pop("metadata", {}),
            "spec": {"containers": [], "volumes": volumes},
            "status": {"phase": phase, **fields},
        },
    )


def made(api):
    """Return the Pods that were created, and the names of those that are not deleted."""
    pods = [item for _, resource, kind, item in api.history if (resource, kind) == ("pods", "ADDED")]
    left = [item["metadata"] for key, item in api.objects.items() if key[0] == "pods"]
    return pods, [metadata["name"] for metadata in left if "deletionTimestamp" not in metadata]


@pytest.fixture
def stores(api, tmp_path, monkeypatch):
    """Fills the claims a and b: kubelet has its claims in a directory."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def pack(write):
        write(b"content")
        return (Part("directory", 1),)

    def fill(name, *keys):
        claim(api, name)
        store = DirectoryStore(str(tmp_path / "data/monopod/claims/ci" / name))
        for key in keys:
            store.save(Draft(key, "v", ("vendor",)), pack)
        return store

    return {"a": fill("a", "go-1", "go-2"), "b": fill("b", "npm-1")}


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
def test_claims_are_listed_and_pruned_by_pods(monopod, api, stores):
    cache = ("--cache-store", "pvc:a,b", "--context", "test")
    ran = monopod("cache", "list", *cache, "-o", "json")
    assert ran.code == 0, ran.err
    listed = {(entry["claim"], entry["key"], entry["size"]) for entry in json.loads(ran.out)}
    assert listed == {("a", "go-1", 7), ("a", "go-2", 7), ("b", "npm-1", 7)}

    ran = monopod("cache", "prune", "--key", "go", *cache)
    assert (ran.code, sorted(ran.out.splitlines())) == (0, ["removed go-1 (7 bytes)", "removed go-2 (7 bytes)"])
    assert ran.err == "removed 2 entries (14 bytes), 0 entries (0 bytes) remain\n"
    assert [[entry.key for entry in store.entries()] for store in stores.values()] == [[], ["npm-1"]]

    pods, left = made(api)
    assert len(pods) == 5  # two to list, twice, and one to prune
    assert left == []
    for each in pods:
        containers = [*each["spec"]["initContainers"], *each["spec"]["containers"]]
        assert all(container["securityContext"]["runAsNonRoot"] for container in containers)
        assert each["spec"]["activeDeadlineSeconds"] == 600


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet", "stores")
def test_damaged_entries_of_claims_are_listed_and_pruned_by_pods(monopod, tmp_path):
    damaged = tmp_path / "data/monopod/claims/ci/b/entries" / ("0" * 32)
    damaged.write_text("")
    cache = ("--cache-store", "pvc:a,b", "--context", "test")
    ran = monopod("cache", "list", *cache)
    assert (ran.code, ran.err.count("damaged entry")) == (0, 1)
    assert f"/entries/{'0' * 32} of b: it is a file, not a directory; `monopod cache prune` with" in ran.err
    ran = monopod("cache", "prune", "--max-size", "1Gi", *cache)
    assert ran.code == 0, ran.err
    assert f"/entries/{'0' * 32} of b: it is a file, not a directory" in ran.out
    assert not damaged.exists()
    assert "damaged" not in ran.err


def test_claims_that_cannot_be_read_are_reported(monopod, api):
    claim(api, "used", "ReadWriteOnce")
    pod(api, "busy", "used")
    claim(api, "new", "ReadWriteOnce", phase="Pending")
    ran = monopod("cache", "list", "--cache-store", "pvc:used,new,typo", "--context", "test")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "No entries in pvc:used,new,typo.",
        "monopod cache: the claim 'used' was not read: the Pod 'busy' uses it, and it cannot be shared "
        "(ReadWriteOnce); try again later",
        "monopod cache: the claim 'typo' was not read: it does not exist in namespace 'ci'",
    ]
    assert made(api)[1] == ["busy"]


def test_a_pod_that_does_not_start_is_deleted_and_explained(monopod, api):
    claim(api, "a", "ReadWriteOnce")
    message = "0/3 nodes are available: 3 node(s) had volume node affinity conflict."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    create = api.create

    def create_unscheduled(resource, namespace, body):
        answer = create(resource, namespace, body)
        if resource == "pods":
            api.set_status(body["metadata"]["name"], phase="Pending", conditions=[unscheduled])
        return answer

    api.create = create_unscheduled
    ran = monopod(
        "cache", "list", "--cache-store", "pvc:a", "--context", "test", "-n", "ci", "--start-timeout", "100ms"
    )
    assert ran.code == 1
    assert "the claim 'a' was not read: its Pod did not start within 0.1s: no node takes the Pod: 0/3 nodes" in ran.err
    assert made(api)[1] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_pod_is_deleted_after_a_signal(start_monopod, api, number):
    claim(api, "a")
    process = start_monopod("cache", "list", "--cache-store", "pvc:a", "--context", "test")
    with api.changed:
        assert api.changed.wait_for(lambda: made(api)[1], 60)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert made(api)[1] == []
    assert (out, "Traceback" in err) == ("", False)
    assert process.returncode != 0


def test_pods_of_killed_commands_are_deleted_later(monopod, api):
    claim(api, "a", phase="Pending")
    labels = {"metadata": {"labels": LABELS}}
    for name, ago in (("old", 3600), ("new", 10)):
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
        state = {"name": "cache", "state": {"terminated": {"exitCode": 0, "finishedAt": ended}}}
        pod(api, name, phase="Succeeded", containerStatuses=[state], **labels)
    pod(api, "other", phase="Succeeded", containerStatuses=[state])
    assert monopod("cache", "list", "--cache-store", "pvc:a", "--context", "test").code == 0
    assert sorted(made(api)[1]) == ["new", "other"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (("list", "pods"), "cannot list Pods to see which claims are in use: jane may not list pods"),
        (("get", "persistentvolumeclaims"), "the claim 'a' was not read: jane may not get persistentvolumeclaims"),
        (("create", "pods"), "the claim 'a' was not read: Pod 'monopod-cache-"),
    ],
)
def test_missing_rights_are_one_line(monopod, api, refused, message):
    claim(api, "a")
    api.refuse(*refused)
    ran = monopod("cache", "list", "--cache-store", "pvc:a", "--context", "test")
    assert ran.code in (1, 2)
    assert message in ran.err.splitlines()[-1]
