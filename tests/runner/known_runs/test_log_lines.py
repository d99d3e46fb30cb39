"""Which lines of a log are printed."""

from recorded import recorded_run

from monopod.runner.known_runs.log_lines import LogLines, LogOptions, last_lines
from monopod.runner.known_runs.task_selection import choose
from monopod.runner.records.growing_record import GrowingRecord


def printed(run, task=None, **options):
    selection = None if task is None else choose(run.plan, task)
    lines = LogLines(run.plan, LogOptions(selection, **options))
    with GrowingRecord(run.record) as growing:
        texts = [text for text in map(lines.text, growing.read()) if text is not None]
    return "\n".join(texts).splitlines(), lines


def test_log_of_a_task_has_only_its_output(tmp_path, failed_run):
    run = recorded_run(tmp_path, *failed_run)
    whole, _ = printed(run)
    assert whole[:2] == ["Run ci-x7k2p started in namespace default", "[clone] started"]
    assert "[clone : git] at commit 1234" in whole
    assert printed(run, "clone/git")[0] == ["Cloning into 'source'...", "at commit 1234"]
    lines, log = printed(run, "integration")
    assert (lines, log.missing()) == ([], None)
    assert log.remark().startswith("no output (integration: Skipped")
    assert printed(run, "clone", attempt=2)[1].missing() == "there is no attempt 2: the latest attempt is 1"
    assert printed(run, "clone", since=4_000_000_000.0)[0] == []
    stamped, _ = printed(run, "clone/git", timestamps=True)
    assert stamped[0].endswith("Z Cloning into 'source'...")


def test_last_lines_are_counted_over_texts():
    texts = ["a\nb", None, "c\nd\ne"]
    assert last_lines(texts, 2) == ["d", "e"]
    assert last_lines(texts, 4) == ["b", "c", "d", "e"]
    assert last_lines(texts, 0) == []
