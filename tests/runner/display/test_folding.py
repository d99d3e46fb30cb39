"""Folds in the logs of CI systems: their markers and their lines."""

import io

import pytest

from monopod.runner.display import display
from monopod.runner.display.folding import folding_of, identifier
from monopod.runner.display.line_options import LineOptions
from monopod.runner.display.summary import Outcome, summarize
from monopod.runner.follow.follower import Follower, OutputLines

MARKS = {
    "GITHUB_ACTIONS": ("true", "::group::test[1] 100%25", "::endgroup::"),
    "GITLAB_CI": (
        "true",
        "\x1b[0Ksection_start:1700000000:monopod_7_test_1_\r\x1b[0Ktest[1] 100%",
        "\x1b[0Ksection_end:1700000000:monopod_7_test_1_\r\x1b[0K",
    ),
    "TF_BUILD": ("True", "##[group]test[1] 100%", "##[endgroup]"),
    "BUILDKITE": ("true", "--- test[1] 100%", ""),
    "TEAMCITY_VERSION": (
        "2025.03",
        "##teamcity[blockOpened name='test|[1|] 100%']",
        "##teamcity[blockClosed name='test|[1|] 100%']",
    ),
    "TRAVIS": (
        "true",
        "travis_fold:start:monopod_7_test_1_\r\x1b[0Ktest[1] 100%",
        "travis_fold:end:monopod_7_test_1_\r\x1b[0K",
    ),
}


@pytest.mark.parametrize("variable", MARKS)
def test_fold_markers_of_each_system(variable):
    value, begin, end = MARKS[variable]
    folding = folding_of({"CI": "true", variable: value})
    arguments = ("test[1] 100%", identifier("test[1]", 7), 1_700_000_000)
    assert folding.begin(*arguments) == begin
    assert folding.end(*arguments) == end


@pytest.mark.parametrize("environment", [{}, {"CI": "true"}, {"GITHUB_ACTIONS": ""}, {"GITLAB_CI": "false"}])
def test_no_folds_elsewhere(environment):
    assert folding_of(environment) is None


@pytest.fixture
def feed(sample):
    """Two parallel Tasks, and a Task after them."""
    plan = sample.plan(
        sample.task("build", "make"),
        sample.task("lint", "run", index_count=2),
        sample.task("deploy", "run", after=("build",)),
    )
    return plan, [
        sample.run_started(),
        sample.task_started("build", 1),
        sample.step_started("build", "make", 1),
        sample.task_started("lint", 1, index=1, tool="ruff"),
        sample.step_started("lint", "run", 1, index=1),
        ("build-make", b"::error::one\n"),
        ("lint1-run", b"two\nthree\n"),
        ("build-make", b"four\n"),
        ("lint1-run", b"\x1b]0;title\x07five\n"),
        sample.step_finished("lint", "run", 2, index=1, code=4),
        sample.task_finished("lint", 2, "Failed", index=1),
        ("build-make", b"six\n"),
        sample.step_finished("build", "make", 3),
        sample.task_finished("build", 3),
        sample.task_skipped("deploy", 3, "PipelineRun was stopping"),
        sample.run_finished(3, "Failed"),
    ]


@pytest.fixture
def folded(feed, feed_all):
    def folded(environment, options=None):
        plan, happenings = feed
        follower = Follower(plan)
        stream = io.StringIO()
        shown = display.make_display(stream, follower, environment, options)
        feed_all(follower, shown, happenings)
        shown.notice("a notice")
        shown.show(OutputLines("coordinator", "", "its own words"))
        shown.close(summarize(follower, Outcome("Failed", "Failed", ""), follower.finished.at, None))
        return stream.getvalue().split("\n\n")[0]

    return folded


def test_every_task_has_a_fold_and_its_end_is_outside(folded):
    assert folded({"GITHUB_ACTIONS": "true"}) == (
        """\
Run ci-x7k2p started in namespace default
::group::build
[build] started
[build : make] ::error::one
[build : make] four
::endgroup::
::group::lint[1] (tool=ruff)
[lint[1]] started (tool=ruff)
[lint[1] : run] two
[lint[1] : run] three
[lint[1] : run] five
[lint[1] : run] exit code 4
::endgroup::
[lint[1]] Failed in 1.0s
::group::build (continued)
[build : make] six
::endgroup::
[build] Succeeded in 2.0s
[deploy] Skipped: PipelineRun was stopping
a notice
[coordinator] its own words"""
    )


def test_folds_without_an_end_are_followed_by_a_heading(folded):
    lines = folded({"BUILDKITE": "true", "NO_COLOR": "1"}).splitlines()
    assert [line for line in lines if not line.startswith("[build") and not line.startswith("[lint[1] :")] == [
        "Run ci-x7k2p started in namespace default",
        "--- build",
        "--- lint[1] (tool=ruff)",
        "[lint[1]] started (tool=ruff)",
        "+++ monopod",
        "[lint[1]] Failed in 1.0s",
        "--- build (continued)",
        "+++ monopod",
        "[deploy] Skipped: PipelineRun was stopping",
        "a notice",
        "[coordinator] its own words",
    ]


def test_folds_of_gitlab_have_unique_identifiers(folded):
    text = folded({"GITLAB_CI": "true"})
    begun = [part.split("\r")[0].split(":")[1] for part in text.split("section_start:")[1:]]
    ended = [part.split("\r")[0].split(":")[1] for part in text.split("section_end:")[1:]]
    assert begun == ended == ["monopod_1_build", "monopod_2_lint_1_", "monopod_3_build"]


def test_there_are_no_folds_in_a_file(feed, tmp_path):
    plan, _ = feed
    with (tmp_path / "log").open("w") as stream:
        shown = display.make_display(stream, Follower(plan), {"GITHUB_ACTIONS": "true"}, LineOptions())
    assert type(shown).__name__ == "PlainDisplay"
