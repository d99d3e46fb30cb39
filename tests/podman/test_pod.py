"""What follows when a podman has ended: nothing, before the containers were looked at."""

from __future__ import annotations

import pytest

from monopod.runner.follow.pod_events import ContainerNotStarted, PodFinished
from monopod.runner.podman import command
from monopod.runner.podman.command import PodmanError
from monopod.runner.podman.pod import MOST_RESTARTS, PodmanPod, _identity

STATES = {"running": ("running", 0), "ended": ("exited", 0), "killed": ("exited", 137), "made": ("created", 0)}


class Containers:
    """A Pod whose containers are in states that the test chooses. ``spawned`` are the podmans that were started."""

    def __init__(self, directory, monkeypatch):
        self.directory = directory
        self.states = {}
        self.spawned = []
        names = ("coordinator", "a", "b")
        containers = [{"name": name, "image": "x"} for name in names]
        manifest = {"metadata": {"name": "pod"}, "spec": {"containers": containers}}
        self.pod = PodmanPod(manifest, config_maps={}, secrets={}, network=None, keep=False, tell=print)
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
        """Let the podman end that was started last; return what it was asked."""
        arguments, ended = self.spawned.pop(number)
        ended("")
        return arguments


@pytest.fixture
def containers(tmp_path, monkeypatch):
    return Containers(tmp_path, monkeypatch)


def test_a_container_that_has_ended_before_its_entrypoint_was_there_was_not_started(containers):
    containers.be("running", "killed", "running")
    containers.alive("b")
    containers.pod._all_started("")
    why = "it ended before it could run anything (exit code 137: ended by SIGKILL)"
    assert containers.reported() == [ContainerNotStarted("a", "StartError", why)]


def test_a_container_whose_entrypoint_is_not_there_yet_is_waited_for(containers):
    containers.be("running", "running", "running")
    containers.alive("b")
    containers.pod._all_started("")
    assert containers.reported() == []
    assert [arguments for arguments, _ in containers.spawned] == [["wait", "a"], ["wait", "coordinator"]]
    containers.be("running", "killed", "running")
    containers.end(0)
    assert [event.container for event in containers.reported()] == ["a"]


def test_a_wait_that_ends_too_early_is_made_again(containers):
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


def test_waits_that_never_last_end_at_some_time(containers):
    containers.alive("a", "b")
    containers.be("running", "running", "running")
    containers.pod._all_started("")
    for _ in range(MOST_RESTARTS):
        containers.end()
    with pytest.raises(PodmanError, match="podman wait ends"):
        containers.end()


def test_a_pod_that_was_killed_while_it_was_started_is_killed_again(containers):
    """What podman has started in the meantime would wait for a coordinator that is gone."""

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


def test_a_pod_that_somebody_has_removed_has_failed(containers, monkeypatch):
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
def test_the_identity_of_a_container_is_as_kubernetes_tells_it(image, image_id):
    assert _identity({"Id": "abc", **image}) == {"imageID": image_id, "containerID": "podman://abc"}
