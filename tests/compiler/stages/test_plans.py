"""The Plans of small Pipelines, and the containers and volumes of their Pods."""
# ruff: noqa: E501

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from monopod.compiler.pod.assembly import plan_of
from monopod.compiler.tasks.steps import merge_template
from monopod.schemas.plan import Matrix, MatrixInclude, Param, Probe

RUN = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{name: run}}
spec:
{0}
"""


def run(spec: str) -> str:
    """Return a PipelineRun with this spec."""
    return RUN.format("".join(f"  {line}\n" for line in spec.strip("\n").splitlines()))


def mounts(container: dict) -> dict:
    """Return the author's own mounts of a container by path."""
    own = ("/monopod/bin", "/monopod/step", "/tekton", "/workspace", "/tekton/scripts")
    return {mount["mountPath"]: mount for mount in container.get("volumeMounts", ()) if mount["mountPath"] not in own}


# Params and their scopes


SCOPES = {
    "given to the Task": ("params: [{name: x, value: task}]", "", "task"),
    "given, and declared with a default": (
        "params: [{name: x, value: task}]",
        "params: [{name: x, default: own}], ",
        "task",
    ),
    "of the run, over the default": ("", "params: [{name: x, default: own}], ", "$(params.x)"),
    "of the run, not declared": ("", "", None),
}


@pytest.mark.parametrize("case", SCOPES)
def test_nearest_param_of_an_embedded_task_wins(compiled, task_of, case):
    given, declared, expected = SCOPES[case]
    compilation = compiled(
        run(f"""
params: [{{name: x, value: run}}]
pipelineSpec:
  tasks:
  - name: a
    {given}
    taskSpec: {{{declared}steps: [{{image: "$(params.x)", script: echo $(params.x)}}]}}
""")
    )
    assert {param.name: param.value for param in task_of(compilation, "a").params} == (
        {"x": expected} if expected else {}
    )
    container = compilation.pod["spec"]["containers"][0]
    assert container["image"] == (expected if expected == "task" else "run")


def test_unknown_param_hides_an_outer_param(problems):
    text = run("""
params: [{name: x, value: run}]
pipelineSpec:
  tasks:
  - name: a
    taskSpec: {results: [{name: r}], steps: [{image: i, script: x}]}
  - name: b
    params: [{name: x, value: $(tasks.a.results.r)}]
    taskSpec: {steps: [{image: "$(params.x)", script: x}]}
""")
    assert problems(text) == [
        "p.yaml:12:34: spec.pipelineSpec.tasks[1].taskSpec.steps[0].image: $(params.x) is known only while running, but "
        "this is part of the Pod, which is made before; use a param of the run, or a fixed value"
    ]


def test_defaults_may_refer_to_other_params(compiled):
    compilation = compiled(
        """
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p}
        spec:
          params:
          - {name: image, default: "$(params.registry)/app:$(params.tags[0])"}
          - {name: registry, default: example.com}
          - {name: tags, type: array, default: ["$(params.version)", latest]}
          - {name: version}
          tasks:
          - {name: a, taskSpec: {steps: [{image: "$(params.image)", script: x}]}}
        """,
        params=(("version", "1"),),
    )
    assert compilation.pod["spec"]["containers"][0]["image"] == "example.com/app:1"


def test_objects_are_completed_key_by_key(compiled, task_of):
    compilation = compiled(
        """
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p}
        spec:
          params: [{name: repo, type: object, properties: {url: {}, ref: {}}, default: {url: u, ref: main}}]
          tasks:
          - {name: a, params: [{name: repo, value: "$(params.repo[*])"}], taskRef: {name: t}}
          - {name: b, params: [{name: repo, value: {url: other}}], taskRef: {name: t}}
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t}
        spec:
          params: [{name: repo, properties: {url: {}, ref: {}, depth: {}}, default: {ref: dev, depth: "1"}}]
          steps: [{image: "$(params.repo.url):$(params.repo.ref)-$(params.repo.depth)", script: x}]
        """,
        params=(("repo", "ref:v1"),),
    )
    assert task_of(compilation, "a").params == (
        Param("repo", {"ref": "$(params.repo.ref)", "depth": "1", "url": "$(params.repo.url)"}),
    )
    assert [each["image"] for each in compilation.pod["spec"]["containers"]] == ["u:v1-1", "other:dev-1"]


def test_param_values_may_contain_variables_of_their_task(compiled, task_of):
    compilation = compiled(
        run("""
workspaces: [{name: source, emptyDir: {}}]
pipelineSpec:
  tasks:
  - name: a
    params:
    - {name: directory, value: "$(workspaces.source.path)/src of $(context.taskRun.name)"}
    taskSpec: {steps: [{image: i, script: ls $(params.directory) $(workspaces.source.path)}]}
""")
    )
    assert task_of(compilation, "a").params == (Param("directory", "/workspace/source/src of run-a"),)


def test_param_values_may_contain_the_number_of_the_attempt(compiled, task_of):
    compilation = compiled(
        run("""
pipelineSpec:
  tasks:
  - name: a
    retries: 1
    params: [{name: attempt, value: "$(context.task.retry-count) of $(context.pipelineTask.retries)"}]
    taskSpec: {steps: [{image: i, script: echo $(params.attempt)}]}
""")
    )
    (param,) = task_of(compilation, "a").params
    assert param == Param("attempt", "$(context.task.retry-count) of $(context.pipelineTask.retries)")
    assert compilation.warnings == ()


def test_options_take_precedence_and_are_in_the_document(compiled):
    compilation = compiled(
        run("""
params: [{name: list, value: [a]}, {name: text, value: a}]
pipelineSpec:
  params: [{name: list, type: array}, {name: text}]
  tasks: [{name: a, taskSpec: {steps: [{image: i, command: [echo, "$(params.list[*])"]}]}}]
"""),
        params=(("list", "b,c"), ("text", "$(params.list[0]) = x")),
    )
    assert compilation.plan.pipeline.params == (Param("list", ("b", "c")), Param("text", "$(params.list[0]) = x"))
    assert compilation.plan.document["spec"]["params"] == [
        {"name": "list", "value": ["b", "c"]},
        {"name": "text", "value": "$(params.list[0]) = x"},
    ]


def test_a_task_embedded_in_its_run_has_the_variables_that_it_uses(compiled):
    (task,) = compiled(
        """
        apiVersion: tekton.dev/v1
        kind: TaskRun
        metadata: {name: once}
        spec:
          workspaces: [{name: out, emptyDir: {}}]
          taskSpec:
            results: [{name: next}]
            workspaces: [{name: out}]
            steps: [{image: i, script: echo $(workspaces.out.path) > $(results.next.path)}]
        """
    ).plan.pipeline.tasks
    fixed = dict(task.variables)
    assert fixed["results.next.path"] == "/tekton/results/next"
    assert fixed["workspaces.out.path"] == "/workspace/out"


def test_run_is_generated_for_a_bare_task(compiled):
    compilation = compiled(
        """
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: hello}
        spec:
          params: [{name: who, default: world}]
          workspaces: [{name: out}]
          steps: [{image: i, script: echo $(params.who)}]
        """,
        workspaces=(("out", "pvc:data"),),
    )
    assert compilation.plan.document == {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"generateName": "hello-run-"},
        "spec": {
            "taskRef": {"name": "hello"},
            "workspaces": [{"name": "out", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    }
    assert compilation.plan.pipeline.tasks[0].timeout == 3600
    assert compilation.plan.pipeline.tasks[0].params == (Param("who", "world"),)
    assert compilation.warnings == ()


# Order


def test_order_comes_from_run_after_and_from_results(compiled, task_of):
    compilation = compiled(
        run("""
pipelineSpec:
  tasks:
  - {name: a, taskSpec: {results: [{name: r}], steps: [{image: i, script: x}]}}
  - {name: b, taskSpec: {results: [{name: r}], steps: [{image: i, script: x}]}}
  - name: c
    runAfter: [a]
    when: [{input: $(tasks.b.results.r), operator: in, values: [x]}]
    taskSpec: {steps: [{image: i, script: x}]}
  - {name: d, taskSpec: {steps: [{image: i, script: "echo $(tasks.b.results.r) $(tasks.a.results.r)"}]}}
  finally:
  - {name: z, taskSpec: {steps: [{image: i, script: "echo $(tasks.a.results.r) $(tasks.c.status)"}]}}
""")
    )
    order = {name: (task_of(compilation, name).after, task_of(compilation, name).result_sources) for name in "abcdz"}
    assert order == {
        "a": ((), ()),
        "b": ((), ()),
        "c": (("a", "b"), ("b",)),
        "d": (("b", "a"), ("b", "a")),
        "z": ((), ("a",)),
    }


# Steps


MERGES = {
    "mappings are merged": (
        {"securityContext": {"runAsUser": 1, "capabilities": {"add": ["A"]}}},
        {"securityContext": {"runAsUser": 2, "runAsGroup": 3}},
        {"securityContext": {"runAsUser": 2, "runAsGroup": 3, "capabilities": {"add": ["A"]}}},
    ),
    "env by name": (
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
        {"env": [{"name": "C", "value": "2"}, {"name": "A", "valueFrom": {}}]},
        {"env": [{"name": "A", "valueFrom": {}}, {"name": "B", "value": "1"}, {"name": "C", "value": "2"}]},
    ),
    "mounts by path": (
        {"volumeMounts": [{"name": "a", "mountPath": "/x"}, {"name": "a", "mountPath": "/y"}]},
        {"volumeMounts": [{"name": "b", "mountPath": "/x"}]},
        {"volumeMounts": [{"name": "b", "mountPath": "/x"}, {"name": "a", "mountPath": "/y"}]},
    ),
    "other lists are replaced": ({"args": ["a", "b"]}, {"args": ["c"]}, {"args": ["c"]}),
    "what is empty is not given": (
        {"image": "a", "args": ["x"]},
        {"image": "", "args": []},
        {"image": "a", "args": ["x"]},
    ),
}


@pytest.mark.parametrize("case", MERGES)
def test_step_template_completes_a_step(case):
    template, step, expected = MERGES[case]
    assert merge_template(template, step) == expected


def test_late_environment_moves_with_its_users(compiled, task_of, container_of):
    compilation = compiled("""
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t}
        spec:
          params: [{name: price, default: "5$"}]
          steps:
          - name: s
            image: i
            script: x
            env:
            - {name: A, value: fixed}
            - {name: B, value: "$(context.taskRun.name)"}
            - {name: C, value: "$(A)$(B)"}
            - {name: D, value: "$(A) $(params.price)"}
            - {name: E, value: "$(C)"}
            - {name: F, valueFrom: {fieldRef: {fieldPath: "metadata.labels['$(params.price)']"}}}
        """)
    container = container_of(compilation, "t-s")
    assert [entry for entry in container["env"] if entry["name"] != "HOME"] == [
        {"name": "A", "value": "fixed"},
        {"name": "D", "value": "$(A) 5$$"},
        {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['5$']"}}},
    ]
    assert task_of(compilation, "t").steps[0].environment == (
        ("B", "$(context.taskRun.name)"),
        ("C", "$(A)$(B)"),
        ("E", "$(C)"),
    )


def test_equal_volumes_are_shared(compiled):
    compilation = compiled(
        run("""
pipelineSpec:
  tasks:
  - name: a
    taskSpec: &task
      volumes: [{name: scratch}, {name: config, configMap: {name: settings}}]
      steps:
      - image: i
        script: x
        volumeMounts: [{name: scratch, mountPath: /scratch}, {name: config, mountPath: /config, readOnly: true}]
  - {name: b, taskSpec: *task}
""")
    )
    first, second = (mounts(container) for container in compilation.pod["spec"]["containers"])
    assert first["/config"] == second["/config"]
    assert first["/scratch"]["name"] != second["/scratch"]["name"]
    volumes = {volume["name"]: volume for volume in compilation.pod["spec"]["volumes"]}
    assert volumes[first["/scratch"]["name"]]["emptyDir"] == {}
    assert volumes[first["/config"]["name"]]["configMap"] == {"name": "settings"}


# Workspaces


def test_mount_paths_of_workspaces(compiled, task_of, container_of):
    compilation = compiled("""
        apiVersion: tekton.dev/v1
        kind: PipelineRun
        metadata: {name: run}
        spec:
          params: [{name: claim, value: disk}]
          pipelineRef: {name: p}
          workspaces:
          - {name: code, subPath: team, persistentVolumeClaim: {claimName: $(params.claim)}}
          - {name: key, secret: {secretName: deploy-key}}
          - name: big
            volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}}
        ---
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: p}
        spec:
          params: [{name: claim}]
          workspaces: [{name: code}, {name: key}, {name: big}, {name: cache, optional: true}]
          tasks:
          - name: a
            taskRef: {name: t}
            workspaces:
            - {name: source, workspace: code, subPath: $(params.claim)/src}
            - {name: key}
            - {name: big}
            - {name: cache}
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t}
        spec:
          workspaces:
          - {name: source, mountPath: /src, readOnly: true}
          - {name: key}
          - {name: big}
          - {name: cache, optional: true}
          steps:
          - {name: one, image: i, script: "ls $(workspaces.source.path) $(workspaces.cache.path)"}
          - name: two
            image: i
            script: cat $(workspaces.key.path) $(workspaces.source.claim) $(workspaces.cache.bound)
            workspaces: [{name: key, mountPath: /key}]
        """)
    one, two = (mounts(container_of(compilation, f"a-{name}")) for name in ("one", "two"))
    volumes = {volume["name"]: volume for volume in compilation.pod["spec"]["volumes"]}
    assert set(one) == {"/src", "/workspace/big"}
    assert set(two) == {"/src", "/workspace/big", "/key"}
    assert one["/src"] == {
        "name": "workspace-code",
        "mountPath": "/src",
        "subPath": "team/disk/src",
        "readOnly": True,
    }
    assert volumes["workspace-code"]["persistentVolumeClaim"] == {"claimName": "disk"}
    assert volumes["workspace-key"]["secret"] == {"secretName": "deploy-key"}
    assert volumes["workspace-big"]["emptyDir"] == {"sizeLimit": "5Gi"}
    task = task_of(compilation, "a")
    assert dict(task.variables) == {
        "workspaces.source.path": "/src",
        "workspaces.source.claim": "disk",
        "workspaces.key.path": "/workspace/key",
        "workspaces.cache.path": "",
        "workspaces.cache.bound": "false",
    }
    assert task.steps[1].variables == (("workspaces.key.path", "/key"),)
    assert ("workspaces.cache.bound", "false") in compilation.plan.pipeline.variables


def test_embedded_tasks_see_outer_workspaces(compiled, task_of):
    compilation = compiled(
        run("""
workspaces: [{name: shared, emptyDir: {}}, {name: other, emptyDir: {}}]
pipelineSpec:
  tasks:
  - {name: a, taskSpec: {steps: [{image: i, script: ls $(workspaces.shared.path)}]}}
""")
    )
    assert task_of(compilation, "a").variables == (("workspaces.shared.path", "/workspace/shared"),)
    assert mounts(compilation.pod["spec"]["containers"][0]) == {
        "/workspace/shared": {"name": "workspace-shared", "mountPath": "/workspace/shared"}
    }
    assert "workspace-other" not in {volume["name"] for volume in compilation.pod["spec"]["volumes"]}


# Fan-out


def matrix_run(matrix: str, step: str, *, metadata: str = "{}") -> str:
    """Return a run of a Task with a matrix, after a Task with an array Result."""
    return run(f"""
pipelineSpec:
  tasks:
  - {{name: list, taskSpec: {{results: [{{name: all, type: array}}], steps: [{{image: i, script: x}}]}}}}
  - name: m
    matrix: {matrix}
    taskSpec:
      metadata: {metadata}
      params: [{{name: os}}, {{name: url, default: none}}]
      steps: [{step}]
""")


STATIC = "{params: [{name: os, value: [linux, mac]}], include: [{name: i, params: [{name: os, value: mac}, {name: url, value: u}]}]}"


def test_matrix_has_a_slot_for_each_combination(compiled, task_of):
    task = task_of(compiled(matrix_run(STATIC, "{name: s, image: i, script: $(params.os)}")), "m")
    assert [slot.name for slot in task.slots] == ["m-0", "m-1"]
    include = MatrixInclude("i", (Param("os", "mac"), Param("url", "u")))
    assert task.matrix == Matrix((Param("os", ("linux", "mac")),), (include,), pinned=False)
    assert task.params == (Param("url", "none"),)


def test_slots_are_pinned_if_the_pod_depends_on_the_combination(compiled, task_of):
    compilation = compiled(matrix_run(STATIC, '{name: s, image: "i:$(params.os)-$(params.url)", script: x}'))
    task = task_of(compilation, "m")
    assert task.matrix is not None
    assert task.matrix.pinned
    images = {each["name"]: each["image"] for each in compilation.pod["spec"]["containers"]}
    assert [images[slot.containers[0]] for slot in task.slots] == ["i:linux-none", "i:mac-u"]


def test_environment_of_a_matrix_does_not_pin(compiled, task_of):
    step = "{name: s, image: i, script: x, env: [{name: OS, value: $(params.os)}]}"
    task = task_of(compiled(matrix_run(STATIC, step)), "m")
    assert task.matrix is not None
    assert not task.matrix.pinned
    assert task.steps[0].environment == (("OS", "$(params.os)"),)


DYNAMIC = "{params: [{name: os, value: '$(tasks.list.results.all[*])'}]}"


@pytest.mark.parametrize(
    ("matrix", "metadata", "options", "count"),
    [
        (DYNAMIC, "{}", {}, 4),
        (DYNAMIC, "{annotations: {monopod.dev/max-concurrency: '7'}}", {"max_concurrency": 3}, 7),
        (DYNAMIC, "{}", {"max_concurrency": 3}, 3),
        (STATIC, "{annotations: {monopod.dev/max-concurrency: '1'}}", {}, 1),
        (STATIC, "{}", {"max_concurrency": 9}, 2),
    ],
)
def test_number_of_slots(compiled, task_of, matrix, metadata, options, count):
    task = task_of(compiled(matrix_run(matrix, "{image: i, script: x}", metadata=metadata), **options), "m")
    assert len(task.slots) == count
    assert task.after == (("list",) if matrix is DYNAMIC else ())


def test_dynamic_matrix_cannot_select_images(problems):
    assert problems(matrix_run(DYNAMIC, '{image: "i:$(params.os)", script: x}')) == [
        "p.yaml:13:25: spec.pipelineSpec.tasks[1].taskSpec.steps[0].image: $(params.os) is known only while running, but "
        "this is part of the Pod, which is made before; use a param of the run, or a fixed value"
    ]


# StepActions and Sidecars


def test_step_action_replaces_its_step(compiled, task_of, container_of):
    compilation = compiled("""
        apiVersion: tekton.dev/v1beta1
        kind: StepAction
        metadata: {name: greet}
        spec:
          params: [{name: who}, {name: how, default: loudly}, {name: what}]
          results: [{name: said}]
          image: greeter:$(params.how)
          env: [{name: WHO, value: $(params.who)}, {name: WHAT, value: $(params.what)}]
          script: echo hello $WHO > $(step.results.said.path)
        ---
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {name: t}
        spec:
          params: [{name: what, default: of the Task}]
          stepTemplate: {env: [{name: LANG, value: C}]}
          results: [{name: said, value: $(steps.second.results.said)}]
          steps:
          - {name: first, ref: {name: greet}, params: [{name: who, value: you}, {name: what, value: "1"}]}
          - name: second
            ref: {name: greet}
            when: [{input: $(steps.first.results.said), operator: notin, values: [""]}]
            params: [{name: who, value: $(steps.first.results.said)}, {name: what, value: $(steps.first.results.said)}]
        """)
    task = task_of(compilation, "t")
    second = task.steps[1]
    assert {param.name: param.value for param in second.params} == {
        "who": "$(steps.first.results.said)",
        "what": "$(steps.first.results.said)",
        "how": "loudly",
    }
    assert second.environment == (("WHO", "$(step.params.who)"), ("WHAT", "$(step.params.what)"))
    assert second.variables == (("step.results.said.path", "/tekton/steps/step-second/results/said"),)
    assert second.results[0].name == "said"
    assert task.results[0].value == "$(steps.second.results.said)"
    container = container_of(compilation, "t-first")
    assert container["image"] == "greeter:loudly"
    assert {entry["name"]: entry["value"] for entry in container["env"]} == {
        "HOME": "/tekton/home",
        "LANG": "C",
        "WHO": "you",
        "WHAT": "1",
    }


PROBES = {
    "exec: {command: [ready]}": Probe(command=("ready",)),
    "httpGet: {port: web, path: /ok, httpHeaders: [{name: A, value: b}]}": Probe(
        http_url="http://127.0.0.1:8080/ok", http_headers=(("A", "b"),)
    ),
    "httpGet: {port: 443, scheme: HTTPS, host: example.com}, periodSeconds: 2": Probe(
        http_url="https://example.com:443/", period=2
    ),
    "tcpSocket: {port: web}, failureThreshold: 5": Probe(tcp_port=8080, failure_threshold=5),
}


@pytest.mark.parametrize("probe", PROBES)
def test_readiness_probe_of_a_sidecar(compiled, task_of, probe):
    compilation = compiled(f"""
        apiVersion: tekton.dev/v1
        kind: Task
        metadata: {{name: t}}
        spec:
          sidecars:
          - name: s
            image: i
            command: [serve]
            ports: [{{name: web, containerPort: 8080}}]
            readinessProbe: {{{probe}}}
          steps: [{{name: s, image: i, script: x}}]
        """)
    task = task_of(compilation, "t")
    assert task.sidecars[0].readiness == PROBES[probe]
    assert task.slots[0].containers == ("t-s",)
    assert task.slots[0].sidecars == ("t-sidecar-s",)


# Pipelines in Pipelines, timeouts, the Pod


def test_nested_pipeline(compiled, task_of):
    compilation = compiled(
        """
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: outer}
        spec:
          params: [{name: repo}]
          workspaces: [{name: code}]
          tasks:
          - name: security-scans
            timeout: 5m
            pipelineRef: {name: scans}
            params: [{name: url, value: $(params.repo)}]
            workspaces: [{name: source, workspace: code}]
          - {name: report, taskSpec: {steps: [{image: i, script: echo $(tasks.security-scans.results.found)}]}}
        ---
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: scans}
        spec:
          params: [{name: url}]
          workspaces: [{name: source}]
          results: [{name: found, value: $(tasks.codeql.results.found)}]
          tasks:
          - name: codeql
            taskSpec:
              results: [{name: found}]
              steps: [{name: scan, image: "$(params.url)", script: ls $(workspaces.source.path)}]
          finally:
          - name: clean
            pipelineSpec: {tasks: [{name: up, taskSpec: {steps: [{image: "x:$(params.url)", script: x}]}}]}
        """,
        params=(("repo", "r"),),
        workspaces=(("code", "emptyDir"),),
    )
    scans = task_of(compilation, "security-scans")
    assert scans.params == (Param("url", "$(params.repo)"),)
    assert scans.pipeline is not None
    assert scans.pipeline.timeout == 300
    assert task_of(compilation, "report").after == ("security-scans",)
    assert task_of(compilation, "security-scans/codeql").slots[0].name == "security-scans-codeql"
    assert task_of(compilation, "security-scans/clean").params == (Param("url", "$(params.url)"),)
    images = {each["name"]: each["image"] for each in compilation.pod["spec"]["containers"]}
    assert images["security-scans-codeql-scan"] == "r"
    assert images["security-scans-clean-up-unnamed-0"] == "x:r"


def test_pipeline_cannot_contain_itself(problems):
    text = """
        apiVersion: tekton.dev/v1
        kind: Pipeline
        metadata: {name: NAME}
        spec: {tasks: [{name: a, pipelineRef: {name: OTHER}}]}
        ---
        """
    found = problems(
        text.replace("NAME", "p").replace("OTHER", "q") + text.replace("NAME", "q").replace("OTHER", "p"), name="p"
    )
    assert found == ["p.yaml:11:46: spec.tasks[0].pipelineRef.name: the Pipeline contains itself: p → q → p"]


TIMEOUTS = {
    "": (3600, None, None),
    "timeouts: {pipeline: '0'}": (None, None, None),
    "timeouts: {pipeline: 10m, tasks: 8m}": (600, 480, 120),
    "timeouts: {pipeline: 10m, finally: 1m}": (600, 540, 60),
    "timeouts: {finally: 10m}": (3600, 3000, 600),
}


@pytest.mark.parametrize("timeouts", TIMEOUTS)
def test_timeouts_of_a_run(compiled, timeouts):
    pipeline = compiled(
        run(f"{timeouts}\npipelineSpec: {{tasks: [{{name: a, taskSpec: {{steps: [{{image: i, script: x}}]}}}}]}}")
    ).plan.pipeline
    assert (pipeline.timeout, pipeline.tasks_timeout, pipeline.finally_timeout) == TIMEOUTS[timeouts]


TWO_TASKS = """
pipelineSpec:
  tasks:
  - {name: a, taskSpec: &task {steps: [{name: s, image: i, script: x}, {name: t, image: i, script: x}]}}
  - {name: b, timeout: 1m, taskSpec: *task}
"""


def test_pod_settings_of_tasks_are_merged(compiled, container_of, task_of):
    compilation = compiled(
        run(f"""{TWO_TASKS}
taskRunTemplate:
  serviceAccountName: builder
  podTemplate: {{nodeSelector: {{disk: ssd}}, env: [{{name: A, value: "1"}}], tolerations: [{{key: x}}]}}
taskRunSpecs:
- pipelineTaskName: b
  timeout: 30s
  computeResources: {{requests: {{cpu: "1", memory: 1Gi}}, limits: {{memory: 2Gi}}}}
  podTemplate:
    nodeSelector: {{arch: arm64}}
    tolerations: [{{key: x}}, {{key: z}}]
    securityContext: {{runAsUser: 7, fsGroup: 8}}
""")
    )
    spec = compilation.pod["spec"]
    assert spec["serviceAccountName"] == "builder"
    assert spec["nodeSelector"] == {"disk": "ssd", "arch": "arm64"}
    assert spec["tolerations"] == [{"key": "x"}, {"key": "z"}]
    assert spec["securityContext"] == {"fsGroup": 8}
    first, second = container_of(compilation, "a-s"), container_of(compilation, "b-s")
    assert {"name": "A", "value": "1"} in first["env"]
    assert "securityContext" not in first
    assert second["securityContext"] == {"runAsUser": 7}
    assert second["resources"]["limits"] == {"memory": "2Gi"}
    assert task_of(compilation, "b").timeout == 30


def test_conflicting_pod_settings_are_refused(problems):
    assert problems(
        run(f"""{TWO_TASKS}
taskRunTemplate: {{serviceAccountName: builder}}
taskRunSpecs:
- {{pipelineTaskName: a, podTemplate: {{nodeSelector: {{arch: amd64}}}}}}
- {{pipelineTaskName: b, serviceAccountName: deployer, podTemplate: {{nodeSelector: {{arch: arm64}}}}}}
- {{pipelineTaskName: bb}}
""")
    ) == [
        "p.yaml:13:47: spec.taskRunSpecs[1].serviceAccountName: the run is one Pod, whose serviceAccountName cannot be both "
        '"builder" and "deployer"; give all Tasks the same',
        "p.yaml:13:92: spec.taskRunSpecs[1].podTemplate.nodeSelector.arch: the run is one Pod, whose nodeSelector.arch "
        'cannot be both "amd64" and "arm64"; give all Tasks the same',
        "p.yaml:14:24: spec.taskRunSpecs[2].pipelineTaskName: there is no Task 'bb' (did you mean 'b'?)",
    ]


def test_pod_contains_the_plan(compiled):
    compilation = compiled(matrix_run(STATIC, '{name: s, image: "i:$(params.os)", script: x}'))
    assert plan_of(compilation.pod) == compilation.plan


PROGRAM = """
import json, sys
from monopod.compiler.compilation import compile_runs
from monopod.compiler.options import Options
from monopod.compiler.documents.documents import load
print(json.dumps(compile_runs(load(["p.yaml"]), Options())[0].pod))
"""


@pytest.mark.slow
def test_the_same_input_gives_the_same_pod(compiled):
    compiled(matrix_run(STATIC, '{name: s, image: "i:$(params.os)", script: "$(params.url) $(context.taskRun.name)"}'))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
