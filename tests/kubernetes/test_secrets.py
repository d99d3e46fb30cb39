"""Secrets of a cluster: masked in what monopod shows of a Pod that refers to them, if they can be read."""

import base64

import pytest

from monopod.runner.kubernetes.pod_secrets import secret_names

RUNNING = {"name": "coordinator", "restartCount": 0, "state": {"running": {}}}


@pytest.fixture
def leaking(api, compiled, make, coordinator):
    """A running Pod whose only Step has printed the value of a Secret."""
    task = make.task("deploy", "true")
    reference = {"secretKeyRef": {"name": "registry", "key": "password"}}
    task["taskSpec"]["steps"][0]["env"] = [{"name": "PASSWORD", "valueFrom": reference}]
    api.put("pods", "ci", {**compiled(make.run(task)).pod, "kind": "Pod"})
    with api.changed:
        api.objects["pods", "ci", "build"]["metadata"].update(uid="uid-1", namespace="ci")
    api.set_status("build", phase="Running", initContainerStatuses=[RUNNING])
    data = {"password": base64.b64encode(b"correct-horse").decode()}
    api.put("secrets", "ci", {"kind": "Secret", "metadata": {"name": "registry", "namespace": "ci"}, "data": data})
    it = coordinator()
    it.started()
    it.task_started("deploy")
    it.prints("deploy", "login with correct-horse")
    return it


def test_logs_masks_secrets_of_the_cluster(monopod, leaking):
    ran = monopod("logs", "build", "deploy")
    assert (ran.out, ran.err) == ("login with ***\n", "")


def test_secrets_that_cannot_be_read_are_reported_once(monopod, api, leaking):
    api.refuse("get", "secrets")
    ran = monopod("logs", "build", "deploy")
    assert ran.out == "login with correct-horse\n"
    (line,) = ran.err.splitlines()
    assert line.startswith("warning: the output is shown with the values of Secret 'registry' unmasked: jane may not ")


def test_secret_that_does_not_exist_is_not_reported(monopod, api, leaking):
    with api.changed:
        del api.objects["secrets", "ci", "registry"]
    assert monopod("logs", "build", "deploy").err == ""


@pytest.fixture
def file(make, write, monkeypatch):
    """A run that prints a Secret, which its files do not have."""
    monkeypatch.setenv("PASSWORD", "correct-horse")
    task = make.task("deploy", 'echo "login with $PASSWORD"; cat /keys/password')
    (step,) = task["taskSpec"]["steps"]
    reference = {"secretKeyRef": {"name": "registry", "key": "password"}}
    step["env"] = [{"name": "PASSWORD", "valueFrom": reference}]
    step["volumeMounts"] = [{"name": "keys", "mountPath": "/keys"}]
    task["taskSpec"]["volumes"] = [{"name": "keys", "secret": {"secretName": "registry"}}]
    return write(make.run(task))


@pytest.mark.slow
@pytest.mark.usefixtures("kubelet")
def test_given_secret_belongs_to_the_run(monopod, api, file):
    others = {"kind": "Secret", "metadata": {"name": "registry", "namespace": "ci"}, "data": {}}
    api.put("secrets", "ci", others)
    option = ("--secret", "registry/password=env:PASSWORD")
    ran = monopod("run", "-f", file, "--context", "test", "--keep", "never", *option)
    assert ran.code == 0, ran.err
    assert "[deploy : act] login with ***" in ran.out.splitlines()
    assert "correct-horse" not in ran.out + ran.err
    api.wait_for(lambda: list(api.objects) == [("secrets", "ci", "registry")])
    changes = [item for _, resource, _, item in api.history if resource == "secrets"]
    (owner,) = next(each for each in reversed(changes) if each["metadata"]["name"] == "build-registry")["metadata"][
        "ownerReferences"
    ]
    assert (owner["kind"], owner["name"]) == ("Pod", "build")


def test_forbidden_secret_is_one_line(monopod, api, file):
    api.refuse("create", "secrets")
    ran = monopod("run", "-f", file, "--context", "test", "--secret", "registry/password=env:PASSWORD")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert line.startswith("Secret 'build-registry' cannot be created: jane may not create secrets in namespace ci: ")
    assert api.objects == {}


def test_all_references_to_secrets_are_known():
    spec = {
        "containers": [
            {
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}, {"name": "B"}],
                "envFrom": [{"secretRef": {"name": "b"}}, {"configMapRef": {"name": "x"}}],
            }
        ],
        "volumes": [
            {"name": "v", "secret": {"secretName": "c"}},
            {"name": "w", "projected": {"sources": [{"secret": {"name": "d"}}, {"configMap": {"name": "x"}}]}},
            {"name": "x", "emptyDir": {}},
        ],
    }
    assert list(secret_names(spec)) == ["a", "b", "c", "d"]
