"""`--debug`, `--pause-on-failure` and `debug.breakpoints` of a TaskRun: which Steps the Plan holds."""

from __future__ import annotations

import pytest

from monopod.compiler.tasks.breakpoints import Breakpoints
from monopod.compiler.tasks.injected_steps import is_injected
from monopod.schemas.plan import runnable_tasks

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  tasks:
  - name: build
    taskSpec: {steps: [{name: compile, image: i, script: x}, {name: pack, image: i, script: x}]}
  - name: scan
    pipelineSpec: {tasks: [{name: codeql, taskSpec: {steps: [{name: run, image: i, script: x}]}}]}
"""
TASK_RUN = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: t}
spec:
  debug: {breakpoints: {onFailure: enabled, beforeSteps: [two, unnamed-2]}}
  taskSpec: {steps: [{name: one, image: i, script: x}, {name: two, image: i, script: x}, {image: i, script: x}]}
"""


def held(compilation, field="hold_before"):
    """Return the Steps that are held."""
    planned = runnable_tasks(compilation.plan.pipeline)
    return [f"{each.path}/{step.name}" for each in planned for step in each.task.steps if getattr(step, field)]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("build/pack", ["build/pack"]),
        ("build", ["build/compile", "build/pack"]),
        ("scan", ["scan/codeql/run"]),
        ("scan/codeql/run", ["scan/codeql/run"]),
        ("", ["build/compile", "build/pack", "scan/codeql/run"]),
    ],
)
def test_debug_holds_before_the_steps_that_it_names(compiled, target, expected):
    compilation = compiled(PIPELINE, breakpoints=Breakpoints((target,)))
    assert held(compilation) == expected
    assert held(compilation, "hold_on_failure") == []


def test_pause_on_failure_holds_each_step(compiled):
    compilation = compiled(PIPELINE, breakpoints=Breakpoints(on_failure=True))
    assert (held(compilation), len(held(compilation, "hold_on_failure"))) == ([], 3)


def test_breakpoints_of_a_task_run(compiled):
    compilation = compiled(TASK_RUN)
    assert held(compilation) == ["t/two", "t/unnamed-2"]
    assert held(compilation, "hold_on_failure") == ["t/one", "t/two", "t/unnamed-2"]


def test_steps_of_monopod_are_not_held(compiled):
    compilation = compiled(
        PIPELINE.replace("- name: build\n", "- name: build\n    workspaces: [{name: w, workspace: w}]\n")
        .replace("{steps: [{name: compile", "{workspaces: [{name: w}], steps: [{name: compile")
        .replace("  tasks:\n", "  workspaces: [{name: w}]\n  tasks:\n", 1),
        breakpoints=Breakpoints(("",), on_failure=True),
        views=(("build", "w", "merge"),),
        workspaces=(("w", "emptyDir"),),
    )
    steps = next(runnable_tasks(compilation.plan.pipeline)).task.steps
    assert sum(map(is_injected, steps)) == 2
    assert held(compilation)[:2] == ["build/compile", "build/pack"]
    assert not any(step.hold_on_failure for step in steps if is_injected(step))


def test_unknown_task_or_step_is_refused_with_a_suggestion(problems):
    assert problems(PIPELINE, breakpoints=Breakpoints(("build/pak",))) == [
        "--debug=build/pak: no Task or Step 'build/pak' (did you mean 'build/pack'?); write TASK or TASK/STEP"
    ]


def test_step_is_named_once(problems):
    wrong = TASK_RUN.replace("two, unnamed-2]", "two, two]")
    assert problems(wrong) == [
        "p.yaml:5:64: spec.debug.breakpoints.beforeSteps[1]: this Step is already at beforeSteps[0]"
    ]
