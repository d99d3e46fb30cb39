"""The Pod of a group, and the parts of it that all engines need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monopod.compiler.grouping.partition import TaskGroup
from monopod.schemas.plan import Plan

HANDED_OVER = "MONOPOD_HANDED_OVER"
"""The environment variable with what other groups hand over to a coordinator (``coordinator.engine.handover``)."""
HANDOVER_BYTES = "MONOPOD_HANDOVER_BYTES"
"""The environment variable with how much a coordinator may hand over."""


@dataclass(frozen=True, slots=True)
class GroupPod:
    """A group with the Pod that runs it. ``takes_over`` are the groups that hand something over to it."""

    group: TaskGroup
    plan: Plan
    pod: dict[str, Any]
    takes_over: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.group.name

    @property
    def hands_over(self) -> bool:
        """Whether other groups need something of it."""
        return bool(self.plan.hands_over)


def own_metadata(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of the object that runs the groups, from the metadata of a Pod."""
    metadata = pod["metadata"]
    own = {key: value for key, value in metadata.items() if key in ("name", "generateName", "namespace", "labels")}
    annotations = {
        key: value for key, value in metadata["annotations"].items() if key != "kubectl.kubernetes.io/default-container"
    }
    return {**own, "annotations": annotations}


def pod_metadata(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the labels and annotations of a Pod."""
    return {key: pod["metadata"][key] for key in ("labels", "annotations")}
