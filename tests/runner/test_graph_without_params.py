"""`monopod graph` does not need the values of params."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monopod.runner.command_line import main

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  params:
    - {name: tag}
    - {name: versions, type: array}
    - {name: o, type: object, properties: {k: {}}}
    - {name: e, enum: [a, b]}
  tasks:
    - name: a
      matrix: {params: [{name: go, value: "$(params.versions[*])"}]}
      taskSpec: {params: [{name: go}], steps: [{image: "go:$(params.go)", script: "echo $(params.o.k)"}]}
    - name: b
      runAfter: [a]
      when: [{input: $(params.e), operator: in, values: [a]}]
      params: [{name: e, value: $(params.e)}]
      taskSpec:
        params: [{name: e, enum: [a, b]}]
        volumes: [{name: v, secret: {secretName: $(params.tag)}}]
        steps: [{image: "x:$(params.tag)", script: "echo $(params.e)"}]
"""
RUN = """\
---
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: r}
spec: {pipelineRef: {name: ci}}
"""


def graph(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    Path("p.yaml").write_text(text)
    monkeypatch.setattr(sys, "argv", ["monopod", "graph", "-f", "p.yaml", "--format", "mermaid"])
    code = main()
    output, errors = capsys.readouterr()
    return code, output, errors


@pytest.mark.parametrize("more", ["", RUN], ids=["a Pipeline", "a run"])
def test_graph_is_drawn_without_the_values_of_params(tmp_path, monkeypatch, capsys, more):
    monkeypatch.chdir(tmp_path)
    code, output, errors = graph(PIPELINE + more, monkeypatch, capsys)
    assert (code, errors) == (0, "")
    assert "pt0 --> pt1" in output


def test_reference_to_a_param_without_a_value_names_its_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    remote = "taskRef: {resolver: git, params: [{name: url, value: 'https://git.invalid/$(params.tag)'}]}"
    text = PIPELINE.partition("    - name: a\n")[0] + f"    - {{name: a, {remote}}}\n"
    code, _, errors = graph(text, monkeypatch, capsys)
    assert code == 2
    assert errors.splitlines()[0].endswith(
        "$(params.tag) has no value, so what this means is not known; give it with -p tag=…"
    )
