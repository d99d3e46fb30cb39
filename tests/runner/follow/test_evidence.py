"""The outcome of a run according to the status of its Pod, if the coordinator reported none."""

import pytest

from monopod.runner.display.summary import Outcome
from monopod.runner.follow.evidence import evident_outcome


def coordinator(kind="initContainerStatuses", state="state", **ended):
    return {kind: [{"name": "other"}, {"name": "coordinator", state: {"terminated": ended}}]}


MESSAGE = "Failed (Failed): Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0\ntest: Failed: exit code 1"
CUT_SHORT = "the coordinator's termination message was cut short; see its log"
BY_POD = "the coordinator reported no outcome; according to the status of its Pod, the run succeeded"


def evident(status, reason, message):
    return Outcome(status, reason, message, lacks_events=True)


SUCCEEDED = evident("Succeeded", "Succeeded", BY_POD)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({}, None),
        ({"phase": "Running"}, None),
        ({"phase": "Failed", "reason": "Evicted"}, None),
        ({"phase": "Unknown"}, None),
        ({"phase": "Succeeded"}, SUCCEEDED),
        (coordinator(exitCode=1), None),
        (coordinator(exitCode=137, reason="OOMKilled"), None),
        (coordinator(exitCode=1, message="Traceback (most recent call last): no"), None),
        (coordinator(exitCode=0), SUCCEEDED),
        ({**coordinator(exitCode=0), "phase": "Failed"}, SUCCEEDED),
        (
            coordinator(exitCode=1, message=MESSAGE),
            evident("Failed", "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0"),
        ),
        (coordinator(exitCode=0, message="Succeeded (Completed): all"), evident("Succeeded", "Completed", "all")),
        (coordinator(exitCode=0, message="Succeeded (Co"), evident("Succeeded", "Succeeded", CUT_SHORT)),
        (coordinator(exitCode=1, message="Failed (Failed)"), evident("Failed", "Failed", CUT_SHORT)),
        (
            coordinator("containerStatuses", "lastState", exitCode=137, message="Cancelled (Cancelled): it was"),
            evident("Cancelled", "Cancelled", "it was"),
        ),
        (
            {**coordinator(exitCode=137, message="Succeeded (Succeeded): x"), "phase": "Failed", "reason": "Evicted"},
            evident("Succeeded", "Succeeded", "x"),
        ),
    ],
)
def test_outcome_from_a_status(status, outcome):
    assert evident_outcome(status) == outcome


def test_termination_message_of_a_step_is_not_evidence():
    ended = {"terminated": {"exitCode": 0, "message": "Succeeded (Succeeded): forged"}}
    assert evident_outcome({"phase": "Failed", "containerStatuses": [{"name": "a-act", "state": ended}]}) is None
