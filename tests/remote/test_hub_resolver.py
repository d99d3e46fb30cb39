"""The resolver ``hub``, with a server that answers like Artifact Hub and a Tekton Hub; and versions."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as PythonVersion

from monopod.compiler.remote.versions import Version, parse_constraints


@pytest.fixture
def artifact_hub(web, page, monkeypatch):
    """Artifact Hub with versions of one Task."""

    def make(*versions, kind="task", catalog="tekton-catalog-tasks", name="git-clone"):
        base = f"/api/v1/packages/tekton-{kind}/{catalog}/{name}"
        listed = [{"version": version.lstrip("!"), "prerelease": version.startswith("!")} for version in versions]
        web.pages[base] = page(json.dumps({"name": name, "available_versions": listed}).encode())
        for version in versions:
            data = {"data": {"manifestRaw": f"{name} {version}"}}
            web.pages[f"{base}/{version.lstrip('!')}"] = page(json.dumps(data).encode())
        monkeypatch.setenv("ARTIFACT_HUB_API", f"{web.url}/")

    return make


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("0.6", "0.6.0"),
        ("0.6.0", "0.6.0"),
        (">= 0.5.0, < 0.7", "0.6.0"),
        (">=0.5", "0.10.1"),
        ("~> 0.6", "0.10.1"),
        ("~> 0.6.0", "0.6.0"),
        ("!= 0.10.1", "0.9.0"),
        ("<0.6", "0.5.0"),
    ],
)
def test_latest_matching_version_is_used(ask, artifact_hub, web, asked, chosen):
    artifact_hub("0.5.0", "0.10.1", "0.9.0", "0.6.0", "!0.11.0")
    resolved = ask("hub", {"name": "git-clone", "version": asked})
    assert resolved.content.decode() == f"git-clone {chosen}"
    assert resolved.origin == f"hub {web.url} task tekton-catalog-tasks/git-clone {chosen}"
    assert resolved.source.uri == (f"{web.url}/api/v1/packages/tekton-task/tekton-catalog-tasks/git-clone/{chosen}")


def test_pipelines_and_stepactions_have_their_own_catalogs(ask, refusal, artifact_hub):
    artifact_hub("1.0.0", kind="pipeline", catalog="tekton-catalog-pipelines", name="build")
    artifact_hub("1.6.0", kind="stepaction", catalog="mine", name="clone")
    assert ask("hub", {"kind": "pipeline", "name": "build", "version": "1"}).content == b"build 1.0.0"
    asked = {"kind": "stepaction", "name": "clone", "version": "1.6.0"}
    assert ask("hub", {**asked, "catalog": "mine"}).content == b"clone 1.6.0"
    assert refusal("hub", asked)[0] == "the resolver hub needs the param 'catalog' for a stepaction"


def test_a_tekton_hub(ask, refusal, web, page):
    base = "/v1/resource/Tekton/task/git-clone"
    versions = [{"version": "0.9"}, {"version": "0.10"}]
    web.pages[base] = page(json.dumps({"data": {"versions": versions}}).encode())
    web.pages[f"{base}/0.10/yaml"] = page(json.dumps({"data": {"yaml": "ten"}}).encode())
    asked = {"type": "tekton", "name": "git-clone", "version": ">= 0.9.0"}
    assert ask("hub", {**asked, "url": web.url}).content == b"ten"
    assert refusal("hub", asked) == (
        "the public Tekton Hub was shut down; name yours with the param 'url' or with TEKTON_HUB_API",
        "type",
    )


def test_errors_are_reported(refusal, artifact_hub, web, page):
    artifact_hub("0.5.0", "0.10.1")
    what = f"hub {web.url} task tekton-catalog-tasks"
    assert refusal("hub", {"name": "git-clone", "version": ">1"}) == (
        f"{what}/git-clone: no version satisfies '>1'; available: 0.10.1, 0.5.0",
        "version",
    )
    assert refusal("hub", {"name": "git-clone", "version": "newest"})[0] == (
        f"{what}/git-clone newest: the server answered 404 Not Found: no such page; "
        "check kind, catalog, name and version"
    )
    assert refusal("hub", {"name": "clone", "version": "1"})[0].startswith(f"{what}/clone: the server answered 404")
    assert refusal("hub", {"name": "clone"})[0] == "the resolver hub needs the param 'version'"
    assert refusal("hub", {"name": "a", "version": "1", "kind": "tsk"}) == (
        "'tsk' is not one of task, pipeline, stepaction (did you mean 'task'?)",
        "kind",
    )
    assert refusal("hub", {"name": "a", "version": "1", "url": "ftp://x"})[1] == "url"
    for content in (b"<html>", b"[]", b'{"available_versions": 1}', b"[" * 100_000):
        web.pages["/api/v1/packages/tekton-task/tekton-catalog-tasks/odd"] = page(content)
        assert refusal("hub", {"name": "odd", "version": "1"})[0].startswith(f"{what}/odd: ")
    web.pages["/api/v1/packages/tekton-task/tekton-catalog-tasks/odd/newest"] = page(b'{"data": {}}')
    assert "the answer contains no document" in refusal("hub", {"name": "odd", "version": "newest"})[0]


def test_names_are_quoted_in_the_url(refusal, web):
    refusal("hub", {"name": "../../x?y", "version": "a/b", "url": web.url})
    assert web.asked[-1][0] == "/api/v1/packages/tekton-task/tekton-catalog-tasks/..%2F..%2Fx%3Fy/a%2Fb"


# Versions

NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4)


@given(NUMBERS, NUMBERS)
def test_version_order_agrees_with_packaging(one, other):
    texts = [".".join(map(str, numbers)) for numbers in (one, other)]
    ours = [Version.parse(text) for text in texts]
    pythons = [PythonVersion(text) for text in texts]
    assert (ours[0] < ours[1]) == (pythons[0] < pythons[1])
    assert (ours[0] == ours[1]) == (pythons[0] == pythons[1])
    assert ours[0] != ours[1] or hash(ours[0]) == hash(ours[1])


@pytest.mark.parametrize(
    ("constraint", "version", "allowed"),
    [
        ("~> 1.2.3", "1.2.9", True),
        ("~> 1.2.3", "1.3.0", False),
        ("~> 1.2", "1.9", True),
        ("~> 1.2", "2.0", False),
        ("~> 1", "3.0", True),
        ("> 1.0", "1.1-beta", False),
        ("> 1.0-alpha", "1.0-beta", True),
        ("> 1.0-alpha", "1.1-beta", False),
        ("= 1.0-beta", "1.0-beta", True),
        ("< 1.0", "1.0-beta", False),
        (">= 1.0-rc.2", "1.0-rc.10", True),
        ("v1", "1.0.0", True),
        (">= 1, != 1.5", "1.5.0", False),
        ("1.0+build", "1.0+other", True),
    ],
)
def test_constraints_agree_with_go_version(constraint, version, allowed):
    constraints = parse_constraints(constraint)
    assert all(each.allows(Version.parse(version)) for each in constraints) == allowed


@pytest.mark.parametrize("text", ["", "newest", "> ", ">= x", "1,", "1.x", "=> 1"])
def test_other_texts_are_not_constraints(text):
    assert parse_constraints(text) is None
