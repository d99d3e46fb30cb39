"""The status of a run as lines of text."""

import pytest

from monopod.runner.display.summary import Outcome
from monopod.runner.follow.follower import Follower
from monopod.runner.known_runs.status_lines import ended_lines


@pytest.mark.parametrize(
    ("code", "reason", "message", "row"),
    [
        (143, "Cancelled", "", "  s  Cancelled  +1.0s  1.0s  exit code 143: ended by SIGTERM"),
        (
            143,
            "TimedOut",
            "",
            "  s  TimedOut  +1.0s  1.0s  stopped after its timeout (exit code 143: ended by SIGTERM)",
        ),
        (0, "Skipped", "its guard is false", "  s  Skipped  +1.0s  1.0s  its guard is false"),
        (0, "Skipped", "", "  s  Skipped  +1.0s  1.0s"),
        (3, "Error", "", "  s  Failed  +1.0s  1.0s  exit code 3"),
    ],
)
def test_row_of_a_step_has_its_status_once(sample, code, reason, message, row):
    follower = Follower(sample.plan(sample.task("t", "s")))
    finished = sample.step_finished("t", "s", 2, code, reason=reason, message=message)
    started = finished.at - 1
    for event in (
        sample.run_started(),
        sample.task_started("t", 1),
        sample.step_started("t", "s", 1),
        finished._replace(start=started),
        sample.task_finished("t", 2, "Failed"),
    ):
        follower.event(event)
    lines = ended_lines(follower, Outcome("Failed", "Failed", ""), finished.at)
    (step,) = (line for line in lines if line.startswith("  s "))
    assert step.split() == row.split()
