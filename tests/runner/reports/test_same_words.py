"""The live output, the summary and every report describe a failed Step in the same way."""

import io

from recorded import recorded_run

from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.plain import PlainDisplay, summary_lines
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower
from monopod.runner.reports.failures import failure_context
from monopod.runner.reports.junit import junit
from monopod.runner.reports.page import page
from monopod.runner.reports.trace import trace

LIMITS = {"build-make": "512Mi"}
WORDS = "killed: out of memory, limit 512Mi"


def test_step_that_ran_out_of_memory(tmp_path, sample, feed_all):
    plan = sample.plan(sample.task("build", "make"))
    feed = [
        sample.run_started(),
        sample.task_started("build", 0),
        sample.step_started("build", "make", 0),
        sample.step_finished("build", "make", 1, code=137, reason="OOMKilled"),
        sample.task_finished("build", 1, "Failed", message='"step-make" ran out of memory'),
        sample.run_finished(1, "Failed"),
    ]
    follower, stream = Follower(plan, LIMITS), io.StringIO()
    display = PlainDisplay(stream, follower, LineOptions(colours=False))
    feed_all(follower, display, feed)
    display.refresh(0)
    assert f"[build : make] {WORDS}\n" in stream.getvalue()
    summary = summarize(follower, Outcome("Failed", "Failed", ""), 1, None, failure_context(plan, lambda *_: ""))
    assert f"=== build : make failed: {WORDS}" in summary_lines(summary)
    run = recorded_run(tmp_path, plan, feed, limits=LIMITS)
    assert f'message="{WORDS}"' in junit([run])
    assert f">{WORDS}<" in page(run)
    assert WORDS in trace([run])
