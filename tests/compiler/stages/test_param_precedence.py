"""The value that a Task sees, for every combination of sources of a param (Tekton docs/pipelineruns.md)."""
# ruff: noqa: E501

from __future__ import annotations

from itertools import product

import pytest

from monopod.schemas.variables import Scope, evaluate

PLACES = ("embedded", "run", "pipeline", "pipeline task", "task")
EVERY_WAY = [
    frozenset(name for name, there in zip(PLACES, each, strict=True) if there) for each in product((0, 1), repeat=5)
]


def expected(ways: frozenset[str]) -> str | None:
    """Return the value that takes precedence, None if there is none; written independently of the compiler."""
    order = ["pipeline task", *(["run", "pipeline"] if "embedded" in ways else []), "task"]
    return next((place for place in order if place in ways), None)


def text(ways: frozenset[str]) -> str:
    """Return a run whose sources set the param ``x`` to their own names."""
    task = f"{{params: [{{name: x{', default: task' if 'task' in ways else ''}}}], steps: [{{image: i, script: echo $(params.x)}}]}}"
    return f"""
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {{name: run}}
        spec:
          params: [{"{name: x, value: run}" if "run" in ways else ""}]
          pipelineRef: {{name: p}}
        ---
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {{name: p}}
        spec:
          params: [{"{name: x, default: pipeline}" if "pipeline" in ways else ""}]
          tasks:
          - name: a
            params: [{"{name: x, value: pipeline task}" if "pipeline task" in ways else ""}]
            {f"taskSpec: {task}" if "embedded" in ways else "taskRef: {name: t}"}
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {{name: t}}
        spec: {task}
        """


@pytest.mark.parametrize("ways", EVERY_WAY, ids=lambda ways: "+".join(sorted(ways)) or "none")
def test_value_seen_by_a_task(compiled, problems, task_of, ways):
    value = expected(ways)
    if value is None:
        name = "a" if "embedded" in ways else "t"
        assert [line.partition("]: ")[2] for line in problems(text(ways))] == [
            f"the Task '{name}' needs the param 'x'; give a value in params"
        ]
        return
    compilation = compiled(text(ways))
    outer = Scope({("params", param.name): param.value for param in compilation.plan.pipeline.params})
    params = {param.name: evaluate(param.value, outer) for param in task_of(compilation, "a").params}
    assert params["x"] == value
