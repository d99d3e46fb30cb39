"""Workloads: the object that is applied to a cluster: the Pod itself, a Job, a CronJob or a PodTemplate.

Rules:

- A failed run is not retried: a Pipeline has effects outside. A run that was lost with its node is retried. A Job
  distinguishes the two by the Pod's condition DisruptionTarget, and by the exit codes of its containers. The containers
  of Steps exit with the Steps' codes, and a failed run has one that is not 0 (``coordinator.engine``). A native sidecar
  does not count for the phase of its Pod, and its exit code counts only in Pods that failed.
- A Pod that failed without any exit code has never run (a node refused it, or the coordinator's image was not pulled).
  ``backoffLimit`` is for these Pods.
- Before 1.26 a Job does not know why its Pod failed, so it never retries: a missing run is better than a second
  deployment.
- A Job creates a second Pod, and a CronJob by default a second run, only after the first has ended.
- Kueue reads labels of the object that it admits: of the Pod, the Job, or a CronJob's Jobs. Its webhook suspends the
  object until then.
- Equal Pods give equal objects.

Left to others: the Pod (``pod.assembly``), the fields of an Indexed Job (``indexed_job``), reading the options, and the
annotations of a run that say the same (``workload_annotations``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from monopod.compiler.diagnostics import did_you_mean
from monopod.compiler.pod.indexed_job import Shards, indexed_fields
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.schemas.formats.object_names import label_problem

Kind: TypeAlias = Literal["Pod", "Job", "CronJob", "PodTemplate"]
KindOfGroups: TypeAlias = Literal["JobSet", "Workflow", "PipelineRun"]
"""An object that runs groups of Tasks, a Pod each (``compiler.grouping``)."""
KINDS: tuple[Kind, ...] = get_args(Kind)

CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")
RETRIES = 3
"""How many Pods of a Job may fail without having run before the Job does."""
MAX_SECONDS = 2**31 - 1
"""The longest time that a field of the Kubernetes API can hold (int32)."""

_LONGEST_NAME = {"Pod": 253, "PodTemplate": 253, "Job": 63, "CronJob": 52}
"""A Job's name is a label of its Pods; a CronJob's gets eleven characters more in its Jobs."""
_OF_THE_POD_ALONE = frozenset({"kubectl.kubernetes.io/default-container"})


@dataclass(frozen=True, slots=True)
class Workload:
    """The options of a workload: ``ttl``, in seconds, for Jobs and CronJobs, the others for CronJobs.

    There are options of the command line for ``schedule``, ``time_zone`` and ``ttl``. Annotations of the run can set
    all (``workload_annotations``). ``shards`` make a Job an Indexed Job. ``queue`` is the LocalQueue of Kueue that
    admits the object, ``priority_class`` its WorkloadPriorityClass.
    """

    kind: Kind = "Pod"
    schedule: str | None = None
    time_zone: str | None = None
    ttl: float | None = None
    concurrency_policy: str = "Forbid"
    suspend: bool = False
    shards: Shards | None = None
    queue: str | None = None
    priority_class: str | None = None

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the options, each a message that starts with the option of the command line."""
        for option, value in (("--schedule", self.schedule), ("--time-zone", self.time_zone)):
            if value is not None and self.kind != "CronJob":
                yield f"{option} is for --kind CronJob, not for {self.kind}"
        if self.ttl is not None and self.kind not in ("Job", "CronJob"):
            yield f"--ttl is for --kind Job and CronJob: no cluster removes a {self.kind} by itself"
        elif self.ttl is not None and self.ttl > MAX_SECONDS:
            yield f"--ttl may be {MAX_SECONDS} seconds at most"
        yield from self._queue_problems()
        if self.shards is not None and self.kind != "Job":
            yield f"--shards and --shard-by are for --kind Job, not for {self.kind}"
        if self.schedule is not None and (wrong := _schedule_problem(self.schedule)) is not None:
            yield f"--schedule: {wrong}"
        if self.time_zone is not None and (wrong := time_zone_problem(self.time_zone)) is not None:
            yield f"--time-zone: {wrong}"

    def _queue_problems(self) -> Iterator[str]:
        for option, name in (("--queue", self.queue), ("--priority-class", self.priority_class)):
            if name is not None and (wrong := label_problem(name)) is not None:
                yield f"{option}: {wrong}"
        if self.priority_class is not None and self.queue is None:
            yield (
                "--priority-class is a WorkloadPriorityClass of Kueue; add --queue, or set priorityClassName in the "
                "podTemplate instead"
            )

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which Kueue admits the object."""
        labels = {"kueue.x-k8s.io/queue-name": self.queue, "kueue.x-k8s.io/priority-class": self.priority_class}
        return {name: value for name, value in labels.items() if value is not None}


def _schedule_problem(text: str) -> str | None:
    from monopod.compiler.pod.cron_schedule import schedule_problem  # noqa: PLC0415  # only a CronJob has a schedule

    return schedule_problem(text)


A_POD = Workload()
"""Nothing around the Pod."""


def name_problem(metadata: Mapping[str, Any], kind: Kind) -> str | None:
    """Return what is wrong with a Pod's name for a kind of object, as a message; None if it is valid."""
    name = _fixed_name(metadata) if kind == "CronJob" else metadata.get("name")
    if name is None or len(name) <= _LONGEST_NAME[kind]:
        return None
    return f"'{name}' has {len(name)} characters; the name of a {kind} may have {_LONGEST_NAME[kind]}"


def make_workload(pod: dict[str, Any], workload: Workload, kube_version: KubeVersion) -> dict[str, Any]:
    """Return the object (JSON-like) that runs `pod`, a Pod without a status, on a cluster of a version."""
    metadata = pod["metadata"]
    queued = {**metadata["labels"], **workload.labels}
    if workload.kind == "Pod":
        return {**pod, "metadata": {**metadata, "labels": queued}} if workload.labels else pod
    own = {key: value for key, value in metadata.items() if key in ("name", "generateName", "namespace", "labels")}
    annotations = {key: value for key, value in metadata["annotations"].items() if key not in _OF_THE_POD_ALONE}
    template = {
        "metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]},
        "spec": pod["spec"],
    }
    if workload.kind == "Job":
        own["labels"] = queued
    head = {"kind": workload.kind, "metadata": {**own, "annotations": annotations}}
    if workload.kind == "PodTemplate":
        template["metadata"] = {**template["metadata"], "labels": queued}
        return {"apiVersion": "v1", **head, "template": template}
    job = job_spec(template, workload, kube_version)
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
            "concurrencyPolicy": workload.concurrency_policy,
            **({"suspend": True} if workload.suspend else {}),
            "jobTemplate": {"metadata": {"labels": queued, "annotations": annotations}, "spec": job},
        },
    }


def _fixed_name(metadata: Mapping[str, Any]) -> str | None:
    """Return the name of an object that is created once for many runs: only names distinguish CronJobs."""
    name: str | None = metadata.get("name") or metadata.get("generateName", "").rstrip("-.") or None
    return name


def job_spec(template: dict[str, Any], workload: Workload, kube_version: KubeVersion) -> dict[str, Any]:
    """Return the spec of a Job whose Pods are made from `template`."""
    shards, ttl = workload.shards, workload.ttl
    count = None if shards is None else shards.count
    return {
        **(_retries(kube_version) if shards is None or count is None else indexed_fields(shards, count, RETRIES)),
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


def time_zone_problem(name: str) -> str | None:
    """Return what is wrong with a time zone, checked against this machine's list."""
    import zoneinfo  # noqa: PLC0415  # only a CronJob has a time zone

    known = zoneinfo.available_timezones()
    if name in known or (not known and name and name != "Local"):
        return None
    return f"unknown time zone '{name}'{did_you_mean(name, known)}; use a name such as Europe/Berlin or Etc/UTC"
