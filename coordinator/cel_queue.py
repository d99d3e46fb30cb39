"""The CEL expressions of a run that have no answer yet. They are evaluated one after another (``cel_process``).

Rules:

- Which expressions wait follows from the journal only: `add` and `remove` maintain it. Evaluating them is separate.
- The descriptor of the evaluation in progress is registered with `epoll`, and becomes readable when there is an answer.

Left to others: when to look, and what follows from an answer (``shell``).
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from monopod.coordinator.engine.events import CelEvaluated, EvaluateCel
from monopod.schemas.variables import EvaluationError

if TYPE_CHECKING:
    from monopod.coordinator.cel_process import CelProcesses, Evaluation


class CelQueue:
    """The expressions by their numbers, in order. The first is being evaluated.

    ``give_up_at``: when the evaluation in progress takes too long; None if there is none.
    """

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._waiting: dict[int, EvaluateCel] = {}
        self._processes: CelProcesses | None = None
        self._evaluation: Evaluation | None = None
        self.give_up_at: float | None = None

    @property
    def descriptor(self) -> int | None:
        """The descriptor of the evaluation in progress."""
        return None if self._evaluation is None else self._evaluation.descriptor

    def add(self, command: EvaluateCel) -> None:
        """Remember an expression that the engine asks for."""
        self._waiting[command.number] = command

    def remove(self, number: int) -> None:
        """Forget an expression that has its answer."""
        self._waiting.pop(number, None)

    def start_next(self, now: float) -> CelEvaluated | None:
        """Start to evaluate the next expression, unless one is being evaluated. If it cannot be, return the answer."""
        if self._evaluation is not None or not self._waiting:
            return None
        if self._processes is None:
            from monopod.coordinator.cel_process import CelProcesses  # noqa: PLC0415  # only plans that use CEL pay

            self._processes = CelProcesses()
        number, command = next(iter(self._waiting.items()))
        try:
            self._evaluation = self._processes.start(command.expression)
        except EvaluationError as error:
            self.remove(number)
            return CelEvaluated(now, number, False, str(error))
        self.give_up_at = now + self._evaluation.patience
        self._epoll.register(self._evaluation.descriptor, select.EPOLLIN)
        return None

    def is_late(self, now: float) -> bool:
        """Return whether the evaluation in progress takes too long."""
        return self.give_up_at is not None and now >= self.give_up_at

    def finish(self, now: float) -> CelEvaluated:
        """End the evaluation in progress, which has its answer or takes too long, and return the answer."""
        evaluation = self._evaluation
        assert evaluation is not None
        self._epoll.unregister(evaluation.descriptor)
        self._evaluation = self.give_up_at = None
        number = next(iter(self._waiting))
        self.remove(number)
        try:
            return CelEvaluated(now, number, evaluation.finish())
        except EvaluationError as error:
            return CelEvaluated(now, number, False, str(error))
