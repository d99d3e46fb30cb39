"""Tasks that the command line leaves out (``Task.left_out``): their order, Results and statuses."""

from __future__ import annotations

from simulation import Behaviour, cancel, plan_of, simulate, task

from monopod.schemas.plan import LEFT_OUT, REUSED, LeftOut, Param, ResultDeclaration, Step, Task, decode, encode
from monopod.schemas.run_events import TaskSkipped

STATUS = Step("run", command=("$(params.status)",))


def left_out(name: str, *after: str, **results: str | tuple[str, ...]) -> Task:
    given = tuple(Param(*each) for each in results.items())
    return Task(name, after=after, left_out=LeftOut(LEFT_OUT, "--skip names it", given))


def reused(name: str, *after: str) -> Task:
    return Task(name, after=after, left_out=LeftOut(REUSED, reused=True))


def used(run, container):
    (command,) = [command for _, command in run.requests() if command.container == container]
    return command.arguments


def test_task_after_one_that_is_left_out_waits_for_what_that_would_wait_for():
    run = simulate(plan_of(task("a"), left_out("b", "a"), task("c", after=("b",))))
    assert run.started() == {"a-run": [0.0], "c-run": [1.0]}
    assert run.skipped() == {"b": LEFT_OUT}
    assert run.condition["reason"] == "Completed"


def test_all_that_is_left_out_is_reported_before_anything_starts():
    final = left_out("d")
    run = simulate(plan_of(task("a"), left_out("b", "a"), task("c", after=("b",)), final_tasks=(final,)))
    skipped = [(event.at, event.task, event.why) for event in run.reported if isinstance(event, TaskSkipped)]
    assert skipped == [(0.0, "b", f"{LEFT_OUT}: --skip names it"), (0.0, "d", f"{LEFT_OUT}: --skip names it")]


def test_given_results_are_used_word_for_word():
    result = ResultDeclaration("out", value="$(tasks.b.results.text)")
    text = Param("text", "$(tasks.b.results.text)")
    use = task(
        "c",
        params=(text, Param("list", "$(tasks.b.results.list[*])")),
        after=("b",),
        result_sources=("b",),
        steps=(Step("run", command=("$(params.text)", "$(params.list[*])")),),
    )
    run = simulate(plan_of(left_out("b", text="$(params.x)", list=("1", "2")), use, results=(result,)))
    assert used(run, "c-run") == ("$$(params.x)", "1", "2")  # escaped for the entrypoint
    assert run.status["results"] == [{"name": "out", "value": "$(params.x)"}]


def test_reason_stays_when_the_run_fails_or_is_cancelled_before():
    plan = plan_of(task("a"), left_out("b", "a"), task("c", after=("b",)))
    failed = simulate(plan, lambda _: Behaviour(code=1))
    assert failed.skipped() == {"b": LEFT_OUT, "c": "PipelineRun was stopping"}
    cancelled = simulate(plan, extra=[cancel(0.5)])
    assert cancelled.skipped()["b"] == LEFT_OUT


def test_finally_task_without_the_result_is_skipped_and_told_why():
    param = Param("x", "$(tasks.b.results.text)")
    final = task("f", params=(param,), result_sources=("b",))
    run = simulate(plan_of(task("a"), left_out("b"), final_tasks=(final,)))
    assert run.skipped() == {"b": LEFT_OUT, "f": "Results were missing"}
    message = next(event.message for event in run.reported if isinstance(event, TaskSkipped) and event.task == "f")
    assert message == "$(tasks.b.results.text) (Task b was left out)"


def test_statuses_in_finally():
    text = "$(tasks.b.status)[$(tasks.b.reason)] $(tasks.status)"
    final = task("f", steps=(STATUS,), params=(Param("status", text),))
    run = simulate(plan_of(task("a"), left_out("b"), final_tasks=(final,)))
    assert used(run, "f-run") == ("None[] Completed",)
    run = simulate(plan_of(task("a"), reused("b"), final_tasks=(final,)))
    assert used(run, "f-run") == ("Succeeded[Succeeded] Succeeded",)


def test_plan_keeps_what_is_left_out():
    given = LeftOut(LEFT_OUT, "why", (Param("o", {"a": "1"}), Param("l", ("1",))), (("tasks.b.matrix.length", "1"),))
    plan = plan_of(Task("b", left_out=given))
    assert decode(encode(plan)) == plan
