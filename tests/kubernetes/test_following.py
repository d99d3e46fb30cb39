"""Following a Pod on an API server: states, log streams and refusals. Nothing runs in it.

What each message and timer does is in test_observation.py, without an API server.
"""

import os
import signal

import pytest
from following import warnings

from monopod.schemas.run_events import RunFinished, to_line


def event(api, reason, message):
    """Let the cluster warn of the Pod."""
    told = {"type": "Warning", "reason": reason, "message": message, "metadata": {"name": reason.lower()}}
    api.put("events", "ci", {**told, "involvedObject": {"uid": api.pod()["metadata"]["uid"]}})


def test_the_outcome_is_told_while_the_pod_still_runs(api, follow, coordinator):
    following, it = follow(), coordinator()
    api.set_status("build", phase="Running")
    it.started()
    it.task_started("build")
    it.says("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.exit_code == 0
    assert lines[:3] == ["Run build started in namespace ci", "[build] started", "[build : act] hello"]
    assert lines.index("[build : act] hello") < next(n for n, line in enumerate(lines) if "[build] Succeeded" in line)


def test_output_that_comes_after_the_end_of_a_step_is_still_its_own(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    it.says("build", "early")
    it.task_finished("build", 1)
    it.finished("Failed")
    following.wait_for("[build] Failed")
    it.says("build", "late")
    it.ends("build-act")
    outcome, lines = following.end()
    assert outcome.exit_code == 1
    assert "[build : act] late" in lines
    (task,) = following.follower.tasks
    (step,) = task.failed_steps
    assert following.follower.last_lines(task, step) == ("early", "late")


def test_a_pod_that_was_deleted_by_somebody(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.ends("coordinator")
    api.remove("build")
    outcome, _ = following.end()
    assert outcome.message == (
        "the coordinator did not report how the run ended: the Pod was deleted by somebody while it ran"
    )


def test_an_image_that_cannot_be_had_fails_its_task(api, follow, coordinator, waiting, make):
    following, it = follow(make.task("build", "true"), start_timeout=0), coordinator()
    it.started()
    status = waiting("build-act", "ImagePullBackOff", 'Back-off pulling image "busybox"')
    api.set_status("build", phase="Pending", containerStatuses=[status])
    api.wait_for(lambda: api.executed)
    assert api.executed[0][1:] == (
        "coordinator",
        [
            *("python3", "-P", "-S", "-m", "monopod.coordinator.outside_request"),
            *("dead", "build-act", "ImagePullBackOff", 'Back-off pulling image "busybox"'),
        ],
    )
    it.finished("Failed")
    _, lines = following.end()
    words = "the image 'busybox' of Step 'act' of Task 'build' cannot be pulled (ImagePullBackOff): Back-off pulling"
    (warning,) = warnings(lines)
    assert warning.startswith(words)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient memory.",
                    }
                ]
            },
            "no node takes the Pod: 0/1 nodes are available: 1 Insufficient memory. (at its peak it asks for cpu ",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "coordinator", "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}}
                ]
            },
            "of the coordinator cannot be pulled (ErrImagePull)",
        ),
    ],
)
def test_a_pod_that_does_not_start_fails_the_run(api, follow, status, words):
    following = follow(start_timeout=0)
    api.set_status("build", **status)
    outcome, lines = following.end()
    assert (outcome.exit_code, outcome.reason) == (1, "NotStarted")
    assert outcome.message.startswith("the run did not start: ")
    assert words in outcome.message
    assert words in warnings(lines)[0]
    api.wait_for(lambda: "deletionTimestamp" in api.pod()["metadata"])


@pytest.mark.parametrize("condition", [{}, {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}])
def test_a_cancelled_run_whose_coordinator_has_not_started_is_deleted_at_once(api, follow, condition):
    following = follow()
    api.set_status("build", phase="Pending", conditions=[condition] if condition else [])
    os.write(following.writer, bytes([signal.SIGTERM]))
    api.wait_for(lambda: "deletionTimestamp" in api.pod()["metadata"])
    api.remove("build")
    outcome, _ = following.end()
    assert (outcome.status, outcome.exit_code, outcome.message) == ("Cancelled", 130, "its Pod was deleted")
    assert api.executed == []


def test_a_coordinator_that_runs_is_not_deleted_before_it_is_heard(api, follow, coordinator, waiting):
    following, it = follow(), coordinator()
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    slow = waiting("build-act", "ErrImagePull", "it takes long")
    api.set_status("build", phase="Pending", initContainerStatuses=[running], containerStatuses=[slow])
    following.wait_for("it takes long")
    os.write(following.writer, bytes([signal.SIGTERM]))
    following.wait_for("Cancelling")
    it.started()
    api.wait_for(lambda: api.executed)
    assert [command[-2:] for *_, command in api.executed] == [["signal", "2"]]
    assert not [each for each in api.requests if each[0] == "DELETE"]
    it.finished("Cancelled")
    outcome, _ = following.end()
    assert outcome.exit_code == 130


def test_a_container_that_cannot_be_started_is_told_to_the_coordinator(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    status = terminated("build-act", 128, "StartError", "exec: no such file")
    api.set_status("build", phase="Running", containerStatuses=[status])
    api.wait_for(lambda: api.executed)
    it.finished("Failed")
    _, lines = following.end()
    assert "container build-act could not be started: exec: no such file" in warnings(lines)


def test_a_coordinator_that_was_started_again_goes_on(api, follow, coordinator):
    following, it = follow(), coordinator()
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", phase="Running", initContainerStatuses=[running])
    it.started()
    it.task_started("build")
    following.wait_for("[build] started")
    api.restart_log("build", "coordinator")
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    api.set_status("build", initContainerStatuses=[{**running, "restartCount": 1, "lastState": ended}])
    it.says("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.exit_code == 0
    assert [line for line in lines if not line.startswith(("warning: ", "[build] Succ"))] == [
        "Run build started in namespace ci",
        "[build] started",
        "[build : act] hello",
    ]
    (warning,) = warnings(lines)
    assert warning.startswith("the coordinator ended: it was killed because it needed more memory")


def test_what_breaks_is_made_again(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    for number in range(50):
        it.says("build", f"line {number}")
        if number % 10 == 0:
            api.drop_streams()
        if number == 25:
            api.forget_versions()
            api.bookmark()
    api.stop()
    it.task_finished("build")
    api.start()
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.exit_code == 0
    assert [line for line in lines if "line " in line] == [f"[build : act] line {number}" for number in range(50)]


def test_a_version_that_the_server_has_forgotten(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    api.wait_for(lambda: any(query.get("watch") for _, path, query in api.requests if path.endswith("/pods")))
    api.forget_versions()
    api.drop_streams()
    api.wait_for(
        lambda: any(
            "watch" not in query and method == "GET" for method, path, query in api.requests if path.endswith("/pods")
        )
    )
    it.ends("coordinator")
    api.set_status("build", phase="Failed", reason="Evicted", message="too much")
    outcome, _ = following.end()
    assert "the Pod was evicted: too much" in outcome.message


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_without_permission_events_are_done_without(api, follow, coordinator, verb):
    api.refuse(verb, "events")
    following, it = follow(), coordinator()
    it.started()
    it.finished()
    outcome, lines = following.end()
    assert (outcome.exit_code, warnings(lines)) == (0, [])


@pytest.mark.parametrize(("verb", "resource"), [("watch", "pods"), ("get", "pods/log")])
def test_who_may_not_follow_is_told_what_is_missing(api, follow, verb, resource):
    api.refuse(verb, resource)
    outcome, _ = follow().end()
    assert outcome.exit_code == 1
    assert f"the Pod cannot be followed: jane may not {verb} {resource} in namespace ci" in outcome.message
    api.wait_for(lambda: "deletionTimestamp" in api.pod()["metadata"])


def test_a_container_of_which_the_coordinator_cannot_be_told(api, follow, coordinator, waiting):
    api.refuse("create", "pods/exec")
    following, it = follow(start_timeout=0), coordinator()
    it.started()
    api.set_status("build", containerStatuses=[waiting("build-act", "ErrImagePull", "gone")])
    following.wait_for("cannot report this to the coordinator")
    it.finished("Failed")
    _, lines = following.end()
    assert any(
        "cannot report this to the coordinator (jane may not create pods/exec" in line for line in warnings(lines)
    )


def test_a_pod_that_the_cluster_takes_away(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": "make room",
    }
    api.set_status("build", phase="Running", conditions=[condition])
    api.set_metadata("build", deletionTimestamp="2026-01-01T00:00:00Z")
    it.ends("coordinator")
    api.remove("build")
    outcome, lines = following.end()
    assert "the cluster takes the Pod away: a Pod of higher priority needs its place (make room)" in warnings(lines)
    assert "the cluster took the Pod away: a Pod of higher priority" in outcome.message


def test_a_silent_step_keeps_nobody_waiting(api, follow, coordinator):
    following, it = follow(), coordinator()
    api.logs["build", "build-act"]  # its container runs, and has not written anything
    it.started()
    it.task_started("build")
    api.wait_for(lambda: any(query.get("container") == "build-act" for _, _, query in api.requests))
    it.task_finished("build")
    following.wait_for("[build] Succeeded")
    it.finished()
    it.ends("build-act")
    outcome, _ = following.end()
    assert outcome.exit_code == 0


def test_a_kubelet_that_puts_times_into_long_lines(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    document = {"kind": "PipelineRun", "metadata": {"name": "build"}, "status": {"results": ["x" * 40_000]}}
    line = to_line(RunFinished(it.clock, "Succeeded", "Succeeded", "", document)).encode()
    stamp = b"2027-01-15T08:00:00.123456789Z "
    it.write("build", "coordinator", stamp.join(line[start : start + 16384] for start in range(0, len(line), 16384)))
    outcome, _ = following.end()
    assert outcome.exit_code == 0
    assert following.follower.finished.document == document


def token(number):
    return f"{number:032x}"


def of(lines, *texts):
    """The lines that begin with one of these, in order."""
    return [line for line in lines if line.startswith(texts)]


def test_logs_that_are_late_are_shown_before_what_follows_from_them(api, follow, coordinator, make):
    """The coordinator's stream is far ahead, and the logs of two containers come the other way round."""
    following, it = follow(make.task("build", "true"), make.task("test", "true", after=["build"])), coordinator()
    it.started()
    it.attempt_started("build")
    it.attempt_finished("build", token(1))
    it.attempt_started("test")
    it.attempt_finished("test", token(2))
    following.wait_for("[build] started")
    it.says("test", "tested")
    it.marks("test", token(2))
    it.says("build", "built")
    assert "tested" not in "".join(following.written)
    it.marks("build", token(1))
    it.finished()
    it.ends("build-act", "test-act")
    _, lines = following.end()
    assert [line.split(" in ")[0] for line in of(lines, "[build", "[test")] == [
        "[build] started",
        "[build : act] built",
        "[build] Succeeded",
        "[test] started",
        "[test : act] tested",
        "[test] Succeeded",
    ]


def test_attempts_are_told_apart_though_their_log_is_late_and_cut(api, follow, coordinator, make):
    following, it = follow(make.task("build", "true", retries=4)), coordinator()
    api.cut_logs(*[(size, size % 2 == 0) for size in (150, 90, 260, 75, 300, 81, 200)])
    it.started()
    for attempt in range(5):
        it.attempt_started("build", attempt)
        it.attempt_finished("build", token(attempt), attempt, again=attempt < 4)
    it.finished()
    for attempt in range(5):
        it.says("build", f"try {attempt}")
        it.says("build", f"\x1emonopod {token(99)}")  # forged
        it.write(it.name, "build-act", f"no newline of {attempt}\x1emonopod {token(attempt)}".encode())
    it.ends("build-act")
    _, lines = following.end()
    expected = []
    for attempt in range(5):
        words = f"attempt {attempt + 1} " if attempt else ""
        expected += [f"[build] {words}started", f"[build : act] try {attempt}"]
        expected += [f"[build : act] \\x1emonopod {token(99)}", f"[build : act] no newline of {attempt}"]
    shown = of(lines, "[build : act]", "[build] attempt", "[build] started")
    assert [line for line in shown if "exit code" not in line and "Failed" not in line] == expected


def test_a_log_cut_as_if_it_was_complete_after_its_container_ended(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    it.attempt_started("build")
    api.wait_for(lambda: api.asked("GET", "/log") >= 2)
    api.cut_logs(*[(size, True) for size in (150, 90, 260, 75, 300, 81, 200)])
    for number in range(50):
        it.says("build", f"line {number}")
    it.marks("build", token(1))
    it.ends("build-act")
    api.set_status("build", phase="Running", containerStatuses=[terminated("build-act", 0, "Completed")])
    it.attempt_finished("build", token(1))
    it.finished()
    _, lines = following.end()
    assert of(lines, "[build : act]", "warning") == [f"[build : act] line {number}" for number in range(50)]


def test_an_end_whose_output_never_comes_is_waited_for_and_then_told(api, follow, coordinator, make, monkeypatch):
    monkeypatch.setattr("monopod.runner.follow.output_order.PATIENCE", 0.2)
    following, it = follow(make.task("build", "true"), make.task("test", "true", after=["build"])), coordinator()
    it.started()
    it.attempt_started("build")
    it.says("build", "half of it")
    it.attempt_finished("build", token(1))
    it.attempt_started("test")
    it.says("test", "tested")
    it.marks("test", token(2))
    it.attempt_finished("test", token(2))
    following.wait_for("[test] Succeeded")
    it.says("build", "the other half")
    it.marks("build", token(1))
    it.finished()
    it.ends("build-act", "test-act")
    _, lines = following.end()
    (warning,) = warnings(lines)
    assert warning.startswith("the output of Step 'act' of Task 'build' is not complete yet")
    shown = [line.split(" in ")[0] for line in of(lines, "[build", "[test", "warning")]
    assert shown.index("[build : act] half of it") < shown.index("[build] Succeeded") < shown.index("[test] started")
    assert "[build : act] the other half" in shown
