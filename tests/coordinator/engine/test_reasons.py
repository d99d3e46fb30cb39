"""The reason and the message of each TaskRun: the rows of the table in Tekton's docs/taskruns.md.

Rows that monopod never has, and why:

- ``InitContainerOOM``, ``InitContainerFailed``: the Pod has no init containers of Tekton. If the coordinator cannot
  start, no TaskRun has started.
- ``PodEvicted``: nothing in an evicted Pod can report that; the follower of the run reports it
  (tests/runner/follow/test_ended_document.py).
- ``Failed``, the default: the coordinator knows how each container ended, so another reason always applies.
"""

import pytest
from simulation import Behaviour, cancel, death, plan_of, simulate, task

from monopod.coordinator.engine.events import ResultsRead
from monopod.schemas.plan import Matrix, Param, Probe, ResultDeclaration, Sidecar, Step, WhenExpression
from monopod.schemas.run_events import RunFinished, TaskFinished

PROBED = Probe(tcp_port=1)


def condition(run, name="run-a"):
    found = run.status["taskRuns"][name]["status"]["conditions"][0]
    return found["reason"], found["message"]


def with_sidecars(*names, **fields):
    sidecars = tuple(Sidecar(Step(name, command=("x",)), PROBED) for name in names)
    return plan_of(task("a", sidecars=sidecars, **fields))


def behaving(**by_program):
    """Return behaviours of containers by the last part of their names; other Sidecars run until they are stopped."""
    return lambda request: by_program.get(request.container.rpartition("-")[2], Behaviour(duration=1e6))


OK = Behaviour()
FAILS = Behaviour(duration=0.1, code=7)
OOM = Behaviour(duration=0.2, code=137, out_of_memory=True)


@pytest.mark.parametrize(
    ("sidecars", "behaviours", "reason", "message"),
    [
        ("", {"run": OK}, "Succeeded", "All Steps have completed executing"),
        ("", {"run": Behaviour(code=3)}, "StepFailed", '"step-run" exited with code 3: Error'),
        ("", {"run": OOM}, "StepOOM", '"step-run" exited with code 137: OOMKilled'),
        ("", {"run": Behaviour(out_of_memory=True)}, "StepOOM", "OOMKilled"),
        ("db", {"run": OK, "db": FAILS}, "SidecarFailed", '"sidecar-db" exited with code 7: Error'),
        ("db", {"run": OK, "db": OOM}, "SidecarOOM", '"sidecar-db" exited with code 137: OOMKilled'),
        ("db", {"run": OK, "db": Behaviour(duration=0.1)}, "Succeeded", "All Steps have completed executing"),
        ("db", {"run": OK, "db": Behaviour(duration=0.1, out_of_memory=True)}, "Succeeded", None),
        ("db", {"run": Behaviour(code=3), "db": FAILS}, "SidecarFailed", '"sidecar-db" exited with code 7: Error'),
        ("db", {"run": Behaviour(code=3)}, "StepFailed", '"step-run" exited with code 3: Error'),
        ("db", {"run": OOM, "db": FAILS}, "StepOOM", '"step-run" exited with code 137: OOMKilled'),
        ("db", {"run": Behaviour(1, 137, out_of_memory=True), "db": OOM}, "SidecarOOM", None),
        ("db web", {"run": OK, "db": FAILS}, "Succeeded", None),
        ("db web", {"run": OK, "db": FAILS, "web": Behaviour(duration=0.1)}, "SidecarFailed", None),
        (
            "db web",
            {"run": Behaviour(code=3), "web": FAILS},
            "SidecarFailed",
            '"sidecar-web" exited with code 7: Error',
        ),
    ],
)
def test_reason_by_the_ends_of_containers(sidecars, behaviours, reason, message):
    run = simulate(with_sidecars(*sidecars.split()), behaving(**behaviours))
    assert condition(run)[0] == reason
    assert message is None or condition(run)[1] == message
    assert run.exit_code == (reason != "Succeeded")


def test_out_of_memory_in_a_step_that_may_fail():
    steps = (Step("run", script="", on_error="continue"), Step("next", script=""))
    run = simulate(plan_of(task("a", steps=steps)), behaving(run=OOM, next=OK))
    assert condition(run)[0] == "StepOOM"
    listed = run.status["taskRuns"]["run-a"]["status"]["steps"]
    assert [each["terminationReason"] for each in listed] == ["Continued", "Skipped"]
    assert listed[0]["terminated"]["reason"] == "OOMKilled"


def test_timeout_of_a_step():
    run = simulate(plan_of(task("a", steps=(Step("run", script="", timeout=1.0),))), behaving())
    message = '"step-run" exited because the step exceeded the specified timeout limit'
    assert condition(run) == ("StepFailed", message)


def test_container_of_a_waiting_step_is_killed():
    steps = (Step("run", script=""), Step("next", script=""))
    run = simulate(plan_of(task("a", steps=steps)), behaving(run=OK), extra=[death(0.5, "a-next")])
    assert condition(run) == ("StepFailed", 'a Step cannot run: container "a-next" was killed')


def test_container_of_a_running_step_is_killed():
    run = simulate(plan_of(task("a")), behaving(), extra=[death(0.5, "a-run")])
    assert condition(run) == ("StepFailed", '"step-run" exited with code 137: Error')


def test_container_of_a_sidecar_is_killed():
    run = simulate(with_sidecars("db"), behaving(run=OK), extra=[death(0.7, "a-db")])
    assert condition(run) == ("SidecarFailed", '"sidecar-db" exited with code 137: Error')


def test_timeout_of_a_task():
    run = simulate(plan_of(task("a", timeout=2.0)), behaving())
    assert condition(run) == ("TaskRunTimeout", 'TaskRun "run-a" failed to finish within "2s"')


def test_task_is_cancelled_with_its_run():
    run = simulate(plan_of(task("a")), behaving(), extra=[cancel(1)])
    message = 'TaskRun "run-a" was cancelled. TaskRun cancelled as the PipelineRun it belongs to has been cancelled.'
    assert condition(run) == ("TaskRunCancelled", message)


def test_container_does_not_start():
    run = simulate(plan_of(task("a")), ready=lambda _: None)
    assert condition(run) == ("PodCreationFailed", 'container "a-run" did not start within 600 seconds')


@pytest.mark.parametrize(
    ("too_large", "reason"), [(True, "TaskRunResultLargerThanAllowedLimit"), (False, "TaskRunValidationFailed")]
)
def test_result_that_cannot_be_read(too_large, reason):
    path = "/tekton/results/r"
    read = ResultsRead(1.0, "a", {}, {path: f"{path} is not as it should be"}, too_large)
    run = simulate(plan_of(task("a", results=(ResultDeclaration("r"),))), behaving(run=OK), read=lambda _: read)
    assert condition(run) == (reason, f"{path} is not as it should be")


def test_failed_step_precedes_invalid_results():
    plan = plan_of(task("a", results=(ResultDeclaration("r", "array"),)))
    run = simulate(plan, behaving(run=Behaviour(code=3, files={"/tekton/results/r": "[half"})))
    assert condition(run)[0] == "StepFailed"


@pytest.mark.parametrize(
    ("fields", "behaviour", "reason"),
    [
        ({}, FAILS, "FailureIgnored"),
        ({}, OOM, "FailureIgnored"),
        ({"timeout": 2.0}, Behaviour(duration=9), "TaskRunTimeout"),
        ({"results": (ResultDeclaration("r", "array"),)}, Behaviour(files={"/tekton/results/r": "x"}), None),
    ],
)
def test_on_error_ignores_only_the_ends_of_containers(fields, behaviour, reason):
    run = simulate(plan_of(task("a", on_error="continue", **fields)), behaving(run=behaviour))
    assert condition(run)[0] == (reason or "TaskRunValidationFailed")
    assert run.condition["reason"] == "Succeeded"


def test_every_ignored_attempt_has_that_reason():
    run = simulate(plan_of(task("a", on_error="continue", retries=1)), behaving(run=FAILS))
    status = run.status["taskRuns"]["run-a"]["status"]
    reasons = [each["conditions"][0]["reason"] for each in (*status["retriesStatus"], status)]
    reported = [event.reason for event in run.reported if isinstance(event, TaskFinished)]
    assert reasons == reported == ["FailureIgnored"] * 2


@pytest.mark.parametrize("reason", ["StepFailed", "StepOOM", "SidecarFailed", "TaskRunTimeout", "Succeeded"])
def test_finally_sees_the_reason(reason):
    """`when: $(tasks.a.reason)`, and the texts of `finally`."""
    behaviours = {
        "StepFailed": {"run": FAILS},
        "StepOOM": {"run": OOM},
        "SidecarFailed": {"run": OK, "db": FAILS},
        "TaskRunTimeout": {},
        "Succeeded": {"run": OK},
    }[reason]
    plan = with_sidecars("db", timeout=5.0)
    guard = (WhenExpression("$(tasks.a.reason)", "in", (reason,)),)
    said = Step("say", command=("$(tasks.a.status)/$(tasks.a.reason)/$(tasks.status)",))
    plan = plan._replace(pipeline=plan.pipeline._replace(final_tasks=(task("f", steps=(said,), when=guard),)))
    run = simulate(plan, behaving(say=OK, **behaviours))
    status = "Succeeded" if reason == "Succeeded" else "Failed"
    assert run.requests()[-1][1].arguments == (f"{status}/{reason}/{status}",)


class TestSteps:
    steps = (Step("x", script="", when=(WhenExpression("1", "in", ()),)), Step("run", script=""), Step("z", script=""))

    def endings(self, run):
        return [
            (each["terminationReason"], each["terminated"]["reason"], each["terminated"]["exitCode"])
            for each in run.status["taskRuns"]["run-a"]["status"]["steps"]
        ]

    def test_skipped_steps_complete_only_before_a_failure(self):
        run = simulate(plan_of(task("a", steps=self.steps)), behaving(run=Behaviour(code=3)))
        assert self.endings(run) == [("Skipped", "Completed", 0), ("Error", "Error", 3), ("Skipped", "Error", 1)]

    @pytest.mark.parametrize(
        ("fields", "extra", "reason"),
        [({"timeout": 1.0}, [], "TaskRunTimeout"), ({}, [cancel(1)], "TaskRunCancelled")],
    )
    def test_stopped_steps_have_the_reason_of_their_task(self, fields, extra, reason):
        run = simulate(plan_of(task("a", steps=self.steps, **fields)), behaving(), extra=extra)
        assert self.endings(run) == [("Skipped", "Completed", 0), (reason, reason, 143), (reason, reason, 1)]
        last = run.status["taskRuns"]["run-a"]["status"]["steps"][-1]
        assert last["terminated"]["message"] == "Step z terminated as pod run is terminated"

    def test_timed_out_step(self):
        steps = (Step("run", script="", timeout=1.0), Step("z", script=""))
        run = simulate(plan_of(task("a", steps=steps)), behaving())
        assert self.endings(run) == [("TimeoutExceeded", "Error", 143), ("Skipped", "Error", 1)]


class TestStandaloneTaskRun:
    @pytest.mark.parametrize(
        ("behaviour", "extra", "reason", "message"),
        [
            (OK, [], "Succeeded", "All Steps have completed executing"),
            (Behaviour(code=3), [], "StepFailed", '"step-run" exited with code 3: Error'),
            (Behaviour(duration=9), [cancel(1)], "TaskRunCancelled", 'TaskRun "run" was cancelled.'),
        ],
    )
    def test_run_ends_as_the_task_run(self, behaviour, extra, reason, message):
        run = simulate(plan_of(task("a"), kind="TaskRun"), behaving(run=behaviour), extra=extra)
        assert (run.condition["reason"], run.condition["message"]) == (reason, message)
        assert "childReferences" not in run.status
        finished = run.reported[-1]
        assert isinstance(finished, RunFinished)
        assert (finished.reason, finished.message) == (reason, message)


class TestPipelineRuns:
    """The table of docs/pipelineruns.md. ``CreateRunFailed`` never occurs: no TaskRun has to be created."""

    guarded = task("b", when=(WhenExpression("1", "in", ()),))
    without = task("b", after=("a",), params=(Param("p", "$(tasks.a.results.r)"),), result_sources=("a",))

    @pytest.mark.parametrize(
        ("tasks", "fields", "behaviour", "extra", "reason", "message"),
        [
            ((), {}, OK, [], "Succeeded", "Tasks Completed: 1 (Failed: 0, Cancelled 0), Skipped: 0"),
            ((guarded,), {}, OK, [], "Completed", "Tasks Completed: 1 (Failed: 0, Cancelled 0), Skipped: 1"),
            ((), {}, FAILS, [], "Failed", "Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0"),
            ((), {}, Behaviour(9), [cancel(1)], "Cancelled", 'PipelineRun "run" was cancelled'),
            ((), {}, Behaviour(9), [cancel(1, "StoppedRunFinally")], "Cancelled", 'PipelineRun "run" was cancelled'),
            ((), {"timeout": 0.5}, Behaviour(9), [], "PipelineRunTimeout",
             'PipelineRun "run" failed to finish within "500ms"'),
            ((), {"tasks_timeout": 90.0}, Behaviour(99), [], "PipelineRunTimeout",
             'PipelineRun "run" failed due to tasks failed to finish within "1m30s"'),
            ((without,), {}, OK, [], "PipelineValidationFailed", None),
            ((), {"results": (ResultDeclaration("x", value="$(tasks.a.results.r)"),)}, OK, [],
             "CouldntGetPipelineResult", "invalid pipelineresults [x]: the referenced results don't exist"),
        ],
    )  # fmt: skip
    def test_reason(self, tasks, fields, behaviour, extra, reason, message):
        first = task("a", results=(ResultDeclaration("r"),))
        run = simulate(plan_of(first, *tasks, **fields), lambda _: behaviour, extra=extra)
        assert run.condition["reason"] == reason
        assert message is None or run.condition["message"] == message


class TestPipelines:
    @pytest.mark.parametrize(("guard", "started"), [((), True), ((WhenExpression("1", "in", ()),), False)])
    def test_finally_has_a_start_only_if_something_in_it_started(self, guard, started):
        run = simulate(plan_of(task("a"), final_tasks=(task("f", when=guard),)))
        assert ("finallyStartTime" in run.status) is started

    @pytest.mark.parametrize(("code", "results"), [(0, [{"name": "out", "value": ["v", "v"]}]), (1, None)])
    def test_result_of_a_matrix_with_a_failed_combination_is_not_emitted(self, code, results):
        matrix = Matrix((Param("k", ("1", "2")),))
        plan = plan_of(
            task("m", matrix=matrix, results=(ResultDeclaration("r"),)),
            results=(ResultDeclaration("out", value="$(tasks.m.results.r[*])"),),
        )
        behave = lambda r: Behaviour(code=code if r.request == 2 else 0, files={"/tekton/results/r": "v"})  # noqa: E731
        run = simulate(plan, behave)
        assert run.status.get("results") == results
        assert run.condition["reason"] == ("Failed" if code else "Succeeded")


@pytest.mark.parametrize(
    ("code", "files", "expected"),
    [
        (1, {"why": "the registry is away"}, ("StepFailed", "the registry is away")),
        (1, {}, ("StepFailed", '"step-act" exited with code 1: Error')),
        (0, {"why": "nothing"}, ("Succeeded", "All Steps have completed executing")),
    ],
)
def test_a_step_of_monopods_own_may_say_why_it_fails(code, files, expected):
    step = Step("act", command=("x",), results=(ResultDeclaration("why"),), reason_result="why")
    written = {f"/tekton/steps/step-act/results/{name}": text for name, text in files.items()}
    run = simulate(plan_of(task("a", steps=(step,))), lambda _: Behaviour(code=code, files=written))
    assert condition(run) == expected
