"""Groups of a run: who is with whom, what cannot cross, and the objects of the engines."""

from __future__ import annotations

import itertools
import json
import re
from hashlib import sha256
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.grouping.groups import compile_groups
from monopod.compiler.grouping.job_set import direct_needs
from monopod.compiler.grouping.partition import Limit
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import plan_of
from monopod.compiler.pod.kube_version import KubeVersion
from monopod.compiler.pod.workload import Workload
from monopod.schemas.formats import quantity

KINDS = ("JobSet", "Workflow", "PipelineRun")
HEAD = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: big}
spec:
  workspaces: [{name: source}]
  tasks:
"""


def task(name, cpu="1", group="", after=(), more="", spec=""):
    metadata = f"metadata: {{annotations: {{monopod.dev/group: {group}}}}}, " if group else ""
    requests = f'computeResources: {{requests: {{cpu: "{cpu}", memory: 1Gi}}}}'
    return (
        f"  - {{name: {name}, runAfter: [{', '.join(after)}], {more}\n"
        f"     taskSpec: {{{metadata}{spec} steps: [{{name: s, image: i, script: x, {requests}}}]}}}}\n"
    )


@pytest.fixture
def grouped(tmp_path):
    def grouped(
        *tasks, kind="Workflow", limits=(), workspaces=(("source", "pvc:code"),), tail="", name="big", **options
    ):
        file = tmp_path / "big.yaml"
        file.write_text(HEAD.replace("big", name) + "".join(tasks) + tail)
        given = [Limit(resource, f"--max-{resource}", text) for resource, text in limits]
        return compile_groups(load([str(file)]), Options(workspaces=workspaces, **options), kind, given)

    return grouped


@pytest.fixture
def problem(grouped, tmp_path):
    def problem(*tasks, **options):
        with pytest.raises(Problems) as raised:
            grouped(*tasks, **options)
        (found,) = raised.value.problems
        return str(found).replace(str(tmp_path) + "/", "")

    return problem


def pods(workflow):
    """Return the Pods of a Workflow by group."""
    templates = workflow.workload["spec"]["templates"]
    return {each["name"]: json.loads(each["resource"]["manifest"]) for each in templates if "resource" in each}


def members(workflow):
    """Return the Tasks that run in each Pod."""
    plans = {name: plan_of(pod) for name, pod in pods(workflow).items()}
    return {name: [each.name for each in plan.pipeline.tasks if each.left_out is None] for name, plan in plans.items()}


def request(pod):
    requests = [each.get("resources", {}).get("requests", {}).get("cpu", "0") for each in pod["spec"]["containers"]]
    return sum(int(text[:-1]) if text.endswith("m") else 1000 * int(text) for text in requests)


def test_tasks_with_a_name_stay_together_and_others_join_them(grouped):
    compiled = grouped(
        task("a", group="one"),
        task("b", group="two", after=["a"]),
        task("c", group="two", after=["a"]),
        task("d", after=["b", "c"]),
    )
    assert members(compiled) == {"one": ["a"], "two": ["b", "c", "d"]}
    (entry,) = [each for each in compiled.workload["spec"]["templates"] if "dag" in each]
    assert [each.get("dependencies") for each in entry["dag"]["tasks"]] == [None, ["one"]]


def test_without_names_and_limits_all_is_one_group(grouped):
    compiled = grouped(task("a"), task("b", after=["a"]), tail="  finally:\n" + task("f"))
    assert members(compiled) == {"group-1": ["a", "b"]}


def test_limits_find_groups_whose_peak_is_within_them(grouped):
    fan = [task(f"t{number}", cpu="2", after=["a"]) for number in range(4)]
    last = task("z", cpu="4", after=[f"t{number}" for number in range(4)])
    compiled = grouped(task("a"), *fan, last, limits=[("cpu", "4500m"), ("memory", "8Gi")])
    assert len(members(compiled)) == 2
    assert sorted(itertools.chain(*members(compiled).values())) == ["a", "t0", "t1", "t2", "t3", "z"]
    assert all(request(pod) <= 4500 for pod in pods(compiled).values())


def test_the_cut_is_where_the_least_crosses(grouped):
    def use(name, after, workspace):
        return task(name, cpu="2", after=after, more=f"workspaces: [{{name: {workspace}}}],").replace(
            "taskSpec: {", f"taskSpec: {{workspaces: [{{name: {workspace}}}], "
        )

    chain = [use("a", [], "source"), use("b", ["a"], "source"), task("c", cpu="3", after=["b"])]
    beside = task("d", cpu="3", after=["b"])
    compiled = grouped(*chain, beside, limits=[("cpu", "3500m")], workspaces=(("source", "emptyDir"),))
    together = next(tasks for tasks in members(compiled).values() if "a" in tasks)
    assert "b" in together  # the emptyDir is not cut


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_does_not_fit_is_said_where_it_is(problem, kind):
    needed = "16020m" if kind == "PipelineRun" else "16010m"
    assert problem(task("a"), task("huge", cpu="16"), kind=kind, limits=[("cpu", "8")]) == (
        f"big.yaml:9:5: spec.tasks[1]: the task 'huge' alone needs {needed} of cpu at its peak, its coordinator "
        "included, and --max-cpu is 8; raise --max-cpu, or request less"
    )


LIMIT_RANGE = (
    "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: small}\nspec: {limits: [{type: %s, %s: {cpu: %s}}]}\n"
)


def test_what_limit_ranges_add_counts(grouped, problem):
    both = (task("a").replace("cpu:", "ephemeral-storage:"), task("b", cpu="500m"))
    default = LIMIT_RANGE % ("Container", "defaultRequest", "4")
    assert "the task 'a' alone needs 4010m of cpu" in problem(*both, tail=default, limits=[("cpu", "4")])
    lowest = LIMIT_RANGE % ("Container", "min", "800m")
    chain = (task("a"), task("b", after=["a"]))
    assert len(members(grouped(*chain, tail=lowest, limits=[("cpu", "2400m")]))) == 1
    assert len(members(grouped(*chain, tail=lowest, limits=[("cpu", "2")]))) == 2
    side_by_side = [task(f"t{number}", cpu="2") for number in range(3)]
    with pytest.raises(Problems, match="the Pod of the group 'group-1' has to request 8 of cpu, as the LimitRanges"):
        grouped(*side_by_side, tail=LIMIT_RANGE % ("Pod", "min", "8"), limits=[("cpu", "7")])


@pytest.mark.parametrize(("kind", "least"), [("JobSet", 1010), ("Workflow", 1010), ("PipelineRun", 1020)])
def test_the_limit_counts_all_containers_of_the_pod(grouped, kind, least):
    chain = (task("a"), task("b", after=["a"]))
    compiled = grouped(*chain, kind=kind, limits=[("cpu", f"{least}m")]).workload
    if kind == "PipelineRun":
        for each in compiled["spec"]["pipelineSpec"]["tasks"]:
            containers = (*each["taskSpec"]["steps"], *each["taskSpec"]["sidecars"])
            assert sum(quantity.parse(one["computeResources"]["requests"]["cpu"]) for one in containers) * 1000 == least
    with pytest.raises(Problems, match=f"alone needs {least}m of cpu at its peak"):
        grouped(*chain, kind=kind, limits=[("cpu", f"{least - 1}m")])


def test_groups_must_not_need_each_other(problem):
    found = problem(task("a", group="one"), task("b", group="two", after=["a"]), task("c", group="one", after=["b"]))
    assert "the group 'one' would have to wait for itself: one → two → one" in found
    assert found.startswith("big.yaml:8:")


def use_workspace(name, group, after=()):
    return task(name, group=group, after=after, more="workspaces: [{name: source}],").replace(
        "taskSpec: {", "taskSpec: {workspaces: [{name: source}], "
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_workspace_that_crosses_needs_a_claim(grouped, problem, kind):
    both = (use_workspace("a", "one"), use_workspace("b", "two", ["a"]))
    assert grouped(*both, kind=kind).workload["kind"] == kind
    found = problem(*both, kind=kind, workspaces=(("source", "emptyDir"),))
    assert "the Workspace 'source' is used in the groups 'one' and 'two', a Pod each, and is an emptyDir" in found
    assert "-w source=pvc:CLAIM" in found


VIEW = "monopod.dev/views: source=copy"


def with_view(text, policy=""):
    return text.replace("annotations: {", f"annotations: {{{VIEW}{policy}, ")


def test_a_workspace_that_crosses_is_found_behind_a_private_view(problem):
    both = (use_workspace("a", "one"), with_view(use_workspace("b", "two"), ":discard"))
    found = problem(*both, workspaces=(("source", "emptyDir"),))
    assert "the Workspace 'source' is used in the groups 'one' and 'two', a Pod each, and is an emptyDir" in found


def test_a_workspace_that_crosses_is_found_at_any_path(problem):
    mount = "steps: [{volumeMounts: [{name: $(workspaces.source.volume), mountPath: /else}], "
    sidecar = "sidecars: [{name: c, image: i, script: x, workspaces: [{name: source}]}], "
    isolated = use_workspace("a", "one").replace("steps: [{", sidecar + mount)
    found = problem(isolated, use_workspace("b", "two"), workspaces=(("source", "emptyDir"),))
    assert "the Workspace 'source' is used in the groups 'one' and 'two'" in found


def test_a_csi_volume_is_of_one_pod_unless_it_is_read_only(grouped, problem, tmp_path):
    both = (use_workspace("a", "one"), use_workspace("b", "two", ["a"]))
    run = tmp_path / "run.yaml"
    binding = "{name: source, csi: {driver: d.example%s}}"
    text = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: r}\nspec: {pipelineRef: {name: big}, "
    for more, is_refused in (("", True), (", readOnly: true", False)):
        run.write_text(f"{text}workspaces: [{binding % more}]}}\n")
        (tmp_path / "big.yaml").write_text(HEAD + "".join(both))
        documents = load([str(tmp_path / "big.yaml"), str(run)])
        if is_refused:
            with pytest.raises(Problems, match="is a CSI volume that each Pod has of its own"):
                compile_groups(documents, Options(), "Workflow")
        else:
            assert compile_groups(documents, Options(), "Workflow").workload["kind"] == "Workflow"


@pytest.mark.parametrize("kind", KINDS)
def test_a_private_view_is_merged_while_no_other_pod_uses_the_claim(grouped, problem, kind):
    view = with_view(use_workspace("b", "two"))
    found = problem(use_workspace("a", "one"), view, kind=kind)
    assert found.startswith("big.yaml:10:")
    assert "the private view of the Workspace 'source' is merged by a Pod of the group 'two' while a Pod" in found
    first = use_workspace("a", "one")
    ordered = (first, with_view(use_workspace("b", "two", ["a"])), use_workspace("c", "three", ["b"]))
    kept = (first, with_view(use_workspace("b", "two"), ":discard"))
    together = (first, with_view(use_workspace("b", "one")), task("c", group="two"))
    for tasks in (ordered, kept, together):
        assert grouped(*tasks, kind=kind).workload["kind"] == kind


def test_a_private_view_of_an_option_is_refused_too(problem):
    both = (use_workspace("a", "one"), use_workspace("b", "two"))
    found = problem(*both, views=(("b", "source", "directory"),))
    assert found.startswith("--view: the private view of the Workspace 'source' is merged by a Pod of the group 'two'")


def results(name, group="one"):
    return task(name, group=group, spec="results: [{name: r}],")


def use_result(name, group="two", path="tasks.a.results.r"):
    return task(name, group=group, more=f"params: [{{name: p, value: $({path})}}],").replace(
        "taskSpec: {", "taskSpec: {params: [{name: p}], "
    )


def test_a_job_set_hands_no_results_over(grouped, problem):
    found = problem(results("a"), use_result("b"), kind="JobSet")
    assert found.startswith("big.yaml:9:")
    assert "spec.tasks[1].params[0].value: a JobSet hands no Results over" in found
    assert found.endswith("a file in a Workspace that is a claim or is carried with artifacts (--artifact-repository)")
    assert members(grouped(results("a"), use_result("b"))) == {"one": ["a"], "two": ["b"]}


def test_only_what_others_use_is_handed_over(grouped):
    compiled = grouped(results("a"), task("x", group="one"), use_result("b"))
    plans = {name: plan_of(pod) for name, pod in pods(compiled).items()}
    assert plans["one"].hands_over == ("tasks.a", "tasks.a.results.r")
    assert plans["two"].hands_over == ()
    left_out = {each.name: each.left_out for each in plans["two"].pipeline.tasks if each.left_out}
    assert {name: each.group for name, each in left_out.items()} == {"a": "one", "x": ""}


def test_the_length_of_a_matrix_is_handed_over(grouped):
    matrix = "matrix: {params: [{name: m, value: [m1, m2]}]},"
    source = task("a", group="one", more=matrix, spec="params: [{name: m}],")
    compiled = grouped(source, use_result("b", path="tasks.a.matrix.length"))
    plans = {name: plan_of(pod) for name, pod in pods(compiled).items()}
    assert plans["one"].hands_over == ("tasks.a", "tasks.a.matrix.length")
    assert [each.left_out.group for each in plans["two"].pipeline.tasks if each.left_out] == ["one"]
    (entry,) = [each for each in compiled.workload["spec"]["templates"] if "dag" in each]
    assert [each.get("dependencies") for each in entry["dag"]["tasks"]] == [None, ["one"]]


def test_a_job_set_does_not_know_what_was_skipped(grouped, problem):
    guard = "when: [{input: a, operator: in, values: [b]}],"
    tasks = (
        task("a", group="one", more=guard),
        task("m", group="one", after=["a"]),
        task("b", group="two", after=["m"]),
    )
    found = problem(*tasks, kind="JobSet")
    assert "'m' in the group 'one' may be skipped because of 'a', and this Task with it" in found
    assert grouped(*tasks).workload["kind"] == "Workflow"
    direct = (tasks[0], task("b", group="two", after=["a"]))
    assert grouped(*direct, kind="JobSet").workload["kind"] == "JobSet"  # a guard takes along nothing by itself


@pytest.mark.parametrize(
    ("value", "may_be_empty"),
    [
        ("[m1, m2]", False),
        ("[m1, '$(params.none[*])']", False),
        ("['$(params.one[*])']", False),
        ("'$(params.one[*])'", False),
        ("['$(params.one[0])']", False),
        ("['x$(tasks.a.results.r)']", False),
        ("[]", True),
        ("'$(params.none[*])'", True),
        ("['$(params.none[*])']", True),
        ("'$(tasks.a.results.l[*])'", True),
        ("['$(tasks.a.results.l[*])']", True),
    ],
)
def test_a_job_set_knows_whether_a_matrix_may_be_empty(grouped, problem, value, may_be_empty):
    tail = "  params:\n  - {name: none, type: array, default: []}\n  - {name: one, type: array, default: [x]}\n"
    matrix = f'matrix: {{params: [{{name: p, value: ["y"]}}, {{name: m, value: {value}}}]}},'
    tasks = (
        task("a", group="one", spec="results: [{name: r}, {name: l, type: array}],"),
        task("m", group="one", more=matrix, spec="params: [{name: p}, {name: m}],"),
        task("b", group="one", after=["m"]),
        task("c", group="two", after=["b"]),
    )
    if may_be_empty:
        found = problem(*tasks, kind="JobSet", tail=tail)
        assert "'b' in the group 'one' may be skipped because of 'm', and this Task with it" in found
    else:
        assert grouped(*tasks, kind="JobSet", tail=tail).workload["kind"] == "JobSet"


@pytest.mark.parametrize(("include", "may_be_empty"), [("[{params: [{name: m, value: x}]}]", False), ("[]", True)])
def test_a_job_set_knows_whether_a_matrix_without_params_may_be_empty(grouped, problem, include, may_be_empty):
    source = task("m", group="one", more=f"matrix: {{include: {include}}},", spec="params: [{name: m, default: d}],")
    tasks = (source, task("b", group="two", after=["m"]))
    if may_be_empty:
        assert "'m' in the group 'one' may be skipped because of 'm'" in problem(*tasks, kind="JobSet")
    else:
        assert grouped(*tasks, kind="JobSet").workload["kind"] == "JobSet"


def test_a_job_set_is_cut_where_nothing_has_to_be_known(grouped):
    guard = "when: [{input: a, operator: in, values: [b]}],"
    tasks = (
        task("a", more=guard),
        task("m", after=["a"]),
        task("b", after=["m"], cpu="2"),
        task("c", after=["b"], cpu="3"),
    )
    limits = [("cpu", "3100m")]
    for kind in ("Workflow", "JobSet"):
        assert grouped(*tasks, kind=kind, limits=limits).workload["kind"] == kind
    apart = (
        task("a", more=guard),
        task("m", after=["a"], cpu="2"),
        task("c", cpu="2"),
        task("b", after=["m", "c"], cpu="3"),
    )
    jobs = grouped(*apart, kind="JobSet", limits=[("cpu", "3100m")]).workload["spec"]["replicatedJobs"]
    plans = [plan_of({"spec": job["template"]["spec"]["template"]["spec"]}) for job in jobs]
    own = [{each.name for each in plan.pipeline.tasks if each.left_out is None} for plan in plans]
    assert any({"a", "m", "b"} <= names for names in own)


def test_finally_tasks_need_one_pod(problem):
    found = problem(task("a", group="one"), task("b", group="two"), tail="  finally:\n" + task("f"))
    assert found.startswith("big.yaml:12:")
    assert "a finally Task sees all Tasks of its Pipeline, and here they run in several Pods" in found


def test_results_of_the_pipeline_are_not_collected(grouped):
    tail = "  results: [{name: out, value: $(tasks.a.results.r)}]\n"
    compiled = grouped(results("a"), task("b", group="two"), tail=tail, architectures=("amd64",))
    assert [
        "the Results of the Pipeline are not collected from several Pods: out" in str(each)
        for each in compiled.warnings
    ] == [True]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Not_a_name", "'Not_a_name' is not a valid name"),
        ("x" * 41, "may have 40"),
        ("'1st'", "'1st' is not the name of a group: use a letter first"),
    ],
)
def test_names_of_groups(problem, name, message):
    found = problem(task("a", group=name))
    assert message in found
    assert found.startswith("big.yaml:8:")
    assert "metadata.annotations.monopod.dev/group: " in found


@pytest.mark.parametrize(
    ("workload", "limits", "message"),
    [
        (Workload(schedule="@daily"), (), "--schedule is for --kind CronJob, not for Workflow"),
        (Workload(priority_class="p"), (), "--priority-class is a WorkloadPriorityClass of Kueue; add --queue"),
        (Workload(), [("cpu", "many")], "--max-cpu: 'many' is not a"),
        (Workload(), [("cpu", "0")], "--max-cpu must be more than 0, got 0"),
        (Workload(), [("memory", "-1Gi")], "--max-memory must be more than 0, got -1Gi"),
    ],
)
def test_options(problem, workload, limits, message):
    assert message in problem(task("a"), workload=workload, limits=limits)


def test_a_name_that_is_too_long_for_its_pods(problem, grouped):
    tasks = (task("a", group="g" * 40), task("b", group="two"))
    name = "n" * 20
    full = f"{name}-run-xxxxx-{'g' * 40}"
    found = problem(*tasks, name=name)
    assert f"the name '{full}' of the group '{'g' * 40}' would have 71 characters, and 63 are possible" in found
    assert grouped(*tasks, name=name[:12]).workload["kind"] == "Workflow"
    assert f"the name '{full[8:]}-0-0-xxxxx' of the group" in problem(*tasks, name=name[8:], kind="JobSet")
    assert grouped(*tasks, name="p", kind="JobSet").workload["kind"] == "JobSet"


@pytest.mark.parametrize("tasks", [(task("a", group="one"), task("b", group="two")), (task("a"),)])
def test_a_job_set_has_a_name_that_its_service_can_have(problem, tasks):
    found = problem(*tasks, name="my.run", kind="JobSet")
    assert found.startswith("--kind JobSet: its Service cannot be named after 'my.run-run-': use lower-case letters")


def test_the_entry_of_a_workflow_has_a_name_of_its_own(grouped):
    compiled = grouped(task("a", group="monopod-groups"), task("b", group="monopod-groups-x"))
    names = [each["name"] for each in compiled.workload["spec"]["templates"]]
    assert names == ["monopod-groups-x-x", "monopod-groups", "monopod-groups-x"]


def test_an_object_that_is_too_large_for_a_cluster(problem):
    for kind, count in (("JobSet", 30), ("Workflow", 30), ("PipelineRun", 7)):
        tasks = [task(f"t{number}", group=f"g{number}") for number in range(count)]
        found = problem(*tasks, kind=kind)
        assert re.search(
            rf"this {kind} of {count} groups grows already with \d\d? of them to about 1\.[5-9] MiB", found
        )
        assert "whose store takes 1.5 MiB: each Pod carries monopod itself; make fewer groups" in found
    noise = "".join(sha256(bytes([number % 256, number >> 8])).hexdigest() for number in range(50_000))
    found = problem(task("a").replace("script: x", f"script: {noise}"))
    assert "this Workflow of 1 group grows to about" in found
    assert "join Steps into one, or move long scripts into an image" in found


@pytest.mark.parametrize(
    "variable", ["params.run-name", 'params["run-name"]', "context.taskRun.name", "results.handed-over.path"]
)
def test_what_tekton_would_replace_is_an_error(grouped, problem, variable):
    text = f"'$(params.dollar)({variable})'"
    asked = {"tail": "  params: [{name: dollar, default: $}]\n"}
    given = task("a", more="params: [{name: dollar, value: $(params.dollar)}],", spec="params: [{name: dollar}],")
    in_pod = given.replace("script: x,", f"script: x, env: [{{name: T, value: {text}}}],")
    found = problem(in_pod, kind="PipelineRun", **asked)
    assert f"--kind PipelineRun: Tekton would replace $({variable}) in a-s.env[1].value; build it in a script" in found
    assert grouped(in_pod, **asked).workload["kind"] == "Workflow"
    in_plan = given.replace("script: x,", f"script: {text}, env: [{{name: T, value: $(params) $(HOME)}}],")
    assert grouped(in_plan, kind="PipelineRun", **asked).workload["kind"] == "PipelineRun"


# The objects, next to what their engines' APIs say


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(_Strict):
    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str]
    annotations: dict[str, str]


class DependsOn(_Strict):
    name: str
    status: str = Field(pattern="^(Ready|Complete)$")


class ReplicatedJob(_Strict):
    name: str = Field(pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    replicas: int = Field(ge=0)
    depends_on: list[DependsOn] | None = Field(default=None, min_length=1, max_length=5)
    template: dict[str, Any]


class JobSetSpec(_Strict):
    replicated_jobs: list[ReplicatedJob]
    ttl_seconds_after_finished: int | None = Field(default=None, ge=0)


class JobSet(_Strict):
    api_version: str = Field(pattern="^jobset.x-k8s.io/v1alpha2$")
    kind: str
    metadata: Metadata
    spec: JobSetSpec


class Parameter(_Strict):
    name: str = Field(pattern="^[-a-zA-Z0-9_]+$")
    value: str | None = None
    value_from: dict[str, str] | None = None


class Parameters(_Strict):
    parameters: list[Parameter]


class DagTask(_Strict):
    name: str
    template: str
    dependencies: list[str] | None = None
    arguments: Parameters | None = None


class Dag(_Strict):
    tasks: list[DagTask]


class Resource(_Strict):
    action: str = Field(pattern="^(get|create|apply|delete|replace|patch)$")
    success_condition: str
    failure_condition: str
    manifest: str


class Template(_Strict):
    name: str
    dag: Dag | None = None
    inputs: Parameters | None = None
    outputs: Parameters | None = None
    resource: Resource | None = None


class TtlStrategy(_Strict):
    seconds_after_completion: int


class WorkflowSpec(_Strict):
    entrypoint: str
    active_deadline_seconds: int | None = None
    ttl_strategy: TtlStrategy | None = None
    templates: list[Template]


class Workflow(_Strict):
    api_version: str = Field(pattern="^argoproj.io/v1alpha1$")
    kind: str
    metadata: Metadata
    spec: WorkflowSpec


MODELS = {"JobSet": JobSet, "Workflow": Workflow}


@pytest.mark.parametrize("kind", MODELS)
def test_objects_have_the_fields_of_their_api(grouped, kind):
    options = {"workload": Workload(ttl=60.0, queue="team"), "kube_version": KubeVersion(1, 36)}
    compiled = grouped(task("a", group="one"), task("b", group="two", after=["a"]), kind=kind, **options)
    MODELS[kind].model_validate(json.loads(json.dumps(compiled.workload)))


def test_a_pipeline_run_is_one_that_monopod_reads(grouped, tmp_path):
    """Tekton's API is monopod's input: its models know each field, and its rules each reference."""
    compiled = grouped(results("a"), use_result("b"), kind="PipelineRun", workload=Workload(queue="team"))
    file = tmp_path / "run.json"
    file.write_text(json.dumps(compiled.workload))
    (document,) = load([str(file)])
    assert document.kind == "PipelineRun"
    tasks = document.model.spec.pipeline_spec.tasks
    assert [(each.name, each.run_after) for each in tasks] == [("one", ()), ("two", ("one",))]
    mounts = [
        mount["mountPath"]
        for each in compiled.workload["spec"]["pipelineSpec"]["tasks"]
        for step in each["taskSpec"]["steps"]
        for mount in step["volumeMounts"]
    ]
    assert not [path for path in mounts if path.startswith("/tekton/")]  # Tekton refuses these


def test_the_tasks_of_a_pipeline_run_are_what_tekton_makes_of_them(grouped):
    """Seen with Tekton's controller: a Task without a timeout has an hour, and a Step's container is step-NAME."""
    compiled = grouped(results("a"), use_result("b"), kind="PipelineRun", timeout=3 * 3600.0)
    spec = compiled.workload["spec"]
    assert spec["timeouts"]["pipeline"] == "11520s"
    first, second = spec["pipelineSpec"]["tasks"]
    assert [first["timeout"], second["timeout"]] == ["11520s", "11520s"]
    annotations = first["taskSpec"]["metadata"]["annotations"]
    assert annotations["kubectl.kubernetes.io/default-container"] == "step-coordinator"
    steps = [each["taskSpec"]["steps"][0] for each in (first, second)]
    limits = [each["value"] for step in steps for each in step["env"] if each["name"] == "MONOPOD_HANDOVER_BYTES"]
    assert limits == [str(12288 // 5 - 256)]  # with two init containers of Tekton's


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_one_group(tmp_path, kind):
    file = tmp_path / "task.yaml"
    steps = 'steps: [{name: s, image: i, script: x, computeResources: {requests: {cpu: "2"}}}]'
    spec = f"spec: {{taskSpec: {{{steps}}}}}"
    file.write_text(f"apiVersion: tekton.dev/v1\nkind: TaskRun\nmetadata: {{name: lone}}\n{spec}\n")
    compiled = compile_groups(load([str(file)]), Options(), kind)
    assert compiled.workload["kind"] == kind
    with pytest.raises(Problems, match=r"task.yaml:4:7: spec: the task 'lone' alone needs 20"):
        compile_groups(load([str(file)]), Options(), kind, [Limit("cpu", "--max-cpu", "1")])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_input_gives_equal_objects(grouped, kind):
    tasks = (task("a", group="one"), task("b", after=["a"], cpu="3"), task("c", cpu="3", after=["a"]))
    made = [json.dumps(grouped(*tasks, kind=kind, limits=[("cpu", "4")]).workload) for _ in range(2)]
    assert made[0] == made[1]


def test_braces_of_an_author_are_not_argos(grouped):
    compiled = grouped(
        task("a", group="one").replace("script: x,", "script: x, env: [{name: T, value: '{{x}} {{{ }}'}],")
    )
    (template,) = [each for each in compiled.workload["spec"]["templates"] if "resource" in each]
    manifest = template["resource"]["manifest"]
    assert "{{x" not in manifest
    assert "{{workflow.name}}" in manifest
    (container,) = json.loads(manifest)["spec"]["containers"]
    assert {"name": "T", "value": "{{x}} {{{ }}"} in container["env"]


def test_the_workflow_owns_its_pods_and_argo_does_not_write_them_again(grouped):
    """Seen with Argo's controller: setOwnerReference writes the manifest again, and its variables are then replaced."""
    compiled = grouped(task("a", group="one"), task("b", group="two", after=["a"]))
    resources = [each["resource"] for each in compiled.workload["spec"]["templates"] if "resource" in each]
    assert all("setOwnerReference" not in each for each in resources)
    for pod in pods(compiled).values():
        (owner,) = pod["metadata"]["ownerReferences"]
        assert owner == {
            "apiVersion": compiled.workload["apiVersion"],
            "kind": compiled.workload["kind"],
            "name": "{{workflow.name}}",
            "uid": "{{workflow.uid}}",
            "controller": True,
            "blockOwnerDeletion": True,
        }


def test_a_template_that_argo_cannot_pass_in_the_environment_is_a_warning(grouped):
    """Seen with Argo's controller, in its role as installed: configmaps is forbidden."""
    tasks = (task("a", group="one"), task("b", group="two", after=["a"]))
    small = grouped(*tasks, architectures=("amd64",))
    assert not small.warnings
    (warning,) = grouped(*tasks).warnings
    assert (warning.rule, warning.severity) == ("workload", "warning")
    assert re.match(r"the template of the group 'one' has 13\d KiB\. Argo passes more than 128 KiB", warning.message)
    assert not grouped(*tasks, kind="JobSet").warnings
    escaped = tasks[0].replace("script: x,", f"script: x, env: [{{name: T, value: '{'<' * 2500}'}}],")  # < as \u003c
    assert grouped(escaped, tasks[1], architectures=("amd64",)).warnings


def test_what_others_wait_for_is_not_listed_again(grouped):
    compiled = grouped(
        task("a", group="one"),
        task("b", group="two", after=["a"]),
        task("c", group="three", after=["a", "b"]),
        kind="JobSet",
    )
    jobs = compiled.workload["spec"]["replicatedJobs"]
    assert [[each["name"] for each in job.get("dependsOn", ())] for job in jobs] == [[], ["one"], ["two"]]
    assert direct_needs([]) == {}


def test_a_job_of_a_job_set_can_depend_on_five(problem):
    first = [task(f"a{number}", group=f"g{number}") for number in range(6)]
    last = task("z", group="last", after=[f"a{number}" for number in range(6)])
    assert "the group 'last' waits for 6 groups, and a Job of a JobSet can depend on 5" in problem(
        *first, last, kind="JobSet"
    )
