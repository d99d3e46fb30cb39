"""Lowering the requests of a Pod while its run goes on: message by message, and with the real command."""

import json

import pytest
from coordinator_log import Coordinator
from observed_pod import START, ObservedPod

from monopod.compiler.pod.kube_version import KubeVersion
from monopod.runner.follow.pod_events import PodNotice, PodResized
from monopod.runner.kubernetes.commands import ResizePod
from monopod.runner.kubernetes.messages import ResizeAnswered
from monopod.runner.kubernetes.pod_shrinking import DELAY_SECONDS
from monopod.schemas.formats import quantity

GIB = 2**30


def with_requests(task, cpu, memory="0"):
    """Return a Task whose Step requests this."""
    task["taskSpec"]["steps"][0]["computeResources"] = {"requests": {"cpu": cpu, "memory": memory}}
    return task


def total(pod, resource):
    """Return what the containers of a Pod request together."""
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return sum(quantity.parse(each.get("resources", {}).get("requests", {}).get(resource, "0")) for each in containers)


@pytest.fixture
def tasks(make):
    """A Task that requests much, and two that follow and request little."""
    return [
        with_requests(make.task("heavy", "true"), "3", "2Gi"),
        with_requests(make.task("light", "true", after=["heavy"]), "1", "1Gi"),
        with_requests(make.task("last", "true", after=["light"]), "500m", "256Mi"),
    ]


@pytest.fixture
def observe(compiled, make, tasks):
    """Observes the Pod of a run that is shrunk."""

    def observe(**options):
        compilation = compiled(make.run(*tasks), shrinks=True, **options)
        return ObservedPod(compilation, shrinkable=compilation.shrinkable)

    return observe


def end(pod, *names):
    """Let Tasks run and end."""
    coordinator = Coordinator(pod, "build", START)
    for name in names:
        coordinator.task_started(name)
        coordinator.task_finished(name)


def answer(pod, problem=""):
    """Answer the latest request to lower something."""
    pod.handle(ResizeAnswered(pod.of(ResizePod)[-1].resize, problem))


def notices(pod):
    return [event.message for event in pod.events if isinstance(event, PodNotice)]


def given_back(pod):
    return [(event.cpu, event.memory) for event in pod.events if isinstance(event, PodResized)]


def test_requests_are_lowered_to_the_peak_of_what_is_left(observe):
    pod = observe()
    end(pod, "heavy")
    assert pod.of(ResizePod) == []
    pod.pass_(DELAY_SECONDS)
    (command,) = pod.of(ResizePod)
    requests = {each["name"]: each["resources"]["requests"] for each in command.resize.spec["containers"]}
    assert requests.keys() == {"heavy-act"}
    assert given_back(pod) == []
    answer(pod)
    assert given_back(pod) == [(2.0, GIB)]


def test_one_request_at_a_time(observe):
    pod = observe()
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    end(pod, "light")
    pod.pass_(DELAY_SECONDS)
    assert len(pod.of(ResizePod)) == 1
    answer(pod)
    assert len(pod.of(ResizePod)) == 2
    answer(pod)
    assert given_back(pod) == [(2.0, GIB), (0.5, 768 * 2**20)]


def test_tasks_that_end_together_are_one_request(observe):
    pod = observe()
    end(pod, "heavy", "light")
    pod.pass_(DELAY_SECONDS)
    answer(pod)
    assert given_back(pod) == [(2.5, 1792 * 2**20)]


def test_refusal_is_the_last_request_and_is_reported_once(observe):
    pod = observe()
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    answer(pod, "exceeded something")
    end(pod, "light")
    pod.pass_(DELAY_SECONDS)
    assert len(pod.of(ResizePod)) == 1
    assert notices(pod) == ["The requests of the Pod are not lowered any further: exceeded something"]
    assert pod.warnings == []


@pytest.mark.parametrize("reason", ["Infeasible", "Deferred"])
def test_capacity_that_the_node_refuses_does_not_count(observe, reason):
    pod = observe()
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    answer(pod)
    pod.set_status(
        conditions=[{"type": "PodResizePending", "status": "True", "reason": reason, "message": "static CPU manager"}]
    )
    end(pod, "light")
    pod.pass_(DELAY_SECONDS)
    assert len(pod.of(ResizePod)) == 1
    assert given_back(pod) == [(2.0, GIB), (-2.0, -GIB)]
    assert notices(pod) == [f"The requests of the Pod are not lowered any further: {reason}: static CPU manager"]


def test_guaranteed_pod_keeps_its_requests(observe):
    pod = observe()
    pod.set_status(qosClass="Guaranteed")
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    assert pod.of(ResizePod) == []
    assert len(notices(pod)) == 1


def test_nothing_is_requested_once_the_run_or_the_pod_is_over(observe):
    finished, killed, gone = observe(), observe(), observe()
    for pod in (finished, killed, gone):
        end(pod, "heavy")
    Coordinator(finished, "build", START).finished("Failed")
    killed.ask("kill")
    gone.remove()
    for pod in (finished, killed, gone):
        pod.pass_(DELAY_SECONDS)
        assert pod.of(ResizePod) == []


@pytest.mark.parametrize(("version", "has_pod_level"), [((1, 33), False), ((1, 35), False), ((1, 36), True)])
def test_pod_level_resources_are_lowered_where_they_can_be(observe, version, has_pod_level):
    """Otherwise the Pod has none: the cluster would refuse each change."""
    pod = observe(kube_version=KubeVersion(*version))
    assert ("resources" in pod.pod["spec"]) == has_pod_level
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    spec = pod.of(ResizePod)[0].resize.spec
    assert spec.get("resources") == ({"requests": {"cpu": "1010m", "memory": "1081344Ki"}} if has_pod_level else None)


def test_limit_ranges_are_respected(compiled, make, tasks):
    limits = {
        "metadata": {"name": "small", "namespace": "ci"},
        "spec": {"limits": [{"type": "Container", "min": {"cpu": "600m"}}]},
    }
    compilation = compiled(make.run(*tasks), shrinks=True, limit_ranges=(limits,))
    cpu = next(each for each in compilation.shrinkable if each.resource == "cpu")
    assert {share.lowest for share in cpu.shares} == {600}
    pod = ObservedPod(compilation, shrinkable=compilation.shrinkable)
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    for each in pod.of(ResizePod)[0].resize.after:
        assert all(share.requested >= 600 for share in each.shares if each.resource == "cpu")


def test_container_with_only_a_limit_is_lowered_too(compiled, make):
    heavy, light = make.task("heavy", "true"), with_requests(make.task("light", "true", after=["heavy"]), "1")
    heavy["taskSpec"]["steps"][0]["computeResources"] = {"limits": {"cpu": "3"}}
    compilation = compiled(make.run(heavy, light), shrinks=True)
    cpu = next(each for each in compilation.shrinkable if each.resource == "cpu")
    assert {share.container: (share.asked, share.requested) for share in cpu.shares} == {
        "heavy-act": (3000, 2250),
        "light-act": (1000, 750),
    }


# The real command


@pytest.fixture
def held(make, write, tmp_path):
    """A file whose second Task waits until the test lets it go on."""
    wait = "echo waiting; while [ ! -e $(workspaces.flag.path)/go ]; do sleep 0.05; done"
    light = with_requests(make.task("light", wait, after=["heavy"], workspaces=[{"name": "flag"}]), "1", "1Gi")
    light["taskSpec"]["workspaces"] = [{"name": "flag"}]
    run = make.run(with_requests(make.task("heavy", "true"), "3", "2Gi"), light)
    run["spec"]["pipelineSpec"]["workspaces"] = [{"name": "flag"}]
    flag = tmp_path / "flag"
    flag.mkdir(mode=0o777)
    return write(run), flag


def command(held, *options):
    file, flag = held
    return ("run", "-f", file, "-w", f"flag=hostPath:{flag}", "--context", "test", *options)


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
@pytest.mark.parametrize("version", ["v1.33.4", "v1.36.1"])
def test_run_gives_back_what_it_needs_no_more(start_monopod, monopod, api, held, version):
    api.version = version
    process = start_monopod(*command(held, "--shrink"))
    api.wait_for(lambda: api.pod() is not None)
    before = api.pod()
    api.wait_for(lambda: api.resizes)
    after = api.pod()
    (held[1] / "go").touch()
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert len(api.resizes) == 1
    for resource, asked in (("cpu", quantity.parse("1")), ("memory", quantity.parse("1Gi"))):
        own = total({"spec": {**before["spec"], "containers": []}}, resource)
        assert total(before, resource) > total(after, resource) == asked + own
        if version == "v1.36.1":
            assert quantity.parse(after["spec"]["resources"]["requests"][resource]) == asked + own
    assert "resources" in after["spec"] or version == "v1.33.4"
    assert output.splitlines()[-1].startswith("Gave back "), output
    explained = json.loads(monopod("explain", "-o", "json").out)["givenBack"]
    assert explained["changes"] == 1
    assert explained["gibibyteSeconds"] * 2 == pytest.approx(explained["coreSeconds"], abs=0.01)
    assert f"  {output.splitlines()[-1]}." in monopod("explain").out.splitlines()


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
def test_run_without_the_permission_says_so_once(start_monopod, api, held):
    message = (
        'pods "build" is forbidden: User "jane" cannot patch resource "pods/resize" in API group "" '
        'in the namespace "ci"'
    )
    api.refuse("patch", "pods/resize", message=message)
    process = start_monopod(*command(held, "--shrink"))
    api.wait_for(lambda: api.request_count("PATCH", "/resize"))
    (held[1] / "go").touch()
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    (notice,) = [line for line in output.splitlines() if "not lowered any further" in line]
    assert "a Role with the verb patch on pods/resize is missing" in notice
    assert "Gave back" not in output
    assert api.request_count("PATCH", "/resize") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
def test_cluster_without_resize_runs_the_pod_as_it_is(start_monopod, api, held):
    api.version = "v1.32.1"
    (held[1] / "go").touch()
    process = start_monopod(*command(held, "--shrink"))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Ignoring --shrink: the cluster cannot change the requests of a running Pod" in errors
    assert api.request_count("PATCH", "/resize") == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--backend", "host", "--shrink"], "--shrink applies only to --backend kubernetes, not to host"),
        (["--context", "test", "--shrink", "--detach"], "--detach does not support --shrink"),
    ],
)
def test_shrink_needs_a_cluster_and_somebody_who_follows(monopod, make, write, options, words):
    ran = monopod("run", "-f", write(make.run(make.task("only", "true"))), *options)
    assert ran.code == 2
    assert words in ran.err
