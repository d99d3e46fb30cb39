"""An Indexed Job: one Pod for all indexes, with a Plan for each; valid for Kubernetes; and what cannot be one."""

from __future__ import annotations

import json

import kubernetes_validate
import pytest

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import coordinator_of, plan_arguments, plan_of
from monopod.compiler.pod.indexed_job import Shards
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.workload import Workload
from monopod.compiler.shards import compile_shards
from monopod.schemas.plan import decode, encode

PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: wide}
spec:
  params:
  - {name: files, type: array, default: [a, b, c, d]}
  - {name: text, default: x}
  tasks:
  - name: each
    matrix: {params: [{name: file, value: "$(params.files[*])"}]}
    taskSpec:
      params: [{name: file}]
      steps: [{name: count, image: busybox, script: "count $(params.file)"}]
"""
NEW = KubeVersion(1, 36)


@pytest.fixture
def sharded(tmp_path):
    def sharded(shards, text=PIPELINE, kube_version=NEW, **options):
        file = tmp_path / "pipeline.yaml"
        file.write_text(text)
        workload = Workload("Job", shards=shards)
        return compile_shards(
            load([str(file)]), Options(workload=workload, kube_version=kube_version, **options), shards
        )

    return sharded


def plan_with(pod, index):
    """Return the Plan that a Pod with an index runs, as JSON."""
    indexed = {**pod, "metadata": {"annotations": {"batch.kubernetes.io/job-completion-index": str(index)}}}
    plan = plan_of(indexed)
    assert decode(plan_arguments(indexed)) == plan
    return json.dumps(plan.pipeline)


def test_each_index_has_one_value(sharded):
    compiled = sharded(Shards(by="files"))
    job = compiled.workload["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 4, 4)
    pod = job["template"]
    found = [[value for value in "abcd" if f'"{value}"' in plan_with(pod, index)] for index in range(4)]
    assert found == [["a"], ["b"], ["c"], ["d"]]


def test_values_are_divided_in_order(sharded):
    pod = sharded(Shards(2, "files")).workload["spec"]["template"]
    found = [[value for value in "abcd" if f'"{value}"' in plan_with(pod, index)] for index in range(2)]
    assert found == [["a", "b"], ["c", "d"]]
    pod = sharded(Shards(3, "files"), max_concurrency=1, kube_version=KubeVersion(1, 29)).workload["spec"]["template"]
    found = [[value for value in "abcd" if f'"{value}"' in plan_with(pod, index)] for index in range(3)]
    assert found == [["a"], ["b"], ["c", "d"]]


def test_without_a_param_all_indexes_run_the_same_plan(sharded, tmp_path):
    compiled = sharded(Shards(5))
    (plain,) = compile_runs(load([str(tmp_path / "pipeline.yaml")]), Options(kube_version=NEW))
    arguments = coordinator_of(compiled.workload["spec"]["template"])["args"]
    assert tuple(arguments[arguments.index("--") + 1 :]) == encode(plain.plan)
    assert compiled.workload["spec"]["completions"] == 5


def test_a_failed_index_is_not_repeated_and_lets_the_others_go_on(sharded):
    job = sharded(Shards(2)).workload["spec"]
    assert job["backoffLimitPerIndex"] == 3, "for Pods that never ran"
    assert [rule["action"] for rule in job["podFailurePolicy"]["rules"]] == ["Ignore", "FailIndex"]
    assert "backoffLimit" not in job


def test_retries_and_limits_are_fields_of_the_job(sharded):
    job = sharded(Shards(3, retries=2, max_failed=1, successes=1)).workload["spec"]
    assert (job["backoffLimitPerIndex"], job["maxFailedIndexes"]) == (2, 1)
    assert job["successPolicy"] == {"rules": [{"succeededCount": 1}]}
    assert [rule["action"] for rule in job["podFailurePolicy"]["rules"]] == ["Ignore"]


@pytest.mark.parametrize("shards", [Shards(by="files"), Shards(3, retries=1, max_failed=1, successes=2)])
def test_kubernetes_accepts_the_job(sharded, shards):
    kubernetes_validate.validate(sharded(shards).workload, "1.34", strict=True)


def test_hundreds_of_indexes_take_little_more_room_than_one(sharded):
    text = PIPELINE.replace("[a, b, c, d]", json.dumps([f"file-{number}" for number in range(300)]))
    many = sharded(Shards(300, "files"), text, max_concurrency=1).workload
    one = sharded(Shards(1), max_concurrency=1).workload
    assert len(json.dumps(many)) - len(json.dumps(one)) < 20_000


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        (Shards(0), "--shards must be from 1 to 10000, got 0"),
        (Shards(5, "files"), "--shards 5: 'files' has 4 values, so some indexes would have none"),
        (Shards(by="fils"), "--shard-by fils: there is no param 'fils' (did you mean 'files'?)"),
        (Shards(by="text"), "--shard-by: the param 'text' is not an array"),
        (Shards(3, "files"), "1 containers and 2 containers. Choose a number of --shards that divides the values"),
        (Shards(2, successes=3), "--success-count 3 is more than the 2 indexes of the Job"),
        (Shards(2, successes=0), "--success-count must be at least 1, got 0"),
        (Shards(2, retries=-1), "--index-retries must not be negative, got -1"),
        (Shards(2, retries=2**31), "--index-retries may be 2147483647 at most, got 2147483648"),
    ],
)
def test_impossible_shards_are_one_line(sharded, shards, message):
    with pytest.raises(Problems) as raised:
        sharded(shards)
    (problem,) = raised.value.problems
    assert message in problem.message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"$(params.others[*])"', "the value of 'files' is the text '$(params.others[*])', not an array; write out"),
        ("abc", "the value of 'files' is the text 'abc', not an array; write out its values"),
        ('[a, "$(context.pipelineRun.name)"]', "the value '$(context.pipelineRun.name)' of 'files' is known only"),
    ],
)
def test_values_must_be_known(sharded, value, message):
    run = f"spec: {{pipelineRef: {{name: wide}}, params: [{{name: files, value: {value}}}]}}"
    head = "---\napiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: run}\n"
    with pytest.raises(Problems) as raised:
        sharded(Shards(by="files"), f"{PIPELINE}{head}{run}\n")
    (problem,) = raised.value.problems
    assert message in problem.message


@pytest.mark.parametrize(("value", "message"), [("[1]", "expected an array of strings"), ("[", "this is not JSON")])
def test_values_of_an_option_must_be_an_array(sharded, value, message):
    with pytest.raises(Problems) as raised:
        sharded(Shards(by="files"), params=[("files", value)])
    (problem,) = raised.value.problems
    assert f"-p files={value}: {message}" in problem.message


def test_values_that_are_all_known_only_while_running_are_split(sharded):
    values = '["$(context.pipelineRun.name)-1", "$(context.pipelineRun.name)-2"]'
    assert sharded(Shards(by="files"), PIPELINE.replace("[a, b, c, d]", values)).workload["spec"]["completions"] == 2


def test_the_pod_must_not_depend_on_the_values(sharded):
    text = PIPELINE.replace("image: busybox", "image: 'busybox:$(params.file)'")
    text = text.replace(
        '    matrix: {params: [{name: file, value: "$(params.files[*])"}]}\n',
        "    params: [{name: file, value: '$(params.files[0])'}]\n",
    )
    with pytest.raises(Problems, match="the field 'image' of the container 'each-count' depends on the param"):
        sharded(Shards(by="files"), text)


def test_restarted_containers_need_parts_of_one_size(sharded):
    with pytest.raises(Problems, match="only one of them runs several combinations in the container 'each-0-count'"):
        sharded(Shards(3, "files"), max_concurrency=1)


@pytest.mark.parametrize(
    ("annotation", "shards", "fields"),
    [
        ("monopod.dev/completion: any", Shards(by="files"), {"successPolicy": {"rules": [{"succeededCount": 1}]}}),
        (
            "monopod.dev/completion: any",
            Shards(by="files", successes=2),
            {"successPolicy": {"rules": [{"succeededCount": 2}]}},
        ),
        ("monopod.dev/fail-fast: 'true'", Shards(by="files"), {"maxFailedIndexes": 0}),
        ("monopod.dev/fail-fast: 'true'", Shards(by="files", max_failed=1), {"maxFailedIndexes": 1}),
        ("monopod.dev/fail-fast: 'true'", Shards(4), {}),
    ],
)
def test_indexes_end_as_the_matrix_would(sharded, annotation, shards, fields):
    text = PIPELINE.replace("    taskSpec:\n", f"    taskSpec:\n      metadata: {{annotations: {{{annotation}}}}}\n")
    job = sharded(shards, text).workload["spec"]
    assert {field: job[field] for field in ("maxFailedIndexes", "successPolicy") if field in job} == fields


def test_old_versions_cannot_end_a_job_at_the_first_success(sharded):
    text = PIPELINE.replace(
        "    taskSpec:\n", "    taskSpec:\n      metadata: {annotations: {monopod.dev/completion: any}}\n"
    )
    with pytest.raises(
        Problems, match=r"completion 'any' of the matrix needs --kube-version 1\.31 or later, not 1\.30"
    ):
        sharded(Shards(by="files"), text, KubeVersion(1, 30))


def test_old_versions_have_no_such_jobs(sharded):
    with pytest.raises(Problems, match=r"--shards needs Kubernetes 1\.29 or later, not 1\.28"):
        sharded(Shards(2), kube_version=KubeVersion(1, 28))
    with pytest.raises(Problems, match=r"--success-count needs --kube-version 1\.31 or later, not 1\.29"):
        sharded(Shards(2, successes=1), kube_version=KubeVersion(1, 29))


def test_the_name_leaves_room_for_the_index(sharded):
    run = f"apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {{name: {'n' * 62}}}\n"
    run += "spec: {pipelineRef: {name: wide}}\n"
    with pytest.raises(Problems, match="has 62 characters; the name of a Job with 4 indexes may have 61"):
        sharded(Shards(4), f"{PIPELINE}---\n{run}")


def test_a_private_view_is_not_merged_by_all_indexes(sharded):
    used = PIPELINE.replace("  tasks:\n", "  workspaces: [{name: source}]\n  tasks:\n").replace(
        "    taskSpec:\n",
        "    workspaces: [{name: source}]\n    taskSpec:\n"
        "      metadata: {annotations: {monopod.dev/views: source=copy}}\n      workspaces: [{name: source}]\n",
    )
    claim = {"workspaces": (("source", "pvc:code"),)}
    with pytest.raises(Problems, match="the private view of the Workspace 'source' would be merged by the Pods of all"):
        sharded(Shards(by="files"), used, **claim)
    for options in ({"text": used}, {"text": used.replace("=copy", "=copy:discard"), **claim}):
        assert sharded(Shards(by="files"), **options).workload["spec"]["completions"] == 4
    assert sharded(Shards(1), used, **claim).workload["spec"]["completions"] == 1
