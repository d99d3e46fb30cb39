"""The resolver ``cluster``, with a server that implements Kubernetes' call for one object."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

STEPS = [{"name": "say", "image": "alpine", "script": "echo hello"}]


@pytest.fixture
def kubeconfig(tmp_path):
    """Writes the user's kubeconfig, with a context for each URL."""

    def make(**servers):
        named = [(name, {"server": url}) for name, url in servers.items()]
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": named[0][0],
            "clusters": [{"name": name, "cluster": cluster} for name, cluster in named],
            "users": [{"name": "me", "user": {"token": "t0ken"}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name, _ in named],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(content))

    return make


@pytest.fixture
def put(web, page):
    """Puts an object into the cluster, with the fields that a real cluster adds."""

    def make(kind, name, spec, version="v1"):
        metadata = {
            "name": name,
            "namespace": "ci",
            "uid": "u-1",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
            "annotations": {"monopod.dev/max-concurrency": "2"},
        }
        found = {"apiVersion": f"tekton.dev/{version}", "kind": kind, "metadata": metadata, "spec": spec}
        path = f"/apis/tekton.dev/{version}/namespaces/ci/{kind.lower()}s/{name}"
        web.pages[path] = page(json.dumps(found).encode(), headers={"Content-Type": "application/json"})

    return make


def test_object_of_the_current_context_is_found(ask, web, kubeconfig, put):
    kubeconfig(here=web.url)
    put("Task", "hello", {"steps": STEPS})
    resolved = ask("cluster", {"name": "hello", "namespace": "ci"})
    assert yaml.safe_load(resolved.content) == {
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": {"name": "hello", "annotations": {"monopod.dev/max-concurrency": "2"}},
        "spec": {"steps": STEPS},
    }
    assert resolved.origin == "cluster ci/task/hello"
    canonical = '{"steps":[{"image":"alpine","name":"say","script":"echo hello"}]}'
    assert resolved.source.to_json() == {
        "uri": "/apis/tekton.dev/v1/namespaces/ci/task/hello@u-1",
        "digest": {"sha256": hashlib.sha256(canonical.encode()).hexdigest()},
    }
    assert web.asked[-1][1]["Authorization"] == "Bearer t0ken"


def test_other_kinds_and_another_context(ask, web, nowhere, kubeconfig, put):
    kubeconfig(away=nowhere, here=web.url)
    put("StepAction", "say", {"image": "alpine", "script": "echo"}, "v1beta1")
    put("Pipeline", "build", {"tasks": []})
    asked = {"namespace": "ci"}
    assert b"StepAction" in ask("cluster", {**asked, "kind": "stepaction", "name": "say"}, context="here").content
    assert b"Pipeline" in ask("cluster", {**asked, "kind": "pipeline", "name": "build"}, context="here").content


def test_object_is_requested_each_time_unless_cached(ask, web, kubeconfig, put):
    kubeconfig(here=web.url)
    asked = {"name": "hello", "namespace": "ci"}
    put("Task", "hello", {"steps": STEPS})
    first = ask("cluster", {**asked, "cache": "always"})
    put("Task", "hello", {"steps": []})
    assert ask("cluster", {**asked, "cache": "always"}) == first
    assert ask("cluster", asked).content != first.content


def test_errors_are_reported(refusal, web, page, nowhere, kubeconfig, tmp_path):
    asked = {"name": "hello", "namespace": "ci"}
    message, _ = refusal("cluster", asked)
    assert message.startswith("cluster ci/task/hello: no cluster is configured: ")
    assert message.endswith("; set KUBECONFIG or --context")
    kubeconfig(here=web.url, away=nowhere)
    status = {"kind": "Status", "message": 'tasks.tekton.dev "hello" not found', "code": 404}
    web.pages["/apis/tekton.dev/v1/namespaces/ci/tasks/hello"] = page(json.dumps(status).encode(), 404)
    assert refusal("cluster", asked)[0] == (
        'cluster ci/task/hello: the cluster says tasks.tekton.dev "hello" not found; check kind, name, namespace and '
        "the context"
    )
    web.pages["/apis/tekton.dev/v1/namespaces/ci/tasks/hello"] = page(b"<html>", 503)
    assert refusal("cluster", asked)[0] == "cluster ci/task/hello: the cluster says 503 Service Unavailable"
    assert "cannot reach the cluster" in refusal("cluster", asked, context="away")[0]
    assert "no cluster is configured" in refusal("cluster", asked, context="none")[0]
    assert refusal("cluster", {"name": "hello"})[0] == "the resolver cluster needs the param 'namespace'"
    assert refusal("cluster", {**asked, "kind": "Tasks"}) == (
        "'Tasks' is not one of task, pipeline, stepaction (did you mean 'task'?)",
        "kind",
    )
