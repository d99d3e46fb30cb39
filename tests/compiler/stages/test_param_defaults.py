"""Defaults that refer to a param outside of an embedded spec, and unused defaults (docs/pipelineruns.md)."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

from monopod.schemas.variables import Scope, evaluate

PIPELINE_PARAMS = """\
  params:
  - {name: text, default: from-the-pipeline}
  - {name: list, type: array, default: [a, b]}
  - {name: object, type: object, properties: {k: {}, l: {}}, default: {k: "1", l: "2"}}
"""
WAYS = {
    "string": ("{name: text, default: $(params.text)}", "$(params.text)", ("from-the-pipeline",)),
    "string, with a type": (
        "{name: text, type: string, default: $(params.text)}",
        "$(params.text)",
        ("from-the-pipeline",),
    ),
    "string in a text": ("{name: text, default: '<$(params.text)>'}", "$(params.text)", ("from-the-pipeline",)),
    "array": ("{name: list, default: $(params.list)}", "$(params.list[*])", ("a", "b")),
    "array, with a star": ("{name: list, default: '$(params.list[*])'}", "$(params.list[*])", ("a", "b")),
    "array, as a string": ("{name: list, type: string, default: $(params.list)}", "$(params.list[*])", ("a", "b")),
    "array of elements": (
        "{name: list, type: array, default: ['$(params.list[*])', c]}",
        "$(params.list[*])",
        ("a", "b"),
    ),
    "element of an array": ("{name: list, default: $(params.list)}", "$(params.list[1])", ("b",)),
    "object": ("{name: object, default: $(params.object)}", "$(params.object.l)", ("2",)),
    "object, with a star": ("{name: object, default: '$(params.object[*])'}", "$(params.object.k)", ("1",)),
    "nothing said": ("{name: list}", "$(params.list[*])", ("a", "b")),
    "another param": ("{name: own, default: $(params.text)}", "$(params.own)", ("from-the-pipeline",)),
    "a default of its own kind": ("{name: list, default: all}", "$(params.list)", ("all",)),
    "an array where a string is around": (
        "{name: text, type: array, default: ['$(params.text)', c]}",
        "$(params.text[*])",
        ("from-the-pipeline", "c"),
    ),
}


def task(declaration: str, use: str) -> str:
    return f'{{params: [{declaration}], steps: [{{name: s, image: i, command: ["{use}"]}}]}}'


def command(compilation, task_of, path: str) -> tuple[str, ...]:
    """Return the command of the Step, evaluated through the scopes of the outer Pipelines."""
    pipeline = compilation.plan.pipeline
    scope = Scope({("params", each.name): each.value for each in pipeline.params})
    names = path.split("/")
    for end in range(1, len(names) + 1):
        each = task_of(compilation, "/".join(names[:end]))
        scope = Scope({("params", param.name): evaluate(param.value, scope) for param in each.params})
    return evaluate(each.steps[0].command, scope)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["tasks", "finally", "pipelineSpec"])
def test_default_may_be_the_outer_param(compiled, task_of, way, where):
    declaration, use, expected = WAYS[way]
    head = f"apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {{name: p}}\nspec:\n{PIPELINE_PARAMS}  tasks:\n"
    spec = task(declaration, use)
    texts = {
        "tasks": f"  - name: a\n    taskSpec: {spec}\n",
        "finally": f"  - {{name: first, taskSpec: {{steps: [{{image: i, command: [c]}}]}}}}\n  finally:\n  - name: a\n    taskSpec: {spec}\n",
        "pipelineSpec": f'  - name: inner\n    pipelineSpec:\n      params: [{declaration}]\n      tasks:\n      - name: a\n        taskSpec: {{steps: [{{name: s, image: i, command: ["{use}"]}}]}}\n',
    }
    path = "inner/a" if where == "pipelineSpec" else "a"
    compilation = compiled(head + texts[where])
    if where != "pipelineSpec":
        assert command(compilation, task_of, path) == expected
        return
    nested = task_of(compilation, "inner")
    outer = Scope({("params", each.name): each.value for each in compilation.plan.pipeline.params})
    inner = Scope({("params", each.name): evaluate(each.value, outer) for each in nested.params})
    inner_task = task_of(compilation, "inner/a")
    scope = Scope({("params", each.name): evaluate(each.value, inner) for each in inner_task.params}, inner)
    assert evaluate(inner_task.steps[0].command, scope) == expected


def test_given_value_overrides_a_default_from_an_outer_param(compiled, task_of):
    text = f"""apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: p}}
spec:
{PIPELINE_PARAMS}  tasks:
  - name: a
    params: [{{name: text, value: given}}]
    taskSpec: {task("{name: text, default: $(params.text)}", "$(params.text)")}
  - name: m
    matrix: {{params: [{{name: text, value: ["$(params.list[*])"]}}]}}
    taskSpec: {task("{name: text, default: $(params.text)}", "$(params.text)")}
"""
    compilation = compiled(text)
    assert command(compilation, task_of, "a") == ("given",)
    assert [each.name for each in task_of(compilation, "m").matrix.params] == ["text"]


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("$(params.words[1])!", "b!"),
        ("$(params.map.k)", "1"),
        ("$(params.map.l)$(params.words[0])", "2a"),
    ],
)
def test_default_may_be_a_part_of_an_outer_param(compiled, task_of, default, expected):
    text = f"""apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {{name: p}}
spec:
{PIPELINE_PARAMS}  tasks:
  - name: a
    params: [{{name: words, value: "$(params.list[*])"}}, {{name: map, value: "$(params.object[*])"}}]
    taskSpec:
      params:
      - {{name: words, type: array}}
      - {{name: map, type: object, properties: {{k: {{}}, l: {{}}}}}}
      - {{name: part, default: "{default}"}}
      steps: [{{name: s, image: i, command: [$(params.part)]}}]
"""
    assert command(compiled(text), task_of, "a") == (expected,)


def test_referenced_task_does_not_see_outer_params(problems):
    text = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: p}
spec: {params: [{name: text, default: a}], tasks: [{name: a, taskRef: {name: t}}]}
---
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: t}
spec: {params: [{name: text, default: $(params.text)}], steps: [{image: i, command: [$(params.text)]}]}
"""
    assert problems(text) == [
        "p.yaml:9:39: spec.params[0].default: the defaults refer to each other in a circle: text → text"
    ]


WRONG_DEFAULTS = {
    "of nothing": "{name: x, default: $(params.NONE)}",
    "of nothing, in an array": "{name: x, type: array, default: [$(params.NONE)]}",
    "of itself": "{name: x, default: $(params.x)}",
    "of an array": "{name: x, default: 'a $(params.list)'}",
}


@pytest.mark.parametrize("way", WRONG_DEFAULTS)
def test_unused_default_is_not_checked(problems, way):
    declared = f"{WRONG_DEFAULTS[way]}, {{name: list, type: array, default: [a, b]}}"
    head = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: t}\nspec:\n"
    unused = f"{head}  params: [{declared}]\n  steps: [{{image: i, command: [c]}}]\n"
    assert problems(unused) == []
    array = "array" in declared.split("}", maxsplit=1)[0]
    used = f'{head}  params: [{declared}]\n  steps: [{{image: i, command: ["$(params.x{"[*]" if array else ""})"]}}]\n'
    assert problems(used)
    value = "a,b" if array else "given"
    assert problems(used, params=(("x", value),)) == []


def test_overridden_keys_of_a_default_are_not_checked(problems):
    text = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: r}
spec:
  params: [{name: o, value: {k: given}}]
  taskSpec:
    params: [{name: o, type: object, properties: {k: {}, l: {}}, default: {k: $(params.NONE), l: "%s"}}]
    steps: [{image: i, command: [$(params.o.k), $(params.o.l)]}]
"""
    assert problems(text % "fine") == []
    assert problems(text % "$(params.NO)") == [
        "p.yaml:7:98: spec.taskSpec.params[0].default.l: $(params.NO): there is no param 'NO' (did you mean 'o'?)"
    ]


NESTED = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {METADATA}
spec:
  pipelineSpec:
    tasks:
    - {name: a, pipelineRef: {name: child}}
    - name: b
      pipelineSpec:
        params: [{name: p, default: DEFAULT}]
        tasks:
        - name: t
          params: [{name: p, value: $(params.p)}]
          taskSpec: {params: [{name: p}], steps: [{name: s, image: "i/$(params.p)", command: [c]}]}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: child}
spec:
  params: [{name: p, default: DEFAULT}]
  tasks:
  - name: t
    params: [{name: p, value: $(params.p)}]
    taskSpec: {params: [{name: p}], steps: [{name: s, image: "i/$(params.p)", command: [c]}]}
"""


def test_default_of_a_nested_pipeline_names_its_own_run(compiled):
    text = NESTED.replace("METADATA", "name: r").replace(
        "DEFAULT", "$(context.pipeline.name)/$(context.pipelineRun.name)"
    )
    images = [each["image"] for each in compiled(text).pod["spec"]["containers"]]
    assert images == ["i/child/r-a", "i/r-b/r-b"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("name", ", or compile a run with a name as a Pod"),
        ("namespace", ", or choose it with --namespace"),
        ("uid", ""),
    ],
)
def test_default_of_a_nested_pipeline_needs_a_known_value(problems, name, hint):
    text = NESTED.replace("METADATA", "generateName: r-").replace("DEFAULT", f"$(context.pipelineRun.{name})")
    lines = [line for line in problems(text) if f"default: $(context.pipelineRun.{name}): the default of" in line]
    assert len(lines) == 2
    assert all(line.endswith(f"known when compiling; set the param in the PipelineTask{hint}") for line in lines)


RUN_OF = {
    "a Pipeline of its own name": (
        "spec:\n  pipelineRef: {name: ci}\n",
        "---\napiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: ci}\nspec:\n",
        "ci",
    ),
    "an embedded Pipeline": ("spec:\n  pipelineSpec:\n", "", "nightly-7"),
}


@pytest.mark.parametrize("run", RUN_OF)
@pytest.mark.parametrize("in_default", [True, False], ids=["default", "param of the run"])
def test_params_of_a_run_may_name_the_run_and_its_pipeline(compiled, run, in_default):
    head, pipeline, name = RUN_OF[run]
    text = "$(context.pipeline.name)/$(context.pipelineRun.name)"
    spec = f"""\
params: [{{name: tag, default: {text if in_default else "none"}}}]
tasks:
- name: a
  params: [{{name: tag, value: $(params.tag)}}]
  taskSpec: {{params: [{{name: tag}}], steps: [{{name: s, image: "i/$(params.tag)", command: [c]}}]}}
"""
    params = "" if in_default else f"  params: [{{name: tag, value: {text}}}]\n"
    indent = "  " if pipeline else "    "
    head = head.replace("spec:\n", f"spec:\n{params}", 1)
    body = "".join(f"{indent}{line}\n" for line in spec.splitlines())
    text = f"apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{name: nightly-7}}\n{head}{pipeline}{body}"
    images = [each["image"] for each in compiled(text).pod["spec"]["containers"]]
    assert images == [f"i/{name}/nightly-7"]
