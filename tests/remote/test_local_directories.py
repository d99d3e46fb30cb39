"""References read from directories (``--resolve``, MONOPOD_RESOLVE, ``monopod.yaml``), with the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MONOPOD = Path(sys.executable).with_name("monopod")
PIPELINE = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: main}
spec:
  tasks:
"""
DIGEST = "@sha256:" + "0" * 64
ACME = {"url": "https://git.invalid/acme/tasks.git", "revision": "main", "pathInRepo": "task/hello.yaml"}


def reference(resolver, **params):
    listed = [{"name": name, "value": value} for name, value in params.items()]
    return json.dumps({"resolver": resolver, "params": listed})


def named(name, version="", kind="Task"):
    """A document that says its version and name."""
    label = f", labels: {{app.kubernetes.io/version: '{version}'}}" if version else ""
    steps = f"steps: [{{name: say, image: alpine, script: echo {name} {version}}}]"
    spec = f"tasks: [{{name: inner, taskSpec: {{{steps}}}}}]" if kind == "Pipeline" else steps
    return f"apiVersion: tekton.dev/v1\nkind: {kind}\nmetadata: {{name: {name}{label}}}\nspec: {{{spec}}}\n"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty current directory, and no rules in the environment."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("MONOPOD_RESOLVE", raising=False)
    return tmp_path / "work"


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def monopod(*arguments, **environment):
    return subprocess.run(
        [MONOPOD, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.fixture
def source(directory):
    """Compiles a Pipeline of one reference; returns the recorded source without ``file:``."""

    def make(ref, *rules, **environment):
        write("p.yaml", PIPELINE + f"  - {{name: a, taskRef: {ref}}}\n")
        done = monopod("compile", "-f", "p.yaml", *(f"--resolve={rule}" for rule in rules), **environment)
        assert done.returncode == 0, done.stderr
        (line,) = (line for line in done.stdout.splitlines() if "monopod.dev/resolved" in line)
        (entry,) = json.loads(json.loads(line.partition(": ")[2]))
        assert len(entry["digest"]["sha256"]) == 64
        return entry["uri"].removeprefix("file:")

    return make


@pytest.fixture
def refused(directory):
    """Compiles a Pipeline of one reference; returns the error, which is one line."""

    def make(ref, *rules, **environment):
        write("p.yaml", PIPELINE + f"  - {{name: a, taskRef: {ref}}}\n")
        done = monopod("compile", "-f", "p.yaml", *(f"--resolve={rule}" for rule in rules), **environment)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (2, "")
        return line

    return make


# Where a document is


def test_git_reads_the_path_in_the_directory_at_any_revision(source):
    write("tasks/task/hello.yaml", named("hello"))
    assert source(reference("git", **ACME), "git:https://git.invalid/acme/*=*") == "tasks/task/hello.yaml"
    commit = reference("git", **ACME | {"revision": "0" * 40})
    assert source(commit, "git:https://git.invalid/acme/tasks=./tasks") == "tasks/task/hello.yaml"


def test_token_of_a_mapped_reference_is_not_needed(source):
    write("task/hello.yaml", named("hello"))
    assert source(reference("git", **ACME, gitToken="missing"), "git:*=.") == "task/hello.yaml"


def test_url_is_a_path_below_the_directory_or_the_file(source):
    write("d/a/hello.yaml", named("hello"))
    url = reference("http", url="https://web.invalid/raw/a/hello.yaml?ref=main")
    assert source(url, "https://web.invalid/raw/*=d") == "d/a/hello.yaml"
    assert source(url, "https://web.invalid/raw/*=d/*") == "d/a/hello.yaml"
    assert source(url, "https://web.invalid/raw/=d") == "d/a/hello.yaml"
    assert source(url, "https://web.invalid/raw/a/hello.yaml=d/a/hello.yaml") == "d/a/hello.yaml"


def test_hub_reads_the_layout_of_tektons_catalog(source, refused):
    for version in ("0.8", "0.9", "0.10"):
        write(f"c/task/hello/{version}/hello.yaml", named("hello", version))

    def asked(version):
        return reference("hub", name="hello", version=version)

    assert source(asked("0.9.0"), "hub:*=c") == "c/task/hello/0.9/hello.yaml"
    assert source(asked(">= 0.8, < 0.10"), "hub:*=c") == "c/task/hello/0.9/hello.yaml"
    assert source(asked(">= 0.8"), "hub:*=c") == "c/task/hello/0.10/hello.yaml"
    assert refused(asked("0.7"), "hub:*=c").endswith(
        ".params[1].value: hub tekton-catalog-tasks/hello: 'c' has no version '0.7' of the task 'hello'; it has "
        "0.8, 0.9, 0.10"
    )


def test_hub_finds_a_document_by_name_elsewhere(source):
    write("c/all.yaml", named("other") + "---\n" + named("hello"))
    assert source(reference("hub", name="hello", version="0.9"), "hub:*=c") == "c/all.yaml"


@pytest.mark.parametrize(
    ("resolver", "params", "pattern"),
    [
        (
            "bundles",
            {"bundle": f"quay.invalid/a/x:1{DIGEST}", "name": "hello", "kind": "task"},
            "quay.invalid/a/*",
        ),
        ("cluster", {"namespace": "ci", "name": "hello", "kind": "task"}, "ci/*"),
    ],
)
def test_kind_and_name_are_found_anywhere_below(source, resolver, params, pattern):
    write("d/a/pipelines.yml", named("hello", kind="Pipeline"))
    write("d/a/b/tasks.yaml", "# hello\n---\n" + named("other") + "---\n" + named("hello"))
    write("d/.hidden/hello.yaml", named("hello"))
    write("d/chart.yaml", "{{ if }} name: hello")
    assert source(reference(resolver, **params), f"{resolver}:{pattern}=d") == "d/a/b/tasks.yaml"


def test_tag_chooses_between_versions(source, refused):
    write("d/hello/0.1/hello.yaml", named("hello"))
    write("d/hello/0.2/hello.yaml", named("hello"))
    write("d/new.yaml", named("hello", "0.3.1"))

    def asked(tag):
        return reference("bundles", bundle=f"quay.invalid/x{tag}", name="hello")

    assert source(asked(":0.2"), "bundles:*=d") == "d/hello/0.2/hello.yaml"
    assert source(asked(f":0.1.7{DIGEST}"), "bundles:*=d") == "d/hello/0.1/hello.yaml"
    assert source(asked(":0.3"), "bundles:*=d") == "d/new.yaml"
    listed = "there are several Tasks 'hello': d/hello/0.1/hello.yaml, d/hello/0.2/hello.yaml, d/new.yaml; "
    assert f"{listed}no one has the version '0.4'" in refused(asked(":0.4"), "bundles:*=d")
    assert f"{listed}name a directory with one of them" in refused(asked(DIGEST), "bundles:*=d")


def test_pipelines_and_step_actions_are_read_too(directory, source):
    step = reference("git", **ACME | {"pathInRepo": "action.yaml"})
    write(
        "action.yaml", "apiVersion: tekton.dev/v1beta1\nkind: StepAction\nmetadata: {name: s}\nspec: {image: alpine}\n"
    )
    write("task.yaml", named("t").replace("image: alpine, script: echo t ", f"ref: {step}"))
    task = reference("git", **ACME | {"pathInRepo": "task.yaml"})
    write("pipeline.yaml", PIPELINE + f"  - {{name: a, taskRef: {task}}}\n")
    run = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {generateName: r-}\nspec: "
    write("run.yaml", f"{run}{{pipelineRef: {reference('git', **ACME | {'pathInRepo': 'pipeline.yaml'})}}}\n")
    write("images.yaml", "alpine: {Config: {Entrypoint: [sh]}}")
    assert monopod("compile", "-f", "run.yaml", "--resolve", "git:*=.", "--image-config", "images.yaml").returncode == 0


def test_run_reads_the_directory(directory):
    write("t/hello.yaml", named("hello"))
    write("p.yaml", PIPELINE + f"  - {{name: a, taskRef: {reference('hub', name='hello', version='1')}}}\n")
    done = monopod("run", "-f", "p.yaml", "--resolve", "hub:*=t", "--backend", "host", "-o", "json", "--no-record")
    assert done.returncode == 0, done.stderr
    (task,) = json.loads(done.stdout)["status"]["taskRuns"].values()
    assert task["status"]["provenance"]["refSource"]["uri"] == "file:t/hello.yaml"


# References by name


def by_name(name, version=""):
    return json.dumps({"name": name, **({"version": version} if version else {})})


def test_name_that_the_files_do_not_have_is_found_in_the_directory(source, refused):
    write("d/a/hello.yaml", named("hello"))
    assert source(by_name("hello"), "name:*=d") == "d/a/hello.yaml"
    assert source(by_name("hello"), "name:hello=d/a") == "d/a/hello.yaml"
    assert refused(by_name("hello"), "name:other=d").endswith("named 'hello' in the files; add its file with -f")
    line = refused(by_name("hllo"), "name:*=d")
    assert line.startswith(
        "p.yaml:6:33: spec.tasks[0].taskRef.name: name hllo: there is no Task 'hllo' in the YAML files"
    )
    assert line.endswith("(did you mean 'hello'?)")


def test_step_action_by_name_is_found_with_the_params_that_it_uses(directory):
    """Its param has the default that refers to a param of the run."""
    action = "apiVersion: tekton.dev/v1\nkind: StepAction\nmetadata: {name: act}\n"
    write("d/act.yaml", f"{action}spec: {{params: [{{name: who}}], image: a, script: echo, args: [$(params.who)]}}\n")
    step = "{name: s, ref: {name: act}, params: [{name: who, value: $(params.name)}]}"
    text = PIPELINE.replace("spec:\n", "spec:\n  params: [{name: name, default: Ada}]\n")
    write("p.yaml", f"{text}  - {{name: a, taskSpec: {{steps: [{step}]}}}}\n")
    assert monopod("compile", "-f", "p.yaml", "--resolve", "name:*=d").returncode == 0
    assert "there is no StepAction named 'act'" in monopod("compile", "-f", "p.yaml").stderr


def test_version_of_a_name_chooses_the_document(source, refused):
    write("d/hello/0.1/hello.yaml", named("hello"))
    write("d/hello/0.2/hello.yaml", named("hello", "0.2.3"))
    assert source(by_name("hello", "0.1"), "name:*=d") == "d/hello/0.1/hello.yaml"
    assert source(by_name("hello", "0.2"), "name:*=d") == "d/hello/0.2/hello.yaml"
    assert "no one has the version '0.3'" in refused(by_name("hello", "0.3"), "name:*=d")
    assert "Tasks have no versions in Tekton" in refused(by_name("hello", "0.1"))


def test_files_precede_the_directory_and_must_have_the_version(directory):
    write("d/hello.yaml", named("hello"))
    text = PIPELINE + f"  - {{name: a, taskRef: {by_name('hello', '0.1')}}}\n---\n"
    for version, code in (("0.1", 0), ("0.1.5", 0), ("0.2", 2), ("", 2)):
        write("p.yaml", text + named("hello", version))
        done = monopod("compile", "-f", "p.yaml", "--resolve", "name:*=d")
        assert (done.returncode, "monopod.dev/resolved" in done.stdout) == (code, False)
        assert ("does not have the version '0.1' as its label" in done.stderr) == bool(code)


# What is missing


def test_missing_file_is_named_with_what_is_meant(refused):
    write("d/task/helo.yaml", named("hello"))
    line = refused(reference("git", **ACME), "git:https://git.invalid/acme/*=d")
    assert line == (
        "p.yaml:6:190: spec.tasks[0].taskRef.params[2].value: git https://git.invalid/acme/tasks: there is no file "
        "'d/task/hello.yaml' (did you mean 'd/task/helo.yaml'?), where --resolve "
        "'git:https://git.invalid/acme/*=d' points"
    )
    assert "there is no directory 'e', where --resolve 'git:*=e' points" in refused(reference("git", **ACME), "git:*=e")
    assert "(did you mean 'd'?)" in refused(reference("git", **ACME), "git:*=dd")
    line = refused(reference("git", **ACME), "git:*=p.yaml")
    assert line.endswith(": 'p.yaml', where --resolve 'git:*=p.yaml' points, is not a directory")
    bundle = reference("bundles", bundle="quay.invalid/x", name="hllo")
    line = refused(bundle, "bundles:*=d")
    assert "there is no Task 'hllo' in the YAML files below 'd'" in line
    assert line.endswith("(did you mean 'hello'?)")
    write("d/task/broken.yaml", named("hllo") + "  x: [\n")
    assert refused(bundle, "bundles:*=d").endswith("points; d/task/broken.yaml names it, but is not YAML")


def test_nothing_outside_the_directory_is_read(refused):
    write("../secret.yaml", named("secret"))
    Path("d").mkdir()
    os.symlink("../../secret.yaml", "d/link.yaml")
    linked = reference("git", **ACME | {"pathInRepo": "link.yaml"})
    assert "'d/link.yaml' leads out of 'd'" in refused(linked, "git:*=d")
    url = reference("http", url="https://web.invalid/../../secret.yaml")
    assert "leads out of 'd'" in refused(url, "https://web.invalid/*=d")
    os.mkfifo("d/fifo.yaml")
    fifo = reference("git", **ACME | {"pathInRepo": "fifo.yaml"})
    assert "is not a file of at most 10 MiB" in refused(fifo, "git:*=d")
    assert "'d' is a directory" in refused(reference("git", **ACME | {"pathInRepo": "d"}), "git:*=.")


def test_file_with_an_error_has_its_position(refused):
    write("d/hello.yaml", named("hello").replace("script", "scrpt"))
    line = refused(reference("hub", name="hello", version="1"), "hub:*=d")
    assert line.startswith("d/hello.yaml:4:43: spec.steps[0].scrpt: unknown field (did you mean 'script'?)")


def test_unmatched_rule_is_mentioned_if_fetching_fails(refused, nowhere):
    line = refused(reference("http", url=f"{nowhere}/a.yaml"), "https://web.invalid/*=d")
    assert line.endswith(f"; --resolve 'https://web.invalid/*=d' does not match {nowhere}/a.yaml")


# Where rules come from


def test_command_line_precedes_environment_precedes_file(source, directory):
    for name in ("one", "two", "three", "four"):
        write(f"{name}/hello.yaml", named("hello"))
    hub = reference("hub", name="hello", version="1")
    write("monopod.yaml", "resolve:\n  hub:*: three\n  hub:tekton-catalog-tasks/hello: four\n")
    assert source(hub) == "four/hello.yaml"
    assert source(hub, MONOPOD_RESOLVE="git:*=x; hub:*=two") == "two/hello.yaml"
    assert source(hub, MONOPOD_RESOLVE="git:*=x\nhub:*=two\n") == "two/hello.yaml"
    assert source(hub, "hub:*=one", MONOPOD_RESOLVE="hub:*=two") == "one/hello.yaml"
    assert source(hub, f"hub:*={directory}/one") == f"{directory}/one/hello.yaml"


def test_file_is_found_up_to_the_root_of_the_checkout(source, directory, monkeypatch, refused):
    write("monopod.yaml", "resolve: {'hub:*': tasks}\n")
    write("tasks/hello.yaml", named("hello"))
    (directory / "a/b").mkdir(parents=True)
    monkeypatch.chdir("a/b")
    hub = reference("hub", name="hello", version="1", url="https://hub.invalid")
    assert "cannot be reached" in refused(hub), "outside a checkout only the current directory counts"
    subprocess.run(["git", "init", "--quiet", directory], check=True)
    assert source(hub) == "tasks/hello.yaml", "recorded as in the file, the same in each directory"
    write("../../tasks/hello.yaml", "")
    assert "no Task 'hello' in the YAML files below '../../tasks', where monopod.yaml 'hub:*' points" in refused(hub)
    (directory / "a/.git").mkdir()
    assert "monopod.yaml" not in refused(hub), "the checkout ends here"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resolv: {}\n", "monopod.yaml:1:1: resolv: unknown field (did you mean 'resolve'?)"),
        ("resolve: [a]\n", "monopod.yaml:1:10: resolve: expected a mapping, got a list"),
        ("resolve: {'hub:*': 1}\n", "monopod.yaml:1:20: resolve.hub:*: expected a string, got a number (1)"),
        ("resolve:\n  gti:x: d\n", "monopod.yaml:2:3: resolve.gti:x: 'gti:x' is not a pattern (did you mean 'git'?)"),
        ("- a\n", "monopod.yaml:1:1: expected a mapping, got a list"),
        ("a: b: c\n", "monopod.yaml:1:5:"),
        ("resolve: {}\n---\nresolve: {}\n", "monopod.yaml:3:1: the file must have one document"),
        ("resolve: {'hub:*': a, 'hub:*': b}\n", "monopod.yaml:1:23:"),
    ],
)
def test_errors_in_the_file_have_positions(directory, text, message):
    write("monopod.yaml", text)
    write("p.yaml", PIPELINE + "  - {name: a, taskSpec: {steps: [{name: s, image: a, script: b}]}}\n")
    for command in ("compile", "check", "graph"):
        done = monopod(command, "-f", "p.yaml")
        assert done.returncode == 2
        assert message in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_invalid_options_and_variables_are_errors(directory):
    write("p.yaml", named("t"))
    done = monopod("compile", "-f", "p.yaml", "--resolve", "hub:*")
    assert (done.returncode, "argument --resolve: 'hub:*' is not a rule" in done.stderr) == (2, True)
    done = monopod("compile", "-f", "p.yaml", MONOPOD_RESOLVE="hb:*=d")
    assert done.stderr.startswith("MONOPOD_RESOLVE: 'hb:*' is not a pattern (did you mean 'hub'?)")
    done = monopod("compile", "-f", "p.yaml", "--resolve", "hub:*=d", "--resolve", "hub:*=e")
    assert done.stderr == ("--resolve 'hub:*=d' and --resolve 'hub:*=e' have the same pattern; keep one of them\n")
