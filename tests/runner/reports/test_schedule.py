"""The critical path of a DAG and changes of it, on known graphs and compared to brute force."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monopod.runner.reports.schedule import Schedule


def test_empty_graph():
    assert (Schedule({}, ()).length, Schedule({}, ()).critical_path, Schedule({}, ()).widest) == (0, (), 0)


def test_diamond():
    diamond = Schedule({"a": 1, "b": 5, "c": 2, "d": 1}, [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    assert diamond.critical_path == ("a", "b", "d")
    assert diamond.critical_edges == (("a", "b"), ("b", "d"))
    assert diamond.length == 7
    assert diamond.widest == 2
    assert diamond.with_seconds("b", 0).length == 4  # then c decides
    assert diamond.with_seconds("c", 0).length == 7
    assert diamond.without_edges([("a", "b")]).length == 6
    assert diamond.without_edges([("a", "c")]).length == 7


def test_independent_nodes_run_in_parallel():
    apart = Schedule({"a": 3, "b": 4, "c": 1}, ())
    assert (apart.length, apart.critical_path, apart.widest) == (4, ("b",), 3)


def test_cycle_is_refused():
    with pytest.raises(ValueError, match="has a cycle"):
        Schedule({"a": 1, "b": 1}, [("a", "b"), ("b", "a")])


@st.composite
def dags(draw):
    count = draw(st.integers(1, 6))
    names = [f"n{number}" for number in range(count)]
    seconds = {name: draw(st.integers(0, 20)) for name in names}
    pairs = list(itertools.combinations(names, 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return seconds, edges


def slowest_chain(seconds, edges):
    """Brute force: try every sequence of nodes without knowing their order."""
    allowed = set(edges)
    longest = 0
    for count in range(1, len(seconds) + 1):
        for chain in itertools.permutations(seconds, count):
            if all(pair in allowed for pair in itertools.pairwise(chain)):
                longest = max(longest, sum(seconds[name] for name in chain))
    return longest


def largest_antichain(seconds, edges):
    reaches = set(edges)
    for middle, first, last in itertools.product(seconds, repeat=3):
        if (first, middle) in reaches and (middle, last) in reaches:
            reaches.add((first, last))
    return max(
        count
        for count in range(1, len(seconds) + 1)
        for names in itertools.combinations(seconds, count)
        if not any(pair in reaches for pair in itertools.permutations(names, 2))
    )


@given(dags())
def test_against_brute_force(dag):
    seconds, edges = dag
    schedule = Schedule(seconds, edges)
    assert schedule.length == slowest_chain(seconds, edges)
    assert sum(seconds[name] for name in schedule.critical_path) == schedule.length
    assert set(schedule.critical_edges) <= set(edges)
    assert schedule.widest == largest_antichain(seconds, edges)


@given(dags(), st.data())
def test_changes_against_brute_force(dag, data):
    seconds, edges = dag
    schedule = Schedule(seconds, edges)
    name = data.draw(st.sampled_from(sorted(seconds)))
    assert schedule.with_seconds(name, 0).length == slowest_chain({**seconds, name: 0}, edges)
    if edges:
        removed = data.draw(st.lists(st.sampled_from(edges), unique=True))
        left = [edge for edge in edges if edge not in removed]
        assert schedule.without_edges(removed).length == slowest_chain(seconds, left)
