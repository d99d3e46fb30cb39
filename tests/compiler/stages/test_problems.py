"""Problems of input that cannot be run: one exact line for each mistake."""
# ruff: noqa: E501  # the lines are complete, as users read them

from __future__ import annotations

import textwrap

import pytest

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: build}
spec:
  params:
  - {name: version}
  - {name: flags, type: array, default: [a, b]}
  - {name: repo, type: object, properties: {url: {}, ref: {}}, default: {ref: main}}
  results:
  - {name: digest}
  - {name: files, type: array}
  workspaces:
  - {name: source}
  - {name: cache, optional: true}
  steps:
  - {name: run, image: alpine, command: [echo]}
---
"""
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
"""


def pipeline(spec: str, *, task: str = "") -> str:
    """Return a Pipeline with this spec, its first line the fifth of the file, before a Task."""
    return PIPELINE + textwrap.indent(textwrap.dedent(spec).strip("\n") + "\n", "  ") + ("---\n" + task if task else "")


def step(fields: str) -> str:
    """Return a Task whose one Step has these fields, which start at line 13."""
    head = """\
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t}
        spec:
          params:
          - {name: text, default: x}
          - {name: list, type: array, default: [a, b]}
          - {name: object, type: object, properties: {key: {}}, default: {key: v}}
          results: [{name: out}]
          workspaces: [{name: source, optional: true}]
          volumes: [{name: data}]
          steps:
          - name: s
            image: alpine
    """
    return textwrap.dedent(head).rstrip() + "\n" + textwrap.indent(textwrap.dedent(fields), "    ")


BAD_STEPS = {
    "script: echo $(params.txet)": (
        "15:13: spec.steps[0].script: $(params.txet): there is no param 'txet' (did you mean 'text'?)"
    ),
    "script: echo $(results.uot.path)": (
        "15:13: spec.steps[0].script: $(results.uot.path): the Task declares no Result 'uot' (did you mean 'out'?)"
    ),
    "script: ls $(workspaces.sorce.path)": (
        "15:13: spec.steps[0].script: $(workspaces.sorce.path): there is no Workspace 'sorce' (did you mean 'source'?)"
    ),
    "script: echo $(context.taskRun.nam)": (
        "15:13: spec.steps[0].script: $(context.taskRun.nam): there is no variable 'context.taskRun.nam' here "
        "(did you mean 'name'?)"
    ),
    "script: echo $(params.list[*])": (
        "15:13: spec.steps[0].script: $(params.list[*]) is an array and cannot be part of a string; make it "
        "an element of a list by itself, or use one element, as in $(params.list[0])"
    ),
    "script: echo $(params.list[2])": "15:13: spec.steps[0].script: $(params.list[2]): the array has only 2 elements",
    "script: echo $(params.text[0])": (
        "15:13: spec.steps[0].script: $(params.text[0]): an index needs an array, but this is a string"
    ),
    "command: ['echo', '$(params.object[*])']": (
        "15:23: spec.steps[0].command[1]: $(params.object[*]) is an object and cannot be part of a string; use one of "
        "its keys"
    ),
    "command: ['echo', '$(params.object.kye)']": (
        "15:23: spec.steps[0].command[1]: $(params.object.kye): the object 'params.object' has no key 'kye' "
        "(did you mean 'key'?)"
    ),
    "command: ['echo', 'a$(params.list[*])']": (
        "15:23: spec.steps[0].command[1]: $(params.list[*]) is an array and cannot be part of a string; make it "
        "an element of a list by itself, or use one element, as in $(params.list[0])"
    ),
    "script: echo $(tasks.a.results.b)": "15:13: spec.steps[0].script: $(tasks.a.results.b): there is no Task 'a'",
    "script: x\nvolumeMounts: [{name: dat, mountPath: /d}]": (
        "16:27: spec.steps[0].volumeMounts[0].name: there is no volume 'dat' in the Task (did you mean 'data'?)"
    ),
    "script: x\nenvFrom: [{configMapRef: {name: $(context.taskRun.name)}}]": (
        "16:37: spec.steps[0].envFrom[0].configMapRef.name: $(context.taskRun.name) is known only when the Pod gets "
        "its name, but this is part of the Pod; give the run a name instead of a generateName, or start it with monopod "
        "run, which makes the name first; in volumeMounts, subPathExpr: $(RUN) works with an env RUN from fieldRef "
        "metadata.name"
    ),
    "ref: {name: nope}": (
        "15:17: spec.steps[0].ref.name: there is no StepAction named 'nope' in the files; add its file with -f"
    ),
}


@pytest.mark.parametrize("fields", BAD_STEPS)
def test_wrong_step_is_reported_at_its_position(problems, fields):
    found = problems(
        step(fields).replace("image: alpine", "image: alpine" if "ref:" not in fields else "displayName: x")
    )
    assert found == [f"p.yaml:{BAD_STEPS[fields]}"]


GOOD_STEPS = [
    "script: echo $(date) $(ls -l) ${HOME} $(params)",
    "script: echo $(params.text) $(params['text']) $(params.list[1]) $(params.object.key) $(inputs.params.text)",
    "command: [echo, '$(params.list[*])', $(params.list)]",
    "script: cat $(results.out.path) $(steps.step-s.exitCode.path) $(credentials.path) $(artifacts.path)",
    "script: echo $(workspaces.source.path) $(workspaces.source.bound) $(workspaces.source.claim)",
    "script: echo $(context.task.name) $(context.task.retry-count) $(context.taskRun.uid)",
    "script: x\nvolumeMounts: [{name: data, mountPath: /d}]",
]


@pytest.mark.parametrize("fields", GOOD_STEPS)
def test_valid_step_has_no_problems(problems, fields):
    assert problems(step(fields)) == []


BAD_PIPELINES = {
    "tasks:\n- {name: a, taskRef: {name: biuld}}": [
        "6:31: spec.tasks[0].taskRef.name: there is no Task named 'biuld' in the files (did you mean 'build'?)"
    ],
    "tasks:\n- {name: a, taskRef: {name: build}}": [
        "6:5: spec.tasks[0]: the Task 'build' needs the Workspace 'source'; bind it in workspaces",
        "6:5: spec.tasks[0]: the Task 'build' needs the param 'version'; give a value in params",
        "6:5: spec.tasks[0]: the object param 'repo' of the Task 'build' needs the key 'url' too",
    ],
    "tasks:\n- {name: a, taskRef: {name: x, kind: ClusterTask}}": [
        "6:31: spec.tasks[0].taskRef.name: there is no ClusterTask or Task named 'x' in the files; add its file with -f"
    ],
    "tasks:\n- {name: a, taskRef: {name: x, kind: Wait, apiVersion: example.com/v1}}": [
        "6:24: spec.tasks[0].taskRef: a custom task needs a controller of its own in a cluster, which one Pod does not "
        "have; use a Task that does the same"
    ],
    "tasks:\n- {name: a, taskRef: {resolver: git}}": [
        "6:35: spec.tasks[0].taskRef.resolver: the resolver git needs the param 'pathInRepo'"
    ],
}


@pytest.mark.parametrize("spec", BAD_PIPELINES)
def test_wrong_reference_or_binding_is_reported(problems, spec):
    lines = problems(pipeline(spec, task=TASK.rstrip("-\n") + "\n"))
    prefix = "p.yaml:"
    assert lines == [prefix + line for line in BAD_PIPELINES[spec]]


NOOP = "taskSpec: {results: [{name: r}, {name: l, type: array}], steps: [{image: i, script: x}]}"

BAD_ORDERS = {
    "runAfter that is none": (
        f"tasks:\n- {{name: build, {NOOP}}}\n- {{name: test, runAfter: [bild], {NOOP}}}",
        ["7:29: spec.tasks[1].runAfter[0]: there is no Task 'bild' (did you mean 'build'?)"],
    ),
    "a cycle": (
        f"tasks:\n- {{name: a, runAfter: [c], {NOOP}}}\n- {{name: b, runAfter: [a], {NOOP}}}\n"
        f"- {{name: c, params: [{{name: x, value: $(tasks.b.results.r)}}], {NOOP}}}",
        ["6:5: spec.tasks[0]: the Tasks wait for each other: a → b → c → a"],
    ),
    "two cycles": (
        "tasks:\n" + "".join(f"- {{name: {a}, runAfter: [{b}], {NOOP}}}\n" for a, b in ["ab", "ba", "cd", "dc", "ea"]),
        [
            "6:5: spec.tasks[0]: the Tasks wait for each other: a → b → a",
            "8:5: spec.tasks[2]: the Tasks wait for each other: c → d → c",
        ],
    ),
    "itself": (
        f"tasks:\n- {{name: a, runAfter: [a], {NOOP}}}",
        ["6:5: spec.tasks[0]: the Task waits for itself: a → a"],
    ),
    "a Result that is not declared": (
        f"tasks:\n- {{name: a, {NOOP}}}\n- {{name: b, when: [{{input: $(tasks.a.results.t), operator: in, values: [x]}}], "
        f"{NOOP}}}",
        ["7:30: spec.tasks[1].when[0].input: $(tasks.a.results.t): the Task 'a' has no Result 't'"],
    ),
    "a Result of a finally Task": (
        f"tasks:\n- {{name: a, displayName: $(tasks.z.results.r), {NOOP}}}\nfinally:\n- {{name: z, {NOOP}}}",
        [
            "6:28: spec.tasks[0].displayName: $(tasks.z.results.r): 'z' is a finally Task: no other Task can wait for it "
            "or use its Results"
        ],
    ),
    "a status outside finally": (
        f"tasks:\n- {{name: a, {NOOP}}}\n- {{name: b, displayName: $(tasks.a.status) $(tasks.status), {NOOP}}}",
        [
            f"7:28: spec.tasks[1].displayName: {text}: only finally Tasks can use it, when all others have ended"
            for text in ("$(tasks.a.status)", "$(tasks.status)")
        ],
    ),
    "the Result of a Pipeline": (
        f"results: [{{name: out, value: '$(tasks.a.results.l[0]) $(tasks.b.results.r)'}}]\ntasks:\n- {{name: a, {NOOP}}}",
        ["5:32: spec.results[0].value: $(tasks.b.results.r): there is no Task 'b'"],
    ),
}


@pytest.mark.parametrize("case", BAD_ORDERS)
def test_wrong_order_or_result_is_reported(problems, case):
    spec, expected = BAD_ORDERS[case]
    assert problems(pipeline(spec)) == [f"p.yaml:{line}" for line in expected]


def test_request_above_its_limit_is_reported_at_its_position(problems):
    fields = "script: x\ncomputeResources: {requests: {memory: 2Gi, cpu: 1}, limits: {memory: 1Gi, cpu: 1000m}}\n"
    assert problems(step(fields)) == [
        "p.yaml:16:43: spec.steps[0].computeResources.requests.memory: 2Gi is above the limit of 1Gi, which Kubernetes refuses; ask for at most the limit"
    ]


def test_all_problems_are_reported_at_once(problems):
    spec = f"""
        params: [{{name: version}}, {{name: tag}}]
        workspaces: [{{name: code}}]
        tasks:
        - name: a
          taskRef: {{name: build}}
          runAfter: [zz]
          params:
          - {{name: version, value: [x]}}
          - {{name: flags, value: $(params.versoin)}}
          - {{name: repo, value: {{ref: main}}}}
          - {{name: vresion, value: x}}
          workspaces: [{{name: source, workspace: coed}}]
        - name: b
          {NOOP}
    """
    found = problems(pipeline(spec, task=TASK.rstrip("-\n") + "\n"), params=(("vesrion", "1"),))
    assert found == [
        "-p vesrion=1: there is no param 'vesrion' (did you mean 'version'?)",
        "p.yaml:5:3: spec: the Pipeline 'ci' needs the param 'tag'; give it with -p tag=…",
        "p.yaml:10:16: spec.tasks[0].runAfter[0]: there is no Task 'zz'",
        "p.yaml:12:30: spec.tasks[0].params[0].value: the param 'version' of the Task 'build' is of type string, "
        "but this value is of type array",
        "p.yaml:13:28: spec.tasks[0].params[1].value: $(params.versoin): there is no param 'versoin' "
        "(did you mean 'version'?)",
        "p.yaml:14:27: spec.tasks[0].params[2].value: the object param 'repo' of the Task 'build' needs the key 'url' too",
        "p.yaml:16:44: spec.tasks[0].workspaces[0].workspace: there is no Workspace 'coed' in the Pipeline to bind to "
        "'source' of the Task 'build' (did you mean 'code'?)",
    ]


OPTIONS = {
    "unknown param": (
        {"params": (("versoin", "1"),)},
        "-p versoin=1: there is no param 'versoin' (did you mean 'version'?)",
    ),
    "no array": (
        {"params": (("flags", '["a", 1]'),)},
        '-p flags=["a", 1]: expected an array of strings, such as ["a", "b"] or a,b',
    ),
    "no object": (
        {"params": (("repo", "url"),)},
        '-p repo=url: expected an object, such as {"key": "value"} or key:value,key:value',
    ),
    "unknown Workspace": (
        {"workspaces": (("sorce", "emptyDir"),)},
        "-w sorce=emptyDir: there is no Workspace 'sorce' (did you mean 'source'?)",
    ),
    "no binding": (
        {"workspaces": (("source", "pvc"),)},
        "-w source=pvc: expected ./DIRECTORY, emptyDir, pvc:CLAIM, hostPath:DIRECTORY, secret:NAME or configMap:NAME",
    ),
    "a folder that is not there": (
        {"workspaces": (("source", "/nowhere/sources"),), "folders": "mounted"},
        "-w source=/nowhere/sources: there is no directory /nowhere/sources; make it, or name another",
    ),
    "a file": (
        {"workspaces": (("source", "/etc/passwd"),), "folders": "mounted"},
        "-w source=/etc/passwd: /etc/passwd is not a directory; name the directory that it is in",
    ),
    "a folder for a Pod in a cluster": (
        {"workspaces": (("source", "/etc"),)},
        "-w source=/etc: a Pod in a cluster cannot mount a folder of this machine; use emptyDir or pvc:CLAIM, or run "
        "it here with monopod run",
    ),
    "nothing of that name": (
        {"name": "biuld"},
        "no run, Pipeline or Task has the name 'biuld' (did you mean 'build'?)",
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_wrong_option_is_reported(problems, case):
    options, expected = OPTIONS[case]
    options = {"params": (), **options}
    options["params"] = (("version", "1"), ("repo", "url:x"), *options["params"])
    assert problems(TASK, **options) == [expected]


UNSUPPORTED = {
    "taskSpec: {sidecars: [{name: s, image: i, script: x, livenessProbe: {exec: {command: [x]}}}], steps: [{image: i, script: x}]}": (
        "spec.taskSpec.sidecars[0].livenessProbe: a Sidecar runs from before the first Step until after the last, and is not "
        "restarted meanwhile; leave livenessProbe out"
    ),
    "taskSpec: {sidecars: [{name: s, image: i, script: x, tty: true}], steps: [{image: i, script: x}]}": (
        "spec.taskSpec.sidecars[0].tty: a Sidecar has no terminal to talk to; leave tty out"
    ),
    "status: TaskRunCancelled, taskSpec: {steps: [{image: i, script: x}]}": (
        "spec.status: a run starts at once, and is cancelled with monopod cancel; leave status out"
    ),
    "debug: {breakpoints: {beforeSteps: [teest]}}, taskSpec: {steps: [{name: test, image: i, script: x}]}": (
        "spec.debug.breakpoints.beforeSteps[0]: the Task has no Step 'teest' (did you mean 'test'?)"
    ),
    "managedBy: example.com/other, taskSpec: {steps: [{image: i, script: x}]}": (
        "spec.managedBy: this run is for another controller, 'example.com/other'; leave managedBy out"
    ),
    "taskSpec: {steps: [{image: i, script: x, volumeMounts: [{name: v, mountPath: /monopod/x}]}], volumes: [{name: v}]}": (
        "spec.taskSpec.steps[0].volumeMounts: '/monopod/x': /monopod is where monopod's own files are"
    ),
    "workspaces: [{name: w, emptyDir: {}}], taskSpec: {workspaces: [{name: w, mountPath: '/a:b'}], steps: [{image: i, script: x}]}": (
        "spec.taskSpec.steps[0].volumeMounts: '/a:b': Kubernetes allows no ':' in a mountPath"
    ),
}


@pytest.mark.parametrize("spec", UNSUPPORTED)
def test_features_that_one_pod_cannot_have_are_refused(problems, spec):
    text = f"apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{name: t}}\nspec: {{{spec}}}\n"
    assert [line.partition(": ")[2] for line in problems(text)] == [UNSUPPORTED[spec]]


@pytest.mark.parametrize("status", ["Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunPending"])
def test_pending_run_is_refused(problems, status):
    spec = f"{{status: {status}, pipelineSpec: {{tasks: [{{name: a, {NOOP}}}]}}}}"
    text = f"apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{name: r}}\nspec: {spec}\n"
    assert problems(text) == [
        "p.yaml:4:16: spec.status: a run starts at once, and is cancelled with monopod cancel; leave status out"
    ]


def test_files_without_a_run_are_named(problems):
    workflow = "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {name: w}\n"
    assert problems(workflow + "---\n" + workflow.replace("name: w", "name: v")) == [
        "p.yaml:1:1: this is an Argo CronWorkflow; write its workflowSpec as a Workflow, and compile it with --kind "
        "CronJob --schedule"
    ]
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
    assert problems(service) == [
        "p.yaml:1:1: nothing to run: the files have no PipelineRun, TaskRun, Pipeline or Task of tekton.dev, only "
        "Service of v1"
    ]


def test_several_candidates_to_run_are_named(problems):
    found = problems(TASK + "---\n" + TASK.replace("name: build}", "name: test}"))
    assert [line.partition(": ")[2] for line in found] == [
        "the files define several runs (Task 'build', Task 'test'); choose one with --name"
    ]


def test_unbound_workspace_of_a_bare_task_is_a_warning(problems):
    assert problems(TASK, params=(("version", "1"), ("repo", "url:x"))) == [
        "p.yaml:13:5: warning: spec.workspaces[0]: nothing is bound to the Workspace 'source', so it is an emptyDir; bind "
        "something with -w source=…"
    ]


def test_reference_to_an_undeclared_workspace_stays_as_text(compiled):
    compilation = compiled(
        """\
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: git-cli}
        spec:
          workspaces: [{name: source}]
          steps:
          - name: git
            image: alpine
            env: [{name: OUTPUT, value: $(workspaces.output.path)}]
            script: git status
        """,
        workspaces=(("source", "emptyDir"),),
    )
    (task,) = compilation.plan.pipeline.tasks
    assert task.steps[0].environment == (("OUTPUT", "$(workspaces.output.path)"),)
    assert [str(warning) for warning in compilation.warnings] == [
        "p.yaml:9:33: warning: spec.steps[0].env[0].value: $(workspaces.output.path): there is no Workspace 'output'; it "
        "stays as text, as in Tekton"
    ]


def test_resolver_cannot_be_text_that_stays(problems):
    lines = problems(
        """\
        apiVersion: tekton.dev/v1
        kind: TaskRun
        metadata: {name: run}
        spec: {taskRef: {resolver: $(workspaces.source.path)}}
        """
    )
    assert lines == [
        "p.yaml:4:28: spec.taskRef.resolver: $(workspaces.source.path) cannot be used here; write the value"
    ]
