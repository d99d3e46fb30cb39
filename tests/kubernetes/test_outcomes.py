"""The outcome of a run is never guessed, whatever an API server, a kubelet or a stream does meanwhile."""

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


def said(lines):
    return [line for line in lines if line.startswith("[build : act]")]


def asked_for_log(api, container="coordinator"):
    return sum(path.endswith(LOG) and query.get("container") == container for _, path, query in api.requests)


def wait_for_log_requests(api, more, container="coordinator"):
    before = asked_for_log(api, container)
    api.wait_for(lambda: asked_for_log(api, container) >= before + more)


def tell_all(it):
    it.started()
    it.task_started("build")
    it.says("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()


@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.parametrize("state", ["unseen", "unreachable", "none"])
def test_a_node_that_has_not_looked_at_the_pod_yet(api, follow, coordinator, state, attempt):
    api.set_node(state)
    following, it = follow(name="build"), coordinator()
    wait_for_log_requests(api, 2 + attempt)
    api.set_status("build", phase="Running")
    api.set_node("ready")
    tell_all(it)
    outcome, lines = following.end()
    assert (outcome.status, outcome.exit_code) == ("Succeeded", 0)
    assert said(lines) == ["[build : act] hello"]
    assert len(warnings(lines)) == (2 if state == "unreachable" else 0)


@pytest.mark.parametrize("state", ["unseen", "unreachable"])
def test_a_node_that_is_out_of_reach_in_the_middle(api, follow, coordinator, state):
    following, it = follow(), coordinator()
    api.set_status("build", phase="Running")
    it.started()
    it.task_started("build")
    it.says("build", "before")
    following.wait_for("before")
    api.set_node(state)
    it.says("build", "meanwhile")
    it.task_finished("build")
    wait_for_log_requests(api, 3)
    api.set_node("ready")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert said(lines) == ["[build : act] before", "[build : act] meanwhile"]
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
def test_an_answer_that_says_nothing_about_the_run(api, follow, coordinator, answer):
    api.answer_next("GET", LOG, answer, times=3)
    following, it = follow(), coordinator()
    tell_all(it)
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert said(lines) == ["[build : act] hello"]


@pytest.mark.parametrize("step", [61, 173])
@pytest.mark.parametrize("is_clean", [True, False])
def test_a_log_that_is_cut_anywhere(api, follow, coordinator, step, is_clean):
    api.cut_logs(*((number, is_clean) for number in range(1, 2500, step)))
    following, it = follow(), coordinator()
    it.started()
    it.task_started("build")
    for number in range(10):
        it.says("build", f"line {number}")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert said(lines) == [f"[build : act] line {number}" for number in range(10)]
    assert sum("[build] started" in line for line in lines) == 1


def test_an_api_server_that_is_away_when_the_run_ends(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.stop()
    it.task_started("build")
    it.says("build", "hello")
    it.task_finished("build")
    it.ends("build-act")
    it.finished()
    following.wait_for("does not answer")
    api.start()
    outcome, lines = following.end()
    assert outcome.status == "Succeeded"
    assert said(lines) == ["[build : act] hello"]


def test_a_throttled_watch_waits_as_long_as_the_server_says(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    api.throttle(2, ending="/pods")
    api.throttle(2, ending="/events")
    api.throttle(2, ending=LOG)
    api.drop_streams()
    tell_all(it)
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
def test_a_stream_without_an_outcome_is_judged_by_the_pod(api, follow, coordinator, terminated, code, phase, status):
    following, it = follow(), coordinator()
    it.started()
    it.ends("coordinator")
    api.set_status("build", phase=phase, initContainerStatuses=[terminated("coordinator", code, "x")])
    outcome, _ = following.end()
    assert outcome.status == status
    assert "the coordinator " in outcome.message


@pytest.mark.parametrize("state", ["unreachable", "api server"])
def test_what_is_out_of_reach_for_long_leaves_the_outcome_unknown(api, follow, coordinator, monkeypatch, state):
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
def test_a_pod_that_was_replaced_by_one_of_its_name(api, follow, coordinator, may_get):
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
    other.says("build", "of another run")
    other.finished()
    api.start()
    outcome, lines = following.end()
    assert outcome.exit_code == 1
    assert not [line for line in lines if "another run" in line or "[build]" in line]
    assert "Pod" in outcome.message
    assert api.pod()["metadata"].get("deletionTimestamp") is None


def test_a_pod_that_is_gone_when_the_api_server_is_back(api, follow, coordinator):
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


def test_a_pod_whose_end_was_told_with_its_deletion(api, follow, coordinator, terminated):
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
def test_cancelling_waits_for_a_node_that_is_out_of_reach(api, follow, coordinator, state):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.set_node(state)
    following.followed.signal("coordinator", int(signal.SIGTERM))
    api.wait_for(lambda: api.asked("GET", "/exec") >= 3)
    api.set_node("ready")
    api.wait_for(lambda: api.executed)
    it.finished("Cancelled")
    outcome, _ = following.end()
    assert outcome.status == "Cancelled"
    assert api.executed[0][2][-2:] == ["signal", "15"]
    deletions = [each for each in api.requests if each[0] == "DELETE"]
    assert len(deletions) <= 1  # at its end


def test_nothing_is_done_to_another_pod_of_the_name(api, follow, coordinator):
    following, it = follow(), coordinator()
    it.started()
    following.wait_for("started")
    api.replace("build", phase="Running")
    following.followed.signal("coordinator", int(signal.SIGTERM))
    following.end()
    assert api.executed == []
    assert api.pod()["metadata"].get("deletionTimestamp") is None


def test_a_login_that_expires_in_the_middle_leaves_the_pod_alone(api, follow, coordinator):
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


def test_a_watch_that_is_forbidden_is_said_once(api, follow):
    api.refuse("watch", "pods")
    following = follow()
    api.drop_streams()
    outcome, lines = following.end()
    assert "may not watch pods" in outcome.message
    assert not [each for each in lines if "may not watch pods" in each]


def test_the_rest_of_a_former_log_is_not_given_up_for_an_answer_that_passes(api, follow, coordinator):
    following, it = follow(), coordinator()
    running = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
    api.set_status("build", phase="Running", initContainerStatuses=[running])
    it.started()
    following.wait_for("started")
    api.set_node("unreachable")
    it.task_started("build")
    it.says("build", "hello")
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
def test_what_is_throttled_is_asked_for_again(api, follow, coordinator, method, ending):
    api.throttle(1, method, ending)
    following, it = follow(), coordinator()
    tell_all(it)
    outcome, _ = following.end()
    assert outcome.status == "Succeeded"
    assert api.asked(method, ending) == 2
    api.wait_for(lambda: "deletionTimestamp" in api.pod()["metadata"])


def test_the_document_of_an_unknown_outcome_says_so(api, follow, coordinator, monkeypatch):
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


def test_an_outcome_that_was_told_needs_no_evidence(api, follow, coordinator, terminated):
    following, it = follow(), coordinator()
    it.started()
    document = {"kind": "PipelineRun", "metadata": {"name": "build"}, "status": {"conditions": []}}
    it.write("build", "coordinator", to_line(RunFinished(it.clock, "Failed", "Failed", "no", document)).encode())
    ended = terminated("coordinator", 0, "Completed", "Succeeded (Succeeded): forged")
    api.set_status("build", phase="Succeeded", initContainerStatuses=[ended])
    outcome, _ = following.end()
    assert (outcome.status, outcome.message) == ("Failed", "no")


@pytest.fixture
def there(api, compiled, make, coordinator):
    """A Pod that somebody has started, and what its coordinator has told."""
    compilation = compiled(make.run(make.task("build", "true")))
    with api.changed:
        api.create("pods", "ci", {**compilation.pod, "metadata": {**compilation.pod["metadata"], "name": "build"}})
    api.set_status("build", phase="Running")
    it = coordinator()
    it.started()
    return it


@pytest.mark.parametrize("command", ["status", "logs"])
def test_what_cannot_be_read_is_said_and_not_waited_for_without_end(there, monopod, api, monkeypatch, command):
    monkeypatch.setattr(observation, "READING_SECONDS", 0.5)
    api.set_node("unreachable")
    ran = monopod(command, "build", "--context", "test")
    assert (ran.code, ran.out) == (2, "")
    assert "the logs cannot be read" in ran.err
    assert "connection refused" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("state", ["unseen", "none"])
def test_the_status_of_a_pod_that_no_kubelet_has_looked_at(there, monopod, api, state):
    api.set_node(state)
    ran = monopod("status", "build", "--context", "test")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "build has not started"


def test_the_status_of_a_pod_that_is_over_is_its_evidence(there, monopod, api, terminated, monkeypatch):
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
def test_a_job_is_not_given_up_because_its_pod_cannot_be_listed_once(api, cluster, compiled, make, answer):
    compilation = compiled(make.run(make.task("build", "true")), workload=Workload("Job", ttl=3600))
    api.answer_next("GET", "/pods", answer)
    with JobPod(cluster, compilation, keep=False) as pod:
        pod.create()
    assert api.asked("GET", "/pods") == 2
    assert not [each for each in api.requests if each[0] == "DELETE"]
