"""Writing records: their contents, their permissions and limits, and that they never fail a run."""

import dataclasses
import errno
import io
import json
import os
import subprocess
import sys

import pytest
from recorded import feed_recorder, record_run, recorder_of

from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.display.summary import Outcome
from monopod.runner.follow.follower import Follower, OutputLines
from monopod.runner.records import recorder as recorder_module
from monopod.runner.records.output_lines import Line
from monopod.runner.records.recorded_run import read_run
from monopod.runner.records.recorder import recording
from monopod.runner.records.store import RecordError, open_record, records


def texts(run):
    return [None if each is None else each[1].text for each in run.lines()]


def test_recorded_run_is_read_back(tmp_path, failed_run):
    plan, feed = failed_run
    run = read_run(record_run(tmp_path, plan, feed))
    assert (run.header.name, run.header.backend, run.header.files) == ("ci-x7k2p", "host", ("ci.yaml",))
    assert run.plan == plan
    assert {task.label: task.state.status for task in run.tasks} == {
        "clone": "Succeeded",
        "unit-tests": "Failed",
        "docs": "Skipped",
        "integration": "Skipped",
        "report": "Succeeded",
    }
    assert texts(run) == [
        "Cloning into 'source'...",
        "at commit 1234",
        "\x1b[31mE  assert 1 == 2\x1b[0m",
        "",
        "1 failed",
        "état: Failed",
    ]
    sources = {(each[0].task, each[0].step, each[0].attempt) for each in run.lines()}
    assert sources == {("clone", "git", 0), ("unit-tests", "pytest", 0), ("report", "print", 0)}


def test_lines_belong_to_the_attempt_in_which_they_were_written(tmp_path, sample):
    plan = sample.plan(sample.task("flaky", "try", retries=1))
    feed = [
        sample.run_started(),
        sample.task_started("flaky", 0),
        sample.step_started("flaky", "try", 0),
        ("flaky-try", b"first\n"),
        sample.step_finished("flaky", "try", 1, code=1),
        sample.task_finished("flaky", 1, "Failed", will_retry=True),
        sample.task_started("flaky", 2, attempt=1),
        sample.step_started("flaky", "try", 2, attempt=1),
        ("flaky-try", b"second\n"),
        sample.step_finished("flaky", "try", 3, attempt=1),
        sample.task_finished("flaky", 3, attempt=1),
        sample.run_finished(3),
    ]
    run = read_run(record_run(tmp_path, plan, feed))
    assert [(source.attempt, line.text) for source, line in run.lines()] == [(0, "first"), (1, "second")]
    assert [(each.number, each.status) for each in run.tasks[0].attempts] == [(0, "Failed"), (1, "Succeeded")]


def test_record_is_private(tmp_path, failed_run):
    previous = os.umask(0)
    try:
        directory = record_run(tmp_path / "state" / "runs", *failed_run).directory
    finally:
        os.umask(previous)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "runs").stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o077 for each in directory.iterdir()} == {0}


def test_runs_of_the_same_name_have_separate_records(tmp_path, failed_run):
    assert [record_run(tmp_path, *failed_run).identity for _ in range(3)] == ["ci-x7k2p", "ci-x7k2p.2", "ci-x7k2p.3"]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".", "..", "-x", "A", "x" * 254])
def test_name_cannot_escape_the_records_directory(tmp_path, sample, name):
    plan = sample.plan(sample.task("a", "b"))
    record = record_run(tmp_path, plan, [sample.run_started(name), sample.run_finished(1)])
    assert record.directory == tmp_path / "run"
    assert record.header.name == name


def test_first_and_last_parts_of_much_output_are_kept(tmp_path, sample, monkeypatch):
    monkeypatch.setattr(recorder_module, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(recorder_module, "MOST_PENDING", 100)
    plan = sample.plan(sample.task("a", "b"))
    lines = [("a-b", f"line {number}\n".encode()) for number in range(5000)]
    feed = [
        sample.run_started(),
        sample.task_started("a", 0),
        sample.step_started("a", "b", 0),
        *lines,
        sample.step_finished("a", "b", 1),
        sample.task_finished("a", 1),
        sample.run_finished(1),
    ]
    record = record_run(tmp_path, plan, feed)
    size = sum(each.stat().st_size for each in record.directory.glob("output.*"))
    assert size <= recorder_module.MOST_SEGMENTS * 1000
    found = texts(read_run(record))
    assert found.count(None) == 1
    gap = found.index(None)
    assert found[:gap] == [f"line {number}" for number in range(gap)]
    rest = found[gap + 1 :]
    assert rest == [f"line {number}" for number in range(5000 - len(rest), 5000)]
    assert gap > 5
    assert len(rest) > 100


def test_record_of_a_killed_process_is_readable(tmp_path, failed_run):
    plan, feed = failed_run
    recorder = recorder_of(tmp_path, plan)
    feed_recorder(recorder, plan, feed[:13])
    recorder.refresh(1e12)
    assert open_record(recorder.directory).status == "Running"
    recorder._close_files()  # as the kernel does
    for name, torn in (("events.jsonl", b'{"event":"TaskFin'), ("output.0", b"17000")):
        with open(recorder.directory / name, "ab") as file:
            file.write(torn)
    record = open_record(recorder.directory)
    assert record.status == "Unknown"
    run = read_run(record)
    assert run.message == "the process that followed the run was killed"
    assert [(task.label, task.state.status) for task in run.tasks][:2] == [
        ("clone", "Succeeded"),
        ("unit-tests", "Running"),
    ]
    assert texts(run)[:2] == ["Cloning into 'source'...", "at commit 1234"]


def test_unreadable_record_is_reported(tmp_path, failed_run):
    record = record_run(tmp_path, *failed_run)
    (record.directory / "events.jsonl").write_text("nonsense\n")
    with pytest.raises(RecordError, match="cannot read the record of 'ci-x7k2p': not an event of a run"):
        read_run(record)
    (record.directory / "plan").write_text("AAAA")
    with pytest.raises(RecordError, match=r"cannot read the Plan of 'ci-x7k2p', recorded by monopod [0-9.]+"):
        read_run(record)


def test_run_that_never_started_is_recorded(tmp_path, sample):
    plan = sample.plan(sample.task("a", "b"))
    recorder = recorder_of(tmp_path, plan, backend="kubernetes")
    recorder.end(Outcome("Failed", "OutcomeUnknown", "the image cannot be pulled"), 12.0)
    recorder.close()
    (record,) = records(tmp_path)
    assert (record.identity, record.status, record.ended.message) == (
        "ci-x7k2p",
        "Failed",
        "the image cannot be pulled",
    )
    assert [task.state.status for task in read_run(record).tasks] == ["Waiting"]


class TestRecordingNeverFailsARun:
    def shown_by(self, recorder, plan, feed):
        stream = io.StringIO()
        follower = Follower(plan)
        display = recording(PlainDisplay(stream, follower, LineOptions(colours=False)), recorder)
        for now, item in enumerate(feed):
            for shown in follower.output(*item) if type(item) is tuple else follower.event(item):
                display.show(shown)
            display.refresh(1e9 + now)
        recorder.end(Outcome("Succeeded", "Succeeded", ""), 1.0)
        display.close(None)
        return stream.getvalue().splitlines()

    def test_full_disk_is_reported_once(self, tmp_path, failed_run, monkeypatch):
        plan, feed = failed_run
        real, left = os.write, [4000]

        def write(descriptor, data):
            if left[0] <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left[0] -= 1000
            return real(descriptor, data[:1000])

        monkeypatch.setattr(os, "write", write)
        lines = self.shown_by(recorder_of(tmp_path, plan), plan, feed)
        assert lines.count("warning: cannot record this run: No space left on device") == 1
        assert lines[-1] == "[report] Succeeded in 0.1s"
        assert read_run(records(tmp_path)[0]).record.status == "Unknown"

    def test_failure_to_create_the_directory_is_reported_once(self, tmp_path, failed_run):
        plan, feed = failed_run
        (tmp_path / "file").touch()
        recorder = recorder_of(tmp_path / "file" / "runs", plan)
        lines = self.shown_by(recorder, plan, feed)
        assert [line for line in lines if "cannot record" in line] == [
            f"warning: cannot record this run: {tmp_path}/file/runs: Not a directory"
        ]

    @pytest.mark.slow
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system that is full")
    def test_full_file_system(self, tmp_path):
        script = "i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; sleep 1; echo the end"
        (tmp_path / "p.yaml").write_text(
            "apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks:\n"
            f"    - name: a\n      taskSpec:\n        steps: [{{name: b, image: busybox, script: '{script}'}}]\n"
        )
        (tmp_path / "state").mkdir()
        shell = (
            'mount -t tmpfs -o size=64k none "$0" && export XDG_STATE_HOME=$0; "$@"; echo "code $?"; $1 status; $1 logs'
        )
        monopod = os.path.join(os.path.dirname(sys.executable), "monopod")
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", shell, tmp_path / "state", monopod, "run", "-f", tmp_path / "p.yaml"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert "[a : b] line-2999" in done.stdout
        assert "[a : b] the end" in done.stdout
        assert done.stdout.count("cannot record this run: No space left on device") == 1
        assert "\ncode 0\n" in done.stdout
        later = done.stdout.partition("code 0")[2].splitlines()
        (summary,) = [line for line in later if line.endswith("; the record is incomplete: No space left on device")]
        assert " Succeeded in " in summary
        assert any(line.startswith("a     Unknown") and "its end was not reported" in line for line in later)
        assert "monopod logs: the record is incomplete: No space left on device" in later


def test_lines_are_recorded_verbatim(tmp_path, sample):
    plan = sample.plan(sample.task("a", "b"))
    hostile = ["a\tb\t\t", "\u2028\x85\x0b\x0c\x1c", "", " ", "\x00\x1b[2J", "x" * 70000, "\udcff"]
    recorder = recorder_of(tmp_path, plan)
    recorder.take(sample.run_started())
    for text in hostile:
        recorder.take(OutputLines("a", "b", text))
    recorder.end(Outcome("Succeeded", "Succeeded", ""), 1.0)
    recorder.close()
    run = read_run(open_record(recorder.directory))
    assert texts(run) == [*hostile[:-1], "?"]
    assert all(isinstance(each[1], Line) for each in run.lines())
    assert json.loads((recorder.directory / "run.json").read_text())["format"] == 1


def test_a_run_that_waited_for_its_start_started_when_the_coordinator_says(tmp_path, sample):
    recorder = recorder_of(tmp_path, sample.plan(sample.task("a", "s")))
    recorder.begin("pod-1", "ci", "pod-uid")
    waiting = open_record(recorder.directory).header
    started = sample.run_started()
    recorder.take(started)
    recorder.take(started._replace(at=started.at + 5))
    recorder.close()
    header = open_record(recorder.directory).header
    assert waiting.started > started.at
    assert header == dataclasses.replace(waiting, started=started.at)
