"""What happens to an attempt, beside the events that it takes as they are. Pure.

What an attempt does then, in which state: ``attempts``.
"""

from __future__ import annotations

from typing import NamedTuple

from monopod.coordinator.engine.events import Exit
from monopod.coordinator.engine.run_state import Outcome, SidecarState, StepState


class ContainerChanged(NamedTuple):
    """A container of its slot has become ready, or is gone while nothing of the attempt ran in it."""


class ContainerLate(NamedTuple):
    """A container that it waits for has not started in time."""

    container: str


class HeadStartOver(NamedTuple):
    """A Sidecar without a readinessProbe has had its head start, and counts as ready."""

    sidecar: SidecarState


class ProbeDue(NamedTuple):
    """The next try of a readinessProbe is due, or the current one takes too long."""

    sidecar: SidecarState


class SidecarEnded(NamedTuple):
    """A Sidecar has ended, by itself or because it was stopped."""

    sidecar: SidecarState
    exit: Exit


class StepEnded(NamedTuple):
    """The running Step has ended."""

    step: StepState
    exit: Exit


class StepTimedOut(NamedTuple):
    """The timeout of the running Step has expired."""

    step: StepState


class Stop(NamedTuple):
    """The attempt is cut off: its Task timed out or was cancelled, or a container of its slot cannot start."""

    outcome: Outcome
