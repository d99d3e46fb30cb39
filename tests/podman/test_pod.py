"""The end of a podman process has no effect until the containers were inspected."""

from __future__ import annotations

import pytest

from monopod.runner.follow.pod_events import ContainerNotStarted, PodFinished
from monopod.runner.podman import command
from monopod.runner.podman.command import PodmanError
from monopod.runner.podman.pod import MOST_RESTARTS, PodmanPod, _identity

STATES = {"running": ("running", 0), "ended": ("exited", 0), "killed": ("exited", 137), "made": ("created", 0)}


class Containers:
    """A Pod whose containers are in states chosen by the test. ``spawned`` are the started podman processes."""

    def __init__(self, directory, monkeypatch):
        self.directory = directory
        self.states = {}
        self.spawned = []
        names = ("coordinator", "a", "b")
        containers = [{"name": name, "image": "x"} for name in names]
        manifest = {"metadata": {"name": "pod"}, "spec": {"containers": containers}}
        self.pod = PodmanPod(manifest, config_maps={}, secrets={}, network=None, keep=False, show=print)
        self.pod._ids = {name: name for name in names}
        self.pod._control_directories = {name: f"{directory}/{name}" for name in names[1:]}
        for name in names[1:]:
            (directory / name).mkdir()
        monkeypatch.setattr(command, "inspect", self.inspect)
        monkeypatch.setattr(self.pod, "_spawn", lambda arguments, ended: self.spawned.append((arguments, ended)))

    def inspect(self, kind, names):
        if not self.states:
            raise PodmanError("no such container")
        return [
            {"Id": name, "State": dict(zip(("Status", "ExitCode"), STATES[self.states[name]], strict=True))}
            for name in names
        ]

    def alive(self, *names):
        for name in names:
            (self.directory / name / "alive").touch()

    def be(self, coordinator, a, b):
        self.states = {"coordinator": coordinator, "a": a, "b": b}

    def reported(self):
        events, self.pod._pending = list(self.pod._pending), type(self.pod._pending)()
        return events

    def end(self, number=-1):
        """End the last podman process; return its arguments."""
        arguments, ended = self.spawned.pop(number)
        ended("")
        return arguments


@pytest.fixture
def containers(tmp_path, monkeypatch):
    return Containers(tmp_path, monkeypatch)


def test_container_that_ended_before_its_entrypoint_never_started(containers):
    containers.be("running", "killed", "running")
    containers.alive("b")
    containers.pod._all_started("")
    why = "it ended before it could run anything (exit code 137: ended by SIGKILL)"
    assert containers.reported() == [ContainerNotStarted("a", "StartError", why)]


def test_container_without_an_entrypoint_yet_is_awaited(containers):
    containers.be("running", "running", "running")
    containers.alive("b")
    containers.pod._all_started("")
    assert containers.reported() == []
    assert [arguments for arguments, _ in containers.spawned] == [["wait", "a"], ["wait", "coordinator"]]
    containers.be("running", "killed", "running")
    containers.end(0)
    assert [event.container for event in containers.reported()] == ["a"]


def test_early_end_of_a_wait_is_retried(containers):
    containers.alive("a", "b")
    containers.be("running", "running", "running")
    containers.pod._all_started("")
    assert containers.end() == ["wait", "coordinator"]
    containers.be("ended", "running", "ended")
    assert containers.end() == ["wait", "coordinator"]
    assert containers.end() == ["wait", "coordinator", "a", "b"]
    assert containers.reported() == []
    containers.be("ended", "ended", "ended")
    containers.end()
    assert containers.reported()[-1].status["phase"] == "Succeeded"


def test_repeated_early_ends_of_waits_give_up(containers):
    containers.alive("a", "b")
    containers.be("running", "running", "running")
    containers.pod._all_started("")
    for _ in range(MOST_RESTARTS):
        containers.end()
    with pytest.raises(PodmanError, match="podman wait ends"):
        containers.end()


def test_pod_killed_during_its_start_is_killed_again(containers):
    """Containers that podman started in the meantime would wait for a coordinator that is gone."""

    class Starter:
        asked = ()

        def terminate(self):
            self.asked += ("terminate",)

        def kill(self):
            self.asked += ("kill",)

    containers.pod._starter = starter = Starter()
    containers.pod.kill()
    assert starter.asked == ("terminate",)
    containers.pod.kill()
    assert starter.asked == ("terminate", "kill")
    containers.spawned.clear()
    containers.be("ended", "running", "made")
    containers.pod._all_started("")
    assert containers.reported() == []
    assert containers.end(0)[:2] == ["wait", "a"]
    assert containers.end(0)[:2] == ["pod", "kill"]
    assert containers.spawned[-1][0] == ["wait", "coordinator", "a"]


def test_removed_pod_has_failed(containers, monkeypatch):
    monkeypatch.setattr(containers.pod, "_reap", lambda descriptor: "")
    containers.pod._processes[7] = type("Running", (), {"ended": lambda self, said: containers.pod._finish()})()
    containers.pod._ended(7)
    (event,) = containers.reported()
    assert event == PodFinished({"phase": "Failed", "message": "podman cannot find the Pod: no such container"})


@pytest.mark.parametrize(
    ("image", "image_id"),
    [
        ({"ImageName": "localhost:5000/a/b:1", "ImageDigest": "sha256:d"}, "localhost:5000/a/b@sha256:d"),
        ({"ImageName": "docker.io/library/busybox", "ImageDigest": "sha256:d"}, "docker.io/library/busybox@sha256:d"),
        ({"ImageName": "a/b@sha256:other", "ImageDigest": "sha256:d"}, "a/b@sha256:d"),
        ({"ImageName": "a/b:1", "ImageDigest": "", "Image": "1234"}, "sha256:1234"),
    ],
)
def test_container_identity_has_the_form_of_kubernetes(image, image_id):
    assert _identity({"Id": "abc", **image}) == {"imageID": image_id, "containerID": "podman://abc"}
