"""The tries of Sidecars' readinessProbes.

Rules:

- There is one try of a Sidecar at a time: a request in its container, or a connection to it.
- A request that exceeds the probe's timeout is stopped, and fails when it ends. A connection has a timeout of its own.
- The timer ``probe:CONTAINER`` is for the next try, or for the end of the current request.

Pure. Left to others: when the next try is due (``probe_schedule``), and what follows when a Sidecar is ready
(``attempts``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from monopod.coordinator.engine.commands import Commands
from monopod.coordinator.engine.containers import Containers
from monopod.coordinator.engine.events import RunProbe, StopStep, TryConnection
from monopod.coordinator.engine.probe_schedule import ProbeSchedule
from monopod.coordinator.engine.run_state import Change, SidecarState
from monopod.schemas.plan import Probe


class ReadinessProbes:
    """Makes the tries. `react` is called when a timer fires; it calls `proceed` if the Sidecar is still awaited."""

    def __init__(
        self, commands: Commands, containers: Containers, react: Callable[[SidecarState], Change | None]
    ) -> None:
        self._commands = commands
        self._containers = containers
        self._react = react

    def begin(self, sidecar: SidecarState, probe: Probe) -> None:
        """Begin to probe a Sidecar that was started."""
        sidecar.schedule = ProbeSchedule(probe)
        self._set_timer(sidecar, sidecar.schedule.delay)

    def proceed(self, sidecar: SidecarState) -> None:
        """Start a try, or stop the request that takes too long."""
        schedule, command = sidecar.schedule, sidecar.command
        assert schedule is not None
        assert command is not None
        probe = schedule.probe
        if sidecar.probe:
            self._commands.do(StopStep(sidecar.container, sidecar.probe, 0))
        elif probe.command:
            sidecar.probe = self._containers[sidecar.container].number_request()
            environment, directory = command.environment, command.working_directory
            self._commands.do(
                RunProbe(command.slot, sidecar.container, sidecar.probe, probe.command, environment, directory)
            )
            self._set_timer(sidecar, probe.timeout)
        else:
            sidecar.probe = sidecar.request
            self._commands.do(TryConnection(sidecar.container, sidecar.probe, probe))

    def take(self, sidecar: SidecarState, *, succeeded: bool) -> bool:
        """Take the outcome of a try, and return whether the Sidecar is ready. Otherwise there is a next try."""
        sidecar.probe = 0
        self._commands.clear_timer(_timer(sidecar))
        assert sidecar.schedule is not None
        sidecar.schedule.record(succeeded=succeeded)
        if not sidecar.schedule.ready:
            self._set_timer(sidecar, sidecar.schedule.delay)
        return sidecar.schedule.ready

    def stop(self, sidecar: SidecarState) -> None:
        """Make no further try of a Sidecar, and stop the current request."""
        self._commands.clear_timer(_timer(sidecar))
        if sidecar.probe not in (0, sidecar.request):
            self._commands.do(StopStep(sidecar.container, sidecar.probe, 0))
        sidecar.probe = 0

    def _set_timer(self, sidecar: SidecarState, delay: float) -> None:
        self._commands.set_timer(_timer(sidecar), delay, partial(self._react, sidecar))


def _timer(sidecar: SidecarState) -> str:
    return f"probe:{sidecar.container}"
