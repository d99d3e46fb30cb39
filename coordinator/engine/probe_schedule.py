"""When to probe a Sidecar for readiness, when it is ready, and when its probe counts as failed.

Rules (Kubernetes, "Configure Liveness, Readiness and Startup Probes"):

- The first try comes after the initial delay; a Sidecar is ready after `success_threshold` successes in a row.
- The probe has failed after `failure_threshold` failures in a row, and not before Kubernetes would have made as many
  tries. Nothing follows from that but a warning: a Sidecar that is not ready yet cannot become unready.

One difference: Kubernetes probes once per `period` (10 seconds by default), so it notices after 10 s that a server was
ready after 0.3 s. Here the first tries follow each other faster, and slow down to the period.

Pure. Left to others: the tries (``readiness_probes``), and what follows (``attempts``).
"""

from __future__ import annotations

from monopod.schemas.plan import Probe

_FIRST_PERIOD = 0.05


class ProbeSchedule:
    """The tries of one Sidecar.

    - ``ready``: whether it is ready. ``delay``: seconds until the next try.
    - ``failures``: how many tries have failed in a row, the last one for the reason ``failure``.
    - ``is_late``: the current try was stopped because it exceeded the probe's timeout.
    - ``is_reported``: a warning has said why the Sidecar is not ready.
    """

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.ready = False
        self.delay = probe.initial_delay
        self.failures = 0
        self.failure = ""
        self.is_late = self.is_reported = False
        self._period = min(_FIRST_PERIOD, probe.period)
        self._successes = 0
        self._failing_since = 0.0

    def record(self, now: float, *, succeeded: bool, reason: str = "") -> None:
        """Record the outcome of a try that has ended."""
        if not succeeded and not self.failures:
            self._failing_since = now
        if self.is_late:
            reason = f"no answer within {self.probe.timeout:g} s"
        self.failures, self.failure = (0, "") if succeeded else (self.failures + 1, reason)
        self.is_late = False
        self._successes = self._successes + 1 if succeeded else 0
        self.ready = self._successes >= self.probe.success_threshold
        self.delay = self._period
        self._period = min(self._period * 2, self.probe.period)

    def has_failed(self, now: float) -> bool:
        """Return whether the probe counts as failed."""
        threshold = self.probe.failure_threshold
        return self.failures >= threshold and now - self._failing_since >= (threshold - 1) * self.probe.period
