"""How long a Pod may last (``activeDeadlineSeconds``), so that it ends even if nobody in it can end it.

Rules:

- A run with a limit of its own needs none from outside: the coordinator ends it. A Pod can outlast its run all the
  same: kubelet waits for ever for a container whose image never comes, whatever the others do; and if it is the
  coordinator's, no Step ever runs.
- So a Pod may last as long as its run, what containers may take to start, and a margin for the end. Kubernetes counts
  from when a node has taken the Pod: waiting for a node does not count.
- A run without a limit has a Pod without one.

Left to others: the limits of runs and Tasks (``tasks``), and keeping to them (``coordinator.engine``).
"""

from __future__ import annotations

import math

from monopod.schemas.plan import Pipeline, Plan

MARGIN = 120
"""Seconds for what a run that is over still does: Steps have a grace period, and so has the Pod."""
_LONGEST = 2**31 - 1


def active_deadline(plan: Plan) -> int | None:
    """Return after how many seconds on its node a Pod is to be ended; None: never."""
    limit = _limit_of_task_run(plan) if plan.document.get("kind") == "TaskRun" else _limit(plan.pipeline)
    if limit is None:
        return None
    seconds = math.ceil(limit + plan.container_start_timeout) + MARGIN
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
