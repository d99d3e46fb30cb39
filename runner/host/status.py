"""Builds a Pod's status as kubelet would write it (Kubernetes API, PodStatus). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monopod.runner.host.lifecycle import ContainerRecord, Termination
from monopod.schemas.formats.termination_messages import longest_message
from monopod.schemas.formats.timestamps import to_rfc3339


def container_status(record: ContainerRecord, image: str) -> dict[str, Any]:
    """Return the ContainerStatus of a container."""
    status: dict[str, Any] = {
        "name": record.name,
        "image": image,
        "imageID": "",
        "ready": record.phase == "running"
        or (record.kind == "init" and record.last is not None and record.last.exit_code == 0),
        "started": record.phase in ("hook", "running"),
        "restartCount": record.restart_count,
        "state": _state(record),
    }
    if record.last is not None and record.phase != "ended":
        status["lastState"] = {"terminated": _terminated(record.last)}
    return status


def _state(record: ContainerRecord) -> dict[str, Any]:
    if record.phase == "ended" and record.last is not None:
        return {"terminated": _terminated(record.last)}
    if record.started_at is not None:
        return {"running": {"startedAt": to_rfc3339(record.started_at)}}
    if record.restart_at is not None:
        return {"waiting": {"reason": "CrashLoopBackOff"}}
    return {"waiting": {"reason": "ContainerCreating" if record.phase == "starting" else "PodInitializing"}}


def _terminated(termination: Termination) -> dict[str, Any]:
    started = termination.finished_at if termination.started_at is None else termination.started_at
    terminated: dict[str, Any] = {
        "exitCode": termination.exit_code,
        "reason": termination.reason,
        "startedAt": to_rfc3339(started),
        "finishedAt": to_rfc3339(termination.finished_at),
    }
    if termination.signal is not None:
        terminated["signal"] = termination.signal
    if termination.message:
        terminated["message"] = termination.message
    return terminated


def pod_status(
    pod: Mapping[str, Any],
    containers: Mapping[str, dict[str, Any]],
    *,
    phase: str,
    reason: str,
    message: str,
    started_at: float,
    address: str,
) -> dict[str, Any]:
    """Return the PodStatus; `containers` are the ContainerStatuses by name."""
    specs = [pod["spec"].get("initContainers") or (), pod["spec"]["containers"]]
    longest = longest_message(sum(map(len, specs)))
    initial, ordinary = (_in_order(each, containers, longest) for each in specs)
    initialized = all(status["started"] or "terminated" in status["state"] for status in ordinary)
    ended = phase in ("Succeeded", "Failed")
    ready = not ended and all(status["ready"] for status in ordinary)
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": [
            _condition("Initialized", initialized, ""),
            _condition("Ready", ready, "PodCompleted" if phase == "Succeeded" else ""),
            _condition("ContainersReady", ready, "PodCompleted" if phase == "Succeeded" else ""),
            _condition("PodScheduled", True, ""),
        ],
        "hostIP": address,
        "podIP": address,
        "startTime": to_rfc3339(started_at),
        "containerStatuses": ordinary,
    }
    if initial:
        status["initContainerStatuses"] = initial
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    return status


def _in_order(
    containers: Iterable[Mapping[str, Any]], known: Mapping[str, dict[str, Any]], longest: int
) -> list[dict[str, Any]]:
    return [_cut(known[container["name"]], longest) for container in containers if container["name"] in known]


def _cut(status: dict[str, Any], longest: int) -> dict[str, Any]:
    """Return a ContainerStatus whose termination messages have at most `longest` bytes."""
    cut = {**status}
    for key in ("state", "lastState"):
        terminated = status.get(key, {}).get("terminated", {})
        data = terminated.get("message", "").encode()
        if len(data) > longest:
            cut[key] = {"terminated": {**terminated, "message": data[:longest].decode(errors="ignore")}}
    return cut


def _condition(kind: str, holds: bool, reason: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True" if holds else "False"}
    return condition | ({"reason": reason} if reason else {})
