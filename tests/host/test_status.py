"""The status of a Pod is valid in the Kubernetes API."""

from __future__ import annotations

import kubernetes_validate
import pytest

from monopod.runner.host.lifecycle import ContainerRecord, Termination
from monopod.runner.host.status import container_status, pod_status

TERMINATION = Termination(137, 9, "Error", "because", 1000.9, 1002.5)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"initContainers": [{"name": "i", "image": "x"}], "containers": [{"name": "c", "image": "x"}]},
}


def record(kind="ordinary", **fields):
    made = ContainerRecord("c" if kind == "ordinary" else "i", kind, has_hook=False)
    for name, value in fields.items():
        assert hasattr(made, name)
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("container", "state"),
    [
        (record(), {"waiting": {"reason": "PodInitializing"}}),
        (record(phase="starting"), {"waiting": {"reason": "ContainerCreating"}}),
        (record(phase="running", started_at=1000.0), {"running": {"startedAt": "1970-01-01T00:16:40Z"}}),
        (record(restart_at=5.0, last=TERMINATION), {"waiting": {"reason": "CrashLoopBackOff"}}),
        (
            record(phase="ended", last=TERMINATION),
            {
                "terminated": {
                    "exitCode": 137,
                    "signal": 9,
                    "reason": "Error",
                    "message": "because",
                    "startedAt": "1970-01-01T00:16:40Z",
                    "finishedAt": "1970-01-01T00:16:42Z",
                }
            },
        ),
    ],
)
def test_states(container, state):
    status = container_status(container, "x")
    assert status["state"] == state
    assert ("lastState" in status) == (container.phase != "ended" and container.last is not None)
    whole = pod_status(
        POD,
        {
            "c": status,
            "i": container_status(
                record("init", phase="ended", last=Termination(0, None, "Completed", "", None, 5.0)), "x"
            ),
        },
        phase="Running",
        reason="",
        message="",
        started_at=0.0,
        address="10.0.0.1",
    )
    kubernetes_validate.validate({**POD, "status": whole}, "1.31", strict=True)
    assert whole["initContainerStatuses"][0]["ready"] is True


def test_containers_share_the_room_for_termination_messages():
    long = Termination(1, None, "Error", "é" * 2048, None, 5.0)
    pod = {**POD, "spec": {"containers": [{"name": str(number), "image": "x"} for number in range(9)]}}
    whole = pod_status(
        pod,
        {str(number): container_status(record(phase="ended", last=long), "x") for number in range(9)},
        phase="Failed",
        reason="",
        message="",
        started_at=0.0,
        address="10.0.0.1",
    )
    kept = {len(each["state"]["terminated"]["message"].encode()) for each in whole["containerStatuses"]}
    assert kept == {12288 // 9 - 1}  # no half of a character


def test_failed_init_container_is_not_ready():
    assert container_status(record("init", phase="ended", last=TERMINATION), "x")["ready"] is False
