"""The peak of parallel requests, compared to a search of all sets, and how it is shared between containers."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monopod.compiler.pod.parts import PodParts
from monopod.compiler.pod.peak_requests import SHARED, shared_requests
from monopod.schemas.capacity.antichain import heaviest_antichain
from monopod.schemas.capacity.apportioning import apportion
from monopod.schemas.capacity.peak import peak
from monopod.schemas.formats import quantity
from monopod.schemas.plan import Pipeline, Plan, Slot, Step, Task


@st.composite
def weighted_dags(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    size = draw(st.integers(0, 9))
    weights = draw(st.lists(st.integers(0, 4) | st.integers(0, 10**9), min_size=size, max_size=size))
    predecessors = [sorted(draw(st.sets(st.integers(0, node - 1), max_size=3))) if node else [] for node in range(size)]
    numbers = draw(st.permutations(range(size)))
    renumbered: list[list[int]] = [[] for _ in range(size)]
    for node, before in enumerate(predecessors):
        renumbered[numbers[node]] = [numbers[each] for each in before]
    return weights, renumbered


def heaviest_by_search(weights: list[int], predecessors: list[list[int]], most: int | None = None) -> int:
    """Search all sets of nodes, or those of so many."""
    ancestors: dict[int, set[int]] = {}

    def before(node: int) -> set[int]:
        if node not in ancestors:
            ancestors[node] = set(predecessors[node]).union(*(before(each) for each in predecessors[node]))
        return ancestors[node]

    nodes = range(len(weights))
    subsets = itertools.chain.from_iterable(
        itertools.combinations(nodes, size)
        for size in range(min(len(weights), len(weights) if most is None else most) + 1)
    )
    return max(
        sum(weights[node] for node in subset)
        for subset in subsets
        if not any(before(node) & set(subset) for node in subset)
    )


@given(weighted_dags())
def test_heaviest_antichain_agrees_with_a_search(dag: tuple[list[int], list[list[int]]]) -> None:
    assert heaviest_antichain(*dag) == heaviest_by_search(*dag)


def test_long_chain_and_wide_fan() -> None:
    size = 3000
    assert heaviest_antichain(range(size), [[node - 1] if node else [] for node in range(size)]) == size - 1
    assert heaviest_antichain([1] * size, [[0] if node else [] for node in range(size)]) == size - 1


def orders_of_containers(pipeline: Pipeline, start: set[str], before: dict[str, set[str]]) -> set[str]:
    """Record for each container the containers that end before it starts; return the containers that end with it.

    A Sidecar ends after the last Step of its slot.
    """
    for tasks in (pipeline.tasks, pipeline.final_tasks):
        ended: dict[str, set[str]] = {}
        for task in tasks:
            done = start.union(*(ended[name] for name in task.after if name in ended))
            if task.pipeline is not None:
                ended[task.name] = orders_of_containers(task.pipeline, done, before)
                continue
            ended[task.name] = set(done)
            for slot in task.slots:
                before.update(dict.fromkeys(slot.sidecars, done))
                before.update({name: done | set(slot.containers[:place]) for place, name in enumerate(slot.containers)})
                ended[task.name] |= {*slot.containers, *slot.sidecars}
        start = start.union(*ended.values())
    return start


@settings(max_examples=40)
@given(st.data())
def test_peak_is_the_heaviest_set_of_parallel_containers(plans: Any, data: st.DataObject) -> None:
    plan, parts = data.draw(plans)
    before: dict[str, set[str]] = {}
    assert orders_of_containers(plan.pipeline, set(), before) == before.keys()
    amounts = {part.name: data.draw(st.integers(0, 5)) for part in parts.containers}
    names = sorted(before)
    predecessors = [[names.index(each) for each in before[name]] for name in names]
    assert peak(plan.pipeline, amounts) == heaviest_antichain([amounts[name] for name in names], predecessors)


def of_one_step(tasks: dict[str, tuple[str, ...]]) -> Pipeline:
    """Return a Pipeline of Tasks with one container each, which has the name of its Task."""
    return Pipeline(
        "p", tasks=tuple(Task(each, after=before, slots=(Slot(each, (each,)),)) for each, before in tasks.items())
    )


@given(weighted_dags(), st.integers(1, 4))
def test_peak_of_so_many_at_a_time_is_never_too_low(dag: tuple[list[int], list[list[int]]], most: int) -> None:
    weights, predecessors = dag
    pipeline = of_one_step(
        {f"t{node}": tuple(f"t{each}" for each in predecessors[node]) for node in range(len(weights))}
    )
    amounts = {f"t{node}": weight for node, weight in enumerate(weights)}
    bound = peak(pipeline, amounts, max_parallel=most)
    assert heaviest_by_search(weights, predecessors, most) <= bound <= peak(pipeline, amounts)
    assert bound <= sum(sorted(weights)[-most:])


def test_peak_of_so_many_at_a_time_counts_slots() -> None:
    slots = tuple(Slot(name, (name,)) for name in ("a0", "a1", "a2"))
    pipeline = Pipeline("p", tasks=(Task("a", slots=slots), Task("b", slots=(Slot("b", ("b",)),))))
    amounts = {"a0": 3, "a1": 3, "a2": 3, "b": 5}
    assert [peak(pipeline, amounts, max_parallel=most) for most in (1, 2, 3, 4, 9)] == [5, 8, 11, 14, 14]


def test_peak_of_so_many_at_a_time_knows_the_order() -> None:
    """The two heaviest are in a chain."""
    pipeline = of_one_step({"a": (), "b": ("a",), "c": ()})
    assert peak(pipeline, {"a": 5, "b": 5, "c": 1}, max_parallel=2) == 6


def amount(resources: dict[str, Any], resource: str) -> Fraction | None:
    for kind in ("requests", "limits"):
        text = resources.get(kind, {}).get(resource)
        if text is not None:
            return quantity.parse(text)
    return None


@settings(max_examples=40)
@given(st.data())
def test_requests_of_the_pod_add_up_to_its_peak(plans: Any, data: st.DataObject) -> None:
    plan, parts = data.draw(plans)
    check_shares(plan, parts)


def check_shares(plan: Plan, parts: PodParts) -> None:
    resources = {part.name: part.fields.get("resources", {}) for part in parts.containers}
    shared = shared_requests(plan.pipeline, resources)
    for resource, unit in zip(SHARED, (1000, 1, 1), strict=True):
        asked = {name: value for name, each in resources.items() if (value := amount(each, resource)) is not None}
        shares = {name: quantity.parse(each[resource]) for name, each in shared.items() if resource in each}
        assert shares.keys() == asked.keys()
        highest = peak(plan.pipeline, {name: int(value * unit) for name, value in asked.items()})
        assert sum(shares.values()) * unit == highest
        for name, share in shares.items():
            assert share <= asked[name]
            exact = asked[name] * Fraction(highest, unit) / sum(asked.values()) if share else share
            assert abs(share - exact) < Fraction(1024, unit)


def test_sequential_tasks_are_not_added_up(chain: Any) -> None:
    plan, _ = chain(["a", "b", "c", "d"])
    shared = shared_requests(
        plan.pipeline, {f"{name}-run": {"requests": {"cpu": "1", "memory": "1Gi"}} for name in "abcd"}
    )
    assert shared == {f"{name}-run": {"cpu": "250m", "memory": "256Mi"} for name in "abcd"}


def test_parallel_tasks_keep_their_requests() -> None:
    tasks = tuple(Task(name, steps=(Step("s"),), slots=(Slot(name, (f"{name}-s",)),)) for name in "ab")
    resources = {"a-s": {"requests": {"cpu": "0.5"}}, "b-s": {"requests": {"cpu": "1500m"}}}
    assert shared_requests(Pipeline("p", tasks=tasks), resources) == {"a-s": {"cpu": "0.5"}, "b-s": {"cpu": "1500m"}}


def test_proportions_are_kept_and_limits_serve_as_requests(chain: Any) -> None:
    plan, _ = chain(["a", "b", "c"])
    resources = {"a-run": {"requests": {"cpu": "3"}}, "b-run": {"limits": {"cpu": "1"}}, "c-run": {}}
    assert shared_requests(plan.pipeline, resources) == {"a-run": {"cpu": "2250m"}, "b-run": {"cpu": "750m"}}


def test_devices_stay_with_their_container(chain: Any) -> None:
    plan, _ = chain(["a", "b"])
    device = {"limits": {"nvidia.com/gpu": "1", "hugepages-2Mi": "64Mi"}}
    assert shared_requests(plan.pipeline, {"a-run": device, "b-run": device}) == {}


@pytest.mark.parametrize(
    ("amounts", "total", "shares"),
    [([1, 1, 1], 1, [1, 0, 0]), ([1, 1, 2], 3, [1, 1, 1]), ([5, 0], 5, [5, 0]), ([0, 0], 0, [0, 0]), ([], 0, [])],
)
def test_rounding_goes_to_the_largest_remainder_and_the_earlier_of_two(
    amounts: list[int], total: int, shares: list[int]
) -> None:
    assert apportion(amounts, total) == shares


@given(st.data())
def test_shares_are_exact_in_sum_and_less_than_one_off(data: st.DataObject) -> None:
    amounts = data.draw(st.lists(st.integers(0, 10**12)))
    total = data.draw(st.integers(0, sum(amounts)))
    shares = apportion(amounts, total)
    assert sum(shares) == total
    for share, each in zip(shares, amounts, strict=True):
        assert 0 <= share <= each
        assert abs(share * sum(amounts) - each * total) < max(1, sum(amounts))
