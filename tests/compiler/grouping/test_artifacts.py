"""Workspaces that cross from group to group as artifacts: the Tasks and containers, and what is refused."""

from __future__ import annotations

import json

import pytest
import yaml

from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.grouping.groups import compile_groups
from monopod.compiler.grouping.partition import Limit
from monopod.compiler.options import Options
from monopod.compiler.pod.assembly import plan_of
from monopod.compiler.tasks.artifact_tasks import ArtifactRepository, parse_repository
from monopod.runner.command_line import main

KINDS = ("JobSet", "Workflow", "PipelineRun")
REPOSITORY = ArtifactRepository("registry.example/team/artifacts", "login")


def task(name, group="", after=(), workspaces=("source",), read_only=(), cpu="1", user=None, views=""):
    annotations = {"monopod.dev/group": group} if group else {}
    annotations |= {"monopod.dev/views": views} if views else {}
    step = {"name": "s", "image": "i", "script": "x", "computeResources": {"requests": {"cpu": cpu}}}
    step |= {} if user is None else {"securityContext": {"runAsUser": user}}
    spec = {
        "metadata": {"annotations": annotations},
        "workspaces": [{"name": each, "readOnly": each in read_only} for each in workspaces],
        "steps": [step],
    }
    bindings = [{"name": each} for each in workspaces]
    return {"name": name, "runAfter": list(after), "workspaces": bindings, "taskSpec": spec}


@pytest.fixture
def write(tmp_path):
    def write(*tasks, annotations=None, workspaces=("source",)):
        spec = {"workspaces": [{"name": each} for each in workspaces], "tasks": list(tasks)}
        metadata = {"name": "big", **({"annotations": annotations} if annotations else {})}
        document = {"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "metadata": metadata, "spec": spec}
        file = tmp_path / "big.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        return str(file)

    return write


@pytest.fixture
def grouped(write):
    def grouped(*tasks, kind="Workflow", bound="emptyDir", limits=(), annotations=None, **options):
        names = dict.fromkeys(each["name"] for one in tasks for each in one["workspaces"])
        options = {"artifact_repository": REPOSITORY, **options}
        given = tuple((name, bound) for name in names)
        file = write(*tasks, annotations=annotations, workspaces=tuple(names))
        limits = [Limit(resource, f"--max-{resource}", text) for resource, text in limits]
        return pods(compile_groups(load([file]), Options(workspaces=given, **options), kind, limits).workload)

    return grouped


@pytest.fixture
def problem(grouped):
    def problem(*tasks, **options):
        with pytest.raises(Problems) as raised:
            grouped(*tasks, **options)
        (found,) = raised.value.problems
        return str(found).partition("big.yaml:")[2] or str(found)

    return problem


def pods(workload):
    """Return the Pod of each group: its Plan, and its containers and volumes."""
    if workload["kind"] == "Workflow":
        templates = {each["name"]: each for each in workload["spec"]["templates"] if "resource" in each}
        return {name: json.loads(each["resource"]["manifest"]) for name, each in templates.items()}
    if workload["kind"] == "JobSet":
        jobs = workload["spec"]["replicatedJobs"]
        return {job["name"]: job["template"]["spec"]["template"] for job in jobs}
    specs = {each["name"]: each["taskSpec"] for each in workload["spec"]["pipelineSpec"]["tasks"]}
    return {
        name: {"spec": {"containers": [*each["steps"], *each["sidecars"]], "volumes": each["volumes"]}}
        for name, each in specs.items()
    }


def carried(pod):
    """Return what the Tasks of monopod's own in a Pod do: the verb, the group and the Workspace."""
    plan = plan_of(pod)
    tasks = [each for each in plan.pipeline.all_tasks if each.task_name.startswith(("restore-", "save-"))]
    return [(step.args[0], step.args[4], step.args[5]) for each in tasks for step in each.steps]


def container(pod, name):
    return next(each for each in pod["spec"]["containers"] if each["name"] == name)


CHAIN = (task("a", "one"), task("b", "two", ["a"]), task("c", "three", ["b"], read_only=["source"]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_restores_what_the_last_writer_before_it_has_saved(grouped, kind):
    found = grouped(*CHAIN, kind=kind)
    assert {name: carried(pod) for name, pod in found.items()} == {
        "one": [("save", "one", "source")],
        "two": [("restore", "one", "source"), ("save", "two", "source")],
        "three": [("restore", "two", "source")],
    }
    plan = plan_of(found["two"])
    assert {each.name: each.after for each in plan.pipeline.tasks if each.left_out is None} == {
        "restore-source": (),
        "b": ("restore-source", "a"),
    }
    (save,) = plan.pipeline.final_tasks
    assert save.after_success
    assert save.steps[0].args == (
        "save",
        "registry.example/team/artifacts",
        "/monopod/artifact-login/config.json",
        "$(context.pipelineRun.uid)",
        "two",
        "source",
        "/monopod/workspace",
        "/tekton",
        "/tekton/steps/step-push/results",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_only_containers_of_monopods_own_have_the_credentials(grouped, kind):
    for pod in grouped(*CHAIN, kind=kind).values():
        (volume,) = [each for each in pod["spec"]["volumes"] if "secret" in each]
        assert volume["secret"]["secretName"] == "login"
        having = [
            each["name"]
            for each in pod["spec"]["containers"]
            if volume["name"] in {mount["name"] for mount in each["volumeMounts"]}
        ]
        assert having
        assert set(having) <= {"restore-source-pull", "save-source-push"}


def test_without_a_secret_there_are_no_credentials(grouped):
    found = grouped(*CHAIN, artifact_repository=parse_repository("registry.example/team/artifacts"))
    assert all("secret" not in volume for pod in found.values() for volume in pod["spec"]["volumes"])
    (save,) = plan_of(found["one"]).pipeline.final_tasks
    assert save.steps[0].args[2] == "-"


def test_claims_are_not_carried(grouped):
    assert all(carried(pod) == [] for pod in grouped(*CHAIN, bound="pvc:code").values())
    assert {name: len(carried(pod)) for name, pod in grouped(*CHAIN).items()} == {"one": 1, "two": 2, "three": 1}


def test_the_annotation_of_a_pipeline_names_the_repository(grouped):
    annotations = {"monopod.dev/artifact-repository": "registry.example/other"}
    found = grouped(*CHAIN, annotations=annotations, artifact_repository=None)
    (save,) = plan_of(found["one"]).pipeline.final_tasks
    assert save.steps[0].args[1:3] == ("registry.example/other", "-")
    (save,) = plan_of(grouped(*CHAIN, annotations=annotations)["one"]).pipeline.final_tasks
    assert save.steps[0].args[1] == REPOSITORY.name  # the option takes precedence


def test_a_repository_with_a_tag_is_refused_where_it_is_written(problem):
    annotations = {"monopod.dev/artifact-repository": "registry.example/other:1"}
    found = problem(*CHAIN, annotations=annotations, artifact_repository=None)
    assert found == (
        "6:38: metadata.annotations.monopod.dev/artifact-repository: expected REGISTRY/REPOSITORY without tag and "
        "digest, got 'registry.example/other:1'"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_repository_both_ways_out_are_said(problem, kind):
    assert problem(*CHAIN, kind=kind, artifact_repository=None) == (
        "-w source=emptyDir: the Workspace 'source' is used in the groups 'one', 'two' and 'three', a Pod each, and is "
        "an emptyDir, which each Pod has of its own; bind a claim (-w source=pvc:CLAIM), carry it with artifacts "
        "(--artifact-repository REGISTRY/REPOSITORY), or put its Tasks into one group"
    )


def test_a_directory_of_a_node_is_not_carried(problem):
    found = problem(*CHAIN, bound="hostPath:/srv")
    assert "is a directory of one node; bind a claim (-w source=pvc:CLAIM), or put its Tasks into one group" in found


DIAMOND = (
    task("a", "one"),
    task("b", "left", ["a"]),
    task("c", "right", ["a"]),
    task("d", "last", ["b", "c"]),
)


def test_what_two_groups_write_at_the_same_time_cannot_both_be_restored(problem):
    found = problem(*DIAMOND)
    assert found == (
        "65:5: spec.tasks[3]: the groups 'left' and 'right' may all write the Workspace 'source' and do not wait for "
        "each other, so no artifact has all that the group 'last' needs; order them with runAfter, declare the "
        "Workspace readOnly where it is only read, or bind a claim (-w source=pvc:CLAIM)"
    )


def test_ways_out_of_that(grouped):
    reading = task("c", "right", ["a"], read_only=["source"])
    found = grouped(DIAMOND[0], DIAMOND[1], reading, DIAMOND[3])
    assert carried(found["last"]) == [("restore", "left", "source")]
    assert carried(found["right"]) == [("restore", "one", "source")]
    ordered = task("c", "right", ["a", "b"])
    assert carried(grouped(DIAMOND[0], DIAMOND[1], ordered, DIAMOND[3])["last"]) == [("restore", "right", "source")]
    viewing = task("c", "right", ["a"], views="source=copy:discard")
    assert carried(grouped(DIAMOND[0], DIAMOND[1], viewing, DIAMOND[3])["last"]) == [("restore", "left", "source")]
    assert carried(grouped(*DIAMOND[:3])["right"]) == [("restore", "one", "source")]  # nobody needs both


def test_a_merged_view_writes(problem):
    merging = task("c", "right", ["a"], views="source=copy")
    assert "may all write the Workspace 'source'" in problem(DIAMOND[0], DIAMOND[1], merging, DIAMOND[3])


TEMPLATE = "volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}"


@pytest.fixture
def with_run(write):
    """Compiles Tasks with a run that binds Workspaces: ``source`` to a small template, and others to claims."""

    def with_run(*tasks, others=(), limits=(), **options):
        file = write(*tasks, workspaces=("source", *others))
        claims = [f"{{name: {name}, persistentVolumeClaim: {{claimName: {name}}}}}" for name in others]
        bound = ", ".join([f"{{name: source, {TEMPLATE}}}", *claims])
        with open(file, "a", encoding="utf-8") as opened:
            opened.write(
                "---\napiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {name: run}\n"
                f"spec: {{pipelineRef: {{name: big}}, workspaces: [{bound}]}}\n"
            )
        limits = [Limit(resource, f"--max-{resource}", text) for resource, text in limits]
        options = Options(artifact_repository=REPOSITORY, **options)
        return pods(compile_groups(load([file]), options, "Workflow", limits).workload)

    return with_run


def test_a_claim_of_each_pods_own_is_carried(with_run):
    found = with_run(*CHAIN, keep_volume_claims=True)
    assert carried(found["three"]) == [("restore", "two", "source")]
    assert any("ephemeral" in volume for volume in found["three"]["spec"]["volumes"])


def test_the_cut_avoids_what_artifacts_cannot_carry(with_run):
    """The fewest bytes cross with b beside x and c beside z. But then d would need what both b and c have written."""
    tasks = (
        task("b", workspaces=["source", "left"]),
        task("x", workspaces=["left"], cpu="3"),
        task("c", workspaces=["source", "right"]),
        task("z", workspaces=["right"], cpu="3"),
        task("d", after=["b", "c"], cpu="4"),
    )
    found = with_run(*tasks, others=["left", "right"], limits=[("cpu", "4100m")])
    assert all(carried(pod) == [] for pod in found.values())
    plans = [plan_of(pod) for pod in found.values()]
    groups = [[each.name for each in plan.pipeline.tasks if each.left_out is None] for plan in plans]
    assert sorted(groups) == [["b", "c", "d"], ["x"], ["z"]]


def test_several_workspaces_cross_each_by_itself(grouped):
    found = grouped(
        task("a", "one", workspaces=("source", "cache")),
        task("b", "two", ["a"], workspaces=("source",)),
        task("c", "three", ["b"], workspaces=("source", "cache", "own")),
    )
    assert carried(found["one"]) == [("save", "one", "cache"), ("save", "one", "source")]
    assert carried(found["three"]) == [("restore", "one", "cache"), ("restore", "two", "source")]


def test_names_of_an_author_are_kept(grouped):
    found = grouped(
        task("restore-source", "one"), task("save-source", "two", ["restore-source"]), task("z", "two", ["save-source"])
    )
    names = [each.name for each in plan_of(found["two"]).pipeline.tasks]
    assert names == ["restore-source-2", "restore-source", "save-source", "z"]


@pytest.mark.parametrize(
    ("users", "expected"),
    [((1000, None), None), ((1000, 0), 0), ((1000, 2000), 1000), ((None, 1000), None), ((1000,), 1000)],
)
def test_the_container_is_root_if_a_step_may_be(grouped, users, expected):
    several = [task(f"b{number}", "two", ["a"], user=user) for number, user in enumerate(users)]
    pod = grouped(task("a", "one"), *several)["two"]
    assert container(pod, "restore-source-pull")["securityContext"].get("runAsUser") == expected


def test_a_pod_of_the_restricted_profile_has_no_root(grouped):
    context = container(grouped(*CHAIN, pod_security="restricted")["two"], "save-source-push")["securityContext"]
    assert context["runAsUser"] == 65532
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_equal_input_gives_equal_objects(grouped):
    assert json.dumps(grouped(*CHAIN)) == json.dumps(grouped(*CHAIN))


# The command


@pytest.fixture
def compile_(write, capsys, monkeypatch):
    monkeypatch.delenv("MONOPOD_ARTIFACT_REPOSITORY", raising=False)

    def compile_(*options):
        words = ["monopod", "compile", "-f", write(*CHAIN), "-w", "source=emptyDir", *options]
        monkeypatch.setattr("sys.argv", words)
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code
        return code, capsys.readouterr()

    return compile_


def test_the_option_and_the_variable(compile_, monkeypatch):
    code, shown = compile_("--kind", "JobSet", "--artifact-repository", "registry.example/a,secret=s")
    assert (code, "secretName: s" in shown.out) == (0, True)
    assert compile_("--kind", "JobSet")[0] == 2
    monkeypatch.setenv("MONOPOD_ARTIFACT_REPOSITORY", "registry.example/a,secret=t")
    code, shown = compile_("--kind", "JobSet")
    assert (code, "secretName: t" in shown.out) == (0, True)
    assert compile_()[0] == 0  # for another kind the variable has no effect
    monkeypatch.setenv("MONOPOD_ARTIFACT_REPOSITORY", "a b")
    code, shown = compile_("--kind", "JobSet")
    assert (code, shown.err) == (
        2,
        "MONOPOD_ARTIFACT_REPOSITORY: expected REGISTRY/REPOSITORY[,secret=NAME] in lower case, without https://, got "
        "'a b'\n",
    )


def test_the_option_is_for_groups(compile_):
    code, shown = compile_("--artifact-repository", "registry.example/a")
    assert (code, shown.err) == (
        2,
        "--artifact-repository is for --kind JobSet, Workflow and PipelineRun, not for Pod\n",
    )
    code, shown = compile_("--kind", "JobSet", "--artifact-repository", "registry.example/a,password=x")
    assert code == 2
    assert "expected REGISTRY/REPOSITORY,secret=NAME, got ',password=x'" in shown.err
    code, shown = compile_("--kind", "JobSet", "--artifact-repository", "localhost:99999/a")
    assert (code, "'localhost:99999' is not an address of a registry" in shown.err) == (2, True)
