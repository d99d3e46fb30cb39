"""A kubelet for the API server of the tests, which runs each Pod with the host backend.

The images of a Pod are not used, except the coordinator's, which is this monopod; all are there unless a test says that
they are not.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial

import psutil
from node_checks import not_started, unschedulable

from monopod.entrypoint import binary
from monopod.runner.follow.pod_events import ContainerOutput, ContainerStarted, ContainerTerminated, PodFinished
from monopod.runner.host.pod import HostPod
from monopod.runner.host.usage import _number_in_pod
from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE

_REQUEST = "monopod.coordinator.outside_request"
_FILES = "monopod.coordinator.workspace_files"


class HostKubelet:
    """Runs Pods, and reports what becomes of them.

    With `relist_seconds` it reports as late as a real kubelet: what started or ended is known at its next relist, and
    until then there is no log. Without `reports_end` it never reports that a Pod is over.
    """

    def __init__(self, relist_seconds=0.0, *, reports_end=True):
        self.pods = {}
        self.relist_seconds = relist_seconds
        self.reports_end = reports_end
        self.absent_images = frozenset()
        self.credentials = None  # a directory that is the volume with the token of the ServiceAccount
        self.api_port = 0  # of the API server, for containers

    def run(self, api, pod):
        """Run a Pod in a thread."""
        threading.Thread(target=self._run, args=(api, pod), daemon=True).start()

    def terminate(self, api, pod, grace):
        """End a Pod."""
        running = self.pods.get(pod["metadata"]["name"])
        if running is not None:
            running.terminate(grace)

    def execute(self, pod, container, command):
        """Execute a command of monopod in a container."""
        if command[4] == _FILES:
            done = self.start_command(pod, container, command)
            _, errors = done.communicate()
            return done.returncode, errors.decode()
        assert command[:5] == ["python3", "-P", "-S", "-m", _REQUEST], command
        match command[5:]:
            case ["signal", number]:
                self.pods[pod].signal(container, int(number))
            case ["dead", dead, reason, message]:
                self.pods[pod].declare_dead(dead, reason, message)
        return 0, ""

    def start_command(self, pod, container, command):
        """Start a command that copies files, or one of the entrypoint, in a container, with three pipes."""
        process = self._first_process(pod, container)
        user, group = (_ids(process, name) for name in ("Uid", "Gid"))
        enter = ["nsenter", f"--target={process}", "--mount", "--pid", "--root", "--wdns=/"]
        enter += [f"--setgid={group}", f"--setuid={user}"]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        if command[0] == "/monopod/bin/entrypoint":
            with open(f"/proc/{process}/environ", "rb") as file:
                variables = dict(each.split(b"=", 1) for each in file.read().split(b"\0") if each)
            return subprocess.Popen([*enter, *command], **pipes, env=variables)
        assert command[:5] == ["python3", "-P", "-S", "-m", _FILES], command
        # monopod and its Python are where they are on this machine: that is the root of every container
        return subprocess.Popen(
            [*enter, sys.executable, "-P", "-m", _FILES, *command[5:]],
            **pipes,
        )

    def _first_process(self, pod, container):
        running = self.pods[pod]
        (sandbox,) = psutil.Process(running._launcher.pid).children()
        number = running._first_processes[container]
        return next(each.pid for each in sandbox.children() if _number_in_pod(each.pid) == number)

    def _with_access(self, pod):
        """Return a Pod whose containers find the API server, if it has a volume with the token for it."""
        if self.credentials is None:
            return pod
        pod = copy.deepcopy(pod)
        for volume in pod["spec"]["volumes"]:
            if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", ())):
                del volume["projected"]
                volume["hostPath"] = {"path": str(self.credentials)}
        address = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.api_port)}
        for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
            variables = [{"name": name, "value": value} for name, value in address.items()]
            container["env"] = [*container.get("env", ()), *variables]
        return pod

    def _run(self, api, pod):
        name = pod["metadata"]["name"]
        objects = {
            kind: {key[2]: each for key, each in api.objects.items() if key[0] == kind}
            for kind in ("configmaps", "secrets", "persistentvolumeclaims")
        }
        if (why := unschedulable(pod, objects["persistentvolumeclaims"])) is not None:
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
            api.set_status(name, conditions=[condition])
            return
        waiting = not_started(pod, objects["secrets"], self.absent_images)
        view = _View(api, pod, self.relist_seconds, waiting)
        host_pod = HostPod(
            _without_start(self._with_access(pod), waiting),
            runtime_image_name=RUNTIME_IMAGE,
            entrypoint_binary=str(binary.path()),
            config_maps=objects["configmaps"],
            secrets=objects["secrets"],
        )
        with host_pod as running:
            running.start()
            self.pods[name] = running
            while not running.is_finished:
                for event in running.events(view.seconds_to_relist()):
                    view.take(event)
                view.relist_if_due()
            del self.pods[name]
            view.end(reports_end=self.reports_end)


def _without_start(pod, waiting):
    """Return a Pod some of whose containers do nothing until it is deleted: for kubelet they never start."""
    pod = copy.deepcopy(pod)
    for container in pod["spec"]["containers"]:
        if container["name"] in waiting:
            container.update(command=["sleep", "infinity"], env=[])
    return pod


class _View:
    """What kubelet sees of a Pod, and reports to the API server: at once, or at its next relist."""

    def __init__(self, api, pod, relist_seconds, waiting):
        self._api, self._name = api, pod["metadata"]["name"]
        self._waiting = waiting  # the containers that are never started
        self._statuses = _Statuses(api, pod)
        self._rests = {}  # unfinished lines
        self._relist_seconds = relist_seconds
        self._next_relist = time.monotonic() + relist_seconds
        self._unseen = set()  # containers that kubelet has not seen yet
        self._reports = []  # for the next relist
        self._end = {}

    def seconds_to_relist(self):
        """Return how long to wait for events; None: as long as it takes."""
        return max(0.0, self._next_relist - time.monotonic()) if self._reports else None

    def relist_if_due(self):
        now = time.monotonic()
        if self._relist_seconds and now >= self._next_relist:
            self._next_relist = now + self._relist_seconds
            self._relist()

    def _relist(self):
        reports, self._reports = self._reports, []
        for report in reports:
            report()

    def end(self, *, reports_end):
        """Report the end of the Pod: a real kubelet does so one relist after the end of its containers."""
        self._relist()
        threading.Event().wait(self._relist_seconds)
        with self._api.changed:
            pod = self._api.pod(self._name)
            if pod is None:
                return
            if reports_end:
                self._api.set_status(self._name, **self._end)
            if "deletionTimestamp" in pod["metadata"]:
                self._api.remove(self._name)

    def take(self, event):
        match event:
            case ContainerStarted(container) | ContainerTerminated(container) if container in self._waiting:
                reason, message = self._waiting[container]
                self._statuses.change(container, 0, {"waiting": {"reason": reason, "message": message}})
            case ContainerOutput(container, stream, data):
                *lines, rest = (self._rests.pop((container, stream), b"") + data).split(b"\n")
                if lines:
                    self._write(container, lines)
                self._rests[container, stream] = rest
            case ContainerStarted(container, restarts, at):
                self._unseen.add(container)
                self._report(partial(self._started, container, restarts, at))
            case ContainerTerminated():
                self._terminated(event)
            case PodFinished(status):
                self._end = status

    def _report(self, report):
        if self._relist_seconds:
            self._reports.append(report)
        else:
            report()

    def _write(self, container, lines):
        self._log(container, partial(self._api.write_lines, self._name, container, lines, time.time_ns()))

    def _log(self, container, change):
        """Change the log of a container, which does not exist before kubelet has seen the container."""
        if container in self._unseen:
            self._reports.append(change)
        else:
            change()

    def _started(self, container, restarts, at):
        self._unseen.discard(container)
        if restarts:
            self._api.restart_log(self._name, container)
        else:
            self._api.logs[self._name, container]  # it exists from now on
        self._statuses.change(container, restarts, {"running": {"startedAt": _time(at)}})

    def _terminated(self, event):
        container = event.container
        for stream in ("stdout", "stderr"):
            if rest := self._rests.pop((container, stream), b""):
                self._write(container, [rest])
        self._log(container, partial(self._api.close_log, self._name, container))
        ended = {"exitCode": event.exit_code, "reason": event.reason, "finishedAt": _time(event.finished_at)}
        ended["message"] = event.message
        self._report(partial(self._statuses.change, container, event.restart_count, {"terminated": ended}))


def _ids(process, name):
    with open(f"/proc/{process}/status") as file:
        return next(line.split()[1] for line in file if line.startswith(f"{name}:"))


class _Statuses:
    """The ContainerStatuses of a Pod."""

    def __init__(self, api, pod):
        self.api, self.name = api, pod["metadata"]["name"]
        self.initial = {each["name"]: _status(each["name"]) for each in pod["spec"].get("initContainers", ())}
        self.ordinary = {each["name"]: _status(each["name"]) for each in pod["spec"]["containers"]}

    def change(self, container, restarts, state):
        statuses = self.initial if container in self.initial else self.ordinary
        before = statuses[container]
        statuses[container] = {**before, "restartCount": restarts, "state": state}
        if "terminated" in before["state"]:
            statuses[container]["lastState"] = before["state"]
        with self.api.changed:
            if self.api.pod(self.name) is not None:
                self.api.set_status(
                    self.name,
                    phase="Running",
                    initContainerStatuses=list(self.initial.values()),
                    containerStatuses=list(self.ordinary.values()),
                )


def _status(name):
    return {"name": name, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}


def _time(at):
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
