"""Labels and annotations of the Pod: their sources and their precedence."""

from __future__ import annotations

TASK = """\
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t, labels: {of-task: "1"}, annotations: {of-task: "1"}}
spec: {steps: [{name: s, image: i, script: x}]}
"""


def test_metadata_of_the_run_overrides_the_pipeline(compiled):
    compilation = compiled(
        """\
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {name: r, labels: {a: run}, annotations: {a: run}}
        spec: {pipelineRef: {name: p}}
        ---
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata:
          name: p
          labels: {a: pipeline, b: pipeline}
          annotations: {a: pipeline, b: pipeline, kubectl.kubernetes.io/last-applied-configuration: x}
        spec: {tasks: [{name: t, taskSpec: {steps: [{image: i, script: x}]}}]}
        """
    )
    metadata = compilation.pod["metadata"]
    assert {key: metadata["labels"].get(key) for key in "ab"} == {"a": "run", "b": "pipeline"}
    assert {key: metadata["annotations"].get(key) for key in "ab"} == {"a": "run", "b": "pipeline"}
    assert "kubectl.kubernetes.io/last-applied-configuration" not in metadata["annotations"]


def test_metadata_of_a_task_is_only_for_its_task_run(compiled):
    head = "apiVersion: tekton.dev/v1\nkind: {}\nmetadata: {{name: r}}\nspec: {}\n"
    task_run = compiled(head.format("TaskRun", "{taskRef: {name: t}}") + TASK)
    in_pipeline = compiled(
        head.format("PipelineRun", "{pipelineSpec: {tasks: [{name: a, taskRef: {name: t}}]}}") + TASK
    )
    for kind in ("labels", "annotations"):
        assert task_run.pod["metadata"][kind]["of-task"] == "1"
        assert "of-task" not in in_pipeline.pod["metadata"][kind]


def test_task_run_specs_metadata_is_on_the_pod(compiled):
    compilation = compiled("""\
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {name: r}
        spec:
          taskRunSpecs:
          - {pipelineTaskName: a, metadata: {labels: {team: x}, annotations: {sidecar.istio.io/inject: "false"}}}
          pipelineSpec:
            tasks:
            - name: a
              taskSpec:
                metadata: {labels: {team: other, tier: z}, annotations: {monopod.dev/max-concurrency: "1"}}
                steps: [{image: i, script: x}]
        """)
    metadata = compilation.pod["metadata"]
    assert metadata["labels"]["team"] == "x"
    assert metadata["labels"]["tier"] == "z"
    assert metadata["annotations"]["sidecar.istio.io/inject"] == "false"
    assert "monopod.dev/max-concurrency" not in metadata["annotations"]
    assert [str(warning) for warning in compilation.warnings] == [
        "p.yaml:11:35: warning: spec.pipelineSpec.tasks[0].taskSpec.metadata.labels.team: the run is one Pod, "
        "which has 'x' here; 'other' has no effect"
    ]
