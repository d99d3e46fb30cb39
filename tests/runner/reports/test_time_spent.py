"""Where the time of runs went, for known runs and random runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import recorded_run

from monopod.runner.reports.time_spent import time_spent
from monopod.schemas.plan import Matrix


@pytest.fixture
def spent(tmp_path, sample):
    def spent(plan, times, *, total, extra=()):
        """`times` are tuples (Task, index, slot, started, began, ended)."""
        feed = [sample.run_started(), *extra]
        for task, index, slot, started, began, ended in times:
            container = f"{slot}-step"
            feed += [
                (started, sample.task_started(task, started, index)._replace(slot=slot)),
                (started, sample.step_started(task, "step", started, index)._replace(container=container)),
                (ended, _step(sample, task, index, container, began, ended)),
                (ended, sample.task_finished(task, ended, index=index)),
            ]
        head, body = feed[: 1 + len(extra)], sorted(feed[1 + len(extra) :], key=lambda each: each[0])
        return time_spent(
            recorded_run(tmp_path, plan, [*head, *(event for _, event in body), sample.run_finished(total)])
        )

    return spent


def _step(sample, task, index, container, began, ended):
    event = sample.step_finished(task, "step", ended, index=index)
    return event._replace(container=container, start=event.start + began, cpu=ended - began)


def seconds_saved(changes):
    return {each.what: round(each.saved, 6) for each in changes}


def test_known_run(spent, sample):
    plan = sample.plan(
        sample.task("clone", "step"),
        sample.task("unit-tests", "step", after=("clone",)),
        sample.task("docs", "step", after=("unit-tests",)),
        sample.task("build", "step", after=("clone",), result_sources=("clone",)),
        final=[sample.task("report", "step")],
    )
    found = spent(
        plan,
        [
            ("clone", None, "clone", 0, 2, 10),
            ("build", None, "build", 10, 10, 100),
            ("unit-tests", None, "unit-tests", 10, 10, 130),
            ("docs", None, "docs", 130, 135, 165),
            ("report", None, "report", 166, 166, 170),
        ],
        total=171,
    )
    assert [span.label for span in found.critical] == ["clone", "unit-tests", "docs", "report"]
    assert (found.total, found.after_last) == (171, 1)
    assert [(wait.label, wait.seconds, wait.why) for wait in found.waits] == [
        ("docs", 5, "its container"),
        ("clone", 2, "its container"),
    ]
    assert (found.work, found.shortest, found.peak, found.widest) == (259, 169, 2, 2)
    assert seconds_saved(found.changes) == {
        "if unit-tests took no time": 65,  # then build determines the end
        "if docs took no time": 35,
        "if docs did not depend on unit-tests": 35,
        "if clone took no time": 10,
        "if unit-tests did not depend on clone": 10,
    }


def test_combinations_that_take_turns(spent, sample):
    task = sample.task("scan", "step", index_count=1)._replace(matrix=None)
    plan = sample.plan(task._replace(matrix=Matrix()))
    found = spent(
        plan,
        [("scan", 0, "scan", 0, 0, 10), ("scan", 1, "scan", 10, 10, 30), ("scan", 2, "scan", 30, 30, 35)],
        total=35,
    )
    assert [(span.label, span.held_up, span.own) for span in found.critical] == [
        ("scan[0]", 0, 10),
        ("scan[1]", 0, 20),
        ("scan[2]", 0, 5),
    ]
    assert [(wait.label, wait.seconds, wait.why) for wait in found.waits] == [
        ("scan[2]", 30, "its turn, after scan[1]"),
        ("scan[1]", 10, "its turn, after scan[0]"),
    ]
    assert seconds_saved(found.changes)["if all combinations of scan ran in parallel"] == 15
    assert (found.shortest, found.peak, found.widest) == (20, 1, 3)


def test_skipped_task_takes_no_time(spent, sample):
    plan = sample.plan(
        sample.task("a", "step"), sample.task("b", "step", after=("a",)), sample.task("c", "step", after=("b",))
    )
    found = spent(
        plan,
        [("a", None, "a", 0, 0, 5), ("c", None, "c", 7, 7, 9)],
        total=9,
        extra=[sample.task_skipped("b", 5)],
    )
    assert [(span.label, span.ready, span.started) for span in found.critical] == [("a", 0, 0), ("c", 5, 7)]
    assert [(wait.label, wait.why) for wait in found.waits] == [("c", "its start")]
    assert found.widest == 1


def test_nothing_has_run(spent, sample):
    found = spent(sample.plan(sample.task("a", "step")), [], total=0)
    assert (found.total, found.critical, found.waits, found.changes, found.reached) == (0, (), (), (), 0)


@st.composite
def runs(draw):
    """Random Tasks that depend on earlier Tasks, and wait and run for whole seconds."""
    count = draw(st.integers(1, 6))
    tasks, ends = [], []
    for number in range(count):
        after = sorted(draw(st.sets(st.integers(0, number - 1)))) if number else []
        ready = max((ends[each] for each in after), default=0)
        started = ready + draw(st.integers(0, 5))
        began = started + draw(st.integers(0, 5))
        ends.append(began + draw(st.integers(1, 20)))
        tasks.append((tuple(after), ready, started, began, ends[-1]))
    return tasks


@given(runs())
def test_random_runs(tmp_path_factory, sample, tasks):
    plan = sample.plan(
        *(
            sample.task(f"t{number}", "step", after=tuple(f"t{each}" for each in after))
            for number, (after, *_) in enumerate(tasks)
        )
    )
    events = []
    for number, (_, _, started, began, ended) in enumerate(tasks):
        name = f"t{number}"
        events += [
            (started, number, sample.task_started(name, started)),
            (started, number, sample.step_started(name, "step", started)),
            (ended, number, _step(sample, name, None, f"{name}-step", began, ended)),
            (ended, number, sample.task_finished(name, ended)),
        ]
    total = max(ended for *_, ended in tasks)
    feed = [sample.run_started(), *(event for _, _, event in sorted(events, key=lambda each: each[:2]))]
    found = time_spent(recorded_run(tmp_path_factory.mktemp("run"), plan, [*feed, sample.run_finished(total)]))

    for span, (_, ready, started, began, ended) in zip(found.spans, tasks, strict=True):
        assert (span.ready, span.started, span.began, span.ended) == (ready, started, began, ended)
    ends = {f"t{number}": task[-1] for number, task in enumerate(tasks)}
    assert found.critical[-1].ended == total
    assert found.critical[0].ready == 0
    for before, after in zip(found.critical, found.critical[1:], strict=False):
        assert before.ended == after.ready  # each delayed the next
    assert sum(span.own for span in found.critical) == total == max(ends.values())
    moments = [moment + 0.5 for moment in range(total)]
    assert found.peak == max(sum(started < moment < ended for _, _, started, _, ended in tasks) for moment in moments)
    for change in found.changes:
        assert 0 < change.saved <= total


def test_wait_for_max_parallel_names_the_limit(spent, sample):
    plan = sample.plan(sample.task("one", "step"), sample.task("two", "step"), sample.task("three", "step"))
    times = [
        ("one", None, "one", 0, 0, 10),
        ("two", None, "two", 0, 0, 20),
        ("three", None, "three", 10, 10, 30),
    ]
    limited = spent(plan._replace(max_parallel=2), times, total=30)
    assert [wait.why for wait in limited.waits] == ["its turn: --max-parallel lets 2 Tasks run at a time"]
    assert [wait.why for wait in spent(plan, times, total=30).waits] == ["its start"]
