"""Drives a `PodObservation` without threads, sockets or clocks: a test passes messages and sees the commands."""

from __future__ import annotations

import copy

from monopod.runner.follow.pod_events import ContainerNotStarted, ContainerOutput, PodFinished, PodWarning
from monopod.runner.kubernetes.api_errors import ApiError
from monopod.runner.kubernetes.commands import Delete, Execute, OpenLog, Report
from monopod.runner.kubernetes.log_lines import LogLine
from monopod.runner.kubernetes.messages import EventSeen, LogEnded, LogOutput, PodGone, PodSeen
from monopod.runner.kubernetes.observation import Now, PodObservation

START = 1_800_000_000.0


def note_running(status, *containers):
    """Add to the status of a Pod that containers run, unless it says something of them."""
    for container in containers:
        kind = "initContainerStatuses" if container == "coordinator" else "containerStatuses"
        statuses = status.setdefault(kind, [])
        if all(each["name"] != container for each in statuses):
            statuses.append({"name": container, "restartCount": 0, "state": {"running": {}}})


def forbidden(verb, resource):
    """The answer of an API server to a user who may not do something."""
    message = f'{resource} is forbidden: User "jane" cannot {verb} resource "{resource}" in API group "" in the '
    return ApiError(403, "Forbidden", message + 'namespace "ci"', kind=resource)


class ObservedPod:
    """The Pod of a compiled run. `commands` are the commands so far, in order.

    It replaces the API server for `conftest.Coordinator`, whose output is a message at once.
    """

    def __init__(self, compilation, *, has_events=True, **options):
        self.now = 0.0
        self.is_lagging = False
        self.commands = []
        metadata = {**compilation.pod["metadata"], "name": "build", "namespace": "ci", "uid": "1"}
        self.pod = {**compilation.pod, "metadata": metadata, "status": {"phase": "Pending"}}
        self.machine = PodObservation(compilation.plan, self.pod, attach_command="monopod attach build", **options)
        self.commands += self.machine.begin(self._time, has_events=has_events)
        self.set_status()

    @property
    def _time(self):
        return Now(self.now, START + self.now)

    def handle(self, *messages):
        """Pass messages to the machine."""
        for message in messages:
            self.commands += self.machine.handle(message, self._time)

    def pass_(self, seconds):
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while (at := self.machine.next_timer()) is not None and at <= end:
            self.now = max(at, self.now)
            self.commands += self.machine.tick(self._time)
        self.now = end

    def ask(self, name, *arguments):
        """Make a request, as a run does: ``signal``, ``kill`` …"""
        self.commands += getattr(self.machine, name)(*arguments)

    # The interface of the API server of the tests

    def set_status(self, name="build", **status):
        self.pod = copy.deepcopy(self.pod)
        self.pod["status"].update(status)
        self.handle(PodSeen(self.pod))

    def runs(self, name, *containers):
        """Let containers run, unless they have a state, or kubelet does not report it yet."""
        if not self.is_lagging:
            note_running(self.pod["status"], *containers)
            self.set_status()

    def set_metadata(self, **fields):
        self.pod = copy.deepcopy(self.pod)
        self.pod["metadata"].update(fields)
        self.handle(PodSeen(self.pod))

    def remove(self, name="build"):
        self.handle(PodGone(self.pod))

    def write_log(self, pod, container, data, at=0, **_):
        self.handle(LogOutput(container, [LogLine(at / 10**9, data + b"\n")]))

    def close_log(self, pod, container):
        self.handle(LogEnded(container))

    def event(self, reason, message):
        self.handle(EventSeen({"type": "Warning", "reason": reason, "message": message}))

    # The results

    def of(self, *kinds):
        """The commands of these kinds."""
        return [command for command in self.commands if isinstance(command, kinds)]

    @property
    def events(self):
        return [command.event for command in self.of(Report)]

    @property
    def warnings(self):
        return [event.message for event in self.events if isinstance(event, PodWarning)]

    @property
    def not_started(self):
        return [(each.container, each.reason) for each in self.events if isinstance(each, ContainerNotStarted)]

    @property
    def executed(self):
        return [command.arguments for command in self.of(Execute)]

    @property
    def deletions(self):
        return [command.grace for command in self.of(Delete)]

    @property
    def opened(self):
        return [command.container for command in self.of(OpenLog)]

    @property
    def output(self):
        return [
            (event.container, event.data)
            for event in self.events
            if isinstance(event, ContainerOutput) and event.container != "coordinator"
        ]

    @property
    def status(self):
        """The final status; None before the end."""
        finished = [event.status for event in self.events if isinstance(event, PodFinished)]
        assert len(finished) <= 1
        return finished[0] if finished else None

    @property
    def end(self):
        """The phase, the reason and the message of the final status."""
        return None if self.status is None else tuple(self.status[key] for key in ("phase", "reason", "message"))
