"""The tries of Sidecars' readinessProbes.

Rules:

- There is one try of a Sidecar at a time: a request in its container, or a connection to it.
- A request that exceeds the probe's timeout is stopped, and fails when it ends. A connection has a timeout of its own.
- The timer ``probe:CONTAINER`` is for the next try, or for the end of the current request.
- A probe that counts as failed, or that failed until its Task was cut off, is a warning with the reason of the last
  try: the counterpart of Kubernetes' event ``Unhealthy``. There is one for each start of a Sidecar.

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
from monopod.schemas.run_events import RunWarning


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
            schedule.is_late = True
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

    def take(self, sidecar: SidecarState, *, succeeded: bool, reason: str) -> bool:
        """Take the outcome of a try, and return whether the Sidecar is ready. Otherwise there is a next try."""
        sidecar.probe = 0
        self._commands.clear_timer(_timer(sidecar))
        schedule = sidecar.schedule
        assert schedule is not None
        schedule.record(self._commands.now, succeeded=succeeded, reason=reason)
        if schedule.has_failed(self._commands.now):
            self._warn(sidecar, schedule)
        if not schedule.ready:
            self._set_timer(sidecar, schedule.delay)
        return schedule.ready

    def give_up(self, sidecar: SidecarState) -> None:
        """Stop probing a Sidecar whose Task is cut off before the Sidecar is ready, and say why it is not."""
        self.stop(sidecar)
        if sidecar.schedule is not None and sidecar.schedule.failures >= sidecar.schedule.probe.failure_threshold:
            self._warn(sidecar, sidecar.schedule)

    def _warn(self, sidecar: SidecarState, schedule: ProbeSchedule) -> None:
        if schedule.is_reported:
            return
        schedule.is_reported = True
        task, name = sidecar.attempt.instance.task.path, sidecar.plan.step.name
        text = f"Sidecar '{name}' of Task '{task}' is not ready: its probe fails: {schedule.failure}"
        self._commands.report(RunWarning(self._commands.now, text))

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
