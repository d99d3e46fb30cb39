"""Which containers restart when they are killed, so that their Task can be retried in them.

On cgroup v2 the kernel kills a whole container that runs out of memory, its entrypoint included. Such a container has
restart rules (Kubernetes docs, "Container restart policy and rules"), if a further attempt may run in it: its Task has
retries, or its slot is used by several combinations of a matrix. The Pod itself keeps restartPolicy Never.

Pure. Left to others: what runs in a restarted container (``monopod.coordinator.engine``).
"""

from __future__ import annotations

from typing import Any

from monopod.compiler.scope.known_combinations import names_known
from monopod.schemas.formats import exit_codes
from monopod.schemas.plan import Pipeline, Task
from monopod.schemas.variables import Path, Scope

RESTART_FIELDS: dict[str, Any] = {
    "restartPolicy": "Never",
    "restartPolicyRules": [
        {"action": "Restart", "exitCodes": {"operator": "In", "values": list(exit_codes.RESTARTED)}},
    ],
}
"""The fields of a container that restarts (core/v1)."""
RESTARTS_OPTION = "--restarts"
"""The option of its entrypoint."""


def with_restarts(pipeline: Pipeline) -> Pipeline:
    """Return a Pipeline with the slots marked whose containers restart."""
    values: dict[Path, Any] = {("params", param.name): param.value for param in pipeline.params}
    return _with_restarts(pipeline, Scope(values))


def _with_restarts(pipeline: Pipeline, scope: Scope) -> Pipeline:
    tasks, final_tasks = (
        tuple(_task(task, scope) for task in tasks) for tasks in (pipeline.tasks, pipeline.final_tasks)
    )
    return pipeline._replace(tasks=tasks, final_tasks=final_tasks)


def _task(task: Task, scope: Scope) -> Task:
    if task.pipeline is not None:
        return task._replace(pipeline=_with_restarts(task.pipeline, Scope({})))  # its params are known while running
    if not _is_used_again(task, scope):
        return task
    return task._replace(slots=tuple(slot._replace(restarts=True) for slot in task.slots))


def _is_used_again(task: Task, scope: Scope) -> bool:
    """Whether more than one attempt may run in a slot of the Task."""
    if task.retries > 0:
        return True
    if task.matrix is None or task.matrix.pinned:
        return False
    names = names_known(task.matrix, scope)
    return names is None or len(names) > len(task.slots)
