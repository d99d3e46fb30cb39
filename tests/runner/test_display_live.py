"""The live view on terminals of several sizes: what a person sees, on a small terminal of our own."""

import io
import re

import pytest
from rich.console import Console

from monopod.runner.display import is_live
from monopod.runner.display_live import LiveDisplay, choose
from monopod.runner.follow import Follower, OutputLine, TaskState
from monopod.runner.summary import Outcome, summarize


class Terminal(io.StringIO):
    """Understands what the live view may send: text, newlines, cursor up, erase line, colours, cursor on and off."""

    def __init__(self, width, height):
        super().__init__()
        self.width, self.height = width, height
        self.rows, self.row, self.column = [[]], 0, 0
        self.cursor_visible = True
        self.writes = 0

    def isatty(self):
        return True

    def write(self, text):
        self.writes += 1
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", text, re.DOTALL):
            self._take(token)
        return len(text)

    def _take(self, token):
        if token == "\n":
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.rows):
                self.rows.append([])
        elif token == "\r":
            self.column = 0
        elif token.startswith("\x1b"):
            self._control(token)
        else:
            self._put(token)

    def _put(self, character):
        assert character.isprintable(), repr(character)
        if self.column == self.width:
            self._take("\n")
        row = self.rows[self.row]
        row.extend(" " * (self.column + 1 - len(row)))
        row[self.column] = character
        self.column += 1

    def _control(self, token):
        if token.endswith("A"):
            self.row = max(self.row - int(token[2:-1]), len(self.rows) - self.height, 0)
        elif token == "\x1b[2K":
            self.rows[self.row] = []
        elif token in ("\x1b[?25l", "\x1b[?25h"):
            self.cursor_visible = token.endswith("h")
        else:
            assert token.endswith("m"), repr(token)

    @property
    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.rows)

    @property
    def screen(self):
        return self.text.split("\n")[-self.height :]


class View:
    """A live display with its follower, on a terminal of some size."""

    def __init__(self, plan, width, height, now):
        self.terminal = Terminal(width, height)
        self.follower = Follower(plan)
        options = {"width": width, "height": height, "color_system": "standard", "legacy_windows": False}
        console = Console(file=self.terminal, force_terminal=True, highlight=False, _environ={}, **options)
        self.display = LiveDisplay(console, self.follower)
        self.now = now

    def feed(self, items, seconds=1.0):
        for item in items:
            for each in self.follower.output(*item) if isinstance(item, tuple) else self.follower.event(item):
                self.display.show(each)
            self.now += seconds
            self.display.refresh(self.now)

    def close(self):
        finished = self.follower.finished
        outcome = Outcome(finished.status, finished.reason, finished.message)
        self.display.close(summarize(self.follower, outcome, finished.at, None))


@pytest.fixture
def view(start):
    return lambda plan, width, height: View(plan, width, height, start)


def test_a_run_at_80_columns(view, failed_run):
    plan, feed = failed_run
    run = view(plan, 80, 24)
    run.feed(feed[:14], seconds=0.5)
    assert run.terminal.text + "\n" == (
        """\
clone git          │ Cloning into 'source'...
clone git          │ at commit 1234
unit-tests pytest  │ E  assert 1 == 2
unit-tests pytest  │
unit-tests pytest  │ 1 failed
── ci-x7k2p  6s  2 of 5 done ──────────────────────────────────────────────────
✓ clone          1.2s
● unit-tests       5s  pytest
⊘ docs                 When Expressions evaluated to false
○ integration          after unit-tests
○ report               finally
"""
    )
    run.feed(feed[14:])
    run.close()
    assert run.terminal.cursor_visible
    assert run.terminal.text + "\n" == (
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


def test_a_run_at_40_columns(view, failed_run):
    plan, feed = failed_run
    run = view(plan, 40, 12)
    run.feed(feed[:14])
    assert run.terminal.text + "\n" == (
        """\
clone git     │ Cloning into 'source'...
clone git     │ at commit 1234
unit-… pytest │ E  assert 1 == 2
unit-… pytest │
unit-… pytest │ 1 failed
── ci-x7k2p  13s  2 of 5 done ─────────
✓ clone          1.2s
● unit-tests      11s  pytest
⊘ docs                 When Expressions
○ integration          after unit-tests
○ report               finally
"""
    )
    run.feed(feed[14:])
    run.close()
    assert (run.terminal.text + "\n").endswith(
        """
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
def test_no_line_is_lost_at_any_size(view, story, width, height):
    plan = story.plan(*(story.task(f"task-{number}", "run") for number in range(30)))
    run = view(plan, width, height)
    run.feed([story.run_started()])
    run.feed([story.task_started(f"task-{number}", number) for number in range(30)], seconds=0.03)
    run.feed([story.step_started(f"task-{number}", "run", number) for number in range(30)], seconds=0.03)
    written = [f"<{number}:{'long' * (number % 30)}>" for number in range(200)]
    run.feed(((f"task-{n % 30}-run", f"{text}\n".encode()) for n, text in enumerate(written)), seconds=0.03)
    run.feed([story.run_finished(100)])
    run.close()
    everything = run.terminal.text.replace("\n", "")
    assert re.findall(r"<\d+:[long]*>", everything) == written


def test_a_tall_pipeline_fits_the_terminal(view, story):
    plan = story.plan(*(story.task(f"task-{number:02}", "run", after=()) for number in range(40)))
    run = view(plan, 60, 10)
    run.feed([story.run_started()])
    for number in (3, 20, 35):
        run.feed([story.task_started(f"task-{number:02}", 1), story.step_started(f"task-{number:02}", "run", 1)])
    run.feed([story.task_started("task-00", 1), story.task_finished("task-00", 2)])
    run.feed([story.task_started("task-30", 1), story.task_finished("task-30", 2, "Failed", message="no such file")])
    assert run.terminal.screen[-9:] == (
        [
            "── ci-x7k2p  11s  2 of 40 done  1 failed ──────────────────",
            "○ task-01",
            "○ task-02",
            "● task-03     10s  run",
            "○ task-04",
            "● task-20     10s  run",
            "✗ task-30    1.0s  no such file",
            "● task-35     10s  run",
            "  and 33 more: 1 succeeded, 32 waiting",
        ]
    )


def test_it_draws_only_when_something_changed(view, story, start):
    run = view(story.plan(story.task("build", "run")), 80, 24)
    run.feed([story.run_started(), story.task_started("build", 1), story.step_started("build", "run", 1)])
    writes = run.terminal.writes
    assert run.display.refresh(run.now + 0.05) == pytest.approx(0.95)
    assert run.terminal.writes == writes
    run.display.show(OutputLine("build", "run", "text"))
    assert run.display.refresh(run.now + 0.05) == pytest.approx(0.05)
    assert run.terminal.writes == writes
    run.display.refresh(run.now + 0.1)
    assert run.terminal.writes == writes + 1
    run.display.refresh(run.now + 1)
    assert run.terminal.writes == writes + 2


def test_what_is_chosen():
    states = {"Succeeded": 50, "Waiting": 50, "Failed": 1, "Running": 2}
    tasks = tuple(TaskState(f"{status}{n}", status=status) for status, count in states.items() for n in range(count))
    chosen, others = choose(tasks, 5)
    assert [task.path for task in chosen] == ["Waiting0", "Waiting1", "Failed0", "Running0", "Running1"]
    assert len(others) == len(tasks) - 5
    assert choose(tasks[:6], 5) == (list(tasks[:6]), [])
    assert choose(tasks, -1)[0] == []


@pytest.mark.parametrize(
    ("environment", "live"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_where_a_live_view_is_welcome(environment, live):
    assert is_live(Terminal(80, 24), environment) is live
    assert not is_live(io.StringIO(), environment)
