"""Following a Pod on an API server: states, log streams and refusals. Nothing runs in it.

The effect of each message and timer is tested in test_observation.py, without an API server.
"""

import os
import signal

import pytest
from following import warnings

from monopod.runner.kubernetes import following as following_module
from monopod.runner.kubernetes.messages import PodSeen
from monopod.runner.kubernetes.pod_watch import PodWatch
from monopod.schemas.run_events import RunFinished, to_line


def event(api, reason, message):
    """Add a warning event about the Pod."""
    warning = {"type": "Warning", "reason": reason, "message": message, "metadata": {"name": reason.lower()}}
    api.put("events", "ci", {**warning, "involvedObject": {"uid": api.pod()["metadata"]["uid"]}})


def test_outcome_is_reported_while_the_pod_still_runs(api, follow, coordinator):
    following, it = follow(), coordinator()
    api.set_status("build", phase="Running")
    it.started()
    it.task_started("build")
    it.prints("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.exit_code == 0
    assert lines[:3] == ["Run build started in namespace ci", "[build] started", "[build : act] hello"]
    assert lines.index("[build : act] hello") < next(n for n, line in enumerate(lines) if "[build] Succeeded" in line)


def test_watch_reports_before_the_created_pod_is_handled(follow, monkeypatch):
    """The created Pod, which has no conditions yet, must not hide that no node takes it."""

    class QuickWatch(PodWatch):
        def __init__(self, cluster, pod, report):
            super().__init__(cluster, pod, report)
            self.pod = pod

        def start(self):
            message = "0/1 nodes are available: 1 Insufficient cpu"
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            self._report(PodSeen({**self.pod, "status": {"phase": "Pending", "conditions": [condition]}}))

        def join(self, seconds):
            pass

    monkeypatch.setattr(following_module, "PodWatch", QuickWatch)
    outcome, _ = follow(start_timeout=0.1).end()
    assert "Insufficient cpu" in outcome.message


def test_output_after_the_end_of_a_step_still_belongs_to_it(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    it.prints("build", "early")
    it.task_finished("build", 1)
    it.finished("Failed")
    following.wait_for("[build] Failed")
    it.prints("build", "late")
    it.ends("build-act")
    outcome, lines = following.end()
    assert outcome.exit_code == 1
    assert "[build : act] late" in lines
    (task,) = following.follower.tasks
    (step,) = task.failed_steps
    assert following.follower.last_lines(task, step) == ("early", "late")


def test_pod_deleted_by_another_user(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.ends("coordinator")
    api.remove("build")
    outcome, _ = following.end()
    assert outcome.message == (
        "the coordinator did not report how the run ended: the Pod was deleted by somebody while it ran"
    )


EVICTION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


@pytest.mark.parametrize(("conditions", "reason"), [([], "PodDeleted"), ([EVICTION], "Evicted")])
@pytest.mark.parametrize("status", ["Failed", "Succeeded"])
def test_run_that_fails_because_its_pod_is_taken_away_says_so(api, follow, coordinator, conditions, reason, status):
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    following.wait_for("[build] started")
    api.set_status("build", conditions=conditions)
    api.set_metadata("build", deletionTimestamp="2100-01-01T00:00:00Z")
    following.wait_for("the Pod is being deleted, not by this command")
    it.task_finished("build", 143)
    it.ends("build-act")
    it.finished(status)
    outcome, _ = following.end()
    if status == "Succeeded":
        assert (outcome.status, outcome.reason) == ("Succeeded", "Succeeded")
    else:
        assert (outcome.status, outcome.reason, outcome.exit_code) == ("Failed", reason, 1)
        assert ("evicted through the API" if conditions else "was deleted by somebody") in outcome.message


def test_deletion_after_the_outcome_does_not_change_it(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    it.task_finished("build", 1)
    it.finished("Failed")
    following.wait_for("[build] Failed")
    api.set_metadata("build", deletionTimestamp="2100-01-01T00:00:00Z")
    following.wait_for("the Pod is being deleted, not by this command")
    it.ends("build-act")
    outcome, _ = following.end()
    assert (outcome.status, outcome.reason) == ("Failed", "Failed")


def test_image_that_cannot_be_pulled_fails_its_task(api, follow, coordinator, waiting, make):
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


def is_being_deleted(pod):
    """A Pod without a node is removed at once."""
    return pod is None or "deletionTimestamp" in pod["metadata"]


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
def test_pod_that_does_not_start_fails_the_run(api, follow, status, words):
    following = follow(start_timeout=0)
    api.set_status("build", **status)
    outcome, lines = following.end()
    assert (outcome.exit_code, outcome.reason) == (1, "NotStarted")
    assert outcome.message.startswith("the run did not start: ")
    assert words in outcome.message
    assert words in warnings(lines)[0]
    api.wait_for(lambda: is_being_deleted(api.pod()))


@pytest.mark.parametrize("condition", [{}, {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}])
def test_cancelling_before_the_coordinator_started_deletes_the_pod(api, follow, condition):
    following = follow()
    api.set_status("build", phase="Pending", conditions=[condition] if condition else [])
    os.write(following.writer, bytes([signal.SIGTERM]))
    api.wait_for(lambda: is_being_deleted(api.pod()))
    api.remove("build")
    outcome, _ = following.end()
    assert (outcome.status, outcome.exit_code, outcome.message) == ("Cancelled", 130, "its Pod was deleted")
    assert api.executed == []


def test_running_coordinator_may_finish_before_the_pod_is_deleted(api, follow, coordinator, waiting):
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


def test_container_that_cannot_start_is_reported_to_the_coordinator(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    status = terminated("build-act", 128, "StartError", "exec: no such file")
    api.set_status("build", phase="Running", containerStatuses=[status])
    api.wait_for(lambda: api.executed)
    it.finished("Failed")
    _, lines = following.end()
    assert "container build-act could not be started: exec: no such file" in warnings(lines)


def test_restarted_coordinator_continues(api, follow, coordinator):
    following, it = follow(), coordinator()
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", phase="Running", initContainerStatuses=[running])
    it.started()
    it.task_started("build")
    following.wait_for("[build] started")
    api.restart_log("build", "coordinator")
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    api.set_status("build", initContainerStatuses=[{**running, "restartCount": 1, "lastState": ended}])
    it.prints("build", "hello")
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


def test_broken_connections_are_reopened(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    for number in range(50):
        it.prints("build", f"line {number}")
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


def test_expired_resource_version(api, follow, coordinator):
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
def test_following_without_permission_to_read_events(api, follow, coordinator, verb):
    api.refuse(verb, "events")
    following, it = follow(), coordinator()
    it.started()
    it.finished()
    outcome, lines = following.end()
    assert (outcome.exit_code, warnings(lines)) == (0, [])


@pytest.mark.parametrize(("verb", "resource"), [("watch", "pods"), ("get", "pods/log")])
def test_missing_permission_to_follow_is_reported(api, follow, verb, resource):
    api.refuse(verb, resource)
    following = follow()
    api.runs("build", "coordinator")
    outcome, _ = following.end()
    assert outcome.exit_code == 1
    assert f"the Pod cannot be followed: jane may not {verb} {resource} in namespace ci" in outcome.message
    api.wait_for(lambda: "deletionTimestamp" in api.pod()["metadata"])


def test_start_failure_that_cannot_be_reported_to_the_coordinator(api, follow, coordinator, waiting):
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


def test_pod_preempted_or_evicted_by_the_cluster(api, follow, coordinator):
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


def test_silent_step_does_not_delay_the_output_of_others(api, follow, coordinator):
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


def test_timestamps_inside_long_lines(api, follow, coordinator):
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
    """Return the lines that start with one of these, in order."""
    return [line for line in lines if line.startswith(texts)]


def test_late_logs_are_shown_before_later_events(api, follow, coordinator, make):
    """The coordinator's stream is far ahead, and the logs of two containers arrive in the opposite order."""
    following, it = follow(make.task("build", "true"), make.task("test", "true", after=["build"])), coordinator()
    it.started()
    it.attempt_started("build")
    it.attempt_finished("build", token(1))
    it.attempt_started("test")
    it.attempt_finished("test", token(2))
    following.wait_for("[build] started")
    it.prints("test", "tested")
    it.marks("test", token(2))
    it.prints("build", "built")
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


def test_output_of_attempts_is_separated_in_a_late_and_truncated_log(api, follow, coordinator, make):
    following, it = follow(make.task("build", "true", retries=4)), coordinator()
    api.cut_logs(*[(size, size % 2 == 0) for size in (150, 90, 260, 75, 300, 81, 200)])
    it.started()
    for attempt in range(5):
        it.attempt_started("build", attempt)
        it.attempt_finished("build", token(attempt), attempt, again=attempt < 4)
    it.finished()
    for attempt in range(5):
        it.prints("build", f"try {attempt}")
        it.prints("build", f"\x1emonopod {token(99)}")  # forged
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


def test_log_stream_that_ends_early_after_its_container_ended(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    it.attempt_started("build")
    api.wait_for(lambda: api.request_count("GET", "/log") >= 2)
    api.cut_logs(*[(size, True) for size in (150, 90, 260, 75, 300, 81, 200)])
    for number in range(50):
        it.prints("build", f"line {number}")
    it.marks("build", token(1))
    it.ends("build-act")
    api.set_status("build", phase="Running", containerStatuses=[terminated("build-act", 0, "Completed")])
    it.attempt_finished("build", token(1))
    it.finished()
    _, lines = following.end()
    assert of(lines, "[build : act]", "warning") == [f"[build : act] line {number}" for number in range(50)]


def test_end_of_a_step_is_shown_after_waiting_in_vain_for_its_output(api, follow, coordinator, make, monkeypatch):
    monkeypatch.setattr("monopod.runner.follow.output_order.PATIENCE", 0.2)
    following, it = follow(make.task("build", "true"), make.task("test", "true", after=["build"])), coordinator()
    it.started()
    it.attempt_started("build")
    it.prints("build", "half of it")
    it.attempt_finished("build", token(1))
    it.attempt_started("test")
    it.prints("test", "tested")
    it.marks("test", token(2))
    it.attempt_finished("test", token(2))
    following.wait_for("[test] Succeeded")
    it.prints("build", "the other half")
    it.marks("build", token(1))
    it.finished()
    it.ends("build-act", "test-act")
    _, lines = following.end()
    (warning,) = warnings(lines)
    assert warning.startswith("the output of Step 'act' of Task 'build' is not complete yet")
    shown = [line.split(" in ")[0] for line in of(lines, "[build", "[test", "warning")]
    assert shown.index("[build : act] half of it") < shown.index("[build] Succeeded") < shown.index("[test] started")
    assert "[build : act] the other half" in shown
