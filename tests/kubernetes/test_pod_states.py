"""Descriptions of what kubelet, the scheduler and the controllers report."""

import pytest

from monopod.runner.kubernetes import pod_states

IMAGE = "registry.example/tools:1"


def named(container):
    return {"build-act": "Step 'act' of Task 'build'", "coordinator": "the coordinator"}.get(container, container)


def pod(*statuses, conditions=(), containers=None, **status):
    return {
        "metadata": {"name": "build"},
        "spec": {
            "initContainers": [
                {
                    "name": "coordinator",
                    "image": "monopod:1",
                    "restartPolicy": "Always",
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                }
            ],
            "containers": containers
            or [{"name": "build-act", "image": IMAGE, "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}],
        },
        "status": {"containerStatuses": list(statuses), "conditions": list(conditions), **status},
    }


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        (
            "ErrImagePull",
            "not found",
            f"the image '{IMAGE}' of Step 'act' of Task 'build' cannot be pulled (ErrImagePull)",
        ),
        ("ImagePullBackOff", "Back-off", "cannot be pulled (ImagePullBackOff): Back-off"),
        ("InvalidImageName", "couldn't parse", "cannot be pulled (InvalidImageName): couldn't parse"),
        ("ErrImageNeverPull", "", "it is not on the node, and imagePullPolicy is Never"),
        (
            "CreateContainerConfigError",
            'secret "x" not found',
            'secret "x" not found; create it in the namespace, or give it with --secret x/KEY=env:VARIABLE or -f',
        ),
        ("CreateContainerConfigError", 'configmap "x" not found', "create it in the namespace, or give it with -f"),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root",
            "let the Step have securityContext.runAsUser with the number of a user that is not root",
        ),
        ("CreateContainerError", "context deadline exceeded", "cannot be started (CreateContainerError): context"),
        ("RunContainerError", "exec: no such file", "cannot be started (RunContainerError): exec: no such file"),
        ("SomethingNew", "whatever", "Step 'act' of Task 'build' cannot be started (SomethingNew): whatever"),
    ],
)
def test_why_a_container_does_not_start(waiting, reason, message, words):
    (trouble,) = pod_states.troubles(pod(waiting("build-act", reason, message)), named)
    assert words in trouble.text
    assert trouble.container == "build-act"
    assert trouble.hopeless == (reason in ("InvalidImageName", "ErrImageNeverPull"))


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_starting_container_is_not_reported(waiting, reason):
    assert pod_states.troubles(pod(waiting("build-act", reason)), named) == []


def test_coordinator_image_trouble_names_its_option(waiting):
    (trouble,) = pod_states.troubles(pod(initContainerStatuses=[waiting("coordinator", "ErrImagePull", "gone")]), named)
    assert trouble.text.startswith("the image 'monopod:1' of the coordinator cannot be pulled (ErrImagePull): gone")
    assert "--runtime-image" in trouble.text


def test_crashing_coordinator(waiting):
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    status = waiting("coordinator", "CrashLoopBackOff", "back-off", lastState=ended)
    (trouble,) = pod_states.troubles(pod(initContainerStatuses=[status]), named)
    assert trouble.text == (
        "the coordinator ends again and again: it was killed because it needed more memory than its limit (OOMKilled)"
    )


@pytest.mark.parametrize(
    ("reason", "beginning"),
    [("PostStartHookError", "ended before it was ready"), ("CrashLoopBackOff", "ends again and again")],
)
@pytest.mark.parametrize(("code", "hopeless"), [(2, True), (1, False)])
def test_refused_coordinator_gives_its_own_reason(waiting, reason, beginning, code, hopeless):
    ended = {"terminated": {"exitCode": code, "reason": "Error", "message": "the node is arm"}}
    status = waiting("coordinator", reason, "Exec lifecycle hook ([python3 …]) failed", lastState=ended)
    (trouble,) = pod_states.troubles(pod(initContainerStatuses=[status]), named)
    assert trouble.text == f"the coordinator {beginning}: exit code {code} (Error): the node is arm"
    assert trouble.hopeless is hopeless


def test_coordinator_image_without_python(waiting):
    ended = {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no python3"}}
    status = waiting("coordinator", "CrashLoopBackOff", "back-off", lastState=ended)
    (trouble,) = pod_states.troubles(pod(initContainerStatuses=[status]), named)
    assert trouble.text == (
        "the coordinator ends again and again: exit code 128 (StartError): no python3; does the image have Python 3.11 "
        "or later as python3? --runtime-image names another"
    )


def test_unschedulable_pod():
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu.",
    }
    (trouble,) = pod_states.troubles(pod(conditions=[condition]), named)
    assert trouble.text == (
        "no node takes the Pod: 0/3 nodes are available: 3 Insufficient cpu. "
        "(at its peak it asks for cpu 2010m, memory 1056Mi)"
    )
    assert trouble.container is None


def test_a_claim_that_does_not_exist():
    message = '0/1 nodes are available: persistentvolumeclaim "cach" not found.'
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    (trouble,) = pod_states.troubles(pod(conditions=[condition]), named)
    assert trouble.text == f"no node takes the Pod: {message} (create it, or bind the Workspace to another with -w)"


def test_scheduling_gates():
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "wait for quota"}
    (trouble,) = pod_states.troubles(pod(conditions=[condition]), named)
    assert trouble.text == "the Pod is held back by its scheduling gates: wait for quota"


def test_peak_requests_of_init_containers():
    asked = pod(containers=[{"name": "a", "resources": {"requests": {"cpu": "100m"}}}])
    asked["spec"]["initContainers"][0].update(name="install", resources={"requests": {"cpu": "300m"}})
    del asked["spec"]["initContainers"][0]["restartPolicy"]
    assert pod_states.peak_requests(asked) == "cpu 300m"
    asked["spec"]["resources"] = {"requests": {"cpu": "1"}}
    assert pod_states.peak_requests(asked) == "cpu 1"


def test_restarted_coordinator():
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    status = {"name": "coordinator", "restartCount": 1, "state": {"running": {}}, "lastState": ended}
    ((_, text),) = pod_states.notes(pod(initContainerStatuses=[status]), named)
    assert text == (
        "the coordinator ended: it was killed because it needed more memory than its limit (OOMKilled) (restart 1)"
    )


def test_step_killed_for_memory(terminated):
    ((_, text),) = pod_states.notes(pod(terminated("build-act", 137, "OOMKilled")), named)
    assert text == "Step 'act' of Task 'build': it was killed because it needed more memory than its limit (OOMKilled)"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("PreemptionByScheduler", "a Pod of higher priority needs its place"),
        ("DeletionByTaintManager", "its node is lost, or got a taint that the Pod does not tolerate"),
        ("EvictionByEvictionAPI", "it was evicted through the API"),
        ("DeletionByPodGC", "its node is gone"),
        ("TerminationByKubelet", "kubelet ends it"),
        ("SomethingNew", "SomethingNew"),
    ],
)
def test_pod_disrupted_by_the_cluster(reason, words):
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "says the cluster"}
    ((_, text),) = pod_states.notes(pod(conditions=[condition]), named)
    assert text.startswith("the cluster takes the Pod away: ")
    assert words in text
    assert text.endswith("(says the cluster)")
    assert words in pod_states.describe_ending(pod(conditions=[condition]))


def test_node_that_does_not_answer():
    condition = {"type": "Ready", "status": "False", "reason": "NodeNotReady"}
    assert [text for _, text in pod_states.notes(pod(conditions=[condition]), named)] == [
        "the node of the Pod does not answer (NodeNotReady)"
    ]
    lost = pod(reason="NodeLost", message="Node n1 which was running pod build is unresponsive")
    ((_, text),) = pod_states.notes(lost, named)
    assert text == "the node of the Pod does not answer: Node n1 which was running pod build is unresponsive"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {"reason": "Evicted", "message": "The node was low on memory."},
            "the Pod was evicted: The node was low on memory.",
        ),
        (
            {"reason": "DeadlineExceeded", "message": "Pod was active too long"},
            "the Pod ran longer than its activeDeadlineSeconds: Pod was active too long",
        ),
        ({"reason": "OutOfcpu", "message": "Node didn't have enough cpu"}, "OutOfcpu: Node didn't have enough cpu"),
        ({"message": "who knows"}, "the Pod failed: who knows"),
        ({}, ""),
    ],
)
def test_why_a_pod_ended(status, words):
    assert pod_states.describe_ending(pod(phase="Failed", **status)) == words


def test_events():
    mount = {"type": "Warning", "reason": "FailedMount", "message": 'configmap "x"\n not found'}
    assert pod_states.describe_event(mount) == 'FailedMount: configmap "x" not found'
    for reason in ("FailedScheduling", "Failed", "BackOff"):
        assert pod_states.describe_event({**mount, "reason": reason}) is None
    assert pod_states.describe_event({**mount, "type": "Normal"}) is None


def test_status_of_an_unknown_container(waiting):
    it = {"spec": {"containers": []}, "status": {"containerStatuses": [waiting("other", "ErrImagePull")]}}
    (trouble,) = pod_states.troubles(it, named)
    assert "other" in trouble.text
