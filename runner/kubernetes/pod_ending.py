"""The status with which following a Pod ends: what is known of its end, and from whom. Pure.

Rules:

- A Pod that this process deleted ended for that reason. A Pod that others deleted before its run started was cancelled.
  Later, a Pod that others deleted or evicted failed, if that was seen; otherwise nobody knows how it ended.
- If the run has an outcome, a missing Pod proves nothing more. The phase of the Pod never contradicts kubelet's.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from monopod.runner.backend import DELETED, DELETED_UNSTARTED
from monopod.runner.kubernetes import pod_states


class Presence(Enum):
    """Whether the Pod exists."""

    THERE = "it exists"
    DELETING = "it exists, and is being deleted"
    DELETED = "it does not exist any more, and its deletion was seen"
    MISSING = "it does not exist any more, and how it ended was not seen"

    @property
    def is_gone(self) -> bool:
        """Whether it does not exist any more."""
        return self in (Presence.DELETED, Presence.MISSING)


class Deletion(Enum):
    """What this process did to end the Pod."""

    NONE = "nothing"
    CANCEL = "it is deleted with its grace period: there is no milder way to cancel its run"
    KILL = "it is deleted without any grace period"


class Evidence(NamedTuple):
    """What is known of the end of a Pod.

    - ``taken_away``: the reason and message with which the Pod was evicted or deleted before the run had an outcome.
    - ``has_outcome``: the coordinator reported how the run ended. ``is_unknown``: that can no longer be found out.
    """

    presence: Presence
    deletion: Deletion
    taken_away: tuple[str, str] | None
    has_outcome: bool
    is_unknown: bool


_GONE_MESSAGES = {
    Presence.DELETED: "the Pod was deleted by somebody while it ran",
    Presence.MISSING: "the Pod is gone, and how it ended was not seen",
}


def final_status(pod: dict[str, Any], evidence: Evidence, reason: str, message: str) -> dict[str, Any]:
    """Return the status (core/v1 PodStatus) of a Pod, with the reason and message for which following ends, if any."""
    ending = pod_states.describe_ending(pod)
    if evidence.deletion is not Deletion.NONE:
        reason = DELETED
    elif evidence.has_outcome and not message and evidence.taken_away is not None:
        reason, message = evidence.taken_away
    if evidence.presence is Presence.DELETED and not (message or reason or ending or pod_states.has_started(pod)):
        reason = DELETED_UNSTARTED
    if evidence.presence.is_gone and not message:
        reason = reason or "Deleted"
        message = ending or _GONE_MESSAGES[evidence.presence]
    status = {"phase": "Pending", **(pod.get("status") or {})}
    status["message"] = message or ending
    status["reason"] = reason or status.get("reason") or ""
    if status["phase"] not in ("Succeeded", "Failed"):
        status["phase"] = _phase(status["phase"], evidence)
    return status


def _phase(phase: str, evidence: Evidence) -> str:
    """Return the phase of a Pod that kubelet has not reported as ended."""
    if not evidence.presence.is_gone:
        return "Unknown" if evidence.is_unknown else phase
    if evidence.has_outcome:
        return "Running"
    is_known = evidence.presence is Presence.DELETED or evidence.deletion is not Deletion.NONE
    return "Failed" if is_known else "Unknown"
