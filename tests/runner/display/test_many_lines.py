"""Lines that were read together are shown and recorded as if each had been read alone."""

import io

import pytest
from recorded import recorder_of
from rich.console import Console

from monopod.runner.display.folded import FoldedDisplay
from monopod.runner.display.folding import folding_of
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.live import LiveDisplay
from monopod.runner.display.plain import PlainDisplay
from monopod.runner.follow.follower import LAST_LINES, Follower
from monopod.runner.follow.usage import LoadMeter

LINES = [
    *(f"compiling {number}\n".encode() for number in range(50)),
    b"\n",
    b"blanks  \n",
    b"   \n",
    b"\x1b[31mred\n",
    b"\x1b[2Ja title\x07\n",
    "\u202eé\t🙂\n".encode(),
    b"\xff\xe2\n",
    b"10 %\r100 %\n",
    b"x" * 70_000 + b"\n",
    b"the last",
]
DISPLAYS = {
    "plain": PlainDisplay,
    "folded": lambda stream, follower, options: FoldedDisplay(
        stream, follower, options, folding_of({"GITHUB_ACTIONS": "true"})
    ),
    "live": lambda stream, follower, options: LiveDisplay(
        Console(file=stream, width=80, height=24, force_terminal=True, legacy_windows=False, _environ={}),
        follower,
        options,
        LoadMeter(),
    ),
}


@pytest.fixture(scope="module")
def feed(sample):
    """Two parallel Tasks that write in turns; returns what a Follower is fed for output in such chunks."""
    plan = sample.plan(sample.task("build", "make"), sample.task("lint", "run"))
    names = {"build": "make", "lint": "run"}

    def feed(chunks):
        yield sample.run_started()
        for task, step in names.items():
            yield sample.task_started(task, 1)
            yield sample.step_started(task, step, 1)
        for task, step in names.items():
            yield from ((f"{task}-{step}", chunk) for chunk in chunks)
        for task, step in names.items():
            yield sample.step_finished(task, step, 2, code=1)
            yield sample.task_finished(task, 2, "Failed")

    return plan, feed


@pytest.mark.parametrize("colours", [True, False], ids=["colours", "no colours"])
@pytest.mark.parametrize("name", DISPLAYS)
def test_lines_read_together_are_shown_as_if_read_alone(name, colours, feed, feed_all, start):
    plan, chunked = feed

    def written(chunks):
        stream, follower = io.StringIO(), Follower(plan)
        display = DISPLAYS[name](stream, follower, LineOptions(colours=colours, timestamps=True, clock=lambda: start))
        feed_all(follower, display, chunked(chunks))
        display.close(None)
        lasts = [follower.last_lines(task, task.failed_steps[0]) for task in follower.tasks]
        return stream.getvalue(), lasts

    together = written([b"".join(LINES)])
    assert together == written(LINES)
    assert [len(lines) for lines in together[1]] == [LAST_LINES] * 2


def test_lines_read_together_are_recorded_as_if_read_alone(feed, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    plan, chunked = feed

    def recorded(root, chunks):
        recorder, follower = recorder_of(root, plan), Follower(plan)
        for item in chunked(chunks):
            for shown in follower.output(*item) if type(item) is tuple else follower.event(item):
                recorder.take(shown)
        recorder.close()
        return (recorder.directory / "output.0").read_bytes()

    assert recorded(tmp_path / "1", [b"".join(LINES)]) == recorded(tmp_path / "2", LINES)
