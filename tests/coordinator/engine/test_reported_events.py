"""What the engine reports of a run for people to read: why a Task was skipped, its combinations, Sidecars that end."""

from __future__ import annotations

import pytest
from simulation import Behaviour, cancel, death, plan_of, simulate, task

from monopod.coordinator.engine.skip_words import LONGEST_TEXT, describe_guard
from monopod.schemas.plan import Matrix, Param, Probe, ResultDeclaration, Sidecar, Step, WhenExpression
from monopod.schemas.run_events import (
    MatrixExpanded,
    SidecarFinished,
    SidecarStarted,
    TaskFinished,
    TaskSkipped,
    from_line,
    to_line,
)

STAGING = (Param("env", "staging"), Param("envs", ("production", "canary")))
RESULT = (ResultDeclaration("r"),)


def reported(run, kind):
    return [event for event in run.reported if isinstance(event, kind)]


def why(run):
    return {event.task: event.message for event in reported(run, TaskSkipped)}


class TestSkipped:
    @pytest.mark.parametrize(
        ("when", "message"),
        [
            (
                WhenExpression("$(params.env)", "in", ("production",)),
                'when: $(params.env) in [production]: the value was "staging"',
            ),
            (
                WhenExpression("$(params.env)", "notin", ("staging", "x")),
                'when: $(params.env) notin [staging, x]: the value was "staging"',
            ),
            (
                WhenExpression("$(params.env)", "in", ("$(params.envs[*])",)),
                'when: $(params.env) in [$(params.envs[*])]: the value was "staging", '
                'the values were ["production", "canary"]',
            ),
            (
                WhenExpression(cel="'$(params.env)' == 'production'"),
                "when: cel: '$(params.env)' == 'production': it was false ('staging' == 'production')",
            ),
        ],
    )
    def test_guard_is_shown_with_its_values(self, when, message):
        true = WhenExpression("a", "in", ("a",))
        run = simulate(plan_of(task("deploy", when=(true, when)), params=STAGING))
        assert why(run) == {"deploy": message}
        assert run.skipped() == {"deploy": "When Expressions evaluated to false"}

    def test_long_values_are_shortened(self):
        guard = WhenExpression("$(tasks.a.results.r)", "in", ("x",))
        plan = plan_of(task("a", results=RESULT), task("b", after=("a",), result_sources=("a",), when=(guard,)))
        files = {"/tekton/results/r": "\x1b[2J\n" + "y" * 3000}
        (message,) = why(simulate(plan, lambda _: Behaviour(files=files))).values()
        assert message.startswith('when: $(tasks.a.results.r) in [x]: the value was "\\u001b[2J\\nyyy')
        assert message.endswith('…"')
        assert len(message) < LONGEST_TEXT + 80

    def test_task_skipped_with_its_parent_names_the_parent(self):
        missing = task("b", after=("a",), result_sources=("a",), params=(Param("p", "$(tasks.a.results.r)"),))
        never = task("a", results=RESULT, when=(WhenExpression("a", "in", ("b",)),))
        run = simulate(plan_of(never, missing, task("c", after=("b",)), task("d", after=("b", "c"))))
        assert why(run) == {
            "a": 'when: a in [b]: the value was "a"',
            "b": "$(tasks.a.results.r) (Task a was skipped)",
            "c": "b",
            "d": "b, c",
        }

    def test_task_not_started_after_a_failure_names_the_failed_task(self):
        run = simulate(plan_of(task("a"), task("b", after=("a",))), lambda _: Behaviour(code=1))
        assert why(run) == {"b": "Task a did not succeed"}

    def test_empty_matrix_names_its_params(self):
        matrix = Matrix((Param("k", "$(params.none[*])"), Param("l", ("1",))))
        run = simulate(plan_of(task("m", matrix=matrix), params=(Param("none", ()),)))
        assert why(run) == {"m": "k"}

    def test_message_has_a_limited_length(self):
        values = tuple("v" * 500 for _ in range(500))
        written = WhenExpression("i" * 500, "in", values)
        assert len(describe_guard(written, written)) < 12 * LONGEST_TEXT
        assert "and 492 more" in describe_guard(written, written)


def test_combinations_are_reported_before_they_start():
    for pinned in (False, True):
        run = simulate(plan_of(task("m", slot_count=2, matrix=Matrix((Param("go", ("1.21", "1.22")),), pinned=pinned))))
        names = [type(event).__name__ for event in run.reported]
        assert names.index("MatrixExpanded") < names.index("TaskStarted")
        assert reported(run, MatrixExpanded) == [MatrixExpanded(0, "m", ["go=1.21", "go=1.22"])]


class TestSidecars:
    def sidecar(self, readiness=None):
        return (Sidecar(Step("db", command=("serve",)), readiness),)

    @pytest.mark.parametrize("readiness", [None, Probe(tcp_port=1)])
    @pytest.mark.parametrize(("code", "reason"), [(0, "Completed"), (7, "Error")])
    def test_early_end_of_a_sidecar_is_reported(self, readiness, code, reason):
        behave = lambda r: Behaviour(duration=0.25, code=code) if "db" in r.container else Behaviour(3)  # noqa: E731
        run = simulate(plan_of(task("a", sidecars=self.sidecar(readiness))), behave)
        (ended,) = reported(run, SidecarFinished)
        assert (ended.task, ended.index, ended.attempt, ended.sidecar, ended.container) == ("a", None, 0, "db", "a-db")
        assert (ended.exit_code, ended.reason) == (code, reason)
        assert run.task_reasons() == {"run-a": "SidecarFailed" if code else "Succeeded"}

    def test_only_started_sidecars_are_reported(self):
        run = simulate(plan_of(task("a", sidecars=self.sidecar())))
        assert reported(run, SidecarStarted) == [SidecarStarted(0, "a", None, 0, "db", "a-db")]
        behave = lambda r: Behaviour(code=1 if "a" in r.container else 0)  # noqa: E731
        run = simulate(plan_of(task("a"), task("b", after=("a",), sidecars=self.sidecar())), behave)
        assert reported(run, SidecarStarted) == []

    def test_end_of_a_stopped_sidecar_is_not_reported(self):
        behave = lambda r: Behaviour(duration=1e6 if "db" in r.container else 1)  # noqa: E731
        run = simulate(plan_of(task("a", sidecars=self.sidecar())), behave)
        assert reported(run, SidecarFinished) == []

    def test_killed_sidecar_is_reported_with_the_signal(self):
        behave = lambda r: Behaviour(duration=1e6 if "db" in r.container else 1)  # noqa: E731
        run = simulate(plan_of(task("a", sidecars=self.sidecar())), behave, extra=[death(1.5, "a-db")])
        (ended,) = reported(run, SidecarFinished)
        assert ended.exit_code == 137
        assert "killed" in ended.message


def test_events_survive_encoding():
    for event in (
        MatrixExpanded(1.0, "m", ["go=1.22"]),
        TaskSkipped(1.0, "a", "reason", "why"),
        SidecarFinished(1.0, "a", 2, 0, "db", "a-db", 1, "Error", "", 1.0, 2.0),
    ):
        assert from_line(to_line(event)) == event
    assert from_line('{"event":"TaskSkipped","at":1,"task":"a","reason":"r"}') == TaskSkipped(1, "a", "r")
    with pytest.raises(ValueError, match="not an event"):
        from_line('{"event":"MatrixExpanded","at":1,"task":"a","names":[1]}')


def test_combinations_that_never_started_end_when_the_run_is_cancelled():
    matrix = Matrix((Param("k", ("1", "2", "3")),))
    run = simulate(plan_of(task("m", matrix=matrix)), lambda _: Behaviour(duration=9), extra=[cancel(1.0)])
    ends = [(each.index, each.status) for each in run.reported if isinstance(each, TaskFinished)]
    assert sorted(ends) == [(0, "Cancelled"), (1, "Cancelled"), (2, "Cancelled")]


def test_task_cancelled_between_two_attempts_ends():
    sidecars = (Sidecar(Step("db", command=("serve",))),)
    behave = lambda r: Behaviour(1e6, stop_delay=5) if "db" in r.container else Behaviour(1, code=1)  # noqa: E731
    run = simulate(plan_of(task("a", retries=1, sidecars=sidecars)), behave, extra=[cancel(3.0)])
    ends = [(each.attempt, each.status, each.will_retry) for each in run.reported if isinstance(each, TaskFinished)]
    assert ends == [(0, "Failed", True), (0, "Cancelled", False)]
