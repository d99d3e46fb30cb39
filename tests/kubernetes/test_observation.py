"""Observing a Pod in a cluster, message by message: no threads, no sockets, no clock."""

import pytest
from coordinator_log import Coordinator
from observed_pod import START, ObservedPod, forbidden

from monopod.compiler.pod.kube_version import WITH_RESTART_RULES
from monopod.runner.backend import DELETED, NOT_STARTED
from monopod.runner.follow.pod_events import ContainerStarted, ContainerTerminated
from monopod.runner.kubernetes.commands import (
    CatchUp,
    CloseLog,
    ContinueLog,
    EndLog,
    EndLogSoon,
    FollowLog,
    OpenLog,
    ReadLogAgain,
)
from monopod.runner.kubernetes.log_set import MOST_READS
from monopod.runner.kubernetes.messages import (
    CaughtUp,
    Deleted,
    Disturbance,
    Executed,
    LogDisturbed,
    LogEnded,
    PodGone,
    WatchRefused,
)
from monopod.runner.kubernetes.observation import (
    COLLECTING_SECONDS,
    GONE_SECONDS,
    LOST_SECONDS,
    NOT_FOLLOWED,
    READING_SECONDS,
    UNREACHABLE_SECONDS,
)
from monopod.runner.kubernetes.starting import START_TIMEOUT, TRY_SECONDS
from monopod.schemas.run_events import ContainerRestarted, SidecarStarted, TaskStarted

RUNNING = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}
A, B = "a" * 32, "b" * 32
GONE = "the Pod was deleted by somebody while it ran"


@pytest.fixture
def observe(compiled, make):
    """Observes the Pod of a run of these Tasks."""

    def observe(*tasks, **options):
        return ObservedPod(compiled(make.run(*(tasks or [make.task("build", "true")]))), **options)

    return observe


@pytest.fixture
def it():
    """Writes what the coordinator of a Pod reports."""
    return lambda pod: Coordinator(pod, "build", START)


@pytest.fixture
def with_sidecar(make):
    task = make.task("build", "true")
    task["taskSpec"]["sidecars"] = [{"name": "db", "image": "db:1", "script": "true"}]
    return task


# Logs


def test_logs_are_opened_when_their_steps_and_sidecars_start(observe, it, make, with_sidecar):
    pod = observe(with_sidecar, make.task("other", "true", after=["build"]))
    assert pod.opened == []
    it(pod).started()
    it(pod).report(TaskStarted(START, "build", None, 0, "build", {}))
    assert pod.opened == ["coordinator"]
    it(pod).report(SidecarStarted(START, "build", None, 0, "db", "build-sidecar-db"))
    assert pod.opened == ["coordinator", "build-sidecar-db"]
    it(pod).task_started("build")
    assert pod.opened == ["coordinator", "build-sidecar-db", "build-act"]


def test_only_selected_output_is_read(observe, it):
    pod = observe(reads=lambda _: False)
    it(pod).task_started("build")
    assert pod.opened == ["coordinator"]


def test_without_events_each_log_is_read_once_its_container_runs(observe):
    pod = observe(has_events=False)
    pod.runs("build", "build-act")
    assert pod.opened == ["build-act"]
    pod.runs("build", "coordinator")
    assert pod.opened == ["build-act", "coordinator"]


def test_log_is_not_opened_before_the_container_is_known_to_run(observe, it):
    pod = observe()
    it(pod).started()
    pod.is_lagging = True
    it(pod).attempt_started("build")
    it(pod).attempt_finished("build", A)
    it(pod).finished()
    assert pod.opened == ["coordinator"]
    assert pod.status is None
    assert not pod.machine.is_complete("build-act")
    pod.is_lagging = False
    pod.runs("build", "build-act")
    assert pod.opened == ["coordinator", "build-act"]
    it(pod).prints("build", "1")
    assert pod.status is None
    it(pod).marks("build", A)
    assert pod.status is not None
    assert pod.of(EndLog) == []


def test_log_of_a_container_that_ended_unseen_is_read(observe, it, terminated):
    pod = observe()
    pod.is_lagging = True
    it(pod).attempt_started("build")
    pod.set_status(containerStatuses=[terminated("build-act", 0, "Completed")])
    assert pod.of(OpenLog, EndLog, FollowLog) == [
        OpenLog("build-act"),
        EndLog("build-act", is_over=True),
        FollowLog("build-act"),
    ]


def test_log_of_a_container_that_never_ran_ends_with_its_pod(observe, it):
    pod = observe()
    pod.is_lagging = True
    it(pod).attempt_started("build")
    pod.remove()
    assert pod.machine.is_complete("build-act")
    assert pod.status is not None


def test_logs_are_read_while_the_api_server_does_not_answer(observe, it, make):
    pod = observe(make.task("build", "true"), make.task("other", "true"))
    pod.is_lagging = True
    it(pod).attempt_started("build")
    assert pod.opened == []
    pod.handle(Disturbance("no route"))
    assert pod.opened == ["coordinator", "build-act"]
    it(pod).attempt_started("other")
    assert pod.opened == ["coordinator", "build-act", "other-act"]


def test_log_with_its_end_mark_is_not_requested_again(observe, it, terminated):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).prints("build", "1")
    it(pod).marks("build", A)
    it(pod).attempt_finished("build", A)
    assert not pod.machine.is_complete("build-act")  # another attempt may follow
    pod.set_status(containerStatuses=[terminated("build-act", 0, "Completed")])
    assert pod.machine.is_complete("build-act")
    it(pod).finished()
    assert pod.status is not None
    assert pod.of(EndLog, CloseLog) == [CloseLog("build-act"), CloseLog("coordinator")]


def test_log_is_complete_when_its_mark_comes_after_the_outcome(observe, it):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).attempt_finished("build", A)
    it(pod).finished()
    assert pod.status is None
    it(pod).marks("build", B)
    assert pod.status is None
    it(pod).marks("build", A)
    assert pod.status is not None
    assert pod.of(EndLog, CloseLog) == [CloseLog("coordinator"), CloseLog("build-act")]


def test_following_ends_with_the_outcome_and_the_last_log(observe, it):
    pod = observe()
    pod.set_status(phase="Running")
    it(pod).task_started("build")
    it(pod).prints("build", "hello")
    it(pod).task_finished("build")
    it(pod).finished()
    assert pod.status is None
    assert not pod.machine.is_complete("build-act")
    it(pod).prints("build", "late")
    it(pod).ends("build-act")
    assert pod.output == [("build-act", b"hello\n"), ("build-act", b"late\n")]
    assert pod.end == ("Running", "", "")
    assert pod.of(EndLog, CloseLog) == [CloseLog("coordinator"), EndLog("build-act", is_over=False)]
    pod.set_status(phase="Failed")
    assert pod.machine.next_timer() is None  # from here on nothing is selected


def test_repeated_outcome_does_not_extend_the_wait(observe, it):
    pod = observe()
    it(pod).task_started("build")
    it(pod).finished()
    pod.pass_(COLLECTING_SECONDS - 1)
    it(pod).finished()
    pod.pass_(1)
    assert pod.warnings == ["the output of Step 'act' of Task 'build' may be incomplete"]
    assert pod.status is not None


def test_log_that_still_brings_output_is_awaited(observe, it):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).attempt_finished("build", A)
    it(pod).finished()
    for number in range(3):
        pod.pass_(COLLECTING_SECONDS - 1)
        it(pod).prints("build", f"line {number}")
    assert pod.status is None
    it(pod).marks("build", A)
    assert pod.status is not None
    assert pod.warnings == []


def test_output_without_a_known_end_does_not_extend_the_wait(observe, it):
    pod = observe()
    it(pod).task_started("build")
    it(pod).finished()
    pod.pass_(COLLECTING_SECONDS - 1)
    it(pod).prints("build", "again")
    pod.pass_(1)
    assert pod.warnings == ["the output of Step 'act' of Task 'build' may be incomplete"]


@pytest.mark.parametrize("by", ["gone", "read"])
def test_long_log_of_a_pod_that_is_gone_or_only_read_is_read_to_its_end(observe, it, by):
    pod = observe(is_live=by == "gone")
    it(pod).attempt_started("build")
    if by == "gone":
        pod.remove()
    for number in range(3):
        pod.pass_((GONE_SECONDS if by == "gone" else READING_SECONDS) - 1)
        it(pod).prints("build", f"line {number}")
    assert pod.status is None


def test_log_of_a_sidecar_that_never_started_is_not_awaited(observe, it, with_sidecar):
    pod = observe(with_sidecar)
    it(pod).report(TaskStarted(START, "build", None, 0, "build", {}))
    it(pod).finished("Failed")
    assert pod.status is not None
    assert pod.warnings == []


def test_log_of_a_started_sidecar_is_read_to_its_end(observe, it, with_sidecar):
    pod = observe(with_sidecar)
    it(pod).report(SidecarStarted(START, "build", None, 0, "db", "build-sidecar-db"))
    it(pod).finished()
    assert pod.status is None
    it(pod).ends("build-sidecar-db")
    assert pod.status is not None


@pytest.mark.parametrize("is_over", [True, False])
def test_log_of_a_terminated_container_is_read_to_its_end(observe, it, terminated, is_over):
    pod = observe()
    pod.set_status(phase="Failed" if is_over else "Running", containerStatuses=[terminated("build-act", 0, "x")])
    it(pod).task_started("build")
    assert EndLog("build-act", is_over=True) in pod.commands


def test_a_restarted_container_has_a_new_log(observe):
    pod = observe()
    pod.set_status(initContainerStatuses=[RUNNING])
    pod.set_status(initContainerStatuses=[{**RUNNING, "restartCount": 1}])
    assert pod.of(ContinueLog) == [ContinueLog("coordinator")]
    started = [event for event in pod.events if isinstance(event, ContainerStarted)]
    assert [event.restart_count for event in started] == [0, 1]


@pytest.mark.parametrize("problem", ["", "no such log"])
def test_unreadable_log_is_reported(observe, it, problem):
    pod = observe()
    it(pod).task_started("build")
    pod.handle(LogEnded("build-act", problem))
    assert pod.warnings == [f"the output of Step 'act' of Task 'build' cannot be read: {problem}"] * bool(problem)


# Logs that end too early

INCOMPLETE = "the output of Step 'act' of Task 'build' is incomplete: its log ends too early"
OUTCOME = {"name": "coordinator", "state": {"terminated": {"exitCode": 0, "message": "Succeeded (Succeeded): done"}}}


def read_again(pod):
    return [command.container for command in pod.of(ReadLogAgain)]


@pytest.mark.parametrize("is_end_reported_first", [True, False])
def test_log_without_its_end_mark_is_read_again(observe, it, is_end_reported_first):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).prints("build", "1")
    if is_end_reported_first:
        it(pod).attempt_finished("build", A)
        it(pod).ends("build-act")
    else:
        it(pod).ends("build-act")
        it(pod).attempt_finished("build", A)
    it(pod).finished()
    assert read_again(pod) == ["build-act"]
    assert pod.status is None
    assert not pod.machine.is_complete("build-act")
    it(pod).prints("build", "2")
    it(pod).marks("build", A)
    it(pod).ends("build-act")
    assert pod.output == [("build-act", b"1\n"), ("build-act", b"2\n"), ("build-act", f"\x1emonopod {A}\n".encode())]
    assert read_again(pod) == ["build-act"]
    assert pod.status is not None
    assert pod.warnings == []


def test_log_that_never_has_its_end_mark_is_reported(observe, it):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).attempt_finished("build", A)
    for _ in range(3):
        it(pod).ends("build-act")
    it(pod).prints("build", "more")  # the count starts again
    it(pod).marks("build", B)  # of another request, or forged
    for _ in range(MOST_READS):
        it(pod).ends("build-act")
    assert pod.warnings == []
    it(pod).ends("build-act")
    assert pod.warnings == [INCOMPLETE]
    assert len(read_again(pod)) == 3 + MOST_READS
    assert pod.machine.is_complete("build-act")
    it(pod).finished()
    assert pod.status is not None


def test_late_end_mark_does_not_cause_another_read(observe, it):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).marks("build", A)
    it(pod).marks("build", B)
    it(pod).ends("build-act")
    it(pod).attempt_finished("build", A, again=True)
    it(pod).attempt_started("build", 1)
    it(pod).attempt_finished("build", B, 1)
    assert read_again(pod) == []


@pytest.mark.parametrize("why", ["gone", "refused", "given up"])
def test_log_that_cannot_be_read_again(observe, it, why):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).attempt_finished("build", A)
    if why == "gone":
        pod.remove()
    pod.handle(LogEnded("build-act", "no such log" if why == "refused" else ""))
    assert read_again(pod) == (["build-act"] if why == "given up" else [])
    if why == "given up":
        it(pod).finished()
        pod.pass_(COLLECTING_SECONDS)
    (warning,) = pod.warnings
    assert ("cannot be read" if why == "refused" else "incomplete") in warning


def test_last_line_is_shown_once_its_log_is_complete(observe, it):
    pod = observe()
    it(pod).attempt_started("build")
    it(pod).attempt_finished("build", A)
    pod.handle(LogEnded("build-act", last_line=b"line 33"))
    assert pod.output == []
    it(pod).prints("build", "line 333")
    it(pod).marks("build", A)
    pod.handle(LogEnded("build-act", last_line=b"unterminated"))
    assert [data for _, data in pod.output] == [b"line 333\n", f"\x1emonopod {A}\n".encode(), b"unterminated"]


@pytest.mark.parametrize(("status", "again"), [(OUTCOME, True), ({**OUTCOME, "state": {}}, False)])
def test_coordinator_log_without_the_known_outcome_is_read_again(observe, it, status, again):
    pod = observe()
    it(pod).started()
    pod.set_status(phase="Failed", initContainerStatuses=[{"restartCount": 0, **status}])
    it(pod).ends("coordinator")
    assert read_again(pod) == ["coordinator"] * again
    assert (pod.status is None) == again
    if again:
        it(pod).finished()
        assert pod.status is not None


def test_coordinator_log_is_read_again_as_long_as_that_brings_more(observe, it):
    pod = observe()
    pod.set_status(phase="Failed", initContainerStatuses=[{"restartCount": 0, **OUTCOME}])
    for _ in range(8):
        it(pod).started()
        it(pod).ends("coordinator")
    assert read_again(pod) == ["coordinator"] * 8
    for _ in range(MOST_READS):
        assert pod.status is None
        it(pod).ends("coordinator")
    assert pod.status is not None


# Reading a Pod without following it


def test_existing_log_is_read_once(observe, it):
    pod = observe(is_live=False)
    assert pod.of(CatchUp) == [CatchUp("coordinator")]
    it(pod).started()
    it(pod).task_started("build")
    pod.handle(CaughtUp("coordinator", 1))
    assert pod.status is None
    it(pod).prints("build", "hello")
    pod.handle(CaughtUp("build-act", 1))
    assert pod.machine.is_complete("build-act")
    assert pod.status is not None
    assert pod.of(FollowLog) == []


def test_wait_for_an_unreadable_log_is_limited(observe):
    pod = observe(is_live=False)
    pod.handle(LogDisturbed("coordinator", "connection refused"))
    pod.pass_(READING_SECONDS)
    why = "the logs cannot be read: connection refused; look again with: monopod attach build"
    assert pod.end == ("Unknown", NOT_FOLLOWED, why)


# How Pods end


@pytest.mark.parametrize(
    ("reason", "message", "words"),
    [
        ("Evicted", "The node was low on memory.", "the Pod was evicted: The node was low on memory."),
        (
            "DeadlineExceeded",
            "too long",
            "the Pod ran longer than its activeDeadlineSeconds: too long",
        ),
        ("UnexpectedAdmissionError", "Allocate failed", "UnexpectedAdmissionError: Allocate failed"),
        ("", "", ""),
    ],
)
def test_a_pod_that_is_over(observe, it, reason, message, words):
    pod = observe()
    it(pod).started()
    pod.set_status(phase="Failed", reason=reason, message=message)
    assert pod.status is None  # the log may hold the outcome
    it(pod).ends("coordinator")
    assert pod.end == ("Failed", reason, words)


@pytest.mark.parametrize("has_outcome", [True, False])
@pytest.mark.parametrize(
    ("is_seen", "phase", "message"), [(True, "Failed", GONE), (False, "Unknown", "the Pod is gone, and how it ended")]
)
def test_a_pod_that_is_gone(observe, it, has_outcome, is_seen, phase, message):
    pod = observe()
    it(pod).task_started("build")
    pod.handle(PodGone(pod.pod if is_seen else None))
    assert pod.of(EndLogSoon) == [EndLogSoon("coordinator"), EndLogSoon("build-act")]
    if has_outcome:
        it(pod).finished()
    assert pod.status is None
    pod.pass_(GONE_SECONDS)
    assert pod.status["phase"] == ("Running" if has_outcome else phase)
    assert pod.status["message"].startswith(message)


def test_late_watch_event_does_not_revive_a_deleted_pod(observe):
    pod = observe()
    pod.remove()
    pod.set_status(phase="Running")
    pod.pass_(GONE_SECONDS)
    assert pod.status["message"] == GONE


def test_pod_being_deleted_on_a_lost_node(observe, it):
    pod = observe()
    it(pod).started()
    pod.set_metadata(deletionTimestamp="2027-01-15T08:00:30Z")  # 30 seconds from the start
    pod.set_status(phase="Running")
    assert pod.warnings == ["the Pod is being deleted, not by this command; what runs in it is asked to stop"]
    pod.pass_(30 + LOST_SECONDS - 1)
    assert pod.status is None
    pod.pass_(1)
    assert pod.end[:2] == ("Unknown", "NodeLost")
    assert pod.machine.is_unknown


def test_a_container_that_cannot_be_executed(observe, terminated):
    pod = observe()
    pod.set_status(containerStatuses=[terminated("build-act", 128, "ContainerCannotRun", " no such file\n")])
    (ended,) = [event for event in pod.events if isinstance(event, ContainerTerminated)]
    assert (ended.reason, ended.message, ended.exit_code) == ("StartError", "no such file", 128)


# Containers that do not start

BACK_OFF, PULL = ("ImagePullBackOff", "no such thing"), ("ErrImagePull", "timeout")


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("container", ["build-act", "build-sidecar-db"])
@pytest.mark.parametrize(
    ("reason", "message", "timeout", "seconds"),
    [
        (*BACK_OFF, None, 0),
        ("CreateContainerConfigError", "secret not found", None, 0),
        ("InvalidImageName", "couldn't parse it", None, 0),
        ("InvalidImageName", "couldn't parse it", 3600, 0),
        ("ErrImageNeverPull", "", None, 0),
        (*PULL, None, START_TIMEOUT),
        (*PULL, 7, 7),
        (*BACK_OFF, 3600, 3600),
        ("CreateContainerError", "context deadline exceeded", None, START_TIMEOUT),
        ("CreateContainerConfigError", "failed to create subPath directory for volumeMount", None, START_TIMEOUT),
    ],
)
def test_container_that_cannot_start_is_given_up(
    observe, it, waiting, with_sidecar, is_first, container, reason, message, timeout, seconds
):
    pod = observe(with_sidecar, start_timeout=timeout)
    status = waiting(container, reason, message)
    if is_first:
        pod.set_status(containerStatuses=[status])
    it(pod).task_started("build")
    if not is_first:
        pod.set_status(containerStatuses=[status])
    if seconds:
        pod.pass_(seconds - 1)
        assert pod.not_started == []
        pod.pass_(1)
    pod.pass_(0)
    assert pod.not_started == [(container, reason)]
    assert len(pod.warnings) == 1
    assert pod.machine.is_complete(container)


def test_transient_trouble_is_not_a_failure(observe, it, waiting):
    pod = observe(start_timeout=10)
    pod.set_status(containerStatuses=[waiting("build-act", *PULL)])
    pod.pass_(9)
    pod.set_status(containerStatuses=[{"name": "build-act", "restartCount": 0, "state": {"running": {}}}])
    pod.pass_(START_TIMEOUT)
    assert pod.not_started == []


def test_image_that_an_earlier_task_may_push_is_pulled_again(observe, it, waiting, make):
    pod = observe(make.task("build", "true"), make.task("use", "true", after=["build"]))
    pod.set_status(containerStatuses=[waiting("use-act", *BACK_OFF)])
    it(pod).task_started("use")
    pod.pass_(0)
    assert pod.not_started == []
    pod.set_status(containerStatuses=[waiting("use-act", *PULL)])
    pod.set_status(containerStatuses=[waiting("use-act", *BACK_OFF)])
    pod.pass_(0)
    assert pod.not_started == [("use-act", "ImagePullBackOff")]


@pytest.mark.parametrize("timeout", [None, 3600])
def test_a_secret_that_an_earlier_task_may_create_is_looked_for_again(observe, it, waiting, make, timeout):
    """Kubelet says the same after another try: only time shows that there was one."""
    pod = observe(make.task("build", "true"), make.task("use", "true", after=["build"]), start_timeout=timeout)
    pod.set_status(containerStatuses=[waiting("use-act", "CreateContainerConfigError", 'secret "s" not found')])
    pod.pass_(60)
    it(pod).task_started("use")
    pod.pass_(TRY_SECONDS - 1)
    assert pod.not_started == []
    pod.pass_(1)
    assert pod.not_started == ([] if timeout else [("use-act", "CreateContainerConfigError")])


COPIED = {"folders": "copied", "workspaces": (("source", "."),)}
OF_FILES = {"name": "files", "restartCount": 0, "state": {"running": {}}}


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(("timeout", "is_given_up"), [(None, True), (3600, False)])
def test_the_first_step_that_uses_copied_files_is_needed_before_its_task_starts(
    compiled, make, waiting, is_first, timeout, is_given_up
):
    task = make.task("build", "true")
    task["workspaces"] = task["taskSpec"]["workspaces"] = [{"name": "source"}]
    run = make.run(task, make.task("other", "true"))
    run["spec"]["pipelineSpec"]["workspaces"] = [{"name": "source"}]
    pod = ObservedPod(compiled(run, **COPIED), has_folders=True, start_timeout=timeout)
    failing = [waiting(f"{task}-act", *BACK_OFF) for task in ("build", "other")]
    for statuses in ([OF_FILES], [*failing, OF_FILES]) if is_first else ([*failing], [*failing, OF_FILES]):
        pod.set_status(containerStatuses=statuses)
        pod.pass_(0)
    assert pod.not_started == [("build-act", "ImagePullBackOff")] * is_given_up


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no memory"}


@pytest.mark.parametrize("timeout", [0, 60, None])
@pytest.mark.parametrize(
    ("status", "event", "words"),
    [
        ({"conditions": [UNSCHEDULABLE]}, (), "no node takes the Pod: no memory (at its peak it asks for cpu "),
        (
            {"initContainerStatuses": [{**RUNNING, "state": {"waiting": {"reason": "ErrImagePull"}}}]},
            (),
            "of the coordinator cannot be pulled (ErrImagePull)",
        ),
        ({}, ("FailedMount", 'MountVolume.SetUp failed for "v"'), "FailedMount: MountVolume.SetUp failed"),
    ],
)
def test_a_pod_that_does_not_start(observe, timeout, status, event, words):
    pod = observe(start_timeout=timeout)
    pod.set_status(**status)
    for _ in range(2 if event else 0):
        pod.event(*event)
    (warning,) = pod.warnings
    assert words in warning
    pod.pass_(START_TIMEOUT if timeout is None else timeout)
    assert pod.end == ("Pending", NOT_STARTED, warning)


CLAIM_IS_MADE = (
    "0/1 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "
    '"build-workspace-source".'
)


def test_a_claim_that_the_cluster_makes_is_worth_a_warning_only_if_it_is_not_made(observe, it):
    pod = observe(start_timeout=10)
    pod.set_status(conditions=[{**UNSCHEDULABLE, "message": CLAIM_IS_MADE}])
    pod.pass_(9)
    assert pod.warnings == []
    pod.pass_(1)
    assert pod.end[:2] == ("Pending", NOT_STARTED)
    assert CLAIM_IS_MADE in pod.end[2]


def test_volume_mounted_late_is_not_a_failure(observe):
    pod = observe(start_timeout=10)
    pod.event("FailedMount", "not yet")
    pod.set_status(initContainerStatuses=[RUNNING])
    pod.pass_(START_TIMEOUT)
    assert pod.status is None


# Cancelling


@pytest.mark.parametrize(
    ("status", "is_heard", "is_deleted"),
    [
        ({}, False, True),
        ({"conditions": [UNSCHEDULABLE]}, False, True),
        ({"initContainerStatuses": [RUNNING]}, False, False),
        ({}, True, False),
    ],
)
def test_pod_is_deleted_only_if_its_coordinator_has_not_started(observe, it, status, is_heard, is_deleted):
    pod = observe()
    pod.set_status(**status)
    if is_heard:
        it(pod).started()
    for _ in range(2):
        pod.ask("end_unstarted")
    assert pod.deletions == [None] * is_deleted
    pod.remove()
    pod.pass_(GONE_SECONDS)
    assert pod.status["reason"] == (DELETED if is_deleted else "Deleted")
    assert not pod.machine.is_unknown


def test_killed_pod_has_ended_once_it_is_gone(observe, it):
    pod = observe()
    it(pod).task_started("build")
    pod.ask("kill")
    assert pod.deletions == [0]
    pod.handle(Deleted())
    pod.remove()
    assert pod.end == ("Failed", DELETED, GONE)


def test_pod_that_cannot_be_deleted_is_left(observe, it):
    pod = observe()
    it(pod).started()
    pod.ask("kill")
    pod.handle(Deleted("no"))
    assert pod.warnings == ["the Pod cannot be deleted: no"]
    assert pod.status["reason"] == DELETED


@pytest.mark.parametrize("is_gone", [True, False])
def test_run_whose_coordinator_cannot_cancel_it_is_deleted(observe, it, is_gone):
    pod = observe()
    it(pod).started()
    pod.ask("signal", 2)
    assert pod.executed == [("signal", "2")]
    if is_gone:
        pod.remove()
    pod.handle(Executed(("signal", "2"), "not allowed"))
    assert pod.deletions == ([] if is_gone else [None])
    text = "cannot reach the coordinator to cancel the run (not allowed); the Pod is deleted instead"
    assert pod.warnings == ([] if is_gone else [text])


def test_coordinator_out_of_reach_of_reports_waits_by_itself(observe, it):
    pod = observe()
    it(pod).started()
    pod.ask("declare_dead", "build-act", "ErrImagePull", "x" * 5000)
    ((*_, message),) = pod.executed
    assert len(message) == 2000
    pod.handle(Executed(pod.executed[0], "not allowed"))
    (warning,) = pod.warnings
    assert warning.startswith("cannot report this to the coordinator (not allowed); it waits for the container for ")
    assert pod.deletions == []


# Outages and missing permissions


@pytest.mark.parametrize(
    ("message", "again", "what"),
    [
        (Disturbance("refused"), Disturbance(""), "the API server"),
        (LogDisturbed("coordinator", "refused"), LogDisturbed("coordinator", ""), "the log of the coordinator"),
    ],
)
def test_outcome_is_unknown_after_a_long_outage(observe, it, message, again, what):
    pod = observe()
    it(pod).started()
    pod.handle(message, again)
    pod.pass_(2 * UNREACHABLE_SECONDS)
    assert pod.status is None
    pod.handle(message)
    pod.pass_(UNREACHABLE_SECONDS)
    text = f"{what} could not be reached for 10m00s: refused; look again with: monopod attach build"
    assert (pod.status["phase"], pod.status["message"]) == ("Unknown", text)
    assert pod.machine.is_unknown
    assert pod.deletions == []


def test_unreachable_api_server_is_reported_once(observe, it):
    pod = observe()
    it(pod).started()
    outage, log_outage = Disturbance("refused"), LogDisturbed("coordinator", "refused")
    pod.handle(outage, log_outage, Disturbance(""), LogDisturbed("coordinator", ""))
    assert pod.warnings == ["the API server does not answer: refused; retrying", "the API server answers again"]


@pytest.mark.parametrize("deletes", [True, False])
@pytest.mark.parametrize("is_heard", [True, False])
@pytest.mark.parametrize("by_log", [True, False])
@pytest.mark.parametrize("status", [403, 401])
def test_user_without_permission_to_follow(observe, it, deletes, is_heard, by_log, status):
    pod = observe(deletes_unheard=deletes)
    if is_heard:
        it(pod).started()
    error = forbidden("get", "pods/log") if by_log else forbidden("watch", "pods")
    error.status = status
    pod.handle(LogEnded("coordinator", "no", error) if by_log else WatchRefused(error))
    is_deleted = deletes and not is_heard and status == 403
    assert pod.machine.is_unknown != is_deleted
    assert pod.status["reason"] == NOT_FOLLOWED
    assert pod.status["phase"] == ("Pending" if is_deleted else "Unknown")
    ending = "; the Pod is deleted" if is_deleted else "; look again with: monopod attach build"
    assert pod.status["message"].startswith("the Pod cannot be followed: ")
    assert pod.status["message"].endswith(ending)


def test_events_are_reported_once(observe):
    pod = observe()
    for _ in range(2):
        pod.event("FailedMount", 'secret "x" not found')
    assert pod.warnings == ['FailedMount: secret "x" not found']


# Containers that are restarted

KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:01Z"}}
CRASH_LOOP = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}


@pytest.fixture
def observe_restarting(compiled, make):
    """Observes the Pod of a run whose Task has retries."""

    def observe_restarting():
        document = make.run(make.task("build", "true", retries=3))
        return ObservedPod(compiled(document, kube_version=WITH_RESTART_RULES))

    return observe_restarting


def step(restarts, state, last=None):
    return {"name": "build-act", "restartCount": restarts, "state": state, "lastState": last or {}}


def statuses(pod, *args):
    pod.set_status(phase="Running", containerStatuses=[step(*args)])


def test_the_log_of_each_life_is_read_to_its_end(observe_restarting, it):
    pod = observe_restarting()
    statuses(pod, 0, {"running": {}})
    it(pod).task_started("build")
    statuses(pod, 0, CRASH_LOOP, KILLED)
    assert pod.of(EndLog) == [EndLog("build-act", is_over=True)]
    it(pod).ends("build-act")
    assert pod.machine.is_complete("build-act", 1)
    it(pod).report(ContainerRestarted(START, "build-act", 2, "0" * 32))
    assert not pod.machine.is_complete("build-act")
    statuses(pod, 1, {"running": {}}, KILLED)
    assert pod.of(OpenLog)[-1] == OpenLog("build-act", 0)
    assert not pod.machine.is_complete("build-act", 2)
    it(pod).ends("build-act")
    assert pod.machine.is_complete("build-act", 2)
    assert [(each.restart_count, each.reason) for each in pod.events if isinstance(each, ContainerTerminated)] == [
        (0, "OOMKilled")
    ]
    assert pod.warnings == [
        "Step 'act' of Task 'build' ended: it was killed because it needed more memory than its limit (OOMKilled); "
        "kubelet starts it again (restart 1)"
    ]


def test_a_back_off_is_no_trouble(observe_restarting, it):
    pod = observe_restarting()
    it(pod).task_started("build")
    statuses(pod, 1, CRASH_LOOP, KILLED)
    pod.pass_(START_TIMEOUT + 1)
    assert pod.not_started == []


def test_a_log_that_is_not_read_to_its_end_is_continued(observe_restarting, it):
    pod = observe_restarting()
    statuses(pod, 0, {"running": {}})
    it(pod).task_started("build")
    statuses(pod, 1, {"running": {}}, KILLED)
    assert pod.of(ContinueLog, OpenLog)[-1] == ContinueLog("build-act")
    assert [each.restart_count for each in pod.events if isinstance(each, ContainerTerminated)] == [0]


def test_the_log_of_a_life_that_the_coordinator_reported_is_awaited_after_the_outcome(observe_restarting, it):
    """Kubelet reports a restart about a second later than the coordinator."""
    pod = observe_restarting()
    statuses(pod, 0, {"running": {}})
    it(pod).task_started("build")
    statuses(pod, 0, CRASH_LOOP, KILLED)
    it(pod).ends("build-act")
    it(pod).report(ContainerRestarted(START, "build-act", 2, "0" * 32))
    it(pod).finished()
    assert pod.status is None
    statuses(pod, 1, {"running": {}}, KILLED)
    assert pod.of(OpenLog, EndLog)[-2:] == [OpenLog("build-act", 0), EndLog("build-act", is_over=False)]
    it(pod).ends("build-act")
    assert pod.status is not None


def test_a_container_that_restarts_only_to_end_is_not_waited_for(observe_restarting, it):
    pod = observe_restarting()
    statuses(pod, 0, {"running": {}})
    it(pod).task_started("build")
    statuses(pod, 0, CRASH_LOOP, KILLED)
    it(pod).finished()
    opened = len(pod.of(OpenLog))
    statuses(pod, 1, {"running": {}}, KILLED)
    assert len(pod.of(OpenLog)) == opened
    it(pod).ends("build-act")
    assert pod.status is not None


GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}


def test_a_pod_waits_in_a_queue_as_long_as_it_takes(observe):
    pod = observe()
    pod.pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "team"
    pod.set_status(conditions=[GATED])
    pod.pass_(10 * START_TIMEOUT)
    assert any("the Pod waits for quota in the queue 'team' of Kueue" in text for text in pod.warnings)
    assert pod.status is None
    pod.set_status(conditions=[UNSCHEDULABLE])  # it was admitted, but fits no node
    pod.pass_(START_TIMEOUT - 1)
    assert pod.status is None
    pod.pass_(1)
    assert pod.status is not None


def test_a_pod_that_others_hold_back_is_not_waited_for_without_limit(observe):
    pod = observe()
    pod.set_status(conditions=[GATED])
    pod.pass_(START_TIMEOUT)
    assert pod.status is not None
