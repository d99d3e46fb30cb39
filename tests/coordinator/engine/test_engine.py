"""The engine in simulated time: one small Pipeline for each of Tekton's rules."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation import Behaviour, cancel, death, plan_of, simulate, start_failure, task

from monopod.coordinator.engine.events import ProbeEnded, RunProbe, RunStep, StopStep, WriteExitCode
from monopod.coordinator.engine.start_failures import _IMAGE
from monopod.schemas import plan as plan_module
from monopod.schemas.plan import (
    ImageProgram,
    Matrix,
    MatrixInclude,
    Param,
    Pipeline,
    Plan,
    Probe,
    ResultDeclaration,
    Sidecar,
    Step,
    WhenExpression,
    decode,
    encode,
)
from monopod.schemas.run_events import RunCancelling, RunWarning


def failing(*containers: str, code: int = 1):
    return lambda request: Behaviour(code=code if request.container in containers else 0)


def writing(files: dict[str, dict[str, str]]):
    return lambda request: Behaviour(files=files.get(request.container, {}))


class TestStartFailures:
    """A container that cannot start: Tekton docs/taskruns.md (reasons), pkg/reconciler/taskrun (checkPodFailed)."""

    PAIR = (Step("one", script="true"), Step("two", script="true"))
    SIDE = Sidecar(Step("db", script="sleep 1000"))

    @pytest.mark.parametrize(
        ("reason", "of_step", "of_sidecar"),
        [
            *((each, "TaskRunImagePullFailed", "TaskRunImagePullFailed") for each in sorted(_IMAGE)),
            ("CreateContainerConfigError", "CreateContainerConfigError", "CreateContainerConfigError"),
            ("CreateContainerError", "PodCreationFailed", "PodCreationFailed"),
            ("RunContainerError", "PodCreationFailed", "PodCreationFailed"),
            ("StartError", "StepFailed", "SidecarFailed"),
            ("ContainerCannotRun", "StepFailed", "SidecarFailed"),
        ],
    )
    def test_task_fails_with_the_reason_of_tekton(self, reason, of_step, of_sidecar):
        plan = plan_of(task("a"), task("b", sidecars=(self.SIDE,)), task("c", after=("a",)))
        absent = {"a-run", "b-db"}
        extra = [start_failure(0, name, reason) for name in absent]
        run = simulate(plan, ready=lambda name: None if name in absent else 0, extra=extra)
        assert run.task_reasons() == {"run-a": of_step, "run-b": of_sidecar}
        assert (run.exit_code, run.finished_at) == (1, 0)
        what = "failed to pull its image" if reason in _IMAGE else "failed to start"
        messages = {name: each["status"]["conditions"][0]["message"] for name, each in run.status["taskRuns"].items()}
        why = f"{what}: {reason}: it is not in the registry"
        assert messages == {
            "run-a": f'the step "run" in TaskRun "run-a" {why}',
            "run-b": f'the sidecar "db" in TaskRun "run-b" {why}',
        }

    def test_running_steps_are_stopped_at_once(self):
        plan = plan_of(task("a", steps=self.PAIR, sidecars=(self.SIDE,)))
        run = simulate(
            plan,
            lambda _: Behaviour(99),
            ready=lambda n: None if n == "a-two" else 0,
            extra=[start_failure(3, "a-two")],
        )
        assert [(at, each.container) for at, each in run.commands if isinstance(each, StopStep)] == [
            (3, "a-one"),
            (3.25, "a-db"),
        ]
        assert run.task_reasons() == {"run-a": "TaskRunImagePullFailed"}
        assert run.finished_at == 3.25

    def test_slot_is_not_used_for_another_attempt(self):
        run = simulate(
            plan_of(task("a", retries=3, sidecars=(self.SIDE,))),
            ready=lambda name: None if name == "a-db" else 0,
            extra=[start_failure(2, "a-db")],
        )
        assert (run.requests(), run.finished_at) == ([], 2)

    def test_earlier_failure_fails_the_task_when_it_starts(self):
        plan = plan_of(task("a"), task("b", after=("a",)), final_tasks=(task("end"),))
        run = simulate(plan, ready=lambda name: None if name == "b-run" else 0, extra=[start_failure(0, "b-run")])
        assert run.task_reasons() == {
            "run-a": "Succeeded",
            "run-b": "TaskRunImagePullFailed",
            "run-end": "Succeeded",
        }
        assert run.started() == {"a-run": [0], "end-run": [1]}

    def test_skipped_task_does_not_need_its_image(self):
        never = (WhenExpression("yes", "in", ("no",)),)
        run = simulate(
            plan_of(task("a"), task("b", when=never)),
            ready=lambda name: None if name == "b-run" else 0,
            extra=[start_failure(0, "b-run")],
        )
        assert (run.condition["reason"], run.exit_code) == ("Completed", 0)

    def test_container_that_did_start_is_not_given_up(self):
        run = simulate(plan_of(task("a")), lambda _: Behaviour(5), extra=[start_failure(1, "a-run")])
        assert run.task_reasons() == {"run-a": "StepFailed"}  # only the kill of its entrypoint is known


class TestOrder:
    def test_tasks_without_order_start_together(self):
        run = simulate(plan_of(task("a"), task("b")))
        assert run.started() == {"a-run": [0], "b-run": [0]}
        assert run.condition["reason"] == "Succeeded"
        assert run.condition["message"] == "Tasks Completed: 2 (Failed: 0, Cancelled 0), Skipped: 0"
        assert run.exit_code == 0
        assert run.released == {"a-run": 0, "b-run": 0}

    def test_task_waits_for_all_its_dependencies(self):
        slow = lambda request: Behaviour(duration=5 if request.container == "b-run" else 1)  # noqa: E731
        run = simulate(plan_of(task("a"), task("b"), task("c", after=("a", "b"))), slow)
        assert run.started()["c-run"] == [5]

    def test_steps_run_one_after_another_and_leave_their_exit_codes(self):
        run = simulate(plan_of(task("a", steps=(Step("one", script="true"), Step("two", script="true")))))
        assert run.started() == {"a-one": [0], "a-two": [1]}
        assert [each for _, each in run.commands if isinstance(each, WriteExitCode)] == [
            WriteExitCode("a", "step-one", 0, 0),
        ]

    def test_step_waits_only_for_its_own_container(self):
        run = simulate(plan_of(task("a"), task("b")), ready=lambda name: 7 if name == "b-run" else 0)
        assert run.started() == {"a-run": [0], "b-run": [7]}

    def test_container_that_never_starts_fails_only_its_task(self):
        run = simulate(
            plan_of(task("a"), task("b"), final_tasks=(task("f"),)), ready=lambda name: None if name == "b-run" else 0
        )
        assert run.task_reasons() == {"run-a": "Succeeded", "run-b": "PodCreationFailed", "run-f": "Succeeded"}
        assert run.started()["f-run"] == [600]

    def test_ten_thousand_skipped_tasks_do_not_recurse(self):
        chain = [task("t0", when=(WhenExpression("a", "in", ("b",)),), results=(ResultDeclaration("r"),))]
        chain += [
            task(f"t{n}", after=(f"t{n - 1}",), result_sources=("t0",) if n == 1 else (),
                 params=(Param("p", "$(tasks.t0.results.r)"),) if n == 1 else ())
            for n in range(1, 10_000)
        ]  # fmt: skip
        run = simulate(plan_of(*chain))
        assert len(run.skipped()) == 10_000
        assert run.skipped()["t1"] == "Results were missing"
        assert run.skipped()["t9999"] == "Parent Tasks were skipped"


class TestFailure:
    def test_running_tasks_finish_and_only_finally_starts(self):
        slow = lambda request: Behaviour(  # noqa: E731
            duration=3 if request.container == "b-run" else 1, code=2 if request.container == "a-run" else 0
        )
        run = simulate(plan_of(task("a"), task("b"), task("c", after=("b",)), final_tasks=(task("f"),)), slow)
        assert run.skipped() == {"c": "PipelineRun was stopping"}
        assert run.task_reasons() == {"run-a": "StepFailed", "run-b": "Succeeded", "run-f": "Succeeded"}
        assert run.started()["f-run"] == [3]
        assert run.condition["reason"] == "Failed"
        assert run.condition["message"] == "Tasks Completed: 3 (Failed: 1, Cancelled 0), Skipped: 1"
        assert run.exit_code == 1
        assert run.released["a-run"] == 2

    def test_steps_after_a_failed_step_are_skipped(self):
        run = simulate(plan_of(task("a", steps=(Step("x", script=""), Step("y", script="")))), failing("a-x"))
        steps = run.status["taskRuns"]["run-a"]["status"]["steps"]
        assert [(step["name"], step["terminationReason"]) for step in steps] == [("x", "Error"), ("y", "Skipped")]

    def test_step_with_on_error_continue_does_not_fail_the_task(self):
        steps = (Step("x", script="", on_error="continue"), Step("y", script=""))
        run = simulate(plan_of(task("a", steps=steps)), failing("a-x", code=42))
        assert run.condition["reason"] == "Succeeded"
        assert run.status["taskRuns"]["run-a"]["status"]["steps"][0]["terminated"]["exitCode"] == 42
        assert run.released["a-x"] == 0

    def test_task_with_on_error_continue_does_not_fail_the_pipeline(self):
        run = simulate(plan_of(task("a", on_error="continue"), task("b", after=("a",))), failing("a-run"))
        assert run.task_reasons() == {"run-a": "FailureIgnored", "run-b": "Succeeded"}
        assert run.condition["reason"] == "Succeeded"
        assert run.condition["message"] == "Tasks Completed: 2 (Failed: 1 (Ignored: 1), Cancelled 0), Skipped: 0"
        assert run.released["a-run"] == 0

    def test_killed_container_fails_its_step_with_a_message(self):
        run = simulate(plan_of(task("a")), extra=[death(0.5, "a-run")])
        step = run.status["taskRuns"]["run-a"]["status"]["steps"][0]
        assert "its container was killed" in step["terminated"]["message"]
        assert run.released["a-run"] == 137

    def test_failed_run_always_has_a_failed_container(self):
        result = task("a", results=(ResultDeclaration("r", "array"),))
        run = simulate(plan_of(result), writing({"a-run": {"/tekton/results/r": "no array"}}))
        assert run.task_reasons() == {"run-a": "TaskRunValidationFailed"}
        assert run.released == {"a-run": 1}


class TestGuards:
    def test_only_the_guarded_task_is_skipped(self):
        guarded = task("a", when=(WhenExpression("x", "in", ("y",)),))
        run = simulate(plan_of(guarded, task("b", after=("a",))))
        assert run.skipped() == {"a": "When Expressions evaluated to false"}
        assert run.task_reasons() == {"run-b": "Succeeded"}
        assert run.condition["reason"] == "Completed"

    @pytest.mark.parametrize(
        ("expression", "runs"),
        [
            (WhenExpression("$(params.p)", "in", ("v", "w")), True),
            (WhenExpression("$(params.p)", "notin", ("v", "w")), False),
            (WhenExpression("b", "in", ("$(params.list[*])",)), True),
            (WhenExpression("$(params.list[1])", "in", ("b",)), True),
            (WhenExpression("c", "notin", ("$(params.list[*])",)), True),
            (WhenExpression("$(params.list[*])", "in", ('["a","b"]',)), True),
            (WhenExpression("$(params.list[*])", "in", ("a", "b")), False),
            (WhenExpression("$(params.odd[*])", "in", (r'["\u003cé\u003e \"\u0026\u2028","\n\u0001\\"]',)), True),
            (WhenExpression("$(params.empty[*])", "in", ("[]",)), True),
            (WhenExpression(cel="'$(params.p)' == 'v'"), True),
            (WhenExpression(cel="'$(params.p)' in ['x']"), False),
        ],
    )
    def test_expressions(self, expression: WhenExpression, runs: bool):
        arrays = {"list": ("a", "b"), "odd": ('<é> "&\u2028', "\n\x01\\"), "empty": ()}
        params = (Param("p", "v"), *(Param(name, value) for name, value in arrays.items()))
        run = simulate(plan_of(task("a", when=(expression,)), params=params))
        assert (run.skipped() == {}) is runs

    def test_users_of_a_skipped_result_and_their_dependents_are_skipped(self):
        guarded = task("a", when=(WhenExpression("x", "in", ("y",)),), results=(ResultDeclaration("r"),))
        needs = task("b", after=("a",), result_sources=("a",), params=(Param("p", "$(tasks.a.results.r)"),))
        run = simulate(plan_of(guarded, needs, task("c", after=("b",))))
        assert run.skipped()["b"] == "Results were missing"
        assert run.skipped()["c"] == "Parent Tasks were skipped"

    def test_tasks_start_when_the_guards_of_all_are_evaluated(self):
        """As in Tekton, where a guard that cannot be evaluated keeps the Task's siblings from starting."""
        plan = plan_of(task("a", when=(WhenExpression(cel="1 == 1"),) * 2), task("b"), task("c", after=("b",)))
        started = simulate(plan, cel_delay=0.5).started()
        assert started == {"a-run": [1.0], "b-run": [1.0], "c-run": [2.0]}

    @pytest.mark.parametrize(("at", "reason"), [(0.7, "PipelineRun was stopping"), (2.0, None)])
    def test_cancelling_while_a_guard_is_evaluated(self, at: float, reason: str | None):
        plan = plan_of(task("a", when=(WhenExpression(cel="1 == 1"),)), task("b"))
        run = simulate(plan, cel_delay=1.5, extra=[cancel(at)])
        assert run.skipped() == ({"a": reason, "b": reason} if reason else {})
        assert run.finished_at == at + (0.25 if reason is None else 0)

    def test_run_does_not_wait_for_an_unneeded_guard(self):
        plan = plan_of(
            task("a", when=(WhenExpression(cel="1 == 1"),), timeout=9.0), task("b", after=("a",)), tasks_timeout=1.0
        )
        run = simulate(plan, cel_delay=5.0)
        assert run.finished_at == 1.0
        assert set(run.skipped().values()) == {"PipelineRun Tasks timeout has been reached"}

    def test_timeout_of_a_task_includes_the_guards_of_its_steps(self):
        steps = (Step("s", script="true", when=(WhenExpression(cel="1 == 1"),)), Step("z", script="true"))
        run = simulate(plan_of(task("a", steps=steps)), cel_delay=0.5)
        assert run.started() == {"a-s": [0.5], "a-z": [1.5]}
        run = simulate(plan_of(task("a", steps=steps, timeout=0.2)), cel_delay=0.5)
        assert (run.started(), run.finished_at) == ({}, 0.2)
        assert run.task_reasons() == {"run-a": "TaskRunTimeout"}

    def test_guard_that_cannot_be_evaluated_fails_the_run(self):
        run = simulate(plan_of(task("a", when=(WhenExpression(cel="1/0 == 1"),)), final_tasks=(task("f"),)))
        assert run.condition["reason"] == "PipelineValidationFailed"
        assert "division by zero" in run.condition["message"]
        assert run.task_reasons() == {"run-f": "Succeeded"}
        assert run.exit_code == 1


class TestResults:
    def test_results_reach_params_steps_finally_and_the_pipeline(self):
        source = task(
            "a", results=(ResultDeclaration("s"), ResultDeclaration("l", "array"), ResultDeclaration("o", "object"))
        )
        step = Step("run", command=("echo",), args=("$(params.s)", "$(params.l[*])", "$(params.o.k)"))
        params = (
            Param("s", "<$(tasks.a.results.s)>"),
            Param("l", "$(tasks.a.results.l[*])"),
            Param("o", "$(tasks.a.results.o[*])"),
        )
        user = task("b", after=("a",), result_sources=("a",), params=params, steps=(step,))
        results = (
            ResultDeclaration("whole", value="$(tasks.a.results.l[*])"),
            ResultDeclaration("one", value="$(tasks.a.results.l[1])"),
        )
        files = {
            "/tekton/results/s": "text\n",
            "/tekton/results/l": '["x", "$(params.s)"]',
            "/tekton/results/o": '{"k": "v"}',
        }
        run = simulate(plan_of(source, user, results=results), writing({"a-run": files}))
        arguments = run.requests()[1][1].arguments
        assert arguments == ("echo", "<text\n>", "x", "$$(params.s)", "v")
        assert run.status["results"] == [
            {"name": "whole", "value": ["x", "$(params.s)"]},
            {"name": "one", "value": "$(params.s)"},
        ]

    def test_missing_result_fails_its_users(self):
        source = task("a", results=(ResultDeclaration("r"),))
        user = task("b", after=("a",), result_sources=("a",), params=(Param("p", "$(tasks.a.results.r)"),))
        run = simulate(plan_of(source, user, final_tasks=(task("f"),)))
        assert run.condition["reason"] == "PipelineValidationFailed"
        assert "$(tasks.a.results.r)" in run.condition["message"]
        assert list(run.started()) == ["a-run", "f-run"]

    def test_finally_is_skipped_without_the_results_it_needs(self):
        source = task("a", results=(ResultDeclaration("r"),))
        final = task("f", result_sources=("a",), params=(Param("p", "$(tasks.a.results.r)"),))
        run = simulate(plan_of(source, final_tasks=(final, task("g"))), failing("a-run"))
        assert run.skipped() == {"f": "Results were missing"}
        assert "g-run" in run.started()

    def test_object_result_must_have_its_declared_keys(self):
        source = task("a", results=(ResultDeclaration("o", "object", ("url", "commit")),))
        run = simulate(plan_of(source), writing({"a-run": {"/tekton/results/o": '{"url": "x"}'}}))
        status = run.status["taskRuns"]["run-a"]["status"]
        assert status["conditions"][0]["reason"] == "TaskRunValidationFailed"
        assert "lacks the declared keys commit" in status["conditions"][0]["message"]
        assert status["results"] == [{"name": "o", "type": "object", "value": {"url": "x"}}]

    def test_only_results_of_the_last_attempt_count(self):
        source = task("a", results=(ResultDeclaration("r"),), retries=1)

        def behave(request: RunStep) -> Behaviour:
            first = request.request == 1
            return Behaviour(code=1 if first else 0, files={"/tekton/results/r": "old"} if first else {})

        run = simulate(plan_of(source, results=(ResultDeclaration("p", value="$(tasks.a.results.r)"),)), behave)
        assert run.condition["reason"] == "CouldntGetPipelineResult"
        assert "results" not in run.status

    def test_results_of_a_step_reach_the_next_step_and_the_task(self):
        steps = (
            Step("one", script="", results=(ResultDeclaration("r"),)),
            Step("two", script="echo $(steps.one.results.r)"),
        )
        owner = task("a", steps=steps, results=(ResultDeclaration("t", value="$(steps.one.results.r)"),))
        run = simulate(plan_of(owner), writing({"a-one": {"/tekton/steps/step-one/results/r": "v"}}))
        assert run.requests()[1][1].script == "#!/bin/sh\nset -e\necho v"
        assert run.status["taskRuns"]["run-a"]["status"]["results"] == [{"name": "t", "type": "string", "value": "v"}]

    def test_params_of_a_run_may_contain_its_name(self):
        params = (Param("a", "$(context.pipelineRun.name)"), Param("b", "$(params.a)"))
        step = Step("run", command=("$(params.a)", "$(params.b)"))
        run = simulate(plan_of(task("x", steps=(step,)), params=params))
        assert run.requests()[0][1].arguments == ("run", "$$(params.a)")

    def test_empty_path_means_none(self):
        step = Step("run", command=("x",), working_directory="", stdout_path="$(params.a)")
        run = simulate(plan_of(task("t", steps=(step,)), params=(Param("a", ""),)))
        request = run.requests()[0][1]
        assert (request.working_directory, request.stdout_path) == (None, None)

    def test_only_files_that_are_read_are_made_readable(self):
        one = task(
            "a", results=(ResultDeclaration("r"),), steps=(Step("s", script="", results=(ResultDeclaration("x"),)),)
        )
        run = simulate(
            plan_of(one, task("b"), task("c", results=(ResultDeclaration("r", value="$(steps.s.results.x)"),)))
        )
        readable = {request.slot: request.readable for _, request in run.requests()}
        assert readable == {"a": ("/tekton/results", "/tekton/steps/step-s/results"), "b": (), "c": ()}


class TestImagePrograms:
    """The program of the image, for a Step or Sidecar without a command (Tekton pkg/pod/entrypoint_lookup_impl.go)."""

    WORDS = st.lists(st.text(alphabet="a$()", max_size=4), max_size=3).map(tuple)

    def arguments(self, program, args=(), *, command=(), is_sidecar=False, values=()):
        own = Step("side" if is_sidecar else "run", command=command, args=args)
        params = (Param("s", "v"), Param("l", values))
        if is_sidecar:
            plan = plan_of(task("a", sidecars=(Sidecar(own),), params=params))
            programs = (None, program)
        else:
            plan, programs = plan_of(task("a", steps=(own,), params=params)), (program,)
        (only,) = plan.pipeline.tasks
        slot = only.slots[0]._replace(image_programs=programs)
        plan = plan._replace(pipeline=plan.pipeline._replace(tasks=(only._replace(slots=(slot,)),)))
        assert decode(encode(plan)) == plan
        run = simulate(plan)
        container = slot.sidecars[0] if is_sidecar else "a-run"
        return next((each.arguments for _, each in run.requests() if each.container == container), run)

    @given(entrypoint=WORDS, cmd=WORDS, args=WORDS, is_sidecar=st.booleans())
    def test_args_replace_cmd(self, entrypoint, cmd, args, is_sidecar):
        escaped = {"entrypoint": entrypoint, "cmd": cmd}
        escaped = {name: [word.replace("$", "$$") for word in words] for name, words in escaped.items()}
        if entrypoint or is_sidecar:  # as in a container runtime
            expected = escaped["entrypoint"] + (list(args) if args else escaped["cmd"])
        else:
            expected = escaped["cmd"] + list(args)
        found = self.arguments(ImageProgram(entrypoint, cmd), args, is_sidecar=is_sidecar)
        if expected:
            assert list(found) == expected
        else:
            assert "there is nothing to run: command is empty" in str(found.status)

    def test_references_are_replaced_only_in_args(self):
        program = ImageProgram(("$(params.s)", "$(HOME)"), ("$(params.l[*])",))
        assert self.arguments(program) == ("$$(params.s)", "$$(HOME)", "$$(params.l[*])")
        assert self.arguments(program, ("$(params.s)$(HOME)",)) == ("$$(params.s)", "$$(HOME)", "v$(HOME)")

    def test_args_that_expand_to_nothing_keep_cmd(self):
        program = ImageProgram(("run",), ("default",))
        assert self.arguments(program, ("$(params.l[*])",)) == ("run", "default")
        assert self.arguments(program, ("$(params.l[*])",), values=("x", "y")) == ("run", "x", "y")

    def test_image_program_replaces_a_command_that_expands_to_nothing(self):
        assert self.arguments(ImageProgram(("run",)), ("x",), command=("$(params.l[*])",)) == ("run", "x")

    def test_command_that_expands_to_nothing_fails_its_task(self):
        run = simulate(plan_of(task("a", steps=(Step("run", command=("$(params.l[*])",)),), params=(Param("l", ()),))))
        assert run.started() == {}
        message = '"step-run" could not start: there is nothing to run: command is empty'
        assert run.status["taskRuns"]["run-a"]["status"]["conditions"][0]["message"] == message


class TestFinally:
    def test_statuses(self):
        text = (
            "$(tasks.status) $(tasks.a.status) $(tasks.a.reason) $(tasks.b.status) $(tasks.c.status)[$(tasks.c.reason)]"
        )
        final = task("f", params=(Param("s", text),), steps=(Step("run", command=("echo", "$(params.s)")),))
        guarded = task("c", when=(WhenExpression("x", "in", ()),))
        run = simulate(plan_of(task("a"), task("b"), guarded, final_tasks=(final,)), failing("a-run"))
        said = next(request.arguments[1] for _, request in run.requests() if request.container == "f-run")
        assert said == "Failed Failed StepFailed Succeeded None[]"

    @pytest.mark.parametrize(
        ("guard", "code", "aggregate"), [((), 0, "Succeeded"), (("x",), 0, "Completed"), (("x",), 1, "Failed")]
    )
    def test_aggregate_status(self, guard: tuple[str, ...], code: int, aggregate: str):
        tasks = [task("a"), *(task(name, when=(WhenExpression("1", "in", ()),)) for name in guard)]
        final = task("f", when=(WhenExpression("$(tasks.status)", "in", (aggregate,)),))
        run = simulate(plan_of(*tasks, final_tasks=(final,)), failing("a-run", code=code))
        assert "f-run" in run.started()

    def test_failed_finally_task_fails_the_run(self):
        run = simulate(plan_of(task("a"), final_tasks=(task("f"), task("g"))), failing("f-run"))
        assert run.condition["reason"] == "Failed"
        assert "g-run" in run.started()


class TestRetries:
    def test_attempts_until_one_succeeds(self):
        run = simulate(
            plan_of(
                task(
                    "a",
                    retries=3,
                    steps=(Step("run", script="$(context.task.retry-count)/$(context.pipelineTask.retries)"),),
                )
            ),
            lambda request: Behaviour(code=0 if request.request == 3 else 1),
        )
        assert [request.script.splitlines()[-1] for _, request in run.requests()] == ["0/3", "1/3", "2/3"]
        assert all(request.fresh for _, request in run.requests())
        assert len(run.status["taskRuns"]["run-a"]["status"]["retriesStatus"]) == 2
        assert run.released == {"a-run": 0}

    def test_attempt_starts_fresh_if_its_first_step_is_skipped(self):
        steps = (Step("no", script="", when=(WhenExpression("1", "in", ()),)), Step("run", script=""))
        run = simulate(plan_of(task("a", retries=1, steps=steps)), lambda r: Behaviour(code=r.request == 1))
        assert [request.fresh for _, request in run.requests()] == [True, True]

    def test_retries_continue_while_the_pipeline_is_stopping(self):
        behave = lambda request: Behaviour(code=0 if request.request == 2 or request.container == "c-run" else 1)  # noqa: E731
        run = simulate(plan_of(task("a"), task("b", retries=1)), behave)
        assert run.task_reasons() == {"run-a": "StepFailed", "run-b": "Succeeded"}

    def test_lost_container_is_not_retried(self):
        run = simulate(plan_of(task("a", retries=5)), extra=[death(0.5, "a-run")])
        assert len(run.requests()) == 1


class TestTimeouts:
    def test_task_timeout(self):
        run = simulate(plan_of(task("a", timeout=10.0), final_tasks=(task("f"),)), lambda r: Behaviour(duration=99))
        assert run.task_reasons()["run-a"] == "TaskRunTimeout"
        assert run.condition["reason"] == "Failed"
        assert run.started()["f-run"] == [10.25]

    def test_timed_out_task_is_retried(self):
        run = simulate(
            plan_of(task("a", timeout=10.0, retries=1)), lambda r: Behaviour(duration=99 if r.request == 1 else 1)
        )
        assert run.condition["reason"] == "Succeeded"
        assert run.started() == {"a-run": [0, 10.25]}

    def test_step_timeout(self):
        steps = (Step("run", script="", timeout=2.0, on_error="continue"), Step("next", script=""))
        run = simulate(plan_of(task("a", steps=steps)), lambda r: Behaviour(duration=99))
        status = run.status["taskRuns"]["run-a"]["status"]
        assert "exceeded the specified timeout limit" in status["conditions"][0]["message"]
        assert status["steps"][0]["terminationReason"] == "TimeoutExceeded"
        assert status["steps"][1]["terminationReason"] == "Skipped"

    def test_pipeline_timeout_ends_finally_too(self):
        run = simulate(plan_of(task("a"), final_tasks=(task("f"),), timeout=5.0), lambda r: Behaviour(duration=4))
        assert run.task_reasons() == {"run-a": "Succeeded", "run-f": "TaskRunCancelled"}
        assert run.condition["reason"] == "PipelineRunTimeout"

    def test_pipeline_timeout_skips_waiting_tasks(self):
        plan = plan_of(task("a"), task("b", after=("a",)), final_tasks=(task("f"),), timeout=5.0)
        run = simulate(plan, lambda r: Behaviour(duration=9))
        reason = "PipelineRun timeout has been reached"
        assert run.skipped() == {"b": reason, "f": reason}

    def test_tasks_timeout_does_not_affect_finally(self):
        plan = plan_of(
            task("a"), task("b", after=("a",)), final_tasks=(task("f"),), tasks_timeout=5.0, finally_timeout=60.0
        )
        run = simulate(plan, lambda r: Behaviour(duration=9))
        assert run.skipped() == {"b": "PipelineRun Tasks timeout has been reached"}
        assert run.task_reasons() == {"run-a": "TaskRunCancelled", "run-f": "Succeeded"}
        assert run.condition["reason"] == "PipelineRunTimeout"

    def test_finally_timeout(self):
        plan = plan_of(task("a"), final_tasks=(task("f"),), finally_timeout=5.0)
        run = simulate(plan, lambda r: Behaviour(duration=9))
        assert run.task_reasons() == {"run-a": "Succeeded", "run-f": "TaskRunCancelled"}
        assert run.condition["reason"] == "Failed"


class TestCancelling:
    plan = plan_of(task("a", retries=2), task("b", after=("a",)), final_tasks=(task("f"),))

    def test_cancelled(self):
        run = simulate(self.plan, extra=[cancel(0.5)])
        assert run.task_reasons() == {"run-a": "TaskRunCancelled"}
        assert run.condition["reason"] == "Cancelled"
        assert "f-run" not in run.started()
        assert run.exit_code == 1

    def test_cancelled_run_finally(self):
        run = simulate(self.plan, extra=[cancel(0.5, "CancelledRunFinally")])
        assert run.task_reasons() == {"run-a": "TaskRunCancelled", "run-f": "Succeeded"}
        assert run.skipped() == {"b": "PipelineRun was gracefully cancelled"}
        assert run.condition["reason"] == "Cancelled"

    def test_stopped_run_finally(self):
        run = simulate(self.plan, extra=[cancel(0.5, "StoppedRunFinally")])
        assert run.task_reasons() == {"run-a": "Succeeded", "run-f": "Succeeded"}
        assert run.skipped() == {"b": "PipelineRun was gracefully stopped"}
        assert run.condition["reason"] == "Cancelled"

    def test_harder_while_finally_runs(self):
        run = simulate(self.plan, extra=[cancel(0.5, "CancelledRunFinally"), cancel(1.0)])
        assert run.task_reasons() == {"run-a": "TaskRunCancelled", "run-f": "TaskRunCancelled"}

    def test_milder_mode_changes_nothing(self):
        run = simulate(self.plan, extra=[cancel(0.5), cancel(0.6, "StoppedRunFinally")])
        assert run.condition["reason"] == "Cancelled"
        assert "f-run" not in run.started()

    def test_harder_modes_are_reported(self):
        modes = ("StoppedRunFinally", "StoppedRunFinally", "CancelledRunFinally", "StoppedRunFinally", "Cancelled")
        extra = [cancel(0.5 + number / 100, mode) for number, mode in enumerate(modes)]
        reported = [
            event.mode for event in simulate(self.plan, extra=extra).reported if isinstance(event, RunCancelling)
        ]
        assert reported == ["StoppedRunFinally", "CancelledRunFinally", "Cancelled"]

    def test_cancelling_while_the_container_has_not_started(self):
        run = simulate(plan_of(task("a")), ready=lambda _: None, extra=[cancel(3)])
        assert run.task_reasons() == {"run-a": "TaskRunCancelled"}
        assert run.finished_at == 3

    def test_queued_combination_never_starts(self):
        plan = plan_of(task("m", matrix=Matrix((Param("k", ("1", "2", "3")),))))
        run = simulate(plan, extra=[cancel(0.5)])
        assert len(run.requests()) == 1
        assert set(run.task_reasons().values()) == {"TaskRunCancelled"}


class TestNames:
    """The names of embedded specs: getContextReplacements in pkg/reconciler/{pipelinerun,taskrun}/resources."""

    step = Step("run", command=("$(context.task.name)", "$(context.taskRun.name)"))

    def commands(self, *tasks):
        return [request.arguments for _, request in simulate(plan_of(*tasks)).requests()]

    def test_embedded_task_has_the_name_of_its_task_run(self):
        assert self.commands(task("a", steps=(self.step,))) == [("run-a", "run-a")]
        matrix = Matrix((Param("k", ("1", "2")),))
        assert self.commands(task("m", matrix=matrix, steps=(self.step,), slot_count=2)) == [
            ("run-m-0", "run-m-0"),
            ("run-m-1", "run-m-1"),
        ]

    def test_referenced_task_has_its_own_name(self):
        own = (("context.task.name", "build"),)
        assert self.commands(task("a", steps=(self.step,), variables=own)) == [("build", "run-a")]

    def test_embedded_and_referenced_pipeline_names(self):
        def inner(*variables: tuple[str, str]) -> Pipeline:
            name = Param("name", "$(context.pipeline.name)")
            step = Step("run", command=("$(params.name)",))
            return Pipeline("p", tasks=(task("b", params=(name,), steps=(step,)),), variables=variables)

        assert self.commands(task("a", pipeline=inner())) == [("run-a",)]
        assert self.commands(task("a", pipeline=inner(("context.pipeline.name", "p")))) == [("p",)]


class TestLargeValues:
    """Results, inserted into many texts, would fill the memory of the coordinator."""

    files: ClassVar = {"/tekton/results/r": "x" * 400}

    @pytest.fixture(autouse=True)
    def _little_room(self, monkeypatch):
        monkeypatch.setattr("monopod.coordinator.engine.run_state.MOST_CHARACTERS", 1000)

    def plan(self, **fields):
        source = task("a", results=(ResultDeclaration("r"),))
        return plan_of(source, task("b", after=("a",), result_sources=("a",), **fields), final_tasks=(task("f"),))

    def test_in_params(self):
        params = (Param("p", "$(tasks.a.results.r)$(tasks.a.results.r)$(tasks.a.results.r)"),)
        run = simulate(self.plan(params=params), writing({"a-run": self.files}))
        assert run.task_reasons()["run-b"] == "InvalidParamValue"
        assert [request.slot for _, request in run.requests()] == ["a", "f"]

    def test_in_the_command_of_a_step(self):
        step = Step("run", command=("$(params.p)", "$(params.p)", "$(params.p)"))
        plan = self.plan(params=(Param("p", "$(tasks.a.results.r)"),), steps=(step,))
        run = simulate(plan, writing({"a-run": self.files}))
        message = run.status["taskRuns"]["run-b"]["status"]["conditions"][0]["message"]
        assert message.startswith('"step-run" could not start: the values of references make it longer than')

    def test_in_a_guard(self):
        guard = WhenExpression("$(tasks.a.results.r)", "in", ("$(tasks.a.results.r)", "$(tasks.a.results.r)"))
        run = simulate(self.plan(when=(guard,)), writing({"a-run": self.files}))
        assert run.condition["reason"] == "PipelineValidationFailed"

    def test_in_a_result_of_a_task(self):
        step = Step("run", script="", results=(ResultDeclaration("r"),))
        results = (ResultDeclaration("all", value="$(steps.run.results.r)" * 3),)
        plan = plan_of(task("a", steps=(step,), results=results))
        run = simulate(plan, writing({"a-run": {"/tekton/steps/step-run/results/r": "x" * 400}}))
        assert run.task_reasons() == {"run-a": "TaskRunValidationFailed"}

    def test_passed_on_value_counts_once(self):
        plan = self.plan(params=tuple(Param(f"p{number}", "$(tasks.a.results.r)") for number in range(9)))
        run = simulate(plan, writing({"a-run": self.files}))
        assert run.condition["reason"] == "Succeeded"


class TestMatrix:
    def test_combinations_run_in_parallel_in_their_slots(self):
        step = Step("run", command=("echo", "$(params.os)-$(params.arch)"))
        matrix = Matrix((Param("os", ("linux", "mac")), Param("arch", ("x", "y"))), pinned=True)
        run = simulate(plan_of(task("m", matrix=matrix, slot_count=4, steps=(step,))))
        assert [at for at, _ in run.requests()] == [0, 0, 0, 0]
        assert {request.arguments[1] for _, request in run.requests()} == {"linux-x", "mac-x", "linux-y", "mac-y"}
        assert list(run.task_reasons()) == ["run-m-0", "run-m-1", "run-m-2", "run-m-3"]

    def test_queue_over_fewer_slots_sized_by_a_result(self):
        source = task("a", results=(ResultDeclaration("list", "array"),))
        matrix = Matrix((Param("item", "$(tasks.a.results.list[*])"),))
        fan = task("m", after=("a",), result_sources=("a",), matrix=matrix, slot_count=2)
        run = simulate(plan_of(source, fan), writing({"a-run": {"/tekton/results/list": '["1","2","3","4","5"]'}}))
        assert sorted(at for at, request in run.requests() if request.slot != "a") == [1, 1, 2, 2, 3]
        assert len(run.task_reasons()) == 6

    def test_combinations_from_results_are_limited(self):
        source = task("a", results=(ResultDeclaration("list", "array"),))
        params = tuple(Param(f"p{number}", "$(tasks.a.results.list[*])") for number in range(9))
        fan = task("m", after=("a",), result_sources=("a",), matrix=Matrix(params))
        files = {"/tekton/results/list": json.dumps(["x"] * 1000)}
        run = simulate(plan_of(source, fan, final_tasks=(task("f"),)), writing({"a-run": files}))
        assert [request.slot for _, request in run.requests()] == ["a", "f"]
        assert run.condition["reason"] == "PipelineValidationFailed"
        assert f"m: a matrix has {1000**9} combinations, more than the 256" in run.condition["message"]

    def test_results_of_all_combinations_are_an_array(self):
        matrix = Matrix((Param("k", ("1", "2")),))
        fan = task("m", matrix=matrix, slot_count=2, results=(ResultDeclaration("r"),))
        text = ("$(tasks.m.matrix.length)", "$(tasks.m.matrix.r.length)", "$(tasks.m.results.r[*])")
        user = task(
            "b",
            after=("m",),
            result_sources=("m",),
            params=(Param("l", text),),
            steps=(Step("run", command=("$(params.l[*])",)),),
        )
        behave = lambda request: Behaviour(files={"/tekton/results/r": request.container})  # noqa: E731
        run = simulate(plan_of(fan, user), behave)
        assert run.requests()[-1][1].arguments == ("2", "2", "m-0-run", "m-1-run")

    def test_length_of_a_matrix_that_waits_for_nothing_is_known_from_the_start(self):
        given = {"after": ("a",), "slot_count": 2, "matrix": Matrix((Param("k", ("1", "2", "$(params.p)")),))}
        late = {"after": ("a",), "matrix": Matrix((Param("k", "$(tasks.a.results.r[*])"),))}
        texts = ("$(tasks.m.matrix.length)", "$(tasks.late.matrix.length)")
        user = task("b", params=(Param("l", texts),), steps=(Step("run", command=("$(params.l[*])",)),))
        first = task("a", results=(ResultDeclaration("r", "array"),))
        run = simulate(plan_of(first, task("m", **given), task("late", **late), user, params=(Param("p", "v"),)))
        (arguments,) = [each.arguments for _, each in run.requests() if each.container == "b-run"]
        assert arguments == ("3", "$$(tasks.late.matrix.length)")  # nothing replaces that

    def test_empty_array_skips_the_task(self):
        run = simulate(plan_of(task("m", matrix=Matrix((Param("k", ()),))), task("b", after=("m",))))
        assert run.skipped() == {"m": "Matrix Parameters have an empty array", "b": "Parent Tasks were skipped"}

    def test_include(self):
        matrix = Matrix((Param("k", ("1", "2")),), (MatrixInclude("x", (Param("k", "2"), Param("extra", "e"))),))
        step = Step("run", command=("$(params.k)$(params.extra)",))
        run = simulate(plan_of(task("m", matrix=matrix, slot_count=2, steps=(step,), params=(Param("extra", "-"),))))
        assert [request.arguments for _, request in run.requests()] == [("1-",), ("2e",)]

    def test_failed_combination_fails_the_task_after_all_have_run(self):
        matrix = Matrix((Param("k", ("1", "2", "3")),))
        run = simulate(plan_of(task("m", matrix=matrix)), lambda request: Behaviour(code=request.request == 1))
        assert len(run.requests()) == 3
        assert run.condition["reason"] == "Failed"
        assert set(run.released.values()) == {1}


class TestSidecars:
    def test_sidecars_start_before_and_end_with_the_steps(self):
        sidecar = Sidecar(Step("db", command=("serve",)), Probe(tcp_port=5432))
        run = simulate(
            plan_of(task("a", sidecars=(sidecar,))), lambda r: Behaviour(duration=1e6 if "db" in r.container else 1)
        )
        assert run.started() == {"a-db": [0], "a-run": [0.5]}
        assert [command for at, command in run.commands if isinstance(command, StopStep)] == [StopStep("a-db", 1, 10.0)]
        assert run.released == {"a-run": 0, "a-db": 0}
        assert run.condition["reason"] == "Succeeded"

    def test_sidecar_is_probed_until_it_is_ready(self):
        sidecar = Sidecar(Step("db", command=("x",), working_directory="/there"), Probe(command=("check",)))
        behave = lambda r: Behaviour(duration=1e6 if "db" in r.container else 1)  # noqa: E731
        run = simulate(plan_of(task("a", sidecars=(sidecar,))), behave, probe_delay=0.125, failing_probes=2)
        probes = [(at, command) for at, command in run.commands if isinstance(command, RunProbe)]
        assert [at for at, _ in probes] == pytest.approx([0, 0.175, 0.4])
        assert [each.request for _, each in probes] == [2, 3, 4]
        assert {each[:2] + each[3:] for _, each in probes} == {("a", "a-db", ("check",), (), "/there")}
        assert run.started()["a-run"] == pytest.approx([0.525])

    def test_slow_probe_is_stopped_and_fails(self):
        probe = Probe(command=("check",), timeout=1.0, period=2.0)
        plan = plan_of(task("a", timeout=3.0, sidecars=(Sidecar(Step("db", command=("x",)), probe),)))
        run = simulate(plan, lambda _: Behaviour(duration=1e6), probe_delay=1e6)
        stops = [(at, command) for at, command in run.commands if isinstance(command, StopStep)]
        assert [at for at, _ in stops] == pytest.approx([1.0, 2.05, 3.0, 3.0])
        assert [stop for _, stop in stops] == [
            *(StopStep("a-db", request, 0) for request in (2, 3, 4)),
            StopStep("a-db", 1, 10.0),
        ]

    def probed(self, probe, failing, *, probe_delay=0.0, timeout=3600.0):
        """Run a Task with a probed Sidecar; return the warnings and their times."""
        plan = plan_of(task("a", timeout=timeout, sidecars=(Sidecar(Step("db", command=("x",)), probe),)))
        behave = lambda r: Behaviour(1e6 if "db" in r.container else 1)  # noqa: E731
        run = simulate(plan, behave, probe_delay=probe_delay, failing_probes=failing)
        return [(each.at, each.message) for each in run.reported if isinstance(each, RunWarning)]

    def test_failed_probe_is_a_warning_once_kubernetes_would_have_tried_as_often(self):
        probe = Probe(command=("check",), period=2.0, failure_threshold=4)
        assert self.probed(probe, 3) == []
        ((at, text),) = self.probed(probe, 50)
        assert 6 <= at < 8
        assert text == "Sidecar 'db' of Task 'a' is not ready: its probe fails: no"

    def test_success_between_failures_starts_the_count_again(self):
        probe = Probe(command=("check",), period=1.0, failure_threshold=3, success_threshold=2)
        assert self.probed(probe, 4) == []

    def test_probe_that_fails_until_the_task_is_cut_off_is_a_warning(self):
        probe = Probe(command=("check",), period=10.0)
        assert self.probed(probe, 99, timeout=3.0) == [
            (3.0, "Sidecar 'db' of Task 'a' is not ready: its probe fails: no")
        ]
        late = self.probed(Probe(command=("check",), timeout=0.5), 99, timeout=5.0, probe_delay=1e6)
        assert late == [(5.0, "Sidecar 'db' of Task 'a' is not ready: its probe fails: no answer within 0.5 s")]

    @pytest.mark.parametrize("probe", [Probe(command=("check",)), Probe(tcp_port=1)])
    def test_probe_result_after_the_end_is_ignored(self, probe):
        plan = plan_of(task("a", retries=1, sidecars=(Sidecar(Step("db", command=("x",)), probe),)))
        behave = lambda r: Behaviour(0.25 if r.request == 1 and "db" in r.container else 1, code=1)  # noqa: E731
        late = [(0.3, ProbeEnded(0.3, "a-db", number, True)) for number in (1, 2)]
        run = simulate(plan, behave, probe_delay=5.0, extra=late)
        assert run.started()["a-run"][0] == 0.25
        assert len(run.started()["a-run"]) == 2

    def test_ended_sidecar_counts_as_ready(self):
        sidecar = Sidecar(Step("db", command=("x",)), Probe(tcp_port=1))
        behave = lambda r: Behaviour(duration=0.1) if "db" in r.container else Behaviour()  # noqa: E731
        run = simulate(plan_of(task("a", sidecars=(sidecar,))), behave)
        assert run.condition["reason"] == "Succeeded"
        assert run.started()["a-run"] == [0.1]

    @pytest.mark.parametrize("readiness", [None, Probe(tcp_port=1)])
    def test_end_of_a_sidecar_does_not_restart_steps(self, readiness):
        sidecar = Sidecar(Step("db", command=("x",)), readiness)
        steps = (Step("run", command=("x",), results=(ResultDeclaration("r"),)), Step("next", command=("y",)))
        for end in (0.75, 1.5, 2.0, 2.5):
            behave = lambda r, end=end: Behaviour(duration=end if "db" in r.container else 1)  # noqa: E731
            run = simulate(plan_of(task("a", steps=steps, sidecars=(sidecar,))), behave)
            assert {name: len(times) for name, times in run.started().items()} == {"a-db": 1, "a-run": 1, "a-next": 1}

    def test_death_of_a_sidecar_does_not_restart_steps(self):
        sidecar = Sidecar(Step("db", command=("serve",)))
        behave = lambda r: Behaviour(duration=1e6 if "db" in r.container else 1)  # noqa: E731
        run = simulate(plan_of(task("a", sidecars=(sidecar,))), behave, extra=[death(1.5, "a-db")])
        assert run.started() == {"a-db": [0], "a-run": [1]}

    def test_next_attempt_restarts_sidecars(self):
        sidecar = Sidecar(Step("db", command=("serve",)))
        behave = lambda r: Behaviour(duration=1e6 if "db" in r.container else 1, code=r.request == 1)  # noqa: E731
        run = simulate(plan_of(task("a", retries=1, sidecars=(sidecar,))), behave)
        assert run.started() == {"a-db": [0, 2.25], "a-run": [1, 3.25]}

    def test_slot_is_reused_when_its_sidecars_have_ended(self):
        """The Sidecars of the next attempt would overlap with them, and the attempt would wait forever for its own."""
        sidecar = Sidecar(Step("db", command=("serve",)))
        each = task("a", sidecars=(sidecar,), matrix=Matrix((Param("k", ("1", "2")),)))
        run = simulate(plan_of(each), lambda r: Behaviour(duration=1e6 if "db" in r.container else 1, stop_delay=3))
        assert run.started() == {"a-db": [0, 5], "a-run": [1, 6]}
        assert run.finished_at == 7

    def test_slot_without_waiting_combinations_is_released_at_once(self):
        sidecar = Sidecar(Step("db", command=("serve",)))
        each = task("a", sidecars=(sidecar,), matrix=Matrix((Param("k", ("1", "2")),)))
        run = simulate(
            plan_of(each),
            lambda r: Behaviour(duration=1e6 if "db" in r.container else 1, stop_delay=3),
            extra=[cancel(3.0)],
        )
        assert run.started() == {"a-db": [0], "a-run": [1]}
        assert run.released.keys() == {"a-db", "a-run"}
        assert run.finished_at == 3


PROVENANCE = '{"outputs": [{"name": "image", "values": [{"uri": "pkg:x", "digest": {"sha256": "1"}}]}]}'


class TestArtifacts:
    variables = (("step.artifacts.path", "/tekton/steps/step-run/artifacts/provenance.json"),)

    def run(self, text: str):
        steps = (Step("run", script="", variables=self.variables), Step("next", script="$(steps.run.outputs.image)"))
        user = task("b", after=("a",), steps=(Step("run", script="$(tasks.a.outputs.image)"),))
        plan = plan_of(task("a", steps=steps), user)
        return simulate(plan, writing({"a-run": {"/tekton/steps/step-run/artifacts/provenance.json": text}}))

    def test_artifacts_reach_steps_tasks_and_the_status(self):
        run = self.run(PROVENANCE)
        scripts = [request.script.splitlines()[-1] for _, request in run.requests()[1:]]
        assert scripts == ['[{"uri":"pkg:x","digest":{"sha256":"1"}}]'] * 2
        status = run.status["taskRuns"]["run-a"]["status"]
        assert status["artifacts"]["outputs"] == status["steps"][0]["outputs"]
        assert status["artifacts"]["outputs"][0]["name"] == "image"
        assert run.requests()[0][1].directories == ("/tekton/steps/step-run/artifacts",)

    @pytest.mark.parametrize("text", ["no JSON", "[]", '{"outputs": {}}', '{"inputs": [{"name": 1, "values": []}]}'])
    def test_invalid_artifacts_fail_the_task(self, text: str):
        reason = self.run(text).status["taskRuns"]["run-a"]["status"]["conditions"][0]
        assert reason["reason"] == "TaskRunValidationFailed"
        assert "provenance.json" in reason["message"]


class TestPipelinesInPipelines:
    inner = Pipeline(
        "inner",
        params=(Param("p", "default"), Param("q", "kept")),
        tasks=(
            task("x", steps=(Step("run", command=("$(params.p)", "$(params.q)")),), results=(ResultDeclaration("r"),)),
        ),
        final_tasks=(task("y"),),
        results=(ResultDeclaration("out", value="$(tasks.x.results.r)!"),),
    )

    def test_params_and_results_of_a_nested_pipeline(self):
        outer = task("sub", pipeline=self.inner, params=(Param("p", "$(params.top)"),), steps=(), slot_count=0)
        after = task(
            "z",
            after=("sub",),
            result_sources=("sub",),
            params=(Param("v", "$(tasks.sub.results.out)"),),
            steps=(Step("run", command=("$(params.v)",)),),
        )
        plan = plan_of(outer, after, params=(Param("top", "given"),))
        run = simulate(plan, writing({"x-run": {"/tekton/results/r": "v"}}))
        assert [request.arguments for _, request in run.requests() if request.container in ("x-run", "z-run")] == [
            ("given", "kept"),
            ("v!",),
        ]
        assert run.started() == {"x-run": [0], "y-run": [1], "z-run": [2]}
        assert run.status["childReferences"][0]["kind"] == "PipelineRun"
        assert run.status["pipelineRuns"]["run-sub"]["status"]["results"] == [{"name": "out", "value": "v!"}]

    def test_failure_of_a_nested_pipeline_fails_the_task(self):
        outer = task("sub", pipeline=self.inner, steps=(), slot_count=0)
        run = simulate(plan_of(outer, task("z", after=("sub",))), failing("x-run"))
        assert "y-run" in run.started()
        assert run.skipped() == {"z": "PipelineRun was stopping"}
        assert run.condition["reason"] == "Failed"

    def test_skipped_nested_pipeline_releases_its_containers(self):
        outer = task("sub", pipeline=self.inner, steps=(), slot_count=0, when=(WhenExpression("1", "in", ()),))
        run = simulate(plan_of(outer, task("z")))
        assert run.released == {"x-run": 0, "y-run": 0, "z-run": 0}


def test_document_of_the_task_run():
    run = simulate(plan_of(task("a"), kind="TaskRun"))
    assert run.document["kind"] == "TaskRun"
    assert run.status["podName"] == "run"
    assert [step["name"] for step in run.status["steps"]] == ["run"]


def test_same_events_give_the_same_commands():
    plan = plan_of(task("a", retries=1), task("b", after=("a",)), final_tasks=(task("f"),))
    first = simulate(plan, failing("a-run"))
    again = type(first)()
    from monopod.coordinator.engine.engine import Engine  # noqa: PLC0415

    engine = Engine(decode(encode(plan)))
    for event in first.events:
        again.commands += [(event.at, command) for command in engine.handle(event)]
    assert again.commands == first.commands


def test_plan_survives_encoding():
    plan = Plan(TestPipelinesInPipelines.inner, {"kind": "PipelineRun", "spec": {"params": ["ü"]}})
    assert decode(encode(plan)) == plan
    with pytest.raises(ValueError, match="not an encoded Plan"):
        decode(["AAAA"])


def test_plan_of_another_version_is_reported(monkeypatch):
    monkeypatch.setattr(plan_module, "PLAN_VERSION", 1000)
    pieces = encode(plan_of(task("a")))  # as written by this version
    with pytest.raises(ValueError, match="made by another version of monopod; compile the Pipeline again"):
        decode(pieces)


class TestOracleFindings:
    """Cases where the engine once differed from the oracle (`test_against_oracle.py`), named after the rule."""

    never = WhenExpression("x", "in", ("y",))

    def test_guard_precedes_skipped_parents(self):
        empty = task("m", matrix=Matrix((Param("k", ()),)))
        run = simulate(plan_of(empty, task("b", after=("m",), when=(self.never,)), task("c", after=("b",))))
        assert run.skipped()["b"] == "When Expressions evaluated to false"
        assert "c" not in run.skipped()  # since a guard affects only its own Task

    def test_guard_precedes_missing_results(self):
        guarded = task("a", when=(self.never,), results=(ResultDeclaration("r"),))
        params = (Param("p", "$(tasks.a.results.r)"),)
        user = task("b", after=("a",), result_sources=("a",), params=params, when=(self.never,))
        run = simulate(plan_of(guarded, user, task("c", after=("b",))))
        assert run.skipped()["b"] == "When Expressions evaluated to false"
        assert "c" not in run.skipped()

    def test_missing_results_precede_a_guard_in_finally(self):
        source = task("a", results=(ResultDeclaration("r"),))
        params = (Param("p", "$(tasks.a.results.r)"),)
        final = task("f", result_sources=("a",), params=params, when=(self.never,))
        assert simulate(plan_of(source, final_tasks=(final,))).skipped() == {"f": "Results were missing"}

    def test_first_missing_result_decides(self):
        guarded = task("a", when=(self.never,), results=(ResultDeclaration("r"),))
        silent = task("b", results=(ResultDeclaration("r"),))
        params = (Param("p", "$(tasks.a.results.r)"), Param("q", "$(tasks.b.results.r)"))
        fields = {"after": ("a", "b"), "result_sources": ("a", "b")}
        run = simulate(plan_of(guarded, silent, task("c", params=params, **fields)))
        assert run.condition["reason"] == "Completed"
        run = simulate(plan_of(guarded, silent, task("c", params=params[::-1], **fields)))
        assert run.condition["reason"] == "PipelineValidationFailed"

    def test_invalid_task_keeps_its_siblings_from_starting(self):
        silent = task("a", results=(ResultDeclaration("r"),))
        params = (Param("p", "$(tasks.a.results.r)"),)
        broken = [task(name, after=("a",), result_sources=("a",), params=params) for name in ("c", "d")]
        run = simulate(plan_of(silent, task("b", after=("a",)), *broken))
        assert list(run.started()) == ["a-run"]
        assert "Skipped: 1, Failed Validation: 2" in run.condition["message"]

    def test_ready_task_starts_although_another_ends_at_once(self):
        inner = Pipeline("inner", tasks=(task("x", when=(self.never,)),))
        outer = task("sub", pipeline=inner, steps=(), slot_count=0, results=(ResultDeclaration("r"),))
        user = task("b", after=("sub",), result_sources=("sub",), params=(Param("p", "$(tasks.sub.results.r)"),))
        assert list(simulate(plan_of(outer, task("c"), user)).started()) == ["c-run"]

    def test_cancelled_run_does_not_retry_timed_out_tasks(self):
        run = simulate(plan_of(task("a", timeout=2.0, retries=3)), lambda r: Behaviour(duration=9), extra=[cancel(2.1)])
        assert len(run.requests()) == 1
        assert run.condition["reason"] == "Cancelled"

    def test_timed_out_run_is_not_cancelled(self):
        run = simulate(plan_of(task("a"), timeout=2.0), lambda r: Behaviour(duration=9), extra=[cancel(2.1)])
        assert run.condition["reason"] == "PipelineRunTimeout"

    def test_failed_and_cancelled_matrix_is_cancelled(self):
        matrix = Matrix((Param("k", ("1", "2")),))
        behave = lambda r: Behaviour(code=1, duration=1 if r.request == 1 else 9)  # noqa: E731
        run = simulate(plan_of(task("m", matrix=matrix)), behave, extra=[cancel(2, "CancelledRunFinally")])
        assert run.task_reasons() == {"run-m-0": "StepFailed", "run-m-1": "TaskRunCancelled"}
        assert run.condition["reason"] == "Cancelled"

    def test_on_error_does_not_excuse_finally_from_its_timeout(self):
        plan = plan_of(task("a"), final_tasks=(task("f", on_error="continue"),), finally_timeout=2.0)
        run = simulate(plan, lambda r: Behaviour(duration=9 if r.slot == "f" else 1))
        assert run.condition["reason"] == "Failed"
        assert any(run.released.values())

    def test_stopped_task_has_no_results(self):
        source = task("a", timeout=2.0, on_error="continue", results=(ResultDeclaration("r"),))
        final = task("f", result_sources=("a",), params=(Param("p", "$(tasks.a.results.r)"),))
        behave = lambda r: Behaviour(duration=2.1, files={"/tekton/results/r": "v"})  # noqa: E731
        assert simulate(plan_of(source, final_tasks=(final,)), behave).skipped() == {"f": "Results were missing"}

    def test_attempt_without_steps_has_no_results(self):
        steps = (Step("x", script=""), Step("y", script=""))
        source = task("m", steps=steps, matrix=Matrix((Param("k", ("1", "2")),)), results=(ResultDeclaration("r"),))
        behave = lambda r: Behaviour(files={"/tekton/results/r": "v"})  # noqa: E731
        run = simulate(plan_of(source), behave, extra=[death(1.5, "m-y")])
        assert [each["status"].get("results") for each in run.status["taskRuns"].values()] == [
            [{"name": "r", "type": "string", "value": "v"}],
            None,
        ]

    def test_all_steps_of_a_stopped_task_are_listed(self):
        steps = (Step("x", script=""), Step("y", script=""))
        run = simulate(plan_of(task("a", steps=steps)), ready=lambda name: None if name == "a-y" else 0)
        listed = run.status["taskRuns"]["run-a"]["status"]["steps"]
        assert [(step["name"], step["terminationReason"]) for step in listed] == [
            ("x", "Completed"),
            ("y", "PodCreationFailed"),
        ]

    def test_queue_leaves_a_slot_whose_container_is_gone(self):
        matrix = Matrix((Param("k", tuple("123456")),))
        run = simulate(plan_of(task("m", matrix=matrix, slot_count=2)), extra=[death(0.5, "m-0-run")])
        assert run.started() == {"m-0-run": [0], "m-1-run": [0, 1, 2, 3, 4]}
        assert list(run.task_reasons().values()) == ["StepFailed", *["Succeeded"] * 5]

    def test_slot_with_a_lost_container_is_not_awaited(self):
        steps = (Step("x", script=""), Step("y", script=""))
        plan = plan_of(task("a", steps=steps))
        run = simulate(plan, ready=lambda name: 99 if name == "a-x" else 0, extra=[death(3, "a-y")])
        assert run.finished_at == 3
        assert run.requests() == []

    def test_long_queue_of_attempts_does_not_recurse(self):
        matrix = Matrix((Param("k", tuple(map(str, range(256)))),))
        step = Step("run", script="", when=(self.never,))
        run = simulate(plan_of(task("m", matrix=matrix, steps=(step,))))
        assert len(run.task_reasons()) == 256
        assert run.condition["reason"] == "Succeeded"

    def test_many_retries_do_not_recurse(self):
        step = Step("run", script="$(params.list[7])")
        run = simulate(plan_of(task("a", retries=1000, steps=(step,), params=(Param("list", ("x",)),))))
        assert len(run.status["taskRuns"]["run-a"]["status"]["retriesStatus"]) == 1000

    def test_skipped_step_of_a_successful_attempt_has_no_exit_code(self):
        first = WhenExpression("$(context.task.retry-count)", "in", ("0",))
        steps = (Step("x", script="", when=(first,)), Step("y", script=""))
        run = simulate(plan_of(task("a", retries=1, steps=steps)), failing("a-x"))
        assert run.condition["reason"] == "Succeeded"
        assert run.released == {"a-x": 0, "a-y": 0}
