"""Lowered requests: against a search of all sets, and against what the engine really runs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import run
from random_pipelines import random_case
from simulation import containers_of

from monopod.coordinator.engine.events import Report, RunStep, StepExited, StopStep
from monopod.schemas.capacity.lowered_requests import lowered
from monopod.schemas.capacity.shares import Requests, Share
from monopod.schemas.capacity.shrinking import Resize, Shrinking
from monopod.schemas.capacity.still_needed import needed_containers
from monopod.schemas.plan import Matrix, Pipeline, Plan, Slot, Step, Task
from monopod.schemas.run_events import MatrixExpanded, RunStarted, StepFinished, TaskFinished, TaskSkipped, TaskStarted
from monopod.schemas.run_progress import RunProgress

GIB = 2**30
MIB = 2**20


def requests_of(asked: dict[str, int], total: int, resource: Any = "cpu", **fields: Any) -> Requests:
    """Return the requests of containers, scaled to a total as the compiler does it."""
    whole = sum(asked.values())
    requested = [amount * total // whole if whole else 0 for amount in asked.values()]
    missing = total - sum(requested)
    for place in range(len(requested)):
        step = min(missing, list(asked.values())[place] - requested[place])
        requested[place] += step
        missing -= step
    shares = (Share(name, amount, share) for (name, amount), share in zip(asked.items(), requested, strict=True))
    return Requests(resource, tuple(shares), **fields)


@st.composite
def dags(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Return what up to seven Tasks ask for, and what each of them comes after."""
    size = draw(st.integers(1, 7))
    names = [f"t{number}" for number in range(size)]
    asked = {name: draw(st.integers(0, 4) | st.integers(0, 10**6)) for name in names}
    after = {
        name: tuple(sorted(draw(st.sets(st.sampled_from(names[:number]), max_size=3)))) if number else ()
        for number, name in enumerate(names)
    }
    return asked, after


def pipeline_of(after: dict[str, tuple[str, ...]]) -> Pipeline:
    tasks = (
        Task(name, after=before, steps=(Step("s"),), slots=(Slot(name, (name,)),)) for name, before in after.items()
    )
    return Pipeline("p", tasks=tuple(tasks))


def heaviest(asked: dict[str, int], after: dict[str, tuple[str, ...]], needed: set[str]) -> int:
    """Search all sets of Tasks that are needed, of which none comes before another."""
    before: dict[str, set[str]] = {}
    for name, earlier in after.items():  # in topological order
        before[name] = set(earlier).union(*(before[each] for each in earlier))
    sets = itertools.chain.from_iterable(itertools.combinations(needed, size) for size in range(len(needed) + 1))
    return max(sum(asked[name] for name in each) for each in sets if not any(before[name] & set(each) for name in each))


@given(dags(), st.data())
def test_requests_follow_the_remaining_peak(dag: Any, data: st.DataObject) -> None:
    """Tasks end in some order that the DAG allows, and requests are lowered at some of these moments."""
    asked, after = dag
    pipeline = pipeline_of(after)
    present = requests_of(asked, heaviest(asked, after, set(asked)))
    needed = set(asked)
    while needed:
        ready = [name for name in sorted(needed) if not needed & set(after[name])]
        needed.remove(data.draw(st.sampled_from(ready)))
        if data.draw(st.booleans()):
            continue
        new = lowered(present, pipeline, needed, None)
        assert new.sum == heaviest(asked, after, needed)
        for old, share in zip(present.shares, new.shares, strict=True):
            assert 0 <= share.requested <= old.requested, "raised"
        check_proportions(present, new, needed)
        present = new


def check_proportions(old: Requests, new: Requests, needed: set[str]) -> None:
    """What is needed, and what is not, each keep their proportions; what is needed is lowered last."""
    pairs = list(zip(old.shares, new.shares, strict=True))
    if any(after.requested < before.requested for before, after in pairs if before.container in needed):
        assert all(after.requested == 0 for before, after in pairs if before.container not in needed)
    for is_needed in (True, False):
        group = [(before, after) for before, after in pairs if (before.container in needed) == is_needed]
        whole = sum(before.requested for before, _ in group)
        total = sum(after.requested for _, after in group)
        for before, after in group:
            assert abs(after.requested * whole - before.requested * total) < max(whole, 1), "not in proportion"


@given(dags(), st.data())
def test_requests_stay_above_what_the_namespace_allows(dag: Any, data: st.DataObject) -> None:
    asked, after = dag
    needed = data.draw(st.sets(st.sampled_from(sorted(asked))))
    present = requests_of(asked, heaviest(asked, after, set(asked)))
    lowest = {share.container: data.draw(st.integers(0, 2 * share.requested)) for share in present.shares}
    lowest_sum = data.draw(st.integers(0, 2 * present.sum))
    shares = tuple(share._replace(lowest=lowest[share.container]) for share in present.shares)
    present = present._replace(shares=shares, lowest_sum=lowest_sum)
    new = lowered(present, pipeline_of(after), needed, None)
    assert new.sum >= max(heaviest(asked, after, needed), min(lowest_sum, present.sum))
    for old, share in zip(present.shares, new.shares, strict=True):
        assert min(lowest[share.container], old.requested) <= share.requested <= old.requested


def test_memory_is_lowered_in_whole_kibibytes() -> None:
    after = {"a": (), "b": ("a",), "c": ("b",)}
    shares = (Share("a", 10**9, 600 * MIB), Share("b", 10**8, 300 * MIB), Share("c", 7, 1024))
    new = lowered(Requests("memory", shares), pipeline_of(after), {"b", "c"}, None)
    assert new.sum == -(-(10**8) // 1024) * 1024
    assert all(share.requested % 1024 == 0 for share in new.shares)


# Which containers are over


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_nothing_runs_where_nothing_is_needed(first: int) -> None:
    """Whatever the engine does: what it has not started by then, it never starts in a container that is over."""
    for seed in range(first, first + 100):
        case = random_case(seed)
        progress = RunProgress(case.plan)
        needed = frozenset(containers_of(case.plan.pipeline))
        for _, command in run(case).commands:
            match command:
                case RunStep(container=container):
                    assert container in needed, (seed, container)
                case Report(event):
                    progress.apply(event)
                    needed &= needed_containers(case.plan, progress)
        assert not needed, (seed, needed)


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_pod_requests_what_runs_at_every_moment(first: int) -> None:
    """The sum of what the authors of running Steps ask for is never above what the Pod requests."""
    for seed in range(first, first + 100):
        case = random_case(seed)
        asked = {name: 100 + 37 * number % 900 for number, name in enumerate(containers_of(case.plan.pipeline))}
        whole = lowered(
            Requests("cpu", tuple(Share(name, amount, amount) for name, amount in asked.items())),
            case.plan.pipeline,
            asked,
            case.plan.max_parallel,
        )
        check_what_runs(case, whole, asked, seed)


def check_what_runs(case: Any, whole: Requests, asked: dict[str, int], seed: int) -> None:
    simulation = run(case)
    shrinking, present = Shrinking(case.plan, [whole]), whole.sum
    busy: set[tuple[str, int]] = set()
    ends = {(each.container, each.request): each.at for each in simulation.events if isinstance(each, StepExited)}
    for at, command in simulation.commands:
        busy = {key for key in busy if ends[key] > at}
        if isinstance(command, RunStep) and (command.container, command.request) in ends:
            busy.add((command.container, command.request))
            steps = {name for name, _ in busy}
            assert sum(asked[name] for name in steps) <= present, seed
        if isinstance(command, StopStep):  # a Sidecar that is stopped overlaps with what comes after its Task
            busy.discard((command.container, command.request))
        if isinstance(command, Report) and shrinking.take(command.event):
            resize = shrinking.next()
            if resize is not None:
                shrinking.accept(resize)
                assert resize.given_back("cpu") > 0
                present -= resize.given_back("cpu")


def finished(task: str, index: int | None = None, attempt: int = 0, *, again: bool = False) -> TaskFinished:
    return TaskFinished(2, task, index, attempt, "Failed" if again else "Succeeded", "", "", again)


def ended(task: str, step: str, attempt: int = 0, index: int | None = None) -> StepFinished:
    return StepFinished(1, task, index, attempt, step, f"{task}-{step}", 0, "Completed", "", 0, 1, 0, 0)


def started(task: str, slot: str, index: int | None = None, attempt: int = 0) -> TaskStarted:
    return TaskStarted(0, task, index, attempt, slot, {})


TWO = (Step("one"), Step("two"))


def needed_after(task: Task, *events: Any) -> set[str]:
    plan = Plan(Pipeline("p", tasks=(task,)), {})
    progress = RunProgress(plan)
    for event in events:
        progress.apply(event)
    return set(needed_containers(plan, progress))


def test_container_of_a_step_is_over_once_no_attempt_can_follow() -> None:
    task = Task("t", steps=TWO, retries=1, slots=(Slot("t", ("t-one", "t-two"), ("t-db",)),))
    assert needed_after(task, started("t", "t")) == {"t-one", "t-two", "t-db"}
    assert needed_after(task, started("t", "t"), ended("t", "one")) == {"t-one", "t-two", "t-db"}
    second = (started("t", "t"), finished("t", again=True), started("t", "t", attempt=1))
    assert needed_after(task, *second, ended("t", "one", 1)) == {"t-two", "t-db"}
    assert needed_after(task, *second, finished("t", attempt=1)) == set()


def test_shared_container_is_needed_until_its_last_step() -> None:
    task = Task("t", steps=TWO, slots=(Slot("t", ("t-one", "t-one")),))
    assert needed_after(task, started("t", "t"), ended("t", "one")) == {"t-one"}


def test_slot_of_a_matrix_is_over_when_no_combination_is_left_for_it() -> None:
    slots = (Slot("a", ("a",)), Slot("b", ("b",)), Slot("c", ("c",)))
    task = Task("t", steps=(Step("one"),), matrix=Matrix(), slots=slots)
    expanded = MatrixExpanded(0, "t", ["1", "2", "3"])
    assert needed_after(task, expanded, started("t", "a", 0), started("t", "b", 1)) == {"a", "b", "c"}
    more = (expanded, started("t", "a", 0), started("t", "b", 1), finished("t", 1), started("t", "a", 2))
    assert needed_after(task, *more, finished("t", 0)) == {"a"}


def test_slot_of_a_pinned_combination_is_over_with_it() -> None:
    slots = (Slot("a", ("a",)), Slot("b", ("b",)))
    task = Task("t", steps=(Step("one"),), matrix=Matrix(pinned=True), slots=slots)
    assert needed_after(task) == {"a", "b"}
    expanded = (MatrixExpanded(0, "t", ["1", "2"]), started("t", "a", 0))
    assert needed_after(task, *expanded) == {"a", "b"}
    assert needed_after(task, *expanded, finished("t", 0)) == {"b"}


def test_skipped_pipeline_needs_nothing() -> None:
    inner = Pipeline("q", tasks=(Task("u", steps=(Step("s"),), slots=(Slot("u", ("u",)),)),))
    assert needed_after(Task("t", pipeline=inner)) == {"u"}
    assert needed_after(Task("t", pipeline=inner), TaskSkipped(1, "t", "When Expressions evaluated to false")) == set()


# When a change is worth a request


def shrinking_of(asked: dict[str, int], after: dict[str, tuple[str, ...]], **fields: Any) -> Shrinking:
    plan = Plan(pipeline_of(after), {})
    shrinking = Shrinking(plan, [requests_of(asked, heaviest(asked, after, set(asked)), **fields)])
    shrinking.take(RunStarted(0, "r", "ns", "uid"))
    return shrinking


def test_change_names_what_is_lowered() -> None:
    shrinking = shrinking_of({"a": 3000, "b": 1000}, {"a": (), "b": ("a",)})
    assert shrinking.next() is None
    assert not shrinking.take(started("a", "a"))
    assert shrinking.take(finished("a"))
    resize = shrinking.next()
    assert resize is not None
    assert resize.spec == {
        "containers": [{"name": "a", "resources": {"requests": {"cpu": "250m"}}}],
    }
    assert (resize.given_back("cpu"), resize.given_back("memory")) == (2000, 0)
    assert shrinking.next() == resize, "it was not accepted yet"
    shrinking.accept(resize)
    assert shrinking.next() is None


def test_nothing_is_given_back_when_the_pod_is_about_to_end() -> None:
    shrinking = shrinking_of({"a": 3000}, {"a": ()})
    shrinking.take(finished("a"))
    assert shrinking.next() is None


def test_container_without_requests_keeps_the_run_going() -> None:
    plan = Plan(pipeline_of({"a": (), "b": ("a",)}), {})
    shrinking = Shrinking(plan, [Requests("cpu", (Share("a", 2000, 2000),))])
    shrinking.take(finished("a"))
    resize = shrinking.next()
    assert resize is not None
    assert resize.spec == {"containers": [{"name": "a", "resources": {"requests": {"cpu": "0"}}}]}


@pytest.mark.parametrize(
    ("resource", "small", "large", "is_worth"),
    [
        ("cpu", 40, 100, True),
        ("cpu", 40, 80, False),
        ("memory", GIB, GIB + 50 * MIB, False),  # less than a twentieth of it
        ("memory", GIB, GIB + 60 * MIB, True),
        ("memory", 10 * MIB, 30 * MIB, False),
    ],
)
def test_small_change_is_not_worth_a_request(resource: Any, small: int, large: int, is_worth: bool) -> None:
    shrinking = shrinking_of({"a": large, "b": small}, {"a": (), "b": ("a",)}, resource=resource)
    shrinking.take(finished("a"))
    assert isinstance(shrinking.next(), Resize) == is_worth
