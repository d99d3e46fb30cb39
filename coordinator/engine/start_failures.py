"""How a Task fails whose container cannot start, with Tekton's reason.

Source of the rules: Tekton docs/taskruns.md (the table of reasons) and pkg/reconciler/taskrun (``checkPodFailed``): an
image that cannot be pulled, a missing ConfigMap or Secret, and anything else that prevents a container from being
created fail the TaskRun at once, for a Sidecar as for a Step.

Pure. Left to others: detecting that a container cannot start (the runner), and what follows (``attempts``).
"""

from __future__ import annotations

from typing import NamedTuple

from monopod.coordinator.engine.run_state import InstanceState, Outcome

_IMAGE = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Kubelet's reasons for an image that is not available (Kubernetes pkg/kubelet/images)."""
_NOT_EXECUTED = frozenset({"StartError", "ContainerCannotRun"})
"""The container runtime's reasons for a container that was created but whose program could not be started."""


class StartFailure(NamedTuple):
    """Why a container cannot start: Kubernetes' ``reason`` and its message."""

    reason: str
    message: str


def outcome_of(instance: InstanceState, container: str, failure: StartFailure) -> Outcome:
    """Return the outcome of an attempt whose container cannot start."""
    kind, name = _step_or_sidecar(instance, container)
    what = "failed to pull its image" if failure.reason in _IMAGE else "failed to start"
    text = f'the {kind} "{name}" in TaskRun "{instance.name}" {what}: {described(failure)}'
    return Outcome("Failed", _reason(kind, failure.reason), text)


def described(failure: StartFailure) -> str:
    """Return the reason and the message as one text."""
    return ": ".join(filter(None, failure))


def _reason(kind: str, reason: str) -> str:
    """Return the reason of the TaskRun."""
    if reason in _IMAGE:
        return "TaskRunImagePullFailed"
    if reason == "CreateContainerConfigError":
        return reason
    if reason in _NOT_EXECUTED:  # to Tekton, the container has run and failed
        return "SidecarFailed" if kind == "sidecar" else "StepFailed"
    return "PodCreationFailed"


def _step_or_sidecar(instance: InstanceState, container: str) -> tuple[str, str]:
    slot, plan = instance.slot, instance.task.plan
    assert slot is not None
    if container in slot.sidecars:
        return "sidecar", plan.sidecars[slot.sidecars.index(container)].step.name
    return "step", plan.steps[slot.containers.index(container)].name
