"""The annotation that says how long a container may take to start."""

from __future__ import annotations

import io

import pytest

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.pod.workload import MAX_SECONDS

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r, annotations: {%s}}
spec: {pipelineRef: {name: p}, timeouts: {pipeline: 1h}}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p, annotations: {monopod.dev/start-timeout: 30m}}
spec: {tasks: [{name: t, taskSpec: {steps: [{name: s, image: busybox, command: ["true"]}]}}]}
"""


@pytest.mark.parametrize(
    ("annotation", "seconds", "deadline"),
    [
        ("", 1800.0, 3600 + 1800 + 120),
        ("monopod.dev/start-timeout: 5m", 300.0, 3600 + 300 + 120),
        ("monopod.dev/start-timeout: '0'", float(MAX_SECONDS), None),
    ],
)
def test_the_run_takes_precedence_over_its_pipeline(annotation: str, seconds: float, deadline: int | None):
    (compilation,) = compile_runs(load(["-"], io.BytesIO((RUN % annotation).encode())), Options())
    assert compilation.plan.container_start_timeout == seconds
    assert compilation.pod["spec"].get("activeDeadlineSeconds") == deadline


def test_another_text_is_refused_at_its_place():
    with pytest.raises(Problems) as raised:
        compile_runs(load(["-"], io.BytesIO((RUN % "monopod.dev/start-timeout: soon").encode())), Options())
    (problem,) = raised.value.problems
    assert str(problem).startswith("<stdin>:3:62: metadata.annotations.monopod.dev/start-timeout: 'soon' is not a dura")
