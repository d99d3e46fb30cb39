"""The annotations of a Task that say how it is retried."""

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
