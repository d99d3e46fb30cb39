"""How many combinations of a matrix run at the same time."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("holder", ["Pipeline", "Task"])
def test_limit_of_a_matrix_that_is_no_number_is_told_where_it_is_written(problems, holder):
    note = {"Pipeline": "{}", "Task": "{}", holder: '{monopod.dev/max-concurrency: "two"}'}
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
    assert problems(text) == [
        f"p.yaml:{line}:64: metadata.annotations.monopod.dev/max-concurrency: expected a number, 1 or more, got 'two'"
    ]


def test_limit_of_a_matrix_may_be_the_pipeline_s(compiled, task_of):
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
