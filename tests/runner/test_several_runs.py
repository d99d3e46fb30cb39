"""Several runs in the files: `monopod run` and the other commands."""

import io
import json
import sys

import pytest
import yaml

from monopod.runner import run_pods
from monopod.runner.command_line import main
from monopod.runner.host.backend import NOTICE

RUN = """\
---
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata: {{{name}}}
spec:
  pipelineSpec:
    tasks:
    - name: {task}
      taskSpec:
        steps:
        - {{name: act, image: busybox, script: "{script}"}}
"""
FIRST, SECOND = "generateName: first-", "name: second"
SERVICE = "---\n{apiVersion: v1, kind: Service, metadata: {name: web}}\n"


@pytest.fixture
def monopod(tmp_path, monkeypatch, capsys):
    """Calls `monopod` on a text as the file runs.yaml; returns its exit code, output and errors."""

    def monopod(command, text, *options):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["monopod", command, "-f", "runs.yaml", *options])
        (tmp_path / "runs.yaml").write_text(text)
        code = main()
        return code, *capsys.readouterr()

    return monopod


def runs(*scripts):
    return "".join(
        RUN.format(name=name, task=f"task{number}", script=script)
        for number, (name, script) in enumerate(zip((FIRST, SECOND, "name: third"), scripts, strict=False), 1)
    )


def wrong(text, task):
    return text.replace(f"- name: {task}\n", f"- name: {task}\n      runAfter: [no-{task}]\n")


def test_compile_writes_a_pod_per_run_and_other_objects_once(monopod):
    code, output, _ = monopod("compile", runs("a", "b") + SERVICE)
    assert code == 0
    kinds_and_names = [
        (each["kind"], each["metadata"].get("name", each["metadata"].get("generateName")))
        for each in yaml.safe_load_all(output)
    ]
    assert kinds_and_names == [("Service", "web"), ("Pod", "first-"), ("Pod", "second")]


@pytest.mark.parametrize(("name", "pods"), [("first-", ["first-"]), ("second", ["second"])])
def test_name_or_generate_name_selects_a_run(monopod, name, pods):
    _, output, _ = monopod("compile", runs("a", "b"), "--name", name)
    metadata = [each["metadata"] for each in yaml.safe_load_all(output)]
    assert [each.get("name", each.get("generateName")) for each in metadata] == pods


def test_unused_name_is_reported(monopod):
    code, output, errors = monopod("run", runs("a", "b"), "--name", "secnod")
    assert (code, output) == (2, "")
    assert errors == "no run, Pipeline or Task has the name 'secnod' (did you mean 'second'?)\n"


def test_graph_draws_each_run(monopod):
    _, output, _ = monopod("graph", runs("a", "b"))
    first, second = output.split("\n\n")
    assert "task1" in first
    assert "task2" in second


def test_check_reports_problems_of_each_run_and_shared_ones_once(monopod):
    text = wrong(wrong(runs("a", "b", "c"), "task1"), "task3")
    code, output, _ = monopod("check", text)
    assert code == 2
    *problems, count = output.splitlines()
    errors = [line.partition(": ")[2] for line in problems if ": note: " not in line and ": warning: " not in line]
    assert errors == [
        f"spec.pipelineSpec.tasks[0].runAfter[0]: there is no Task 'no-{task}' [unknown-task]"
        for task in ("task1", "task3")
    ]
    assert count.startswith("2 errors, ")
    shared = "---\n{apiVersion: tekton.dev/v1, kind: Task, metadata: {name: t}, spec: {steps: [{image: i, nam: x}]}}\n"
    run = "---\n{apiVersion: tekton.dev/v1, kind: TaskRun, metadata: {generateName: r-}, spec: {taskRef: {name: t}}}\n"
    _, output, _ = monopod("check", shared + run + run)
    assert output.count("\n") == 1


def test_nothing_runs_if_one_run_is_invalid(monopod):
    code, output, _ = monopod("run", wrong(runs("echo hello", "exit 0"), "task2"))
    assert (code, output) == (2, "")


class TestExitCode:
    """The exit code of the command for each outcome of the runs, which do not really run here."""

    @pytest.fixture
    def ran(self, monopod, monkeypatch):
        """Runs three runs with these ends; returns the exit code, the output and the number of runs that ran."""

        def ran(*ends, output="human"):
            started = []

            def run_one(compilation, backend, options, wake_up, number):
                started.append(number)
                return ends[len(started) - 1]

            monkeypatch.setattr(run_pods, "_run_one", run_one)
            code, text, _ = monopod("run", runs("a", "b", "c"), "-o", output)
            assert started == [0, 1, 2][: len(started)]
            return code, text, len(started)

        return ran

    def ended(self, code, name=None, *, interrupted=False):
        return run_pods.Ended(code, name and {"kind": name}, interrupted)

    def test_all_succeeded(self, ran):
        assert ran(*[self.ended(0)] * 3) == (0, "", 3)

    @pytest.mark.parametrize("failed", [0, 1, 2])
    def test_one_failed(self, ran, failed):
        assert ran(*[self.ended(int(number == failed)) for number in range(3)]) == (1, "", 3)

    def test_cancelled(self, ran):
        left = "Not started: PipelineRun 'second', PipelineRun 'third'\n"
        assert ran(self.ended(130, interrupted=True)) == (130, left, 1)
        assert ran(self.ended(1), self.ended(130, interrupted=True)) == (
            130, "Not started: PipelineRun 'third'\n", 2,
        )  # fmt: skip

    def test_run_that_succeeded_despite_an_interrupt_is_the_last(self, ran):
        assert ran(self.ended(0, interrupted=True))[::2] == (130, 1)
        assert ran(self.ended(0), self.ended(0), self.ended(0, interrupted=True)) == (0, "", 3)

    def test_run_that_cannot_start(self, ran):
        assert ran(self.ended(2))[::2] == (2, 1)
        assert ran(self.ended(0), self.ended(2))[::2] == (1, 2)

    def test_documents_are_a_list(self, ran):
        code, text, _ = ran(self.ended(0, "A"), self.ended(1), self.ended(0, "C"), output="json")
        assert code == 1
        assert json.loads(text) == {"apiVersion": "v1", "kind": "List", "items": [{"kind": "A"}, {"kind": "C"}]}
        _, text, _ = ran(self.ended(0, "A"), self.ended(130, interrupted=True), output="yaml")
        assert yaml.safe_load(io.StringIO(text))["items"] == [{"kind": "A"}]


@pytest.mark.slow
def test_runs_are_run_one_after_another(monopod):
    code, output, errors = monopod("run", runs("echo one; exit 3", "echo two") + SERVICE, "-o", "json")
    assert code == 1
    failed, succeeded = json.loads(output)["items"]
    assert failed["metadata"]["name"].startswith("first-")
    assert [run["status"]["conditions"][0]["status"] for run in (failed, succeeded)] == ["False", "True"]
    lines = errors.splitlines()
    assert "The host backend ignores Service 'web'." in lines
    assert lines.count(NOTICE) == 1
    closing_table = next(number for number, line in enumerate(lines) if line.startswith("first-") and "Failed" in line)
    assert lines.index("[task1 : act] one") < closing_table < lines.index("[task2 : act] two")


@pytest.mark.slow
def test_names_are_printed_one_per_line(monopod):
    _, output, _ = monopod("run", runs("exit 0", "exit 0"), "-o", "name")
    first, second = output.splitlines()
    assert first.startswith("pipelinerun.tekton.dev/first-")
    assert second == "pipelinerun.tekton.dev/second"
