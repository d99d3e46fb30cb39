"""The annotation monopod.dev/cache: what is wrong with it, and the Steps that it adds."""

from __future__ import annotations

import base64
import json
import re
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from monopod.compiler.caches.store_option import OFF, CacheStore, parse_store
from monopod.compiler.compilation import Compilation
from monopod.system.caches.requests import Hash, Request, parse

DIRECTORY = CacheStore("directory", ("/srv/cache",))

TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: build
  annotations:
    monopod.dev/cache: |
CACHE
spec:
  params: [{name: version, default: "1"}, {name: list, type: array, default: []}]
  workspaces: [{name: source}, WORKSPACES]
  steps:
  - {name: build, image: alpine, script: "true"}
"""


def task(cache: str, workspaces: str = "") -> str:
    return TASK.replace("CACHE", textwrap.indent(textwrap.dedent(cache).strip(), " " * 6)).replace(
        "WORKSPACES", workspaces
    )


@pytest.fixture
def request_of(compiled: Callable[..., Compilation]) -> Callable[..., Request]:
    """Returns what the restore Step is asked to do."""

    def request_of(text: str, **options: Any) -> Request:
        first = compiled(text, cache_store=DIRECTORY, **options).plan.pipeline.tasks[0].steps[0]
        assert first.name.startswith("cache-restore")
        return parse(first.args[1:])

    return request_of


SMALL = """\
key: go-$(params.version)-$(hashFiles('go.sum', '!x/**'))
restoreKeys: ["go-$(params.version)-"]
paths: [vendor, ~/go]
"""


def test_the_steps_are_around_the_authors(compiled):
    compilation = compiled(task(SMALL), cache_store=DIRECTORY)
    (plan_task,) = compilation.plan.pipeline.tasks
    assert [step.name for step in plan_task.steps] == ["cache-restore", "build", "cache-save"]
    restore, _, save = plan_task.steps
    assert [result.name for result in restore.results] == ["key-0", "hit-0"]
    assert {restore.on_error, save.on_error} == {"continue"}
    assert save.args[-4:] == (
        *("--save-as", "$(steps.cache-restore.results.key-0)"),
        *("--hit", "$(steps.cache-restore.results.hit-0)"),
    )


def test_the_store_is_mounted_only_in_monopods_own_steps(compiled):
    spec = compiled(task(SMALL), cache_store=DIRECTORY).pod["spec"]
    (volume,) = [volume for volume in spec["volumes"] if volume.get("hostPath")]
    assert volume["hostPath"] == {"path": "/srv/cache", "type": "DirectoryOrCreate"}
    having = {
        container["name"]
        for container in spec["containers"]
        if volume["name"] in {mount["name"] for mount in container["volumeMounts"]}
    }
    assert having == {"build-cache-restore", "build-cache-save"}


def test_the_save_step_mounts_workspaces_read_only(compiled):
    containers = {
        container["name"]: container
        for container in compiled(task(SMALL), cache_store=DIRECTORY).pod["spec"]["containers"]
    }
    mounts = {mount["mountPath"]: mount for mount in containers["build-cache-save"]["volumeMounts"]}
    assert mounts["/workspace/source"]["readOnly"]
    assert "readOnly" not in mounts["/monopod/cache"]


def test_paths_and_patterns_are_absolute_in_the_request(request_of):
    (cache,) = request_of(task(SMALL)).caches
    assert cache.paths == ["/workspace/source/vendor", "/tekton/home/go"]
    assert cache.key == [
        "go-$(params.version)-",
        Hash("/", ["/workspace/source/go.sum", "!/workspace/source/x/**"]),
    ]
    assert cache.restore_keys == [["go-$(params.version)-"]]


def test_github_s_spelling_of_hash_files_is_read(request_of):
    written = request_of(task("key: a-${{ hashFiles('**/go.sum', \"b\") }}-z\npaths: [vendor]")).caches[0].key
    assert written == ["a-", Hash("/", ["/workspace/source/**/go.sum", "/workspace/source/b"]), "-z"]


def test_only_the_workspaces_that_a_cache_is_in_are_mounted(compiled, request_of):
    text = task("key: x\npaths: [$(workspaces.other.path)/x]", "{name: other}")
    assert request_of(text).roots == ["/workspace/other", "/tekton/home"]
    containers = compiled(text, cache_store=DIRECTORY).pod["spec"]["containers"]
    assert "/workspace/source" not in {mount["mountPath"] for mount in containers[0]["volumeMounts"]}


def test_caches_that_are_always_saved_have_a_step_of_their_own(compiled):
    text = task("""
        - {key: a, paths: [a]}
        - {key: b, paths: [b], when: always}
        - {key: c, paths: [c], policy: pull}
    """)
    steps = compiled(text, cache_store=DIRECTORY).plan.pipeline.tasks[0].steps
    assert [(step.name, step.always) for step in steps[2:]] == [("cache-save", False), ("cache-save-2", True)]
    assert [len(parse(step.args[1:]).caches) for step in steps[2:]] == [1, 1]


def test_a_step_of_the_author_may_have_the_same_name(compiled):
    text = task(SMALL).replace("name: build, image", "name: cache-restore, image")
    restore, _, save = compiled(text, cache_store=DIRECTORY).plan.pipeline.tasks[0].steps
    assert restore.name == "cache-restore-2"
    assert "$(steps.cache-restore-2.results.key-0)" in save.args


@pytest.mark.parametrize("store", [None, OFF])
def test_without_a_store_there_are_no_steps(compiled, store):
    steps = compiled(task(SMALL), cache_store=store).plan.pipeline.tasks[0].steps
    assert [step.name for step in steps] == ["build"]


def test_an_optional_workspace_without_a_volume_is_not_cached(compiled):
    text = task("key: x\npaths: [$(workspaces.more.path)/x]", "{name: more, optional: true}")
    steps = compiled(text, cache_store=DIRECTORY).plan.pipeline.tasks[0].steps
    assert [step.name for step in steps] == ["build"]


def test_the_store_is_chosen_by_option_annotation_and_default_in_this_order(compiled):
    def path(text, **options):
        volumes = compiled(text, **options).pod["spec"]["volumes"]
        return next((volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume), None)

    annotated = task(SMALL).replace("  annotations:\n", "  annotations:\n    monopod.dev/cache-store: /annotated\n")
    default = CacheStore("directory", ("/default",))
    assert path(annotated, cache_store=DIRECTORY, default_cache_store=default) == "/srv/cache"
    assert path(annotated, default_cache_store=default) == "/annotated"
    assert path(task(SMALL), default_cache_store=default) == "/default"
    assert path(annotated.replace("/annotated", '"-"'), default_cache_store=default) is None


def test_a_claim_is_mounted(compiled):
    spec = compiled(task(SMALL), cache_store=parse_store("pvc:cache")).pod["spec"]
    assert {"claimName": "cache"} in [volume.get("persistentVolumeClaim") for volume in spec["volumes"]]


def test_a_registry_needs_no_volume_but_the_secret_with_its_login(compiled, request_of):
    spec = compiled(task(SMALL), cache_store=parse_store("oci:r.example/team/cache,secret=push")).pod["spec"]
    (volume,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
    assert volume["secretName"] == "push"
    assert volume["items"] == [{"key": ".dockerconfigjson", "path": "config.json"}]
    assert volume["optional"]
    restore = compiled(task(SMALL), cache_store=parse_store("oci:r.example/c")).plan.pipeline.tasks[0].steps[0]
    found = parse(restore.args[1:])
    assert (found.store, found.options) == ("oci:r.example/c", {"scratch": "/tekton"})


def test_the_login_of_the_user_is_a_secret_only_on_this_machine(compiled, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"auths": {"r.example": {"auth": "YTpi"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    store = parse_store("oci:r.example/c")
    assert compiled(task(SMALL), cache_store=store).secrets == ()
    (secret,) = compiled(task(SMALL), cache_store=store, local=True).secrets
    content = base64.b64decode(secret["data"][".dockerconfigjson"])
    assert json.loads(content) == {"auths": {"r.example/c": {"auth": "YTpi"}}}
    named = parse_store("oci:r.example/c,secret=push")
    assert compiled(task(SMALL), cache_store=named, local=True).secrets == ()


STORES = {
    "-": "off",
    "./x": "directory",
    "/x": "directory",
    "~/x": "directory",
    "hostPath:/x": "directory",
    "pvc:a,b-c": "claims",
    "oci:localhost:5000/a/b": "registry",
    "oci:a/b": "registry",
}


@pytest.mark.parametrize("text", STORES)
def test_stores_are_read(text):
    assert parse_store(text).kind == STORES[text]


WRONG_STORES = [
    ("", "expected a directory"),
    ("x", "expected a directory"),
    ("s3://bucket", "expected a directory"),
    ("pvc:", "expected a directory"),
    ("pvc:a,", "'' is not a valid name"),
    ("pvc:A", "'A' is not a valid name"),
    ("oci:r.example/c:tag", "without tag and digest"),
    ("oci:R/C", "expected oci:REGISTRY/REPOSITORY[,secret=NAME] in lower case, without https://, got 'oci:R/C'"),
    ("oci:https://r.example/c", "without https://"),
    ("oci:r.example", "got 'oci:r.example' without a registry"),
    ("oci:r.example/c,name=x", "expected oci:REGISTRY/REPOSITORY,secret=NAME"),
    ("oci:r.example/c,secret=A", "'A' is not a valid name"),
    *(
        (f"oci:{registry}/c", f"'{registry}' is not an address of a registry; expected HOST or HOST:PORT, up to 65535")
        for registry in ("localhost:99999", "r.example:65536", "localhost:0", "[1:2]:5000", "[:::]")
    ),
    (
        f"oci:r.example/{'c' * 300},secret=a",
        "the name of the repository has 310 characters with the registry; registries take 255, so use a shorter one",
    ),
]


@pytest.mark.parametrize("name", ["localhost:65535/c", "[2001:db8::1]:5000/c", f"r.example/{'c' * 245}"])
def test_the_largest_port_and_the_longest_repository_are_stores(name):
    assert parse_store(f"oci:{name}").names == (name,)


@pytest.mark.parametrize(("text", "message"), WRONG_STORES)
def test_wrong_stores_are_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_store(text)


def test_annotations_of_caches_are_not_the_pods(compiled):
    compilation = compiled(task(SMALL), cache_store=DIRECTORY)
    assert not [name for name in compilation.pod["metadata"]["annotations"] if "cache" in name]


TWO = "{name: other}"
WRONG = [
    ("key: a\npath: [a]", "8:7: ", "path: unknown field (did you mean 'paths'?)"),
    ("key: a", "7:7: ", "the field 'paths' is required"),
    (
        "- {key: a, paths: [a]}\n- {key: b, paths: [b], policy: pul}",
        "8:38: ",
        "[1].policy: expected pull, push or both",
    ),
    ("- {key: a, paths: [a], when: never}", "7:36: ", "expected success or always"),
    ("key: a\npaths: a", "8:14: ", "paths: expected a list of strings, got 'a'; write [a]"),
    ("key: ''\npaths: [a]", "7:12: ", "the key must not be empty"),
    ("key: a\npaths: []", "8:14: ", "at least one path is required"),
    ("key: a\npaths: ['**/node_modules']", "8:15: ", "a path cannot be a pattern"),
    ("key: a\nrestoreKeys: ['']\npaths: [a]", "8:21: ", "an empty prefix matches every entry"),
    ("key: $(params.versio)\npaths: [a]", "7:12: ", "$(params.versio): there is no param 'versio'"),
    ("key: $(params.list[*])\npaths: [a]", "7:12: ", "$(params.list[*]) is an array"),
    ("key: $(tasks.a.results.b)\npaths: [a]", "7:12: ", "$(tasks.a.results.b)"),
    ("key: $(steps.build.results.b)\npaths: [a]", "7:12: ", "$(steps.build.results.b)"),
    ("key: a-$(hashFiles(go.sum))\npaths: [a]", "7:12: ", "expected $(hashFiles('PATTERN', ...)), with the patterns"),
    ("key: a-hashFiles('go.sum')\npaths: [a]", "7:12: ", "expected $(hashFiles('PATTERN', ...))"),
    ("key: a-$(hashFiles())\npaths: [a]", "7:12: ", "hashFiles needs a pattern"),
    ("key: ${{ runner.os }}-a\npaths: [a]", "7:12: ", "is an expression of GitHub Actions; use a param"),
    ("key: a\npaths: [/root/.m2]", "8:15: ", "'/root/.m2' is in no Workspace of the Task 'build'"),
    ("key: a\npaths: [../a]", "8:15: ", "'../a' is in no Workspace"),
    ("key: a\npaths: [/tekton/results]", "8:15: ", "'/tekton/results' is in no Workspace"),
    ("key: a\npaths: [$(workspaces.sorce.path)/a]", "8:15: ", "'sorce'"),
    ("key: [a", "7:14: ", "this is not valid YAML"),
    ("just text", "7:7: ", "expected a cache (key, paths ...) or a list of caches, got 'just text'"),
    ("[]", "7:7: ", "expected a cache (key, paths ...) or a list of caches, got a list"),
    ("- a", "7:9: ", "[0]: expected a cache"),
    (f"key: {'x' * 513}\npaths: [a]", "7:12: ", "the key is longer than 512 characters"),
]


@pytest.mark.parametrize(("cache", "place", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_what_is_wrong_is_reported_where_it_is_written(problems, cache, place, message):
    (line,) = problems(task(cache), cache_store=DIRECTORY)
    assert line.startswith(f"p.yaml:{place}metadata.annotations.monopod.dev/cache: ")
    assert message in line


def test_mistakes_are_reported_without_a_store_too(problems):
    assert "unknown field" in problems(task("key: a\npaths: [a]\nfoo: 1"))[0]


def test_a_relative_path_needs_one_workspace(problems):
    (line,) = problems(task("key: a\npaths: [a]", TWO), cache_store=DIRECTORY)
    assert "'a' is relative, and the Task 'build' has several Workspaces; use $(workspaces.NAME.path)/PATH" in line


def test_a_read_only_workspace_cannot_hold_a_cached_path(problems):
    text = task("key: $(hashFiles('a'))\npaths: [~/x]").replace("{name: source}", "{name: source, readOnly: true}")
    assert not any("read-only" in line for line in problems(text, cache_store=DIRECTORY))
    (line,) = problems(text.replace("~/x", "x"), cache_store=DIRECTORY)
    assert "p.yaml:8:15: " in line
    assert "the Workspace 'source' is read-only" in line


def test_a_wrong_store_in_an_annotation_is_reported(problems):
    text = task(SMALL).replace("  annotations:\n", "  annotations:\n    monopod.dev/cache-store: s3://bucket\n")
    (line,) = problems(text)
    assert line.startswith("p.yaml:6:30: metadata.annotations.monopod.dev/cache-store: expected a directory (./DIR")


QUOTED = task("X").replace("|\n      X", '"{key: a, paths: [b], polcy: push}"')


def test_a_text_in_quotes_has_positions_too(problems):
    (line,) = problems(QUOTED)
    assert line.startswith("p.yaml:6:46: ")
    assert "unknown field (did you mean 'policy'?)" in line


def test_a_folded_text_is_reported_where_it_begins(problems):
    (line,) = problems(task("key: a\npath: [b]").replace(": |", ": >"))
    assert line.startswith("p.yaml:6:24: ")


PIPELINE = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {name: ci, RUN}
spec:
  params: [{name: version, value: "7"}]
  workspaces: [{name: code, emptyDir: {}}]
  pipelineRef: {name: build}
---
apiVersion: tekton.dev/v1
kind: Pipeline
metadata:
  name: build
  annotations:
    monopod.dev/cache: |
CACHE
spec:
  params: [{name: version}]
  workspaces: [{name: code}]
  tasks:
  - name: clone
    taskSpec:
      steps: [{name: clone, image: alpine, script: "true"}]
  - name: compile
    workspaces: [{name: source, workspace: code}]
    taskSpec:
      workspaces: [{name: source}]
      steps: [{name: compile, image: alpine, script: "true"}]
  - name: own
    workspaces: [{name: source, workspace: code}]
    taskSpec:
      metadata: {annotations: {monopod.dev/cache: "{key: own, paths: [own]}"}}
      workspaces: [{name: source}]
      steps: [{name: compile, image: alpine, script: "true"}]
"""


def pipeline(cache: str, run: str = "") -> str:
    return PIPELINE.replace("CACHE", textwrap.indent(textwrap.dedent(cache).strip(), " " * 6)).replace("RUN", run)


def caches_by_task(compilation: Compilation) -> dict[str, Any]:
    return {
        task.name: [cache.key for cache in parse(task.steps[0].args[1:]).caches]
        for task in compilation.plan.pipeline.tasks
        if task.steps[0].name == "cache-restore"
    }


def test_the_caches_of_a_pipeline_are_for_its_tasks_without_their_own(compiled):
    text = pipeline("- {key: mod-$(params.version), paths: [~/go]}")
    found = caches_by_task(compiled(text, cache_store=DIRECTORY))
    assert found == {"clone": [["mod-7"]], "compile": [["mod-7"]], "own": [["own"]]}


def test_a_task_without_the_workspace_of_a_pipelines_cache_does_not_get_it(compiled):
    text = pipeline("key: mod-$(hashFiles('$(workspaces.code.path)/go.sum'))\npaths: [~/go]")
    found = caches_by_task(compiled(text, cache_store=DIRECTORY))
    assert found == {"compile": [["mod-", Hash("/", ["/workspace/source/go.sum"])]], "own": [["own"]]}
    relative = pipeline("key: mod-$(hashFiles('go.sum'))\npaths: [~/go]")
    assert caches_by_task(compiled(relative, cache_store=DIRECTORY)) == found


def test_the_caches_of_a_pipeline_run_take_precedence(compiled):
    run = 'annotations: {monopod.dev/cache: "{key: run, paths: [~/go]}"}'
    found = caches_by_task(compiled(pipeline("{key: mod, paths: [~/go]}", run), cache_store=DIRECTORY))
    assert found == {"clone": [["run"]], "compile": [["run"]], "own": [["own"]]}


def test_the_caches_of_a_task_run_take_precedence(compiled):
    text = """\
    apiVersion: tekton.dev/v1
    kind: TaskRun
    metadata: {name: r, annotations: {monopod.dev/cache: "{key: run, paths: [~/go]}"}}
    spec:
      taskSpec:
        steps: [{name: compile, image: alpine, script: "true"}]
    """
    assert caches_by_task(compiled(text, cache_store=DIRECTORY)) == {"r": [["run"]]}


@pytest.mark.parametrize(
    ("cache", "place", "message"),
    [
        ("key: a\npaths: [vendor]", "16:15: ", "'vendor': a Pipeline caches paths in ~ only"),
        ("key: $(params.verson)\npaths: [~/a]", "15:12: ", "there is no param 'verson' (did you mean 'version'?)"),
        ("key: $(hashFiles('$(workspaces.cod.path)/a'))\npaths: [~/a]", "15:12: ", "has no Workspace 'cod' (did you"),
        ("key: a\npats: [~/a]", "16:7: ", "unknown field (did you mean 'paths'?)"),
    ],
)
def test_what_is_wrong_with_a_pipelines_caches_is_reported_once(problems, cache, place, message):
    (line,) = problems(pipeline(cache), cache_store=DIRECTORY)
    assert line.startswith(f"p.yaml:{place}metadata.annotations.monopod.dev/cache: ")
    assert message in line
