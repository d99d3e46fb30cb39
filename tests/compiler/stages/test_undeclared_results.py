"""Undeclared Results of Steps that are written by path."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec:
  steps:
  - {name: a, image: i, script: 'echo x > /tekton/steps/step-%s/results/%s'%s}
  - {name: b, image: i, command: [echo, $(steps.a.results.now)]}
"""


def test_result_written_by_path_counts_as_declared(compiled, problems):
    text = TASK % ("a", "now", "")
    (task,) = compiled(text).plan.pipeline.tasks
    assert [(each.name, each.type) for each in task.steps[0].results] == [("now", "string")]
    assert problems(text) == [
        "p.yaml:6:5: warning: spec.steps[0]: the Step writes the Result 'now', which is used, and does not declare it; add it to results"
    ]


@pytest.mark.parametrize(("step", "result"), [("a", "later"), ("b", "now")])
def test_result_that_the_step_does_not_mention_is_an_error(problems, step, result):
    (problem,) = problems(TASK % (step, result, ""))
    assert "$(steps.a.results.now): the Step 'a' declares no Result 'now'" in problem


def test_declared_and_unused_results_are_not_changed(compiled):
    declared = compiled(
        (TASK % ("a", "now", ", results: [{name: now, type: array}]")).replace(
            "$(steps.a.results.now)", "'$(steps.a.results.now[*])'"
        )
    )
    assert [(each.name, each.type) for each in declared.plan.pipeline.tasks[0].steps[0].results] == [("now", "array")]
    unused = compiled((TASK % ("a", "now", "")).replace("$(steps.a.results.now)", "x"))
    assert unused.plan.pipeline.tasks[0].steps[0].results == ()
