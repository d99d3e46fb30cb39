"""Furiko's Jobs and JobConfigs: what each field becomes, what is refused, and where problems are reported."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from importing import (
    assert_problem,
    assert_untranslated,
    compilation_of,
    converted,
    found_in,
    problems_of,
    untranslated,
)

from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.pod.indexed_job import Shards
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.workload import Workload
from monopod.compiler.shards import compile_shards
from monopod.schemas.foreign import furiko

CONTAINER: dict[str, Any] = {"name": "c", "image": "busybox", "command": ["true"]}
JOB: dict[str, Any] = {
    "apiVersion": "execution.furiko.io/v1alpha1",
    "kind": "Job",
    "metadata": {"name": "j"},
    "spec": {"template": {"taskTemplate": {"pod": {"spec": {"containers": [CONTAINER]}}}}},
}
CONFIG: dict[str, Any] = {
    "apiVersion": "execution.furiko.io/v1alpha1",
    "kind": "JobConfig",
    "metadata": {"name": "c"},
    "spec": {
        "concurrency": {"policy": "Forbid"},
        "schedule": {"cron": {"expression": "0 3 * * *"}},
        "option": {
            "options": [
                {"type": "String", "name": "user", "label": "Who", "required": True},
                {"type": "Select", "name": "tag", "select": {"values": ["a", "b"], "default": "a"}},
                {"type": "Bool", "name": "dry.run", "bool": {"format": "YesNo"}},
            ]
        },
        "template": {
            "metadata": {"labels": {"of": "jobs"}, "annotations": {"note": "hello"}},
            "spec": {"taskTemplate": {"pod": {"metadata": {"labels": {"of": "pods"}}, "spec": {"containers": []}}}},
        },
    },
}


def job(pod: dict[str, Any] | None = None, template: dict[str, Any] | None = None, **spec: Any) -> str:
    """Return the text of a Job with these fields of its Pod, its template and its spec."""
    document = copy.deepcopy(JOB)
    document["spec"]["template"] |= template or {}
    document["spec"]["template"]["taskTemplate"]["pod"]["spec"] |= pod or {}
    return yaml.safe_dump({**document, "spec": {**document["spec"], **spec}}, sort_keys=False)


def config(*args: str, **spec: Any) -> str:
    """Return the text of a JobConfig whose container has these args."""
    document = copy.deepcopy(CONFIG)
    container = {**CONTAINER, "args": list(args)} if args else CONTAINER
    document["spec"]["template"]["spec"]["taskTemplate"]["pod"]["spec"]["containers"] = [container]
    return yaml.safe_dump({**document, "spec": {**document["spec"], **spec}}, sort_keys=False)


def job_of_config(*args: str, **spec: Any) -> str:
    """Return the text of a JobConfig, and of a Job that refers to it."""
    document = {**JOB, "spec": {"configName": "c", **spec}}
    return config(*args) + "---\n" + yaml.safe_dump(document, sort_keys=False)


def task_of(text: str) -> dict[str, Any]:
    (task,) = converted(text)[0]["spec"]["pipelineSpec"]["tasks"]
    return task


def args_of(*args: str, **options: Any) -> list[str]:
    """Return what the args of the container of a Job become."""
    return task_of(job({"containers": [{**CONTAINER, "args": list(args)}]}, **options))["taskSpec"]["steps"][0]["args"]


class TestJobs:
    def test_a_job_without_a_config(self):
        text = job(template={"maxAttempts": 3}, ttlSecondsAfterFinished=90)
        (run,) = converted(text)
        step = {"name": "c", "image": "busybox", "command": ["true"]}
        assert run["metadata"] == {"name": "j", "annotations": {"monopod.dev/ttl": "1m30s"}}
        assert run["spec"] == {
            "pipelineSpec": {"tasks": [{"name": "task", "retries": 2, "taskSpec": {"steps": [step]}}]},
            "timeouts": {"pipeline": "0s"},
        }

    def test_the_ttl_is_of_the_kubernetes_job(self):
        compilation = compilation_of(job(ttlSecondsAfterFinished=90), workload=Workload("Job"))
        assert compilation.workload["spec"]["ttlSecondsAfterFinished"] == 90

    def test_init_containers_come_first(self):
        first = {**CONTAINER, "name": "first", "resources": {"limits": {"cpu": "1"}}}
        task = task_of(job({"initContainers": [first]}))
        assert [step["name"] for step in task["taskSpec"]["steps"]] == ["first", "c"]
        assert task["taskSpec"]["steps"][0]["computeResources"] == {"limits": {"cpu": "1"}}

    def test_the_fields_of_the_pod(self):
        pod = {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{**CONTAINER, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "serviceAccountName": "robot",
            "nodeSelector": {"disk": "ssd"},
            "activeDeadlineSeconds": 60,
        }
        text = job(pod)
        (run,) = converted(text)
        assert run["spec"]["taskRunTemplate"] == {
            "serviceAccountName": "robot",
            "podTemplate": {"nodeSelector": {"disk": "ssd"}},
        }
        (task,) = run["spec"]["pipelineSpec"]["tasks"]
        assert task["timeout"] == "60s"
        assert task["taskSpec"]["volumes"] == pod["volumes"]
        assert task["taskSpec"]["steps"][0]["volumeMounts"] == [{"name": "v", "mountPath": "/v"}]
        assert found_in(text) == []

    def test_the_old_name_of_the_service_account(self):
        assert converted(job({"serviceAccount": "robot"}))[0]["spec"]["taskRunTemplate"] == {
            "serviceAccountName": "robot"
        }

    def test_a_delay_before_a_retry(self):
        text = job(template={"maxAttempts": 2, "retryDelaySeconds": 90, "parallelism": {"withCount": 2}})
        compilation = compilation_of(text)
        (task,) = compilation.plan.pipeline.tasks
        assert (task.retries, task.retry_delay) == (1, 90.0)
        assert "monopod.dev/retry-delay" not in compilation.pod["metadata"]["annotations"]

    def test_a_delay_without_a_retry_is_reported(self):
        (problem,) = problems_of(job(template={"retryDelaySeconds": 90}))
        assert "spec.template.retryDelaySeconds: the Task has no retries, so this has no effect" in problem


class TestParallelism:
    def test_a_count(self):
        task = task_of(job(template={"parallelism": {"withCount": 3}}))
        assert task["matrix"] == {"params": [{"name": "index_num", "value": ["0", "1", "2"]}]}
        assert task["taskSpec"]["params"] == [{"name": "index_num", "type": "string"}]

    def test_keys(self):
        task = task_of(job(template={"parallelism": {"withKeys": ["go", "c++"]}}))
        assert task["matrix"] == {"params": [{"name": "index_key", "value": ["go", "c++"]}]}

    @pytest.mark.parametrize(
        ("strategy", "field"), [("AllSuccessful", "maxFailedIndexes"), ("AnySuccessful", "successPolicy")]
    )
    @pytest.mark.parametrize("kind", ["Job", "JobConfig"])
    @pytest.mark.parametrize(
        ("parallelism", "name", "count"),
        [
            ({"withCount": 3}, "index_num", 3),
            ({"withKeys": ["go", "c++"]}, "index_key", 2),
            ({"withMatrix": {"os": ["linux", "darwin"], "arch": ["amd64"]}}, "os", 2),
        ],
    )
    def test_each_index_can_have_a_pod_of_its_own(
        self, strategy: str, field: str, kind: str, parallelism: dict[str, Any], name: str, count: int, tmp_path: Path
    ):
        parallelism = {**parallelism, "completionStrategy": strategy}
        template = copy.deepcopy(CONFIG["spec"]["template"])
        template["spec"]["taskTemplate"]["pod"]["spec"]["containers"] = [CONTAINER]
        template["spec"]["parallelism"] = parallelism
        text = job({}, {"parallelism": parallelism}) if kind == "Job" else config(template=template, option={})
        (tmp_path / "job.yaml").write_text(text)
        options = Options(workload=Workload("Job", shards=Shards(by=name)), kube_version=KubeVersion(1, 36))
        documents = load([str(tmp_path / "job.yaml")], split=name)
        spec = compile_shards(documents, options, options.workload.shards).workload["spec"]
        assert spec["completions"] == count
        assert field in spec

    @pytest.mark.parametrize(
        ("strategy", "fail_fast", "completion"),
        [({}, True, "all"), ({"completionStrategy": "AllSuccessful"}, True, "all"),
         ({"completionStrategy": "AnySuccessful"}, False, "any")],
    )  # fmt: skip
    def test_when_the_tasks_end(self, strategy: dict[str, str], fail_fast: bool, completion: str):
        text = job(template={"parallelism": {"withCount": 2, **strategy}})
        compilation = compilation_of(text)
        matrix = compilation.plan.pipeline.tasks[0].matrix
        assert (matrix.fail_fast, matrix.completion) == (fail_fast, completion)

    def test_a_matrix_has_furikos_order(self):
        matrix = {"os": ["linux", "darwin"], "arch": ["amd64", "arm64"]}
        container = {**CONTAINER, "image": "busybox:${task.index_matrix.os}-${task.index_matrix.arch}"}
        parallelism = {"withMatrix": matrix, "completionStrategy": "AllSuccessful"}
        text = job({"containers": [container]}, {"parallelism": parallelism})
        compilation = compilation_of(text)
        images = [each["image"] for each in compilation.pod["spec"]["containers"] if "busybox" in each["image"]]
        assert images == ["busybox:linux-amd64", "busybox:darwin-amd64", "busybox:linux-arm64", "busybox:darwin-arm64"]

    def test_an_index_and_an_option_may_have_one_name(self):
        template = copy.deepcopy(CONFIG["spec"]["template"])
        template["spec"]["taskTemplate"]["pod"]["spec"]["containers"] = [
            {**CONTAINER, "args": ["${option.user} ${task.index_matrix.user} ${task.index_matrix.1st}"]}
        ]
        template["spec"]["parallelism"] = {"withMatrix": {"user": ["a"], "1st": ["b"]}}
        (task,) = converted(config(template=template))[0]["spec"]["tasks"]
        assert task["taskSpec"]["steps"][0]["args"] == ["$(params.user) $(params.user_) $(params._1st)"]


class TestVariables:
    def test_of_the_job_and_its_task(self):
        assert args_of("${job.name} ${job.namespace} ${job.type}", "${task.name} ${task.retry_index}") == [
            "$(context.pipelineRun.name) $(context.pipelineRun.namespace) Adhoc",
            "$(context.taskRun.name) 0",
        ]
        retried = args_of("${task.retry_index} of ${job.max_attempts}", template={"maxAttempts": 5})
        assert retried == ["$(context.task.retry-count) of 5"]

    def test_of_the_index(self):
        assert args_of("${task.index_num}") == ["0"]
        assert args_of("${task.index_num}", template={"parallelism": {"withCount": 2}}) == ["$(params.index_num)"]

    def test_unknown_ones_become_empty_and_others_stay(self):
        text = "[${task.index_key}${option.x}${jobconfig.name}] ${HOME} ${other.x} $(date)"
        assert args_of(text) == ["[] ${HOME} ${other.x} $(date)"]

    def test_an_unknown_one_is_reported(self):
        text = job({"containers": [{**CONTAINER, "args": ["${task.retry_indx}"]}]})
        (problem,) = problems_of(text)
        assert problem.endswith(
            "args[0]: '${task.retry_indx}' becomes empty: unknown variable (did you mean 'task.retry_index'?)"
        )

    def test_they_are_replaced_only_where_furiko_replaces_them(self):
        container = {
            **CONTAINER,
            "workingDir": "/${job.type}",
            "env": [{"name": "${job.type}", "value": "${job.type}"}],
        }
        (step,) = task_of(job({"containers": [container]}))["taskSpec"]["steps"]
        assert (step["workingDir"], step["env"]) == ("/${job.type}", [{"name": "${job.type}", "value": "Adhoc"}])

    def test_substitutions_come_first(self):
        given = {"job.name": "mine", "option.user": "Ada of ${job.type}", "x": "z"}
        assert args_of("${job.name}, ${option.user} ${x}", substitutions=given) == ["mine, Ada of Adhoc z"]

    def test_the_command_line_sets_an_option_of_a_job_without_a_config(self):
        text = job({"containers": [{**CONTAINER, "args": ["${option.user}"]}]}, substitutions={"option.user": "Ada"})
        (run,) = converted(text, (("user", "Bob"),))
        assert run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"][0]["args"] == ["Bob"]
        assert found_in(text, params=(("user", "Bob"),)) == []


class TestJobConfigs:
    def test_a_config_is_a_pipeline_and_a_run_of_it(self):
        args = ("${option.user} ${option.tag} ${option.dry.run}", "${jobconfig.name}")
        pipeline, run = converted(config(*args))
        assert pipeline["metadata"] == {"name": "c", "labels": {"of": "pods"}, "annotations": {"note": "hello"}}
        assert pipeline["spec"]["params"] == [
            {"name": "user", "type": "string", "description": "Who"},
            {"name": "tag", "type": "string", "enum": ["", "a", "b"], "default": "a"},
            {"name": "dry.run", "type": "string", "default": "no"},
        ]
        (task,) = pipeline["spec"]["tasks"]
        assert task["taskSpec"]["steps"][0]["args"] == [
            '$(params.user) $(params.tag) $(params["dry.run"])',
            "c",
        ]
        assert run["metadata"]["generateName"] == "c-"
        assert run["spec"] == {"pipelineRef": {"name": "c"}, "timeouts": {"pipeline": "0s"}}

    def test_the_command_line_sets_its_options(self):
        run = converted(config(), (("user", "Ada"), ("dry.run", "true")))[1]
        assert run["spec"]["params"] == [{"name": "user", "value": "Ada"}, {"name": "dry.run", "value": "yes"}]
        assert [str(each) for each in found_in(config(), params=(("user", "Ada"), ("tag", "b")))] == []

    def test_a_required_option_needs_a_value(self):
        (problem,) = problems_of(config())
        assert "the Pipeline 'c' needs the param 'user'; give it with -p user=…" in problem

    def test_a_job_of_it_refers_to_the_pipeline(self):
        text = job_of_config(optionValues='user: Ada\n"dry.run": true')
        pipeline, template, run = converted(text)
        assert [pipeline["kind"], template["metadata"]["generateName"]] == ["Pipeline", "c-"]
        assert run["metadata"] == {"name": "j", "labels": {"of": "pods"}}
        assert run["spec"] == {
            "pipelineRef": {"name": "c"},
            "params": [{"name": "user", "value": "Ada"}, {"name": "dry.run", "value": "yes"}],
            "timeouts": {"pipeline": "0s"},
        }
        assert compilation_of(text).pod["metadata"]["name"] == "j"

    def test_the_job_may_come_first(self):
        first, second = job_of_config(optionValues="user: Ada").split("---\n")
        assert problems_of(f"{second}---\n{first}") == []

    def test_what_sets_an_option_more_than_once(self):
        text = job_of_config(optionValues="user: a", substitutions={"option.user": "b"})
        assert converted(text)[2]["spec"]["params"] == [{"name": "user", "value": "b"}]
        assert converted(text, (("user", "c"),))[2]["spec"]["params"] == [{"name": "user", "value": "c"}]

    def test_other_substitutions_are_written_into_the_job(self):
        text = job_of_config(
            "${jobconfig.name} ${option.tag}", substitutions={"jobconfig.name": "x", "option.user": "u"}
        )
        run = converted(text)[2]
        assert run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"][0]["args"] == ["x $(params.tag)"]
        assert problems_of(text) == []


SPEC: tuple[str | int, ...] = ("spec", "template")
PLACES = {
    furiko.FurikoJobSpec: (JOB, ("spec",)),
    furiko.FurikoStartPolicy: (JOB, ("spec", "startPolicy")),
    furiko.FurikoJobTemplate: (JOB, SPEC),
    furiko.FurikoMetadata: (JOB, (*SPEC, "taskTemplate", "pod", "metadata")),
    furiko.FurikoPodSpec: (JOB, (*SPEC, "taskTemplate", "pod", "spec")),
    furiko.FurikoSchedule: (yaml.safe_load(config()), ("spec", "schedule")),
}


@pytest.mark.parametrize("model", PLACES, ids=lambda model: model.__name__)
def test_untranslated_fields_are_reported(model):
    document, path = PLACES[model]
    for _, _, field, support in untranslated({model: path}):
        assert_untranslated(document, path, field, support, params=(("user", "u"),) if document is not JOB else ())


TEXT = """\
apiVersion: execution.furiko.io/v1alpha1
kind: JobConfig
metadata: {name: maker}
spec:
  concurrency: {policy: Forbid}
  option:
    options:
      - {type: Select, name: tag, select: {values: [a, b], default: a}}
      - {type: Bool, name: dry}
  template:
    spec:
      maxAttempts: 2
      parallelism: {withCount: 2}
      taskTemplate:
        pod:
          spec:
            containers:
              - name: make
                image: busybox
                command: [make]
---
apiVersion: execution.furiko.io/v1alpha1
kind: Job
metadata: {name: made}
spec:
  configName: maker
  optionValues: "tag: b"
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("configName: maker", "configName: makr", "26:15: spec.configName: the files have no JobConfig 'makr' (did you "
         "mean 'maker'?); give it with -f"),
        ("maxAttempts: 2", "maxAttemps: 2", "12:7: spec.template.spec.maxAttemps: unknown field (did you mean "
         "'maxAttempts'?)"),
        ("maxAttempts: 2", "maxAttempts: 51", "12:20: spec.template.spec.maxAttempts: "),
        ("{withCount: 2}", "{withCount: 2, withKeys: [a]}", "13:45: spec.template.spec.parallelism.withKeys: only one "
         "of withCount, withKeys may be given"),
        ("{withCount: 2}", "{withKeys: [a, b, a]}", "13:38: spec.template.spec.parallelism.withKeys[2]: there "
         "is already a key 'a' at withKeys[0]"),
        ("{withCount: 2}", "{withMatrix: {A: [x]}}", "13:37: spec.template.spec.parallelism.withMatrix.A: 'A' is not a "
         "valid key"),
        ("type: Select", "type: select", "8:16: spec.option.options[0].type: expected "),
        ("default: a}", "default: c}", "8:69: spec.option.options[0].select.default: the default 'c' is not among"),
        ("name: dry}", "name: dry, string: {}}", "9:41: spec.option.options[1].string: an option of type Bool has no"),
        ("name: dry}", "name: tag}", "9:28: spec.option.options[1].name: there is already an option 'tag'"),
        ('"tag: b"', '"tag: c"', "27:17: spec.optionValues: tag: 'c' is not among the values; use a, b"),
        ('"tag: b"', '"tga: b"', "27:17: warning: spec.optionValues: unknown option 'tga' (did you mean 'tag'?); "),
        ('"tag: b"', '"[tag"', "27:17: spec.optionValues: "),
        ("policy: Forbid", "policy: Forbidden", "5:25: spec.concurrency.policy: expected "),
        ("command: [make]", 'command: ["$(params.x)"]', "20:27: spec.template.spec.taskTemplate.pod.spec.containers[0]."
         "command[0]: Tekton would replace a variable at '$(params.'"),
        ("command: [make]", "command: [make]\n              - {name: two, image: a}", "21:17: spec.template.spec."
         "taskTemplate.pod.spec.containers[1]: several containers of a Pod run side by side in Furiko"),
        ("command: [make]", "volumeMounts: [{name: v, mountPath: /v}]\n                command: [make]", "20:39: spec."
         "template.spec.taskTemplate.pod.spec.containers[0].volumeMounts[0].name: there is no volume 'v' in the Task"),
        ("kind: JobConfig", "kind: JobConfg", "2:7: kind: unknown kind 'JobConfg' in execution.furiko.io/v1alpha1 (did "
         "you mean 'JobConfig'?)"),
        ("            containers:", "            restartPolicy: OnFailure\n            containers:", "17:28: spec."
         "template.spec.taskTemplate.pod.spec.restartPolicy: monopod does not restart a container in its Pod"),
    ],
)  # fmt: skip
def test_a_problem_is_reported_where_it_is_written(old, new, line):
    assert_problem(TEXT, old, new, line)


def test_the_file_is_right():
    assert problems_of(TEXT) == []


def test_a_wrong_option_of_the_command_line_is_an_error():
    (problem,) = problems_of(TEXT.partition("---\n")[0], params=(("dry", "maybe"),))
    assert problem == "9:9: spec.option.options[1]: -p dry=maybe: expected true or false, got 'maybe'"


@pytest.mark.parametrize(("seconds", "limit"), [(90, 90.0), (0, 2**31 - 1)])
def test_how_long_a_task_may_be_pending(seconds: int, limit: float):
    text = job(template={"taskPendingTimeoutSeconds": seconds})
    compilation = compilation_of(text)
    assert compilation.plan.container_start_timeout == limit
