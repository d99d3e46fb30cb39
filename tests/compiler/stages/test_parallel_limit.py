"""The limit on the TaskRuns that run at the same time."""

from __future__ import annotations

import pytest

from monopod.compiler.pod.assembly import plan_of

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: run, annotations: {{{of_run}}}}}
spec: {{pipelineRef: {{name: p}}}}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: p, annotations: {{{of_pipeline}}}}}
spec:
  tasks:
  - name: a
    matrix: {{params: [{{name: k, value: [u, v, w, x]}}]}}
    taskSpec:
      steps: [{{name: s, image: i, script: x, computeResources: {{requests: {{cpu: "1"}}}}}}]
"""


def limit(number: str) -> str:
    return f'monopod.dev/max-parallel: "{number}"'


@pytest.mark.parametrize(
    ("of_run", "of_pipeline", "option", "most"),
    [
        ("", "", None, None),
        ("", limit("3"), None, 3),
        (limit("2"), limit("3"), None, 2),
        (limit("2"), limit("3"), 1, 1),
    ],
)
def test_limit_comes_from_the_option_then_from_the_run_then_from_the_pipeline(
    compiled, of_run, of_pipeline, option, most
):
    pod = compiled(RUN.format(of_run=of_run, of_pipeline=of_pipeline), max_parallel=option).pod
    assert plan_of(pod).max_parallel == most


@pytest.mark.parametrize(("most", "cpu"), [(None, "1"), (3, "750m"), (1, "250m")])
def test_requests_are_for_so_many_tasks_at_the_same_time(compiled, most, cpu):
    compilation = compiled(RUN.format(of_run="", of_pipeline=""), max_parallel=most)
    steps = [each for each in compilation.pod["spec"]["containers"] if each["name"].startswith("a-")]
    assert [each["resources"]["requests"]["cpu"] for each in steps] == [cpu] * 4


@pytest.mark.parametrize("number", ["0", "-1", "many", "\u0663", "9" * 5000])
def test_wrong_limit_is_an_error_with_its_place(problems, number):
    assert problems(RUN.format(of_run="", of_pipeline=limit(number))) == [
        f"p.yaml:8:61: metadata.annotations.monopod.dev/max-parallel: expected a number, 1 or more, got '{number}'"
    ]
