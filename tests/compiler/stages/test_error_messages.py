"""Each mistake has one first line that says what is wrong and what to write instead."""
# ruff: noqa: E501  # documents and lines are complete, as users read them

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from monopod.compiler.advice.checking import check
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.tasks.cel_syntax import syntax_error

TASK = "taskSpec: {results: [{name: r}], steps: [{image: i, script: x}]}"
PIPELINE = "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  "

IN_PIPELINES = {
    "a number and a bare y in an array": (
        "tasks: [{name: a, params: [{name: ports, value: [8080, y]}], taskSpec: {params: [{name: ports, type: array}], steps: [{image: i, script: x}]}}]",
        "5:51: spec.tasks[0].params[0].value: the param 'ports' of the Task 'a' is of type array, but 8080 and true are "
        "not strings (YAML reads a bare y, yes or on as true, and n, no or off as false); write them in quotes",
    ),
    "a number in an object": (
        "tasks: [{name: a, params: [{name: o, value: {k: 1.5}}], taskSpec: {params: [{name: o, type: object, properties: {k: {}}}], steps: [{image: i, script: x}]}}]",
        "5:47: spec.tasks[0].params[0].value: the param 'o' of the Task 'a' is of type object, but 1.5 is not a string; write it in quotes",
    ),
    "a number in a matrix": (
        "tasks: [{name: a, matrix: {params: [{name: go, value: [1.21, 1.22]}]}, taskSpec: {params: [{name: go}], steps: [{image: i, script: x}]}}]",
        "5:57: spec.tasks[0].matrix.params[0].value: a matrix needs an array of strings, but 1.21 and 1.22 are not strings; write them in quotes",
    ),
    "a number in the default of an array": (
        "params: [{name: a, type: array, default: [1]}]\n  tasks: [{name: a, TASK}]",
        "5:44: spec.params[0].default: in the default, 1 is not a string; write it in quotes",
    ),
    "a bare on": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, args: [on]}]}}]",
        "5:69: spec.tasks[0].taskSpec.steps[0].args[0]: expected a string, got on, which YAML reads as a boolean (true); write it in quotes",
    ),
    "a number with an underscore": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, args: [1_000]}]}}]",
        "5:69: spec.tasks[0].taskSpec.steps[0].args[0]: expected a string, got 1_000, which YAML reads as a number (1000); write it in quotes",
    ),
    "a number that keeps its spelling": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, args: [8080]}]}}]",
        "5:69: spec.tasks[0].taskSpec.steps[0].args[0]: expected a string, got a number (8080); write it in quotes",
    ),
    "null": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, args: [null]}]}}]",
        '5:69: spec.tasks[0].taskSpec.steps[0].args[0]: expected a string, got nothing; write "" for an empty string',
    ),
    "a finally Task that reads another": (
        f"tasks: [{{name: a, {TASK}}}]\n  finally: [{{name: f, {TASK}}}, {{name: g, displayName: $(tasks.f.results.r), {TASK}}}]",
        "'f' is a finally Task too: they start together, so that none can use the Results or the status of another; make it one of the tasks, or read them in one finally Task",
    ),
    "runAfter a finally Task": (
        f"tasks: [{{name: a, runAfter: [f], {TASK}}}]\n  finally: [{{name: f, {TASK}}}]",
        "spec.tasks[0].runAfter[0]: 'f' is a finally Task, which starts after all the tasks: none can run after it",
    ),
    "a Task without Results": (
        f"tasks: [{{name: a, taskSpec: {{steps: [{{image: i, script: x}}]}}}}, {{name: b, displayName: $(tasks.a.results.q), {TASK}}}]",
        "$(tasks.a.results.q): the Task 'a' has no Result 'q'",
    ),
    "a misspelt field instead of a required field": (
        "tasks: [{name: a, taskSpec: {step: [{image: i, script: x}]}}]",
        "5:32: spec.tasks[0].taskSpec.step: unknown field (did you mean 'steps'?)",
    ),
    "a misspelt taskRef": (
        "tasks: [{name: a, taskReff: {name: x}}]",
        "5:21: spec.tasks[0].taskReff: unknown field (did you mean 'taskRef'?)",
    ),
    "CEL that ends too early": (
        f"tasks: [{{name: a, when: [{{cel: \"'a' == \"}}], {TASK}}}]",
        "5:34: spec.tasks[0].when[0].cel: this CEL expression does not parse, at column 8: it ends too early",
    ),
}


@pytest.mark.parametrize("case", IN_PIPELINES)
def test_mistake_in_a_pipeline_has_one_line(problems, case):
    spec, expected = IN_PIPELINES[case]
    (line,) = problems(PIPELINE + spec.replace("TASK", TASK))
    assert line.removeprefix("p.yaml:").startswith(expected) or line.endswith(expected), line


IN_STEPS = {
    "echo $(steps.pick.results.version)": "$(steps.pick.results.version): the Step 'pick' declares no Result 'version'",
    "echo $(steps.made.results.q)": "$(steps.made.results.q): the Step 'made' has no Result 'q'",
    "echo $(steps.use.results.q)": "$(steps.use.results.q): a Step cannot use its own Results; the file is $(step.results.q.path)",
    "echo $(steps.last.results.q)": "$(steps.last.results.q): the Step 'last' comes later; a Step can use the Results of Steps before it only",
    "echo $(steps.none.results.q)": "$(steps.none.results.q): there is no earlier Step 'none'",
}


@pytest.mark.parametrize("script", IN_STEPS)
def test_mistake_in_a_step_reference_has_one_line(problems, script):
    text = f"""\
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {{name: t}}
        spec:
          steps:
            - {{name: pick, image: i, script: x}}
            - {{name: made, image: i, results: [{{name: r}}], script: x}}
            - {{name: use, image: i, results: [{{name: q}}], script: "{script}"}}
            - {{name: last, image: i, results: [{{name: q}}], script: x}}
        """
    (line,) = problems(text)
    assert line.endswith(IN_STEPS[script]), line


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'a' == ", "column 8: it ends too early"),
        ("'a' = 'b'", "column 5: CEL has no '='; write =="),
        ("('a' == 'b'", "column 12: missing ')' at its end"),
        ("'a' == 'b')", "column 11: unexpected ')'"),
        ("'a' == 'b' or true", "column 12: CEL has no 'or'; write ||"),
        ("not true", "column 5: CEL has no 'not'; write !"),
        ("'a' == 'b", "column 8: a text without its closing quote"),
        ("'$(params.x)' == ", "column 18: it ends too early"),
        ("true &&\n  false ||", "line 2, column 11: it ends too early"),
    ],
)
def test_cel_syntax_error_has_its_column(expression, expected):
    assert syntax_error(expression) == f"this CEL expression does not parse, at {expected}"


@pytest.mark.parametrize(
    "expression",
    [
        "'$(params.x)' in ['a', 'b'] && size('c') > 0",
        "$(tasks.a.results.count) > 3",
        "'a' $(params.operator) 'b'",
        "$(params.expression)",
        "'it\\'s' == \"it's\"",
        "(" * 5000,
        "",
    ],
)
def test_cel_that_can_parse_is_accepted(expression):
    assert syntax_error(expression) is None


def test_unquoted_reference_in_cel_is_a_warning(tmp_path, monkeypatch):
    when = [
        "$(params.n) > 2",
        "'$(params.n)' == '3' && $(params.n) > 2",
        "int('$(params.n)') > 2",
        "'it\\'s $(params.n)' == \"$(params.n)\"",
    ]
    tasks = "".join(
        f"    - {{name: t{index}, when: [{{cel: {json.dumps(cel)}}}], {TASK}}}\n" for index, cel in enumerate(when)
    )
    text = f'{PIPELINE}params: [{{name: n_, default: "3"}}]\n  tasks:\n{tasks}'.replace("params.n)", "params.n_)")
    lines = [line for line in first_line(tmp_path, monkeypatch, text) if ".cel: " in line]
    message = "$(params.n_) is outside of quotes, which Tekton refuses in CEL; write '$(params.n_)', or int('$(params.n_)') for a number"
    assert lines == [
        f"p.yaml:7:31: warning: spec.tasks[0].when[0].cel: {message}",
        f"p.yaml:8:31: warning: spec.tasks[1].when[0].cel: {message}",
    ]


def first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(textwrap.dedent(text))
    try:
        return [str(problem) for problem in check(load(["p.yaml"]), Options(runtime_image="with-cel:1")).problems]
    except Problems as error:
        return [str(problem) for problem in error.problems]


RUN = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: r}\nspec: "
REMOVED = {
    PIPELINE
    + "tasks: [{name: a, taskRef: {name: x, bundle: b}}]": "taskRef.bundle: unknown field; Tekton removed bundle; use resolver: bundles",
    PIPELINE
    + f"tasks: [{{name: a, conditions: [], {TASK}}}]": "conditions: unknown field; Tekton removed Conditions; guard the Task with when",
    PIPELINE
    + f"tasks: [{{name: a, whenExpressions: [], {TASK}}}]": "whenExpressions: unknown field; it is called when",
    PIPELINE
    + f"tasks: [{{name: a, resources: {{}}, {TASK}}}]": "spec.tasks[0].resources: unknown field; Tekton removed PipelineResources; use params",
    PIPELINE
    + "tasks: [{name: a, taskSpec: {timeout: 1m, steps: [{image: i, script: x}]}}]": "taskSpec.timeout: unknown field; a Task has no timeout",
    PIPELINE
    + "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, resources: {}}]}}]": "resources: unknown field; it is called computeResources",
    RUN + "{pipelineRef: {name: p}, timeout: 1h}": "spec.timeout: unknown field; write timeouts.pipeline",
    RUN
    + "{pipelineRef: {name: p}, serviceAccountName: x}": "spec.serviceAccountName: unknown field; write taskRunTemplate.serviceAccountName",
    "apiVersion: tekton.dev/v1alpha1\nkind: PipelineResource\nmetadata: {name: r}\n": "Tekton has no PipelineResource any more; use params",
    "apiVersion: tekton.dev/v1alpha1\nkind: Condition\nmetadata: {name: r}\n": "Tekton has no Condition any more; use `when`",
}


@pytest.mark.parametrize("text", REMOVED)
def test_removed_fields_are_reported_with_their_replacement(tmp_path, monkeypatch, text):
    (line,) = first_line(tmp_path, monkeypatch, text)
    assert REMOVED[text] in line


MISSPELT = {
    "apiVersion: tekon.dev/v1\nkind: Task\n": "1:13: apiVersion: expected tekton.dev/v1 for the kind Task, got 'tekon.dev/v1' (did you mean 'tekton.dev/v1'?)",
    "apiVersion: tekton.dev/v2\nkind: Task\n": "1:13: apiVersion: 'tekton.dev/v2' is not supported for the kind Task; supported: tekton.dev/v1, tekton.dev/v1beta1 (did you mean 'tekton.dev/v1'?)",
    "apiVersion: tekton.io/v1\nkind: Tsk\n": "1:13: apiVersion: expected tekton.dev/v1 for the kind Tsk",
    "apiVersion: v1\nkind: Secrt\n": "2:7: kind: Kubernetes has no kind 'Secrt' in v1 (did you mean 'Secret'?)",
    "apiVersion: tekton.dev/v1\nkind: Pipline\n": "2:7: kind: unknown kind 'Pipline' (did you mean 'Pipeline'?)",
}


@pytest.mark.parametrize("text", MISSPELT)
def test_misspelt_api_version_or_kind_has_a_suggestion(tmp_path, monkeypatch, text):
    (line,) = first_line(tmp_path, monkeypatch, text + "metadata: {name: t}\nspec: {steps: [{image: i, script: x}]}\n")
    assert line.removeprefix("p.yaml:").startswith(MISSPELT[text])


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: triggers.tekton.dev/v1beta1\nkind: TriggerBinding\n",
        "apiVersion: kestra.example/v1\nkind: Task\n",
        "apiVersion: v1\nkind: Service\n",
    ],
)
def test_other_kinds_are_passed_on(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(text + "metadata: {name: t}\n")
    assert len(load(["p.yaml"]).others()) == 1


FOREIGN = {
    "on: push\njobs:\n  build: {runs-on: ubuntu-latest, steps: [{run: make}]}\n": " this is a GitHub workflow;",
    "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: x}\n": "1:1: this is an Argo CronWorkflow;",
    "stages: [build]\nbuild:\n  script: [make]\n": " this is a GitLab CI file;",
    "services:\n  db: {image: postgres}\n": " this is a docker-compose file;",
    "version: 2.1\njobs:\n  a: {docker: [{image: x}]}\n": " this is a CircleCI file;",
    "trigger: [main]\npool: {vmImage: x}\nsteps: [{script: make}]\n": " this is an Azure Pipelines file;",
    "kind: pipeline\ntype: docker\nsteps: [{name: a, image: go}]\n": " this is a Drone CI file;",
    "pipelines:\n  default: [{step: {script: [make]}}]\n": " this is a Bitbucket Pipelines file;",
    "pipeline {\n  agent any\n  stages { stage('a') { steps { sh 'make' } } }\n}\n": " this is a Jenkinsfile;",
    "- {op: replace, path: /spec/tasks/0, value: {name: x}}\n": " this is a JSON patch; run kustomize build",
    "resources: [a.yaml, b.yaml]\n": " this is a kustomization;",
    "apiVersion: triggers.tekton.dev/v1beta1\nkind: EventListener\nmetadata: {name: x}\n": (
        "1:1: this is an EventListener of Tekton Triggers, which monopod does not run; give the "
        "TriggerTemplate, or a PipelineRun"
    ),
    "apiVersion: v2\nname: chart\nversion: 0.1.0\n": " this is a file of a Helm chart;",
    "apiVersion: tekton.dev/v1\nkind: Task\nmetadata:\n  name: {{ .Values.name }}\n": "4:9: this is a template of a Helm chart;",
    "apiVersion: tekton.dev/v1\nspec:\n  {{- if .Values.x }}\n  steps: []\n  {{- end }}\n": "3:3: this is a template of a Helm chart;",
}


def test_custom_task_without_a_name_is_refused(tmp_path, monkeypatch):
    spec = "tasks: [{name: a, taskRef: {apiVersion: example.com/v1, kind: Wait}}]\n"
    (line,) = [line for line in first_line(tmp_path, monkeypatch, PIPELINE + spec) if ": note: " not in line]
    assert line.startswith(
        "p.yaml:5:30: spec.tasks[0].taskRef: a custom task needs a controller of its own in a cluster"
    )


MISSPELT_FIELDS = {
    "a name where a reference should be": (
        "tasks: [{name: a, taskRef: build}]",
        "5:30: spec.tasks[0].taskRef: expected a mapping, got 'build'; write {name: build}",
    ),
    "one name where a list should be": (
        "tasks: [{name: a, TASK}, {name: b, runAfter: a, TASK}]",
        "5:108: spec.tasks[1].runAfter: expected a list of strings, got 'a'; write [a]",
    ),
    "a command line where a list should be": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, command: make test}]}}]",
        "5:60: spec.tasks[0].taskSpec.steps[0].command: expected a list of strings, got 'make test'; write a list, one item for each word",
    ),
    "a mapping where a list should be": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, env: {A: b}}]}}]",
        "5:67: spec.tasks[0].taskSpec.steps[0].env: expected a list, got a mapping; begin each item with -",
    ),
    "a required field is suggested before a more similar field": (
        "tasks: [{name: a, taskSpec: {steps: [{image: i, script: x, volumeMounts: [{name: v, path: /v}]}]}}]",
        "5:87: spec.tasks[0].taskSpec.steps[0].volumeMounts[0].path: unknown field (did you mean 'mountPath'?)",
    ),
    "the image of a Step": (
        "tasks: [{name: a, taskSpec: {steps: [{name: s, img: i, script: x}]}}]",
        "5:50: spec.tasks[0].taskSpec.steps[0].img: unknown field (did you mean 'image'?)",
    ),
    "the Steps of a Task": (
        "tasks: [{name: a, taskSpec: {stps: [{name: s, image: i, script: x}]}}]",
        "5:32: spec.tasks[0].taskSpec.stps: unknown field (did you mean 'steps'?)",
    ),
    "a value where a param is declared": (
        "params: [{name: p, value: x}]\n  tasks: [{name: a, TASK}]",
        "5:22: spec.params[0].value: unknown field; a param that is declared has a default; its value is given by what uses it",
    ),
    "a default where a param is given": (
        "tasks: [{name: a, params: [{name: p, default: x, value: y}], TASK}]",
        "5:40: spec.tasks[0].params[0].default: unknown field; a param that is given has a value; its default is where it is declared",
    ),
}


@pytest.mark.parametrize("case", MISSPELT_FIELDS)
def test_misspelt_field_is_not_reported_as_missing_too(tmp_path, monkeypatch, case):
    spec, line = MISSPELT_FIELDS[case]
    assert first_line(tmp_path, monkeypatch, PIPELINE + spec.replace("TASK", TASK) + "\n") == [f"p.yaml:{line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("apiversion: tekton.dev/v1\nkind: Task\n", "1:1: apiversion: unknown field (did you mean 'apiVersion'?)"),
        ("apiVersion: tekton.dev/v1\nKind: Task\n", "2:1: Kind: unknown field (did you mean 'kind'?)"),
        ("kind: Task\n", "1:1: the field 'apiVersion' is required"),
    ],
)
def test_misspelt_api_version_or_kind_of_an_object(tmp_path, monkeypatch, text, line):
    document = text + "metadata: {name: t}\nspec: {steps: [{image: i, script: x}]}\n"
    assert first_line(tmp_path, monkeypatch, document) == [f"p.yaml:{line}"]


def test_include_that_only_names_combinations_has_an_effect(tmp_path, monkeypatch):
    include = "include: [{name: old, params: [{name: go, value: a}]}, {params: [{name: go, value: b}]}]"
    spec = f"tasks: [{{name: a, matrix: {{params: [{{name: go, value: [a, b]}}], {include}}}, {TASK}}}]\n"
    spec = spec.replace("{results:", "{params: [{name: go}], results:")
    lines = [line for line in first_line(tmp_path, monkeypatch, PIPELINE + spec) if "[1]: no combination lacks" in line]
    found = [line for line in first_line(tmp_path, monkeypatch, PIPELINE + spec) if "it has no effect" in line]
    assert len(lines) == 1
    assert found == lines


PLACEHOLDERS = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: r}
spec:
  workspaces: [{name: a, secret: {secretName: "{{ git_auth_secret }}"}}, {name: b, persistentVolumeClaim: {claimName: "${CLAIM}"}}]
  taskSpec:
    workspaces: [{name: a}, {name: b}]
    steps: [{name: s, image: "{{ .Values.image }}", script: "ls $(workspaces.a.path) $(workspaces.b.path)"}]
"""


def test_placeholder_in_a_name_is_the_only_problem(tmp_path, monkeypatch):
    lines = [line for line in first_line(tmp_path, monkeypatch, PLACEHOLDERS) if ": note: " not in line]
    advice = "; write a value, or render the file first"
    assert lines == [
        f"p.yaml:5:47: spec.workspaces[0].secret.secretName: '{{{{ git_auth_secret }}}}' is not a valid name: monopod does not substitute {{{{ git_auth_secret }}}}{advice}",
        f"p.yaml:5:119: spec.workspaces[1].persistentVolumeClaim.claimName: '${{CLAIM}}' is not a valid name: monopod does not substitute ${{CLAIM}}{advice}",
        f"p.yaml:8:30: spec.taskSpec.steps[0].image: '{{{{ .Values.image }}}}' is not the name of an image; monopod does not substitute {{{{ .Values.image }}}}{advice}",
    ]


@pytest.mark.parametrize("text", FOREIGN)
def test_file_of_another_system_is_recognised(tmp_path, monkeypatch, text):
    (line,) = first_line(tmp_path, monkeypatch, text)
    assert line.removeprefix("p.yaml:").startswith(FOREIGN[text])


def test_a_url_is_answered_with_how_to_read_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problems) as raised:
        load(["https://example.com/p.yaml"])
    (problem,) = raised.value.problems
    assert "this is a URL, and only files are read; curl -fsSL 'https://example.com/p.yaml' | monopod" in str(problem)


UNUSED = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec: {tasks: [{name: a, taskRef: {name: used}}]}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: used}
spec: {steps: [{name: s, ref: {name: action}}]}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: lost}
spec: {steps: [{image: i, script: x}]}
---
apiVersion: tekton.dev/v1
kind: StepAction
metadata: {name: action}
spec: {image: i, script: x}
---
apiVersion: tekton.dev/v1
kind: StepAction
metadata: {name: loose}
spec: {image: i, script: x}
"""


def unused(lines: list[str]) -> list[str]:
    return [line.partition("unused document: ")[2] for line in lines if "unused document" in line]


def test_unreferenced_document_is_reported(tmp_path, monkeypatch):
    found = unused(first_line(tmp_path, monkeypatch, UNUSED))
    assert found == [
        "Task 'lost' is not referenced by any Pipeline or run",
        "StepAction 'loose' is not referenced by any Step",
    ]
    run = "---\napiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {name: r}\nspec: {taskRef: {name: lost}}\n"
    found = unused(first_line(tmp_path, monkeypatch, UNUSED + run))
    assert found == ["Pipeline 'p' is not referenced by any run", "StepAction 'loose' is not referenced by any Step"]


def test_tasks_are_not_unused_beside_a_reference_with_a_variable(tmp_path, monkeypatch):
    text = UNUSED.replace("spec: {tasks: [", "spec: {params: [{name: x, default: lost}], tasks: [")
    text = text.replace("taskRef: {name: used}}", "taskRef: {name: $(params.x)}}")
    assert unused(first_line(tmp_path, monkeypatch, text)) == ["StepAction 'loose' is not referenced by any Step"]


def test_definitions_used_by_a_trigger_are_not_unused(tmp_path, monkeypatch):
    trigger = (
        "---\napiVersion: triggers.tekton.dev/v1beta1\nkind: Trigger\nmetadata: {name: t}\n"
        "spec: {template: {spec: {resourcetemplates: [{spec: {taskRef: {name: lost}}}]}}}\n"
    )
    assert unused(first_line(tmp_path, monkeypatch, UNUSED + trigger)) == [
        "StepAction 'loose' is not referenced by any Step"
    ]
    documents = UNUSED.split("---\n")
    assert unused(first_line(tmp_path, monkeypatch, "---\n".join(documents[1:4]))) == []
