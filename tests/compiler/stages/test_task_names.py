"""The Task that a PipelineTask refers to."""

from __future__ import annotations


def test_task_name_may_be_a_param_of_the_run(compiled, problems, task_of):
    text = """\
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {{name: p}}
        spec:
          params: [{{name: which, default: unit}}]
          tasks: [{{name: a, taskRef: {{name: "{0}-tests"}}}}]
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {{name: unit-tests}}
        spec: {{steps: [{{image: i, script: x}}]}}
        """
    assert task_of(compiled(text.format("$(params.which)")), "a").task_name == "unit-tests"
    assert problems(text.format("$(context.pipelineRun.uid)")) == [
        "p.yaml:6:37: spec.tasks[0].taskRef.name: $(context.pipelineRun.uid) is known only while running, but this is "
        "part of the Pod, which is made before; use a param of the run, or a fixed value",
        "p.yaml:6:37: spec.tasks[0].taskRef.name: there is no Task named '$(context.pipelineRun.uid)-tests' in the "
        "files; add its file with -f",
    ]
