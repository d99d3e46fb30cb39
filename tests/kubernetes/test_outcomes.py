"""The outcome of a run is never guessed, no matter what an API server, a kubelet or a stream does in the meantime."""

import signal

import api_answers
import pytest
from following import warnings

from monopod.compiler.pod.workload import Workload
from monopod.runner.follow.ended_document import ended_document
from monopod.runner.kubernetes import log_reader, observation
from monopod.runner.kubernetes.job import JobPod
from monopod.schemas.run_events import RunFinished, to_line
from monopod.schemas.run_progress import progress_of

LOG = "/log"
SUMMARY = "Tasks Completed: 1 (Failed: 0, Cancelled 0), Skipped: 0"


def output_of_build(lines):
    return [line for line in lines if line.startswith("[build : act]")]


def log_requests(api, container="coordinator"):
    return sum(path.endswith(LOG) and query.get("container") == container for _, path, query in api.requests)


def wait_for_log_requests(api, more, container="coordinator"):
    before = log_requests(api, container)
    api.wait_for(lambda: log_requests(api, container) >= before + more)


def report_success(it):
    it.started()
    it.task_started("build")
    it.prints("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()


@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.parametrize("state", ["unseen", "unreachable", "none"])
def test_pod_not_yet_seen_by_its_node(api, follow, coordinator, state, attempt):
    api.set_node(state)
    following, it = follow(name="build"), coordinator()
    api.runs("build", "coordinator")
    wait_for_log_requests(api, 2 + attempt)
    api.set_status("build", phase="Running")
    api.set_node("ready")
    report_success(it)
    outcome, lines = following.end()
    assert (outcome.status, outcome.exit_code) == ("Succeeded", 0)
    assert output_of_build(lines) == ["[build : act] hello"]
    assert len(warnings(lines)) == (2 if state == "unreachable" else 0)


@pytest.mark.parametrize("state", ["unseen", "unreachable"])
def test_node_unreachable_during_the_run(api, follow, coordinator, state):
    following, it = follow(), coordinator()
    api.set_status("build", phase="Running")
    it.started()
    it.task_started("build")
    it.prints("build", "before")
    following.wait_for("before")
    api.set_node(state)
    it.prints("build", "meanwhile")
    it.task_finished("build")
    wait_for_log_requests(api, 3)
    api.set_node("ready")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert output_of_build(lines) == ["[build : act] before", "[build : act] meanwhile"]
    assert next(line for line in lines if "[build] " in line) == "[build] started"
    cannot = [each for each in warnings(lines) if each.startswith("the log of the coordinator cannot be read: ")]
    assert len(cannot) == (state == "unreachable")


ANSWERS = [
    api_answers.unready_log("build", 502),
    api_answers.unready_log("build", 503),
    api_answers.unready_log("build", 504),
    api_answers.missing("nodes", "n1"),
    api_answers.unavailable("build", "coordinator"),
    api_answers.throttled(),
    (404, "404 page not found"),
    (500, "<html>a proxy</html>"),
    api_answers.status(400, "BadRequest", "failed to get log"),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: str(answer[0]))
def test_answers_that_are_not_evidence(api, follow, coordinator, answer):
    api.answer_next("GET", LOG, answer, times=3)
    following, it = follow(), coordinator()
    report_success(it)
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert output_of_build(lines) == ["[build : act] hello"]


@pytest.mark.parametrize(("is_clean", "step"), [(True, 173), (False, 173), (False, 61)])
def test_log_cut_at_any_byte(api, follow, coordinator, step, is_clean):
    api.cut_logs(*((number, is_clean) for number in range(1, 2500, step)))
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    for number in range(10):
        it.prints("build", f"line {number}")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert output_of_build(lines) == [f"[build : act] line {number}" for number in range(10)]
    assert sum("[build] started" in line for line in lines) == 1


def test_api_server_unreachable_when_the_run_ends(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.stop()
    it.task_started("build")
    it.prints("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    following.wait_for("does not answer")
    api.start()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert output_of_build(lines) == ["[build : act] hello"]


def test_throttled_watch_honours_retry_after(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    api.throttle(2, ending="/pods")
    api.throttle(2, ending="/events")
    api.throttle(2, ending=LOG)
    api.drop_streams()
    report_success(it)
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert len([each for each in warnings(lines) if "does not answer" in each]) <= 1


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (f"Succeeded (Succeeded): {SUMMARY}", "Succeeded", 0),
        (f"Succeeded (Completed): {SUMMARY}\nreport: Skipped: no", "Succeeded", 0),
        ("Failed (Failed): Tasks Completed: 1 (Failed: 1)\nbuild: Failed: exit code 1", "Failed", 1),
        ('Cancelled (Cancelled): PipelineRun "build" was cancelled', "Cancelled", 130),
        ('TimedOut (PipelineRunTimeout): PipelineRun "build" failed to finish', "TimedOut", 1),
    ],
)
@pytest.mark.parametrize("state", ["unseen", "unreachable"])
def test_the_termination_message_is_evidence(
    api, follow, coordinator, terminated, monkeypatch, message, status, code, state
):
    monkeypatch.setattr(log_reader, "_MOST_OUTAGE_SECONDS", 0.5)
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.set_node(state)  # for good: the log is lost
    ended = terminated("coordinator", int(code != 0), "Completed" if code == 0 else "Error", message)
    api.set_status("build", phase="Failed" if code else "Succeeded", initContainerStatuses=[ended])
    outcome, _ = following.end()
    assert (outcome.status, outcome.exit_code) == (status, code)
    assert f"{outcome.status} ({outcome.reason}): {outcome.message}" == message.splitlines()[0]


@pytest.mark.parametrize(("code", "phase", "status"), [(0, "Succeeded", "Succeeded"), (1, "Failed", "Failed")])
def test_stream_without_an_outcome_defers_to_the_pod(api, follow, coordinator, terminated, code, phase, status):
    following, it = follow(), coordinator()
    it.started()
    it.ends("coordinator")
    api.set_status("build", phase=phase, initContainerStatuses=[terminated("coordinator", code, "x")])
    outcome, _ = following.end()
    assert outcome.status == status
    assert "the coordinator " in outcome.message


@pytest.mark.parametrize("state", ["unreachable", "api server"])
def test_outcome_is_unknown_after_a_long_outage(api, follow, coordinator, monkeypatch, state):
    monkeypatch.setattr(observation, "UNREACHABLE_SECONDS", 0.5)
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    if state == "api server":
        api.stop()
    else:
        api.set_node(state)
    outcome, lines = following.end()
    assert (outcome.status, outcome.reason, outcome.exit_code) == ("Unknown", "OutcomeUnknown", 1)
    assert outcome.message.endswith("; look again with: monopod attach build -n ci --context test")
    what = "API server" if state == "api server" else "log of the coordinator"
    assert f"the {what} could not be reached for" in outcome.message
    assert len(warnings(lines)) <= 2
    if state == "api server":
        api.start()
    assert "deletionTimestamp" not in api.pod()["metadata"]
    assert not [each for each in api.requests if each[0] == "DELETE"]


@pytest.mark.parametrize("may_get", [True, False])
def test_pod_replaced_by_another_of_the_same_name(api, follow, coordinator, may_get):
    if not may_get:
        api.refuse("get", "pods")
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.stop()
    api.replace("build", phase="Running")
    other = coordinator()
    other.started()
    other.task_started("build")
    other.prints("build", "of another run")
    other.finished()
    api.start()
    outcome, lines = following.end()
    assert outcome.exit_code == 1
    assert not [line for line in lines if "another run" in line or "[build]" in line]
    assert "Pod" in outcome.message
    assert api.pod()["metadata"].get("deletionTimestamp") is None


def test_pod_gone_when_the_api_server_is_back(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.stop()
    api.remove("build")
    api.forget_versions()
    api.start()
    outcome, _ = following.end()
    assert (outcome.status, outcome.exit_code) == ("Unknown", 1)
    assert "the Pod is gone, and how it ended was not seen" in outcome.message


def test_pod_whose_end_came_with_its_deletion(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.set_node("unreachable")
    message = f"Succeeded (Succeeded): {SUMMARY}"
    api.set_status("build", initContainerStatuses=[terminated("coordinator", 0, "Completed", message)])
    api.remove("build")
    outcome, _ = following.end()
    assert (outcome.status, outcome.message) == ("Succeeded", SUMMARY)


@pytest.mark.parametrize("state", ["unseen", "unreachable", "none"])
def test_cancelling_waits_for_an_unreachable_node(api, follow, coordinator, state):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.set_node(state)
    following.followed.signal("coordinator", int(signal.SIGTERM))
    api.wait_for(lambda: api.request_count("GET", "/exec") >= 3)
    api.set_node("ready")
    api.wait_for(lambda: api.executed)
    it.finished("Cancelled")
    outcome, _ = following.end()
    assert outcome.status == "Cancelled"
    assert api.executed[0][2][-2:] == ["signal", "15"]
    deletions = [each for each in api.requests if each[0] == "DELETE"]
    assert len(deletions) <= 1  # at its end


def test_another_pod_of_the_same_name_is_not_touched(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.replace("build", phase="Running")
    following.followed.signal("coordinator", int(signal.SIGTERM))
    following.end()
    assert api.executed == []
    assert api.pod()["metadata"].get("deletionTimestamp") is None


def test_expired_login_leaves_the_pod_running(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.refuse("get", "pods/log", 401, "Unauthorized", "Unauthorized")
    api.refuse("watch", "pods", 401, "Unauthorized", "Unauthorized")
    api.drop_streams()
    outcome, _ = following.end()
    assert (outcome.status, outcome.exit_code) == ("Unknown", 1)
    assert "log in to the cluster again" in outcome.message
    assert "look again with: monopod attach build" in outcome.message
    assert not [each for each in api.requests if each[0] == "DELETE"]


def test_forbidden_watch_is_reported_once(api, follow):
    api.refuse("watch", "pods")
    following = follow()
    api.drop_streams()
    outcome, lines = following.end()
    assert "may not watch pods" in outcome.message
    assert not [each for each in lines if "may not watch pods" in each]


def test_previous_log_survives_a_transient_answer(api, follow, coordinator):
    following, it = follow(), coordinator()
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", phase="Running", initContainerStatuses=[running])
    it.started()
    following.wait_for("started")
    api.set_node("unreachable")
    it.task_started("build")
    it.prints("build", "hello")
    api.restart_log("build", "coordinator")
    api.set_status("build", initContainerStatuses=[{**running, "restartCount": 1}])
    wait_for_log_requests(api, 3)
    api.set_node("ready")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert [line for line in lines if line.startswith("[build")][:2] == ["[build] started", "[build : act] hello"]


@pytest.mark.parametrize(("method", "ending"), [("POST", "/pods"), ("DELETE", "/build")])
def test_throttled_requests_are_retried(api, follow, coordinator, method, ending):
    api.throttle(1, method, ending)
    following, it = follow(), coordinator()
    report_success(it)
    outcome, _ = following.end()
    assert outcome.status == "Succeeded"
    assert api.request_count(method, ending) == 2
    api.wait_for(lambda: "deletionTimestamp" in api.pod()["metadata"])


def test_document_of_an_unknown_outcome(api, follow, coordinator, monkeypatch):
    monkeypatch.setattr(observation, "UNREACHABLE_SECONDS", 0.5)
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    following.wait_for("[build] started")
    api.set_node("unreachable")
    outcome, _ = following.end()
    plan = following.pod._compilation.plan
    status = ended_document(plan, progress_of(plan, following.run.events), outcome, 2_000_000_000)["status"]
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("Unknown", "OutcomeUnknown")
    (run,) = status["taskRuns"].values()
    assert run["status"]["conditions"][0]["status"] == "Unknown"


def test_reported_outcome_needs_no_evidence(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    document = {"kind": "PipelineRun", "metadata": {"name": "build"}, "status": {"conditions": []}}
    it.write("build", "coordinator", to_line(RunFinished(it.clock, "Failed", "Failed", "no", document)).encode())
    ended = terminated("coordinator", 0, "Completed", "Succeeded (Succeeded): forged")
    api.set_status("build", phase="Succeeded", initContainerStatuses=[ended])
    outcome, _ = following.end()
    assert (outcome.status, outcome.message) == ("Failed", "no")


@pytest.fixture
def started_pod(api, compiled, make, coordinator):
    """A started Pod and the events that its coordinator has reported."""
    compilation = compiled(make.run(make.task("build", "true")))
    with api.changed:
        api.create("pods", "ci", {**compilation.pod, "metadata": {**compilation.pod["metadata"], "name": "build"}})
    api.set_status("build", phase="Running")
    it = coordinator()
    it.started()
    return it


@pytest.mark.parametrize("command", ["status", "logs"])
def test_unreadable_logs_are_reported_within_a_limit(started_pod, monopod, api, monkeypatch, command):
    monkeypatch.setattr(observation, "READING_SECONDS", 0.5)
    api.set_node("unreachable")
    ran = monopod(command, "build", "--context", "test")
    assert (ran.code, ran.out) == (2, "")
    assert "the logs cannot be read" in ran.err
    assert "connection refused" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("state", ["unseen", "none"])
def test_status_of_a_pod_not_yet_seen_by_a_kubelet(started_pod, monopod, api, state):
    api.set_node(state)
    ran = monopod("status", "build", "--context", "test")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "build has not started"


def test_status_of_an_ended_pod_is_evidence(started_pod, monopod, api, terminated, monkeypatch):
    monkeypatch.setattr(log_reader, "_MOST_OUTAGE_SECONDS", 0.5)
    api.set_node("unreachable")
    ended = terminated("coordinator", 0, "Completed", f"Succeeded (Succeeded): {SUMMARY}")
    api.set_status("build", phase="Succeeded", initContainerStatuses=[ended])
    ran = monopod("status", "build", "--context", "test")
    assert ran.code == 0
    assert any(line.startswith(("build Succeeded", "The run Succeeded")) for line in ran.out.splitlines())


@pytest.mark.parametrize(
    "answer", [api_answers.unready_log("x", 503), api_answers.throttled(), api_answers.timed_out()]
)
def test_one_failed_listing_does_not_give_up_a_job(api, cluster, compiled, make, answer):
    compilation = compiled(make.run(make.task("build", "true")), workload=Workload("Job", ttl=3600))
    api.answer_next("GET", "/pods", answer)
    with JobPod(cluster, compilation, keep=False) as pod:
        pod.create()
    assert api.request_count("GET", "/pods") == 2
    assert not [each for each in api.requests if each[0] == "DELETE"]
