"""When to probe a Sidecar for readiness, and when it is ready.

Rules (Kubernetes, "Configure Liveness, Readiness and Startup Probes"):

- The first try comes after the initial delay; a Sidecar is ready after `success_threshold` successes in a row.
- `failure_threshold` says nothing here: a Sidecar that is not ready yet cannot become less so.

One thing differs: Kubernetes tries every `period` (10 seconds by default), so that a server that is up after 0.3 s is
noticed after 10. Here the first tries follow each other faster, and slow down to the period.

Pure. Left to others: when a try is made, and what follows (``attempts``); the tries themselves (``shell``).
"""

from __future__ import annotations

from monopod.schemas.plan import Probe

_FIRST_PERIOD = 0.05


class ProbeSchedule:
    """The tries of one Sidecar. `ready` is the outcome so far, `delay` how long to wait before the next try."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.ready = False
        self.delay = probe.initial_delay
        self._period = min(_FIRST_PERIOD, probe.period)
        self._successes = 0

    def record(self, *, succeeded: bool) -> None:
        """Take the outcome of a try."""
        self._successes = self._successes + 1 if succeeded else 0
        self.ready = self._successes >= self.probe.success_threshold
        self.delay = self._period
        self._period = min(self._period * 2, self.probe.period)
