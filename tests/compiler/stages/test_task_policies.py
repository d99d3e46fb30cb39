"""The annotations of a Task that say how it is retried, and when its matrix ends."""

from __future__ import annotations

import pytest

PIPELINE_RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: run}}
spec:
  pipelineSpec:
    tasks:
    - name: a
      retries: {retries}
      {task}
  taskRunSpecs:
  - {{pipelineTaskName: a, metadata: {{annotations: {{{of_run}}}}}}}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {{name: shared, annotations: {{{of_task}}}}}
spec: {{steps: [{{name: s, image: i, script: x}}]}}
"""
EMBEDDED = "taskSpec: {{metadata: {{annotations: {{{}}}}}, steps: [{{name: s, image: i, script: x}}]}}"
REFERRED = "taskRef: {name: shared}"


def delay(text: str) -> str:
    return f"monopod.dev/retry-delay: {text}"


def of(task: str, *, of_run: str = "", of_task: str = "", retries: int = 2) -> str:
    return PIPELINE_RUN.format(task=task, of_run=of_run, of_task=of_task, retries=retries)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (of(EMBEDDED.format(delay("30s"))), 30),
        (of(EMBEDDED.format(delay("30s")), of_run=delay("1m30s")), 90),
        (of(REFERRED, of_task=delay("1h")), 3600),
        (of(REFERRED, of_task=delay("1h"), of_run=delay('"0"')), 0),
        (of(REFERRED), 0),
        (of(REFERRED, of_task=delay("1h"), retries=0), 0),
    ],
)
def test_delay_comes_from_the_run_then_from_the_task(compiled, task_of, text, seconds):
    assert task_of(compiled(text), "a").retry_delay == seconds


def test_delay_of_a_task_run(compiled, task_of):
    compilation = compiled("""\
        apiVersion: tekton.dev/v1
        kind: TaskRun
        metadata: {name: run, annotations: {monopod.dev/retry-delay: 5s}}
        spec: {retries: 1, taskSpec: {steps: [{name: s, image: i, script: x}]}}
        """)
    assert task_of(compilation, "run").retry_delay == 5


def test_pod_does_not_get_the_annotations_of_its_tasks(compiled):
    pod = compiled(of(EMBEDDED.format(delay("30s")), of_run=delay("5s"))).pod
    assert "monopod.dev/retry-delay" not in pod["metadata"]["annotations"]


def test_invalid_delay_is_an_error_with_its_place(problems):
    text = of(EMBEDDED.format(delay("soon")))
    assert problems(text) == [
        "p.yaml:9:68: spec.pipelineSpec.tasks[0].taskSpec.metadata.annotations.monopod.dev/retry-delay: "
        '\'soon\' is not a duration; write it like "1h30m", "90s" or "0"'
    ]


def test_delay_without_retries_is_a_warning(compiled):
    warnings = [str(each) for each in compiled(of(EMBEDDED.format(delay("5s")), retries=0)).warnings]
    assert [each for each in warnings if "no retries" in each] == [
        "p.yaml:9:68: warning: spec.pipelineSpec.tasks[0].taskSpec.metadata.annotations.monopod.dev/retry-delay: "
        "the Task has no retries, so this has no effect"
    ]


MATRIX = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: p}}
spec:
  tasks:
  - name: a
    {matrix}
    taskSpec: {{metadata: {{annotations: {{{annotations}}}}}, steps: [{{name: s, image: i, script: x}}]}}
"""
OF_TWO = "matrix: {params: [{name: k, value: [u, v]}]}"


@pytest.mark.parametrize(
    ("annotations", "fail_fast", "completion"),
    [
        ("", False, "all"),
        ('monopod.dev/fail-fast: "true"', True, "all"),
        ('monopod.dev/fail-fast: "false", monopod.dev/completion: any', False, "any"),
        ('monopod.dev/fail-fast: "true", monopod.dev/completion: all', True, "all"),
    ],
)
def test_matrix_that_ends_early(compiled, task_of, annotations, fail_fast, completion):
    matrix = task_of(compiled(MATRIX.format(matrix=OF_TWO, annotations=annotations)), "a").matrix
    assert (matrix.fail_fast, matrix.completion) == (fail_fast, completion)


@pytest.mark.parametrize(
    ("annotations", "problem"),
    [
        ("monopod.dev/completion: some", "/completion: expected 'all' or 'any', got 'some'"),
        ("monopod.dev/fail-fast: 'yes'", "/fail-fast: expected 'true' or 'false', got 'yes'"),
        (
            "monopod.dev/fail-fast: 'true', monopod.dev/completion: any",
            "/fail-fast: cannot be combined with monopod.dev/completion: any, which continues after a failure; "
            "use one of the two",
        ),
    ],
)
def test_wrong_policy_of_a_matrix_is_an_error_with_its_place(problems, annotations, problem):
    (shown,) = problems(MATRIX.format(matrix=OF_TWO, annotations=annotations))
    assert shown.startswith("p.yaml:8:")
    assert shown.endswith(f"spec.tasks[0].taskSpec.metadata.annotations.monopod.dev{problem}")


def test_policy_of_a_matrix_without_a_matrix_is_a_warning(compiled):
    text = MATRIX.format(matrix="retries: 0", annotations="monopod.dev/completion: any")
    warnings = [str(each) for each in compiled(text).warnings]
    assert [each for each in warnings if "no matrix" in each] == [
        "p.yaml:8:65: warning: spec.tasks[0].taskSpec.metadata.annotations.monopod.dev/completion: "
        "the Task has no matrix, so this has no effect"
    ]
