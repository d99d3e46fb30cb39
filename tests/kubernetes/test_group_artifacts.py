"""Workspaces that cross from group to group as artifacts, in a real registry: each Pod really runs."""

from __future__ import annotations

import base64
import json
import os

import pytest
from group_engines import Argo, JobSetController, Tekton, pipeline_run, task
from registry_server import HTPASSWD

from monopod.system.caches.registry_client import Login, RegistryClient

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kubelet")]

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run Steps as several users")
REPOSITORY = "team/artifacts"
USERS = {"JobSet": "uid-of-job-set", "Workflow": "uid-of-workflow", "PipelineRun": "uid-of-pipeline-run"}


def using(name, group, script, *, read_only=False, user=None, **fields):
    """Return a Task whose Step runs in the Workspace ``source``."""
    made = task(name, group, f"set -e\ncd $(workspaces.source.path)\n{script}", **fields)
    made["workspaces"] = [{"name": "source"}]
    made["taskSpec"]["workspaces"] = [{"name": "source", "readOnly": read_only}]
    if user is not None:
        made["taskSpec"]["steps"][0]["securityContext"] = {"runAsUser": user, "runAsGroup": user}
    return made


def run_of(*tasks):
    run = pipeline_run(*tasks)
    run["spec"]["workspaces"] = [{"name": "source", "emptyDir": {}}]
    run["spec"]["pipelineSpec"]["workspaces"] = [{"name": "source"}]
    return run


BUILD = """
mkdir -p bin deep/er/empty
echo 'built' > bin/tool; chmod 0750 bin/tool
ln -s /usr/bin/env away; ln -s ../bin/tool deep/link
printf secret > deep/key; chmod 0400 deep/key
echo old > removed
"""
CHECK = """
test "$(cat bin/tool)" = built
test "$(stat -c %a bin/tool deep/key)" = "750
400"
test "$(readlink away deep/link)" = "/usr/bin/env
../bin/tool"
test -d deep/er/empty
"""
CHAIN = run_of(
    using("build", "one", BUILD),
    using("change", "two", f"{CHECK} rm removed; echo more > added", runAfter=["build"]),
    using("use", "three", f"{CHECK} test ! -e removed; cat added", read_only=True, runAfter=["change"]),
)


@pytest.fixture
def engine(run_pod, tmp_path):
    """Returns an engine for a kind of object."""

    def engine(kind):
        if kind == "PipelineRun":
            shared = tmp_path / "shared"
            shared.mkdir()
            return Tekton(run_pod, shared)
        return (Argo if kind == "Workflow" else JobSetController)(run_pod)

    return engine


@pytest.fixture
def compile_with(compiled_groups, registry):
    def compile_with(document, kind="JobSet", options=""):
        where = f"{registry.host}/{REPOSITORY}{options}"
        return compiled_groups(document, kind, "--artifact-repository", where)

    return compile_with


@pytest.fixture
def log(monopod):
    """Returns the lines of a Task of a group."""

    def log(group, task, suffix="-0-0"):
        ran = monopod("logs", f"pod/big-{group}{suffix}", task, "--context", "test")
        assert ran.code == 0, ran.err
        return ran.out.splitlines()

    return log


def tags(registry, login=Login()):  # noqa: B008
    return sorted(RegistryClient(registry.host, REPOSITORY, login).tags())


@pytest.mark.parametrize("kind", USERS)
def test_a_group_has_what_the_groups_before_it_have_left(compile_with, engine, registry, log, kind):
    started = engine(kind)
    started.run(compile_with(CHAIN, kind))
    assert started.phases == {"one": "Succeeded", "two": "Succeeded", "three": "Succeeded"}
    uid = USERS[kind]
    assert tags(registry) == [f"{uid}-one.source", f"{uid}-two.source"]
    if kind != "PipelineRun":  # whose Pods have Tekton's names
        suffix = "-0-0" if kind == "JobSet" else ""
        assert log("three", "use", suffix) == ["more"]
        (line,) = log("one", "save-source", suffix)
        assert line.startswith("workspace saved: source, ")
        assert line.endswith(f"s, as {registry.host}/{REPOSITORY}:{uid}-one.source")
        (line,) = log("three", "restore-source", suffix)
        assert line.startswith("workspace restored: source, 5 files (17 bytes) in ")
        assert line.endswith(f", from {registry.host}/{REPOSITORY}:{uid}-two.source")


def test_the_same_group_again_has_the_same_and_replaces_what_it_has_left(compile_with, run_pod, registry, log):
    again = run_of(
        using("a", "one", "echo 1 > count"),
        using("b", "two", 'echo "$(cat count)1" > count; cat count', runAfter=["a"]),
        using("c", "three", "cat count", runAfter=["b"]),
    )
    job_set = compile_with(again)
    one, two, three = job_set["spec"]["replicatedJobs"]
    controller = JobSetController(run_pod)
    assert controller.run_job("big", one) == "Succeeded"
    for attempt in range(2):  # as if the node of the first Pod had been lost
        assert controller.run_job("big", two, attempt) == "Succeeded"
        assert log("two", "b", f"-0-{attempt}") == ["11"]
    assert controller.run_job("big", three) == "Succeeded"
    assert log("three", "c") == ["11"]
    assert tags(registry) == ["uid-of-job-set-one.source", "uid-of-job-set-two.source"]


def test_a_group_that_fails_saves_nothing(compile_with, run_pod, registry):
    controller = JobSetController(run_pod)
    failing = run_of(using("a", "one", "echo 1 > f; exit 3"), using("b", "two", "true", runAfter=["a"]))
    controller.run(compile_with(failing))
    assert controller.phases == {"one": "Failed"}
    assert tags(registry) == []


def test_a_skipped_task_does_not_keep_a_group_from_saving(compile_with, run_pod, registry):
    controller = JobSetController(run_pod)
    never = using("never", "one", "exit 1", when=[{"input": "a", "operator": "in", "values": ["b"]}])
    tolerated = using("tolerated", "one", "echo x > tolerated; exit 1", onError="continue")
    controller.run(compile_with(run_of(never, tolerated, using("b", "two", "cat tolerated", runAfter=["tolerated"]))))
    assert controller.phases == {"one": "Succeeded", "two": "Succeeded"}
    assert tags(registry) == ["uid-of-job-set-one.source"]


def test_a_registry_that_is_away_fails_the_group_with_one_line(compile_with, run_pod, registry, log, monopod):
    document = run_of(using("a", "one", "echo 1 > f"), using("b", "two", "cat f", runAfter=["a"]))
    _, two = compile_with(document)["spec"]["replicatedJobs"]
    registry.stop()
    controller = JobSetController(run_pod)
    assert controller.run_job("big", two) == "Failed"
    refused = f"{registry.host}/{REPOSITORY}: cannot be reached: Connection refused"
    assert log("two", "restore-source") == [f"workspace not restored: source: {refused}"]
    assert f"restore-source: Failed: workspace not restored: source: {refused}" in controller.messages["two"]
    ran = monopod("logs", "pod/big-two-0-0", "--context", "test")
    assert "skipped: PipelineRun was stopping: Task restore-source did not succeed" in ran.out


def test_an_artifact_that_was_deleted_fails_the_group_before_its_first_step(compile_with, run_pod, registry, log):
    document = run_of(using("a", "one", "echo 1 > f"), using("b", "two", "cat f", runAfter=["a"]))
    one, two = compile_with(document)["spec"]["replicatedJobs"]
    controller = JobSetController(run_pod)
    assert controller.run_job("big", one) == "Succeeded"
    client = RegistryClient(registry.host, REPOSITORY, Login())
    answer = client.get("manifests/uid-of-job-set-one.source", "application/vnd.oci.image.manifest.v1+json")
    client.delete(f"manifests/{answer.headers['Docker-Content-Digest']}")
    assert controller.run_job("big", two) == "Failed"
    (line,) = log("two", "restore-source")
    assert line == (
        f"workspace not restored: source: {registry.host}/{REPOSITORY}:uid-of-job-set-one.source: "
        "cannot find the artifact of the group 'one': it was deleted or replaced; run the whole Pipeline again"
    )


def test_only_the_steps_that_carry_have_the_credentials(compiled_groups, start_registry, run_pod, api, log):
    registry = start_registry(HTPASSWD)
    document = run_of(using("a", "one", "echo 1 > f"), using("b", "two", "cat f", runAfter=["a"]))
    where = f"{registry.host}/{REPOSITORY},secret=login"
    job_set = compiled_groups(document, "JobSet", "--artifact-repository", where)
    one, two = job_set["spec"]["replicatedJobs"]
    controller = JobSetController(run_pod)
    assert controller.run_job("big", one) == "Failed"
    (line,) = log("one", "save-source")
    assert line.endswith(
        "cannot read the login: the Secret does not exist or is not of type kubernetes.io/dockerconfigjson"
    )
    config = {"auths": {registry.host: {"auth": base64.b64encode(b"builder:secret").decode()}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}
    api.put("secrets", "ci", {"metadata": {"name": "login"}, "type": "kubernetes.io/dockerconfigjson", "data": data})
    assert [controller.run_job("big", job, 1) for job in (one, two)] == ["Succeeded", "Succeeded"]
    assert log("two", "b", "-0-1") == ["1"]
    assert tags(registry, Login("builder", "secret")) == ["uid-of-job-set-one.source"]
    for job in (one, two):
        containers = job["template"]["spec"]["template"]["spec"]["containers"]
        with_login = {
            each["name"] for each in containers if "artifact-login" in {mount["name"] for mount in each["volumeMounts"]}
        }
        assert with_login == {each["name"] for each in containers if "source-pu" in each["name"]}


@AS_ROOT
def test_files_keep_their_users(compile_with, run_pod, log):
    users = run_of(
        using("a", "one", "umask 077; echo 1 > mine", user=1234),
        using("root", "one", "mkdir -p d; echo 2 > d/roots", user=0),
        using("b", "two", "cat mine; echo 3 >> mine; stat -c %u:%g mine d d/roots", user=1234, runAfter=["a", "root"]),
        using("also-root", "two", "cat d/roots", user=0, runAfter=["b"]),
    )
    controller = JobSetController(run_pod)
    controller.run(compile_with(users))
    assert controller.phases == {"one": "Succeeded", "two": "Succeeded"}
    assert log("two", "b") == ["1", "1234:1234", "0:0", "0:0"]


def test_two_users_that_are_not_root_can_both_use_the_files(compile_with, run_pod, log):
    users = run_of(
        using("a", "one", "echo 1 > f; mkdir d; echo 2 > d/f", user=1234),
        using("b", "two", "echo 3 >> f; echo 4 > d/g; cat f d/f d/g", user=4321, runAfter=["a"]),
    )
    controller = JobSetController(run_pod)
    controller.run(compile_with(users))
    assert controller.phases == {"one": "Succeeded", "two": "Succeeded"}
    assert log("two", "b") == ["1", "3", "2", "4"]


def test_views_and_pipelines_that_run_as_tasks_see_what_was_restored(compile_with, run_pod, log):
    viewing = using("b", "two", "cat f; echo b > b", runAfter=["a"])
    viewing["taskSpec"]["metadata"]["annotations"]["monopod.dev/views"] = "source=copy"
    inner = using("inner", "", "cat f; echo c > c")
    del inner["taskSpec"]["metadata"]
    nested = {
        "name": "c",
        "runAfter": ["a"],
        "workspaces": [{"name": "source"}],
        "pipelineSpec": {"workspaces": [{"name": "source"}], "tasks": [inner]},
    }
    last = using("d", "three", "cat f b c", runAfter=["b", "c"])
    controller = JobSetController(run_pod)
    controller.run(compile_with(run_of(using("a", "one", "echo a > f"), viewing, nested, last)))
    assert controller.phases == {"one": "Succeeded", "two": "Succeeded", "three": "Succeeded"}
    assert log("three", "d") == ["a", "b", "c"]


@pytest.mark.parametrize("user", [None, pytest.param(1234, marks=AS_ROOT)])
def test_a_sub_path_has_what_was_restored(compile_with, run_pod, log, user):
    tasks = [
        using("a", "one", "echo a > f", user=user),
        using("b", "two", "cat f; echo b > g", user=user, runAfter=["a"]),
        using("c", "three", "cat deep/er/f deep/er/g", user=user, runAfter=["b"]),
    ]
    for each in tasks[:2]:
        each["workspaces"][0]["subPath"] = "deep/er"
    controller = JobSetController(run_pod)
    controller.run(compile_with(run_of(*tasks)))
    assert controller.phases == {"one": "Succeeded", "two": "Succeeded", "three": "Succeeded"}
    assert log("three", "c") == ["a", "b"]
