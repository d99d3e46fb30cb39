"""Matrix combinations are named by their values, and counted, as soon as they are known."""

import io

import pytest

from monopod.runner.display.display import make_display
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.live_view import View
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.display.selection import Selection, find_sources
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower, OutputLines
from monopod.runner.follow.usage import LoadMeter
from monopod.runner.records.recorder import Recorder
from monopod.schemas.plan import Matrix, Param, Sidecar, Step
from monopod.schemas.run_events import MatrixExpanded, SidecarFinished, TaskSkipped

NAMES = ["go=1.21", 'go="a,b"', "2:go=1.22", "3:go=1.22"]


@pytest.fixture
def feed(sample):
    plan = sample.plan(sample.task("list", "run"), sample.task("test", "make", index_count=4))
    return plan, [
        sample.run_started(),
        MatrixExpanded(0, "test", NAMES),
        sample.task_started("test", 1, index=1, go="a,b"),
        sample.step_started("test", "make", 1, index=1),
        ("test1-make", b"hello\n"),
        sample.step_finished("test", "make", 2, index=1, code=2),
        sample.task_finished("test", 2, "Failed", index=1),
        sample.run_finished(3, "Failed"),
    ]


def test_lines_and_summary_have_the_values(feed, feed_all):
    plan, happenings = feed
    follower, stream = Follower(plan), io.StringIO()
    display = make_display(stream, follower, {})
    feed_all(follower, display, happenings)
    display.close(summarize(follower, Outcome("Failed", "Failed", ""), 3, None))
    lines = stream.getvalue().splitlines()
    assert '[test[go="a,b"] : make] hello' in lines
    assert '=== test[go="a,b"] : make failed: exit code 2' in lines
    assert sum(line.startswith(("test[go=1.21]", "test[2:go=1.22]", "test[3:go=1.22]")) for line in lines) == 3


@pytest.mark.parametrize("name", ["test[3]", "test[go=1.23]", "test[3]/make", "test[go=1.23]/make"])
def test_logs_selects_a_combination_by_its_index_or_its_value(name, sample, feed_all):
    versions = [f"1.2{minor}" for minor in range(4)]
    matrix = Matrix((Param("go", tuple(versions)),), pinned=True)
    plan = sample.plan(sample.task("test", "make", index_count=4)._replace(matrix=matrix))
    happenings = [sample.run_started(), MatrixExpanded(0, "test", [f"go={version}" for version in versions])]
    for index, version in enumerate(versions):
        happenings += [
            sample.task_started("test", 1, index=index, go=version),
            sample.step_started("test", "make", 1, index=index),
            (f"test{index or ''}-make", f"go {version}\n".encode()),
            sample.step_finished("test", "make", 2, index=index),
            sample.task_finished("test", 2, index=index),
        ]
    follower, stream = Follower(plan), io.StringIO()
    display = PlainDisplay(stream, follower, LineOptions(Selection(find_sources([name], [plan]))))
    feed_all(follower, display, happenings)
    display.refresh(0)
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("[test")]
    assert "[test[go=1.23] : make] go 1.23" in lines
    assert [line for line in lines if not line.startswith("[test[go=1.23]")] == []


def test_all_combinations_count_once_their_number_is_known(feed):
    plan, happenings = feed
    follower = Follower(plan)
    assert len(follower.tasks) == 2
    for event in happenings[:2]:
        follower.event(event)
    assert [task.label for task in follower.tasks] == ["list", *(f"test[{name}]" for name in NAMES)]
    assert {task.status for task in follower.tasks} == {"Waiting"}


def test_live_view_counts_combinations(feed):
    plan, happenings = feed
    follower = Follower(plan)

    def text():
        rows = View(follower, LoadMeter(), {}).rows(0, 100, 24)
        return "\n".join("".join(text for text, _ in row) for row in rows)

    follower.event(happenings[0])
    assert " 0 of 2 done" in text()
    follower.event(happenings[1])
    assert " 0 of 5 done" in text()
    assert "test (4 combinations)" in text()
    follower.event(happenings[2])
    assert 'test[go="a,b"]' in text()


def test_record_assigns_lines_to_the_attempt_of_a_combination(feed, tmp_path):
    plan, happenings = feed
    pod = {"metadata": {"name": "x"}, "spec": {"initContainers": [], "containers": []}}
    recorder = Recorder(tmp_path, plan, pod, backend="host", files=())
    recorder.take(happenings[1])
    recorder.take(happenings[2]._replace(attempt=1))
    recorder.take(OutputLines('test[go="a,b"]', "make", "hello"))
    assert recorder._pending_lines[-1].decode().split("\t")[1:] == ['test[go="a,b"]', "make", "1", "hello\n"]


def test_skipped_task_shows_the_deciding_expression(sample, feed_all):
    message = 'when: $(params.env) in [production]: the value was "staging"'
    plan = sample.plan(sample.task("deploy", "run"))
    follower, stream = Follower(plan), io.StringIO()
    display = make_display(stream, follower, {})
    skipped = TaskSkipped(1, "deploy", "When Expressions evaluated to false", message)
    feed_all(follower, display, [sample.run_started(), skipped, sample.run_finished(2)])
    display.close(summarize(follower, Outcome("Succeeded", "Completed", ""), 2, None))
    reason = f"When Expressions evaluated to false: {message}"
    assert f"[deploy] Skipped: {reason}" in stream.getvalue()
    assert [line.split("  ")[-1].strip() for line in stream.getvalue().splitlines() if line.startswith("deploy ")] == [
        reason
    ]


def test_early_end_of_a_sidecar_is_reported_after_its_lines(sample, feed_all):
    task = sample.task("test", "make")
    slot = task.slots[0]._replace(sidecars=("test-db",))
    plan = sample.plan(task._replace(sidecars=(Sidecar(Step("db")),), slots=(slot,)))
    follower, stream = Follower(plan), io.StringIO()
    display = make_display(stream, follower, {})
    feed_all(
        follower,
        display,
        [
            sample.run_started(),
            sample.task_started("test", 1),
            ("test-db", b"Address already in use"),
            SidecarFinished(2, "test", None, 0, "db", "test-db", 1, "Error", "", 1, 2),
        ],
    )
    display.refresh(0)
    assert "Address already in use\n[test : db] Sidecar ended before the Steps did: exit code 1\n" in stream.getvalue()
