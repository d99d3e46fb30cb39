"""Workloads: the object in which a Pod is handed to a cluster: the Pod itself, a Job, a CronJob or a PodTemplate.

Rules:

- What has failed by itself is not run again: a Pipeline has effects outside. What went down with its node is. A Job
  tells the two apart by the Pod's condition DisruptionTarget, and by the exit codes of its containers: those of Steps
  are the Steps' own, and a run that fails has one that is not 0 (``coordinator.engine``). A native sidecar does
  not count for the phase of its Pod, and its exit code counts only in Pods that failed.
- Pods that failed without any exit code have never run (a node refused them, or the coordinator's image never came):
  these are what ``backoffLimit`` is for.
- Before 1.26 a Job does not know why its Pod failed. It never retries there: one run too few is better than a second
  deployment.
- No second Pod is made before the first has ended, nor a second run of a CronJob.
- Equal Pods give equal objects.

Left to others: the Pod (``pod.assembly``), and where the options come from.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.pod.cron_schedule import schedule_problem
from monopod.compiler.pod.kube_version import KubeVersion

Kind: TypeAlias = Literal["Pod", "Job", "CronJob", "PodTemplate"]
KINDS: tuple[Kind, ...] = get_args(Kind)

RETRIES = 3
"""How many Pods of a Job may fail without having run before the Job does."""
MAX_SECONDS = 2**31 - 1
"""The longest time that a field of the Kubernetes API takes (int32)."""

_LONGEST_NAME = {"Pod": 253, "PodTemplate": 253, "Job": 63, "CronJob": 52}
"""A Job's name is a label of its Pods; a CronJob's gets eleven characters more in its Jobs."""
_OF_THE_POD_ALONE = frozenset({"kubectl.kubernetes.io/default-container"})


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked for. ``schedule`` and ``time_zone`` are a CronJob's; ``ttl``, in seconds, is a Job's too."""

    kind: Kind = "Pod"
    schedule: str | None = None
    time_zone: str | None = None
    ttl: float | None = None

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with it, each in words that start with the option of the command line."""
        if self.kind == "CronJob" and self.schedule is None:
            yield "--kind CronJob needs --schedule, such as --schedule '30 3 * * 1-5'"
        for option, value in (("--schedule", self.schedule), ("--time-zone", self.time_zone)):
            if value is not None and self.kind != "CronJob":
                yield f"{option} is for --kind CronJob, not for {self.kind}"
        if self.ttl is not None and self.kind not in ("Job", "CronJob"):
            yield f"--ttl is for --kind Job and CronJob: no cluster removes a {self.kind} by itself"
        elif self.ttl is not None and self.ttl > MAX_SECONDS:
            yield f"--ttl may be {MAX_SECONDS} seconds at most"
        if self.schedule is not None and (wrong := schedule_problem(self.schedule)) is not None:
            yield f"--schedule: {wrong}"
        if self.time_zone is not None and (wrong := _time_zone_problem(self.time_zone)) is not None:
            yield f"--time-zone: {wrong}"


A_POD = Workload()
"""Nothing around the Pod."""


def name_problem(metadata: Mapping[str, Any], kind: Kind) -> str | None:
    """Return what is wrong with a Pod's name for a kind of object, in words; None if nothing is."""
    name = _fixed_name(metadata) if kind == "CronJob" else metadata.get("name")
    if name is None or len(name) <= _LONGEST_NAME[kind]:
        return None
    return f"'{name}' has {len(name)} characters; the name of a {kind} may have {_LONGEST_NAME[kind]}"


def make_workload(pod: dict[str, Any], workload: Workload, kube_version: KubeVersion) -> dict[str, Any]:
    """Return the object (JSON-like) that has a cluster of a version run `pod`, a Pod without a status."""
    if workload.kind == "Pod":
        return pod
    metadata = pod["metadata"]
    own = {key: value for key, value in metadata.items() if key in ("name", "generateName", "namespace", "labels")}
    annotations = {key: value for key, value in metadata["annotations"].items() if key not in _OF_THE_POD_ALONE}
    template = {
        "metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]},
        "spec": pod["spec"],
    }
    head = {"kind": workload.kind, "metadata": {**own, "annotations": annotations}}
    if workload.kind == "PodTemplate":
        return {"apiVersion": "v1", **head, "template": template}
    job = _job_spec(template, workload.ttl, kube_version)
    if workload.kind == "Job":
        return {"apiVersion": "batch/v1", **head, "spec": job}
    own.pop("generateName", None)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": _fixed_name(metadata), **own, "annotations": annotations},
        "spec": {
            "schedule": workload.schedule,
            **({"timeZone": workload.time_zone} if workload.time_zone is not None else {}),
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"metadata": {"labels": metadata["labels"], "annotations": annotations}, "spec": job},
        },
    }


def _fixed_name(metadata: Mapping[str, Any]) -> str | None:
    """Return the name of what is made once for many runs: CronJobs have only their names to tell them apart."""
    name: str | None = metadata.get("name") or metadata.get("generateName", "").rstrip("-.") or None
    return name


def _job_spec(template: dict[str, Any], ttl: float | None, kube_version: KubeVersion) -> dict[str, Any]:
    return {
        **_retries(kube_version),
        **({"ttlSecondsAfterFinished": math.ceil(ttl)} if ttl is not None else {}),
        "template": template,
    }


def _retries(kube_version: KubeVersion) -> dict[str, Any]:
    if not kube_version.has_pod_failure_policy:
        return {"backoffLimit": 0}
    codes: dict[str, Any] = {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}}
    if not kube_version.has_pod_replacement_policy:
        codes["onPodConditions"] = []  # the schemas before 1.29 say that it must be there
    return {
        "backoffLimit": RETRIES,
        **({"podReplacementPolicy": "Failed"} if kube_version.has_pod_replacement_policy else {}),
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                codes,
            ]
        },
    }


def _time_zone_problem(name: str) -> str | None:
    """Return what is wrong with a time zone, by the list of this machine."""
    known = zoneinfo.available_timezones()
    if name in known or (not known and name and name != "Local"):
        return None
    return f"there is no time zone '{name}'{did_you_mean(name, known)}; use a name such as Europe/Berlin or Etc/UTC"
