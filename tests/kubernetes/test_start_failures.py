"""A container that kubelet cannot start fails the Task that needs it, at once, without waiting for its log."""

import pytest

from monopod.runner.kubernetes import following as following_module
from monopod.schemas.run_events import TaskStarted


@pytest.fixture
def dead(api):
    """What the coordinator heard of containers that cannot start."""
    return lambda: [command[6:] for _, _, command in api.executed if command[5] == "dead"]


@pytest.fixture
def with_sidecar(make):
    task = make.task("build", "true")
    task["taskSpec"]["sidecars"] = [{"name": "db", "image": "db:1", "script": "true"}]
    return task


@pytest.mark.parametrize("container", ["act", "db"])
@pytest.mark.parametrize(
    "reason", ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_container_that_was_tried_fails_its_task_at_once(
    api, follow, coordinator, waiting, dead, with_sidecar, monkeypatch, container, reason, is_first
):
    monkeypatch.setattr(following_module, "UNSTARTED_SECONDS", 0.1)
    following, it = follow(with_sidecar, start_timeout=None), coordinator()
    (container,) = [each for each in following.pod._steps if each.endswith(container)]
    status = waiting(container, reason, "no such thing")
    it.started()
    if is_first:
        api.set_status("build", phase="Pending", containerStatuses=[status])
        following.wait_for("no such thing")
    it.tell(TaskStarted(it.clock, "build", None, 0, "build", {}))
    following.wait_for("[build] started")
    if not is_first:
        api.set_status("build", phase="Pending", containerStatuses=[status])
    api.wait_for(dead)
    assert dead() == [[container, reason, "no such thing"]]
    it.finished("Failed")
    outcome, lines = following.end()  # no log is waited for: that would take a minute, and be told
    assert outcome.exit_code == 1
    assert not [line for line in lines if "may not be complete" in line]


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("ErrImagePull", "timeout"),
        ("CreateContainerError", "context deadline exceeded"),
        ("CreateContainerConfigError", "failed to create subPath directory for volumeMount"),
    ],
)
def test_what_may_pass_soon_is_waited_for(api, follow, coordinator, waiting, dead, reason, message):
    following, it = follow(start_timeout=None), coordinator()
    it.started()
    it.task_started("build")
    following.wait_for("[build] started")
    api.set_status("build", phase="Pending", containerStatuses=[waiting("build-act", reason, message)])
    following.wait_for(message)
    running = {"name": "build-act", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", phase="Running", containerStatuses=[running])
    it.says("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, _ = following.end()
    assert (outcome.status, dead()) == ("Succeeded", [])


def test_an_image_that_an_earlier_task_makes_is_tried_once_more(api, follow, coordinator, waiting, dead, make):
    tasks = make.task("build", "true"), make.task("use", "true", after=["build"])
    following, it = follow(*tasks, start_timeout=None), coordinator()
    it.started()
    it.task_started("build")
    back_off = waiting("use-act", "ImagePullBackOff", "not there yet")
    api.set_status("build", phase="Running", containerStatuses=[back_off])
    following.wait_for("not there yet")
    it.task_finished("build")
    it.ends("build-act")
    it.task_started("use")
    following.wait_for("[use] started")
    api.set_status("build", containerStatuses=[waiting("use-act", "ErrImagePull", "still not there")])
    assert dead() == []
    api.set_status("build", containerStatuses=[back_off])
    api.wait_for(dead)
    it.finished("Failed")
    following.end()


def test_a_start_timeout_that_was_asked_for_holds(api, follow, coordinator, waiting, dead):
    following, it = follow(start_timeout=3600), coordinator()
    it.started()
    it.task_started("build")
    following.wait_for("[build] started")
    api.set_status("build", containerStatuses=[waiting("build-act", "ImagePullBackOff", "not there")])
    following.wait_for("not there")
    api.set_status("build", containerStatuses=[waiting("build-act", "ErrImagePull", "not there")])
    api.set_status("build", containerStatuses=[waiting("build-act", "ImagePullBackOff", "not there")])
    it.finished("Failed")
    following.end()
    assert dead() == []
