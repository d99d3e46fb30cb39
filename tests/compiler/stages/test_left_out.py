"""`--only`, `--from`, `--skip` and `--result`: which Tasks the Plan leaves out, and what is refused."""

from __future__ import annotations

import pytest
import yaml

from monopod.compiler.compilation import compile_runs
from monopod.compiler.diagnostics import Problems
from monopod.compiler.documents.documents import load
from monopod.compiler.options import Options
from monopod.compiler.tasks.left_out import Selection
from monopod.schemas.plan import LeftOut, Param

TASKS = """\
apiVersion: tekton.dev/v1
kind: Pipeline
metadata: {name: ci}
spec:
  tasks:
  - name: build
    taskSpec:
      results: [{name: image}, {name: files, type: array}, {name: version, type: object, properties: {a: {}, b: {}}}]
      steps: [{name: run, image: alpine, command: [make]}]
  - name: lint
    taskSpec: {steps: [{name: run, image: alpine, command: [lint]}]}
  - name: test
    matrix: {params: [{name: go, value: [a, b]}]}
    params: [{name: image, value: $(tasks.build.results.image)}]
    taskSpec:
      params: [{name: image}, {name: go}]
      results: [{name: report}]
      steps: [{name: run, image: alpine, command: [test, $(params.image)]}]
  - name: scan
    runAfter: [test]
    taskSpec: {steps: [{name: run, image: alpine, command: [scan, $(tasks.build.results.version.a)]}]}
  - name: deploy
    runAfter: [scan]
    params: [{name: count, value: $(tasks.test.matrix.length)}]
    taskSpec:
      params: [{name: count}]
      steps: [{name: run, image: alpine, command: [deploy, $(params.count)]}]
  - name: release
    runAfter: [deploy]
    pipelineSpec:
      tasks: [{name: sign, taskSpec: {steps: [{name: run, image: alpine, command: [sign]}]}}]
  finally:
  - name: notify
    params: [{name: image, value: $(tasks.build.results.image)}]
    taskSpec:
      params: [{name: image}]
      steps: [{name: run, image: alpine, command: [echo, $(params.image)]}]
  - name: clean
    taskSpec: {steps: [{name: run, image: alpine, command: [rm]}]}
"""
GIVEN = (("build", "image", "i"), ("build", "version", "a:1,b:2"), ("test", "report", "x,y"))


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compiles the Pipeline with a Selection."""

    def compiled(selection, text=TASKS):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "ci.yaml").write_text(text)
        (compilation,) = compile_runs(load(["ci.yaml"]), Options(selection=selection))
        return compilation

    return compiled


@pytest.fixture
def refused(compiled):
    """Returns the errors of a Selection."""

    def refused(selection, text=TASKS):
        with pytest.raises(Problems) as raised:
            compiled(selection, text)
        return [str(problem) for problem in raised.value.problems]

    return refused


def running(compilation):
    return [task.name for task in compilation.plan.pipeline.all_tasks if task.left_out is None]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), ["build", "lint", "test", "scan", "deploy", "release", "notify", "clean"]),
        (Selection(only=("lint",)), ["lint", "notify", "clean"]),
        (Selection(only=("lint", "clean")), ["lint", "clean"]),
        (Selection(only=("notify",)), ["notify"]),
        (Selection(start=("scan",), results=GIVEN), ["scan", "deploy", "release", "notify", "clean"]),
        (Selection(start=("build",), skip=("clean",)), ["build", "test", "scan", "deploy", "release", "notify"]),
        (Selection(start=("release",), only=("lint",)), ["lint", "release", "notify", "clean"]),
        (Selection(skip=("lint", "notify")), ["build", "test", "scan", "deploy", "release", "clean"]),
    ],
)
def test_tasks_that_run(compiled, selection, names):
    assert running(compiled(selection)) == names


def test_pod_has_no_containers_of_tasks_that_are_left_out(compiled):
    pod = compiled(Selection(only=("lint",), skip=("notify",))).pod
    names = [container["name"] for container in pod["spec"]["containers"]]
    assert names == ["lint-run", "clean-run"]


def test_left_out_tasks_keep_their_place_in_the_order_and_have_the_given_results(compiled):
    tasks = {task.name: task for task in compiled(Selection(start=("deploy",), results=GIVEN)).plan.pipeline.tasks}
    assert tasks["scan"].after == ("test", "build")
    assert tasks["deploy"].after == ("scan",)
    why = ("Task was left out", "--from does not select it")
    version = Param("version", {"a": "1", "b": "2"})
    assert tasks["build"].left_out == LeftOut(*why, (Param("image", "i"), version))
    lengths = (("tasks.test.matrix.report.length", "2"), ("tasks.test.matrix.length", "2"))
    assert tasks["test"].left_out == LeftOut(*why, (Param("report", ("x", "y")),), lengths)


def test_each_missing_result_is_one_error_where_it_is_first_used(refused):
    assert refused(Selection(start=("test", "scan"))) == [
        "ci.yaml:14:35: spec.tasks[2].params[0].value: the Task 'build' is left out; give its Result with "
        "--result build.image=VALUE",
        "ci.yaml:21:67: spec.tasks[3].taskSpec.steps[0].command[1]: the Task 'build' is left out; give its Result with "
        "--result build.version=VALUE",
    ]


def test_length_of_a_matrix_needs_a_result_of_it(refused):
    (error,) = refused(Selection(skip=("test",)))
    assert error.endswith("the Task 'test' is left out; give its Result with --result test.report=VALUE")


@pytest.mark.parametrize(
    ("selection", "error"),
    [
        (Selection(only=("tset",)), "--only tset: there is no Task 'tset' (did you mean 'test'?)"),
        (Selection(start=("x",)), "--from x: there is no Task 'x'"),
        (
            Selection(skip=("release/sign",)),
            "--skip release/sign: the Pipeline that 'release' runs is run or left out as a whole; name 'release'",
        ),
        (
            Selection(skip=("lint",), results=(("lnt", "x", "1"),)),
            "--result lnt.x=1: there is no Task 'lnt' (did you mean 'lint'?)",
        ),
        (
            Selection(start=("test",), skip=("scan",), results=(("build", "imag", "1"),)),
            "--result build.imag=1: the Task 'build' has no Result 'imag' (did you mean 'image'?)",
        ),
        (
            Selection(start=("scan",), results=(*GIVEN, ("build", "version", "a:1"))),
            "--result build.version=a:1: the object needs the keys b",
        ),
        (
            Selection(results=(("build", "image", "1"),)),
            "--result build.image=1: the Task 'build' runs and writes its own Results; leave it out with --skip build",
        ),
        (
            Selection(only=("lint",), skip=("lint", "notify", "clean")),
            "ci.yaml:5:3: spec: no Task is left to run; name fewer Tasks with --skip",
        ),
    ],
)
def test_what_is_refused(refused, selection, error):
    assert refused(selection) == [error]


def test_artifacts_of_a_task_that_is_left_out_are_refused(refused):
    text = TASKS.replace("$(tasks.build.results.version.a)", "$(tasks.build.outputs.app)")
    (error,) = refused(Selection(skip=("build",), results=(("build", "image", "i"),)), text)
    assert "the Task 'build' is left out, and Artifacts cannot be given; do not leave it out" in error


def test_a_run_of_a_single_task_has_nothing_to_choose(refused):
    task = yaml.safe_load(TASKS)["spec"]["tasks"][1]["taskSpec"]
    text = yaml.safe_dump({"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "t"}, "spec": task})
    message = "the run has a single Task, so there is nothing to choose; leave the option out"
    assert refused(Selection(only=("t",)), text) == [f"--only t: {message}"]
    assert refused(Selection(results=(("t", "x", "1"),)), text) == [f"--result t.x=1: {message}"]
