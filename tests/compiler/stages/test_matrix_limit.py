"""The limit of matrix combinations that run at the same time."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("number", ["two", "0", "\u0663", "9" * 5000])
@pytest.mark.parametrize("holder", ["Pipeline", "Task"])
def test_invalid_matrix_limit_is_reported_at_its_position(problems, holder, number):
    note = {"Pipeline": "{}", "Task": "{}", holder: f'{{monopod.dev/max-concurrency: "{number}"}}'}
    text = f"""\
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {{name: p, annotations: {note["Pipeline"]}}}
        spec: {{tasks: [{{name: t, taskRef: {{name: t}}, matrix: {{params: [{{name: a, value: [b, c]}}]}}}}]}}
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {{name: t, annotations: {note["Task"]}}}
        spec: {{params: [{{name: a}}], steps: [{{image: i, script: x}}]}}
        """
    line = {"Pipeline": 3, "Task": 8}[holder]
    where = f"p.yaml:{line}:64: metadata.annotations.monopod.dev/max-concurrency"
    assert problems(text) == [f"{where}: expected a number, 1 or more, got '{number}'"]


def test_matrix_limit_of_the_pipeline(compiled, task_of):
    compilation = compiled("""\
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p, annotations: {monopod.dev/max-concurrency: "2"}}
        spec:
          tasks:
          - name: t
            matrix: {params: [{name: a, value: [b, c, d]}]}
            taskSpec: {steps: [{image: i, script: x}]}
        """)
    assert len(task_of(compilation, "t").slots) == 2
