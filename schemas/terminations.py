"""How the end of a container is reported: the coordinator writes it, and the runner completes and reads it.

Source: Tekton docs/taskruns.md, the table of reasons, and pkg/pod/status.go.
"""

from __future__ import annotations

KILLED_MESSAGE = "its container was killed, from outside or for its use of memory"
"""The message of a program that ended with its container."""
KILLED_EXIT_CODE = 137
"""Its exit code, as Kubernetes reports it: 128 and the number of SIGKILL."""

CUT_OFF = frozenset(
    {"TaskRunCancelled", "TaskRunTimeout", "TaskRunImagePullFailed", "CreateContainerConfigError", "PodCreationFailed"}
)
"""Reasons of a TaskRun that was ended from outside: its Steps that had not ended by then get the same one."""


def ended_as(step: str, exit_code: int, task: str, *, out_of_memory: bool) -> tuple[str, str]:
    """Return why a Step ended, as `terminated.reason` and `terminationReason` say it.

    `step` is the reason of its event (``run_events.StepFinished``), `task` the reason of the TaskRun it belongs to.
    """
    if task in CUT_OFF and (step in ("Cancelled", "TimedOut") or (step == "Skipped" and exit_code)):
        return task, task
    completed = step in ("Completed", "Continued") or exit_code == 0
    reason = "OOMKilled" if out_of_memory else "Completed" if completed else "Error"
    return reason, "TimeoutExceeded" if step == "TimedOut" else step
