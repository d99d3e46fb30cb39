"""When to probe a Sidecar for readiness, and when it is ready.

Rules (Kubernetes, "Configure Liveness, Readiness and Startup Probes"):

- The first try comes after the initial delay; a Sidecar is ready after `success_threshold` successes in a row.
- `failure_threshold` does not apply: a Sidecar that is not ready yet cannot become unready.

One difference: Kubernetes probes once per `period` (10 seconds by default), so it notices after 10 s that a server was
ready after 0.3 s. Here the first tries follow each other faster, and slow down to the period.

Pure. Left to others: the tries (``readiness_probes``), and what follows (``attempts``).
"""

from __future__ import annotations

from monopod.schemas.plan import Probe

_FIRST_PERIOD = 0.05


class ProbeSchedule:
    """The tries of one Sidecar. ``ready``: whether it is ready. ``delay``: seconds until the next try."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.ready = False
        self.delay = probe.initial_delay
        self._period = min(_FIRST_PERIOD, probe.period)
        self._successes = 0

    def record(self, *, succeeded: bool) -> None:
        """Record the outcome of a try."""
        self._successes = self._successes + 1 if succeeded else 0
        self.ready = self._successes >= self.probe.success_threshold
        self.delay = self._period
        self._period = min(self._period * 2, self.probe.period)
