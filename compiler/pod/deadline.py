"""How long a Pod may last (``activeDeadlineSeconds``), so that it ends even if its coordinator cannot end it.

Rules:

- The coordinator enforces the run's own timeout. A Pod can still outlast its run: kubelet waits forever for an image
  that cannot be pulled, and if it is the coordinator's image, no Step ever runs.
- So the deadline is the run's timeout, plus the time that containers may take to start, plus a margin for shutdown.
  Kubernetes counts from when a node has accepted the Pod: waiting for a node does not count.
- Files that are copied before the run and fetched after it get `COPYING` more: their time is not the run's.
- A run without a timeout has a Pod without a deadline.

Left to others: the limits of runs and Tasks (``tasks``), and enforcing them (``coordinator.engine``).
"""

from __future__ import annotations

import math

from monopod.schemas.plan import Pipeline, Plan

MARGIN = 120
"""Seconds for shutdown after the run has ended: the grace periods of Steps and of the Pod."""
COPYING = 3600
"""Seconds for copying files between the Pod and the machine that runs it."""
_LONGEST = 2**31 - 1


def active_deadline(plan: Plan, *, has_files: bool = False) -> int | None:
    """Return the seconds on its node after which Kubernetes ends the Pod; None if there is no deadline.

    `has_files`: files are copied to the Pod or from it.
    """
    limit = _limit_of_task_run(plan) if plan.document.get("kind") == "TaskRun" else _limit(plan.pipeline)
    if limit is None:
        return None
    seconds = math.ceil(limit + plan.container_start_timeout) + MARGIN + (COPYING if has_files else 0)
    return seconds if seconds <= _LONGEST else None


def _limit(pipeline: Pipeline) -> float | None:
    if pipeline.timeout is not None:
        return pipeline.timeout
    if pipeline.tasks_timeout is not None and pipeline.finally_timeout is not None:
        return pipeline.tasks_timeout + pipeline.finally_timeout
    return None


def _limit_of_task_run(plan: Plan) -> float | None:
    """The timeout of a Task is for one attempt, and a stopped Step has its grace period."""
    (task,) = plan.pipeline.tasks
    return None if task.timeout is None else (task.retries + 1) * (task.timeout + plan.stop_grace)
