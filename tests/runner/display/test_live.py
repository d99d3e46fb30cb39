"""The live view on terminals of several sizes, on our own small terminal emulator."""

import io
import itertools
import re

import pytest
from rich.console import Console
from screen import Screen

from monopod.runner.display.display import is_live, make_display
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.live import LiveDisplay
from monopod.runner.display.selection import Selection, Source
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower, OutputLines
from monopod.runner.follow.usage import ContainerUsage, LoadMeter
from monopod.schemas.run_events import RunWarning, StepHeld, StepReleased


class View:
    """A live display with its follower, on a terminal with a given size."""

    def __init__(self, plan, width, height, now, options, pod):
        self.terminal = Screen(width, height)
        self.follower = Follower(plan)
        self.console = Console(
            file=self.terminal,
            width=width,
            height=height,
            color_system="standard",
            legacy_windows=False,
            force_terminal=True,
            highlight=False,
            _environ={},
        )
        self.display = LiveDisplay(
            self.console, self.follower, LineOptions(**options), LoadMeter(pod.usage) if pod else LoadMeter()
        )
        self.now = now

    def resize(self, width, height):
        self.terminal.resize(width, height)
        self.console.size = (width, height)
        self.now += 1
        self.display.refresh(self.now)

    def feed(self, items, seconds=1.0):
        for item in items:
            for each in self.follower.output(*item) if type(item) is tuple else self.follower.event(item):
                self.display.show(each)
            self.now += seconds
            self.display.refresh(self.now)

    def close(self):
        finished = self.follower.finished
        outcome = Outcome(finished.status, finished.reason, finished.message)
        self.display.close(summarize(self.follower, outcome, finished.at, None))


@pytest.fixture
def view(start):
    views = []

    def view(plan, width, height, pod=None, **options):
        views.append(View(plan, width, height, start, options, pod))
        return views[-1]

    yield view
    for each in views:
        each.display.close(None)


def test_run_at_80_columns(view, failed_run):
    plan, feed = failed_run
    run = view(plan, 80, 24)
    run.feed(feed[:14], seconds=0.5)
    assert run.terminal.text == (
        """\
clone git          │ Cloning into 'source'...
clone git          │ at commit 1234
unit-tests pytest  │ E  assert 1 == 2
unit-tests pytest  │
unit-tests pytest  │ 1 failed
── ci-x7k2p ━━━━━━━━━━━━────────────────── 2 of 5 done  7s  1 running
✓ 1 succeeded, 1 skipped: docs, clone
● unit-tests       5s  pytest
○ integration          after unit-tests
○ report               finally
"""
    )
    run.feed(feed[14:])
    run.close()
    assert run.terminal.cursor_is_visible
    assert run.terminal.text == (
        """\
clone git          │ Cloning into 'source'...
clone git          │ at commit 1234
unit-tests pytest  │ E  assert 1 == 2
unit-tests pytest  │
unit-tests pytest  │ 1 failed
unit-tests pytest  │ exit code 1
report print       │ état: Failed

── unit-tests : pytest failed: exit code 1 ────────────────────────────────────
E  assert 1 == 2

1 failed
skipped as a result: integration

   TASK         STATUS     STARTED  TOOK  WHY
✓  clone        Succeeded    +0.2s  1.2s
✗  unit-tests   Failed       +1.5s  8.2s  pytest: exit code 1
⊘  docs         Skipped          -     -  When Expressions evaluated to false
⊘  integration  Skipped          -     -  Parent Tasks were skipped
✓  report       Succeeded    +9.8s  0.1s

✗ ci-x7k2p Failed in 10.0s
Tasks Completed: 3 (Failed: 1, Cancelled 0), Skipped: 2
"""
    )


def test_run_at_40_columns(view, failed_run):
    plan, feed = failed_run
    run = view(plan, 40, 12)
    run.feed(feed[:14])
    assert run.terminal.text == (
        """\
clone git     │ Cloning into 'source'...
clone git     │ at commit 1234
unit-… pytest │ E  assert 1 == 2
unit-… pytest │
unit-… pytest │ 1 failed
── ci-x7k2p ━━━━────── 2 of 5 done  14s
● unit-tests      12s  pytest
○ integration          after unit-tests
  and 3 more: 1 waiting, 1 succeeded,…
"""
    )
    run.feed(feed[14:])
    run.close()
    assert run.terminal.text.endswith(
        """
── unit-tests : pytest failed: exit code
 1
E  assert 1 == 2

1 failed
skipped as a result: integration

✓ clone Succeeded 1.2s
✗ unit-tests Failed 8.2s
  pytest: exit code 1
⊘ docs Skipped
  When Expressions evaluated to false
⊘ integration Skipped
  Parent Tasks were skipped
✓ report Succeeded 0.1s

✗ ci-x7k2p Failed in 10.0s
Tasks Completed: 3 (Failed: 1, Cancelled
0), Skipped: 2
"""
    )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 3), (10, 2), (8, 1)])
def test_no_line_is_lost_at_any_size(view, sample, width, height):
    plan = sample.plan(*(sample.task(f"task-{number}", "run") for number in range(30)))
    run = view(plan, width, height)
    run.feed([sample.run_started()])
    run.feed([sample.task_started(f"task-{number}", number) for number in range(30)], seconds=0.03)
    run.feed([sample.step_started(f"task-{number}", "run", number) for number in range(30)], seconds=0.03)
    written = [f"<{number}:{'long' * (number % 30)}>" for number in range(200)]
    run.feed(((f"task-{n % 30}-run", f"{text}\n".encode()) for n, text in enumerate(written)), seconds=0.03)
    run.feed([sample.run_finished(100)])
    run.close()
    everything = run.terminal.text.replace("\n", "")
    seen = re.findall(r"<\d+:[long]*>", everything)
    assert sorted(seen) == sorted(written)
    assert [each for each in seen if each in written[::30]] == written[::30]


def test_tall_pipeline_fits_the_terminal(view, sample):
    plan = sample.plan(*(sample.task(f"task-{number:02}", "run", after=()) for number in range(40)))
    run = view(plan, 60, 10)
    run.feed([sample.run_started()])
    for number in (3, 20, 35):
        run.feed([sample.task_started(f"task-{number:02}", 1), sample.step_started(f"task-{number:02}", "run", 1)])
    run.feed([sample.task_started("task-00", 1), sample.task_finished("task-00", 2)])
    run.feed([sample.task_started("task-30", 1), sample.task_finished("task-30", 2, "Failed", message="no such file")])
    assert run.terminal.rows[:4] == (
        [
            "── ci-x7k2p ──────── 2 of 40 done  1 failed  11s  3 running",
            "● task-03     10s  run",
            "● task-20     10s  run",
            "  and 38 more: 1 running, 1 failed, 35 waiting, 1 succeeded",
        ]
    )


def test_view_is_drawn_only_when_something_changed(view, sample, start):
    run = view(sample.plan(sample.task("build", "run")), 80, 24)
    run.feed([sample.run_started(), sample.task_started("build", 1), sample.step_started("build", "run", 1)])
    writes = run.terminal.writes
    assert run.display.refresh(run.now + 0.05) == pytest.approx(0.95)
    assert run.terminal.writes == writes
    run.display.show(OutputLines("build", "run", "text"))
    assert run.display.refresh(run.now + 0.05) == pytest.approx(0.05)
    assert run.terminal.writes == writes
    run.display.refresh(run.now + 0.1)
    assert run.terminal.writes == writes + 1
    run.display.refresh(run.now + 1)
    assert run.terminal.writes == writes + 2


@pytest.mark.parametrize(
    ("environment", "live"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_terminals_with_a_live_view(environment, live):
    assert is_live(Screen(80, 24), environment) is live
    assert not is_live(io.StringIO(), environment)


def test_output_of_one_task_scrolls_above_the_view(view, sample):
    plan = sample.plan(sample.task("build", "make"), sample.task("lint", "ruff"), sample.task("test", "run"))
    run = view(plan, 80, 24)
    names = ("build", "make"), ("lint", "ruff"), ("test", "run")
    run.feed([sample.run_started()])
    for task, step in names:
        run.feed([sample.task_started(task, 1), sample.step_started(task, step, 1)])
    for number in range(9):
        run.feed([(f"{task}-{step}", f"{task} {number}\n".encode()) for task, step in names if task != "test"], 0.2)
    run.feed([("test-run", "\x1b[1;31mwide 日本語\x1b[0m\twords\x1b]0;title\x07\n".encode())])
    assert run.terminal.text == (
        """\
build make │ build 0
build make │ build 1
build make │ build 2
build make │ build 3
build make │ build 4
build make │ build 5
build make │ build 6
build make │ build 7
build make │ build 8
── ci-x7k2p ────────────────────────────── 0 of 3 done  11s  3 running
● build     10s  make
● lint      10s  ruff
● test      10s  run
lint ruff  │ lint 4
lint ruff  │ lint 5
lint ruff  │ lint 6
lint ruff  │ lint 7
lint ruff  │ lint 8
test run   │ wide 日本語 words
"""
    )
    run.feed([sample.step_finished("lint", "ruff", 12, code=1), sample.task_finished("lint", 12, "Failed")])
    run.feed([("build-make", b"build 9\n")])
    rows = run.terminal.rows
    lint = [f"lint ruff  │ lint {number}" for number in range(9)]
    start = rows.index("build make │ build 8") + 1
    assert rows[start : start + 11] == [*lint, "lint ruff  │ exit code 1", "build make │ build 9"]
    assert not any(row.startswith("lint ruff") for row in rows[start + 11 :])
    assert "test run   │ wide 日本語 words" in rows
    run.feed([sample.step_finished("build", "make", 12), sample.task_finished("build", 12)])
    run.feed([("test-run", b"more\n")])
    lines = run.terminal.text.splitlines()
    last = lines.index("build make │ build 9") + 1
    assert lines[last : last + 2] == ["test run   │ wide 日本語        words", "test run   │ more"]


def test_matrix_and_nested_pipeline(view, sample):
    tasks = [sample.task("t0", "run", index_count=2)]
    tasks += [sample.task(f"t{number}", "run", after=(f"t{number - 1}",)) for number in range(1, 12)]
    run = view(sample.plan(*tasks), 60, 30)
    run.feed([sample.run_started(), sample.task_started("t0", 1, index=0), sample.task_started("t0", 1, index=1)])
    assert run.terminal.rows[1:9] == [
        "● t0[0]               2s",
        "● t0[1]               2s",
        "○ t1                      after t0",
        "○ └─ t2                   after t1",
        "○    └─ t3                after t2",
        "○       └─ t4             after t3",
        "○          └─ t5          after t4",
        "○          └─ t6          after t5",
    ]


class MeasuredPod:
    """A Pod whose containers use more each time they are measured."""

    def __init__(self):
        self.asked = []

    def usage(self, containers):
        self.asked.append(sorted(containers))
        number = len(self.asked)
        return {name: ContainerUsage(number * 1.5, number << 28) for name in containers}


def test_running_tasks_show_cpu_and_memory(view, sample):
    pod = MeasuredPod()
    run = view(sample.plan(sample.task("build", "make"), sample.task("test", "run", after=("build",))), 80, 24, pod)
    run.feed([sample.run_started(), sample.task_started("build", 1), sample.step_started("build", "make", 1)])
    run.feed([("build-make", b"text\n")] * 2)
    assert pod.asked == [[], [], ["build-make"], ["build-make"], ["build-make"]]
    assert run.terminal.rows[2:5] == [
        "── ci-x7k2p ─────────────────────── 0 of 2 done  5s  1 running  150% cpu  1.2Gi",
        "● build      4s  150%  1.2Gi  make",
        "○ test                        after build",
    ]


def test_task_that_waits_for_its_retry_counts_down(view, sample):
    run = view(sample.plan(sample.task("flaky", "try", retries=1)), 80, 10)
    failed = sample.task_finished("flaky", 1, "Failed", message="exit code 1", will_retry=True, retry_delay=30)
    run.feed([sample.run_started(), sample.task_started("flaky", 0), failed], seconds=1)
    assert "flaky      3s  exit code 1; attempt 2 in 28s" in run.terminal.text
    run.feed([sample.task_started("flaky", 31, attempt=1)])
    assert "attempt 2 in" not in run.terminal.text


def test_task_that_waits_for_a_place_says_so(view, sample):
    plan = sample.plan(sample.task("a", "s"), sample.task("b", "s"), sample.task("c", "s", after=("a",)))
    run = view(plan._replace(max_parallel=1), 80, 10)
    run.feed([sample.run_started(), sample.task_started("a", 0)])
    assert re.search(r"b +waits for its turn", run.terminal.text)
    assert re.search(r"c +after a", run.terminal.text)


def test_messages_cannot_harm_the_terminal(view, sample):
    run = view(sample.plan(sample.task("build", "make")), 80, 24)
    run.feed([sample.run_started(), sample.task_started("build", 1)])
    run.feed([sample.task_finished("build", 2, "Failed", message="no file \x1b[2J\x1b]0;title\x07'a\nb'")])
    assert "✗ build    1.0s  no file 'a\\nb'" in run.terminal.rows
    run.display.notice("a \x1b[2Jnotice")
    run.feed([sample.task_skipped("build", 2, "a \x1b[1;1Hreason")])
    assert run.terminal.rows[0] == "a notice"


def test_quiet_view(view, failed_run):
    plan, feed = failed_run
    run = view(plan, 80, 24, selection=Selection(quiet=True))
    run.feed(feed)
    assert run.terminal.text == "unit-tests pytest  │ exit code 1\n"
    run.close()
    assert run.terminal.rows[2].startswith("── unit-tests : pytest failed: exit code 1")
    assert run.terminal.cursor_is_visible


def test_selected_lines_with_timestamps(view, failed_run, start):
    plan, feed = failed_run
    options = {"timestamps": True, "clock": lambda: start}
    run = view(plan, 80, 24, selection=Selection([Source("clone")]), **options)
    run.feed(feed)
    stamp = "2023-11-14T22:13:20.000Z"
    assert run.terminal.rows[:4] == [
        f"{stamp} clone git          │ Cloning into 'source'...",
        f"{stamp} clone git          │ at commit 1234",
        f"{stamp} unit-tests pytest  │ exit code 1",
        "── ci-x7k2p ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 5 of 5 done  1 failed  23s",
    ]


@pytest.mark.parametrize("sizes", list(itertools.permutations([(80, 24), (40, 10), (200, 50)])))
def test_view_fits_a_resized_terminal(view, failed_run, sizes):
    plan, feed = failed_run
    run = view(plan, *sizes[0])
    run.feed(feed[:14])
    for width, height in sizes[1:]:
        run.resize(width, height)
        rows = [row for row in run.terminal.rows if row]
        assert rows[-1].startswith("○ report" if height > 10 else "  and 3 more: 1 waiting")
        assert all(len(row) < width for row in rows)


def test_ascii_terminal(view, failed_run):
    plan, feed = failed_run
    run = view(plan, 80, 24)
    run.display._ascii = True
    run.feed(feed[:14])
    assert [row for row in run.terminal.rows if not row.isascii()] == []
    assert "* unit-tests      12s  pytest" in run.terminal.rows


def test_a_warning_is_wrapped_between_words(view, failed_run):
    plan, _ = failed_run
    run = view(plan, 40, 24)
    run.feed([RunWarning(0.0, "no node takes the Pod: 0/1 nodes are available: 1 Insufficient cpu")])
    assert run.terminal.text.splitlines()[:2] == [
        "warning: no node takes the Pod: 0/1",
        "  nodes are available: 1 Insufficient",
    ]


def test_no_color_removes_the_colours_and_not_the_view(failed_run, start):
    plan, feed = failed_run
    written = io.StringIO()
    written.isatty = lambda: True
    follower = Follower(plan)
    display = make_display(written, follower, {"TERM": "xterm", "NO_COLOR": "1"})
    for item in feed:
        for shown in follower.output(*item) if type(item) is tuple else follower.event(item):
            display.show(shown)
    display.refresh(start + 12)
    display.close(summarize(follower, Outcome("Failed", "Failed", ""), start + 12, None))
    assert "\x1b[?2026h" in written.getvalue()
    assert "E  assert 1 == 2" in written.getvalue()
    assert set(re.findall(r"\x1b\[([0-9;]*)m", written.getvalue())) <= {"", "0", "1", "2"}


def test_task_held_at_a_breakpoint_comes_first_and_says_so(view, sample, start):
    run = view(sample.plan(sample.task("a", "s"), sample.task("b", "make")), 80, 24)
    for task, step in (("a", "s"), ("b", "make")):
        run.feed([sample.task_started(task, 1), sample.step_started(task, step, 1)])
    run.feed([StepHeld(start + 2, "b", None, 0, "make", "b-make", has_failed=True, exit_code=3)])
    held, other = (row for row in run.terminal.rows if row.startswith("● "))
    assert (held.split()[1], other.split()[1]) == ("b", "a")
    assert held.endswith("  make held after it failed (exit code 3)")
    assert run.terminal.colour_of("● b") == "brown"  # pyte's name of yellow
    run.feed([StepReleased(start + 3, "b", None, 0, "make", "b-make", "continue")])
    assert not [row for row in run.terminal.rows if " held " in row]
