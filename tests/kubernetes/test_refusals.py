"""Errors when there is no cluster, or when the cluster refuses a request. Nothing is run then."""

import base64

import pytest

from monopod.runner.kubernetes.api_errors import ApiError


@pytest.fixture
def file(make, write):
    return write(make.run(make.task("build", "true")))


@pytest.fixture
def refused(monopod):
    """Runs `monopod run`, which must fail, and returns its error message."""

    def refused(*words):
        ran = monopod("run", *words)
        assert (ran.code, ran.out) == (2, "")
        assert "Traceback" not in ran.err
        return ran.err.strip()

    return refused


def test_no_kubeconfig(refused, file, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    said = refused("-f", file, "--context", "test")
    assert said.startswith(f"monopod run: no kubeconfig found at {tmp_path}/none; set KUBECONFIG to yours")


def test_no_such_context(refused, file, kubeconfig):
    assert refused("-f", file, "--context", "tset") == (
        f"monopod run: there is no context 'tset' in {kubeconfig} (did you mean 'test'?); there are test"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1, 2]", "is not a kubeconfig"),
        ("{a: [", "cannot be read"),
        ("{}", "has no current context; name one with --context"),
        ("{current-context: x, contexts: [{name: x, context: {cluster: none, user: none}}]}", "cannot be used"),
    ],
)
def test_invalid_kubeconfig(refused, file, kubeconfig, content, words):
    kubeconfig.write_text(content)
    assert words in refused("-f", file, "--backend", "kubernetes")


def test_server_that_does_not_answer(refused, file, api):
    api.stop()
    try:
        assert "cannot be reached: " in refused("-f", file, "--context", "test")
    finally:
        api.start()


def test_server_that_is_too_old(refused, file, api):
    api.version = "v1.24.3"
    assert "monopod runs on Kubernetes 1.25 and later, not on v1.24.3" in refused("-f", file, "--context", "test")


def test_unauthorized_user(refused, file, api):
    api.refuse("get", "version", 401, "Unauthorized", "Unauthorized")
    assert "the API server does not know you (Unauthorized); log in" in refused("-f", file, "--context", "test")


@pytest.mark.parametrize(
    ("status", "reason", "message", "words"),
    [
        (
            403,
            "Forbidden",
            None,
            "Pod 'build' cannot be created: jane may not create pods in namespace ci: a Role with",
        ),
        (
            403,
            "Forbidden",
            'pods "build" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
            '(container "build-act" must set securityContext.allowPrivilegeEscalation=false)',
            "enforces the Pod Security level restricted",
        ),
        (
            403,
            "Forbidden",
            'pods "build" is forbidden: exceeded quota: small, requested: cpu=4, used: cpu=0, limited: cpu=2',
            "counts the peak of what the Steps request at the same time: lower their requests",
        ),
        (
            403,
            "Forbidden",
            'pods "build" is forbidden: exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3',
            "counts Pods: delete some that have ended",
        ),
        (
            403,
            "Forbidden",
            'pods "build" is forbidden: exceeded quota: q, requested: limits.cpu=8,pods=1, used: limits.cpu=0,pods=0, '
            "limited: limits.cpu=4,pods=9",
            "counts the limits of all Steps, whenever they run",
        ),
        (
            403,
            "Forbidden",
            'pods "build" is forbidden: failed quota: q: must specify limits.memory for: a-s,coordinator',
            "the ResourceQuota 'q' wants these of every container: set computeResources in the Steps named, or create",
        ),
        (
            403,
            "Forbidden",
            'pods "build" is forbidden: error looking up service account ci/robot: serviceaccount "robot" not found',
            "create the ServiceAccount 'robot'",
        ),
        (400, "", 'admission webhook "policy.example" denied the request: no', "a policy of the cluster"),
        (404, "NotFound", 'namespaces "ci" not found', "there is no namespace 'ci' for Pod 'build'"),
        (409, "AlreadyExists", 'pods "build" already exists', "give the run a generateName"),
        (
            422,
            "Invalid",
            'Pod "build" is invalid: spec.x: Required value',
            'is refused: Pod "build" is invalid: spec.x',
        ),
        (500, "", 'failed calling webhook "w": timeout', 'failed calling webhook "w": timeout'),
    ],
)
def test_rejected_pod(refused, file, api, status, reason, message, words):
    api.refuse("create", "pods", status, message, reason)
    said = refused("-f", file, "--context", "test")
    assert words in said
    assert "\n" not in said
    if message is not None and status != 404:
        assert message in said
    assert api.objects == {}


CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"token": "s3cret"}}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "cache"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.mark.parametrize(
    ("resource", "given", "there"),
    [
        ("configmaps", CONFIG_MAP, {**CONFIG_MAP, "data": {"mode": "slow"}}),
        ("configmaps", CONFIG_MAP, {**CONFIG_MAP, "data": {"mode": "fast", "more": "x"}}),
        ("configmaps", CONFIG_MAP, {**CONFIG_MAP, "immutable": True}),
        ("secrets", SECRET, {"kind": "Secret", "metadata": {"name": "key"}, "data": {"token": "eA=="}}),
        ("secrets", SECRET, {**SECRET, "type": "kubernetes.io/tls"}),
        ("persistentvolumeclaims", CLAIM, {**CLAIM, "spec": {**CLAIM["spec"], "accessModes": ["ReadWriteMany"]}}),
    ],
)
def test_existing_object_that_differs(refused, make, write, api, resource, given, there):
    api.put(resource, "ci", there)
    name = given["metadata"]["name"]
    file = write(make.run(make.task("build", "true")), CONFIG_MAP if given is not CONFIG_MAP else SECRET, given)
    said = refused("-f", file, "--context", "test")
    assert f"{given['kind']} '{name}' is in namespace 'ci' already and differs from that in the files" in said
    assert list(api.objects) == [(resource, "ci", name)]  # the objects created before it are deleted


@pytest.mark.parametrize(
    ("resource", "given", "there"),
    [
        ("configmaps", CONFIG_MAP, CONFIG_MAP),
        (
            "secrets",
            SECRET,
            {
                "kind": "Secret",
                "type": "Opaque",
                "metadata": {"name": "key"},
                "data": {"token": base64.b64encode(b"s3cret").decode()},
            },
        ),
        (
            "persistentvolumeclaims",
            CLAIM,
            {**CLAIM, "spec": {**CLAIM["spec"], "storageClassName": "fast", "volumeMode": "Filesystem"}},
        ),
    ],
)
def test_existing_equal_object_is_not_changed(monopod, make, write, api, resource, given, there):
    api.put(resource, "ci", there)
    file = write(make.run(make.task("build", "true")), given)
    assert monopod("run", "-f", file, "--context", "test", "--detach").code == 0
    ((_, found),) = [(key, each) for key, each in api.objects.items() if key[0] == resource]
    assert "ownerReferences" not in found["metadata"]


def test_object_for_another_namespace(refused, make, write):
    given = {**CONFIG_MAP, "metadata": {"name": "settings", "namespace": "prod"}}
    file = write(make.run(make.task("build", "true")), given)
    assert refused("-f", file, "--context", "test") == (
        "ConfigMap 'settings' is for namespace 'prod', but the run is in 'ci'"
    )


def test_creating_objects_without_permission(refused, make, write, api):
    api.refuse("create", "secrets")
    file = write(make.run(make.task("build", "true")), CONFIG_MAP, SECRET)
    assert "Secret 'key' cannot be created: jane may not create secrets" in refused("-f", file, "--context", "test")
    assert api.objects == {}


def test_warning_for_objects_that_cannot_be_changed(monopod, make, write, api):
    api.refuse("patch", "configmaps")
    ran = monopod("run", "-f", write(make.run(make.task("a", "true")), CONFIG_MAP), "--context", "test", "--detach")
    assert ran.code == 0
    assert ran.err.startswith(
        "warning: ConfigMap 'settings' would stay if the Pod were deleted by others: jane may not"
    )


@pytest.mark.parametrize("command", ["attach", "logs", "status"])
def test_no_such_pod(monopod, api, command):
    for name, labels in (("build-1", {"app.kubernetes.io/managed-by": "monopod"}), ("web", {})):
        api.put("pods", "ci", {"kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {"containers": []}})
    ran = monopod(command, "build-2")
    where = "there is no Pod 'build-2' in namespace 'ci'"
    said = f"{where} (did you mean 'build-1'?); there are build-1\n"
    assert (ran.code, ran.err) == (2, f"monopod {command}: no recorded runs, and {said}")
    ran = monopod(command, "build-2", "--context", "test")
    assert (ran.code, ran.err) == (2, f"monopod {command}: {said}")
    assert "was not made by monopod" in monopod(command, "pod/web").err
    assert "there is no Pod 'web' in namespace 'prod', and no other Pod" in monopod(command, "web", "-n", "prod").err
    assert "the Job 'web' in namespace 'ci' has no Pods, or does not exist" in monopod(command, "job/web").err
    said = "'cronjob/web' is not a Pod; give its name, pod/NAME, or job/NAME/INDEX"
    assert said in monopod(command, "cronjob/web").err
    assert "this Pod has no coordinator" in monopod(command, "build-1").err


def test_answer_of_a_proxy():
    error = ApiError.of(502, "Bad Gateway", b"<html><body>nginx</body></html>")
    assert error.describe() == "502 Bad Gateway"
    assert ApiError.of(503, "Unavailable", b"no\nbackend").describe() == "no backend"
