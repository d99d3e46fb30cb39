"""The fields of a Job whose indexes each run the Pipeline, or a part of it, in a Pod of their own (an Indexed Job).

Rules:

- An index whose run failed has failed; the other indexes continue. With retries its run starts again in a new Pod.
- A run that was lost with its node starts again, and does not count as a retry.
- Without retries, a Pod that never ran is created again, as for any Job (``workload``).

Left to others: which part an index runs (``compiler.shards``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from monopod.compiler.pod.kube_version import KubeVersion

_SINCE = KubeVersion(1, 29)
"""The first version in which backoffLimitPerIndex is on by default."""
SUCCESS_POLICY_SINCE = KubeVersion(1, 31)
"""The first version in which successPolicy is on by default."""
MOST_SHARDS = 10_000
"""What Kubernetes allows with a limit on failed indexes, and more than one Pod can carry Plans for."""

MOST_RETRIES = 2**31 - 1
"""The largest number that a field of the Kubernetes API can hold (int32)."""


@dataclass(frozen=True, slots=True)
class Shards:
    """The options of an Indexed Job.

    ``count`` is how many indexes it has; None: one for each value of the array param ``by``. With both, each index has
    a part of the values. ``retries`` is how often a failed run of an index starts again, ``max_failed`` how many
    indexes may fail before the Job stops the others, and ``successes`` how many have to succeed; None is all.
    """

    count: int | None = None
    by: str | None = None
    retries: int = 0
    max_failed: int | None = None
    successes: int | None = None

    def problems(self, kube_version: KubeVersion) -> Iterator[str]:
        """Yield what is wrong with the options, each a message that starts with the option of the command line."""
        if kube_version < _SINCE:
            yield f"--shards needs Kubernetes 1.29 or later, not {kube_version}"
        if self.successes is not None and kube_version < SUCCESS_POLICY_SINCE:
            yield f"--success-count needs --kube-version 1.31 or later, not {kube_version}"
        if self.count is not None and not 1 <= self.count <= MOST_SHARDS:
            yield f"--shards must be from 1 to {MOST_SHARDS}, got {self.count}"
        if self.successes is not None and self.successes < 1:
            yield f"--success-count must be at least 1, got {self.successes}"
        for option, number in (("--index-retries", self.retries), ("--max-failed-indexes", self.max_failed)):
            if number is not None and number < 0:
                yield f"{option} must not be negative, got {number}"
            elif number is not None and number > MOST_RETRIES:
                yield f"{option} may be {MOST_RETRIES} at most, got {number}"

    def late_problems(self, count: int) -> Iterator[str]:
        """Yield what is wrong once it is known how many indexes there are."""
        for option, number in (("--success-count", self.successes), ("--max-failed-indexes", self.max_failed)):
            if number is not None and number > count:
                yield f"{option} {number} is more than the {count} indexes of the Job"


def longest_name(count: int) -> int:
    """Return how long the name of a Job with so many indexes may be: the hostname of a Pod is ``NAME-INDEX``."""
    return 63 - len(f"-{count - 1}")


def indexed_fields(shards: Shards, count: int, never_ran: int) -> dict[str, Any]:
    """Return the fields of the JobSpec. A Pod that never ran is created again `never_ran` times."""
    disrupted = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    failed = {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [0]}}
    return {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        "backoffLimitPerIndex": shards.retries or never_ran,
        **({"maxFailedIndexes": shards.max_failed} if shards.max_failed is not None else {}),
        **({"successPolicy": {"rules": [{"succeededCount": shards.successes}]}} if shards.successes else {}),
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [disrupted, *([] if shards.retries else [failed])]},
    }
