"""A container that kubelet cannot start fails the Task that needs it, at once, without waiting for its log.

When a container is given up is tested in test_observation.py.
"""

import pytest

from monopod.schemas.run_events import TaskStarted


@pytest.fixture
def dead(api):
    """Returns the reports to the coordinator about containers that cannot start."""
    return lambda: [command[6:] for _, _, command in api.executed if command[5] == "dead"]


@pytest.fixture
def with_sidecar(make):
    task = make.task("build", "true")
    task["taskSpec"]["sidecars"] = [{"name": "db", "image": "db:1", "script": "true"}]
    return task


@pytest.mark.parametrize("container", ["build-act", "build-sidecar-db"])
@pytest.mark.parametrize("reason", ["ImagePullBackOff", "InvalidImageName"])
@pytest.mark.parametrize("is_first", [True, False])
def test_container_that_cannot_start_fails_its_task_at_once(
    api, follow, coordinator, waiting, dead, with_sidecar, container, reason, is_first
):
    following, it = follow(with_sidecar, start_timeout=None), coordinator()
    status = waiting(container, reason, "no such thing")
    it.started()
    if is_first:
        api.set_status("build", phase="Pending", containerStatuses=[status])
        following.wait_for("no such thing")
    it.report(TaskStarted(it.clock, "build", None, 0, "build", {}))
    following.wait_for("[build] started")
    if not is_first:
        api.set_status("build", phase="Pending", containerStatuses=[status])
    api.wait_for(dead)
    assert dead() == [[container, reason, "no such thing"]]
    it.finished("Failed")
    outcome, lines = following.end()  # no log is awaited: that would take a minute, and print a warning
    assert outcome.exit_code == 1
    assert not [line for line in lines if "may be incomplete" in line]
