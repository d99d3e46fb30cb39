"""The log of a coordinator, written by a test."""

from __future__ import annotations

from monopod.schemas.run_events import (
    RunFinished,
    RunStarted,
    SidecarStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskStarted,
    to_line,
)

NAMESPACE = "ci"


class Coordinator:
    """Writes the log of a Pod's coordinator, for Tasks with the Step ``act``."""

    def __init__(self, api, name, start):
        self.api, self.name, self.start = api, name, start
        self.clock = start

    def report(self, *events):
        for event in events:
            self.api.runs(self.name, "coordinator")
            if isinstance(event, StepStarted | SidecarStarted):
                self.api.runs(self.name, event.container)
            self.write(self.name, "coordinator", to_line(event).encode())

    def write(self, pod, container, data, **options):
        self.clock += 0.001
        self.api.write_log(pod, container, data, at=int(self.clock * 10**9), **options)

    def started(self):
        self.report(RunStarted(self.clock, self.name, NAMESPACE, "uid"))

    def task_started(self, task, index=None):
        self.report(TaskStarted(self.clock, task, index, 0, task, {}))
        self.report(StepStarted(self.clock, task, index, 0, "act", f"{task}-act"))

    def prints(self, task, text):
        self.write(self.name, f"{task}-act", text.encode())

    def task_finished(self, task, code=0):
        at = self.clock
        status = "Failed" if code else "Succeeded"
        reason = "Error" if code else "Completed"
        self.report(StepFinished(at, task, None, 0, "act", f"{task}-act", code, reason, "", at - 1, at, 0.1, 1000))
        self.report(TaskFinished(at, task, None, 0, status, status, ""))

    def attempt_started(self, task, attempt=0, index=None):
        """Report the start of an attempt whose Step marks the end of its output."""
        self.report(TaskStarted(self.clock, task, index, attempt, task, {}))
        self.report(StepStarted(self.clock, task, index, attempt, "act", f"{task}-act", True))

    def attempt_finished(self, task, token, attempt=0, index=None, *, again=False):
        """Report the end of an attempt. The container writes its mark separately, with `marks`."""
        at, code, reason = self.clock, int(again), "Error" if again else "Completed"
        ended = (at, task, index, attempt, "act", f"{task}-act", code, reason, "", at - 1, at, 0.1, 1000, token)
        self.report(StepFinished(*ended))
        status = "Failed" if again else "Succeeded"
        self.report(TaskFinished(at, task, index, attempt, status, status, "", again))

    def marks(self, task, token):
        """Write the mark at the end of a container's output."""
        self.prints(task, f"\x1emonopod {token}")

    def finished(self, status="Succeeded"):
        document = {"kind": "PipelineRun", "metadata": {"name": self.name}, "status": {"conditions": []}}
        self.report(RunFinished(self.clock, status, status, "that is all", document))

    def ends(self, *containers):
        for container in containers:
            self.api.close_log(self.name, container)
