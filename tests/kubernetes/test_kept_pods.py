"""The Pod of a run that never started stays for inspection, and never runs later. Nothing runs in these Pods."""

import threading

import pytest

MESSAGE = "0/1 nodes are available: 1 Insufficient cpu"
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": MESSAGE}


class NoNode:
    """Replaces the kubelet in a cluster without a node for any Pod."""

    def run(self, api, pod):
        api.set_status(pod["metadata"]["name"], phase="Pending", conditions=[UNSCHEDULABLE])

    def terminate(self, api, pod, grace):
        if grace:
            threading.Thread(target=api.remove, args=[pod["metadata"]["name"]]).start()


@pytest.fixture
def run(monopod, api, make, write):
    """Runs a Pod that no node takes."""
    api.kubelet = NoNode()
    file = write(make.run(make.task("only", "true")))
    return lambda *options: monopod("run", "-f", file, "--context", "test", "--start-timeout", "1s", *options)


def test_a_pod_that_never_started_stays_and_cannot_start(run, api):
    ran = run()
    assert ran.code == 1
    spec = api.pod()["spec"]
    assert spec["activeDeadlineSeconds"] == 1
    assert spec["initContainers"][0]["image"].startswith("monopod.invalid/")
    assert ran.out.count(MESSAGE) == 1
    assert ran.out.splitlines()[-2:] == [
        "build Failed: the run did not start, for the reason in the warning above",
        "Kept in Pod 'build' in namespace 'ci'; delete it with: kubectl delete pod build -n ci --context test",
    ]


def test_pod_that_might_still_start_is_not_kept(run, api):
    api.refuse("patch", "pods")
    ran = run()
    assert "Kept in" not in ran.out
    assert "Pod 'build' in namespace 'ci' is not kept, because it might still start: " in ran.err
    api.wait_for(lambda: api.objects == {})


def test_pod_that_never_started_is_deleted_on_request(run, api):
    run("--keep", "never")
    api.wait_for(lambda: api.objects == {})


def test_the_document_has_the_reason(run):
    assert MESSAGE in run("-o", "json").out


def test_on_failure_applies_only_to_clusters(monopod):
    ran = monopod("run", "-f", "x.yaml", "--keep", "on-failure")
    message = "monopod run: --keep on-failure applies only to --backend kubernetes, not to host\n"
    assert (ran.code, ran.err) == (2, message)
