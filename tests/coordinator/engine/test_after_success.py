"""A `finally` Task that runs only if its Pipeline succeeds without it (``Task.after_success``)."""

from __future__ import annotations

import pytest
from simulation import Behaviour, cancel, plan_of, simulate, task

from monopod.schemas.plan import Param, WhenExpression, decode, encode

NEVER = (WhenExpression("a", "in", ("b",)),)
UNWRITTEN = Param("x", "$(tasks.a.results.r)")
LAST = task("last", after_success=True)


def run(*tasks, final=(LAST,), codes=None, **options):
    codes = codes or {}
    plan = decode(encode(plan_of(*tasks, final_tasks=final)))
    return simulate(plan, lambda command: Behaviour(code=codes.get(command.container, 0)), **options)


def test_it_runs_after_all_others_have_succeeded():
    assert run(task("a"), task("b", after=("a",))).started()["last-run"] == [2.0]


@pytest.mark.parametrize(
    ("others", "codes"),
    [
        ([task("a", when=NEVER), task("b", after=("a",))], {}),
        ([task("a", on_error="continue"), task("b", after=("a",))], {"a-run": 1}),
        ([task("a", retries=1)], {}),
    ],
)
def test_it_runs_if_others_were_skipped_or_may_fail(others, codes):
    ran = run(*others, codes=codes)
    assert "last-run" in ran.started()
    assert ran.condition["status"] == "True"


@pytest.mark.parametrize(
    ("others", "codes"),
    [
        ([task("a")], {"a-run": 3}),
        ([task("a"), task("b")], {"a-run": 3}),
        ([task("a"), task("b", params=(UNWRITTEN,), after=("a",), result_sources=("a",))], {}),  # it is invalid
    ],
)
def test_it_is_skipped_if_its_pipeline_fails(others, codes):
    ran = run(*others, codes=codes)
    assert ran.condition["status"] == "False"
    assert "last-run" not in ran.started()
    assert ran.skipped()["last"] == "PipelineRun was stopping"


@pytest.mark.parametrize("mode", ["Cancelled", "CancelledRunFinally", "StoppedRunFinally"])
def test_it_is_skipped_if_its_pipeline_is_cancelled(mode):
    other = task("other")
    ran = run(task("a"), task("b", after=("a",)), final=(LAST, other), extra=[cancel(0.5, mode)])
    assert "last-run" not in ran.started()
    assert ("other-run" in ran.started()) == (mode != "Cancelled")


def test_its_failure_fails_the_pipeline():
    ran = run(task("a"), codes={"last-run": 1})
    assert ran.condition["status"] == "False"
