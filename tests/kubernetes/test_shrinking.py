"""Lowering the requests of a Pod while its run continues: message by message, and with the real command."""

import json
import threading

import pytest
import yaml
from coordinator_log import Coordinator
from observed_pod import START, ObservedPod
from own_certificate import certificate

from monopod.compiler.pod.kube_version import KubeVersion
from monopod.runner.follow.pod_events import PodNotice, PodResized
from monopod.runner.kubernetes.commands import ResizePod
from monopod.runner.kubernetes.messages import ResizeAnswered
from monopod.runner.kubernetes.pod_shrinking import DELAY_SECONDS
from monopod.runner.records.store import EVENTS_FILE, records_root
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
        compilation = compiled(make.run(*tasks), shrinks="runner", **options)
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


def test_change_that_is_answered_after_the_node_refused_one_does_not_count(observe):
    pod = observe()
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    answer(pod)
    end(pod, "light")
    pod.pass_(DELAY_SECONDS)
    assert len(pod.of(ResizePod)) == 2
    pod.set_status(conditions=[{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}])
    answer(pod)
    assert given_back(pod) == [(2.0, GIB), (-2.0, -GIB)]


def test_request_that_somebody_else_has_lowered_is_not_raised(observe):
    pod = observe()
    containers = [
        {**each, "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}} if each["name"] == "heavy-act" else each
        for each in pod.pod["spec"]["containers"]
    ]
    pod.pod = {**pod.pod, "spec": {**pod.pod["spec"], "containers": containers}}
    pod.set_status()
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    assert pod.of(ResizePod) == []
    assert notices(pod) == [
        "The requests of the Pod are not lowered any further: somebody else has changed the requests of the container "
        "'heavy-act'"
    ]


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


@pytest.mark.parametrize("version", [(1, 33), (1, 34), (1, 36)])
def test_pod_that_is_shrunk_has_no_pod_level_resources(observe, compiled, make, tasks, version):
    """1.34 and 1.35 would refuse each change of it, 1.36 would keep its memory."""
    pod = observe(kube_version=KubeVersion(*version))
    assert "resources" not in pod.pod["spec"]
    end(pod, "heavy")
    pod.pass_(DELAY_SECONDS)
    assert pod.of(ResizePod)[0].resize.spec.keys() == {"containers"}
    others = compiled(make.run(*tasks), kube_version=KubeVersion(*version)).pod["spec"]
    assert ("resources" in others) == (version >= (1, 34))


def test_limit_ranges_are_respected(compiled, make, tasks):
    limits = {
        "metadata": {"name": "small", "namespace": "ci"},
        "spec": {"limits": [{"type": "Container", "min": {"cpu": "600m"}}]},
    }
    compilation = compiled(make.run(*tasks), shrinks="runner", limit_ranges=(limits,))
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
    compilation = compiled(make.run(heavy, light), shrinks="runner")
    cpu = next(each for each in compilation.shrinkable if each.resource == "cpu")
    assert {share.container: (share.asked, share.requested) for share in cpu.shares} == {
        "heavy-act": (3000, 2250),
        "light-act": (1000, 750),
    }


# The real command


@pytest.fixture
def held(make, write, tmp_path):
    """A file whose second Task waits until the test lets it continue."""
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


def wait_for_record():
    """Wait until the record of the only run has what was given back: the command has taken the answer."""
    root, pause = records_root(), threading.Event()
    while not any("CapacityGivenBack" in path.read_text() for path in root.glob(f"*/{EVENTS_FILE}")):
        pause.wait(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
@pytest.mark.parametrize("version", ["v1.33.4", "v1.35.1"])
def test_run_gives_back_what_it_needs_no_more(start_monopod, monopod, api, held, version):
    api.version = version
    process = start_monopod(*command(held, "--shrink"))
    api.wait_for(lambda: api.pod() is not None)
    before = api.pod()
    wait_for_record()
    after = api.pod()
    (held[1] / "go").touch()
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert len(api.resizes) == 1
    for resource, asked in (("cpu", quantity.parse("1")), ("memory", quantity.parse("1Gi"))):
        own = total({"spec": {**before["spec"], "containers": []}}, resource)
        assert total(before, resource) > total(after, resource) == asked + own
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
    notice = next(line for line in process.stdout if "not lowered any further" in line)
    (held[1] / "go").touch()
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "a Role with the verb patch on pods/resize is missing" in notice
    assert "not lowered any further" not in output
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


# The coordinator does it


@pytest.fixture
def access(api, kubelet, tmp_path):
    """The token that the coordinator finds, and the certificate of the API server."""
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "token").write_text("the-token-of-the-pod\n")
    kubelet.api_port = api.start_securely(certificate(directory))
    kubelet.credentials = directory
    return directory


def test_only_the_coordinator_has_the_token(compiled, make, tasks):
    spec = compiled(make.run(*tasks), shrinks="coordinator").pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    (volume,) = [each for each in spec["volumes"] if "projected" in each]
    assert volume["projected"]["sources"][0] == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    mounting = [
        each["name"]
        for each in (*spec["initContainers"], *spec["containers"])
        if volume["name"] in {mount["name"] for mount in each["volumeMounts"]}
    ]
    assert mounting == ["coordinator"]
    without = compiled(make.run(*tasks)).pod["spec"]
    assert "automountServiceAccountToken" not in without
    assert not any("projected" in each for each in without["volumes"])


def test_run_may_give_all_steps_a_token(compiled, make, tasks):
    run = make.run(*tasks, taskRunTemplate={"podTemplate": {"automountServiceAccountToken": True}})
    assert compiled(run, shrinks="coordinator").pod["spec"]["automountServiceAccountToken"] is True


def test_groups_do_not_shrink_themselves(monopod, make, write):
    ran = monopod("compile", "-f", write(make.run(make.task("only", "true"))), "--kind", "JobSet", "--self-shrink")
    assert ran.code == 2
    assert "--self-shrink is for a run in one Pod, not for --kind JobSet; leave it out" in ran.err


def test_compiled_pod_is_the_same_without_the_option(monopod, make, write):
    file = write(make.run(make.task("only", "true")))
    plain, shrunk = (yaml.safe_load(monopod("compile", "-f", file, *more).out) for more in ([], ["--self-shrink"]))
    assert shrunk["spec"].pop("automountServiceAccountToken") is False
    assert shrunk["spec"]["volumes"].pop(0)["name"] == "api"
    coordinators = [pod["spec"]["initContainers"][0] for pod in (plain, shrunk)]
    assert coordinators[1]["volumeMounts"].pop()["readOnly"] is True
    for each in coordinators:
        del each["args"], each["command"]  # the Plan, and the modules that it needs
    assert shrunk == plain


@pytest.mark.slow
def test_coordinator_lowers_the_requests_of_its_pod(start_monopod, monopod, api, access, held):
    process = start_monopod(*command(held, "--self-shrink"))
    wait_for_record()
    assert "Bearer the-token-of-the-pod" in api.tokens
    (held[1] / "go").touch()
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert total(api_pod_of(api), "cpu") == quantity.parse("1010m")
    assert output.splitlines()[-1].startswith("Gave back "), output
    assert json.loads(monopod("explain", "-o", "json").out)["givenBack"]["changes"] == 1


def api_pod_of(api):
    """Return the Pod as it was changed last."""
    return next(item for _, resource, kind, item in reversed(api.history) if (resource, kind) == ("pods", "MODIFIED"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda api, access: api.refuse("patch", "pods/resize"), "needs a Role with the verb patch on pods/resize"),
        (lambda api, access: (access / "token").unlink(), "cannot read the token in"),
        (lambda api, access: certificate(access), "the API server cannot be trusted"),  # of another CA
    ],
    ids=["forbidden", "no token", "another CA"],
)
def test_refusal_does_not_fail_the_run(start_monopod, api, access, held, break_it, words):
    break_it(api, access)
    process = start_monopod(*command(held, "--self-shrink"))
    for line in process.stdout:
        if "not lowered any further" in line:
            break
    assert words in line
    (held[1] / "go").touch()
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "not lowered any further" not in output
    assert api.resizes == []
