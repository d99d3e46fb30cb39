"""Describes the state of a Pod for people, from the reports of kubelet, the scheduler and the controllers.

Rules:

- Pure: the input is a Pod as the API returns it, and the names of its containers. Reasons and messages are defined by
  the Kubernetes API and kubelet (ContainerStateWaiting, ContainerStateTerminated, PodCondition, PodStatus).
- A `Trouble` is the reason why a container, or the whole Pod, has not started. It may be temporary: an image may be
  pulled after some tries. A permanent one is `hopeless`.
- Unknown reasons are reported in the cluster's words.

``starting`` decides how long a Trouble may last.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from monopod.compiler.pod.assembly import COORDINATOR, INSTALL
from monopod.runner.backend import DELETED_BY_OTHERS, EVICTED
from monopod.runner.kubernetes.container_states import state_of
from monopod.schemas.formats import quantity
from monopod.schemas.formats.timestamps import from_rfc3339
from monopod.schemas.run_events import CANNOT_START

Named: TypeAlias = Callable[[str], str]
"""Returns the name of a container for people: ``Step 'compile' of Task 'build'``."""

_QUEUE = "kueue.x-k8s.io/queue-name"
_HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_TRIED = frozenset({"ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError"})
_MAY_PASS_SOON = ("context deadline exceeded", "failed to create subPath directory")
"""Messages of kubelet when a busy node or volume delays a container (Tekton pkg/reconciler/taskrun)."""
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_IMAGE |= {"RegistryUnavailable", "SignatureValidationFailed"}
_SECRET = re.compile(r'secret "([^"]*)" not found')
"""What kubelet says (makeEnvironmentVariables)."""
_CLAIM_IS_BEING_MADE = "waiting for ephemeral volume controller to create the persistentvolumeclaim"
"""What the scheduler says of a generic ephemeral volume at first (its plugin VolumeBinding)."""
_NO_CLAIM = re.compile(r'persistentvolumeclaim "[^"]*" not found')
"""What the scheduler says (its plugin VolumeBinding)."""
_NO_TROUBLE = frozenset({"", "ContainerCreating", "PodInitializing"})
_KEEPS_ALL = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady"}
)
"""Reasons of Events (kubelet's and the attach controller's) that keep all containers of a Pod from starting."""
_REPORTED_OTHERWISE = frozenset(
    {"FailedScheduling", "Failed", "BackOff", "ErrImageNeverPull", "InspectFailed", "Unhealthy"}
)
"""Reasons of Events that are skipped: the Pod's status reports them better, or (probes) they are noise."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a container, or (None) the whole Pod, has not started. Troubles of one ``subject`` are reported once.

    ``reason`` and ``message`` come from the cluster, ``text`` is for people. ``hopeless``: it is permanent.
    ``in_queue``: the Pod waits for its turn, which may take any time.
    """

    subject: tuple[str, str]
    container: str | None
    reason: str
    message: str
    text: str
    hopeless: bool = False
    in_queue: bool = False

    @property
    def was_tried(self) -> bool:
        """Whether kubelet has tried and failed, so that a Task that needs it fails (Tekton: checkPodFailed)."""
        return self.reason in _TRIED and not any(text in self.message for text in _MAY_PASS_SOON)

    @property
    def passes_soon(self) -> bool:
        """Whether the cluster is at work, which is worth a warning only if it lasts."""
        return _CLAIM_IS_BEING_MADE in self.message

    @property
    def is_of_image(self) -> bool:
        """Whether an image is not available."""
        return self.reason in _IMAGE


def statuses(pod: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the ContainerStatuses of a Pod, init containers first."""
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def phase(pod: Mapping[str, Any]) -> str:
    """Return the phase of a Pod."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def ended_at(pod: Mapping[str, Any]) -> float | None:
    """Return when the last of the Pod's containers ended, in seconds since the epoch; None if that is unknown."""
    states = [(status.get("state") or {}).get("terminated") or {} for status in statuses(pod)]
    times = [state["finishedAt"] for state in states if state.get("finishedAt")]
    return max(map(from_rfc3339, times), default=None)


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether every container of a Pod has ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def has_started(pod: Mapping[str, Any]) -> bool:
    """Return whether the coordinator of a Pod has started at least once."""
    of_coordinator = (each for each in statuses(pod) if each["name"] == COORDINATOR)
    return any(state_of(each, between_lives=True)[0] != "waiting" for each in of_coordinator)


def troubles(pod: Mapping[str, Any], named: Named) -> list[Trouble]:
    """Return why a Pod, or some of its containers, have not started."""
    result = [_unscheduled(pod, condition) for condition in _conditions(pod, "PodScheduled", "False")]
    images = {container["name"]: container.get("image", "") for container in _containers(pod)}
    restarting = {container["name"] for container in _containers(pod) if container.get("restartPolicyRules")}
    for status in statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        is_restarting = reason == "CrashLoopBackOff" and status["name"] in restarting
        if reason not in _NO_TROUBLE and not is_restarting:
            result.append(_waiting(status, reason, waiting.get("message") or "", images.get(status["name"], ""), named))
    return result


def _unscheduled(pod: Mapping[str, Any], condition: Mapping[str, Any]) -> Trouble:
    message = condition.get("message") or condition.get("reason") or "the scheduler does not say why"
    queue = ((pod.get("metadata") or {}).get("labels") or {}).get(_QUEUE)
    if condition.get("reason") == "SchedulingGated" and queue is not None:
        text = f"the Pod waits for quota in the queue '{queue}' of Kueue"
        return Trouble(("scheduling", "gated"), None, "SchedulingGated", message, text, in_queue=True)
    if condition.get("reason") == "SchedulingGated":
        return Trouble(
            ("scheduling", "gated"),
            None,
            "SchedulingGated",
            message,
            f"the Pod is held back by its scheduling gates: {message}",
        )
    text = f"no node takes the Pod: {message}{_scheduling_advice(pod, message)}"
    return Trouble(("scheduling", "unschedulable"), None, "Unschedulable", message, text)


def _scheduling_advice(pod: Mapping[str, Any], message: str) -> str:
    if _NO_CLAIM.search(message):
        return " (create it, or bind the Workspace to another with -w)"
    requests = peak_requests(pod)
    return f" (at its peak it asks for {requests})" if requests else ""


def _waiting(status: Mapping[str, Any], reason: str, message: str, image: str, named: Named) -> Trouble:
    name = status["name"]
    who = named(name)
    remark = f": {message}" if message else ""
    if reason in _IMAGE:
        text = f"the image '{image}' of {who} cannot be pulled ({reason}){remark}"
        return Trouble(("image", image), name, reason, message, text + _image_advice(name, reason), reason in _HOPELESS)
    if reason == "CrashLoopBackOff":
        never_ran = _last_ended(status).get("reason") == "StartError"
        text = f"{who} ends again and again: {_last_ending(status)}{_config_advice(name, '') if never_ran else ''}"
        return Trouble(("crash", name), name, reason, message, text, _was_refused(status))
    if reason == "PostStartHookError" and name == COORDINATOR:
        text = f"{who} ended before it was ready: {_last_ending(status)}"
        return Trouble((reason, name), name, reason, message, text, _was_refused(status))
    text = f"{who} cannot be started ({reason}){remark}{_config_advice(name, message)}"
    return Trouble((reason, name), name, reason, message, text)


def _image_advice(name: str, reason: str) -> str:
    if name in (COORDINATOR, INSTALL):
        return "; name an image with Python 3.11 or later that the nodes can pull, with --runtime-image"
    if reason == "ErrImageNeverPull":
        return "; it is not on the node, and imagePullPolicy is Never"
    return ""


def _config_advice(name: str, message: str) -> str:
    """Return what to do about a container that kubelet cannot create from its spec."""
    if "runAsNonRoot" in message:
        return "; let the Step have securityContext.runAsUser with the number of a user that is not root"
    if "not found" in message and ("configmap" in message.lower() or "secret" in message.lower()):
        return f"; create it in the namespace, or give it with {_giving(message)}"
    if name in (COORDINATOR, INSTALL):
        return "; does the image have Python 3.11 or later as python3? --runtime-image names another"
    return ""


def _giving(message: str) -> str:
    secret = _SECRET.search(message)
    return "-f" if secret is None else f"--secret {secret[1]}/KEY=env:VARIABLE or -f"


def _was_refused(status: Mapping[str, Any]) -> bool:
    """Whether the coordinator ended because it cannot run in this Pod, however often it is started."""
    return bool(status["name"] == COORDINATOR and _last_ended(status).get("exitCode") == CANNOT_START)


def _last_ended(status: Mapping[str, Any]) -> dict[str, Any]:
    ended: dict[str, Any] = (status.get("lastState") or {}).get("terminated") or {}
    return ended


def _last_ending(status: Mapping[str, Any]) -> str:
    ended = _last_ended(status)
    return _ending(ended) if ended else "kubelet does not say why"


def _ending(ended: Mapping[str, Any]) -> str:
    """Return how a container ended."""
    if ended.get("reason") == "OOMKilled":
        return "it was killed because it needed more memory than its limit (OOMKilled)"
    message = f": {ended['message'].strip()}" if ended.get("message") else ""
    return f"exit code {ended.get('exitCode')} ({ended.get('reason') or 'no reason is given'}){message}"


def notes(pod: Mapping[str, Any], named: Named) -> Iterator[tuple[str, str]]:
    """Yield what the user should know about a running Pod, each with a key so that it is reported once."""
    for status in statuses(pod):
        restarts = status.get("restartCount") or 0
        if restarts and status.get("lastState"):
            # the coordinator reports its own restart
            after = "" if status["name"] == COORDINATOR else "; kubelet starts it again"
            text = f"{named(status['name'])} ended: {_last_ending(status)}{after} (restart {restarts})"
            yield f"restart {status['name']} {restarts}", text
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            yield f"oom {status['name']} {restarts}", f"{named(status['name'])}: {_ending(ended)}"
    for condition in _conditions(pod, "DisruptionTarget", "True"):
        yield f"disruption {condition.get('reason')}", f"the cluster takes the Pod away: {_disruption(condition)}"
    if (pod.get("status") or {}).get("reason") == "NodeLost":
        yield "node lost", f"the node of the Pod does not answer: {(pod['status'].get('message') or 'NodeLost')}"
    for condition in _conditions(pod, "Ready", "False"):
        if condition.get("reason") == "NodeNotReady":
            yield "node not ready", "the node of the Pod does not answer (NodeNotReady)"


def _disruption(condition: Mapping[str, Any]) -> str:
    meanings = {
        "PreemptionByScheduler": "a Pod of higher priority needs its place",
        "DeletionByTaintManager": "its node is lost, or got a taint that the Pod does not tolerate",
        "EvictionByEvictionAPI": "it was evicted through the API, as draining a node does",
        "DeletionByPodGC": "its node is gone",
        "TerminationByKubelet": "kubelet ends it, to save its node or because that shuts down",
    }
    reason = str(condition.get("reason") or "")
    said = condition.get("message") or ""
    return f"{meanings.get(reason, reason)}" + (f" ({said})" if said else "")


def describe_event(event: Mapping[str, Any]) -> str | None:
    """Return the text of an Event about the Pod, if the user should know it and nothing else reports it."""
    reason, message = event.get("reason") or "", " ".join((event.get("message") or "").split())
    if event.get("type") != "Warning" or reason in _REPORTED_OTHERWISE:
        return None
    return f"{reason}: {message}"


def pod_trouble(event: Mapping[str, Any]) -> Trouble | None:
    """Return why no container of a Pod starts, if an Event reports it; the Pod's status does not."""
    reason, text = event.get("reason") or "", describe_event(event)
    if text is None or reason not in _KEEPS_ALL:
        return None
    return Trouble((reason, ""), None, reason, event.get("message") or "", text)


def describe_ending(pod: Mapping[str, Any]) -> str:
    """Return why a Pod was ended; empty if it ended by itself or its status has no reason."""
    status = pod.get("status") or {}
    reason, message = status.get("reason") or "", " ".join((status.get("message") or "").split())
    disruptions = [_disruption(condition) for condition in _conditions(pod, "DisruptionTarget", "True")]
    meanings = {
        "Evicted": "the Pod was evicted",
        "DeadlineExceeded": "the Pod ran longer than its activeDeadlineSeconds",
        "NodeLost": "the node of the Pod was lost",
        "Preempting": "the Pod had to make room for one of higher priority",
    }
    if reason or message:
        return f"{meanings.get(reason, reason or 'the Pod failed')}" + (f": {message}" if message else "")
    return f"the cluster took the Pod away: {'; '.join(disruptions)}" if disruptions else ""


def taken_away(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the reason and a message if the cluster evicts a Pod, or somebody deletes it; else None."""
    if any(_conditions(pod, "DisruptionTarget", "True")):
        return EVICTED, describe_ending(pod)
    if "deletionTimestamp" in pod["metadata"]:
        return DELETED_BY_OTHERS, "the Pod was deleted by somebody while it ran"
    return None


def peak_requests(pod: Mapping[str, Any]) -> str:
    """Return the resources that a Pod requests from the scheduler: ``cpu 2, memory 1Gi``.

    The requests of containers and native sidecars are added up. An init container counts only if it requests more than
    that sum (Kubernetes docs, "Resource sharing within containers").
    """
    spec = pod["spec"]
    whole = ((spec.get("resources") or {}).get("requests")) or {}
    together: dict[str, Fraction] = {}
    families: dict[str, quantity.Family] = {}
    alone: dict[str, Fraction] = {}
    for container in _containers(pod):
        for resource, text in ((container.get("resources") or {}).get("requests") or {}).items():
            families.setdefault(resource, quantity.family(str(text)))
            value = quantity.parse(str(text))
            if container in (spec.get("initContainers") or ()) and container.get("restartPolicy") != "Always":
                alone[resource] = max(alone.get(resource, Fraction(0)), value)
            else:
                together[resource] = together.get(resource, Fraction(0)) + value
    peak = {
        resource: quantity.canonical(max(together.get(resource, Fraction(0)), alone.get(resource, Fraction(0))), units)
        for resource, units in families.items()
    }
    return ", ".join(f"{resource} {value}" for resource, value in sorted({**peak, **whole}.items()))


def _containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = pod["spec"]
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def _conditions(pod: Mapping[str, Any], kind: str, value: str) -> Iterator[Mapping[str, Any]]:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind and condition.get("status") == value:
            yield condition
