"""Statistics of runs: percentiles, trends, and which Tasks are flaky."""

from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.reports.run_statistics import (
    CountedRun,
    Figures,
    Flake,
    Instance,
    flakes_of,
    sparkline,
    statistics_of,
    trend,
)

FAILED, SUCCEEDED = ("Failed", "TimedOut"), "Succeeded"


def instance(status, *attempts, digest="d", params=(), label="test"):
    return Instance("test", label, status, 1.0, attempts or (status,), digest, params)


def run(number, *instances, status="Succeeded", seconds=2.0):
    return CountedRun(f"run-{number}", "ci", status, float(number), seconds, instances)


def flaky(*runs):
    return {flake.label: flake.runs for flakes in flakes_of(runs).values() for flake in flakes}


def test_task_that_needed_a_retry_is_flaky():
    assert flaky(run(1, instance("Succeeded", "Failed", "Succeeded"))) == {"test": ("run-1",)}
    assert flaky(run(1, instance("Failed", "Failed", "Failed"))) == {}
    assert flaky(run(1, instance("Succeeded"))) == {}


def test_task_that_failed_and_succeeded_in_a_later_run_is_flaky():
    assert flaky(run(1, instance("Failed")), run(2, instance("Succeeded"))) == {"test": ("run-2",)}
    assert flaky(run(1, instance("Succeeded")), run(2, instance("Failed"))) == {}
    assert flaky(run(1, instance("Failed")), run(2, instance("Cancelled")), run(3, instance("Succeeded"))) == {
        "test": ("run-3",)
    }


def test_task_that_has_changed_is_not_flaky():
    for changed in (
        instance("Succeeded", digest="other"),
        instance("Succeeded", digest=None),
        instance("Succeeded", params=(("go", "1.22"),)),
        instance("Succeeded", label="test[go=1.22]"),
    ):
        assert flaky(run(1, instance("Failed")), run(2, changed)) == {}


statuses = st.sampled_from(["Succeeded", "Failed", "TimedOut", "Cancelled", "Skipped", "Running"])
histories = st.lists(st.tuples(statuses, st.sampled_from(["a", "b", None])), max_size=12)


@given(histories)
def test_flaky_means_that_a_failure_came_before_a_success_of_the_same_digest(history):
    runs = [run(number, instance(status, digest=digest)) for number, (status, digest) in enumerate(history)]
    expected = [
        f"run-{number}"
        for number, (status, digest) in enumerate(history)
        if status == "Succeeded"
        and digest is not None
        and next(
            (before in FAILED for before, other in reversed(history[:number]) if other == digest and _counts(before)),
            False,
        )
    ]
    assert flaky(*runs) == ({"test": tuple(expected)} if expected else {})


def _counts(status):
    return status == SUCCEEDED or status in FAILED


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(1, 100))
def test_percentile_is_a_duration_that_enough_do_not_exceed(durations, percent):
    found = Figures(len(durations), len(durations), tuple(durations)).percentile(percent)
    assert found in durations
    assert sum(each <= found for each in durations) >= percent / 100 * len(durations) - 1e-9
    assert sum(each < found for each in durations) < percent / 100 * len(durations) + 1e-9


def test_cancelled_and_active_runs_do_not_count():
    runs = [run(1), run(2, status="Failed", seconds=9.0), run(3, status="Cancelled"), run(4, status="Running")]
    (found,) = statistics_of(reversed(runs))
    assert (found.pipeline, found.figures.runs, found.figures.rate) == ("ci", 2, 0.5)
    assert found.figures.durations == (2.0,)
    assert Figures(0, 0, ()).rate is Figures(0, 0, ()).percentile(50) is None


def test_statistics_name_the_flaky_task():
    (found,) = statistics_of([run(1, instance("Failed")), run(2, instance("Succeeded"))])
    (task,) = found.tasks
    assert (task.path, task.figures.runs, task.figures.succeeded) == ("test", 2, 1)
    assert task.flakes == (Flake("test", ("run-2",)),)


def test_trend_and_sparkline():
    assert trend(3.0, [1.0, 2.0, 9.0]) == 0.5
    assert trend(3.0, []) is None
    assert trend(3.0, [0.0]) is None
    assert sparkline([1.0, 8.0, 4.5]) == "▁█▅"
    assert sparkline([2.0, 2.0]) == "▁▁"
