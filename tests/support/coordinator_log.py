"""The log of a coordinator, as a test wants it."""

from __future__ import annotations

from monopod.schemas.run_events import (
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TaskFinished,
    TaskStarted,
    to_line,
)

NAMESPACE = "ci"


class Coordinator:
    """Writes into the log of a Pod's coordinator what it would tell of Tasks with the Step ``act``."""

    def __init__(self, api, name, start):
        self.api, self.name, self.start = api, name, start
        self.clock = start

    def tell(self, *events):
        for event in events:
            self.write(self.name, "coordinator", to_line(event).encode())

    def write(self, pod, container, data, **options):
        self.clock += 0.001
        self.api.write_log(pod, container, data, at=int(self.clock * 10**9), **options)

    def started(self):
        self.tell(RunStarted(self.clock, self.name, NAMESPACE, "uid"))

    def task_started(self, task, index=None):
        self.tell(TaskStarted(self.clock, task, index, 0, task, {}))
        self.tell(StepStarted(self.clock, task, index, 0, "act", f"{task}-act"))

    def says(self, task, text):
        self.write(self.name, f"{task}-act", text.encode())

    def task_finished(self, task, code=0):
        at = self.clock
        status = "Failed" if code else "Succeeded"
        reason = "Error" if code else "Completed"
        self.tell(StepFinished(at, task, None, 0, "act", f"{task}-act", code, reason, "", at - 1, at, 0.1, 1000))
        self.tell(TaskFinished(at, task, None, 0, status, status, ""))

    def attempt_started(self, task, attempt=0, index=None):
        """A Step whose output will be marked."""
        self.tell(TaskStarted(self.clock, task, index, attempt, task, {}))
        self.tell(StepStarted(self.clock, task, index, attempt, "act", f"{task}-act", True))

    def attempt_finished(self, task, token, attempt=0, index=None, *, again=False):
        """The end of one; its mark is `marks`, whenever the container writes it."""
        at, code, reason = self.clock, int(again), "Error" if again else "Completed"
        ended = (at, task, index, attempt, "act", f"{task}-act", code, reason, "", at - 1, at, 0.1, 1000, token)
        self.tell(StepFinished(*ended))
        status = "Failed" if again else "Succeeded"
        self.tell(TaskFinished(at, task, index, attempt, status, status, "", again))

    def marks(self, task, token):
        """Write the mark at the end of a container's output."""
        self.says(task, f"\x1emonopod {token}")

    def finished(self, status="Succeeded"):
        document = {"kind": "PipelineRun", "metadata": {"name": self.name}, "status": {"conditions": []}}
        self.tell(RunFinished(self.clock, status, status, "that is all", document))

    def ends(self, *containers):
        for container in containers:
            self.api.close_log(self.name, container)
