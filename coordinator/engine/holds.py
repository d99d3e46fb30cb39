"""Holding an attempt at a breakpoint, in its container, until somebody releases it.

Rules:

- A breakpoint holds an attempt before a Step, or after a Step has failed (Tekton docs/debug.md). Each attempt of a Task
  is held, also a retry.
- While an attempt is held, the clocks of the timeouts stop that would end it: of its Task, and of the Pipelines around
  it. In Tekton they run on, which ends what somebody looks at.
- Whatever ends a hold, `end` is called once: a release, a cancellation, or the loss of the container.

Left to others: in which states an attempt is held, and what follows (``attempts``); the files (``shell``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.events import EndHold, HoldStep, RunStep, Verdict
from monopod.coordinator.engine.run_state import PipelineState, State, StepState
from monopod.schemas.run_events import StepHeld, StepReleased


class Holds:
    """Begins and ends holds."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def begin(
        self,
        step: StepState,
        state: Literal[State.HELD_BEFORE, State.HELD_FAILED],
        before: RunStep | None = None,
    ) -> None:
        """Hold the attempt of a Step; `before` is the request that the Step will be."""
        attempt, now = step.attempt, self._commands.now
        for timer in _clocks(step):
            self._commands.pause_timer(timer)
        self._commands.do(HoldStep(attempt.slot.name, step.container, before))
        has_failed = state is State.HELD_FAILED
        code, why, mark = (step.exit_code, step.message, step.exit.mark) if has_failed else (0, "", "")
        who = (attempt.instance.task.path, attempt.instance.index, attempt.number, step.plan.name, step.container)
        self._commands.report(StepHeld(now, *who, has_failed, code, why, mark))

    def end(self, step: StepState, verdict: Verdict | Literal[""] = "") -> None:
        """End the hold of a Step, as somebody requested, or for another reason."""
        attempt, now = step.attempt, self._commands.now
        self._commands.do(EndHold(step.container))
        who = (attempt.instance.task.path, attempt.instance.index, attempt.number, step.plan.name, step.container)
        self._commands.report(StepReleased(now, *who, verdict))
        for timer in _clocks(step):
            self._commands.resume_timer(timer)


def _clocks(step: StepState) -> Iterator[str]:
    """Yield the timers of the timeouts that would end the attempt of a Step."""
    attempt = step.attempt
    yield f"task:{attempt.slot.name}"
    pipeline: PipelineState | None = attempt.instance.task.pipeline
    while pipeline is not None:
        yield from (f"{kind}:{pipeline.path}" for kind in ("pipeline", "tasks", "finally"))
        pipeline = None if pipeline.parent is None else pipeline.parent.pipeline
