"""A JobSet (jobset.x-k8s.io/v1alpha2): a Job for each group, which starts when the Jobs before it are complete.

Rules:

- A Job fails at once if its run fails, and runs again if its Pod was lost, as any Job of monopod (``pod.workload``).
  The JobSet then fails, and the Jobs that still run are stopped.
- ``dependsOn`` has the groups that are directly before, at most `MOST_NEEDS`, and never a later one in the list.
- Nothing is handed over.
- The names of a JobSet's Jobs and of its Service begin with its own. A Service has a letter first, and no dots.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from monopod.compiler.grouping.group_pod import GroupPod, own_metadata, pod_metadata
from monopod.compiler.pod.assembly import with_variables
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.workload import Workload, job_spec

MOST_NEEDS = 5
"""How many Jobs a Job of a JobSet can depend on."""
LONGEST_SUFFIX = "-0-0-xxxxx"
"""What JobSet adds to the names of a JobSet and a Job for the name of a Pod, which its webhook checks."""

_NAME = re.compile(r"[a-z][-a-z0-9]*")
_VARIABLES = {
    "MONOPOD_RUN_NAME": "metadata.labels['jobset.sigs.k8s.io/jobset-name']",
    "MONOPOD_RUN_UID": "metadata.labels['jobset.sigs.k8s.io/jobset-uid']",
}


def job_set(pods: Sequence[GroupPod], workload: Workload, kube_version: KubeVersion) -> dict[str, Any]:
    """Return the JobSet of these groups."""
    metadata = own_metadata(pods[0].pod)
    metadata["labels"] = {**metadata["labels"], **workload.labels}
    needs = direct_needs(pods)
    jobs = []
    for each in pods:
        pod = with_variables(
            each.pod,
            [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _VARIABLES.items()],
        )
        job = job_spec({"metadata": pod_metadata(pod), "spec": pod["spec"]}, Workload("Job"), kube_version)
        depends = [{"name": name, "status": "Complete"} for name in needs[each.name]]
        jobs.append(
            {
                "name": each.name,
                "replicas": 1,
                **({"dependsOn": depends} if depends else {}),
                "template": {"spec": {"parallelism": 1, "completions": 1, **job}},
            }
        )
    ttl = {} if workload.ttl is None else {"ttlSecondsAfterFinished": math.ceil(workload.ttl)}
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata,
        "spec": {**ttl, "replicatedJobs": jobs},
    }


def direct_needs(pods: Sequence[GroupPod]) -> dict[str, tuple[str, ...]]:
    """Return the groups that each group waits for, without those that others of them wait for."""
    all_before: dict[str, set[str]] = {}
    direct = {}
    for each in pods:
        needs = each.group.needs
        further = set().union(*(all_before[name] for name in needs))
        direct[each.name] = tuple(name for name in needs if name not in further)
        all_before[each.name] = further | set(needs)
    return direct


def job_set_problems(pods: Sequence[GroupPod]) -> Iterator[str]:
    """Yield what a JobSet cannot have."""
    metadata = pods[0].pod["metadata"]
    name = metadata.get("name") or metadata.get("generateName", "")
    if _NAME.fullmatch(name) is None:
        yield (
            f"--kind JobSet: its Service cannot be named after '{name}': use lower-case letters, digits and '-', a "
            "letter first; give the run another name"
        )
    for name, needs in direct_needs(pods).items():
        if len(needs) > MOST_NEEDS:
            yield (
                f"--kind JobSet: the group '{name}' waits for {len(needs)} groups, and a Job of a JobSet can depend on "
                f"{MOST_NEEDS}; join groups, or use --kind Workflow"
            )
