"""Text that looks like a reference is reported; the syntax of shells and programs is not."""
# ruff: noqa: E501  # documents are complete, as users write them

from __future__ import annotations

from pathlib import Path

import pytest

from monopod.compiler.advice.checking import check
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options

CASE = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {generateName: text-, annotations: {pipelinesascode.tekton.dev/on-event: "[push]"}}
spec:
  params: [{name: rev, value: "{{ revision }}"}, {name: sha, value: "${GITHUB_SHA}"}]
  workspaces: [{name: dockerconfig, emptyDir: {}}]
  pipelineSpec:
    params: [{name: rev}, {name: sha}]
    workspaces: [{name: docker-config, optional: true}]
    tasks:
      - name: push
        workspaces: [{name: docker-config}]
        params: [{name: rev, value: $(params.rev)}, {name: sha, value: "${params.sha}"}]
        taskSpec:
          params: [{name: rev}, {name: sha}]
          workspaces: [{name: docker-config, optional: true}]
          results: [{name: digest}]
          steps: [{name: s, image: "busybox:1.36", script: 'echo $(params.rev) $(params.sha) > $(result.digest.path); ls $(workspace.docker-config.path)'}]
"""
TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec:
  params: [{name: x, default: d}]
  workspaces: [{name: source}]
  results: [{name: digest}]
  steps: [{name: s, image: "busybox:1.36", FIELDS}]
"""


def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(text)
    return [str(problem) for problem in check(load(["p.yaml"]), Options()).problems]


def test_text_that_stays_is_reported_at_its_position(tmp_path, monkeypatch):
    lines = found(tmp_path, monkeypatch, CASE)
    warnings = [line.removeprefix("p.yaml:") for line in lines if "warning" in line and "substituted into" not in line]
    expected = [
        ("5:31", "{{ revision }} has no value: not a git repository (or any of the parent directories): .git; give it with -p 'revision=…'"),
        ("5:69", "${GITHUB_SHA} is left as text: monopod does not substitute variables of a shell or a CI system; give a value, with -p sha=… too"),
        ("6:23", "declares no Workspace 'dockerconfig', so this has no effect (did you mean 'docker-config'?)"),
        ("13:72", "${params.sha} is not a variable and is left as text (did you mean $(params.sha)?)"),
        ("18:60", "$(result.digest.path) is not a variable and is left as text (did you mean $(results.digest.path)?)"),
        ("18:60", "$(workspace.docker-config.path) is not a variable and is left as text (did you mean $(workspaces.docker-config.path)?)"),
    ]  # fmt: skip
    assert [line.partition(": ")[0] for line in warnings] == [place for place, _ in expected]
    assert all(line.endswith(text) for line, (_, text) in zip(warnings, expected, strict=True)), warnings


MISSPELT = {
    "script: echo $(param.x)": "$(params.x)",
    "script: echo $(Params.x)": "$(params.x)",
    "script: 'echo ${params.x}'": "$(params.x)",
    "script: echo $(result.digest.path)": "$(results.digest.path)",
    "script: ls $(workspace.source.path)": "$(workspaces.source.path)",
    "args: [$(parameters.x)], command: [x]": "$(params.x)",
    "args: [$(param.y)], command: [x]": "$(params.y)",
    "script: echo $(Context.taskRun.name)": "$(context.taskRun.name)",
}


@pytest.mark.parametrize("fields", MISSPELT)
def test_misspelt_reference_has_a_suggestion(tmp_path, monkeypatch, fields):
    lines = [line for line in found(tmp_path, monkeypatch, TASK.replace("FIELDS", fields)) if "left as text" in line]
    (line,) = lines
    assert line.endswith(f"(did you mean {MISSPELT[fields]}?)")


def test_context_in_the_wrong_case_has_a_suggestion(tmp_path, monkeypatch):
    lines = found(tmp_path, monkeypatch, TASK.replace("FIELDS", "script: echo $(context.taskrun.name)"))
    assert any("context.taskrun.name" in line and "did you mean 'taskRun'?" in line for line in lines)


def test_reference_in_a_probe_is_reported(tmp_path, monkeypatch):
    probe = "readinessProbe: {exec: {command: [test, -e, $(params.x), $(cat name)]}}"
    text = TASK.replace("FIELDS", "command: [x]") + f"  sidecars: [{{name: db, image: 'busybox:1.36', {probe}}}]\n"
    (line,) = (line for line in found(tmp_path, monkeypatch, text) if "left as text" in line)
    assert "sidecars[0].readinessProbe.exec.command[2]: $(params.x) is left as text: Tekton does not replace" in line


PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
  params: [{name: x, default: d}, {name: list, type: array, default: [a]}]
  tasks:
    - name: a
      FIELDS
      taskSpec:
        params: [{name: script, default: d}]
        steps: [{name: s, image: "busybox:1.36", script: "echo $(date) $(params.script)"}]
"""
REFUSED_BY_TEKTON = {
    'params: [{name: script, value: "echo $(date) $(date)"}]': ["$(date)"],
    'params: [{name: script, value: "$(a.b-c) $(d[0])"}]': ["$(a.b-c)", "$(d[0])"],
    'matrix: {params: [{name: script, value: ["$(a)", b]}]}': ["$(a)"],
    'matrix: {include: [{params: [{name: script, value: "$(a)"}]}]}': ["$(a)"],
    'when: [{input: "$(a)", operator: in, values: ["$(b)"]}]': ["$(a)", "$(b)"],
    'params: [{name: script, value: "$(git rev-parse HEAD) ${a} $(params.x) $((1+1)) $(parms.x) $(params.list[0])"}]': [],
}


@pytest.mark.parametrize("fields", REFUSED_BY_TEKTON)
def test_variable_that_tekton_refuses_in_a_pipeline_is_reported(tmp_path, monkeypatch, fields):
    lines = found(tmp_path, monkeypatch, PIPELINE.replace("FIELDS", fields))
    refused = [line.partition(" is not a variable; Tekton 1.14")[0] for line in lines if "refuse it here" in line]
    assert [line.rpartition(": ")[2] for line in refused] == REFUSED_BY_TEKTON[fields]


PLACEHOLDERS = [
    "script: 'echo {{ revision }}'",
    "script: 'echo ${{ github.sha }}'",
    "script: 'echo {{ .Values.image }}'",
    "args: ['{{ repo_url }}'], command: [x]",
    "command: [x], workingDir: '${CI_PROJECT_DIR}/src'",
    "command: [x], env: [{name: A, value: '${GITHUB_SHA}'}]",
    "command: [x], env: [{name: A, value: '<no value>'}]",
    "command: [x], env: [{name: A, value: '{{ version }}'}]",
    "command: [x], env: [{name: A, value: $CI_COMMIT_SHA}]",
]


@pytest.mark.parametrize("fields", PLACEHOLDERS)
def test_placeholder_is_reported_once(tmp_path, monkeypatch, fields):
    lines = found(tmp_path, monkeypatch, TASK.replace("FIELDS", fields))
    assert sum("is left as text" in line for line in lines) == 1, lines


LEGITIMATE = [
    "script: 'echo ${HOME} ${sha} $(date) $(git rev-parse HEAD) $(basename x.y) $PATH'",
    "script: 'x=$(param.sh) y=$(result.py) z=$(task.run x)'",
    "script: \"docker inspect --format '{{.Id}}' x; kubectl get -o go-template='{{range .items}}{{end}}'\"",
    'script: "#!/usr/bin/env node\\nconsole.log(`${params.x}`)"',
    "args: [-c, 'echo ${SHA} $SHA'], command: [sh]",
    "args: ['--format', '{{.Name}}'], command: [docker]",
    "command: [x], env: [{name: PATH, value: '${HOME}/bin:$PATH'}, {name: F, value: '{{.Id}}'}]",
    "command: [x], env: [{name: OPTS, value: 'a ${b} c'}]",
    "script: echo $(params.x) $(results.digest.path) $(workspaces.source.path) $(context.taskRun.name)",
]


@pytest.mark.parametrize("fields", LEGITIMATE)
def test_shell_and_program_syntax_is_not_reported(tmp_path, monkeypatch, fields):
    lines = found(tmp_path, monkeypatch, TASK.replace("FIELDS", fields))
    assert not [line for line in lines if "left as text" in line]


def test_workspaces_used_by_embedded_tasks_are_declared(tmp_path, monkeypatch):
    run = CASE.replace("name: dockerconfig", "name: docker-config")
    assert not [line for line in found(tmp_path, monkeypatch, run) if "declares no Workspace" in line]
    used = (
        CASE.replace("workspaces: [{name: docker-config, optional: true}]\n    tasks", "tasks")
        .replace("        workspaces: [{name: docker-config}]\n", "")
        .replace("name: dockerconfig", "name: docker-config")
    )
    assert not [line for line in found(tmp_path, monkeypatch, used) if "declares no Workspace" in line]
