"""A kubelet for the API server of the tests, which runs each Pod with the host backend.

The images of a Pod are not used, except the coordinator's, which is this monopod.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from monopod.entrypoint import binary
from monopod.runner.follow.pod_events import ContainerOutput, ContainerStarted, ContainerTerminated, PodFinished
from monopod.runner.host.pod import HostPod
from monopod.runner.kubelet.runtime_image import RUNTIME_IMAGE

_REQUEST = "monopod.coordinator.outside_request"


class HostKubelet:
    """Runs Pods. ``unready`` are containers that it does not start, with their states."""

    def __init__(self):
        self.pods = {}

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
        assert command[:5] == ["python3", "-P", "-S", "-m", _REQUEST], command
        match command[5:]:
            case ["signal", number]:
                self.pods[pod].signal(container, int(number))
            case ["dead", dead, reason, message]:
                self.pods[pod].declare_dead(dead, reason, message)
        return 0, ""

    def _run(self, api, pod):
        name = pod["metadata"]["name"]
        objects = {
            kind: {key[2]: each for key, each in api.objects.items() if key[0] == kind}
            for kind in ("configmaps", "secrets")
        }
        statuses = _Statuses(api, pod)
        splitters = {}
        host_pod = HostPod(
            pod,
            runtime_image_name=RUNTIME_IMAGE,
            entrypoint_binary=str(binary.path()),
            config_maps=objects["configmaps"],
            secrets=objects["secrets"],
        )
        with host_pod as running:
            running.start()
            self.pods[name] = running
            while not running.is_finished:
                for event in running.events(None):
                    self._take(api, name, statuses, splitters, event)
            del self.pods[name]

    def _take(self, api, name, statuses, splitters, event):
        match event:
            case ContainerOutput(container, stream, data):
                *lines, rest = (splitters.pop((container, stream), b"") + data).split(b"\n")
                for line in lines:
                    api.write_log(name, container, line)
                splitters[container, stream] = rest
            case ContainerStarted(container, restarts, at):
                if restarts:
                    api.restart_log(name, container)
                else:
                    api.logs[name, container]  # it exists from now on
                statuses.change(container, restarts, {"running": {"startedAt": _time(at)}})
            case ContainerTerminated():
                for stream in ("stdout", "stderr"):
                    if rest := splitters.pop((event.container, stream), b""):
                        api.write_log(name, event.container, rest)
                api.close_log(name, event.container)
                ended = {"exitCode": event.exit_code, "reason": event.reason, "finishedAt": _time(event.finished_at)}
                ended["message"] = event.message
                statuses.change(event.container, event.restart_count, {"terminated": ended})
            case PodFinished(status):
                _finish(api, name, status)


def _finish(api, name, status):
    with api.changed:
        if api.pod(name) is not None:
            api.set_status(name, **status)
            if "deletionTimestamp" in api.pod(name)["metadata"]:
                api.remove(name)


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
