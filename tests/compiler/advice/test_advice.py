"""What each rule of advice reports and, as important, what it does not. A ``<`` in a text marks the reported lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

import pytest

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: task}
spec:
"""
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: pipeline}
spec:
"""
RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: run}
spec:
"""
TASK_RUN = RUN.replace("PipelineRun", "TaskRun")

CASES: dict[str, list[tuple[str, str, str]]] = {
    "parallel-writers": [
        (
            "two that are not ordered",
            PIPELINE,
            """
            workspaces:
            - name: shared # <
            tasks:
            - {name: a, workspaces: [{name: shared}], taskSpec: &t {steps: [{image: x, command: [x]}]}}
            - {name: b, workspaces: [{name: shared}], taskSpec: *t}
            """,
        ),
        (
            "one after the other, through a third",
            PIPELINE,
            """
            workspaces:
            - name: shared
            tasks:
            - {name: a, workspaces: [{name: shared}], taskSpec: &t {steps: [{image: x, command: [x]}]}}
            - {name: b, runAfter: [a], taskSpec: *t}
            - {name: c, runAfter: [b], workspaces: [{name: shared}], taskSpec: *t}
            """,
        ),
        (
            "ordered by a Result",
            PIPELINE,
            """
            workspaces:
            - name: shared
            tasks:
            - name: a
              workspaces: [{name: shared}]
              taskSpec:
                results: [{name: r}]
                steps: [{image: x, script: echo > $(results.r.path)}]
            - name: b
              workspaces: [{name: shared}]
              params: [{name: p, value: $(tasks.a.results.r)}]
              taskSpec: {params: [{name: p}], steps: [{image: x, command: [x, $(params.p)]}]}
            """,
        ),
        (
            "one of them only reads",
            PIPELINE,
            """
            workspaces:
            - name: shared
            tasks:
            - {name: a, workspaces: [{name: shared}], taskSpec: {steps: [{image: x, command: [x]}]}}
            - name: b
              workspaces: [{name: read, workspace: shared}]
              taskSpec: {workspaces: [{name: read, readOnly: true}], steps: [{image: x, command: [x]}]}
            """,
        ),
        (
            "in places of their own",
            PIPELINE,
            """
            workspaces:
            - name: shared
            - name: within # <
            tasks:
            - name: a
              workspaces: [{name: shared, subPath: a}, {name: within, subPath: a}]
              taskSpec: &t {steps: [{image: x, command: [x]}]}
            - name: b
              workspaces: [{name: shared, subPath: b}, {name: within, subPath: ./a/b}]
              taskSpec: *t
            """,
        ),
        (
            "final Tasks overlap with each other and no other",
            PIPELINE,
            """
            workspaces:
            - name: one
            - name: two # <
            tasks:
            - {name: a, workspaces: [{name: one}], taskSpec: &t {steps: [{image: x, command: [x]}]}}
            finally:
            - {name: b, workspaces: [{name: one}, {name: two}], taskSpec: *t}
            - {name: c, workspaces: [{name: two}], taskSpec: *t}
            """,
        ),
        (
            "what an embedded Task sees without binding it, and a Pipeline in a Pipeline",
            PIPELINE,
            """
            workspaces:
            - name: shared # <
            tasks:
            - name: a
              taskSpec: {steps: [{image: x, script: touch $(workspaces.shared.path)/a}]}
            - name: b
              workspaces: [{name: inner, workspace: shared}]
              pipelineSpec:
                workspaces: [{name: inner}]
                tasks:
                - {name: c, workspaces: [{name: inner}], taskSpec: {steps: [{image: x, command: [x]}]}}
            """,
        ),
        (
            "combinations of a matrix, unless there is one at a time",
            PIPELINE,
            """
            workspaces:
            - name: one # <
            - name: two
            tasks:
            - name: a
              matrix: {params: [{name: p, value: [x, z]}]}
              workspaces: [{name: one}]
              taskSpec: {params: [{name: p}], steps: [{image: x, command: [x, $(params.p)]}]}
            - name: b
              matrix: {params: [{name: p, value: [x, z]}]}
              workspaces: [{name: two}]
              taskSpec:
                metadata: {annotations: {monopod.dev/max-concurrency: "1"}}
                params: [{name: p}]
                steps: [{image: x, command: [x, $(params.p)]}]
            """,
        ),
        (
            "a Secret cannot be written",
            RUN,
            """
            workspaces: [{name: shared, secret: {secretName: s}}]
            pipelineSpec:
              workspaces:
              - name: shared
              tasks:
              - {name: a, workspaces: [{name: shared}], taskSpec: &t {steps: [{image: x, command: [x]}]}}
              - {name: b, workspaces: [{name: shared}], taskSpec: *t}
            """,
        ),
    ],
    "unpinned-image": [
        (
            "by its tag and its digest",
            TASK,
            f"""
            steps:
            - {{command: [x], image: alpine}} # < warning
            - {{command: [x], image: "alpine:latest"}} # < warning
            - {{command: [x], image: "registry:5000/alpine"}} # < warning
            - {{command: [x], image: "registry:5000/alpine:3"}} # < note
            - {{command: [x], image: "alpine:3@sha256:{"0" * 64}"}}
            - {{command: [x], image: alpine}}
            """,
        ),
        (
            "at the default of a param, in a stepTemplate, of a Sidecar",
            TASK,
            """
            params:
            - name: image
              default: alpine # < warning
            - {name: other}
            stepTemplate:
              image: debian # < warning
            steps:
            - {command: [x]}
            - {command: [x], image: $(params.image)}
            - {command: [x], image: $(params.other)}
            sidecars:
            - {name: s, command: [x], image: postgres} # < warning
            """,
        ),
    ],
    "no-timeout": [
        (
            "a Pipeline without any",
            PIPELINE,
            """
            tasks:
            - {name: a, taskSpec: {steps: [{image: x, command: [x]}]}} # < note
            """,
        ),
        ("a Task has one", PIPELINE, "tasks: [{name: a, timeout: 1m, taskSpec: {steps: [{image: x, command: [x]}]}}]"),
        ("a Step has one", PIPELINE, "tasks: [{name: a, taskSpec: {steps: [{image: x, timeout: 1m, command: [x]}]}}]"),
        (
            "the run has one",
            RUN,
            """
            timeouts: {pipeline: 10m}
            pipelineSpec: {tasks: [{name: a, taskSpec: {steps: [{image: x, command: [x]}]}}]}
            """,
        ),
        (
            "the run gives it up",
            RUN,
            """
            timeouts:
              pipeline: "0" # < warning
            pipelineSpec: {tasks: [{name: a, taskSpec: {steps: [{image: x, command: [x]}]}}]}
            """,
        ),
        (
            "the run gives it up, and each Task has one",
            RUN,
            """
            timeouts: {pipeline: "0"}
            pipelineSpec: {tasks: [{name: a, timeout: 5h, taskSpec: {steps: [{image: x, command: [x]}]}}]}
            """,
        ),
        (
            "the run gives it up, and a Task too",
            RUN,
            """
            timeouts:
              pipeline: "0" # < warning
            pipelineSpec: {tasks: [{name: a, timeout: 0s, taskSpec: {steps: [{image: x, command: [x]}]}}]}
            """,
        ),
        (
            "a TaskRun gives it up",
            TASK_RUN,
            """
            timeout: 0s # < warning
            taskSpec: {steps: [{image: x, command: [x]}]}
            """,
        ),
    ],
    "unused-param": [
        (
            "of a Task",
            TASK,
            """
            params:
            - {name: used}
            - {name: unused} # <
            - {name: by-default}
            - {name: with-default, default: $(params.by-default)}
            - {name: object, type: object, properties: {key: {}}}
            - {name: dotted.name}
            steps:
            - image: x
              command: [x, $(params.used), $(params.with-default), $(params.object.key), '$(params["dotted.name"])']
            """,
        ),
        (
            "of a Pipeline, by what is embedded in it",
            PIPELINE,
            """
            params:
            - {name: given}
            - {name: inherited}
            - {name: hidden} # <
            - {name: unused} # <
            - {name: declared-again}
            tasks:
            - name: a
              params: [{name: hidden, value: $(params.given)}]
              taskSpec:
                params: [{name: declared-again}, {name: hidden}]
                steps: [{image: x, command: [x, $(params.inherited), $(params.hidden), $(params.declared-again)]}]
            """,
        ),
        (
            "given by a run",
            RUN,
            """
            params:
            - {name: used, value: a}
            - {name: in-a-subpath, value: a}
            - {name: unused, value: a} # <
            workspaces: [{name: w, emptyDir: {}, subPath: $(params.in-a-subpath)}]
            pipelineSpec: {tasks: [{name: a, taskSpec: {steps: [{image: x, command: [x, $(params.used)]}]}}]}
            """,
        ),
    ],
    "unused-workspace": [
        (
            "of a Task",
            TASK,
            """
            workspaces:
            - {name: used}
            - {name: unused} # <
            - {name: listed}
            - {name: elsewhere, mountPath: /root/.ssh}
            steps:
            - {image: x, script: ls $(workspaces.used.path), workspaces: [{name: listed}]}
            """,
        ),
        (
            "of a Task that runs what it is given",
            TASK,
            """
            params: [{name: script}]
            workspaces: [{name: a}]
            steps:
            - image: x
              script: |
                set -e
                $(params.script)
            """,
        ),
        (
            "by a description",
            TASK,
            """
            workspaces: [{name: a, description: "A script can use $(workspaces.a.path)."}]
            steps: [{image: x, command: [x]}]
            """,
        ),
        (
            "by a digest of another",
            TASK.replace("{name: task}", "{name: task, annotations: {monopod.dev/digest: 'a, b'}}"),
            """
            workspaces:
            - {name: a}
            - {name: b}
            - {name: c} # <
            steps: [{image: x, command: [x]}]
            """,
        ),
        (
            "by a cache",
            PIPELINE,
            """
            workspaces: [{name: a}]
            tasks:
            - name: t
              workspaces: [{name: a}]
              taskSpec:
                metadata: {annotations: {monopod.dev/cache: '{key: "$(hashFiles(''x''))", paths: [y]}'}}
                workspaces: [{name: a}]
                steps: [{image: x, command: [x]}]
            """,
        ),
        ("by its path", TASK, "workspaces: [{name: a}]\nsteps: [{image: x, script: 'ls /workspace/*'}]"),
        ("by its path from there", TASK, "workspaces: [{name: a}]\nsteps: [{image: x, workingDir: a, command: [x]}]"),
        (
            "of a Pipeline",
            PIPELINE,
            """
            workspaces:
            - {name: bound}
            - {name: asked-for}
            - {name: inherited}
            - {name: unused} # <
            tasks:
            - name: a
              when: [{input: $(workspaces.asked-for.bound), operator: in, values: ["true"]}]
              workspaces: [{name: w, workspace: bound}]
              taskSpec:
                workspaces: [{name: inherited}]
                steps: [{image: x, script: ls $(workspaces.w.path) $(workspaces.inherited.path)}]
            """,
        ),
    ],
    "unused-result": [
        (
            "of an embedded Task",
            PIPELINE,
            """
            results: [{name: r, value: $(tasks.a.results.for-the-pipeline)}]
            tasks:
            - name: a
              taskSpec:
                results:
                - {name: for-the-pipeline}
                - {name: for-a-task}
                - {name: for-a-step}
                - {name: unused} # <
                steps:
                - {image: x, script: echo > $(results.for-the-pipeline.path) > $(results.for-a-task.path)}
                - {image: x, script: echo > $(results.unused.path) > $(results.for-a-step.path)}
                - {image: x, script: cat $(results.for-a-step.path)}
            - name: b
              params: [{name: p, value: $(tasks.a.results.for-a-task)}]
              taskSpec: {params: [{name: p}], steps: [{image: x, command: [x, $(params.p)]}]}
            """,
        ),
        ("of others' Tasks", TASK, "results: [{name: r}]\nsteps: [{image: x, script: echo > $(results.r.path)}]"),
    ],
    "unwritten-result": [
        (
            "by its variable, its path or the directory",
            TASK,
            """
            results:
            - {name: written}
            - {name: unwritten} # <
            - {name: of-a-step, value: $(steps.s.results.r)}
            steps:
            - name: s
              image: x
              env: [{name: OUT, value: $(results.written.path)}]
              command: [x]
              results:
              - {name: r} # <
            """,
        ),
        ("by the directory", TASK, "results: [{name: r}]\nsteps: [{image: x, script: 'cp * /tekton/results'}]"),
        (
            "of a Task that runs what it is given",
            TASK,
            """
            params: [{name: args, type: array}]
            results: [{name: r}]
            steps: [{image: x, command: [x, "$(params.args[*])"]}]
            """,
        ),
        (
            "in a StepAction, which may not be there",
            TASK,
            "results: [{name: r}]\nsteps: [{ref: {resolver: git, params: [{name: a, value: b}]}}]",
        ),
    ],
    "no-requests": [
        (
            "the first that is silent",
            TASK,
            """
            steps:
            - {image: x, command: [x], computeResources: {requests: {cpu: 1}, limits: {memory: 1Gi}}}
            - {image: x, command: [x], computeResources: {requests: {cpu: 1}}} # <
            - {image: x, command: [x]}
            """,
        ),
        (
            "a stepTemplate",
            TASK,
            """
            stepTemplate: {computeResources: {requests: {cpu: 1, memory: 1Gi}}}
            steps: [{image: x, command: [x]}]
            """,
        ),
        (
            "the run says it",
            RUN,
            """
            taskRunSpecs: [{pipelineTaskName: a, computeResources: {requests: {cpu: 1, memory: 1Gi}}}]
            pipelineSpec: {tasks: [{name: a, taskSpec: {steps: [{image: x, command: [x]}]}}]}
            """,
        ),
        (
            "a TaskRun says it",
            TASK_RUN,
            """
            stepSpecs: [{name: s, computeResources: {requests: {cpu: 1, memory: 1Gi}}}]
            taskSpec: {steps: [{name: s, image: x, command: [x]}]}
            """,
        ),
    ],
    "request-over-limit": [
        (
            "in other units",
            TASK,
            """
            stepTemplate: {computeResources: {limits: {cpu: 500m}}}
            steps:
            - image: x
              command: [x]
              computeResources:
                requests:
                  memory: 1024Mi
                  cpu: 0.6 # <
                limits: {memory: 1Gi}
            """,
        ),
        (
            "by a run",
            RUN,
            """
            taskRunSpecs:
            - pipelineTaskName: a
              stepSpecs:
              - name: s
                computeResources:
                  requests: {cpu: 2} # <
                  limits: {cpu: 1}
            pipelineSpec: {tasks: [{name: a, taskSpec: {steps: [{name: s, image: x, command: [x]}]}}]}
            """,
        ),
    ],
    "never-true": [
        (
            "fixed inputs, and inputs that exclude each other",
            PIPELINE,
            """
            params:
            - {name: level, enum: [low, high]}
            - {name: any}
            tasks:
            - name: a
              taskSpec: &t {steps: [{image: x, command: [x]}]}
              when:
              - {input: params.any, operator: in, values: ["yes"]} # <
            - name: b
              taskSpec: *t
              when:
              - {input: $(params.level), operator: in, values: [medium]} # <
            - name: c
              taskSpec: *t
              when:
              - {input: $(params.any), operator: in, values: [a, b]}
              - {input: $(params.any), operator: notin, values: [b, a]} # <
            - name: d
              taskSpec: *t
              when:
              - {input: $(params.any), operator: in, values: [a, b]}
              - {input: $(params.any), operator: notin, values: [b]}
              - {input: $(params.level), operator: notin, values: [low]}
              - {input: a, operator: in, values: [$(params.any)]}
              - {input: prefix-$(params.any), operator: in, values: [a]}
              - {cel: "'a' == 'b'"}
            finally:
            - name: e
              taskSpec: *t
              when:
              - {input: $(tasks.a.status), operator: in, values: [Failed, Failure]}
              - {input: $(tasks.status), operator: in, values: [Completed]}
            - name: f
              taskSpec: *t
              when:
              - {input: $(tasks.a.status), operator: in, values: [Completed]} # <
            """,
        ),
        (
            "the reason that a Task had before Tekton 1.12, and a Pipeline has",
            PIPELINE,
            """
            tasks:
            - name: a
              taskSpec: &t {steps: [{image: x, command: [x]}]}
            - name: nested
              pipelineSpec: {tasks: [{name: inner, taskSpec: *t}]}
            finally:
            - name: old
              taskSpec: *t
              when:
              - {input: $(tasks.a.reason), operator: in, values: [Failed]} # <
            - name: new
              taskSpec: *t
              when:
              - {input: $(tasks.a.reason), operator: in, values: [StepFailed, Failed]}
              - {input: $(tasks.a.reason), operator: notin, values: [Failed]}
              - {input: $(tasks.nested.reason), operator: in, values: [Failed]}
              - {input: $(tasks.a.status), operator: in, values: [Failed]}
            """,
        ),
        (
            "of a Step",
            TASK,
            """
            steps:
            - image: x
              command: [x]
              when:
              - {input: a, operator: notin, values: [a]} # <
            """,
        ),
    ],
    "script-injection": [
        (
            "once a Step, at the line of the first",
            TASK,
            """
            params: [{name: title}, {name: level, enum: ["1", "2"]}]
            steps:
            - image: x
              script: |
                #!/bin/sh
                # $(params.title) in a comment
                echo $(params.level)

                if true; then
                  echo "$(params.title)" # <
                  echo "$(params.title)"
                fi
            - image: x
              env: [{name: TITLE, value: $(params.title)}]
              script: echo "$TITLE"
            - image: x
              script: "echo $(params.title)" # <
            - image: x
              script: |
                #!/bin/sh
                $(params.title)
            """,
        ),
        (
            "after -c, and nowhere else",
            TASK,
            """
            params: [{name: title}]
            steps:
            - {image: x, command: [sh, -c], args: ["echo $(params.title)"]} # <
            - {image: x, command: [/bin/bash, -ec, "echo $(params.title)"]} # <
            - {image: x, command: [sh, -c, 'echo "$1"', sh, $(params.title)]}
            - {image: x, command: [echo, -c, $(params.title)]}
            - {image: x, command: [sh, -c, $(params.title)]}
            """,
        ),
        (
            "values that are fixed and plain",
            RUN,
            """
            params: [{name: run, value: v1.2}, {name: bad, value: "; rm -rf /"}]
            pipelineSpec:
              params: [{name: default, default: main}]
              tasks:
              - name: a
                params: [{name: given, value: "x-$(params.default)-$(context.pipelineRun.name)"}]
                matrix: {params: [{name: m, value: [a, b]}]}
                taskSpec:
                  params: [{name: own, default: "1"}, {name: given}, {name: m}]
                  results: [{name: r}]
                  steps:
                  - image: x
                    script: echo $(params.given) $(params.own) $(params.run) $(params.m) > $(results.r.path)
                  - image: x
                    script: echo $(params.bad) # <
              - name: b
                params: [{name: p, value: "$(tasks.a.results.r[*])"}, {name: s, value: $(tasks.a.matrix.length)}]
                taskSpec:
                  params: [{name: p, type: array}, {name: s}]
                  steps:
                  - {image: x, script: "echo $(params.s)"}
                  - {image: x, script: "echo $(params.p[0])"} # <
            """,
        ),
        (
            "the values of a TaskRun",
            TASK_RUN,
            """
            params: [{name: a, value: fine}, {name: b, value: $(context.taskRun.name)`}]
            taskSpec:
              params: [{name: a}, {name: b}]
              steps:
              - {image: x, script: echo $(params.a)}
              - {image: x, script: "echo $(params.b)"} # <
            """,
        ),
    ],
}
TABLE = [(rule, *case) for rule, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("rule", "what", "head", "spec"), TABLE, ids=[f"{rule}: {what}" for rule, what, *_ in TABLE])
def test_advice(violations: Callable[..., list[str]], rule: str, what: str, head: str, spec: str):
    text = head + textwrap.indent(textwrap.dedent(spec).strip(), "  ")
    marks = [(number, re.search(r"# <(.*)", line)) for number, line in enumerate(text.splitlines(), 1)]
    expected = [(number, mark[1].strip()) for number, mark in marks if mark]
    found = [tuple(each.split()) for each in violations(text, rule)]
    assert [int(line) for line, _ in found] == [line for line, _ in expected]
    assert all(severity in {"", given} for (_, severity), (_, given) in zip(expected, found, strict=True))


def test_script_injection_suggests_an_environment_variable(checked):
    text = TASK + "  params: [{name: git-url}, {name: path}]\n  steps:\n"
    text += "  - {image: x, script: git clone $(params.git-url)}\n  - {image: x, script: cd $(params.path)}\n"
    messages = [each.message for each in checked(text).problems if each.rule == "script-injection"]
    assert 'env (GIT_URL: $(params.git-url)) and write "$GIT_URL"' in messages[0]
    assert 'env (MY_PATH: $(params.path)) and write "$MY_PATH"' in messages[1]


def test_definition_without_a_run_needs_no_values(violations):
    text = TASK + textwrap.indent(
        textwrap.dedent(
            """\
            params:
            - {name: image}
            - {name: words, type: array}
            - {name: source, type: object, properties: {url: {}}}
            workspaces: [{name: w}]
            steps:
            - image: $(params.image)
              command: [x, "$(params.words[*])", $(params.source.url), $(workspaces.w.path)]
            """
        ),
        "  ",
    )
    assert violations(text) == ["11 no-requests"]


def test_unused_definitions_are_checked_too(violations):
    tasks = "".join(
        TASK.replace("task", name) + f"  steps: [{{image: x, script: echo $(params.{name})}}]\n---\n"
        for name in ("one", "two")
    )
    run = RUN + "  pipelineSpec: {tasks: [{name: a, taskRef: {name: one}}]}\n"
    rules = [each for each in violations(tasks + run) if "unknown-reference" in each]
    assert rules == ["5 unknown-reference", "11 unknown-reference"]


def test_params_of_the_command_line_apply_to_the_selected_run(checked):
    text = TASK + "  params: [{name: p}]\n  steps: [{image: x, command: [x, $(params.p)]}]\n"
    assert not any(each.severity == "error" for each in checked(text, params=(("p", "1"),)).problems)
    assert "unknown-param" in {each.rule for each in checked(text, params=(("q", "1"),)).problems}


def test_warnings_are_reported_with_errors(checked):
    problems = checked(
        """\
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {name: ci}
        spec:
          workspaces: [{name: cache, emptyDir: {}}]
          pipelineSpec:
            tasks:
            - name: build
              runAfter: [test]
              taskSpec: {steps: [{name: s, image: 'alpine:3', script: make}]}
        """
    ).problems
    assert [(each.position.line, each.severity, each.rule) for each in problems if each.severity != "note"] == [
        (9, "error", "unknown-task"),
        (5, "warning", "unknown-workspace"),
    ]
