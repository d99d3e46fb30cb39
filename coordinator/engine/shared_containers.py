"""What the request of a Step does first in a container that runs several Steps (packing, docs/packing.md).

It removes what other Steps have left. Pure.
"""

from __future__ import annotations

from monopod.coordinator.engine.events import RunStep
from monopod.coordinator.engine.run_state import StepState

WORKSPACE = "/workspace"
"""What a Task writes there beside its Workspaces stays until its last Step, and no longer."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108  # of the Pod
"""All containers of the Pod share it, so it is cleaned only if nothing else runs."""


def after_others(command: RunStep, step: StepState, *, alone: bool) -> RunStep:
    """Return the request of a Step in a shared container. `alone`: nothing else runs.

    After a breakpoint everything stays, since somebody may have prepared it.
    """
    attempt, slot = step.attempt, step.attempt.slot
    if step.is_released:
        return command
    is_first = not any(each.request for each in attempt.steps)
    cleaned = slot.cleaned[attempt.position] if slot.cleaned else ()
    return command._replace(
        emptied=(WORKSPACE,) if slot.directory and is_first else (),
        cleaned=tuple(path for path in cleaned if alone or path != SHARED_MEMORY),
    )
