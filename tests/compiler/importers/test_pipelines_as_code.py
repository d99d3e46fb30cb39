"""Pipelines-as-Code: values of its variables, from ``-p`` and from a git checkout, and problems without a value."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from git_command import git

from monopod.compiler.compilation import Compilation, compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.importers import git_checkout
from monopod.compiler.options import Options
from monopod.compiler.remote.local.rules import Rule
from monopod.compiler.remote.local.sources import LocalSources
from monopod.compiler.remote.urls import browsable

TEXT = """\
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: ci
  annotations: {pipelinesascode.tekton.dev/on-event: "[push]"}
spec:
  params:
    - {name: revision, value: "commit {{ revision }}"}
    - {name: where, value: "{{repo_url}} {{ source_branch }} {{ event }}"}
  pipelineSpec:
    params: [{name: revision}, {name: where}]
    tasks:
      - name: a
        taskSpec:
          steps: [{name: s, image: busybox, script: "echo {{ unknown_name }}"}]
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout on the branch ``topic`` with a run in ``.tekton``, as the working directory."""
    (tmp_path / ".tekton").mkdir()
    (tmp_path / ".tekton/ci.yaml").write_text(TEXT)
    git(tmp_path, "init", "-q", "-b", "topic")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "A run")
    git(tmp_path, "remote", "add", "origin", "git@git.example.com:acme/team/shop.git")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def compiled(*params: tuple[str, str], file: str = ".tekton/ci.yaml") -> Compilation:
    (compilation,) = compile_runs(load([file], params=params), Options(params=params))
    return compilation


def values(compilation: Compilation) -> dict[str, str]:
    return {each["name"]: each["value"] for each in compilation.plan.document["spec"]["params"]}


def problems_of(text: str, *params: tuple[str, str]) -> list[str]:
    Path(".tekton/ci.yaml").write_text(text)
    with pytest.raises(Problems) as caught:
        compiled(*params)
    return [str(problem).removeprefix(".tekton/ci.yaml:") for problem in caught.value.problems]


def test_values_come_from_the_checkout(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    made = compiled()
    assert values(made) == {
        "revision": f"commit {commit}",
        "where": "https://git.example.com/acme/team/shop topic push",
    }
    assert made.plan.pipeline.tasks[0].steps[0].script == "echo {{ unknown_name }}"


def test_values_of_the_command_line_take_precedence(checkout):
    made = compiled(("revision", "v1"), ("unknown_name", "x"), ("source_branch", "main"))
    assert values(made) == {"revision": "commit v1", "where": "https://git.example.com/acme/team/shop main push"}
    assert made.plan.pipeline.tasks[0].steps[0].script == "echo x"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("target_branch", "topic"),
        ("source_url", "https://git.example.com/acme/team/shop"),
        ("repo_owner", "acme/team"),
        ("repo_name", "shop"),
        ("git_tag", ""),
        ("event_type", "push"),
        ("trigger_comment", ""),
        ("pull_request_labels", ""),
    ],
)
@pytest.mark.usefixtures("checkout")
def test_each_variable(variable, value):
    Path(".tekton/ci.yaml").write_text(TEXT.replace("{{ revision }}", f"{{{{ {variable} }}}}"))
    assert values(compiled())["revision"] == f"commit {value}"


def test_git_answers_each_question_once(checkout, tmp_path_factory, monkeypatch):
    programs = tmp_path_factory.mktemp("programs")
    program = shutil.which("git")
    (programs / "git").write_text(f'#!/bin/sh\necho "$*" >> {programs}/calls\nexec {program} "$@"\n')
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    Path(".tekton/ci.yaml").write_text(TEXT.replace("{{ revision }}", "{{ revision }} {{revision}} {{repo_name}}"))
    commit = git(checkout, "rev-parse", "HEAD")
    (programs / "calls").unlink()
    assert values(compiled())["revision"] == f"commit {commit} {commit} shop"
    calls = (programs / "calls").read_text().splitlines()
    assert calls
    assert len(calls) == len(set(calls))


def test_git_that_does_not_answer_is_reported(checkout, monkeypatch):
    (checkout / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (checkout / "git").chmod(0o755)
    monkeypatch.setattr(git_checkout, "_TIMEOUT", 0.01)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{checkout}:{os.environ['PATH']}")
        assert "{{ revision }} has no value: git did not finish within 0.01 seconds; give" in problems_of(TEXT)[0]
    monkeypatch.setenv("PATH", str(checkout / ".tekton"))
    assert "{{ revision }} has no value: cannot run git: No such file or directory; give" in problems_of(TEXT)[0]


def test_a_repository_of_the_environment_does_not_count(checkout, monkeypatch):
    commit = git(checkout, "rev-parse", "HEAD")
    git(checkout, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(checkout / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout / "other"))
    assert values(compiled())["revision"] == f"commit {commit}"


def test_the_tag_and_the_sender(checkout):
    git(checkout, "tag", "v2")
    git(checkout, "config", "user.name", "Ada")
    Path(".tekton/ci.yaml").write_text(TEXT.replace("{{ revision }}", "{{ git_tag }} {{ sender }}"))
    assert values(compiled())["revision"] == "commit v2 Ada"


@pytest.mark.parametrize("variable", ["git_auth_secret", "pull_request_number", "target_namespace", "body.action"])
@pytest.mark.usefixtures("checkout")
def test_a_part_of_the_event_needs_a_value(variable):
    text = TEXT.replace("{{ revision }}", f"{{{{ {variable} }}}}")
    assert problems_of(text) == [
        f"8:31: spec.params[0].value: {{{{ {variable} }}}} has no value: it is a part of the event, and there is none; "
        f"give it with -p '{variable}=…'"
    ]
    assert values(compiled((variable, "x")))["revision"] == "commit x"


def test_without_a_remote_or_a_branch(checkout):
    git(checkout, "remote", "remove", "origin")
    git(checkout, "checkout", "-q", "--detach")
    first, second = problems_of(TEXT)
    assert first.startswith("9:28: spec.params[1].value: {{ repo_url }} has no value: the git checkout of ")
    assert first.endswith("has no remote 'origin'; give it with -p 'repo_url=…'")
    assert second.endswith("{{ source_branch }} has no value: no branch is checked out; give it with -p "
                           "'source_branch=…'")  # fmt: skip


def test_without_a_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".tekton").mkdir()
    found = problems_of(TEXT)
    assert found[0].startswith("8:31: spec.params[0].value: {{ revision }} has no value: not a git repository")


def test_other_files_are_left_alone(checkout):
    plain = yaml.safe_load(TEXT)
    del plain["metadata"]["annotations"]
    (checkout / "ci.yaml").write_text(yaml.safe_dump(plain))
    assert values(compiled(file="ci.yaml"))["revision"] == "commit {{ revision }}"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop"),
        ("ssh://git@git.example.com:2222/acme/shop.git", "https://git.example.com:2222/acme/shop"),
        ("https://user:secret@github.com/acme/shop", "https://github.com/acme/shop"),
        ("https://github.com/acme/shop.git", "https://github.com/acme/shop"),
        ("/srv/git/shop.git", "file:///srv/git/shop.git"),
        ("file:///srv/git/shop.git", "file:///srv/git/shop.git"),
    ],
)
def test_addresses_of_remotes(url, address):
    assert browsable(url) == address


TASK = """\
apiVersion: tekton.dev/v1
kind: Task
metadata: {name: lint}
spec: {steps: [{name: s, image: busybox, script: "lint {{ source_branch }}"}]}
"""
INLINE = 'taskSpec:\n          steps: [{name: s, image: busybox, script: "echo {{ unknown_name }}"}]'
WITH_TASK = TEXT.replace(
    '[push]"}', '[push]", pipelinesascode.tekton.dev/task-1: "[hub-task, tasks/lint.yaml]"}'
).replace(
    INLINE,
    "taskRef: {name: lint}",
)


class TestAnnotations:
    def test_a_task_in_a_file_is_read_once(self, checkout):
        (checkout / "tasks").mkdir()
        (checkout / "tasks/lint.yaml").write_text(TASK)
        (checkout / ".tekton/ci.yaml").write_text(WITH_TASK)
        assert compiled().plan.pipeline.tasks[0].steps[0].script == "lint {{ source_branch }}"
        assert len(load([".tekton", "tasks"]).items) == 2
        assert len(load(["tasks", ".tekton"]).items) == 2

    @pytest.mark.usefixtures("checkout")
    def test_a_missing_file_is_reported_at_the_annotation(self):
        found = problems_of(WITH_TASK)
        assert found == [
            "5:99: metadata.annotations.pipelinesascode.tekton.dev/task-1: there is no file 'tasks/lint.yaml'"
        ]


class TestElsewhere:
    """Tasks and Pipelines that annotations name in a hub and at URLs, read from directories."""

    URL = "https://files.example.com/ci/pipeline.yaml"

    @pytest.fixture
    def sources(self, checkout: Path) -> LocalSources:
        """A hub with the Task ``lint``, and a site with the Pipeline ``all`` that needs two Tasks."""
        pipeline = {
            "apiVersion": "tekton.dev/v1",
            "kind": "Pipeline",
            "metadata": {"name": "all", "annotations": {"pipelinesascode.tekton.dev/task": "[./own.yaml, lint]"}},
            "spec": {"tasks": [{"name": name, "taskRef": {"name": name}} for name in ("lint", "own")]},
        }
        files = {
            "hub/task/lint/0.3/lint.yaml": TASK,
            "hub/task/lint/0.4/lint.yaml": TASK.replace("lint {{", "newer {{"),
            "site/ci/pipeline.yaml": yaml.safe_dump(pipeline),
            "site/ci/own.yaml": TASK.replace("name: lint", "name: own"),
        }
        for name, text in files.items():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_text(text)
        rules = (Rule.parse("hub:*=hub", "--resolve"), Rule.parse("https://files.example.com/*=site", "--resolve"))
        return LocalSources((rules,))

    def compiled(self, annotations: str, reference: str, sources: LocalSources) -> Compilation:
        spec = reference if "pipelineRef" in reference else f"pipelineSpec: {{tasks: [{{name: a, {reference}}}]}}"
        text = (
            "apiVersion: tekton.dev/v1\nkind: PipelineRun\n"
            f"metadata:\n  name: ci\n  annotations:\n    {annotations}\nspec:\n  {spec}\n"
        )
        Path(".tekton/ci.yaml").write_text(text)
        (compilation,) = compile_runs(load([".tekton/ci.yaml"]), Options(sources=sources))
        return compilation

    def scripts(self, annotations: str, reference: str, sources: LocalSources) -> list[str]:
        tasks = self.compiled(annotations, reference, sources).plan.pipeline.tasks
        return [step.script.partition(" ")[0] for task in tasks for step in task.steps]

    @pytest.mark.parametrize(
        ("entry", "script"),
        [("lint:0.3", "lint"), ("[lint:0.4]", "newer"), ("default://lint:0.3", "lint")],
    )
    def test_a_name_is_of_the_hub(self, sources, entry, script):
        annotations = f'pipelinesascode.tekton.dev/task-1: "{entry}"'
        assert self.scripts(annotations, "taskRef: {name: lint}", sources) == [script]

    def test_a_url(self, sources):
        annotations = 'pipelinesascode.tekton.dev/task: "[https://files.example.com/ci/own.yaml, lint:0.3]"'
        assert self.scripts(annotations, "taskRef: {name: own}", sources) == ["lint"]
        assert self.scripts(annotations, "taskRef: {name: lint}", sources) == ["lint"]

    def test_a_pipeline_names_tasks_itself(self, sources):
        made = self.scripts(f'pipelinesascode.tekton.dev/pipeline: "{self.URL}"', "pipelineRef: {name: all}", sources)
        assert made == ["newer", "lint"]

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ("lint:0.9", "hub tekton-catalog-tasks/lint"),
            ("mine://lint", "'mine://lint' is in a hub that is set up in a cluster; give the file with -f"),
            ("https://files.example.com/none.yaml", "there is no file"),
        ],
    )
    def test_what_is_not_there_is_reported_once_at_the_annotation(self, sources, entry, message):
        with pytest.raises(Problems) as caught:
            self.compiled(f'pipelinesascode.tekton.dev/task: "{entry}"', "taskRef: {name: lint}", sources)
        (problem,) = caught.value.problems
        assert str(problem).startswith(".tekton/ci.yaml:6:38: metadata.annotations.pipelinesascode.tekton.dev/task: ")
        assert message in str(problem)

    def test_nothing_is_fetched_for_a_name_in_the_files(self, checkout):
        (checkout / ".tekton/lint.yaml").write_text(TASK)
        text = TEXT.replace('[push]"}', '[push]", pipelinesascode.tekton.dev/task: "[lint, mine://x]"}')
        (checkout / ".tekton/ci.yaml").write_text(text.replace(INLINE, "taskRef: {name: lint}"))
        (compilation,) = compile_runs(load([".tekton"]), Options())
        assert compilation.plan.pipeline.tasks[0].steps[0].script.startswith("lint ")


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("git_auth_secret", "give it with -p 'git_auth_secret=…'"),
        ('cel: body.action == "x"', "write a value in the file"),
    ],
)
def test_a_name_without_a_value_is_one_error(checkout, name, way_out):
    workspace = f"  workspaces: [{{name: a, secret: {{secretName: '{{{{ {name} }}}}'}}}}]\n  pipelineSpec:\n"
    text = TEXT.replace("  pipelineSpec:\n", f"{workspace}    workspaces: [{{name: a}}]\n")
    (problem,) = problems_of(text)
    assert problem == (
        f"10:47: spec.workspaces[0].secret.secretName: {{{{ {name} }}}} has no value: it is a part of the event, and "
        f"there is none; {way_out}"
    )


class TestQuotes:
    """A variable needs no quotes: Pipelines-as-Code replaces it before it reads the YAML."""

    def test_in_each_kind_of_text(self, checkout):
        commit = git(checkout, "rev-parse", "HEAD")
        text = TEXT.replace('"commit {{ revision }}"', "{{ revision }}").replace(
            '"{{repo_url}} {{ source_branch }} {{ event }}"', "{{event}}{{ event }}-{{ event_type }} {{event}}{{event}}"
        )
        (checkout / ".tekton/ci.yaml").write_text(text)
        assert values(compiled()) == {"revision": commit, "where": "pushpush-push pushpush"}

    def test_columns_stay(self, checkout):
        text = TEXT.replace('{name: revision, value: "commit {{ revision }}"}', "{name: {{ event }}, valu: 1}")
        found = problems_of(text)
        assert next(each for each in found if "valu" in each).startswith("8:27: spec.params[0].valu: unknown field")

    def test_other_files_need_quotes(self, tmp_path):
        plain = tmp_path / "plain.yaml"
        plain.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: {{ revision }}}\n")
        with pytest.raises(Problems):
            load([str(plain)])


class TestWithoutFiles:
    """`monopod` in a folder that has a directory ``.tekton``."""

    def monopod(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("monopod")
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)

    def test_its_run_is_read(self, checkout):
        assert self.monopod("check").returncode == 0
        done = self.monopod("convert")
        assert done.returncode == 0, done.stderr
        assert git(checkout, "rev-parse", "HEAD") in done.stdout

    def test_several_runs_are_listed(self, checkout):
        (checkout / ".tekton/more").mkdir()
        (checkout / ".tekton/more/nightly.yml").write_text(TEXT.replace("name: ci", "generateName: nightly-"))
        done = self.monopod("compile")
        assert done.returncode == 2
        message = ".tekton defines several runs (ci, nightly-); choose one with --name, or a file with -f"
        assert done.stderr.strip() == message
        assert self.monopod("compile", "--name", "nightly-").returncode == 0

    def test_another_folder_has_no_input(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert self.monopod("check").stdout.startswith("no input file; use -f FILE")
