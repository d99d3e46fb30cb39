"""How many requests it takes to follow a large Pod: an API server has others to serve."""

from collections import Counter

import pytest

STEPS = 200


def requests_for_logs(api):
    """Return how often the log of each container was requested."""
    return Counter(query["container"] for method, path, query in api.requests if path.endswith("/log"))


@pytest.fixture
def tasks(make):
    return [make.task(f"t{number}", "true") for number in range(STEPS)]


@pytest.mark.parametrize("has_marks", [True, False])
def test_log_of_each_step_is_requested_at_most_twice(api, follow, coordinator, tasks, terminated, has_marks):
    containers = [f"t{number}-act" for number in range(STEPS)]
    following, it = follow(*tasks), coordinator()
    it.started()
    api.runs("build", *containers[::2])
    api.is_lagging = True  # the Steps of the other containers end before kubelet reports that they run
    for number in range(STEPS):
        name, token = f"t{number}", f"{number:032x}"
        it.attempt_started(name) if has_marks else it.task_started(name)
        it.prints(name, f"output of {number}")
        if has_marks:
            it.marks(name, token)
            it.attempt_finished(name, token)
        else:
            it.task_finished(name)
    api.is_lagging = False
    api.runs("build", *containers)
    if not has_marks:  # a log that is first requested after the end of its container is requested only once
        api.wait_for(lambda: all(requests_for_logs(api)[container] for container in containers[::2]))
    api.set_status("build", containerStatuses=[terminated(container, 0, "Completed") for container in containers])
    if not has_marks:  # otherwise the outcome may be read before these reports, and then the ends of logs do not count
        api.wait_for(lambda: all(requests_for_logs(api)[container] == 2 for container in containers[::2]))
    it.ends(*containers)
    it.finished()
    outcome, lines = following.end()
    assert outcome.exit_code == 0
    assert {f"[t{number} : act] output of {number}" for number in range(STEPS)} <= set(lines)
    requests = requests_for_logs(api)
    assert len(requests) == STEPS + 1
    assert requests["coordinator"] == 1
    assert max(requests.values()) <= 2


def test_nothing_is_requested_for_containers_that_do_not_run(api, follow, coordinator, waiting):
    following, it = follow(), coordinator()
    pulling = [waiting(name, "ContainerCreating") for name in ("coordinator", "build-act")]
    api.set_status("build", initContainerStatuses=pulling[:1], containerStatuses=pulling[1:])
    api.wait_for(lambda: api.request_count("GET", "/events") == 2)  # both watches are there
    for _ in range(5):
        api.bookmark()
    assert requests_for_logs(api) == {}
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", initContainerStatuses=[running])
    it.started()
    it.finished("Failed")
    outcome, _ = following.end()
    assert outcome.exit_code == 1
    assert requests_for_logs(api) == {"coordinator": 1}


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
def test_requests_of_a_run_that_really_runs(api, monopod, make, write):
    file = write(make.run(*(make.task(f"t{number}", f"echo {number}") for number in range(20))))
    ran = monopod("run", "-f", file, "--context", "test")
    assert ran.code == 0
    assert {f"[t{number} : act] {number}" for number in range(20)} <= set(ran.out.splitlines())
    requests = requests_for_logs(api)
    assert len(requests) == 21
    assert max(requests.values()) <= 2
