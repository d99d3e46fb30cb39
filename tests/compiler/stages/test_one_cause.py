"""One cause, one error: references to something unknown because of a reported problem are not further errors."""
# ruff: noqa: E501  # documents and lines are complete, as users read them

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from monopod.compiler.advice.checking import check
from monopod.compiler.diagnostics import Position, Problem
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options

READERS = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: readers}
spec:
  results:
    - {name: sha, value: "$(tasks.broken.results.commit)"}
    - {name: last, value: "$(finally.last.results.x)"}
  workspaces: [{name: src}]
  tasks:
    - {name: broken, BROKEN}
    - name: build
      runAfter: [broken]
      displayName: $(tasks.broken.results.title)
      matrix: {params: [{name: l, value: "$(tasks.broken.results.list[*])"}]}
      when: [{input: $(tasks.broken.results.commit), operator: in, values: ["$(tasks.broken.results.list[*])"]}]
      params:
        - {name: text, value: $(tasks.broken.results.commit)}
        - {name: array, value: "$(tasks.broken.results.list[*])"}
        - {name: object, value: "$(tasks.broken.results.object[*])"}
        - {name: keys, value: {a: $(tasks.broken.results.object.a)}}
        - {name: element, value: "$(tasks.broken.results.list[7])"}
      taskSpec:
        params:
          - {name: text}
          - {name: array, type: array}
          - {name: object, type: object, properties: {a: {}}}
          - {name: keys, type: object, properties: {a: {}}}
        steps:
          - {name: s, image: "busybox:$(params.text)", args: ["$(params.array[*])", "$(params.array[3])", "$(params.object.a)"]}
          - {name: t, image: busybox, script: "echo $(params.text) $(params.keys.a) $(params.l) $(params.element)"}
  finally:
    - {name: last, BROKEN, params: [{name: s, value: "$(tasks.broken.status) $(tasks.broken.results.x)"}]}
"""

BROKEN = {
    "taskRef: {name: nope}": "there is no Task named 'nope' in the files; add its file with -f",
    "pipelineRef: {name: nope}": "there is no Pipeline named 'nope' in the files; add its file with -f",
    "taskRef: {resolver: git}": "the resolver git needs the param 'pathInRepo'",
    "taskRef: {resolver: hub, params: [{name: name, value: x}, {name: kind, value: $(params.nope)}]}": (
        "$(params.nope): there is no param 'nope'"
    ),
    "taskRef: {apiVersion: example.com/v1, kind: Wait, name: w}": "a custom task needs a controller of its own",
    "taskSpec: {apiVersion: example.com/v1, kind: Wait, spec: {}}": "a custom task needs a controller of its own",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_references_to_an_unknown_task_are_not_further_errors(problems, broken):
    found = problems(READERS.replace("BROKEN", broken))
    assert len(found) == 2, found
    assert found[0].startswith("p.yaml:10:")
    assert found[1].startswith("p.yaml:32:")
    assert all(BROKEN[broken] in line for line in found)


def test_wrong_param_of_an_unknown_task_is_a_separate_error(problems):
    broken = (
        "taskRef: {name: nope}, params: [{name: a, value: $(params.typo)}, {name: b, value: $(context.taskRun.name)}]"
    )
    text = READERS.replace("BROKEN", broken, 1).replace(
        "BROKEN", "taskSpec: {steps: [{image: i, script: x}], results: [{name: x}]}"
    )
    found = problems(text)
    assert [line.partition(": ")[2] for line in found] == [
        "spec.tasks[0].taskRef.name: there is no Task named 'nope' in the files; add its file with -f",
        "spec.tasks[0].params[0].value: $(params.typo): there is no param 'typo'",
    ]


def test_references_to_results_of_an_unknown_step_action_are_not_further_errors(problems):
    text = """\
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t}
        spec:
          params: [{name: p}]
          results: [{name: r, value: $(steps.act.results.q)}]
          stepTemplate: {image: scratch}
          steps:
            - {name: act, ref: {name: noact}, params: [{name: p, value: $(params.p)}]}
            - {name: a, image: i, args: [$(steps.act.results.q)], command: [x]}
            - {name: b, image: i, when: [{input: $(steps.act.results.z), operator: in, values: [x]}], script: "echo $(steps.act.results.q)"}
        """
    assert problems(text, params=(("p", "v"),)) == [
        "p.yaml:9:31: spec.steps[0].ref.name: there is no StepAction named 'noact' in the files; add its file with -f"
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "spec: the Task 't' needs the param 'tag'; give it with -p tag=…"),
        ("params: [{name: tag, value: $(params.tga)}], ", "$(params.tga): there is no param 'tga'"),
        (
            "params: [{name: tag, value: [a]}], ",
            "the param 'tag' of the Task 't' is of type string, but this value is of type array",
        ),
    ],
)
def test_param_with_a_wrong_value_is_one_error(problems, given, expected):
    text = f"""\
        apiVersion: tekton.dev/v1
        kind: TaskRun
        metadata: {{name: r}}
        spec: {{{given}taskRef: {{name: t}}}}
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {{name: t}}
        spec:
          params: [{{name: tag}}]
          volumes: [{{name: v, configMap: {{name: $(params.tag)}}}}]
          steps: [{{name: s, image: "x:$(params.tag)", script: "echo $(params.tag)"}}]
        """
    (line,) = problems(text)
    assert expected in line


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"params": (("obj", "x"),)}, "-p obj=x: expected an object"),
        ({"params": (("ojb", "k:v"),)}, "-p ojb=k:v: there is no param 'ojb' (did you mean 'obj'?)"),
        ({"params": (("obj", "k:v"),), "workspaces": (("src", "pvc"),)}, "-w src=pvc: expected ./DIRECTORY, emptyDir"),
        (
            {"params": (("obj", "k:v"),), "workspaces": (("scr", "emptyDir"),)},
            "-w scr=emptyDir: there is no Workspace 'scr'",
        ),
    ],
)
def test_wrong_option_is_not_reported_as_missing_too(problems, options, expected):
    text = """\
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {name: r}
        spec:
          pipelineSpec:
            params: [{name: obj, type: object, properties: {k: {}}}]
            workspaces: [{name: src}]
            tasks: [{name: a, taskSpec: {steps: [{image: i, script: "echo $(params.obj.k) $(workspaces.src.path)"}]}}]
          workspaces: WORKSPACES
        """
    bound = "[]" if "workspaces" in options else "[{name: src, emptyDir: {}}]"
    (line,) = problems(text.replace("WORKSPACES", bound), **options)
    assert line.startswith(expected)


def test_problems_are_sorted_by_severity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(
        textwrap.dedent("""\
            apiVersion: tekton.dev/v1
            kind: Pipeline
            metadata: {name: p}
            spec:
              params: [{name: unused, default: x}]
              tasks:
                - {name: a, taskSpec: {steps: [{image: "busybox:1", script: "echo $(params.typo)"}]}}
                - {name: b, taskRef: {resolver: git}}
            """)
    )
    problems = check(load(["p.yaml"]), Options()).problems
    order = ["error", "warning", "note"]
    assert [problem.severity for problem in problems] == sorted(
        (problem.severity for problem in problems), key=order.index
    )
    assert {problem.severity for problem in problems} == set(order)
    assert [problem.rule for problem in problems[:2]] == ["remote", "unknown-reference"]


def test_problems_of_one_severity_are_in_file_order():
    later, earlier = (Problem(Position("f", line), "m", "invalid") for line in (2, 1))
    assert sorted([later, earlier]) == [earlier, later]
