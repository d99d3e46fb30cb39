"""What the request of a Step does first in a container that runs several Steps (packing, docs/packing.md).

It removes what other Steps have left, and says in the log of the container which Step writes from there on, unless
marks do that. Pure.
"""

from __future__ import annotations

from monopod.coordinator.engine.events import RunStep
from monopod.coordinator.engine.run_state import StepState

WORKSPACE = "/workspace"
"""What a Task writes there beside its Workspaces stays until its last Step, and no longer."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108  # of the Pod
"""All containers of the Pod share it, so it is cleaned only if nothing else runs."""


def after_others(command: RunStep, step: StepState, *, titled: bool, alone: bool) -> RunStep:
    """Return the request of a Step in a shared container. `titled`: it has a title; `alone`: nothing else runs.

    After a breakpoint everything stays, since somebody may have prepared it.
    """
    attempt, slot = step.attempt, step.attempt.slot
    if titled:
        command = command._replace(title=_title(step, is_first=command.request == 1))
    if step.is_released:
        return command
    is_first = not any(each.request for each in attempt.steps)
    cleaned = slot.cleaned[attempt.position] if slot.cleaned else ()
    return command._replace(
        emptied=(WORKSPACE,) if slot.directory and is_first else (),
        cleaned=tuple(path for path in cleaned if alone or path != SHARED_MEMORY),
    )


def _title(step: StepState, *, is_first: bool) -> str:
    """Return the title of a Step, with an empty line before it unless it is the first of the log."""
    instance = step.attempt.instance
    combination = "" if instance.index is None else f"[{instance.index}]"
    retry = f" (attempt {step.attempt.number + 1})" if step.attempt.number else ""
    title = f"==> {instance.task.path}{combination}/{step.plan.name}{retry} <=="
    return title if is_first else f"\n{title}"
