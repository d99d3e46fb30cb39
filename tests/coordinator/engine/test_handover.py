"""What the Pod of a group hands over to another: Results, skipped Tasks, and what is refused."""

from __future__ import annotations

import base64
import json
import zlib
from hashlib import sha256

import pytest
from simulation import Behaviour, plan_of, simulate, task

from monopod.coordinator.engine.engine import Engine
from monopod.coordinator.engine.handover import MOST_BYTES, hand_over, take_over
from monopod.schemas.plan import ELSEWHERE, LeftOut, Param, ResultDeclaration, Task, WhenExpression

WRITER = task("build", results=(ResultDeclaration("digest"),))
RESULT = "tasks.build.results.digest"
NEVER = (WhenExpression("a", "in", ("b",)),)


def group_plan(*tasks, hands_over=()):
    return plan_of(*tasks)._replace(hands_over=hands_over)


def ran(plan, most_bytes=MOST_BYTES, **results):
    """Return what a Plan hands over after its run."""
    written = {f"/tekton/results/{name}": text for name, text in results.items()}
    engine = Engine(plan)
    for event in simulate(plan, lambda _: Behaviour(files=written)).events:
        engine.handle(event)
    return hand_over(engine.run, plan.hands_over, most_bytes)


def problem_of(words):
    """Return why a run with these words fails, which starts nothing."""
    run = simulate(take_over(group_plan(awaited("build"), user(), task("other")), words))
    assert run.started() == {}
    assert run.condition["status"] == "False"
    return run.condition["message"]


def awaited(name, *after, group="first"):
    return Task(name, after=after, left_out=LeftOut(ELSEWHERE, group=group))


def user(**fields):
    return task("use", after=("build",), result_sources=("build",), params=(Param("d", f"$({RESULT})"),), **fields)


def test_results_are_used_in_the_next_pod():
    word = ran(group_plan(WRITER, hands_over=("tasks.build", RESULT)), digest="sha256:$(params.x) é")
    assert word.isascii()
    assert " " not in word
    plan = take_over(group_plan(awaited("build"), user()), [word])
    assert plan.pipeline.tasks[0].left_out == LeftOut(
        ELSEWHERE, "in the group first", (Param("digest", "sha256:$(params.x) é"),), reused=True, group="first"
    )
    run = simulate(plan)
    assert run.started() == {"use-run": [0.0]}
    assert run.condition["status"] == "True"


def test_a_task_that_was_skipped_by_its_guard_takes_along_only_those_that_need_its_results():
    word = ran(group_plan(WRITER._replace(when=NEVER), hands_over=("tasks.build", RESULT)))
    after = task("after", after=("build",))
    run = simulate(take_over(group_plan(awaited("build"), user(), after), [word]))
    assert run.skipped() == {"build": "When Expressions evaluated to false", "use": "Results were missing"}
    assert run.started() == {"after-run": [0.0]}


def test_a_task_that_was_skipped_with_its_parent_takes_along_all_after_it():
    inner = task("middle", after=("build",), result_sources=("build",), params=(Param("d", f"$({RESULT})"),))
    word = ran(group_plan(WRITER._replace(when=NEVER), inner, hands_over=("tasks.middle",)))
    run = simulate(take_over(group_plan(awaited("middle"), task("last", after=("middle",))), [word]))
    assert run.skipped() == {"middle": "Results were missing", "last": "Parent Tasks were skipped"}
    assert run.started() == {}


def test_several_groups_hand_over():
    other = task("other", results=(ResultDeclaration("digest"),))
    words = [
        ran(group_plan(WRITER, hands_over=("tasks.build",))),
        ran(group_plan(other, hands_over=("tasks.other", "tasks.other.results.digest")), digest="1"),
    ]
    plan = take_over(group_plan(awaited("build"), awaited("other", group="second")), words)
    assert [each.left_out.results for each in plan.pipeline.tasks] == [(), (Param("digest", "1"),)]


def test_a_plan_that_awaits_nothing_stays_as_it_is():
    plan = group_plan(task("build"))
    assert take_over(plan, ["nonsense"]) is plan


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the group 'first' did not hand over its Task 'build'"),
        (["nonsense"], "'nonsense' is not what the Pod of a group hands over"),
        ([base64.b64encode(zlib.compress(json.dumps([1]).encode())).decode()], "is not what the Pod of a group hands"),
        ([base64.b64encode(zlib.compress(b"[" * 100_000)).decode()], "is not what the Pod of a group hands over"),
        (["too-long:5000/819"], "Results of 5000 bytes for this one, and its Pod can hand over 819"),
    ],
)
def test_wrong_words(words, message):
    assert message in problem_of(words)


def test_what_does_not_fit_a_termination_message_is_said_where_it_is_needed():
    plan = group_plan(WRITER, hands_over=("tasks.build", RESULT))
    assert len(ran(plan, digest="x" * 4096)) <= 4096
    digests = "".join(sha256(bytes([number])).hexdigest() for number in range(150))
    word = ran(plan, digest=digests)
    assert ran(plan, most_bytes=8192, digest=digests) != word
    assert "put the Tasks into one group" in problem_of([word])
