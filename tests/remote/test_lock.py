"""``monopod resolve`` and the lock: real repositories, bundles and URLs, gone when the Pod is compiled again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

MONOPOD = Path(sys.executable).with_name("monopod")
TASK = "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: %s}\nspec: {steps: [%s]}\n"
STEP = "{name: say, image: alpine, script: echo %s}"
PIPELINE = "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: %s}\nspec:\n  tasks:\n"
ACTION = (
    "apiVersion: tekton.dev/v1beta1\nkind: StepAction\nmetadata: {name: act}\nspec: {image: alpine, script: echo act}\n"
)


def reference(resolver, **params):
    listed = [{"name": name, "value": value} for name, value in params.items()]
    return json.dumps({"resolver": resolver, "params": listed})


def task(name, step="hello"):
    return TASK % (name, step if step.startswith("{") else STEP % step)


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty current directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("MONOPOD_RESOLVE", raising=False)
    return tmp_path / "work"


def monopod(*arguments):
    """Run a command on ``p.yaml``; return its exit code, output and errors."""
    done = subprocess.run([MONOPOD, *arguments, "-f", "p.yaml"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def output(*arguments):
    code, text, errors = monopod(*arguments)
    assert code == 0, errors
    return text


def error(*arguments):
    code, text, errors = monopod(*arguments)
    assert (code, text) == (2, "")
    (line,) = errors.splitlines()
    return line


@pytest.fixture
def in_git(directory, make_repository):
    """A Pipeline with one Task in a repository; returns the repository."""
    repository = make_repository("tasks")
    repository.commit(task__yaml=task("hello"))
    git = reference("git", url=repository.url, revision="main", pathInRepo="task.yaml")
    (directory / "p.yaml").write_text(PIPELINE % "main" + f"  - {{name: a, taskRef: {git}}}\n")
    return repository


def locked():
    return yaml.safe_load(Path("monopod.lock").read_text())["references"]


def files():
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_everything_is_pinned_and_compiles_without_a_network(directory, make_repository, registry, web, page, tmp_path):
    """A Pipeline by git has a Task by bundles, which has a StepAction by http; another Task comes from a hub."""
    web.pages["/action.yaml"] = page(ACTION.encode())
    action = reference("http", url=f"{web.url}/action.yaml")
    layer = {"name": "bundled", "kind": "task", "apiVersion": "v1"}
    content = task("bundled", f"{{name: s, ref: {action}}}").encode()
    digest = registry.pusher.bundle("acme/tasks", "1", [(layer, content)])
    bundle = reference("bundles", bundle=f"{registry.host}/acme/tasks:1", name="bundled", kind="task")
    base = "/api/v1/packages/tekton-task/tekton-catalog-tasks/hub-task"
    web.pages[f"{base}/0.2.0"] = page(json.dumps({"data": {"manifestRaw": task("hub-task")}}).encode())
    web.pages[base] = page(json.dumps({"available_versions": [{"version": "0.2.0"}]}).encode())
    hub = reference("hub", name="hub-task", version=">= 0.1", url=web.url)
    repository = make_repository("pipelines")
    tasks = f"  - {{name: a, taskRef: {bundle}}}\n  - {{name: b, taskRef: {hub}}}\n"
    commit = repository.commit(p__yaml=PIPELINE % "remote" + tasks)
    run = reference("git", url=repository.url, revision="main", pathInRepo="p.yaml")
    spec = f"metadata: {{name: run}}\nspec: {{pipelineRef: {run}}}\n"
    (directory / "p.yaml").write_text(f"apiVersion: tekton.dev/v1\nkind: PipelineRun\n{spec}")
    online = output("compile")
    assert "refers to" not in output("resolve", "--lock")
    assert [(entry["kind"], entry["resolver"], entry["digest"]) for entry in locked()][:2] == [
        ("Pipeline", "git", {"sha1": commit}),
        ("StepAction", "http", {"sha256": locked()[1]["sha256"]}),
    ]
    assert locked()[2]["digest"] == {"sha256": digest.removeprefix("sha256:")}
    assert Path(locked()[2]["file"]).read_bytes() == content
    written = files()
    output("resolve", "--update")
    assert files() == written
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(repository.directory)
    registry.stop()
    web.pages.clear()
    assert output("compile") == online
    assert len(output("resolve", "--check").splitlines()) == 4
    assert output("resolve", "--lock") == "monopod.lock is up to date\n"
    assert files() == written
    shutil.rmtree("monopod.vendor")
    Path("monopod.lock").unlink()
    assert "does not appear to be a git repository" in error("compile")


def test_pinned_branch_stays_until_it_is_updated(in_git):
    assert output("resolve", "--lock").startswith("added Task git file://")
    before = output("compile")
    in_git.commit(task__yaml=task("hello", "changed"))
    assert output("compile") == before
    assert output("resolve", "--lock") == "monopod.lock is up to date\n"
    (change,) = json.loads(output("resolve", "--update", "-o", "json"))
    assert change["change"] == "changed"
    assert change["digest"] == {"sha1": in_git.git("rev-parse", "HEAD")}
    assert output("compile") != before
    assert len(list(Path("monopod.vendor").iterdir())) == 1


def test_changed_or_missing_document_is_an_error(in_git):
    output("resolve", "--lock")
    (file,) = Path("monopod.vendor").iterdir()
    content = file.read_text()
    file.write_text(content.replace("hello", "evil!"))
    changed = f"{file} has changed since monopod.lock was written; restore it, or run `monopod resolve --lock`"
    for command in (["compile"], ["graph"], ["resolve", "--check"]):
        assert f"p.yaml:6:37: spec.tasks[0].taskRef.resolver: {changed}" in error(*command)
    assert changed in monopod("check")[1]
    file.unlink()
    assert f"cannot read {file}, which monopod.lock names: No such file" in error("compile")
    output("resolve", "--lock")
    assert file.read_text() == content


def test_reference_that_is_not_in_the_lock_is_an_error(in_git):
    assert "monopod.lock does not have this reference" in error("resolve", "--check"), "there is no lock yet"
    assert list(files()) == [Path("p.yaml")]
    output("resolve", "--lock")
    text = Path("p.yaml").read_text()
    Path("p.yaml").write_text(text.replace('"main"', '"HEAD"'))
    missing = "monopod.lock does not have this reference; run `monopod resolve --lock` with these files"
    assert missing in error("compile")
    assert missing in error("resolve", "--check")
    lines = output("resolve", "--lock").splitlines()
    assert [line.split()[0] for line in lines] == ["added", "removed"]
    assert len(list(Path("monopod.vendor").iterdir())) == 1
    output("resolve", "--check")


def test_entry_without_a_reference_is_an_error_of_check(in_git):
    output("resolve", "--lock")
    Path("p.yaml").write_text(
        PIPELINE % "main" + "  - {name: a, taskSpec: {steps: [{name: s, image: a, script: b}]}}\n"
    )
    assert error("resolve", "--check").startswith(
        "monopod.lock:4:3: references[0]: nothing in the files refers to git "
    )
    output("compile")
    assert output("resolve", "--lock").startswith("removed Task git")
    assert (list(Path("monopod.vendor").iterdir()), locked()) == ([], [])


def test_credentials_and_caching_are_not_in_the_lock(directory, web, page):
    web.pages["/task.yaml"] = page(task("hello").encode())
    url = web.url.replace("//", "//user:secret@")
    given = reference("http", url=f"{url}/task.yaml", cache="always")
    (directory / "p.yaml").write_text(PIPELINE % "main" + f"  - {{name: a, taskRef: {given}}}\n")
    output("resolve", "--lock")
    assert "secret" not in Path("monopod.lock").read_text()
    assert locked()[0]["params"] == {"url": f"{web.url}/task.yaml"}
    web.pages.clear()
    output("resolve", "--check")


def test_directories_precede_the_lock_and_those_of_the_repository_are_not_pinned(in_git):
    output("resolve", "--lock")
    Path("mine").mkdir()
    Path("mine/task.yaml").write_text(task("hello", "mine"))
    assert "file:mine/task.yaml" in output("compile", "--resolve", "git:*=mine")
    Path("monopod.yaml").write_text("resolve: {'git:*': mine}\n")
    assert "file:mine/task.yaml" in output("compile")
    assert "nothing in the files refers to git" in error("resolve", "--check")
    assert output("resolve", "--lock").startswith("removed")
    assert "file:mine/task.yaml" in output("compile")
    Path("monopod.yaml").unlink()
    assert output("resolve", "--lock", "--resolve", "git:*=mine") == "added Task mine/task.yaml\n"
    shutil.rmtree("mine")
    assert "file:mine/task.yaml" in output("compile")


def test_documents_of_the_lock_are_not_found_by_name(in_git):
    output("resolve", "--lock")
    Path("task.yaml").write_text(task("hello", "mine"))
    assert "file:task.yaml" in output("compile", "--resolve", "name:*=.", "--resolve", "git:*=.")
    Path("p.yaml").write_text(PIPELINE % "main" + "  - {name: a, taskRef: {name: hello}}\n")
    assert "file:task.yaml" in output("compile", "--resolve", "name:*=.")


def test_document_among_others_is_vendored_alone(directory):
    Path("mine").mkdir()
    Path("mine/all.yaml").write_text(task("other") + "---\n" + task("hello"))
    hub = reference("hub", name="hello", version="1")
    Path("p.yaml").write_text(PIPELINE % "main" + f"  - {{name: a, taskRef: {hub}}}\n")
    output("resolve", "--lock", "--resolve", "hub:*=mine")
    shutil.rmtree("mine")
    output("compile")
    (file,) = Path("monopod.vendor").iterdir()
    assert "other" not in file.read_text()


def test_references_that_depend_on_params_need_their_values(directory, in_git):
    text = Path("p.yaml").read_text().replace('"main"', '"$(params.branch)"')
    Path("p.yaml").write_text(text.replace("spec:\n", "spec:\n  params: [{name: branch}]\n", 1))
    assert error("resolve", "--lock").endswith("give it with -p branch=…")
    assert not Path("monopod.lock").exists()
    output("resolve", "--lock", "-p", "branch=main")
    assert locked()[0]["params"]["revision"] == "main"
    output("compile", "-p", "branch=main")
    assert "monopod.lock does not have this reference" in error("compile", "-p", "branch=HEAD")


def test_all_pipelines_and_tasks_of_the_files_are_pinned(directory, in_git):
    git = reference("git", url=in_git.url, pathInRepo="task.yaml", revision="HEAD")
    more = PIPELINE % "second" + f"  - {{name: b, taskRef: {git}}}\n"
    step = "{name: s, image: nowhere.invalid/x}"
    Path("p.yaml").write_text(Path("p.yaml").read_text() + "---\n" + more + "---\n" + task("third", step))
    output("resolve", "--lock")
    assert [entry["params"]["revision"] for entry in locked()] == ["HEAD", "main"]


def test_lock_is_found_above_and_beside_the_configuration(directory, in_git, monkeypatch):
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    Path("monopod.yaml").write_text("resolve: {}\n")
    (directory / "ci").mkdir()
    os.rename("p.yaml", "ci/p.yaml")
    monkeypatch.chdir("ci")
    output("resolve", "--lock")
    assert Path("../monopod.lock").exists()
    in_git.commit(task__yaml="changed")
    output("compile")
    assert output("resolve").startswith("Task hello: git file://")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", ":2:10: version: expected 1, got a number (2)"),
        ("  kind: Task", "  knd: Task", ":5:3: references[0].knd: unknown field (did you mean 'kind'?)"),
        ("file: monopod", "file: ../monopod", ": references[0].file: expected a path below the directory of this file"),
        ('sha256: "', 'sha256: "0', ": references[0].sha256: expected 64 hexadecimal digits"),
    ],
)
def test_errors_in_the_lock_have_positions(in_git, old, new, message):
    output("resolve", "--lock")
    text = Path("monopod.lock").read_text().replace("- kind", "-\n  kind")
    Path("monopod.lock").write_text(text.replace(old, new))
    line = error("compile")
    assert line.startswith("monopod.lock:")
    assert message in line
